/* SPDX-License-Identifier: MIT */
/* The result of a task to come: hob_async makes it, hob_await takes it, the scope owns it. */
#ifndef HOB_CORE_FUTURE_H
#define HOB_CORE_FUTURE_H

#include <stdbool.h>

#include "base/list.h"
#include "hob/task.h"

struct op;
struct remote;
struct scope;
struct task;
struct worker;

struct hob_future {
    uint32_t         tag;
    bool             ended;
    struct worker   *worker;
    int              result;
    struct task     *task;     /* NULL when it has ended, and on another worker */
    struct remote   *remote;   /* on another worker; NULL when it has ended */
    struct op       *waiter;
    struct list_node link;     /* in scope->futures */
    hob_failure      failure;  /* when result < 0 */
};

/* Makes the op one that waits until the task has ended. */
void hob__future_op_init(struct op *op, struct hob_future *future);

/* The task of the future returned. */
void hob__future_end(struct hob_future *future, int result, const struct task *task);

/* The result is there: tells who waits. */
void hob__future_settle(struct hob_future *future, int result);

/* At the end of a scope: what nobody awaited becomes its failures; all are freed. */
void hob__futures_collect(struct scope *scope);

#endif
