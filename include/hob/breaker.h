/* SPDX-License-Identifier: MIT */
/*
 * Circuit breakers: who keeps failing is left alone for a while.
 *
 *     static hob_breaker stock = { .name = "stock", .open_ns = 5 * HOB_SEC };
 *
 *     int r = hob_breaker_call(&stock, ask_stock, &question);
 *     if (r == HOB_EBREAKER)
 *         return answer_from_yesterday(&question);      // it was not even asked
 *
 *                 too many failures           open_ns later, the next call
 *     CLOSED ───────────────────────▶ OPEN ─────────────────────────────────▶ HALF OPEN
 *       ▲                              ▲              a probe failed              │ │
 *       │                              └──────────────────────────────────────────┘ │
 *       └───────────────────────────────────────────────────────────────────────────┘
 *                                    enough probes succeeded
 *
 * Closed, it lets all calls through and counts. Open, it refuses them at once. Half open, it
 * lets a few probes through and refuses the rest. What a call ends with counts only in the
 * state in which it began.
 *
 * Workers.  Tasks of all workers use the same breaker. Nothing here waits but the function
 *   that is called; all but hob_breaker_call may be used in callbacks too, inside of hob_run.
 */
#ifndef HOB_BREAKER_H
#define HOB_BREAKER_H

#include "hob/task.h"
#include "hob/time.h"

HOB_BEGIN_DECLS

typedef enum hob_breaker_state {
    HOB_BREAKER_CLOSED,
    HOB_BREAKER_OPEN,
    HOB_BREAKER_HALF_OPEN,
} hob_breaker_state;

enum { HOB_BREAKER_WINDOW_MAX = 512 };

/* A place of yours, as a lock is: fill in the named members, all else zero, and leave them
 * from the first use on. There is nothing to free. */
typedef struct hob_breaker {
    const char *name;            /* for people; kept, not copied; may be NULL              */

    /* It opens when either is true: */
    uint32_t    failures_in_row; /* so many failed, and none succeeded in between; 0: 5;
                                    UINT32_MAX: never by this                              */
    uint32_t    failure_percent; /* this share of the window failed; 0: 50; above 100: never
                                    by this                                                */
    uint32_t    calls_min;       /* but not by share before so many; 0: 20, or the window  */
    uint32_t    window_calls;    /* the window is the last so many calls; 0: 100; at most
                                    HOB_BREAKER_WINDOW_MAX                                 */
    int64_t     window_ns;       /* unless 0: it is instead the calls that ended in the last
                                    so long (in tenths: up to a tenth less)                */

    /* It stays open: */
    int64_t     open_ns;         /* so long; 0: 5 s                                        */
    int64_t     open_max_ns;     /* each time that it opens again without having closed,
                                    twice as long, up to this; 0: always open_ns           */

    /* Then: */
    uint32_t    probes;          /* so many are let through at a time; 0: 1                */
    uint32_t    probes_needed;   /* so many succeed, and it closes; 0: as many             */

    /* What a result means: 1: a failure, 0: a success, -1: nothing. Called on whatever worker.
     * NULL: negative is a failure, also -ETIMEDOUT, whosever deadline it was; -ECANCELED means
     * nothing. */
    int  (*is_failure)(void *arg, int result);

    /* Told of each change, on the worker that made it, after it. Must not wait; may use the
     * breaker. Changes that follow each other closely may be told by two workers at once. */
    void (*on_change)(void *arg, hob_breaker_state from, hob_breaker_state to);
    void  *arg;
    HOB_OPAQUE(20);
} hob_breaker;

/* Calls fn(arg) if the breaker lets it through, and counts what it returned. Waits as fn does.
 * Returns what fn returned, or HOB_EBREAKER, and then fn was not called. */
HOB_API HOB_MUST_USE int hob_breaker_call(hob_breaker *breaker, hob_task_fn *fn, void *arg);

/* ---- the same in two steps ---- */

/* One call that was let through; a place of yours. */
typedef struct hob_passage {
    HOB_OPAQUE(2);
} hob_passage;

/* Asks to be let through: 0, or HOB_EBREAKER. */
HOB_API HOB_MUST_USE int hob_breaker_enter(hob_breaker *breaker, hob_passage *passage);

/* Tells how it ended: after each hob_breaker_enter that returned 0, once; a second time has no
 * effect. (A probe that is never told of is given up after the time for which the breaker
 * was open, and another let through.) */
HOB_API void hob_breaker_leave(hob_passage *passage, int result);

/* ---- looking, and by hand ---- */

typedef struct hob_breaker_info {
    hob_breaker_state state;
    int64_t  open_until_ns; /* open: when it will let a probe through, as hob_now(); else 0 */
    uint32_t calls;         /* in the window now                                            */
    uint32_t failures;      /* of these                                                     */
    uint64_t refused;       /* calls, since the first use                                   */
    uint64_t opened;        /* times                                                        */
} hob_breaker_info;

HOB_API void hob_breaker_look(hob_breaker *breaker, hob_breaker_info *ret_info);

/* Opens it for so long, whatever it has seen; HOB_FOREVER: until it is closed by hand. Closes it
 * and forgets what it has seen. */
HOB_API void hob_breaker_trip(hob_breaker *breaker, int64_t duration_ns);
HOB_API void hob_breaker_reset(hob_breaker *breaker);

/* "closed", "open", "half open". */
HOB_API const char *hob_breaker_state_name(hob_breaker_state state);

HOB_END_DECLS

#endif
