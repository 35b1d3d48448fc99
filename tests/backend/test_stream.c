/* SPDX-License-Identifier: MIT */
/*
 * Byte streams: TCP, Unix sockets and pipes give the same answers.
 *
 * What is checked everywhere: no byte is lost, doubled or out of order, and no
 * buffer is written after its op came back.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/lack.h"
#include "world.h"

static void over_all(struct world *w, void (*fn)(struct world *w, enum stream_kind kind))
{
    for (int kind = 0; kind < STREAM_KINDS; kind++)
        fn(w, (enum stream_kind)kind);
}

static void close_both(struct thing *a, struct thing *b)
{
    if (a->open)
        thing_close(a);
    if (b->open)
        thing_close(b);
}

static bool all_are(const void *buf, size_t len, int byte)
{
    const unsigned char *bytes = buf;
    for (size_t i = 0; i < len; i++)
        if (bytes[i] != (unsigned char)byte)
            return false;
    return true;
}

/* ---- */

static void arrive(struct world *w, enum stream_kind kind)
{
    struct thing a, b;
    char         buf[100];

    stream_pair(w, kind, &a, &b);
    write_all(&a, "hello", 5);
    read_all(&b, buf, 5);
    check(memcmp(buf, "hello", 5) == 0);
    write_all(&a, "x", 1);
    read_all(&b, buf, 1);
    check_eq(buf[0], 'x');
    close_both(&a, &b);
}

static void bytes_arrive(struct world *w)
{
    over_all(w, arrive);
}

static void waiting_read(struct world *w, enum stream_kind kind)
{
    struct thing a, b;
    struct req   read;
    char         buf[64];

    stream_pair(w, kind, &a, &b);
    memset(buf, 0x55, sizeof buf);
    stream_want_read(&read, &b, buf, sizeof buf);
    submit(&read);
    settle(w);
    check(!read.ended);
    write_all(&a, "abc", 3);
    wait_for(&read);
    check_eq(read.result, 3);
    check(memcmp(buf, "abc", 3) == 0);
    check(all_are(buf + 3, sizeof buf - 3, 0x55));
    close_both(&a, &b);
}

static void a_read_waits(struct world *w)
{
    over_all(w, waiting_read);
}

static void large(struct world *w, enum stream_kind kind)
{
    enum { TOTAL = 3 << 20 };
    static unsigned char out[70001], in[50021];
    struct thing a, b;
    struct req   read, write;
    size_t       sent = 0, got = 0;

    stream_pair(w, kind, &a, &b);
    read.flying = write.flying = false;
    while (got < TOTAL) {
        if (!write.flying && sent < TOTAL) {
            size_t len = TOTAL - sent < sizeof out ? TOTAL - sent : sizeof out;
            for (size_t i = 0; i < len; i++)
                out[i] = (unsigned char)((sent + i) * 31 >> 3);
            stream_want_write(&write, &a, out, len);
            submit(&write);
        }
        if (!read.flying) {
            stream_want_read(&read, &b, in, sizeof in);
            submit(&read);
        }
        if (read.flying && (write.flying || sent == TOTAL))
            turn(w, 1000000000);
        if (!write.flying && write.ended) {
            check(write.result > 0);
            sent += (size_t)write.result;
            write.ended = false;
        }
        if (!read.flying) {
            check(read.result > 0);
            for (size_t i = 0; i < (size_t)read.result; i++)
                check_eq(in[i], (unsigned char)((got + i) * 31 >> 3));
            got += (size_t)read.result;
        }
    }
    check_eq(got, TOTAL);
    if (write.flying)
        wait_for(&write);
    close_both(&a, &b);
}

static void megabytes_arrive(struct world *w)
{
    over_all(w, large);
}

static void cancelled_read(struct world *w, enum stream_kind kind)
{
    struct thing a, b;
    struct req   read;
    char         buf[64], other[64];

    stream_pair(w, kind, &a, &b);
    memset(buf, 0x55, sizeof buf);
    stream_want_read(&read, &b, buf, sizeof buf);
    submit(&read);
    settle(w);
    cancel(&read);
    wait_for(&read);
    check_eq(read.result, -ECANCELED);
    write_all(&a, "abc", 3);
    settle(w);
    check(all_are(buf, sizeof buf, 0x55));
    read_all(&b, other, 3);
    check(memcmp(other, "abc", 3) == 0);
    close_both(&a, &b);
}

