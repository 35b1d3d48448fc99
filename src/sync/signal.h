/* SPDX-License-Identifier: MIT */
/* What select and the reports need to know of hob/signal.h. */
#ifndef HOB_SYNC_SIGNAL_H
#define HOB_SYNC_SIGNAL_H

#include <stdatomic.h>

#include "base/list.h"
#include "core/thing.h"
#include "hob/signal.h"
#include "op/op.h"

struct hob_signals {
    uint32_t         tag;
    struct thing     thing;
    struct list_node link;    /* in worker.signals                    */
    struct list      waiting; /* ops, oldest first                    */
    uint64_t         wanted;  /* bit n - 1: signal n                  */
    atomic_ullong    pending; /* of these; set by the handler         */
};

/* Takes one that has come, or gives -EAGAIN. */
int  hob__signals_try(struct hob_signals *signals);
void hob__signals_op_init(struct op *op, struct hob_signals *signals);

/* Whoever was given it does not take it: it has come again. */
void hob__signals_give_back(struct hob_signals *signals, int signal);

#endif
