/* SPDX-License-Identifier: MIT */
/* The bridge to foreign callbacks: each wait ends exactly once, whoever calls how often. */
#include "support/tasks.h"

/* A library with callbacks: what was begun is kept here until somebody answers. */
struct library {
    uint64_t keys[8];
    int      begun;
    int      cancelled;
    int      refuses;    /* begins nothing, with this error     */
    int      answers_now; /* calls back before begin returns    */
    int      lets_go;    /* answers when it is cancelled        */
};

static int begin(void *arg, uint64_t key)
{
    struct library *lib = arg;
    if (lib->refuses < 0)
        return lib->refuses;
    lib->keys[lib->begun++] = key;
    if (lib->answers_now)
        expect_ok(hob_resume(key, 7));
    return 0;
}

static void cancel(void *arg, uint64_t key)
{
    struct library *lib = arg;
    lib->cancelled++;
    if (lib->lets_go)
        expect_ok(hob_resume(key, -ECANCELED));
}

static int answer_later(void *arg)
{
    struct library *lib = arg;
    do
        HOB_TRY(hob_sleep(HOB_MSEC));
    while (lib->begun == 0);
    return hob_resume(lib->keys[0], 42);
}

TEST_ON_ALL(suspend, the_answer_comes_later)
{
    struct library lib = { .lets_go = 1 };
    HOB_SCOPE(s);
    check_ok(hob_go(&s, answer_later, &lib));
    check_eq(hob_suspend(begin, cancel, &lib), 42);
    check_eq(lib.cancelled, 0);
    check_ok(hob_scope_end(&s));
}

TEST(suspend, the_answer_may_come_at_once)
{
    struct library lib = { .answers_now = 1 };
    check_eq(hob_suspend(begin, cancel, &lib), 7);
    check_err(hob_resume(lib.keys[0], 8), -EALREADY);
}

TEST(suspend, what_does_not_begin_ends_the_wait)
{
    struct library lib = { .refuses = -ENOTCONN };
    check_err(hob_suspend(begin, cancel, &lib), -ENOTCONN);
}

static int suspend(void *arg)
{
    return (int)hob_suspend(begin, cancel, arg);
}

TEST(suspend, a_second_answer_is_refused)
{
    struct library lib = { .lets_go = 1 };
    HOB_SCOPE(s);
    hob_future *first = hob_async(&s, suspend, &lib), *second = hob_async(&s, suspend, &lib);
    settle();
    check_eq(lib.begun, 2);
    check_ok(hob_resume(lib.keys[0], 1));
    check_err(hob_resume(lib.keys[0], 2), -EALREADY);
    check_err(hob_resume(12345, 2), -EALREADY);
    check_ok(hob_resume(lib.keys[1], 3));
    check_eq(hob_await(first) + hob_await(second), 4);
    check_ok(hob_scope_end(&s));
}

/* Once, and no torture: a test that stops half-way would leave the stubborn one for ever. */
TEST_ONCE(suspend, a_cancelled_wait_asks_the_library_and_ends_when_that_has_let_go)
{
    struct library lib = { .lets_go = 1 }, stubborn = { 0 };
    HOB_SCOPE(s);
    hob_future *waits = hob_async(&s, suspend, &lib), *stays = hob_async(&s, suspend, &stubborn);
    settle();
    hob_future_cancel(waits, NULL);
    check_err(hob_await(waits), -ECANCELED);
    check_eq(lib.cancelled, 1);
    hob_future_cancel(stays, NULL);
    settle();
    check_eq(stubborn.cancelled, 1);
    check_ok(hob_resume(stubborn.keys[0], 5)); // the result wins
    check_eq(hob_await(stays), 5);
    check_ok(hob_scope_end(&s));
}
