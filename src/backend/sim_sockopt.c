/* SPDX-License-Identifier: MIT */
/*
 * Options of sockets in the simulated world: checked as Linux does, remembered, and told again.
 *
 * Few change anything: how addresses are shared (sim_net.c), groups (sim_group.c), and what is
 * said of the rest of the data when a connection closes. One that is not in the table is as one
 * that this kernel does not know. An accepted connection has its listener's.
 */
#include <errno.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "backend/sim.h"

enum {
    BUF_MAX = 4194304,
    RECV_BUF_MIN = 2304,
    SEND_BUF_MIN = 4608,
    DEFER_TIMEOUT_MAX_S = 120,
    STATE_ESTABLISHED = 1,
    STATE_CLOSED = 7,
    STATE_LISTEN = 10,
};

/* Which sockets know an option. */
enum { OF_TCP = 1, OF_UDP = 2, OF_UNIX = 4, OF_ALL = 7, OF_IP = OF_TCP | OF_UDP };

enum rule {
    FLAG,    /* 0, or anything else for 1             */
    RANGE,   /* min to max, else -EINVAL              */
    BYTE,    /* cut to its lowest eight bits          */
    BUFFER,  /* doubled, and kept between min and max */
    DEFER,   /* rounded up to what resending makes of it */
};

static const struct rule_row {
    int       level, name;
    unsigned  of;
    bool      v6_only; /* of IPv6 sockets */
    enum rule rule;
    int       min, max, initial;
} ROWS[] = {
    { SOL_SOCKET, SO_RCVBUF, OF_ALL, false, BUFFER, RECV_BUF_MIN, BUF_MAX, 212992 },
    { SOL_SOCKET, SO_SNDBUF, OF_ALL, false, BUFFER, SEND_BUF_MIN, BUF_MAX, 212992 },
    { SOL_SOCKET, SO_KEEPALIVE, OF_ALL, false, FLAG, 0, 0, 0 },
    { SOL_SOCKET, SO_BROADCAST, OF_ALL, false, FLAG, 0, 0, 0 },
    { IPPROTO_TCP, TCP_NODELAY, OF_TCP, false, FLAG, 0, 0, 0 },
    { IPPROTO_TCP, TCP_CORK, OF_TCP, false, FLAG, 0, 0, 0 },
    { IPPROTO_TCP, TCP_QUICKACK, OF_TCP, false, FLAG, 0, 0, 1 },
    { IPPROTO_TCP, TCP_KEEPIDLE, OF_TCP, false, RANGE, 1, 32767, 7200 },
    { IPPROTO_TCP, TCP_KEEPINTVL, OF_TCP, false, RANGE, 1, 32767, 75 },
    { IPPROTO_TCP, TCP_KEEPCNT, OF_TCP, false, RANGE, 1, 127, 9 },
    { IPPROTO_TCP, TCP_USER_TIMEOUT, OF_TCP, false, RANGE, 0, INT_MAX, 0 },
    { IPPROTO_TCP, TCP_NOTSENT_LOWAT, OF_TCP, false, RANGE, INT_MIN, INT_MAX, 0 },
    { IPPROTO_TCP, TCP_MAXSEG, OF_TCP, false, RANGE, 88, 32767, 536 },
    { IPPROTO_TCP, TCP_DEFER_ACCEPT, OF_TCP, false, DEFER, 0, 0, 0 },
    { IPPROTO_TCP, TCP_FASTOPEN, OF_TCP, false, RANGE, 0, INT_MAX, 0 },
    { IPPROTO_IP, IP_TTL, OF_IP, false, RANGE, 1, 255, 64 },
    { IPPROTO_IP, IP_TOS, OF_IP, false, BYTE, 0, 0, 0 },
    { IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, OF_IP, false, FLAG, 0, 0, 0 },
    { IPPROTO_IPV6, IPV6_UNICAST_HOPS, OF_IP, true, RANGE, 1, 255, 64 },
    { IPPROTO_IPV6, IPV6_TCLASS, OF_IP, true, RANGE, 0, 255, 0 },
    { IPPROTO_IP, IP_MULTICAST_TTL, OF_UDP, false, RANGE, 0, 255, 1 },
    { IPPROTO_IP, IP_MULTICAST_LOOP, OF_UDP, false, FLAG, 0, 0, 1 },
    { IPPROTO_IP, IP_MULTICAST_ALL, OF_UDP, false, FLAG, 0, 0, 1 },
    { IPPROTO_IPV6, IPV6_MULTICAST_HOPS, OF_UDP, true, RANGE, 0, 255, 1 },
    { IPPROTO_IPV6, IPV6_MULTICAST_LOOP, OF_UDP, true, FLAG, 0, 0, 1 },
    { IPPROTO_IPV6, IPV6_MULTICAST_ALL, OF_UDP, true, FLAG, 0, 0, 1 },
    { IPPROTO_UDP, UDP_GRO, OF_UDP, false, FLAG, 0, 0, 0 },
};

