/* SPDX-License-Identifier: MIT */
/*
 * HTTP/2 (RFC 9113): many requests on one connection, by nghttp2, which knows the frames.
 *
 *     h2_conn.c      a connection's task: reads, starts requests, sends, goes idle, says goodbye
 *     h2_session.c   what nghttp2 tells and asks; how much of what a client may send
 *     h2_head.c      the fields of a head become one of HTTP/1.1, for the same reader
 *     h2_stream.c    a request's task, and how it reads and writes: hob__http_h2
 *     h2_tunnel.c    one that has become a stream both ways, also without a task
 *     h2_none.c      in their place where there is no nghttp2
 *
 *     bytes ─▶ feed ─▶ nghttp2 ─▶ head whole: FRESH ─▶ a task: the handler ─▶ submit ─┐
 *     bytes ◀─ write_all ◀─ work->out ◀─ collect ◀─ nghttp2 ◀──────────────────────────┘
 *
 * A stream:
 *
 *     HEAD ─▶ FRESH ─▶ RUNNING ─▶ (freed)
 *       │       │         └── a tunnel that is kept ──▶ SILENT ─▶ FRESH ─▶ ...
 *       └───────┴──▶ (freed): refused, or the client took it back
 *
 *   HEAD     its head is coming: h2->heading. There is at most one.
 *   FRESH    its head is whole; it has no task until nghttp2 has taken all that was read.
 *   RUNNING  its task runs the handler, and then waits until the last byte of the answer is in
 *            work->out of the connection. It is counted until its task has ended, whatever the
 *            client has done meanwhile: so work that nobody wants any more has a limit, too.
 *   SILENT   it has neither a task nor room (no `work`), until there is something to tell its keeper.
 *
 * nghttp2 is called by all of the connection's tasks, one at a time, since none of those calls waits; and
 * not from within its own calls. Who finds that there is something to be sent either is the
 * connection's task, or starts one that writes it (`is_writing`), so that a request that is cancelled
 * never cuts a frame into two. An idle connection has no task: struct h2_conn, and nghttp2's memory. One
 * all of whose streams are SILENT is idle, too.
 */
#ifndef HOB_HTTP_H2_H
#define HOB_HTTP_H2_H

#include "http/server.h"

/* Whether a connection that begins so speaks HTTP/2: 1; 0; -1: more bytes are wanted. */
int hob__h2_is_preface(const char *bytes, size_t len);

/* From now on it does. Returns 0, -ENOMEM, or -ENOTSUP: there is no nghttp2. */
int hob__h2_begin(struct http_conn *conn);

/* Its task, with conn->work and what was read in it. True: it was left idle, and gave all back. */
bool hob__h2_run(struct http_conn *conn);

/* It was idle, and is ready: whether a task is to be started, or else the connection to be closed. */
bool hob__h2_wake(struct http_conn *conn, ssize_t result);

/* All of its requests wait for the client, and it reads; it has one, at least. */
bool hob__h2_waits(const struct http_conn *conn);

/* There is no memory for that task: true if it gets one later, since somebody is to hear of its end. */
bool hob__h2_starts_later(struct http_conn *conn);

void hob__h2_free(struct h2_conn *h2); /* NULL is fine. Those who keep streams hear of it: may wait */

/* Of all tunnels of a server: tells who is silent for too long; tells that it ends. */
void hob__h2_look_after_tunnels(struct http_server *server);
void hob__h2_drain_tunnels(struct http_server *server);

#ifdef HOB_HTTP_HAVE_H2
#include <nghttp2/nghttp2.h>

enum { REFUSALS_MAX = 128 }; /* that are on their way: more is read when they have gone */

/* So many at once, and so many each second. */
struct h2_bucket {
    double  left;
    int64_t at_ns;
};

