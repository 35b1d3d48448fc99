/* SPDX-License-Identifier: MIT */
/*
 * What goes: messages one after the other, frame by frame, with control frames in between.
 *
 *     sender (a message) ─▶ wire (a frame) ─▶ [ rest │ pong, ping, close │ frame ] ─▶ stream
 *
 * Every write takes what was left over of the last one, and the control frames that are wanted, along.
 * A frame is written whole: who is cancelled in the middle of it leaves the rest in memory of its own,
 * for the next who writes. So a cancelled call sent nothing, or all.
 *
 * Small messages that answer what came together go together: gather.
 *
 * A write that the peer does not take within send_ns ends the connection.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "hob/runtime.h"
#include "ws/ws.h"

enum { CONTROLS_MAX = 3 * (WS_HEAD_MAX + WS_CONTROL_MAX) };

/* ---- keys of clients: RFC 6455 10.3 ---- */

static bool in_sim(void)
{
    return strcmp(hob_backend_name(), "sim") == 0;
}

/* Nobody who knows the payload may foresee them. In sim they come from the seed. */
void hob__ws_random(void *out, size_t len)
{
    uint8_t *bytes = out;
    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)hob_random();
    uint8_t secret[64];
    if (!in_sim() && len <= sizeof secret
        && getrandom(secret, len, GRND_NONBLOCK) == (ssize_t)len) { // else less secret, but new
        for (size_t i = 0; i < len; i++)
            bytes[i] ^= secret[i];
    }
}

static void take_key(hob_ws *ws, uint8_t key[static 4])
{
    if (ws->keys_at == sizeof ws->keys) {
        hob__ws_random(ws->keys, sizeof ws->keys);
        ws->keys_at = 0;
    }
    memcpy(key, ws->keys + ws->keys_at, 4);
    ws->keys_at = (uint8_t)(ws->keys_at + 4);
}

/* A head, and with a mask the payload behind it, which the caller copies. */
static size_t write_head(hob_ws *ws, unsigned char *out, struct ws_head *head)
{
    head->is_masked = ws->is_client;
    if (head->is_masked)
        take_key(ws, head->key);
    return hob__ws_head_write(out, head);
}

static size_t write_frame(hob_ws *ws, unsigned char *out, struct ws_head *head, const void *payload)
{
    size_t len = write_head(ws, out, head);
    if (head->is_masked)
        hob__ws_mask(out + len, payload, (size_t)head->len, head->key, 0);
    else if (head->len > 0)
        memcpy(out + len, payload, (size_t)head->len);
    return len + (size_t)head->len;
}

/* ---- control frames ---- */

void hob__ws_want(struct ws_control *control, const void *payload, size_t len)
{
    control->is_wanted = true;
    control->len = (uint8_t)len;
    if (len > 0)
        memcpy(control->payload, payload, len);
}

void hob__ws_want_close(hob_ws *ws, int code, const char *reason)
{
    unsigned char  payload[WS_CONTROL_MAX] = { (unsigned char)(code >> 8), (unsigned char)code };
    size_t         len = reason != NULL ? strlen(reason) : 0;
    struct ws_text text = { 0 };

    if (ws->has_closed || ws->close.is_wanted)
        return;
    if (len > REASON_MAX || !hob__ws_text_more(&text, reason, len) || !hob__ws_text_is_whole(&text))
        len = 0;
    if (len > 0)
        memcpy(payload + 2, reason, len);
    ws->close_code = code;
    hob__ws_want(&ws->close, payload, 2 + len);
}

static size_t put_control(hob_ws *ws, unsigned char *out, struct ws_control *control, uint8_t opcode)
{
    if (!control->is_wanted || ws->has_closed)
        return 0;
    control->is_wanted = false;
    struct ws_head head = { .opcode = opcode, .is_last = true, .len = control->len };
    return write_frame(ws, out, &head, control->payload);
}

