/* SPDX-License-Identifier: MIT */
#include "base/wheel.h"

#include "base/check.h"

/* How many timers of one slot hob__wheel_next looks at for the exact time. */
enum { LOOK_AT_MOST = 64 };

void hob__wheel_init(struct wheel *wheel, int64_t now_ns)
{
    hob_assert(now_ns >= 0);
    wheel->now_ns = now_ns;
    wheel->count = 0;
    wheel->levels = 0;
    list_init(&wheel->due);
    for (int level = 0; level < WHEEL_LEVELS; level++) {
        wheel->used[level] = 0;
        for (int slot = 0; slot < WHEEL_SLOTS; slot++)
            list_init(&wheel->slots[level][slot]);
    }
}

/* The highest group of six bits in which the times differ. */
static int level_of(int64_t now_ns, int64_t when_ns)
{
    return (63 - __builtin_clzll((uint64_t)(now_ns ^ when_ns))) / WHEEL_BITS;
}

static int slot_of(int64_t when_ns, int level)
{
    return (int)((uint64_t)when_ns >> (level * WHEEL_BITS)) & (WHEEL_SLOTS - 1);
}

static void place(struct wheel *wheel, struct timer *timer)
{
    if (timer->when_ns <= wheel->now_ns) {
        timer->level = WHEEL_LEVELS;
        list_push_back(&wheel->due, &timer->link);
        return;
    }
    int level = level_of(wheel->now_ns, timer->when_ns);
    int slot = slot_of(timer->when_ns, level);
    timer->level = (uint8_t)level;
    timer->slot = (uint8_t)slot;
    list_push_back(&wheel->slots[level][slot], &timer->link);
    wheel->used[level] |= UINT64_C(1) << slot;
    wheel->levels |= 1U << level;
}

void hob__wheel_insert(struct wheel *wheel, struct timer *timer, int64_t when_ns, uint8_t kind)
{
    timer->when_ns = when_ns;
    timer->kind = kind;
    place(wheel, timer);
    wheel->count++;
}

static void mark_empty(struct wheel *wheel, int level, int slot)
{
    wheel->used[level] &= ~(UINT64_C(1) << slot);
    if (wheel->used[level] == 0)
        wheel->levels &= ~(1U << level);
}

void hob__wheel_remove(struct wheel *wheel, struct timer *timer)
{
    list_remove(&timer->link);
    wheel->count--;
    if (timer->level < WHEEL_LEVELS && list_is_empty(&wheel->slots[timer->level][timer->slot]))
        mark_empty(wheel, timer->level, timer->slot);
}

/* The start of the earliest used slot, and where it is. All used slots lie ahead
 * of `now` in its own round, and a lower level comes before any higher one. */
static int64_t first_slot(const struct wheel *wheel, int *ret_level, int *ret_slot)
{
    if (wheel->levels == 0)
        return INT64_MAX;
    int      level = __builtin_ctz(wheel->levels);
    int      slot = __builtin_ctzll(wheel->used[level]);
    int      shift = level * WHEEL_BITS;
    uint64_t above = shift + WHEEL_BITS >= 64 ? 0 : ~UINT64_C(0) << (shift + WHEEL_BITS);
    *ret_level = level;
    *ret_slot = slot;
    return (int64_t)(((uint64_t)wheel->now_ns & above) | ((uint64_t)slot << shift));
}

void hob__wheel_advance(struct wheel *wheel, int64_t now_ns)
{
    int level, slot;
    for (int64_t start; (start = first_slot(wheel, &level, &slot)) <= now_ns && start != INT64_MAX;) {
        struct list moving;
        list_init(&moving);
        list_append(&moving, &wheel->slots[level][slot]);
        mark_empty(wheel, level, slot);

        wheel->now_ns = start;
        for (struct list_node *node; (node = list_pop_front(&moving)) != NULL;)
            place(wheel, container_of(node, struct timer, link));
    }
    if (now_ns > wheel->now_ns)
        wheel->now_ns = now_ns;
}

struct timer *hob__wheel_pop_due(struct wheel *wheel)
{
    struct list_node *node = list_pop_front(&wheel->due);
    if (node == NULL)
        return NULL;
    wheel->count--;
    return container_of(node, struct timer, link);
}

int64_t hob__wheel_next(const struct wheel *wheel)
{
    if (!list_is_empty(&wheel->due))
        return wheel->now_ns;

    int     level, slot;
    int64_t start = first_slot(wheel, &level, &slot);
    if (start == INT64_MAX || level == 0)
        return start;

    int64_t first = INT64_MAX;
    int     looked = 0;
    list_for_each(node, &wheel->slots[level][slot]) {
        if (++looked > LOOK_AT_MOST)
            return start; // so many wake together that an early look is paid for
        int64_t when = container_of(node, struct timer, link)->when_ns;
        if (when < first)
            first = when;
    }
    return first;
}

void hob__wheel_check(const struct wheel *wheel)
{
    uint64_t count = 0;
    list_for_each(node, &wheel->due) {
        hob_assert(container_of(node, struct timer, link)->when_ns <= wheel->now_ns);
        count++;
    }
    for (int level = 0; level < WHEEL_LEVELS; level++) {
        hob_assert(((wheel->levels >> level) & 1) == (wheel->used[level] != 0));
        for (int slot = 0; slot < WHEEL_SLOTS; slot++) {
            const struct list *list = &wheel->slots[level][slot];
            hob_assert(((wheel->used[level] >> slot) & 1) == !list_is_empty(list));
            list_for_each(node, list) {
                const struct timer *timer = container_of(node, struct timer, link);
                hob_assert(timer->when_ns > wheel->now_ns);
                hob_assert(level_of(wheel->now_ns, timer->when_ns) == level);
                hob_assert(slot_of(timer->when_ns, level) == slot);
                count++;
            }
        }
    }
    hob_assert(count == wheel->count);
}
