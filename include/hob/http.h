/* SPDX-License-Identifier: MIT */
/*
 * HTTP servers: HTTP/1.1, and HTTP/2 where nghttp2 was there when Hob was built.
 *
 *     static int hello(hob_http_request *req, void *arg)
 *     {
 *         return hob_http_reply_text(req, 200, "Hello, World!\n");
 *     }
 *
 *     static int serve(void *arg)
 *     {
 *         hob_addr          here = hob_addr_loopback(8080);
 *         hob_tcp_listener *listener;
 *         HOB_TRY(hob_tcp_listen(&here, NULL, &listener));
 *         HOB_DEFER(close_listener, listener);
 *         return hob_http_serve(listener, NULL, hello, NULL);
 *     }
 *
 * A library of its own: not part of hob.h; link libhob-http (pkg-config).
 *
 * A handler is an ordinary function in a task of its own: it may wait, start tasks, and call
 * anything. While a client of TCP or a Unix socket says nothing, its connection has neither a task
 * nor a buffer. Requests that come together are answered one after the other, and what was
 * answered goes out in one write.
 *
 * What is read is held to RFC 9110 and 9112 to the letter wherever two readers of the same bytes
 * could come to different ends: a bad request is answered by 400 or its like, and the connection
 * closed. Nothing that a client sends can be more than a failed request.
 *
 * HTTP/2 needs nothing of a handler. A client that begins with its preface gets it, over TCP (h2c by
 * prior knowledge) and over TLS, where client and server agree upon it first (ALPN): hob/https.h does all of
 * that. Each request has a task, and an idle connection none. What RFC 9113 forbids ends the stream or the
 * connection.
 */
#ifndef HOB_HTTP_H
#define HOB_HTTP_H

#include "hob/file.h"
#include "hob/scope.h"
#include "hob/tcp.h"

HOB_BEGIN_DECLS

typedef struct hob_http_request hob_http_request;

/* Versions, as a client and a server agree upon them: "http/1.1" and "h2" in TLS. */
enum { HOB_HTTP_1 = 11, HOB_HTTP_2 = 20 };

/* Answers a request, by one of the functions below. Returns 0; or a negative error: then the client
 * gets 500, or, when the answer had begun, sees that it was cut off. The same if it returns without
 * an answer. The request, and every text got from it, end with the call. */
typedef int hob_http_handler(hob_http_request *req, void *arg);

/* ---- limits ---- */

/* What was answered, to be logged: also to requests that no handler saw. */
typedef struct hob_http_record {
    const char *method; /* "" when the request line could not be read */
    const char *target; /* as it came                                  */
    int         status; /* 0: none was sent                            */
    int         error;  /* why it failed or was cut off; 0: it was not */
    uint64_t    body_bytes;   /* of the request, that were read        */
    uint64_t    answer_bytes; /* of the answer's body                  */
    int64_t     took_ns;      /* from the end of its head              */
    hob_stream *stream;       /* the connection                        */
    int         version;      /* as hob_http_version                   */
} hob_http_record;

/* What a server has counted; kept true all the time. */
typedef struct hob_http_stats {
    uint64_t connections;     /* open now                                           */
    uint64_t idle;            /* of these, waiting for a request, or the rest of one, without a task */
    uint64_t running;         /* requests with a task, now                          */
    uint64_t accepted;        /* connections, in all                                */
    uint64_t requests;        /* handed to the handler, in all                      */
    uint64_t refused;         /* requests and connections that were too many (503)  */
    uint64_t bad;             /* requests that were none (400 and so on)            */
    uint64_t timed_out;       /* connections closed by a limit of time, the idle one not counted */
    uint64_t failed;          /* handlers that failed, or gave no answer            */
    uint64_t gone;            /* clients that went away while their handler ran     */
    uint64_t writes;          /* to connections                                     */
    uint64_t upgraded;        /* connections that are HTTP's no longer, now         */
    uint64_t http2;           /* connections that spoke HTTP/2, in all              */
    uint64_t reset;           /* requests of theirs that were reset before their answer was whole */
    uint64_t calmed;          /* connections of theirs that ended because their client did too much */
    uint64_t waiting;         /* of the running, those that wait for their client, now     */
    uint64_t displaced;       /* connections without a whole request, and requests whose client was slow,
                                 that went to make room                                    */
} hob_http_stats;

/* All zero, or NULL where a pointer is taken, means the defaults. Times are in nanoseconds;
 * HOB_FOREVER takes a limit of time away. */
