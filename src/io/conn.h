/* SPDX-License-Identifier: MIT */
/*
 * A connection: what hob_tcp, hob_unix and hob_pipe have in common.
 *
 *          new             open              close            gone, and no write left
 *   (none) ────▶ no fd ──────────▶ open ──────────▶ closing ──────────────────────────▶ (freed)
 *
 *   no fd:    made beforehand, so that nothing can fail once there is a descriptor.
 *   open:     the tag says what it is; the worker holds the desc.
 *   closing:  the tag is wiped, so nobody gets in; ops in flight are on their way back.
 *
 * A write of the whole buffer may take several turns of its op, so it needs the
 * connection until its end: `writes` counts them, and keeps it in memory. All
 * other ops forget the connection when the backend is done with them.
 */
#ifndef HOB_IO_CONN_H
#define HOB_IO_CONN_H

#include "core/await.h"
#include "hob/addr.h"
#include "hob/scope.h"
#include "hob/stream.h"
#include "hob/time.h"

/* What kind of connection it is. The stream's type is the first field, so that
 * a stream's type leads to the rest. */
struct conn_kind {
    hob_stream_type stream;
    enum hob__tag   tag;
    enum desc_kind  desc_kind;
    bool            passes_fds;
    const char     *what; /* for reports */
};

struct conn {
    hob_stream    stream; /* first: the connection is a stream */
    enum hob__tag tag;
    uint32_t      writes; /* hob_…_write that have not ended   */
    bool          is_gone; /* the descriptor is closed; the last write frees */
    bool          is_foreign; /* the descriptor was made by others, who may share it */
    struct desc   desc;
    hob_addr     *addrs;  /* local, peer; NULL until somebody asked */
};

/* The ends of sentences for hob_require: the beginning is the function's name. */
#define NOT_OPEN ": this is not open; was it closed already?"
#define TWO_READERS ": another task, or an operation, is reading this already; one at a time"
#define TWO_WRITERS ": another task, or an operation, is writing this already; one at a time"

/* More at once than this, the kernel does not take in one call either. */
enum { IO_LEN_MAX = 0x7ffff000 };

static inline size_t io_len(size_t len)
{
    return len < IO_LEN_MAX ? len : IO_LEN_MAX;
}

/* A connection without a descriptor, or NULL when memory ran out. */
struct conn *hob__conn_new(const struct conn_kind *kind);

/* Gives it its descriptor. Cannot fail. */
void hob__conn_open(struct conn *conn, int fd, const void *made_at);

/* One with a socket that others made and connected; on failure the number is theirs still. And
 * closes that one, but not the number. */
int  hob__conn_adopt(const struct conn_kind *kind, int fd, int domain, const void *made_at,
                     struct conn **ret_conn);
void hob__conn_disown(struct conn *conn);

/* Frees one that has no descriptor. */
void hob__conn_free(struct conn *conn);

/* Closes one that has; it is freed as soon as nobody needs it. */
void hob__conn_close(struct conn *conn);

/* Hands the connection to the user, who wants it in a pointer of his own type. */
void hob__conn_give(struct conn *conn, void *out);

bool hob__conn_is_busy(const struct conn *conn, enum op_kind kind);

static inline bool conn_is_open(const struct conn *conn, enum hob__tag tag)
{
    return conn != NULL && conn->tag == tag;
}

/* True when nobody reads. Mostly nothing at all is in flight. */
static inline bool conn_can_read(const struct conn *conn, enum op_kind kind)
{
    return hob_likely(conn->desc.flying == 0) || !hob__conn_is_busy(conn, kind);
}

static inline bool conn_can_write(const struct conn *conn, enum op_kind kind)
{
    return conn->writes == 0 && conn_can_read(conn, kind);
}

/* The `finish` of a SEND, or of a pipe's WRITE, that goes on until all is written. */
bool hob__conn_sent(struct op *op);
bool hob__conn_wrote(struct op *op);

/* After a READ or WRITE that brought something: the op names the rest. */
void hob__rw_advance(struct op *op);

/* An op that ends soon with 0 (or as cancelled): for reading or writing nothing. */
static inline void prep_nothing(hob_op *place)
{
    hob_sleep_prep(place, 0);
}