struct h2_conn {
    struct http_conn *conn;
    nghttp2_session  *session;
    hob_scope        *scope; /* of its streams' tasks, while it has one itself */
    struct h2_stream *streams; /* all of them */
    struct h2_stream *heading, *fresh, *fresh_last;
    uint32_t          stream_count;
    uint32_t          tunnel_count, silent_count; /* of these */
    uint32_t          ending_count; /* the same, of those whose end is still to be sent */
    uint32_t          slow_count; /* the same, of those that wait for their client */

    /* What the client does. */
    int64_t          head_since_ns; /* 0: no head is coming */
    uint32_t         head_bytes;    /* of it, on the wire   */
    int64_t          updates_left;  /* WINDOW_UPDATEs that are worth their while */
    struct h2_bucket resets, controls;
    uint32_t         refusals;     /* that are on their way                  */
    bool             knows_limit;  /* it has said that it read our SETTINGS  */
    int64_t          strange; /* bytes that came, less those of frames that nghttp2 has told of */
    int64_t          strange_paid;

    unsigned         slices;   /* of what came, that were read  */
    int64_t          turn_ns;  /* it has had the worker since then */

    /* What there is to do. */
    const uint8_t *rest; /* what nghttp2 gave and work->out had no room for */
    size_t         rest_len;
    int64_t        idle_since_ns;
    int64_t        last_call_ns; /* when the second GOAWAY is due, if no answer to the PING comes */
    bool           has_told_limit; /* our SETTINGS are in work->out */
    bool           is_busy;    /* its task will look at what is to be sent */
    bool           is_feeding; /* nghttp2 is in mem_recv   */
    bool           is_writing; /* work->out is being sent  */
    bool           is_calmed;  /* the client did too much  */
    bool           has_shielded; /* the server was cancelled, and goodbyes were said */
    bool           is_leaving, has_pinged_back, has_said_last; /* no more requests are taken */
    bool           is_idle;    /* it has no task, and conn->op waits                */
    bool           is_woken;   /* from being idle, since there is something to read */
    bool           wants_task; /* it was ready, and there was no memory for one     */
    bool           is_over;    /* nothing will be read any more */
    bool           must_go;    /* others need the room         */
    hob_event      quiet;      /* nobody writes             */
};

struct h2_stream {
    struct h2_conn   *h2;
    struct h2_stream *prev, *next, *next_fresh;
    struct http_work *work;   /* NULL: it is kept */
    struct h2_tunnel *tunnel; /* NULL: it is a request */
    int32_t           id;
    int               broken; /* as conn->broken, of this stream */

    /* Its head: see h2_head.c. */
    int      refused; /* a status */
    uint32_t pseudo_len, cookie_len;
    uint32_t decoded; /* bytes of its fields, also of those that were too many */
    struct {
        uint32_t at, len;
    } method, path, authority, protocol;
    bool has_line; /* the request line is in work->in */
    char protocol_text[48];

    /* Its body: what was received and not read yet is body[body_begin .. body_end). */
    char  *body;
    size_t body_cap, body_begin, body_end;
    uint64_t received;
    bool   has_ended; /* the client's side */
    bool   is_connect; /* an extended CONNECT: what comes is no body */
    int    body_error;

    /* Its answer: what was gathered in work->out, of which out_taken bytes are gone; then `lent`. */
    int64_t             length; /* -1: unknown */
    size_t              out_taken;
    struct iovec        lent_one;
    const struct iovec *lent; /* the first piece that is not gone, with lent_at bytes of it */
    size_t              lent_at, lent_len;
    bool        is_head_sent, is_deferred, is_ending, is_end_sent;
    bool        is_head_gone; /* it was not only submitted      */
    bool        is_end_ours;  /* nghttp2 did not send it        */
    bool        is_closed; /* nghttp2 knows it no more */
    bool        is_running;
    bool        is_fresh;  /* it stands in line for a task */

    hob_event readable, writable;
};

/* ---- h2_session.c ---- */

extern const nghttp2_data_provider hob__h2_answer;

int  hob__h2_session_new(struct h2_conn *h2);
bool hob__h2_take(struct h2_conn *h2, struct h2_bucket *bucket, uint32_t per_s);
void hob__h2_take_strange(struct h2_conn *h2);

