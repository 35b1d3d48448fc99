/* SPDX-License-Identifier: MIT */
/*
 * hob/stop.h: what SIGTERM and SIGINT do to a run. In sim they are raised in virtual time; on the
 * others this process sends them to itself, and to children where they shall kill.
 */
#include "support/io.h"
#include "support/tasks.h"

#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <time.h>

#include "hob/loop.h"
#include "hob/select.h"
#include "hob/signal.h"

/* Who was started in the background of a script ignores SIGINT, and then so does a run. */
static __attribute__((constructor)) void hear_signals(void)
{
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
}

static int raise_it(int signal)
{
    return in_sim() ? hob_sim_raise(signal) : kill(getpid(), signal);
}

/* hob_run as a program would have it. */
static int run_with(hob_task_fn *fn, void *arg, int64_t drain_ns, uint32_t workers)
{
    hob_run_opts opts;
    hob_test_run_opts(&opts);
    opts.stop_signals = 1;
    opts.drain_ns = drain_ns;
    opts.workers = workers;
    return hob_run_with(&opts, fn, arg);
}

static int run(hob_task_fn *fn, void *arg)
{
    return run_with(fn, arg, 0, 1);
}

/* ---- nobody has anything to drain ---- */

static int sleep_and_hear_why(void *arg)
{
    const char **why = arg;
    HOB_TRY(raise_it(SIGTERM));
    int r = hob_sleep(HOB_HOUR);
    *why = hob_cancel_reason();
    return r;
}

TEST_BARE_ON_ALL(stop, who_drains_nothing_is_cancelled_at_once)
{
    const char *why = NULL;
    check_eq(run(sleep_and_hear_why, &why), 128 + SIGTERM);
    check_str(why, "SIGTERM");
    check_str(hob_test_report_text(), "");
}

static int fail_when_cancelled(void *arg)
{
    HOB_TRY(raise_it(SIGINT));
    ignore(hob_sleep(HOB_HOUR));
    return -EIO;
}

TEST_BARE_ON_ALL(stop, a_failure_while_it_stops_is_still_a_failure)
{
    check_err(run(fail_when_cancelled, NULL), -EIO);
    check_has(hob_test_report_text(), "EIO");
}

/* ---- draining ---- */

static int wait_then_finish(void *arg)
{
    int64_t *took = arg;
    HOB_TRY(hob_event_wait(hob_stopping()));
    int64_t began = hob_now();
    HOB_TRY(hob_sleep(20 * HOB_MSEC)); // a request that is under way
    *took = hob_now() - began;
    return 0;
}

static int raise_soon(void *signal)
{
    HOB_TRY(hob_sleep(2 * HOB_MSEC));
    return raise_it(*(int *)signal);
}

static int drain_one(void *arg)
{
    HOB_SCOPE(s);
    hob_go(&s, wait_then_finish, arg);
    hob_go(&s, raise_soon, &(int){ SIGTERM });
    return hob_scope_end(&s);
}

TEST_BARE_ON_ALL(stop, who_knows_has_time_to_finish_and_the_run_is_a_success)
{
    int64_t took = 0;
    check_ok(run(drain_one, &took));
    check_ge(took, 20 * HOB_MSEC);
}

static int never_finish(void *arg)
{
    HOB_SCOPE(s);
    hob_go(&s, raise_soon, &(int){ SIGINT });
    HOB_TRY(hob_event_wait(hob_stopping()));
    HOB_TRY(hob_sleep(HOB_HOUR));
    return 0;
}

TEST_BARE_ON_ALL(stop, draining_has_an_end)
{
    check_eq(run_with(never_finish, NULL, 5 * HOB_MSEC, 1), 128 + SIGINT);
    check_eq(run_with(never_finish, NULL, -1, 1), 128 + SIGINT); // not even begun
}

