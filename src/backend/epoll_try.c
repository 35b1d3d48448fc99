/* SPDX-License-Identifier: MIT */
/* The calls that wait for readiness, made without waiting. */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>

#include "backend/epoll.h"
#include "base/sys.h"
#include "hob/addr.h"

/* Made again after the event, the call tells how the first one ended. */
static int64_t try_connect(const struct op *op)
{
    const struct hob_addr *addr = op->connect.addr;
    int r = hob__sys_connect(op->desc->fd, (const struct sockaddr *)addr->u.raw, addr->len);
    if (r == -EINPROGRESS || r == -EALREADY)
        return -EAGAIN;
    // Only Unix sockets wait for room; to others it means that no port is free.
    return r == -EAGAIN && addr->u.family != AF_UNIX ? -EADDRNOTAVAIL : r;
}

static int64_t ask_ready(int fd, short events)
{
    struct pollfd ask = { .fd = fd, .events = events };
    int           r = hob__sys_poll(&ask, 1, 0);
    return r == 0 || r == -EINTR ? -EAGAIN : r;
}

/* A shared blocking descriptor (a terminal, an inherited pipe) must neither block
 * us nor be made non-blocking behind the others' backs. */
static int64_t read_carefully(int fd, void *buf, size_t len)
{
    int64_t r = hob__sys_read_now(fd, buf, len, -1);
    if (r != -EOPNOTSUPP)
        return r;
    r = ask_ready(fd, POLLIN);
    return r < 0 ? r : hob__sys_read(fd, buf, len);
}

static int64_t write_carefully(int fd, const void *buf, size_t len)
{
    int64_t r = hob__sys_write_now(fd, buf, len, -1);
    if (r != -EOPNOTSUPP)
        return r;
    r = ask_ready(fd, POLLOUT);
    // "Ready" promises room for this much only.
    return r < 0 ? r : hob__sys_write(fd, buf, len < PIPE_BUF ? len : PIPE_BUF);
}

int64_t hob__epoll_try(const struct op *op)
{
    struct desc *desc = op->desc;
    bool         careful = carrier_of(desc)->way == WAY_CAREFUL;

    switch (op->kind) {
    case OP_RECV:
        return op_is_look(op) ? hob__look_now(desc->fd) : epoll_recv(op);
    case OP_SEND:
        return epoll_send(op);
    case OP_RECVMSG:
        return hob__sys_recvmsg(desc->fd, op->msg.msg,
                                op->msg.flags | MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    case OP_SENDMSG:
        return hob__sys_sendmsg(desc->fd, op->msg.msg,
                                op->msg.flags | MSG_DONTWAIT | MSG_NOSIGNAL);
    case OP_READ:
        return careful ? read_carefully(desc->fd, op->rw.buf, op->rw.len)
                       : hob__sys_read(desc->fd, op->rw.buf, op->rw.len);
    case OP_WRITE:
        return careful ? write_carefully(desc->fd, op->rw.buf, op->rw.len)
                       : hob__sys_write(desc->fd, op->rw.buf, op->rw.len);
    case OP_RECVMANY:
    case OP_SENDMANY:
        return hob__many_now(op);
    case OP_SPLICE:
        return hob__splice_now(op);
    case OP_ACCEPT:
        return hob__accept_now(desc->fd);
    case OP_CONNECT:
        return try_connect(op);
    default:
        hob_unreachable("this op does not wait for readiness");
    }
}
