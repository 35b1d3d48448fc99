/* SPDX-License-Identifier: MIT */
/* hob_rate: one bucket, and its lock. */
#include "hob/rate.h"

#include <assert.h>
#include <errno.h>

#include "hob/task.h"
#include "resilience/bucket.h"

struct rate {
    const char   *name;
    uint32_t      count, burst; /* these three under the lock, after the first use */
    int64_t       period_ns;
    struct lock   lock;
    struct pace   pace;         /* of the three, while somebody holds the lock or waits */
    struct bucket bucket;
};

static_assert(sizeof(struct rate) <= sizeof(hob_rate), "a rate fits in its place");

static struct rate *open_rate(hob_rate *place, const char *caller)
{
    struct rate *rate = (struct rate *)place;
    lock_take(&rate->lock);
    if (rate->count == 0)
        hob__misuse_of(caller, "the rate lets nothing through: its `count` is 0");
    rate->pace = hob__pace(rate->count, rate->burst, rate->period_ns);
    return rate;
}

/* Under the lock. */
static int try_take(struct rate *rate, uint32_t cost)
{
    if (cost > rate->pace.burst)
        return -ERANGE;
    if (hob__bucket_is_waited_for(&rate->bucket))
        return -EAGAIN;
    return hob__bucket_try(&rate->bucket, &rate->pace, cost, hob_now()) ? 0 : -EAGAIN;
}

int hob_rate_try_take(hob_rate *place, uint32_t cost)
{
    struct rate *rate = open_rate(place, "hob_rate_try_take");
    int          r = try_take(rate, cost);
    lock_give(&rate->lock);
    return r;
}

int hob_rate_take(hob_rate *place, uint32_t cost)
{
    int r = hob_checkpoint();
    if (r < 0)
        return r;
    struct rate *rate = open_rate(place, "hob_rate_take");
    r = try_take(rate, cost);
    if (r == -EAGAIN)
        return hob__bucket_wait(&rate->lock, &rate->bucket, &rate->pace, cost,
                                rate->name);
    lock_give(&rate->lock);
    return r;
}

void hob_rate_give_back(hob_rate *place, uint32_t cost)
{
    struct rate *rate = open_rate(place, "hob_rate_give_back");
    hob__bucket_give_back(&rate->bucket, &rate->pace, cost);
    struct waiter *first = hob__bucket_first(&rate->bucket);
    lock_give(&rate->lock);
    hob__waiter_poke(first);
}

int64_t hob_rate_wait_ns(hob_rate *place, uint32_t cost)
{
    struct rate *rate = open_rate(place, "hob_rate_wait_ns");
    uint64_t     all = hob__bucket_wanted(&rate->bucket) + cost;
    int64_t      r = cost > rate->pace.burst
                         ? -ERANGE
                         : hob__bucket_wait_ns(&rate->bucket, &rate->pace, all, hob_now());
    lock_give(&rate->lock);
    return r;
}

void hob_rate_set(hob_rate *place, uint32_t count, uint32_t burst, int64_t period_ns)
{
    if (count == 0)
        hob__misuse_of("hob_rate_set", "nothing would be let through: `count` is 0");
    struct rate *rate = open_rate(place, "hob_rate_set");
    struct pace  pace = hob__pace(count, burst, period_ns);
    hob__bucket_set_pace(&rate->bucket, &rate->pace, &pace, hob_now());
    rate->count = count;
    rate->burst = burst;
    rate->period_ns = period_ns;
    rate->pace = pace;
    struct waiter *first = hob__bucket_first(&rate->bucket);
    lock_give(&rate->lock);
    hob__waiter_poke(first);
}
