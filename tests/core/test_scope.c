/* SPDX-License-Identifier: MIT */
/* Scopes: joining, results, escalation, deferred clean-up, root scopes. Promises of hob/scope.h. */
#include "base/alloc.h"
#include "support/tasks.h"

/* ---- ending ---- */

TEST(scope, the_end_waits_for_every_child)
{
    struct nap naps[3] = { { .ns = HOB_SEC }, { .ns = 3 * HOB_SEC }, { .ns = 2 * HOB_SEC } };
    int64_t    start = hob_now();
    HOB_SCOPE(s);
    for (int i = 0; i < 3; i++)
        check_ok(hob_go(&s, nap, &naps[i]));
    check_ok(hob_scope_end(&s));
    check_eq(hob_now() - start, 3 * HOB_SEC);
}

static int block_with_child(void *arg)
{
    HOB_SCOPE(s);
    check_ok(hob_go(&s, nap, arg));
    return 0;
}

TEST(scope, leaving_the_block_waits_too)
{
    struct nap n = { .ns = HOB_SEC };
    int64_t    start = hob_now();
    check_ok(block_with_child(&n));
    check_ok(n.result);
    check_eq(hob_now() - start, HOB_SEC);
}

TEST(scope, an_empty_scope_ends_at_once_with_0)
{
    for (int i = 0; i < 1000; i++) {
        HOB_SCOPE(s);
        check_ok(hob_scope_end(&s));
        check_ok(hob_scope_end(&s));
    }
    HOB_SCOPE(never_ended);
}

TEST(scope, ending_twice_gives_the_same_result)
{
    HOB_SCOPE(s);
    hob_go(&s, fail_with, &(int){ -EDOM });
    check_err(hob_scope_end(&s), -EDOM);
    check_err(hob_scope_end(&s), -EDOM);
}

TEST(scope, by_hand)
{
    hob_scope  s;
    struct nap n = { .ns = HOB_SEC };
    hob_scope_begin(&s);
    hob_go(&s, nap, &n); // a check here would leave the scope open
    check_ok(hob_scope_end(&s));
    check_ok(n.result);
}

/* SURVIVAL 10. */
TEST(scope, the_first_failure_in_time_is_the_result_and_cancels_the_siblings)
{
    struct nap late = { .ns = 2 * HOB_SEC, .then = -ELOOP };
    struct nap early = { .ns = HOB_SEC, .then = -EIO };
    struct nap patient = { .ns = HOB_HOUR };
    HOB_SCOPE(s);
    check_ok(hob_go(&s, nap, &late));
    check_ok(hob_go(&s, nap, &patient));
    check_ok(hob_go(&s, nap, &early));
    int64_t start = hob_now();
    check_err(hob_scope_end(&s), -EIO);
    check_eq(hob_now() - start, HOB_SEC);
    check_err(late.result, -ECANCELED);
    check_err(patient.result, -ECANCELED);
}

static int fail_again_in_cleanup(void *arg)
{
    ignore(hob_sleep(HOB_FOREVER));
    return *(int *)arg;
}

static int fail_after_a_second(void *arg)
{
    HOB_TRY(hob_sleep(HOB_SEC));
    return *(int *)arg;
}

TEST(scope, later_failures_are_attached_in_order)
{
    static const hob_task_opts first = { .name = "first" }, second = { .name = "second" };
    hob_failure                f;
    HOB_SCOPE(s);
    check_ok(hob_go_with(&s, fail_again_in_cleanup, &(int){ -EDOM }, &second));
    check_ok(hob_go_with(&s, fail_after_a_second, &(int){ -EIO }, &first));
    check_err(hob_scope_end(&s), -EIO);
    check_eq(hob_scope_failures(&s), 2);
    check_ok(hob_scope_failure(&s, 0, &f));
    check_err(f.error, -EIO);
    check_str(f.task, "first");
    check(f.spawned_at != NULL);
    check_ok(hob_scope_failure(&s, 1, &f));
    check_err(f.error, -EDOM);
    check_str(f.task, "second");
    check_err(hob_scope_failure(&s, 2, &f), -ENOENT);
}

