/* SPDX-License-Identifier: MIT */
/*
 * Hash map of intrusive nodes.
 *
 * The user embeds a map_node, computes the hash, and compares the keys itself:
 *
 *     for (struct map_node *n = hob__map_first(&map, hash); n != NULL; n = hob__map_next(n))
 *         if (container_of(n, struct thing, node)->id == id) ...
 *
 * Several nodes may have the same key. The order of a walk depends on the hashes
 * and the history alone, never on addresses. All zero is an empty map. One
 * thread at a time.
 */
#ifndef HOB_BASE_MAP_H
#define HOB_BASE_MAP_H

#include <stddef.h>
#include <stdint.h>

struct map_node {
    struct map_node *next;
    uint64_t         hash;
};

struct map {
    struct map_node **buckets;
    size_t            cap;   /* a power of two, or 0 */
    size_t            count;
};

/* Frees the map's own memory. Its nodes are the user's. */
void hob__map_fini(struct map *map);

/* Adds a node. Returns 0, or -ENOMEM, which only the first one can get: a map
 * that cannot grow becomes slower instead. */
int hob__map_add(struct map *map, struct map_node *node, uint64_t hash);

/* Takes out a node that is in the map. */
void hob__map_remove(struct map *map, struct map_node *node);

/* The nodes that have this hash, one after the other; NULL: no more. */
struct map_node *hob__map_first(const struct map *map, uint64_t hash);
struct map_node *hob__map_next(const struct map_node *node);

/* Empties the map and returns all its nodes as a chain by `next`. */
struct map_node *hob__map_take_all(struct map *map);

uint64_t hob__hash_bytes(const void *data, size_t len);

/* Spreads a number over all bits (the finalizer of SplitMix64). */
static inline uint64_t hash_u64(uint64_t n)
{
    n = (n ^ (n >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    n = (n ^ (n >> 27)) * UINT64_C(0x94D049BB133111EB);
    return n ^ (n >> 31);
}

#endif
