/* SPDX-License-Identifier: MIT */
/* Small files in memory: those that were asked for last. */
#ifndef HOB_SITE_SHELF_H
#define HOB_SITE_SHELF_H

#include "site/site.h"

enum { SHELF_ITEM_MAX = 32768, SHELF_BUCKETS = 1024, SHELF_KEY_MAX = NAME_BYTES + 4, SHELF_TEXT = 64 };

/* An answer. Its texts but for the last two live as long as the folder that is given out. */
struct shelf_item {
    struct shelf_item *next;          /* in its bucket                     */
    struct shelf_item *newer, *older; /* by when it was asked for          */
    unsigned           refs;          /* the shelf's own, and who sends it */
    int64_t            good_until_ns;
    const char        *type, *cache, *coding; /* coding: NULL: none */
    char               etag[SHELF_TEXT], changed[SHELF_TEXT];
    size_t             len, key_len;
    char              *bytes;
    char               key[];
};

struct shelf {
    size_t             bytes, bytes_max;
    int64_t            fresh_ns;
    struct shelf_item *newest, *oldest;
    struct shelf_item *buckets[SHELF_BUCKETS];
};

/* A shelf with nothing on it; NULL: no memory. To free one forgets all that is there; NULL is fine. */
struct shelf *hob__shelf_new(size_t bytes_max, int64_t fresh_ns);
void          hob__shelf_free(struct shelf *shelf);

/* The item of that key, lent until it is put back; NULL: there is none that is fresh. */
struct shelf_item *hob__shelf_take(struct shelf *shelf, const char *key, int64_t now_ns);
void               hob__shelf_put_back(struct shelf_item *item);

/* A new item, with room for its bytes, that belongs to the caller until it is added; NULL: no memory. */
struct shelf_item *hob__shelf_item(const char *key, size_t len);

/* Adds it, in the place of one of that key; others go to make room. */
void hob__shelf_add(struct shelf *shelf, struct shelf_item *item, int64_t now_ns);

#endif
