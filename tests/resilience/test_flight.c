/* SPDX-License-Identifier: MIT */
/* hob/flight.h: who shares which run, who is cancelled with whom, and whose the results are. */
#include "support/tasks.h"

#include <stdlib.h>

#include "base/rand.h"

static void free_flights(hob_flights **flights)
{
    hob_flights_free(*flights);
}

#define FLIGHTS(name) __attribute__((cleanup(free_flights))) hob_flights *name = NULL

/* A result that is counted: all copies and originals must be dropped. */
struct result {
    int  number; /* of the run                    */
    long *alive;
};

static int copy_result(void *to, const void *from)
{
    const struct result *r = from;
    *(struct result *)to = *r;
    ++*r->alive;
    return 0;
}

static void drop_result(void *result)
{
    struct result *r = result;
    --*r->alive;
}

/* What runs do. */
struct source {
    int64_t takes_ns;
    int     error;      /* 0, or with what they end */
    int     begun, ended, cancelled, gone;
    long    alive;
    char    keys[64];
};

static int make(void *arg, const hob_flight *flight, void *ret_result)
{
    struct source *s = arg;
    int            number = ++s->begun;
    if (flight->key_len == 1 && number < 64)
        s->keys[number - 1] = *(const char *)flight->key;
    int r = hob_sleep(s->takes_ns);
    s->ended++;
    s->cancelled += r < 0;
    if (r < 0 || s->error < 0)
        return r < 0 ? r : s->error;
    *(struct result *)ret_result = (struct result){ number, &s->alive };
    s->alive++;
    return 0;
}

static void count_gone(void *arg)
{
    ((struct source *)arg)->gone++;
}

#define OPTS (&(hob_flights_opts){ .name = "a run", .result_bytes = sizeof(struct result),   \
                                   .copy = copy_result, .drop = drop_result, .gone = count_gone })

struct caller {
    hob_flights *flights;
    const char  *key;
    int          r;
    struct result result;
};

static int call(void *arg)
{
    struct caller *c = arg;
    c->r = hob_flights_call(c->flights, c->key, strlen(c->key), &c->result);
    if (c->r >= 0)
        drop_result(&c->result);
    return 0;
}

TEST_ON_ALL(flight, calls_at_the_same_time_share_a_run_and_each_has_its_copy)
{
    struct source source = { .takes_ns = 50 * HOB_MSEC };
    {
        HOB_SCOPE(s);
        FLIGHTS(f);
        struct caller c[10];
        check_ok(hob_flights_new(&s, make, &source, OPTS, &f));
        HOB_SCOPE(callers);
        for (int i = 0; i < 10; i++) {
            c[i] = (struct caller){ f, i < 7 ? "x" : "y", -1, { 0, NULL } };
            check_ok(hob_go(&callers, call, &c[i]));
        }
        check_ok(hob_scope_end(&callers));
        check_eq(source.begun, 2);
        for (int i = 0; i < 10; i++) {
            check_ok(c[i].r);
            check_eq(c[i].result.number, c[i < 7 ? 0 : 7].result.number);
        }
        check_ne(c[0].result.number, c[7].result.number);
        check_eq(source.alive, 0);
        check_eq(hob_flights_running(f), 0);

        struct caller later = { f, "x", -1, { 0, NULL } };
        check_ok(call(&later));
        check_eq(later.result.number, 3); // nothing is kept
        check_eq(hob_flights_begun(f), 3);
    }
    check_eq(source.gone, 1);
}

TEST(flight, an_error_is_shared_too)
{
    struct source source = { .takes_ns = HOB_SEC, .error = -EIO };
    HOB_SCOPE(s);
    FLIGHTS(f);
    struct caller c[3];
    check_ok(hob_flights_new(&s, make, &source, OPTS, &f));
    HOB_SCOPE(callers);
    for (int i = 0; i < 3; i++) {
        c[i] = (struct caller){ f, "", 0, { 0, NULL } };
        check_ok(hob_go(&callers, call, &c[i]));
    }
    check_ok(hob_scope_end(&callers));
    for (int i = 0; i < 3; i++)
        check_err(c[i].r, -EIO);
    check_eq(source.begun, 1);
}

