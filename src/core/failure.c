/* SPDX-License-Identifier: MIT */
#include "core/failure.h"

#include <errno.h>
#include <string.h>

#include "core/worker.h"

hob_failure hob__failure_of(const struct task *task, int error)
{
    hob_failure failure = {
        .error = error,
        .function = (const void *)task->fn,
        .spawned_at = task->spawned_at,
        .failed_at = task->failed_error == error ? task->failed_at : NULL,
        .cause = task->collected_error == error ? task->collected : 0,
    };
    memcpy(failure.task, task->name, sizeof failure.task);
    return failure;
}

void hob__failure_collected(struct task *task, const hob_failure *failure)
{
    struct trail *trail = &task->worker->trail;
    trail->at[trail->count++ % TRAIL] = *failure;
    task->collected = trail->count;
    task->collected_error = failure->error;
}

int hob_failure_cause(const hob_failure *failure, hob_failure *ret_cause)
{
    const struct worker *w = hob__worker;
    uint64_t             number = failure->cause;
    if (w == NULL || number == 0 || number > w->trail.count || w->trail.count - number >= TRAIL)
        return -ENOENT;
    *ret_cause = w->trail.at[(number - 1) % TRAIL];
    return 0;
}

int hob_fail(int error)
{
    struct task *task = hob__task_self();
    if (task == NULL || error >= 0)
        return error;
    if (task->failing != error) { // else it comes from further in, where it was noted
        task->failed_error = error;
        task->failed_at = __builtin_return_address(0);
    }
    task->failing = error;
    return error;
}
