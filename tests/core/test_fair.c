/* SPDX-License-Identifier: MIT */
/* Fairness: nobody starves, whatever the others do; and who holds the worker is told. */
#include <time.h>

#include "support/tasks.h"

struct greedy {
    hob_promise *settled;
    bool        *other_ran;
    int          rounds;
};

static int await_without_end(void *arg)
{
    struct greedy *g = arg;
    for (g->rounds = 0; g->rounds < 1000000 && !*g->other_ran; g->rounds++)
        check_ok(hob_promise_await(g->settled, NULL));
    return 0;
}

static int run_once_more(void *arg)
{
    hob_yield();
    *(bool *)arg = true;
    return 0;
}

/* How often it went round before another had its turn. */
static int rounds_beside_another(hob_task_fn *greedy)
{
    bool          ran = false;
    struct greedy g = { .other_ran = &ran };
    check_ok(hob_promise_new(&g.settled));
    check_ok(hob_promise_resolve(g.settled, NULL));
    HOB_SCOPE(s);
    check_ok(hob_go(&s, run_once_more, &ran));
    check_ok(hob_go(&s, greedy, &g));
    check_ok(hob_scope_end(&s));
    hob_promise_free(g.settled);
    check(ran);
    return g.rounds;
}

TEST_ON_ALL(fair, what_is_done_at_once_does_not_keep_others_waiting)
{
    int rounds = check_ok(rounds_beside_another(await_without_end));
    check_lt(rounds, 100000);
}

static int await_often(void *arg)
{
    for (int i = 0; i < 200; i++)
        check_ok(hob_promise_await(arg, NULL));
    return 0;
}

static int start_without_end(void *arg)
{
    struct greedy *g = arg;
    HOB_SCOPE(s);
    for (g->rounds = 0; g->rounds < 10000 && !*g->other_ran; g->rounds++)
        check_ok(hob_go(&s, await_often, g->settled));
    return hob_scope_end(&s);
}

/* Whoever starts a child goes on before others; but not turn after turn. */
TEST_ON_ALL(fair, who_starts_children_that_are_long_does_not_keep_others_waiting)
{
    int rounds = check_ok(rounds_beside_another(start_without_end));
    check_lt(rounds, 100);
}

static int do_nothing(void *arg)
{
    (void)arg;
    return 0;
}

static int start_short_ones(void *arg)
{
    struct greedy *g = arg;
    HOB_SCOPE(s);
    for (g->rounds = 0; g->rounds < 100000 && !*g->other_ran; g->rounds++)
        check_ok(hob_go(&s, do_nothing, NULL));
    return hob_scope_end(&s);
}

TEST_ON_ALL(fair, who_starts_one_child_after_the_other_does_not_keep_others_waiting)
{
    int rounds = check_ok(rounds_beside_another(start_short_ones));
    check_lt(rounds, 10000);
}

static int write_and_read(void *arg)
{
    struct greedy *g = arg;
    hob_unix      *a, *b;
    check_ok(hob_unix_pair(&a, &b));
    for (g->rounds = 0; g->rounds < 100000 && !*g->other_ran; g->rounds++) {
        char byte = 'x';
        check_eq(hob_unix_write(a, &byte, 1), 1);
        check_eq(hob_unix_read(b, &byte, 1), 1);
    }
    hob_unix_close(a);
    hob_unix_close(b);
    return 0;
}

TEST_ON_ALL(fair, reading_what_is_there_does_not_keep_others_waiting)
{
    int rounds = check_ok(rounds_beside_another(write_and_read));
    check_lt(rounds, 10000);
}

static int yield_until(void *arg)
{
    bool *stop = arg;
    while (!*stop)
        hob_yield();
    return 0;
}

static int sleep_and_stop(void *arg)
{
    int r = hob_sleep(5 * HOB_MSEC);
    *(bool *)arg = true;
    return r;
}

TEST_ON_ALL(fair, those_who_yield_do_not_stop_the_clock)
{
    bool stop = false;
    if (strcmp(hob_test_backend(), "sim") == 0)
        skip("virtual time stands still while anybody is ready");
    HOB_SCOPE(s);
    check_ok(hob_go(&s, yield_until, &stop));
    check_ok(hob_go(&s, yield_until, &stop));
    check_ok(hob_go(&s, sleep_and_stop, &stop));
    check_ok(hob_scope_end(&s));
}

