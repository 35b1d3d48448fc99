/* SPDX-License-Identifier: MIT */
/*
 * The answer: its head, the frame of its body, its end.
 *
 *            begin, reply                    all of it was written; the handler returned
 *     NONE ───────────────▶ BODY ─────────────────────────────────────────────▶ DONE
 *       │ the handler failed  │ it failed, and nothing was sent: the answer is taken back
 *       └───────▶ 500 ◀───────┤
 *                             └ something was: the connection ends in the middle of it
 *
 * An answer says truthfully how long it is; one that is cut off can be seen to be (RFC 9112 8).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "http/server.h"

/* ---- words ---- */

static const struct {
    short       status;
    const char *words;
} WORDS[] = {
    { 200, "OK" }, { 201, "Created" }, { 202, "Accepted" }, { 203, "Non-Authoritative Information" },
    { 204, "No Content" }, { 205, "Reset Content" }, { 206, "Partial Content" },
    { 300, "Multiple Choices" }, { 301, "Moved Permanently" }, { 302, "Found" }, { 303, "See Other" },
    { 304, "Not Modified" }, { 307, "Temporary Redirect" }, { 308, "Permanent Redirect" },
    { 400, "Bad Request" }, { 401, "Unauthorized" }, { 402, "Payment Required" }, { 403, "Forbidden" },
    { 404, "Not Found" }, { 405, "Method Not Allowed" }, { 406, "Not Acceptable" },
    { 407, "Proxy Authentication Required" }, { 408, "Request Timeout" }, { 409, "Conflict" },
    { 410, "Gone" }, { 411, "Length Required" }, { 412, "Precondition Failed" },
    { 413, "Content Too Large" }, { 414, "URI Too Long" }, { 415, "Unsupported Media Type" },
    { 416, "Range Not Satisfiable" }, { 417, "Expectation Failed" }, { 421, "Misdirected Request" },
    { 422, "Unprocessable Content" }, { 423, "Locked" }, { 424, "Failed Dependency" },
    { 425, "Too Early" }, { 426, "Upgrade Required" }, { 428, "Precondition Required" },
    { 429, "Too Many Requests" }, { 431, "Request Header Fields Too Large" },
    { 451, "Unavailable For Legal Reasons" }, { 500, "Internal Server Error" },
    { 501, "Not Implemented" }, { 502, "Bad Gateway" }, { 503, "Service Unavailable" },
    { 504, "Gateway Timeout" }, { 505, "HTTP Version Not Supported" }, { 507, "Insufficient Storage" },
    { 511, "Network Authentication Required" },
};

const char *hob__http_status_words(int status)
{
    for (size_t i = 0; i < sizeof WORDS / sizeof WORDS[0]; i++) {
        if (WORDS[i].status == status)
            return WORDS[i].words;
    }
    return "Unknown";
}

/* ---- headers that the handler adds ---- */

/* What frames the answer is told by us, and once. */
static bool is_ours(const char *name, size_t len)
{
    static const char *const OURS[] = { "content-length", "transfer-encoding", "connection", "trailer",
                                        "keep-alive" };
    for (size_t i = 0; i < sizeof OURS / sizeof OURS[0]; i++) {
        if (hob__h1_is(name, len, OURS[i]))
            return true;
    }
    return false;
}

static int append(char *lines, size_t *len, size_t max, const char *name, const char *value)
{
    size_t name_len = strlen(name), value_len = strlen(value);

    if (!hob__h1_is_token(name, name_len) || !hob__h1_is_value(value, value_len)
        || is_ours(name, name_len))
        return -EINVAL;
    if (name_len > max || value_len > max || *len + name_len + value_len + 4 > max)
        return -ENOSPC;
    char *to = lines + *len;
    memcpy(to, name, name_len);
    memcpy(to + name_len, ": ", 2);
    memcpy(to + name_len + 2, value, value_len);
    memcpy(to + name_len + 2 + value_len, "\r\n", 2);
    *len += name_len + value_len + 4;
    return 0;
}

