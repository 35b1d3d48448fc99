/* SPDX-License-Identifier: MIT */
/*
 * Links: a connection of HTTP/2 with many WebSockets, and no task of its own.
 *
 *     link.c          from its beginning to its end; a WebSocket's turn, request and answer
 *     link_carry.c    who waits reads and writes for all
 *     link_session.c  what nghttp2 tells and asks; how much of what a server may send
 *     link_stream.c   one WebSocket's stream
 *     link_none.c     in their place where there is no nghttp2
 *
 *     hob_ws ─▶ link_stream ── lends ──▶ nghttp2 ─▶ out ─▶ who writes ─▶ below
 *     hob_ws ◀─ link_stream ◀─ keeps ─── nghttp2 ◀──────── who reads ◀── below
 *
 * A stream of a WebSocket:
 *
 *     ASKED ─▶ OPEN ─▶ (freed): it was closed in the middle, and is reset
 *       │        └───▶ PARTING ─▶ (freed): both said goodbye, and the server's end has come
 *       └──▶ (freed): refused, or given up
 *
 * nghttp2 is called by whichever task has something for it, one at a time, since none of those calls waits; never
 * from within its own calls. Tasks that wait are in one of two lists, by what they wait for. If there are any and
 * the link has not ended, then
 *   1. one of them is `reader`, or is woken already to become it;
 *   2. if there is something in `out`, a task writes it, which one of them has started and ends with its wait;
 *      or the reader is woken already to start one.
 * So nobody writes while nobody reads, and a server that reads only when it is read is no deadlock.
 */
#ifndef HOB_WSOPEN_LINK_H
#define HOB_WSOPEN_LINK_H

#include "hob/ws_link.h"
#include "wsopen/reach.h"

/* A link over a stream that is connected, and whose server has said that it takes WebSockets; the stream is the
 * link's, also when it fails: then it is closed. -EPROTONOSUPPORT: it does not. */
int hob__ws_link_over(hob_stream *stream, const struct ws_url *url, const hob_ws_link_opts *opts,
                      hob_ws_open_words *words, hob_ws_link **ret_link);

/* The caller has it no longer: it ends with the last WebSocket on it. */
void hob__ws_link_release(hob_ws_link *link);

bool hob__ws_has_links(void); /* false: there is no nghttp2 */

#ifdef HOB_WSOPEN_HAVE_H2
#include <nghttp2/nghttp2.h>

#include "hob/sem.h"

enum {
    LINK_IN_BYTES = 8192,
    LINK_OUT_BYTES = 16384 + 9, /* a frame of DATA */
    LINK_FIELDS_MAX = 8,        /* of an answer, that are about WebSockets        */
    LINK_FIELDS_BYTES = 1024,   /* of these                                       */
};

struct link_waiter {
    struct link_waiter *prev, *next;
    hob_event           news;    /* there is something else to look at         */
    hob_scope          *reading; /* while it reads for all                     */
    uint64_t            until;   /* who sends: it waits until so much is sent  */
};

/* Who wait for the same. */
struct link_list {
    struct link_waiter *first, *last;
};

/* What a server answered. On the stack of who asked. */
struct link_answer {
    bool        is_whole, is_bad;
    int         status;
    int         count;
    const char *fields[2 * LINK_FIELDS_MAX + 1]; /* name, value, ..., NULL */
    char        text[LINK_FIELDS_BYTES];
    size_t      len;
};

struct link_stream {
    hob_stream          stream; /* first */
    hob_ws_link        *link;
    struct link_stream *prev, *next;
    int32_t             id;
    struct link_answer *answer; /* while it is asked for; NULL */
    struct link_waiter *hearer, *sender;
    bool     has_ended;  /* the server's side                             */
    bool     is_closed;  /* nghttp2 knows it no more; `code` tells why    */
    bool     is_ending;  /* ours: nothing more is sent                    */
    bool     is_parting; /* its WebSocket is gone                         */
    uint32_t code;
    int      error;      /* of ours: there was no memory for what came    */

    /* What came: in[in_begin .. in_end). */
    char  *in;
    size_t in_begin, in_end, in_cap;

    /* What goes: `lent` is the first piece that nghttp2 has not taken, with lent_at bytes of it; what it has taken
     * is sent when the link has sent `sent_at` bytes. */
    const struct iovec *lent;
    size_t              lent_at, lent_len;
    uint64_t            sent_at;
};

/* Waits for its turn. */
struct link_place {
    struct link_place  *next;
    struct link_waiter *waiter;
};

