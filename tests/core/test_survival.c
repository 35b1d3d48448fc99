/* SPDX-License-Identifier: MIT */
/*
 * What the runtime must survive (docs/inside/survival.md), on every backend: what the other tests
 * of the core show in virtual time, here with clocks that cannot be stopped.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/fault.h"
#include "support/io.h"
#include "support/tasks.h"

static int million(void)
{
    return all_is_slow() ? 5000 : 1000000;
}

/* ---- 1, 2: memory runs out ---- */

static int say(void *conn)
{
    return hob_tcp_write(conn, "word", 4) == 4 ? 0 : -EIO;
}

static int hear(void *conn)
{
    char buf[4];
    return hob_tcp_read(conn, buf, 4) == 4 ? 0 : -EIO;
}

/* A bit of everything. A fault in it is its result, and nothing else of its business. */
static int use_everything(void *folder)
{
    LISTENER(listener);
    TCP(client);
    TCP(server);
    FILE_(file);
    PIPE(reader);
    PIPE(writer);
    char         path[256];
    hob_promise *promise;

    HOB_TRY(listen_here(&listener));
    HOB_TRY(connect_to(listener, &client));
    HOB_TRY(hob_tcp_accept(listener, &server));
    HOB_TRY(hob_pipe_open(&reader, &writer));
    snprintf(path, sizeof path, "%s/f", (const char *)folder);
    ignore(hob_sim_put_file(path, "", 0)); // in sim: makes the folder, too
    HOB_TRY(hob_file_open(path, O_CREAT | O_RDWR, 0600, &file));
    HOB_TRY(hob_file_write(file, "text", 4));
    HOB_TRY(hob_promise_new(&promise));
    hob_promise_resolve(promise, NULL);
    hob_promise_free(promise);

    HOB_SCOPE(s);
    hob_scope_deadline(&s, hob_in(10 * HOB_SEC));
    hob_go(&s, hear, server);
    hob_go(&s, say, client);
    int r = hob_await(hob_async(&s, end_at_once, NULL));
    int ended = hob_scope_end(&s);
    return r < 0 ? r : ended;
}

TEST_BARE_ON_ALL(survival, any_allocation_and_any_system_call_may_fail)
{
    char     folder[256];
    hob_test_timeout(60);
    snprintf(folder, sizeof folder, "%s", hob_test_scratch());
    hob__fault_start(INT64_MAX); // only counts
    check_ok(hob_test_run(use_everything, folder));
    uint64_t points = hob__fault_stop();
    check_gt(points, 10);
    for (uint64_t at = 0; at < points; at++) {
        hob__fault_start(at);
        int r = hob_test_run(use_everything, folder);
        hob__fault_stop();
        check_le(r, 0);
        check_ne(r, HOB_ESTUCK);
        hob_test_report_clear();
    }
}

TEST_ON_ALL(survival, a_stack_that_cannot_be_had_is_told_and_stops_nobody_else)
{
    hob_task_opts big = { .stack_bytes = 1 << 20 };
    struct nap    other = { .ns = 2 * HOB_MSEC };
    int           r = 0;
    HOB_SCOPE(outer);
    check_ok(hob_go(&outer, nap, &other));
    {
        HOB_SCOPE(s);
        for (int i = 0; i < 10000 && r == 0; i++) { // until the ones that are mapped are used up
            hob__fault_start(0);
            r = hob_go_with(&s, sleep_for_ever, NULL, &big);
            hob__fault_stop();
        }
        check_err(r, -ENOMEM);
        check_err(hob_scope_end(&s), -ENOMEM); // also for who does not look
    }
    check_ok(hob_go_with(&outer, end_at_once, NULL, &big));
    check_ok(hob_scope_end(&outer));
    check_ok(other.result);
}

/* ---- 4: a million tasks ---- */

