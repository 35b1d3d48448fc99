/* SPDX-License-Identifier: MIT */
/*
 * hob_parallel_for and hob_parallel_reduce: every number once, in pieces, until a failure or a
 * cancellation; and one result, whoever computed it.
 */
#include "support/io.h"
#include "support/tasks.h"

#include <stdatomic.h>

#include "hob/parallel.h"
#include "hob/sim.h"

enum { NUMBERS = 5000 };

static void free_pool(hob_pool **pool)
{
    hob_pool_free(*pool);
}

#define POOL(name, ...)                                                            \
    CLOSED_BY(free_pool) hob_pool *name = NULL;                                    \
    check_ok(hob_pool_new(&(hob_pool_opts){ __VA_ARGS__ }, &name))

static int take_time(int64_t ns)
{
    hob_sim_world world = { .offload_min_ns = 0, .offload_max_ns = ns };
    return in_sim() ? hob_sim_set_world(&world) : 0;
}

/* ---- every number once ---- */

struct marks {
    int64_t    first;
    atomic_int times[NUMBERS];
    atomic_int pieces;
    atomic_llong largest;
    int64_t    fails_at; /* in a piece with this number; 0: nowhere */
    int        error;
};

static int mark(int64_t first, int64_t last, void *arg)
{
    struct marks *marks = arg;
    long long     size = last - first, largest = atomic_load(&marks->largest);
    expect(first < last);
    while (size > largest && !atomic_compare_exchange_weak(&marks->largest, &largest, size))
        ;
    atomic_fetch_add(&marks->pieces, 1);
    for (int64_t i = first; i < last; i++)
        atomic_fetch_add_explicit(&marks->times[i - marks->first], 1, memory_order_relaxed);
    return marks->fails_at >= first && marks->fails_at < last ? marks->error : 0;
}

TEST_ON_ALL(ranges, each_number_has_its_turn_once)
{
    static const struct {
        int64_t  first, count, grain;
        uint32_t threads;
    } cases[] = { { 0, NUMBERS, 0, 3 },   { -700, NUMBERS, 7, 3 },  { 5, 1, 0, 3 },
                  { 5, 1, 100, 1 },       { -3, 10, 3, 8 },         { 0, NUMBERS, NUMBERS, 2 },
                  { 0, NUMBERS, 4999, 2 }, { 0, NUMBERS, 1, 1 },    { INT64_MAX - 50, 50, 7, 3 },
                  { INT64_MIN, 50, 0, 3 } };
    CLOSED_BY(free_bytes) unsigned char *room = malloc(sizeof(struct marks));
    struct marks *marks = (struct marks *)(void *)room;
    check(room != NULL);
    check_ok(take_time(HOB_MSEC));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        POOL(pool, .threads = cases[i].threads);
        memset(marks, 0, sizeof *marks);
        marks->first = cases[i].first;
        check_ok(hob_parallel_for(pool, cases[i].first, cases[i].first + cases[i].count, cases[i].grain,
                                  mark, marks));
        for (int64_t n = 0; n < NUMBERS; n++)
            check_eq(atomic_load(&marks->times[n]), n < cases[i].count);
        int64_t grain = cases[i].grain > 0 ? cases[i].grain : (cases[i].count + 1023) / 1024;
        check_le(atomic_load(&marks->largest), grain);
        check_eq(atomic_load(&marks->pieces), (cases[i].count + grain - 1) / grain);
    }
}

static int count_pieces(int64_t first, int64_t last, void *arg)
{
    uint64_t size = (uint64_t)last - (uint64_t)first;
    atomic_fetch_add(&((atomic_ullong *)arg)[0], size);
    atomic_fetch_add(&((atomic_ullong *)arg)[1], 1);
    return 0;
}

TEST_ON_ALL(ranges, the_longest_range_there_is_ends_too)
{
    atomic_ullong sums[2] = { 0, 0 };
    check_ok(hob_parallel_for(hob_pool_cpu(), INT64_MIN, INT64_MAX, 0, count_pieces, sums));
    check_eq(atomic_load(&sums[0]), UINT64_MAX);
    check_le(atomic_load(&sums[1]), 1024);
    sums[0] = sums[1] = 0;
    check_ok(hob_parallel_for(hob_pool_cpu(), INT64_MIN, INT64_MAX, INT64_MAX, count_pieces, sums));
    check_eq(atomic_load(&sums[0]), UINT64_MAX);
    check_eq(atomic_load(&sums[1]), 3);
}

TEST_ON_ALL(ranges, of_nothing_nothing_is_done)
{
    atomic_ullong sums[2] = { 0, 0 };
    check_ok(hob_parallel_for(hob_pool_cpu(), 3, 3, 0, count_pieces, sums));
    check_ok(hob_parallel_for(hob_pool_cpu(), 3, -3, 1, count_pieces, sums));
    check_eq(atomic_load(&sums[1]), 0);
    HOB_SCOPE(s);
    hob_scope_cancel(&s, "enough");
    check_err(hob_parallel_for(hob_pool_cpu(), 3, 3, 0, count_pieces, sums), -ECANCELED);
    check_err(hob_parallel_for(hob_pool_cpu(), 0, 3, 0, count_pieces, sums), -ECANCELED);
    ignore(hob_scope_end(&s));
    check_eq(atomic_load(&sums[1]), 0);
}

