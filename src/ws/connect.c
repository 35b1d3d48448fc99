/* SPDX-License-Identifier: MIT */
/*
 * A client's handshake over HTTP/1.1: RFC 6455 4.1. The answer is believed only if every word of it is one to the
 * request: who connects to something that is no WebSocket server notices. What is the same whichever version
 * carries it is in offer.c.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ws/ws.h"

enum { REQUEST_MAX = 8192 };

/* ---- the request ---- */

struct request {
    char   bytes[REQUEST_MAX];
    size_t len;
    bool   is_bad;
};

static void put(struct request *r, const char *text, size_t len)
{
    if (len > sizeof r->bytes - r->len) {
        r->is_bad = true;
        return;
    }
    memcpy(r->bytes + r->len, text, len);
    r->len += len;
}

static void put_text(struct request *r, const char *text)
{
    put(r, text, strlen(text));
}

/* A hob_ws_field_fn. */
static int put_field(void *arg, const char *name, const char *value)
{
    struct request *r = arg;
    put_text(r, name);
    put_text(r, ": ");
    put_text(r, value);
    put_text(r, "\r\n");
    return r->is_bad ? -EINVAL : 0;
}

/* ws://host[:port][/path][?query] */
static bool put_target(struct request *r, const char *url)
{
    size_t skip = strncasecmp(url, "ws://", 5) == 0 ? 5 : strncasecmp(url, "wss://", 6) == 0 ? 6 : 0;
    if (skip == 0)
        return false;
    const char *host = url + skip;
    size_t      host_len = strcspn(host, "/?#");
    const char *path = host + host_len;

    for (const char *at = host; *at != '\0'; at++) {
        if ((unsigned char)*at <= ' ' || (unsigned char)*at >= 127 || *at == '#')
            return false; // and a fragment has no meaning here: RFC 6455 3
    }
    if (host_len == 0 || memchr(host, '@', host_len) != NULL)
        return false;
    put_text(r, "GET ");
    put_text(r, *path == '/' ? "" : "/");
    put_text(r, path);
    put_text(r, " HTTP/1.1\r\nHost: ");
    put(r, host, host_len);
    put_text(r, "\r\n");
    return true;
}

static int write_request(struct request *r, const char *url, const hob_ws_opts *opts,
                         const char *key)
{
    if (!put_target(r, url))
        return -EINVAL;
    put_text(r, "Upgrade: websocket\r\nConnection: Upgrade\r\n");
    HOB_TRY(put_field(r, "Sec-WebSocket-Key", key));
    HOB_TRY(hob_ws_offer(opts, put_field, r));
    put_text(r, "\r\n");
    return r->is_bad ? -EINVAL : 0;
}

/* ---- the answer ---- */

struct answer {
    bool has_upgrade, has_connection, has_accept;
    struct ws_agreed agreed;
};

/* A line of the head, without its end; its bytes may be changed. */
static int take_line(hob_ws *ws, struct answer *answer, char *line, const hob_ws_opts *opts,
                     const char *accept)
{
    char *value = strchr(line, ':');
    if (value == NULL || value == line || value[-1] == ' ' || value[-1] == '\t')
        return HOB_EWS;
    *value++ = '\0';
    value += strspn(value, " \t");
    for (size_t len = strlen(value); len > 0 && strchr(" \t", value[len - 1]) != NULL; len--)
        value[len - 1] = '\0';

    if (strcasecmp(line, "Upgrade") == 0)
        answer->has_upgrade = strcasecmp(value, "websocket") == 0;
    else if (strcasecmp(line, "Connection") == 0)
        answer->has_connection |= hob__ws_list_has(value, "upgrade", 7);
    else if (strcasecmp(line, "Sec-WebSocket-Accept") == 0 && !answer->has_accept
             && strcmp(value, accept) == 0)
        answer->has_accept = true;
    else if (strcasecmp(line, "Sec-WebSocket-Accept") == 0)
        return HOB_EWS;
    else
        return hob__ws_agree_field(ws, &answer->agreed, line, value, opts);
    return 0;
}

static int read_status(const char *line)
{
    bool is_one = strncmp(line, "HTTP/1.1 ", 9) == 0 && strspn(line + 9, "0123456789") == 3;
    return is_one ? atoi(line + 9) : 0;
}

