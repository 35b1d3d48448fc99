/* SPDX-License-Identifier: MIT */
/*
 * What nghttp2 tells of a connection, and asks; and how much a client may do.
 *
 * Each frame that makes work and is none that a client must send often is paid from a budget; so are
 * resets, the client's and those that it provokes (SURVIVAL.md 89 to 93). nghttp2 has some limits of its
 * own, which are set here, too: settings in a frame, unread answers to pings, CONTINUATIONs. When a
 * budget is spent the connection ends with GOAWAY ENHANCE_YOUR_CALM.
 *
 * Nothing here waits, and no handler runs: what is to be done is noted, and done when nghttp2 has
 * returned.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "http/h2.h"

enum {
    BURST_S = 4,          /* a budget saves up what it gets in so many seconds            */
    CONTINUATIONS_MAX = 8,
    ACKS_MAX = 256,       /* answers to PING and SETTINGS that were not sent yet          */
    SETTINGS_MAX = 32,    /* in a frame                                                   */
    UPDATES_FIRST = 200,  /* WINDOW_UPDATEs before anything was sent                      */
    UPDATES_PER_FRAME = 10,
    ROOM_MIN = 512,       /* a frame of DATA is not made for less, if there is more to send */
    CONN_WINDOW = 1048576,
    DECODED_TIMES_MAX = 4, /* head_bytes_max, of what a head decodes to. Up to that it gets 431; but a
                              frame can decode to 50 MB, and nghttp2 looks at each byte of it  */
    STRANGE_BYTES = 64,   /* of unknown frames, for the price of a known one              */
    PREFACE_BYTES = 24,
};

/* ---- memory: malloc's, and in tests it may fail ---- */

static bool fails(void)
{
    return hob__http_fail_at > 0 && --hob__http_fail_at == 0;
}

static void *mem_malloc(size_t size, void *arg)
{
    (void)arg;
    return fails() ? NULL : malloc(size);
}

static void mem_free(void *ptr, void *arg)
{
    (void)arg;
    free(ptr);
}

static void *mem_calloc(size_t count, size_t size, void *arg)
{
    (void)arg;
    return fails() ? NULL : calloc(count, size);
}

/* Is not made to fail: nghttp2 1.52 frees an answer twice when its queue cannot grow. */
static void *mem_realloc(void *ptr, size_t size, void *arg)
{
    (void)arg;
    return realloc(ptr, size);
}

static nghttp2_mem MEMORY = { NULL, mem_malloc, mem_free, mem_calloc, mem_realloc };

/* ---- budgets ---- */

bool hob__h2_take(struct h2_conn *h2, struct h2_bucket *bucket, uint32_t per_s)
{
    int64_t now_ns = hob_now();
    double  max = (double)per_s * BURST_S;

    if (bucket->at_ns == 0)
        bucket->left = max;
    else
        bucket->left += (double)(now_ns - bucket->at_ns) * per_s / (double)HOB_SEC;
    bucket->at_ns = now_ns;
    if (bucket->left > max)
        bucket->left = max;
    if (bucket->left < 1) {
        h2->is_calmed = true;
        return false;
    }
    bucket->left -= 1;
    return true;
}

static bool take_control(struct h2_conn *h2)
{
    return hob__h2_take(h2, &h2->controls, h2->conn->server->opts.controls_per_s_max);
}

static bool take_reset(struct h2_conn *h2)
{
    return hob__h2_take(h2, &h2->resets, h2->conn->server->opts.resets_per_s_max);
}

/* Of frames of a kind that it does not know nghttp2 tells nothing: what came and is no part of another is
 * paid by its bytes. (Less a frame's header, of which there may be a part.) */
void hob__h2_take_strange(struct h2_conn *h2)
{
    while (h2->strange - h2->strange_paid >= STRANGE_BYTES + 9 && take_control(h2))
        h2->strange_paid += STRANGE_BYTES;
}

/* A head is paid by its bytes: those of all its frames, which count even when they are empty. */
static bool take_head(struct h2_conn *h2, const nghttp2_frame_hd *hd)
{
    h2->head_bytes += (uint32_t)hd->length + 9;
    if (h2->head_bytes <= 2 * h2->conn->server->opts.head_bytes_max + 1024)
        return true;
    h2->is_calmed = true;
    return false;
}

