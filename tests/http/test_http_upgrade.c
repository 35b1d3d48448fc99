/* SPDX-License-Identifier: MIT */
/* Connections that change their protocol; here to one that gives each byte back, and ends with a dot. */
#include "hob/stop.h"
#include "http/echo.h"
#include "http/server.h"
#include "support/tasks.h"

#define UPGRADE(path) \
    "GET " path " HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: x, echo/1\r\n\r\n"

struct echo {
    hob_stream *stream; /* of the one that is kept */
    int         calls, silences, ends;
    int         last;  /* event */
    int64_t     silent_ns;
};

static int64_t keep_echo(void *arg, int event)
{
    struct echo *echo = arg;
    echo->calls++;
    echo->last = event;
    if (event < 0)
        echo->ends++;
    if (event == HOB_HTTP_SILENT) {
        echo->silences++;
        return hob_stream_write(echo->stream, "?", 1) == 1 ? echo->silent_ns : -1;
    }
    return event == HOB_HTTP_READY && echo_once(echo->stream) == 0 ? echo->silent_ns : -ECANCELED;
}

static int handle(hob_http_request *req, void *arg)
{
    struct echo *echo = arg;
    hob_stream  *stream;
    hob_scope   *scope;
    int          r;

    HOB_TRY(hob_http_add_header(req, "X-Chosen", "1"));
    r = hob_http_upgrade(req, "echo/1", &stream);
    if (r < 0)
        return hob_http_reply_text(req, 400, hob_error_name(r));
    if (strncmp(hob_http_path(req), "/keep", 5) == 0) {
        echo->stream = stream;
        HOB_TRY(hob_http_keep(req, echo->silent_ns, keep_echo, echo, &scope));
        check(scope != hob_http_scope(req));
        return strcmp(hob_http_path(req), "/keep/fail") == 0 ? -EIO : 0;
    }
    return echo_to_the_end(stream);
}

static int shake_hands(const struct site *site, const char *request, hob_tcp **ret_conn)
{
    char got[512];
    check_ok(visit(site, ret_conn));
    check_ok(say(*ret_conn, request));
    check_ok(hear_until(*ret_conn, "\r\n\r\n", got, sizeof got));
    check_str(got, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo/1\r\n"
                   "X-Chosen: 1\r\n\r\n");
    return 0;
}

static int hears(hob_tcp *conn, const char *what)
{
    char got[64];
    check_eq(hob_stream_read_exactly(hob_tcp_stream(conn), got, strlen(what)), (ssize_t)strlen(what));
    check_mem(got, what, strlen(what));
    return 0;
}

TEST_ON_ALL(http_upgrade, the_stream_is_the_handlers_with_what_came_before)
{
    char got[2048];
    SITE(site, echo);
    for (int i = 0; i < 2; i++) {
        TCP(conn);
        check_ok(visit(&site, &conn));
        check_ok(say(conn, i == 0 ? UPGRADE("/") "early" : UPGRADE("/keep") "early"));
        check_ok(hear_until(conn, "early", got, sizeof got));
        check_eq(status_in(got), 101);
        check_eq(site.stats.upgraded, 1);
        check_eq(site.stats.running, 0);
        check_ok(say(conn, "later"));
        check_ok(hears(conn, "later"));
        check_ok(say(conn, "."));
        check_eq(hear(conn, got, sizeof got), 0);
    }
    WAIT_FOR(site.stats.connections == 0);
    check_eq(site.stats.upgraded, 0);
    check_eq(site.stats.failed, 0);
}

TEST(http_upgrade, it_is_cut_anywhere)
{
    static const char TEXT[] = GET("/none") UPGRADE("/") "hello";
    SITE(site, echo);
    for (size_t cut = 1; cut < sizeof TEXT - 1; cut++) {
        TCP(conn);
        char got[2048];
        check_ok(visit(&site, &conn));
        check_ok(hob_tcp_write(conn, TEXT, cut));
        settle();
        check_ok(hob_tcp_write(conn, TEXT + cut, sizeof TEXT - 1 - cut));
        check_ok(hear_until(conn, "hello", got, sizeof got));
        check_eq(times_in(got, "HTTP/1.1 400"), 1); // it did not ask for an upgrade
        check_eq(times_in(got, "HTTP/1.1 101"), 1);
    }
}

TEST(http_upgrade, who_does_not_ask_for_it_gets_another_answer)
{
    static const struct { const char *request, *answer; } CASES[] = {
        { GET("/"), "EPROTO" },
        { "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: echo/1\r\n\r\n", "EPROTO" },
        { "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n\r\n", "EPROTO" },
        { "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo/2\r\n\r\n", "EPROTO" },
        { "GET / HTTP/1.0\r\nConnection: Upgrade\r\nUpgrade: echo/1\r\n\r\n", "EPROTO" },
        { "POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo/1\r\nContent-Length: 1\r\n\r\nx",
          "EBUSY" },
    };
    char got[1024];
    SITE(site, echo);
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        check_ok(ask(&site, CASES[i].request, got, sizeof got));
        check_eq(status_in(got), 400);
        check_has(got, CASES[i].answer);
    }
}

TEST(http_upgrade, the_time_of_a_request_does_not_end_it)
{
    struct echo echo = { .silent_ns = HOB_FOREVER };
    struct site site = { .handler = handle, .arg = &echo, .opts = { .running_max = 1 } };
    HOB_SCOPE(s);
    check_ok(open_site(&s, &site));
    TCP(a);
    TCP(b);
    check_ok(shake_hands(&site, UPGRADE("/"), &a));
    check_ok(shake_hands(&site, UPGRADE("/keep"), &b)); // and they are not among the running
    check_ok(hob_sleep(HOB_HOUR));
    check_ok(say(a, "a"));
    check_ok(hears(a, "a"));
    check_ok(say(b, "b"));
    check_ok(hears(b, "b"));
    check_eq(site.stats.timed_out, 0);
}

