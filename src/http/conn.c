/* SPDX-License-Identifier: MIT */
/*
 * A connection while it has a task: one request after the other.
 *
 *     run ─▶ serve_one ─▶ read_head ─▶ handle ─▶ finish, discard ─▶ the next, that came with it
 *                             │                                        │ none
 *                             └── refused ─▶ 4xx, goodbye, closed      └─▶ sent; idle
 *
 * Answers stay in work->out while there are more requests to read: so those that came together are
 * answered in one write.
 */
#include <errno.h>
#include <string.h>

#include "http/h2.h"

enum step {
    STEP_NEXT,    /* another request                                           */
    STEP_IDLE,    /* nothing has come of one                                   */
    STEP_CLOSE,
    STEP_GOODBYE, /* close, but so that the client gets to read the last answer */
    STEP_KEEP,    /* it was upgraded, and has a keeper                         */
    STEP_HTTP2,   /* it speaks another version                                 */
};

/* ---- the end ---- */

/* In a scope that ends it. */
static void linger(struct http_conn *conn)
{
    char    buf[2048];
    size_t  so_far = 0;
    ssize_t n = 1;

    hob__http_work_give(conn->server, conn->work); // a task is enough to hear nothing in
    conn->work = NULL;
    while (n > 0 && so_far < LINGER_BYTES) {
        n = hob_stream_read(conn->stream, buf, sizeof buf);
        so_far += n > 0 ? (size_t)n : 0;
    }
}

/* The client is told that there is no more. A close while bytes are unread would be a reset, which can
 * overtake the answer: so what it still sends, if anything, is read for a while. */
void hob__http_goodbye(struct http_conn *conn)
{
    struct http_server *server = conn->server;
    struct http_leaver  leaver;
    hob_scope           s;

    if (conn->work != NULL && hob__http_flush_out(conn) < 0)
        return;
    hob__http_count_out(conn);
    hob_scope_begin(&s);
    hob_scope_deadline(&s, hob_in(LINGER_NS));
    hob__http_leaver_begin(conn, &leaver, &s);
    if (hob_stream_shutdown(conn->stream) >= 0 && conn->lingers && server->lingering < LINGERERS_MAX) {
        server->lingering++;
        linger(conn);
        server->lingering--;
    }
    hob__http_leaver_end(server, &leaver);
    (void)!hob_scope_end(&s);
}

/* ---- what was answered ---- */

void hob__http_record(const hob_http_request *req, int error)
{
    const hob_http_opts *opts = &req->conn->server->opts;
    if (opts->record == NULL)
        return;
    hob_http_record record = {
        .method = req->method,
        .target = req->target,
        .status = req->status,
        .error = error,
        .body_bytes = req->body_bytes,
        .answer_bytes = req->answer_bytes,
        .took_ns = hob_now() - req->begun_ns,
        .stream = req->conn->stream,
        .version = hob_http_version(req),
    };
    opts->record(opts->record_arg, &record);
}

/* ---- heads ---- */

void hob__http_request_init(hob_http_request *req, struct http_conn *conn, struct http_work *work,
                            const struct http_transport *transport)
{
    const hob_http_opts *opts = &conn->server->opts;

    memset(req, 0, sizeof *req);
    req->transport = transport;
    req->conn = conn;
    req->work = work;
    req->broken = &conn->broken;
    req->method = req->target = req->path = req->query = req->host = req->protocol = "";
    req->head.limits = (struct h1_limits){ opts->target_bytes_max, opts->head_bytes_max,
                                           opts->headers_max };
    req->head.fields = work->fields;
}

/* The request is none, or too much: its answer, and the end. */
static enum step refuse(struct http_conn *conn, int status)
{
    hob_http_request *req = &conn->work->req;

    req->begun_ns = hob_now();
    conn->lingers = true;
    req->closes = true;
    req->head.minor = 1;
    req->is_body_done = true;
    (void)!hob__http_refuse(req, status);
    hob__http_record(req, 0);
    return STEP_GOODBYE;
}

