/* SPDX-License-Identifier: MIT */
/*
 * hob/log.h in a run: what is said and what is not, from where it may be said, how often, and that
 * nobody waits for it.
 */
#include "support/tasks.h"

#include <pthread.h>
#include <stdatomic.h>

/* ---- what is said ---- */

TEST_ON_ALL(log, has_the_message_and_its_fields)
{
    hob_addr       addr = hob_addr_loopback(80);
    const char    *user = "ann";
    char           word[8] = "array";
    uint64_t       large = UINT64_MAX;
    unsigned char  byte = 200;
    short          small = -3;
    HOB_LOG(INFO, "order paid", "order", 41, "user", user, "word", word, "large", large, "byte", byte,
            "small", small, "total", 9.5, "half", 0.5f, "to", &addr, "error", hob_log_error(-EPIPE),
            "none", (void *)NULL, "ok", hob_log_bool(1), "size", sizeof word, "some",
            hob_log_bytes("bytes", 4), "char", 'a', "last", -1L);
    check_str(hob_test_log_text(),
              "INFO  order paid order=41 user=ann word=array large=18446744073709551615 byte=200 "
              "small=-3 total=9.5 half=0.5 to=127.0.0.1:80 error=EPIPE none=null ok=true size=8 "
              "some=byte char=97 last=-1\n");
}

static int count_calls(int *calls)
{
    return ++*calls;
}

TEST(log, does_not_look_at_arguments_of_a_level_that_is_off)
{
    int calls = 0;
    HOB_LOG(DEBUG, "no", "calls", count_calls(&calls));
    check_eq(calls, 0);
    hob_log_set_level(HOB_LOG_DEBUG);
    check_eq(hob_log_level(), HOB_LOG_DEBUG);
    HOB_LOG(DEBUG, "yes", "calls", count_calls(&calls));
    HOB_LOG(TRACE, "no", "calls", count_calls(&calls));
    check_eq(calls, 1);
    hob_log_set_level(HOB_LOG_OFF);
    HOB_LOG(ERROR, "no", "calls", count_calls(&calls));
    HOB_LOGF(ERROR, "%d", count_calls(&calls));
    check_eq(calls, 1);
    check_str(hob_test_log_text(), "DEBUG yes calls=1\n");
}

TEST(log, begins_each_test_anew)
{
    check_str(hob_test_log_text(), "");
    check_eq(hob_log_level(), HOB_LOG_INFO);
}

TEST(log, takes_the_level_at_run_time)
{
    for (int level = HOB_LOG_ERROR; level <= HOB_LOG_TRACE; level++)
        HOB_LOG_AT(level, "m", "number", level);
    check_str(hob_test_log_text(), "ERROR m number=3\nWARN  m number=4\nNOTE  m number=5\nINFO  m number=6\n");
}

TEST(log, formats_as_printf)
{
    static char long_text[5000];
    memset(long_text, 'y', sizeof long_text - 1);
    errno = ENOENT;
    HOB_LOGF(WARNING, "%d of %s: %m\n", 3, "7");
    check_eq(errno, ENOENT);
    check_str(hob_test_log_text(), "WARN  3 of 7: No such file or directory\\n\n");
    hob_test_log_clear();
    HOB_LOGF(WARNING, "%s", long_text);
    check_eq(strlen(hob_test_log_text()), strlen("WARN  \n") + 2047);
}

static const hob_local_key request = { .name = "request", .is_text = 1, .is_logged = 1 };
static const hob_local_key secret = { .name = "secret", .is_text = 1 };

static int say_hello(void *arg)
{
    HOB_LOG(INFO, "hello");
    return 0;
}

TEST(log, carries_the_task_locals_that_want_it)
{
    HOB_SCOPE(s);
    {
        HOB_LOCAL(&request, "r-1");
        HOB_LOCAL(&secret, "no");
        hob_go(&s, say_hello, NULL); // a child has them, too
        settle();
        check_str(hob_test_log_text(), "INFO  hello request=r-1\n");
        hob_test_log_clear();
        HOB_LOCAL(&request, "r-2");
        say_hello(NULL);
        HOB_LOG(INFO, "mine", "request", 3);
        check_str(hob_test_log_text(), "INFO  hello request=r-2\nINFO  mine request=3\n");
        hob_test_log_clear();
    }
    say_hello(NULL);
    check_str(hob_test_log_text(), "INFO  hello\n");
    check_ok(hob_scope_end(&s));
}

