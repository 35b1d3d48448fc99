/* SPDX-License-Identifier: MIT */
/*
 * A stream of HTTP/2 that has become another protocol's (RFC 8441): bytes both ways, as upgrade.c has them of a
 * whole connection.
 *
 *     request ─▶ handler ── upgrade ──▶ the stream is the handler's ── it returns ──▶ its end
 *                                        │ keep                          ▲
 *                                        └▶ it returns: SILENT           │ the keeper has enough
 *                                           ─ bytes, time ─▶ keeper ─────┘
 *
 * What comes lies in s->body, at most the stream's window. What goes is lent to nghttp2 for as long as the
 * call waits: a frame of DATA is made of it at once, with all of its bytes, or not at all. So who is
 * cancelled takes back what did not go.
 *
 * While all streams of a connection are silent it is idle, and its room is gone. Who sends then rouses
 * it, and it has a task until that was sent.
 */
#include <errno.h>
#include <stdlib.h>

#include "hob/task.h"
#include "http/h2.h"

struct h2_tunnel {
    hob_stream        stream; /* first */
    struct h2_stream *s;
    struct h2_tunnel *prev, *next; /* in server->tunnels */

    hob_http_keeper *keeper; /* NULL: it ends with the handler */
    void            *arg;
    hob_scope       *scope;        /* while the keeper runs                         */
    int64_t          silent_at_ns; /* when the keeper is called though nothing came */
    bool             is_late;      /* that time is over                             */
    bool             has_told;     /* the keeper was called with the client's end   */
    bool             wants_task;   /* there was no memory for one                   */
};

static struct http_server *server_of(const struct h2_stream *s)
{
    return s->h2->conn->server;
}

/* ---- the stream ---- */

static struct h2_stream *below(hob_stream *stream)
{
    return ((struct h2_tunnel *)stream)->s;
}

static bool has_ended(const struct h2_stream *s)
{
    return s->has_ended || s->body_error != 0 || s->broken != 0;
}

static ssize_t tunnel_read(hob_stream *stream, void *buf, size_t len)
{
    struct h2_stream *s = below(stream);

    HOB_TRY(hob_cancelled());
    if (len == 0)
        return 0;
    while (s->body_begin == s->body_end && !has_ended(s)) {
        hob_event_reset(&s->readable);
        HOB_TRY(hob_event_wait(&s->readable));
    }
    if (s->body_begin < s->body_end)
        return (ssize_t)hob__h2_stream_read(s, buf, len);
    if (s->has_ended)
        return 0;
    if (s->body_error != 0) // its end did not come, but the connection's: that is no end
        return s->body_error == HOB_EOF ? -ECONNRESET : s->body_error;
    return s->broken;
}

/* Until some of what is lent has gone. */
static int wait_until_taken(struct h2_stream *s, size_t len)
{
    while (s->lent_len == len && s->broken == 0) {
        if (hob__h2_stream_is_stuck(s))
            return -EPIPE;
        hob_event_reset(&s->writable);
        HOB_TRY(hob_event_wait(&s->writable));
    }
    return s->broken;
}

static ssize_t tunnel_writev_some(hob_stream *stream, const struct iovec *pieces, int count)
{
    struct h2_stream *s = below(stream);
    size_t            len = 0;

    HOB_TRY(hob_cancelled());
    if (s->broken != 0 || s->is_ending)
        return s->broken != 0 ? s->broken : -EPIPE;
    if (s->lent_len > 0)
        hob_mistake("hob_stream_write", "another task writes to this stream; one at a time");
    for (int i = 0; i < count; i++)
        len += pieces[i].iov_len;
    if (len == 0)
        return 0;
    s->lent = pieces;
    s->lent_at = 0;
    s->lent_len = len;
    int r = hob__h2_stream_send(s);
    if (r == 0)
        r = wait_until_taken(s, len);
    size_t gone = len - s->lent_len;
    s->lent = NULL;
    s->lent_len = 0;
    return gone > 0 ? (ssize_t)gone : r;
}

static ssize_t tunnel_write_some(hob_stream *stream, const void *buf, size_t len)
{
    struct iovec piece = { (void *)(uintptr_t)buf, len };
    return tunnel_writev_some(stream, &piece, 1);
}

static ssize_t tunnel_write(hob_stream *stream, const void *buf, size_t len)
{
    for (size_t done = 0; done < len;) {
        ssize_t n = tunnel_write_some(stream, (const char *)buf + done, len - done);
        if (n < 0)
            return n;
        done += (size_t)n;
    }
    return (ssize_t)len;
}

