/* SPDX-License-Identifier: MIT */
/*
 * hob/signal.h: a signal comes to all who listen, on every worker, once, and leaves nothing behind.
 */
#include "support/tasks.h"

#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "hob/loop.h"
#include "hob/select.h"
#include "hob/signal.h"

static void close_signals(hob_signals **signals)
{
    hob_signals_close(*signals);
}

#define LISTENING(name, ...)                                                       \
    __attribute__((cleanup(close_signals))) hob_signals *name = NULL;              \
    check_ok(hob_signals_open(HOB_SIGNALS(__VA_ARGS__), &name))

static bool in_sim(void)
{
    return strcmp(hob_test_backend(), "sim") == 0;
}

static int raise_it(int signal)
{
    return in_sim() ? hob_sim_raise(signal) : kill(getpid(), signal);
}

/* Nobody's signal would end the program. */
static bool somebody_listens(int signal)
{
    struct sigaction now;
    return in_sim() || (sigaction(signal, NULL, &now) == 0 && now.sa_handler != SIG_DFL);
}

/* Where all is slow the time of a sleep may have passed before it began: then it does not wait, and
 * whoever was to listen has not come to it yet. */
static int raise_later(void *arg)
{
    int signal = *(int *)arg;
    do
        HOB_TRY(hob_sleep(HOB_MSEC));
    while (!somebody_listens(signal));
    return raise_it(signal);
}

TEST_ON_ALL(signal, a_task_waits_for_it)
{
    HOB_SCOPE(s);
    check_ok(hob_go(&s, raise_later, &(int){ SIGUSR1 }));
    check_eq(hob_signal_wait(HOB_SIGNALS(SIGUSR2, SIGUSR1)), SIGUSR1);
    check_ok(hob_scope_end(&s));
}

TEST_ON_ALL(signal, what_came_before_the_wait_is_kept_once)
{
    LISTENING(signals, SIGUSR1, SIGUSR2);
    check_ok(raise_it(SIGUSR2));
    check_ok(raise_it(SIGUSR1));
    check_ok(raise_it(SIGUSR1));
    check_eq(hob_signals_next(signals), SIGUSR1);
    check_eq(hob_signals_next(signals), SIGUSR2);
    HOB_SCOPE(s);
    hob_scope_deadline(&s, hob_in(HOB_MSEC));
    check_err(hob_signals_next(signals), -ETIMEDOUT);
    ignore(hob_scope_end(&s));
}

TEST_ON_ALL(signal, it_is_a_case_of_select)
{
    LISTENING(signals, SIGUSR1);
    HOB_SCOPE(s);
    check_ok(hob_go(&s, raise_later, &(int){ SIGUSR1 }));
    int r = 0;
    check_eq(HOB_SELECT(&r, HOB_AFTER(HOB_HOUR), HOB_SIGNALLED(signals)), 1);
    check_eq(r, SIGUSR1);
    check_eq(HOB_SELECT(&r, HOB_AFTER(HOB_MSEC), HOB_SIGNALLED(signals)), 0);
    check_ok(raise_it(SIGUSR1));
    check_eq(HOB_SELECT(&r, HOB_SIGNALLED(signals), HOB_AFTER(HOB_HOUR)), 0);
    check_ok(hob_scope_end(&s));
}

static int take_next(void *arg)
{
    return hob_signals_next(*(hob_signals **)arg) == SIGUSR1 ? 0 : -EIO;
}

struct sharers {
    hob_signals *signals;
    int          took;
};

static int take_and_count(void *arg)
{
    struct sharers *sharers = arg;
    HOB_TRY(take_next(&sharers->signals));
    sharers->took++;
    return 0;
}

