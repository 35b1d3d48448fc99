/* SPDX-License-Identifier: MIT */
/*
 * hob/flow.h: stages with tasks. How much they hold, what comes out and in which order, and that no
 * task and no item is left, whoever ends first.
 */
#include "flow/flows.h"
#include "support/workers.h"

/* ---- helpers ---- */

/* A source that notes how far it was asked. */
struct asked {
    int64_t  count, until;
    int64_t  sleep_ns; /* before each */
    int      error;    /* instead of the end */
    int      result;   /* of the sleep that was cancelled */
};

static int ask(void *arg, void *ret_item)
{
    struct asked *asked = arg;
    if (asked->sleep_ns > 0) {
        int r = hob_sleep(asked->sleep_ns);
        if (r < 0) {
            asked->result = r;
            return r;
        }
    }
    if (asked->count == asked->until)
        return asked->error != 0 ? asked->error : HOB_EOF;
    *(int64_t *)ret_item = asked->count++;
    return 0;
}

static hob_flow *flow_asked(struct asked *asked)
{
    return hob_flow_generate(sizeof(int64_t), ask, asked);
}

/* A function that takes its time: each item sleeps for so many ms as the table says. */
struct slow {
    int64_t ms[10];
    int64_t under_way, under_way_max, begun, cancelled;
    int64_t fails_at; /* this item, after its sleep; 0: none */
    struct owned *owned;
};

static int slow_square(void *item, void *arg, void *ret_item)
{
    struct slow *slow = arg;
    int64_t      number = *(int64_t *)item;
    slow->begun++;
    if (++slow->under_way > slow->under_way_max)
        slow->under_way_max = slow->under_way;
    int r = hob_sleep(slow->ms[number % 10] * HOB_MSEC);
    slow->under_way--;
    if (r < 0) {
        slow->cancelled++;
        return r;
    }
    if (slow->fails_at != 0 && number == slow->fails_at)
        return hob_fail(-EDOM);
    if (slow->owned != NULL) {
        owned_end(slow->owned, number);
        *(int64_t *)ret_item = owned_new(slow->owned);
        return 0;
    }
    *(int64_t *)ret_item = number * number;
    return 0;
}

static uint64_t tasks_now(void)
{
    hob_stats stats;
    hob_stats_get(&stats);
    return stats.tasks_alive;
}

/* ---- buffer ---- */

TEST_ON_ALL(flow_tasks, a_buffer_passes_all_items_on_and_then_the_error)
{
    int64_t   five = 5;
    hob_flow *f = hob_flow_range(0, 8);
    hob_flow_buffer(f, 3, HOB_WAIT);
    hob_flow_buffer(f, 0, HOB_WAIT);
    check_ok(GIVES(f, 0, 1, 2, 3, 4, 5, 6, 7));
    f = hob_flow_range(0, 8);
    hob_flow_on_each(f, fail_at, &five);
    hob_flow_buffer(f, 20, HOB_WAIT);
    check_ok(GIVES_THEN(f, -EDOM, 0, 1, 2, 3, 4));
}

TEST_ON_ALL(flow_tasks, a_buffer_asks_ahead_for_what_it_has_room_for_and_no_more)
{
    struct asked asked = { .until = 1000 };
    HOB_SCOPE(s);
    hob_flow *f = flow_asked(&asked);
    hob_flow_buffer(f, 5, HOB_WAIT);
    int64_t number = -1, first = -1, second = -1;
    int     r = hob_flow_begin(f, &s);
    settle();
    first = asked.count;
    if (r == 0)
        r = hob_flow_next(f, &number);
    settle();
    second = asked.count;
    hob_flow_end(f);
    check_ok(r);
    check_eq(number, 0);
    check_eq(first, 6); // five, and one in hand
    check_eq(second, 7);
    check_eq(tasks_now(), 1);
}

