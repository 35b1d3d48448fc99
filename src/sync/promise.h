/* SPDX-License-Identifier: MIT */
/* Promises from inside: what reports want to know of them. */
#ifndef HOB_SYNC_PROMISE_H
#define HOB_SYNC_PROMISE_H

#include <stdbool.h>

#include "base/list.h"
#include "hob/promise.h"
#include "op/op.h"

struct hob_promise {
    uint32_t         tag;
    int              error;
    bool             settled;
    bool             cancelled; /* hob_promise_cancel was called */
    void            *value;
    void           (*cancel)(void *arg);
    void            *cancel_arg;
    struct list      waiters; /* op.link of those who wait, oldest first */
    struct list_node link;    /* in worker.promises */
    struct worker   *worker;
    const void      *made_at;
};

/* Makes the op one that waits until the promise is settled. */
void hob__promise_op_init(struct op *op, hob_promise *promise);

#endif
