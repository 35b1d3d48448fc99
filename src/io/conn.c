/* SPDX-License-Identifier: MIT */
#include "io/conn.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>

#include "base/alloc.h"

/* ---- from birth to death ---- */

struct conn *hob__conn_new(const struct conn_kind *kind)
{
    struct conn *conn = hob__alloc_zero(sizeof *conn);
    if (conn == NULL)
        return NULL;
    conn->stream.type = &kind->stream;
    conn->desc.fd = -1;
    return conn;
}

static const struct conn_kind *kind_of(const struct conn *conn)
{
    return container_of(conn->stream.type, struct conn_kind, stream);
}

void hob__conn_free(struct conn *conn)
{
    hob__free(conn->addrs);
    hob__free(conn);
}

static void conn_gone(struct desc *desc)
{
    struct conn *conn = container_of(desc, struct conn, desc);

    if (conn->writes == 0)
        hob__conn_free(conn);
    else
        conn->is_gone = true;
}

void hob__conn_open(struct conn *conn, int fd, const void *made_at)
{
    const struct conn_kind *kind = kind_of(conn);

    hob_assert(conn->tag == 0);
    conn->tag = kind->tag;
    hob__desc_open(&conn->desc, fd, kind->desc_kind, kind->what, made_at, conn_gone);
    conn->desc.passes_fds = kind->passes_fds;
}

int hob__conn_adopt(const struct conn_kind *kind, int fd, int domain, const void *made_at,
                    struct conn **ret_conn)
{
    struct conn *conn = hob__conn_new(kind);
    if (conn == NULL)
        return -ENOMEM;
    int r = hob__socket_adopt(fd, domain, SOCK_STREAM, false, false);
    if (r < 0) {
        hob__conn_free(conn);
        return r;
    }
    hob__conn_open(conn, fd, made_at);
    *ret_conn = conn;
    return 0;
}

void hob__conn_disown(struct conn *conn)
{
    conn->desc.keep_open = true;
    hob__conn_close(conn);
}

void hob__conn_close(struct conn *conn)
{
    conn->tag = TAG_FREED;
    hob__desc_close(&conn->desc);
}

void hob__conn_give(struct conn *conn, void *out)
{
    memcpy(out, &conn, sizeof conn);
}

static int new_pair(const struct conn_kind *kind, struct conn *ends[2])
{
    ends[0] = hob__conn_new(kind);
    if (ends[0] == NULL)
        return -ENOMEM;
    ends[1] = hob__conn_new(kind);
    if (ends[1] == NULL) {
        hob__conn_free(ends[0]);
        return -ENOMEM;
    }
    return 0;
}

int hob__conn_open_pair(const struct conn_kind *kind, enum op_kind op_kind, const void *made_at,
                        struct conn *ret_ends[2])
{
    int       fds[2];
    struct op op = {
        .kind = op_kind,
        .pair = { .domain = AF_UNIX, .type = SOCK_STREAM, .fds = fds },
    };

    int r = new_pair(kind, ret_ends);
    if (r < 0)
        return r;
    r = (int)hob__op_quick(&op);
    if (r < 0) {
        hob__conn_free(ret_ends[0]);
        hob__conn_free(ret_ends[1]);
        return r;
    }

    hob__conn_open(ret_ends[0], fds[0], made_at);
    hob__conn_open(ret_ends[1], fds[1], made_at);
    return 0;
}

/* ---- reading and writing ---- */

bool hob__conn_is_busy(const struct conn *conn, enum op_kind kind)
{
    list_for_each(node, &conn->desc.ops) {
        if (container_of(node, struct op, link)->kind == kind)
            return true;
    }
    return false;
}

static void end_write(struct conn *conn)
{
    hob_assert(conn->writes > 0);
    if (--conn->writes == 0 && conn->is_gone)
        hob__conn_free(conn);
}

/* `so_far` bytes of the buffer are written and `left` are not. True: the op has ended, and its
 * result is for the user. */
static bool end_turn(struct op *op, size_t so_far, size_t left)
{
    struct conn *conn = container_of(op->desc, struct conn, desc);

    if (op->result > 0) {
        if (left > 0 && !conn->desc.closing)
            return false;
        op->result = left > 0 ? -ECANCELED : (int64_t)so_far;
    } else if (op->result == 0) {
        op->result = -EIO; // a device that takes nothing, and says no more
    }
    end_write(conn);
    return true;
}

bool hob__conn_sent(struct op *op)
{
    if (op->result > 0) {
        size_t n = (size_t)op->result;
        hob_assert(n <= op->send.len);
        op->send.buf = (const char *)op->send.buf + n;
        op->send.len -= n;
        op->send.so_far += n;
    }
    return end_turn(op, op->send.so_far, op->send.len);
}

bool hob__conn_wrote(struct op *op)
{
    hob__rw_advance(op);
    return end_turn(op, op->rw.so_far, op->rw.len);
}

