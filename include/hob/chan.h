/* SPDX-License-Identifier: MIT */
/*
 * Channels: how tasks hand values to each other.
 *
 * A channel carries values of one size, which are copied in and copied out. It has
 * room for `capacity` of them; with 0, a sender and a receiver meet. What happens
 * when it is full is said when it is made, so no queue grows without a bound.
 *
 *     static int cook(void *arg)
 *     {
 *         HOB_CHAN_SENDER(plates, arg);             // mine, until I return
 *         for (int i = 0; i < 10; i++)
 *             HOB_TRY(hob_chan_send(plates, &i));
 *         return 0;
 *     }
 *
 *     static int serve(void *arg)
 *     {
 *         HOB_CHAN_RECEIVER(plates, arg);
 *         int plate, r;
 *         while ((r = hob_chan_recv(plates, &plate)) == 0)
 *             printf("plate %d\n", plate);
 *         return r == HOB_EOF ? 0 : r;              // the cooks have gone home
 *     }
 *
 *     HOB_SCOPE(s);
 *     hob_go(&s, cook, hob_chan_sender_ref(plates));
 *     hob_go(&s, serve, hob_chan_receiver_ref(plates));
 *
 * Ends.  A channel ends in one of two ways, whichever comes first; later ones
 *   change nothing.
 *   - Nobody sends any more: hob_chan_finish, or the last counted sender is gone.
 *     Receivers get what is left, then HOB_EOF (or the error of hob_chan_fail).
 *   - Nobody receives any more: hob_chan_stop, or the last counted receiver is
 *     gone. Senders get -EPIPE, and what is left is dropped.
 *   Counting is for those who want it: an end is counted from the first ref on.
 *
 * Deadlocks.  When tasks wait for each other in a circle that leads through a channel, that is
 *   found only if it is known who holds the ends: with hob_chan_opts.only_ends.
 *
 * Order.  Values arrive in the order of the sends. Who waits longest is served
 *   first, on both sides.
 *
 * Cancelling.  A cancelled send did not send: the value is still the caller's. A
 *   cancelled receive took nothing.
 *
 * Threads: the tasks and callbacks of all workers of the run that made it.
 */
#ifndef HOB_CHAN_H
#define HOB_CHAN_H

#include "hob/op.h"

HOB_BEGIN_DECLS

typedef struct hob_chan hob_chan;

/* What a send does when there is no room. */
typedef enum hob_overflow {
    HOB_WAIT,        /* waits for room: backpressure                                  */
    HOB_DROP_OLDEST, /* makes room by dropping the value that has waited longest      */
    HOB_DROP_NEWEST, /* drops the value that is being sent                            */
    HOB_FAIL,        /* returns -ENOBUFS; the value is still the caller's             */
} hob_overflow;

typedef struct hob_chan_opts {
    const char *name;                       /* for reports; kept, not copied: a literal   */
    void (*drop)(void *arg, void *value);   /* told of each value that nobody will get;
                                               must not wait; on the worker of the call
                                               that dropped it                            */
    void *drop_arg;
    unsigned only_ends : 1;                 /* only tasks that hold an end (HOB_CHAN_SENDER,
                                               HOB_CHAN_RECEIVER) send and receive, finish,
                                               fail and stop; others are refused with a sentence. Circles of waits
                                               through the channel are then found and told  */
} hob_chan_opts;

/* Makes a channel for `capacity` values of `item_bytes` each, at least 1. `opts` may be
 * NULL. With HOB_DROP_OLDEST a capacity of 0 is a mistake, and so are values of more than 1024
 * bytes if there is a drop function. Does not wait. Returns 0 or
 * -ENOMEM, also when so much room cannot be. */
HOB_API HOB_MUST_USE int hob_chan_new(size_t item_bytes, size_t capacity, hob_overflow overflow,
                                      const hob_chan_opts *opts, hob_chan **ret_chan);

/* Frees it, NULL too; values that are left are dropped. Nobody may be waiting on it, hold a declared
 * end, or be in a call with it on another worker: end the tasks that use it first. Who was told of
 * the channel's end, and is on the way out, does no harm. Does not wait. */
HOB_API void hob_chan_free(hob_chan *chan);

/* Sends the value at `value`. Waits while there is no room, if the channel was
 * made with HOB_WAIT. Returns 0; -ENOBUFS (HOB_FAIL); -EPIPE when nobody receives
 * any more, or the channel is finished; -ECANCELED, -ETIMEDOUT; -EDEADLK with only_ends, where
 * deadlocks are broken. After 0 the value is
 * the channel's, also when it was dropped at once (HOB_DROP_NEWEST: opts->drop has seen
 * it); after an error it is still the caller's. */
