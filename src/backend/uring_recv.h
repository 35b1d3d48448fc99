/* SPDX-License-Identifier: MIT */
/*
 * Receiving ahead: one multishot receive of a connection fills buffers of a small pool that all share.
 *
 * A connection holds those whose bytes nobody has read, in order, and remembers how its stream ended.
 * A buffer is the kernel's, or held, or with on_multishot() for a moment; bufs_out counts those that
 * are not the kernel's.
 */
#ifndef HOB_BACKEND_URING_RECV_H
#define HOB_BACKEND_URING_RECV_H

#include "backend/uring.h"

/* Without a pool, or a kernel that knows it, every receive has its own memory: slower, but as right. */
void hob__uring_open_pool(struct uring *u, const struct backend_opts *opts);
void hob__uring_close_pool(struct uring *u); /* when the ring is closed, and also what open left half done */

static inline bool uring_has_something(const struct carrier *c)
{
    return c->held_count > 0 || c->has_end;
}

/* What is held, or else how the stream ended: there is something. A look leaves both. */
int64_t hob__uring_take(struct uring *u, struct carrier *c, struct op *op);

/* The same, into the pipe of a splice. */
int64_t hob__uring_splice(struct uring *u, struct carrier *c, const struct op *op);

/* Returns all that is held to the kernel. */
void hob__uring_drop_all(struct uring *u, struct carrier *c);

/* Begins to receive ahead, if the op and the pool are such. */
bool hob__uring_arm(struct uring *u, struct desc *desc, const struct op *op);

/* A completion of the multishot receive: holds what it brought, or notes the end. */
void hob__uring_take_in(struct uring *u, struct desc *desc, const struct io_uring_cqe *cqe);

#endif
