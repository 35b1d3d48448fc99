/* SPDX-License-Identifier: MIT */
/*
 * hob/rate.h: exact times, order, cancelling, many keys in little memory; and random walks
 * beside a bucket that is counted by hand.
 */
#include "support/tasks.h"

#include <stdatomic.h>

#include "base/rand.h"
#include "base/siphash.h"

#define ON(number) (&(hob_task_opts){ .where = HOB_ON(number) })

static int with_workers(hob_task_fn *fn, void *arg, uint32_t workers)
{
    hob_run_opts opts;
    hob_test_run_opts(&opts);
    opts.workers = workers;
    return hob_run_with(&opts, fn, arg);
}

/* A task that takes tokens, and notes its letter and when. */
struct taker {
    hob_rate     *rate;
    uint32_t      cost;
    struct notes *notes;
    char          letter;
    int           result;
    int64_t       at_ns;
};

static int take(void *arg)
{
    struct taker *t = arg;
    t->result = hob_rate_take(t->rate, t->cost);
    t->at_ns = hob_now();
    if (t->result == 0 && t->notes != NULL)
        note(t->notes, t->letter);
    return 0;
}

/* ---- when ---- */

TEST(rate, first_the_burst_then_one_after_the_other)
{
    hob_rate rate = { .name = "mails", .count = 10, .burst = 3 };
    int64_t  began = hob_now();
    for (int i = 0; i < 3 + 20; i++) {
        check_ok(hob_rate_take(&rate, 1));
        check_eq(hob_now() - began, i < 3 ? 0 : (i - 2) * 100 * HOB_MSEC);
    }
}

TEST(rate, a_third_of_a_second_is_rounded_up_and_does_not_drift)
{
    hob_rate rate = { .count = 3, .burst = 2 };
    int64_t  began = hob_now();
    check_ok(hob_rate_take(&rate, 2));
    for (int64_t i = 1; i < 300; i++) {
        check_ok(hob_rate_take(&rate, 1));
        check_eq(hob_now() - began, (i * HOB_SEC + 2) / 3);
    }
}

TEST(rate, it_fills_up_to_the_burst_and_no_further)
{
    hob_rate rate = { .count = 100, .burst = 4, .period_ns = HOB_MINUTE };
    check_ok(hob_rate_take(&rate, 4));
    check_ok(hob_sleep(HOB_HOUR));
    check_err(hob_rate_try_take(&rate, 5), -ERANGE);
    check_ok(hob_rate_try_take(&rate, 4));
    check_err(hob_rate_try_take(&rate, 1), -EAGAIN);
    check_ok(hob_sleep(600 * HOB_MSEC));
    check_ok(hob_rate_try_take(&rate, 1));
    check_err(hob_rate_try_take(&rate, 1), -EAGAIN);
}

TEST(rate, the_burst_is_the_count_unless_told)
{
    hob_rate rate = { .count = 7 };
    check_ok(hob_rate_try_take(&rate, 7));
    check_err(hob_rate_try_take(&rate, 1), -EAGAIN);
    check_err(hob_rate_take(&rate, 8), -ERANGE);
    check_ok(hob_rate_try_take(&rate, 0));
}

TEST(rate, it_says_how_long_one_would_wait_behind_all_others)
{
    hob_rate     rate = { .count = 10, .burst = 5 };
    struct taker t[2] = { { &rate, 3, NULL, 0, 0, 0 }, { &rate, 5, NULL, 0, 0, 0 } };
    HOB_SCOPE(s);
    check_eq(hob_rate_wait_ns(&rate, 5), 0);
    check_ok(hob_rate_take(&rate, 5));
    check_eq(hob_rate_wait_ns(&rate, 1), 100 * HOB_MSEC);
    check_ok(hob_go(&s, take, &t[0]));
    settle();
    check_ok(hob_go(&s, take, &t[1]));
    settle();
    check_eq(hob_rate_wait_ns(&rate, 1), 900 * HOB_MSEC);
    check_err(hob_rate_wait_ns(&rate, 6), -ERANGE);
    int64_t began = hob_now();
    check_ok(hob_rate_take(&rate, 1));
    check_eq(hob_now() - began, 900 * HOB_MSEC);
    check_eq(t[0].at_ns - began, 300 * HOB_MSEC);
    check_eq(t[1].at_ns - began, 800 * HOB_MSEC);
    check_ok(hob_scope_end(&s));
}

