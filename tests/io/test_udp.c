/* SPDX-License-Identifier: MIT */
#include "support/io.h"

static int open_here(hob_udp **ret_socket)
{
    hob_addr any = hob_addr_loopback(0);
    return hob_udp_open(&any, ret_socket);
}

static int open_two(hob_udp **ret_a, hob_udp **ret_b)
{
    check_ok(open_here(ret_a));
    check_ok(open_here(ret_b));
    return 0;
}

static int send_to(hob_udp *from, hob_udp *to, const char *text)
{
    hob_addr addr = hob_udp_local_addr(to);

    check_eq(hob_udp_send(from, text, strlen(text), &addr), (ssize_t)strlen(text));
    return 0;
}

TEST_ON_ALL(udp, a_datagram_arrives_and_says_from_whom)
{
    UDP(a);
    UDP(b);
    char     buf[16];
    hob_addr from, me;

    check_ok(open_two(&a, &b));
    check_ok(send_to(a, b, "hello"));
    check_eq(hob_udp_recv(b, buf, sizeof buf, &from), 5);
    check_mem(buf, "hello", 5);
    me = hob_udp_local_addr(a);
    check(hob_addr_equal(&from, &me));

    check_ok(send_to(a, b, "again"));
    check_eq(hob_udp_recv(b, buf, sizeof buf, NULL), 5);
}

TEST_ON_ALL(udp, each_datagram_is_received_alone)
{
    UDP(a);
    UDP(b);
    char buf[16];

    check_ok(open_two(&a, &b));
    check_ok(send_to(a, b, "one"));
    check_ok(send_to(a, b, "three"));
    check_eq(hob_udp_recv(b, buf, sizeof buf, NULL), 3);
    check_eq(hob_udp_recv(b, buf, sizeof buf, NULL), 5);
}

/* SURVIVAL 44. */
TEST_ON_ALL(udp, a_datagram_that_does_not_fit_tells_its_real_length)
{
    UDP(a);
    UDP(b);
    char buf[5] = "....";

    check_ok(open_two(&a, &b));
    check_ok(send_to(a, b, "0123456789"));
    check_ok(send_to(a, b, "next"));
    check_eq(hob_udp_recv(b, buf, 4, NULL), 10);
    check_str(buf, "0123");
    check_eq(hob_udp_recv(b, buf, 4, NULL), 4);
    check_str(buf, "next");
}

/* SURVIVAL 44. */
TEST_ON_ALL(udp, an_empty_datagram_is_one)
{
    UDP(a);
    UDP(b);
    char     buf[4];
    hob_addr from = { 0 };

    check_ok(open_two(&a, &b));
    check_ok(send_to(a, b, ""));
    check_ok(send_to(a, b, "x"));
    check_eq(hob_udp_recv(b, buf, sizeof buf, &from), 0);
    check_ne(hob_addr_port(&from), 0);
    check_eq(hob_udp_recv(b, buf, sizeof buf, NULL), 1);
}

/* SURVIVAL 44: an unreachable port is told on the socket that asked for it alone. */
TEST_ON_ALL(udp, a_connected_socket_hears_that_nobody_listens)
{
    UDP(a);
    UDP(b);
    UDP(gone);
    char buf[4];

    check_ok(open_two(&a, &b));
    check_ok(open_here(&gone));
    hob_addr addr = hob_udp_local_addr(gone);
    close_udp(&gone);
    check_ok(hob_udp_connect(a, &addr));
    check_eq(hob_udp_send(a, "?", 1, NULL), 1);
    check_err(hob_udp_recv(a, buf, sizeof buf, NULL), -ECONNREFUSED);

    check_eq(hob_udp_send(b, "?", 1, &addr), 1);
    HOB_SCOPE(s);
    hob_scope_deadline(&s, hob_in(20 * HOB_MSEC));
    check_err(hob_udp_recv(b, buf, sizeof buf, NULL), -ETIMEDOUT);
    check_err(hob_scope_end(&s), -ETIMEDOUT);
}

TEST_ON_ALL(udp, a_connected_socket_hears_its_peer_only)
{
    UDP(a);
    UDP(b);
    UDP(stranger);
    char buf[16];

    check_ok(open_two(&a, &b));
    check_ok(open_here(&stranger));
    hob_addr addr = hob_udp_local_addr(b);
    check_ok(hob_udp_connect(a, &addr));
    check_ok(send_to(stranger, a, "psst"));
    check_ok(send_to(b, a, "hello"));
    check_eq(hob_udp_recv(a, buf, sizeof buf, NULL), 5);
    check_mem(buf, "hello", 5);
}

TEST_ON_ALL(udp, a_datagram_of_more_than_64k_is_too_long)
{
    UDP(a);
    UDP(b);
    BYTES(much, 70000);

    memset(much, 0, 70000);
    check_ok(open_two(&a, &b));
    hob_addr addr = hob_udp_local_addr(b);
    check_err(hob_udp_send(a, much, 70000, &addr), -EMSGSIZE);
}

TEST_ON_ALL(udp, sending_to_nobody_needs_a_peer)
{
    UDP(a);

    check_ok(open_here(&a));
    check_err(hob_udp_send(a, "x", 1, NULL), -EDESTADDRREQ);
}

struct receiving {
    hob_udp *socket;
    ssize_t  result;
    char     buf[16];
};

