/* SPDX-License-Identifier: MIT */
/*
 * hob/portal.h: threads outside call in and post, with limits, in time or not, while the portal
 * closes; and many of them at random.
 */
#include "support/tasks.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include "hob/loop.h"

static bool in_sim(void)
{
    return strcmp(hob_test_backend(), "sim") == 0;
}

/* ---- threads of the tests ---- */

struct caller {
    hob_portal  *portal; /* its own reference */
    hob_task_fn *fn;
    void        *arg;
    int64_t      timeout_ns; /* 0: none */
    int          times;
    pthread_t    thread;
    bool         started, must;
    atomic_int   ended;
    int          result;
};

static void *call_in(void *arg)
{
    struct caller *c = arg;
    for (int i = 0; i < c->times; i++) {
        c->result = c->timeout_ns > 0
                        ? hob_portal_call_within(c->portal, c->timeout_ns, c->fn, c->arg)
                        : hob_portal_call(c->portal, c->fn, c->arg);
        if (c->must && (c->result == -ENOMEM || c->result == -EAGAIN))
            i--; // torture: somebody waits for this
    }
    hob_portal_unref(c->portal);
    atomic_store(&c->ended, 1);
    return NULL;
}

static int start_caller(struct caller *c, hob_portal *portal)
{
    c->portal = hob_portal_ref(portal);
    if (c->times == 0)
        c->times = 1;
    if (pthread_create(&c->thread, NULL, call_in, c) != 0) {
        hob_portal_unref(portal);
        return hob_fail(-EAGAIN);
    }
    c->started = true;
    return 0;
}

static int until(atomic_int *value, int wanted)
{
    while (atomic_load(value) < wanted)
        HOB_TRY(hob_sleep(20 * HOB_USEC));
    return 0;
}

/* Without blocking the loop that it may wait for. */
static void join_caller(struct caller *c)
{
    if (c->started && until(&c->ended, 1) == 0)
        pthread_join(c->thread, NULL);
    c->started = false;
}

static int answer(void *arg)
{
    return *(int *)arg;
}

static int nap_and_answer(void *arg)
{
    HOB_TRY(hob_sleep(HOB_MSEC));
    return *(int *)arg;
}

static int count_up(void *arg)
{
    ++*(int *)arg; // one worker
    return 0;
}

/* ---- calls ---- */

TEST_ON_ALL(portal, a_thread_gets_the_result_of_its_task)
{
    for (int i = 0; i < 4; i++) {
        hob_portal   *portal;
        int           given = (const int[]){ 0, 7, -EDOM, -ECANCELED }[i];
        struct caller c = { .fn = i % 2 == 0 ? answer : nap_and_answer, .arg = &given };
        HOB_SCOPE(s);
        check_ok(hob_portal_open(&s, NULL, &portal));
        int r = start_caller(&c, portal);
        if (r == 0)
            join_caller(&c);
        hob_portal_close(portal);
        check_ok(r);
        check_eq(c.result, given);
        check_ok(hob_scope_end(&s)); // a call's failure is its thread's
    }
}

static int close_it(void *arg)
{
    hob_portal_close(*(hob_portal **)arg);
    return 0;
}

TEST_ON_ALL(portal, the_scope_serves_until_a_task_of_the_portal_closes_it)
{
    hob_portal   *portal;
    struct caller c = { .fn = close_it, .arg = &portal, .must = true };
    HOB_SCOPE(s);
    check_ok(hob_portal_open(&s, &(hob_portal_opts){ .name = "door" }, &portal));
    int r = start_caller(&c, portal);
    if (r < 0)
        hob_portal_close(portal);
    check_ok(hob_scope_end(&s)); // nobody is ready, no timer is set, and that is not the end
    if (c.started)
        pthread_join(c.thread, NULL);
    check_ok(r);
    check_ok(c.result);
}

struct story {
    char text[16];
};

static int tell_name(void *arg)
{
    snprintf(((struct story *)arg)->text, 16, "%s", hob_task_name());
    return 0;
}

TEST_ON_ALL(portal, its_tasks_have_its_name)
{
    hob_portal  *portal;
    struct story story = { "" };
    HOB_SCOPE(s);
    check_ok(hob_portal_open(&s, &(hob_portal_opts){ .name = "sensor" }, &portal));
    int r = hob_portal_post(portal, tell_name, &story);
    hob_portal_close(portal);
    check_ok(r);
    check_ok(hob_scope_end(&s));
    check_str(story.text, "sensor");
}