/* A window is opened wide, or as often as something went through it. */
static bool take_update(struct h2_conn *h2)
{
    if (h2->updates_left-- > 0)
        return true;
    h2->updates_left = 0;
    return take_control(h2);
}

/* The header of a frame. */
static int on_begin_frame(nghttp2_session *session, const nghttp2_frame_hd *hd, void *arg)
{
    struct h2_conn *h2 = arg;
    bool            is_fine = true;

    h2->strange -= 9 + (int64_t)hd->length;
    if (hd->type != NGHTTP2_CONTINUATION)
        h2->head_since_ns = 0;
    switch (hd->type) {
    case NGHTTP2_HEADERS:
        h2->head_since_ns = hob_now();
        h2->head_bytes = 0;
        is_fine = take_head(h2, hd);
        break;
    case NGHTTP2_CONTINUATION:
        is_fine = take_head(h2, hd);
        break;
    case NGHTTP2_DATA:
        is_fine = hd->length > 0 || (hd->flags & NGHTTP2_FLAG_END_STREAM) != 0 || take_control(h2);
        break;
    case NGHTTP2_RST_STREAM:
        is_fine = take_reset(h2);
        break;
    case NGHTTP2_WINDOW_UPDATE:
        is_fine = take_update(h2);
        break;
    case NGHTTP2_PRIORITY: // which is ignored, also by nghttp2; but RFC 9113 6.3
        if (hd->stream_id == 0)
            (void)!nghttp2_session_terminate_session(session, NGHTTP2_PROTOCOL_ERROR);
        is_fine = take_control(h2);
        break;
    default:
        is_fine = take_control(h2);
        break;
    }
    return is_fine ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
}

static void forget_refusal(struct h2_conn *h2, uint32_t code)
{
    h2->refusals -= code == NGHTTP2_REFUSED_STREAM && h2->refusals > 0;
}

static int on_frame_not_sent(nghttp2_session *session, const nghttp2_frame *frame, int error, void *arg)
{
    (void)session, (void)error;
    if (frame->hd.type == NGHTTP2_RST_STREAM)
        forget_refusal(arg, frame->rst_stream.error_code);
    return 0;
}

/* 100: the answer's head follows. */
static bool is_interim(const nghttp2_headers *headers)
{
    return headers->nvlen > 0 && headers->nva[0].valuelen == 3 && headers->nva[0].value[0] == '1';
}

/* A reset that the client provoked is as dear as one of its own (CVE-2025-8671). */
static int on_frame_send(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct h2_conn   *h2 = arg;
    struct h2_stream *s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);

    if (frame->hd.type == NGHTTP2_RST_STREAM) {
        uint32_t code = frame->rst_stream.error_code;
        forget_refusal(h2, code);
        if (code != NGHTTP2_NO_ERROR && code != NGHTTP2_REFUSED_STREAM && code != NGHTTP2_INTERNAL_ERROR
            && code != NGHTTP2_CANCEL)
            (void)!take_reset(h2);
    } else if (frame->hd.type == NGHTTP2_GOAWAY) {
        if (frame->goaway.error_code != NGHTTP2_NO_ERROR && !h2->is_calmed)
            h2->conn->server->stats->bad++;
    } else if (frame->hd.type == NGHTTP2_DATA) {
        h2->updates_left += h2->updates_left < 1000000 ? UPDATES_PER_FRAME : 0;
    }
    if (s != NULL && frame->hd.type == NGHTTP2_HEADERS)
        s->is_head_gone = s->is_head_gone || !is_interim(&frame->headers);
    if (s != NULL && (frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS)
        && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
        hob__h2_stream_end_sent(s);
    } else if (s == NULL && frame->hd.type == NGHTTP2_HEADERS
               && nghttp2_session_get_stream_remote_close(session, frame->hd.stream_id) == 0) {
        // It was refused, and the rest of its body is not wanted.
        (void)!nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_NO_ERROR);
    }
    return 0;
}

/* ---- heads ---- */

static int refuse_stream(nghttp2_session *session, int32_t id, uint32_t code)
{
    (void)!nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, id, code);
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; // its fields are decoded, and forgotten
}

