/* SPDX-License-Identifier: MIT */
/*
 * Time, numbers and ends: slow clients, many clients, clients that go away, and a run that stops.
 * Where time matters it is virtual.
 */
#include <signal.h>

#include "hob/stop.h"
#include "http/server.h"
#include "http/site.h"
#include "support/tasks.h"

static int hello(hob_http_request *req, void *arg)
{
    return hob_http_reply_text(req, 200, "hello");
}

static int read_and_tell(hob_http_request *req, void *arg)
{
    char    buf[1000], text[32];
    ssize_t n, len = 0;
    while ((n = HOB_TRY(hob_http_read(req, buf, sizeof buf))) > 0)
        len += n;
    snprintf(text, sizeof text, "%zd", len);
    return hob_http_reply_text(req, 200, text);
}

/* ---- slow clients ---- */

/* Row 78. */
TEST_ONCE(http_time, every_prefix_of_a_request_and_then_silence_ends_in_time)
{
    static const char TEXT[] = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhell";
    struct site site = { .handler = read_and_tell };
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    for (size_t len = 0; len < sizeof TEXT; len++) {
        TCP(conn);
        char got[512];
        check_ok(visit(&site, &conn));
        check_eq(hob_tcp_write(conn, TEXT, len), (ssize_t)len);
        int64_t begun = hob_now();
        check_ok(hear(conn, got, sizeof got));
        // Nothing is an idle client; a part of a head has its time, and a part of a body the grace
        // of the lowest rate.
        int64_t limit = len == 0 ? 75 * HOB_SEC : 10 * HOB_SEC;
        check_ge(hob_now() - begun, limit);
        check_le(hob_now() - begun, limit + HOB_SEC);
        check_eq(status_in(got), len == 0 ? 0 : 408);
    }
    check_eq(site.stats.timed_out, sizeof TEXT - 1);
}

struct drip {
    hob_tcp    *conn;
    const char *text; /* and then x for ever */
    int64_t     pause_ns;
};

static int drip(void *arg)
{
    struct drip *d = arg;
    const char  *at = d->text;
    while (hob_tcp_write(d->conn, *at != '\0' ? at++ : "x", 1) == 1)
        HOB_TRY(hob_sleep(d->pause_ns));
    return 0;
}

static int hear_drip(const struct site *site, const char *text, char *got, size_t size, int64_t *ret_took)
{
    TCP(conn);
    check_ok(visit(site, &conn));
    int64_t begun = hob_now();
    HOB_SCOPE(s);
    hob_go_with(&s, drip, &(struct drip){ conn, text, HOB_SEC }, &(hob_task_opts){ .daemon = 1 });
    ssize_t n = hear(conn, got, size);
    *ret_took = hob_now() - begun;
    hob_scope_cancel(&s, "heard");
    (void)!hob_scope_end(&s);
    return n < 0 && n != -ECONNRESET ? (int)n : 0;
}

