/* SPDX-License-Identifier: MIT */
/* WebSockets over HTTP/2 (RFC 8441): what is different from those with a connection of their own. */
#include "hob/stop.h"
#include "http/h2_peer.h"
#include "ws/conversation.h"
#include "ws/h2_client.h"

/* One that speaks HTTP/2, and dies with its scope: before what it leans on. */
#define WS_CLIENT(site, client) \
    H2_CLIENT(client);          \
    HOB_SCOPE(reading);         \
    check_ok(h2_client_open(&reading, &site, &client))

/* ---- the handshake ---- */

/* RFC 8441 5.1, and what is said behind it, all by hand. */
TEST_ON_ALL(ws_http2, the_handshake_is_that_of_the_rfc)
{
    static const char *const PROTOCOLS[] = { "superchat", "chat", NULL };
    for (int kept = 0; kept < 2; kept++) {
        H2_PEER(peer);
        WS_SITE(site, seen);
        seen.kept = kept == 1;
        seen.opts.protocols = PROTOCOLS;
        check_ok(h2_visit(&site, &peer));
        check_ok(h2_say(peer, "PRI head:1:4::method=CONNECT|:protocol=websocket|:scheme=https|:path=/chat|:authority=server.example.com"
                              "|sec-websocket-protocol=chat,_superchat|sec-websocket-extensions=permessage-deflate"
                              "|sec-websocket-version=13|origin=http://server.example.com"
                              " f:0:0:1:818537fa213d7f9f4d5158")); // "Hello", masked: RFC 6455 5.7
        H2_HEAR_UNTIL(peer, peer->data[1] == 7);
        check_eq(peer->status[1], 200);
        check_has(peer->fields, ":status: 200\n");
        check_has(peer->fields, "sec-websocket-protocol: chat\n");
        check(strstr(peer->fields, "sec-websocket-accept") == NULL);
        check(strstr(peer->fields, "sec-websocket-extensions") == NULL); // not wanted here
        check_mem(peer->body.at, "\x81\x05Hello", 7);
        check_eq(site.stats.upgraded, 1);
        check_eq(site.stats.running, 0);
        check_ok(h2_say(peer, "f:0:1:1:888237fa213d3412")); // goodbye, 1000: and the end of the stream
        H2_HEAR_UNTIL(peer, peer->ended[1]);
        check_mem(peer->body.at + 7, "\x88\x02\x03\xe8", 4);
        check_str(peer->words, "1=200");
        WAIT_FOR(seen.ends == 1);
        check_eq(seen.last, HOB_EOF);
        check_eq(seen.end.code, 1000);
        WAIT_FOR(site.stats.upgraded == 0);
        check_eq(site.stats.failed, 0);
    }
}

#define ASKS "head:1:4::method=CONNECT|:protocol=websocket|:scheme=http|:path=/|:authority=a"
#define GETS "head:1:5::method=GET|:scheme=http|:path=/|:authority=a"

TEST_ON_ALL(ws_http2, what_is_no_handshake_gets_another_answer)
{
    static const struct { int status; const char *script; } CASES[] = {
        { 405, "head:1:5::method=POST|:scheme=http|:path=/|:authority=a|sec-websocket-version=13" },
        { 405, "head:1:5::method=HEAD|:scheme=http|:path=/|:authority=a|sec-websocket-version=13" },
        { 400, GETS "|sec-websocket-version=13" },
        { 400, GETS "|sec-websocket-version=13|sec-websocket-key=dGhlIHNhbXBsZSBub25jZQ==" },
        { 501, "head:1:4::method=CONNECT|:protocol=websocket2|:scheme=http|:path=/|:authority=a|sec-websocket-version=13" },
        { 400, ASKS },
        { 400, ASKS "|sec-websocket-version=8" },
        { 400, ASKS "|sec-websocket-version=13|sec-websocket-version=13" },
        { 400, "head:1:5::method=CONNECT|:protocol=websocket|:scheme=http|:path=/|:authority=a|sec-websocket-version=13" },
        { 403, ASKS "|sec-websocket-version=13|origin=http://b" },
        { 403, ASKS "|sec-websocket-version=13|origin=null" },
        { 403, ASKS "|sec-websocket-version=13|origin=http://a|origin=http://a" },
        { 200, ASKS "|sec-websocket-version=13|origin=https://a" },
        { 200, ASKS "|sec-websocket-version=13|sec-websocket-key=of_no_account" },
        { 200, "head:1:4::method=CONNECT|:protocol=WebSocket|:scheme=http|:path=/|:authority=a|sec-websocket-version=13" },
    };
    WS_SITE(site, seen);
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        H2_PEER(peer);
        check_ok(h2_visit(&site, &peer));
        check_ok(h2_say(peer, "PRI"));
        check_ok(h2_say(peer, CASES[i].script));
        H2_HEAR_UNTIL(peer, peer->status[1] != 0 || peer->resets > 0);
        if (peer->status[1] != CASES[i].status)
            fail("case %zu: %s: %d", i, CASES[i].script, peer->status[1]);
        if (CASES[i].status == 400)
            check_has(peer->fields, "sec-websocket-version: 13\n");
        if (CASES[i].status == 405)
            check_has(peer->fields, "allow: GET\n");
        check(strstr(peer->fields, "upgrade") == NULL);
    }
}

