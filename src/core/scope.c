/* SPDX-License-Identifier: MIT */
#include "core/scope.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "core/crew.h"
#include "core/future.h"
#include "core/remote.h"
#include "core/worker.h"
#include "hob/time.h"
#include "inspect/report.h"

#define CLEANUP_GRACE (5 * HOB_SEC)

struct defer {
    struct defer *earlier;
    void        (*fn)(void *arg);
    void         *arg;
};

static_assert(sizeof(struct scope) <= sizeof(hob_scope), "a scope fits in its place");

void hob__scope_init(struct scope *scope, struct worker *w, struct scope *parent,
                     struct task *owner, const void *opened_at)
{
    memset(scope, 0, offsetof(struct scope, worker)); // so few bytes that it is a few stores
    scope->tag = TAG_SCOPE;
    scope->worker = w;
    scope->parent = parent;
    scope->owner = owner;
    scope->opened_at = opened_at;
    scope->is_root = owner == NULL;
    list_node_init(&scope->sibling);
    list_node_init(&scope->marking);
    list_init(&scope->scopes);
    list_init(&scope->tasks);
    list_init(&scope->ops);
    list_init(&scope->futures);
    if (parent != NULL)
        list_push_back(&parent->scopes, &scope->sibling);
}

/* ---- opening ---- */

static struct task *task_for(const char *sentence)
{
    struct task *task = hob__task_self();
    hob_require(task != NULL, sentence);
    return task;
}

static struct scope *begin(hob_scope *place, const void *opened_at)
{
    struct task  *task = task_for("hob_scope_begin: called outside of a task");
    struct scope *scope = scope_from(place);
    int           code = hob__task_cancelled(task);
    hob__scope_init(scope, task->worker, task->scope, task, opened_at);
    scope->cancel_code = code; // what is cancelled outside is cancelled inside
    if (code != 0)
        scope->reason = task->scope->reason != NULL ? task->scope->reason : task->solo_reason;
    task->scope = scope;
    task->failing = 0;
    return scope;
}

void hob_scope_begin(hob_scope *place)
{
    begin(place, __builtin_return_address(0));
}

/* ---- cancelling ---- */

/* Asks back what the tasks and ops directly in it wait for. */
static void ask_back(struct scope *scope)
{
    if (scope->owner != NULL && scope->owner->scope == scope)
        hob__task_interrupt(scope->owner);
    list_for_each(node, &scope->tasks) {
        struct task *task = container_of(node, struct task, sibling);
        if (task->scope == scope)
            hob__task_interrupt(task);
    }
    for (struct remote *remote = scope->remotes; remote != NULL; remote = remote->next)
        hob__remote_cancel(remote, scope->cancel_code, scope->reason);
    list_for_each(node, &scope->ops)
        hob__op_cancel(scope->worker, &container_of(node, struct user_op, scope_link)->op);
}

/* A task that was cancelled alone keeps its code in scopes that it opens: see begin(). */
static bool is_reached(const struct scope *scope)
{
    return !scope->is_shield && scope->cancel_code == 0;
}

void hob__scope_cancel_from_above(struct scope *scope, int code, const char *reason)
{
    if (is_reached(scope))
        hob__scope_cancel(scope, code, reason);
}

static void mark_soon(struct scope *scope, int code, const char *reason)
{
    scope->cancel_code = code;
    scope->reason = reason;
    list_push_back(&scope->worker->marking, &scope->marking);
}

/* Breadth first over a list, because the tree may be deeper than this stack. What is asked
 * back may cancel more (the task that somebody in hob_go_ready waits for): the walk that is
 * under way goes there too. */
void hob__scope_cancel(struct scope *scope, int code, const char *reason)
{
    struct worker *w = scope->worker;
    if (scope->cancel_code != 0)
        return;
    mark_soon(scope, code, reason);
    if (w->is_marking)
        return;
    w->is_marking = true;
    for (struct list_node *node; (node = list_pop_front(&w->marking)) != NULL;) {
        struct scope *at = container_of(node, struct scope, marking);
        ask_back(at);
        list_for_each(child, &at->scopes) {
            struct scope *below = container_of(child, struct scope, sibling);
            if (is_reached(below))
                mark_soon(below, at->cancel_code, at->reason);
        }
    }
    w->is_marking = false;
}

void hob_scope_cancel(hob_scope *place, const char *reason)
{
    struct scope *scope = hob__scope_open(place, "hob_scope_cancel");
    hob_require(scope->worker == hob__worker, "hob_scope_cancel: the scope belongs to another worker");
    hob__scope_cancel(scope, -ECANCELED, reason != NULL ? reason : "hob_scope_cancel");
}

int hob_scope_cancelled(const hob_scope *place)
{
    return scope_from(place)->cancel_code;
}

int hob_cancelled(void)
{
    struct task *task = hob__task_self();
    return task != NULL ? hob__task_cancelled(task) : 0;
}

