/* SPDX-License-Identifier: MIT */
/*
 * One request and its answer.
 *
 *     NEW ──▶ RUNNING ──▶ DONE          an answer goes through it for each redirect and attempt
 *              │ has a handle in the multi, and its turn        ▲
 *              └── the end, as libcurl tells it; or cut off ────┘
 *
 * `error` is 0 while RUNNING, and then how it ended. Who waits is told by two events: `in`, that
 * something came (the head, bytes if they are read in pieces, the end), and `out`, that there is room in
 * `to_send`, or the end.
 */
#ifndef HOB_FETCH_EXCHANGE_H
#define HOB_FETCH_EXCHANGE_H

#include "fetch/client.h"
#include "fetch/url.h"

enum fetch_state { FETCH_NEW, FETCH_RUNNING, FETCH_DONE };

/* Bytes between a beginning and an end. */
struct fetch_bytes {
    char  *data;
    size_t begin, end, cap;
};

/* What a body is compressed by. */
enum fetch_coding { CODING_UNKNOWN, CODING_NONE, CODING_GZIP, CODING_OTHER };

/* Headers of an answer that count here. */
enum fetch_told { TOLD_LENGTH = 1, TOLD_TRANSFER = 2, TOLD_CODING = 4, TOLD_LOCATION = 8 };

struct fetch_unzip;

/* How slow one of both ways is. */
struct fetch_pace {
    int64_t  waited_ns; /* for the server, since ... */
    uint64_t mark;      /* ... so many bytes had gone */
};

/* What is asked, as it is now: redirects change it. */
struct fetch_asked {
    const char *method; /* the user's, or a literal */
    bool        has_body, has_credentials;
};

struct hob_fetch_answer {
    hob_stream        stream; /* first: the answer is one */
    unsigned          tag;
    hob_fetch_client *client;
    hob_fetch_opts    opts; /* with limits filled in; what it points to is lent */
    bool              is_whole;
    int64_t           deadline_ns; /* of all of it */

    /* The exchange. */
    enum fetch_state   state;
    struct fetch_url   url;
    struct fetch_asked asked;
    struct fetch_host *turn;
    struct fetch_handle *handle;
    CURL              *easy; /* the handle's */
    struct curl_slist *headers, *resolve;
    curl_mime         *mime;
    struct hob_fetch_answer *next, **link; /* in client->live while it has a handle in the multi */

    /* How it went. */
    int                error;
    int                own_error;    /* why one of our callbacks stopped it */
    int                socket_error; /* why the last socket was not made    */
    const char        *own_words;
    hob_fetch_trouble  trouble;
    hob_fetch_times    times;
    unsigned           sendings; /* times that it was about to be sent */
    int64_t            quiet_since_ns; /* when something of it was sent last */
    uint64_t           seen_sent;

    /* The head. */
    struct fetch_bytes head; /* name NUL value NUL ... */
    uint32_t           head_bytes;
    unsigned           told;       /* which of fetch_told it has */
    size_t             length_at;  /* in head: the value of the first TOLD_LENGTH */
    const char        *wrong;      /* with its lengths */
    int                status, version;
    bool               is_head, is_redirect, is_discarded;
    void              *expects_goodbye; /* an SSL_CTX, held; NULL: its end is told otherwise */

    /* The bodies. */
    struct fetch_bytes body, to_send;
    uint64_t           body_bytes, sent_bytes, given_bytes; /* of the answer; libcurl took; the user gave */
    bool               asks_gzip; /* and it is for us to unpack */
    enum fetch_coding  coding;    /* known when bytes have come */
    struct fetch_unzip *unzip;    /* made when it is needed     */
    uint64_t           unzipped_bytes;
    bool               recv_paused, send_paused, is_finished;
    struct fetch_pace  in_pace, out_pace;
    bool               is_read, is_written; /* a task is at it */
    hob_event          in, out;
};

/* What callbacks of libcurl are given. */
static inline hob_fetch_answer *fetch_answer_of(void *handle)
{
    return ((struct fetch_handle *)handle)->answer;
}

/* exchange.c */

/* Begins an exchange with a->url. Waits for its turn and the name. */
int  hob__fetch_begin(hob_fetch_answer *a);
/* Ends it, if it is under way, with this error: its connection is closed. */
void hob__fetch_cut(hob_fetch_answer *a, int error, hob_fetch_step step, const char *words);
/* Waits until `event` is set. Returns 0; -ETIME: `limit_ns` is over; or that the scope ended it. */
int  hob__fetch_wait_event(hob_event *event, int64_t limit_ns);
/* Waits for the head; for the end of a body that is kept or discarded. Return 0 or the error. */
int  hob__fetch_wait_head(hob_fetch_answer *a);
int  hob__fetch_wait_end(hob_fetch_answer *a);
/* The result when the scope has ended the wait. */
int  hob__fetch_cancelled(hob_fetch_answer *a, int r);

/* request.c. Fills a->handle in. */
int hob__fetch_fill_in(hob_fetch_answer *a);
int hob__fetch_check(const hob_fetch_opts *opts, bool is_open, const char **ret_why);
void hob__fetch_release(hob_fetch_answer *a); /* what belongs to the handle */
bool hob__fetch_can_send_again(const hob_fetch_answer *a);

/* head.c. A callback of libcurl. */
size_t hob__fetch_on_header(char *data, size_t one, size_t len, void *arg);
const char *hob__fetch_find_header(const hob_fetch_answer *a, const char *name);

/* goodbye.c. That the answer ends with its connection; and whether that ended without a goodbye. */
void     hob__fetch_goodbye_expect(hob_fetch_answer *a);
bool     hob__fetch_goodbye_is_missing(hob_fetch_answer *a);

/* body.c */
size_t hob__fetch_on_body(char *data, size_t one, size_t len, void *arg);
size_t hob__fetch_on_send(char *to, size_t one, size_t len, void *arg);
/* Waits on `event` for the server, whose `*bytes` count; it must not be too slow. */
int  hob__fetch_wait_paced(hob_fetch_answer *a, hob_event *event, struct fetch_pace *pace,
                           const uint64_t *bytes, hob_fetch_step step);
bool hob__fetch_bytes_room(struct fetch_bytes *bytes, size_t more);
/* Sends what a stream gives; a task's function. */
int  hob__fetch_pump(void *arg);
int  hob__fetch_close_body(hob_fetch_answer *a);
ssize_t hob__fetch_give(hob_fetch_answer *a, const void *data, size_t len);

/* unzip.c */

enum fetch_coding hob__fetch_coding_of(const hob_fetch_answer *a);
/* Unpacks what there is of the body. Returns how many bytes; 0: it wants more; HOB_EHTTP: it is no gzip; -ENOMEM. */
/* A body that was read whole, and has come whole. Returns 0 or an error, which is the exchange's. */
int     hob__fetch_unpack(hob_fetch_answer *a);
ssize_t hob__fetch_unzip(hob_fetch_answer *a, void *to, size_t len);
bool    hob__fetch_unzip_is_whole(const hob_fetch_answer *a);
void    hob__fetch_unzip_free(struct fetch_unzip *unzip);

/* trouble.c */
void hob__fetch_say(hob_fetch_answer *a, hob_fetch_step step, int error, const char *words);
int  hob__fetch_error_of(hob_fetch_answer *a, CURLcode code, hob_fetch_step *ret_step,
                         const char **ret_words);

/* answer.c */
extern const hob_stream_type hob__fetch_stream_type;
enum { UNPACKED_AT_ONCE = 16384 };
enum { FETCH_TAG = 0x48435446, FETCH_TAG_CLOSED = 0x0DEADFE7 };

#endif
