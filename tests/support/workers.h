/* SPDX-License-Identifier: MIT */
/* Runs with so many workers, whatever the machine has. */
#ifndef HOB_TESTS_SUPPORT_WORKERS_H
#define HOB_TESTS_SUPPORT_WORKERS_H

#include "support/tasks.h"

static inline int run_with_workers(uint32_t workers, hob_task_fn *fn, void *arg)
{
    hob_run_opts opts;
    hob_test_run_opts(&opts);
    opts.workers = workers;
    return hob_run_with(&opts, fn, arg);
}

/* Starts fn(arg) in `scope`, on worker number `number` modulo how many there are. */
static inline int go_on(hob_scope *scope, uint32_t number, hob_task_fn *fn, void *arg)
{
    return hob_go_with(scope, fn, arg, &(hob_task_opts){ .where = HOB_ON(number % hob_workers()) });
}

/* A test whose body runs as the main task of a run with so many workers, on each backend. */
#define TEST_WITH_WORKERS(area, claim, workers)                                   \
    static int claim(void *arg);                                                  \
    TEST_AS(area, claim, HOB_TEST_NO_RUNTIME | HOB_TEST_EACH_BACKEND, NULL)       \
    {                                                                             \
        check_ok(run_with_workers((workers), claim, NULL));                       \
    }                                                                             \
    static int claim(__attribute__((unused)) void *arg)

#endif
