/* SPDX-License-Identifier: MIT */
#include "core/remote.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "core/crew.h"
#include "core/local.h"
#include "core/worker.h"

/* ---- there ---- */

static void open_end(struct worker *w, struct mail *mail);

static void send_end(struct remote *r)
{
    r->is_over = true;
    list_remove(&r->among_guests);
    r->mail.open = open_end;
    hob__mail_post(r->home, &r->mail); // it is home's now
}

void hob__remote_child_ended(struct scope *guest)
{
    struct remote *r = container_of(guest, struct remote, guest);
    hob__scope_fini(guest);
    send_end(r);
}

/* The task-locals of the starter, in the same order. Without memory: fewer. */
static struct local_frame *copy_locals(const struct remote *r)
{
    struct local_frame *inner = NULL;
    for (size_t i = r->locals_count; i-- > 0;) {
        struct local_frame *frame = hob__alloc(sizeof *frame);
        if (frame == NULL)
            break;
        *frame = (struct local_frame){ inner, r->locals[i].key, r->locals[i].value, 1 };
        inner = frame;
    }
    return inner;
}

static void begin(struct worker *w, struct remote *r)
{
    hob__scope_init(&r->guest, w, NULL, NULL, r->spawned_at);
    r->guest.is_guest = 1;
    list_push_back(&w->guests, &r->among_guests);
    if (r->early_code != 0)
        hob__scope_cancel(&r->guest, r->early_code, r->early_reason);

    struct local_frame *locals = copy_locals(r);
    w->locals_for_child = locals;
    int started = hob__task_start(&r->guest, r->fn, r->arg, &r->opts, r->spawned_at, &r->outcome,
                                  NULL);
    w->locals_for_child = NULL;
    hob__local_unref(locals);
    if (started < 0) {
        r->outcome.result = started;
        r->outcome.failure = (hob_failure){ .error = started, .function = (const void *)r->fn,
                                            .spawned_at = r->spawned_at };
        memcpy(r->outcome.failure.task, r->name, sizeof r->name);
        hob__scope_fini(&r->guest);
        send_end(r);
    }
}

static void open_start(struct worker *w, struct mail *mail)
{
    begin(w, container_of(mail, struct remote, mail));
}

bool hob__remote_take(struct worker *w)
{
    struct crew *crew = w->crew;
    if (atomic_load_explicit(&crew->waiting_count, memory_order_relaxed) == 0)
        return false;
    pthread_mutex_lock(&crew->lock);
    struct list_node *node = list_pop_front(&crew->waiting);
    struct remote    *r = node != NULL ? container_of(node, struct remote, waiting) : NULL;
    if (r != NULL) {
        hob__crew_not_dry_locked(w);
        atomic_fetch_sub(&crew->waiting_count, 1);
        r->there = w;
    }
    pthread_mutex_unlock(&crew->lock);
    if (r != NULL)
        begin(w, r);
    return r != NULL;
}

static void cancel_back(struct worker *w, struct mail *mail);

static void open_cancel(struct worker *w, struct mail *mail)
{
    struct remote *r = container_of(mail, struct remote, cancel);
    (void)w;
    if (!r->is_over)
        hob__scope_cancel(&r->guest, r->cancel_code, r->cancel_reason);
    mail->open = cancel_back;
    hob__mail_post(r->home, mail);
}

/* ---- home ---- */

static void free_if_done(struct remote *r)
{
    if (r->has_ended && !r->cancel_sent)
        hob__free(r);
}

static void cancel_back(struct worker *w, struct mail *mail)
{
    struct remote *r = container_of(mail, struct remote, cancel);
    (void)w;
    r->cancel_sent = false;
    free_if_done(r);
}

static void deliver(struct remote *r, struct scope *scope)
{
    int result = r->outcome.result, code = scope->cancel_code;
    r->outcome.failure.cause = 0; // a number in the other worker's trail
    if (r->future != NULL) {
        r->future->failure = r->outcome.failure;
        hob__future_settle(r->future, result);
        return;
    }
    bool only_cancelled = (code != 0 && result == code) ||
                          (r->cancel_code != 0 && result == r->cancel_code) ||
                          ((code != 0 || r->cancel_code != 0) && result == -ECANCELED);
    if (result < 0 && !only_cancelled)
        hob__scope_fail(scope, &r->outcome.failure);
    else if (result == 0 && !r->opts.daemon)
        hob__scope_succeed(scope);
}

