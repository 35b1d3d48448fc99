/* SPDX-License-Identifier: MIT */
/*
 * A connection from its beginning to its end, and how both sides say goodbye: RFC 6455 7.
 *
 * It ends once, with one reason; whoever waits for its bytes is told by a cancelled scope of ours.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ws/ws.h"

/* ---- memory ---- */

long hob__ws_fail_at;

bool hob__ws_fails(void)
{
    return hob__ws_fail_at > 0 && --hob__ws_fail_at == 0;
}

void *hob__ws_alloc(size_t size)
{
    return hob__ws_fails() ? NULL : malloc(size);
}

void *hob__ws_realloc(void *memory, size_t size)
{
    return hob__ws_fails() ? NULL : realloc(memory, size);
}

/* ---- locks ---- */

int hob__ws_lock(struct ws_lock *lock)
{
    if (!lock->is_held) {
        int r = hob_cancelled(); // as every call that can wait
        lock->is_held = r == 0;
        return r;
    }
    lock->waiting++;
    int r = hob_sem_acquire(&lock->sem);
    lock->waiting--;
    if (r == 0) {
        lock->is_passed_on = false;
    } else if (lock->waiting == 0 && lock->is_passed_on) { // to this task, when it was cancelled already
        lock->is_passed_on = false;
        HOB_SHIELD(HOB_FOREVER)
            lock->is_held = hob_sem_acquire(&lock->sem) != 0; // does not wait: the permit is there
    }
    return r;
}

/* It stays held, for who comes next in line. */
void hob__ws_unlock(struct ws_lock *lock)
{
    if (lock->waiting > 0) {
        lock->is_passed_on = true;
        hob_sem_release(&lock->sem);
    } else {
        lock->is_held = false;
    }
}

/* ---- callers ---- */

hob_ws *hob__ws_enter(hob_ws *ws)
{
    ws->callers++;
    return ws;
}

void hob__ws_leave(hob_ws **ws)
{
    if (--(*ws)->callers == 0 && (*ws)->error != 0)
        hob_event_set(&(*ws)->left);
}

void hob__ws_empty(hob_ws *ws)
{
    hob__ws_end(ws, -ECANCELED, HOB_WS_LOST, "it was closed");
    ws->is_broken = true;
    if (ws->writing != NULL)
        hob_scope_cancel(ws->writing, "the WebSocket has ended");
    hob__ws_end_message(ws); // nobody will: who waits for its end goes on
    HOB_SHIELD(HOB_FOREVER) {
        while (ws->callers > 0) {
            hob_event_reset(&ws->left);
            (void)!hob_event_wait(&ws->left); // for ever, and shielded
        }
    }
}

/* ---- options ---- */

static int64_t time_or_else(int64_t value, int64_t normal)
{
    return value != 0 ? value : normal;
}

void hob__ws_check_opts(const hob_ws_opts *opts, const char *function)
{
    if (opts == NULL)
        return;
    if (opts->ping_ns < 0 || opts->pong_ns < 0 || opts->send_ns < 0 || opts->close_ns < 0
        || opts->handshake_ns < 0)
        hob_mistake(function, "a time is negative");
    if (opts->window_bits != 0 && (opts->window_bits < 9 || opts->window_bits > 15))
        hob_mistake(function, "window_bits is from 9 to 15");
    if (opts->level < 0 || opts->level > 9)
        hob_mistake(function, "level is from 1 to 9");
}

hob_ws *hob__ws_new(const hob_ws_opts *opts, bool is_client)
{
    static const hob_ws_opts NONE;
    hob_ws *ws = hob__ws_alloc(sizeof *ws);

    if (ws == NULL)
        return NULL;
    if (opts == NULL)
        opts = &NONE;
    memset(ws, 0, sizeof *ws);
    ws->is_client = is_client;
    ws->message_bytes_max = opts->message_bytes_max != 0 ? opts->message_bytes_max : 1048576;
    if (ws->message_bytes_max > SIZE_MAX / 4)
        ws->message_bytes_max = SIZE_MAX / 4; // so that nothing overflows
    ws->fragments_max = opts->fragments_max != 0 ? opts->fragments_max : 4096;
    ws->ping_ns = time_or_else(opts->ping_ns, 30 * HOB_SEC);
    ws->pong_ns = time_or_else(opts->pong_ns, 20 * HOB_SEC);
    ws->send_ns = time_or_else(opts->send_ns, 30 * HOB_SEC);
    ws->close_ns = time_or_else(opts->close_ns, 5 * HOB_SEC);
    ws->reason = "";
    ws->over.name = "a WebSocket has ended";
    ws->quiet.name = "nobody writes to a WebSocket";
    ws->keys_at = sizeof ws->keys;
    ws->silent_since_ns = hob_now();
    return ws;
}

struct ws_extension hob__ws_wanted(const hob_ws_opts *opts)
{
    int bits = opts->window_bits != 0 ? opts->window_bits : 13;
    return (struct ws_extension){ opts->takeover, opts->takeover, bits, bits };
}

int hob__ws_use_deflate(hob_ws *ws, const struct ws_extension *agreed, const hob_ws_opts *opts)
{
    ws->deflate = hob__ws_alloc(sizeof *ws->deflate);
    if (ws->deflate == NULL)
        return -ENOMEM;
    *ws->deflate = (struct ws_deflate){
        .in_keeps = ws->is_client ? agreed->server_keeps : agreed->client_keeps,
        .out_keeps = ws->is_client ? agreed->client_keeps : agreed->server_keeps,
        .in_bits = ws->is_client ? agreed->server_bits : agreed->client_bits,
        .out_bits = ws->is_client ? agreed->client_bits : agreed->server_bits,
        .level = opts->level != 0 ? opts->level : 1,
    };
    ws->deflate_bytes_min = opts->deflate_bytes_min != 0 ? opts->deflate_bytes_min : 128;
    return 0;
}

