/* SPDX-License-Identifier: MIT */
/*
 * The same for many things, so many at a time.
 *
 * Two kinds, for two kinds of work. hob_for_each is for what waits: a task of this worker for
 * each of so many items at a time, where any function of Hob can be called. hob_parallel_for is
 * for what computes: pieces of a range of numbers, on the threads of a pool, where what
 * hob/offload.h says of functions holds, and nothing waits.
 */
#ifndef HOB_PARALLEL_H
#define HOB_PARALLEL_H

#include "hob/chan.h"
#include "hob/offload.h"
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

/* ---- on the threads of a pool ---- */

/* What is done for the numbers from `first` up to, but without, `last`: 0, or a negative error.
 * On a thread of the pool. */
typedef int hob_range_fn(int64_t first, int64_t last, void *arg);

/* Calls fn for pieces that make up [first, last), each of `grain` numbers (the last one of
 * fewer), on as many threads of the pool as are free. 0: about a thousand pieces, or single
 * numbers; choose it so that a piece takes some tens of microseconds or more. A thread takes a piece
 * when it has finished its last, and lets others' work in the pool go first if that waits: a
 * long loop holds up nobody.
 *
 * Waits until all pieces that were begun have ended. The first failure, and a cancellation, end
 * the handing out: what is not begun is left, and pieces that run may ask
 * hob_offload_cancelled(). Returns 0 when all was done; the first failure; -ENOMEM;
 * -ECANCELED, -ETIMEDOUT, -EAGAIN as hob_offload, and then a part may be done. `arg` is lent. */
HOB_API HOB_MUST_USE int hob_parallel_for(hob_pool *pool, int64_t first, int64_t last, int64_t grain,
                                          hob_range_fn *fn, void *arg);

/* How to make one result of many pieces. All are called on threads of the pool; `arg` is that of
 * the call. */
typedef struct hob_reduction {
    size_t state_bytes;                                       /* of a partial result, at least 1 */
    void (*init)(void *state, void *arg);                     /* NULL: all zero              */
    int  (*range)(int64_t first, int64_t last, void *state, void *arg); /* adds to the state;
                                                                 0, or a negative error      */
    void (*combine)(void *into, void *from, void *arg);       /* `from` comes right after `into` in the
                                                                 range; what it holds is taken over */
    void (*drop)(void *state, void *arg);                     /* frees what a state holds that nobody
                                                                 will get; NULL: nothing     */
} hob_reduction;

/* The range is cut into at most 64 runs of pieces, each of which one thread goes through in order
 * with a state of its own; then these are combined, in order, into *ret_state, which need not be
 * made ready, and is written on success only. The cuts depend on the range and the grain alone:
 * so the result is the same on any number of threads, also of floating-point sums and of lists.
 * An empty range gives a state as init makes it. For the rest see hob_parallel_for. */
HOB_API HOB_MUST_USE int hob_parallel_reduce(hob_pool *pool, int64_t first, int64_t last,
                                             int64_t grain, const hob_reduction *how, void *arg,
                                             void *ret_state);

HOB_END_DECLS

#endif
