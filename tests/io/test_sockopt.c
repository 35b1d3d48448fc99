/* SPDX-License-Identifier: MIT */
/* Options: set, told again, refused, and handed down; alike on every backend. */
#include <limits.h>

#include "support/io.h"

/* A value that every kernel takes, and what it says then. */
struct plain {
    hob_sockopt what;
    int         set, told;
};

static const struct plain OF_TCP[] = {
    { HOB_OPT_NO_DELAY, 0, 0 },
    { HOB_OPT_NO_DELAY, 1, 1 },
    { HOB_OPT_CORK, 1, 1 },
    { HOB_OPT_CORK, 0, 0 },
    { HOB_OPT_KEEP_ALIVE, 1, 1 },
    { HOB_OPT_KEEP_IDLE_S, 7, 7 },
    { HOB_OPT_KEEP_INTERVAL_S, 3, 3 },
    { HOB_OPT_KEEP_COUNT, 127, 127 },
    { HOB_OPT_USER_TIMEOUT_MS, 1234, 1234 },
    { HOB_OPT_RESET_ON_CLOSE, 1, 1 },
    { HOB_OPT_RESET_ON_CLOSE, 0, 0 },
    { HOB_OPT_NOT_SENT_LOW_BYTES, 16384, 16384 },
    { HOB_OPT_TTL, 3, 3 },
    { HOB_OPT_TRAFFIC_CLASS, 0x28, 0x28 },
    { HOB_OPT_RECV_BUF_BYTES, 20000, 20000 },
    { HOB_OPT_SEND_BUF_BYTES, 30000, 30000 },
};

#define COUNT_OF(array) (sizeof(array) / sizeof (array)[0])

TEST_ON_ALL(sockopt, a_connection_tells_what_was_set)
{
    TCP(a);
    TCP(b);
    int value = -1;

    check_ok(tcp_pair(&a, &b));
    for (size_t i = 0; i < COUNT_OF(OF_TCP); i++) {
        check_ok(hob_tcp_set_option(a, OF_TCP[i].what, OF_TCP[i].set));
        check_ok(hob_tcp_get_option(a, OF_TCP[i].what, &value));
        check_eq(value, OF_TCP[i].told);
    }
}

TEST_ON_ALL(sockopt, what_is_no_value_is_refused_and_changes_nothing)
{
    static const struct plain wrong[] = {
        { HOB_OPT_NO_DELAY, 2, 0 },          { HOB_OPT_NO_DELAY, -1, 0 },
        { HOB_OPT_KEEP_IDLE_S, 0, 0 },       { HOB_OPT_KEEP_IDLE_S, 32768, 0 },
        { HOB_OPT_KEEP_INTERVAL_S, 0, 0 },   { HOB_OPT_KEEP_COUNT, 128, 0 },
        { HOB_OPT_KEEP_COUNT, 0, 0 },        { HOB_OPT_USER_TIMEOUT_MS, -1, 0 },
        { HOB_OPT_TTL, 0, 0 },               { HOB_OPT_TTL, 256, 0 },
        { HOB_OPT_TTL, -1, 0 },              { HOB_OPT_TRAFFIC_CLASS, 256, 0 },
        { HOB_OPT_TRAFFIC_CLASS, -1, 0 },    { HOB_OPT_RECV_BUF_BYTES, -1, 0 },
        { HOB_OPT_RESET_ON_CLOSE, 5, 0 },
    };
    TCP(a);
    TCP(b);
    int before = -1, after = -2;

    check_ok(tcp_pair(&a, &b));
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        check_ok(hob_tcp_get_option(a, wrong[i].what, &before));
        check_ok(hob_tcp_set_option(a, wrong[i].what, before)); // also when it was set before
        check_ok(hob_tcp_get_option(a, wrong[i].what, &before));
        check_err(hob_tcp_set_option(a, wrong[i].what, wrong[i].set), -EINVAL);
        check_ok(hob_tcp_get_option(a, wrong[i].what, &after));
        check_eq(before, after);
    }
}

TEST_ON_ALL(sockopt, each_kind_of_socket_knows_its_own)
{
    TCP(a);
    TCP(b);
    LISTENER(listener);
    UDP(udp);
    UNIX(x);
    UNIX(y);
    hob_addr any = hob_addr_loopback(0);
    int      value = 77;

    check_ok(tcp_pair(&a, &b));
    check_ok(listen_here(&listener));
    check_ok(hob_udp_open(&any, &udp));
    check_ok(hob_unix_pair(&x, &y));
    check_err(hob_tcp_set_option(a, HOB_OPT_BROADCAST, 1), -ENOPROTOOPT);
    check_err(hob_tcp_set_option(a, HOB_OPT_DEFER_ACCEPT_S, 1), -ENOPROTOOPT);
    check_err(hob_tcp_listener_set_option(listener, HOB_OPT_CORK, 1), -ENOPROTOOPT);
    check_err(hob_tcp_listener_set_option(listener, HOB_OPT_REUSE_PORT, 1), -ENOPROTOOPT);
    check_err(hob_tcp_listener_get_option(listener, HOB_OPT_V6_ONLY, &value), -ENOPROTOOPT);
    check_err(hob_udp_get_option(udp, HOB_OPT_NO_DELAY, &value), -ENOPROTOOPT);
    check_err(hob_unix_get_option(x, HOB_OPT_TTL, &value), -ENOPROTOOPT);
    check_err(hob_unix_set_option(x, (hob_sockopt)4711, 1), -ENOPROTOOPT);
    check_eq(value, 77);

    check_ok(hob_udp_set_option(udp, HOB_OPT_BROADCAST, 1));
    check_ok(hob_udp_get_option(udp, HOB_OPT_BROADCAST, &value));
    check_eq(value, 1);
    check_ok(hob_unix_set_option(x, HOB_OPT_SEND_BUF_BYTES, 10000));
    check_ok(hob_unix_get_option(x, HOB_OPT_SEND_BUF_BYTES, &value));
    check_eq(value, 10000);
    check_ok(hob_tcp_listener_get_option(listener, HOB_OPT_REUSE_ADDR, &value));
    check_eq(value, 1);
}

