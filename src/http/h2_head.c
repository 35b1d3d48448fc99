/* SPDX-License-Identifier: MIT */
/*
 * Heads of HTTP/2: their fields are written down as a head of HTTP/1.1, which is then read by the reader of
 * those. So the rules, the limits and the answers are the same in both, and so are the texts that a
 * handler sees.
 *
 *     :method GET, :path /a, :authority b, c: d   ─▶   GET /a HTTP/1.1 │ host: b │ c: d │
 *
 * Until the first field that is none of the pseudo-headers, or the end, those lie in work->out, which
 * has no other use yet; and crumbs of cookies lie in work->headers, to be joined (RFC 9113 8.2.3).
 *
 * nghttp2 has seen to the rest of RFC 9113 8.2 and 8.3: names in lower case, no control bytes, which
 * pseudo-headers there are and how often, nothing that belongs to a connection, lengths that are true.
 */
#include <errno.h>
#include <string.h>

#include "http/h2.h"

static bool is(const char *name, size_t len, const char *word)
{
    return strlen(word) == len && memcmp(name, word, len) == 0;
}

static void refuse(struct h2_stream *s, int status)
{
    if (s->refused == 0)
        s->refused = status;
}

/* Behind what is there; over the limit of a head it is refused, and the rest forgotten. */
static void add(struct h2_stream *s, const char *bytes, size_t len)
{
    struct http_work *work = s->work;
    size_t            max = s->h2->conn->server->opts.head_bytes_max;

    if (s->refused != 0)
        return;
    if (len > max || work->in_end > max - len) {
        refuse(s, 431);
        return;
    }
    memcpy(work->in + work->in_end, bytes, len);
    work->in_end += len;
}

static void add_field(struct h2_stream *s, const char *name, size_t name_len, const char *value,
                      size_t value_len)
{
    add(s, name, name_len);
    add(s, ": ", 2);
    add(s, value, value_len);
    add(s, "\r\n", 2);
}

/* ---- pseudo-headers ---- */

static void pseudo(struct h2_stream *s, const char *name, size_t name_len, const char *value, size_t len)
{
    const hob_http_opts *opts = &s->h2->conn->server->opts;
    uint32_t             at = s->pseudo_len;

    if (is(name, name_len, ":path") && len > opts->target_bytes_max) {
        refuse(s, 414);
        return;
    }
    if (is(name, name_len, ":scheme"))
        return;
    if (len > OUT_BYTES - at) {
        refuse(s, 431);
        return;
    }
    if (is(name, name_len, ":protocol") && len >= sizeof s->protocol_text) {
        refuse(s, 501);
        return;
    }
    memcpy(s->work->out + at, value, len);
    s->pseudo_len += (uint32_t)len;
    if (is(name, name_len, ":method"))
        s->method.at = at, s->method.len = (uint32_t)len;
    else if (is(name, name_len, ":path"))
        s->path.at = at, s->path.len = (uint32_t)len;
    else if (is(name, name_len, ":authority"))
        s->authority.at = at, s->authority.len = (uint32_t)len;
    else if (is(name, name_len, ":protocol"))
        s->protocol.at = at, s->protocol.len = (uint32_t)len, memcpy(s->protocol_text, value, len);
}

/* The request line. That of an extended CONNECT (RFC 8441) is one of a GET, as in HTTP/1.1; a plain one has
 * only an authority, and is nobody's tunnel. */
static void line(struct h2_stream *s)
{
    const char *out = s->work->out;

    s->has_line = true;
    if (s->path.len == 0) {
        refuse(s, is(out + s->method.at, s->method.len, "CONNECT") ? 501 : 400);
        return;
    }
    if (out[s->path.at] != '/' && !is(out + s->path.at, s->path.len, "*")) {
        refuse(s, 400); // an absolute form has no place here
        return;
    }
    if (s->protocol.len > 0)
        add(s, "GET", 3);
    else
        add(s, out + s->method.at, s->method.len);
    add(s, " ", 1);
    add(s, out + s->path.at, s->path.len);
    add(s, " HTTP/1.1\r\n", 11);
    if (s->authority.len > 0)
        add_field(s, "host", 4, out + s->authority.at, s->authority.len);
}

/* ---- fields ---- */

/* RFC 9113 8.3.1: two names of who is meant, that differ, would be two ends. */
static void host(struct h2_stream *s, const char *value, size_t len)
{
    if (s->authority.len == 0)
        add_field(s, "host", 4, value, len);
    else if (len != s->authority.len || memcmp(value, s->work->out + s->authority.at, len) != 0)
        refuse(s, 400);
}

