/* SPDX-License-Identifier: MIT */
/*
 * A run that another loop drives: it gets to its end, its descriptor misses nothing, a step
 * ends though its tasks do not, and what a step costs is told.
 */
#include "support/tasks.h"

#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "hob/loop.h"

#define STEP_TEST(claim) TEST_AS(step, claim, HOB_TEST_NO_RUNTIME | HOB_TEST_EACH_BACKEND, NULL)

enum { A_FRAME = 16 * HOB_MSEC };

static bool in_sim(void)
{
    return strcmp(hob_test_backend(), "sim") == 0;
}

static int begin(uint32_t workers, hob_task_fn *fn, void *arg, hob_loop **ret_loop)
{
    hob_run_opts opts;
    hob_test_run_opts(&opts);
    opts.workers = workers;
    return hob_begin(&opts, fn, arg, ret_loop);
}

/* As a host does: sleeps on the descriptor, and only on that. Returns the last step's word. */
static int drive(hob_loop *loop, int64_t budget_ns)
{
    int fd = hob_poll_fd(loop), said;
    if (fd < 0)
        return fd;
    do {
        struct pollfd wait = { .fd = fd, .events = POLLIN };
        while (poll(&wait, 1, -1) < 0)
            ;
        said = hob_step(loop, budget_ns);
    } while (said != HOB_STEP_ENDED);
    return said;
}

static int sleep_thrice(void *arg)
{
    for (int i = 0; i < 3; i++) {
        HOB_TRY(hob_sleep(2 * HOB_MSEC));
        ++*(int *)arg;
    }
    return 0;
}

STEP_TEST(the_descriptor_tells_of_timers)
{
    hob_loop *loop;
    int       slept = 0;
    check_ok(begin(1, sleep_thrice, &slept, &loop));
    int said = drive(loop, HOB_MSEC);
    check_ok(hob_finish(loop));
    check_eq(said, HOB_STEP_ENDED);
    check_eq(slept, 3);
}

STEP_TEST(the_host_can_wait_with_a_timeout_of_its_own)
{
    hob_loop *loop;
    int       slept = 0;
    check_ok(begin(1, sleep_thrice, &slept, &loop));
    while (hob_step(loop, HOB_MSEC) != HOB_STEP_ENDED) {
        int64_t  left_ns = hob_next_timeout(loop);
        unsigned us = left_ns < A_FRAME ? (unsigned)(left_ns / 1000) : 1000;
        usleep(us + 1);
    }
    check_ok(hob_finish(loop));
    check_eq(slept, 3);
}

/* ---- what comes from outside ---- */

static int wait_for_byte(void *arg)
{
    return hob_fd_wait(*(int *)arg, POLLIN) > 0 ? 0 : -EIO;
}

STEP_TEST(the_descriptor_tells_of_other_descriptors)
{
    if (in_sim())
        HOB_SKIP("its world has no descriptors of the kernel's");
    int       ends[2];
    hob_loop *loop;
    check_eq(pipe(ends), 0);
    check_ok(begin(1, wait_for_byte, &ends[0], &loop));
    int fd = check_ok(hob_poll_fd(loop)), said;
    while ((said = hob_step(loop, HOB_SEC)) == HOB_STEP_MORE)
        ;
    struct pollfd wait = { .fd = fd, .events = POLLIN };
    int           before = poll(&wait, 1, 0);
    int64_t       timeout_ns = hob_next_timeout(loop);
    check_eq(write(ends[1], "x", 1), 1);
    drive(loop, HOB_MSEC);
    check_ok(hob_finish(loop));
    check_eq(said, HOB_STEP_IDLE);
    check_eq(before, 0);
    check_eq(timeout_ns, INT64_MAX);
    close(ends[0]);
    close(ends[1]);
}

struct order {
    hob_promise *promise;
    int          came;
};

static int wait_for_promise(void *arg)
{
    struct order *order = arg;
    HOB_TRY(hob_promise_new(&order->promise));
    int r = hob_promise_await(order->promise, NULL);
    hob_promise_free(order->promise);
    order->came = r == 0;
    return r;
}

STEP_TEST(the_host_may_act_between_steps_and_nobody_is_stuck_before)
{
    hob_loop    *loop;
    struct order order = { 0 };
    check_ok(begin(2, wait_for_promise, &order, &loop));
    for (int i = 0; i < 5; i++)
        check_ne(hob_step(loop, HOB_MSEC), HOB_STEP_ENDED);
    check_ok(hob_promise_resolve(order.promise, NULL));
    check_eq(hob_next_timeout(loop), 0);
    while (hob_step(loop, HOB_MSEC) != HOB_STEP_ENDED)
        ;
    check_ok(hob_finish(loop));
    check_eq(order.came, 1);
}

