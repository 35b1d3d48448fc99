/* SPDX-License-Identifier: MIT */
/*
 * What nghttp2 tells of a link, and asks; and how much a server may send.
 *
 * Frames of data have their windows. Every other frame is paid: by what we did to provoke it (a request, a frame of
 * data, each of which is worth some), or else from a budget that is filled again each second. So a server that
 * sends settings, pings, empty frames or unknown ones without end ends its link. Pushes are forbidden by our
 * settings, and end it, too.
 *
 * Nothing here waits.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "hob/time.h"
#include "wsopen/link.h"

enum {
    CONTROLS_PER_S = 250,
    BURST_S = 4,           /* a budget saves up what it gets in so many seconds   */
    WORTH_FIRST = 200,     /* frames before anything was asked                    */
    WORTH_OF_REQUEST = 10, /* so many may be sent for each request                */
    WORTH_OF_DATA = 10,    /* and for each frame of data that we sent             */
    WORTH_MAX = 1000000,
    STRANGE_BYTES = 64,    /* of unknown frames, for the price of a known one     */
    DECODED_MAX = 65536,   /* bytes of the fields of one head                     */
    ACKS_MAX = 1000,       /* answers to PING and SETTINGS that were not sent yet */
    SETTINGS_MAX = 32,     /* in a frame                                          */
    CONN_WINDOW = 1048576, /* of all; each stream has its own, too                */
    CONTINUATIONS_MAX = 8,
};

/* ---- memory: malloc's, and in tests it may fail ---- */

static void *mem_malloc(size_t size, void *arg)
{
    (void)arg;
    return hob__link_fails() ? NULL : malloc(size);
}

static void mem_free(void *ptr, void *arg)
{
    (void)arg;
    free(ptr);
}

static void *mem_calloc(size_t count, size_t size, void *arg)
{
    (void)arg;
    return hob__link_fails() ? NULL : calloc(count, size);
}

/* Is not made to fail: nghttp2 1.52 frees an answer twice when its queue cannot grow. */
static void *mem_realloc(void *ptr, size_t size, void *arg)
{
    (void)arg;
    return realloc(ptr, size);
}

static nghttp2_mem MEMORY = { NULL, mem_malloc, mem_free, mem_calloc, mem_realloc };

/* ---- what a server may do ---- */

static bool pay(hob_ws_link *link)
{
    int64_t now_ns = hob_now();
    double  max = (double)CONTROLS_PER_S * BURST_S;

    if (link->worth_left > 0) {
        link->worth_left--;
        return true;
    }
    link->controls_left += (double)(now_ns - link->controls_at_ns) * CONTROLS_PER_S / (double)HOB_SEC;
    link->controls_at_ns = now_ns;
    if (link->controls_left > max)
        link->controls_left = max;
    if (link->controls_left < 1)
        link->is_flooded = true;
    else
        link->controls_left -= 1;
    return !link->is_flooded;
}

static void earn(hob_ws_link *link, int64_t worth)
{
    if (link->worth_left < WORTH_MAX)
        link->worth_left += worth;
}

/* Of frames of a kind that it does not know nghttp2 tells nothing: what came and is no part of another is
 * paid by its bytes. (Less a frame's header, of which there may be a part.) */
static void pay_for_strange(hob_ws_link *link)
{
    while (link->strange - link->strange_paid >= STRANGE_BYTES + 9 && pay(link))
        link->strange_paid += STRANGE_BYTES;
}

