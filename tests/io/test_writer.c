/* SPDX-License-Identifier: MIT */
/*
 * The buffer in front of a stream that is written. Invariants: what was taken goes out once and in
 * order; what fits into the buffer is taken whole or not at all; an error of the stream is told
 * from then on; being cancelled is no error of the stream.
 */
#include "base/alloc.h"
#include "support/io.h"

static void end_writer(hob_writer *writer)
{
    hob_writer_fini(writer);
}

#define WRITER(name, stream, ...)                                     \
    __attribute__((cleanup(end_writer))) hob_writer name;             \
    hob_writer_init(&name, (stream), &(hob_writer_opts){ __VA_ARGS__ })

/* A stream that notes each call, and takes at most `most` bytes in one. */
struct tape {
    hob_stream stream;
    char       text[4096];
    size_t     len, most;
    size_t     cap; /* 0: all of it */
    int        calls;
};

static ssize_t tape_writev_some(hob_stream *stream, const struct iovec *pieces, int count)
{
    struct tape *tape = (struct tape *)stream;
    size_t       cap = tape->cap > 0 ? tape->cap : sizeof tape->text, taken = 0;

    tape->calls++;
    for (int i = 0; i < count; i++) {
        size_t n = pieces[i].iov_len;
        if (tape->most > 0 && n > tape->most - taken)
            n = tape->most - taken;
        if (n > cap - tape->len)
            n = cap - tape->len;
        memcpy(tape->text + tape->len, pieces[i].iov_base, n);
        tape->len += n;
        taken += n;
    }
    return taken > 0 ? (ssize_t)taken : -ENOSPC;
}

static ssize_t tape_write_some(hob_stream *stream, const void *buf, size_t len)
{
    struct iovec piece = { (void *)(uintptr_t)buf, len };
    return tape_writev_some(stream, &piece, 1);
}

static const hob_stream_type tape_type = {
    .name = "tape",
    .write_some = tape_write_some,
    .writev_some = tape_writev_some,
};

#define TAPE(name, ...) \
    struct tape name = { .stream = { &tape_type }, __VA_ARGS__ }

TEST_BARE(writer, small_writes_go_out_as_one)
{
    TAPE(tape, .len = 0);
    WRITER(out, &tape.stream, 0);

    check_eq(hob_writer_write(&out, "one ", 4), 4);
    check_eq(hob_writer_printf(&out, "%d %s", 2, "three"), 7);
    check_eq(tape.calls, 0);
    check_eq(hob_writer_buffered(&out), 11);
    check_ok(hob_writer_flush(&out));
    check_ok(hob_writer_flush(&out));
    check_eq(tape.calls, 1);
    check_str(tape.text, "one 2 three");
}

TEST_BARE(writer, what_does_not_fit_goes_out_with_what_is_there_in_one_call)
{
    char large[1000];
    TAPE(tape, .len = 0);
    WRITER(out, &tape.stream, .buf_bytes = 16);

    fill((unsigned char *)large, sizeof large, 0, 3);
    check_eq(hob_writer_write(&out, "head ", 5), 5);
    check_eq(hob_writer_write(&out, large, sizeof large), sizeof large);
    check_eq(tape.calls, 1);
    check_eq(hob_writer_buffered(&out), 0);
    struct iovec pieces[] = { { "a", 1 }, { "", 0 }, { large, 500 }, { "z", 1 } };
    check_eq(hob_writer_writev(&out, pieces, 4), 502);
    check_eq(tape.calls, 2);
    check_ok(hob_writer_flush(&out));
    check_eq(tape.len, 1507);
    check_mem(tape.text, "head ", 5);
    check(is_filled((unsigned char *)tape.text + 5, 1000, 0, 3));
    check_eq(tape.text[1005], 'a');
    check(is_filled((unsigned char *)tape.text + 1006, 500, 0, 3));
    check_eq(tape.text[1506], 'z');
}

