/* SPDX-License-Identifier: MIT */
/* What select and the reports need to know of hob/signal.h. */
#ifndef HOB_SYNC_SIGNAL_H
#define HOB_SYNC_SIGNAL_H

#include <stdatomic.h>
#include <stdbool.h>

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
    bool             is_stop; /* the run's own, which comes last: core/stop.h */
};

/* Takes one that has come, or gives -EAGAIN. */
int  hob__signals_try(struct hob_signals *signals);
void hob__signals_op_init(struct op *op, struct hob_signals *signals);

/* Whoever was given it does not take it: it has come again. */
void hob__signals_give_back(struct hob_signals *signals, int signal);

/* The stream of a run for SIGTERM and SIGINT, which hears of what nobody else wants: of those that
 * have their default effect now. *ret_signals stays NULL when there are none. Returns 0, -ENOMEM.
 * Closing waits for handlers that are at work. */
int  hob__signals_open_stop(struct worker *worker, struct hob_signals **ret_signals);
void hob__signals_close_stop(struct hob_signals *signals);

/* In a forked child: signals do what they did before anybody listened. */
void hob__signals_forget(void);

#endif
