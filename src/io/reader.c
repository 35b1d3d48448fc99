/* SPDX-License-Identifier: MIT */
/*
 * The buffer of a reader, and what takes bytes out of it. What takes messages out is in
 * reader_message.c.
 *
 * What holds: only hob__reader_fill reads into the buffer, and it adds at the end; only
 * reader_take removes, from the beginning, when a call has what it wants. So a call that
 * fails has taken nothing.
 */
#include "io/reader.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"
#include "hob/scope.h"

enum {
    BUF_BYTES = 4096,
    BUF_BYTES_MAX = 64 * 1024,
};

/* ---- beginning and ending ---- */

static ssize_t stream_read(hob_stream *stream, void *buf, size_t len);
static ssize_t stream_write_some(hob_stream *stream, const void *buf, size_t len);
static ssize_t stream_write(hob_stream *stream, const void *buf, size_t len);
static ssize_t stream_writev_some(hob_stream *stream, const struct iovec *pieces, int count);
static int     stream_shutdown(hob_stream *stream);
static void    stream_close(hob_stream *stream);

static const hob_stream_type reader_type = {
    .name = "reader",
    .read = stream_read,
    .write_some = stream_write_some,
    .write = stream_write,
    .writev_some = stream_writev_some,
    .shutdown = stream_shutdown,
    .close = stream_close,
};

static size_t or_default(size_t value, size_t otherwise)
{
    return value != 0 ? value : otherwise;
}

static void use_place(struct reader *r)
{
    r->buf = r->place;
    r->cap = READER_PLACE_BYTES;
    r->begin = r->end = 0;
}

static bool has_block(const struct reader *r)
{
    return r->buf != r->place;
}

void hob_reader_init(hob_reader *place, hob_stream *stream, const hob_reader_opts *opts)
{
    static const hob_reader_opts defaults;
    struct reader               *r = (struct reader *)place;

    if (opts == NULL)
        opts = &defaults;
    *r = (struct reader){
        .stream = { &reader_type },
        .from = stream,
        .buf_bytes = or_default(opts->buf_bytes, BUF_BYTES),
        .buf_bytes_max = or_default(opts->buf_bytes_max, BUF_BYTES_MAX),
        .line_bytes_max = or_default(opts->line_bytes_max, SIZE_MAX),
        .line_end = (uint8_t)opts->line_end,
        .give_back = opts->give_back,
    };
    if (r->buf_bytes_max < r->buf_bytes)
        r->buf_bytes_max = r->buf_bytes;
    use_place(r);
}

void hob_reader_fini(hob_reader *place)
{
    struct reader *r = hob__reader_enter(place, "hob_reader_fini");

    if (has_block(r))
        hob__free(r->buf);
    r->stream.type = NULL;
}

struct reader *hob__reader_of(hob_stream *stream)
{
    return stream->type == &reader_type ? (struct reader *)stream : NULL;
}

int hob__reader_begin(hob_reader *place, const char *caller, struct reader **ret_reader)
{
    *ret_reader = hob__reader_enter(place, caller);
    return hob_cancelled();
}

struct reader *hob__reader_enter(const hob_reader *place, const char *caller)
{
    struct reader *r = (struct reader *)(uintptr_t)place;

    if (hob_unlikely(r->stream.type != &reader_type))
        hob__misuse_of(caller, "this is no reader; was it ended already?");
    if (hob_unlikely(r->busy))
        hob__misuse_of(caller, "another task is reading by this reader; one at a time");
    return r;
}

/* ---- the buffer ---- */

/* A block of `cap` bytes instead of what there is. */
static int move_to_block(struct reader *r, size_t cap)
{
    unsigned char *block = hob__alloc(cap + 1);

    if (block == NULL)
        return -ENOMEM;
    memcpy(block, reader_bytes(r), reader_len(r));
    if (has_block(r))
        hob__free(r->buf);
    r->buf = block;
    r->end -= r->begin;
    r->begin = 0;
    r->cap = cap;
    return 0;
}

/* Nothing is in it. A block that grew for one large message is not kept for the small ones. */
static void start_anew(struct reader *r)
{
    r->begin = r->end = 0;
    if (has_block(r) && (r->give_back || r->cap > r->buf_bytes_max)) {
        hob__free(r->buf);
        use_place(r);
    }
}

/* Sees to it that there is room behind the bytes: by moving them to the front, or a larger
 * block, of at most `max` bytes. */
static int make_room(struct reader *r, size_t max)
{
    if (reader_len(r) == 0) {
        start_anew(r);
        return r->give_back || has_block(r) ? 0 : move_to_block(r, r->buf_bytes);
    }
    if (r->end < r->cap)
        return 0;
    if (r->begin > 0 && (r->begin >= r->cap / 2 || r->cap >= max)) {
        memmove(r->buf, reader_bytes(r), reader_len(r));
        r->end -= r->begin;
        r->begin = 0;
        return 0;
    }
    if (r->cap >= max)
        return -ENOBUFS;
    size_t cap = r->cap < r->buf_bytes ? r->buf_bytes : r->cap <= max / 2 ? 2 * r->cap : max;
    return move_to_block(r, cap < max ? cap : max);
}

/* The stream below is asked; meanwhile nobody else may come in. */
static ssize_t read_below(struct reader *r, void *buf, size_t len)
{
    if (r->ended)
        return 0;
    r->busy = true;
    ssize_t n = r->from->type->read(r->from, buf, len);
    r->busy = false;
    if (n == 0 && len > 0)
        r->ended = true;
    return n;
}

