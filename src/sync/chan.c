/* SPDX-License-Identifier: MIT */
/*
 * hob/chan.h.
 *
 * Most sends and receives are done at once, by hob__chan_push and hob__chan_pull. Only
 * what would wait becomes an op, in a list of the channel; whoever comes from the other
 * side finishes it: the value goes straight from one to the other.
 *
 * Threads: the worker that made the channel. Memory: one block, queue and all.
 */
#include "sync/chan.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "core/worker.h"

static __attribute__((noinline, cold, noreturn)) void misused(const hob_chan *chan,
                                                               const char     *caller)
{
    hob__misuse_of(caller, chan->tag != TAG_CHAN ? "this is not a channel, or it was freed"
                                                 : "the channel belongs to another worker");
}

/* One comparison: a channel that was freed belongs to nobody. */
static inline hob_chan *chan_from(const hob_chan *chan, const char *caller)
{
    if (hob_unlikely(chan->worker != hob__worker))
        misused(chan, caller);
    return (hob_chan *)(uintptr_t)chan;
}

/* ---- making and freeing ---- */

#define NOBODY ((struct worker *)-1) // not NULL, which is whose thread is no worker

int hob_chan_new(size_t item_bytes, size_t capacity, hob_overflow overflow,
                 const hob_chan_opts *opts, hob_chan **ret_chan)
{
    struct worker *w = hob__worker;
    hob_require(w != NULL, "hob_chan_new: called outside of hob_run");
    hob_require(item_bytes > 0, "hob_chan_new: a value has at least one byte");
    hob_require(capacity > 0 || overflow != HOB_DROP_OLDEST,
                "hob_chan_new: without room there is no oldest value to drop");
    size_t bytes;
    if (__builtin_mul_overflow(item_bytes, capacity, &bytes) ||
        __builtin_add_overflow(bytes, sizeof(hob_chan), &bytes))
        return -ENOMEM;
    hob_chan *chan = hob__alloc(bytes);
    if (chan == NULL)
        return -ENOMEM;
    *chan = (hob_chan){
        .tag = TAG_CHAN,
        .overflow = overflow,
        .item_bytes = item_bytes,
        .capacity = capacity,
        .worker = w,
        .made_at = __builtin_return_address(0),
    };
    if (opts != NULL)
        chan->opts = *opts;
    list_init(&chan->senders);
    list_init(&chan->receivers);
    list_push_back(&w->chans, &chan->link);
    *ret_chan = chan;
    return 0;
}

static void drop(hob_chan *chan, const void *value)
{
    chan->stats.dropped++;
    if (chan->opts.drop != NULL)
        chan->opts.drop(chan->opts.drop_arg, (void *)(uintptr_t)value);
}

static unsigned char *item_at(hob_chan *chan, size_t index)
{
    size_t at = chan->head + index;
    if (at >= chan->capacity)
        at -= chan->capacity;
    return chan->items + at * chan->item_bytes;
}

static void advance(hob_chan *chan)
{
    chan->head = chan->head + 1 == chan->capacity ? 0 : chan->head + 1;
    chan->queued--;
}

static void drop_all(hob_chan *chan)
{
    while (chan->queued > 0) {
        const void *oldest = item_at(chan, 0);
        advance(chan); // first: the drop function may look at the channel
        drop(chan, oldest);
    }
}

void hob_chan_free(hob_chan *chan)
{
    if (chan == NULL)
        return;
    chan_from(chan, "hob_chan_free");
    hob_require(list_is_empty(&chan->senders) && list_is_empty(&chan->receivers),
                "hob_chan_free: tasks still wait on this channel; end them first: by "
                "hob_chan_finish or hob_chan_stop, or by the end of their scope");
    drop_all(chan);
    list_remove(&chan->link);
    chan->tag = TAG_FREED;
    chan->worker = NOBODY;
    hob__free(chan);
}

/* ---- values ---- */

/* Most values are a word or two, for which a call of memcpy costs more than the copy. */
static inline void copy_item(void *to, const void *from, size_t bytes)
{
    switch (bytes) {
    case 4:
        memcpy(to, from, 4);
        return;
    case 8:
        memcpy(to, from, 8);
        return;
    case 16:
        memcpy(to, from, 16);
        return;
    default:
        memcpy(to, from, bytes);
    }
}

