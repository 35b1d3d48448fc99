/* SPDX-License-Identifier: MIT */
/*
 * A connection of HTTP/2 while it has a task.
 *
 *     run ─▶ step: feed, start what is fresh, send ─▶ wait ─▶ step ─▶ ... ─▶ idle, or the end
 *
 * Whoever sends is either this task, while no request runs, or one that is started for it: then this one
 * reads on, since what the client says may be what the sending waits for.
 *
 * It ends politely in two steps (RFC 9113 6.8): a GOAWAY that only warns, and a PING; when its answer is
 * there, or a second is over, all requests that were on their way have come, and the second GOAWAY
 * says which is the last.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "hob/stop.h"
#include "hob/task.h"
#include "http/h2.h"

#define LAST_CALL_NS (1 * HOB_SEC)
#define GOODBYES_NS (5 * HOB_SEC) /* for tunnels, when the server is cancelled */

/* Frames can be dear: after so many slices of what came, or so long, the other connections have their turn. */
enum { SLICE_BYTES = 512, SLICES_IN_A_ROW_MAX = 128 };
#define TURN_NS (25 * HOB_USEC)

static const char PREFACE[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

int hob__h2_is_preface(const char *bytes, size_t len)
{
    size_t n = len < sizeof PREFACE - 1 ? len : sizeof PREFACE - 1;
    if (memcmp(bytes, PREFACE, n) != 0)
        return 0;
    return n == sizeof PREFACE - 1 ? 1 : -1;
}

int hob__h2_begin(struct http_conn *conn)
{
    struct h2_conn *h2 = hob__http_alloc(sizeof *h2);
    if (h2 == NULL)
        return -ENOMEM;
    h2->conn = conn;
    h2->idle_since_ns = hob_now();
    h2->quiet.name = "what is being sent";
    int r = hob__h2_session_new(h2);
    if (r < 0) {
        hob__h2_free(h2);
        return r;
    }
    conn->h2 = h2;
    conn->is_http2 = true;
    conn->server->stats->http2++;
    hob__http_count_out(conn); // its requests count, each by itself
    return 0;
}

static void free_streams(struct h2_conn *h2)
{
    while (h2->streams != NULL) {
        struct h2_stream *s = h2->streams;
        if (s->broken == 0)
            s->broken = h2->conn->broken != 0 ? h2->conn->broken : -ECONNRESET;
        if (s->tunnel != NULL)
            hob__h2_tunnel_free(s);
        else
            hob__h2_stream_free(s);
    }
}

void hob__h2_free(struct h2_conn *h2)
{
    if (h2 == NULL)
        return;
    free_streams(h2);
    nghttp2_session_del(h2->session);
    free(h2);
}

/* ---- being heard ---- */

void hob__h2_rouse(struct h2_conn *h2)
{
    struct http_work *work = h2->conn->work;
    if (h2->is_idle)
        hob_op_cancel(&h2->conn->op);
    else if (work != NULL && work->waiting != NULL)
        hob_scope_cancel(work->waiting, "there is something else to do");
}

/* Those that have a task, or will have one at once. */
static uint32_t active_count(const struct h2_conn *h2)
{
    return h2->stream_count - h2->silent_count;
}

void hob__h2_stream_gone(struct h2_conn *h2)
{
    if (h2->stream_count == 0)
        h2->idle_since_ns = hob_now();
    if (active_count(h2) == 0 || (h2->is_leaving && h2->last_call_ns == 0))
        hob__h2_rouse(h2);
}

static void break_streams(struct h2_conn *h2, int error, const char *reason)
{
    for (struct h2_stream *s = h2->streams; s != NULL; s = s->next) {
        if (s->is_running && s->broken == 0 && s->work != NULL && s->work->req.scope != NULL)
            h2->conn->server->stats->gone++;
        hob__h2_stream_break(s, error, reason);
    }
}

void hob__h2_break(struct h2_conn *h2, int error)
{
    if (h2->conn->broken == 0)
        h2->conn->broken = error;
    break_streams(h2, -ECONNRESET, "the client went away");
    if (h2->scope != NULL && h2->tunnel_count == 0) // those who have a tunnel see it when they read
        hob_scope_cancel(h2->scope, "the connection broke");
}

/* ---- sending ---- */

static void write_all(struct h2_conn *h2)
{
    struct http_conn *conn = h2->conn;

    for (;;) {
        h2->is_writing = false;
        hob__h2_collect(h2);
        if (conn->broken != 0 || conn->work->out_len == 0)
            break;
        h2->is_writing = true;
        int r = hob__http_flush_out(conn);
        if (r < 0)
            hob__h2_break(h2, r);
    }
    h2->is_writing = false;
    hob_event_set(&h2->quiet);
    if (h2->is_calmed || !nghttp2_session_want_read(h2->session) // what was sent was the end
        || (h2->silent_count > 0 && active_count(h2) == 0)) // it can be idle now
        hob__h2_rouse(h2);
    for (struct h2_stream *s = h2->is_over ? h2->streams : NULL; s != NULL; s = s->next)
        hob_event_set(&s->writable); // those that wait for a window wait in vain
}

/* When the server is cancelled, goodbyes are still sent. */
static int run_writer(void *arg)
{
    struct h2_conn *h2 = arg;

    if (hob_cancelled() == 0 || h2->tunnel_count == 0) {
        write_all(h2);
    } else {
        HOB_SHIELD(GOODBYES_NS)
            write_all(h2);
    }
    return 0;
}

void hob__h2_kick(struct h2_conn *h2)
{
    hob_task_opts opts = { .name = "http: sends" };

    if (h2->is_writing || h2->is_feeding)
        return;
    if (h2->scope == NULL || h2->is_idle) { // its task, which has room for it, is not there
        hob__h2_rouse(h2);
        return;
    }
    hob__h2_collect(h2);
    if (h2->conn->work->out_len == 0 || h2->conn->broken != 0 || h2->is_busy)
        return;
    h2->is_writing = true;
    if (hob_go_with(h2->scope, run_writer, h2, &opts) < 0) {
        h2->is_writing = false;
        hob__h2_break(h2, -ENOMEM);
    }
}

/* Until nobody writes. False: it was cancelled. */
static bool wait_for_quiet(struct h2_conn *h2)
{
    while (h2->is_writing) {
        hob_event_reset(&h2->quiet);
        if (hob_event_wait(&h2->quiet) < 0)
            return false;
    }
    return true;
}

/* ---- what came ---- */

/* The client has done what ends a connection. */
static void end_badly(struct h2_conn *h2, uint32_t code)
{
    h2->is_over = h2->conn->lingers = true;
    (void)!nghttp2_session_terminate_session(h2->session, code);
    break_streams(h2, -ECONNRESET, "the client broke the rules");
}

static void calm(struct h2_conn *h2)
{
    if (h2->is_over)
        return;
    h2->conn->server->stats->calmed++;
    end_badly(h2, NGHTTP2_ENHANCE_YOUR_CALM);
}

static void feed_slice(struct h2_conn *h2)
{
    struct http_work *work = h2->conn->work;
    size_t            len = work->in_end - work->in_begin;

    len = len < SLICE_BYTES ? len : SLICE_BYTES;
    h2->is_feeding = true;
    h2->strange += (int64_t)len;
    ssize_t n = nghttp2_session_mem_recv(h2->session, (uint8_t *)work->in + work->in_begin, len);
    h2->is_feeding = false;
    work->in_begin += len;
    hob__h2_take_strange(h2);
    if (h2->is_calmed)
        calm(h2);
    else if (n == NGHTTP2_ERR_NOMEM || n == NGHTTP2_ERR_CALLBACK_FAILURE)
        hob__h2_break(h2, -ENOMEM);
    else if (n == NGHTTP2_ERR_BAD_CLIENT_MAGIC)
        end_badly(h2, NGHTTP2_PROTOCOL_ERROR);
    else if (n < 0)
        calm(h2); // nghttp2 has its own limits
}

/* A client that does not take them does not make them pile up. */
static void send_refusals(struct h2_conn *h2)
{
    if (h2->refusals < REFUSALS_MAX)
        return;
    hob__h2_kick(h2);
    if (h2->refusals >= REFUSALS_MAX) // what was said before is being sent
        (void)!wait_for_quiet(h2);
}

static void feed(struct h2_conn *h2)
{
    struct http_work *work = h2->conn->work;

    while (work->in_begin < work->in_end && h2->conn->broken == 0 && !h2->is_over) {
        feed_slice(h2);
        send_refusals(h2);
        if (++h2->slices % SLICES_IN_A_ROW_MAX != 0 && hob_now() - h2->turn_ns < TURN_NS)
            continue;
        (void)!hob__http_step_aside(h2->conn->server); // cancelled: tunnels say goodbye, after what has come
        h2->turn_ns = hob_now();
    }
    work->in_begin = work->in_end = 0;
}

static void start_all(struct h2_conn *h2)
{
    h2->is_busy = true;
    while (h2->fresh != NULL) {
        struct h2_stream *s = h2->fresh;
        h2->fresh = s->next_fresh;
        if (h2->fresh == NULL)
            h2->fresh_last = NULL;
        s->next_fresh = NULL;
        s->is_fresh = false;
        hob__h2_stream_start(s);
    }
    h2->is_busy = false;
}

static void start_fresh(struct h2_conn *h2)
{
    if (h2->conn->broken == 0 && !h2->is_over)
        start_all(h2);
}

/* ---- the polite end ---- */

static void leave(struct h2_conn *h2)
{
    const struct http_conn *conn = h2->conn;

    if (hob__http_drains(conn->server) || conn->requests >= conn->server->opts.requests_max)
        h2->is_leaving = true;
    if (!h2->is_leaving || h2->has_said_last || h2->is_over)
        return;
    if (h2->last_call_ns == 0) {
        h2->last_call_ns = hob_in(LAST_CALL_NS);
        (void)!nghttp2_submit_shutdown_notice(h2->session);
        (void)!nghttp2_submit_ping(h2->session, NGHTTP2_FLAG_NONE, NULL);
    } else if (h2->has_pinged_back || hob_now() >= h2->last_call_ns) {
        h2->has_said_last = true;
        (void)!nghttp2_submit_goaway(h2->session, NGHTTP2_FLAG_NONE,
                                     nghttp2_session_get_last_proc_stream_id(h2->session),
                                     NGHTTP2_NO_ERROR, NULL, 0);
    }
}

/* ---- the task ---- */

static bool is_done(struct h2_conn *h2)
{
    if (h2->conn->broken != 0 || h2->is_over)
        return true;
    if (h2->has_said_last && h2->stream_count == 0)
        return true;
    if (nghttp2_session_want_read(h2->session))
        return false;
    h2->conn->lingers = true;
    break_streams(h2, -ECONNRESET, "the client broke the rules");
    return true;
}

/* All that there is to do at once. False: it has come to its end. */
static bool step(struct h2_conn *h2)
{
    feed(h2);
    do {
        start_fresh(h2);
        leave(h2);
        if (h2->stream_count > 0)
            hob__h2_kick(h2);
        if (h2->stream_count == 0 && wait_for_quiet(h2)) // also when what was sent was its last
            write_all(h2);
    } while (h2->fresh != NULL && h2->conn->broken == 0 && !h2->is_over); // a reset that was sent
    if (h2->is_calmed)
        calm(h2);
    return !is_done(h2);
}

static int64_t sooner(int64_t deadline_ns, int64_t since_ns, int64_t limit_ns)
{
    if (limit_ns == HOB_FOREVER || since_ns > HOB_FOREVER - limit_ns)
        return deadline_ns;
    return since_ns + limit_ns < deadline_ns ? since_ns + limit_ns : deadline_ns;
}

/* What is over at that time is found by who looks then. */
static int64_t next_deadline(const struct h2_conn *h2)
{
    const hob_http_opts *opts = &h2->conn->server->opts;
    int64_t              deadline_ns = HOB_FOREVER;

    if (h2->head_since_ns != 0)
        deadline_ns = sooner(deadline_ns, h2->head_since_ns, opts->head_ns);
    if (h2->is_leaving && !h2->has_said_last)
        deadline_ns = sooner(deadline_ns, h2->last_call_ns, 0);
    if (h2->stream_count == 0 && !h2->is_leaving)
        deadline_ns = sooner(deadline_ns, h2->idle_since_ns, opts->idle_ns);
    return deadline_ns;
}

static bool is_past(int64_t since_ns, int64_t limit_ns)
{
    return limit_ns != HOB_FOREVER && hob_now() - since_ns >= limit_ns;
}

static void look_at_time(struct h2_conn *h2)
{
    const hob_http_opts *opts = &h2->conn->server->opts;

    if (h2->head_since_ns != 0 && is_past(h2->head_since_ns, opts->head_ns)) {
        h2->conn->server->stats->timed_out++;
        end_badly(h2, NGHTTP2_ENHANCE_YOUR_CALM);
    } else if (h2->stream_count == 0 && is_past(h2->idle_since_ns, opts->idle_ns)) {
        h2->is_leaving = true;
    }
}

/* The client will send no more. What was asked is still answered, as far as its windows reach; a body that
 * lacks its end has none. */
static void on_end(struct h2_conn *h2)
{
    h2->is_over = true;
    if (h2->conn->server->opts.end_is_gone) {
        hob__h2_break(h2, -ECONNRESET);
        return;
    }
    for (struct h2_stream *s = h2->streams; s != NULL; s = s->next) {
        if (!s->has_ended && s->body_error == 0)
            s->body_error = HOB_EOF;
        hob_event_set(&s->readable);
        hob_event_set(&s->writable);
    }
}

/* The server is cancelled, and there are those who have something to say. */
static bool may_say_goodbyes(const struct h2_conn *h2)
{
    return h2->tunnel_count > 0 && h2->conn->broken == 0 && !h2->is_over && !h2->has_shielded;
}

/* Others need the room: it is told, unless it is not even taking what was said before. */
static void make_room(struct h2_conn *h2)
{
    if (h2->is_writing) {
        hob__h2_break(h2, -ETIMEDOUT);
        return;
    }
    break_streams(h2, -ECONNRESET, "others need the room, and it is slow");
    (void)!nghttp2_session_terminate_session(h2->session, NGHTTP2_NO_ERROR);
}

/* More bytes, or something else to do. False: there will be none. */
static bool wait_for_bytes(struct h2_conn *h2)
{
    struct http_conn *conn = h2->conn;
    struct http_work *work = conn->work;
    bool              is_late;

    conn->is_busy = h2->stream_count > (h2->heading != NULL);
    ssize_t n = hob__http_wait_until(conn, work->in, work->in_cap, next_deadline(h2), &is_late);
    conn->is_busy = false;
    if (n <= 0 && conn->is_displaced) {
        hob__http_stays(conn);
        make_room(h2);
        return false;
    }
    h2->turn_ns = hob_now();
    if (n > 0) {
        work->in_end = (size_t)n;
        if (h2->stream_count == 0)
            look_at_time(h2); // also of those who only ever ping
        return true;
    }
    if (is_late) {
        look_at_time(h2);
        return true;
    }
    if (n == -ECANCELED && (hob_cancelled() == 0 || may_say_goodbyes(h2)))
        return true;
    if (n == 0)
        on_end(h2);
    else
        hob__h2_break(h2, (int)n);
    return false;
}

static bool may_idle(const struct h2_conn *h2)
{
    return active_count(h2) == 0 && h2->fresh == NULL && h2->head_since_ns == 0
           && (!h2->is_leaving || h2->has_said_last) && !h2->is_writing && h2->conn->work->out_len == 0
           && h2->rest_len == 0 && !h2->conn->is_lent && hob_cancelled() == 0;
}

static bool go_idle(struct h2_conn *h2)
{
    h2->is_idle = true;
    h2->conn->is_busy = h2->stream_count > 0; // they are kept, and silent: it is not one of the idle
    if (hob__http_idle(h2->conn))
        return true;
    h2->is_idle = false;
    return false;
}

static void say_goodbyes(struct h2_conn *h2)
{
    h2->has_shielded = true;
    hob__h2_tunnel_call_all(h2);
    HOB_SHIELD(GOODBYES_NS) {
        while (step(h2) && h2->tunnel_count > 0) {
            if (!wait_for_bytes(h2))
                break;
        }
        if (h2->conn->broken == 0 && wait_for_quiet(h2))
            write_all(h2);
    }
}

/* Its requests come to their end, then its words. */
static void end(struct h2_conn *h2, hob_scope *scope)
{
    struct http_conn *conn = h2->conn;

    if (hob_cancelled() != 0)
        hob__h2_break(h2, -ECANCELED);
    hob__h2_tunnel_call_all(h2);
    start_all(h2);
    hob__h2_kick(h2);
    (void)!hob_scope_end(scope);
    h2->scope = NULL;
    free_streams(h2);
    if (conn->broken != 0 || hob_cancelled() != 0)
        return;
    write_all(h2);
    if (conn->broken == 0)
        hob__http_goodbye(conn);
}

bool hob__h2_run(struct http_conn *conn)
{
    struct h2_conn *h2 = conn->h2;
    bool            is_woken = h2->is_woken;
    hob_scope       scope;

    h2->is_woken = false;
    hob_scope_begin(&scope);
    hob_scope_policy(&scope, HOB_WAIT_ALL); // a request that fails is one request
    h2->scope = &scope;
    h2->turn_ns = hob_now();
    if (h2->must_go)
        make_room(h2);
    for (bool goes_on = !h2->must_go; goes_on;) {
        if (hob_cancelled() != 0 && may_say_goodbyes(h2)) {
            say_goodbyes(h2);
            break;
        }
        if (is_woken) {
            is_woken = false;
            goes_on = (h2->stream_count == 0 || step(h2)) && wait_for_bytes(h2);
        } else if (!step(h2)) {
            break;
        } else if (may_idle(h2) && go_idle(h2)) {
            (void)!hob_scope_end(&scope);
            h2->scope = NULL;
            return true;
        } else {
            goes_on = wait_for_bytes(h2);
        }
    }
    end(h2, &scope);
    return false;
}

bool hob__h2_wake(struct http_conn *conn, ssize_t result)
{
    struct h2_conn *h2 = conn->h2;

    h2->is_idle = false;
    h2->must_go = conn->is_displaced && result <= 0;
    if (h2->stream_count > 0) { // who keeps one hears of the end and of errors, by reading
        h2->is_woken = result != -ECANCELED;
        return true;
    }
    h2->is_woken = result > 0;
    h2->is_leaving = h2->is_leaving || result < 0;
    // Idle for too long, or the server drains: it is told. A server that was cancelled has no time.
    return result > 0 || (result == -ECANCELED && hob_scope_cancelled(conn->server->scope) == 0);
}

bool hob__h2_waits(const struct http_conn *conn)
{
    const struct h2_conn *h2 = conn->h2;
    return h2->slow_count > 0 && h2->slow_count + (h2->heading != NULL) == h2->stream_count
           && conn->work != NULL && conn->work->waiting != NULL;
}

bool hob__h2_starts_later(struct http_conn *conn)
{
    if (!conn->is_http2 || conn->h2->stream_count == 0)
        return false;
    conn->h2->wants_task = true;
    return true;
}
