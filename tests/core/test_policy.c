/* SPDX-License-Identifier: MIT */
/* What the end of one child means to the others: hob_scope_policy. */
#include "support/tasks.h"

static struct nap naps[] = {
    { .ns = 1 * HOB_SEC, .then = -EIO },
    { .ns = 2 * HOB_SEC, .then = 0 },
    { .ns = 3 * HOB_SEC, .then = -EDOM },
};

/* Starts the naps first to last, and says how the scope ended. */
static int run_naps(hob_policy policy, size_t first, size_t count)
{
    HOB_SCOPE(s);
    hob_scope_policy(&s, policy);
    for (size_t i = first; i < first + count; i++)
        hob_go(&s, nap, &naps[i]);
    return hob_scope_end(&s);
}

TEST(policy, fail_fast_cancels_the_others_at_the_first_failure)
{
    check_err(run_naps(HOB_FAIL_FAST, 0, 3), -EIO);
    check_err(naps[1].result, -ECANCELED);
    check_err(naps[2].result, -ECANCELED);
}

TEST(policy, wait_all_cancels_nobody_and_gives_the_first_failure)
{
    int64_t began = hob_now();
    check_err(run_naps(HOB_WAIT_ALL, 0, 3), -EIO);
    check_eq(naps[1].result, 0);
    check_eq(naps[2].result, 0);
    check_ge(hob_now() - began, 3 * HOB_SEC);
    check_ok(run_naps(HOB_WAIT_ALL, 1, 1));
}

TEST(policy, the_first_success_cancels_the_others)
{
    int64_t began = hob_now();
    check_ok(run_naps(HOB_FIRST_SUCCESS, 0, 3));
    check_eq(naps[0].result, 0); // it failed before, which was no matter
    check_err(naps[2].result, -ECANCELED);
    check_lt(hob_now() - began, 3 * HOB_SEC);
}

TEST(policy, without_a_success_the_first_failure_is_the_result)
{
    check_err(run_naps(HOB_FIRST_SUCCESS, 0, 1), -EIO);
    check_ok(run_naps(HOB_FIRST_SUCCESS, 0, 0));
}

static int wait_for_the_first(void *arg)
{
    return run_naps(HOB_FIRST_SUCCESS, 1, 2);
}

TEST(policy, a_cancelled_race_has_no_winner)
{
    HOB_SCOPE(s);
    hob_scope_deadline(&s, hob_in(HOB_SEC));
    check_err(wait_for_the_first(NULL), -ETIMEDOUT);
    check_err(hob_scope_end(&s), -ETIMEDOUT);
}

TEST(policy, a_winners_scope_that_is_left_has_no_failure)
{
    HOB_SCOPE(outer);
    {
        HOB_SCOPE(s);
        hob_scope_policy(&s, HOB_FIRST_SUCCESS);
        hob_go(&s, nap, &naps[0]);
        hob_go(&s, nap, &naps[1]);
    }
    check_ok(hob_scope_end(&outer));
}

TEST_DIES(policy, it_is_set_before_there_are_children, "hob_scope_policy: the scope has children")
{
    HOB_SCOPE(s);
    ignore(hob_go(&s, sleep_for_ever, NULL));
    hob_scope_policy(&s, HOB_WAIT_ALL);
}
