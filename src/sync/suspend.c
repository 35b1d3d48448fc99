/* SPDX-License-Identifier: MIT */
/* hob/suspend.h. A wait is an op on the waiting task's stack, found by its key in a map. */
#include "hob/suspend.h"

#include <errno.h>

#include "base/map.h"
#include "core/worker.h"

struct suspended {
    struct op              op;
    struct map_node        node; /* in worker.suspended, by the key */
    uint64_t               key;
    hob_suspend_fn        *begin;
    hob_suspend_cancel_fn *cancel;
    void                  *arg;
};

static struct suspended *find(const struct worker *w, uint64_t key)
{
    struct map_node *node = hob__map_first(&w->suspended, hash_u64(key));
    for (; node != NULL; node = hob__map_next(node)) {
        struct suspended *s = container_of(node, struct suspended, node);
        if (s->key == key)
            return s;
    }
    return NULL;
}

static void start(struct op *op)
{
    struct suspended *s = container_of(op, struct suspended, op);
    struct worker    *w = hob__worker;
    s->key = ++w->suspend_key;
    int r = hob__map_add(&w->suspended, &s->node, hash_u64(s->key));
    if (r < 0) {
        op->result = r;
        op->state = OP_DONE;
        return;
    }
    op->state = OP_FLYING;
    r = s->begin(s->arg, s->key);
    if (r < 0 && op->state == OP_FLYING) {
        hob__map_remove(&w->suspended, &s->node);
        op->result = r;
        op->state = OP_DONE;
    }
}

static bool withdraw(struct op *op)
{
    struct suspended *s = container_of(op, struct suspended, op);
    if (s->cancel != NULL)
        s->cancel(s->arg, s->key);
    return false; // it ends by hob_resume
}

ssize_t hob_suspend(hob_suspend_fn *begin, hob_suspend_cancel_fn *cancel, void *arg)
{
    struct suspended s = {
        .op = { .kind = OP_SUSPEND, .local = { .start = start, .withdraw = withdraw } },
        .begin = begin,
        .cancel = cancel,
        .arg = arg,
    };
    hob__op_await(&s.op);
    return (ssize_t)s.op.result;
}

int hob_resume(uint64_t key, ssize_t result)
{
    struct worker *w = hob__worker;
    hob_require(w != NULL, "hob_resume: called outside of hob_run, or in another thread");
    struct suspended *s = find(w, key);
    if (s == NULL)
        return -EALREADY;
    hob__map_remove(&w->suspended, &s->node);
    if (w->current == s->op.waiter) { // still in begin()
        s->op.result = result;
        s->op.state = OP_DONE;
    } else {
        hob__op_finish_local(&s->op, result);
    }
    return 0;
}
