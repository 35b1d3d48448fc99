/* SPDX-License-Identifier: MIT */
/*
 * Links to a server that says what it is told to: cut anywhere, lost anywhere, too much, against the rules.
 *
 * A script's first part is said at once, and the second when a request has come. Words are those of
 * http/h2_peer.h.
 */
#include <hob/sim.h>

#define HOB_WSOPEN_HAVE_H2
#include "http/h2_peer.h"
#include "ws/ws.h"
#include "wsopen/link.h"
#include "wsopen/links.h"

#define SETTINGS "set:8=1 setack"
#define AGREED   "head:1:4::status=200"
#define HI       "f:0:0:1:81026869"

struct fake {
    hob_tcp_listener *listener;
    hob_addr          addr;
    const char       *first, *second;
    size_t            cut;  /* behind so many bytes of both there is a pause */
    bool              dies; /* and no more                                   */
    size_t            said;
    struct h2_seen   *seen;
    int               asked; /* requests that have come */
    bool              has_ended;
};

/* False: it is dead. */
static bool say_some(struct fake *f, const char *script)
{
    H2_BYTES(bytes);
    h2_script(&bytes, script);
    size_t before = f->cut >= f->said && f->cut < f->said + bytes.len ? f->cut - f->said : bytes.len;
    f->said += bytes.len;
    if (before > 0 && hob_tcp_write(f->seen->conn, bytes.at, before) < 0)
        return false;
    if (before == bytes.len)
        return true;
    if (f->dies)
        return false;
    return hob_sleep(HOB_MSEC) == 0 && hob_tcp_write(f->seen->conn, bytes.at + before, bytes.len - before) >= 0;
}

static bool has_request(const struct h2_seen *seen)
{
    return strstr(seen->fields, ":method: CONNECT") != NULL;
}

static int run_fake(void *arg)
{
    struct fake *f = arg;
    char         preface[24];
    struct h2_seen *peer = f->seen = calloc(1, sizeof *peer);
    nghttp2_hd_inflate_new(&peer->inflater);
    HOB_TRY(hob_tcp_accept(f->listener, &peer->conn));
    if (say_some(f, f->first)
        && hob_stream_read_exactly(hob_tcp_stream(peer->conn), preface, sizeof preface) == sizeof preface) {
        H2_HEAR_UNTIL(peer, has_request(peer));
        f->asked = has_request(peer);
        if (f->asked && say_some(f, f->second))
            H2_HEAR_UNTIL(peer, false);
    }
    hob_tcp_close(peer->conn);
    peer->conn = NULL;
    f->has_ended = true;
    return 0;
}

static void close_fake(struct fake *f)
{
    hob_tcp_listener_close(f->listener);
    h2_seen_free(&f->seen);
}

#define FAKE(name, first_, second_)                                                               \
    __attribute__((cleanup(close_fake))) struct fake name = { .first = first_, .second = second_, \
                                                              .cut = SIZE_MAX };                  \
    check_ok(listen_here(&name.listener));                                                        \
    name.addr = hob_tcp_listener_addr(name.listener);                                             \
    HOB_SCOPE(serving);                                                                           \
    hob_go_with(&serving, run_fake, &name, &(hob_task_opts){ .daemon = 1 })

static int link_to_fake(const struct fake *f, hob_ws_open_words *words, hob_ws_link **ret_link)
{
    char             url[60];
    hob_ws_link_opts opts = { .limit_ns = 5 * HOB_SEC };
    snprintf(url, sizeof url, "ws://127.0.0.1:%u", hob_addr_port(&f->addr));
    return hob_ws_link_open(url, &opts, words, ret_link);
}

/* ---- cut anywhere ---- */

#define FLIGHT AGREED " " HI " f:0:1:1:880203e8"

static size_t length_of(const char *script)
{
    H2_BYTES(bytes);
    h2_script(&bytes, script);
    return bytes.len;
}

static int hear_out(struct fake *f, hob_ws_link *link)
{
    WS(ws);
    hob_ws_kind kind;
    const char *data;
    check_ok(hob_ws_open_on(link, "/live", NULL, NULL, &ws));
    check_ok(hears_message(ws, HOB_WS_TEXT, "hi", 2));
    check_err(hob_ws_recv(ws, &kind, &data), HOB_EOF);
    hob_ws_close(ws);
    ws = NULL;
    check_ok(hob_ws_link_shutdown(link));
    WAIT_FOR(f->has_ended);
    check_eq(f->seen->resets, 0);
    check(f->seen->ended[1]);
    check_has(f->seen->fields, ":protocol: websocket\n:scheme: http\n:path: /live\n:authority: 127.0.0.1:");
    check_has(f->seen->fields, "sec-websocket-version: 13\n");
    check_eq(f->seen->goaway, 0);
    return 0;
}

