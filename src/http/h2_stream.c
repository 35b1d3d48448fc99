/* SPDX-License-Identifier: MIT */
/*
 * A request of HTTP/2: its task, and how it reads and writes (the table at the end).
 *
 *     body:    nghttp2 ─▶ s->body ─▶ hob_http_read ─▶ as much more may come
 *     answer:  hob_http_write ─▶ work->out, or lent ─▶ DATA, as the client's windows allow
 *
 * What a client may send before it is read is the stream's window, opts.window_bytes, and so is the
 * memory that this can take. A writer waits until the last byte of what it lent has gone into the
 * connection's work->out. A head is held back until something must be sent, so that a handler that fails
 * before can still have another answer.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hob/task.h"
#include "http/h2.h"

enum { FIELDS_SMALL = 32, BODY_BYTES_FIRST = 4096 };

/* ---- being there ---- */

static void list_add(struct h2_conn *h2, struct h2_stream *s)
{
    s->next = h2->streams;
    if (s->next != NULL)
        s->next->prev = s;
    h2->streams = s;
    h2->stream_count++;
}

static void list_remove(struct h2_conn *h2, struct h2_stream *s)
{
    if (s->prev != NULL)
        s->prev->next = s->next;
    else
        h2->streams = s->next;
    if (s->next != NULL)
        s->next->prev = s->prev;
    h2->stream_count--;
}

struct h2_stream *hob__h2_stream_new(struct h2_conn *h2, int32_t id)
{
    struct h2_stream *s = hob__http_alloc(sizeof *s);
    if (s == NULL)
        return NULL;
    s->work = hob__http_work_take(h2->conn->server);
    if (s->work == NULL) {
        free(s);
        return NULL;
    }
    s->h2 = h2;
    s->id = id;
    s->readable.name = "a request's body";
    s->writable.name = "a client that reads its answer";
    hob__http_request_init(&s->work->req, h2->conn, s->work, &hob__http_h2);
    s->work->req.broken = &s->broken;
    list_add(h2, s);
    h2->heading = s;
    return s;
}

static void fresh_remove(struct h2_conn *h2, struct h2_stream *s)
{
    struct h2_stream *before = NULL;
    for (struct h2_stream *at = s->is_fresh ? h2->fresh : NULL; at != NULL; before = at, at = at->next_fresh) {
        if (at != s)
            continue;
        if (before != NULL)
            before->next_fresh = s->next_fresh;
        else
            h2->fresh = s->next_fresh;
        if (h2->fresh_last == s)
            h2->fresh_last = before;
        return;
    }
}

void hob__h2_stream_free(struct h2_stream *s)
{
    struct h2_conn *h2 = s->h2;

    if (h2->heading == s)
        h2->heading = NULL;
    fresh_remove(h2, s);
    h2->ending_count -= s->is_ending && !s->is_end_sent;
    if (!s->is_closed)
        (void)!nghttp2_session_set_stream_user_data(h2->session, s->id, NULL);
    list_remove(h2, s);
    hob__http_work_give(h2->conn->server, s->work);
    free(s->body);
    free(s);
    hob__h2_stream_gone(h2);
}

/* In a tunnel that is seen by who reads, as in HTTP/1.1. */
void hob__h2_stream_break(struct h2_stream *s, int error, const char *reason)
{
    if (s->broken == 0)
        s->broken = error;
    if (s->tunnel != NULL) {
        hob__h2_tunnel_call(s);
    } else {
        hob_http_request *req = &s->work->req;
        req->is_gone = true;
        if (req->scope != NULL)
            hob_scope_cancel(req->scope, reason);
    }
    hob_event_set(&s->readable);
    hob_event_set(&s->writable);
}

/* ---- those that no handler sees ---- */

