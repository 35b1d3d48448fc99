/* SPDX-License-Identifier: MIT */
/* Detaching: a task moves out of its scope into a root scope. Promises of hob/task.h. */
#include "support/tasks.h"

struct leaver {
    int     result;
    int64_t ended_at;
    int64_t ns;
    int     then;
};

static int detach_and_sleep(void *arg)
{
    struct leaver *l = arg;
    HOB_TRY(hob_detach("afterwards"));
    l->result = hob_sleep(l->ns);
    l->ended_at = hob_now();
    return l->result < 0 ? l->result : l->then;
}

TEST(detach, the_old_scope_no_longer_waits)
{
    struct leaver l = { .result = 1, .ns = HOB_SEC };
    int64_t       start = hob_now();
    HOB_SCOPE(s);
    check_ok(hob_go(&s, detach_and_sleep, &l));
    check_ok(hob_scope_end(&s));
    check_eq(hob_now(), start);
    check_eq(l.result, 1);
    check_ok(hob_sleep(2 * HOB_SEC));
    check_ok(l.result);
    check_eq(l.ended_at - start, HOB_SEC);
}

TEST(detach, cancelling_the_old_scope_does_not_reach_it)
{
    struct leaver l = { .result = 1, .ns = HOB_SEC };
    HOB_SCOPE(s);
    check_ok(hob_go(&s, detach_and_sleep, &l));
    settle();
    hob_scope_cancel(&s, "test");
    check_err(hob_scope_end(&s), -ECANCELED);
    check_ok(hob_sleep(2 * HOB_SEC));
    check_ok(l.result);
}

TEST(detach, cancelling_the_root_does)
{
    struct leaver l = { .result = 1, .ns = HOB_HOUR };
    hob_scope    *root = hob_root("afterwards");
    check(root != NULL);
    HOB_SCOPE(s);
    check_ok(hob_go(&s, detach_and_sleep, &l));
    check_ok(hob_scope_end(&s));
    hob_scope_cancel(root, "test");
    check_ok(hob_sleep(HOB_SEC));
    check_err(l.result, -ECANCELED);
}

static int start_and_leave(void *arg)
{
    HOB_SCOPE(s);
    check_ok(hob_go_with(&s, detach_and_sleep, arg, &(hob_task_opts){ .name = "leaver" }));
    return hob_scope_end(&s);
}

TEST_BARE_ON_ALL(detach, the_end_of_the_main_task_cancels_it)
{
    struct leaver l = { .result = 1, .ns = HOB_HOUR };
    check_ok(hob_test_run(start_and_leave, &l));
    check_err(l.result, -ECANCELED);
}

static int start_and_stay(void *arg)
{
    check_ok(start_and_leave(arg));
    return hob_sleep(2 * HOB_SEC);
}

TEST_BARE_ON_ALL(detach, a_failure_afterwards_makes_the_run_fail_and_is_told)
{
    struct leaver l = { .ns = HOB_SEC, .then = -EREMOTEIO };
    check_err(hob_test_run(start_and_stay, &l), -EREMOTEIO);
    check_has(hob_test_report_text(), "leaver");
    check_has(hob_test_report_text(), "afterwards");
}

static const hob_local_key user = { .name = "user", .is_text = 1 };

static int detach_and_look(void *arg)
{
    HOB_TRY(hob_detach("afterwards"));
    check_ok(hob_sleep(HOB_SEC));
    check_str(hob_local_get(&user), "ann");
    *(bool *)arg = true;
    return 0;
}

TEST(detach, its_locals_go_along)
{
    bool looked = false;
    HOB_SCOPE(s);
    {
        HOB_LOCAL(&user, (void *)"ann");
        check_ok(hob_go(&s, detach_and_look, &looked));
    }
    check_ok(hob_scope_end(&s));
    check_ok(hob_sleep(2 * HOB_SEC));
    check(looked);
}

static int detach_with_a_scope(void *arg)
{
    HOB_SCOPE(s);
    HOB_TRY(hob_detach("afterwards"));
    return 0;
}

TEST_DIES(detach, with_a_scope_of_its_own_is_a_mistake, "hob_detach")
{
    HOB_SCOPE(s);
    check_ok(hob_go(&s, detach_with_a_scope, NULL));
    check_ok(hob_scope_end(&s));
}

static int detach_for_nobody(void *arg)
{
    return hob_detach("afterwards");
}

TEST_DIES(detach, while_somebody_awaits_it_is_a_mistake, "hob_detach")
{
    HOB_SCOPE(s);
    hob_future *f = hob_async(&s, detach_for_nobody, NULL);
    check_ok(hob_await(f));
}