TEST(http_upgrade, too_many_are_refused)
{
    struct echo echo = { .silent_ns = HOB_FOREVER };
    struct site site = { .handler = handle, .arg = &echo, .opts = { .upgraded_max = 1 } };
    char        got[1024];
    HOB_SCOPE(s);
    check_ok(open_site(&s, &site));
    TCP(a);
    check_ok(shake_hands(&site, UPGRADE("/keep"), &a));
    check_ok(ask(&site, UPGRADE("/keep"), got, sizeof got));
    check_has(got, "ENOBUFS");
    hob_tcp_close(a);
    a = NULL;
    WAIT_FOR(site.stats.upgraded == 0);
    check_ok(shake_hands(&site, UPGRADE("/keep"), &a));
}

/* As of HTTP/2: tests/ws/test_ws_http2.c. */
TEST(http_upgrade, a_kept_one_does_not_make_room)
{
    struct echo echo = { .silent_ns = HOB_FOREVER };
    struct site site = { .handler = handle, .arg = &echo, .opts = { .connections_max = 1 } };
    char        got[512];
    HOB_SCOPE(s);
    check_ok(open_site(&s, &site));
    TCP(conn);
    check_ok(shake_hands(&site, UPGRADE("/keep"), &conn));
    settle();
    check_ok(ask(&site, GET("/"), got, sizeof got));
    check_eq(status_in(got), 503);
    check_eq(site.stats.displaced, 0);
    check_ok(say(conn, "x"));
    check_ok(hears(conn, "x"));
}

TEST(http_upgrade, a_kept_one_has_no_task_and_hears_of_silence)
{
    SITE(site, echo);
    TCP(conn);
    echo.silent_ns = 30 * HOB_SEC;
    check_ok(shake_hands(&site, UPGRADE("/keep"), &conn));
    settle();
    check_eq(echo.calls, 0);
    int64_t begun = hob_now();
    check_ok(hears(conn, "?"));
    check_ge(hob_now() - begun, 29 * HOB_SEC);
    check_le(hob_now() - begun, 32 * HOB_SEC);
    check_ok(hears(conn, "?"));
    check_eq(echo.silences, 2);
    check_ok(say(conn, "x"));
    check_ok(hears(conn, "x"));
    check_eq(echo.calls, 3);
    hob_tcp_close(conn);
    conn = NULL;
    WAIT_FOR(site.stats.connections == 0);
    check_eq(echo.calls, 4); // it read the end, and said so
    check_eq(echo.ends, 0);
}

TEST(http_upgrade, a_handler_that_fails_ends_what_it_kept)
{
    SITE(site, echo);
    TCP(conn);
    char got[8];
    check_ok(shake_hands(&site, UPGRADE("/keep/fail"), &conn));
    check_eq(hear(conn, got, sizeof got), 0);
    WAIT_FOR(site.stats.connections == 0);
    check_eq(echo.ends, 1);
    check_eq(echo.last, -EIO);
}

/* ---- the server's end ---- */

static int visit_and_hear(void *arg)
{
    struct site *site = arg;
    char         got[64];
    TCP(a);
    TCP(b);
    check_ok(shake_hands(site, UPGRADE("/"), &a));
    check_ok(shake_hands(site, UPGRADE("/keep"), &b));
    settle();
    hob_stop("the test says so");
    check_eq(hear(a, got, sizeof got), 3);
    check_str(got, "bye");
    check_eq(hear(b, got, sizeof got), 0);
    return 0;
}

static int serve_and_stop(void *arg)
{
    SITE(site, echo);
    hob_go(&s, visit_and_hear, &site);
    int r = hob_scope_end(&s);
    check_eq(r, 0);
    check_eq(site.result, 0);
    check_eq(echo.ends, 1);
    check_eq(site.stats.connections, 0);
    return 0;
}

TEST_BARE_ON_ALL(http_upgrade, a_run_that_stops_ends_them_with_a_word)
{
    hob_run_opts opts;
    hob_test_run_opts(&opts);
    check_ok(hob_run_with(&opts, serve_and_stop, NULL));
}

TEST(http_upgrade, a_cancelled_server_ends_them)
{
    SITE(site, echo);
    TCP(a);
    TCP(b);
    char got[64];
    check_ok(shake_hands(&site, UPGRADE("/"), &a));
    check_ok(shake_hands(&site, UPGRADE("/keep"), &b));
    settle();
    hob_scope_cancel(&s, "enough");
    ignore(hob_scope_end(&s));
    check_eq(hear(a, got, sizeof got), 3);
    check_eq(hear(b, got, sizeof got), 0);
    check_eq(echo.ends, 1);
    check_eq(site.stats.connections, 0);
}

TEST(http_upgrade, without_memory_it_is_refused_or_comes_later)
{
    SITE(site, echo);
    for (int at = 1; at < 6; at++) {
        TCP(conn);
        char got[1024];
        hob__http_fail_at = at;
        if (visit(&site, &conn) == 0 && say(conn, UPGRADE("/keep") "abc") > 0)
            ignore(hear_until(conn, "abc", got, sizeof got));
        hob__http_fail_at = 0;
    }
    WAIT_FOR(site.stats.connections == 0);
    check_eq(site.stats.upgraded, 0);
}
