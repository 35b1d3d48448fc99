/* SPDX-License-Identifier: MIT */
/* Tasks: starting them in every form, what they return, names, yielding. Promises of hob/task.h. */
#include "support/tasks.h"

/* ---- starting ---- */

struct step {
    struct notes *notes;
    char          before, after;
};

static int note_sleep_note(void *arg)
{
    struct step *s = arg;
    note(s->notes, s->before);
    check_ok(hob_sleep(50 * HOB_MSEC)); // a time that is over when it is asked for is no wait
    note(s->notes, s->after);
    return 0;
}

TEST_ON_ALL(task, a_child_runs_at_once_to_its_first_wait)
{
    struct notes notes = { 0 };
    struct step  child = { &notes, 'a', 'c' };
    HOB_SCOPE(s);
    check_ok(hob_go(&s, note_sleep_note, &child));
    note(&notes, 'b');
    check_ok(hob_scope_end(&s));
    if (strcmp(hob_test_backend(), "sim") == 0)
        check(notes.text[2] == 'c'); // seeded runs try the other order, too
    else
        check_str(notes.text, "abc");
}

TEST_ON_ALL(task, the_run_gives_what_the_body_gave)
{
    check_str(hob_backend_name(), hob_test_backend());
    check_eq(hob_task_id(), 1);
}

static int give_back(void *arg)
{
    return *(int *)arg;
}

TEST_BARE_ON_ALL(task, hob_run_returns_what_the_main_task_returned)
{
    check_eq(hob_test_run(give_back, &(int){ 0 }), 0);
    check_err(hob_test_run(give_back, &(int){ -ENOENT }), -ENOENT);
    check_has(hob_test_report_text(), "ENOENT");
    hob_test_report_clear();
    check_eq(hob_test_run(give_back, &(int){ 0 }), 0);
}

TEST_BARE_ON_ALL(task, outside_of_a_run_there_is_no_task)
{
    check_eq(hob_task_id(), 0);
    check_str(hob_backend_name(), "");
    check_ok(hob_test_run(end_at_once, NULL));
    check_eq(hob_task_id(), 0);
}

struct sum {
    int *total;
    int  add;
};

static int add_later(void *arg)
{
    struct sum *sum = arg;
    check_ok(hob_sleep(1));
    *sum->total += sum->add;
    return 0;
}

TEST(task, go_copy_keeps_an_argument_that_dies)
{
    int total = 0;
    HOB_SCOPE(s);
    for (int i = 1; i <= 100; i++) {
        struct sum sum = { &total, i };
        check_ok(hob_go_copy(&s, add_later, &sum, sizeof sum));
        memset(&sum, 0xAA, sizeof sum);
    }
    check_ok(hob_scope_end(&s));
    check_eq(total, 5050);
}

struct big {
    unsigned char bytes[16 * 1024];
};

static int check_pattern(void *arg)
{
    struct big *big = arg;
    check_eq((uintptr_t)arg % 16, 0);
    hob_yield();
    for (size_t i = 0; i < sizeof big->bytes; i++)
        check_eq(big->bytes[i], i * 7 % 251);
    return 0;
}

TEST(task, go_copy_takes_a_quarter_of_the_stack)
{
    struct big big;
    for (size_t i = 0; i < sizeof big.bytes; i++)
        big.bytes[i] = (unsigned char)(i * 7 % 251);
    HOB_SCOPE(s);
    check_ok(hob_go_copy(&s, check_pattern, &big, sizeof big));
    memset(&big, 0, sizeof big);
    check_ok(hob_scope_end(&s));
}

TEST(task, options_can_copy_too)
{
    int           total = 0;
    struct sum    sum = { &total, 42 };
    hob_task_opts opts = { .name = "adder", .copy_bytes = sizeof sum };
    HOB_SCOPE(s);
    check_ok(hob_go_with(&s, add_later, &sum, &opts));
    sum.add = 0;
    check_ok(hob_scope_end(&s));
    check_eq(total, 42);
}

static int go_deep(void *arg)
{
    char page[4096];
    int  depth = *(int *)arg;
    memset(page, depth, sizeof page);
    if (depth > 0) {
        check_ok(go_deep(&(int){ depth - 1 }));
    }
    hob_yield();
    check_eq(page[17], (char)depth);
    return 0;
}

