/* SPDX-License-Identifier: MIT */
/*
 * The test runner: main() of every test program.
 *
 *     tests ── filter ──▶ backends ──▶ seeds ──▶ one run, watched, looked after
 *
 * Tests run one after another in one process, in the order in which they stand
 * in their files. A test counts once for each backend that it runs on; its
 * seeds count together.
 *
 * Exit status: 0, 1 when a test failed, 77 when all were skipped, 2 for a wrong
 * command line.
 */
#include "test/state.h"

#include <errno.h>
#include <fnmatch.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/fault.h"

enum {
    SEEDS = 4,
    SEEDS_MAX = 1000000,
    EXIT_SKIPPED = 77,
};

static const char *const backends[] = { "sim", "epoll", "uring" };
enum { BACKENDS = sizeof backends / sizeof backends[0] };

struct test_options hob__test_options = { .seeds = SEEDS, .torture_at = -1 };

static hob_test *tests; /* in order of file and line */
static uint64_t more_seeds; /* where this run's own seeds come from */

static struct {
    unsigned passed, failed, skipped;
} count;

/* ---- registering ---- */

static bool comes_before(const hob_test *a, const hob_test *b)
{
    int order = strcmp(a->file, b->file);
    return order != 0 ? order < 0 : a->line < b->line;
}

void hob_test_register(hob_test *test)
{
    hob_test **at = &tests;
    while (*at != NULL && !comes_before(test, *at))
        at = &(*at)->next;
    test->next = *at;
    *at = test;
}

/* ---- one run ---- */

static int run_body(void *arg)
{
    (void)arg;
    hob__test_now.test->fn(NULL);
    return 0;
}

/* What the run as a whole came to, in ordinary runs. */
static void judge(const struct test_run *run, int result)
{
    bool said_something = run->report_len > 0 && !run->report_was_read;
    if (run->failures == 0 && result < 0)
        hob__test_show_failure("the run ended with %d (%s: %s)", result, hob_error_name(result),
                               hob_strerror(result));
    if (run->failures == 0 && said_something)
        hob__test_show_failure("the runtime had something to report");
    if (run->failures > 0 && said_something)
        fprintf(stderr, "  reported:\n%s", run->report);
    if (run->failures > 0)
        hob__test_log_show();
}

/* In a torture run checks and reports count for nothing, but nobody may sleep for ever. */
static void judge_torture(struct test_run *run, int result)
{
    run->failures = 0;
    run->quiet = false;
    if (result == HOB_ESTUCK)
        hob__test_show_failure("with this fault everybody waits for ever:\n%s",
                               hob_test_report_text());
}

bool hob__test_run_once(void)
{
    struct test_run *run = &hob__test_now;
    const hob_test *test = run->test;
    int result = 0;

    run->failures = 0;
    run->is_skipped = false;
    hob__test_world_begin();
    hob__test_leak_begin();
    hob__test_watch_start(hob__test_options.timeout_s);
    if (test->dies != NULL && !run->in_child)
        hob__test_run_dying();
    else if (test->flags & HOB_TEST_NO_RUNTIME)
        test->fn(NULL);
    else
        result = hob_test_run(run_body, NULL);
    if (run->quiet)
        judge_torture(run, result);
    else
        judge(run, result);
    hob__test_world_end();
    hob__test_leak_check();
    hob__test_watch_stop();
    return run->failures == 0;
}

/* ---- one test ---- */

/* Seed 1 first, which is the same for everybody, then seeds of this run. */
static uint64_t seed_number(int i)
{
    if (hob__test_options.seed != 0)
        return hob__test_options.seed;
    return i == 0 ? 1 : (more_seeds + (uint64_t)i * 7919) % 999983 + 2;
}

static int seeds_of(const hob_test *test, const char *backend)
{
    if (hob__test_options.seed != 0 || strcmp(backend, "sim") != 0 || test->dies != NULL ||
        (test->flags & (HOB_TEST_NO_RUNTIME | HOB_TEST_ONE_SEED)))
        return 1;
    return hob__test_options.seeds;
}

static bool can_be_tortured(const hob_test *test, const char *backend)
{
    return strcmp(backend, "sim") == 0 && test->dies == NULL &&
           !(test->flags & (HOB_TEST_NO_RUNTIME | HOB_TEST_ONE_SEED));
}

static bool run_seeds(const hob_test *test, const char *backend)
{
    struct test_run *run = &hob__test_now;
    int seeds = seeds_of(test, backend);
    bool ok = true;

    for (int i = 0; ok && i < seeds && !run->is_skipped; i++) {
        run->seed = seed_number(i);
        ok = hob__test_run_once();
    }
    if (ok && !run->is_skipped && hob__test_options.torture && can_be_tortured(test, backend)) {
        run->seed = seed_number(0);
        ok = hob__test_torture();
    }
    return ok;
}