static nghttp2_nv nv_of(const char *name, size_t name_len, const char *value, size_t value_len)
{
    return (nghttp2_nv){ (uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, name_len, value_len,
                         NGHTTP2_NV_FLAG_NONE };
}

/* The same with a name that is a literal, which nghttp2 need not copy. */
static nghttp2_nv named(const char *name, size_t name_len, const char *value, size_t value_len)
{
    nghttp2_nv nv = nv_of(name, name_len, value, value_len);
    nv.flags = NGHTTP2_NV_FLAG_NO_COPY_NAME;
    return nv;
}

/* A head alone is an answer, too, and needs no window to be sent: so nobody has to wait for it. */
static void refuse(struct h2_stream *s, int status)
{
    struct h2_conn     *h2 = s->h2;
    struct http_server *server = h2->conn->server;
    hob_http_request   *req = &s->work->req;
    char                status_text[16], seconds[16];
    nghttp2_nv          fields[4];
    size_t              count = 0;

    snprintf(status_text, sizeof status_text, "%d", status);
    fields[count++] = nv_of(":status", 7, status_text, 3);
    fields[count++] = nv_of("date", 4, hob__http_date_now(server), DATE_LEN);
    fields[count++] = nv_of("content-length", 14, "0", 1);
    if (status == 503) {
        int len = snprintf(seconds, sizeof seconds, "%d", server->opts.retry_after_s);
        fields[count++] = nv_of("retry-after", 11, seconds, (size_t)len);
    }
    (void)!nghttp2_submit_response(h2->session, s->id, fields, count, NULL);
    req->status = status;
    req->begun_ns = hob_now();
    hob__http_record(req, 0);
    hob__h2_stream_free(s);
}

void hob__h2_stream_line_up(struct h2_stream *s)
{
    struct h2_conn *h2 = s->h2;

    if (h2->fresh_last != NULL)
        h2->fresh_last->next_fresh = s;
    else
        h2->fresh = s;
    h2->fresh_last = s;
    s->is_fresh = true;
}

void hob__h2_stream_ready(struct h2_stream *s)
{
    struct h2_conn      *h2 = s->h2;
    struct http_server  *server = h2->conn->server;
    const hob_http_opts *opts = &server->opts;
    hob_http_request    *req = &s->work->req;
    int                  status = hob__h2_head_end(s, s->has_ended);

    if (status == 0 && req->head.body == H1_LENGTH && req->head.length > opts->body_bytes_max)
        status = 413;
    if (status != 0) {
        server->stats->bad++;
        refuse(s, status);
        return;
    }
    req->begun_ns = hob_now();
    s->work->out_len = 0;
    hob__h2_stream_line_up(s);
}

/* ---- the task ---- */

static int send_pending(struct h2_stream *s);

void hob__h2_stream_ends(struct h2_stream *s)
{
    s->h2->ending_count += !s->is_ending && !s->is_end_sent;
    s->is_ending = true;
}

void hob__h2_stream_end_sent(struct h2_stream *s)
{
    s->h2->ending_count -= s->is_ending && !s->is_end_sent;
    s->is_end_sent = true;
    hob_event_set(&s->writable);
}

void hob__h2_stream_end(struct h2_stream *s, bool is_cut)
{
    nghttp2_session *session = s->h2->session;

    if (s->broken == 0 && !is_cut) {
        hob__h2_stream_ends(s);
        s->broken = send_pending(s);
    }
    if (!s->is_closed && !s->is_end_sent)
        (void)!nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, s->id,
                                         s->broken != 0 ? NGHTTP2_CANCEL : NGHTTP2_INTERNAL_ERROR);
    else if (!s->is_closed && (!s->has_ended || s->is_end_ours)) // RFC 9113 8.1: the rest is not wanted
        (void)!nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, s->id, NGHTTP2_NO_ERROR);
}

static int run(void *arg)
{
    struct h2_stream   *s = arg;
    struct h2_conn     *h2 = s->h2;
    struct http_server *server = h2->conn->server;
    hob_http_request   *req = &s->work->req;

    // It may have been taken back before it has run.
    int  r = s->broken != 0 ? s->broken : hob__http_call(req);
    bool closes = req->closes;
    if (s->tunnel != NULL) {
        h2->is_leaving = h2->is_leaving || closes;
        hob__h2_tunnel_left(s, r);
        return 0;
    }
    hob__http_finish(req, r);
    hob__h2_stream_end(s, req->is_cut);
    hob__http_record(req, r < 0 ? r : s->broken);
    if (closes)
        h2->is_leaving = true;
    server->stats->running--;
    hob__h2_stream_free(s);
    hob__h2_kick(h2);
    return 0;
}

