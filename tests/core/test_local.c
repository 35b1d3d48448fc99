/* SPDX-License-Identifier: MIT */
/* Task-locals: set for a block, inherited by children. Promises of hob/task.h. */
#include "support/tasks.h"

static const hob_local_key user = { .name = "user", .is_text = 1 }, depth = { .name = "depth" };

TEST(local, is_unset_at_first)
{
    check_eq(hob_local_get(&user), NULL);
}

static char ann[] = "ann", bob[] = "bob";

TEST(local, holds_for_the_block)
{
    {
        HOB_LOCAL(&user, ann);
        check_str(hob_local_get(&user), "ann");
        check_eq(hob_local_get(&depth), NULL);
        {
            HOB_LOCAL(&user, bob);
            HOB_LOCAL(&depth, ann);
            check_str(hob_local_get(&user), "bob");
            check_eq(hob_local_get(&depth), ann);
        }
        check_str(hob_local_get(&user), "ann");
        check_eq(hob_local_get(&depth), NULL);
        {
            HOB_LOCAL(&user, NULL);
            check_eq(hob_local_get(&user), NULL);
        }
    }
    check_eq(hob_local_get(&user), NULL);
}

struct seen {
    const char *before, *after;
};

static int look_twice(void *arg)
{
    struct seen *seen = arg;
    seen->before = hob_local_get(&user);
    check_ok(hob_sleep(HOB_SEC));
    seen->after = hob_local_get(&user);
    return 0;
}

TEST(local, children_inherit_it_and_keep_it_after_the_block)
{
    struct seen a = { 0 }, b = { 0 }, none = { 0 };
    HOB_SCOPE(s);
    {
        HOB_LOCAL(&user, ann);
        check_ok(hob_go(&s, look_twice, &a));
        {
            HOB_LOCAL(&user, bob);
            check_ok(hob_go(&s, look_twice, &b));
        }
    }
    check_ok(hob_go(&s, look_twice, &none));
    HOB_LOCAL(&user, bob); // too late for the others
    check_ok(hob_scope_end(&s));
    check_str(a.before, "ann");
    check_str(a.after, "ann");
    check_str(b.before, "bob");
    check_str(b.after, "bob");
    check_eq(none.before, NULL);
    check_eq(none.after, NULL);
}

static int set_in_child(void *arg)
{
    HOB_LOCAL(&user, arg);
    check_ok(hob_sleep(HOB_SEC));
    check_str(hob_local_get(&user), arg);
    return 0;
}

TEST(local, tasks_do_not_see_each_others)
{
    HOB_LOCAL(&user, ann);
    HOB_SCOPE(s);
    check_ok(hob_go(&s, set_in_child, "carl"));
    check_str(hob_local_get(&user), "ann");
    check_ok(hob_go(&s, set_in_child, "dora"));
    check_ok(hob_sleep(HOB_SEC / 2));
    check_str(hob_local_get(&user), "ann");
    check_ok(hob_scope_end(&s));
    check_str(hob_local_get(&user), "ann");
}

static int look_from_grandchild(void *arg)
{
    HOB_LOCAL(&depth, arg);
    HOB_SCOPE(s);
    check_ok(hob_go(&s, look_twice, arg));
    return 0;
}

TEST(local, grandchildren_inherit_too)
{
    struct seen seen = { 0 };
    HOB_LOCAL(&user, ann);
    HOB_SCOPE(s);
    check_ok(hob_go(&s, look_from_grandchild, &seen));
    check_ok(hob_scope_end(&s));
    check_str(seen.after, "ann");
}

static int leave_early(int way)
{
    HOB_LOCAL(&user, bob);
    if (way == 0)
        return 0;
    HOB_TRY(-EIO);
    return 0;
}

TEST(local, is_taken_back_on_every_way_out)
{
    HOB_LOCAL(&user, ann);
    check_ok(leave_early(0));
    check_str(hob_local_get(&user), "ann");
    check_err(leave_early(1), -EIO);
    check_str(hob_local_get(&user), "ann");
}

static int look_deep(void *arg)
{
    check_str(hob_local_get(&user), "ann");
    HOB_LOCAL(&user, bob);
    check_str(hob_local_get(&user), "bob");
    return 0;
}

TEST(local, goes_along_into_a_deep_call)
{
    HOB_LOCAL(&user, ann);
    check_ok(hob_call_deep(256 << 10, look_deep, NULL));
    check_str(hob_local_get(&user), "ann");
}

TEST(local, a_thousand_levels_cost_only_memory)
{
    hob_local frames[1000];
    long      numbers[1000];
    for (long i = 0; i < 1000; i++) {
        numbers[i] = i;
        frames[i] = hob_local_enter(&depth, &numbers[i]);
    }
    check_eq(*(long *)hob_local_get(&depth), 999);
    for (int i = 999; i >= 0; i--)
        hob_local_leave(&frames[i]);
    check_eq(hob_local_get(&depth), NULL);
}
