/* SPDX-License-Identifier: MIT */
/*
 * The server's inside: what its files share.
 *
 *     serve.c    accepts, keeps those who say nothing, turns away those who are too many
 *     crowd.c    who goes when there is no room for one more, and who waits for the next turn
 *     half.c     requests of which a part has come
 *     conn.c     a connection while it has a task: heads, requests one by one, the end
 *     wire.c     its bytes in and out, and how long that may take
 *     body.c     the request's body        request.c  the request's words
 *     answer.c   the answer                file.c     of a file
 *     h1_answer.c  how HTTP/1.1 writes one
 *     h2.h       introduces those of HTTP/2
 *     filter.c   what stands between the handler and the answer
 *     upgrade.c  a connection that is HTTP's no longer; h2_tunnel.c: a stream
 *
 *               first bytes: a task, its room           nothing left, all sent
 *     (accept) ──▶ IDLE ──────────────────────▶ RUNNING ─────────────────────▶ IDLE
 *                   │ the end, a limit             │ the end, a limit, a bad request
 *                   └──────────────────────────────┴──────▶ (closed)
 *
 *   IDLE     in server->idle; conn->op waits for it to be ready, and is all there is. Then it stands in
 *            line (server->ready) until a task comes to it, in the same turn of the loop. With a part of a
 *            request it is in server->halves.
 *   RUNNING  its task has conn->work. While a handler runs that has read the whole body, conn->op
 *            may watch for the client's going away (`is_watching`).
 *
 * Everything of a server is on one worker. Memory: a connection is malloc's; its room for work is
 * lent by the server, which keeps some of them for the next.
 */
#ifndef HOB_HTTP_SERVER_H
#define HOB_HTTP_SERVER_H

#include <string.h>

#include "hob/http.h"
#include "hob/sem.h"
#include "hob/time.h"
#include "http/h1.h"

enum {
    OUT_BYTES = 16384,        /* answers are gathered in so many                             */
    IN_EXTRA = 4096,          /* behind a head: pieces of chunks, and trailers               */
    HEADERS_BYTES_MAX = 8192, /* that a handler adds                                         */
    TRAILERS_BYTES_MAX = 2048,
    VALUE_BYTES_MAX = 1024,   /* of a media type or the server's name                        */
    DATE_LINE_LEN = 37,       /* "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"                   */
    REFUSERS_MAX = 64,        /* tasks that tell those who are too many; beyond all limits   */
    CONNS_MAX_NORMAL = 20000, /* unless told otherwise, where there are descriptors for them */
    CONNS_MAX_LEAST = 16,     /* the same, where there are few                               */
    SPARES_MAX = 256,         /* rooms kept for the next                                     */
    CONNS_PER_TASK = 16,      /* ready ones that a task serves, one after the other          */
    LINGERERS_MAX = 256,      /* connections that are read on after their last answer        */
    NOT_SENT_BYTES = 131072,  /* of an answer in the kernel, before sending waits              */
    IN_A_ROW_MAX = 32,        /* requests of a connection before the others have their turn  */
    ACCEPTED_IN_A_ROW_MAX = 16, /* the same of connections,                                  */
    NEWCOMERS_MAX = 16,       /* and of those that ask for the first time                    */
};

#define NEWCOMERS_NS (200 * HOB_USEC) /* so long they are served in a turn                  */
#define GRACE_NS (10 * HOB_SEC)  /* before the lowest rate counts                           */
#define FIRST_ASK_NS (1 * HOB_SEC) /* so long may whoever has just come ask, when the server ends */
#define FIRST_WORD_NS (1 * HOB_SEC) /* or say which version he speaks, who is one too many   */
#define LINGER_NS (2 * HOB_SEC)  /* reading on after the last answer, so that it arrives    */
#define LINGER_BYTES (256 * 1024)

struct http_conn;
struct h2_conn;

/* Who waits for his client: */
enum slow_kind {
    SLOW_HEAD,    /* nobody's handler yet, or no more: a head, what is left of a body    */
    SLOW_REQUEST, /* a handler, or its answer                                            */
    SLOW_CONN,    /* a connection that sends, for no request in particular, and is none of the `running` */
};

/* In a place of who waits: crowd.c. */
struct http_slow {
    struct http_slow *prev, *next;
    struct http_conn *conn;
    hob_scope        *scope;    /* of the wait; NULL: it is in no list                    */
    int64_t           since_ns; /* it would have begun then, had it waited all at once    */
    uint64_t          bytes;    /* that came, or are to go, in this time                  */
    enum slow_kind    kind;
    bool              is_displaced;
};

