/* SPDX-License-Identifier: MIT */
/*
 * Torture: the same test once for each allocation and system call that it makes,
 * with that one failing.
 *
 * There a check that fails ends the test quietly, for the test asked for
 * something that cannot be had. What still must not happen is a crash, a
 * leftover, or a program that waits for ever.
 */
#include "test/state.h"

#include <stdio.h>

#include "base/fault.h"

enum { POINTS_MAX = 400 }; /* in a run that is not deep */

/* Runs the test with fault number `at` and returns how many could have happened. */
static uint64_t run_with_fault(uint64_t at, bool *ret_ok)
{
    hob__fault_start(at);
    *ret_ok = hob__test_run_once();
    return hob__fault_stop();
}

static bool torture_at(uint64_t at)
{
    bool ok;
    hob__test_now.torture_at = (int64_t)at;
    hob__test_now.quiet = true;
    run_with_fault(at, &ok);
    hob__test_now.quiet = false;
    hob__test_now.torture_at = -1;
    return ok;
}

bool hob__test_torture(void)
{
    if (hob__test_options.torture_at >= 0)
        return torture_at((uint64_t)hob__test_options.torture_at);

    bool ok;
    uint64_t points = run_with_fault(INT64_MAX, &ok);
    if (!ok || hob__test_now.is_skipped)
        return ok;

    uint64_t tried = points;
    if (tried > POINTS_MAX && !hob__test_options.deep)
        tried = POINTS_MAX;
    for (uint64_t i = 0; i < tried; i++) {
        if (!torture_at(i * points / tried))
            return false;
    }
    if (hob__test_options.verbose)
        printf("  tortured at %llu of %llu points\n", (unsigned long long)tried,
               (unsigned long long)points);
    return true;
}
