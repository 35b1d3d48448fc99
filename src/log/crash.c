/* SPDX-License-Identifier: MIT */
/*
 * Writing in the middle of anything: with write(2), poll(2) and nothing else; no lock is waited for.
 *
 * The writer may be at its block at the same moment. It is given a little time to finish its piece,
 * after which the block is the handler's; a writer that is stuck keeps its block, and only the other
 * one is written. If the lock of the buffer was held by who crashed, the blocks are read as they are:
 * their lengths only ever grow by whole lines.
 *
 * The process may survive (a handler of the program's own that leaves by siglongjmp): then all goes on
 * as before, unless the lock or the writer was not to be had.
 *
 * SIGSEGV and SIGBUS are looked at by inspect/overflow.c, and failed assertions by base/check.c; these
 * are the others. Whoever handled them before is next.
 */
#include "log/crash.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <time.h>
#include <unistd.h>

#include "base/sys.h"
#include "log/writer.h"

enum {
    TRIES = 200,       /* for the writer's block and the lock; 1 ms each */
    STUCK_MS = 200,    /* that a pipe may take nothing                   */
};

static const int signals[] = { SIGABRT, SIGFPE, SIGILL };
enum { SIGNALS = sizeof signals / sizeof signals[0] };

static _Atomic(struct log_writer *) watched;
static struct sigaction             earlier[SIGNALS];

static void wait_a_little(void)
{
    nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
}

static bool take_block(struct log_buffer *b)
{
    for (int i = 0; i < TRIES; i++) {
        int idle = LOG_IDLE;
        if (atomic_compare_exchange_strong(&b->writing, &idle, LOG_CRASHED))
            return true;
        wait_a_little();
    }
    return false;
}

static bool take_lock(struct lock *lock)
{
    for (int i = 0; i < TRIES; i++) {
        unsigned free = 0;
        if (atomic_compare_exchange_strong(&lock->state, &free, 1))
            return true;
        wait_a_little();
    }
    return false;
}

static size_t write_out(int fd, const char *text, size_t len)
{
    size_t at = 0;
    while (at < len) {
        struct pollfd look = { .fd = fd, .events = POLLOUT };
        size_t        piece = len - at < LOG_LINE_BYTES ? len - at : LOG_LINE_BYTES;
        if (poll(&look, 1, STUCK_MS) == 0)
            break;
        ssize_t n = write(fd, text + at, piece);
        if (n < 0 && errno != EINTR && errno != EAGAIN)
            break;
        at += n > 0 ? (size_t)n : 0;
    }
    return at;
}

static void write_last_lines(void)
{
    int                before = errno;
    struct log_writer *w = atomic_exchange(&watched, NULL); // a fault in here is not to come back
    if (w == NULL)
        return;
    struct log_buffer *b = &w->buffer;
    int                fd = hob__log_sink_fd(&w->sink);
    bool               has_block = take_block(b), has_lock = take_lock(&b->lock);
    bool               all = true;
    if (has_block) {
        size_t left = atomic_load(&b->left), len = atomic_load(&b->leaving->len) - left;
        size_t n = write_out(fd, b->leaving->text + left, len);
        atomic_fetch_add(&b->left, n);
        atomic_fetch_add(&b->gone, n);
        all = n == len;
    }
    if (all) {
        size_t len = atomic_load(&b->filling->len);
        size_t n = write_out(fd, b->filling->text, len);
        if (has_lock && n == len) {
            atomic_store(&b->filling->len, 0);
            atomic_fetch_add(&b->gone, len);
        }
    }
    if (has_lock)
        lock_give(&b->lock);
    if (has_block)
        atomic_store(&b->writing, LOG_IDLE);
    struct log_writer *none = NULL;
    atomic_compare_exchange_strong(&watched, &none, w);
    errno = before;
}

/* The earlier handler, or the default, which ends the program. */
static void on_signal(int signal, siginfo_t *info, void *context)
{
    const struct sigaction *next = &earlier[0];
    for (int i = 0; i < SIGNALS; i++) {
        if (signals[i] == signal)
            next = &earlier[i];
    }
    write_last_lines();
    if (next->sa_flags & SA_SIGINFO) {
        next->sa_sigaction(signal, info, context);
        return;
    }
    if (next->sa_handler != SIG_DFL && next->sa_handler != SIG_IGN) {
        next->sa_handler(signal);
        return;
    }
    bool was_sent = info->si_code <= 0;
    if (was_sent && next->sa_handler == SIG_IGN)
        return;
    struct sigaction plain = { .sa_handler = SIG_DFL };
    sigaction(signal, &plain, NULL); // returning repeats a fault, now fatally
    if (was_sent)
        raise(signal);
}

static void install(void)
{
    struct sigaction action = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK };
    for (int i = 0; i < SIGNALS; i++) {
        // Without, this signal ends the process with some lines fewer.
        if (hob__sys_sigaction(signals[i], &action, &earlier[i]) < 0)
            earlier[i] = (struct sigaction){ .sa_handler = SIG_DFL };
    }
}

/* Unless the program took it over meanwhile. */
static void give_back(void)
{
    for (int i = 0; i < SIGNALS; i++) {
        struct sigaction now;
        if (sigaction(signals[i], NULL, &now) == 0 && now.sa_sigaction == on_signal)
            (void)sigaction(signals[i], &earlier[i], NULL);
    }
}

static bool is_installed; /* for hob__log_crash_watch */

void hob__log_crash_watch(struct log_writer *w)
{
    atomic_store(&watched, w);
    if (w != NULL && !is_installed) {
        install();
        is_installed = true;
        __atomic_store_n(&hob__last_lines, write_last_lines, __ATOMIC_RELEASE);
    } else if (w == NULL && is_installed) {
        __atomic_store_n(&hob__last_lines, NULL, __ATOMIC_RELEASE);
        give_back();
        is_installed = false;
    }
}

void hob__log_crash_forget(void)
{
    atomic_store(&watched, NULL);
    if (is_installed)
        give_back();
    is_installed = false;
    __atomic_store_n(&hob__last_lines, NULL, __ATOMIC_RELEASE);
}
