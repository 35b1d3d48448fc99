/* SPDX-License-Identifier: MIT */
/* hob/latest.h: the newest value counts, and none is waited for that has come. */
#include "support/tasks.h"

#include "hob/latest.h"
#include "hob/select.h"

static void free_latest(void *latest)
{
    hob_latest_free(*(hob_latest **)latest);
}

/* A latest int that is freed at the end of the block. */
#define LATEST(name, first)                                                       \
    hob_latest *name;                                                             \
    check_ok(hob_latest_new(sizeof(int), (first), #name, &name));                 \
    HOB_DEFER(free_latest, &name)

TEST(latest, there_may_be_no_value_yet)
{
    LATEST(price, NULL);
    int value = 5;
    check_eq(hob_latest_get(price, &value), 0);
    check_eq(value, 5);
    hob_latest_set(price, &(int){ 7 });
    check_eq(hob_latest_get(price, &value), 1);
    check_eq(value, 7);
}

TEST(latest, the_first_value_is_number_1_and_new_to_everybody)
{
    LATEST(price, &(int){ 3 });
    uint64_t seen = 0;
    int      value;
    check_ok(hob_latest_next(price, &seen, &value));
    check_eq(seen, 1);
    check_eq(value, 3);
}

struct follower {
    hob_latest  *latest;
    struct notes notes;
    int64_t      rest_ns;
};

static int follow(void *arg)
{
    struct follower *f = arg;
    uint64_t         seen = 0;
    int              value, r;
    while ((r = hob_latest_next(f->latest, &seen, &value)) == 0) {
        note(&f->notes, (char)value);
        HOB_TRY(hob_sleep(f->rest_ns));
    }
    return r == HOB_EOF ? 0 : r;
}

TEST_ON_ALL(latest, a_slow_follower_misses_some_and_never_the_last)
{
    LATEST(letter, NULL);
    struct follower fast = { .latest = letter }, slow = { .latest = letter, .rest_ns = HOB_HOUR };
    HOB_SCOPE(s);
    check_ok(hob_go(&s, follow, &fast));
    if (strcmp(hob_test_backend(), "sim") == 0)
        check_ok(hob_go(&s, follow, &slow));
    for (int c = 'a'; c <= 'e'; c++) {
        hob_latest_set(letter, &c);
        settle();
    }
    hob_latest_finish(letter);
    check_ok(hob_scope_end(&s));
    check_str(fast.notes.text, "abcde");
    if (strcmp(hob_test_backend(), "sim") == 0)
        check_str(slow.notes.text, "ae");
}

TEST(latest, after_the_end_the_last_value_is_still_got_once)
{
    LATEST(price, &(int){ 3 });
    uint64_t seen = 0;
    int      value;
    hob_latest_finish(price);
    hob_latest_finish(price);
    check_ok(hob_latest_next(price, &seen, &value));
    check_err(hob_latest_next(price, &seen, &value), HOB_EOF);
    check_eq(hob_latest_get(price, &value), 1);
}

TEST(latest, a_cancelled_wait_changes_nothing)
{
    LATEST(price, &(int){ 3 });
    uint64_t seen = 1;
    int      value = 9;
    HOB_SCOPE(s);
    hob_scope_deadline(&s, hob_in(HOB_SEC));
    check_err(hob_latest_next(price, &seen, &value), -ETIMEDOUT);
    check_err(hob_scope_end(&s), -ETIMEDOUT);
    check_eq(seen, 1);
    check_eq(value, 9);
}

static int set_later(void *latest)
{
    HOB_TRY(hob_sleep(HOB_SEC));
    hob_latest_set(latest, &(int){ 8 });
    return 0;
}

TEST(latest, it_is_a_case_of_select)
{
    LATEST(price, &(int){ 3 });
    uint64_t seen = 0;
    int      value, r = 1;
    check_eq(HOB_SELECT(&r, HOB_CHANGED(price, &seen), HOB_AFTER(HOB_SEC)), 0);
    check_eq(r, 0);
    check_ok(hob_latest_next(price, &seen, &value));
    check_eq(HOB_SELECT(&r, HOB_CHANGED(price, &seen), HOB_AFTER(HOB_SEC)), 1);
    HOB_SCOPE(s);
    check_ok(hob_go(&s, set_later, price));
    check_eq(HOB_SELECT(&r, HOB_CHANGED(price, &seen), HOB_AFTER(HOB_HOUR)), 0);
    check_eq(seen, 1); // select takes nothing
    check_ok(hob_latest_next(price, &seen, &value));
    check_eq(value, 8);
    check_ok(hob_scope_end(&s));
    hob_latest_finish(price);
    check_eq(HOB_SELECT(&r, HOB_CHANGED(price, &seen), HOB_AFTER(HOB_HOUR)), 0);
    check_err(r, HOB_EOF);
}

static void on_change(void *arg, ssize_t result)
{
    *(ssize_t *)arg = result;
}

TEST(latest, it_has_a_callback_form)
{
    LATEST(price, &(int){ 3 });
    uint64_t seen = 1;
    ssize_t  result = 99;
    hob_op   op;
    HOB_SCOPE(s);
    hob_latest_changed_prep(&op, price, &seen);
    hob_op_call(&s, &op, on_change, &result);
    settle();
    check_eq(result, 99);
    hob_latest_set(price, &(int){ 4 });
    check_ok(hob_scope_end(&s));
    check_eq(result, 0);
}

/* Each who comes, or is cancelled, costs the same, however many wait. */
TEST(latest, a_crowd_that_waits_and_is_cancelled_is_no_burden)
{
    enum { CROWD = 3000 };
    LATEST(price, NULL);
    struct follower f = { .latest = price };
    HOB_SCOPE(s);
    for (int i = 0; i < CROWD; i++)
        check_ok(hob_go(&s, follow, &f));
    settle();
    hob_scope_cancel(&s, "enough");
    check_err(hob_scope_end(&s), -ECANCELED);
}

TEST_DIES(latest, a_value_after_the_end_is_a_mistake, "no newer value comes")
{
    LATEST(price, NULL);
    hob_latest_finish(price);
    hob_latest_set(price, &(int){ 1 });
}

static int forget_one(void *arg)
{
    hob_latest *latest;
    return hob_latest_new(1, NULL, NULL, &latest);
}

TEST_BARE_ON_ALL(latest, one_that_was_left_is_told)
{
    ignore(hob_test_run(forget_one, NULL));
    check_has(hob_test_report_text(), "hob_latest_free");
    check_has(hob_test_report_text(), "forget_one");
    hob_test_report_clear();
}