TEST_ON_ALL(flight, who_began_it_may_leave_and_it_goes_on_for_the_others)
{
    struct source source = { .takes_ns = 50 * HOB_MSEC };
    HOB_SCOPE(s);
    FLIGHTS(f);
    check_ok(hob_flights_new(&s, make, &source, OPTS, &f));
    struct caller first = { f, "x", 0, { 0, NULL } }, second = { f, "x", -1, { 0, NULL } };
    HOB_SCOPE(others);
    HOB_SCOPE(leaders);
    check_ok(hob_go(&leaders, call, &first));
    settle();
    check_ok(hob_go(&others, call, &second));
    settle();
    hob_scope_cancel(&leaders, "no patience");
    ignore(hob_scope_end(&leaders));
    check_err(first.r, -ECANCELED);
    check_ok(hob_scope_end(&others));
    check_ok(second.r);
    check_eq(source.begun, 1);
    check_eq(source.cancelled, 0);
    check_eq(source.alive, 0);
}

TEST(flight, when_nobody_waits_it_is_cancelled_and_the_next_begins_anew)
{
    struct source source = { .takes_ns = HOB_SEC };
    HOB_SCOPE(s);
    FLIGHTS(f);
    check_ok(hob_flights_new(&s, make, &source, OPTS, &f));
    struct caller c[2] = { { f, "x", 0, { 0, NULL } }, { f, "x", 0, { 0, NULL } } };
    HOB_SCOPE(callers);
    hob_scope_deadline(&callers, hob_in(HOB_MSEC));
    for (int i = 0; i < 2; i++)
        check_ok(hob_go(&callers, call, &c[i]));
    ignore(hob_scope_end(&callers));
    struct caller next = { f, "x", -1, { 0, NULL } };
    int64_t       began = hob_now();
    check_ok(call(&next));
    check_eq(hob_now() - began, HOB_SEC);
    check_err(c[0].r, -ETIMEDOUT);
    check_err(c[1].r, -ETIMEDOUT);
    check_eq(source.begun, 2);
    check_eq(source.cancelled, 1);
    check_eq(next.result.number, 2);
}

TEST(flight, a_run_that_nobody_wants_before_it_has_begun_ends_at_its_first_wait)
{
    struct source source = { .takes_ns = HOB_HOUR };
    HOB_SCOPE(s);
    FLIGHTS(f);
    check_ok(hob_flights_new(&s, make, &source, OPTS, &f));
    for (int i = 0; i < 20; i++) {
        struct caller c = { f, "x", 0, { 0, NULL } };
        HOB_SCOPE(callers);
        check_ok(hob_go(&callers, call, &c));
        hob_scope_cancel(&callers, "at once");
        ignore(hob_scope_end(&callers));
        check_err(c.r, -ECANCELED);
        settle();
        check_eq(hob_flights_running(f), 0);
    }
    check_eq(source.cancelled, source.begun);
}

TEST(flight, a_run_has_a_deadline_of_its_own)
{
    struct source source = { .takes_ns = HOB_HOUR };
    HOB_SCOPE(s);
    FLIGHTS(f);
    check_ok(hob_flights_new(&s, make, &source, &(hob_flights_opts){ .run_max_ns = HOB_SEC,
                             .result_bytes = sizeof(struct result) }, &f));
    int64_t began = hob_now();
    check_err(hob_flights_call(f, "x", 1, NULL), -ETIMEDOUT);
    check_eq(hob_now() - began, HOB_SEC);
}

TEST(flight, a_run_that_is_forgotten_serves_those_who_wait_and_no_newcomer)
{
    struct source source = { .takes_ns = HOB_SEC };
    HOB_SCOPE(s);
    FLIGHTS(f);
    check_ok(hob_flights_new(&s, make, &source, OPTS, &f));
    struct caller c[3];
    HOB_SCOPE(callers);
    for (int i = 0; i < 3; i++) {
        c[i] = (struct caller){ f, "x", -1, { 0, NULL } };
        check_ok(hob_go(&callers, call, &c[i]));
        settle();
        if (i == 0)
            hob_flights_forget(f, "x", 1);
        else if (i == 1)
            hob_flights_forget_all(f);
    }
    check_eq(hob_flights_running(f), 3);
    check_ok(hob_scope_end(&callers));
    for (int i = 0; i < 3; i++)
        check_eq(c[i].result.number, i + 1);
}

