/* SPDX-License-Identifier: MIT */
#include "core/local.h"

#include "base/alloc.h"
#include "core/worker.h"

void hob__local_free(struct local_frame *frame)
{
    do {
        struct local_frame *outer = frame->outer;
        hob__free(frame);
        frame = outer;
    } while (frame != NULL && --frame->refs == 0);
}

hob_local hob_local_enter(const hob_local_key *key, void *value)
{
    struct task *task = hob__task_self();
    hob_require(task != NULL, "HOB_LOCAL: used outside of a task");

    struct local_frame *frame = hob__alloc(sizeof *frame);
    if (frame == NULL)
        return (hob_local){ NULL };
    *frame = (struct local_frame){ task->locals, key, value, 1 };
    task->locals = frame; // takes over the task's count on the outer one
    return (hob_local){ frame };
}

void hob_local_leave(hob_local *local)
{
    struct local_frame *frame = local->frame;
    if (frame == NULL)
        return;
    struct task *task = hob__task_self();
    hob_require(task != NULL && task->locals == frame,
                "HOB_LOCAL: its block was left by another task, or out of order");
    task->locals = hob__local_ref(frame->outer);
    hob__local_unref(frame);
}

void *hob_local_get(const hob_local_key *key)
{
    struct task *task = hob__task_self();
    if (task == NULL)
        return NULL;
    for (struct local_frame *frame = task->locals; frame != NULL; frame = frame->outer) {
        if (frame->key == key)
            return frame->value;
    }
    return NULL;
}