TEST_BARE(writer, all_sizes_arrive_whatever_the_stream_takes_at_once)
{
    for (size_t most = 1; most <= 20; most++) {
        for (size_t buf = 1; buf <= 9; buf += 2) {
            TAPE(tape, .most = most);
            size_t all = 0;
            WRITER(out, &tape.stream, .buf_bytes = buf, .give_back = most & 1);
            for (size_t len = 0; len <= 24; len++) {
                unsigned char bytes[25];
                fill(bytes, len, all, 0);
                size_t       a = len / 3, b = len / 2;
                struct iovec pieces[3] = { { bytes, a }, { bytes + a, b - a },
                                           { bytes + b, len - b } };
                check_eq(hob_writer_writev(&out, pieces, 3), len);
                all += len;
            }
            check_ok(hob_writer_flush(&out));
            check_eq(tape.len, all);
            check(is_filled((unsigned char *)tape.text, all, 0, 0));
        }
    }
}

TEST_BARE(writer, more_pieces_than_one_call_takes_all_arrive)
{
    char         bytes[100];
    struct iovec pieces[100];
    TAPE(tape, .len = 0);
    WRITER(out, &tape.stream, .buf_bytes = 4);

    fill((unsigned char *)bytes, 100, 0, 0);
    for (int i = 0; i < 100; i++)
        pieces[i] = (struct iovec){ bytes + i, 1 };
    check_eq(hob_writer_writev(&out, pieces, 100), 100);
    check_ok(hob_writer_flush(&out));
    check(is_filled((unsigned char *)tape.text, 100, 0, 0));
    check_eq(hob_stream_writev(&tape.stream, pieces, 100), 100);
    check(is_filled((unsigned char *)tape.text + 100, 100, 0, 0));
    check_eq(tape.len, 200);
}

TEST_BARE(writer, printing_more_than_fits_is_as_good)
{
    TAPE(tape, .most = 3);
    WRITER(out, &tape.stream, .buf_bytes = 8);

    check_eq(hob_writer_printf(&out, "%s", "1234567"), 7);
    check_eq(hob_writer_printf(&out, "%s", "89"), 2);
    check_eq(hob_writer_printf(&out, "%030d", 5), 30);
    check_eq(hob_writer_printf(&out, "%s", ""), 0);
    check_ok(hob_writer_flush(&out));
    check_str(tape.text, "123456789000000000000000000000000000005");
}

TEST_BARE(writer, an_error_is_told_from_then_on_and_what_was_taken_before_it)
{
    char large[30] = "abcdefghijklmnopqrstuvwxyz";
    TAPE(tape, .cap = 20);
    WRITER(out, &tape.stream, .buf_bytes = 4);

    check_eq(hob_writer_write(&out, large, 26), 20);
    check_eq(hob_writer_error(&out), -ENOSPC);
    check_err(hob_writer_write(&out, "x", 1), -ENOSPC);
    check_err(hob_writer_printf(&out, "x"), -ENOSPC);
    check_err(hob_writer_flush(&out), -ENOSPC);
    check_eq(tape.len, 20);
}

TEST_BARE(writer, frames_carry_their_length)
{
    hob_frame_format format = { .prefix_bytes = 2, .frame_bytes_max = 300 };
    char             large[301] = "";
    TAPE(tape, .len = 0);
    WRITER(out, &tape.stream, .buf_bytes = 16);

    check_eq(hob_writer_frame(&out, &format, "abc", 3), 3);
    check_eq(hob_writer_frame(&out, &format, large, 300), 300);
    check_err(hob_writer_frame(&out, &format, large, 301), -EMSGSIZE);
    check_ok(hob_writer_flush(&out));
    check_eq(tape.len, 307);
    check_mem(tape.text, "\x00\x03" "abc\x01\x2c", 7);
}

