/* SPDX-License-Identifier: MIT */
/*
 * The child runs on a stack of its own in the parent's memory, as in posix_spawn(3), so it calls
 * the kernel by syscall(2) alone: the functions of libc for identities tell other threads, and
 * those of a sanitizer note things that would then be noted in the parent.
 */
#include "base/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"
#include "base/fault.h"
#include "base/lack.h"
#include "base/sys.h"

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

enum {
    STACK_BYTES = 64 * 1024,
    FIRST_FREE = 3,       /* after the standard descriptors */
    SIGNAL_COUNT = 64,
    SIGNAL_SET_BYTES = 8, /* the kernel's sigset_t */
};

#if defined(__clang__)
#define IN_CHILD __attribute__((disable_sanitizer_instrumentation, no_sanitize("all")))
#else
#define IN_CHILD __attribute__((no_sanitize("address", "thread", "undefined")))
#endif

#if defined(__SANITIZE_THREAD__)
#define SHARES_MEMORY 0
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SHARES_MEMORY 0
#endif
#endif
#ifndef SHARES_MEMORY
#define SHARES_MEMORY CLONE_VM
#endif

/* What the kernel takes as a signal's action: zeros mean the default. */
struct kernel_action {
    unsigned long words[8];
};

struct launch {
    const struct spawn *what;
    int                 report; /* the pipe's writing end */
    pid_t               parent;
    enum spawn_step     made_to_fail; /* SPAWN_STEP_COUNT: none */
};

struct failure {
    int step, error;
};

const char *hob__spawn_step_name(enum spawn_step step)
{
    static const char *const names[] = {
#define X(step, name) [SPAWN_##step] = name,
        SPAWN_STEPS(X)
#undef X
    };
    return names[step];
}

/* ---- the child ---- */

IN_CHILD static __attribute__((noreturn)) void give_up(const struct launch *l, enum spawn_step step,
                                                       int error)
{
    struct failure failure = { step, error };
    syscall(SYS_write, l->report, &failure, sizeof failure);
    for (;;)
        syscall(SYS_exit_group, 127);
}

IN_CHILD static void must(const struct launch *l, enum spawn_step step, long result)
{
    if (result < 0)
        give_up(l, step, errno);
    if (l->made_to_fail == step)
        give_up(l, step, EAGAIN);
}

/* exec would reset what is handled, but only after signals are let in. What is ignored stays so,
 * as with nohup; but SIGPIPE is ignored by Hob itself, and whoever ignores SIGCHLD without knowing
 * cannot wait for children of its own. */
IN_CHILD static void reset_signals(void)
{
    struct kernel_action action, none;
    for (size_t i = 0; i < sizeof none.words / sizeof none.words[0]; i++)
        none.words[i] = 0;
    for (int signal = 1; signal <= SIGNAL_COUNT; signal++) {
        if (signal == SIGKILL || signal == SIGSTOP)
            continue;
        if (syscall(SYS_rt_sigaction, signal, NULL, &action, SIGNAL_SET_BYTES) < 0)
            continue;
        bool stays = action.words[0] == (unsigned long)SIG_IGN && signal != SIGPIPE &&
                     signal != SIGCHLD;
        if (action.words[0] != (unsigned long)SIG_DFL && !stays)
            syscall(SYS_rt_sigaction, signal, &none, NULL, SIGNAL_SET_BYTES);
    }
}

struct entry64 {
    uint64_t       ino;
    int64_t        off;
    unsigned short len;
    unsigned char  type;
    char           name[];
};