TEST_ON_ALL(signal, who_shares_a_stream_takes_turns)
{
    LISTENING(signals, SIGUSR1);
    struct sharers sharers = { signals, 0 };
    HOB_SCOPE(s);
    check_ok(hob_go(&s, take_and_count, &sharers));
    check_ok(hob_go(&s, take_and_count, &sharers));
    settle();
    for (int i = 0; i < 2; i++) {
        check_eq(sharers.took, i);
        check_ok(raise_it(SIGUSR1));
        for (int tries = 0; sharers.took == i && tries < 1000; tries++)
            check_ok(hob_sleep(HOB_MSEC));
    }
    check_ok(hob_scope_end(&s));
}

static int note_result(void *arg)
{
    hob_signals **signals = arg;
    return hob_signals_next(*signals) == -ECANCELED ? 0 : -EIO;
}

TEST_ON_ALL(signal, closing_ends_the_waits)
{
    hob_signals *signals;
    check_ok(hob_signals_open(HOB_SIGNALS(SIGUSR1), &signals));
    HOB_SCOPE(s);
    ignore(hob_go(&s, note_result, &signals));
    settle();
    hob_signals_close(signals);
    check_ok(hob_scope_end(&s));
}

TEST_ON_ALL(signal, cancelling_ends_the_wait)
{
    LISTENING(signals, SIGUSR1);
    HOB_SCOPE(s);
    check_ok(hob_go(&s, take_next, &signals));
    hob_scope_cancel(&s, "enough");
    check_err(hob_scope_end(&s), -EIO);
}

TEST(signal, what_cannot_be_waited_for_is_refused)
{
    check_err(hob_signal_wait(HOB_SIGNALS(SIGKILL)), -EINVAL);
    check_err(hob_signal_wait(HOB_SIGNALS(SIGUSR1, SIGSEGV)), -EINVAL);
    check_err(hob_signal_wait(HOB_SIGNALS(99)), -EINVAL);
}

static int wait_for_one(void *arg)
{
    int signal = HOB_TRY(hob_signal_wait(HOB_SIGNALS(SIGUSR1)));
    return signal == SIGUSR1 ? 0 : -EIO;
}

TEST_BARE_ON_ALL(signal, in_sim_nobody_else_sends_one)
{
    if (!in_sim())
        HOB_SKIP("whoever waits here may be sent one");
    check_err(hob_test_run(wait_for_one, NULL), HOB_ESTUCK);
    check_has(hob_test_report_text(), "everything is asleep for ever");
}

/* ---- dispositions ---- */

static atomic_int heard;

static void hear(int signal)
{
    (void)signal;
    atomic_fetch_add(&heard, 1);
}

static int listen_twice(void *arg)
{
    {
        LISTENING(outer, SIGUSR1);
        {
            LISTENING(inner, SIGUSR1, SIGUSR2);
            check_ok(raise_it(SIGUSR1));
            check_eq(hob_signals_next(inner), SIGUSR1);
        }
        check_ok(raise_it(SIGUSR1)); // still held by the outer one
        check_eq(hob_signals_next(outer), SIGUSR1);
    }
    return 0;
}

TEST_BARE_ON_ALL(signal, what_it_did_before_is_restored)
{
    if (in_sim())
        HOB_SKIP("no signal of the system is touched here");
    struct sigaction before, action = { .sa_handler = hear };
    atomic_store(&heard, 0);
    sigaction(SIGUSR1, &action, &before);
    hob_run_opts opts;
    hob_test_run_opts(&opts);
    int r = hob_run_with(&opts, listen_twice, NULL);
    int during = atomic_load(&heard);
    raise(SIGUSR1);
    sigaction(SIGUSR1, &before, &action);
    check_ok(r);
    check_eq(during, 0);
    check_eq(atomic_load(&heard), 1);
    check(action.sa_handler == hear);
}

static int leave_it_open(void *arg)
{
    return hob_signals_open(HOB_SIGNALS(SIGUSR1), arg);
}

TEST_BARE_ON_ALL(signal, one_that_is_left_open_is_told_and_closed)
{
    hob_run_opts opts;
    hob_signals *signals;
    struct sigaction now;
    hob_test_run_opts(&opts);
    check_ok(hob_run_with(&opts, leave_it_open, &signals));
    check_has(hob_test_report_text(), "a stream of signals");
    check_eq(sigaction(SIGUSR1, NULL, &now), 0);
    check(now.sa_handler == SIG_DFL);
}

