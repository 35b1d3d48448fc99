/* SPDX-License-Identifier: MIT */
/*
 * Pools: how they are made, counted and freed; and the threads of all of them, at the end.
 *
 * A pool lives until its owner has freed it, its threads have ended and its jobs are home. The
 * two that everybody has lie in struct pools, which the crew keeps.
 */
#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "core/crew.h"
#include "core/processors.h"
#include "core/worker.h"
#include "hob/time.h"
#include "sync/pool.h"

enum {
    THREADS_MAX = 1024,
    BLOCKING_THREADS = 64,
    SIM_THREADS = 4, /* on every machine the same, so that a seed repeats a run */
    QUEUE = 1024,
    STACK_BYTES_MIN = 64 * 1024,
};

#define IDLE (10 * HOB_SEC)

struct pools {
    pthread_mutex_t lock;
    pthread_cond_t  none_left;
    uint32_t        threads;     /* that have not come to their end        */
    bool            has_ended;   /* one has, and nobody has joined it yet: */
    pthread_t       ended;
    struct hob_pool blocking, cpu;
};

/* ---- threads end ---- */

void hob__pools_thread_begins(struct pools *pools)
{
    pthread_mutex_lock(&pools->lock);
    pools->threads++;
    pthread_mutex_unlock(&pools->lock);
}

static void count_one_less(struct pools *pools)
{
    if (--pools->threads == 0)
        pthread_cond_signal(&pools->none_left);
}

void hob__pools_thread_failed(struct pools *pools)
{
    pthread_mutex_lock(&pools->lock);
    count_one_less(pools);
    pthread_mutex_unlock(&pools->lock);
}

void hob__pools_thread_ends(struct pools *pools)
{
    pthread_mutex_lock(&pools->lock);
    pthread_t before = pools->ended;
    bool      has_before = pools->has_ended;
    pools->ended = pthread_self();
    pools->has_ended = true;
    count_one_less(pools);
    pthread_mutex_unlock(&pools->lock);
    if (has_before)
        pthread_join(before, NULL); // it ends, or has
}

static void wait_for_threads(struct pools *pools)
{
    pthread_mutex_lock(&pools->lock);
    while (pools->threads > 0)
        pthread_cond_wait(&pools->none_left, &pools->lock);
    pthread_mutex_unlock(&pools->lock);
    if (pools->has_ended)
        pthread_join(pools->ended, NULL);
}

/* ---- making and freeing ---- */

static void pool_init(hob_pool *pool, struct pools *pools, const hob_pool_opts *opts)
{
    pool->tag = TAG_POOL;
    pool->pools = pools;
    pool->threads_max = opts->threads < THREADS_MAX ? opts->threads : THREADS_MAX;
    pool->queue_max = opts->queue > 0 ? opts->queue : QUEUE;
    pool->fail_when_full = opts->fail_when_full;
    pool->idle_ns = opts->idle_ns > 0 ? opts->idle_ns : IDLE;
    pool->stack_bytes = opts->stack_bytes;
    if (pool->stack_bytes > 0 && pool->stack_bytes < STACK_BYTES_MIN)
        pool->stack_bytes = STACK_BYTES_MIN;
    strncpy(pool->name, opts->name != NULL ? opts->name : "pool", sizeof pool->name - 1);
    pool->stats.threads_max = pool->threads_max;
    atomic_init(&pool->refs, 1);
    list_init(&pool->queue);
    list_init(&pool->idlers);
    pthread_mutex_init(&pool->lock, NULL);
}

void hob__pool_unref(hob_pool *pool)
{
    if (atomic_fetch_sub(&pool->refs, 1) > 1)
        return;
    pthread_mutex_destroy(&pool->lock);
    if (!pool->is_builtin)
        hob__free(pool);
}

static uint32_t threads_to_compute(bool simulated)
{
    return simulated ? SIM_THREADS : hob__processors();
}

struct pools *hob__pools_new(bool simulated)
{
    struct pools *pools = hob__alloc_zero(sizeof *pools);
    if (pools == NULL)
        return NULL;
    pthread_mutex_init(&pools->lock, NULL);
    pthread_cond_init(&pools->none_left, NULL);
    pool_init(&pools->blocking, pools,
              &(hob_pool_opts){ .name = "blocking", .threads = BLOCKING_THREADS });
    pool_init(&pools->cpu, pools,
              &(hob_pool_opts){ .name = "cpu", .threads = threads_to_compute(simulated) });
    pools->blocking.is_builtin = pools->cpu.is_builtin = true;
    pools->blocking.simulated = pools->cpu.simulated = simulated;
    return pools;
}

void hob__pools_free(struct pools *pools)
{
    if (pools == NULL)
        return;
    hob__pool_end(&pools->blocking);
    hob__pool_end(&pools->cpu);
    wait_for_threads(pools);
    hob__pool_unref(&pools->blocking);
    hob__pool_unref(&pools->cpu);
    pthread_cond_destroy(&pools->none_left);
    pthread_mutex_destroy(&pools->lock);
    hob__free(pools);
}

static struct pools *pools_of_run(const char *caller)
{
    if (hob_unlikely(hob__worker == NULL))
        hob__misuse_of(caller, "called outside of hob_run");
    return hob__worker->crew->pools;
}

hob_pool *hob_pool_blocking(void)
{
    return &pools_of_run("hob_pool_blocking")->blocking;
}

hob_pool *hob_pool_cpu(void)
{
    return &pools_of_run("hob_pool_cpu")->cpu;
}

static void free_thing(struct thing *thing)
{
    hob_pool_free(container_of(thing, struct hob_pool, thing));
}

static const struct thing_kind kind = { "a pool of threads", "hob_pool_free", free_thing };

int hob_pool_new(const hob_pool_opts *given, hob_pool **ret_pool)
{
    struct pools *pools = pools_of_run("hob_pool_new");
    hob_pool_opts opts = { 0 };
    hob_pool     *pool = hob__alloc_zero(sizeof *pool);
    if (pool == NULL)
        return -ENOMEM;
    if (given != NULL)
        opts = *given;
    if (opts.threads == 0)
        opts.threads = threads_to_compute(hob__worker->seeded);
    pool_init(pool, pools, &opts);
    pool->simulated = hob__worker->seeded;
    hob__thing_open(&pool->thing, &kind, hob__place_of(__builtin_return_address(0)));
    *ret_pool = pool;
    return 0;
}

hob_pool *hob__pool_from(hob_pool *pool, const char *caller)
{
    if (hob_unlikely(pool == NULL || pool->tag != TAG_POOL))
        hob__misuse_of(caller, "this is not a pool, or it was freed");
    return pool;
}

void hob_pool_free(hob_pool *pool)
{
    if (pool == NULL)
        return;
    hob__pool_from(pool, "hob_pool_free");
    hob_require(!pool->is_builtin, "hob_pool_free: this pool is there for everybody: "
                                   "hob_pool_blocking and hob_pool_cpu give nothing to free");
    hob_require(hob__worker != NULL, "hob_pool_free: called outside of hob_run");
    hob__thing_close(&pool->thing);
    pool->tag = TAG_FREED;
    hob__pool_end(pool);
    hob__pool_unref(pool);
}

void hob_pool_stats_get(hob_pool *pool, hob_pool_stats *ret_stats)
{
    hob__pool_from(pool, "hob_pool_stats_get");
    pthread_mutex_lock(&pool->lock);
    *ret_stats = pool->stats;
    pthread_mutex_unlock(&pool->lock);
}
