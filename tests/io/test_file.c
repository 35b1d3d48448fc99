/* SPDX-License-Identifier: MIT */
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include "support/io.h"

/* The path of a file in the scratch folder; lasts until the next but three. */
static const char *scratch(const char *name)
{
    static char paths[4][256];
    static int  next;
    char       *path = paths[next++ % 4];

    snprintf(path, sizeof paths[0], "%s/%s", hob_test_scratch(), name);
    return path;
}

static int make_file(const char *path, const char *text)
{
    FILE_(file);

    check_ok(hob_file_open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600, &file));
    check_eq(hob_file_write(file, text, strlen(text)), (ssize_t)strlen(text));
    return 0;
}

/* ---- the ordinary day ---- */

TEST_ON_ALL(file, what_was_written_can_be_read)
{
    FILE_(file);
    char buf[16];

    check_ok(make_file(scratch("f"), "hello"));
    check_ok(hob_file_open(scratch("f"), O_RDONLY, 0, &file));
    check_eq(hob_file_read(file, buf, sizeof buf), 5);
    check_mem(buf, "hello", 5);
    check_eq(hob_file_read(file, buf, sizeof buf), 0);
}

TEST_ON_ALL(file, reads_and_writes_move_the_position)
{
    FILE_(file);
    char buf[4];

    check_ok(hob_file_open(scratch("f"), O_CREAT | O_RDWR, 0600, &file));
    check_eq(hob_file_write(file, "abc", 3), 3);
    check_eq(hob_file_write(file, "defgh", 5), 5);
    check_eq(hob_file_read(file, buf, 4), 0);
    check_eq(hob_file_pread(file, buf, 4, 2), 4);
    check_mem(buf, "cdef", 4);
    check_eq(hob_file_write(file, "i", 1), 1); // pread moved nothing
    check_eq(hob_file_pread(file, buf, 4, 7), 2);
    check_mem(buf, "hi", 2);
}

TEST_ON_ALL(file, pwrite_writes_where_it_is_told)
{
    FILE_(file);
    char buf[8] = "";

    check_ok(hob_file_open(scratch("f"), O_CREAT | O_RDWR, 0600, &file));
    check_eq(hob_file_pwrite(file, "end", 3, 4), 3);
    check_eq(hob_file_pwrite(file, "begin", 4, 0), 4);
    check_eq(hob_file_read(file, buf, sizeof buf), 7);
    check_mem(buf, "begiend", 7);
    check_eq(hob_file_pread(file, buf, sizeof buf, 100), 0);
}

TEST_ON_ALL(file, appending_goes_to_the_end)
{
    FILE_(file);
    FILE_(check);
    char buf[16];

    check_ok(make_file(scratch("f"), "one"));
    check_ok(hob_file_open(scratch("f"), O_WRONLY | O_APPEND, 0, &file));
    check_eq(hob_file_write(file, "two", 3), 3);
    check_ok(hob_file_open(scratch("f"), O_RDONLY, 0, &check));
    check_eq(hob_file_read(check, buf, sizeof buf), 6);
    check_mem(buf, "onetwo", 6);
}

TEST_ON_ALL(file, megabytes_arrive_whole)
{
    enum { SIZE = 5 << 20 };
    FILE_(file);
    BYTES(bytes, SIZE);
    size_t got = 0;

    fill(bytes, SIZE, 0, 7);
    check_ok(hob_file_open(scratch("f"), O_CREAT | O_RDWR, 0600, &file));
    check_eq(hob_file_write(file, bytes, SIZE), SIZE);
    memset(bytes, 0, SIZE);
    while (got < SIZE) {
        ssize_t n = hob_file_pread(file, bytes + got, SIZE - got, (int64_t)got);
        check_gt(n, 0);
        got += (size_t)n;
    }
    check(is_filled(bytes, SIZE, 0, 7));
}

