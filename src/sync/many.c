/* SPDX-License-Identifier: MIT */
/*
 * Waiting for many promises: hob_promise_await_many, hob_promise_of_many.
 *
 *     DECIDING ── one too many rejected, or enough resolved, or cancelled ──▶ DECIDED
 *                 (the rest is cancelled)                                        │
 *                                                       all are settled ──▶ done ◀┘
 *
 * One op waits for each promise; `wake` is what the task, or the scope, waits for.
 *
 * Memory: one block for the whole, given back when all promises are settled.
 */
#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "core/worker.h"
#include "hob/promise.h"
#include "sync/promise.h"

struct many {
    struct user_op  wake;
    hob_promise_how how;
    bool            decided;
    unsigned        busy;       /* at work here: who is told meanwhile leaves the end to us */
    int64_t         result;
    size_t          count;
    size_t          unsettled;
    size_t          rejected;
    int             first_error;
    hob_promise    *outcome;    /* of hob_promise_of_many; NULL */
    hob_promise   **promises;   /* the caller's, or in the block */
    struct op       ops[];
};

static void decide(struct many *many, int64_t result)
{
    if (many->decided)
        return;
    many->decided = true;
    many->result = result;
    many->busy++; // a promise may be settled in here, and tell us
    for (size_t i = 0; i < many->count; i++)
        hob_promise_cancel(many->promises[i]);
    many->busy--;
}

/* One promise was settled: does that decide it? */
static void look(struct many *many, size_t index, int error)
{
    if (error < 0) {
        many->rejected++;
        if (many->first_error == 0)
            many->first_error = error;
    }
    switch (many->how) {
    case HOB_ALL:
        if (error < 0)
            decide(many, error);
        break;
    case HOB_ANY:
        if (error == 0)
            decide(many, (int64_t)index);
        break;
    case HOB_RACE:
        decide(many, error < 0 ? error : (int64_t)index);
        break;
    case HOB_ALL_SETTLED:
        break;
    }
}

static int64_t final_result(const struct many *many)
{
    if (many->decided)
        return many->result;
    return many->how == HOB_ANY ? many->first_error : 0;
}

static void end_if_all_are_settled(struct many *many)
{
    if (many->unsettled == 0 && many->busy == 0)
        hob__op_finish_local(&many->wake.op, final_result(many));
}

static void one_done(struct op *op)
{
    struct many *many = op->waiter;
    many->unsettled--;
    look(many, (size_t)(op - many->ops), (int)op->result);
    end_if_all_are_settled(many);
}

static void start(struct op *wake)
{
    struct many *many = container_of(wake, struct many, wake.op);
    many->busy++;
    many->unsettled = many->count;
    for (size_t i = 0; i < many->count; i++) {
        struct op *op = &many->ops[i];
        *op = (struct op){ .done = one_done, .waiter = many, .done_at_once = 1 };
        hob__promise_op_init(op, many->promises[i]);
        if (!hob__op_submit(hob__worker, op))
            one_done(op);
    }
    many->busy--;
    wake->state = many->unsettled == 0 ? OP_DONE : OP_FLYING;
    wake->result = final_result(many);
}

/* Cancelled from outside: so are all of them, and the last one to be settled ends it. */
static bool withdraw(struct op *wake)
{
    struct many *many = container_of(wake, struct many, wake.op);
    decide(many, -ECANCELED);
    end_if_all_are_settled(many);
    return false;
}

static struct many *many_new(hob_promise_how how, hob_promise *const *promises, size_t count,
                             bool copy)
{
    size_t each = sizeof(struct op) + (copy ? sizeof(hob_promise *) : 0), bytes;
    if (__builtin_mul_overflow(count, each, &bytes) ||
        __builtin_add_overflow(bytes, sizeof(struct many), &bytes))
        return NULL;
    struct many *many = hob__alloc_zero(bytes);
    if (many == NULL)
        return NULL;
    many->how = how;
    many->count = count;
    many->promises = (hob_promise **)(uintptr_t)promises;
    if (copy && count > 0)
        many->promises = memcpy(&many->ops[count], promises, count * sizeof promises[0]);
    many->wake.op.kind = OP_MANY;
    many->wake.op.local.start = start;
    many->wake.op.local.withdraw = withdraw;
    return many;
}

static bool nobody_can_win(hob_promise_how how, size_t count)
{
    return count == 0 && (how == HOB_ANY || how == HOB_RACE);
}

int hob_promise_await_many(hob_promise_how how, hob_promise *const *promises, size_t count)
{
    if (nobody_can_win(how, count))
        return -EINVAL;
    struct many *many = many_new(how, promises, count, false);
    if (many == NULL)
        return -ENOMEM;
    hob__op_await(&many->wake.op);
    int result = (int)many->wake.op.result;
    hob__free(many);
    return result;
}

static void settle_outcome(void *arg, ssize_t result)
{
    struct many *many = arg;
    hob_promise *outcome = many->outcome;
    hob__free(many);
    hob_promise_on_cancel(outcome, NULL, NULL);
    if (result < 0)
        hob_promise_reject(outcome, (int)result);
    else
        hob_promise_resolve(outcome, (void *)(intptr_t)result);
}

static void cancel_many(void *arg)
{
    hob_op_cancel((hob_op *)&((struct many *)arg)->wake);
}

int hob_promise_of_many(hob_scope *scope, hob_promise_how how, hob_promise *const *promises,
                        size_t count, hob_promise **ret_promise)
{
    hob_promise *outcome;
    int          r = hob_promise_new(&outcome);
    if (r < 0)
        return r;
    if (nobody_can_win(how, count)) {
        hob_promise_reject(outcome, -EINVAL);
        *ret_promise = outcome;
        return 0;
    }
    struct many *many = many_new(how, promises, count, true);
    if (many == NULL) {
        hob_promise_free(outcome);
        return -ENOMEM;
    }
    many->outcome = outcome;
    hob_promise_on_cancel(outcome, cancel_many, many);
    hob_op_call(scope, (hob_op *)&many->wake, settle_outcome, many);
    *ret_promise = outcome;
    return 0;
}
