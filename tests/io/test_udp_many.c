/* SPDX-License-Identifier: MIT */
/*
 * Many datagrams at once, beside the plainest model: a queue.
 *
 * What is checked everywhere: none is lost, doubled or out of order on a way that loses nothing;
 * what is told is exact, also when a call was cancelled, or ended in the middle.
 */
#include "support/io.h"

#include "base/rand.h"

enum { ROOM = 64 };

static int open_two(hob_udp **ret_a, hob_udp **ret_b)
{
    hob_addr any = hob_addr_loopback(0);
    check_ok(hob_udp_open(&any, ret_a));
    check_ok(hob_udp_open(&any, ret_b));
    return 0;
}

/* Messages with room of their own, and nothing told yet. */
struct room {
    hob_udp_msg   msgs[ROOM];
    unsigned char bytes[ROOM][2048];
};

static struct room *room_new(void)
{
    struct room *room = malloc(sizeof *room);
    memset(room, 0, sizeof *room);
    for (int i = 0; i < ROOM; i++) {
        room->msgs[i].buf = room->bytes[i];
        room->msgs[i].len = sizeof room->bytes[i];
    }
    return room;
}

static void free_room(struct room **room)
{
    free(*room);
}

#define ROOM_(name) CLOSED_BY(free_room) struct room *name = room_new()

TEST_ON_ALL(udp_many, several_leave_and_arrive_together)
{
    UDP(a);
    UDP(b);
    ROOM_(in);
    char        texts[5][8] = { "one", "", "three", "four", "fiver" };
    hob_udp_msg out[5] = { { 0 } };

    check_ok(open_two(&a, &b));
    hob_addr here = hob_udp_local_addr(a);
    for (int i = 0; i < 5; i++) {
        out[i].buf = texts[i];
        out[i].len = strlen(texts[i]);
        out[i].addr = hob_udp_local_addr(b);
    }
    check_eq(hob_udp_send_many(a, out, 5), 5);
    in->msgs[2].len = 3; // there is no room for all of "three"
    in->msgs[5].got = 4711;
    check_eq(hob_udp_recv_many(b, in->msgs, ROOM), 5);
    for (int i = 0; i < 5; i++) {
        check_eq(in->msgs[i].got, out[i].len);
        check_eq(in->msgs[i].segment_bytes, 0);
        check(hob_addr_equal(&in->msgs[i].addr, &here));
    }
    check_mem(in->bytes[0], "one", 4);
    check_mem(in->bytes[2], "thr", 4);
    check_mem(in->bytes[4], "fiver", 6);
    check_eq(in->msgs[5].got, 4711);
    check_eq(in->msgs[5].addr.len, 0);
}

TEST_ON_ALL(udp_many, what_does_not_fit_into_the_batch_stays)
{
    UDP(a);
    UDP(b);
    ROOM_(in);
    hob_udp_msg out[3] = { { 0 } };
    char        letters[] = "xyz";

    check_ok(open_two(&a, &b));
    for (int i = 0; i < 3; i++)
        out[i] = (hob_udp_msg){ .buf = letters + i, .len = 1, .addr = hob_udp_local_addr(b) };
    check_eq(hob_udp_send_many(a, out, 2), 2);
    check_eq(hob_udp_recv_many(b, in->msgs, 1), 1);
    check_mem(in->bytes[0], "x", 2);
    check_eq(hob_udp_send_many(a, out + 2, 1), 1);
    check_eq(hob_udp_recv_many(b, in->msgs, 2), 2);
    check_mem(in->bytes[0], "y", 2);
    check_mem(in->bytes[1], "z", 2);
    check_eq(hob_udp_recv_many(b, in->msgs, 0), 0);
    check_eq(hob_udp_send_many(a, out, 0), 0);
}

TEST_ON_ALL(udp_many, one_call_takes_so_many_and_no_more)
{
    enum { MANY = HOB_UDP_BATCH_MAX + 10 };
    UDP(a);
    UDP(b);
    hob_udp_msg out[MANY] = { { 0 } };
    char        buf[4];

    check_ok(open_two(&a, &b));
    for (int i = 0; i < MANY; i++)
        out[i] = (hob_udp_msg){ .buf = "x", .len = 1, .addr = hob_udp_local_addr(b) };
    check_eq(hob_udp_send_many(a, out, MANY), HOB_UDP_BATCH_MAX);
    for (int i = 0; i < HOB_UDP_BATCH_MAX; i++)
        check_eq(hob_udp_recv(b, buf, sizeof buf, NULL), 1);
    HOB_SCOPE(s);
    hob_scope_deadline(&s, hob_in(5 * HOB_MSEC));
    check_err(hob_udp_recv(b, buf, sizeof buf, NULL), -ETIMEDOUT);
    check_err(hob_scope_end(&s), -ETIMEDOUT);
}