static int two_signals(void *arg)
{
    HOB_SCOPE(s);
    hob_go(&s, raise_soon, &(int){ SIGTERM });
    HOB_TRY(hob_event_wait(hob_stopping()));
    HOB_TRY(raise_it(SIGTERM)); // by timeout(1): the same once more
    HOB_TRY(hob_sleep(150 * HOB_MSEC));
    *(int *)arg = 1;
    HOB_TRY(raise_it(SIGTERM));
    HOB_TRY(hob_sleep(HOB_HOUR));
    return 0;
}

TEST_BARE_ON_ALL(stop, the_second_signal_ends_the_draining)
{
    int had_time = 0;
    check_eq(run_with(two_signals, &had_time, HOB_HOUR, 1), 128 + SIGTERM);
    check_eq(had_time, 1);
}

static int select_it(void *arg)
{
    HOB_SCOPE(s);
    hob_go(&s, raise_soon, &(int){ SIGTERM });
    check_eq(hob_event_is_set(hob_stopping()), 0);
    check_eq(HOB_SELECT(NULL, HOB_AFTER(HOB_HOUR), HOB_EVENT_WAIT(hob_stopping())), 1);
    check_eq(hob_event_is_set(hob_stopping()), 1);
    return hob_scope_end(&s);
}

TEST_BARE_ON_ALL(stop, it_is_a_case_of_select)
{
    check_ok(run(select_it, NULL));
}

/* ---- accepting ---- */

struct server {
    hob_tcp_listener *listener;
    int               served;
};

/* Answers each byte with itself, slowly, until the other end closes. */
static int serve_one(void *arg)
{
    hob_tcp *conn = arg;
    TCP(held);
    held = conn;
    char     byte;
    while (HOB_TRY(hob_tcp_read(conn, &byte, 1)) > 0) {
        HOB_TRY(hob_sleep(10 * HOB_MSEC));
        HOB_TRY(hob_tcp_write(conn, &byte, 1));
    }
    return 0;
}

/* As one would write it, without a thought of stopping. */
static int serve(void *arg)
{
    struct server *server = arg;
    HOB_SCOPE(s);
    for (;;) {
        hob_tcp *conn;
        HOB_TRY(hob_tcp_accept(server->listener, &conn));
        server->served++;
        if (hob_go(&s, serve_one, conn) < 0)
            hob_tcp_close(conn);
    }
}

static int ask_while_it_stops(void *arg)
{
    struct server *server = arg;
    TCP(conn);
    char byte = 'x';
    HOB_TRY(connect_to(server->listener, &conn));
    HOB_TRY(hob_tcp_write(conn, &byte, 1));
    HOB_TRY(hob_sleep(3 * HOB_MSEC));
    HOB_TRY(raise_it(SIGTERM));
    check_eq(hob_tcp_read(conn, &byte, 1), 1); // the answer still comes
    return 0;
}

static int serve_and_stop(void *arg)
{
    struct server server = { 0 };
    LISTENER(listener);
    check_ok(listen_here(&listener));
    server.listener = listener;
    HOB_SCOPE(s);
    hob_go(&s, serve, &server);
    hob_go(&s, ask_while_it_stops, &server);
    HOB_TRY(hob_scope_end(&s));
    check_eq(server.served, 1);
    hob_tcp *none;
    check_err(hob_tcp_accept(listener, &none), HOB_ESTOPPING);
    return 0;
}

/* SURVIVAL 20: what is under way is finished. */
TEST_BARE_ON_ALL(stop, a_server_that_knows_nothing_of_it_finishes_what_it_has_begun)
{
    check_ok(run(serve_and_stop, NULL));
    check_str(hob_test_report_text(), "");
}

static int connect_before_accepting(void *arg)
{
    LISTENER(listener);
    TCP(client);
    TCP(server);
    check_ok(listen_here(&listener));
    check_ok(connect_to(listener, &client));
    hob_stop("the test says so");
    check_ok(hob_event_wait(hob_stopping()));
    check_ok(hob_tcp_accept(listener, &server)); // it came before
    TCP(none);
    check_err(hob_tcp_accept(listener, &none), HOB_ESTOPPING);

    hob_op op;
    check_ok(hob_tcp_accept_prep(&op, listener, &none));
    check_err(hob_op_await(&op), HOB_ESTOPPING);
    HOB_SCOPE(s);
    hob_scope_cancel(&s, "enough");
    check_err(hob_tcp_accept(listener, &none), -ECANCELED); // the scope's word is more
    ignore(hob_scope_end(&s));
    return 0;
}

