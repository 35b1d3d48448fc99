/* SPDX-License-Identifier: MIT */
/*
 * Servers and clients of WebSockets: handshakes, messages, and both ends of a conversation. What is
 * hostile is in test_ws_hostile.c.
 */
#include "hob/stop.h"
#include "ws/ws.h"
#include "ws/wire.h"

/* ---- the handshake ---- */

TEST_ON_ALL(ws, the_handshake_is_that_of_the_rfc)
{
    char got[1024];
    WS_SITE(site, seen);
    TCP(conn);
    check_ok(visit(&site, &conn));
    check_ok(say(conn, HANDSHAKE));
    check_ok(hear_until(conn, "\r\n\r\n", got, sizeof got));
    check_str(got, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                   "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n");
    struct bytes hello = { { 0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58 }, 11 };
    check_ok(say_bytes(conn, &hello)); // 5.7
    check_ok(hears_frame(conn, 0x81, "Hello"));
    struct bytes end = { .len = 0 };
    add_close(&end, 1000, "done");
    check_ok(say_bytes(conn, &end));
    check_ok(hears_close(conn, 1000));
    check_eq(hear(conn, got, sizeof got), 0);
    WAIT_FOR(seen.ends == 1);
    check_eq(seen.last, HOB_EOF);
    check_eq(seen.end.code, 1000);
    check_str(seen.reason, "done");
    WAIT_FOR(site.stats.connections == 0);
    check_eq(site.stats.failed, 0);
}

TEST_ON_ALL(ws, a_client_and_a_server_talk)
{
    WS_SITE(site, seen);
    WS(ws);
    check_ok(join(&site, &ws));
    check_ok(hob_ws_send_text(ws, "hi"));
    check_ok(hears_message(ws, HOB_WS_TEXT, "hi", 2));
    check_ok(hob_ws_send(ws, HOB_WS_BINARY, "a\0b", 3));
    check_ok(hears_message(ws, HOB_WS_BINARY, "a\0b", 3));
    check_ok(hob_ws_send(ws, HOB_WS_BINARY, NULL, 0));
    check_ok(hears_message(ws, HOB_WS_BINARY, "", 0));
    check_ok(hob_ws_shutdown(ws, 4000, "enough"));
    check_ok(hob_ws_shutdown(ws, 4000, "enough"));
    check_err(hob_ws_send_text(ws, "more"), -EPIPE);
    hob_ws_kind kind;
    const char *data;
    check_err(hob_ws_recv(ws, &kind, &data), HOB_EOF);
    WAIT_FOR(seen.ends == 1);
    check_eq(seen.end.code, 4000);
    check_str(seen.reason, "enough");
    hob_ws_end end;
    hob_ws_ended(ws, &end);
    check_eq(end.code, 4000);
    check_eq(end.sent_code, 4000);
}

/* Lengths around those where a frame's head changes, and where buffers do. */
TEST(ws, messages_of_all_lengths_come_back)
{
    static const size_t LENGTHS[] = { 1, 125, 126, 127, 1023, 1024, 1025, 4095, 16383, 16384, 16385, 65535,
                                      65536, 300000, 1048576 };
    BYTES(data, 1048576);
    WS_SITE(site, seen);
    for (int deflate = 0; deflate < 3; deflate++) {
        hob_ws_opts opts = { .deflate = deflate > 0, .takeover = deflate > 1 };
        WS(ws);
        seen.opts = opts;
        check_ok(join_with(&site, &opts, &ws));
        check_eq(hob_ws_is_deflated(ws), deflate > 0);
        for (size_t i = 0; i < sizeof LENGTHS / sizeof LENGTHS[0]; i++) {
            fill(data, LENGTHS[i], 0, (unsigned)i);
            HOB_SCOPE(both);
            check_ok(hob_ws_send(ws, HOB_WS_BINARY, data, LENGTHS[i]));
            check_ok(hears_message(ws, HOB_WS_BINARY, data, LENGTHS[i]));
        }
        check_ok(hob_ws_shutdown(ws, 1000, NULL));
    }
}

