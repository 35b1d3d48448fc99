/* SPDX-License-Identifier: MIT */
/*
 * Operations, and the three styles of waiting for one.
 *
 * Everything that can wait is an operation. A `prep` function says what is
 * wanted, in a place of yours; then one of three functions starts it:
 *
 *     hob_op op;
 *     hob_tcp_read_prep(&op, conn, buf, sizeof buf);
 *
 *     ssize_t n = hob_op_await(&op);            // the task waits
 *     hob_op_call(&scope, &op, on_read, arg);   // on_read(arg, n) is called
 *     hob_op_settle(&scope, &op, promise);      // the promise gets n
 *
 * The plain functions (hob_tcp_read) are the first of these in one call. A prep
 * function never waits; one that returns an int can fail (-ENOMEM and what it
 * says), and then there is nothing to start. What was prepared must be started:
 * it may hold memory or a descriptor from then on. What is no longer wanted is
 * started in a cancelled scope: it has no effect and lets go of all it holds.
 *
 * The place, and every buffer given to `prep`, belongs to the operation until
 * it ended: until hob_op_await returned, the callback was called or the promise
 * was settled. An operation in flight belongs to its scope, like a task: the
 * scope's end waits for it, and cancelling the scope cancels it. The result
 * wins: a cancelled operation gives its real result, or -ECANCELED and had no
 * effect. (A write of a whole buffer to a socket is several in one: cancelled in
 * between, it gives -ECANCELED, and a part was written.)
 */
#ifndef HOB_OP_H
#define HOB_OP_H

#include "hob/error.h"

HOB_BEGIN_DECLS

typedef struct hob_scope   hob_scope;
typedef struct hob_promise hob_promise;

/* A place for one operation. It may be used again when the operation ended. */
typedef struct hob_op {
    HOB_OPAQUE(18);
} hob_op;

/* Called on the worker, from the loop, never from inside another Hob call. It
 * may start tasks and operations and settle promises, but must not wait. The
 * operation's place may be freed or used again in it. */
typedef void hob_op_fn(void *arg, ssize_t result);

/* Starts the operation and waits for it. Waits, unless it can be done at once.
 * Returns the operation's result: see the prep function. -ECANCELED or
 * -ETIMEDOUT when the task's scope was cancelled before the operation had an
 * effect. */
HOB_API HOB_MUST_USE ssize_t hob_op_await(hob_op *op);

/* Starts the operation in `scope` and calls fn(arg, result) when it ended:
 * later from the loop, exactly once, also when it was cancelled. Does not wait,
 * and cannot fail. */
HOB_API void hob_op_call(hob_scope *scope, hob_op *op, hob_op_fn *fn, void *arg);

/* Starts the operation in `scope` and settles `promise` with its result when it
 * ended: with the result as the value when it is >= 0, else rejected with it.
 * The promise must live until then, and is one that this worker made. Does not wait, and cannot
 * fail. */
HOB_API void hob_op_settle(hob_scope *scope, hob_op *op, hob_promise *promise);

/* Asks for an operation started with hob_op_call or hob_op_settle back. It
 * still ends once, soon: with its result if this was too late, else with
 * -ECANCELED. No effect on one that ended already, if its place was not used
 * again. Does not wait. */
HOB_API void hob_op_cancel(hob_op *op);

HOB_END_DECLS

#endif
