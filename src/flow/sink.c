/* SPDX-License-Identifier: MIT */
/* Sinks: they run a flow and get its items. */
#include <errno.h>

#include "flow/flow.h"

struct sink {
    /* What becomes of an item: 0; 1 when that was enough; or an error, and it was not taken. */
    int (*take)(struct sink *sink, void *item);

    /* Before the flow is gone, when it failed; may be NULL. */
    void (*undo)(struct sink *sink);

    const struct item *is; /* what the items are, while it runs */
};

/* Asks for all items, puts them at `place`, and lets the sink have each. */
static int ask_all(struct stage *last, struct sink *sink, void *place)
{
    int r;
    while ((r = stage_next(last, place)) > 0) {
        r = sink->take(sink, place);
        if (hob_unlikely(r != 0)) {
            if (r < 0)
                item_drop(&last->out, place);
            return r;
        }
    }
    return r;
}

/* Runs the flow to its end, and frees it. Returns 0, 1 when the sink had enough, or the error. */
static int run(hob_flow *flow, struct sink *sink, const char *caller)
{
    if (flow == NULL)
        return -ENOMEM;
    hob__flow_check(flow, caller);
    sink->is = &flow->last->out;
    void *place = hob__alloc(sink->is->bytes);
    HOB_SCOPE(s);
    int r = place != NULL ? hob_flow_begin(flow, &s) : -ENOMEM;
    if (r == 0)
        r = ask_all(flow->last, sink, place);
    if (r < 0 && sink->undo != NULL)
        sink->undo(sink);
    hob_flow_end(flow);
    (void)!hob_scope_end(&s); // nothing is left in it; and the result wins over a late cancel
    hob__free(place);
    return r;
}

/* ---- for_each ---- */

struct call {
    struct sink  sink;
    hob_item_fn *fn;
    void        *arg;
};

static int take_call(struct sink *sink, void *item)
{
    const struct call *call = (struct call *)sink;
    int                r = call->fn(item, call->arg);
    return r < 0 ? r : 0;
}

int hob_flow_for_each(hob_flow *flow, hob_item_fn *fn, void *arg)
{
    struct call call = { { .take = take_call }, fn, arg };
    return run(flow, &call.sink, "hob_flow_for_each");
}

/* ---- drain, count ---- */

struct count {
    struct sink sink;
    uint64_t    count;
};

static int take_count(struct sink *sink, void *item)
{
    ((struct count *)sink)->count++;
    item_drop(sink->is, item);
    return 0;
}

int hob_flow_drain(hob_flow *flow)
{
    struct count count = { { .take = take_count }, 0 };
    return run(flow, &count.sink, "hob_flow_drain");
}

int hob_flow_count(hob_flow *flow, uint64_t *ret_count)
{
    struct count count = { { .take = take_count }, 0 };
    int          r = run(flow, &count.sink, "hob_flow_count");
    if (r == 0)
        *ret_count = count.count;
    return r;
}

/* ---- reduce, first ---- */

struct fold {
    struct sink       sink;
    hob_flow_fold_fn *fn;
    void             *state, *arg;
};

static int take_fold(struct sink *sink, void *item)
{
    const struct fold *fold = (struct fold *)sink;
    int                r = fold->fn(fold->state, item, fold->arg);
    return r < 0 ? r : 0;
}

int hob_flow_reduce(hob_flow *flow, void *state, hob_flow_fold_fn *fn, void *arg)
{
    struct fold fold = { { .take = take_fold }, fn, state, arg };
    return run(flow, &fold.sink, "hob_flow_reduce");
}

struct first {
    struct sink sink;
    void       *ret_item;
};

static int take_first(struct sink *sink, void *item)
{
    memcpy(((struct first *)sink)->ret_item, item, sink->is->bytes);
    return 1;
}

int hob_flow_first(hob_flow *flow, void *ret_item)
{
    struct first first = { { .take = take_first }, ret_item };
    int          r = run(flow, &first.sink, "hob_flow_first");
    return r == 0 ? HOB_EOF : r < 0 ? r : 0;
}

/* ---- into an array, into a channel ---- */

struct array {
    struct sink sink;
    char       *items;
    size_t      count, max;
};

static int take_into_array(struct sink *sink, void *item)
{
    struct array *array = (struct array *)sink;
    if (array->count == array->max)
        return -ENOBUFS;
    item_copy(array->items + array->count++ * sink->is->bytes, item, sink->is->bytes);
    return 0;
}

static void drop_array(struct sink *sink)
{
    struct array *array = (struct array *)sink;
    for (size_t i = 0; i < array->count; i++)
        item_drop(sink->is, array->items + i * sink->is->bytes);
}

int hob_flow_to_array(hob_flow *flow, void *items, size_t max, size_t *ret_count)
{
    struct array array = { { .take = take_into_array, .undo = drop_array }, items, 0, max };
    int          r = run(flow, &array.sink, "hob_flow_to_array");
    if (r == 0)
        *ret_count = array.count;
    return r;
}

struct into {
    struct sink sink;
    hob_chan   *chan;
};

static int take_send(struct sink *sink, void *item)
{
    return hob_chan_send(((struct into *)sink)->chan, item);
}

int hob_flow_into_chan(hob_flow *flow, hob_chan *chan)
{
    struct into into = { { .take = take_send }, chan };
    return run(flow, &into.sink, "hob_flow_into_chan");
}
