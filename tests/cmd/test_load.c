/* SPDX-License-Identifier: MIT */
/* The load of hob bench, beside servers that are good, slow, rude or not there. */
#include "http/site.h"
#include "load.h"

static const char REQUEST[] = "GET /x HTTP/1.1\r\nHost: x\r\n\r\n";

static struct load_opts opts_for(const hob_addr *addr)
{
    return (struct load_opts){
        .addr = *addr,
        .request = REQUEST,
        .request_len = sizeof REQUEST - 1,
        .connections = 1,
        .depth = 1,
        .duration_ns = HOB_HOUR,
        .timeout_ns = 5 * HOB_SEC,
    };
}

/* Runs the load to its end. */
static int run(struct load *load, const struct load_opts *opts)
{
    expect_ok(load_init(load, opts));
    int r = load_run(load);
    load_fini(load);
    return r;
}

static int say_hello(hob_http_request *req, void *arg)
{
    return hob_http_reply_text(req, 200, "hello\n");
}

TEST_ON_ALL(load, a_number_of_requests_is_spread_over_connections)
{
    static struct load load;
    struct site        site = { .handler = say_hello };
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    struct load_opts opts = opts_for(&site.addr);
    opts.connections = 4;
    opts.requests_max = 200;
    check_ok(run(&load, &opts));
    check_eq(load.answers, 200);
    check_eq(load.by_class[2], 200);
    check_eq(load.latency.count, 200);
    check_eq(load.connects, 4);
    check_eq(load_troubles(&load), 0);
    check_eq(site.stats.requests, 200);
}

TEST_ON_ALL(load, requests_that_are_sent_together_are_each_answered)
{
    static struct load load;
    struct site        site = { .handler = say_hello };
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    struct load_opts opts = opts_for(&site.addr);
    opts.connections = 3;
    opts.depth = 16;
    opts.requests_max = 500; // the last are fewer than 16
    check_ok(run(&load, &opts));
    check_eq(load.answers, 500);
    check_eq(load_troubles(&load), 0);
    check_eq(site.stats.requests, 500);
}

/* ---- time ---- */

static int answer_slowly(hob_http_request *req, void *arg)
{
    HOB_TRY(hob_sleep(10 * HOB_MSEC));
    return hob_http_reply_text(req, 200, NULL);
}

TEST(load, a_closed_loop_asks_again_when_it_was_answered)
{
    static struct load load;
    struct site        site = { .handler = answer_slowly };
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    struct load_opts opts = opts_for(&site.addr);
    opts.connections = 5;
    opts.duration_ns = HOB_SEC;
    check_ok(run(&load, &opts));
    check_gt(load.answers, 5 * 80);
    check_le(load.answers, 5 * 100);
    check_ge(histogram_at(&load.latency, 0), 10 * HOB_MSEC);
    check_le(load.ended_ns - load.began_ns, HOB_SEC + 20 * HOB_MSEC);
}

TEST(load, an_open_loop_keeps_its_pace)
{
    static struct load load;
    struct site        site = { .handler = answer_slowly };
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    struct load_opts opts = opts_for(&site.addr);
    opts.connections = 10;
    opts.rate = 200;
    opts.duration_ns = 2 * HOB_SEC;
    check_ok(run(&load, &opts));
    check_eq(load.answers, 400);
    check_eq(load.unsent, 0);
    check_lt(histogram_at(&load.latency, 1), 30 * HOB_MSEC);
}

/* The first request takes a second, all others nothing. */
static int stall_once(hob_http_request *req, void *arg)
{
    bool *has_stalled = arg;
    if (!*has_stalled) {
        *has_stalled = true;
        HOB_TRY(hob_sleep(HOB_SEC));
    }
    return hob_http_reply_text(req, 200, NULL);
}

