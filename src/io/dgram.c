/* SPDX-License-Identifier: MIT */
#include "io/dgram.h"

#include <errno.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "io/unix_file.h"

/* ---- from birth to death ---- */

static void dgram_gone(struct desc *desc)
{
    hob__free(container_of(desc, struct dgram, desc));
}

int hob__dgram_bind(struct dgram *socket, const hob_addr *local)
{
    if (local->len == 0)
        return 0;
    int r = hob__bind_replacing(&socket->desc, local, &socket->file);
    return r < 0 ? r : hob__socket_name(&socket->desc, OP_SOCKNAME, &socket->local);
}

int hob__dgram_open(int domain, enum hob__tag tag, const char *what, const void *made_at,
                    struct dgram **ret_socket)
{
    int fd = hob__socket_open(domain, SOCK_DGRAM);
    if (fd < 0)
        return fd;
    int r = hob__dgram_adopt(fd, tag, what, made_at, ret_socket);
    if (r < 0)
        hob__fd_close(fd, DESC_DGRAM);
    return r;
}

int hob__dgram_adopt(int fd, enum hob__tag tag, const char *what, const void *made_at,
                     struct dgram **ret_socket)
{
    struct dgram *socket = hob__alloc_zero(sizeof *socket);
    if (socket == NULL)
        return -ENOMEM;
    socket->tag = tag;
    hob__desc_open(&socket->desc, fd, DESC_DGRAM, what, made_at, dgram_gone);
    *ret_socket = socket;
    return 0;
}

void hob__dgram_disown(struct dgram *socket)
{
    socket->desc.keep_open = true;
    hob__dgram_close(socket);
}

void hob__dgram_close(struct dgram *socket)
{
    hob__unlink_own(&socket->local, socket->file);
    socket->tag = TAG_FREED;
    hob__desc_close(&socket->desc);
}

/* ---- messages ---- */

struct message {
    struct msghdr hdr;
    struct iovec  iov;
    hob_addr      from;     /* of a message to receive: the kernel writes it here first */
    hob_addr     *ret_from; /* where the user wants it, or NULL                         */
    bool          on_heap;
};

static void to_receive(struct message *message, void *buf, size_t len, hob_addr *ret_from)
{
    message->iov = (struct iovec){ .iov_base = buf, .iov_len = len };
    message->ret_from = ret_from;
    message->hdr = (struct msghdr){
        .msg_name = ret_from != NULL ? message->from.u.raw : NULL,
        .msg_namelen = ret_from != NULL ? sizeof message->from.u.raw : 0,
        .msg_iov = &message->iov,
        .msg_iovlen = 1,
    };
    if (ret_from != NULL)
        message->from = (hob_addr){ 0 };
}

/* `to` and `buf` are lent until the op ended. */
static void to_send(struct message *message, const void *buf, size_t len, const hob_addr *to)
{
    message->iov = (struct iovec){ .iov_base = (void *)(uintptr_t)buf, .iov_len = len };
    message->hdr = (struct msghdr){
        .msg_name = to != NULL ? (void *)(uintptr_t)to->u.raw : NULL,
        .msg_namelen = to != NULL ? to->len : 0,
        .msg_iov = &message->iov,
        .msg_iovlen = 1,
    };
}

static bool message_ended(struct op *op)
{
    struct message *message = container_of(op->msg.msg, struct message, hdr);

    if (op->kind == OP_RECVMSG && op->result >= 0 && message->ret_from != NULL) {
        message->from.len = (uint16_t)message->hdr.msg_namelen;
        *message->ret_from = message->from;
    }
    if (message->on_heap)
        hob__free(message);
    return true;
}

static struct message *message_on_heap(void)
{
    struct message *message = hob__alloc(sizeof *message);
    if (message != NULL)
        message->on_heap = true;
    return message;
}

/* Starts the op and waits for it; the message lies on the caller's stack. */
static ssize_t await_message(enum op_kind kind, struct dgram *socket, struct message *message,
                             int flags)
{
    struct op op = {
        .kind = kind,
        .desc = &socket->desc,
        .msg = { .msg = &message->hdr, .flags = flags },
        .finish = message_ended,
    };
    message->on_heap = false;
    hob__op_await(&op);
    return op.result;
}

static void prep_message(hob_op *place, enum op_kind kind, struct dgram *socket,
                         struct message *message, int flags)
{
    struct op *op = hob__op_prep(place, kind, &socket->desc);
    op->msg.msg = &message->hdr;
    op->msg.flags = flags;
    op->finish = message_ended;
}

/* MSG_TRUNC: the result is the datagram's length, also when it was cut. */
ssize_t hob__dgram_recv(struct dgram *socket, void *buf, size_t len, hob_addr *ret_from)
{
    struct message message;
    to_receive(&message, buf, len, ret_from);
    return await_message(OP_RECVMSG, socket, &message, MSG_TRUNC);
}

int hob__dgram_recv_prep(hob_op *place, struct dgram *socket, void *buf, size_t len,
                         hob_addr *ret_from)
{
    struct message *message = message_on_heap();
    if (message == NULL)
        return -ENOMEM;
    to_receive(message, buf, len, ret_from);
    prep_message(place, OP_RECVMSG, socket, message, MSG_TRUNC);
    return 0;
}

ssize_t hob__dgram_send(struct dgram *socket, const void *buf, size_t len, const hob_addr *to)
{
    struct message message;
    to_send(&message, buf, len, to);
    return await_message(OP_SENDMSG, socket, &message, 0);
}

int hob__dgram_send_prep(hob_op *place, struct dgram *socket, const void *buf, size_t len,
                         const hob_addr *to)
{
    struct message *message = message_on_heap();
    if (message == NULL)
        return -ENOMEM;
    to_send(message, buf, len, to);
    prep_message(place, OP_SENDMSG, socket, message, 0);
    return 0;
}