TEST_ONCE(ws_link_hostile, cut_at_each_byte_all_is_heard)
{
    size_t len = length_of(SETTINGS) + length_of(FLIGHT);
    for (size_t cut = 1; cut <= len; cut++) {
        LINK(link);
        FAKE(f, SETTINGS, FLIGHT);
        f.cut = cut;
        check_ok(link_to_fake(&f, NULL, &link));
        check_ok(hear_out(&f, link));
    }
}

/* What was heard before the server died is heard, and then why it ended. */
TEST_ONCE(ws_link_hostile, dead_at_each_byte_it_is_told)
{
    size_t settings = length_of("set:8=1"), first = length_of(SETTINGS), agreed = length_of(AGREED), hi = length_of(HI);
    for (size_t cut = 0; cut < first + length_of(FLIGHT); cut++) {
        LINK(link);
        WS(ws);
        hob_ws_open_words words = { "" };
        hob_ws_kind       kind;
        const char       *data;
        FAKE(f, SETTINGS, FLIGHT);
        f.cut = cut;
        f.dies = true;
        int r = link_to_fake(&f, &words, &link);
        check_eq(r, cut < settings ? -ECONNRESET : 0);
        if (r < 0) {
            check_has(words.text, "no HTTP/2: ");
            continue;
        }
        r = hob_ws_open_on(link, "/live", NULL, &words, &ws);
        check_eq(r, cut < first + agreed ? -ECONNRESET : 0);
        if (r < 0) {
            check_has(words.text, "no WebSocket: ");
            check_eq(facts_of(link).error, -ECONNRESET);
            continue;
        }
        if (cut >= first + agreed + hi)
            check_ok(hears_message(ws, HOB_WS_TEXT, "hi", 2));
        check_err(hob_ws_recv(ws, &kind, &data), -ECONNRESET);
        check_has(facts_of(link).words, "127.0.0.1:");
    }
}

/* ---- answers ---- */

TEST_ONCE(ws_link_hostile, what_is_no_answer_opens_nothing)
{
    static const struct { int result, status; const char *answer, *words; } CASES[] = {
        { HOB_EWS, 404, "head:1:5::status=404", "answered 404" },
        { HOB_EWS, 302, "head:1:4::status=302|location=/b", "answered 302" },
        { HOB_EWS, 403, "head:1:4::status=100 head:1:5::status=403", "answered 403" },
        { HOB_EWS, 200, "head:1:4::status=200|sec-websocket-protocol=v1", "is not to what was offered" },
        { HOB_EWS, 200, "head:1:4::status=200|sec-websocket-extensions=permessage-deflate", "is not to what was offered" },
        { HOB_EWS, 0, "rst:1:1", "has reset the request (PROTOCOL_ERROR)" },
        { HOB_EWS, 0, "rst:1:8", "has reset the request (CANCEL)" },
        { HOB_EWS, 0, "head:1:4:server=a", "has reset the request (" },         // no status
        { HOB_EWS, 0, "head:1:4::status=101", "has reset the request (" },      // RFC 9113 8.6
        { HOB_EWS, 0, "head:1:4::status=200|Upper=a", "has reset the request (" },
        { -EPROTO, 0, HI, "breaks the rules of HTTP/2: PROTOCOL_ERROR" },       // data before an answer
        { -EAGAIN, 0, "goaway:0", "takes no more requests (GOAWAY, NO_ERROR)" },
        { -EAGAIN, 0, "goaway:11", "takes no more requests (GOAWAY, ENHANCE_YOUR_CALM)" },
        { -ETIMEDOUT, 0, "ping", "Connection timed out" },
        { -ETIMEDOUT, 0, "head:1:4::status=100", "Connection timed out" },
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        int               status = -1;
        hob_ws           *ws;
        hob_ws_open_words words = { "" };
        hob_ws_opts       opts = { .ret_status = &status };
        LINK(link);
        FAKE(f, SETTINGS, CASES[i].answer);
        check_ok(link_to_fake(&f, NULL, &link));
        int r = hob_ws_open_on(link, "/live", &opts, &words, &ws);
        if (r != CASES[i].result || status != CASES[i].status || strstr(words.text, CASES[i].words) == NULL)
            fail("case %zu: %d, %d: %s", i, r, status, words.text);
        check_eq(facts_of(link).open, 0);
    }
}

