/* SPDX-License-Identifier: MIT */
/*
 * hob/cache.h: a store, and flights that fill it.
 *
 *     get ──▶ store ── there ──▶ copy
 *               │
 *               └── not there, or too old ──▶ flight ──▶ load ──▶ store, and a copy to each caller
 *
 * A load puts what it found into the store in its own task, before those who wait for it run; one
 * that was forgotten meanwhile does not, for what it found may be what was there before the change.
 *
 * Memory: the user, the flights (and so all loads) and each call inside hold the cache.
 * Threads: one worker.
 */
#include "hob/cache.h"

#include <errno.h>
#include <stdbool.h>

#include "base/alloc.h"
#include "base/check.h"
#include "hob/flight.h"
#include "hob/runtime.h"
#include "hob/scope.h"
#include "resilience/store.h"

struct hob_cache {
    uint32_t        tag;
    uint32_t        worker;
    uint32_t        refs;
    bool            is_freed;
    hob_cache_opts  opts;
    hob_cache_fn   *load;
    void           *arg;
    hob_flights    *flights;
    struct store    store;
    hob_cache_stats stats; /* but for what the store counts */
};

static hob_cache *cache_from(hob_cache *cache, const char *caller)
{
    if (hob_unlikely(cache->tag != TAG_CACHE))
        hob__misuse_of(caller, "this is not a cache, or it was freed");
    if (hob_unlikely(cache->worker != hob_worker_number()))
        hob__misuse_of(caller, "the cache belongs to another worker; only that one may use it");
    return cache;
}

static void unref(hob_cache *c)
{
    if (--c->refs > 0)
        return;
    if (c->opts.gone != NULL)
        c->opts.gone(c->arg);
    hob__free(c);
}

/* ---- time ---- */

static int64_t later(int64_t time_ns, int64_t by_ns)
{
    int64_t sum;
    return __builtin_add_overflow(time_ns, by_ns, &sum) ? HOB_FOREVER : sum;
}

/* A lifetime shortened by chance. */
static int64_t shortened(const hob_cache *c, int64_t ttl_ns)
{
    int64_t percent = c->opts.jitter_percent == 0 ? 10 : c->opts.jitter_percent;
    if (percent < 0 || ttl_ns == HOB_FOREVER)
        return ttl_ns;
    if (percent > 100)
        percent = 100;
    uint64_t width = (uint64_t)(ttl_ns / 100 * percent + ttl_ns % 100 * percent / 100) + 1;
    return ttl_ns - (int64_t)(((unsigned __int128)hob_random() * width) >> 64);
}

static void set_times(const hob_cache *c, struct entry *e, int64_t ttl_ns)
{
    int64_t now_ns = hob_now(), ttl = shortened(c, ttl_ns);
    int64_t longer = c->opts.stale_ns > c->opts.stale_error_ns ? c->opts.stale_ns
                                                               : c->opts.stale_error_ns;
    e->fresh_until_ns = later(now_ns, ttl);
    e->refresh_at_ns = HOB_FOREVER;
    if (c->opts.refresh_percent > 0 && c->opts.refresh_percent < 100 && ttl != HOB_FOREVER)
        e->refresh_at_ns = later(now_ns, ttl / 100 * c->opts.refresh_percent);
    e->keep_until_ns = e->error == 0 && longer > 0 ? later(e->fresh_until_ns, longer)
                                                   : e->fresh_until_ns;
}

static bool is_fresh(const struct entry *e)
{
    return hob_now() < e->fresh_until_ns;
}

/* Whether the value may still be given so long after its time. */
static bool is_good_for(const struct entry *e, int64_t after_ns)
{
    return e->error == 0 && hob_now() < later(e->fresh_until_ns, after_ns);
}

/* ---- loading ---- */

static bool is_answer(const hob_cache *c, int error)
{
    return c->opts.is_answer != NULL ? c->opts.is_answer(c->arg, error) : error == -ENOENT;
}

static void put(hob_cache *c, const void *key, size_t key_len, const void *value, int error,
                int64_t ttl_ns, size_t bytes, int *ret_r)
{
    struct entry *e = NULL;
    *ret_r = hob__store_put(&c->store, key, key_len, value, error, bytes, hob_now(), &e);
    if (*ret_r == 0)
        set_times(c, e, ttl_ns);
}

static void forget_entry(hob_cache *c, const void *key, size_t key_len)
{
    struct entry *e = hob__store_find(&c->store, key, key_len);
    if (e != NULL)
        hob__store_remove(&c->store, e);
}

