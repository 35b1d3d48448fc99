/* SPDX-License-Identifier: MIT */
/* Many WebSockets over one connection of HTTP/2, to Hob's own server. */
#include <hob/sim.h>

#include "wsopen/links.h"

/* ---- one and two ---- */

TEST_ON_ALL(ws_link, two_talk_over_one_connection)
{
    WS_SITE(site, seen);
    LINK(link);
    check_ok(link_to(&site, NULL, &link));
    {
        WS(a);
        WS(b);
        check_ok(hob_ws_open_on(link, "/a", NULL, NULL, &a));
        check_ok(hob_ws_open_on(link, "/b", NULL, NULL, &b));
        check_eq(facts_of(link).open, 2);
        check_eq(facts_of(link).open_max, 100);
        check_ok(says_and_hears(a, "hello"));
        check_ok(says_and_hears(b, "world"));
        check_ok(hob_ws_send_text(a, "first"));
        check_ok(says_and_hears(b, "second"));
        check_ok(hears_message(a, HOB_WS_TEXT, "first", 5));
        check_ok(hob_ws_shutdown(a, 4000, "enough"));
        check_ok(hob_ws_shutdown(b, 1000, NULL));
    }
    check_ok(hob_ws_link_shutdown(link));
    check_ok(hob_ws_link_shutdown(link));
    check_eq(site.stats.accepted, 1);
    WAIT_FOR(seen.ends == 2);
    check_eq(seen.last, HOB_EOF);
    check_eq(site.stats.reset, 0); // in good order
    check_eq(site.stats.bad, 0);
}

TEST_ON_ALL(ws_link, messages_of_all_lengths_come_back)
{
    static const size_t LENS[] = { 0, 1, 125, 126, 1000, 1025, 16384, 65535, 65536, 70000, 300000 };
    static char         data[300000];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (char)('a' + i * i % 25);
    for (int how = 0; how < 6; how++) {
        WS_SITE(site, seen);
        LINK(link);
        seen.kept = how % 2 == 1;
        seen.opts = (hob_ws_opts){ .deflate = how / 2 > 0, .takeover = how / 2 > 1 };
        check_ok(link_to(&site, NULL, &link));
        WS(ws);
        check_ok(hob_ws_open_on(link, "/chat", &seen.opts, NULL, &ws));
        check_eq(hob_ws_is_deflated(ws), how / 2 > 0);
        for (size_t i = 0; i < sizeof LENS / sizeof LENS[0]; i++) {
            check_ok(hob_ws_send(ws, HOB_WS_TEXT, data, LENS[i]));
            check_ok(hears_message(ws, HOB_WS_TEXT, data, LENS[i]));
        }
        check_ok(hob_ws_shutdown(ws, 4000, "enough"));
        WAIT_FOR(seen.ends == 1);
        check_eq(seen.end.code, 4000);
        check_str(seen.reason, "enough");
    }
}

/* ---- handshakes ---- */

struct asked {
    char target[100], host[100], origin[100];
};

static int note_and_echo(hob_http_request *req, void *arg)
{
    static const char *const PROTOCOLS[] = { "v2", "v1", NULL };
    struct asked            *asked = arg;
    struct seen              seen = { .opts = { .protocols = PROTOCOLS, .any_origin = 1 } };
    snprintf(asked->target, sizeof asked->target, "%s", hob_http_target(req));
    snprintf(asked->host, sizeof asked->host, "%s", hob_http_host(req));
    const char *origin = hob_http_header(req, "Origin");
    snprintf(asked->origin, sizeof asked->origin, "%s", origin != NULL ? origin : "");
    if (strncmp(hob_http_path(req), "/no/", 4) == 0)
        return hob_http_reply_text(req, atoi(hob_http_path(req) + 4), NULL);
    return hob_ws_serve(req, &seen.opts, echo_all, &seen);
}

