/* SPDX-License-Identifier: MIT */
/* Clocks, sleeping and tickers. Promises of hob/time.h. */
#include "base/rand.h"
#include "support/tasks.h"

TEST(time, virtual_time_moves_by_what_is_slept)
{
    int64_t start = hob_now();
    check_ok(hob_sleep(HOB_HOUR));
    check_eq(hob_now() - start, HOB_HOUR);
    check_ok(hob_sleep(1));
    check_eq(hob_now() - start, HOB_HOUR + 1);
}

TEST(time, a_sleep_of_nothing_takes_no_time)
{
    int64_t start = hob_now();
    check_ok(hob_sleep(0));
    check_ok(hob_sleep(-1));
    check_ok(hob_sleep(INT64_MIN));
    check_ok(hob_sleep_until(start));
    check_ok(hob_sleep_until(start - HOB_SEC));
    check_ok(hob_sleep_until(INT64_MIN));
    check_eq(hob_now(), start);
}

TEST(time, deadlines_are_computed_without_overflow)
{
    int64_t now = hob_now();
    check_eq(hob_in(0), now);
    check_eq(hob_in(-HOB_SEC), now);
    check_eq(hob_in(INT64_MIN), now);
    check_eq(hob_in(HOB_SEC), now + HOB_SEC);
    check_eq(hob_in(HOB_FOREVER), HOB_FOREVER);
    check_eq(hob_in(HOB_FOREVER - 1), HOB_FOREVER);
    check_ok(hob_sleep(HOB_SEC));
    check_eq(hob_in(HOB_FOREVER - now - 1), HOB_FOREVER);
}

TEST(time, the_calendar_goes_along)
{
    int64_t wall = hob_wall_now();
    check_ok(hob_sleep(HOB_HOUR));
    check_eq(hob_wall_now() - wall, HOB_HOUR);
}

/* SURVIVAL 24. */
TEST_ON_ALL(time, nobody_wakes_early)
{
    struct nap  naps[64];
    struct rand rand = { hob_test_seed() };
    int64_t     start = hob_now();
    HOB_SCOPE(s);
    for (int i = 0; i < 64; i++) {
        naps[i] = (struct nap){ .ns = rand_between(&rand, 1, 30 * HOB_MSEC) };
        check_ok(hob_go(&s, nap, &naps[i]));
    }
    check_ok(hob_scope_end(&s));
    for (int i = 0; i < 64; i++)
        check_ge(naps[i].woke_at - start, naps[i].ns);
}

TEST_ON_ALL(time, time_does_not_go_backwards)
{
    int64_t last = hob_now();
    for (int i = 0; i < 1000; i++) {
        hob_yield();
        check_ge(hob_now(), last);
        last = hob_now();
    }
}

struct wakes {
    int64_t last;
    int     count;
};

struct sleeper {
    struct wakes *wakes;
    int64_t       when;
};

static int wake_in_order(void *arg)
{
    struct sleeper *s = arg;
    check_ok(hob_sleep_until(s->when));
    check_eq(hob_now(), s->when);
    check_ge(s->when, s->wakes->last);
    s->wakes->last = s->when;
    s->wakes->count++;
    return 0;
}

TEST(time, sleepers_wake_at_their_instant_and_in_order)
{
    enum { SLEEPERS = 2000 };
    struct wakes wakes = { 0 };
    struct rand  rand = { hob_test_seed() };
    HOB_SCOPE(s);
    for (int i = 0; i < SLEEPERS; i++) {
        // From nanoseconds to centuries, so that every level of any wheel is used.
        int64_t        far = INT64_C(1) << rand_below(&rand, 62);
        struct sleeper one = { &wakes, hob_in(rand_between(&rand, 1, far)) };
        check_ok(hob_go_copy(&s, wake_in_order, &one, sizeof one));
    }
    check_ok(hob_scope_end(&s));
    check_eq(wakes.count, SLEEPERS);
}

