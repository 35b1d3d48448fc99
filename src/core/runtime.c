/* SPDX-License-Identifier: MIT */
/* hob_run: makes the worker, starts the main task, runs the loop, and looks what is left. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/sys.h"
#include "core/crew.h"
#include "core/processors.h"
#include "core/run.h"
#include "core/worker.h"
#include "hob/sim.h"
#include "hob/time.h"
#include "inspect/overflow.h"
#include "inspect/report.h"
#include "inspect/watchdog.h"
#include "log/log.h"
#include "sync/signal.h"

enum {
    TASKS_MAX = 1 << 24,
    RING_ENTRIES = 1024,
    RECV_BUFS = 128,
    BLOCKING_THREADS = 4,
    WORKERS_MAX = 256,
    WORKERS_IN_SIM = 4, /* on every machine the same, so that a seed repeats a run */
};

#define SLOW_RUN       (10 * HOB_MSEC)
#define MAIN_STACK     (8 * 1024 * 1024)

/* ---- fork: the child must not touch the parent's ring ---- */

/* Without a worker every call fails its checks; where Hob itself goes on, it looks at `forked`. */
static void in_forked_child(void)
{
    hob__watchdog_forget();
    hob__workers_forget();
    hob__signals_forget();
    hob__log_forget();
    if (hob__worker == NULL)
        return;
    hob__worker->forked = true;
    hob__worker = NULL;
    hob__check_instead = HOB__ONLY_EXEC;
    __atomic_store_n(&hob__check_who, NULL, __ATOMIC_RELAXED);
}

static void register_atfork(void)
{
    pthread_atfork(NULL, NULL, in_forked_child);
}

static void watch_for_fork(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, register_atfork);
}

/* ---- options ---- */

static uint64_t parse_number(const char *text, uint64_t otherwise)
{
    if (text == NULL || *text == '\0')
        return otherwise;
    char    *end;
    uint64_t value = strtoull(text, &end, 0);
    return *end == '\0' ? value : otherwise;
}

#define FILL(field, value)         \
    do {                           \
        if (opts.field == 0)       \
            opts.field = (value);  \
    } while (0)

static hob_run_opts complete(const hob_run_opts *given)
{
    hob_run_opts opts = { 0 };
    if (given != NULL)
        opts = *given;
    const char *backend = getenv("HOB_BACKEND");
    if (backend != NULL && *backend != '\0')
        opts.backend = backend;
    opts.seed = parse_number(getenv("HOB_SEED"), opts.seed);
    opts.workers = (uint32_t)parse_number(getenv("HOB_WORKERS"), opts.workers);
    bool simulated = opts.backend != NULL && strcmp(opts.backend, "sim") == 0;
    FILL(workers, simulated ? WORKERS_IN_SIM : hob__processors());
    if (opts.workers > WORKERS_MAX)
        opts.workers = WORKERS_MAX;
    FILL(seed, 1);
    FILL(stack_bytes, MAIN_STACK);
    FILL(tasks_max, TASKS_MAX);
    FILL(ring_entries, RING_ENTRIES);
    FILL(recv_bufs, RECV_BUFS);
    FILL(blocking_threads, BLOCKING_THREADS);
    FILL(slow_ns, SLOW_RUN);
    return opts;
}

/* ---- running ---- */

int hob__run_start_main(struct run *run, hob_task_fn *main_fn, void *arg, const void *called_at)
{
    struct worker *w = run->worker;
    hob__scope_init(&w->main, w, NULL, NULL, called_at);
    hob_task_opts opts = { .name = "main", .stack_bytes = w->opts.stack_bytes };
    int r = hob__task_start(&w->main, main_fn, arg, &opts, called_at, NULL, NULL);
    if (r < 0)
        w->main.result = r;
    return r;
}

int hob__run_finish(struct run *run)
{
    if (run->worker->main.failed > 0)
        hob__log_before_report();
    int others = hob__crew_finish_others(&run->crew);
    int r = hob__worker_finish(run->worker);
    return hob__stop_result(&run->crew, r != 0 ? r : others);
}

/* A write to a peer that is gone is an error that the writer gets, not the end of the program. */
static bool ignore_sigpipe(struct sigaction *ret_old)
{
    struct sigaction ignore = { .sa_handler = SIG_IGN };
    if (hob__sys_sigaction(SIGPIPE, NULL, ret_old) < 0 || ret_old->sa_handler != SIG_DFL)
        return false;
    return hob__sys_sigaction(SIGPIPE, &ignore, NULL) == 0;
}

/* One that came to a thread that blocks it still waits, though it is ignored, and would come
 * after all when it no longer is. */
static void give_sigpipe_back(const struct sigaction *old)
{
    const struct timespec no_time = { 0 };
    sigset_t              only;
    sigemptyset(&only);
    sigaddset(&only, SIGPIPE);
    while (sigtimedwait(&only, NULL, &no_time) > 0)
        ;
    (void)hob__sys_sigaction(SIGPIPE, old, NULL);
}