TEST_ON_ALL(ws_http2, too_many_are_told_to_come_later)
{
    struct seen seen = { 0 };
    struct site site = { .handler = serve_echo, .arg = &seen, .opts.upgraded_max = 2 };
    hob_ws     *ws[3] = { 0 };
    HOB_SCOPE(s);
    check_ok(open_site(&s, &site));
    WS_CLIENT(site, client);
    check_ok(h2_join(&client, &ws[0]));
    check_ok(h2_join(&client, &ws[1]));
    check_eq(h2_join(&client, &ws[2]), 503);
    hob_ws_close(ws[0]);
    WAIT_FOR(site.stats.upgraded == 1);
    check_ok(h2_join(&client, &ws[2]));
    hob_ws_close(ws[1]);
    hob_ws_close(ws[2]);
    WAIT_FOR(site.stats.upgraded == 0);
}

/* ---- messages ---- */

TEST_ON_ALL(ws_http2, messages_of_all_lengths_come_back)
{
    static const size_t LENS[] = { 0, 1, 125, 126, 1000, 1025, 16384, 65535, 65536, 70000, 300000 };
    static char         data[300000];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (char)('a' + i * i % 25);
    for (int how = 0; how < 8; how++) {
        WS_SITE(site, seen);
        WS_CLIENT(site, client);
        WS(ws);
        seen.kept = how % 2 == 1;
        seen.opts = (hob_ws_opts){ .deflate = how / 2 > 0, .takeover = how / 2 > 1 };
        check_ok(h2_join_with(&client, &seen.opts, &ws));
        check_eq(hob_ws_is_deflated(ws), how / 2 > 0);
        for (size_t i = 0; i < sizeof LENS / sizeof LENS[0]; i++) {
            if (how / 2 == 3) { // in fragments
                check_ok(hob_ws_send_begin(ws, HOB_WS_TEXT));
                for (size_t at = 0; at < LENS[i]; at += 10000)
                    check_ok(hob_ws_send_part(ws, data + at, LENS[i] - at < 10000 ? LENS[i] - at : 10000));
                check_ok(hob_ws_send_end(ws));
            } else {
                check_ok(hob_ws_send(ws, HOB_WS_TEXT, data, LENS[i]));
            }
            check_ok(hears_message(ws, HOB_WS_TEXT, data, LENS[i]));
            check_ok(hob_ws_ping(ws, "x", 1));
        }
        check_ok(hob_ws_shutdown(ws, 4000, "enough"));
        WAIT_FOR(seen.ends == 1);
        check_eq(seen.end.code, 4000);
        check_str(seen.reason, "enough");
        check_eq(seen.messages, sizeof LENS / sizeof LENS[0]);
    }
}

static int say_goodbye_first(hob_ws *ws, void *arg)
{
    return hob_ws_shutdown(ws, 3000, "so long");
}

static int serve_goodbye(hob_http_request *req, void *arg)
{
    return hob_ws_serve(req, NULL, say_goodbye_first, arg);
}