void hob__h2_stream_start(struct h2_stream *s)
{
    struct h2_conn     *h2 = s->h2;
    struct http_server *server = h2->conn->server;
    hob_task_opts       opts = { .name = "http", .stack_bytes = server->opts.stack_bytes };

    if (s->tunnel != NULL) {
        hob__h2_tunnel_start(s);
        return;
    }
    if (!hob__http_may_run(server)) {
        server->stats->refused++;
        refuse(s, 503);
        return;
    }
    server->stats->running++;
    server->stats->requests++;
    h2->conn->requests++;
    s->is_running = true;
    if (hob_go_with(h2->scope, run, s, &opts) < 0) {
        server->stats->running--;
        refuse(s, 503);
    }
}

/* ---- the body ---- */

static bool make_room(struct h2_stream *s, size_t len)
{
    size_t used = s->body_end - s->body_begin;

    if (s->body_begin > 0) {
        memmove(s->body, s->body + s->body_begin, used);
        s->body_begin = 0;
        s->body_end = used;
    }
    if (s->body_cap - used >= len)
        return true;
    size_t cap = s->body_cap == 0 ? BODY_BYTES_FIRST : s->body_cap * 2;
    while (cap - used < len)
        cap *= 2;
    char *bytes = hob__http_fail_at > 0 && --hob__http_fail_at == 0 ? NULL : realloc(s->body, cap);
    if (bytes == NULL)
        return false;
    s->body = bytes;
    s->body_cap = cap;
    return true;
}

/* nghttp2 sees to it that no more comes than the window allows. */
void hob__h2_stream_data(struct h2_stream *s, const char *data, size_t len)
{
    s->received += len;
    if (s->body_error != 0)
        return;
    if (!s->is_connect && s->received > s->h2->conn->server->opts.body_bytes_max)
        s->body_error = -EMSGSIZE;
    else if (s->body_cap - s->body_end < len && !make_room(s, len))
        s->body_error = -ENOMEM;
    else {
        memcpy(s->body + s->body_end, data, len);
        s->body_end += len;
    }
    hob_event_set(&s->readable);
    if (s->tunnel != NULL)
        hob__h2_tunnel_call(s);
}

struct h2_stream *hob__h2_stream_of(const hob_http_request *req)
{
    return (struct h2_stream *)((char *)req->broken - offsetof(struct h2_stream, broken));
}

static int say_continue(struct h2_stream *s)
{
    hob_http_request *req = &s->work->req;
    nghttp2_nv        field = nv_of(":status", 7, "100", 3);

    if (!req->head.expects_continue || req->has_continued)
        return 0;
    req->has_continued = true;
    if (req->state != ANSWER_NONE || s->received > 0)
        return 0;
    if (nghttp2_submit_headers(s->h2->session, NGHTTP2_FLAG_NONE, s->id, NULL, &field, 1, NULL) != 0)
        return -ENOMEM;
    hob__h2_kick(s->h2);
    return 0;
}

/* Until there is something to read, or nothing more to come. */
static int wait_for_body(struct h2_stream *s)
{
    hob_http_request   *req = &s->work->req;
    struct http_server *server = s->h2->conn->server;
    struct http_slow    slow = { .scope = NULL };
    hob_scope           scope;
    int64_t             begun_ns = hob_now(), deadline_ns = hob__http_body_deadline(req);
    int                 r = 0;

    hob_scope_begin(&scope);
    hob_scope_deadline(&scope, deadline_ns);
    hob__http_slow_begin(s->h2->conn, &slow, SLOW_REQUEST, &scope, begun_ns - req->waited_ns, s->received);
    s->h2->slow_count++;
    while (r == 0 && s->body_begin == s->body_end && !s->has_ended && s->body_error == 0 && s->broken == 0) {
        hob_event_reset(&s->readable);
        r = hob_event_wait(&s->readable);
    }
    s->h2->slow_count--;
    hob__http_slow_end(server, &slow);
    (void)!hob_scope_end(&scope);
    req->waited_ns += hob_now() - begun_ns;
    if ((r == -ETIMEDOUT || (r == -ECANCELED && slow.is_displaced)) && hob_cancelled() == 0) {
        server->stats->timed_out++;
        return hob__http_body_fail(req, -ETIMEDOUT);
    }
    return r;
}

