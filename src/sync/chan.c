/* SPDX-License-Identifier: MIT */
/*
 * hob/chan.h.
 *
 * Most sends and receives are done at once, by hob__chan_push and hob__chan_pull. Only
 * what would wait becomes an op, in a list of the channel; whoever comes from the other
 * side takes it out and finishes it: the value goes straight from one to the other.
 *
 * Threads: all workers of the run that made it, under a lock (chan.h) for a few instructions.
 * Ops are finished, and drop functions called, after it was given back. Memory: one block,
 * queue and all.
 */
#include "sync/chan.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "sync/select.h"

static __attribute__((noinline, cold, noreturn)) void misused(const hob_chan *chan,
                                                               const char     *caller)
{
    hob__misuse_of(caller, hob__worker == NULL      ? "called outside of hob_run"
                           : chan->tag != TAG_CHAN ? "this is not a channel, or it was freed"
                                                   : "the channel belongs to another run");
}

/* A channel that was freed belongs to no run. */
static inline hob_chan *chan_from(const hob_chan *chan, const char *caller)
{
    if (hob_unlikely(hob__worker == NULL || chan->crew != hob__worker->crew))
        misused(chan, caller);
    return (hob_chan *)(uintptr_t)chan;
}

static inline void check_end(const hob_chan *chan, enum op_kind kind, const char *caller)
{
    if (hob_unlikely(chan->opts.only_ends))
        hob__chan_check_end(chan, kind, caller);
}

/* ---- making and freeing ---- */

/* Of values that a drop function is told of when newer ones push them out. */
enum { PUSHED_OUT_MAX = 1024 };

static void free_thing(struct thing *thing)
{
    hob_chan_free(container_of(thing, struct hob_chan, thing));
}

static const struct thing_kind kind = { "a channel", "hob_chan_free", free_thing };

int hob_chan_new(size_t item_bytes, size_t capacity, hob_overflow overflow,
                 const hob_chan_opts *opts, hob_chan **ret_chan)
{
    struct worker *w = hob__worker;
    hob_require(w != NULL, "hob_chan_new: called outside of hob_run");
    hob_require(item_bytes > 0, "hob_chan_new: a value has at least one byte");
    hob_require(overflow >= HOB_WAIT && overflow <= HOB_FAIL,
                "hob_chan_new: there is no such overflow policy");
    hob_require(capacity > 0 || overflow != HOB_DROP_OLDEST,
                "hob_chan_new: without room there is no oldest value to drop");
    hob_require(overflow != HOB_DROP_OLDEST || opts == NULL || opts->drop == NULL ||
                    item_bytes <= PUSHED_OUT_MAX,
                "hob_chan_new: a value that the drop function is told of when a newer one "
                "pushes it out has at most 1024 bytes; send pointers to larger ones");
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
        .crew = w->crew,
    };
    if (opts != NULL)
        chan->opts = *opts;
    list_init(&chan->senders);
    list_init(&chan->receivers);
    list_init(&chan->sender_ends);
    list_init(&chan->receiver_ends);
    hob__thing_open(&chan->thing, &kind, __builtin_return_address(0));
    *ret_chan = chan;
    return 0;
}

static inline void tell_dropped(const hob_chan *chan, const void *value)
{
    if (chan->opts.drop != NULL)
        chan->opts.drop(chan->opts.drop_arg, (void *)(uintptr_t)value);
}

static inline unsigned char *slot(hob_chan *chan, size_t at)
{
    return chan->items + (at < chan->capacity ? at : at - chan->capacity) * chan->item_bytes;
}

static inline void advance(hob_chan *chan)
{
    chan->head = chan->head + 1 == chan->capacity ? 0 : chan->head + 1;
    chan->queued--;
}

/* Nobody sends any more, so the values lie still when they are out of the queue. */
static void drop_all(hob_chan *chan)
{
    bool   shared = chan_lock(chan);
    size_t first = chan->head, count = chan->queued;
    chan->queued = 0;
    chan->stats.dropped += count;
    chan_unlock(chan, shared);
    for (size_t i = 0; i < count; i++)
        tell_dropped(chan, slot(chan, first + i));
}