/* Reading and writing of sockets: TCP and Unix. The callers have checked that they may. */
static inline ssize_t conn_recv(struct conn *conn, void *buf, size_t len)
{
    if (len == 0)
        return hob_cancelled();

    struct op op = {
        .kind = OP_RECV,
        .desc = &conn->desc,
        .recv = { .buf = buf, .len = io_len(len) },
    };
    hob__op_await(&op);
    return op.result;
}

static inline ssize_t conn_send(struct conn *conn, const void *buf, size_t len)
{
    if (len == 0)
        return hob_cancelled();

    struct op op = {
        .kind = OP_SEND,
        .desc = &conn->desc,
        .send = { .buf = buf, .len = len },
        .finish = hob__conn_sent,
    };
    conn->writes++;
    hob__op_await(&op);
    return op.result;
}

static inline ssize_t conn_send_some(struct conn *conn, const void *buf, size_t len)
{
    if (len == 0)
        return hob_cancelled();

    struct op op = {
        .kind = OP_SEND,
        .desc = &conn->desc,
        .send = { .buf = buf, .len = io_len(len) },
    };
    hob__op_await(&op);
    return op.result;
}

ssize_t hob__conn_sendv_some(struct conn *conn, const struct iovec *pieces, int count);

void hob__conn_recv_prep(hob_op *place, struct conn *conn, void *buf, size_t len);
void hob__conn_look_prep(hob_op *place, struct conn *conn);
void hob__conn_send_prep(hob_op *place, struct conn *conn, const void *buf, size_t len);
void hob__conn_send_some_prep(hob_op *place, struct conn *conn, const void *buf, size_t len);
int  hob__conn_shutdown(struct conn *conn);

/* The kinds of connection, by which a stream can be known. */
extern const struct conn_kind hob__tcp_kind, hob__unix_kind, hob__pipe_kind;

/* socket_stream.c: those of TCP and Unix as a stream. */
ssize_t hob__socket_stream_read(hob_stream *stream, void *buf, size_t len);
ssize_t hob__socket_stream_write(hob_stream *stream, const void *buf, size_t len);
ssize_t hob__socket_stream_write_some(hob_stream *stream, const void *buf, size_t len);
ssize_t hob__socket_stream_writev_some(hob_stream *stream, const struct iovec *pieces, int count);
int     hob__socket_stream_ready_prep(hob_stream *stream, hob_op *place);
int     hob__socket_stream_shutdown(hob_stream *stream);
void    hob__socket_stream_close(hob_stream *stream);

#define SOCKET_STREAM(its_name)                                  \
    {                                                            \
        .name = its_name,                                        \
        .read = hob__socket_stream_read,                         \
        .write_some = hob__socket_stream_write_some,             \
        .write = hob__socket_stream_write,                       \
        .writev_some = hob__socket_stream_writev_some,           \
        .ready_prep = hob__socket_stream_ready_prep,             \
        .shutdown = hob__socket_stream_shutdown,                 \
        .close = hob__socket_stream_close,                       \
    }

/* Making one: a new socket connects to `peer`, which is lent until the op ended.
 * `out` is where the user wants the connection. */
void hob__conn_connect_prep(hob_op *place, struct conn *conn, const hob_addr *peer, void *out);

/* Two connections from an op that makes two descriptors: SOCKETPAIR, PIPE. */
int hob__conn_open_pair(const struct conn_kind *kind, enum op_kind op_kind, const void *made_at,
                        struct conn *ret_ends[2]);

/* A socket that others made, if it is of this family (AF_INET: IPv6, too) and type and listens, or
 * does not: made CLOEXEC and non-blocking. Returns the number, or that of a copy. */
int hob__socket_adopt(int fd, int domain, int type, bool listens, bool copy);

/* What any socket needs, by ops that never wait. */
int hob__socket_open(int domain, int type);
int hob__socket_bind(struct desc *desc, const hob_addr *addr, uint64_t *ret_file);
int hob__socket_name(struct desc *desc, enum op_kind kind, hob_addr *ret_addr);
int hob__socket_set(struct desc *desc, int level, int name, int value);
int hob__socket_set_data(struct desc *desc, int level, int name, const void *data, size_t len);
int hob__socket_get(struct desc *desc, int level, int name, void *out, size_t len); /* the length */

#endif
