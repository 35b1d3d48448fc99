/* SPDX-License-Identifier: MIT */
/* Operations from submission to delivery, and the three styles on top: hob/op.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/await.h"
#include "core/crew.h"
#include "core/worker.h"
#include "hob/promise.h"

static_assert(sizeof(struct user_op) <= sizeof(hob_op), "an operation fits in its place");

/* ---- submission and delivery ---- */

static void submit_once(struct worker *w, struct op *op)
{
    if (op->kind == OP_SLEEP) {
        hob__sleep_start(w, op);
        return;
    }
    if (op_is_local(op)) {
        op->local.start(op);
        return;
    }
    if (op->desc != NULL)
        hob__desc_check(op->desc);
    w->stats.ops_submitted++;
    w->backend->type->submit(w->backend, op);
    if (op->state == OP_DONE)
        w->stats.ops_inline++;
    else
        w->stats.ops_in_flight++;
}

/* True when the op has ended: finish() wants no more of it. */
static bool is_finished(struct op *op)
{
    op->state = OP_IDLE;
    if (op->finish == NULL || op->finish(op))
        return true;
    if (!op->cancel_asked)
        return false;
    op->result = -ECANCELED; // only a part was done, and the rest is not wanted
    op->finish(op);
    return true;
}

bool hob__op_submit(struct worker *w, struct op *op)
{
    op->cancel_asked = 0;
    op->stop_asked = 0;
    do {
        submit_once(w, op);
        if (op->state == OP_FLYING) {
            if (hob_unlikely(w->stopping))
                hob__op_stop_accept(w, op);
            return true;
        }
        hob_assert(op->state == OP_DONE);
    } while (!is_finished(op));
    return false;
}

void hob__op_deliver(struct worker *w, struct op *op)
{
    hob_assert(op->state == OP_DONE);
    if (!op_is_local(op))
        w->stats.ops_in_flight--;
    if (hob_unlikely(w->seeded))
        hob__trace(w, (uint64_t)op->kind << 32 ^ (uint64_t)op->result);
    while (!is_finished(op)) {
        submit_once(w, op);
        if (op->state == OP_FLYING)
            return;
    }
    op->done(op);
}

void hob__op_finish_local(struct op *op, int64_t result)
{
    hob_assert(op->state == OP_FLYING);
    op->result = result;
    bool is_simple = op->done == hob__task_wake_op || op->done_at_once; // no user code runs in it
    if (is_simple && op->finish == NULL) {
        op->state = OP_IDLE;
        op->done(op);
        return;
    }
    op->state = OP_DONE;
    list_push_back(&hob__worker->done, &op->link);
}

/* On its own worker. */
static void finish_at_home(struct op *op, int64_t result)
{
    if (hob_unlikely(op->waits_outside)) {
        op->waits_outside = 0;
        crew_waited_outside(op->worker->crew);
    }
    hob__op_finish_local(op, result);
}

static void open_finished(struct worker *w, struct mail *mail)
{
    struct op *op = container_of(mail, struct op, mail);
    (void)w;
    list_node_init(&op->link);
    finish_at_home(op, op->result);
}

void hob__op_finish_from_afar(struct op *op, int64_t result)
{
    if (op->worker == hob__worker) {
        finish_at_home(op, result);
        return;
    }
    op->result = result;
    op->mail.open = open_finished;
    hob__mail_post(op->worker, &op->mail);
}

void hob__op_cancel(struct worker *w, struct op *op)
{
    if (op->state == OP_DONE) { // what there is will be delivered, but no more begun
        op->cancel_asked = 1;
        return;
    }
    if (op->state != OP_FLYING || op->cancel_asked)
        return;
    if (op->kind == OP_SLEEP) {
        op->cancel_asked = 1;
        hob__wheel_remove(&w->wheel, &op->sleep);
        hob__op_finish_local(op, -ECANCELED);
    } else if (!op_is_local(op)) {
        op->cancel_asked = 1;
        w->stats.cancels_asked++;
        w->backend->type->cancel(w->backend, op);
    } else if (op->local.withdraw != NULL) {
        op->cancel_asked = 1;
        if (op->local.withdraw(op))
            hob__op_finish_local(op, -ECANCELED);
    }
}

void hob__op_stop_accept(struct worker *w, struct op *op)
{
    if (op->kind != OP_ACCEPT || op->desc->while_stopping || op->cancel_asked)
        return;
    op->stop_asked = 1;
    hob__op_cancel(w, op);
}

