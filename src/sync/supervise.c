/* SPDX-License-Identifier: MIT */
/*
 * hob/supervise.h.
 *
 *               start                  it returned          for good
 *     WAITING ─────────▶ RUNNING ───────────────▶ (decide) ─────────▶ OVER
 *        ▲                  │ stopped with another      │
 *        └──────────────────┴───────────────────────────┘ after the backoff
 *
 * Everything is decided in the task that called hob_supervise. A child's task tells it
 * of its end by a channel with room for all, so that telling never waits.
 */
#include "hob/supervise.h"

#include <errno.h>

#include "base/alloc.h"
#include "core/worker.h"
#include "hob/chan.h"
#include "hob/select.h"
#include "inspect/report.h"

enum child_state { CHILD_WAITING, CHILD_RUNNING, CHILD_OVER };

struct supervisor;

struct kid {
    const hob_child   *is;
    struct supervisor *supervisor;
    enum child_state   state;
    int64_t            start_at; /* WAITING: when to start it      */
    hob_future        *future;   /* RUNNING                        */
    uint64_t           run;      /* the number of its last run     */
    int                result;   /* of that                        */
};

/* What a child's task tells of its end. */
struct end {
    struct kid *kid;
    uint64_t    run;
};

struct supervisor {
    hob_supervise_opts opts;
    hob_scope         *scope;
    hob_chan          *ended;    /* struct end                      */
    int64_t           *restarts; /* when, a ring of restarts_max   */
    uint64_t           restart_count;
    size_t             count;
    struct kid         kids[];
};

static hob_supervise_opts complete(const hob_supervise_opts *given)
{
    hob_supervise_opts opts = { 0 };
    if (given != NULL)
        opts = *given;
    if (opts.restarts_max == 0)
        opts.restarts_max = 3;
    if (opts.period_ns == 0)
        opts.period_ns = 5 * HOB_SEC;
    if (opts.backoff_ns == 0)
        opts.backoff_ns = 10 * HOB_MSEC;
    if (opts.backoff_max_ns == 0)
        opts.backoff_max_ns = HOB_SEC;
    return opts;
}

/* ---- children ---- */

static int run_kid(void *arg)
{
    struct kid *kid = arg;
    struct end  end = { kid, kid->run };
    if (kid->is->name != NULL)
        hob_task_set_name(kid->is->name);
    kid->result = kid->is->fn(kid->is->arg);
    (void)!hob_chan_try_send(kid->supervisor->ended, &end);
    return kid->result;
}

static int start(struct kid *kid)
{
    kid->state = CHILD_RUNNING;
    kid->run++;
    kid->future = hob_async(kid->supervisor->scope, run_kid, kid);
    return kid->future != NULL ? 0 : hob_fail(-ENOMEM);
}

/* Takes the result of a child that has ended, or is about to: it has been cancelled. */
static void collect(struct kid *kid)
{
    HOB_SHIELD(HOB_FOREVER) {
        (void)!hob_await(kid->future);
    }
    kid->future = NULL;
}

static void stop(struct kid *kid)
{
    if (kid->state == CHILD_RUNNING) {
        hob_future_cancel(kid->future, "stopped by its supervisor");
        collect(kid);
        kid->state = CHILD_OVER;
    }
}

/* ---- restarts ---- */

/* Counts one more; false when it is one too many. */
static bool may_restart(struct supervisor *s, int64_t now_ns)
{
    uint64_t max = s->opts.restarts_max, slot = s->restart_count % max;
    bool     ok = s->restart_count < max || now_ns - s->restarts[slot] >= s->opts.period_ns;
    s->restarts[slot] = now_ns;
    s->restart_count++;
    return ok;
}

/* Twice as long with each restart of the period; the newest was counted just now. */
static int64_t backoff(const struct supervisor *s, int64_t now_ns)
{
    uint64_t max = s->opts.restarts_max;
    uint64_t kept = s->restart_count < max ? s->restart_count : max;
    uint64_t recent = 0;
    for (uint64_t i = 0; i < kept; i++)
        recent += now_ns - s->restarts[i] < s->opts.period_ns;

    int64_t wait_ns = s->opts.backoff_ns;
    while (--recent > 0 && wait_ns < s->opts.backoff_max_ns)
        wait_ns *= 2;
    return wait_ns < s->opts.backoff_max_ns ? wait_ns : s->opts.backoff_max_ns;
}

