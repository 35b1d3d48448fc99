/* SPDX-License-Identifier: MIT */
/*
 * The contract of a backend, by readiness.
 *
 * A descriptor is tried first and watched only when it had nothing: once, for
 * both directions, edge-triggered, until it is closed. From then on we remember
 * for each direction whether it is BLOCKED: a call found nothing, or a read came
 * back short (then it was the last there was), and no event came since. Ops of a
 * blocked direction wait in desc->ops; the event tries them in their order.
 *
 * What readiness cannot do goes elsewhere: files, and devices that epoll
 * refuses, to threads (epoll_files.c); what is not announced by any event
 * (room in a Unix listener's queue) is tried again by a clock.
 *
 * What holds:
 *   - an op in desc->ops is FLYING; desc->flying counts them;
 *   - waiting[dir] counts those of them that wait for readiness, or for their
 *     turn in the file pool;
 *   - if any op waits for readiness in a direction, the direction is blocked,
 *     and a descriptor with a blocked direction is watched;
 *   - events are handled in the poll() that fetched them, and release() takes a
 *     descriptor out of epoll before it is closed: no event is ever stale.
 *
 * Threads: all on the worker's own, but wake() and pool_wake().
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>

#include "backend/epoll.h"
#include "base/alloc.h"
#include "base/sys.h"
#include "hob/addr.h"

enum { BLOCKING_THREADS = 4 };

static const int64_t RETRY_NS = 2000000;

static struct epoll_backend *self_of(struct backend *b)
{
    return container_of(b, struct epoll_backend, base);
}

/* ---- watching descriptors ---- */

/* Who waits for a number once mostly does so again. So when a wait is over its registration, which is for
 * one event and so tells of nothing more, rests in epoll, to be used by the next: one call for each wait,
 * and not two. If the number has been closed, epoll has forgotten it, and says so. */
static void rest(struct epoll_backend *self, int fd)
{
    self->resting[fd / 64] |= UINT64_C(1) << (fd % 64);
}

static bool stops_resting(struct epoll_backend *self, int fd)
{
    if ((unsigned)fd >= EPOLL_RESTING_MAX)
        return false;
    uint64_t bit = UINT64_C(1) << (fd % 64), *word = &self->resting[fd / 64];
    bool     rested = (*word & bit) != 0;
    *word &= ~bit;
    return rested;
}

/* Two registrations of one number are one too many for epoll: the second is made
 * for a copy. Returns the number that epoll knows, or a negative error. */
static int watch(struct epoll_backend *self, int fd, uint32_t events, void *ptr)
{
    struct epoll_event event = { .events = events, .data.ptr = ptr };
    if (stops_resting(self, fd) && hob__sys_epoll_ctl(self->epoll_fd, EPOLL_CTL_MOD, fd, &event) >= 0)
        return fd;
    int r = hob__sys_epoll_ctl(self->epoll_fd, EPOLL_CTL_ADD, fd, &event);
    if (r >= 0)
        return fd;
    if (r != -EEXIST)
        return r;

    int copy = hob__sys_dup(fd);
    if (copy < 0)
        return copy;
    r = hob__sys_epoll_ctl(self->epoll_fd, EPOLL_CTL_ADD, copy, &event);
    if (r < 0) {
        hob__sys_close(copy);
        return r;
    }
    return copy;
}

/* Closing would not do: a child process, or a copy sent elsewhere, keeps the
 * registration alive. */
static void unwatch(struct epoll_backend *self, int watch_fd, int fd)
{
    hob__sys_epoll_ctl(self->epoll_fd, EPOLL_CTL_DEL, watch_fd, NULL);
    if (watch_fd != fd)
        hob__sys_close(watch_fd);
}

/* True for sockets whose receive takes all there is: not for Unix sockets, which
 * stop at passed descriptors. */
