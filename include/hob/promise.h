/* SPDX-License-Identifier: MIT */
/*
 * Promises: a value to come, told to everyone who waits.
 *
 * A promise is settled once, with a value or with an error; many may await it,
 * before and after. Freeing one that others wait for, unsettled, gives them
 * HOB_EBROKEN and reports where it was made.
 *
 * Threads: the tasks and callbacks of all workers of the run that made it; and threads that
 * are no workers may settle and cancel those for which hob_promise_from_outside was called.
 */
#ifndef HOB_PROMISE_H
#define HOB_PROMISE_H

#include "hob/op.h"

HOB_BEGIN_DECLS

/* Makes an unsettled promise. Does not wait. Returns 0 or -ENOMEM. */
HOB_API HOB_MUST_USE int hob_promise_new(hob_promise **ret_promise);

/* Frees it; NULL is fine. Whoever still waits gets HOB_EBROKEN, and whoever was
 * told already keeps what they were told. Does not wait. */
HOB_API void hob_promise_free(hob_promise *promise);

/* A thread that is no worker will settle it: a thread of a library, or of the program's own.
 * Call it right after hob_promise_new, before anybody else knows of the promise. While a task awaits such a promise, the run
 * is neither over nor "asleep for ever". The thread must have settled it, or never do so, before
 * it is freed: await it. (In simulated time a thread outside has no place: nothing waits for it
 * but those who await, and a run with one does not repeat.) Does not wait. */
HOB_API void hob_promise_from_outside(hob_promise *promise);

/* Settles it with a value; or with an error, which must be negative. Returns 0,
 * or -EALREADY when it was settled before, and then changes nothing. The value
 * is only carried: whose it is, the two sides agree. Does not wait. */
HOB_API int hob_promise_resolve(hob_promise *promise, void *value);
HOB_API int hob_promise_reject(hob_promise *promise, int error);

/* 1 when it is settled. Does not wait. */
HOB_API int hob_promise_is_settled(const hob_promise *promise);

/* Waits until it is settled. Returns 0 and writes the value to *ret_value
 * (unless that is NULL); or the error that it was rejected with; HOB_EBROKEN;
 * -ECANCELED or -ETIMEDOUT. */
HOB_API HOB_MUST_USE int hob_promise_await(hob_promise *promise, void **ret_value);

/* Has fn(arg, error, value) called from the loop when it is settled, or soon if
 * it is already: exactly once, in the order of these calls, also with
 * HOB_EBROKEN; with -ECANCELED or -ETIMEDOUT when `scope` is cancelled first. The
 * scope does not end before that. Returns 0 or -ENOMEM; the function is not called
 * then. Does not wait. */
typedef void hob_promise_fn(void *arg, int error, void *value);
HOB_API HOB_MUST_USE int hob_promise_then(hob_scope *scope, hob_promise *promise,
                                          hob_promise_fn *fn, void *arg);

/* Waiting for the promise as an operation: its result is 0, or the error. The
 * promise must live until the operation was started. */
HOB_API void hob_promise_await_prep(hob_op *op, hob_promise *promise);

/* Whoever makes the value can be told that nobody wants it any more: has fn(arg)
 * called by hob_promise_cancel, once; it must not wait, and must see to it that
 * the promise is settled soon. It is set, and called, on the worker that made the promise.
 * Does not wait. */
HOB_API void hob_promise_on_cancel(hob_promise *promise, void (*fn)(void *arg), void *arg);

/* Asks for a promise back: calls what hob_promise_on_cancel set, or else rejects
 * the promise with -ECANCELED. No effect on a settled one. Does not wait: await it
 * to know that its maker has let go. A promise given to hob_op_settle cancels the
 * operation. */
HOB_API void hob_promise_cancel(hob_promise *promise);

/* What is waited for in several promises. */
typedef enum hob_promise_how {
    HOB_ALL,         /* until all are resolved, or the first is rejected     */
    HOB_ALL_SETTLED, /* until each is resolved or rejected                   */
    HOB_ANY,         /* until the first is resolved, or all are rejected     */
    HOB_RACE,        /* until the first is settled                           */
} hob_promise_how;

/* Waits for several promises. Those that are not needed any more, and all when the
 * task is cancelled, are cancelled; and it does not return before all are settled, so
 * that nothing goes on behind the caller's back. Waits.
 *
 * Returns 0; for HOB_ANY and HOB_RACE the index of the promise that decided it. Or the
 * error: of the first in time to be rejected (HOB_ALL, HOB_ANY), of the first to be
 * settled (HOB_RACE); -ECANCELED, -ETIMEDOUT; -ENOMEM. In a scope that was cancelled
 * before, and without memory, it returns at once and touches no promise. Without
 * promises: 0, and for HOB_ANY and HOB_RACE -EINVAL. */
HOB_API HOB_MUST_USE int hob_promise_await_many(hob_promise_how how, hob_promise *const *promises,
                                                size_t count);

/* The same as a promise, which the caller frees once it is settled (hob_promise_cancel it before, if
 * nobody wants it any more): it is resolved with the index as its
 * value, (void *)(intptr_t)index, or rejected with the error. The array is copied; the
 * promises must live until then. The waiting belongs to `scope`. Returns 0, -ENOMEM.
 * Does not wait. */
HOB_API HOB_MUST_USE int hob_promise_of_many(hob_scope *scope, hob_promise_how how,
                                             hob_promise *const *promises, size_t count,
                                             hob_promise **ret_promise);

/* The value, NULL while it is not resolved. Does not wait. */
HOB_API void *hob_promise_value(const hob_promise *promise);

HOB_END_DECLS

#endif