TEST_ON_ALL(file, stat_tells_size_and_kind)
{
    FILE_(file);
    struct stat st;

    check_ok(make_file(scratch("f"), "hello"));
    check_ok(hob_path_stat(scratch("f"), &st));
    check_eq(st.st_size, 5);
    check(S_ISREG(st.st_mode));
    check_ok(hob_file_open(scratch("f"), O_RDONLY, 0, &file));
    memset(&st, 0, sizeof st);
    check_ok(hob_file_stat(file, &st));
    check_eq(st.st_size, 5);
    check_err(hob_path_stat(scratch("missing"), &st), -ENOENT);
}

TEST_ON_ALL(file, sync_makes_it_durable)
{
    FILE_(file);

    check_ok(hob_file_open(scratch("f"), O_CREAT | O_WRONLY, 0600, &file));
    check_eq(hob_file_write(file, "safe", 4), 4);
    check_ok(hob_file_sync(file));
    check_ok(hob_file_sync(file));
}

TEST_ON_ALL(file, the_three_styles_give_the_same_answers)
{
    FOR_EACH_STYLE(wait)
    {
        FILE_(file);
        hob_file   *none = NULL;
        hob_op      op;
        char        buf[8];
        struct stat st;

        check_ok(hob_file_open_prep(&op, scratch("f"), O_CREAT | O_TRUNC | O_RDWR, 0600, &file));
        check_eq(wait(&op), 0);
        hob_file_write_prep(&op, file, "hello", 5);
        check_eq(wait(&op), 5);
        hob_file_pwrite_prep(&op, file, "J", 1, 0);
        check_eq(wait(&op), 1);
        hob_file_pread_prep(&op, file, buf, sizeof buf, 0);
        check_eq(wait(&op), 5);
        check_mem(buf, "Jello", 5);
        hob_file_read_prep(&op, file, buf, sizeof buf);
        check_eq(wait(&op), 0);
        hob_file_sync_prep(&op, file);
        check_eq(wait(&op), 0);
        check_ok(hob_file_stat_prep(&op, file, &st));
        check_eq(wait(&op), 0);
        check_eq(st.st_size, 5);
        check_ok(hob_path_stat_prep(&op, scratch("f"), &st));
        check_eq(wait(&op), 0);
        check_ok(hob_file_open_prep(&op, scratch("missing"), O_RDONLY, 0, &none));
        check_err(wait(&op), -ENOENT);
        check(none == NULL);
    }
}

TEST_ON_ALL(file, nothing_read_or_written_is_0)
{
    FILE_(file);
    hob_op op;
    char   buf[1];

    check_ok(hob_file_open(scratch("f"), O_CREAT | O_RDWR, 0600, &file));
    check_eq(hob_file_read(file, buf, 0), 0);
    check_eq(hob_file_write(file, buf, 0), 0);
    hob_file_pwrite_prep(&op, file, buf, 0, 0);
    check_eq(hob_op_await(&op), 0);
}

/* ---- paths ---- */

/* SURVIVAL 43. */
TEST_ON_ALL(file, a_path_that_cannot_be_is_refused)
{
    FILE_(file);
    struct stat st;
    char        path[4097];

    memset(path, 'p', sizeof path);
    path[4096] = '\0';
    check_err(hob_file_open(path, O_RDONLY, 0, &file), -ENAMETOOLONG);
    check_err(hob_path_stat(path, &st), -ENAMETOOLONG);
    check_err(hob_file_open("", O_RDONLY, 0, &file), -ENOENT);
    check_err(hob_path_stat("", &st), -ENOENT);
    check(file == NULL);
}

TEST_ON_ALL(file, opening_says_why_not)
{
    FILE_(file);

    check_err(hob_file_open(scratch("missing"), O_RDONLY, 0, &file), -ENOENT);
    check_ok(make_file(scratch("there"), ""));
    check_err(hob_file_open(scratch("there"), O_CREAT | O_EXCL | O_RDWR, 0600, &file), -EEXIST);
    check_err(hob_file_open(scratch("there/below"), O_RDONLY, 0, &file), -ENOTDIR);
    check(file == NULL);
}

