/* SPDX-License-Identifier: MIT */
/* Who is started again, with whom, how soon, and when it is given up. */
#include "support/tasks.h"

struct worker_bee {
    struct notes *notes;
    char          letter;
    int           lives;  /* so often it fails; then it works until it is cancelled */
    int           error;  /* with this; 0: it returns 0                             */
    int64_t       ns;     /* after so long                                          */
};

static int work(void *arg)
{
    struct worker_bee *bee = arg;
    note(bee->notes, bee->letter);
    if (bee->lives == 0) {
        int r = hob_sleep(HOB_FOREVER);
        note(bee->notes, (char)(bee->letter - 'a' + 'A'));
        return r;
    }
    bee->lives--;
    HOB_TRY(hob_sleep(bee->ns));
    return bee->error;
}

struct restarts {
    char    text[64];
    int     count;
    int64_t at[64];
};

static void note_restart(void *arg, const char *name, int error)
{
    struct restarts *restarts = arg;
    (void)error;
    if (restarts->count < 64) {
        restarts->text[restarts->count] = name[0];
        restarts->at[restarts->count] = hob_now();
    }
    restarts->count++;
}

/* Three bees; the second fails once. Runs for ten seconds. */
static int run_bees(hob_strategy strategy, struct notes *notes, struct restarts *restarts)
{
    struct worker_bee bees[] = {
        { notes, 'a', 0, 0, 0 },
        { notes, 'b', 1, -EIO, HOB_SEC },
        { notes, 'c', 0, 0, 0 },
    };
    hob_child children[] = {
        { .name = "a", .fn = work, .arg = &bees[0] },
        { .name = "b", .fn = work, .arg = &bees[1] },
        { .name = "c", .fn = work, .arg = &bees[2] },
    };
    hob_supervise_opts opts = { .strategy = strategy, .on_restart = note_restart,
                                .on_restart_arg = restarts };
    HOB_SCOPE(s);
    hob_scope_deadline(&s, hob_in(10 * HOB_SEC));
    int r = hob_supervise(children, 3, &opts);
    (void)!hob_scope_end(&s);
    return r;
}

/* The order in which a seeded run starts tasks is its own; so letters are counted. */
static int count_of(const struct notes *notes, char letter)
{
    int count = 0;
    for (size_t i = 0; i < notes->len; i++)
        count += notes->text[i] == letter;
    return count;
}

TEST(supervise, one_for_one_restarts_the_one_that_failed)
{
    struct notes    notes = { 0 };
    struct restarts restarts = { 0 };
    check_err(run_bees(HOB_ONE_FOR_ONE, &notes, &restarts), -ETIMEDOUT);
    check_eq(count_of(&notes, 'a'), 1);
    check_eq(count_of(&notes, 'b'), 2);
    check_eq(count_of(&notes, 'c'), 1);
    check_str(restarts.text, "b");
}

TEST(supervise, all_for_one_restarts_all)
{
    struct notes    notes = { 0 };
    struct restarts restarts = { 0 };
    check_err(run_bees(HOB_ALL_FOR_ONE, &notes, &restarts), -ETIMEDOUT);
    check_eq(count_of(&notes, 'a'), 2);
    check_eq(count_of(&notes, 'b'), 2);
    check_eq(count_of(&notes, 'c'), 2);
    check_eq(count_of(&notes, 'A'), 2); // both were cancelled, one after the other
}

TEST(supervise, rest_for_one_restarts_those_after_it)
{
    struct notes    notes = { 0 };
    struct restarts restarts = { 0 };
    check_err(run_bees(HOB_REST_FOR_ONE, &notes, &restarts), -ETIMEDOUT);
    check_eq(count_of(&notes, 'a'), 1);
    check_eq(count_of(&notes, 'b'), 2);
    check_eq(count_of(&notes, 'c'), 2);
}

