/* SPDX-License-Identifier: MIT */
/*
 * Clients of WebSockets over HTTP/2 (RFC 8441), which the library has none of: by nghttp2, many on a connection.
 *
 *     hob_ws ─▶ pipe, a stream: DATA of one request ─▶ client: a session, a connection, a task that reads
 */
#ifndef HOB_TESTS_WS_H2_CLIENT_H
#define HOB_TESTS_WS_H2_CLIENT_H

#include <nghttp2/nghttp2.h>

#include <hob/lock.h>

#include "ws/wire.h"
#include "ws/ws.h"

struct h2_client {
    hob_tcp         *conn;
    nghttp2_session *session;
    hob_mutex        writing;
    int              broken, goaways;
    bool             knows_connect; /* SETTINGS said so */
    struct h2_pipe  *pipes;
};

struct h2_pipe {
    hob_stream        stream; /* first */
    struct h2_client *client;
    struct h2_pipe   *next;
    int32_t           id;
    int               status;
    char              heads[1000]; /* "name: value\n" */
    char             *in;
    size_t            in_begin, in_end, in_cap, in_most;
    bool              has_ended, is_closed, is_deaf; /* opens no window */
    uint32_t          code; /* of its end */
    const char       *out;
    size_t            out_len;
    bool              ends;
    hob_event         changed;
};

static inline struct h2_pipe *h2_pipe_of(nghttp2_session *session, int32_t id)
{
    return (struct h2_pipe *)nghttp2_session_get_stream_user_data(session, id);
}

/* ---- what nghttp2 tells ---- */

static inline int h2_on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_len,
                               const uint8_t *value, size_t value_len, uint8_t flags, void *arg)
{
    struct h2_pipe *pipe = h2_pipe_of(session, frame->hd.stream_id);
    (void)flags, (void)arg;
    if (pipe == NULL)
        return 0;
    if (name_len == 7 && memcmp(name, ":status", 7) == 0)
        pipe->status = atoi((const char *)value);
    size_t len = strlen(pipe->heads);
    snprintf(pipe->heads + len, sizeof pipe->heads - len, "%.*s: %.*s\n", (int)name_len, (const char *)name,
             (int)value_len, (const char *)value);
    return 0;
}

static inline int h2_on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct h2_client *client = (struct h2_client *)arg;
    struct h2_pipe   *pipe = h2_pipe_of(session, frame->hd.stream_id);
    client->goaways += frame->hd.type == NGHTTP2_GOAWAY;
    if (frame->hd.type == NGHTTP2_SETTINGS)
        client->knows_connect = nghttp2_session_get_remote_settings(session, NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL) == 1;
    if (pipe != NULL && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0)
        pipe->has_ended = true;
    if (pipe != NULL)
        hob_event_set(&pipe->changed);
    return 0;
}

static inline int h2_on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data, size_t len, void *arg)
{
    struct h2_pipe *pipe = h2_pipe_of(session, id);
    (void)flags, (void)arg;
    nghttp2_session_consume_connection(session, len);
    if (pipe == NULL)
        return 0;
    if (pipe->in_begin > 0) {
        memmove(pipe->in, pipe->in + pipe->in_begin, pipe->in_end - pipe->in_begin);
        pipe->in_end -= pipe->in_begin;
        pipe->in_begin = 0;
    }
    if (pipe->in_end + len > pipe->in_cap) {
        pipe->in_cap = (pipe->in_end + len) * 2;
        pipe->in = (char *)realloc(pipe->in, pipe->in_cap);
    }
    memcpy(pipe->in + pipe->in_end, data, len);
    pipe->in_end += len;
    if (pipe->in_end > pipe->in_most)
        pipe->in_most = pipe->in_end;
    hob_event_set(&pipe->changed);
    return 0;
}

static inline int h2_on_close(nghttp2_session *session, int32_t id, uint32_t code, void *arg)
{
    struct h2_pipe *pipe = h2_pipe_of(session, id);
    (void)arg;
    if (pipe != NULL) {
        pipe->is_closed = true;
        pipe->code = code;
        hob_event_set(&pipe->changed);
    }
    return 0;
}

static inline ssize_t h2_out(nghttp2_session *session, int32_t id, uint8_t *buf, size_t len, uint32_t *flags,
                             nghttp2_data_source *source, void *arg)
{
    struct h2_pipe *pipe = h2_pipe_of(session, id);
    (void)source, (void)arg;
    if (pipe == NULL)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    size_t n = pipe->out_len < len ? pipe->out_len : len;
    if (n == 0 && !pipe->ends)
        return NGHTTP2_ERR_DEFERRED;
    if (n > 0) {
        memcpy(buf, pipe->out, n);
        pipe->out += n;
        pipe->out_len -= n;
    }
    if (pipe->ends && pipe->out_len == 0)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    hob_event_set(&pipe->changed);
    return (ssize_t)n;
}