/* The memory that the process has, in KiB. */
static long resident_kib(void)
{
    long  size = 0, pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (f != NULL) {
        if (fscanf(f, "%ld %ld", &size, &pages) != 2)
            pages = 0;
        fclose(f);
    }
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static int start_and_end(int rounds)
{
    for (int i = 0; i < rounds; i++) {
        HOB_SCOPE(s);
        for (int j = 0; j < 1000; j++)
            check_ok(hob_go(&s, sleep_for_ever, NULL));
        hob_scope_cancel(&s, NULL);
        check_err(hob_scope_end(&s), -ECANCELED);
    }
    return 0;
}

TEST_AS(survival, a_million_tasks_leave_the_memory_as_it_was,
        HOB_TEST_EACH_BACKEND | HOB_TEST_ONE_SEED, NULL)
{
    hob_test_timeout(60);
    check_ok(start_and_end(all_is_slow() ? 5 : 20)); // fills the pools
    long before = resident_kib();
    check_ok(start_and_end(million() / 1000));
    check_le(resident_kib(), before + before / 10);
}

/* ---- 8: cancelling twice, or too late ---- */

static int cancel_me(void *arg)
{
    hob_future **me = arg;
    hob_future_cancel(*me, "twice");
    hob_future_cancel(*me, "three times");
    return 0;
}

TEST_ON_ALL(survival, cancelling_a_task_twice_or_after_its_end_changes_nothing)
{
    HOB_SCOPE(s);
    hob_future *sleeper = hob_async(&s, sleep_for_ever, NULL);
    hob_go(&s, cancel_me, &sleeper);
    settle();
    hob_future_cancel(sleeper, "after its end");
    check_err(hob_await(sleeper), -ECANCELED);

    hob_future *done = hob_async(&s, end_at_once, NULL);
    settle();
    hob_future_cancel(done, "after its end");
    check_ok(hob_await(done));
    check_ok(hob_scope_end(&s));
}

/* ---- 9: the end and the deadline together ---- */

TEST_ON_ALL(survival, a_deadline_and_a_result_in_the_same_turn_have_one_outcome)
{
    for (int i = 0; i < 20; i++) {
        TCP(client);
        TCP(server);
        char buf[8];
        check_ok(tcp_pair(&client, &server));
        {
            HOB_SCOPE(s);
            int64_t when = hob_in(2 * HOB_MSEC);
            hob_scope_deadline(&s, when);
            struct nap n = { .ns = 2 * HOB_MSEC };
            hob_go(&s, nap, &n);
            struct io io = { .stream = hob_tcp_stream(server), .result = 1 };
            hob_go(&s, read_once, &io);
            HOB_SHIELD(HOB_SEC) {
                check_ok(hob_sleep_until(when)); // the bytes and the deadline come together
                check_eq(hob_tcp_write(client, "word", 4), 4);
            }
            ignore(hob_scope_end(&s));
            check(n.result == 0 || n.result == -ETIMEDOUT);
            check(io.result == 4 || io.result == -ETIMEDOUT);
            if (io.result == 4)
                continue;
        }
        check_eq(hob_tcp_read(server, buf, sizeof buf), 4);
    }
}

/* ---- 10: a child fails ---- */

TEST_ON_ALL(survival, a_failing_child_cancels_its_siblings_and_is_the_result)
{
    struct nap  early = { .ns = HOB_MSEC, .then = -EIO }, patient = { .ns = HOB_HOUR };
    hob_failure f;
    TCP(client);
    TCP(server);
    check_ok(tcp_pair(&client, &server));
    struct io io = { .stream = hob_tcp_stream(server), .result = 1 };
    HOB_SCOPE(s);
    hob_go(&s, read_once, &io);
    hob_go(&s, nap, &patient);
    hob_go(&s, nap, &early);
    check_err(hob_scope_end(&s), -EIO);
    check_err(patient.result, -ECANCELED);
    check_err(io.result, -ECANCELED);
    check_eq(hob_scope_failures(&s), 1);
    check_ok(hob_scope_failure(&s, 0, &f));
    check_err(f.error, -EIO);
}

/* ---- 11: a cleanup that blocks ---- */

static int clean_up_for_too_long(void *arg)
{
    int *result = arg;
    ignore(hob_sleep(HOB_FOREVER));
    HOB_SHIELD(5 * HOB_MSEC) {
        *result = hob_sleep(HOB_HOUR);
    }
    return *result;
}

TEST_ON_ALL(survival, a_cleanup_has_its_time_and_no_more)
{
    int     result = 0;
    int64_t start = hob_now();
    HOB_SCOPE(s);
    hob_go(&s, clean_up_for_too_long, &result);
    hob_go(&s, fail_with, &(int){ -EIO });
    check_err(hob_scope_end(&s), -EIO); // the first error is not lost
    check_err(result, -ETIMEDOUT);
    check_ge(hob_now() - start, 5 * HOB_MSEC);
    check_lt(hob_now() - start, HOB_MINUTE);
}

/* ---- 19: fork ---- */

/* In the child: uses what belongs to its parent. */
static __attribute__((noreturn)) void use_what_is_the_parents(int out, hob_tcp *conn)
{
    signal(SIGABRT, SIG_DFL);
    dup2(out, STDERR_FILENO);
    ignore(hob_tcp_write(conn, "x", 1));
    _exit(0);
}

TEST_AS(survival, a_forked_child_may_only_exec, HOB_TEST_EACH_BACKEND | HOB_TEST_ONE_SEED, NULL)
{
    TCP(client);
    TCP(server);
    int     fds[2], status;
    char    said[512], byte;
    ssize_t n, len = 0;

    check_ok(tcp_pair(&client, &server));
    check_ok(pipe(fds));
    pid_t child = fork();
    if (child == 0)
        use_what_is_the_parents(fds[1], client);
    close(fds[1]);
    while ((n = read(fds[0], said + len, sizeof said - 1 - (size_t)len)) > 0)
        len += n;
    said[len] = '\0';
    close(fds[0]);
    check_eq(waitpid(child, &status, 0), child);
    check(WIFSIGNALED(status));
    check_eq(WTERMSIG(status), SIGABRT);
    check_has(said, "forked");

    check_eq(hob_tcp_write(client, "y", 1), 1); // the parent has all that it had
    check_eq(hob_tcp_read(server, &byte, 1), 1);
    check_eq(byte, 'y');
}

/* ---- 22: the calendar clock jumps ---- */

static bool clock_jumps;

/* In front of the C library's: an hour forth, an hour back, at each look. */
int clock_gettime(clockid_t clock, struct timespec *ret_now)
{
    static int (*real)(clockid_t, struct timespec *);
    static int looks;
    if (real == NULL) {
        void *found = dlsym(RTLD_NEXT, "clock_gettime");
        memcpy(&real, &found, sizeof real);
    }
    int r = real(clock, ret_now);
    if (clock_jumps && clock != CLOCK_MONOTONIC)
        ret_now->tv_sec += looks++ % 2 == 0 ? 3600 : -3600;
    return r;
}

static void stop_jumping(void *arg)
{
    *(bool *)arg = false;
}

TEST_ON_ALL(survival, timers_do_not_mind_when_the_calendar_jumps)
{
    struct nap naps[20];
    bool       jumped = false;
    HOB_DEFER(stop_jumping, &clock_jumps);
    clock_jumps = true;
    int64_t start = hob_now(), wall = hob_wall_now();
    for (int i = 0; i < 10; i++)
        jumped = jumped || llabs(hob_wall_now() - wall) > HOB_MINUTE;
    if (strcmp(hob_test_backend(), "sim") != 0)
        check(jumped); // it is our clock that is asked
    HOB_SCOPE(s);
    hob_scope_deadline(&s, hob_in(30 * HOB_MINUTE));
    for (int i = 0; i < 20; i++) {
        naps[i] = (struct nap){ .ns = (i + 1) * HOB_MSEC };
        hob_go(&s, nap, &naps[i]);
    }
    check_ok(hob_scope_end(&s));
    for (int i = 0; i < 20; i++)
        check_ge(naps[i].woke_at - start, naps[i].ns);
    check_lt(hob_now() - start, HOB_MINUTE);
}

/* ---- 23: a million timers ---- */

struct many {
    int     left, wrong, cancelled;
    int64_t when;
};

static void count_down(void *arg, ssize_t result)
{
    struct many *m = arg;
    m->left--;
    if (result == -ECANCELED)
        m->cancelled++;
    else if (result != 0 || hob_now() < m->when)
        m->wrong++;
}

static int play_catch(void *arg)
{
    void **ends = arg;
    char   byte;
    for (;;) {
        HOB_TRY(hob_tcp_write(ends[0], "x", 1));
        HOB_TRY(hob_tcp_read(ends[1], &byte, 1));
        ++*(uint64_t *)ends[2];
        HOB_TRY(hob_sleep(HOB_MSEC)); // in sim, time stands still for those who are fast
    }
}

/* All at one instant, but for some that are due at once and some that never are. */
TEST_AS(survival, a_million_timers_at_one_instant_do_not_stop_the_rest,
        HOB_TEST_EACH_BACKEND | HOB_TEST_ONE_SEED, NULL)
{
    int      n = million(), odd = 1000;
    hob_op  *ops = malloc((size_t)(n + 2 * odd) * sizeof *ops);
    uint64_t catches = 0;
    TCP(client);
    TCP(server);
    HOB_DEFER(free, ops);
    check(ops != NULL);
    hob_test_timeout(60);
    check_ok(tcp_pair(&client, &server));

    HOB_SCOPE(s);
    HOB_SCOPE(game);
    void       *ends[3] = { client, server, &catches };
    struct many many = { .left = n, .when = hob_in(300 * HOB_MSEC) };
    struct many now = { .left = odd, .when = 0 }, never = { .left = odd, .when = HOB_FOREVER };
    hob_go(&game, play_catch, ends);
    for (int i = 0; i < n; i++) {
        hob_sleep_prep(&ops[i], many.when);
        hob_op_call(&s, &ops[i], count_down, &many);
    }
    for (int i = 0; i < odd; i++) {
        hob_sleep_prep(&ops[n + i], i % 2 == 0 ? 0 : INT64_MIN);
        hob_op_call(&s, &ops[n + i], count_down, &now);
        hob_sleep_prep(&ops[n + odd + i], INT64_MAX - i % 2);
        hob_op_call(&s, &ops[n + odd + i], count_down, &never);
    }
    settle();
    check_eq(now.left, 0);
    check_eq(never.left, odd);
    while (many.left > 0)
        check_ok(hob_sleep(HOB_MSEC));
    check_eq(many.wrong + now.wrong, 0);
    check_ge(hob_now(), many.when);
    check_gt(catches, 0);
    hob_scope_cancel(&game, "enough");
    check_err(hob_scope_end(&game), -ECANCELED);
    hob_scope_cancel(&s, "enough");
    check_err(hob_scope_end(&s), -ECANCELED);
    check_eq(never.cancelled, odd);
}
