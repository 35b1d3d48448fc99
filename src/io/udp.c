/* SPDX-License-Identifier: MIT */
#include "hob/udp.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>

#include "io/dgram.h"
#include "io/sockopt.h"

#ifndef IPV6_MULTICAST_ALL
#define IPV6_MULTICAST_ALL 29
#endif

struct hob_udp {
    struct dgram socket;
};

static bool is_open(const hob_udp *socket)
{
    return socket != NULL && dgram_is_open(&socket->socket, TAG_UDP);
}

/* ---- opening ---- */

static int set_options(struct desc *desc, const hob_addr *local, const hob_udp_opts *opts)
{
    int r = hob__sockopt_set_buffers(desc, opts->recv_buf_bytes, opts->send_buf_bytes);
    if (r >= 0 && opts->reuse_addr)
        r = hob__socket_set(desc, SOL_SOCKET, SO_REUSEADDR, 1);
    if (r >= 0 && opts->reuse_port)
        r = hob__socket_set(desc, SOL_SOCKET, SO_REUSEPORT, 1);
    if (r >= 0 && local->u.family == AF_INET6 && opts->v6_only)
        r = hob__socket_set(desc, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    if (r >= 0 && opts->broadcast)
        r = hob__socket_set(desc, SOL_SOCKET, SO_BROADCAST, 1);
    if (r >= 0 && opts->join_segments)
        r = hob__socket_set(desc, IPPROTO_UDP, UDP_GRO, 1);
    if (r >= 0)
        r = hob__sockopt_set_path(desc, FOR_UDP, opts->ttl, opts->traffic_class, opts->device);
    return r;
}

static int open_at(const hob_addr *local, const hob_udp_opts *opts, const void *made_at,
                   hob_udp **ret_socket)
{
    static const hob_udp_opts defaults;
    struct dgram             *socket;

    if (local->len == 0 || (local->u.family != AF_INET && local->u.family != AF_INET6))
        return -EAFNOSUPPORT;
    int r = hob__dgram_open(local->u.family, TAG_UDP, "UDP socket", made_at, &socket);
    if (r < 0)
        return r;
    opts = opts != NULL ? opts : &defaults;
    socket->joins_segments = opts->join_segments;
    r = set_options(&socket->desc, local, opts);
    if (r >= 0)
        r = hob__dgram_bind(socket, local);
    if (r < 0) {
        hob__dgram_close(socket);
        return r;
    }

    *ret_socket = (hob_udp *)socket;
    return 0;
}

int hob_udp_open(const hob_addr *local, hob_udp **ret_socket)
{
    return open_at(local, NULL, __builtin_return_address(0), ret_socket);
}

int hob_udp_open_with(const hob_addr *local, const hob_udp_opts *opts, hob_udp **ret_socket)
{
    return open_at(local, opts, __builtin_return_address(0), ret_socket);
}

int hob_udp_from_fd(int fd, const hob_udp_opts *opts, hob_udp **ret_socket)
{
    struct dgram *socket;

    int r = hob__socket_adopt(fd, AF_INET, SOCK_DGRAM, false, false);
    if (r >= 0)
        r = hob__dgram_adopt(fd, TAG_UDP, "UDP socket", __builtin_return_address(0), &socket);
    if (r < 0)
        return r;
    socket->joins_segments = opts != NULL && opts->join_segments;
    r = hob__socket_name(&socket->desc, OP_SOCKNAME, &socket->local);
    if (r >= 0)
        r = hob__socket_set(&socket->desc, IPPROTO_UDP, UDP_GRO, socket->joins_segments);
    if (r == -ENOPROTOOPT && !socket->joins_segments)
        r = 0; // before Linux 5.0
    if (r < 0) {
        hob__dgram_disown(socket);
        return r;
    }
    *ret_socket = (hob_udp *)socket;
    return 0;
}

int hob_udp_fd(const hob_udp *socket)
{
    hob_require(is_open(socket), "hob_udp_fd" NOT_OPEN);
    return socket->socket.desc.fd;
}

int hob_udp_set_option(hob_udp *socket, hob_sockopt what, int value)
{
    hob_require(is_open(socket), "hob_udp_set_option" NOT_OPEN);
    return hob__sockopt_set(&socket->socket.desc, FOR_UDP, what, value);
}

int hob_udp_get_option(hob_udp *socket, hob_sockopt what, int *ret_value)
{
    hob_require(is_open(socket), "hob_udp_get_option" NOT_OPEN);
    return hob__sockopt_get(&socket->socket.desc, FOR_UDP, what, ret_value);
}

/* ---- groups ---- */

/* A socket that is bound to any address would hear what any program of the machine joined. */
static int hear_own_groups(struct desc *desc, int family)
{
    if (family == AF_INET)
        return hob__socket_set(desc, IPPROTO_IP, IP_MULTICAST_ALL, 0);
    int r = hob__socket_set(desc, IPPROTO_IPV6, IPV6_MULTICAST_ALL, 0);
    return r == -ENOPROTOOPT ? 0 : r; // before Linux 4.20
}

static void put_addr(struct sockaddr_storage *to, const hob_addr *addr)
{
    memset(to, 0, sizeof *to);
    memcpy(to, addr->u.raw, addr->len);
}

static int change_group(struct desc *desc, const hob_udp_group *group, int name, int name_of_source)
{
    int level = group->addr.u.family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6;
    if (group->source.len == 0) {
        struct group_req req = { .gr_interface = group->interface };
        put_addr(&req.gr_group, &group->addr);
        return hob__socket_set_data(desc, level, name, &req, sizeof req);
    }
    struct group_source_req req = { .gsr_interface = group->interface };
    put_addr(&req.gsr_group, &group->addr);
    put_addr(&req.gsr_source, &group->source);
    return hob__socket_set_data(desc, level, name_of_source, &req, sizeof req);
}

static bool fits(const hob_udp *socket, const hob_udp_group *group)
{
    uint16_t family = socket->socket.local.u.family;
    return group->addr.len != 0 && group->addr.u.family == family &&
           (group->source.len == 0 || group->source.u.family == family);
}

int hob_udp_join(hob_udp *socket, const hob_udp_group *group)
{
    hob_require(is_open(socket), "hob_udp_join" NOT_OPEN);
    if (!fits(socket, group))
        return -EAFNOSUPPORT;
    HOB_TRY(hear_own_groups(&socket->socket.desc, group->addr.u.family));
    return change_group(&socket->socket.desc, group, MCAST_JOIN_GROUP, MCAST_JOIN_SOURCE_GROUP);
}

int hob_udp_leave(hob_udp *socket, const hob_udp_group *group)
{
    hob_require(is_open(socket), "hob_udp_leave" NOT_OPEN);
    if (!fits(socket, group))
        return -EAFNOSUPPORT;
    return change_group(&socket->socket.desc, group, MCAST_LEAVE_GROUP, MCAST_LEAVE_SOURCE_GROUP);
}

int hob_udp_multicast_by(hob_udp *socket, unsigned interface)
{
    hob_require(is_open(socket), "hob_udp_multicast_by" NOT_OPEN);
    struct desc *desc = &socket->socket.desc;
    if (socket->socket.local.u.family == AF_INET6)
        return hob__socket_set(desc, IPPROTO_IPV6, IPV6_MULTICAST_IF, (int)interface);
    struct ip_mreqn by = { .imr_ifindex = (int)interface };
    return hob__socket_set_data(desc, IPPROTO_IP, IP_MULTICAST_IF, &by, sizeof by);
}

/* ---- datagrams ---- */

int hob_udp_connect(hob_udp *socket, const hob_addr *peer)
{
    hob_require(is_open(socket), "hob_udp_connect" NOT_OPEN);

    struct desc *desc = &socket->socket.desc;
    struct op    op = { .kind = OP_CONNECT, .desc = desc, .connect = { .addr = peer } };
    hob__op_await(&op);
    if (op.result < 0)
        return (int)op.result;

    // A socket that was bound to any address has one of its own now.
    return hob__socket_name(desc, OP_SOCKNAME, &socket->socket.local);
}

ssize_t hob_udp_recv(hob_udp *socket, void *buf, size_t len, hob_addr *ret_from)
{
    hob_require(is_open(socket), "hob_udp_recv" NOT_OPEN);
    return hob__dgram_recv(&socket->socket, buf, len, ret_from);
}

int hob_udp_recv_prep(hob_op *place, hob_udp *socket, void *buf, size_t len, hob_addr *ret_from)
{
    hob_require(is_open(socket), "hob_udp_recv_prep" NOT_OPEN);
    return hob__dgram_recv_prep(place, &socket->socket, buf, len, ret_from);
}

ssize_t hob_udp_send(hob_udp *socket, const void *buf, size_t len, const hob_addr *to)
{
    hob_require(is_open(socket), "hob_udp_send" NOT_OPEN);
    return hob__dgram_send(&socket->socket, buf, len, to);
}

int hob_udp_send_prep(hob_op *place, hob_udp *socket, const void *buf, size_t len,
                      const hob_addr *to)
{
    hob_require(is_open(socket), "hob_udp_send_prep" NOT_OPEN);
    return hob__dgram_send_prep(place, &socket->socket, buf, len, to);
}

ssize_t hob_udp_recv_many(hob_udp *socket, hob_udp_msg *msgs, size_t count)
{
    hob_require(is_open(socket), "hob_udp_recv_many" NOT_OPEN);
    return hob__dgram_recv_many(&socket->socket, msgs, count);
}

int hob_udp_recv_many_prep(hob_op *place, hob_udp *socket, hob_udp_msg *msgs, size_t count)
{
    hob_require(is_open(socket), "hob_udp_recv_many_prep" NOT_OPEN);
    return hob__dgram_recv_many_prep(place, &socket->socket, msgs, count);
}

ssize_t hob_udp_send_many(hob_udp *socket, const hob_udp_msg *msgs, size_t count)
{
    hob_require(is_open(socket), "hob_udp_send_many" NOT_OPEN);
    return hob__dgram_send_many(&socket->socket, msgs, count);
}

int hob_udp_send_many_prep(hob_op *place, hob_udp *socket, const hob_udp_msg *msgs, size_t count)
{
    hob_require(is_open(socket), "hob_udp_send_many_prep" NOT_OPEN);
    return hob__dgram_send_many_prep(place, &socket->socket, msgs, count);
}

hob_addr hob_udp_local_addr(const hob_udp *socket)
{
    hob_require(is_open(socket), "hob_udp_local_addr" NOT_OPEN);
    return socket->socket.local;
}

void hob_udp_close(hob_udp *socket)
{
    if (socket == NULL)
        return;
    hob_require(is_open(socket), "hob_udp_close" NOT_OPEN);
    hob__dgram_close(&socket->socket);
}
