/* SPDX-License-Identifier: MIT */
#include "resilience/store.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"

enum { ALIGN = 16, HEAD = (sizeof(struct entry) + ALIGN - 1) / ALIGN * ALIGN };

static const void *key_of(const struct store *s, const struct entry *e)
{
    return (const char *)e->value + s->value_bytes;
}

struct entry *hob__store_find(const struct store *s, const void *key, size_t key_len)
{
    uint64_t hash = hob__siphash(&s->secret, key, key_len);
    for (struct map_node *node = hob__map_first(&s->table, hash); node != NULL;
         node = hob__map_next(node)) {
        struct entry *e = container_of(node, struct entry, node);
        if (e->key_len == key_len && (key_len == 0 || memcmp(key_of(s, e), key, key_len) == 0))
            return e;
    }
    return NULL;
}

int hob__store_copy(const struct store *s, void *to, const void *from)
{
    if (to == NULL || s->value_bytes == 0)
        return 0;
    if (s->copy != NULL)
        return s->copy(to, from);
    memcpy(to, from, s->value_bytes);
    return 0;
}

/* ---- going ---- */

/* The one that came after it, or NULL. */
static struct entry *newer(const struct store *s, const struct entry *e)
{
    struct list_node *node = e->link.prev;
    return node == &s->order.head ? NULL : container_of(node, struct entry, link);
}

static struct entry *oldest(const struct store *s)
{
    return container_of(s->order.head.prev, struct entry, link);
}

void hob__store_remove(struct store *s, struct entry *e)
{
    if (s->hand == e)
        s->hand = newer(s, e);
    hob__map_remove(&s->table, &e->node);
    list_remove(&e->link);
    s->bytes -= e->bytes;
    if (e->error == 0 && s->drop != NULL)
        s->drop(e->value);
    hob__free(e);
}

void hob__store_clear(struct store *s)
{
    while (!list_is_empty(&s->order))
        hob__store_remove(s, oldest(s));
}

void hob__store_fini(struct store *s)
{
    hob__store_clear(s);
    hob__map_fini(&s->table);
}

static void evict_one(struct store *s, int64_t now_ns)
{
    struct entry *e = s->hand != NULL ? s->hand : oldest(s);
    while (e->asked && now_ns < e->keep_until_ns) {
        e->asked = false;
        e = newer(s, e);
        if (e == NULL)
            e = oldest(s);
    }
    s->evicted += now_ns < e->keep_until_ns;
    s->hand = e;
    hob__store_remove(s, e); // moves the hand on
}

static void make_room(struct store *s, size_t bytes, int64_t now_ns)
{
    while (!list_is_empty(&s->order) &&
           (s->table.count >= s->entries_max || s->bytes + bytes > s->bytes_max))
        evict_one(s, now_ns);
}

/* ---- coming ---- */

static struct entry *entry_new(const struct store *s, const void *key, size_t key_len)
{
    struct entry *e = hob__alloc(HEAD + s->value_bytes + key_len);
    if (e == NULL)
        return NULL;
    *e = (struct entry){ .key_len = key_len, .value = (char *)e + HEAD };
    if (key_len > 0)
        memcpy((char *)e->value + s->value_bytes, key, key_len);
    return e;
}

/* The weight, or 0 when it is more than all may weigh. */
static size_t weigh(const struct store *s, size_t key_len, size_t extra)
{
    size_t bytes;
    if (__builtin_add_overflow(HEAD + s->value_bytes, key_len, &bytes) ||
        __builtin_add_overflow(bytes, extra, &bytes) || bytes > s->bytes_max)
        return 0;
    return bytes;
}

int hob__store_put(struct store *s, const void *key, size_t key_len, const void *value, int error,
                   size_t extra_bytes, int64_t now_ns, struct entry **ret_entry)
{
    hob_assert(error <= 0);
    struct entry *old = hob__store_find(s, key, key_len);
    size_t        bytes = weigh(s, key_len, extra_bytes);
    struct entry *e = bytes != 0 ? entry_new(s, key, key_len) : NULL;
    int           r = bytes == 0 ? -E2BIG : e == NULL ? -ENOMEM : 0;
    if (r == 0 && error == 0)
        r = hob__store_copy(s, e->value, value);
    if (old != NULL)
        hob__store_remove(s, old); // only now: the key, or the value, may be its own
    if (r < 0) {
        hob__free(e);
        return r;
    }
    e->error = error;
    e->bytes = bytes;
    make_room(s, bytes, now_ns);
    uint64_t hash = hob__siphash(&s->secret, key_of(s, e), key_len);
    if (hob__map_add(&s->table, &e->node, hash) < 0) {
        if (error == 0 && s->drop != NULL)
            s->drop(e->value);
        hob__free(e);
        return -ENOMEM;
    }
    list_push_front(&s->order, &e->link);
    s->bytes += bytes;
    *ret_entry = e;
    return 0;
}
