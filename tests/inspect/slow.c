/* SPDX-License-Identifier: MIT */
/* Tasks that hold their worker, for test_slow.py: slow CASE [SLOW_NS]. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <hob.h>

#define NOINLINE __attribute__((noinline))

static int64_t clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Computes for so long. */
static NOINLINE int add_up(int ms)
{
    volatile int sum = 0;
    for (int64_t until = clock_ns() + (int64_t)ms * 1000000; clock_ns() < until;)
        sum++;
    return 0;
}

static void print_slow_runs(void)
{
    hob_stats stats;
    hob_stats_get(&stats);
    printf("slow runs: %llu\n", (unsigned long long)stats.slow_runs);
}

static int calculate(void *arg)
{
    (void)arg;
    int r = add_up(300); // on a busy machine the watchdog may come late
    __asm__ volatile("" ::: "memory"); // so that the call is no jump
    return r;
}

static int block(void *arg)
{
    (void)arg;
    struct timespec time = { .tv_nsec = 100000000 };
    printf("interrupted: %d\n", nanosleep(&time, NULL) < 0);
    return 0;
}

static int start(hob_task_fn *fn, void *arg)
{
    HOB_SCOPE(s);
    hob_go_with(&s, fn, arg, &(hob_task_opts){ .name = "hog" });
    return hob_scope_end(&s);
}

static int computes(void *arg)
{
    int r = start(calculate, arg);
    print_slow_runs();
    return r;
}

static int sleeps_in_the_system(void *arg)
{
    int r = start(block, arg);
    print_slow_runs();
    return r;
}

static int never_ends(void *arg)
{
    (void)arg;
    alarm(2); // the report must come before that
    for (;;)
        add_up(1000);
    return 0;
}

static int often(void *arg)
{
    for (int i = 0; i < 30; i++)
        HOB_TRY(start(calculate, arg));
    print_slow_runs();
    return 0;
}

static int after_a_long_sleep(void *arg)
{
    HOB_TRY(hob_sleep(2500 * HOB_MSEC)); // the watchdog dozes by now
    return computes(arg);
}

static int short_runs(void *arg)
{
    (void)arg;
    for (int i = 0; i < 50; i++) {
        add_up(1);
        hob_yield();
    }
    return 0;
}

static int many_short_runs(void *arg)
{
    HOB_SCOPE(s);
    hob_go(&s, short_runs, arg);
    hob_go(&s, short_runs, arg);
    HOB_TRY(hob_scope_end(&s));
    print_slow_runs();
    return 0;
}

static int sleeps_well(void *arg)
{
    (void)arg;
    HOB_TRY(hob_sleep(200 * HOB_MSEC));
    print_slow_runs();
    return 0;
}

static void in_callback(void *arg, ssize_t result)
{
    (void)arg;
    (void)result;
    add_up(60);
}

static int holds_in_a_callback(void *arg)
{
    hob_op op;
    HOB_SCOPE(s);
    hob_sleep_prep(&op, 1 * HOB_MSEC);
    hob_op_call(&s, &op, in_callback, arg);
    HOB_TRY(hob_scope_end(&s));
    print_slow_runs();
    return 0;
}

static volatile sig_atomic_t urgent;

static void on_urgent(int signal)
{
    (void)signal;
    urgent++;
}

static int with_its_own_sigurg(void *arg)
{
    int r = computes(arg);
    raise(SIGURG);
    printf("own signals: %d\n", (int)urgent);
    return r;
}

#define CASE(name) { #name, name }
static const struct {
    const char  *name;
    hob_task_fn *fn;
} cases[] = {
    CASE(computes),        CASE(sleeps_in_the_system), CASE(never_ends),
    CASE(often),           CASE(after_a_long_sleep),   CASE(many_short_runs),
    CASE(sleeps_well),     CASE(holds_in_a_callback),  CASE(with_its_own_sigurg),
};

int main(int argc, char **argv)
{
    hob_run_opts opts = { .slow_ns = argc > 2 ? atoll(argv[2]) : 0 };
    struct sigaction action = { .sa_handler = on_urgent };
    sigaction(SIGURG, &action, NULL);
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (argc > 1 && strcmp(argv[1], cases[i].name) == 0)
            return hob_run_with(&opts, cases[i].fn, NULL) < 0;
    }
    return 2;
}
