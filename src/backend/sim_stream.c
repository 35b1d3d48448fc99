/* SPDX-License-Identifier: MIT */
/*
 * Bytes in order in the simulated world: TCP, Unix streams, pipes.
 *
 *     send ──▶ peer->in: taken ... arrived ... written ──▶ recv
 *                        └ readable ┘ └ in flight ┘
 *
 * Each end owns the wire that leads to it. A wire holds at most stream_bytes, in
 * flight and readable together; a sender takes what fits and waits when nothing
 * does. Over TCP each piece takes its latency, but never overtakes the one before;
 * the end of the stream comes after the bytes, the news of a reset after both.
 * Unix sockets and pipes are within the machine: no latency, no resets by chance.
 *
 * As in the kernel: closing with unread bytes resets; bytes for an end that was
 * closed bring back a reset; after it, the error is told once (-ECONNRESET, by
 * whichever of recv and send comes first), then recv gives 0 and send -EPIPE.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>

#include "backend/sim.h"
#include "base/alloc.h"

enum {
    STREAM_BYTES = 64 * 1024,
    RING_FIRST = 256,
    ARRIVALS_FIRST = 8,
    RESEND_NS = 200000000,
    RESEND_TRIES = 10,
};

/* --- wires --------------------------------------------------------------- */

static void fire_arrival(struct sim *sim, struct event *event);

void hob__sim_wire_init(struct wire *wire)
{
    *wire = (struct wire){ .end_due_ns = SIM_NEVER, .reset_due_ns = SIM_NEVER };
    wire->event.fire = fire_arrival;
    list_init(&wire->rights);
}

/* Forgets what rides on bytes from `pos` to before `end`. */
static void drop_rights(struct wire *wire, uint64_t pos, uint64_t end)
{
    list_for_each (link, &wire->rights) {
        struct rights *rights = container_of(link, struct rights, link);
        if (rights->pos >= pos && rights->pos < end) {
            list_remove(&rights->link);
            hob__free(rights);
        }
    }
}

static void wire_fini(struct sim *sim, struct wire *wire)
{
    drop_rights(wire, 0, UINT64_MAX);
    hob__sim_not(sim, &wire->event);
    hob__free(wire->ring);
    hob__free(wire->arrivals);
    hob__sim_wire_init(wire);
}

static size_t room_beside(const struct sim *sim, uint64_t used)
{
    size_t cap = sim->world.stream_bytes > 0 ? sim->world.stream_bytes : STREAM_BYTES;
    return used < cap ? cap - (size_t)used : 0;
}

/* How many more bytes may be written. */
static size_t wire_room(const struct sim *sim, const struct wire *wire)
{
    return room_beside(sim, wire->written - wire->taken);
}

static void ring_copy(const struct wire *wire, uint64_t pos, uint8_t *ring, size_t ring_bytes,
                      size_t len)
{
    for (size_t i = 0; i < len;) {
        size_t from = (size_t)(pos + i) & (wire->ring_bytes - 1);
        size_t to = (size_t)(pos + i) & (ring_bytes - 1);
        size_t n = len - i;
        if (n > wire->ring_bytes - from)
            n = wire->ring_bytes - from;
        if (n > ring_bytes - to)
            n = ring_bytes - to;
        memcpy(ring + to, wire->ring + from, n);
        i += n;
    }
}

/* Makes the ring hold `bytes` in all. */
static int wire_reserve(struct wire *wire, size_t bytes)
{
    if (bytes <= wire->ring_bytes)
        return 0;
    size_t cap = wire->ring_bytes != 0 ? wire->ring_bytes : RING_FIRST;
    while (cap < bytes)
        cap *= 2;
    uint8_t *ring = hob__alloc(cap);
    if (ring == NULL)
        return -ENOMEM;
    ring_copy(wire, wire->taken, ring, cap, (size_t)(wire->written - wire->taken));
    hob__free(wire->ring);
    wire->ring = ring;
    wire->ring_bytes = cap;
    return 0;
}

static void wire_write(struct wire *wire, const struct msghdr *msg, size_t len)
{
    for (size_t i = 0; i < len;) {
        size_t at = (size_t)wire->written & (wire->ring_bytes - 1);
        size_t n = len - i < wire->ring_bytes - at ? len - i : wire->ring_bytes - at;
        hob__sim_msg_copy_out(msg, i, wire->ring + at, n);
        wire->written += n;
        i += n;
    }
}

