/* SPDX-License-Identifier: MIT */
/*
 * hob_flow_map_at_once: several calls of a function at once.
 *
 *                 free                        work
 *        ┌─── slots nobody uses ◀──┐   ┌── slots with an item ──┐
 *        ▼                         │   │                        ▼
 *    the stage's task              │   │              one of the helpers, tasks, at
 *    asks for an item ─────────────────┘              most one a slot, calls fn
 *                                  │                        │
 *                     who asks ◀───┴───── slots with a result, or an error ◀┘
 *                                                     out
 *
 * There are `at_once` slots, which go round by number in three channels with room for all of
 * them; so only asking, a free slot and work are waited for, and nothing else is held. In order,
 * who asks sets slots aside whose turn it is not; there is place for that since there are no
 * more slots.
 *
 * Threads: the helpers may be tasks of other workers of the run (hob_flow_map_spread). What is in a
 * slot goes with its number from one to the other.
 */
#include <errno.h>

#include "flow/live.h"
#include "hob/runtime.h"

enum slot_state {
    SLOT_EMPTY,
    SLOT_GIVEN,  /* holds an item                             */
    SLOT_DONE,   /* holds a result                            */
    SLOT_FAILED, /* holds the item; and `result` is the error */
};

struct slot {
    enum slot_state state;
    int             result;
    uint64_t        number; /* of the item, in the order in which they came */
    void           *item, *made;
};

struct at_once {
    struct live      live; /* its channel is `out`: of slot numbers */
    hob_flow_map_fn *fn;
    void            *arg;
    size_t           count;
    hob_flow_order   order;
    hob_chan        *free, *work;
    uint64_t         begun, given; /* items: asked for, and results handed over */
    size_t           helpers;      /* started when there is work for one more */
    bool             is_spread;    /* over all workers of the run                              */
    int64_t          idle;         /* helpers, less what there is for them to do; atomic       */
    bool             has_failed;   /* nothing new is begun; atomic                             */
    struct slot    **aside;        /* in order: by number % count; NULL: not done yet */
    struct slot      slots[] __attribute__((aligned(16)));
};

/* ---- the helpers ---- */

static int work(void *arg)
{
    struct at_once *self = arg;
    size_t          which;
    int             r;
    while ((r = hob_chan_recv(self->work, &which)) == 0) {
        struct slot *slot = &self->slots[which];
        slot->result = self->fn(slot->item, self->arg, slot->made);
        slot->state = slot->result < 0 ? SLOT_FAILED : SLOT_DONE;
        if (slot->result < 0)
            __atomic_store_n(&self->has_failed, true, __ATOMIC_RELAXED);
        __atomic_fetch_add(&self->idle, 1, __ATOMIC_RELAXED);
        (void)!hob_chan_try_send(self->live.out, &which); // there is room; or nobody asks any more
    }
    return r == HOB_EOF ? 0 : r;
}

/* ---- the stage's task ---- */

static bool has_failed(struct at_once *self)
{
    return __atomic_load_n(&self->has_failed, __ATOMIC_RELAXED);
}

static int start_helper(struct at_once *self, hob_scope *scope)
{
    hob_task_opts opts = { .name = self->live.name };
    self->helpers++;
    if (self->is_spread)
        opts.where = HOB_ON((hob_worker_number() + self->helpers) % hob_workers());
    __atomic_fetch_add(&self->idle, 1, __ATOMIC_RELAXED);
    return hob_go_with(scope, work, self, &opts);
}

/* Gives one more item to a helper: 1, 0 at the end, or an error. */
static int begin_one(struct at_once *self, hob_scope *scope)
{
    struct stage *up = self->live.stage.up;
    size_t        which;
    int           r = hob_chan_recv(self->free, &which);
    if (r < 0)
        return r;
    struct slot *slot = &self->slots[which];
    r = has_failed(self) ? 0 : stage_next(up, slot->item);
    if (r <= 0)
        return r;
    slot->state = SLOT_GIVEN;
    slot->number = self->begun++;
    if (has_failed(self))
        return 0;
    (void)!hob_chan_try_send(self->work, &which); // there is room for all
    if (__atomic_sub_fetch(&self->idle, 1, __ATOMIC_RELAXED) < 0 && self->helpers < self->count)
        r = start_helper(self, scope);
    return r < 0 ? r : 1;
}

static int at_once_body(struct live *live)
{
    struct at_once *self = (struct at_once *)live;
    HOB_SCOPE(s);
    int r = hob__stage_open(live->stage.up, &s);
    while (r == 0 && (r = begin_one(self, &s)) > 0)
        r = 0;
    hob__stage_close(live->stage.up);
    hob_chan_finish(self->work); // what was begun is done, also before an error
    int ended = hob_scope_end(&s);
    return r != 0 ? r : ended;
}

/* ---- who asks ---- */

