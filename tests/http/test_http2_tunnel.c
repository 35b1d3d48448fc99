/* SPDX-License-Identifier: MIT */
/* Streams of HTTP/2 that become another protocol's (RFC 8441): here of one that gives bytes back, and ends with a dot. */
#include <malloc.h>

#include "hob/stop.h"
#include "http/echo.h"
#include "http/h2_peer.h"
#include "http/server.h"
#include "support/tasks.h"

struct echo {
    hob_stream *stream; /* of the one that came last */
    hob_scope  *scope;
    int         calls, silences, ends;
    int         last, upgraded; /* an event; what hob_http_upgrade returned */
    int64_t     silent_ns;
    bool        is_deaf; /* its keeper reads nothing */
};

/* One that is kept. */
struct kept {
    struct echo *echo;
    hob_stream  *stream;
};

static int64_t keep_echo(void *arg, int event)
{
    struct echo *echo = ((struct kept *)arg)->echo;
    hob_stream  *stream = ((struct kept *)arg)->stream;

    echo->calls++;
    echo->last = event;
    if (event < 0) {
        echo->ends++;
        HOB_SHIELD(HOB_SEC)
            ignore(hob_stream_write(stream, "bye", 3));
        free(arg);
        return 0;
    }
    if (event == HOB_HTTP_SILENT)
        echo->silences++;
    if (event == HOB_HTTP_SILENT ? hob_stream_write(stream, "?", 1) == 1 : echo->is_deaf || echo_once(stream) == 0)
        return echo->silent_ns;
    free(arg);
    return -ECANCELED;
}

static int keep(hob_http_request *req, struct echo *echo)
{
    struct kept *kept = malloc(sizeof *kept);
    *kept = (struct kept){ echo, echo->stream };
    int r = hob_http_keep(req, echo->silent_ns, keep_echo, kept, &echo->scope);
    if (r < 0)
        free(kept);
    return r;
}

static int handle(hob_http_request *req, void *arg)
{
    struct echo *echo = arg;
    int          r;

    check_str(hob_http_method(req), "GET"); // as in HTTP/1.1
    check_eq(hob_http_body_length(req), 0);
    if (strcmp(hob_http_path(req), "/plain") == 0)
        return hob_http_reply_text(req, 200, "hello");
    if (strcmp(hob_http_path(req), "/none") == 0)
        return hob_http_reply_text(req, 404, NULL);
    echo->upgraded = r = hob_http_upgrade(req, "echo", &echo->stream);
    if (r < 0)
        return hob_http_reply_text(req, r == -ENOBUFS ? 503 : 400, NULL);
    if (strncmp(hob_http_path(req), "/keep", 5) == 0) {
        HOB_TRY(keep(req, echo));
        return strcmp(hob_http_path(req), "/keep/fail") == 0 ? -EIO : 0;
    }
    return echo_to_the_end(echo->stream);
}

/* An extended CONNECT; more words of a script may follow. */
#define ASK(id, path) "head:" #id ":4::method=CONNECT|:protocol=echo|:scheme=http|:authority=a|:path=" path

static int shake_hands(const struct site *site, const char *script, struct h2_seen **ret_peer)
{
    check_ok(h2_visit(site, ret_peer));
    check_ok(h2_say(*ret_peer, "PRI"));
    check_ok(h2_say(*ret_peer, script));
    H2_HEAR_UNTIL(*ret_peer, (*ret_peer)->status[1] != 0);
    check_eq((*ret_peer)->status[1], 200);
    return 0;
}

static int echoes(struct h2_seen *peer, uint32_t id, const char *text)
{
    char     script[200];
    uint64_t wanted = peer->data[id] + strlen(text);
    snprintf(script, sizeof script, "data:%u:%s", id, text);
    check_ok(h2_say(peer, script));
    H2_HEAR_UNTIL(peer, peer->data[id] == wanted);
    check_eq(peer->data[id], wanted);
    check_mem(peer->body.at + peer->body.len - strlen(text), text, strlen(text));
    return 0;
}

/* ---- who gets it ---- */

