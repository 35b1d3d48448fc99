/* SPDX-License-Identifier: MIT */
/* The pool of receive buffers, and what connections hold of it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backend/uring_recv.h"
#include "backend/uring_slot.h"
#include "base/alloc.h"
#include "base/fault.h"
#include "base/lack.h"
#include "base/sys.h"

#define FLAG_OF_NO_KERNEL 0x8000 /* of a receive: refused with -EINVAL */

/* ---- the pool ---- */

static void pool_return(struct uring *u, uint16_t id)
{
    struct recv_buf *buf = &u->bufs[id];
    io_uring_buf_ring_add(u->buf_ring, pool_address(u, id), u->buf_bytes, id,
                          io_uring_buf_ring_mask(u->buf_count), 0);
    io_uring_buf_ring_advance(u->buf_ring, 1);
    buf->len = 0;
    u->bufs_out--;
}

void hob__uring_open_pool(struct uring *u, const struct backend_opts *opts)
{
    uint32_t count = 1;
    while (count < opts->recv_bufs && count < 32768)
        count *= 2;
    u->buf_count = count;
    u->buf_bytes = opts->recv_buf_bytes != 0 ? opts->recv_buf_bytes : 4096;
    u->bufs = hob__alloc_zero(count * sizeof u->bufs[0]);
    u->pool = hob__alloc(count * pool_stride(u));
    void *ring;
    if (u->bufs == NULL || u->pool == NULL || posix_memalign(&ring, 4096, count * sizeof(struct io_uring_buf)) != 0)
        return;
    u->buf_ring = ring;
    VALGRIND_MAKE_MEM_DEFINED(u->pool, count * pool_stride(u));
    struct io_uring_buf_reg reg = { .ring_addr = (uintptr_t)ring, .ring_entries = count };
    memset(ring, 0, count * sizeof(struct io_uring_buf));
    io_uring_buf_ring_init(u->buf_ring);
    if (hob__fault() || hob__lacks(LACK_BUFFER_RINGS) ||
        io_uring_register_buf_ring(&u->ring, &reg, 0) < 0)
        return;
    u->receives_ahead = true;
    u->bufs_out = count;
    for (uint32_t id = 0; id < count; id++)
        pool_return(u, (uint16_t)id);
}

void hob__uring_close_pool(struct uring *u)
{
    free(u->buf_ring);
    hob__free(u->pool);
    hob__free(u->bufs);
}

/* ---- what is held ---- */

/* Takes `len` bytes out of the first buffer that is held; an empty one is returned. */
static void drop_held(struct uring *u, struct carrier *c, size_t len)
{
    uint16_t         id = c->held_first;
    struct recv_buf *buf = &u->bufs[id];
    buf->offset += (uint32_t)len;
    buf->len -= (uint32_t)len;
    if (buf->len > 0)
        return;
    c->held_first = buf->next;
    c->held_count--;
    pool_return(u, id);
}

/* Copies what is held for the connection, and returns the buffers that are empty. */
static size_t take_held(struct uring *u, struct carrier *c, char *to, size_t len)
{
    size_t taken = 0;
    while (taken < len && c->held_count > 0) {
        const struct recv_buf *buf = &u->bufs[c->held_first];
        size_t                 part = buf->len < len - taken ? buf->len : len - taken;
        memcpy(to + taken, pool_address(u, c->held_first) + buf->offset, part);
        taken += part;
        drop_held(u, c, part);
    }
    return taken;
}

static void hold(struct uring *u, struct carrier *c, uint16_t id)
{
    if (c->held_count == 0)
        c->held_first = id;
    else
        u->bufs[c->held_last].next = id;
    c->held_last = id;
    c->held_count++;
}

int64_t hob__uring_take(struct uring *u, struct carrier *c, struct op *op)
{
    if (op_is_look(op))
        return c->held_count > 0 ? 1 : c->end;
    size_t taken = take_held(u, c, op->recv.buf, op->recv.len);
    if (taken > 0 || op->recv.len == 0)
        return (int64_t)taken;
    c->has_end = false;
    return c->end;
}

int64_t hob__uring_splice(struct uring *u, struct carrier *c, const struct op *op)
{
    if (c->held_count == 0) {
        c->has_end = false;
        return c->end;
    }
    const struct recv_buf *buf = &u->bufs[c->held_first];
    size_t                 len = buf->len < op->splice.len ? buf->len : op->splice.len;
    const char            *bytes = pool_address(u, c->held_first) + buf->offset;
    ssize_t                n = hob__sys_write(op->splice.pipe_fd, bytes, len);
    if (n > 0)
        drop_held(u, c, (size_t)n);
    return n == -EAGAIN ? -EIO : n;
}

void hob__uring_drop_all(struct uring *u, struct carrier *c)
{
    while (c->held_count > 0)
        drop_held(u, c, u->bufs[c->held_first].len);
}

/* ---- the multishot receive ---- */

static bool may_arm(const struct uring *u, const struct desc *desc, const struct op *op)
{
    // A long read is better off with its own memory: nothing is copied then.
    return u->receives_ahead && !desc->passes_fds && op->recv.len <= 2 * u->buf_bytes &&
           u->bufs_out < u->buf_count;
}

bool hob__uring_arm(struct uring *u, struct desc *desc, const struct op *op)
{
    if (!may_arm(u, desc, op))
        return false;
    uint32_t index = uring_slot_take(u, SLOT_MULTISHOT, desc);
    if (index == SLOT_NONE)
        return false;
    struct io_uring_sqe *sqe = uring_sqe(u);
    if (sqe == NULL) {
        uring_slot_give(u, index);
        return false;
    }
    io_uring_prep_recv_multishot(sqe, desc->fd, NULL, 0, 0);
    if (hob__lacks(LACK_MULTISHOT_RECV))
        sqe->ioprio |= FLAG_OF_NO_KERNEL; // what multishot is to an older one
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = 0;
    io_uring_sqe_set_data64(sqe, uring_name_of(u, index));
    struct carrier *c = carrier_of(desc);
    c->multishot = index + 1;
    c->stopping = false;
    c->in_kernel++;
    u->in_kernel++;
    return true;
}

void hob__uring_take_in(struct uring *u, struct desc *desc, const struct io_uring_cqe *cqe)
{
    struct carrier *c = carrier_of(desc);

    if (cqe->flags & IORING_CQE_F_BUFFER) {
        uint16_t id = (uint16_t)(cqe->flags >> IORING_CQE_BUFFER_SHIFT);
        u->bufs_out++;
        u->bufs[id].offset = 0;
        u->bufs[id].len = cqe->res > 0 ? (uint32_t)cqe->res : 0;
        if (cqe->res > 0 && !desc->closing)
            hold(u, c, id);
        else
            pool_return(u, id);
    }
    if (cqe->res == -ENOBUFS) {
        u->pool_empty++;
    } else if (cqe->res == -EINVAL && !u->multishot_seen) {
        u->receives_ahead = false; // this kernel has no multishot receive; others may be under way
    } else if (cqe->res <= 0 && cqe->res != -ECANCELED) {
        c->has_end = true;
        c->end = cqe->res;
    } else if (cqe->res > 0) {
        u->multishot_seen = true;
    }
}