TEST(flow_tasks, a_buffer_without_patience_drops_or_fails)
{
    static struct owned owned;
    HOB_SCOPE(s);
    hob_flow *f = flow_of_owned(&owned, 10, 0);
    hob_flow_buffer(f, 3, HOB_DROP_OLDEST);
    int r = hob_flow_begin(f, &s);
    settle();
    int64_t number = -1;
    if (r == 0)
        r = hob_flow_next(f, &number);
    hob_flow_end(f);
    check_ok(r);
    check_eq(number, 7);
    owned_end(&owned, number);
    check_ok(check_owned(&owned));

    f = flow_of_owned(&owned, 10, 0);
    hob_flow_buffer(f, 3, HOB_FAIL);
    r = hob_flow_begin(f, &s);
    settle();
    int64_t got = 0;
    while (r == 0 && (r = hob_flow_next(f, &number)) == 0) {
        owned_end(&owned, number);
        got++;
    }
    hob_flow_end(f);
    check_err(r, -ENOBUFS);
    check_eq(got, 3);
    check_ok(check_owned(&owned));
}

/* ---- several at once ---- */

TEST(flow_tasks, map_at_once_in_order_gives_results_in_the_order_of_the_items)
{
    struct slow slow = { .ms = { 50, 10, 40, 20, 30, 10, 60, 10, 20, 5 } };
    int64_t     began_ns = hob_now();
    hob_flow   *f = hob_flow_range(0, 10);
    hob_flow_map_at_once(f, 3, HOB_IN_ORDER, sizeof(int64_t), slow_square, &slow);
    check_ok(GIVES(f, 0, 1, 4, 9, 16, 25, 36, 49, 64, 81));
    check_eq(slow.under_way_max, 3);
    check_eq(slow.under_way, 0);
    check_eq(hob_now() - began_ns, 135 * HOB_MSEC); // not 255
}

TEST(flow_tasks, map_at_once_as_done_gives_what_is_done_first)
{
    struct slow slow = { .ms = { 50, 10, 40, 20, 30, 10, 60, 10, 20, 5 } };
    hob_flow   *f = hob_flow_range(0, 5);
    hob_flow_map_at_once(f, 5, HOB_AS_DONE, sizeof(int64_t), slow_square, &slow);
    check_ok(GIVES(f, 1, 9, 16, 4, 0));
    check_eq(slow.under_way_max, 5);
}

TEST_ON_ALL(flow_tasks, map_at_once_begins_no_more_than_it_may)
{
    struct asked asked = { .until = 100 };
    struct slow  slow = { .ms = { 1, 2, 1, 3, 1, 1, 2, 1, 1, 2 } };
    HOB_SCOPE(s);
    hob_flow *f = flow_asked(&asked);
    hob_flow_map_at_once(f, 4, HOB_IN_ORDER, sizeof(int64_t), slow_square, &slow);
    int r = hob_flow_begin(f, &s);
    for (int i = 0; i < 30 && r == 0; i++)
        r = hob_sleep(HOB_MSEC); // nobody takes a result
    int64_t asked_for = asked.count, begun = slow.begun, number;
    int64_t sum = 0;
    while (r == 0 && (r = hob_flow_next(f, &number)) == 0)
        sum += number;
    hob_flow_end(f);
    check_err(r, HOB_EOF);
    check_eq(asked_for, 4);
    check_eq(begun, 4);
    check_eq(sum, 328350);
    check_eq(slow.under_way_max, 4);
}

TEST(flow_tasks, a_failure_comes_after_the_results_before_it_and_cancels_those_after_it)
{
    struct slow  slow = { .ms = { 50, 10, 5, 90, 90, 90, 90, 90, 90, 90 }, .fails_at = 2 };
    struct asked asked = { .until = 1000 };
    int64_t      began_ns = hob_now();
    hob_flow    *f = flow_asked(&asked);
    hob_flow_map_at_once(f, 5, HOB_IN_ORDER, sizeof(int64_t), slow_square, &slow);
    check_ok(GIVES_THEN(f, -EDOM, 0, 1));
    check_eq(hob_now() - began_ns, 50 * HOB_MSEC);
    check_le(slow.begun, 6); // nothing is begun after the failure
    check_eq(slow.cancelled, slow.begun - 3);

    slow = (struct slow){ .ms = { 50, 10, 5, 90, 90, 90, 90, 90, 90, 90 }, .fails_at = 2 };
    began_ns = hob_now();
    f = hob_flow_range(0, 1000);
    hob_flow_map_at_once(f, 5, HOB_AS_DONE, sizeof(int64_t), slow_square, &slow);
    check_ok(GIVES_NOTHING(f, -EDOM));
    check_eq(hob_now() - began_ns, 5 * HOB_MSEC);
}