TEST_ON_ALL(file, the_wrong_direction_is_an_error)
{
    FILE_(file);
    FILE_(writer);
    char buf[1];

    check_ok(make_file(scratch("f"), "x"));
    check_ok(hob_file_open(scratch("f"), O_RDONLY, 0, &file));
    check_err(hob_file_write(file, "x", 1), -EBADF);
    check_ok(hob_file_open(scratch("f"), O_WRONLY, 0, &writer));
    check_err(hob_file_read(writer, buf, 1), -EBADF);
}

/* ---- trouble with the disk ---- */

/* SURVIVAL 39. */
TEST(file, a_full_disk_says_how_much_was_written_and_then_why)
{
    FILE_(file);
    char          bytes[3000] = "";
    hob_sim_world world = { .disk_bytes = 4096 };

    check_ok(hob_sim_set_world(&world));
    check_ok(hob_file_open(scratch("f"), O_CREAT | O_WRONLY, 0600, &file));
    check_eq(hob_file_write(file, bytes, sizeof bytes), sizeof bytes);
    check_eq(hob_file_write(file, bytes, sizeof bytes), 1096);
    check_err(hob_file_write(file, bytes, sizeof bytes), -ENOSPC);
    check_eq(hob_file_pwrite(file, bytes, sizeof bytes, 0), sizeof bytes); // still open
}

TEST(file, a_spent_quota_is_told_as_one)
{
    FILE_(file);
    char          bytes[3000] = "";
    hob_sim_world world = { .disk_bytes = 4096, .disk_full_error = -EDQUOT };

    check_ok(hob_sim_set_world(&world));
    check_ok(hob_file_open(scratch("f"), O_CREAT | O_WRONLY, 0600, &file));
    check_eq(hob_file_write(file, bytes, sizeof bytes), sizeof bytes);
    check_eq(hob_file_write(file, bytes, sizeof bytes), 1096);
    check_err(hob_file_write(file, bytes, sizeof bytes), -EDQUOT);
}

TEST(file, a_disk_that_can_only_be_read_says_so)
{
    FILE_(file);
    FILE_(other);
    char          buf[8];
    hob_sim_world world = { .disk_write_error = -EROFS };

    check_ok(hob_file_open(scratch("f"), O_CREAT | O_RDWR, 0600, &file));
    check_eq(hob_file_write(file, "text", 4), 4);
    check_ok(hob_sim_set_world(&world));
    check_err(hob_file_write(file, "more", 4), -EROFS);
    check_eq(hob_file_pread(file, buf, sizeof buf, 0), 4);
    check_err(hob_file_open(scratch("f"), O_WRONLY, 0, &other), -EROFS);
    check_err(hob_file_open(scratch("g"), O_CREAT | O_WRONLY, 0600, &other), -EROFS);
    check_ok(hob_file_open(scratch("f"), O_RDONLY, 0, &other));
}

/* ---- a small disk of the kernel's own ---- */

static void unmount(char (*folder)[256])
{
    if ((*folder)[0] != '\0')
        umount2(*folder, MNT_DETACH);
}

