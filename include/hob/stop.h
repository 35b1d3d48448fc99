/* SPDX-License-Identifier: MIT */
/*
 * Stopping gracefully: what SIGTERM and SIGINT (^C) do to a run.
 *
 *                 the first                the next, or drain_ns later         another
 *     RUNNING ───────────────▶ DRAINING ──────────────────────────▶ CANCELLED ─────────▶ dead
 *                 │ nobody listens, and nobody asked for hob_stopping  ▲
 *                 └────────────────────────────────────────────────────┘
 *
 *   DRAINING   accepting a connection gives HOB_ESTOPPING; hob_stopping() is set; all else goes on
 *              as before. The run ends when its main task does, and hob_run returns 0.
 *   CANCELLED  the main task is cancelled, with the name of the signal as the reason. hob_run
 *              returns 128 + the signal, the exit code that shells know. Five seconds later it is
 *              reported who is still there.
 *   dead       the process ends by the signal, as if Hob were not there.
 *
 * HOB_ESTOPPING is no failure: a task may return it, and HOB_TRY may: the scopes on its way wait
 * for their children instead of cancelling them. So a server whose accept loop ends by HOB_TRY
 * finishes what it has begun.
 *
 * All that is so for hob_run in the main thread of a process, if the signal would have ended it: a
 * signal that is handled or ignored (nohup) when the run begins is left alone, and one that
 * somebody waits for (hob/signal.h) is theirs while they do. hob_run_opts.stop_signals changes
 * that. In sim hob_sim_raise sends the signals.
 */
#ifndef HOB_STOP_H
#define HOB_STOP_H

#include "hob/sem.h"

HOB_BEGIN_DECLS

/* Set when the run begins to stop, and for good: for hob_event_wait, hob_event_is_set and
 * HOB_EVENT_WAIT, on every worker. Who asks for it is given the time to drain. Do not set it by
 * hand: hob_stop does. Does not wait. */
HOB_API hob_event *hob_stopping(void);

/* Begins to stop the run, as a signal would; no effect when it stops already. The reason, which is
 * kept, is what the main task hears when it is cancelled; hob_run then returns -ECANCELED. Does not
 * wait; on every worker. */
HOB_API void hob_stop(const char *reason);

HOB_END_DECLS

#endif
