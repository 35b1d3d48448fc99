/* SPDX-License-Identifier: MIT */
/*
 * Stages for which it matters when an item came: batches and windows by time, debounce, sample.
 *
 * An item may come while nobody asks. So the stage's task notes the time with each item, and
 * all that is decided is decided by that; whoever asks late gets what was due before.
 */
#include <errno.h>

#include "flow/batch.h"
#include "flow/live.h"
#include "hob/select.h"

struct timed {
    struct live   live;
    int64_t       period_ns; /* within, length, quiet, or from beat to beat */
    int64_t       begin_ns;  /* window: of the one to come; sample: the last beat */
    size_t        max;       /* batch, window */
    bool          has_kept;  /* an item that came, and is not given yet */
    bool          ended;     /* nothing comes any more but `result` */
    int           result;
    struct stamp *kept;      /* with its item behind it, as in the channel */
    struct stamp *came;
    struct stamp *sent;      /* the task's */
    char          values[] __attribute__((aligned(16)));
};

static int timed_body(struct live *live)
{
    return hob__live_pump(live, live->stage.up, ((struct timed *)live)->sent);
}

static int timed_open(struct stage *stage, hob_scope *scope)
{
    struct timed *self = (struct timed *)stage;
    self->begin_ns = hob_now();
    return hob__live_open(stage, scope);
}

static void timed_close(struct stage *stage)
{
    struct timed *self = (struct timed *)stage;
    if (self->has_kept)
        item_drop(self->live.held, self->kept + 1);
    self->has_kept = false;
    hob__live_close(stage);
}

/* The stage becomes one of these; `held` is what its channel's items are. */
static void timed_init(struct timed *self, const char *name, const struct item *held,
                       size_t capacity, hob_overflow overflow, int64_t period_ns)
{
    size_t value = sizeof(struct stamp) + STAGE_ALIGNED(held->bytes);
    self->live.name = name;
    self->live.body = timed_body;
    self->live.value_bytes = sizeof(struct stamp) + held->bytes;
    self->live.capacity = capacity;
    self->live.overflow = overflow;
    self->live.is_stamped = true;
    self->live.held = held;
    self->period_ns = period_ns;
    self->kept = (struct stamp *)self->values;
    self->came = (struct stamp *)(self->values + value);
    self->sent = (struct stamp *)(self->values + 2 * value);
}

static size_t timed_extra(size_t item_bytes)
{
    return 3 * (sizeof(struct stamp) + STAGE_ALIGNED(item_bytes));
}

/* The next item that comes, as self->came: 1; 0 when the time comes first (INT64_MIN: without
 * waiting), and with self->ended: nothing comes any more; or an error. */
static int next_or_time(struct timed *self, int64_t deadline_ns)
{
    int r = hob_chan_try_recv(self->live.out, self->came);
    if (r == -EAGAIN && deadline_ns == INT64_MIN)
        return 0;
    if (r == -EAGAIN) {
        int which = HOB_SELECT_ORDERED(&r, HOB_RECV(self->live.out, self->came), HOB_AT(deadline_ns));
        if (which != 0)
            return which > 0 ? 0 : which;
    }
    if (r == 0)
        return 1;
    self->ended = true;
    self->result = hob__live_ended(&self->live, r);
    return 0;
}

static void keep(struct timed *self)
{
    struct stamp *came = self->came;
    self->came = self->kept;
    self->kept = came;
    self->has_kept = true;
}

/* ---- batch and window ---- */

static int64_t later(int64_t at_ns, int64_t by_ns)
{
    int64_t sum;
    return __builtin_add_overflow(at_ns, by_ns, &sum) ? HOB_FOREVER : sum;
}

static void append_kept(struct timed *self, struct batch *batch)
{
    const struct item *in = self->live.held;
    memcpy(batch_at(batch, batch->count++, in), self->kept + 1, in->bytes);
    self->has_kept = false;
}

/* Gives up a batch on the way out. */
static int fail(struct timed *self, struct batch *batch, int error)
{
    const struct item *in = self->live.held;
    for (size_t i = 0; i < batch->count; i++)
        item_drop(in, batch_at(batch, i, in));
    return error;
}

static int within_next(struct stage *stage, void *ret_item)
{
    struct timed *self = (struct timed *)stage;
    struct batch *batch = ret_item;
    int64_t       end_ns = HOB_FOREVER;
    *batch = (struct batch){ 0, 0 };
    for (;;) {
        if (!self->has_kept && !self->ended) {
            int r = next_or_time(self, end_ns);
            if (r < 0)
                return fail(self, batch, r);
            if (r > 0)
                keep(self);
            else if (!self->ended)
                return 1;
        }
        if (!self->has_kept)
            return batch->count > 0 ? 1 : self->result;
        if (batch->count == 0) {
            batch->began_ns = self->kept->came_ns;
            end_ns = later(batch->began_ns, self->period_ns);
        } else if (self->kept->came_ns >= end_ns) {
            return 1; // it begins the next one
        }
        append_kept(self, batch);
        if (batch->count == self->max)
            return 1;
    }
}

/* The window to be given next: of the oldest item that is here, or else of now. Windows in which
 * nothing came, and for which nobody waited, are not given. */
static int64_t find_window(struct timed *self)
{
    if (!self->has_kept && !self->ended && next_or_time(self, INT64_MIN) > 0)
        keep(self);
    int64_t at_ns = self->has_kept ? self->kept->came_ns : hob_now();
    if (at_ns > self->begin_ns)
        self->begin_ns += (at_ns - self->begin_ns) / self->period_ns * self->period_ns;
    return self->begin_ns;
}