static int hand_on(void *fn)
{
    HOB_SCOPE(s);
    check_ok(hob_go(&s, fail_after_a_second, fn));
    return hob_scope_end(&s);
}

TEST(scope, a_failure_names_its_cause)
{
    hob_failure f;
    HOB_SCOPE(s);
    check_ok(hob_go(&s, hand_on, &(int){ -EIO }));
    check_err(hob_scope_end(&s), -EIO);
    check_ok(hob_scope_failure(&s, 0, &f));
    check(f.function == (const void *)hand_on);
    check_ok(hob_failure_cause(&f, &f));
    check(f.function == (const void *)fail_after_a_second);
    check_err(f.error, -EIO);
    check_err(hob_failure_cause(&f, &f), -ENOENT);
}

TEST(scope, causes_that_are_long_past_are_forgotten)
{
    hob_failure f, later;
    HOB_SCOPE(s);
    check_ok(hob_go(&s, hand_on, &(int){ -EIO }));
    check_err(hob_scope_end(&s), -EIO);
    check_ok(hob_scope_failure(&s, 0, &f));
    check_ok(hob_failure_cause(&f, &later));
    for (int i = 0; i < 40; i++) {
        HOB_SCOPE(other);
        check_ok(hob_go(&other, fail_after_a_second, &(int){ -EDOM }));
        check_err(hob_scope_end(&other), -EDOM);
    }
    check_err(hob_failure_cause(&f, &later), -ENOENT);
}

TEST(scope, all_failures_are_counted_and_some_are_kept)
{
    hob_failure f;
    int         error = -EIO;
    HOB_SCOPE(s);
    for (int i = 0; i < 20; i++)
        check_ok(hob_go(&s, fail_after_a_second, &error));
    check_err(hob_scope_end(&s), -EIO);
    check_ge(hob_scope_failures(&s), 1); // those after the first were cancelled in their sleep, or not
    check_le(hob_scope_failures(&s), 20);
    check_ok(hob_scope_failure(&s, 0, &f));
    check_err(hob_scope_failure(&s, 19, &f), -ENOENT);
}

static int end_by_cancellation(void *arg)
{
    (void)arg;
    HOB_TRY(hob_sleep(HOB_FOREVER));
    return 0;
}

TEST(scope, a_cancelled_scope_without_a_failure_is_cancelled)
{
    HOB_SCOPE(a);
    hob_scope_cancel(&a, "test");
    check_err(hob_scope_end(&a), -ECANCELED);

    HOB_SCOPE(b);
    check_ok(hob_go(&b, end_by_cancellation, NULL));
    hob_scope_cancel(&b, "test");
    check_err(hob_scope_end(&b), -ECANCELED);
    check_eq(hob_scope_failures(&b), 0); // it went because it was told to

    HOB_SCOPE(c);
    check_ok(hob_go(&c, end_by_cancellation, NULL));
    hob_scope_deadline(&c, hob_in(HOB_SEC));
    check_err(hob_scope_end(&c), -ETIMEDOUT);
}

static int ignore_and_succeed(void *arg)
{
    (void)arg;
    check_err(hob_sleep(HOB_FOREVER), -ECANCELED);
    return 0;
}

TEST(scope, a_cancelled_scope_is_cancelled_even_if_the_children_succeed)
{
    HOB_SCOPE(s);
    check_ok(hob_go(&s, ignore_and_succeed, NULL));
    hob_scope_cancel(&s, "test");
    check_err(hob_scope_end(&s), -ECANCELED);
}

TEST(scope, a_failure_beats_the_cancellation)
{
    HOB_SCOPE(s);
    check_ok(hob_go(&s, fail_again_in_cleanup, &(int){ -EIO }));
    hob_scope_cancel(&s, "test");
    check_err(hob_scope_end(&s), -EIO);
}

