/* SPDX-License-Identifier: MIT */
/* What belongs to one run, whoever drives its loop. All in the thread that opened it. */
#ifndef HOB_CORE_RUN_H
#define HOB_CORE_RUN_H

#include <signal.h>
#include <stdbool.h>

#include "core/crew.h"

struct run {
    struct crew      crew;
    struct worker   *worker;
    struct sigaction old_sigpipe;
    bool             sigpipe_changed;
};

/* Makes worker 0 and what it needs. Returns 0, or an error and leaves nothing. */
int hob__run_open(struct run *run, const hob_run_opts *opts);

/* Makes the main task, which runs with the loop's first turn. Its failure is the result. */
int hob__run_start_main(struct run *run, hob_task_fn *main_fn, void *arg, const void *called_at);

/* After the loop: waits for the other workers, and tells what was left. Returns the result. */
int hob__run_finish(struct run *run);

void hob__run_close(struct run *run);

#endif