enum { ROW_COUNT = sizeof ROWS / sizeof ROWS[0] };

static_assert((int)ROW_COUNT <= (int)SIM_OPTIONS_MAX, "a node has room for all");

static unsigned sort_of(const struct node *node)
{
    if (node->domain == AF_UNIX)
        return OF_UNIX;
    return node->kind == NODE_STREAM ? OF_TCP : OF_UDP;
}

static int find_row(const struct node *node, int level, int name)
{
    for (int i = 0; i < ROW_COUNT; i++) {
        const struct rule_row *row = &ROWS[i];
        if (row->level == level && row->name == name && (row->of & sort_of(node)) != 0
            && (!row->v6_only || node->domain == AF_INET6))
            return i;
    }
    // A Unix socket has no levels but the first.
    return node->domain == AF_UNIX && level != SOL_SOCKET ? -EOPNOTSUPP : -ENOPROTOOPT;
}

/* The kernel counts how often it sends its answer again: after 1 s, 2 s, 4 s ... */
static int round_defer(int seconds)
{
    int period = 0, timeout = 1;
    for (int tries = 0; period < seconds && tries < 255; tries++) {
        period += timeout;
        timeout = 2 * timeout < DEFER_TIMEOUT_MAX_S ? 2 * timeout : DEFER_TIMEOUT_MAX_S;
    }
    return period;
}

static int apply_rule(const struct rule_row *row, int value, int *ret_value)
{
    switch (row->rule) {
    case FLAG:
        *ret_value = value != 0;
        return 0;
    case RANGE:
        if (value < row->min || value > row->max)
            return -EINVAL;
        *ret_value = value;
        return 0;
    case BYTE:
        *ret_value = value & 0xff;
        return 0;
    case BUFFER:
        value = value < 0 ? 0 : value > row->max ? row->max : value;
        *ret_value = 2 * value < row->min ? row->min : 2 * value;
        return 0;
    case DEFER:
        *ret_value = round_defer(value);
        return 0;
    }
    return -EINVAL;
}

/* ---- those that the world acts on ---- */

static bool is_level_known(const struct node *node, int level, int name)
{
    if (level == SOL_SOCKET)
        return true;
    return level == IPPROTO_IPV6 && name == IPV6_V6ONLY && node->domain == AF_INET6;
}

static bool *flag_at(struct node *node, int level, int name)
{
    if (!is_level_known(node, level, name))
        return NULL;
    if (level == IPPROTO_IPV6)
        return &node->v6_only;
    return name == SO_REUSEADDR ? &node->reuse_addr : name == SO_REUSEPORT ? &node->reuse_port : NULL;
}

static int set_linger(struct node *node, const void *data, size_t len)
{
    struct linger linger;
    if (len < sizeof linger)
        return -EINVAL;
    memcpy(&linger, data, sizeof linger);
    node->reset_on_close = linger.l_onoff != 0 && linger.l_linger == 0;
    return 0;
}

