/* SPDX-License-Identifier: MIT */
/*
 * Portals: the way into a run for threads outside of Hob.
 *
 *      a thread of a library                        a worker
 *     hob_portal_call(portal, fn, arg) ──▶ line ──▶ fn(arg) runs as a task in the portal's scope
 *       blocks the thread             ◀── result ── when it has ended
 *     hob_portal_post(portal, fn, arg) ──▶ line ──▶ the same, and the thread goes on at once
 *
 *     hob_portal *portal;
 *     HOB_SCOPE(s);
 *     HOB_TRY(hob_portal_open(&s, NULL, &portal));
 *     start_thread(listen_to_sensor, hob_portal_ref(portal));  // which gives it back at its end
 *     ...
 *     hob_portal_close(portal);
 *     return hob_scope_end(&s);
 *
 * Open.  A portal is a child of its scope: the scope's end waits until it is closed, and
 *   cancelling the scope closes it. While one is open a thread may come at any time, so
 *   "everything is asleep for ever" is not looked for.
 * Closed.  Nobody comes any more: calls in the line end at once with -EPIPE, and so does every
 *   later call or post. Posts in the line still become tasks, as they may own what they were
 *   given, and tasks that have begun go on; to hurry them, cancel the scope. When the
 *   scope has ended no thread waits for the portal any more, so threads can be joined.
 *   (Joining them before would block the loop that they may be waiting for.)
 * References.  The one of hob_portal_open is given back by hob_portal_close. A thread that may
 *   call later than that needs one of its own: hob_portal_ref, hob_portal_unref, also after
 *   the run.
 * sim.  Real threads may call there, too, but when they come is their affair: a seed does not
 *   repeat it, and virtual time does not wait for them.
 */
#ifndef HOB_PORTAL_H
#define HOB_PORTAL_H

#include "hob/task.h"

HOB_BEGIN_DECLS

typedef struct hob_portal hob_portal;

/* How to open a portal. All zero, or NULL, means the defaults. */
typedef struct hob_portal_opts {
    const char *name;        /* of its tasks, in reports; copied, cut at 31 bytes; NULL: "portal" */
    uint32_t    posts;       /* that may be in the line at a time; 0: 64; at most 65,536 */
    uint32_t    at_once;     /* tasks at a time, the others stay in line; 0: 64 */
    size_t      stack_bytes; /* of each task, as in hob_task_opts */
} hob_portal_opts;

/* Opens a portal in a scope of this worker, where its tasks will run. Does not wait. Returns 0
 * or -ENOMEM. In a cancelled scope it is closed from the beginning. */
HOB_API HOB_MUST_USE int hob_portal_open(hob_scope *scope, const hob_portal_opts *opts,
                                         hob_portal **ret_portal);

/* Closes it, and gives the reference of hob_portal_open back. NULL too. Called once, on the
 * worker that opened it, in a task or in a callback. Does not wait. */
HOB_API void hob_portal_close(hob_portal *portal);

/* One more reference, which is the portal itself; and one less. Any thread, at any time. */
HOB_API hob_portal *hob_portal_ref(hob_portal *portal);
HOB_API void        hob_portal_unref(hob_portal *portal);

/* Runs fn(arg) as a task on the portal's worker, and blocks the calling thread until it has
 * ended. For threads outside of Hob: on a worker, in a task or a callback, it is a mistake, for
 * it would wait for the loop that it holds up; there hob_go and hob_on do this.
 *
 * Returns what fn returned, which does not fail the scope; -ECANCELED or -ETIMEDOUT from it,
 * when the scope was cancelled; or, and then fn was not called: -EPIPE when the portal is
 * closed, -ENOMEM, -EAGAIN (too many tasks). `arg` is lent until it returns. */
HOB_API HOB_MUST_USE int hob_portal_call(hob_portal *portal, hob_task_fn *fn, void *arg);

/* The same with a deadline `timeout_ns` from now: in the line the call is taken back then and
 * fn never runs; a task that has begun is cancelled, and its thread waits until it has ended.
 * In both cases that gives -ETIMEDOUT, unless fn returned something else. */
HOB_API HOB_MUST_USE int hob_portal_call_within(hob_portal *portal, int64_t timeout_ns,
                                                hob_task_fn *fn, void *arg);

/* Has fn(arg) run as a task on the portal's worker, and does not wait for it. Its failure, or
 * that no task could be started for it, fails the scope, as with hob_go. `arg` is lent until the
 * task ended. Returns 0, and then fn will run; -EAGAIN when so many posts are in the line;
 * -EPIPE when the portal is closed. Any thread, also a worker's; in signal handlers too. */
HOB_API HOB_MUST_USE int hob_portal_post(hob_portal *portal, hob_task_fn *fn, void *arg);

HOB_END_DECLS

#endif
