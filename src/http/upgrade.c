/* SPDX-License-Identifier: MIT */
/*
 * A connection that changes its protocol (RFC 9110 7.8): 101, and from then on its bytes are the
 * handler's.
 *
 *     request ─▶ handler ── upgrade ──▶ the stream is the handler's ── it returns ──▶ closed
 *                                        │ keep                          ▲
 *                                        └▶ it returns: no task, no room │ the keeper has enough
 *                                           ─ ready, silent ─▶ keeper ───┘
 *
 * Bytes that came with the request lie in front of the stream. The limits of requests count no more;
 * that of upgraded connections does, and a server that ends cancels them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "hob/task.h"
#include "http/h2.h"

struct http_upgrade {
    hob_stream        stream; /* first */
    struct http_conn *conn;
    char             *early; /* what came with the request, [begin, end); NULL: nothing is left */
    size_t            begin, end;

    hob_http_keeper *keeper; /* NULL: it ends with the handler */
    void            *arg;
    hob_scope       *scope;        /* while the keeper runs                         */
    int64_t          silent_at_ns; /* when the keeper is called though nothing came */
    bool             is_late;      /* that time is over                             */
    bool             is_waiting;   /* conn->op waits for bytes                      */
    int              error;        /* of the handler, which failed after all        */
    bool             wants_task;   /* the keeper is to be called, and there was no memory */
};

/* ---- the stream ---- */

static hob_stream *below(hob_stream *stream)
{
    return ((struct http_upgrade *)stream)->conn->stream;
}

static ssize_t upgraded_read(hob_stream *stream, void *buf, size_t len)
{
    struct http_upgrade *up = (struct http_upgrade *)stream;
    if (up->early == NULL)
        return hob_stream_read(below(stream), buf, len);
    size_t n = up->end - up->begin < len ? up->end - up->begin : len;
    memcpy(buf, up->early + up->begin, n);
    up->begin += n;
    if (up->begin == up->end) {
        free(up->early);
        up->early = NULL;
    }
    return (ssize_t)n;
}

static ssize_t upgraded_write_some(hob_stream *stream, const void *buf, size_t len)
{
    return hob_stream_write_some(below(stream), buf, len);
}

static ssize_t upgraded_write(hob_stream *stream, const void *buf, size_t len)
{
    return hob_stream_write(below(stream), buf, len);
}

static ssize_t upgraded_writev_some(hob_stream *stream, const struct iovec *pieces, int count)
{
    return hob_stream_writev_some(below(stream), pieces, count);
}

static int upgraded_shutdown(hob_stream *stream)
{
    return hob_stream_shutdown(below(stream));
}

static int upgraded_ready(hob_stream *stream, hob_op *op)
{
    if (((struct http_upgrade *)stream)->early != NULL)
        return -ENOTSUP; // who reads gets it at once
    return hob_stream_ready_prep(op, below(stream));
}

static void upgraded_close(hob_stream *stream)
{
    (void)stream;
    hob_mistake("hob_stream_close", "an upgraded connection is its server's, and is not to be closed");
}

static const hob_stream_type UPGRADED = {
    .name = "http, upgraded",
    .read = upgraded_read,
    .write_some = upgraded_write_some,
    .write = upgraded_write,
    .writev_some = upgraded_writev_some,
    .shutdown = upgraded_shutdown,
    .ready_prep = upgraded_ready,
    .close = upgraded_close,
};

/* ---- the request for it ---- */

/* Whether one of the headers of that name lists the word. */
static bool lists(const hob_http_request *req, const char *name, const char *word)
{
    const char *header, *value;
    for (size_t i = 0; hob_http_header_at(req, i, &header, &value); i++) {
        const char *at = value, *end = value + strlen(value), *item;
        size_t      len;
        while (strcasecmp(header, name) == 0 && hob__h1_list_next(&at, end, &item, &len)) {
            if (hob__h1_is(item, len, word))
                return true;
        }
    }
    return false;
}

static struct http_upgrade *upgrade_new(hob_http_request *req)
{
    struct http_work    *work = req->work;
    size_t               early = work->in_end - work->in_begin;
    struct http_upgrade *up = hob__http_alloc(sizeof *up);

    if (up == NULL)
        return NULL;
    if (early > 0) {
        up->early = hob__http_alloc(early);
        if (up->early == NULL) {
            free(up);
            return NULL;
        }
        memcpy(up->early, work->in + work->in_begin, early);
        up->end = early;
    }
    up->stream.type = &UPGRADED;
    up->conn = req->conn;
    return up;
}

/* The keeper hears of it for the last time. */
static void end_keeping(struct http_conn *conn, int error)
{
    struct http_upgrade *up = conn->upgrade;
    hob_http_keeper     *keeper = up->keeper;

    up->keeper = NULL;
    conn->server->kept--;
    if (error < 0)
        (void)keeper(up->arg, error);
}

