/* SPDX-License-Identifier: MIT */
/*
 * Scopes from inside.
 *
 *     main ─┬─ task 1 ── scope a ─┬─ task 2
 *           │                     └─ task 3 ── scope b ── task 4
 *           └─ …
 *
 * Scopes and tasks form one tree. Cancelling a scope marks the scopes under it,
 * except shields and what lies under them, and interrupts each task whose
 * innermost scope was marked. So whether a task is cancelled is one field of its
 * innermost scope, and the walk is paid by who cancels.
 */
#ifndef HOB_CORE_SCOPE_H
#define HOB_CORE_SCOPE_H

#include "base/check.h"
#include "base/list.h"
#include "base/wheel.h"
#include "core/await.h"
#include "hob/scope.h"

struct remote;
struct task;
struct worker;
struct defer;

/* This thread's; NULL outside of hob_run. */
extern __thread struct worker *hob__worker __attribute__((tls_model("initial-exec")));

enum { FAILURES_KEPT = 4 };

struct scope {
    uint32_t         tag;
    unsigned         is_shield : 1;
    unsigned         ended : 1;
    unsigned         is_guest : 1;     /* struct remote.guest                              */
    unsigned         is_root : 1;      /* no owner: hob_root, and the one of the main task */
    unsigned         has_deadline : 1; /* `deadline` is in the wheel                       */
    unsigned         policy : 2;       /* hob_policy                                       */
    unsigned         won : 1;          /* HOB_FIRST_SUCCESS: somebody did                  */
    int              cancel_code;      /* 0, -ECANCELED, -ETIMEDOUT, HOB_ESTUCK            */
    int              result;           /* the first failure                                */
    uint32_t         children;         /* tasks and ops in it                              */
    uint32_t         daemons;          /* of these, daemons                                */
    const char      *reason;
    struct op       *joiner;           /* the owner, waiting for the last child            */
    struct defer    *defers;
    struct remote   *remotes;          /* children on other workers                        */
    size_t           failed;           /* how many children did                            */

    struct worker   *worker;           /* up to here: zero when it is opened               */
    struct scope    *parent;
    struct task     *owner;
    struct list_node sibling;          /* in parent->scopes                                */
    struct list_node marking;          /* for the walk of a cancellation                   */
    struct list      scopes;
    struct list      tasks;
    struct list      ops;              /* user_op.scope_link                               */
    struct list      futures;
    const void      *opened_at;
    struct timer     deadline;         /* not cleared: see has_deadline                    */
    hob_failure      kept[FAILURES_KEPT]; /* the first of them; not cleared                */
};

static inline struct scope *scope_from(const hob_scope *scope)
{
    return (struct scope *)(uintptr_t)scope;
}

/* Opens a scope; owner and parent NULL: a root. */
void hob__scope_init(struct scope *scope, struct worker *worker, struct scope *parent,
                     struct task *owner, const void *opened_at);

/* Cancels with a code; the first code counts. */
void hob__scope_cancel(struct scope *scope, int code, const char *reason);

/* The same, coming from the scope or task above: a shield stops it. */
void hob__scope_cancel_from_above(struct scope *scope, int code, const char *reason);

/* The scope behind a user's pointer, which must be open; `caller` names the function. */
static inline struct scope *hob__scope_open(hob_scope *place, const char *caller)
{
    struct scope *scope = scope_from(place);
    if (hob_unlikely(scope->tag != TAG_SCOPE || scope->ended))
        hob__misuse_of(caller, "the scope is not open: it was never begun, or has ended");
    if (hob_unlikely(scope->worker != hob__worker))
        hob__misuse_of(caller, "the scope belongs to another worker");
    return scope;
}

/* A child failed: keeps the error, and cancels the others. */
void hob__scope_fail(struct scope *scope, const hob_failure *failure);

/* A child returned 0, which matters to HOB_FIRST_SUCCESS. */
void hob__scope_won(struct scope *scope);

static inline void hob__scope_succeed(struct scope *scope)
{
    if (hob_unlikely(scope->policy == HOB_FIRST_SUCCESS) && scope->cancel_code == 0)
        hob__scope_won(scope);
}

/* A task or op joins, and leaves. */
static inline void hob__scope_join(struct scope *scope)
{
    scope->children++;
}

void hob__scope_tell_of_leaving(struct scope *scope);

static inline void hob__scope_leave_child(struct scope *scope)
{
    hob_assert(scope->children > 0);
    scope->children--;
    if (hob_unlikely(scope->is_guest || scope->joiner != NULL))
        hob__scope_tell_of_leaving(scope);
}

/* No deadline will end what goes on in it, as far as its worker knows. */
bool hob__scope_is_timeless(const struct scope *scope);

/* The scope's deadline has come. */
void hob__scope_deadline_passed(struct scope *scope);

/* Frees what a root that has no children any more still holds; counts its failures. */
void hob__scope_fini(struct scope *scope);

#endif
