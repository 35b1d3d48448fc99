/* SPDX-License-Identifier: MIT */
/*
 * Hangs, crashes, and tests that must die.
 *
 * A hang is found by SIGALRM: it shows what every task waits for and ends the
 * program. A crash says which test it was, and then goes its way, so that a
 * debugger or a core file sees it where it happened. A test that must die runs
 * in a child process, whose standard error is read afterwards.
 *
 * The handlers run on whatever the thread was doing; they write with write(2).
 * hob_dump does more than a handler should, but the program is lost anyway, and
 * a second alarm ends it if the dump gets stuck.
 */
#include "test/state.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hob/inspect.h"

enum {
    TIMEOUT_S = 20,
    DUMP_TIMEOUT_S = 10,
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    IS_SANITIZED = 1,
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
    IS_SANITIZED = 1,
#else
    IS_SANITIZED = 0,
#endif
#else
    IS_SANITIZED = 0,
#endif
};

/* The sanitizers end a program on their own; this lets us say which test it was. */
__attribute__((weak)) void __sanitizer_set_death_callback(void (*callback)(void));

static char signal_stack[64 * 1024];

static void say(const char *text)
{
    ssize_t n = write(STDERR_FILENO, text, strlen(text));
    (void)n;
}

/* Says what was going on. snprintf does not allocate for these formats. */
static void say_where(const char *what)
{
    char text[1024], repeat[512];
    const struct test_run *run = &hob__test_now;
    if (run->test == NULL)
        return;
    hob__test_repeat_line(repeat, sizeof repeat);
    snprintf(text, sizeof text, "FAILED %s: %s (%s, seed %llu): %s\n  repeat: %s\n",
             run->test->area, run->test->claim, run->backend, (unsigned long long)run->seed, what,
             repeat);
    say(text);
}

static void on_crash(int number, siginfo_t *info, void *context)
{
    (void)context;
    char what[64];
    snprintf(what, sizeof what, "it crashed, SIG%s", sigabbrev_np(number));
    say_where(what);

    // A fault happens again when this returns, and abort() goes on; what kill(2) sent does not.
    // The runtime's own handler may have called this one, so SA_RESETHAND would not do.
    signal(number, SIG_DFL);
    if (info == NULL || info->si_code <= 0)
        raise(number);
}

static void on_death(void)
{
    say_where("a sanitizer stopped it");
}

static void on_dump_stuck(int number)
{
    (void)number;
    say("the dump did not come to an end\n");
    _exit(1);
}

static void on_alarm(int number)
{
    (void)number;
    signal(SIGALRM, on_dump_stuck);
    alarm(DUMP_TIMEOUT_S);
    say_where("it hangs. What its tasks wait for:");
    hob_dump(STDERR_FILENO, 0);
    _exit(1);
}

/* How many times slower than usual the program may run. */
static unsigned slowness(void)
{
    const char *text = getenv("HOB_TEST_TIMEOUT");
    if (text != NULL && atoi(text) > 0)
        return ((unsigned)atoi(text) + TIMEOUT_S - 1) / TIMEOUT_S;
    const char *preload = getenv("LD_PRELOAD");
    if (preload != NULL && strstr(preload, "vgpreload") != NULL)
        return 15;
    return IS_SANITIZED || hob_test_is_deep() ? 6 : 1;
}

void hob__test_watch_start(unsigned seconds)
{
    alarm((seconds != 0 ? seconds : TIMEOUT_S) * slowness());
}

void hob__test_watch_stop(void)
{
    alarm(0);
}

void hob_test_timeout(unsigned seconds)
{
    hob__test_watch_start(seconds);
}

void hob__test_watch_install(void)
{
    stack_t stack = { .ss_sp = signal_stack, .ss_size = sizeof signal_stack };
    struct sigaction on_signal = { .sa_sigaction = on_crash,
                                   .sa_flags = SA_ONSTACK | SA_SIGINFO };
    sigaltstack(&stack, NULL);
    sigemptyset(&on_signal.sa_mask);
    sigaction(SIGABRT, &on_signal, NULL);
    if (!IS_SANITIZED) {
        sigaction(SIGSEGV, &on_signal, NULL);
        sigaction(SIGBUS, &on_signal, NULL);
        sigaction(SIGFPE, &on_signal, NULL);
        sigaction(SIGILL, &on_signal, NULL);
    }
    if (__sanitizer_set_death_callback != NULL)
        __sanitizer_set_death_callback(on_death);

    on_signal.sa_handler = on_alarm;
    on_signal.sa_flags = SA_ONSTACK;
    sigaction(SIGALRM, &on_signal, NULL);
}

/* ---- tests that must die ---- */

/* The child: the test as it is, without handlers of ours, talking into `out`. */
static void be_the_child(int out)
{
    static const int signals[] = { SIGABRT, SIGALRM, SIGSEGV, SIGBUS, SIGFPE, SIGILL };
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
        if (!IS_SANITIZED || i < 2)
            signal(signals[i], SIG_DFL);
    if (__sanitizer_set_death_callback != NULL)
        __sanitizer_set_death_callback(NULL);
    struct rlimit no_core = { 0, 0 };
    setrlimit(RLIMIT_CORE, &no_core);
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);

    hob__test_now.in_child = true;
    hob__test_run_once();
    fflush(NULL);
    _exit(0);
}

/* Everything that was written to `fd`, which is a file; NULL when memory ran out. */
static char *read_all(int fd)
{
    off_t size = lseek(fd, 0, SEEK_END);
    char *text = (char *)malloc((size_t)size + 1);
    if (text == NULL)
        return NULL;
    ssize_t n = pread(fd, text, (size_t)size, 0);
    text[n < 0 ? 0 : n] = '\0';
    return text;
}

/* Whether the parts of `sentence`, between its stars, stand in the text in order. */
static bool says(const char *text, const char *sentence)
{
    while (text != NULL && *sentence != '\0') {
        char   part[256];
        size_t len = strcspn(sentence, "*");
        snprintf(part, sizeof part, "%.*s", (int)len, sentence);
        text = strstr(text, part);
        if (text != NULL)
            text += strlen(part);
        sentence += len + (sentence[len] == '*');
    }
    return text != NULL;
}

static void judge_death(int status, const char *said, const char *sentence)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        hob__test_show_failure("it lives; it should have died, saying: %s\n%s", sentence, said);
    else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
        hob__test_show_failure("it hangs; it should have died, saying: %s\n%s", sentence, said);
    else if (!says(said, sentence))
        hob__test_show_failure("it died, but did not say: %s\n  It said:\n%s", sentence, said);
}

void hob__test_run_dying(void)
{
    int out = memfd_create("hob-test", MFD_CLOEXEC);
    fflush(NULL);
    pid_t pid = out < 0 ? -1 : fork();
    if (pid == 0)
        be_the_child(out);
    if (pid < 0) {
        hob__test_show_failure("cannot start a child process: %s", strerror(errno));
        if (out >= 0)
            close(out);
        return;
    }

    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    char *said = read_all(out);
    close(out);
    judge_death(status, said != NULL ? said : "", hob__test_now.test->dies);
    free(said);
}