static void wire_read(struct wire *wire, struct msghdr *msg, size_t len)
{
    for (size_t i = 0; i < len;) {
        size_t at = (size_t)wire->taken & (wire->ring_bytes - 1);
        size_t n = len - i < wire->ring_bytes - at ? len - i : wire->ring_bytes - at;
        hob__sim_msg_copy_in(msg, i, wire->ring + at, n);
        wire->taken += n;
        i += n;
    }
}

/* --- arrivals ------------------------------------------------------------ */

static struct arrival *arrival_at(struct wire *wire, uint32_t index)
{
    return &wire->arrivals[(wire->arrivals_head + index) & (wire->arrivals_cap - 1)];
}

static bool grow_arrivals(struct wire *wire)
{
    uint32_t cap = wire->arrivals_cap != 0 ? wire->arrivals_cap * 2 : ARRIVALS_FIRST;
    struct arrival *arrivals = hob__alloc(cap * sizeof *arrivals);
    if (arrivals == NULL)
        return false;
    for (uint32_t i = 0; i < wire->arrivals_count; i++)
        arrivals[i] = *arrival_at(wire, i);
    hob__free(wire->arrivals);
    wire->arrivals = arrivals;
    wire->arrivals_cap = cap;
    wire->arrivals_head = 0;
    return true;
}

/* Everything written so far will have arrived then. Without memory to note it,
 * the last piece waits for this one; if there is none, this one comes at once. */
static void note_arrival(struct sim *sim, struct node *node, int64_t due_ns)
{
    struct wire    *wire = &node->in;
    struct arrival *last =
        wire->arrivals_count > 0 ? arrival_at(wire, wire->arrivals_count - 1) : NULL;
    bool same = last != NULL && last->due_ns == due_ns;
    if (!same && (wire->arrivals_count < wire->arrivals_cap || grow_arrivals(wire)))
        last = arrival_at(wire, wire->arrivals_count++);
    if (last != NULL) {
        *last = (struct arrival){ due_ns, wire->written };
    } else {
        wire->arrived = wire->written;
        hob__sim_touch(sim, node);
    }
}

static int64_t next_due_ns(struct wire *wire)
{
    if (wire->arrivals_count > 0)
        return arrival_at(wire, 0)->due_ns;
    if (!wire->ended && wire->end_due_ns != SIM_NEVER)
        return wire->end_due_ns;
    return wire->reset ? SIM_NEVER : wire->reset_due_ns;
}

/* Lets arrive what is due, and sees to it that the rest will. */
static void settle(struct sim *sim, struct node *node)
{
    struct wire *wire = &node->in;
    int64_t due_ns;
    while ((due_ns = next_due_ns(wire)) <= sim->now_ns) {
        hob__sim_touch(sim, node);
        if (wire->arrivals_count > 0) {
            wire->arrived = arrival_at(wire, 0)->pos;
            wire->arrivals_head++;
            wire->arrivals_count--;
        } else if (!wire->ended && wire->end_due_ns != SIM_NEVER) {
            wire->ended = true;
        } else {
            wire->reset = true;
            node->error = wire->ended ? EPIPE : ECONNRESET;
        }
    }
    if (due_ns == SIM_NEVER)
        hob__sim_not(sim, &wire->event);
    else if (!heap_node_is_in(&wire->event.node) || wire->event.node.key != due_ns)
        hob__sim_at(sim, &wire->event, due_ns);
}

static void fire_arrival(struct sim *sim, struct event *event)
{
    settle(sim, container_of(event, struct node, in.event));
}

/* When something sent now to the node arrives: not before what was sent earlier. */
static int64_t arrival_ns(struct sim *sim, struct node *node, int64_t latency_ns)
{
    struct wire *wire = &node->in;
    if (wire->last_due_ns < sim->now_ns + latency_ns)
        wire->last_due_ns = sim->now_ns + latency_ns;
    return wire->last_due_ns;
}

/* When a piece of `len` bytes that is sent now arrives: the line carries one after the other, and
 * what is lost is sent again. */
static int64_t piece_arrival_ns(struct sim *sim, struct node *to, size_t len, int64_t latency_ns)
{
    const struct hob_sim_world *world = &sim->world;
    struct wire                *wire = &to->in;
    if (!hob__sim_is_inet(to))
        return arrival_ns(sim, to, latency_ns);
    if (world->tcp_bytes_per_s > 0) {
        if (wire->line_free_ns < sim->now_ns)
            wire->line_free_ns = sim->now_ns;
        wire->line_free_ns += (int64_t)(len * UINT64_C(1000000000) / world->tcp_bytes_per_s);
        latency_ns += wire->line_free_ns - sim->now_ns;
    }
    for (int tries = 0; tries < RESEND_TRIES && hob__sim_chance(sim, world->loss_percent); tries++)
        latency_ns += RESEND_NS;
    return arrival_ns(sim, to, latency_ns);
}