TEST_BARE_ON_ALL(stop, a_connection_that_had_come_is_still_accepted)
{
    check_ok(run(connect_before_accepting, NULL));
}

static int accept_on(void *arg)
{
    TCP(conn);
    return hob_tcp_accept(arg, &conn);
}

static int keep_one_open(void *arg)
{
    LISTENER(health);
    hob_tcp_listen_opts opts = { .while_stopping = 1 };
    hob_addr            any = hob_addr_loopback(0);
    check_ok(hob_tcp_listen(&any, &opts, &health));
    HOB_SCOPE(s);
    hob_future *accepted = hob_async(&s, accept_on, health);
    hob_stop(NULL);
    check_ok(hob_event_wait(hob_stopping()));
    settle();
    TCP(client);
    check_ok(connect_to(health, &client));
    check_ok(hob_await(accepted));
    return hob_scope_end(&s);
}

TEST_BARE_ON_ALL(stop, a_listener_may_go_on_while_the_run_stops)
{
    check_ok(run(keep_one_open, NULL));
}

static int supervise_a_server(void *arg)
{
    LISTENER(listener);
    check_ok(listen_here(&listener));
    struct server server = { .listener = listener };
    hob_child     child = { .name = "server", .fn = serve, .arg = &server };
    HOB_SCOPE(s);
    hob_go(&s, raise_soon, &(int){ SIGTERM });
    return hob_supervise(&child, 1, NULL);
}

TEST_BARE_ON_ALL(stop, a_supervisor_does_not_start_again_what_stopped)
{
    check_ok(run(supervise_a_server, NULL));
    check_str(hob_test_report_text(), "");
}

/* ---- workers ---- */

static int listen_there(void *arg)
{
    LISTENER(listener);
    TCP(conn);
    check_ok(listen_here(&listener));
    atomic_fetch_add((atomic_int *)arg, 1);
    return hob_tcp_accept(listener, &conn);
}

static int wait_there(void *arg)
{
    atomic_fetch_add((atomic_int *)arg, 1);
    return hob_event_wait(hob_stopping());
}

static int on_all_workers(void *arg)
{
    atomic_int ready;
    atomic_store(&ready, 0);
    HOB_SCOPE(s);
    for (uint32_t i = 0; i < hob_workers(); i++) {
        hob_task_opts opts = { .where = HOB_ON(i) };
        HOB_TRY(hob_go_with(&s, listen_there, &ready, &opts));
        HOB_TRY(hob_go_with(&s, wait_there, &ready, &opts));
    }
    while (atomic_load(&ready) < 2 * (int)hob_workers())
        HOB_TRY(hob_sleep(HOB_MSEC));
    HOB_TRY(raise_it(SIGTERM));
    return hob_scope_end(&s);
}

TEST_BARE_ON_ALL(stop, all_workers_are_told)
{
    check_ok(run_with(on_all_workers, NULL, 0, 3));
}

static int serve_until_told(hob_tcp_listener *listener, void *arg)
{
    return hob_event_wait(hob_stopping());
}

static int call_soon(void *arg)
{
    HOB_TRY(hob_sleep(HOB_MSEC));
    hob_stop("enough");
    return 0;
}

static int serve_on_all(void *arg)
{
    hob_addr here = hob_addr_loopback(0);
    HOB_SCOPE(s);
    HOB_TRY(hob_go(&s, call_soon, NULL));
    HOB_TRY(hob_tcp_serve_sharded(&here, NULL, serve_until_told, NULL));
    return hob_scope_end(&s);
}

/* In virtual time the end of the draining was only a turn away while the workers ended. */
TEST_BARE_ON_ALL(stop, workers_that_end_in_time_make_a_success)
{
    hob_run_opts opts;
    hob_test_run_opts(&opts);
    opts.workers = 4;
    for (opts.seed = 1; opts.seed <= 50; opts.seed++)
        check_ok(hob_run_with(&opts, serve_on_all, NULL));
}