/* A part of a request, and since when it waits for the rest: half.c. */
struct http_half {
    struct http_half *prev, *next;
    struct http_conn *conn;
    int64_t           since_ns;
    size_t            size, len; /* of `bytes` */
    char             *bytes;
    bool              is_whole;   /* a head is; its body is on the way                 */
    bool              has_news;   /* there is something to read, and it was not read   */
    bool              is_waiting; /* conn->op does; else its task looks at it, or will */
    bool              is_late;
};

/* A connection that has had its last answer, in a place of who says goodbye. */
struct http_leaver {
    struct http_leaver *prev, *next;
    struct http_conn   *conn;
    hob_scope          *scope; /* of the goodbye; NULL: it is in no list */
};

/* Connections without a request, the one that has been for longest first: [0] those that have never
 * asked, who go first when there is no room. */
struct http_list {
    struct http_conn *first, *last;
};

struct http_server {
    hob_http_opts     opts; /* the defaults filled in */
    hob_http_handler *handler;
    void             *arg;
    hob_scope        *scope; /* the tasks and operations of connections */
    hob_http_stats    own_stats, *stats;
    bool              is_draining;
    bool              is_too_late; /* also for those who have never asked */
    int64_t           last_call_ns; /* is_draining: so long may they     */
    unsigned          refusing, lingering;

    struct http_list  idle[2];
    hob_event         someone_idle;
    struct http_half *halves, *halves_last; /* the one that has waited for longest first */
    size_t            halves_bytes;         /* that they may have, in all                */
    hob_event         someone_half;
    struct http_slow *slow;
    unsigned          ending;    /* requests that were displaced, and do not know it yet: they run still */
    struct http_leaver *leavers, *leavers_last; /* who has said goodbye first is first */
    unsigned          leaving;   /* connections that were displaced, and do not know it yet */
    hob_event         next_turn;
    struct http_list  ready[2]; /* have something to say, and no task yet; by next. [0]: for the first
                                   time, of whom there are only some in a turn */
    hob_event         someone_ready;
    unsigned          newcomers; /* in this turn */
    int64_t           newcomers_since_ns;

    struct http_list  waiting[2]; /* the same in their tasks, for a request */
    struct http_list  wrapping[2]; /* the same, in `wrap`; [1] is empty     */
    unsigned          wrapping_count;
    struct http_conn *upgraded;
    struct h2_tunnel *tunnels; /* the same of streams of HTTP/2    */
    size_t            kept;    /* of both, those with a keeper     */
    bool              is_looking; /* hob__http_look_after_kept runs */
    /* Begun in this turn of the loop, and mostly over before the next. */
    struct http_conn *fresh;   /* their handlers run: not watched yet, and without a deadline */
    struct http_work *writing; /* they send: without a deadline                               */
    hob_op            tick;    /* is called in the next turn                                  */
    bool              is_ticking;

    bool    is_time_fresh; /* now_ns is of this turn, in which a tick will come */
    int64_t now_ns;

    struct http_work *spare;
    unsigned          spares;

    /* The lines that each answer begins with, "Date: ...\r\n" and then the Server header, if any. They
     * are looked after in the first answer of a turn of the loop. */
    bool    is_date_fresh;
    int64_t date_s;
    size_t  lines_len;
    char    lines[DATE_LINE_LEN + VALUE_BYTES_MAX + 16];
};

/* All that an idle connection takes, but for that of its stream. */
struct http_conn {
    struct http_server *server;
    hob_stream         *stream;
    struct http_conn   *prev, *next; /* IDLE: in one of server->idle; RUNNING: in server->fresh
                                      or one of server->waiting or wrapping; or in server->upgraded */
    union {
        hob_scope           *wrapping; /* is_wrapping: it has no work yet */
        struct http_upgrade *upgrade; /* is_upgraded */
        struct h2_conn      *h2;      /* is_http2    */
        struct http_half    *half;    /* neither; NULL: none */
    };
    struct http_work   *work;        /* RUNNING */
    int64_t             idle_since_ns;
    uint32_t            requests;
    bool                is_lent : 1;    /* the stream is the caller's: not closed, nor left idle */
    bool                is_wrapped : 1, is_wrapping : 1;
    bool                is_counted : 1; /* in stats->running */
    bool                is_refused : 1; /* one too many: its task says so */
    bool                lingers : 1;    /* the client may send on when the last answer was sent */
    bool                has_asked : 1;  /* in which of two lists it is         */
    bool                is_busy : 1;    /* it waits, but has requests, too, or tunnels */
    bool                is_displaced : 1;
    bool                is_fresh : 1, is_watching : 1;
    bool                is_http2 : 1, is_upgraded : 1;
    uint8_t             speaks;         /* 11, 20: agreed upon; 0: its first bytes tell */
    int                 broken;     /* why nothing more can be written; 0 */
    hob_op              op;
    hob_tcp            *below[]; /* of one that `wrap` put something over */
};

