/* SPDX-License-Identifier: MIT */
/*
 * hob/offload.h: functions on threads; the wait for a thread, cancelled or not; limits, metrics,
 * ends; and random walks beside a simple model.
 */
#include "support/io.h"
#include "support/tasks.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "base/fault.h"
#include "hob/loop.h"
#include "hob/sim.h"

static void free_pool(hob_pool **pool)
{
    hob_pool_free(*pool);
}

/* A pool that is freed with the block. */
#define POOL(name, ...)                                                            \
    CLOSED_BY(free_pool) hob_pool *name = NULL;                                    \
    check_ok(hob_pool_new(&(hob_pool_opts){ __VA_ARGS__ }, &name))

/* In sim functions take this long. */
static int take_time(int64_t min_ns, int64_t max_ns)
{
    hob_sim_world world = { .offload_min_ns = min_ns, .offload_max_ns = max_ns };
    return in_sim() ? hob_sim_set_world(&world) : 0;
}

static hob_pool_stats stats_of(hob_pool *pool)
{
    hob_pool_stats stats;
    hob_pool_stats_get(pool, &stats);
    return stats;
}

/* Until so many are at work, and so many wait. */
static int wait_until_pool_has(hob_pool *pool, uint64_t running, uint64_t queued)
{
    for (int i = 0; i < 100000; i++) {
        hob_pool_stats stats = stats_of(pool);
        if (stats.running == running && stats.queued == queued)
            return 0;
        HOB_TRY(hob_sleep(20 * HOB_USEC));
    }
    return hob_fail(-EIO);
}

/* What keeps a thread until it is let go; in sim until its time is over. */
struct hold {
    atomic_int go;
    atomic_int begun;
    atomic_int saw_cancel;
    int        result;
};

static int hold_thread(void *arg)
{
    struct hold *hold = arg;
    atomic_fetch_add(&hold->begun, 1);
    while (!in_sim() && atomic_load(&hold->go) == 0)
        usleep(50);
    return hold->result;
}

struct call {
    hob_pool       *pool;
    hob_offload_fn *fn;
    void           *arg;
    int64_t         deadline_ns; /* from now; 0: none */
    int             result;
    int             ended;
};

static int make_call(void *arg)
{
    struct call *call = arg;
    HOB_SCOPE(s);
    if (call->deadline_ns > 0)
        hob_scope_deadline(&s, hob_in(call->deadline_ns));
    call->result = hob_offload(call->pool, call->fn, call->arg);
    call->ended = 1;
    ignore(hob_scope_end(&s));
    return 0;
}

static int give_back(void *arg)
{
    return *(int *)arg;
}

static int count_one(void *arg)
{
    atomic_fetch_add((atomic_int *)arg, 1);
    return 0;
}

/* ---- the result ---- */

TEST_ON_ALL(offload, the_result_is_the_functions_in_every_style)
{
    FOR_EACH_STYLE(wait)
    {
        for (int i = 0; i < 4; i++) {
            int    given = (const int[]){ 0, 7, -EDOM, -ECANCELED }[i];
            hob_op op;
            check_ok(hob_offload_prep(&op, hob_pool_blocking(), give_back, &given));
            check_eq(wait(&op), given);
            check_eq(hob_offload(hob_pool_cpu(), give_back, &given), given);
        }
    }
}

static __thread int thread_local_number;

struct thread_facts {
    pthread_t thread;
    sigset_t  blocked;
    int       is_worker;
};

static int look_around(void *arg)
{
    struct thread_facts *facts = arg;
    facts->thread = pthread_self();
    pthread_sigmask(SIG_SETMASK, NULL, &facts->blocked);
    facts->is_worker = hob_backend_name()[0] != '\0';
    errno = EXDEV;
    if (!in_sim())
        thread_local_number = 9;
    return 0;
}

TEST_ON_ALL(offload, it_runs_elsewhere_and_its_errno_and_thread_locals_stay_there)
{
    struct thread_facts facts;
    thread_local_number = 5;
    errno = EDOM;
    int r = hob_offload(hob_pool_blocking(), look_around, &facts);
    int after = errno;
    check_ok(r);
    check_ne(after, EXDEV); // what the loop itself leaves there is nobody's business
    check_eq(thread_local_number, 5);
    check_eq(facts.is_worker, 0);
    if (in_sim())
        return;
    check(!pthread_equal(facts.thread, pthread_self()));
    check(sigismember(&facts.blocked, SIGTERM) && sigismember(&facts.blocked, SIGALRM));
    check(!sigismember(&facts.blocked, SIGSEGV));
}