TEST(rate, the_slowest_and_the_fastest_do_not_overflow)
{
    hob_rate slow = { .count = 1, .burst = UINT32_MAX, .period_ns = HOB_FOREVER };
    check_ok(hob_rate_take(&slow, UINT32_MAX));
    check_eq(hob_rate_wait_ns(&slow, UINT32_MAX), HOB_FOREVER);
    check_err(hob_rate_try_take(&slow, 1), -EAGAIN);
    hob_rate fast = { .count = UINT32_MAX, .period_ns = 1 };
    for (int i = 0; i < 10; i++) {
        check_ok(hob_rate_take(&fast, UINT32_MAX));
        check_eq(hob_rate_wait_ns(&fast, 1), 1);
        check_ok(hob_sleep(1));
    }
}

/* ---- who ---- */

TEST_ON_ALL(rate, who_came_first_goes_first_whatever_it_costs)
{
    hob_rate     rate = { .count = 1000, .burst = 10 };
    struct notes notes = { .len = 0 };
    struct taker t[5];
    HOB_SCOPE(s);
    check_ok(hob_rate_take(&rate, 10));
    for (int i = 0; i < 5; i++) {
        t[i] = (struct taker){ &rate, i == 1 ? 10 : 1, &notes, (char)('a' + i), 0, 0 };
        check_ok(hob_go(&s, take, &t[i]));
        settle();
    }
    check_ok(hob_scope_end(&s));
    check_str(notes.text, "abcde");
}

TEST(rate, who_is_cancelled_took_nothing_and_the_others_move_up)
{
    hob_rate     rate = { .count = 10, .burst = 10 };
    struct taker big = { &rate, 10, NULL, 0, 0, 0 }, small = { &rate, 1, NULL, 0, 0, 0 };
    HOB_SCOPE(outer);
    check_ok(hob_rate_take(&rate, 10));
    int64_t began = hob_now();
    HOB_SCOPE(s);
    check_ok(hob_go(&s, take, &big));
    settle();
    check_ok(hob_go(&outer, take, &small));
    check_ok(hob_sleep(450 * HOB_MSEC));
    hob_scope_cancel(&s, "too expensive");
    ignore(hob_scope_end(&s));
    check_err(big.result, -ECANCELED);
    settle();
    check_ok(small.result);
    check_eq(small.at_ns - began, 450 * HOB_MSEC);
    check_eq(hob_rate_wait_ns(&rate, 4), 50 * HOB_MSEC);
    ignore(hob_scope_end(&outer));
}

TEST_ON_ALL(rate, in_a_cancelled_scope_nothing_is_taken)
{
    hob_rate rate = { .count = 1 };
    HOB_SCOPE(s);
    hob_scope_cancel(&s, "over");
    check_err(hob_rate_take(&rate, 1), -ECANCELED);
    ignore(hob_scope_end(&s));
    check_ok(hob_rate_try_take(&rate, 1));
}

TEST_ON_ALL(rate, a_deadline_ends_the_wait)
{
    hob_rate rate = { .count = 1, .period_ns = HOB_HOUR };
    check_ok(hob_rate_take(&rate, 1));
    HOB_SCOPE(s);
    hob_scope_deadline(&s, hob_in(20 * HOB_MSEC));
    check_err(hob_rate_take(&rate, 1), -ETIMEDOUT);
    ignore(hob_scope_end(&s));
}

TEST(rate, what_is_given_back_goes_to_the_first_at_once)
{
    hob_rate     rate = { .count = 1, .burst = 5 };
    struct taker t = { &rate, 3, NULL, 0, -1, 0 };
    HOB_SCOPE(s);
    check_ok(hob_rate_take(&rate, 5));
    int64_t began = hob_now();
    check_ok(hob_go(&s, take, &t));
    settle();
    hob_rate_give_back(&rate, 2);
    check_err(hob_rate_try_take(&rate, 1), -EAGAIN); // there are two, and somebody waits
    check_ok(hob_sleep(HOB_SEC - 1));
    check_eq(t.result, -1);
    hob_rate_give_back(&rate, 1);
    settle();
    check_ok(t.result);
    check_eq(t.at_ns - began, HOB_SEC - 1);
    hob_rate_give_back(&rate, 1000);
    check_err(hob_rate_try_take(&rate, 6), -ERANGE);
    check_ok(hob_rate_try_take(&rate, 5));
    check_err(hob_rate_try_take(&rate, 1), -EAGAIN);
    check_ok(hob_scope_end(&s));
}

