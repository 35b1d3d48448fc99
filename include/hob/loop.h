/* SPDX-License-Identifier: MIT */
/*
 * Hob as a guest in another main loop: of a user interface, or of a game.
 *
 *     hob_loop *loop;
 *     int r = hob_begin(NULL, main_fn, arg, &loop);
 *     if (r < 0)
 *         return r;
 *     while (!quit && hob_step(loop, 4 * HOB_MSEC) != HOB_STEP_ENDED)
 *         draw_frame();
 *     return hob_finish(loop);
 *
 * A loop that waits for descriptors waits for that of hob_poll_fd, and steps when it
 * is readable. All of it belongs to the thread that called hob_begin, which is worker
 * 0; other workers run in threads of their own. Between steps the host may call what
 * does not wait, as in a callback; then it steps, also if nothing is readable.
 *
 * As the host may do something at any time, "everything is asleep for ever" is not
 * looked for until the main task has ended.
 */
#ifndef HOB_LOOP_H
#define HOB_LOOP_H

#include "hob/runtime.h"

HOB_BEGIN_DECLS

typedef struct hob_loop hob_loop;

/* Begins what hob_run_with would do. main_fn runs in the first step. Does not wait.
 * Returns 0, or an error of hob_run that comes before anything runs. */
HOB_API HOB_MUST_USE int hob_begin(const hob_run_opts *opts, hob_task_fn *main_fn, void *arg,
                                   hob_loop **ret_loop);

enum {
    HOB_STEP_IDLE,  /* nothing to do before the descriptor is readable */
    HOB_STEP_MORE,  /* the budget was used up: step again soon         */
    HOB_STEP_ENDED, /* all tasks have ended: time for hob_finish       */
};

/* Lets tasks run until nobody has anything to do, or for about `budget_ns`: the clock is
 * looked at after at most 16 task runs and the callbacks that were due, so that what it
 * takes longer is what those take. 0 or less: one turn. Never sleeps.
 *
 * In sim the budget is virtual: exactly so much time passes, and what becomes due in it
 * is done (HOB_STEP_IDLE); HOB_STEP_MORE says that after 100,000 turns time was not up. */
HOB_API int hob_step(hob_loop *loop, int64_t budget_ns);

/* A descriptor that is readable when there is something to do, also for a timer; for
 * poll, epoll and the like only. It stays Hob's. In sim it is always readable. Returns
 * it, the same at each call; or -ENOMEM, -EMFILE, -ENFILE. */
HOB_API HOB_MUST_USE int hob_poll_fd(hob_loop *loop);

/* For hosts that wait with a timeout of their own: how long nothing is due if no
 * descriptor becomes readable. 0: step now; INT64_MAX: no timer is set. */
HOB_API int64_t hob_next_timeout(hob_loop *loop);

/* Ends the run, and frees it. If the main task has not ended, it is cancelled. Waits
 * (blocking the thread) until all tasks have ended. Returns what hob_run would. */
HOB_API int hob_finish(hob_loop *loop);

HOB_END_DECLS

#endif
