/* SPDX-License-Identifier: MIT */
/*
 * The io_uring backend: carries ops to the kernel through one ring per worker.
 *
 *     op ── submit ──▶ SQE ──▶ kernel ──▶ CQE ── poll ──▶ op.result ──▶ the done list
 *
 * Streams receive ahead: one multishot receive per connection fills buffers of a small pool
 * (uring_recv.h), and a RECV only takes what has come. Everything else is one SQE per op.
 * Ops of one descriptor and one direction go to the kernel one at a time, in order.
 *
 * A CQE names a slot and its generation, not an address: what comes late, or twice, is seen.
 * Room for a cancel is a field of the slot, so asking for one cannot fail; its SQE is made in
 * poll(), if the op is still in the kernel then. SQEs are taken in order, so a cancel
 * cannot reach an op that was submitted after it.
 *
 * Between calls:
 *   1. An op is FLYING from submit until poll hands it out; op.slot is not 0 exactly while the
 *      kernel knows it.
 *   2. It leaves the kernel only by its CQE, also when cancelled: until then the kernel may
 *      still write into the caller's buffer.
 *   3. desc->flying counts its FLYING ops, and carrier.in_kernel what the kernel knows of it.
 *   4. Reaping runs no user code; it appends ops to the done list.
 *
 * Threads: all of this runs on the worker that owns the ring (the ring is made for a single
 * issuer), except uring_wake(), which anyone may call.
 *
 * Memory: the ring owns its mappings; slots grow and are never given back before close.
 *
 * The contract is backend.h; docs/design/0004-one-ring-per-worker.md says why.
 */
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

#include "backend/backend.h"
#include "backend/uring.h"
#include "base/alloc.h"
#include "base/fault.h"
#include "base/lack.h"
#include "base/sys.h"
#include "hob/addr.h"

#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h> // 3.19 does not see what the kernel writes by way of a ring
#else
#define RUNNING_ON_VALGRIND 0
#define VALGRIND_MAKE_MEM_DEFINED(at, len) ((void)(at), (void)(len))
#endif

enum {
    COMPLETIONS_PER_ENTRY = 8,
    ENTRIES_MIN = 8,
    SUBMIT_TRIES = 1000,       /* the kernel is short of memory: then the op fails      */
    WORKERS_FOR_FILES = 8,     /* kernel threads for what blocks on a disk              */
    WORKERS_FOR_OTHERS = 64,
    FILE_THREADS = 4,          /* of ours, for what it cannot do                        */
    RECEIVE_AHEAD_MAX = 2,     /* buffers held for a connection that nobody reads       */
    READ_AT_ONCE_MAX = 64 * 1024, /* of a file: for more, the ring's cost does not matter */
    PASSES_MAX = 15,           /* reads of a file that is not in memory, until the next look */
};

#define RETRY_NS 2000000
#define FLAG_OF_NO_KERNEL 0x8000 /* of a receive: refused with -EINVAL */

/* ---- slots: what the kernel is told as user_data ---- */

static int slots_grow(struct uring *u)
{
    uint32_t     cap = u->slots_cap == 0 ? 256 : 2 * u->slots_cap;
    struct slot *slots = hob__realloc(u->slots, cap * sizeof *slots);
    if (slots == NULL)
        return -ENOMEM;
    for (uint32_t i = u->slots_cap; i < cap; i++)
        slots[i] = (struct slot){ .next_free = i + 1 < cap ? i + 1 : SLOT_NONE };
    u->slot_free = u->slots_cap;
    u->slots = slots;
    u->slots_cap = cap;
    return 0;
}

/* A slot for something the kernel will know; SLOT_NONE when there is no memory. */
static uint32_t slot_take(struct uring *u, enum slot_use use, void *owner)
{
    if (hob_unlikely(u->slot_free == SLOT_NONE) && slots_grow(u) < 0)
        return SLOT_NONE;
    uint32_t     index = u->slot_free;
    struct slot *slot = &u->slots[index];
    u->slot_free = slot->next_free;
    slot->use = use;
    slot->owner = owner;
    slot->cancel = CANCEL_NO;
    slot->extra = NULL;
    return index;
}

static void slot_give(struct uring *u, uint32_t index)
{
    struct slot *slot = &u->slots[index];
    hob_assert(slot->use != SLOT_FREE);
    slot->use = SLOT_FREE;
    slot->generation++;
    slot->next_free = u->slot_free;
    u->slot_free = index;
}

static uint64_t name_of(const struct uring *u, uint32_t index)
{
    return (uint64_t)u->slots[index].generation << 32 | index;
}

static void owed_link(struct uring *u, uint32_t index)
{
    struct slot *slot = &u->slots[index];
    if (slot->in_owed)
        return;
    slot->in_owed = true;
    slot->next_owed = u->owed;
    u->owed = index;
}

/* A cancel will go out with the next poll, if the slot is in use then. */
static void owe_cancel(struct uring *u, uint32_t index)
{
    struct slot *slot = &u->slots[index];
    if (slot->cancel != CANCEL_NO)
        return;
    slot->cancel = CANCEL_OWED;
    slot->cancel_generation = slot->generation;
    owed_link(u, index);
}

static bool is_owed(const struct slot *slot)
{
    return slot->use != SLOT_FREE && slot->cancel == CANCEL_OWED &&
           slot->cancel_generation == slot->generation;
}

/* ---- submission entries ---- */

/* Takes the oldest completion out of the queue, without entering the kernel. The entry is ours only
 * until the queue moves on: so it is copied. */
static bool next_completion(struct uring *u, struct io_uring_cqe *ret_cqe)
{
    struct io_uring_cqe *cqe;
    unsigned             head;
    io_uring_for_each_cqe(&u->ring, head, cqe) {
        *ret_cqe = *cqe;
        io_uring_cq_advance(&u->ring, 1);
        return true;
    }
    return false;
}

