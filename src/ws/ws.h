/* SPDX-License-Identifier: MIT */
/*
 * A WebSocket's inside: what its files share.
 *
 *     frame.c, key.c, extension.c   bytes           deflate.c   zlib
 *     accept.c                      the handshake of servers
 *     connect.c, offer.c            that of clients: over HTTP/1.1, and what all versions have
 *     read.c                        what comes      write.c     what goes      room.c  where it lies
 *     ws.c                          from its beginning to its end
 *     keep.c                        without a task
 *     feed.c                        what is said to many, once in memory
 *     topic.c, sse.c                who hears it: connections, streams of events
 *
 *            ours is sent            theirs came
 *     OPEN ─────────────▶ goodbye said ─────────▶ ended, HOB_EOF
 *       │   theirs came: ours is sent             ▲
 *       ├─────────────────────────────────────────┘
 *       └── against the protocol: ours is sent ──▶ ended, HOB_EWS
 *       └── the stream broke; nothing came ──────▶ ended, -ECONNRESET and its like
 */
#ifndef HOB_WS_WS_H
#define HOB_WS_WS_H

#include <sys/uio.h>

#include "hob/sem.h"
#include "hob/task.h"
#include "hob/time.h"
#include "hob/ws.h"
#include "ws/deflate.h"
#include "ws/frame.h"

enum {
    IN_BYTES = 16384,      /* of what comes                              */
    ROOM_BYTES = IN_BYTES + 1,
    SMALL_BYTES = 1024,    /* a frame of so many goes in one piece       */
    REASON_MAX = 123,
    PIECES_MAX = 64,       /* of one write                               */
};

/* One at a time; the others in the order in which they came. */
struct ws_lock {
    bool     is_held;
    bool     is_passed_on; /* a permit is in `sem`, for one who waits */
    unsigned waiting;
    hob_sem  sem;
};

int  hob__ws_lock(struct ws_lock *lock);
void hob__ws_unlock(struct ws_lock *lock);

/* A control frame that is to be sent when the wire is free. */
struct ws_control {
    bool    is_wanted;
    uint8_t len;
    uint8_t payload[WS_CONTROL_MAX];
};

struct ws_member; /* topic.c */

struct hob_ws {
    hob_stream       *stream;
    hob_scope        *scope; /* servers: where tasks are started that write for others; else NULL */
    hob_http_request *req;   /* servers, until it is kept                                         */
    bool              is_client;
    bool              ends_stream; /* by its shutdown, if both have said goodbye: hob_ws_agree    */
    char             *protocol;

    /* The options. */
    uint64_t message_bytes_max;
    uint32_t fragments_max;
    int64_t  ping_ns, pong_ns, send_ns, close_ns;
    size_t   deflate_bytes_min;
    struct ws_deflate *deflate; /* NULL: none was agreed upon */

    /* The end. */
    int       error;     /* 0: it goes on; what receiving returns from then on         */
    int       code;      /* the peer's, or what stands for it                          */
    int       close_code, sent_code; /* of our goodbye: of one that is wanted; that was sent   */
    char     *words;     /* the peer's; NULL                                           */
    const char *reason;  /* for people                                                  */
    hob_event over;      /* is set when it has ended                                    */
    hob_scope *reading;  /* while a task waits for bytes: is cancelled when it has ended */
    unsigned   callers;  /* tasks in a call with it that can wait                       */
    hob_event  left;     /* is set when there are none                                  */

    /* What comes: [in_begin, in_end) of `in`, which has room for a byte more. */
    char    *in;
    size_t   in_begin, in_end, in_cap;
    size_t   clear;        /* bytes at in_begin whose mask is off already              */
    char    *nul_at, nul_was; /* a byte that gave its place to a NUL for a while       */
    int64_t  silent_since_ns;
    bool     is_pinged;    /* since then, and nothing came                             */
    bool     is_filling;   /* a task waits for more                                    */
    struct ws_head frame;  /* of data                                                  */
    uint64_t frame_at;     /* of its payload: taken                                    */
    uint8_t  message;      /* the opcode of the one that has begun; 0                  */
    bool     message_is_deflated;
    uint8_t  tail_at;      /* of the four bytes behind a deflated message              */
    uint32_t fragments;
    uint64_t message_bytes, wire_bytes;
    struct ws_text text;
    char    *whole;        /* what there is of a message that is received whole        */
    size_t   whole_len, whole_cap;
    bool     is_whole_begun;

    /* What goes. */
    struct ws_lock sender; /* a message, with all of its fragments */
    struct ws_lock wire;   /* a frame                              */
    hob_scope     *writing; /* while a task writes                  */
    char    *rest;         /* of what was begun, or is gathered: [rest_begin, rest_end) */
    size_t   rest_begin, rest_end;
    bool     is_gathering; /* it is small frames in a room, and who sends them waits for nothing yet */
    uint64_t sending_task; /* who began fragments                  */
    struct ws_control pong, ping, close;
    bool     has_closed;   /* our goodbye was sent, or begun */
    uint8_t  sending;      /* the opcode of the next fragment */
    bool     is_sending;   /* fragments                       */
    uint8_t  sending_kind;
    bool     is_broken;    /* nothing more can be written     */
    struct ws_text sending_text;
    uint8_t  keys[64];     /* of frames to come, [keys_at, 64) */
    uint8_t  keys_at;