TEST(flow_tasks, an_error_from_above_comes_after_what_is_under_way)
{
    struct slow  slow = { .ms = { 50, 10, 40 } };
    struct asked asked = { .until = 3, .error = -EIO };
    hob_flow    *f = flow_asked(&asked);
    hob_flow_map_at_once(f, 8, HOB_AS_DONE, sizeof(int64_t), slow_square, &slow);
    check_ok(GIVES_THEN(f, -EIO, 1, 4, 0));
}

TEST_ON_ALL(flow_tasks, map_at_once_loses_no_item_when_it_is_stopped)
{
    static struct owned owned;
    for (int64_t taken = 0; taken < 12; taken += 3) {
        struct slow slow = { .ms = { 3, 1, 2, 1, 4, 1, 0, 2, 3, 1 }, .owned = &owned };
        hob_flow   *f = flow_of_owned(&owned, 100, 0);
        hob_flow_map_at_once(f, 4, taken % 2 == 0 ? HOB_IN_ORDER : HOB_AS_DONE, sizeof(int64_t),
                             slow_square, &slow);
        hob_flow_owns(f, drop_owned, NULL, &owned);
        hob_flow_take(f, (uint64_t)taken);
        check_ok(hob_flow_for_each(f, take_owned, &owned));
        check_ok(check_owned(&owned));
        check_eq(slow.under_way, 0);
    }
}

/* ---- on several workers ---- */

struct spread {
    int64_t ran_on[8]; /* atomic */
    int64_t fails_at;
};

/* Computes for a while, with others between. */
static int compute(void *item, void *arg, void *ret_item)
{
    struct spread *spread = arg;
    int64_t        number = *(int64_t *)item;
    __atomic_fetch_add(&spread->ran_on[hob_worker_number()], 1, __ATOMIC_RELAXED);
    for (int i = 0; i < 3; i++) {
        HOB_TRY(hob_cancelled());
        hob_yield();
    }
    if (number == spread->fails_at)
        return -EDOM;
    *(int64_t *)ret_item = number * number;
    return 0;
}

TEST_WITH_WORKERS(flow_tasks, map_spread_keeps_the_order_and_loses_nothing, 4)
{
    struct spread spread = { .fails_at = -1 };
    int64_t       squares[500];
    size_t        count = 0;
    hob_flow     *f = hob_flow_range(0, 500);
    hob_flow_map_spread(f, 8, HOB_IN_ORDER, sizeof(int64_t), compute, &spread);
    check_ok(hob_flow_to_array(f, squares, 500, &count));
    check_eq(count, 500);
    for (int64_t i = 0; i < 500; i++)
        check_eq(squares[i], i * i);
    int64_t sum = 0;
    f = hob_flow_range(0, 500);
    hob_flow_map_spread(f, 5, HOB_AS_DONE, sizeof(int64_t), compute, &spread);
    check_ok(hob_flow_reduce(f, &sum, add_up, NULL));
    check_eq(sum, 41541750);
    return 0;
}

/* Nobody goes on before all of them are there. */
static int meet(void *item, void *arg, void *ret_item)
{
    *(int64_t *)ret_item = hob_worker_number();
    return hob_barrier_wait(arg) < 0 ? hob_cancelled() : 0;
}

TEST_WITH_WORKERS(flow_tasks, map_spread_deals_its_tasks_out_to_all_workers, 4)
{
    hob_barrier barrier = { .parties = 6 };
    hob_flow   *f = hob_flow_range(0, 6);
    hob_flow_map_spread(f, 6, HOB_IN_ORDER, sizeof(int64_t), meet, &barrier);
    int64_t on[6], tasks_on[4] = { 0 };
    size_t  count = 0;
    check_ok(hob_flow_to_array(f, on, 6, &count));
    check_eq(count, 6);
    for (size_t i = 0; i < 6; i++)
        tasks_on[on[i]]++;
    check_eq(tasks_on[0], 1); // the flow's own, last
    check_eq(tasks_on[1], 2);
    check_eq(tasks_on[2], 2);
    check_eq(tasks_on[3], 1);
    return 0;
}

