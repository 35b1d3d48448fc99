/* SPDX-License-Identifier: MIT */
/*
 * Cancelling at each wait: who wants to know that a call keeps its word wherever it is cancelled makes
 * it again and again, and cancels it first at its first wait, then at its second, and so on.
 *
 *     for (uint64_t at = 1, was_there = 1; was_there; at++) {
 *         struct cancelled c = { .fn = call_it, .arg = &thing, .at = at };
 *         check_ok(cancel_at_wait(&c));
 *         was_there = c.was_there;
 *         ... what must hold, with c.result
 *     }
 *
 * The call is the task of a scope. A backend is asked between any two runs of tasks, and here it counts
 * before it goes on: whatever ran has run up to its next wait. So every wait of the call is met, and of
 * those who work for it, also one that others end without the backend; exactly, since nobody runs to
 * look. Only the call and who works for it may run meanwhile, and on one worker.
 */
#ifndef HOB_TESTS_SUPPORT_WAITS_H
#define HOB_TESTS_SUPPORT_WAITS_H

#include "core/worker.h"
#include "support/test.h"

struct cancelled {
    hob_task_fn *fn;
    void        *arg;
    uint64_t     at;        /* the wait at which it is cancelled, from 1; 0: never */
    void       (*act)(void); /* what is done instead; it must not wait for Hob      */
    uint64_t     waits;     /* how many there were, until then                     */
    bool         was_there; /* there were so many                                  */
    bool         has_ended;
    int          result;    /* of fn                                               */

    struct scope              *scope;
    uint64_t                   switches; /* when the backend was asked last */
    const struct backend_type *real;
    struct backend_type        counting;
};

static struct cancelled *waits_of; /* whose are counted now */

static inline int cancelled_call(void *arg)
{
    struct cancelled *c = (struct cancelled *)arg;
    c->result = c->fn(c->arg);
    c->has_ended = true;
    return 0;
}

static inline void poll_and_count(struct backend *b, int64_t deadline_ns, struct list *done)
{
    struct cancelled *c = waits_of;
    uint64_t          now = hob__worker->stats.switches;
    if (now != c->switches && !c->has_ended && !c->was_there && ++c->waits == c->at) {
        c->was_there = true;
        if (c->act != NULL)
            c->act();
        else
            hob__scope_cancel(c->scope, -ECANCELED, "the test says so");
        deadline_ns = 0; // what it waited for has ended
    }
    c->switches = now;
    c->real->poll(b, deadline_ns, done);
}

static inline void stop_counting(struct cancelled **c)
{
    hob__worker->backend->type = (*c)->real;
    hob__worker->runs_per_turn = RUNS_PER_POLL;
    waits_of = NULL;
}

/* Returns 0, or what the scope failed with. */
static inline int cancel_at_wait(struct cancelled *c)
{
    struct worker *w = hob__worker;
    HOB_SCOPE(s);
    c->waits = 0;
    c->was_there = c->has_ended = false;
    c->scope = hob__scope_open(&s, "cancel_at_wait");
    c->switches = w->stats.switches;
    c->real = w->backend->type;
    c->counting = *c->real;
    c->counting.poll = poll_and_count;
    waits_of = c;
    w->backend->type = &c->counting;
    w->runs_per_turn = 1;
    __attribute__((cleanup(stop_counting), unused)) struct cancelled *counted = c;
    hob__task_step_aside(w->current); // the turn that has begun has more runs
    int r = hob_go(&s, cancelled_call, c);
    if (r == 0)
        r = hob_scope_end(&s);
    return r == -ECANCELED && c->was_there ? 0 : r;
}

#endif