TEST_ONCE(ws_link_hostile, what_comes_before_the_answer_is_passed_over)
{
    WS(ws);
    LINK(link);
    FAKE(f, SETTINGS, "head:1:4::status=103|link=</a>|sec-websocket-protocol=x head:1:4::status=100 " AGREED " " HI);
    check_ok(link_to_fake(&f, NULL, &link));
    check_ok(hob_ws_open_on(link, "/live", NULL, NULL, &ws));
    check_ok(hears_message(ws, HOB_WS_TEXT, "hi", 2));
}

/* Refused streams are asked for again, for a while. */
TEST_ONCE(ws_link_hostile, a_server_that_refuses_is_asked_again)
{
    hob_ws           *ws;
    hob_ws_open_words words = { "" };
    LINK(link);
    FAKE(f, SETTINGS, "rst:1:7 x:");
    check_ok(link_to_fake(&f, NULL, &link));
    hob_ws_opts opts = { .handshake_ns = HOB_SEC };
    check_err(hob_ws_open_on(link, "/live", &opts, &words, &ws), -ETIMEDOUT); // nobody answers the second one
    check_eq(facts_of(link).error, 0);
}

/* ---- no HTTP/2 ---- */

TEST_ONCE(ws_link_hostile, what_is_no_http2_is_told_apart)
{
    static const struct { const char *says; int result; const char *words; } CASES[] = {
        { "x:485454502f312e31203430302042616420526571756573740d0a0d0a", -EPROTO, "does not speak HTTP/2" }, // HTTP/1.1 400
        { "ping", -EPROTO, "does not speak HTTP/2" },
        { "setack", -EPROTO, "does not speak HTTP/2" },
        { "x:00", -ETIMEDOUT, "Connection timed out" },
        { "f:4:0:0:", -EPROTONOSUPPORT, "has no WebSockets over HTTP/2" },
        { "set:3=100", -EPROTONOSUPPORT, "has no WebSockets over HTTP/2" },
        { "set:8=0", -EPROTONOSUPPORT, "has no WebSockets over HTTP/2" },
        { "set:8=2", -EPROTO, "127.0.0.1:" }, // RFC 8441 3
        { "set:4=0xffffffff", -EPROTO, "127.0.0.1:" },
        { "f:4:0:0:00", -EPROTO, "127.0.0.1:" },
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        hob_ws_open_words words = { "" };
        LINK(link);
        FAKE(f, CASES[i].says, "");
        int r = link_to_fake(&f, &words, &link);
        if (r != CASES[i].result || strstr(words.text, CASES[i].words) == NULL)
            fail("case %zu: %d: %s", i, r, words.text);
    }
}

/* ---- too much, and against the rules ---- */