static void send_end(struct sim *sim, struct node *to)
{
    if (to->in.end_due_ns == SIM_NEVER)
        to->in.end_due_ns = arrival_ns(sim, to, hob__sim_latency_ns(sim, to));
    settle(sim, to);
}

static void send_reset(struct sim *sim, struct node *to, int64_t latency_ns)
{
    if (to->in.reset_due_ns == SIM_NEVER)
        to->in.reset_due_ns = arrival_ns(sim, to, latency_ns);
    settle(sim, to);
}

/* --- receiving and sending ----------------------------------------------- */

static int take_error(struct node *node)
{
    int error = node->error;
    node->error = 0;
    return -error;
}

/* A message with descriptors ends a read: at most one set comes at a time. */
static uint64_t rights_limit(const struct wire *wire, uint64_t end, struct rights **ret_rights)
{
    struct list_node *first = list_first(&wire->rights);
    *ret_rights = NULL;
    if (first == NULL || container_of(first, struct rights, link)->pos >= end)
        return end;
    *ret_rights = container_of(first, struct rights, link);
    if (first->next != &wire->rights.head) {
        const struct rights *second = container_of(first->next, struct rights, link);
        if (second->pos < end)
            return second->pos;
    }
    return end;
}

static int64_t take_bytes(struct sim *sim, struct node *node, struct msghdr *msg, size_t len)
{
    struct wire *wire = &node->in;
    size_t ready = (size_t)(wire->arrived - wire->taken);
    if (len > ready)
        len = ready;
    if (hob__sim_chance(sim, sim->world.short_io_percent))
        len = 1 + (size_t)rand_below(&sim->rand, len);

    struct rights *rights;
    len = (size_t)(rights_limit(wire, wire->taken + len, &rights) - wire->taken);
    wire_read(wire, msg, len);
    hob__sim_msg_put_rights(msg, rights);
    if (rights != NULL) {
        list_remove(&rights->link);
        hob__free(rights);
    }
    if (node->peer != NULL)
        hob__sim_touch(sim, node->peer);
    return (int64_t)len;
}

int64_t hob__sim_stream_recv(struct sim *sim, struct node *node, struct msghdr *msg)
{
    if (node->state == NODE_CONNECTING)
        return SIM_WAIT;
    if (node->state != NODE_CONNECTED)
        return -ENOTCONN;

    size_t len = hob__sim_msg_len(msg);
    msg->msg_flags = 0;
    msg->msg_namelen = 0;
    if (len > 0 && node->in.arrived > node->in.taken)
        return take_bytes(sim, node, msg, len);
    hob__sim_msg_put_rights(msg, NULL);
    if (len == 0 || node->in.ended)
        return 0;
    if (node->error != 0)
        return take_error(node);
    return node->in.reset ? 0 : SIM_WAIT;
}

/* What a receive would find; takes nothing. */
int64_t hob__sim_stream_look(const struct node *node)
{
    if (node->state == NODE_CONNECTING)
        return SIM_WAIT;
    if (node->state != NODE_CONNECTED)
        return -ENOTCONN;
    if (node->in.arrived > node->in.taken)
        return 1;
    if (node->error != 0 && !node->in.ended)
        return -node->error;
    return node->in.ended || node->in.reset ? 0 : SIM_WAIT;
}

/* The other end was closed. Over TCP nobody here knows yet: the bytes go, as many as may be on their
 * way, and a reset comes back for them. */
static int64_t send_to_nobody(struct sim *sim, struct node *node, size_t len)
{
    size_t room = room_beside(sim, node->unanswered);
    if (room == 0)
        return SIM_WAIT;
    int64_t there_ns = hob__sim_latency_ns(sim, node);
    send_reset(sim, node, there_ns + hob__sim_latency_ns(sim, node));
    size_t share = len < room ? len : room;
    node->unanswered += share;
    return (int64_t)share;
}

/* How much of `len` goes now; 0: none. A pipe takes up to PIPE_BUF bytes whole. */
static size_t send_share(struct sim *sim, const struct node *node, size_t len)
{
    size_t room = wire_room(sim, &node->peer->in);
    if (node->kind == NODE_PIPE_WRITER && len <= PIPE_BUF
        && (room >= len || node->peer->in.written > node->peer->in.taken))
        return room >= len ? len : 0;
    if (room == 0)
        return 0;
    size_t share = len < room ? len : room;
    if (hob__sim_chance(sim, sim->world.short_io_percent))
        share = 1 + (size_t)rand_below(&sim->rand, share);
    return share;
}

