/* SPDX-License-Identifier: MIT */
/*
 * The sim backend: carries ops out in a world made of memory, in virtual time.
 *
 *     op ── submit ──▶ waits at its node ── an event, or another op ──▶ op.result ──▶ poll
 *
 * Between calls:
 *   1. Time stands still. It moves only in poll(), when nothing is done: to the
 *      next event of the world or to poll()'s deadline, whichever is first.
 *   2. `dirty` is empty: no waiting op could go on.
 *   3. A finished op is in `done`, with its result, until poll() hands it over. It
 *      is FLYING for its owner, and `slot` says FINISHED, so that a cancel is
 *      known to be too late.
 *   4. Events of the same time happen in the order in which they were made.
 *
 * The one thing of the real world are descriptors 0, 1 and 2: a program can print.
 * Writing to them is write(2), which may block; reading 0 gives the end at once.
 * Every other number that this world did not give out is -EBADF, to OP_POLL too.
 *
 * Descriptors that ride on a message (SCM_RIGHTS) are numbers here, and arrive as
 * they were sent: no copies are made, so sender and receiver have the same one.
 *
 * Threads: the owner's, except sim_wake.
 * Memory: nodes, datagrams, files and pages are the world's, and freed with it at
 * the latest. Ops and descs belong to their owners.
 */
#include "backend/sim.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "base/alloc.h"
#include "base/sys.h"

enum {
    FD_FIRST = 1000000, /* far from the real ones, so that a mixup is seen */
    TABLE_FIRST = 32,
};

static const int64_t START_NS = INT64_C(1000000000);

static const uint32_t FINISHED = UINT32_MAX; /* op->slot */

/* What we keep in desc->carrier. */
enum {
    NEXT, /* released: the next one                                        */
    OWED, /* ops that its owner does not have back yet                     */
    SOON, /* of these, by direction: how many are in `done`; three numbers */
};

/* The side of a descriptor on which an op waits its turn. */
enum direction { IN, OUT, BOTH, DIRECTIONS };

static struct sim_view *view_of(struct backend *b)
{
    return container_of(b, struct sim_view, base);
}

static struct sim *sim_of(struct backend *b)
{
    return view_of(b)->sim;
}

/* The worker that waits for the op. */
static struct sim_view *view_of_op(const struct sim *sim, const struct op *op)
{
    return sim->views[op->view];
}

/* --- ops ----------------------------------------------------------------- */

static void trace_word(struct sim *sim, uint64_t word)
{
    sim->trace = hash_u64(sim->trace ^ word);
}

/* What happens to ops, as the trace has it. */
enum moment { SUBMITTED, CANCEL_ASKED, FINISHING };

static void trace_op(struct sim *sim, enum moment moment, const struct op *op)
{
    trace_word(sim, (uint64_t)sim->now_ns);
    trace_word(sim, (uint64_t)moment << 32 | (uint64_t)op->kind);
    trace_word(sim, op->desc != NULL ? (uint64_t)op->desc->fd : UINT64_MAX);
    if (moment == FINISHING)
        trace_word(sim, (uint64_t)op->result);
}

static enum direction direction_of(const struct op *op)
{
    switch (op->kind) {
    case OP_SPLICE:
        return op->splice.inward ? IN : OUT;
    case OP_SEND:
    case OP_SENDMSG:
    case OP_SENDMANY:
    case OP_WRITE:
        return OUT;
    case OP_CONNECT:
        return BOTH;
    default:
        return IN;
    }
}

/* How many ops of its direction are finished on the op's descriptor and not handed over. */
static uint64_t *soon(const struct op *op)
{
    return &op->desc->carrier[SOON + direction_of(op)];
}

static void begin_op(struct sim_view *view, struct op *op)
{
    struct sim *sim = view->sim;
    op->state = OP_FLYING;
    op->slot = 0;
    op->view = view->number & 0xff;
    view->in_flight++;
    if (op->desc != NULL) {
        list_push_back(&op->desc->ops, &op->link);
        op->desc->flying++;
        op->desc->carrier[OWED]++;
    } else {
        list_push_back(&sim->loose, &op->link);
    }
}

