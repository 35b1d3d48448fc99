/* SPDX-License-Identifier: MIT */
/*
 * A connection without a task: hob_http_keep calls when bytes are there, when it was silent for too
 * long, and for the last time. Between two calls it has no buffer, unless a frame or a message has
 * begun.
 */
#include <errno.h>

#include "ws/ws.h"

/* What there is is received, and handled. Returns 0, or the error by which it ends. */
static int take_in(hob_ws *ws)
{
    hob_ws_kind kind;
    const char *data;
    ssize_t     n;

    int r = ws->is_unread ? 0 : hob__ws_fill(ws); // does not wait: it was ready
    ws->is_unread = false;
    if (r < 0)
        return r;
    while ((n = hob__ws_recv_now(ws, &kind, &data)) >= 0) {
        r = ws->calls.message(ws, ws->arg, kind, data, (size_t)n);
        if (r < 0)
            return ws->error != 0 ? ws->error : r;
    }
    if (n != -EAGAIN)
        return (int)n;
    r = hob__ws_write_wanted(ws);
    hob__ws_give_back(ws);
    return ws->error != 0 ? ws->error : hob_cancelled() != 0 ? r : 0;
}

static void finish(hob_ws *ws, int result)
{
    int64_t limit_ns = ws->close_ns < HOB_SEC ? ws->close_ns : HOB_SEC;
    int     code = hob_cancelled() != 0 || result == -ECANCELED ? HOB_WS_GOING_AWAY : HOB_WS_FAILED;

    hob__ws_leave_topics(ws);
    HOB_SHIELD(code == HOB_WS_GOING_AWAY ? limit_ns : ws->close_ns)
        (void)!hob_ws_shutdown(ws, code, NULL); // it is closed in any case
    hob__ws_end(ws, result, HOB_WS_LOST, "the server ended it");
    hob__ws_stop_flusher(ws);
    if (ws->calls.ended != NULL)
        ws->calls.ended(ws, ws->arg);
    hob__ws_empty(ws);
    ws->is_lent = false;
    hob_ws_close(ws);
}

static int64_t keeper(void *arg, int event)
{
    hob_ws *ws = arg;
    int     r = event;

    ws->keeper_task = hob_task_id();
    if (event == HOB_HTTP_READY || (event == HOB_HTTP_SILENT && ws->is_unread))
        r = take_in(ws);
    else if (event == HOB_HTTP_SILENT)
        r = hob__ws_is_silent(ws);
    if (r == 0)
        r = ws->error != 0 ? ws->error : hob__ws_write_wanted(ws); // another's goodbye was not answered
    if (r < 0) {
        finish(ws, r);
        return -ECANCELED;
    }
    ws->keeper_task = 0;
    return ws->is_pinged ? ws->pong_ns : ws->ping_ns;
}

int hob_ws_keep(hob_ws *ws, const hob_ws_calls *calls, void *arg)
{
    hob_scope *scope;

    if (ws->req == NULL)
        hob_mistake("hob_ws_keep", "only a server's connection is kept, once, by its handler");
    if (calls->message == NULL)
        hob_mistake("hob_ws_keep", "nobody takes the messages: `message` is NULL");
    bool is_unread = ws->in_begin < ws->in_end; // received with what the handler took
    int  r = hob_http_keep(ws->req, is_unread ? 0 : ws->ping_ns, keeper, ws, &scope);
    if (r < 0)
        return r;
    ws->is_unread = is_unread;
    ws->calls = *calls;
    ws->arg = arg;
    ws->req = NULL;
    ws->is_kept = ws->is_lent = true;
    ws->scope = scope;
    hob__ws_move_topics(ws);
    return 0;
}
