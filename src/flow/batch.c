/* SPDX-License-Identifier: MIT */
/* Several items in one, by their count; timed.c does it by time. */
#include "flow/batch.h"

#include <assert.h>
#include <errno.h>

static_assert(offsetof(batch_of_one, items) == offsetof(struct batch, items),
              "a batch of the user's looks like ours");
static_assert(offsetof(struct batch, items) % 16 == 0, "items of a batch are aligned");

size_t hob__batch_bytes(size_t max, size_t item_bytes)
{
    size_t bytes;
    if (__builtin_mul_overflow(max, item_bytes, &bytes) || bytes > ITEM_BYTES_MAX / 2)
        return 0;
    return sizeof(struct batch) + ((bytes + 7) & ~(size_t)7);
}

static void drop_batch(void *arg, void *item)
{
    const struct stage *stage = arg;
    const struct batch *batch = item;
    for (size_t i = 0; i < batch->count; i++)
        item_drop(&stage->up->out, batch_at(batch, i, &stage->up->out));
}

static int copy_batch(void *arg, const void *item, void *ret_item)
{
    const struct stage *stage = arg;
    const struct item  *in = &stage->up->out;
    const struct batch *batch = item;
    struct batch       *copy = ret_item;
    *copy = (struct batch){ 0, batch->began_ns };
    for (; copy->count < batch->count; copy->count++) {
        int r = in->copy(in->arg, batch_at(batch, copy->count, in), batch_at(copy, copy->count, in));
        if (r < 0) {
            drop_batch(arg, copy);
            return r;
        }
    }
    return 0;
}

struct item hob__batch_item(struct stage *stage, size_t bytes)
{
    const struct item *in = &stage->up->out;
    return (struct item){ .bytes = bytes,
                          .drop = in->drop != NULL ? drop_batch : NULL,
                          .copy = in->copy != NULL ? copy_batch : NULL,
                          .arg = stage };
}

/* ---- batch ---- */

struct batches {
    struct stage stage;
    size_t       max;
    bool         ended;
    int          result; /* ended: 0 or the error, after what came before */
};

static int batch_next(struct stage *stage, void *ret_item)
{
    struct batches *self = (struct batches *)stage;
    struct batch   *batch = ret_item;
    batch->count = 0;
    batch->began_ns = 0;
    while (!self->ended && batch->count < self->max) {
        int r = stage_next(stage->up, batch_at(batch, batch->count, &stage->up->out));
        if (hob_likely(r > 0)) {
            batch->count++;
        } else {
            self->ended = true;
            self->result = r;
        }
    }
    // An error from above comes after what came before it. Who is cancelled wants nothing more.
    if (hob_unlikely(self->result < 0) && hob_cancelled() != 0) {
        drop_batch(stage, batch);
        return self->result;
    }
    return batch->count > 0 ? 1 : self->result;
}

static const struct stage_type BATCH = { .size = sizeof(struct batches), .next = batch_next };

void hob_flow_batch(hob_flow *flow, size_t max, int64_t within_ns)
{
    hob_require(max > 0, "hob_flow_batch: a batch has at least one item");
    if (within_ns > 0 && within_ns != HOB_FOREVER) {
        hob__flow_batch_within(flow, max, within_ns);
        return;
    }
    size_t bytes = hob__batch_bytes(max, hob__flow_item_bytes(flow, "hob_flow_batch"));
    if (bytes == 0) {
        hob__flow_spoil(flow, -ENOMEM);
        return;
    }
    struct batches *self = (struct batches *)hob__flow_add(flow, &BATCH, 0, bytes, "hob_flow_batch");
    if (self == NULL)
        return;
    self->stage.out = hob__batch_item(&self->stage, bytes);
    self->max = max;
}

/* ---- window ---- */

struct window {
    struct stage stage;
    size_t       count, every;
    size_t       skip;   /* items between this window and the next */
    struct batch recent;
};

/* Moves on to where the next window begins. */
static void advance(struct window *self)
{
    const struct item *in = &self->stage.up->out;
    struct batch      *recent = &self->recent;
    size_t             gone = self->every < recent->count ? self->every : recent->count;
    self->skip = self->every - gone;
    recent->count -= gone;
    memmove(recent->items, batch_at(recent, gone, in), recent->count * in->bytes);
}

/* Gives the window, whose items stay here where the next one has them too. */
static int give(struct window *self, struct batch *ret_batch)
{
    const struct item  *in = &self->stage.up->out;
    const struct batch *recent = &self->recent;
    size_t              leave = self->every < recent->count ? self->every : recent->count;
    *ret_batch = (struct batch){ 0, 0 };
    memcpy(ret_batch->items, recent->items, leave * in->bytes);
    for (ret_batch->count = leave; ret_batch->count < recent->count; ret_batch->count++) {
        void *to = batch_at(ret_batch, ret_batch->count, in);
        void *from = batch_at(recent, ret_batch->count, in);
        int   r = 0;
        if (in->drop == NULL)
            item_copy(to, from, in->bytes);
        else
            r = in->copy(in->arg, from, to);
        if (r < 0) {
            // What only leaves with this window is still ours.
            for (size_t i = leave; i < ret_batch->count; i++)
                item_drop(in, batch_at(ret_batch, i, in));
            return r;
        }
    }
    advance(self);
    return 1;
}

static int window_next(struct stage *stage, void *ret_item)
{
    struct window     *self = (struct window *)stage;
    const struct item *in = &stage->up->out;
    while (self->recent.count < self->count) {
        void *place = batch_at(&self->recent, self->recent.count, in);
        int   r = stage_next(stage->up, place);
        if (r <= 0)
            return r;
        if (self->skip > 0) {
            self->skip--;
            item_drop(in, place);
        } else {
            self->recent.count++;
        }
    }
    return give(self, ret_item);
}

static void window_close(struct stage *stage)
{
    struct window *self = (struct window *)stage;
    drop_batch(stage, &self->recent);
    self->recent.count = 0;
    hob__stage_close(stage->up);
}

static int window_open(struct stage *stage, hob_scope *scope)
{
    struct window *self = (struct window *)stage;
    bool           overlap = self->every < self->count;
    hob_require(!overlap || stage->up->out.drop == NULL || stage->up->out.copy != NULL,
                "hob_flow_window: windows overlap, so hob_flow_owns before it needs a copy function");
    return hob__stage_open(stage->up, scope);
}

static const struct stage_type WINDOW = { .size = sizeof(struct window), .next = window_next,
                                          .open = window_open, .close = window_close };

void hob_flow_window(hob_flow *flow, size_t count, size_t every)
{
    hob_require(count > 0 && every > 0, "hob_flow_window: both numbers must be at least 1");
    size_t bytes = hob__batch_bytes(count, hob__flow_item_bytes(flow, "hob_flow_window"));
    if (bytes == 0) {
        hob__flow_spoil(flow, -ENOMEM);
        return;
    }
    struct window *self = (struct window *)hob__flow_add(flow, &WINDOW, bytes, bytes,
                                                         "hob_flow_window");
    if (self == NULL)
        return;
    self->stage.out = hob__batch_item(&self->stage, bytes);
    self->count = count;
    self->every = every;
}
