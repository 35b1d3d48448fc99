/* SPDX-License-Identifier: MIT */
/*
 * Nothing is silent: what nobody collected, who sleeps for ever, what was left open, who will
 * not leave. Each report names the place, and tells what can be done.
 */
#include "support/tasks.h"

#include <pthread.h>

/* ---- failures that nobody collected ---- */

static int fail_far_away(void *arg)
{
    check_ok(hob_sleep(HOB_SEC));
    return -EREMOTEIO;
}

static int leave_without_asking(void *arg)
{
    HOB_SCOPE(s);
    check_ok(hob_go_with(&s, fail_far_away, NULL, &(hob_task_opts){ .name = "courier" }));
    return 0;
}

TEST_BARE_ON_ALL(silence, a_failure_that_nobody_collected_is_told_with_its_origin)
{
    check_err(hob_test_run(leave_without_asking, NULL), -EREMOTEIO);
    const char *text = hob_test_report_text();
    check_has(text, "courier");
    check_has(text, "EREMOTEIO");
    check_has(text, "leave_without_asking"); // where it was started
}

static __attribute__((noinline)) int open_what_is_not_there(void)
{
    HOB_TRY(-ENOENT);
    return 0;
}

static int reads_the_config(void *arg)
{
    HOB_TRY(open_what_is_not_there());
    return 0;
}

static int awaits_the_reader(void *arg)
{
    HOB_SCOPE(s);
    HOB_TRY(hob_await(hob_async(&s, reads_the_config, NULL)));
    return hob_scope_end(&s);
}

static int starts_the_service(void *arg)
{
    HOB_SCOPE(s);
    check_ok(hob_go_with(&s, awaits_the_reader, NULL, &(hob_task_opts){ .name = "service" }));
    return hob_scope_end(&s);
}

TEST_BARE_ON_ALL(silence, a_failure_that_was_handed_on_is_told_back_to_where_it_began)
{
    check_err(hob_test_run(starts_the_service, NULL), -ENOENT);
    const char *text = hob_test_report_text();
    const char *service = strstr(text, "service");
    check(service != NULL);
    check_has(service, "reads_the_config");        // which caused it,
    check_has(service, "awaits_the_reader");       // was started there,
    check_has(service, "open_what_is_not_there");  // and gave up here
}

static int replaces_the_error(void *arg)
{
    HOB_SCOPE(s);
    check_ok(hob_go(&s, reads_the_config, NULL));
    check_err(hob_scope_end(&s), -ENOENT);
    return -EPROTO;
}

TEST_BARE_ON_ALL(silence, an_error_of_its_own_is_not_blamed_on_what_was_collected)
{
    check_err(hob_test_run(replaces_the_error, NULL), -EPROTO);
    const char *text = hob_test_report_text();
    check_has(text, "EPROTO");
    check(strstr(text, "reads_the_config") == NULL);
}

static int collect(void *arg)
{
    HOB_SCOPE(s);
    check_ok(hob_go(&s, fail_far_away, NULL));
    check_err(hob_scope_end(&s), -EREMOTEIO);
    return 0;
}

TEST_BARE_ON_ALL(silence, a_collected_failure_is_not_told)
{
    check_ok(hob_test_run(collect, NULL));
    check_str(hob_test_report_text(), "");
}

static int fail_in_main(void *arg)
{
    HOB_TRY(-ENOENT);
    return 0;
}

TEST_BARE_ON_ALL(silence, the_failure_of_the_main_task_is_told)
{
    check_err(hob_test_run(fail_in_main, NULL), -ENOENT);
    check_has(hob_test_report_text(), "ENOENT");
    check_has(hob_test_report_text(), hob_strerror(-ENOENT));
}

/* ---- everything is asleep for ever ---- */

static void promise_free_at(void *promise)
{
    hob_promise_free(*(hob_promise **)promise);
}

static int await_for_ever(void *promise)
{
    return hob_promise_await(promise, NULL);
}