/* The head, of `len` bytes with the empty line at its end. Returns 0; -EAGAIN: it was one before the answer, as
 * "100 Continue" is (RFC 9110 15.2); or HOB_EWS, -ENOMEM. */
static int take_answer(hob_ws *ws, char *head, size_t len, const hob_ws_opts *opts, const char *accept)
{
    struct answer answer = { 0 };
    int           status = read_status(head), r = 0;

    if (status >= 100 && status < 200 && status != 101)
        return -EAGAIN;
    if (opts->ret_status != NULL)
        *opts->ret_status = status;
    if (status != 101 || memchr(head, '\0', len) != NULL)
        return HOB_EWS;
    for (char *line = strstr(head, "\r\n") + 2, *end; r == 0 && line < head + len - 2; line = end + 2) {
        end = strstr(line, "\r\n");
        *end = '\0';
        r = take_line(ws, &answer, line, opts, accept);
    }
    if (r < 0)
        return r;
    return answer.has_upgrade && answer.has_connection && answer.has_accept ? 0 : HOB_EWS;
}

/* A head that has come. Returns 1: there is none yet; or as take_answer. */
static int take_head(hob_ws *ws, const hob_ws_opts *opts, const char *accept)
{
    char *head = ws->in + ws->in_begin;
    char *end = memmem(head, ws->in_end - ws->in_begin, "\r\n\r\n", 4);

    if (end == NULL)
        return 1;
    size_t len = (size_t)(end - head) + 4;
    ws->in_begin += len;
    return take_answer(ws, head, len, opts, accept);
}

/* Reads up to the end of the answer's head, all of what is before it included; what comes behind it stays in
 * ws->in. */
static int read_answer(hob_ws *ws, const hob_ws_opts *opts, const char *accept)
{
    ws->in = hob__ws_room_take();
    if (ws->in == NULL)
        return -ENOMEM;
    ws->in_cap = IN_BYTES;
    for (;;) {
        int r;
        while ((r = take_head(ws, opts, accept)) == -EAGAIN)
            ;
        if (r <= 0)
            return r;
        if (ws->in_end == ws->in_cap)
            return HOB_EWS;
        ssize_t n = hob_stream_read(ws->stream, ws->in + ws->in_end, ws->in_cap - ws->in_end);
        if (n <= 0)
            return n == 0 ? -ECONNRESET : (int)n;
        ws->in_end += (size_t)n;
    }
}

/* ---- both ---- */

static int shake_hands(hob_ws *ws, const char *url, const hob_ws_opts *opts)
{
    uint8_t        bytes[16];
    char           key[WS_KEY_LEN + 1], accept[WS_ACCEPT_LEN + 1];
    struct request *request = hob__ws_alloc(sizeof *request);

    if (request == NULL)
        return -ENOMEM;
    request->len = 0;
    request->is_bad = false;
    hob__ws_random(bytes, sizeof bytes);
    hob__ws_key_write(bytes, key);
    hob__ws_accept_of(key, accept);
    int r = write_request(request, url, opts, key);
    if (r == 0) {
        hob_scope s;
        hob_scope_begin(&s);
        if (opts->handshake_ns != HOB_FOREVER)
            hob_scope_deadline(&s, hob_in(opts->handshake_ns != 0 ? opts->handshake_ns : 10 * HOB_SEC));
        ssize_t n = hob_stream_write(ws->stream, request->bytes, request->len);
        r = n < 0 ? (int)n : read_answer(ws, opts, accept);
        (void)!hob_scope_end(&s); // the result wins
    }
    free(request);
    return r;
}

int hob_ws_connect(hob_stream *stream, const char *url, const hob_ws_opts *opts, hob_ws **ret_ws)
{
    static const hob_ws_opts NONE;

    hob__ws_check_opts(opts, "hob_ws_connect");
    if (opts == NULL)
        opts = &NONE;
    hob_ws *ws = hob__ws_new(opts, true);
    if (ws == NULL)
        return -ENOMEM;
    ws->stream = stream;
    int r = shake_hands(ws, url, opts);
    if (r < 0) {
        ws->stream = NULL; // the caller's
        hob__ws_free(ws);
        return r;
    }
    ws->silent_since_ns = hob_now();
    *ret_ws = ws;
    return 0;
}