/* One bee that always fails at once. */
static int run_failing(hob_supervise_opts opts, hob_restart policy, int error, struct notes *notes,
                       struct restarts *restarts)
{
    struct worker_bee bee = { notes, 'x', 1000, error, 0 };
    hob_child         child = { .name = "x", .fn = work, .arg = &bee, .restart = policy };
    opts.on_restart = note_restart;
    opts.on_restart_arg = restarts;
    return hob_supervise(&child, 1, &opts);
}

TEST(supervise, too_many_restarts_are_given_up)
{
    struct notes    notes = { 0 };
    struct restarts restarts = { 0 };
    check_err(run_failing((hob_supervise_opts){ .restarts_max = 5 }, HOB_RESTART_ALWAYS, -EIO, &notes,
                          &restarts), -EIO);
    check_eq(restarts.count, 5);
    check_eq(notes.len, 6);
}

TEST(supervise, a_child_that_always_returns_0_is_given_up_as_a_loop)
{
    struct notes    notes = { 0 };
    struct restarts restarts = { 0 };
    check_err(run_failing((hob_supervise_opts){ 0 }, HOB_RESTART_ALWAYS, 0, &notes, &restarts), -ELOOP);
    check_eq(notes.len, 4);
}

TEST(supervise, restarts_become_slower)
{
    struct notes    notes = { 0 };
    struct restarts restarts = { 0 };
    int64_t         began = hob_now();
    check_err(run_failing((hob_supervise_opts){ .restarts_max = 6, .backoff_ns = 100 * HOB_MSEC,
                                                .backoff_max_ns = 500 * HOB_MSEC },
                          HOB_RESTART_ALWAYS, -EIO, &notes, &restarts), -EIO);
    static const int64_t at_ms[] = { 0, 100, 300, 700, 1200, 1700 };
    check_eq(restarts.count, 6);
    for (int i = 0; i < 6; i++)
        check_eq((restarts.at[i] - began) / HOB_MSEC, at_ms[i]);
}

TEST(supervise, restarts_of_long_ago_do_not_count)
{
    struct notes      notes = { 0 };
    struct restarts   restarts = { 0 };
    struct worker_bee bee = { &notes, 'x', 20, -EIO, 3 * HOB_SEC };
    hob_child         child = { .name = "x", .fn = work, .arg = &bee };
    hob_supervise_opts opts = { .on_restart = note_restart, .on_restart_arg = &restarts };
    HOB_SCOPE(s);
    hob_scope_deadline(&s, hob_in(HOB_HOUR));
    check_err(hob_supervise(&child, 1, &opts), -ETIMEDOUT);
    check_eq(restarts.count, 20);
    ignore(hob_scope_end(&s));
}

TEST(supervise, who_is_not_to_be_restarted_is_not)
{
    struct notes    notes = { 0 };
    struct restarts restarts = { 0 };
    check_ok(run_failing((hob_supervise_opts){ 0 }, HOB_RESTART_ON_FAILURE, 0, &notes, &restarts));
    check_ok(run_failing((hob_supervise_opts){ 0 }, HOB_RESTART_NEVER, 0, &notes, &restarts));
    check_err(run_failing((hob_supervise_opts){ 0 }, HOB_RESTART_NEVER, -EIO, &notes, &restarts), -EIO);
    check_eq(notes.len, 3);
    check_eq(restarts.count, 0);
    check_ok(hob_supervise(NULL, 0, NULL));
}

TEST(supervise, a_failure_that_nobody_takes_is_told)
{
    struct notes      notes = { 0 };
    struct worker_bee bee = { &notes, 'x', 1, -EIO, 0 };
    hob_child         child = { .name = "queen", .fn = work, .arg = &bee };
    HOB_SCOPE(s);
    hob_scope_deadline(&s, hob_in(HOB_SEC));
    check_err(hob_supervise(&child, 1, NULL), -ETIMEDOUT);
    check_has(hob_test_report_text(), "queen");
    check_has(hob_test_report_text(), "EIO");
    ignore(hob_scope_end(&s));
}