static void open_end(struct worker *w, struct mail *mail)
{
    struct remote *r = container_of(mail, struct remote, mail);
    struct scope  *scope = r->scope;
    (void)w;
    *r->at = r->next;
    if (r->next != NULL)
        r->next->at = r->at;
    deliver(r, scope);
    scope->daemons -= r->opts.daemon;
    r->has_ended = true;
    free_if_done(r);
    hob__scope_leave_child(scope);
}

void hob__remote_cancel(struct remote *r, int code, const char *reason)
{
    struct crew *crew = r->home->crew;
    if (r->cancel_code != 0)
        return;
    r->cancel_code = code;
    r->cancel_reason = reason;
    pthread_mutex_lock(&crew->lock);
    struct worker *there = r->there;
    if (there == NULL) { // whoever takes it will see this
        r->early_code = code;
        r->early_reason = reason;
    }
    pthread_mutex_unlock(&crew->lock);
    if (there == NULL)
        return;
    r->cancel_sent = true;
    r->cancel.open = open_cancel;
    hob__mail_post(there, &r->cancel);
}

static size_t count_locals(const struct task *task)
{
    size_t count = 0;
    for (const struct local_frame *f = task != NULL ? task->locals : NULL; f != NULL; f = f->outer)
        count++;
    return count;
}

static struct remote *remote_new(struct scope *scope, hob_task_fn *fn, void *arg,
                                 const hob_task_opts *opts, const void *spawned_at)
{
    const struct task *task = hob__task_self();
    size_t             locals = count_locals(task);
    size_t             copy = (opts->copy_bytes + 15) & ~(size_t)15;
    struct remote     *r = hob__alloc_zero(sizeof *r + copy + locals * sizeof(struct remote_local));
    if (r == NULL)
        return NULL;
    r->home = scope->worker;
    r->scope = scope;
    r->fn = fn;
    r->arg = arg;
    r->opts = *opts;
    r->opts.where = 0;
    r->spawned_at = spawned_at;
    r->late_deadlines = atomic_load(&scope->worker->crew->late_deadlines);
    r->has_deadline = !hob__scope_is_timeless(scope);
    if (opts->name != NULL)
        strncpy(r->name, opts->name, sizeof r->name - 1);
    r->opts.name = r->name;
    if (opts->copy_bytes > 0) // the task copies it once more, onto its stack
        r->arg = memcpy(r->copy, arg, opts->copy_bytes);
    r->locals = (struct remote_local *)(r->copy + copy);
    for (const struct local_frame *f = task != NULL ? task->locals : NULL; f != NULL; f = f->outer)
        r->locals[r->locals_count++] = (struct remote_local){ f->key, f->value };
    r->outcome.tag = TAG_FUTURE;
    return r;
}

static void join_scope(struct remote *r, struct scope *scope)
{
    r->at = &scope->remotes;
    r->next = scope->remotes;
    if (r->next != NULL)
        r->next->at = &r->next;
    scope->remotes = r;
    scope->daemons += r->opts.daemon;
    hob__scope_join(scope);
    r->cancel_code = r->early_code = scope->cancel_code; // it runs to its first wait all the same
    r->cancel_reason = r->early_reason = scope->reason;
}

/* Leaves it for whoever is idle first, and wakes one who sleeps. */
static void leave_for_anyone(struct crew *crew, struct remote *r)
{
    pthread_mutex_lock(&crew->lock);
    list_push_back(&crew->waiting, &r->waiting);
    atomic_fetch_add(&crew->waiting_count, 1);
    pthread_mutex_unlock(&crew->lock);
    hob__crew_wake_one(crew);
}

int hob__remote_go(struct scope *scope, hob_task_fn *fn, void *arg, const hob_task_opts *opts,
                   const void *spawned_at, struct hob_future *future)
{
    struct worker *w = scope->worker, *there = NULL;
    hob_require(w == hob__worker, "hob_go: the scope belongs to another worker");
    hob_require(opts->where == HOB_ANYWHERE || (opts->where > 0 && (uint32_t)opts->where <= w->crew->count),
                "hob_go: there is no worker of that number: see hob_workers");
    if (opts->where > 0) {
        int error = 0;
        there = hob__crew_worker(w->crew, (uint32_t)opts->where - 1, &error);
        if (there == NULL)
            return error;
    }
    struct remote *r = remote_new(scope, fn, arg, opts, spawned_at);
    if (r == NULL)
        return -ENOMEM;
    r->future = future;
    if (future != NULL)
        future->remote = r;
    join_scope(r, scope);
    r->there = there;
    if (there != NULL) {
        r->mail.open = open_start;
        hob__mail_post(there, &r->mail);
    } else {
        leave_for_anyone(w->crew, r);
    }
    return 0;
}