/* Takes completions out of the queue, to be looked at by the next reap(): who asks for an entry may
 * be in the middle of something, and must not find another's op finished or begun meanwhile. */
static void set_aside(struct uring *u)
{
    while (io_uring_cq_ready(&u->ring) > 0) {
        if (u->aside_count == u->aside_cap) {
            uint32_t             cap = u->aside_cap == 0 ? 64 : 2 * u->aside_cap;
            struct io_uring_cqe *aside = hob__realloc(u->aside, cap * sizeof *aside);
            if (aside == NULL)
                return; // they stay where they are
            u->aside = aside;
            u->aside_cap = cap;
        }
        if (next_completion(u, &u->aside[u->aside_count]))
            u->aside_count++;
    }
}

/* The next free entry; NULL when the kernel takes none. */
static struct io_uring_sqe *sqe_get(struct uring *u)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);
    for (int tries = 0; hob_unlikely(sqe == NULL) && tries < SUBMIT_TRIES; tries++) {
        int r = hob__interrupt() ? -EINTR : io_uring_submit(&u->ring);
        if (r < 0) // too many completions wait, or memory is short: take what is there
            set_aside(u);
        sqe = io_uring_get_sqe(&u->ring);
    }
    return sqe;
}

static void send_cancels(struct uring *u)
{
    while (u->owed != SLOT_NONE) {
        uint32_t index = u->owed;
        u->owed = u->slots[index].next_owed;
        u->slots[index].in_owed = false;
        if (!is_owed(&u->slots[index]))
            continue;

        struct io_uring_sqe *sqe = sqe_get(u);
        if (sqe == NULL) {
            owed_link(u, index); // the next poll tries again
            return;
        }
        io_uring_prep_cancel64(sqe, name_of(u, index), 0);
        u->slots[index].cancel = CANCEL_SENT;
        io_uring_sqe_set_data64(sqe, NAME_CANCEL | name_of(u, index));
    }
}

/* Whether it came in time is told by the op's own answer; but when the kernel did not find what it
 * still has, it was just about to try again (to send, to an almost full socket), and may now wait
 * for ever: it is asked again. */
static void on_cancel(struct uring *u, uint64_t name, int result)
{
    uint32_t     index = (uint32_t)(name & ~NAME_CANCEL);
    struct slot *slot = &u->slots[index];
    if (result != -ENOENT || slot->use == SLOT_FREE || slot->generation != name >> 32 ||
        slot->cancel != CANCEL_SENT)
        return;
    slot->cancel = CANCEL_NO;
    owe_cancel(u, index);
}

/* ---- finishing ---- */

/* The op is out of the kernel; poll will hand it out. */
static void finish(struct uring *u, struct op *op, int64_t result)
{
    hob_assert(op->state == OP_FLYING);
    hob_assert(op->slot == 0);
    op->result = result;
    op->state = OP_DONE;
    list_remove(&op->link);
    list_push_back(&u->done, &op->link);
}

static void finish_now(struct op *op, int64_t result)
{
    op->result = result;
    op->state = OP_DONE;
}

/* ---- one SQE per op ---- */

static bool is_inward(const struct op *op)
{
    return op->kind == OP_RECV || op->kind == OP_RECVMSG || op->kind == OP_RECVMANY ||
           op->kind == OP_READ || op->kind == OP_ACCEPT || (op->kind == OP_SPLICE && op->splice.inward);
}

/* Ops with an order among themselves: streams and messages, and files at their position. */
static bool is_ordered(const struct op *op)
{
    if (op->desc == NULL)
        return false;
    switch (op->kind) {
    case OP_RECV: case OP_RECVMSG: case OP_ACCEPT: case OP_SEND: case OP_SENDMSG: case OP_CONNECT:
    case OP_SPLICE: case OP_RECVMANY: case OP_SENDMANY:
        return true;
    case OP_READ: case OP_WRITE:
        return op->desc->kind != DESC_FILE || op->rw.offset < 0;
    default:
        return false;
    }
}

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

/* A write at the file's position that a full disk or a limit cuts short leaves the position where
 * it was (Linux 6.18 and before): the kernel tries the rest at once, and an error there hides what
 * was done from it. The next write would overwrite these bytes. */
static void mend_position(const struct op *op, int64_t before, int64_t written)
{
    if (before < 0 || written <= 0 || (size_t)written >= op->rw.len)
        return;
    if ((hob__sys_get_status_flags(op->desc->fd) & O_APPEND) == 0)
        (void)hob__sys_seek(op->desc->fd, before + written, SEEK_SET);
}

static void prep(struct op *op, struct io_uring_sqe *sqe, struct slot *slot)
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

/* A detour: the op's own call said EAGAIN (a descriptor that others made non-blocking, or a Unix
 * socket's queue is full, which its own readiness does not tell); it is made again when the
 * descriptor is ready, or soon. */
static void prep_detour(struct uring *u, struct op *op, struct io_uring_sqe *sqe)
{
    if (op->kind == OP_CONNECT || (op->kind == OP_SENDMSG && op->desc->kind == DESC_DGRAM))
        io_uring_prep_timeout(sqe, &u->retry_time, 0, 0);
    else
        io_uring_prep_poll_add(sqe, op->desc->fd, is_inward(op) ? POLLIN : POLLOUT);
}

/* On purpose: the kernel is not asked, and the op is made again. */
static void prep_interrupted(struct io_uring_sqe *sqe)
{
    hob__interrupt_note();
    io_uring_prep_nop(sqe);
}