    /* Those who write for others. */
    unsigned  flushers; /* 1 while a task runs */
    bool      is_closing; /* and it frees it at its end */
    hob_scope *flushing;
    hob_event  quiet;   /* set when it does not */
    struct ws_member *members;

    /* keep.c */
    bool         is_lent; /* hob_ws_serve or hob_ws_keep closes it */
    bool         is_kept;
    uint64_t     keeper_task; /* that runs now; 0 */
    bool         is_unread; /* bytes were there when it was kept, which no read will tell of */
    hob_ws_calls calls;
    void        *arg;
};

/* ---- ws.c ---- */

extern long hob__ws_fail_at; /* for tests: the allocation of that number from now on fails; 0 */

void *hob__ws_alloc(size_t size); /* NULL when there is none; not cleared */
void *hob__ws_realloc(void *memory, size_t size);
bool  hob__ws_fails(void); /* whether this one does */

void hob__ws_check_opts(const hob_ws_opts *opts, const char *function);
hob_ws *hob__ws_new(const hob_ws_opts *opts, bool is_client); /* NULL: no memory */

/* On the first line of each public call that can wait: docs/design/0105. */
#define WS_CALL(ws) \
    __attribute__((cleanup(hob__ws_leave), unused)) hob_ws *in_call = hob__ws_enter(ws)
hob_ws *hob__ws_enter(hob_ws *ws);
void hob__ws_leave(hob_ws **ws);

/* It has ended, and tasks that are still in a call with it get their errors and leave: waits for that,
 * also in a cancelled scope. */
void hob__ws_empty(hob_ws *ws);

int hob__ws_use_deflate(hob_ws *ws, const struct ws_extension *agreed, const hob_ws_opts *opts);
struct ws_extension hob__ws_wanted(const hob_ws_opts *opts);

/* It has ended, for that reason. Only the first counts. */
void hob__ws_end(hob_ws *ws, int error, int code, const char *reason);

/* The peer has broken the protocol: tells it by the code, and ends. Returns HOB_EWS. */
int hob__ws_fail(hob_ws *ws, int code, const char *reason);

void hob__ws_free(hob_ws *ws);

/* ---- room.c: ROOM_BYTES; NULL: no memory. NULL may be given. Any thread. ---- */

char *hob__ws_room_take(void);
void  hob__ws_room_give(char *room);

/* ---- accept.c ---- */

/* Whether the word is an element of the list of a header. */
bool hob__ws_list_has(const char *list, const char *word, size_t len);

/* ---- offer.c ---- */

/* How often it was said. */
struct ws_agreed {
    int protocols, extensions;
};

/* A field of the answer to what was offered; others are passed over. Returns 0, HOB_EWS, -ENOMEM. */
int hob__ws_agree_field(hob_ws *ws, struct ws_agreed *agreed, const char *name, const char *value,
                        const hob_ws_opts *opts);

/* ---- read.c ---- */

/* Reads what is there, or waits for it. Returns 0, or the error by which it has ended; -ECANCELED,
 * -ETIMEDOUT of the scope; -ENOMEM. */
int hob__ws_fill(hob_ws *ws);

/* The peer is: it is pinged, or else has ended. Returns 0 or the error. */
int hob__ws_is_silent(hob_ws *ws);

/* As hob_ws_recv, from what is there already: -EAGAIN: more must come. */
ssize_t hob__ws_recv_now(hob_ws *ws, hob_ws_kind *ret_kind, const char **ret_data);

/* Gives what receiving needs back, if nothing has begun. */
void hob__ws_give_back(hob_ws *ws);

/* ---- write.c ---- */

/* Writes a frame, or several that are encoded: `len` bytes in `count` pieces (at most PIECES_MAX), behind what is to
 * be sent before. The wire is the caller's. Returns 0: it was sent, or begun; or an error: it was not. */
int hob__ws_write(hob_ws *ws, const struct iovec *pieces, int count, size_t len);

/* Control frames that are wanted, and what is left over: now, if the wire is free; else whoever has it
 * does it. Returns 0, or why it could not. */
int hob__ws_write_wanted(hob_ws *ws);

/* The message that was begun in parts is over; no effect if there is none. Who waits for it goes on. */
void hob__ws_end_message(hob_ws *ws);

void hob__ws_random(void *out, size_t len);
void hob__ws_want(struct ws_control *control, const void *payload, size_t len);
void hob__ws_want_close(hob_ws *ws, int code, const char *reason);

/* The wire, and behind it what has come to be wanted meanwhile. */
int  hob__ws_wire(hob_ws *ws);
void hob__ws_wire_end(hob_ws *ws);

/* What is left over will never be sent. */
void hob__ws_rest_free(hob_ws *ws);

/* Starts a task that writes for others, if there is none, and there is something. */
void hob__ws_start_flusher(hob_ws *ws);

/* Waits until it has let go. */
void hob__ws_stop_flusher(hob_ws *ws);

/* ---- topic.c ---- */

/* Sends what is published and not sent yet. False: there is nothing. */
bool hob__ws_flush_topics(hob_ws *ws);
void hob__ws_leave_topics(hob_ws *ws);
void hob__ws_move_topics(hob_ws *ws); /* into ws->scope */

#endif
