/* SPDX-License-Identifier: MIT */
/*
 * Tasks: start, park, wake, end; and hob__op_await, where everybody waits.
 *
 * A task that parks switches straight to the next ready one. Only when none is
 * left, or the backend is due, does it switch to the loop. switch_to() is the one
 * place where stacks are switched: see arch/switch.h for why it is one.
 *
 * Who ends cannot give back the stack on which it stands: it leaves itself in
 * worker.ended, and whoever runs next clears that.
 */
#include "core/task.h"

#include <errno.h>
#include <string.h>

#include "core/crew.h"
#include "core/future.h"
#include "core/local.h"
#include "core/remote.h"
#include "core/scope.h"
#include "core/worker.h"
#include "inspect/report.h"

#ifdef HOB_ASAN
#include <sanitizer/asan_interface.h>
#endif
#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#else
#define VALGRIND_MAKE_MEM_UNDEFINED(at, len) ((void)(at), (void)(len))
#endif

enum {
    STACK_MARGIN = 256,         /* a park this close to the end of the stack is an overflow */
    SEED_LOOKAHEAD = 16,        /* a seeded order picks among so many ready tasks           */
    REFUSALS_PER_STEP = 32,     /* a task that ignores these lets others run                */
    REFUSALS_REPORTED = 1000,
    MEASURE_EVERY = 256,        /* tasks of one spawn site                                  */
};

/* ---- switching ---- */

static __attribute__((noinline)) void free_ended(struct worker *w, struct task *task)
{
    w->ended = NULL;
    hob__context_fini(&task->context);
    struct stack *stack = task->stack;
    task->tag = TAG_FREED;
    hob__stack_put(&w->stacks, stack);
}

static inline void clear_ended(struct worker *w)
{
    if (hob_unlikely(w->ended != NULL))
        free_ended(w, w->ended);
}

/* Makes `next` the running task (NULL: none), and returns where it goes on. */
static inline struct context *turn_to(struct worker *w, struct task *next)
{
    if (hob_unlikely(w->seeded))
        hob__trace(w, next != NULL ? next->id : 0);
    w->current = next;
    if (next == NULL)
        return &w->loop;
    next->state = TASK_RUNNING;
    w->stats.switches++;
    w->inline_left = w->inline_now;
    return &next->context;
}

/* Suspends `from` and goes on in the task, or with NULL in the loop. */
static __attribute__((noinline)) void switch_to(struct worker *w, struct context *from,
                                                struct task *next)
{
    hob__switch(from, turn_to(w, next));
    clear_ended(hob__worker);
}

static struct task *pick_seeded(struct worker *w)
{
    struct list_node *node = list_first(&w->ready);
    uint64_t          skip = rand_below(&w->rand, SEED_LOOKAHEAD);
    for (struct list_node *at = node; at != &w->ready.head; at = at->next) {
        node = at;
        if (skip-- == 0)
            break;
    }
    list_remove(node);
    return container_of(node, struct task, link);
}

/* The task to run next; NULL: the loop is due. */
static struct task *pick(struct worker *w)
{
    if (w->runs_left == 0 || list_is_empty(&w->ready))
        return NULL;
    w->runs_left--;
    if (hob_unlikely(w->seeded))
        return pick_seeded(w);
    return container_of(list_pop_front(&w->ready), struct task, link);
}

/* Those who started children wait in front, for as long as the turn lasts. Then it is the others'
 * turn: else who starts one child after the other, each of which runs as long as it may, would
 * always be the next to run, and nobody else ever. */
static void put_starters_behind(struct worker *w)
{
    while (!list_is_empty(&w->ready)) {
        struct task *task = container_of(list_first(&w->ready), struct task, link);
        if (!task->is_in_front)
            return;
        task->is_in_front = false;
        list_remove(&task->link);
        list_push_back(&w->ready, &task->link);
    }
}

