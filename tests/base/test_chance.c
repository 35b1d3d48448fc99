/* SPDX-License-Identifier: MIT */
/* Random numbers: the kernel's, and without it others, none of them twice. */
#include <stdlib.h>

#include "base/chance.h"
#include "base/fault.h"
#include "support/test.h"

enum { DRAWN = 5 * CHANCE_NUMBERS };

static int in_order(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* Two of so few are the same, or half of their bits is not set, once in 2^40 runs or less. */
static int look_random(uint64_t numbers[DRAWN])
{
    int bits = 0;
    for (int i = 0; i < DRAWN; i++)
        bits += __builtin_popcountll(numbers[i]);
    check_lt(DRAWN * 32 - 800, bits);
    check_lt(bits, DRAWN * 32 + 800);
    qsort(numbers, DRAWN, sizeof numbers[0], in_order);
    for (int i = 1; i < DRAWN; i++)
        check(numbers[i - 1] != numbers[i]);
    return 0;
}

TEST(chance, numbers_come_by_the_dozen_and_none_comes_twice)
{
    struct chance chance = { .left = 0 };
    uint64_t      numbers[DRAWN];

    hob__chance_init(&chance);
    hob__fault_start(1000000);
    for (int i = 0; i < DRAWN; i++)
        numbers[i] = hob__chance_next(&chance);
    check_eq(hob__fault_stop(), 5);
    check_ok(look_random(numbers));
}

TEST(chance, what_was_given_is_forgotten)
{
    struct chance chance = { .left = 0 };

    hob__chance_init(&chance);
    uint64_t number = hob__chance_next(&chance);
    for (int i = 0; i < CHANCE_NUMBERS; i++)
        check(chance.numbers[i] != number);
}

TEST(chance, without_the_kernel_there_are_others)
{
    struct chance chance = { .left = 0 };
    uint64_t      numbers[DRAWN];

    hob__chance_init(&chance);
    for (int i = 0; i < DRAWN; i++) {
        chance.left = 0;
        hob__fault_start(0);
        numbers[i] = hob__chance_next(&chance);
        check_eq(hob__fault_stop(), 1);
    }
    check_ok(look_random(numbers));
    hob__fault_start(1000000);
    hob__chance_next(&chance); // and the kernel is asked again
    check_eq(hob__fault_stop(), 1);
    check_eq(chance.left, CHANCE_NUMBERS - 1);
}
