/* SPDX-License-Identifier: MIT */
/*
 * SPLICE: from a stream or a file into a pipe that is empty, and out of it again.
 *
 * What is checked everywhere: no byte is lost, doubled or passed by those that were received
 * ahead; a cancelled one has moved nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "world.h"

/* Our pipe; and what is read out of it. */
static void pipe_open(struct world *w, struct thing *to, struct thing *from)
{
    stream_pair(w, STREAM_PIPE, to, from);
}

static void want_splice(struct req *req, struct thing *on, const struct thing *pipe, bool inward,
                        size_t len)
{
    req_init(req, on->w, OP_SPLICE, on);
    req->op.splice.pipe_fd = pipe->desc.fd;
    req->op.splice.inward = inward;
    req->op.splice.len = len;
}

static int64_t splice_in(struct thing *from, const struct thing *pipe_to, size_t len)
{
    struct req req;
    want_splice(&req, from, pipe_to, true, len);
    return run(&req);
}

static int64_t splice_out(struct thing *to, const struct thing *pipe_from, size_t len)
{
    struct req req;
    want_splice(&req, to, pipe_from, false, len);
    return run(&req);
}

static void over_all(struct world *w, void (*fn)(struct world *w, enum stream_kind kind))
{
    for (int kind = 0; kind < STREAM_KINDS; kind++)
        fn(w, (enum stream_kind)kind);
}

static void close_four(struct thing *a, struct thing *b, struct thing *to, struct thing *from)
{
    thing_close(a);
    thing_close(b);
    thing_close(to);
    thing_close(from);
}

/* ---- */

static void there_and_out(struct world *w, enum stream_kind kind)
{
    struct thing a, b, c, d, to, from;
    char         buf[8];

    stream_pair(w, kind, &a, &b);
    stream_pair(w, kind, &c, &d);
    pipe_open(w, &to, &from);
    write_all(&a, "hello", 5);
    check_eq(splice_in(&b, &to, 3), 3);
    check_eq(splice_out(&c, &from, 3), 3);
    check_eq(splice_in(&b, &to, 100), 2);
    check_eq(splice_out(&c, &from, 2), 2);
    read_all(&d, buf, 5);
    check(memcmp(buf, "hello", 5) == 0);
    thing_close(&a);
    check_eq(splice_in(&b, &to, 100), 0);
    thing_close(&b);
    close_four(&c, &d, &to, &from);
}

static void bytes_go_through_a_pipe(struct world *w)
{
    over_all(w, there_and_out);
}

static void waits(struct world *w, enum stream_kind kind)
{
    struct thing a, b, to, from;
    struct req   in, out;
    char         buf[8];

    stream_pair(w, kind, &a, &b);
    pipe_open(w, &to, &from);
    want_splice(&in, &b, &to, true, 100);
    submit(&in);
    settle(w);
    check(!in.ended);
    write_all(&a, "abc", 3);
    wait_for(&in);
    check_eq(in.result, 3);

    size_t full = fill_up(&a);
    want_splice(&out, &a, &from, false, 3);
    submit(&out);
    settle(w);
    check(!out.ended);
    static char much[1 << 16];
    for (size_t got = 0; got < full;) {
        struct req read;
        stream_want_read(&read, &b, much, full - got < sizeof much ? full - got : sizeof much);
        got += (size_t)run(&read);
    }
    wait_for(&out);
    check_eq(out.result, 3);
    read_all(&b, buf, 3);
    check(memcmp(buf, "abc", 3) == 0);
    close_four(&a, &b, &to, &from);
}

static void it_waits_for_bytes_and_for_room(struct world *w)
{
    over_all(w, waits);
}

static void cancelled(struct world *w, enum stream_kind kind)
{
    struct thing a, b, to, from;
    struct req   in;
    char         buf[8];

    stream_pair(w, kind, &a, &b);
    pipe_open(w, &to, &from);
    for (int settled = 0; settled < 2; settled++) {
        want_splice(&in, &b, &to, true, 100);
        submit(&in);
        if (settled)
            settle(w);
        cancel(&in);
        cancel(&in);
        wait_for(&in);
        check_eq(in.result, -ECANCELED);
    }
    write_all(&a, "abc", 3);
    read_all(&b, buf, 3); // nothing went into the pipe
    check(memcmp(buf, "abc", 3) == 0);
    want_splice(&in, &b, &to, true, 100);
    submit(&in);
    settle(w);
    thing_release(&b);
    wait_for(&in);
    check_eq(in.result, -ECANCELED);
    wait_gone(&b);
    thing_close(&a);
    thing_close(&to);
    thing_close(&from);
}

