/* SPDX-License-Identifier: MIT */
/*
 * What comes: bytes, frames, messages.
 *
 *     fill:  stream ──▶ in │ frames ──▶ control: answered here
 *                                  └──▶ data: mask off, inflated, checked ──▶ the caller's memory
 *
 * take_part is the heart: it goes on from wherever it was, with what is there, and says -EAGAIN when
 * more must come. So nothing depends on how the bytes were cut, and a call that was cancelled is gone
 * on with by the next. A small message that lies whole in `in` is shown there.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ws/ws.h"

/* ---- bytes ---- */

static void put_byte_back(hob_ws *ws)
{
    if (ws->nul_at != NULL)
        *ws->nul_at = ws->nul_was;
    ws->nul_at = NULL;
}

static int make_room(hob_ws *ws)
{
    if (ws->in == NULL) {
        ws->in = hob__ws_room_take();
        if (ws->in == NULL)
            return -ENOMEM;
        ws->in_cap = IN_BYTES;
        ws->in_begin = ws->in_end = 0;
    }
    if (ws->in_begin > 0) {
        memmove(ws->in, ws->in + ws->in_begin, ws->in_end - ws->in_begin);
        ws->in_end -= ws->in_begin;
        ws->in_begin = 0;
    }
    return 0;
}

/* When the peer has been silent for too long: for a ping, or for us. */
static int64_t silence_deadline(const hob_ws *ws)
{
    int64_t ns = ws->is_pinged ? ws->pong_ns : ws->ping_ns;
    int64_t soon_ns = hob_in(HOB_SEC); // who did not receive for long first reads what is there
    if (ns >= HOB_FOREVER - ws->silent_since_ns)
        return HOB_FOREVER;
    return ws->silent_since_ns + ns > soon_ns ? ws->silent_since_ns + ns : soon_ns;
}

/* As hob_stream_read; *ret_is_late: the silence ended it. */
static ssize_t read_below(hob_ws *ws, bool *ret_is_late)
{
    hob_scope s;
    int64_t   deadline_ns = silence_deadline(ws);

    hob_scope_begin(&s);
    hob_scope_deadline(&s, deadline_ns);
    ws->reading = &s;
    ssize_t n = hob_stream_read(ws->stream, ws->in + ws->in_end, ws->in_cap - ws->in_end);
    ws->reading = NULL;
    (void)!hob_scope_end(&s);
    *ret_is_late = n == -ETIMEDOUT && hob_cancelled() == 0 && hob_now() >= deadline_ns;
    return n;
}

static int is_gone(hob_ws *ws, int error)
{
    hob__ws_end(ws, error, HOB_WS_LOST, "the connection ended without a goodbye");
    return ws->error;
}

/* Silence: first a ping, then the end. */
int hob__ws_is_silent(hob_ws *ws)
{
    if (ws->is_pinged) {
        hob__ws_end(ws, -ETIMEDOUT, HOB_WS_LOST, "the peer is silent");
        return ws->error;
    }
    ws->is_pinged = true;
    ws->silent_since_ns = hob_now();
    hob__ws_want(&ws->ping, NULL, 0);
    return 0;
}

static int fill(hob_ws *ws)
{
    bool is_late;
    int  r = make_room(ws);

    if (r == 0)
        r = hob__ws_write_wanted(ws); // who waits for the peer sends first what it may wait for
    if (r < 0)
        return ws->error != 0 ? ws->error : r;
    ssize_t n = read_below(ws, &is_late);
    if (ws->error != 0)
        return ws->error;
    if (n > 0) {
        ws->in_end += (size_t)n;
        ws->is_pinged = false;
        ws->silent_since_ns = hob_now();
        return 0;
    }
    if (is_late)
        return hob__ws_is_silent(ws);
    if (n < 0 && hob_cancelled() != 0)
        return (int)n;
    return is_gone(ws, n == 0 ? -ECONNRESET : (int)n);
}

int hob__ws_fill(hob_ws *ws)
{
    put_byte_back(ws);
    if (ws->error != 0)
        return ws->error;
    if (ws->is_filling)
        hob_mistake("hob_ws_recv", "another task receives from this WebSocket; one at a time");
    ws->is_filling = true;
    int r = fill(ws);
    ws->is_filling = false;
    return r;
}

/* ---- control frames ---- */