/* The owner has the op back, or will before anything else happens. */
static void owe_less(struct sim *sim, struct op *op)
{
    view_of_op(sim, op)->in_flight--;
    if (op->desc != NULL)
        op->desc->carrier[OWED]--;
}

void hob__sim_finish(struct sim *sim, struct op *op, int64_t result)
{
    hob_assert(op->state == OP_FLYING && op->slot != FINISHED);
    list_remove(&op->link);
    if (op->desc != NULL)
        op->desc->flying--;
    op->result = result;
    trace_op(sim, FINISHING, op);

    // One that was submitted before and is in `done` comes back before this one.
    if (op == sim->submitting && (op->desc == NULL || *soon(op) == 0)) {
        op->state = OP_DONE;
        owe_less(sim, op);
        return;
    }
    op->slot = FINISHED;
    list_push_back(&view_of_op(sim, op)->done, &op->link);
    if (op->desc != NULL)
        ++*soon(op);
}

/* --- events -------------------------------------------------------------- */

void hob__sim_at(struct sim *sim, struct event *event, int64_t when_ns)
{
    hob__sim_not(sim, event);
    event->node.key = when_ns;
    event->node.order = sim->events_made++;
    hob__heap_push(&sim->events, &event->node);
}

void hob__sim_not(struct sim *sim, struct event *event)
{
    if (heap_node_is_in(&event->node))
        hob__heap_remove(&sim->events, &event->node);
}

static int64_t next_event_ns(const struct sim *sim)
{
    return sim->events.top != NULL ? sim->events.top->key : SIM_NEVER;
}

bool hob__sim_chance(struct sim *sim, uint32_t percent)
{
    return percent > 0 && rand_below(&sim->rand, 100) < percent;
}

/* --- nodes --------------------------------------------------------------- */

void hob__sim_touch(struct sim *sim, struct node *node)
{
    if (!list_node_is_linked(&node->dirty))
        list_push_back(&sim->dirty, &node->dirty);
}

struct node *hob__sim_node_new(struct sim *sim, enum node_kind kind, int domain)
{
    struct node *node = hob__alloc_zero(sizeof *node);
    if (node == NULL)
        return NULL;
    node->kind = kind;
    node->domain = domain;
    node->fd = node->peer_fd = -1;
    node->id = ++sim->nodes_made;
    list_init(&node->polls);
    list_init(&node->pending);
    list_init(&node->queue);
    list_init(&node->marks);
    list_init(&node->groups);
    list_init(&node->blocked);
    list_node_init(&node->dirty);
    list_node_init(&node->blocked_link);
    list_node_init(&node->pending_link);
    hob__sim_wire_init(&node->in);
    return node;
}

static int grow_table(struct sim *sim)
{
    uint32_t cap = sim->table_cap != 0 ? sim->table_cap * 2 : TABLE_FIRST;
    struct node **table = hob__realloc(sim->table, cap * sizeof(struct node *));
    if (table == NULL)
        return -ENOMEM;
    sim->table = table;
    uint32_t *free_fds = hob__realloc(sim->free_fds, cap * sizeof(uint32_t));
    if (free_fds == NULL)
        return -ENOMEM;
    sim->free_fds = free_fds;
    sim->table_cap = cap;
    return 0;
}

int hob__sim_node_number(struct sim *sim, struct node *node)
{
    uint32_t index, limit = sim->world.descriptors;
    if (limit > 0 && sim->table_count - sim->free_count >= limit)
        return -EMFILE;
    if (sim->free_count > 0) {
        index = sim->free_fds[--sim->free_count];
    } else {
        if (sim->table_count == sim->table_cap && grow_table(sim) < 0)
            return -ENOMEM;
        index = sim->table_count++;
    }
    sim->table[index] = node;
    node->fd = FD_FIRST + (int)index;
    return node->fd;
}

struct node *hob__sim_node_at(struct sim *sim, int fd)
{
    if (fd < FD_FIRST || (uint32_t)(fd - FD_FIRST) >= sim->table_count)
        return NULL;
    return sim->table[fd - FD_FIRST];
}