/* ---- posts ---- */

struct order {
    struct notes *notes;
    char          letter;
};

static int note_it(void *arg)
{
    struct order *order = arg;
    note(order->notes, order->letter);
    return 0;
}

TEST_ON_ALL(portal, what_is_posted_runs_in_order_also_when_it_is_closed_then)
{
    hob_portal  *portal;
    struct notes notes = { "", 0 };
    struct order orders[5];
    int          r = 0;
    HOB_SCOPE(s);
    check_ok(hob_portal_open(&s, &(hob_portal_opts){ .at_once = 1 }, &portal));
    for (int i = 0; i < 5; i++) {
        orders[i] = (struct order){ &notes, (char)('a' + i) };
        if (r == 0)
            r = hob_portal_post(portal, note_it, &orders[i]);
    }
    hob_portal_ref(portal);
    hob_portal_close(portal);
    int after = hob_portal_post(portal, note_it, &orders[0]);
    hob_portal_unref(portal);
    check_ok(r);
    check_err(after, -EPIPE);
    check_ok(hob_scope_end(&s));
    check_str(notes.text, "abcde");
}

TEST_ON_ALL(portal, as_many_posts_wait_as_there_is_room_for)
{
    static const uint32_t rooms[] = { 1, 63, 64, 65, 130 }; // around the words of the bits
    for (size_t i = 0; i < sizeof rooms / sizeof rooms[0]; i++) {
        uint32_t    room = rooms[i];
        hob_portal *portal;
        int         ran = 0, fitted = 0, r;
        HOB_SCOPE(s);
        check_ok(hob_portal_open(&s, &(hob_portal_opts){ .posts = room }, &portal));
        while ((r = hob_portal_post(portal, count_up, &ran)) == 0)
            fitted++;
        settle();
        int again = hob_portal_post(portal, count_up, &ran);
        hob_portal_close(portal);
        check_err(r, -EAGAIN);
        check_eq(fitted, room);
        check_ok(again);
        check_ok(hob_scope_end(&s));
        check_eq(ran, fitted + 1);
    }
}

static int count_at_once(void *arg)
{
    int *at_once = arg;
    at_once[1] = ++at_once[0] > at_once[1] ? at_once[0] : at_once[1];
    int r = hob_sleep(HOB_MSEC);
    at_once[0]--;
    return r;
}

TEST_ON_ALL(portal, no_more_tasks_run_at_once_than_it_was_told)
{
    hob_portal *portal;
    int         at_once[2] = { 0, 0 }, r = 0;
    HOB_SCOPE(s);
    check_ok(hob_portal_open(&s, &(hob_portal_opts){ .at_once = 3 }, &portal));
    for (int i = 0; i < 10 && r == 0; i++)
        r = hob_portal_post(portal, count_at_once, at_once);
    hob_portal_close(portal);
    check_ok(r);
    check_ok(hob_scope_end(&s));
    check_eq(at_once[1], 3);
}

TEST_ON_ALL(portal, a_post_that_fails_fails_the_scope_and_closes_the_portal)
{
    hob_portal *portal;
    int         error = -EDOM, cancelled = 0;
    HOB_SCOPE(s);
    check_ok(hob_go(&s, sleep_for_ever, &cancelled));
    check_ok(hob_portal_open(&s, NULL, &portal));
    int r = hob_portal_post(portal, fail_with, &error);
    int ended = hob_scope_end(&s);
    int after = hob_portal_post(portal, fail_with, &error);
    hob_portal_close(portal);
    check_ok(r);
    check_err(ended, -EDOM);
    check_err(after, -EPIPE);
    check_err(cancelled, -ECANCELED);
    hob_failure failure;
    char        name[256];
    check_ok(hob_scope_failure(&s, 0, &failure));
    check_has(hob_describe_address(failure.function, name, sizeof name), "fail_with");
}

/* ---- closing ---- */