void hob__tasks_run(struct worker *w)
{
    w->runs_left = w->runs_now;
    struct task *task = pick(w);
    if (task != NULL)
        switch_to(w, &w->loop, task);
    put_starters_behind(w);
}

static void check_depth(const struct task *task)
{
    hob_require((char *)__builtin_frame_address(0) > task->floor + STACK_MARGIN,
                "a task waits with its stack used up: give it a bigger one "
                "(hob_task_opts.stack_bytes, or hob_call_deep for one call)");
}

void hob__task_park(struct task *task, struct op *op)
{
    struct worker *w = task->worker;
    hob_assert(w->current == task);
    check_depth(task);
    task->state = TASK_PARKED;
    task->op = op;
    task->since_ns = w->wheel.now_ns;
    switch_to(w, &task->context, pick(w));
    task->op = NULL;
}

void hob__task_wake(struct task *task)
{
    hob_assert(task->state == TASK_PARKED);
    task->state = TASK_READY;
    list_push_back(&task->worker->ready, &task->link);
}

void hob__task_wake_op(struct op *op)
{
    hob__task_wake(op->waiter);
}

static void to_the_back(struct worker *w, struct task *task)
{
    task->state = TASK_READY;
    list_push_back(&w->ready, &task->link);
}

void hob__task_step_aside(struct task *task)
{
    struct worker *w = task->worker;
    to_the_back(w, task);
    w->runs_left = 0; // the loop first
    switch_to(w, &task->context, NULL);
}

void hob_yield(void)
{
    struct task *task = hob__task_self();
    hob_require(task != NULL, "hob_yield: called outside of a task");

    struct worker *w = task->worker;
    if (w->runs_left == 0) {
        hob__task_step_aside(task);
        return;
    }
    if (list_is_empty(&w->ready)) {
        w->runs_left--;
        return;
    }
    to_the_back(w, task);
    switch_to(w, &task->context, pick(w));
}

/* ---- waiting ---- */

/* A cancelled task is told so at each wait. One that goes on regardless must not
 * stop the others, and is not passed over in silence. */
void hob__task_refuse(struct task *task)
{
    task->ignored_cancels++;
    if (task->ignored_cancels >= REFUSALS_REPORTED && !task->reported) {
        task->reported = 1;
        hob__report_will_not_leave(task);
    }
    if (task->ignored_cancels % REFUSALS_PER_STEP == 0)
        hob__task_step_aside(task);
}

void hob__op_await_flying(struct task *task, struct op *op)
{
    hob__task_park(task, op);
    if (op->result == -ECANCELED && op->cancel_asked && hob__task_cancelled(task) != 0)
        op->result = hob__task_cancelled(task);
}

void hob__op_await(struct op *op)
{
    struct task *task = hob__task_self();
    hob_require(task != NULL, "a Hob function that waits was called outside of a task: in a "
                              "callback, or without hob_run");

    struct worker *w = task->worker;
    task->failing = 0;
    int code = hob__task_cancelled(task);
    if (hob_unlikely(code != 0)) {
        op->result = code;
        if (op->finish != NULL)
            op->finish(op);
        hob__task_refuse(task);
        return;
    }

    task->ignored_cancels = 0;
    op->done = hob__task_wake_op;
    op->waiter = task;
    if (hob__op_submit(w, op)) {
        hob__op_await_flying(task, op);
    } else if (--w->inline_left == 0) {
        hob__task_step_aside(task);
    }
}

int hob__inline_begin(struct task *task, const char *caller)
{
    return inline_begin(task, caller);
}

void hob__inline_end(struct task *task)
{
    inline_end(task);
}

void hob__task_interrupt(struct task *task)
{
    if (task->state == TASK_PARKED && task->op != NULL)
        hob__op_cancel(task->worker, task->op);
}

