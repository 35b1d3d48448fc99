/* SPDX-License-Identifier: MIT */
/*
 * A child on another worker.
 *
 *        home                                     there
 *     hob_go ─────────── start ───────────▶  the task runs, in the guest scope
 *     scope cancelled ── cancel ──────────▶  the guest scope is cancelled
 *     cancel is back ◀── cancel ───────────
 *     the scope goes on ◀── end ───────────  the task has ended
 *
 * To its scope at home it is a child like any other; to the other worker the guest scope is
 * a small root. The record is home's, but for what the mails carry with them; it lives until
 * the end has come and the cancel, if one was sent, is back.
 */
#ifndef HOB_CORE_REMOTE_H
#define HOB_CORE_REMOTE_H

#include "core/future.h"
#include "core/mail.h"
#include "core/scope.h"

struct remote_local {
    const hob_local_key *key;
    void                *value;
};

struct remote {
    /* Home's. */
    struct worker     *home;
    struct scope      *scope;
    struct remote     *next, **at;     /* in scope->remotes                               */
    struct hob_future *future;         /* takes the result; NULL                          */
    struct mail        cancel;
    int                cancel_code;    /* what it was cancelled with; 0: it was not       */
    const char        *cancel_reason;
    bool               cancel_sent;    /* and not back                                    */
    bool               has_ended;

    /* What to do; written before the start. */
    hob_task_fn       *fn;
    void              *arg;
    hob_task_opts      opts;
    const void        *spawned_at;
    bool               has_deadline;   /* a scope at home, when it was started            */
    unsigned long long late_deadlines; /* the crew's, then                                */
    char               name[32];

    /* Under the crew's lock while nobody has taken it. */
    struct list_node   waiting;        /* in crew->waiting                                */
    struct worker     *there;          /* NULL: nobody yet                                */
    int                early_code;     /* cancelled before the start with this; 0: not    */
    const char        *early_reason;

    /* There's. */
    struct mail        mail;           /* the start, then the end                         */
    struct scope       guest;
    struct hob_future  outcome;
    struct list_node   among_guests;   /* in worker.guests                                */
    bool               is_over;

    size_t             locals_count;
    struct remote_local *locals;       /* the inner ones first; in the same block         */
    char               copy[] __attribute__((aligned(16))); /* of the argument            */
};

/* hob_go to where opts->where says. Returns 0 or an error. */
int hob__remote_go(struct scope *scope, hob_task_fn *fn, void *arg, const hob_task_opts *opts,
                   const void *spawned_at, struct hob_future *future);

/* Asks for it back. */
void hob__remote_cancel(struct remote *remote, int code, const char *reason);

/* The guest scope's child has ended. */
void hob__remote_child_ended(struct scope *guest);

/* Takes one that waits for an idle worker. False: there is none. */
bool hob__remote_take(struct worker *worker);

#endif