static void a_cancelled_read_takes_nothing(struct world *w)
{
    over_all(w, cancelled_read);
}

static void cancelled_before_poll(struct world *w, enum stream_kind kind)
{
    struct thing a, b;
    struct req   read;
    char         buf[64];

    stream_pair(w, kind, &a, &b);
    for (int turns_between = 0; turns_between < 2; turns_between++) {
        stream_want_read(&read, &b, buf, sizeof buf);
        submit(&read);
        if (turns_between)
            turn(w, 0);
        cancel(&read);
        cancel(&read);
        wait_for(&read);
        check_eq(read.result, -ECANCELED);
    }
    write_all(&a, "z", 1);
    read_all(&b, buf, 1);
    check_eq(buf[0], 'z');
    close_both(&a, &b);
}

static void cancel_at_once_and_twice(struct world *w)
{
    over_all(w, cancelled_before_poll);
}

/* The bytes are there before the cancel, but poll() did not tell yet. */
static void late_cancel(struct world *w, enum stream_kind kind)
{
    struct thing a, b;
    struct req   read;
    char         buf[8], rest[8];

    stream_pair(w, kind, &a, &b);
    for (int round = 0; round < 50; round++) {
        size_t got = 0;
        memset(buf, 0x55, sizeof buf);
        stream_want_read(&read, &b, buf, sizeof buf);
        submit(&read);
        if (round % 2)
            turn(w, 0);
        write_all(&a, "late", 4);
        if (round % 3 == 0)
            turn(w, 0);
        cancel(&read);
        wait_for(&read);
        check(read.result == -ECANCELED || (read.result >= 1 && read.result <= 4));
        if (read.result > 0) {
            got = (size_t)read.result;
            check(memcmp(buf, "late", got) == 0);
        } else {
            check(all_are(buf, sizeof buf, 0x55));
        }
        if (got < 4)
            read_all(&b, rest, 4 - got);
        check(memcmp(rest, &"late"[got], 4 - got) == 0);
        w->races++;
    }
    close_both(&a, &b);
}

static void the_result_wins(struct world *w)
{
    over_all(w, late_cancel);
}

static void reads_in_order(struct world *w, enum stream_kind kind)
{
    enum { COUNT = 20 };
    struct thing a, b;
    struct req   read[COUNT];
    char         byte[COUNT], text[COUNT];

    stream_pair(w, kind, &a, &b);
    for (int i = 0; i < COUNT; i++) {
        stream_want_read(&read[i], &b, &byte[i], 1);
        submit(&read[i]);
        text[i] = (char)('a' + i);
    }
    settle(w);
    cancel(&read[5]); // one in the middle goes; the others move up
    write_all(&a, text, COUNT - 1);
    for (int i = 0; i < COUNT; i++)
        wait_for(&read[i]);
    for (int i = 0, next = 0; i < COUNT; i++) {
        if (read[i].result == -ECANCELED) {
            check_eq(i, 5);
            continue;
        }
        check_eq(read[i].result, 1);
        check_eq(byte[i], text[next++]);
        if (i > 0 && i != 5 && i != 6)
            check(read[i].nth > read[i - 1].nth);
    }
    close_both(&a, &b);
}

static void reads_finish_in_order(struct world *w)
{
    over_all(w, reads_in_order);
}

static void writes_in_order(struct world *w, enum stream_kind kind)
{
    enum { COUNT = 8 };
    static char  big[COUNT][30000], in[65536];
    struct thing a, b;
    struct req   write[COUNT], read;
    size_t       filled, to_drain, at = 0;

    stream_pair(w, kind, &a, &b);
    filled = fill_up(&a);
    for (int i = 0; i < COUNT; i++) {
        memset(big[i], 'A' + i, sizeof big[i]);
        stream_want_write(&write[i], &a, big[i], sizeof big[i]);
        submit(&write[i]);
    }
    settle(w);
    to_drain = filled;
    while (at < to_drain || write[COUNT - 1].flying) {
        stream_want_read(&read, &b, in, sizeof in);
        check(run(&read) > 0);
        for (size_t i = 0; i < (size_t)read.result; i++, at++) {
            int in_letters = at >= filled;
            check(in_letters ? in[i] >= 'A' && in[i] < 'A' + COUNT : in[i] == 0);
        }
        turn(w, 0);
    }
    // What came after the zeros: letters in order, as many as each write said.
    size_t total = 0;
    for (int i = 0; i < COUNT; i++) {
        check(write[i].ended);
        check(write[i].result > 0);
        if (i > 0)
            check(write[i].nth > write[i - 1].nth);
        total += (size_t)write[i].result;
    }
    while (at < filled + total) {
        stream_want_read(&read, &b, in, sizeof in);
        check(run(&read) > 0);
        at += (size_t)read.result;
    }
    check_eq(at, filled + total);
    close_both(&a, &b);
}