static struct op *first_op(struct list *waiting)
{
    return list_is_empty(waiting) ? NULL : container_of(list_first(waiting), struct op, link);
}

static void finish_first(struct list *waiting, int64_t result)
{
    struct op *op = first_op(waiting);
    list_remove(&op->link);
    hob__op_finish_local(op, result);
}

static void enqueue_item(hob_chan *chan, const void *value)
{
    copy_item(item_at(chan, chan->queued), value, chan->item_bytes);
    chan->queued++;
    if (chan->queued > chan->stats.queued_max)
        chan->stats.queued_max = chan->queued;
}

/* There is no room, and nobody takes it. */
static int overflow(hob_chan *chan, const void *value)
{
    switch (chan->overflow) {
    case HOB_WAIT:
        return -EAGAIN;
    case HOB_FAIL:
        return -ENOBUFS;
    case HOB_DROP_NEWEST:
        drop(chan, value);
        return 0;
    case HOB_DROP_OLDEST:
        break;
    }
    const void *oldest = item_at(chan, 0);
    drop(chan, oldest);
    advance(chan);
    enqueue_item(chan, value);
    chan->stats.sent++;
    return 0;
}

int hob__chan_push(hob_chan *chan, const void *value)
{
    if (hob_unlikely(chan->end != 0))
        return -EPIPE;
    struct op *receiver = first_op(&chan->receivers);
    if (receiver != NULL) {
        hob_assert(chan->queued == 0);
        copy_item(receiver->local.extra, value, chan->item_bytes);
        chan->stats.received++;
        finish_first(&chan->receivers, 0);
    } else if (chan->queued < chan->capacity) {
        enqueue_item(chan, value);
    } else {
        return overflow(chan, value);
    }
    chan->stats.sent++;
    return 0;
}

/* Room has come: who waits longest puts its value in. */
static void refill(hob_chan *chan)
{
    struct op *sender = first_op(&chan->senders);
    if (hob_likely(sender == NULL))
        return;
    enqueue_item(chan, sender->local.extra);
    chan->stats.sent++;
    finish_first(&chan->senders, 0);
}

int hob__chan_pull(hob_chan *chan, void *ret_value)
{
    if (chan->queued > 0) {
        copy_item(ret_value, item_at(chan, 0), chan->item_bytes);
        advance(chan);
        refill(chan);
    } else if (!list_is_empty(&chan->senders)) {
        hob_assert(chan->capacity == 0);
        copy_item(ret_value, first_op(&chan->senders)->local.extra, chan->item_bytes);
        chan->stats.sent++;
        finish_first(&chan->senders, 0);
    } else {
        return chan->end != 0 ? chan->end : -EAGAIN;
    }
    chan->stats.received++;
    return 0;
}

/* ---- waiting ---- */

void hob__chan_enqueue(struct op *op)
{
    hob_chan *chan = op->local.on;
    op->state = OP_FLYING;
    chan->stats.waits++;
    list_push_back(op->kind == OP_CHAN_SEND ? &chan->senders : &chan->receivers, &op->link);
}

bool hob__chan_withdraw(struct op *op)
{
    list_remove(&op->link);
    return true;
}

static void start(struct op *op)
{
    hob_chan *chan = op->local.on;
    int       r = op->kind == OP_CHAN_SEND ? hob__chan_push(chan, op->local.extra)
                                           : hob__chan_pull(chan, op->local.extra);
    if (r == -EAGAIN) {
        hob__chan_enqueue(op);
    } else {
        op->result = r;
        op->state = OP_DONE;
    }
}

void hob__chan_op_init(struct op *op, enum op_kind kind, hob_chan *chan, const void *value)
{
    op->kind = kind;
    op->local.start = start;
    op->local.withdraw = hob__chan_withdraw;
    op->local.on = chan;
    op->local.extra = (void *)(uintptr_t)value;
}

/* What could not be done at once. */
static __attribute__((noinline)) int wait_for(struct task *task, hob_chan *chan,
                                              enum op_kind kind, const void *value)
{
    struct op op = { .done = hob__task_wake_op, .waiter = task };
    hob__chan_op_init(&op, kind, chan, value);
    hob__chan_enqueue(&op);
    hob__op_await_flying(task, &op);
    return (int)op.result;
}