static size_t put_controls(hob_ws *ws, unsigned char out[static CONTROLS_MAX])
{
    if (!ws->pong.is_wanted && !ws->ping.is_wanted && !ws->close.is_wanted)
        return 0;
    size_t len = put_control(ws, out, &ws->pong, WS_PONG);
    len += put_control(ws, out + len, &ws->ping, WS_PING);
    bool closes = ws->close.is_wanted;
    len += put_control(ws, out + len, &ws->close, WS_CLOSE);
    ws->has_closed = ws->has_closed || closes;
    return len;
}

/* ---- the wire ---- */

static int broken(hob_ws *ws, ssize_t n)
{
    int error = n == -ECANCELED ? -ECONNRESET : (int)n; // somebody closed the stream
    hob__ws_end(ws, error, HOB_WS_LOST,
                n == -ETIMEDOUT ? "the peer does not take what is sent"
                                : "the connection ended without a goodbye");
    return ws->error == HOB_EOF || ws->error == HOB_EWS ? -EPIPE : ws->error;
}

/* The first `done` bytes are gone already. */
static ssize_t write_from(hob_ws *ws, const struct iovec *all, int count, size_t done)
{
    struct iovec left[PIECES_MAX + 2];
    int          n = 0;

    for (int i = 0; i < count; i++) {
        if (done >= all[i].iov_len) {
            done -= all[i].iov_len;
            continue;
        }
        left[n++] = (struct iovec){ (char *)all[i].iov_base + done, all[i].iov_len - done };
        done = 0;
    }
    return n == 1 ? hob_stream_write_some(ws->stream, left[0].iov_base, left[0].iov_len)
                  : hob_stream_writev_some(ws->stream, left, n);
}

void hob__ws_rest_free(hob_ws *ws)
{
    if (ws->is_gathering)
        hob__ws_room_give(ws->rest);
    else
        free(ws->rest);
    ws->rest = NULL;
    ws->rest_begin = ws->rest_end = 0;
    ws->is_gathering = false;
}

/* Bytes [from, to) of the pieces are left for the next who writes. */
static int keep_rest(hob_ws *ws, const struct iovec *all, int count, size_t from, size_t to)
{
    char  *rest = hob__ws_alloc(to - from);
    size_t at = 0, len = 0;

    if (rest == NULL)
        return -ENOMEM;
    for (int i = 0; i < count; i++) {
        for (size_t k = 0; k < all[i].iov_len; k++, at++) {
            if (at >= from && at < to)
                rest[len++] = ((char *)all[i].iov_base)[k];
        }
    }
    hob__ws_rest_free(ws);
    ws->rest = rest;
    ws->rest_end = len;
    return 0;
}

int hob__ws_write(hob_ws *ws, const struct iovec *pieces, int count, size_t len)
{
    unsigned char controls[CONTROLS_MAX];
    struct iovec  all[PIECES_MAX + 2];
    int           n_all = 0;
    size_t        before = ws->rest_end - ws->rest_begin, done = 0;
    ssize_t       n = 1;
    hob_scope     s;

    if (ws->is_broken)
        return -EPIPE;
    if (before > 0)
        all[n_all++] = (struct iovec){ ws->rest + ws->rest_begin, before };
    size_t controls_len = put_controls(ws, controls);
    if (controls_len > 0)
        all[n_all++] = (struct iovec){ controls, controls_len };
    before += controls_len;
    for (int i = 0; i < count; i++)
        all[n_all++] = pieces[i];
    if (before + len == 0)
        return 0;

    hob_scope_begin(&s);
    if (ws->send_ns != HOB_FOREVER)
        hob_scope_deadline(&s, hob_in(ws->send_ns));
    ws->writing = &s;
    while (n > 0 && done < before + len) {
        n = write_from(ws, all, n_all, done);
        done += n > 0 ? (size_t)n : 0;
    }
    ws->writing = NULL;
    (void)!hob_scope_end(&s); // the result wins
    if (n > 0) {
        hob__ws_rest_free(ws);
        if (ws->has_closed)
            ws->sent_code = ws->close_code;
        return 0;
    }
    bool has_begun = done > before;
    if (hob_cancelled() != 0) {
        int r = done == 0 && controls_len == 0
                    ? 0 : keep_rest(ws, all, n_all, done, has_begun ? before + len : before);
        if (r == 0)
            return has_begun ? 0 : hob_cancelled();
        n = r;
    }
    ws->is_broken = true;
    return broken(ws, n);
}

