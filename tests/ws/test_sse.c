/* SPDX-License-Identifier: MIT */
/* Server-sent events: what is sent, who comes back, and who leaves. */
#include "hob/sse.h"
#include "hob/stop.h"
#include "http/site.h"
#include "support/tasks.h"
#include "ws/ws.h"

struct studio {
    hob_sse_feed *feed;
    hob_sse_opts  opts;
    bool          by_hand;
    int           served, result;
};

static int count(hob_http_request *req, struct studio *studio);

static int watch(hob_http_request *req, void *arg)
{
    struct studio *studio = arg;
    if (studio->by_hand)
        return count(req, studio);
    studio->result = hob_sse_serve(req, &studio->opts, studio->feed);
    studio->served++;
    return studio->result;
}

CLOSER(free_feed, hob_sse_feed, hob_sse_feed_free)

#define STUDIO(site_, studio_, ...)                                               \
    CLOSED_BY(free_feed) hob_sse_feed *feed = NULL;                               \
    check_ok(hob_sse_feed_new(&(hob_sse_feed_opts){ __VA_ARGS__ }, &feed));       \
    struct studio studio_ = { .feed = feed };                                     \
    struct site   site_ = { .handler = watch, .arg = &studio_ };                  \
    HOB_SCOPE(s);                                                                 \
    check_ok(open_site(&s, &site_))

#define END_STUDIO()                     \
    hob_scope_cancel(&s, "seen");        \
    ignore(hob_scope_end(&s))

/* Without chunks: HTTP/1.0. */
#define LOOK "GET / HTTP/1.0\r\n\r\n"
#define LOOK_AFTER "GET / HTTP/1.0\r\nLast-Event-ID: %s\r\n\r\n"

/* Byte by byte, so that nothing behind it is taken. */
static int hear_up_to(hob_tcp *conn, const char *last, char *buf, size_t size)
{
    size_t len = 0, last_len = strlen(last);
    while (len < size - 1 && (len < last_len || memcmp(buf + len - last_len, last, last_len) != 0)) {
        check_eq(hob_tcp_read(conn, buf + len, 1), 1);
        len++;
    }
    buf[len] = '\0';
    return 0;
}

static int begin_watching(const struct site *site, const char *request, hob_tcp **ret_conn)
{
    char got[1024];
    check_ok(visit(site, ret_conn));
    check_ok(say(*ret_conn, request));
    check_ok(hear_up_to(*ret_conn, "\r\n\r\n", got, sizeof got));
    check_eq(status_in(got), 200);
    check_has(got, "Content-Type: text/event-stream\r\n");
    check_has(got, "Cache-Control: no-store\r\n");
    return 0;
}

/* The next event, up to its empty line; `ret_id` gets its id. */
static int hears_event(hob_tcp *conn, const char *rest, char *ret_id)
{
    char got[4096], *at = got;
    check_ok(hear_up_to(conn, "\n\n", got, sizeof got));
    if (ret_id != NULL) {
        if (strncmp(got, "id: ", 4) != 0)
            fail("no id: %s", got);
        at = strchr(got, '\n') + 1;
        snprintf(ret_id, 48, "%.*s", (int)(at - 1 - got - 4), got + 4);
    }
    check_str(at, rest);
    return 0;
}

TEST_ON_ALL(sse, events_come_as_they_are_published)
{
    char id[48], first[48];
    STUDIO(site, studio, .name = "studio");
    TCP(conn);
    check_ok(hob_sse_publish(feed, NULL, "before"));
    check_ok(begin_watching(&site, LOOK, &conn));
    WAIT_FOR(hob_sse_feed_watchers(feed) == 1);
    check_ok(hob_sse_publish(feed, NULL, "one"));
    check_ok(hears_event(conn, "data: one\n\n", first));
    check_ok(hob_sse_publish(feed, "price", "a\nb\r\nc\rd\n"));
    check_ok(hears_event(conn, "event: price\ndata: a\ndata: b\ndata: c\ndata: d\ndata: \n\n", id));
    check_ne(strcmp(id, first), 0);
    check_ok(hob_sse_publish(feed, NULL, ""));
    check_ok(hears_event(conn, "data: \n\n", id));
    hob_tcp_close(conn);
    conn = NULL;
    for (int i = 0; i < 1000 && studio.served == 0; i++) { // who writes to it finds out
        check_ok(hob_sse_publish(feed, NULL, "x"));
        check_ok(hob_sleep(HOB_MSEC));
    }
    check_eq(studio.served, 1);
    END_STUDIO();
}