static int stop_from_there(void *arg)
{
    hob_stop("from another worker");
    return 0;
}

static int be_stopped_from_afar(void *arg)
{
    const char **why = arg;
    ignore(hob_on(1, stop_from_there, NULL)); // which may come too late to be told
    int r = hob_sleep(HOB_HOUR);
    *why = hob_cancel_reason();
    return r;
}

TEST_BARE_ON_ALL(stop, any_worker_may_call_for_it)
{
    const char *why = NULL;
    check_err(run_with(be_stopped_from_afar, &why, 0, 2), -ECANCELED);
    check_str(why, "from another worker");
    check_str(hob_test_report_text(), "");
}

/* ---- whose the signals are ---- */

static int take_it_ourselves(void *arg)
{
    hob_signals *signals;
    check_ok(hob_signals_open(HOB_SIGNALS(SIGTERM), &signals));
    int r = raise_it(SIGTERM);
    int signal = r == 0 ? hob_signals_next(signals) : r;
    int stopping = hob_event_is_set(hob_stopping());
    hob_signals_close(signals);
    check_eq(signal, SIGTERM);
    check_eq(stopping, 0);
    check_ok(raise_it(SIGTERM)); // now it is the run's
    return hob_event_wait(hob_stopping());
}

TEST_BARE_ON_ALL(stop, who_waits_for_the_signal_has_it)
{
    check_ok(run(take_it_ourselves, NULL));
}

static atomic_int heard;

static void hear(int signal)
{
    (void)signal;
    atomic_fetch_add(&heard, 1);
}

static int hear_it(void *arg)
{
    check_ok(kill(getpid(), SIGTERM));
    check_eq(hob_event_is_set(hob_stopping()), 0);
    return 0;
}

TEST_BARE_ON_ALL(stop, a_handler_or_nohup_is_left_alone_and_the_default_restored)
{
    if (in_sim())
        skip("no signal of the system is touched here");
    struct sigaction action = { .sa_handler = hear }, before, now;
    atomic_store(&heard, 0);
    sigaction(SIGTERM, &action, &before);
    int r = run(hear_it, NULL);
    action.sa_handler = SIG_IGN;
    sigaction(SIGTERM, &action, NULL);
    int r2 = run(hear_it, NULL);
    sigaction(SIGTERM, &before, &now);
    check_ok(r);
    check_ok(r2);
    check_eq(atomic_load(&heard), 1);
    check(now.sa_handler == SIG_IGN);
    check_ok(run(end_at_once, NULL));
    sigaction(SIGTERM, NULL, &now);
    check(now.sa_handler == SIG_DFL);
}

static int wait_for_ever(void *arg)
{
    return hob_event_wait(hob_stopping());
}

TEST_BARE_ON_ALL(stop, in_sim_who_waits_for_what_nobody_raises_is_asleep_for_ever)
{
    if (!in_sim())
        skip("here a signal may come");
    check_err(run(wait_for_ever, NULL), HOB_ESTUCK);
    check_has(hob_test_report_text(), "asleep for ever");
}

static int stuck_all_the_same(void *arg)
{
    hob_promise *p;
    HOB_TRY(hob_promise_new(&p));
    int r = hob_promise_await(p, NULL);
    hob_promise_free(p);
    return r;
}

TEST_BARE_ON_ALL(stop, that_a_signal_may_come_hides_no_deadlock)
{
    check_err(run(stuck_all_the_same, NULL), HOB_ESTUCK);
    check_has(hob_test_report_text(), "asleep for ever");
}

static int stop_by_hand(void *arg)
{
    check_ok(raise_it(SIGTERM));
    return hob_sleep(5 * HOB_MSEC);
}