TEST_ON_ALL(http2_tunnel, a_handler_that_knows_nothing_of_it_never_opens_one)
{
    H2_PEER(peer);
    SITE(site, echo);
    check_ok(h2_visit(&site, &peer));
    check_ok(h2_say(peer, "PRI " ASK(1, "/plain") " " ASK(3, "/none") " data:3:abc " ASK(5, "/")));
    H2_HEAR_UNTIL(peer, peer->ended[1] && peer->ended[3] && peer->status[5] != 0);
    check_eq(peer->status[1], 501); // not 200, which would be a promise
    check_eq(peer->data[1], 0);
    check_eq(peer->status[3], 404);
    check_eq(peer->status[5], 200);
    check_ok(echoes(peer, 5, "hello"));
}

TEST_ON_ALL(http2_tunnel, it_can_be_left_out)
{
    H2_PEER(peer);
    struct echo echo = { 0 };
    struct site site = { .handler = handle, .arg = &echo, .opts.no_tunnels = 1 };
    HOB_SCOPE(s);
    check_ok(open_site(&s, &site));
    check_ok(h2_visit(&site, &peer));
    check_ok(h2_say(peer, "PRI " ASK(1, "/")));
    H2_HEAR_UNTIL(peer, peer->resets > 0);
    check_str(peer->words, "1!1");
}

TEST_ON_ALL(http2_tunnel, one_too_many_and_one_that_has_ended_are_refused)
{
    H2_PEER(peer);
    struct echo echo = { 0 };
    struct site site = { .handler = handle, .arg = &echo, .opts.upgraded_max = 1 };
    HOB_SCOPE(s);
    check_ok(open_site(&s, &site));
    check_ok(h2_visit(&site, &peer));
    check_ok(h2_say(peer, "PRI head:1:5::method=CONNECT|:protocol=echo|:scheme=http|:authority=a|:path=/"));
    H2_HEAR_UNTIL(peer, peer->ended[1]);
    check_eq(peer->status[1], 400);
    check_eq(echo.upgraded, -EPROTO);
    check_ok(h2_say(peer, ASK(3, "/")));
    H2_HEAR_UNTIL(peer, peer->status[3] != 0);
    check_eq(peer->status[3], 200);
    check_eq(site.stats.upgraded, 1);
    check_eq(site.stats.running, 0);
    check_ok(h2_say(peer, ASK(5, "/") " get:7:/plain"));
    H2_HEAR_UNTIL(peer, peer->ended[5] && peer->ended[7]);
    check_eq(peer->status[5], 503);
    check_eq(peer->status[7], 200);
    check_ok(echoes(peer, 3, "hello"));
}

TEST_ON_ALL(http2_tunnel, trailers_in_it_reset_it)
{
    H2_PEER(peer);
    SITE(site, echo);
    check_ok(shake_hands(&site, ASK(1, "/keep"), &peer));
    check_ok(h2_say(peer, "head:1:5:x-a=b"));
    H2_HEAR_UNTIL(peer, peer->resets > 0);
    check_str(peer->words, "1!1");
    WAIT_FOR(echo.ends == 1 || echo.last == HOB_HTTP_READY);
    WAIT_FOR(site.stats.upgraded == 0);
}

/* ---- bytes ---- */

/* 100,000 bytes, of which each call writes as many as it can within a moment. */
static int write_in_moments(hob_http_request *req, void *arg)
{
    static char data[100000];
    size_t      done = 0;
    int        *cancelled = arg;
    hob_stream *stream;

    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (char)('a' + i % 26);
    HOB_TRY(hob_http_upgrade(req, "echo", &stream));
    while (done < sizeof data) {
        struct iovec pieces[3] = { { data + done, 1 }, { data, 0 }, { data + done + 1, sizeof data - done - 1 } };
        HOB_SCOPE(moment);
        hob_scope_deadline(&moment, hob_in(HOB_MSEC));
        ssize_t n = hob_stream_writev_some(stream, pieces, 3);
        ignore(hob_scope_end(&moment));
        if (n == -ETIMEDOUT)
            ++*cancelled;
        else if (n < 0)
            return (int)n;
        done += n > 0 ? (size_t)n : 0;
        check(*cancelled < 100000);
    }
    return 0;
}

