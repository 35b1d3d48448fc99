/* SPDX-License-Identifier: MIT */
/*
 * Ops that another thread finishes: hob__op_finish_from_afar on its own worker, on another one
 * and from a thread that is none; and cancelled while the answer is on its way.
 */
#include "support/tasks.h"

#include <pthread.h>
#include <unistd.h>

#include "base/lock.h"
#include "core/crew.h"
#include "core/worker.h"

/* The least object that workers share: one may wait for it, and anybody may knock. */
struct door {
    struct lock lock;
    struct op  *waiter; /* not taken */
    bool        knocked;
    bool        outside; /* it is knocked at by a thread that is no worker */
    int         result;
};

static void start(struct op *op)
{
    struct door *door = op->local.on;
    lock_take(&door->lock);
    op->state = door->knocked ? OP_DONE : OP_FLYING;
    op->worker = hob__worker;
    op->taken = 0;
    op->result = 7;
    if (!door->knocked)
        door->waiter = op;
    lock_give(&door->lock);
}

static bool withdraw(struct op *op)
{
    struct door *door = op->local.on;
    lock_take(&door->lock);
    bool mine = !op->taken;
    if (mine)
        door->waiter = NULL;
    lock_give(&door->lock);
    return mine;
}

static void knock(struct door *door)
{
    lock_take(&door->lock);
    struct op *op = door->waiter;
    door->waiter = NULL;
    door->knocked = true;
    if (op != NULL)
        op->taken = 1;
    lock_give(&door->lock);
    if (op != NULL)
        hob__op_finish_from_afar(op, 7);
}

static int wait_at(void *arg)
{
    struct door *door = arg;
    struct op    op = { .kind = OP_PARK, .local = { start, withdraw, door, NULL } };
    if (door->outside)
        crew_waits_outside(hob__worker->crew);
    hob__op_await(&op);
    if (door->outside)
        crew_waited_outside(hob__worker->crew);
    door->result = (int)op.result;
    return 0;
}

static int knock_at(void *arg)
{
    knock(arg);
    return 0;
}

static int with_workers(hob_task_fn *fn, void *arg, uint32_t workers)
{
    hob_run_opts opts;
    hob_test_run_opts(&opts);
    opts.workers = workers;
    return hob_run_with(&opts, fn, arg);
}

static int knock_from(void *arg)
{
    for (int waits_on = 0; waits_on < 3; waits_on++) {
        for (int knocks_on = 0; knocks_on < 3; knocks_on++) {
            struct door door = { .result = 0 };
            HOB_SCOPE(s);
            check_ok(hob_go_with(&s, wait_at, &door, &(hob_task_opts){ .where = HOB_ON(waits_on) }));
            check_ok(hob_sleep(HOB_MSEC));
            check_ok(hob_go_with(&s, knock_at, &door, &(hob_task_opts){ .where = HOB_ON(knocks_on) }));
            check_ok(hob_scope_end(&s));
            check_eq(door.result, 7);
        }
    }
    return 0;
}

TEST_BARE_ON_ALL(afar, any_worker_finishes_the_op_of_any_other)
{
    check_ok(with_workers(knock_from, NULL, 3));
}

static int knock_while_cancelled(void *arg)
{
    int delivered = 0, rounds = all_is_slow() ? 50 : 500;
    for (int i = 0; i < rounds; i++) {
        struct door door = { .result = 0 };
        HOB_SCOPE(s);
        check_ok(hob_go(&s, wait_at, &door));
        check_ok(hob_go_with(&s, knock_at, &door, &(hob_task_opts){ .where = HOB_ON(1) }));
        if (i % 2 == 0)
            hob_yield();
        hob_scope_cancel(&s, "the other way round");
        ignore(hob_scope_end(&s));
        // Either it was withdrawn, or the knock was heard; never both, never neither.
        check(door.result == 7 || door.result == -ECANCELED);
        check(door.knocked);
        delivered += door.result == 7;
    }
    check_le(delivered, rounds);
    return 0;
}

TEST_BARE_ON_ALL(afar, a_cancel_that_meets_the_answer_loses_nothing)
{
    check_ok(with_workers(knock_while_cancelled, NULL, 2));
}

static void *knock_later(void *arg)
{
    usleep(5000);
    knock(arg);
    return NULL;
}

static int wait_for_a_thread(void *arg)
{
    struct door door = { .outside = true };
    pthread_t   thread;
    HOB_SCOPE(s);
    expect(pthread_create(&thread, NULL, knock_later, &door) == 0);
    check_ok(hob_go_with(&s, wait_at, &door, &(hob_task_opts){ .where = HOB_ON(*(int *)arg) }));
    int r = hob_scope_end(&s);
    pthread_join(thread, NULL);
    check_ok(r);
    check_eq(door.result, 7);
    return 0;
}

TEST_BARE_ON_ALL(afar, a_thread_outside_finishes_it_and_nothing_counts_as_stuck_meanwhile)
{
    int first = 0, second = 1;
    check_ok(with_workers(wait_for_a_thread, &first, 1));
    check_ok(with_workers(wait_for_a_thread, &first, 2));
    check_ok(with_workers(wait_for_a_thread, &second, 2));
}