TEST(task, a_stack_is_as_big_as_it_was_asked_for)
{
    static const struct {
        size_t bytes;
        int    pages;
    } sizes[] = { { 0, 8 }, { 64 << 10, 8 }, { 65 << 10, 50 }, { 256 << 10, 50 },
                  { 1 << 20, 220 }, { 8 << 20, 1900 } };
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        hob_task_opts opts = { .stack_bytes = sizes[i].bytes };
        int           pages = sizes[i].pages / (IS_SANITIZED ? 2 : 1); // their frames are larger
        HOB_SCOPE(s);
        check_ok(hob_go_with(&s, go_deep, &pages, &opts));
        check_ok(hob_scope_end(&s));
    }
}

static int print_numbers(void *arg)
{
    char text[64];
    (void)arg;
    snprintf(text, sizeof text, "%.3f %Lf", 3.14159, 2.5L);
    check_str(text, "3.142 2.500000");
    hob_yield();
    snprintf(text, sizeof text, "%.3f %Lf", 3.14159, 2.5L);
    check_str(text, "3.142 2.500000");
    return 0;
}

TEST(task, the_stack_is_aligned_for_floating_point)
{
    HOB_SCOPE(s);
    for (int i = 0; i < 3; i++)
        check_ok(hob_go(&s, print_numbers, NULL));
    check_ok(hob_scope_end(&s));
}

/* ---- limits ---- */

static int start_too_many(void *arg)
{
    int *results = arg;
    HOB_SCOPE(s);
    for (int i = 0; i < 4; i++)
        results[i] = hob_go(&s, sleep_for_ever, NULL);
    results[4] = hob_scope_end(&s);
    return 0;
}

TEST_BARE_ON_ALL(task, the_limit_of_tasks_is_an_error_and_not_growth)
{
    int          results[5] = { 0 };
    hob_run_opts opts;
    hob_test_run_opts(&opts);
    opts.tasks_max = 3; // the main task is one of them
    check_ok(hob_run_with(&opts, start_too_many, results));
    check_eq(results[0], 0);
    check_eq(results[1], 0);
    check_err(results[2], -EAGAIN);
    check_err(results[4], -EAGAIN);
}

/* ---- names ---- */

static int look_at_my_name(void *arg)
{
    check_str(hob_task_name(), arg);
    char name[] = "changed";
    hob_task_set_name(name);
    name[0] = 'X';
    hob_yield();
    check_str(hob_task_name(), "changed");
    hob_task_set_name("a name that is a good deal longer than it may be");
    check_str(hob_task_name(), "a name that is a good deal long");
    return 0;
}

TEST(task, names_are_copied_and_cut_at_31_bytes)
{
    HOB_SCOPE(s);
    check_ok(hob_go_with(&s, look_at_my_name, "worker", &(hob_task_opts){ .name = "worker" }));
    check_ok(hob_go_with(&s, look_at_my_name, "0123456789012345678901234567890",
                         &(hob_task_opts){ .name = "01234567890123456789012345678901234" }));
    check_ok(hob_go(&s, look_at_my_name, ""));
    check_ok(hob_scope_end(&s));
}

static int note_my_id(void *arg)
{
    uint64_t *id = arg;
    *id = hob_task_id();
    hob_yield();
    check_eq(*id, hob_task_id());
    return 0;
}

TEST(task, every_task_has_a_number_of_its_own)
{
    uint64_t ids[3] = { 0 };
    HOB_SCOPE(s);
    for (int i = 0; i < 3; i++)
        check_ok(hob_go(&s, note_my_id, &ids[i]));
    check_ok(hob_scope_end(&s));
    check_gt(ids[0], 1);
    check_ne(ids[0], ids[1]);
    check_ne(ids[1], ids[2]);
    check_ne(ids[0], ids[2]);
}

/* ---- yielding ---- */

enum { YIELDERS = 4 };

struct yielders {
    int count[YIELDERS];
    int alive;
};

struct yielder {
    struct yielders *all;
    int              me;
};

static int yield_in_turn(void *arg)
{
    struct yielder *y = arg;
    for (int i = 0; i < 200; i++) {
        struct yielders before = *y->all;
        y->all->count[y->me]++;
        hob_yield();
        for (int j = 0; j < YIELDERS; j++) {
            if (j != y->me && before.count[j] < 200 && before.count[j] > 0)
                check_gt(y->all->count[j], before.count[j]);
        }
    }
    return 0;
}

