/* SPDX-License-Identifier: MIT */
#include "resilience/bucket.h"

#include <errno.h>

#include "hob/scope.h"
#include "hob/select.h"
#include "hob/time.h"

typedef unsigned __int128 parts;

struct pace hob__pace(uint32_t count, uint32_t burst, int64_t period_ns)
{
    return (struct pace){
        .count = count,
        .burst = burst != 0 ? burst : count,
        .period_ns = period_ns > 0 ? period_ns : HOB_SEC,
    };
}

/* ---- tokens ---- */

static parts missing_of(const struct bucket *b, const struct pace *pace)
{
    return (parts)b->missing * (uint64_t)pace->period_ns + (uint64_t)b->part;
}

static void set_missing(struct bucket *b, const struct pace *pace, parts missing)
{
    b->missing = (uint64_t)(missing / (uint64_t)pace->period_ns);
    b->part = (int64_t)(missing % (uint64_t)pace->period_ns);
}

/* What has come since the last look. The clocks of two workers may be read out of order. */
static parts refill(struct bucket *b, const struct pace *pace, int64_t now_ns)
{
    parts missing = missing_of(b, pace);
    if (now_ns <= b->at_ns)
        return missing;
    parts come = (parts)(uint64_t)(now_ns - b->at_ns) * pace->count;
    missing = missing > come ? missing - come : 0;
    b->at_ns = now_ns;
    set_missing(b, pace, missing);
    return missing;
}

bool hob__bucket_try(struct bucket *b, const struct pace *pace, uint32_t cost, int64_t now_ns)
{
    parts missing = refill(b, pace, now_ns) + (parts)cost * (uint64_t)pace->period_ns;
    if (missing > (parts)pace->burst * (uint64_t)pace->period_ns)
        return false;
    set_missing(b, pace, missing);
    return true;
}

void hob__bucket_give_back(struct bucket *b, const struct pace *pace, uint64_t cost)
{
    parts missing = missing_of(b, pace), given = (parts)cost * (uint64_t)pace->period_ns;
    set_missing(b, pace, missing > given ? missing - given : 0);
}

void hob__bucket_set_pace(struct bucket *b, const struct pace *from, const struct pace *to,
                          int64_t now_ns)
{
    refill(b, from, now_ns);
    b->missing += b->part > 0;
    b->part = 0;
    if (b->missing > to->burst)
        b->missing = to->burst;
}

/* Until so many parts have come: rounded up, for who comes too early would find nothing. */
static int64_t time_for(const struct pace *pace, parts wanted)
{
    parts ns = (wanted + pace->count - 1) / pace->count;
    return ns < (parts)HOB_FOREVER ? (int64_t)ns : HOB_FOREVER;
}

static int64_t sum_ns(int64_t a, int64_t b)
{
    int64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? HOB_FOREVER : sum;
}

int64_t hob__bucket_wait_ns(struct bucket *b, const struct pace *pace, uint64_t cost,
                            int64_t now_ns)
{
    parts wanted = refill(b, pace, now_ns) + (parts)cost * (uint64_t)pace->period_ns;
    parts room = (parts)pace->burst * (uint64_t)pace->period_ns;
    if (wanted <= room)
        return 0;
    int64_t late_ns = b->at_ns > now_ns ? b->at_ns - now_ns : 0;
    return sum_ns(time_for(pace, wanted - room), late_ns);
}

int64_t hob__bucket_full_at(const struct bucket *b, const struct pace *pace)
{
    return sum_ns(b->at_ns, time_for(pace, missing_of(b, pace)));
}

/* ---- the line ---- */

static struct list *line_of(struct bucket *b)
{
    if (b->line.head.next == NULL)
        list_init(&b->line);
    return &b->line;
}

bool hob__bucket_is_waited_for(const struct bucket *b)
{
    return b->line.head.next != NULL && !list_is_empty(&b->line);
}

uint64_t hob__bucket_wanted(const struct bucket *b)
{
    uint64_t wanted = 0;
    if (!hob__bucket_is_waited_for(b))
        return 0;
    list_for_each(node, &b->line)
        wanted += container_of(node, struct waiter, link)->cost;
    return wanted;
}

struct waiter *hob__bucket_first(struct bucket *b)
{
    struct list_node *node = list_first(line_of(b));
    if (node == NULL)
        return NULL;
    struct waiter *first = container_of(node, struct waiter, link);
    if (first->poked)
        return NULL; // somebody is about to
    first->poked = true;
    return first;
}

void hob__waiter_poke(struct waiter *waiter)
{
    if (waiter != NULL)
        hob_event_set(&waiter->turn);
}

/* Whether the waiter may go, and with what; otherwise when to look again. The lock holds. */
static bool may_go(struct bucket *b, const struct pace *pace, struct waiter *self, int *ret_result,
                   int64_t *ret_look_at)
{
    *ret_look_at = HOB_FOREVER;
    *ret_result = -ERANGE;
    if (self->cost > pace->burst)
        return true;
    if (list_first(&b->line) != &self->link)
        return false;
    int64_t now_ns = hob_now();
    *ret_result = 0;
    if (hob__bucket_try(b, pace, self->cost, now_ns))
        return true;
    *ret_look_at = sum_ns(now_ns, hob__bucket_wait_ns(b, pace, self->cost, now_ns));
    return false;
}

/* What the poke was for will be looked at now; from here on there may be another. */
static void take_poke(struct lock *lock, struct waiter *self)
{
    hob_event_reset(&self->turn);
    lock_take(lock);
    self->poked = false;
    lock_give(lock);
}

int hob__bucket_wait(struct lock *lock, struct bucket *b, const struct pace *pace, uint32_t cost,
                     const char *name)
{
    struct waiter self = { .turn = { .name = name }, .cost = cost };
    int           r;
    int64_t       look_at;
    list_push_back(line_of(b), &self.link);
    while (!may_go(b, pace, &self, &r, &look_at)) {
        lock_give(lock);
        r = HOB_SELECT(NULL, HOB_EVENT_WAIT(&self.turn), HOB_AT(look_at));
        if (r == 0)
            take_poke(lock, &self);
        lock_take(lock);
        if (r < 0)
            break;
    }
    bool was_first = list_first(&b->line) == &self.link;
    list_remove(&self.link);
    struct waiter *next = was_first ? hob__bucket_first(b) : NULL;
    bool           poked = self.poked; // and by nobody any more: it is out of the line
    lock_give(lock);

    hob__waiter_poke(next);
    if (poked) {
        HOB_SHIELD(HOB_FOREVER) {
            (void)!hob_event_wait(&self.turn);
        }
    }
    return r;
}
