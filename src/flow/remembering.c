/* SPDX-License-Identifier: MIT */
/* Plain stages that remember: what they have so far, what came last, or when. */
#include <errno.h>

#include "flow/flow.h"

/* ---- scan ---- */

struct scan {
    struct stage      stage;
    hob_flow_fold_fn *fn;
    void             *arg;
    void             *item;
    char              state[] __attribute__((aligned(16)));
};

static int scan_next(struct stage *stage, void *ret_item)
{
    struct scan *self = (struct scan *)stage;
    int          r = stage_next(stage->up, self->item);
    if (hob_unlikely(r <= 0))
        return r;
    r = self->fn(self->state, self->item, self->arg);
    if (hob_unlikely(r < 0)) {
        item_drop(&stage->up->out, self->item);
        return r;
    }
    item_copy(ret_item, self->state, stage->out.bytes);
    return 1;
}

static const struct stage_type SCAN = { .size = sizeof(struct scan), .next = scan_next };

void hob_flow_scan(hob_flow *flow, size_t state_bytes, const void *initial, hob_flow_fold_fn *fn,
                   void *arg)
{
    size_t       in = hob__flow_item_bytes(flow, "hob_flow_scan");
    struct scan *self = (struct scan *)hob__flow_add(flow, &SCAN, STAGE_ALIGNED(state_bytes) + in,
                                                     state_bytes, "hob_flow_scan");
    if (self == NULL)
        return;
    self->fn = fn;
    self->arg = arg;
    self->item = self->state + STAGE_ALIGNED(state_bytes);
    if (initial != NULL)
        memcpy(self->state, initial, state_bytes);
}

/* ---- distinct ---- */

struct distinct {
    struct stage     stage;
    hob_flow_key_fn *fn;
    void            *arg;
    size_t           key_bytes;
    bool             any;
    char            *last, *key;
    char             keys[] __attribute__((aligned(16)));
};

static int distinct_next(struct stage *stage, void *ret_item)
{
    struct distinct *self = (struct distinct *)stage;
    for (;;) {
        int r = stage_next(stage->up, ret_item);
        if (hob_unlikely(r <= 0))
            return r;
        if (self->fn == NULL)
            memcpy(self->key, ret_item, self->key_bytes);
        else if ((r = self->fn(ret_item, self->arg, self->key)) < 0) {
            item_drop(&stage->out, ret_item);
            return r;
        }
        if (!self->any || memcmp(self->key, self->last, self->key_bytes) != 0) {
            char *key = self->key;
            self->key = self->last;
            self->last = key;
            self->any = true;
            return 1;
        }
        item_drop(&stage->out, ret_item);
    }
}

static const struct stage_type DISTINCT = { .size = sizeof(struct distinct),
                                            .next = distinct_next };

void hob_flow_distinct(hob_flow *flow, size_t key_bytes, hob_flow_key_fn *fn, void *arg)
{
    if (fn == NULL)
        key_bytes = hob__flow_item_bytes(flow, "hob_flow_distinct");
    hob_require(key_bytes > 0, "hob_flow_distinct: a key has at least one byte");
    if (key_bytes > ITEM_BYTES_MAX)
        hob__flow_spoil(flow, -ENOMEM);
    struct distinct *self = (struct distinct *)hob__flow_add_passing(
        flow, &DISTINCT, 2 * STAGE_ALIGNED(key_bytes), "hob_flow_distinct");
    if (self == NULL)
        return;
    self->fn = fn;
    self->arg = arg;
    self->key_bytes = key_bytes;
    self->last = self->keys;
    self->key = self->keys + STAGE_ALIGNED(key_bytes); // zero: padding that fn does not write is equal
}

/* ---- throttle, pace: when an item may pass ---- */

struct paced {
    struct stage stage;
    int64_t      period_ns;
    int64_t      next_ns; /* not before */
};

static int throttle_next(struct stage *stage, void *ret_item)
{
    struct paced *self = (struct paced *)stage;
    for (;;) {
        int r = stage_next(stage->up, ret_item);
        if (r <= 0)
            return r;
        if (hob_now() >= self->next_ns) {
            self->next_ns = hob_in(self->period_ns);
            return 1;
        }
        item_drop(&stage->out, ret_item);
    }
}

static int pace_next(struct stage *stage, void *ret_item)
{
    struct paced *self = (struct paced *)stage;
    int           r = stage_next(stage->up, ret_item);
    if (r <= 0)
        return r;
    if (hob_now() < self->next_ns && (r = hob_sleep_until(self->next_ns)) < 0) {
        item_drop(&stage->out, ret_item);
        return r;
    }
    self->next_ns = hob_in(self->period_ns);
    return 1;
}

static const struct stage_type THROTTLE = { .size = sizeof(struct paced), .next = throttle_next };
static const struct stage_type PACE = { .size = sizeof(struct paced), .next = pace_next };

static void add_paced(hob_flow *flow, const struct stage_type *type, int64_t period_ns,
                      const char *caller)
{
    struct paced *self = (struct paced *)hob__flow_add_passing(flow, type, 0, caller);
    if (self == NULL)
        return;
    self->period_ns = period_ns;
    self->next_ns = INT64_MIN;
}

void hob_flow_throttle(hob_flow *flow, int64_t period_ns)
{
    add_paced(flow, &THROTTLE, period_ns, "hob_flow_throttle");
}

void hob_flow_pace(hob_flow *flow, int64_t period_ns)
{
    add_paced(flow, &PACE, period_ns, "hob_flow_pace");
}