/* Mounts one of 64 KiB, in a mount namespace of this program's own. Returns 0 or -errno. */
static int mount_small_disk(const char *folder)
{
    if (unshare(CLONE_NEWNS) < 0 || mount("", "/", "", MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("small", folder, "tmpfs", 0, "size=64k") < 0)
        return -errno;
    return 0;
}

/* SURVIVAL 39, on a real disk: what fits is written, then it is full; and then only to be read. */
static int fill_small_disk(void *folder)
{
    FILE_(file);
    FILE_(other);
    char    path[300];
    BYTES(bytes, 50000);

    memset(bytes, 'x', 50000);
    snprintf(path, sizeof path, "%s/f", (char *)folder);
    check_ok(hob_file_open(path, O_CREAT | O_WRONLY, 0600, &file));
    check_eq(hob_file_write(file, bytes, 50000), 50000);
    check_eq(hob_file_write(file, bytes, 50000), 65536 - 50000);
    check_err(hob_file_write(file, bytes, 50000), -ENOSPC);
    check_eq(hob_file_pwrite(file, bytes, 50000, 0), 50000); // still open
    close_file(&file);
    // The kernel may still be about to let go of a file that is closed.
    int r;
    for (int i = 0; (r = mount("small", folder, "tmpfs", MS_REMOUNT | MS_RDONLY, NULL)) < 0 && errno == EBUSY; i++) {
        check_lt(i, 5000);
        check_ok(hob_sleep(HOB_MSEC));
    }
    check_ok(r);
    check_err(hob_file_open(path, O_WRONLY, 0, &file), -EROFS);
    snprintf(path, sizeof path, "%s/g", (char *)folder);
    check_err(hob_file_open(path, O_CREAT | O_WRONLY, 0600, &other), -EROFS);
    return 0;
}

TEST_BARE_ON_ALL(file, a_small_disk_fills_up_and_is_then_only_to_be_read)
{
    CLOSED_BY(unmount) char mounted[256] = "";
    char                    folder[256];

    if (in_sim())
        skip("mounts are the kernel's");
    snprintf(folder, sizeof folder, "%s", hob_test_scratch());
    int r = mount_small_disk(folder);
    if (r < 0)
        skip("a small disk cannot be mounted here: %s", strerror(-r));
    memcpy(mounted, folder, sizeof mounted);
    check_ok(hob_test_run(fill_small_disk, folder));
}

static void restore_size_limit(struct rlimit *limit)
{
    setrlimit(RLIMIT_FSIZE, limit);
    signal(SIGXFSZ, SIG_DFL);
}

static struct rlimit limit_size(rlim_t bytes)
{
    struct rlimit limit;

    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &limit);
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){ bytes, limit.rlim_max });
    return limit;
}

/* SURVIVAL 39, on a real file system. */
TEST_ON_ALL(file, a_file_that_grows_too_big_says_how_much_was_written_and_then_why)
{
    FILE_(file);
    char bytes[3000] = "";

    if (in_sim())
        skip("limits of file sizes are the kernel's");
    check_ok(hob_file_open(scratch("f"), O_CREAT | O_WRONLY, 0600, &file));
    CLOSED_BY(restore_size_limit) struct rlimit limit = limit_size(4096);
    check_eq(hob_file_write(file, bytes, sizeof bytes), sizeof bytes);
    check_eq(hob_file_write(file, bytes, sizeof bytes), 1096);
    check_err(hob_file_write(file, bytes, sizeof bytes), -EFBIG);
}

TEST_ON_ALL(file, a_full_device_has_no_space)
{
    FILE_(file);

    if (in_sim())
        skip("there are no devices here");
    check_ok(hob_file_open("/dev/full", O_WRONLY, 0, &file));
    check_err(hob_file_write(file, "x", 1), -ENOSPC);
}

/* SURVIVAL 40. */
TEST(file, a_failed_sync_is_never_retried_into_success)
{
    FILE_(file);
    FILE_(other);
    hob_op op;

    check_ok(hob_file_open(scratch("f"), O_CREAT | O_WRONLY, 0600, &file));
    check_ok(hob_file_open(scratch("other"), O_CREAT | O_WRONLY, 0600, &other));
    check_eq(hob_file_write(file, "precious", 8), 8);
    check_ok(hob_sim_set_world(&(hob_sim_world){ .disk_error_percent = 100 }));
    check_err(hob_file_sync(file), -EIO);
    check_ok(hob_sim_set_world(&(hob_sim_world){ 0 }));
    check_err(hob_file_sync(file), -EIO);
    check_eq(hob_file_write(file, "again", 5), 5);
    check_err(hob_file_sync(file), -EIO);
    hob_file_sync_prep(&op, file);
    check_err(hob_op_await(&op), -EIO);
    check_ok(hob_file_sync(other)); // it is this file that lost something
}

