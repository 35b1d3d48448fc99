/* SPDX-License-Identifier: MIT */
/* hob/retry.h: how often, how long in between, for which errors, and how many in all. */
#include "support/tasks.h"

#include <stdatomic.h>

#include "base/rand.h"

#define ON(number) (&(hob_task_opts){ .where = HOB_ON(number) })

/* A service that fails so often, and then works. */
struct service {
    int     failures;  /* to come                */
    int     error;
    int64_t takes_ns;  /* each call              */
    int     asked;
    int64_t at_ns[64]; /* when it was asked      */
};

static int ask(void *arg)
{
    struct service *s = arg;
    if (s->asked < 64)
        s->at_ns[s->asked] = hob_now();
    s->asked++;
    HOB_TRY(hob_sleep(s->takes_ns));
    return s->failures-- > 0 ? s->error : 42;
}

TEST(retry, it_tries_three_times_unless_told)
{
    struct service s = { .failures = 2, .error = -ECONNREFUSED };
    check_eq(hob_retry(NULL, ask, &s), 42);
    check_eq(s.asked, 3);
    s = (struct service){ .failures = 3, .error = -ECONNREFUSED };
    check_err(hob_retry(NULL, ask, &s), -ECONNREFUSED);
    check_eq(s.asked, 3);
    s = (struct service){ .failures = 3, .error = -ECONNREFUSED };
    check_err(hob_retry(&(hob_retry_opts){ .attempts_max = 1 }, ask, &s), -ECONNREFUSED);
    check_eq(s.asked, 1);
}

TEST(retry, what_does_not_pass_is_not_tried_again)
{
    static const int errors[] = { -ENOENT, -EINVAL, -ECANCELED, HOB_EBREAKER, -ENOMEM };
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        struct service s = { .failures = 9, .error = errors[i] };
        check_err(hob_retry(NULL, ask, &s), errors[i]);
        check_eq(s.asked, 1);
        check(!hob_error_is_passing(errors[i]));
    }
}

TEST(retry, pauses_double_up_to_their_limit)
{
    struct service s = { .failures = 7, .error = -EPIPE, .takes_ns = HOB_SEC };
    hob_retry_opts opts = { .attempts_max = 9, .backoff_ns = 100 * HOB_MSEC,
                            .backoff_max_ns = 1500 * HOB_MSEC, .jitter = HOB_JITTER_NONE };
    static const int64_t pauses_ms[] = { 100, 200, 400, 800, 1500, 1500, 1500 };
    check_eq(hob_retry(&opts, ask, &s), 42);
    check_eq(s.asked, 8);
    for (int i = 0; i < 7; i++)
        check_eq(s.at_ns[i + 1] - s.at_ns[i], HOB_SEC + pauses_ms[i] * HOB_MSEC);
}

TEST(retry, the_longest_pauses_do_not_overflow)
{
    hob_retry_opts opts = { .backoff_ns = HOB_FOREVER - 1, .backoff_max_ns = HOB_FOREVER - 1 };
    for (int jitter = HOB_JITTER_FULL; jitter <= HOB_JITTER_NONE; jitter++) {
        opts.jitter = (hob_jitter)jitter;
        check_ge(hob_retry_pause_ns(&opts, UINT32_MAX, HOB_FOREVER), 0);
    }
    opts.backoff_ns = 1;
    opts.jitter = HOB_JITTER_NONE;
    check_eq(hob_retry_pause_ns(&opts, 63, 0), INT64_C(1) << 62);
    check_eq(hob_retry_pause_ns(&opts, 64, 0), HOB_FOREVER - 1);
    check_eq(hob_retry_pause_ns(&opts, 0, 0), 1);
}