/* The next line of that name, from *at on. */
static char *find_line(const hob_http_request *req, const char *name, char *at, size_t *ret_len)
{
    size_t name_len = strlen(name);
    char  *end = req->work->headers + req->headers_len;

    while (at < end) {
        size_t len = (size_t)((char *)memchr(at, '\n', (size_t)(end - at)) + 1 - at);
        if (len > name_len && at[name_len] == ':' && strncasecmp(at, name, name_len) == 0) {
            *ret_len = len;
            return at;
        }
        at += len;
    }
    return NULL;
}

bool hob__http_has_header(const hob_http_request *req, const char *name)
{
    size_t len;
    return find_line(req, name, req->work->headers, &len) != NULL;
}

void hob__http_remove_header(hob_http_request *req, const char *name)
{
    size_t len;
    for (char *line = req->work->headers; (line = find_line(req, name, line, &len)) != NULL;) {
        size_t behind = req->headers_len - (size_t)(line - req->work->headers) - len;
        if (line < req->work->headers + req->headers_kept)
            req->headers_kept -= len;
        memmove(line, line + len, behind);
        req->headers_len -= len;
    }
}

int hob_http_add_header(hob_http_request *req, const char *name, const char *value)
{
    if (!hob__http_may_begin(req))
        return -EALREADY;
    return append(req->work->headers, &req->headers_len, HEADERS_BYTES_MAX, name, value);
}

int hob_http_set_header(hob_http_request *req, const char *name, const char *value)
{
    char   line[1]; // only to look at what is to be set, before what is there goes
    size_t none = 0;

    if (!hob__http_may_begin(req))
        return -EALREADY;
    int r = append(line, &none, 0, name, value);
    if (r == -EINVAL)
        return r;
    size_t need = strlen(name) + strlen(value) + 4, there = 0, len;
    for (char *at = req->work->headers; (at = find_line(req, name, at, &len)) != NULL; at += len)
        there += len;
    if (req->headers_len - there + need > HEADERS_BYTES_MAX)
        return -ENOSPC;
    hob__http_remove_header(req, name);
    return append(req->work->headers, &req->headers_len, HEADERS_BYTES_MAX, name, value);
}

int hob_http_add_trailer(hob_http_request *req, const char *name, const char *value)
{
    if (req->state == ANSWER_DONE)
        return -EALREADY;
    return append(req->work->trailers, &req->trailers_len, TRAILERS_BYTES_MAX, name, value);
}

/* Whether a list such as "Origin, Accept-Encoding" has the name, or is "*". */
static bool has_name(const char *list, const char *end, const char *name)
{
    size_t name_len = strlen(name);

    while (list < end) {
        list += strspn(list, " \t,");
        size_t len = strcspn(list, " \t,\r");
        if ((len == 1 && *list == '*') || (len == name_len && strncasecmp(list, name, len) == 0))
            return true;
        list += len > 0 ? len : 1;
    }
    return false;
}

int hob_http_vary(hob_http_request *req, const char *name)
{
    size_t len;

    if (!hob__http_may_begin(req))
        return -EALREADY;
    if (!hob__h1_is_token(name, strlen(name))) // as "*" is, too
        return -EINVAL;
    for (char *line = req->work->headers; (line = find_line(req, "Vary", line, &len)) != NULL; line += len) {
        if (has_name(line + strlen("Vary:"), line + len, name))
            return 0;
    }
    return append(req->work->headers, &req->headers_len, HEADERS_BYTES_MAX, "Vary", name);
}

void hob_http_close_after(hob_http_request *req)
{
    req->closes = true;
}

/* ---- the head and the body ---- */