TEST_ON_ALL(ws_http2, a_server_says_goodbye_and_ends_the_stream_only)
{
    struct site site = { .handler = serve_goodbye };
    HOB_SCOPE(s);
    check_ok(open_site(&s, &site));
    WS_CLIENT(site, client);
    for (int i = 0; i < 3; i++) {
        WS(ws);
        hob_ws_kind kind;
        const char *data;
        hob_ws_end  end;
        check_ok(h2_join(&client, &ws));
        check_err(hob_ws_recv(ws, &kind, &data), HOB_EOF);
        hob_ws_ended(ws, &end);
        check_eq(end.code, 3000);
        check_str(end.reason, "so long");
        WAIT_FOR(((struct h2_pipe *)ws->stream)->is_closed);
        check(((struct h2_pipe *)ws->stream)->has_ended);
        check_eq(((struct h2_pipe *)ws->stream)->code, 0);
    }
    check_eq(client.broken, 0);
    check_eq(client.goaways, 0);
    check_eq(site.stats.accepted, 1);
}

/* ---- ends ---- */

/* However it ends, the server's side hears of it once, and others on the connection do not notice. */
TEST_ON_ALL(ws_http2, an_end_without_goodbye_is_told_once)
{
    for (int how = 0; how < 6; how++) {
        WS_SITE(site, seen);
        WS_CLIENT(site, client);
        hob_ws *ws = NULL, *other = NULL;
        seen.kept = how % 2 == 1;
        check_ok(h2_join(&client, &other));
        check_ok(h2_join(&client, &ws));
        check_ok(hob_ws_send_text(ws, "hello"));
        check_ok(hears_message(ws, HOB_WS_TEXT, "hello", 5));
        if (how / 2 == 0) {
            hob_ws_close(ws); // a reset
        } else if (how / 2 == 1) {
            check_ok(hob_stream_shutdown(ws->stream)); // the end of the stream, in order
            hob_ws_kind kind;
            const char *data;
            check_lt(hob_ws_recv(ws, &kind, &data), 0);
            hob_ws_close(ws);
        } else {
            nghttp2_submit_goaway(client.session, NGHTTP2_FLAG_NONE, 0, NGHTTP2_NO_ERROR, NULL, 0);
            h2_flush(&client);
            check_ok(hob_ws_send_text(ws, "still there"));
            check_ok(hears_message(ws, HOB_WS_TEXT, "still there", 11));
            ignore(hob_tcp_shutdown(client.conn));
        }
        WAIT_FOR(seen.ends == 1 + (how / 2 == 2));
        check_eq(seen.end.error, -ECONNRESET);
        check_eq(seen.end.code, HOB_WS_LOST);
        if (how / 2 < 2) {
            check_ok(hob_ws_send_text(other, "hello"));
            check_ok(hears_message(other, HOB_WS_TEXT, "hello", 5));
        } else {
            hob_ws_close(ws);
        }
        hob_ws_close(other);
        WAIT_FOR(site.stats.upgraded == 0);
        check_eq(site.stats.failed, 0);
    }
}

/* Sends for as long as it can. */
struct sender {
    hob_ws_opts opts;
    hob_ws     *ws;
    uint64_t    sent;
    int         result, ends;
};

static int send_much(hob_ws *ws, void *arg)
{
    static char    data[100000];
    struct sender *sender = arg;
    while ((sender->result = hob_ws_send(ws, HOB_WS_BINARY, data, sizeof data)) == 0)
        sender->sent += sizeof data;
    hob_ws_end end;
    hob_ws_ended(ws, &end);
    sender->ends++;
    return 0;
}

static int nothing(hob_ws *ws, void *arg, hob_ws_kind kind, const char *data, size_t len)
{
    return 0;
}

static void sender_ended(hob_ws *ws, void *arg)
{
    struct sender *sender = arg;
    sender->ends++;
    sender->ws = NULL;
}

static int keep_sender(hob_ws *ws, void *arg)
{
    static const hob_ws_calls CALLS = { nothing, sender_ended };
    ((struct sender *)arg)->ws = ws;
    return hob_ws_keep(ws, &CALLS, arg);
}

static int serve_sender(hob_http_request *req, void *arg)
{
    struct sender *sender = arg;
    return hob_ws_serve(req, &sender->opts, strcmp(hob_http_path(req), "/chat") == 0 ? send_much : keep_sender, sender);
}