TEST(flight, what_was_started_goes_on_without_anybody)
{
    struct source source = { .takes_ns = HOB_SEC };
    HOB_SCOPE(s);
    FLIGHTS(f);
    check_ok(hob_flights_new(&s, make, &source, OPTS, &f));
    check_ok(hob_flights_start(f, "x", 1));
    check_ok(hob_flights_start(f, "x", 1));
    {
        HOB_SCOPE(impatient);
        hob_scope_deadline(&impatient, hob_in(HOB_MSEC));
        check_err(hob_flights_call(f, "x", 1, NULL), -ETIMEDOUT);
        ignore(hob_scope_end(&impatient));
    }
    check_ok(hob_sleep(2 * HOB_SEC));
    check_eq(source.begun, 1);
    check_eq(source.ended, 1);
    check_eq(source.cancelled, 0);
    check_eq(source.alive, 0);
}

TEST(flight, no_more_than_so_many_runs_at_a_time)
{
    struct source source = { .takes_ns = HOB_SEC };
    HOB_SCOPE(s);
    FLIGHTS(f);
    check_ok(hob_flights_new(&s, make, &source, &(hob_flights_opts){ .runs_max = 2,
                             .result_bytes = sizeof(struct result) }, &f));
    check_ok(hob_flights_start(f, "a", 1));
    check_ok(hob_flights_start(f, "b", 1));
    check_err(hob_flights_start(f, "c", 1), -EAGAIN);
    check_err(hob_flights_call(f, "c", 1, NULL), -EAGAIN);
    check_ok(hob_flights_call(f, "a", 1, NULL));
    check_ok(hob_sleep(HOB_MSEC));
    check_ok(hob_flights_start(f, "c", 1));
}

TEST(flight, the_end_of_the_scope_ends_the_runs_and_tells_those_who_wait)
{
    struct source source = { .takes_ns = HOB_SEC };
    FLIGHTS(f);
    struct caller c = { NULL, "x", 0, { 0, NULL } };
    HOB_SCOPE(callers);
    {
        HOB_SCOPE(s);
        check_ok(hob_flights_new(&s, make, &source, OPTS, &f));
        c.flights = f;
        check_ok(hob_go(&callers, call, &c));
        settle();
        check_ok(hob_scope_end(&s)); // nobody but the keeper is in it: it does not wait for the run
    }
    check_ok(hob_scope_end(&callers));
    check_err(c.r, -ECANCELED);
    check_eq(source.cancelled, 1);
    check_err(hob_flights_call(f, "x", 1, NULL), -ECANCELED);
    check_err(hob_flights_start(f, "x", 1), -ECANCELED);
    check_eq(source.gone, 0);
    hob_flights_free(f);
    f = NULL;
    check_eq(source.gone, 1);
}

TEST_ON_ALL(flight, freed_in_the_middle_it_lets_all_go)
{
    struct source source = { .takes_ns = HOB_SEC };
    HOB_SCOPE(s);
    FLIGHTS(f);
    check_ok(hob_flights_new(&s, make, &source, OPTS, &f));
    struct caller c = { f, "x", 0, { 0, NULL } };
    check_ok(hob_go(&s, call, &c));
    settle();
    hob_flights_free(f);
    f = NULL;
    check_ok(hob_scope_end(&s));
    check_err(c.r, -ECANCELED);
    check_eq(source.gone, 1);
    check_eq(source.ended, 1);
}

static int fail_to_copy(void *to, const void *from)
{
    return -ENOMEM;
}

TEST(flight, a_copy_that_fails_is_the_callers_error_and_the_original_is_dropped)
{
    struct source source = { .takes_ns = 1 };
    struct result result;
    HOB_SCOPE(s);
    FLIGHTS(f);
    check_ok(hob_flights_new(&s, make, &source, &(hob_flights_opts){
                             .result_bytes = sizeof result, .copy = fail_to_copy,
                             .drop = drop_result }, &f));
    check_err(hob_flights_call(f, "x", 1, &result), -ENOMEM);
    check_ok(hob_flights_call(f, "x", 1, NULL));
    check_ok(hob_scope_end(&s));
    check_eq(source.alive, 0);
}

static int use_elsewhere(void *flights)
{
    return hob_flights_call(flights, "x", 1, NULL);
}

TEST_DIES(flight, another_worker_is_a_mistake, "hob_flights_call: the flights belong to another*")
{
    struct source source = { .takes_ns = 1 };
    HOB_SCOPE(s);
    FLIGHTS(f);
    check_ok(hob_flights_new(&s, make, &source, NULL, &f));
    ignore(hob_on(1, use_elsewhere, f));
}

/* ---- a random walk ---- */

enum { KEYS = 5, WALKERS = 12 };

