/* SPDX-License-Identifier: MIT */
/* hob/breaker.h: when it opens, whom it lets through, when it closes; beside a model by seed. */
#include "support/tasks.h"

#include <stdatomic.h>

#include "base/rand.h"

#define ON(number) (&(hob_task_opts){ .where = HOB_ON(number) })

static int answer(void *result)
{
    return *(int *)result;
}

/* One call that ends with `result` at once. */
static int call(hob_breaker *b, int result)
{
    return hob_breaker_call(b, answer, &result);
}

static hob_breaker_state state_of(hob_breaker *b)
{
    hob_breaker_info info;
    hob_breaker_look(b, &info);
    return info.state;
}

static void write_change(void *arg, hob_breaker_state from, hob_breaker_state to)
{
    static const char letters[] = "COH";
    note(arg, letters[from]);
    note(arg, letters[to]);
}

TEST(breaker, so_many_failures_in_a_row_open_it_and_it_says_until_when)
{
    struct notes notes = { .len = 0 };
    hob_breaker  b = { .name = "stock", .failures_in_row = 3, .failure_percent = 101,
                       .open_ns = HOB_SEC, .on_change = write_change, .arg = &notes };
    for (int i = 0; i < 10; i++) {
        check_err(call(&b, -EIO), -EIO);
        check_err(call(&b, -EIO), -EIO);
        check_eq(call(&b, 0), 0);
    }
    for (int i = 0; i < 3; i++)
        check_err(call(&b, -EIO), -EIO);
    check_err(call(&b, 0), HOB_EBREAKER);
    hob_breaker_info info;
    hob_breaker_look(&b, &info);
    check_eq(info.state, HOB_BREAKER_OPEN);
    check_eq(info.open_until_ns, hob_now() + HOB_SEC);
    check_eq(info.refused, 1);
    check_eq(info.opened, 1);
    check_ok(hob_sleep(HOB_SEC - 1));
    check_err(call(&b, 0), HOB_EBREAKER);
    check_ok(hob_sleep(1));
    check_eq(call(&b, 7), 7);
    check_eq(state_of(&b), HOB_BREAKER_CLOSED);
    check_str(notes.text, "COOHHC");
    check_str(hob_strerror(HOB_EBREAKER), "a circuit breaker is open: it was not tried");
    check_str(hob_breaker_state_name(HOB_BREAKER_HALF_OPEN), "half open");
}

TEST(breaker, a_share_of_the_last_calls_opens_it_but_not_before_there_are_enough)
{
    hob_breaker b = { .failures_in_row = UINT32_MAX, .failure_percent = 50, .calls_min = 10,
                      .window_calls = 20 };
    for (int i = 0; i < 9; i++)
        check_err(call(&b, -EIO), -EIO);
    check_eq(state_of(&b), HOB_BREAKER_CLOSED);
    check_err(call(&b, -EIO), -EIO);
    check_eq(state_of(&b), HOB_BREAKER_OPEN);

    hob_breaker_reset(&b);
    for (int i = 0; i < 11; i++)
        check_eq(call(&b, 0), 0);
    for (int i = 0; i < 9; i++)
        check_err(call(&b, -EIO), -EIO); // 9 of 20
    check_eq(state_of(&b), HOB_BREAKER_CLOSED);
    for (int i = 0; i < 50; i++)
        check_eq(call(&b, 0), 0); // the failures are out of the window
    hob_breaker_info info;
    hob_breaker_look(&b, &info);
    check_eq(info.calls, 20);
    check_eq(info.failures, 0);
}