static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void run_test(const hob_test *test, const char *backend)
{
    struct test_run *run = &hob__test_now;
    double start = seconds_now();

    memset(run, 0, sizeof *run);
    run->test = test;
    run->backend = backend;
    run->torture_at = -1;
    bool ok = run_seeds(test, backend);
    if (!ok) {
        char repeat[512];
        hob__test_repeat_line(repeat, sizeof repeat);
        fprintf(stderr, "  repeat: %s\n", repeat);
        count.failed++;
    } else if (run->is_skipped) {
        printf("skipped %s: %s (%s): %s\n", test->area, test->claim, backend, run->skip_reason);
        count.skipped++;
    } else {
        if (hob__test_options.verbose)
            printf("passed %s: %s (%s, %.0f ms)\n", test->area, test->claim, backend,
                   (seconds_now() - start) * 1000);
        count.passed++;
    }
    run->test = NULL;
}

/* ---- which backends ---- */

static char why_not[256];

static void take_reason(void *arg, const char *text)
{
    (void)arg;
    snprintf(why_not, sizeof why_not, "%s", text);
    why_not[strcspn(why_not, "\n")] = '\0';
}

static int do_nothing(void *arg)
{
    (void)arg;
    return 0;
}

/* Whether this system has the backend, found out by trying; NULL when it has. */
static const char *backend_is_missing(const char *backend)
{
    static char reasons[BACKENDS][256];
    static int known[BACKENDS]; /* 0: not yet, 1: there, -1: missing */

    int i = 0;
    while (strcmp(backends[i], backend) != 0)
        i++;
    if (known[i] == 0) {
        hob_run_opts opts = { .backend = backend, .report = take_reason };
        why_not[0] = '\0';
        int r = hob_run_with(&opts, do_nothing, NULL);
        known[i] = r < 0 ? -1 : 1;
        snprintf(reasons[i], sizeof reasons[i], "%s%s%s", hob_strerror(r), why_not[0] ? "; " : "",
                 why_not);
    }
    return known[i] > 0 ? NULL : reasons[i];
}

static bool runs_on(const hob_test *test, const char *backend)
{
    const char *only = hob__test_options.backend;
    if (test->flags & HOB_TEST_EACH_BACKEND)
        return only == NULL || strcmp(only, backend) == 0;
    if (test->flags & HOB_TEST_NO_RUNTIME)
        return !hob__test_options.no_bare && strcmp(backend, only != NULL ? only : "sim") == 0;
    return strcmp(backend, "sim") == 0 && (only == NULL || strcmp(only, "sim") == 0);
}

static void run_on_backends(const hob_test *test)
{
    bool is_bare = test->flags & HOB_TEST_NO_RUNTIME && !(test->flags & HOB_TEST_EACH_BACKEND);
    for (int i = 0; i < BACKENDS; i++) {
        if (!runs_on(test, backends[i]))
            continue;
        const char *missing = is_bare ? NULL : backend_is_missing(backends[i]);
        if (missing == NULL) {
            run_test(test, backends[i]);
            continue;
        }
        printf("skipped %s: %s (%s): %s\n", test->area, test->claim, backends[i], missing);
        count.skipped++;
    }
}

/* ---- the command line ---- */

static const char usage[] =
    "Runs the tests of this program.\n"
    "  --filter TEXT    only tests whose \"area: claim\" has TEXT in it, or matches it (*, ?)\n"
    "  --backend NAME   only on this backend: sim, epoll, uring\n"
    "  --seed N         only this seed (also HOB_SEED=N)\n"
    "  --seeds N        so many seeds for each test in the simulated world; usually 4\n"
    "  --torture        also with each allocation and each system call failing\n"
    "  --torture-at N   only with this one failing\n"
    "  --interrupt      each system call is interrupted by a signal once\n"
    "  --no-bare        leave out tests without a runtime, which are the same on each backend\n"
    "  --deep           try more, and all points of torture (also HOB_TEST_DEEP=1)\n"
    "  --timeout N      seconds a test may take; usually 20 (HOB_TEST_TIMEOUT stretches it)\n"
    "  --list           only list the tests\n"
    "  -v, --verbose    a line for each test\n";

static uint64_t number(const char *text, const char *option)
{
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0') {
        fprintf(stderr, "%s: not a number: %s\n", option, text);
        exit(2);
    }
    return value;
}

