/* SPDX-License-Identifier: MIT */
/* The pairing heap of Fredman, Sedgewick, Sleator and Tarjan (1986), with two-pass pairing. */
#include "base/heap.h"

#include "base/check.h"

static bool is_before(const struct heap_node *a, const struct heap_node *b)
{
    return a->key != b->key ? a->key < b->key : a->order < b->order;
}

/* Joins two trees, neither of which has siblings, and returns the new top. */
static struct heap_node *meld(struct heap_node *a, struct heap_node *b)
{
    if (is_before(b, a)) {
        struct heap_node *swap = a;
        a = b;
        b = swap;
    }
    b->next = a->child;
    if (b->next != NULL)
        b->next->prev = b;
    b->prev = a;
    a->child = b;
    return a;
}

/* Joins siblings into one tree: pairs from the left, then all from the right. */
static struct heap_node *meld_all(struct heap_node *first)
{
    struct heap_node *pairs = NULL;
    while (first != NULL) {
        struct heap_node *a = first, *b = a->next;
        first = b != NULL ? b->next : NULL;
        a->next = NULL;
        if (b != NULL) {
            b->next = NULL;
            a = meld(a, b);
        }
        a->next = pairs;
        pairs = a;
    }

    struct heap_node *top = NULL;
    while (pairs != NULL) {
        struct heap_node *tree = pairs;
        pairs = tree->next;
        tree->next = NULL;
        top = top != NULL ? meld(top, tree) : tree;
    }
    return top;
}

static void set_top(struct heap *heap, struct heap_node *top)
{
    heap->top = top;
    if (top != NULL)
        top->prev = top;
}

void hob__heap_push(struct heap *heap, struct heap_node *node)
{
    hob_assert(node->prev == NULL);
    node->child = node->next = NULL;
    set_top(heap, heap->top != NULL ? meld(heap->top, node) : node);
}

void hob__heap_remove(struct heap *heap, struct heap_node *node)
{
    hob_assert(node->prev != NULL);
    struct heap_node *rest = meld_all(node->child);

    if (node == heap->top) {
        set_top(heap, rest);
    } else {
        if (node->prev->child == node)
            node->prev->child = node->next;
        else
            node->prev->next = node->next;
        if (node->next != NULL)
            node->next->prev = node->prev;
        if (rest != NULL)
            set_top(heap, meld(heap->top, rest));
    }
    node->child = node->next = node->prev = NULL;
}