TEST(breaker, a_window_of_time_forgets)
{
    hob_breaker b = { .failures_in_row = UINT32_MAX, .calls_min = 4, .window_ns = 10 * HOB_SEC };
    hob_breaker_info info;
    for (int i = 0; i < 3; i++)
        check_err(call(&b, -EIO), -EIO);
    check_ok(hob_sleep(8 * HOB_SEC));
    hob_breaker_look(&b, &info);
    check_eq(info.failures, 3);
    check_ok(hob_sleep(2 * HOB_SEC));
    hob_breaker_look(&b, &info);
    check_eq(info.calls, 0);
    for (int i = 0; i < 3; i++)
        check_err(call(&b, -EIO), -EIO);
    check_eq(state_of(&b), HOB_BREAKER_CLOSED);
    check_err(call(&b, -EIO), -EIO);
    check_eq(state_of(&b), HOB_BREAKER_OPEN);
}

TEST(breaker, half_open_it_lets_so_many_probes_through_and_refuses_the_rest)
{
    hob_breaker b = { .probes = 2, .probes_needed = 3, .open_ns = HOB_SEC };
    hob_passage p[4];
    hob_breaker_trip(&b, HOB_SEC);
    check_ok(hob_sleep(HOB_SEC));
    check_ok(hob_breaker_enter(&b, &p[0]));
    check_ok(hob_breaker_enter(&b, &p[1]));
    check_err(hob_breaker_enter(&b, &p[2]), HOB_EBREAKER);
    hob_breaker_leave(&p[2], 0); // it was not let through: no effect
    hob_breaker_leave(&p[0], 0);
    hob_breaker_leave(&p[0], 0); // twice: no effect
    check_ok(hob_breaker_enter(&b, &p[2]));
    check_err(hob_breaker_enter(&b, &p[3]), HOB_EBREAKER);
    hob_breaker_leave(&p[1], -ECANCELED); // says nothing, and makes room
    check_ok(hob_breaker_enter(&b, &p[3]));
    hob_breaker_leave(&p[2], 0);
    check_eq(state_of(&b), HOB_BREAKER_HALF_OPEN);
    hob_breaker_leave(&p[3], 0);
    check_eq(state_of(&b), HOB_BREAKER_CLOSED);
}

TEST(breaker, a_probe_that_fails_opens_it_again_and_longer_each_time)
{
    hob_breaker b = { .failures_in_row = 1, .open_ns = HOB_SEC, .open_max_ns = 5 * HOB_SEC };
    static const int64_t seconds[] = { 1, 2, 4, 5, 5 };
    hob_breaker_info     info;
    for (int i = 0; i < 5; i++) {
        check_err(call(&b, -EIO), -EIO);
        hob_breaker_look(&b, &info);
        check_eq(info.open_until_ns - hob_now(), seconds[i] * HOB_SEC);
        check_ok(hob_sleep_until(info.open_until_ns));
    }
    check_eq(call(&b, 0), 0);
    check_err(call(&b, -EIO), -EIO);
    hob_breaker_look(&b, &info);
    check_eq(info.open_until_ns - hob_now(), HOB_SEC);
}

TEST(breaker, what_began_in_another_state_does_not_count)
{
    hob_breaker b = { .failures_in_row = 2, .open_ns = HOB_SEC };
    hob_passage old[3], probe;
    for (int i = 0; i < 3; i++)
        check_ok(hob_breaker_enter(&b, &old[i]));
    check_err(call(&b, -EIO), -EIO);
    check_err(call(&b, -EIO), -EIO);
    hob_breaker_leave(&old[0], 0);
    check_eq(state_of(&b), HOB_BREAKER_OPEN);
    check_ok(hob_sleep(HOB_SEC));
    check_ok(hob_breaker_enter(&b, &probe));
    hob_breaker_leave(&old[1], -EIO);
    check_eq(state_of(&b), HOB_BREAKER_HALF_OPEN);
    hob_breaker_leave(&probe, 0);
    check_eq(state_of(&b), HOB_BREAKER_CLOSED);
    hob_breaker_leave(&old[2], -EIO);
    check_err(call(&b, -EIO), -EIO);
    check_eq(state_of(&b), HOB_BREAKER_CLOSED);
}

