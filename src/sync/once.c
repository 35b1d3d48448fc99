/* SPDX-License-Identifier: MIT */
/* hob_once: one at a time may try, until one has done it. */
#include "core/worker.h"
#include "sync/line.h"

enum once_state { NOT_DONE, UNDER_WAY, DONE };

struct hob__once {
    const char *name;
    struct line line;
    atomic_uint state; /* changed under the lock */
};

static_assert(sizeof(struct hob__once) <= sizeof(hob_once), "a once fits in its place");

enum { YOUR_TURN = 1 };

void hob__once_serve(void *object, struct list *go)
{
    struct hob__once *o = object;
    for (struct op *op; (op = line_first(&o->line)) != NULL;) {
        unsigned state = atomic_load_explicit(&o->state, memory_order_relaxed);
        if (state == UNDER_WAY)
            return;
        hob__line_let_go(op, state == DONE ? 0 : YOUR_TURN, go);
        if (state == NOT_DONE)
            atomic_store_explicit(&o->state, UNDER_WAY, memory_order_relaxed);
    }
}

int hob_once_run(hob_once *once, hob_once_fn *fn, void *arg)
{
    struct hob__once *o = (struct hob__once *)once;
    if (atomic_load_explicit(&o->state, memory_order_acquire) == DONE)
        return 0;
    int r = hob__line_await(OP_ONCE, o, NULL, "hob_once_run");
    if (r != YOUR_TURN)
        return r;
    r = fn(arg);
    hob__line_open(o);
    atomic_store_explicit(&o->state, r < 0 ? NOT_DONE : DONE, memory_order_release);
    hob__line_close(o, OP_ONCE);
    return r < 0 ? r : 0;
}