/* More bytes of a head, waited for with a task. Returns what the read gave. */
static ssize_t fill(struct http_conn *conn, bool *ret_is_late)
{
    const struct http_server *server = conn->server;
    struct http_work         *work = conn->work;
    int64_t                   since_ns = work->head_since_ns;
    int64_t                   head_ns = server->opts.head_ns;
    int64_t                   deadline_ns = head_ns == HOB_FOREVER ? HOB_FOREVER : since_ns + head_ns;

    if (server->is_draining && server->last_call_ns < deadline_ns) // it is not a request yet
        deadline_ns = server->last_call_ns;
    if (work->in_begin > 0) {
        memmove(work->in, work->in + work->in_begin, work->in_end - work->in_begin);
        work->in_end -= work->in_begin;
        work->in_begin = 0;
    }
    if (conn->half != NULL)
        conn->half->has_news = false;
    ssize_t n = hob__http_read_slow(conn, work->in + work->in_end, work->in_cap - work->in_end,
                                    deadline_ns, since_ns, work->in_end, ret_is_late);
    if (n > 0)
        work->in_end += (size_t)n;
    return n;
}

static enum step refuse_late(struct http_conn *conn)
{
    conn->server->stats->timed_out++;
    return refuse(conn, 408);
}

/* A part of a head is there: waits for more, without a task where that can be. Whoever waits for the client
 * sends first what the client may wait for. */
static enum step more_of_head(struct http_conn *conn)
{
    struct http_work *work = conn->work;
    bool              is_late, is_new = work->head_since_ns == 0;

    if (hob__http_flush_out(conn) < 0)
        return STEP_CLOSE;
    if (is_new)
        work->head_since_ns = hob_now();
    if ((is_new || conn->half != NULL) && hob__http_half_leave(conn, false))
        return STEP_IDLE;
    ssize_t n = fill(conn, &is_late);
    if (is_late)
        return refuse_late(conn);
    return n > 0 ? STEP_NEXT : STEP_CLOSE;
}

/* Nothing of a request is there. Waits for its first bytes without a task, where that can be. */
static enum step wait_for_bytes(struct http_conn *conn, bool was_ready)
{
    struct http_work *work = conn->work;
    ssize_t           n;

    if (hob__http_flush_out(conn) < 0)
        return STEP_CLOSE;
    if (!was_ready) {
        if (hob__http_drains(conn->server) && (conn->requests > 0 || conn->server->is_too_late))
            return STEP_CLOSE;
        if (!conn->is_lent && hob__http_idle(conn))
            return STEP_IDLE;
    }
    if (was_ready && hob__http_hears_words(conn->server)) {
        n = hob_stream_read(conn->stream, work->in, work->in_cap);
    } else {
        hob__http_count_out(conn);
        n = hob__http_wait(conn, work->in, work->in_cap);
    }
    if (n <= 0)
        return STEP_CLOSE;
    work->in_begin = 0;
    work->in_end = (size_t)n;
    return STEP_NEXT;
}

/* Reads a head that has begun. On STEP_NEXT its length is in *ret_len. */
static enum step read_head(struct http_conn *conn, size_t *ret_len)
{
    struct http_work *work = conn->work;
    enum step         step;

    do {
        int64_t len = hob__h1_head(&work->req.head, work->in + work->in_begin,
                                   work->in_end - work->in_begin);
        if (len > 0) {
            *ret_len = (size_t)len;
            return STEP_NEXT;
        }
        if (len < 0) {
            conn->server->stats->bad++;
            return refuse(conn, (int)-len);
        }
        step = more_of_head(conn);
    } while (step == STEP_NEXT);
    return step;
}

/* Its handler is called when more has come. */
static bool leave_for_later(struct http_conn *conn)
{
    if (conn->work->head_since_ns == 0)
        conn->work->head_since_ns = hob_now();
    return hob__http_flush_out(conn) == 0 && hob__http_half_leave(conn, true);
}

/* Whether its handler would wait for its body, among as many as may, and it has not waited for its turn. (Who waits
 * for "100 Continue" would wait for ever.) */
static bool is_crowded_out(const struct http_conn *conn, size_t head_len)
{
    const struct http_work   *work = conn->work;
    const struct http_server *server = conn->server;
    const char               *end = work->in + work->in_end;
    size_t                    len = work->in_end - work->in_begin;

    if (work->req.head.body == H1_NO_BODY || work->req.head.expects_continue || !hob__http_is_crowded(server)
        || (conn->half != NULL && conn->half->is_whole) || len == work->in_cap)
        return false;
    if (work->req.head.body == H1_LENGTH)
        return len - head_len < work->req.head.length && work->req.head.length <= server->opts.body_bytes_max;
    return len - head_len < 5 || memcmp(end - 4, "\r\n\r\n", 4) != 0; // the end, as it nearly always is
}

/* ---- the handler ---- */

