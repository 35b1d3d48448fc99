/* SPDX-License-Identifier: MIT */
#include "inspect/report.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/thing.h"
#include "core/worker.h"
#include "hob/inspect.h"
#include "inspect/symbol.h"
#include "sync/pool.h"

enum { TEXT_MAX = 1024, PLACE_MAX = 256, LEFT_OPEN_SHOWN = 20 };

/* The worker's thread reports, and the watchdog's. What takes reports may cause one. */
static pthread_mutex_t one_at_a_time = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;

void hob__report(const struct worker *w, const char *format, ...)
{
    char    text[TEXT_MAX];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, sizeof text - 1, format, args);
    va_end(args);
    if (len < 0)
        return;
    if ((size_t)len > sizeof text - 2)
        len = (int)sizeof text - 2;
    if (w != NULL && w->opts.report != NULL) {
        pthread_mutex_lock(&one_at_a_time);
        w->opts.report(w->opts.report_arg, text);
        pthread_mutex_unlock(&one_at_a_time);
        return;
    }
    text[len++] = '\n';
    ssize_t written = write(STDERR_FILENO, text, (size_t)len); // nobody to tell if this fails
    (void)written;
}

const char *hob__describe_task(const struct task *task, char *text, size_t size)
{
    char function[PLACE_MAX], place[PLACE_MAX];
    hob__function_name((const void *)task->fn, function, sizeof function);
    hob_describe_address(task->spawned_at, place, sizeof place);
    bool named = task->name[0] != '\0';
    snprintf(text, size, "task %llu%s%s%s (%s), started at %s", (unsigned long long)task->id,
             named ? " \"" : "", task->name, named ? "\"" : "", function, place);
    return text;
}

void hob__report_will_not_leave(const struct task *task)
{
    char        text[2 * PLACE_MAX + 64];
    const char *reason = task->scope->cancel_code != 0 ? task->scope->reason : task->solo_reason;
    hob__report(task->worker,
                "hob: %s will not leave: it was cancelled (%s) and has ignored that %u times. "
                "Return from it when a call gives -ECANCELED or -ETIMEDOUT (HOB_TRY does), or "
                "finish what must be finished inside HOB_SHIELD.",
                hob__describe_task(task, text, sizeof text), reason != NULL ? reason : "no reason",
                task->ignored_cancels);
}

void hob__report_slow_cleanup(const struct scope *scope, const void *fn)
{
    char function[PLACE_MAX], place[PLACE_MAX];
    hob__function_name(fn, function, sizeof function);
    hob_describe_address(scope->opened_at, place, sizeof place);
    hob__report(scope->worker,
                "hob: the clean-up %s of the scope opened at %s took longer than its 5 s of grace; "
                "its calls were cut off with -ETIMEDOUT (%s). Give it its own HOB_SHIELD with a "
                "limit, and let it not wait for what may never come.",
                function, place, hob_error_name(HOB_ELEFT));
}

/* "task "buyer" (ask_price), started at ...; it gave up at ..." */
static void report_failure(const struct worker *w, const char *lead, const hob_failure *failure)
{
    char function[PLACE_MAX], start[PLACE_MAX], end[PLACE_MAX] = "";
    bool named = failure->task[0] != '\0', left = failure->failed_at != NULL;
    hob__function_name(failure->function, function, sizeof function);
    hob_describe_address(failure->spawned_at, start, sizeof start);
    if (left)
        hob_describe_address(failure->failed_at, end, sizeof end);
    hob__report(w, "  %s: %s in task%s%s%s (%s), started at %s%s%s", lead,
                hob_error_name(failure->error), named ? " \"" : "", failure->task,
                named ? "\"" : "", function, start, left ? "; it gave up at " : "", end);
}

static void report_chain(const struct worker *w, const char *lead, hob_failure failure)
{
    report_failure(w, lead, &failure);
    while (hob_failure_cause(&failure, &failure) == 0)
        report_failure(w, "  because of", &failure);
}

void hob__report_failures(const struct scope *scope, const char *headline)
{
    hob__report(scope->worker, "hob: %s: %s (%s)", headline, hob_strerror(scope->result),
                hob_error_name(scope->result));
    size_t kept = scope->failed < FAILURES_KEPT ? scope->failed : FAILURES_KEPT;
    for (size_t i = 0; i < kept; i++)
        report_chain(scope->worker, i == 0 ? "first" : "then", scope->kept[i]);
    if (scope->failed > kept)
        hob__report(scope->worker, "  and %zu more", scope->failed - kept);
}

void hob__report_left_open(struct worker *w)
{
    int  shown = 0;
    char place[PLACE_MAX];
    list_for_each(node, &w->descs) {
        const struct desc *desc = container_of(node, struct desc, link);
        if (++shown <= LEFT_OPEN_SHOWN)
            hob__report(w, "hob: left open at the end: a %s, made at %s. Close it where its owner "
                           "ends, or by HOB_DEFER.",
                        desc->what, hob_describe_address(desc->made_at, place, sizeof place));
    }
    list_for_each(node, &w->things) {
        const struct thing *thing = container_of(node, struct thing, link);
        if (++shown <= LEFT_OPEN_SHOWN)
            hob__report(w, "hob: left at the end: %s, made at %s. %s it.", thing->kind->what,
                        hob_describe_address(thing->made_at, place, sizeof place),
                        thing->kind->undo);
    }
    if (shown > LEFT_OPEN_SHOWN)
        hob__report(w, "hob: and %d more were left", shown - LEFT_OPEN_SHOWN);
}

void hob__report_who(int fd)
{
    struct task *task = hob__task_self();
    char         text[2 * PLACE_MAX + 64], line[sizeof text + 32];
    hob__job_report_who(fd);
    if (task == NULL)
        return;
    int len = snprintf(line, sizeof line, "hob: in %s\n", hob__describe_task(task, text, sizeof text));
    ssize_t written = write(fd, line, (size_t)len);
    (void)written;
}