static bool short_read_is_empty(const struct desc *desc)
{
    int       domain = 0;
    socklen_t len = sizeof domain;
    return desc->kind == DESC_STREAM &&
           hob__sys_getsockopt(desc->fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 &&
           (domain == AF_INET || domain == AF_INET6);
}

/* Called when a direction had nothing. Whatever comes after that call is announced:
 * epoll reports what is ready when it begins to watch. */
static int watch_desc(struct epoll_backend *self, struct desc *desc)
{
    struct carrier *c = carrier_of(desc);
    if (c->watched)
        return 0;
    int r = watch(self, desc->fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET, desc);
    if (r < 0)
        return r;
    c->watched = true;
    c->watch_fd = r;
    c->short_is_empty = short_read_is_empty(desc);
    return 0;
}

/* ---- trying ---- */

static int64_t attempt(const struct op *op)
{
    if (op->kind == OP_RECV && !op_is_look(op)) // most are one of these two
        return epoll_recv(op);
    return op->kind == OP_SEND ? epoll_send(op) : hob__epoll_try(op);
}

/* Tries, and notes what the answer says about the direction. */
static int64_t try_op(const struct op *op, enum dir dir)
{
    struct carrier *c = carrier_of(op->desc);
    int64_t         r = attempt(op);

    if (r == -EAGAIN)
        c->blocked[dir] = true;
    else if (c->short_is_empty && op->kind == OP_RECV && r > 0 && (size_t)r < op->recv.len)
        c->blocked[dir] = true;
    return r;
}

/* ---- what no event announces ---- */

/* A full queue of another Unix socket: a listener's, or a datagram socket's that we
 * are not connected to. */
static bool needs_retry(const struct op *op)
{
    if (op->kind == OP_CONNECT)
        return op->connect.addr->u.family == AF_UNIX;
    if (op->kind != OP_SENDMSG || op->msg.msg->msg_name == NULL)
        return false;
    return ((const struct sockaddr *)op->msg.msg->msg_name)->sa_family == AF_UNIX;
}

static void retry_later(struct epoll_backend *self, struct desc *desc)
{
    struct carrier *c = carrier_of(desc);
    if (c->retried)
        return;
    if (list_is_empty(&self->retried))
        self->retry_at_ns = hob__sys_clock_ns(CLOCK_MONOTONIC) + RETRY_NS;
    list_push_back(&self->retried, &c->retry_link);
    c->retried = true;
}

/* Without anybody who waits, the next op must try for itself: it may be for
 * another peer, and no event would come. */
static void no_retry(struct carrier *c)
{
    if (!c->retried)
        return;
    list_remove(&c->retry_link);
    c->retried = false;
    c->blocked[DIR_OUT] = false;
}

/* ---- ops that wait for readiness ---- */

static bool waits_for_readiness(const struct op *op, enum dir dir)
{
    return epoll_dir_of(op) == dir && op->kind != OP_FSYNC && op->kind != OP_STAT &&
           op->kind != OP_POLL;
}

/* Takes an op out of the direction it waits in. */
static void stop_waiting(struct op *op)
{
    struct carrier *c = carrier_of(op->desc);
    enum dir        dir = epoll_dir_of(op);
    hob_assert(c->waiting[dir] > 0);
    if (--c->waiting[dir] == 0 && dir == DIR_OUT)
        no_retry(c);
}

/* The direction may have something: gives it to those who wait, the oldest first. With `has_bytes` it
 * surely has, for the first of them: who only looks need not be told by the kernel again. */
static void run_waiting(struct epoll_backend *self, struct desc *desc, enum dir dir, bool has_bytes,
                        struct list *done)
{
    struct carrier *c = carrier_of(desc);

    list_for_each (node, &desc->ops) {
        if (c->waiting[dir] == 0 || c->blocked[dir])
            return;
        struct op *op = container_of(node, struct op, link);
        if (!waits_for_readiness(op, dir))
            continue;
        int64_t r = has_bytes && op_is_look(op) ? 1 : try_op(op, dir);
        has_bytes = false;
        if (r == -EAGAIN) {
            if (needs_retry(op))
                retry_later(self, desc);
            return;
        }
        stop_waiting(op);
        epoll_land(self, op, r, done);
    }
}

static void desc_event(struct epoll_backend *self, struct desc *desc, uint32_t events,
                       struct list *done)
{
    struct carrier *c = carrier_of(desc);

    // After these, what follows the last byte is not announced again, nor is what
    // follows urgent data. Without them, something to read is a byte.
    bool is_more_than_bytes = events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR | EPOLLPRI);
    if (is_more_than_bytes)
        c->short_is_empty = false;
    if (events & (EPOLLIN | EPOLLPRI | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) {
        c->blocked[DIR_IN] = false;
        if (c->waiting[DIR_IN] > 0)
            run_waiting(self, desc, DIR_IN, !is_more_than_bytes && desc->kind == DESC_STREAM, done);
    }
    if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) {
        c->blocked[DIR_OUT] = false;
        if (c->waiting[DIR_OUT] > 0)
            run_waiting(self, desc, DIR_OUT, false, done);
    }
}

