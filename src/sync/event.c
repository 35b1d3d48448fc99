/* SPDX-License-Identifier: MIT */
/* hob_event. */
#include <stdatomic.h>

#include "core/worker.h"
#include "sync/line.h"

struct hob__event {
    const char *name;
    struct line line;
    atomic_bool is_set; /* changed under the line's lock */
};

static_assert(sizeof(struct hob__event) <= sizeof(hob_event), "an event fits in its place");

void hob__event_serve(void *object, struct list *go)
{
    struct hob__event *e = object;
    for (struct op *op; e->is_set && (op = line_first(&e->line)) != NULL;)
        hob__line_let_go(op, 0, go);
}

int hob_event_wait(hob_event *event)
{
    return hob__line_await(OP_EVENT, event, NULL, "hob_event_wait");
}

void hob_event_wait_prep(hob_op *op, hob_event *event)
{
    hob__line_op_init(hob__op_prep(op, OP_EVENT, NULL), OP_EVENT, event);
}

static void change(hob_event *event, bool is_set)
{
    hob__line_open(event);
    ((struct hob__event *)event)->is_set = is_set;
    hob__line_close(event, OP_EVENT);
}

void hob_event_set(hob_event *event)
{
    change(event, true);
}

void hob_event_reset(hob_event *event)
{
    change(event, false);
}

/* Whoever hears that it is set may free the event: so whoever is setting it must have done with it. */
int hob_event_is_set(hob_event *event)
{
    struct hob__event *e = (struct hob__event *)event;
    if (!atomic_load_explicit(&e->is_set, memory_order_acquire))
        return 0;
    hob__line_open(event);
    int is_set = e->is_set;
    lock_give(hob__line_lock(event));
    return is_set;
}
