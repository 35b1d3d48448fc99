/* SPDX-License-Identifier: MIT */
/*
 * Rate limiters: so many in so long.
 *
 *     static hob_rate mails = { .name = "mails", .count = 10, .burst = 5 };   // 10 a second
 *
 *     static int send_mail(void *arg)
 *     {
 *         HOB_TRY(hob_rate_take(&mails, 1));    // waits for its turn
 *         return deliver(arg);
 *     }
 *
 * A limiter is a bucket of tokens. It begins full; tokens come evenly, `count` in each period,
 * and what does not fit is lost. So in any stretch of time no more than `burst` and what came
 * in that stretch are taken. (For so many at a *time*, there is hob_limiter in hob/sem.h.)
 *
 * Order.  Who waits longest goes first, whatever it costs: who comes with a small cost does not
 *   overtake, and who wants much does not starve.
 * Cancelling.  A call that gives -ECANCELED or -ETIMEDOUT has taken nothing, and those behind it
 *   move up.
 * Workers.  Tasks of all workers use the same limiter. What does not wait may be called in
 *   callbacks too; inside of hob_run.
 */
#ifndef HOB_RATE_H
#define HOB_RATE_H

#include "hob/time.h"

HOB_BEGIN_DECLS

/* A place of yours, as a lock is: fill in the named members, all else zero; they are Hob's from
 * the first use on. There is nothing to free. */
typedef struct hob_rate {
    const char *name;      /* for people; kept, not copied; may be NULL    */
    uint32_t    count;     /* so many tokens come, evenly, ...; at least 1 */
    uint32_t    burst;     /* so many are kept at most; 0: count           */
    int64_t     period_ns; /* ... in each so long; 0: a second             */
    HOB_OPAQUE(10);
} hob_rate;

/* Waits until it is the caller's turn and `cost` tokens are there, and takes them. Returns 0;
 * -ERANGE when so many never fit into the bucket; -ECANCELED, -ETIMEDOUT. */
HOB_API HOB_MUST_USE int hob_rate_take(hob_rate *rate, uint32_t cost);

/* Takes them if they are there and nobody waits: 0, -EAGAIN, or -ERANGE. Does not wait. */
HOB_API HOB_MUST_USE int hob_rate_try_take(hob_rate *rate, uint32_t cost);

/* Gives back what was taken and then not used. Does not wait. */
HOB_API void hob_rate_give_back(hob_rate *rate, uint32_t cost);

/* How long one who came now would wait, in nanoseconds: for a Retry-After. 0: it is free now;
 * -ERANGE as above. Takes nothing. Does not wait. */
HOB_API int64_t hob_rate_wait_ns(hob_rate *rate, uint32_t cost);

/* From now on so fast; 0 for `burst` and `period_ns` as in hob_rate. What is missing in the
 * bucket is still missing. Who waits for more than the new burst gets -ERANGE when its turn comes.
 * Does not wait. */
HOB_API void hob_rate_set(hob_rate *rate, uint32_t count, uint32_t burst, int64_t period_ns);

/* ---- for each key a bucket ---- */

/* A limiter for each client, user, or whatever a key stands for, in bounded memory: a bucket
 * that is full again says nothing, and its place is used for another key. */
typedef struct hob_rates hob_rates;

typedef struct hob_rates_opts {
    uint32_t count;     /* of each key, as in hob_rate; 0: 10 */
    uint32_t burst;
    int64_t  period_ns;
    uint32_t keys_max;  /* keys that are remembered at a time; 0: 10,000. When all of them are
                           in use, the keys that find no place share one bucket more: a crowd
                           of new keys is slowed down, and takes nothing from the known ones */
} hob_rates_opts;

/* Makes one, with all the memory that it will have: some 120 bytes for each key. It may be used
 * by all workers until it is freed. Returns 0 or -ENOMEM. Does not wait. */
HOB_API HOB_MUST_USE int hob_rates_new(const hob_rates_opts *opts, hob_rates **ret_rates);

/* Frees it; NULL is fine. That somebody still waits in it is a mistake. Does not wait. */
HOB_API void hob_rates_free(hob_rates *rates);

/* As the functions above, for the bucket of the key: `key_len` bytes at `key`, which are lent.
 * Keys are told apart by a keyed hash of 64 bits, so that a peer cannot make two meet. */
HOB_API HOB_MUST_USE int hob_rates_take(hob_rates *rates, const void *key, size_t key_len,
                                        uint32_t cost);
HOB_API HOB_MUST_USE int hob_rates_try_take(hob_rates *rates, const void *key, size_t key_len,
                                            uint32_t cost);
HOB_API void    hob_rates_give_back(hob_rates *rates, const void *key, size_t key_len,
                                    uint32_t cost);
HOB_API int64_t hob_rates_wait_ns(hob_rates *rates, const void *key, size_t key_len,
                                  uint32_t cost);

typedef struct hob_rates_stats {
    uint64_t keys;    /* that have a place now                          */
    uint64_t taken;   /* calls that got their tokens                    */
    uint64_t refused; /* calls of hob_rates_try_take that did not       */
    uint64_t crowded; /* calls whose key found no place                 */
} hob_rates_stats;

HOB_API void hob_rates_stats_get(hob_rates *rates, hob_rates_stats *ret_stats);

HOB_END_DECLS

#endif
