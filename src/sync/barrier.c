/* SPDX-License-Identifier: MIT */
/* hob_barrier: those who have come are those in the line. */
#include "core/worker.h"
#include "sync/line.h"

struct hob__barrier {
    const char *name;
    size_t      parties;
    struct line line;
};

static_assert(sizeof(struct hob__barrier) <= sizeof(hob_barrier), "a barrier fits in its place");

void hob__barrier_serve(void *object, struct list *go)
{
    struct hob__barrier *b = object;
    size_t               come = 0;
    list_for_each(node, &b->line.ops)
        come++;
    if (come < b->parties)
        return;
    for (; come > 0; come--)
        hob__line_let_go(line_first(&b->line), come == 1, go);
}

int hob_barrier_wait(hob_barrier *barrier)
{
    return hob__line_await(OP_BARRIER, barrier, NULL, "hob_barrier_wait");
}

void hob_barrier_wait_prep(hob_op *op, hob_barrier *barrier)
{
    hob__line_op_init(hob__op_prep(op, OP_BARRIER, NULL), OP_BARRIER, barrier);
}