void hob_chan_free(hob_chan *chan)
{
    if (chan == NULL)
        return;
    chan_from(chan, "hob_chan_free");
    hob_require(list_is_empty(&chan->senders) && list_is_empty(&chan->receivers),
                "hob_chan_free: tasks still wait on this channel; end them first: by "
                "hob_chan_finish or hob_chan_stop, or by the end of their scope");
    hob_require(list_is_empty(&chan->sender_ends) && list_is_empty(&chan->receiver_ends),
                "hob_chan_free: tasks still hold ends of this channel (HOB_CHAN_SENDER, "
                "HOB_CHAN_RECEIVER); end them first");
    drop_all(chan);
    hob__thing_close(&chan->thing);
    chan->tag = TAG_FREED;
    chan->crew = NULL;
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

static inline struct op *take_out(const hob_chan *chan, struct op *op)
{
    list_remove(&op->link);
    op->taken = 1;
    if (hob_unlikely(chan->opts.only_ends))
        hob__line_note_left(op);
    return op;
}

static __attribute__((noinline)) struct op *first_claimed(const hob_chan *chan, struct list *waiting)
{
    list_for_each(node, waiting) {
        struct op *op = container_of(node, struct op, link);
        if (op->done != hob__select_done || hob__select_claim(op))
            return take_out(chan, op);
    }
    return NULL;
}

/* Takes the first op out that will have it, to be finished; NULL when nobody waits. */
static inline struct op *take_first(const hob_chan *chan, struct list *waiting)
{
    if (list_is_empty(waiting))
        return NULL;
    struct op *op = container_of(list_first(waiting), struct op, link);
    return hob_likely(op->done != hob__select_done) ? take_out(chan, op)
                                                     : first_claimed(chan, waiting);
}

static void enqueue_item(hob_chan *chan, const void *value)
{
    copy_item(slot(chan, chan->head + chan->queued), value, chan->item_bytes);
    chan->queued++;
    if (chan->queued > chan->stats.queued_max)
        chan->stats.queued_max = chan->queued;
}

/* Under the lock, as the next three. CHAN_WAIT: there is no room, and nobody takes it. */
static inline int push(hob_chan *chan, const void *value, struct op **ret_go)
{
    if (hob_unlikely(chan->end != 0))
        return -EPIPE;
    struct op *receiver = take_first(chan, &chan->receivers);
    if (receiver != NULL) {
        hob_assert(chan->queued == 0);
        copy_item(receiver->local.extra, value, chan->item_bytes);
        chan->stats.received++;
        *ret_go = receiver;
    } else if (chan->queued < chan->capacity) {
        enqueue_item(chan, value);
    } else {
        return CHAN_WAIT;
    }
    chan->stats.sent++;
    return 0;
}

/* Room has come: who waits longest puts its value in. */
static inline struct op *refill(hob_chan *chan)
{
    struct op *sender = take_first(chan, &chan->senders);
    if (hob_unlikely(sender != NULL)) {
        enqueue_item(chan, sender->local.extra);
        chan->stats.sent++;
    }
    return sender;
}

static inline int pull(hob_chan *chan, void *ret_value, struct op **ret_go)
{
    if (chan->queued > 0) {
        copy_item(ret_value, slot(chan, chan->head), chan->item_bytes);
        advance(chan);
        *ret_go = refill(chan);
    } else {
        struct op *sender = take_first(chan, &chan->senders);
        if (sender == NULL)
            return chan->end != 0 ? chan->end : CHAN_WAIT;
        hob_assert(chan->capacity == 0);
        copy_item(ret_value, sender->local.extra, chan->item_bytes);
        chan->stats.sent++;
        *ret_go = sender;
    }
    chan->stats.received++;
    return 0;
}

/* There is no room, nobody takes it, and nobody is to wait. Gives the lock back. */
static int overflow(hob_chan *chan, const void *value, bool shared)
{
    unsigned char oldest[PUSHED_OUT_MAX];
    const void   *dropped = value;
    if (chan->overflow == HOB_FAIL) {
        chan_unlock(chan, shared);
        return -ENOBUFS;
    }
    if (chan->overflow == HOB_DROP_OLDEST) {
        if (chan->opts.drop != NULL)
            dropped = memcpy(oldest, slot(chan, chan->head), chan->item_bytes);
        advance(chan);
        enqueue_item(chan, value);
        chan->stats.sent++;
    }
    chan->stats.dropped++;
    chan_unlock(chan, shared);
    tell_dropped(chan, dropped);
    return 0;
}

/* The lock was given back. */
static inline void finish(struct op *go)
{
    if (hob_likely(go == NULL))
        return;
    if (hob_likely(go->worker == hob__worker))
        hob__op_finish_local(go, 0);
    else
        hob__op_finish_from_afar(go, 0);
}

int hob__chan_push(hob_chan *chan, const void *value)
{
    struct op *go = NULL;
    bool       shared = chan_lock(chan);
    int        r = push(chan, value, &go);
    if (r == CHAN_WAIT && chan->overflow != HOB_WAIT)
        return overflow(chan, value, shared);
    chan_unlock(chan, shared);
    finish(go);
    return r;
}

int hob__chan_pull(hob_chan *chan, void *ret_value)
{
    struct op *go = NULL;
    bool       shared = chan_lock(chan);
    int        r = pull(chan, ret_value, &go);
    chan_unlock(chan, shared);
    finish(go);
    return r;
}

/* ---- waiting ---- */

int hob__chan_try(const struct op *op, struct op **ret_go)
{
    hob_chan *chan = op->local.on;
    *ret_go = NULL;
    return op->kind == OP_CHAN_SEND ? push(chan, op->local.extra, ret_go)
                                    : pull(chan, op->local.extra, ret_go);
}

void hob__chan_enqueue(struct op *op)
{
    hob_chan *chan = op->local.on;
    op->worker = hob__worker;
    op->taken = 0;
    op->state = OP_FLYING;
    chan->stats.waits++;
    list_push_back(op->kind == OP_CHAN_SEND ? &chan->senders : &chan->receivers, &op->link);
}

bool hob__chan_withdraw(struct op *op)
{
    hob_chan    *chan = op->local.on;
    struct lock *lock = crew_is_alone(hob__worker->crew) ? NULL : hob__line_lock(chan);
    if (hob_unlikely(lock != NULL))
        lock_take(lock);
    uint32_t taken = op->taken;
    if (hob_likely(taken == 0)) // else the channel may be gone
        take_out(chan, op);
    if (hob_unlikely(lock != NULL))
        lock_give(lock);
    return taken == 0 || taken == PASSED_OVER;
}

static void start(struct op *op)
{
    hob_chan  *chan = op->local.on;
    struct op *go;
    bool       shared = chan_lock(chan);
    int        r = hob__chan_try(op, &go);
    if (r == CHAN_WAIT && op->kind == OP_CHAN_SEND && chan->overflow != HOB_WAIT) {
        r = overflow(chan, op->local.extra, shared);
    } else {
        if (r == CHAN_WAIT)
            hob__chan_enqueue(op);
        chan_unlock(chan, shared);
        finish(go);
    }
    if (r != CHAN_WAIT) {
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

/* The same, seen by the look for deadlocks. */
static int wait_noted(struct task *task, const hob_chan *chan, struct op *op, bool shared)
{
    hob__line_note_waiting(op);
    chan_unlock(chan, shared);
    hob__line_stand(task);
    hob__op_await_flying(task, op);
    list_remove(&task->line_link);
    return (int)op->result;
}

/* What could not be done at once. Gives the lock back. */
static __attribute__((noinline)) int wait_for(struct task *task, hob_chan *chan,
                                              enum op_kind kind, const void *value, bool shared)
{
    struct op op = { .done = hob__task_wake_op, .waiter = task };
    hob__chan_op_init(&op, kind, chan, value);
    hob__chan_enqueue(&op);
    if (hob_unlikely(chan->opts.only_ends))
        return wait_noted(task, chan, &op, shared);
    chan_unlock(chan, shared);
    hob__op_await_flying(task, &op);
    return (int)op.result;
}

int hob_chan_send(hob_chan *chan, const void *value)
{
    chan_from(chan, "hob_chan_send");
    check_end(chan, OP_CHAN_SEND, "hob_chan_send");
    struct task *task = hob__worker->current;
    int          r = inline_begin(task, "hob_chan_send");
    if (hob_unlikely(r != 0))
        return r;
    struct op *go = NULL;
    bool       shared = chan_lock(chan);
    r = push(chan, value, &go);
    if (r == CHAN_WAIT && chan->overflow == HOB_WAIT)
        return wait_for(task, chan, OP_CHAN_SEND, value, shared);
    if (r == CHAN_WAIT) {
        r = overflow(chan, value, shared);
    } else {
        chan_unlock(chan, shared);
        finish(go);
    }
    inline_end(task);
    return r;
}

int hob_chan_recv(hob_chan *chan, void *ret_value)
{
    chan_from(chan, "hob_chan_recv");
    check_end(chan, OP_CHAN_RECV, "hob_chan_recv");
    struct task *task = hob__worker->current;
    int          r = inline_begin(task, "hob_chan_recv");
    if (hob_unlikely(r != 0))
        return r;
    struct op *go = NULL;
    bool       shared = chan_lock(chan);
    r = pull(chan, ret_value, &go);
    if (r == CHAN_WAIT)
        return wait_for(task, chan, OP_CHAN_RECV, ret_value, shared);
    chan_unlock(chan, shared);
    finish(go);
    inline_end(task);
    return r;
}

int hob__chan_try_case(enum op_kind kind, hob_chan *chan, void *value)
{
    chan_from(chan, "hob_select");
    check_end(chan, kind, "hob_select");
    return kind == OP_CHAN_SEND ? hob__chan_push(chan, value) : hob__chan_pull(chan, value);
}

static int tried(int r)
{
    return r == CHAN_WAIT ? -EAGAIN : r;
}

int hob_chan_try_send(hob_chan *chan, const void *value)
{
    chan_from(chan, "hob_chan_try_send");
    check_end(chan, OP_CHAN_SEND, "hob_chan_try_send");
    return tried(hob__chan_push(chan, value));
}

int hob_chan_try_recv(hob_chan *chan, void *ret_value)
{
    chan_from(chan, "hob_chan_try_recv");
    check_end(chan, OP_CHAN_RECV, "hob_chan_try_recv");
    return tried(hob__chan_pull(chan, ret_value));
}

void hob_chan_send_prep(hob_op *place, hob_chan *chan, const void *value)
{
    chan_from(chan, "hob_chan_send_prep");
    check_end(chan, OP_CHAN_SEND, "hob_chan_send_prep");
    hob__chan_op_init(hob__op_prep(place, OP_CHAN_SEND, NULL), OP_CHAN_SEND, chan, value);
}

void hob_chan_recv_prep(hob_op *place, hob_chan *chan, void *ret_value)
{
    chan_from(chan, "hob_chan_recv_prep");
    check_end(chan, OP_CHAN_RECV, "hob_chan_recv_prep");
    hob__chan_op_init(hob__op_prep(place, OP_CHAN_RECV, NULL), OP_CHAN_RECV, chan, ret_value);
}

/* ---- the end ---- */

/* All: also those that cannot be finished, for the channel may be freed now. */
static void take_all(const hob_chan *chan, struct list *waiting, int64_t result, struct list *go)
{
    for (struct op *op; (op = take_first(chan, waiting)) != NULL;) {
        op->result = result;
        list_push_back(go, &op->link);
    }
    for (struct list_node *node; (node = list_pop_front(waiting)) != NULL;)
        container_of(node, struct op, link)->taken = PASSED_OVER;
}

static void end_with(hob_chan *chan, int error)
{
    struct list go;
    list_init(&go);
    bool shared = chan_lock(chan);
    if (chan->end == 0) {
        chan->end = error;
        take_all(chan, &chan->senders, -EPIPE, &go);
        take_all(chan, &chan->receivers, error, &go);
    }
    chan_unlock(chan, shared);
    hob__line_finish(&go);
}

void hob_chan_finish(hob_chan *chan)
{
    chan_from(chan, "hob_chan_finish");
    check_end(chan, OP_CHAN_SEND, "hob_chan_finish");
    end_with(chan, HOB_EOF);
}

void hob_chan_fail(hob_chan *chan, int error)
{
    hob_require(error < 0, "hob_chan_fail: the error must be negative");
    chan_from(chan, "hob_chan_fail");
    check_end(chan, OP_CHAN_SEND, "hob_chan_fail");
    end_with(chan, error);
}

static void stop(hob_chan *chan)
{
    end_with(chan, HOB_EOF);
    drop_all(chan);
}

void hob_chan_stop(hob_chan *chan)
{
    chan_from(chan, "hob_chan_stop");
    check_end(chan, OP_CHAN_RECV, "hob_chan_stop");
    stop(chan);
}

/* One more, or one less; returns how many there are now, and refuses to go below none. */
static uint32_t count_end(hob_chan *chan, uint32_t *refs, int by, const char *caller)
{
    bool     shared = chan_lock(chan);
    uint32_t before = *refs, after = *refs += (uint32_t)by;
    chan_unlock(chan, shared);
    if (hob_unlikely(by < 0 && before == 0))
        hob__misuse_of(caller, "this end was not counted: there was no ref");
    return after;
}

hob_chan *hob_chan_sender_ref(hob_chan *chan)
{
    chan_from(chan, "hob_chan_sender_ref");
    count_end(chan, &chan->sender_refs, 1, "hob_chan_sender_ref");
    return chan;
}

void hob_chan_sender_unref(hob_chan *chan)
{
    chan_from(chan, "hob_chan_sender_unref");
    if (count_end(chan, &chan->sender_refs, -1, "hob_chan_sender_unref") == 0)
        end_with(chan, HOB_EOF);
}

hob_chan *hob_chan_receiver_ref(hob_chan *chan)
{
    chan_from(chan, "hob_chan_receiver_ref");
    count_end(chan, &chan->receiver_refs, 1, "hob_chan_receiver_ref");
    return chan;
}

void hob_chan_receiver_unref(hob_chan *chan)
{
    chan_from(chan, "hob_chan_receiver_unref");
    if (count_end(chan, &chan->receiver_refs, -1, "hob_chan_receiver_unref") == 0)
        stop(chan);
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
    bool shared = chan_lock(chan);
    *ret_stats = chan->stats;
    ret_stats->queued = chan->queued;
    ret_stats->senders_waiting = list_length(&chan->senders);
    ret_stats->receivers_waiting = list_length(&chan->receivers);
    chan_unlock(chan, shared);
}
