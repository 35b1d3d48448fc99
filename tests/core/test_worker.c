/* SPDX-License-Identifier: MIT */
/*
 * Workers: a child on another one is a child like any other, for waiting, failing, cancelling;
 * and the end, and being stuck, are seen for all of them together.
 */
#include "support/workers.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <unistd.h>

#define ON(number) (&(hob_task_opts){ .where = HOB_ON(number) })

/* The world of a test has as many workers as the machine has processors; these want three. */
#define TEST_3(claim) TEST_WITH_WORKERS(workers, claim, 3)

static int note_worker(void *arg)
{
    *(uint32_t *)arg = hob_worker_number();
    return 0;
}

TEST_3(a_child_runs_where_it_is_told_and_its_scope_waits_for_it)
{
    uint32_t where[3] = { 9, 9, 9 };
    check_eq(hob_workers(), 3);
    check_eq(hob_worker_number(), 0);
    HOB_SCOPE(s);
    for (uint32_t i = 0; i < 3; i++)
        check_ok(hob_go_with(&s, note_worker, &where[i], ON(i)));
    check_ok(hob_scope_end(&s));
    for (uint32_t i = 0; i < 3; i++)
        check_eq(where[i], i);
    return 0;
}

static int sleep_then_fail(void *arg)
{
    HOB_TRY(hob_sleep(HOB_MSEC));
    HOB_TRY(*(int *)arg);
    return 0;
}

TEST_3(a_failure_there_cancels_the_siblings_here)
{
    int here = 0, there = 0;
    HOB_SCOPE(s);
    check_ok(hob_go(&s, sleep_for_ever, &here));
    check_ok(hob_go_with(&s, sleep_for_ever, &there, ON(2)));
    check_ok(hob_go_with(&s, sleep_then_fail, &(int){ -EDOM },
                         &(hob_task_opts){ .where = HOB_ON(1), .name = "far" }));
    check_err(hob_scope_end(&s), -EDOM);
    check_err(here, -ECANCELED);
    check_err(there, -ECANCELED);
    hob_failure f;
    check_ok(hob_scope_failure(&s, 0, &f));
    check_str(f.task, "far");
    check(f.failed_at != NULL);
    return 0;
}

TEST_3(deadlines_and_cancels_reach_the_other_workers)
{
    int there = 0;
    {
        HOB_SCOPE(s);
        check_ok(hob_go_with(&s, sleep_for_ever, &there, ON(1)));
        hob_scope_deadline(&s, hob_in(HOB_MSEC));
        check_err(hob_scope_end(&s), -ETIMEDOUT);
        check_err(there, -ETIMEDOUT);
    }
    {
        HOB_SCOPE(s);
        check_ok(hob_go_with(&s, sleep_for_ever, &there, ON(1)));
        hob_scope_cancel(&s, "enough");
        check_err(hob_scope_end(&s), -ECANCELED);
        check_err(there, -ECANCELED);
    }
    {
        HOB_SCOPE(s); // cancelled before it starts: it runs to its first wait
        hob_scope_cancel(&s, "enough");
        check_ok(hob_go_with(&s, sleep_for_ever, &there, ON(1)));
        check_ok(hob_go_with(&s, sleep_for_ever, NULL, &(hob_task_opts){ .where = HOB_ANYWHERE }));
        check_err(hob_scope_end(&s), -ECANCELED);
    }
    return 0;
}

static int answer(void *arg)
{
    HOB_TRY(hob_sleep(HOB_MSEC));
    return *(int *)arg;
}

TEST_3(futures_and_hob_on_bring_the_result)
{
    HOB_SCOPE(s);
    hob_future *f = hob_async_with(&s, answer, &(int){ 42 }, ON(1));
    check_eq(hob_await(f), 42);
    check_eq(hob_on(2, answer, &(int){ 43 }), 43);
    check_eq(hob_on(0, answer, &(int){ 44 }), 44);
    check_err(hob_on(1, answer, &(int){ -EDOM }), -EDOM);
    f = hob_async_with(&s, sleep_for_ever, NULL, ON(1));
    hob_future_cancel(f, "enough");
    check_err(hob_await(f), -ECANCELED);
    check_ok(hob_scope_end(&s));
    return 0;
}