/* ---- failing, and cancelling ---- */

TEST_ON_ALL(ranges, the_first_failure_ends_the_handing_out)
{
    POOL(pool, .threads = 2);
    CLOSED_BY(free_bytes) unsigned char *room = calloc(1, sizeof(struct marks));
    struct marks *marks = (struct marks *)(void *)room;
    check(room != NULL);
    marks->fails_at = 20;
    marks->error = -EDOM;
    check_ok(take_time(HOB_MSEC));
    check_err(hob_parallel_for(pool, 0, NUMBERS, 1, mark, marks), -EDOM);
    if (in_sim())
        check_lt(atomic_load(&marks->pieces), 30);
    for (int64_t n = 0; n <= 20; n++)
        check_eq(atomic_load(&marks->times[n]), 1);
}

struct slow_loop {
    hob_pool  *pool;
    atomic_int pieces;
    atomic_int saw_cancel;
    int        result;
};

static int slow_piece(int64_t first, int64_t last, void *arg)
{
    struct slow_loop *loop = arg;
    atomic_fetch_add(&loop->pieces, 1);
    for (int i = 0; i < 200 && hob_offload_cancelled() == 0 && !in_sim(); i++)
        usleep(100);
    if (hob_offload_cancelled() != 0)
        atomic_fetch_add(&loop->saw_cancel, 1);
    return 0;
}

static int loop_slowly(void *arg)
{
    struct slow_loop *loop = arg;
    loop->result = hob_parallel_for(loop->pool, 0, 100000, 1, slow_piece, loop);
    return 0;
}

TEST_ON_ALL(ranges, a_deadline_ends_the_handing_out_and_all_that_run_are_waited_for)
{
    POOL(pool, .threads = 2);
    check_ok(take_time(10 * HOB_MSEC));
    struct slow_loop loop = { .pool = pool };
    HOB_SCOPE(s);
    hob_scope_deadline(&s, hob_in(30 * HOB_MSEC));
    check_ok(hob_go(&s, loop_slowly, &loop));
    check_err(hob_scope_end(&s), -ETIMEDOUT);
    check_err(loop.result, -ETIMEDOUT);
    check_lt(atomic_load(&loop.pieces), 1000);
    hob_pool_stats stats;
    hob_pool_stats_get(pool, &stats);
    check_eq(stats.running + stats.queued, 0);
}

TEST_ON_ALL(ranges, a_pool_that_is_freed_ends_its_loops)
{
    hob_pool *pool;
    check_ok(hob_pool_new(&(hob_pool_opts){ .threads = 1 }, &pool));
    check_ok(take_time(HOB_MSEC));
    struct slow_loop loop = { .pool = pool };
    HOB_SCOPE(s);
    int started = hob_go(&s, loop_slowly, &loop);
    for (int i = 0; i < 10000 && started == 0 && atomic_load(&loop.pieces) == 0; i++)
        started = hob_sleep(HOB_MSEC);
    hob_pool_free(pool);
    check_ok(started);
    check_ok(hob_scope_end(&s));
    check_err(loop.result, -ECANCELED);
}

/* ---- others get their turn ---- */

static int be_done(void *arg)
{
    *(int *)arg = 1;
    return 0;
}

TEST_ON_ALL(ranges, a_long_loop_does_not_keep_the_pool_to_itself)
{
    POOL(pool, .threads = 1);
    check_ok(take_time(HOB_MSEC));
    struct slow_loop loop = { .pool = pool };
    int              done = 0;
    HOB_SCOPE(s);
    check_ok(hob_go(&s, loop_slowly, &loop));
    int r = hob_offload(pool, be_done, &done);
    int pieces = atomic_load(&loop.pieces);
    hob_scope_cancel(&s, "the other one had its turn");
    check_ok(r);
    check_eq(done, 1);
    check_le(pieces, 10);
    ignore(hob_scope_end(&s));
    check_err(loop.result, -ECANCELED);
}

/* ---- reduce ---- */

static int add_inverses(int64_t first, int64_t last, void *state, void *arg)
{
    double *sum = state;
    for (int64_t i = first; i < last; i++)
        *sum += 1.0 / (double)(i + 1);
    return 0;
}

static void add_sums(void *into, void *from, void *arg)
{
    *(double *)into += *(double *)from;
}

static const hob_reduction inverses = { .state_bytes = sizeof(double),
                                        .range = add_inverses,
                                        .combine = add_sums };

TEST_ON_ALL(ranges, a_sum_of_fractions_is_the_same_on_any_number_of_threads)
{
    double first = 0;
    check_ok(take_time(HOB_MSEC));
    for (uint32_t threads = 1; threads <= 7; threads++) {
        double sum = -1;
        POOL(pool, .threads = threads);
        check_ok(hob_parallel_reduce(pool, 0, 100000, 10, &inverses, NULL, &sum));
        if (threads == 1)
            first = sum;
        check_mem(&sum, &first, sizeof sum);
    }
    check(first > 12.09 && first < 12.0902);
}