/* Steps of every size, so that the clock stands in every position when a timer is set. */
TEST(time, one_after_the_other_from_every_position)
{
    struct rand rand = { hob_test_seed() };
    for (int i = 0; i < 5000; i++) {
        int64_t step = rand_between(&rand, 1, INT64_C(1) << rand_below(&rand, 48));
        int64_t when = hob_in(step);
        check_ok(hob_sleep(step));
        check_eq(hob_now(), when);
    }
}

struct many {
    int     left;
    int64_t when;
};

static void count_down(void *arg, ssize_t result)
{
    struct many *m = arg;
    HOB_EXPECT_OK(result);
    HOB_EXPECT_EQ(hob_now(), m->when);
    m->left--;
}

TEST_ONCE(time, a_great_many_timers_at_the_same_instant)
{
    int         n = hob_test_is_deep() ? 1000000 : 100000;
    hob_op     *ops = malloc((size_t)n * sizeof *ops);
    struct many many = { n, hob_in(HOB_HOUR) };
    check(ops != NULL);
    HOB_DEFER(free, ops);

    HOB_SCOPE(s);
    for (int i = 0; i < n; i++) {
        hob_sleep_prep(&ops[i], many.when);
        hob_op_call(&s, &ops[i], count_down, &many);
    }
    check_ok(hob_scope_end(&s));
    check_eq(many.left, 0);
    check_eq(hob_now(), many.when);
}

TEST(time, forever_is_longer_than_anything)
{
    HOB_SCOPE(s);
    hob_scope_deadline(&s, hob_in(200 * 365 * 24 * HOB_HOUR));
    check_err(hob_sleep(HOB_FOREVER), -ETIMEDOUT);
    check_err(hob_scope_end(&s), -ETIMEDOUT);
}

TEST(time, a_cancelled_sleep_leaves_no_timer)
{
    hob_stats before, after;
    hob_stats_get(&before);
    for (int i = 0; i < 100; i++) {
        HOB_SCOPE(s);
        check_ok(hob_go(&s, sleep_for_ever, NULL));
        check_ok(hob_go(&s, nap, &(struct nap){ .ns = HOB_HOUR }));
        settle();
        hob_scope_cancel(&s, NULL);
        check_err(hob_scope_end(&s), -ECANCELED);
    }
    hob_stats_get(&after);
    check_eq(after.timers, before.timers);
    check_eq(after.ops_in_flight, before.ops_in_flight);
}

/* ---- tickers ---- */

TEST(ticker, keeps_its_beat)
{
    hob_ticker t;
    int64_t    start = hob_now();
    hob_ticker_init(&t, HOB_SEC);
    for (int i = 1; i <= 10; i++) {
        check_eq(hob_ticker_wait(&t), 0);
        check_eq(hob_now() - start, i * HOB_SEC);
        check_ok(hob_sleep(HOB_SEC / 3)); // work that fits between two ticks
    }
}

TEST(ticker, skips_what_it_missed_and_stays_in_step)
{
    hob_ticker t;
    int64_t    start = hob_now();
    hob_ticker_init(&t, HOB_SEC);
    check_eq(hob_ticker_wait(&t), 0);
    check_ok(hob_sleep(3 * HOB_SEC + HOB_SEC / 2)); // now 4.5: ticks 2, 3 and 4 passed
    check_eq(hob_ticker_wait(&t), 3);
    check_eq(hob_now() - start, 5 * HOB_SEC);
    check_eq(hob_ticker_wait(&t), 0);
    check_eq(hob_now() - start, 6 * HOB_SEC);
}

TEST(ticker, is_cancelled_like_a_sleep_and_goes_on_afterwards)
{
    hob_ticker t;
    int64_t    start = hob_now();
    hob_ticker_init(&t, HOB_SEC);
    {
        HOB_SCOPE(s);
        hob_scope_deadline(&s, hob_in(HOB_SEC / 2));
        check_err(hob_ticker_wait(&t), -ETIMEDOUT);
        check_err(hob_scope_end(&s), -ETIMEDOUT);
    }
    check_eq(hob_ticker_wait(&t), 0);
    check_eq(hob_now() - start, HOB_SEC);
}
