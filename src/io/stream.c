/* SPDX-License-Identifier: MIT */
/* What can be said of all byte streams at once. */
#include "hob/stream.h"

#include <errno.h>

#include "base/check.h"

ssize_t hob_stream_read(hob_stream *stream, void *buf, size_t len)
{
    return stream->type->read(stream, buf, len);
}

ssize_t hob_stream_read_exactly(hob_stream *stream, void *buf, size_t len)
{
    size_t so_far = 0;

    while (so_far < len) {
        ssize_t n = stream->type->read(stream, (char *)buf + so_far, len - so_far);
        if (n < 0)
            return n;
        if (n == 0)
            return so_far == 0 ? 0 : HOB_EOF;
        so_far += (size_t)n;
    }
    return (ssize_t)len;
}

ssize_t hob_stream_write_some(hob_stream *stream, const void *buf, size_t len)
{
    return stream->type->write_some(stream, buf, len);
}

ssize_t hob_stream_write(hob_stream *stream, const void *buf, size_t len)
{
    size_t so_far = 0;

    if (stream->type->write != NULL)
        return stream->type->write(stream, buf, len);
    do {
        ssize_t n = stream->type->write_some(stream, (const char *)buf + so_far, len - so_far);
        if (n < 0)
            return n;
        hob_require(n > 0 || len == 0, "hob_stream_write: the stream's write_some wrote nothing; "
                                       "it must wait until there is room, or fail");
        so_far += (size_t)n;
    } while (so_far < len);
    return (ssize_t)len;
}

int hob_stream_ready_prep(hob_op *op, hob_stream *stream)
{
    return stream->type->ready_prep != NULL ? stream->type->ready_prep(stream, op) : -ENOTSUP;
}

/* The first piece that is not empty; NULL: there is none. */
static const struct iovec *first_piece(const struct iovec *pieces, int count)
{
    for (int i = 0; i < count; i++) {
        if (pieces[i].iov_len > 0)
            return &pieces[i];
    }
    return NULL;
}

ssize_t hob_stream_writev_some(hob_stream *stream, const struct iovec *pieces, int count)
{
    const struct iovec *first = first_piece(pieces, count);

    if (first == NULL)
        return stream->type->write_some(stream, "", 0);
    if (stream->type->writev_some != NULL)
        return stream->type->writev_some(stream, pieces, count);
    return stream->type->write_some(stream, first->iov_base, first->iov_len);
}

enum { PIECES_MAX = 16 }; /* in one call */

/* Copies those of the pieces that lie after `at`. Returns how many, at most PIECES_MAX. */
static int pieces_after(const struct iovec *pieces, int count, size_t at, struct iovec *ret_pieces)
{
    int n = 0;

    for (int i = 0; i < count && n < PIECES_MAX; i++) {
        size_t len = pieces[i].iov_len;
        if (at < len)
            ret_pieces[n++] = (struct iovec){ (char *)pieces[i].iov_base + at, len - at };
        at -= at < len ? at : len;
    }
    return n;
}

ssize_t hob_stream_writev(hob_stream *stream, const struct iovec *pieces, int count)
{
    struct iovec left[PIECES_MAX];
    size_t       so_far = 0;
    int          n;

    if (first_piece(pieces, count) == NULL)
        return stream->type->write_some(stream, "", 0);
    while ((n = pieces_after(pieces, count, so_far, left)) > 0) {
        ssize_t done = hob_stream_writev_some(stream, left, n);
        if (done < 0)
            return done;
        hob_require(done > 0, "hob_stream_writev: the stream's write_some wrote nothing; it must "
                              "wait until there is room, or fail");
        so_far += (size_t)done;
    }
    return (ssize_t)so_far;
}

int hob_stream_shutdown(hob_stream *stream)
{
    return stream->type->shutdown != NULL ? stream->type->shutdown(stream) : -ENOTSUP;
}

void hob_stream_close(hob_stream *stream)
{
    if (stream != NULL)
        stream->type->close(stream);
}
