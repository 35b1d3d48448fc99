/* SPDX-License-Identifier: MIT */
/*
 * Groups on the loopback interface, which carries them on many machines for IPv4 alone: what it does
 * not is skipped, and said. By hand, with an interface that does:
 *
 *     unshare -rn sh -c "ip link add v0 type veth peer v1; ip link set v0 up; ip link set v1 up;
 *         sleep 2; HOB_TEST_INTERFACE=v0 build/tests/test_multicast --filter ipv6 --backend uring"
 */
#include <arpa/inet.h>
#include <net/if.h>

#include "support/io.h"

static unsigned loopback_number(void)
{
    const char *name = getenv("HOB_TEST_INTERFACE");
    return in_sim() ? 1 : if_nametoindex(name != NULL ? name : "lo");
}

struct ends {
    hob_udp      *in, *out;
    hob_udp_group group;
    hob_addr      to; /* the group, with the port of `in` */
};

static hob_addr with_port(const hob_addr *addr, uint16_t port)
{
    hob_addr copy = *addr;
    memcpy(copy.u.raw + 2, &(uint16_t){ htons(port) }, sizeof port);
    return copy;
}

static int open_ends(struct ends *e, const char *any, const char *from, const char *group)
{
    hob_addr     here, there;
    hob_udp_opts shared = { .reuse_addr = 1 };

    *e = (struct ends){ .in = NULL };
    check_ok(hob_addr_parse(any, &here));
    check_ok(hob_addr_parse(from, &there));
    check_ok(hob_addr_parse(group, &e->group.addr));
    e->group.interface = loopback_number();
    HOB_TRY(hob_udp_open_with(&here, &shared, &e->in));
    HOB_TRY(hob_udp_open(&there, &e->out));
    HOB_TRY(hob_udp_multicast_by(e->out, e->group.interface));
    here = hob_udp_local_addr(e->in);
    e->to = with_port(&e->group.addr, hob_addr_port(&here));
    return 0;
}

static int open_v4(struct ends *e)
{
    return open_ends(e, "0.0.0.0:0", "127.0.0.1:0", "239.1.2.3:0");
}

static void close_ends(struct ends *e)
{
    hob_udp_close(e->in);
    hob_udp_close(e->out);
}

#define ENDS(name) CLOSED_BY(close_ends) struct ends name = { NULL, NULL, { { 0 }, { 0 }, 0 }, { 0 } }

/* The length of what comes within a moment, or -ETIMEDOUT. */
static ssize_t hear(hob_udp *socket, char *buf, size_t len)
{
    HOB_SCOPE(s);
    hob_scope_deadline(&s, hob_in(60 * HOB_MSEC));
    ssize_t n = hob_udp_recv(socket, buf, len, NULL);
    (void)!hob_scope_end(&s);
    return n;
}

/* Does a datagram to the group come back at all? Machines differ. */
static bool carries_groups(struct ends *e)
{
    char buf[16];
    if (hob_udp_join(e->in, &e->group) < 0)
        return false;
    if (hob_udp_send(e->out, "probe", 5, &e->to) < 0)
        return false;
    return hear(e->in, buf, sizeof buf) == 5;
}

#define NEEDS_GROUPS(e)                                          \
    do {                                                         \
        if (!carries_groups(&(e))) {                             \
            if (in_sim())                                        \
                fail("the simulated world carries groups");      \
            skip("no multicast on this machine's loopback");     \
        }                                                        \
    } while (0)

TEST_ON_ALL(multicast, a_member_hears_until_it_leaves)
{
    ENDS(e);
    char buf[16];

    check_ok(open_v4(&e));
    NEEDS_GROUPS(e);
    check_eq(hob_udp_send(e.out, "hello", 5, &e.to), 5);
    check_eq(hear(e.in, buf, sizeof buf), 5);
    check_mem(buf, "hello", 5);
    check_ok(hob_udp_leave(e.in, &e.group));
    check_eq(hob_udp_send(e.out, "gone", 4, &e.to), 4);
    check_err(hear(e.in, buf, sizeof buf), -ETIMEDOUT);
    check_ok(hob_udp_join(e.in, &e.group));
    check_eq(hob_udp_send(e.out, "back", 4, &e.to), 4);
    check_eq(hear(e.in, buf, sizeof buf), 4);
}

TEST_ON_ALL(multicast, every_member_has_its_own_copy_and_who_is_none_has_none)
{
    ENDS(e);
    UDP(second);
    UDP(stranger);
    hob_udp_opts shared = { .reuse_addr = 1 };
    char         buf[16];

    check_ok(open_v4(&e));
    NEEDS_GROUPS(e);
    hob_addr same = hob_udp_local_addr(e.in);
    check_ok(hob_udp_open_with(&same, &shared, &second));
    check_ok(hob_udp_open_with(&same, &shared, &stranger));
    check_ok(hob_udp_join(second, &e.group));
    // A member of another group hears that one alone.
    hob_udp_group other = e.group;
    check_ok(hob_addr_parse("239.1.2.4:0", &other.addr));
    check_ok(hob_udp_join(stranger, &other));
    check_eq(hob_udp_send(e.out, "all", 3, &e.to), 3);
    check_eq(hear(e.in, buf, sizeof buf), 3);
    check_eq(hear(second, buf, sizeof buf), 3);
    check_err(hear(stranger, buf, sizeof buf), -ETIMEDOUT);
    hob_addr to_other = with_port(&other.addr, hob_addr_port(&same));
    check_eq(hob_udp_send(e.out, "some", 4, &to_other), 4);
    check_eq(hear(stranger, buf, sizeof buf), 4);
    check_err(hear(e.in, buf, sizeof buf), -ETIMEDOUT);
}

