/* SPDX-License-Identifier: MIT */
/*
 * Hedging: when the first attempt is slow, a second one is begun, and the first success wins.
 *
 *     struct ask asks[2] = { { .replica = "a" }, { .replica = "b" } };
 *
 *     int winner = HOB_TRY(hob_hedge(NULL, ask, asks, sizeof asks[0], 2));
 *     use(asks[winner].answer);
 *
 * It buys a better worst case with a few calls more (Dean, Barroso: "The Tail at Scale", 2013):
 * begun after the time within which 95 % of calls have answered, it is 5 % more. Only what may be
 * done twice can be hedged, as what may be tried again: see hob/retry.h.
 */
#ifndef HOB_HEDGE_H
#define HOB_HEDGE_H

#include "hob/retry.h"

HOB_BEGIN_DECLS

/* How long the last 128 calls took. A place of yours: all zero is one that has seen nothing, and
 * there is nothing to free. Tasks of all workers use the same one. */
typedef struct hob_latency {
    const char *name; /* for people; kept, not copied; may be NULL */
    HOB_OPAQUE(260);
} hob_latency;

/* Notes that a call took so long. Does not wait. */
HOB_API void hob_latency_note(hob_latency *latency, int64_t duration_ns);

/* The shortest of the noted times that is not exceeded by `percent` of them (1 to 100). -ENODATA
 * before 16 were noted. Does not wait. */
HOB_API int64_t hob_latency_percentile(hob_latency *latency, uint32_t percent);

enum { HOB_HEDGE_MAX = 16 };

/* All zero, or NULL, means the defaults. */
typedef struct hob_hedge_opts {
    int64_t      delay_ns;   /* the next attempt begins so long after the last one; 0: 100 ms   */
    hob_latency *latency;    /* or, when it has seen enough, after the time that `percentile`
                                of calls took; each success is noted in it, and an attempt that
                                a later one overtook, with the time until then                  */
    uint32_t     percentile; /* 0: 95                                                           */
    hob_retry_budget *budget; /* asked before each attempt but the first; NULL: none            */

    /* 1: that error is the answer, and no other attempt would have a better one. Must not wait.
     * NULL: all but those of hob_error_is_passing. */
    int        (*is_final)(void *arg, int error);

    /* Gives back what an attempt got that succeeded, too, and is not needed. Called when all
     * have ended, with its argument. NULL: there is nothing to give back. */
    void       (*drop)(void *attempt);
    void        *arg;
} hob_hedge_opts;

/* Calls fn on the first of the `count` arguments of `arg_bytes` at `args`, in a task; when that
 * has not succeeded within the delay, or has failed, on the next one, too; and so on. When one
 * has succeeded, or failed for good, the others are cancelled. Waits for all that were begun.
 *
 * Returns the index of the attempt that succeeded first; or the error that was final; or, when
 * all failed, the first failure in time; -ENOMEM; -ECANCELED, -ETIMEDOUT. No attempt at all, or
 * more than HOB_HEDGE_MAX, is a mistake. */
HOB_API HOB_MUST_USE int hob_hedge(const hob_hedge_opts *opts, hob_task_fn *fn, void *args,
                                   size_t arg_bytes, size_t count);

HOB_END_DECLS

#endif