/* Gives the op to the kernel. Returns false, with the error in op->result, if it takes none. */
static bool fly(struct uring *u, struct op *op, enum slot_use use)
{
    struct io_uring_sqe *sqe = NULL;
    uint32_t             index = slot_take(u, use, op);
    op->result = -ENOMEM;
    if (hob_likely(index != SLOT_NONE) && op->kind == OP_STAT) {
        u->slots[index].extra = hob__alloc(sizeof(struct statx));
        if (u->slots[index].extra == NULL) {
            slot_give(u, index);
            return false;
        }
    }
    if (hob_likely(index != SLOT_NONE))
        sqe = sqe_get(u);
    if (hob_unlikely(sqe == NULL)) {
        if (index != SLOT_NONE) {
            hob__free(u->slots[index].extra);
            slot_give(u, index);
            op->result = -EAGAIN;
        }
        return false;
    }
    u->slots[index].interrupted = use == SLOT_OP && hob__interrupts_all();
    if (use == SLOT_PAUSE)
        io_uring_prep_timeout(sqe, &u->retry_time, 0, 0);
    else if (use == SLOT_DETOUR)
        prep_detour(u, op, sqe);
    else if (u->slots[index].interrupted)
        prep_interrupted(sqe);
    else
        prep(op, sqe, &u->slots[index]);
    io_uring_sqe_set_data64(sqe, name_of(u, index));
    op->slot = index + 1;
    if (op->desc != NULL)
        carrier_of(op->desc)->in_kernel++;
    u->in_kernel++;
    return true;
}

/* ---- what the kernel does not do by a ring ---- */

static bool needs_thread(const struct uring *u, const struct op *op)
{
    return op->kind == OP_FS && !hob__uring_knows_fs(u, op->fs.call);
}

/* Gives the op to a thread. Returns false, with the error in op->result, if there is no memory. */
static bool fly_in_thread(struct uring *u, struct op *op)
{
    struct blocking_job *job = hob__alloc(sizeof *job);
    uint32_t             index = job != NULL ? slot_take(u, SLOT_THREAD, op) : SLOT_NONE;
    op->result = -ENOMEM;
    if (index == SLOT_NONE) {
        hob__free(job);
        return false;
    }
    u->slots[index].extra = job;
    op->slot = index + 1;
    if (op->desc != NULL)
        carrier_of(op->desc)->in_kernel++;
    *job = (struct blocking_job){
        .call = BLOCKING_FS,
        .fd = op->desc != NULL ? op->desc->fd : AT_FDCWD,
        .fs = op->fs.call,
        .owner = op,
    };
    hob__blocking_submit(&u->threads, job);
    return true;
}

static void land_from_thread(struct uring *u, struct op *op, int64_t result)
{
    hob__free(u->slots[op->slot - 1].extra);
    u->slots[op->slot - 1].extra = NULL;
    slot_give(u, op->slot - 1);
    op->slot = 0;
    if (op->desc != NULL)
        carrier_of(op->desc)->in_kernel--;
    finish(u, op, result);
}

static void collect_jobs(struct uring *u)
{
    struct list       jobs;
    struct list_node *node;
    if (hob_likely(__atomic_load_n(&u->jobs_mail, __ATOMIC_ACQUIRE) == 0))
        return;
    __atomic_store_n(&u->jobs_mail, 0, __ATOMIC_RELAXED);
    list_init(&jobs);
    hob__blocking_collect(&u->threads, &jobs);
    while ((node = list_pop_front(&jobs)) != NULL) {
        struct blocking_job *job = container_of(node, struct blocking_job, link);
        land_from_thread(u, job->owner, job->result);
    }
}

/* ---- order on a descriptor ---- */

/* The first op of that direction that waits for its turn. */
static struct op *first_waiting(struct desc *desc, bool inward)
{
    list_for_each(node, &desc->ops) {
        struct op *op = container_of(node, struct op, link);
        if (op->slot == 0 && is_ordered(op) && is_inward(op) == inward)
            return op;
    }
    return NULL;
}

/* An op that was enlisted and finished while it was submitted is the submitter's again. */
static void take_back_if_done(struct uring *u, struct op *op)
{
    if (op->state != OP_DONE)
        return;
    list_remove(&op->link);
    u->flying--;
    if (op->desc != NULL)
        op->desc->flying--;
}

static void start_recv(struct uring *u, struct desc *desc, struct op *op);
static bool is_made_here(const struct op *op);
static void start_here(struct uring *u, struct desc *desc, struct op *op);

/* Starts the next op of the direction, if none is under way. */
static void kick(struct uring *u, struct desc *desc, bool inward)
{
    struct carrier *c = carrier_of(desc);
    while (!c->busy[inward] && !desc->closing) {
        struct op *op = first_waiting(desc, inward);
        if (op == NULL)
            return;
        if (op->kind == OP_RECV) {
            start_recv(u, desc, op);
            if (op->state == OP_FLYING)
                return;
            continue;
        }
        if (is_made_here(op)) {
            start_here(u, desc, op);
            if (op->state == OP_FLYING)
                return;
            continue;
        }
        if (!fly(u, op, SLOT_OP)) {
            finish(u, op, op->result);
            continue;
        }
        c->busy[inward] = true;
    }
}

static void enlist(struct uring *u, struct op *op)
{
    op->state = OP_FLYING;
    op->slot = 0;
    list_push_back(op->desc != NULL ? &op->desc->ops : &u->loose, &op->link);
    u->flying++;
    if (op->desc != NULL)
        op->desc->flying++;
}

/* ---- receiving ahead ---- */

static void pool_return(struct uring *u, uint16_t id)
{
    struct recv_buf *buf = &u->bufs[id];
    io_uring_buf_ring_add(u->buf_ring, pool_address(u, id), u->buf_bytes, id,
                          io_uring_buf_ring_mask(u->buf_count), 0);
    io_uring_buf_ring_advance(u->buf_ring, 1);
    buf->len = 0;
    u->bufs_out--;
}

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

static bool has_something(const struct carrier *c)
{
    return c->held_count > 0 || c->has_end;
}

