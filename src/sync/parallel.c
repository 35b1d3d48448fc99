/* SPDX-License-Identifier: MIT */
/* hob/parallel.h: a few tasks that take the next item until there is none. */
#include "hob/parallel.h"

#include "core/worker.h"
#include "sync/chan.h"

enum { ITEM_MAX = 16 * 1024 };

struct work {
    char        *items;
    size_t       item_bytes;
    size_t       count;
    size_t       next;
    hob_chan    *chan;
    hob_item_fn *fn;
    void        *arg;
};

static int do_items(void *arg)
{
    struct work *work = arg;
    while (work->next < work->count) {
        HOB_TRY(hob_cancelled());
        HOB_TRY(work->fn(work->items + work->next++ * work->item_bytes, work->arg));
    }
    return 0;
}

int hob_for_each(void *items, size_t item_bytes, size_t count, size_t at_once, hob_item_fn *fn,
                 void *arg)
{
    struct work work = { .items = items, .item_bytes = item_bytes, .count = count, .fn = fn, .arg = arg };
    size_t      tasks = at_once == 0 || at_once > count ? count : at_once;
    HOB_SCOPE(s);
    for (size_t i = 0; i < tasks && work.next < count; i++)
        HOB_TRY(hob_go(&s, do_items, &work));
    return hob_scope_end(&s);
}

static int receive_all(struct work *work)
{
    char         item[work->item_bytes] __attribute__((aligned(16)));
    int          r;
    while ((r = hob_chan_recv(work->chan, item)) == 0)
        HOB_TRY(work->fn(item, work->arg));
    return r == HOB_EOF ? 0 : hob_fail(r);
}

/* Where only those with an end may receive, each has one beside the caller's. */
static int do_received(void *arg)
{
    struct work *work = arg;
    if (!work->chan->opts.only_ends)
        return receive_all(work);
    HOB_CHAN_RECEIVER(mine, hob_chan_receiver_ref(work->chan));
    return receive_all(work);
}

int hob_for_each_recv(hob_chan *chan, size_t at_once, hob_item_fn *fn, void *arg)
{
    struct work work = { .chan = chan, .item_bytes = chan->item_bytes, .fn = fn, .arg = arg };
    hob_require(at_once > 0, "hob_for_each_recv: at_once must be at least 1");
    hob_require(chan->item_bytes <= ITEM_MAX, "hob_for_each_recv: the channel's values are larger "
                                              "than 16 KiB; send pointers to them");
    if (chan->opts.only_ends)
        hob__chan_check_end(chan, OP_CHAN_RECV, "hob_for_each_recv");
    HOB_SCOPE(s);
    for (size_t i = 0; i < at_once; i++)
        HOB_TRY(hob_go(&s, do_received, &work));
    return hob_scope_end(&s);
}