void hob__task_cancel(struct task *task, int code, const char *reason)
{
    if (task->solo_cancel != 0)
        return;
    task->solo_cancel = code;
    task->solo_reason = reason;

    // Its own scopes, from the outermost in: the walk goes on inwards and heeds the shields.
    struct scope *outermost = NULL;
    for (struct scope *scope = task->scope; scope != task->home; scope = scope->parent)
        outermost = scope;
    if (outermost != NULL)
        hob__scope_cancel_from_above(outermost, code, reason);
    else
        hob__task_interrupt(task);
}

int hob_checkpoint(void)
{
    struct task *task = hob__task_self();
    hob_require(task != NULL, "hob_checkpoint: called outside of a task");
    struct worker *w = task->worker;
    if (--w->inline_left == 0)
        hob__task_step_aside(task);
    int code = hob__task_cancelled(task);
    if (code != 0)
        hob__task_refuse(task);
    return code;
}

/* ---- starting and ending ---- */

static struct site *site_of(struct worker *w, const void *spawned_at)
{
    if (w->sites == NULL)
        return NULL;
    uint64_t hash = (uintptr_t)spawned_at * UINT64_C(0x9E3779B97F4A7C15);
    for (uint32_t i = 0; i < w->sites_cap; i++) {
        struct site *site = &w->sites[((hash >> 40) + i) & (w->sites_cap - 1)];
        if (site->spawned_at == spawned_at)
            return site;
        if (site->spawned_at == NULL) {
            if (w->sites_count == w->sites_cap / 2)
                return NULL; // as many places as are told about
            w->sites_count++;
            site->spawned_at = spawned_at;
            return site;
        }
    }
    return NULL;
}

static void begin_measuring(struct worker *w, struct task *task)
{
    struct site *site = w->site_last; // mostly a loop that starts the same again
    if (hob_unlikely(site == NULL || site->spawned_at != task->spawned_at))
        w->site_last = site = site_of(w, task->spawned_at);
    if (site == NULL || site->tasks++ % MEASURE_EVERY != 0)
        return;
    hob__stack_trim(task->stack); // the record's page stays
    task->measured = 1;
}

static void end_measuring(struct worker *w, struct task *task)
{
    struct site *site = site_of(w, task->spawned_at);
    uint32_t     used = (uint32_t)hob__stack_touched(task->stack);
    site->stack_bytes = (uint32_t)hob__stack_bytes(task->stack);
    if (used > site->stack_bytes_used)
        site->stack_bytes_used = used;
}

/* The one answer that a task in hob_go_ready gets; it may not have parked yet. */
static void answer(struct handshake *handshake, int64_t result)
{
    handshake->child->handshake = NULL;
    handshake->child = NULL;
    if (handshake->op.state == OP_FLYING) {
        hob__op_finish_local(&handshake->op, result);
    } else {
        handshake->op.state = OP_DONE;
        handshake->op.result = result;
    }
}

/* Tells whoever cares how the task ended. */
static void deliver_result(struct task *task, int result)
{
    struct scope *home = task->home;
    if (task->handshake != NULL) {
        answer(task->handshake, result < 0 ? result : HOB_EBROKEN);
        return;
    }
    if (task->future != NULL) {
        hob__future_end(task->future, result, task);
        return;
    }
    if (hob_likely(result == 0)) {
        if (!task->daemon)
            hob__scope_succeed(home);
        return;
    }
    int  code = home->cancel_code != 0 ? home->cancel_code : task->solo_cancel;
    bool only_cancelled = code != 0 && (result == code || result == -ECANCELED);
    if (!only_cancelled) {
        hob_failure failure = hob__failure_of(task, result);
        hob__scope_fail(home, &failure);
    }
}

