/* SPDX-License-Identifier: MIT */
/*
 * The crew: all workers of one run.
 *
 *     hob_run's thread: worker 0        thread: worker 1        thread: worker 2
 *           loop                              loop                    loop
 *             │ ──────────── mail ────────────▶ │                       │
 *             │ ◀──────────── mail ──────────── │                       │
 *
 * The others are started when somebody first wants something of them. In the simulated
 * world all take turns in one thread, in an order of the seed.
 *
 * When is it over, and when is it stuck?  A worker is dry when only mail can make it go
 * on. When all are dry and no mail is on its way, nothing will ever happen by itself.
 * That is the end if the main task has ended and nobody has children left; otherwise
 * everything is asleep for ever. A dry worker cannot post, so this stays true once it is.
 */
#ifndef HOB_CORE_CREW_H
#define HOB_CORE_CREW_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/list.h"
#include "core/mail.h"
#include "core/stop.h"
#include "hob/runtime.h"

struct log_sim;
struct pools;
struct worker;

struct crew {
    uint32_t         count;        /* workers that there may be                        */
    bool             simulated;    /* they take turns in one thread                    */
    bool             spins;        /* several processors: a short wait needs no sleep  */
    pthread_mutex_t  lock;         /* of all that follows and is not atomic            */
    struct worker  **workers;      /* by number; NULL: not started                     */
    pthread_t       *threads;      /* by number, from 1                                */
    struct list      waiting;      /* struct remote: for whoever is idle               */
    uint32_t         dry;          /* workers                                          */
    int              result;       /* of the others                                    */
    atomic_uint      started;
    atomic_uint      waiting_count;
    atomic_ullong    posted_outside; /* mails of threads that are no workers           */
    atomic_uint      outsiders;    /* ops that wait for a thread that is no worker: see below */
    atomic_ullong    ids;          /* of tasks: the workers take blocks of them        */
    atomic_ullong    late_deadlines; /* set on scopes that had children already: see sync/deadlock.c */
    atomic_bool      ending;       /* the main task has ended                          */
    atomic_bool      over;         /* the loops end                                    */
    struct pools    *pools;        /* of threads, for functions that block or compute  */
    struct stop      stop;         /* how it is asked to end                          */
    struct list      sim_programs; /* of a simulated crew, which needs no lock: see
                                      io/process_sim.c; each block begins with its node */
    int              sim_processes; /* started so far                                  */
    struct log_sim  *log, *log_older; /* see log/sim.c                                */
};

/* Makes the crew of worker 0. Returns 0 or -ENOMEM. */
int  hob__crew_init(struct crew *crew, struct worker *first, uint32_t count);

/* After the loop of worker 0: waits until the others are gone. Returns the first failure of
 * their root scopes, or 0. */
int  hob__crew_finish_others(struct crew *crew);
void hob__crew_fini(struct crew *crew);

/* The worker of that number, started if need be: NULL and *ret_error when that failed. */
struct worker *hob__crew_worker(struct crew *crew, uint32_t number, int *ret_error);

/* Is there only the one? */
static inline bool crew_is_alone(const struct crew *crew)
{
    return atomic_load_explicit(&crew->started, memory_order_relaxed) == 1;
}

/* Something waits for an idle worker: one is woken, or started. */
void hob__crew_wake_one(struct crew *crew);

/* Only mail can make the worker go on, and: it goes on. */
void hob__crew_dry(struct worker *worker);
void hob__crew_not_dry(struct worker *worker);
void hob__crew_not_dry_locked(struct worker *worker);

/* Somebody waits for what only a thread outside of the crew may do: until that has come, or is
 * no longer waited for, the crew is neither over nor stuck. Called by the worker that waits. */
static inline void crew_waits_outside(struct crew *crew)
{
    atomic_fetch_add(&crew->outsiders, 1);
}

static inline void crew_waited_outside(struct crew *crew)
{
    atomic_fetch_sub(&crew->outsiders, 1);
}

/* The main task has ended: so do all root scopes, and then the crew. */
void hob__crew_end(struct crew *crew);

/* Lets each worker of a simulated crew have one turn, which does not sleep. Returns whether one
 * had something to do; *next_ns becomes the time of the next timer, if that is sooner. */
bool hob__crew_simulate_turn(struct crew *crew, int64_t *next_ns);

/* Runs the workers of a simulated crew, in turns, until it is over. */
void hob__crew_simulate(struct crew *crew);

#endif
