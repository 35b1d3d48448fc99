/* SPDX-License-Identifier: MIT */
/*
 * How much a place in the source says: so many lines a second, then it is muted, and counted.
 *
 * The count is told by the place's own next line in a later second, or by whoever looks through the
 * list of those that are muted, when their second is over; whoever takes the count tells it.
 *
 * Threads: any, without a lock; two that begin a second at once may let a few lines more through.
 */
#ifndef HOB_LOG_SITE_H
#define HOB_LOG_SITE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/lock.h"
#include "hob/log.h"

enum { LOG_MUTED_MAX = 64 };

/* Those that are muted: of a process, or of a run in sim. What finds no room tells by itself later. */
struct log_muted {
    struct lock   lock;
    uint32_t      count;
    hob_log_site *sites[LOG_MUTED_MAX];
};

/* May it say one more? `run` tells runs with clocks of their own apart. *ret_untold becomes how many
 * lines it could not say before; *ret_first, whether it is the first of those. */
bool hob__log_site_admit(hob_log_site *site, int level, uint32_t run, int64_t now_ns, uint32_t limit,
                         uint64_t *ret_untold, bool *ret_first);

/* Puts it on the list. */
void hob__log_muted_add(struct log_muted *muted, hob_log_site *site);

/* Takes one off whose second is over, or any. NULL: there is none. Then the time is in
 * *ret_next_ns at which the next one is due, or INT64_MAX. */
hob_log_site *hob__log_muted_take(struct log_muted *muted, int64_t now_ns, bool any, int *ret_level,
                                  uint64_t *ret_count, int64_t *ret_next_ns);

#endif