static void writes_finish_in_order(struct world *w)
{
    over_all(w, writes_in_order);
}

static void independent(struct world *w, enum stream_kind kind)
{
    struct thing a, b;
    struct req   read, write;
    char         buf[8];

    if (kind == STREAM_PIPE)
        return;
    stream_pair(w, kind, &a, &b);
    stream_want_read(&read, &a, buf, sizeof buf);
    submit(&read);
    stream_want_write(&write, &a, "out", 3);
    check_eq(run(&write), 3);
    check(!read.ended);
    fill_up(&b);
    stream_want_write(&write, &b, "stuck", 5);
    submit(&write);
    wait_for(&read);
    check(read.result > 0);
    read_all(&b, buf, 3);
    check(memcmp(buf, "out", 3) == 0);
    cancel(&write);
    wait_for(&write);
    close_both(&a, &b);
}

static void the_directions_are_independent(struct world *w)
{
    over_all(w, independent);
}

static void cancelled_write(struct world *w, enum stream_kind kind)
{
    static char  big[100000], in[65536];
    struct thing a, b;
    struct req   write, read;
    size_t       want, got = 0;

    stream_pair(w, kind, &a, &b);
    want = fill_up(&a);
    memset(big, 1, sizeof big);
    stream_want_write(&write, &a, big, sizeof big);
    submit(&write);
    settle(w);
    cancel(&write);
    wait_for(&write);
    check(write.result == -ECANCELED || write.result > 0);
    if (write.result > 0)
        want += (size_t)write.result;
    thing_close(&a);
    do {
        stream_want_read(&read, &b, in, sizeof in);
        check(run(&read) >= 0);
        got += (size_t)read.result;
    } while (read.result > 0);
    check_eq(got, want);
    close_both(&a, &b);
}

static void a_cancelled_write_counts(struct world *w)
{
    over_all(w, cancelled_write);
}

static void released(struct world *w, enum stream_kind kind)
{
    enum { COUNT = 4 };
    struct thing a, b;
    struct req   read[COUNT], write[COUNT], end;
    char         buf[COUNT][16];

    stream_pair(w, kind, &a, &b);
    bool both = kind != STREAM_PIPE;
    if (both)
        fill_up(&b);
    for (int i = 0; i < COUNT; i++) {
        memset(buf[i], 0x55, sizeof buf[i]);
        stream_want_read(&read[i], &b, buf[i], sizeof buf[i]);
        submit(&read[i]);
        if (both) {
            stream_want_write(&write[i], &b, "no", 2);
            submit(&write[i]);
        }
    }
    settle(w);
    cancel(&read[1]);
    thing_release(&b);
    wait_gone(&b);
    for (int i = 0; i < COUNT; i++) {
        check(read[i].ended);
        check_eq(read[i].result, -ECANCELED);
        check(all_are(buf[i], sizeof buf[i], 0x55));
        if (both)
            check_eq(write[i].result, -ECANCELED);
    }
    if (kind == STREAM_TCP) { // the peer gets what was written, then the end
        static char in[65536];
        do {
            stream_want_read(&end, &a, in, sizeof in);
            check(run(&end) >= 0);
        } while (end.result > 0);
    }
    close_both(&a, &b);
}

static void release_ends_what_flies(struct world *w)
{
    over_all(w, released);
}

static void the_end(struct world *w, enum stream_kind kind)
{
    struct thing a, b;
    struct req   read;
    char         buf[8];

    stream_pair(w, kind, &a, &b);
    stream_want_read(&read, &b, buf, sizeof buf);
    submit(&read);
    turn(w, 0);
    write_all(&a, "12345", 5);
    thing_close(&a);
    wait_for(&read);
    check_eq(read.result, 5);
    for (int i = 0; i < 3; i++) {
        stream_want_read(&read, &b, buf, sizeof buf);
        check_eq(run(&read), 0);
    }
    close_both(&a, &b);
}