ssize_t hob__reader_fill(struct reader *r, size_t max)
{
    if (r->ended)
        return 0;
    if (reader_len(r) >= max)
        return -ENOBUFS;
    int rc = make_room(r, max);
    if (rc < 0)
        return rc;

    ssize_t n = read_below(r, r->buf + r->end, r->cap - r->end);
    if (n > 0)
        r->end += (size_t)n;
    return n;
}

/* Sees to it that `want` bytes are there, if the stream has them. Returns 0 or an error. */
static int want_bytes(struct reader *r, size_t want)
{
    if (want > r->buf_bytes_max)
        return -ENOBUFS;
    while (reader_len(r) < want) {
        ssize_t n = hob__reader_fill(r, r->buf_bytes_max);
        if (n < 0)
            return (int)n;
        if (n == 0)
            break;
    }
    return 0;
}

/* ---- bytes ---- */

ssize_t hob_reader_peek(hob_reader *reader, size_t want, const void **ret_bytes)
{
    struct reader *r;

    int rc = hob__reader_begin(reader, "hob_reader_peek", &r);
    if (want == 0)
        rc = 0;
    else if (rc == 0)
        rc = want_bytes(r, want);
    if (rc < 0)
        return rc;
    *ret_bytes = reader_bytes(r);
    return (ssize_t)reader_len(r);
}

void hob_reader_consume(hob_reader *reader, size_t len)
{
    struct reader *r = hob__reader_enter(reader, "hob_reader_consume");

    hob_require(len <= reader_len(r),
                "hob_reader_consume: so many bytes are not in the buffer; see hob_reader_peek");
    reader_take(r, len);
}

size_t hob_reader_buffered(const hob_reader *reader)
{
    return reader_len((const struct reader *)reader);
}

static ssize_t take_some(struct reader *r, void *buf, size_t len)
{
    size_t n = reader_len(r) < len ? reader_len(r) : len;

    if (n > 0)
        memcpy(buf, reader_bytes(r), n);
    reader_take(r, n);
    return (ssize_t)n;
}

static ssize_t read_some(struct reader *r, void *buf, size_t len)
{
    if (reader_len(r) > 0)
        return take_some(r, buf, len);
    if (len == 0 || len >= r->buf_bytes) {
        start_anew(r);
        return read_below(r, buf, len); // the buffer would only be in the way
    }

    ssize_t n = hob__reader_fill(r, r->buf_bytes_max);
    return n <= 0 ? n : take_some(r, buf, len);
}

ssize_t hob_reader_read(hob_reader *reader, void *buf, size_t len)
{
    struct reader *r;

    int rc = hob__reader_begin(reader, "hob_reader_read", &r);
    return rc < 0 ? rc : read_some(r, buf, len);
}

/* What cannot be held in the buffer goes on where it is wanted. */
static ssize_t read_long(struct reader *r, unsigned char *buf, size_t len)
{
    size_t so_far = 0;

    while (so_far < len) {
        ssize_t n = read_some(r, buf + so_far, len - so_far);
        if (n < 0)
            return n;
        if (n == 0)
            return so_far == 0 ? 0 : HOB_EOF;
        so_far += (size_t)n;
    }
    return (ssize_t)len;
}

ssize_t hob_reader_read_exactly(hob_reader *reader, void *buf, size_t len)
{
    struct reader *r;

    int rc = hob__reader_begin(reader, "hob_reader_read_exactly", &r);
    if (rc == 0 && len > r->buf_bytes_max)
        return read_long(r, buf, len);
    if (rc == 0)
        rc = want_bytes(r, len);
    if (rc < 0)
        return rc;
    if (reader_len(r) < len)
        return reader_len(r) == 0 ? 0 : HOB_EOF;
    return take_some(r, buf, len);
}

int64_t hob_reader_skip(hob_reader *reader, uint64_t len)
{
    struct reader *r;
    uint64_t       so_far = 0;

    int rc = hob__reader_begin(reader, "hob_reader_skip", &r);
    if (rc < 0)
        return rc;
    if (len > INT64_MAX)
        len = INT64_MAX;
    for (;;) {
        uint64_t left = len - so_far;
        size_t   n = reader_len(r) < left ? reader_len(r) : (size_t)left;
        reader_take(r, n);
        so_far += n;
        if (so_far == len)
            return (int64_t)so_far;
        ssize_t filled = hob__reader_fill(r, r->buf_bytes_max);
        if (filled <= 0)
            return filled < 0 && so_far == 0 ? filled : (int64_t)so_far;
    }
}

/* ---- as a stream ---- */

static hob_stream *below(hob_stream *stream)
{
    return ((struct reader *)stream)->from;
}

static ssize_t stream_read(hob_stream *stream, void *buf, size_t len)
{
    return hob_reader_read((hob_reader *)stream, buf, len);
}

static ssize_t stream_write_some(hob_stream *stream, const void *buf, size_t len)
{
    return hob_stream_write_some(below(stream), buf, len);
}

static ssize_t stream_write(hob_stream *stream, const void *buf, size_t len)
{
    return hob_stream_write(below(stream), buf, len);
}

static ssize_t stream_writev_some(hob_stream *stream, const struct iovec *pieces, int count)
{
    return hob_stream_writev_some(below(stream), pieces, count);
}

static int stream_shutdown(hob_stream *stream)
{
    return hob_stream_shutdown(below(stream));
}

static void stream_close(hob_stream *stream)
{
    hob_stream *from = below(stream);

    hob_reader_fini((hob_reader *)stream);
    hob_stream_close(from);
}

hob_stream *hob_reader_stream(hob_reader *reader)
{
    return &hob__reader_enter(reader, "hob_reader_stream")->stream;
}