TEST_ON_ALL(udp_many, a_wrong_one_ends_the_batch_before_it)
{
    UDP(a);
    UDP(b);
    BYTES(much, 70000);
    ROOM_(in);
    hob_udp_msg out[3] = { { 0 } };

    memset(much, 0, 70000);
    check_ok(open_two(&a, &b));
    for (int i = 0; i < 3; i++)
        out[i] = (hob_udp_msg){ .buf = much, .len = 1, .addr = hob_udp_local_addr(b) };
    out[1].len = 70000;
    check_eq(hob_udp_send_many(a, out, 3), 1);
    check_err(hob_udp_send_many(a, out + 1, 2), -EMSGSIZE);
    check_eq(hob_udp_recv_many(b, in->msgs, 3), 1);
    memset(&out[0].addr, 0, sizeof out[0].addr);
    check_err(hob_udp_send_many(a, out, 1), -EDESTADDRREQ);
}

TEST_ON_ALL(udp_many, a_connected_socket_needs_no_addresses)
{
    UDP(a);
    UDP(b);
    ROOM_(in);
    hob_udp_msg out[2] = { { .buf = "p", .len = 1 }, { .buf = "q", .len = 1 } };

    check_ok(open_two(&a, &b));
    hob_addr there = hob_udp_local_addr(b);
    check_ok(hob_udp_connect(a, &there));
    check_eq(hob_udp_send_many(a, out, 2), 2);
    check_eq(hob_udp_recv_many(b, in->msgs, 9), 2);
    close_udp(&b);
    check_ok(hob_udp_send_many(a, out, 1));
    check_err(hob_udp_recv_many(a, in->msgs, 9), -ECONNREFUSED);
}

struct receiving {
    hob_udp     *socket;
    hob_udp_msg *msgs;
    ssize_t      result;
};

static int receive_task(void *arg)
{
    struct receiving *r = arg;
    r->result = hob_udp_recv_many(r->socket, r->msgs, 8);
    return 0;
}

TEST_ON_ALL(udp_many, receiving_waits_for_the_first)
{
    UDP(a);
    UDP(b);
    ROOM_(in);
    HOB_SCOPE(s);

    check_ok(open_two(&a, &b));
    hob_addr         there = hob_udp_local_addr(b);
    struct receiving r = { b, in->msgs, 99 };
    hob_go(&s, receive_task, &r);
    settle();
    check_eq(r.result, 99);
    check_eq(hob_udp_send(a, "now", 3, &there), 3);
    check_ok(hob_scope_end(&s));
    check_eq(r.result, 1);
    check_mem(in->bytes[0], "now", 4);
}

TEST_ON_ALL(udp_many, a_cancelled_receive_loses_none_and_a_close_gives_it_back)
{
    UDP(a);
    UDP(b);
    ROOM_(in);

    check_ok(open_two(&a, &b));
    hob_addr         there = hob_udp_local_addr(b);
    struct receiving r = { b, in->msgs, 99 };
    {
        HOB_SCOPE(s);
        hob_go(&s, receive_task, &r);
        settle();
        hob_scope_cancel(&s, "test");
        check_err(hob_scope_end(&s), -ECANCELED);
    }
    check_err(r.result, -ECANCELED);
    check_eq(hob_udp_send(a, "kept", 4, &there), 4);
    check_eq(hob_udp_recv_many(b, in->msgs, 8), 1);
    HOB_SCOPE(s);
    hob_go(&s, receive_task, &r);
    settle();
    close_udp(&b);
    check_ok(hob_scope_end(&s));
    check_err(r.result, -ECANCELED);
}