/* All of the width is used, nothing outside of it, and no two callers agree. */
TEST(retry, jitter_spreads_pauses_over_all_of_their_width)
{
    struct { hob_jitter jitter; int64_t before, min, max; } kinds[] = {
        { HOB_JITTER_FULL, 0, 0, 400 },
        { HOB_JITTER_EQUAL, 0, 200, 400 },
        { HOB_JITTER_DECORRELATED, 150, 100, 450 },
        { HOB_JITTER_DECORRELATED, 900, 100, 1000 },
        { HOB_JITTER_DECORRELATED, 0, 100, 300 },
    };
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
        hob_retry_opts opts = { .jitter = kinds[k].jitter, .backoff_ns = 100 * HOB_MSEC,
                                .backoff_max_ns = 1000 * HOB_MSEC };
        int64_t min = kinds[k].min * HOB_MSEC, width = kinds[k].max * HOB_MSEC - min;
        int     tenths[10] = { 0 };
        for (int i = 0; i < 1000; i++) {
            int64_t ns = hob_retry_pause_ns(&opts, 3, kinds[k].before * HOB_MSEC);
            check_ge(ns, min);
            check_le(ns, min + width);
            tenths[ns == min + width ? 9 : (ns - min) * 10 / width]++;
        }
        for (int i = 0; i < 10; i++)
            check_gt(tenths[i], 50);
    }
}

TEST(retry, a_pause_that_would_end_too_late_is_not_begun)
{
    struct service s = { .failures = 99, .error = -EAGAIN };
    hob_retry_opts opts = { .attempts_max = 99, .backoff_ns = HOB_SEC, .jitter = HOB_JITTER_NONE,
                            .backoff_max_ns = HOB_HOUR, .time_max_ns = 10 * HOB_SEC };
    int64_t        began = hob_now();
    check_err(hob_retry(&opts, ask, &s), -EAGAIN);
    check_eq(s.asked, 4); // at 0, 1, 3 and 7 seconds; 15 would be too late
    check_eq(hob_now() - began, 7 * HOB_SEC);
}

TEST(retry, an_attempt_has_its_own_time_and_all_of_them_theirs)
{
    struct service s = { .failures = 1, .error = -EPIPE, .takes_ns = 10 * HOB_SEC };
    hob_retry_opts opts = { .attempts_max = 9, .backoff_ns = HOB_SEC, .jitter = HOB_JITTER_NONE,
                            .attempt_max_ns = 3 * HOB_SEC, .time_max_ns = 10 * HOB_SEC };
    int64_t        began = hob_now();
    check_err(hob_retry(&opts, ask, &s), -ETIMEDOUT);
    check_eq(s.asked, 3); // from 0 to 3, from 4 to 7, and from 9 to the end of all
    check_eq(hob_now() - began, 10 * HOB_SEC);
}

TEST(retry, success_at_the_last_moment_is_success)
{
    struct service s = { .takes_ns = 3 * HOB_SEC };
    hob_retry_opts opts = { .attempt_max_ns = 3 * HOB_SEC };
    int            r = hob_retry(&opts, ask, &s);
    check(r == 42 || r == -ETIMEDOUT); // the sleep's own end and the deadline are at one instant
    s = (struct service){ .takes_ns = 3 * HOB_SEC - 1 };
    check_eq(hob_retry(&opts, ask, &s), 42);
}

static int64_t say_when(void *arg, uint32_t attempt, int error)
{
    if (error == -ENOENT)
        return HOB_RETRY_NOT;
    if (attempt == 2)
        return HOB_RETRY_YES;
    return 7 * HOB_SEC;
}

struct told {
    uint32_t attempts;
    int      error;
    int64_t  pauses;
};

static void tell(void *arg, uint32_t attempt, int error, int64_t pause_ns)
{
    struct told *told = arg;
    told->attempts = told->attempts * 10 + attempt;
    told->error = error;
    told->pauses += pause_ns;
}

