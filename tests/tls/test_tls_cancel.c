/* SPDX-License-Identifier: MIT */
/*
 * Cancelling, closing and failing, wherever a call can wait: nothing is lost, nothing is left, and
 * a connection that was only cancelled goes on.
 */
#include "support/waits.h"
#include "tls/peers.h"

/* One end of a conversation: it says its own salt and hears the other's, and says goodbye. Each step
 * goes on after a cancellation. */
struct end {
    hob_tls       *conn;
    struct between between;
    unsigned       salt;
    uint64_t       bytes;
    uint64_t       sent, got;
    bool           is_agreed, has_ended;
    int            cancelled; /* how often a step was */
    int            error;     /* of another kind */
};

static bool is_cancelled(ssize_t r)
{
    return r == -ECANCELED || r == -ETIMEDOUT;
}

static int speak(struct end *e)
{
    unsigned char buf[3000];
    while (e->sent < e->bytes) {
        size_t len = e->bytes - e->sent < sizeof buf ? (size_t)(e->bytes - e->sent) : sizeof buf;
        fill(buf, len, e->sent, e->salt);
        ssize_t n = hob_tls_write_some(e->conn, buf, len);
        if (n < 0)
            return (int)n;
        e->sent += (uint64_t)n;
    }
    return hob_tls_shutdown(e->conn);
}

static int hear(struct end *e)
{
    unsigned char buf[700];
    while (!e->has_ended) {
        ssize_t n = hob_tls_read(e->conn, buf, sizeof buf);
        if (n < 0)
            return (int)n;
        check(is_filled(buf, (size_t)n, e->got, e->salt ^ 1));
        e->got += (uint64_t)n;
        e->has_ended = n == 0;
    }
    return 0;
}

static void cancel_scope(void *scope)
{
    hob_scope_cancel(scope, "the test says so");
}

/* A step, with a scope of its own that is cancelled at a certain call of the stream below. */
static int attempt(struct end *e, int (*step)(struct end *e))
{
    HOB_SCOPE(s);
    e->between.act = cancel_scope;
    e->between.arg = &s;
    int r = step(e);
    ignore(hob_scope_end(&s));
    e->between.act_at = 0;
    return r;
}

static int do_handshake(struct end *e)
{
    return hob_tls_handshake(e->conn);
}

static int all_steps(void *arg)
{
    struct end *e = arg;
    int (*const steps[])(struct end *) = { do_handshake, speak, hear };
    for (size_t i = 0; i < 3 && e->error == 0;) {
        HOB_TRY(hob_cancelled()); // not by us: the test has failed
        int r = attempt(e, steps[i]);
        if (r == -ECANCELED) // -ETIMEDOUT would be the handshake's own limit, which stays
            e->cancelled++;
        else if (r < 0)
            e->error = r;
        else
            i++;
    }
    if (e->error != 0) { // so that the other end hears of it
        hob_tls_close(e->conn);
        e->conn = NULL;
    }
    return 0;
}

static int open_ends(struct world *w, struct end *left, struct end *right)
{
    hob_tcp *a, *b;
    check_ok(tcp_pair(&a, &b));
    check_ok(hob_tls_client(w->client_config, put_between(&left->between, hob_tcp_stream(a)),
                            "a.example", &left->conn));
    check_ok(hob_tls_server(w->server_config, put_between(&right->between, hob_tcp_stream(b)),
                            &right->conn));
    return 0;
}

static int run_ends(struct end *left, struct end *right)
{
    HOB_SCOPE(s);
    hob_go_with(&s, all_steps, left, &(hob_task_opts){ .name = "left" });
    hob_go_with(&s, all_steps, right, &(hob_task_opts){ .name = "right" });
    return hob_scope_end(&s);
}

static int check_ends(const struct end *left, const struct end *right)
{
    check_ok(left->error);
    check_ok(right->error);
    check_eq(left->got, right->bytes);
    check_eq(right->got, left->bytes);
    return 0;
}

/* Cancels one side at its call number `at`. Returns 1 when there was such a call. */
static int cancel_at(struct world *w, uint64_t at, bool left_side, size_t most)
{
    struct end left = { .salt = 0, .bytes = 7000, .between = { .most = most } };
    struct end right = { .salt = 1, .bytes = 5000, .between = { .most = most } };
    (left_side ? &left : &right)->between.act_at = at;

    int r = open_ends(w, &left, &right);
    if (r == 0)
        r = run_ends(&left, &right);
    struct end *e = left_side ? &left : &right;
    bool        was_there = e->between.calls >= at;
    hob_tls_close(left.conn);
    hob_tls_close(right.conn);
    HOB_TRY(r);
    check_ok(check_ends(&left, &right));
    return was_there;
}