/* The load has failed, and that is no answer: an old value, if there is one, stays. */
static void note_failure(hob_cache *c, const hob_cache_load *load)
{
    struct entry *e = hob__store_find(&c->store, load->key, load->key_len);
    c->stats.failures++;
    if (e != NULL)
        e->retry_at_ns = hob_in(c->opts.pause_ns);
}

/* Keeps what a load found. That there is no room or memory for it is no failure: those who wait
 * have it all the same, and the next one loads it again. */
static void keep(hob_cache *c, const hob_cache_load *load, int r, const void *value)
{
    bool    answers = r == 0 || load->ttl_ns > 0 || is_answer(c, r);
    int64_t ttl_ns = load->ttl_ns != 0 ? load->ttl_ns
                     : r == 0          ? c->opts.ttl_ns
                                       : c->opts.negative_ttl_ns;
    int     kept;
    if (!answers)
        note_failure(c, load);
    else if (ttl_ns <= 0)
        forget_entry(c, load->key, load->key_len); // what was there is no longer so
    else
        put(c, load->key, load->key_len, value, r, ttl_ns, load->bytes, &kept);
}

static int load_and_keep(void *arg, const hob_flight *flight, void *ret_value)
{
    hob_cache     *c = arg;
    hob_cache_load load = { .key = flight->key, .key_len = flight->key_len };
    c->stats.loads++;
    int r = c->load(c->arg, &load, ret_value);
    if (r > 0)
        r = 0;
    bool unwanted = r == -ECANCELED && hob_cancelled() < 0;
    if (!flight->forgotten && !c->is_freed && !unwanted)
        keep(c, &load, r, ret_value);
    return r;
}

/* Behind the caller's back. When it cannot be begun the next one who asks begins it. */
static void refresh(hob_cache *c, const void *key, size_t key_len)
{
    c->stats.refreshes += hob_flights_start(c->flights, key, key_len) == 1;
}

/* ---- getting ---- */

static int give_stale(hob_cache *c, struct entry *e, void *ret_value)
{
    int r = hob__store_copy(&c->store, ret_value, e->value);
    c->stats.stale += r == 0;
    return r == 0 ? HOB_CACHE_STALE : r;
}

/* What can be had at once: true, and how it went. */
static bool give_kept(hob_cache *c, struct entry *e, void *ret_value, bool *ret_refresh,
                      int *ret_r)
{
    bool may_load = hob_now() >= e->retry_at_ns;
    e->asked = true;
    if (is_fresh(e)) {
        c->stats.hits++;
        c->stats.negative += e->error < 0;
        *ret_refresh = may_load && hob_now() >= e->refresh_at_ns;
        *ret_r = e->error < 0 ? e->error : hob__store_copy(&c->store, ret_value, e->value);
        return true;
    }
    bool is_stale = is_good_for(e, c->opts.stale_ns);
    if (!is_stale && (may_load || !is_good_for(e, c->opts.stale_error_ns)))
        return false;
    *ret_refresh = may_load;
    *ret_r = give_stale(c, e, ret_value);
    return true;
}

static int load_now(hob_cache *c, const void *key, size_t key_len, void *ret_value)
{
    c->stats.misses++;
    int r = hob_flights_call(c->flights, key, key_len, ret_value);
    if (r >= 0 || hob_cancelled() < 0)
        return r;
    struct entry *e = c->is_freed ? NULL : hob__store_find(&c->store, key, key_len);
    if (e != NULL && is_good_for(e, c->opts.stale_error_ns))
        return give_stale(c, e, ret_value);
    return r;
}

static int get(hob_cache *c, const void *key, size_t key_len, void *ret_value)
{
    struct entry *e = hob__store_find(&c->store, key, key_len);
    bool          refreshes = false;
    int           r;
    if (e == NULL || !give_kept(c, e, ret_value, &refreshes, &r))
        return load_now(c, key, key_len, ret_value);
    if (refreshes)
        refresh(c, key, key_len); // after the copy: the entry may be another then
    return r;
}

int hob_cache_get(hob_cache *cache, const void *key, size_t key_len, void *ret_value)
{
    hob_cache *c = cache_from(cache, "hob_cache_get");
    int        r = hob_checkpoint();
    if (r < 0)
        return r;
    c->refs++;
    r = get(c, key, key_len, ret_value);
    unref(c);
    return r;
}

