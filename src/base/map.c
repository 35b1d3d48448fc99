/* SPDX-License-Identifier: MIT */
/* Hash map with chains; it doubles when there are as many nodes as buckets. */
#include "base/map.h"

#include <errno.h>

#include "base/alloc.h"
#include "base/check.h"

enum { CAP_FIRST = 16 };

static struct map_node **bucket_of(const struct map *map, uint64_t hash)
{
    return &map->buckets[hash & (map->cap - 1)];
}

static int grow(struct map *map)
{
    struct map old = *map;
    size_t cap = old.cap != 0 ? old.cap * 2 : CAP_FIRST;
    struct map_node **buckets = hob__alloc_zero(cap * sizeof(struct map_node *));
    if (buckets == NULL)
        return -ENOMEM;

    map->buckets = buckets;
    map->cap = cap;
    for (size_t i = 0; i < old.cap; i++) {
        for (struct map_node *node = old.buckets[i], *next; node != NULL; node = next) {
            next = node->next;
            struct map_node **bucket = bucket_of(map, node->hash);
            node->next = *bucket;
            *bucket = node;
        }
    }
    hob__free(old.buckets);
    return 0;
}

void hob__map_fini(struct map *map)
{
    hob__free(map->buckets);
    *map = (struct map){ 0 };
}

int hob__map_add(struct map *map, struct map_node *node, uint64_t hash)
{
    if (map->count >= map->cap) {
        int rc = grow(map);
        if (rc < 0 && map->cap == 0)
            return rc;
    }
    struct map_node **bucket = bucket_of(map, hash);
    node->hash = hash;
    node->next = *bucket;
    *bucket = node;
    map->count++;
    return 0;
}

void hob__map_remove(struct map *map, struct map_node *node)
{
    struct map_node **at = bucket_of(map, node->hash);
    while (*at != node) {
        hob_assert(*at != NULL);
        at = &(*at)->next;
    }
    *at = node->next;
    node->next = NULL;
    map->count--;
}

static struct map_node *skip_others(struct map_node *node, uint64_t hash)
{
    while (node != NULL && node->hash != hash)
        node = node->next;
    return node;
}

struct map_node *hob__map_first(const struct map *map, uint64_t hash)
{
    return map->cap != 0 ? skip_others(*bucket_of(map, hash), hash) : NULL;
}

struct map_node *hob__map_next(const struct map_node *node)
{
    return skip_others(node->next, node->hash);
}

struct map_node *hob__map_take_all(struct map *map)
{
    struct map_node *all = NULL;
    for (size_t i = 0; i < map->cap; i++) {
        for (struct map_node *node = map->buckets[i], *next; node != NULL; node = next) {
            next = node->next;
            node->next = all;
            all = node;
        }
        map->buckets[i] = NULL;
    }
    map->count = 0;
    return all;
}

/* FNV-1a, spread once more because its low bits are weak. */
uint64_t hob__hash_bytes(const void *data, size_t len)
{
    const uint8_t *bytes = data;
    uint64_t hash = UINT64_C(0xCBF29CE484222325);
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ bytes[i]) * UINT64_C(0x100000001B3);
    return hash_u64(hash);
}