TEST_ON_ALL(ws_link, what_is_asked_for_arrives_and_what_is_answered_is_told)
{
    static const char *const PROTOCOLS[] = { "v0", "v1", NULL }, *const HEADERS[] = { "Origin", " http://b ", NULL };
    struct asked asked;
    struct site  site = { .handler = note_and_echo, .arg = &asked };
    HOB_SCOPE(s);
    check_ok(open_site(&s, &site));
    LINK(link);
    check_ok(link_to(&site, NULL, &link));
    static const struct { const char *target, *came; } TARGETS[] = {
        { "/live?x=1", "/live?x=1" }, { "", "/" }, { "?q", "/?q" },
    };
    for (int i = 0; i < 3; i++) {
        int         status = 0;
        hob_ws_opts opts = { .protocols = PROTOCOLS, .headers = HEADERS, .ret_status = &status };
        WS(ws);
        check_ok(hob_ws_open_on(link, TARGETS[i].target, &opts, NULL, &ws));
        check_eq(status, 200);
        check_str(asked.target, TARGETS[i].came);
        check_has(asked.host, "127.0.0.1:");
        check_str(asked.origin, "http://b");
        check_str(hob_ws_protocol(ws), "v1");
        check_ok(says_and_hears(ws, "x"));
    }
    static const int STATUSES[] = { 301, 401, 404, 500 };
    for (int i = 0; i < 4; i++) {
        int               status = 0;
        hob_ws           *ws;
        char              target[20], expected[100];
        hob_ws_open_words words;
        hob_ws_opts       opts = { .ret_status = &status };
        snprintf(target, sizeof target, "/no/%d", STATUSES[i]);
        check_err(hob_ws_open_on(link, target, &opts, &words, &ws), HOB_EWS);
        check_eq(status, STATUSES[i]);
        snprintf(expected, sizeof expected, "no WebSocket: 127.0.0.1:%u answered %d", hob_addr_port(&site.addr), status);
        check_str(words.text, expected);
    }
    check_eq(facts_of(link).error, 0);
}

TEST(ws_link, what_cannot_be_asked_for_is_told)
{
    static const char *const BAD_TARGETS[] = { "a", "/a b", "/a#b", "/\xc3\xa4", "/\r\n" };
    static const char *const BAD_HEADERS[][3] = {
        { "Connection", "close" }, { "Host", "a" }, { "Upgrade", "websocket" }, { "TE", "trailers" }, { "a b", "c" },
        { "a", "b\nc" }, { ":path", "/b" }, { "Transfer-Encoding", "chunked" },
    };
    WS_SITE(site, seen);
    LINK(link);
    hob_ws           *ws;
    hob_ws_open_words words = { "" };
    check_ok(link_to(&site, NULL, &link));
    for (size_t i = 0; i < sizeof BAD_TARGETS / sizeof BAD_TARGETS[0]; i++)
        check_err(hob_ws_open_on(link, BAD_TARGETS[i], NULL, &words, &ws), -EINVAL);
    check_has(words.text, "the target, a protocol or a header is none");
    for (size_t i = 0; i < sizeof BAD_HEADERS / sizeof BAD_HEADERS[0]; i++) {
        hob_ws_opts opts = { .headers = BAD_HEADERS[i] };
        check_err(hob_ws_open_on(link, "/", &opts, NULL, &ws), -EINVAL);
    }
    BYTES(longest, 9000);
    memset(longest, '/', 8999);
    longest[8999] = '\0';
    check_err(hob_ws_open_on(link, (char *)longest, NULL, NULL, &ws), -EINVAL);
    check_eq(facts_of(link).open, 0);
    check_err(hob_ws_link_open("ws://a/b", NULL, &words, &link), -EINVAL);
    check_has(words.text, "has a path: ws://a/b");
    check_err(hob_ws_link_open("http://a", NULL, &words, &link), -EINVAL);
    check_has(words.text, "this is no URL of a WebSocket: http://a");
    check_eq(seen.ends, 0);
}

TEST_ON_ALL(ws_link, a_server_without_is_told_apart)
{
    WS_SITE(site, seen);
    LINK(link);
    hob_ws_open_words words = { "" };
    char              url[60];
    site.opts.no_tunnels = 1;
    hob_scope_cancel(&s, "another one");
    ignore(hob_scope_end(&s));
    HOB_SCOPE(again);
    check_ok(open_site(&again, &site));
    snprintf(url, sizeof url, "ws://127.0.0.1:%u/", hob_addr_port(&site.addr));
    check_err(hob_ws_link_open(url, NULL, &words, &link), -EPROTONOSUPPORT);
    check_has(words.text, "has no WebSockets over HTTP/2");
    hob_ws          *ws;
    hob_ws_open_opts opts = { .http = HOB_WS_HTTP_2 };
    check_err(hob_ws_open_with(url, &opts, &words, &ws), -EPROTONOSUPPORT);
    WAIT_FOR(site.stats.connections == 0);
}

