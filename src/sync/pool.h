/* SPDX-License-Identifier: MIT */
/*
 * Pools of threads from inside: jobs, and what a run keeps for all of its pools.
 *
 *     start ──▶ JOB_QUEUED ──▶ JOB_RUNNING ──▶ JOB_ENDED ── mail ──▶ its worker: the op is done
 *                 │   ▲            │
 *     withdraw ◀──┘   └── again ───┘ (a job in steps, when others wait)
 *
 *   QUEUED:  in pool->queue; its worker may take it back.
 *   RUNNING: a thread's, or handed to one; in sim its time goes on.
 *   ENDED:   on its way home, or there.
 *
 * Who moves it holds the pool's lock. A job holds a reference to its pool until it is home, so
 * that withdrawing finds the lock.
 */
#ifndef HOB_SYNC_POOL_H
#define HOB_SYNC_POOL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/list.h"
#include "base/mail.h"
#include "core/thing.h"
#include "hob/offload.h"
#include "op/op.h"

struct pools;
struct worker;

enum job_state { JOB_QUEUED, JOB_RUNNING, JOB_ENDED };

struct job {
    hob_pool        *pool;
    hob_offload_fn  *fn;
    void            *arg;
    struct op       *op;        /* that waits for it                                     */
    struct worker   *home;      /* whose that is                                         */
    const void      *called_at;
    bool             on_heap;   /* hob_offload_prep's: freed when it is home              */
    bool             in_steps;  /* fn's 1 means: call me again, after others who wait     */
    atomic_bool      cancelled; /* nobody wants it any more                              */
    atomic_uint      state;     /* enum job_state                                        */
    int              result;
    int64_t          since_ns;  /* queued, or running                                    */
    struct list_node link;      /* in pool->queue                                        */
    struct mail      mail;
    struct op        delay;     /* sim: its time                                         */
};

/* A thread with nothing to do, on its stack. */
struct idler {
    struct list_node link; /* in pool->idlers, the last that fell idle first             */
    pthread_cond_t   woken;
    struct job      *job;  /* what it was handed                                         */
};

struct hob_pool {
    uint32_t         tag;
    bool             is_builtin;
    bool             simulated;
    bool             fail_when_full;
    uint32_t         threads_max;
    uint32_t         queue_max;
    int64_t          idle_ns;
    size_t           stack_bytes;
    char             name[32];
    struct pools    *pools;
    atomic_uint      refs;    /* its owner, its threads, its jobs                        */

    struct thing     thing;   /* not of those that everybody has                         */

    pthread_mutex_t  lock;    /* of all that follows                                     */
    struct list      queue;   /* struct job, longest first                               */
    struct list      idlers;
    bool             ending;
    hob_pool_stats   stats;
};

/* What all pools of a run share, kept by its crew. Returns NULL when memory ran out; freeing
 * waits until the last thread has ended. */
struct pools *hob__pools_new(bool simulated);
void          hob__pools_free(struct pools *pools);

/* A thread is about to begin, which may fail; and to end: the last thing that it calls. */
void hob__pools_thread_begins(struct pools *pools);
void hob__pools_thread_failed(struct pools *pools);
void hob__pools_thread_ends(struct pools *pools);

/* The pool behind a user's pointer. */
hob_pool *hob__pool_from(hob_pool *pool, const char *caller);
void      hob__pool_unref(hob_pool *pool);

/* Has fn called on a thread, or later on one; the job holds on to the pool from now on. Returns
 * 0, and it comes home; or an error, and it does not. */
int hob__pool_submit(struct job *job);

/* Takes it back if it has not begun, and returns whether. Otherwise it learns of it. */
bool hob__pool_withdraw(struct job *job);

/* No more jobs: what is queued comes home with -ECANCELED, and idle threads end. */
void hob__pool_end(hob_pool *pool);

/* The job is over: on its worker. */
void hob__job_home(struct job *job);

/* The same from wherever it ended. */
void hob__job_send_home(struct job *job, int result);

/* Makes the op one that waits for the job. */
void hob__offload_op_init(struct op *op, struct job *job, hob_pool *pool, hob_offload_fn *fn,
                          void *arg, const void *called_at);

/* Calls fn, as the job of this thread. */
int hob__job_call(struct job *job);

/* ---- sim ---- */

/* Under the lock, for a job that has begun: its time runs, on its own worker. */
void hob__pool_simulate(struct job *job);

/* Whether the thread is in a function that sim calls on the loop's. */
bool hob__job_is_simulated(void);

/* In sim: the worker whose job's function runs on the loop; otherwise NULL. */
struct worker *hob__job_simulator(void);

/* Who runs on this thread, for a failed assertion: nothing if that is no job. */
void hob__job_report_who(int fd);

/* ---- counting, under the lock ---- */

int64_t hob__pool_now(const hob_pool *pool);
void    hob__pool_count_begun(hob_pool *pool, struct job *job);
void    hob__pool_count_ended(hob_pool *pool, struct job *job);
void    hob__pool_enqueue(hob_pool *pool, struct job *job);

/* Its turn is over, and so is the job, unless it goes on in steps: then it is in the queue. */
bool hob__pool_turn_over(hob_pool *pool, struct job *job, int result);

#endif
