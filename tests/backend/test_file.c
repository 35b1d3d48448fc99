/* SPDX-License-Identifier: MIT */
/* Files, and pipes and devices that were not made by Hob. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/lack.h"
#include "world.h"

static void file_open(struct thing *file, struct world *w, const char *path, int flags)
{
    struct req req;
    want_open(&req, w, path, flags, 0600);
    thing_adopt(file, w, run(&req), DESC_FILE);
}

/* A file of the world with this content. */
static void put_file(struct world *w, const char *path, const char *text)
{
    struct thing file;
    struct req   req;
    file_open(&file, w, path, O_RDWR | O_CREAT | O_TRUNC);
    want_rw(&req, &file, OP_WRITE, (void *)text, strlen(text), 0);
    check_eq(run(&req), strlen(text));
    thing_close(&file);
}

static void remove_file(struct world *w, const char *path)
{
    if (!w->is_sim)
        check_eq(unlink(path), 0);
}

static void files(struct world *w)
{
    struct thing file;
    struct req   req;
    struct stat  st;
    char         buf[64];
    const char  *path = scratch(w, "file");

    want_open(&req, w, path, O_RDONLY, 0);
    check_eq(run(&req), -ENOENT);
    file_open(&file, w, path, O_RDWR | O_CREAT | O_EXCL);
    if (!w->is_sim)
        check((fcntl(file.desc.fd, F_GETFD) & FD_CLOEXEC) != 0);
    want_rw(&req, &file, OP_WRITE, "0123456789", 10, -1);
    check_eq(run(&req), 10);
    want_rw(&req, &file, OP_WRITE, "ab", 2, 4);
    check_eq(run(&req), 2);
    want_rw(&req, &file, OP_READ, buf, sizeof buf, 2);
    check_eq(run(&req), 8);
    check(memcmp(buf, "23ab6789", 8) == 0);
    want_rw(&req, &file, OP_READ, buf, sizeof buf, -1); // the position is at the end
    check_eq(run(&req), 0);
    want_rw(&req, &file, OP_READ, buf, sizeof buf, 100);
    check_eq(run(&req), 0);
    req_init(&req, w, OP_FSYNC, &file);
    check_eq(run(&req), 0);
    req_init(&req, w, OP_STAT, &file);
    req.op.stat.out = &st;
    check_eq(run(&req), 0);
    check_eq(st.st_size, 10);
    check(S_ISREG(st.st_mode));
    thing_close(&file);
    req_init(&req, w, OP_STAT, NULL);
    req.op.stat.path = path;
    req.op.stat.out = &st;
    check_eq(run(&req), 0);
    check_eq(st.st_size, 10);
    want_open(&req, w, path, O_RDWR | O_CREAT | O_EXCL, 0600);
    check_eq(run(&req), -EEXIST);
    remove_file(w, path);
}

/* Many at once, at the file's position: each gets the next bytes. */
static void position(struct world *w)
{
    enum { COUNT = 40 };
    struct thing file;
    struct req   write[COUNT], read[COUNT];
    char         out[COUNT], in[COUNT];
    const char  *path = scratch(w, "position");

    file_open(&file, w, path, O_RDWR | O_CREAT | O_TRUNC);
    for (int i = 0; i < COUNT; i++) {
        out[i] = (char)('A' + i);
        want_rw(&write[i], &file, OP_WRITE, &out[i], 1, -1);
        submit(&write[i]);
    }
    for (int i = 0; i < COUNT; i++) {
        wait_for(&write[i]);
        check_eq(write[i].result, 1);
        if (i > 0)
            check(write[i].nth > write[i - 1].nth);
    }
    thing_close(&file);
    file_open(&file, w, path, O_RDONLY);
    for (int i = 0; i < COUNT; i++) {
        want_rw(&read[i], &file, OP_READ, &in[i], 1, -1);
        submit(&read[i]);
    }
    for (int i = 0; i < COUNT; i++) {
        wait_for(&read[i]);
        check_eq(read[i].result, 1);
        check_eq(in[i], out[i]);
        if (i > 0)
            check(read[i].nth > read[i - 1].nth);
    }
    thing_close(&file);
    remove_file(w, path);
}

/* The one thread is kept by a FIFO that nobody writes to, so both writes wait for it when the
 * first is cancelled: the second gets its turn, and not the first once more (6c1926f). */