static void the_end_is_0_for_ever(struct world *w)
{
    over_all(w, the_end);
}

static void the_end_wakes(struct world *w, enum stream_kind kind)
{
    struct thing a, b;
    struct req   read[3];
    char         buf[8];

    stream_pair(w, kind, &a, &b);
    for (int i = 0; i < 3; i++) {
        stream_want_read(&read[i], &b, buf, sizeof buf);
        submit(&read[i]);
    }
    settle(w);
    thing_close(&a);
    for (int i = 0; i < 3; i++) {
        wait_for(&read[i]);
        check_eq(read[i].result, 0);
    }
    close_both(&a, &b);
}

static void the_end_wakes_all_readers(struct world *w)
{
    over_all(w, the_end_wakes);
}

/* A short read, and then the end: the one after it must not sleep. */
static void short_then_end(struct world *w, enum stream_kind kind)
{
    struct thing a, b;
    struct req   read;
    char         buf[64];

    for (int order = 0; order < 3; order++) {
        stream_pair(w, kind, &a, &b);
        stream_want_read(&read, &b, buf, sizeof buf);
        submit(&read);
        settle(w);
        if (order == 0) {
            write_all(&a, "abc", 3);
            wait_for(&read);
            thing_close(&a);
        } else if (order == 1) {
            write_all(&a, "abc", 3);
            thing_close(&a);
            wait_for(&read);
        } else {
            write_all(&a, "abc", 3);
            wait_for(&read);
            stream_want_read(&read, &b, buf, sizeof buf);
            submit(&read);
            turn(w, 0);
            thing_close(&a);
            wait_for(&read);
            check_eq(read.result, 0);
            close_both(&a, &b);
            continue;
        }
        check_eq(read.result, 3);
        stream_want_read(&read, &b, buf, sizeof buf);
        check_eq(run(&read), 0);
        close_both(&a, &b);
    }
}

static void the_end_after_a_short_read(struct world *w)
{
    over_all(w, short_then_end);
}

static void half_close(struct world *w, enum stream_kind kind)
{
    struct thing a, b;
    struct req   req;
    char         buf[8];

    if (kind == STREAM_PIPE)
        return;
    stream_pair(w, kind, &a, &b);
    write_all(&a, "ask", 3);
    req_init(&req, w, OP_SHUTDOWN, &a);
    check_eq(quick(&req), 0);
    read_all(&b, buf, 3);
    stream_want_read(&req, &b, buf, sizeof buf);
    check_eq(run(&req), 0);
    write_all(&b, "answer", 6);
    read_all(&a, buf, 6);
    check(memcmp(buf, "answer", 6) == 0);
    stream_want_write(&req, &a, "more", 4);
    check_eq(run(&req), -EPIPE);
    close_both(&a, &b);
}

static void writing_goes_on_after_the_peers_end(struct world *w)
{
    over_all(w, half_close);
}

static void gone_peer(struct world *w, enum stream_kind kind)
{
    struct thing a, b;
    struct req   write;

    if (kind == STREAM_PIPE)
        signal(SIGPIPE, SIG_IGN); // WRITE to a pipe cannot be told not to raise it
    stream_pair(w, kind, &a, &b);
    thing_close(&b);
    settle(w);
    for (int i = 0; i < 5; i++) {
        stream_want_write(&write, &a, "x", 1);
        run(&write);
        settle(w);
        if (write.result < 0)
            check(write.result == -EPIPE || write.result == -ECONNRESET);
    }
    check_eq(write.result, -EPIPE);
    close_both(&a, &b);
}

static void a_gone_peer_gives_epipe_and_no_signal(struct world *w)
{
    over_all(w, gone_peer);
}

static void gone_while_writing(struct world *w, enum stream_kind kind)
{
    static char  big[100000];
    struct thing a, b;
    struct req   write;

    if (kind == STREAM_PIPE)
        signal(SIGPIPE, SIG_IGN);
    stream_pair(w, kind, &a, &b);
    fill_up(&a);
    stream_want_write(&write, &a, big, sizeof big);
    submit(&write);
    settle(w);
    if (write.flying) {
        thing_close(&b);
        wait_for(&write);
        check(write.result == -EPIPE || write.result == -ECONNRESET);
    }
    close_both(&a, &b);
}

