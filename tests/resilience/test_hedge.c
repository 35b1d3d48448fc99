/* SPDX-License-Identifier: MIT */
/* hob/hedge.h: who begins when, who wins, who is called back, and what is noted. */
#include "support/tasks.h"

#include <stdlib.h>

#include "base/rand.h"

/* One attempt: it takes so long and ends so. */
struct ask {
    int64_t takes_ns;
    int     ends_with;
    int64_t began_ns, ended_ns;
    int     result;
    bool    has_it, was_dropped;
};

static int ask(void *arg)
{
    struct ask *a = arg;
    a->began_ns = hob_now();
    a->result = hob_sleep(a->takes_ns);
    if (a->result == 0)
        a->result = a->ends_with;
    a->ended_ns = hob_now();
    a->has_it = a->result >= 0;
    return a->result;
}

static void drop(void *arg)
{
    struct ask *a = arg;
    a->was_dropped = true;
    a->has_it = false;
}

#define MS(n) ((n) * HOB_MSEC)

static int hedge(struct ask *asks, size_t count, hob_hedge_opts opts)
{
    opts.drop = drop;
    return hob_hedge(&opts, ask, asks, sizeof asks[0], count);
}

TEST(hedge, who_is_fast_enough_is_alone)
{
    struct ask a[2] = { { .takes_ns = MS(99) }, { .takes_ns = 0 } };
    int64_t    began = hob_now();
    check_eq(hob_hedge(NULL, ask, a, sizeof a[0], 2), 0);
    check_eq(hob_now() - began, MS(99));
    check_eq(a[1].began_ns, 0);
}

TEST(hedge, the_second_begins_after_the_delay_and_the_first_success_wins)
{
    struct ask a[3] = { { .takes_ns = MS(500) }, { .takes_ns = MS(80), .ends_with = 5 },
                        { .takes_ns = MS(20) } };
    int64_t    began = hob_now();
    check_eq(hedge(a, 3, (hob_hedge_opts){ .delay_ns = MS(70) }), 1);
    check_eq(hob_now() - began, MS(150));
    check_eq(a[1].began_ns - began, MS(70));
    check_eq(a[2].began_ns - began, MS(140));
    check_err(a[0].result, -ECANCELED);
    check_err(a[2].result, -ECANCELED);
    check(a[1].has_it && !a[1].was_dropped);
}

TEST(hedge, a_failure_begins_the_next_at_once)
{
    struct ask a[3] = { { .takes_ns = MS(10), .ends_with = -ECONNREFUSED },
                        { .takes_ns = MS(10), .ends_with = -EPIPE }, { .takes_ns = MS(10) } };
    int64_t    began = hob_now();
    check_eq(hedge(a, 3, (hob_hedge_opts){ 0 }), 2);
    check_eq(hob_now() - began, MS(30));
}

TEST(hedge, when_all_fail_it_gives_the_first_failure_in_time)
{
    struct ask a[2] = { { .takes_ns = MS(200), .ends_with = -ECONNREFUSED },
                        { .takes_ns = MS(10), .ends_with = -EPIPE } };
    check_err(hedge(a, 2, (hob_hedge_opts){ 0 }), -EPIPE);
    check_err(a[0].result, -ECONNREFUSED);
}

static int nothing_is_final(void *arg, int error)
{
    return 0;
}

TEST(hedge, an_answer_that_is_final_ends_it)
{
    struct ask a[2] = { { .takes_ns = MS(200) }, { .takes_ns = MS(10), .ends_with = -ENOENT } };
    check_err(hedge(a, 2, (hob_hedge_opts){ 0 }), -ENOENT);
    check_err(a[0].result, -ECANCELED);
    check_eq(hedge(a, 2, (hob_hedge_opts){ .is_final = nothing_is_final }), 0);
}

static int ask_stubbornly(void *arg)
{
    struct ask *a = arg;
    HOB_SHIELD(HOB_FOREVER) {
        ignore(ask(a));
    }
    return a->result;
}

TEST(hedge, what_came_and_is_not_needed_is_given_back)
{
    struct ask     a[2] = { { .takes_ns = MS(200) }, { .takes_ns = MS(10), .ends_with = 1 } };
    hob_hedge_opts opts = { .drop = drop };
    check_eq(hob_hedge(&opts, ask_stubbornly, a, sizeof a[0], 2), 1);
    check_eq(a[0].ended_ns - a[0].began_ns, MS(200)); // it was waited for
    check(a[0].was_dropped);
    check(a[1].has_it);
}