/* The result, or -EAGAIN: the op has to wait. */
static int64_t try_or_watch(struct epoll_backend *self, const struct op *op, enum dir dir)
{
    struct carrier *c = carrier_of(op->desc);
    if (c->blocked[dir] || c->waiting[dir] > 0)
        return -EAGAIN;
    // Who only looks hears by the event what is there, together with others: to ask would be two calls.
    if (op_is_look(op) && !c->watched && watch_desc(self, op->desc) == 0) {
        c->blocked[dir] = true;
        return -EAGAIN;
    }
    int64_t result = try_op(op, dir);
    if (result != -EAGAIN)
        return result;

    int r = watch_desc(self, op->desc);
    if (r < 0) {
        c->blocked[dir] = false;
        return r;
    }
    if (needs_retry(op))
        retry_later(self, op->desc);
    return -EAGAIN;
}

static void submit_to_desc(struct epoll_backend *self, struct op *op)
{
    enum dir dir = epoll_dir_of(op);
    int64_t  result = try_or_watch(self, op, dir);
    if (result != -EAGAIN) {
        epoll_finish_at_once(op, result);
        return;
    }
    carrier_of(op->desc)->waiting[dir]++;
    epoll_fly(self, op);
}

/* Any thread, any signal handler. */
static void wake(struct epoll_backend *self)
{
    if (__atomic_exchange_n(&self->woken, 1, __ATOMIC_ACQ_REL) == 0)
        hob__sys_eventfd_raise(self->wake_fd);
}

static void pool_wake(void *arg)
{
    struct epoll_backend *self = arg;
    __atomic_store_n(&self->pool_mail, 1, __ATOMIC_RELEASE);
    wake(self);
}

/* ---- descriptors of somebody else's ---- */

/* The op itself is what epoll knows; the lowest bit tells it from a desc. */
static void submit_poll(struct epoll_backend *self, struct op *op)
{
    int fd = watch(self, op->poll.fd, (op->poll.events & 0xFFFF) | EPOLLONESHOT,
                   (char *)op + 1);
    if (fd < 0) {
        epoll_finish_at_once(op, fd);
        return;
    }
    op->slot = (uint32_t)fd;
    epoll_fly(self, op);
}

static void poll_event(struct epoll_backend *self, struct op *op, uint32_t events,
                       struct list *done)
{
    if ((int)op->slot == op->poll.fd && op->poll.fd < EPOLL_RESTING_MAX)
        rest(self, op->poll.fd);
    else
        unwatch(self, (int)op->slot, op->poll.fd);
    epoll_land(self, op, events & (op->poll.events | POLLERR | POLLHUP), done);
}

/* ---- the contract ---- */

/* The first read or write of a pipe or device looks at what it is. */
static void find_way(struct epoll_backend *self, struct desc *desc)
{
    struct carrier *c = carrier_of(desc);
    int             flags = hob__sys_get_status_flags(desc->fd);
    if (flags < 0 || (flags & O_NONBLOCK) != 0)
        c->way = WAY_DIRECT; // and if the number is wrong, the read tells
    else
        c->way = watch_desc(self, desc) == -EPERM ? WAY_POOL : WAY_CAREFUL;
}

static void submit_read_write(struct epoll_backend *self, struct op *op)
{
    struct carrier *c = carrier_of(op->desc);
    if (op->desc->kind != DESC_FILE && c->way == WAY_UNKNOWN)
        find_way(self, op->desc);
    if (op->desc->kind == DESC_FILE || c->way == WAY_POOL)
        hob__epoll_submit_to_pool(self, op);
    else
        submit_to_desc(self, op);
}

static bool is_for_socket(enum op_kind kind)
{
    switch (kind) {
    case OP_RECV: case OP_SEND: case OP_RECVMSG: case OP_SENDMSG: case OP_RECVMANY: case OP_SENDMANY:
    case OP_ACCEPT: case OP_CONNECT:
        return true;
    default:
        return false;
    }
}

static void submit_other(struct epoll_backend *self, struct op *op)
{
    switch (op->kind) {
    case OP_READ:
    case OP_WRITE:
        submit_read_write(self, op);
        break;
    case OP_SPLICE:
        if (op->desc->kind == DESC_FILE)
            hob__epoll_submit_to_pool(self, op);
        else
            submit_to_desc(self, op);
        break;
    case OP_OPEN:
    case OP_FSYNC:
    case OP_STAT:
    case OP_FS:
        hob__epoll_submit_to_pool(self, op);
        break;
    case OP_POLL:
        submit_poll(self, op);
        break;
    default:
        hob__quick_submit(op);
    }
}