/* Row 79. */
TEST(http_time, a_byte_a_second_is_too_slow_for_heads_and_bodies)
{
    struct site site = { .handler = read_and_tell };
    char        got[512];
    int64_t     took = 0;
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    check_ok(hear_drip(&site, "GET / HTTP/1.1\r\nHost: a\r\nX: ", got, sizeof got, &took));
    check_eq(status_in(got), 408);
    check_le(took, 12 * HOB_SEC);

    // The head comes in time, and the body never does.
    TCP(conn);
    check_ok(visit(&site, &conn));
    check_ok(say(conn, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n"));
    int64_t begun = hob_now();
    hob_go_with(&s, drip, &(struct drip){ conn, "", HOB_SEC }, &(hob_task_opts){ .daemon = 1 });
    check_ok(hear(conn, got, sizeof got));
    check_eq(status_in(got), 408);
    check_le(hob_now() - begun, 14 * HOB_SEC);
}

static int big_answer(hob_http_request *req, void *arg)
{
    static char piece[65536];
    HOB_TRY(hob_http_begin(req, 200, NULL, -1));
    for (int i = 0; i < 1000; i++)
        HOB_TRY(hob_http_write(req, piece, sizeof piece));
    return 0;
}

/* Row 80. */
TEST_ONCE(http_time, a_reader_of_a_byte_a_second_is_let_go_and_costs_little)
{
    struct site site = { .handler = big_answer };
    char        byte;
    TCP(conn);
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    check_ok(visit(&site, &conn));
    check_ok(say(conn, GET("/")));
    int64_t begun = hob_now();
    while (site.stats.requests == 0 || site.stats.connections > 0) {
        check_eq(hob_tcp_read(conn, &byte, 1), 1);
        check_ok(hob_sleep(HOB_SEC));
    }
    check_le(hob_now() - begun, 300 * HOB_SEC); // a piece of 64 KiB takes 141 s at the lowest rate
    check_eq(site.stats.timed_out, 1);
    check_eq(site.stats.running, 0);
}

static int sleep_long(hob_http_request *req, void *arg)
{
    HOB_TRY(hob_sleep(HOB_HOUR));
    return hob_http_reply_text(req, 200, "awake");
}

TEST(http_time, a_handler_has_its_time)
{
    struct site site = { .handler = sleep_long };
    char        got[512];
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    int64_t begun = hob_now();
    check_ok(ask(&site, GET("/"), got, sizeof got));
    check_eq(status_in(got), 503);
    check_has(got, "Retry-After: 1\r\n");
    check_eq(hob_now() - begun, 10 * HOB_MINUTE);
}

TEST_ONCE(http_time, idle_connections_are_closed_in_time_and_busy_ones_are_not)
{
    enum { MANY = 50 };
    struct site site = { .handler = hello };
    hob_tcp    *idle[MANY];
    char        got[512], byte;
    TCP(busy);
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    for (int i = 0; i < MANY; i++)
        check_ok(visit(&site, &idle[i]));
    check_ok(visit(&site, &busy));
    for (int i = 0; i < 10; i++) {
        check_ok(hob_sleep(10 * HOB_SEC));
        check_ok(say(busy, GET("/")));
        check_ok(hear_until(busy, "hello", got, sizeof got));
    }
    check_eq(site.stats.connections, 1);
    for (int i = 0; i < MANY; i++) {
        check_eq(hob_tcp_read(idle[i], &byte, 1), 0);
        hob_tcp_close(idle[i]);
    }
}

/* ---- many clients ---- */

/* An idle connection has no task and no room for work. */
TEST_AS(http_many, idle_connections_have_neither_task_nor_room,
        HOB_TEST_EACH_BACKEND | HOB_TEST_ONE_SEED, NULL)
{
    enum { MANY = 200 };
    struct site site = { .handler = hello };
    hob_tcp    *conns[MANY];
    char        got[512];
    hob_stats   before, after;
    HOB_SCOPE(s);

    hob_test_timeout(60);
    check_ok(open_site(&s, &site));
    for (int i = 0; i < MANY; i++) {
        check_ok(visit(&site, &conns[i]));
        check_ok(say(conns[i], GET("/")));
        check_ok(hear_until(conns[i], "hello", got, sizeof got));
        if (i == 0) {
            WAIT_FOR(site.stats.idle == 1);
            hob_stats_get(&before); // those that the server has in any case
        }
    }
    WAIT_FOR(site.stats.idle == site.stats.connections);
    hob_stats_get(&after);
    check_eq(after.tasks_alive, before.tasks_alive);
    check_eq(site.stats.connections, MANY);
    check_eq(site.stats.running, 0);
    for (int i = 0; i < MANY; i++)
        hob_tcp_close(conns[i]);
}

static int until_told(hob_http_request *req, void *arg)
{
    HOB_TRY(hob_event_wait(arg));
    return hob_http_reply_text(req, 200, "hello");
}

/* Row 87. */
TEST_ON_ALL(http_many, more_requests_than_it_takes_get_503_and_the_others_their_answer)
{
    enum { MANY = 40, AT_ONCE = 4 };
    hob_event   go_on = { .name = "go on" };
    struct site site = { .handler = until_told, .arg = &go_on,
                         .opts = { .running_max = AT_ONCE, .retry_after_s = 7 } };
    hob_tcp    *conns[MANY];
    char        got[512];
    int         ok = 0, refused = 0;
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    for (int i = 0; i < MANY; i++) {
        check_ok(visit(&site, &conns[i]));
        check_ok(say(conns[i], "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
    }
    WAIT_FOR(site.stats.refused >= MANY - AT_ONCE);
    check_eq(site.stats.running, AT_ONCE);
    hob_event_set(&go_on);
    for (int i = 0; i < MANY; i++) {
        check_ok(hear(conns[i], got, sizeof got));
        ok += status_in(got) == 200;
        refused += status_in(got) == 503 && strstr(got, "Retry-After: 7\r\n") != NULL;
        hob_tcp_close(conns[i]);
    }
    check_eq(ok, AT_ONCE);
    check_eq(refused, MANY - AT_ONCE);
}

TEST_ON_ALL(http_many, more_connections_than_it_takes_get_503_or_nothing)
{
    hob_event   go_on = { .name = "go on" };
    struct site site = { .handler = until_told, .arg = &go_on, .opts.connections_max = 2 };
    char        got[512];
    TCP(a);
    TCP(b);
    HOB_SCOPE(s);

    // Both have a request that is under way: neither can make room.
    check_ok(open_site(&s, &site));
    check_ok(visit(&site, &a));
    check_ok(visit(&site, &b));
    check_ok(say(a, GET("/")));
    check_ok(say(b, GET("/")));
    WAIT_FOR(site.stats.running == 2);
    {
        TCP(c);
        check_ok(visit(&site, &c));
        check_ok(say(c, GET("/")));
        check_ok(hear(c, got, sizeof got));
        check_eq(status_in(got), 503);
    }
    hob_event_set(&go_on);
    check_ok(hear_until(a, "hello", got, sizeof got));
    check_ok(hear_until(b, "hello", got, sizeof got));
    check_eq(site.stats.displaced, 0);
    close_tcp(&b);
    WAIT_FOR(site.stats.connections <= 1);
    check_ok(ask(&site, GET("/"), got, sizeof got));
    check_eq(status_in(got), 200);
}

/* ---- clients that go away ---- */

struct gone {
    hob_event began;
    int       error;
    char      reason[64];
    bool      cleaned;
};

static void clean(void *arg)
{
    struct gone *gone = arg;
    if (hob_sleep(HOB_MSEC) == 0) // it is given its time
        gone->cleaned = true;
}

static int wait_for_ever(hob_http_request *req, void *arg)
{
    struct gone *gone = arg;
    HOB_TRY(hob_scope_defer(hob_http_scope(req), clean, gone));
    hob_event_set(&gone->began);
    gone->error = hob_sleep(HOB_FOREVER);
    snprintf(gone->reason, sizeof gone->reason, "%s", hob_cancel_reason());
    return gone->error;
}

TEST_ON_ALL(http_gone, an_end_alone_cancels_nobody)
{
    struct gone gone = { .began.name = "began" };
    struct site site = { .handler = wait_for_ever, .arg = &gone };
    TCP(conn);
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    check_ok(visit(&site, &conn));
    check_ok(say(conn, GET("/")));
    WAIT_FOR(hob_event_is_set(&gone.began));
    check_ok(hob_tcp_shutdown(conn)); // it may be one who only listens
    check_ok(hob_sleep(20 * HOB_MSEC));
    check_eq(gone.error, 0);
    check_eq(site.stats.gone, 0);
    hob_scope_cancel(&s, "seen");
}

static int begin_and_wait(hob_http_request *req, void *arg)
{
    HOB_TRY(hob_http_begin(req, 200, NULL, -1));
    HOB_TRY(hob_http_write(req, "hello", 5));
    HOB_TRY(hob_http_flush(req));
    return wait_for_ever(req, arg);
}

/* Row 85. */
TEST_ON_ALL(http_gone, a_reset_cancels_the_handler_and_its_cleanup_runs)
{
    struct gone gone = { .began.name = "began" };
    struct site site = { .handler = begin_and_wait, .arg = &gone };
    char        byte;
    TCP(conn);
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    check_ok(visit(&site, &conn));
    check_ok(say(conn, GET("/")));
    check_ok(hob_tcp_read(conn, &byte, 1));
    WAIT_FOR(hob_event_is_set(&gone.began));
    check_ok(hob_sleep(HOB_MSEC)); // the watch begins in the next turn
    close_tcp(&conn);              // with bytes unread: a reset
    WAIT_FOR(site.stats.connections == 0);
    check_eq(gone.error, -ECANCELED);
    check_str(gone.reason, "the client went away");
    check(gone.cleaned);
    check_eq(site.stats.gone, 1);
    check_eq(site.stats.failed, 0);
}

TEST_ON_ALL(http_gone, an_end_cancels_the_handler_where_that_is_wanted)
{
    struct gone gone = { .began.name = "began" };
    struct site site = { .handler = wait_for_ever, .arg = &gone, .opts.end_is_gone = 1 };
    TCP(conn);
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    check_ok(visit(&site, &conn));
    check_ok(say(conn, GET("/")));
    WAIT_FOR(hob_event_is_set(&gone.began));
    close_tcp(&conn);
    WAIT_FOR(site.stats.connections == 0);
    check_eq(gone.error, -ECANCELED);
    check_eq(site.stats.gone, 1);
}

TEST_ON_ALL(http_gone, requests_that_come_while_the_handler_waits_are_answered_after_it)
{
    hob_event   go_on = { .name = "go on" };
    struct site site = { .handler = until_told, .arg = &go_on };
    char        got[2048];
    TCP(conn);
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    check_ok(visit(&site, &conn));
    check_ok(say(conn, GET("/1")));
    WAIT_FOR(site.stats.running > 0);
    check_ok(hob_sleep(HOB_MSEC));
    check_ok(say(conn, GET("/2")));
    check_ok(hob_sleep(HOB_MSEC));
    hob_event_set(&go_on);
    check_ok(hob_tcp_shutdown(conn));
    check_ok(hear(conn, got, sizeof got));
    check_eq(times_in(got, "HTTP/1.1 200"), 2);
}

TEST_ON_ALL(http_gone, a_client_that_ends_in_the_middle_of_its_body_gets_no_answer)
{
    struct site site = { .handler = read_and_tell };
    char        got[512];
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    check_eq(check_ok(ask(&site, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel", got, sizeof got)), 0);
    check_eq(check_ok(ask(&site, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", got,
                          sizeof got)), 0);
    check_eq(check_ok(ask(&site, "GET / HTTP/1.1\r\nHo", got, sizeof got)), 0);
}

struct cut {
    int             result, told; /* of the handler's call, and what would be said */
    hob_http_record record;
    int             records;
};

static int reply_much(hob_http_request *req, void *arg)
{
    static const char much[20000000];
    struct cut       *cut = arg;

    cut->result = strcmp(hob_http_path(req), "/chunks") == 0 ? (int)hob_http_write(req, much, sizeof much)
                                                             : hob_http_reply(req, 200, NULL, much, sizeof much);
    cut->told = hob_http_failure_status(req, cut->result);
    return cut->result;
}

static void note_cut(void *arg, const hob_http_record *record)
{
    struct cut *cut = arg;
    cut->record = *record;
    cut->records++;
}

/* What went is told, and that nobody is there to hear of a failure. */
TEST_ON_ALL(http_gone, a_client_that_leaves_in_the_middle_of_its_answer_is_no_failure)
{
    static const char *const PATHS[] = { GET("/whole"), GET("/chunks") };
    struct cut  cut = { .records = 0 };
    struct site site = { .handler = reply_much, .arg = &cut, .opts = { .record = note_cut, .record_arg = &cut } };
    char        got[100000];
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    for (int i = 0; i < 2; i++) {
        TCP(conn);
        check_ok(visit(&site, &conn));
        check_ok(say(conn, PATHS[i]));
        check_eq(hear(conn, got, sizeof got), (ssize_t)sizeof got - 1);
        close_tcp(&conn); // with bytes unread: a reset
        WAIT_FOR(cut.records == i + 1);
        check_lt(cut.result, 0);
        check_eq(cut.told, 0);
        check_eq(cut.record.status, 200);
        check_eq(cut.record.error, cut.result);
        check_gt(cut.record.answer_bytes, sizeof got - 1000);
        check_lt(cut.record.answer_bytes, 20000000u);
    }
    check_eq(site.stats.failed, 0);
}

/* ---- children of a request ---- */

static int fail_soon(void *arg)
{
    HOB_TRY(hob_sleep(HOB_MSEC));
    return -EIO;
}

static int reply_with_child(hob_http_request *req, void *arg)
{
    hob_go(hob_http_scope(req), fail_soon, NULL);
    return hob_http_reply_text(req, 200, "hello");
}

TEST_ON_ALL(http, the_failure_of_a_requests_child_is_the_requests)
{
    struct site site = { .handler = reply_with_child };
    char        got[512];
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    check_ok(ask(&site, GET("/"), got, sizeof got));
    check_eq(status_in(got), 500);
}

/* ---- the end of a run ---- */

struct drained {
    struct site site;
    hob_event   began;
    char        got[3][1024];
    int         others; /* that were accepted when it stopped */
};

static int slow_hello(hob_http_request *req, void *arg)
{
    struct drained *d = arg;
    hob_event_set(&d->began);
    HOB_TRY(hob_sleep(100 * HOB_MSEC));
    return hob_http_reply_text(req, 200, "hello");
}

static int hear_slow(void *arg)
{
    struct drained *d = arg;
    TCP(conn);
    check_ok(visit(&d->site, &conn));
    check_ok(say(conn, GET("/1") GET("/2")));
    check_ok(hear(conn, d->got[0], sizeof d->got[0]));
    return 0;
}

static int hear_idle(void *arg)
{
    struct drained *d = arg;
    TCP(conn);
    check_ok(visit(&d->site, &conn));
    check_ok(hear(conn, d->got[1], sizeof d->got[1]));
    return 0;
}

static int serve_and_stop(void *arg)
{
    struct drained *d = arg;
    HOB_SCOPE(s);
    check_ok(hob_go_ready(&s, run_site, &d->site, NULL, NULL));
    hob_go(&s, hear_slow, d);
    hob_go(&s, hear_idle, d);
    WAIT_FOR(hob_event_is_set(&d->began));
    hob_stop("the test wants it");
    return hob_scope_end(&s);
}

/* Row 86: what has begun is finished, and says that it is the last; who is idle is let go. */
TEST_BARE_ON_ALL(http, a_run_that_stops_finishes_the_requests_that_have_begun)
{
    static struct drained d;
    hob_run_opts          opts;

    memset(&d, 0, sizeof d);
    d.site.handler = slow_hello;
    d.site.arg = &d;
    d.site.result = 1;
    hob_test_run_opts(&opts);
    opts.workers = 1;
    check_ok(hob_run_with(&opts, serve_and_stop, &d));
    check_eq(d.site.result, 0);
    check_eq(status_in(d.got[0]), 200);
    check_has(d.got[0], "Connection: close\r\n");
    check_eq(times_in(d.got[0], "HTTP/1.1"), 1);
    check_str(d.got[1], "");
    check_eq(d.site.stats.connections, 0);
}

TEST_ON_ALL(http, a_server_that_is_cancelled_leaves_nothing)
{
    struct gone gone = { .began.name = "began" };
    struct site site = { .handler = wait_for_ever, .arg = &gone };
    TCP(a);
    TCP(b);
    TCP(c);
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    check_ok(visit(&site, &a));
    check_ok(visit(&site, &b));
    check_ok(visit(&site, &c));
    check_ok(say(b, GET("/")));
    check_ok(say(c, "GET / HT"));
    WAIT_FOR(hob_event_is_set(&gone.began));
    hob_scope_cancel(&s, "enough");
    check_err(hob_scope_end(&s), -ECANCELED);
    check_eq(site.result, -ECANCELED);
    check_eq(gone.error, -ECANCELED);
    check_eq(site.stats.connections, 0);
}

/* ---- hooks ---- */

struct seen {
    int  count, status;
    char method[16], target[32];
    uint64_t body_bytes, answer_bytes;
};

static void see(void *arg, const hob_http_record *record)
{
    struct seen *seen = arg;
    seen->count++;
    seen->status = record->status;
    seen->body_bytes = record->body_bytes;
    seen->answer_bytes = record->answer_bytes;
    snprintf(seen->method, sizeof seen->method, "%s", record->method);
    snprintf(seen->target, sizeof seen->target, "%s", record->target);
}

TEST_ON_ALL(http, each_answer_is_recorded)
{
    struct seen seen = { 0 };
    struct site site = { .handler = read_and_tell, .opts = { .record = see, .record_arg = &seen } };
    char        got[512];
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    check_ok(ask(&site, "POST /a?b HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", got, sizeof got));
    check_eq(seen.count, 1);
    check_eq(seen.status, 200);
    check_str(seen.method, "POST");
    check_str(seen.target, "/a?b");
    check_eq(seen.body_bytes, 5);
    check_eq(seen.answer_bytes, 1);
    check_ok(ask(&site, "BAD\r\n\r\n", got, sizeof got));
    check_eq(seen.count, 2);
    check_eq(seen.status, 400);
    check_eq(site.stats.bad, 1);
}

static int no_wrap(void *arg, hob_stream *below, hob_stream **ret_stream)
{
    return -EACCES;
}

TEST_ON_ALL(http, a_connection_that_is_not_wrapped_is_closed)
{
    struct site site = { .handler = hello, .opts.wrap = no_wrap };
    char        got[512];
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    check_eq(check_ok(ask(&site, "", got, sizeof got)), 0);
    check_eq(site.stats.connections, 0);
}

static int same_stream(void *arg, hob_stream *below, hob_stream **ret_stream)
{
    hob_counted *counted = arg;
    *ret_stream = hob_counted_init(counted, below); // cannot tell when it is ready
    return 0;
}

TEST_ON_ALL(http, a_stream_that_cannot_tell_when_it_is_ready_is_served_by_a_waiting_task)
{
    hob_counted counted;
    struct site site = { .handler = hello, .opts = { .wrap = same_stream, .wrap_arg = &counted } };
    char        got[512];
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    {
        TCP(conn);
        check_ok(visit(&site, &conn));
        check_ok(say(conn, GET("/")));
        check_ok(hear_until(conn, "hello", got, sizeof got));
        settle();
        check_eq(site.stats.running, 0);
        check_ok(say(conn, GET("/")));
        check_ok(hear_until(conn, "hello", got, sizeof got));
    }
    check_gt(counted.bytes_written, 100);
    hob_scope_cancel(&s, "seen");
}

/* ---- who has only just come when the run stops ---- */

struct late {
    struct site site;
    char        got[3][512]; /* asks on a fresh connection; on one that has asked; never asks */
    int64_t     took[3];
};

static int ask_late(void *arg)
{
    struct late *late = arg;
    TCP(fresh);
    TCP(kept);
    TCP(silent);
    check_ok(visit(&late->site, &fresh));
    check_ok(visit(&late->site, &kept));
    check_ok(visit(&late->site, &silent));
    check_ok(say(kept, GET("/")));
    check_ok(hear_until(kept, "hello", late->got[1], sizeof late->got[1]));
    WAIT_FOR(late->site.stats.accepted == 3 && late->site.stats.running == 0);
    check_ok(hob_sleep(HOB_MSEC)); // they wait

    int64_t begun = hob_now();
    hob_stop("the test wants it");
    check_ok(hear(kept, late->got[1], sizeof late->got[1]));
    late->took[1] = hob_now() - begun;
    check_ok(say(fresh, GET("/")));
    check_ok(hear(fresh, late->got[0], sizeof late->got[0]));
    late->took[0] = hob_now() - begun;
    check_ok(hear(silent, late->got[2], sizeof late->got[2]));
    late->took[2] = hob_now() - begun;
    return 0;
}

static int serve_late(void *arg)
{
    struct late *late = arg;
    HOB_SCOPE(s);
    check_ok(hob_go_ready(&s, run_site, &late->site, NULL, NULL));
    hob_go(&s, ask_late, late);
    return hob_scope_end(&s);
}

static int answer_late(const hob_http_opts *opts)
{
    static struct late late;
    hob_run_opts       run;

    memset(&late, 0, sizeof late);
    late.site.handler = hello;
    late.site.opts = *opts;
    hob_test_run_opts(&run);
    run.workers = 1;
    check_ok(hob_run_with(&run, serve_late, &late));
    check_eq(late.site.result, 0);
    check_eq(status_in(late.got[0]), 200);
    check_has(late.got[0], "Connection: close\r\n");
    check_eq(late.got[1][0], '\0');
    check_eq(late.got[2][0], '\0');
    if (in_sim()) {
        check_eq(late.took[0], 0);
        check_eq(late.took[1], 0);
        check_eq(late.took[2], HOB_SEC);
    }
    return 0;
}

/* Row 86. */
TEST_BARE_ON_ALL(http, whoever_has_just_come_when_a_run_stops_may_ask)
{
    check_ok(answer_late(&(hob_http_opts){ 0 }));
}

static int one_of_three(void *arg, hob_stream *below, hob_stream **ret_stream)
{
    static hob_counted counted[3];
    int               *n = arg;
    *ret_stream = hob_counted_init(&counted[*n % 3], below); // cannot tell when it is ready
    *n += 1;
    return 0;
}

TEST_BARE_ON_ALL(http, whoever_has_just_come_to_a_waiting_task_when_a_run_stops_may_ask)
{
    int n = 0;
    check_ok(answer_late(&(hob_http_opts){ .wrap = one_of_three, .wrap_arg = &n }));
}

/* ---- memory ---- */

/* The nth allocation of the server fails: the client it was for gets no answer, or a failure; the others
 * and those after it do not notice. */
TEST(http, a_server_without_memory_goes_on)
{
    struct site site = { .handler = hello };
    char        got[512];
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    for (int at = 1; at < 8; at++) {
        hob__http_fail_at = at;
        ignore(ask(&site, GET("/"), got, sizeof got));
        hob__http_fail_at = 0;
        check_ok(ask(&site, GET("/"), got, sizeof got));
        check_eq(status_in(got), 200);
    }
    check_eq(site.stats.connections, 0);
}

/* Without memory for what has come of a head, it waits with a task. */
TEST(http, a_head_in_pieces_is_heard_without_memory_for_them)
{
    struct site site = { .handler = hello };
    char        got[512];
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    check_ok(ask(&site, GET("/"), got, sizeof got)); // a room is there, which is kept
    for (int at = 2; at < 6; at++) { // 1: the connection
        TCP(conn);
        hob__http_fail_at = at;
        check_ok(visit(&site, &conn));
        for (const char *c = GET("/"); *c != '\0'; c++) {
            check_eq(hob_tcp_write(conn, c, 1), 1);
            settle();
        }
        ignore(hob_tcp_shutdown(conn));
        check_ok(hear(conn, got, sizeof got));
        hob__http_fail_at = 0;
        check_eq(status_in(got), 200);
    }
    WAIT_FOR(site.stats.connections == 0);
    hob_scope_cancel(&s, "seen");
}