static int cancel_everywhere(struct world *w, bool left_side, size_t most, uint64_t step)
{
    for (uint64_t at = 1;; at += step) {
        int was_there = cancel_at(w, at, left_side, most);
        if (was_there <= 0)
            return was_there;
    }
}

TEST_ON_ALL(cancel, at_any_wait_of_the_client_nothing_is_lost)
{
    WORLD(w);
    check_ok(make_world(&w, NULL, NULL));
    check_ok(cancel_everywhere(&w, true, 0, 1));
    check_ok(cancel_everywhere(&w, true, 100, all_is_slow() ? 29 : 7));
}

TEST_ON_ALL(cancel, at_any_wait_of_the_server_nothing_is_lost)
{
    WORLD(w);
    check_ok(make_world(&w, NULL, NULL));
    check_ok(cancel_everywhere(&w, false, 0, 1));
    check_ok(cancel_everywhere(&w, false, 100, all_is_slow() ? 29 : 7));
}

/* ---- the handshake, while it waits ---- */

static int handshake(void *conn)
{
    return hob_tls_handshake(conn);
}

/* Cancelled at its wait number `at`, or at another of the other's in between, and then made again. The
 * other only hears that it takes longer. Returns 1 when there was such a wait. */
static int cancel_handshake_at(struct world *w, uint64_t at, bool of_client, size_t most, int *ret_cancelled)
{
    struct end left = { .between = { .most = most } }, right = { .between = { .most = most } };
    check_ok(open_ends(w, &left, &right));
    TLS(client);
    TLS(server);
    client = left.conn;
    server = right.conn;

    struct shaking   other = { of_client ? server : client, -1 };
    struct cancelled c = { .fn = handshake, .arg = of_client ? client : server, .at = at };
    HOB_SCOPE(s);
    hob_go(&s, shake_hands, &other);
    check_ok(cancel_at_wait(&c));
    check(c.result == 0 || (c.result == -ECANCELED && c.was_there));
    *ret_cancelled += c.result != 0;
    check_ok(hob_tls_handshake(c.arg));
    check_ok(hob_scope_end(&s));
    check_ok(other.result);
    check_ok(both_ways(hob_tls_stream(client), hob_tls_stream(server), 10, 10));
    return c.was_there;
}

TEST_ON_ALL(cancel, a_handshake_cancelled_at_any_wait_of_either_side_goes_on)
{
    WORLD(w);
    check_ok(make_world(&w, NULL, NULL));
    for (int side = 0; side < 4; side++) {
        size_t most = side < 2 ? 0 : all_is_slow() ? 400 : 60; // whole records, and pieces of them
        int    cancelled = 0, was_there = 1;
        for (uint64_t at = 1; was_there; at++)
            was_there = check_ok(cancel_handshake_at(&w, at, side % 2, most, &cancelled));
        check_gt(cancelled, 0); // a server with whole records waits for nothing but two flights
    }
}

/* ---- at random, both ways at once ---- */

struct chance {
    struct end *end;
    uint64_t    state;
    int (*step)(struct end *);
};

/* A step that goes on until it is done, whatever deadline it meets in between. */
static int with_short_deadlines(void *arg)
{
    struct chance *c = arg;
    for (;;) {
        HOB_TRY(hob_cancelled());
        c->state = c->state * 6364136223846793005u + 1442695040888963407u;
        HOB_SCOPE(s);
        hob_scope_deadline(&s, hob_in((int64_t)(c->state >> 40) * 4)); // up to 67 ms
        int r = c->step(c->end);
        ignore(hob_scope_end(&s));
        if (!is_cancelled(r) || c->end->cancelled > 20000)
            return r;
        c->end->cancelled++;
    }
}

TEST(cancel, at_random_and_both_ways_at_once_nothing_is_lost_or_doubled)
{
    hob_sim_world world = {
        .latency_min_ns = 1 * HOB_MSEC,
        .latency_max_ns = 20 * HOB_MSEC,
        .short_io_percent = 50,
        .stream_bytes = 3000,
    };
    WORLD(w);
    check_ok(make_world(&w, NULL, NULL));
    check_ok(hob_sim_set_world(&world));
    struct end left = { .salt = 0, .bytes = 40000 }, right = { .salt = 1, .bytes = 30000 };
    check_ok(open_ends(&w, &left, &right));
    TLS(a);
    TLS(b);
    a = left.conn;
    b = right.conn;

    uint64_t      seed = hob_test_seed();
    struct chance parts[] = {
        { &left, seed * 3 + 1, speak }, { &left, seed * 5 + 2, hear },
        { &right, seed * 7 + 3, speak }, { &right, seed * 11 + 4, hear },
    };
    HOB_SCOPE(s);
    for (size_t i = 0; i < 4; i++)
        hob_go(&s, with_short_deadlines, &parts[i]);
    check_ok(hob_scope_end(&s));
    check_ok(check_ends(&left, &right));
    check_gt(left.cancelled + right.cancelled, 10);
}

