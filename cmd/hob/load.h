/* SPDX-License-Identifier: MIT */
/*
 * The load: requests to one server, and how long their answers took.
 *
 *     closed loop   each connection sends, waits for the answer, and sends the next
 *     open loop     requests are due at a steady rate, whether or not the server keeps up; the next
 *                   free connection sends the next one that is due, and the time of its answer counts
 *                   from when it was due, not from when it was sent: nothing is left out of the picture
 *                   because the load had to wait for the server ("coordinated omission")
 *
 * A task for each connection, which makes a new one when it ends. Everything that grows with the time
 * or the number of requests is a counter.
 */
#ifndef HOB_CMD_LOAD_H
#define HOB_CMD_LOAD_H

#include <stdbool.h>

#include <hob.h>

#include "histogram.h"

typedef struct hob_tls_config hob_tls_config;

/* What may go wrong with a request, or before it. */
#define LOAD_TROUBLES(X)                                                   \
    X(CONNECT, "connect", "no connection could be made")                   \
    X(TLS, "tls", "no handshake, or it broke later")                       \
    X(SEND, "send", "the request could not be sent")                       \
    X(RECEIVE, "receive", "the connection broke")                          \
    X(CLOSED, "closed", "the server ended it before the answer was whole") \
    X(TIMEOUT, "timeout", "no answer in time")                             \
    X(ANSWER, "answer", "what came is no answer of HTTP/1.1")

enum load_trouble {
#define X(trouble, name, words) LOAD_##trouble,
    LOAD_TROUBLES(X)
#undef X
    LOAD_TROUBLES_COUNT,
};

struct load_opts {
    hob_addr        addr;
    hob_tls_config *tls;      /* NULL: none  */
    const char     *tls_name; /* of the server */

    const char *request; /* all of it, once */
    size_t      request_len;
    bool        to_head; /* it is a HEAD request */

    uint32_t connections, depth; /* requests that are sent together on one */
    double   rate;               /* a second, in all; 0: closed loop       */
    int64_t  duration_ns;
    uint64_t requests_max;       /* 0: as many as there is time for        */
    int64_t  timeout_ns;         /* for an answer, and for a connection    */
};

struct load {
    struct load_opts opts;

    /* So far. */
    int64_t          began_ns, ended_ns; /* ended_ns 0: it goes on */
    uint64_t         taken;              /* requests that a connection has begun */
    uint64_t         answers, bytes;     /* bytes: received, all of them */
    uint64_t         connects;
    uint64_t         by_class[6];        /* answers, by the first digit of their status */
    uint64_t         troubles[LOAD_TROUBLES_COUNT];
    int              first_error[LOAD_TROUBLES_COUNT];
    uint64_t         unsent;             /* open loop: were due, and no connection was free */
    struct histogram latency;            /* ns */

    /* Inside. */
    bool   is_over;
    char  *batch; /* the request, `depth` times */
    double interval_ns;
};

/* Prepares one; the options are copied, what they point to is lent. Returns 0 or -ENOMEM. */
HOB_MUST_USE int load_init(struct load *load, const struct load_opts *opts);
void             load_fini(struct load *load);

/* Loads the server until the time or the number is reached, or load_stop. Waits. Returns 0, or the error
 * that cancelled it; what there is is in *load in any case. */
HOB_MUST_USE int load_run(struct load *load);

/* Begins no more requests; those under way are given up. */
void load_stop(struct load *load);

uint64_t load_troubles(const struct load *load); /* of all kinds */

#endif