/* What is held, or else how the stream ended. A look leaves both. */
static int64_t take_something(struct uring *u, struct carrier *c, struct op *op)
{
    if (op_is_look(op))
        return c->held_count > 0 ? 1 : c->end;
    size_t taken = take_held(u, c, op->recv.buf, op->recv.len);
    if (taken > 0 || op->recv.len == 0)
        return (int64_t)taken;
    c->has_end = false;
    return c->end;
}

static bool may_arm(const struct uring *u, const struct desc *desc, const struct op *op)
{
    // A long read is better off with its own memory: nothing is copied then.
    return u->receives_ahead && !desc->passes_fds && op->recv.len <= 2 * u->buf_bytes &&
           u->bufs_out < u->buf_count;
}

static bool arm(struct uring *u, struct desc *desc)
{
    uint32_t index = slot_take(u, SLOT_MULTISHOT, desc);
    if (index == SLOT_NONE)
        return false;
    struct io_uring_sqe *sqe = sqe_get(u);
    if (sqe == NULL) {
        slot_give(u, index);
        return false;
    }
    io_uring_prep_recv_multishot(sqe, desc->fd, NULL, 0, 0);
    if (hob__lacks(LACK_MULTISHOT_RECV))
        sqe->ioprio |= FLAG_OF_NO_KERNEL; // what multishot is to an older one
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = 0;
    io_uring_sqe_set_data64(sqe, name_of(u, index));
    struct carrier *c = carrier_of(desc);
    c->multishot = index + 1;
    c->stopping = false;
    c->in_kernel++;
    u->in_kernel++;
    return true;
}

/* Gets a RECV under way that nothing is there for: it is first in line. Afterwards it is FLYING
 * (waiting for the multishot, or in the kernel) or finished. */
static void start_recv(struct uring *u, struct desc *desc, struct op *op)
{
    struct carrier *c = carrier_of(desc);
    if (has_something(c)) {
        finish(u, op, take_something(u, c, op));
        return;
    }
    if (c->multishot != 0) // armed; or stopping, and then its end comes here again
        return;
    if (may_arm(u, desc, op) && arm(u, desc))
        return;
    if (op_is_look(op)) {
        int64_t found = hob__look_now(desc->fd);
        if (found != -EAGAIN) {
            finish(u, op, found);
            return;
        }
    }
    if (!fly(u, op, op_is_look(op) ? SLOT_DETOUR : SLOT_OP)) {
        finish(u, op, op->result);
        return;
    }
    c->busy[true] = true;
}

static void submit_recv(struct uring *u, struct op *op)
{
    struct desc    *desc = op->desc;
    struct carrier *c = carrier_of(desc);
    if (has_something(c) && first_waiting(desc, true) == NULL) {
        finish_now(op, take_something(u, c, op));
        return;
    }
    enlist(u, op);
    kick(u, desc, true);
    take_back_if_done(u, op);
}

/* Hands what came to those who wait for it. */
static void serve_waiting(struct uring *u, struct desc *desc)
{
    struct carrier *c = carrier_of(desc);
    while (has_something(c)) {
        struct op *op = first_waiting(desc, true);
        if (op == NULL || op->kind != OP_RECV)
            return;
        finish(u, op, take_something(u, c, op));
    }
}

/* ---- calls that we make ---- */

/* The kernel carries a splice out on a thread of its own, which a socket or pipe that has nothing
 * would keep for as long: there are 64 of these. So it is asked only when it is ready. And a ring
 * has no call for many messages. */
static bool is_made_here(const struct op *op)
{
    return (op->kind == OP_SPLICE && op->desc->kind != DESC_FILE) || op->kind == OP_RECVMANY ||
           op->kind == OP_SENDMANY;
}

static int64_t make_here(const struct op *op)
{
    return op->kind == OP_SPLICE ? hob__splice_now(op) : hob__many_now(op);
}

/* What came ahead goes first. Returns as take_something. */
static int64_t splice_something(struct uring *u, struct carrier *c, const struct op *op)
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

/* Gets one under way that is first in line. Afterwards it is FLYING or finished. Datagrams are
 * not received ahead. */
static void start_here(struct uring *u, struct desc *desc, struct op *op)
{
    struct carrier *c = carrier_of(desc);
    bool            splices_in = op->kind == OP_SPLICE && op->splice.inward;
    if (splices_in && has_something(c)) {
        finish(u, op, splice_something(u, c, op));
        return;
    }
    if (splices_in && c->multishot != 0) {
        if (!c->stopping)
            owe_cancel(u, c->multishot - 1);
        c->stopping = true;
        return; // its end comes here again
    }
    int64_t result = make_here(op);
    if (result != -EAGAIN) {
        finish(u, op, result);
        return;
    }
    if (!fly(u, op, SLOT_DETOUR)) {
        finish(u, op, op->result);
        return;
    }
    c->busy[is_inward(op)] = true;
}

