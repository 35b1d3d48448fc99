/* SPDX-License-Identifier: MIT */
/*
 * hob/promise.h. A waiter is an op in the promise's list; settling finishes them all.
 *
 * Threads: all workers of its run; and, where hob_promise_from_outside said so, threads that
 * are none, to settle and to cancel. It is guarded by one of the locks for lines
 * (sync/line.h), which lie outside of it: whoever is told that it is settled may free it, and
 * the settler touches it no more. What hob_promise_on_cancel set is called on the worker that
 * made the promise.
 */
#include "sync/promise.h"

#include <errno.h>

#include "base/alloc.h"
#include "core/crew.h"
#include "core/worker.h"
#include "hob/inspect.h"
#include "inspect/report.h"
#include "sync/line.h"

static __attribute__((noinline, cold, noreturn)) void misused(const hob_promise *promise,
                                                               const char        *caller)
{
    if (promise->tag != TAG_PROMISE)
        hob__misuse_of(caller, "this is not a promise, or it was freed");
    if (hob__worker != NULL)
        hob__misuse_of(caller, "the promise belongs to another run");
    hob__misuse_of(caller, "called outside of hob_run: a thread may only settle and cancel promises "
                           "for which hob_promise_from_outside was called");
}

static inline hob_promise *promise_from(const hob_promise *promise, const char *caller)
{
    if (hob_unlikely(promise->tag != TAG_PROMISE || hob__worker == NULL ||
                     promise->crew != hob__worker->crew))
        misused(promise, caller);
    return (hob_promise *)(uintptr_t)promise;
}

/* The same where threads may come, too. */
static inline hob_promise *promise_from_anywhere(hob_promise *promise, const char *caller)
{
    if (hob_unlikely(hob__worker == NULL)) {
        if (promise->tag != TAG_PROMISE || !promise->from_outside)
            misused(promise, caller);
        return promise;
    }
    return promise_from(promise, caller);
}

static inline bool promise_lock(const hob_promise *promise)
{
    bool shared = promise->from_outside || !crew_is_alone(promise->crew);
    if (hob_unlikely(shared))
        lock_take(hob__line_lock(promise));
    return shared;
}

static inline void promise_unlock(const hob_promise *promise, bool shared)
{
    if (hob_unlikely(shared))
        lock_give(hob__line_lock(promise));
}

/* ---- making and freeing ---- */

static void free_thing(struct thing *thing)
{
    hob_promise_free(container_of(thing, struct hob_promise, thing));
}

static const struct thing_kind kind = { "a promise", "hob_promise_free", free_thing };

int hob_promise_new(hob_promise **ret_promise)
{
    struct worker *w = hob__worker;
    hob_require(w != NULL, "hob_promise_new: called outside of hob_run");
    hob_promise *promise = hob__alloc(sizeof *promise); // dearer with zeros
    if (promise == NULL)
        return -ENOMEM;
    *promise = (hob_promise){ .tag = TAG_PROMISE, .crew = w->crew };
    list_init(&promise->waiters);
    hob__thing_open(&promise->thing, &kind, hob__place_of(__builtin_return_address(0)));
    *ret_promise = promise;
    return 0;
}

void hob_promise_from_outside(hob_promise *promise)
{
    promise_from(promise, "hob_promise_from_outside");
    hob_require(list_is_empty(&promise->waiters),
                "hob_promise_from_outside: somebody awaits the promise already; call it right "
                "after hob_promise_new");
    promise->from_outside = true;
}

static void report_broken(const hob_promise *promise)
{
    char place[256];
    hob__report(hob__worker, "hob: a promise was freed that nobody settled, while others wait "
                             "for it; they get %s. It was made at %s.",
                hob_error_name(HOB_EBROKEN),
                hob_describe_address(promise->thing.made_at, place, sizeof place));
}

static int settle(hob_promise *promise, int error, void *value);

void hob_promise_free(hob_promise *promise)
{
    if (promise == NULL)
        return;
    promise_from(promise, "hob_promise_free");
    if (!promise_is_settled(promise) && !list_is_empty(&promise->waiters)) {
        report_broken(promise);
        settle(promise, HOB_EBROKEN, NULL);
    }
    hob__thing_close(&promise->thing);
    bool shared = promise_lock(promise);
    bool mail_flies = promise->mail_flies;
    promise->freed = true;
    promise->tag = TAG_FREED;
    promise_unlock(promise, shared);
    if (!mail_flies)
        hob__free(promise);
}

/* ---- settling ---- */

/* Those who wait are told with the lock given back: the promise may be gone by then. */
static void take_waiters(hob_promise *promise, struct list *go)
{
    list_append(go, &promise->waiters);
    list_for_each(node, go) {
        struct op *op = container_of(node, struct op, link);
        op->local.extra = promise->value;
        op->result = promise->error;
        op->taken = 1;
    }
}