static int tick(void *arg)
{
    struct hold *hold = arg;
    for (int i = 0; i < 5; i++)
        HOB_TRY(hob_sleep(HOB_MSEC));
    atomic_store(&hold->go, 1);
    return 0;
}

TEST_ON_ALL(offload, others_go_on_while_one_waits_for_its_function)
{
    struct hold hold = { .result = 3 };
    check_ok(take_time(10 * HOB_MSEC, 10 * HOB_MSEC));
    HOB_SCOPE(s);
    check_ok(hob_go(&s, tick, &hold));
    check_eq(hob_offload(hob_pool_blocking(), hold_thread, &hold), 3);
    check_eq(atomic_load(&hold.go), 1);
    check_ok(hob_scope_end(&s));
}

TEST_ON_ALL(offload, in_a_cancelled_scope_nothing_is_called)
{
    atomic_int calls = 0;
    hob_op     op;
    FOR_EACH_STYLE(wait)
    {
        HOB_SCOPE(s);
        hob_scope_cancel(&s, "enough");
        check_err(hob_offload(hob_pool_cpu(), count_one, &calls), -ECANCELED);
        int r = hob_offload_prep(&op, hob_pool_cpu(), count_one, &calls);
        check_err(r < 0 ? r : wait(&op), -ECANCELED);
        check_err(hob_scope_end(&s), -ECANCELED);
    }
    check_eq(atomic_load(&calls), 0);
}

/* ---- waiting for a thread ---- */

/* One thread, which is held; `wait_for` waits behind it. Both end. */
static int hold_and_wait(hob_pool *pool, struct call *waits, hob_scope *s, struct call *holds)
{
    struct hold *hold = holds->arg;
    HOB_TRY(hob_go(s, make_call, holds));
    HOB_TRY(wait_until_pool_has(pool, 1, 0));
    HOB_TRY(hob_go(s, make_call, waits));
    for (int i = 0; !waits->ended && i < 100000; i++)
        HOB_TRY(hob_sleep(20 * HOB_USEC));
    atomic_store(&hold->go, 1);
    return 0;
}

TEST_ON_ALL(offload, a_deadline_ends_the_wait_for_a_thread_and_nothing_was_called)
{
    POOL(pool, .threads = 1);
    atomic_int  calls = 0;
    struct hold hold = { .result = 4 };
    struct call holds = { .pool = pool, .fn = hold_thread, .arg = &hold };
    struct call waits = { .pool = pool, .fn = count_one, .arg = &calls, .deadline_ns = 2 * HOB_MSEC };
    check_ok(take_time(20 * HOB_MSEC, 20 * HOB_MSEC));
    HOB_SCOPE(s);
    int r = hold_and_wait(pool, &waits, &s, &holds);
    atomic_store(&hold.go, 1);
    check_ok(r);
    check_ok(hob_scope_end(&s));
    check_err(waits.result, -ETIMEDOUT);
    check_eq(holds.result, 4);
    check_eq(atomic_load(&calls), 0);
    hob_pool_stats stats = stats_of(pool);
    check_eq(stats.withdrawn, 1);
    check_eq(stats.done, 1);
    check_eq(stats.queued_max, 1);
    check_eq(stats.queued + stats.running, 0);
}

TEST_ON_ALL(offload, cancelling_takes_back_what_waits_in_every_style)
{
    POOL(pool, .threads = 1);
    check_ok(take_time(20 * HOB_MSEC, 20 * HOB_MSEC));
    for (int style = 0; style < 3; style++) {
        atomic_int    calls = 0;
        struct hold   hold = { .go = 0 };
        struct call   holds = { .pool = pool, .fn = hold_thread, .arg = &hold };
        struct answer answer = { 1, 0 };
        hob_op        op;
        hob_promise  *promise;
        HOB_SCOPE(outer);
        check_ok(hob_go(&outer, make_call, &holds));
        check_ok(wait_until_pool_has(pool, 1, 0));
        check_ok(hob_promise_new(&promise));
        HOB_DEFER((void (*)(void *))hob_promise_free, promise);
        {
            HOB_SCOPE(s);
            struct call waits = { .pool = pool, .fn = count_one, .arg = &calls };
            if (style == 0) {
                check_ok(hob_go(&s, make_call, &waits));
            } else {
                check_ok(hob_offload_prep(&op, pool, count_one, &calls));
                if (style == 1)
                    hob_op_call(&s, &op, on_answer, &answer);
                else
                    hob_op_settle(&s, &op, promise);
            }
            int r = wait_until_pool_has(pool, 1, 1);
            hob_scope_cancel(&s, "enough");
            int ended = hob_scope_end(&s);
            atomic_store(&hold.go, 1);
            check_ok(r);
            check_err(ended, -ECANCELED);
            if (style == 0)
                check_err(waits.result, -ECANCELED);
        }
        if (style == 1)
            check_err(answer.result, -ECANCELED);
        if (style == 2)
            check_err(hob_promise_await(promise, NULL), -ECANCELED);
        check_ok(hob_scope_end(&outer));
        check_eq(atomic_load(&calls), 0);
    }
    check_eq(stats_of(pool).withdrawn, 3);
}

