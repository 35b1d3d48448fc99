/* SPDX-License-Identifier: MIT */
/* Cancellation, deadlines and shields. Promises of hob/scope.h and of hob.h's "Cancelling". */
#include "support/tasks.h"

#include "core/worker.h"
#include "op/op.h"

/* ---- an op that needs several turns ---- */

/* As a write whose first half went: there is more to do. */
static bool go_on_for_ever(struct op *op)
{
    hob__sleep_op_init(op, HOB_FOREVER);
    return false;
}

static int take_two_turns(void *arg)
{
    struct op op = { .finish = go_on_for_ever };
    hob__sleep_op_init(&op, *(int64_t *)arg);
    hob__op_await(&op);
    return (int)op.result;
}

/* Its first turn is done, and the deadline passes before anybody has looked at that. */
TEST_ON_ALL(cancel, an_op_that_is_to_go_on_does_not_when_its_deadline_came_meanwhile)
{
    int64_t when = hob_in(5 * HOB_MSEC);
    HOB_SCOPE(s);
    check_ok(hob_go(&s, take_two_turns, &when));
    settle();
    hob_scope_deadline(&s, when); // its timer is behind that of the op
    check_err(hob_scope_end(&s), -ETIMEDOUT);
}

/* ---- level-triggered ---- */

static int stay_for_three_more_calls(void *arg)
{
    int error = *(int *)arg;
    check_err(hob_sleep(HOB_FOREVER), error);
    check_err(hob_sleep(HOB_SEC), error);
    check_err(hob_sleep(0), error);
    check_err(hob_sleep_until(HOB_FOREVER), error);
    check_err(hob_checkpoint(), error);
    check_err(hob_cancelled(), error);
    hob_op op;
    hob_sleep_prep(&op, hob_in(HOB_SEC));
    check_err(hob_op_await(&op), error);
    hob_yield();
    check_err(hob_cancelled(), error);
    return 0;
}

TEST_ON_ALL(cancel, every_call_keeps_saying_so_until_the_scope_is_left)
{
    int     error = -ECANCELED;
    int64_t start = hob_now();
    HOB_SCOPE(s);
    check_ok(hob_go(&s, stay_for_three_more_calls, &error));
    hob_scope_cancel(&s, "test");
    check_err(hob_scope_end(&s), -ECANCELED);
    check_ok(hob_cancelled());
    check_ok(hob_sleep(1));
    check_lt(hob_now() - start, HOB_SEC);
}

TEST_ON_ALL(cancel, a_deadline_says_timed_out)
{
    int error = -ETIMEDOUT;
    HOB_SCOPE(s);
    hob_scope_deadline(&s, hob_in(20 * HOB_MSEC));
    int64_t start = hob_now();
    check_ok(hob_go(&s, stay_for_three_more_calls, &error));
    check_err(hob_scope_end(&s), -ETIMEDOUT);
    check_ge(hob_now() - start, 20 * HOB_MSEC);
    check_ok(hob_cancelled());
}

TEST(cancel, the_opener_itself_is_cancelled_too)
{
    {
        HOB_SCOPE(s);
        hob_scope_cancel(&s, "test");
        check_err(hob_sleep(HOB_SEC), -ECANCELED);
        check_str(hob_cancel_reason(), "test");
    }
    check_ok(hob_sleep(HOB_SEC));
    check_eq(hob_cancel_reason(), NULL);
}

/* SURVIVAL 8. */
TEST_ON_ALL(cancel, only_the_first_one_counts)
{
    HOB_SCOPE(a);
    hob_scope_cancel(&a, "first");
    hob_scope_cancel(&a, "second");
    hob_scope_deadline(&a, 0);
    check_err(hob_cancelled(), -ECANCELED);
    check_str(hob_cancel_reason(), "first");
    check_err(hob_scope_end(&a), -ECANCELED);

    HOB_SCOPE(b);
    hob_scope_deadline(&b, 0);
    hob_scope_cancel(&b, "too late");
    check_err(hob_cancelled(), -ETIMEDOUT);
    check_str(hob_cancel_reason(), "deadline");
    check_err(hob_scope_end(&b), -ETIMEDOUT);
}

static int note_reason(void *arg)
{
    ignore(hob_sleep(HOB_FOREVER));
    *(const char **)arg = hob_cancel_reason();
    return 0;
}

