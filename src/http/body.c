/* SPDX-License-Identifier: MIT */
/*
 * The request's body: what is in the connection's buffer first, then straight from the stream.
 *
 *     work->in:  [ head │ ... taken ... │ in_begin ... in_end │ room ]
 *
 * While there is a body the head begins at 0, so that behind it there is room for what frames chunks,
 * and for trailers. A failure is remembered, and told again.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "http/server.h"

int hob__http_body_fail(hob_http_request *req, int error)
{
    req->body_error = error;
    return error;
}

/* ---- the bytes below ---- */

/* When the next bytes must have come: both the time in all and the lowest rate count only what was
 * spent waiting. */
int64_t hob__http_body_deadline(const hob_http_request *req)
{
    const struct http_server *server = req->conn->server;
    int64_t total = server->opts.body_ns, rate = hob__http_rate_deadline(server, req->body_bytes);
    int64_t by_total = total == HOB_FOREVER ? HOB_FOREVER : hob_in(total) - req->waited_ns;
    int64_t by_rate = rate == HOB_FOREVER ? HOB_FOREVER : rate - req->waited_ns;
    return by_total < by_rate ? by_total : by_rate;
}

/* A client that asked whether to send is told to, unless it has begun by itself. */
static int say_continue(hob_http_request *req)
{
    static const char CONTINUE[] = "HTTP/1.1 100 Continue\r\n\r\n";
    struct http_conn *conn = req->conn;

    if (!req->head.expects_continue || req->has_continued)
        return 0;
    req->has_continued = true;
    if (req->state != ANSWER_NONE || conn->work->in_begin < conn->work->in_end)
        return 0;
    int r = hob__http_room(conn, sizeof CONTINUE - 1);
    if (r == 0)
        hob__http_put(conn, CONTINUE, sizeof CONTINUE - 1);
    return r;
}

/* Reads from the connection. Whoever waits for the client sends first what the client may wait for. */
static ssize_t read_below(hob_http_request *req, void *buf, size_t len)
{
    bool is_late;
    // Another task that is sending sends all there is.
    int  r = req->work->is_writing ? 0 : hob__http_flush_out(req->conn);
    if (r < 0)
        return r;

    int64_t before = hob_now();
    ssize_t n = hob__http_read_slow(req->conn, buf, len, hob__http_body_deadline(req),
                                    before - req->waited_ns, req->body_bytes, &is_late);
    req->waited_ns += hob_now() - before;
    if (n > 0)
        return n;
    if (n == 0)
        return hob__http_body_fail(req, HOB_EOF);
    if (n == -ECANCELED || (n == -ETIMEDOUT && !is_late))
        return n; // the scope's: another read, shielded, may go on
    if (is_late)
        req->conn->server->stats->timed_out++;
    return hob__http_body_fail(req, (int)n);
}

/* Up to `len` bytes of the body's data, of which `left` are to come. */
static ssize_t read_data(hob_http_request *req, void *buf, size_t len, uint64_t left)
{
    struct http_work *work = req->work;
    size_t            there = work->in_end - work->in_begin;
    size_t            n = len < left ? len : (size_t)left;

    if (there == 0)
        return read_below(req, buf, n);
    n = n < there ? n : there;
    memcpy(buf, work->in + work->in_begin, n);
    work->in_begin += n;
    return (ssize_t)n;
}

/* More of what is no data, behind the head. */
static ssize_t read_frame(hob_http_request *req)
{
    struct http_work *work = req->work;
    size_t            from = work->in_begin;

    if (from > req->head_end) {
        memmove(work->in + req->head_end, work->in + from, work->in_end - from);
        work->in_begin -= from - req->head_end;
        work->in_end -= from - req->head_end;
    }
    ssize_t n = read_below(req, work->in + work->in_end, work->in_cap - work->in_end);
    if (n > 0)
        work->in_end += (size_t)n;
    return n;
}

/* ---- chunks ---- */

/* The trailer section, which begins at in_begin. */
static int read_trailer(hob_http_request *req)
{
    struct http_work *work = req->work;

    req->trailer = (struct h1_head){
        .limits = { .head_max = IN_EXTRA - 1, .fields_max = req->conn->server->opts.headers_max },
        .fields = work->trailer_fields,
        .is_trailer = true,
    };
    for (;;) {
        char   *bytes = work->in + work->in_begin;
        int64_t len = hob__h1_head(&req->trailer, bytes, work->in_end - work->in_begin);
        if (len < 0) {
            req->body_status = (int)-len;
            return hob__http_body_fail(req, HOB_EHTTP);
        }
        if (len == 0) {
            ssize_t n = read_frame(req);
            if (n < 0)
                return (int)n;
            continue;
        }
        req->trailer_bytes = bytes;
        work->in_begin += (size_t)len;
        req->is_body_done = true;
        return 0;
    }
}