/* ---- who may start in it ---- */

struct guest {
    hob_scope *scope;
    struct nap nap;
};

static int start_in_the_host(void *arg)
{
    struct guest *g = arg;
    hob_yield();
    return hob_go(g->scope, nap, &g->nap);
}

TEST(scope, other_tasks_may_start_children_in_it)
{
    HOB_SCOPE(host);
    struct guest g = { &host, { .ns = HOB_SEC } };
    {
        HOB_SCOPE(s);
        check_ok(hob_go(&s, start_in_the_host, &g));
        check_ok(hob_scope_end(&s));
    }
    check_eq(g.nap.woke_at, 0);
    check_ok(hob_scope_end(&host));
    check_ne(g.nap.woke_at, 0);
}

static int start_a_child_while_it_ends(void *arg)
{
    struct guest *g = arg;
    check_ok(hob_sleep(HOB_SEC));
    return hob_go(g->scope, nap, &g->nap);
}

TEST(scope, a_child_may_start_a_sibling_while_the_scope_is_ending)
{
    HOB_SCOPE(s);
    struct guest g = { &s, { .ns = HOB_SEC } };
    check_ok(hob_go(&s, start_a_child_while_it_ends, &g));
    check_ok(hob_scope_end(&s));
    check_ok(g.nap.result);
    check_ne(g.nap.woke_at, 0);
}

TEST(scope, finished_children_are_forgotten)
{
    HOB_SCOPE(s);
    for (int i = 0; i < 100; i++)
        check_ok(hob_go(&s, end_at_once, NULL));
    uint64_t blocks = hob__alloc_blocks(), bytes = hob__alloc_bytes();
    for (int i = 0; i < 2000; i++)
        check_ok(hob_go(&s, end_at_once, NULL));
    check_eq(hob__alloc_blocks(), blocks);
    check_eq(hob__alloc_bytes(), bytes);
    check_ok(hob_scope_end(&s));
}

TEST(scope, finished_futures_that_were_awaited_are_forgotten)
{
    HOB_SCOPE(s);
    for (int i = 0; i < 100; i++)
        check_ok(hob_await(hob_async(&s, end_at_once, NULL)));
    uint64_t blocks = hob__alloc_blocks(), bytes = hob__alloc_bytes();
    for (int i = 0; i < 2000; i++)
        check_ok(hob_await(hob_async(&s, end_at_once, NULL)));
    check_eq(hob__alloc_blocks(), blocks);
    check_eq(hob__alloc_bytes(), bytes);
    check_ok(hob_scope_end(&s));
}

/* ---- leaving by an error ---- */

static int try_and_leave(void *arg)
{
    struct nap *n = arg;
    HOB_SCOPE(s);
    check_ok(hob_go(&s, nap, n));
    HOB_TRY(-EPROTO);
    return 0;
}

TEST(leave, try_cancels_the_children)
{
    struct nap n = { .ns = HOB_HOUR };
    int64_t    start = hob_now();
    check_err(try_and_leave(&n), -EPROTO);
    check_err(n.result, -ECANCELED);
    check_eq(hob_now(), start);
}

static int try_in_two_scopes(void *arg)
{
    struct nap *naps = arg;
    HOB_SCOPE(outer);
    check_ok(hob_go(&outer, nap, &naps[0]));
    {
        HOB_SCOPE(inner);
        check_ok(hob_go(&inner, nap, &naps[1]));
        HOB_TRY(-EPROTO);
    }
    return 0;
}

TEST(leave, try_cancels_all_scopes_on_its_way)
{
    struct nap naps[2] = { { .ns = HOB_HOUR }, { .ns = HOB_HOUR } };
    int64_t    start = hob_now();
    check_err(try_in_two_scopes(naps), -EPROTO);
    check_err(naps[0].result, -ECANCELED);
    check_err(naps[1].result, -ECANCELED);
    check_eq(hob_now(), start);
}

