/* SPDX-License-Identifier: MIT */
/* hob_dump: who waits for what, since when. And the report when everybody waits for ever. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/worker.h"
#include "hob/inspect.h"
#include "hob/time.h"
#include "inspect/report.h"
#include "op/fs.h"
#include "sync/promise.h"
#include "sync/chan.h"
#include "inspect/symbol.h"
#include "sync/line.h"
#include "sync/pool.h"

enum { LINE_MAX_BYTES = 900, STUCK_TASKS_SHOWN = 100 };

static const char *state_name(const struct task *task)
{
    static const char *const names[] = { "ready", "running", "waits", "ended" };
    return names[task->state];
}

/* "waits for the mutex "book", held by task 7 "clerk"". The name is a literal of the user's. */
static void describe_line(const struct op *op, double for_s, char *text, size_t size)
{
    const void  *object = op->local.on;
    const char  *name = *(const char *const *)object;
    char         holder[80] = "", which[64] = "";
    hob__line_open(op->local.on);
    const struct task *task = op->kind == OP_MUTEX ? hob__mutex_holder(object) : NULL;
    if (task != NULL)
        snprintf(holder, sizeof holder, ", held by task %llu%s%s%s", (unsigned long long)task->id,
                 task->name[0] != '\0' ? " \"" : "", task->name, task->name[0] != '\0' ? "\"" : "");
    else if (op->kind == OP_LIMITER)
        snprintf(holder, sizeof holder, ", of which %zu of %zu are lent",
                 ((const struct hob__limiter *)object)->borrowed,
                 ((const struct hob__limiter *)object)->limit);
    lock_give(hob__line_lock(object));
    if (name != NULL)
        snprintf(which, sizeof which, "\"%.60s\"", name);
    else
        snprintf(which, sizeof which, "at %p", object);
    snprintf(text, size, "waits for %s %s%s, since %.3f s", hob__line_kind(op->kind)->what, which,
             holder, for_s);
}

/* What the task waits for, in words. */
static void describe_wait(const struct task *task, char *text, size_t size)
{
    const struct op *op = task->op;
    char             place[256];
    if (task->state != TASK_PARKED || op == NULL) {
        snprintf(text, size, "%s", state_name(task));
        return;
    }
    double      for_s = (double)(task->worker->wheel.now_ns - task->since_ns) / 1e9;
    const char *what = op->kind == OP_FS ? hob__fs_name(op->fs.call->what) : hob__op_name(op->kind);
    const struct scope *scope = op->local.on;
    if (op_is_in_line(op)) {
        describe_line(op, for_s, text, size);
        return;
    }
    switch (op->kind) {
    case OP_SLEEP:
        snprintf(text, size, "sleeps, for %.3f s yet, since %.3f s",
                 (double)(op->sleep.when_ns - task->worker->wheel.now_ns) / 1e9, for_s);
        return;
    case OP_PARK:
        snprintf(text, size, "sleeps for ever, since %.3f s", for_s);
        return;
    case OP_PROMISE:
        snprintf(text, size, "waits for the promise made at %s, since %.3f s",
                 hob_describe_address(((const struct hob_promise *)op->local.on)->thing.made_at, place,
                                      sizeof place),
                 for_s);
        return;
    case OP_JOIN:
        if (op->local.start == NULL && op->local.withdraw == NULL && scope != NULL)
            snprintf(text, size, "waits for the %u children of the scope opened at %s, since %.3f s",
                     scope->children, hob_describe_address(scope->opened_at, place, sizeof place),
                     for_s);
        else
            snprintf(text, size, "waits for another task, since %.3f s", for_s);
        return;
    case OP_CHAN_SEND:
    case OP_CHAN_RECV: {
        const hob_chan *chan = op->local.on;
        bool            named = chan->opts.name != NULL;
        snprintf(text, size, "waits in %s on the channel%s%s%s made at %s, since %.3f s", what,
                 named ? " \"" : "", named ? chan->opts.name : "", named ? "\"" : "",
                 hob_describe_address(chan->thing.made_at, place, sizeof place), for_s);
        return;
    }
    case OP_OFFLOAD: {
        const struct job *job = op->local.extra;
        char              function[200];
        bool              begun = atomic_load(&job->state) != JOB_QUEUED;
        hob__function_name((const void *)(uintptr_t)job->fn, function, sizeof function);
        snprintf(text, size, "waits for %s %s a thread of the pool \"%s\", since %.3f s", function,
                 begun ? "on" : "to get", job->pool->name, for_s);
        return;
    }
    default:
        if (!op_is_local(op) && op->desc != NULL)
            snprintf(text, size, "waits in %s on the %s made at %s (descriptor %d), since %.3f s",
                     what, op->desc->what,
                     hob_describe_address(op->desc->made_at, place, sizeof place), op->desc->fd,
                     for_s);
        else
            snprintf(text, size, "waits in %s, since %.3f s", what, for_s);
    }
}