TEST(load, what_was_due_while_the_server_stalled_counts_from_then)
{
    static struct load load;
    bool               has_stalled = false;
    struct site        site = { .handler = stall_once, .arg = &has_stalled };
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    struct load_opts opts = opts_for(&site.addr);
    opts.rate = 100;
    opts.duration_ns = 2 * HOB_SEC;
    check_ok(run(&load, &opts));
    check_eq(load.answers, 200);
    // A hundred were due in that second, and waited for up to a second: a quarter of all for half of it.
    check_gt(histogram_at(&load.latency, 0.77), 500 * HOB_MSEC);
    check_gt(histogram_at(&load.latency, 0.99), 900 * HOB_MSEC);
}

TEST(load, a_rate_that_is_too_much_leaves_some_unsent)
{
    static struct load load;
    struct site        site = { .handler = answer_slowly };
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    struct load_opts opts = opts_for(&site.addr);
    opts.rate = 1000;
    opts.duration_ns = HOB_SEC;
    check_ok(run(&load, &opts));
    check_le(load.answers, 100);
    check_eq(load.answers + load.unsent, 1000);
}

TEST(load, what_is_under_way_is_given_up_when_it_is_stopped)
{
    static struct load load;
    struct site        site = { .handler = answer_slowly };
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    struct load_opts opts = opts_for(&site.addr);
    opts.connections = 3;
    check_ok(load_init(&load, &opts));
    hob_future *running = hob_async(&s, (hob_task_fn *)load_run, &load);
    check(running != NULL);
    check_ok(hob_sleep(HOB_SEC));
    load_stop(&load);
    check_ok(hob_await(running));
    load_fini(&load);
    check_gt(load.answers, 3 * 80);
    check_eq(load_troubles(&load), 0);
    check_lt(load.ended_ns - load.began_ns, HOB_SEC + 100 * HOB_MSEC);
}

TEST_ON_ALL(load, it_can_be_cancelled)
{
    static struct load load;
    struct site        site = { .handler = answer_slowly };
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    struct load_opts opts = opts_for(&site.addr);
    check_ok(load_init(&load, &opts));
    HOB_SCOPE(inner);
    hob_scope_deadline(&inner, hob_in(50 * HOB_MSEC));
    check_err(load_run(&load), -ETIMEDOUT);
    load_fini(&load);
    check_eq(hob_scope_end(&inner), -ETIMEDOUT);
}

/* ---- trouble ---- */

/* Hears a request, or some, says this, and closes. */
struct rude {
    hob_addr    addr;
    const char *words; /* NULL: nothing, and it stays */
};

static int be_rude(void *arg)
{
    struct rude *rude = arg;
    LISTENER(listener);

    check_ok(listen_here(&listener));
    rude->addr = hob_tcp_listener_addr(listener);
    hob_ready(NULL);
    for (;;) {
        hob_tcp *conn;
        char     buf[4096];
        int      r = hob_tcp_accept(listener, &conn);
        if (r < 0)
            return r == -ECANCELED ? 0 : r;
        ssize_t n = hob_tcp_read(conn, buf, sizeof buf);
        while (n > 0 && rude->words == NULL)
            n = hob_tcp_read(conn, buf, sizeof buf);
        if (n > 0)
            ignore(say(conn, rude->words));
        hob_tcp_close(conn);
    }
}

/* Two seconds with it, or twenty requests: so often that trouble, and no other. */
static int suffer(const char *words, enum load_trouble trouble, uint64_t often)
{
    static struct load load;
    struct rude        rude = { .words = words };
    HOB_SCOPE(s);

    expect_ok(hob_go_ready(&s, be_rude, &rude, &(hob_task_opts){ .daemon = 1 }, NULL));
    struct load_opts opts = opts_for(&rude.addr);
    opts.duration_ns = 2 * HOB_SEC;
    opts.requests_max = 20;
    opts.timeout_ns = 500 * HOB_MSEC;
    expect_ok(run(&load, &opts));
    expect_eq(load.answers, 0);
    expect_eq(load_troubles(&load), load.troubles[trouble]);
    expect_eq(load.troubles[trouble], often);
    return 0;
}