TEST_ON_ALL(sockopt, a_listener_hands_its_options_down)
{
    LISTENER(listener);
    TCP(a);
    TCP(b);
    hob_addr            any = hob_addr_loopback(0);
    hob_tcp_listen_opts opts = {
        .conn = { .delay = 1, .keep_alive = 1, .keep_idle_s = 11, .user_timeout_ms = 4000,
                  .ttl = 9, .traffic_class = 0x10, .device = "lo" },
        .fast_open_queue = 5,
    };
    int value = -1;

    int r = hob_tcp_listen(&any, &opts, &listener);
    if (r == -EPERM)
        skip("binding to a device needs a newer kernel, or root");
    check_ok(r);
    check_ok(connect_to(listener, &a));
    check_ok(hob_tcp_accept(listener, &b));
    check_ok(hob_tcp_get_option(b, HOB_OPT_NO_DELAY, &value));
    check_eq(value, 0);
    check_ok(hob_tcp_get_option(b, HOB_OPT_KEEP_ALIVE, &value));
    check_eq(value, 1);
    check_ok(hob_tcp_get_option(b, HOB_OPT_KEEP_IDLE_S, &value));
    check_eq(value, 11);
    check_ok(hob_tcp_get_option(b, HOB_OPT_USER_TIMEOUT_MS, &value));
    check_eq(value, 4000);
    check_ok(hob_tcp_get_option(b, HOB_OPT_TTL, &value));
    check_eq(value, 9);
    check_ok(hob_tcp_get_option(b, HOB_OPT_TRAFFIC_CLASS, &value));
    check_eq(value, 0x10);
    check_ok(hob_tcp_listener_get_option(listener, HOB_OPT_FAST_OPEN_QUEUE, &value));
    check_eq(value, 5);
}

TEST_ON_ALL(sockopt, deferring_is_rounded_up_as_the_kernel_does)
{
    LISTENER(listener);
    hob_addr            any = hob_addr_loopback(0);
    hob_tcp_listen_opts opts = { .defer_accept_s = 5 };
    int                 value = -1;

    check_ok(hob_tcp_listen(&any, &opts, &listener));
    check_ok(hob_tcp_listener_get_option(listener, HOB_OPT_DEFER_ACCEPT_S, &value));
    check_eq(value, 7);
    check_ok(hob_tcp_listener_set_option(listener, HOB_OPT_DEFER_ACCEPT_S, 1));
    check_ok(hob_tcp_listener_get_option(listener, HOB_OPT_DEFER_ACCEPT_S, &value));
    check_eq(value, 1);
}

TEST_ON_ALL(sockopt, what_an_opening_cannot_have_opens_nothing)
{
    hob_addr            any = hob_addr_loopback(0);
    hob_tcp_listener   *listener = NULL;
    hob_tcp            *conn = NULL;
    hob_udp            *udp = NULL;
    hob_tcp_listen_opts nowhere = { .conn = { .device = "no-such-0" } };
    hob_tcp_opts        late = { .user_timeout_ms = -3 };
    hob_udp_opts        far = { .ttl = 300 }, less = { .recv_buf_bytes = -1 };
    hob_tcp_listen_opts none = { .conn = { .send_buf_bytes = -4096 } };

    int r = hob_tcp_listen(&any, &nowhere, &listener);
    check(r == -ENODEV || r == -EPERM);
    check_err(hob_tcp_connect(&any, &late, &conn), -EINVAL);
    check_err(hob_udp_open_with(&any, &far, &udp), -EINVAL);
    check_err(hob_udp_open_with(&any, &less, &udp), -EINVAL);
    check_err(hob_tcp_listen(&any, &none, &listener), -EINVAL);
    check(listener == NULL);
    check(conn == NULL);
    check(udp == NULL);
}

