/* SPDX-License-Identifier: MIT */
/*
 * Two streams in memory. Invariants: bytes come in order and once; no call waits that could go
 * on; a cancelled call had no effect; both ends closed leave nothing.
 */
#include "support/io.h"

#define MEM_PAIR(a, b)                            \
    STREAM(a) = NULL;                             \
    STREAM(b) = NULL;                             \
    check_ok(hob_mem_pair(NULL, &a, &b))

static int small_pair(size_t bytes, hob_stream **ret_a, hob_stream **ret_b)
{
    return hob_mem_pair(&(hob_mem_pair_opts){ .buf_bytes = bytes }, ret_a, ret_b);
}

TEST_ON_ALL(mem_pair, what_one_writes_the_other_reads)
{
    char buf[8] = "";
    MEM_PAIR(a, b);

    check_eq(hob_stream_write(a, "hello", 5), 5);
    check_eq(hob_stream_read(b, buf, 3), 3);
    check_eq(hob_stream_read(b, buf + 3, 5), 2);
    check_str(buf, "hello");
    check_eq(hob_stream_write_some(b, "x", 1), 1);
    check_eq(hob_stream_read(a, buf, 8), 1);
}

TEST_ON_ALL(mem_pair, a_reader_waits_for_bytes_and_a_writer_for_room)
{
    STREAM(a) = NULL;
    STREAM(b) = NULL;
    check_ok(small_pair(3, &a, &b));
    struct traffic out = { a, 1000, 7, 1, 0 }, in = { b, 1000, 5, 1, 0 };
    HOB_SCOPE(s);

    hob_go(&s, receive_traffic, &in);
    hob_go(&s, send_traffic, &out);
    check_ok(hob_scope_end(&s));
    check_eq(in.done, 1000);
}

TEST_ON_ALL(mem_pair, the_end_comes_after_the_bytes_and_the_other_way_stays_open)
{
    char buf[8];
    MEM_PAIR(a, b);

    check_eq(hob_stream_write(a, "ab", 2), 2);
    check_ok(hob_stream_shutdown(a));
    check_err(hob_stream_write(a, "c", 1), -EPIPE);
    check_eq(hob_stream_read(b, buf, 8), 2);
    check_eq(hob_stream_read(b, buf, 8), 0);
    check_eq(hob_stream_read(b, buf, 8), 0);
    check_eq(hob_stream_write(b, "d", 1), 1);
    check_eq(hob_stream_read(a, buf, 8), 1);
    hob_stream_close(a);
    a = NULL;
    check_err(hob_stream_write(b, "e", 1), -EPIPE);
    check_eq(hob_stream_read(b, buf, 8), 0);
}

TEST_ON_ALL(mem_pair, closing_an_end_gives_its_reader_and_its_writer_back)
{
    STREAM(a) = NULL;
    STREAM(b) = NULL;
    check_ok(small_pair(1, &a, &b));
    struct io reader = { .stream = a }, writer = { .stream = a, .buf = "xyz", .len = 3 };
    HOB_SCOPE(s);

    hob_go(&s, read_once, &reader);
    hob_go(&s, write_all, &writer);
    settle();
    hob_stream_close(b); // first the other one: a's memory stays until its tasks have left
    b = NULL;
    settle();
    check_eq(reader.result, 0);
    check_eq(writer.result, -EPIPE);
    hob_go(&s, read_once, &reader);
    check_ok(hob_scope_end(&s));

    MEM_PAIR(c, d);
    struct io waits = { .stream = c };
    HOB_SCOPE(t);
    hob_go(&t, read_once, &waits);
    settle();
    hob_stream_close(c);
    c = NULL;
    hob_stream_close(d);
    d = NULL;
    check_ok(hob_scope_end(&t));
    check_eq(waits.result, -ECANCELED);
}

TEST_ON_ALL(mem_pair, a_cancelled_read_takes_nothing_and_a_cancelled_write_gives_nothing)
{
    STREAM(a) = NULL;
    STREAM(b) = NULL;
    char buf[8];
    check_ok(small_pair(2, &a, &b));
    {
        HOB_SCOPE(s);
        hob_scope_deadline(&s, hob_in(1 * HOB_MSEC));
        check_err(hob_stream_read(b, buf, 8), -ETIMEDOUT);
        check_err(hob_stream_write_some(a, "x", 1), -ETIMEDOUT);
        ignore(hob_scope_end(&s));
    }
    check_eq(hob_stream_write(a, "12", 2), 2);
    {
        HOB_SCOPE(s);
        hob_scope_deadline(&s, hob_in(1 * HOB_MSEC));
        check_err(hob_stream_write_some(a, "3", 1), -ETIMEDOUT);
        check_err(hob_stream_read(b, buf, 8), -ETIMEDOUT); // though there is something
        ignore(hob_scope_end(&s));
    }
    check_eq(hob_stream_read(b, buf, 8), 2);
    check_mem(buf, "12", 2);
}

