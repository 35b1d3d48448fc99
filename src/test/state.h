/* SPDX-License-Identifier: MIT */
/*
 * The test runner from inside: the run that goes on now, and what its parts tell each other.
 *
 *   runner.c  main(), options, which test runs on what, the last line
 *   check.c   checks: compare, print, note
 *   world.c   what a test asks of its world: settle, scratch folder, reports
 *   log.c     what was logged
 *   leak.c    looks at the process before and after
 *   watch.c   hangs, crashes, and tests that must die
 *   torture.c one run for each thing that can fail
 *
 * Memory and system calls here are the C library's and not of base/, so that
 * torture does not hit the torturer, and the leak check does not see itself.
 *
 * Threads: one test runs at a time, on the thread of main(). Checks alone may be
 * called from any thread.
 */
#ifndef HOB_TEST_STATE_H
#define HOB_TEST_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "hob/test.h"

/* One run of one test. */
struct test_run {
    const hob_test *test;
    const char     *backend;
    uint64_t        seed;
    int64_t         torture_at; /* the fault that is made to happen, or -1           */
    bool            quiet;      /* failed checks are counted and not shown: torture  */
    bool            in_child;   /* a test that must die, in its process              */

    unsigned failures;          /* guarded by check.c's lock                         */
    bool     is_skipped;
    char     skip_reason[256];

    char  *report;              /* what the runtime said; never NULL after the first */
    size_t report_len, report_cap;
    bool   report_was_read;

    char  *log, *log_copy;      /* guarded by log.c's lock                           */
    size_t log_len, log_cap;

    char scratch[256];          /* "" until it is asked for                          */
};

extern struct test_run hob__test_now;

struct test_options {
    const char *program;
    const char *filter;         /* part of "area: claim", or a pattern with *        */
    const char *backend;        /* only this one                                     */
    uint64_t    seed;           /* only this one; 0: seed 1 and some of this run     */
    int         seeds;
    bool        torture, deep, list, verbose;
    bool        no_bare;        /* none of those that are run once, whatever the backend */
    int64_t     torture_at;     /* only this fault; -1: all of them                  */
    unsigned    timeout_s;
};

extern struct test_options hob__test_options;

/* Runs the test that hob__test_now describes, once, with the leak check. True
 * when it did not fail; it may have been skipped then. */
bool hob__test_run_once(void);

/* check.c */
void hob__test_show_failure(const char *format, ...) HOB_PRINTF(1, 2);
void hob__test_repeat_line(char *text, size_t size);

/* world.c */
void hob__test_world_begin(void);
void hob__test_world_end(void);
void hob__test_report(void *arg, const char *text);

/* log.c */
void hob__test_log_begin(void);
void hob__test_log_end(void);
void hob__test_log_show(void);

/* leak.c */
void hob__test_leak_begin(void);
void hob__test_leak_check(void); /* each leftover is a failure */

/* watch.c */
void hob__test_watch_install(void);
void hob__test_watch_start(unsigned seconds);
void hob__test_watch_stop(void);
void hob__test_run_dying(void);

/* torture.c: the same test with each fault in turn. True when it stood. */
bool hob__test_torture(void);

#endif
