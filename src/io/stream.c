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

int hob_stream_shutdown(hob_stream *stream)
{
    return stream->type->shutdown != NULL ? stream->type->shutdown(stream) : -ENOTSUP;
}

void hob_stream_close(hob_stream *stream)
{
    if (stream != NULL)
        stream->type->close(stream);
}