TEST(breaker, a_probe_that_never_comes_back_is_given_up)
{
    hob_breaker b = { .open_ns = HOB_SEC };
    hob_passage lost, probe;
    hob_breaker_trip(&b, HOB_SEC);
    check_ok(hob_sleep(HOB_SEC));
    check_ok(hob_breaker_enter(&b, &lost));
    check_ok(hob_sleep(HOB_SEC - 1));
    check_err(hob_breaker_enter(&b, &probe), HOB_EBREAKER);
    check_ok(hob_sleep(1));
    check_ok(hob_breaker_enter(&b, &probe));
    hob_breaker_leave(&lost, -EIO); // too late
    check_eq(state_of(&b), HOB_BREAKER_HALF_OPEN);
    hob_breaker_leave(&probe, 0);
    check_eq(state_of(&b), HOB_BREAKER_CLOSED);
}

TEST(breaker, tripped_for_ever_it_stays_open_until_it_is_reset)
{
    struct notes notes = { .len = 0 };
    hob_breaker  b = { .on_change = write_change, .arg = &notes };
    hob_breaker_trip(&b, HOB_FOREVER);
    check_ok(hob_sleep(1000 * HOB_HOUR));
    check_err(call(&b, 0), HOB_EBREAKER);
    hob_breaker_trip(&b, HOB_SEC);
    hob_breaker_reset(&b);
    hob_breaker_reset(&b);
    check_eq(call(&b, 0), 0);
    check_str(notes.text, "COOC");
}

/* Not found is an answer, slow is a failure, and who is cancelled has learnt nothing. */
static int judge(void *arg, int result)
{
    return result == -ENOENT ? 0 : result == -EINTR ? -1 : result < 0 || result == 99;
}

TEST(breaker, what_counts_as_a_failure_is_the_users_to_say)
{
    hob_breaker b = { .failures_in_row = 2, .is_failure = judge };
    for (int i = 0; i < 100; i++)
        check_err(call(&b, -ENOENT), -ENOENT);
    for (int i = 0; i < 100; i++)
        check_err(call(&b, -EINTR), -EINTR);
    check_err(call(&b, -EIO), -EIO);
    check_err(call(&b, -EINTR), -EINTR); // neither: the row is not broken
    check_eq(call(&b, 99), 99);
    check_eq(state_of(&b), HOB_BREAKER_OPEN);
}

TEST_DIES(breaker, a_window_that_is_too_large_is_a_mistake, "hob_breaker_enter: window_calls*")
{
    hob_breaker b = { .window_calls = HOB_BREAKER_WINDOW_MAX + 1 };
    ignore(call(&b, 0));
}

/* ---- beside a model ---- */

enum { AT_ONCE = 12, LOG = 4096 };

/* The same, kept as a log of all that ended since the last change. */
struct model {
    hob_breaker_state state;
    long              era;
    struct { bool failed; int64_t at_ns; } log[LOG];
    int               count;
    int               out, succeeded, reopened;
    int64_t           until_ns;
};

static void model_change(struct model *m, hob_breaker_state to)
{
    m->state = to;
    m->era++;
    m->count = m->out = m->succeeded = 0;
}

static int64_t model_open_ns(const hob_breaker *b, const struct model *m)
{
    int64_t ns = b->open_ns << (m->reopened - 1 < 8 ? m->reopened - 1 : 8);
    return ns > b->open_max_ns ? b->open_max_ns : ns;
}

static void model_open(const hob_breaker *b, struct model *m)
{
    model_change(m, HOB_BREAKER_OPEN);
    m->reopened++;
    m->until_ns = hob_now() + model_open_ns(b, m);
}

static bool model_enter(const hob_breaker *b, struct model *m)
{
    if (m->state == HOB_BREAKER_CLOSED)
        return true;
    if (m->state == HOB_BREAKER_OPEN) {
        if (hob_now() < m->until_ns)
            return false;
        model_change(m, HOB_BREAKER_HALF_OPEN);
    }
    if (m->out == (int)b->probes) {
        if (hob_now() < m->until_ns)
            return false;
        m->era++;
        m->out = 0;
    }
    if (m->out++ == 0)
        m->until_ns = hob_now() + model_open_ns(b, m);
    return true;
}