const char *hob_cancel_reason(void)
{
    struct task *task = hob__task_self();
    if (task == NULL || hob__task_cancelled(task) == 0)
        return NULL;
    return task->scope->cancel_code != 0 ? task->scope->reason : task->solo_reason;
}

void hob__scope_deadline_passed(struct scope *scope)
{
    scope->has_deadline = 0;
    hob__scope_cancel(scope, -ETIMEDOUT, "deadline");
}

bool hob__scope_is_timeless(const struct scope *scope)
{
    for (; scope != NULL; scope = scope->parent) {
        if (scope->has_deadline)
            return false;
        if (!scope->is_guest)
            continue;
        const struct remote *r = container_of(scope, struct remote, guest);
        if (r->has_deadline || r->late_deadlines != atomic_load(&scope->worker->crew->late_deadlines))
            return false;
    }
    return true;
}

static void take_deadline_away(struct scope *scope)
{
    if (scope->has_deadline)
        hob__wheel_remove(&scope->worker->wheel, &scope->deadline);
    scope->has_deadline = 0;
}

/* Most are seconds away from when the worker looked at the clock last, some microseconds ago: then it need
 * not look again. (If that was seconds ago, after all, the next turn finds that it is over.) */
static bool is_over(const struct worker *w, int64_t deadline_ns)
{
    return deadline_ns <= w->wheel.now_ns + HOB_SEC && deadline_ns <= hob_now();
}

static void set_deadline(struct scope *scope, int64_t deadline_ns)
{
    take_deadline_away(scope);
    if (deadline_ns == HOB_FOREVER)
        return;
    if (is_over(scope->worker, deadline_ns)) {
        hob__scope_cancel(scope, -ETIMEDOUT, "deadline");
        return;
    }
    scope->has_deadline = 1;
    if (hob_unlikely(scope->children > 0))
        atomic_fetch_add_explicit(&scope->worker->crew->late_deadlines, 1, memory_order_relaxed);
    hob__wheel_insert(&scope->worker->wheel, &scope->deadline, deadline_ns, TIMER_SCOPE);
}

void hob_scope_deadline(hob_scope *place, int64_t deadline_ns)
{
    set_deadline(hob__scope_open(place, "hob_scope_deadline"), deadline_ns);
}

/* ---- children and failures ---- */

static void cancel_daemons(struct scope *scope)
{
    list_for_each(node, &scope->tasks) {
        struct task *task = container_of(node, struct task, sibling);
        if (task->daemon)
            hob__task_cancel(task, -ECANCELED, "only daemons were left in the scope");
    }
    for (struct remote *remote = scope->remotes; remote != NULL; remote = remote->next) {
        if (remote->opts.daemon)
            hob__remote_cancel(remote, -ECANCELED, "only daemons were left in the scope");
    }
}

static bool only_daemons_left(const struct scope *scope)
{
    return scope->daemons > 0 && scope->children == scope->daemons;
}

void hob__scope_tell_of_leaving(struct scope *scope)
{
    if (scope->is_guest) {
        hob__remote_child_ended(scope);
        return;
    }
    if (scope->children == 0) {
        struct op *joiner = scope->joiner;
        scope->joiner = NULL;
        hob__op_finish_local(joiner, 0);
    } else if (only_daemons_left(scope)) {
        cancel_daemons(scope);
    }
}

void hob__scope_fail(struct scope *scope, const hob_failure *failure)
{
    if (failure->error == HOB_ESTOPPING) // nobody failed: the others finish what they do
        return;
    if (scope->failed < FAILURES_KEPT)
        scope->kept[scope->failed] = *failure;
    scope->failed++;
    if (scope->result == 0)
        scope->result = failure->error;
    if (scope->policy == HOB_FAIL_FAST)
        hob__scope_cancel(scope, -ECANCELED, "a sibling failed");
}

void hob__scope_won(struct scope *scope)
{
    scope->won = 1;
    hob__scope_cancel(scope, -ECANCELED, "a sibling succeeded");
}

void hob_scope_policy(hob_scope *place, hob_policy policy)
{
    struct scope *scope = hob__scope_open(place, "hob_scope_policy");
    hob_require(scope->children == 0, "hob_scope_policy: the scope has children already");
    scope->policy = policy;
}

size_t hob_scope_failures(const hob_scope *place)
{
    return scope_from(place)->failed;
}

int hob_scope_failure(const hob_scope *place, size_t index, hob_failure *ret_failure)
{
    const struct scope *scope = scope_from(place);
    if (index >= scope->failed || index >= FAILURES_KEPT)
        return -ENOENT;
    *ret_failure = scope->kept[index];
    return 0;
}

/* ---- ending ---- */