int64_t hob__sim_stream_send(struct sim *sim, struct node *node, const struct msghdr *msg)
{
    if (node->state == NODE_CONNECTING)
        return SIM_WAIT;
    if (node->state != NODE_CONNECTED)
        return hob__sim_is_inet(node) ? -EPIPE : -ENOTCONN;
    if (node->peer == NULL && !hob__sim_is_inet(node))
        return -EPIPE;
    if (node->error != 0)
        return take_error(node);
    if (node->write_shut || node->in.reset)
        return -EPIPE;
    size_t len = hob__sim_msg_len(msg);
    if (len == 0)
        return 0;
    if (node->peer == NULL)
        return send_to_nobody(sim, node, len);

    struct wire *wire = &node->peer->in;
    size_t share = send_share(sim, node, len);
    if (share == 0)
        return SIM_WAIT;
    struct rights *rights = NULL;
    int rc = node->domain == AF_UNIX ? hob__sim_msg_take_rights(msg, &rights) : 0;
    if (rc == 0)
        rc = wire_reserve(wire, (size_t)(wire->written - wire->taken) + share);
    if (rc < 0) {
        hob__free(rights);
        return rc;
    }
    if (rights != NULL) {
        rights->pos = wire->written;
        list_push_back(&wire->rights, &rights->link);
    }
    wire_write(wire, msg, share);
    note_arrival(sim, node->peer,
                 piece_arrival_ns(sim, node->peer, share, hob__sim_latency_ns(sim, node)));
    settle(sim, node->peer);
    return (int64_t)share;
}

/* --- ends ---------------------------------------------------------------- */

void hob__sim_link(struct node *a, struct node *b)
{
    a->state = b->state = NODE_CONNECTED;
    a->peer = b;
    b->peer = a;
}

int hob__sim_pipe(struct sim *sim, int *fds)
{
    struct node *reader = hob__sim_node_new(sim, NODE_PIPE_READER, AF_UNSPEC);
    struct node *writer = hob__sim_node_new(sim, NODE_PIPE_WRITER, AF_UNSPEC);
    int numbers[2];
    int rc = hob__sim_number_two(sim, reader, writer, numbers);
    if (rc < 0)
        return rc;
    hob__sim_link(reader, writer);
    fds[0] = numbers[0];
    fds[1] = numbers[1];
    return 0;
}

/* --- splicing -------------------------------------------------------------- */

static struct wire *wire_of_pipe(struct sim *sim, int fd, enum node_kind kind)
{
    struct node *node = hob__sim_node_at(sim, fd);
    if (node == NULL || node->kind != kind)
        return NULL;
    if (kind == NODE_PIPE_READER)
        return &node->in;
    return node->peer != NULL ? &node->peer->in : NULL;
}

size_t hob__sim_pipe_room(struct sim *sim, int fd, size_t len)
{
    struct wire *wire = wire_of_pipe(sim, fd, NODE_PIPE_WRITER);
    size_t room = wire != NULL ? wire_room(sim, wire) : 0;
    if (len > room)
        len = room;
    if (len > 0 && wire_reserve(wire, (size_t)(wire->written - wire->taken) + len) < 0)
        return 0;
    return len;
}

static struct msghdr one_piece(struct iovec *iov, const void *bytes, size_t len)
{
    *iov = (struct iovec){ (void *)(uintptr_t)bytes, len };
    return (struct msghdr){ .msg_iov = iov, .msg_iovlen = 1 };
}

void hob__sim_pipe_put(struct sim *sim, int fd, const void *bytes, size_t len)
{
    struct wire *wire = wire_of_pipe(sim, fd, NODE_PIPE_WRITER);
    struct iovec iov;
    struct msghdr msg = one_piece(&iov, bytes, len);
    wire_write(wire, &msg, len);
    wire->arrived = wire->written; // at once, as all in a pipe does
}

size_t hob__sim_pipe_peek(struct sim *sim, int fd, void *bytes, size_t len)
{
    const struct wire *wire = wire_of_pipe(sim, fd, NODE_PIPE_READER);
    if (wire == NULL)
        return 0;
    struct wire look = *wire; // only how far it is taken changes
    struct iovec iov;
    struct msghdr msg = one_piece(&iov, bytes, len);
    if (len > look.arrived - look.taken)
        len = (size_t)(look.arrived - look.taken);
    wire_read(&look, &msg, len);
    return len;
}

void hob__sim_pipe_drop(struct sim *sim, int fd, size_t len)
{
    wire_of_pipe(sim, fd, NODE_PIPE_READER)->taken += len;
}