TEST_ON_ALL(ws_http2, a_stream_that_is_reset_ends_who_sends)
{
    struct sender sender = { 0 };
    struct site   site = { .handler = serve_sender, .arg = &sender };
    HOB_SCOPE(s);
    check_ok(open_site(&s, &site));
    WS_CLIENT(site, client);
    for (int i = 0; i < 5; i++) {
        hob_ws *ws = NULL;
        check_ok(h2_join(&client, &ws));
        hob_ws_kind kind;
        const char *data;
        for (int n = 0; n < i; n++)
            check_eq(hob_ws_recv(ws, &kind, &data), 100000);
        hob_ws_close(ws);
        WAIT_FOR(sender.ends == i + 1);
        check_eq(sender.result, -ECONNRESET);
    }
    WAIT_FOR(site.stats.upgraded == 0);
}

/* ---- who is slow ---- */

/* What is sent to who does not read waits with who sends, in the client's window; and it is given up when
 * its time is over. Others on the same connection go on. */
TEST_ONCE(ws_http2, a_slow_receiver_holds_up_its_sender_and_nobody_else)
{
    struct sender sender = { .opts = { .send_ns = 20 * HOB_SEC, .ping_ns = HOB_FOREVER } };
    struct site   site = { .handler = serve_sender, .arg = &sender };
    HOB_SCOPE(s);
    check_ok(open_site(&s, &site));
    WS_CLIENT(site, client);
    WS(ws);
    struct h2_pipe *other;

    check_ok(h2_join(&client, &ws));
    settle();
    check_eq(sender.sent, 0); // 64 KiB of the first are on their way
    check_eq(((struct h2_pipe *)ws->stream)->in_most, 65535);
    check_ok(h2_pipe_open(&client, "/kept", NULL, &other));
    check_eq(other->status, 200);
    for (int i = 0; i < 10; i++) {
        check_ok(hob_ws_send_text(sender.ws, "news"));
        char got[6];
        check_eq(hob_stream_read_exactly(&other->stream, got, 6), 6);
        check_mem(got, "\x81\x04news", 6);
    }
    // It reads on, slowly: each message takes less than the limit.
    for (int i = 0; i < 5; i++) {
        hob_ws_kind kind;
        const char *data;
        check_eq(hob_ws_recv(ws, &kind, &data), 100000);
        check_ok(hob_sleep(8 * HOB_SEC));
    }
    check_eq(sender.ends, 0);
    check_le(((struct h2_pipe *)ws->stream)->in_most, 65535);
    check_le(sender.sent, 700000);
    check_ok(hob_sleep(30 * HOB_SEC));
    check_eq(sender.ends, 1);
    check_eq(sender.result, -ETIMEDOUT);
    hob_stream_close(&other->stream);
}

/* Its end does not wait for the window that nobody opens. */
TEST_ONCE(ws_http2, who_takes_nothing_is_given_up_when_the_time_is_over_and_not_later)
{
    struct sender sender = { .opts = { .send_ns = 20 * HOB_SEC, .close_ns = HOB_SEC, .ping_ns = HOB_FOREVER } };
    struct site   site = { .handler = serve_sender, .arg = &sender };
    HOB_SCOPE(s);
    check_ok(open_site(&s, &site));
    WS_CLIENT(site, client);
    WS(ws);

    check_ok(h2_join(&client, &ws));
    settle();
    check_eq(sender.ends, 0);
    check_ok(hob_sleep(20 * HOB_SEC));
    settle();
    check_eq(sender.ends, 1);
    check_eq(sender.result, -ETIMEDOUT);
    check_ok(hob_sleep(HOB_SEC));
    check_eq(site.stats.upgraded, 0);
}

/* A server that does not receive takes no more of a client than its window. */
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
    return hob_ws_serve(req, NULL, receive_late, arg);
}

TEST_ONCE(ws_http2, a_client_waits_while_the_server_does_not_receive)
{
    static char data[500000];
    size_t      got = 0;
    struct site site = { .handler = serve_late, .arg = &got };
    HOB_SCOPE(s);
    check_ok(open_site(&s, &site));
    WS_CLIENT(site, client);
    WS(ws);
    check_ok(h2_join(&client, &ws));
    int64_t begun_ns = hob_now();
    check_ok(hob_ws_send(ws, HOB_WS_BINARY, data, sizeof data));
    check_ge(hob_now() - begun_ns, 20 * HOB_SEC);
    check_ok(hob_ws_shutdown(ws, 1000, NULL));
    check_eq(got, sizeof data);
}

