/* SPDX-License-Identifier: MIT */
/*
 * Trying again, with pauses, and not for ever.
 *
 *     static hob_retry_budget budget;                   // of all calls to that service
 *
 *     hob_retry_opts opts = { .attempts_max = 4, .attempt_max_ns = HOB_SEC, .budget = &budget };
 *     HOB_TRY(hob_retry(&opts, fetch_price, &order));
 *
 * After a failure that is worth it hob_retry pauses, longer each time, and calls the function
 * again. It gives up when the attempts or the time are used up, or the budget says no; and it
 * returns what the last attempt returned, not that it gave up.
 *
 * The pauses are random, so that those who failed together do not come back together; and
 * exponential, so that a service that is down is asked less and less. A budget bounds what all
 * calls together may add: when everything fails, three attempts each would be three times the
 * load on what is already too weak. With a budget of 20 % it is at most 1.2 times.
 *
 * Only what may be done twice should be tried again. What is not known to have failed, such as
 * a payment that timed out, is the user's to judge: hob_retry_opts.judge.
 */
#ifndef HOB_RETRY_H
#define HOB_RETRY_H

#include "hob/task.h"
#include "hob/time.h"

HOB_BEGIN_DECLS

/* How many more attempts than calls there may be. A place of yours: all zero is the default, and
 * there is nothing to free. Shared by calls of all workers.
 *
 * It is a purse that begins full. Each call (not each attempt) puts in `percent` hundredths of an
 * attempt; each further attempt takes a whole one out, or is not made. */
typedef struct hob_retry_budget {
    uint32_t percent; /* further attempts for each 100 calls; 0: 20                         */
    uint32_t purse;   /* so many at most are saved up, and are there at first; 0: 10        */
    HOB_OPAQUE(3);
} hob_retry_budget;

/* For loops of your own: notes a call; asks for one more attempt: 1, or 0 for no. Do not wait. */
HOB_API void             hob_retry_budget_call(hob_retry_budget *budget);
HOB_API HOB_MUST_USE int hob_retry_budget_take(hob_retry_budget *budget);

typedef struct hob_retry_budget_stats {
    uint64_t calls, taken, refused;
    uint32_t left; /* whole attempts that may be made now */
} hob_retry_budget_stats;

HOB_API void hob_retry_budget_stats_get(hob_retry_budget *budget,
                                        hob_retry_budget_stats *ret_stats);

/* How the pause before attempt n + 1 is drawn; base is backoff_ns, top is backoff_max_ns. */
typedef enum hob_jitter {
    HOB_JITTER_FULL,         /* between 0 and base * 2^(n-1), at most top                       */
    HOB_JITTER_EQUAL,        /* between half of that and that                                   */
    HOB_JITTER_DECORRELATED, /* between base and three times the pause before, at most top      */
    HOB_JITTER_NONE,         /* exactly base * 2^(n-1), at most top                             */
} hob_jitter;

/* What a judge says. */
#define HOB_RETRY_NOT INT64_C(-1) /* it is not worth it: hob_retry returns the error    */
#define HOB_RETRY_YES INT64_C(0)  /* after the pause that is drawn                      */

/* All zero, or NULL, means the defaults. */
typedef struct hob_retry_opts {
    uint32_t   attempts_max;   /* 0: 3                                                      */
    int64_t    time_max_ns;    /* for all of it: a pause that would end later is not begun,
                                  and an attempt that lasts longer is cancelled; 0: no limit
                                  but the deadlines of the scopes around                    */
    int64_t    attempt_max_ns; /* each attempt is cancelled after so long, and gives what it
                                  gives then, mostly -ETIMEDOUT; 0: no limit of its own     */
    int64_t    backoff_ns;     /* 0: 50 ms                                                  */
    int64_t    backoff_max_ns; /* 0: 10 s                                                   */
    hob_jitter jitter;
    hob_retry_budget *budget;  /* NULL: none                                                */

    /* Whether the error of that attempt (counted from 1) is worth another: HOB_RETRY_NOT,
     * HOB_RETRY_YES, or a number > 0: after just so many nanoseconds, as a Retry-After says.
     * Must not wait. NULL: what hob_error_is_passing says. */
    int64_t (*judge)(void *arg, uint32_t attempt, int error);

    /* Told before each pause: the attempt that failed, why, and how long the pause is. */
    void    (*on_retry)(void *arg, uint32_t attempt, int error, int64_t pause_ns);
    void     *arg;
} hob_retry_opts;

/* Calls fn(arg), and again while it fails as the options say. Waits.
 *
 * Returns what the last call returned: >= 0 is success. When the scope is cancelled no further
 * attempt begins, and what is returned is the error of the last attempt, or, if it is cancelled
 * in a pause, -ECANCELED or -ETIMEDOUT. */
HOB_API HOB_MUST_USE int hob_retry(const hob_retry_opts *opts, hob_task_fn *fn, void *arg);

/* 1 for errors that pass by themselves: a peer or a network that cannot be reached, or is reset,
 * refused or too slow (-ECONNREFUSED, -ECONNRESET, -ECONNABORTED, -EPIPE, -ETIMEDOUT, -ENETDOWN,
 * -ENETUNREACH, -EHOSTDOWN, -EHOSTUNREACH), and what is busy (-EAGAIN, -EBUSY, -EINTR); 0 for
 * all others, HOB_EBREAKER too. Does not wait. */
HOB_API int hob_error_is_passing(int error);

/* The pause before the attempt after number `attempt`, in nanoseconds, for loops of your own;
 * `before_ns` is the pause before (0 at first), for HOB_JITTER_DECORRELATED. Does not wait. */
HOB_API int64_t hob_retry_pause_ns(const hob_retry_opts *opts, uint32_t attempt,
                                   int64_t before_ns);

HOB_END_DECLS

#endif
