/* SPDX-License-Identifier: MIT */
/*
 * WebSockets (RFC 6455), with compression (permessage-deflate, RFC 7692): servers and clients.
 *
 *     static int echo(hob_ws *ws, void *arg)
 *     {
 *         hob_ws_kind kind;
 *         const char *data;
 *         ssize_t     len;
 *         while ((len = hob_ws_recv(ws, &kind, &data)) >= 0)
 *             HOB_TRY(hob_ws_send(ws, kind, data, (size_t)len));
 *         return len == HOB_EOF ? 0 : (int)len;
 *     }
 *
 *     static int handle(hob_http_request *req, void *arg)    // a handler of hob/http.h
 *     {
 *         return hob_ws_serve(req, NULL, echo, arg);
 *     }
 *
 * A library of its own: not part of hob.h; link libhob-ws (pkg-config).
 *
 * Over HTTP/2 (RFC 8441) servers need nothing else: many WebSockets share a connection with its requests,
 * and each waits for its own windows. Clients do it by hob/ws_link.h.
 *
 * Receiving.  One task at a time. Pings are answered, and silent peers are pinged, while somebody
 *   receives. What the peer does against the protocol ends the connection with the code that RFC 6455
 *   has for it, never the program.
 * Sending.  Many tasks may send at once: a message is whole. Who sends waits while the peer is
 *   slower. In hob_ws_serve and hob_ws_keep small messages are sent together while more of what came is
 *   at hand: at the latest when this task next waits for anything.
 * Cancelling.  A cancelled call that receives took nothing that the next one does not get. A cancelled
 *   send did not send; or it did, and returns 0: a frame that has begun is always finished, if need be
 *   by the next call on the connection that waits.
 * Ends.  HOB_EOF is a closing handshake: both have said goodbye. Anything else is another error, and
 *   hob_ws_ended has the code and the words.
 *
 * A connection belongs to one worker. Unless said otherwise functions wait, and return 0 or a
 * negative error.
 */
#ifndef HOB_WS_H
#define HOB_WS_H

#include "hob/http.h"

HOB_BEGIN_DECLS

typedef struct hob_ws hob_ws;

typedef enum hob_ws_kind {
    HOB_WS_TEXT = 1,   /* UTF-8, which is checked in both directions */
    HOB_WS_BINARY = 2,
} hob_ws_kind;

/* Codes of ends: RFC 6455 7.4.1. From 3000 on they are the users'. */
enum {
    HOB_WS_NORMAL = 1000,
    HOB_WS_GOING_AWAY = 1001,      /* the server ends, the page was left                       */
    HOB_WS_PROTOCOL_ERROR = 1002,
    HOB_WS_UNSUPPORTED = 1003,     /* this kind of message is not understood                   */
    HOB_WS_NO_CODE = 1005,         /* never sent: the peer's goodbye had no code               */
    HOB_WS_LOST = 1006,            /* never sent: there was no goodbye                         */
    HOB_WS_BAD_DATA = 1007,        /* a text is not UTF-8, or is badly compressed              */
    HOB_WS_POLICY = 1008,
    HOB_WS_TOO_BIG = 1009,
    HOB_WS_FAILED = 1011,          /* the other end has a problem of its own                   */
    HOB_WS_TRY_LATER = 1013,
};

/* All zero, or NULL where a pointer is taken, means the defaults. Times are in nanoseconds;
 * HOB_FOREVER takes one away. Texts and lists are lent for the call that takes the options. */
