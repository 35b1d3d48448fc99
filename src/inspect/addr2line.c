/* SPDX-License-Identifier: MIT */
#include "inspect/addr2line.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif

/* Not by base/sys.h: what is looked at must not change what a torture run counts. */

#ifndef SYS_close_range
#define SYS_close_range 436
#endif

enum { CHILD_STACK_BYTES = 16 * 1024, HEX_MAX = 20, PROGRAM_MAX = 256 };

#define LIMIT_NS 2000000000L
#define NAP_NS   500000L

/* glibc's name for clone() that sanitizers do not wrap: they would take the child for a fork. */
#ifdef __GLIBC__
int __clone(int (*fn)(void *arg), void *stack, int flags, void *arg, ...);
#else
#define __clone clone
#endif

static enum { UNKNOWN, THERE, GONE } program_is;
static char program[PROGRAM_MAX];

/* ---- finding it ---- */

static bool find_program(void)
{
    const char *wanted = getenv("HOB_SYMBOLS");
    const char *path = secure_getenv("PATH"); // none in set-user-id programs
    if (RUNNING_ON_VALGRIND) // it flushes the parent's files when the keeper ends
        return false;
    if (path == NULL || (wanted != NULL && strcmp(wanted, "0") == 0))
        return false;
    while (*path != '\0') {
        size_t len = strcspn(path, ":");
        int    n = snprintf(program, sizeof program, "%.*s/addr2line", (int)len, path);
        if (*path == '/' && n < (int)sizeof program && access(program, X_OK) == 0)
            return true;
        path += len + (path[len] == ':');
    }
    return false;
}

/* ---- the child ----
 *
 *     this thread ── keeper ── addr2line ──▶ pipe
 *
 * After an exec the kernel tells a parent of its child's end by SIGCHLD, whatever was asked
 * for; a program that has a handler for that, or waits for any child, would notice. So the
 * parent of addr2line is a keeper, which sends no signal. It shares our memory, and this thread
 * sleeps until it ends. The answer has room in the pipe.
 */

struct question {
    int   pipe[2];
    char *argv[4 + ADDRESSES_PER_QUESTION + 1];
};

#define IN_OUR_MEMORY __attribute__((no_sanitize_address, no_sanitize_thread))

static char keeper_stack[CHILD_STACK_BYTES] __attribute__((aligned(16)));
static char program_stack[CHILD_STACK_BYTES] __attribute__((aligned(16)));

/* Both functions run with all signals blocked, touch nothing but descriptors, and make system
 * calls directly, which no sanitizer sees. */
IN_OUR_MEMORY static int be_addr2line(void *arg)
{
    const struct question *question = arg;
    static char           *env[] = { (char *)"LC_ALL=C", NULL };
    int                    out = question->pipe[1];
    syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (out == STDOUT_FILENO)
        syscall(SYS_fcntl, out, F_SETFD, 0);
    else
        syscall(SYS_dup3, out, STDOUT_FILENO, 0);
    long null = syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDWR, 0);
    if (null >= 0 && null != STDIN_FILENO)
        syscall(SYS_dup3, null, STDIN_FILENO, 0);
    if (null >= 0 && null != STDERR_FILENO)
        syscall(SYS_dup3, null, STDERR_FILENO, 0);
    syscall(SYS_close_range, 3, ~0U, 0);
    syscall(SYS_execve, program, question->argv, env);
    syscall(SYS_exit_group, 0);
    return 0;
}

/* Ends with 0, or 1 when the program had to be killed. */
IN_OUR_MEMORY static int be_keeper(void *arg)
{
    struct timespec nap = { .tv_nsec = NAP_NS };
    long            status = 0, left = LIMIT_NS / NAP_NS;
    pid_t           pid = __clone(be_addr2line, program_stack + sizeof program_stack,
                                  CLONE_VM | CLONE_VFORK | SIGCHLD, arg);
    while (pid > 0 && syscall(SYS_wait4, pid, NULL, WNOHANG, NULL) == 0) {
        if (left-- == 0) {
            syscall(SYS_kill, pid, SIGKILL);
            syscall(SYS_wait4, pid, NULL, 0, NULL);
            status = 1;
            break;
        }
        syscall(SYS_nanosleep, &nap, NULL);
    }
    syscall(SYS_exit_group, status);
    return 0;
}

