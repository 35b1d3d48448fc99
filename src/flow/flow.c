/* SPDX-License-Identifier: MIT */
/* hob/flow.h: building, opening, closing, and running by hand. See flow.h. */
#include "flow/flow.h"

#include <errno.h>

#include "hob/runtime.h"

/* ---- building ---- */

void hob__flow_check(const hob_flow *flow, const char *caller)
{
    if (hob_unlikely(flow->tag != TAG_FLOW))
        hob__misuse_of(caller, "this is not a flow, or it was run, freed or given away");
    if (hob_unlikely(flow->state != FLOW_BUILDING))
        hob__misuse_of(caller, "the flow runs already");
    if (hob_unlikely(flow->worker != hob_worker_number()))
        hob__misuse_of(caller, "the flow belongs to another worker");
}

static struct stage *stage_new(const struct stage_type *type, size_t extra, size_t item_bytes,
                               struct stage *up)
{
    hob_require(item_bytes > 0, "hob_flow: an item has at least one byte");
    size_t size;
    if (item_bytes > ITEM_BYTES_MAX || __builtin_add_overflow(STAGE_ALIGNED(type->size), extra, &size))
        return NULL;
    struct stage *stage = hob__alloc_zero(size);
    if (stage != NULL)
        *stage = (struct stage){ type->next, up, { .bytes = item_bytes }, type };
    return stage;
}

struct stage *hob__flow_new(const struct stage_type *type, size_t extra, size_t item_bytes,
                            hob_flow **ret_flow)
{
    *ret_flow = NULL;
    struct stage *stage = stage_new(type, extra, item_bytes, NULL);
    hob_flow     *flow = stage != NULL ? hob__alloc(sizeof *flow) : NULL;
    if (flow == NULL) {
        hob__free(stage);
        return NULL;
    }
    *flow = (hob_flow){ .tag = TAG_FLOW, .worker = hob_worker_number(), .last = stage };
    *ret_flow = flow;
    return stage;
}

struct stage *hob__flow_add(hob_flow *flow, const struct stage_type *type, size_t extra,
                            size_t item_bytes, const char *caller)
{
    if (flow == NULL)
        return NULL;
    hob__flow_check(flow, caller);
    if (flow->error != 0)
        return NULL;
    struct stage *stage = stage_new(type, extra, item_bytes, flow->last);
    if (stage == NULL)
        flow->error = -ENOMEM;
    else
        flow->last = stage;
    return stage;
}

struct stage *hob__flow_add_passing(hob_flow *flow, const struct stage_type *type, size_t extra,
                                    const char *caller)
{
    struct stage *stage = hob__flow_add(flow, type, extra, hob__flow_item_bytes(flow, caller), caller);
    if (stage != NULL)
        stage->out = stage->up->out;
    return stage;
}

size_t hob__flow_item_bytes(const hob_flow *flow, const char *caller)
{
    if (flow == NULL)
        return 1;
    hob__flow_check(flow, caller);
    return flow->last->out.bytes;
}

void hob__flow_check_alike(const struct item *a, const struct item *b, const char *caller)
{
    if (hob_unlikely(a->bytes != b->bytes))
        hob__misuse_of(caller, "the items of the flows differ in size");
    if (hob_unlikely(a->drop != b->drop))
        hob__misuse_of(caller, "the items of the flows are not dropped by the same function: say "
                               "hob_flow_owns for all of them, or for none");
}

void hob__flow_spoil(hob_flow *flow, int error)
{
    if (flow != NULL && flow->error == 0)
        flow->error = error;
}

struct stage *hob__flow_take(hob_flow *flow, int *ret_error, const char *caller)
{
    *ret_error = -ENOMEM;
    if (flow == NULL)
        return NULL;
    hob__flow_check(flow, caller);
    *ret_error = flow->error;
    struct stage *last = flow->last;
    if (flow->error != 0) {
        hob__stage_free(last);
        last = NULL;
    }
    flow->tag = TAG_FREED;
    hob__free(flow);
    return last;
}

void hob_flow_free(hob_flow *flow)
{
    int error;
    hob__stage_free(hob__flow_take(flow, &error, "hob_flow_free"));
}

void hob_flow_owns(hob_flow *flow, hob_flow_drop_fn *drop, hob_flow_copy_fn *copy, void *arg)
{
    if (flow == NULL)
        return;
    hob__flow_check(flow, "hob_flow_owns");
    hob_require(drop != NULL, "hob_flow_owns: who owns something needs a drop function");
    struct item *out = &flow->last->out;
    *out = (struct item){ out->bytes, drop, copy, arg };
}

/* ---- stages ---- */

int hob__stage_open(struct stage *stage, hob_scope *scope)
{
    if (stage->type->open != NULL)
        return stage->type->open(stage, scope);
    return stage->up != NULL ? hob__stage_open(stage->up, scope) : 0;
}

void hob__stage_close(struct stage *stage)
{
    if (stage->type->close != NULL)
        stage->type->close(stage);
    else if (stage->up != NULL)
        hob__stage_close(stage->up);
}

void hob__stage_free(struct stage *stage)
{
    while (stage != NULL) {
        struct stage *up = stage->up;
        if (stage->type->free != NULL)
            stage->type->free(stage);
        hob__free(stage);
        stage = up;
    }
}

/* ---- by hand ---- */

int hob_flow_begin(hob_flow *flow, hob_scope *scope)
{
    if (flow == NULL)
        return -ENOMEM;
    hob__flow_check(flow, "hob_flow_begin");
    flow->state = FLOW_BEGUN;
    flow->ended = flow->error;
    if (flow->ended == 0)
        flow->ended = hob__stage_open(flow->last, scope);
    return flow->ended;
}

int hob_flow_next(hob_flow *flow, void *ret_item)
{
    if (hob_unlikely(flow == NULL))
        return -ENOMEM;
    hob_require(flow->tag == TAG_FLOW && flow->state != FLOW_BUILDING,
                "hob_flow_next: the flow was not begun, or it was ended");
    if (flow->ended != 0)
        return flow->ended;
    int r = stage_next(flow->last, ret_item);
    if (hob_likely(r > 0))
        return 0;
    // An error of that number, from a function of the user's, must not look like the end.
    flow->ended = r == 0 ? HOB_EOF : r == HOB_EOF ? HOB_EBROKEN : r;
    return flow->ended;
}

void hob_flow_end(hob_flow *flow)
{
    if (flow == NULL)
        return;
    hob_require(flow->tag == TAG_FLOW, "hob_flow_end: the flow was ended, run or freed already");
    hob_require(flow->state != FLOW_LENT, "hob_flow_end: hob_flow_through only lends its flow");
    if (flow->state == FLOW_BEGUN && flow->error == 0)
        hob__stage_close(flow->last);
    hob__stage_free(flow->last);
    flow->tag = TAG_FREED;
    hob__free(flow);
}