/* Those that the client counts, too. */
static uint32_t open_count(const struct h2_conn *h2)
{
    uint32_t count = 0;
    for (const struct h2_stream *s = h2->streams; s != NULL; s = s->next)
        count += !s->is_closed;
    return count;
}

/* RFC 9113 5.1.2: an error of this stream, and not of the others. Once it knows the limit, it breaks a rule,
 * and pays; until then it may be only in a hurry. */
static int refuse_one_too_many(struct h2_conn *h2, int32_t id)
{
    bool pays = h2->knows_limit && open_count(h2) >= h2->conn->server->opts.streams_max;

    h2->conn->server->stats->refused++;
    if (pays && !take_reset(h2))
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    h2->refusals++;
    return refuse_stream(h2->session, id, NGHTTP2_REFUSED_STREAM);
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct h2_conn *h2 = arg;
    int32_t         id = frame->hd.stream_id;

    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    if (h2->stream_count >= h2->conn->server->opts.streams_max)
        return refuse_one_too_many(h2, id);
    struct h2_stream *s = hob__h2_stream_new(h2, id);
    if (s == NULL)
        return refuse_stream(session, id, NGHTTP2_REFUSED_STREAM);
    h2->updates_left += UPDATES_PER_FRAME;
    (void)!nghttp2_session_set_stream_user_data(session, id, s);
    return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags, void *arg)
{
    struct h2_conn   *h2 = arg;
    struct h2_stream *s = h2->heading;

    (void)flags;
    if (s == NULL || s->id != frame->hd.stream_id)
        s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (s == NULL || frame->hd.type != NGHTTP2_HEADERS)
        return 0;
    s->decoded += (uint32_t)(name_len + value_len);
    if (s->decoded > DECODED_TIMES_MAX * h2->conn->server->opts.head_bytes_max) {
        h2->is_calmed = true;
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    if (s == h2->heading)
        hob__h2_field(s, (const char *)name, name_len, (const char *)value, value_len);
    else if (s->is_connect)
        return refuse_stream(session, frame->hd.stream_id, NGHTTP2_PROTOCOL_ERROR); // RFC 9113 8.5
    else
        hob__h2_trailer(s, (const char *)name, name_len, (const char *)value, value_len);
    return 0;
}

/* nghttp2 would leave out a field that cannot be: RFC 9113 8.2.1 calls such a request malformed. */
static int on_invalid_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                             size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                             void *arg)
{
    (void)name, (void)name_len, (void)value, (void)value_len, (void)flags, (void)arg;
    return refuse_stream(session, frame->hd.stream_id, NGHTTP2_PROTOCOL_ERROR);
}

/* ---- frames that are whole ---- */

static void end_of_body(struct h2_stream *s)
{
    s->has_ended = true;
    hob_event_set(&s->readable);
    if (s->tunnel != NULL)
        hob__h2_tunnel_call(s);
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct h2_conn   *h2 = arg;
    struct h2_stream *s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    bool              has_ended = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;

    h2->head_since_ns = 0;
    if (frame->hd.type == NGHTTP2_PING && h2->last_call_ns != 0 && (frame->hd.flags & NGHTTP2_FLAG_ACK) != 0)
        h2->has_pinged_back = true;
    if (frame->hd.type == NGHTTP2_SETTINGS && (frame->hd.flags & NGHTTP2_FLAG_ACK) != 0)
        h2->knows_limit = true;
    if (s == NULL || (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA))
        return 0;
    if (frame->hd.type == NGHTTP2_HEADERS && s == h2->heading) {
        h2->heading = NULL;
        s->has_ended = has_ended;
        hob__h2_stream_ready(s);
        return 0;
    }
    if (frame->hd.type == NGHTTP2_HEADERS && !s->is_connect)
        hob__h2_trailer_end(s);
    if (has_ended)
        end_of_body(s);
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data, size_t len,
                   void *arg)
{
    struct h2_stream *s = nghttp2_session_get_stream_user_data(session, id);

    (void)flags, (void)arg;
    // The window of the connection is for all: who is slow to read must not stop the others.
    if (nghttp2_session_consume_connection(session, len) != 0)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    if (s != NULL)
        hob__h2_stream_data(s, (const char *)data, len);
    return 0;
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t code, void *arg)
{
    struct h2_conn   *h2 = arg;
    struct h2_stream *s = nghttp2_session_get_stream_user_data(session, id);

    (void)code;
    if (s == NULL)
        return 0;
    s->is_closed = true;
    if (!s->is_end_sent)
        h2->conn->server->stats->reset++;
    if (!s->is_running && s->tunnel == NULL) {
        hob__h2_stream_free(s);
        return 0;
    }
    if (!s->is_end_sent) {
        h2->conn->server->stats->gone++;
        hob__h2_stream_break(s, -ECONNRESET, "the request was taken back");
    }
    hob_event_set(&s->readable);
    hob_event_set(&s->writable);
    return 0;
}