static void a_peer_that_goes_ends_waiting_writes(struct world *w)
{
    over_all(w, gone_while_writing);
}

/* A close with unread bytes is a reset: what we were sent before comes first. */
static void a_reset_comes_after_the_bytes(struct world *w)
{
    struct thing a, b;
    struct req   read;
    char         buf[8];

    stream_pair(w, STREAM_TCP, &a, &b);
    write_all(&a, "never read", 10);
    write_all(&b, "last", 4);
    settle(w);
    thing_close(&b);
    settle(w);
    stream_want_read(&read, &a, buf, sizeof buf);
    check_eq(run(&read), 4);
    check(memcmp(buf, "last", 4) == 0);
    stream_want_read(&read, &a, buf, sizeof buf);
    check_eq(run(&read), -ECONNRESET);
    stream_want_read(&read, &a, buf, sizeof buf);
    check(run(&read) <= 0); // told once, then it is an end
    close_both(&a, &b);
}

static void a_reset_ends_a_waiting_read(struct world *w)
{
    struct thing a, b;
    struct req   read;
    char         buf[8];

    stream_pair(w, STREAM_TCP, &a, &b);
    stream_want_read(&read, &a, buf, sizeof buf);
    submit(&read);
    write_all(&a, "never read", 10);
    settle(w);
    thing_close(&b);
    wait_for(&read);
    check_eq(read.result, -ECONNRESET);
    close_both(&a, &b);
}

static void ping(struct world *w, enum stream_kind kind)
{
    struct thing a, b;
    struct req   there, back;
    char         ball_a, ball_b;

    if (kind == STREAM_PIPE)
        return;
    stream_pair(w, kind, &a, &b);
    for (int i = 0; i < 2000; i++) {
        char ball = (char)i;
        stream_want_read(&back, &a, &ball_a, 1);
        submit(&back);
        stream_want_read(&there, &b, &ball_b, 1);
        submit(&there);
        write_all(&a, &ball, 1);
        wait_for(&there);
        check_eq(ball_b, ball);
        write_all(&b, &ball_b, 1);
        wait_for(&back);
        check_eq(ball_a, ball);
    }
    close_both(&a, &b);
}

static void a_thousand_round_trips(struct world *w)
{
    over_all(w, ping);
}

static void crowd(struct world *w, enum stream_kind kind)
{
    enum { PAIRS = 60 };
    static struct thing a[PAIRS], b[PAIRS];
    static struct req   read[PAIRS], extra[PAIRS];
    static char         buf[PAIRS][64];
    for (int i = 0; i < PAIRS; i++) {
        stream_pair(w, kind, &a[i], &b[i]);
        stream_want_read(&read[i], &b[i], buf[i], 1);
        submit(&read[i]);
        stream_want_read(&extra[i], &b[i], buf[i] + 1, 1);
        submit(&extra[i]);
    }
    for (int i = 0; i < PAIRS; i++)
        write_all(&a[i], (char[]){ (char)i }, 1);
    for (int i = 0; i < PAIRS; i++) {
        wait_for(&read[i]);
        check_eq(read[i].result, 1);
        check_eq(buf[i][0], i);
    }
    for (int i = 0; i < PAIRS; i += 2)
        cancel(&extra[i]);
    for (int i = 0; i < PAIRS; i++)
        thing_release(&b[i]);
    for (int i = 0; i < PAIRS; i++) {
        wait_gone(&b[i]);
        check_eq(extra[i].result, -ECANCELED);
        thing_close(&a[i]);
    }
}

static void more_ops_than_the_queue_holds(struct world *w)
{
    over_all(w, crowd);
}

static struct backend_stats stats_of(struct world *w)
{
    struct backend_stats stats;
    w->b->type->stats(w->b, &stats);
    return stats;
}

static bool is_uring(const struct world *w)
{
    return strcmp(w->b->type->name, "uring") == 0;
}

/* The queue of four is full, and the kernel says so: what waits there comes all the same. */
static void completions_overflow(struct world *w)
{
    for (int tries = 0; tries < 20 && stats_of(w).overflows == 0; tries++)
        over_all(w, crowd);
    if (is_uring(w))
        check(stats_of(w).overflows > 0);
}

/* Two buffers for eight connections that all have something to say: the receive ends for want of
 * one (ENOBUFS), and nobody but a counter hears of it. */