static void finish_polls(struct sim *sim, struct node *node, int64_t result)
{
    struct list_node *link;
    while ((link = list_first(&node->polls)) != NULL)
        hob__sim_finish(sim, container_of(link, struct op, link), result);
}

void hob__sim_node_close(struct sim *sim, struct node *node)
{
    finish_polls(sim, node, -EBADF);
    if (node->kind == NODE_FILE || node->kind == NODE_WATCH)
        hob__sim_disk_close(sim, node);
    hob__sim_net_close(sim, node);
    list_remove(&node->dirty);
    if (node->fd >= 0) {
        sim->table[node->fd - FD_FIRST] = NULL;
        sim->free_fds[sim->free_count++] = (uint32_t)(node->fd - FD_FIRST);
    }
    hob__free(node);
}

/* --- trying the ops that wait -------------------------------------------- */

static int64_t try_recv(struct sim *sim, struct node *node, struct msghdr *msg, int flags)
{
    switch (node->kind) {
    case NODE_STREAM:
    case NODE_PIPE_READER:
        return hob__sim_stream_recv(sim, node, msg);
    case NODE_DGRAM:
        return hob__sim_dgram_recv(sim, node, msg, flags);
    case NODE_WATCH:
        return hob__sim_watch_read(node, msg);
    default:
        return -EBADF;
    }
}

static int64_t try_send(struct sim *sim, struct node *node, const struct msghdr *msg)
{
    switch (node->kind) {
    case NODE_STREAM:
    case NODE_PIPE_WRITER:
        return hob__sim_stream_send(sim, node, msg);
    case NODE_DGRAM:
        return hob__sim_dgram_send(sim, node, msg);
    default:
        return -EBADF;
    }
}

/* One buffer as a message. */
static struct msghdr msg_of(struct iovec *iov, const void *buf, size_t len)
{
    *iov = (struct iovec){ .iov_base = (void *)(uintptr_t)buf, .iov_len = len };
    return (struct msghdr){ .msg_iov = iov, .msg_iovlen = 1 };
}

static bool is_socket(const struct node *node)
{
    return node->kind == NODE_STREAM || node->kind == NODE_DGRAM;
}

/* Carries the op out if it need not wait. Returns its result, or SIM_WAIT. */
static int64_t try_op(struct sim *sim, struct node *node, struct op *op)
{
    struct iovec iov;
    struct msghdr msg;

    if (!is_socket(node) && op->kind != OP_READ && op->kind != OP_WRITE && op->kind != OP_SPLICE)
        return -ENOTSOCK;
    switch (op->kind) {
    case OP_CONNECT:
        return hob__sim_connect_go(sim, node);
    case OP_ACCEPT:
        return hob__sim_accept(sim, node);
    case OP_RECV:
        if (op_is_look(op))
            return node->kind == NODE_STREAM ? hob__sim_stream_look(node) : -EINVAL;
        msg = msg_of(&iov, op->recv.buf, op->recv.len);
        return try_recv(sim, node, &msg, 0);
    case OP_READ:
        msg = msg_of(&iov, op->rw.buf, op->rw.len);
        return try_recv(sim, node, &msg, 0);
    case OP_RECVMSG:
        return try_recv(sim, node, op->msg.msg, op->msg.flags);
    case OP_SEND:
        msg = msg_of(&iov, op->send.buf, op->send.len);
        return try_send(sim, node, &msg);
    case OP_WRITE:
        msg = msg_of(&iov, op->rw.buf, op->rw.len);
        return try_send(sim, node, &msg);
    case OP_SENDMSG:
        return try_send(sim, node, op->msg.msg);
    case OP_RECVMANY:
    case OP_SENDMANY:
        return hob__sim_dgram_many(sim, node, op);
    case OP_SPLICE:
        return hob__sim_splice(sim, node, op);
    default:
        return -EINVAL;
    }
}

