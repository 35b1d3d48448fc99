/* SPDX-License-Identifier: MIT */
/*
 * Stages that run in the task that asks: an item passes each of them by a call. Where they
 * make no new item, it is written by the source to the place where it is wanted, and only looked
 * at on the way.
 */
#include "flow/flow.h"

/* ---- map, filter, on_each: one function and its argument ---- */

struct map {
    struct stage     stage;
    hob_flow_map_fn *fn;
    void            *arg;
    char             item[] __attribute__((aligned(16)));
};

static int map_next(struct stage *stage, void *ret_item)
{
    struct map *self = (struct map *)stage;
    int         r = stage_next(stage->up, self->item);
    if (hob_unlikely(r <= 0))
        return r;
    r = self->fn(self->item, self->arg, ret_item);
    if (hob_likely(r >= 0))
        return 1;
    item_drop(&stage->up->out, self->item);
    return r;
}

static const struct stage_type MAP = { .size = sizeof(struct map), .next = map_next };

void hob_flow_map(hob_flow *flow, size_t item_bytes, hob_flow_map_fn *fn, void *arg)
{
    size_t      in = hob__flow_item_bytes(flow, "hob_flow_map");
    struct map *self = (struct map *)hob__flow_add(flow, &MAP, in, item_bytes, "hob_flow_map");
    if (self == NULL)
        return;
    self->fn = fn;
    self->arg = arg;
}

struct test {
    struct stage      stage;
    hob_flow_test_fn *fn;
    void             *arg;
    bool              over; /* take_while */
};

static void add_test(hob_flow *flow, const struct stage_type *type, hob_flow_test_fn *fn, void *arg,
                     const char *caller)
{
    struct test *self = (struct test *)hob__flow_add_passing(flow, type, 0, caller);
    if (self == NULL)
        return;
    self->fn = fn;
    self->arg = arg;
}

static int filter_next(struct stage *stage, void *ret_item)
{
    struct test *self = (struct test *)stage;
    for (;;) {
        int r = stage_next(stage->up, ret_item);
        if (hob_unlikely(r <= 0))
            return r;
        r = self->fn(ret_item, self->arg);
        if (r > 0)
            return 1;
        item_drop(&stage->out, ret_item);
        if (hob_unlikely(r < 0))
            return r;
    }
}

static const struct stage_type FILTER = { .size = sizeof(struct test), .next = filter_next };

void hob_flow_filter(hob_flow *flow, hob_flow_test_fn *fn, void *arg)
{
    add_test(flow, &FILTER, fn, arg, "hob_flow_filter");
}

static int on_each_next(struct stage *stage, void *ret_item)
{
    struct test *self = (struct test *)stage;
    int          r = stage_next(stage->up, ret_item);
    if (hob_unlikely(r <= 0))
        return r;
    r = self->fn(ret_item, self->arg);
    if (hob_likely(r >= 0))
        return 1;
    item_drop(&stage->out, ret_item);
    return r;
}

static const struct stage_type ON_EACH = { .size = sizeof(struct test), .next = on_each_next };

void hob_flow_on_each(hob_flow *flow, hob_flow_test_fn *fn, void *arg)
{
    add_test(flow, &ON_EACH, fn, arg, "hob_flow_on_each");
}

/* ---- take, skip ---- */

static int take_while_next(struct stage *stage, void *ret_item)
{
    struct test *self = (struct test *)stage;
    int          r = stage_next(stage->up, ret_item);
    if (hob_unlikely(r <= 0))
        return r;
    r = self->fn(ret_item, self->arg);
    if (hob_likely(r > 0))
        return 1;
    item_drop(&stage->out, ret_item);
    if (r == 0)
        hob__stage_close(stage->up);
    return r;
}

static const struct stage_type TAKE_WHILE = { .size = sizeof(struct test), .next = take_while_next };

void hob_flow_take_while(hob_flow *flow, hob_flow_test_fn *fn, void *arg)
{
    add_test(flow, &TAKE_WHILE, fn, arg, "hob_flow_take_while");
}

struct counted {
    struct stage stage;
    uint64_t     left;
};

static int take_next(struct stage *stage, void *ret_item)
{
    struct counted *self = (struct counted *)stage;
    if (hob_unlikely(self->left == 0)) {
        hob__stage_close(stage->up); // take(0)
        return 0;
    }
    int r = stage_next(stage->up, ret_item);
    if (r > 0 && --self->left == 0)
        hob__stage_close(stage->up); // before it is handed on: nothing more is made
    return r;
}

static int skip_next(struct stage *stage, void *ret_item)
{
    struct counted *self = (struct counted *)stage;
    while (hob_unlikely(self->left > 0)) {
        int r = stage_next(stage->up, ret_item);
        if (r <= 0)
            return r;
        item_drop(&stage->out, ret_item);
        self->left--;
    }
    return stage_next(stage->up, ret_item);
}

static const struct stage_type TAKE = { .size = sizeof(struct counted), .next = take_next };
static const struct stage_type SKIP = { .size = sizeof(struct counted), .next = skip_next };

static void add_counted(hob_flow *flow, const struct stage_type *type, uint64_t count,
                        const char *caller)
{
    struct counted *self = (struct counted *)hob__flow_add_passing(flow, type, 0, caller);
    if (self != NULL)
        self->left = count;
}

void hob_flow_take(hob_flow *flow, uint64_t count)
{
    add_counted(flow, &TAKE, count, "hob_flow_take");
}

void hob_flow_skip(hob_flow *flow, uint64_t count)
{
    add_counted(flow, &SKIP, count, "hob_flow_skip");
}

/* ---- finally ---- */

struct finally {
    struct stage stage;
    void (*fn)(void *arg);
    void *arg;
};

static int finally_next(struct stage *stage, void *ret_item)
{
    return stage_next(stage->up, ret_item);
}

static void finally_free(struct stage *stage)
{
    struct finally *self = (struct finally *)stage;
    if (self->fn != NULL)
        self->fn(self->arg);
}

static const struct stage_type FINALLY = { .size = sizeof(struct finally), .next = finally_next,
                                           .free = finally_free };

void hob_flow_finally(hob_flow *flow, void (*fn)(void *arg), void *arg)
{
    struct finally *self = (struct finally *)hob__flow_add_passing(flow, &FINALLY, 0,
                                                                   "hob_flow_finally");
    if (self == NULL) {
        fn(arg); // nobody will run what uses it
        return;
    }
    self->fn = fn;
    self->arg = arg;
}

/* ---- through: a function that asks for itself ---- */

struct through {
    struct stage         stage;
    hob_flow             up; /* lent to fn */
    hob_flow_through_fn *fn;
    void                *arg;
};

static int through_next(struct stage *stage, void *ret_item)
{
    struct through *self = (struct through *)stage;
    int             r = self->fn(&self->up, self->arg, ret_item);
    if (r >= 0)
        return 1;
    if (r == HOB_EOF) {
        hob__stage_close(stage->up);
        return 0;
    }
    return r;
}

static const struct stage_type THROUGH = { .size = sizeof(struct through), .next = through_next };

void hob_flow_through(hob_flow *flow, size_t item_bytes, hob_flow_through_fn *fn, void *arg)
{
    struct through *self = (struct through *)hob__flow_add(flow, &THROUGH, 0, item_bytes,
                                                           "hob_flow_through");
    if (self == NULL)
        return;
    self->up = (hob_flow){ .tag = TAG_FLOW, .worker = flow->worker, .state = FLOW_LENT,
                           .last = self->stage.up };
    self->fn = fn;
    self->arg = arg;
}
