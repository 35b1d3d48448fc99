/* SPDX-License-Identifier: MIT */
/*
 * Small files in memory, by key; the one that was asked for longest ago goes first.
 *
 *     buckets[hash] ─▶ item ─▶ item          newest ◀─▶ item ◀─▶ ... ◀─▶ oldest
 *
 * Between calls: each item is in its bucket and in the list, and has one of its refs for that; `bytes` is
 * what they weigh, and at most bytes_max.
 */
#include "site/shelf.h"

#include <stdlib.h>
#include <string.h>

/* FNV-1a; who fills a bucket on purpose makes his own requests slow, and only as many as fit. */
static size_t bucket_of(const char *key, size_t len)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ (unsigned char)key[i]) * UINT64_C(0x100000001b3);
    return (size_t)((hash >> 32) % SHELF_BUCKETS);
}

static size_t weight(const struct shelf_item *item)
{
    return sizeof *item + item->key_len + item->len;
}

static struct shelf_item **find(struct shelf *shelf, const char *key, size_t len)
{
    struct shelf_item **at = &shelf->buckets[bucket_of(key, len)];
    while (*at != NULL && ((*at)->key_len != len || memcmp((*at)->key, key, len) != 0))
        at = &(*at)->next;
    return at;
}

static void unlink_item(struct shelf *shelf, struct shelf_item *item)
{
    *(item->newer != NULL ? &item->newer->older : &shelf->newest) = item->older;
    *(item->older != NULL ? &item->older->newer : &shelf->oldest) = item->newer;
}

static void link_newest(struct shelf *shelf, struct shelf_item *item)
{
    item->newer = NULL;
    item->older = shelf->newest;
    *(shelf->newest != NULL ? &shelf->newest->newer : &shelf->oldest) = item;
    shelf->newest = item;
}

static void forget(struct shelf *shelf, struct shelf_item *item)
{
    *find(shelf, item->key, item->key_len) = item->next;
    unlink_item(shelf, item);
    shelf->bytes -= weight(item);
    hob__shelf_put_back(item);
}

struct shelf_item *hob__shelf_take(struct shelf *shelf, const char *key, int64_t now_ns)
{
    struct shelf_item *item = *find(shelf, key, strlen(key));
    if (item == NULL)
        return NULL;
    if (item->good_until_ns <= now_ns) {
        forget(shelf, item);
        return NULL;
    }
    unlink_item(shelf, item);
    link_newest(shelf, item);
    item->refs++;
    return item;
}

void hob__shelf_put_back(struct shelf_item *item)
{
    if (item != NULL && --item->refs == 0)
        free(item);
}

struct shelf_item *hob__shelf_item(const char *key, size_t len)
{
    size_t             key_len = strlen(key);
    struct shelf_item *item = hob__site_alloc(sizeof *item + key_len + len);
    if (item == NULL)
        return NULL;
    memcpy(item->key, key, key_len);
    item->refs = 1;
    item->key_len = key_len;
    item->len = len;
    item->bytes = item->key + key_len;
    return item;
}

void hob__shelf_add(struct shelf *shelf, struct shelf_item *item, int64_t now_ns)
{
    struct shelf_item *old = *find(shelf, item->key, item->key_len);
    if (old != NULL)
        forget(shelf, old);
    if (weight(item) > shelf->bytes_max) {
        hob__shelf_put_back(item);
        return;
    }
    while (shelf->bytes + weight(item) > shelf->bytes_max)
        forget(shelf, shelf->oldest);
    item->good_until_ns = now_ns + shelf->fresh_ns;
    struct shelf_item **bucket = &shelf->buckets[bucket_of(item->key, item->key_len)];
    item->next = *bucket;
    *bucket = item;
    link_newest(shelf, item);
    shelf->bytes += weight(item);
}

struct shelf *hob__shelf_new(size_t bytes_max, int64_t fresh_ns)
{
    struct shelf *shelf = hob__site_alloc(sizeof *shelf);
    if (shelf == NULL)
        return NULL;
    shelf->bytes_max = bytes_max;
    shelf->fresh_ns = fresh_ns;
    return shelf;
}

void hob__shelf_free(struct shelf *shelf)
{
    while (shelf != NULL && shelf->oldest != NULL)
        forget(shelf, shelf->oldest);
    free(shelf);
}
