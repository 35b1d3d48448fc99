/* SPDX-License-Identifier: MIT */
/*
 * Tasks.
 *
 * A task is a function with a stack of its own that runs until it waits; then
 * others run. It returns 0, or a negative error that fails its scope. A new
 * task runs at once to its first wait; then the caller goes on. Tasks never
 * change their thread.
 */
#ifndef HOB_TASK_H
#define HOB_TASK_H

#include "hob/scope.h"

HOB_BEGIN_DECLS

typedef int hob_task_fn(void *arg);

/* How to start a task. All zero, or NULL, means the defaults. */
typedef struct hob_task_opts {
    const char *name;        /* shown in reports, cut at 31 bytes; NULL: none       */
    size_t      stack_bytes; /* 0: 64 KiB; rounded up to 64 KiB, 256 KiB, 1 or 8 MiB */
    size_t      copy_bytes;  /* copy this much of *arg onto the task's stack first   */
    unsigned    daemon : 1;  /* cancelled when only daemons are left in the scope    */
    int         where;       /* the worker: 0: this one, HOB_ANYWHERE, HOB_ON(number) */
} hob_task_opts;

/* On which worker a task runs, from its beginning to its end. HOB_ANYWHERE: the first
 * that is idle. On another worker than the caller's it does not run before hob_go
 * returns, and what both use must be fit for two threads. */
#define HOB_ANYWHERE   (-1)
#define HOB_ON(number) ((int)(number) + 1)

/* Starts fn(arg) as a child of `scope`.
 *
 * Does not wait, but the child runs first, to its first wait. Returns 0, or
 * -ENOMEM, -EAGAIN (the limit of tasks is reached); the failure to start also
 * fails the scope, so it may be left unchecked. `arg` is lent until the child
 * ended. In a cancelled scope the child still runs to its first wait. */
HOB_API int hob_go(hob_scope *scope, hob_task_fn *fn, void *arg);

/* The same, with a copy of the `size` bytes at `arg` on the child's stack, for
 * arguments that die before the child does. At most a quarter of the stack. */
HOB_API int hob_go_copy(hob_scope *scope, hob_task_fn *fn, const void *arg, size_t size);

/* The same, with options. */
HOB_API int hob_go_with(hob_scope *scope, hob_task_fn *fn, void *arg, const hob_task_opts *opts);

/* The same for a child on this worker, and waits until it calls hob_ready(value), which is written
 * to *ret_value (unless that is NULL), or ends. Returns 0 when the child is
 * ready; the child's error if it failed before, which then does not fail the
 * scope; HOB_EBROKEN if it returned 0 without a word; -ECANCELED or -ETIMEDOUT
 * when the caller was cancelled first: the child is cancelled and joined. */
HOB_API HOB_MUST_USE int hob_go_ready(hob_scope *scope, hob_task_fn *fn, void *arg,
                                      const hob_task_opts *opts, void **ret_value);

/* Tells the task that waits in hob_go_ready that this one has started, with a
 * value for it, which is only carried: what it points to must live until the other
 * has looked. No effect when nobody waits for it, or the second time. Does not
 * wait. */
HOB_API void hob_ready(void *value);

/* The result of a task to come. */
typedef struct hob_future hob_future;

/* Starts fn(arg) as a child of `scope` whose result is taken by hob_await. Its
 * failure is the awaiter's to handle and cancels nobody; if the scope ends and
 * nobody awaited it, it is a failure of the scope like any other.
 *
 * Does not wait, but the child runs first, to its first wait. Returns the
 * future, which belongs to the scope; NULL when memory or tasks ran out, which
 * hob_await turns into -ENOMEM. Such a task may also return a positive number. */
HOB_API HOB_MUST_USE hob_future *hob_async(hob_scope *scope, hob_task_fn *fn, void *arg);

/* The same, with options. */
HOB_API HOB_MUST_USE hob_future *hob_async_with(hob_scope *scope, hob_task_fn *fn, void *arg,
                                                const hob_task_opts *opts);

/* Runs fn(arg) as a task on the worker of that number, and waits until it has ended.
 * Being cancelled reaches it. Returns what it returned; -ENOMEM, -EAGAIN. */
HOB_API HOB_MUST_USE int hob_on(uint32_t number, hob_task_fn *fn, void *arg);

/* Waits for the task and takes its result: what its function returned. The
 * future is gone afterwards, unless the caller is cancelled and this is the
 * result: as long as hob_cancelled() returns the same, it was not taken. */
HOB_API HOB_MUST_USE int hob_await(hob_future *future);

/* Cancels the task of a future, and nobody else; the future is still to be
 * awaited. No effect when the task has ended, or on NULL. `reason` as in
 * hob_scope_cancel. Does not wait. */
HOB_API void hob_future_cancel(hob_future *future, const char *reason);

/* Moves the calling task out of its scope into the root scope of that name: its
 * old scope no longer waits for it. The task must have left all scopes that it
 * opened itself, and be one for whose result nobody waits (hob_async,
 * hob_go_ready). Returns 0 or -ENOMEM. Does not wait. */
HOB_API HOB_MUST_USE int hob_detach(const char *root_name);

/* Lets all others that are ready run first. Waits only for those, also when the
 * task was cancelled. */
HOB_API void hob_yield(void);

/* For loops that compute: lets others run when this task has run for its share,
 * and tells whether to go on. Returns 0, or -ECANCELED or -ETIMEDOUT. */
HOB_API HOB_MUST_USE int hob_checkpoint(void);

/* Names the calling task in reports; copied, and cut at 31 bytes. */
HOB_API void        hob_task_set_name(const char *name);
HOB_API const char *hob_task_name(void);
HOB_API uint64_t    hob_task_id(void); /* of its own in the run; 0 outside a task */

/* Calls fn(arg) on a bigger stack that is borrowed for the length of the call,
 * for the one deep call (a recursive parser, a library with big frames) of a
 * task with a small stack. fn may wait. Returns what fn returned, or -ENOMEM.
 * `stack_bytes` is rounded up as in hob_task_opts. */
HOB_API HOB_MUST_USE int hob_call_deep(size_t stack_bytes, hob_task_fn *fn, void *arg);

/* Task-locals: values that go with a task and with the children that it starts
 * while they are set. The address of `key` is the key. */
typedef struct hob_local_key {
    const char *name; /* shown in dumps; the value is shown if it is_text         */
    int         is_text;
    int         is_logged; /* 1: goes with each line of the log: hob/log.h; as text, or a pointer */
} hob_local_key;

/* Sets a task-local for the rest of the surrounding block. */
#define HOB_LOCAL(key, value)                                                      \
    __attribute__((cleanup(hob_local_leave), unused)) hob_local HOB_JOIN(          \
        hob_local_, __LINE__) = hob_local_enter((key), (value))

typedef struct hob_local {
    void *frame;
} hob_local;

/* The value of the innermost HOB_LOCAL for the key, or NULL. Does not wait. */
HOB_API void *hob_local_get(const hob_local_key *key);

HOB_API hob_local hob_local_enter(const hob_local_key *key, void *value);
HOB_API void      hob_local_leave(hob_local *local);

HOB_END_DECLS

#endif