TEST(retry, the_judge_says_whether_and_when)
{
    struct told    told = { 0 };
    struct service s = { .failures = 3, .error = -EIO };
    hob_retry_opts opts = { .attempts_max = 9, .backoff_ns = HOB_SEC, .jitter = HOB_JITTER_NONE,
                            .judge = say_when, .on_retry = tell, .arg = &told };
    check_eq(hob_retry(&opts, ask, &s), 42);
    check_eq(s.at_ns[1] - s.at_ns[0], 7 * HOB_SEC);
    check_eq(s.at_ns[2] - s.at_ns[1], 2 * HOB_SEC);
    check_eq(s.at_ns[3] - s.at_ns[2], 7 * HOB_SEC);
    check_eq(told.attempts, 123);
    check_eq(told.error, -EIO);
    check_eq(told.pauses, 16 * HOB_SEC);
    s = (struct service){ .failures = 3, .error = -ENOENT };
    check_err(hob_retry(&opts, ask, &s), -ENOENT);
    check_eq(s.asked, 1);
}

TEST(retry, cancelled_in_a_pause_it_says_so_and_in_an_attempt_what_that_said)
{
    struct service s = { .failures = 9, .error = -EAGAIN, .takes_ns = HOB_SEC };
    hob_retry_opts opts = { .attempts_max = 9, .backoff_ns = HOB_SEC, .jitter = HOB_JITTER_NONE };
    HOB_SCOPE(scope);
    hob_scope_deadline(&scope, hob_in(1500 * HOB_MSEC));
    check_err(hob_retry(&opts, ask, &s), -ETIMEDOUT);
    check_eq(s.asked, 1);
    s.asked = 0;
    check_err(hob_retry(&opts, ask, &s), -ETIMEDOUT); // once, for it may need no waiting at all
    check_eq(s.asked, 1);
    ignore(hob_scope_end(&scope));
}

static int fail_and_cancel(void *scope)
{
    hob_scope_cancel(scope, "it is over");
    return -EPIPE;
}

TEST(retry, an_attempt_in_which_it_was_cancelled_is_the_last_and_costs_no_budget)
{
    hob_retry_budget       budget = { .purse = 5 };
    hob_retry_budget_stats stats;
    HOB_SCOPE(scope);
    check_err(hob_retry(&(hob_retry_opts){ .budget = &budget }, fail_and_cancel, &scope), -EPIPE);
    ignore(hob_scope_end(&scope));
    hob_retry_budget_stats_get(&budget, &stats);
    check_eq(stats.taken, 0);
}

/* ---- the budget ---- */

TEST(retry, a_budget_bounds_what_all_calls_together_add)
{
    hob_retry_budget budget = { .percent = 20, .purse = 10 };
    hob_retry_opts   opts = { .attempts_max = 4, .budget = &budget };
    struct service   s = { .failures = 1000000, .error = -EAGAIN };
    for (int i = 0; i < 1000; i++)
        check_err(hob_retry(&opts, ask, &s), -EAGAIN);
    check_le(s.asked, 1000 + 200 + 10);
    check_ge(s.asked, 1000 + 200);
    hob_retry_budget_stats stats;
    hob_retry_budget_stats_get(&budget, &stats);
    check_eq(stats.calls, 1000);
    check_eq(stats.taken, s.asked - 1000);
    check_eq(stats.left, 0);
    check_gt(stats.refused, 500);

    s = (struct service){ .failures = 0 };
    for (int i = 0; i < 1000; i++)
        check_eq(hob_retry(&opts, ask, &s), 42);
    hob_retry_budget_stats_get(&budget, &stats);
    check_eq(stats.left, 10); // it does not save up more
}

struct shared {
    hob_retry_budget budget;
    atomic_long      calls, taken;
    long             rounds;
};

static int spend(void *arg)
{
    struct shared *s = arg;
    for (long i = 0; i < s->rounds; i++) {
        hob_retry_budget_call(&s->budget);
        atomic_fetch_add(&s->calls, 1);
        for (int k = 0; k < 3; k++)
            atomic_fetch_add(&s->taken, hob_retry_budget_take(&s->budget));
        if (i % 64 == 0)
            hob_yield();
    }
    return 0;
}