/* ---- from where ---- */

static void in_callback(void *arg, ssize_t result)
{
    HOB_LOG(INFO, "called back", "result", result);
}

static int on_a_pool(void *arg)
{
    HOB_LOG(INFO, "on a pool");
    return 0;
}

static int on_another_worker(void *arg)
{
    HOB_LOG(INFO, "on another worker");
    return 0;
}

static void *on_a_thread(void *arg)
{
    HOB_LOG(INFO, "on a thread");
    return NULL;
}

TEST_ON_ALL(log, may_be_said_anywhere)
{
    pthread_t thread;
    hob_op    op;
    HOB_SCOPE(s);
    hob_sleep_prep(&op, hob_in(1));
    hob_op_call(&s, &op, in_callback, NULL);
    check_ok(hob_scope_end(&s));
    check_ok(hob_offload(hob_pool_blocking(), on_a_pool, NULL));
    check_ok(hob_on(1, on_another_worker, NULL));
    check_eq(pthread_create(&thread, NULL, on_a_thread, NULL), 0);
    pthread_join(thread, NULL);
    check_str(hob_test_log_text(), "INFO  called back result=0\nINFO  on a pool\n"
                                   "INFO  on another worker\nINFO  on a thread\n");
}

/* ---- where to ---- */

struct taken {
    char          text[1 << 20];
    size_t        len;
    atomic_int    refusals; /* that are to be, still */
    atomic_int    calls;
    bool          logs_itself;
};

static struct taken taken;

static int take_lines(void *arg, const char *lines, size_t len)
{
    struct taken *t = arg;
    atomic_fetch_add(&t->calls, 1);
    if (atomic_load(&t->refusals) > 0) {
        atomic_fetch_sub(&t->refusals, 1);
        return -EIO;
    }
    if (t->logs_itself)
        HOB_LOG(ERROR, "within");
    expect(len > 0 && lines[len - 1] == '\n');
    if (len > sizeof t->text - 1 - t->len)
        return -ENOSPC;
    memcpy(t->text + t->len, lines, len);
    t->len += len;
    t->text[t->len] = '\0';
    return 0;
}

static void forget_taken(void)
{
    taken.len = 0;
    taken.text[0] = '\0';
    taken.logs_itself = false;
    atomic_store(&taken.refusals, 0);
    atomic_store(&taken.calls, 0);
}

static int lines_go_to_taken(uint32_t buffer_bytes)
{
    forget_taken();
    hob_log_opts opts = { .form = HOB_LOG_FORM_JOURNAL, .write = take_lines, .write_arg = &taken,
                          .buffer_bytes = buffer_bytes, .site_per_s = -1 };
    return hob_log_setup(&opts);
}

TEST_ON_ALL(log, goes_to_a_function)
{
    check_ok(lines_go_to_taken(0));
    for (int i = 0; i < 3; i++)
        HOB_LOG(INFO, "line", "i", i);
    check_ok(hob_log_flush(HOB_FOREVER));
    check_has(taken.text, "<6>line i=0 task=1 task_name=main worker=0 at=test_log.c:");
    check_has(taken.text, "<6>line i=2 ");
    HOB_LOG(INFO, "told at another setup");
    check_ok(hob_log_setup(NULL));
    check_has(taken.text, "told at another setup");
    HOB_LOG(INFO, "not there any more");
    check_ok(hob_log_flush(HOB_FOREVER));
    check(strstr(taken.text, "not there") == NULL);
}

TEST_ON_ALL(log, does_not_go_round_in_circles)
{
    check_ok(lines_go_to_taken(0));
    taken.logs_itself = true;
    hob_log_stats before, after;
    hob_log_stats_get(&before);
    HOB_LOG(INFO, "one");
    check_ok(hob_log_flush(HOB_FOREVER));
    check_ok(hob_log_setup(NULL));
    hob_log_stats_get(&after);
    if (strcmp(hob_backend_name(), "sim") == 0) { // said in the middle of saying
        check(strstr(taken.text, "within") == NULL);
        check_eq(after.dropped - before.dropped, 1);
    }
}

