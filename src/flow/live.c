/* SPDX-License-Identifier: MIT */
/* Stages with a task, and the simplest of them, hob_flow_buffer. See live.h. */
#include "flow/live.h"

#include <errno.h>

/* ---- the task ---- */

static int run(void *arg)
{
    struct live *self = arg;
    self->result = self->body(self);
    if (self->result < 0)
        hob_chan_fail(self->out, self->result);
    else
        hob_chan_finish(self->out);
    return self->result;
}

int hob__live_settle(hob_scope *scope, int result)
{
    if (result < 0)
        hob_scope_cancel(scope, "its flow ended");
    int ended = hob_scope_end(scope);
    if (result == 0)
        return ended;
    // A task that failed has cancelled the body, which could only say so.
    return result == -ECANCELED && hob_scope_failures(scope) > 0 ? ended : result;
}

int hob__live_pump(const struct live *self, struct stage *last, void *value)
{
    struct stamp *stamp = value;
    void         *item = self->is_stamped ? stamp + 1 : value;
    HOB_SCOPE(s);
    int r = hob__stage_open(last, &s);
    while (r == 0 && (r = stage_next(last, item)) > 0) {
        if (self->is_stamped)
            stamp->came_ns = hob_now();
        r = hob_chan_send(self->out, value);
        if (hob_unlikely(r < 0))
            item_drop(&last->out, item);
    }
    hob__stage_close(last);
    return hob__live_settle(&s, r);
}

/* ---- the stage ---- */

static void drop_value(void *arg, void *value)
{
    struct live *self = arg;
    item_drop(self->held, self->is_stamped ? (struct stamp *)value + 1 : value);
}

int hob__live_open(struct stage *stage, hob_scope *scope)
{
    struct live  *self = (struct live *)stage;
    hob_chan_opts opts = { .name = self->name };
    if (self->held != NULL && self->held->drop != NULL) {
        opts.drop = drop_value;
        opts.drop_arg = self;
    }
    int r = hob_chan_new(self->value_bytes, self->capacity, self->overflow, &opts, &self->out);
    if (r < 0)
        return r;
    // A daemon: a scope that is left without hob_flow_end is not held up for ever.
    hob_task_opts task = { .name = self->name, .daemon = 1 };
    self->task = hob_async_with(scope, run, self, &task);
    return self->task != NULL ? 0 : -ENOMEM;
}

void hob__live_close(struct stage *stage)
{
    struct live *self = (struct live *)stage;
    if (self->task != NULL) {
        hob_future_cancel(self->task, "its flow ended");
        HOB_SHIELD(HOB_FOREVER) {
            (void)!hob_await(self->task); // its result came by the channel, or is not wanted
        }
        self->task = NULL;
    }
    if (self->out != NULL)
        hob_chan_stop(self->out);
}

void hob__live_free(struct stage *stage)
{
    hob_chan_free(((struct live *)stage)->out);
}

int hob__live_ended(const struct live *self, int error)
{
    return error == HOB_EOF ? self->result : error;
}

int hob__live_next(struct stage *stage, void *ret_value)
{
    struct live *self = (struct live *)stage;
    int          r = hob_chan_recv(self->out, ret_value);
    return hob_likely(r == 0) ? 1 : hob__live_ended(self, r);
}

/* ---- buffer ---- */

struct buffer {
    struct live live;
    char        item[] __attribute__((aligned(16)));
};

static int buffer_body(struct live *live)
{
    return hob__live_pump(live, live->stage.up, ((struct buffer *)live)->item);
}

static const struct stage_type BUFFER = { .size = sizeof(struct buffer), .next = hob__live_next,
                                          .open = hob__live_open, .close = hob__live_close,
                                          .free = hob__live_free };

void hob_flow_buffer(hob_flow *flow, size_t capacity, hob_overflow overflow)
{
    hob_require(capacity > 0 || overflow == HOB_WAIT,
                "hob_flow_buffer: without room every item would be dropped");
    size_t         bytes = hob__flow_item_bytes(flow, "hob_flow_buffer");
    struct buffer *self = (struct buffer *)hob__flow_add_passing(flow, &BUFFER, bytes,
                                                                 "hob_flow_buffer");
    if (self == NULL)
        return;
    self->live.name = "flow: buffer";
    self->live.body = buffer_body;
    self->live.value_bytes = bytes;
    self->live.capacity = capacity;
    self->live.overflow = overflow;
    self->live.held = &self->live.stage.out;
}