/* What the runs know of each other: at most one for a key that newcomers may join. */
struct air {
    hob_flights *flights;
    struct rand  dice;
    int          joinable[KEYS]; /* runs for whom somebody waits ...                         */
    int          waiting[KEYS];  /* calls                                                    */
    int          era[KEYS];      /* ... since nobody did                                     */
    int          runs, cancelled, calls, served, left, failed;
    long         alive;
    long         steps;
    int          wrong;
};

struct ticket {
    int     key, number;
    int64_t begun_ns, ended_ns;
    long   *alive;
};

static int copy_ticket(void *to, const void *from)
{
    const struct ticket *t = from;
    *(struct ticket *)to = *t;
    ++*t->alive;
    return 0;
}

static void drop_ticket(void *ticket)
{
    struct ticket *t = ticket;
    --*t->alive;
}

static int fly_random(void *arg, const hob_flight *flight, void *ret_result)
{
    struct air    *air = arg;
    int            key = *(const char *)flight->key;
    struct ticket *ticket = ret_result;
    int64_t        begun = hob_now();
    int            number = ++air->runs;
    int            r = 0, era = air->era[key];
    air->wrong += air->joinable[key]++ > 0;
    for (uint64_t waits = rand_below(&air->dice, 4); r == 0 && waits > 0; waits--)
        r = hob_sleep(rand_between(&air->dice, 0, 5));
    air->joinable[key] -= air->era[key] == era;
    if (r < 0) {
        air->cancelled++;
        return r;
    }
    if (rand_below(&air->dice, 5) == 0)
        return -EIO;
    *ticket = (struct ticket){ key, number, begun, hob_now(), &air->alive };
    air->alive++;
    return 0;
}

static int call_random(void *arg)
{
    struct air   *air = arg;
    char          key = (char)rand_below(&air->dice, KEYS);
    struct ticket ticket;
    int64_t       came = hob_now();
    air->calls++;
    air->waiting[(int)key]++;
    int r = hob_flights_call(air->flights, &key, 1, &ticket);
    if (--air->waiting[(int)key] == 0) {
        air->joinable[(int)key] = 0;
        air->era[(int)key]++;
    }
    if (r == 0) {
        air->served++;
        // It is of this key, and it ended after this call came, and not after it went.
        air->wrong += ticket.key != key || ticket.ended_ns < came || ticket.ended_ns > hob_now();
        drop_ticket(&ticket);
    } else if (r == -EIO) {
        air->failed++;
    } else {
        air->wrong += r != -ETIMEDOUT && r != -ECANCELED;
        air->left++;
    }
    return 0;
}

static int walk(void *arg)
{
    struct air *air = arg;
    for (long i = 0; i < air->steps; i++) {
        HOB_SCOPE(s);
        if (rand_below(&air->dice, 3) == 0)
            hob_scope_deadline(&s, hob_in(rand_between(&air->dice, 0, 8)));
        ignore(call_random(air));
        ignore(hob_scope_end(&s));
        if (rand_below(&air->dice, 16) == 0)
            HOB_TRY(hob_sleep(rand_between(&air->dice, 0, 20)));
    }
    return 0;
}

TEST_ONCE(flight, random_calls_are_served_by_a_run_that_ended_while_they_waited)
{
    long       total = hob_test_is_deep() && !all_is_slow() ? 1000000 : all_is_slow() ? 5000 : 100000;
    struct air air = { .dice = { hob_test_seed() }, .steps = total / WALKERS };
    hob_test_timeout(120);
    {
        HOB_SCOPE(s);
        FLIGHTS(f);
        check_ok(hob_flights_new(&s, fly_random, &air, &(hob_flights_opts){
                                 .result_bytes = sizeof(struct ticket), .copy = copy_ticket,
                                 .drop = drop_ticket }, &f));
        air.flights = f;
        HOB_SCOPE(walkers);
        for (int i = 0; i < WALKERS; i++)
            check_ok(hob_go(&walkers, walk, &air));
        check_ok(hob_scope_end(&walkers));
    }
    check_eq(air.wrong, 0);
    check_eq(air.alive, 0);
    check_eq(air.calls, air.steps * WALKERS);
    check_eq(air.served + air.failed + air.left, air.calls);
    check_lt(air.runs, air.calls * 3 / 4); // they were shared
    check_gt(air.cancelled, air.calls / 100);
    check_gt(air.left, air.calls / 100);
}