TEST_ON_ALL(task, yield_lets_all_who_are_ready_run_first)
{
    if (strcmp(hob_test_backend(), "sim") == 0)
        skip("seeded runs take the ready ones in any order");
    struct yielders all = { 0 };
    struct yielder  yielders[YIELDERS];
    HOB_SCOPE(s);
    for (int i = 0; i < YIELDERS; i++) {
        yielders[i] = (struct yielder){ &all, i };
        check_ok(hob_go(&s, yield_in_turn, &yielders[i]));
    }
    check_ok(hob_scope_end(&s));
}

TEST(task, yield_alone_comes_back)
{
    int64_t start = hob_now();
    for (int i = 0; i < 1000; i++)
        hob_yield();
    check_eq(hob_now(), start);
}

static int set_flag(void *arg)
{
    hob_yield();
    *(bool *)arg = true;
    return 0;
}

TEST(task, checkpoints_let_others_run_in_the_end)
{
    bool ran = false;
    HOB_SCOPE(s);
    check_ok(hob_go(&s, set_flag, &ran));
    for (int i = 0; i < 10 * 1000 * 1000 && !ran; i++)
        check_ok(hob_checkpoint());
    check(ran);
    check_ok(hob_scope_end(&s));
}

/* ---- ready ---- */

static int get_ready_and_stay(void *arg)
{
    hob_ready(arg);
    hob_ready(NULL); // the second word counts for nothing
    return sleep_for_ever(NULL);
}

static int get_ready_after_a_second(void *arg)
{
    check_ok(hob_sleep(HOB_SEC));
    hob_ready(arg);
    return 0;
}

static int return_without_a_word(void *arg)
{
    (void)arg;
    check_ok(hob_sleep(HOB_SEC));
    return 0;
}

static int fail_before_ready(void *arg)
{
    (void)arg;
    check_ok(hob_sleep(HOB_SEC));
    return -ENOSPC;
}

TEST(ready, the_starter_gets_the_value)
{
    int   thing;
    void *value = NULL;
    HOB_SCOPE(s);
    check_ok(hob_go_ready(&s, get_ready_and_stay, &thing, NULL, &value));
    check_eq(value, &thing);
    check_ok(hob_go_ready(&s, get_ready_after_a_second, &s, NULL, &value));
    check_eq(value, &s);
    check_ok(hob_go_ready(&s, get_ready_after_a_second, &s, NULL, NULL));
    hob_scope_cancel(&s, "done");
    check_err(hob_scope_end(&s), -ECANCELED);
}

TEST(ready, an_early_failure_is_the_starters_and_not_the_scopes)
{
    HOB_SCOPE(s);
    check_err(hob_go_ready(&s, fail_before_ready, NULL, NULL, NULL), -ENOSPC);
    check_eq(hob_scope_failures(&s), 0);
    check_ok(hob_scope_cancelled(&s));
    check_ok(hob_scope_end(&s));
}

TEST(ready, an_early_end_is_a_broken_word)
{
    HOB_SCOPE(s);
    check_err(hob_go_ready(&s, return_without_a_word, NULL, NULL, NULL), HOB_EBROKEN);
    check_ok(hob_scope_end(&s));
}

static int fail_after_ready(void *arg)
{
    (void)arg;
    hob_ready(NULL);
    check_ok(hob_sleep(HOB_SEC));
    return -EIO;
}

TEST(ready, a_failure_afterwards_is_the_scopes)
{
    HOB_SCOPE(s);
    check_ok(hob_go_ready(&s, fail_after_ready, NULL, NULL, NULL));
    check_err(hob_scope_end(&s), -EIO);
}

struct late {
    bool ended;
    int  result;
};

static int never_ready(void *arg)
{
    struct late *late = arg;
    late->result = hob_sleep(HOB_FOREVER);
    HOB_SHIELD(HOB_SEC) {
        check_ok(hob_sleep(HOB_MSEC)); // clean-up takes its time, and is waited for
    }
    late->ended = true;
    return late->result;
}

TEST(ready, a_cancelled_starter_cancels_and_joins_the_child)
{
    struct late late = { 0 };
    HOB_SCOPE(outer);
    {
        HOB_SCOPE(s);
        hob_scope_deadline(&s, hob_in(HOB_SEC));
        check_err(hob_go_ready(&outer, never_ready, &late, NULL, NULL), -ETIMEDOUT);
        check(late.ended);
        check_lt(late.result, 0);
        check_err(hob_scope_end(&s), -ETIMEDOUT);
    }
    check_ok(hob_scope_end(&outer));
}