TEST_ON_ALL(mem_pair, errors_come_when_they_were_ordered)
{
    char buf[8];
    MEM_PAIR(a, b);

    hob_mem_fail_writes(a, -ENOSPC, 2);
    check_eq(hob_stream_write_some(a, "abc", 3), 2);
    check_err(hob_stream_write_some(a, "c", 1), -ENOSPC);
    hob_mem_fail_writes(a, 0, 0);
    check_eq(hob_stream_write_some(a, "c", 1), 1);

    hob_mem_fail_reads(b, -ECONNRESET, 2);
    check_eq(hob_stream_read(b, buf, 8), 2);
    check_err(hob_stream_read(b, buf, 8), -ECONNRESET);
    check_err(hob_stream_read(b, buf, 8), -ECONNRESET);
    hob_mem_fail_reads(b, 0, 0);
    check_eq(hob_stream_read(b, buf, 8), 1);

    struct io waits = { .stream = b };
    HOB_SCOPE(s);
    hob_go(&s, read_once, &waits);
    settle();
    hob_mem_fail_reads(b, -EIO, 0);
    check_ok(hob_scope_end(&s));
    check_eq(waits.result, -EIO);
}

TEST_ON_ALL(mem_pair, pieces_are_as_small_as_was_asked)
{
    STREAM(a) = NULL;
    STREAM(b) = NULL;
    char buf[8];

    check_ok(hob_mem_pair(&(hob_mem_pair_opts){ .piece_bytes = 1 }, &a, &b));
    check_eq(hob_stream_write_some(a, "abc", 3), 1);
    check_eq(hob_stream_write(a, "bc", 2), 2);
    check_eq(hob_stream_read(b, buf, 8), 1);
    check_eq(hob_stream_read_exactly(b, buf, 2), 2);
    check_mem(buf, "bc", 2);
}

TEST_DIES(mem_pair, two_readers_of_one_end_are_a_mistake,
          "*hob_stream_read*another task*one at a time*")
{
    MEM_PAIR(a, b);
    struct io one = { .stream = a }, two = { .stream = a };
    HOB_SCOPE(s);

    hob_go(&s, read_once, &one);
    hob_go(&s, read_once, &two);
}

TEST_DIES(mem_pair, another_stream_cannot_be_told_to_fail,
          "*hob_mem_fail_reads*no end of a hob_mem_pair*")
{
    hob_limited limited;
    MEM_PAIR(a, b);

    hob_mem_fail_reads(hob_limited_init(&limited, a, 1), -EIO, 0);
}

/* ---- beside a model ---- */

/* A way of so many bytes, of which some are on it. */
struct model {
    uint64_t written, read, cap;
    bool     ended;
};

TEST(mem_pair, many_random_steps_are_as_the_model_says)
{
    STREAM(a) = NULL;
    STREAM(b) = NULL;
    struct model  m = { .cap = 1 + hob_random() % 9 };
    unsigned char buf[16];

    check_ok(small_pair(m.cap, &a, &b));
    for (int step = 0; step < 3000 && !(m.ended && m.read == m.written); step++) {
        size_t len = 1 + hob_random() % sizeof buf;
        HOB_SCOPE(s);
        hob_scope_deadline(&s, hob_in(1 * HOB_MSEC)); // who would wait for ever gives up
        if (hob_random() % 2 == 0) {
            fill(buf, len, m.written, 0);
            ssize_t n = hob_stream_write_some(a, buf, len);
            uint64_t room = m.cap - (m.written - m.read);
            ssize_t  most = (ssize_t)(len < room ? len : room);
            check_eq(n, m.ended ? -EPIPE : room == 0 ? -ETIMEDOUT : most);
            m.written += n > 0 ? (uint64_t)n : 0;
        } else {
            ssize_t  n = hob_stream_read(b, buf, len);
            uint64_t there = m.written - m.read;
            ssize_t  most = (ssize_t)(len < there ? len : there);
            check_eq(n, there > 0 ? most : m.ended ? 0 : -ETIMEDOUT);
            check(n <= 0 || is_filled(buf, (size_t)n, m.read, 0));
            m.read += n > 0 ? (uint64_t)n : 0;
        }
        if (step == 2500) {
            check_ok(hob_stream_shutdown(a));
            m.ended = true;
        }
        ignore(hob_scope_end(&s));
    }
    check_gt(m.read, 100);
}