static int at_once_open(struct stage *stage, hob_scope *scope)
{
    struct at_once *self = (struct at_once *)stage;
    int             r = hob_chan_new(sizeof(size_t), self->count, HOB_WAIT, NULL, &self->free);
    if (r == 0)
        r = hob_chan_new(sizeof(size_t), self->count, HOB_WAIT, NULL, &self->work);
    for (size_t i = 0; r == 0 && i < self->count; i++)
        r = hob_chan_try_send(self->free, &i);
    return r < 0 ? r : hob__live_open(stage, scope);
}

/* A slot whose result is to be handed over: 1, 0 at the end, or an error. */
static int next_slot(struct at_once *self, struct slot **ret_slot)
{
    for (;;) {
        struct slot **turn = &self->aside[self->given % self->count];
        if (*turn != NULL) {
            *ret_slot = *turn;
            *turn = NULL;
            return 1;
        }
        size_t which;
        int    r = hob__live_next(&self->live.stage, &which);
        if (r <= 0)
            return r;
        struct slot *slot = &self->slots[which];
        if (self->order == HOB_AS_DONE) {
            *ret_slot = slot;
            return 1;
        }
        self->aside[slot->number % self->count] = slot;
    }
}

static int at_once_next(struct stage *stage, void *ret_item)
{
    struct at_once *self = (struct at_once *)stage;
    struct slot    *slot;
    int             r = next_slot(self, &slot);
    if (r <= 0)
        return r;
    if (slot->state == SLOT_FAILED)
        return slot->result; // and closing drops the item
    slot->state = SLOT_EMPTY;
    item_copy(ret_item, slot->made, stage->out.bytes);
    size_t which = (size_t)(slot - self->slots);
    (void)!hob_chan_try_send(self->free, &which); // there is room for all
    self->given++;
    return 1;
}

static void at_once_close(struct stage *stage)
{
    struct at_once *self = (struct at_once *)stage;
    hob__live_close(stage);
    for (size_t i = 0; i < self->count; i++) {
        struct slot *slot = &self->slots[i];
        if (slot->state == SLOT_GIVEN || slot->state == SLOT_FAILED)
            item_drop(&stage->up->out, slot->item);
        else if (slot->state == SLOT_DONE)
            item_drop(&stage->out, slot->made);
        slot->state = SLOT_EMPTY;
    }
}

static void at_once_free(struct stage *stage)
{
    struct at_once *self = (struct at_once *)stage;
    hob_chan_free(self->free);
    hob_chan_free(self->work);
    hob__live_free(stage);
}

static const struct stage_type AT_ONCE = { .size = sizeof(struct at_once), .next = at_once_next,
                                           .open = at_once_open, .close = at_once_close,
                                           .free = at_once_free };

static void add(hob_flow *flow, bool is_spread, size_t at_once, hob_flow_order order,
                size_t item_bytes, hob_flow_map_fn *fn, void *arg, const char *caller)
{
    if (at_once == 0)
        hob__misuse_of(caller, "at_once must be at least 1");
    size_t in = STAGE_ALIGNED(hob__flow_item_bytes(flow, caller));
    size_t out = STAGE_ALIGNED(item_bytes), slots, places;
    size_t each = sizeof(struct slot) + sizeof(struct slot *);
    if (item_bytes > ITEM_BYTES_MAX || __builtin_mul_overflow(at_once, each, &slots) ||
        __builtin_mul_overflow(at_once, in + out, &places) ||
        __builtin_add_overflow(STAGE_ALIGNED(slots), places, &places)) {
        hob__flow_spoil(flow, -ENOMEM);
        return;
    }
    struct at_once *self = (struct at_once *)hob__flow_add(flow, &AT_ONCE, places, item_bytes,
                                                           caller);
    if (self == NULL)
        return;
    self->live.name = "flow: map_at_once";
    self->live.body = at_once_body;
    self->live.value_bytes = sizeof(size_t);
    self->live.capacity = at_once;
    self->fn = fn;
    self->arg = arg;
    self->is_spread = is_spread;
    self->count = at_once;
    self->order = order;
    self->aside = (struct slot **)(self->slots + at_once);
    char *place = (char *)self->slots + STAGE_ALIGNED(slots);
    for (size_t i = 0; i < at_once; i++, place += in + out) {
        self->slots[i].item = place;
        self->slots[i].made = place + in;
    }
}

void hob_flow_map_at_once(hob_flow *flow, size_t at_once, hob_flow_order order, size_t item_bytes,
                          hob_flow_map_fn *fn, void *arg)
{
    add(flow, false, at_once, order, item_bytes, fn, arg, "hob_flow_map_at_once");
}

void hob_flow_map_spread(hob_flow *flow, size_t at_once, hob_flow_order order, size_t item_bytes,
                           hob_flow_map_fn *fn, void *arg)
{
    add(flow, true, at_once, order, item_bytes, fn, arg, "hob_flow_map_spread");
}