int64_t hob__sim_splice(struct sim *sim, struct node *node, const struct op *op)
{
    uint8_t bytes[4096];
    struct iovec iov;
    size_t len = op->splice.len < sizeof bytes ? op->splice.len : sizeof bytes;
    int pipe_fd = op->splice.pipe_fd;

    if (op->splice.inward ? node->kind == NODE_PIPE_WRITER : node->kind == NODE_PIPE_READER)
        return -EBADF;
    if (node->kind == NODE_DGRAM)
        return -EINVAL;
    len = op->splice.inward ? hob__sim_pipe_room(sim, pipe_fd, len)
                            : hob__sim_pipe_peek(sim, pipe_fd, bytes, len);
    if (len == 0)
        return op->splice.inward ? -ENOMEM : -EBADF;
    struct msghdr msg = one_piece(&iov, bytes, len);
    int64_t n = op->splice.inward ? hob__sim_stream_recv(sim, node, &msg)
                                  : hob__sim_stream_send(sim, node, &msg);
    if (n > 0 && op->splice.inward)
        hob__sim_pipe_put(sim, pipe_fd, bytes, (size_t)n);
    else if (n > 0)
        hob__sim_pipe_drop(sim, pipe_fd, (size_t)n);
    return n;
}

int hob__sim_stream_shutdown(struct sim *sim, struct node *node)
{
    if (node->state != NODE_CONNECTED || node->in.reset)
        return -ENOTCONN;
    node->write_shut = true;
    if (node->peer != NULL)
        send_end(sim, node->peer);
    hob__sim_touch(sim, node); // whoever waits to send
    return 0;
}

static void part(struct node *node)
{
    if (node->peer != NULL)
        node->peer->peer = NULL;
    node->peer = NULL;
}

/* The connection breaks: what is in flight is lost, each end learns of it. */
void hob__sim_stream_abort(struct sim *sim, struct node *node)
{
    struct node *peer = node->peer;
    if (node->state != NODE_CONNECTED || node->in.reset)
        return;
    part(node);
    drop_rights(&node->in, node->in.arrived, UINT64_MAX);
    node->in.written = node->in.arrived;
    node->in.arrivals_count = 0;
    node->in.last_due_ns = sim->now_ns;
    if (!node->in.ended)
        node->in.end_due_ns = SIM_NEVER;
    node->in.reset_due_ns = sim->now_ns;
    settle(sim, node);
    if (peer != NULL)
        send_reset(sim, peer, hob__sim_latency_ns(sim, peer));
}

/* The end goes away; `reset`: though nobody closed it. */
void hob__sim_stream_close(struct sim *sim, struct node *node, bool reset)
{
    struct node *peer = node->peer;
    bool unread = node->in.arrived > node->in.taken;
    bool in_flight = node->in.written > node->in.arrived;

    part(node);
    if (peer == NULL) {
        // nobody to tell
    } else if (!hob__sim_is_inet(node)) {
        if ((reset || unread) && node->kind == NODE_STREAM)
            peer->error = ECONNRESET;
        send_end(sim, peer);
    } else if (reset || unread) {
        send_reset(sim, peer, hob__sim_latency_ns(sim, peer));
    } else {
        send_end(sim, peer);
        if (in_flight)
            send_reset(sim, peer,
                       node->in.last_due_ns - sim->now_ns + hob__sim_latency_ns(sim, peer));
    }
    if (peer != NULL)
        hob__sim_touch(sim, peer);
    wire_fini(sim, &node->in);
}

unsigned hob__sim_stream_ready(struct sim *sim, const struct node *node)
{
    unsigned ready = 0;
    if (node->state == NODE_LISTENING)
        return list_is_empty(&node->pending) ? 0 : POLLIN;
    if (node->state == NODE_CONNECTING)
        return 0;
    if (node->state == NODE_FRESH)
        return POLLOUT | POLLHUP;

    const struct wire *in = &node->in;
    if (in->arrived > in->taken || ((in->ended || in->reset) && node->kind == NODE_STREAM))
        ready |= POLLIN;
    if (node->kind != NODE_PIPE_READER
        && (node->write_shut || in->reset
            || (node->peer != NULL ? wire_room(sim, &node->peer->in)
                                   : room_beside(sim, node->unanswered)) > 0))
        ready |= POLLOUT;
    if (in->reset || (in->ended && (node->write_shut || node->kind == NODE_PIPE_READER))
        || (node->peer == NULL && node->domain == AF_UNIX))
        ready |= POLLHUP;
    if (node->error != 0 || (node->kind == NODE_PIPE_WRITER && node->peer == NULL))
        ready |= POLLERR;
    return ready;
}
