/* SPDX-License-Identifier: MIT */
/*
 * A bridge for libraries with callbacks of their own.
 *
 *     static int begin(void *arg, uint64_t key)
 *     {
 *         return lookup_start(arg, on_found, (void *)(uintptr_t)key);   // a foreign call;
 *                                                // where pointers have 64 bits, as keys do
 *     }
 *     static void on_found(void *userdata, int status)                   // its callback
 *     {
 *         hob_resume((uintptr_t)userdata, status);
 *     }
 *     ...
 *     ssize_t status = hob_suspend(begin, stop, lookup);
 *
 * The key stands for one wait, and is never used again; so a callback that comes
 * twice, or too late, is told so and does no harm.
 */
#ifndef HOB_SUSPEND_H
#define HOB_SUSPEND_H

#include "hob/op.h"

HOB_BEGIN_DECLS

/* Begins the foreign operation, which must call hob_resume(key, …) once: later, or
 * at once. A negative result says that it did not begin, and ends the wait. */
typedef int hob_suspend_fn(void *arg, uint64_t key);

/* Asks for the foreign operation back; it must still call hob_resume, soon or at once. */
typedef void hob_suspend_cancel_fn(void *arg, uint64_t key);

/* Calls begin(arg, key), and waits for hob_resume. When the task is cancelled
 * meanwhile, `cancel` is called, once; with NULL nothing can be done about it, and
 * the wait goes on. Waits.
 *
 * Returns what hob_resume was given; begin's error; -ENOMEM; -ECANCELED or
 * -ETIMEDOUT when the task was cancelled before, and begin was not called, or when
 * hob_resume was given -ECANCELED after a cancel. */
HOB_API HOB_MUST_USE ssize_t hob_suspend(hob_suspend_fn *begin, hob_suspend_cancel_fn *cancel,
                                         void *arg);

/* Ends the wait of that key. Call it on the worker that waits. Returns 0, or -EALREADY
 * when that wait has ended, or never was. Does not wait. */
HOB_API int hob_resume(uint64_t key, ssize_t result);

HOB_END_DECLS

#endif