TEST_ON_ALL(portal, in_a_cancelled_scope_it_is_closed_from_the_beginning)
{
    hob_portal *portal;
    int         ran = 0;
    HOB_SCOPE(s);
    hob_scope_cancel(&s, "enough");
    check_ok(hob_portal_open(&s, NULL, &portal));
    int r = hob_portal_post(portal, count_up, &ran);
    check_err(hob_scope_end(&s), -ECANCELED);
    hob_portal_close(portal);
    check_err(r, -EPIPE);
    check_eq(ran, 0);
}

static int say_that_it_runs(void *arg)
{
    atomic_fetch_add((atomic_int *)arg, 1);
    return hob_sleep(HOB_FOREVER);
}

TEST_ON_ALL(portal, closing_lets_those_in_line_go_and_cancelling_those_that_run)
{
    hob_portal   *portal;
    atomic_int    runs = 0;
    int           ran = 0;
    struct caller first = { .fn = say_that_it_runs, .arg = &runs, .must = true };
    struct caller second = { .fn = count_up, .arg = &ran };
    HOB_SCOPE(s);
    check_ok(hob_portal_open(&s, &(hob_portal_opts){ .at_once = 1 }, &portal));
    int r = start_caller(&first, portal);
    if (r == 0) {
        r = until(&runs, 1);
        if (r == 0)
            r = start_caller(&second, portal);
        for (int i = 0; i < 100 && r == 0; i++) // so that it is in the line, most likely
            r = hob_sleep(20 * HOB_USEC);
    }
    hob_portal_close(portal);
    if (second.started) {
        int told = until(&second.ended, 1); // by the loop, if it was only on its way to the line
        pthread_join(second.thread, NULL);
        r = r == 0 ? told : r;
    }
    bool still = !first.started || atomic_load(&first.ended) == 0;
    hob_scope_cancel(&s, "and that is that");
    check_err(hob_scope_end(&s), -ECANCELED);
    if (first.started)
        pthread_join(first.thread, NULL);
    check_ok(r);
    check(still);
    check_err(first.result, -ECANCELED);
    check_err(second.result, -EPIPE);
    check_eq(ran, 0);
}

static hob_portal *kept;

static int open_and_end(void *arg)
{
    hob_portal *portal;
    HOB_SCOPE(s);
    HOB_TRY(hob_portal_open(&s, NULL, &portal));
    kept = hob_portal_ref(portal);
    hob_portal_close(portal);
    return hob_scope_end(&s);
}

TEST_BARE_ON_ALL(portal, who_has_a_reference_may_call_after_the_run)
{
    int ran = 0;
    kept = NULL;
    check_ok(hob_test_run(open_and_end, NULL));
    check(kept != NULL);
    int call = hob_portal_call(kept, count_up, &ran), post = hob_portal_post(kept, count_up, &ran);
    hob_portal_unref(kept);
    check_err(call, -EPIPE);
    check_err(post, -EPIPE);
    check_eq(ran, 0);
}

static int leave_it_open(void *arg)
{
    hob_portal *portal;
    hob_scope  *root = hob_root("gate");
    return root != NULL ? hob_portal_open(root, &(hob_portal_opts){ .name = "gate" }, &portal) : -ENOMEM;
}

TEST_BARE_ON_ALL(portal, one_that_is_left_open_is_told)
{
    check_ok(hob_test_run(leave_it_open, NULL));
    check_has(hob_test_report_text(), "left at the end: a portal, made at leave_it_open");
}

/* ---- in time ---- */

TEST_ON_ALL(portal, a_call_in_the_line_is_taken_back_when_its_time_is_up)
{
    hob_portal   *portal;
    int           ran = 0;
    struct caller c = { .fn = count_up, .arg = &ran, .timeout_ns = HOB_MSEC };
    HOB_SCOPE(s);
    check_ok(hob_portal_open(&s, NULL, &portal));
    int r = start_caller(&c, portal);
    if (r == 0)
        pthread_join(c.thread, NULL); // the loop does nothing meanwhile
    c.started = false;
    hob_portal_close(portal);
    check_ok(r);
    check_err(c.result, -ETIMEDOUT);
    check_ok(hob_scope_end(&s));
    check_eq(ran, 0);
}