/* ---- workers ---- */

static int count_after_a_sleep(void *arg)
{
    HOB_TRY(hob_sleep(HOB_MSEC));
    atomic_fetch_add((atomic_int *)arg, 1);
    return 0;
}

static int use_all_workers(void *arg)
{
    for (int round = 0; round < 5; round++) {
        HOB_SCOPE(s);
        for (uint32_t i = 0; i < hob_workers(); i++) {
            hob_task_opts opts = { .where = HOB_ON(i) };
            HOB_TRY(hob_go_with(&s, count_after_a_sleep, arg, &opts));
        }
        HOB_TRY(hob_scope_end(&s));
    }
    return 0;
}

static int drive_workers(uint32_t workers)
{
    hob_loop  *loop;
    atomic_int count = 0;
    int        r = begin(workers, use_all_workers, &count, &loop);
    if (r < 0)
        return r;
    drive(loop, HOB_MSEC);
    r = hob_finish(loop);
    return r < 0 ? r : atomic_load(&count);
}

STEP_TEST(the_descriptor_tells_of_two_workers_mail)
{
    check_eq(drive_workers(2), 10);
}

STEP_TEST(the_descriptor_tells_of_four_workers_mail)
{
    check_eq(drive_workers(4), 20);
}

static int place_somewhere(void *arg)
{
    hob_task_opts opts = { .where = HOB_ANYWHERE };
    HOB_SCOPE(s);
    HOB_TRY(hob_go_with(&s, count_after_a_sleep, arg, &opts));
    return hob_scope_end(&s);
}

/* Each place has more to do than it has time for, and some of it is for whoever is idle. */
static int place_on_all(void *arg)
{
    HOB_SCOPE(s);
    for (uint32_t i = 0; i < hob_workers(); i++) {
        hob_task_opts opts = { .where = HOB_ON(i) };
        HOB_TRY(hob_go_with(&s, place_somewhere, arg, &opts));
    }
    return hob_scope_end(&s);
}

/* Others wake the host's worker for mail, for a task that anybody may take, and when all is over. A
 * step looks at its backend without sleeping, which takes the wake: it must count as something to do,
 * whatever it was for. Without that about one run in 600 slept for ever. */
TEST_AS(step, the_descriptor_tells_of_all_that_others_want_however_often_it_is_tried,
        HOB_TEST_NO_RUNTIME | HOB_TEST_EACH_BACKEND | HOB_TEST_ONE_SEED, NULL)
{
    int rounds = hob_test_is_deep() ? 1000 : all_is_slow() ? 20 : 150;
    hob_test_timeout(hob_test_is_deep() ? 120 : 30);
    for (int i = 0; i < rounds; i++) {
        hob_loop  *loop;
        atomic_int count = 0;
        check_ok(begin(4, place_on_all, &count, &loop));
        drive(loop, in_sim() ? HOB_MSEC : 0);
        check_ok(hob_finish(loop));
        check_eq(count, 4);
    }
}

/* ---- the budget ---- */

struct crowd {
    uint64_t runs;
    bool     enough;
};

static int stay_active(void *arg)
{
    struct crowd *crowd = arg;
    while (!crowd->enough) {
        crowd->runs++;
        hob_yield();
    }
    return 0;
}

static int be_a_crowd(void *arg)
{
    HOB_SCOPE(s);
    for (int i = 0; i < 1000; i++)
        HOB_TRY(hob_go(&s, stay_active, arg));
    return hob_scope_end(&s);
}

STEP_TEST(a_step_ends_though_its_tasks_never_rest)
{
    if (in_sim())
        HOB_SKIP("computing takes no virtual time");
    hob_loop    *loop;
    struct crowd crowd = { 0 };
    check_ok(begin(1, be_a_crowd, &crowd, &loop));
    int other_words = 0;
    for (int i = 0; i < 20; i++)
        other_words += hob_step(loop, 100 * HOB_USEC) != HOB_STEP_MORE;
    uint64_t runs = crowd.runs;
    hob_step(loop, 0); // one turn: no more runs than its word
    uint64_t of_one_turn = crowd.runs - runs;
    crowd.enough = true;
    while (hob_step(loop, HOB_MSEC) != HOB_STEP_ENDED)
        ;
    check_ok(hob_finish(loop));
    check_eq(other_words, 0);
    check_gt(runs, 0);
    check_le(of_one_turn, 16);
}