/* ---- the connection ---- */

static inline void h2_flush(struct h2_client *client)
{
    HOB_SHIELD(HOB_MINUTE) { // no frame is cut in two
        if (hob_mutex_lock(&client->writing) == 0) {
            const uint8_t *data;
            ssize_t        n = 0;
            while (client->broken == 0 && (n = nghttp2_session_mem_send(client->session, &data)) > 0) {
                if (hob_tcp_write(client->conn, data, (size_t)n) < 0)
                    client->broken = -EPIPE;
            }
            hob_mutex_unlock(&client->writing);
        }
    }
}

static inline int h2_read_all(void *arg)
{
    struct h2_client *client = (struct h2_client *)arg;
    char              buf[4096];
    ssize_t           n;
    while ((n = hob_tcp_read(client->conn, buf, sizeof buf)) > 0) {
        if (nghttp2_session_mem_recv(client->session, (const uint8_t *)buf, (size_t)n) < 0)
            break;
        h2_flush(client);
    }
    client->broken = -ECONNRESET;
    for (struct h2_pipe *pipe = client->pipes; pipe != NULL; pipe = pipe->next)
        hob_event_set(&pipe->changed);
    return 0;
}

static inline int h2_client_open(hob_scope *scope, const struct site *site, struct h2_client *client)
{
    nghttp2_session_callbacks *callbacks;
    nghttp2_option            *option;
    nghttp2_settings_entry     window = { NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 65535 };

    memset(client, 0, sizeof *client);
    check_ok(visit(site, &client->conn));
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_option_new(&option);
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, h2_on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, h2_on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, h2_on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, h2_on_close);
    nghttp2_session_client_new2(&client->session, callbacks, client, option);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_submit_settings(client->session, NGHTTP2_FLAG_NONE, &window, 1);
    hob_task_opts opts = { .name = "a client reads", .daemon = 1 };
    int           r = hob_go_with(scope, h2_read_all, client, &opts);
    if (r < 0)
        return r;
    h2_flush(client);
    return 0;
}

/* When its scope has ended. */
static inline void h2_client_free(struct h2_client *client)
{
    hob_tcp_close(client->conn);
    nghttp2_session_del(client->session);
}

#define H2_CLIENT(name) __attribute__((cleanup(h2_client_free))) struct h2_client name = { 0 }

/* ---- pipes ---- */

static inline ssize_t h2_pipe_read(hob_stream *stream, void *buf, size_t len)
{
    struct h2_pipe *pipe = (struct h2_pipe *)stream;
    while (pipe->in_begin == pipe->in_end && !pipe->has_ended && !pipe->is_closed && pipe->client->broken == 0) {
        hob_event_reset(&pipe->changed);
        HOB_TRY(hob_event_wait(&pipe->changed));
    }
    size_t n = pipe->in_end - pipe->in_begin < len ? pipe->in_end - pipe->in_begin : len;
    if (n == 0)
        return pipe->has_ended ? 0 : -ECONNRESET;
    memcpy(buf, pipe->in + pipe->in_begin, n);
    pipe->in_begin += n;
    if (!pipe->is_closed && !pipe->is_deaf) {
        nghttp2_session_consume_stream(pipe->client->session, pipe->id, n);
        h2_flush(pipe->client);
    }
    return (ssize_t)n;
}

static inline ssize_t h2_pipe_write_some(hob_stream *stream, const void *buf, size_t len)
{
    struct h2_pipe *pipe = (struct h2_pipe *)stream;
    int             r = hob_cancelled();
    if (r < 0 || len == 0)
        return r;
    pipe->out = (const char *)buf;
    pipe->out_len = len;
    if (!pipe->is_closed)
        nghttp2_session_resume_data(pipe->client->session, pipe->id);
    h2_flush(pipe->client);
    while (r == 0 && pipe->out_len == len && !pipe->is_closed && pipe->client->broken == 0) {
        hob_event_reset(&pipe->changed);
        r = hob_event_wait(&pipe->changed);
    }
    size_t gone = len - pipe->out_len;
    pipe->out_len = 0;
    return gone > 0 ? (ssize_t)gone : r < 0 ? r : -ECONNRESET;
}

static inline ssize_t h2_pipe_write(hob_stream *stream, const void *buf, size_t len)
{
    for (size_t done = 0; done < len;)
        done += (size_t)HOB_TRY(h2_pipe_write_some(stream, (const char *)buf + done, len - done));
    return (ssize_t)len;
}

static inline int h2_pipe_shutdown(hob_stream *stream)
{
    struct h2_pipe *pipe = (struct h2_pipe *)stream;
    pipe->ends = true;
    nghttp2_session_resume_data(pipe->client->session, pipe->id);
    h2_flush(pipe->client);
    return 0;
}

