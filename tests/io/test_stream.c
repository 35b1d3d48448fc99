/* SPDX-License-Identifier: MIT */
/* What holds for all streams, on a stream of our own and on those of the house. */
#include "support/io.h"

/* A stream that gives and takes at most `most` bytes in one call. */
struct tape {
    hob_stream stream;
    char       text[64];
    size_t     len, read_at;
    size_t     most;
    ssize_t    error; /* what comes after the text */
    bool       closed;
};

static size_t at_most(const struct tape *tape, size_t len)
{
    return len < tape->most ? len : tape->most;
}

static ssize_t tape_read(hob_stream *stream, void *buf, size_t len)
{
    struct tape *tape = (struct tape *)stream;
    size_t       left = tape->len - tape->read_at;
    size_t       n = at_most(tape, len < left ? len : left);

    if (left == 0)
        return tape->error;
    memcpy(buf, tape->text + tape->read_at, n);
    tape->read_at += n;
    return (ssize_t)n;
}

static ssize_t tape_write_some(hob_stream *stream, const void *buf, size_t len)
{
    struct tape *tape = (struct tape *)stream;
    size_t       room = sizeof tape->text - tape->len;
    size_t       n = at_most(tape, len < room ? len : room);

    if (room == 0)
        return -ENOSPC;
    memcpy(tape->text + tape->len, buf, n);
    tape->len += n;
    return (ssize_t)n;
}

static void tape_close(hob_stream *stream)
{
    ((struct tape *)stream)->closed = true;
}

static const hob_stream_type tape_type = {
    .name = "tape",
    .read = tape_read,
    .write_some = tape_write_some,
    .close = tape_close,
};

TEST_BARE(stream, write_goes_on_until_all_is_written)
{
    struct tape tape = { .stream = { &tape_type }, .most = 3 };

    check_eq(hob_stream_write(&tape.stream, "0123456789", 10), 10);
    check_eq(tape.len, 10);
    check_mem(tape.text, "0123456789", 10);
    check_eq(hob_stream_write_some(&tape.stream, "abcdef", 6), 3);
}

TEST_BARE(stream, write_tells_the_error_that_stopped_it)
{
    struct tape tape = { .stream = { &tape_type }, .most = 7 };
    char        much[65] = "";

    check_err(hob_stream_write(&tape.stream, much, sizeof much), -ENOSPC);
}

TEST_BARE(stream, read_exactly_reads_neither_more_nor_less)
{
    struct tape tape = { .stream = { &tape_type }, .most = 3, .text = "0123456789", .len = 10 };
    char        buf[8] = "";

    check_eq(hob_stream_read_exactly(&tape.stream, buf, 5), 5);
    check_str(buf, "01234");
    check_eq(hob_stream_read_exactly(&tape.stream, buf, 5), 5);
    check_str(buf, "56789");
}

TEST_BARE(stream, an_end_before_the_first_byte_is_0_and_one_in_between_is_eof)
{
    struct tape tape = { .stream = { &tape_type }, .most = 3, .text = "0123", .len = 4 };
    char        buf[8];

    check_err(hob_stream_read_exactly(&tape.stream, buf, 8), HOB_EOF);
    check_eq(hob_stream_read_exactly(&tape.stream, buf, 8), 0);
    tape.error = -EIO;
    check_err(hob_stream_read_exactly(&tape.stream, buf, 8), -EIO);
}

TEST_BARE(stream, what_a_stream_cannot_do_it_says)
{
    struct tape tape = { .stream = { &tape_type } };

    check_err(hob_stream_shutdown(&tape.stream), -ENOTSUP);
    hob_stream_close(&tape.stream);
    check(tape.closed);
    hob_stream_close(NULL);
}

TEST_ON_ALL(stream, a_connection_is_a_stream)
{
    hob_tcp *client = NULL, *server = NULL;
    char     buf[8];

    check_ok(tcp_pair(&client, &server));
    STREAM(a) = hob_tcp_stream(client);
    STREAM(b) = hob_tcp_stream(server);
    check_eq(hob_stream_write(a, "hello", 5), 5);
    check_eq(hob_stream_read_exactly(b, buf, 5), 5);
    check_ok(hob_stream_shutdown(a));
    check_eq(hob_stream_read_exactly(b, buf, 5), 0);
    check_eq(hob_stream_write_some(b, "x", 1), 1);
    check_eq(hob_stream_read(a, buf, 8), 1);
    check_str(a->type->name, "tcp");
}

TEST(stream, one_that_cannot_tell_when_it_is_ready_says_so)
{
    STREAM(a) = NULL;
    STREAM(b) = NULL;
    hob_op op;

    check_ok(hob_mem_pair(NULL, &a, &b));
    check_err(hob_stream_ready_prep(&op, a), -ENOTSUP);
}