static void buffers_run_out(struct world *w)
{
    enum { PAIRS = 8, BYTES = 400 };
    struct thing a[PAIRS], b[PAIRS];
    struct req   read[PAIRS];
    char         in[PAIRS][32], out[BYTES];
    size_t       got[PAIRS] = { 0 };
    int          left = PAIRS;

    for (int i = 0; i < PAIRS; i++) {
        stream_pair(w, STREAM_UNIX, &a[i], &b[i]);
        stream_want_read(&read[i], &b[i], in[i], sizeof in[i]);
        submit(&read[i]);
    }
    settle(w);
    for (size_t i = 0; i < BYTES; i++)
        out[i] = (char)(i * 7);
    for (int i = 0; i < PAIRS; i++)
        write_all(&a[i], out, BYTES);
    while (left > 0) {
        for (int i = 0; i < PAIRS; i++) {
            if (got[i] == BYTES)
                continue;
            wait_for(&read[i]);
            check(read[i].result > 0);
            check(memcmp(in[i], out + got[i], (size_t)read[i].result) == 0);
            got[i] += (size_t)read[i].result;
            left -= got[i] == BYTES;
            if (got[i] < BYTES) {
                stream_want_read(&read[i], &b[i], in[i], sizeof in[i]);
                submit(&read[i]);
            }
        }
    }
    if (is_uring(w) && !hob__lacks(LACK_BUFFER_RINGS) && !hob__lacks(LACK_MULTISHOT_RECV))
        check(stats_of(w).recv_pool_empty > 0);
    for (int i = 0; i < PAIRS; i++)
        close_both(&a[i], &b[i]);
}

#define TINY { .ring_entries = 2, .completions = 4, .recv_bufs = 2, .recv_buf_bytes = 16 }

const struct test_case stream_cases[] = {
    { "bytes arrive as they were sent", bytes_arrive, 0, { 0 } },
    { "a read waits for bytes and touches no more than it got", a_read_waits, 0, { 0 } },
    { "megabytes arrive whole and in order", megabytes_arrive, 0, { 0 } },
    { "megabytes arrive whole through tiny queues", megabytes_arrive, 0, TINY },
    { "a cancelled read takes nothing, and its buffer stays alone", a_cancelled_read_takes_nothing,
      0, { 0 } },
    { "a read can be cancelled at once, and twice", cancel_at_once_and_twice, 0, { 0 } },
    { "a cancel that comes late loses no byte", the_result_wins, 0, { 0 } },
    { "a cancel that comes late loses no byte in tiny queues", the_result_wins, 0, TINY },
    { "reads finish in the order of submission", reads_finish_in_order, 0, { 0 } },
    { "reads finish in order in tiny queues", reads_finish_in_order, 0, TINY },
    { "writes finish in the order of submission", writes_finish_in_order, 0, { 0 } },
    { "a stuck direction does not stop the other", the_directions_are_independent, 0, { 0 } },
    { "a cancelled write tells what it wrote, or wrote nothing", a_cancelled_write_counts, 0,
      { 0 } },
    { "release cancels what flies, then closes, then is gone", release_ends_what_flies, 0, { 0 } },
    { "release in tiny queues", release_ends_what_flies, 0, TINY },
    { "the end of a stream is 0, after the bytes and for ever", the_end_is_0_for_ever, 0, { 0 } },
    { "the end wakes every waiting read", the_end_wakes_all_readers, 0, { 0 } },
    { "the end is seen after a short read", the_end_after_a_short_read, 0, { 0 } },
    { "writing goes on after the peer's end", writing_goes_on_after_the_peers_end, 0, { 0 } },
    { "a gone peer gives EPIPE and no signal", a_gone_peer_gives_epipe_and_no_signal, 0, { 0 } },
    { "a peer that goes ends waiting writes", a_peer_that_goes_ends_waiting_writes, 0, { 0 } },
    { "a reset comes after the bytes before it", a_reset_comes_after_the_bytes, 0, { 0 } },
    { "a reset ends a waiting read", a_reset_ends_a_waiting_read, 0, { 0 } },
    { "thousands of round trips", a_thousand_round_trips, 0, { 0 } },
    { "more ops fly than the queues hold", more_ops_than_the_queue_holds, 0, TINY },
    { "completions overflow and none is lost", completions_overflow, 0, TINY },
    { "receive buffers run out and all goes on", buffers_run_out, 0, TINY },
    { 0 },
};