typedef struct hob_http_opts {
    /* How large. */
    uint32_t target_bytes_max; /* of a request's target; 0: 8,000; then 414                       */
    uint32_t head_bytes_max;   /* of a request's head; 0: 16 KiB, at most 64 KiB; then 431        */
    uint32_t headers_max;      /* of a request, and of its trailers; 0: 100; then 431             */
    uint64_t body_bytes_max;   /* of a request's body; 0: 1 MiB; then 413                         */
    uint64_t discard_bytes_max; /* of a body that the handler left unread; more: the connection is
                                   closed; 0: 64 KiB                                              */

    /* How long. Each runs out by itself, however busy the client seems. */
    int64_t  idle_ns;    /* between requests, and before the first; 0: 75 s                       */
    int64_t  head_ns;    /* from a head's first byte to its last; 0: 10 s; then 408. Also for `wrap` */
    int64_t  body_ns;    /* waiting for the body's bytes, in all; 0: 5 min; then 408              */
    int64_t  request_ns; /* from the head to the end of the answer; 0: 10 min. Then the handler is
                            cancelled (-ETIMEDOUT), and the answer is 503 or is cut off           */
    uint32_t bytes_per_s_min; /* of a body that comes or goes, over the time spent waiting for the
                                 client, after the first 10 s; 0: 500                             */

    /* How many. */
    uint32_t connections_max; /* open, of this call; 0: 20,000, or seven eighths of the descriptors that
                                 a worker may have (RLIMIT_NOFILE), if those are fewer. Then one goes for
                                 which the server waits: that has been without a request for longest, or
                                 all of whose requests wait for their client (408; in HTTP/2 a GOAWAY). Where
                                 there is none the new one gets 503 (GOAWAY), or is closed. Upgraded ones
                                 stay, and of HTTP/2 those with an upgraded stream, kept or not, however
                                 silent: where these come from strangers, make upgraded_max smaller */
    uint32_t running_max;     /* requests at once; 0: 1,000; then 503. Those that wait for their client
                                 do not count, and can be as many; then the slowest goes (408), and
                                 a newcomer whose body is still to come begins when more of it is there.
                                 What has come of a head does not count, but for its bytes. As many
                                 can be in `wrap`; then the oldest of these goes                  */
    uint32_t requests_max;    /* on one connection, which then is closed; 0: 10,000               */
    uint32_t upgraded_max;    /* that are HTTP's no longer (hob_http_upgrade); 0: connections_max */
    int      retry_after_s;   /* what a 503 says; 0: 1                                            */

    /* Of HTTP/2, for each connection. Over a limit of a rate, of which four seconds are saved up, the
     * connection ends (GOAWAY, ENHANCE_YOUR_CALM). */
    uint32_t streams_max;        /* requests and tunnels at once, those included that were reset and whose
                                    handler has not ended; 0: 100; more are refused, each by itself
                                    (REFUSED_STREAM); of who knows the limit that is one of the resets */
    uint32_t window_bytes;       /* of a request's body that come before they are read, and the memory
                                    that this can take; 0: 64 KiB; at most 16 MiB                 */
    uint32_t resets_per_s_max;   /* by the client, or for its mistakes; 0: 50                     */
    uint32_t controls_per_s_max; /* frames that carry nothing: PING, SETTINGS, PRIORITY, empty DATA,
                                    unknown ones, windows opened in crumbs; 0: 250                */
    unsigned no_tunnels : 1;     /* does not say that extended CONNECT is taken (RFC 8441): browsers
                                    make a connection of HTTP/1.1 for each WebSocket then         */

    size_t      stack_bytes; /* of a handler's task, as in hob_task_opts                          */
    const char *server_name; /* the Server header; NULL: none. Lent while serving                 */
    unsigned    end_is_gone : 1; /* a client that has said it will send no more has gone away: its
                                    handler is cancelled, as it is when the connection breaks     */

    /* Called for each connection, in its task, when its first bytes have come (clients speak first): may
     * put TLS over it, or refuse it by a negative result, and then still owns nothing: `below` is closed by
     * the server. Else it returns what was agreed upon, HOB_HTTP_1 or HOB_HTTP_2; or 0, and the first bytes
     * tell. For TLS there is hob_https_wrap of hob/https.h.
     */
    int (*wrap)(void *arg, hob_stream *below, hob_stream **ret_stream);
    void *wrap_arg;

    /* Called after each answer; must not wait. */
    void (*record)(void *arg, const hob_http_record *record);
    void *record_arg;

    hob_http_stats *stats; /* kept true while serving; NULL: nobody looks */
} hob_http_opts;

