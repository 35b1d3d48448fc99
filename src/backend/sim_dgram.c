/* SPDX-License-Identifier: MIT */
/*
 * Datagrams in the simulated world: UDP and Unix datagram sockets.
 *
 * UDP: each takes a latency of its own, so they may overtake each other; some
 * are lost; a full queue drops what comes. A connected socket hears of a port
 * where nobody is, once: -ECONNREFUSED.
 *
 * A message may be several datagrams of one size (UDP_SEGMENT): each goes its own way. A socket
 * with UDP_GRO gets neighbours from one sender back as one message, sometimes.
 *
 * Unix: at once, in order, none is lost; a sender waits while the queue is full.
 */
#include <errno.h>
#include <netinet/udp.h>
#include <poll.h>
#include <string.h>

#include "backend/sim.h"
#include "base/alloc.h"

enum {
    QUEUE_MAX = 64,
    UDP_BYTES_MAX = 65507,
    UDP_SEGMENTS_MAX = 64,
    JOIN_PERCENT = 75,
    UNIX_BYTES_MAX = 212960,
    RIGHTS_MAX = 253, /* the kernel's SCM_MAX_FD */
};

/* --- messages ------------------------------------------------------------ */

size_t hob__sim_msg_len(const struct msghdr *msg)
{
    size_t len = 0;
    for (size_t i = 0; i < msg->msg_iovlen; i++)
        len += msg->msg_iov[i].iov_len;
    return len;
}

/* Copies `len` bytes between flat memory and the message, from its byte `at`. */
static void msg_copy(const struct msghdr *msg, size_t at, uint8_t *flat, size_t len, bool out)
{
    for (size_t i = 0; i < msg->msg_iovlen && len > 0; i++) {
        const struct iovec *iov = &msg->msg_iov[i];
        if (at >= iov->iov_len) {
            at -= iov->iov_len;
            continue;
        }
        size_t n = iov->iov_len - at < len ? iov->iov_len - at : len;
        uint8_t *in_msg = (uint8_t *)iov->iov_base + at;
        memcpy(out ? flat : in_msg, out ? in_msg : flat, n);
        flat += n;
        len -= n;
        at = 0;
    }
}

void hob__sim_msg_copy_out(const struct msghdr *msg, size_t at, void *to, size_t len)
{
    msg_copy(msg, at, to, len, true);
}

void hob__sim_msg_copy_in(struct msghdr *msg, size_t at, const void *from, size_t len)
{
    msg_copy(msg, at, (uint8_t *)(uintptr_t)from, len, false);
}

int hob__sim_msg_take_rights(const struct msghdr *msg, struct rights **ret_rights)
{
    *ret_rights = NULL;
    for (struct cmsghdr *head = CMSG_FIRSTHDR(msg); head != NULL;
         head = CMSG_NXTHDR((struct msghdr *)(uintptr_t)msg, head)) {
        if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS)
            continue;
        size_t count = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        if (count == 0 || *ret_rights != NULL)
            continue;
        if (count > RIGHTS_MAX)
            return -EINVAL;
        struct rights *rights = hob__alloc(sizeof *rights + count * sizeof(int));
        if (rights == NULL)
            return -ENOMEM;
        rights->count = (unsigned)count;
        memcpy(rights->fds, CMSG_DATA(head), count * sizeof(int));
        *ret_rights = rights;
    }
    return 0;
}

void hob__sim_msg_put_rights(struct msghdr *msg, const struct rights *rights)
{
    size_t room = msg->msg_control != NULL ? msg->msg_controllen : 0;
    msg->msg_controllen = 0;
    if (rights == NULL)
        return;

    size_t fit = room > CMSG_LEN(0) ? (room - CMSG_LEN(0)) / sizeof(int) : 0;
    if (fit > rights->count)
        fit = rights->count;
    if (fit < rights->count)
        msg->msg_flags |= MSG_CTRUNC;
    if (fit == 0)
        return;
    struct cmsghdr head = {
        .cmsg_len = CMSG_LEN(fit * sizeof(int)),
        .cmsg_level = SOL_SOCKET,
        .cmsg_type = SCM_RIGHTS,
    };
    memcpy(msg->msg_control, &head, sizeof head);
    memcpy((uint8_t *)msg->msg_control + CMSG_LEN(0), rights->fds, fit * sizeof(int));
    msg->msg_controllen = CMSG_SPACE(fit * sizeof(int)) < room ? CMSG_SPACE(fit * sizeof(int))
                                                               : room;
}