TEST_BARE_ON_ALL(stop, a_guest_leaves_signals_to_its_host)
{
    if (in_sim())
        skip("no signal of the system is touched here");
    struct sigaction action = { .sa_handler = hear }, before;
    hob_run_opts     opts;
    hob_loop        *loop;
    atomic_store(&heard, 0);
    hob_test_run_opts(&opts);
    opts.stop_signals = 0;
    check_ok(hob_begin(&opts, stop_by_hand, NULL, &loop));
    sigaction(SIGTERM, &action, &before); // only now: the guest would have taken it
    while (hob_step(loop, HOB_SEC) != HOB_STEP_ENDED)
        ;
    int r = hob_finish(loop);
    sigaction(SIGTERM, &before, NULL);
    check_ok(r);
    check_eq(atomic_load(&heard), 1);
}

/* ---- who does not leave ---- */

static int stay_long(void *arg)
{
    HOB_TRY(raise_it(SIGTERM));
    HOB_SHIELD(10 * HOB_SEC) {
        ignore(hob_sleep(6 * HOB_SEC));
    }
    return hob_cancelled();
}

TEST_BARE_ON_ALL(stop, who_is_still_there_after_five_seconds_is_told)
{
    check_eq(run(stay_long, NULL), 128 + SIGTERM);
    check_has(hob_test_report_text(), "SIGTERM: cancelled 5 s ago, and still there:");
    check_has(hob_test_report_text(), "stay_long");
}

enum { LOAFING, COMPUTING };

static int stay(void *how)
{
    ignore(write(STDOUT_FILENO, "1", 1));
    if (*(int *)how == COMPUTING) {
        for (;;)
            __asm__ volatile("");
    }
    ignore(hob_sleep(HOB_HOUR));
    ignore(write(STDOUT_FILENO, "2", 1));
    HOB_SHIELD(HOB_FOREVER) {
        ignore(hob_sleep(HOB_HOUR));
    }
    return 0;
}

/* A process that does not leave: which signal ended it. */
static int ended_by(int how, int64_t between_ns)
{
    int   ends[2];
    char  c;
    check_eq(pipe2(ends, O_CLOEXEC), 0);
    pid_t child = fork();
    if (child == 0) {
        die_with_parent();
        hob_run_opts opts = { .backend = hob_test_backend(), .slow_ns = -1 };
        dup2(ends[1], STDOUT_FILENO);
        _exit(hob_run_with(&opts, stay, &how));
    }
    close(ends[1]);
    ignore(read(ends[0], &c, 1));
    struct timespec pause = { .tv_sec = between_ns / HOB_SEC, .tv_nsec = between_ns % HOB_SEC };
    kill(child, SIGTERM);
    if (how == LOAFING)
        ignore(read(ends[0], &c, 1));
    nanosleep(&pause, NULL);
    kill(child, SIGTERM);
    int status = 0;
    waitpid(child, &status, 0);
    close(ends[0]);
    return WIFSIGNALED(status) ? WTERMSIG(status) : -WEXITSTATUS(status);
}

TEST_AS(stop, one_more_signal_ends_who_will_not_leave,
        HOB_TEST_NO_RUNTIME | HOB_TEST_EACH_BACKEND | HOB_TEST_ONE_SEED, NULL)
{
    if (in_sim())
        skip("no signal of the system is touched here");
    check_eq(ended_by(LOAFING, 150 * HOB_MSEC), SIGTERM);
    if (!IS_SANITIZED) // there a signal is only handled when a function of libc is called
        check_eq(ended_by(COMPUTING, 1200 * HOB_MSEC), SIGTERM);
}

static int fork_and_be_killed(void *arg)
{
    pid_t child = fork();
    if (child == 0) {
        die_with_parent();
        for (;;)
            pause();
    }
    kill(child, SIGTERM);
    int status = 0;
    waitpid(child, &status, 0);
    check(WIFSIGNALED(status));
    check_eq(WTERMSIG(status), SIGTERM);
    check_eq(hob_event_is_set(hob_stopping()), 0);
    return 0;
}

TEST_BARE_ON_ALL(stop, a_forked_child_dies_as_it_should)
{
    if (in_sim())
        skip("no signal of the system is touched here");
    check_ok(run(fork_and_be_killed, NULL));
}
