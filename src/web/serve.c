/* SPDX-License-Identifier: MIT */
/*
 * Serving on each worker; and what signals mean to it.
 *
 *     SIGTERM, SIGINT   not ready any more ── drain_ns, or another signal ─▶ hob_stop
 *     SIGHUP            reload
 *
 * hob/stop.h knows what stopping is; here it is only put off, while who balances load looks elsewhere.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "hob/log.h"
#include "hob/offload.h"
#include "hob/runtime.h"
#include "hob/sem.h"
#include "hob/signal.h"
#include "hob/stop.h"
#include "web/web.h"

/* A worker, and what its server counts: for that worker alone to read. */
struct web_shard {
    hob_http_stats stats;
    uint32_t       worker;
    unsigned char  runs; /* atomic */
};

struct serving {
    struct web_service       *service;
    const hob_web_serve_opts *opts;
    hob_addr                  addr;
    hob_sem                   begun; /* released by each worker that has */
    int                       result;
};

/* ---- numbers ---- */

struct asked {
    const struct web_shard *shard;
    hob_http_stats          stats;
};

static int read_stats(void *arg)
{
    struct asked *asked = arg;
    asked->stats = asked->shard->stats;
    return 0;
}

int hob__web_server_stats(struct web_service *service, hob_http_stats *ret_stats)
{
    uint64_t *sum = (uint64_t *)ret_stats;

    _Static_assert(sizeof *ret_stats % sizeof *sum == 0, "nothing but numbers of 64 bits");
    memset(ret_stats, 0, sizeof *ret_stats);
    for (uint32_t i = 0; i < service->shard_count; i++) {
        struct asked asked = { .shard = &service->shards[i] };
        if (!__atomic_load_n(&service->shards[i].runs, __ATOMIC_ACQUIRE))
            continue;
        HOB_TRY(hob_on(service->shards[i].worker, read_stats, &asked));
        for (size_t j = 0; j < sizeof asked.stats / sizeof *sum; j++)
            sum[j] += ((const uint64_t *)&asked.stats)[j];
    }
    return 0;
}

/* ---- signals ---- */

static void drain(struct serving *serving, hob_signals *signals, int signal)
{
    hob_scope scope;

    __atomic_store_n(&serving->service->drains, true, __ATOMIC_RELAXED);
    HOB_LOG(NOTICE, "not ready any more, stopping soon", "signal", signal);
    hob_scope_begin(&scope);
    hob_scope_deadline(&scope, hob_in(serving->opts->drain_ns));
    int again = hob_signals_next(signals); // or until the time is over
    (void)!hob_scope_end(&scope);
    (void)again;
    if (hob_cancelled() == 0)
        hob_stop(signal == SIGINT ? "SIGINT" : "SIGTERM");
}

static int wait_for_the_end(void *arg)
{
    struct serving *serving = arg;
    hob_signals    *signals;

    HOB_TRY(hob_signals_open(HOB_SIGNALS(SIGTERM, SIGINT), &signals));
    int signal = hob_signals_next(signals);
    if (signal > 0)
        drain(serving, signals, signal);
    hob_signals_close(signals); // another one is hob/stop.h's
    return signal < 0 ? signal : 0;
}

static int wait_for_reload(void *arg)
{
    struct serving *serving = arg;
    hob_signals    *signals;
    int             signal;

    HOB_TRY(hob_signals_open(HOB_SIGNALS(SIGHUP), &signals));
    while ((signal = hob_signals_next(signals)) > 0) {
        int r = serving->opts->reload(serving->opts->arg);
        if (r < 0 && hob_cancelled() != 0)
            break;
        if (r < 0)
            HOB_LOG(ERROR, "not reloaded", "error", hob_log_error(r));
        else
            HOB_LOG(NOTICE, "reloaded");
    }
    hob_signals_close(signals);
    return signal < 0 ? signal : 0;
}

/* ---- serving ---- */

/* Between `begin` and `end`. */
static int serve_requests(hob_tcp_listener *listener, const struct serving *serving)
{
    struct web_shard *shard = &serving->service->shards[hob_worker_number()];
    hob_http_opts     opts = { .idle_ns = 0 };

    if (serving->opts->http != NULL)
        opts = *serving->opts->http;
    opts.stats = &shard->stats;
    __atomic_store_n(&shard->runs, 1, __ATOMIC_RELEASE);
    return hob_http_serve(listener, &opts, hob_web_answer, &serving->service->root);
}

static int serve_here(hob_tcp_listener *listener, void *arg)
{
    struct serving           *serving = arg;
    const hob_web_serve_opts *opts = serving->opts;
    hob_scope                 beside;
    int                       r = 0;

    hob_scope_begin(&beside);
    if (opts->begin != NULL)
        r = opts->begin(opts->arg, &beside);
    if (r >= 0) {
        hob_sem_release(&serving->begun);
        r = serve_requests(listener, serving);
        if (opts->end != NULL)
            opts->end(opts->arg);
    }
    hob_scope_cancel(&beside, "its server has ended");
    int ended = hob_scope_end(&beside);
    return hob_scope_failures(&beside) > 0 ? ended : r;
}

static int serve_all(void *arg)
{
    struct serving *serving = arg;
    serving->result = hob_tcp_serve_sharded(&serving->addr, serving->opts->listen, serve_here, serving);
    return serving->result;
}

static int start_all(struct serving *serving, hob_scope *scope)
{
    hob_task_opts beside = { .name = "web: signals", .daemon = 1 };
    hob_task_opts servers = { .name = "web: servers" };
    void         *addr;

    if (serving->opts->drain_ns > 0)
        HOB_TRY(hob_go_with(scope, wait_for_the_end, serving, &beside));
    if (serving->opts->reload != NULL)
        HOB_TRY(hob_go_with(scope, wait_for_reload, serving, &beside));
    HOB_TRY(hob_go_ready(scope, serve_all, serving, &servers, &addr));
    for (uint32_t i = 0; i < hob_workers(); i++)
        HOB_TRY(hob_sem_acquire(&serving->begun)); // a worker that cannot begin cancels this
    if (serving->opts->listening != NULL)
        serving->opts->listening(serving->opts->arg, addr);
    hob_ready(addr);
    return 0;
}

int hob_web_serve(hob_web *web, const hob_addr *addr, const hob_web_serve_opts *opts)
{
    static const hob_web_serve_opts none = { .http = NULL };
    if (web == NULL || addr == NULL)
        hob_mistake("hob_web_serve", "there is no service, or no address: it is NULL");
    struct web_service             *service = web->service;
    struct serving                  serving = { .service = service, .opts = opts != NULL ? opts : &none,
                                                .addr = *addr,
                                                .begun = { .name = "workers that have begun" } };
    hob_scope                       scope;

    if (web != &service->root)
        hob_mistake("hob_web_serve", "a group is served with its service");
    if (service->shards != NULL)
        hob_mistake("hob_web_serve", "this service is served already");
    if (service->error != 0)
        return service->error;
    struct web_shard *shards = hob__web_alloc(hob_workers() * sizeof *shards);
    if (shards == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < hob_workers(); i++)
        shards[i].worker = i;
    service->shards = shards;
    service->shard_count = hob_workers();

    hob_scope_begin(&scope);
    int r = start_all(&serving, &scope);
    if (r < 0)
        hob_scope_cancel(&scope, "the service could not start");
    int ended = hob_scope_end(&scope);
    service->shards = NULL;
    service->shard_count = 0;
    hob__web_free(shards);
    return r < 0 && r != -ECANCELED ? r : ended;
}