TEST_ONCE(ws_link_hostile, what_breaks_the_rules_ends_the_link)
{
    static const struct { const char *says; int goaway; const char *words; } CASES[] = {
        { "ping^5000", 11, "sends too much that carries nothing" },
        { "ack^5000", 11, "sends too much that carries nothing" },
        { "set:3=100^5000", 11, "sends too much that carries nothing" },
        { "win:1:1^5000", 11, "sends too much that carries nothing" },
        { "prio:1:0^5000", 11, "sends too much that carries nothing" },
        { "data:1:^5000", 11, "sends too much that carries nothing" },
        { "f:77:0:0:^20000", 11, "sends too much that carries nothing" },
        { "f:77:0:1:0000^20000", 11, "sends too much that carries nothing" },
        { "rst:1:8 rst:1:8^5000", 11, "sends too much that carries nothing" },
        { "f:5:4:1:0000000288", 1, "pushes, and may not" },
        { "win:0:0", 1, "breaks the rules of HTTP/2" },
        { "f:8:0:0:7fffffff f:8:0:0:7fffffff", 3, "breaks the rules of HTTP/2" },
        { "data:0:x", 1, "breaks the rules of HTTP/2" },
        { "data:3:x", 1, "breaks the rules of HTTP/2" },
        { "f:1:4:1:ff", 9, "breaks the rules of HTTP/2" },
        { "f:9:4:1:", 1, "breaks the rules of HTTP/2" },
        { "f:6:0:0:00", 6, "breaks the rules of HTTP/2" },
        { "x:ffffff000000000001", 6, "breaks the rules of HTTP/2" },
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        char        script[200];
        WS(ws);
        hob_ws_kind kind;
        const char *data;
        LINK(link);
        snprintf(script, sizeof script, AGREED " " HI " %s", CASES[i].says);
        FAKE(f, SETTINGS, script);
        check_ok(link_to_fake(&f, NULL, &link));
        check_ok(hob_ws_open_on(link, "/live", NULL, NULL, &ws));
        check_ok(hears_message(ws, HOB_WS_TEXT, "hi", 2));
        ssize_t r = hob_ws_recv(ws, &kind, &data);
        while (r != -EPROTO && facts_of(link).error == 0 && i == 8) { // this one is gone, and the link goes on
            hob_ws *more;
            hob_ws_opts opts = { .handshake_ns = HOB_SEC };
            r = hob_ws_open_on(link, "/live", &opts, NULL, &more);
        }
        if (r != -EPROTO || strstr(facts_of(link).words, CASES[i].words) == NULL)
            fail("case %zu: %s: %zd: %s", i, CASES[i].says, r, facts_of(link).words);
        WAIT_FOR(f.has_ended);
        if (f.seen->goaway != CASES[i].goaway && f.seen->goaways > 0)
            fail("case %zu: %s: goaway %d", i, CASES[i].says, f.seen->goaway);
    }
}

/* Heads that are large, or become so. */
TEST_ONCE(ws_link_hostile, large_heads_are_bounded)
{
    static char script[70000];
    for (int how = 0; how < 3; how++) {
        LINK(link);
        hob_ws *ws;
        size_t  n = (size_t)snprintf(script, sizeof script, "head:1:%d::status=404", how == 2 ? 0 : 4);
        for (int i = 0; how == 1 ? n < 15000 : how == 0 && n < 3000; i++)
            n += (size_t)snprintf(script + n, sizeof script - n, "|sec-websocket-%d=%0100d", i, i);
        if (how == 2)
            n += (size_t)snprintf(script + n, sizeof script - n, " f:9:0:1:^3000");
        FAKE(f, SETTINGS, script);
        check_ok(link_to_fake(&f, NULL, &link));
        int r = hob_ws_open_on(link, "/live", NULL, NULL, &ws);
        check(how < 2 ? r == HOB_EWS : r == -EPROTO || r == -ENOMEM);
        check(how < 2 ? facts_of(link).error == 0 : facts_of(link).error != 0);
    }
    // A field of 4,000 bytes in the table, named again and again: 10 KB become 10 MB.
    LINK(link);
    hob_ws *ws;
    size_t  n = (size_t)snprintf(script, sizeof script, "f:1:4:1:8d40016178"); // :status 404, a literal that is kept
    n -= 2;
    n += (size_t)snprintf(script + n, sizeof script - n, "7fa11e"); // 127 + 0x21 + 0x1e * 128 = 4,000
    for (int i = 0; i < 4000; i++)
        n += (size_t)snprintf(script + n, sizeof script - n, "78");
    for (int i = 0; i < 10000; i++)
        n += (size_t)snprintf(script + n, sizeof script - n, "be");
    FAKE(f, SETTINGS, script);
    check_ok(link_to_fake(&f, NULL, &link));
    check_err(hob_ws_open_on(link, "/live", NULL, NULL, &ws), -EPROTO);
    check_has(facts_of(link).words, "sends too much");
}

/* More data than the window is not kept. */
TEST_ONCE(ws_link_hostile, no_more_is_kept_than_the_window)
{
    static char script[70000];
    WS(ws);
    LINK(link);
    size_t n = (size_t)snprintf(script, sizeof script, AGREED " f:0:0:1:827f0000000000100000");
    snprintf(script + n, sizeof script - n, " data:1:%016000d^10", 0);
    FAKE(f, SETTINGS, script);
    check_ok(link_to_fake(&f, NULL, &link));
    check_ok(hob_ws_open_on(link, "/live", NULL, NULL, &ws));
    hob_ws_opts opts = { .handshake_ns = HOB_SEC };
    hob_ws     *more;
    int         r = hob_ws_open_on(link, "/live", &opts, NULL, &more); // who waits reads for the other, too
    check(r == -ETIMEDOUT || r == -EPROTO);
    struct link_stream *s = (struct link_stream *)ws->stream;
    check_gt(s->in_end, 40000);
    check_le(s->in_end, 65536);
    check(s->is_closed || s->error == -EPROTO);
}