/* ---- serving ---- */

/* Accepts from the listener and serves each connection: calls handler(req, arg) for its requests,
 * in one task at a time per connection. For more workers: hob_tcp_serve_sharded.
 *
 * Waits. When the run stops (hob/stop.h) it accepts no more, closes the connections that are idle (those
 * that have not asked for anything yet have a second), finishes the requests that have begun (with
 * "Connection: close") and returns 0. When the scope is
 * cancelled, so are they; -ECANCELED, -ETIMEDOUT. -ENOMEM. The listener stays open. */
HOB_API HOB_MUST_USE int hob_http_serve(hob_tcp_listener *listener, const hob_http_opts *opts,
                                        hob_http_handler *handler, void *arg);

/* Serves one connection, over any stream, until it ends; it stays open, and is the caller's to
 * close. (So connections_max and wrap are of no account.) Waits. Returns 0 when the client or a
 * limit ended it, or when the run stops; -ECANCELED, -ETIMEDOUT; -ENOMEM. */
HOB_API HOB_MUST_USE int hob_http_serve_stream(hob_stream *stream, const hob_http_opts *opts,
                                               hob_http_handler *handler, void *arg);

/* ---- the request: none of these waits ---- */

HOB_API const char *hob_http_method(const hob_http_request *req); /* "GET"; as it was sent     */
HOB_API const char *hob_http_target(const hob_http_request *req); /* as it was sent            */
HOB_API const char *hob_http_path(const hob_http_request *req);   /* "/a/b", still percent-encoded;
                                                                     "*" of OPTIONS *          */
HOB_API const char *hob_http_query(const hob_http_request *req);  /* behind the ?; "": none    */
HOB_API const char *hob_http_host(const hob_http_request *req);   /* with its port; "": HTTP/1.0 */
HOB_API int         hob_http_version(const hob_http_request *req); /* 10 of HTTP/1.0; 11; 20    */

/* What an extended CONNECT of HTTP/2 asks for (RFC 8441), such as "websocket"; "": it is none. Everything
 * else of it is as in HTTP/1.1, where it would be a GET with an Upgrade: so is its method here, it has
 * no body, and routes and handlers of a GET are its own. One that does not upgrade it, and answers with a
 * 2xx, would have said that it does: the client gets 501 then. */
HOB_API const char *hob_http_protocol(const hob_http_request *req);

/* The value of a header, without blanks at its ends; of several of that name the first. NULL: there
 * is none. Names are compared without regard to case. */
HOB_API const char *hob_http_header(const hob_http_request *req, const char *name);

/* The header of that index, from 0 on, in the order in which they came. Returns 1, or 0 when there
 * are no more. */
HOB_API int hob_http_header_at(const hob_http_request *req, size_t index, const char **ret_name,
                               const char **ret_value);

/* The same of the trailers, behind a chunked body whose end was read. What a trailer must not tell
 * (lengths, codings, Host) is refused when it is read. */
HOB_API const char *hob_http_trailer(const hob_http_request *req, const char *name);

/* The scope of the request. It is cancelled when its client's connection breaks, when its time is
 * over, and with the server. Tasks started in it are waited for before the answer counts as whole. */
HOB_API hob_scope *hob_http_scope(hob_http_request *req);

/* The connection: to tell who it is (hob_tcp_peer_addr of what was accepted), not to use it. */
HOB_API hob_stream *hob_http_connection(const hob_http_request *req);

/* ---- the request's body ---- */

/* How long the body is; 0: there is none; -1: it says so only at its end (chunked). Does not wait. */
HOB_API int64_t hob_http_body_length(const hob_http_request *req);

/* Reads up to `len` bytes of the body. Waits for at least one. A client that waits for "100
 * Continue" gets it with the first call. One task may read while another of the same
 * handler writes the answer. Returns how many came, 0 at the end, or a negative error,
 * again and again:
 *   -EMSGSIZE  it is over body_bytes_max; the client gets 413 unless an answer has begun
 *   HOB_EHTTP  its framing is broken: 400
 *   HOB_EOF    the client ended in the middle of it
 *   -ETIMEDOUT over body_ns or under bytes_per_s_min: 408; or the scope's deadline
 *   -ECONNRESET, -ECANCELED
 * A handler may just return the error. */