enum answer_state { ANSWER_NONE, ANSWER_BODY, ANSWER_DONE };
enum answer_frame { FRAME_LENGTH, FRAME_CHUNKED, FRAME_CLOSE, FRAME_NO_BODY };

/* How a version of HTTP carries bodies and answers; what they are is the same in all. All return 0
 * or a negative error; what may wait says so. */
struct http_transport {
    int version; /* 11, 20 */

    /* A piece of the body, which is not over yet: as hob_http_read. Waits. */
    ssize_t (*read)(hob_http_request *req, void *buf, size_t len);

    /* The head of an answer, with req->headers_len bytes of headers; sets req->frame. */
    int (*begin)(hob_http_request *req, int status, const char *type, size_t type_len,
                 int64_t length);

    /* A piece of its body: gathers it, or sends it. Waits. */
    int (*write)(hob_http_request *req, const void *data, size_t len);

    /* Sends what was gathered. Waits. */
    int (*flush)(hob_http_request *req);

    /* The end of a FRAME_CHUNKED body. */
    int (*end_chunks)(hob_http_request *req);

    /* All of a file as the body, past the program; NULL: it must be read and written. Waits. */
    int (*send_file)(hob_http_request *req, hob_file *file, uint64_t len);

    /* The body is read: the client's going away is looked for; and no longer. NULL: who reads the
     * connection sees it in any case. */
    void (*watch)(struct http_conn *conn);
    void (*unwatch)(struct http_conn *conn);

    /* The request, which asked for it, becomes a stream of bytes both ways (RFC 8441); NULL: the
     * connection does. As hob_http_upgrade. */
    int (*upgrade)(hob_http_request *req, hob_stream **ret_stream);
    void (*keep)(hob_http_request *req, int64_t silent_ns, hob_http_keeper *keeper, void *arg);
};

struct hob_http_request {
    hob_stream        stream; /* first: hob_http_stream */
    const struct http_transport *transport;
    struct http_conn *conn;
    struct http_work *work;
    int              *broken; /* why nothing more can be written: the connection's, or its own */
    hob_scope        *scope;
    int64_t           begun_ns; /* if answers are recorded */
    bool              is_limited; /* the scope has its deadline */

    /* As it came; the texts end in NUL, names and values of fields when they were asked for. */
    struct h1_head head, trailer;
    char          *bytes; /* of the head */
    const char    *method, *target, *path, *query, *host;
    const char    *protocol; /* of an extended CONNECT; "" */

    /* Its body. */
    size_t           head_end; /* in work->in */
    uint64_t         left;     /* H1_LENGTH */
    struct h1_chunks chunks;
    uint64_t         body_bytes;
    int64_t          waited_ns; /* for its bytes */
    bool             is_body_done, has_continued;
    int              body_error;
    int              body_status; /* of the answer to a trailer that is none */
    char            *trailer_bytes;

    /* Its answer. */
    enum answer_state state;
    enum answer_frame frame;
    int               status;
    uint64_t          answer_left; /* FRAME_LENGTH */
    uint64_t          answer_bytes;
    size_t            part_bytes;  /* of a piece whose writing failed, those that went */
    size_t            answer_at;   /* where it begins in work->out, while nothing of it was sent */
    bool              is_sent;     /* a byte of it was   */
    bool              is_gone;     /* the client went away */
    bool              closes;      /* the connection ends with it */
    bool              is_cut;      /* it ended in its middle */
    size_t            headers_len, trailers_len; /* in work->headers, work->trailers */
    size_t            headers_kept; /* of headers_len: those of hob_http_keep_headers */

    /* What stands between: filter.c. */
    hob_http_note   *notes;
    hob_http_filter *filter;  /* to whom the next call goes; NULL: to the client         */
    hob_http_begun  *begun;   /* who is told                                             */
    unsigned         inside;  /* so many filters are in a call now                       */
    bool             is_begun, is_ended; /* as the handler sees it, above all filters    */
    int              begun_status;
};