TEST_ON_ALL(multicast, a_source_is_heard_alone)
{
    ENDS(e);
    char buf[16];

    check_ok(open_v4(&e));
    NEEDS_GROUPS(e);
    check_ok(hob_udp_leave(e.in, &e.group));
    hob_udp_group only = e.group;
    check_ok(hob_addr_parse("127.0.0.9:0", &only.source));
    check_ok(hob_udp_join(e.in, &only));
    check_err(hob_udp_join(e.in, &only), -EADDRNOTAVAIL);
    check_err(hob_udp_join(e.in, &e.group), -EADDRINUSE);
    check_eq(hob_udp_send(e.out, "wrong", 5, &e.to), 5);
    check_err(hear(e.in, buf, sizeof buf), -ETIMEDOUT);

    hob_udp_group right = e.group;
    check_ok(hob_addr_parse("127.0.0.1:0", &right.source));
    check_ok(hob_udp_join(e.in, &right));
    check_eq(hob_udp_send(e.out, "right", 5, &e.to), 5);
    check_eq(hear(e.in, buf, sizeof buf), 5);
    check_ok(hob_udp_leave(e.in, &right));
    check_err(hob_udp_leave(e.in, &right), -EADDRNOTAVAIL);
    check_ok(hob_udp_leave(e.in, &only));
    check_err(hob_udp_leave(e.in, &e.group), -EADDRNOTAVAIL); // it went with its last source
}

TEST_ON_ALL(multicast, ipv6_groups_are_heard_too)
{
    ENDS(e);
    char buf[16];

    int r = open_ends(&e, "[::]:0", "[::]:0", "[ff15::4711]:0");
    if (!in_sim() && r < 0)
        skip("no IPv6 here");
    check_ok(r);
    NEEDS_GROUPS(e);
    check_eq(hob_udp_send(e.out, "six", 3, &e.to), 3);
    check_eq(hear(e.in, buf, sizeof buf), 3);
    check_ok(hob_udp_leave(e.in, &e.group));
    check_err(hob_udp_leave(e.in, &e.group), -EADDRNOTAVAIL);
}

TEST_ON_ALL(multicast, without_the_loop_this_machine_hears_nothing)
{
    ENDS(e);
    char buf[16];
    int  value = -1;

    check_ok(open_v4(&e));
    check_ok(hob_udp_get_option(e.out, HOB_OPT_MULTICAST_LOOP, &value));
    check_eq(value, 1);
    NEEDS_GROUPS(e);
    // Linux: the loopback interface itself is no loop, and goes on.
    check_ok(hob_udp_set_option(e.out, HOB_OPT_MULTICAST_LOOP, 0));
    check_ok(hob_udp_get_option(e.out, HOB_OPT_MULTICAST_LOOP, &value));
    check_eq(value, 0);
    check_eq(hob_udp_send(e.out, "psst", 4, &e.to), 4);
    if (in_sim())
        check_err(hear(e.in, buf, sizeof buf), -ETIMEDOUT);
}

TEST_ON_ALL(multicast, wrong_groups_are_refused)
{
    ENDS(e);
    int value = -1;

    check_ok(open_v4(&e));
    hob_udp_group wrong = e.group;
    check_ok(hob_addr_parse("127.0.0.1:0", &wrong.addr));
    check_err(hob_udp_join(e.in, &wrong), -EINVAL);
    check_ok(hob_addr_parse("[ff15::1]:0", &wrong.addr));
    check_err(hob_udp_join(e.in, &wrong), -EAFNOSUPPORT);
    check_err(hob_udp_leave(e.in, &e.group), -EADDRNOTAVAIL);
    wrong = e.group;
    wrong.interface = 4711;
    check_err(hob_udp_join(e.in, &wrong), -ENODEV);
    check_ok(hob_udp_join(e.in, &e.group));
    check_err(hob_udp_join(e.in, &e.group), -EADDRINUSE);
    check_err(hob_udp_multicast_by(e.out, 4711), -EADDRNOTAVAIL);
    check_err(hob_udp_set_option(e.out, HOB_OPT_MULTICAST_TTL, 256), -EINVAL);
    check_ok(hob_udp_set_option(e.out, HOB_OPT_MULTICAST_TTL, 0));
    check_ok(hob_udp_get_option(e.out, HOB_OPT_MULTICAST_TTL, &value));
    check_eq(value, 0);
}

TEST_ON_ALL(multicast, there_is_an_end_to_memberships)
{
    ENDS(e);
    int  joined = 0, r = 0;
    char text[32];

    check_ok(open_v4(&e));
    for (; joined < 5000 && r == 0; joined += r == 0) {
        hob_udp_group group = e.group;
        snprintf(text, sizeof text, "239.2.%d.%d:0", joined / 256, joined % 256);
        check_ok(hob_addr_parse(text, &group.addr));
        r = hob_udp_join(e.in, &group);
    }
    check_err(r, -ENOBUFS);
    check_gt(joined, 9);
}