/* ---- sending ---- */

static size_t room(const struct h2_conn *h2)
{
    return OUT_BYTES - h2->conn->work->out_len;
}

/* How much of a stream's answer goes into the next frame. */
static ssize_t read_answer(nghttp2_session *session, int32_t id, uint8_t *buf, size_t len,
                           uint32_t *flags, nghttp2_data_source *source, void *arg)
{
    struct h2_stream *s = nghttp2_session_get_stream_user_data(session, id);
    if (s == NULL) // its task has ended, and a reset is on its way
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    if (s->is_end_ours)
        return NGHTTP2_ERR_DEFERRED; // for good
    size_t pending = hob__h2_stream_pending(s), n = pending < len ? pending : len;

    (void)buf, (void)source;
    if (n + 9 > room(arg)) {
        if (room(arg) < ROOM_MIN + 9)
            return NGHTTP2_ERR_PAUSE;
        n = room(arg) - 9;
    }
    if (pending == 0 && !s->is_ending) {
        s->is_deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (n == pending && s->is_ending) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        if (s->work != NULL && s->work->req.trailers_len > 0) {
            *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
            if (hob__h2_submit_trailers(s) < 0)
                return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
        }
    }
    return (ssize_t)n;
}

static int send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head, size_t len,
                     nghttp2_data_source *source, void *arg)
{
    struct h2_conn   *h2 = arg;
    struct http_work *work = h2->conn->work;
    struct h2_stream *s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);

    (void)source;
    if (s == NULL || len > hob__h2_stream_pending(s))
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; // taken back meanwhile
    if (len + 9 > room(h2))
        return NGHTTP2_ERR_WOULDBLOCK;
    hob__http_put(h2->conn, head, 9);
    hob__h2_stream_take(s, work->out + work->out_len, len);
    work->out_len += len;
    return 0;
}

/* nghttp2 would end the connection of a client that has one request too many, and is told of no limit; the
 * client is told of ours: it is the first setting of the first frame. */
static int tell_limit(struct h2_conn *h2, char *frame, size_t len)
{
    const uint32_t max = h2->conn->server->opts.streams_max;
    const char     value[4] = { (char)(max >> 24), (char)(max >> 16), (char)(max >> 8), (char)max };

    if (len < 15 || frame[3] != NGHTTP2_SETTINGS || frame[10] != NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS)
        return -EPROTO;
    memcpy(frame + 11, value, sizeof value);
    h2->has_told_limit = true;
    return 0;
}

static bool is_window_closed(const struct h2_stream *s)
{
    nghttp2_session *session = s->h2->session;
    return nghttp2_session_get_remote_window_size(session) <= 0
           || nghttp2_session_get_stream_remote_window_size(session, s->id) <= 0;
}

/* nghttp2 keeps the end of a stream back while a window is closed, as if it had a length; but it has none, and needs
 * no window (RFC 9113 6.9). Who reads as he likes, or never again, would hold up who only wants to leave. */
static void send_ends(struct h2_conn *h2)
{
    for (struct h2_stream *s = h2->streams; s != NULL && h2->ending_count > 0 && room(h2) >= 9; s = s->next) {
        if (!s->is_ending || s->is_end_sent || !s->is_head_gone || s->is_closed || s->broken != 0
            || hob__h2_stream_pending(s) > 0 || (s->work != NULL && s->work->req.trailers_len > 0)
            || !is_window_closed(s))
            continue;
        const char frame[9] = { 0, 0, 0, NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, (char)(s->id >> 24),
                                (char)(s->id >> 16), (char)(s->id >> 8), (char)s->id };
        hob__http_put(h2->conn, frame, sizeof frame);
        s->is_end_ours = true;
        hob__h2_stream_end_sent(s);
    }
}