TEST(sse, who_comes_back_goes_on_behind_the_last)
{
    char id[48], request[200];
    STUDIO(site, studio, .events_max = 4);
    {
        TCP(conn);
        check_ok(begin_watching(&site, LOOK, &conn));
        WAIT_FOR(hob_sse_feed_watchers(feed) == 1);
        check_ok(hob_sse_publish(feed, NULL, "0"));
        check_ok(hears_event(conn, "data: 0\n\n", id));
    }
    check_ok(hob_sse_publish(feed, NULL, "1"));
    check_ok(hob_sse_publish(feed, NULL, "2"));
    snprintf(request, sizeof request, LOOK_AFTER, id);
    {
        TCP(conn);
        check_ok(begin_watching(&site, request, &conn));
        check_ok(hears_event(conn, "data: 1\n\n", id));
        check_ok(hears_event(conn, "data: 2\n\n", id));
        check_ok(hob_sse_publish(feed, NULL, "3"));
        check_ok(hears_event(conn, "data: 3\n\n", id));
    }
    for (int n = 4; n < 10; n++) { // of which four are kept
        char text[8];
        snprintf(text, sizeof text, "%d", n);
        check_ok(hob_sse_publish(feed, NULL, text));
    }
    {
        TCP(conn);
        snprintf(request, sizeof request, LOOK_AFTER, id);
        check_ok(begin_watching(&site, request, &conn));
        check_ok(hears_event(conn, "event: missed\ndata: \n\n", NULL));
        check_ok(hears_event(conn, "data: 6\n\n", id));
    }
    static const char *const FOREIGN[] = { "1-1", "x", "-1", "0-", "ffffffffffffffff-0", "%%00" };
    for (size_t i = 0; i < sizeof FOREIGN / sizeof FOREIGN[0]; i++) {
        TCP(conn);
        snprintf(request, sizeof request, LOOK_AFTER, FOREIGN[i]);
        check_ok(begin_watching(&site, request, &conn));
        check_ok(hears_event(conn, "event: missed\ndata: \n\n", NULL));
        check_ok(hears_event(conn, "data: 6\n\n", id));
    }
    END_STUDIO();
}

TEST(sse, silence_is_broken_and_the_time_of_a_request_is_not)
{
    char id[48];
    STUDIO(site, studio, .events_max = 4);
    TCP(conn);
    studio.opts = (hob_sse_opts){ .retry_ns = 2500 * HOB_MSEC, .replay = 1 };
    check_ok(hob_sse_publish(feed, NULL, "kept"));
    check_ok(begin_watching(&site, LOOK, &conn));
    check_ok(hears_event(conn, "retry: 2500\n\n", NULL));
    check_ok(hears_event(conn, "data: kept\n\n", id));
    int64_t begun = hob_now();
    for (int i = 0; i < 100; i++)
        check_ok(hears_event(conn, ":\n\n", NULL));
    check_eq((hob_now() - begun) / HOB_SEC, 1500);
    END_STUDIO();
}

TEST(sse, what_is_no_event_is_refused)
{
    STUDIO(site, studio, .bytes_max = 200);
    char big[300];
    memset(big, 'x', sizeof big);
    big[299] = '\0';
    check_err(hob_sse_publish(feed, "a\nb", "c"), -EINVAL);
    check_err(hob_sse_publish(feed, "a\r", "c"), -EINVAL);
    check_err(hob_sse_publish(feed, "\xff", "c"), -EINVAL);
    check_err(hob_sse_publish(feed, NULL, "\xff"), -EINVAL);
    check_err(hob_sse_publish(feed, NULL, big), -EMSGSIZE);
    hob__ws_fail_at = 1;
    check_err(hob_sse_publish(feed, NULL, "c"), -ENOMEM);
    hob__ws_fail_at = 0;
    END_STUDIO();
}

/* ---- by hand ---- */

static int count(hob_http_request *req, struct studio *studio)
{
    hob_sse       *sse;
    const char    *last;
    char           id[16];

    HOB_TRY(hob_sse_begin(req, &studio->opts, &sse));
    last = hob_sse_last_id(sse);
    check_err(hob_sse_send(sse, "a\nb", NULL, "c"), -EINVAL);
    check_err(hob_sse_send(sse, NULL, "a\rb", "c"), -EINVAL);
    int r = 0;
    for (int n = last != NULL ? atoi(last) + 1 : 0; r == 0; n++) {
        snprintf(id, sizeof id, "%d", n);
        r = hob_sse_send(sse, n % 2 ? "odd" : NULL, id, id);
        if (r == 0)
            r = hob_sleep(40 * HOB_SEC);
    }
    studio->served++;
    return r == -ECANCELED || r == -EPIPE || r == -ECONNRESET ? 0 : r;
}

