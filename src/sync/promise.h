/* SPDX-License-Identifier: MIT */
/* Promises from inside: what reports want to know of them. */
#ifndef HOB_SYNC_PROMISE_H
#define HOB_SYNC_PROMISE_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/list.h"
#include "base/mail.h"
#include "core/thing.h"
#include "hob/promise.h"
#include "op/op.h"

struct hob_promise {
    /* Written when it is made, or before others know of it. */
    uint32_t         tag;
    bool             from_outside; /* a thread that is no worker may settle it */
    struct crew     *crew;
    struct thing     thing;

    /* By whoever settles it, before `settled` is; then read by all. */
    int              error;
    void            *value;
    atomic_bool      settled;

    /* Under the lock. */
    struct list      waiters; /* op.link of those who wait, oldest first */
    bool             mail_flies; /* cancel_mail is on its way            */
    bool             freed;   /* whoever opens that mail gives the memory back */

    /* The maker's worker. */
    bool             cancelled; /* hob_promise_cancel was called */
    void           (*cancel)(void *arg);
    void            *cancel_arg;
    struct mail      cancel_mail;
};

static inline bool promise_is_settled(const hob_promise *promise)
{
    return atomic_load_explicit(&promise->settled, memory_order_acquire);
}

/* Makes the op one that waits until the promise is settled. */
void hob__promise_op_init(struct op *op, hob_promise *promise);

#endif