/* Moves what nghttp2 has to send to work->out, as far as there is room. */
void hob__h2_collect(struct h2_conn *h2);

/* ---- h2_head.c ---- */

/* One field of the head that is coming; of the trailers. */
void hob__h2_field(struct h2_stream *s, const char *name, size_t name_len, const char *value,
                   size_t value_len);
void hob__h2_trailer(struct h2_stream *s, const char *name, size_t name_len, const char *value,
                     size_t value_len);

/* All of its fields were there. Returns 0, or the status that refuses it. */
int hob__h2_head_end(struct h2_stream *s, bool has_ended);
void hob__h2_trailer_end(struct h2_stream *s);

/* ---- h2_stream.c ---- */

extern const struct http_transport hob__http_h2;

struct h2_stream *hob__h2_stream_new(struct h2_conn *h2, int32_t id); /* HEAD; NULL: no memory */
void hob__h2_stream_free(struct h2_stream *s);

/* Its head is whole: it is refused, or FRESH. */
void hob__h2_stream_ready(struct h2_stream *s);
void hob__h2_stream_line_up(struct h2_stream *s); /* FRESH */

/* A task for it. */
void hob__h2_stream_start(struct h2_stream *s);

/* Bytes of its body. */
void hob__h2_stream_data(struct h2_stream *s, const char *data, size_t len);

/* Nothing more can come of it, or go: its handler is cancelled. */
void hob__h2_stream_break(struct h2_stream *s, int error, const char *reason);

/* Of its answer: how much there is to send now; and takes that much. */
size_t hob__h2_stream_pending(const struct h2_stream *s);
void   hob__h2_stream_take(struct h2_stream *s, char *to, size_t len);
int    hob__h2_submit_trailers(struct h2_stream *s);

/* For tunnels. What came, at most `len` bytes, of which there are some. */
size_t hob__h2_stream_read(struct h2_stream *s, void *buf, size_t len);

/* The head, if it was not sent; and what there is from then on. Does not wait: 0 or -ENOMEM. */
int hob__h2_stream_send(struct h2_stream *s);

/* Nothing follows what there is: its end is to be sent. */
void hob__h2_stream_ends(struct h2_stream *s);

/* The client says no more, so no window will open for what is left. */
bool hob__h2_stream_is_stuck(const struct h2_stream *s);

/* The end of its side, or (is_cut) a reset. Waits. */
void hob__h2_stream_end(struct h2_stream *s, bool is_cut);
void hob__h2_stream_end_sent(struct h2_stream *s);
struct h2_stream *hob__h2_stream_of(const hob_http_request *req);

/* ---- h2_tunnel.c ---- */

int  hob__h2_upgrade(hob_http_request *req, hob_stream **ret_stream);
void hob__h2_keep(hob_http_request *req, int64_t silent_ns, hob_http_keeper *keeper, void *arg);

/* Its handler has returned `result`, its request is over: goes on with its keeper, if there is one,
 * until it is SILENT, or frees it. Waits. */
void hob__h2_tunnel_left(struct h2_stream *s, int result);

/* There is something to tell its keeper: it is FRESH, unless it runs. */
void hob__h2_tunnel_call(struct h2_stream *s);
void hob__h2_tunnel_call_all(struct h2_conn *h2);
void hob__h2_tunnel_start(struct h2_stream *s); /* its task */

/* Tells its keeper, if there is one, that it ends, in this task; and frees it. */
void hob__h2_tunnel_free(struct h2_stream *s);

/* ---- h2_conn.c ---- */

/* Something is to be sent: sees to it that somebody does. */
void hob__h2_kick(struct h2_conn *h2);
void hob__h2_rouse(struct h2_conn *h2); /* there is something to do for the connection's task */
void hob__h2_break(struct h2_conn *h2, int error);
void hob__h2_stream_gone(struct h2_conn *h2); /* there is one less */

#endif
#endif
