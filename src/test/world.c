/* SPDX-License-Identifier: MIT */
/*
 * What a test asks of its world: its seed, its backend, a scratch folder, what the
 * runtime reported, and to let everybody run until they wait.
 */
#include "test/state.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/worker.h"

struct test_run hob__test_now;

uint64_t hob_test_seed(void)
{
    return hob__test_now.seed;
}

const char *hob_test_backend(void)
{
    return hob__test_now.backend;
}

int hob_test_is_deep(void)
{
    return hob__test_options.deep;
}

/* ---- settle ---- */

enum {
    SETTLE_QUIET_TURNS = 2,
    SETTLE_TURNS_MAX = 1000 * 1000,
};

/* One turn of the loop, which asks the backend and runs others; true when it found
 * nothing to do but to come back here. The caller is ready all the time, so
 * virtual time stands still. */
static bool turn_was_quiet(struct worker *w)
{
    uint64_t before = w->stats.switches;
    hob__task_step_aside(hob__task_self());
    return w->stats.switches - before <= 1 && list_is_empty(&w->ready) &&
           list_is_empty(&w->done);
}

void hob_test_settle(void)
{
    struct worker *w = hob__worker;
    hob_require(w != NULL && w->current != NULL, "hob_test_settle: called outside of a task");

    int quiet = 0;
    for (int i = 0; i < SETTLE_TURNS_MAX && quiet < SETTLE_QUIET_TURNS; i++)
        quiet = turn_was_quiet(w) ? quiet + 1 : 0;
    if (quiet < SETTLE_QUIET_TURNS)
        hob__test_show_failure("hob_test_settle: somebody never stops, in %d turns of the loop",
                               SETTLE_TURNS_MAX);
}

/* ---- scratch ---- */

const char *hob_test_scratch(void)
{
    struct test_run *run = &hob__test_now;
    if (run->scratch[0] != '\0')
        return run->scratch;

    // In sim the name is the same every time, so that the run is, too.
    if (strcmp(run->backend, "sim") == 0 && !(run->test->flags & HOB_TEST_NO_RUNTIME)) {
        strcpy(run->scratch, "/scratch");
        int r = hob__sim_put_folder(hob__worker->backend, run->scratch);
        HOB_EXPECT_OK(r);
        return run->scratch;
    }
    const char *parent = getenv("TMPDIR");
    int n = snprintf(run->scratch, sizeof run->scratch, "%s/hob-test-XXXXXX",
                     parent != NULL && parent[0] == '/' ? parent : "/tmp");
    if (n >= (int)sizeof run->scratch || mkdtemp(run->scratch) == NULL) {
        fprintf(stderr, "cannot make a scratch folder in %s: %s\n", run->scratch, strerror(errno));
        exit(1);
    }
    return run->scratch;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static void remove_scratch(struct test_run *run)
{
    if (strstr(run->scratch, "/hob-test-") != NULL)
        nftw(run->scratch, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    run->scratch[0] = '\0';
}

/* ---- reports ---- */

void hob__test_report(void *arg, const char *text)
{
    (void)arg;
    struct test_run *run = &hob__test_now;
    size_t len = strlen(text);
    if (run->report_len + len + 2 > run->report_cap) {
        size_t cap = (run->report_len + len + 2) * 2;
        char *report = (char *)realloc(run->report, cap);
        if (report == NULL)
            return;
        run->report = report;
        run->report_cap = cap;
    }
    memcpy(run->report + run->report_len, text, len);
    run->report_len += len;
    if (len > 0 && text[len - 1] != '\n')
        run->report[run->report_len++] = '\n';
    run->report[run->report_len] = '\0';
    run->report_was_read = false;
}

const char *hob_test_report_text(void)
{
    hob__test_now.report_was_read = true;
    return hob__test_now.report_len > 0 ? hob__test_now.report : "";
}

void hob_test_report_clear(void)
{
    hob__test_now.report_len = 0;
    hob__test_now.report_was_read = true;
}

void hob_test_run_opts(hob_run_opts *ret_opts)
{
    memset(ret_opts, 0, sizeof *ret_opts);
    ret_opts->backend = hob__test_now.backend;
    ret_opts->seed = hob__test_now.seed;
    ret_opts->slow_ns = -1; // a busy machine is no fault of the test's
    ret_opts->stop_signals = strcmp(hob__test_now.backend, "sim") == 0 ? 0 : -1; // ^C ends the tests
    ret_opts->report = hob__test_report;
}

int hob_test_run(hob_task_fn *fn, void *arg)
{
    hob_run_opts opts;
    hob_test_run_opts(&opts);
    return hob_run_with(&opts, fn, arg);
}

void hob__test_world_begin(void)
{
    hob_test_report_clear();
    hob__test_log_begin();
}

void hob__test_world_end(void)
{
    struct test_run *run = &hob__test_now;
    hob__test_log_end();
    remove_scratch(run);
    free(run->report);
    run->report = NULL;
    run->report_len = run->report_cap = 0;
}
