/* SPDX-License-Identifier: MIT */
/*
 * hob_retry_budget. What is kept is what is missing in the purse, in hundredths of an attempt, so
 * that all zero is a full one. One atomic each way; the counters beside it are only for people.
 */
#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "hob/retry.h"

struct budget {
    uint32_t             percent, purse;
    atomic_uint_fast64_t missing;
    atomic_uint_fast64_t calls;
    atomic_uint          taken, refused;
};

static_assert(sizeof(struct budget) <= sizeof(hob_retry_budget), "a budget fits in its place");

enum { WHOLE = 100 };

static uint64_t purse_of(const struct budget *b)
{
    return (b->purse != 0 ? b->purse : UINT64_C(10)) * WHOLE;
}

void hob_retry_budget_call(hob_retry_budget *place)
{
    struct budget *b = (struct budget *)place;
    uint64_t       put = b->percent != 0 ? b->percent : 20;
    uint_fast64_t  missing = atomic_load_explicit(&b->missing, memory_order_relaxed);
    while (missing > 0 && !atomic_compare_exchange_weak_explicit(
                              &b->missing, &missing, missing > put ? missing - put : 0,
                              memory_order_relaxed, memory_order_relaxed))
        ;
    atomic_fetch_add_explicit(&b->calls, 1, memory_order_relaxed);
}

int hob_retry_budget_take(hob_retry_budget *place)
{
    struct budget *b = (struct budget *)place;
    uint_fast64_t  missing = atomic_load_explicit(&b->missing, memory_order_relaxed);
    do {
        if (missing + WHOLE > purse_of(b)) {
            atomic_fetch_add_explicit(&b->refused, 1, memory_order_relaxed);
            return 0;
        }
    } while (!atomic_compare_exchange_weak_explicit(&b->missing, &missing, missing + WHOLE,
                                                    memory_order_relaxed, memory_order_relaxed));
    atomic_fetch_add_explicit(&b->taken, 1, memory_order_relaxed);
    return 1;
}

void hob_retry_budget_stats_get(hob_retry_budget *place, hob_retry_budget_stats *ret_stats)
{
    struct budget *b = (struct budget *)place;
    *ret_stats = (hob_retry_budget_stats){
        .calls = atomic_load_explicit(&b->calls, memory_order_relaxed),
        .taken = atomic_load_explicit(&b->taken, memory_order_relaxed),
        .refused = atomic_load_explicit(&b->refused, memory_order_relaxed),
        .left = (uint32_t)((purse_of(b) - atomic_load_explicit(&b->missing, memory_order_relaxed)) /
                           WHOLE),
    };
}
