/* SPDX-License-Identifier: MIT */
/*
 * Portals from inside, for reports.
 *
 *     a thread                                the worker
 *     VISIT_IN_LINE ── mail ──▶ line ──▶ VISIT_BEGUN: a task ──▶ VISIT_ENDED ──▶ the thread goes on
 *          │                                                          ▲
 *          ├──▶ VISIT_TAKEN_BACK (by the thread: its time is up)      │
 *          └────────────── the portal is closed ──────────────────────┘
 *
 * Whoever moves a visit out of the line does so by one exchange, so that it is taken back or
 * begun, never both.
 */
#ifndef HOB_SYNC_PORTAL_H
#define HOB_SYNC_PORTAL_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/list.h"
#include "core/await.h"
#include "core/mail.h"
#include "core/thing.h"
#include "hob/portal.h"

struct worker;

enum visit_state { VISIT_IN_LINE, VISIT_BEGUN, VISIT_ENDED, VISIT_TAKEN_BACK };

/* A call or a post. */
struct visit {
    struct mail      mail;
    struct list_node link;        /* in portal->line                                    */
    hob_portal      *portal;
    hob_task_fn     *fn;
    void            *arg;
    const void      *called_at;
    bool             is_post;
    int64_t          deadline_ns; /* HOB_FOREVER: none                                  */

    /* Of a call: the thread sleeps on the state. */
    atomic_uint      state;       /* enum visit_state                                   */
    atomic_uint      refs;        /* the thread's and the worker's                      */
    int              result;
};

struct hob_portal {
    uint32_t         tag;
    char             name[32];
    struct thing     thing;       /* until hob_portal_close                             */
    struct worker   *worker;
    hob_scope       *scope;
    size_t           stack_bytes;
    uint32_t         at_once;

    /* The worker's. */
    struct user_op   child;       /* in the scope, until nobody is left                 */
    struct list      line;        /* struct visit                                       */
    struct op        turn;        /* done: somebody in the line may begin               */
    bool             turn_is_due;
    uint32_t         running;     /* tasks                                              */
    bool             is_open;
    bool             is_drained;  /* all that was sent before the closing has come      */
    struct mail      closing;

    /* Any thread's. */
    atomic_bool      closed;
    atomic_uint      entering;    /* threads that have seen it open, and send           */
    atomic_uint      taken_back;  /* visits that are still in the line                  */
    atomic_uint      refs;
    uint32_t         posts_max;
    _Atomic(uint64_t) *posts_used; /* a bit for each                                    */
    struct visit    *posts;
};

#endif
