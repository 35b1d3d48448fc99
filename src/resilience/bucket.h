/* SPDX-License-Identifier: MIT */
/*
 * A bucket of tokens and the line of those who wait for it.
 *
 *     come ──▶ ┌───┬───┬───┐       the first waits for its time, or for being poked;
 *              │ w │ w │ w │ ──▶   the others for being poked: then they are the first
 *     leave ◀──└───┴───┴───┘
 *
 * What is kept is what is *missing*, in whole tokens and parts of one, so that a bucket that is
 * all zero is full, and nothing is lost by rounding: a part is 1 / period_ns of a token, and
 * `count` of them come in each nanosecond.
 *
 * A waiter lies on its task's stack. Whoever pokes it says so under the lock (`poked`) and sets
 * its event afterwards; and a waiter that was poked does not go before the event is set. So
 * nobody touches a waiter that is gone.
 *
 * Threads: all workers, under the owner's short lock.
 */
#ifndef HOB_RESILIENCE_BUCKET_H
#define HOB_RESILIENCE_BUCKET_H

#include <stdbool.h>

#include "base/list.h"
#include "base/lock.h"
#include "hob/sem.h"

/* How fast, with the defaults filled in. */
struct pace {
    uint64_t count, burst;
    int64_t  period_ns;
};

struct bucket {
    int64_t     at_ns;   /* what is missing was missing then; later calls see no less */
    uint64_t    missing; /* tokens ...                        */
    int64_t     part;    /* ... and parts, below period_ns    */
    struct list line;    /* struct waiter, longest first; the pointers are NULL before the first */
};

struct waiter {
    struct list_node link;
    hob_event        turn;
    uint32_t         cost;
    bool             poked;
};

struct pace hob__pace(uint32_t count, uint32_t burst, int64_t period_ns);

/* Under the lock, as all here but hob__bucket_wait and hob__waiter_poke. */
bool hob__bucket_try(struct bucket *b, const struct pace *pace, uint32_t cost, int64_t now_ns);
void hob__bucket_give_back(struct bucket *b, const struct pace *pace, uint64_t cost);

/* What is missing stays missing; a part of a token counts as a whole one then. */
void hob__bucket_set_pace(struct bucket *b, const struct pace *from, const struct pace *to,
                          int64_t now_ns);

/* How long it takes from `now_ns` until `cost` tokens are there for who waits alone. */
int64_t hob__bucket_wait_ns(struct bucket *b, const struct pace *pace, uint64_t cost,
                            int64_t now_ns);

/* When it will be full, if nobody takes anything. */
int64_t hob__bucket_full_at(const struct bucket *b, const struct pace *pace);

bool     hob__bucket_is_waited_for(const struct bucket *b);
uint64_t hob__bucket_wanted(const struct bucket *b); /* by all who wait */

/* The first who waits, marked as poked, to be told by hob__waiter_poke without the lock; or NULL. */
struct waiter *hob__bucket_first(struct bucket *b);
void           hob__waiter_poke(struct waiter *waiter);

/* Stands in line, waits, takes. Called with the lock held, returns without it. `name` is for
 * dumps, which tell what a task waits for. */
int hob__bucket_wait(struct lock *lock, struct bucket *b, const struct pace *pace, uint32_t cost,
                     const char *name);

#endif