static int settle(hob_promise *promise, int error, void *value)
{
    struct list go;
    list_init(&go);
    bool shared = promise_lock(promise);
    bool is_first = !promise_is_settled(promise);
    if (is_first) {
        promise->error = error;
        promise->value = value;
        take_waiters(promise, &go);
        atomic_store_explicit(&promise->settled, true, memory_order_release);
    }
    promise_unlock(promise, shared);
    hob__line_finish(&go);
    return is_first ? 0 : -EALREADY;
}

int hob_promise_resolve(hob_promise *promise, void *value)
{
    return settle(promise_from_anywhere(promise, "hob_promise_resolve"), 0, value);
}

int hob_promise_reject(hob_promise *promise, int error)
{
    hob_require(error < 0, "hob_promise_reject: the error must be negative");
    return settle(promise_from_anywhere(promise, "hob_promise_reject"), error, NULL);
}

int hob_promise_is_settled(const hob_promise *promise)
{
    return promise_is_settled(promise_from(promise, "hob_promise_is_settled"));
}

void *hob_promise_value(const hob_promise *promise)
{
    promise_from(promise, "hob_promise_value");
    return promise_is_settled(promise) ? promise->value : NULL;
}

/* ---- asking for it back ---- */

void hob__promise_expect(hob_promise *promise, void (*fn)(void *arg), void *arg, const char *caller)
{
    promise_from(promise, caller);
    if (hob_unlikely(promise->thing.worker != hob__worker))
        hob__misuse_of(caller, "the promise was made by another worker, and only that one may say "
                               "what cancels it");
    promise->cancel = fn;
    promise->cancel_arg = arg;
}

void hob_promise_on_cancel(hob_promise *promise, void (*fn)(void *arg), void *arg)
{
    hob__promise_expect(promise, fn, arg, "hob_promise_on_cancel");
}

/* On the worker that made it. */
static void cancel_at_home(hob_promise *promise)
{
    if (promise->cancelled || promise_is_settled(promise))
        return;
    promise->cancelled = true;
    if (promise->cancel != NULL)
        promise->cancel(promise->cancel_arg);
    else
        settle(promise, -ECANCELED, NULL);
}

static void open_cancel(struct worker *w, struct mail *mail)
{
    (void)w;
    hob_promise *promise = container_of(mail, hob_promise, cancel_mail);
    lock_take(hob__line_lock(promise));
    bool freed = promise->freed;
    lock_give(hob__line_lock(promise));
    if (!freed)
        cancel_at_home(promise); // whoever frees it meanwhile leaves the memory to us
    lock_take(hob__line_lock(promise));
    freed = promise->freed;
    promise->mail_flies = false;
    lock_give(hob__line_lock(promise));
    if (freed)
        hob__free(promise);
}

void hob_promise_cancel(hob_promise *promise)
{
    promise_from_anywhere(promise, "hob_promise_cancel");
    if (promise->thing.worker == hob__worker) {
        cancel_at_home(promise);
        return;
    }
    lock_take(hob__line_lock(promise));
    bool posts = !promise->mail_flies && !promise_is_settled(promise);
    promise->mail_flies |= posts;
    lock_give(hob__line_lock(promise));
    if (!posts)
        return;
    promise->cancel_mail.open = open_cancel;
    hob__mail_post(promise->thing.worker, &promise->cancel_mail);
}

/* ---- waiting ---- */

static bool is_done_already(struct op *op, const hob_promise *promise)
{
    if (!promise_is_settled(promise))
        return false;
    op->local.extra = promise->value;
    op->result = promise->error;
    op->state = OP_DONE;
    return true;
}

static void start_waiting(struct op *op)
{
    hob_promise *promise = op->local.on;
    if (is_done_already(op, promise))
        return;
    op->worker = hob__worker;
    op->taken = 0;
    op->waits_outside = 0;
    op->state = OP_FLYING;
    bool shared = promise_lock(promise);
    if (!is_done_already(op, promise)) {
        op->waits_outside = promise->from_outside;
        if (op->waits_outside)
            crew_waits_outside(op->worker->crew);
        list_push_back(&promise->waiters, &op->link);
    }
    promise_unlock(promise, shared);
}

static bool stop_waiting(struct op *op)
{
    lock_take(hob__line_lock(op->local.on)); // the promise may be gone, if this comes too late
    bool mine = !op->taken;
    if (mine) {
        list_remove(&op->link);
        if (op->waits_outside)
            crew_waited_outside(op->worker->crew);
        op->waits_outside = 0;
    }
    lock_give(hob__line_lock(op->local.on));
    return mine;
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
