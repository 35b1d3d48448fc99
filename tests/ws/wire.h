/* SPDX-License-Identifier: MIT */
/* A server of WebSockets for a test, and clients that say what they are told to, frame by frame. */
#ifndef HOB_TESTS_WS_WIRE_H
#define HOB_TESTS_WS_WIRE_H

#include <hob/ws.h>

#include "http/site.h"
#include "support/tasks.h"
#include "ws/frame.h"

#define HANDSHAKE_WITH(more)                                                             \
    "GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"      \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n" more "\r\n"
#define HANDSHAKE HANDSHAKE_WITH("")

/* What the server's side saw last; one connection at a time. */
struct seen {
    hob_ws_opts opts;
    hob_ws_end  end;
    char        reason[130];
    bool        kept; /* what is wanted: without a task */
    int         ends; /* how often */
    int         messages;
    ssize_t     last; /* what receiving returned in the end */
};

static inline void note_end(struct seen *seen, hob_ws *ws)
{
    hob_ws_ended(ws, &seen->end);
    snprintf(seen->reason, sizeof seen->reason, "%s", seen->end.reason);
    seen->ends++;
}

static inline int echo_all(hob_ws *ws, void *arg)
{
    struct seen *seen = (struct seen *)arg;
    hob_ws_kind  kind;
    const char  *data;
    int          r = 0;

    while (r == 0 && (seen->last = hob_ws_recv(ws, &kind, &data)) >= 0) {
        seen->messages++;
        check_eq(data[seen->last], '\0');
        r = hob_ws_send(ws, kind, data, (size_t)seen->last);
    }
    note_end(seen, ws);
    return r < 0 ? r : seen->last == HOB_EOF ? 0 : (int)seen->last;
}

/* The same without a task. */
static inline int echo_message(hob_ws *ws, void *arg, hob_ws_kind kind, const char *data, size_t len)
{
    struct seen *seen = (struct seen *)arg;
    seen->messages++;
    check_eq(data[len], '\0');
    return hob_ws_send(ws, kind, data, len);
}

static inline void echo_ended(hob_ws *ws, void *arg)
{
    struct seen *seen = (struct seen *)arg;
    note_end(seen, ws);
    seen->last = seen->end.error;
}

static inline int keep_echo(hob_ws *ws, void *arg)
{
    static const hob_ws_calls CALLS = { echo_message, echo_ended };
    return hob_ws_keep(ws, &CALLS, arg);
}

static inline int serve_echo(hob_http_request *req, void *arg)
{
    struct seen *seen = (struct seen *)arg;
    return hob_ws_serve(req, &seen->opts, seen->kept ? keep_echo : echo_all, seen);
}

#define WS_SITE(site, seen_)                                        \
    struct seen seen_ = { 0 };                                      \
    struct site site = { .handler = serve_echo, .arg = &seen_ };    \
    HOB_SCOPE(s);                                                   \
    check_ok(open_site(&s, &site))

static inline int upgrade_with(const struct site *site, const char *request, hob_tcp **ret_conn)
{
    char got[1024];
    check_ok(visit(site, ret_conn));
    check_ok(say(*ret_conn, request));
    check_ok(hear_until(*ret_conn, "\r\n\r\n", got, sizeof got));
    check_eq(status_in(got), 101);
    check_has(got, "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n");
    return 0;
}

static inline int upgrade(const struct site *site, hob_tcp **ret_conn)
{
    return upgrade_with(site, HANDSHAKE, ret_conn);
}

/* ---- frames ---- */

struct bytes {
    unsigned char at[4096];
    size_t        len;
};

static inline void add(struct bytes *b, const void *data, size_t len)
{
    memcpy(b->at + b->len, data, len);
    b->len += len;
}

/* A frame as a client sends it. */
static inline void add_frame(struct bytes *b, unsigned first, const void *data, size_t len)
{
    static const uint8_t key[4] = { 0x37, 0xfa, 0x21, 0x3d };
    struct ws_head head = { .is_masked = true, .len = len };
    memcpy(head.key, key, 4);
    size_t head_len = hob__ws_head_write(b->at + b->len, &head);
    b->at[b->len] = (unsigned char)first;
    b->len += head_len;
    hob__ws_mask(b->at + b->len, data, len, key, 0);
    b->len += len;
}

static inline void add_close(struct bytes *b, unsigned code, const char *reason)
{
    unsigned char payload[127] = { (unsigned char)(code >> 8), (unsigned char)code };
    memcpy(payload + 2, reason, strlen(reason));
    add_frame(b, 0x88, payload, 2 + strlen(reason));
}

static inline ssize_t say_bytes(hob_tcp *conn, const struct bytes *b)
{
    return hob_tcp_write(conn, b->at, b->len);
}

/* A frame as a server sends it: its first byte; its payload, with a NUL behind. */
static inline int hear_frame(hob_tcp *conn, unsigned char *payload, size_t size, size_t *ret_len)
{
    unsigned char  bytes[WS_HEAD_MAX];
    struct ws_head head;
    size_t         have = 0;
    int            len = 0;

    while (len == 0) {
        ssize_t n = hob_tcp_read(conn, bytes + have, 1);
        if (n <= 0)
            return n == 0 ? HOB_EOF : (int)n;
        have++;
        len = hob__ws_head_parse(bytes, have, false, true, &head);
    }
    check_gt(len, 0);
    check_lt(head.len, size);
    check_eq(hob_stream_read_exactly(hob_tcp_stream(conn), payload, (size_t)head.len),
             (ssize_t)head.len);
    payload[head.len] = '\0';
    *ret_len = (size_t)head.len;
    return bytes[0];
}

static inline int hears_frame(hob_tcp *conn, int first, const char *text)
{
    unsigned char payload[70000];
    size_t        len = 0;
    check_eq(hear_frame(conn, payload, sizeof payload, &len), first);
    check_str((char *)payload, text);
    return 0;
}

static inline int hears_close(hob_tcp *conn, unsigned code)
{
    unsigned char payload[200];
    size_t        len = 0;
    check_eq(hear_frame(conn, payload, sizeof payload, &len), 0x88);
    check_ge(len, 2);
    check_eq((unsigned)payload[0] << 8 | payload[1], code);
    return 0;
}

/* ---- clients of the library ---- */

static inline void close_ws(hob_ws **ws)
{
    hob_ws_close(*ws);
}

#define WS(name) CLOSED_BY(close_ws) hob_ws *name = NULL

static inline int join_with(const struct site *site, const hob_ws_opts *opts, hob_ws **ret_ws)
{
    hob_tcp *conn;
    int      r = visit(site, &conn);
    if (r < 0)
        return r;
    r = hob_ws_connect(hob_tcp_stream(conn), "ws://a/chat", opts, ret_ws);
    if (r < 0)
        hob_tcp_close(conn);
    return r;
}

static inline int join(const struct site *site, hob_ws **ret_ws)
{
    return join_with(site, NULL, ret_ws);
}

static inline int hears_message(hob_ws *ws, hob_ws_kind wanted, const void *data, size_t len)
{
    hob_ws_kind kind = 0;
    const char *got = NULL;
    check_eq(hob_ws_recv(ws, &kind, &got), (ssize_t)len);
    check_eq(kind, wanted);
    check_mem(got, data, len);
    return 0;
}

#endif
