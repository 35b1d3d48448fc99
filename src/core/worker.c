/* SPDX-License-Identifier: MIT */
/* Workers: how one is made, what it tells when it ends, and what it leaves. */
#include "core/thing.h"
#include "core/worker.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/sys.h"
#include "core/crew.h"
#include "inspect/report.h"

enum {
    RECV_BUF_BYTES = 4096,
    SITES_CAP = 256,
};

struct list            hob__workers = { { &hob__workers.head, &hob__workers.head } };
static pthread_mutex_t workers_lock = PTHREAD_MUTEX_INITIALIZER;

__thread struct worker *hob__worker __attribute__((tls_model("initial-exec")));

void hob__workers_forget(void)
{
    pthread_mutex_init(&workers_lock, NULL);
    list_init(&hob__workers);
}

/* ---- making ---- */

static bool is_uring(const char *name)
{
    return name != NULL && strcmp(name, "uring") == 0;
}

/* The others take the backend that the first one found to be the best, if they can have it too. */
static int open_backend(struct worker *w, const struct worker *first)
{
    const char *name = first != NULL ? first->backend->type->name : w->opts.backend;
    struct backend_opts opts = {
        .ring_entries = w->opts.ring_entries,
        .recv_bufs = w->opts.recv_bufs,
        .recv_buf_bytes = RECV_BUF_BYTES,
        .blocking_threads = w->opts.blocking_threads,
        .seed = w->opts.seed,
        .sibling = first != NULL ? first->backend : NULL,
    };
    char why[256];
    int  r = hob__backend_probe(name, &opts, &w->backend, why, sizeof why);
    if (r < 0 && w->opts.backend == NULL && is_uring(name)) // locked memory for one ring less
        r = hob__backend_probe("epoll", &opts, &w->backend, why, sizeof why);
    const char *log = getenv("HOB_LOG");
    if (r < 0)
        hob__report(w, "hob: no backend: %s", why);
    else if (first == NULL && log != NULL && strcmp(log, "1") == 0)
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
    hob__free(w->log_scratch);
    w->tag = TAG_FREED;
    hob__free(w);
    hob__worker = NULL;
}

int hob__worker_new(const hob_run_opts *complete, struct crew *crew, uint32_t number,
                    struct worker **ret_worker)
{
    struct worker *w = hob__alloc_zero(sizeof *w);
    if (w == NULL)
        return -ENOMEM;
    w->tag = TAG_WORKER;
    w->opts = *complete;
    w->crew = crew;
    w->number = number;
    w->runs_per_turn = w->runs_now = RUNS_PER_POLL;
    w->inline_now = INLINE_OPS_PER_RUN;
    list_init(&w->ready);
    list_init(&w->done);
    list_init(&w->roots);
    list_init(&w->tasks);
    list_init(&w->marking);
    list_init(&w->descs);
    list_init(&w->things);
    list_init(&w->signals);
    list_init(&w->guests);
    list_init(&w->line_waits);
    hob__stack_pool_init(&w->stacks);
    w->sites_cap = SITES_CAP;
    w->sites = hob__alloc_zero(SITES_CAP * sizeof w->sites[0]); // without: no measurements
    hob__worker = w;
    pthread_mutex_lock(&workers_lock);
    list_push_back(&hob__workers, &w->everyone);
    pthread_mutex_unlock(&workers_lock);

    int r = check_stacks(w);
    if (r == 0)
        r = open_backend(w, number > 0 ? crew->workers[0] : NULL);
    if (r < 0) {
        worker_free(w);
        return r;
    }
    w->seeded = w->backend->type == &hob__backend_sim;
    w->rand.state = w->opts.seed + number;
    hob__wheel_init(&w->wheel, w->backend->type->now(w->backend));
    if (number == 0 || !w->seeded) {
        hob__context_of_thread(&w->loop);
        w->has_loop = true;
    }
    *ret_worker = w;
    return 0;
}

void hob__worker_close(struct worker *w)
{
    hob__mail_wait_for_posters();
    w->backend->type->close(w->backend);
    worker_free(w);
}

/* ---- the end ---- */

uint64_t hob__worker_children(const struct worker *w)
{
    uint64_t count = w->main.children;
    list_for_each(node, &w->roots)
        count += container_of(node, struct root, link)->scope.children;
    list_for_each(node, &w->guests)
        count++;
    return count;
}

void hob__worker_end_roots(struct worker *w)
{
    list_for_each(node, &w->roots)
        hob__scope_cancel(&container_of(node, struct root, link)->scope, -ECANCELED,
                          "the main task has ended");
}

/* Closes what was left open, and waits until the backend has let go of it. */
static void release_left_open(struct worker *w)
{
    list_for_each(node, &w->things) {
        struct thing *thing = container_of(node, struct thing, link);
        if (thing->holds_descs)
            thing->kind->free(thing);
    }
    while (!list_is_empty(&w->descs))
        hob__desc_close(container_of(list_first(&w->descs), struct desc, link));

    struct backend_stats stats;
    while (w->backend->type->stats(w->backend, &stats), stats.in_flight > 0) {
        w->backend->type->poll(w->backend, INT64_MAX, &w->done);
        for (struct list_node *node; (node = list_pop_front(&w->done)) != NULL;)
            hob__op_deliver(w, container_of(node, struct op, link));
    }
    for (struct list_node *node; (node = list_first(&w->things)) != NULL;) {
        struct thing *thing = container_of(node, struct thing, link);
        thing->kind->free(thing);
    }
}

/* The first failure: of the main task, else of a root scope. */
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

int hob__worker_finish(struct worker *w)
{
    if (w->stacks.guards_ran_out)
        hob__report(w, "hob: some stacks had no guard page: this kernel has no MADV_GUARD_INSTALL "
                       "and vm.max_map_count (%u guards) was reached; raise it with sysctl",
                    w->stacks.guards_by_mprotect_max);
    hob__report_left_open(w);
    release_left_open(w);
    return collect(w);
}
