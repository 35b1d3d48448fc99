/* SPDX-License-Identifier: MIT */
/* TCP and Unix connections as streams. */
#include <sys/uio.h>

#include "io/conn.h"

static struct conn *conn_of(hob_stream *stream)
{
    return container_of(stream, struct conn, stream);
}

/* A closed one has no tag, and what is there instead of a freed one has another. */
static bool is_open(const struct conn *conn)
{
    return conn->tag == container_of(conn->stream.type, struct conn_kind, stream)->tag;
}

ssize_t hob__socket_stream_read(hob_stream *stream, void *buf, size_t len)
{
    struct conn *conn = conn_of(stream);
    hob_require(is_open(conn), "hob_stream_read" NOT_OPEN);
    hob_require(conn_can_read(conn, OP_RECV), "hob_stream_read" TWO_READERS);
    return conn_recv(conn, buf, len);
}

ssize_t hob__socket_stream_write(hob_stream *stream, const void *buf, size_t len)
{
    struct conn *conn = conn_of(stream);
    hob_require(is_open(conn), "hob_stream_write" NOT_OPEN);
    hob_require(conn_can_write(conn, OP_SEND), "hob_stream_write" TWO_WRITERS);
    return conn_send(conn, buf, len);
}

ssize_t hob__socket_stream_write_some(hob_stream *stream, const void *buf, size_t len)
{
    struct conn *conn = conn_of(stream);
    hob_require(is_open(conn), "hob_stream_write_some" NOT_OPEN);
    hob_require(conn_can_write(conn, OP_SEND), "hob_stream_write_some" TWO_WRITERS);
    return conn_send_some(conn, buf, len);
}

ssize_t hob__socket_stream_writev_some(hob_stream *stream, const struct iovec *pieces, int count)
{
    struct conn *conn = conn_of(stream);
    hob_require(is_open(conn), "hob_stream_writev" NOT_OPEN);
    hob_require(conn_can_write(conn, OP_SEND) && conn_can_write(conn, OP_SENDMSG),
                "hob_stream_writev" TWO_WRITERS);
    return hob__conn_sendv_some(conn, pieces, count);
}

int hob__socket_stream_ready_prep(hob_stream *stream, hob_op *place)
{
    struct conn *conn = conn_of(stream);
    hob_require(is_open(conn), "hob_stream_ready_prep" NOT_OPEN);
    hob_require(conn_can_read(conn, OP_RECV), "hob_stream_ready_prep" TWO_READERS);
    hob__conn_look_prep(place, conn);
    return 0;
}

int hob__socket_stream_shutdown(hob_stream *stream)
{
    struct conn *conn = conn_of(stream);
    hob_require(is_open(conn), "hob_stream_shutdown" NOT_OPEN);
    return hob__conn_shutdown(conn);
}

void hob__socket_stream_close(hob_stream *stream)
{
    struct conn *conn = conn_of(stream);
    hob_require(is_open(conn), "hob_stream_close" NOT_OPEN);
    hob__conn_close(conn);
}