/* ---- turns ---- */

struct opener {
    hob_ws_link *link;
    hob_ws_opts  opts;
    hob_ws      *ws;
    int          number, *order, result;
    int64_t      took_ns;
};

static int open_one(void *arg)
{
    struct opener *o = arg;
    int64_t        begun_ns = hob_now();
    o->result = hob_ws_open_on(o->link, "/chat", &o->opts, NULL, &o->ws);
    o->took_ns = hob_now() - begun_ns;
    if (o->order != NULL)
        o->number = ++*o->order;
    return 0;
}

static int open_talk_and_close(void *arg)
{
    struct opener *o = arg;
    check_ok(open_one(o));
    check_ok(o->result);
    check_ok(says_and_hears(o->ws, "my turn"));
    check_ok(hob_sleep(HOB_SEC / 10));
    if (o->number % 2 == 0)
        check_ok(hob_ws_shutdown(o->ws, 1000, NULL));
    hob_ws_close(o->ws);
    return 0;
}

/* The limit is the server's, or ours. */
static int take_turns(const struct site *site, uint32_t at_once, bool is_ours)
{
    enum { ALL = 10 };
    struct opener all[ALL];
    int           order = 0;
    LINK(link);
    hob_ws_link_opts opts = { .open_max = is_ours ? at_once : 0 };
    check_ok(link_to(site, &opts, &link));
    HOB_SCOPE(opening);
    for (int i = 0; i < ALL; i++) {
        all[i] = (struct opener){ .link = link, .order = &order };
        hob_go(&opening, open_talk_and_close, &all[i]);
        settle();
    }
    check_eq(facts_of(link).open, at_once);
    check_eq(facts_of(link).open_max, at_once);
    check_eq(facts_of(link).waiting, ALL - at_once);
    check_ok(hob_scope_end(&opening));
    for (int i = 0; i < ALL && at_once == 1 && is_ours; i++)
        check_eq(all[i].number, i + 1);
    check_eq(facts_of(link).waiting, 0);
    check_le(facts_of(link).open, at_once); // the server may not have let them go
    return 0;
}

TEST(ws_link, who_comes_when_all_are_taken_waits_for_a_turn)
{
    for (uint32_t at_once = 1; at_once < 7; at_once += 2) {
        for (int is_ours = 0; is_ours < 2; is_ours++) {
            struct seen seen = { 0 };
            struct site site = { .handler = serve_echo, .arg = &seen, .opts.streams_max = is_ours ? 0 : at_once };
            HOB_SCOPE(s);
            check_ok(open_site(&s, &site));
            check_ok(take_turns(&site, at_once, is_ours));
            check_eq(site.stats.accepted, 1);
        }
    }
}

TEST(ws_link, a_turn_that_does_not_come_is_told)
{
    struct seen seen = { 0 };
    struct site site = { .handler = serve_echo, .arg = &seen };
    HOB_SCOPE(s);
    check_ok(open_site(&s, &site));
    LINK(link);
    hob_ws_link_opts link_opts = { .open_max = 1, .waiting_max = 2 };
    check_ok(link_to(&site, &link_opts, &link));
    WS(first);
    check_ok(hob_ws_open_on(link, "/chat", NULL, NULL, &first));
    struct opener two[2];
    HOB_SCOPE(opening);
    for (int i = 0; i < 2; i++) {
        two[i] = (struct opener){ .link = link, .opts.handshake_ns = (2 + i) * HOB_SEC };
        hob_go(&opening, open_one, &two[i]);
    }
    settle();
    hob_ws           *ws;
    hob_ws_open_words words = { "" };
    check_err(hob_ws_open_on(link, "/chat", NULL, &words, &ws), -EBUSY);
    check_has(words.text, "2 wait for their turn");
    check_ok(hob_scope_end(&opening));
    for (int i = 0; i < 2; i++) {
        check_eq(two[i].result, -ETIMEDOUT);
        check_eq(two[i].took_ns, (2 + i) * HOB_SEC);
    }
    hob_ws_opts opts = { .handshake_ns = HOB_SEC };
    check_err(hob_ws_open_on(link, "/chat", &opts, &words, &ws), -ETIMEDOUT);
    check_has(words.text, "has 1 at once, and it was nobody's turn");
    check_eq(facts_of(link).waiting, 0);
    check_ok(says_and_hears(first, "still here"));
}