TEST(cancel, the_reason_reaches_everybody)
{
    const char *reasons[3] = { NULL, NULL, NULL };

    HOB_SCOPE(a);
    hob_go(&a, note_reason, &reasons[0]);
    hob_scope_cancel(&a, "the user closed the window");
    check_err(hob_scope_end(&a), -ECANCELED);
    check_str(reasons[0], "the user closed the window");

    HOB_SCOPE(b);
    hob_go(&b, note_reason, &reasons[1]);
    hob_go(&b, fail_with, &(int){ -EIO });
    check_err(hob_scope_end(&b), -EIO);
    check_str(reasons[1], "a sibling failed");

    HOB_SCOPE(c);
    hob_go(&c, note_reason, &reasons[2]);
    hob_scope_deadline(&c, hob_in(1));
    check_err(hob_scope_end(&c), -ETIMEDOUT);
    check_str(reasons[2], "deadline");
}

TEST(cancel, without_a_reason)
{
    HOB_SCOPE(s);
    hob_scope_cancel(&s, NULL);
    check_err(hob_cancelled(), -ECANCELED);
    check_err(hob_scope_end(&s), -ECANCELED);
}

/* ---- nesting ---- */

static int sleep_in_scopes(void *arg)
{
    int *results = arg;
    HOB_SCOPE(one);
    HOB_SCOPE(two);
    hob_go(&two, sleep_for_ever, &results[0]);
    results[1] = hob_sleep(HOB_FOREVER);
    results[2] = hob_scope_cancelled(&one);
    results[3] = hob_scope_end(&two);
    return results[1];
}

TEST_ON_ALL(cancel, reaches_scopes_and_tasks_inside)
{
    int results[4] = { 0 };
    HOB_SCOPE(s);
    check_ok(hob_go(&s, sleep_in_scopes, results));
    settle();
    hob_scope_cancel(&s, "test");
    check_err(hob_scope_end(&s), -ECANCELED);
    for (int i = 0; i < 4; i++)
        check_err(results[i], -ECANCELED);
}

TEST(cancel, does_not_reach_outside)
{
    struct nap outer_child = { .ns = HOB_SEC };
    HOB_SCOPE(outer);
    check_ok(hob_go(&outer, nap, &outer_child));
    {
        HOB_SCOPE(inner);
        hob_scope_cancel(&inner, "test");
        check_ok(hob_scope_cancelled(&outer));
        check_err(hob_scope_cancelled(&inner), -ECANCELED);
        check_err(hob_cancelled(), -ECANCELED);
    }
    check_ok(hob_cancelled());
    check_ok(hob_scope_end(&outer));
    check_ok(outer_child.result);
}

/* Has a scope of its own, and never says that it is ready. */
static int never_ready(void *arg)
{
    HOB_SCOPE(s);
    *(int *)arg = hob_sleep(HOB_FOREVER);
    return hob_scope_end(&s);
}

static int start_who_is_never_ready(void *arg)
{
    HOB_SCOPE(s);
    check_err(hob_go_ready(&s, never_ready, arg, NULL, NULL), -ECANCELED);
    return hob_scope_end(&s);
}

/* Asking back the first starter cancels its child's scope, in the midst of the walk. */
TEST_ON_ALL(cancel, reaches_those_who_are_still_starting)
{
    int results[3] = { 0 };
    HOB_SCOPE(s);
    for (int i = 0; i < 3; i++)
        check_ok(hob_go(&s, start_who_is_never_ready, &results[i]));
    settle();
    hob_scope_cancel(&s, "test");
    check_err(hob_scope_end(&s), -ECANCELED);
    for (int i = 0; i < 3; i++)
        check_err(results[i], -ECANCELED);
}

struct other {
    hob_scope *scope;
    int64_t    after;
    bool       closed; /* the scope: it must not be touched any more */
};

static int cancel_it(void *arg)
{
    struct other *o = arg;
    int           r = hob_sleep(o->after);
    if (!o->closed)
        hob_scope_cancel(o->scope, "from elsewhere");
    return r;
}