/* Windows in crumbs: whatever is cancelled in between, no byte is lost, and none comes twice. */
TEST_ON_ALL(http2_tunnel, a_cancelled_write_takes_back_what_has_not_gone)
{
    H2_PEER(peer);
    int         cancelled = 0;
    struct site site = { .handler = write_in_moments, .arg = &cancelled };
    HOB_SCOPE(s);
    check_ok(open_site(&s, &site));
    check_ok(h2_visit(&site, &peer));
    check_ok(h2_say(peer, "PRI set:4=0 " ASK(1, "/")));
    for (int i = 0; i < 20; i++) {
        check_ok(hob_sleep(3 * HOB_MSEC));
        check_ok(h2_say(peer, "win:1:5000"));
        H2_HEAR_UNTIL(peer, peer->data[1] >= 5000 * (uint64_t)(i + 1) || peer->ended[1] || peer->resets > 0);
        if (i < 19)
            check_str(peer->words, "");
        check_ok(h2_say(peer, "win:0:5000"));
    }
    H2_HEAR_UNTIL(peer, peer->ended[1]);
    check_eq(peer->body.len, 100000);
    for (size_t i = 0; i < peer->body.len; i++)
        check_eq(peer->body.at[i], 'a' + i % 26);
    check_gt(cancelled, 5);
}

TEST_ON_ALL(http2_tunnel, the_end_needs_no_window)
{
    H2_PEER(peer);
    SITE(site, echo);
    check_ok(h2_visit(&site, &peer));
    int64_t begun_ns = hob_now();
    check_ok(h2_say(peer, "PRI set:4=0 " ASK(1, "/") " end:1:. " ASK(3, "/") " data:3:."));
    H2_HEAR_UNTIL(peer, peer->ended[1] && peer->reset[3] != 0);
    check(peer->ended[3]);
    check_eq(peer->reset[3], 0 + 1); // the rest of its side is not wanted, and no error
    if (strcmp(hob_backend_name(), "sim") == 0)
        check_eq(hob_now(), begun_ns);
    WAIT_FOR(site.stats.upgraded == 0);
    check_eq(site.stats.timed_out + site.stats.failed + site.stats.reset, 0);
    check_ok(h2_say(peer, "win:1:100 win:3:100 set:4=100 " ASK(5, "/")));
    check_ok(echoes(peer, 5, "hello"));
    check_eq(peer->goaways, 0);
}

struct half {
    hob_event ended;
    size_t    heard;
};

/* Says that it says no more, and listens. */
static int end_first(hob_http_request *req, void *arg)
{
    struct half *half = arg;
    hob_stream  *stream;
    char         buf[64];
    ssize_t      n;

    HOB_TRY(hob_http_upgrade(req, "echo", &stream));
    HOB_TRY(hob_stream_shutdown(stream));
    while ((n = hob_stream_read(stream, buf, sizeof buf)) > 0)
        half->heard += (size_t)n;
    hob_event_set(&half->ended);
    return (int)n;
}

TEST_ON_ALL(http2_tunnel, one_side_may_end_without_a_window_and_the_other_goes_on)
{
    H2_PEER(peer);
    struct half half = { .heard = 0 };
    struct site site = { .handler = end_first, .arg = &half };
    HOB_SCOPE(s);
    check_ok(open_site(&s, &site));
    check_ok(h2_visit(&site, &peer));
    check_ok(h2_say(peer, "PRI set:4=0 " ASK(1, "/")));
    H2_HEAR_UNTIL(peer, peer->ended[1]);
    check_ok(h2_say(peer, "data:1:hello win:1:1000 set:4=500 data:1:hello ping"));
    H2_HEAR_UNTIL(peer, peer->pings == 1);
    check_eq(peer->resets, 0);
    WAIT_FOR(half.heard == 10);
    check_ok(h2_say(peer, "end:1:!"));
    check_ok(hob_event_wait(&half.ended));
    check_eq(half.heard, 11u);
    WAIT_FOR(site.stats.upgraded == 0);
    check_eq(site.stats.reset + site.stats.failed, 0);
    check_eq(peer->data[1], 0);
    check_eq(peer->answers, 1);
}

