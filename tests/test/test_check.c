/* SPDX-License-Identifier: MIT */
/* The checks themselves: what holds passes, in every type; macros evaluate once. */
#include <limits.h>

#include "support/test.h"

struct small {
    unsigned three : 3;
    int      minus : 4;
};

TEST_BARE(check, numbers_are_compared_as_numbers_whatever_their_types)
{
    size_t big = SIZE_MAX;
    check_ne(big, -1);
    check_lt(-1, 1u);
    check_gt(big, LLONG_MAX);
    check_lt(LLONG_MIN, 0u);
    check_eq((char)7, 7ull);
    check_le(-5, -5);
    check_ge(0u, -1);
    check_eq(true, 1);
}

TEST_BARE(check, pointers_arrays_and_bit_fields_can_be_compared)
{
    char text[4] = "abc", *start = text;
    struct small small = { 5, -2 };
    check_eq(text, start);
    check_eq(&text[1], start + 1);
    check_ne(start, NULL);
    check_eq(small.three, 5);
    check_eq(small.minus, -2);
}

TEST_BARE(check, an_argument_is_evaluated_once)
{
    int calls = 0;
    check(++calls);
    check_eq(++calls, 2);
    check_ok(++calls);
    check_err(-(++calls), -4);
    check_eq(calls, 4);
}

TEST_BARE(check, check_ok_has_the_value)
{
    int    n = check_ok(41 + 1);
    size_t z = (size_t)check_ok((ssize_t)1 << 40);
    check_eq(n, 42);
    check_eq(z, (size_t)1 << 40);
}

TEST_BARE(check, texts_and_bytes)
{
    const char *none = NULL;
    check_str("one", "one");
    check_str(none, NULL);
    check_has("one, two", "two");
    check_mem("abcd", "abcx", 3);
    check_mem("", "", 0);
}