/* Once it runs. */
static int wait_for_cancel(void *arg)
{
    struct hold *hold = arg;
    atomic_fetch_add(&hold->begun, 1);
    while (hob_offload_cancelled() == 0 && !in_sim())
        usleep(50);
    atomic_store(&hold->saw_cancel, hob_offload_cancelled());
    return hold->result;
}

TEST_ON_ALL(offload, a_function_that_runs_is_waited_for_and_its_result_wins)
{
    POOL(pool, .threads = 2);
    check_ok(take_time(10 * HOB_MSEC, 10 * HOB_MSEC));
    struct hold hold = { .result = 8 };
    struct call call = { .pool = pool, .fn = wait_for_cancel, .arg = &hold, .deadline_ns = HOB_MSEC };
    check_ok(make_call(&call));
    check_eq(call.result, 8);
    check_eq(atomic_load(&hold.saw_cancel), -ECANCELED);

    hold = (struct hold){ .result = -ECANCELED }; // it gave up: for the reason of the caller
    check_ok(make_call(&call));
    check_err(call.result, -ETIMEDOUT);
    check_eq(stats_of(pool).done, 2);
    check_eq(stats_of(pool).withdrawn, 0);
}

TEST_ON_ALL(offload, nobody_is_cancelled_elsewhere)
{
    struct hold hold = { .go = 0 };
    check_eq(hob_offload_cancelled(), 0);
    check_ok(hob_offload(hob_pool_cpu(), count_one, &hold.go));
    HOB_SCOPE(s);
    hob_scope_cancel(&s, "enough");
    check_err(hob_offload_cancelled(), -ECANCELED); // of the task
    ignore(hob_scope_end(&s));
}

/* ---- limits ---- */

TEST_ON_ALL(offload, a_full_line_fails_when_it_was_told_to)
{
    POOL(pool, .threads = 1, .queue = 1, .fail_when_full = 1);
    check_ok(take_time(20 * HOB_MSEC, 20 * HOB_MSEC));
    atomic_int  calls = 0;
    struct hold hold = { .go = 0 };
    struct call holds = { .pool = pool, .fn = hold_thread, .arg = &hold };
    struct call waits = { .pool = pool, .fn = count_one, .arg = &calls };
    HOB_SCOPE(s);
    check_ok(hob_go(&s, make_call, &holds));
    check_ok(wait_until_pool_has(pool, 1, 0));
    check_ok(hob_go(&s, make_call, &waits));
    int r = wait_until_pool_has(pool, 1, 1);
    int refused = hob_offload(pool, count_one, &calls);
    atomic_store(&hold.go, 1);
    check_ok(r);
    check_err(refused, -EAGAIN);
    check_ok(hob_scope_end(&s));
    check_ok(waits.result);
    check_eq(atomic_load(&calls), 1);
    check_eq(stats_of(pool).refused, 1);
    check_ok(hob_offload(pool, count_one, &calls));
}

struct in_order {
    struct notes *notes;
    char          letter;
};

static int note_turn(void *arg)
{
    const struct in_order *turn = arg;
    note(turn->notes, turn->letter); // one thread
    return 0;
}

TEST_ON_ALL(offload, who_waits_longest_is_next)
{
    POOL(pool, .threads = 1);
    check_ok(take_time(10 * HOB_MSEC, 10 * HOB_MSEC));
    struct notes    notes = { "", 0 };
    struct hold     hold = { .go = 0 };
    struct call     holds = { .pool = pool, .fn = hold_thread, .arg = &hold }, calls[5];
    struct in_order turns[5];
    HOB_SCOPE(s);
    check_ok(hob_go(&s, make_call, &holds));
    int r = wait_until_pool_has(pool, 1, 0);
    for (int i = 0; i < 5 && r == 0; i++) {
        turns[i] = (struct in_order){ &notes, (char)('a' + i) };
        calls[i] = (struct call){ .pool = pool, .fn = note_turn, .arg = &turns[i] };
        r = hob_go(&s, make_call, &calls[i]);
        if (r == 0)
            r = wait_until_pool_has(pool, 1, (uint64_t)i + 1);
    }
    atomic_store(&hold.go, 1);
    check_ok(r);
    check_ok(hob_scope_end(&s));
    check_str(notes.text, "abcde");
}