typedef struct hob_ws_opts {
    uint64_t message_bytes_max; /* that are received, after inflating; 0: 1 MiB; then 1009           */
    uint32_t fragments_max;     /* of a message; 0: 4,096; then 1008                                 */
    int64_t  ping_ns;           /* of silence, then it is pinged; 0: 30 s                            */
    int64_t  pong_ns;           /* of more silence, then it is dead (-ETIMEDOUT); 0: 20 s            */
    int64_t  send_ns;           /* to take what is written to it; more: it is dead; 0: 30 s          */
    int64_t  close_ns;          /* to answer a goodbye; 0: 5 s                                       */

    /* Subprotocols, NULL behind the last. A server picks the first of the client's that is among
     * them, or none; a client offers them. */
    const char *const *protocols;

    /* Compression, if both want it. Without takeover nothing is kept between messages; with it,
     * messages that are like those before are smaller, for about 2^(bits + 2) + 2^bits bytes a connection and
     * more. Fragments of hob_ws_send_begin, and messages of topics, go out as they are. */
    unsigned deflate : 1;
    unsigned takeover : 1;
    int      window_bits;       /* 9 to 15; 0: 13 (8 KiB)                                            */
    int      level;             /* of zlib, 1 to 9; 0: 1                                             */
    size_t   deflate_bytes_min; /* shorter messages go out as they are, without takeover; 0: 128     */

    /* Servers. A page of another site can open a WebSocket with its visitor's cookies, so the Origin
     * that browsers send must be the Host; or one of these ("https://example.com"), NULL behind the
     * last. Who sends no Origin is no browser. Not: 403. */
    const char *const *origins;
    unsigned           any_origin : 1; /* no check */

    /* Clients. */
    const char *const *headers; /* more for the request: name, value, name, value, NULL             */
    int64_t            handshake_ns; /* 0: 10 s                                                      */
    int               *ret_status;   /* what the server answered: 101 (200 over HTTP/2), or why not; NULL:
                                        no matter                                                    */
} hob_ws_opts;

/* ---- servers ---- */

/* Has the conversation. Returns 0; or an error, by which the connection ends with HOB_WS_FAILED. */
typedef int hob_ws_fn(hob_ws *ws, void *arg);

/* A whole answer to a request for a WebSocket: accepts it, or says why not; calls fn(ws, arg); says
 * goodbye; closes. Others may send to it until fn has returned; who is in a call with it then gets that
 * call's error, and is waited for. For a handler to return. Errors of the connection are none of the
 * handler's: 0. */
HOB_API HOB_MUST_USE int hob_ws_serve(hob_http_request *req, const hob_ws_opts *opts, hob_ws_fn *fn,
                                      void *arg);

/* The first step alone. Returns 0, and *ret_ws is the caller's to close before the handler returns;
 * or the status that the request deserves (405, 400, 403, 426, 501, 503), for hob_ws_refuse or an answer of
 * your own; or a negative error of hob_http_upgrade. */
HOB_API HOB_MUST_USE int hob_ws_accept(hob_http_request *req, const hob_ws_opts *opts,
                                       hob_ws **ret_ws);

/* Answers with that status, and what belongs to it. Does not wait for the client. */
HOB_API HOB_MUST_USE int hob_ws_refuse(hob_http_request *req, int status);

/* What is called for a connection without a task. */
typedef struct hob_ws_calls {
    /* A message has come whole; the data are lent, with a NUL behind. In a task: may wait, and the next
     * message comes when it has returned. An error ends the connection with HOB_WS_FAILED. */
    int (*message)(hob_ws *ws, void *arg, hob_ws_kind kind, const char *data, size_t len);

    /* It has ended, by hob_ws_ended: the last call, exactly once. The connection is closed and freed
     * behind it. NULL: nobody wants to know. */
    void (*ended)(hob_ws *ws, void *arg);
} hob_ws_calls;

/* Keeps an accepted connection when the handler has returned 0: while nobody says anything it has no
 * task, no stack and no buffer; of HTTP/2 neither has the connection, when all on it are silent. Others
 * may send to it until `ended` has returned; who is in a call with it then gets that call's error, and is
 * waited for. It is the last that the handler does with it, and it is not closed by hand. Does not wait.
 * Returns 0, or -ENOMEM, -EAGAIN, and then nothing was changed. */
HOB_API HOB_MUST_USE int hob_ws_keep(hob_ws *ws, const hob_ws_calls *calls, void *arg);

/* ---- clients ---- */

/* Makes the handshake on a stream that is connected to the server of `url`, such as
 * "ws://example.com:8080/path?query"; for wss:// the stream is one of hob/tls.h. (hob_ws_open of
 * hob/ws_open.h makes the stream, too: this library needs neither names nor TLS.)
 *
 * Returns 0, and the stream belongs to *ret_ws; or, and it is still the caller's, to be closed:
 *   -EINVAL     the URL, a protocol or a header is none
 *   HOB_EWS     the server does not want to, or knows no WebSockets: opts->ret_status
 *   -ETIMEDOUT, -ECANCELED, -ENOMEM, the errors of the stream; -ECONNRESET: it ended */
HOB_API HOB_MUST_USE int hob_ws_connect(hob_stream *stream, const char *url,
                                        const hob_ws_opts *opts, hob_ws **ret_ws);

