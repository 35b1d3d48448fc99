/* SPDX-License-Identifier: MIT */
/* Operations in the three styles: await, callback, promise. Promises of hob/op.h. */
#include "support/tasks.h"

struct calls {
    int     count;
    ssize_t result;
    int64_t at;
    bool    inside;
};

static void note_call(void *arg, ssize_t result)
{
    struct calls *c = arg;
    HOB_EXPECT(!c->inside);
    c->count++;
    c->result = result;
    c->at = hob_now();
}

TEST_ON_ALL(op, await_waits_for_the_result)
{
    hob_op  op;
    int64_t when = hob_in(5 * HOB_MSEC);
    hob_sleep_prep(&op, when);
    check_eq(hob_op_await(&op), 0);
    check_ge(hob_now(), when);
    hob_sleep_prep(&op, when); // the same place again
    check_eq(hob_op_await(&op), 0);
}

TEST_ON_ALL(op, the_callback_comes_once_from_the_loop)
{
    hob_op       op;
    struct calls c = { .result = 1 };
    int64_t      when = hob_in(5 * HOB_MSEC);
    HOB_SCOPE(s);
    hob_sleep_prep(&op, when);
    c.inside = true;
    hob_op_call(&s, &op, note_call, &c);
    c.inside = false;
    check_eq(c.count, 0);
    check_ok(hob_scope_end(&s)); // waits for it
    check_eq(c.count, 1);
    check_eq(c.result, 0);
    check_ge(c.at, when);
}

TEST_ON_ALL(op, the_callback_of_what_is_done_at_once_comes_later_too)
{
    hob_op       op;
    struct calls c = { .result = 1 };
    HOB_SCOPE(s);
    hob_sleep_prep(&op, hob_now() - HOB_SEC);
    c.inside = true;
    hob_op_call(&s, &op, note_call, &c);
    c.inside = false;
    check_eq(c.count, 0);
    check_ok(hob_scope_end(&s));
    check_eq(c.count, 1);
    check_eq(c.result, 0);
}

TEST_ON_ALL(op, a_promise_gets_the_result_as_its_value)
{
    hob_op       op;
    void        *value = &op;
    hob_promise *p;
    check_ok(hob_promise_new(&p));
    HOB_SCOPE(s);
    hob_sleep_prep(&op, hob_in(HOB_MSEC));
    hob_op_settle(&s, &op, p);
    check_ok(hob_promise_await(p, &value));
    check_eq(value, NULL); // the result 0
    check_ok(hob_scope_end(&s));
    hob_promise_free(p);
}

TEST(op, the_scope_cancels_its_operations)
{
    hob_op       ops[3];
    struct calls c = { .result = 1 };
    hob_promise *p, *never;
    check_ok(hob_promise_new(&p));
    check_ok(hob_promise_new(&never));
    HOB_SCOPE(s);
    hob_sleep_prep(&ops[0], HOB_FOREVER);
    hob_op_call(&s, &ops[0], note_call, &c);
    hob_sleep_prep(&ops[1], hob_in(HOB_HOUR));
    hob_op_settle(&s, &ops[1], p);
    hob_promise_await_prep(&ops[2], never);
    hob_op_call(&s, &ops[2], note_call, &c);
    c.inside = true;
    hob_scope_cancel(&s, "test");
    c.inside = false;
    int64_t start = hob_now();
    check_err(hob_scope_end(&s), -ECANCELED);
    check_eq(hob_now(), start);
    check_eq(c.count, 2);
    check_err(c.result, -ECANCELED);
    check_err(hob_promise_await(p, NULL), -ECANCELED);
    check_ok(hob_promise_resolve(never, NULL));
    hob_promise_free(p);
    hob_promise_free(never);
}

TEST(op, in_a_cancelled_scope_it_is_cancelled_at_once)
{
    hob_op       op;
    struct calls c = { .result = 1 };
    HOB_SCOPE(s);
    hob_scope_deadline(&s, 0);
    hob_sleep_prep(&op, hob_in(HOB_SEC));
    c.inside = true;
    hob_op_call(&s, &op, note_call, &c);
    c.inside = false;
    int64_t start = hob_now();
    check_err(hob_scope_end(&s), -ETIMEDOUT);
    check_eq(hob_now(), start);
    check_eq(c.count, 1);
    check(c.result == -ETIMEDOUT || c.result == -ECANCELED);
}

TEST(op, the_block_waits_for_operations)
{
    struct calls c = { 0 };
    hob_op       op;
    {
        HOB_SCOPE(s);
        hob_sleep_prep(&op, hob_in(HOB_SEC));
        hob_op_call(&s, &op, note_call, &c);
    }
    check_eq(c.count, 1);
}

TEST(op, can_be_cancelled_alone)
{
    hob_op       a, b;
    struct calls ca = { .result = 1 }, cb = { .result = 1 };
    int64_t      start = hob_now();
    HOB_SCOPE(s);
    hob_sleep_prep(&a, hob_in(HOB_HOUR));
    hob_sleep_prep(&b, hob_in(HOB_SEC));
    hob_op_call(&s, &a, note_call, &ca);
    hob_op_call(&s, &b, note_call, &cb);
    settle();
    ca.inside = true;
    hob_op_cancel(&a);
    hob_op_cancel(&a); // twice is once
    ca.inside = false;
    settle();
    check_eq(ca.count, 1);
    check_err(ca.result, -ECANCELED);
    check_eq(cb.count, 0);
    hob_op_cancel(&a); // after its end: nothing
    check_ok(hob_scope_end(&s));
    check_eq(ca.count, 1);
    check_eq(cb.result, 0);
    check_eq(hob_now() - start, HOB_SEC);
}