enum { MANY = 100 };

static int count_and_note_most(void *arg)
{
    atomic_int *at_once = arg; /* and the most */
    int         now = atomic_fetch_add(&at_once[0], 1) + 1, most = atomic_load(&at_once[1]);
    while (now > most && !atomic_compare_exchange_weak(&at_once[1], &most, now))
        ;
    if (!in_sim())
        usleep(200);
    atomic_fetch_sub(&at_once[0], 1);
    return 0;
}

TEST_ON_ALL(offload, no_more_run_at_once_than_there_are_threads_and_all_run)
{
    POOL(pool, .threads = 3, .queue = 1);
    atomic_int  at_once[2] = { 0, 0 };
    struct call calls[MANY];
    check_ok(take_time(HOB_USEC, HOB_MSEC));
    HOB_SCOPE(s);
    for (int i = 0; i < MANY; i++) {
        calls[i] = (struct call){ .pool = pool, .fn = count_and_note_most, .arg = at_once, .result = 1 };
        check_ok(hob_go(&s, make_call, &calls[i]));
    }
    check_ok(hob_scope_end(&s));
    for (int i = 0; i < MANY; i++)
        check_eq(calls[i].result, 0);
    hob_pool_stats stats = stats_of(pool);
    check_le(atomic_load(&at_once[1]), 3);
    check_eq(stats.threads_max, 3);
    check_le(stats.threads, 3);
    check_eq(stats.done, MANY);
    check_le(stats.queued_max, MANY - 3);
    check_gt(stats.waited_total_ns, 0);
    check_le(stats.waited_max_ns, stats.waited_total_ns);
    check_le(stats.ran_max_ns, stats.ran_total_ns);
}

TEST(offload, in_sim_as_many_take_their_time_at_once_as_there_are_threads)
{
    POOL(pool, .threads = 4);
    struct call calls[8];
    atomic_int  count = 0;
    check_ok(take_time(10 * HOB_MSEC, 10 * HOB_MSEC));
    int64_t begun_ns = hob_now();
    HOB_SCOPE(s);
    for (int i = 0; i < 8; i++) {
        calls[i] = (struct call){ .pool = pool, .fn = count_one, .arg = &count };
        check_ok(hob_go(&s, make_call, &calls[i]));
    }
    check_ok(hob_scope_end(&s));
    check_eq(hob_now() - begun_ns, 20 * HOB_MSEC);
    check_eq(stats_of(pool).ran_max_ns, 10 * HOB_MSEC);
    check_eq(stats_of(pool).waited_total_ns, 4 * 10 * HOB_MSEC);
    check_eq(atomic_load(&count), 8);
}

static uint64_t hash_of_run;

static int offload_a_few(void *arg)
{
    struct call calls[16];
    atomic_int  count = 0;
    HOB_TRY(take_time(0, 10 * HOB_MSEC));
    HOB_SCOPE(s);
    for (int i = 0; i < 16; i++) {
        calls[i] = (struct call){ .pool = hob_pool_cpu(), .fn = count_one, .arg = &count,
                                  .deadline_ns = (i % 3) * 5 * HOB_MSEC };
        HOB_TRY(hob_go_with(&s, make_call, &calls[i], &(hob_task_opts){ .where = HOB_ON(i % 2) }));
    }
    HOB_TRY(hob_scope_end(&s));
    hob_stats stats;
    hob_stats_get(&stats);
    uint64_t hash = stats.trace_hash;
    for (int i = 0; i < 16; i++)
        hash = hash * 31 + (uint64_t)calls[i].result;
    hash_of_run = hash;
    return 0;
}

TEST_BARE(offload, a_seed_repeats_a_run)
{
    hob_run_opts opts;
    uint64_t     first;
    hob_test_run_opts(&opts);
    opts.backend = "sim";
    opts.seed = 77;
    check_ok(hob_run_with(&opts, offload_a_few, NULL));
    first = hash_of_run;
    check_ok(hob_run_with(&opts, offload_a_few, NULL));
    check_eq(hash_of_run, first);
    opts.seed = 78;
    check_ok(hob_run_with(&opts, offload_a_few, NULL));
    check_ne(hash_of_run, first);
}

/* ---- threads come and go ---- */

TEST_ON_ALL(offload, threads_end_when_they_have_nothing_to_do_and_come_again)
{
    if (in_sim())
        skip("there are no threads");
    POOL(pool, .threads = 4, .idle_ns = HOB_MSEC);
    atomic_int calls = 0;
    for (int round = 0; round < 5; round++) {
        check_ok(hob_offload(pool, count_one, &calls));
        for (int i = 0; stats_of(pool).threads > 0 && i < 10000; i++)
            check_ok(hob_sleep(HOB_MSEC));
        check_eq(stats_of(pool).threads, 0);
    }
    check_eq(atomic_load(&calls), 5);
}