static int take_close(hob_ws *ws, const unsigned char *payload, size_t len)
{
    unsigned code;
    int      bad = hob__ws_close_parse(payload, len, &code);
    if (bad != 0)
        return hob__ws_fail(ws, bad, "a close frame is badly formed");

    ws->code = (int)code;
    if (len > 2) {
        ws->words = hob__ws_alloc(len - 1); // without memory: without words
        if (ws->words != NULL) {
            memcpy(ws->words, payload + 2, len - 2);
            ws->words[len - 2] = '\0';
        }
    }
    if (!ws->has_closed && !ws->close.is_wanted)
        hob__ws_want_close(ws, code == HOB_WS_NO_CODE ? HOB_WS_NORMAL : (int)code, NULL);
    int r = hob__ws_write_wanted(ws);
    if (r < 0 && ws->error == 0 && hob_cancelled() != 0)
        r = 0; // what was not sent then, hob_ws_shutdown and the next call send
    hob__ws_end(ws, r < 0 ? r : HOB_EOF, (int)code, "");
    return ws->error;
}

/* It is whole, and at in_begin. Returns 0, or the error by which it has ended. */
static int take_control(hob_ws *ws, const struct ws_head *head)
{
    unsigned char *payload = (unsigned char *)ws->in + ws->in_begin;
    size_t         len = (size_t)head->len;

    if (head->is_masked)
        hob__ws_mask(payload, payload, len, head->key, 0);
    ws->in_begin += len;
    switch (head->opcode) {
    case WS_PING:
        hob__ws_want(&ws->pong, payload, len); // in the place of one that has not gone yet
        return 0;
    case WS_CLOSE:
        return take_close(ws, payload, len);
    default:
        return 0; // a pong: it was heard
    }
}

/* ---- frames ---- */

/* Limits that are known before a byte of it is there. */
static int check_size(hob_ws *ws, const struct ws_head *head)
{
    uint64_t max = ws->message_bytes_max;
    if (ws->message_is_deflated)
        max += max / 128 + 1024; // what deflate adds at most to what cannot be compressed
    if (head->len > max || ws->wire_bytes + head->len > max)
        return hob__ws_fail(ws, HOB_WS_TOO_BIG, "a message is too big");
    if (++ws->fragments > ws->fragments_max)
        return hob__ws_fail(ws, HOB_WS_POLICY, "a message has too many fragments");
    return 0;
}

static int begin_frame(hob_ws *ws, const struct ws_head *head)
{
    if ((head->opcode == WS_CONTINUATION) != (ws->message != 0))
        return hob__ws_fail(ws, HOB_WS_PROTOCOL_ERROR, "fragments out of order");
    if (ws->message == 0) {
        ws->message = head->opcode;
        ws->message_is_deflated = head->is_deflated;
        ws->tail_at = 0;
        ws->fragments = 0;
        ws->message_bytes = ws->wire_bytes = 0;
        memset(&ws->text, 0, sizeof ws->text);
    }
    int r = check_size(ws, head);
    if (r < 0)
        return r;
    ws->frame = *head;
    ws->frame_at = 0;
    ws->clear = 0;
    ws->wire_bytes += head->len;
    return 0;
}

/* Takes heads, and control frames, up to the next frame of data. Returns 1, -EAGAIN, or the error. */
static int next_frame(hob_ws *ws)
{
    for (;;) {
        struct ws_head head;
        if (ws->error != 0)
            return ws->error;
        if (ws->in_begin == ws->in_end)
            return -EAGAIN;
        int len = hob__ws_head_parse((unsigned char *)ws->in + ws->in_begin, ws->in_end - ws->in_begin,
                                     !ws->is_client, ws->deflate != NULL, &head);
        if (len < 0)
            return hob__ws_fail(ws, -len, "a frame is badly formed");
        if (len == 0)
            return -EAGAIN;
        if (head.opcode < WS_CLOSE) {
            ws->in_begin += (size_t)len;
            int r = begin_frame(ws, &head);
            return r < 0 ? r : 1;
        }
        if (ws->in_end - ws->in_begin < (size_t)len + head.len)
            return -EAGAIN;
        ws->in_begin += (size_t)len;
        int r = take_control(ws, &head);
        if (r < 0)
            return r;
    }
}

/* ---- the data of a message ---- */

static size_t frame_there(const hob_ws *ws)
{
    uint64_t left = ws->frame.len - ws->frame_at;
    size_t   there = ws->in_end - ws->in_begin;
    return left < there ? (size_t)left : there;
}

/* Of the message, out of whatever frame. */
static int check_data(hob_ws *ws, const void *data, size_t len)
{
    ws->message_bytes += len;
    if (ws->message_bytes > ws->message_bytes_max)
        return hob__ws_fail(ws, HOB_WS_TOO_BIG, "a message is too big");
    if (ws->message == WS_TEXT && !hob__ws_text_more(&ws->text, data, len))
        return hob__ws_fail(ws, HOB_WS_BAD_DATA, "a text is not UTF-8");
    return 0;
}