TEST_WITH_WORKERS(flow_tasks, map_spread_drops_on_the_flows_worker_and_leaves_no_task, 3)
{
    static struct owned owned; // only its own worker touches it
    for (int64_t at = 0; at < 60; at += 7) {
        struct spread spread = { .fails_at = at };
        hob_flow     *f = flow_of_owned(&owned, 50, 0);
        hob_flow_map_spread(f, 4, at % 2 == 0 ? HOB_IN_ORDER : HOB_AS_DONE, sizeof(int64_t), compute,
                              &spread);
        if (at % 3 == 0)
            hob_flow_take(f, (uint64_t)at / 2);
        int r = hob_flow_drain(f);
        check(r == 0 || r == -EDOM);
        // What was computed is a number that owns nothing; all others were dropped, once.
        check_eq(owned.wrong, 0);
        check_eq(owned.given, owned.made);
        check_ge(owned.dropped, r == -EDOM ? 1 : 0);
    }
    return 0;
}

/* ---- merge, flat_map ---- */

static int add_digit(void *state, void *item, void *arg)
{
    *(int64_t *)state = 10 * *(int64_t *)state + *(int64_t *)item;
    return 0;
}

static hob_flow *slow_numbers(struct asked *asked, int64_t until, int64_t ms, int error)
{
    *asked = (struct asked){ .until = until, .sleep_ns = ms * HOB_MSEC, .error = error };
    return flow_asked(asked);
}

TEST(flow_tasks, merge_gives_items_as_they_come)
{
    struct asked a, b, c;
    int64_t      digits = 0, five = 5, eight = 8;
    hob_flow    *f = slow_numbers(&a, 3, 10, 0); // at 10, 20, 30
    hob_flow    *g = slow_numbers(&b, 2, 12, 0); // at 12, 24
    hob_flow    *h = slow_numbers(&c, 1, 35, 0);
    hob_flow_map(g, sizeof(int64_t), add_arg, &five);
    hob_flow_map(h, sizeof(int64_t), add_arg, &eight);
    hob_flow_merge(f, g);
    hob_flow_merge(f, h);
    check_ok(hob_flow_reduce(f, &digits, add_digit, NULL));
    check_eq(digits, 51628);
}

TEST_ON_ALL(flow_tasks, merge_loses_nothing_and_keeps_the_order_of_each)
{
    hob_flow *f = hob_flow_range(0, 1000);
    hob_flow_merge(f, hob_flow_range(10000, 11000));
    hob_flow_merge(f, hob_flow_range(20000, 21000));
    HOB_SCOPE(s);
    int64_t number, next[3] = { 0, 0, 0 };
    bool    in_order = true;
    int     r = hob_flow_begin(f, &s);
    while (r == 0 && (r = hob_flow_next(f, &number)) == 0)
        in_order = in_order && next[number / 10000]++ == number % 10000;
    hob_flow_end(f);
    check_err(r, HOB_EOF);
    check(in_order);
    check_eq(next[0] + next[1] + next[2], 3000);
}

TEST(flow_tasks, a_failure_in_one_of_merged_flows_cancels_the_others)
{
    struct asked a, b;
    hob_flow    *f = slow_numbers(&a, 100, 1000, 0);
    hob_flow_merge(f, slow_numbers(&b, 2, 10, -EIO));
    int64_t began_ns = hob_now();
    check_ok(GIVES_THEN(f, -EIO, 0, 1));
    check_eq(hob_now() - began_ns, 30 * HOB_MSEC);
    check_eq(a.result, -ECANCELED);
    check_eq(tasks_now(), 1);
}

static hob_flow *ticking(void *item, void *arg)
{
    struct asked *asked = (struct asked *)arg + *(int64_t *)item;
    return slow_numbers(asked, 3, 10 * (1 + *(int64_t *)item), asked->error);
}