size_t hob__h2_stream_read(struct h2_stream *s, void *buf, size_t len)
{
    size_t n = s->body_end - s->body_begin < len ? s->body_end - s->body_begin : len;

    memcpy(buf, s->body + s->body_begin, n);
    s->body_begin += n;
    if (s->body_begin == s->body_end)
        s->body_begin = s->body_end = 0;
    if (s->is_closed || s->has_ended || s->body_error != 0)
        return n;
    if (nghttp2_session_consume_stream(s->h2->session, s->id, n) == NGHTTP2_ERR_NOMEM)
        s->body_error = -ENOMEM; // the next call tells
    hob__h2_kick(s->h2);
    return n;
}

static ssize_t read_body(hob_http_request *req, void *buf, size_t len)
{
    struct h2_stream *s = hob__h2_stream_of(req);

    int r = say_continue(s);
    if (r == 0 && s->body_begin == s->body_end)
        r = wait_for_body(s);
    if (r < 0)
        return r;
    if (s->body_begin < s->body_end) {
        size_t n = hob__h2_stream_read(s, buf, len);
        req->is_body_done = s->has_ended && s->body_error == 0 && s->body_begin == s->body_end;
        return (ssize_t)n;
    }
    if (s->body_error != 0)
        return hob__http_body_fail(req, s->body_error);
    if (s->has_ended) {
        req->is_body_done = true;
        return 0;
    }
    return hob__http_body_fail(req, s->broken);
}

/* ---- the answer's head ---- */

/* To an extended CONNECT a 2xx says that the stream is the protocol's now. A handler that knows nothing of
 * that means the answer to a GET; in HTTP/1.1 it is one, and no Upgrade. Here that is a 501 (RFC 9220 3). */
static bool is_no_tunnel(const struct h2_stream *s, int status)
{
    return s->is_connect && status < 300;
}

static int begin(hob_http_request *req, int status, const char *type, size_t type_len, int64_t length)
{
    struct h2_stream *s = hob__h2_stream_of(req);
    struct http_work *work = req->work;

    if (s->broken != 0)
        return s->broken;
    bool is_bodiless = hob__http_is_bodiless(status) || is_no_tunnel(s, status);
    if (type != NULL) {
        hob__http_remove_header(req, "Content-Type");
        char *to = work->headers + req->headers_len; // there is room for one more: server.h
        memcpy(to, "content-type: ", 14);
        memcpy(to + 14, type, type_len);
        memcpy(to + 14 + type_len, "\r\n", 2);
        req->headers_len += 16 + type_len;
    }
    req->answer_at = 0;
    s->length = is_bodiless ? -1 : length;
    work->out_len = s->out_taken = 0;
    if (is_bodiless || strcmp(req->method, "HEAD") == 0)
        req->frame = FRAME_NO_BODY;
    else
        req->frame = length >= 0 ? FRAME_LENGTH : FRAME_CHUNKED;
    return 0;
}

/* The lines as fields, with names in lower case as they must be. Those that HTTP/2 does not know are left
 * out. Returns how many. */
static size_t fields_of(char *lines, size_t len, nghttp2_nv *fields)
{
    size_t count = 0;
    for (char *at = lines, *end = lines + len; at < end;) {
        char *colon = memchr(at, ':', (size_t)(end - at)), *stop = memchr(at, '\r', (size_t)(end - at));
        for (char *c = at; c < colon; c++)
            *c = *c >= 'A' && *c <= 'Z' ? (char)(*c | 0x20) : *c;
        size_t name_len = (size_t)(colon - at);
        if (!hob__h1_is(at, name_len, "proxy-connection"))
            fields[count++] = nv_of(at, name_len, colon + 2, (size_t)(stop - colon - 2));
        at = stop + 2;
    }
    return count;
}