TEST(ready, nobody_waits_and_nothing_happens)
{
    hob_ready(NULL);
    HOB_SCOPE(s);
    check_ok(hob_go(&s, get_ready_after_a_second, NULL));
    check_ok(hob_scope_end(&s));
}

/* ---- async and await ---- */

TEST(async, await_gives_what_the_task_returned)
{
    struct nap good = { .ns = HOB_SEC, .then = 0 }, bad = { .ns = HOB_SEC, .then = -EIO };
    HOB_SCOPE(s);
    hob_future *a = hob_async(&s, nap, &good), *b = hob_async(&s, nap, &bad);
    hob_future *c = hob_async(&s, give_back, &(int){ 42 });
    check_ok(hob_await(a));
    check_err(hob_await(b), -EIO);
    check_eq(hob_await(c), 42);
    check_ok(hob_scope_end(&s));
}

TEST(async, a_failure_that_is_awaited_cancels_nobody)
{
    struct nap sibling = { .ns = 2 * HOB_SEC };
    HOB_SCOPE(s);
    check_ok(hob_go(&s, nap, &sibling));
    hob_future *f = hob_async(&s, fail_with, &(int){ -EIO });
    check_err(hob_await(f), -EIO);
    check_ok(hob_cancelled());
    check_ok(hob_scope_end(&s));
    check_ok(sibling.result);
}

TEST(async, a_failure_that_nobody_awaits_is_the_scopes)
{
    HOB_SCOPE(s);
    hob_future *f = hob_async(&s, fail_with, &(int){ -EIO });
    check(f != NULL);
    check_err(hob_scope_end(&s), -EIO);
}

TEST(async, a_success_that_nobody_awaits_is_fine)
{
    HOB_SCOPE(s);
    struct nap  short_nap = { .ns = HOB_SEC };
    hob_future *f = hob_async(&s, nap, &short_nap);
    check(f != NULL);
    check_ok(hob_scope_end(&s));
}

TEST(async, no_future_is_no_memory)
{
    check_err(hob_await(NULL), -ENOMEM);
}

TEST(async, a_cancelled_future_is_cancelled_alone)
{
    struct nap sibling = { .ns = HOB_SEC };
    int        result = 0;
    HOB_SCOPE(s);
    hob_future *f = hob_async(&s, sleep_for_ever, &result);
    check_ok(hob_go(&s, nap, &sibling));
    hob_future_cancel(f, "changed my mind");
    check_err(hob_await(f), -ECANCELED);
    check_err(result, -ECANCELED);
    check_ok(hob_cancelled());
    check_ok(hob_scope_end(&s));
    check_ok(sibling.result);
}

struct awaiting {
    hob_scope  *scope;
    hob_future *future;
    int         first, then;
    bool        was_taken;
};

static int await_twice(void *arg)
{
    struct awaiting *a = arg;
    {
        HOB_SCOPE(s);
        a->scope = &s;
        a->first = a->then = hob_await(a->future);
        a->was_taken = hob_cancelled() == 0;
        a->scope = NULL;
        ignore(hob_scope_end(&s));
    }
    if (!a->was_taken)
        a->then = hob_await(a->future);
    return 0;
}

/* The awaiter cannot tell whether the task was cancelled, or itself; so it may await again. */
TEST_ON_ALL(async, a_cancelled_awaiter_of_a_cancelled_task_can_await_again)
{
    HOB_SCOPE(s);
    struct awaiting a = { .future = hob_async(&s, sleep_for_ever, NULL) };
    hob_go(&s, await_twice, &a);
    settle();
    hob_future_cancel(a.future, "the task");
    hob_yield(); // to the task; the awaiter is ready now, and on a seeded order may have run
    if (a.scope != NULL)
        hob_scope_cancel(a.scope, "and the awaiter");
    check_ok(hob_scope_end(&s));
    check_err(a.first, -ECANCELED);
    check_err(a.then, -ECANCELED);
}

