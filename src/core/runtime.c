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
#include "core/worker.h"
#include "hob/sim.h"
#include "hob/time.h"
#include "inspect/overflow.h"
#include "inspect/report.h"
#include "inspect/watchdog.h"
#include "sync/chan.h"
#include "sync/promise.h"

struct list            hob__workers = { { &hob__workers.head, &hob__workers.head } };
static pthread_mutex_t workers_lock = PTHREAD_MUTEX_INITIALIZER;

__thread struct worker *hob__worker __attribute__((tls_model("initial-exec")));

enum {
    TASKS_MAX = 1 << 24,
    RING_ENTRIES = 1024,
    RECV_BUFS = 128,
    RECV_BUF_BYTES = 4096,
    BLOCKING_THREADS = 4,
    SITES_CAP = 256,
};

#define SLOW_RUN       (10 * HOB_MSEC)
#define MAIN_STACK     (8 * 1024 * 1024)

/* ---- fork: the child must not touch the parent's ring ---- */

/* Without a worker every call fails its checks; where Hob itself goes on, it looks at `forked`. */
static void in_forked_child(void)
{
    hob__watchdog_forget();
    pthread_mutex_init(&workers_lock, NULL);
    list_init(&hob__workers);
    if (hob__worker == NULL)
        return;
    hob__worker->forked = true;
    hob__worker = NULL;
    hob__check_instead = HOB__ONLY_EXEC;
    hob__check_who = NULL;
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
    FILL(seed, 1);
    FILL(stack_bytes, MAIN_STACK);
    FILL(tasks_max, TASKS_MAX);
    FILL(ring_entries, RING_ENTRIES);
    FILL(recv_bufs, RECV_BUFS);
    FILL(blocking_threads, BLOCKING_THREADS);
    FILL(slow_ns, SLOW_RUN);
    return opts;
}

/* ---- the worker ---- */

static int open_backend(struct worker *w)
{
    struct backend_opts opts = {
        .ring_entries = w->opts.ring_entries,
        .recv_bufs = w->opts.recv_bufs,
        .recv_buf_bytes = RECV_BUF_BYTES,
        .blocking_threads = w->opts.blocking_threads,
        .seed = w->opts.seed,
    };
    char why[256];
    int  r = hob__backend_probe(w->opts.backend, &opts, &w->backend, why, sizeof why);
    const char *log = getenv("HOB_LOG");
    if (r < 0)
        hob__report(w, "hob: no backend: %s", why);
    else if (log != NULL && strcmp(log, "1") == 0)
        hob__report(w, "hob: backend %s: %s", w->backend->type->name, why);
    return r;
}

/* Usually the loader has left shadow stacks off, because this library does not claim to bear
 * them; but a program can switch them on by itself. Better told now than by a fault at the
 * first switch. */
static int check_stacks(const struct worker *w)
{
    if (!hob__sys_has_shadow_stack())
        return 0;
    hob__report(w, "hob: this program runs with a shadow stack, but Hob's tasks have none to switch "
                   "to, and the first would be stopped by the processor. Start it with "
                   "GLIBC_TUNABLES=glibc.cpu.x86_shstk=off, or link it without -z shstk.");
    return -ENOTSUP;
}

static void worker_free(struct worker *w)
{
    pthread_mutex_lock(&workers_lock);
    list_remove(&w->everyone);
    pthread_mutex_unlock(&workers_lock);
    hob__stack_pool_fini(&w->stacks);
    hob__map_fini(&w->suspended);
    hob__free(w->sites);
    w->tag = TAG_FREED;
    hob__free(w);
    hob__worker = NULL;
}

static int worker_new(const hob_run_opts *given, struct worker **ret_worker)
{
    struct worker *w = hob__alloc_zero(sizeof *w);
    if (w == NULL)
        return -ENOMEM;
    w->tag = TAG_WORKER;
    w->opts = complete(given);
    list_init(&w->ready);
    list_init(&w->done);
    list_init(&w->roots);
    list_init(&w->tasks);
    list_init(&w->marking);
    list_init(&w->descs);
    list_init(&w->promises);
    list_init(&w->chans);
    hob__stack_pool_init(&w->stacks);
    w->sites_cap = SITES_CAP;
    w->sites = hob__alloc_zero(SITES_CAP * sizeof w->sites[0]); // without: no measurements
    hob__worker = w;
    pthread_mutex_lock(&workers_lock);
    list_push_back(&hob__workers, &w->everyone);
    pthread_mutex_unlock(&workers_lock);

    int r = check_stacks(w);
    if (r == 0)
        r = open_backend(w);
    if (r < 0) {
        worker_free(w);
        return r;
    }
    w->seeded = w->backend->type == &hob__backend_sim;
    w->rand.state = w->opts.seed;
    hob__wheel_init(&w->wheel, w->backend->type->now(w->backend));
    hob__context_of_thread(&w->loop);
    *ret_worker = w;
    return 0;
}