struct hob_ws_link {
    hob_stream      *below; /* NULL: it is closed */
    nghttp2_session *session;
    uint32_t         worker;
    bool             is_secure;
    char             authority[WS_HOST_PORT_MAX + 1], host_port[WS_HOST_PORT_MAX + 1];
    uint32_t         window_bytes, open_max, waiting_max;

    /* Its end. */
    int      error; /* 0: it goes on */
    char     words[256];
    bool     leaves;        /* no more are opened                        */
    bool     was_shut_down; /* in good order                             */
    bool     is_given_back; /* who opened it has it no more              */
    unsigned inside;        /* calls of hob/ws_link.h that have not returned */

    /* WebSockets, in the order in which they were opened. */
    struct link_stream *first, *last;
    uint32_t            open, parting; /* how many there are; of these: without a WebSocket */
    struct link_waiter *closer; /* waits until there are none */
    struct link_place  *line, *line_last;
    uint32_t            waiting;

    /* What the server does. */
    bool     has_settings;
    int64_t  worth_left;  /* frames of control that are worth their while     */
    double   controls_left; /* others                                         */
    int64_t  controls_at_ns;
    int64_t  strange, strange_paid; /* bytes of frames that nghttp2 does not tell of */
    uint32_t decoded;     /* bytes of the fields of a head                    */
    bool     is_flooded, is_pushed, is_bad; /* ... and so it is about to end      */
    uint32_t complaint;   /* nghttp2's, of what the server sent               */
    bool     is_busy; /* in a call of nghttp2's that must not be called again */

    /* Carrying. */
    struct link_list    hearers, senders;
    struct link_waiter *reader;
    bool                is_writing;
    uint64_t            put, sent; /* bytes, in all: into `out`; to `below`  */
    const uint8_t      *rest;      /* what nghttp2 gave and out had no room for */
    size_t              rest_len;
    size_t              out_begin, out_end;
    uint8_t             out[LINK_OUT_BYTES], in[LINK_IN_BYTES];
};

/* ---- link.c ---- */

extern long hob__link_fail_at; /* for tests: the allocation of that number from now on fails; 0 */

void *hob__link_alloc(size_t size); /* cleared; NULL when there is none */
bool  hob__link_fails(void);        /* whether this one does            */

/* It has ended, for that reason; all who wait are told. Only the first counts. */
void hob__link_end(hob_ws_link *link, int error, const char *format, ...) HOB_PRINTF(3, 4);

/* No more are opened. */
void hob__link_leave(hob_ws_link *link, const char *format, ...) HOB_PRINTF(2, 3);

/* There may be room for who is next in line. */
void hob__link_call_next(hob_ws_link *link);

/* If nobody has it, nor a WebSocket on it, nor is in a call with it. */
void hob__link_free_if_done(hob_ws_link *link);

/* ---- link_carry.c ---- */

typedef bool link_question(void *arg);

/* Waits until is_there(arg), or the link has ended; carries meanwhile. *place is who waits, for those who have news
 * for it. Returns 0; or the code of being cancelled, if it is not there. */
int hob__link_wait(hob_ws_link *link, struct link_list *list, struct link_waiter **place, link_question *is_there,
                   void *arg);

/* Sends what can be sent without waiting; if somebody waits, that one does the rest. */
void hob__link_flush(hob_ws_link *link);

/* The same without sending itself. */
void hob__link_kick(hob_ws_link *link);

void hob__link_wake(struct link_waiter *waiter); /* NULL is fine */

/* Closes what is below if the link has ended and nobody uses it. */
void hob__link_close_below(hob_ws_link *link);

/* ---- link_session.c ---- */

int  hob__link_session_new(hob_ws_link *link);
void hob__link_feed(hob_ws_link *link, size_t len); /* of link->in */
void hob__link_collect(hob_ws_link *link);          /* into link->out, what there is room for */
void hob__link_judge(hob_ws_link *link);            /* ends it, if nghttp2 has done with it    */
bool hob__link_knows_websockets(const hob_ws_link *link);
uint32_t hob__link_open_max(const hob_ws_link *link);

/* ---- link_stream.c ---- */

/* Asks. Returns 0, -EINVAL, -ENOMEM, -EAGAIN: no more can be asked for. */
int  hob__link_ask(hob_ws_link *link, const char *target, const hob_ws_opts *opts, struct link_answer *answer,
                   struct link_stream **ret_stream);
void hob__link_stream_data(struct link_stream *s, const uint8_t *data, size_t len);
void hob__link_stream_ended(struct link_stream *s); /* the server's side, or all of it */
void hob__link_stream_free(struct link_stream *s);
extern const nghttp2_data_provider hob__link_lent;

#endif
#endif