TEST(flow_tasks, flat_map_mixes_at_most_so_many_flows)
{
    struct asked inner[4] = { { 0 } };
    int64_t      digits = 0;
    hob_flow    *f = hob_flow_range(0, 3);
    hob_flow_flat_map(f, 2, sizeof(int64_t), ticking, inner);
    int64_t began_ns = hob_now();
    check_ok(hob_flow_reduce(f, &digits, add_digit, NULL));
    // The first: 10, 20, 30, ends 40. The second: 20, 40, 60, ends 80. The third from 40: 70, 100, 130.
    check_eq(hob_now() - began_ns, 160 * HOB_MSEC);
    check_eq(inner[2].count, 3);
}

TEST(flow_tasks, a_failure_in_an_inner_flow_ends_all_of_them)
{
    struct asked inner[4] = { { 0 }, { .error = -EIO }, { 0 }, { 0 } };
    uint64_t     count = 0;
    hob_flow    *f = hob_flow_range(0, 4);
    hob_flow_flat_map(f, 4, sizeof(int64_t), ticking, inner);
    check_err(hob_flow_count(f, &count), -EIO);
    check_eq(inner[3].count, 2); // at 40 and 80 ms; the second failed at 80
    check_eq(tasks_now(), 1);
    f = hob_flow_range(0, 4);
    hob_flow_flat_map(f, 4, sizeof(int64_t), ticking, inner);
    hob_flow_take(f, 3);
    check_ok(hob_flow_drain(f));
    check_eq(tasks_now(), 1);
}

/* ---- latest, switch_map ---- */

TEST(flow_tasks, latest_cancels_the_work_on_an_item_when_the_next_one_comes)
{
    // Items at 10, 20, 30, 40, 50 ms; the work on 0 and 3 is quick, on the others not.
    struct slow  slow = { .ms = { 5, 30, 30, 9, 70 } };
    struct asked asked;
    int64_t      began_ns = hob_now();
    hob_flow    *f = slow_numbers(&asked, 5, 10, 0);
    hob_flow_latest(f, sizeof(int64_t), slow_square, &slow);
    check_ok(GIVES(f, 0, 9, 16)); // the last is waited for
    check_eq(slow.cancelled, 2);
    check_eq(slow.under_way_max, 1);
    check_eq(hob_now() - began_ns, 120 * HOB_MSEC);
}

TEST(flow_tasks, latest_drops_a_result_that_nobody_took_in_time)
{
    static struct owned owned;
    struct slow         slow = { .ms = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 }, .owned = &owned };
    HOB_SCOPE(s);
    hob_flow *f = flow_of_owned(&owned, 5, 0);
    hob_flow_pace(f, 10 * HOB_MSEC);
    hob_flow_latest(f, sizeof(int64_t), slow_square, &slow);
    hob_flow_owns(f, drop_owned, NULL, &owned);
    int     r = hob_flow_begin(f, &s);
    int64_t number = -1, got = 0;
    if (r == 0)
        r = hob_sleep(25 * HOB_MSEC);
    while (r == 0 && (r = hob_flow_next(f, &number)) == 0) {
        owned_end(&owned, number);
        got++;
    }
    hob_flow_end(f);
    check_err(r, HOB_EOF);
    check_eq(got, 3); // of those that came at 20, 30, 40
    check_eq(slow.cancelled, 0);
    check_ok(check_owned(&owned));
}

TEST(flow_tasks, a_failure_of_the_work_cancels_the_asking)
{
    struct slow  slow = { .ms = { 5, 5, 5 }, .fails_at = 2 };
    struct asked asked;
    int64_t      began_ns = hob_now();
    hob_flow    *f = slow_numbers(&asked, 9, 1000, 0);
    hob_flow_latest(f, sizeof(int64_t), slow_square, &slow);
    check_ok(GIVES_THEN(f, -EDOM, 0, 1));
    check_eq(hob_now() - began_ns, 3005 * HOB_MSEC);
    check_eq(asked.result, -ECANCELED);

    // and an error from above, the work
    slow = (struct slow){ .ms = { 5000 } };
    f = slow_numbers(&asked, 1, 1000, -EIO);
    hob_flow_latest(f, sizeof(int64_t), slow_square, &slow);
    check_ok(GIVES_NOTHING(f, -EIO));
    check_eq(slow.cancelled, 1);
}