int hob_cache_peek(hob_cache *cache, const void *key, size_t key_len, void *ret_value)
{
    hob_cache    *c = cache_from(cache, "hob_cache_peek");
    struct entry *e = hob__store_find(&c->store, key, key_len);
    if (e == NULL || hob_now() >= e->keep_until_ns)
        return -ENOENT;
    e->asked = true;
    if (e->error < 0)
        return e->error;
    int r = hob__store_copy(&c->store, ret_value, e->value);
    return r < 0 ? r : is_fresh(e) ? 0 : HOB_CACHE_STALE;
}

/* ---- changing ---- */

int hob_cache_put(hob_cache *cache, const void *key, size_t key_len, const void *value,
                  int64_t ttl_ns, size_t bytes)
{
    hob_cache *c = cache_from(cache, "hob_cache_put");
    int        r = 0;
    hob_flights_forget(c->flights, key, key_len);
    if (ttl_ns < 0)
        forget_entry(c, key, key_len);
    else
        put(c, key, key_len, value, 0, ttl_ns != 0 ? ttl_ns : c->opts.ttl_ns, bytes, &r);
    return r;
}

void hob_cache_forget(hob_cache *cache, const void *key, size_t key_len)
{
    hob_cache *c = cache_from(cache, "hob_cache_forget");
    hob_flights_forget(c->flights, key, key_len);
    forget_entry(c, key, key_len);
}

void hob_cache_clear(hob_cache *cache)
{
    hob_cache *c = cache_from(cache, "hob_cache_clear");
    hob_flights_forget_all(c->flights);
    hob__store_clear(&c->store);
}

void hob_cache_stats_get(hob_cache *cache, hob_cache_stats *ret_stats)
{
    hob_cache *c = cache_from(cache, "hob_cache_stats_get");
    *ret_stats = c->stats;
    ret_stats->entries = c->store.table.count;
    ret_stats->bytes = c->store.bytes;
    ret_stats->evicted = c->store.evicted;
}

/* ---- beginning and end ---- */

static void flights_gone(void *arg)
{
    unref(arg);
}

static hob_cache_opts complete(const hob_cache_opts *given)
{
    hob_cache_opts opts = { 0 };
    if (given != NULL)
        opts = *given;
    if (opts.entries_max == 0)
        opts.entries_max = 1024;
    if (opts.bytes_max == 0)
        opts.bytes_max = (size_t)64 << 20;
    if (opts.ttl_ns == 0)
        opts.ttl_ns = HOB_MINUTE;
    if (opts.pause_ns == 0)
        opts.pause_ns = HOB_SEC;
    if (opts.load_max_ns == 0)
        opts.load_max_ns = 30 * HOB_SEC;
    return opts;
}

int hob_cache_new(hob_scope *scope, hob_cache_fn *load, void *arg, const hob_cache_opts *opts,
                  hob_cache **ret_cache)
{
    hob_require(load != NULL, "hob_cache_new: there is no function to load with: it is NULL");
    hob_cache *c = hob__alloc_zero(sizeof *c);
    if (c == NULL)
        return -ENOMEM;
    c->opts = complete(opts);
    hob_require(c->opts.drop == NULL || c->opts.copy != NULL,
                "hob_cache_new: values that are to be dropped need a `copy`");
    c->tag = TAG_CACHE;
    c->worker = hob_worker_number();
    c->load = load;
    c->arg = arg;
    c->refs = 2; // the user's and the flights'
    c->store = (struct store){ .value_bytes = c->opts.value_bytes, .copy = c->opts.copy,
                               .drop = c->opts.drop, .entries_max = c->opts.entries_max,
                               .bytes_max = c->opts.bytes_max,
                               .secret = { hob_random(), hob_random() } };
    list_init(&c->store.order);
    hob_flights_opts flights = { .name = c->opts.name, .result_bytes = c->opts.value_bytes,
                                 .copy = c->opts.copy, .drop = c->opts.drop,
                                 .run_max_ns = c->opts.load_max_ns, .runs_max = c->opts.loads_max,
                                 .stack_bytes = c->opts.stack_bytes, .gone = flights_gone };
    int r = hob_flights_new(scope, load_and_keep, c, &flights, &c->flights);
    if (r < 0) {
        hob__free(c);
        return r;
    }
    *ret_cache = c;
    return 0;
}

void hob_cache_free(hob_cache *cache)
{
    if (cache == NULL)
        return;
    hob_cache *c = cache_from(cache, "hob_cache_free");
    c->tag = TAG_FREED;
    c->is_freed = true;
    hob__store_fini(&c->store);
    hob_flights_free(c->flights);
    unref(c);
}