static int call_far(void *arg)
{
    return hob_on(1, sleep_for_ever, arg);
}

TEST_3(a_cancelled_call_to_another_worker_comes_back)
{
    int there = 0;
    HOB_SCOPE(s);
    check_ok(hob_go(&s, call_far, &there));
    hob_scope_deadline(&s, hob_in(HOB_MSEC));
    check_err(hob_scope_end(&s), -ETIMEDOUT);
    check_err(there, -ETIMEDOUT);
    return 0;
}

struct parcel {
    int  number;
    char text[100];
    atomic_int *sum;
};

static int open_parcel(void *arg)
{
    struct parcel *parcel = arg;
    HOB_TRY(hob_sleep(HOB_USEC));
    atomic_fetch_add(parcel->sum, parcel->text[99] == 'z' ? parcel->number : -1000);
    return 0;
}

TEST_3(arguments_are_copied_and_anywhere_is_somewhere)
{
    atomic_int sum = 0;
    HOB_SCOPE(s);
    for (int i = 1; i <= 100; i++) {
        struct parcel parcel = { .number = i, .sum = &sum };
        parcel.text[99] = 'z';
        check_ok(hob_go_with(&s, open_parcel, &parcel,
                             &(hob_task_opts){ .copy_bytes = sizeof parcel, .where = HOB_ANYWHERE }));
        memset(&parcel, 0xEE, sizeof parcel);
    }
    check_ok(hob_scope_end(&s));
    check_eq(atomic_load(&sum), 5050);
    return 0;
}

static const hob_local_key color = { .name = "color" }, shape = { .name = "shape" };

static int look_at_locals(void *arg)
{
    const char **found = arg;
    found[0] = hob_local_get(&color);
    found[1] = hob_local_get(&shape);
    return 0;
}

TEST_3(task_locals_go_along)
{
    const char *found[2] = { 0 };
    HOB_LOCAL(&color, "red");
    HOB_LOCAL(&shape, "round");
    HOB_LOCAL(&color, "green");
    check_ok(hob_on(1, look_at_locals, found));
    check_str(found[0], "green");
    check_str(found[1], "round");
    return 0;
}

TEST_3(a_daemon_there_is_cancelled_when_only_daemons_are_left)
{
    int there = 0;
    HOB_SCOPE(s);
    check_ok(hob_go_with(&s, sleep_for_ever, &there, &(hob_task_opts){ .where = HOB_ON(1), .daemon = 1 }));
    check_ok(hob_go(&s, sleep_then_fail, &(int){ 0 }));
    check_ok(hob_scope_end(&s));
    check_err(there, -ECANCELED);
    return 0;
}

/* Each has children on the next worker, some levels deep. */
static int branch_out(void *arg)
{
    int depth = *(int *)arg;
    if (depth == 0)
        return hob_sleep(HOB_USEC);
    int      below = depth - 1;
    uint32_t next = (hob_worker_number() + 1) % hob_workers();
    HOB_SCOPE(s);
    for (int i = 0; i < 2; i++)
        HOB_TRY(hob_go_with(&s, branch_out, &below, ON(next)));
    HOB_TRY(hob_go(&s, branch_out, &below));
    return hob_scope_end(&s);
}

TEST_3(scopes_nest_across_workers)
{
    check_ok(branch_out(&(int){ 5 }));
    HOB_SCOPE(s);
    hob_scope_deadline(&s, hob_in(50 * HOB_USEC));
    ignore(branch_out(&(int){ 5 })); // some of it is cancelled, wherever it was just then
    ignore(hob_scope_end(&s));
    return 0;
}