TEST(async, a_cancelled_awaiter_can_await_again)
{
    struct nap three = { .ns = 3 * HOB_SEC };
    HOB_SCOPE(outer);
    hob_future *f = hob_async(&outer, nap, &three);
    {
        HOB_SCOPE(s);
        hob_scope_deadline(&s, hob_in(HOB_SEC));
        check_err(hob_await(f), -ETIMEDOUT);
        check_err(hob_cancelled(), -ETIMEDOUT);
        check_err(hob_scope_end(&s), -ETIMEDOUT);
    }
    check_ok(hob_await(f));
    check_ok(three.result);
    check_ok(hob_scope_end(&outer));
}

/* ---- daemons ---- */

TEST(daemon, daemons_end_when_only_they_are_left)
{
    int        result = 0;
    struct nap worker = { .ns = 5 * HOB_SEC };
    int64_t    start = hob_now();
    HOB_SCOPE(s);
    check_ok(hob_go_with(&s, sleep_for_ever, &result, &(hob_task_opts){ .daemon = 1 }));
    check_ok(hob_go(&s, nap, &worker));
    check_ok(hob_scope_end(&s));
    check_ok(worker.result);
    check_err(result, -ECANCELED);
    check_eq(hob_now() - start, 5 * HOB_SEC);
}

TEST(daemon, a_daemon_lives_while_its_scope_may_get_others)
{
    int        result = 0;
    struct nap worker = { .ns = HOB_SEC };
    HOB_SCOPE(s);
    check_ok(hob_go_with(&s, sleep_for_ever, &result, &(hob_task_opts){ .daemon = 1 }));
    check_ok(hob_sleep(HOB_SEC)); // nobody else is there, but the scope is not ending
    check_eq(result, 0);
    check_ok(hob_go(&s, nap, &worker));
    check_ok(hob_sleep(2 * HOB_SEC));
    check_ok(hob_scope_end(&s));
    check_err(result, -ECANCELED);
}

TEST(daemon, a_failing_daemon_fails_the_scope)
{
    struct nap bad = { .ns = HOB_SEC, .then = -EIO };
    struct nap sibling = { .ns = 5 * HOB_SEC };
    HOB_SCOPE(s);
    check_ok(hob_go_with(&s, nap, &bad, &(hob_task_opts){ .daemon = 1 }));
    check_ok(hob_go(&s, nap, &sibling));
    check_err(hob_scope_end(&s), -EIO);
    check_err(sibling.result, -ECANCELED);
}

/* ---- deep calls ---- */

TEST(deep, a_call_on_a_borrowed_stack_goes_as_deep_as_that)
{
    int share = IS_SANITIZED ? 2 : 1; // their frames are larger
    check_ok(hob_call_deep(1 << 20, go_deep, &(int){ 220 / share }));
    check_ok(hob_call_deep(8 << 20, go_deep, &(int){ 1900 / share }));
    check_err(hob_call_deep(1 << 20, fail_with, &(int){ -EDOM }), -EDOM);
}

static int sleep_deep(void *arg)
{
    struct nap *n = arg;
    HOB_SCOPE(s);
    check_ok(hob_go(&s, nap, n));
    check_ok(hob_sleep(HOB_MSEC));
    return hob_scope_end(&s);
}

static int call_deep_twice(void *arg)
{
    check_ok(hob_call_deep(256 << 10, sleep_deep, arg));
    return hob_call_deep(256 << 10, sleep_deep, arg);
}

TEST(deep, a_deep_call_may_wait_and_open_scopes_and_go_deeper)
{
    struct nap naps[3] = { { .ns = HOB_SEC }, { .ns = 2 * HOB_SEC }, { .ns = 3 * HOB_SEC } };
    HOB_SCOPE(s);
    for (int i = 0; i < 3; i++)
        check_ok(hob_go(&s, call_deep_twice, &naps[i]));
    check_ok(hob_call_deep(1 << 20, call_deep_twice, &(struct nap){ .ns = HOB_SEC }));
    check_ok(hob_scope_end(&s));
}

static int sleep_deep_for_ever(void *arg)
{
    return hob_call_deep(256 << 10, sleep_for_ever, arg);
}

TEST(deep, a_deep_call_is_cancelled_like_any_other)
{
    int result = 0;
    HOB_SCOPE(s);
    check_ok(hob_go(&s, sleep_deep_for_ever, &result));
    settle();
    hob_scope_cancel(&s, "enough");
    check_err(hob_scope_end(&s), -ECANCELED);
    check_err(result, -ECANCELED);
}
