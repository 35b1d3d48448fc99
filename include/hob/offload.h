/* SPDX-License-Identifier: MIT */
/*
 * Threads for what must not run on the loop: calls that block, and computing.
 *
 *     static int resize(void *arg)                       // an ordinary function, on a thread
 *     {
 *         struct picture *p = arg;
 *         return scale(p->from, p->to, p->width);        // takes a while
 *     }
 *     ...
 *     HOB_TRY(hob_offload(hob_pool_cpu(), resize, &picture));   // this task waits, others run
 *
 * A pool is some threads, and a line of functions that wait for one of them. There are two
 * for everybody: hob_pool_blocking() for calls that wait for something outside (a library
 * without an asynchronous form), hob_pool_cpu() for what computes. So the ones do not hold up
 * the others; nor do they hold up files, which have threads of their own where they need any.
 * Make more of them for what must not share: hob_pool_new.
 *
 * The function.  It runs on another thread, beside the loop: what it shares with tasks needs
 *   atomics, or a hob_mutex, which threads may lock too. Of Hob it may call only what is for
 *   every thread; one that waits, or needs a run, stops the program with a sentence that says
 *   on which pool it was called. All signals but faults are blocked on these threads.
 * Cancelling.  While the function waits for a thread, cancelling or a deadline takes it back:
 *   it never runs. Once it runs it is waited for, and its result wins, because what its
 *   argument points to is in use until then. It can ask hob_offload_cancelled() whether
 *   anybody still wants it, and return early.
 * Workers.  Tasks of all workers use the same pools, and any may free one that was made.
 * sim.  There are no threads: the function runs on the loop's, at a moment of virtual time that
 *   hob_sim_world's offload_min_ns and offload_max_ns make, and takes none itself. As many at
 *   a time as the pool has threads are under way. So a seed repeats a run; but a function
 *   that blocks until a task does something would block that task too.
 *
 * Loops over ranges of numbers are in hob/parallel.h: hob_parallel_for.
 */
#ifndef HOB_OFFLOAD_H
#define HOB_OFFLOAD_H

#include "hob/op.h"

HOB_BEGIN_DECLS

/* Some threads with a name. */
typedef struct hob_pool hob_pool;

/* What runs on a thread of a pool. Its result is the call's; a negative one is an error. */
typedef int hob_offload_fn(void *arg);

/* Calls fn(arg) on a thread of the pool. Waits: for a thread, and until fn returned.
 *
 * Returns what fn returned; or, and then fn was not called:
 *   -ECANCELED  the scope was cancelled before a thread was free, or the pool was freed
 *   -ETIMEDOUT  the scope's deadline passed before a thread was free
 *   -EAGAIN     the line is full (hob_pool_opts.fail_when_full), or no thread can be had
 * When fn returns -ECANCELED after a cancellation, that is -ETIMEDOUT for a deadline, as
 * everywhere. `arg` is lent until the call returns. */
HOB_API HOB_MUST_USE int hob_offload(hob_pool *pool, hob_offload_fn *fn, void *arg);

/* As an operation: hob/op.h. Returns 0 or -ENOMEM. The pool must not be freed before it was
 * started. Does not wait. */
HOB_API HOB_MUST_USE int hob_offload_prep(hob_op *op, hob_pool *pool, hob_offload_fn *fn, void *arg);

/* For fn, on a thread of a pool: 0, or -ECANCELED when whoever waits for it was cancelled,
 * for whatever reason. In a task it is hob_cancelled(); elsewhere 0. Any thread. */
HOB_API int hob_offload_cancelled(void);

/* The pools that everybody has. Neither takes a thread before it is used; neither is freed.
 * They do not wait, and cannot fail. Called in a run. */
HOB_API hob_pool *hob_pool_blocking(void); /* "blocking": at most 64 threads */
HOB_API hob_pool *hob_pool_cpu(void);      /* "cpu": as many as processors may be used; in sim 4 */

/* How to make a pool. All zero, or NULL, means the defaults. */
typedef struct hob_pool_opts {
    const char *name;    /* in reports, and of the threads; copied, cut at 31 bytes (threads: 11);
                            NULL: "pool" */
    uint32_t threads;    /* at most, each started when there is work for one more; 0: as many as
                            processors may be used, in sim 4; at most 1024 */
    uint32_t queue;      /* so many may wait for a thread; 0: 1024; counts with the next one */
    unsigned fail_when_full : 1; /* 1: then a call gives -EAGAIN; 0: it waits, as the others do */
    int64_t  idle_ns;    /* a thread that has had nothing to do for so long ends; 0: 10 s;
                            HOB_FOREVER: with the pool */
    size_t   stack_bytes; /* of a thread; 0: what the system gives, mostly 8 MiB */
} hob_pool_opts;

/* Makes a pool. Does not wait. Returns 0 or -ENOMEM. */
HOB_API HOB_MUST_USE int hob_pool_new(const hob_pool_opts *opts, hob_pool **ret_pool);

/* Frees it, NULL too. What waits for a thread gets -ECANCELED; what runs goes on to its end,
 * and is waited for by its task. Its threads end then, at the latest with the run. Does not
 * wait. On any worker, in callbacks too. */
HOB_API void hob_pool_free(hob_pool *pool);

typedef struct hob_pool_stats {
    uint32_t threads;         /* now there, at work or idle                              */
    uint32_t threads_max;     /* so many there may be                                    */
    uint64_t queued;          /* wait for a thread                                       */
    uint64_t queued_max;
    uint64_t running;
    uint64_t done;            /* functions that returned                                 */
    uint64_t withdrawn;       /* taken back, by a cancellation or with the pool          */
    uint64_t refused;         /* with -EAGAIN                                            */
    int64_t  waited_max_ns;   /* for a thread, of those that got one                     */
    int64_t  waited_total_ns;
    int64_t  ran_max_ns;      /* in sim the time that was drawn for it                   */
    int64_t  ran_total_ns;
} hob_pool_stats;

/* What the pool has counted. Any thread. Does not wait. */
HOB_API void hob_pool_stats_get(hob_pool *pool, hob_pool_stats *ret_stats);

HOB_END_DECLS

#endif
