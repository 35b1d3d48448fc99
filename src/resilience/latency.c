/* SPDX-License-Identifier: MIT */
/*
 * hob_latency: the last times in order of their coming, and the same ones sorted. To note one is
 * to move some of 128 numbers by one place; to ask is to look.
 *
 * Threads: all workers, under a short lock in the place.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/lock.h"
#include "hob/hedge.h"

enum { KEPT = 128, ENOUGH = 16 };

struct latency {
    const char *name;
    struct lock lock;
    uint32_t    count;        /* of those kept                     */
    uint32_t    next;         /* where in `last` the next one goes */
    int64_t     last[KEPT];
    int64_t     sorted[KEPT]; /* the first `count`                 */
};

static_assert(sizeof(struct latency) <= sizeof(hob_latency), "a latency fits in its place");

/* How many of the sorted ones are less. */
static uint32_t rank_of(const struct latency *l, int64_t ns)
{
    uint32_t low = 0, high = l->count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (l->sorted[middle] < ns)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void forget_oldest(struct latency *l)
{
    int64_t *at = &l->sorted[rank_of(l, l->last[l->next])];
    memmove(at, at + 1, (size_t)(&l->sorted[l->count] - at - 1) * sizeof *at);
    l->count--;
}

void hob_latency_note(hob_latency *place, int64_t duration_ns)
{
    struct latency *l = (struct latency *)place;
    lock_take(&l->lock);
    if (l->count == KEPT)
        forget_oldest(l);
    int64_t *at = &l->sorted[rank_of(l, duration_ns)];
    memmove(at + 1, at, (size_t)(&l->sorted[l->count] - at) * sizeof *at);
    *at = duration_ns;
    l->count++;
    l->last[l->next] = duration_ns;
    l->next = (l->next + 1) % KEPT;
    lock_give(&l->lock);
}

int64_t hob_latency_percentile(hob_latency *place, uint32_t percent)
{
    struct latency *l = (struct latency *)place;
    hob_require(percent >= 1 && percent <= 100, "hob_latency_percentile: percent is from 1 to 100");
    lock_take(&l->lock);
    int64_t r = l->count < ENOUGH ? -ENODATA : l->sorted[(l->count * percent + 99) / 100 - 1];
    lock_give(&l->lock);
    return r;
}