/* The scope ends before the answer counts as whole: what was started in it may add to it. */
int hob__http_call(hob_http_request *req)
{
    const struct http_server *server = req->conn->server;
    hob_scope                 scope;

    hob_scope_begin(&scope);
    req->scope = &scope;
    if (req->is_body_done && req->transport->watch != NULL)
        req->transport->watch(req->conn);
    else
        hob__http_limit(req);
    int r = server->handler(req, server->arg);
    hob__http_filters_check(req);
    if (r < 0)
        hob_scope_cancel(&scope, "the handler failed");
    int ended = hob_scope_end(&scope);
    if (r >= 0 && hob_scope_failures(&scope) > 0)
        r = ended;
    req->scope = NULL; // it has ended: a client that goes away now cancels nothing
    if (req->transport->unwatch != NULL)
        req->transport->unwatch(req->conn);
    return r < 0 ? r : 0;
}

static enum step handle(struct http_conn *conn, size_t head_len)
{
    struct http_server *server = conn->server;
    hob_http_request   *req = &conn->work->req;

    hob__http_request_begin(req, head_len);
    if (server->opts.record != NULL)
        req->begun_ns = hob_now();
    conn->requests++;
    server->stats->requests++;
    if (req->head.body == H1_LENGTH && req->head.length > server->opts.body_bytes_max) {
        server->stats->bad++;
        return refuse(conn, 413);
    }

    int r = hob__http_call(req);
    hob__http_finish(req, r);
    hob__http_record(req, r < 0 ? r : conn->broken);
    if (conn->broken != 0)
        return STEP_CLOSE;
    if (r < 0)
        hob__http_upgrade_failed(conn, r);
    else if (hob__http_is_kept(conn))
        return STEP_KEEP;
    if (!req->closes && hob__http_discard(req))
        return STEP_NEXT;
    conn->lingers = conn->is_upgraded || !req->is_body_done
                 || conn->work->in_begin < conn->work->in_end;
    return hob_cancelled() != 0 ? STEP_CLOSE : STEP_GOODBYE;
}

/* ---- those who are too many ---- */

/* A connection of HTTP/2 that takes no request, and never did: whatever was asked can be asked again. */
static const char NO_ROOM[] = "\0\0\0\4\0\0\0\0\0"           /* SETTINGS, as it must begin           */
                              "\0\0\34\7\0\0\0\0\0"          /* GOAWAY of 28 bytes,                  */
                              "\0\0\0\0\0\0\0\0"             /* the last stream is 0; NO_ERROR       */
                              "too many connections";

/* It is told in its own words, if it has any. */
static enum step turn_away(struct http_conn *conn)
{
    struct http_work *work = conn->work;
    int64_t           deadline_ns = hob_in(FIRST_WORD_NS);
    ssize_t           n = 1;
    bool              is_late;

    hob__http_request_init(&work->req, conn, work, &hob__http_h1);
    if (hob__http_half(conn) != NULL)
        n = hob__http_half_resume(conn);
    while (n > 0 && work->in_end < strlen("PRI") && hob__h2_is_preface(work->in, work->in_end) < 0) {
        n = hob__http_read_until(conn, work->in + work->in_end, work->in_cap - work->in_end, deadline_ns,
                                 &is_late);
        work->in_end += n > 0 ? (size_t)n : 0;
    }
    if (work->in_end < strlen("PRI") || hob__h2_is_preface(work->in, work->in_end) == 0)
        return refuse(conn, 503);
    hob__http_put(conn, NO_ROOM, sizeof NO_ROOM - 1);
    conn->lingers = true;
    return STEP_GOODBYE;
}

/* ---- another version ---- */

/* Its first bytes may be the preface of HTTP/2, in pieces. */
static enum step look_at_preface(struct http_conn *conn)
{
    struct http_work *work = conn->work;
    int               is;

    while ((is = hob__h2_is_preface(work->in + work->in_begin, work->in_end - work->in_begin)) < 0) {
        enum step step = more_of_head(conn);
        if (step != STEP_NEXT)
            return step;
    }
    return is ? STEP_HTTP2 : STEP_NEXT;
}

/* From here on, or from the beginning. True: it was left idle. */
static bool serve_http2(struct http_conn *conn)
{
    hob__http_half_free(conn);
    return hob__h2_begin(conn) == 0 && hob__h2_run(conn);
}

/* ---- one request ---- */

/* What has come of it, and when that began. */
static enum step begin_one(struct http_conn *conn, bool was_ready)
{
    struct http_work *work = conn->work;