HOB_API HOB_MUST_USE ssize_t hob_http_read(hob_http_request *req, void *buf, size_t len);

/* Reads all of it, at most `limit` bytes (then -EMSGSIZE), into memory that is yours to free(3),
 * and that grows as the bytes come; there is a NUL behind them. Waits. Returns 0, or as
 * hob_http_read, or -ENOMEM. */
HOB_API HOB_MUST_USE int hob_http_read_all(hob_http_request *req, size_t limit, char **ret_data,
                                           size_t *ret_len);

/* ---- the answer ---- */

/* Adds a header to the answer, or (set) puts it in the place of those of that name. Not those that
 * frame the answer: Content-Length, Transfer-Encoding, Connection, Trailer. Do not wait. Return 0, or
 *   -EINVAL  not a header: no token as its name, CR, LF or another control byte in its value, or
 *            one of those above
 *   -ENOSPC  over 8 KiB in all
 *   -EALREADY  the answer has begun */
HOB_API HOB_MUST_USE int hob_http_add_header(hob_http_request *req, const char *name,
                                             const char *value);
HOB_API HOB_MUST_USE int hob_http_set_header(hob_http_request *req, const char *name,
                                             const char *value);

/* Adds a name to those that the answer depends on (the Vary header, RFC 9110 12.5.5), unless it is said
 * already. Returns as hob_http_add_header. Does not wait. */
HOB_API HOB_MUST_USE int hob_http_vary(hob_http_request *req, const char *name);

/* Closes the connection after this answer, which says so if it has not begun. Does not wait. */
HOB_API void hob_http_close_after(hob_http_request *req);

/* A whole answer: a status from 200 to 599 and `len` bytes of the media type `type` (NULL: as set, or
 * none). To HEAD, and with 204 and 304, no body is sent. Waits when much is to be sent. Returns 0, or
 *   -EALREADY  there is an answer already
 *   -EINVAL    `type` is not a header's value
 *   -EPIPE, -ECONNRESET, -ETIMEDOUT, -ECANCELED  it could not be sent */
HOB_API HOB_MUST_USE int hob_http_reply(hob_http_request *req, int status, const char *type,
                                        const void *data, size_t len);

/* The same of UTF-8 text; NULL: the words that belong to the status, such as "Not Found". */
HOB_API HOB_MUST_USE int hob_http_reply_text(hob_http_request *req, int status, const char *text);

/* Leads elsewhere: `location` is a URL, or a path of this site. `status` (RFC 9110 15.4):
 *   303  the browser gets it, whatever it sent: after a form was taken
 *   307, 308  it sends the same once more, there; 308: from now on
 *   301, 302  the same of a GET; of a POST many a browser makes a GET; 301: from now on
 *   300  there are several, and `location` is the one that we like best
 * No other one leads elsewhere. What came from a client is not for `location`: that leads to any site. Returns as
 * hob_http_reply; -EINVAL: `location` is not a header's value, or empty. */
HOB_API HOB_MUST_USE int hob_http_redirect(hob_http_request *req, int status, const char *location);

/* The bytes of the file, from its beginning, which must be a regular one. ETag and Last-Modified are
 * told (unless they were set), conditions (If-Match, If-None-Match, If-Modified-Since,
 * If-Unmodified-Since, If-Range) are heeded, and so is a Range with one part; one with several is
 * answered whole. Between TCP and a file of the system the bytes do not come into the program.
 *
 * A file that somebody writes over meanwhile comes as it was or as it is then, or the answer is cut off; one that
 * grows, as long as it was. (That is told by its size, its time of change and how it begins: a name that is moved
 * onto another, as hob_path_replace does, is surer.) Waits up to 63 ms for who writes.
 *
 * Returns as hob_http_reply, or an error of the file, as long as nothing was sent, so that another answer can be
 * given: -EISDIR when it is no regular file; -ESTALE when it changes all the time. */
HOB_API HOB_MUST_USE int hob_http_reply_file(hob_http_request *req, const char *type,
                                             hob_file *file);

/* Begins an answer whose body follows by hob_http_write: `length` bytes; or -1: as many as come until
 * the handler returns 0. Returns as hob_http_reply. Does not wait. */
HOB_API HOB_MUST_USE int hob_http_begin(hob_http_request *req, int status, const char *type,
                                        int64_t length);