TEST(flow_tasks, switch_map_ends_one_flow_when_the_next_begins)
{
    struct asked inner[4] = { { 0 } }, outer;
    int64_t      digits = 0;
    hob_flow    *f = slow_numbers(&outer, 3, 25, 0); // at 25, 50, 75
    hob_flow_switch_map(f, sizeof(int64_t), ticking, inner);
    check_ok(hob_flow_reduce(f, &digits, add_digit, NULL));
    check_eq(digits, 10012); // 0 1 | 0 | 0 1 2
    check_eq(inner[0].result, -ECANCELED);
    check_eq(inner[1].result, -ECANCELED);
    check_eq(inner[2].result, 0);
}

TEST_ON_ALL(flow_tasks, latest_gives_the_last_item_and_never_goes_back)
{
    struct slow slow = { .ms = { 0 } };
    HOB_SCOPE(s);
    hob_flow *f = hob_flow_range(0, 200);
    hob_flow_latest(f, sizeof(int64_t), slow_square, &slow);
    int64_t number, last = -1;
    bool    rises = true;
    int     r = hob_flow_begin(f, &s);
    while (r == 0 && (r = hob_flow_next(f, &number)) == 0) {
        rises = rises && number > last;
        last = number;
    }
    hob_flow_end(f);
    check_err(r, HOB_EOF);
    check(rises);
    check_eq(last, 199 * 199);
}

/* ---- tee ---- */

struct branch {
    int64_t  sum, count, take, sleep_ns;
    int      error, result;
    bool     ended;
    struct owned *owned;
};

static int note_item(void *item, void *arg)
{
    struct branch *branch = arg;
    branch->sum += *(int64_t *)item;
    branch->count++;
    if (branch->sleep_ns > 0)
        HOB_TRY(hob_sleep(branch->sleep_ns));
    if (branch->owned != NULL)
        owned_end(branch->owned, *(int64_t *)item);
    return 0;
}

static int run_branch(hob_flow *flow, void *arg)
{
    struct branch *branch = arg;
    if (branch->take > 0)
        hob_flow_take(flow, (uint64_t)branch->take);
    branch->result = hob_flow_for_each(flow, note_item, branch);
    branch->ended = true;
    return branch->error != 0 ? hob_fail(branch->error) : branch->result;
}

TEST_ON_ALL(flow_tasks, tee_gives_both_all_items_and_waits_for_the_branch)
{
    struct branch branch = { .sleep_ns = HOB_MSEC };
    int64_t       sum = 0;
    hob_flow     *f = hob_flow_range(0, 20);
    hob_flow_tee(f, 4, HOB_WAIT, run_branch, &branch);
    check_ok(hob_flow_reduce(f, &sum, add_up, NULL));
    check_eq(sum, 190);
    check_eq(branch.sum, 190);
    check(branch.ended);
}

TEST(flow_tasks, a_branch_lags_behind_by_so_much_and_no_more)
{
    struct branch branch = { .sleep_ns = HOB_SEC };
    struct asked  asked = { .until = 1000 };
    HOB_SCOPE(s);
    hob_flow *f = flow_asked(&asked);
    hob_flow_tee(f, 4, HOB_WAIT, run_branch, &branch);
    int64_t number, got = 0;
    int     r = hob_flow_begin(f, &s);
    hob_scope_deadline(&s, hob_in(500 * HOB_MSEC));
    while (r == 0 && (r = hob_flow_next(f, &number)) == 0)
        got++;
    hob_flow_end(f);
    check_err(r, -ETIMEDOUT);
    check_eq(branch.count, 1);
    check_eq(got, 5);         // the one that it works on, and four
    check_eq(asked.count, 6); // and one for which there is no room
    check_err(hob_scope_end(&s), -ETIMEDOUT);
}

