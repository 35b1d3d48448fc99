/* SPDX-License-Identifier: MIT */
/*
 * Supervision: tasks that are started again when they end (after Erlang's supervisor).
 *
 *     static const hob_child children[] = {
 *         { .name = "listener", .fn = listen_for_orders },
 *         { .name = "printer",  .fn = print_bills, .restart = HOB_RESTART_ON_FAILURE },
 *     };
 *     return hob_supervise(children, 2, NULL);
 */
#ifndef HOB_SUPERVISE_H
#define HOB_SUPERVISE_H

#include "hob/task.h"

HOB_BEGIN_DECLS

typedef enum hob_restart {
    HOB_RESTART_ALWAYS,     /* also when it returned 0 */
    HOB_RESTART_ON_FAILURE, /* when it returned an error */
    HOB_RESTART_NEVER,
} hob_restart;

/* Who is started again with the one that ended. Those that still run are cancelled
 * and waited for first, in the opposite order. */
typedef enum hob_strategy {
    HOB_ONE_FOR_ONE,  /* nobody                                */
    HOB_ALL_FOR_ONE,  /* all                                   */
    HOB_REST_FOR_ONE, /* those that stand after it in the list */
} hob_strategy;

typedef struct hob_child {
    const char  *name; /* for reports; kept while it runs; NULL: none */
    hob_task_fn *fn;
    void        *arg;
    hob_restart  restart;
} hob_child;

typedef struct hob_supervise_opts {
    hob_strategy strategy;
    uint32_t     restarts_max;   /* more restarts than so many ...            0: 3 (for none
                                    at all there is HOB_RESTART_NEVER)                       */
    int64_t      period_ns;      /* ... in so long, and the supervisor gives up; 0: 5 s      */
    int64_t      backoff_ns;     /* how long to wait before a restart; doubled with each one
                                    of the period; 0: 10 ms                                  */
    int64_t      backoff_max_ns; /* but no longer than this; 0: 1 s                          */

    /* Told of each end that leads to a restart, before it: `error` is what the child
     * returned. Must not wait. NULL: failures are reported as all others are. */
    void (*on_restart)(void *arg, const char *name, int error);
    void *on_restart_arg;
} hob_supervise_opts;

/* Runs the children, and starts them again as told; but not one that returned HOB_ESTOPPING
 * (hob/stop.h). Waits until all have ended for
 * good. Returns 0 when they did; the error of the child whose restarts became too many
 * (-ELOOP if it returned 0), or that failed with HOB_RESTART_NEVER, and then the others are
 * cancelled and waited for; -ENOMEM, -ECANCELED, -ETIMEDOUT. */
HOB_API HOB_MUST_USE int hob_supervise(const hob_child *children, size_t count,
                                       const hob_supervise_opts *opts);

HOB_END_DECLS

#endif