/* ---- the end ---- */

void hob__ws_end(hob_ws *ws, int error, int code, const char *reason)
{
    if (ws->error != 0)
        return;
    ws->error = error;
    if (ws->code == 0)
        ws->code = code;
    if (ws->reason[0] == '\0')
        ws->reason = reason;
    hob_event_set(&ws->over);
    if (ws->reading != NULL)
        hob_scope_cancel(ws->reading, "the WebSocket has ended");
}

int hob__ws_fail(hob_ws *ws, int code, const char *reason)
{
    hob__ws_want_close(ws, code, reason);
    (void)!hob__ws_write_wanted(ws); // it ends in any case
    hob__ws_end(ws, HOB_EWS, HOB_WS_LOST, reason);
    return HOB_EWS;
}

/* Throws away what comes until it has ended. */
static void read_to_the_end(hob_ws *ws)
{
    hob_ws_kind kind;
    const char *data;
    ssize_t     n;

    do
        n = hob_ws_recv(ws, &kind, &data);
    while (n >= 0 || (n == -ENOMEM && ws->error == 0 && hob_sleep(10 * HOB_MSEC) == 0));
}

/* The peer's goodbye is read by another task, or by the keeper when it comes. */
static bool others_read(const hob_ws *ws)
{
    return ws->is_filling || (ws->is_kept && ws->keeper_task != hob_task_id());
}

/* Both have said goodbye; but ours may wait behind what another task is writing. */
static void send_last(hob_ws *ws)
{
    hob_scope s;

    if (ws->is_broken || !(ws->wire.is_held || ws->rest != NULL || ws->close.is_wanted))
        return;
    hob_scope_begin(&s);
    if (ws->close_ns != HOB_FOREVER)
        hob_scope_deadline(&s, hob_in(ws->close_ns));
    if (hob__ws_wire(ws) == 0) {
        (void)!hob__ws_write(ws, NULL, 0, 0); // it has ended in any case
        hob__ws_wire_end(ws);
    }
    (void)!hob_scope_end(&s);
}

int hob_ws_shutdown(hob_ws *ws, int code, const char *reason)
{
    if (code < 0 || !hob__ws_code_is_sent((unsigned)code))
        hob_mistake("hob_ws_shutdown", "this code is never sent: RFC 6455 7.4");
    WS_CALL(ws);
    if (ws->error == HOB_EOF)
        send_last(ws);
    if (ws->error != 0)
        return ws->error == HOB_EOF ? 0 : ws->error;
    if (!ws->has_closed && !ws->close.is_wanted)
        hob__ws_want_close(ws, code, reason);

    hob_scope s;
    hob_scope_begin(&s);
    if (ws->close_ns != HOB_FOREVER)
        hob_scope_deadline(&s, hob_in(ws->close_ns));
    int r = hob__ws_write_wanted(ws);
    if (r == 0 && !others_read(ws))
        read_to_the_end(ws);
    else if (r == 0)
        r = hob_event_wait(&ws->over);
    int ended = hob_scope_end(&s);
    if (ws->error == 0 && hob_cancelled() != 0)
        return hob_cancelled();
    if (ws->error == 0) // the time is over
        hob__ws_end(ws, ended < 0 ? ended : -ETIMEDOUT, HOB_WS_LOST, "the goodbye was not answered");
    return ws->error == HOB_EOF ? 0 : ws->error;
}

void hob_ws_close(hob_ws *ws)
{
    if (ws == NULL)
        return;
    if (ws->is_lent)
        hob_mistake("hob_ws_close", "hob_ws_serve and hob_ws_keep close it themselves; hob_ws_shutdown ends it");
    if (ws->callers > 0)
        hob_mistake("hob_ws_close", "another task is still in a call with it: end the scope of that task first");
    hob__ws_end(ws, -ECANCELED, HOB_WS_LOST, "it was closed");
    hob__ws_leave_topics(ws);
    if (ws->flushers > 0) { // it frees it
        ws->is_closing = true;
        if (ws->flushing != NULL)
            hob_scope_cancel(ws->flushing, "the WebSocket was closed");
        return;
    }
    hob__ws_free(ws);
}

void hob__ws_free(hob_ws *ws)
{
    if (ws->deflate != NULL)
        hob__ws_deflate_fini(ws->deflate);
    if (ws->ends_stream && ws->error == HOB_EOF)
        (void)!hob_stream_shutdown(ws->stream); // it does not wait, and is closed in any case
    if (ws->is_client)
        hob_stream_close(ws->stream);
    free(ws->deflate);
    free(ws->protocol);
    free(ws->words);
    hob__ws_room_give(ws->in);
    free(ws->whole);
    hob__ws_rest_free(ws);
    free(ws);
}

/* ---- what is known ---- */

void hob_ws_ended(const hob_ws *ws, hob_ws_end *ret_end)
{
    *ret_end = (hob_ws_end){
        .code = ws->error != 0 ? ws->code : 0,
        .sent_code = ws->sent_code,
        .error = ws->error,
        .reason = ws->words != NULL ? ws->words : ws->reason,
    };
}

const char *hob_ws_protocol(const hob_ws *ws)
{
    return ws->protocol != NULL ? ws->protocol : "";
}

int hob_ws_is_deflated(const hob_ws *ws)
{
    return ws->deflate != NULL;
}
