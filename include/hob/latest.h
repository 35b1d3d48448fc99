/* SPDX-License-Identifier: MIT */
/*
 * The latest value: one writes it, many follow it, and only the newest counts.
 *
 * For what is a state and not a stream: a configuration, a price, who is the leader. A
 * follower that is slow misses values in between, never the last one. (Elsewhere it is called
 * a watch channel, a state flow, a behaviour subject.)
 *
 *     static int follow(void *arg)
 *     {
 *         hob_latest   *price = arg;
 *         struct price  p;
 *         uint64_t      seen = 0;                       // nothing yet
 *         int           r;
 *         while ((r = hob_latest_next(price, &seen, &p)) == 0)
 *             draw(&p);
 *         return r == HOB_EOF ? 0 : r;                  // no more will come
 *     }
 *
 * Threads: the tasks and callbacks of all workers of the run.
 */
#ifndef HOB_LATEST_H
#define HOB_LATEST_H

#include "hob/op.h"

HOB_BEGIN_DECLS

typedef struct hob_latest hob_latest;

/* Makes one for a value of `value_bytes`, at least 1. `first` is the first value, copied; with
 * NULL there is none yet. `name` is for reports: kept, not copied; or NULL. Does not wait.
 * Returns 0 or -ENOMEM. */
HOB_API HOB_MUST_USE int hob_latest_new(size_t value_bytes, const void *first, const char *name,
                                        hob_latest **ret_latest);

/* Frees it, NULL too. Nobody may be waiting on it. Does not wait. */
HOB_API void hob_latest_free(hob_latest *latest);

/* Sets the value, which is copied, and tells all who wait for a newer one. Does not wait, and
 * cannot fail: after hob_latest_finish it is a mistake. */
HOB_API void hob_latest_set(hob_latest *latest, const void *value);

/* No newer value will come: followers who have seen the last one get HOB_EOF. Idempotent. Does
 * not wait. */
HOB_API void hob_latest_finish(hob_latest *latest);

/* Copies the value to `ret_value` and returns its number: the first is 1, each later one is one
 * more. 0: there is no value yet, and nothing was copied. Does not wait. */
HOB_API uint64_t hob_latest_get(const hob_latest *latest, void *ret_value);

/* Waits until there is a value newer than number *seen, copies it to `ret_value`, and sets
 * *seen to its number. Begin with *seen at 0. Returns 0; HOB_EOF when none will come any more;
 * -ECANCELED, -ETIMEDOUT, and then *seen and the value are untouched. */
HOB_API HOB_MUST_USE int hob_latest_next(hob_latest *latest, uint64_t *seen, void *ret_value);

/* Waiting for a value newer than *seen as an operation, or as a case of select
 * (HOB_CHANGED(latest, &seen)): 0, or HOB_EOF. It only waits: take the value by hob_latest_next,
 * which does not wait then, or by hob_latest_get. *seen is lent until the operation ended. */
HOB_API void hob_latest_changed_prep(hob_op *op, hob_latest *latest, const uint64_t *seen);

HOB_END_DECLS

#endif