static int fail_and_reconsider(void *arg)
{
    HOB_SCOPE(s);
    check_ok(hob_go(&s, nap, arg));
    (void)hob_fail(-EPROTO);
    check_ok(hob_sleep(HOB_MSEC)); // takes the note back
    return 0;
}

TEST(leave, a_call_that_waits_takes_the_note_back)
{
    struct nap n = { .ns = HOB_SEC };
    check_ok(fail_and_reconsider(&n));
    check_ok(n.result);
}

static int try_something(void *arg)
{
    HOB_TRY(*(int *)arg);
    return 0;
}

static int handle_an_error(void *arg)
{
    HOB_SCOPE(s);
    if (try_something(&(int){ -ENOENT }) < 0) // handled: what follows is ordinary
        check_ok(hob_go(&s, nap, arg));
    return 0;
}

TEST(leave, a_handled_error_leaves_no_note)
{
    struct nap n = { .ns = HOB_SEC };
    check_ok(handle_an_error(&n));
    check_ok(n.result);
}

/* ---- escalation ---- */

static int leave_a_failure(void *arg)
{
    HOB_SCOPE(inner);
    check_ok(hob_go(&inner, fail_after_a_second, arg));
    return 0; // nobody asked how it went
}

TEST(escalation, a_failure_that_nobody_collected_fails_the_enclosing_scope)
{
    struct nap sibling = { .ns = HOB_HOUR };
    int        error = -EIO;
    HOB_SCOPE(outer);
    check_ok(hob_go(&outer, nap, &sibling));
    check_ok(leave_a_failure(&error));
    check_err(hob_cancelled(), -ECANCELED);
    check_err(hob_scope_end(&outer), -EIO);
    check_err(sibling.result, -ECANCELED);
}

TEST(escalation, through_a_task_too)
{
    int error = -EIO;
    HOB_SCOPE(outer);
    check_ok(hob_go(&outer, leave_a_failure, &error));
    check_err(hob_scope_end(&outer), -EIO);
}

TEST(escalation, a_collected_failure_stays_where_it_is)
{
    HOB_SCOPE(outer);
    {
        HOB_SCOPE(inner);
        hob_go(&inner, fail_with, &(int){ -EIO });
        check_err(hob_scope_end(&inner), -EIO);
    }
    check_ok(hob_cancelled());
    check_ok(hob_scope_end(&outer));
}

TEST(escalation, a_scope_that_was_cancelled_on_purpose_does_not_escalate)
{
    HOB_SCOPE(outer);
    {
        HOB_SCOPE(inner);
        check_ok(hob_go(&inner, end_by_cancellation, NULL));
        hob_scope_cancel(&inner, "no longer needed");
    }
    check_ok(hob_cancelled());
    check_ok(hob_scope_end(&outer));
}

/* ---- deferred clean-up ---- */

struct deferred_note {
    struct notes *notes;
    char          letter;
};

static void note_deferred(void *arg)
{
    struct deferred_note *d = arg;
    note(d->notes, d->letter);
}

static int nap_and_note(void *arg)
{
    struct deferred_note *d = arg;
    check_ok(hob_sleep(HOB_SEC));
    note(d->notes, d->letter);
    return 0;
}

TEST(defer, runs_after_the_children_and_backwards)
{
    struct notes         notes = { 0 };
    struct deferred_note a = { &notes, 'a' }, b = { &notes, 'b' }, child = { &notes, 'c' };
    HOB_SCOPE(s);
    check_ok(hob_scope_defer(&s, note_deferred, &a));
    check_ok(hob_scope_defer(&s, note_deferred, &b));
    check_ok(hob_go(&s, nap_and_note, &child));
    check_ok(hob_scope_end(&s));
    check_str(notes.text, "cba");
    check_ok(hob_scope_end(&s));
    check_str(notes.text, "cba"); // once
}

