/* SPDX-License-Identifier: MIT */
/*
 * hob_rates: buckets in a table, by key.
 *
 *     the table: hash ─▶ entry        the heap: entries that nobody waits in, by when they
 *                                     will be full; the top is full now or nobody is
 *
 * A key that is not in the table has a full bucket. So an entry whose bucket is full again may
 * be used for another key, and nothing is forgotten. When the top of the heap is not full, a new
 * key goes to `crowd`, which is not in the table.
 *
 * Between calls an entry is free, or in the table and in the heap, or in the table and in use:
 * `users` tasks wait in it, or give up waiting.
 *
 * Threads: all workers, under one short lock. Memory: all of it is made with the thing.
 */
#include "hob/rate.h"

#include <errno.h>

#include "base/alloc.h"
#include "base/heap.h"
#include "base/map.h"
#include "base/siphash.h"
#include "hob/runtime.h"
#include "resilience/bucket.h"

enum { KEYS_DEFAULT = 10000, COUNT_DEFAULT = 10 };

struct entry {
    struct map_node  node;
    struct heap_node full; /* its key: when */
    struct bucket    bucket;
    uint32_t         users;
};

struct hob_rates {
    uint32_t           tag;
    struct lock        lock;
    struct siphash_key secret;
    struct pace        pace;
    struct map         table;
    struct heap        fulls;
    uint64_t           order;
    hob_rates_stats    stats;
    struct entry       crowd;
    uint32_t           entries_max;
    struct entry       entries[]; /* the first `stats.keys` of them are in the table */
};

static hob_rates *rates_from(hob_rates *rates, const char *caller)
{
    if (rates->tag != TAG_RATES)
        hob__misuse_of(caller, "these are not rates, or they were freed");
    return rates;
}

/* A table as large as it will ever be, so that nothing is allocated under the lock. */
static int make_table(struct map *table, size_t entries_max)
{
    size_t cap = 1;
    while (cap < entries_max)
        cap *= 2;
    table->buckets = hob__alloc_zero(cap * sizeof table->buckets[0]);
    table->cap = cap;
    return table->buckets != NULL ? 0 : -ENOMEM;
}

int hob_rates_new(const hob_rates_opts *given, hob_rates **ret_rates)
{
    hob_rates_opts opts = { 0 };
    if (given != NULL)
        opts = *given;
    uint32_t   keys = opts.keys_max != 0 ? opts.keys_max : KEYS_DEFAULT;
    hob_rates *rates = hob__alloc_zero(sizeof *rates + keys * sizeof rates->entries[0]);
    if (rates == NULL)
        return -ENOMEM;
    if (make_table(&rates->table, keys) < 0) {
        hob__free(rates);
        return -ENOMEM;
    }
    rates->tag = TAG_RATES;
    rates->secret = (struct siphash_key){ hob_random(), hob_random() };
    rates->pace = hob__pace(opts.count != 0 ? opts.count : COUNT_DEFAULT, opts.burst,
                            opts.period_ns);
    rates->entries_max = keys;
    *ret_rates = rates;
    return 0;
}

void hob_rates_free(hob_rates *rates)
{
    if (rates == NULL)
        return;
    rates_from(rates, "hob_rates_free");
    for (uint64_t i = 0; i < rates->stats.keys; i++)
        hob_require(rates->entries[i].users == 0, "hob_rates_free: somebody still waits in it");
    hob_require(rates->crowd.users == 0, "hob_rates_free: somebody still waits in it");
    rates->tag = TAG_FREED;
    hob__map_fini(&rates->table);
    hob__free(rates);
}

/* ---- entries; under the lock ---- */

static struct entry *find(const hob_rates *rates, uint64_t hash)
{
    struct map_node *node = hob__map_first(&rates->table, hash);
    return node != NULL ? container_of(node, struct entry, node) : NULL;
}

/* Takes a place for a new key: one that was never used, or whose bucket is full again. */
static struct entry *take_place(hob_rates *rates, int64_t now_ns)
{
    if (rates->stats.keys < rates->entries_max)
        return &rates->entries[rates->stats.keys++];
    struct heap_node *top = rates->fulls.top;
    if (top == NULL || top->key > now_ns)
        return NULL;
    struct entry *entry = container_of(top, struct entry, full);
    hob__heap_remove(&rates->fulls, &entry->full);
    hob__map_remove(&rates->table, &entry->node);
    entry->bucket = (struct bucket){ 0 };
    return entry;
}