int64_t hob__op_quick(struct op *op)
{
    struct worker *w = hob__worker;
    hob_require(w != NULL, "a Hob function was called outside of hob_run");
    bool flying = hob__op_submit(w, op);
    hob_assert(!flying);
    return op->result;
}

bool hob__op_start(struct op *op)
{
    hob_assert(hob__worker != NULL);
    return hob__op_submit(hob__worker, op);
}

void hob__op_ask_back(struct op *op)
{
    hob__op_cancel(hob__worker, op);
}

struct op *hob__op_prep(hob_op *place, enum op_kind kind, struct desc *desc)
{
    struct op *op = &((struct user_op *)place)->op;
    memset(op, 0, sizeof *op);
    op->kind = kind;
    op->desc = desc;
    return op;
}

/* ---- the three styles ---- */

ssize_t hob_op_await(hob_op *place)
{
    struct op *op = &((struct user_op *)place)->op;
    hob_require(op->state == OP_IDLE, "hob_op_await: the operation was started already");
    hob__op_await(op);
    return (ssize_t)op->result;
}

/* What the op is to be told: for one that was cancelled, what its scope says. */
static int64_t told_result(const struct user_op *user)
{
    if (user->op.result == -ECANCELED && user->op.cancel_asked && user->scope->cancel_code != 0)
        return user->scope->cancel_code;
    return user->op.result;
}

static void leave_scope(struct user_op *user)
{
    list_remove(&user->scope_link);
    hob__scope_leave_child(user->scope);
}

/* The place is the callback's to use again, so the scope is left first; but then the scope's
 * owner is only made ready: it runs after the callback returned. */
static void call_back(struct op *op)
{
    struct user_op *user = container_of(op, struct user_op, op);
    hob_op_fn      *fn = user->fn;
    void           *arg = user->arg;
    ssize_t         result = (ssize_t)told_result(user);
    leave_scope(user);
    fn(arg, result);
}

static void settle(struct op *op)
{
    struct user_op *user = container_of(op, struct user_op, op);
    hob_promise    *promise = user->arg;
    int64_t         result = told_result(user);
    leave_scope(user);
    hob__promise_expect(promise, NULL, NULL, "hob_op_settle");
    if (result >= 0)
        hob_promise_resolve(promise, (void *)(intptr_t)result);
    else
        hob_promise_reject(promise, (int)result);
}

static void start_in(hob_scope *scope_place, hob_op *place, const char *caller,
                     void (*done)(struct op *op), hob_op_fn *fn, void *arg)
{
    struct user_op *user = (struct user_op *)place;
    struct scope   *scope = hob__scope_open(scope_place, caller);
    struct worker  *w = scope->worker;
    struct op      *op = &user->op;
    if (op->state != OP_IDLE)
        hob__misuse_of(caller, "the operation was started already");

    user->scope = scope;
    user->fn = fn;
    user->arg = arg;
    op->done = done;
    op->waiter = NULL;
    list_push_back(&scope->ops, &user->scope_link);
    hob__scope_join(scope);

    if (scope->cancel_code != 0) {
        op->result = scope->cancel_code;
        if (op->finish != NULL)
            op->finish(op);
    } else if (hob__op_submit(w, op)) {
        return;
    }
    // Known already. Told from the loop all the same, so that no callback runs inside a call.
    op->finish = NULL;
    op->kind = OP_PARK;
    op->state = OP_DONE;
    list_push_back(&w->done, &op->link);
}

void hob_op_call(hob_scope *scope, hob_op *place, hob_op_fn *fn, void *arg)
{
    hob_require(fn != NULL, "hob_op_call: there is no function to call: it is NULL");
    start_in(scope, place, "hob_op_call", call_back, fn, arg);
}

static void cancel_op(void *place)
{
    hob_op_cancel(place);
}

void hob_op_settle(hob_scope *scope, hob_op *place, hob_promise *promise)
{
    hob__promise_expect(promise, cancel_op, place, "hob_op_settle");
    start_in(scope, place, "hob_op_settle", settle, NULL, promise);
}

void hob_op_cancel(hob_op *place)
{
    struct user_op *user = (struct user_op *)place;
    hob_require(hob__worker != NULL, "hob_op_cancel: called outside of hob_run");
    hob_require(user->op.state != OP_FLYING || user->scope == NULL ||
                    user->scope->worker == hob__worker,
                "hob_op_cancel: the operation was started by another worker");
    hob__op_cancel(hob__worker, &user->op);
}