static int get_stuck(void *arg)
{
    hob_promise *p;
    check_ok(hob_promise_new(&p));
    HOB_DEFER(promise_free_at, &p);
    HOB_SCOPE(s);
    check_ok(hob_go_with(&s, await_for_ever, p, &(hob_task_opts){ .name = "left hand" }));
    check_ok(hob_go_with(&s, await_for_ever, p, &(hob_task_opts){ .name = "right hand" }));
    return hob_scope_end(&s);
}

/* SURVIVAL 13. */
TEST_BARE_ON_ALL(silence, all_asleep_for_ever_is_found_and_everybody_is_listed)
{
    check_err(hob_test_run(get_stuck, NULL), HOB_ESTUCK);
    const char *text = hob_test_report_text();
    check_has(text, "left hand");
    check_has(text, "right hand");
    check_has(text, "promise");
    check_has(text, "get_stuck");
}

static int wait_for_time(void *arg)
{
    HOB_SCOPE(s);
    check_ok(hob_go(&s, sleep_for_ever, NULL));
    hob_scope_deadline(&s, hob_in(20 * HOB_MSEC));
    check_err(hob_scope_end(&s), -ETIMEDOUT);
    return 0;
}

TEST_BARE_ON_ALL(silence, whoever_waits_for_time_is_not_stuck)
{
    check_ok(hob_test_run(wait_for_time, NULL));
    check_str(hob_test_report_text(), "");
}

/* ---- what was left open ---- */

static int leave_a_promise(void *arg)
{
    int r = hob_promise_new(arg);
    hob_yield(); // something after the call, or it would be a jump, and its place our caller's
    return r;
}

TEST_BARE_ON_ALL(silence, a_promise_that_was_left_is_told_with_the_place_and_freed)
{
    hob_promise *p = NULL;
    check_ok(hob_test_run(leave_a_promise, &p));
    check_has(hob_test_report_text(), "promise");
    check_has(hob_test_report_text(), "leave_a_promise");
}

static int listen_and_leave(void *arg)
{
    hob_tcp_listener *listener;
    hob_addr          any = hob_addr_loopback(0);
    return hob_tcp_listen(&any, NULL, &listener);
}

TEST_BARE_ON_ALL(silence, what_was_still_open_is_told_with_the_place_and_closed)
{
    check_ok(hob_test_run(listen_and_leave, NULL));
    check_has(hob_test_report_text(), "listen_and_leave");
    check_has(hob_test_report_text(), "open");
}

/* ---- who will not leave ---- */

static int will_not_leave(void *arg)
{
    hob_task_set_name("stubborn");
    for (int i = 0; i < 3000; i++)
        ignore(hob_sleep(HOB_SEC));
    return 0;
}

TEST(silence, a_cancelled_task_that_will_not_leave_is_told_once)
{
    HOB_SCOPE(s);
    check_ok(hob_go(&s, will_not_leave, NULL));
    hob_scope_cancel(&s, "closing time");
    check_err(hob_scope_end(&s), -ECANCELED);
    const char *text = hob_test_report_text();
    check_has(text, "stubborn");
    check_has(text, "closing time");
    const char *first = strstr(text, "stubborn");
    check_eq(strstr(first + 1, "closing time") == NULL || strstr(first + 1, "stubborn") == NULL, 1);
}

static int leaves_in_the_end(void *arg)
{
    for (int i = 0; i < 100; i++)
        ignore(hob_sleep(HOB_SEC));
    return 0;
}

TEST(silence, a_task_that_leaves_after_a_while_is_not_told)
{
    HOB_SCOPE(s);
    check_ok(hob_go(&s, leaves_in_the_end, NULL));
    hob_scope_cancel(&s, "closing time");
    check_err(hob_scope_end(&s), -ECANCELED);
}

/* ---- the dump ---- */

static void close_file(void *file)
{
    fclose(file);
}