/* Waits until the program has answered into the pipe; false when it did not. */
static bool run_program(struct question *question)
{
    sigset_t all, before;
    int      status = 0;
    sigfillset(&all);
    if (sigprocmask(SIG_SETMASK, &all, &before) < 0)
        return false;
    pid_t keeper = __clone(be_keeper, keeper_stack + sizeof keeper_stack, CLONE_VM | CLONE_VFORK,
                           question);
    if (keeper > 0 && waitpid(keeper, &status, __WALL) == keeper && status != 0)
        program_is = GONE; // too slow for us, and will be the next time
    sigprocmask(SIG_SETMASK, &before, NULL);
    return keeper > 0 && status == 0;
}

/* ---- the answer ---- */

static size_t read_answer(int fd, char *text, size_t size)
{
    size_t len = 0;
    while (len < size) {
        ssize_t n = read(fd, text + len, size - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        len += (size_t)n;
    }
    return len;
}

/* "/a/b/file.c:42 (discriminator 3)" becomes "file.c:42"; unknown ones become "". */
static void keep_line(char *line, char text[LINE_TEXT_MAX])
{
    char *blank = strchr(line, ' ');
    if (blank != NULL)
        *blank = '\0';
    char *slash = strrchr(line, '/');
    char *name = slash != NULL ? slash + 1 : line;
    char *number = strrchr(name, ':');
    text[0] = '\0';
    if (number == NULL || number[1] < '1' || number[1] > '9' || name[0] == '?')
        return;
    if (strlen(name) < LINE_TEXT_MAX)
        strcpy(text, name);
}

static void keep_name(const char *name, char text[LINE_TEXT_MAX])
{
    size_t len = strcspn(name, ".");
    if (name[0] == '?' || len >= LINE_TEXT_MAX)
        len = 0;
    memcpy(text, name, len);
    text[len] = '\0';
}

/* For each address: the address, then a function and a place for each that was inlined, from
 * the inside out. */
static void parse(char *text, size_t count, struct source_line *lines)
{
    size_t i = 0, at = 0;
    char  *next;
    for (char *line = text; (next = strchr(line, '\n')) != NULL; line = next) {
        *next++ = '\0';
        if (strncmp(line, "0x", 2) == 0) {
            i++;
            at = 0;
            continue;
        }
        if (i == 0 || i > count)
            return;
        struct source_line *answer = &lines[i - 1];
        if (at % 2 == 0)
            keep_name(line, answer->outer);
        if (at == 0)
            keep_name(line, answer->inlined);
        else if (at == 1)
            keep_line(line, answer->text);
        at++;
    }
}

static void ask(struct question *question, size_t count, struct source_line *lines)
{
    static char text[16 * 1024];
    if (pipe2(question->pipe, O_CLOEXEC) < 0)
        return;
    bool answered = run_program(question);
    close(question->pipe[1]);
    size_t len = answered ? read_answer(question->pipe[0], text, sizeof text - 1) : 0;
    close(question->pipe[0]);
    text[len] = '\0';
    parse(text, count, lines);
}

void hob__addr2line(const char *file, const uint64_t *vaddrs, size_t count,
                    struct source_line *ret_lines)
{
    static char            hex[ADDRESSES_PER_QUESTION][HEX_MAX];
    static struct question question;
    memset(ret_lines, 0, count * sizeof *ret_lines);
    if (program_is == UNKNOWN)
        program_is = find_program() ? THERE : GONE;
    if (program_is == GONE || count > ADDRESSES_PER_QUESTION)
        return;

    size_t argc = 0;
    question.argv[argc++] = program;
    question.argv[argc++] = (char *)"-aif";
    question.argv[argc++] = (char *)"-e";
    question.argv[argc++] = (char *)(uintptr_t)file;
    for (size_t i = 0; i < count; i++) {
        snprintf(hex[i], sizeof hex[i], "0x%llx", (unsigned long long)vaddrs[i]);
        question.argv[argc++] = hex[i];
    }
    question.argv[argc] = NULL;
    ask(&question, count, ret_lines);
}