/* ---- clients whose handshake is not one of HTTP/1.1 ---- */

/* What hob/ws_link.h does for HTTP/2, and others can for theirs: they send a request with the fields of
 * hob_ws_offer, and a stream that a server has agreed to use becomes a WebSocket by hob_ws_agree. */

/* A field of the request, lent for the call. Returns 0, or an error, which ends it. */
typedef int hob_ws_field_fn(void *arg, const char *name, const char *value);

/* Calls field(arg, name, value) for each field that tells what `opts` wants: version, protocols, compression,
 * and the headers. Does not wait. Returns 0; -EINVAL: a protocol or a header is none; or what field returned. */
HOB_API HOB_MUST_USE int hob_ws_offer(const hob_ws_opts *opts, hob_ws_field_fn *field, void *arg);

/* Makes a WebSocket of a stream. `answer` has fields of the server's answer: name, value, name, value, NULL; those
 * that are none of a WebSocket's are passed over. `opts` is as it was offered. Does not wait.
 *
 * Returns 0, and the stream belongs to *ret_ws: hob_ws_close closes it; first, when both have said goodbye, it
 * shuts it down, which must not wait. Or, and it is still the caller's: HOB_EWS: this is no answer to what was
 * offered; -ENOMEM. */
HOB_API HOB_MUST_USE int hob_ws_agree(hob_stream *stream, const char *const *answer, const hob_ws_opts *opts,
                                      hob_ws **ret_ws);

/* ---- receiving ---- */

/* Receives a message. Returns its length, and shows its bytes, with a NUL behind them, until the next
 * call that receives. Or, and then again and again:
 *   HOB_EOF       both have said goodbye
 *   HOB_EWS       the peer broke the protocol, or a limit; it was told
 *   -ECONNRESET, -EPIPE  the connection is gone without a goodbye
 *   -ETIMEDOUT    the peer is silent, or does not take what is sent; or the scope's deadline
 * -ENOMEM, -ECANCELED: another call may go on. */
HOB_API HOB_MUST_USE ssize_t hob_ws_recv(hob_ws *ws, hob_ws_kind *ret_kind, const char **ret_data);

/* The same in pieces, for messages that are not to lie in memory: waits for the next message (what was
 * not read of the last is skipped), then reads up to `len` bytes of it; 0 at its end. A text can turn
 * out to be none after some of it was read. message_bytes_max holds. */
HOB_API HOB_MUST_USE int     hob_ws_recv_begin(hob_ws *ws, hob_ws_kind *ret_kind);
HOB_API HOB_MUST_USE ssize_t hob_ws_recv_part(hob_ws *ws, void *buf, size_t len);

/* ---- sending ---- */

/* Sends a message; `data` is lent. Returns 0, or
 *   -EILSEQ  a text is not UTF-8
 *   -EPIPE   goodbye was said, or the connection has ended
 *   -ETIMEDOUT  the peer takes nothing for send_ns, and is given up; or the scope's deadline
 *   -ENOMEM, -ECANCELED, -ECONNRESET */
HOB_API HOB_MUST_USE int hob_ws_send(hob_ws *ws, hob_ws_kind kind, const void *data, size_t len);
HOB_API HOB_MUST_USE int hob_ws_send_text(hob_ws *ws, const char *text);

/* The same in fragments, which are sent as they come: begin waits for the messages of others, and they
 * wait until the end. Texts are checked across the parts. When the connection is over, so is the message:
 * part and end give an error (from then on -EPIPE), and nothing is to be ended. Another error, such as
 * -ECANCELED or -ENOMEM, leaves it begun: it is ended, or the connection closed. */
HOB_API HOB_MUST_USE int hob_ws_send_begin(hob_ws *ws, hob_ws_kind kind);
HOB_API HOB_MUST_USE int hob_ws_send_part(hob_ws *ws, const void *data, size_t len);
HOB_API HOB_MUST_USE int hob_ws_send_end(hob_ws *ws);

/* Sends a ping of at most 125 bytes, which the peer answers; silent peers are pinged without it. */
HOB_API HOB_MUST_USE int hob_ws_ping(hob_ws *ws, const void *data, size_t len);

/* ---- the end ---- */

/* Says goodbye, with a code (1000 to 1003, 1007 to 1014, or 3000 to 4999; another is a mistake) and
 * words (UTF-8, at most 123 bytes, else they are left out; NULL: none), and waits for the peer's, up to
 * close_ns; what still comes before it is thrown away, unless another task receives it. In a cancelled
 * scope use HOB_SHIELD. Returns 0 when both have said goodbye, also the second time; or the error by
 * which it ended. */