/* The first of each direction goes on as far as it can; the others wait behind it. */
static void try_ops(struct sim *sim, struct node *node)
{
    bool waits[DIRECTIONS] = { false };

    list_for_each (link, &node->desc->ops) {
        struct op *op = container_of(link, struct op, link);
        enum direction direction = direction_of(op);
        if (op->slot != 0 || waits[direction] || waits[BOTH])
            continue; // the first: on the disk
        int64_t result = try_op(sim, node, op);
        if (result == SIM_WAIT)
            waits[direction] = true;
        else
            hob__sim_finish(sim, op, result);
    }
}

static unsigned ready_events(struct sim *sim, const struct node *node)
{
    if (node->kind == NODE_WATCH)
        return list_is_empty(&node->queue) ? 0 : POLLIN;
    return node->kind == NODE_DGRAM ? hob__sim_dgram_ready(node)
                                    : hob__sim_stream_ready(sim, node);
}

static void try_polls(struct sim *sim, struct node *node)
{
    if (list_is_empty(&node->polls))
        return;
    unsigned ready = ready_events(sim, node);
    list_for_each (link, &node->polls) {
        struct op *op = container_of(link, struct op, link);
        unsigned found = ready & (op->poll.events | POLLERR | POLLHUP);
        if (found != 0)
            hob__sim_finish(sim, op, found);
    }
}

static void run_dirty(struct sim *sim)
{
    struct list_node *link;
    while ((link = list_pop_front(&sim->dirty)) != NULL) {
        struct node *node = container_of(link, struct node, dirty);
        if (node->kind != NODE_FILE && node->desc != NULL)
            try_ops(sim, node);
        try_polls(sim, node);
    }
}

/* --- submit and cancel ----------------------------------------------------- */

static int64_t write_for_real(int fd, const uint8_t *buf, size_t len)
{
    size_t done = 0;
    while (done < len) {
        ssize_t n = hob__sys_write(fd, buf + done, len - done);
        if (n == -EAGAIN) {
            struct pollfd pfd = { .fd = fd, .events = POLLOUT };
            n = hob__sys_poll(&pfd, 1, -1);
            if (n < 0 && n != -EINTR)
                return n;
            continue;
        }
        if (n < 0)
            return done > 0 ? (int64_t)done : n;
        done += (size_t)n;
    }
    return (int64_t)len;
}

/* An op on a number that this world did not give out. */
static int64_t foreign_op(const struct op *op)
{
    int fd = op->desc != NULL ? op->desc->fd : -1;
    if (op->kind == OP_READ && fd == 0)
        return 0;
    if (op->kind == OP_WRITE && (fd == 1 || fd == 2))
        return write_for_real(fd, op->rw.buf, op->rw.len);
    return -EBADF;
}

static int64_t quick_op(struct sim *sim, struct op *op)
{
    switch (op->kind) {
    case OP_SOCKET:
        return hob__sim_socket(sim, op->socket.domain, op->socket.type);
    case OP_SOCKETPAIR:
        return hob__sim_socketpair(sim, op->pair.domain, op->pair.type, op->pair.fds);
    case OP_PIPE:
        return hob__sim_pipe(sim, op->pair.fds);
    case OP_UNLINK:
        return hob__sim_unlink(sim, op->unlink.addr, op->unlink.file);
    default:
        break;
    }

    struct node *node = op->desc != NULL ? hob__sim_node_at(sim, op->desc->fd) : NULL;
    if (node == NULL)
        return -EBADF;
    if (!is_socket(node))
        return -ENOTSOCK;
    node->desc = op->desc;
    switch (op->kind) {
    case OP_BIND:
        return hob__sim_bind(sim, node, op->bind.addr, op->bind.ret_file);
    case OP_LISTEN:
        return hob__sim_listen(sim, node, op->listen.backlog);
    case OP_SHUTDOWN:
        return node->kind == NODE_STREAM ? hob__sim_stream_shutdown(sim, node) : -EOPNOTSUPP;
    case OP_SOCKNAME:
        return hob__sim_sockname(node, op->name.out);
    case OP_PEERNAME:
        return hob__sim_peername(node, op->name.out);
    case OP_SETOPT:
        return hob__sim_setopt(node, op);
    case OP_GETOPT:
        return hob__sim_getopt(node, op);
    default:
        return -EINVAL;
    }
}