static int spend_on_all(void *arg)
{
    HOB_SCOPE(scope);
    for (uint32_t i = 0; i < 4; i++)
        check_ok(hob_go_with(&scope, spend, arg, ON(i % hob_workers())));
    return hob_scope_end(&scope);
}

TEST_AS(retry, a_budget_is_shared_by_all_workers,
        HOB_TEST_NO_RUNTIME | HOB_TEST_EACH_BACKEND | HOB_TEST_ONE_SEED, NULL)
{
    for (uint32_t workers = 1; workers <= 4; workers *= 2) {
        struct shared s = { .budget = { .percent = 10, .purse = 5 } };
        s.rounds = all_is_slow() ? 1000 : 20000;
        hob_run_opts opts;
        hob_test_run_opts(&opts);
        opts.workers = workers;
        check_ok(hob_run_with(&opts, spend_on_all, &s));
        check_eq(s.calls, 4 * s.rounds);
        check_le(s.taken, s.calls / 10 + 5);
        check_ge(s.taken, s.calls / 10);
        hob_retry_budget_stats stats;
        hob_retry_budget_stats_get(&s.budget, &stats);
        check_eq(stats.taken, s.taken);
        check_eq(stats.refused, 3 * s.calls - s.taken);
    }
}

/* ---- random: any options, any service, cancelled anywhere ---- */

struct attempt_log {
    struct rand *dice;
    int          asked, ok_after;
    bool         in_call;
};

static int ask_dice(void *arg)
{
    struct attempt_log *log = arg;
    expect(!log->in_call);
    log->in_call = true;
    log->asked++;
    int r = hob_sleep(rand_between(log->dice, 0, 3 * HOB_SEC));
    log->in_call = false;
    if (r < 0)
        return r;
    return log->asked > log->ok_after ? log->asked : rand_below(log->dice, 8) == 0 ? -EIO : -EPIPE;
}

TEST_ONCE(retry, whatever_the_options_it_keeps_their_limits)
{
    struct rand      dice = { hob_test_seed() };
    hob_retry_budget budget = { .percent = 50, .purse = 20 };
    int              calls = all_is_slow() ? 200 : hob_test_is_deep() ? 100000 : 3000;
    int              attempts = 0;
    for (int i = 0; i < calls; i++) {
        struct attempt_log log = { &dice, 0, (int)rand_below(&dice, 6), false };
        hob_retry_opts opts = {
            .attempts_max = (uint32_t)rand_below(&dice, 7),
            .time_max_ns = rand_below(&dice, 2) ? rand_between(&dice, 1, 20 * HOB_SEC) : 0,
            .attempt_max_ns = rand_below(&dice, 2) ? rand_between(&dice, 1, 3 * HOB_SEC) : 0,
            .backoff_ns = rand_between(&dice, 0, HOB_SEC),
            .backoff_max_ns = rand_between(&dice, 0, 3 * HOB_SEC),
            .jitter = (hob_jitter)rand_below(&dice, 4),
            .budget = &budget,
        };
        int64_t began = hob_now(), limit = HOB_FOREVER;
        HOB_SCOPE(s);
        if (rand_below(&dice, 3) == 0) {
            limit = rand_between(&dice, 0, 10 * HOB_SEC);
            hob_scope_deadline(&s, hob_in(limit));
        }
        int r = hob_retry(&opts, ask_dice, &log);
        if (opts.time_max_ns > 0 && opts.time_max_ns < limit)
            limit = opts.time_max_ns;
        check_le(hob_now() - began, limit);
        check_ge(log.asked, 1);
        check_le(log.asked, opts.attempts_max != 0 ? opts.attempts_max : 3);
        if (r > 0)
            check_eq(r, log.asked);
        else
            check(r == -EIO || r == -EPIPE || r == -ETIMEDOUT);
        attempts += log.asked;
        ignore(hob_scope_end(&s));
    }
    check_le(attempts, calls + calls / 2 + 20);
}