/* A thousand tasks, each active in each frame. The frames' real length is the machine's affair;
 * what a step takes of the processor is ours, and is told. */
static int act_each_frame(void *arg)
{
    uint64_t *acts = arg;
    for (int i = 0; i < 60; i++) {
        HOB_TRY(hob_sleep(A_FRAME / 4));
        ++*acts;
    }
    return 0;
}

static int play(void *arg)
{
    HOB_SCOPE(s);
    for (int i = 0; i < 1000; i++)
        HOB_TRY(hob_go(&s, act_each_frame, arg));
    return hob_scope_end(&s);
}

static int64_t cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec * HOB_SEC + t.tv_nsec;
}

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

TEST_AS(step, a_thousand_active_tasks_fit_into_frames,
        HOB_TEST_NO_RUNTIME | HOB_TEST_EACH_BACKEND | HOB_TEST_ONE_SEED, NULL)
{
    hob_loop *loop;
    uint64_t  acts = 0;
    int       steps = 0, said;
    int64_t   steps_ns[1024], all_ns = 0;
    check_ok(begin(1, play, &acts, &loop));
    do {
        int64_t from_ns = cpu_ns();
        said = hob_step(loop, A_FRAME / 4);
        int64_t took_ns = cpu_ns() - from_ns;
        all_ns += took_ns;
        steps_ns[steps % 1024] = took_ns;
        steps++;
        if (!in_sim())
            usleep(A_FRAME / 4 / 1000);
    } while (said != HOB_STEP_ENDED);
    check_ok(hob_finish(loop));
    check_eq(acts, 60000);
    int known = steps < 1024 ? steps : 1024;
    qsort(steps_ns, (size_t)known, sizeof steps_ns[0], by_size);
    int64_t most_ns = steps_ns[known - 1];
    printf("a step of a frame with 1,000 active tasks on %s: %lld us of processor time, p99 %lld, "
           "at most %lld, in %d steps\n", hob_test_backend(), (long long)(all_ns / steps / 1000),
           (long long)(steps_ns[known - 1 - known / 100] / 1000), (long long)(most_ns / 1000), steps);
    if (!all_is_slow())
        check_lt(most_ns, A_FRAME);
}

/* ---- the end ---- */

static int sleep_and_note(void *arg)
{
    (void)sleep_for_ever(arg);
    return 0;
}

STEP_TEST(finishing_cancels_what_still_runs)
{
    hob_loop *loop;
    int       result = 0;
    check_ok(begin(1, sleep_and_note, &result, &loop));
    check_ne(hob_step(loop, HOB_MSEC), HOB_STEP_ENDED);
    check_ok(hob_finish(loop));
    check_eq(result, -ECANCELED);
}

STEP_TEST(a_run_that_was_never_stepped_can_be_finished)
{
    hob_loop *loop;
    int       result = 0;
    check_ok(begin(2, sleep_and_note, &result, &loop));
    check_ok(hob_finish(loop));
    check_eq(result, -ECANCELED);
}

static int fail_at_once(void *arg)
{
    (void)arg;
    return -EDOM;
}

STEP_TEST(finishing_returns_the_main_tasks_failure)
{
    hob_loop *loop;
    check_ok(begin(1, fail_at_once, NULL, &loop));
    while (hob_step(loop, HOB_MSEC) != HOB_STEP_ENDED)
        ;
    check_err(hob_finish(loop), -EDOM);
    check_has(hob_test_report_text(), "EDOM");
}

STEP_TEST(in_sim_a_step_takes_just_its_budget)
{
    if (!in_sim())
        HOB_SKIP("time is not ours here");
    hob_loop *loop;
    int       slept = 0;
    check_ok(begin(2, sleep_thrice, &slept, &loop));
    int64_t from_ns = hob_now();
    int     after[4];
    for (int i = 0; i < 4; i++) {
        (void)hob_step(loop, i == 0 ? 0 : 2 * HOB_MSEC);
        after[i] = slept;
    }
    int64_t passed_ns = hob_now() - from_ns;
    check_ok(hob_finish(loop));
    for (int i = 0; i < 4; i++)
        check_eq(after[i], i);
    check_eq(passed_ns, 6 * HOB_MSEC);
}