/* What is not read is not taken from the client, and takes no more memory than the window. */
TEST_ON_ALL(http2_tunnel, who_does_not_read_holds_up_one_stream_only)
{
    H2_PEER(peer);
    SITE(site, echo);
    echo.is_deaf = true;
    echo.silent_ns = HOB_FOREVER;
    check_ok(shake_hands(&site, ASK(1, "/"), &peer));
    static char script[66000];
    memset(script, 'x', sizeof script - 1);
    memcpy(script, "data:1:", 7);
    script[7 + 16384] = '\0';
    for (int i = 0; i < 3; i++)
        check_ok(h2_say(peer, script)); // 48 KiB that come back
    H2_HEAR_UNTIL(peer, peer->data[1] == 3 * 16384);
    check_gt(peer->updates, 0);
    check_ok(h2_say(peer, "get:3:/plain"));
    H2_HEAR_UNTIL(peer, peer->ended[3]);
}

/* ---- without a task ---- */

TEST_ON_ALL(http2_tunnel, a_silent_one_that_is_kept_leaves_the_connection_idle)
{
    H2_PEER(peer);
    SITE(site, echo);
    check_ok(shake_hands(&site, ASK(1, "/keep") " data:1:early", &peer));
    H2_HEAR_UNTIL(peer, peer->data[1] == 5);
    for (int i = 0; i < 3; i++) {
        WAIT_FOR(site.stats.idle == 1);
        check_eq(site.stats.upgraded, 1);
        check_eq(site.stats.running, 0);
        check_ok(echoes(peer, 1, "hello"));
    }
    check_ok(h2_say(peer, "get:3:/plain"));
    H2_HEAR_UNTIL(peer, peer->ended[3]);
    check_eq(peer->status[3], 200);
    WAIT_FOR(site.stats.idle == 1);
    check_ok(h2_say(peer, "data:1:."));
    H2_HEAR_UNTIL(peer, peer->ended[1]);
    check_eq(echo.ends, 0); // it ended by itself
    check_eq(site.stats.upgraded, 0);
    check_ok(h2_say(peer, "get:5:/plain"));
    H2_HEAR_UNTIL(peer, peer->ended[5]);
    WAIT_FOR(site.stats.idle == 1);
}

TEST_ONCE(http2_tunnel, no_limit_of_time_is_one_of_those_who_are_kept)
{
    H2_PEER(peer);
    SITE(site, echo);
    check_ok(shake_hands(&site, ASK(1, "/keep"), &peer));
    for (int i = 0; i < 5; i++) {
        check_ok(hob_sleep(HOB_HOUR));
        check_ok(echoes(peer, 1, "hello"));
    }
    check_eq(peer->goaways, 0);
}

TEST_ON_ALL(http2_tunnel, others_send_while_it_is_silent)
{
    H2_PEER(peer);
    SITE(site, echo);
    check_ok(shake_hands(&site, ASK(1, "/keep"), &peer));
    for (int i = 1; i <= 20; i++) {
        if (i % 2 == 0)
            WAIT_FOR(site.stats.idle == 1);
        check_eq(hob_stream_write(echo.stream, "news", 4), 4);
        H2_HEAR_UNTIL(peer, peer->data[1] == 4 * (uint64_t)i);
    }
    WAIT_FOR(site.stats.idle == 1);
    check_eq(echo.calls, 0);
}

static int write_much(void *arg)
{
    static char  data[300000];
    struct echo *echo = arg;
    return hob_stream_write(echo->stream, data, sizeof data) == (ssize_t)sizeof data ? 0 : -EIO;
}

/* The connection goes idle while somebody waits for a window, and back. */
TEST_ON_ALL(http2_tunnel, who_sends_to_a_silent_one_waits_for_its_windows)
{
    H2_PEER(peer);
    SITE(site, echo);
    check_ok(shake_hands(&site, ASK(1, "/keep"), &peer));
    hob_future *writing = hob_async(&s, write_much, &echo);
    check(writing != NULL);
    while (peer->data[1] < 300000 && !peer->is_over) {
        uint64_t had = peer->data[1];
        H2_HEAR_UNTIL(peer, peer->data[1] > had || peer->resets > 0);
        check_eq(peer->resets, 0);
        if (in_sim())
            WAIT_FOR(site.stats.idle == 1 || peer->data[1] > 290000);
        char script[60];
        unsigned more = (unsigned)(peer->data[1] - had);
        snprintf(script, sizeof script, "win:1:%u win:0:%u", more, more);
        check_ok(h2_say(peer, script));
    }
    check_ok(hob_await(writing));
    check_eq(peer->data[1], 300000);
}

