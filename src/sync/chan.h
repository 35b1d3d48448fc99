/* SPDX-License-Identifier: MIT */
/*
 * Channels from inside, for select and for reports.
 *
 *      senders ──▶ ┌──┬──┬──┬──┐ ──▶ receivers
 *                  └──┴──┴──┴──┘
 *                    the queue
 *
 * Between calls:
 *   1. Somebody waits to receive only while the queue is empty and nobody waits to send.
 *   2. Somebody waits to send only while the queue is full.
 *   3. When it has ended, nobody waits; when it was stopped, the queue is empty.
 */
#ifndef HOB_SYNC_CHAN_H
#define HOB_SYNC_CHAN_H

#include <stdbool.h>

#include "base/list.h"
#include "hob/chan.h"
#include "op/op.h"

struct worker;

struct hob_chan {
    uint32_t         tag;
    hob_overflow     overflow;
    size_t           item_bytes;
    size_t           capacity;
    size_t           head;      /* of the queue: the oldest value                       */
    size_t           queued;
    int              end;       /* 0: open; else what receivers get when it is empty    */
    bool             stopped;
    struct list      senders;   /* ops that wait; op.local.extra: the value             */
    struct list      receivers; /* ops that wait; op.local.extra: where it goes         */
    uint32_t         sender_refs, receiver_refs;
    struct worker   *worker;
    hob_chan_opts    opts;
    hob_chan_stats   stats;
    const void      *made_at;
    struct list_node link;      /* in worker.chans                                      */
    unsigned char    items[];
};

/* Does it now: 0 or an error; -EAGAIN when it would have to wait. */
int hob__chan_push(hob_chan *chan, const void *value);
int hob__chan_pull(hob_chan *chan, void *ret_value);

/* Whether hob__chan_pull would give a value or an end. */
static inline bool chan_has_something(const hob_chan *chan)
{
    return chan->queued > 0 || chan->end != 0 || !list_is_empty(&chan->senders);
}

/* Makes an idle op wait at the end of its queue; hob__chan_withdraw takes it out again. */
void hob__chan_enqueue(struct op *op);
bool hob__chan_withdraw(struct op *op);

/* Fills in what the op waits for. */
void hob__chan_op_init(struct op *op, enum op_kind kind, hob_chan *chan, const void *value);

#endif