TEST_ON_ALL(udp_many, the_three_styles_give_the_same_answers)
{
    UDP(a);
    UDP(b);

    check_ok(open_two(&a, &b));
    FOR_EACH_STYLE(wait)
    {
        hob_op      op;
        ROOM_(in);
        hob_udp_msg out[2] = { { .buf = "ab", .len = 2, .addr = hob_udp_local_addr(b) },
                               { .buf = "c", .len = 1, .addr = hob_udp_local_addr(b) } };

        check_ok(hob_udp_send_many_prep(&op, a, out, 2));
        check_eq(wait(&op), 2);
        check_ok(hob_udp_recv_many_prep(&op, b, in->msgs, 5));
        check_eq(wait(&op), 2);
        check_mem(in->bytes[0], "ab", 3);
        check_eq(in->msgs[1].got, 1);
        check_ok(hob_udp_recv_many_prep(&op, b, in->msgs, 0));
        check_eq(wait(&op), 0);
    }
    hob_op op;
    ROOM_(in);
    HOB_SCOPE(s);
    hob_scope_cancel(&s, "test");
    check_ok(hob_udp_recv_many_prep(&op, b, in->msgs, 5));
    check_err(hob_op_await(&op), -ECANCELED);
    check_err(hob_scope_end(&s), -ECANCELED);
}

/* ---- segments ---- */

static bool lacks_segments(ssize_t r)
{
    return r == -EIO || r == -EINVAL || r == -ENOPROTOOPT;
}

TEST_ON_ALL(udp_many, a_message_of_segments_arrives_as_datagrams)
{
    UDP(a);
    UDP(b);
    ROOM_(in);
    unsigned char bytes[1000];
    hob_udp_msg   out = { .buf = bytes, .len = sizeof bytes, .segment_bytes = 300 };

    check_ok(open_two(&a, &b));
    fill(bytes, sizeof bytes, 0, 1);
    out.addr = hob_udp_local_addr(b);
    ssize_t r = hob_udp_send_many(a, &out, 1);
    if (!in_sim() && lacks_segments(r))
        skip("no segments here");
    check_eq(r, 1);
    check_eq(hob_udp_recv_many(b, in->msgs, ROOM), 4);
    for (int i = 0; i < 4; i++) {
        check_eq(in->msgs[i].got, i < 3 ? 300 : 100);
        check(is_filled(in->bytes[i], in->msgs[i].got, (uint64_t)i * 300, 1));
    }

    BYTES(much, 60000);
    memset(much, 0, 60000);
    out.buf = much;
    out.len = 60000;
    check_err(hob_udp_send_many(a, &out, 1), -EINVAL); // 200 of them
    out.segment_bytes = 1500;
    out.len = 500; // is one: nothing to cut
    check_eq(hob_udp_send_many(a, &out, 1), 1);
    check_eq(hob_udp_recv_many(b, in->msgs, ROOM), 1);
    check_eq(in->msgs[0].got, 500);
}

TEST_ON_ALL(udp_many, who_joins_segments_is_told_their_size)
{
    UDP(a);
    UDP(b);
    ROOM_(in);
    unsigned char bytes[1000];
    hob_addr      any = hob_addr_loopback(0);
    hob_udp_opts  opts = { .join_segments = 1 };
    hob_udp_msg   out = { .buf = bytes, .len = sizeof bytes, .segment_bytes = 300 };
    uint64_t      at = 0;

    int r = hob_udp_open_with(&any, &opts, &b);
    if (!in_sim() && lacks_segments(r))
        skip("no joined segments here");
    check_ok(r);
    check_ok(hob_udp_open(&any, &a));
    fill(bytes, sizeof bytes, 0, 1);
    out.addr = hob_udp_local_addr(b);
    ssize_t sent = hob_udp_send_many(a, &out, 1);
    if (!in_sim() && lacks_segments(sent))
        skip("no segments here");
    check_eq(sent, 1);
    while (at < sizeof bytes) { // joined as much as it pleases
        ssize_t n = hob_udp_recv_many(b, in->msgs, ROOM);
        check_ok(n);
        for (ssize_t i = 0; i < n; i++) {
            const hob_udp_msg *msg = &in->msgs[i];
            check(is_filled(msg->buf, msg->got, at, 1));
            check(msg->segment_bytes == 0 || msg->segment_bytes == 300);
            if (msg->segment_bytes == 0)
                check_le(msg->got, 300);
            at += msg->got;
        }
    }
    check_eq(at, sizeof bytes);
    check_eq(hob_udp_send(a, "alone", 5, &out.addr), 5);
    check_eq(hob_udp_recv_many(b, in->msgs, ROOM), 1);
    check_eq(in->msgs[0].got, 5);
    check_eq(in->msgs[0].segment_bytes, 0);
}

