/* SPDX-License-Identifier: MIT */
/*
 * Pairing heap of intrusive nodes, smallest key first; equal keys leave in the
 * order in which they came, when `order` counts up.
 *
 * It needs no memory of its own, so nothing here can fail. Push is O(1), pop and
 * remove are O(log n) amortised. One thread at a time.
 */
#ifndef HOB_BASE_HEAP_H
#define HOB_BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heap_node {
    int64_t  key;
    uint64_t order;
    struct heap_node *child; /* the first of its children                                */
    struct heap_node *next;  /* the next child of the same parent                        */
    struct heap_node *prev;  /* the one before, or the parent; itself at the top; NULL:
                                in no heap                                               */
};

struct heap {
    struct heap_node *top; /* NULL when it is empty */
};

static inline bool heap_node_is_in(const struct heap_node *node)
{
    return node->prev != NULL;
}

/* Puts in a node that is in no heap, with its key and order set. */
void hob__heap_push(struct heap *heap, struct heap_node *node);

/* Takes out a node that is in the heap. */
void hob__heap_remove(struct heap *heap, struct heap_node *node);

#endif
