/* SPDX-License-Identifier: MIT */
/* Where items come from. */
#include "flow/source.h"

/* ---- range, array ---- */

struct range {
    struct stage stage;
    int64_t      next, end;
    uint64_t     made;
};

static int range_next(struct stage *stage, void *ret_item)
{
    struct range *self = (struct range *)stage;
    if (hob_unlikely(self->next >= self->end))
        return 0;
    int r = source_turn(self->made++);
    if (hob_unlikely(r < 0))
        return r;
    memcpy(ret_item, &self->next, sizeof self->next);
    self->next++;
    return 1;
}

static const struct stage_type RANGE = { .size = sizeof(struct range), .next = range_next };

hob_flow *hob_flow_range(int64_t first, int64_t end)
{
    hob_flow     *flow;
    struct range *self = (struct range *)hob__flow_new(&RANGE, 0, sizeof first, &flow);
    if (self != NULL) {
        self->next = first;
        self->end = end;
    }
    return flow;
}

struct array {
    struct stage stage;
    const char  *items;
    uint64_t     made, count;
};

static int array_next(struct stage *stage, void *ret_item)
{
    struct array *self = (struct array *)stage;
    if (hob_unlikely(self->made == self->count))
        return 0;
    int r = source_turn(self->made++);
    if (hob_unlikely(r < 0))
        return r;
    item_copy(ret_item, self->items, stage->out.bytes);
    self->items += stage->out.bytes;
    return 1;
}

static const struct stage_type ARRAY = { .size = sizeof(struct array), .next = array_next };

hob_flow *hob_flow_array(const void *items, size_t item_bytes, size_t count)
{
    hob_flow     *flow;
    struct array *self = (struct array *)hob__flow_new(&ARRAY, 0, item_bytes, &flow);
    if (self != NULL) {
        self->items = items;
        self->count = count;
    }
    return flow;
}

/* ---- generate ---- */

struct generate {
    struct stage        stage;
    hob_flow_source_fn *fn;
    void               *arg;
    uint64_t            made;
};

static int generate_next(struct stage *stage, void *ret_item)
{
    struct generate *self = (struct generate *)stage;
    int              r = source_turn(self->made++);
    if (hob_unlikely(r < 0))
        return r;
    r = self->fn(self->arg, ret_item);
    if (hob_likely(r >= 0))
        return 1;
    return r == HOB_EOF ? 0 : r;
}

static const struct stage_type GENERATE = { .size = sizeof(struct generate), .next = generate_next };

hob_flow *hob_flow_generate(size_t item_bytes, hob_flow_source_fn *fn, void *arg)
{
    hob_flow        *flow;
    struct generate *self = (struct generate *)hob__flow_new(&GENERATE, 0, item_bytes, &flow);
    if (self != NULL) {
        self->fn = fn;
        self->arg = arg;
    }
    return flow;
}

/* ---- from_chan ---- */

struct from_chan {
    struct stage stage;
    hob_chan    *chan;
    bool         stops; /* the channel, when nothing more is wanted */
};

static int from_chan_next(struct stage *stage, void *ret_item)
{
    int r = hob_chan_recv(((struct from_chan *)stage)->chan, ret_item);
    if (hob_likely(r == 0))
        return 1;
    return r == HOB_EOF ? 0 : r;
}

static void from_chan_close(struct stage *stage)
{
    struct from_chan *self = (struct from_chan *)stage;
    if (self->stops)
        hob_chan_stop(self->chan);
}

static const struct stage_type FROM_CHAN = { .size = sizeof(struct from_chan), .next = from_chan_next,
                                             .close = from_chan_close, .free = from_chan_close };

hob_flow *hob__flow_of_chan(hob_chan *chan, size_t item_bytes, bool stops)
{
    hob_flow         *flow;
    struct from_chan *self = (struct from_chan *)hob__flow_new(&FROM_CHAN, 0, item_bytes, &flow);
    if (self != NULL) {
        self->chan = chan;
        self->stops = stops;
    }
    return flow;
}

hob_flow *hob_flow_from_chan(hob_chan *chan, size_t item_bytes)
{
    return hob__flow_of_chan(chan, item_bytes, false);
}

/* ---- ticks ---- */

struct ticks {
    struct stage stage;
    int64_t      period_ns;
    hob_ticker   ticker;
    uint64_t     number;
};

static int ticks_open(struct stage *stage, hob_scope *scope)
{
    (void)scope;
    struct ticks *self = (struct ticks *)stage;
    hob_ticker_init(&self->ticker, self->period_ns);
    return 0;
}

static int ticks_next(struct stage *stage, void *ret_item)
{
    struct ticks *self = (struct ticks *)stage;
    int64_t       skipped = hob_ticker_wait(&self->ticker);
    if (skipped < 0)
        return (int)skipped;
    self->number += (uint64_t)skipped;
    memcpy(ret_item, &self->number, sizeof self->number);
    self->number++;
    return 1;
}

static const struct stage_type TICKS = { .size = sizeof(struct ticks), .next = ticks_next,
                                         .open = ticks_open };

hob_flow *hob_flow_ticks(int64_t period_ns)
{
    hob_require(period_ns > 0, "hob_flow_ticks: the period must be more than 0");
    hob_flow     *flow;
    struct ticks *self = (struct ticks *)hob__flow_new(&TICKS, 0, sizeof self->number, &flow);
    if (self != NULL)
        self->period_ns = period_ns;
    return flow;
}

/* ---- empty, failed ---- */

struct failed {
    struct stage stage;
    int          error; /* 0: there are just no items */
};

static int failed_next(struct stage *stage, void *ret_item)
{
    (void)ret_item;
    return ((struct failed *)stage)->error;
}

static const struct stage_type FAILED = { .size = sizeof(struct failed), .next = failed_next };

static hob_flow *without_items(size_t item_bytes, int error)
{
    hob_flow      *flow;
    struct failed *self = (struct failed *)hob__flow_new(&FAILED, 0, item_bytes, &flow);
    if (self != NULL)
        self->error = error;
    return flow;
}

hob_flow *hob_flow_empty(size_t item_bytes)
{
    return without_items(item_bytes, 0);
}

hob_flow *hob_flow_failed(size_t item_bytes, int error)
{
    hob_require(error < 0, "hob_flow_failed: the error must be negative");
    return without_items(item_bytes, error);
}