static bool is_data_op(enum op_kind kind)
{
    return kind == OP_RECV || kind == OP_SEND || kind == OP_RECVMSG || kind == OP_SENDMSG
        || kind == OP_READ || kind == OP_WRITE || kind == OP_SPLICE;
}

static void start_poll_op(struct sim *sim, struct op *op)
{
    struct node *node = hob__sim_node_at(sim, op->poll.fd);
    hob_assert(op->desc == NULL);
    if (node == NULL || node->kind == NODE_FILE) {
        hob__sim_finish(sim, op, node == NULL ? -EBADF : -EPERM);
        return;
    }
    list_remove(&op->link);
    list_push_back(&node->polls, &op->link);
    hob__sim_touch(sim, node);
}

static void start_op(struct sim *sim, struct op *op)
{
    struct node *node = op->desc != NULL ? hob__sim_node_at(sim, op->desc->fd) : NULL;

    if (op->kind == OP_POLL) {
        start_poll_op(sim, op);
    } else if (op->kind == OP_OPEN || op->kind == OP_STAT || op->kind == OP_FSYNC
               || op->kind == OP_FS || (node != NULL && node->kind == NODE_FILE)) {
        hob__sim_disk_submit(sim, op, node);
    } else if (node == NULL) {
        hob__sim_finish(sim, op, foreign_op(op));
    } else {
        node->desc = op->desc;
        if (op->kind == OP_CONNECT) {
            int rc = hob__sim_connect(sim, node, op->connect.addr);
            if (rc < 0) {
                hob__sim_finish(sim, op, rc);
                return;
            }
        } else if (is_data_op(op->kind) && node->kind == NODE_STREAM && hob__sim_is_inet(node)
                   && hob__sim_chance(sim, sim->world.reset_percent)) {
            hob__sim_stream_abort(sim, node);
        }
        hob__sim_touch(sim, node);
    }
}

static void sim_submit(struct backend *b, struct op *op)
{
    struct sim *sim = sim_of(b);

    if (hob__op_class(op->kind) == OP_QUICK) {
        op->result = quick_op(sim, op);
        op->state = OP_DONE;
        trace_op(sim, FINISHING, op);
        run_dirty(sim);
        return;
    }
    trace_op(sim, SUBMITTED, op);
    begin_op(view_of(b), op);
    sim->submitting = op;
    start_op(sim, op);
    run_dirty(sim);
    sim->submitting = NULL;
}

static void withdraw(struct sim *sim, struct op *op)
{
    struct node *node = op->desc != NULL ? hob__sim_node_at(sim, op->desc->fd) : NULL;

    if (op->slot != 0)
        hob__sim_disk_stop(sim, op);
    if (op->kind == OP_CONNECT && node != NULL)
        hob__sim_connect_stop(sim, node);
    hob__sim_finish(sim, op, -ECANCELED);
    if (node != NULL)
        hob__sim_touch(sim, node);
}

static void sim_cancel(struct backend *b, struct op *op)
{
    struct sim *sim = sim_of(b);

    if (op->state != OP_FLYING || op->slot == FINISHED)
        return;
    trace_op(sim, CANCEL_ASKED, op);
    withdraw(sim, op);
    run_dirty(sim);
}

/* --- release ------------------------------------------------------------- */

/* Released descriptors are chained by their first word. */
static struct desc *next_leaving(const struct desc *desc)
{
    return (struct desc *)(uintptr_t)desc->carrier[NEXT];
}

static void leave_later(struct leaving *leaving, struct desc *desc)
{
    desc->carrier[NEXT] = 0;
    if (leaving->first == NULL)
        leaving->first = desc;
    else
        leaving->last->carrier[NEXT] = (uintptr_t)desc;
    leaving->last = desc;
}

static void let_go(struct desc *desc)
{
    desc->carrier[NEXT] = 0;
    desc->fd = -1;
    desc->gone(desc);
}