TEST_ON_ALL(op, cancelled_after_its_result_it_gives_the_result)
{
    hob_op       op;
    struct calls c = { .result = 1 };
    hob_promise *p;
    check_ok(hob_promise_new(&p));
    HOB_SCOPE(s);
    hob_promise_await_prep(&op, p);
    hob_op_call(&s, &op, note_call, &c);
    settle();
    check_ok(hob_promise_resolve(p, NULL));
    hob_op_cancel(&op);
    check_ok(hob_scope_end(&s));
    check_eq(c.count, 1);
    check_eq(c.result, 0);
    hob_promise_free(p);
}

/* ---- using a place again in its own callback ---- */

struct beat {
    hob_scope *scope;
    hob_op     op;
    int        left;
    int64_t    step;
    struct nap nap;
};

static void beat_again(void *arg, ssize_t result)
{
    struct beat *b = arg;
    HOB_EXPECT_OK(result);
    if (--b->left == 0)
        return;
    hob_sleep_prep(&b->op, hob_in(b->step));
    hob_op_call(b->scope, &b->op, beat_again, b);
}

TEST(op, the_place_may_be_used_again_in_the_callback)
{
    struct beat b = { .left = 50000, .step = HOB_MSEC };
    int64_t     start = hob_now();
    HOB_SCOPE(s);
    b.scope = &s;
    hob_sleep_prep(&b.op, hob_in(HOB_MSEC));
    hob_op_call(&s, &b.op, beat_again, &b);
    check_ok(hob_scope_end(&s));
    check_eq(b.left, 0);
    check_eq(hob_now() - start, 50000 * HOB_MSEC);
}

TEST(op, a_chain_of_what_is_done_at_once_does_not_eat_the_stack)
{
    struct beat b = { .left = 50000, .step = 0 };
    HOB_SCOPE(s);
    b.scope = &s;
    hob_sleep_prep(&b.op, hob_now());
    hob_op_call(&s, &b.op, beat_again, &b);
    check_ok(hob_scope_end(&s));
    check_eq(b.left, 0);
}

static void free_the_place(void *arg, ssize_t result)
{
    HOB_EXPECT_OK(result);
    free(arg);
}

/* SURVIVAL 15. */
TEST_ON_ALL(op, the_place_may_be_freed_in_the_callback)
{
    hob_op *op = malloc(sizeof *op);
    check(op != NULL);
    HOB_SCOPE(s);
    hob_sleep_prep(op, hob_in(HOB_MSEC));
    hob_op_call(&s, op, free_the_place, op);
    check_ok(hob_scope_end(&s));
}

static void start_in_callback(void *arg, ssize_t result)
{
    struct beat *b = arg;
    HOB_EXPECT_OK(result);
    HOB_EXPECT_OK(hob_go(b->scope, nap, &b->nap));
}

TEST(op, a_callback_may_start_a_task_in_an_ending_scope)
{
    struct beat b = { .nap = { .ns = HOB_SEC } };
    HOB_SCOPE(s);
    b.scope = &s;
    hob_sleep_prep(&b.op, hob_in(HOB_MSEC));
    hob_op_call(&s, &b.op, start_in_callback, &b);
    check_ok(hob_scope_end(&s));
    check_ok(b.nap.result);
    check_ne(b.nap.woke_at, 0);
}

static void cancel_the_scope(void *arg, ssize_t result)
{
    HOB_EXPECT_OK(result);
    hob_scope_cancel(arg, "by a callback");
}

TEST(op, a_callback_may_cancel_its_scope)
{
    hob_op op;
    HOB_SCOPE(s);
    check_ok(hob_go(&s, sleep_for_ever, NULL));
    hob_sleep_prep(&op, hob_in(HOB_MSEC));
    hob_op_call(&s, &op, cancel_the_scope, &s);
    check_err(hob_scope_end(&s), -ECANCELED);
}

static void wait_in_callback(void *arg, ssize_t result)
{
    ignore(hob_sleep(HOB_SEC));
}

TEST_DIES(op, a_callback_that_waits_is_a_mistake, "hob")
{
    hob_op op;
    HOB_SCOPE(s);
    hob_sleep_prep(&op, hob_in(HOB_MSEC));
    hob_op_call(&s, &op, wait_in_callback, NULL);
    check_ok(hob_scope_end(&s));
}

/* Many at once, cancelled at random: each is called once, with one of two answers. */
TEST(op, each_of_many_is_called_once)
{
    enum { OPS = 500 };
    static hob_op       ops[OPS];
    static struct calls calls[OPS];
    memset(calls, 0, sizeof calls);
    HOB_SCOPE(s);
    for (int i = 0; i < OPS; i++) {
        calls[i].result = 1;
        hob_sleep_prep(&ops[i], hob_in((int64_t)(hob_random() % 1000) * HOB_MSEC));
        hob_op_call(&s, &ops[i], note_call, &calls[i]);
    }
    for (int i = 0; i < OPS; i++) {
        int at = (int)(hob_random() % OPS);
        if (calls[at].count == 0)
            hob_op_cancel(&ops[at]);
        if (i % 10 == 0)
            check_ok(hob_sleep(10 * HOB_MSEC));
    }
    check_ok(hob_scope_end(&s));
    for (int i = 0; i < OPS; i++) {
        check_eq(calls[i].count, 1);
        check(calls[i].result == 0 || calls[i].result == -ECANCELED);
    }
}
