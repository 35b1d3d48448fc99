/* SPDX-License-Identifier: MIT */
/* A small seeded generator (SplitMix64, Steele et al. 2014). Not for secrets. */
#ifndef HOB_BASE_RAND_H
#define HOB_BASE_RAND_H

#include <stdint.h>

struct rand {
    uint64_t state;
};

static inline uint64_t rand_next(struct rand *rand)
{
    uint64_t z = (rand->state += UINT64_C(0x9E3779B97F4A7C15));
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

/* A number below `n`, which is not 0. */
static inline uint64_t rand_below(struct rand *rand, uint64_t n)
{
    return (uint64_t)(((unsigned __int128)rand_next(rand) * n) >> 64);
}

/* A number from `min` to `max`, both included. */
static inline int64_t rand_between(struct rand *rand, int64_t min, int64_t max)
{
    return max <= min ? min : min + (int64_t)rand_below(rand, (uint64_t)(max - min) + 1);
}

#endif