/* Lets those go whose ops an earlier poll() handed over. */
static void let_leaving_go(struct sim_view *view)
{
    struct desc *desc = view->may_leave.first;
    view->may_leave.first = NULL;
    while (desc != NULL) {
        struct desc *next = next_leaving(desc);
        let_go(desc);
        desc = next;
    }
}

static void sim_release(struct backend *b, struct desc *desc)
{
    struct sim *sim = sim_of(b);
    struct node *node = hob__sim_node_at(sim, desc->fd);
    bool had_ops = desc->carrier[OWED] > 0;

    desc->closing = true;
    while (desc->flying > 0)
        withdraw(sim, container_of(list_first(&desc->ops), struct op, link));
    if (node != NULL && !desc->keep_open)
        hob__sim_node_close(sim, node);
    else if (node != NULL)
        node->desc = NULL;
    run_dirty(sim);

    if (had_ops)
        leave_later(&view_of(b)->leaving, desc);
    else
        let_go(desc);
}

/* --- time ---------------------------------------------------------------- */

static void fire_due_events(struct sim *sim)
{
    while (next_event_ns(sim) <= sim->now_ns) {
        struct event *event = container_of(sim->events.top, struct event, node);
        hob__heap_remove(&sim->events, &event->node);
        event->fire(sim, event);
        run_dirty(sim);
    }
}

static void hand_over(struct sim_view *view, struct list *done)
{
    struct list_node *link;
    while ((link = list_pop_front(&view->done)) != NULL) {
        struct op *op = container_of(link, struct op, link);
        op->state = OP_DONE;
        op->slot = 0;
        owe_less(view->sim, op);
        if (op->desc != NULL)
            --*soon(op);
        list_push_back(done, &op->link);
    }
    view->may_leave = view->leaving;
    view->leaving.first = NULL;
}

static bool has_news(struct sim_view *view)
{
    return atomic_exchange(&view->woken, false) || !list_is_empty(&view->done)
        || view->leaving.first != NULL;
}

/* To the next event, or to `deadline_ns`. False: neither will ever come. */
static bool let_time_pass(struct sim *sim, int64_t deadline_ns)
{
    int64_t next = next_event_ns(sim);
    if (next > deadline_ns)
        next = deadline_ns;
    if (next == SIM_NEVER)
        return false; // asleep for ever: see world_idle
    sim->now_ns = next;
    fire_due_events(sim);
    return true;
}

void hob__sim_advance(struct backend *b, int64_t deadline_ns)
{
    let_time_pass(sim_of(b), deadline_ns);
}

static void sim_poll(struct backend *b, int64_t deadline_ns, struct list *done)
{
    struct sim_view *view = view_of(b);
    struct sim      *sim = view->sim;

    if (view->may_leave.first != NULL) {
        let_leaving_go(view);
        deadline_ns = 0;
    }
    fire_due_events(sim);
    while (!has_news(view) && sim->now_ns < deadline_ns) {
        if (!let_time_pass(sim, deadline_ns))
            break;
    }
    hand_over(view, done);
}

static void sim_wake(struct backend *b)
{
    atomic_store(&view_of(b)->woken, true);
}

/* Its world has no descriptors that a kernel knows. */
static int sim_poll_fd(struct backend *b)
{
    (void)b;
    return -ENOTSUP;
}

static int64_t sim_due(struct backend *b)
{
    (void)b;
    return INT64_MAX;
}

static int64_t sim_now(struct backend *b)
{
    return sim_of(b)->now_ns;
}

static int64_t sim_wall_now(struct backend *b)
{
    return SIM_WALL_AT_0_NS + sim_of(b)->now_ns;
}

static uint64_t sim_random(struct backend *b)
{
    return rand_next(&sim_of(b)->rand);
}

/* --- the world's life ---------------------------------------------------- */

static struct sim *world_new(uint64_t seed)
{
    struct sim *sim = hob__alloc_zero(sizeof *sim);
    if (sim == NULL)
        return NULL;
    sim->rand.state = seed;
    sim->now_ns = START_NS;
    sim->trace = UINT64_C(0xCBF29CE484222325);
    list_init(&sim->loose);
    list_init(&sim->dirty);
    list_init(&sim->flying);
    if (hob__sim_disk_init(sim) < 0) {
        hob__sim_disk_fini(sim);
        hob__free(sim);
        return NULL;
    }
    return sim;
}