TEST_ON_ALL(sockopt, a_client_comes_from_the_address_it_wants)
{
    LISTENER(listener);
    TCP(a);
    TCP(b);
    hob_addr     from = hob_addr_loopback(0), seen;
    hob_tcp_opts opts = { .local = &from };

    if (is_emulated())
        skip("the emulator does not carry IP_BIND_ADDRESS_NO_PORT");
    if (!in_sim()) // the kernel has all of 127.0.0.0/8
        check_ok(hob_addr_parse("127.0.0.77:0", &from));
    check_ok(listen_here(&listener));
    hob_addr to = hob_tcp_listener_addr(listener);
    check_ok(hob_tcp_connect(&to, &opts, &a));
    check_ok(hob_tcp_accept(listener, &b));
    seen = hob_tcp_peer_addr(b);
    check_ne(hob_addr_port(&seen), 0);
    check_mem(seen.u.raw + 4, from.u.raw + 4, 4);
}

TEST_ON_ALL(sockopt, a_reset_close_is_heard_as_one)
{
    TCP(a);
    TCP(b);
    char buf[4];

    check_ok(tcp_pair(&a, &b));
    check_ok(hob_tcp_set_option(a, HOB_OPT_RESET_ON_CLOSE, 1));
    close_tcp(&a);
    check_err(hob_tcp_read(b, buf, sizeof buf), -ECONNRESET);
}

TEST_ON_ALL(sockopt, the_kernel_tells_what_it_knows_of_a_connection)
{
    TCP(a);
    TCP(b);
    hob_tcp_info info;
    char         buf[4];

    check_ok(tcp_pair(&a, &b));
    check_eq(hob_tcp_write(a, "hello", 5), 5);
    check_ok(hob_tcp_read(b, buf, sizeof buf));
    memset(&info, 0xff, sizeof info);
    check_ok(hob_tcp_info_get(b, &info));
    check_eq(info.lost, 0);
    check_eq(info.busy, 0);
    if (in_sim() || is_emulated()) // which carries the older half of it
        return;
    check_eq(info.received_bytes, 5);
    check_gt(info.segment_bytes, 0);
    check_gt(info.window_segments, 0);
}

TEST_ON_ALL(sockopt, a_unix_peer_is_known)
{
    UNIX(a);
    UNIX(b);
    hob_unix_cred cred = { -1, 0, 0 };

    check_ok(hob_unix_pair(&a, &b));
    check_ok(hob_unix_peer_cred(a, &cred));
    check_eq(cred.pid, getpid());
    check_eq(cred.uid, getuid());
    check_eq(cred.gid, getgid());
}

TEST_ON_ALL(sockopt, two_sockets_share_a_port_when_both_say_so)
{
    UDP(a);
    UDP(b);
    hob_udp     *c = NULL;
    hob_addr     any = hob_addr_loopback(0);
    hob_udp_opts opts = { .reuse_port = 1, .recv_buf_bytes = 50000, .broadcast = 1 };
    int          value = 0;

    check_ok(hob_udp_open_with(&any, &opts, &a));
    hob_addr same = hob_udp_local_addr(a);
    check_ok(hob_udp_open_with(&same, &opts, &b));
    check_err(hob_udp_open(&same, &c), -EADDRINUSE);
    check(c == NULL);
    check_ok(hob_udp_get_option(b, HOB_OPT_RECV_BUF_BYTES, &value));
    check_eq(value, 50000);
    check_ok(hob_udp_get_option(b, HOB_OPT_REUSE_PORT, &value));
    check_eq(value, 1);
    check_ok(hob_udp_get_option(b, HOB_OPT_BROADCAST, &value));
    check_eq(value, 1);
}

/* What a machine without IPv6 says. */
static bool lacks_v6(int r)
{
    return r == -EAFNOSUPPORT || r == -EADDRNOTAVAIL;
}

TEST_ON_ALL(sockopt, an_ipv6_socket_keeps_both_families)
{
    UDP(a);
    UDP(b);
    UDP(c);
    hob_addr     any, loopback;
    hob_udp_opts opts = { .ttl = 17, .traffic_class = 8, .v6_only = 1 };
    int          value = 0;

    check_ok(hob_addr_parse("[::]:0", &any));
    check_ok(hob_addr_parse("[::1]:0", &loopback));
    int r = hob_udp_open_with(&any, &opts, &a);
    if (lacks_v6(r))
        skip("no IPv6 here");
    check_ok(r);
    check_ok(hob_udp_get_option(a, HOB_OPT_TTL, &value));
    check_eq(value, 17);
    check_ok(hob_udp_get_option(a, HOB_OPT_TRAFFIC_CLASS, &value));
    check_eq(value, 8);
    check_ok(hob_udp_get_option(a, HOB_OPT_V6_ONLY, &value));
    check_eq(value, 1);
    check_ok(hob_udp_open(&any, &b));
    check_ok(hob_udp_get_option(b, HOB_OPT_V6_ONLY, &value));
    check_eq(value, 0);
    check_ok(hob_udp_open(&loopback, &c)); // an address of IPv6's takes no other
    check_ok(hob_udp_get_option(c, HOB_OPT_V6_ONLY, &value));
    check_eq(value, 1);
}

TEST_DIES(sockopt, a_closed_one_has_no_options, "hob_tcp_set_option: this is not open*")
{
    check_ok(hob_tcp_set_option(NULL, HOB_OPT_NO_DELAY, 1));
}