int hob_http_begin(hob_http_request *req, int status, const char *type, int64_t length)
{
    size_t type_len = type != NULL ? strlen(type) : 0;

    if (status < 200 || status > 599)
        hob_mistake("hob_http_begin", "this is no status of an answer: 200 to 599 are");
    if (!hob__http_may_begin(req))
        return -EALREADY;
    if (type_len > VALUE_BYTES_MAX || (type_len > 0 && !hob__h1_is_value(type, type_len)))
        return -EINVAL;
    if (req->filter != NULL)
        return hob__http_filter_begin(req, status, type, length);
    int r = req->transport->begin(req, status, type, type_len, length);
    if (r < 0)
        return r;

    req->state = ANSWER_BODY;
    req->is_sent = false;
    req->status = status;
    req->answer_left = length > 0 && req->frame != FRAME_NO_BODY ? (uint64_t)length : 0;
    req->is_begun = true;
    hob__http_tell_begun(req, status);
    return 0;
}

int hob_http_status(const hob_http_request *req)
{
    return req->state != ANSWER_NONE ? req->status : req->is_begun ? req->begun_status : 0;
}

uint64_t hob_http_answer_bytes(const hob_http_request *req)
{
    return req->answer_bytes;
}

ssize_t hob_http_answer_header(const hob_http_request *req, const char *name, char *buf, size_t size)
{
    size_t      line_len, name_len = strlen(name);
    const char *line = find_line(req, name, req->work->headers, &line_len);
    if (line == NULL)
        return -ENOENT;
    size_t len = line_len - name_len - 4; // ": " and CRLF
    if (len >= size)
        return -ENOSPC;
    memcpy(buf, line + name_len + 2, len);
    buf[len] = '\0';
    return (ssize_t)len;
}

/* ---- the body ---- */

ssize_t hob_http_write(hob_http_request *req, const void *data, size_t len)
{
    if (req->filter != NULL)
        return hob__http_filter_write(req, data, len);
    if (req->state == ANSWER_NONE) {
        int r = hob_http_begin(req, 200, NULL, -1);
        if (r < 0)
            return r;
    }
    if (req->state == ANSWER_DONE)
        return -EALREADY;
    if (*req->broken != 0)
        return *req->broken;
    if (len == 0 || req->frame == FRAME_NO_BODY)
        return (ssize_t)len;
    if (req->frame == FRAME_LENGTH) {
        if (len > req->answer_left)
            return -EMSGSIZE;
        req->answer_left -= len;
    }
    req->part_bytes = 0;
    int r = req->transport->write(req, data, len);
    req->answer_bytes += r < 0 ? req->part_bytes : len;
    return r < 0 ? r : (ssize_t)len;
}

int hob_http_flush(hob_http_request *req)
{
    if (req->filter != NULL)
        return hob__http_filter_flush(req);
    return req->transport->flush(req);
}

int hob_http_reply(hob_http_request *req, int status, const char *type, const void *data, size_t len)
{
    int r = hob_http_begin(req, status, type, (int64_t)len);
    if (r < 0)
        return r;
    ssize_t n = hob_http_write(req, data, len);
    if (n < 0)
        return (int)n;
    if (req->filter == NULL)
        req->state = ANSWER_DONE;
    if (req->inside == 0)
        req->is_ended = true;
    return 0;
}

int hob_http_reply_text(hob_http_request *req, int status, const char *text)
{
    char words[64];
    if (text == NULL) {
        snprintf(words, sizeof words, "%s\n", hob__http_status_words(status));
        text = words;
    }
    return hob_http_reply(req, status, "text/plain; charset=utf-8", text, strlen(text));
}

/* RFC 9110 15.4: 304 leads nowhere, 305 is deprecated (it would lead through a proxy of anybody's), 306 is not
 * used any more, and none behind them exists. */
static bool leads_elsewhere(int status)
{
    return (status >= 300 && status <= 303) || status == 307 || status == 308;
}