/* The entry of the key, out of the heap: `leave` puts it back. */
static struct entry *enter(hob_rates *rates, uint64_t hash)
{
    struct entry *entry = find(rates, hash);
    if (entry == NULL) {
        entry = take_place(rates, hob_now());
        if (entry == NULL) {
            rates->stats.crowded++;
            entry = &rates->crowd;
        } else {
            int r = hob__map_add(&rates->table, &entry->node, hash);
            hob_assert(r == 0);
        }
    } else if (heap_node_is_in(&entry->full)) {
        hob__heap_remove(&rates->fulls, &entry->full);
    }
    entry->users++;
    return entry;
}

static void leave(hob_rates *rates, struct entry *entry)
{
    if (--entry->users > 0 || entry == &rates->crowd)
        return;
    entry->full.key = hob__bucket_full_at(&entry->bucket, &rates->pace);
    entry->full.order = rates->order++;
    hob__heap_push(&rates->fulls, &entry->full);
}

static struct entry *open_entry(hob_rates *rates, const void *key, size_t key_len,
                                const char *caller)
{
    uint64_t hash = hob__siphash(&rates_from(rates, caller)->secret, key, key_len);
    lock_take(&rates->lock);
    return enter(rates, hash);
}

static void close_entry(hob_rates *rates, struct entry *entry)
{
    leave(rates, entry);
    lock_give(&rates->lock);
}

static int try_take(hob_rates *rates, struct entry *entry, uint32_t cost)
{
    if (cost > rates->pace.burst)
        return -ERANGE;
    if (hob__bucket_is_waited_for(&entry->bucket) ||
        !hob__bucket_try(&entry->bucket, &rates->pace, cost, hob_now()))
        return -EAGAIN;
    rates->stats.taken++;
    return 0;
}

/* ---- what users call ---- */

int hob_rates_try_take(hob_rates *rates, const void *key, size_t key_len, uint32_t cost)
{
    struct entry *entry = open_entry(rates, key, key_len, "hob_rates_try_take");
    int           r = try_take(rates, entry, cost);
    rates->stats.refused += r == -EAGAIN;
    close_entry(rates, entry);
    return r;
}

int hob_rates_take(hob_rates *rates, const void *key, size_t key_len, uint32_t cost)
{
    int r = hob_checkpoint();
    if (r < 0)
        return r;
    struct entry *entry = open_entry(rates, key, key_len, "hob_rates_take");
    r = try_take(rates, entry, cost);
    if (r == -EAGAIN) {
        r = hob__bucket_wait(&rates->lock, &entry->bucket, &rates->pace, cost,
                             "rates, by key");
        lock_take(&rates->lock);
        rates->stats.taken += r == 0;
    }
    close_entry(rates, entry);
    return r;
}

void hob_rates_give_back(hob_rates *rates, const void *key, size_t key_len, uint32_t cost)
{
    struct entry *entry = open_entry(rates, key, key_len, "hob_rates_give_back");
    hob__bucket_give_back(&entry->bucket, &rates->pace, cost);
    struct waiter *first = hob__bucket_first(&entry->bucket);
    close_entry(rates, entry);
    hob__waiter_poke(first);
}

int64_t hob_rates_wait_ns(hob_rates *rates, const void *key, size_t key_len, uint32_t cost)
{
    struct entry *entry = open_entry(rates, key, key_len, "hob_rates_wait_ns");
    uint64_t      all = hob__bucket_wanted(&entry->bucket) + cost;
    int64_t       r = cost > rates->pace.burst
                          ? -ERANGE
                          : hob__bucket_wait_ns(&entry->bucket, &rates->pace, all, hob_now());
    close_entry(rates, entry);
    return r;
}

void hob_rates_stats_get(hob_rates *rates, hob_rates_stats *ret_stats)
{
    rates_from(rates, "hob_rates_stats_get");
    lock_take(&rates->lock);
    *ret_stats = rates->stats;
    lock_give(&rates->lock);
}