/* Row 111. */
TEST_ON_ALL(ws, what_is_no_handshake_gets_another_answer)
{
#define REST "Host: a\r\nConnection: Upgrade\r\n"
#define KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define VERSION "Sec-WebSocket-Version: 13\r\n"
#define UP "Upgrade: websocket\r\n"
#define G "GET / HTTP/1.1\r\n" REST
    static const struct { int status; const char *request; } CASES[] = {
        { 405, "POST / HTTP/1.1\r\n" REST UP KEY VERSION "Content-Length: 0\r\n\r\n" },
        { 405, "HEAD / HTTP/1.1\r\n" REST UP KEY VERSION "\r\n" },
        { 426, "GET / HTTP/1.1\r\nHost: a\r\n\r\n" },
        { 426, G KEY VERSION "\r\n" },
        { 426, G "Upgrade: websocket2\r\n" KEY VERSION "\r\n" },
        { 426, G "Upgrade: h2c\r\n" KEY VERSION "\r\n" },
        { 400, "GET / HTTP/1.1\r\nHost: a\r\n" UP KEY VERSION "\r\n" },
        { 400, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n" UP KEY VERSION "\r\n" },
        { 400, "GET / HTTP/1.0\r\n" REST UP KEY VERSION "\r\n" },
        { 400, G UP VERSION "\r\n" },
        { 400, G UP VERSION KEY KEY "\r\n" },
        { 400, G UP VERSION "Sec-WebSocket-Key:\r\n\r\n" },
        { 400, G UP VERSION "Sec-WebSocket-Key: x\r\n\r\n" },
        { 400, G UP VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=\r\n\r\n" },
        { 400, G UP VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZR==\r\n\r\n" },
        { 400, G UP VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j*Q==\r\n\r\n" },
        { 400, G UP VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==, x\r\n\r\n" },
        { 426, G UP KEY "\r\n" },
        { 426, G UP KEY "Sec-WebSocket-Version: 8\r\n\r\n" },
        { 426, G UP KEY "Sec-WebSocket-Version: 14\r\n\r\n" },
        { 426, G UP KEY "Sec-WebSocket-Version: 13, 8\r\n\r\n" },
        { 400, G UP KEY VERSION VERSION "\r\n" },
        { 400, G UP KEY VERSION "Content-Length: 1\r\n\r\nx" },
        { 403, G UP KEY VERSION "Origin: http://b\r\n\r\n" },
        { 403, G UP KEY VERSION "Origin: null\r\n\r\n" },
        { 403, G UP KEY VERSION "Origin: http://a\r\nOrigin: http://a\r\n\r\n" },
        { 403, G UP KEY VERSION "Origin: http://a.b\r\n\r\n" },
        { 400, "GET / HTTP/1.1\r\nConnection: Upgrade\r\n" UP KEY VERSION "\r\n" },
        { 101, G UP KEY VERSION "Origin: http://a\r\n\r\n" },
        { 101, G UP KEY VERSION "Origin: https://A\r\n\r\n" },
        { 101, "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, upgrade\r\nUpgrade: WebSocket\r\n"
               KEY VERSION "\r\n" },
    };
    WS_SITE(site, seen);
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        char got[1024];
        check_ok(ask(&site, CASES[i].request, got, sizeof got));
        if (status_in(got) != CASES[i].status)
            fail("case %zu: %s\n%s", i, CASES[i].request, got);
        if (CASES[i].status == 426) {
            check_has(got, "Sec-WebSocket-Version: 13\r\n");
            check_has(got, "Upgrade: websocket\r\n");
        }
        if (CASES[i].status == 405)
            check_has(got, "Allow: GET\r\n");
    }
}

/* Row 113. */
TEST(ws, other_origins_are_let_in_by_choice)
{
    static const char *const ORIGINS[] = { "https://b.example", NULL };
    static const char        OTHER[] = HANDSHAKE_WITH("Origin: https://b.example\r\n");
    char                     got[1024];
    WS_SITE(site, seen);
    check_ok(ask(&site, OTHER, got, sizeof got));
    check_eq(status_in(got), 403);
    seen.opts.origins = ORIGINS;
    check_ok(ask(&site, OTHER, got, sizeof got));
    check_eq(status_in(got), 101);
    seen.opts = (hob_ws_opts){ .any_origin = 1 };
    check_ok(ask(&site, OTHER, got, sizeof got));
    check_eq(status_in(got), 101);
}

TEST(ws, the_first_of_the_clients_protocols_that_we_have_is_chosen)
{
    static const char *const OURS[] = { "v1", "v2", NULL };
    static const char *const THEIRS[] = { "v3", "v2", "v1", NULL };
    static const char *const NONE[] = { "v3", NULL };
    WS_SITE(site, seen);
    seen.opts.protocols = OURS;
    hob_ws_opts opts = { .protocols = THEIRS };
    {
        WS(ws);
        check_ok(join_with(&site, &opts, &ws));
        check_str(hob_ws_protocol(ws), "v2");
    }
    opts.protocols = NONE;
    WS(ws);
    check_ok(join_with(&site, &opts, &ws));
    check_str(hob_ws_protocol(ws), "");
}

/* ---- clients ---- */

struct false_server {
    const char *answer;
    hob_stream *stream;
};

static int answer_falsely(void *arg)
{
    struct false_server *f = arg;
    char                 buf[2048];
    size_t               len = 0;
    while (len < 4 || memcmp(buf + len - 4, "\r\n\r\n", 4) != 0)
        len += (size_t)HOB_TRY(hob_stream_read(f->stream, buf + len, 1));
    HOB_TRY(hob_stream_write(f->stream, f->answer, strlen(f->answer)));
    return hob_stream_shutdown(f->stream);
}

TEST(ws, a_client_believes_only_an_answer_to_its_request)
{
#define A "HTTP/1.1 101 Switching Protocols\r\n"
#define OK_ "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: KEY\r\n"
    static const struct { const char *answer; int result, status; } CASES[] = {
        { "HTTP/1.1 200 OK\r\n" OK_ "\r\n", HOB_EWS, 200 },
        { "HTTP/1.1 403 No\r\n\r\n", HOB_EWS, 403 },
        { "HTTP/1.0 101 Switching\r\n" OK_ "\r\n", HOB_EWS, 0 },
        { "nonsense\r\n\r\n", HOB_EWS, 0 },
        { "HTTP/1.1 101 x\r\n", -ECONNRESET, -1 },
        { "", -ECONNRESET, -1 },
        { A OK_ "\r\n", HOB_EWS, 101 }, // KEY is another's
        { A "Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n", HOB_EWS, 101 },
        { A "no header\r\n\r\n", HOB_EWS, 101 },
        { "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 403 No\r\n\r\n", HOB_EWS, 403 },
        { "HTTP/1.1 100 Continue\r\n\r\n", -ECONNRESET, -1 },
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        STREAM(a) = NULL;
        STREAM(b) = NULL;
        check_ok(hob_mem_pair(NULL, &a, &b));
        int         status = -1;
        hob_ws_opts opts = { .ret_status = &status };
        hob_ws     *ws = NULL;
        HOB_SCOPE(s);
        hob_go(&s, answer_falsely, &(struct false_server){ CASES[i].answer, b });
        check_err(hob_ws_connect(a, "ws://a", &opts, &ws), CASES[i].result);
        check_eq(status, CASES[i].status);
        check_ok(hob_scope_end(&s));
    }
    static const char *const URLS[] = { "", "http://a", "ws://", "ws:///x", "ws://a b", "ws://a/\r\nX: y",
                                        "ws://u@a/", "ws://a/#x", "ws://a/\xc3\xa4" };
    for (size_t i = 0; i < sizeof URLS / sizeof URLS[0]; i++) {
        STREAM(a) = NULL;
        STREAM(b) = NULL;
        check_ok(hob_mem_pair(NULL, &a, &b));
        hob_ws *ws = NULL;
        check_err(hob_ws_connect(a, URLS[i], NULL, &ws), -EINVAL);
    }
}

/* Answers in the right way, behind `answer`; says a word, unless there is no room for it, and goes. */
static int answer_truly(void *arg)
{
    struct false_server *f = arg;
    char                 buf[2048], key[WS_KEY_LEN + 1] = "", accept[WS_ACCEPT_LEN + 1];
    size_t               len = 0;
    while (len < 4 || memcmp(buf + len - 4, "\r\n\r\n", 4) != 0)
        len += (size_t)HOB_TRY(hob_stream_read(f->stream, buf + len, 1));
    buf[len] = '\0';
    memcpy(key, strstr(buf, "Sec-WebSocket-Key: ") + 19, WS_KEY_LEN);
    hob__ws_accept_of(key, accept);
    len = (size_t)snprintf(buf, sizeof buf, "%s" A "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                           "Sec-WebSocket-Accept: %s\r\n\r\n\x81\x02hi", f->answer, accept);
    HOB_TRY(hob_stream_write(f->stream, buf, len));
    hob_stream_close(f->stream);
    f->stream = NULL;
    return 0;
}

static void end_false_server(struct false_server *f)
{
    hob_stream_close(f->stream);
}

#define FALSE_SERVER(name) __attribute__((cleanup(end_false_server))) struct false_server name

TEST(ws, what_comes_before_the_answer_is_passed_over)
{
    static const char *const BEFORE[] = {
        "", "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nUpgrade: no\r\n\r\nHTTP/1.1 100 \r\n\r\n",
    };
    for (size_t i = 0; i < sizeof BEFORE / sizeof BEFORE[0]; i++) {
        FALSE_SERVER(f) = { BEFORE[i], NULL };
        STREAM(a) = NULL;
        WS(ws);
        HOB_SCOPE(s);
        int         status = 0;
        hob_ws_opts opts = { .ret_status = &status };
        check_ok(hob_mem_pair(NULL, &a, &f.stream));
        hob_go(&s, answer_truly, &f);
        check_ok(hob_ws_connect(a, "ws://a", &opts, &ws));
        a = NULL; // it is the WebSocket's
        check_eq(status, 101);
        check_ok(hears_message(ws, HOB_WS_TEXT, "hi", 2));
    }
}

TEST(ws, a_goodbye_that_was_lost_was_not_sent)
{
    FALSE_SERVER(f) = { "", NULL };
    STREAM(a) = NULL;
    hob_ws_end end;
    WS(ws);
    HOB_SCOPE(s);
    check_ok(hob_mem_pair(NULL, &a, &f.stream));
    hob_go(&s, answer_truly, &f);
    check_ok(hob_ws_connect(a, "ws://a", NULL, &ws));
    a = NULL; // it is the WebSocket's
    check_ok(hob_scope_end(&s));
    check_err(hob_ws_shutdown(ws, 1000, "bye"), -EPIPE);
    hob_ws_ended(ws, &end);
    check_eq(end.code, HOB_WS_LOST);
    check_eq(end.sent_code, 0);
}

TEST(ws, a_silent_server_does_not_hold_a_client)
{
    STREAM(a) = NULL;
    STREAM(b) = NULL;
    hob_ws *ws = NULL;
    check_ok(hob_mem_pair(NULL, &a, &b));
    int64_t begun = hob_now();
    check_err(hob_ws_connect(a, "ws://a", NULL, &ws), -ETIMEDOUT);
    check_eq(hob_now() - begun, 10 * HOB_SEC);
}

/* ---- handshakes that others make ---- */

struct fields {
    char text[500];
    int  fails_at, count;
};

static int note_field(void *arg, const char *name, const char *value)
{
    struct fields *fields = arg;
    size_t         len = strlen(fields->text);
    snprintf(fields->text + len, sizeof fields->text - len, "%s=%s\n", name, value);
    return ++fields->count == fields->fails_at ? -ENOSPC : 0;
}

TEST(ws, an_offer_is_told_field_by_field)
{
    static const char *const PROTOCOLS[] = { "v2", "v1", NULL }, *const HEADERS[] = { "Origin", "http://a", NULL };
    static const char *const BAD_PROTOCOLS[] = { "v 2", NULL };
    static const char *const BAD[][3] = { { "a:", "b" }, { "", "b" }, { "a", "b\r\nc: d" }, { ":path", "/" } };
    struct fields fields = { .fails_at = 0 };
    hob_ws_opts   opts = { .protocols = PROTOCOLS, .headers = HEADERS };
    check_ok(hob_ws_offer(NULL, note_field, &fields));
    check_str(fields.text, "Sec-WebSocket-Version=13\n");
    fields = (struct fields){ .fails_at = 0 };
    check_ok(hob_ws_offer(&opts, note_field, &fields));
    check_str(fields.text, "Sec-WebSocket-Version=13\nSec-WebSocket-Protocol=v2, v1\nOrigin=http://a\n");
    for (int i = 1; i <= 3; i++) {
        fields = (struct fields){ .fails_at = i };
        check_err(hob_ws_offer(&opts, note_field, &fields), -ENOSPC);
        check_eq(fields.count, i);
    }
    fields = (struct fields){ .fails_at = 0 };
    opts.protocols = BAD_PROTOCOLS;
    check_err(hob_ws_offer(&opts, note_field, &fields), -EINVAL);
    for (int i = 0; i < 4; i++) {
        opts = (hob_ws_opts){ .headers = BAD[i] };
        check_err(hob_ws_offer(&opts, note_field, &fields), -EINVAL);
    }
}

TEST(ws, a_stream_becomes_a_websocket_by_what_was_agreed_upon)
{
    static const char *const PROTOCOLS[] = { "v2", "v1", NULL };
    static const struct { int result, deflates; const char *answer[7]; } CASES[] = {
        { 0, 0, { NULL } },
        { 0, 0, { "server", "x", "sec-websocket-protocol", "v1" } },
        { 0, 1, { "sec-websocket-extensions", "permessage-deflate", "Sec-WebSocket-Protocol", "v2" } },
        { HOB_EWS, 0, { "sec-websocket-protocol", "v3" } },
        { HOB_EWS, 0, { "sec-websocket-protocol", "v1", "sec-websocket-protocol", "v1" } },
        { HOB_EWS, 0, { "sec-websocket-extensions", "permessage-bzip2" } },
    };
    hob_ws_opts opts = { .protocols = PROTOCOLS, .deflate = 1 };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        STREAM(b) = NULL;
        hob_stream *a;
        WS(ws);
        check_ok(hob_mem_pair(NULL, &a, &b));
        check_err(hob_ws_agree(a, CASES[i].answer, &opts, &ws), CASES[i].result);
        if (CASES[i].result < 0) {
            hob_stream_close(a);
            continue;
        }
        check_eq(hob_ws_is_deflated(ws), CASES[i].deflates);
        check_ok(hob_stream_write(b, "\x81\x02hi", 4));
        check_ok(hears_message(ws, HOB_WS_TEXT, "hi", 2));
    }
}

/* ---- receiving in pieces, sending in fragments ---- */

TEST(ws, a_message_goes_in_fragments_and_comes_in_pieces)
{
    WS_SITE(site, seen);
    WS(ws);
    hob_ws_kind kind = 0;
    char        buf[4];
    const char *data = NULL;
    check_ok(join(&site, &ws));
    check_ok(hob_ws_send_begin(ws, HOB_WS_TEXT));
    check_ok(hob_ws_send_part(ws, "gr\xc3", 3)); // within a character
    check_ok(hob_ws_ping(ws, "in between", 10));
    check_ok(hob_ws_send_part(ws, "\xbc\xc3\x9f", 3));
    check_err(hob_ws_send_part(ws, "\xff", 1), -EILSEQ);
    check_ok(hob_ws_send_part(ws, "e", 1));
    check_ok(hob_ws_send_end(ws));
    check_ok(hob_ws_send_text(ws, "next"));
    check_ok(hob_ws_recv_begin(ws, &kind));
    check_eq(kind, HOB_WS_TEXT);
    check_eq(hob_ws_recv_part(ws, buf, 4), 4);
    check_mem(buf, "gr\xc3\xbc", 4);
    check_eq(hob_ws_recv_part(ws, buf, 4), 3);
    check_mem(buf, "\xc3\x9f" "e", 3);
    check_eq(hob_ws_recv_part(ws, buf, 4), 0);
    check_eq(hob_ws_recv_part(ws, buf, 4), 0);
    check_eq(hob_ws_recv(ws, &kind, &data), 4);
    check_str(data, "next");
    // What was not read is skipped.
    check_ok(hob_ws_send_text(ws, "first"));
    check_ok(hob_ws_send_text(ws, "second"));
    check_ok(hob_ws_recv_begin(ws, &kind));
    check_eq(hob_ws_recv_part(ws, buf, 1), 1);
    check_eq(hob_ws_recv(ws, &kind, &data), 6);
    check_str(data, "second");
}

struct talker {
    hob_ws *ws;
    char    letter;
    size_t  len;
};

static int talk(void *arg)
{
    struct talker *t = arg;
    BYTES(data, t->len);
    memset(data, t->letter, t->len);
    for (int i = 0; i < 20; i++)
        HOB_TRY(hob_ws_send(t->ws, HOB_WS_TEXT, data, t->len));
    return 0;
}

TEST(ws, many_tasks_send_at_once_and_each_message_is_whole)
{
    hob_sim_world world = { .latency_max_ns = HOB_MSEC, .short_io_percent = 50, .stream_bytes = 3000 };
    WS_SITE(site, seen);
    WS(ws);
    int counts[5] = { 0 };
    check_ok(hob_sim_set_world(&world));
    check_ok(join(&site, &ws));
    struct talker talkers[5];
    HOB_SCOPE(talk_scope); // ends before `ws` is closed
    for (int i = 0; i < 5; i++) {
        talkers[i] = (struct talker){ ws, (char)('a' + i), (size_t)(1 + i * 1700) };
        hob_go(&talk_scope, talk, &talkers[i]);
    }
    for (int i = 0; i < 100; i++) {
        hob_ws_kind kind = 0;
        const char *data = NULL;
        ssize_t     len = check_ok(hob_ws_recv(ws, &kind, &data));
        int         who = data[0] - 'a';
        check_eq(len, (ssize_t)talkers[who].len);
        for (ssize_t k = 0; k < len; k++)
            check_eq(data[k], 'a' + who);
        counts[who]++;
    }
    for (int i = 0; i < 5; i++)
        check_eq(counts[i], 20);
}

/* ---- life and death ---- */

TEST(ws, silent_peers_are_pinged_and_dead_ones_given_up)
{
    for (int kept = 0; kept < 2; kept++) {
        WS_SITE(site, seen);
        seen.kept = kept;
        TCP(conn);
        check_ok(upgrade(&site, &conn));
        int64_t begun = hob_now();
        check_ok(hears_frame(conn, 0x89, ""));
        check_ge(hob_now() - begun, 29 * HOB_SEC);
        check_le(hob_now() - begun, 32 * HOB_SEC);
        struct bytes pong = { .len = 0 };
        add_frame(&pong, 0x8a, "", 0);
        check_ok(say_bytes(conn, &pong));
        check_ok(hears_frame(conn, 0x89, "")); // and now it is silent
        int64_t pinged = hob_now();
        check_ok(hob_sleep(18 * HOB_SEC));
        check_eq(seen.ends, 0);
        WAIT_FOR(seen.ends == 1);
        check_ge(hob_now() - pinged, 19 * HOB_SEC);
        check_le(hob_now() - pinged, 24 * HOB_SEC);
        check_eq(seen.last, -ETIMEDOUT);
        check_eq(seen.end.code, 1006);
        WAIT_FOR(site.stats.connections == 0);
        hob_scope_cancel(&s, "seen");
        ignore(hob_scope_end(&s));
    }
}

/* Row 109. */
TEST_ON_ALL(ws, an_end_without_goodbye_is_told_once)
{
    for (int kept = 0; kept < 2; kept++) {
        WS_SITE(site, seen);
        seen.kept = kept;
        TCP(conn);
        check_ok(upgrade(&site, &conn));
        struct bytes some = { .len = 0 };
        add_frame(&some, 0x81, "hello", 5);
        add_frame(&some, 0x01, "and then", 8);
        check_ok(say_bytes(conn, &some));
        check_ok(hears_frame(conn, 0x81, "hello"));
        hob_tcp_close(conn);
        conn = NULL;
        WAIT_FOR(site.stats.connections == 0);
        check_eq(seen.ends, 1);
        check_eq(seen.messages, 1);
        check_eq(seen.last, -ECONNRESET);
        check_eq(seen.end.code, 1006);
        hob_scope_cancel(&s, "seen");
        ignore(hob_scope_end(&s));
    }
}

static int says_goodbye_first(hob_ws *ws, void *arg)
{
    struct seen *seen = arg;
    seen->last = hob_ws_shutdown(ws, 3001, "enough");
    note_end(seen, ws);
    return 0;
}

static int serve_goodbye(hob_http_request *req, void *arg)
{
    struct seen *seen = arg;
    return hob_ws_serve(req, &seen->opts, says_goodbye_first, seen);
}

TEST(ws, a_goodbye_is_answered_or_has_its_time)
{
    struct seen seen = { 0 };
    struct site site = { .handler = serve_goodbye, .arg = &seen };
    HOB_SCOPE(s);
    check_ok(open_site(&s, &site));
    {
        TCP(conn);
        check_ok(upgrade(&site, &conn));
        check_ok(hears_close(conn, 3001));
        struct bytes late = { .len = 0 };
        add_frame(&late, 0x81, "on the way already", 18);
        add_close(&late, 3001, "");
        check_ok(say_bytes(conn, &late));
        WAIT_FOR(seen.ends == 1);
        check_eq(seen.last, 0);
        check_eq(seen.end.code, 3001);
    }
    TCP(conn);
    check_ok(upgrade(&site, &conn));
    int64_t begun = hob_now();
    WAIT_FOR(seen.ends == 2);
    check_eq(seen.last, -ETIMEDOUT);
    check_ge(hob_now() - begun, 4 * HOB_SEC);
    check_le(hob_now() - begun, 6 * HOB_SEC);
}

TEST(ws, a_peer_that_takes_nothing_is_given_up)
{
    hob_sim_world world = { .stream_bytes = 4096 };
    BYTES(data, 100000);
    WS_SITE(site, seen);
    TCP(conn);
    check_ok(hob_sim_set_world(&world));
    check_ok(upgrade(&site, &conn));
    struct bytes b = { .len = 0 };
    memset(data, 'x', 100000);
    int64_t begun = hob_now();
    for (int i = 0; i < 4; i++) { // the echo of it does not fit
        b.len = 0;
        add_frame(&b, 0x82, data, 3000);
        if (say_bytes(conn, &b) < 0)
            break; // it has ended
    }
    for (int i = 0; i < 60 && seen.ends == 0; i++)
        check_ok(hob_sleep(HOB_SEC / 2));
    check_eq(seen.ends, 1);
    check_ge(hob_now() - begun, 29 * HOB_SEC);
    check_le(hob_now() - begun, 31 * HOB_SEC);
    check_eq(seen.end.error, -ETIMEDOUT);
}

/* ---- the server's end ---- */

static int visit_and_hear(void *arg)
{
    struct site *site = arg;
    TCP(conn);
    check_ok(upgrade(site, &conn));
    settle();
    hob_stop("the test says so");
    check_ok(hears_close(conn, 1001));
    struct bytes b = { .len = 0 };
    add_close(&b, 1001, "");
    check_ok(say_bytes(conn, &b));
    char got[8];
    check_eq(hear(conn, got, sizeof got), 0);
    return 0;
}

static int serve_and_stop(void *kept)
{
    WS_SITE(site, seen);
    seen.kept = kept != NULL;
    hob_go(&s, visit_and_hear, &site);
    check_ok(hob_scope_end(&s));
    check_eq(site.result, 0);
    check_eq(seen.ends, 1);
    return 0;
}

TEST_BARE_ON_ALL(ws, a_run_that_stops_goes_away_politely)
{
    for (int kept = 0; kept < 2; kept++) {
        hob_run_opts opts;
        hob_test_run_opts(&opts);
        check_ok(hob_run_with(&opts, serve_and_stop, kept ? &opts : NULL));
    }
}

/* ---- without a task ---- */

TEST_ON_ALL(ws, a_kept_one_does_as_one_with_a_task)
{
    WS_SITE(site, seen);
    seen.kept = true;
    WS(ws);
    BYTES(data, 200000);
    fill(data, 200000, 0, 7);
    check_ok(join(&site, &ws));
    WAIT_FOR(site.stats.running == 0);
    for (int i = 0; i < 3; i++) {
        check_ok(hob_ws_send_text(ws, "hi"));
        check_ok(hears_message(ws, HOB_WS_TEXT, "hi", 2));
        check_ok(hob_ws_send(ws, HOB_WS_BINARY, data, 200000));
        check_ok(hears_message(ws, HOB_WS_BINARY, data, 200000));
    }
    check_ok(hob_ws_shutdown(ws, 4001, "done"));
    WAIT_FOR(seen.ends == 1);
    check_eq(seen.end.code, 4001);
    check_eq(seen.last, HOB_EOF);
    check_eq(seen.messages, 6);
}

static int take_one_then_keep(hob_ws *ws, void *arg)
{
    static const hob_ws_calls CALLS = { echo_message, echo_ended };
    hob_ws_kind kind;
    const char *data;
    ssize_t     n = HOB_TRY(hob_ws_recv(ws, &kind, &data));
    HOB_TRY(hob_ws_send(ws, kind, data, (size_t)n));
    return hob_ws_keep(ws, &CALLS, arg);
}

static int serve_then_keep(hob_http_request *req, void *arg)
{
    return hob_ws_serve(req, NULL, take_one_then_keep, arg);
}

TEST(ws, what_the_handler_had_read_already_is_not_forgotten_when_it_is_kept)
{
    struct seen seen = { 0 };
    struct site site = { .handler = serve_then_keep, .arg = &seen };
    HOB_SCOPE(s);
    check_ok(open_site(&s, &site));
    TCP(conn);
    check_ok(upgrade(&site, &conn));
    struct bytes b = { .len = 0 };
    add_frame(&b, 0x81, "one", 3);
    add_frame(&b, 0x81, "two", 3);
    add_frame(&b, 0x81, "three", 5);
    check_ok(say_bytes(conn, &b));
    check_ok(hears_frame(conn, 0x81, "one"));
    check_ok(hears_frame(conn, 0x81, "two"));
    check_ok(hears_frame(conn, 0x81, "three"));
    check_eq(seen.messages, 2);
}

/* ---- mistakes ---- */

static int closes_what_is_lent(hob_ws *ws, void *arg)
{
    static const hob_ws_calls CALLS = { echo_message, echo_ended };
    if (arg != NULL)
        check_ok(hob_ws_keep(ws, &CALLS, arg));
    hob_ws_close(ws);
    return 0;
}

static int serve_and_close(hob_http_request *req, void *arg)
{
    return hob_ws_serve(req, NULL, closes_what_is_lent, arg);
}

static int visit_who_closes(struct seen *seen)
{
    struct site site = { .handler = serve_and_close, .arg = seen };
    HOB_SCOPE(s);
    check_ok(open_site(&s, &site));
    TCP(conn);
    check_ok(upgrade(&site, &conn));
    return hob_sleep(HOB_SEC);
}

TEST_DIES(ws, what_is_served_is_not_closed_by_hand, "*hob_ws_close: hob_ws_serve and hob_ws_keep close it themselves*")
{
    check_ok(visit_who_closes(NULL));
}

TEST_DIES(ws, what_is_kept_is_not_closed_by_hand, "*hob_ws_close: hob_ws_serve and hob_ws_keep close it themselves*")
{
    struct seen seen = { 0 };
    check_ok(visit_who_closes(&seen));
}

static int sends_in_the_middle(hob_ws *ws, void *arg)
{
    check_ok(hob_ws_send_begin(ws, HOB_WS_TEXT));
    return hob_ws_send_text(ws, "waits for its own end");
}

static int serve_the_middle(hob_http_request *req, void *arg)
{
    return hob_ws_serve(req, NULL, sends_in_the_middle, arg);
}

TEST_DIES(ws, a_message_in_the_middle_of_ones_own_is_a_mistake, "*hob_ws_send: this task has begun a message*")
{
    struct site site = { .handler = serve_the_middle };
    HOB_SCOPE(s);
    check_ok(open_site(&s, &site));
    TCP(conn);
    check_ok(upgrade(&site, &conn));
    check_ok(hob_sleep(HOB_SEC));
}