static __attribute__((noreturn)) void end(struct task *task, int result)
{
    struct worker *w = task->worker;
    hob_require(!w->forked, HOB__ONLY_EXEC);
    hob_require(task->scope == task->home,
                "a task's function returned with a scope still open: hob_scope_end or HOB_SCOPE");
    hob_require(task->holds == 0,
                "a task's function returned with a mutex still locked or a permit still borrowed: "
                "HOB_LOCKED and HOB_LIMITED give them back");
    hob_require(result <= 0 || task->future != NULL,
                "a task's function returned a positive number: 0 is success, negative an error");
    if (task->measured)
        end_measuring(w, task);
    hob__local_unref(task->locals);
    deliver_result(task, result);

    struct scope *home = task->home;
    list_remove_last_time(&task->sibling);
    list_remove_last_time(&task->everyone);
    home->daemons -= task->daemon;
    w->stats.tasks_alive--;
    hob__scope_leave_child(home);

    task->state = TASK_ENDED;
    w->ended = task;
    hob__switch_last(&task->context, turn_to(w, pick(w)));
    hob_unreachable("an ended task was switched to");
}

static void task_main(void *arg)
{
    struct task *task = arg;
    hob__switch_arrived(&task->context, &task->worker->loop);
    clear_ended(task->worker);
    end(task, task->fn(task->arg));
}

/* The machine code of task_main in front of the place where fn returns to is shorter. */
enum { TASK_MAIN_BYTES = 512 };

const void *hob__place_of(const void *return_address)
{
    uintptr_t from_start = (uintptr_t)return_address - (uintptr_t)task_main;
    if (hob_likely(from_start >= TASK_MAIN_BYTES))
        return return_address;
    const struct task *task = hob__task_self();
    return task != NULL ? (const void *)task->fn : return_address;
}

static void set_name(char name[32], const char *text)
{
    size_t len = text != NULL ? strnlen(text, 31) : 0;
    if (len > 0)
        memcpy(name, text, len);
    name[len] = '\0';
}

/* In a run no two tasks have the same, and those of the first worker begin with 1. */
static inline uint64_t next_id(struct worker *w)
{
    enum { BLOCK = 4096 };
    if (hob_unlikely(w->ids_left == 0)) {
        w->id_next = atomic_fetch_add_explicit(&w->crew->ids, BLOCK, memory_order_relaxed);
        w->ids_left = BLOCK;
    }
    w->ids_left--;
    return ++w->id_next;
}

int hob__task_start(struct scope *home, hob_task_fn *fn, void *arg, const hob_task_opts *opts,
                    const void *spawned_at, struct hob_future *future,
                    struct handshake *handshake)
{
    struct worker *w = home->worker;
    hob_require(w == hob__worker, "hob_go: the scope belongs to another worker");
    hob_require(fn != NULL, "hob_go: there is no function to run: it is NULL");
    if (w->stats.tasks_alive >= w->opts.tasks_max)
        return -EAGAIN;
    int stack_class = opts->stack_bytes == 0 ? 0 : hob__stack_class(opts->stack_bytes);
    struct stack *stack = hob__stack_get(&w->stacks, stack_class);
    if (hob_unlikely(stack == NULL))
        return -ENOMEM;
#ifdef HOB_ASAN
    ASAN_UNPOISON_MEMORY_REGION(stack->low, hob__stack_bytes(stack)); // the last task's frames never returned
#endif

    char *top = (char *)((uintptr_t)(stack->top - sizeof(struct task)) & ~(uintptr_t)63);
    struct task *task = (struct task *)top;
    // Nothing here is read before it is written: reading a page that is new costs a fault more.
    memset(task, 0, offsetof(struct task, context));
    task->tag = TAG_TASK;
    task->daemon = opts->daemon;
    task->worker = w;
    task->op = NULL;
    task->since_ns = w->wheel.now_ns;
    task->scope = home;
    task->home = home;
    task->stack = stack;
    task->floor = stack->low;
    task->fn = fn;
    task->arg = arg;
    task->spawned_at = hob__place_of(spawned_at);
    task->id = next_id(w);
    w->stats.tasks_started++;
    task->solo_reason = NULL;
    task->future = future;
    task->handshake = handshake;
    set_name(task->name, opts->name);
    begin_measuring(w, task); // empties the stack, so before anything is put on it
    if (hob_unlikely(opts->copy_bytes > 0)) {
        hob_require(opts->copy_bytes <= hob__stack_bytes(stack) / 4,
                    "hob_go_copy: the argument is larger than a quarter of the task's stack");
        top = (char *)((uintptr_t)(top - opts->copy_bytes) & ~(uintptr_t)63);
        VALGRIND_MAKE_MEM_UNDEFINED(top, opts->copy_bytes); // the last task's frames never returned
        memcpy(top, arg, opts->copy_bytes);
        task->arg = top;
    }
    hob__context_init(&task->context, stack->low, top, task_main, task);

