/* SPDX-License-Identifier: MIT */
/*
 * Signals of the system, as something to wait for.
 *
 *     hob_signals *signals;
 *     HOB_TRY(hob_signals_open(HOB_SIGNALS(SIGHUP, SIGUSR1), &signals));
 *     for (;;) {
 *         int signal = hob_signals_next(signals);
 *         if (signal == SIGHUP)
 *             read_config_again();
 *         ...
 *
 * While a signal is waited for, in any run of the process, it has no other effect; when
 * the last who wanted it has closed, what it did before is restored. Everybody who
 * wants it hears of it, on every worker. As in the kernel, a signal that comes twice
 * before it is taken has come once.
 *
 * The thread of hob_run must not block it; the threads of other workers do. In sim no
 * signal comes from outside: hob_sim_raise is the one who sends them.
 */
#ifndef HOB_SIGNAL_H
#define HOB_SIGNAL_H

#include <signal.h>

#include "hob/op.h"

HOB_BEGIN_DECLS

/* Which ones: a list that ends with 0. */
#define HOB_SIGNALS(...) ((const int[]){ __VA_ARGS__, 0 })

/* What has come of some signals. It belongs to the worker that opened it. */
typedef struct hob_signals hob_signals;

/* Listens for `signals`, from now on. Does not wait. Returns 0; -ENOMEM; -EINVAL for what
 * cannot be waited for: SIGKILL, SIGSTOP, SIGURG (Hob's own), and those that tell a thread of
 * its own fault (SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS). */
HOB_API HOB_MUST_USE int hob_signals_open(const int *signals, hob_signals **ret_signals);

/* Waits for the next one and takes it; of several the lowest number. Returns the signal's
 * number; -ECANCELED, also when it is closed meanwhile; -ETIMEDOUT. */
HOB_API HOB_MUST_USE int hob_signals_next(hob_signals *signals);
HOB_API void             hob_signals_next_prep(hob_op *op, hob_signals *signals);

/* Listens no more, and frees it; NULL is fine. Does not wait. */
HOB_API void hob_signals_close(hob_signals *signals);

/* All of it for one: waits for one of `signals`. Waits. Returns its number; -ENOMEM, -EINVAL,
 * -ECANCELED, -ETIMEDOUT. */
HOB_API HOB_MUST_USE int hob_signal_wait(const int *signals);

HOB_END_DECLS

#endif
