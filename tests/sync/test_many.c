/* SPDX-License-Identifier: MIT */
/* Waiting for many promises: what decides, who is cancelled, and that all are waited for. */
#include "support/tasks.h"

enum { N = 3 };

/* Promises, each settled by a task of its own after so many seconds, unless it is cancelled. */
struct maker {
    hob_promise *promise;
    int64_t      ns;
    int          error;
    hob_future  *future;
    int          result; /* of the sleep */
};

static void free_promise(void *promise)
{
    hob_promise_free(*(hob_promise **)promise);
}

static int make(void *arg)
{
    struct maker *maker = arg;
    maker->result = hob_sleep(maker->ns);
    int error = maker->result < 0 ? maker->result : maker->error;
    if (error < 0)
        hob_promise_reject(maker->promise, error);
    else
        hob_promise_resolve(maker->promise, maker);
    return 0;
}

static void stop(void *arg)
{
    struct maker *maker = arg;
    hob_future_cancel(maker->future, "nobody wants it");
}

struct kitchen {
    struct maker maker[N];
    hob_promise *promises[N];
};

static void free_kitchen(void *arg)
{
    struct kitchen *k = arg;
    for (int i = 0; i < N; i++)
        hob_promise_free(k->promises[i]);
}

static int open_kitchen(hob_scope *s, struct kitchen *k, const int *seconds, const int *errors)
{
    for (int i = 0; i < N; i++) {
        struct maker *maker = &k->maker[i];
        *maker = (struct maker){ .ns = seconds[i] * HOB_SEC, .error = errors[i], .result = 1 };
        HOB_TRY(hob_promise_new(&maker->promise));
        k->promises[i] = maker->promise;
        maker->future = hob_async(s, make, maker);
        if (maker->future == NULL)
            return hob_fail(-ENOMEM);
        hob_promise_on_cancel(maker->promise, stop, maker);
    }
    return 0;
}

static int close_kitchen(struct kitchen *k)
{
    int stopped = 0;
    for (int i = 0; i < N; i++) {
        HOB_TRY(hob_await(k->maker[i].future));
        stopped += k->maker[i].result == -ECANCELED;
    }
    return stopped;
}

/* Awaits three promises; says what came back, how long it took, and how many were cancelled. */
static int cook(hob_promise_how how, const int *seconds, const int *errors, int64_t *ret_s,
                int *ret_stopped)
{
    struct kitchen k = { 0 };
    HOB_DEFER(free_kitchen, &k);
    HOB_SCOPE(s);
    HOB_TRY(open_kitchen(&s, &k, seconds, errors));
    int64_t began = hob_now();
    int     r = hob_promise_await_many(how, k.promises, N);
    *ret_s = (hob_now() - began) / HOB_SEC;
    for (int i = 0; i < N; i++)
        if (!hob_promise_is_settled(k.promises[i]))
            return hob_fail(-EBUSY);
    *ret_stopped = HOB_TRY(close_kitchen(&k));
    HOB_TRY(hob_scope_end(&s));
    return r;
}

#define check_cook(how, expected, seconds, stopped_, ...)                         \
    do {                                                                          \
        int64_t took;                                                             \
        int     stopped;                                                          \
        check_eq(cook((how), (int[]){ 1, 2, 3 }, (int[]){ __VA_ARGS__ }, &took, &stopped), \
                 (expected));                                                     \
        check_eq(took, (seconds));                                                \
        check_eq(stopped, (stopped_));                                            \
    } while (0)

TEST(many, all_waits_for_all_and_ends_at_the_first_rejection)
{
    check_cook(HOB_ALL, 0, 3, 0, 0, 0, 0);
    check_cook(HOB_ALL, -EIO, 2, 1, 0, -EIO, 0);
    check_cook(HOB_ALL, -EIO, 1, 2, -EIO, -EDOM, 0);
}

TEST(many, all_settled_waits_for_all_whatever_happens)
{
    check_cook(HOB_ALL_SETTLED, 0, 3, 0, 0, 0, 0);
    check_cook(HOB_ALL_SETTLED, 0, 3, 0, -EIO, -EDOM, -EIO);
}

TEST(many, any_takes_the_first_that_is_resolved)
{
    check_cook(HOB_ANY, 0, 1, 2, 0, 0, 0);
    check_cook(HOB_ANY, 1, 2, 1, -EIO, 0, 0);
    check_cook(HOB_ANY, -EIO, 3, 0, -EIO, -EDOM, -EDOM);
}

TEST(many, race_takes_the_first_that_is_settled)
{
    check_cook(HOB_RACE, 0, 1, 2, 0, -EIO, 0);
    check_cook(HOB_RACE, -EIO, 1, 2, -EIO, 0, 0);
}

TEST(many, those_that_are_settled_before_count_at_once)
{
    hob_promise *a = NULL, *b = NULL;
    HOB_DEFER(free_promise, &a);
    HOB_DEFER(free_promise, &b);
    check_ok(hob_promise_new(&a));
    check_ok(hob_promise_new(&b));
    check_ok(hob_promise_resolve(a, NULL));
    check_eq(hob_promise_await_many(HOB_ANY, (hob_promise *[]){ b, a }, 2), 1);
    check_err(hob_promise_await(b, NULL), -ECANCELED); // who has no maker to tell is rejected
    check_err(hob_promise_await_many(HOB_ALL, (hob_promise *[]){ a, b }, 2), -ECANCELED);
    check_ok(hob_promise_await_many(HOB_ALL, (hob_promise *[]){ a, a }, 2));
    check_ok(hob_promise_await_many(HOB_ALL, NULL, 0));
    check_err(hob_promise_await_many(HOB_ANY, NULL, 0), -EINVAL);
}