/* Writes a piece of the body. What is small is gathered, and sent with what follows, by
 * hob_http_flush, or at the end. Waits while the client is slower. Returns `len`, or
 *   -EMSGSIZE  it is more than `length`
 *   -EPIPE, -ECONNRESET, -ETIMEDOUT, -ECANCELED */
HOB_API HOB_MUST_USE ssize_t hob_http_write(hob_http_request *req, const void *data, size_t len);

/* Sends what was gathered: for answers that go on for long. Waits. Returns 0 or as hob_http_write. */
HOB_API HOB_MUST_USE int hob_http_flush(hob_http_request *req);

/* A header behind the body of an answer of unknown length, to a client of HTTP/1.1 or HTTP/2; to others
 * it is not sent. At any time before the handler returns. Returns as hob_http_add_header. */
HOB_API HOB_MUST_USE int hob_http_add_trailer(hob_http_request *req, const char *name,
                                              const char *value);

/* How the answer stands. None waits. Its status (0: it has not begun), how many bytes of a body were
 * written (of a piece that failed, those that had gone), and one of its headers, which is copied into `buf`, with a NUL. hob_http_answer_header
 * returns the header's length; -ENOENT; -ENOSPC: `buf` is too small. */
HOB_API int      hob_http_status(const hob_http_request *req);
HOB_API uint64_t hob_http_answer_bytes(const hob_http_request *req);
HOB_API HOB_MUST_USE ssize_t hob_http_answer_header(const hob_http_request *req, const char *name,
                                                    char *buf, size_t size);

/* Makes the answer undone, with its headers but for those of hob_http_keep_headers, so that another can
 * be given. Does not wait. Returns 0, or -EALREADY: some of it was sent. */
HOB_API HOB_MUST_USE int hob_http_take_back(hob_http_request *req);

/* What a client would be told if the handler returned `error`: 413, 400 or 408 when it is the body's,
 * else 503 of -ETIMEDOUT and of -ESTALE, and 500; or 0: it went away, or does not take what it is told, so that nobody is
 * there to be told, and nothing of the server's has failed. Does not wait. */
HOB_API int hob_http_failure_status(const hob_http_request *req, int error);

/* Reading gives the request's body, writing makes the answer's (200 of unknown length, if it has not
 * begun): for hob_copy and its like. It lives as long as the request, and is not closed. */
HOB_API hob_stream *hob_http_stream(hob_http_request *req);

/* ---- another protocol on the same connection (RFC 9110 7.8) ---- */

/* Answers 101 with the headers that were added, and gives the connection's stream, on which
 * `protocol` is spoken from now on. What came behind the request is read first. The stream is the
 * handler's until it returns, which ends the connection; it is not to be closed.
 *
 * The limits of a request's time do not count any more, and it is not among the `running`; it is one
 * of the upgraded_max. When the server ends, also when the run stops, the request's scope is cancelled:
 * say goodbye in a HOB_SHIELD. That the client went away is seen by reading.
 *
 * Of HTTP/2 it answers 200, and the stream is that of the request alone: it takes `window_bytes` of memory
 * at most, its end is a frame, and the connection goes on for others. One task may write at a time.
 *
 * Waits until the answer is sent. Returns 0, or
 *   -EPROTO    the client did not ask for it (Upgrade and Connection headers of HTTP/1.1; of HTTP/2
 *              an extended CONNECT; also if that has ended already)
 *   -EBUSY     the request has a body, which was not read to its end
 *   -ENOBUFS   there are too many, or the server ends
 *   -EALREADY  the answer has begun
 *   -EINVAL    `protocol` is not a header's value
 *   -ENOMEM
 *   -EPIPE, -ECONNRESET, -ETIMEDOUT, -ECANCELED  it could not be sent
 * Up to -ENOMEM another answer can be given. */
HOB_API HOB_MUST_USE int hob_http_upgrade(hob_http_request *req, const char *protocol,
                                          hob_stream **ret_stream);

/* Called in a task for an upgraded connection that has none of its own. `event` is
 *   HOB_HTTP_READY   bytes are there, or the end is: a read does not wait. (It may, over TLS.)
 *   HOB_HTTP_SILENT  nothing came for as long as it said
 *   an error         the server ends, or the handler failed with it: this is the last call, and what
 *                    it returns is of no account. In a cancelled scope only what is shielded can wait
 * Returns how long it may be silent until the next call, in nanoseconds; or a negative error: it has
 * ended, and this was the last call. */
