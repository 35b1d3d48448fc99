/* SPDX-License-Identifier: MIT */
#include "io/terminal_mode.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include "base/check.h"
#include "base/sys.h"

enum { PLACES = 8, SIGNALS = 64 };

struct place {
    atomic_bool    is_used; /* the rest is written before, and read while it is */
    int            fd;      /* our own, so that nobody closes it                */
    struct termios before, now;
};

static struct place places[PLACES];
static atomic_int   owner; /* the process that changed them */

/* Under the lock. */
static pthread_mutex_t  lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned         used;
static struct sigaction before[SIGNALS + 1];
static bool             is_ours[SIGNALS + 1];

/* Those that end a process. A fault is looked at by others too; they come after us. */
static const int ending[] = { SIGHUP,  SIGINT,  SIGQUIT, SIGTERM,   SIGPIPE, SIGALRM, SIGUSR1,
                              SIGUSR2, SIGPOLL, SIGPROF, SIGVTALRM, SIGXCPU, SIGXFSZ };
static const int faults[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS };

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* ---- giving back, and taking again: also in handlers ---- */

/* With SIGTTOU blocked, so that one in the background may, too. */
static void set_all(bool back)
{
    sigset_t ttou, mask;
    if (getpid() != atomic_load(&owner))
        return; // a forked child: they are its parent's
    sigemptyset(&ttou);
    sigaddset(&ttou, SIGTTOU);
    pthread_sigmask(SIG_BLOCK, &ttou, &mask);
    for (size_t i = 0; i < PLACES; i++) {
        struct place *p = &places[i];
        if (!atomic_load(&p->is_used) || (!back && tcgetpgrp(p->fd) != getpgrp()))
            continue;
        (void)hob__sys_tcsetattr(p->fd, back ? &p->before : &p->now);
    }
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
}

static void give_all_back(void)
{
    set_all(true);
}

static bool is_fault(int signal)
{
    for (size_t i = 0; i < COUNT(faults); i++) {
        if (faults[i] == signal)
            return true;
    }
    return false;
}

/* Then whoever was there before us has it: by the same fault, or by the signal once more. */
static void on_ending(int signal, siginfo_t *info, void *context)
{
    (void)context;
    give_all_back();
    (void)hob__sys_sigaction(signal, &before[signal], NULL);
    if (!is_fault(signal) || info->si_code <= 0)
        (void)raise(signal);
}

static void on_stop(int signal)
{
    struct sigaction stop = { .sa_handler = SIG_DFL }, ours;
    sigset_t         only, mask;
    int              saved = errno;
    give_all_back();
    (void)hob__sys_sigaction(signal, &stop, &ours);
    (void)raise(signal);
    sigemptyset(&only);
    sigaddset(&only, signal);
    pthread_sigmask(SIG_UNBLOCK, &only, &mask); // it stops here
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    (void)hob__sys_sigaction(signal, &ours, NULL);
    errno = saved;
}

/* In the background it is somebody else's; the next SIGCONT comes with the foreground. */
static void on_continue(int signal)
{
    int saved = errno;
    (void)signal;
    set_all(false);
    errno = saved;
}

/* ---- the handlers come and go, under the lock ---- */

static void take(int signal, struct sigaction ours, bool over_others)
{
    sigfillset(&ours.sa_mask);
    ours.sa_flags |= SA_RESTART | SA_ONSTACK;
    if (hob__sys_sigaction(signal, NULL, &before[signal]) < 0)
        return;
    if (before[signal].sa_handler != SIG_DFL && !over_others)
        return;
    is_ours[signal] = hob__sys_sigaction(signal, &ours, NULL) == 0;
}

static void take_signals(void)
{
    struct sigaction end = { .sa_sigaction = on_ending, .sa_flags = SA_SIGINFO };
    struct sigaction stop = { .sa_handler = on_stop }, go_on = { .sa_handler = on_continue };
    for (size_t i = 0; i < COUNT(ending); i++)
        take(ending[i], end, false);
    for (size_t i = 0; i < COUNT(faults); i++)
        take(faults[i], end, true);
    take(SIGTSTP, stop, false);
    take(SIGCONT, go_on, false);
    hob__last_act = give_all_back;
}

static bool is_handler_ours(const struct sigaction *now)
{
    return now->sa_sigaction == on_ending || now->sa_handler == on_stop ||
           now->sa_handler == on_continue;
}

static void give_signals_back(void)
{
    hob__last_act = NULL;
    for (int signal = 1; signal <= SIGNALS; signal++) {
        struct sigaction now = { .sa_handler = SIG_DFL };
        if (!is_ours[signal])
            continue;
        is_ours[signal] = false;
        (void)hob__sys_sigaction(signal, NULL, &now);
        if (is_handler_ours(&now)) // else somebody has set another since
            (void)hob__sys_sigaction(signal, &before[signal], NULL);
    }
}

static void watch_exit(void)
{
    static bool watched;
    if (!watched)
        watched = atexit(give_all_back) == 0;
}

/* ---- the table ---- */

static struct termios changed(const struct termios *from, enum terminal_mode mode)
{
    struct termios now = *from;
    if (mode == TERMINAL_RAW) {
        cfmakeraw(&now);
        now.c_cc[VMIN] = 1;
        now.c_cc[VTIME] = 0;
    } else {
        now.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK | ECHONL);
    }
    return now;
}

static int set_mode(struct place *p, int fd, enum terminal_mode mode)
{
    int r = hob__sys_dup(fd);
    if (r < 0)
        return r;
    p->fd = r;
    r = hob__sys_tcgetattr(fd, &p->before);
    if (r == 0) {
        p->now = changed(&p->before, mode);
        watch_exit();
        atomic_store(&owner, getpid());
        if (used++ == 0)
            take_signals();
        atomic_store(&p->is_used, true); // first: a signal may come in between
        r = hob__sys_tcsetattr(p->fd, &p->now);
    }
    return r;
}

static void free_place(struct place *p)
{
    if (atomic_load(&p->is_used)) {
        (void)hob__sys_tcsetattr(p->fd, &p->before);
        atomic_store(&p->is_used, false);
        if (--used == 0)
            give_signals_back();
    }
    if (p->fd > 0)
        hob__sys_close(p->fd);
    p->fd = 0;
}

int hob__terminal_mode_enter(int fd, enum terminal_mode mode)
{
    int r = -EMFILE;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < PLACES; i++) {
        struct place *p = &places[i];
        if (atomic_load(&p->is_used))
            continue;
        r = set_mode(p, fd, mode);
        if (r < 0)
            free_place(p);
        else
            r = i;
        break;
    }
    pthread_mutex_unlock(&lock);
    return r;
}

void hob__terminal_mode_leave(int place)
{
    pthread_mutex_lock(&lock);
    free_place(&places[place]);
    pthread_mutex_unlock(&lock);
}
