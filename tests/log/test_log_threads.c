/* SPDX-License-Identifier: MIT */
/*
 * Many workers and threads log at once, while others set the log up anew, reopen and flush it: no line
 * is lost without being counted, none comes twice, and those of one speaker come in its order.
 */
#include "support/test.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/fault.h"

enum { SPEAKERS = 6, THREADS = 3, LINES = 1500, TEXT_BYTES = 4 << 20 };

static struct {
    char     *text;
    size_t    len;
    uint64_t  lines;
} taken;

static atomic_bool is_over;

static int lines(void)
{
    return all_is_slow() ? LINES / 5 : LINES;
}

static int take_lines(void *arg, const char *text, size_t len)
{
    if (len > TEXT_BYTES - 1 - taken.len)
        return -ENOSPC;
    memcpy(taken.text + taken.len, text, len);
    taken.len += len;
    taken.text[taken.len] = '\0';
    return 0;
}

static hob_log_opts to_taken(uint32_t buffer_bytes)
{
    return (hob_log_opts){ .form = HOB_LOG_FORM_JOURNAL, .write = take_lines, .site_per_s = -1,
                           .buffer_bytes = buffer_bytes };
}

static void say_all(int speaker)
{
    for (int i = 0; i < lines(); i++)
        HOB_LOG(INFO, "line", "speaker", speaker, "i", i);
}

static int speak(void *arg)
{
    int speaker = *(int *)arg;
    for (int i = 0; i < lines(); i++) {
        HOB_LOG(INFO, "line", "speaker", speaker, "i", i);
        if (i % 64 == 0)
            hob_yield();
    }
    return 0;
}

static void *speak_on_a_thread(void *arg)
{
    say_all(*(int *)arg);
    return NULL;
}

static void *disturb(void *arg)
{
    while (!atomic_load(&is_over)) {
        hob_log_opts  opts = to_taken(64 * 1024);
        hob_log_stats stats;
        hob_log_stats_get(&stats);
        hob_log_reopen();
        hob_log_set_level(HOB_LOG_DEBUG);
        expect_ok(hob_log_flush(HOB_MINUTE));
        expect_ok(hob_log_setup(&opts));
        sched_yield();
    }
    return NULL;
}

static int speakers_numbers[SPEAKERS + THREADS];

static int speak_everywhere(void *arg)
{
    HOB_SCOPE(s);
    for (int i = 0; i < SPEAKERS; i++)
        hob_go_with(&s, speak, &speakers_numbers[i],
                    &(hob_task_opts){ .where = HOB_ON((uint32_t)i % hob_workers()) });
    return hob_scope_end(&s);
}

/* Each line is whole, and each speaker's numbers rise; what there is less was counted. */
static int check_taken(int speakers, uint64_t dropped)
{
    int      next[SPEAKERS + THREADS] = { 0 };
    uint64_t found = 0, told = 0;
    for (const char *at = taken.text; *at != '\0'; at = strchr(at, '\n') + 1) {
        int                speaker, i;
        unsigned long long some;
        if (sscanf(at, "<4>dropped %llu lines here", &some) == 1) {
            told += some;
            continue;
        }
        check_eq(sscanf(at, "<6>line speaker=%d i=%d ", &speaker, &i), 2);
        check(speaker >= 0 && speaker < speakers);
        check_ge(i, next[speaker]);
        next[speaker] = i + 1;
        found++;
    }
    check_le(told, dropped);
    check_eq(found + dropped, (uint64_t)speakers * (uint64_t)lines());
    return 0;
}

static int setup_taken(uint32_t buffer_bytes)
{
    hob_log_opts opts = to_taken(buffer_bytes);
    taken.text[taken.len = 0] = '\0';
    return hob_log_setup(&opts);
}

static uint64_t dropped_so_far(void)
{
    hob_log_stats stats;
    hob_log_stats_get(&stats);
    return stats.dropped;
}

static int run_with_workers(hob_task_fn *fn)
{
    hob_run_opts opts;
    hob_test_run_opts(&opts);
    opts.workers = 3;
    return hob_run_with(&opts, fn, NULL);
}