TEST_ON_ALL(writer, a_frame_that_was_torn_is_the_end_of_the_writer)
{
    hob_frame_format format = { .prefix_bytes = 2 };
    char             large[100] = "";
    STREAM(a) = NULL;
    STREAM(b) = NULL;
    check_ok(hob_mem_pair(&(hob_mem_pair_opts){ .buf_bytes = 50 }, &a, &b));
    WRITER(out, a, .buf_bytes = 16);

    {
        HOB_SCOPE(s);
        hob_scope_deadline(&s, hob_in(1 * HOB_MSEC));
        check_err(hob_writer_frame(&out, &format, large, 100), -ETIMEDOUT);
        ignore(hob_scope_end(&s));
    }
    check_err(hob_writer_write(&out, "x", 1), -ETIMEDOUT);
}

static int read_exactly(void *arg)
{
    struct io *io = arg;
    io->result = hob_stream_read_exactly(io->stream, io->buf, io->len);
    return 0;
}

TEST_ON_ALL(writer, cancelled_it_keeps_what_it_took_and_took_small_things_whole_or_not)
{
    STREAM(a) = NULL;
    STREAM(b) = NULL;
    char buf[32] = "";
    check_ok(hob_mem_pair(&(hob_mem_pair_opts){ .buf_bytes = 2 }, &a, &b));
    WRITER(out, a, .buf_bytes = 4);

    {
        HOB_SCOPE(s);
        hob_scope_deadline(&s, hob_in(1 * HOB_MSEC));
        check_eq(hob_writer_write(&out, "0123", 4), 4);
        check_eq(hob_writer_write(&out, "45", 2), 2); // two bytes are out, so these fit
        check_err(hob_writer_write(&out, "678", 3), -ETIMEDOUT);
        check_err(hob_writer_flush(&out), -ETIMEDOUT);
        ignore(hob_scope_end(&s));
    }
    check_eq(hob_writer_error(&out), 0);
    check_eq(hob_writer_buffered(&out), 4);
    struct io reader = { .stream = b, .buf = buf, .len = 6 };
    HOB_SCOPE(s);
    hob_go(&s, read_exactly, &reader);
    check_ok(hob_writer_flush(&out));
    check_ok(hob_scope_end(&s));
    check_eq(reader.result, 6);
    check_str(buf, "012345");
}

TEST_ON_ALL(writer, each_call_is_sent_unless_it_is_corked)
{
    hob_counted counted;
    char        buf[16];
    STREAM(a) = NULL;
    STREAM(b) = NULL;
    check_ok(hob_mem_pair(NULL, &a, &b));
    WRITER(out, hob_counted_init(&counted, a), .flush_each = 1, .give_back = 1);

    check_eq(hob_writer_write(&out, "a", 1), 1);
    check_eq(hob_writer_printf(&out, "b"), 1);
    check_eq(counted.writes, 2);
    hob_writer_cork(&out);
    hob_writer_cork(&out);
    check_eq(hob_writer_write(&out, "c", 1), 1);
    check_ok(hob_writer_uncork(&out));
    check_eq(hob_writer_write(&out, "d", 1), 1);
    check_eq(counted.writes, 2);
    check_ok(hob_writer_uncork(&out));
    check_eq(counted.writes, 3);
    check_eq(hob_stream_read(b, buf, 16), 4);
    check_mem(buf, "abcd", 4);
}

TEST_DIES(writer, uncorking_what_is_not_corked_is_a_mistake, "*hob_writer_uncork*not corked*")
{
    TAPE(tape, .len = 0);
    WRITER(out, &tape.stream, 0);

    ignore(hob_writer_uncork(&out));
}

TEST_BARE(writer, an_empty_one_that_gives_back_holds_nothing)
{
    uint64_t blocks = hob__alloc_blocks();
    TAPE(tape, .len = 0);
    WRITER(out, &tape.stream, .give_back = 1);

    check_eq(hob__alloc_blocks(), blocks);
    check_eq(hob_writer_write(&out, "a", 1), 1);
    check_eq(hob__alloc_blocks(), blocks + 1);
    check_ok(hob_writer_flush(&out));
    check_eq(hob__alloc_blocks(), blocks);
}