void hob__http_upgrade_free(struct http_conn *conn)
{
    struct http_upgrade *up = conn->upgrade;
    if (up->keeper != NULL)
        end_keeping(conn, up->error != 0 ? up->error : -ECONNRESET);
    struct http_conn **first = &conn->server->upgraded;
    if (conn->prev != NULL)
        conn->prev->next = conn->next;
    else
        *first = conn->next;
    if (conn->next != NULL)
        conn->next->prev = conn->prev;
    conn->server->stats->upgraded--;
    conn->is_upgraded = false;
    conn->upgrade = NULL;
    free(up->early);
    free(up);
}

static void upgrade_add(struct http_conn *conn, struct http_upgrade *up)
{
    struct http_server *server = conn->server;

    conn->upgrade = up;
    conn->is_upgraded = true;
    conn->prev = NULL;
    conn->next = server->upgraded;
    if (conn->next != NULL)
        conn->next->prev = conn;
    server->upgraded = conn;
    server->stats->upgraded++;
    hob__http_count_out(conn);
}

/* The head of the answer; what was answered before it goes with it. */
static int say_101(hob_http_request *req, const char *protocol)
{
    static const char LINE[] = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ";
    struct http_conn *conn = req->conn;
    size_t            len = strlen(protocol);

    int r = hob__http_room(conn, sizeof LINE + len + 4 + req->headers_len);
    if (r < 0)
        return r;
    hob__http_put(conn, LINE, sizeof LINE - 1);
    hob__http_put(conn, protocol, len);
    hob__http_put(conn, "\r\n", 2);
    hob__http_put(conn, req->work->headers, req->headers_len);
    hob__http_put(conn, "\r\n", 2);
    req->status = 101;
    req->state = ANSWER_DONE;
    req->closes = true;
    return hob__http_flush_out(conn);
}

static bool may_one_more(const struct http_server *server)
{
    return server->stats->upgraded < server->opts.upgraded_max && !hob__http_drains(server);
}

static int upgrade(hob_http_request *req, const char *protocol, hob_stream **ret_stream)
{
    struct http_conn   *conn = req->conn;
    struct http_server *server = conn->server;

    if (strlen(protocol) > VALUE_BYTES_MAX || !hob__h1_is_value(protocol, strlen(protocol)))
        return -EINVAL;
    if (req->state != ANSWER_NONE)
        return -EALREADY;
    if (req->transport->upgrade != NULL) {
        if (strcasecmp(req->protocol, protocol) != 0)
            return -EPROTO;
        return may_one_more(server) ? req->transport->upgrade(req, ret_stream) : -ENOBUFS;
    }
    if (req->head.minor == 0 || !lists(req, "Connection", "upgrade") || !lists(req, "Upgrade", protocol))
        return -EPROTO;
    if (!req->is_body_done)
        return -EBUSY;
    if (conn->broken != 0)
        return conn->broken;
    if (!may_one_more(server))
        return -ENOBUFS;
    struct http_upgrade *up = upgrade_new(req);
    if (up == NULL)
        return -ENOMEM;
    hob__http_unwatch(conn); // the reader is the handler now
    req->work->in_begin = req->work->in_end;
    upgrade_add(conn, up);
    req->is_limited = true; // never again
    hob_scope_deadline(req->scope, HOB_FOREVER);
    int r = say_101(req, protocol);
    if (r < 0)
        return r;
    *ret_stream = &up->stream;
    return 0;
}

int hob_http_upgrade(hob_http_request *req, const char *protocol, hob_stream **ret_stream)
{
    int r = upgrade(req, protocol, ret_stream);
    if (r == 0)
        hob__http_tell_begun(req, hob_http_status(req));
    return r;
}

/* ---- without a task ---- */

static bool start_keeper(struct http_conn *conn);

/* One more that is kept, and somebody who looks after them. */
static int count_kept(struct http_server *server)
{
    hob_task_opts opts = { .name = "http: upgraded", .daemon = 1 };

    if (!server->is_looking) {
        server->kept++; // it goes on for as long as there are any
        server->is_looking = true;
        int r = hob_go_with(server->scope, hob__http_look_after_kept, server, &opts);
        server->kept--;
        if (r < 0) {
            server->is_looking = false;
            return r;
        }
    }
    server->kept++;
    return 0;
}

int hob_http_keep(hob_http_request *req, int64_t silent_ns, hob_http_keeper *keeper, void *arg,
                  hob_scope **ret_scope)
{
    struct http_server *server = req->conn->server;

    if (req->transport->keep == NULL && !req->conn->is_upgraded)
        hob_mistake("hob_http_keep", "the connection was not upgraded: hob_http_upgrade is first");
    if (req->transport->keep == NULL && req->conn->upgrade->keeper != NULL)
        hob_mistake("hob_http_keep", "the connection has a keeper already");
    int r = count_kept(server);
    if (r < 0)
        return r;
    *ret_scope = server->scope;
    if (req->transport->keep != NULL) {
        req->transport->keep(req, silent_ns, keeper, arg);
        return 0;
    }
    struct http_upgrade *up = req->conn->upgrade;
    up->keeper = keeper;
    up->arg = arg;
    up->silent_at_ns = hob_in(silent_ns);
    return 0;
}