TEST(cancel, another_task_may_cancel_it)
{
    HOB_SCOPE(outer);
    {
        HOB_SCOPE(s);
        struct other o = { &s, HOB_SEC, false };
        check_ok(hob_go(&outer, cancel_it, &o));
        int64_t start = hob_now();
        check_err(hob_sleep(HOB_HOUR), -ECANCELED);
        check_eq(hob_now() - start, HOB_SEC);
        check_err(hob_scope_end(&s), -ECANCELED);
    }
    check_ok(hob_scope_end(&outer));
}

TEST(cancel, a_child_may_cancel_the_scope_that_it_lives_in)
{
    struct nap sibling = { .ns = HOB_HOUR };
    HOB_SCOPE(s);
    struct other o = { &s, HOB_SEC, false };
    check_ok(hob_go(&s, nap, &sibling));
    check_ok(hob_go(&s, cancel_it, &o));
    check_err(hob_scope_end(&s), -ECANCELED);
    check_err(sibling.result, -ECANCELED);
}

/* SURVIVAL 5: a task that is cancelled before its first run owns things already. */
static int take_over_and_clean_up(void *arg)
{
    int *owned = arg;
    *owned = 1;
    int r = hob_sleep(HOB_SEC);
    *owned = 2;
    return r;
}

TEST_ON_ALL(cancel, a_task_started_in_a_cancelled_scope_runs_to_its_first_wait)
{
    int owned = 0;
    HOB_SCOPE(s);
    hob_scope_cancel(&s, "test");
    check_ok(hob_go(&s, take_over_and_clean_up, &owned));
    check_err(hob_scope_end(&s), -ECANCELED);
    check_eq(owned, 2);
}

struct slow_leaver {
    bool left;
};

static int leave_slowly(void *arg)
{
    struct slow_leaver *l = arg;
    ignore(hob_sleep(HOB_FOREVER));
    HOB_SHIELD(10 * HOB_SEC) {
        check_ok(hob_sleep(2 * HOB_SEC));
    }
    l->left = true;
    return 0;
}

TEST(cancel, a_cancelled_end_still_waits_for_the_children)
{
    struct slow_leaver l = { false };
    int64_t            start = hob_now();
    HOB_SCOPE(outer);
    hob_scope_deadline(&outer, hob_in(HOB_SEC));
    {
        HOB_SCOPE(inner);
        check_ok(hob_go(&inner, leave_slowly, &l));
        check_err(hob_scope_end(&inner), -ETIMEDOUT);
        check(l.left);
        check_eq(hob_now() - start, 3 * HOB_SEC);
    }
    check_err(hob_scope_end(&outer), -ETIMEDOUT);
}

/* ---- deadlines ---- */

TEST(deadline, the_earlier_one_holds)
{
    int64_t start = hob_now();
    HOB_SCOPE(outer);
    hob_scope_deadline(&outer, hob_in(HOB_SEC));
    {
        HOB_SCOPE(inner);
        hob_scope_deadline(&inner, hob_in(10 * HOB_SEC));
        check_err(hob_sleep(HOB_HOUR), -ETIMEDOUT);
        check_eq(hob_now() - start, HOB_SEC);
        check_err(hob_scope_cancelled(&inner), -ETIMEDOUT);
        check_err(hob_scope_end(&inner), -ETIMEDOUT);
    }
    check_err(hob_scope_end(&outer), -ETIMEDOUT);
}

TEST(deadline, after_an_inner_one_the_outer_goes_on)
{
    HOB_SCOPE(outer);
    hob_scope_deadline(&outer, hob_in(10 * HOB_SEC));
    {
        HOB_SCOPE(inner);
        hob_scope_deadline(&inner, hob_in(HOB_SEC));
        check_err(hob_sleep(HOB_HOUR), -ETIMEDOUT);
        check_err(hob_scope_end(&inner), -ETIMEDOUT);
    }
    check_ok(hob_sleep(8 * HOB_SEC));
    check_err(hob_sleep(8 * HOB_SEC), -ETIMEDOUT);
    check_err(hob_scope_end(&outer), -ETIMEDOUT);
}

TEST(deadline, in_the_past_cancels_at_once)
{
    HOB_SCOPE(s);
    hob_scope_deadline(&s, hob_now() - 1);
    check_err(hob_cancelled(), -ETIMEDOUT);
    check_err(hob_scope_end(&s), -ETIMEDOUT);

    HOB_SCOPE(t);
    hob_scope_deadline(&t, INT64_MIN);
    check_err(hob_cancelled(), -ETIMEDOUT);
    check_err(hob_scope_end(&t), -ETIMEDOUT);
}

