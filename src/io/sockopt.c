/* SPDX-License-Identifier: MIT */
/*
 * One table says what each option is in the kernel.
 *
 * An IPv6 socket may carry IPv4 too, and the kernel keeps some options twice: those are set for
 * both, and asked of IPv6. Which family a socket has, the kernel is asked.
 */
#include "io/sockopt.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

enum {
    TCP = FOR_TCP | FOR_LISTENER,
    INTERNET = TCP | FOR_UDP,
    BOUND = FOR_LISTENER | FOR_UDP,
    EVERY = INTERNET | FOR_UNIX,
};

enum how { NUMBER, FLAG, HALVED, RESET };

struct row {
    int      level, name;   /* of IPv4, or of all families     */
    int      level6, name6; /* of IPv6, if that has its own    */
    unsigned kinds;         /* enum sockopt_for                */
    enum how how;
    bool     only_asked;
};

static const struct row ROWS[] = {
    [HOB_OPT_RECV_BUF_BYTES] = { SOL_SOCKET, SO_RCVBUF, 0, 0, EVERY, HALVED, false },
    [HOB_OPT_SEND_BUF_BYTES] = { SOL_SOCKET, SO_SNDBUF, 0, 0, EVERY, HALVED, false },
    [HOB_OPT_NO_DELAY] = { IPPROTO_TCP, TCP_NODELAY, 0, 0, TCP, FLAG, false },
    [HOB_OPT_CORK] = { IPPROTO_TCP, TCP_CORK, 0, 0, FOR_TCP, FLAG, false },
    [HOB_OPT_QUICK_ACK] = { IPPROTO_TCP, TCP_QUICKACK, 0, 0, FOR_TCP, FLAG, false },
    [HOB_OPT_KEEP_ALIVE] = { SOL_SOCKET, SO_KEEPALIVE, 0, 0, TCP, FLAG, false },
    [HOB_OPT_KEEP_IDLE_S] = { IPPROTO_TCP, TCP_KEEPIDLE, 0, 0, TCP, NUMBER, false },
    [HOB_OPT_KEEP_INTERVAL_S] = { IPPROTO_TCP, TCP_KEEPINTVL, 0, 0, TCP, NUMBER, false },
    [HOB_OPT_KEEP_COUNT] = { IPPROTO_TCP, TCP_KEEPCNT, 0, 0, TCP, NUMBER, false },
    [HOB_OPT_USER_TIMEOUT_MS] = { IPPROTO_TCP, TCP_USER_TIMEOUT, 0, 0, TCP, NUMBER, false },
    [HOB_OPT_RESET_ON_CLOSE] = { SOL_SOCKET, SO_LINGER, 0, 0, FOR_TCP, RESET, false },
    [HOB_OPT_NOT_SENT_LOW_BYTES] = { IPPROTO_TCP, TCP_NOTSENT_LOWAT, 0, 0, TCP, NUMBER, false },
    [HOB_OPT_MAX_SEGMENT_BYTES] = { IPPROTO_TCP, TCP_MAXSEG, 0, 0, TCP, NUMBER, false },
    [HOB_OPT_DEFER_ACCEPT_S] = { IPPROTO_TCP, TCP_DEFER_ACCEPT, 0, 0, FOR_LISTENER, NUMBER, false },
    [HOB_OPT_FAST_OPEN_QUEUE] = { IPPROTO_TCP, TCP_FASTOPEN, 0, 0, FOR_LISTENER, NUMBER, false },
    [HOB_OPT_TTL] = { IPPROTO_IP, IP_TTL, IPPROTO_IPV6, IPV6_UNICAST_HOPS, INTERNET, NUMBER, false },
    [HOB_OPT_TRAFFIC_CLASS] = { IPPROTO_IP, IP_TOS, IPPROTO_IPV6, IPV6_TCLASS, INTERNET, NUMBER,
                                false },
    [HOB_OPT_BROADCAST] = { SOL_SOCKET, SO_BROADCAST, 0, 0, FOR_UDP, FLAG, false },
    [HOB_OPT_MULTICAST_TTL] = { IPPROTO_IP, IP_MULTICAST_TTL, IPPROTO_IPV6, IPV6_MULTICAST_HOPS,
                                FOR_UDP, NUMBER, false },
    [HOB_OPT_MULTICAST_LOOP] = { IPPROTO_IP, IP_MULTICAST_LOOP, IPPROTO_IPV6, IPV6_MULTICAST_LOOP,
                                 FOR_UDP, FLAG, false },
    [HOB_OPT_REUSE_ADDR] = { SOL_SOCKET, SO_REUSEADDR, 0, 0, BOUND, FLAG, true },
    [HOB_OPT_REUSE_PORT] = { SOL_SOCKET, SO_REUSEPORT, 0, 0, BOUND, FLAG, true },
    [HOB_OPT_V6_ONLY] = { 0, 0, IPPROTO_IPV6, IPV6_V6ONLY, BOUND, FLAG, true },
};