static ssize_t take_plain(hob_ws *ws, void *buf, size_t cap)
{
    size_t      n = frame_there(ws) < cap ? frame_there(ws) : cap;
    const char *from = ws->in + ws->in_begin;

    if (ws->frame.is_masked)
        hob__ws_mask(buf, from, n, ws->frame.key, ws->frame_at);
    else
        memcpy(buf, from, n);
    ws->in_begin += n;
    ws->frame_at += n;
    int r = check_data(ws, buf, n);
    return r < 0 ? r : (ssize_t)n;
}

static ssize_t inflated(hob_ws *ws, const unsigned char **in, size_t *in_len, void *buf, size_t cap)
{
    long n = hob__ws_inflate(ws->deflate, in, in_len, buf, cap);
    if (n == -EBADMSG)
        return hob__ws_fail(ws, HOB_WS_BAD_DATA, "a message is badly compressed");
    if (n < 0)
        return n;
    int r = check_data(ws, buf, (size_t)n);
    return r < 0 ? r : n;
}

/* May give 0, and then it goes on. */
static ssize_t take_deflated(hob_ws *ws, void *buf, size_t cap)
{
    size_t               there = frame_there(ws), left = there;
    unsigned char       *from = (unsigned char *)ws->in + ws->in_begin;
    const unsigned char *at = from;

    if (ws->frame.is_masked && ws->clear < there)
        hob__ws_mask(from + ws->clear, from + ws->clear, there - ws->clear, ws->frame.key,
                     ws->frame_at + ws->clear);
    ws->clear = there;
    ssize_t n = inflated(ws, &at, &left, buf, cap);
    ws->in_begin += there - left;
    ws->frame_at += there - left;
    ws->clear = left;
    return n;
}

/* What was left out behind a deflated message. 0: there is no more. */
static ssize_t take_tail(hob_ws *ws, void *buf, size_t cap)
{
    static const unsigned char TAIL[4] = { 0, 0, 0xFF, 0xFF };
    const unsigned char *at = TAIL + ws->tail_at;
    size_t               left = sizeof TAIL - ws->tail_at;

    ssize_t n = inflated(ws, &at, &left, buf, cap);
    ws->tail_at = (uint8_t)(sizeof TAIL - left);
    return n;
}

static int end_message(hob_ws *ws)
{
    if (ws->message_is_deflated && hob__ws_inflate_end(ws->deflate) < 0)
        return hob__ws_fail(ws, HOB_WS_BAD_DATA, "a message is badly compressed");
    if (ws->message == WS_TEXT && !hob__ws_text_is_whole(&ws->text))
        return hob__ws_fail(ws, HOB_WS_BAD_DATA, "a text is not UTF-8");
    ws->message = 0;
    return 0;
}

/* Up to `cap` (more than 0) bytes of the message that has begun; 0 at its end; -EAGAIN; the error by
 * which it has ended; -ENOMEM. */
static ssize_t take_part(hob_ws *ws, void *buf, size_t cap)
{
    for (;;) {
        ssize_t n;
        if (ws->error != 0)
            return ws->error;
        if (ws->frame_at < ws->frame.len) {
            if (ws->in_begin == ws->in_end)
                return -EAGAIN;
            n = ws->message_is_deflated ? take_deflated(ws, buf, cap) : take_plain(ws, buf, cap);
        } else if (!ws->frame.is_last) {
            n = next_frame(ws);
            if (n == 1)
                continue;
            return n;
        } else {
            n = ws->message_is_deflated ? take_tail(ws, buf, cap) : 0;
            if (n == 0)
                return end_message(ws);
        }
        if (n != 0)
            return n;
    }
}

/* The next message's first frame. Returns 0, -EAGAIN or the error. */
static int begin_message(hob_ws *ws, hob_ws_kind *ret_kind)
{
    int r = next_frame(ws);
    if (r < 0)
        return r;
    *ret_kind = (hob_ws_kind)ws->message;
    return 0;
}

/* ---- in pieces ---- */

/* What is left of the one that has begun. Returns 0, or as take_part. */
static int skip_message(hob_ws *ws)
{
    char    skipped[1024];
    ssize_t n = 1;

    while (n > 0 && ws->message != 0)
        n = take_part(ws, skipped, sizeof skipped);
    if (n < 0)
        return (int)n;
    ws->is_whole_begun = false;
    return 0;
}

