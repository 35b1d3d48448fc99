/* SPDX-License-Identifier: MIT */
/* What hob_run refuses to start with, and what it does without: SURVIVAL 21. */
#include "base/fault.h"
#include "support/tasks.h"

enum { FAULTS = 200 };

/* Runs once for each fault until the text was reported; true with the run's result. */
static bool find_report(const char *part, hob_run_opts *opts, int *ret_result)
{
    for (uint64_t at = 0; at < FAULTS; at++) {
        hob_test_report_clear();
        hob__fault_start(at);
        *ret_result = hob_run_with(opts, end_at_once, NULL);
        hob__fault_stop();
        if (strstr(hob_test_report_text(), part) != NULL)
            return true;
    }
    return false;
}

TEST_BARE_ON_ALL(start, a_program_with_a_shadow_stack_is_refused_with_the_way_out)
{
    hob_run_opts opts;
    int          result;
    hob_test_run_opts(&opts);
    check(find_report("shadow stack", &opts, &result));
    check_err(result, -ENOTSUP);
    check_has(hob_test_report_text(), "x86_shstk=off");
}

TEST_BARE_ON_ALL(start, without_a_thread_for_the_watchdog_the_program_runs)
{
    hob_run_opts opts;
    int          result;
    if (strcmp(hob_test_backend(), "sim") == 0)
        skip("there is no watchdog in virtual time");
    hob_test_run_opts(&opts);
    opts.slow_ns = 10 * HOB_SEC;
    check(find_report("no watchdog", &opts, &result));
    check_ok(result);
}