/* ---- who is slow ---- */

/* Sends for as long as it can. */
static int send_much(hob_ws *ws, void *arg)
{
    static char data[100000];
    uint64_t   *sent = arg;
    while (hob_ws_send(ws, HOB_WS_BINARY, data, sizeof data) == 0)
        *sent += sizeof data;
    return 0;
}

static int echo_or_send(hob_http_request *req, void *arg)
{
    static struct seen seen;
    hob_ws_opts        opts = { .send_ns = HOB_FOREVER, .ping_ns = HOB_FOREVER };
    seen = (struct seen){ 0 };
    if (strcmp(hob_http_path(req), "/much") == 0)
        return hob_ws_serve(req, &opts, send_much, arg);
    return hob_ws_serve(req, &opts, echo_all, &seen);
}

/* What comes and is not received waits with the server, beyond the window. Others go on, all the while. */
TEST_ON_ALL(ws_link, one_that_nobody_receives_from_holds_up_itself_alone)
{
    uint64_t    sent = 0;
    struct site site = { .handler = echo_or_send, .arg = &sent };
    HOB_SCOPE(s);
    check_ok(open_site(&s, &site));
    LINK(link);
    hob_ws_link_opts opts = { .window_bytes = 150000 };
    check_ok(link_to(&site, &opts, &link));
    WS(slow);
    WS(quick);
    check_ok(hob_ws_open_on(link, "/much", NULL, NULL, &slow));
    check_ok(hob_ws_open_on(link, "/chat", NULL, NULL, &quick));
    for (int i = 0; i < 50; i++)
        check_ok(says_and_hears(quick, "quick"));
    check_le(sent, 100000);
    for (int i = 0; i < 30; i++) {
        hob_ws_kind kind;
        const char *data;
        check_eq(hob_ws_recv(slow, &kind, &data), 100000);
        check_ok(says_and_hears(quick, "quick"));
    }
    check_le(sent, 3300000);
}

static int receive_late(hob_ws *ws, void *arg)
{
    hob_ws_kind kind;
    const char *data;
    size_t     *got = arg;
    ssize_t     n;
    HOB_TRY(hob_sleep(20 * HOB_SEC));
    while ((n = hob_ws_recv(ws, &kind, &data)) >= 0)
        *got += (size_t)n;
    return n == HOB_EOF ? 0 : (int)n;
}

static int serve_late(hob_http_request *req, void *arg)
{
    static struct seen seen;
    seen = (struct seen){ 0 };
    if (strcmp(hob_http_path(req), "/late") == 0)
        return hob_ws_serve(req, NULL, receive_late, arg);
    return hob_ws_serve(req, NULL, echo_all, &seen);
}

struct big {
    hob_ws *ws;
    size_t  len;
    int     result;
};

static int send_big(void *arg)
{
    static char data[500000];
    struct big *big = arg;
    big->result = hob_ws_send(big->ws, HOB_WS_BINARY, data, big->len);
    return 0;
}

/* Without a window who sends waits, and nobody else. */
TEST_ONCE(ws_link, who_sends_waits_for_the_servers_window)
{
    size_t      got = 0;
    struct site site = { .handler = serve_late, .arg = &got };
    HOB_SCOPE(s);
    check_ok(open_site(&s, &site));
    LINK(link);
    check_ok(link_to(&site, NULL, &link));
    WS(late);
    WS(quick);
    check_ok(hob_ws_open_on(link, "/late", NULL, NULL, &late));
    check_ok(hob_ws_open_on(link, "/chat", NULL, NULL, &quick));
    struct big big = { late, 500000, 1 };
    int64_t    begun_ns = hob_now();
    HOB_SCOPE(sending);
    hob_go(&sending, send_big, &big);
    for (int i = 0; i < 15; i++) {
        check_ok(hob_sleep(HOB_SEC));
        check_ok(says_and_hears(quick, "quick"));
    }
    check_eq(big.result, 1);
    check_ok(hob_scope_end(&sending));
    check_ok(big.result);
    check_ge(hob_now() - begun_ns, 20 * HOB_SEC);
    check_ok(hob_ws_shutdown(late, 1000, NULL));
    check_eq(got, 500000);
}

