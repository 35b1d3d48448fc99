/* SPDX-License-Identifier: MIT */
/*
 * Slots: what the kernel is told as user_data, and the entries of the ring.
 *
 * What is done for each op is inline here; what is rare is in uring_slot.c.
 */
#ifndef HOB_BACKEND_URING_SLOT_H
#define HOB_BACKEND_URING_SLOT_H

#include "backend/uring.h"
#include "base/check.h"

int hob__uring_slots_grow(struct uring *u); /* 0 or -ENOMEM */

/* A slot for something the kernel will know; SLOT_NONE when there is no memory. */
static inline uint32_t uring_slot_take(struct uring *u, enum slot_use use, void *owner)
{
    if (hob_unlikely(u->slot_free == SLOT_NONE) && hob__uring_slots_grow(u) < 0)
        return SLOT_NONE;
    uint32_t     index = u->slot_free;
    struct slot *slot = &u->slots[index];
    u->slot_free = slot->next_free;
    slot->use = use;
    slot->owner = owner;
    slot->cancel = CANCEL_NO;
    slot->extra = NULL;
    return index;
}

static inline void uring_slot_give(struct uring *u, uint32_t index)
{
    struct slot *slot = &u->slots[index];
    hob_assert(slot->use != SLOT_FREE);
    slot->use = SLOT_FREE;
    slot->generation++;
    slot->next_free = u->slot_free;
    u->slot_free = index;
}

static inline uint64_t uring_name_of(const struct uring *u, uint32_t index)
{
    return (uint64_t)u->slots[index].generation << 32 | index;
}

/* A cancel will go out with the next poll, if the slot is in use then. */
void hob__uring_owe_cancel(struct uring *u, uint32_t index);
void hob__uring_send_cancels(struct uring *u);

/* The answer to a cancel of that name. Whether it came in time is told by the op's own answer; but
 * when the kernel did not find what it still has, it was just about to try again (to send, to an
 * almost full socket), and may now wait for ever: it is asked again. */
void hob__uring_on_cancel(struct uring *u, uint64_t name, int result);

/* When the queue of entries is full: hands them to the kernel first. */
struct io_uring_sqe *hob__uring_sqe_after_submit(struct uring *u);

/* The next free entry; NULL when the kernel takes none. */
static inline struct io_uring_sqe *uring_sqe(struct uring *u)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);
    return hob_likely(sqe != NULL) ? sqe : hob__uring_sqe_after_submit(u);
}

/* Takes the oldest completion out of the queue, without entering the kernel. The entry is ours only
 * until the queue moves on: so it is copied. */
static inline bool uring_next_completion(struct uring *u, struct io_uring_cqe *ret_cqe)
{
    struct io_uring_cqe *cqe;
    unsigned             head;
    io_uring_for_each_cqe(&u->ring, head, cqe) {
        *ret_cqe = *cqe;
        io_uring_cq_advance(&u->ring, 1);
        return true;
    }
    return false;
}

#endif