/* ---- many ---- */

static hob_ws_topic *room;

static int join_room(hob_ws *ws, void *arg)
{
    HOB_TRY(hob_ws_topic_join(room, ws));
    return keep_echo(ws, arg);
}

static int serve_room(hob_http_request *req, void *arg)
{
    struct seen *seen = arg;
    return hob_ws_serve(req, &seen->opts, join_room, seen);
}

TEST_ON_ALL(ws_http2, many_on_a_connection_hear_what_is_published_and_are_idle_otherwise)
{
    enum { CONNS = 3, MANY = 60 };
    static struct h2_client clients[CONNS];
    static hob_ws          *ws[CONNS][MANY];
    struct seen             seen = { 0 };
    struct site             site = { .handler = serve_room, .arg = &seen };

    check_ok(hob_ws_topic_new(&(hob_ws_topic_opts){ .name = "room" }, &room));
    {
        HOB_SCOPE(s);
        check_ok(open_site(&s, &site));
        for (int c = 0; c < CONNS; c++) {
            check_ok(h2_client_open(&s, &site, &clients[c]));
            for (int i = 0; i < MANY; i++)
                check_ok(h2_join(&clients[c], &ws[c][i]));
        }
        WAIT_FOR(site.stats.idle == CONNS);
        check_eq(site.stats.upgraded, CONNS * MANY);
        check_eq(site.stats.accepted, CONNS);
        for (int round = 0; round < 3; round++) {
            check_ok(hob_ws_topic_publish(room, HOB_WS_TEXT, "news", 4));
            for (int c = 0; c < CONNS; c++) {
                for (int i = 0; i < MANY; i++)
                    check_ok(hears_message(ws[c][i], HOB_WS_TEXT, "news", 4));
            }
            WAIT_FOR(site.stats.idle == CONNS);
        }
        for (int c = 0; c < CONNS; c++) {
            for (int i = 0; i < MANY; i += 7) {
                check_ok(hob_ws_send_text(ws[c][i], "me"));
                check_ok(hears_message(ws[c][i], HOB_WS_TEXT, "me", 2));
            }
            for (int i = 0; i < MANY; i++)
                hob_ws_close(ws[c][i]);
        }
        WAIT_FOR(seen.ends == CONNS * MANY);
        WAIT_FOR(site.stats.upgraded == 0);
        hob_scope_cancel(&s, "done");
        ignore(hob_scope_end(&s));
    }
    for (int c = 0; c < CONNS; c++)
        h2_client_free(&clients[c]);
    hob_ws_topic_free(room);
}

/* Silent ones that are kept are pinged, and given up, without a task in between. */
TEST_ONCE(ws_http2, silent_ones_that_are_kept_are_pinged_and_given_up)
{
    WS_SITE(site, seen);
    WS_CLIENT(site, client);
    struct h2_pipe *pipe;
    seen.kept = true;
    seen.opts = (hob_ws_opts){ .ping_ns = 30 * HOB_SEC, .pong_ns = 20 * HOB_SEC };
    check_ok(h2_pipe_open(&client, "/chat", NULL, &pipe));
    int64_t begun_ns = hob_now();
    WAIT_FOR(site.stats.idle == 1);
    char got[4];
    check_eq(hob_stream_read_exactly(&pipe->stream, got, 2), 2);
    check_mem(got, "\x89\x00", 2);
    check_ge(hob_now() - begun_ns, 29 * HOB_SEC);
    check_eq(hob_stream_read(&pipe->stream, got, 2), 0);
    check_ge(hob_now() - begun_ns, 49 * HOB_SEC);
    check_le(hob_now() - begun_ns, 54 * HOB_SEC);
    check_eq(seen.ends, 1);
    check_eq(seen.end.error, -ETIMEDOUT);
    hob_stream_close(&pipe->stream);
}