static size_t lines_in(const char *lines, size_t len)
{
    size_t count = 0;
    for (const char *at = lines; (at = memchr(at, '\n', (size_t)(lines + len - at))) != NULL; at++)
        count++;
    return count;
}

static int submit_head(struct h2_stream *s)
{
    struct http_work   *work = s->work;
    hob_http_request   *req = &work->req;
    struct http_server *server = s->h2->conn->server;
    char                status[DIGITS_MAX], length[DIGITS_MAX];
    nghttp2_nv          small[FIELDS_SMALL], *fields = small;
    size_t              count = 0, lines = lines_in(work->headers, req->headers_len);
    bool                has_body = req->frame != FRAME_NO_BODY
                        && !(s->length == 0 && s->is_ending && req->trailers_len == 0);

    if (lines + 4 > FIELDS_SMALL) {
        fields = hob__http_alloc((lines + 4) * sizeof *fields);
        if (fields == NULL)
            return -ENOMEM;
    }
    if (s->tunnel == NULL && is_no_tunnel(s, req->status))
        req->status = 501;
    fields[count++] = named(":status", 7, status, hob__http_digits(status, (uint64_t)req->status));
    fields[count++] = named("date", 4, hob__http_date_now(server), DATE_LEN);
    if (server->opts.server_name != NULL && !hob__http_has_header(req, "Server"))
        fields[count++] = named("server", 6, server->opts.server_name, strlen(server->opts.server_name));
    count += fields_of(work->headers, req->headers_len, fields + count);
    if (s->length >= 0)
        fields[count++] = named("content-length", 14, length, hob__http_digits(length, (uint64_t)s->length));
    int r = nghttp2_submit_response(s->h2->session, s->id, fields, count, has_body ? &hob__h2_answer : NULL);
    if (fields != small)
        free(fields);
    s->is_head_sent = req->is_sent = r == 0;
    return r == 0 ? 0 : -ENOMEM;
}

int hob__h2_submit_trailers(struct h2_stream *s)
{
    struct http_work *work = s->work;
    size_t            lines = lines_in(work->trailers, work->req.trailers_len);
    nghttp2_nv       *fields = hob__http_alloc(lines * sizeof *fields);
    if (fields == NULL)
        return -ENOMEM;
    size_t count = fields_of(work->trailers, work->req.trailers_len, fields);
    int    r = nghttp2_submit_trailer(s->h2->session, s->id, fields, count);
    free(fields);
    return r == 0 ? 0 : -ENOMEM;
}

/* ---- the answer's body ---- */

size_t hob__h2_stream_pending(const struct h2_stream *s)
{
    return (s->work != NULL ? s->work->out_len - s->out_taken : 0) + s->lent_len;
}

static size_t take_gathered(struct h2_stream *s, char *to, size_t len)
{
    struct http_work *work = s->work;
    size_t            n = work->out_len - s->out_taken < len ? work->out_len - s->out_taken : len;

    memcpy(to, work->out + s->out_taken, n);
    s->out_taken += n;
    if (s->out_taken == work->out_len)
        s->out_taken = work->out_len = 0;
    return n;
}

static void take_lent(struct h2_stream *s, char *to, size_t len)
{
    s->lent_len -= len;
    while (len > 0) {
        size_t left = s->lent->iov_len - s->lent_at, n = left < len ? left : len;
        if (n > 0)
            memcpy(to, (const char *)s->lent->iov_base + s->lent_at, n);
        to += n;
        len -= n;
        s->lent_at += n;
        if (s->lent_at == s->lent->iov_len) {
            s->lent++;
            s->lent_at = 0;
        }
    }
}

