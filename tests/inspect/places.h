/* SPDX-License-Identifier: MIT */
/* Places in programs and libraries, and what Hob says about them. */
#ifndef HOB_TESTS_PLACES_H
#define HOB_TESTS_PLACES_H

typedef void say_fn(const char *function, const char *file, int line, const void *address);

/* The address to which this call returns. */
static __attribute__((noinline)) const void *here(void)
{
    return __builtin_return_address(0);
}

void exported_by_library(say_fn *say);
void call_static_of_library(say_fn *say);

#endif
