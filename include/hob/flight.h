/* SPDX-License-Identifier: MIT */
/*
 * Single flight: who asks for the same thing at the same time shares one run.
 *
 *     HOB_TRY(hob_flights_new(&server, look_up, db, &(hob_flights_opts){
 *                                 .result_bytes = sizeof(struct user) }, &lookups));
 *     ...
 *     struct user user;
 *     HOB_TRY(hob_flights_call(lookups, name, strlen(name), &user));   // in any number of tasks
 *
 *     call ──┐
 *     call ──┼──▶ one run of the function ──▶ its result, copied to each; or its error
 *     call ──┘
 *
 * Nothing is kept after the run has ended: for that there is hob/cache.h.
 *
 * Whose run.  A run is nobody's of those who wait, but a task of the scope that was given to
 *   hob_flights_new; it inherits the task-locals of the call that began it. Whoever is cancelled
 *   leaves, and the run goes on for the others; when nobody waits any more it is cancelled, and
 *   the next call begins a new one.
 * Whose result.  Each call gets a copy of its own, by `copy`; the run's is given to `drop` when
 *   all have theirs. For a counted pointer, copy is ref and drop is unref. Neither may wait.
 * Workers.  Flights belong to the worker that made them, as most things do; calls of other
 *   workers are a mistake. Servers with several workers have one for each.
 */
#ifndef HOB_FLIGHT_H
#define HOB_FLIGHT_H

#include "hob/task.h"

HOB_BEGIN_DECLS

typedef struct hob_flights hob_flights;

/* A run, as its function sees it. */
typedef struct hob_flight {
    const void *key; /* Hob's copy, until the run has ended         */
    size_t      key_len;
    int         forgotten; /* 1: hob_flights_forget was called meanwhile */
} hob_flight;

/* Makes the result for the key: writes it to *ret_result and returns >= 0, or an error. Runs in
 * a task of its own; -ECANCELED means, as ever, that nobody wants it. */
typedef int hob_flight_fn(void *arg, const hob_flight *flight, void *ret_result);

/* All zero, or NULL, means the defaults. */
typedef struct hob_flights_opts {
    const char *name;         /* of the runs' tasks, for reports; kept, not copied            */
    size_t      result_bytes; /* how large a result is; 0: only the error or number is shared */
    int       (*copy)(void *to, const void *from); /* 0 or an error; NULL: memcpy            */
    void      (*drop)(void *result); /* NULL: results hold nothing; with it there must be copy */
    int64_t     run_max_ns;   /* the deadline of a run; 0: only the scope's                   */
    uint32_t    runs_max;     /* at a time; then calls get -EAGAIN; 0: 1024                   */
    size_t      stack_bytes;  /* of a run, as in hob_task_opts                                */
    void      (*gone)(void *arg); /* called, once, when nothing given here will be used again */
} hob_flights_opts;

/* Makes flights whose runs are tasks of `scope`, or rather of a daemon in it: they do not keep the
 * scope from ending, and its end cancels them. `arg` is for fn. Waits, until the daemon runs.
 * Returns 0; -ENOMEM, -EAGAIN; -ECANCELED, -ETIMEDOUT. */
HOB_API HOB_MUST_USE int hob_flights_new(hob_scope *scope, hob_flight_fn *fn, void *arg,
                                         const hob_flights_opts *opts, hob_flights **ret_flights);

/* Frees them; NULL is fine. Runs are cancelled, and end soon after; who waits for them gets their
 * -ECANCELED. May be called before or after the scope has ended. Does not wait. */
HOB_API void hob_flights_free(hob_flights *flights);

/* Waits for the run for the key, which is lent, and begins one if there is none. Returns what fn
 * returned; when that is >= 0, *ret_result is the caller's copy (ret_result may be NULL).
 * -ECANCELED, -ETIMEDOUT for a caller that was cancelled; -ECANCELED too when the scope of the
 * runs was; -ENOMEM, -EAGAIN, copy's error. A run that waits for its own key waits for itself. */
HOB_API HOB_MUST_USE int hob_flights_call(hob_flights *flights, const void *key, size_t key_len,
                                          void *ret_result);

/* Begins a run for the key, if there is none, and waits for nothing. The run goes on also when
 * nobody ever waits for it. Returns 0, -ENOMEM, -EAGAIN, -ECANCELED. */
HOB_API HOB_MUST_USE int hob_flights_start(hob_flights *flights, const void *key, size_t key_len);

/* From now on calls for the key begin a new run; a run that is under way is not cancelled, and
 * gives its result to those who wait for it now. For when the thing has changed. The same for all
 * keys. Do not wait. */
HOB_API void hob_flights_forget(hob_flights *flights, const void *key, size_t key_len);
HOB_API void hob_flights_forget_all(hob_flights *flights);

/* How many runs are under way now, and how many were begun. Do not wait. */
HOB_API uint32_t hob_flights_running(const hob_flights *flights);
HOB_API uint64_t hob_flights_begun(const hob_flights *flights);

HOB_END_DECLS

#endif