/* The header of a frame. */
static int on_begin_frame(nghttp2_session *session, const nghttp2_frame_hd *hd, void *arg)
{
    hob_ws_link *link = arg;

    (void)session;
    link->strange -= 9 + (int64_t)hd->length;
    if (hd->type == NGHTTP2_HEADERS)
        link->decoded = 0;
    if (hd->type == NGHTTP2_PUSH_PROMISE) { // who has our request has our settings
        link->is_pushed = true;
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    if (hd->type == NGHTTP2_DATA && hd->length > 0)
        return 0;
    return pay(link) ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
}

static int on_frame_send(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    hob_ws_link *link = arg;

    (void)session;
    if (frame->hd.type == NGHTTP2_DATA)
        earn(link, WORTH_OF_DATA);
    else if (frame->hd.type == NGHTTP2_HEADERS)
        earn(link, WORTH_OF_REQUEST);
    else if (frame->hd.type == NGHTTP2_GOAWAY)
        link->complaint = frame->goaway.error_code;
    return 0;
}

/* A request that was in line with nghttp2 when the server said that it takes no more. */
static int on_not_sent(nghttp2_session *session, const nghttp2_frame *frame, int error, void *arg)
{
    hob_ws_link *link = arg;

    (void)session, (void)error;
    for (struct link_stream *s = link->last; frame->hd.type == NGHTTP2_HEADERS && s != NULL; s = s->prev) {
        if (s->id != frame->hd.stream_id)
            continue;
        s->is_closed = true;
        s->code = NGHTTP2_REFUSED_STREAM;
        hob__link_stream_ended(s);
        break;
    }
    return 0;
}

/* ---- answers ---- */

static struct link_stream *stream_of(nghttp2_session *session, int32_t id)
{
    return nghttp2_session_get_stream_user_data(session, id);
}

static bool put(struct link_answer *answer, const uint8_t *bytes, size_t len)
{
    if (len >= sizeof answer->text - answer->len || memchr(bytes, '\0', len) != NULL)
        return false;
    answer->fields[answer->count++] = memcpy(answer->text + answer->len, bytes, len);
    answer->len += len + 1; // it was cleared
    return true;
}

/* Of the last head, so that what comes before the answer (1xx) is passed over. */
static void take_field(struct link_answer *answer, const uint8_t *name, size_t name_len, const uint8_t *value,
                       size_t value_len)
{
    if (name_len == 7 && memcmp(name, ":status", 7) == 0) {
        memset(answer, 0, sizeof *answer);
        for (size_t i = 0; i < value_len && i < 3; i++)
            answer->status = answer->status * 10 + (value[i] - '0');
        return;
    }
    if (name_len < 14 || memcmp(name, "sec-websocket-", 14) != 0)
        return;
    if (answer->count == 2 * LINK_FIELDS_MAX || !put(answer, name, name_len) || !put(answer, value, value_len))
        answer->is_bad = true;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_len,
                     const uint8_t *value, size_t value_len, uint8_t flags, void *arg)
{
    hob_ws_link        *link = arg;
    struct link_stream *s = stream_of(session, frame->hd.stream_id);

    (void)flags;
    link->decoded += (uint32_t)(name_len + value_len);
    if (link->decoded > DECODED_MAX) {
        link->is_flooded = true;
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    if (s != NULL && s->answer != NULL && !s->answer->is_whole)
        take_field(s->answer, name, name_len, value, value_len);
    return 0;
}

static void take_answer(struct link_stream *s)
{
    if (s->answer == NULL || s->answer->status < 200)
        return;
    s->answer->is_whole = true;
    hob__link_wake(s->hearer);
}

/* ---- frames that are whole ---- */

static void take_goaway(hob_ws_link *link, const nghttp2_goaway *goaway)
{
    int len = goaway->opaque_data_len < 100 ? (int)goaway->opaque_data_len : 100;

    hob__link_leave(link, "%s takes no more requests (GOAWAY, %s)%s%.*s", link->host_port,
                    nghttp2_http2_strerror(goaway->error_code), len > 0 ? ": " : "", len,
                    (const char *)goaway->opaque_data);
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    hob_ws_link        *link = arg;
    struct link_stream *s = stream_of(session, frame->hd.stream_id);
    bool                is_of_stream = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;

    if (frame->hd.type == NGHTTP2_SETTINGS && (frame->hd.flags & NGHTTP2_FLAG_ACK) == 0) {
        link->has_settings = true;
        hob__link_call_next(link);
    }
    if (frame->hd.type == NGHTTP2_GOAWAY)
        take_goaway(link, &frame->goaway);
    if (s == NULL || !is_of_stream)
        return 0;
    if (frame->hd.type == NGHTTP2_HEADERS)
        take_answer(s);
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
        s->has_ended = true;
        hob__link_stream_ended(s);
    }
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data, size_t len, void *arg)
{
    struct link_stream *s = stream_of(session, id);

    (void)flags, (void)arg;
    // The window of the connection is for all: who is slow to receive must not stop the others.
    if (nghttp2_session_consume_connection(session, len) != 0)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    if (s != NULL)
        hob__link_stream_data(s, data, len);
    return 0;
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t code, void *arg)
{
    struct link_stream *s = stream_of(session, id);

    (void)arg;
    if (s == NULL)
        return 0;
    s->is_closed = true;
    s->code = code;
    hob__link_stream_ended(s);
    return 0;
}

/* ---- in and out ---- */

/* The server hears why, if it takes that much at once. */
static void say_last_words(hob_ws_link *link, uint32_t code)
{
    (void)!nghttp2_session_terminate_session(link->session, code);
    hob__link_flush(link);
}

static void end_badly(hob_ws_link *link, ssize_t n)
{
    link->is_bad = true;
    if (link->is_flooded) {
        say_last_words(link, NGHTTP2_ENHANCE_YOUR_CALM);
        hob__link_end(link, -EPROTO, "%s sends too much that carries nothing", link->host_port);
    } else if (link->is_pushed) {
        say_last_words(link, NGHTTP2_PROTOCOL_ERROR);
        hob__link_end(link, -EPROTO, "%s pushes, and may not", link->host_port);
    } else if (n == NGHTTP2_ERR_NOMEM || n == NGHTTP2_ERR_CALLBACK_FAILURE) {
        hob__link_end(link, -ENOMEM, "there is no memory for what %s sends", link->host_port);
    } else {
        say_last_words(link, NGHTTP2_PROTOCOL_ERROR);
        hob__link_end(link, -EPROTO, "%s breaks the rules of HTTP/2: %s", link->host_port, nghttp2_strerror((int)n));
    }
}

void hob__link_feed(hob_ws_link *link, size_t len)
{
    link->strange += (int64_t)len;
    link->is_busy = true;
    ssize_t n = nghttp2_session_mem_recv(link->session, link->in, len);
    link->is_busy = false;
    pay_for_strange(link);
    if (n < 0 || link->is_flooded)
        end_badly(link, n);
}

void hob__link_judge(hob_ws_link *link)
{
    if (link->error != 0 || link->is_bad || nghttp2_session_want_read(link->session)
        || link->out_begin < link->out_end || link->rest_len > 0)
        return;
    if (link->complaint == NGHTTP2_NO_ERROR)
        hob__link_end(link, -ECONNRESET, "%s", link->words);
    else if (!link->has_settings)
        hob__link_end(link, -EPROTO, "%s does not speak HTTP/2", link->host_port);
    else
        hob__link_end(link, -EPROTO, "%s breaks the rules of HTTP/2: %s", link->host_port,
                      nghttp2_http2_strerror(link->complaint));
}

static void put_out(hob_ws_link *link)
{
    size_t room = sizeof link->out - link->out_end, n = link->rest_len < room ? link->rest_len : room;

    memcpy(link->out + link->out_end, link->rest, n);
    link->out_end += n;
    link->put += n;
    link->rest += n;
    link->rest_len -= n;
}

void hob__link_collect(hob_ws_link *link)
{
    if (link->is_busy) // it is nghttp2 that asks
        return;
    if (link->out_begin == link->out_end)
        link->out_begin = link->out_end = 0;
    while (link->error == 0 && link->out_end < sizeof link->out) {
        if (link->rest_len > 0) {
            put_out(link);
            continue;
        }
        link->is_busy = true;
        ssize_t n = nghttp2_session_mem_send(link->session, &link->rest);
        link->is_busy = false;
        if (n < 0)
            hob__link_end(link, n == NGHTTP2_ERR_NOMEM ? -ENOMEM : -EPROTO, "nothing more can be sent to %s: %s",
                          link->host_port, nghttp2_strerror((int)n));
        if (n <= 0)
            return;
        link->rest_len = (size_t)n;
    }
}

/* As much as it takes, into nghttp2's next frame. */
static ssize_t read_lent(nghttp2_session *session, int32_t id, uint8_t *buf, size_t len, uint32_t *flags,
                         nghttp2_data_source *source, void *arg)
{
    hob_ws_link        *link = arg;
    struct link_stream *s = stream_of(session, id);
    size_t              n = 0;

    (void)source;
    if (s == NULL) // a reset is on its way
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    if (s->lent_len == 0 && !s->is_ending)
        return NGHTTP2_ERR_DEFERRED;
    while (n < len && s->lent_len > 0) {
        size_t left = s->lent->iov_len - s->lent_at, take = left < len - n ? left : len - n;
        if (take > 0)
            memcpy(buf + n, (const char *)s->lent->iov_base + s->lent_at, take);
        n += take;
        s->lent_at += take;
        s->lent_len -= take;
        if (s->lent_at == s->lent->iov_len) {
            s->lent++;
            s->lent_at = 0;
        }
    }
    if (s->lent_len == 0 && s->is_ending)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    s->sent_at = link->put + 9 + n; // nothing is between what was put and this frame
    if (s->sender != NULL)
        s->sender->until = s->sent_at;
    return (ssize_t)n;
}

const nghttp2_data_provider hob__link_lent = { .read_callback = read_lent };

/* ---- what is known ---- */

bool hob__link_knows_websockets(const hob_ws_link *link)
{
    return nghttp2_session_get_remote_settings(link->session, NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL) == 1;
}

uint32_t hob__link_open_max(const hob_ws_link *link)
{
    uint32_t theirs = nghttp2_session_get_remote_settings(link->session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
    return theirs < link->open_max ? theirs : link->open_max;
}

/* ---- making one ---- */

static void set_callbacks(nghttp2_session_callbacks *to)
{
    nghttp2_session_callbacks_set_on_begin_frame_callback(to, on_begin_frame);
    nghttp2_session_callbacks_set_on_frame_send_callback(to, on_frame_send);
    nghttp2_session_callbacks_set_on_frame_not_send_callback(to, on_not_sent);
    nghttp2_session_callbacks_set_on_header_callback(to, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(to, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(to, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(to, on_close);
}

static void set_options(nghttp2_option *to)
{
    nghttp2_option_set_no_auto_window_update(to, 1);
    nghttp2_option_set_max_outbound_ack(to, ACKS_MAX);
    nghttp2_option_set_max_settings(to, SETTINGS_MAX);
#ifdef HOB_NGHTTP2_HAS_MAX_CONTINUATIONS
    nghttp2_option_set_max_continuations(to, CONTINUATIONS_MAX);
#endif
}

static int submit_settings(hob_ws_link *link)
{
    nghttp2_settings_entry entries[] = {
        { NGHTTP2_SETTINGS_ENABLE_PUSH, 0 },
        { NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, link->window_bytes },
        { NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, DECODED_MAX },
        { NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1 },
    };
    int r = nghttp2_submit_settings(link->session, NGHTTP2_FLAG_NONE, entries, sizeof entries / sizeof entries[0]);
    if (r == 0)
        r = nghttp2_session_set_local_window_size(link->session, NGHTTP2_FLAG_NONE, 0, CONN_WINDOW);
    return r == 0 ? 0 : -ENOMEM;
}

int hob__link_session_new(hob_ws_link *link)
{
    nghttp2_session_callbacks *callbacks = NULL;
    nghttp2_option            *option = NULL;
    int                        r = -ENOMEM;

    link->worth_left = WORTH_FIRST;
    link->controls_left = (double)CONTROLS_PER_S * BURST_S;
    link->controls_at_ns = hob_now();
    if (hob__link_fails() || nghttp2_session_callbacks_new(&callbacks) != 0)
        return -ENOMEM;
    if (!hob__link_fails() && nghttp2_option_new(&option) == 0) {
        set_callbacks(callbacks);
        set_options(option);
        if (nghttp2_session_client_new3(&link->session, callbacks, link, option, &MEMORY) == 0)
            r = submit_settings(link);
    }
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    return r;
}
