/* SPDX-License-Identifier: MIT */
/*
 * hob_cond. The waiter stands in the line before it gives the mutex up, so that no signal
 * comes between; and takes the mutex again also when it is cancelled.
 */
#include "core/worker.h"
#include "sync/line.h"

struct hob__cond {
    const char *name;
    struct line line;
};

static_assert(sizeof(struct hob__cond) <= sizeof(hob_cond), "a condition fits in its place");

/* Nobody goes on but by a signal. */
void hob__cond_serve(void *object, struct list *go)
{
    (void)object;
    (void)go;
}

static void start(struct op *op)
{
    struct op plain = *op;
    hob__line_op_init(&plain, OP_COND, op->local.on);
    plain.local.start(op);
    hob_mutex_unlock(op->local.extra);
}

int hob_cond_wait(hob_cond *cond, hob_mutex *mutex)
{
    struct task *task = hob__task_self();
    hob_require(task != NULL, "hob_cond_wait: called outside of a task");
    hob_require(hob__mutex_holder((struct hob__mutex *)mutex) == task,
                "hob_cond_wait: the calling task must hold the mutex");
    struct op op = { .state = OP_IDLE };
    hob__line_op_init(&op, OP_COND, cond);
    op.local.start = start;
    op.local.extra = mutex;
    hob__op_await(&op);
    if (hob__mutex_holder((struct hob__mutex *)mutex) != task)
        hob__line_await_regardless(task, OP_MUTEX, mutex);
    return (int)op.result;
}

static void wake(hob_cond *cond, bool all)
{
    struct hob__cond *c = (struct hob__cond *)cond;
    struct list       go;
    list_init(&go);
    hob__line_open(c);
    for (struct op *op; (op = line_first(&c->line)) != NULL;) {
        hob__line_let_go(op, 0, &go);
        if (!all)
            break;
    }
    lock_give(hob__line_lock(c));
    hob__line_finish(&go);
}

void hob_cond_signal(hob_cond *cond)
{
    wake(cond, false);
}

void hob_cond_broadcast(hob_cond *cond)
{
    wake(cond, true);
}