static int window_time_next(struct stage *stage, void *ret_item)
{
    struct timed *self = (struct timed *)stage;
    struct batch *batch = ret_item;
    *batch = (struct batch){ 0, find_window(self) };
    int64_t end_ns = later(batch->began_ns, self->period_ns);
    for (;;) {
        if (!self->has_kept && !self->ended) {
            int r = next_or_time(self, end_ns);
            if (r < 0)
                return fail(self, batch, r);
            if (r > 0)
                keep(self);
            else if (!self->ended)
                break;
        }
        if (!self->has_kept)
            return batch->count > 0 ? 1 : self->result;
        if (self->kept->came_ns >= end_ns)
            break;
        append_kept(self, batch);
        if (batch->count == self->max)
            return 1; // early: the same window goes on with the next
    }
    self->begin_ns = end_ns;
    return 1;
}

static const struct stage_type WITHIN = { .size = sizeof(struct timed), .next = within_next,
                                          .open = timed_open, .close = timed_close,
                                          .free = hob__live_free };
static const struct stage_type WINDOW_TIME = { .size = sizeof(struct timed), .next = window_time_next,
                                               .open = timed_open, .close = timed_close,
                                               .free = hob__live_free };

static void add_batch(hob_flow *flow, const struct stage_type *type, size_t max, int64_t period_ns,
                      const char *name, const char *caller)
{
    size_t in = hob__flow_item_bytes(flow, caller);
    size_t bytes = hob__batch_bytes(max, in);
    if (bytes == 0) {
        hob__flow_spoil(flow, -ENOMEM);
        return;
    }
    struct timed *self = (struct timed *)hob__flow_add(flow, type, timed_extra(in), bytes, caller);
    if (self == NULL)
        return;
    self->live.stage.out = hob__batch_item(&self->live.stage, bytes);
    timed_init(self, name, &self->live.stage.up->out, max, HOB_WAIT, period_ns);
    self->max = max;
}

void hob__flow_batch_within(hob_flow *flow, size_t max, int64_t within_ns)
{
    add_batch(flow, &WITHIN, max, within_ns, "flow: batch", "hob_flow_batch");
}

void hob_flow_window_time(hob_flow *flow, size_t max, int64_t length_ns)
{
    hob_require(max > 0, "hob_flow_window_time: a window has room for at least one item");
    hob_require(length_ns > 0, "hob_flow_window_time: the length must be more than 0");
    add_batch(flow, &WINDOW_TIME, max, length_ns, "flow: window", "hob_flow_window_time");
}

/* ---- debounce, sample: the last item ---- */

static int give_kept(struct timed *self, void *ret_item)
{
    memcpy(ret_item, self->kept + 1, self->live.held->bytes);
    self->has_kept = false;
    return 1;
}

static int debounce_next(struct stage *stage, void *ret_item)
{
    struct timed *self = (struct timed *)stage;
    for (;;) {
        if (self->ended)
            return self->has_kept ? give_kept(self, ret_item) : self->result;
        int64_t due_ns = self->has_kept ? later(self->kept->came_ns, self->period_ns) : HOB_FOREVER;
        int     r = next_or_time(self, due_ns);
        if (r < 0)
            return r;
        if (r == 0 && !self->ended)
            return give_kept(self, ret_item);
        if (r > 0) {
            bool was_due = self->has_kept && self->came->came_ns >= due_ns;
            if (was_due)
                give_kept(self, ret_item);
            else if (self->has_kept)
                item_drop(self->live.held, self->kept + 1);
            keep(self);
            if (was_due)
                return 1;
        }
    }
}

static const struct stage_type DEBOUNCE = { .size = sizeof(struct timed), .next = debounce_next,
                                            .open = timed_open, .close = timed_close,
                                            .free = hob__live_free };

/* Waits for the beat, or for the end of what is above: 0, or an error. */
static int wait_for_beat(struct timed *self)
{
    if (self->ended)
        return 0;
    int which = HOB_SELECT_ORDERED(NULL, HOB_ENDED(self->live.task),
                                   HOB_AT(later(self->begin_ns, self->period_ns)));
    if (which == 0)
        self->ended = true;
    else if (which > 0)
        self->begin_ns += (hob_now() - self->begin_ns) / self->period_ns * self->period_ns;
    return which < 0 ? which : 0;
}

static int sample_next(struct stage *stage, void *ret_item)
{
    struct timed *self = (struct timed *)stage;
    for (;;) {
        int r = wait_for_beat(self);
        if (r < 0)
            return r;
        r = hob_chan_try_recv(self->live.out, self->came);
        if (r == 0) {
            memcpy(ret_item, self->came + 1, self->live.held->bytes);
            return 1;
        }
        if (r != -EAGAIN)
            return hob__live_ended(&self->live, r);
    }
}

static const struct stage_type SAMPLE = { .size = sizeof(struct timed), .next = sample_next,
                                          .open = timed_open, .close = timed_close,
                                          .free = hob__live_free };

static void add_last(hob_flow *flow, const struct stage_type *type, int64_t period_ns,
                     const char *name, const char *caller)
{
    size_t        in = hob__flow_item_bytes(flow, caller);
    struct timed *self = (struct timed *)hob__flow_add_passing(flow, type, timed_extra(in), caller);
    if (self != NULL)
        timed_init(self, name, &self->live.stage.out, 1, HOB_DROP_OLDEST, period_ns);
}

void hob_flow_debounce(hob_flow *flow, int64_t quiet_ns)
{
    add_last(flow, &DEBOUNCE, quiet_ns, "flow: debounce", "hob_flow_debounce");
}

void hob_flow_sample(hob_flow *flow, int64_t period_ns)
{
    hob_require(period_ns > 0, "hob_flow_sample: the period must be more than 0");
    add_last(flow, &SAMPLE, period_ns, "flow: sample", "hob_flow_sample");
}