/* ---- workers ---- */

static int listen_here(void *arg)
{
    atomic_int *left = arg;
    LISTENING(signals, SIGUSR1, SIGUSR2);
    atomic_fetch_sub(left, 1);
    check_eq(hob_signals_next(signals), SIGUSR1);
    return 0;
}

static int on_all_workers(void *arg)
{
    atomic_int left;
    atomic_store(&left, (int)hob_workers());
    HOB_SCOPE(s);
    for (uint32_t i = 0; i < hob_workers(); i++) {
        hob_task_opts opts = { .where = HOB_ON(i) };
        HOB_TRY(hob_go_with(&s, listen_here, &left, &opts));
    }
    for (int i = 0; atomic_load(&left) > 0 && i < 10000; i++)
        HOB_TRY(hob_sleep(100 * HOB_USEC));
    HOB_TRY(raise_it(SIGUSR1));
    return hob_scope_end(&s);
}

static int with_workers(uint32_t workers, hob_task_fn *fn)
{
    hob_run_opts opts;
    hob_test_run_opts(&opts);
    opts.workers = workers;
    return hob_run_with(&opts, fn, NULL);
}

TEST_BARE_ON_ALL(signal, all_of_two_workers_hear_it)
{
    check_ok(with_workers(2, on_all_workers));
}

TEST_BARE_ON_ALL(signal, all_of_four_workers_hear_it)
{
    check_ok(with_workers(4, on_all_workers));
}

/* ---- a guest: the descriptor tells of a signal, too ---- */

TEST_BARE_ON_ALL(signal, a_guest_of_another_loop_hears_it)
{
    if (in_sim())
        HOB_SKIP("its world has no descriptor to sleep on");
    hob_run_opts opts;
    hob_loop    *loop;
    hob_test_run_opts(&opts);
    check_ok(hob_begin(&opts, wait_for_one, NULL, &loop));
    int fd = hob_poll_fd(loop), said = HOB_STEP_IDLE, tries = 0;
    while (hob_step(loop, HOB_SEC) != HOB_STEP_IDLE && tries++ < 10)
        ;
    kill(getpid(), SIGUSR1);
    for (tries = 0; said != HOB_STEP_ENDED && tries < 10; tries++) {
        struct pollfd wait = { .fd = fd, .events = POLLIN };
        ignore(poll(&wait, 1, 1000));
        said = hob_step(loop, HOB_SEC);
    }
    check_eq(said, HOB_STEP_ENDED);
    check_ok(hob_finish(loop));
}

/* ---- much at once: streams come and go while signals rain ---- */

static int come_and_go(void *arg)
{
    for (int i = 0; i < 100; i++) {
        LISTENING(signals, SIGUSR1);
        int r = 0;
        check_ok(HOB_SELECT(&r, HOB_SIGNALLED(signals), HOB_AFTER(50 * HOB_USEC)));
        hob_yield();
    }
    return 0;
}

static int in_the_rain(void *arg)
{
    LISTENING(umbrella, SIGUSR1); // so that the process survives
    HOB_SCOPE(s);
    for (uint32_t i = 0; i < hob_workers(); i++) {
        hob_task_opts opts = { .where = HOB_ON(i) };
        HOB_TRY(hob_go_with(&s, come_and_go, NULL, &opts));
    }
    for (int i = 0; i < 300; i++) {
        HOB_TRY(raise_it(SIGUSR1));
        HOB_TRY(hob_sleep(10 * HOB_USEC));
    }
    return hob_scope_end(&s);
}

TEST_AS(signal, streams_come_and_go_in_the_rain,
        HOB_TEST_NO_RUNTIME | HOB_TEST_EACH_BACKEND | HOB_TEST_ONE_SEED, NULL)
{
    check_ok(with_workers(4, in_the_rain));
}