static bool model_is_in_window(const hob_breaker *b, const struct model *m, int i)
{
    if (b->window_ns == 0)
        return i >= m->count - (int)b->window_calls;
    int64_t tenth = b->window_ns / 10 + 1;
    return m->log[i].at_ns / tenth > hob_now() / tenth - 10;
}

static bool model_is_too_much(const hob_breaker *b, const struct model *m)
{
    int calls = 0, failures = 0, row = 0;
    for (int i = 0; i < m->count; i++) {
        row = m->log[i].failed ? row + 1 : 0;
        calls += model_is_in_window(b, m, i);
        failures += model_is_in_window(b, m, i) && m->log[i].failed;
    }
    return row >= (int)b->failures_in_row ||
           (calls >= (int)b->calls_min && failures * 100 >= (int)b->failure_percent * calls &&
            m->log[m->count - 1].failed);
}

static void model_leave(const hob_breaker *b, struct model *m, long era, int result)
{
    if (era != m->era || m->state == HOB_BREAKER_OPEN)
        return;
    if (m->state == HOB_BREAKER_HALF_OPEN)
        m->out--;
    if (result == -ECANCELED)
        return;
    if (m->state == HOB_BREAKER_HALF_OPEN) {
        if (result < 0)
            model_open(b, m);
        else if (++m->succeeded == (int)b->probes_needed)
            m->reopened = 0, model_change(m, HOB_BREAKER_CLOSED);
        return;
    }
    if (m->count == LOG) { // older than any window
        memmove(&m->log[0], &m->log[LOG / 2], LOG / 2 * sizeof m->log[0]);
        m->count = LOG / 2;
    }
    m->log[m->count].failed = result < 0;
    m->log[m->count++].at_ns = hob_now();
    if (model_is_too_much(b, m))
        model_open(b, m);
}

/* Calls begin and end in any order; the service has good and bad times. */
static int walk(hob_breaker *b, struct rand *dice, long steps)
{
    static struct model m;
    hob_passage  p[AT_ONCE];
    long         era[AT_ONCE];
    bool         is_under_way[AT_ONCE] = { false };
    int          bad = 10;
    m = (struct model){ .state = HOB_BREAKER_CLOSED };
    for (long step = 0; step < steps; step++) {
        size_t i = rand_below(dice, AT_ONCE);
        if (rand_below(dice, 300) == 0)
            bad = (int)rand_below(dice, 101);
        if (rand_below(dice, 3) == 0)
            check_ok(hob_sleep(rand_between(dice, 0, 60 * HOB_MSEC)));
        if (is_under_way[i]) {
            int result = (int)rand_below(dice, 100) < bad ? -EIO : 0;
            if (rand_below(dice, 10) == 0)
                result = -ECANCELED;
            hob_breaker_leave(&p[i], result);
            model_leave(b, &m, era[i], result);
            is_under_way[i] = false;
        } else {
            int r = hob_breaker_enter(b, &p[i]);
            check_eq(r, model_enter(b, &m) ? 0 : HOB_EBREAKER);
            era[i] = m.era;
            is_under_way[i] = r == 0;
        }
        check_eq(state_of(b), m.state);
    }
    for (size_t i = 0; i < AT_ONCE; i++) {
        if (is_under_way[i])
            hob_breaker_leave(&p[i], 0);
    }
    return 0;
}

TEST_ONCE(breaker, random_calls_are_let_through_and_refused_as_in_the_model)
{
    long        steps = hob_test_is_deep() && !all_is_slow() ? 500000 : all_is_slow() ? 5000 : 60000;
    struct rand dice = { hob_test_seed() };
    hob_test_timeout(120);
    for (int window = 0; window < 2; window++) {
        hob_breaker b = { .failures_in_row = 6, .failure_percent = 40, .calls_min = 12,
                          .window_calls = 30, .window_ns = window * HOB_SEC,
                          .open_ns = 200 * HOB_MSEC, .open_max_ns = HOB_SEC, .probes = 3,
                          .probes_needed = 4 };
        check_ok(walk(&b, &dice, steps));
        hob_breaker_info info;
        hob_breaker_look(&b, &info);
        check_gt(info.opened, steps / 500);
        check_gt(info.refused, steps / 20);
    }
}

