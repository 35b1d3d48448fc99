/* SPDX-License-Identifier: MIT */
/*
 * Locks: for what several tasks use at different times.
 *
 *     static hob_mutex book_lock = { .name = "book" };
 *
 *     static int note(void *arg)
 *     {
 *         HOB_LOCKED(&book_lock);              // until the end of this block
 *         HOB_TRY(append(book, arg));          // may wait: others wait for the lock meanwhile
 *         return 0;
 *     }
 *
 * A lock is for the workers of one run. Tasks of one worker need one only around what waits in
 * between; tasks of
 * several workers need one around all that they share.
 *
 * Places.  A lock is a place of yours, static or in an object; all zero is one that
 *   nobody holds, and there is nothing to free. Name it and reports can: the text is
 *   kept, not copied. It must stay where it is while it is used.
 * Order.  Who waits longest gets it first: it is handed over, so nobody can snatch it.
 *   A task whose mutex is held on another worker tries for a microsecond before it waits.
 * Cancelling.  A call that waits gives -ECANCELED or -ETIMEDOUT, and then does not
 *   hold the lock; or 0, and holds it, also when the task was cancelled at the same
 *   moment. In a cancelled scope it gives the error at once; clean-up that needs a
 *   lock takes it inside HOB_SHIELD.
 * Workers.  Tasks of all workers use the same lock, and a mutex is for threads
 *   outside of Hob too.
 * Deadlocks.  Tasks that wait for each other in a circle are reported within a
 *   second, with who holds and who wants what: hob_run_opts.break_deadlocks.
 */
#ifndef HOB_LOCK_H
#define HOB_LOCK_H

#include "hob/op.h"

HOB_BEGIN_DECLS

/* ---- one at a time ---- */

typedef struct hob_mutex {
    const char *name; /* for reports; may be NULL */
    HOB_OPAQUE(4);
} hob_mutex;

/* Waits until the mutex is the caller's. In a thread outside of Hob it blocks the thread;
 * in a callback it is a mistake. Returns 0; in a task -ECANCELED, -ETIMEDOUT, and -EDEADLK
 * where deadlocks are broken. Taking it twice is a mistake. */
HOB_API HOB_MUST_USE int hob_mutex_lock(hob_mutex *mutex);

/* Takes it if nobody holds it, not the caller either: 0 or -EAGAIN. Does not wait; in
 * callbacks too. */
HOB_API HOB_MUST_USE int hob_mutex_try_lock(hob_mutex *mutex);

/* As an operation. Awaited, it is the task's; in the other styles it belongs to no task,
 * and any task or callback may unlock it. */
HOB_API void hob_mutex_lock_prep(hob_op *op, hob_mutex *mutex);

/* Hands it to who waits longest. Only its holder may. Does not wait. */
HOB_API void hob_mutex_unlock(hob_mutex *mutex);

/* Locks the mutex, and unlocks it at the end of the block; when locking fails, returns the
 * error from the surrounding function, as HOB_TRY does. A task that ends with a mutex held is
 * a mistake. This and its like declare variables: put no `if` in front without braces. */
#define HOB_LOCKED(mutex) \
    HOB_HELD_UNTIL_END_(hob_mutex, (mutex), hob_mutex_lock, hob_mutex_leave)

HOB_API void hob_mutex_leave(hob_mutex **mutex);

#define HOB_HELD_UNTIL_END_(type, place, take, leave)                               \
    type *HOB_JOIN(hob_wanted_, __LINE__) = (place);                                \
    __attribute__((cleanup(leave))) type *HOB_JOIN(hob_held_, __LINE__) = NULL;     \
    HOB_TRY(take(HOB_JOIN(hob_wanted_, __LINE__)));                                 \
    HOB_JOIN(hob_held_, __LINE__) = HOB_JOIN(hob_wanted_, __LINE__)

/* ---- many readers, or one writer ---- */

/* Served in the order in which they came: a reader who comes after a waiting writer waits
 * too, so nobody starves. */
typedef struct hob_rwlock {
    const char *name;
    HOB_OPAQUE(4);
} hob_rwlock;

/* Wait until it may be read, written. Return 0, -ECANCELED, -ETIMEDOUT. */
HOB_API HOB_MUST_USE int hob_rwlock_read(hob_rwlock *lock);
HOB_API HOB_MUST_USE int hob_rwlock_write(hob_rwlock *lock);
HOB_API void hob_rwlock_read_prep(hob_op *op, hob_rwlock *lock);
HOB_API void hob_rwlock_write_prep(hob_op *op, hob_rwlock *lock);

/* Give it back. Do not wait. */
HOB_API void hob_rwlock_read_end(hob_rwlock *lock);
HOB_API void hob_rwlock_write_end(hob_rwlock *lock);

/* Until the end of the block, as HOB_LOCKED. */
#define HOB_READING(lock) \
    HOB_HELD_UNTIL_END_(hob_rwlock, (lock), hob_rwlock_read, hob_rwlock_leave_read)
#define HOB_WRITING(lock) \
    HOB_HELD_UNTIL_END_(hob_rwlock, (lock), hob_rwlock_write, hob_rwlock_leave_write)

HOB_API void hob_rwlock_leave_read(hob_rwlock **lock);
HOB_API void hob_rwlock_leave_write(hob_rwlock **lock);

/* ---- until something holds of what the mutex guards ---- */

typedef struct hob_cond {
    const char *name;
    HOB_OPAQUE(2);
} hob_cond;

/* Unlocks the mutex, waits for a signal, and locks it again. Waits. The mutex is held when
 * it returns, whatever it returns: 0; -ECANCELED, -ETIMEDOUT. Look again whether what you
 * wait for holds: others may have been first. */
HOB_API HOB_MUST_USE int hob_cond_wait(hob_cond *cond, hob_mutex *mutex);

/* Wakes who waits longest; all. The mutex need not be held. A signal that meets a cancellation is not lost: whoever
 * was woken returns 0. Do not wait. */
HOB_API void hob_cond_signal(hob_cond *cond);
HOB_API void hob_cond_broadcast(hob_cond *cond);

/* ---- once ---- */

typedef struct hob_once {
    const char *name;
    HOB_OPAQUE(3);
} hob_once;

typedef int hob_once_fn(void *arg);

/* Calls fn(arg) if nobody has done it yet; who comes meanwhile waits for it. When fn fails,
 * also because its task was cancelled, the next who waits calls its own. Waits. Returns 0
 * when it is done; fn's error to who called it; -ECANCELED, -ETIMEDOUT. An fn that runs the
 * same once again waits for itself. */
HOB_API HOB_MUST_USE int hob_once_run(hob_once *once, hob_once_fn *fn, void *arg);

HOB_END_DECLS

#endif
