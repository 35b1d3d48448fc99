/* SPDX-License-Identifier: MIT */
/*
 * Counting and meeting: semaphores, limiters, events, barriers.
 *
 *     static hob_limiter db = { .name = "database", .limit = 4 };
 *
 *     static int ask(void *arg)
 *     {
 *         HOB_LIMITED(&db);                    // one of at most four, until the block ends
 *         return query(arg);
 *     }
 *
 * What hob/lock.h says of places, order, cancelling and workers holds here too: fill in
 * the named members, all else zero. The members are Hob's from the first use on.
 */
#ifndef HOB_SEM_H
#define HOB_SEM_H

#include "hob/lock.h"

HOB_BEGIN_DECLS

/* ---- permits that belong to nobody ---- */

typedef struct hob_sem {
    const char *name;
    size_t      permits; /* to begin with */
    HOB_OPAQUE(2);
} hob_sem;

/* Waits for a permit and takes it. Returns 0, -ECANCELED, -ETIMEDOUT. */
HOB_API HOB_MUST_USE int hob_sem_acquire(hob_sem *sem);
HOB_API void             hob_sem_acquire_prep(hob_op *op, hob_sem *sem);

/* Adds a permit: who waits longest gets it. Does not wait; in callbacks too. */
HOB_API void hob_sem_release(hob_sem *sem);

/* ---- permits that are borrowed ---- */

typedef struct hob_limiter {
    const char *name;
    size_t      limit; /* borrowers at a time */
    HOB_OPAQUE(5);
} hob_limiter;

/* One borrowed permit: a place of the borrower's, until it is given back. */
typedef struct hob_borrow {
    HOB_OPAQUE(6);
} hob_borrow;

/* Waits until one more may borrow. Returns 0, -ECANCELED, -ETIMEDOUT, and -EDEADLK where
 * deadlocks are broken. */
HOB_API HOB_MUST_USE int hob_limiter_borrow(hob_limiter *limiter, hob_borrow *borrow);
HOB_API void hob_limiter_borrow_prep(hob_op *op, hob_limiter *limiter, hob_borrow *borrow);

/* Gives it back, before the task that borrowed it ends; only that one may. No effect on one
 * that holds nothing, if it was all zero or given back. Does not wait. */
HOB_API void hob_limiter_give_back(hob_borrow *borrow);

/* From now on so many. Who has borrowed keeps it: with a smaller limit nobody gets a permit
 * until enough were given back. Does not wait. */
HOB_API void hob_limiter_resize(hob_limiter *limiter, size_t limit);

/* Borrows until the end of the block; when that fails, returns the error. */
#define HOB_LIMITED(limiter)                                                        \
    __attribute__((cleanup(hob_limiter_give_back))) hob_borrow                      \
        HOB_JOIN(hob_borrow_, __LINE__) = { { 0 } };                                \
    HOB_TRY(hob_limiter_borrow((limiter), &HOB_JOIN(hob_borrow_, __LINE__)))

/* Who borrows, for reports. */
typedef struct hob_borrower {
    uint64_t    task;       /* its number; 0: an operation that no task awaits */
    char        name[32];
    const void *spawned_at; /* see hob_describe_address */
    int64_t     since_ns;   /* hob_now() of then */
} hob_borrower;

/* Writes up to `max` of them, the oldest first, and returns how many there are. Does not
 * wait. */
HOB_API size_t hob_limiter_borrowers(hob_limiter *limiter, hob_borrower *ret_borrowers,
                                     size_t max);

/* ---- something has happened ---- */

typedef struct hob_event {
    const char *name;
    HOB_OPAQUE(3);
} hob_event;

/* Waits until it is set. Returns 0, -ECANCELED, -ETIMEDOUT. */
HOB_API HOB_MUST_USE int hob_event_wait(hob_event *event);
HOB_API void             hob_event_wait_prep(hob_op *op, hob_event *event);

/* Lets all go on who wait, and who will, until it is reset. Do not wait; in callbacks too. */
HOB_API void hob_event_set(hob_event *event);
HOB_API void hob_event_reset(hob_event *event);
HOB_API int  hob_event_is_set(hob_event *event);

/* ---- everybody has come ---- */

typedef struct hob_barrier {
    const char *name;
    size_t      parties; /* how many meet; then the next round begins */
    HOB_OPAQUE(3);
} hob_barrier;

/* Waits until `parties` have come. Returns 1 to the last of them and 0 to the others;
 * -ECANCELED, -ETIMEDOUT: then the caller does not count as one who came. */
HOB_API HOB_MUST_USE int hob_barrier_wait(hob_barrier *barrier);
HOB_API void             hob_barrier_wait_prep(hob_op *op, hob_barrier *barrier);

HOB_END_DECLS

#endif