static void on_multishot(struct uring *u, struct desc *desc, const struct io_uring_cqe *cqe)
{
    struct carrier *c = carrier_of(desc);
    bool            has_buffer = cqe->flags & IORING_CQE_F_BUFFER;

    if (has_buffer) {
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

    serve_waiting(u, desc);
    if (!(cqe->flags & IORING_CQE_F_MORE)) {
        c->multishot = 0;
        kick(u, desc, true);
    } else if (c->held_count >= RECEIVE_AHEAD_MAX && !c->stopping) {
        c->stopping = true; // nobody reads: let the rest wait in the socket, and the peer with it
        owe_cancel(u, c->multishot - 1);
    }
}

/* ---- completions ---- */

/* Errors of accept that concern one connection, which is gone, and not the listener. */
static bool is_stale_connection(int error)
{
    switch (error) {
    case -ECONNABORTED: case -EPROTO: case -ENETDOWN: case -ENOPROTOOPT: case -EHOSTDOWN:
    case -ENONET: case -EHOSTUNREACH: case -EOPNOTSUPP: case -ENETUNREACH: case -EPERM:
        return true;
    default:
        return false;
    }
}

/* True when the call is to be made again rather than told. */
static bool must_go_on(struct op *op, enum slot_use use, int64_t *result, enum slot_use *ret_next)
{
    *ret_next = SLOT_OP;
    if (op->stop_asked && *result == -EINTR && !op->desc->closing) {
        *ret_next = SLOT_AGAIN; // what had come before the run was stopped is still given: it looks
        return true;
    }
    if (op->cancel_asked) {
        if (use == SLOT_DETOUR || use == SLOT_PAUSE || *result == -EAGAIN || *result == -EINTR)
            *result = -ECANCELED;
        return false;
    }
    if (*result == -ECANCELED && use != SLOT_DETOUR && use != SLOT_PAUSE) {
        // Nobody asked: a signal, or a limit, kept the kernel from making a thread for it.
        *ret_next = SLOT_PAUSE;
        return true;
    }
    if (*result == -EINTR)
        *ret_next = SLOT_AGAIN;
    if (use == SLOT_DETOUR || use == SLOT_PAUSE || *result == -EINTR)
        return true;
    if (op->kind == OP_ACCEPT && is_stale_connection((int)*result))
        return true;
    if (*result == -EAGAIN && op->desc != NULL) {
        *ret_next = op->kind == OP_FS ? SLOT_PAUSE : SLOT_DETOUR;
        return true;
    }
    return false;
}

/* Tells Valgrind what the kernel wrote. */
static void mark_written(const struct op *op, const struct statx *statx, int64_t result)
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

static void on_op(struct uring *u, struct op *op, struct slot *slot, int64_t result)
{
    enum slot_use use = slot->use, next;
    struct statx *statx = slot->extra;
    int64_t       result_before = op->result;
    slot->extra = NULL;
    slot_give(u, op->slot - 1);
    op->slot = 0;
    if (RUNNING_ON_VALGRIND) {
        mark_written(op, statx, result);
        if (op->kind == OP_RECVMSG)
            mark_message(op, result);
    }
    if (statx != NULL) {
        if (result >= 0)
            hob__stat_from_statx(statx, op->stat.out);
        hob__free(statx);
    }
    bool goes_on = must_go_on(op, use, &result, &next);
    if (goes_on && next == SLOT_OP && is_made_here(op)) { // it is ready
        result = make_here(op);
        goes_on = result == -EAGAIN;
        next = SLOT_DETOUR;
    } else if (goes_on && op_is_look(op)) {
        result = hob__look_now(op->desc->fd);
        goes_on = result == -EAGAIN;
        next = SLOT_DETOUR;
    }
    if (goes_on) {
        if (fly(u, op, next)) {
            if (op->cancel_asked)
                owe_cancel(u, op->slot - 1); // after it has looked
            return;
        }
        result = op->result;
    }
    if (op->kind == OP_WRITE)
        mend_position(op, result_before, result);
    if (op->kind == OP_POLL && result == 0)
        result = POLLERR; // the kernel never answers so; but 0 would read as "nothing"
    struct desc *desc = op->desc;
    bool         ordered = is_ordered(op), inward = is_inward(op);
    finish(u, op, result);
    if (ordered) {
        carrier_of(desc)->busy[inward] = false;
        kick(u, desc, inward);
    }
}

static void on_wake(struct uring *u)
{
    u->wake_armed = false;
}

static void on_completion(struct uring *u, const struct io_uring_cqe *cqe)
{
    if (cqe->user_data == NAME_WAKE) {
        on_wake(u);
        return;
    }
    if ((cqe->user_data & NAME_CANCEL) != 0) {
        on_cancel(u, cqe->user_data, cqe->res);
        return;
    }
    uint32_t     index = (uint32_t)cqe->user_data;
    struct slot *slot = &u->slots[index];
    hob_assert(index < u->slots_cap);
    hob_assert(slot->use != SLOT_FREE);
    hob_assert(slot->generation == cqe->user_data >> 32);

    if (slot->use == SLOT_MULTISHOT) {
        struct desc *desc = slot->owner;
        if (!(cqe->flags & IORING_CQE_F_MORE)) {
            slot_give(u, index);
            carrier_of(desc)->in_kernel--;
            u->in_kernel--;
        }
        on_multishot(u, desc, cqe);
        return;
    }
    struct op *op = slot->owner;
    u->in_kernel--;
    if (op->desc != NULL)
        carrier_of(op->desc)->in_kernel--;
    on_op(u, op, slot, slot->interrupted ? -EINTR : cqe->res);
}

/* Takes all completions that are there, those that were set aside first: they are older. */
static void reap(struct uring *u)
{
    struct io_uring_cqe cqe;
    for (;;) {
        if (u->aside_next < u->aside_count) {
            cqe = u->aside[u->aside_next++];
        } else {
            u->aside_next = u->aside_count = 0;
            if (!next_completion(u, &cqe))
                return;
        }
        on_completion(u, &cqe);
    }
}

/* ---- the contract ---- */

static struct uring *uring_from(struct backend *b)
{
    return container_of(b, struct uring, base);
}

static void submit_loose(struct uring *u, struct op *op)
{
    struct stat st;
    if (op->kind == OP_POLL) {
        int r = hob__sys_fstat(op->poll.fd, &st);
        if (r == 0 && (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)))
            r = -EPERM; // always ready: as epoll says
        if (r < 0) {
            finish_now(op, r);
            return;
        }
    }
    enlist(u, op);
    if (!(needs_thread(u, op) ? fly_in_thread(u, op) : fly(u, op, SLOT_OP)))
        finish(u, op, op->result);
    take_back_if_done(u, op);
}

/* Reads what lies in memory, without the ring: a third of the cost, for one read at a time. Where it
 * was not there, the next reads mostly do not look. False: the ring is to do it. */