TEST_ON_ALL(writer, small_and_large_pieces_go_over_each_kind_of_stream)
{
    for (int kind = 0; kind < 3; kind++) {
        hob_tcp  *client = NULL, *server = NULL;
        hob_unix *u = NULL, *v = NULL;
        hob_pipe *reading = NULL, *writing = NULL;
        if (kind == 0)
            check_ok(tcp_pair(&client, &server));
        else if (kind == 1)
            check_ok(hob_unix_pair(&u, &v));
        else
            check_ok(hob_pipe_open(&reading, &writing));
        STREAM(to) = kind == 0 ? hob_tcp_stream(client) : kind == 1 ? hob_unix_stream(u)
                                                                    : hob_pipe_stream(writing);
        STREAM(from) = kind == 0 ? hob_tcp_stream(server) : kind == 1 ? hob_unix_stream(v)
                                                                      : hob_pipe_stream(reading);
        enum { LARGE = 100000 };
        BYTES(bytes, LARGE + 20);
        struct traffic in = { from, LARGE + 20, 5000, 9, 0 };
        WRITER(out, to, .buf_bytes = 64);
        HOB_SCOPE(s);

        fill(bytes, LARGE + 20, 0, 9);
        hob_go(&s, receive_traffic, &in);
        check_eq(hob_writer_write(&out, bytes, 10), 10);
        struct iovec pieces[] = { { bytes + 10, 3 }, { bytes + 13, LARGE } };
        check_eq(hob_writer_writev(&out, pieces, 2), LARGE + 3);
        check_eq(hob_writer_write(&out, bytes + LARGE + 13, 7), 7);
        check_ok(hob_writer_flush(&out));
        hob_stream_close(to);
        to = NULL;
        check_ok(hob_scope_end(&s));
    }
}

/* ---- beside a model ---- */

/* Reads with random pauses, and checks that byte follows byte. */
static int check_all(void *arg)
{
    struct traffic *t = arg;
    unsigned char   buf[64];
    ssize_t         n;

    while ((n = HOB_TRY(hob_stream_read(t->stream, buf, 1 + hob_random() % sizeof buf))) > 0) {
        check(is_filled(buf, (size_t)n, t->done, 0));
        t->done += (uint64_t)n;
        if (hob_random() % 3 == 0)
            HOB_TRY(hob_sleep((int64_t)(hob_random() % 2000000)));
    }
    return 0;
}

TEST(writer, many_random_calls_and_cancellations_lose_and_double_no_byte)
{
    STREAM(a) = NULL;
    STREAM(b) = NULL;
    struct traffic in = { .piece = 64 };
    uint64_t       taken = 0;
    size_t         cap = 1 + hob_random() % 40;

    check_ok(hob_mem_pair(&(hob_mem_pair_opts){ .buf_bytes = 1 + hob_random() % 50 }, &a, &b));
    in.stream = b;
    WRITER(out, a, .buf_bytes = cap, .flush_each = hob_random() & 1, .give_back = hob_random() & 1);
    HOB_SCOPE(s);
    hob_go(&s, check_all, &in);
    for (int step = 0; step < 600; step++) {
        unsigned char bytes[100];
        size_t        len = hob_random() % sizeof bytes, cut = len == 0 ? 0 : hob_random() % len;
        HOB_SCOPE(t);
        hob_scope_deadline(&t, hob_in((int64_t)(hob_random() % 3000000)));
        fill(bytes, len, taken, 0);
        struct iovec pieces[] = { { bytes, cut }, { bytes + cut, len - cut } };
        ssize_t      n = hob_random() % 4 == 0 ? hob_writer_flush(&out)
                                               : hob_writer_writev(&out, pieces, 2);
        check(n >= 0 || n == -ETIMEDOUT);
        check(n <= 0 || (size_t)n == len || len > cap);
        taken += n > 0 ? (uint64_t)n : 0;
        ignore(hob_scope_end(&t));
    }
    check_ok(hob_writer_flush(&out));
    check_ok(hob_stream_shutdown(a));
    check_ok(hob_scope_end(&s));
    check_eq(in.done, taken);
}
