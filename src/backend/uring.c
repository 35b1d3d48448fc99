/* SPDX-License-Identifier: MIT */
/*
 * The io_uring backend: carries ops to the kernel through one ring per worker.
 *
 *     op ── submit ──▶ SQE ──▶ kernel ──▶ CQE ── poll ──▶ op.result ──▶ the done list
 *
 * Streams receive ahead: one multishot receive per connection fills buffers of a small pool, and a
 * RECV only takes what has come (uring_recv.c). Everything else is one SQE per op (uring_prep.c). Ops of one
 * descriptor and one direction go to the kernel one at a time, in order.
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
#include <sys/eventfd.h>
#include <sys/stat.h>

#include "backend/backend.h"
#include "backend/uring.h"
#include "backend/uring_recv.h"
#include "backend/uring_slot.h"
#include "base/alloc.h"
#include "base/fault.h"
#include "base/lack.h"
#include "base/sys.h"

enum {
    WORKERS_FOR_FILES = 8,     /* kernel threads for what blocks on a disk              */
    WORKERS_FOR_OTHERS = 64,
    FILE_THREADS = 4,          /* of ours, for what it cannot do                        */
    RECEIVE_AHEAD_MAX = 2,     /* buffers held for a connection that nobody reads       */
    READ_AT_ONCE_MAX = 64 * 1024, /* of a file: for more, the ring's cost does not matter */
    PASSES_MAX = 15,           /* reads of a file that is not in memory, until the next look */
};

#define RETRY_NS 2000000

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
    uint32_t             index = uring_slot_take(u, use, op);
    op->result = -ENOMEM;
    if (hob_likely(index != SLOT_NONE) && op->kind == OP_STAT) {
        u->slots[index].extra = hob__alloc(sizeof(struct statx));
        if (u->slots[index].extra == NULL) {
            uring_slot_give(u, index);
            return false;
        }
    }
    if (hob_likely(index != SLOT_NONE))
        sqe = uring_sqe(u);
    if (hob_unlikely(sqe == NULL)) {
        if (index != SLOT_NONE) {
            hob__free(u->slots[index].extra);
            uring_slot_give(u, index);
            op->result = -EAGAIN;
        }
        return false;
    }
    u->slots[index].interrupted = use == SLOT_OP && hob__interrupts_all();
    if (use == SLOT_PAUSE)
        io_uring_prep_timeout(sqe, &u->retry_time, 0, 0);
    else if (use == SLOT_DETOUR)
        hob__uring_prep_detour(u, op, sqe);
    else if (u->slots[index].interrupted)
        prep_interrupted(sqe);
    else
        hob__uring_prep(op, sqe, &u->slots[index]);
    io_uring_sqe_set_data64(sqe, uring_name_of(u, index));
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
    uint32_t             index = job != NULL ? uring_slot_take(u, SLOT_THREAD, op) : SLOT_NONE;
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
    uring_slot_give(u, op->slot - 1);
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
        if (op->slot == 0 && is_ordered(op) && uring_is_inward(op) == inward)
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

/* ---- receiving: uring_recv.c ---- */

/* Gets a RECV under way that nothing is there for: it is first in line. Afterwards it is FLYING
 * (waiting for the multishot, or in the kernel) or finished. */
