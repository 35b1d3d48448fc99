/* SPDX-License-Identifier: MIT */
/*
 * Channels from inside, for select, for the deadlock walk and for reports.
 *
 *      senders ──▶ ┌──┬──┬──┬──┐ ──▶ receivers
 *                  └──┴──┴──┴──┘
 *                    the queue
 *
 * Between calls:
 *   1. Somebody waits to receive only while the queue is empty and nobody waits to send.
 *   2. Somebody waits to send only while the queue is full.
 *   3. When it has ended, nobody waits; when it was stopped, the queue is empty.
 *
 * An op of a select that another case has won counts as nobody: it is about to be withdrawn,
 * by its own worker, and until then is passed over.
 */
#ifndef HOB_SYNC_CHAN_H
#define HOB_SYNC_CHAN_H

#include <stdbool.h>

#include "base/list.h"
#include "base/lock.h"
#include "core/crew.h"
#include "core/thing.h"
#include "core/worker.h"
#include "hob/chan.h"
#include "op/op.h"
#include "sync/line.h"

struct hob_chan {
    /* Written when it is made, then read by all. */
    uint32_t         tag;
    hob_overflow     overflow;
    size_t           item_bytes;
    size_t           capacity;
    struct crew     *crew;
    struct thing     thing;
    hob_chan_opts    opts;

    /* Under the lock. */
    size_t           head;      /* of the queue: the oldest value                       */
    size_t           queued;
    int              end;       /* 0: open; else what receivers get when it is empty    */
    struct list      senders;   /* ops that wait; op.local.extra: the value             */
    struct list      receivers; /* ops that wait; op.local.extra: where it goes         */
    uint32_t         sender_refs, receiver_refs;
    struct list      sender_ends, receiver_ends; /* struct chan_end: with only_ends     */
    hob_chan_stats   stats;
    unsigned char    items[];
};

/* An end that a task holds. Others know of it where only ends may be used. */
struct chan_end {
    hob_chan        *chan;
    struct task     *task;
    struct list_node link; /* in one of the channel's lists */
};

/* Stops who holds no end of that side. */
void hob__chan_check_end(const hob_chan *chan, enum op_kind kind, const char *caller);

/* Guards a channel, with one of the locks for lines (sync/line.h). A run with one worker has
 * no need of it, and no code of users runs in between. Returns what chan_unlock wants. */
static inline bool chan_lock(const hob_chan *chan)
{
    bool shared = !crew_is_alone(chan->crew);
    if (hob_unlikely(shared))
        lock_take(hob__line_lock(chan));
    return shared;
}

static inline void chan_unlock(const hob_chan *chan, bool shared)
{
    if (hob_unlikely(shared))
        lock_give(hob__line_lock(chan));
}

/* It would have to wait: no error, for a channel may have failed with any of those. */
enum { CHAN_WAIT = 1 };

/* op.taken of an op of a select that a channel which has ended passed over: it is out of the list,
 * and nobody will finish it. */
enum { PASSED_OVER = 2 };

/* Does it now: 0 or an error, or CHAN_WAIT. */
int hob__chan_push(hob_chan *chan, const void *value);
int hob__chan_pull(hob_chan *chan, void *ret_value);

/* The same for what the op wants, under the lock. *ret_go: an op of the other side that is to
 * be finished, with 0, when the lock is given back; or NULL. */
int hob__chan_try(const struct op *op, struct op **ret_go);

/* For a case of select. */
int hob__chan_try_case(enum op_kind kind, hob_chan *chan, void *value);

/* Whether hob__chan_pull would give a value or an end; where there is one worker. */
static inline bool chan_has_something(const hob_chan *chan)
{
    return chan->queued > 0 || chan->end != 0 || !list_is_empty(&chan->senders);
}

/* Makes an idle op wait at the end of its queue, under the lock. */
void hob__chan_enqueue(struct op *op);

/* Takes it out again. False: too late, it is about to be finished. */
bool hob__chan_withdraw(struct op *op);

/* Fills in what the op waits for. */
void hob__chan_op_init(struct op *op, enum op_kind kind, hob_chan *chan, const void *value);

#endif
