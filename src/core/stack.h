/* SPDX-License-Identifier: MIT */
/*
 * Stacks: address space in slabs, memory by touch, guards that cost no mapping.
 *
 *      slab (one mapping, 512 stacks of 64 KiB)
 *      ┌───────┬──────────────┬───────┬──────────────┬───────┬─────
 *      │ guard │ ◀── stack 0  │ guard │ ◀── stack 1  │ guard │ …
 *      └───────┴──────────────┴───────┴──────────────┴───────┴─────
 *       4 KiB       64 KiB                      ▲
 *                                              top: the task's record
 *
 * The stride is 17 pages, and tops are shifted by an index-dependent colour, so
 * that the records of many tasks do not compete for the same cache sets.
 *
 * A released stack goes to the pool, hot: the next task gets it. Stacks that went
 * deep have their lower pages given back when the worker is about to sleep. A slab that
 * is empty while many stacks are free is unmapped.
 *
 * While many are in use, the pages where records will lie come a slab at a time: a
 * page fault for each costs more.
 *
 * Guards are MADV_GUARD_INSTALL (Linux 6.13): a million of them live in one
 * mapping. Before that, mprotect: it splits the mapping, so only as many stacks
 * as vm.max_map_count bears get one, and the rest are reported once; a task that
 * parks too deep is then caught by the check in task.c.
 *
 * Threads: a pool belongs to its worker, save hob__stack_find, which a signal
 * handler on the worker's thread may call.
 */
#ifndef HOB_CORE_STACK_H
#define HOB_CORE_STACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "base/list.h"

enum { STACK_CLASSES = 4, STACK_PAGE = 4096 };

struct slab;

struct stack {
    struct list_node link; /* in a free list */
    struct slab     *slab;
    char            *low;  /* the lowest usable byte; the guard is below it */
    char            *top;  /* the end, colour taken off */
    bool             is_hot; /* in the list of hot ones */
    uint8_t          class_index;
    unsigned         valgrind_id; /* what Valgrind knows it by */
};

struct stack_class {
    struct list hot;       /* free, last used first; may be deep          */
    struct list trimmed;   /* free, at most their top page in memory      */
    struct list slabs;
    uint32_t    hot_count;
    uint32_t    free_count;
    uint32_t    mapped;
};

struct stack_pool {
    struct stack_class classes[STACK_CLASSES];
    struct stack      *last;                   /* came back last, and is in no list: mostly the
                                                  next to go out; or NULL                    */
    uint32_t           guards_by_mprotect;     /* how many stacks have one; 0 with the new way */
    uint32_t           guards_by_mprotect_max;
    bool               guard_install_works;
    bool               guards_ran_out;         /* to be reported by the owner */
};

void hob__stack_pool_init(struct stack_pool *pool);
void hob__stack_pool_fini(struct stack_pool *pool); /* all stacks are back */

/* The class for at least that many bytes; the largest if it is more. */
int    hob__stack_class(size_t bytes);
size_t hob__stack_bytes(const struct stack *stack);

struct stack *hob__stack_get_other(struct stack_pool *pool, int stack_class);
void          hob__stack_put_away(struct stack_pool *pool, struct stack *stack);

/* A stack of the class, or NULL when there is no memory. */
static inline struct stack *hob__stack_get(struct stack_pool *pool, int stack_class)
{
    struct stack *last = pool->last;
    if (hob_unlikely(last == NULL || last->class_index != stack_class))
        return hob__stack_get_other(pool, stack_class);
    pool->last = NULL;
    return last;
}

static inline void hob__stack_put(struct stack_pool *pool, struct stack *stack)
{
    struct stack *before = pool->last;
    pool->last = stack;
    if (hob_unlikely(before != NULL))
        hob__stack_put_away(pool, before);
}

/* How many bytes from the top have been touched since it was last trimmed, in
 * whole pages. One system call. */
size_t hob__stack_touched(const struct stack *stack);

/* Gives back the memory of a stack that is not in use, but for its top page. */
void hob__stack_trim(struct stack *stack);

/* Gives memory of free stacks back: for when the worker is about to sleep. */
void hob__stack_pool_trim(struct stack_pool *pool);

/* The stack whose guard (or, with `inside`, whose usable part) holds the address;
 * NULL if none does. Safe in a signal handler on the worker's thread. */
const struct stack *hob__stack_find(const struct stack_pool *pool, const void *address,
                                    bool inside);

#endif