/* ---- the end ---- */

static int live_in_a_root(void *arg)
{
    HOB_TRY(hob_detach("background"));
    *(int *)arg = hob_sleep(HOB_FOREVER);
    return 0;
}

static int leave_somebody(void *arg)
{
    HOB_SCOPE(s);
    check_ok(hob_go(&s, live_in_a_root, arg));
    return hob_scope_end(&s);
}

static int leave_somebody_there(void *arg)
{
    return hob_on(1, leave_somebody, arg);
}

TEST_BARE_ON_ALL(workers, root_scopes_of_all_workers_end_with_the_main_task)
{
    int result = 0;
    check_ok(run_with_workers(3, leave_somebody_there, &result));
    check_err(result, -ECANCELED);
}

static int fail_in_a_root(void *arg)
{
    HOB_TRY(hob_detach("background"));
    HOB_TRY(hob_sleep(HOB_USEC));
    return -EDOM;
}

static int leave_a_failure(void *arg)
{
    HOB_SCOPE(s);
    check_ok(hob_go(&s, fail_in_a_root, NULL));
    HOB_TRY(hob_scope_end(&s));
    return hob_sleep(HOB_MSEC);
}

static int leave_a_failure_there(void *arg)
{
    return hob_on(2, leave_a_failure, arg);
}

TEST_BARE_ON_ALL(workers, a_failure_in_a_root_scope_there_is_told_and_is_the_result)
{
    check_err(run_with_workers(3, leave_a_failure_there, NULL), -EDOM);
    check_has(hob_test_report_text(), "EDOM");
    check_has(hob_test_report_text(), "fail_in_a_root");
}

/* ---- asleep for ever ---- */

static int wait_for_nothing(void *arg)
{
    hob_promise *promise;
    HOB_TRY(hob_promise_new(&promise));
    int r = hob_promise_await(promise, NULL);
    hob_promise_free(promise);
    return r;
}

static int get_stuck_there(void *arg)
{
    HOB_SCOPE(s);
    HOB_TRY(hob_go_with(&s, wait_for_nothing, NULL, &(hob_task_opts){ .where = HOB_ON(1), .name = "left" }));
    HOB_TRY(hob_go_with(&s, wait_for_nothing, NULL, &(hob_task_opts){ .where = HOB_ON(2), .name = "right" }));
    return hob_scope_end(&s);
}

TEST_BARE_ON_ALL(workers, all_asleep_for_ever_on_all_workers_is_found)
{
    check_err(run_with_workers(3, get_stuck_there, NULL), HOB_ESTUCK);
    check_has(hob_test_report_text(), "left");
    check_has(hob_test_report_text(), "right");
    check_has(hob_test_report_text(), "promise");
}

static int come_back_late(void *arg)
{
    HOB_TRY(hob_sleep(5 * HOB_MSEC));
    return hob_on(0, end_at_once, NULL);
}

TEST_3(who_waits_for_another_worker_is_not_stuck)
{
    check_ok(hob_on(1, come_back_late, NULL));
    check_str(hob_test_report_text(), "");
    return 0;
}

static int note_that_it_ran(void *arg)
{
    *(int *)arg = 1;
    return 0;
}

static int run_anywhere(void *arg)
{
    struct rlimit before, none;
    int           ran = 0, fd = dup(0);
    close(fd);
    check_ok(getrlimit(RLIMIT_NOFILE, &before));
    none = (struct rlimit){ (rlim_t)fd, before.rlim_max };
    check_ok(setrlimit(RLIMIT_NOFILE, &none));
    HOB_SCOPE(s);
    int started = hob_go_with(&s, note_that_it_ran, &ran, &(hob_task_opts){ .where = HOB_ANYWHERE });
    int ended = hob_scope_end(&s);
    check_ok(setrlimit(RLIMIT_NOFILE, &before));
    check_ok(started);
    check_ok(ended);
    check_eq(ran, 1);
    return 0;
}