/* What a connection needs while it has a task. */
struct http_work {
    struct http_work *next_spare;
    char             *in;    /* with in_cap bytes, of which [in_begin, in_end) are not taken */
    size_t            in_cap, in_begin, in_end;
    int64_t           head_since_ns; /* when the head began of which a part is there; 0: none */
    size_t            out_len;
    hob_scope        *waiting; /* only for a request: cancel it to end that */
    hob_event         quiet;   /* set when conn->op has come back from watching */
    hob_event         written; /* set when it is not `is_writing` any more       */
    bool              is_writing, has_waiter; /* `out` is being sent; somebody waits for `written` */
    hob_scope        *sending; /* while it sends so many bytes, and its time has not begun */
    uint64_t          sending_len;
    struct http_slow  slow;    /* when it has */
    struct http_conn *sender;
    enum slow_kind    sending_kind;
    struct http_work *sending_prev, *sending_next; /* in server->writing */
    struct h1_field  *fields, *trailer_fields;
    char             *texts; /* room for a path and a host with a NUL behind them */
    hob_http_request  req;
    char              out[OUT_BYTES];
    char              headers[HEADERS_BYTES_MAX + VALUE_BYTES_MAX + 64], trailers[TRAILERS_BYTES_MAX];
};

/* ---- memory.c ---- */

extern long hob__http_fail_at; /* for tests: the allocation of that number from now on fails; 0 */

void             *hob__http_alloc(size_t size); /* NULL when there is none; all zero */
struct http_work *hob__http_work_take(struct http_server *server);
void              hob__http_work_give(struct http_server *server, struct http_work *work);
void              hob__http_spares_free(struct http_server *server);

/* Whether what came is the client's words: over TLS it may be none of them, or a part of a record. */
static inline bool hob__http_hears_words(const struct http_server *server)
{
    return server->opts.wrap == NULL;
}

/* ---- serve.c ---- */

/* Whether one more request may run; then it is counted until count_out. */
bool hob__http_count_in(struct http_conn *conn);
void hob__http_count_out(struct http_conn *conn);

/* Leaves it to wait for its next request, or for more of this one. False: it cannot without a task. */
bool hob__http_idle(struct http_conn *conn);

/* The next in line, who has none; NULL: there is nobody, or nobody in this turn. */
struct http_conn *hob__http_next_ready(struct http_server *server);

/* Waits for the first bytes of a request in its task. As hob_stream_read. */
ssize_t hob__http_wait(struct http_conn *conn, void *buf, size_t len);

/* Until the loop's next turn: whoever else has something to say is heard by then. Waits. */
int hob__http_step_aside(struct http_server *server);

/* opts->wrap, as it returned; or an error: it took too long, or others need the room. */
int hob__http_wrap(struct http_conn *conn, hob_stream **ret_stream);

/* The same until then. Whoever wants to be heard meanwhile cancels conn->work->waiting. */
ssize_t hob__http_wait_until(struct http_conn *conn, void *buf, size_t len, int64_t deadline_ns,
                             bool *ret_is_late);
void hob__http_close(struct http_conn *conn);
bool hob__http_drains(const struct http_server *server);

/* A task for it. Without memory for one, the connection is closed: true; or gets one later: false. */
bool hob__http_start(struct http_conn *conn);

/* Gives the scope of its request the deadline that it has from hob_http_opts. Whoever answers without
 * waiting needs none: so it comes in the loop's next turn, or earlier if it can make a difference. */
void hob__http_limit(hob_http_request *req);

/* The time for sending so many bytes, which is done in that scope, begins in the loop's next turn;
 * until its end. */
void hob__http_sending_begin(struct http_conn *conn, hob_scope *scope, uint64_t len);
void hob__http_sending_end(struct http_conn *conn);

/* From now on its client's going away cancels req->scope, and so does the deadline; until unwatch. */
void hob__http_watch(struct http_conn *conn);
void hob__http_unwatch(struct http_conn *conn);

/* ---- crowd.c ---- */

/* From here to the end it waits for its client, in that scope: it is not among the `running`, and
 * may be displaced, which cancels the scope. */
void hob__http_slow_begin(struct http_conn *conn, struct http_slow *slow, enum slow_kind kind, hob_scope *scope,
                          int64_t since_ns, uint64_t bytes);
void hob__http_slow_end(struct http_server *server, struct http_slow *slow);

