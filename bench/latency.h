/* SPDX-License-Identifier: MIT */
/* How long answers took: what the loads count, in bounded memory. */
#ifndef LATENCY_H
#define LATENCY_H

#include <stdint.h>

enum { BUCKETS = 64 * 16 };

static uint64_t latencies[BUCKETS];

/* Sixteen buckets to each power of two. */
static inline int bucket_of(int64_t ns)
{
    uint64_t v = ns < 16 ? 16 : (uint64_t)ns;
    int      top = 63 - __builtin_clzll(v);
    return top * 16 + (int)((v >> (top - 4)) & 15);
}

static inline double latency_us(double share)
{
    uint64_t all = 0, seen = 0;

    for (int i = 0; i < BUCKETS; i++)
        all += latencies[i];
    for (int i = 0; i < BUCKETS; i++) {
        seen += latencies[i];
        if (seen > 0 && seen >= share * all)
            return (double)((UINT64_C(1) << (i / 16)) + ((uint64_t)(i % 16) << (i / 16 - 4))) / 1000;
    }
    return 0;
}

#endif