int hob_http_redirect(hob_http_request *req, int status, const char *location)
{
    if (!leads_elsewhere(status))
        hob_mistake("hob_http_redirect", "this status does not lead elsewhere: 301, 302, 303, 307 and 308 do, and "
                                         "300 to one of several");
    if (location == NULL || location[0] == '\0')
        return -EINVAL;
    int r = hob_http_set_header(req, "Location", location);
    return r < 0 ? r : hob_http_reply_text(req, status, NULL);
}

/* ---- the end ---- */

int hob__http_refuse(hob_http_request *req, int status)
{
    char seconds[16];

    req->state = ANSWER_NONE;
    req->is_begun = req->is_ended = false;
    req->headers_len = req->headers_kept;
    req->trailers_len = 0;
    req->answer_bytes = 0;
    if (status == 503) {
        snprintf(seconds, sizeof seconds, "%d", req->conn->server->opts.retry_after_s);
        (void)!hob_http_add_header(req, "Retry-After", seconds);
    }
    return hob_http_reply_text(req, status, NULL);
}

static bool is_nobody_there(const hob_http_request *req)
{
    return *req->broken != 0 || req->is_gone || req->body_error == -ECONNRESET || req->body_error == HOB_EOF;
}

int hob_http_failure_status(const hob_http_request *req, int error)
{
    if (is_nobody_there(req))
        return 0;
    switch (req->body_error) {
    case -EMSGSIZE:
        return 413;
    case HOB_EHTTP:
        return req->body_status != 0 ? req->body_status : 400;
    case -ETIMEDOUT:
        return 408;
    default:
        return error == -ETIMEDOUT || error == -ESTALE ? 503 : 500;
    }
}

void hob__http_take_back(hob_http_request *req)
{
    if (req->state != ANSWER_NONE)
        req->work->out_len = req->answer_at;
    req->state = ANSWER_NONE;
}

static void cut_off(hob_http_request *req)
{
    req->closes = req->is_cut = true;
    req->state = ANSWER_DONE;
}

static bool is_whole(const hob_http_request *req)
{
    return req->state == ANSWER_DONE || (req->state == ANSWER_BODY && req->answer_left == 0);
}

void hob__http_finish(hob_http_request *req, int result)
{
    req->notes = NULL; // they ended with the handler
    req->inside = 0;
    if (*req->broken == 0 && is_nobody_there(req))
        *req->broken = -ECONNRESET;
    if (*req->broken != 0 || req->conn->is_upgraded) {
        cut_off(req); // nobody is there, or would know what it belongs to
        return;
    }
    if (result >= 0 && is_whole(req)) {
        if (req->state == ANSWER_BODY && req->frame == FRAME_CHUNKED)
            *req->broken = req->transport->end_chunks(req);
        req->state = ANSWER_DONE;
        return;
    }
    if (req->body_error == 0)
        req->conn->server->stats->failed++;
    if (req->state != ANSWER_NONE && req->is_sent) {
        cut_off(req);
        return;
    }
    hob__http_take_back(req);
    if (req->body_error != 0)
        req->closes = true;
    *req->broken = hob__http_refuse(req, hob_http_failure_status(req, result));
}

/* ---- as a stream ---- */

static ssize_t stream_read(hob_stream *stream, void *buf, size_t len)
{
    return hob_http_read((hob_http_request *)stream, buf, len);
}

static ssize_t stream_write(hob_stream *stream, const void *buf, size_t len)
{
    return hob_http_write((hob_http_request *)stream, buf, len);
}

static int stream_shutdown(hob_stream *stream)
{
    (void)stream;
    return -ENOTSUP; // the answer ends when the handler returns
}

static void stream_close(hob_stream *stream)
{
    (void)stream;
    hob_mistake("hob_stream_close", "a request's stream ends with its handler, and is not to be closed");
}

const hob_stream_type hob__http_request_stream = {
    .name = "http",
    .read = stream_read,
    .write_some = stream_write,
    .write = stream_write,
    .shutdown = stream_shutdown,
    .close = stream_close,
};

hob_stream *hob_http_stream(hob_http_request *req)
{
    return &req->stream;
}