static int count_lines(const char *text, const char *what)
{
    int count = 0;
    for (const char *at = text; (at = strstr(at, what)) != NULL; at += strlen(what))
        count++;
    return count;
}

/* Of the numbers that follow it. */
static uint64_t sum_of(const char *text, const char *what)
{
    uint64_t sum = 0;
    for (const char *at = text; (at = strstr(at, what)) != NULL; at += strlen(what))
        sum += strtoull(at + strlen(what), NULL, 10);
    return sum;
}

static hob_log_stats stats(void)
{
    hob_log_stats stats;
    hob_log_stats_get(&stats);
    return stats;
}

/* On sim there is no buffer for a function. */
TEST_ON_ALL(log, drops_what_finds_no_room_and_says_how_much)
{
    enum { LINES = 2000 };
    if (strcmp(hob_backend_name(), "sim") == 0)
        skip("a function gets its lines at once");
    check_ok(lines_go_to_taken(16 * 1024));
    uint64_t dropped = stats().dropped;
    atomic_store(&taken.refusals, 1 << 30);
    for (int i = 0; i < LINES; i++)
        HOB_LOG(INFO, "many", "i", i);
    check_err(hob_log_flush(20 * HOB_MSEC), -ETIMEDOUT);
    HOB_SCOPE(s); // cancelling reaches who waits
    hob_scope_cancel(&s, "enough");
    check_err(hob_log_flush(HOB_FOREVER), -ECANCELED);
    ignore(hob_scope_end(&s));
    dropped = stats().dropped - dropped;
    check_gt(dropped, LINES / 2);
    for (int i = 0; stats().failures == 0 && i < 10000; i++) // its thread may not have had a processor yet
        check_ok(hob_sleep(HOB_MSEC));
    check_gt(stats().failures, 0);
    check_eq(stats().last_error, -EIO);

    atomic_store(&taken.refusals, 0);
    check_ok(hob_log_flush(HOB_FOREVER));
    check_eq(sum_of(taken.text, "<4>dropped "), dropped); // the buffer may have been full twice
    check_eq(count_lines(taken.text, "<6>many"), LINES - dropped);
    HOB_LOG(INFO, "goes on");
    check_ok(hob_log_flush(HOB_FOREVER));
    check_has(taken.text, "goes on");
    check_ok(hob_log_setup(NULL));
}

TEST_ON_ALL(log, a_run_ends_though_nobody_takes_the_lines)
{
    if (strcmp(hob_backend_name(), "sim") == 0)
        skip("a function gets its lines at once");
    check_ok(lines_go_to_taken(0));
    atomic_store(&taken.refusals, 1 << 30);
    HOB_LOG(INFO, "in vain");
}

TEST_BARE_ON_ALL(log, is_written_by_who_logs_outside_of_a_run)
{
    check_ok(lines_go_to_taken(0));
    HOB_LOG(INFO, "before");
    check_has(taken.text, "<6>before at=test_log.c:");
    check_ok(hob_log_flush(0));
    check_ok(hob_test_run(say_hello, NULL));
    check_has(taken.text, "<6>hello task=1 task_name=main worker=0"); // the end of a run has it written
    HOB_LOG(INFO, "after");
    check_has(taken.text, "<6>after");
    check_ok(hob_log_setup(NULL));
}

static int fails(void *arg)
{
    return -EPIPE;
}

TEST_BARE_ON_ALL(log, takes_what_hob_reports)
{
    hob_run_opts opts;
    hob_test_run_opts(&opts);
    opts.report = hob_log_report;
    check_err(hob_run_with(&opts, fails, NULL), -EPIPE);
    check_has(hob_test_log_text(), "WARN  the main task failed: Broken pipe (EPIPE)\n");
    check_has(hob_test_log_text(), "WARN  first: EPIPE in task \"main\" (");
}