static void a_cancelled_one_moves_nothing(struct world *w)
{
    over_all(w, cancelled);
}

/* A read that waits has the kernel receive ahead, on uring. */
static void after_reading(struct world *w)
{
    struct thing a, b, to, from;
    struct req   in;
    char         buf[64];

    for (int settled = 0; settled < 2; settled++) {
        stream_pair(w, STREAM_TCP, &a, &b);
        pipe_open(w, &to, &from);
        struct req read;
        stream_want_read(&read, &b, buf, 4);
        submit(&read);
        settle(w);
        write_all(&a, "0123", 4);
        wait_for(&read);
        check_eq(read.result, 4);
        write_all(&a, "456789", 6);
        if (settled)
            settle(w);
        size_t got = 0;
        while (got < 6) {
            int64_t n = splice_in(&b, &to, 4);
            check(n > 0);
            read_all(&from, buf + got, (size_t)n);
            got += (size_t)n;
        }
        check(memcmp(buf, "456789", 6) == 0);
        want_splice(&in, &b, &to, true, 100); // nothing is there
        submit(&in);
        settle(w);
        check(!in.ended);
        write_all(&a, "x", 1);
        wait_for(&in);
        check_eq(in.result, 1);
        read_all(&from, buf, 1);
        stream_want_read(&read, &b, buf, 4); // and reading goes on behind it
        submit(&read);
        write_all(&a, "yz", 2);
        wait_for(&read);
        check(read.result > 0);
        check_eq(buf[0], 'y');
        if (read.result == 1)
            read_all(&b, buf, 1);
        thing_close(&a);
        check_eq(splice_in(&b, &to, 100), 0);
        thing_close(&b);
        thing_close(&to);
        thing_close(&from);
    }
}

/* What it was told of is gone when it looks: it goes on waiting. */
static void a_splice_that_finds_nothing_waits_on(struct world *w)
{
    struct thing a, b, to, from;
    struct req   in;
    char         buf[8];

    stream_pair(w, STREAM_TCP, &a, &b);
    pipe_open(w, &to, &from);
    want_splice(&in, &b, &to, true, 100);
    submit(&in);
    settle(w);
    for (int i = 0; i < 20; i++) {
        check_eq(send(a.desc.fd, "x", 1, MSG_DONTWAIT), 1);
        if (i % 2 == 0)
            usleep(2000); // the news of it may have come
        check_eq(recv(b.desc.fd, buf, 8, 0), 1);
        settle(w);
        check(!in.ended);
    }
    write_all(&a, "abc", 3);
    wait_for(&in);
    check_eq(in.result, 3);
    close_four(&a, &b, &to, &from);
}

static void a_gone_peer(struct world *w, enum stream_kind kind)
{
    struct thing a, b, to, from;

    signal(SIGPIPE, SIG_IGN); // as a run does: splice(2) knows no MSG_NOSIGNAL
    stream_pair(w, kind, &a, &b);
    pipe_open(w, &to, &from);
    write_all(&to, "abc", 3);
    thing_close(&b);
    if (kind == STREAM_TCP) { // it has to be heard first
        struct req write;
        stream_want_write(&write, &a, "x", 1);
        (void)run(&write);
        settle(w);
        int64_t n = splice_out(&a, &from, 3);
        check(n == -EPIPE || n == -ECONNRESET);
    } else {
        check_eq(splice_out(&a, &from, 3), -EPIPE);
    }
    thing_close(&a);
    thing_close(&to);
    thing_close(&from);
}

static void a_gone_peer_gives_an_error(struct world *w)
{
    over_all(w, a_gone_peer);
}