void hob__h2_stream_take(struct h2_stream *s, char *to, size_t len)
{
    size_t n = s->work != NULL ? take_gathered(s, to, len) : 0;
    if (len > n)
        take_lent(s, to + n, len - n);
    if (hob__h2_stream_pending(s) == 0 || s->tunnel != NULL)
        hob_event_set(&s->writable);
}

static bool is_sent(const struct h2_stream *s)
{
    return s->is_ending ? s->is_end_sent : hob__h2_stream_pending(s) == 0;
}

bool hob__h2_stream_is_stuck(const struct h2_stream *s)
{
    return s->h2->is_over && !s->h2->is_writing && s->h2->conn->work->out_len == 0;
}

int hob__h2_stream_send(struct h2_stream *s)
{
    int r = 0;

    if (!s->is_head_sent)
        r = submit_head(s);
    else if (s->is_deferred)
        r = nghttp2_session_resume_data(s->h2->session, s->id) == NGHTTP2_ERR_NOMEM ? -ENOMEM : 0;
    s->is_deferred = false;
    if (r < 0)
        return s->broken = r;
    hob__h2_kick(s->h2);
    return 0;
}

/* What was gathered, and lent, and (is_ending) the end. Waits for the windows. */
static int send_pending(struct h2_stream *s)
{
    struct h2_conn  *h2 = s->h2;
    struct http_slow slow = { .scope = NULL };
    hob_scope        scope;
    int              r = 0;

    if (s->broken != 0)
        return s->broken;
    r = hob__h2_stream_send(s);
    if (r < 0)
        return r;
    if (is_sent(s))
        return 0;

    hob_scope_begin(&scope);
    hob_scope_deadline(&scope, hob__http_rate_deadline(h2->conn->server, hob__h2_stream_pending(s)));
    bool is_request = s->tunnel == NULL;
    if (is_request)
        hob__http_slow_begin(h2->conn, &slow, SLOW_REQUEST, &scope, hob_now(), hob__h2_stream_pending(s));
    h2->slow_count += is_request;
    while (r == 0 && !is_sent(s) && s->broken == 0) {
        if (hob__h2_stream_is_stuck(s)) {
            r = -EPIPE;
            break;
        }
        hob_event_reset(&s->writable);
        r = hob_event_wait(&s->writable);
    }
    h2->slow_count -= is_request;
    hob__http_slow_end(h2->conn->server, &slow);
    (void)!hob_scope_end(&scope);
    if (is_sent(s))
        return 0;
    if (r == -ECANCELED && slow.is_displaced && hob_cancelled() == 0)
        r = -ETIMEDOUT;
    if (r == -ETIMEDOUT && hob_cancelled() == 0)
        h2->conn->server->stats->timed_out++;
    if (s->broken == 0)
        s->broken = r; // in the middle of what was to be sent
    return s->broken;
}

static int write_body(hob_http_request *req, const void *data, size_t len)
{
    struct h2_stream *s = hob__h2_stream_of(req);
    struct http_work *work = req->work;

    if (len <= OUT_BYTES - work->out_len) {
        memcpy(work->out + work->out_len, data, len);
        work->out_len += len;
        return 0;
    }
    s->lent_one = (struct iovec){ (void *)(uintptr_t)data, len };
    s->lent = &s->lent_one;
    s->lent_at = 0;
    s->lent_len = len;
    int r = send_pending(s);
    req->part_bytes = len - s->lent_len;
    s->lent_len = 0;
    return r;
}

static int flush(hob_http_request *req)
{
    struct h2_stream *s = hob__h2_stream_of(req);
    return req->state == ANSWER_BODY ? send_pending(s) : s->broken;
}

static int end_chunks(hob_http_request *req)
{
    (void)req;
    return 0; // the end of the stream is the end of the answer
}

const struct http_transport hob__http_h2 = {
    .version = 20,
    .read = read_body,
    .begin = begin,
    .write = write_body,
    .flush = flush,
    .end_chunks = end_chunks,
    .upgrade = hob__h2_upgrade,
    .keep = hob__h2_keep,
};