TEST_ON_ALL(portal, so_many_calls_can_be_taken_back_and_no_more_before_the_loop_looks)
{
    hob_portal   *portal;
    int           ran = 0;
    struct caller c = { .fn = count_up, .arg = &ran, .timeout_ns = 1, .times = 1025 };
    struct caller later = { .fn = count_up, .arg = &ran };
    HOB_SCOPE(s);
    check_ok(hob_portal_open(&s, NULL, &portal));
    int r = start_caller(&c, portal);
    if (r == 0)
        pthread_join(c.thread, NULL);
    settle();
    if (r == 0)
        r = start_caller(&later, portal);
    join_caller(&later);
    hob_portal_close(portal);
    check_ok(r);
    check_err(c.result, -EAGAIN);
    check_ok(later.result);
    check_ok(hob_scope_end(&s));
    check_eq(ran, 1);
}

TEST_ON_ALL(portal, a_task_that_has_begun_is_cancelled_when_the_calls_time_is_up)
{
    hob_portal   *portal;
    atomic_int    runs = 0;
    struct caller c = { .fn = say_that_it_runs, .arg = &runs, .timeout_ns = 20 * HOB_MSEC };
    HOB_SCOPE(s);
    check_ok(hob_portal_open(&s, NULL, &portal));
    int r = start_caller(&c, portal);
    join_caller(&c);
    hob_portal_close(portal);
    check_ok(r);
    check_err(c.result, -ETIMEDOUT);
    check_ok(hob_scope_end(&s));
    check_le(atomic_load(&runs), 1);
}

static int go_on_regardless(void *arg)
{
    atomic_fetch_add((atomic_int *)arg, 1);
    while (hob_cancelled() == 0)
        hob_yield();
    return 5;
}

TEST_ON_ALL(portal, the_result_wins_over_the_time)
{
    hob_portal   *portal;
    atomic_int    runs = 0;
    struct caller c = { .fn = go_on_regardless, .arg = &runs, .timeout_ns = HOB_SEC / 4 };
    if (in_sim())
        skip("its time does not pass while a task is ready");
    HOB_SCOPE(s);
    check_ok(hob_portal_open(&s, NULL, &portal));
    int r = start_caller(&c, portal);
    join_caller(&c);
    hob_portal_close(portal);
    check_ok(r);
    if (atomic_load(&runs) == 1)
        check_eq(c.result, 5);
    check_ok(hob_scope_end(&s));
}

/* ---- mistakes ---- */

TEST_AS(mistake, waiting_for_the_loop_on_its_own_thread, HOB_TEST_EACH_BACKEND,
        "hob: hob_portal_call: called on the thread of a loop, which would wait for the loop that it")
{
    hob_portal *portal;
    int         ran = 0;
    HOB_SCOPE(s);
    ignore(hob_portal_open(&s, NULL, &portal));
    ignore(hob_portal_call(portal, count_up, &ran));
}

static int call_from_a_pool(void *arg)
{
    int ran = 0;
    return hob_portal_call(arg, count_up, &ran);
}

TEST_DIES(mistake, calling_in_from_a_function_that_sim_calls_on_the_loop,
          "hob: hob_portal_call: called on the thread of a loop*in sim a function of hob_offload")
{
    hob_portal *portal;
    HOB_SCOPE(s);
    ignore(hob_portal_open(&s, NULL, &portal));
    ignore(hob_offload(hob_pool_blocking(), call_from_a_pool, portal));
}

TEST_DIES(mistake, closing_a_portal_twice, "hob: hob_portal_close: it was closed before")
{
    hob_portal *portal;
    HOB_SCOPE(s);
    ignore(hob_portal_open(&s, NULL, &portal));
    hob_portal_close(portal);
    hob_portal_close(portal);
}

/* ---- where calls come from ---- */

TEST_ON_ALL(portal, a_function_on_a_pool_calls_in)
{
    if (in_sim())
        skip("it runs on the loop's thread there");
    hob_portal *portal;
    HOB_SCOPE(s);
    check_ok(hob_portal_open(&s, NULL, &portal));
    int r = hob_offload(hob_pool_blocking(), call_from_a_pool, portal);
    hob_portal_close(portal);
    check_ok(r);
    check_ok(hob_scope_end(&s));
}

static hob_portal *signalled;
static atomic_int  posted;

static int note_signal(void *arg)
{
    atomic_fetch_add((atomic_int *)arg, 1);
    return 0;
}

static atomic_int noted;

static void post_it(int signal)
{
    if (hob_portal_post(signalled, note_signal, &noted) == 0)
        atomic_fetch_add(&posted, 1);
}