static void the_first_at_the_position_is_cancelled(struct world *w)
{
    struct thing file, fifo;
    struct req   keep, first, second;
    char         buf[8], fifo_path[4096];
    int          other;
    const char  *path = scratch(w, "fifo");

    snprintf(fifo_path, sizeof fifo_path, "%s", path);
    check_eq(mkfifo(fifo_path, 0600), 0);
    path = scratch(w, "turns");
    file_open(&file, w, path, O_RDWR | O_CREAT | O_TRUNC);
    want_open(&keep, w, fifo_path, O_RDONLY, 0);
    submit(&keep);
    settle(w);
    if (strcmp(w->b->type->name, "epoll") == 0)
        check(!keep.ended);

    want_rw(&first, &file, OP_WRITE, "one", 3, -1);
    submit(&first);
    want_rw(&second, &file, OP_WRITE, "two", 3, -1);
    submit(&second);
    cancel(&first);
    wait_for(&first);
    if (strcmp(w->b->type->name, "epoll") == 0)
        check_eq(first.result, -ECANCELED); // nobody can have begun
    while ((other = open(fifo_path, O_WRONLY | O_NONBLOCK | O_CLOEXEC)) < 0)
        check_eq(errno, ENXIO);
    wait_for(&keep);
    thing_adopt(&fifo, w, keep.result, DESC_PIPE);
    thing_close(&fifo);
    close(other);
    wait_for(&second);
    check_eq(second.result, 3);
    want_rw(&keep, &file, OP_READ, buf, sizeof buf, 0);
    check_eq(run(&keep), first.result > 0 ? 6 : 3);
    check(memcmp(buf + (first.result > 0 ? 3 : 0), "two", 3) == 0);
    thing_close(&file);
    check_eq(unlink(fifo_path), 0);
    remove_file(w, path);
}

static void offsets(struct world *w)
{
    enum { COUNT = 100, BLOCK = 1000 };
    static char  block[COUNT][BLOCK];
    struct thing file;
    struct req   req[COUNT];
    const char  *path = scratch(w, "offsets");

    file_open(&file, w, path, O_RDWR | O_CREAT | O_TRUNC);
    for (int i = 0; i < COUNT; i++) {
        memset(block[i], i, BLOCK);
        want_rw(&req[i], &file, OP_WRITE, block[i], BLOCK, (int64_t)i * BLOCK);
        submit(&req[i]);
    }
    for (int i = 0; i < COUNT; i++) {
        wait_for(&req[i]);
        check_eq(req[i].result, BLOCK);
        memset(block[i], 0xFF, BLOCK);
        want_rw(&req[i], &file, OP_READ, block[i], BLOCK, (int64_t)i * BLOCK);
    }
    for (int i = 0; i < COUNT; i++)
        submit(&req[i]);
    for (int i = 0; i < COUNT; i++) {
        wait_for(&req[i]);
        check_eq(req[i].result, BLOCK);
        for (int j = 0; j < BLOCK; j++)
            check_eq(block[i][j], (char)i);
    }
    thing_close(&file);
    remove_file(w, path);
}

/* Each is carried out whole or not at all. */
static void cancelled(struct world *w)
{
    enum { COUNT = 60 };
    static char  data[COUNT][100];
    struct thing file;
    struct req   req[COUNT];
    char         back;
    const char  *path = scratch(w, "cancel");

    file_open(&file, w, path, O_RDWR | O_CREAT | O_TRUNC);
    for (int round = 0; round < 20; round++) {
        struct req whole;
        char       dot[COUNT * 100];
        memset(dot, '.', sizeof dot);
        want_rw(&whole, &file, OP_WRITE, dot, sizeof dot, 0);
        check_eq(run(&whole), sizeof dot);
        for (int i = 0; i < COUNT; i++) {
            memset(data[i], 'a' + round, sizeof data[i]);
            want_rw(&req[i], &file, OP_WRITE, data[i], sizeof data[i], i * 100);
            submit(&req[i]);
        }
        if (round % 2)
            turn(w, 0);
        for (int i = 0; i < COUNT; i += 1 + round % 3) {
            cancel(&req[i]);
            w->races++;
        }
        for (int i = 0; i < COUNT; i++) {
            wait_for(&req[i]);
            check(req[i].result == 100 || req[i].result == -ECANCELED);
            want_rw(&whole, &file, OP_READ, &back, 1, i * 100);
            check_eq(run(&whole), 1);
            check_eq(back, req[i].result == 100 ? 'a' + round : '.');
        }
    }
    thing_close(&file);
    remove_file(w, path);
}