static void large(struct world *w, enum stream_kind kind)
{
    enum { PIECE = 5000, PIECES = 200 };
    static unsigned char out[PIECE], in[PIECE];
    struct thing         a, b, c, d, to, from;

    stream_pair(w, kind, &a, &b);
    stream_pair(w, kind, &c, &d);
    pipe_open(w, &to, &from);
    for (int i = 0; i < PIECES; i++) {
        for (size_t k = 0; k < PIECE; k++)
            out[k] = (unsigned char)(((size_t)i * PIECE + k) * 31 >> 3);
        write_all(&a, out, PIECE);
        for (size_t got = 0; got < PIECE;) {
            int64_t n = splice_in(&b, &to, 3000);
            check(n > 0 && n <= 3000);
            for (int64_t left = n; left > 0;) {
                int64_t gone = splice_out(&c, &from, (size_t)left);
                check(gone > 0 && gone <= left);
                left -= gone;
            }
            got += (size_t)n;
        }
        read_all(&d, in, PIECE);
        check(memcmp(in, out, PIECE) == 0);
    }
    close_four(&a, &b, &c, &d);
    thing_close(&to);
    thing_close(&from);
}

static void a_megabyte_stays_in_order(struct world *w)
{
    over_all(w, large);
}

static void file_open(struct thing *file, struct world *w, const char *path, int flags)
{
    struct req req;
    want_open(&req, w, path, flags, 0600);
    thing_adopt(file, w, run(&req), DESC_FILE);
}

static void a_file_goes_in_and_out_at_its_position(struct world *w)
{
    struct thing file, to, from;
    struct req   req;
    char         buf[16];
    const char  *path = scratch(w, "spliced");

    file_open(&file, w, path, O_RDWR | O_CREAT | O_TRUNC);
    pipe_open(w, &to, &from);
    write_all(&to, "0123456789", 10);
    check_eq(splice_out(&file, &from, 4), 4);
    check_eq(splice_out(&file, &from, 6), 6);
    want_rw(&req, &file, OP_READ, buf, sizeof buf, 0);
    check_eq(run(&req), 10);
    check(memcmp(buf, "0123456789", 10) == 0);
    check_eq(splice_in(&file, &to, 10), 0); // its position is at the end
    thing_close(&file);

    file_open(&file, w, path, O_RDONLY);
    check_eq(splice_in(&file, &to, 4), 4);
    read_all(&from, buf, 4);
    check_eq(splice_in(&file, &to, 100), 6);
    read_all(&from, buf + 4, 6);
    check(memcmp(buf, "0123456789", 10) == 0);
    check_eq(splice_in(&file, &to, 100), 0);
    thing_close(&file);

    file_open(&file, w, path, O_WRONLY | O_APPEND);
    write_all(&to, "x", 1);
    check_eq(splice_out(&file, &from, 1), -EINVAL);
    thing_close(&file);
    thing_close(&to);
    thing_close(&from);
}

static void a_file_can_be_let_go_while_it_is_spliced(struct world *w)
{
    struct thing file, to, from;
    struct req   req;

    file_open(&file, w, scratch(w, "released"), O_RDWR | O_CREAT | O_TRUNC);
    want_rw(&req, &file, OP_WRITE, "0123456789", 10, 0);
    check_eq(run(&req), 10);
    pipe_open(w, &to, &from);
    want_splice(&req, &file, &to, true, 100);
    submit(&req);
    thing_release(&file);
    wait_for(&req);
    check(req.result == 10 || req.result == -ECANCELED);
    wait_gone(&file);
    thing_close(&to);
    thing_close(&from);
}

#define TINY { .ring_entries = 2, .completions = 4, .recv_bufs = 2, .recv_buf_bytes = 16 }

const struct test_case splice_cases[] = {
    { "bytes go through a pipe, and the end is told", bytes_go_through_a_pipe, 0, { 0 } },
    { "a splice waits for bytes and for room", it_waits_for_bytes_and_for_room, 0, { 0 } },
    { "a cancelled splice moves nothing", a_cancelled_one_moves_nothing, 0, { 0 } },
    { "what was received ahead is spliced first", after_reading, 0, { 0 } },
    { "what was received ahead is spliced first, with tiny buffers", after_reading, 0, TINY },
    { "a splice that finds nothing after all waits on", a_splice_that_finds_nothing_waits_on,
      NEEDS_KERNEL, { 0 } },
    { "a splice to a gone peer is an error", a_gone_peer_gives_an_error, 0, { 0 } },
    { "a spliced megabyte stays in order", a_megabyte_stays_in_order, 0, { 0 } },
    { "a spliced megabyte stays in order in tiny queues", a_megabyte_stays_in_order, 0, TINY },
    { "a file is spliced at its position", a_file_goes_in_and_out_at_its_position, 0, { 0 } },
    { "a file is let go while it is spliced", a_file_can_be_let_go_while_it_is_spliced, 0, { 0 } },
    { 0 },
};