enum { ROW_COUNT = sizeof ROWS / sizeof ROWS[0] };

static const struct row *find_row(enum sockopt_for kind, hob_sockopt what)
{
    if ((unsigned)what >= ROW_COUNT || (ROWS[what].kinds & kind) == 0)
        return NULL;
    return &ROWS[what];
}

/* Has the socket the IPv6 form of the option? 1, 0, or an error. */
static int asks_ipv6(struct desc *desc, const struct row *row)
{
    int domain;
    if (row->level6 == 0)
        return 0;
    int r = hob__socket_get(desc, SOL_SOCKET, SO_DOMAIN, &domain, sizeof domain);
    return r < 0 ? r : domain == AF_INET6;
}

/* The kernel takes -1 as "as before" for some, and cuts others to a byte. */
static bool is_value(hob_sockopt what, const struct row *row, int value)
{
    if (row->how == FLAG || row->how == RESET)
        return value == 0 || value == 1;
    if (what == HOB_OPT_TTL)
        return value >= 1 && value <= 255;
    if (what == HOB_OPT_TRAFFIC_CLASS)
        return value >= 0 && value <= 255;
    return value >= 0;
}

static int set_reset(struct desc *desc, int value)
{
    struct linger linger = { .l_onoff = value, .l_linger = 0 };
    return hob__socket_set_data(desc, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
}

int hob__sockopt_set(struct desc *desc, enum sockopt_for kind, hob_sockopt what, int value)
{
    const struct row *row = find_row(kind, what);

    if (row == NULL || row->only_asked)
        return -ENOPROTOOPT;
    if (!is_value(what, row, value))
        return -EINVAL;
    if (row->how == RESET)
        return set_reset(desc, value);
    int r = asks_ipv6(desc, row);
    if (r > 0)
        r = hob__socket_set(desc, row->level6, row->name6, value);
    return r < 0 ? r : hob__socket_set(desc, row->level, row->name, value);
}

static int get_reset(struct desc *desc, int *ret_value)
{
    struct linger linger = { 0 };
    int r = hob__socket_get(desc, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    if (r < 0)
        return r;
    *ret_value = linger.l_onoff != 0 && linger.l_linger == 0;
    return 0;
}

int hob__sockopt_get(struct desc *desc, enum sockopt_for kind, hob_sockopt what, int *ret_value)
{
    const struct row *row = find_row(kind, what);
    int               value = 0;

    if (row == NULL)
        return -ENOPROTOOPT;
    if (row->how == RESET)
        return get_reset(desc, ret_value);
    int r = asks_ipv6(desc, row);
    if (r == 0 && row->level == 0 && row->name == 0)
        return -ENOPROTOOPT; // IPv6 alone has it
    if (r >= 0)
        r = r > 0 ? hob__socket_get(desc, row->level6, row->name6, &value, sizeof value)
                  : hob__socket_get(desc, row->level, row->name, &value, sizeof value);
    if (r < 0)
        return r;
    *ret_value = row->how == HALVED ? value / 2 : row->how == FLAG ? value != 0 : value;
    return 0;
}

/* ---- at the opening ---- */

int hob__sockopt_set_buffers(struct desc *desc, int recv_bytes, int send_bytes)
{
    int r = recv_bytes < 0 || send_bytes < 0 ? -EINVAL : 0;
    if (r >= 0 && recv_bytes > 0)
        r = hob__socket_set(desc, SOL_SOCKET, SO_RCVBUF, recv_bytes);
    if (r >= 0 && send_bytes > 0)
        r = hob__socket_set(desc, SOL_SOCKET, SO_SNDBUF, send_bytes);
    return r;
}

int hob__sockopt_set_path(struct desc *desc, enum sockopt_for kind, int ttl, int traffic_class,
                          const char *device)
{
    int r = 0;
    if (ttl != 0)
        r = hob__sockopt_set(desc, kind, HOB_OPT_TTL, ttl);
    if (r >= 0 && traffic_class != 0)
        r = hob__sockopt_set(desc, kind, HOB_OPT_TRAFFIC_CLASS, traffic_class);
    if (r >= 0 && device != NULL)
        r = hob__socket_set_data(desc, SOL_SOCKET, SO_BINDTODEVICE, device, strlen(device));
    return r;
}
