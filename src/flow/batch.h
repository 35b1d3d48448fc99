/* SPDX-License-Identifier: MIT */
/* Several items in one, as HOB_BATCH lays them out. */
#ifndef HOB_FLOW_BATCH_H
#define HOB_FLOW_BATCH_H

#include "flow/flow.h"

typedef HOB_BATCH(char, 1) batch_of_one;

struct batch {
    size_t  count;
    int64_t began_ns __attribute__((aligned(8)));
    char    items[];
};

static inline void *batch_at(const struct batch *batch, size_t index, const struct item *item)
{
    return (char *)(uintptr_t)batch->items + index * item->bytes;
}

/* The size of a batch of `max` items; 0 when there cannot be one. */
size_t hob__batch_bytes(size_t max, size_t item_bytes);

/* What a batch of the items of the stage above is: it owns what they own. */
struct item hob__batch_item(struct stage *stage, size_t bytes);

/* hob_flow_batch with a time: see timed.c. */
void hob__flow_batch_within(hob_flow *flow, size_t max, int64_t within_ns);

#endif