bool hob__http_is_kept(const struct http_conn *conn)
{
    return conn->is_upgraded && conn->upgrade->keeper != NULL;
}

void hob__http_upgrade_failed(struct http_conn *conn, int error)
{
    if (conn->is_upgraded)
        conn->upgrade->error = error;
}

static void on_kept_ready(void *arg, ssize_t result)
{
    struct http_conn *conn = arg;

    if (result >= 0) // something came after all; the end and errors are the keeper's to read
        conn->upgrade->is_late = false;
    conn->upgrade->is_waiting = false;
    (void)start_keeper(conn);
}

/* Waits for bytes without a task and without room. False: it cannot. */
static bool wait_kept(struct http_conn *conn)
{
    if (conn->is_lent || conn->upgrade->early != NULL
        || hob_stream_ready_prep(&conn->op, conn->stream) < 0)
        return false;
    conn->upgrade->is_waiting = true;
    hob_op_call(conn->server->scope, &conn->op, on_kept_ready, conn);
    return true;
}

/* Calls it once, so that a server that ends can end it. False: it has enough. */
static bool call_keeper(struct http_conn *conn)
{
    struct http_upgrade *up = conn->upgrade;
    hob_scope            scope;

    hob_scope_begin(&scope);
    up->scope = &scope;
    int64_t silent_ns = up->keeper(up->arg, up->is_late ? HOB_HTTP_SILENT : HOB_HTTP_READY);
    (void)!hob_scope_end(&scope);
    up->scope = NULL;
    up->is_late = false;
    if (silent_ns >= 0)
        up->silent_at_ns = hob_in(silent_ns);
    return silent_ns >= 0;
}

bool hob__http_run_kept(struct http_conn *conn, bool has_event)
{
    hob__http_work_give(conn->server, conn->work);
    conn->work = NULL;
    for (;;) {
        if (hob_cancelled() != 0 || hob__http_drains(conn->server)) {
            end_keeping(conn, hob_cancelled() != 0 ? hob_cancelled() : -ECANCELED);
            return true;
        }
        if (has_event && !call_keeper(conn)) {
            end_keeping(conn, 0);
            return true;
        }
        if (wait_kept(conn))
            return false;
        has_event = true;
    }
}

static int run_keeper(void *arg)
{
    struct http_conn *conn = arg;
    if (hob__http_run_kept(conn, true)) {
        hob__http_goodbye(conn);
        hob__http_close(conn);
    }
    return 0;
}

/* Without memory for a task it gets one later: false. Else it has run, and may be gone. */
static bool start_keeper(struct http_conn *conn)
{
    hob_task_opts opts = { .name = "http, upgraded",
                           .stack_bytes = conn->server->opts.stack_bytes };
    if (hob_go_with(conn->server->scope, run_keeper, conn, &opts) == 0)
        return true;
    conn->upgrade->wants_task = true;
    return false;
}

static bool look_after(struct http_conn *conn)
{
    struct http_upgrade *up = conn->upgrade;

    if (up->wants_task) {
        up->wants_task = false;
        return hob_cancelled() != 0 ? run_keeper(conn) == 0 : start_keeper(conn);
    }
    if (up->is_waiting && !up->is_late && up->silent_at_ns <= hob_now()) {
        up->is_late = true;
        hob_op_cancel(&conn->op);
    }
    return false;
}

static void look_after_all(struct http_server *server)
{
    struct http_conn *conn = server->upgraded, *next;
    for (; conn != NULL; conn = next) {
        next = conn->next;
        if (hob__http_is_kept(conn) && look_after(conn))
            next = server->upgraded; // it has run, and others may have ended
        if (next == conn)
            next = conn->next;
    }
}

/* A task beside the others, while there are any kept: tells who is silent for too long, within a
 * second. (With a timer each, an idle one would be half as large again.) */
int hob__http_look_after_kept(void *arg)
{
    struct http_server *server = arg;

    while (server->kept > 0) {
        look_after_all(server);
        hob__h2_look_after_tunnels(server);
        if (hob_sleep(HOB_SEC) < 0) {
            HOB_SHIELD(HOB_SEC)
                (void)!hob_sleep(10 * HOB_MSEC); // while they end
        }
    }
    server->is_looking = false;
    return 0;
}

void hob__http_drain_upgraded(struct http_server *server)
{
    hob__h2_drain_tunnels(server);
    for (struct http_conn *conn = server->upgraded; conn != NULL; conn = conn->next) {
        struct http_upgrade *up = conn->upgrade;
        if (up->is_waiting)
            hob_op_cancel(&conn->op);
        else if (up->scope != NULL)
            hob_scope_cancel(up->scope, "the server ends");
        else if (conn->work != NULL && conn->work->req.scope != NULL)
            hob_scope_cancel(conn->work->req.scope, "the server ends");
    }
}