TEST_ON_ALL(offload, without_a_thread_the_call_says_so_and_with_one_the_others_wait)
{
    if (is_emulated())
        skip("it hangs in the emulator, and why is not known");
    POOL(pool, .threads = 2, .stack_bytes = 1);
    check_ok(take_time(10 * HOB_MSEC, 10 * HOB_MSEC));
    atomic_int calls = 0;
    hob__fault_start(0);
    int refused = hob_offload(pool, count_one, &calls);
    hob__fault_stop();
    check_err(refused, -EAGAIN);
    check_eq(stats_of(pool).threads, 0);

    struct hold hold = { .go = 0 };
    struct call holds = { .pool = pool, .fn = hold_thread, .arg = &hold };
    struct call waits = { .pool = pool, .fn = count_one, .arg = &calls };
    HOB_SCOPE(s);
    check_ok(hob_go(&s, make_call, &holds));
    check_ok(wait_until_pool_has(pool, 1, 0));
    HOB_AUTO started = hob_async(&s, end_at_once, NULL); // its stack is there before the fault
    check_ok(hob_await(started));
    hob_op        op;
    struct answer answer = { 1, 0 };
    check_ok(hob_offload_prep(&op, pool, count_one, &calls));
    hob__fault_start(0);
    hob_op_call(&s, &op, on_answer, &answer);
    hob__fault_stop();
    hob_pool_stats stats = stats_of(pool);
    atomic_store(&hold.go, 1);
    check_eq(stats.threads, 1);
    check_eq(stats.queued, 1);
    check_ok(hob_scope_end(&s));
    check_eq(answer.calls, 1);
    check_eq(answer.result, 0);
    check_ok(make_call(&waits));
    check_eq(atomic_load(&calls), 2);
}

TEST_ON_ALL(offload, a_pool_can_be_freed_while_one_runs_and_others_wait)
{
    hob_pool   *pool;
    atomic_int  calls = 0;
    struct hold hold = { .result = 6 };
    check_ok(take_time(10 * HOB_MSEC, 10 * HOB_MSEC));
    check_ok(hob_pool_new(&(hob_pool_opts){ .threads = 1 }, &pool));
    HOB_DEFER((void (*)(void *))hob_pool_free, NULL);
    struct call holds = { .pool = pool, .fn = hold_thread, .arg = &hold };
    struct call waits[3];
    HOB_SCOPE(s);
    ignore(hob_go(&s, make_call, &holds));
    int r = wait_until_pool_has(pool, 1, 0);
    for (int i = 0; i < 3; i++) {
        waits[i] = (struct call){ .pool = pool, .fn = count_one, .arg = &calls };
        ignore(hob_go(&s, make_call, &waits[i]));
    }
    if (r == 0)
        r = wait_until_pool_has(pool, 1, 3);
    hob_pool_free(pool);
    settle();
    for (int i = 0; i < 3; i++)
        expect(r < 0 || waits[i].ended);
    atomic_store(&hold.go, 1);
    check_ok(r);
    check_ok(hob_scope_end(&s));
    check_eq(holds.result, 6);
    for (int i = 0; i < 3; i++)
        check_err(waits[i].result, -ECANCELED);
    check_eq(atomic_load(&calls), 0);
}

TEST_ON_ALL(offload, pools_come_and_go)
{
    atomic_int calls = 0;
    for (int i = 0; i < 50; i++) {
        POOL(pool, .threads = 2, .name = "short");
        check_ok(hob_offload(pool, count_one, &calls));
        check_ok(hob_offload(pool, count_one, &calls));
    }
    check_eq(atomic_load(&calls), 100);
}

static int leave_a_pool(void *arg)
{
    hob_pool *pool;
    HOB_TRY(hob_pool_new(&(hob_pool_opts){ .name = "forgotten" }, &pool));
    return hob_offload(pool, count_one, arg);
}

TEST_BARE_ON_ALL(offload, a_pool_that_is_left_is_told_and_its_threads_end)
{
    atomic_int calls = 0;
    check_ok(hob_test_run(leave_a_pool, &calls));
    check_has(hob_test_report_text(), "left at the end: a pool of threads, made at leave_a_pool");
}

/* ---- mistakes, and reports ---- */

static int sleep_on_a_thread(void *arg)
{
    return hob_sleep(HOB_MSEC);
}