/* ---- a random walk ---- */

enum { IN_FLIGHT_MAX = 40, STEPS = 300 };

struct walk {
    hob_udp    *a, *b;
    struct room out, in;
    uint32_t    sent, received; /* numbers of datagrams */
    struct rand rand;
};

/* Datagram number n: its number, and a length that follows from it. */
static size_t make_datagram(unsigned char *to, uint32_t number)
{
    size_t len = sizeof number + number * 7 % 60;
    memset(to, (int)(number & 0xff), len);
    memcpy(to, &number, sizeof number);
    return len;
}

static int walk_send(struct walk *w)
{
    uint32_t count = (uint32_t)rand_between(&w->rand, 1, 12);
    for (uint32_t i = 0; i < count; i++) {
        w->out.msgs[i].len = make_datagram(w->out.bytes[i], w->sent + i);
        w->out.msgs[i].addr = hob_udp_local_addr(w->b);
    }
    ssize_t n = hob_udp_send_many(w->a, w->out.msgs, count);
    check_eq(n, count); // there is always room
    w->sent += count;
    return 0;
}

/* What came is what the model has next. */
static int walk_check(struct walk *w, ssize_t n)
{
    unsigned char expected[128];
    for (ssize_t i = 0; i < n; i++) {
        const hob_udp_msg *msg = &w->in.msgs[i];
        size_t             len = make_datagram(expected, w->received++);
        check_eq(msg->got, len);
        check_mem(msg->buf, expected, len);
    }
    check_le(w->received, w->sent);
    return 0;
}

static int walk_receive(struct walk *w)
{
    bool    is_empty = w->sent == w->received;
    size_t  count = (size_t)rand_between(&w->rand, 1, 20);
    ssize_t n;
    HOB_SCOPE(s);

    if (is_empty)
        hob_scope_deadline(&s, hob_in(rand_between(&w->rand, 0, 300) * HOB_USEC));
    n = hob_udp_recv_many(w->b, w->in.msgs, count);
    int r = hob_scope_end(&s);
    if (is_empty) {
        check_err(n, -ETIMEDOUT);
        check_err(r, -ETIMEDOUT);
        return 0;
    }
    check_ok(r);
    check_gt(n, 0);
    check_le((size_t)n, count);
    return walk_check(w, n);
}

struct late {
    struct walk *walk;
    ssize_t      n;
};

static int receive_late(void *arg)
{
    struct late *late = arg;
    late->n = hob_udp_recv_many(late->walk->b, late->walk->in.msgs, 10);
    return 0;
}

/* A receive that is cancelled while datagrams come: all or nothing of it. */
static int walk_race(struct walk *w)
{
    struct late late = { w, 0 };
    HOB_SCOPE(s);

    hob_go(&s, receive_late, &late);
    check_ok(walk_send(w));
    if (rand_below(&w->rand, 2) == 0)
        hob_yield();
    hob_scope_cancel(&s, "test");
    (void)!hob_scope_end(&s);
    if (late.n == -ECANCELED)
        return 0;
    check_gt(late.n, 0);
    return walk_check(w, late.n);
}

static int walk_on(struct walk *w)
{
    hob_addr any = hob_addr_loopback(0);

    check_ok(hob_udp_open(&any, &w->a));
    check_ok(hob_udp_open(&any, &w->b));
    for (int i = 0; i < ROOM; i++) {
        w->out.msgs[i].buf = w->out.bytes[i];
        w->in.msgs[i] = (hob_udp_msg){ .buf = w->in.bytes[i], .len = sizeof w->in.bytes[i] };
    }
    for (int step = 0; step < STEPS; step++) {
        uint64_t what = rand_below(&w->rand, 5);
        bool     has_room = w->sent - w->received < IN_FLIGHT_MAX;
        check_ok(what < 2 && has_room ? walk_send(w)
                 : what == 2 && has_room ? walk_race(w) : walk_receive(w));
    }
    while (w->received < w->sent)
        check_ok(walk_receive(w));
    return 0;
}

static void walk_free(struct walk **w)
{
    hob_udp_close((*w)->a);
    hob_udp_close((*w)->b);
    free(*w);
}

TEST_ON_ALL(udp_many, a_random_walk_keeps_every_datagram_and_its_order)
{
    CLOSED_BY(walk_free) struct walk *w = calloc(1, sizeof *w);

    w->rand.state = hob_test_seed();
    check_ok(walk_on(w));
}