int hob__run_open(struct run *run, const hob_run_opts *given)
{
    hob_require(hob__worker == NULL && hob__check_instead == NULL,
                "hob_run: it is running in this thread already");
    *run = (struct run){ 0 };
    hob_run_opts opts = complete(given);
    int          r = hob__worker_new(&opts, &run->crew, 0, &run->worker);
    if (r < 0)
        return r;
    r = hob__crew_init(&run->crew, run->worker, opts.workers);
    if (r < 0) {
        hob__worker_close(run->worker);
        return r;
    }
    watch_for_fork();
    __atomic_store_n(&hob__check_who, hob__report_who, __ATOMIC_RELAXED); // other runs do, too
    run->sigpipe_changed = ignore_sigpipe(&run->old_sigpipe);
    if (!run->crew.simulated)
        hob__log_run_begins();
    r = hob__overflow_watch(run->worker);
    if (r == 0)
        r = hob__watchdog_start(run->worker);
    if (r == 0)
        r = hob__stop_open(&run->crew);
    if (r < 0)
        hob__run_close(run);
    return r;
}

void hob__run_close(struct run *run)
{
    hob__stop_close(&run->crew);
    if (!run->crew.simulated)
        hob__log_run_ends();
    hob__log_crew_ends(&run->crew);
    hob__watchdog_stop(run->worker);
    hob__overflow_unwatch(run->worker);
    if (run->sigpipe_changed)
        give_sigpipe_back(&run->old_sigpipe);
    hob__worker_close(run->worker);
    hob__crew_fini(&run->crew);
}

static int hob__run_from(const hob_run_opts *opts, hob_task_fn *main_fn, void *arg,
                         const void *called_at)
{
    struct run run;
    int        r = hob__run_open(&run, opts);
    if (r < 0)
        return r;
    if (hob__run_start_main(&run, main_fn, arg, called_at) == 0)
        hob__loop_run(run.worker);
    r = hob__run_finish(&run);
    hob__run_close(&run);
    return r;
}

int hob_run_with(const hob_run_opts *opts, hob_task_fn *main_fn, void *arg)
{
    return hob__run_from(opts, main_fn, arg, __builtin_return_address(0));
}

int hob_run(hob_task_fn *main_fn, void *arg)
{
    return hob__run_from(NULL, main_fn, arg, __builtin_return_address(0));
}

/* ---- asking ---- */

hob_scope *hob_root(const char *name)
{
    struct worker *w = hob__worker;
    hob_require(w != NULL, "hob_root: called outside of hob_run");
    list_for_each(node, &w->roots) {
        struct root *root = container_of(node, struct root, link);
        if (strcmp(root->name, name) == 0)
            return (hob_scope *)&root->scope;
    }
    size_t       size = strlen(name) + 1;
    struct root *root = hob__alloc(sizeof *root + size);
    if (root == NULL)
        return NULL;
    hob__scope_init(&root->scope, w, NULL, NULL, __builtin_return_address(0));
    memcpy(root->name, name, size);
    list_push_back(&w->roots, &root->link);
    if (w->main_ended) // too late to live: whoever starts in it is told so
        hob__scope_cancel(&root->scope, -ECANCELED, "the main task has ended");
    return (hob_scope *)&root->scope;
}

const char *hob_backend_name(void)
{
    return hob__worker != NULL ? hob__worker->backend->type->name : "";
}

uint32_t hob_workers(void)
{
    hob_require(hob__worker != NULL, "hob_workers: called outside of hob_run");
    return hob__worker->crew->count;
}

uint32_t hob_worker_number(void)
{
    hob_require(hob__worker != NULL, "hob_worker_number: called outside of hob_run");
    return hob__worker->number;
}

uint64_t hob_random(void)
{
    struct worker *w = hob__worker;
    hob_require(w != NULL, "hob_random: called outside of hob_run");
    return w->backend->type->random(w->backend);
}

void hob_stats_get(hob_stats *ret_stats)
{
    struct worker *w = hob__worker;
    hob_require(w != NULL, "hob_stats_get: called outside of hob_run");
    struct backend_stats backend;
    w->backend->type->stats(w->backend, &backend);
    *ret_stats = w->stats;
    ret_stats->timers = w->wheel.count;
    ret_stats->recv_pool_empty = backend.recv_pool_empty;
    ret_stats->slow_runs = hob__watchdog_slow_runs(w);
    ret_stats->trace_hash = w->trace ^ backend.trace;
    for (int i = 0; i < STACK_CLASSES; i++) {
        ret_stats->stacks_mapped += w->stacks.classes[i].mapped;
        ret_stats->stacks_pooled += w->stacks.classes[i].free_count;
    }
}

int hob_sim_set_world(const hob_sim_world *world)
{
    struct worker *w = hob__worker;
    hob_require(w != NULL, "hob_sim_set_world: called outside of hob_run");
    return hob__sim_set_world(w->backend, world);
}

int hob_sim_put_file(const char *path, const void *data, size_t len)
{
    struct worker *w = hob__worker;
    hob_require(w != NULL, "hob_sim_put_file: called outside of hob_run");
    return hob__sim_put_file(w->backend, path, data, len);
}