TEST(hedge, the_caller_is_cancelled_and_so_are_all)
{
    struct ask a[2] = { { .takes_ns = MS(500) }, { .takes_ns = MS(500) } };
    HOB_SCOPE(s);
    hob_scope_deadline(&s, hob_in(MS(150)));
    check_err(hedge(a, 2, (hob_hedge_opts){ 0 }), -ETIMEDOUT);
    check_eq(a[1].ended_ns - a[1].began_ns, MS(50));
    check_err(hedge(a, 2, (hob_hedge_opts){ 0 }), -ETIMEDOUT);
    ignore(hob_scope_end(&s));
}

TEST(hedge, what_had_come_when_the_caller_was_cancelled_is_the_result)
{
    struct ask     a[1] = { { .takes_ns = MS(200), .ends_with = 1 } };
    hob_hedge_opts opts = { .drop = drop };
    HOB_SCOPE(s);
    hob_scope_deadline(&s, hob_in(MS(150)));
    check_eq(hob_hedge(&opts, ask_stubbornly, a, sizeof a[0], 1), 0);
    check(a[0].has_it);
    ignore(hob_scope_end(&s));
}

TEST(hedge, a_budget_bounds_how_many_are_begun)
{
    hob_retry_budget budget = { .percent = 10, .purse = 2 };
    int              second = 0;
    for (int i = 0; i < 100; i++) {
        struct ask a[2] = { { .takes_ns = MS(300) }, { .takes_ns = MS(10) } };
        check_ok(hedge(a, 2, (hob_hedge_opts){ .budget = &budget }));
        second += a[1].began_ns != 0;
    }
    check_le(second, 12);
    check_ge(second, 10);
}

TEST(hedge, the_delay_is_the_time_that_most_calls_take)
{
    hob_latency    latency = { .name = "stock" };
    hob_hedge_opts opts = { .latency = &latency, .percentile = 90, .delay_ns = HOB_SEC };
    struct ask     a[2] = { { .takes_ns = 0 }, { .takes_ns = MS(1) } };
    check_err(hob_latency_percentile(&latency, 90), -ENODATA);
    for (int i = 1; i <= 100; i++) {
        a[0].takes_ns = MS(i); // fewer than 16 are known at first: then it would wait for a second
        check_eq(hob_hedge(&opts, ask, a, sizeof a[0], i < 17 ? 2 : 1), 0);
    }
    check_eq(hob_latency_percentile(&latency, 90), MS(90));
    check_eq(hob_latency_percentile(&latency, 1), MS(1));
    check_eq(hob_latency_percentile(&latency, 100), MS(100));
    a[0].takes_ns = MS(1000);
    check_eq(hob_hedge(&opts, ask, a, sizeof a[0], 2), 1);
    check_eq(a[1].began_ns - a[0].began_ns, MS(90));
    check_eq(hob_latency_percentile(&latency, 100), MS(100));
    // Noted were the winner's 1 ms, and the 91 ms after which the first was overtaken.
    check_eq(hob_latency_percentile(&latency, 90), MS(91));
}

TEST(hedge, the_time_of_one_that_was_only_late_is_not_noted)
{
    hob_latency    latency = { .name = NULL };
    hob_hedge_opts opts = { .latency = &latency };
    struct ask     a[2] = { { .takes_ns = MS(150) }, { .takes_ns = MS(1000) } };
    for (int i = 0; i < 16; i++)
        hob_latency_note(&latency, MS(100));
    check_eq(hob_hedge(&opts, ask, a, sizeof a[0], 2), 0);
    check_eq(a[1].ended_ns - a[1].began_ns, MS(50)); // that says nothing of how long it takes
    check_eq(hob_latency_percentile(&latency, 1), MS(100));
    check_eq(hob_latency_percentile(&latency, 100), MS(150));
}

TEST_ON_ALL(hedge, the_first_that_succeeds_ends_the_others)
{
    struct ask a[4] = { { .takes_ns = HOB_HOUR }, { .takes_ns = MS(1), .ends_with = -EPIPE },
                        { .takes_ns = HOB_HOUR }, { .takes_ns = MS(1) } };
    check_eq(hedge(a, 4, (hob_hedge_opts){ .delay_ns = MS(5) }), 3);
    check_err(a[0].result, -ECANCELED);
    check_err(a[1].result, -EPIPE);
    check_err(a[2].result, -ECANCELED);
}

/* ---- latencies ---- */

struct noted {
    hob_latency latency;
    long        rounds;
};

static int note_often(void *arg)
{
    struct noted *n = arg;
    struct rand   dice = { hob_random() };
    for (long i = 0; i < n->rounds; i++) {
        hob_latency_note(&n->latency, rand_between(&dice, 1000, 2000));
        int64_t ns = hob_latency_percentile(&n->latency, (uint32_t)rand_between(&dice, 1, 100));
        if (ns != -ENODATA)
            check(ns >= 1000 && ns <= 2000);
        if (i % 64 == 0)
            hob_yield();
    }
    return 0;
}

