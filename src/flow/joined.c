/* SPDX-License-Identifier: MIT */
/* Plain stages that ask two flows in one task: hob_flow_concat, hob_flow_zip. */
#include <errno.h>

#include "flow/flow.h"

struct joined {
    struct stage     stage;
    struct stage    *other;
    hob_scope       *scope;
    bool             at_other; /* concat: the first flow has ended */
    hob_flow_zip_fn *fn;
    void            *arg;
    void            *item, *other_item; /* zip: in `items` */
    char            *items;
};

static void joined_close(struct stage *stage)
{
    hob__stage_close(stage->up);
    hob__stage_close(((struct joined *)stage)->other);
}

static void joined_free(struct stage *stage)
{
    struct joined *self = (struct joined *)stage;
    hob__stage_free(self->other);
    hob__free(self->items);
}

/* What was given to the flow becomes a part of its new stage, or is freed with a flow that could not
 * be built, or spoils it. */
static struct stage *take_other(hob_flow *flow, struct joined *self, hob_flow *other_flow,
                                const char *caller)
{
    int           error;
    struct stage *other = hob__flow_take(other_flow, &error, caller);
    if (other == NULL)
        hob__flow_spoil(flow, error);
    if (self == NULL) {
        hob__stage_free(other);
        return NULL;
    }
    self->other = other;
    return other;
}

static int concat_open(struct stage *stage, hob_scope *scope)
{
    ((struct joined *)stage)->scope = scope;
    return hob__stage_open(stage->up, scope);
}

static int concat_next(struct stage *stage, void *ret_item)
{
    struct joined *self = (struct joined *)stage;
    if (!self->at_other) {
        int r = stage_next(stage->up, ret_item);
        if (r != 0)
            return r;
        hob__stage_close(stage->up);
        self->at_other = true;
        r = hob__stage_open(self->other, self->scope);
        if (r < 0)
            return r;
    }
    return stage_next(self->other, ret_item);
}

static const struct stage_type CONCAT = { .size = sizeof(struct joined), .next = concat_next,
                                          .open = concat_open, .close = joined_close,
                                          .free = joined_free };

void hob_flow_concat(hob_flow *flow, hob_flow *then)
{
    struct joined *self = (struct joined *)hob__flow_add_passing(flow, &CONCAT, 0, "hob_flow_concat");
    struct stage  *other = take_other(flow, self, then, "hob_flow_concat");
    if (other != NULL)
        hob__flow_check_alike(&self->stage.out, &other->out, "hob_flow_concat");
}

static int zip_open(struct stage *stage, hob_scope *scope)
{
    int r = hob__stage_open(stage->up, scope);
    return r < 0 ? r : hob__stage_open(((struct joined *)stage)->other, scope);
}

static int zip_next(struct stage *stage, void *ret_item)
{
    struct joined *self = (struct joined *)stage;
    int            r = stage_next(stage->up, self->item);
    if (r > 0) {
        r = stage_next(self->other, self->other_item);
        if (r > 0) {
            r = self->fn(self->item, self->other_item, self->arg, ret_item);
            if (r >= 0)
                return 1;
            item_drop(&self->other->out, self->other_item);
        }
        item_drop(&stage->up->out, self->item);
    }
    if (r == 0)
        joined_close(stage); // one has ended: the other is wanted no more
    return r;
}

static const struct stage_type ZIP = { .size = sizeof(struct joined), .next = zip_next,
                                       .open = zip_open, .close = joined_close,
                                       .free = joined_free };

void hob_flow_zip(hob_flow *flow, hob_flow *other_flow, size_t item_bytes, hob_flow_zip_fn *fn,
                  void *arg)
{
    struct joined *self = (struct joined *)hob__flow_add(flow, &ZIP, 0, item_bytes, "hob_flow_zip");
    struct stage  *other = take_other(flow, self, other_flow, "hob_flow_zip");
    if (other == NULL)
        return;
    size_t room = STAGE_ALIGNED(self->stage.up->out.bytes);
    self->items = hob__alloc(room + other->out.bytes);
    if (self->items == NULL)
        hob__flow_spoil(flow, -ENOMEM);
    self->fn = fn;
    self->arg = arg;
    self->item = self->items;
    self->other_item = self->items + room;
}