TEST_ON_ALL(portal, a_signal_handler_posts)
{
    struct sigaction before, action = { .sa_handler = post_it };
    if (in_sim())
        skip("no signal of the system is sent there");
    atomic_store(&posted, 0);
    atomic_store(&noted, 0);
    HOB_SCOPE(s);
    check_ok(hob_portal_open(&s, NULL, &signalled));
    sigaction(SIGUSR1, &action, &before);
    for (int i = 0; i < 200; i++) {
        raise(SIGUSR1);
        if (i % 50 == 49)
            hob_yield();
    }
    sigaction(SIGUSR1, &before, NULL);
    hob_portal_close(signalled);
    check_ok(hob_scope_end(&s));
    check_ge(atomic_load(&posted), 64);
    check_eq(atomic_load(&noted), atomic_load(&posted));
}

static int serve_at(void *arg)
{
    hob_portal   *portal;
    struct caller c = { .fn = close_it, .arg = &portal };
    HOB_SCOPE(s);
    HOB_TRY(hob_portal_open(&s, NULL, &portal));
    int r = start_caller(&c, portal);
    if (r < 0)
        hob_portal_close(portal);
    HOB_TRY(hob_scope_end(&s));
    if (c.started)
        pthread_join(c.thread, NULL);
    return r < 0 ? r : c.result;
}

TEST_BARE_ON_ALL(portal, a_guest_of_another_loop_is_called_in)
{
    hob_run_opts opts;
    hob_loop    *loop;
    int          said = HOB_STEP_MORE;
    hob_test_run_opts(&opts);
    check_ok(hob_begin(&opts, serve_at, NULL, &loop));
    int fd = hob_poll_fd(loop);
    for (int tries = 0; said != HOB_STEP_ENDED && tries < 10000; tries++) {
        struct pollfd wait = { .fd = fd, .events = POLLIN };
        ignore(poll(&wait, 1, in_sim() ? 1 : 1000));
        said = hob_step(loop, HOB_MSEC);
    }
    check_eq(said, HOB_STEP_ENDED);
    check_ok(hob_finish(loop));
}

/* ---- many at random ---- */

/*
 * A portal on each worker, some threads that call and post in random order with and without a
 * time, and portals that close when they like. The model is a count: what gave a result has run
 * once; what was refused or taken back has not; every post that was accepted has run.
 */
enum { PORTALS_MAX = 4, THREADS = 4, KEPT_MAX = 500 };

struct crowd {
    hob_portal *_Atomic portals[PORTALS_MAX]; /* of each worker, the last one */
    uint32_t    portal_count;
    hob_portal *all[KEPT_MAX]; /* references */
    atomic_int  opened, threads_left;
    atomic_int  calls_ran, calls_good, posts_ran, posts_good;
    int         rounds;
};

struct visitor {
    struct crowd *crowd;
    uint64_t      seed;
    pthread_t     thread;
};

static int be_called(void *arg)
{
    struct crowd *crowd = arg;
    atomic_fetch_add(&crowd->calls_ran, 1);
    return 3;
}

static int be_called_and_nap(void *arg)
{
    struct crowd *crowd = arg;
    atomic_fetch_add(&crowd->calls_ran, 1);
    ignore(hob_sleep(50 * HOB_USEC));
    return 3; // whether it was cancelled or not
}

static int be_posted(void *arg)
{
    struct crowd *crowd = arg;
    atomic_fetch_add(&crowd->posts_ran, 1);
    ignore(hob_sleep(20 * HOB_USEC));
    return 0;
}