static int checkpoint_until(void *arg)
{
    bool *stop = arg;
    while (!*stop)
        HOB_TRY(hob_checkpoint());
    return 0;
}

TEST_ON_ALL(fair, a_loop_with_checkpoints_does_not_stop_the_clock)
{
    bool stop = false;
    if (strcmp(hob_test_backend(), "sim") == 0)
        skip("virtual time stands still while anybody is ready");
    HOB_SCOPE(s);
    check_ok(hob_go(&s, sleep_and_stop, &stop));
    check_ok(hob_go(&s, checkpoint_until, &stop));
    check_ok(hob_scope_end(&s));
}

/* Computes for 2 ms, which is no fault, and lets others run. */
struct computing {
    bool yields, stop;
    int  rounds;
};

static int compute_in_rounds(void *arg)
{
    struct computing *c = arg;
    while (!c->stop) {
        struct timespec now, until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += 2000000;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        do
            clock_gettime(CLOCK_MONOTONIC, &now);
        while (now.tv_sec < until.tv_sec ||
               (now.tv_sec == until.tv_sec && now.tv_nsec < until.tv_nsec));
        c->rounds++;
        if (c->yields)
            hob_yield();
        else
            HOB_TRY(hob_checkpoint());
    }
    return 0;
}

/* Once it is known that the rounds are long, a timer does not wait for dozens of them. */
TEST_ON_ALL(fair, who_computes_in_long_rounds_does_not_stop_the_clock)
{
    if (strcmp(hob_test_backend(), "sim") == 0)
        skip("virtual time stands still while anybody is ready");
    for (int yields = 0; yields < 2; yields++) {
        struct computing c = { .yields = yields };
        HOB_SCOPE(s);
        check_ok(hob_go(&s, compute_in_rounds, &c));
        for (int i = 0; i < 3; i++)
            check_ok(hob_sleep(HOB_MSEC));
        int before = c.rounds;
        for (int i = 0; i < 5; i++)
            check_ok(hob_sleep(HOB_MSEC));
        int after = c.rounds;
        c.stop = true;
        check_ok(hob_scope_end(&s));
        check_lt(after - before, 100);
    }
}

TEST_ON_ALL(fair, a_deadline_ends_a_loop_with_checkpoints)
{
    bool never = false;
    if (strcmp(hob_test_backend(), "sim") == 0)
        skip("virtual time stands still while anybody is ready");
    HOB_SCOPE(s);
    hob_scope_deadline(&s, hob_in(5 * HOB_MSEC));
    check_err(checkpoint_until(&never), -ETIMEDOUT);
    check_err(hob_scope_end(&s), -ETIMEDOUT);
}

/* ---- who holds the worker ---- */

/* By its own time: who gets no processor holds nobody up. */
static void compute_ms(int64_t ms)
{
    struct timespec start, now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &start);
    do
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    while ((now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1000000 < ms);
}

/* Until it is seen: on a busy machine the watchdog has to wait for a processor, too. */
static int compute(void *arg)
{
    hob_stats stats = { .slow_runs = 0 };
    hob_task_set_name("calculator");
    for (int i = 0; i < 100 && stats.slow_runs == 0; i++) {
        compute_ms(30);
        hob_stats_get(&stats);
    }
    return 0;
}

static int compute_beside_others(void *arg)
{
    hob_stats *stats = arg;
    struct nap n = { .ns = HOB_MSEC };
    HOB_SCOPE(s);
    check_ok(hob_go(&s, nap, &n));
    check_ok(hob_go(&s, compute, NULL));
    check_ok(hob_scope_end(&s));
    check_ok(n.result);
    hob_stats_get(stats);
    return 0;
}

/* SURVIVAL 14. */
TEST_BARE_ON_ALL(fair, a_task_that_holds_the_worker_is_counted_and_named)
{
    hob_stats    stats;
    hob_run_opts opts;
    if (strcmp(hob_test_backend(), "sim") == 0)
        skip("computing takes no virtual time");
    if (is_in_valgrind())
        skip("Valgrind lets one thread run at a time, seldom the watchdog");
    if (is_emulated())
        skip("the emulator lacks process_vm_readv, by which the watchdog looks");
    hob_test_run_opts(&opts);
    opts.slow_ns = 10 * HOB_MSEC;
    check_ok(hob_run_with(&opts, compute_beside_others, &stats));
    check_ge(stats.slow_runs, 1);
    check_has(hob_test_report_text(), "calculator");
}