TEST(rate, a_new_pace_holds_for_those_who_wait)
{
    hob_rate     rate = { .count = 1, .burst = 5, .period_ns = HOB_HOUR };
    struct taker t[3] = { { &rate, 1, NULL, 0, 9, 0 }, { &rate, 5, NULL, 0, 9, 0 },
                          { &rate, 2, NULL, 0, 9, 0 } };
    HOB_SCOPE(s);
    check_ok(hob_rate_take(&rate, 5));
    int64_t began = hob_now();
    for (int i = 0; i < 3; i++) {
        check_ok(hob_go(&s, take, &t[i]));
        settle();
    }
    hob_rate_set(&rate, 10, 2, 0);
    check_ok(hob_scope_end(&s));
    check_eq(t[0].at_ns - began, 100 * HOB_MSEC); // 3 of the 5 were lost with the smaller bucket
    check_err(t[1].result, -ERANGE);
    check_eq(t[2].at_ns - began, 300 * HOB_MSEC);
}

TEST_DIES(rate, a_rate_of_nothing_is_a_mistake, "hob_rate_take: the rate lets nothing through*")
{
    hob_rate rate = { .name = "nothing" };
    ignore(hob_rate_take(&rate, 1));
}

static void try_in_callback(void *arg, ssize_t result)
{
    struct taker *t = arg;
    t->result = hob_rate_try_take(t->rate, 1);
}

TEST_ON_ALL(rate, a_callback_may_try)
{
    hob_rate     rate = { .count = 1 };
    struct taker t = { &rate, 1, NULL, 0, -1, 0 };
    hob_op       op;
    HOB_SCOPE(s);
    hob_sleep_prep(&op, hob_now());
    hob_op_call(&s, &op, try_in_callback, &t);
    check_ok(hob_scope_end(&s));
    check_ok(t.result);
}

/* ---- a random walk beside a bucket that is counted by hand ---- */

enum { WALKERS = 8, COSTS = 12 };

struct model {
    hob_rate rate;
    int64_t  at_ns;
    unsigned __int128 missing; /* in 1 / period_ns of a token */
    long     taken, cancelled;
    long     steps;
    /* who waits, in order of their coming, by the step's number */
    long     line[WALKERS];
    int      waiting;
    long     next_number;
    int64_t  line_moved_ns; /* when the first of the line became so */
    int      wrong;
};

static unsigned __int128 missing_at(struct model *m, int64_t now_ns)
{
    unsigned __int128 come = (unsigned __int128)(uint64_t)(now_ns - m->at_ns) * m->rate.count;
    return m->missing > come ? m->missing - come : 0;
}

static bool would_fit(struct model *m, uint32_t cost, int64_t now_ns)
{
    return missing_at(m, now_ns) + (unsigned __int128)cost * (uint64_t)m->rate.period_ns <=
           (unsigned __int128)m->rate.burst * (uint64_t)m->rate.period_ns;
}

static void come_to_line(struct model *m, long number)
{
    if (m->waiting == 0)
        m->line_moved_ns = hob_now();
    m->line[m->waiting++] = number;
}

static void leave_line(struct model *m, long number)
{
    int at = 0;
    while (m->line[at] != number)
        at++;
    if (at == 0)
        m->line_moved_ns = hob_now();
    memmove(&m->line[at], &m->line[at + 1], (size_t)(m->waiting - at - 1) * sizeof m->line[0]);
    m->waiting--;
}

struct walk_step {
    struct model *model;
    uint32_t      cost;
};

/* A take is right when it fits, comes in its turn, and could not have been a nanosecond earlier:
 * it was not the first of the line then, or it did not fit. */
