/* SPDX-License-Identifier: MIT */
/*
 * A short lock: what guards the few words of an object that several threads use.
 *
 *     0 free ──▶ 1 held ──▶ 2 held, and somebody may sleep
 *
 * It is held for a few instructions: never across code of users, and never while a task parks
 * or ops are finished. Whoever finds it held tries again a few times, for the holder is
 * mostly at work on another processor, and then sleeps in the kernel. Any thread, of workers
 * or not. All zero is a free lock; there is nothing to give back.
 */
#ifndef HOB_BASE_LOCK_H
#define HOB_BASE_LOCK_H

#include <stdatomic.h>

#include "base/check.h"

struct lock {
    atomic_uint state;
};

/* Between two looks at what another processor is about to change. */
static inline void processor_relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#else
    __asm__ volatile("" ::: "memory");
#endif
}

void hob__lock_wait(struct lock *lock);
void hob__lock_wake(struct lock *lock);

static inline void lock_take(struct lock *lock)
{
    unsigned free = 0;
    if (hob_unlikely(!atomic_compare_exchange_strong_explicit(
            &lock->state, &free, 1, memory_order_acquire, memory_order_relaxed)))
        hob__lock_wait(lock);
}

static inline void lock_give(struct lock *lock)
{
    if (hob_unlikely(atomic_exchange_explicit(&lock->state, 0, memory_order_release) == 2))
        hob__lock_wake(lock);
}

#endif