    if (conn->half != NULL)
        return hob__http_half_resume(conn) ? STEP_NEXT : STEP_CLOSE;
    work->head_since_ns = 0;
    return work->in_begin < work->in_end ? STEP_NEXT : wait_for_bytes(conn, was_ready);
}

static enum step serve_one(struct http_conn *conn, bool was_ready)
{
    struct http_work *work = conn->work;
    size_t            head_len = 0;
    enum step         step = begin_one(conn, was_ready);

    if (step != STEP_NEXT)
        return step;
    hob__http_request_init(&work->req, conn, work, &hob__http_h1);
    if (conn->half != NULL && conn->half->is_late && !conn->half->is_whole)
        return refuse_late(conn);
    if (conn->requests == 0 && work->in[work->in_begin] == 'P' && conn->speaks == 0) {
        step = look_at_preface(conn);
        if (step != STEP_NEXT)
            return step;
    }
    if (!hob__http_count_in(conn)) {
        conn->server->stats->refused++;
        return refuse(conn, 503);
    }
    step = read_head(conn, &head_len);
    if (step != STEP_NEXT)
        return step;
    if (is_crowded_out(conn, head_len) && leave_for_later(conn))
        return STEP_IDLE;
    hob__http_half_free(conn);
    return handle(conn, head_len);
}

static enum step serve_all(struct http_conn *conn, bool was_ready)
{
    enum step step;

    if (conn->is_refused) {
        step = turn_away(conn);
    } else {
        int in_a_row = 0;
        do {
            if (++in_a_row % IN_A_ROW_MAX == 0 && hob__http_step_aside(conn->server) < 0)
                step = STEP_CLOSE;
            else
                step = serve_one(conn, was_ready);
            was_ready = false;
        } while (step == STEP_NEXT);
    }
    if (step == STEP_KEEP) {
        conn->lingers = true;
        step = hob__http_run_kept(conn, false) ? STEP_GOODBYE : STEP_IDLE;
    }
    if (step == STEP_GOODBYE)
        hob__http_goodbye(conn);
    else if (step == STEP_CLOSE)
        (void)!hob__http_flush_out(conn); // what is cut off is seen to be
    return step;
}

static bool wrap(struct http_conn *conn)
{
    const hob_http_opts *opts = &conn->server->opts;
    hob_stream          *stream = NULL;

    conn->is_wrapped = true;
    if (opts->wrap == NULL || conn->is_lent)
        return true;
    int r = hob__http_wrap(conn, &stream);
    if (r < 0)
        return false;
    if (r != 0 && r != HOB_HTTP_1 && r != HOB_HTTP_2)
        hob_mistake("hob_http_serve", "`wrap` returned what is none of the results that it may have");
    conn->speaks = (uint8_t)r;
    conn->stream = stream;
    return true;
}

static void run(struct http_conn *conn)
{
    bool      was_ready = conn->is_wrapped; // else only what is below it
    bool      goes_on = conn->is_wrapped || wrap(conn); // without room: there may be many who do not
    enum step step = STEP_CLOSE;

    if (goes_on)
        conn->work = hob__http_work_take(conn->server);
    if (conn->work == NULL)
        step = STEP_CLOSE;
    else if (conn->is_http2)
        step = hob__h2_run(conn) ? STEP_IDLE : STEP_CLOSE;
    else if (conn->is_refused || conn->speaks != HOB_HTTP_2)
        step = serve_all(conn, was_ready);
    else
        step = STEP_HTTP2;
    if (step == STEP_HTTP2)
        step = serve_http2(conn) ? STEP_IDLE : STEP_CLOSE;

    // An idle connection gave its room back, and is somebody else's by now.
    if (step != STEP_IDLE)
        hob__http_close(conn);
}

/* Few enough that it does not use up what may be done at once: it would have to step aside in the
 * middle of a request, which then waits for all others. The next task takes over stack and room. */
int hob__http_run(void *arg)
{
    struct http_conn   *conn = arg;
    struct http_server *server = conn->server;

    run(conn);
    for (int i = 1; i < CONNS_PER_TASK && hob_cancelled() == 0; i++) {
        conn = hob__http_next_ready(server);
        if (conn == NULL)
            break;
        run(conn);
    }
    return 0;
}

int hob__http_run_lent(struct http_conn *conn)
{
    conn->work = hob__http_work_take(conn->server);
    if (conn->work == NULL)
        return -ENOMEM;
    if (serve_all(conn, false) == STEP_HTTP2)
        (void)!serve_http2(conn);
    return hob_cancelled();
}
