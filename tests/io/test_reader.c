/* SPDX-License-Identifier: MIT */
/*
 * The buffer in front of a stream that is read. Invariants: what is taken does not depend on how
 * the bytes came; a call that failed or was cancelled has taken nothing; an idle reader that gives
 * its buffer back holds none; the buffer does not grow over its limit.
 */
#include "base/alloc.h"
#include "support/io.h"

static void end_reader(hob_reader *reader)
{
    hob_reader_fini(reader);
}

#define READER(name, stream, ...)                                     \
    __attribute__((cleanup(end_reader))) hob_reader name;             \
    hob_reader_init(&name, (stream), &(hob_reader_opts){ __VA_ARGS__ })

#define MEM_PAIR(a, b)                            \
    STREAM(a) = NULL;                             \
    STREAM(b) = NULL;                             \
    check_ok(hob_mem_pair(NULL, &a, &b))

/* ---- each way to cut ---- */

/* A stream that gives `text` in two parts, cut at `cut`, or byte by byte where cut is 0. */
struct tape {
    hob_stream  stream;
    const char *text;
    size_t      len, at, cut;
};

static ssize_t tape_read(hob_stream *stream, void *buf, size_t len)
{
    struct tape *tape = (struct tape *)stream;
    size_t       to = tape->cut == 0 ? tape->at + 1 : tape->at < tape->cut ? tape->cut : tape->len;

    if (to > tape->len)
        to = tape->len;
    if (len > to - tape->at)
        len = to - tape->at;
    memcpy(buf, tape->text + tape->at, len);
    tape->at += len;
    return (ssize_t)len;
}

static const hob_stream_type tape_type = { .name = "tape", .read = tape_read };

static struct tape tape_of(const char *text, size_t len, size_t cut)
{
    return (struct tape){ { &tape_type }, text, len, 0, cut };
}

/* All that hob_reader_line says of a text, one after the other: "[line]" or "(error)". */
static void tell_lines(const char *text, size_t len, size_t cut, hob_reader_opts opts, char *told,
                       size_t told_size)
{
    struct tape tape = tape_of(text, len, cut);
    hob_reader  reader;
    size_t      at = 0;
    char       *line;

    hob_reader_init(&reader, &tape.stream, &opts);
    for (int i = 0; i < 20; i++) {
        ssize_t n = hob_reader_line(&reader, &line);
        if (n < 0)
            at += (size_t)snprintf(told + at, told_size - at, "(%s)", hob_error_name((int)n));
        else
            at += (size_t)snprintf(told + at, told_size - at, "[%s]", line);
        if (n == HOB_EOF)
            break;
        if (n < 0 && hob_reader_skip_line(&reader) < 0)
            break;
    }
    hob_reader_fini(&reader);
}