int hob__ws_wire(hob_ws *ws)
{
    return hob__ws_lock(&ws->wire);
}

static bool wants(const hob_ws *ws)
{
    return !ws->has_closed && (ws->pong.is_wanted || ws->ping.is_wanted || ws->close.is_wanted);
}

/* Who has the wire while others want something sends it, too. */
void hob__ws_wire_end(hob_ws *ws)
{
    while (wants(ws) && ws->wire.waiting == 0 && !ws->is_broken) {
        if (hob__ws_write(ws, NULL, 0, 0) < 0)
            break;
    }
    hob__ws_unlock(&ws->wire);
    if (ws->rest != NULL && !ws->wire.is_held)
        hob__ws_start_flusher(ws);
}

int hob__ws_write_wanted(hob_ws *ws)
{
    if (ws->wire.is_held || (ws->rest == NULL && !wants(ws)))
        return 0;
    int r = hob__ws_wire(ws);
    if (r < 0)
        return r;
    r = hob__ws_write(ws, NULL, 0, 0);
    hob__ws_wire_end(ws);
    return r;
}

/* ---- frames of data ---- */

static bool is_over(const hob_ws *ws)
{
    return ws->error != 0 || ws->has_closed || ws->close.is_wanted;
}

/* In one piece: what is small, and what a mask goes over. */
static int write_copied(hob_ws *ws, struct ws_head *head, const void *payload)
{
    unsigned char  small[WS_HEAD_MAX + SMALL_BYTES], *out = small;
    if (head->len > SMALL_BYTES) {
        out = hob__ws_alloc(WS_HEAD_MAX + (size_t)head->len);
        if (out == NULL)
            return -ENOMEM;
    }
    size_t       len = write_frame(ws, out, head, payload);
    struct iovec piece = { out, len };
    int          r = hob__ws_write(ws, &piece, 1, len);
    if (out != small)
        free(out);
    return r;
}

/* While more of what has come is at hand, most answers are small and have others behind them: they go
 * together, with the last of them, or else when who received is about to wait; or, if it waits for
 * something else, by a task that comes to run then. Only where it is closed by us, so that it is sent
 * before. False: it is to be written now. */
static bool gather(hob_ws *ws, struct ws_head *head, const void *payload)
{
    if (!ws->is_lent || ws->scope == NULL || ws->in_begin == ws->in_end || head->len > SMALL_BYTES
        || ws->is_broken || hob_scope_cancelled(ws->scope) != 0)
        return false;
    if (ws->rest == NULL) {
        ws->rest = hob__ws_room_take();
        if (ws->rest == NULL)
            return false;
        ws->is_gathering = true;
    }
    if (!ws->is_gathering || ROOM_BYTES - ws->rest_end < WS_HEAD_MAX + (size_t)head->len)
        return false;
    ws->rest_end += write_frame(ws, (unsigned char *)ws->rest + ws->rest_end, head, payload);
    return true;
}

static int write_data(hob_ws *ws, struct ws_head *head, const void *payload)
{
    unsigned char out[WS_HEAD_MAX];

    if (is_over(ws)) // it may have ended while this waited for the wire
        return -EPIPE;
    if (gather(ws, head, payload))
        return 0;
    if (ws->is_client || head->len <= SMALL_BYTES)
        return write_copied(ws, head, payload);
    size_t       len = write_head(ws, out, head);
    struct iovec pieces[2] = { { out, len }, { (void *)(uintptr_t)payload, (size_t)head->len } };
    return hob__ws_write(ws, pieces, 2, len + (size_t)head->len);
}

