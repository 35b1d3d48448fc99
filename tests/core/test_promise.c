/* SPDX-License-Identifier: MIT */
/* Promises: settled once, told to everyone. Promises of hob/promise.h. */
#include "support/tasks.h"

struct waiting {
    hob_promise *promise;
    int          result;
    void        *value;
    int          calls;
};

static int await_it(void *arg)
{
    struct waiting *w = arg;
    w->result = hob_promise_await(w->promise, &w->value);
    w->calls++;
    return 0;
}

static void promise_free_at(void *promise)
{
    hob_promise_free(*(hob_promise **)promise);
}

/* A promise that goes with the block. */
#define PROMISE(p)                          \
    hob_promise *p = NULL;                  \
    check_ok(hob_promise_new(&p));          \
    HOB_DEFER(promise_free_at, &p)

TEST(promise, everyone_who_waits_gets_the_value)
{
    int thing;
    PROMISE(p);
    struct waiting w[5];
    HOB_SCOPE(s);
    for (int i = 0; i < 5; i++) {
        w[i] = (struct waiting){ .promise = p };
        check_ok(hob_go(&s, await_it, &w[i]));
    }
    settle();
    check_eq(hob_promise_is_settled(p), 0);
    check_eq(hob_promise_value(p), NULL);
    for (int i = 0; i < 5; i++)
        check_eq(w[i].calls, 0);

    check_ok(hob_promise_resolve(p, &thing));
    check_eq(hob_promise_is_settled(p), 1);
    check_eq(hob_promise_value(p), &thing);
    check_ok(hob_scope_end(&s));
    for (int i = 0; i < 5; i++) {
        check_eq(w[i].calls, 1);
        check_ok(w[i].result);
        check_eq(w[i].value, &thing);
    }
}

TEST(promise, awaiting_a_settled_one_gives_the_value_at_once)
{
    int   thing;
    void *value = NULL;
    PROMISE(p);
    check_ok(hob_promise_resolve(p, &thing));
    for (int i = 0; i < 3; i++) {
        check_ok(hob_promise_await(p, &value));
        check_eq(value, &thing);
    }
    check_ok(hob_promise_await(p, NULL));
}

TEST(promise, NULL_is_a_value_too)
{
    void *value = &value;
    PROMISE(p);
    check_ok(hob_promise_resolve(p, NULL));
    check_eq(hob_promise_is_settled(p), 1);
    check_ok(hob_promise_await(p, &value));
    check_eq(value, NULL);
}

TEST(promise, an_error_is_what_await_returns)
{
    void *value = &value;
    PROMISE(p);
    check_ok(hob_promise_reject(p, -EPROTO));
    check_err(hob_promise_await(p, &value), -EPROTO);
    check_eq(value, &value);
    check_eq(hob_promise_value(p), NULL);
    check_eq(hob_promise_is_settled(p), 1);
}

/* SURVIVAL 12. */
TEST_ON_ALL(promise, the_first_settling_counts)
{
    int   one, two;
    void *value;
    PROMISE(p);
    check_ok(hob_promise_resolve(p, &one));
    check_err(hob_promise_resolve(p, &two), -EALREADY);
    check_err(hob_promise_reject(p, -EIO), -EALREADY);
    check_ok(hob_promise_await(p, &value));
    check_eq(value, &one);

    PROMISE(q);
    check_ok(hob_promise_reject(q, -EIO));
    check_err(hob_promise_resolve(q, &two), -EALREADY);
    check_err(hob_promise_await(q, &value), -EIO);
}

TEST(promise, freeing_an_unsettled_one_breaks_it_and_names_the_place)
{
    struct waiting w = { 0 };
    HOB_SCOPE(s);
    check_ok(hob_promise_new(&w.promise));
    check_ok(hob_go(&s, await_it, &w));
    settle();
    hob_promise_free(w.promise);
    check_ok(hob_scope_end(&s));
    check_err(w.result, HOB_EBROKEN);
    check_has(hob_test_report_text(), "promise");
    check_has(hob_test_report_text(), "freeing_an_unsettled_one");
}

TEST(promise, freeing_a_settled_one_says_nothing)
{
    hob_promise *p;
    hob_promise_free(NULL);
    check_ok(hob_promise_new(&p));
    check_ok(hob_promise_resolve(p, NULL));
    hob_promise_free(p);
    check_ok(hob_promise_new(&p));
    check_ok(hob_promise_reject(p, -EIO));
    hob_promise_free(p);
}

TEST(promise, freeing_right_after_settling_still_delivers)
{
    int            thing;
    struct waiting w = { 0 };
    HOB_SCOPE(s);
    check_ok(hob_promise_new(&w.promise));
    check_ok(hob_go(&s, await_it, &w));
    settle();
    check_ok(hob_promise_resolve(w.promise, &thing));
    hob_promise_free(w.promise); // the waiter has not run yet
    check_ok(hob_scope_end(&s));
    check_ok(w.result);
    check_eq(w.value, &thing);
}

/* ---- callbacks ---- */

struct calls {
    struct notes notes;
    int          error;
    void        *value;
    bool         inside; /* of a call of ours */
    hob_scope   *scope;
};

static void note_a(void *arg, int error, void *value)
{
    struct calls *c = arg;
    HOB_EXPECT(!c->inside);
    note(&c->notes, 'a');
    c->error = error;
    c->value = value;
}

static void note_b(void *arg, int error, void *value)
{
    struct calls *c = arg;
    HOB_EXPECT(!c->inside);
    HOB_EXPECT_EQ(error, c->error);
    HOB_EXPECT_EQ(value, c->value);
    note(&c->notes, 'b');
}