TEST_ONCE(http2_tunnel, its_keeper_is_told_of_silence)
{
    H2_PEER(peer);
    SITE(site, echo);
    echo.silent_ns = 10 * HOB_SEC;
    check_ok(shake_hands(&site, ASK(1, "/keep"), &peer));
    int64_t begun_ns = hob_now();
    H2_HEAR_UNTIL(peer, peer->data[1] == 3);
    check_eq(echo.silences, 3);
    check_ge(hob_now() - begun_ns, 30 * HOB_SEC);
    check_le(hob_now() - begun_ns, 34 * HOB_SEC);
    check_ok(echoes(peer, 1, "hello"));
    check_eq(echo.silences, 3);
}

/* By whatever it ends, its keeper hears of it once, and nothing is left. */
TEST_ON_ALL(http2_tunnel, a_silent_one_ends_in_every_way)
{
    static const char *const WAYS[] = { "rst:1:8", "end:1:", "end:1:abc", "goaway:0 end:1:", "f:0:0:0:61", "win:1:0", "EOF",
                                        "CLOSE" };
    for (int deaf = 0; deaf < 2; deaf++) {
        for (size_t i = 0; i < sizeof WAYS / sizeof WAYS[0]; i++) {
            H2_PEER(peer);
            struct echo echo = { .silent_ns = HOB_FOREVER, .is_deaf = deaf == 1 };
            struct site site = { .handler = handle, .arg = &echo };
            HOB_SCOPE(s);
            if (deaf == 1 && strncmp(WAYS[i], "end:1:", 6) == 0)
                continue; // the keeper has the other half
            check_ok(open_site(&s, &site));
            check_ok(shake_hands(&site, ASK(1, "/keep"), &peer));
            WAIT_FOR(site.stats.idle == 1);
            if (strcmp(WAYS[i], "EOF") == 0) {
                ignore(hob_tcp_shutdown(peer->conn));
            } else if (strcmp(WAYS[i], "CLOSE") == 0) {
                hob_tcp_close(peer->conn);
                peer->conn = NULL;
            } else {
                check_ok(h2_say(peer, WAYS[i]));
            }
            if (deaf == 1 && strncmp(WAYS[i], "goaway", 6) == 0)
                ignore(hob_tcp_shutdown(peer->conn));
            WAIT_FOR(site.stats.upgraded == 0);
            check_eq(echo.ends, deaf);
        }
    }
}

TEST_ON_ALL(http2_tunnel, a_handler_that_fails_after_all_ends_it)
{
    H2_PEER(peer);
    SITE(site, echo);
    check_ok(h2_visit(&site, &peer));
    check_ok(h2_say(peer, "PRI " ASK(1, "/keep/fail")));
    H2_HEAR_UNTIL(peer, peer->resets > 0);
    check_eq(peer->reset[1], 3); // INTERNAL_ERROR
    check_eq(echo.ends, 1);
    check_eq(echo.last, -EIO);
    check_eq(site.stats.failed, 1);
    WAIT_FOR(site.stats.upgraded == 0);
}

/* ---- the end of the server ---- */

struct ending {
    struct echo echo;
    struct site site;
    const char *path;
    bool        stops, is_idle;
};

static int end_with_a_tunnel(void *arg)
{
    struct ending *e = arg;
    H2_PEER(peer);
    HOB_SCOPE(servers);
    check_ok(open_site(&servers, &e->site));
    check_ok(shake_hands(&e->site, e->path, &peer));
    if (e->is_idle)
        WAIT_FOR(e->site.stats.idle == 1);
    if (e->stops)
        hob_stop("the test says so");
    else
        hob_scope_cancel(&servers, "the test says so");
    HOB_SHIELD(20 * HOB_SEC)
        H2_HEAR_UNTIL(peer, peer->ended[1]);
    check_eq(peer->data[1], 3);
    check_mem(peer->body.at, "bye", 3);
    hob_tcp_close(peer->conn);
    peer->conn = NULL;
    ignore(hob_scope_end(&servers));
    check_eq(e->site.stats.connections, 0);
    check_eq(e->site.stats.upgraded, 0);
    return 0;
}

