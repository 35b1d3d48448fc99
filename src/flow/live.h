/* SPDX-License-Identifier: MIT */
/*
 * Stages with a task: it asks the stages above, and hands over by a channel.
 *
 *     above ◀─ next ── its task ── send ──▶ channel ◀─ recv ── next ── who asks
 *
 * The task is started when the stage is opened, in the scope of whoever opened it, and opens
 * what is above in a scope of its own. Closing cancels it, waits for it, and drops what is left
 * in the channel. It ends the channel with its result, so that an error comes after the items
 * that were sent before it.
 */
#ifndef HOB_FLOW_LIVE_H
#define HOB_FLOW_LIVE_H

#include "flow/flow.h"

/* What stands before an item in the channel of a stage for which time matters. */
struct stamp {
    int64_t came_ns __attribute__((aligned(16)));
};

struct live {
    struct stage stage;
    const char  *name;        /* of the task and of the channel, in reports */
    int (*body)(struct live *self);
    size_t       value_bytes; /* of the channel: an item, a stamp and an item, or something else */
    size_t       capacity;
    hob_overflow overflow;
    bool         is_stamped;
    const struct item *held;  /* what the channel's values are, to be dropped; NULL: nobody's    */

    /* While it is open. */
    hob_chan    *out;
    hob_future  *task;
    int          result;      /* of the body, once the channel has ended */
};

/* For the types of such stages. */
int  hob__live_open(struct stage *stage, hob_scope *scope);
void hob__live_close(struct stage *stage);
void hob__live_free(struct stage *stage);

/* The next value of the channel: 1, 0 at the end, or the error. */
int hob__live_next(struct stage *stage, void *ret_value);

/* What a failed receive means: the end of the channel, or the error. */
int hob__live_ended(const struct live *self, int error);

/* Bodies are made of this: opens the stages at `last`, sends each item, which goes by `value`, to
 * the channel, and closes them. */
int hob__live_pump(const struct live *self, struct stage *last, void *value);

/* Ends a body's scope: waits for its tasks, and cancels them when `result` is an error. Returns
 * `result`, or the failure that led to it. */
int hob__live_settle(hob_scope *scope, int result);

#endif