static int walk_take(void *arg)
{
    struct walk_step *step = arg;
    struct model     *m = step->model;
    long              number = m->next_number++;
    int64_t           came = hob_now();
    come_to_line(m, number);
    bool    first_ever = m->waiting == 1;
    int     r = hob_rate_take(&m->rate, step->cost);
    int64_t now = hob_now();
    if (r < 0) {
        m->cancelled++;
        leave_line(m, number);
        return 0;
    }
    m->taken++;
    if (m->line[0] != number || !would_fit(m, step->cost, now))
        m->wrong++;
    int64_t could = first_ever ? came : m->line_moved_ns;
    if (now > could && would_fit(m, step->cost, now - 1) && now - 1 >= m->at_ns && now - 1 >= could)
        m->wrong++;
    m->missing = missing_at(m, now) + (unsigned __int128)step->cost * (uint64_t)m->rate.period_ns;
    m->at_ns = now;
    leave_line(m, number);
    return 0;
}

static int walk_around(void *arg)
{
    struct model *m = arg;
    struct rand   dice = { hob_random() };
    for (long i = 0; i < m->steps; i++) {
        struct walk_step step = { m, (uint32_t)rand_below(&dice, COSTS) };
        if (rand_below(&dice, 3) == 0)
            HOB_TRY(hob_sleep(rand_between(&dice, 0, 3 * HOB_SEC)));
        if (rand_below(&dice, 4) != 0) {
            HOB_TRY(walk_take(&step));
            continue;
        }
        HOB_SCOPE(s);
        hob_scope_deadline(&s, hob_in(rand_between(&dice, 0, 2 * HOB_SEC)));
        ignore(walk_take(&step));
        ignore(hob_scope_end(&s));
    }
    return 0;
}

static int walk_all(void *arg)
{
    HOB_SCOPE(s);
    for (int i = 0; i < WALKERS; i++)
        check_ok(hob_go(&s, walk_around, arg));
    return hob_scope_end(&s);
}

TEST_ONCE(rate, random_takes_and_cancellations_are_as_a_bucket_counted_by_hand)
{
    long         total = hob_test_is_deep() && !all_is_slow() ? 1000000 : all_is_slow() ? 5000 : 100000;
    struct model m = { .rate = { .count = 7, .burst = COSTS - 1, .period_ns = HOB_SEC } };
    hob_test_timeout(60);
    m.steps = total / WALKERS;
    m.at_ns = hob_now();
    check_ok(walk_all(&m));
    check_eq(m.wrong, 0);
    check_eq(m.taken + m.cancelled, m.steps * WALKERS);
    check_gt(m.cancelled, total / 50);
    check_gt(m.taken, total / 2);
}

/* ---- several workers ---- */

struct crowd {
    hob_rate    rate;
    atomic_long taken, cancelled;
    long        steps;
    int64_t     began_ns, ended_ns;
};

static int take_often(void *arg)
{
    struct crowd *c = arg;
    struct rand   dice = { hob_random() };
    for (long i = 0; i < c->steps; i++) {
        uint32_t cost = (uint32_t)rand_below(&dice, 4);
        int      r = 0;
        if (rand_below(&dice, 4) == 0) {
            HOB_SCOPE(s);
            hob_scope_deadline(&s, hob_in(rand_between(&dice, 0, 20 * HOB_USEC)));
            r = hob_rate_take(&c->rate, cost);
            ignore(hob_scope_end(&s));
        } else {
            r = hob_rate_take(&c->rate, cost);
        }
        if (r == 0 && rand_below(&dice, 16) == 0)
            hob_rate_give_back(&c->rate, cost);
        else
            atomic_fetch_add(r == 0 ? &c->taken : &c->cancelled, r == 0 ? cost : 1);
    }
    return 0;
}

static int take_on_all(void *arg)
{
    struct crowd *c = arg;
    c->began_ns = hob_now();
    HOB_SCOPE(s);
    for (uint32_t i = 0; i < 8; i++)
        check_ok(hob_go_with(&s, take_often, c, ON(i % hob_workers())));
    int r = hob_scope_end(&s);
    c->ended_ns = hob_now();
    return r;
}