/* Does not wait: the end needs no window (send_ends of h2_session.c). */
static int tunnel_shutdown(hob_stream *stream)
{
    struct h2_stream *s = below(stream);

    if (s->broken != 0 || s->is_ending)
        return s->broken;
    hob__h2_stream_ends(s);
    return hob__h2_stream_send(s);
}

static void tunnel_close(hob_stream *stream)
{
    (void)stream;
    hob_mistake("hob_stream_close", "an upgraded request's stream is its server's, and is not to be closed");
}

static const hob_stream_type TUNNEL = {
    .name = "http/2",
    .read = tunnel_read,
    .write_some = tunnel_write_some,
    .write = tunnel_write,
    .writev_some = tunnel_writev_some,
    .shutdown = tunnel_shutdown,
    .close = tunnel_close,
};

/* ---- its beginning and its end ---- */

static void add(struct h2_stream *s, struct h2_tunnel *t)
{
    struct http_server *server = server_of(s);

    t->stream.type = &TUNNEL;
    t->s = s;
    t->next = server->tunnels;
    if (t->next != NULL)
        t->next->prev = t;
    server->tunnels = t;
    s->tunnel = t;
    s->h2->tunnel_count++;
    server->stats->upgraded++;
    server->stats->running--;
}

static void remove_it(struct h2_stream *s)
{
    struct h2_tunnel   *t = s->tunnel;
    struct http_server *server = server_of(s);

    if (t->prev != NULL)
        t->prev->next = t->next;
    else
        server->tunnels = t->next;
    if (t->next != NULL)
        t->next->prev = t->prev;
    s->tunnel = NULL;
    s->h2->tunnel_count--;
    if (!s->is_running)
        s->h2->silent_count--;
    server->stats->upgraded--;
    free(t);
}

int hob__h2_upgrade(hob_http_request *req, hob_stream **ret_stream)
{
    struct h2_stream *s = hob__h2_stream_of(req);

    if (s->has_ended && s->received == 0)
        return -EPROTO; // nothing can come of it
    if (s->broken != 0)
        return s->broken;
    struct h2_tunnel *t = hob__http_alloc(sizeof *t);
    if (t == NULL)
        return -ENOMEM;
    add(s, t);
    req->state = ANSWER_DONE;
    req->is_sent = true;
    req->status = 200;
    s->length = -1;
    req->is_limited = true; // never again
    hob_scope_deadline(req->scope, HOB_FOREVER);
    int r = hob__h2_stream_send(s);
    if (r < 0)
        return r;
    *ret_stream = &t->stream;
    return 0;
}

/* The keeper hears of it for the last time. */
static void end_keeping(struct h2_stream *s, int error)
{
    hob_http_keeper *keeper = s->tunnel->keeper;

    s->tunnel->keeper = NULL;
    server_of(s)->kept--;
    if (error < 0)
        (void)keeper(s->tunnel->arg, error);
}

static void end(struct h2_stream *s, bool is_cut)
{
    struct h2_conn *h2 = s->h2;

    hob__h2_stream_end(s, is_cut);
    remove_it(s);
    hob__h2_stream_free(s);
    hob__h2_kick(h2);
}

void hob__h2_tunnel_free(struct h2_stream *s)
{
    if (s->tunnel->keeper != NULL)
        end_keeping(s, -ECONNRESET);
    remove_it(s);
    hob__h2_stream_free(s);
}

/* ---- without a task ---- */

void hob__h2_keep(hob_http_request *req, int64_t silent_ns, hob_http_keeper *keeper, void *arg)
{
    struct h2_tunnel *t = hob__h2_stream_of(req)->tunnel;

    if (t == NULL)
        hob_mistake("hob_http_keep", "the connection was not upgraded: hob_http_upgrade is first");
    if (t->keeper != NULL)
        hob_mistake("hob_http_keep", "the connection has a keeper already");
    t->keeper = keeper;
    t->arg = arg;
    t->silent_at_ns = hob_in(silent_ns);
}

static void fall_silent(struct h2_stream *s)
{
    if (s->body_begin == s->body_end) {
        free(s->body);
        s->body = NULL;
        s->body_cap = s->body_begin = s->body_end = 0;
    }
    s->is_running = false;
    s->h2->silent_count++;
    hob__h2_stream_gone(s->h2);
}

static bool has_something(const struct h2_stream *s)
{
    return s->body_begin < s->body_end || (has_ended(s) && !s->tunnel->has_told);
}