static uint64_t draw(uint64_t *seed, uint64_t below)
{
    uint64_t z = (*seed += 0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    return (z ^ (z >> 31)) % below;
}

static void *visit(void *arg)
{
    struct visitor *v = arg;
    struct crowd   *crowd = v->crowd;
    for (int i = 0; i < crowd->rounds; i++) {
        hob_portal *portal = atomic_load(&crowd->portals[draw(&v->seed, crowd->portal_count)]);
        hob_task_fn *fn = draw(&v->seed, 2) == 0 ? be_called : be_called_and_nap;
        int          r;
        switch (draw(&v->seed, 3)) {
        case 0:
            r = hob_portal_post(portal, be_posted, crowd);
            expect(r == 0 || r == -EAGAIN || r == -EPIPE || r == -ENOMEM);
            atomic_fetch_add(&crowd->posts_good, r == 0);
            break;
        case 1:
            r = hob_portal_call(portal, fn, crowd);
            expect(r == 3 || r == -EPIPE || r == -ENOMEM);
            atomic_fetch_add(&crowd->calls_good, r == 3);
            break;
        case 2:
            r = hob_portal_call_within(portal, (int64_t)draw(&v->seed, 200) * HOB_USEC, fn, crowd);
            expect(r == 3 || r == -EPIPE || r == -ETIMEDOUT || r == -EAGAIN || r == -ENOMEM);
            atomic_fetch_add(&crowd->calls_good, r == 3);
            break;
        }
    }
    atomic_fetch_sub(&crowd->threads_left, 1);
    return NULL;
}

/* Opens, serves some time, closes, and the next is opened: until no thread is left. Who still has
 * an earlier one may use it: all are kept to the end. */
static int keep_a_portal(struct crowd *crowd)
{
    hob_portal *portal;
    HOB_SCOPE(s);
    HOB_TRY(hob_portal_open(&s, &(hob_portal_opts){ .posts = 8, .at_once = 3 }, &portal));
    int number = atomic_fetch_add(&crowd->opened, 1), r = 0;
    crowd->all[number] = hob_portal_ref(portal);
    atomic_store(&crowd->portals[hob_worker_number()], portal);
    for (int i = 0; (i < 40 || number >= KEPT_MAX - PORTALS_MAX) && r == 0; i++) {
        if (atomic_load(&crowd->threads_left) == 0)
            break;
        r = hob_sleep(100 * HOB_USEC);
    }
    hob_portal_close(portal);
    if (r == 0 && hob_random() % 2 == 0)
        hob_scope_cancel(&s, "a new one comes");
    ignore(hob_scope_end(&s));
    return r;
}

static int keep_portals(void *arg)
{
    struct crowd *crowd = arg;
    while (atomic_load(&crowd->threads_left) > 0)
        HOB_TRY(keep_a_portal(crowd));
    return 0;
}

static int crowd_the_portals(void *arg)
{
    struct crowd  *crowd = arg;
    struct visitor visitors[THREADS];
    int            started = 0;
    HOB_SCOPE(s);
    for (uint32_t i = 0; i < hob_workers(); i++) {
        hob_task_opts opts = { .where = HOB_ON(i) };
        HOB_TRY(hob_go_with(&s, keep_portals, crowd, &opts));
    }
    for (bool all = false; !all;) {
        HOB_TRY(hob_sleep(100 * HOB_USEC));
        all = true;
        for (uint32_t i = 0; i < hob_workers(); i++)
            all = all && atomic_load(&crowd->portals[i]) != NULL;
    }
    for (; started < THREADS; started++) {
        visitors[started] = (struct visitor){ .crowd = crowd, .seed = hob_test_seed() + (uint64_t)started };
        if (pthread_create(&visitors[started].thread, NULL, visit, &visitors[started]) != 0)
            break;
    }
    atomic_fetch_sub(&crowd->threads_left, THREADS - started);
    int r = hob_scope_end(&s);
    for (int i = 0; i < started; i++)
        pthread_join(visitors[i].thread, NULL);
    return r;
}

static void crowd_with(uint32_t workers)
{
    static struct crowd crowd;
    hob_run_opts        opts;
    memset(&crowd, 0, sizeof crowd);
    crowd.portal_count = workers;
    crowd.rounds = all_is_slow() ? 100 : 500;
    atomic_store(&crowd.threads_left, THREADS);
    hob_test_run_opts(&opts);
    opts.workers = workers;
    int r = hob_run_with(&opts, crowd_the_portals, &crowd);
    for (int i = 0; i < atomic_load(&crowd.opened); i++)
        hob_portal_unref(crowd.all[i]);
    expect_ok(r);
    expect_eq(atomic_load(&crowd.calls_ran), atomic_load(&crowd.calls_good));
    expect_eq(atomic_load(&crowd.posts_ran), atomic_load(&crowd.posts_good));
}

TEST_BARE_ON_ALL(portal, whatever_threads_do_each_call_ran_once_or_never)
{
    for (uint32_t workers = 1; workers <= PORTALS_MAX; workers *= 2)
        crowd_with(workers);
}