/* Whoever keeps one is no idle visitor: those who come later, when there is no room, are refused. */
TEST_ON_ALL(ws_http2, silent_ones_that_are_kept_do_not_make_room)
{
    struct seen seen = { .kept = true };
    struct site site = { .handler = serve_echo, .arg = &seen };
    site.opts.connections_max = 2;
    HOB_SCOPE(s);
    check_ok(open_site(&s, &site));
    H2_CLIENT(one);
    H2_CLIENT(two);
    HOB_SCOPE(reading);
    hob_ws *ws[2];
    check_ok(h2_client_open(&reading, &site, &one));
    check_ok(h2_client_open(&reading, &site, &two));
    check_ok(h2_join(&one, &ws[0]));
    check_ok(h2_join(&two, &ws[1]));
    WAIT_FOR(site.stats.idle == 2);
    char got[512];
    check_ok(ask(&site, GET("/"), got, sizeof got));
    check_eq(status_in(got), 503);
    check_eq(site.stats.displaced, 0);
    for (int i = 0; i < 2; i++) {
        check_ok(hob_ws_send_text(ws[i], "me"));
        check_ok(hears_message(ws[i], HOB_WS_TEXT, "me", 2));
        hob_ws_close(ws[i]);
    }
}

/* ---- the end of a server ---- */

struct ending {
    struct seen seen;
    struct site site;
    bool        stops;
};

static int end_while_open(void *arg)
{
    struct ending *e = arg;
    H2_CLIENT(client);
    HOB_SCOPE(reading);
    HOB_SCOPE(s);
    hob_ws     *ws[3] = { 0 };
    hob_ws_kind kind;
    const char *data;

    e->site.handler = serve_echo;
    e->site.arg = &e->seen;
    check_ok(open_site(&s, &e->site));
    HOB_SHIELD(HOB_MINUTE) {
        check_ok(h2_client_open(&reading, &e->site, &client));
        for (int i = 0; i < 3; i++)
            check_ok(h2_join(&client, &ws[i]));
        settle();
        if (e->stops)
            hob_stop("the test says so");
        else
            hob_scope_cancel(&s, "the test says so");
        for (int i = 0; i < 3; i++) {
            hob_ws_end end;
            check_err(hob_ws_recv(ws[i], &kind, &data), HOB_EOF);
            hob_ws_ended(ws[i], &end);
            check_eq(end.code, HOB_WS_GOING_AWAY);
            hob_ws_close(ws[i]);
        }
        ignore(hob_tcp_shutdown(client.conn));
    }
    ignore(hob_scope_end(&s));
    check_eq(e->site.stats.connections, 0);
    check_eq(e->seen.ends, 3);
    return 0;
}

TEST_BARE_ON_ALL(ws_http2, a_server_that_ends_goes_away_politely)
{
    for (int how = 0; how < 4; how++) {
        struct ending e = { .seen.kept = how % 2 == 1, .stops = how / 2 == 1 };
        hob_run_opts  opts;
        hob_test_run_opts(&opts);
        opts.workers = 1;
        check_ok(hob_run_with(&opts, end_while_open, &e));
    }
}

/* ---- anywhere ---- */

/* A conversation cut at each of its bytes: frames of HTTP/2 in pieces, frames of WebSockets across frames of HTTP/2. */
TEST_ONCE(ws_http2, its_bytes_are_cut_anywhere)
{
    static const char SCRIPT[] = "PRI head:1:4::method=CONNECT|:protocol=websocket|:scheme=http|:path=/chat|:authority=a|sec-websocket-version=13"
                                 " f:0:0:1:01 f:0:0:1:8337fa213d7f f:0:0:1:9f4d f:0:0:1:898100000000788082 f:0:0:1:37fa213d5b95 f:0:1:1:888237fa213d3412";
    H2_BYTES(bytes);

    h2_script(&bytes, SCRIPT);
    for (int kept = 0; kept < 2; kept++) {
        WS_SITE(site, seen);
        seen.kept = kept == 1;
        for (size_t cut = 1; cut < bytes.len; cut++) {
            H2_PEER(peer);
            check_ok(h2_visit(&site, &peer));
            check_ok(hob_tcp_write(peer->conn, bytes.at, cut));
            settle();
            check_ok(hob_tcp_write(peer->conn, bytes.at + cut, bytes.len - cut));
            H2_HEAR_UNTIL(peer, peer->ended[1] || peer->resets > 0);
            check_eq(peer->status[1], 200);
            check(memmem(peer->body.at, peer->body.len, "\x81\x05Hello", 7) != NULL);
            check(memmem(peer->body.at, peer->body.len, "\x8a\x01x", 3) != NULL);
            check(memmem(peer->body.at, peer->body.len, "\x88\x02\x03\xe8", 4) != NULL);
            check_eq(peer->body.len, 7 + 3 + 4);
        }
        check_eq(seen.messages, (int)bytes.len - 1);
        WAIT_FOR(seen.ends == (int)bytes.len - 1);
        check_eq(seen.last, HOB_EOF);
    }
}