enum { HOB_HTTP_SILENT = 0, HOB_HTTP_READY = 1 };
typedef int64_t hob_http_keeper(void *arg, int event);

/* The upgraded connection outlives its handler: when that has returned 0, the request ends, with its
 * task and its memory, and keeper(arg, event) is called when there is something to do. Meanwhile the
 * connection costs a few hundred bytes. (On streams that cannot tell when they are ready, as TCP and TLS
 * can, and under hob_http_serve_stream, it keeps its task.) A stream of HTTP/2 costs as much, and its
 * connection is idle while all of its streams are silent. `silent_ns` is as what a keeper returns. From now
 * on the keeper is called for a last time, whatever happens.
 *
 * *ret_scope is the server's: for what `arg` starts to live as long. It does not end before the last call.
 * Does not wait. Returns 0, or -ENOMEM, -EAGAIN, and then nothing was changed. */
HOB_API HOB_MUST_USE int hob_http_keep(hob_http_request *req, int64_t silent_ns,
                                       hob_http_keeper *keeper, void *arg, hob_scope **ret_scope);

/* ---- between a server and its handlers: for frameworks ---- */

/* Something that goes with a request, under the address of yours that is its key. The note is a place
 * of yours, too, and lives until the handler has returned. Do not wait. */
typedef struct hob_http_note {
    const void           *key;
    void                 *value;
    struct hob_http_note *next; /* Hob's */
} hob_http_note;

HOB_API void  hob_http_attach(hob_http_request *req, hob_http_note *note);
HOB_API void *hob_http_attached(const hob_http_request *req, const void *key); /* NULL: nothing */

/* The headers that were set so far are of any answer, also of the one in place of a handler that fails.
 * One that is set again later is not kept. No effect when the answer has begun. Does not wait. */
HOB_API void hob_http_keep_headers(hob_http_request *req);

/* Who the client is: the other end of the connection of TCP, also below what `wrap` made of it. Its
 * family is 0 when there is none (hob_http_serve_stream, over something else), or it is gone. Does not wait. */
HOB_API hob_addr hob_http_peer_addr(const hob_http_request *req);

/* What sees an answer before it goes out, and may make another of it: a struct of yours begins with
 * it. While one of its functions runs, hob_http_begin, _write, _flush and _reply go on to who is below,
 * at last to the client; headers can be added until that begins. Left NULL, a function passes on. */
typedef struct hob_http_filter hob_http_filter;
struct hob_http_filter {
    int (*begin)(hob_http_filter *filter, hob_http_request *req, int status, const char *type,
                 int64_t length);
    ssize_t (*write)(hob_http_filter *filter, hob_http_request *req, const void *data, size_t len);
    int (*flush)(hob_http_filter *filter, hob_http_request *req);
    int (*end)(hob_http_filter *filter, hob_http_request *req); /* writes what it still holds */
    void (*take_back)(hob_http_filter *filter); /* forgets what it holds; NULL: it holds nothing */
    hob_http_filter *below;                     /* Hob's                                         */
};

/* Puts it above those that are there, before the answer begins. Does not wait. */
HOB_API void hob_http_filter_push(hob_http_request *req, hob_http_filter *filter);

/* Takes off the uppermost, before the function returns that pushed it, also when it fails. `result` is how it went above it:
 * if it is not negative and an answer has begun, `end` is called, and the result is that of `end`
 * when that fails. Else returns `result`. Waits as hob_http_write. */
HOB_API HOB_MUST_USE int hob_http_filter_pop(hob_http_request *req, hob_http_filter *filter, int result);

/* The uppermost, or NULL: for who calls functions that may push one. Does not wait. */
HOB_API const hob_http_filter *hob_http_filter_top(const hob_http_request *req);

/* Who is told that the answer begins, by whatever function of the handler's, also hob_http_upgrade: its fn is
 * called with the status, once for each answer that begins (one may be taken back), and must not wait.
 * A struct of yours begins with it, and is taken off before that goes; in the order opposite to pushing.
 * Do not wait. */
typedef struct hob_http_begun hob_http_begun;
struct hob_http_begun {
    void (*fn)(hob_http_begun *begun, hob_http_request *req, int status);
    hob_http_begun *below; /* Hob's */
};

HOB_API void hob_http_begun_push(hob_http_request *req, hob_http_begun *begun);
HOB_API void hob_http_begun_pop(hob_http_request *req, hob_http_begun *begun);

HOB_END_DECLS

#endif
