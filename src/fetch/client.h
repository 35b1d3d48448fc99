/* SPDX-License-Identifier: MIT */
/*
 * The client's inside: what its files share.
 *
 *     fetch.c     what users call: redirects, further attempts, limits of time
 *     exchange.c  one request and its answer: from its turn to its end
 *     request.c   what is asked, as libcurl wants it       head.c   what is answered, as it comes
 *     body.c      bytes in and out, and how slow they may be
 *     answer.c    what users read of it           goodbye.c  how its connection has ended
 *     client.c    who has the connections                  drive.c  libcurl on Hob's loop
 *     hosts.c     whose turn it is     url.c, proxy.c      where to go
 *
 *     task ── hob_fetch ──▶ exchange ──▶ curl_multi_add_handle
 *                                             │  "wait for this socket", "call me in 5 ms"
 *     task ◀── event ◀── head, body, end ◀── drive.c ◀── ops of the client's scope ◀── the loop
 *
 * libcurl is called by tasks (to begin, to go on, to end) and by callbacks of ops (to go on), and
 * its own callbacks only note, copy, start ops and set events. So it is never called from within itself.
 *
 * Everything of a client is on one worker. The client is held by the user, by its keeper (the daemon in
 * whose scope the ops are), and by each answer.
 */
#ifndef HOB_FETCH_CLIENT_H
#define HOB_FETCH_CLIENT_H

#include <curl/curl.h>
#include <stdbool.h>

#include "hob/dns.h"
#include "hob/fetch.h"
#include "hob/sem.h"
#include "hob/time.h"

enum {
    FETCH_BUCKETS = 64,
    FETCH_SPARES_MAX = 64,        /* handles kept for the next exchange: all, at the usual most */
    FETCH_WINDOW = 65536,         /* of a body that is read or written in pieces    */
    FETCH_DISCARD_MAX = 65536,    /* of a redirect's body, to keep its connection   */
    FETCH_ADDRS_MAX = 16,         /* of a name                                      */
    FETCH_COOKIES_MAX = 3000,
    FETCH_COOKIES_LOOK = 200,     /* Set-Cookie headers between two looks at the jar */
};

struct fetch_socket;
struct hob_fetch_answer;

/* A handle of libcurl, with the options that all exchanges of a client have in common; and for a while one
 * exchange, which sets those that each has. Whatever else it sets is marked, and taken back behind it. */
struct fetch_handle {
    CURL                    *easy;
    struct hob_fetch_answer *answer; /* whose it is; NULL: a spare */
    bool                     is_marked;
    char                     said[CURL_ERROR_SIZE]; /* by libcurl, when it failed */
};

/* One host and port while somebody asks it. */
struct fetch_host {
    struct fetch_host *next;
    unsigned           refs;
    hob_sem            turns;
    uint16_t           port;
    char               name[];
};

struct fetch_proxy {
    char *url, *host, *no_proxy; /* url NULL: none */
    uint16_t port;
};

struct hob_fetch_client {
    unsigned tag;
    uint32_t worker;
    unsigned refs;
    bool     is_standard;
    bool     is_ended; /* nothing can be begun any more */
    bool     skips_verify;
    bool     has_openssl; /* libcurl stands on it */

    hob_fetch_client_opts opts;  /* its texts are ours */
    struct curl_slist     usual[2]; /* the headers that most requests have: see request.c */
    struct fetch_proxy    plain_proxy, tls_proxy;

    hob_event  end; /* set when the user frees it */
    hob_scope *ops; /* the keeper's */
    CURLM     *multi;
    CURLSH    *jar;
    int        cookies_seen;
    int        spare_count;
    struct fetch_handle *spares[FETCH_SPARES_MAX];

    struct hob_fetch_answer *live; /* with a handle in `multi` */
    struct fetch_socket     *sockets[FETCH_BUCKETS];
    struct fetch_host       *hosts[FETCH_BUCKETS];
    hob_sem                  turns;
    bool                     has_turns;

    hob_op  at_once, timer;
    bool    at_once_flies, timer_flies, timer_asked_back;
    int64_t timer_at_ns; /* while it flies */
    int64_t due_ns;      /* when libcurl wants to be called; HOB_FOREVER */

    hob_fetch_stats          stats;
    struct hob_fetch_client *next_standard;
};

/* client.c */
int   hob__fetch_enter(hob_fetch_client *client, const char *caller, hob_fetch_client **ret_client);
void  hob__fetch_leave(hob_fetch_client *client);
int   hob__fetch_handle_take(hob_fetch_client *client, struct fetch_handle **ret_handle);
void  hob__fetch_handle_give(hob_fetch_client *client, struct fetch_handle *handle);

/* request.c: the headers that most have in common (0 or -ENOMEM); the options that all have (0; -ENOMEM;
 * -EINVAL: libcurl knows one of them not). */
int  hob__fetch_usual_init(hob_fetch_client *client);
void hob__fetch_usual_fini(hob_fetch_client *client);
int  hob__fetch_prepare(hob_fetch_client *client, struct fetch_handle *handle);

/* goodbye.c: how a handle's connections are watched. */
CURLcode hob__fetch_goodbye_watch(hob_fetch_client *client, CURL *easy);

/* drive.c: the sockets and the clock of client->multi. */
int  hob__fetch_drive_begin(hob_fetch_client *client);
void hob__fetch_drive_socket(hob_fetch_client *client, CURL *easy); /* how a handle makes them */

/* exchange.c: the end of an exchange, as libcurl tells it. */
void hob__fetch_ended(CURL *easy, CURLcode code);

/* hosts.c. Waits. On success the host is held until it is left. */
int  hob__fetch_turn_take(hob_fetch_client *client, const char *host, uint16_t port,
                          struct fetch_host **ret_host);
void hob__fetch_turn_give(hob_fetch_client *client, struct fetch_host *host);

/* proxy.c. */
int  hob__fetch_proxies_init(hob_fetch_client *client, const hob_fetch_client_opts *opts);
void hob__fetch_proxies_fini(hob_fetch_client *client);
const struct fetch_proxy *hob__fetch_proxy_for(const hob_fetch_client *client, bool is_tls,
                                               const char *host); /* NULL: none */

#endif