/* Those that were closed while the server sent to them are no flood. */
TEST_ONCE(ws_link_hostile, what_is_on_its_way_to_who_has_gone_is_no_flood)
{
    WS_SITE(site, seen);
    LINK(link);
    WS(other);
    BYTES(data, 60000);
    memset(data, 'x', 60000);
    check_ok(link_to(&site, NULL, &link));
    check_ok(hob_ws_open_on(link, "/chat", NULL, NULL, &other));
    for (int i = 0; i < 30; i++) {
        hob_ws *ws;
        check_ok(hob_ws_open_on(link, "/chat", NULL, NULL, &ws));
        check_ok(hob_ws_send(ws, HOB_WS_BINARY, data, 60000));
        hob_ws_close(ws); // and the echo comes
        check_ok(says_and_hears(other, "hello"));
    }
    check_eq(facts_of(link).error, 0);
}

/* ---- streams that end, and a server that leaves ---- */

TEST_ONCE(ws_link_hostile, a_reset_is_of_one_websocket)
{
    hob_ws_kind kind;
    const char *data;
    WS(ws);
    LINK(link);
    FAKE(f, SETTINGS, AGREED " " HI " rst:1:2");
    check_ok(link_to_fake(&f, NULL, &link));
    check_ok(hob_ws_open_on(link, "/live", NULL, NULL, &ws));
    check_ok(hears_message(ws, HOB_WS_TEXT, "hi", 2));
    check_err(hob_ws_recv(ws, &kind, &data), -ECONNRESET);
    check_err(hob_ws_send_text(ws, "x"), -EPIPE);
    check_eq(facts_of(link).error, 0);
}

TEST_ONCE(ws_link_hostile, behind_a_goaway_those_that_are_open_go_on)
{
    hob_ws_kind kind;
    const char *data;
    WS(ws);
    LINK(link);
    // The last stream that it has looked at is 1.
    FAKE(f, SETTINGS, AGREED " f:7:0:0:0000000100000000627965 " HI " " HI);
    check_ok(link_to_fake(&f, NULL, &link));
    check_ok(hob_ws_open_on(link, "/live", NULL, NULL, &ws));
    check_ok(hears_message(ws, HOB_WS_TEXT, "hi", 2));
    hob_ws           *more;
    hob_ws_open_words words;
    check_err(hob_ws_open_on(link, "/live", NULL, &words, &more), -EAGAIN);
    check_has(words.text, "takes no more requests (GOAWAY, NO_ERROR): bye");
    check_ok(hears_message(ws, HOB_WS_TEXT, "hi", 2));
    check_ok(hob_ws_send_text(ws, "still here"));
    WAIT_FOR(f.seen->data[1] > 0);
    check_eq(facts_of(link).leaves, 1);
    hob_scope_cancel(&serving, "it dies");
    ignore(hob_scope_end(&serving));
    check_err(hob_ws_recv(ws, &kind, &data), -ECONNRESET);
    check_has(facts_of(link).words, "(GOAWAY, NO_ERROR): bye");
}

/* A server that reads nothing while it waits to be read, and a client that only sends: who sends reads, too. */
TEST_ONCE(ws_link_hostile, who_sends_reads_what_the_server_has_to_say)
{
    static char   much[100000];
    hob_sim_world world = { .stream_bytes = 2000 };
    WS(ws);
    LINK(link);
    check_ok(hob_sim_set_world(&world));
    FAKE(f, SETTINGS, AGREED " win:1:100000 win:0:100000 ping^400");
    check_ok(link_to_fake(&f, NULL, &link));
    check_ok(hob_ws_open_on(link, "/live", NULL, NULL, &ws));
    check_ok(hob_ws_send(ws, HOB_WS_BINARY, much, sizeof much));
    WAIT_FOR(f.seen->data[1] > 100000);
    check_gt(f.seen->pings, 300);
}

TEST_DIES(ws_link_hostile, a_link_without_a_url_is_a_mistake, "*hob_ws_link_open: the URL is NULL*")
{
    hob_ws_link *link;
    ignore(hob_ws_link_open(NULL, NULL, NULL, &link));
}