static int end_in_a_run(const char *path, bool stops)
{
    struct ending e = { .echo.silent_ns = HOB_FOREVER, .path = path, .stops = stops,
                        .is_idle = strcmp(path, ASK(1, "/keep")) == 0 };
    hob_run_opts  opts;

    e.site.handler = handle;
    e.site.arg = &e.echo;
    hob_test_run_opts(&opts);
    opts.workers = 1;
    check_ok(hob_run_with(&opts, end_with_a_tunnel, &e));
    check_eq(e.echo.ends, e.is_idle);
    return 0;
}

TEST_BARE_ON_ALL(http2_tunnel, a_run_that_stops_ends_it_with_a_word)
{
    check_ok(end_in_a_run(ASK(1, "/"), true));
}

TEST_BARE_ON_ALL(http2_tunnel, a_run_that_stops_ends_a_silent_one_with_a_word)
{
    check_ok(end_in_a_run(ASK(1, "/keep"), true));
}

TEST_BARE_ON_ALL(http2_tunnel, a_server_that_is_cancelled_ends_it_with_a_word)
{
    check_ok(end_in_a_run(ASK(1, "/"), false));
}

TEST_BARE_ON_ALL(http2_tunnel, a_server_that_is_cancelled_ends_a_silent_one_with_a_word)
{
    check_ok(end_in_a_run(ASK(1, "/keep"), false));
}

/* A connection that takes no more requests goes on for those that are there; without a task. */
TEST_ON_ALL(http2_tunnel, it_outlives_the_last_request_of_its_connection)
{
    H2_PEER(peer);
    struct echo echo = { .silent_ns = HOB_FOREVER };
    struct site site = { .handler = handle, .arg = &echo, .opts.requests_max = 2 };
    HOB_SCOPE(s);
    check_ok(open_site(&s, &site));
    check_ok(shake_hands(&site, ASK(1, "/keep"), &peer));
    check_ok(h2_say(peer, "get:3:/plain"));
    H2_HEAR_UNTIL(peer, peer->pings == 1);
    check_ok(h2_say(peer, "ack"));
    H2_HEAR_UNTIL(peer, peer->goaways == 2);
    check_eq(peer->last_id, 3);
    WAIT_FOR(site.stats.idle == 1);
    check_ok(echoes(peer, 1, "hello"));
    WAIT_FOR(site.stats.idle == 1);
    check_ok(h2_say(peer, "end:1:."));
    H2_HEAR_UNTIL(peer, false);
    WAIT_FOR(site.stats.connections == 0);
}

TEST_ON_ALL(http2_tunnel, a_hundred_on_one_connection_take_little)
{
    enum { MANY = 100 };
    H2_PEER(peer);
    SITE(site, echo);
    size_t before = 0;

    check_ok(shake_hands(&site, ASK(1, "/keep"), &peer));
    WAIT_FOR(site.stats.idle == 1);
    before = mallinfo2().uordblks;
    for (uint32_t id = 3; id < 2 * MANY; id += 2) {
        char script[200];
        snprintf(script, sizeof script, "head:%u:4::method=CONNECT|:protocol=echo|:scheme=http|:authority=a|:path=/keep"
                                        " data:%u:hello", id, id);
        check_ok(h2_say(peer, script));
        H2_HEAR_UNTIL(peer, peer->data[id] == 5);
    }
    WAIT_FOR(site.stats.idle == 1);
    check_eq(site.stats.upgraded, MANY);
    if (!IS_SANITIZED)
        check_lt(mallinfo2().uordblks - before, (MANY - 1) * 1500);
    check_ok(h2_say(peer, ASK(201, "/keep")));
    H2_HEAR_UNTIL(peer, peer->resets > 0);
    check_eq(peer->refused, 1); // streams_max
    for (uint32_t id = 1; id < 2 * MANY; id += 2)
        check_ok(echoes(peer, id, "hello"));
}

struct lent {
    hob_tcp_listener *listener;
    struct echo       echo;
    int               result;
};