static int speak_all(uint32_t buffer_bytes, bool disturbed)
{
    pthread_t threads[THREADS], disturber;
    taken.text = malloc(TEXT_BYTES);
    check(taken.text != NULL);
    check_ok(setup_taken(buffer_bytes));
    uint64_t dropped = dropped_so_far();
    atomic_store(&is_over, false);
    for (int i = 0; i < SPEAKERS + THREADS; i++)
        speakers_numbers[i] = i;
    for (int i = 0; i < THREADS; i++) // those outside begin before the run, and may end after it
        check_eq(pthread_create(&threads[i], NULL, speak_on_a_thread, &speakers_numbers[SPEAKERS + i]), 0);
    if (disturbed)
        check_eq(pthread_create(&disturber, NULL, disturb, NULL), 0);
    expect_ok(run_with_workers(speak_everywhere));
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    atomic_store(&is_over, true);
    if (disturbed)
        pthread_join(disturber, NULL);
    check_ok(hob_log_setup(NULL));
    int r = check_taken(SPEAKERS + THREADS, dropped_so_far() - dropped);
    free(taken.text);
    return r;
}

static bool has_threads(void)
{
    return strcmp(hob_test_backend(), "sim") != 0;
}

TEST_BARE_ON_ALL(threads, lose_no_line)
{
    if (!has_threads())
        skip("there are none");
    check_ok(speak_all(8 << 20, false));
}

TEST_BARE_ON_ALL(threads, lose_lines_only_by_count)
{
    if (!has_threads())
        skip("there are none");
    check_ok(speak_all(16 * 1024, false));
}

TEST_BARE_ON_ALL(threads, may_set_the_log_up_meanwhile)
{
    if (!has_threads())
        skip("there are none");
    check_ok(speak_all(64 * 1024, true));
}

static uint64_t said;

static int say_and_flush(void *arg)
{
    for (int i = 0; i < 100; i++, said++)
        HOB_LOG(INFO, "line", "speaker", 0, "i", i);
    return hob_log_flush(HOB_SEC);
}

/* One allocation or system call after the other fails, on whatever thread: that of the log, too. Lines
 * that are not there were counted; and what was taken is given back, which the runner looks at. */
TEST_BARE_ON_ALL(threads, any_failure_loses_lines_only_by_count)
{
    if (!has_threads())
        skip("there are none"); // torture does it there
    taken.text = malloc(TEXT_BYTES);
    check(taken.text != NULL);
    uint64_t points = 0; // the first round only counts them
    for (uint64_t at = INT64_MAX; at == INT64_MAX || at < points;
         at = at == INT64_MAX ? 0 : at + (all_is_slow() ? 7 : 2)) {
        hob_run_opts opts;
        hob_test_run_opts(&opts);
        opts.workers = 1;
        check_ok(setup_taken(0));
        hob_log_stats before, after;
        hob_log_stats_get(&before);
        said = 0;
        hob__fault_start(at);
        int      r = hob_run_with(&opts, say_and_flush, NULL);
        uint64_t asked = hob__fault_stop();
        hob_log_stats_get(&after);
        if (at == INT64_MAX)
            points = asked < 300 ? asked : 300;
        check_ok(hob_log_setup(NULL));
        uint64_t found = 0;
        for (const char *line = taken.text; (line = strstr(line, "<6>line")) != NULL; line++)
            found++;
        check_eq(found + after.dropped - before.dropped, said);
        check(said == 100 || r < 0);
    }
    hob_test_report_clear();
    check_gt(points, 20);
    free(taken.text);
}

static int say_a_line(void *arg)
{
    HOB_LOG(INFO, "line", "speaker", 0, "i", *(int *)arg);
    return 0;
}

static void *run_again_and_again(void *arg)
{
    for (int i = 0; i < 20; i++) {
        hob_run_opts opts;
        hob_test_run_opts(&opts);
        opts.workers = 1;
        expect_ok(hob_run_with(&opts, say_a_line, &i));
    }
    return NULL;
}

/* The writer comes and goes with the runs; some begin while the last one ends. */
TEST_BARE_ON_ALL(threads, with_runs_of_their_own_share_the_log)
{
    pthread_t threads[THREADS];
    if (!has_threads())
        skip("there are none");
    taken.text = malloc(TEXT_BYTES);
    check(taken.text != NULL);
    check_ok(setup_taken(0));
    uint64_t dropped = dropped_so_far();
    for (int i = 0; i < THREADS; i++)
        check_eq(pthread_create(&threads[i], NULL, run_again_and_again, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    check_ok(hob_log_setup(NULL));
    int count = 0;
    for (const char *at = taken.text; (at = strstr(at, "<6>line")) != NULL; at++)
        count++;
    check_eq(count, THREADS * 20);
    check_eq(dropped_so_far(), dropped);
    free(taken.text);
}
