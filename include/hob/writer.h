/* SPDX-License-Identifier: MIT */
/*
 * A buffer in front of a stream that is written.
 *
 *     hob_writer out;
 *     hob_writer_init(&out, hob_tcp_stream(conn), NULL);
 *     HOB_TRY(hob_writer_printf(&out, "Content-Length: %zu\r\n\r\n", len));
 *     HOB_TRY(hob_writer_write(&out, body, len));     // a large body is not copied
 *     HOB_TRY(hob_writer_flush(&out));
 *     hob_writer_fini(&out);
 *
 * What does not fit goes out together with what is in the buffer, in one call and
 * from the caller's memory. Bytes that were taken go out once and in order, also
 * when a call was cancelled: what is left goes with the next.
 *
 * An error of the stream is remembered, and every later call tells it: it is
 * enough to look at what hob_writer_flush returns. Being cancelled is no error of
 * the stream, and is not remembered.
 *
 * The stream stays the caller's: it must stay open while it is written, and while
 * the writer is used nobody else writes it. One task at a time.
 */
#ifndef HOB_WRITER_H
#define HOB_WRITER_H

#include <stdarg.h>

#include "hob/frame.h"
#include "hob/stream.h"

HOB_BEGIN_DECLS

/* All zero, or NULL where a pointer is taken, means the defaults. */
typedef struct hob_writer_opts {
    size_t   buf_bytes;     /* 0: 4096                                                    */
    unsigned flush_each : 1; /* 1: each call sends what it was given, unless it is corked;
                                0: only a full buffer, and hob_writer_flush               */
    unsigned give_back : 1; /* 1: an empty buffer is given back: between two messages
                               nothing is held                                            */
} hob_writer_opts;

typedef struct hob_writer {
    HOB_OPAQUE(10);
} hob_writer;

/* Begins and ends to use it. The options are copied. Do not wait, and cannot fail. What was not
 * flushed at the end is lost. */
HOB_API void hob_writer_init(hob_writer *writer, hob_stream *stream, const hob_writer_opts *opts);
HOB_API void hob_writer_fini(hob_writer *writer);

/* Takes `len` bytes. Waits if they do not fit. Returns `len`; or, when an error or a
 * cancellation came after some were taken, how many: fewer than `len`, and the next call
 * tells why; or a negative error when none were: those of the stream, -ENOMEM, -ECANCELED,
 * -ETIMEDOUT. Of what fits into the buffer (buf_bytes) never only a part is taken. */
HOB_API HOB_MUST_USE ssize_t hob_writer_write(hob_writer *writer, const void *buf, size_t len);

/* The same of several pieces, in order, as one. */
HOB_API HOB_MUST_USE ssize_t hob_writer_writev(hob_writer *writer, const struct iovec *pieces,
                                               int count);

/* The same of what printf would print; but if only a part of it got out, that is an error, which
 * is remembered as one of the stream. -EINVAL: a format that printf refuses. */
HOB_API HOB_MUST_USE ssize_t hob_writer_printf(hob_writer *writer, const char *format, ...)
    HOB_PRINTF(2, 3);
HOB_API HOB_MUST_USE ssize_t hob_writer_vprintf(hob_writer *writer, const char *format,
                                                va_list args) HOB_PRINTF(2, 0);

/* Takes a frame: the prefix, then the bytes: see hob/frame.h. Returns `len`, or a negative
 * error as hob_writer_printf; -EMSGSIZE: too long, nothing was taken. */
HOB_API HOB_MUST_USE ssize_t hob_writer_frame(hob_writer *writer, const hob_frame_format *format,
                                              const void *buf, size_t len);

/* Sends all that was taken. Waits, unless there is nothing. Returns 0 or a negative error;
 * what was not sent stays. */
HOB_API HOB_MUST_USE int hob_writer_flush(hob_writer *writer);

/* Between the two, flush_each does not count: several calls go out as one. They nest; the
 * last uncork flushes, if flush_each is set. cork does not wait. */
HOB_API void             hob_writer_cork(hob_writer *writer);
HOB_API HOB_MUST_USE int hob_writer_uncork(hob_writer *writer);

/* How many bytes were taken and not sent. Does not wait. */
HOB_API size_t hob_writer_buffered(const hob_writer *writer);

/* The error of the stream that is remembered; 0: none. Does not wait. */
HOB_API int hob_writer_error(const hob_writer *writer);

HOB_END_DECLS

#endif