/* --- one datagram -------------------------------------------------------- */

/* `len` bytes of the message, from its byte `at`. */
static struct datagram *datagram_new(const struct msghdr *msg, size_t at, size_t len)
{
    struct datagram *datagram = hob__alloc_zero(sizeof *datagram + len);
    if (datagram == NULL)
        return NULL;
    list_node_init(&datagram->link);
    datagram->sender_fd = -1;
    datagram->len = len;
    hob__sim_msg_copy_out(msg, at, datagram->bytes, len);
    return datagram;
}

void hob__sim_datagram_free(struct sim *sim, struct datagram *datagram)
{
    hob__sim_not(sim, &datagram->event);
    list_remove(&datagram->link);
    hob__free(datagram->rights);
    hob__free(datagram);
}

static bool queue_is_full(const struct sim *sim, const struct node *node)
{
    return node->queued >= (sim->world.datagrams > 0 ? sim->world.datagrams : QUEUE_MAX);
}

static void enqueue(struct sim *sim, struct node *node, struct datagram *datagram)
{
    list_remove(&datagram->link);
    list_push_back(&node->queue, &datagram->link);
    node->queued++;
    hob__sim_touch(sim, node);
}

static int64_t take_error(struct node *node)
{
    int error = node->error;
    node->error = 0;
    return -error;
}

/* --- receiving ----------------------------------------------------------- */

static void put_name(struct msghdr *msg, const hob_addr *from)
{
    socklen_t room = msg->msg_name != NULL ? msg->msg_namelen : 0;
    socklen_t len = from->len;
    if (from->u.family == AF_UNIX && len <= sizeof(sa_family_t))
        len = 0; // it has no name
    if (msg->msg_name != NULL)
        memcpy(msg->msg_name, from->u.raw, len < room ? len : room);
    msg->msg_namelen = len;
}

/* Is the next in the queue another segment of what `first` begins? */
static struct datagram *next_segment(struct sim *sim, const struct node *node,
                                     const struct datagram *first, size_t so_far)
{
    struct list_node *link = list_first(&node->queue);
    if (link == NULL)
        return NULL;
    struct datagram *next = container_of(link, struct datagram, link);
    bool             fits = next->len > 0 && next->len <= first->len
                && so_far + next->len <= UDP_BYTES_MAX
                && so_far / first->len < UDP_SEGMENTS_MAX && so_far % first->len == 0;
    if (!fits || next->from.len != first->from.len
        || memcmp(next->from.u.raw, first->from.u.raw, first->from.len) != 0)
        return NULL;
    return hob__sim_chance(sim, JOIN_PERCENT) ? next : NULL;
}

static size_t take_datagram(struct sim *sim, struct node *node, struct datagram *datagram)
{
    size_t len = datagram->len;
    hob__sim_datagram_free(sim, datagram);
    node->queued--;
    return len;
}

/* Copies as much as there is room for, from the message's byte `at`. */
static void put_bytes(struct msghdr *msg, size_t at, const struct datagram *datagram, size_t room)
{
    size_t len = at >= room ? 0 : datagram->len < room - at ? datagram->len : room - at;
    hob__sim_msg_copy_in(msg, at, datagram->bytes, len);
}

/* Several in one message, and the size of each: that of the first, but for the last, which may be
 * shorter. Returns the length of all. */
static size_t put_segments(struct sim *sim, struct node *node, struct datagram *first,
                           struct msghdr *msg, size_t room, int *ret_segment)
{
    size_t           all = first->len;
    struct datagram *next;
    struct datagram  head = *first; // without its bytes
    put_bytes(msg, 0, first, room);
    take_datagram(sim, node, first);
    while (head.len > 0 && (next = next_segment(sim, node, &head, all)) != NULL) {
        put_bytes(msg, all, next, room);
        all += take_datagram(sim, node, next);
    }
    *ret_segment = all > head.len ? (int)head.len : 0;
    return all;
}