/* There is one interface. */
static int set_device(const char *name, size_t len)
{
    return len == 0 || (len >= 2 && strncmp(name, "lo", len) == 0) ? 0 : -ENODEV;
}

int hob__sim_setopt(struct node *node, const struct op *op)
{
    int         level = op->setopt.level, name = op->setopt.name, value = op->setopt.value;
    const void *data = op->setopt.data;

    if (level == SOL_SOCKET && name == SO_LINGER)
        return data != NULL ? set_linger(node, data, op->setopt.len) : -EINVAL;
    if (level == SOL_SOCKET && name == SO_BINDTODEVICE)
        return data != NULL ? set_device(data, op->setopt.len) : -EINVAL;
    if (hob__sim_is_group_option(level, name))
        return sort_of(node) == OF_UDP ? hob__sim_group_option(node, op) : -ENOPROTOOPT;
    bool *flag = flag_at(node, level, name);
    if (flag != NULL) {
        *flag = value != 0;
        return 0;
    }
    int row = find_row(node, level, name);
    if (row < 0)
        return row;
    int r = apply_rule(&ROWS[row], value, &node->options[row]);
    if (r == 0)
        node->options_set |= UINT64_C(1) << row;
    return r;
}

/* ---- asking ---- */

static int put(const struct op *op, const void *value, size_t len)
{
    if (len > op->getopt.len)
        len = op->getopt.len;
    memcpy(op->getopt.out, value, len);
    return (int)len;
}

static int put_tcp_info(const struct node *node, const struct op *op)
{
    struct tcp_info info = {
        .tcpi_state = node->state == NODE_LISTENING ? STATE_LISTEN
                      : node->state == NODE_CONNECTED ? STATE_ESTABLISHED : STATE_CLOSED,
    };
    return put(op, &info, sizeof info);
}

static int put_linger(const struct node *node, const struct op *op)
{
    struct linger linger = { .l_onoff = node->reset_on_close };
    return put(op, &linger, sizeof linger);
}

/* Everybody in this world is this process. */
static int put_cred(const struct node *node, const struct op *op)
{
    struct ucred cred = { .pid = getpid(), .uid = getuid(), .gid = getgid() };
    if (node->domain != AF_UNIX || node->state != NODE_CONNECTED)
        cred = (struct ucred){ .pid = 0, .uid = (uid_t)-1, .gid = (gid_t)-1 };
    return put(op, &cred, sizeof cred);
}

static int put_number(const struct op *op, int value)
{
    return put(op, &value, sizeof value);
}

static int value_of(const struct node *node, int row)
{
    return (node->options_set & (UINT64_C(1) << row)) != 0 ? node->options[row] : ROWS[row].initial;
}

int hob__sim_getopt(struct node *node, const struct op *op)
{
    int level = op->getopt.level, name = op->getopt.name;

    if (level == SOL_SOCKET && name == SO_DOMAIN)
        return put_number(op, node->domain);
    if (level == SOL_SOCKET && name == SO_LINGER)
        return put_linger(node, op);
    if (level == SOL_SOCKET && name == SO_PEERCRED)
        return put_cred(node, op);
    if (level == IPPROTO_TCP && name == TCP_INFO && sort_of(node) == OF_TCP)
        return put_tcp_info(node, op);
    const bool *flag = flag_at(node, level, name);
    if (flag != NULL)
        return put_number(op, *flag);
    int row = find_row(node, level, name);
    return row < 0 ? row : put_number(op, value_of(node, row));
}

int hob__sim_option(const struct node *node, int level, int name)
{
    int row = find_row(node, level, name);
    return row < 0 ? 0 : value_of(node, row);
}

void hob__sim_inherit_options(struct node *node, const struct node *listener)
{
    memcpy(node->options, listener->options, sizeof node->options);
    node->options_set = listener->options_set;
    node->v6_only = listener->v6_only;
}
