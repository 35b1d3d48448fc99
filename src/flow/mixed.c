/* SPDX-License-Identifier: MIT */
/*
 * The items of several flows, as they come: hob_flow_merge, and hob_flow_flat_map with several at
 * once. Each of the flows is asked by a task of its own, which has one item in hand at most; all
 * of them send to the stage's channel. They live in one scope of the stage's task, where the first
 * to fail cancels the others.
 */
#include "flow/mixed.h"

#include <errno.h>

#include "flow/inner.h"
#include "flow/live.h"
#include "hob/sem.h"

/* One of the flows. */
struct arm {
    struct live  *live;
    struct stage *last;
    hob_sem      *room; /* flat_map: given back when it has ended */
    struct arm   *next; /* merge */
    char          item[] __attribute__((aligned(16)));
};

static struct arm *arm_new(struct live *live, struct stage *last)
{
    struct arm *arm = hob__alloc_zero(sizeof *arm + last->out.bytes);
    if (arm == NULL)
        return NULL;
    arm->live = live;
    arm->last = last;
    return arm;
}

static void live_init(struct live *self, const char *name, int (*body)(struct live *self))
{
    self->name = name;
    self->body = body;
    self->value_bytes = self->stage.out.bytes;
    self->held = &self->stage.out;
}

/* ---- merge ---- */

struct merge {
    struct live live;
    struct arm *arms; /* the first of them asks what is above; the others own what they ask */
};

static int run_arm(void *arg)
{
    struct arm *arm = arg;
    return hob__live_pump(arm->live, arm->last, arm->item);
}

static int merge_body(struct live *live)
{
    hob_task_opts opts = { .name = live->name };
    HOB_SCOPE(s);
    for (struct arm *arm = ((struct merge *)live)->arms; arm != NULL; arm = arm->next) {
        if (hob_go_with(&s, run_arm, arm, &opts) < 0)
            break; // the scope's end says so
    }
    return hob_scope_end(&s);
}

static void merge_free(struct stage *stage)
{
    struct merge *self = (struct merge *)stage;
    for (struct arm *arm = self->arms, *next; arm != NULL; arm = next) {
        next = arm->next;
        if (arm->last != stage->up)
            hob__stage_free(arm->last);
        hob__free(arm);
    }
    hob__live_free(stage);
}

static const struct stage_type MERGE = { .size = sizeof(struct merge), .next = hob__live_next,
                                         .open = hob__live_open, .close = hob__live_close,
                                         .free = merge_free };

/* One more flow for the stage: its last stage, or NULL. */
static bool merge_add(struct merge *self, struct stage *last)
{
    struct arm **end = &self->arms;
    while (*end != NULL)
        end = &(*end)->next;
    *end = arm_new(&self->live, last);
    return *end != NULL;
}

/* The stage that merges: the last one, if it is one already. */
static struct merge *merge_of(hob_flow *flow)
{
    if (flow == NULL || flow->error != 0)
        return NULL;
    hob__flow_check(flow, "hob_flow_merge");
    if (flow->last->type == &MERGE)
        return (struct merge *)flow->last;
    struct merge *self = (struct merge *)hob__flow_add_passing(flow, &MERGE, 0, "hob_flow_merge");
    if (self == NULL)
        return NULL;
    live_init(&self->live, "flow: merge", merge_body);
    if (!merge_add(self, self->live.stage.up)) {
        hob__flow_spoil(flow, -ENOMEM);
        return NULL;
    }
    return self;
}

void hob_flow_merge(hob_flow *flow, hob_flow *other)
{
    int           error;
    struct merge *self = merge_of(flow);
    struct stage *last = hob__flow_take(other, &error, "hob_flow_merge");
    if (last == NULL) {
        hob__flow_spoil(flow, error);
        return;
    }
    if (self != NULL)
        hob__flow_check_alike(&self->live.stage.out, &last->out, "hob_flow_merge");
    if (self == NULL || !merge_add(self, last)) {
        hob__stage_free(last);
        hob__flow_spoil(flow, -ENOMEM);
    }
}

/* ---- flat_map, several at once ---- */

struct mix {
    struct live        live;
    size_t             at_once;
    hob_flow_inner_fn *fn;
    void              *arg;
    char               item[] __attribute__((aligned(16)));
};

static int run_inner(void *arg)
{
    struct arm *arm = arg;
    int         r = hob__live_pump(arm->live, arm->last, arm->item);
    hob_sem_release(arm->room);
    hob__stage_free(arm->last);
    hob__free(arm);
    return r;
}

/* Asks for one more item, and starts its flow: 1, 0 at the end, or an error. */
static int mix_begin(struct mix *self, hob_scope *scope, hob_sem *room)
{
    struct stage *stage = &self->live.stage;
    struct stage *last;
    int           r = hob_sem_acquire(room);
    if (r < 0)
        return r;
    r = stage_next(stage->up, self->item);
    if (r <= 0)
        return r;
    r = hob__inner_make(self->fn, self->arg, &stage->up->out, self->item, &stage->out,
                        "hob_flow_flat_map", &last);
    if (r < 0)
        return r;
    struct arm   *arm = arm_new(&self->live, last);
    hob_task_opts opts = { .name = "flow: flat_map" };
    if (arm != NULL)
        arm->room = room;
    if (arm == NULL || hob_go_with(scope, run_inner, arm, &opts) < 0) {
        hob__free(arm);
        hob__stage_free(last);
        return -ENOMEM;
    }
    return 1;
}

static int mix_body(struct live *live)
{
    struct mix *self = (struct mix *)live;
    hob_sem     room = { .permits = self->at_once };
    HOB_SCOPE(s);
    int r = hob__stage_open(live->stage.up, &s);
    while (r == 0 && (r = mix_begin(self, &s, &room)) > 0)
        r = 0;
    hob__stage_close(live->stage.up);
    return hob__live_settle(&s, r);
}

static const struct stage_type MIX = { .size = sizeof(struct mix), .next = hob__live_next,
                                       .open = hob__live_open, .close = hob__live_close,
                                       .free = hob__live_free };

void hob__flow_mix(hob_flow *flow, size_t at_once, size_t item_bytes, hob_flow_inner_fn *fn,
                   void *arg)
{
    size_t      in = hob__flow_item_bytes(flow, "hob_flow_flat_map");
    struct mix *self = (struct mix *)hob__flow_add(flow, &MIX, in, item_bytes, "hob_flow_flat_map");
    if (self == NULL)
        return;
    live_init(&self->live, "flow: flat_map", mix_body);
    self->at_once = at_once;
    self->fn = fn;
    self->arg = arg;
}
