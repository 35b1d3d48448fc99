/* SPDX-License-Identifier: MIT */
/* Random numbers of the kernel's: chance.h. */
#include "base/chance.h"

#include <time.h>

#include "base/sys.h"

void hob__chance_init(struct chance *chance)
{
    chance->poor.state = (uint64_t)hob__sys_clock_ns(CLOCK_REALTIME) ^ (uintptr_t)chance;
}

uint64_t hob__chance_next(struct chance *chance)
{
    if (chance->left == 0) {
        ssize_t got = hob__sys_getrandom(chance->numbers, sizeof chance->numbers, 0);
        if (got < (ssize_t)sizeof chance->numbers[0])
            return rand_next(&chance->poor);
        chance->left = (uint32_t)((size_t)got / sizeof chance->numbers[0]);
    }
    uint64_t number = chance->numbers[--chance->left];
    chance->numbers[chance->left] = 0;
    return number;
}