TEST(log, refuses_a_path_that_is_too_long_or_not_there)
{
    static char path[5000];
    memset(path, 'p', sizeof path - 1);
    check_err(hob_log_setup(&(hob_log_opts){ .path = path }), -ENAMETOOLONG);
    check_err(hob_log_setup(&(hob_log_opts){ .path = "/no/such/folder/log" }), -ENOENT);
    check_eq(hob_log_level(), HOB_LOG_INFO);
    check_err(hob_log_setup(&(hob_log_opts){ .path = "/no/log", .level = HOB_LOG_DEBUG }), -ENOENT);
    check_eq(hob_log_level(), HOB_LOG_INFO); // all is as before
}

static void flush_in_callback(void *arg, ssize_t result)
{
    ignore(hob_log_flush(0));
}

TEST_DIES(log, is_not_waited_for_in_a_callback, "hob: hob_log_flush: called in a callback*")
{
    hob_op op;
    HOB_SCOPE(s);
    hob_sleep_prep(&op, hob_in(1));
    hob_op_call(&s, &op, flush_in_callback, NULL);
    ignore(hob_scope_end(&s));
}

/* ---- how often ---- */

static void say_often(int times)
{
    for (int i = 0; i < times; i++)
        HOB_LOG(INFO, "often", "i", i);
}

TEST(log, cuts_a_place_short_that_says_too_much)
{
    check_ok(hob_log_setup(&(hob_log_opts){ .site_per_s = 3 }));
    say_often(5);
    HOB_LOG(INFO, "another place");
    check_str(hob_test_log_text(), "INFO  often i=0\nINFO  often i=1\nINFO  often i=2\n"
                                   "INFO  another place\n");
    hob_test_log_clear();
    check_ok(hob_sleep(999 * HOB_MSEC));
    say_often(2);
    check_str(hob_test_log_text(), "");
    check_ok(hob_sleep(HOB_MSEC)); // its second is over, and somebody tells
    check_ok(hob_sleep(0));
    settle();
    check_str(hob_test_log_text(), "INFO  suppressed 4 more of this suppressed=4\n");
    hob_test_log_clear();
    say_often(1);
    check_str(hob_test_log_text(), "INFO  often i=0\n");
}

TEST(log, tells_what_it_cut_short_when_the_place_speaks_again)
{
    check_ok(hob_log_setup(&(hob_log_opts){ .site_per_s = 1 }));
    hob_log_stats before = stats();
    say_often(1001);
    int64_t until = hob_in(HOB_SEC);
    while (hob_now() < until) // the first to run then is this task, or who tells: it is told once
        check_ok(hob_sleep_until(until));
    say_often(1);
    settle();
    check_eq(count_lines(hob_test_log_text(), "INFO  suppressed 1000 more of this suppressed=1000\n"), 1);
    check_eq(stats().suppressed - before.suppressed, 1000);
}

static int say_often_and_end(void *arg)
{
    say_often(10);
    return 0;
}

TEST_BARE_ON_ALL(log, a_run_ends_with_what_was_cut_short)
{
    forget_taken();
    check_ok(hob_log_setup(&(hob_log_opts){ .site_per_s = 2, .write = take_lines, .write_arg = &taken }));
    check_ok(hob_test_run(say_often_and_end, NULL));
    check_eq(count_lines(taken.text, "INFO  often"), 2);
    check_has(taken.text, "INFO  suppressed 8 more of this suppressed=8 at=test_log.c:");
    check_ok(hob_log_setup(NULL));
}

/* Random places, times and numbers beside a count by hand: in sim, where the clock is ours. */
TEST(log, lets_so_many_through_as_it_should)
{
    enum { LIMIT = 5 };
    int     said = 0, expected = 0, muted = 0;
    int64_t began = -HOB_SEC;
    check_ok(hob_log_setup(&(hob_log_opts){ .site_per_s = LIMIT }));
    hob_log_stats before = stats();
    for (int i = 0; i < 2000; i++) {
        if (hob_now() - began >= HOB_SEC) {
            began = hob_now();
            said = 0;
        }
        if (said < LIMIT)
            expected++;
        else
            muted++;
        said++;
        HOB_LOG(INFO, "one");
        if (hob_random() % 3 == 0)
            check_ok(hob_sleep((int64_t)(hob_random() % (400 * HOB_MSEC))));
    }
    check_eq(count_lines(hob_test_log_text(), "INFO  one\n"), expected);
    check_eq(stats().suppressed - before.suppressed, muted);
}