/* SURVIVAL 40. */
TEST(file, an_error_of_the_disk_is_told_once)
{
    FILE_(file);
    char buf[4];

    check_ok(make_file(scratch("f"), "data"));
    check_ok(hob_file_open(scratch("f"), O_RDONLY, 0, &file));
    check_ok(hob_sim_set_world(&(hob_sim_world){ .disk_error_percent = 100 }));
    check_err(hob_file_pread(file, buf, 4, 0), -EIO);
    check_ok(hob_sim_set_world(&(hob_sim_world){ 0 }));
    check_eq(hob_file_pread(file, buf, 4, 0), 4);
}

/* SURVIVAL 42. */
TEST_ON_ALL(file, a_file_that_shrinks_while_it_is_read_ends_early)
{
    FILE_(file);
    FILE_(shrink);
    char buf[8];

    check_ok(make_file(scratch("f"), "12345678"));
    check_ok(hob_file_open(scratch("f"), O_RDONLY, 0, &file));
    check_eq(hob_file_read(file, buf, 4), 4);
    check_ok(hob_file_open(scratch("f"), O_WRONLY | O_TRUNC, 0, &shrink));
    check_eq(hob_file_read(file, buf, 4), 0);
}

static int slow_read(void *arg)
{
    FILE_(file);
    char buf[8];

    HOB_TRY(hob_file_open(arg, O_RDONLY, 0, &file));
    return (int)HOB_TRY(hob_file_read(file, buf, sizeof buf)) == 4 ? 0 : -EBADMSG;
}

/* SURVIVAL 41. */
TEST(file, a_slow_disk_does_not_delay_the_network)
{
    TCP(client);
    TCP(server);
    char buf[4];

    check_ok(make_file(scratch("f"), "slow"));
    check_ok(hob_sim_set_world(&(hob_sim_world){ .disk_min_ns = 500 * HOB_MSEC,
                                                 .disk_max_ns = 500 * HOB_MSEC }));
    check_ok(tcp_pair(&client, &server));
    int64_t start = hob_now();
    HOB_SCOPE(s);
    hob_go(&s, slow_read, (void *)(uintptr_t)scratch("f"));
    check_eq(hob_tcp_write(client, "ping", 4), 4);
    check_eq(hob_tcp_read(server, buf, 4), 4);
    check_lt(hob_now() - start, 10 * HOB_MSEC);
    check_ok(hob_scope_end(&s));
    check_ge(hob_now() - start, 500 * HOB_MSEC);
}

/* ---- cancelling and closing ---- */

TEST_ON_ALL(file, in_a_cancelled_scope_nothing_is_begun)
{
    FILE_(file);
    FILE_(none);
    char        buf[4];
    struct stat st;

    check_ok(hob_file_open(scratch("f"), O_CREAT | O_RDWR, 0600, &file));
    HOB_SCOPE(s);
    hob_scope_cancel(&s, "test");
    check_err(hob_file_write(file, "x", 1), -ECANCELED);
    check_err(hob_file_pwrite(file, "x", 1, 5), -ECANCELED);
    check_err(hob_file_read(file, buf, 4), -ECANCELED);
    check_err(hob_file_sync(file), -ECANCELED);
    check_err(hob_file_open(scratch("new"), O_CREAT | O_RDWR, 0600, &none), -ECANCELED);
    check_err(hob_file_open(scratch("new"), O_CREAT | O_EXCL | O_RDWR, 0600, &none), -ECANCELED);
    check_err(hob_scope_end(&s), -ECANCELED);
    check_err(hob_path_stat(scratch("new"), &st), -ENOENT);
    check_ok(hob_file_sync(file)); // that it was cancelled is no failure of the disk
    check_eq(hob_file_read(file, buf, 4), 0);
}

