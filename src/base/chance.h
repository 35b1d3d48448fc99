/* SPDX-License-Identifier: MIT */
/*
 * Random numbers of the kernel's, some dozens at a time: a system call for each would cost more than
 * most of what they are for. Nobody learns the next from those that he has seen, for nothing of ours
 * computes them; those that were given are forgotten.
 */
#ifndef HOB_BASE_CHANCE_H
#define HOB_BASE_CHANCE_H

#include <stdint.h>

#include "base/rand.h"

enum { CHANCE_NUMBERS = 32 }; // 256 bytes: as many as getrandom(2) gives in one piece

struct chance {
    uint64_t    numbers[CHANCE_NUMBERS];
    uint32_t    left;
    struct rand poor; /* where the kernel has none */
};

/* For one that is all zero. */
void     hob__chance_init(struct chance *chance);
uint64_t hob__chance_next(struct chance *chance);

#endif