static void wait_for_children(struct scope *scope)
{
    while (scope->children > 0) {
        struct op joiner = { .kind = OP_JOIN, .state = OP_FLYING, .done = hob__task_wake_op };
        joiner.waiter = scope->owner;
        joiner.local.on = scope;
        scope->joiner = &joiner;
        if (only_daemons_left(scope))
            cancel_daemons(scope);
        if (scope->joiner != NULL) // not the last of them, just now
            hob__task_park(scope->owner, &joiner);
        scope->joiner = NULL;
    }
}

static struct scope *shield_begin(hob_scope *place, int64_t limit_ns, const void *opened_at)
{
    struct scope *scope = begin(place, opened_at);
    scope->is_shield = 1;
    scope->cancel_code = 0;
    scope->reason = NULL;
    set_deadline(scope, hob_in(limit_ns));
    return scope;
}

static void run_one_deferred(struct scope *scope, struct defer *defer)
{
    hob_scope     place;
    struct scope *shield = shield_begin(&place, CLEANUP_GRACE, scope->opened_at);
    defer->fn(defer->arg);
    if (shield->cancel_code == -ETIMEDOUT)
        hob__report_slow_cleanup(scope, (const void *)defer->fn);
    hob_scope_leave(&place);
    hob__free(defer);
}

static void run_deferred(struct scope *scope)
{
    for (struct defer *defer; (defer = scope->defers) != NULL;) {
        scope->defers = defer->earlier;
        run_one_deferred(scope, defer);
    }
}

static __attribute__((noinline)) void wait_till_empty(struct scope *scope)
{
    do {
        wait_for_children(scope);
        run_deferred(scope); // which may have started somebody
    } while (scope->children > 0);
}

/* Ends it: afterwards only `result` and the failures mean anything. */
static inline void close_scope(struct scope *scope)
{
    struct task *task = scope->owner;
    hob_require(task->scope == scope, "hob_scope_end: a scope that was opened later is still open");
    if (scope->children > 0 || scope->defers != NULL)
        wait_till_empty(scope);
    if (hob_unlikely(!list_is_empty(&scope->futures)))
        hob__futures_collect(scope);
    if (scope->has_deadline)
        take_deadline_away(scope);
    list_remove_last_time(&scope->sibling);
    task->scope = scope->parent;
    if (scope->won)
        scope->result = 0;
    else if (scope->result == 0)
        scope->result = scope->cancel_code;
    scope->ended = 1;
}

static struct scope *ending(hob_scope *place)
{
    struct scope *scope = scope_from(place);
    hob_require(scope->tag == TAG_SCOPE, "hob_scope_end: this is not a scope that was begun");
    if (!scope->ended)
        hob_require(scope->owner != NULL && scope->owner == hob__task_self(),
                    "hob_scope_end: a scope is ended by the task that opened it");
    return scope;
}

int hob_scope_end(hob_scope *place)
{
    struct scope *scope = ending(place);
    if (!scope->ended) {
        close_scope(scope);
        if (scope->result < 0 && scope->failed > 0)
            hob__failure_collected(scope->owner, &scope->kept[0]);
    }
    return scope->result;
}

static __attribute__((noinline)) void leave_open(struct scope *scope)
{
    struct task *task = scope->owner;
    int          failing = task->failing;
    if (failing < 0 && failing != HOB_ESTOPPING)
        hob__scope_cancel(scope, -ECANCELED, "its block was left by an error");
    close_scope(scope);
    task->failing = failing;

    if (scope->failed > 0 && !scope->won)
        hob__scope_fail(scope->parent, &scope->kept[0]);
}

void hob_scope_leave(hob_scope *place)
{
    struct scope *scope = ending(place);
    if (!scope->ended)
        leave_open(scope);
    scope->tag = TAG_FREED;
}

void hob__scope_fini(struct scope *scope)
{
    hob_assert(scope->children == 0);
    hob__futures_collect(scope);
    take_deadline_away(scope);
    scope->tag = TAG_FREED;
}

/* ---- cleaning up ---- */

int hob_scope_defer(hob_scope *place, void (*fn)(void *arg), void *arg)
{
    struct scope *scope = hob__scope_open(place, "hob_scope_defer");
    hob_require(scope->owner != NULL, "hob_scope_defer: a root scope has nobody to run it");
    struct defer *defer = hob__alloc(sizeof *defer);
    if (defer == NULL) {
        fn(arg);
        return -ENOMEM;
    }
    *defer = (struct defer){ scope->defers, fn, arg };
    scope->defers = defer;
    return 0;
}

void hob_deferred_run(hob_deferred *deferred)
{
    deferred->fn(deferred->arg);
}

int hob_shield_enter(hob_shield *shield, int64_t limit_ns)
{
    if (shield->entered)
        return 0;
    shield->entered = 1;
    shield_begin(&shield->scope, limit_ns, __builtin_return_address(0));
    return 1;
}

void hob_shield_leave(hob_shield *shield)
{
    if (shield->entered)
        hob_scope_leave(&shield->scope);
}
