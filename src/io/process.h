/* SPDX-License-Identifier: MIT */
/*
 * A process from inside.
 *
 *               launched               asked to end             killed
 *     (none) ─────────────▶ RUNNING ──────────────▶ ENDING ──────────────▶ KILLED
 *                              │                       │                      │
 *                              └───────────────────────┴──────────────────────┴──▶ ENDED
 *
 * Its keeper, a task of the scope that the process belongs to, does all of this: it waits for the
 * process, ends it when it is cancelled, reaps it, and settles `ended`. The record is shared by the
 * keeper and the user's handle. Everything happens on one worker.
 */
#ifndef HOB_IO_PROCESS_H
#define HOB_IO_PROCESS_H

#include <stdbool.h>

#include "base/check.h"
#include "core/thing.h"
#include "hob/process.h"
#include "hob/scope.h"

struct sim_run;

enum { PROCESS_IN, PROCESS_OUT, PROCESS_ERR };

/* What the user asked for, with who asked. */
struct process_order {
    const char *const      *argv;
    const hob_process_opts *opts; /* never NULL */
    const void             *made_at;
};

struct hob_process {
    enum hob__tag      tag;
    struct thing       thing;     /* while the handle is open                       */
    unsigned           refs;      /* the keeper and the handle                     */
    const struct process_kind *kind;
    struct worker     *worker;
    hob_promise       *ended;
    hob_scope         *asking;    /* cancelled to have it ended; NULL: not now      */
    bool               is_over;   /* reaped: `result` or `error` is known           */
    bool               is_closed; /* the handle                                     */
    int                error;
    hob_process_result result;
    pid_t              pid;
    int                pidfd;     /* of a real one, while it is not over; -1        */
    struct sim_run    *sim;       /* of a simulated one, while it is not over; NULL */
    int                end_signal;
    int64_t            grace_ns;
    bool               whole_group;
    hob_pipe          *pipes[3];  /* our ends, of the handle                        */
    hob_pipe          *terminal;
};

/* Real ones, and simulated ones. */
struct process_kind {
    /* Starts it. Does not wait. Returns 0; or an error, and *ret_step says what failed. */
    int (*launch)(hob_process *p, const struct process_order *order, const char **ret_step);
    /* Sends a signal to a process that is not over. */
    int (*signal)(hob_process *p, int signal);
    /* Waits until it is dead, but does not reap it. Returns 0, or an error and it may live. */
    int (*wait)(hob_process *p);
    /* Takes its result, and lets go of it. Returns whether it was dead. */
    bool (*reap)(hob_process *p);
};

extern const struct process_kind hob__process_real;
extern const struct process_kind hob__process_simulated;

/* Makes both of ours a pipe, of which one end is for the process: takes care of what failed. */
void hob__process_close_pipes(hob_process *p);

#endif