TEST_BARE(reader, lines_are_the_same_at_every_cut)
{
    static const struct {
        const char  *text;
        hob_line_end end;
        size_t       max;
        const char  *told;
    } cases[] = {
        { "one\ntwo\r\n\nlast", HOB_LINE_ANY, 0, "[one][two][][last](HOB_EOF)" },
        { "one\ntwo\r\n", HOB_LINE_LF, 0, "[one][two\r](HOB_EOF)" },
        { "one\r\ntwo\nthree\r\nrest", HOB_LINE_CRLF, 0, "[one](EBADMSG)[three](EPROTO)(HOB_EOF)" },
        { "1234\n12345\n123\r\n", HOB_LINE_ANY, 4, "[1234](EMSGSIZE)[123](HOB_EOF)" },
        { "1234\r\n12345\r\n", HOB_LINE_CRLF, 4, "[1234](EMSGSIZE)(HOB_EOF)" },
        { "1234\r", HOB_LINE_ANY, 4, "(EMSGSIZE)(HOB_EOF)" },
        { "123456789", HOB_LINE_ANY, 4, "(EMSGSIZE)(HOB_EOF)" },
        { "", HOB_LINE_ANY, 0, "(HOB_EOF)" },
        { "\n", HOB_LINE_CRLF, 0, "(EBADMSG)(HOB_EOF)" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t len = strlen(cases[i].text);
        for (size_t cut = 0; cut <= len; cut++) {
            for (size_t buf = 1; buf <= 33; buf += 16) {
                for (unsigned give_back = 0; give_back <= 1; give_back++) {
                    char            told[200] = "";
                    hob_reader_opts opts = { .buf_bytes = buf, .buf_bytes_max = 64,
                                             .line_end = cases[i].end, .give_back = give_back & 1,
                                             .line_bytes_max = cases[i].max };
                    tell_lines(cases[i].text, len, cut, opts, told, sizeof told);
                    check_str(told, cases[i].told);
                }
            }
        }
    }
}

TEST_BARE(reader, frames_are_the_same_at_every_cut)
{
    static const char text[] = "\x03" "abc" "\x00" "\x01x" "\x05" "ab";

    for (unsigned bytes = 0; bytes <= 1; bytes++) {
        for (size_t cut = 0; cut < sizeof text; cut++) {
            struct tape      tape = tape_of(text, sizeof text - 1, cut);
            hob_frame_format format = { .prefix_bytes = bytes };
            const void      *frame;
            READER(in, &tape.stream, .buf_bytes = 2, .buf_bytes_max = 2);

            check_eq(hob_reader_frame(&in, &format, &frame), 3);
            check_mem(frame, "abc", 3);
            check_eq(hob_reader_frame(&in, &format, &frame), 0);
            check_eq(hob_reader_frame(&in, &format, &frame), 1);
            check_mem(frame, "x", 1);
            check_err(hob_reader_frame(&in, &format, &frame), -EPROTO);
            check_eq(hob_reader_buffered(&in), 3);
            format.frame_bytes_max = 4;
            check_err(hob_reader_frame(&in, &format, &frame), -EMSGSIZE);
            check_eq(hob_reader_skip(&in, 3), 3);
            check_err(hob_reader_frame(&in, &format, &frame), HOB_EOF);
        }
    }
}

TEST_BARE(reader, delimiters_are_found_at_every_cut)
{
    static const char text[] = "ab--a-bc--\r--\r\n--rest";

    for (size_t cut = 0; cut < sizeof text; cut++) {
        struct tape tape = tape_of(text, sizeof text - 1, cut);
        char       *part;
        READER(in, &tape.stream, .buf_bytes = 3, .line_bytes_max = 20);

        check_eq(hob_reader_until(&in, "--", 2, &part), 2);
        check_str(part, "ab");
        check_eq(hob_reader_until(&in, "--\r\n--", 6, &part), 7);
        check_str(part, "a-bc--\r");
        check_err(hob_reader_until(&in, "--", 2, &part), -EPROTO);
        check_eq(hob_reader_buffered(&in), 4);
        check_eq(hob_reader_rest(&in, 4, &part), 4);
        check_str(part, "rest");
        check_err(hob_reader_until(&in, "--", 2, &part), HOB_EOF);
    }
    for (size_t cut = 0; cut < sizeof text; cut++) {
        struct tape tape = tape_of(text, sizeof text - 1, cut);
        char       *part;
        READER(in, &tape.stream, .line_bytes_max = 7);

        check_err(hob_reader_until(&in, "--\r\n--", 6, &part), -EMSGSIZE);
        check_eq(hob_reader_until(&in, "--", 2, &part), 2);
    }
}

TEST_BARE(reader, json_lines_skip_what_is_blank_and_refuse_what_is_no_utf8)
{
    static const char text[] = "{\"a\":1}\r\n\n  \t\r\n[\"\xc3\xb6\"]\n\"\xc3\"\n3";

    for (size_t cut = 0; cut < sizeof text; cut++) {
        struct tape tape = tape_of(text, sizeof text - 1, cut);
        char       *line;
        READER(in, &tape.stream, .buf_bytes = 4);

        check_eq(hob_reader_json_line(&in, &line), 7);
        check_str(line, "{\"a\":1}");
        check_eq(hob_reader_json_line(&in, &line), 6);
        check_err(hob_reader_json_line(&in, &line), -EILSEQ);
        check_eq(hob_reader_json_line(&in, &line), 1);
        check_str(line, "3");
        check_err(hob_reader_json_line(&in, &line), HOB_EOF);
    }
}

TEST_BARE(reader, the_rest_has_a_limit_and_stays_when_it_is_over)
{
    for (size_t cut = 0; cut <= 10; cut++) {
        struct tape tape = tape_of("0123456789", 10, cut);
        char       *rest, buf[10];
        READER(in, &tape.stream, .buf_bytes = 2, .buf_bytes_max = 4);

        check_err(hob_reader_rest(&in, 9, &rest), -EMSGSIZE);
        check_eq(hob_reader_read_exactly(&in, buf, 3), 3);
        check_eq(hob_reader_rest(&in, 7, &rest), 7);
        check_str(rest, "3456789");
        check_eq(hob_reader_rest(&in, 0, &rest), 0);
        check_str(rest, "");
    }
}

/* ---- peek and consume, read and skip ---- */

TEST_BARE(reader, a_peek_takes_nothing)
{
    struct tape tape = tape_of("0123456789", 10, 4);
    const void *bytes;
    READER(in, &tape.stream, .buf_bytes = 4, .buf_bytes_max = 8);

    check_eq(hob_reader_peek(&in, 0, &bytes), 0);
    check_eq(hob_reader_peek(&in, 2, &bytes), 4);
    check_eq(hob_reader_peek(&in, 6, &bytes), 8);
    check_mem(bytes, "01234567", 8);
    check_err(hob_reader_peek(&in, 9, &bytes), -ENOBUFS);
    hob_reader_consume(&in, 3);
    check_eq(hob_reader_peek(&in, 8, &bytes), 7); // that was all
    check_mem(bytes, "3456789", 7);
    hob_reader_consume(&in, 7);
    check_eq(hob_reader_peek(&in, 1, &bytes), 0);
}

TEST_DIES(reader, consuming_more_than_there_is_is_a_mistake,
          "*hob_reader_consume*not in the buffer*")
{
    struct tape tape = tape_of("0123", 4, 0);
    READER(in, &tape.stream, 0);

    hob_reader_consume(&in, 1);
}

TEST_DIES(reader, one_that_was_ended_is_a_mistake, "*hob_reader_line*no reader*")
{
    struct tape tape = tape_of("0123", 4, 0);
    hob_reader  in;
    char       *line;

    hob_reader_init(&in, &tape.stream, NULL);
    hob_reader_fini(&in);
    ignore(hob_reader_line(&in, &line));
}

static int read_a_line(void *arg)
{
    char *line;
    return (int)HOB_TRY(hob_reader_line(arg, &line)) * 0;
}

TEST_DIES(reader, two_tasks_at_once_are_a_mistake, "*hob_reader_line*one at a time*")
{
    MEM_PAIR(a, b);
    READER(in, a, 0);
    HOB_SCOPE(s);

    hob_go(&s, read_a_line, &in);
    hob_go(&s, read_a_line, &in);
}

TEST_BARE(reader, a_long_read_goes_past_the_buffer_and_a_skip_needs_none)
{
    char        text[1000] = "", buf[1000];
    struct tape tape = tape_of(text, sizeof text, 300);
    READER(in, &tape.stream, .buf_bytes = 16, .buf_bytes_max = 16);

    fill((unsigned char *)text, sizeof text, 0, 7);
    check_eq(hob_reader_read(&in, buf, 5), 5);
    check_eq(hob_reader_read(&in, buf + 5, 500), 11);
    check_eq(hob_reader_read_exactly(&in, buf + 16, 484), 484);
    check(is_filled((unsigned char *)buf, 500, 0, 7));
    check_eq(hob_reader_skip(&in, 400), 400);
    check_eq(hob_reader_read(&in, buf, 1), 1);
    check(is_filled((unsigned char *)buf, 1, 900, 7));
    check_eq(hob_reader_skip(&in, 1000), 99);
    check_eq(hob_reader_skip(&in, 1), 0);
    check_eq(hob_reader_read_exactly(&in, buf, 1), 0);
}

TEST_BARE(reader, reading_nothing_takes_nothing)
{
    struct tape tape = tape_of("0123", 4, 4);
    const void *bytes;
    char        buf[4];

    for (unsigned give_back = 0; give_back <= 1; give_back++) {
        READER(in, &tape.stream, .buf_bytes = 2, .give_back = give_back & 1);
        tape.at = 0;
        check_ge(hob_reader_peek(&in, 1, &bytes), 1);
        check_eq(hob_reader_read(&in, buf, 0), 0);
        check_eq(hob_reader_read_exactly(&in, buf, 0), 0);
        check_eq(hob_reader_skip(&in, 0), 0);
        check_eq(hob_reader_read_exactly(&in, buf, 4), 4);
        check_mem(buf, "0123", 4);
    }
}

TEST(reader, a_cancelled_scope_gets_nothing_more_also_of_what_is_there)
{
    MEM_PAIR(a, b);
    READER(in, b, 0);
    char *line;

    check_eq(hob_stream_write(a, "one\ntwo\n", 8), 8);
    check_eq(hob_reader_line(&in, &line), 3);
    {
        HOB_SCOPE(s);
        hob_scope_cancel(&s, NULL);
        check_err(hob_reader_line(&in, &line), -ECANCELED);
        ignore(hob_scope_end(&s));
    }
    check_eq(hob_reader_line(&in, &line), 3);
    check_str(line, "two");
}

TEST_ON_ALL(reader, is_a_stream_itself)
{
    MEM_PAIR(a, b);
    hob_reader in;
    char      *line, buf[8];

    hob_reader_init(&in, a, NULL);
    check_eq(hob_stream_write(b, "GET\nbody", 8), 8);
    check_eq(hob_reader_line(&in, &line), 3);
    hob_stream *stream = hob_reader_stream(&in);
    check_eq(hob_stream_write(stream, "yes", 3), 3);
    check_ok(hob_stream_shutdown(stream));
    check_eq(hob_stream_read_exactly(b, buf, 3), 3);
    check_eq(hob_stream_read(b, buf, 8), 0);
    check_eq(hob_stream_read(stream, buf, 8), 4);
    check_mem(buf, "body", 4);
    hob_stream_close(stream); // and a with it
    a = NULL;
}

/* ---- memory ---- */

static int wait_for_line(void *arg)
{
    char *line;
    ssize_t n = hob_reader_line(arg, &line);
    return n == 5 && strcmp(line, "hello") == 0 ? 0 : n < 0 ? (int)n : -EBADMSG;
}

TEST_ON_ALL(reader, one_that_gives_its_buffer_back_holds_none_while_it_waits)
{
    MEM_PAIR(a, b);
    READER(in, a, .give_back = 1);
    char long_line[200];

    memset(long_line, 'x', sizeof long_line);
    long_line[sizeof long_line - 1] = '\n';
    uint64_t blocks = 0;
    for (int i = 0; i < 3; i++) {
        HOB_SCOPE(s);
        char *line;
        if (i == 1) // the first round is for what the first task needs
            blocks = hob__alloc_blocks();
        check_eq(hob_stream_write(b, long_line, sizeof long_line), sizeof long_line);
        check_eq(hob_reader_line(&in, &line), sizeof long_line - 1); // now there is one
        check(i == 0 || hob__alloc_blocks() == blocks + 1);
        hob_go(&s, wait_for_line, &in);
        settle();
        check(i == 0 || hob__alloc_blocks() == blocks);
        check_eq(hob_stream_write(b, "hello\r\n", 7), 7);
        check_ok(hob_scope_end(&s));
        check(i == 0 || hob__alloc_blocks() == blocks);
    }
}

TEST_BARE(reader, memory_grows_by_what_came_and_not_by_what_was_announced)
{
    struct tape      tape = tape_of("\x00\xff\xff\xff" "12345678", 12, 0);
    hob_frame_format format = { .prefix_bytes = 4, .frame_bytes_max = 1 << 24 };
    uint64_t         bytes = hob__alloc_bytes();
    const void      *frame;
    READER(in, &tape.stream, .buf_bytes = 8);

    check_err(hob_reader_frame(&in, &format, &frame), -EPROTO); // of 16 MiB 8 bytes came
    check_lt(hob__alloc_bytes() - bytes, 64);
}

TEST_BARE(reader, the_buffer_of_one_large_frame_is_not_kept)
{
    static char      text[200000];
    hob_frame_format format = { .prefix_bytes = 4 };
    const void      *frame;
    uint64_t         bytes = hob__alloc_bytes();

    memcpy(text, "\x00\x03\x00\x00", 4); // 196608
    struct tape tape = tape_of(text, sizeof text, 3);
    READER(in, &tape.stream, .buf_bytes = 1024, .buf_bytes_max = 2048);
    check_eq(hob_reader_frame(&in, &format, &frame), 196608);
    check_ge(hob__alloc_bytes() - bytes, 196608);
    check_eq(hob_reader_skip(&in, 10), 10); // and that is read into a small one
    check_le(hob__alloc_bytes() - bytes, 2048 + 1);
}

/* ---- cancelled, failing ---- */

TEST_ON_ALL(reader, a_cancelled_call_of_each_kind_has_taken_nothing)
{
    MEM_PAIR(a, b);
    READER(in, b, .buf_bytes = 4);
    hob_frame_format format = { .prefix_bytes = 1 };
    const void      *bytes;
    char            *text, buf[8];

    check_eq(hob_stream_write(a, "\x07" "abc", 4), 4);
    check_eq(hob_reader_peek(&in, 4, &bytes), 4); // on a busy machine the first deadline may be over at once
    for (int call = 0; call < 6; call++) {
        HOB_SCOPE(s);
        hob_scope_deadline(&s, hob_in(1 * HOB_MSEC));
        ssize_t r = call == 0 ? hob_reader_line(&in, &text)
                  : call == 1 ? hob_reader_frame(&in, &format, &bytes)
                  : call == 2 ? hob_reader_until(&in, "--", 2, &text)
                  : call == 3 ? hob_reader_peek(&in, 8, &bytes)
                  : call == 4 ? hob_reader_read_exactly(&in, buf, 8)
                              : hob_reader_rest(&in, 100, &text);
        check_err(r, -ETIMEDOUT);
        check_eq(hob_reader_buffered(&in), 4);
        ignore(hob_scope_end(&s));
    }
    check_eq(hob_stream_write(a, "defg", 4), 4);
    check_eq(hob_reader_frame(&in, &format, &bytes), 7);
    check_mem(bytes, "abcdefg", 7);
}

TEST_ON_ALL(reader, a_failing_stream_is_told_and_what_came_before_is_kept)
{
    MEM_PAIR(a, b);
    READER(in, b, 0);
    char *line;

    check_eq(hob_stream_write(a, "whole\nhalf", 10), 10);
    hob_mem_fail_reads(b, -ECONNRESET, 10);
    check_eq(hob_reader_line(&in, &line), 5);
    check_err(hob_reader_line(&in, &line), -ECONNRESET);
    check_eq(hob_reader_buffered(&in), 4);
    hob_mem_fail_reads(b, 0, 0);
    check_eq(hob_stream_write(a, "way\n", 4), 4);
    check_eq(hob_reader_line(&in, &line), 7);
    check_str(line, "halfway");
}

/* ---- beside a model ---- */

/* Sends a text in random pieces with pauses between them. */
static int dribble(void *arg)
{
    struct io *io = arg;
    for (size_t at = 0; at < io->len;) {
        size_t n = 1 + hob_random() % 40;
        if (n > io->len - at)
            n = io->len - at;
        HOB_TRY(hob_stream_write(io->stream, (char *)io->buf + at, n));
        at += n;
        if (hob_random() % 3 == 0)
            HOB_TRY(hob_sleep((int64_t)(hob_random() % 2000000)));
    }
    return hob_stream_shutdown(io->stream);
}

/* One random call, perhaps cancelled in between; the model is where we are in the text. */
static ssize_t random_call(hob_reader *in, const unsigned char *text, size_t *at, size_t len)
{
    unsigned char buf[300];
    const void   *bytes;
    char         *part;
    size_t        want = 1 + hob_random() % sizeof buf;
    const unsigned char *lf;
    HOB_SCOPE(s);

    hob_scope_deadline(&s, hob_in((int64_t)(hob_random() % 3000000)));
    ssize_t r = -ETIMEDOUT;
    switch (hob_random() % 5) {
    case 0:
        r = hob_reader_read(in, buf, want);
        check(r <= 0 || memcmp(buf, text + *at, (size_t)r) == 0);
        *at += r > 0 ? (size_t)r : 0;
        break;
    case 1:
        want = 1 + want % 64;
        r = hob_reader_read_exactly(in, buf, want);
        check(r <= 0 || ((size_t)r == want && memcmp(buf, text + *at, want) == 0));
        check(r != HOB_EOF || len - *at < want);
        *at += r > 0 ? (size_t)r : 0;
        break;
    case 2:
        r = hob_reader_peek(in, 1 + want % 64, &bytes);
        check(r <= 0 || memcmp(bytes, text + *at, (size_t)r) == 0);
        if (r > 0) {
            size_t n = hob_random() % ((size_t)r + 1);
            hob_reader_consume(in, n);
            *at += n;
        }
        break;
    case 3:
        r = hob_reader_skip(in, want);
        *at += r > 0 ? (size_t)r : 0;
        break;
    default:
        lf = memchr(text + *at, '\n', len - *at);
        r = hob_reader_line(in, &part);
        if (r >= 0) {
            size_t line_len = lf != NULL ? (size_t)(lf - text) - *at : len - *at;
            check_eq(r, line_len);
            check_mem(part, text + *at, line_len);
            *at += line_len + (lf != NULL);
        } else if (r == -EMSGSIZE) {
            check(lf == NULL || (size_t)(lf - text) - *at > 62);
            r = 0;
        }
    }
    ignore(hob_scope_end(&s));
    return r;
}

TEST(reader, many_random_calls_and_cancellations_lose_no_byte)
{
    enum { LEN = 20000 };
    BYTES(text, LEN);
    STREAM(a) = NULL;
    STREAM(b) = NULL;
    struct io io = { .buf = text, .len = LEN };
    size_t    at = 0;

    for (size_t i = 0; i < LEN; i++)
        text[i] = hob_random() % 20 == 0 ? '\n' : (unsigned char)('a' + hob_random() % 26);
    check_ok(hob_mem_pair(&(hob_mem_pair_opts){ .buf_bytes = 1 + hob_random() % 100 }, &a, &b));
    io.stream = a;
    READER(in, b, .buf_bytes = 1 + hob_random() % 32, .buf_bytes_max = 64,
           .line_end = HOB_LINE_LF, .line_bytes_max = 62, .give_back = hob_random() & 1);
    HOB_SCOPE(s);
    hob_go(&s, dribble, &io);
    while (at < LEN) {
        size_t  before = at;
        ssize_t r = random_call(&in, text, &at, LEN);
        check(r >= 0 || r == -ETIMEDOUT || (r == HOB_EOF && LEN - at < 64) || r == HOB_ECHECK);
        check_ge(at, before);
    }
    check_eq(at, LEN);
    check_ok(hob_scope_end(&s));
}