static void tell(const struct supervisor *s, const struct kid *kid)
{
    const char *name = kid->is->name != NULL ? kid->is->name : "";
    if (s->opts.on_restart != NULL)
        s->opts.on_restart(s->opts.on_restart_arg, name, kid->result);
    else if (kid->result < 0)
        hob__report(hob__worker, "hob: the supervised task \"%s\" failed: %s (%s); it is started "
                                 "again. hob_supervise_opts.on_restart takes this message.",
                    name, hob_strerror(kid->result), hob_error_name(kid->result));
}

/* Stops and starts again whoever is to share the fate of `kid`. */
static void restart(struct supervisor *s, struct kid *kid)
{
    size_t self = (size_t)(kid - s->kids);
    size_t first = s->opts.strategy == HOB_ALL_FOR_ONE ? 0 : self;
    size_t end = s->opts.strategy == HOB_ONE_FOR_ONE ? self + 1 : s->count;
    int64_t now_ns = hob_now(), start_at = now_ns + backoff(s, now_ns);
    for (size_t i = end; i-- > first;) {
        struct kid *other = &s->kids[i];
        if (other->state == CHILD_OVER && i != self)
            continue; // for good
        stop(other);
        other->state = CHILD_WAITING;
        other->start_at = start_at;
    }
}

/* A child's task returned: 0, or the error with which all ends. */
static int on_end(struct supervisor *s, struct end end)
{
    struct kid *kid = end.kid;
    if (kid->state != CHILD_RUNNING || kid->run != end.run)
        return 0; // it was stopped with a sibling, and this is what it said
    collect(kid);
    kid->state = CHILD_OVER;
    bool failed = kid->result < 0;
    if (kid->result == HOB_ESTOPPING) // the run stops: for good
        return 0;
    if (kid->is->restart == HOB_RESTART_NEVER)
        return kid->result;
    if (!failed && kid->is->restart == HOB_RESTART_ON_FAILURE)
        return 0;
    if (!may_restart(s, hob_now()))
        return failed ? kid->result : -ELOOP;
    tell(s, kid);
    restart(s, kid);
    return 0;
}

/* ---- the supervisor ---- */

/* Starts who is due, and says when the next one is; HOB_FOREVER when nobody waits. */
static int start_due(struct supervisor *s, int64_t *ret_next, bool *ret_all_over)
{
    *ret_next = HOB_FOREVER;
    *ret_all_over = true;
    for (size_t i = 0; i < s->count; i++) {
        struct kid *kid = &s->kids[i];
        if (kid->state == CHILD_WAITING && kid->start_at <= hob_now())
            HOB_TRY(start(kid));
        if (kid->state == CHILD_WAITING && kid->start_at < *ret_next)
            *ret_next = kid->start_at;
        *ret_all_over &= kid->state == CHILD_OVER;
    }
    return 0;
}

static int supervise(struct supervisor *s)
{
    for (;;) {
        struct end end;
        int64_t    next;
        bool       all_over;
        HOB_TRY(start_due(s, &next, &all_over));
        if (all_over)
            return 0;
        if (HOB_TRY(HOB_SELECT_ORDERED(NULL, HOB_RECV(s->ended, &end), HOB_AT(next))) == 0)
            HOB_TRY(on_end(s, end));
    }
}

int hob_supervise(const hob_child *children, size_t count, const hob_supervise_opts *given)
{
    hob_supervise_opts opts = complete(given);
    struct supervisor *s = hob__alloc_zero(sizeof *s + count * sizeof s->kids[0]);
    if (s == NULL)
        return -ENOMEM;
    s->opts = opts;
    s->count = count;
    for (size_t i = 0; i < count; i++)
        s->kids[i] = (struct kid){ .is = &children[i], .supervisor = s };

    // A child may have told of its end, been stopped, and told again: room for twice as many.
    int r = hob_chan_new(sizeof(struct end), 2 * count + 1, HOB_WAIT, NULL, &s->ended);
    s->restarts = r == 0 ? hob__alloc_zero(opts.restarts_max * sizeof s->restarts[0]) : NULL;
    if (r == 0 && s->restarts == NULL)
        r = -ENOMEM;
    if (r == 0) {
        hob_scope scope;
        hob_scope_begin(&scope);
        hob_scope_policy(&scope, HOB_WAIT_ALL);
        s->scope = &scope;
        r = supervise(s);
        for (size_t i = count; i-- > 0;)
            stop(&s->kids[i]);
        int ended = hob_scope_end(&scope);
        if (r == 0)
            r = ended;
    }
    hob__free(s->restarts);
    hob_chan_free(s->ended);
    hob__free(s);
    return r;
}