/* ---- the end ---- */

/* Closes what was left open, and waits until the backend has let go of it. */
static void release_left_open(struct worker *w)
{
    while (!list_is_empty(&w->descs))
        hob__desc_close(container_of(list_first(&w->descs), struct desc, link));

    struct backend_stats stats;
    while (w->backend->type->stats(w->backend, &stats), stats.in_flight > 0) {
        w->backend->type->poll(w->backend, INT64_MAX, &w->done);
        for (struct list_node *node; (node = list_pop_front(&w->done)) != NULL;)
            hob__op_deliver(w, container_of(node, struct op, link));
    }
    for (struct list_node *node; (node = list_first(&w->promises)) != NULL;)
        hob_promise_free(container_of(node, struct hob_promise, link));
    for (struct list_node *node; (node = list_first(&w->chans)) != NULL;)
        hob_chan_free(container_of(node, struct hob_chan, link));
}

/* The result of the run: the main task's, else the first failure of a root scope. */
static int collect(struct worker *w)
{
    int result = w->main.result;
    if (w->main.failed > 0)
        hob__report_failures(&w->main, "the main task failed");
    for (struct list_node *node; (node = list_pop_front(&w->roots)) != NULL;) {
        struct root *root = container_of(node, struct root, link);
        if (root->scope.failed > 0) {
            char headline[128];
            snprintf(headline, sizeof headline, "the root scope \"%s\" failed", root->name);
            hob__report_failures(&root->scope, headline);
            if (result == 0)
                result = root->scope.result;
        }
        hob__scope_fini(&root->scope);
        hob__free(root);
    }
    hob__scope_fini(&w->main);
    return result;
}

static int run(struct worker *w, hob_task_fn *main_fn, void *arg, const void *called_at)
{
    hob__scope_init(&w->main, w, NULL, NULL, called_at);
    hob_task_opts opts = { .name = "main", .stack_bytes = w->opts.stack_bytes };
    int r = hob__task_start(&w->main, main_fn, arg, &opts, called_at, NULL, NULL);
    if (r < 0) {
        w->main.result = r;
        return collect(w);
    }
    hob__loop_run(w);
    if (w->stacks.guards_ran_out)
        hob__report(w, "hob: some stacks had no guard page: this kernel has no MADV_GUARD_INSTALL "
                       "and vm.max_map_count (%u guards) was reached; raise it with sysctl",
                    w->stacks.guards_by_mprotect_max);
    hob__report_left_open(w);
    release_left_open(w);
    return collect(w);
}

/* A write to a peer that is gone is an error that the writer gets, not the end of the program. */
static bool ignore_sigpipe(struct sigaction *ret_old)
{
    struct sigaction ignore = { .sa_handler = SIG_IGN };
    if (hob__sys_sigaction(SIGPIPE, NULL, ret_old) < 0 || ret_old->sa_handler != SIG_DFL)
        return false;
    return hob__sys_sigaction(SIGPIPE, &ignore, NULL) == 0;
}

static int hob__run_from(const hob_run_opts *opts, hob_task_fn *main_fn, void *arg,
                         const void *called_at)
{
    hob_require(hob__worker == NULL && hob__check_instead == NULL,
                "hob_run: it is running in this thread already");
    struct worker *w;
    int            r = worker_new(opts, &w);
    if (r < 0)
        return r;
    watch_for_fork();
    hob__check_who = hob__report_who;
    struct sigaction old_sigpipe;
    bool             sigpipe_changed = ignore_sigpipe(&old_sigpipe);
    r = hob__overflow_watch(w);
    if (r == 0)
        r = hob__watchdog_start(w);

    if (r == 0)
        r = run(w, main_fn, arg, called_at);

    hob__watchdog_stop(w);
    hob__overflow_unwatch(w);
    if (sigpipe_changed)
        (void)hob__sys_sigaction(SIGPIPE, &old_sigpipe, NULL);
    w->backend->type->close(w->backend);
    worker_free(w);
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