/* A server that takes nothing for send_ns has given up this one, and no other. */
TEST_ONCE(ws_link, who_takes_nothing_is_given_up_alone)
{
    size_t      got = 0;
    struct site site = { .handler = serve_late, .arg = &got };
    HOB_SCOPE(s);
    check_ok(open_site(&s, &site));
    LINK(link);
    check_ok(link_to(&site, NULL, &link));
    hob_ws *late;
    WS(quick);
    hob_ws_opts opts = { .send_ns = 5 * HOB_SEC };
    check_ok(hob_ws_open_on(link, "/late", &opts, NULL, &late));
    check_ok(hob_ws_open_on(link, "/chat", NULL, NULL, &quick));
    struct big big = { late, 500000, 1 };
    check_ok(send_big(&big));
    check_err(big.result, -ETIMEDOUT);
    hob_ws_close(late);
    check_ok(says_and_hears(quick, "quick"));
    WAIT_FOR(site.stats.reset == 1);
}

/* ---- ends ---- */

struct listener {
    hob_ws *ws;
    int    *order, number;
    ssize_t result;
};

static int listen_to_the_end(void *arg)
{
    struct listener *l = arg;
    hob_ws_kind      kind;
    const char      *data;
    while ((l->result = hob_ws_recv(l->ws, &kind, &data)) >= 0)
        ;
    l->number = ++*l->order;
    return 0;
}

enum { CROWD_OF = 12 };

static int open_crowd(hob_ws_link *link, hob_scope *scope, struct listener crowd[CROWD_OF], int *order)
{
    for (int i = 0; i < CROWD_OF; i++) {
        crowd[i] = (struct listener){ .order = order };
        HOB_TRY(hob_ws_open_on(link, "/chat", NULL, NULL, &crowd[i].ws));
        hob_go(scope, listen_to_the_end, &crowd[i]);
    }
    return 0;
}

TEST_ON_ALL(ws_link, the_servers_end_reaches_every_websocket)
{
    struct seen     seen = { 0 };
    struct site     site = { .handler = serve_echo, .arg = &seen };
    struct listener crowd[CROWD_OF];
    int             order = 0;
    LINK(link);
    HOB_SCOPE(listening);
    HOB_SCOPE(s);
    check_ok(open_site(&s, &site));
    check_ok(link_to(&site, NULL, &link));
    check_ok(open_crowd(link, &listening, crowd, &order));
    settle();
    hob_scope_cancel(&s, "the server ends");
    ignore(hob_scope_end(&s));
    check_ok(hob_scope_end(&listening));
    for (int i = 0; i < CROWD_OF; i++) {
        hob_ws_end end;
        hob_ws_ended(crowd[i].ws, &end);
        check_eq(crowd[i].result, HOB_EOF); // it said goodbye
        check_eq(end.code, HOB_WS_GOING_AWAY);
        hob_ws_close(crowd[i].ws);
    }
    hob_ws *more;
    int     r = hob_ws_open_on(link, "/chat", NULL, NULL, &more);
    check(r == -EAGAIN || r == -ECONNRESET);
}

TEST_ON_ALL(ws_link, closing_the_link_ends_them_all)
{
    WS_SITE(site, seen);
    struct listener crowd[CROWD_OF];
    int             order = 0;
    hob_ws_link    *link;
    check_ok(link_to(&site, NULL, &link));
    HOB_SCOPE(listening);
    check_ok(open_crowd(link, &listening, crowd, &order));
    settle();
    hob_ws_link_close(link);
    check_ok(hob_scope_end(&listening));
    for (int i = 0; i < CROWD_OF; i++) {
        check_eq(crowd[i].result, -ECONNRESET);
        check_err(hob_ws_send_text(crowd[i].ws, "x"), -EPIPE);
        hob_ws_close(crowd[i].ws);
    }
    WAIT_FOR(site.stats.connections == 0);
}

/* One that is closed in the middle is told to the server by whoever waits. */
TEST_ON_ALL(ws_link, closing_one_ends_that_one)
{
    WS_SITE(site, seen);
    LINK(link);
    check_ok(link_to(&site, NULL, &link));
    WS(other);
    hob_ws *ws;
    check_ok(hob_ws_open_on(link, "/chat", NULL, NULL, &other));
    for (int i = 0; i < 5; i++) {
        check_ok(hob_ws_open_on(link, "/chat", NULL, NULL, &ws));
        check_ok(says_and_hears(ws, "hello"));
        hob_ws_close(ws);
        check_ok(says_and_hears(other, "hello"));
        WAIT_FOR(seen.ends == i + 1);
        check_eq(seen.end.error, -ECONNRESET);
        check_eq(facts_of(link).open, 1);
    }
    check_eq(site.stats.reset, 5);
}

