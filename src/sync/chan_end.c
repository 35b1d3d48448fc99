/* SPDX-License-Identifier: MIT */
/*
 * Ends of channels that tasks hold: HOB_CHAN_SENDER, HOB_CHAN_RECEIVER.
 *
 * A record on the holder's stack. Where only ends may be used it is in a list of the channel,
 * under its lock: so deadlock.c knows from whom a value, or room, can come.
 */
#include "sync/chan.h"

static_assert(sizeof(struct chan_end) <= sizeof(hob_chan_end), "an end fits in its place");

static struct list *ends_of(const hob_chan *chan, enum op_kind kind)
{
    const struct list *ends = kind == OP_CHAN_SEND ? &chan->sender_ends : &chan->receiver_ends;
    return (struct list *)(uintptr_t)ends;
}

static bool holds_end(const hob_chan *chan, enum op_kind kind, const struct task *task)
{
    list_for_each(node, ends_of(chan, kind)) {
        if (container_of(node, struct chan_end, link)->task == task)
            return true;
    }
    return false;
}

void hob__chan_check_end(const hob_chan *chan, enum op_kind kind, const char *caller)
{
    bool shared = chan_lock(chan);
    bool holds = holds_end(chan, kind, hob__task_self());
    chan_unlock(chan, shared);
    if (!holds)
        hob__misuse_of(caller, kind == OP_CHAN_SEND
                                   ? "the channel was made with only_ends, and the caller has no "
                                     "HOB_CHAN_SENDER of it"
                                   : "the channel was made with only_ends, and the caller has no "
                                     "HOB_CHAN_RECEIVER of it");
}

static hob_chan *enter(hob_chan_end *place, hob_chan *chan, enum op_kind kind, const char *caller)
{
    struct chan_end *end = (struct chan_end *)place;
    end->chan = chan;
    end->task = hob__task_self();
    if (end->task == NULL)
        hob__misuse_of(caller, "called outside of a task: in a callback, or without hob_run");
    if (chan->tag != TAG_CHAN)
        hob__misuse_of(caller, "this is not a channel, or it was freed");
    if (chan->opts.only_ends) {
        bool shared = chan_lock(chan);
        list_push_back(ends_of(chan, kind), &end->link);
        chan_unlock(chan, shared);
    }
    return chan;
}

hob_chan *hob_chan_sender_enter(hob_chan_end *end, hob_chan *chan)
{
    return enter(end, chan, OP_CHAN_SEND, "HOB_CHAN_SENDER");
}

hob_chan *hob_chan_receiver_enter(hob_chan_end *end, hob_chan *chan)
{
    return enter(end, chan, OP_CHAN_RECV, "HOB_CHAN_RECEIVER");
}

static hob_chan *leave(hob_chan_end *place)
{
    struct chan_end *end = (struct chan_end *)place;
    hob_chan        *chan = end->chan;
    if (chan->opts.only_ends) {
        bool shared = chan_lock(chan);
        list_remove(&end->link);
        chan_unlock(chan, shared);
    }
    return chan;
}

void hob_chan_sender_leave(hob_chan_end *end)
{
    hob_chan_sender_unref(leave(end));
}

void hob_chan_receiver_leave(hob_chan_end *end)
{
    hob_chan_receiver_unref(leave(end));
}