    struct task *parent = w->current;
    if (parent != NULL)
        parent->failing = 0;
    task->locals = hob__local_ref(parent != NULL ? parent->locals : w->locals_for_child);
    list_push_back(&home->tasks, &task->sibling);
    list_push_back(&w->tasks, &task->everyone);
    home->daemons += task->daemon;
    hob__scope_join(home);
    if (++w->stats.tasks_alive > w->stats.tasks_alive_max)
        w->stats.tasks_alive_max = w->stats.tasks_alive;
    if (future != NULL)
        future->task = task;
    if (handshake != NULL)
        handshake->child = task;

    // Eager: the child first, the parent next. A seeded run also tries the other order.
    bool later = parent == NULL || (w->seeded && rand_below(&w->rand, 4) == 0);
    if (later) {
        to_the_back(w, task);
        return 0;
    }
    check_depth(parent);
    parent->state = TASK_READY;
    parent->is_in_front = true;
    list_push_front(&w->ready, &parent->link);
    switch_to(w, &parent->context, task);
    parent->is_in_front = false;
    return 0;
}

int hob_go_with(hob_scope *place, hob_task_fn *fn, void *arg, const hob_task_opts *opts)
{
    static const hob_task_opts defaults;
    return hob__go(place, fn, arg, opts != NULL ? opts : &defaults, __builtin_return_address(0));
}

int hob__child_start(struct scope *home, hob_task_fn *fn, void *arg, const hob_task_opts *opts,
                     const void *spawned_at, struct hob_future *future)
{
    if (hob_likely(opts->where == 0 || opts->where == HOB_ON(home->worker->number)))
        return hob__task_start(home, fn, arg, opts, spawned_at, future, NULL);
    if (opts->where == HOB_ANYWHERE && home->worker->crew->count == 1)
        return hob__task_start(home, fn, arg, opts, spawned_at, future, NULL);
    return hob__remote_go(home, fn, arg, opts, spawned_at, future);
}

int hob__go(hob_scope *place, hob_task_fn *fn, void *arg, const hob_task_opts *opts,
            const void *spawned_at)
{
    struct scope *scope = hob__scope_open(place, "hob_go");
    int           r = hob__child_start(scope, fn, arg, opts, spawned_at, NULL);
    if (hob_unlikely(r < 0)) { // never silent, also where the result is not looked at
        hob_failure failure = { .error = r, .function = (const void *)fn, .spawned_at = spawned_at };
        set_name(failure.task, opts->name);
        hob__scope_fail(scope, &failure);
    }
    return r;
}

int hob_go(hob_scope *place, hob_task_fn *fn, void *arg)
{
    static const hob_task_opts defaults;
    return hob__go(place, fn, arg, &defaults, __builtin_return_address(0));
}

int hob_go_copy(hob_scope *place, hob_task_fn *fn, const void *arg, size_t size)
{
    hob_task_opts opts = { .copy_bytes = size };
    return hob__go(place, fn, (void *)(uintptr_t)arg, &opts, __builtin_return_address(0));
}

/* ---- ready ---- */

/* Who waits for a child to be ready was cancelled: then so is the child, and still joined. */
static bool cancel_child(struct op *op)
{
    struct handshake *handshake = container_of(op, struct handshake, op);
    if (handshake->child != NULL)
        hob__task_cancel(handshake->child, -ECANCELED, "its starter was cancelled");
    return false;
}

