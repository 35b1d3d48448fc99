/* SPDX-License-Identifier: MIT */
/*
 * The timer wheel: times in order, with O(1) insert and cancel, exact to the nanosecond.
 *
 *     level 10   level 9              level 1    level 0
 *     [64 slots] [64 slots]    …      [64 slots] [64 slots]     one slot of level 0 is 1 ns,
 *      2^60 ns    2^54 ns              64 ns      1 ns          one of level k is 64^k ns
 *
 * A timer lies on the level of the highest group of six bits in which its time
 * differs from `now`, in the slot of its own six bits there. As `now` enters a
 * slot of a higher level, the timers in it move to lower levels (at most ten
 * moves in a timer's life; most timers are cancelled and never move).
 *
 * Between calls:
 *   1. Every timer's time is > now, or the timer is in `due`.
 *   2. A slot's bit in `used` is set exactly while the slot is not empty.
 *   3. Timers of the same time leave in the order in which they were inserted.
 *
 * (Hashed hierarchical wheels: Varghese and Lauck, 1987.) Memory: the nodes are
 * the users'; the wheel itself is 11 KiB. Threads: its worker's only.
 */
#ifndef HOB_BASE_WHEEL_H
#define HOB_BASE_WHEEL_H

#include <stdint.h>

#include "base/list.h"

enum { WHEEL_BITS = 6, WHEEL_SLOTS = 64, WHEEL_LEVELS = 11 };

struct timer {
    struct list_node link;
    int64_t          when_ns;
    uint8_t          level; /* WHEEL_LEVELS: in `due` */
    uint8_t          slot;
    uint8_t          kind;  /* the user's, to tell what it is a part of */
};

struct wheel {
    int64_t     now_ns;
    uint64_t    count;
    uint32_t    levels;             /* bit k: level k has a used slot */
    uint64_t    used[WHEEL_LEVELS]; /* bit s: slot s of the level is not empty */
    struct list due;                /* whose time has come, in order */
    struct list slots[WHEEL_LEVELS][WHEEL_SLOTS];
};

void hob__wheel_init(struct wheel *wheel, int64_t now_ns);

/* Inserts a timer that is in no wheel. Its time may have passed. */
void hob__wheel_insert(struct wheel *wheel, struct timer *timer, int64_t when_ns, uint8_t kind);

/* Takes out a timer that is in the wheel. */
void hob__wheel_remove(struct wheel *wheel, struct timer *timer);

/* Moves the clock on; timers with when_ns <= now_ns join `due`. */
void hob__wheel_advance(struct wheel *wheel, int64_t now_ns);

/* The first due timer, taken out; or NULL. */
struct timer *hob__wheel_pop_due(struct wheel *wheel);

/* When to advance next: not later than the first timer, and exactly then unless
 * its slot is crowded. INT64_MAX when the wheel is empty. */
int64_t hob__wheel_next(const struct wheel *wheel);

/* Asserts what is said above; walks everything. */
void hob__wheel_check(const struct wheel *wheel);

#endif