void hob__h2_collect(struct h2_conn *h2)
{
    struct http_conn *conn = h2->conn;

    if (h2->is_writing || h2->is_feeding)
        return;
    while (conn->broken == 0) {
        if (h2->rest_len > 0) {
            if (h2->rest_len > room(h2) && conn->work->out_len > 0)
                return;
            size_t n = h2->rest_len < room(h2) ? h2->rest_len : room(h2);
            hob__http_put(conn, h2->rest, n);
            if (!h2->has_told_limit && tell_limit(h2, conn->work->out + conn->work->out_len - n, n) < 0)
                hob__h2_break(h2, -EPROTO);
            h2->rest += n;
            h2->rest_len -= n;
            continue;
        }
        ssize_t n = nghttp2_session_mem_send(h2->session, &h2->rest);
        if (n < 0)
            hob__h2_break(h2, n == NGHTTP2_ERR_NOMEM ? -ENOMEM : -EPROTO);
        else if (n == 0)
            send_ends(h2);
        if (n <= 0)
            return;
        h2->rest_len = (size_t)n;
    }
}

const nghttp2_data_provider hob__h2_answer = { .read_callback = read_answer };

/* ---- making one ---- */

static void set_callbacks(nghttp2_session_callbacks *to)
{
    nghttp2_session_callbacks_set_on_begin_frame_callback(to, on_begin_frame);
    nghttp2_session_callbacks_set_on_frame_send_callback(to, on_frame_send);
    nghttp2_session_callbacks_set_on_frame_not_send_callback(to, on_frame_not_sent);
    nghttp2_session_callbacks_set_on_begin_headers_callback(to, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(to, on_header);
    nghttp2_session_callbacks_set_on_invalid_header_callback(to, on_invalid_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(to, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(to, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(to, on_close);
    nghttp2_session_callbacks_set_send_data_callback(to, send_data);
}

static void set_options(nghttp2_option *to)
{
    nghttp2_option_set_no_auto_window_update(to, 1);
    nghttp2_option_set_no_closed_streams(to, 1); // they are kept for priorities, which are ignored
    nghttp2_option_set_max_outbound_ack(to, ACKS_MAX);
    nghttp2_option_set_max_settings(to, SETTINGS_MAX);
#ifdef HOB_NGHTTP2_HAS_MAX_CONTINUATIONS
    nghttp2_option_set_max_continuations(to, CONTINUATIONS_MAX);
#endif
#ifdef HOB_NGHTTP2_HAS_RESET_RATE
    nghttp2_option_set_stream_reset_rate_limit(to, 1000, 33); // ours is the narrower one
#endif
}

static int submit_settings(struct h2_conn *h2)
{
    const hob_http_opts *opts = &h2->conn->server->opts;
    nghttp2_settings_entry entries[] = {
        { NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, INT32_MAX }, // see tell_limit
        { NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, opts->window_bytes },
        { NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, opts->head_bytes_max },
        { NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, !opts->no_tunnels },
        { NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1 },
    };
    int r = nghttp2_submit_settings(h2->session, NGHTTP2_FLAG_NONE, entries,
                                    sizeof entries / sizeof entries[0]);
    if (r == 0)
        r = nghttp2_session_set_local_window_size(h2->session, NGHTTP2_FLAG_NONE, 0, CONN_WINDOW);
    return r;
}

int hob__h2_session_new(struct h2_conn *h2)
{
    nghttp2_session_callbacks *callbacks = NULL;
    nghttp2_option            *option = NULL;
    int                        r = -ENOMEM;

    h2->updates_left = UPDATES_FIRST;
    h2->strange = -PREFACE_BYTES;
    if (fails() || nghttp2_session_callbacks_new(&callbacks) != 0)
        return -ENOMEM;
    if (!fails() && nghttp2_option_new(&option) == 0) {
        set_callbacks(callbacks);
        set_options(option);
        if (nghttp2_session_server_new3(&h2->session, callbacks, h2, option, &MEMORY) == 0)
            r = submit_settings(h2) == 0 ? 0 : -ENOMEM;
    }
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    return r;
}