static int receive_task(void *arg)
{
    struct receiving *r = arg;
    r->result = hob_udp_recv(r->socket, r->buf, sizeof r->buf, NULL);
    return 0;
}

TEST_ON_ALL(udp, a_cancelled_receive_loses_no_datagram)
{
    UDP(a);
    UDP(b);
    char buf[16];

    check_ok(open_two(&a, &b));
    struct receiving r = { .socket = b, .result = 1 };
    {
        HOB_SCOPE(s);
        hob_go(&s, receive_task, &r);
        settle();
        check_eq(r.result, 1);
        hob_scope_cancel(&s, "test");
        check_err(hob_scope_end(&s), -ECANCELED);
    }
    check_err(r.result, -ECANCELED);
    {
        HOB_SCOPE(s);
        hob_scope_deadline(&s, hob_in(5 * HOB_MSEC));
        check_err(hob_udp_recv(b, buf, sizeof buf, NULL), -ETIMEDOUT);
        check_err(hob_scope_end(&s), -ETIMEDOUT);
    }
    check_ok(send_to(a, b, "kept"));
    check_eq(hob_udp_recv(b, buf, sizeof buf, NULL), 4);
}

/* SURVIVAL 16. */
TEST_ON_ALL(udp, closing_gives_the_receivers_back)
{
    UDP(a);

    check_ok(open_here(&a));
    struct receiving first = { .socket = a, .result = 1 }, second = first;
    HOB_SCOPE(s);
    hob_go(&s, receive_task, &first);
    hob_go(&s, receive_task, &second);
    settle();
    close_udp(&a);
    check_ok(hob_scope_end(&s));
    check_err(first.result, -ECANCELED);
    check_err(second.result, -ECANCELED);
}

TEST_ON_ALL(udp, an_address_is_free_when_its_receivers_have_returned)
{
    UDP(a);
    UDP(next);

    check_ok(open_here(&a));
    hob_addr         here = hob_udp_local_addr(a);
    struct receiving waits = { .socket = a };
    HOB_SCOPE(s);
    hob_go(&s, receive_task, &waits);
    settle();
    close_udp(&a);
    check_ok(hob_scope_end(&s));
    check_ok(hob_udp_open(&here, &next));
}

TEST_ON_ALL(udp, the_three_styles_give_the_same_answers)
{
    UDP(a);
    UDP(b);

    check_ok(open_two(&a, &b));
    hob_addr here = hob_udp_local_addr(a), there = hob_udp_local_addr(b);
    FOR_EACH_STYLE(wait)
    {
        hob_op   op;
        char     buf[4];
        hob_addr from = { 0 };

        check_ok(hob_udp_send_prep(&op, a, "hello", 5, &there));
        check_eq(wait(&op), 5);
        check_ok(hob_udp_recv_prep(&op, b, buf, sizeof buf, &from));
        check_eq(wait(&op), 5);
        check_mem(buf, "hell", 4);
        check(hob_addr_equal(&from, &here));
    }
}

TEST_ON_ALL(udp, a_prepared_receive_in_a_cancelled_scope_leaves_nothing)
{
    UDP(a);

    check_ok(open_here(&a));
    FOR_EACH_STYLE(wait)
    {
        hob_op op;
        char   buf[4];
        HOB_SCOPE(s);

        hob_scope_cancel(&s, "test");
        check_ok(hob_udp_recv_prep(&op, a, buf, sizeof buf, NULL));
        check_err(wait(&op), -ECANCELED);
        check_err(hob_scope_end(&s), -ECANCELED);
    }
}

TEST_ON_ALL(udp, a_taken_port_is_in_use)
{
    UDP(a);
    UDP(b);

    check_ok(open_here(&a));
    hob_addr addr = hob_udp_local_addr(a);
    check_err(hob_udp_open(&addr, &b), -EADDRINUSE);
}

TEST_ON_ALL(udp, an_address_of_another_family_is_refused)
{
    UDP(a);
    hob_addr unix_addr, none = { 0 };

    check_ok(hob_addr_parse("unix:@x", &unix_addr));
    check_err(hob_udp_open(&unix_addr, &a), -EAFNOSUPPORT);
    check_err(hob_udp_open(&none, &a), -EAFNOSUPPORT);
}

/* SURVIVAL 38. */
TEST(udp, a_lossy_world_loses_datagrams_and_nothing_else)
{
    UDP(a);
    UDP(b);
    char          buf[8];
    int           got = 0;
    hob_sim_world world = { .loss_percent = 20, .datagrams = 1000 };

    check_ok(hob_sim_set_world(&world));
    check_ok(open_two(&a, &b));
    for (int i = 0; i < 500; i++)
        check_ok(send_to(a, b, "datagram"));
    HOB_SCOPE(s);
    hob_scope_deadline(&s, hob_in(1 * HOB_SEC));
    while (hob_udp_recv(b, buf, sizeof buf, NULL) == 8)
        got++;
    check_err(hob_scope_end(&s), -ETIMEDOUT);
    check_gt(got, 300);
    check_lt(got, 500);
}

TEST_DIES(udp, closing_twice_is_a_mistake, "hob_udp_close: this is not open")
{
    hob_udp *a;
    HOB_SCOPE(s);

    check_ok(open_here(&a));
    struct receiving r = { .socket = a };
    hob_go(&s, receive_task, &r);
    settle();
    hob_udp_close(a);
    hob_udp_close(a);
}