/* ---- closing ---- */

static void say_now(void *event)
{
    hob_event_set(event);
}

struct closing {
    struct end *end;
    hob_event   now;
};

static int close_then(void *arg)
{
    struct closing *c = arg;
    HOB_TRY(hob_event_wait(&c->now));
    hob_tls *conn = c->end->conn;
    c->end->conn = NULL;
    hob_tls_close(conn);
    return 0;
}

/* All that an end does, until it is closed under it: one part of it in a task of its own. */
static int speak_until_closed(void *arg)
{
    struct end *e = arg;
    int         r = e->conn != NULL ? hob_tls_handshake(e->conn) : 0;
    if (r == 0 && e->conn != NULL)
        r = speak(e);
    e->error = r;
    return r == -ECANCELED || r == HOB_ETLSTRUNCATED || r == -EPIPE || r == -ECONNRESET ? 0 : r;
}

static int hear_until_closed(void *arg)
{
    struct end *e = arg;
    ignore(e->conn != NULL ? hear(e) : 0);
    return 0;
}

static int close_at(struct world *w, uint64_t at, bool *ret_was_there)
{
    struct end     left = { .salt = 0, .bytes = 50000 }, right = { .salt = 1, .bytes = 5000 };
    struct closing closing = { .end = &left };

    check_ok(open_ends(w, &left, &right));
    left.between.act = say_now;
    left.between.arg = &closing.now;
    left.between.act_at = at;
    HOB_SCOPE(s);
    hob_go(&s, close_then, &closing);
    hob_go(&s, hear_until_closed, &right);
    hob_go(&s, speak_until_closed, &right);
    int of_left_result;
    {
        HOB_SCOPE(of_left);
        if (at % 2 == 0) // who waits for the handshake of another, first or second
            hob_go(&of_left, hear_until_closed, &left);
        hob_go(&of_left, speak_until_closed, &left);
        if (at % 2 == 1)
            hob_go(&of_left, hear_until_closed, &left);
        of_left_result = hob_scope_end(&of_left);
    }
    *ret_was_there = hob_event_is_set(&closing.now);
    hob_event_set(&closing.now);
    int r = hob_scope_end(&s); // the right one sees an end without a goodbye, or a reset
    hob_tls_close(left.conn);
    hob_tls_close(right.conn);
    return r < 0 ? r : of_left_result;
}

TEST_ON_ALL(cancel, closing_at_any_wait_gives_all_back)
{
    WORLD(w);
    bool was_there = true;
    check_ok(make_world(&w, NULL, NULL));
    for (uint64_t at = 1; was_there; at++)
        check_ok(close_at(&w, at, &was_there));
}

TEST_ON_ALL(cancel, closing_gives_the_reader_and_the_writer_back)
{
    WORLD(w);
    check_ok(make_world(&w, NULL, NULL));
    TLS(client);
    TLS(server);
    struct io      reading = { .stream = NULL };
    struct traffic writing = { .bytes = UINT64_MAX, .piece = 65536 };
    check_ok(agreed_pair(&w, &client, &server));
    reading.stream = writing.stream = hob_tls_stream(client);
    hob_future *writer;
    HOB_SCOPE(s);
    hob_go(&s, read_once, &reading);
    writer = hob_async(&s, send_traffic, &writing);
    settle();
    hob_tls *closed = client;
    client = NULL;
    hob_tls_close(closed);
    check_err(hob_await(writer), -ECANCELED);
    check_ok(hob_scope_end(&s));
    check_eq(reading.result, -ECANCELED);
}

/* In a cancelled scope every call says so, also where bytes are there already. */
TEST(cancel, in_a_cancelled_scope_nothing_is_taken)
{
    WORLD(w);
    check_ok(make_world(&w, NULL, NULL));
    TLS(client);
    TLS(server);
    char buf[8] = "";
    check_ok(agreed_pair(&w, &client, &server));
    check_eq(hob_tls_write(client, "abcd", 4), 4);
    check_eq(hob_tls_read(server, buf, 1), 1);
    HOB_SCOPE(s);
    hob_scope_cancel(&s, "the test says so");
    check_err(hob_tls_read(server, buf, 1), -ECANCELED);
    check_err(hob_tls_write(server, "x", 1), -ECANCELED);
    check_err(hob_tls_write_some(server, "x", 1), -ECANCELED);
    check_err(hob_tls_handshake(server), -ECANCELED);
    check_err(hob_tls_shutdown(server), -ECANCELED);
    ignore(hob_scope_end(&s));
    check_eq(hob_stream_read_exactly(hob_tls_stream(server), buf, 3), 3);
    check_mem(buf, "bcd", 3);
    check_ok(hob_tls_shutdown(server));
    check_eq(hob_tls_read(client, buf, 1), 0);
}