TEST(flow_tasks, a_branch_that_may_miss_items_holds_nobody_up)
{
    struct branch branch = { .sleep_ns = HOB_SEC };
    int64_t       began_ns = hob_now(), sum = 0;
    hob_flow     *f = hob_flow_range(0, 100);
    hob_flow_tee(f, 1, HOB_DROP_OLDEST, run_branch, &branch);
    check_ok(hob_flow_reduce(f, &sum, add_up, NULL));
    check_eq(sum, 4950);
    check_le(branch.count, 3);
    check_ge(branch.sum, 99); // the last one is there
    check_le(hob_now() - began_ns, 3 * HOB_SEC);
}

TEST(flow_tasks, a_branch_that_has_enough_leaves_the_rest_to_others)
{
    static struct owned owned;
    struct branch       branch = { .take = 3, .owned = &owned };
    hob_flow           *f = flow_of_owned(&owned, 20, 0);
    hob_flow_tee(f, 2, HOB_WAIT, run_branch, &branch);
    check_ok(hob_flow_for_each(f, take_owned, &owned));
    check_eq(branch.count, 3);
    check_eq(owned.given, 20);
    check_ok(check_owned(&owned));
}

TEST(flow_tasks, a_branch_that_fails_fails_the_flow_at_once)
{
    struct branch branch = { .take = 1, .error = -ENOSPC };
    struct asked  asked;
    int64_t       began_ns = hob_now();
    hob_flow     *f = slow_numbers(&asked, 10, 1000, 0);
    hob_flow_tee(f, 2, HOB_WAIT, run_branch, &branch);
    check_ok(GIVES_THEN(f, -ENOSPC, 0));
    check_eq(hob_now() - began_ns, 1000 * HOB_MSEC);
    check_eq(asked.result, -ECANCELED);
    check_eq(tasks_now(), 1);
}

TEST(flow_tasks, who_stops_early_below_cancels_the_branch)
{
    static struct owned owned;
    struct branch       branch = { .sleep_ns = HOB_SEC, .owned = &owned };
    hob_flow           *f = flow_of_owned(&owned, 20, 0);
    hob_flow_tee(f, 5, HOB_WAIT, run_branch, &branch);
    hob_flow_take(f, 3);
    check_ok(hob_flow_for_each(f, take_owned, &owned));
    check_eq(branch.result, -ECANCELED);
    check_ok(check_owned(&owned));
    check_eq(tasks_now(), 1);
}

/* ---- retry ---- */

struct attempts {
    struct asked asked;
    int          made, fail_until; /* those before fail */
    int64_t      at_ms[16];
    int64_t      began_ns, items;
};

static hob_flow *attempt(void *arg)
{
    struct attempts *attempts = arg;
    attempts->at_ms[attempts->made++] = (hob_now() - attempts->began_ns) / HOB_MSEC;
    attempts->asked.until = attempts->asked.count + attempts->items;
    attempts->asked.error = attempts->made <= attempts->fail_until ? -EIO : 0;
    hob_flow *f = flow_asked(&attempts->asked);
    hob_flow_buffer(f, 1, HOB_WAIT);
    return f;
}

TEST(flow_tasks, retry_makes_the_flow_anew_and_waits_longer_each_time)
{
    struct attempts attempts = { .fail_until = 3, .began_ns = hob_now() };
    hob_flow       *f = hob_flow_retry(sizeof(int64_t), NULL, attempt, &attempts);
    check_ok(GIVES_NOTHING(f, 0));
    check_eq(attempts.made, 4);
    check_eq(attempts.at_ms[1], 10);
    check_eq(attempts.at_ms[2], 30);
    check_eq(attempts.at_ms[3], 70);

    attempts = (struct attempts){ .fail_until = 99, .began_ns = hob_now() };
    hob_flow_retry_opts opts = { .retries_max = 4, .backoff_ns = HOB_SEC, .backoff_max_ns = 3 * HOB_SEC };
    f = hob_flow_retry(sizeof(int64_t), &opts, attempt, &attempts);
    check_ok(GIVES_NOTHING(f, -EIO));
    check_eq(attempts.made, 5);
    check_eq(attempts.at_ms[2], 3000);
    check_eq(attempts.at_ms[3], 6000);
    check_eq(attempts.at_ms[4], 9000);
}

