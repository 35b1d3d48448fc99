/* SPDX-License-Identifier: MIT */
#include "core/future.h"

#include <errno.h>

#include "base/alloc.h"
#include "core/remote.h"
#include "core/worker.h"

static struct hob_future *future_from(hob_future *future, const char *caller)
{
    if (hob_unlikely(future->tag != TAG_FUTURE))
        hob__misuse_of(caller, "this is not a future, or it was awaited before");
    if (hob_unlikely(future->worker != hob__worker))
        hob__misuse_of(caller, "the future belongs to another worker; only that one may use it");
    return future;
}

static hob_future *async(hob_scope *place, hob_task_fn *fn, void *arg, const hob_task_opts *opts,
                         const void *spawned_at)
{
    struct scope      *scope = hob__scope_open(place, "hob_async");
    struct hob_future *future = hob__alloc_zero(sizeof *future);
    if (future == NULL)
        return NULL;
    future->tag = TAG_FUTURE;
    future->worker = scope->worker;
    list_push_back(&scope->futures, &future->link);
    if (hob__child_start(scope, fn, arg, opts, spawned_at, future) < 0) {
        list_remove(&future->link);
        hob__free(future);
        return NULL;
    }
    return future;
}

hob_future *hob_async(hob_scope *place, hob_task_fn *fn, void *arg)
{
    static const hob_task_opts defaults;
    return async(place, fn, arg, &defaults, __builtin_return_address(0));
}

hob_future *hob_async_with(hob_scope *place, hob_task_fn *fn, void *arg, const hob_task_opts *opts)
{
    static const hob_task_opts defaults;
    return async(place, fn, arg, opts != NULL ? opts : &defaults, __builtin_return_address(0));
}

int hob_on(uint32_t number, hob_task_fn *fn, void *arg)
{
    hob_task_opts opts = { .where = HOB_ON(number) };
    HOB_SCOPE(s);
    int r = hob_await(async((hob_scope *)&s, fn, arg, &opts, __builtin_return_address(0)));
    int ended = hob_scope_end(&s);
    return r != 0 ? r : ended;
}

void hob__future_end(struct hob_future *future, int result, const struct task *task)
{
    if (result < 0)
        future->failure = hob__failure_of(task, result);
    hob__future_settle(future, result);
}

void hob__future_settle(struct hob_future *future, int result)
{
    future->ended = true;
    future->result = result;
    future->task = NULL;
    future->remote = NULL;
    if (future->waiter != NULL) {
        struct op *waiter = future->waiter;
        future->waiter = NULL;
        hob__op_finish_local(waiter, 0);
    }
}

static void start_waiting(struct op *op)
{
    struct hob_future *future = op->local.on;
    if (future->ended) {
        op->result = 0;
        op->state = OP_DONE;
        return;
    }
    op->state = OP_FLYING;
    future->waiter = op;
}

static bool stop_waiting(struct op *op)
{
    struct hob_future *future = op->local.on;
    future->waiter = NULL;
    return true;
}

static void future_free(struct hob_future *future)
{
    list_remove(&future->link);
    future->tag = TAG_FREED;
    hob__free(future);
}

void hob__future_op_init(struct op *op, struct hob_future *future)
{
    future_from(future, "hob_await");
    hob_require(future->waiter == NULL, "hob_await: another task awaits this future already");
    op->kind = OP_JOIN;
    op->local.start = start_waiting;
    op->local.withdraw = stop_waiting;
    op->local.on = future;
}

int hob_await(hob_future *future)
{
    if (future == NULL)
        return -ENOMEM;
    struct op op = { .state = OP_IDLE };
    hob__future_op_init(&op, future);
    hob__op_await(&op);
    if (op.result < 0)
        return (int)op.result;
    struct task *self = hob__task_self();
    int          result = future->result;
    if (result < 0 && result == hob__task_cancelled(self))
        return result; // the caller will think that it is its own, and may await again
    if (result < 0)
        hob__failure_collected(self, &future->failure);
    future_free(future);
    return result;
}

void hob_future_cancel(hob_future *future, const char *reason)
{
    if (future == NULL)
        return;
    future_from(future, "hob_future_cancel");
    if (reason == NULL)
        reason = "hob_future_cancel";
    if (future->task != NULL)
        hob__task_cancel(future->task, -ECANCELED, reason);
    else if (future->remote != NULL)
        hob__remote_cancel(future->remote, -ECANCELED, reason);
}

void hob__futures_collect(struct scope *scope)
{
    list_for_each(node, &scope->futures) {
        struct hob_future *future = container_of(node, struct hob_future, link);
        hob_assert(future->ended);
        bool only_cancelled = future->result == -ECANCELED ||
                              (scope->cancel_code != 0 && future->result == scope->cancel_code);
        if (future->result < 0 && !only_cancelled)
            hob__scope_fail(scope, &future->failure);
        future_free(future);
    }
}
