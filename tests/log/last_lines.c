/* SPDX-License-Identifier: MIT */
/*
 * How a log ends, for test_last_lines.py: last_lines HOW [FILE] logs some lines in a run and then ends
 * in this way. What sticks does so because the writer was given nothing that takes its lines.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <hob.h>

enum { LINES = 200 };

static const char *path;

static void say_some(void)
{
    for (int i = 0; i < LINES; i++)
        HOB_LOG(INFO, "line", "i", i);
}

static int set_up(void)
{
    hob_log_opts opts = { .path = path, .form = HOB_LOG_FORM_JOURNAL };
    return path != NULL ? hob_log_setup(&opts) : 0;
}

static int and_return(void *arg)
{
    say_some();
    return 0;
}

static int and_fail(void *arg)
{
    say_some();
    return -EPIPE;
}

static int and_fault(void *arg)
{
    say_some();
    volatile int *volatile nowhere = (volatile int *)(uintptr_t)16;
    return *nowhere;
}

static __attribute__((noinline)) int recurse(volatile char *above, int depth)
{
    volatile char page[512];
    page[0] = above != NULL ? above[0] : 0;
    page[511] = (char)depth;
    return depth < 0 ? 0 : recurse(page, depth + 1) + page[511];
}

static int dig(void *arg)
{
    say_some();
    return recurse(NULL, 0) & 0;
}

static int and_overflow(void *arg)
{
    HOB_SCOPE(s);
    hob_go(&s, dig, NULL);
    return hob_scope_end(&s);
}

static int and_abort(void *arg)
{
    say_some();
    abort();
}

static int and_divide(void *arg)
{
    say_some();
    return raise(SIGFPE);
}

static int and_misuse(void *arg)
{
    say_some();
    hob_ticker ticker;
    hob_ticker_init(&ticker, -1);
    return 0;
}

static int and_exit(void *arg)
{
    say_some();
    exit(3);
}

static void *fault_on_a_thread(void *arg)
{
    say_some();
    raise(SIGABRT);
    return NULL;
}

static int fault_in_pool(void *arg)
{
    fault_on_a_thread(NULL);
    return 0;
}

static int and_abort_elsewhere(void *arg)
{
    return hob_offload(hob_pool_blocking(), fault_in_pool, NULL);
}

/* A program that lives on after a fault: its own handler, found before the run. */
static sigjmp_buf  again;

static void leave(int signal)
{
    siglongjmp(again, signal);
}

static int and_survive(void *arg)
{
    say_some();
    if (sigsetjmp(again, 1) == 0)
        raise(SIGFPE);
    HOB_LOG(INFO, "survived");
    return 0;
}

static int and_fork(void *arg)
{
    say_some();
    pid_t pid = fork();
    if (pid == 0) {
        HOB_LOG(INFO, "in the child");
        _exit(0);
    }
    int status;
    return waitpid(pid, &status, 0) == pid ? status : -ECHILD;
}

static int and_say_much(void *arg)
{
    for (int i = 0; i < 40; i++) {
        say_some();
        hob_yield();
    }
    return 0;
}

static const struct {
    const char  *how;
    hob_task_fn *fn;
} ways[] = {
    { "return", and_return },     { "fail", and_fail },     { "fault", and_fault },
    { "overflow", and_overflow }, { "abort", and_abort },   { "divide", and_divide },
    { "misuse", and_misuse },     { "exit", and_exit },     { "elsewhere", and_abort_elsewhere },
    { "survive", and_survive },   { "fork", and_fork },     { "much", and_say_much },
};

int main(int argc, char **argv)
{
    if (argc < 2)
        return 2;
    path = argc > 2 ? argv[2] : NULL;
    struct sigaction action = { .sa_handler = leave };
    if (strcmp(argv[1], "survive") == 0)
        sigaction(SIGFPE, &action, NULL);
    if (strcmp(argv[1], "before") == 0) {
        int r = set_up();
        say_some();
        return r < 0;
    }
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        if (strcmp(argv[1], ways[i].how) != 0)
            continue;
        if (set_up() < 0)
            return 2;
        // A report of a slow task goes straight to standard error, which may take nothing.
        int r = hob_run_with(&(hob_run_opts){ .slow_ns = -1 }, ways[i].fn, NULL);
        HOB_LOG(INFO, "the run is over", "result", r);
        return r < 0;
    }
    return 2;
}
