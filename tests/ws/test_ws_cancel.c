/* SPDX-License-Identifier: MIT */
/* Calls that are cancelled at each of their waits: what came is not lost, what was begun goes out whole. */
#include "support/io.h"
#include "support/waits.h"
#include "ws/ws.h"

static void close_ws(hob_ws **ws)
{
    hob_ws_close(*ws);
}

struct attempt {
    hob_stream  *stream;
    hob_ws      *ws;
    hob_ws_kind  kind;
    const char  *data;
    ssize_t      result;
};

static int call_recv(void *arg)
{
    struct attempt *a = arg;
    a->result = hob_ws_recv(a->ws, &a->kind, &a->data);
    return a->result < 0 ? (int)a->result : 0;
}

static int make_handshake(hob_stream *server)
{
    char          buf[1024], answer[300], accept[WS_ACCEPT_LEN + 1], key[WS_KEY_LEN + 1];
    size_t        len = 0;
    while (len < 4 || memcmp(buf + len - 4, "\r\n\r\n", 4) != 0)
        len += (size_t)HOB_TRY(hob_stream_read(server, buf + len, 1));
    buf[len] = '\0';
    snprintf(key, sizeof key, "%s", strstr(buf, "Sec-WebSocket-Key: ") + 19);
    hob__ws_accept_of(key, accept);
    int n = snprintf(answer, sizeof answer, "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                     "Sec-WebSocket-Accept: %s\r\n\r\n", accept);
    return hob_stream_write(server, answer, (size_t)n) == n ? 0 : -EIO;
}

static int shake(void *stream)
{
    return make_handshake(stream);
}

static int write_slowly(void *b)
{
    static const char FRAMES[] = "\x89\x04ping\x01\x03one\x89\x01x\x80\x04+two"; // and pings within
    return hob_stream_write(b, FRAMES, sizeof FRAMES - 1) == sizeof FRAMES - 1 ? 0 : -EIO;
}

/* Whole frames: a pong or two, and the ping that comes last. */
static int read_pongs(void *b)
{
    unsigned char head[2], payload[131];
    do {
        check_eq(hob_stream_read_exactly(b, head, 2), 2);
        check(head[0] == 0x8a || head[0] == 0x89);
        check_eq(hob_stream_read_exactly(b, payload, 4 + (head[1] & 127)), 4 + (head[1] & 127));
    } while (head[0] != 0x89);
    hob__ws_mask(payload + 4, payload + 4, 4, payload, 0);
    check_mem(payload + 4, "last", 4);
    return 0;
}

/* However it is cancelled, the next call gets the message, and what was begun is sent whole. */
TEST_ONCE(ws_cancel, a_receive_cancelled_at_any_wait_loses_nothing)
{
    hob_mem_pair_opts small = { .buf_bytes = 4, .piece_bytes = 3 };
    uint64_t at = 1;
    for (uint64_t was_there = 1; was_there; at++) {
        STREAM(b) = NULL;
        hob_stream *a = NULL;
        CLOSED_BY(close_ws) hob_ws *ws = NULL;
        check_ok(hob_mem_pair(&small, &a, &b));
        HOB_SCOPE(s);
        hob_go(&s, shake, b);
        int r = hob_ws_connect(a, "ws://a", NULL, &ws);
        if (r < 0)
            hob_stream_close(a);
        check_ok(r);
        check_ok(hob_scope_end(&s));
        HOB_SCOPE(peer);
        hob_go(&peer, read_pongs, b);
        hob_go(&peer, write_slowly, b);
        struct attempt   attempt = { .ws = ws };
        struct cancelled c = { .fn = call_recv, .arg = &attempt, .at = at };
        check_ok(cancel_at_wait(&c));
        was_there = c.was_there;
        if (attempt.result < 0) {
            check_err(attempt.result, -ECANCELED);
            check_ok(call_recv(&attempt));
        }
        check_eq(attempt.result, 7);
        check_str(attempt.data, "one+two");
        check_ok(hob_ws_ping(ws, "last", 4));
        check_ok(hob_scope_end(&peer));
    }
    check_gt(at, 5); // there were waits
}

/* ---- sending ---- */

static int call_send(void *arg)
{
    struct attempt *a = arg;
    a->result = hob_ws_send_text(a->ws, "a message that takes several writes");
    return (int)a->result;
}

static int read_slowly(void *arg)
{
    hob_stream *b = arg;
    char        text[64];
    for (;;) {
        unsigned char head[2], key[4];
        check_eq(hob_stream_read_exactly(b, head, 2), 2);
        check_eq(hob_stream_read_exactly(b, key, 4), 4);
        check_eq(hob_stream_read_exactly(b, text, head[1] & 127), head[1] & 127);
        hob__ws_mask(text, text, head[1] & 127, key, 0);
        if (head[0] == 0x89)
            return 0;
        check_eq(head[0], 0x81);
        check_mem(text, "a message that takes several writes", 35);
    }
}

/* It was sent whole, or not at all; and what comes behind it is read well. */
TEST_ONCE(ws_cancel, a_send_cancelled_at_any_wait_is_whole_or_was_not)
{
    hob_mem_pair_opts small = { .buf_bytes = 8, .piece_bytes = 3 };
    uint64_t at = 1;
    for (uint64_t was_there = 1; was_there; at++) {
        STREAM(b) = NULL;
        hob_stream *a = NULL;
        CLOSED_BY(close_ws) hob_ws *ws = NULL;
        check_ok(hob_mem_pair(&small, &a, &b));
        HOB_SCOPE(s);
        hob_go(&s, shake, b);
        int r = hob_ws_connect(a, "ws://a", NULL, &ws);
        if (r < 0)
            hob_stream_close(a);
        check_ok(r);
        check_ok(hob_scope_end(&s));
        HOB_SCOPE(reader);
        hob_go(&reader, read_slowly, b);
        struct attempt   attempt = { .ws = ws };
        struct cancelled c = { .fn = call_send, .arg = &attempt, .at = at };
        check_ok(cancel_at_wait(&c));
        was_there = c.was_there;
        if (attempt.result < 0)
            check_err(attempt.result, -ECANCELED);
        check_ok(hob_ws_ping(ws, "done", 4));
        check_ok(hob_scope_end(&reader));
    }
    check_gt(at, 5); // there were waits
}