/* From here to the end there is nothing left to do for it but to say goodbye, in that scope. */
void hob__http_leaver_begin(struct http_conn *conn, struct http_leaver *leaver, hob_scope *scope);
void hob__http_leaver_end(struct http_server *server, struct http_leaver *leaver);

/* Whether one more request may run. */
static inline bool hob__http_may_run(const struct http_server *server)
{
    return server->stats->running < server->opts.running_max + server->stats->waiting;
}

/* Nearly as many wait for their clients as may: what is left is for those who have waited for their turn. */
static inline bool hob__http_is_crowded(const struct http_server *server)
{
    uint32_t max = server->opts.running_max;
    return server->stats->waiting >= max - max / 16;
}

/* Lists of connections. */
void hob__http_list_add(struct http_list lists[2], struct http_conn *conn);
void hob__http_list_remove(struct http_list lists[2], struct http_conn *conn);

/* Whether one more connection would be one too many. */
static inline bool hob__http_is_full(const struct http_server *server)
{
    return server->stats->connections - server->leaving - server->refusing >= server->opts.connections_max;
}

/* One more may be wrapped, since the one goes that has been at it for longest. False: it cannot. */
bool hob__http_make_wrapping_room(struct http_server *server);

/* One more connection may be there, if need be since others go. False: none of them can. */
bool hob__http_make_room(struct http_server *server);

/* What it waits in, which ends that. */
static inline hob_scope *hob__http_waits_in(const struct http_conn *conn)
{
    return conn->is_wrapping ? conn->wrapping : conn->work->waiting;
}

/* It has something to say after all, and stays; or its task knows that it is to go, and it counts until then. */
static inline void hob__http_stays(struct http_conn *conn)
{
    conn->server->leaving -= conn->is_displaced;
    conn->is_displaced = false;
}

/* ---- half.c ---- */

/* Keeps what there is in work->in of a request, and leaves it to wait for more. False: it cannot without a
 * task, and nothing is kept. */
bool hob__http_half_leave(struct http_conn *conn, bool is_whole);

/* Puts that into work->in, and what has come since, if that is sure. False: the client has ended, or is gone. */
bool hob__http_half_resume(struct http_conn *conn);
void hob__http_half_free(struct http_conn *conn); /* none: no effect */

/* That of these connections; NULL: none. */
static inline struct http_half *hob__http_half(const struct http_conn *conn)
{
    return conn->is_http2 || conn->is_upgraded || conn->is_wrapping ? NULL : conn->half;
}

/* The first that waits and was not displaced; NULL. */
struct http_half *hob__http_first_half(const struct http_server *server);
void              hob__http_wake_halves(struct http_server *server); /* to go on with a task */
int               hob__http_look_after_halves(void *server);

/* ---- conn.c ---- */

/* The task of a connection, until it is idle or gone; then of a few that are next in line. Returns 0. */
int hob__http_run(void *conn);

/* Serves it until it ends, waiting in between. Returns 0, or the error that cancelled it. */
int hob__http_run_lent(struct http_conn *conn);

/* Calls the handler in a scope of the request's. Waits. Returns what became of both. */
int hob__http_call(hob_http_request *req);

/* Makes a request of what has room: nothing is known of it yet. */
void hob__http_request_init(hob_http_request *req, struct http_conn *conn, struct http_work *work,
                            const struct http_transport *transport);
void hob__http_record(const hob_http_request *req, int error);

/* Sends what is left, says that there is no more, and reads on for a while if conn->lingers. */
void hob__http_goodbye(struct http_conn *conn);

/* ---- upgrade.c ---- */

void hob__http_upgrade_free(struct http_conn *conn); /* is_upgraded */
bool hob__http_is_kept(const struct http_conn *conn);
void hob__http_upgrade_failed(struct http_conn *conn, int error); /* what its keeper will hear */

/* Calls the keeper, first if there is something to tell, until nothing is there. True: it has ended,
 * and is to be closed; false: it waits without a task, and may be gone. */
bool hob__http_run_kept(struct http_conn *conn, bool has_event);
int  hob__http_look_after_kept(void *server);
void hob__http_drain_upgraded(struct http_server *server);

/* ---- wire.c ---- */

/* As hob_stream_read, until then; *ret_is_late tells that it was this deadline which ended it. */
ssize_t hob__http_read_until(struct http_conn *conn, void *buf, size_t len, int64_t deadline_ns,
                             bool *ret_is_late);

/* The same of a request that has waited for its client since then, of whom so many bytes came. It may be
 * displaced, and then is late. */