static void cancelled_at_position(struct world *w)
{
    enum { COUNT = 30 };
    struct thing file;
    struct req   req[COUNT];
    char         in[COUNT];
    char         text[COUNT + 1];
    const char  *path = scratch(w, "cancelpos");

    for (int i = 0; i < COUNT; i++)
        text[i] = (char)('A' + i);
    text[COUNT] = '\0';
    put_file(w, path, text);
    for (int round = 0; round < 20; round++) {
        int next = 0;
        file_open(&file, w, path, O_RDONLY);
        for (int i = 0; i < COUNT; i++) {
            want_rw(&req[i], &file, OP_READ, &in[i], 1, -1);
            submit(&req[i]);
        }
        for (int i = round % 3; i < COUNT; i += 2 + round % 2)
            cancel(&req[i]);
        for (int i = 0; i < COUNT; i++) {
            wait_for(&req[i]);
            if (req[i].result == -ECANCELED)
                continue;
            check_eq(req[i].result, 1);
            check_eq(in[i], text[next++]);
        }
        thing_close(&file);
    }
    remove_file(w, path);
}

static void release(struct world *w)
{
    enum { COUNT = 30 };
    struct thing file;
    struct req   req[COUNT];
    static char  buf[COUNT][5000];
    const char  *path = scratch(w, "release");

    for (int round = 0; round < 20; round++) {
        file_open(&file, w, path, O_RDWR | O_CREAT);
        for (int i = 0; i < COUNT; i++) {
            want_rw(&req[i], &file, i % 2 ? OP_WRITE : OP_READ, buf[i], sizeof buf[i],
                    i % 3 ? -1 : i * 100);
            submit(&req[i]);
        }
        if (round % 2)
            turn(w, 0);
        thing_close(&file);
        for (int i = 0; i < COUNT; i++) {
            check(req[i].ended);
            check(req[i].result >= 0 || req[i].result == -ECANCELED);
        }
    }
    remove_file(w, path);
}

static void opens_cancelled(struct world *w)
{
    enum { COUNT = 50 };
    struct thing file;
    struct req   req[COUNT];
    const char  *path = scratch(w, "opens");

    put_file(w, path, "x");
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < COUNT; i++) {
            want_open(&req[i], w, path, O_RDONLY, 0);
            submit(&req[i]);
        }
        if (round % 2)
            turn(w, 0);
        for (int i = 0; i < COUNT; i += 2)
            cancel(&req[i]);
        for (int i = 0; i < COUNT; i++) {
            wait_for(&req[i]);
            check(req[i].result >= 0 || (i % 2 == 0 && req[i].result == -ECANCELED));
            if (req[i].result >= 0) {
                thing_adopt(&file, w, req[i].result, DESC_FILE);
                thing_close(&file);
            }
        }
    }
    remove_file(w, path);
}

static void errors(struct world *w)
{
    struct thing file;
    struct req   req;
    char         buf[8];
    const char  *path = scratch(w, "errors");

    put_file(w, path, "text");
    file_open(&file, w, path, O_RDONLY);
    want_rw(&req, &file, OP_WRITE, "x", 1, 0);
    check_eq(run(&req), -EBADF);
    want_rw(&req, &file, OP_WRITE, "x", 1, -1);
    check_eq(run(&req), -EBADF);
    thing_close(&file);
    file_open(&file, w, path, O_WRONLY);
    want_rw(&req, &file, OP_READ, buf, 8, 0);
    check_eq(run(&req), -EBADF);
    thing_close(&file);
    remove_file(w, path);
}

static void a_full_disk(struct world *w)
{
    struct thing file;
    struct req   req;
    want_open(&req, w, "/dev/full", O_WRONLY, 0);
    thing_adopt(&file, w, run(&req), DESC_FILE);
    want_rw(&req, &file, OP_WRITE, "x", 1, 0);
    check_eq(run(&req), -ENOSPC);
    thing_close(&file);
}

/* ---- what somebody else opened ---- */

