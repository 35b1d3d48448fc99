/* SPDX-License-Identifier: MIT */
/*
 * The inside of hob_reader, for the files that take something out of it.
 *
 *     buf: [ consumed | begin ... buffered ... end | room ... cap ] and one byte for a NUL
 *
 * `buf` is the reader's own small place, or a block; it is never NULL, so that bytes
 * which came always have somewhere to be. In the place an idle reader waits, and what
 * came there moves into a block when more is needed than fits.
 */
#ifndef HOB_IO_READER_H
#define HOB_IO_READER_H

#include <assert.h>
#include <stdbool.h>

#include "hob/reader.h"

enum { READER_PLACE_BYTES = 64 };

struct reader {
    hob_stream     stream; /* first: the reader is a stream */
    hob_stream    *from;
    unsigned char *buf;
    size_t         begin, end, cap;
    size_t         buf_bytes, buf_bytes_max, line_bytes_max;
    uint8_t        line_end;
    bool           give_back;
    bool           ended;  /* the stream gave its end               */
    bool           busy;   /* a call is in it, and waits            */
    unsigned char  place[READER_PLACE_BYTES + 1];
};

static_assert(sizeof(struct reader) <= sizeof(hob_reader), "a reader fits in its place");

/* Comes in by a public function, whose name is `caller`. */
struct reader *hob__reader_enter(const hob_reader *place, const char *caller);

/* The same, for calls that wait: 0, or the code with which one is refused in a cancelled
 * scope. */
int hob__reader_begin(hob_reader *place, const char *caller, struct reader **ret_reader);

/* The reader that this stream is; NULL: it is something else. */
struct reader *hob__reader_of(hob_stream *stream);

static inline unsigned char *reader_bytes(const struct reader *r)
{
    return r->buf + r->begin;
}

static inline size_t reader_len(const struct reader *r)
{
    return r->end - r->begin;
}

/* Reads once more, into a buffer that grows to at most `max` bytes. Returns how many came, 0 at
 * the end, -ENOBUFS when `max` are there already, or a negative error. Waits. */
ssize_t hob__reader_fill(struct reader *r, size_t max);

static inline void reader_take(struct reader *r, size_t len)
{
    r->begin += len;
}

#endif