static bool read_at_once(struct op *op)
{
    struct desc *desc = op->desc;
    if (op->kind != OP_READ || desc->kind != DESC_FILE || op->rw.len > READ_AT_ONCE_MAX)
        return false;
    struct carrier *c = carrier_of(desc);
    bool            at_position = op->rw.offset < 0;
    if (at_position && (c->busy[true] || first_waiting(desc, true) != NULL))
        return false;
    if (c->passes > 0) {
        c->passes--;
        return false;
    }
    int64_t result = hob__read_from_memory(op, &c->from_memory);
    if (result == -EAGAIN) {
        c->misses = c->misses < PASSES_MAX / 2 ? 2 * c->misses + 1 : PASSES_MAX;
        c->passes = c->misses;
        return false;
    }
    c->misses = 0;
    if (result >= 0 && (size_t)result < op->rw.len && !at_position)
        return false; // the rest is on the disk, or there is none: the ring reads it whole
    finish_now(op, result);
    return true;
}

static void uring_submit(struct backend *b, struct op *op)
{
    struct uring *u = uring_from(b);
    hob_assert(op->state == OP_IDLE);
    if (hob__op_class(op->kind) == OP_QUICK) {
        hob__quick_submit(op);
    } else if (read_at_once(op)) {
        return;
    } else if (op->kind == OP_RECV) {
        submit_recv(u, op);
    } else if (is_ordered(op)) {
        enlist(u, op);
        kick(u, op->desc, is_inward(op));
        take_back_if_done(u, op);
    } else {
        submit_loose(u, op);
    }
}

static void uring_cancel(struct backend *b, struct op *op)
{
    struct uring *u = uring_from(b);
    if (op->state != OP_FLYING)
        return;
    op->cancel_asked = 1;
    if (op->slot == 0)
        finish(u, op, -ECANCELED);
    else if (u->slots[op->slot - 1].use != SLOT_THREAD)
        owe_cancel(u, op->slot - 1);
    else if (hob__blocking_cancel(u->slots[op->slot - 1].extra))
        land_from_thread(u, op, -ECANCELED);
}