static void put_control(struct msghdr *msg, int segment)
{
    size_t room = msg->msg_control != NULL ? msg->msg_controllen : 0;
    msg->msg_controllen = 0;
    if (segment == 0)
        return;
    if (room < CMSG_LEN(sizeof segment)) {
        msg->msg_flags |= MSG_CTRUNC;
        return;
    }
    struct cmsghdr head = {
        .cmsg_len = CMSG_LEN(sizeof segment),
        .cmsg_level = IPPROTO_UDP,
        .cmsg_type = UDP_GRO,
    };
    memcpy(msg->msg_control, &head, sizeof head);
    memcpy((uint8_t *)msg->msg_control + CMSG_LEN(0), &segment, sizeof segment);
    msg->msg_controllen = CMSG_SPACE(sizeof segment) < room ? CMSG_SPACE(sizeof segment) : room;
}

int64_t hob__sim_dgram_recv(struct sim *sim, struct node *node, struct msghdr *msg, int flags)
{
    if (node->error != 0)
        return take_error(node);
    struct list_node *link = list_first(&node->queue);
    if (link == NULL)
        return SIM_WAIT;

    struct datagram *datagram = container_of(link, struct datagram, link);
    size_t           room = hob__sim_msg_len(msg), len;
    hob_addr         from = hob__sim_as_seen_by(node, &datagram->from);
    msg->msg_flags = 0;
    if (node->domain != AF_UNIX && hob__sim_option(node, IPPROTO_UDP, UDP_GRO)) {
        int segment;
        len = put_segments(sim, node, datagram, msg, room, &segment);
        put_control(msg, segment);
    } else {
        put_bytes(msg, 0, datagram, room);
        hob__sim_msg_put_rights(msg, datagram->rights);
        len = take_datagram(sim, node, datagram);
    }
    put_name(msg, &from);
    if (len > room)
        msg->msg_flags |= MSG_TRUNC;
    hob__sim_unblock(sim, node);
    return (int64_t)(len > room && !(flags & MSG_TRUNC) ? room : len);
}

/* --- sending: UDP -------------------------------------------------------- */

/* Nobody is at that port: a connected sender is told. */
static void tell_sender(struct sim *sim, const struct datagram *datagram)
{
    struct node *sender = hob__sim_node_at(sim, datagram->sender_fd);
    if (sender == NULL || sender->id != datagram->sender_id || sender->peer_addr.len == 0)
        return;
    sender->error = ECONNREFUSED;
    hob__sim_touch(sim, sender);
}

static struct datagram *datagram_copy(const struct datagram *datagram)
{
    struct iovec  iov = { (void *)(uintptr_t)datagram->bytes, datagram->len };
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
    struct datagram *copy = datagram_new(&msg, 0, datagram->len);
    if (copy == NULL)
        return NULL;
    copy->from = datagram->from;
    copy->to = datagram->to;
    return copy;
}

/* One for each member; who has no room for it, or there is no memory, has lost it. */
static void deliver_to_group(struct sim *sim, struct datagram *datagram)
{
    struct node *node = NULL;
    while ((node = hob__sim_next_member(sim, node, &datagram->to, &datagram->from)) != NULL) {
        struct datagram *copy = queue_is_full(sim, node) ? NULL : datagram_copy(datagram);
        if (copy != NULL)
            enqueue(sim, node, copy);
    }
    hob__sim_datagram_free(sim, datagram);
}

static void deliver(struct sim *sim, struct datagram *datagram)
{
    struct node *to;
    if (hob__sim_is_group(&datagram->to)) {
        deliver_to_group(sim, datagram);
        return;
    }
    if (hob__sim_find_inet(sim, NODE_DGRAM, &datagram->to, &datagram->from, &to) < 0)
        tell_sender(sim, datagram);
    else if (!queue_is_full(sim, to)) {
        enqueue(sim, to, datagram);
        return;
    }
    hob__sim_datagram_free(sim, datagram);
}

static void fire_datagram(struct sim *sim, struct event *event)
{
    deliver(sim, container_of(event, struct datagram, event));
}

/* Where the message goes: to its own address, or to the connected peer. */
static int aim(const struct node *node, const struct msghdr *msg, hob_addr *ret_to)
{
    if (msg->msg_name == NULL || msg->msg_namelen == 0) {
        *ret_to = node->peer_addr;
        return node->peer_addr.len != 0 ? 0 : -EDESTADDRREQ;
    }
    if (msg->msg_namelen < sizeof(sa_family_t) || msg->msg_namelen > sizeof ret_to->u.raw)
        return -EINVAL;
    hob_addr addr = { .len = (uint16_t)msg->msg_namelen };
    memcpy(addr.u.raw, msg->msg_name, msg->msg_namelen);
    if (node->domain != AF_UNIX)
        return hob__sim_aim(node, &addr, ret_to);
    *ret_to = addr;
    return 0;
}