static int shut_down(void *arg)
{
    return hob_ws_link_shutdown(arg);
}

TEST_ON_ALL(ws_link, in_good_order_it_waits_for_its_websockets)
{
    WS_SITE(site, seen);
    LINK(link);
    check_ok(link_to(&site, NULL, &link));
    hob_ws *ws;
    check_ok(hob_ws_open_on(link, "/chat", NULL, NULL, &ws));
    HOB_SCOPE(ending);
    hob_go(&ending, shut_down, link);
    settle();
    hob_ws           *more;
    hob_ws_open_words words;
    while (!facts_of(link).leaves)
        check_ok(hob_sleep(HOB_MSEC));
    check_err(hob_ws_open_on(link, "/chat", NULL, &words, &more), -EAGAIN);
    check_str(words.text, "no WebSocket: the link was shut down");
    check_ok(says_and_hears(ws, "still here"));
    check_ok(hob_ws_shutdown(ws, 1000, NULL));
    hob_ws_close(ws);
    check_ok(hob_scope_end(&ending));
    WAIT_FOR(site.stats.connections == 0);
    check_eq(site.stats.bad, 0);
}

/* ---- who carries ---- */

/* The one who reads for all is cancelled again and again, and the others do not notice. */
TEST_ONCE(ws_link, who_is_cancelled_hands_on)
{
    WS_SITE(site, seen);
    LINK(link);
    check_ok(link_to(&site, NULL, &link));
    struct listener crowd[CROWD_OF];
    int             order = 0;
    HOB_SCOPE(listening);
    check_ok(open_crowd(link, &listening, crowd, &order));
    WS(mine);
    check_ok(hob_ws_open_on(link, "/chat", NULL, NULL, &mine));
    for (int i = 0; i < 40; i++) {
        hob_ws_kind kind;
        const char *data;
        HOB_SCOPE(short_one);
        hob_scope_deadline(&short_one, hob_in(i % 3 * HOB_MSEC));
        check_err(hob_ws_recv(mine, &kind, &data), -ETIMEDOUT);
        ignore(hob_scope_end(&short_one));
        check_ok(says_and_hears(mine, "hello"));
    }
    for (int i = 0; i < CROWD_OF; i += 3)
        check_ok(hob_ws_shutdown(crowd[i].ws, 1000, NULL)); // its goodbye is heard by its listener
    hob_ws_link_close(link);
    link = NULL;
    check_ok(hob_scope_end(&listening));
    for (int i = 0; i < CROWD_OF; i++) {
        check_eq(crowd[i].result, i % 3 == 0 ? HOB_EOF : -ECONNRESET);
        hob_ws_close(crowd[i].ws);
    }
}

/* It ends early at each moment of all its steps: it was opened, or nothing is left of it. */
TEST_ONCE(ws_link, ended_at_any_moment_it_leaves_nothing)
{
    hob_sim_world world = { .latency_max_ns = 2 * HOB_MSEC, .short_io_percent = 30 };
    WS_SITE(site, seen);
    int opened = 0, ended = 0, linked = 0;
    check_ok(hob_sim_set_world(&world));
    for (int i = 0; i < 120; i++) {
        LINK(link);
        WS(ws);
        HOB_SCOPE(limited);
        hob_scope_deadline(&limited, hob_in(1 + i * HOB_MSEC / 4));
        int r = link_to(&site, NULL, &link);
        linked += r == 0;
        if (r == 0)
            r = hob_ws_open_on(link, "/chat", NULL, NULL, &ws);
        if (r == 0)
            r = hob_ws_send_text(ws, "hello");
        check(r == 0 || r == -ETIMEDOUT);
        opened += r == 0;
        ended += r == -ETIMEDOUT;
        ignore(hob_scope_end(&limited));
    }
    check_gt(linked, opened);
    check_gt(opened, 5);
    check_gt(ended, 5);
    WAIT_FOR(site.stats.connections == 0);
}
