/* SPDX-License-Identifier: MIT */
/* base/map.h against an array: the same steps on both, compared after each. */
#include "base/alloc.h"
#include "base/fault.h"
#include "base/list.h"
#include "base/map.h"
#include "base/rand.h"
#include "support/test.h"

enum { ITEMS = 300 };

struct item {
    struct map_node node;
    bool            in;
};

static struct item *find(const struct map *map, struct item *items, int number, uint64_t hash)
{
    for (struct map_node *link = hob__map_first(map, hash); link != NULL;
         link = hob__map_next(link))
        if (container_of(link, struct item, node) == &items[number])
            return &items[number];
    return NULL;
}

static int compare(const struct map *map, struct item *items, uint64_t hashes)
{
    size_t count = 0;
    for (int i = 0; i < ITEMS; i++) {
        check_eq(find(map, items, i, (uint64_t)i % hashes) != NULL, items[i].in);
        count += items[i].in;
    }
    check_eq(map->count, count);
    return 0;
}

/* With one hash for all, for some, and for each. */
TEST_BARE(map, finds_what_is_in_it_and_nothing_else)
{
    static const uint64_t hashes[] = { 1, 7, ITEMS };
    struct rand rand = { hob_test_seed() };
    for (size_t h = 0; h < 3; h++) {
        struct map  map = { 0 };
        struct item items[ITEMS] = { 0 };
        for (int step = 0; step < 1500; step++) {
            uint64_t i = rand_below(&rand, ITEMS);
            if (items[i].in)
                hob__map_remove(&map, &items[i].node);
            else
                check_ok(hob__map_add(&map, &items[i].node, i % hashes[h]));
            items[i].in = !items[i].in;
            if (step % 50 == 0)
                check_ok(compare(&map, items, hashes[h]));
        }
        hob__map_fini(&map);
    }
}

TEST_BARE(map, taken_apart_it_gives_every_node_once)
{
    struct map  map = { 0 };
    struct item items[ITEMS] = { 0 };
    int         seen = 0;
    for (uint64_t i = 0; i < ITEMS; i++)
        check_ok(hob__map_add(&map, &items[i].node, hash_u64(i)));
    for (struct map_node *link = hob__map_take_all(&map); link != NULL; link = link->next) {
        struct item *item = container_of(link, struct item, node);
        check(!item->in);
        item->in = true;
        seen++;
    }
    check_eq(seen, ITEMS);
    check_eq(map.count, 0);
    check(hob__map_first(&map, hash_u64(1)) == NULL);
    check(hob__map_take_all(&map) == NULL);
    hob__map_fini(&map);
}

TEST_BARE(map, an_empty_one_needs_no_memory)
{
    struct map map = { 0 };
    check(hob__map_first(&map, 1) == NULL);
    check(hob__map_take_all(&map) == NULL);
    hob__map_fini(&map);
}

/* Once: it makes faults of its own. */
TEST_AS(map, only_the_first_node_can_find_no_memory, HOB_TEST_NO_RUNTIME | HOB_TEST_ONE_SEED, NULL)
{
    struct map  map = { 0 };
    struct item items[100] = { 0 };
    hob__fault_start(0);
    int first = hob__map_add(&map, &items[0].node, 1);
    hob__fault_stop();
    check_err(first, -ENOMEM);
    check_eq(map.count, 0);

    check_ok(hob__map_add(&map, &items[0].node, 0));
    for (uint64_t i = 1; i < 100; i++) {
        hob__fault_start(0);
        int rc = hob__map_add(&map, &items[i].node, i);
        hob__fault_stop();
        check_ok(rc);
    }
    for (uint64_t i = 0; i < 100; i++)
        check(hob__map_first(&map, i) == &items[i].node);
    hob__map_fini(&map);
}

TEST_BARE(map, hashes_of_bytes_differ_where_the_bytes_do)
{
    check_eq(hob__hash_bytes("abc", 3), hob__hash_bytes("abc", 3));
    check_ne(hob__hash_bytes("abc", 3), hob__hash_bytes("abd", 3));
    check_ne(hob__hash_bytes("a", 1), hob__hash_bytes("a\0", 2));
    check_ne(hash_u64(1), hash_u64(2));
}