/* No descriptors for a second worker: the first one takes the task, and hears of its end. */
TEST_BARE_ON_ALL(workers, where_no_other_can_be_started_anywhere_is_here)
{
    check_ok(run_with_workers(3, run_anywhere, NULL));
    hob_test_report_clear(); // why there was no second one
}

/* ---- what belongs to whom ---- */

static int close_it(void *file)
{
    hob_file_close(file);
    return 0;
}

static int share_a_file(void *arg)
{
    hob_file *file;
    HOB_TRY(hob_file_open(arg, O_RDWR | O_CREAT, 0600, &file));
    return hob_on(1, close_it, file);
}

HOB_TEST_DEFINE("workers", "a_file_of_another_worker_is_refused", use_of_a_file,
                HOB_TEST_NO_RUNTIME, "was closed by another worker")
{
    ignore(run_with_workers(3, share_a_file, "/tmp/shared"));
}

static int set_its_deadline(void *scope)
{
    hob_scope_deadline(scope, hob_in(HOB_SEC));
    return 0;
}

static int share_a_scope(void *arg)
{
    HOB_SCOPE(s);
    ignore(hob_on(1, set_its_deadline, &s));
    return hob_scope_end(&s);
}

HOB_TEST_DEFINE("workers", "a_scope_of_another_worker_is_refused", use_of_a_scope,
                HOB_TEST_NO_RUNTIME, "hob_scope_deadline: the scope belongs to another worker")
{
    ignore(run_with_workers(3, share_a_scope, NULL));
}

/* ---- talking ---- */

static int echo_once(void *arg)
{
    hob_tcp *conn;
    char     buf[16];
    HOB_TRY(hob_tcp_connect(arg, NULL, &conn));
    ssize_t n = hob_tcp_read(conn, buf, sizeof buf);
    if (n > 0)
        n = hob_tcp_write(conn, buf, (size_t)n);
    hob_tcp_close(conn);
    return n < 0 ? (int)n : 0;
}

TEST_3(connections_between_workers)
{
    hob_tcp_listener *listener;
    hob_tcp          *conn;
    hob_addr          addr = hob_addr_loopback(0);
    char              buf[16];
    check_ok(hob_tcp_listen(&addr, NULL, &listener));
    addr = hob_tcp_listener_addr(listener);
    HOB_SCOPE(s);
    for (uint32_t i = 0; i < 6; i++) {
        check_ok(hob_go_with(&s, echo_once, &addr, ON(i % 3)));
        check_ok(hob_tcp_accept(listener, &conn));
        check_ok(hob_tcp_write(conn, "hello", 5));
        check_eq(hob_tcp_read(conn, buf, sizeof buf), 5);
        hob_tcp_close(conn);
    }
    check_ok(hob_scope_end(&s));
    hob_tcp_listener_close(listener);
    return 0;
}

/* ---- a storm: starts, ends and cancels that cross on the way ---- */

enum { STORM = 300 };

static int blow(void *arg)
{
    uint64_t r = hob_random();
    if (r % 4 == 0)
        return 0;
    if (r % 4 == 1)
        hob_yield();
    else
        HOB_TRY(hob_sleep((int64_t)(r % 20000)));
    return 0;
}

TEST_3(cancels_and_ends_may_cross)
{
    for (int i = 0; i < STORM; i++) {
        HOB_SCOPE(s);
        for (int child = 0; child < 4; child++) {
            int where = (int)(hob_random() % 4);
            check_ok(hob_go_with(&s, blow, NULL,
                                 &(hob_task_opts){ .where = where == 3 ? HOB_ANYWHERE : where + 1 }));
        }
        if (hob_random() % 2 == 0)
            ignore(hob_sleep((int64_t)(hob_random() % 20000)));
        hob_scope_cancel(&s, "gust");
        check_err(hob_scope_end(&s), -ECANCELED);
    }
    return 0;
}
