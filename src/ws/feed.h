/* SPDX-License-Identifier: MIT */
/*
 * What is said to many: it lies once in memory, encoded, in a ring; who follows is a number.
 *
 * Threads: all workers of the run. Pieces are counted, so that one can be sent while the ring goes on.
 */
#ifndef HOB_WS_FEED_H
#define HOB_WS_FEED_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hob/broadcast.h"

/* Bytes that are sent as they are. */
struct blob {
    atomic_uint  refs;
    size_t       len;
    struct blob *next_gone; /* of whoever took it out of the ring */
    char         bytes[];
};

struct blob *hob__blob_new(size_t len); /* of so many bytes; NULL: no memory */
void         hob__blob_unref(struct blob *blob);

struct feed {
    pthread_mutex_t lock; /* for moments; nobody waits with it */
    hob_broadcast  *news; /* that there is something new       */
    struct blob   **ring; /* number i at i % cap               */
    uint64_t        first, next;
    size_t          cap, bytes, bytes_max;
};

int  hob__feed_init(struct feed *feed, size_t cap, size_t bytes_max, const char *name);
void hob__feed_fini(struct feed *feed);

/* Adds one, whose reference is given, and tells who waits. The oldest make room. */
void hob__feed_put(struct feed *feed, struct blob *blob);

/* The same of one that make(arg, number) makes, as it knows its number; -ENOMEM if that gives NULL. */
int hob__feed_make(struct feed *feed, struct blob *(*make)(void *arg, uint64_t number), void *arg);

/* The number of the oldest that is there; the number that the next one will have. */
uint64_t hob__feed_first(struct feed *feed);
uint64_t hob__feed_next(struct feed *feed);

/* Up to `max` that come after *pos, which moves behind them, at least one if there is one, and no more
 * than about `bytes`; each with a reference. *ret_lost: how many were gone already. */
size_t hob__feed_take(struct feed *feed, uint64_t *pos, struct blob **out, size_t max, size_t bytes,
                      uint64_t *ret_lost);

#endif
