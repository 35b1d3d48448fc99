/* SPDX-License-Identifier: MIT */
/*
 * What a cache keeps: entries by key, so many and so many bytes.
 *
 *     newest                                          oldest
 *       ┌───┬───┬───┬───┬───┬───┬───┬───┬───┐
 *       │   │ a │   │ a │   │   │ a │   │ a │     a: asked for since the hand was there
 *       └───┴───┴───┴───┴───┴───┴───┴───┴───┘
 *                         ▲ ◀── the hand
 *
 * SIEVE (Zhang et al. 2024): new entries come in front, and asking for one only marks it. When
 * one has to go, the hand moves from the oldest to the newest, takes marks away, and takes out
 * the first entry without one, and at once any that is past all its time. From the front it goes
 * back to the end.
 *
 * Times are the cache's to set and to look at, but for `keep_until_ns`.
 *
 * Threads: one worker. Memory: a block for each entry, with the value and the key.
 */
#ifndef HOB_RESILIENCE_STORE_H
#define HOB_RESILIENCE_STORE_H

#include <stdbool.h>

#include "base/list.h"
#include "base/map.h"
#include "base/siphash.h"

struct entry {
    struct map_node  node;
    struct list_node link;
    int64_t          fresh_until_ns;
    int64_t          refresh_at_ns;
    int64_t          retry_at_ns;   /* a load has failed, and is not begun before */
    int64_t          keep_until_ns; /* of no use to anybody any more              */
    size_t           bytes;         /* that it weighs, all in all                 */
    size_t           key_len;
    int              error;         /* < 0: this is kept, and no value            */
    bool             asked;
    void            *value;         /* behind this record, and then the key       */
};

struct store {
    size_t             value_bytes;
    int              (*copy)(void *to, const void *from);
    void             (*drop)(void *value);
    size_t             entries_max, bytes_max;
    struct siphash_key secret;
    struct map         table;
    struct list        order; /* newest first                   */
    struct entry      *hand;  /* the next to look at; NULL: the oldest */
    size_t             bytes;
    uint64_t           evicted;
};

struct entry *hob__store_find(const struct store *s, const void *key, size_t key_len);

/* Puts an entry in the place of the one of that key: a copy of the value, or an error < 0. Others
 * go if there is no room. Returns 0; -ENOMEM, copy's error, -E2BIG; then the key has none. */
int hob__store_put(struct store *s, const void *key, size_t key_len, const void *value, int error,
                   size_t extra_bytes, int64_t now_ns, struct entry **ret_entry);

void hob__store_remove(struct store *s, struct entry *entry);
void hob__store_clear(struct store *s);
void hob__store_fini(struct store *s);

/* Copies the value of an entry; `to` may be NULL. Returns 0 or copy's error. */
int hob__store_copy(const struct store *s, void *to, const void *from);

#endif