static int serve_one_stream(void *arg)
{
    struct lent *lent = arg;
    TCP(conn);
    HOB_TRY(hob_tcp_accept(lent->listener, &conn));
    lent->result = hob_http_serve_stream(hob_tcp_stream(conn), NULL, handle, &lent->echo);
    return 0;
}

/* A stream that is lent keeps its task; what is kept on it does not. */
TEST_ON_ALL(http2_tunnel, it_is_kept_on_a_stream_that_is_lent)
{
    H2_PEER(peer);
    LISTENER(listener);
    struct lent lent = { .echo.silent_ns = HOB_FOREVER, .result = 1 };
    HOB_SCOPE(s);
    check_ok(listen_here(&listener));
    struct site site = { .addr = hob_tcp_listener_addr(listener) };
    lent.listener = listener;
    hob_go(&s, serve_one_stream, &lent);
    check_ok(shake_hands(&site, ASK(1, "/keep") " data:1:early", &peer));
    H2_HEAR_UNTIL(peer, peer->data[1] == 5);
    for (int i = 0; i < 3; i++) {
        check_ok(echoes(peer, 1, "hello"));
        check_eq(hob_stream_write(lent.echo.stream, "news", 4), 4);
        H2_HEAR_UNTIL(peer, peer->data[1] == 5 + 9 * (uint64_t)(i + 1));
        settle();
    }
    ignore(hob_tcp_shutdown(peer->conn));
    H2_HEAR_UNTIL(peer, false);
    check_ok(hob_scope_end(&s));
    check_eq(lent.result, 0);
    check_eq(lent.echo.ends, 0); // its keeper has read the end
}

/* ---- anywhere ---- */

TEST(http2_tunnel, its_bytes_are_cut_anywhere)
{
    static const char SCRIPT[] = "PRI " ASK(1, "/keep") " data:1:hel data:1:lo " ASK(3, "/") " data:3:hello";
    SITE(site, echo);
    H2_BYTES(bytes);

    h2_script(&bytes, SCRIPT);
    for (size_t cut = 1; cut < bytes.len; cut++) {
        H2_PEER(peer);
        check_ok(h2_visit(&site, &peer));
        check_ok(hob_tcp_write(peer->conn, bytes.at, cut));
        settle();
        check_ok(hob_tcp_write(peer->conn, bytes.at + cut, bytes.len - cut));
        H2_HEAR_UNTIL(peer, peer->data[1] == 5 && peer->data[3] == 5);
        check_ok(h2_say(peer, "end:1:. end:3:."));
        H2_HEAR_UNTIL(peer, peer->ended[1] && peer->ended[3]);
        check_eq(peer->data[1] + peer->data[3], 10);
        check_eq(peer->resets, 0);
    }
    check_eq(echo.ends, 0);
}

/* The nth allocation fails: what was opened ends, once, and others do not notice. */
TEST(http2_tunnel, a_server_without_memory_goes_on)
{
    SITE(site, echo);
    int whole = 0;

    hob_test_timeout(60);
    for (int at = 1; at < 80; at++) {
        H2_PEER(peer);
        H2_PEER(other);
        check_ok(h2_visit(&site, &peer));
        check_ok(hob_sleep(HOB_MSEC));
        hob__http_fail_at = at;
        check_ok(h2_say(peer, "PRI " ASK(1, "/keep")));
        H2_HEAR_UNTIL(peer, peer->status[1] != 0 || peer->resets > 0);
        if (peer->status[1] == 200 && !peer->is_over) {
            check_ok(hob_sleep(HOB_MSEC));
            check_ok(h2_say(peer, "data:1:hello"));
            H2_HEAR_UNTIL(peer, peer->data[1] == 5 || peer->ended[1] || peer->resets > 0);
        }
        whole += hob__http_fail_at > 0 && peer->data[1] == 5;
        hob__http_fail_at = 0;
        check_ok(h2_visit(&site, &other));
        check_ok(h2_say(other, "PRI get:1:/plain"));
        H2_HEAR_UNTIL(other, other->answers == 1);
        check_eq(other->status[1], 200);
    }
    check_gt(whole, 0); // there were fewer than that
    WAIT_FOR(site.stats.connections == 0);
    check_eq(site.stats.running, 0);
    check_eq(site.stats.upgraded, 0);
}