TEST(many, a_cancelled_wait_cancels_all_and_waits_for_them)
{
    struct kitchen k = { 0 };
    HOB_DEFER(free_kitchen, &k);
    HOB_SCOPE(s);
    check_ok(open_kitchen(&s, &k, (int[]){ 5, 6, 7 }, (int[N]){ 0 }));
    {
        HOB_SCOPE(inner);
        hob_scope_deadline(&inner, hob_in(HOB_SEC));
        check_err(hob_promise_await_many(HOB_ALL, k.promises, N), -ETIMEDOUT);
        check_err(hob_scope_end(&inner), -ETIMEDOUT);
    }
    check_eq(close_kitchen(&k), 3);
    check_ok(hob_scope_end(&s));
}

TEST(many, the_outcome_is_a_promise_too)
{
    struct kitchen k = { 0 };
    HOB_DEFER(free_kitchen, &k);
    hob_promise   *outcome = NULL;
    HOB_DEFER(free_promise, &outcome);
    void          *value;
    HOB_SCOPE(s);
    check_ok(open_kitchen(&s, &k, (int[]){ 3, 1, 2 }, (int[N]){ 0 }));
    check_ok(hob_promise_of_many(&s, HOB_ANY, k.promises, N, &outcome));
    check_ok(hob_promise_await(outcome, &value));
    check_eq((intptr_t)value, 1);
    check_eq(close_kitchen(&k), 2);
    check_ok(hob_scope_end(&s));
}

TEST(many, cancelling_the_outcome_cancels_all)
{
    struct kitchen k = { 0 };
    HOB_DEFER(free_kitchen, &k);
    hob_promise   *outcome = NULL;
    HOB_DEFER(free_promise, &outcome);
    HOB_SCOPE(s);
    check_ok(open_kitchen(&s, &k, (int[]){ 3, 1, 2 }, (int[N]){ 0 }));
    check_ok(hob_promise_of_many(&s, HOB_ALL, k.promises, N, &outcome));
    hob_promise_cancel(outcome);
    check_err(hob_promise_await(outcome, NULL), -ECANCELED);
    check_eq(close_kitchen(&k), 3);
    check_ok(hob_scope_end(&s));
}

TEST_ON_ALL(many, cancelling_a_promise_of_an_operation_cancels_the_operation)
{
    hob_promise *sleeps = NULL, *soon = NULL;
    HOB_DEFER(free_promise, &sleeps);
    HOB_DEFER(free_promise, &soon);
    hob_op       long_sleep, short_sleep;
    check_ok(hob_promise_new(&sleeps));
    check_ok(hob_promise_new(&soon));
    HOB_SCOPE(s);
    hob_sleep_prep(&long_sleep, hob_in(HOB_HOUR));
    hob_sleep_prep(&short_sleep, hob_in(HOB_MSEC));
    hob_op_settle(&s, &long_sleep, sleeps);
    hob_op_settle(&s, &short_sleep, soon);
    check_eq(hob_promise_await_many(HOB_ANY, (hob_promise *[]){ sleeps, soon }, 2), 1);
    check_err(hob_promise_await(sleeps, NULL), -ECANCELED);
    check_ok(hob_scope_end(&s));
}

static int settle_second(void *arg)
{
    hob_promise **promises = arg;
    HOB_TRY(hob_sleep(HOB_MSEC));
    return hob_promise_resolve(promises[1], NULL);
}

/* Those that nobody makes are settled by the cancelling itself, in the middle of it. */
TEST_ON_ALL(many, the_rest_may_be_settled_while_it_is_being_cancelled)
{
    static const hob_promise_how hows[] = { HOB_RACE, HOB_ANY };
    for (int how = 0; how < 2; how++) {
        hob_promise *promises[3];
        for (int i = 0; i < 3; i++)
            check_ok(hob_promise_new(&promises[i]));
        HOB_SCOPE(s);
        check_ok(hob_go(&s, settle_second, promises));
        check_eq(hob_promise_await_many(hows[how], promises, 3), 1);
        check_ok(hob_scope_end(&s));
        for (int i = 0; i < 3; i++)
            hob_promise_free(promises[i]);
    }
}

static int await_all_of_three(void *promises)
{
    return hob_promise_await_many(HOB_ALL, promises, 3);
}

TEST(many, the_wait_may_be_cancelled_and_all_is_settled_by_that)
{
    hob_promise *promises[3];
    for (int i = 0; i < 3; i++)
        check_ok(hob_promise_new(&promises[i]));
    HOB_SCOPE(s);
    check_ok(hob_go(&s, await_all_of_three, promises));
    settle();
    hob_scope_cancel(&s, "enough");
    check_err(hob_scope_end(&s), -ECANCELED);
    for (int i = 0; i < 3; i++) {
        check(hob_promise_is_settled(promises[i]));
        hob_promise_free(promises[i]);
    }
}