/* The size of UDP_SEGMENT in the message; 0: none. */
static size_t segment_of(const struct msghdr *msg)
{
    for (struct cmsghdr *head = CMSG_FIRSTHDR(msg); head != NULL;
         head = CMSG_NXTHDR((struct msghdr *)(uintptr_t)msg, head)) {
        uint16_t size;
        if (head->cmsg_level != IPPROTO_UDP || head->cmsg_type != UDP_SEGMENT
            || head->cmsg_len != CMSG_LEN(sizeof size))
            continue;
        memcpy(&size, CMSG_DATA(head), sizeof size);
        return size;
    }
    return 0;
}

static void free_datagrams(struct sim *sim, struct list *datagrams)
{
    struct list_node *link;
    while ((link = list_first(datagrams)) != NULL)
        hob__sim_datagram_free(sim, container_of(link, struct datagram, link));
}

/* Nothing leaves unless there is memory for all. */
static int cut_up(struct sim *sim, const struct msghdr *msg, size_t len, size_t segment,
                  struct list *ret_datagrams)
{
    list_init(ret_datagrams);
    for (size_t at = 0; at == 0 || at < len; at += segment) {
        size_t           part = len - at < segment ? len - at : segment;
        struct datagram *datagram = datagram_new(msg, at, part);
        if (datagram == NULL) {
            free_datagrams(sim, ret_datagrams);
            return -ENOMEM;
        }
        list_push_back(ret_datagrams, &datagram->link);
    }
    return 0;
}

/* All members are on this machine. */
static bool is_kept_from_us(const struct node *node, const hob_addr *to)
{
    if (!hob__sim_is_group(to))
        return false;
    return to->u.family == AF_INET ? !hob__sim_option(node, IPPROTO_IP, IP_MULTICAST_LOOP)
                                   : !hob__sim_option(node, IPPROTO_IPV6, IPV6_MULTICAST_LOOP);
}

static void send_off(struct sim *sim, struct node *node, struct datagram *datagram,
                     const hob_addr *to)
{
    list_remove(&datagram->link);
    if (hob__sim_chance(sim, sim->world.loss_percent) || is_kept_from_us(node, to)) {
        hob__sim_datagram_free(sim, datagram);
        return;
    }
    datagram->from = hob__sim_source(node, to, to->u.family);
    datagram->to = *to;
    datagram->sender_fd = node->fd;
    datagram->sender_id = node->id;
    datagram->event.fire = fire_datagram;
    list_push_back(&sim->flying, &datagram->link);
    int64_t latency_ns = hob__sim_latency_ns(sim, node);
    if (latency_ns > 0)
        hob__sim_at(sim, &datagram->event, sim->now_ns + latency_ns);
    else
        deliver(sim, datagram);
}

static int64_t send_udp(struct sim *sim, struct node *node, const struct msghdr *msg)
{
    size_t      len = hob__sim_msg_len(msg), segment = segment_of(msg);
    hob_addr    to;
    struct list datagrams;
    int         rc = len > UDP_BYTES_MAX ? -EMSGSIZE : aim(node, msg, &to);
    if (rc == 0 && segment > 0 && len > segment * UDP_SEGMENTS_MAX)
        rc = -EINVAL;
    if (rc == 0)
        rc = hob__sim_bind_any(sim, node);
    if (rc == 0)
        rc = cut_up(sim, msg, len, segment > 0 ? segment : UDP_BYTES_MAX + 1, &datagrams);
    if (rc < 0)
        return rc;

    struct list_node *link;
    while ((link = list_first(&datagrams)) != NULL)
        send_off(sim, node, container_of(link, struct datagram, link), &to);
    return (int64_t)len;
}

/* --- sending: Unix ------------------------------------------------------- */

static struct node *connected_node(struct sim *sim, const struct node *node)
{
    struct node *peer = hob__sim_node_at(sim, node->peer_fd);
    return peer != NULL && peer->id == node->peer_id ? peer : NULL;
}