/* A list in memory of its own: what is lost leaks, what is combined wrongly is out of order. */
struct list_state {
    int64_t *numbers;
    size_t   count;
};

struct lists {
    atomic_int alive;
    int64_t    fails_at;
};

static void begin_list(void *state, void *arg)
{
    struct lists *lists = arg;
    *(struct list_state *)state = (struct list_state){ malloc(NUMBERS * sizeof(int64_t)), 0 };
    atomic_fetch_add(&lists->alive, 1);
}

static void drop_list(void *state, void *arg)
{
    struct lists *lists = arg;
    free(((struct list_state *)state)->numbers);
    atomic_fetch_sub(&lists->alive, 1);
}

static int add_to_list(int64_t first, int64_t last, void *state, void *arg)
{
    struct list_state  *list = state;
    const struct lists *lists = arg;
    if (lists->fails_at >= first && lists->fails_at < last)
        return -EDOM;
    for (int64_t i = first; i < last; i++)
        list->numbers[list->count++] = i;
    return 0;
}

static void join_lists(void *into, void *from, void *arg)
{
    struct list_state *all = into, *more = from;
    memcpy(all->numbers + all->count, more->numbers, more->count * sizeof more->numbers[0]);
    all->count += more->count;
    drop_list(more, arg);
}

static const hob_reduction listing = { .state_bytes = sizeof(struct list_state),
                                       .init = begin_list,
                                       .range = add_to_list,
                                       .combine = join_lists,
                                       .drop = drop_list };

TEST_ON_ALL(ranges, partial_results_are_combined_in_order)
{
    POOL(pool, .threads = 3);
    check_ok(take_time(HOB_MSEC));
    for (int64_t grain = 0; grain <= 2000; grain = grain * 9 + 1) {
        struct lists      lists = { .fails_at = -1 };
        struct list_state all = { NULL, 0 };
        int r = hob_parallel_reduce(pool, 0, NUMBERS, grain, &listing, &lists, &all);
        bool in_order = r == 0 && all.count == NUMBERS;
        for (int64_t i = 0; in_order && i < NUMBERS; i++)
            in_order = all.numbers[i] == i;
        if (r == 0)
            drop_list(&all, &lists);
        check_ok(r);
        check(in_order);
        check_eq(atomic_load(&lists.alive), 0);
    }
}

TEST_ON_ALL(ranges, after_a_failure_every_partial_result_is_dropped)
{
    POOL(pool, .threads = 3);
    check_ok(take_time(HOB_MSEC));
    struct lists      lists = { .fails_at = NUMBERS / 2 };
    struct list_state all = { NULL, 99 };
    check_err(hob_parallel_reduce(pool, 0, NUMBERS, 10, &listing, &lists, &all), -EDOM);
    check_eq(all.count, 99);
    check_eq(atomic_load(&lists.alive), 0);

    lists.fails_at = -1;
    HOB_SCOPE(s);
    hob_scope_deadline(&s, hob_in(HOB_MSEC / 2));
    int r = hob_parallel_reduce(pool, 0, NUMBERS, 1, &listing, &lists, &all);
    if (r == 0)
        drop_list(&all, &lists); // quicker than its deadline
    else
        check_err(r, -ETIMEDOUT);
    check_eq(atomic_load(&lists.alive), 0);
    ignore(hob_scope_end(&s));
}

TEST_ON_ALL(ranges, an_empty_reduction_is_what_it_begins_with)
{
    double sum = 5;
    check_ok(hob_parallel_reduce(hob_pool_cpu(), 7, 7, 0, &inverses, NULL, &sum));
    check(sum == 0.0);
    check_ok(hob_parallel_reduce(hob_pool_cpu(), 0, 1, 0, &inverses, NULL, &sum));
    check(sum == 1.0);
}

static int loops_on_workers(void *arg)
{
    struct marks *marks = arg;
    POOL(pool, .threads = 3);
    check_ok(hob_parallel_for(pool, marks->first, marks->first + NUMBERS, 3, mark, marks));
    return 0;
}

static int loops_everywhere(void *arg)
{
    struct marks *marks = arg;
    HOB_TRY(take_time(HOB_USEC));
    HOB_SCOPE(s);
    for (int i = 0; i < 8; i++)
        HOB_TRY(hob_go_with(&s, loops_on_workers, marks, &(hob_task_opts){ .where = HOB_ON(i % 4) }));
    return hob_scope_end(&s);
}

TEST_BARE_ON_ALL(ranges, loops_of_several_workers_run_side_by_side)
{
    hob_run_opts opts;
    hob_test_run_opts(&opts);
    opts.workers = 4;
    CLOSED_BY(free_bytes) unsigned char *room = calloc(1, sizeof(struct marks));
    struct marks *marks = (struct marks *)(void *)room;
    check(room != NULL);
    check_ok(hob_run_with(&opts, loops_everywhere, marks));
    for (int n = 0; n < NUMBERS; n++)
        check_eq(atomic_load(&marks->times[n]), 8);
}