int hob_ws_recv_begin(hob_ws *ws, hob_ws_kind *ret_kind)
{
    int r;

    WS_CALL(ws);
    put_byte_back(ws);
    do {
        r = skip_message(ws);
        if (r == 0)
            r = begin_message(ws, ret_kind);
        if (r == -EAGAIN) {
            r = hob__ws_fill(ws);
            r = r < 0 ? r : 1;
        }
    } while (r > 0);
    return r;
}

ssize_t hob_ws_recv_part(hob_ws *ws, void *buf, size_t len)
{
    ssize_t n;

    WS_CALL(ws);
    put_byte_back(ws);
    if (len == 0)
        return 0;
    if (ws->message == 0)
        return ws->error;
    while ((n = take_part(ws, buf, len)) == -EAGAIN) {
        int r = hob__ws_fill(ws);
        if (r < 0)
            return r;
    }
    return n;
}

/* ---- whole ---- */

/* It lies in `in`, all of it, and nothing need be done to it: it is shown there. False: it does not. */
static bool show_in_place(hob_ws *ws, const char **ret_data, ssize_t *ret_len)
{
    size_t len = (size_t)ws->frame.len;
    char  *data = ws->in + ws->in_begin;

    if (!ws->frame.is_last || ws->fragments > 1 || ws->message_is_deflated
        || ws->in_end - ws->in_begin < len)
        return false;
    if (ws->frame.is_masked)
        hob__ws_mask(data, data, len, ws->frame.key, 0);
    ws->in_begin += len;
    ws->frame_at = len;
    int r = check_data(ws, data, len);
    if (r == 0)
        r = end_message(ws);
    *ret_len = r < 0 ? r : (ssize_t)len;
    if (r < 0)
        return true;
    ws->nul_at = data + len;
    ws->nul_was = *ws->nul_at;
    *ws->nul_at = '\0';
    *ret_data = data;
    return true;
}

/* As the bytes come, never by what was announced. */
static int grow_whole(hob_ws *ws)
{
    if (ws->whole_cap - ws->whole_len > 1)
        return 0;
    size_t more = ws->whole_cap == 0 ? 4096 : ws->whole_cap * 2;
    if (more > ws->message_bytes_max + 2)
        more = (size_t)ws->message_bytes_max + 2;
    char *whole = hob__ws_realloc(ws->whole, more);
    if (whole == NULL)
        return -ENOMEM;
    ws->whole = whole;
    ws->whole_cap = more;
    return 0;
}

static void give_whole_back(hob_ws *ws)
{
    free(ws->whole);
    ws->whole = NULL;
    ws->whole_len = ws->whole_cap = 0;
}

ssize_t hob__ws_recv_now(hob_ws *ws, hob_ws_kind *ret_kind, const char **ret_data)
{
    ssize_t n;

    put_byte_back(ws);
    if (!ws->is_whole_begun) {
        give_whole_back(ws);
        int r = skip_message(ws); // which hob_ws_recv_begin began
        if (r == 0)
            r = begin_message(ws, ret_kind);
        if (r < 0)
            return r;
        if (show_in_place(ws, ret_data, &n))
            return n;
        ws->is_whole_begun = true;
    }
    *ret_kind = (hob_ws_kind)ws->message;
    do {
        int r = grow_whole(ws);
        if (r < 0)
            return r;
        n = take_part(ws, ws->whole + ws->whole_len, ws->whole_cap - ws->whole_len - 1);
        if (n > 0)
            ws->whole_len += (size_t)n;
    } while (n > 0);
    if (n < 0)
        return n;
    ws->is_whole_begun = false;
    ws->whole[ws->whole_len] = '\0';
    *ret_data = ws->whole;
    return (ssize_t)ws->whole_len;
}

ssize_t hob_ws_recv(hob_ws *ws, hob_ws_kind *ret_kind, const char **ret_data)
{
    ssize_t n;

    WS_CALL(ws);
    while ((n = hob__ws_recv_now(ws, ret_kind, ret_data)) == -EAGAIN) {
        int r = hob__ws_fill(ws);
        if (r < 0)
            return r;
    }
    return n;
}

void hob__ws_give_back(hob_ws *ws)
{
    put_byte_back(ws);
    if (!ws->is_whole_begun)
        give_whole_back(ws);
    if (ws->in_begin == ws->in_end) {
        hob__ws_room_give(ws->in);
        ws->in = NULL;
        ws->in_begin = ws->in_end = ws->in_cap = 0;
    }
}
