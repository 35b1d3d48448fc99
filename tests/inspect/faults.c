/* SPDX-License-Identifier: MIT */
/* Faults, one for each run, for test_faults.py: faults WHAT. */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <hob.h>

#define NOINLINE __attribute__((noinline))

static NOINLINE int recurse(volatile char *above, int depth)
{
    volatile char page[512];
    page[0] = above != NULL ? above[0] : 0;
    page[511] = (char)depth;
    return depth < 0 ? 0 : recurse(page, depth + 1) + page[511];
}

static int in_user_code(void *arg)
{
    (void)arg;
    return recurse(NULL, 0) & 0;
}

static NOINLINE int print(volatile char *above, int depth)
{
    volatile char page[64];
    page[0] = above != NULL ? above[0] : 0;
    page[63] = (char)depth;
    if (fprintf(stdout, "%d %.17g\n", depth, (double)depth / 3) < 0)
        return 0;
    return print(page, depth + 1) + page[63];
}

static int in_printf(void *arg)
{
    (void)arg;
    return print(NULL, 0) & 0;
}

static int compare(const void *a, const void *b)
{
    return recurse(NULL, *(const int *)a - *(const int *)b + 10);
}

static int in_qsort(void *arg)
{
    (void)arg;
    int numbers[] = { 3, 1, 2 };
    qsort(numbers, 3, sizeof numbers[0], compare);
    return numbers[0] & 0;
}

/* Its first touch is far below the guard, where another task's stack may be. */
static NOINLINE int far_down(size_t bytes)
{
    volatile char big[512 << 10];
    big[bytes] = 1;
    return recurse(big, 0);
}

static int in_a_huge_frame(void *arg)
{
    (void)arg;
    return far_down(17) & 0;
}

static int in_a_deep_call(void *arg)
{
    return hob_call_deep(256 << 10, in_user_code, arg);
}

static int null_pointer(void *arg)
{
    (void)arg;
    volatile int *volatile nowhere = (volatile int *)(uintptr_t)16;
    return *nowhere;
}

static int wild_pointer(void *arg)
{
    (void)arg;
    volatile int *volatile not_ours = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return *not_ours;
}

static int sent(void *arg)
{
    (void)arg;
    return raise(SIGSEGV);
}

static int start(hob_task_fn *fn)
{
    HOB_SCOPE(s);
    hob_go_with(&s, fn, NULL, &(hob_task_opts){ .name = "digger" });
    return hob_scope_end(&s);
}

static hob_task_fn *task;

static int start_a_digger(void *arg)
{
    (void)arg;
    return start(task);
}

static void earlier(int signal, siginfo_t *info, void *context)
{
    (void)context;
    char text[64];
    int  n = snprintf(text, sizeof text, "earlier handler: %d at %ld\n", signal,
                      info->si_code > 0 ? (long)(intptr_t)info->si_addr : 0);
    if (write(STDERR_FILENO, text, (size_t)n) < 0)
        _exit(4);
    _exit(3);
}

static int fork_and(void *fn)
{
    int   status;
    pid_t pid = fork();
    if (pid == 0) {
        hob_task_fn *in_child = *(hob_task_fn **)fn;
        return in_child(NULL); // and goes on as a task would
    }
    if (waitpid(pid, &status, 0) != pid)
        return -ECHILD;
    printf("child: %s %d\n", WIFSIGNALED(status) ? "signal" : "exit",
           WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    fflush(stdout);
    return hob_sleep(HOB_MSEC); // the parent is unharmed
}

static int child_sleeps(void *arg)
{
    (void)arg;
    return hob_sleep(HOB_MSEC);
}

static int child_returns(void *arg)
{
    (void)arg;
    return 0;
}

static int child_yields(void *arg)
{
    (void)arg;
    hob_yield();
    return 0;
}

static int child_starts(void *arg)
{
    (void)arg;
    hob_scope *root = hob_root("child");
    hob_go(root, child_returns, NULL);
    return 0;
}

static int child_opens_a_scope(void *arg)
{
    (void)arg;
    HOB_SCOPE(s);
    hob_go(&s, child_returns, NULL);
    return hob_scope_end(&s);
}

static int child_makes_a_socket(void *arg)
{
    (void)arg;
    hob_unix *a, *b;
    return hob_unix_pair(&a, &b);
}

static int child_runs(void *arg)
{
    return hob_run(child_returns, arg);
}

static int child_makes_a_promise(void *arg)
{
    (void)arg;
    hob_promise *promise;
    return hob_promise_new(&promise);
}

static int child_execs(void *arg)
{
    (void)arg;
    execl("/bin/sh", "sh", "-c", "exit 5", (char *)NULL);
    _exit(4);
}

static int child_exits(void *arg)
{
    (void)arg;
    _exit(6);
}

#define CASE(name) { #name, name }
static const struct {
    const char  *name;
    hob_task_fn *fn;
} cases[] = {
    CASE(in_user_code),  CASE(in_printf),     CASE(in_qsort),
    CASE(in_a_huge_frame), CASE(in_a_deep_call), CASE(wild_pointer),
    CASE(null_pointer),
    CASE(sent),          CASE(child_sleeps),  CASE(child_returns),
    CASE(child_yields),  CASE(child_starts),  CASE(child_opens_a_scope),
    CASE(child_makes_a_socket), CASE(child_runs), CASE(child_makes_a_promise),
    CASE(child_execs),   CASE(child_exits),
};

/* faults CASE [main] [earlier] */
int main(int argc, char **argv)
{
    bool in_main = false;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (argc > 1 && strcmp(argv[1], cases[i].name) == 0)
            task = cases[i].fn;
    }
    for (int i = 2; i < argc; i++) {
        struct sigaction action = { .sa_sigaction = earlier, .sa_flags = SA_SIGINFO | SA_ONSTACK };
        in_main |= strcmp(argv[i], "main") == 0;
        if (strcmp(argv[i], "earlier") == 0)
            sigaction(SIGSEGV, &action, NULL);
    }
    if (task == NULL)
        return 2;
    if (strncmp(argv[1], "child", 5) == 0)
        return hob_run(fork_and, &task) < 0;
    return hob_run(in_main ? task : start_a_digger, NULL) < 0;
}