static void cookie(struct h2_stream *s, const char *value, size_t len)
{
    if (len + 2 > HEADERS_BYTES_MAX - s->cookie_len) {
        refuse(s, 431);
        return;
    }
    if (s->cookie_len > 0) {
        memcpy(s->work->headers + s->cookie_len, "; ", 2);
        s->cookie_len += 2;
    }
    memcpy(s->work->headers + s->cookie_len, value, len);
    s->cookie_len += (uint32_t)len;
}

void hob__h2_field(struct h2_stream *s, const char *name, size_t name_len, const char *value,
                   size_t value_len)
{
    if (s->refused != 0)
        return;
    if (name_len > 0 && name[0] == ':') {
        pseudo(s, name, name_len, value, value_len);
        return;
    }
    if (!s->has_line)
        line(s);
    if (is(name, name_len, "host"))
        host(s, value, value_len);
    else if (is(name, name_len, "cookie"))
        cookie(s, value, value_len);
    else
        add_field(s, name, name_len, value, value_len);
}

/* ---- the end ---- */

/* A body of no told length is what chunks are in HTTP/1.1. */
static void set_body(hob_http_request *req, bool has_ended)
{
    if (has_ended) {
        req->head.body = H1_NO_BODY; // nghttp2 has compared a length
        req->head.expects_continue = false;
    } else if (req->head.body == H1_NO_BODY && hob_http_header(req, "content-length") == NULL) {
        req->head.body = H1_CHUNKED;
        req->head.expects_continue = hob_http_header(req, "expect") != NULL;
    }
    req->is_body_done = req->head.body == H1_NO_BODY;
}

/* What HTTP/1.1 asks for by a GET with an Upgrade. What follows is no body. */
static void set_protocol(struct h2_stream *s)
{
    hob_http_request *req = &s->work->req;

    s->is_connect = true;
    req->protocol = s->protocol_text;
    req->head.body = H1_NO_BODY;
    req->head.expects_continue = false;
    req->is_body_done = true;
}

int hob__h2_head_end(struct h2_stream *s, bool has_ended)
{
    struct http_work *work = s->work;
    hob_http_request *req = &work->req;
    int64_t           len = 0;

    if (s->refused == 0 && !s->has_line)
        line(s);
    if (s->cookie_len > 0)
        add_field(s, "cookie", 6, work->headers, s->cookie_len);
    add(s, "\r\n", 2);
    if (s->refused != 0)
        return s->refused;

    len = hob__h1_head(&req->head, work->in, work->in_end);
    if (len < 0)
        return (int)-len;
    if (len != (int64_t)work->in_end)
        return 400; // a head in a head: it cannot be, and is no request
    hob__http_request_begin(req, (size_t)len);
    set_body(req, has_ended);
    if (s->protocol.len > 0)
        set_protocol(s);
    return 0;
}

/* ---- trailers: behind the head, as in HTTP/1.1 ---- */

void hob__h2_trailer(struct h2_stream *s, const char *name, size_t name_len, const char *value,
                     size_t value_len)
{
    struct http_work *work = s->work;
    size_t            need = name_len + value_len + 4;

    // Two bytes are for the empty line.
    if (s->body_error != 0)
        return;
    if (need > IN_EXTRA || work->in_end - work->req.head_end + need + 2 > IN_EXTRA) {
        work->req.body_status = 431;
        s->body_error = HOB_EHTTP;
        return;
    }
    char *to = work->in + work->in_end;
    memcpy(to, name, name_len);
    memcpy(to + name_len, ": ", 2);
    memcpy(to + name_len + 2, value, value_len);
    memcpy(to + need - 2, "\r\n", 2);
    work->in_end += need;
}

void hob__h2_trailer_end(struct h2_stream *s)
{
    struct http_work *work = s->work;
    hob_http_request *req = &work->req;
    char             *bytes = work->in + req->head_end;

    if (s->body_error != 0)
        return;
    memcpy(work->in + work->in_end, "\r\n", 2);
    work->in_end += 2;
    req->trailer = (struct h1_head){
        .limits = { .head_max = IN_EXTRA, .fields_max = s->h2->conn->server->opts.headers_max },
        .fields = work->trailer_fields,
        .is_trailer = true,
    };
    int64_t len = hob__h1_head(&req->trailer, bytes, work->in_end - req->head_end);
    if (len <= 0) {
        req->body_status = len < 0 ? (int)-len : 400;
        s->body_error = HOB_EHTTP;
        return;
    }
    req->trailer_bytes = bytes;
}