static int note_on_all(void *arg)
{
    HOB_SCOPE(s);
    for (uint32_t i = 0; i < 4; i++)
        check_ok(hob_go_with(&s, note_often, arg,
                             &(hob_task_opts){ .where = HOB_ON(i % hob_workers()) }));
    return hob_scope_end(&s);
}

TEST_AS(hedge, all_workers_note_in_one_place,
        HOB_TEST_NO_RUNTIME | HOB_TEST_EACH_BACKEND | HOB_TEST_ONE_SEED, NULL)
{
    for (uint32_t workers = 1; workers <= 4; workers *= 2) {
        struct noted n = { .rounds = all_is_slow() ? 500 : 10000 };
        hob_run_opts opts;
        hob_test_run_opts(&opts);
        opts.workers = workers;
        check_ok(hob_run_with(&opts, note_on_all, &n));
    }
}

static int compare_times(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

TEST(hedge, a_percentile_is_that_of_the_last_128_sorted)
{
    hob_latency latency = { .name = NULL };
    struct rand dice = { hob_test_seed() };
    int64_t     all[1000], last[128];
    for (int i = 0; i < 1000; i++) {
        all[i] = rand_between(&dice, 0, rand_below(&dice, 2) ? 50 : 1000000);
        hob_latency_note(&latency, all[i]);
        int count = i + 1 < 128 ? i + 1 : 128;
        if (count < 16)
            continue;
        memcpy(last, &all[i + 1 - count], (size_t)count * sizeof last[0]);
        qsort(last, (size_t)count, sizeof last[0], compare_times);
        for (uint32_t percent = 1; percent <= 100; percent += 9)
            check_eq(hob_latency_percentile(&latency, percent),
                     last[((uint32_t)count * percent + 99) / 100 - 1]);
    }
}

TEST_DIES(hedge, no_attempt_at_all_is_a_mistake, "hob_hedge: from 1 to HOB_HEDGE_MAX attempts*")
{
    ignore(hob_hedge(NULL, ask, NULL, 1, 0));
}

/* What a model of the same race says: a table of who begins when, moved on event by event. */
static int model_of(struct ask *asks, size_t count, int64_t delay)
{
    int64_t now = 0, ends[HOB_HEDGE_MAX] = { 0 }, next = 0;
    bool    over[HOB_HEDGE_MAX] = { false };
    size_t  begun = 0, ended = 0;
    int     first = 0;
    for (;;) {
        if (begun < count && (ended == begun || now >= next)) {
            ends[begun] = now + asks[begun].takes_ns;
            begun++;
            next = now + delay;
        } else if (ended == begun) {
            return first;
        }
        int64_t event = begun < count ? next : HOB_FOREVER;
        for (size_t i = 0; i < begun; i++)
            event = !over[i] && ends[i] < event ? ends[i] : event;
        now = event;
        for (size_t i = 0; i < begun; i++) {
            if (over[i] || ends[i] != now)
                continue;
            if (asks[i].ends_with >= 0)
                return (int)i;
            over[i] = true;
            ended++;
            first = first != 0 ? first : asks[i].ends_with;
        }
    }
}

TEST_ONCE(hedge, random_races_end_as_in_the_model_and_nothing_is_left)
{
    struct rand dice = { hob_test_seed() };
    for (int i = 0; i < (all_is_slow() ? 300 : hob_test_is_deep() ? 100000 : 4000); i++) {
        size_t     count = 1 + rand_below(&dice, 6);
        struct ask a[6];
        for (size_t k = 0; k < count; k++) // no two events at one instant: whole ms and odd ns
            a[k] = (struct ask){ .takes_ns = MS(rand_between(&dice, 0, 300)) + 1 + (1 << k),
                                 .ends_with = rand_below(&dice, 2) ? (int)k : k % 2 ? -EPIPE : -EAGAIN };
        int expected = model_of(a, count, MS(50));
        HOB_SCOPE(s);
        bool cut = rand_below(&dice, 4) == 0;
        if (cut)
            hob_scope_deadline(&s, hob_in(MS(rand_between(&dice, 0, 400))));
        int r = hedge(a, count, (hob_hedge_opts){ .delay_ns = MS(50) });
        if (!(cut && r == -ETIMEDOUT))
            check_eq(r, expected);
        for (size_t k = 0; k < count; k++)
            check_eq(a[k].has_it, r == (int)k);
        ignore(hob_scope_end(&s));
    }
}