static void start_recv(struct uring *u, struct desc *desc, struct op *op)
{
    struct carrier *c = carrier_of(desc);
    if (uring_has_something(c)) {
        finish(u, op, hob__uring_take(u, c, op));
        return;
    }
    if (c->multishot != 0) // armed; or stopping, and then its end comes here again
        return;
    if (hob__uring_arm(u, desc, op))
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
    if (uring_has_something(c) && first_waiting(desc, true) == NULL) {
        finish_now(op, hob__uring_take(u, c, op));
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
    while (uring_has_something(c)) {
        struct op *op = first_waiting(desc, true);
        if (op == NULL || op->kind != OP_RECV)
            return;
        finish(u, op, hob__uring_take(u, c, op));
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

/* Gets one under way that is first in line. Afterwards it is FLYING or finished. Datagrams are
 * not received ahead. */
static void start_here(struct uring *u, struct desc *desc, struct op *op)
{
    struct carrier *c = carrier_of(desc);
    bool            splices_in = op->kind == OP_SPLICE && op->splice.inward;
    if (splices_in && uring_has_something(c)) {
        finish(u, op, hob__uring_splice(u, c, op));
        return;
    }
    if (splices_in && c->multishot != 0) {
        if (!c->stopping)
            hob__uring_owe_cancel(u, c->multishot - 1);
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
    c->busy[uring_is_inward(op)] = true;
}

static void on_multishot(struct uring *u, struct desc *desc, const struct io_uring_cqe *cqe)
{
    struct carrier *c = carrier_of(desc);

    hob__uring_take_in(u, desc, cqe);
    serve_waiting(u, desc);
    if (!(cqe->flags & IORING_CQE_F_MORE)) {
        c->multishot = 0;
        kick(u, desc, true);
    } else if (c->held_count >= RECEIVE_AHEAD_MAX && !c->stopping) {
        c->stopping = true; // nobody reads: let the rest wait in the socket, and the peer with it
        hob__uring_owe_cancel(u, c->multishot - 1);
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

/* After one there are often more; older kernels do not say. */
static void note_accepted(struct uring *u, struct desc *desc, const struct io_uring_cqe *cqe)
{
    bool more = (cqe->flags & IORING_CQE_F_SOCK_NONEMPTY) != 0;
    u->accept_tells = u->accept_tells || more;
    carrier_of(desc)->more_wait = cqe->res >= 0 && (more || !u->accept_tells);
}

/* The kernel tells one of those who wait for a listener, of all processes, that a connection is there. If that
 * one was just being cancelled, nobody else hears of it until the next one comes. */
static int64_t accept_instead(int fd)
{
    int64_t r = hob__accept_now(fd);
    return r >= 0 ? r : -ECANCELED;
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

static void on_op(struct uring *u, struct op *op, struct slot *slot, int64_t result)
{
    enum slot_use use = slot->use, next;
    struct statx *statx = slot->extra;
    int64_t       result_before = op->result;
    slot->extra = NULL;
    uring_slot_give(u, op->slot - 1);
    op->slot = 0;
    if (RUNNING_ON_VALGRIND)
        hob__uring_mark_written(op, statx, result);
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
                hob__uring_owe_cancel(u, op->slot - 1); // after it has looked
            return;
        }
        result = op->result;
    }
    if (op->kind == OP_WRITE)
        hob__uring_mend_position(op, result_before, result);
    if (op->kind == OP_POLL && result == 0)
        result = POLLERR; // the kernel never answers so; but 0 would read as "nothing"
    struct desc *desc = op->desc;
    bool         ordered = is_ordered(op), inward = uring_is_inward(op);
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
        hob__uring_on_cancel(u, cqe->user_data, cqe->res);
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
            uring_slot_give(u, index);
            carrier_of(desc)->in_kernel--;
            u->in_kernel--;
        }
        on_multishot(u, desc, cqe);
        return;
    }
    struct op *op = slot->owner;
    int64_t    result = slot->interrupted ? -EINTR : cqe->res;
    if (op->kind == OP_ACCEPT && slot->use == SLOT_OP) {
        note_accepted(u, op->desc, cqe);
        if (result == -ECANCELED && !op->desc->closing)
            result = accept_instead(op->desc->fd);
    }
    u->in_kernel--;
    if (op->desc != NULL)
        carrier_of(op->desc)->in_kernel--;
    on_op(u, op, slot, result);
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
            if (!uring_next_completion(u, &cqe))
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

/* Takes one more without the ring, which has one accept under way at a time, and so one in a turn: of hundreds
 * that come at once most would wait for as many turns, and those that come meanwhile with them. How many are
 * taken in a row is up to the caller, and to what a task may do at once. False: the ring is to do it. */
static bool accept_at_once(struct op *op)
{
    struct desc    *desc = op->desc;
    struct carrier *c;

    if (op->kind != OP_ACCEPT)
        return false;
    c = carrier_of(desc);
    if (!c->more_wait || c->busy[true] || desc->closing || first_waiting(desc, true) != NULL)
        return false;
    int64_t r = hob__accept_now(desc->fd);
    c->more_wait = r >= 0;
    if (r == -EAGAIN || is_stale_connection((int)r))
        return false;
    finish_now(op, r);
    return true;
}

static void uring_submit(struct backend *b, struct op *op)
{
    struct uring *u = uring_from(b);
    hob_assert(op->state == OP_IDLE);
    if (hob__op_class(op->kind) == OP_QUICK) {
        hob__quick_submit(op);
    } else if (read_at_once(op) || accept_at_once(op)) {
        return;
    } else if (op->kind == OP_RECV) {
        submit_recv(u, op);
    } else if (is_ordered(op)) {
        enlist(u, op);
        kick(u, op->desc, uring_is_inward(op));
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
        hob__uring_owe_cancel(u, op->slot - 1);
    else if (hob__blocking_cancel(u->slots[op->slot - 1].extra))
        land_from_thread(u, op, -ECANCELED);
}

/* Nothing of the descriptor is in the kernel any more: close it. */
static void close_fd(struct uring *u, struct desc *desc)
{
    struct carrier *c = carrier_of(desc);
    if (c->held_count > 0 && !desc->keep_open) {
        // Bytes that nobody read are lost: the peer is told by a reset, as if they still lay in
        // the socket.
        struct linger reset = { .l_onoff = 1, .l_linger = 0 };
        (void)hob__sys_setsockopt(desc->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    }
    hob__uring_drop_all(u, c);
    if (desc->slow_close)
        hob__blocking_close_fd(desc->fd);
    else if (desc->fd >= 0 && !desc->keep_open)
        hob__sys_close(desc->fd);
    desc->fd = -1;
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
        hob__uring_owe_cancel(u, c->multishot - 1);
    }
    if (is_free_of_ops(desc)) {
        close_fd(u, desc);
        desc->gone(desc);
        return;
    }
    list_push_back(&u->leaving, &c->leave_link);
    u->leaving_count++;
}

static struct desc *desc_leaving(struct list_node *node)
{
    struct carrier *c = container_of(node, struct carrier, leave_link);
    return container_of((uint64_t(*)[10])(void *)c, struct desc, carrier);
}

/* Closes descriptors whose last op is handed out now, before anybody hears of it. */
static void close_leaving(struct uring *u)
{
    if (hob_likely(u->leaving_count == 0))
        return;
    list_for_each(node, &u->leaving) {
        struct desc *desc = desc_leaving(node);
        if (desc->fd >= 0 && is_free_of_ops(desc))
            close_fd(u, desc);
    }
}

/* Lets those go whose last op was handed out earlier. Returns whether there was one. */
static bool let_leaving_go(struct uring *u)
{
    bool any = false;
    if (hob_likely(u->leaving_count == 0))
        return false;
    close_leaving(u);
    list_for_each(node, &u->leaving) {
        struct desc *desc = desc_leaving(node);
        if (!is_free_of_ops(desc))
            continue;
        list_remove(node);
        u->leaving_count--;
        desc->gone(desc);
        any = true;
    }
    return any;
}

static void arm_wake(struct uring *u)
{
    if (hob_likely(u->wake_armed))
        return;
    struct io_uring_sqe *sqe = uring_sqe(u);
    if (sqe == NULL)
        return;
    io_uring_prep_read(sqe, u->wake_fd, &u->wake_count, sizeof u->wake_count, 0);
    io_uring_sqe_set_data64(sqe, NAME_WAKE);
    u->wake_armed = true;
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
    close_leaving(u);
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
    if (let_leaving_go(u) || !list_is_empty(&u->done))
        deadline_ns = 0;
    arm_wake(u);
    if (hob_unlikely(u->event_fd >= 0))
        clear_event(u);
    hob__uring_send_cancels(u);
    if (u->aside_count > 0 || io_uring_cq_ready(&u->ring) > 0)
        deadline_ns = 0;
    note_overflow(u);
    hob__uring_enter(u, deadline_ns);
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
    return hob__sys_clock_ns(CLOCK_MONOTONIC);
}

static int64_t uring_wall_now(struct backend *b)
{
    (void)b;
    return hob__sys_clock_ns(CLOCK_REALTIME);
}

static uint64_t uring_random(struct backend *b)
{
    return hob__chance_next(&uring_from(b)->chance);
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
    hob__uring_close_pool(u);
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

    int r = hob__uring_open_ring(u, opts);
    if (r == 0) {
        u->ring_is_open = true;
        r = hob__uring_slots_grow(u);
    }
    if (r == 0) {
        r = hob__sys_eventfd(0, EFD_CLOEXEC);
        u->wake_fd = r;
    }
    if (r < 0) {
        uring_close(&u->base);
        return r;
    }
    hob__chance_init(&u->chance);
    hob__uring_open_pool(u, opts);
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