/* Without close_range (before 5.11): those that the kernel lists. */
IN_CHILD static long close_listed_at_exec(void)
{
    char list[2048] __attribute__((aligned(8)));
    long dir = syscall(SYS_openat, AT_FDCWD, "/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (dir < 0)
        return dir;
    for (long len; (len = syscall(SYS_getdents64, dir, list, sizeof list)) > 0;) {
        for (long at = 0; at < len; at += ((struct entry64 *)(list + at))->len) {
            int number = 0;
            const char *digit = ((struct entry64 *)(list + at))->name;
            for (; *digit >= '0' && *digit <= '9'; digit++)
                number = 10 * number + (*digit - '0');
            if (*digit == '\0' && number >= FIRST_FREE)
                syscall(SYS_fcntl, number, F_SETFD, FD_CLOEXEC);
        }
    }
    return syscall(SYS_close, dir);
}

IN_CHILD static long close_all_at_exec(void)
{
    long r = -1;
#ifdef SYS_close_range
    if (!hob__lacks(LACK_CLOSE_RANGE))
        r = syscall(SYS_close_range, FIRST_FREE, ~0u, CLOSE_RANGE_CLOEXEC);
#endif
    return r == 0 ? 0 : close_listed_at_exec();
}

/* All are first put out of the way of all numbers that they will have, which may be theirs now. */
IN_CHILD static void arrange_fds(struct launch *l)
{
    const struct spawn *s = l->what;
    int                 aside[SPAWN_FDS_MAX], first = FIRST_FREE;
    for (size_t i = 0; i < s->fd_count; i++) {
        if (s->fds[i].to >= first)
            first = s->fds[i].to + 1;
    }
    long report = syscall(SYS_fcntl, l->report, F_DUPFD_CLOEXEC, first);
    must(l, SPAWN_FDS, report);
    l->report = (int)report;
    for (size_t i = 0; i < s->fd_count; i++) {
        long fd = syscall(SYS_fcntl, s->fds[i].from, F_DUPFD_CLOEXEC, first);
        must(l, SPAWN_FDS, fd);
        aside[i] = (int)fd;
    }
    must(l, SPAWN_CLOSE, close_all_at_exec());
    for (size_t i = 0; i < s->fd_count; i++)
        must(l, SPAWN_FDS, syscall(SYS_dup3, aside[i], s->fds[i].to, 0));
}

IN_CHILD static void set_limits(const struct launch *l)
{
    const struct spawn *s = l->what;
    if (s->nice != 0) {
        long now = 20 - syscall(SYS_getpriority, PRIO_PROCESS, 0);
        must(l, SPAWN_NICE, syscall(SYS_setpriority, PRIO_PROCESS, 0, now + s->nice));
    }
    for (size_t i = 0; i < s->limit_count; i++) {
        uint64_t limit[2] = { s->limits[i].soft, s->limits[i].hard };
        must(l, SPAWN_LIMITS, syscall(SYS_prlimit64, 0, s->limits[i].resource, limit, NULL));
    }
    if (s->set_umask)
        syscall(SYS_umask, s->umask);
}

IN_CHILD static void become(const struct launch *l)
{
    const struct spawn *s = l->what;
    if (s->set_uid || s->set_gid)
        must(l, SPAWN_GROUPS, syscall(SYS_setgroups, s->group_count, s->groups));
    if (s->set_gid)
        must(l, SPAWN_GID, syscall(SYS_setresgid, s->gid, s->gid, s->gid));
    if (s->set_uid)
        must(l, SPAWN_UID, syscall(SYS_setresuid, s->uid, s->uid, s->uid));
}

/* After the identity, whose change takes it back. The parent may be gone already. */
IN_CHILD static void die_with_parent(const struct launch *l)
{
    if (l->what->death_signal == 0)
        return;
    must(l, SPAWN_DEATH, syscall(SYS_prctl, PR_SET_PDEATHSIG, l->what->death_signal, 0, 0, 0));
    if (syscall(SYS_getppid) != l->parent)
        give_up(l, SPAWN_DEATH, ESRCH);
}

/* In the environment that the parent made: nobody else could know the number. */
IN_CHILD static void write_pid(const struct launch *l)
{
    char digits[12], *to = l->what->pid_text;
    int  count = 0;
    if (to == NULL)
        return;
    for (long pid = syscall(SYS_getpid); pid > 0; pid /= 10)
        digits[count++] = (char)('0' + pid % 10);
    while (count > 0)
        *to++ = digits[--count];
    *to = '\0';
}

/* The first file that is there; as execvp(3), one that may not be run is only told of if no
 * other is found. */
IN_CHILD static __attribute__((noreturn)) void run_program(const struct launch *l)
{
    int error = ENOENT;
    must(l, SPAWN_EXEC, 0);
    for (const char *const *file = l->what->candidates; *file != NULL; file++) {
        syscall(SYS_execve, *file, l->what->argv, l->what->env);
        if (errno == EACCES)
            error = EACCES;
        else if (errno != ENOENT && errno != ENOTDIR && errno != ESTALE && errno != ENODEV)
            give_up(l, SPAWN_EXEC, errno);
        else if (l->what->candidates[1] == NULL)
            error = errno;
    }
    give_up(l, SPAWN_EXEC, error);
}

IN_CHILD static int child_main(void *arg)
{
    struct launch       mine = *(struct launch *)arg, *l = &mine; // what is written is not the parent's
    const struct spawn *s = l->what;
    uint64_t            no_signals = 0;
    reset_signals();
    if (s->new_session)
        must(l, SPAWN_SESSION, syscall(SYS_setsid));
    else if (s->new_group)
        must(l, SPAWN_GROUP, syscall(SYS_setpgid, 0, 0));
    arrange_fds(l);
    if (s->take_terminal)
        must(l, SPAWN_TERMINAL, syscall(SYS_ioctl, 0, TIOCSCTTY, 0));
    set_limits(l);
    become(l);
    die_with_parent(l);
    if (s->directory != NULL)
        must(l, SPAWN_DIRECTORY, syscall(SYS_chdir, s->directory));
    write_pid(l);
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &no_signals, NULL, SIGNAL_SET_BYTES);
    run_program(l);
}