static int send_frame(hob_ws *ws, struct ws_head *head, const void *payload)
{
    int r = hob__ws_wire(ws);
    if (r < 0)
        return r;
    r = write_data(ws, head, payload);
    hob__ws_wire_end(ws);
    return r;
}

/* Compressed, if that was agreed upon and is worth it. With takeover the other side must see all
 * that ours has seen, so what was compressed is sent; and if that cannot be, the window is forgotten by
 * nobody: it has ended. */
static int send_whole(hob_ws *ws, hob_ws_kind kind, const void *data, size_t len)
{
    struct ws_head     head = { .opcode = (uint8_t)kind, .is_last = true, .len = len };
    struct ws_deflate *deflate = ws->deflate;
    unsigned char     *less;
    size_t             less_len;

    if (deflate == NULL || (len < ws->deflate_bytes_min && !deflate->out_keeps))
        return send_frame(ws, &head, data);
    int r = hob__ws_wire(ws);
    if (r < 0)
        return r;
    r = is_over(ws) ? -EPIPE : hob__ws_deflate(deflate, data, len, &less, &less_len);
    if (r == 0) {
        if (less_len < len || deflate->out_keeps) {
            head.is_deflated = true;
            head.len = less_len;
            data = less;
        }
        r = write_data(ws, &head, data);
        free(less);
        if (r < 0 && deflate->out_keeps)
            hob__ws_deflate_forget(deflate); // the other side did not see it
    }
    hob__ws_wire_end(ws);
    return r;
}

/* ---- messages ---- */

static int check_kind(hob_ws_kind kind, const char *function)
{
    if (kind != HOB_WS_TEXT && kind != HOB_WS_BINARY)
        hob_mistake(function, "a message is HOB_WS_TEXT or HOB_WS_BINARY");
    return 0;
}

/* Who began a message would wait for its own end. */
static void check_own(const hob_ws *ws, const char *function)
{
    if (ws->is_sending && ws->sending_task == hob_task_id() && !is_over(ws))
        hob_mistake(function, "this task has begun a message and not ended it: hob_ws_send_end is first");
}

int hob_ws_send(hob_ws *ws, hob_ws_kind kind, const void *data, size_t len)
{
    struct ws_text text = { 0 };

    check_kind(kind, "hob_ws_send");
    check_own(ws, "hob_ws_send");
    WS_CALL(ws);
    if (kind == HOB_WS_TEXT && (!hob__ws_text_more(&text, data, len) || !hob__ws_text_is_whole(&text)))
        return -EILSEQ;
    if (is_over(ws))
        return -EPIPE;
    int r = hob__ws_lock(&ws->sender);
    if (r < 0)
        return r;
    r = is_over(ws) ? -EPIPE : send_whole(ws, kind, data, len);
    hob__ws_unlock(&ws->sender);
    return r;
}

int hob_ws_send_text(hob_ws *ws, const char *text)
{
    return hob_ws_send(ws, HOB_WS_TEXT, text, strlen(text));
}

int hob_ws_send_begin(hob_ws *ws, hob_ws_kind kind)
{
    check_kind(kind, "hob_ws_send_begin");
    check_own(ws, "hob_ws_send_begin");
    WS_CALL(ws);
    if (is_over(ws))
        return -EPIPE;
    int r = hob__ws_lock(&ws->sender);
    if (r < 0)
        return r;
    if (is_over(ws)) {
        hob__ws_unlock(&ws->sender);
        return -EPIPE;
    }
    ws->is_sending = true;
    ws->sending_task = hob_task_id();
    ws->sending = (uint8_t)kind;
    ws->sending_kind = (uint8_t)kind;
    memset(&ws->sending_text, 0, sizeof ws->sending_text);
    return 0;
}

void hob__ws_end_message(hob_ws *ws)
{
    if (!ws->is_sending)
        return; // it ended with the connection
    ws->is_sending = false;
    hob__ws_unlock(&ws->sender);
}