struct cleanup {
    int64_t ns;
    int     result;
    int64_t took;
};

static void clean_up(void *arg)
{
    struct cleanup *c = arg;
    int64_t         start = hob_now();
    c->result = hob_sleep(c->ns);
    c->took = hob_now() - start;
}

TEST(defer, is_shielded_from_the_cancellation)
{
    struct cleanup c = { .ns = HOB_SEC };
    HOB_SCOPE(s);
    check_ok(hob_scope_defer(&s, clean_up, &c));
    hob_scope_cancel(&s, "test");
    check_err(hob_scope_end(&s), -ECANCELED);
    check_ok(c.result);
    check_eq(c.took, HOB_SEC);
}

/* SURVIVAL 11. */
TEST(defer, is_bounded_by_the_grace_time_and_reported)
{
    struct cleanup c = { .ns = HOB_HOUR };
    HOB_SCOPE(s);
    hob_go(&s, fail_with, &(int){ -EIO });
    check_ok(hob_scope_defer(&s, clean_up, &c));
    check_err(hob_scope_end(&s), -EIO); // the first error is not lost
    check_err(c.result, -ETIMEDOUT);
    check_eq(c.took, 5 * HOB_SEC);
    check_ne(strlen(hob_test_report_text()), 0);
}

static int defer_and_fail(void *arg)
{
    HOB_SCOPE(s);
    check_ok(hob_scope_defer(&s, clean_up, arg));
    HOB_TRY(-EPROTO);
    return 0;
}

TEST(defer, runs_when_the_block_is_left_by_an_error)
{
    struct cleanup c = { .ns = HOB_SEC };
    check_err(defer_and_fail(&c), -EPROTO);
    check_ok(c.result);
    check_eq(c.took, HOB_SEC);
}

static int many_ways_out(struct notes *notes, int way)
{
    struct deferred_note a = { notes, 'a' }, b = { notes, 'b' };
    HOB_DEFER(note_deferred, &a);
    if (way == 0)
        return 0;
    HOB_DEFER(note_deferred, &b);
    HOB_TRY(way == 1 ? -EIO : 0);
    note(notes, 'x');
    return 0;
}

TEST(defer, of_a_block_runs_on_every_way_out)
{
    struct notes notes = { 0 };
    check_ok(many_ways_out(&notes, 0));
    check_str(notes.text, "a");
    check_err(many_ways_out(&notes, 1), -EIO);
    check_str(notes.text, "aba");
    check_ok(many_ways_out(&notes, 2));
    check_str(notes.text, "abaxba");
}

/* ---- root scopes ---- */

TEST(root, the_same_name_is_the_same_scope)
{
    char       name[] = "pool";
    hob_scope *a = hob_root(name);
    check(a != NULL);
    name[0] = 'P';
    check_eq(hob_root("pool"), a);
    check_ne(hob_root("Pool"), a);
}

static int sleep_in_the_root(void *arg)
{
    check(hob_root("background") != NULL);
    return hob_go(hob_root("background"), sleep_for_ever, arg);
}

TEST_BARE_ON_ALL(root, ends_after_the_main_task_and_is_cancelled_then)
{
    int result = 0;
    check_ok(hob_test_run(sleep_in_the_root, &result));
    check_err(result, -ECANCELED);
}

static int fail_in_the_root(void *arg)
{
    hob_scope *root = hob_root("background");
    check(root != NULL);
    check_ok(hob_go_with(root, fail_after_a_second, arg, &(hob_task_opts){ .name = "poller" }));
    return hob_sleep(2 * HOB_SEC);
}

TEST_BARE_ON_ALL(root, a_failure_in_it_is_printed_and_makes_the_run_fail)
{
    check_err(hob_test_run(fail_in_the_root, &(int){ -EREMOTEIO }), -EREMOTEIO);
    check_has(hob_test_report_text(), "poller");
    check_has(hob_test_report_text(), "background");
}
