/* SPDX-License-Identifier: MIT */
/*
 * Streams around a stream: at most so many bytes, so many a second, counted,
 * copied aside.
 *
 *     hob_throttled slow;
 *     hob_stream   *out = hob_throttled_init(&slow, hob_tcp_stream(conn),
 *                                            &(hob_throttle_opts){ .write_bytes_per_s = 100000 });
 *     HOB_TRY(hob_copy(file, out, NULL, NULL));
 *
 * A wrapper is a place of the caller's; there is nothing to free. It passes on what it
 * does not change. Closing it closes the stream below. Wrappers can be stacked. One task may
 * read while another writes.
 */
#ifndef HOB_WRAP_H
#define HOB_WRAP_H

#include "hob/stream.h"

HOB_BEGIN_DECLS

/* ---- at most so many bytes ---- */

typedef struct hob_limited {
    hob_stream  stream;
    hob_stream *below;
    uint64_t    left; /* may be looked at and changed between calls */
} hob_limited;

/* Reading ends after `bytes`, as if the stream ended there; the rest stays below. */
HOB_API hob_stream *hob_limited_init(hob_limited *limited, hob_stream *below, uint64_t bytes);

/* ---- counted ---- */

typedef struct hob_counted {
    hob_stream  stream;
    hob_stream *below;
    uint64_t    bytes_read, bytes_written; /* may be looked at and changed at any time */
    uint64_t    reads, writes;             /* calls that moved something */
} hob_counted;

HOB_API hob_stream *hob_counted_init(hob_counted *counted, hob_stream *below);

/* ---- copied aside ---- */

typedef struct hob_tee {
    hob_stream  stream;
    hob_stream *below;
    hob_stream *read_copy, *write_copy; /* either may be NULL */
    int         error; /* the first of either copy; then there is no more of them */
} hob_tee;

/* What is read from the stream is written to `read_copy` too, and what is written to it to
 * `write_copy`, before the call returns: a copy that is slow holds the stream up, one that
 * fails, or is cancelled, ends without disturbing it (see `error`). The copies stay the
 * caller's. */
HOB_API hob_stream *hob_tee_init(hob_tee *tee, hob_stream *below, hob_stream *read_copy,
                                 hob_stream *write_copy);

/* ---- so many bytes a second ---- */

/* A rate of 0: no limit in this direction. */
typedef struct hob_throttle_opts {
    uint64_t read_bytes_per_s;
    uint64_t write_bytes_per_s;
    uint64_t burst_bytes; /* at once after a pause; 0: as many as the rate gives in 100 ms, and at
                             least 1. Over 4 GiB counts as 4 GiB */
} hob_throttle_opts;

/* One direction's book. */
typedef struct hob_throttle {
    HOB_OPAQUE(6);
} hob_throttle;

typedef struct hob_throttled {
    hob_stream   stream;
    hob_stream  *below;
    hob_throttle read, write;
} hob_throttled;

/* In any time t since the beginning at most burst + rate × t bytes go through, exactly; and
 * a writer that always has something to write gets just as many. */
HOB_API hob_stream *hob_throttled_init(hob_throttled *throttled, hob_stream *below,
                                       const hob_throttle_opts *opts);

HOB_END_DECLS

#endif