struct disk_io {
    hob_file *file;
    ssize_t   result;
    char      buf[8];
};

static int read_task(void *arg)
{
    struct disk_io *io = arg;
    io->result = hob_file_pread(io->file, io->buf, sizeof io->buf, 0);
    return 0;
}

TEST_ON_ALL(file, a_cancelled_read_has_its_bytes_or_none)
{
    FILE_(file);

    check_ok(make_file(scratch("f"), "12345678"));
    check_ok(hob_file_open(scratch("f"), O_RDONLY, 0, &file));
    for (int i = 0; i < 50; i++) {
        struct disk_io io = { .file = file, .result = 1 };
        HOB_SCOPE(s);
        hob_go(&s, read_task, &io);
        if (i % 3 == 0)
            hob_yield();
        hob_scope_cancel(&s, "test");
        (void)!hob_scope_end(&s);
        if (io.result == 8)
            check_mem(io.buf, "12345678", 8);
        else
            check_err(io.result, -ECANCELED);
    }
}

static int open_task(void *arg)
{
    struct disk_io *io = arg;
    io->result = hob_file_open(io->buf, O_CREAT | O_RDWR, 0600, &io->file);
    return 0;
}

TEST_ON_ALL(file, a_cancelled_open_gives_the_file_or_nothing)
{
    struct {
        struct disk_io io;
        char           more[256];
    } place;

    for (int i = 0; i < 20; i++) {
        place.io = (struct disk_io){ .result = 1 };
        snprintf(place.io.buf, sizeof place.io.buf + sizeof place.more, "%s", scratch("f"));
        HOB_SCOPE(s);
        hob_go(&s, open_task, &place.io);
        for (int j = 0; j < i % 4; j++)
            hob_yield();
        hob_scope_cancel(&s, "test");
        (void)!hob_scope_end(&s);
        if (place.io.result == 0)
            hob_file_close(place.io.file);
        else
            check_err(place.io.result, -ECANCELED);
    }
}

static int write_task(void *arg)
{
    struct disk_io *io = arg;
    io->result = hob_file_write(io->file, io->buf, sizeof io->buf);
    return 0;
}

static int sync_task(void *arg)
{
    struct disk_io *io = arg;
    io->result = hob_file_sync(io->file);
    return 0;
}

/* SURVIVAL 16. */
TEST_ON_ALL(file, closing_gives_everybody_back)
{
    if (in_sim())
        check_ok(hob_sim_set_world(&(hob_sim_world){ .disk_min_ns = 1, .disk_max_ns = 9 }));
    for (int i = 0; i < 10; i++) {
        FILE_(file);

        check_ok(make_file(scratch("f"), "12345678"));
        check_ok(hob_file_open(scratch("f"), O_RDWR, 0, &file));
        struct disk_io reads = { .file = file, .result = 1 }, writes = reads, syncs = reads;
        HOB_SCOPE(s);
        hob_go(&s, read_task, &reads);
        hob_go(&s, write_task, &writes);
        hob_go(&s, sync_task, &syncs);
        if (in_sim())
            settle(); // where tasks may start later
        close_file(&file);
        check_ok(hob_scope_end(&s));
        check(reads.result == 8 || reads.result == -ECANCELED);
        check(writes.result == 8 || writes.result == -ECANCELED);
        check(syncs.result == 0 || syncs.result == -ECANCELED);
    }
}

TEST_DIES(file, a_negative_offset_is_a_mistake, "hob_file_pread: the offset is negative")
{
    hob_file *file;
    char      buf[1];

    check_ok(hob_file_open(scratch("f"), O_CREAT | O_RDWR, 0600, &file));
    (void)!hob_file_pread(file, buf, 1, -1);
}

