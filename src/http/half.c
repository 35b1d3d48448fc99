/* SPDX-License-Identifier: MIT */
/*
 * Requests of which a part has come: what there is of one is kept, and nothing else.
 *
 *     a task reads ─▶ part of a head ─▶ HALF: its bytes, no task, no room ── more ─▶ a task reads ─▶ ...
 *                                        │ head_ns are over: a task says 408
 *                                        └ others need the connection: closed
 *
 * So whoever sends a byte a second holds a few hundred bytes, does not count as running, and is in nobody's
 * way. A half keeps its place in the list while a task looks at what has come; all of them have as long, so
 * the first is the next whose time is over.
 *
 * The same waits for bodies, while the server is crowded with requests that do (crowd.c): if each that comes
 * had its handler at once, another would have to go for it, and would come again. This way it has to send
 * something first.
 *
 * A head is parsed from its beginning each time, since where its fields are is in a room that others have
 * meanwhile: that is less than what it takes to hear of a byte.
 */
#include <stdlib.h>
#include <string.h>

#include "hob/task.h"
#include "http/server.h"

enum { GROWTH = 256 };

/* ---- the list ---- */

static void add(struct http_server *server, struct http_half *half)
{
    half->prev = server->halves_last;
    if (half->prev != NULL)
        half->prev->next = half;
    else
        server->halves = half;
    server->halves_last = half;
    hob_event_set(&server->someone_half);
}

static void take_out(struct http_server *server, struct http_half *half)
{
    if (half->prev != NULL)
        half->prev->next = half->next;
    else
        server->halves = half->next;
    if (half->next != NULL)
        half->next->prev = half->prev;
    else
        server->halves_last = half->prev;
}

void hob__http_half_free(struct http_conn *conn)
{
    struct http_half *half = conn->half;

    if (half == NULL)
        return;
    take_out(conn->server, half);
    conn->server->halves_bytes -= half->size;
    conn->half = NULL;
    free(half->bytes);
    free(half);
}

static struct http_half *half_of(struct http_conn *conn)
{
    if (conn->half != NULL)
        return conn->half;
    struct http_half *half = hob__http_alloc(sizeof *half);
    if (half == NULL)
        return NULL;
    half->conn = conn;
    half->since_ns = conn->work->head_since_ns;
    conn->half = half;
    add(conn->server, half);
    return half;
}

/* As many heads may be kept as may run, each as long as it may be. */
static bool make_room(struct http_server *server, struct http_half *half, size_t len)
{
    size_t size = (len + GROWTH - 1) / GROWTH * GROWTH;
    size_t max = (size_t)server->opts.running_max * server->opts.head_bytes_max;

    if (size <= half->size)
        return true;
    if (server->halves_bytes - half->size + size > max)
        return false;
    char *bytes = hob__http_alloc(size);
    if (bytes == NULL)
        return false;
    free(half->bytes);
    server->halves_bytes += size - half->size;
    half->bytes = bytes;
    half->size = size;
    return true;
}

/* ---- leaving, and coming back ---- */

bool hob__http_half_leave(struct http_conn *conn, bool is_whole)
{
    struct http_server *server = conn->server;
    struct http_work   *work = conn->work;
    size_t              len = work->in_end - work->in_begin;

    if (conn->is_lent || conn->stream->type->ready_prep == NULL || hob__http_drains(server)
        || (conn->half != NULL && conn->half->has_news))
        return false;
    struct http_half *half = half_of(conn);
    if (half == NULL)
        return false;
    if (make_room(server, half, len)) {
        memcpy(half->bytes, work->in + work->in_begin, len);
        half->len = len;
        half->is_whole = is_whole;
        if (hob__http_idle(conn))
            return true;
    }
    hob__http_half_free(conn);
    return false;
}

bool hob__http_half_resume(struct http_conn *conn)
{
    struct http_half *half = conn->half;
    struct http_work *work = conn->work;

    memcpy(work->in, half->bytes, half->len);
    work->in_begin = 0;
    work->in_end = half->len;
    work->head_since_ns = half->since_ns;
    half->has_news = !half->is_late && !hob__http_drains(conn->server); // else it was not woken by bytes
    if (!half->has_news || !hob__http_hears_words(conn->server))
        return true; // a read may wait: fill does it, with its limits
    ssize_t n = hob_stream_read(conn->stream, work->in + work->in_end, work->in_cap - work->in_end);
    if (n > 0)
        work->in_end += (size_t)n;
    half->has_news = false;
    return n > 0;
}

/* ---- the end of their time ---- */

static void wake(struct http_half *half)
{
    if (half->is_waiting)
        hob_op_cancel(&half->conn->op);
}

static void end_late(struct http_server *server, int64_t since_ns)
{
    for (struct http_half *half = server->halves; half != NULL && half->since_ns <= since_ns; half = half->next) {
        half->is_late = true;
        wake(half);
    }
}

int hob__http_look_after_halves(void *arg)
{
    struct http_server *server = arg;
    int64_t             head_ns = server->opts.head_ns;

    while (head_ns != HOB_FOREVER) {
        if (server->halves == NULL) {
            hob_event_reset(&server->someone_half);
            HOB_TRY(hob_event_wait(&server->someone_half));
            continue;
        }
        HOB_TRY(hob_sleep_until(server->halves->since_ns + head_ns));
        end_late(server, hob_now() - head_ns);
        HOB_TRY(hob_sleep(10 * HOB_MSEC)); // while they come back
    }
    return 0;
}

void hob__http_wake_halves(struct http_server *server)
{
    for (struct http_half *half = server->halves; half != NULL; half = half->next)
        wake(half);
}

struct http_half *hob__http_first_half(const struct http_server *server)
{
    struct http_half *half = server->halves;
    while (half != NULL && (!half->is_waiting || half->conn->is_displaced))
        half = half->next;
    return half;
}
