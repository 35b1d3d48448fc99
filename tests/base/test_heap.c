/* SPDX-License-Identifier: MIT */
/* base/heap.h against an array: the same steps on both, compared after each. */
#include "base/heap.h"
#include "base/list.h"
#include "base/rand.h"
#include "support/test.h"

enum { ITEMS = 200 };

struct item {
    struct heap_node node;
    bool             in;
};

struct world {
    struct heap heap;
    struct item items[ITEMS];
    uint64_t    pushed;
};

static void push(struct world *w, struct item *item, int64_t key)
{
    item->node.key = key;
    item->node.order = w->pushed++;
    item->in = true;
    hob__heap_push(&w->heap, &item->node);
}

static void take_out(struct world *w, struct item *item)
{
    hob__heap_remove(&w->heap, &item->node);
    item->in = false;
}

/* The item that must be on top. */
static struct item *smallest(struct world *w)
{
    struct item *best = NULL;
    for (int i = 0; i < ITEMS; i++) {
        struct item *item = &w->items[i];
        if (item->in && (best == NULL || item->node.key < best->node.key
                         || (item->node.key == best->node.key
                             && item->node.order < best->node.order)))
            best = item;
    }
    return best;
}

static int check_top(struct world *w)
{
    struct item *top = smallest(w);
    check(w->heap.top == (top != NULL ? &top->node : NULL));
    return 0;
}

TEST_BARE(heap, the_smallest_is_on_top_whatever_goes_in_and_out)
{
    struct rand rand = { hob_test_seed() };
    for (int round = 0; round < 20; round++) {
        struct world w = { .pushed = 0 };
        int64_t keys = round < 10 ? 5 : 1000000; // many of the same, or few
        for (int step = 0; step < 2000; step++) {
            struct item *item = &w.items[rand_below(&rand, ITEMS)];
            if (!item->in)
                push(&w, item, rand_between(&rand, -keys, keys));
            else if (rand_below(&rand, 2) == 0)
                take_out(&w, item);
            else
                take_out(&w, container_of(w.heap.top, struct item, node));
            check_ok(check_top(&w));
            for (int i = 0; i < ITEMS; i++)
                if (heap_node_is_in(&w.items[i].node) != w.items[i].in)
                    fail("item %d is in the wrong state", i);
        }
    }
}

TEST_BARE(heap, equal_keys_leave_in_the_order_in_which_they_came)
{
    struct world w = { .pushed = 0 };
    for (int i = 0; i < ITEMS; i++)
        push(&w, &w.items[i], 7);
    for (int i = 0; i < ITEMS; i++) {
        check(w.heap.top == &w.items[i].node);
        take_out(&w, &w.items[i]);
    }
    check(w.heap.top == NULL);
}

TEST_BARE(heap, the_ends_of_the_range_are_keys_too)
{
    struct world w = { .pushed = 0 };
    push(&w, &w.items[0], INT64_MAX);
    push(&w, &w.items[1], INT64_MIN);
    push(&w, &w.items[2], 0);
    check(w.heap.top == &w.items[1].node);
    take_out(&w, &w.items[1]);
    check(w.heap.top == &w.items[2].node);
    take_out(&w, &w.items[0]);
    check(w.heap.top == &w.items[2].node);
}