/* ---- the parent ---- */

/* A torture run asks about each step here, where it can count. */
static enum spawn_step choose_fault(void)
{
    static const enum spawn_step common[] = { SPAWN_FDS, SPAWN_CLOSE, SPAWN_EXEC };
    enum spawn_step chosen = SPAWN_STEP_COUNT;
    for (size_t i = 0; i < sizeof common / sizeof common[0]; i++) {
        if (hob__fault())
            chosen = common[i];
    }
    return chosen;
}

/* No handler of ours may run in the child, which would run it in our memory. */
static int clone_with_signals_blocked(char *stack, struct launch *launch, int *ret_pidfd)
{
    sigset_t all, before;
    int      flags = CLONE_VFORK | SHARES_MEMORY | SIGCHLD;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int pid = hob__sys_clone(child_main, stack + STACK_BYTES, flags | CLONE_PIDFD, launch, ret_pidfd);
    if (pid == -EINVAL) // an emulator
        pid = hob__sys_clone(child_main, stack + STACK_BYTES, flags, launch, ret_pidfd);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return pid;
}

/* Blocks until the child has its program, or has failed. No fault: a pipe's reading cannot. */
static bool has_failed(int report, struct failure *ret_failure)
{
    ssize_t n;
    do
        n = read(report, ret_failure, sizeof *ret_failure);
    while (n < 0 && errno == EINTR);
    return n == (ssize_t)sizeof *ret_failure;
}

static void reap(pid_t pid)
{
    siginfo_t info;
    while (waitid(P_PID, (id_t)pid, &info, WEXITED) < 0 && errno == EINTR)
        ;
}

/* From here on there is a child. */
static int look_after(pid_t pid, int report, int *pidfd, enum spawn_step *ret_failed)
{
    struct failure failure;
    int            r = 0;
    if (*pidfd < 0)
        r = *pidfd = hob__sys_pidfd_open(pid);
    *ret_failed = SPAWN_CLONE;
    if (r < 0)
        kill(pid, SIGKILL);
    if (has_failed(report, &failure) && r >= 0) {
        *ret_failed = (enum spawn_step)failure.step;
        r = -failure.error;
    }
    if (r >= 0)
        return 0;
    reap(pid);
    if (*pidfd >= 0)
        hob__sys_close(*pidfd);
    return r;
}

static int run_child(struct launch *launch, int report, struct spawned *ret_child,
                     enum spawn_step *ret_failed)
{
    void *stack;
    int   pidfd = -1;
    int   r = hob__sys_mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0, &stack);
    if (r < 0)
        return r;
    int pid = clone_with_signals_blocked(stack, launch, &pidfd);
    hob__sys_close(launch->report); // so that the child's is the last
    launch->report = -1;
    r = pid < 0 ? pid : look_after(pid, report, &pidfd, ret_failed);
    (void)hob__sys_munmap(stack, STACK_BYTES);
    *ret_child = (struct spawned){ pid, pidfd };
    return r;
}

int hob__spawn(const struct spawn *what, struct spawned *ret_child, enum spawn_step *ret_failed)
{
    struct spawned child = { -1, -1 };
    int            ends[2];
    *ret_failed = SPAWN_CLONE;
    int r = hob__pidfd_check();
    if (r < 0)
        return r;
    r = hob__sys_pipe(ends, O_CLOEXEC);
    if (r < 0)
        return r;
    struct launch launch = { what, ends[1], getpid(), choose_fault() };
    r = run_child(&launch, ends[0], &child, ret_failed);
    hob__sys_close(ends[0]);
    if (launch.report >= 0)
        hob__sys_close(launch.report);
    if (r == 0)
        *ret_child = child;
    return r;
}

int hob__pidfd_check(void)
{
    static int known; // 0: not yet; 1: there; -ENOSYS
    int        r = __atomic_load_n(&known, __ATOMIC_RELAXED);
    if (hob__lacks(LACK_PIDFD))
        return -ENOSYS;
    if (r == 0) {
        siginfo_t info; // P_PIDFD came last, with 5.4: an older kernel says -EINVAL for any number
        r = hob__sys_waitid_pidfd(INT_MAX, &info, WEXITED | WNOHANG, NULL) == -EBADF ? 1 : -ENOSYS;
        __atomic_store_n(&known, r, __ATOMIC_RELAXED);
    }
    return r < 0 ? r : 0;
}