ssize_t hob__http_read_slow(struct http_conn *conn, void *buf, size_t len, int64_t deadline_ns,
                            int64_t since_ns, uint64_t bytes, bool *ret_is_late);

/* Room in work->out for that much, at most OUT_BYTES: sends what is there, if need be. */
int hob__http_room(struct http_conn *conn, size_t len);
static inline void hob__http_put(struct http_conn *conn, const void *data, size_t len) // there is
{
    memcpy(conn->work->out + conn->work->out_len, data, len);
    conn->work->out_len += len;
}
int hob__http_flush_out(struct http_conn *conn);

/* Whether that much can be put there now: it has room, and no other task sends it. */
static inline bool hob__http_fits(const struct http_conn *conn, size_t len)
{
    return !conn->work->is_writing && OUT_BYTES - conn->work->out_len >= len;
}

/* Sends what was gathered and then these, at once. */
int hob__http_send(struct http_conn *conn, const struct iovec *pieces, int count);

/* When so many bytes must have gone. */
int64_t hob__http_rate_deadline(const struct http_server *server, uint64_t len);

/* ---- request.c, body.c, answer.c ---- */

/* The head was read, at work->in_begin: its texts, and the body to come. */
void hob__http_request_begin(hob_http_request *req, size_t head_len);

/* What is the same in all versions of the headers that a handler added. */
bool hob__http_has_header(const hob_http_request *req, const char *name);
void hob__http_remove_header(hob_http_request *req, const char *name);

/* The body's failure, remembered; and when its next bytes must have come. */
int     hob__http_body_fail(hob_http_request *req, int error);
int64_t hob__http_body_deadline(const hob_http_request *req);

/* What the handler left of the body: reads it, so that the next request can come. False: there is too
 * much of it, or it is broken. */
bool hob__http_discard(hob_http_request *req);
bool hob__http_will_discard(const hob_http_request *req);

/* The handler has returned: gives the answer its end, or what there is to be said in its place. */
void hob__http_finish(hob_http_request *req, int result);

/* An answer to what is no request, or cannot be served: its status and its words. */
int hob__http_refuse(hob_http_request *req, int status);

/* A number in decimal digits. Returns how many. */
enum { DIGITS_MAX = 20 };
size_t hob__http_digits(char out[static DIGITS_MAX], uint64_t number);

/* ---- the parts of HTTP/1.1: h1_answer.c, body.c, file.c ---- */

extern const struct http_transport hob__http_h1;
ssize_t hob__h1_read(hob_http_request *req, void *buf, size_t len);
int     hob__h1_send_file(hob_http_request *req, hob_file *file, uint64_t len);
/* Nothing of the answer was sent: it is undone, its headers stay. */
void hob__http_take_back(hob_http_request *req);

extern const hob_stream_type hob__http_request_stream;
const char *hob__http_status_words(int status);

/* ---- filter.c ---- */

/* Whether an answer may begin (headers be added) here: by the handler, or by a filter. */
bool hob__http_may_begin(const hob_http_request *req);

/* As the functions of hob/http.h, through the uppermost filter. */
int     hob__http_filter_begin(hob_http_request *req, int status, const char *type, int64_t length);
ssize_t hob__http_filter_write(hob_http_request *req, const void *data, size_t len);
int     hob__http_filter_flush(hob_http_request *req);

/* The handler's answer begins: who wants to know is told. */
void hob__http_tell_begun(hob_http_request *req, int status);

/* The handler has returned: stops the program if something of its stack still stands between. */
void hob__http_filters_check(hob_http_request *req);

/* ---- date.c: RFC 9110 5.6.7 ---- */

enum { DATE_LEN = 29 };
void hob__http_date_write(int64_t seconds, char out[static 32]); /* "Sun, 06 Nov 1994 08:49:37 GMT" */
bool hob__http_date_parse(const char *text, int64_t *ret_seconds); /* in any of the three forms */

/* Makes server->lines anew if they are of an earlier second. */
void hob__http_renew_lines(struct http_server *server);

/* Now, as DATE_LEN bytes. */
static inline const char *hob__http_date_now(struct http_server *server)
{
    if (!server->is_date_fresh)
        hob__http_renew_lines(server);
    return server->lines + strlen("Date: ");
}

/* RFC 9110 6.4.1: what has no body, whatever was asked. */
static inline bool hob__http_is_bodiless(int status)
{
    return status == 204 || status == 304;
}

#endif
