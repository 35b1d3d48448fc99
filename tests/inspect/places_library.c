/* SPDX-License-Identifier: MIT */
/* The same as places.c, from a shared library. */
#include "places.h"

void exported_by_library(say_fn *say)
{
    const void *address = here(); const int line = __LINE__;
    say("exported_by_library", "places_library.c", line, address);
}

static __attribute__((noinline)) void static_of_library(say_fn *say)
{
    const void *address = here(); const int line = __LINE__;
    say("static_of_library", "places_library.c", line, address);
}

void call_static_of_library(say_fn *say)
{
    static_of_library(say);
    say("", "", 0, here()); // so that the call above is not the last thing
}