/* Up to the next data. Returns 1, 0 at the end of the body, or a negative error. */
static int next_chunk(hob_http_request *req)
{
    struct http_work *work = req->work;

    for (;;) {
        size_t used = 0;
        int    got = hob__h1_chunk(&req->chunks, work->in + work->in_begin,
                                   work->in_end - work->in_begin, &used);
        if (got < 0)
            return hob__http_body_fail(req, HOB_EHTTP);
        work->in_begin += used;
        if (got == H1_CHUNKS_END)
            return read_trailer(req);
        if (got == H1_CHUNKS_DATA)
            return 1;
        ssize_t n = read_frame(req);
        if (n < 0)
            return (int)n;
    }
}

/* Refused as soon as a chunk says that it would be too much. */
static ssize_t read_chunked(hob_http_request *req, void *buf, size_t len)
{
    int r = next_chunk(req);
    if (r <= 0)
        return r;
    if (req->chunks.left > req->conn->server->opts.body_bytes_max - req->body_bytes)
        return hob__http_body_fail(req, -EMSGSIZE);
    ssize_t n = read_data(req, buf, len, req->chunks.left);
    if (n > 0)
        req->chunks.left -= (uint64_t)n;
    return n;
}

static ssize_t read_length(hob_http_request *req, void *buf, size_t len)
{
    ssize_t n = read_data(req, buf, len, req->left);
    if (n > 0)
        req->left -= (uint64_t)n;
    req->is_body_done = req->left == 0;
    return n;
}

ssize_t hob__h1_read(hob_http_request *req, void *buf, size_t len)
{
    int r = say_continue(req);
    if (r < 0)
        return r;
    return req->head.body == H1_CHUNKED ? read_chunked(req, buf, len) : read_length(req, buf, len);
}

/* ---- what a handler calls ---- */

ssize_t hob_http_read(hob_http_request *req, void *buf, size_t len)
{
    if (req->body_error != 0)
        return req->body_error;
    if (len == 0 || req->is_body_done)
        return 0;
    ssize_t n = req->transport->read(req, buf, len);
    if (n > 0)
        req->body_bytes += (uint64_t)n;
    if (req->is_body_done && req->transport->watch != NULL)
        req->transport->watch(req->conn);
    return n;
}

static int grow(char **data, size_t *cap, size_t limit)
{
    size_t more = *cap == 0 ? 4096 : *cap * 2;
    if (more > limit + 2)
        more = limit + 2; // a byte that shows that it is too much, and the NUL
    char *bytes = hob__http_fail_at > 0 && --hob__http_fail_at == 0 ? NULL : realloc(*data, more);
    if (bytes == NULL)
        return -ENOMEM;
    *data = bytes;
    *cap = more;
    return 0;
}

int hob_http_read_all(hob_http_request *req, size_t limit, char **ret_data, size_t *ret_len)
{
    char   *data = NULL;
    size_t  len = 0, cap = 0;
    ssize_t n;

    if (limit > SIZE_MAX / 4)
        limit = SIZE_MAX / 4;
    if (req->head.body == H1_LENGTH && req->left > limit && req->body_bytes == 0)
        return hob__http_body_fail(req, -EMSGSIZE);
    do {
        int r = cap - len < 2 ? grow(&data, &cap, limit) : 0;
        n = r < 0 ? r : hob_http_read(req, data + len, cap - len - 1);
        if (n > 0)
            len += (size_t)n;
        if (len > limit)
            n = hob__http_body_fail(req, -EMSGSIZE);
    } while (n > 0);
    if (n < 0) {
        free(data);
        return (int)n;
    }
    data[len] = '\0';
    *ret_data = data;
    *ret_len = len;
    return 0;
}

/* ---- what a handler left ---- */

bool hob__http_will_discard(const hob_http_request *req)
{
    if (req->is_body_done)
        return true;
    if (req->body_error != 0 || (req->head.expects_continue && !req->has_continued))
        return false;
    return req->head.body == H1_CHUNKED || req->left <= req->conn->server->opts.discard_bytes_max;
}

bool hob__http_discard(hob_http_request *req)
{
    uint64_t max = req->conn->server->opts.discard_bytes_max, so_far = 0;
    char     buf[2048];

    if (!hob__http_will_discard(req))
        return false;
    while (!req->is_body_done && so_far <= max) {
        ssize_t n = hob_http_read(req, buf, sizeof buf);
        if (n < 0)
            return false;
        so_far += (uint64_t)n;
    }
    return req->is_body_done;
}