TEST(flow_tasks, an_item_in_between_counts_retries_anew)
{
    struct attempts attempts = { .fail_until = 7, .items = 1, .began_ns = hob_now() };
    hob_flow       *f = hob_flow_retry(sizeof(int64_t), NULL, attempt, &attempts);
    check_ok(GIVES(f, 0, 1, 2, 3, 4, 5, 6, 7));
    check_eq(attempts.made, 8);
}

TEST(flow_tasks, a_cancelled_flow_is_not_tried_again)
{
    struct attempts attempts = { .asked = { .sleep_ns = HOB_HOUR }, .items = 1 };
    hob_flow       *f = hob_flow_retry(sizeof(int64_t), NULL, attempt, &attempts);
    HOB_SCOPE(s);
    hob_scope_deadline(&s, hob_in(HOB_SEC));
    check_err(hob_flow_drain(f), -ETIMEDOUT);
    check_eq(attempts.made, 1);
    check_err(hob_scope_end(&s), -ETIMEDOUT);
}

/* ---- cancelling ---- */

static int note_tasks(void *item, void *arg)
{
    if (*(int64_t *)item == 2)
        *(uint64_t *)arg = tasks_now();
    return 0;
}

TEST_ON_ALL(flow_tasks, take_has_ended_what_is_above_when_it_gives_its_last_item)
{
    uint64_t  tasks = 0;
    hob_flow *f = hob_flow_range(0, INT64_MAX);
    hob_flow_buffer(f, 5, HOB_WAIT);
    hob_flow_merge(f, hob_flow_ticks(HOB_HOUR));
    hob_flow_take(f, 3);
    check_ok(hob_flow_for_each(f, note_tasks, &tasks));
    check_eq(tasks, 1);
}

TEST_ON_ALL(flow_tasks, a_deadline_ends_a_flow_and_all_of_its_tasks)
{
    struct slow slow = { .ms = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1000000 } };
    hob_flow   *f = hob_flow_range(0, INT64_MAX);
    hob_flow_merge(f, hob_flow_ticks(HOB_HOUR));
    hob_flow_map_at_once(f, 3, HOB_IN_ORDER, sizeof(int64_t), slow_square, &slow);
    hob_flow_buffer(f, 2, HOB_WAIT);
    HOB_SCOPE(s);
    hob_scope_deadline(&s, hob_in(50 * HOB_MSEC));
    check_err(hob_flow_drain(f), -ETIMEDOUT);
    check_eq(tasks_now(), 1);
    check_eq(slow.under_way, 0);
    check_err(hob_scope_end(&s), -ETIMEDOUT);
}

TEST_ON_ALL(flow_tasks, a_flow_that_never_waits_is_cancelled_too)
{
    HOB_SCOPE(s);
    hob_scope_deadline(&s, hob_in(20 * HOB_MSEC));
    if (strcmp(hob_test_backend(), "sim") == 0)
        hob_scope_cancel(&s, "time stands still for who never waits");
    check_lt(hob_flow_drain(hob_flow_range(0, INT64_MAX)), 0);
    check_lt(hob_scope_end(&s), 0);
}

TEST(flow_tasks, a_scope_that_ends_first_is_not_held_up_by_a_flow_by_hand)
{
    hob_flow *f = hob_flow_range(0, 100);
    hob_flow_buffer(f, 2, HOB_WAIT);
    int begun;
    {
        HOB_SCOPE(s);
        begun = hob_flow_begin(f, &s);
        hob_flow_end(f);
        check_ok(hob_scope_end(&s));
    }
    check_ok(begun);
    check_eq(tasks_now(), 1);
}

TEST(flow_tasks, no_task_is_started_where_none_is_needed)
{
    hob_stats before, after;
    hob_stats_get(&before);
    hob_flow *f = hob_flow_range(0, 10000);
    hob_flow_map(f, sizeof(int64_t), square, NULL);
    hob_flow_filter(f, is_even, NULL);
    hob_flow_concat(f, hob_flow_range(0, 10));
    hob_flow_take(f, 4000);
    hob_flow_batch(f, 4, 0);
    hob_flow_window(f, 2, 1);
    check_ok(hob_flow_drain(f));
    hob_stats_get(&after);
    check_eq(after.tasks_started, before.tasks_started);
}