/* The environment speaks first. HOB_BACKEND and HOB_SEED are taken out of it: the
 * runner gives each run its own. */
static void read_environment(struct test_options *o)
{
    const char *text = getenv("HOB_SEED");
    if (text != NULL && text[0] != '\0')
        o->seed = number(text, "HOB_SEED");
    text = getenv("HOB_BACKEND");
    if (text != NULL && text[0] != '\0')
        o->backend = strdup(text);
    text = getenv("HOB_TEST_FILTER");
    if (text != NULL && text[0] != '\0')
        o->filter = text;
    text = getenv("HOB_TEST_DEEP");
    o->deep = text != NULL && text[0] != '\0' && strcmp(text, "0") != 0;
    unsetenv("HOB_SEED");
    unsetenv("HOB_BACKEND");
}

static void read_arguments(struct test_options *o, int argc, char **argv)
{
    static const struct option options[] = {
        { "filter", 1, NULL, 'f' },  { "backend", 1, NULL, 'b' },    { "seed", 1, NULL, 's' },
        { "seeds", 1, NULL, 'S' },   { "torture", 0, NULL, 't' },    { "torture-at", 1, NULL, 'T' },
        { "deep", 0, NULL, 'd' },    { "interrupt", 0, NULL, 'i' },   { "no-bare", 0, NULL, 'n' },
        { "timeout", 1, NULL, 'w' },    { "list", 0, NULL, 'l' },
        { "verbose", 0, NULL, 'v' }, { "help", 0, NULL, 'h' },       { NULL, 0, NULL, 0 },
    };
    o->program = argv[0];
    for (int c; (c = getopt_long(argc, argv, "vh", options, NULL)) != -1;) {
        switch (c) {
        case 'f': o->filter = optarg; break;
        case 'b': o->backend = optarg; break;
        case 's': o->seed = number(optarg, "--seed"); break;
        case 'S': o->seeds = (int)(number(optarg, "--seeds") % SEEDS_MAX); break;
        case 'T':
            o->torture_at = (int64_t)number(optarg, "--torture-at");
            o->torture = true;
            break;
        case 't': o->torture = true; break;
        case 'd': o->deep = true; break;
        case 'i': hob__interrupts_start(); break;
        case 'n': o->no_bare = true; break;
        case 'w': o->timeout_s = (unsigned)number(optarg, "--timeout"); break;
        case 'l': o->list = true; break;
        case 'v': o->verbose = true; break;
        case 'h': fputs(usage, stdout); exit(0);
        default: fputs(usage, stderr); exit(2);
        }
    }
    if (optind < argc) {
        fputs(usage, stderr);
        exit(2);
    }
}

static void check_backend_name(const char *name)
{
    for (int i = 0; i < BACKENDS; i++)
        if (name == NULL || strcmp(name, backends[i]) == 0)
            return;
    fprintf(stderr, "there is no backend \"%s\"; there are sim, epoll and uring\n", name);
    exit(2);
}

static bool is_wanted(const hob_test *test)
{
    const char *filter = hob__test_options.filter;
    char name[512];
    snprintf(name, sizeof name, "%s: %s", test->area, test->claim);
    return filter == NULL || strstr(name, filter) != NULL || fnmatch(filter, name, 0) == 0;
}

static void show_seeds(void)
{
    const struct test_options *o = &hob__test_options;
    if (!o->verbose || o->seed != 0)
        return;
    printf("seeds");
    for (int i = 0; i < o->seeds && i < 10; i++)
        printf(" %llu", (unsigned long long)seed_number(i));
    puts(o->seeds > 10 ? " ..." : "");
}

int main(int argc, char **argv)
{
    struct test_options *o = &hob__test_options;
    setvbuf(stdout, NULL, _IOLBF, 0);
    read_environment(o);
    read_arguments(o, argc, argv);
    check_backend_name(o->backend);
    if (getrandom(&more_seeds, sizeof more_seeds, 0) < 0)
        more_seeds = (uint64_t)time(NULL);
    more_seeds %= 1u << 30;

    if (!o->list) {
        hob__test_watch_install();
        show_seeds();
    }
    for (const hob_test *test = tests; test != NULL; test = test->next) {
        if (!is_wanted(test))
            continue;
        if (o->list)
            printf("%s: %s\n", test->area, test->claim);
        else
            run_on_backends(test);
    }
    if (o->list)
        return 0;

    printf("%u passed, %u failed", count.passed, count.failed);
    if (count.skipped > 0)
        printf(", %u skipped", count.skipped);
    puts("");
    if (count.failed > 0)
        return 1;
    return count.passed == 0 && count.skipped > 0 ? EXIT_SKIPPED : 0;
}