void hob__rw_advance(struct op *op)
{
    if (op->result <= 0)
        return;
    size_t n = (size_t)op->result;
    hob_assert(n <= op->rw.len);
    op->rw.buf = (char *)op->rw.buf + n;
    op->rw.len -= n;
    op->rw.so_far += n;
    if (op->rw.offset >= 0)
        op->rw.offset += (int64_t)n;
}

ssize_t hob__conn_sendv_some(struct conn *conn, const struct iovec *pieces, int count)
{
    struct msghdr msg = {
        .msg_iov = (struct iovec *)(uintptr_t)pieces,
        .msg_iovlen = (size_t)(count < IOV_MAX ? count : IOV_MAX),
    };
    struct op op = { .kind = OP_SENDMSG, .desc = &conn->desc, .msg = { .msg = &msg } };

    hob__op_await(&op);
    return op.result;
}

void hob__conn_recv_prep(hob_op *place, struct conn *conn, void *buf, size_t len)
{
    if (len == 0) {
        prep_nothing(place);
        return;
    }

    struct op *op = hob__op_prep(place, OP_RECV, &conn->desc);
    op->recv.buf = buf;
    op->recv.len = io_len(len);
}

void hob__conn_look_prep(hob_op *place, struct conn *conn)
{
    struct op *op = hob__op_prep(place, OP_RECV, &conn->desc);
    op->recv.buf = NULL;
    op->recv.len = 0;
}

void hob__conn_send_some_prep(hob_op *place, struct conn *conn, const void *buf, size_t len)
{
    if (len == 0) {
        prep_nothing(place);
        return;
    }

    struct op *op = hob__op_prep(place, OP_SEND, &conn->desc);
    op->send.buf = buf;
    op->send.len = io_len(len);
    op->send.so_far = 0;
}

void hob__conn_send_prep(hob_op *place, struct conn *conn, const void *buf, size_t len)
{
    if (len == 0) {
        prep_nothing(place);
        return;
    }

    struct op *op = hob__op_prep(place, OP_SEND, &conn->desc);
    op->send.buf = buf;
    op->send.len = len;
    op->send.so_far = 0;
    op->finish = hob__conn_sent;
    conn->writes++;
}

int hob__conn_shutdown(struct conn *conn)
{
    struct op op = { .kind = OP_SHUTDOWN, .desc = &conn->desc };
    return (int)hob__op_quick(&op);
}

/* ---- connecting ---- */

static bool connected(struct op *op)
{
    struct conn *conn = op->connect.conn;

    if (op->result < 0) {
        hob__conn_close(conn);
        return true;
    }
    hob__conn_give(conn, op->connect.out);
    op->result = 0;
    return true;
}

void hob__conn_connect_prep(hob_op *place, struct conn *conn, const hob_addr *peer, void *out)
{
    struct op *op = hob__op_prep(place, OP_CONNECT, &conn->desc);
    op->connect.addr = peer;
    op->connect.out = out;
    op->connect.conn = conn;
    op->finish = connected;
}

/* ---- sockets ---- */

int hob__socket_open(int domain, int type)
{
    struct op op = { .kind = OP_SOCKET, .socket = { .domain = domain, .type = type } };
    return (int)hob__op_quick(&op);
}

int hob__socket_adopt(int fd, int domain, int type, bool listens, bool copy)
{
    struct op op = {
        .kind = OP_ADOPT,
        .adopt = { .fd = fd, .domain = domain, .type = type, .listens = listens, .copy = copy },
    };
    return (int)hob__op_quick(&op);
}

int hob__socket_bind(struct desc *desc, const hob_addr *addr, uint64_t *ret_file)
{
    struct op op = {
        .kind = OP_BIND,
        .desc = desc,
        .bind = { .addr = addr, .ret_file = ret_file },
    };
    return (int)hob__op_quick(&op);
}

int hob__socket_name(struct desc *desc, enum op_kind kind, hob_addr *ret_addr)
{
    struct op op = { .kind = kind, .desc = desc, .name = { .out = ret_addr } };
    return (int)hob__op_quick(&op);
}

int hob__socket_set(struct desc *desc, int level, int name, int value)
{
    struct op op = {
        .kind = OP_SETOPT,
        .desc = desc,
        .setopt = { .level = level, .name = name, .value = value },
    };
    return (int)hob__op_quick(&op);
}

int hob__socket_set_data(struct desc *desc, int level, int name, const void *data, size_t len)
{
    struct op op = {
        .kind = OP_SETOPT,
        .desc = desc,
        .setopt = { .level = level, .name = name, .data = data, .len = (unsigned)len },
    };
    return (int)hob__op_quick(&op);
}

int hob__socket_get(struct desc *desc, int level, int name, void *out, size_t len)
{
    struct op op = {
        .kind = OP_GETOPT,
        .desc = desc,
        .getopt = { .level = level, .name = name, .out = out, .len = (unsigned)len },
    };
    return (int)hob__op_quick(&op);
}