/* Nothing of the descriptor is anywhere any more: close it. */
static void let_go(struct uring *u, struct desc *desc)
{
    struct carrier *c = carrier_of(desc);
    if (c->held_count > 0 && !desc->keep_open) {
        // Bytes that nobody read are lost: the peer is told by a reset, as if they still lay in
        // the socket.
        struct linger reset = { .l_onoff = 1, .l_linger = 0 };
        (void)hob__sys_setsockopt(desc->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    }
    while (c->held_count > 0) {
        uint16_t id = c->held_first;
        c->held_first = u->bufs[id].next;
        c->held_count--;
        pool_return(u, id);
    }
    if (desc->slow_close)
        hob__blocking_close_fd(desc->fd);
    else if (desc->fd >= 0 && !desc->keep_open)
        hob__sys_close(desc->fd);
    desc->fd = -1;
    desc->gone(desc);
}

static bool is_free_of_ops(const struct desc *desc)
{
    return desc->flying == 0 && ((const struct carrier *)desc->carrier)->in_kernel == 0;
}

static void uring_release(struct backend *b, struct desc *desc)
{
    struct uring   *u = uring_from(b);
    struct carrier *c = carrier_of(desc);
    desc->closing = true;
    list_for_each(node, &desc->ops)
        uring_cancel(b, container_of(node, struct op, link));
    if (c->multishot != 0) {
        c->stopping = true;
        owe_cancel(u, c->multishot - 1);
    }
    if (is_free_of_ops(desc)) {
        let_go(u, desc);
        return;
    }
    list_push_back(&u->leaving, &c->leave_link);
    u->leaving_count++;
}

/* Closes descriptors whose last op was handed out earlier. Returns whether there was one. */
static bool close_leaving(struct uring *u)
{
    bool any = false;
    if (hob_likely(u->leaving_count == 0))
        return false;
    list_for_each(node, &u->leaving) {
        struct carrier *c = container_of(node, struct carrier, leave_link);
        struct desc    *desc = container_of((uint64_t(*)[10])(void *)c, struct desc, carrier);
        if (!is_free_of_ops(desc))
            continue;
        list_remove(node);
        u->leaving_count--;
        let_go(u, desc);
        any = true;
    }
    return any;
}

static void arm_wake(struct uring *u)
{
    if (hob_likely(u->wake_armed))
        return;
    struct io_uring_sqe *sqe = sqe_get(u);
    if (sqe == NULL)
        return;
    io_uring_prep_read(sqe, u->wake_fd, &u->wake_count, sizeof u->wake_count, 0);
    io_uring_sqe_set_data64(sqe, NAME_WAKE);
    u->wake_armed = true;
}

static int64_t clock_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

/* Sleeps outside of the ring, and enters it only for what is there then: for kernels whose wait
 * knows no time (before 5.11), and for Valgrind, which lets no other thread run meanwhile. */
static void enter_when_ready(struct uring *u, int64_t left_ns)
{
    struct pollfd ring = { .fd = u->ring.ring_fd, .events = POLLIN };
    int64_t       ms = left_ns / 1000000 + (left_ns % 1000000 != 0); // never early
    (void)io_uring_submit(&u->ring);
    if (io_uring_cq_ready(&u->ring) == 0)
        (void)hob__sys_poll(&ring, 1, left_ns == INT64_MAX ? -1 : ms > 3600000 ? 3600000 : (int)ms);
    (void)io_uring_get_events(&u->ring);
}

/* Enters the kernel: hands over the SQEs, and sleeps for at least one completion if told to. */
static void enter(struct uring *u, int64_t deadline_ns)
{
    bool may_sleep = deadline_ns != 0; // only a sleep can be interrupted
    u->was_interrupted = may_sleep && hob__interrupts_all() && !u->was_interrupted;
    if (hob_unlikely(u->was_interrupted)) {
        hob__interrupt_note();
        (void)io_uring_submit(&u->ring); // what is handed over comes before the sleep
        return;                          // the loop comes again
    }
    bool sleeps_outside = RUNNING_ON_VALGRIND || !(u->ring.features & IORING_FEAT_EXT_ARG);
    if (deadline_ns == INT64_MAX && sleeps_outside) {
        enter_when_ready(u, INT64_MAX);
        return;
    }
    if (deadline_ns == INT64_MAX) {
        (void)io_uring_submit_and_wait(&u->ring, 1); // interrupted: the loop comes again
        return;
    }
    int64_t left_ns = deadline_ns == 0 ? 0 : deadline_ns - clock_ns(CLOCK_MONOTONIC);
    if (left_ns <= 0) {
        bool pending = io_uring_sq_ready(&u->ring) > 0 ||
                       (IO_URING_READ_ONCE(*u->ring.sq.kflags) &
                        (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) ||
                       !u->tells_of_work;
        if (pending)
            (void)io_uring_submit_and_get_events(&u->ring);
        return;
    }
    if (sleeps_outside) {
        enter_when_ready(u, left_ns);
        return;
    }
    struct __kernel_timespec timeout = { left_ns / 1000000000, left_ns % 1000000000 };
    struct io_uring_cqe     *cqe;
    (void)io_uring_submit_and_wait_timeout(&u->ring, &cqe, 1, &timeout, NULL);
}

/* More completions than the queue holds: the kernel keeps them for the next enter. */
static void note_overflow(struct uring *u)
{
    if (hob_unlikely(IO_URING_READ_ONCE(*u->ring.sq.kflags) & IORING_SQ_CQ_OVERFLOW))
        u->overflows++;
}

static void hand_out(struct uring *u, struct list *done)
{
    list_for_each(node, &u->done) {
        struct op *op = container_of(node, struct op, link);
        u->flying--;
        if (op->desc != NULL)
            op->desc->flying--;
    }
    list_append(done, &u->done);
}

/* Before entering: what comes later raises it again. It is registered anew, because the kernel
 * (Linux 6.18) raises one registration only once for work that comes from a write to another
 * eventfd, such as a wake() is. */
static void clear_event(struct uring *u)
{
    uint64_t count;
    if (read(u->event_fd, &count, sizeof count) > 0 && u->event_told) {
        (void)io_uring_unregister_eventfd(&u->ring);
        u->event_told = false;
    }
    if (!u->event_told)
        u->event_told = io_uring_register_eventfd(&u->ring, u->event_fd) == 0;
}

static void uring_poll(struct backend *b, int64_t deadline_ns, struct list *done)
{
    struct uring *u = uring_from(b);
    collect_jobs(u);
    if (close_leaving(u) || !list_is_empty(&u->done))
        deadline_ns = 0;
    arm_wake(u);
    if (hob_unlikely(u->event_fd >= 0))
        clear_event(u);
    send_cancels(u);
    if (u->aside_count > 0 || io_uring_cq_ready(&u->ring) > 0)
        deadline_ns = 0;
    note_overflow(u);
    enter(u, deadline_ns);
    note_overflow(u);
    reap(u);
    collect_jobs(u);
    hand_out(u, done);
}

static void uring_wake(struct backend *b)
{
    struct uring  *u = uring_from(b);
    const uint64_t one = 1;
    int            saved = errno; // a signal handler's caller may be about to look at it
    ssize_t        written = write(u->wake_fd, &one, sizeof one);
    (void)written; // full: then it is awake already
    errno = saved;
}

static void threads_wake(void *arg)
{
    struct uring *u = arg;
    __atomic_store_n(&u->jobs_mail, 1, __ATOMIC_RELEASE);
    uring_wake(&u->base);
}

/* The ring itself is no use here: with DEFER_TASKRUN the kernel tells those who poll it only of
 * completions, and those are made when the worker enters. An eventfd is told of the work that
 * waits for that. */
static int uring_poll_fd(struct backend *b)
{
    struct uring *u = uring_from(b);
    if (u->event_fd >= 0)
        return u->event_fd;
    int fd = hob__sys_eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK); // readable: what came before counts
    if (fd < 0)
        return fd;
    int r = hob__fault() ? -ENOMEM : io_uring_register_eventfd(&u->ring, fd);
    if (r < 0) {
        hob__sys_close(fd);
        return r;
    }
    u->event_fd = fd;
    u->event_told = true;
    return fd;
}

static int64_t uring_due(struct backend *b)
{
    const struct uring *u = uring_from(b);
    bool now = !list_is_empty(&u->done) || io_uring_sq_ready(&u->ring) > 0 ||
               __atomic_load_n(&u->jobs_mail, __ATOMIC_RELAXED) != 0;
    // After a wake() that the last poll() saw the next one is told of only when it is armed again.
    bool is_deaf = !u->wake_armed || (u->event_fd >= 0 && !u->event_told);
    return now || is_deaf ? 0 : INT64_MAX;
}

static int64_t uring_now(struct backend *b)
{
    (void)b;
    return clock_ns(CLOCK_MONOTONIC);
}

static int64_t uring_wall_now(struct backend *b)
{
    (void)b;
    return clock_ns(CLOCK_REALTIME);
}

static uint64_t uring_random(struct backend *b)
{
    return rand_next(&uring_from(b)->rand);
}

static void uring_stats(struct backend *b, struct backend_stats *ret_stats)
{
    const struct uring *u = uring_from(b);
    *ret_stats = (struct backend_stats){
        .in_flight = u->flying + u->leaving_count,
        .recv_pool_empty = u->pool_empty,
        .overflows = u->overflows,
    };
}

/* ---- opening and closing ---- */

/* Without these no answer would be right: completions could be lost, ops that wait would each take
 * a thread, and there is no reading at a file's position. All are there since Linux 5.7. */
#define NEEDED (IORING_FEAT_NODROP | IORING_FEAT_RW_CUR_POS | IORING_FEAT_FAST_POLL)

/* What the kernel says, or an older one would say. */
static int queue_init(struct uring *u, unsigned entries, struct io_uring_params *params)
{
    static const struct { enum feature lack; unsigned flags; unsigned features; } old[] = {
        { LACK_DEFER_TASKRUN, IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SINGLE_ISSUER, 0 },
        { LACK_COOP_TASKRUN, IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG, 0 },
        { LACK_NODROP, 0, IORING_FEAT_NODROP },
        { LACK_FAST_POLL, 0, IORING_FEAT_FAST_POLL },
        { LACK_EXT_ARG, IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_COOP_TASKRUN,
          IORING_FEAT_EXT_ARG },
    };
    unsigned missing = 0;
    // Deferred work does not wake who sleeps outside of the ring.
    if (RUNNING_ON_VALGRIND && (params->flags & IORING_SETUP_DEFER_TASKRUN) != 0)
        return -EINVAL;
    if (hob__fault())
        return -ENOMEM;
    if (hob__lacks(LACK_IO_URING))
        return -ENOSYS;
    for (size_t i = 0; i < sizeof old / sizeof old[0]; i++) {
        if (!hob__lacks(old[i].lack))
            continue;
        if ((params->flags & old[i].flags) != 0)
            return -EINVAL;
        missing |= old[i].features;
    }
    int r = io_uring_queue_init_params(entries, &u->ring, params);
    if (r == 0)
        u->ring.features &= ~missing; // liburing looks here too
    return r;
}

/* Fewer entries where locked memory is scarce (it counts for users who are not root), and
 * without what older kernels do not know. */
static int open_ring(struct uring *u, const struct backend_opts *opts)
{
    static const unsigned setups[] = {
        IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG |
            IORING_SETUP_SUBMIT_ALL,
        IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL,
        0,
    };
    int r = -EINVAL;
    for (size_t i = 0; i < sizeof setups / sizeof setups[0] && r == -EINVAL; i++) {
        unsigned entries = opts->ring_entries;
        do {
            struct io_uring_params params = {
                .flags = setups[i] | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP,
                .cq_entries = opts->completions != 0 ? opts->completions
                                                     : entries * COMPLETIONS_PER_ENTRY,
            };
            r = queue_init(u, entries, &params);
            u->tells_of_work = setups[i] & IORING_SETUP_TASKRUN_FLAG;
            if (r == 0 && (u->ring.features & NEEDED) != NEEDED) {
                io_uring_queue_exit(&u->ring);
                return -ENOSYS;
            }
            entries /= 4;
        } while (r == -ENOMEM && entries >= ENTRIES_MIN);
    }
    return r;
}

/* Without a pool every receive has its own memory: slower, but as right. */
static void open_pool(struct uring *u, const struct backend_opts *opts)
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

static void uring_close(struct backend *b)
{
    struct uring *u = uring_from(b);
    hob_assert(u->flying == 0);
    hob_assert(u->leaving_count == 0);
    if (u->threads.wake != NULL)
        hob__blocking_close(&u->threads);
    if (u->ring_is_open)
        io_uring_queue_exit(&u->ring);
    if (u->event_fd >= 0)
        hob__sys_close(u->event_fd);
    if (u->wake_fd >= 0)
        hob__sys_close(u->wake_fd);
    free(u->buf_ring);
    hob__free(u->pool);
    hob__free(u->bufs);
    hob__free(u->slots);
    hob__free(u->aside);
    hob__free(u);
}

static int uring_open(const struct backend_opts *opts, struct backend **ret_backend)
{
    struct uring *u = hob__alloc_zero(sizeof *u);
    if (u == NULL)
        return -ENOMEM;
    u->base.type = &hob__backend_uring;
    u->wake_fd = u->event_fd = -1;
    u->slot_free = SLOT_NONE;
    u->owed = SLOT_NONE;
    u->retry_time.tv_nsec = RETRY_NS;
    list_init(&u->done);
    list_init(&u->loose);
    list_init(&u->leaving);

    int r = open_ring(u, opts);
    if (r == 0) {
        u->ring_is_open = true;
        r = slots_grow(u);
    }
    if (r == 0) {
        r = hob__sys_eventfd(0, EFD_CLOEXEC);
        u->wake_fd = r;
    }
    if (r < 0) {
        uring_close(&u->base);
        return r;
    }
    uint64_t seed = 0;
    (void)hob__sys_getrandom(&seed, sizeof seed, 0); // without: a less random start
    u->rand.state = seed ^ (uint64_t)clock_ns(CLOCK_MONOTONIC);
    open_pool(u, opts);
    hob__uring_probe_fs(u);
    hob__blocking_open(&u->threads, opts->blocking_threads > 0 ? opts->blocking_threads : FILE_THREADS,
                       threads_wake, u);
    unsigned workers[2] = { WORKERS_FOR_FILES, WORKERS_FOR_OTHERS };
    if (!hob__lacks(LACK_IOWQ_BOUND))
        (void)io_uring_register_iowq_max_workers(&u->ring, workers); // else the kernel's own bounds
    if (!hob__lacks(LACK_RING_FD))
        (void)io_uring_register_ring_fd(&u->ring); // else a little slower
    *ret_backend = &u->base;
    return 0;
}

const struct backend_type hob__backend_uring = {
    .name = "uring",
    .open = uring_open,
    .close = uring_close,
    .submit = uring_submit,
    .cancel = uring_cancel,
    .release = uring_release,
    .poll = uring_poll,
    .wake = uring_wake,
    .poll_fd = uring_poll_fd,
    .due = uring_due,
    .now = uring_now,
    .wall_now = uring_wall_now,
    .random = uring_random,
    .stats = uring_stats,
};