HOB_API HOB_MUST_USE int hob_chan_send(hob_chan *chan, const void *value);

/* Receives a value into `ret_value`. Waits until there is one. Returns 0; HOB_EOF
 * when nothing more will come, or hob_chan_fail's error; -ECANCELED, -ETIMEDOUT; -EDEADLK as
 * for a send. */
HOB_API HOB_MUST_USE int hob_chan_recv(hob_chan *chan, void *ret_value);

/* The same without waiting: -EAGAIN where they would wait. */
HOB_API HOB_MUST_USE int hob_chan_try_send(hob_chan *chan, const void *value);
HOB_API HOB_MUST_USE int hob_chan_try_recv(hob_chan *chan, void *ret_value);

/* As operations, with the same results. The value's memory is lent until the
 * operation ended. */
HOB_API void hob_chan_send_prep(hob_op *op, hob_chan *chan, const void *value);
HOB_API void hob_chan_recv_prep(hob_op *op, hob_chan *chan, void *ret_value);

/* Nothing more will be sent; those who wait to send get -EPIPE. Does not wait. */
HOB_API void hob_chan_finish(hob_chan *chan);

/* The same, and after what is left receivers get `error`, which is negative,
 * instead of HOB_EOF. Does not wait. */
HOB_API void hob_chan_fail(hob_chan *chan, int error);

/* Nothing more will be received: what is left is dropped, and senders get -EPIPE.
 * Does not wait. */
HOB_API void hob_chan_stop(hob_chan *chan);

/* Counts one more sender, one less; without any the channel is finished. ref
 * returns `chan`, to be given to whoever will unref it. Take one for each task
 * before starting it, for a task may start late. None waits. */
HOB_API hob_chan *hob_chan_sender_ref(hob_chan *chan);
HOB_API void      hob_chan_sender_unref(hob_chan *chan);

/* The same for receivers; without any the channel is stopped. */
HOB_API hob_chan *hob_chan_receiver_ref(hob_chan *chan);
HOB_API void      hob_chan_receiver_unref(hob_chan *chan);

/* An end that a task holds, in a place of its own. */
typedef struct hob_chan_end {
    HOB_OPAQUE(5);
} hob_chan_end;

/* Declares `name` as the channel of an end that was counted already, and is the calling task's
 * from now on; and gives that end up at the end of the block. */
#define HOB_CHAN_SENDER(name, chan)                                                \
    __attribute__((cleanup(hob_chan_sender_leave), unused)) hob_chan_end HOB_JOIN( \
        hob_chan_end_of_, name);                                                   \
    __attribute__((unused)) hob_chan *name =                                       \
        hob_chan_sender_enter(&HOB_JOIN(hob_chan_end_of_, name), (hob_chan *)(chan))
#define HOB_CHAN_RECEIVER(name, chan)                                              \
    __attribute__((cleanup(hob_chan_receiver_leave), unused)) hob_chan_end HOB_JOIN( \
        hob_chan_end_of_, name);                                                   \
    __attribute__((unused)) hob_chan *name =                                       \
        hob_chan_receiver_enter(&HOB_JOIN(hob_chan_end_of_, name), (hob_chan *)(chan))

/* What these call. The first two return `chan`. None waits. */
HOB_API hob_chan *hob_chan_sender_enter(hob_chan_end *end, hob_chan *chan);
HOB_API hob_chan *hob_chan_receiver_enter(hob_chan_end *end, hob_chan *chan);
HOB_API void      hob_chan_sender_leave(hob_chan_end *end);
HOB_API void      hob_chan_receiver_leave(hob_chan_end *end);

typedef struct hob_chan_stats {
    uint64_t sent;              /* values that were accepted                   */
    uint64_t received;
    uint64_t dropped;           /* by the overflow policy, a stop or a free    */
    uint64_t waits;             /* times somebody had to wait                  */
    size_t   queued;            /* now in the channel                          */
    size_t   queued_max;
    size_t   senders_waiting;   /* now                                         */
    size_t   receivers_waiting; /* now                                         */
} hob_chan_stats;

/* Does not wait. */
HOB_API void hob_chan_stats_get(const hob_chan *chan, hob_chan_stats *ret_stats);

HOB_END_DECLS

#endif