/* ---- what looks like a file and is none ---- */

static int make_fifo(const char *path)
{
    check_ok(mkfifo(path, 0600));
    return 0;
}

TEST_ON_ALL(file, a_fifo_opens_without_its_other_end)
{
    FILE_(reader);
    FILE_(writer);
    char buf[4];

    if (in_sim())
        skip("there are no FIFOs here");
    check_ok(make_fifo(scratch("fifo")));
    check_err(hob_file_open(scratch("fifo"), O_WRONLY, 0, &writer), -ENXIO);
    check_ok(hob_file_open(scratch("fifo"), O_RDONLY, 0, &reader));
    check_eq(hob_file_read(reader, buf, 4), 0);
    check_ok(hob_file_open(scratch("fifo"), O_WRONLY, 0, &writer));
    check_eq(hob_file_write(writer, "ping", 4), 4);
    check_eq(hob_file_read(reader, buf, 4), 4);
}

enum { FIFOS = 12 };

static int read_fifo(void *arg)
{
    struct disk_io *io = arg;
    io->result = hob_file_read(io->file, io->buf, sizeof io->buf);
    return 0;
}

static void close_fifos(struct disk_io (*fifos)[FIFOS])
{
    for (int i = 0; i < FIFOS; i++)
        hob_file_close((*fifos)[i].file);
}

TEST_ON_ALL(file, readers_of_fifos_hold_up_no_files)
{
    CLOSED_BY(close_fifos) struct disk_io fifos[FIFOS] = { 0 };
    FILE_(file);
    char name[16], buf[8];

    if (in_sim())
        skip("there are no FIFOs here");
    for (int i = 0; i < FIFOS; i++) {
        snprintf(name, sizeof name, "fifo%d", i);
        check_ok(make_fifo(scratch(name)));
        check_ok(hob_file_open(scratch(name), O_RDWR, 0, &fifos[i].file));
    }
    HOB_SCOPE(s);
    for (int i = 0; i < FIFOS; i++)
        hob_go(&s, read_fifo, &fifos[i]);

    check_ok(make_file(scratch("f"), "12345678"));
    check_ok(hob_file_open(scratch("f"), O_RDONLY, 0, &file));
    check_eq(hob_file_read(file, buf, sizeof buf), 8);
    for (int i = 0; i < FIFOS / 2; i++)
        check_eq(hob_file_write(fifos[i].file, "x", 1), 1);
    while (fifos[0].result == 0)
        check_ok(hob_sleep(1 * HOB_MSEC));
    hob_scope_cancel(&s, "test");
    check_err(hob_scope_end(&s), -ECANCELED);
    check_err(fifos[FIFOS - 1].result, -ECANCELED);
}

TEST_ON_ALL(file, devices_can_be_read_and_written)
{
    FILE_(zero);
    FILE_(null);
    char buf[4] = "full";

    if (in_sim())
        skip("there are no devices here");
    check_ok(hob_file_open("/dev/zero", O_RDONLY, 0, &zero));
    check_eq(hob_file_read(zero, buf, 4), 4);
    check_mem(buf, "\0\0\0\0", 4);
    check_ok(hob_file_open("/dev/null", O_RDWR, 0, &null));
    check_eq(hob_file_read(null, buf, 4), 0);
    check_eq(hob_file_write(null, buf, 4), 4);
}

TEST_ON_ALL(file, a_folder_opens_and_does_not_read)
{
    FILE_(folder);
    char        buf[4];
    struct stat st;

    check_ok(make_file(scratch("f"), ""));
    check_ok(hob_file_open(hob_test_scratch(), O_RDONLY | O_DIRECTORY, 0, &folder));
    check_ok(hob_file_stat(folder, &st));
    check(S_ISDIR(st.st_mode));
    check_err(hob_file_read(folder, buf, 4), -EISDIR);
}
