/* SPDX-License-Identifier: MIT */
/* base/list.h against an array: the same steps on both, compared after each. */
#include "base/list.h"
#include "base/rand.h"
#include "support/test.h"

enum { ITEMS = 12 };

struct item {
    int              number;
    struct list_node link;
};

/* Two lists of items, and the same as plain arrays. */
struct world {
    struct item items[ITEMS];
    struct list lists[2];
    int         model[2][ITEMS];
    int         count[2];
};

static void world_init(struct world *w)
{
    memset(w, 0, sizeof *w);
    for (int i = 0; i < ITEMS; i++) {
        w->items[i].number = i;
        list_node_init(&w->items[i].link);
    }
    list_init(&w->lists[0]);
    list_init(&w->lists[1]);
}

static void model_insert(struct world *w, int list, int at, int number)
{
    memmove(&w->model[list][at + 1], &w->model[list][at],
            sizeof(int) * (size_t)(w->count[list] - at));
    w->model[list][at] = number;
    w->count[list]++;
}

static void model_remove(struct world *w, int number)
{
    for (int l = 0; l < 2; l++) {
        for (int i = 0; i < w->count[l]; i++) {
            if (w->model[l][i] != number)
                continue;
            w->count[l]--;
            memmove(&w->model[l][i], &w->model[l][i + 1],
                    sizeof(int) * (size_t)(w->count[l] - i));
            return;
        }
    }
}

static int compare(struct world *w)
{
    for (int l = 0; l < 2; l++) {
        int i = 0;
        check_eq(list_is_empty(&w->lists[l]), w->count[l] == 0);
        list_for_each(node, &w->lists[l]) {
            check_lt(i, w->count[l]);
            check_eq(container_of(node, struct item, link)->number, w->model[l][i]);
            check_eq(node->next->prev, node);
            i++;
        }
        check_eq(i, w->count[l]);
    }
    return 0;
}

static void step(struct world *w, struct rand *rand)
{
    int          list = (int)rand_below(rand, 2);
    struct item *item = &w->items[rand_below(rand, ITEMS)];
    bool         is_linked = list_node_is_linked(&item->link);

    if (rand_below(rand, 8) == 0) {
        list_append(&w->lists[list], &w->lists[!list]);
        for (int i = 0; i < w->count[!list]; i++)
            w->model[list][w->count[list]++] = w->model[!list][i];
        w->count[!list] = 0;
    } else if (rand_below(rand, 8) == 0) {
        struct list_node *first = list_pop_front(&w->lists[list]);
        if (first != NULL)
            model_remove(w, container_of(first, struct item, link)->number);
    } else if (is_linked) {
        list_remove(&item->link);
        model_remove(w, item->number);
    } else if (rand_below(rand, 3) == 0) {
        list_push_front(&w->lists[list], &item->link);
        model_insert(w, list, 0, item->number);
    } else if (rand_below(rand, 2) == 0 && w->count[list] > 0) {
        int at = (int)rand_below(rand, (uint64_t)w->count[list]);
        list_insert_before(&w->items[w->model[list][at]].link, &item->link);
        model_insert(w, list, at, item->number);
    } else {
        list_push_back(&w->lists[list], &item->link);
        model_insert(w, list, w->count[list], item->number);
    }
}

TEST_BARE(list, any_order_of_steps_gives_what_an_array_gives)
{
    struct world w;
    struct rand  rand = { hob_test_seed() };
    world_init(&w);
    for (int i = 0; i < 100000; i++) {
        step(&w, &rand);
        check_ok(compare(&w));
    }
}

TEST_BARE(list, the_one_at_hand_may_be_removed_while_walking)
{
    struct world w;
    world_init(&w);
    for (int i = 0; i < ITEMS; i++)
        list_push_back(&w.lists[0], &w.items[i].link);
    list_for_each(node, &w.lists[0]) {
        if (container_of(node, struct item, link)->number % 2 == 0)
            list_remove(node);
    }
    int seen = 0;
    list_for_each(node, &w.lists[0]) {
        check_eq(container_of(node, struct item, link)->number, 2 * seen + 1);
        seen++;
    }
    check_eq(seen, ITEMS / 2);
}

TEST_BARE(list, a_removed_node_knows_that_it_is_out)
{
    struct world w;
    world_init(&w);
    check(!list_node_is_linked(&w.items[0].link));
    list_push_back(&w.lists[0], &w.items[0].link);
    check(list_node_is_linked(&w.items[0].link));
    check_eq(list_first(&w.lists[0]), &w.items[0].link);
    list_remove(&w.items[0].link);
    list_remove(&w.items[0].link); // twice is once
    check(!list_node_is_linked(&w.items[0].link));
    check_eq(list_first(&w.lists[0]), NULL);
    check_eq(list_pop_front(&w.lists[0]), NULL);
}