TEST_AS(rate, on_all_workers_together_no_more_than_the_rate,
        HOB_TEST_NO_RUNTIME | HOB_TEST_EACH_BACKEND | HOB_TEST_ONE_SEED, NULL)
{
    for (uint32_t workers = 1; workers <= 4; workers *= 2) {
        struct crowd c = { .rate = { .count = 200, .burst = 10, .period_ns = HOB_MSEC } };
        c.steps = all_is_slow() ? 100 : 2000;
        check_ok(with_workers(take_on_all, &c, workers));
        check_gt(c.taken, 0);
        // What came in that time, rounded up, and the burst.
        check_le(c.taken, 10 + (c.ended_ns - c.began_ns) / (5 * HOB_USEC) + 1);
    }
}

/* ---- by key ---- */

static void free_rates(hob_rates **rates)
{
    hob_rates_free(*rates);
}

#define RATES(name) __attribute__((cleanup(free_rates))) hob_rates *name = NULL

static int take_by(hob_rates *rates, uint32_t key)
{
    return hob_rates_try_take(rates, &key, sizeof key, 1);
}

TEST(rates, each_key_has_a_bucket_of_its_own)
{
    RATES(rates);
    check_ok(hob_rates_new(&(hob_rates_opts){ .count = 1, .burst = 2 }, &rates));
    check_ok(hob_rates_try_take(rates, "ann", 3, 2));
    check_err(hob_rates_try_take(rates, "ann", 3, 1), -EAGAIN);
    check_ok(hob_rates_try_take(rates, "anna", 4, 2));
    check_ok(hob_rates_try_take(rates, "", 0, 2));
    check_err(hob_rates_try_take(rates, "bob", 3, 3), -ERANGE);
    check_eq(hob_rates_wait_ns(rates, "ann", 3, 2), 2 * HOB_SEC);
    int64_t began = hob_now();
    check_ok(hob_rates_take(rates, "ann", 3, 1));
    check_eq(hob_now() - began, HOB_SEC);
    hob_rates_give_back(rates, "ann", 3, 1);
    check_ok(hob_rates_try_take(rates, "ann", 3, 1));
    hob_rates_stats stats;
    hob_rates_stats_get(rates, &stats);
    check_eq(stats.taken, 5);
    check_eq(stats.refused, 1);
    check_eq(stats.crowded, 0);
}

TEST(rates, a_crowd_of_new_keys_shares_one_bucket_and_takes_nothing_from_the_known)
{
    RATES(rates);
    check_ok(hob_rates_new(&(hob_rates_opts){ .count = 1, .burst = 2, .keys_max = 100 }, &rates));
    for (uint32_t key = 0; key < 100; key++)
        check_ok(take_by(rates, key));
    check_ok(take_by(rates, 1000));
    check_ok(take_by(rates, 1001));
    check_err(take_by(rates, 1002), -EAGAIN);
    for (uint32_t key = 0; key < 100; key++)
        check_ok(take_by(rates, key));
    for (uint32_t key = 0; key < 100; key++)
        check_err(take_by(rates, key), -EAGAIN);
    hob_rates_stats stats;
    hob_rates_stats_get(rates, &stats);
    check_eq(stats.keys, 100);
    check_eq(stats.crowded, 3);
    check_ok(hob_sleep(2 * HOB_SEC)); // all are full: nothing is to be remembered any more
    for (uint32_t key = 2000; key < 2100; key++) {
        check_ok(take_by(rates, key));
        check_ok(take_by(rates, key));
        check_err(take_by(rates, key), -EAGAIN);
    }
    hob_rates_stats_get(rates, &stats);
    check_eq(stats.crowded, 3);
}