static void epoll_submit(struct backend *b, struct op *op)
{
    struct epoll_backend *self = self_of(b);

    hob_assert(op->state == OP_IDLE);
    if (op->desc != NULL && op->desc->closing) {
        epoll_finish_at_once(op, -ECANCELED);
        return;
    }
    op->cancel_asked = false;
    if (hob_likely(is_for_socket(op->kind)))
        submit_to_desc(self, op);
    else
        submit_other(self, op);
}

static bool is_in_pool(const struct op *op)
{
    switch (op->kind) {
    case OP_OPEN:
    case OP_FSYNC:
    case OP_STAT:
    case OP_FS:
        return true;
    case OP_SPLICE:
        return op->desc->kind == DESC_FILE;
    case OP_READ:
    case OP_WRITE:
        return op->desc->kind == DESC_FILE || carrier_of(op->desc)->way == WAY_POOL;
    default:
        return false;
    }
}

static void epoll_cancel(struct backend *b, struct op *op)
{
    struct epoll_backend *self = self_of(b);

    if (op->state != OP_FLYING)
        return; // it lies in `finished` already
    op->cancel_asked = true;
    if (is_in_pool(op)) {
        if (!hob__epoll_cancel_in_pool(self, op))
            return;
    } else if (op->kind == OP_POLL) {
        unwatch(self, (int)op->slot, op->poll.fd);
    } else {
        stop_waiting(op);
    }
    epoll_land(self, op, -ECANCELED, &self->finished);
}

static void close_fd(struct desc *desc)
{
    if (desc->slow_close)
        hob__blocking_close_fd(desc->fd);
    else if (!desc->keep_open)
        hob__sys_close(desc->fd);
    desc->fd = -1;
}

static void epoll_release(struct backend *b, struct desc *desc)
{
    struct epoll_backend *self = self_of(b);
    struct carrier       *c = carrier_of(desc);
    bool                  idle = desc->flying == 0 && (self->landed == 0 || !c->flew);

    desc->closing = true;
    // From the back, so that none gets its turn because the one before it was cancelled.
    for (struct list_node *node = desc->ops.head.prev, *prev; node != &desc->ops.head; node = prev) {
        prev = node->prev;
        epoll_cancel(b, container_of(node, struct op, link));
    }
    if (c->watched)
        unwatch(self, c->watch_fd, desc->fd);
    c->watched = false;

    if (!idle) {
        list_push_back(&self->leaving, &c->leave_link);
        return;
    }
    close_fd(desc);
    desc->gone(desc);
}

/* After ops were given back: whose last one was among them is closed, before anybody hears of it,
 * and goes in the next poll. */
static void find_idle_leavers(struct epoll_backend *self)
{
    list_for_each (node, &self->leaving) {
        struct desc *desc = desc_of(container_of(node, struct carrier, leave_link));
        if (desc->flying > 0)
            continue;
        close_fd(desc);
        list_remove(node);
        list_push_back(&self->left, node);
    }
}

static bool let_leavers_go(struct epoll_backend *self)
{
    struct list_node *node;
    bool              any = !list_is_empty(&self->left);
    while ((node = list_pop_front(&self->left)) != NULL) {
        struct desc *desc = desc_of(container_of(node, struct carrier, leave_link));
        desc->gone(desc);
    }
    return any;
}

static void run_retries(struct epoll_backend *self, struct list *done)
{
    int64_t now_ns = hob__sys_clock_ns(CLOCK_MONOTONIC);
    if (now_ns < self->retry_at_ns)
        return;
    self->retry_at_ns = now_ns + RETRY_NS;
    list_for_each (node, &self->retried) {
        struct carrier *c = container_of(node, struct carrier, retry_link);
        c->blocked[DIR_OUT] = false;
        run_waiting(self, desc_of(c), DIR_OUT, false, done);
    }
}

/* How long to sleep; negative: for ever. */
static int64_t timeout_for(const struct epoll_backend *self, int64_t deadline_ns)
{
    if (!list_is_empty(&self->retried) && deadline_ns > self->retry_at_ns)
        deadline_ns = self->retry_at_ns;
    if (deadline_ns == INT64_MAX)
        return -1;
    if (deadline_ns <= 0)
        return 0;
    int64_t now_ns = hob__sys_clock_ns(CLOCK_MONOTONIC);
    return deadline_ns > now_ns ? deadline_ns - now_ns : 0;
}

