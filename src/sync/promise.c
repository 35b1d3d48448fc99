/* SPDX-License-Identifier: MIT */
/* hob/promise.h. A waiter is an op in the promise's list; settling finishes them all. */
#include "sync/promise.h"

#include <errno.h>

#include "base/alloc.h"
#include "core/worker.h"
#include "hob/inspect.h"
#include "inspect/report.h"

int hob_promise_new(hob_promise **ret_promise)
{
    struct worker *w = hob__worker;
    hob_require(w != NULL, "hob_promise_new: called outside of hob_run");
    hob_promise *promise = hob__alloc_zero(sizeof *promise);
    if (promise == NULL)
        return -ENOMEM;
    promise->tag = TAG_PROMISE;
    promise->worker = w;
    promise->made_at = hob__place_of(__builtin_return_address(0));
    list_init(&promise->waiters);
    list_push_back(&w->promises, &promise->link);
    *ret_promise = promise;
    return 0;
}

static hob_promise *promise_from(const hob_promise *promise, const char *caller)
{
    if (hob_unlikely(promise->tag != TAG_PROMISE))
        hob__misuse_of(caller, "this is not a promise, or it was freed");
    if (hob_unlikely(promise->worker != hob__worker))
        hob__misuse_of(caller, "the promise belongs to another worker; only that one may use it");
    return (hob_promise *)(uintptr_t)promise;
}

static void finish_waiters(hob_promise *promise)
{
    struct list waiters;
    list_init(&waiters);
    list_append(&waiters, &promise->waiters);
    for (struct list_node *node; (node = list_pop_front(&waiters)) != NULL;) {
        struct op *op = container_of(node, struct op, link);
        op->local.extra = promise->value; // the promise may be freed before the waiter runs
        hob__op_finish_local(op, promise->error);
    }
}

static int settle(hob_promise *promise, int error, void *value)
{
    if (promise->settled)
        return -EALREADY;
    promise->settled = true;
    promise->error = error;
    promise->value = value;
    finish_waiters(promise);
    return 0;
}

int hob_promise_resolve(hob_promise *promise, void *value)
{
    return settle(promise_from(promise, "hob_promise_resolve"), 0, value);
}

int hob_promise_reject(hob_promise *promise, int error)
{
    hob_require(error < 0, "hob_promise_reject: the error must be negative");
    return settle(promise_from(promise, "hob_promise_reject"), error, NULL);
}

void hob_promise_free(hob_promise *promise)
{
    if (promise == NULL)
        return;
    promise_from(promise, "hob_promise_free");
    if (!promise->settled && !list_is_empty(&promise->waiters)) {
        char place[256];
        hob__report(hob__worker, "hob: a promise was freed that nobody settled, while others wait "
                                 "for it; they get %s. It was made at %s.",
                    hob_error_name(HOB_EBROKEN),
                    hob_describe_address(promise->made_at, place, sizeof place));
        settle(promise, HOB_EBROKEN, NULL);
    }
    list_remove(&promise->link);
    promise->tag = TAG_FREED;
    hob__free(promise);
}

int hob_promise_is_settled(const hob_promise *promise)
{
    return promise_from(promise, "hob_promise_is_settled")->settled;
}

void *hob_promise_value(const hob_promise *promise)
{
    return promise_from(promise, "hob_promise_value")->value;
}

void hob_promise_on_cancel(hob_promise *promise, void (*fn)(void *arg), void *arg)
{
    promise_from(promise, "hob_promise_on_cancel");
    promise->cancel = fn;
    promise->cancel_arg = arg;
}

void hob_promise_cancel(hob_promise *promise)
{
    promise_from(promise, "hob_promise_cancel");
    if (promise->settled || promise->cancelled)
        return;
    promise->cancelled = true;
    if (promise->cancel != NULL)
        promise->cancel(promise->cancel_arg);
    else
        settle(promise, -ECANCELED, NULL);
}

static void start_waiting(struct op *op)
{
    hob_promise *promise = op->local.on;
    if (promise->settled) {
        op->local.extra = promise->value;
        op->result = promise->error;
        op->state = OP_DONE;
        return;
    }
    op->state = OP_FLYING;
    list_push_back(&promise->waiters, &op->link);
}

static bool stop_waiting(struct op *op)
{
    list_remove(&op->link);
    return true;
}

void hob__promise_op_init(struct op *op, hob_promise *promise)
{
    op->kind = OP_PROMISE;
    op->local.start = start_waiting;
    op->local.withdraw = stop_waiting;
    op->local.on = promise;
}

void hob_promise_await_prep(hob_op *place, hob_promise *promise)
{
    promise_from(promise, "hob_promise_await_prep");
    hob__promise_op_init(hob__op_prep(place, OP_PROMISE, NULL), promise);
}

int hob_promise_await(hob_promise *promise, void **ret_value)
{
    promise_from(promise, "hob_promise_await");
    struct op op = { .state = OP_IDLE };
    hob__promise_op_init(&op, promise);
    hob__op_await(&op);
    if (op.result == 0 && ret_value != NULL)
        *ret_value = op.local.extra;
    return (int)op.result;
}

struct then {
    struct user_op  user;
    hob_promise_fn *fn;
    void           *arg;
};

static void call_then(void *arg, ssize_t result)
{
    struct then *then = arg;
    void        *value = then->user.op.local.extra;
    then->fn(then->arg, (int)result, result == 0 ? value : NULL);
    hob__free(then);
}

int hob_promise_then(hob_scope *scope, hob_promise *promise, hob_promise_fn *fn, void *arg)
{
    promise_from(promise, "hob_promise_then");
    struct then *then = hob__alloc_zero(sizeof *then);
    if (then == NULL)
        return -ENOMEM;
    then->fn = fn;
    then->arg = arg;
    hob__promise_op_init(&then->user.op, promise);
    hob_op_call(scope, (hob_op *)&then->user, call_then, then);
    return 0;
}