TEST(deadline, a_later_call_replaces_it)
{
    HOB_SCOPE(s);
    hob_scope_deadline(&s, hob_in(HOB_SEC));
    hob_scope_deadline(&s, hob_in(3 * HOB_SEC));
    check_ok(hob_sleep(2 * HOB_SEC));
    hob_scope_deadline(&s, HOB_FOREVER);
    check_ok(hob_sleep(HOB_HOUR));
    hob_scope_deadline(&s, hob_in(HOB_SEC));
    check_err(hob_sleep(HOB_HOUR), -ETIMEDOUT);
    check_err(hob_scope_end(&s), -ETIMEDOUT);
}

TEST(deadline, that_has_not_come_leaves_no_trace)
{
    hob_stats before, after;
    hob_stats_get(&before);
    for (int i = 0; i < 1000; i++) {
        HOB_SCOPE(s);
        hob_scope_deadline(&s, hob_in(HOB_HOUR));
        check_ok(hob_scope_end(&s));
    }
    hob_stats_get(&after);
    check_eq(after.timers, before.timers);
    check_ok(hob_sleep(2 * HOB_HOUR));
}

/* SURVIVAL 9: both come in the same turn. */
TEST(deadline, and_a_sleep_that_ends_with_it_have_one_outcome)
{
    HOB_SCOPE(s);
    int64_t when = hob_in(HOB_SEC);
    hob_scope_deadline(&s, when);
    int r = hob_sleep_until(when);
    check(r == 0 || r == -ETIMEDOUT);
    check_eq(hob_now(), when);
    check_err(hob_sleep(1), -ETIMEDOUT);
    check_err(hob_scope_end(&s), -ETIMEDOUT);
}

/* ---- the result wins ---- */

struct waiting {
    hob_promise *promise;
    int          result;
    void        *value;
};

static int await_it(void *arg)
{
    struct waiting *w = arg;
    w->result = hob_promise_await(w->promise, &w->value);
    return 0;
}

TEST_ON_ALL(result, a_cancellation_after_the_result_comes_too_late)
{
    struct waiting w = { .result = 1 };
    check_ok(hob_promise_new(&w.promise));
    HOB_SCOPE(s);
    check_ok(hob_go(&s, await_it, &w));
    settle();
    check_ok(hob_promise_resolve(w.promise, &w));
    hob_scope_cancel(&s, "too late"); // it has not run yet, but it has its result
    check_err(hob_scope_end(&s), -ECANCELED);
    check_ok(w.result);
    check_eq(w.value, &w);
    hob_promise_free(w.promise);
}

TEST_ON_ALL(result, a_cancellation_before_the_result_had_no_effect_on_the_promise)
{
    struct waiting w = { .result = 1 };
    void          *value = NULL;
    check_ok(hob_promise_new(&w.promise));
    HOB_SCOPE(s);
    check_ok(hob_go(&s, await_it, &w));
    settle();
    hob_scope_cancel(&s, "early");
    check_ok(hob_promise_resolve(w.promise, &w));
    check_err(hob_scope_end(&s), -ECANCELED);
    check_err(w.result, -ECANCELED);
    check_eq(w.value, NULL);
    check_ok(hob_promise_await(w.promise, &value));
    check_eq(value, &w);
    hob_promise_free(w.promise);
}

TEST_ON_ALL(result, a_race_of_sleep_and_cancellation_has_one_outcome)
{
    for (int i = 0; i < 50; i++) {
        struct nap n = { .ns = 200 * HOB_USEC, .result = 1 };
        HOB_SCOPE(outer);
        HOB_SCOPE(s);
        struct other o = { &s, 200 * HOB_USEC, false };
        check_ok(hob_go(&outer, cancel_it, &o));
        int64_t start = hob_now();
        check_ok(hob_go(&s, nap, &n));
        int r = hob_scope_end(&s);
        o.closed = true;
        check(r == 0 || r == -ECANCELED);
        check(n.result == 0 || n.result == -ECANCELED);
        if (r == 0)
            check_ok(n.result);
        if (n.result == 0)
            check_ge(n.woke_at - start, 200 * HOB_USEC);
        check_ok(hob_scope_end(&outer));
    }
}