/* With room for all keys that are not full, a small table says the same as one bucket each. */
TEST(rates, forgetting_a_full_bucket_changes_no_answer)
{
    enum { KEYS = 300 };
    RATES(rates);
    struct rand dice = { hob_test_seed() };
    struct { int64_t at_ns, missing_ns; } model[KEYS] = { { 0, 0 } };
    long        steps = all_is_slow() ? 5000 : 100000;
    check_ok(hob_rates_new(&(hob_rates_opts){ .count = 1, .burst = 3, .keys_max = 64 }, &rates));
    for (long i = 0; i < steps; i++) {
        uint32_t key = (uint32_t)rand_below(&dice, rand_below(&dice, 2) == 0 ? 5 : KEYS);
        int64_t  gone = hob_now() - model[key].at_ns;
        int64_t  missing = model[key].missing_ns > gone ? model[key].missing_ns - gone : 0;
        bool     fits = missing + HOB_SEC <= 3 * HOB_SEC;
        check_eq(take_by(rates, key), fits ? 0 : -EAGAIN);
        model[key].at_ns = hob_now();
        model[key].missing_ns = missing + (fits ? HOB_SEC : 0);
        // About twenty keys at a time are not full.
        check_ok(hob_sleep(rand_between(&dice, 0, 80 * HOB_MSEC)));
    }
    hob_rates_stats stats;
    hob_rates_stats_get(rates, &stats);
    check_le(stats.keys, 64);
    check_eq(stats.taken + stats.refused, steps);
    check_gt(stats.refused, steps / 20);
}

struct keyed {
    hob_rates   *rates;
    uint32_t     key;
    int          result;
};

static int take_keyed(void *arg)
{
    struct keyed *k = arg;
    k->result = hob_rates_take(k->rates, &k->key, sizeof k->key, 2);
    return 0;
}

TEST(rates, a_key_that_is_waited_for_keeps_its_place)
{
    RATES(rates);
    check_ok(hob_rates_new(&(hob_rates_opts){ .count = 1, .burst = 2, .keys_max = 1 }, &rates));
    struct keyed k = { rates, 7, -1 };
    HOB_SCOPE(s);
    check_ok(take_by(rates, 7));
    check_ok(hob_go(&s, take_keyed, &k));
    settle();
    check_ok(hob_sleep(HOB_SEC - 1));
    check_ok(take_by(rates, 8)); // of the crowd
    check_eq(k.result, -1);
    check_ok(hob_scope_end(&s));
    check_ok(k.result);
    check_err(take_by(rates, 7), -EAGAIN);
}

static int keyed_walk(void *arg)
{
    hob_rates  *rates = arg;
    struct rand dice = { hob_random() };
    for (int i = 0; i < (all_is_slow() ? 200 : 4000); i++) {
        uint32_t key = (uint32_t)rand_below(&dice, 40);
        HOB_SCOPE(s);
        hob_scope_deadline(&s, hob_in(rand_between(&dice, 1, 50 * HOB_USEC)));
        int r = hob_rates_take(rates, &key, sizeof key, 1 + (uint32_t)rand_below(&dice, 3));
        if (r != 0 && r != -ETIMEDOUT)
            return r;
        ignore(hob_scope_end(&s));
    }
    return 0;
}

static int keyed_walk_all(void *arg)
{
    RATES(rates);
    HOB_SCOPE(s);
    check_ok(hob_rates_new(&(hob_rates_opts){ .count = 10, .burst = 3, .keys_max = 16,
                                              .period_ns = HOB_MSEC }, &rates));
    for (uint32_t i = 0; i < 8; i++)
        check_ok(hob_go_with(&s, keyed_walk, rates, ON(i % hob_workers())));
    return hob_scope_end(&s);
}

TEST_AS(rates, all_workers_walk_through_one_table,
        HOB_TEST_NO_RUNTIME | HOB_TEST_EACH_BACKEND | HOB_TEST_ONE_SEED, NULL)
{
    for (uint32_t workers = 1; workers <= 4; workers *= 2)
        check_ok(with_workers(keyed_walk_all, NULL, workers));
}

/* The first and some later of the published vectors: key 00 01 ... 0f, input 00 01 02 ... */
TEST_BARE(rates, the_hash_is_siphash)
{
    struct siphash_key key = { UINT64_C(0x0706050403020100), UINT64_C(0x0F0E0D0C0B0A0908) };
    unsigned char      in[16];
    for (unsigned i = 0; i < sizeof in; i++)
        in[i] = (unsigned char)i;
    check_eq(hob__siphash(&key, in, 0), UINT64_C(0x726FDB47DD0E0E31));
    check_eq(hob__siphash(&key, in, 1), UINT64_C(0x74F839C593DC67FD));
    check_eq(hob__siphash(&key, in, 8), UINT64_C(0x93F5F5799A932462));
    check_eq(hob__siphash(&key, in, 15), UINT64_C(0xA129CA6149BE45E5));
}