static void world_free(struct sim *sim)
{
    for (uint32_t i = 0; i < sim->table_count; i++)
        if (sim->table[i] != NULL)
            hob__sim_node_close(sim, sim->table[i]);
    hob__sim_net_fini(sim);
    hob__sim_disk_fini(sim);
    hob__free(sim->table);
    hob__free(sim->free_fds);
    hob__free(sim);
}

static int sim_open(const struct backend_opts *opts, struct backend **ret_backend)
{
    struct sim_view *view = hob__alloc_zero(sizeof *view);
    struct sim      *sim = opts->sibling != NULL ? sim_of(opts->sibling) : NULL;
    if (view == NULL)
        return -ENOMEM;
    if (sim == NULL)
        sim = world_new(opts->seed);
    while (sim != NULL && view->number < SIM_VIEWS_MAX && sim->views[view->number] != NULL)
        view->number++;
    if (sim == NULL || view->number == SIM_VIEWS_MAX) {
        hob__free(view);
        return sim == NULL ? -ENOMEM : -EAGAIN;
    }
    view->base.type = &hob__backend_sim;
    view->sim = sim;
    list_init(&view->done);
    sim->views[view->number] = view;
    sim->views_open++;
    *ret_backend = &view->base;
    return 0;
}

static void sim_close(struct backend *b)
{
    struct sim_view *view = view_of(b);
    struct sim      *sim = view->sim;
    hob_assert(view->in_flight == 0);
    let_leaving_go(view);
    sim->views[view->number] = NULL;
    hob__free(view);
    if (--sim->views_open == 0)
        world_free(sim);
}

/* All views: an op of another worker that is done leads to what nobody has asked for yet. */
static bool world_is_idle(const struct sim *sim)
{
    if (sim->events.top != NULL)
        return false;
    for (unsigned i = 0, seen = 0; seen < sim->views_open && i < SIM_VIEWS_MAX; i++) {
        const struct sim_view *view = sim->views[i];
        if (view == NULL)
            continue;
        seen++;
        if (!list_is_empty(&view->done) || view->leaving.first != NULL ||
            view->may_leave.first != NULL)
            return false;
    }
    return true;
}

static void sim_stats(struct backend *b, struct backend_stats *ret_stats)
{
    const struct sim_view *view = view_of(b);
    const struct sim      *sim = view->sim;
    *ret_stats = (struct backend_stats){
        .in_flight = view->in_flight,
        .trace = sim->trace,
        .numbers = sim->table_count - sim->free_count,
        .world_idle = world_is_idle(sim),
    };
}

int hob__sim_set_world(struct backend *b, const struct hob_sim_world *world)
{
    if (b->type != &hob__backend_sim)
        return -ENOTSUP;
    sim_of(b)->world = *world;
    return 0;
}

int64_t hob__sim_offload_ns(struct backend *b)
{
    struct sim *sim = sim_of(b);
    return rand_between(&sim->rand, sim->world.offload_min_ns, sim->world.offload_max_ns);
}

int hob__sim_put_file(struct backend *b, const char *path, const void *data, size_t len)
{
    if (b->type != &hob__backend_sim)
        return -ENOTSUP;
    return hob__sim_disk_put(sim_of(b), path, data, len);
}

int hob__sim_put_folder(struct backend *b, const char *path)
{
    if (b->type != &hob__backend_sim)
        return -ENOTSUP;
    return hob__sim_disk_put_folder(sim_of(b), path);
}

const struct backend_type hob__backend_sim = {
    .name = "sim",
    .open = sim_open,
    .close = sim_close,
    .submit = sim_submit,
    .cancel = sim_cancel,
    .release = sim_release,
    .poll = sim_poll,
    .wake = sim_wake,
    .now = sim_now,
    .wall_now = sim_wall_now,
    .random = sim_random,
    .poll_fd = sim_poll_fd,
    .due = sim_due,
    .stats = sim_stats,
};