TEST(sse, by_hand_there_are_heartbeats_too)
{
    char id[48];
    STUDIO(site, studio, .events_max = 1);
    studio.by_hand = true;
    TCP(conn);
    check_ok(begin_watching(&site, "GET / HTTP/1.0\r\nLast-Event-ID: 6\r\n\r\n", &conn));
    for (int n = 7; n < 20; n++) {
        char text[60];
        snprintf(text, sizeof text, n % 2 ? "event: odd\ndata: %d\n\n" : "data: %d\n\n", n);
        check_ok(hears_event(conn, text, id));
        check_eq(atoi(id), n);
        check_ok(hears_event(conn, ":\n\n", NULL));
        check_ok(hears_event(conn, ":\n\n", NULL));
    }
    hob_tcp_close(conn);
    conn = NULL;
    for (int i = 0; i < 100 && studio.served == 0; i++)
        check_ok(hob_sleep(HOB_SEC));
    check_eq(studio.served, 1);
    END_STUDIO();
}

TEST(sse, who_asks_for_the_head_alone_is_not_served_for_ever)
{
    for (int by_hand = 0; by_hand < 2; by_hand++) {
        STUDIO(site, studio, .events_max = 1);
        studio.by_hand = by_hand;
        TCP(conn);
        check_ok(begin_watching(&site, "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n", &conn));
        WAIT_FOR(studio.served == 1);
        char got[1024];
        check_ok(say(conn, "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n")); // on the same connection
        check_ok(hear_up_to(conn, "\r\n\r\n", got, sizeof got));
        check_eq(status_in(got), 200);
        check_eq(hob_sse_feed_watchers(feed), 0);
        END_STUDIO();
    }
}

static int watch_and_stop(void *arg)
{
    struct site *site = arg;
    char         got[200];
    TCP(conn);
    check_ok(begin_watching(site, LOOK, &conn));
    settle();
    hob_stop("the test says so");
    check_ge(hear(conn, got, sizeof got), 0);
    return 0;
}

static int serve_until_stopped(void *by_hand)
{
    STUDIO(site, studio, .events_max = 1);
    studio.by_hand = by_hand != NULL;
    hob_go(&s, watch_and_stop, &site);
    check_ok(hob_scope_end(&s));
    check_eq(site.result, 0);
    check_eq(studio.served, 1);
    return 0;
}

TEST_BARE_ON_ALL(sse, a_run_that_stops_ends_them)
{
    for (int by_hand = 0; by_hand < 2; by_hand++) {
        hob_run_opts opts;
        hob_test_run_opts(&opts);
        check_ok(hob_run_with(&opts, serve_until_stopped, by_hand ? &opts : NULL));
    }
}

/* A slow one misses the oldest, and is told. */
TEST(sse, who_is_slow_misses_and_is_told)
{
    hob_sim_world world = { .stream_bytes = 2048 };
    STUDIO(site, studio, .events_max = 8);
    TCP(conn);
    static char got[200000];
    check_ok(hob_sim_set_world(&world));
    check_ok(begin_watching(&site, LOOK, &conn));
    WAIT_FOR(hob_sse_feed_watchers(feed) == 1);
    char text[501];
    memset(text, 'y', 500);
    text[500] = '\0';
    for (int n = 0; n < 200; n++) {
        check_ok(hob_sse_publish(feed, NULL, text));
        settle();
    }
    check_ok(hob_sse_publish(feed, "last", ""));
    check_ok(hear_until(conn, "event: last\ndata: \n\n", got, sizeof got));
    check_ge(times_in(got, "event: missed\n"), 1);
    check_lt(times_in(got, "id: "), 60);
    END_STUDIO();
}

/* ---- mistakes ---- */

TEST_DIES(sse, no_feed_to_serve_is_a_mistake, "*hob_sse_serve: there is no feed: it is NULL*")
{
    struct studio studio = { .feed = NULL };
    struct site   site = { .handler = watch, .arg = &studio };
    HOB_SCOPE(s);
    check_ok(open_site(&s, &site));
    TCP(conn);
    check_ok(begin_watching(&site, LOOK, &conn));
}

TEST_DIES(sse, no_feed_to_publish_to_is_a_mistake, "*hob_sse_publish: there is no feed: it is NULL*")
{
    ignore(hob_sse_publish(NULL, NULL, "data"));
}