HOB_API HOB_MUST_USE int hob_ws_shutdown(hob_ws *ws, int code, const char *reason);

/* Frees it, and a client's stream; NULL is fine. Without a goodbye: that is hob_ws_shutdown. No task may
 * be in a call with it. hob_ws_serve and hob_ws_keep do it themselves. Does not wait. */
HOB_API void hob_ws_close(hob_ws *ws);

typedef struct hob_ws_end {
    int         code;      /* the peer's; HOB_WS_NO_CODE, HOB_WS_LOST; 0: it has not ended  */
    int         sent_code; /* ours; 0: none was sent                                         */
    int         error;     /* what hob_ws_recv returns                                       */
    const char *reason;    /* the peer's words, or what was wrong; "". UTF-8, as long as the ws */
} hob_ws_end;

/* None of these waits. */
HOB_API void        hob_ws_ended(const hob_ws *ws, hob_ws_end *ret_end);
HOB_API const char *hob_ws_protocol(const hob_ws *ws); /* "": none was chosen */
HOB_API int         hob_ws_is_deflated(const hob_ws *ws);

/* ---- topics: what is sent to many ---- */

/* What is published lies once in memory, encoded; who has joined is a number: how far they have
 * heard. So nobody who is slow costs the others anything:
 *
 *     published 1000 ──▶ │994│995│996│997│998│999│   the last `messages_max`
 *                              ▲               ▲
 *                       bob has heard    ann has heard
 */
typedef struct hob_ws_topic hob_ws_topic;

/* What happens to who is that far behind. */
typedef enum hob_ws_slow {
    HOB_WS_DROP_OLDEST, /* they miss the oldest                                            */
    HOB_WS_CONFLATE,    /* they get only the newest: whoever is behind skips to the last   */
    HOB_WS_DISCONNECT,  /* they are closed with HOB_WS_TRY_LATER                           */
} hob_ws_slow;

typedef struct hob_ws_topic_opts {
    const char *name;         /* for reports; kept, not copied: a literal  */
    uint32_t    messages_max; /* that are kept; 0: 256                     */
    size_t      bytes_max;    /* of all of them; 0: 4 MiB                  */
    hob_ws_slow slow;
} hob_ws_topic_opts;

typedef struct hob_ws_topic_stats {
    uint64_t published;
    uint64_t joined;  /* now                                    */
    uint64_t sent;    /* messages, to all                       */
    uint64_t writes;  /* by which they were sent                */
    uint64_t missed;  /* messages that somebody did not get     */
    uint64_t closed;  /* connections that were too slow         */
} hob_ws_topic_stats;

/* Does not wait. Returns 0 or -ENOMEM. */
HOB_API HOB_MUST_USE int hob_ws_topic_new(const hob_ws_topic_opts *opts, hob_ws_topic **ret_topic);

/* Frees it; NULL is fine. Nobody may be joined, or in a call with it. Does not wait. */
HOB_API void hob_ws_topic_free(hob_ws_topic *topic);

/* Publishes a message to all who have joined, on all workers. The data are copied, once. Never waits for
 * who is slow. Returns 0, -EILSEQ, -EMSGSIZE (over bytes_max), -ENOMEM, -ECANCELED. */
HOB_API HOB_MUST_USE int hob_ws_topic_publish(hob_ws_topic *topic, hob_ws_kind kind,
                                              const void *data, size_t len);

/* From now on the connection, a server's, gets what is published. It has left when it is closed, and may
 * leave before. A connection that is not kept may be in one topic or in several, until its handler
 * returns. What is published is sent in order, with the connection's other messages in between. Does not wait.
 * Returns 0, -EALREADY, -ENOMEM. */
HOB_API HOB_MUST_USE int hob_ws_topic_join(hob_ws_topic *topic, hob_ws *ws);

/* Gets no more of it; nor does a message that is on its way count as missed. No effect if it has not
 * joined. Waits for a write that has begun, also in a cancelled scope. */
HOB_API void hob_ws_topic_leave(hob_ws_topic *topic, hob_ws *ws);

HOB_API void hob_ws_topic_stats_get(hob_ws_topic *topic, hob_ws_topic_stats *ret_stats);

HOB_END_DECLS

#endif