TEST_AS(mistake, waiting_in_a_function_on_a_pool, HOB_TEST_EACH_BACKEND,
        "hob: hob_sleep: called outside of hob_run*in sleep_on_a_thread, on a thread "
        "of the pool \"cpu\"")
{
    ignore(hob_offload(hob_pool_cpu(), sleep_on_a_thread, NULL));
}

static int ask_the_time(void *arg)
{
    return hob_now() > 0;
}

TEST_AS(mistake, asking_the_run_in_a_function_on_a_pool, HOB_TEST_EACH_BACKEND,
        "hob: hob_now: called outside of hob_run*of the pool \"blocking\"")
{
    ignore(hob_offload(hob_pool_blocking(), ask_the_time, NULL));
}

static hob_mutex held_by_a_task;

static int lock_it(void *arg)
{
    HOB_LOCKED(&held_by_a_task);
    return 3;
}

TEST_ON_ALL(offload, a_function_locks_a_mutex_that_tasks_lock_too)
{
    check_eq(hob_offload(hob_pool_cpu(), lock_it, NULL), 3);
    HOB_SCOPE(s);
    struct call call = { .pool = hob_pool_cpu(), .fn = lock_it };
    if (!in_sim()) {
        check_ok(hob_mutex_lock(&held_by_a_task));
        int r = hob_go(&s, make_call, &call);
        hob_mutex_unlock(&held_by_a_task);
        check_ok(r);
    }
    check_ok(hob_scope_end(&s));
    check_eq(call.result, in_sim() ? 0 : 3);
}

TEST_DIES(mistake, waiting_in_sim_for_a_mutex_of_a_task,
          "hob: hob_mutex_lock: a task holds the mutex, and in sim*in lock_it, on a thread of the pool")
{
    ignore(hob_mutex_lock(&held_by_a_task));
    ignore(hob_offload(hob_pool_cpu(), lock_it, NULL));
}

TEST_DIES(mistake, freeing_a_pool_that_everybody_has, "hob: hob_pool_free: this pool is there for")
{
    hob_pool_free(hob_pool_cpu());
}

static int free_it(void *arg)
{
    hob_pool_free(arg);
    return 0;
}

TEST_ON_ALL(offload, any_worker_frees_a_pool)
{
    hob_pool *pool;
    check_ok(hob_pool_new(NULL, &pool));
    int r = hob_on(hob_workers() - 1, free_it, pool);
    if (r < 0)
        hob_pool_free(pool);
    check_ok(r);
}

TEST_DIES(mistake, calling_nothing_on_a_pool, "hob: hob_offload: there is no function to call")
{
    ignore(hob_offload(hob_pool_cpu(), NULL, NULL));
}

TEST_ON_ALL(offload, a_dump_says_what_is_waited_for)
{
    POOL(pool, .threads = 1, .name = "press");
    check_ok(take_time(10 * HOB_MSEC, 10 * HOB_MSEC));
    struct hold hold = { .go = 0 };
    struct call holds = { .pool = pool, .fn = hold_thread, .arg = &hold };
    struct call waits = { .pool = pool, .fn = count_one, .arg = &hold.begun };
    int         fds[2];
    char        text[4096];
    HOB_SCOPE(s);
    check_ok(hob_go(&s, make_call, &holds));
    check_ok(wait_until_pool_has(pool, 1, 0));
    check_ok(hob_go(&s, make_call, &waits));
    int r = wait_until_pool_has(pool, 1, 1);
    bool    piped = pipe(fds) == 0;
    ssize_t n = 0;
    if (piped) {
        hob_dump(fds[1], 0);
        n = read(fds[0], text, sizeof text - 1);
        close(fds[0]);
        close(fds[1]);
    }
    text[n > 0 ? n : 0] = '\0';
    atomic_store(&hold.go, 1);
    check_ok(r);
    check_has(text, "waits for hold_thread on a thread of the pool \"press\"");
    check_has(text, "waits for count_one to get a thread of the pool \"press\"");
    check_ok(hob_scope_end(&s));
}

/* ---- beside others ---- */