static int send_fragment(hob_ws *ws, const void *data, size_t len, bool is_last)
{
    struct ws_head head = { .opcode = ws->sending, .is_last = is_last, .len = len };
    int            r = send_frame(ws, &head, data);
    if (r == 0)
        ws->sending = WS_CONTINUATION;
    if (is_over(ws) || (r == 0 && is_last))
        hob__ws_end_message(ws);
    return r;
}

/* Between two calls the connection may have ended, and the message with it: that is nobody's mistake. */
static int check_begun(hob_ws *ws, const char *function)
{
    if (is_over(ws)) {
        if (ws->sending_task == hob_task_id())
            hob__ws_end_message(ws);
        return -EPIPE;
    }
    if (!ws->is_sending)
        hob_mistake(function, "no message has begun: hob_ws_send_begin is first");
    return 0;
}

int hob_ws_send_part(hob_ws *ws, const void *data, size_t len)
{
    HOB_TRY(check_begun(ws, "hob_ws_send_part"));
    WS_CALL(ws);
    struct ws_text text = ws->sending_text;
    if (ws->sending_kind == WS_TEXT && !hob__ws_text_more(&text, data, len))
        return -EILSEQ;
    if (len == 0)
        return 0;
    int r = send_fragment(ws, data, len, false);
    if (r == 0)
        ws->sending_text = text;
    return r;
}

int hob_ws_send_end(hob_ws *ws)
{
    HOB_TRY(check_begun(ws, "hob_ws_send_end"));
    WS_CALL(ws);
    if (!hob__ws_text_is_whole(&ws->sending_text))
        return -EILSEQ;
    return send_fragment(ws, NULL, 0, true);
}

int hob_ws_ping(hob_ws *ws, const void *data, size_t len)
{
    if (len > WS_CONTROL_MAX)
        hob_mistake("hob_ws_ping", "a ping has at most 125 bytes");
    WS_CALL(ws);
    if (is_over(ws))
        return -EPIPE;
    hob__ws_want(&ws->ping, data, len);
    return hob__ws_write_wanted(ws);
}

/* ---- for others ---- */

static int flush(void *arg)
{
    hob_ws   *ws = arg;
    hob_scope scope;

    hob_scope_begin(&scope);
    ws->flushing = &scope;
    if (ws->is_gathering)
        hob_yield(); // until who gathers waits
    while (hob_cancelled() == 0 && !ws->is_broken && !ws->is_closing) {
        bool has_rest = ws->rest != NULL && !ws->wire.is_held;
        if (has_rest && hob__ws_write_wanted(ws) < 0)
            break;
        if (!hob__ws_flush_topics(ws) && !has_rest)
            break;
    }
    ws->flushing = NULL;
    ws->flushers = 0;
    (void)!hob_scope_end(&scope);
    hob_event_set(&ws->quiet);
    if (ws->is_closing)
        hob__ws_free(ws);
    return 0;
}

void hob__ws_start_flusher(hob_ws *ws)
{
    hob_task_opts opts = { .name = "WebSocket: sends", .daemon = 1 };

    if (ws->scope == NULL || ws->flushers > 0 || ws->is_broken || hob_scope_cancelled(ws->scope) != 0)
        return;
    ws->flushers = 1;
    hob_event_reset(&ws->quiet);
    if (hob_go_with(ws->scope, flush, ws, &opts) < 0) {
        ws->flushers = 0;
        hob__ws_end(ws, -ENOMEM, HOB_WS_LOST, "there is no memory to send with");
    }
}

void hob__ws_stop_flusher(hob_ws *ws)
{
    if (ws->flushing != NULL) // else it has not begun, or there is none
        hob_scope_cancel(ws->flushing, "the WebSocket has ended");
    HOB_SHIELD(HOB_FOREVER) {
        while (ws->flushers > 0 && hob_event_wait(&ws->quiet) == 0)
            ;
    }
}
