/* SPDX-License-Identifier: MIT */
/*
 * From one stream to another.
 *
 *     hob_copied done;
 *     HOB_TRY(hob_copy(from, to, NULL, &done));
 *
 * Between sockets, pipes and files of the system the bytes do not come into the
 * program once a transfer is large: they go by splice(2), through a pipe. From file to
 * file, between other streams, and where the system cannot, they go through a buffer. A copy that
 * waits for its first bytes, or gets a few now and then, holds neither buffer nor pipe.
 */
#ifndef HOB_COPY_H
#define HOB_COPY_H

#include "hob/stream.h"

HOB_BEGIN_DECLS

typedef enum hob_copy_way {
    HOB_COPY_AUTO,   /* by a buffer, and by splice from the time on when a buffer came full; from
                        file to file by a buffer, which is faster                           */
    HOB_COPY_BUFFER, /* by a buffer only                                                     */
    HOB_COPY_SPLICE, /* by splice from the first byte, where the two streams can             */
} hob_copy_way;

typedef enum hob_copy_side {
    HOB_COPY_NEITHER,
    HOB_COPY_READING, /* `from` failed, or the task was cancelled while it read */
    HOB_COPY_WRITING, /* the same of `to`                                       */
} hob_copy_side;

/* What was done: true at any moment, while copying and after a failure. */
typedef struct hob_copied {
    uint64_t      bytes;     /* that `to` took                                             */
    uint64_t      spliced;   /* of these, how many did not come into the program           */
    uint64_t      undelivered; /* read from `from`, and not taken by `to`: while copying they
                                are on the way, after a failure they are lost              */
    hob_copy_side failed;
    unsigned      ended : 1; /* `from` ended                                               */
} hob_copied;

/* All zero, or NULL where a pointer is taken, means the defaults. */
typedef struct hob_copy_opts {
    uint64_t     bytes_max;    /* stops after so many; 0: at the end of `from` only         */
    unsigned     all : 1;      /* 1: HOB_EOF, with failed == HOB_COPY_READING, when `from`
                                  ends before bytes_max: a file that was cut off meanwhile
                                  is no whole answer                                        */
    hob_copy_way way;
    size_t       buf_bytes;    /* of the largest buffer; 0: 16 KiB, from file to file 256 KiB */
    int        (*progress)(void *arg, const hob_copied *so_far); /* called after each piece; must
                                  not wait. Negative: the copy stops with this              */
    void        *progress_arg;
} hob_copy_opts;

/* Copies from `from` to `to` until `from` ends, or up to bytes_max. Waits. Both must stay
 * open meanwhile, and nobody else reads `from` or writes `to`. They stay open afterwards, and `to`
 * is not told that `from` ended. Returns 0, or a negative error: of the streams, of the
 * progress function, -ECANCELED, -ETIMEDOUT, HOB_EOF (see `all`). `copied`, which may be
 * NULL, is the caller's place for what was done: it is kept true also when the copy fails.
 *
 * From a hob_reader (hob_reader_stream) what is in its buffer goes first; and in
 * HOB_COPY_BUFFER way no byte is lost by a failure: what was not delivered is in the reader
 * still. */
HOB_API HOB_MUST_USE int hob_copy(hob_stream *from, hob_stream *to, const hob_copy_opts *opts,
                                  hob_copied *copied);

/* Copies both ways at once, as a proxy does. When one side ends, the other is told by
 * hob_stream_shutdown, and may still go on sending (half-close); 0 is returned when both
 * have ended. If a side cannot be told so, the copy ends with the first end. When one
 * direction fails, the other is cancelled. Waits. Returns 0, or the first failure. `there`
 * is of a to b, `back` of b to a; either may be NULL. The options hold for each direction. */
HOB_API HOB_MUST_USE int hob_copy_both(hob_stream *a, hob_stream *b, const hob_copy_opts *opts,
                                       hob_copied *there, hob_copied *back);

HOB_END_DECLS

#endif
