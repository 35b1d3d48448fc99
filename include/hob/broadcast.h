/* SPDX-License-Identifier: MIT */
/*
 * Broadcast: every subscriber gets every value that is sent after it came.
 *
 * The values lie once, in a ring of `capacity`. A sender never waits; a subscriber that is more
 * than that behind loses the oldest, and is told how many. Who must not lose a value uses
 * a channel for each receiver instead.
 *
 *     hob_broadcast_new(sizeof(struct news), 64, NULL, &news);
 *
 *     hob_subscriber reader;                            // a place of the reader's
 *     hob_subscribe(news, &reader);
 *     uint64_t lost;
 *     while ((r = hob_subscriber_recv(&reader, &item, &lost)) == 0) {
 *         if (lost > 0)
 *             printf("(%llu more in between)\n", (unsigned long long)lost);
 *         show(&item);
 *     }
 *
 * Values are copied to many, so they own nothing: send plain data, or pointers to what lives
 * as long as the broadcast.
 *
 * Threads: the tasks and callbacks of all workers of the run; a subscriber is one task's at a
 * time.
 */
#ifndef HOB_BROADCAST_H
#define HOB_BROADCAST_H

#include "hob/op.h"

HOB_BEGIN_DECLS

typedef struct hob_broadcast hob_broadcast;

typedef struct hob_broadcast_opts {
    const char *name;   /* for reports; kept, not copied                                  */
    size_t      replay; /* so many of the values before it a new subscriber gets, too; at
                           most the capacity                                              */
} hob_broadcast_opts;

/* Makes one for values of `item_bytes`, at least 1, of which the last `capacity`, at least 1,
 * are kept. Does not wait. Returns 0 or -ENOMEM. */
HOB_API HOB_MUST_USE int hob_broadcast_new(size_t item_bytes, size_t capacity,
                                           const hob_broadcast_opts *opts,
                                           hob_broadcast **ret_broadcast);

/* Frees it, NULL too. Nobody may be waiting on it, or use its subscribers afterwards. Does not
 * wait. */
HOB_API void hob_broadcast_free(hob_broadcast *broadcast);

/* Sends a value, which is copied, to all. Does not wait. Returns 0, or -EPIPE after
 * hob_broadcast_finish. */
HOB_API HOB_MUST_USE int hob_broadcast_send(hob_broadcast *broadcast, const void *value);

/* Nothing more will be sent: subscribers get what is left, then HOB_EOF. Idempotent. Does not
 * wait. */
HOB_API void hob_broadcast_finish(hob_broadcast *broadcast);

/* How many values were sent so far. Does not wait. */
HOB_API uint64_t hob_broadcast_sent(const hob_broadcast *broadcast);

/* A subscriber: where it is in the stream. It needs no end. */
typedef struct hob_subscriber {
    HOB_OPAQUE(4);
} hob_subscriber;

/* Makes `subscriber` one that gets what is sent from now on, after the replay. Does not wait. */
HOB_API void hob_subscribe(hob_broadcast *broadcast, hob_subscriber *subscriber);

/* Receives the next value into `ret_value`, and into *ret_lost, unless that is NULL, how many
 * before it were lost. Waits until there is one. Returns 0; HOB_EOF; -ECANCELED, -ETIMEDOUT.
 * The second returns -EAGAIN where the first would wait. */
HOB_API HOB_MUST_USE int hob_subscriber_recv(hob_subscriber *subscriber, void *ret_value,
                                             uint64_t *ret_lost);
HOB_API HOB_MUST_USE int hob_subscriber_try_recv(hob_subscriber *subscriber, void *ret_value,
                                                 uint64_t *ret_lost);

/* How many values wait for it, of those that are still there. Does not wait. */
HOB_API size_t hob_subscriber_behind(const hob_subscriber *subscriber);

/* Waiting for the next value as an operation, or as a case of select
 * (HOB_PUBLISHED(&subscriber)): 0, or HOB_EOF. It only waits: take the value by
 * hob_subscriber_try_recv. */
HOB_API void hob_subscriber_ready_prep(hob_op *op, hob_subscriber *subscriber);

HOB_END_DECLS

#endif
