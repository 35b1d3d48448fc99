/* SPDX-License-Identifier: MIT */
/*
 * Byte streams: what TCP, Unix sockets and pipes share, and what TLS will be.
 *
 * The thing you hold may be used as a stream (hob_tcp_stream), and functions
 * that take a stream work on all of them. A stream of your own begins with a
 * hob_stream and fills a hob_stream_type.
 */
#ifndef HOB_STREAM_H
#define HOB_STREAM_H

#include <sys/uio.h>

#include "hob/op.h"

HOB_BEGIN_DECLS

typedef struct hob_stream hob_stream;

/* What a stream of your own can do; the functions below say what each must. */
typedef struct hob_stream_type {
    const char *name; /* for people: "tcp" */
    ssize_t (*read)(hob_stream *stream, void *buf, size_t len);
    ssize_t (*write_some)(hob_stream *stream, const void *buf, size_t len);
    int (*shutdown)(hob_stream *stream); /* NULL: it cannot */
    void (*close)(hob_stream *stream);
    /* Writes all, and does not touch the stream when another task closed it meanwhile; NULL:
     * by write_some, and then nobody may close it under a writer. */
    ssize_t (*write)(hob_stream *stream, const void *buf, size_t len);
    /* As write_some, of several pieces, of which at least one is not empty; NULL: by write_some
     * of the first of those. */
    ssize_t (*writev_some)(hob_stream *stream, const struct iovec *pieces, int count);
    int (*ready_prep)(hob_stream *stream, hob_op *op); /* NULL: it cannot */
} hob_stream_type;

struct hob_stream {
    const hob_stream_type *type;
};

/* Reads up to `len` bytes into `buf`, which is lent. Waits for at least one.
 * Returns how many came, 0 at the end of the stream, or a negative error. */
HOB_API HOB_MUST_USE ssize_t hob_stream_read(hob_stream *stream, void *buf, size_t len);

/* Reads exactly `len` bytes. Returns `len`, 0 if the stream ended before the
 * first byte, HOB_EOF if it ended in between, or a negative error. */
HOB_API HOB_MUST_USE ssize_t hob_stream_read_exactly(hob_stream *stream, void *buf, size_t len);

/* An operation that ends as soon as a read would not wait, and takes nothing: so who waits for the
 * first bytes of a silent peer needs no buffer, and with hob_op_call no task. It counts as a
 * reader. Its result is 1: bytes are there; 0: the end is; or the error of a broken connection
 * (-ECONNRESET), before which bytes may be left to read. Over TLS bytes may come that are none of
 * the peer's, or only a part of a record, so a read may wait after all; and its goodbye is bytes.
 * Does not wait. Returns 0, or a negative error, and then there is nothing to start:
 *   -ENOTSUP   this stream cannot
 *   -EALREADY  TLS: there is something to do before a peer is waited for. A read does it */
HOB_API HOB_MUST_USE int hob_stream_ready_prep(hob_op *op, hob_stream *stream);

/* Writes at least one byte of `buf`, which is lent. Waits until there is room.
 * Returns how many were taken, or a negative error. */
HOB_API HOB_MUST_USE ssize_t hob_stream_write_some(hob_stream *stream, const void *buf,
                                                   size_t len);

/* Writes all of `buf`. Returns `len`, or a negative error, and then an unknown
 * part of it was written: use hob_stream_write_some to keep count. */
HOB_API HOB_MUST_USE ssize_t hob_stream_write(hob_stream *stream, const void *buf, size_t len);

/* The same of several pieces, in order, as one: small things and large ones go out together
 * without being copied. While it waits nobody may close the stream. */
HOB_API HOB_MUST_USE ssize_t hob_stream_writev_some(hob_stream *stream,
                                                    const struct iovec *pieces, int count);
HOB_API HOB_MUST_USE ssize_t hob_stream_writev(hob_stream *stream, const struct iovec *pieces,
                                               int count);

/* Says that no more will be written. Reading goes on. Returns 0, -ENOTSUP for a
 * stream that cannot, or a negative error. */
HOB_API HOB_MUST_USE int hob_stream_shutdown(hob_stream *stream);

/* Closes the stream and frees it; NULL is fine. Never waits, cannot fail. */
HOB_API void hob_stream_close(hob_stream *stream);

HOB_END_DECLS

#endif
