/* SPDX-License-Identifier: MIT */
/*
 * Flows from inside: a chain of stages, each of which asks the one above it.
 *
 *     source ◀─ next ── stage ◀─ next ── stage ◀─ next ── who asks
 *
 * Who asks is the task that runs the flow, or the task of a stage further down. It opens the
 * chain with a scope of its own, in which the stages above it start their tasks; it asks until
 * there is an end; and it closes the chain, which cancels and joins those tasks. A stage with a
 * task opens nothing above it but in that task: so the tasks of a flow are a tree, and nothing is
 * left when its root is closed.
 *
 *     BUILT ── open ──▶ asked ── end, error ──▶ not asked again ── close ──▶ closed ── free
 *       │                 └──────────────────── close ─────────────────────────▲
 *       └── free
 *
 * What holds:
 *   1. One task at a time asks a stage, and the one that opened it.
 *   2. A stage that said the end, or an error, is not asked again before it is freed.
 *   3. An item that `next` gave belongs to who asked; all others to the stage, which drops
 *      them at the latest when it is closed.
 *   4. Closing twice, or what was never opened, does nothing.
 *
 * This room uses of Hob what users have, but for memory (base/alloc.h) and checks.
 *
 * Memory: one block for each stage, with room for the items that it holds; and the channel of a
 * stage with a task, from open to free. None for an item.
 */
#ifndef HOB_FLOW_FLOW_H
#define HOB_FLOW_FLOW_H

#include <stdbool.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"
#include "hob/flow.h"

struct stage;

/* What an item is, at one place of a flow. */
struct item {
    size_t            bytes;
    hob_flow_drop_fn *drop; /* NULL: it owns nothing */
    hob_flow_copy_fn *copy;
    void             *arg;
};

struct stage_type {
    size_t size; /* of the stage's own struct */

    /* Writes the next item, and returns 1; 0 at the end; or an error. May wait. */
    int (*next)(struct stage *stage, void *ret_item);

    /* Each of these may be NULL. open and close are for this stage and all above it. */
    int  (*open)(struct stage *stage, hob_scope *scope);
    void (*close)(struct stage *stage);
    void (*free)(struct stage *stage); /* what it holds beside its block and the one above */
};

struct stage {
    int (*next)(struct stage *stage, void *ret_item); /* type->next, one load nearer */
    struct stage            *up;                       /* NULL: a source */
    struct item              out;
    const struct stage_type *type;
};

enum flow_state { FLOW_BUILDING, FLOW_BEGUN, FLOW_LENT };

struct hob_flow {
    uint32_t        tag;
    uint32_t        worker;
    enum flow_state state;
    int             ended; /* begun: what hob_flow_next returns from now on; 0: not yet */
    int             error; /* building failed */
    struct stage   *last;
};

/* Makes a flow of one stage, or adds a stage, with `extra` bytes behind its struct, all zero; its
 * items are `item_bytes` each, and own nothing. NULL when there is no memory, which the flow
 * remembers; and when it failed before. `caller` is the public function. */
struct stage *hob__flow_new(const struct stage_type *type, size_t extra, size_t item_bytes,
                            hob_flow **ret_flow);
struct stage *hob__flow_add(hob_flow *flow, const struct stage_type *type, size_t extra,
                            size_t item_bytes, const char *caller);

/* Takes the stages out of a flow, and frees the rest of it; NULL, with its error, when it is none.
 * For flows that are given to another. */
struct stage *hob__flow_take(hob_flow *flow, int *ret_error, const char *caller);

/* The same for a stage that passes items on as they are. */
struct stage *hob__flow_add_passing(hob_flow *flow, const struct stage_type *type, size_t extra,
                                    const char *caller);

/* Says that the flow cannot be run. */
void hob__flow_spoil(hob_flow *flow, int error);

/* Stops the program unless it can be built on. */
void hob__flow_check(const hob_flow *flow, const char *caller);

/* How large its items are so far; 1 when there is none. */
size_t hob__flow_item_bytes(const hob_flow *flow, const char *caller);

/* Stops the program unless both have items of one size, and drop them by one function. */
void hob__flow_check_alike(const struct item *a, const struct item *b, const char *caller);

int  hob__stage_open(struct stage *stage, hob_scope *scope);
void hob__stage_close(struct stage *stage);
void hob__stage_free(struct stage *stage); /* NULL too */

/* More than can be had: so sums of a few items do not wrap. */
#define ITEM_BYTES_MAX ((size_t)PTRDIFF_MAX / 16)

static inline int stage_next(struct stage *stage, void *ret_item)
{
    return stage->next(stage, ret_item);
}

static inline void item_drop(const struct item *item, void *at)
{
    if (item->drop != NULL)
        item->drop(item->arg, at);
}

/* Items lie where malloc would have put them: `extra` bytes begin there, too, as an array at the
 * end of the stage's struct. */
#define STAGE_ALIGNED(bytes) (((bytes) + 15) & ~(size_t)15)

/* Most items are a word or two, for which a call of memcpy costs more than the copy. */
static inline void item_copy(void *to, const void *from, size_t bytes)
{
    switch (bytes) {
    case 4:
        memcpy(to, from, 4);
        return;
    case 8:
        memcpy(to, from, 8);
        return;
    default:
        memcpy(to, from, bytes);
    }
}

/* Who makes items without waiting lets others run now and then, and learns that it is
 * cancelled. */
static inline int source_turn(uint64_t made)
{
    return made % 16 == 0 ? hob_checkpoint() : 0;
}

#endif