TEST(load, each_trouble_is_counted_by_its_kind)
{
    check_ok(suffer("", LOAD_CLOSED, 20));
    check_ok(suffer("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", LOAD_CLOSED, 20));
    check_ok(suffer("SSH-2.0-x\r\n", LOAD_ANSWER, 20));
    check_ok(suffer(NULL, LOAD_TIMEOUT, 4));
}

TEST(load, more_than_was_asked_for_is_trouble)
{
    static struct load load;
    struct rude rude = { .words = "HTTP/1.1 204 x\r\n\r\nHTTP/1.1 204 x\r\n\r\n" };
    HOB_SCOPE(s);

    check_ok(hob_go_ready(&s, be_rude, &rude, &(hob_task_opts){ .daemon = 1 }, NULL));
    struct load_opts opts = opts_for(&rude.addr);
    opts.requests_max = 5;
    check_ok(run(&load, &opts));
    check_eq(load.answers, 5);
    check_eq(load.troubles[LOAD_ANSWER], 5);
}

TEST_ON_ALL(load, a_server_that_is_not_there_is_told)
{
    static struct load load;
    hob_addr           addr;
    {
        LISTENER(listener);
        check_ok(listen_here(&listener));
        addr = hob_tcp_listener_addr(listener);
    }
    struct load_opts opts = opts_for(&addr);
    opts.duration_ns = 200 * HOB_MSEC;
    check_ok(run(&load, &opts));
    check_gt(load.troubles[LOAD_CONNECT], 0);
    check_eq(load.first_error[LOAD_CONNECT], -ECONNREFUSED);
    check_eq(load.answers, 0);

    opts.duration_ns = HOB_HOUR;
    opts.requests_max = 3; // each try is one of them
    check_ok(run(&load, &opts));
    check_eq(load.troubles[LOAD_CONNECT], 3);
}

static int answer_and_close(hob_http_request *req, void *arg)
{
    hob_http_close_after(req);
    return hob_http_reply_text(req, 200, NULL);
}

TEST_ON_ALL(load, a_server_may_close_after_each_answer)
{
    static struct load load;
    struct site        site = { .handler = answer_and_close };
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    struct load_opts opts = opts_for(&site.addr);
    opts.connections = 2;
    opts.requests_max = 40;
    check_ok(run(&load, &opts));
    check_eq(load.answers, 40);
    check_ge(load.connects, 40);
    check_eq(load_troubles(&load), 0);
}

/* Answers with all that it was sent. */
static int give_back(hob_http_request *req, void *arg)
{
    HOB_TRY(hob_http_begin(req, 200, NULL, hob_http_body_length(req)));
    return hob_copy(hob_http_stream(req), hob_http_stream(req), NULL, NULL);
}

TEST_ON_ALL(load, what_is_large_is_sent_while_answers_come)
{
    enum { BODY_BYTES = 700000 };
    static struct load load;
    struct site        site = { .handler = give_back, .opts.discard_bytes_max = BODY_BYTES };
    char              *request = malloc(BODY_BYTES + 100);
    HOB_SCOPE(s);

    check(request != NULL);
    HOB_DEFER(free, request);
    int head_len = sprintf(request, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", BODY_BYTES);
    memset(request + head_len, 'b', BODY_BYTES);
    check_ok(open_site(&s, &site));
    struct load_opts opts = opts_for(&site.addr);
    opts.request = request;
    opts.request_len = (size_t)head_len + BODY_BYTES;
    opts.depth = 3;
    opts.requests_max = 6;
    check_ok(run(&load, &opts));
    check_eq(load.answers, 6);
    check_eq(load_troubles(&load), 0);
    check_gt(load.bytes, 6 * BODY_BYTES);
}