TEST(then, callbacks_come_later_once_and_in_order)
{
    struct calls c = { .error = 1 };
    PROMISE(p);
    HOB_SCOPE(s);
    check_ok(hob_promise_then(&s, p, note_a, &c));
    check_ok(hob_promise_then(&s, p, note_b, &c));
    settle();
    check_str(c.notes.text, "");
    c.inside = true;
    check_ok(hob_promise_resolve(p, &c));
    c.inside = false;
    settle();
    check_str(c.notes.text, "ab");
    check_eq(c.error, 0);
    check_eq(c.value, &c);
    check_ok(hob_scope_end(&s));
    check_str(c.notes.text, "ab");
}

TEST(then, on_a_settled_promise_it_comes_later_too)
{
    struct calls c = { .error = 1 };
    PROMISE(p);
    check_ok(hob_promise_reject(p, -EIO));
    HOB_SCOPE(s);
    c.inside = true;
    check_ok(hob_promise_then(&s, p, note_a, &c));
    c.inside = false;
    check_ok(hob_scope_end(&s)); // waits for the callback
    check_str(c.notes.text, "a");
    check_err(c.error, -EIO);
    check_eq(c.value, NULL);
}

TEST(then, a_cancelled_scope_is_told_and_the_promise_lives)
{
    struct calls c = { .error = 1 };
    PROMISE(p);
    HOB_SCOPE(s);
    check_ok(hob_promise_then(&s, p, note_a, &c));
    c.inside = true;
    hob_scope_cancel(&s, "test");
    c.inside = false;
    check_err(hob_scope_end(&s), -ECANCELED);
    check_str(c.notes.text, "a");
    check_err(c.error, -ECANCELED);
    check_ok(hob_promise_resolve(p, NULL));
    settle();
    check_str(c.notes.text, "a");
}

TEST(then, a_broken_promise_calls_too)
{
    struct calls c = { .error = 1 };
    hob_promise *p;
    check_ok(hob_promise_new(&p));
    HOB_SCOPE(s);
    check_ok(hob_promise_then(&s, p, note_a, &c));
    c.inside = true;
    hob_promise_free(p);
    c.inside = false;
    check_ok(hob_scope_end(&s));
    check_str(c.notes.text, "a");
    check_err(c.error, HOB_EBROKEN);
    check_has(hob_test_report_text(), "promise");
}

struct chain {
    hob_scope   *scope;
    hob_promise *promise;
    int          links;
    struct nap   nap;
};

static void start_a_task(void *arg, int error, void *value)
{
    struct chain *c = arg;
    HOB_EXPECT_OK(error);
    HOB_EXPECT_OK(hob_go(c->scope, nap, &c->nap));
}

TEST(then, a_callback_may_start_tasks)
{
    struct chain c = { .nap = { .ns = HOB_SEC } };
    PROMISE(p);
    HOB_SCOPE(s);
    c.scope = &s;
    check_ok(hob_promise_then(&s, p, start_a_task, &c));
    check_ok(hob_promise_resolve(p, NULL));
    check_ok(hob_scope_end(&s));
    check_ok(c.nap.result);
    check_ne(c.nap.woke_at, 0);
}

static void add_a_link(void *arg, int error, void *value)
{
    struct chain *c = arg;
    HOB_EXPECT_OK(error);
    if (++c->links < 20000)
        HOB_EXPECT_OK(hob_promise_then(c->scope, c->promise, add_a_link, c));
}

TEST(then, a_chain_of_callbacks_does_not_eat_the_stack)
{
    struct chain c = { 0 };
    PROMISE(p);
    HOB_SCOPE(s);
    c.scope = &s;
    c.promise = p;
    check_ok(hob_promise_resolve(p, NULL));
    check_ok(hob_promise_then(&s, p, add_a_link, &c));
    check_ok(hob_scope_end(&s));
    check_eq(c.links, 20000);
}

static void free_the_promise(void *arg, int error, void *value)
{
    struct chain *c = arg;
    HOB_EXPECT_OK(error);
    hob_promise_free(c->promise);
    c->links++;
}

/* SURVIVAL 15. */
TEST_ON_ALL(then, a_callback_may_free_its_promise)
{
    struct chain   c = { 0 };
    struct waiting w = { 0 };
    HOB_SCOPE(s);
    check_ok(hob_promise_new(&c.promise));
    w.promise = c.promise;
    check_ok(hob_promise_then(&s, c.promise, free_the_promise, &c));
    check_ok(hob_go(&s, await_it, &w));
    check_ok(hob_promise_resolve(c.promise, &c));
    check_ok(hob_scope_end(&s));
    check_eq(c.links, 1);
    check_ok(w.result);
    check_eq(w.value, &c);
}

TEST(promise, as_an_operation_its_result_is_0_or_the_error)
{
    hob_op op;
    PROMISE(good);
    PROMISE(bad);
    check_ok(hob_promise_resolve(good, &op));
    check_ok(hob_promise_reject(bad, -EPROTO));
    hob_promise_await_prep(&op, good);
    check_eq(hob_op_await(&op), 0);
    hob_promise_await_prep(&op, bad);
    check_err(hob_op_await(&op), -EPROTO);
}

TEST_DIES(promise, rejecting_with_a_success_is_a_mistake, "hob_promise_reject")
{
    hob_promise *p;
    check_ok(hob_promise_new(&p));
    hob_promise_reject(p, 0);
}

TEST_DIES(promise, freeing_twice_is_a_mistake, "hob_promise_free")
{
    hob_promise *p;
    check_ok(hob_promise_new(&p));
    check_ok(hob_promise_resolve(p, NULL));
    hob_promise_free(p);
    hob_promise_free(p);
}