/* Blocking pipes stay blocking, for whoever shares them, and do not block us. */
static void blocking_pipe(struct world *w)
{
    struct thing reader, writer;
    struct req   read, write;
    int          fds[2];
    static char  big[200000], in[65536];

    check_eq(pipe(fds), 0);
    thing_adopt(&reader, w, fds[0], DESC_PIPE);
    thing_adopt(&writer, w, fds[1], DESC_PIPE);
    want_rw(&read, &reader, OP_READ, in, sizeof in, -1);
    submit(&read);
    settle(w);
    check(read.flying);
    write_all(&writer, "abc", 3);
    wait_for(&read);
    check_eq(read.result, 3);
    want_rw(&read, &reader, OP_READ, in, sizeof in, -1);
    submit(&read);
    settle(w);
    cancel(&read);
    wait_for(&read);
    check_eq(read.result, -ECANCELED);

    memset(big, 7, sizeof big);
    size_t sent = 0, got = 0;
    want_rw(&write, &writer, OP_WRITE, big, sizeof big, -1);
    submit(&write);
    while (got < sizeof big) {
        if (write.ended) {
            check(write.result > 0);
            sent += (size_t)write.result;
            write.ended = false;
            if (sent < sizeof big) {
                want_rw(&write, &writer, OP_WRITE, big, sizeof big - sent, -1);
                submit(&write);
                continue;
            }
        }
        want_rw(&read, &reader, OP_READ, in, sizeof in, -1);
        check(run(&read) > 0);
        got += (size_t)read.result;
    }
    check_eq(fcntl(fds[0], F_GETFL) & O_NONBLOCK, 0);
    check_eq(fcntl(fds[1], F_GETFL) & O_NONBLOCK, 0);
    thing_close(&writer);
    want_rw(&read, &reader, OP_READ, in, sizeof in, -1);
    check_eq(run(&read), 0);
    thing_close(&reader);
}

static void terminal(struct world *w)
{
    struct thing tty;
    struct req   in, out;
    char         buf[64];
    int          master = posix_openpt(O_RDWR | O_NOCTTY);

    if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0)
        skip("no terminals here");
    int fd = open(ptsname(master), O_RDWR | O_NOCTTY);
    check(fd >= 0);
    thing_adopt(&tty, w, fd, DESC_PIPE);
    want_rw(&in, &tty, OP_READ, buf, sizeof buf, -1);
    submit(&in);
    settle(w);
    check(in.flying);
    want_rw(&out, &tty, OP_WRITE, "out", 3, -1);
    check_eq(run(&out), 3);
    check_eq(write(master, "l1\nl2\n", 6), 6);
    wait_for(&in); // one line at a time, and the second is not forgotten
    check_eq(in.result, 3);
    want_rw(&in, &tty, OP_READ, buf, sizeof buf, -1);
    check_eq(run(&in), 3);
    check_eq(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
    thing_close(&tty);
    close(master);
}

static void devices(struct world *w)
{
    struct thing null, zero;
    struct req   req;
    char         buf[16];
    int          fd = open("/dev/null", O_RDWR | O_CLOEXEC);

    thing_adopt(&null, w, fd, DESC_PIPE);
    want_rw(&req, &null, OP_WRITE, "gone", 4, -1);
    check_eq(run(&req), 4);
    want_rw(&req, &null, OP_READ, buf, sizeof buf, -1);
    check_eq(run(&req), 0);
    thing_close(&null);
    thing_adopt(&zero, w, open("/dev/zero", O_RDONLY | O_CLOEXEC), DESC_PIPE);
    memset(buf, 1, sizeof buf);
    want_rw(&req, &zero, OP_READ, buf, sizeof buf, -1);
    check_eq(run(&req), sizeof buf);
    check_eq(buf[15], 0);
    thing_close(&zero);
}

/* Standard input is often a file: `program < file`. */
static void file_as_pipe(struct world *w)
{
    struct thing in;
    struct req   req;
    char         buf[16];
    const char  *path = scratch(w, "stdin");

    put_file(w, path, "from a file");
    thing_adopt(&in, w, open(path, O_RDONLY | O_CLOEXEC), DESC_PIPE);
    want_rw(&req, &in, OP_READ, buf, sizeof buf, -1);
    check_eq(run(&req), 11);
    want_rw(&req, &in, OP_READ, buf, sizeof buf, -1);
    check_eq(run(&req), 0);
    thing_close(&in);
    remove_file(w, path);
}