TEST(silence, a_dump_has_a_line_for_each_task)
{
    char  text[4096];
    FILE *f = tmpfile();
    check(f != NULL);
    HOB_DEFER(close_file, f);
    HOB_SCOPE(s);
    check_ok(hob_go_with(&s, sleep_for_ever, NULL, &(hob_task_opts){ .name = "sleeper" }));
    check_ok(hob_go_with(&s, sleep_for_ever, NULL, &(hob_task_opts){ .name = "dreamer" }));
    settle();
    hob_dump(fileno(f), 0);
    rewind(f);
    size_t n = fread(text, 1, sizeof text - 1, f);
    text[n] = '\0';
    check_has(text, "sleeper");
    check_has(text, "dreamer");
    check_has(text, "sleep");
    hob_scope_cancel(&s, NULL);
    check_err(hob_scope_end(&s), -ECANCELED);
}

/* ---- mistakes ---- */

TEST_DIES(mistake, leaving_scopes_in_the_wrong_order, "scope")
{
    hob_scope a, b;
    hob_scope_begin(&a);
    hob_scope_begin(&b);
    ignore(hob_scope_end(&a));
    ignore(hob_scope_end(&b));
}

static int start_a_run(void *arg)
{
    return hob_test_run(end_at_once, NULL);
}

TEST_DIES(mistake, a_run_inside_a_run, "hob_run")
{
    check_ok(start_a_run(NULL));
}

HOB_TEST_DEFINE("mistake", "waiting_outside_of_a_task", waiting_outside, HOB_TEST_NO_RUNTIME,
                "outside of")
{
    check_ok(hob_sleep(HOB_SEC));
}

TEST_DIES(mistake, a_task_without_a_function, "hob_go: there is no function")
{
    HOB_SCOPE(s);
    ignore(hob_go(&s, NULL, NULL));
}

TEST_DIES(mistake, a_callback_without_a_function, "hob_op_call: there is no function")
{
    hob_op op;
    HOB_SCOPE(s);
    hob_sleep_prep(&op, 0);
    hob_op_call(&s, &op, NULL, NULL);
}

/* ---- the wrong thread ---- */

static void *resolve_it(void *promise)
{
    ignore(hob_promise_resolve(promise, NULL));
    return NULL;
}

static void *close_it(void *listener)
{
    hob_tcp_listener_close(listener);
    return NULL;
}

static void in_a_thread(void *(*fn)(void *), void *arg)
{
    pthread_t thread;
    expect_eq(pthread_create(&thread, NULL, fn, arg), 0);
    expect_eq(pthread_join(thread, NULL), 0);
}

TEST_DIES(mistake, settling_a_promise_in_another_thread,
          "hob_promise_from_outside was called")
{
    hob_promise *promise;
    check_ok(hob_promise_new(&promise));
    in_a_thread(resolve_it, promise);
}

TEST_DIES(mistake, closing_in_another_thread, "closed outside of hob_run")
{
    hob_tcp_listener *listener;
    hob_addr          any = hob_addr_loopback(0);
    check_ok(hob_tcp_listen(&any, NULL, &listener));
    in_a_thread(close_it, listener);
}

static int close_in_a_run(void *listener)
{
    hob_tcp_listener_close(listener);
    return 0;
}

static void *close_it_in_a_run(void *listener)
{
    hob_run_opts opts = { .backend = "sim" };
    ignore(hob_run_with(&opts, close_in_a_run, listener));
    return NULL;
}

TEST_DIES(mistake, closing_in_another_run, "by another worker")
{
    hob_tcp_listener *listener;
    hob_addr          any = hob_addr_loopback(0);
    check_ok(hob_tcp_listen(&any, NULL, &listener));
    in_a_thread(close_it_in_a_run, listener);
}

TEST_DIES(silence, a_library_on_top_stops_the_program_as_hob_does, "hob: shop_open: it is open*")
{
    hob_mistake("shop_open", "it is open already");
}