static void epoll_poll(struct backend *b, int64_t deadline_ns, struct list *done)
{
    struct epoll_backend *self = self_of(b);
    struct list           ready;

    if (let_leavers_go(self))
        deadline_ns = 0;
    list_init(&ready);
    list_append(&ready, &self->finished);
    if (!list_is_empty(&ready))
        deadline_ns = 0;

    int n = hob__sys_epoll_wait(self->epoll_fd, self->events, EPOLL_EVENTS_MAX,
                                timeout_for(self, deadline_ns));
    hob_assert(n >= 0 || n == -EINTR);
    for (int i = 0; i < n; i++) {
        uintptr_t ptr = (uintptr_t)self->events[i].data.ptr;
        uint32_t  events = self->events[i].events;
        if (ptr == 0)
            __atomic_exchange_n(&self->woken, 0, __ATOMIC_ACQ_REL);
        else if ((ptr & 1) != 0)
            poll_event(self, (struct op *)(ptr - 1), events, &ready);
        else
            desc_event(self, (struct desc *)ptr, events, &ready);
    }
    if (!list_is_empty(&self->retried))
        run_retries(self, &ready);
    if (__atomic_load_n(&self->pool_mail, __ATOMIC_ACQUIRE) != 0) {
        __atomic_store_n(&self->pool_mail, 0, __ATOMIC_RELAXED);
        hob__epoll_collect_jobs(self, &ready);
    }

    self->in_flight -= self->landed;
    self->landed = 0;
    list_append(done, &ready);
    find_idle_leavers(self);
}

static void epoll_wake(struct backend *b)
{
    wake(self_of(b));
}

static int epoll_poll_fd(struct backend *b)
{
    return self_of(b)->epoll_fd;
}

static int64_t epoll_due(struct backend *b)
{
    const struct epoll_backend *self = self_of(b);
    if (!list_is_empty(&self->finished))
        return 0;
    return list_is_empty(&self->retried) ? INT64_MAX : self->retry_at_ns;
}

static int64_t epoll_now(struct backend *b)
{
    (void)b;
    return hob__sys_clock_ns(CLOCK_MONOTONIC);
}

static int64_t epoll_wall_now(struct backend *b)
{
    (void)b;
    return hob__sys_clock_ns(CLOCK_REALTIME);
}

static uint64_t epoll_random(struct backend *b)
{
    return hob__chance_next(&self_of(b)->chance);
}

static void epoll_stats(struct backend *b, struct backend_stats *ret_stats)
{
    *ret_stats = (struct backend_stats){ .in_flight = self_of(b)->in_flight };
}

static int open_fds(struct epoll_backend *self)
{
    self->epoll_fd = hob__sys_epoll_create(EPOLL_CLOEXEC);
    if (self->epoll_fd < 0)
        return self->epoll_fd;
    self->wake_fd = hob__sys_eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (self->wake_fd < 0)
        return self->wake_fd;
    // Edge-triggered: each write is an event, and nobody needs to read the number.
    int r = watch(self, self->wake_fd, EPOLLIN | EPOLLET, NULL);
    return r < 0 ? r : 0;
}

static void free_self(struct epoll_backend *self)
{
    if (self->wake_fd >= 0)
        hob__sys_close(self->wake_fd);
    if (self->epoll_fd >= 0)
        hob__sys_close(self->epoll_fd);
    hob__epoll_free_jobs(self);
    hob__free(self);
}

static int epoll_open(const struct backend_opts *opts, struct backend **ret_backend)
{
    struct epoll_backend *self = hob__alloc_zero(sizeof *self);
    if (self == NULL)
        return -ENOMEM;
    self->base.type = &hob__backend_epoll;
    self->epoll_fd = self->wake_fd = -1;
    list_init(&self->finished);
    list_init(&self->retried);
    list_init(&self->leaving);
    list_init(&self->left);
    hob__chance_init(&self->chance);

    int r = open_fds(self);
    if (r < 0) {
        free_self(self);
        return r;
    }
    hob__blocking_open(&self->pool,
                       opts->blocking_threads > 0 ? opts->blocking_threads : BLOCKING_THREADS,
                       pool_wake, self);
    *ret_backend = &self->base;
    return 0;
}

static void epoll_close(struct backend *b)
{
    struct epoll_backend *self = self_of(b);
    let_leavers_go(self);
    hob_assert(self->in_flight == 0);
    hob_assert(list_is_empty(&self->leaving));
    hob__blocking_close(&self->pool);
    free_self(self);
}

const struct backend_type hob__backend_epoll = {
    .name = "epoll",
    .open = epoll_open,
    .close = epoll_close,
    .submit = epoll_submit,
    .cancel = epoll_cancel,
    .release = epoll_release,
    .poll = epoll_poll,
    .wake = epoll_wake,
    .poll_fd = epoll_poll_fd,
    .due = epoll_due,
    .now = epoll_now,
    .wall_now = epoll_wall_now,
    .random = epoll_random,
    .stats = epoll_stats,
};