TEST_ON_ALL(offload, slow_functions_delay_no_files_and_no_tasks)
{
    if (in_sim())
        skip("no threads are used there");
    char path[300];
    snprintf(path, sizeof path, "%s/file", hob_test_scratch());
    enum { HELD = 8 };
    struct hold hold = { .go = 0 };
    struct call calls[HELD];
    POOL(pool, .threads = HELD);
    HOB_SCOPE(s);
    for (int i = 0; i < HELD; i++) {
        calls[i] = (struct call){ .pool = pool, .fn = hold_thread, .arg = &hold };
        check_ok(hob_go(&s, make_call, &calls[i]));
    }
    int       r = wait_until_pool_has(pool, HELD, 0);
    hob_file *file = NULL;
    char      text[16] = "";
    if (r == 0)
        r = hob_file_open(path, O_RDWR | O_CREAT, 0600, &file);
    for (int i = 0; i < 20 && r >= 0; i++)
        r = (int)hob_file_pwrite(file, "pots", 4, 4 * i);
    if (r >= 0)
        r = hob_file_sync(file);
    if (r >= 0)
        r = (int)hob_file_pread(file, text, 8, 40);
    hob_file_close(file);
    if (r >= 0)
        r = hob_sleep(HOB_MSEC);
    uint64_t still = stats_of(pool).running;
    atomic_store(&hold.go, 1);
    check_ok(r);
    check_str(text, "potspots");
    check_eq(still, HELD);
    check_ok(hob_scope_end(&s));
}

struct crowd {
    hob_pool  *pool;
    int        jobs;
    atomic_int sum;
};

static int add_one(void *arg)
{
    atomic_fetch_add_explicit((atomic_int *)arg, 1, memory_order_relaxed);
    return 0;
}

static int send_many(void *arg)
{
    struct crowd *crowd = arg;
    for (int i = 0; i < crowd->jobs; i++)
        HOB_TRY(hob_offload(crowd->pool, add_one, &crowd->sum));
    return 0;
}

static int crowd_the_pool(void *arg)
{
    enum { TASKS = 40 };
    struct crowd crowd = { .jobs = (all_is_slow() ? 4000 : 100000) / TASKS };
    POOL(pool, .threads = 3);
    crowd.pool = pool;
    HOB_SCOPE(s);
    for (int i = 0; i < TASKS; i++) {
        hob_task_opts opts = { .where = HOB_ON(i % (int)hob_workers()) };
        HOB_TRY(hob_go_with(&s, send_many, &crowd, &opts));
    }
    HOB_TRY(hob_scope_end(&s));
    check_eq(atomic_load(&crowd.sum), crowd.jobs * TASKS);
    check_eq(stats_of(pool).done, crowd.jobs * TASKS);
    return 0;
}

static int with_workers(uint32_t workers, hob_task_fn *fn, void *arg)
{
    hob_run_opts opts;
    hob_test_run_opts(&opts);
    opts.workers = workers;
    return hob_run_with(&opts, fn, arg);
}

static int block_a_while(void *arg)
{
    usleep(30000); // long enough for every worker to fall asleep
    return *(int *)arg;
}

static int wait_for_nothing_else(void *arg)
{
    int given = 5;
    check_eq(hob_offload(hob_pool_blocking(), block_a_while, &given), 5);
    return 0;
}

static int wait_elsewhere(void *arg)
{
    return hob_on(hob_workers() - 1, wait_for_nothing_else, arg);
}

TEST_BARE_ON_ALL(offload, nothing_else_to_wait_for_is_not_the_end)
{
    check_ok(with_workers(1, wait_for_nothing_else, NULL));
    check_ok(with_workers(2, wait_for_nothing_else, NULL));
    check_ok(with_workers(2, wait_elsewhere, NULL));
}

TEST_BARE_ON_ALL(offload, a_guest_of_another_loop_hears_of_the_end)
{
    hob_run_opts opts;
    hob_loop    *loop;
    int          said = HOB_STEP_MORE;
    hob_test_run_opts(&opts);
    check_ok(hob_begin(&opts, wait_for_nothing_else, NULL, &loop));
    int fd = hob_poll_fd(loop);
    for (int tries = 0; said != HOB_STEP_ENDED && tries < 1000; tries++) {
        struct pollfd wait = { .fd = fd, .events = POLLIN };
        ignore(poll(&wait, 1, 1000));
        said = hob_step(loop, HOB_MSEC);
    }
    check_eq(said, HOB_STEP_ENDED);
    check_ok(hob_finish(loop));
}

TEST_BARE_ON_ALL(offload, a_hundred_thousand_short_ones_of_one_worker)
{
    check_ok(with_workers(1, crowd_the_pool, NULL));
}

TEST_BARE_ON_ALL(offload, a_hundred_thousand_short_ones_of_four_workers)
{
    check_ok(with_workers(4, crowd_the_pool, NULL));
}

/* ---- random walks ---- */

/*
 * Tasks of all workers call a pool of a few threads, with deadlines, cancellations, and callbacks
 * in between. The model is a count for each call: its function ran once and its result came, or it
 * never ran and the call says why. At the end the pool has counted the same.
 */
struct walk {
    hob_pool     *pool;
    atomic_int    called, refused, taken_back, ran;
    atomic_ullong draws;
};

