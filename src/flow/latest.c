/* SPDX-License-Identifier: MIT */
/*
 * hob_flow_latest and hob_flow_switch_map: a new item cancels the work on the one before.
 *
 * The stage's task asks for items. The work on one of them is a task in a scope that is open until
 * the next item came; so that a failure of it cancels the asking, too.
 *
 * The work includes handing over its result: what nobody has taken when a new item comes is dropped.
 */
#include "flow/inner.h"
#include "flow/live.h"
#include "hob/scope.h"

struct latest {
    struct live        live;
    hob_flow_map_fn   *fn;    /* latest     */
    hob_flow_inner_fn *inner; /* switch_map */
    void              *arg;
    void              *item;  /* that was asked for        */
    void              *begun; /* the one that is worked on */
    void              *result;
    char               items[] __attribute__((aligned(16)));
};

static int work(void *arg)
{
    struct latest *self = arg;
    struct stage  *stage = &self->live.stage;
    int            r = self->fn(self->begun, self->arg, self->result);
    if (r < 0) {
        item_drop(&stage->up->out, self->begun);
        return r;
    }
    r = hob_chan_send(self->live.out, self->result);
    if (r < 0)
        item_drop(&stage->out, self->result);
    return r;
}

static int run_inner(void *arg)
{
    struct latest *self = arg;
    struct stage  *stage = &self->live.stage, *last;
    int r = hob__inner_make(self->inner, self->arg, &stage->up->out, self->begun, &stage->out,
                            "hob_flow_switch_map", &last);
    if (r < 0)
        return r;
    r = hob__live_pump(&self->live, last, self->result);
    hob__stage_free(last);
    return r;
}

/* Works on the item, until the next one is there, which has taken its place: 1; or until the end of
 * both: 0; or an error. */
static int work_until_next(struct latest *self)
{
    struct stage *up = self->live.stage.up;
    hob_task_opts opts = { .name = self->live.name };
    HOB_SCOPE(one);
    memcpy(self->begun, self->item, up->out.bytes);
    int r = hob_go_with(&one, self->fn != NULL ? work : run_inner, self, &opts);
    if (r < 0) {
        item_drop(&up->out, self->begun);
        return hob_scope_end(&one);
    }
    r = stage_next(up, self->item);
    if (r != 0)
        hob_scope_cancel(&one, "a newer item came");
    int ended = hob_scope_end(&one);
    if (hob_scope_failures(&one) == 0 && r != 0)
        ended = r > 0 ? hob_cancelled() : r;
    if (r > 0 && ended < 0)
        item_drop(&up->out, self->item);
    return ended < 0 ? ended : r;
}

static int latest_body(struct live *live)
{
    struct latest *self = (struct latest *)live;
    HOB_SCOPE(s);
    int r = hob__stage_open(live->stage.up, &s);
    if (r == 0)
        r = stage_next(live->stage.up, self->item);
    while (r > 0)
        r = work_until_next(self);
    hob__stage_close(live->stage.up);
    return hob__live_settle(&s, r);
}

static const struct stage_type LATEST = { .size = sizeof(struct latest), .next = hob__live_next,
                                          .open = hob__live_open, .close = hob__live_close,
                                          .free = hob__live_free };

static struct latest *add(hob_flow *flow, size_t item_bytes, const char *name, void *arg,
                          const char *caller)
{
    size_t         in = STAGE_ALIGNED(hob__flow_item_bytes(flow, caller));
    struct latest *self = (struct latest *)hob__flow_add(flow, &LATEST, 2 * in + item_bytes,
                                                         item_bytes, caller);
    if (self == NULL)
        return NULL;
    self->live.name = name;
    self->live.body = latest_body;
    self->live.value_bytes = item_bytes;
    self->live.held = &self->live.stage.out;
    self->arg = arg;
    self->item = self->items;
    self->begun = self->items + in;
    self->result = self->items + 2 * in;
    return self;
}

void hob_flow_latest(hob_flow *flow, size_t item_bytes, hob_flow_map_fn *fn, void *arg)
{
    struct latest *self = add(flow, item_bytes, "flow: latest", arg, "hob_flow_latest");
    if (self != NULL)
        self->fn = fn;
}

void hob_flow_switch_map(hob_flow *flow, size_t item_bytes, hob_flow_inner_fn *fn, void *arg)
{
    struct latest *self = add(flow, item_bytes, "flow: switch_map", arg, "hob_flow_switch_map");
    if (self != NULL)
        self->inner = fn;
}
