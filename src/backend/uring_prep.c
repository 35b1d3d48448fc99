/* SPDX-License-Identifier: MIT */
/* How an op becomes an entry of the ring, and what its answer leaves to be done. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "backend/uring.h"
#include "base/check.h"
#include "base/sys.h"
#include "hob/addr.h"

static void prep_stat(struct op *op, struct io_uring_sqe *sqe, struct statx *out)
{
    if (op->desc != NULL)
        io_uring_prep_statx(sqe, op->desc->fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, out);
    else
        io_uring_prep_statx(sqe, AT_FDCWD, op->stat.path, 0, STATX_BASIC_STATS, out);
}

/* The kernel's flags for a whole transfer are 32 bits wide; more goes in parts. */
static unsigned length_of(size_t len)
{
    return len > INT32_MAX ? INT32_MAX : (unsigned)len;
}

/* A datagram that finds the receiver's queue full must come back to us (Linux 6.18 and before):
 * the kernel has copied its bytes by then, makes the call again when it can, and sends none. */
static unsigned send_flags(const struct op *op)
{
    return op->desc->kind == DESC_DGRAM ? MSG_DONTWAIT : 0;
}

/* Where a WRITE at the file's position begins, or negative when it is no such. */
static int64_t position_of(const struct op *op)
{
    if (op->desc->kind != DESC_FILE || op->rw.offset >= 0)
        return -1;
    return hob__sys_seek(op->desc->fd, 0, SEEK_CUR);
}

void hob__uring_prep(struct op *op, struct io_uring_sqe *sqe, struct slot *slot)
{
    int fd = op->desc != NULL ? op->desc->fd : -1;
    switch (op->kind) {
    case OP_RECV:
        io_uring_prep_recv(sqe, fd, op->recv.buf, op->recv.len, 0);
        return;
    case OP_SEND:
        io_uring_prep_send(sqe, fd, op->send.buf, op->send.len, MSG_NOSIGNAL);
        return;
    case OP_RECVMSG:
        io_uring_prep_recvmsg(sqe, fd, op->msg.msg, (unsigned)op->msg.flags | MSG_CMSG_CLOEXEC);
        return;
    case OP_SENDMSG:
        io_uring_prep_sendmsg(sqe, fd, op->msg.msg,
                              (unsigned)op->msg.flags | MSG_NOSIGNAL | send_flags(op));
        return;
    case OP_ACCEPT:
        io_uring_prep_accept(sqe, fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        return;
    case OP_CONNECT:
        io_uring_prep_connect(sqe, fd, (const struct sockaddr *)op->connect.addr->u.raw,
                              op->connect.addr->len);
        return;
    case OP_READ:
        io_uring_prep_read(sqe, fd, op->rw.buf, length_of(op->rw.len), (uint64_t)op->rw.offset);
        return;
    case OP_WRITE:
        op->result = position_of(op); // until it is done
        io_uring_prep_write(sqe, fd, op->rw.buf, length_of(op->rw.len), (uint64_t)op->rw.offset);
        return;
    case OP_SPLICE: // of a file; of all else, the call is made by us
        if (op->splice.inward)
            io_uring_prep_splice(sqe, fd, -1, op->splice.pipe_fd, -1, length_of(op->splice.len), 0);
        else
            io_uring_prep_splice(sqe, op->splice.pipe_fd, -1, fd, -1, length_of(op->splice.len), 0);
        return;
    case OP_OPEN:
        io_uring_prep_openat(sqe, AT_FDCWD, op->open.path, op->open.flags | O_CLOEXEC,
                             op->open.mode);
        return;
    case OP_FSYNC:
        io_uring_prep_fsync(sqe, fd, 0);
        return;
    case OP_STAT:
        prep_stat(op, sqe, slot->extra);
        return;
    case OP_FS:
        hob__uring_prep_fs(sqe, op->fs.call, op->desc != NULL ? fd : AT_FDCWD);
        return;
    case OP_POLL:
        io_uring_prep_poll_add(sqe, op->poll.fd, op->poll.events);
        return;
    default:
        hob_unreachable("an op that io_uring does not carry");
    }
}

void hob__uring_prep_detour(struct uring *u, struct op *op, struct io_uring_sqe *sqe)
{
    if (op->kind == OP_CONNECT || (op->kind == OP_SENDMSG && op->desc->kind == DESC_DGRAM))
        io_uring_prep_timeout(sqe, &u->retry_time, 0, 0);
    else
        io_uring_prep_poll_add(sqe, op->desc->fd, uring_is_inward(op) ? POLLIN : POLLOUT);
}

/* ---- afterwards ---- */

void hob__uring_mend_position(const struct op *op, int64_t before, int64_t written)
{
    if (before < 0 || written <= 0 || (size_t)written >= op->rw.len)
        return;
    if ((hob__sys_get_status_flags(op->desc->fd) & O_APPEND) == 0)
        (void)hob__sys_seek(op->desc->fd, before + written, SEEK_SET);
}

static void mark_bytes(const struct op *op, const struct statx *statx, int64_t result)
{
    if (op->kind == OP_FS && op->fs.call->what == FS_STATX && result >= 0)
        VALGRIND_MAKE_MEM_DEFINED(op->fs.call->buf, sizeof *statx);
    if (op->kind == OP_FS && op->fs.call->what == FS_READV && result > 0) {
        const struct iovec *iov = op->fs.call->buf;
        for (size_t i = 0; i < op->fs.call->len; i++)
            VALGRIND_MAKE_MEM_DEFINED(iov[i].iov_base, iov[i].iov_len);
    }
    if (statx != NULL && result >= 0)
        VALGRIND_MAKE_MEM_DEFINED(statx, sizeof *statx);
    if (result <= 0)
        return;
    if (op->kind == OP_RECV)
        VALGRIND_MAKE_MEM_DEFINED(op->recv.buf, (size_t)result);
    if (op->kind == OP_READ)
        VALGRIND_MAKE_MEM_DEFINED(op->rw.buf, (size_t)result);
}

static void mark_message(const struct op *op, int64_t result)
{
    const struct msghdr *msg = op->msg.msg;
    if (result < 0)
        return;
    for (size_t i = 0, left = (size_t)result; i < msg->msg_iovlen && left > 0; i++) {
        size_t part = msg->msg_iov[i].iov_len < left ? msg->msg_iov[i].iov_len : left;
        VALGRIND_MAKE_MEM_DEFINED(msg->msg_iov[i].iov_base, part);
        left -= part;
    }
    VALGRIND_MAKE_MEM_DEFINED(msg, sizeof *msg);
    VALGRIND_MAKE_MEM_DEFINED(msg->msg_name, msg->msg_namelen);
    VALGRIND_MAKE_MEM_DEFINED(msg->msg_control, msg->msg_controllen);
}

void hob__uring_mark_written(const struct op *op, const struct statx *statx, int64_t result)
{
    mark_bytes(op, statx, result);
    if (op->kind == OP_RECVMSG)
        mark_message(op, result);
}