struct step {
    struct walk *walk;
    atomic_int   ran;
    unsigned     length;
    int          heeds;
    int          result;
};

static int run_step(void *arg)
{
    struct step *step = arg;
    atomic_fetch_add(&step->ran, 1);
    for (unsigned i = 0; i < step->length && !in_sim(); i++) {
        if (step->heeds && hob_offload_cancelled() != 0)
            return -ECANCELED;
        usleep(10);
    }
    return step->heeds && hob_offload_cancelled() != 0 ? -ECANCELED : step->result;
}

/* Never both. */
static int judge(struct step *step, ssize_t got)
{
    struct walk *walk = step->walk;
    int          ran = atomic_load(&step->ran);
    atomic_fetch_add(&walk->called, 1);
    atomic_fetch_add(&walk->ran, ran);
    if (ran == 0) {
        check(got == -ECANCELED || got == -ETIMEDOUT || got == -EAGAIN);
        atomic_fetch_add(got == -EAGAIN ? &walk->refused : &walk->taken_back, 1);
        return 0;
    }
    check_eq(ran, 1);
    if (!step->heeds)
        check_eq(got, step->result);
    else
        check(got == step->result || got == -ECANCELED || got == -ETIMEDOUT);
    return 0;
}

static uint64_t draw(struct walk *walk, uint64_t below)
{
    if (in_sim())
        return hob_random() % below;
    uint64_t z = atomic_fetch_add(&walk->draws, 0x9E3779B97F4A7C15) ^ hob_test_seed();
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    return (z ^ (z >> 31)) % below;
}

static int call_once(struct walk *walk)
{
    struct step   step = { .walk = walk, .length = (unsigned)draw(walk, 20), .heeds = (int)draw(walk, 2),
                           .result = (int)draw(walk, 100) };
    struct answer answer = { 0, 0 };
    hob_op        op;
    ssize_t       got;
    bool          by_callback = draw(walk, 3) == 0;
    HOB_SCOPE(s);
    if (draw(walk, 2) == 0)
        hob_scope_deadline(&s, hob_in((int64_t)draw(walk, 300) * HOB_USEC));
    if (by_callback) {
        HOB_TRY(hob_offload_prep(&op, walk->pool, run_step, &step));
        hob_op_call(&s, &op, on_answer, &answer);
        if (draw(walk, 2) == 0)
            hob_yield();
        if (draw(walk, 2) == 0)
            hob_op_cancel(&op);
    } else {
        got = hob_offload(walk->pool, run_step, &step);
    }
    ignore(hob_scope_end(&s));
    if (by_callback) {
        got = answer.result;
        check_eq(answer.calls, 1);
    }
    return judge(&step, got);
}

static int walk_on(void *arg)
{
    int steps = all_is_slow() ? 30 : 150;
    for (int i = 0; i < steps; i++) {
        HOB_TRY(call_once(arg));
        if (draw(arg, 4) == 0)
            HOB_TRY(hob_sleep((int64_t)draw(arg, 100) * HOB_USEC));
    }
    return 0;
}

static int walk_at_random(void *arg)
{
    POOL(pool, .threads = 2, .queue = 5, .fail_when_full = *(int *)arg, .idle_ns = 100 * HOB_USEC);
    struct walk walk = { .pool = pool };
    HOB_TRY(take_time(0, 300 * HOB_USEC));
    HOB_SCOPE(s);
    for (int i = 0; i < 12; i++) {
        hob_task_opts opts = { .where = HOB_ON(i % (int)hob_workers()) };
        HOB_TRY(hob_go_with(&s, walk_on, &walk, &opts));
    }
    HOB_TRY(hob_scope_end(&s));
    hob_pool_stats stats = stats_of(pool);
    check_eq(stats.done, atomic_load(&walk.ran));
    check_eq(stats.running + stats.queued, 0);
    check_le(stats.refused, atomic_load(&walk.refused));
    check_le(stats.withdrawn, atomic_load(&walk.taken_back));
    check_eq(atomic_load(&walk.called),
             atomic_load(&walk.ran) + atomic_load(&walk.refused) + atomic_load(&walk.taken_back));
    return 0;
}

TEST_BARE_ON_ALL(offload, each_call_has_its_result_or_no_effect)
{
    for (uint32_t workers = 1; workers <= 4; workers *= 2) {
        for (int fail_when_full = 0; fail_when_full < 2; fail_when_full++)
            check_ok(with_workers(workers, walk_at_random, &fail_when_full));
    }
}

TEST(offload, in_simulated_time_each_call_has_its_result_or_no_effect)
{
    int fail_when_full = hob_test_seed() % 2 == 0;
    check_ok(walk_at_random(&fail_when_full));
}
