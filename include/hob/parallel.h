/* SPDX-License-Identifier: MIT */
/* The same for many things, so many at a time. */
#ifndef HOB_PARALLEL_H
#define HOB_PARALLEL_H

#include "hob/chan.h"
#include "hob/task.h"

HOB_BEGIN_DECLS

/* What is done for one item, in a task: 0, or a negative error. */
typedef int hob_item_fn(void *item, void *arg);

/* Calls fn(item, arg) for each of the `count` items of `item_bytes` at `items`, in
 * order of beginning, at most `at_once` at a time (0: all). The first failure cancels
 * those under way, and the rest is not begun. Waits for all that were begun. Returns
 * 0, the first failure, -ENOMEM, -ECANCELED, -ETIMEDOUT. */
HOB_API HOB_MUST_USE int hob_for_each(void *items, size_t item_bytes, size_t count, size_t at_once,
                                      hob_item_fn *fn, void *arg);

/* The same for what comes out of a channel, until its end, by `at_once` tasks;
 * each item is a copy on the stack of its task, of at most 16 KiB. A channel that
 * ends with an error (hob_chan_fail) gives that error. */
HOB_API HOB_MUST_USE int hob_for_each_recv(hob_chan *chan, size_t at_once, hob_item_fn *fn,
                                           void *arg);

HOB_END_DECLS

#endif