static int find_target(struct sim *sim, const struct node *node, const struct msghdr *msg,
                       struct node **ret_target)
{
    if (node->peer_fd >= 0 && (msg->msg_name == NULL || msg->msg_namelen == 0)) {
        *ret_target = connected_node(sim, node);
        return *ret_target != NULL ? 0 : -ECONNREFUSED;
    }
    hob_addr to;
    int rc = aim(node, msg, &to);
    if (rc == -EDESTADDRREQ)
        return -ENOTCONN;
    return rc < 0 ? rc : hob__sim_find_unix(sim, NODE_DGRAM, &to, ret_target);
}

static int64_t send_unix(struct sim *sim, struct node *node, const struct msghdr *msg)
{
    size_t len = hob__sim_msg_len(msg);
    struct node *to;
    int rc = len > UNIX_BYTES_MAX ? -EMSGSIZE : find_target(sim, node, msg, &to);
    if (rc < 0)
        return rc;
    if (to->peer_fd >= 0 && connected_node(sim, to) != node)
        return -EPERM; // it hears only the one that it is connected to
    if (queue_is_full(sim, to)) {
        hob__sim_block(node, to);
        return SIM_WAIT;
    }

    struct datagram *datagram = datagram_new(msg, 0, len);
    if (datagram == NULL)
        return -ENOMEM;
    rc = hob__sim_msg_take_rights(msg, &datagram->rights);
    if (rc < 0) {
        hob__sim_datagram_free(sim, datagram);
        return rc;
    }
    datagram->from = node->local;
    enqueue(sim, to, datagram);
    return (int64_t)len;
}

int64_t hob__sim_dgram_send(struct sim *sim, struct node *node, const struct msghdr *msg)
{
    if (node->error != 0)
        return take_error(node);
    return node->domain == AF_UNIX ? send_unix(sim, node, msg) : send_udp(sim, node, msg);
}

/* --- many at once -------------------------------------------------------- */

/* What is done is told; why a later one was not, hears who tries that again. */
int64_t hob__sim_dgram_many(struct sim *sim, struct node *node, const struct op *op)
{
    unsigned done = 0;
    int64_t  r = 0;
    if (node->kind != NODE_DGRAM)
        return -EOPNOTSUPP;
    for (; done < op->many.count && r >= 0; done += r >= 0) {
        struct mmsghdr *msg = &op->many.msgs[done];
        r = op->kind == OP_RECVMANY ? hob__sim_dgram_recv(sim, node, &msg->msg_hdr, MSG_TRUNC)
                                    : hob__sim_dgram_send(sim, node, &msg->msg_hdr);
        if (r >= 0)
            msg->msg_len = (unsigned)r;
    }
    return done > 0 ? (int64_t)done : r;
}

/* --- connecting, closing ------------------------------------------------- */

int hob__sim_dgram_connect(struct sim *sim, struct node *node, const hob_addr *addr)
{
    if (addr->u.family == AF_UNSPEC) {
        node->peer_addr.len = 0;
        node->peer_fd = -1;
        return 0;
    }
    if (node->domain == AF_UNIX) {
        struct node *peer;
        int rc = hob__sim_find_unix(sim, NODE_DGRAM, addr, &peer);
        if (rc < 0)
            return rc;
        node->peer_fd = peer->fd;
        node->peer_id = peer->id;
        node->peer_addr = *addr;
        return 0;
    }

    hob_addr to;
    int rc = hob__sim_aim(node, addr, &to);
    if (rc == 0)
        rc = hob__sim_bind_any(sim, node);
    if (rc < 0)
        return rc;
    node->local = hob__sim_source(node, &to, node->domain);
    node->peer_addr = hob__sim_as_seen_by(node, &to);
    return 0;
}

void hob__sim_dgram_close(struct sim *sim, struct node *node)
{
    struct list_node *link;
    while ((link = list_first(&node->queue)) != NULL)
        hob__sim_datagram_free(sim, container_of(link, struct datagram, link));
    node->queued = 0;
    hob__sim_leave_all(node);
}

unsigned hob__sim_dgram_ready(const struct node *node)
{
    return POLLOUT | (list_is_empty(&node->queue) ? 0 : POLLIN) | (node->error != 0 ? POLLERR : 0);
}
