/* SPDX-License-Identifier: MIT */
#include "io/listener.h"

#include <errno.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "hob/time.h"

enum { ACCEPT_PAUSE_MS = 100 };

static void listener_gone(struct desc *desc)
{
    struct listener *listener = container_of(desc, struct listener, desc);

    if (listener->pausing == 0)
        hob__free(listener);
    else
        listener->is_gone = true;
}

int hob__listener_open(int domain, enum hob__tag tag, const char *what,
                       const struct conn_kind *child, const void *made_at,
                       struct listener **ret_listener)
{
    int fd = hob__socket_open(domain, SOCK_STREAM);
    if (fd < 0)
        return fd;
    int r = hob__listener_adopt(fd, tag, what, child, made_at, ret_listener);
    if (r < 0)
        hob__fd_close(fd, DESC_LISTENER);
    return r;
}

int hob__listener_adopt(int fd, enum hob__tag tag, const char *what, const struct conn_kind *child,
                        const void *made_at, struct listener **ret_listener)
{
    struct listener *listener = hob__alloc_zero(sizeof *listener);
    if (listener == NULL)
        return -ENOMEM;
    listener->tag = tag;
    listener->child = child;
    hob__desc_open(&listener->desc, fd, DESC_LISTENER, what, made_at, listener_gone);
    hob__count_listener(+1);
    *ret_listener = listener;
    return 0;
}

void hob__listener_disown(struct listener *listener)
{
    listener->desc.keep_open = true;
    hob__listener_close(listener);
}

int hob__listener_listen(struct listener *listener, int backlog)
{
    struct op op = {
        .kind = OP_LISTEN,
        .desc = &listener->desc,
        .listen = { .backlog = backlog },
    };
    return (int)hob__op_quick(&op);
}

void hob__listener_close(struct listener *listener)
{
    listener->tag = TAG_FREED;
    hob__desc_close(&listener->desc);
    hob__count_listener(-1);
}

/* ---- accepting ---- */

static bool accepted(struct op *op)
{
    struct conn *conn = container_of(op->accept.child, struct conn, desc);

    if (op->result < 0) {
        if (op->result == -ECANCELED && op->stop_asked)
            op->result = HOB_ESTOPPING;
        hob__conn_free(conn);
        return true;
    }
    hob__conn_open(conn, (int)op->result, op->accept.from);
    hob__conn_give(conn, op->accept.out);
    op->result = 0;
    return true;
}

int hob__listener_accept_prep(hob_op *place, struct listener *listener, const void *made_at,
                              void *out)
{
    struct conn *conn = hob__conn_new(listener->child);
    if (conn == NULL)
        return -ENOMEM;

    struct op *op = hob__op_prep(place, OP_ACCEPT, &listener->desc);
    op->accept.child = &conn->desc;
    op->accept.out = out;
    op->accept.from = made_at;
    op->finish = accepted;
    return 0;
}

static int accept_once(struct listener *listener, const void *made_at, void *out)
{
    hob_op op;

    int r = hob__listener_accept_prep(&op, listener, made_at, out);
    return r < 0 ? r : (int)hob_op_await(&op);
}

static bool is_shortage(int error)
{
    return error == -EMFILE || error == -ENFILE || error == -ENOMEM || error == -ENOBUFS;
}

/* The connection stays in the kernel's queue meanwhile. */
static int pause_accepting(struct listener *listener)
{
    hob__count_accept_pause();

    listener->pausing++;
    int r = hob_sleep(ACCEPT_PAUSE_MS * HOB_MSEC);
    listener->pausing--;

    if (!listener->desc.closing)
        return r;
    if (listener->is_gone && listener->pausing == 0)
        hob__free(listener);
    return -ECANCELED;
}

int hob__listener_accept(struct listener *listener, const void *made_at, void *out)
{
    for (;;) {
        int r = accept_once(listener, made_at, out);
        if (!is_shortage(r))
            return r;
        r = pause_accepting(listener);
        if (r < 0)
            return r;
    }
}
