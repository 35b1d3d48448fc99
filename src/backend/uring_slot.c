/* SPDX-License-Identifier: MIT */
/*
 * The slots of a ring, cancels, and entries: what the kernel is told, apart from what is asked.
 *
 * A slot that is owed a cancel is in the list `owed` until the next poll(), also when it was given
 * back meanwhile; its generation tells.
 */
#include <errno.h>

#include "backend/uring_slot.h"
#include "base/alloc.h"
#include "base/fault.h"

enum { SUBMIT_TRIES = 1000 }; // the kernel is short of memory: then the op fails

int hob__uring_slots_grow(struct uring *u)
{
    uint32_t     cap = u->slots_cap == 0 ? 256 : 2 * u->slots_cap;
    struct slot *slots = hob__realloc(u->slots, cap * sizeof *slots);
    if (slots == NULL)
        return -ENOMEM;
    for (uint32_t i = u->slots_cap; i < cap; i++)
        slots[i] = (struct slot){ .next_free = i + 1 < cap ? i + 1 : SLOT_NONE };
    u->slot_free = u->slots_cap;
    u->slots = slots;
    u->slots_cap = cap;
    return 0;
}

/* ---- entries ---- */

/* Takes completions out of the queue, to be looked at by the next reap(): who asks for an entry may
 * be in the middle of something, and must not find another's op finished or begun meanwhile. */
static void set_aside(struct uring *u)
{
    while (io_uring_cq_ready(&u->ring) > 0) {
        if (u->aside_count == u->aside_cap) {
            uint32_t             cap = u->aside_cap == 0 ? 64 : 2 * u->aside_cap;
            struct io_uring_cqe *aside = hob__realloc(u->aside, cap * sizeof *aside);
            if (aside == NULL)
                return; // they stay where they are
            u->aside = aside;
            u->aside_cap = cap;
        }
        if (uring_next_completion(u, &u->aside[u->aside_count]))
            u->aside_count++;
    }
}

struct io_uring_sqe *hob__uring_sqe_after_submit(struct uring *u)
{
    struct io_uring_sqe *sqe = NULL;
    for (int tries = 0; sqe == NULL && tries < SUBMIT_TRIES; tries++) {
        int r = hob__interrupt() ? -EINTR : io_uring_submit(&u->ring);
        if (r < 0) // too many completions wait, or memory is short: take what is there
            set_aside(u);
        sqe = io_uring_get_sqe(&u->ring);
    }
    return sqe;
}

/* ---- cancels ---- */

static void owed_link(struct uring *u, uint32_t index)
{
    struct slot *slot = &u->slots[index];
    if (slot->in_owed)
        return;
    slot->in_owed = true;
    slot->next_owed = u->owed;
    u->owed = index;
}

void hob__uring_owe_cancel(struct uring *u, uint32_t index)
{
    struct slot *slot = &u->slots[index];
    if (slot->cancel != CANCEL_NO)
        return;
    slot->cancel = CANCEL_OWED;
    slot->cancel_generation = slot->generation;
    owed_link(u, index);
}

static bool is_owed(const struct slot *slot)
{
    return slot->use != SLOT_FREE && slot->cancel == CANCEL_OWED &&
           slot->cancel_generation == slot->generation;
}

void hob__uring_send_cancels(struct uring *u)
{
    while (u->owed != SLOT_NONE) {
        uint32_t index = u->owed;
        u->owed = u->slots[index].next_owed;
        u->slots[index].in_owed = false;
        if (!is_owed(&u->slots[index]))
            continue;

        struct io_uring_sqe *sqe = uring_sqe(u);
        if (sqe == NULL) {
            owed_link(u, index); // the next poll tries again
            return;
        }
        io_uring_prep_cancel64(sqe, uring_name_of(u, index), 0);
        u->slots[index].cancel = CANCEL_SENT;
        io_uring_sqe_set_data64(sqe, NAME_CANCEL | uring_name_of(u, index));
    }
}

void hob__uring_on_cancel(struct uring *u, uint64_t name, int result)
{
    uint32_t     index = (uint32_t)(name & ~NAME_CANCEL);
    struct slot *slot = &u->slots[index];
    if (result != -ENOENT || slot->use == SLOT_FREE || slot->generation != name >> 32 ||
        slot->cancel != CANCEL_SENT)
        return;
    slot->cancel = CANCEL_NO;
    hob__uring_owe_cancel(u, index);
}
