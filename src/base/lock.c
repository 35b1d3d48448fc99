/* SPDX-License-Identifier: MIT */
#include "base/lock.h"

#include "base/sys.h"

enum { TRIES = 100 };

void hob__lock_wait(struct lock *lock)
{
    for (int i = 0; i < TRIES; i++) {
        unsigned free = 0;
        if (atomic_load_explicit(&lock->state, memory_order_relaxed) == 0 &&
            atomic_compare_exchange_weak_explicit(&lock->state, &free, 1, memory_order_acquire,
                                                  memory_order_relaxed))
            return;
        processor_relax();
    }
    // Whoever slept does not know whether others do, and takes it as one that others sleep on.
    while (atomic_exchange_explicit(&lock->state, 2, memory_order_acquire) != 0)
        hob__sys_futex_wait(&lock->state, 2);
}

void hob__lock_wake(struct lock *lock)
{
    hob__sys_futex_wake(&lock->state, 1);
}
