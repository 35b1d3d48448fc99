/* SPDX-License-Identifier: MIT */
#include "histogram.h"

/* Values below PARTS have a bucket each. Above, a power of two has PARTS / 2. */
static uint32_t bucket_of(uint64_t value)
{
    if (value < HISTOGRAM_PARTS)
        return (uint32_t)value;
    uint32_t shift = 63 - (uint32_t)__builtin_clzll(value) - 6; // leaves 64 to 127
    return shift * (HISTOGRAM_PARTS / 2) + (uint32_t)(value >> shift);
}

/* The largest value of the bucket. */
static int64_t top_of(uint32_t bucket)
{
    if (bucket < HISTOGRAM_PARTS)
        return bucket;
    uint32_t shift = bucket / (HISTOGRAM_PARTS / 2) - 1;
    uint64_t part = bucket - shift * (HISTOGRAM_PARTS / 2);
    return (int64_t)(((part + 1) << shift) - 1);
}

void histogram_add(struct histogram *h, int64_t value)
{
    if (value < 0)
        value = 0;
    h->buckets[bucket_of((uint64_t)value)]++;
    h->count++;
    h->sum += (double)value;
    if (value > h->max)
        h->max = value;
}

int64_t histogram_at(const struct histogram *h, double share)
{
    double   wanted = share * (double)h->count;
    uint64_t seen = 0;

    if (h->count == 0)
        return 0;
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += h->buckets[i];
        if (seen > 0 && (double)seen >= wanted)
            return top_of(i) < h->max ? top_of(i) : h->max;
    }
    return h->max;
}

uint64_t histogram_upto(const struct histogram *h, int64_t value)
{
    uint64_t seen = 0;

    if (value >= h->max)
        return h->count;
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS && top_of(i) <= value; i++)
        seen += h->buckets[i];
    return seen;
}

double histogram_mean(const struct histogram *h)
{
    return h->count > 0 ? h->sum / (double)h->count : 0;
}