static void describe(const struct task *task, char *line, size_t size)
{
    char who[400], wait[400];
    hob__describe_task(task, who, sizeof who);
    describe_wait(task, wait, sizeof wait);
    int code = hob__task_cancelled(task);
    snprintf(line, size, "%s: %s%s%s", who, wait, code != 0 ? "; cancelled: " : "",
             code == 0 ? "" : task->scope->reason != NULL ? task->scope->reason : "yes");
}

void hob_dump(int fd, size_t tasks_max)
{
    struct worker *w = hob__worker;
    if (w == NULL)
        return;
    size_t shown = 0;
    char   line[LINE_MAX_BYTES];
    list_for_each(node, &w->tasks) {
        if (tasks_max != 0 && shown == tasks_max)
            break;
        shown++;
        describe(container_of(node, struct task, everyone), line, sizeof line - 1);
        strcat(line, "\n");
        ssize_t written = write(fd, line, strlen(line)); // a dump has nobody to complain to
        (void)written;
    }
}

void hob__report_tasks(struct worker *w, size_t tasks_max)
{
    size_t shown = 0;
    char   line[LINE_MAX_BYTES];
    list_for_each(node, &w->tasks) {
        if (shown++ == tasks_max) {
            hob__report(w, "  and %llu more",
                        (unsigned long long)(w->stats.tasks_alive - tasks_max));
            return;
        }
        describe(container_of(node, struct task, everyone), line, sizeof line);
        hob__report(w, "  %s", line);
    }
}

void hob__stuck(struct worker *w)
{
    if (w->stuck && w->stuck_at_switch == w->stats.switches) {
        hob__report(w, "hob: still asleep for ever after everything was cancelled; giving up");
        hob__report_tasks(w, STUCK_TASKS_SHOWN);
        hob_unreachable("tasks wait for what cannot come and cannot be cancelled");
    }
    hob__report(w, "hob: everything is asleep for ever: no task is ready, no timer is set and no "
                   "operation is under way that could wake one. Who waits for what:");
    hob__report_tasks(w, STUCK_TASKS_SHOWN);
    hob__report(w, "  Somebody must settle the promise, send, or close. Everything is now "
                   "cancelled with %s.", hob_error_name(HOB_ESTUCK));
    w->stuck = true;
    w->stuck_at_switch = w->stats.switches;
    if (w->main.result == 0)
        w->main.result = HOB_ESTUCK;
    hob__scope_cancel(&w->main, HOB_ESTUCK, "everything was asleep for ever");
    list_for_each(node, &w->roots)
        hob__scope_cancel(&container_of(node, struct root, link)->scope, HOB_ESTUCK,
                          "everything was asleep for ever");
}

size_t hob_stack_uses(hob_stack_use *ret_use, size_t max)
{
    struct worker *w = hob__worker;
    size_t         count = 0;
    if (w == NULL || w->sites == NULL)
        return 0;
    for (uint32_t i = 0; i < w->sites_cap; i++) {
        const struct site *site = &w->sites[i];
        if (site->spawned_at == NULL || site->stack_bytes == 0)
            continue;
        hob_stack_use use = { site->spawned_at, site->tasks, site->stack_bytes,
                              site->stack_bytes_used };
        size_t at = count < max ? count : max; // insertion sort: deepest first
        while (at > 0 && ret_use[at - 1].stack_bytes_used < use.stack_bytes_used) {
            if (at < max)
                ret_use[at] = ret_use[at - 1];
            at--;
        }
        if (at < max)
            ret_use[at] = use;
        count++;
    }
    return count;
}