/* Calls it once, so that a server that ends can end it. False: it has enough. */
static bool call_keeper(struct h2_stream *s)
{
    struct h2_tunnel *t = s->tunnel;
    int               event = t->is_late && !has_something(s) ? HOB_HTTP_SILENT : HOB_HTTP_READY;
    hob_scope         scope;

    t->has_told = has_ended(s) && s->body_begin == s->body_end;
    hob_scope_begin(&scope);
    t->scope = &scope;
    int64_t silent_ns = t->keeper(t->arg, event);
    (void)!hob_scope_end(&scope);
    t->scope = NULL;
    t->is_late = false;
    if (silent_ns >= 0)
        t->silent_at_ns = hob_in(silent_ns);
    return silent_ns >= 0;
}

/* Calls the keeper, first if there is something to tell, until nothing is there. */
static void run_kept(struct h2_stream *s, bool has_event)
{
    int64_t ended = 0;

    for (;;) {
        if (hob_cancelled() != 0 || hob__http_drains(server_of(s))) {
            ended = hob_cancelled() != 0 ? hob_cancelled() : -ECANCELED;
            break;
        }
        if (has_event && !call_keeper(s))
            break;
        if (!has_something(s) && s->broken == 0) {
            fall_silent(s);
            return;
        }
        if (has_event && s->broken != 0) { // it has heard of it, and takes no notice
            ended = s->broken;
            break;
        }
        if (has_event)
            hob_yield(); // one who does not read holds up nobody
        has_event = true;
    }
    end_keeping(s, (int)ended);
    end(s, false);
}

void hob__h2_tunnel_left(struct h2_stream *s, int result)
{
    hob_http_request *req = &s->work->req;

    if (result < 0 && s->broken == 0)
        server_of(s)->stats->failed++;
    hob__http_record(req, result < 0 ? result : s->broken);
    if (result < 0 && s->tunnel->keeper != NULL)
        end_keeping(s, result);
    if (s->tunnel->keeper == NULL) {
        end(s, result < 0);
        return;
    }
    struct http_work *work = s->work;
    s->work = NULL;
    hob__http_work_give(server_of(s), work);
    run_kept(s, false);
}

static int run(void *arg)
{
    run_kept(arg, true);
    return 0;
}

void hob__h2_tunnel_start(struct h2_stream *s)
{
    hob_task_opts opts = { .name = "http, upgraded", .stack_bytes = server_of(s)->opts.stack_bytes };

    s->is_running = true;
    s->h2->silent_count--;
    if (hob_go_with(s->h2->scope, run, s, &opts) == 0)
        return;
    s->is_running = false;
    s->h2->silent_count++;
    s->tunnel->wants_task = true; // a second later
}

void hob__h2_tunnel_call(struct h2_stream *s)
{
    if (s->is_running || s->is_fresh)
        return;
    hob__h2_stream_line_up(s);
    hob__h2_rouse(s->h2);
}

void hob__h2_tunnel_call_all(struct h2_conn *h2)
{
    for (struct h2_stream *s = h2->streams; s != NULL; s = s->next) {
        if (s->tunnel != NULL)
            hob__h2_tunnel_call(s);
    }
}

/* ---- all of a server ---- */

/* A task for a connection for which there was no memory before. False: there is none, or it is not there
 * this time either. */
static bool start_later(struct http_server *server)
{
    for (struct h2_tunnel *t = server->tunnels; t != NULL; t = t->next) {
        struct h2_conn *h2 = t->s->h2;
        if (!h2->wants_task)
            continue;
        h2->wants_task = false;
        if (hob_cancelled() == 0)
            return hob__http_start(h2->conn); // others may have ended, too
        (void)!hob__http_run(h2->conn);
        return true;
    }
    return false;
}

void hob__h2_look_after_tunnels(struct http_server *server)
{
    while (start_later(server))
        ;
    for (struct h2_tunnel *t = server->tunnels; t != NULL; t = t->next) {
        if (t->keeper == NULL || t->s->is_running)
            continue;
        if (t->silent_at_ns <= hob_now())
            t->is_late = true;
        if (t->is_late || t->wants_task)
            hob__h2_tunnel_call(t->s);
        t->wants_task = false;
    }
}

void hob__h2_drain_tunnels(struct http_server *server)
{
    for (struct h2_tunnel *t = server->tunnels; t != NULL; t = t->next) {
        if (t->scope != NULL)
            hob_scope_cancel(t->scope, "the server ends");
        else if (t->s->work != NULL && t->s->work->req.scope != NULL)
            hob_scope_cancel(t->s->work->req.scope, "the server ends");
        else
            hob__h2_tunnel_call(t->s);
    }
}
