/* SPDX-License-Identifier: MIT */
/*
 * Server-sent events: a stream of texts to browsers (EventSource) over an answer of HTTP that does not
 * end. (HTML, 9.2.)
 *
 *     static hob_sse_feed *prices;
 *
 *     static int watch(hob_http_request *req, void *arg)      // a handler of hob/http.h
 *     {
 *         return hob_sse_serve(req, NULL, prices);            // until the client leaves
 *     }
 *
 *     hob_sse_publish(prices, "price", "{\"HOB\": 12.5}");    // to all who watch, on all workers
 *
 * A browser that was cut off comes again and says which event it had last; a feed keeps the last
 * ones, and goes on behind it. Part of libhob-ws (pkg-config).
 */
#ifndef HOB_SSE_H
#define HOB_SSE_H

#include "hob/http.h"

HOB_BEGIN_DECLS

/* ---- feeds ---- */

typedef struct hob_sse_feed hob_sse_feed;

/* All zero, or NULL where a pointer is taken, means the defaults. */
typedef struct hob_sse_feed_opts {
    const char *name;       /* for reports; kept, not copied: a literal */
    uint32_t    events_max; /* that are kept; 0: 256                    */
    size_t      bytes_max;  /* of all of them; 0: 1 MiB                 */
} hob_sse_feed_opts;

/* Does not wait. Returns 0 or -ENOMEM. */
HOB_API HOB_MUST_USE int hob_sse_feed_new(const hob_sse_feed_opts *opts, hob_sse_feed **ret_feed);

/* Frees it; NULL is fine. Nobody may be served from it any more. Does not wait. */
HOB_API void hob_sse_feed_free(hob_sse_feed *feed);

/* Publishes an event to all who are served, and to who comes back. `event` is its type (NULL: "message"),
 * `data` UTF-8 of any number of lines. Never waits for who is slow: who falls behind by more than is
 * kept misses the oldest. Any worker. Returns 0, or
 *   -EINVAL    `event` has a line end, or a text is not UTF-8
 *   -EMSGSIZE  it is over bytes_max
 *   -ENOMEM, -ECANCELED */
HOB_API HOB_MUST_USE int hob_sse_publish(hob_sse_feed *feed, const char *event, const char *data);

/* How many are served now. Does not wait. */
HOB_API uint64_t hob_sse_feed_watchers(const hob_sse_feed *feed);

/* ---- serving ---- */

/* All zero, or NULL where a pointer is taken, means the defaults. Times are in nanoseconds; HOB_FOREVER
 * takes one away. */
typedef struct hob_sse_opts {
    int64_t  heartbeat_ns; /* of silence, then a comment is sent, so that nobody on the way thinks it
                              dead, and a client that is gone is seen; 0: 15 s                        */
    int64_t  retry_ns;     /* before a client that was cut off comes again; 0: as it likes            */
    unsigned replay : 1;   /* who comes for the first time gets what is kept, too                     */
} hob_sse_opts;

/* A whole answer: the events of the feed, from the one behind the client's Last-Event-ID on, or from now
 * on. Events that it missed, because they are kept no more, or are of another run of the server, are
 * announced by an event of the type "missed" before the others. For a handler to return.
 *
 * Waits until the client leaves, or the server ends. Returns 0; -ENOMEM; or an error of the request.
 * The time of a request does not end it; that it takes too little in too long a time does
 * (hob_http_opts.bytes_per_s_min). */
HOB_API HOB_MUST_USE int hob_sse_serve(hob_http_request *req, const hob_sse_opts *opts,
                                       hob_sse_feed *feed);

/* ---- by hand ---- */

typedef struct hob_sse hob_sse;

/* Begins the answer. Comments are sent in silence, and the request's scope is cancelled when the run
 * stops. Does not wait. Returns 0, and *ret_sse lives as long as the request; -ENOMEM, -EAGAIN; or as
 * hob_http_begin. */
HOB_API HOB_MUST_USE int hob_sse_begin(hob_http_request *req, const hob_sse_opts *opts,
                                       hob_sse **ret_sse);

/* What the client had last (Last-Event-ID), or NULL. Does not wait. */
HOB_API const char *hob_sse_last_id(const hob_sse *sse);

/* Sends an event: `event` its type (NULL: "message"), `id` what it will say it had last (NULL: as
 * before; "": nothing), `data` UTF-8 of any number of lines. One task at a time sends. Waits while the client is
 * slower. Returns 0, -EINVAL (a line end in `event` or `id`, or a NUL, or no UTF-8), -ENOMEM, or as
 * hob_http_write: -ECONNRESET, -EPIPE, -ECANCELED: the client has left, or it was HEAD that it asked. */
HOB_API HOB_MUST_USE int hob_sse_send(hob_sse *sse, const char *event, const char *id,
                                      const char *data);

HOB_END_DECLS

#endif
