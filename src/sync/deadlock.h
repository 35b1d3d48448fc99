/* SPDX-License-Identifier: MIT */
/*
 * Deadlocks: tasks that wait for each other in a circle.
 *
 * Each wait in a line (line.h) is looked at once, when it has lasted LOOK_AFTER_NS: a circle
 * is closed by its newest wait, so one look at each is enough, and what is handed over
 * quickly is never looked at.
 */
#ifndef HOB_SYNC_DEADLOCK_H
#define HOB_SYNC_DEADLOCK_H

#include "core/worker.h"

enum { LOOK_AFTER_NS = 200000000 };

/* When the next look is due; INT64_MAX: there is nothing to look at. */
static inline int64_t deadlock_look_due(const struct worker *w)
{
    return hob_likely(list_is_empty(&w->line_waits))
               ? INT64_MAX
               : container_of(list_first(&w->line_waits), struct task, line_link)->since_ns +
                     LOOK_AFTER_NS;
}

/* Looks at the waits of this worker that are due; reports and breaks what it finds. */
void hob__deadlocks_look(struct worker *worker);

#endif