int hob_go_ready(hob_scope *place, hob_task_fn *fn, void *arg, const hob_task_opts *opts,
                 void **ret_value)
{
    static const hob_task_opts defaults;
    struct scope    *scope = hob__scope_open(place, "hob_go_ready");
    struct handshake handshake = { .op = { .kind = OP_JOIN,
                                           .local = { .withdraw = cancel_child } } };
    struct task     *self = hob__task_self();
    hob_require(self != NULL, "hob_go_ready: called outside of a task");
    hob_require(opts == NULL || opts->where == 0 || opts->where == HOB_ON(self->worker->number),
                "hob_go_ready: the child must be on this worker; use hob_on, and hob_go_ready there");

    int code = hob__task_cancelled(self);
    if (code != 0) {
        hob__task_refuse(self);
        return code;
    }
    handshake.op.done = hob__task_wake_op;
    handshake.op.waiter = self;
    int r = hob__task_start(scope, fn, arg, opts != NULL ? opts : &defaults,
                            __builtin_return_address(0), NULL, &handshake);
    if (r < 0)
        return r;
    if (handshake.op.state != OP_DONE) {
        handshake.op.state = OP_FLYING;
        hob__task_park(self, &handshake.op);
    }
    if (!handshake.is_ready) {
        code = hob__task_cancelled(self);
        return code != 0 && handshake.op.result == -ECANCELED ? code : (int)handshake.op.result;
    }
    if (ret_value != NULL)
        *ret_value = handshake.value;
    return 0;
}

void hob_ready(void *value)
{
    struct task *task = hob__task_self();
    hob_require(task != NULL, "hob_ready: called outside of a task");
    struct handshake *handshake = task->handshake;
    if (handshake == NULL)
        return;
    handshake->is_ready = true;
    handshake->value = value;
    answer(handshake, 0);
}

/* ---- the rest ---- */

int hob_detach(const char *root_name)
{
    struct task *task = hob__task_self();
    hob_require(task != NULL, "hob_detach: called outside of a task");
    hob_require(task->scope == task->home, "hob_detach: the task still has a scope open");
    hob_require(!task->home->is_guest, "hob_detach: the task was started from another worker");
    hob_require(task->future == NULL && task->handshake == NULL,
                "hob_detach: somebody waits for this task (hob_async, hob_go_ready)");

    hob_scope *place = hob_root(root_name);
    if (place == NULL)
        return -ENOMEM;
    struct scope *from = task->home, *to = scope_from(place);
    list_remove(&task->sibling);
    list_push_back(&to->tasks, &task->sibling);
    from->daemons -= task->daemon;
    to->daemons += task->daemon;
    hob__scope_join(to);
    task->home = task->scope = to;
    hob__scope_leave_child(from);
    return 0;
}

void hob_task_set_name(const char *name)
{
    struct task *task = hob__task_self();
    hob_require(task != NULL, "hob_task_set_name: called outside of a task");
    set_name(task->name, name);
}

const char *hob_task_name(void)
{
    struct task *task = hob__task_self();
    return task != NULL ? task->name : "";
}

uint64_t hob_task_id(void)
{
    struct task *task = hob__task_self();
    return task != NULL ? task->id : 0;
}

int hob_call_deep(size_t stack_bytes, hob_task_fn *fn, void *arg)
{
    struct task *task = hob__task_self();
    hob_require(task != NULL, "hob_call_deep: called outside of a task");
    struct worker *w = task->worker;
    struct stack  *stack = hob__stack_get(&w->stacks, hob__stack_class(stack_bytes));
    if (stack == NULL)
        return -ENOMEM;

    char *floor = task->floor;
    task->floor = stack->low;
    int result = hob__call_on(stack->top, fn, arg);
    task->floor = floor;
    hob__stack_put(&w->stacks, stack);
    return result;
}