static inline void h2_pipe_close(hob_stream *stream)
{
    struct h2_pipe   *pipe = (struct h2_pipe *)stream;
    struct h2_client *client = pipe->client;
    if (!pipe->is_closed) {
        nghttp2_session_set_stream_user_data(client->session, pipe->id, NULL);
        nghttp2_submit_rst_stream(client->session, NGHTTP2_FLAG_NONE, pipe->id, NGHTTP2_CANCEL);
        h2_flush(client);
    }
    for (struct h2_pipe **at = &client->pipes; *at != NULL; at = &(*at)->next) {
        if (*at == pipe) {
            *at = pipe->next;
            break;
        }
    }
    free(pipe->in);
    free(pipe);
}

static const hob_stream_type H2_PIPE = {
    .name = "a client's stream of HTTP/2",
    .read = h2_pipe_read,
    .write_some = h2_pipe_write_some,
    .write = h2_pipe_write,
    .shutdown = h2_pipe_shutdown,
    .close = h2_pipe_close,
};

static inline nghttp2_nv h2_nv(const char *name, const char *value)
{
    nghttp2_nv nv = { (uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name), strlen(value), 0 };
    return nv;
}

/* Asks, with these headers besides (name, value, ..., NULL), and waits for the head of the answer. */
static inline int h2_pipe_open(struct h2_client *client, const char *path, const char *const *more, struct h2_pipe **ret_pipe)
{
    nghttp2_nv fields[20] = { h2_nv(":method", "CONNECT"), h2_nv(":protocol", "websocket"), h2_nv(":scheme", "http"),
                              h2_nv(":path", path), h2_nv(":authority", "a"), h2_nv("sec-websocket-version", "13") };
    size_t     count = 6;
    nghttp2_data_provider provider = { .read_callback = h2_out };
    struct h2_pipe       *pipe = (struct h2_pipe *)calloc(1, sizeof *pipe);

    for (; more != NULL && *more != NULL; more += 2)
        fields[count++] = h2_nv(more[0], more[1]);
    pipe->stream.type = &H2_PIPE;
    pipe->client = client;
    pipe->changed.name = "a stream of a client";
    pipe->next = client->pipes;
    client->pipes = pipe;
    pipe->id = nghttp2_submit_request(client->session, NULL, fields, count, &provider, pipe);
    pipe->is_closed = pipe->id < 0;
    h2_flush(client);
    int r = 0;
    while (r == 0 && pipe->status == 0 && !pipe->is_closed && client->broken == 0) {
        hob_event_reset(&pipe->changed);
        r = hob_event_wait(&pipe->changed);
    }
    if (r == 0 && pipe->status == 0)
        r = -ECONNRESET;
    if (r < 0)
        h2_pipe_close(&pipe->stream);
    else
        *ret_pipe = pipe;
    return r;
}

/* A WebSocket. Returns 0; a status that is none; or an error. */
static inline int h2_join_at(struct h2_client *client, const char *path, const hob_ws_opts *opts, hob_ws **ret_ws)
{
    char                offer[WS_EXTENSION_MAX];
    const char         *more[3] = { NULL, offer, NULL };
    struct h2_pipe     *pipe;
    struct ws_extension wanted, agreed;

    if (opts != NULL && opts->deflate) {
        wanted = hob__ws_wanted(opts);
        hob__ws_extension_offer(&wanted, offer);
        more[0] = "sec-websocket-extensions";
    }
    HOB_TRY(h2_pipe_open(client, path, more, &pipe));
    if (pipe->status != 200) {
        int status = pipe->status;
        h2_pipe_close(&pipe->stream);
        return status;
    }
    hob_ws *ws = hob__ws_new(opts, true);
    if (ws == NULL) {
        h2_pipe_close(&pipe->stream);
        return -ENOMEM;
    }
    ws->stream = &pipe->stream;
    const char *answer = strstr(pipe->heads, "sec-websocket-extensions: ");
    if (answer != NULL) {
        char line[WS_EXTENSION_MAX];
        snprintf(line, sizeof line, "%.*s", (int)strcspn(answer + 26, "\n"), answer + 26);
        int r = hob__ws_extension_agree(line, &wanted, &agreed) ? hob__ws_use_deflate(ws, &agreed, opts) : HOB_EWS;
        if (r < 0) {
            hob__ws_free(ws);
            return r;
        }
    }
    *ret_ws = ws;
    return 0;
}

static inline int h2_join_with(struct h2_client *client, const hob_ws_opts *opts, hob_ws **ret_ws)
{
    return h2_join_at(client, "/chat", opts, ret_ws);
}

static inline int h2_join(struct h2_client *client, hob_ws **ret_ws)
{
    return h2_join_with(client, NULL, ret_ws);
}

#endif