/* The number is not ours: after gone() it is still open. */
static void kept_open(struct world *w)
{
    struct thing one, two;
    struct req   in[2];
    char         buf[2][4];
    int          fds[2];

    check_eq(pipe(fds), 0);
    thing_adopt(&one, w, fds[0], DESC_PIPE);
    thing_adopt(&two, w, fds[0], DESC_PIPE); // twice the same number
    one.desc.keep_open = two.desc.keep_open = true;
    want_rw(&in[0], &one, OP_READ, buf[0], 4, -1);
    submit(&in[0]);
    want_rw(&in[1], &two, OP_READ, buf[1], 4, -1);
    submit(&in[1]);
    settle(w);
    thing_close(&one);
    check_eq(in[0].result, -ECANCELED);
    check_eq(write(fds[1], "x", 1), 1);
    wait_for(&in[1]);
    check_eq(in[1].result, 1);
    thing_close(&two);
    check(fcntl(fds[0], F_GETFD) >= 0);
    close(fds[0]);
    close(fds[1]);
}

/* A large file, that is not in memory if the kernel lets go of it. */
static void put_large_file(struct world *w, const char *path, char *bytes, size_t len)
{
    struct thing file;
    struct req   req;

    for (size_t i = 0; i < len; i++)
        bytes[i] = (char)(i / 7 + i / 4096);
    file_open(&file, w, path, O_RDWR | O_CREAT | O_TRUNC);
    want_rw(&req, &file, OP_WRITE, bytes, len, 0);
    check_eq(run(&req), len);
    if (!w->is_sim) {
        check_eq(fsync(file.desc.fd), 0);
        (void)!posix_fadvise(file.desc.fd, 0, 0, POSIX_FADV_DONTNEED);
    }
    thing_close(&file);
}

/* Reads of all lengths at the position, many at once, of a file that is partly in memory: what is
 * read at once does not overtake what flies. */
static void position_in_and_out_of_memory(struct world *w)
{
    enum { BYTES = 1 << 20, ROUND = 8, LEN_MAX = 200000 };
    static char  bytes[BYTES], in[ROUND][LEN_MAX];
    struct thing file;
    struct req   read[ROUND];
    struct rand  rand = { .state = 7 };
    const char  *path = scratch(w, "large");
    size_t       at = 0;

    put_large_file(w, path, bytes, BYTES);
    file_open(&file, w, path, O_RDONLY);
    for (bool more = true; more;) {
        for (int i = 0; i < ROUND; i++) {
            size_t len = 1 + rand_below(&rand, rand_below(&rand, 3) == 0 ? LEN_MAX : 10000);
            want_rw(&read[i], &file, OP_READ, in[i], len, -1);
            submit(&read[i]);
        }
        for (int i = 0; i < ROUND; i++) {
            wait_for(&read[i]);
            check(read[i].result >= 0);
            check(at + (size_t)read[i].result <= BYTES);
            check(memcmp(in[i], bytes + at, (size_t)read[i].result) == 0);
            at += (size_t)read[i].result;
            check(i == 0 || read[i].nth > read[i - 1].nth);
            more = read[i].result > 0;
        }
    }
    check_eq(at, BYTES);
    thing_close(&file);
    remove_file(w, path);
}

/* A read at an offset brings all that there is, also when only a part of it is in memory. */
static void whole_though_partly_in_memory(struct world *w)
{
    enum { BYTES = 1 << 20, LEN = 64 * 1024 };
    static char  bytes[BYTES], in[LEN];
    struct thing file;
    struct req   read;
    const char  *path = scratch(w, "large");

    put_large_file(w, path, bytes, BYTES);
    file_open(&file, w, path, O_RDONLY);
    if (!w->is_sim)
        (void)!posix_fadvise(file.desc.fd, 0, 0, POSIX_FADV_RANDOM); // nothing is read ahead
    for (size_t at = 0; at < BYTES; at += LEN) {
        for (int i = 0; i < 2; i++) { // twice: after a miss the next read does not look in memory
            want_rw(&read, &file, OP_READ, in, 4096, (int64_t)at);
            check_eq(run(&read), 4096);
        }
        want_rw(&read, &file, OP_READ, in, LEN, (int64_t)at);
        int64_t got = run(&read);
        check(got > 0 && memcmp(in, bytes + at, (size_t)got) == 0);
        if (strcmp(w->b->type->name, "uring") == 0)
            check_eq(got, LEN);
    }
    want_rw(&read, &file, OP_READ, in, LEN, BYTES - 100);
    check_eq(run(&read), 100);
    check(memcmp(in, bytes + BYTES - 100, 100) == 0);
    thing_close(&file);
    remove_file(w, path);
}

