/* SPDX-License-Identifier: MIT */
/*
 * hob_flow_tee: the same items for two.
 *
 *     above ◀─ next ── the stage's task ── send ──▶ out ◀─ recv ── who asks
 *                             │
 *                             └── send a copy ──▶ branch ◀─ recv ── the branch, a task beside it
 *
 * The branch lives in the scope of the stage's task: its failure ends that, the end of the items
 * waits for it, and a close cancels both.
 */
#include <errno.h>

#include "flow/live.h"
#include "flow/source.h"

struct tee {
    struct live         live;
    size_t              lag;
    hob_overflow        overflow;
    hob_flow_branch_fn *fn;
    void               *arg;
    hob_chan           *branch;
    void               *item, *copy;
    char                items[] __attribute__((aligned(16)));
};

static int run_branch(void *arg)
{
    struct tee *self = arg;
    hob_flow   *flow = hob__flow_of_chan(self->branch, self->live.stage.out.bytes, true);
    if (flow != NULL) {
        struct item *out = &flow->last->out;
        *out = self->live.stage.out;
    }
    int r = self->fn(flow, self->arg);
    hob_chan_stop(self->branch);
    return r < 0 ? r : 0;
}

/* Gives the branch a copy, if it still wants any. */
static int send_copy(struct tee *self)
{
    const struct item *out = &self->live.stage.out;
    if (out->drop == NULL)
        item_copy(self->copy, self->item, out->bytes);
    int r = out->drop != NULL ? out->copy(out->arg, self->item, self->copy) : 0;
    if (r < 0)
        return r;
    r = hob_chan_send(self->branch, self->copy);
    if (r < 0)
        item_drop(out, self->copy);
    return r == -EPIPE ? 0 : r;
}

static int send_both(struct tee *self)
{
    int r = send_copy(self);
    if (r == 0)
        r = hob_chan_send(self->live.out, self->item);
    if (r < 0)
        item_drop(&self->live.stage.out, self->item);
    return r;
}

static int tee_body(struct live *live)
{
    struct tee   *self = (struct tee *)live;
    hob_task_opts opts = { .name = "flow: branch" };
    HOB_SCOPE(s);
    int r = hob_go_with(&s, run_branch, self, &opts);
    if (r == 0)
        r = hob__stage_open(live->stage.up, &s);
    while (r == 0 && (r = stage_next(live->stage.up, self->item)) > 0)
        r = send_both(self);
    hob__stage_close(live->stage.up);
    hob_chan_finish(self->branch);
    return hob__live_settle(&s, r);
}

static int tee_open(struct stage *stage, hob_scope *scope)
{
    struct tee *self = (struct tee *)stage;
    hob_require(stage->out.drop == NULL || stage->out.copy != NULL,
                "hob_flow_tee: hob_flow_owns before it needs a copy function");
    hob_chan_opts opts = { .name = "flow: branch",
                           .drop = stage->out.drop,
                           .drop_arg = stage->out.arg };
    int           r = hob_chan_new(stage->out.bytes, self->lag, self->overflow, &opts, &self->branch);
    return r < 0 ? r : hob__live_open(stage, scope);
}

static void tee_free(struct stage *stage)
{
    hob_chan_free(((struct tee *)stage)->branch);
    hob__live_free(stage);
}

static const struct stage_type TEE = { .size = sizeof(struct tee), .next = hob__live_next,
                                       .open = tee_open, .close = hob__live_close, .free = tee_free };

void hob_flow_tee(hob_flow *flow, size_t lag, hob_overflow overflow, hob_flow_branch_fn *fn,
                  void *arg)
{
    hob_require(lag > 0, "hob_flow_tee: the lag must be at least 1");
    size_t      bytes = hob__flow_item_bytes(flow, "hob_flow_tee");
    struct tee *self = (struct tee *)hob__flow_add_passing(
        flow, &TEE, STAGE_ALIGNED(bytes) + bytes, "hob_flow_tee");
    if (self == NULL)
        return;
    self->live.name = "flow: tee";
    self->live.body = tee_body;
    self->live.value_bytes = bytes;
    self->live.held = &self->live.stage.out;
    self->lag = lag;
    self->overflow = overflow;
    self->fn = fn;
    self->arg = arg;
    self->item = self->items;
    self->copy = self->items + STAGE_ALIGNED(bytes);
}