/* ---- several workers ---- */

struct service {
    hob_breaker breaker;
    atomic_int  is_down, is_over;
    atomic_long asked, refused, called, opens, closes;
    long        rounds;
};

static void count_change(void *arg, hob_breaker_state from, hob_breaker_state to)
{
    struct service *s = arg;
    atomic_fetch_add(to == HOB_BREAKER_OPEN ? &s->opens : &s->closes,
                     from != to && to != HOB_BREAKER_HALF_OPEN);
}

static int ask(void *arg)
{
    struct service *s = arg;
    atomic_fetch_add(&s->asked, 1);
    hob_yield();
    return atomic_load(&s->is_down) ? -EIO : 0;
}

static void ask_once(struct service *s)
{
    int r = hob_breaker_call(&s->breaker, ask, s);
    atomic_fetch_add(&s->called, 1);
    if (r == HOB_EBREAKER)
        atomic_fetch_add(&s->refused, 1);
}

static int ask_often(void *arg)
{
    struct service *s = arg;
    for (long i = 0; i < s->rounds || atomic_load(&s->is_over) == 0; i++) {
        ask_once(s);
        if (i % 100 == 0)
            HOB_TRY(hob_sleep(20 * HOB_USEC));
    }
    return 0;
}

static int break_and_mend(void *arg)
{
    struct service *s = arg;
    for (int i = 0; i < 20; i++) {
        atomic_store(&s->is_down, i % 2);
        HOB_TRY(hob_sleep(100 * HOB_USEC));
    }
    atomic_store(&s->is_down, 0);
    atomic_store(&s->is_over, 1);
    return 0;
}

static int ask_on_all(void *arg)
{
    struct service *s = arg;
    {
        HOB_SCOPE(scope);
        for (uint32_t i = 0; i < 8; i++)
            check_ok(hob_go_with(&scope, ask_often, s, ON(i % hob_workers())));
        check_ok(hob_go(&scope, break_and_mend, s));
        check_ok(hob_scope_end(&scope));
    }
    // Whatever it went through, it closes when the service is well.
    while (state_of(&s->breaker) != HOB_BREAKER_CLOSED) {
        check_ok(hob_sleep(HOB_MSEC));
        ask_once(s);
    }
    return 0;
}

struct look {
    hob_breaker      *breaker;
    hob_breaker_info *info;
};

static int look_at_end(void *arg)
{
    struct look *look = arg;
    hob_breaker_look(look->breaker, look->info);
    return 0;
}

TEST_AS(breaker, all_workers_go_through_one_breaker,
        HOB_TEST_NO_RUNTIME | HOB_TEST_EACH_BACKEND | HOB_TEST_ONE_SEED, NULL)
{
    for (uint32_t workers = 1; workers <= 4; workers *= 2) {
        struct service s = { .breaker = { .open_ns = 100 * HOB_USEC, .on_change = count_change,
                                          .arg = &s } };
        s.rounds = all_is_slow() ? 500 : 5000;
        hob_run_opts opts;
        hob_test_run_opts(&opts);
        opts.workers = workers;
        check_ok(hob_run_with(&opts, ask_on_all, &s));
        hob_breaker_info info;
        check_ok(hob_run_with(&opts, look_at_end, &(struct look){ &s.breaker, &info }));
        check_eq(s.called, s.asked + s.refused);
        check_eq(info.refused, s.refused);
        check_eq(info.opened, s.opens);
        check_le(s.closes, s.opens);
        check_gt(s.opens, 0);
        check_gt(s.asked, 0);
    }
}