/* ---- at random ---- */

enum { PAIRS = 4 };

struct pair {
    struct h2_client *client;
    struct peer       theirs, ours;
    hob_ws_opts       opts;
    bool              may_break;
    int               result;
};

static struct pair pairs[PAIRS];

static int converse(hob_ws *ws, void *arg)
{
    struct pair *pair = arg;
    pair->ours.ws = ws;
    return talk_and_hear(&pair->ours);
}

/* Which of them it is says the path. */
static int serve_pair(hob_http_request *req, void *arg)
{
    struct pair *pair = &pairs[atoi(hob_http_query(req))];
    return hob_ws_serve(req, &pair->opts, converse, pair);
}

static int have_a_conversation(void *arg)
{
    struct pair *pair = arg;
    char         path[20];
    snprintf(path, sizeof path, "/chat?%d", (int)(pair - pairs));
    pair->result = h2_join_at(pair->client, path, &pair->opts, &pair->theirs.ws);
    if (pair->result == 0) {
        pair->result = talk_and_hear(&pair->theirs);
        if (pair->result == 0 && !pair->may_break)
            pair->result = hob_ws_shutdown(pair->theirs.ws, 1000, NULL);
        hob_ws_close(pair->theirs.ws);
    }
    return pair->may_break ? 0 : pair->result;
}

/* Several at once on a connection that cuts, delays and breaks: each hears what the other said. */
static int have_conversations(const hob_sim_world *world, uint64_t seed, bool may_break)
{
    struct site site = { .handler = serve_pair };
    HOB_SCOPE(s);

    check_ok(hob_sim_set_world(world));
    check_ok(open_site(&s, &site));
    {
        WS_CLIENT(site, client);
        HOB_SCOPE(talks);
        for (uint64_t i = 0; i < PAIRS; i++) {
            pairs[i] = (struct pair){ .client = &client, .may_break = may_break,
                                      .theirs = { .seed = seed * 8 + i * 2, .may_break = may_break },
                                      .ours = { .seed = seed * 8 + i * 2 + 1, .may_break = may_break },
                                      .opts = { .deflate = i % 3 > 0, .takeover = i % 3 > 1 } };
            hob_go(&talks, have_a_conversation, &pairs[i]);
        }
        check_ok(hob_scope_end(&talks));
        hob_scope_cancel(&reading, "done");
        ignore(hob_scope_end(&reading));
    }
    WAIT_FOR(site.stats.connections == 0);
    for (int i = 0; i < PAIRS; i++) {
        check_le(pairs[i].theirs.heard, pairs[i].ours.said + may_break);
        check_le(pairs[i].ours.heard, pairs[i].theirs.said + may_break);
        if (may_break)
            continue;
        check_eq(pairs[i].theirs.heard, pairs[i].ours.said);
        check_eq(pairs[i].ours.heard, pairs[i].theirs.said);
        check_gt(pairs[i].ours.said, 0);
    }
    return 0;
}

TEST(ws_http2, each_hears_what_the_other_said)
{
    hob_sim_world world = { .latency_max_ns = 2 * HOB_MSEC, .short_io_percent = 50, .stream_bytes = 2500 };
    check_ok(have_conversations(&world, hob_test_seed(), false));
}

TEST(ws_http2, when_it_breaks_nothing_is_left)
{
    hob_sim_world world = { .latency_max_ns = 2 * HOB_MSEC, .short_io_percent = 50, .stream_bytes = 2500,
                            .reset_percent = 1 };
    for (uint64_t i = 0; i < 3; i++)
        check_ok(have_conversations(&world, hob_test_seed() * 3 + i, true));
}
