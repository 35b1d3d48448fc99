/* SPDX-License-Identifier: MIT */
/*
 * A reader from noise: any calls, on bytes that come in any pieces, beside a text and a position in
 * it. Nothing is lost or doubled, and what a failed call left is there for the next.
 *
 * Input: four bytes of options, then for each call two bytes; the same bytes are the text.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "hob/reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int cond)
{
    if (!cond)
        abort();
}

struct tape {
    hob_stream     stream;
    const uint8_t *text;
    size_t         len, at;
    unsigned       fails; /* every so often, with -EINTR */
};

/* As many bytes at once as the next one says. */
static ssize_t tape_read(hob_stream *stream, void *buf, size_t len)
{
    struct tape *tape = (struct tape *)stream;

    if (tape->at == tape->len)
        return 0;
    if (tape->fails > 0 && tape->fails++ % 3 == 0)
        return -EINTR;
    size_t n = 1 + tape->text[tape->at] % 17;
    if (n > tape->len - tape->at)
        n = tape->len - tape->at;
    if (n > len)
        n = len;
    memcpy(buf, tape->text + tape->at, n);
    tape->at += n;
    return (ssize_t)n;
}

static const hob_stream_type tape_type = { .name = "tape", .read = tape_read };

/* One call. Returns how many bytes it took, which were `text` at its beginning. */
static size_t call(hob_reader *in, unsigned choice, size_t want, const uint8_t *text, size_t left)
{
    hob_frame_format format = { choice / 8 % 3, 0, want };
    uint8_t          buf[256];
    const void      *bytes = NULL;
    char            *part = NULL;
    ssize_t          n;

    switch (choice % 8) {
    case 0:
        n = hob_reader_read(in, buf, want);
        must(n < 0 || ((size_t)n <= want && memcmp(buf, text, (size_t)n) == 0));
        return n > 0 ? (size_t)n : 0;
    case 1:
        n = hob_reader_read_exactly(in, buf, want % 32); // which the buffer holds
        must(n < 0 || memcmp(buf, text, (size_t)n) == 0);
        must(n != HOB_EOF || left < want % 32);
        return n > 0 ? (size_t)n : 0;
    case 2:
        n = hob_reader_peek(in, want % 32, &bytes);
        must(n < 0 || memcmp(bytes, text, (size_t)n) == 0);
        if (n > 0)
            hob_reader_consume(in, (size_t)n / 2);
        return n > 0 ? (size_t)n / 2 : 0;
    case 3:
        n = (ssize_t)hob_reader_skip(in, want);
        return n > 0 ? (size_t)n : 0;
    case 4: {
        n = hob_reader_line(in, &part); // with LF
        const uint8_t *lf = memchr(text, '\n', left);
        if (n < 0)
            return 0;
        must((size_t)n == (lf != NULL ? (size_t)(lf - text) : left));
        must(memcmp(part, text, (size_t)n) == 0 && part[n] == '\0');
        return (size_t)n + (lf != NULL);
    }
    case 5: {
        n = hob_reader_frame(in, &format, &bytes);
        if (n < 0)
            return 0;
        size_t frame_len;
        int    prefix = hob_frame_parse(&format, text, left, &frame_len);
        must(prefix > 0 && (size_t)n == frame_len && frame_len <= left - (size_t)prefix);
        must(memcmp(bytes, text + prefix, (size_t)n) == 0);
        return (size_t)prefix + frame_len;
    }
    case 6: {
        n = hob_reader_until(in, "ab", 2, &part);
        const uint8_t *found = memmem(text, left, "ab", 2);
        if (n < 0)
            return 0;
        must(found != NULL && (size_t)n == (size_t)(found - text));
        must(memcmp(part, text, (size_t)n) == 0 && part[n] == '\0');
        return (size_t)n + 2;
    }
    default:
        n = hob_reader_rest(in, want, &part);
        if (n < 0)
            return 0;
        must((size_t)n == left && memcmp(part, text, left) == 0 && part[n] == '\0');
        return left;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 4)
        return 0;
    struct tape     tape = { { &tape_type }, data + 4, size - 4, 0, data[3] & 1 };
    hob_reader_opts opts = {
        .buf_bytes = 1 + data[0] % 40,
        .buf_bytes_max = 32 + data[1] % 40,
        .line_bytes_max = data[2] % 40,
        .line_end = HOB_LINE_LF,
        .give_back = data[3] >> 1 & 1,
    };
    hob_reader in;
    size_t     at = 0;

    hob_reader_init(&in, &tape.stream, &opts);
    for (size_t i = 4; i + 1 < size; i += 2)
        at += call(&in, data[i], data[i + 1], data + 4 + at, size - 4 - at);
    must(at <= tape.at && tape.at - at == hob_reader_buffered(&in));
    hob_reader_fini(&in);
    return 0;
}