/* What is in memory is told at once, and a direct read, which waits for the disk, is not: nobody is
 * held up by it. */
static void direct(struct world *w)
{
    static char  bytes[8192], in[8192] __attribute__((aligned(4096)));
    struct thing file;
    struct req   read;
    const char  *path = scratch(w, "direct");

    put_large_file(w, path, bytes, sizeof bytes);
    want_open(&read, w, path, O_RDONLY | O_DIRECT, 0);
    int64_t fd = run(&read);
    if (fd == -EINVAL) {
        remove_file(w, path);
        skip("this file system has no direct reads");
    }
    thing_adopt(&file, w, fd, DESC_FILE);
    for (int i = 0; i < 3; i++) {
        memset(in, 0, sizeof in);
        want_rw(&read, &file, OP_READ, in, sizeof in, 0);
        submit(&read);
        check(read.flying);
        wait_for(&read);
        check_eq(read.result, sizeof in);
        check(memcmp(in, bytes, sizeof in) == 0);
    }
    thing_close(&file);
    remove_file(w, path);
}

/* Asked of the kernel first: not every file system, and not Valgrind, tells what is in memory. */
static void in_memory(struct world *w)
{
    static char  bytes[8192], in[8192];
    struct iovec iov = { in, sizeof in };
    struct thing file;
    struct req   read;
    const char  *path = scratch(w, "memory");

    put_large_file(w, path, bytes, sizeof bytes);
    file_open(&file, w, path, O_RDONLY);
    check_eq(pread(file.desc.fd, in, sizeof in, 0), sizeof in);
    if (hob__lacks(LACK_NOWAIT_IO) || preadv2(file.desc.fd, &iov, 1, 0, RWF_NOWAIT) != sizeof in) {
        thing_close(&file);
        remove_file(w, path);
        skip("this kernel, or this file system, does not tell what is in memory");
    }
    want_rw(&read, &file, OP_READ, in, sizeof in, 0);
    submit(&read);
    check(!read.flying);
    check_eq(read.result, sizeof in);
    check(memcmp(in, bytes, sizeof in) == 0);
    thing_close(&file);
    remove_file(w, path);
}

#define TINY { .ring_entries = 2, .completions = 4, .recv_bufs = 2, .blocking_threads = 1 }

const struct test_case file_cases[] = {
    { "files are opened, written, read, synced and asked for their state", files, 0, { 0 } },
    { "reads and writes at the position take turns", position, 0, { 0 } },
    { "reads and writes at the position take turns in tiny queues", position, 0, TINY },
    { "reads and writes at offsets all arrive", offsets, 0, { 0 } },
    { "reads and writes at offsets all arrive in tiny queues", offsets, 0, TINY },
    { "a cancelled file write was done whole or not at all", cancelled, 0, { 0 } },
    { "a cancelled read at the position skips nothing", cancelled_at_position, 0, { 0 } },
    { "the first in line at the position can be cancelled", the_first_at_the_position_is_cancelled,
      NEEDS_KERNEL, TINY },
    { "release waits for the disk, then closes", release, 0, { 0 } },
    { "a cancelled open leaks no descriptor", opens_cancelled, 0, { 0 } },
    { "reads at the position keep their order, in and out of memory", position_in_and_out_of_memory,
      0, { 0 } },
    { "a read at an offset is whole though only a part is in memory", whole_though_partly_in_memory,
      0, { 0 } },
    { "what is in memory is read at once", in_memory, NEEDS_KERNEL, { 0 } },
    { "a direct read does not hold up the loop", direct, NEEDS_KERNEL, { 0 } },
    { "the errors of files come through", errors, 0, { 0 } },
    { "a full disk is told", a_full_disk, NEEDS_KERNEL, { 0 } },
    { "a blocking pipe stays blocking and does not block us", blocking_pipe, NEEDS_KERNEL, { 0 } },
    { "a terminal gives its lines one by one", terminal, NEEDS_KERNEL, { 0 } },
    { "devices that cannot be watched work", devices, NEEDS_KERNEL, { 0 } },
    { "a file can be read as standard input", file_as_pipe, NEEDS_KERNEL, { 0 } },
    { "a number that is not ours stays open", kept_open, NEEDS_KERNEL, { 0 } },
    { 0 },
};