/* ---- shields ---- */

TEST(shield, inside_nothing_is_cancelled)
{
    HOB_SCOPE(s);
    hob_scope_cancel(&s, "test");
    check_err(hob_sleep(1), -ECANCELED);
    int runs = 0;
    HOB_SHIELD(2 * HOB_SEC) {
        runs++;
        check_ok(hob_cancelled());
        check_eq(hob_cancel_reason(), NULL);
        check_ok(hob_sleep(HOB_SEC));
        struct nap n = { .ns = HOB_SEC / 2 };
        HOB_SCOPE(inner);
        check_ok(hob_go(&inner, nap, &n));
        check_ok(hob_scope_end(&inner));
    }
    check_eq(runs, 1);
    check_err(hob_sleep(1), -ECANCELED);
    check_str(hob_cancel_reason(), "test");
    check_err(hob_scope_end(&s), -ECANCELED);
}

TEST(shield, is_bounded)
{
    HOB_SCOPE(s);
    hob_scope_cancel(&s, "test");
    int64_t start = hob_now();
    HOB_SHIELD(2 * HOB_SEC) {
        check_err(hob_sleep(HOB_HOUR), -ETIMEDOUT);
        check_eq(hob_now() - start, 2 * HOB_SEC);
        check_err(hob_sleep(HOB_HOUR), -ETIMEDOUT);
    }
    check_err(hob_cancelled(), -ECANCELED);
    check_err(hob_scope_end(&s), -ECANCELED);
}

TEST(shield, a_cancellation_that_comes_meanwhile_waits_outside)
{
    HOB_SCOPE(outer);
    HOB_SCOPE(s);
    struct other o = { &s, HOB_SEC, false };
    check_ok(hob_go(&outer, cancel_it, &o));
    HOB_SHIELD(10 * HOB_SEC) {
        check_ok(hob_sleep(3 * HOB_SEC));
    }
    check_err(hob_sleep(1), -ECANCELED);
    check_err(hob_scope_end(&s), -ECANCELED);
    check_ok(hob_scope_end(&outer));
}

TEST(shield, a_deadline_that_comes_meanwhile_waits_outside)
{
    HOB_SCOPE(s);
    hob_scope_deadline(&s, hob_in(HOB_SEC));
    HOB_SHIELD(10 * HOB_SEC) {
        check_ok(hob_sleep(3 * HOB_SEC));
    }
    check_err(hob_sleep(1), -ETIMEDOUT);
    check_err(hob_scope_end(&s), -ETIMEDOUT);
}

static int leave_a_shield(int way)
{
    for (int i = 0; i < 1; i++) {
        HOB_SHIELD(HOB_SEC) {
            if (way == 0)
                return hob_sleep(HOB_MSEC);
            if (way == 1)
                break;
            HOB_TRY(-EDOM);
        }
    }
    return hob_cancelled();
}

TEST(shield, may_be_left_in_every_way)
{
    HOB_SCOPE(s);
    hob_scope_cancel(&s, "test");
    check_ok(leave_a_shield(0));
    check_err(hob_cancelled(), -ECANCELED);
    check_err(leave_a_shield(1), -ECANCELED);
    check_err(leave_a_shield(2), -EDOM);
    check_err(hob_sleep(1), -ECANCELED);
    check_err(hob_scope_end(&s), -ECANCELED);
}

TEST(shield, without_a_cancellation_changes_nothing)
{
    HOB_SHIELD(HOB_SEC) {
        check_ok(hob_sleep(HOB_MSEC));
    }
    check_ok(hob_cancelled());
}

TEST(shield, inside_a_shield_the_shorter_holds)
{
    HOB_SCOPE(s);
    hob_scope_cancel(&s, "test");
    int64_t start = hob_now();
    HOB_SHIELD(HOB_SEC) {
        HOB_SHIELD(HOB_HOUR) {
            int r = hob_sleep(10 * HOB_SEC);
            // The inner one keeps out even the outer one's limit, or not; but it ends.
            check(r == 0 || r == -ETIMEDOUT);
        }
    }
    check_le(hob_now() - start, HOB_HOUR);
    check_err(hob_scope_end(&s), -ECANCELED);
}