int hob_chan_send(hob_chan *chan, const void *value)
{
    struct task *task = hob__task_self();
    chan_from(chan, "hob_chan_send");
    int r = inline_begin(task, "hob_chan_send");
    if (hob_unlikely(r != 0))
        return r;
    r = hob__chan_push(chan, value);
    if (r == -EAGAIN)
        return wait_for(task, chan, OP_CHAN_SEND, value);
    inline_end(task);
    return r;
}

int hob_chan_recv(hob_chan *chan, void *ret_value)
{
    struct task *task = hob__task_self();
    chan_from(chan, "hob_chan_recv");
    int r = inline_begin(task, "hob_chan_recv");
    if (hob_unlikely(r != 0))
        return r;
    r = hob__chan_pull(chan, ret_value);
    if (r == -EAGAIN)
        return wait_for(task, chan, OP_CHAN_RECV, ret_value);
    inline_end(task);
    return r;
}

int hob_chan_try_send(hob_chan *chan, const void *value)
{
    return hob__chan_push(chan_from(chan, "hob_chan_try_send"), value);
}

int hob_chan_try_recv(hob_chan *chan, void *ret_value)
{
    return hob__chan_pull(chan_from(chan, "hob_chan_try_recv"), ret_value);
}

void hob_chan_send_prep(hob_op *place, hob_chan *chan, const void *value)
{
    hob__chan_op_init(hob__op_prep(place, OP_CHAN_SEND, NULL), OP_CHAN_SEND,
                      chan_from(chan, "hob_chan_send_prep"), value);
}

void hob_chan_recv_prep(hob_op *place, hob_chan *chan, void *ret_value)
{
    hob__chan_op_init(hob__op_prep(place, OP_CHAN_RECV, NULL), OP_CHAN_RECV,
                      chan_from(chan, "hob_chan_recv_prep"), ret_value);
}

/* ---- the end ---- */

static void end_with(hob_chan *chan, int error)
{
    if (chan->end != 0)
        return;
    chan->end = error;
    while (!list_is_empty(&chan->senders))
        finish_first(&chan->senders, -EPIPE);
    while (!list_is_empty(&chan->receivers))
        finish_first(&chan->receivers, error);
}

void hob_chan_finish(hob_chan *chan)
{
    end_with(chan_from(chan, "hob_chan_finish"), HOB_EOF);
}

void hob_chan_fail(hob_chan *chan, int error)
{
    hob_require(error < 0, "hob_chan_fail: the error must be negative");
    end_with(chan_from(chan, "hob_chan_fail"), error);
}

void hob_chan_stop(hob_chan *chan)
{
    end_with(chan_from(chan, "hob_chan_stop"), HOB_EOF);
    drop_all(chan);
}

hob_chan *hob_chan_sender_ref(hob_chan *chan)
{
    chan_from(chan, "hob_chan_sender_ref")->sender_refs++;
    return chan;
}

void hob_chan_sender_unref(hob_chan *chan)
{
    chan_from(chan, "hob_chan_sender_unref");
    hob_require(chan->sender_refs > 0, "hob_chan_sender_unref: there was no hob_chan_sender_ref");
    if (--chan->sender_refs == 0)
        hob_chan_finish(chan);
}

hob_chan *hob_chan_receiver_ref(hob_chan *chan)
{
    chan_from(chan, "hob_chan_receiver_ref")->receiver_refs++;
    return chan;
}

void hob_chan_receiver_unref(hob_chan *chan)
{
    chan_from(chan, "hob_chan_receiver_unref");
    hob_require(chan->receiver_refs > 0,
                "hob_chan_receiver_unref: there was no hob_chan_receiver_ref");
    if (--chan->receiver_refs == 0)
        hob_chan_stop(chan);
}

void hob_chan_sender_leave(hob_chan **chan)
{
    hob_chan_sender_unref(*chan);
}

void hob_chan_receiver_leave(hob_chan **chan)
{
    hob_chan_receiver_unref(*chan);
}

/* ---- asking ---- */

static size_t list_length(const struct list *list)
{
    size_t length = 0;
    list_for_each(node, list)
        length++;
    return length;
}

void hob_chan_stats_get(const hob_chan *chan, hob_chan_stats *ret_stats)
{
    chan_from(chan, "hob_chan_stats_get");
    *ret_stats = chan->stats;
    ret_stats->queued = chan->queued;
    ret_stats->senders_waiting = list_length(&chan->senders);
    ret_stats->receivers_waiting = list_length(&chan->receivers);
}
