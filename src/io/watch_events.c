/* SPDX-License-Identifier: MIT */
/* What becomes of several events on one path: watch_events.h. */
#include "io/watch_events.h"

#include <string.h>

#include "base/alloc.h"

void hob__watch_events_init(struct watch_events *events, uint32_t max)
{
    *events = (struct watch_events){ .max = max };
    list_init(&events->batch);
    list_init(&events->ready);
}

void hob__watch_event_free(struct watch_event *event)
{
    if (event == NULL)
        return;
    hob__free(event->path);
    hob__free(event->from);
    hob__free(event);
}

static void unmap(struct watch_events *events, struct watch_event *event)
{
    if (event->is_mapped)
        hob__map_remove(&events->paths, &event->by_path);
    event->is_mapped = false;
}

static void drop(struct watch_events *events, struct list *list)
{
    for (struct list_node *node; (node = list_pop_front(list)) != NULL;) {
        struct watch_event *event = container_of(node, struct watch_event, link);
        unmap(events, event);
        events->count--;
        hob__watch_event_free(event);
    }
}

void hob__watch_events_fini(struct watch_events *events)
{
    drop(events, &events->batch);
    drop(events, &events->ready);
    hob__map_fini(&events->paths);
}

void hob__watch_events_overflow(struct watch_events *events)
{
    drop(events, &events->batch);
    events->any_left = events->tangled = false;
    events->overflowed = events->unlooked = true;
}

struct watch_event *hob__watch_events_find(const struct watch_events *events, const char *path)
{
    uint64_t hash = hob__hash_bytes(path, strlen(path));
    for (struct map_node *node = hob__map_first(&events->paths, hash); node != NULL;
         node = hob__map_next(node)) {
        struct watch_event *event = container_of(node, struct watch_event, by_path);
        if (strcmp(event->path, path) == 0)
            return event;
    }
    return NULL;
}

static bool map_it(struct watch_events *events, struct watch_event *event)
{
    uint64_t hash = hob__hash_bytes(event->path, strlen(event->path));
    event->is_mapped = hob__map_add(&events->paths, &event->by_path, hash) == 0;
    return event->is_mapped;
}

/* What two events on one path, one after the other, come to. Returns whether it is told later
 * than what the first said. */
static bool merge(struct watch_event *event, int after)
{
    int kind = event->kind;
    if (after == HOB_WATCH_REMOVED) {
        event->before = kind;
        event->kind = event->was_there ? HOB_WATCH_REMOVED : WATCH_NOTHING;
        return true;
    }
    if (kind != HOB_WATCH_CREATED &&
        !(kind == HOB_WATCH_CHANGED && after == HOB_WATCH_ATTRIBUTES))
        event->kind = after;
    return event->kind != kind; // a folder that was made stays before what is in it
}

static struct watch_event *new_event(int kind, const char *path, bool is_folder)
{
    struct watch_event *event = hob__alloc_zero(sizeof *event);
    if (event == NULL)
        return NULL;
    event->path = hob__strdup(path);
    if (event->path == NULL) {
        hob__free(event);
        return NULL;
    }
    event->kind = event->before = kind;
    event->is_folder = is_folder;
    return event;
}

struct watch_event *hob__watch_events_add(struct watch_events *events, int kind, const char *path,
                                          bool is_folder)
{
    struct watch_event *event = hob__watch_events_find(events, path);
    bool                was_there = kind != HOB_WATCH_CREATED;
    if (kind == WATCH_PLACED)
        kind = HOB_WATCH_CREATED;
    if (event != NULL) {
        if (merge(event, kind)) {
            list_remove(&event->link);
            list_push_back(&events->batch, &event->link);
        }
        event->cookie = 0;
        event->is_folder = is_folder;
        return event;
    }
    event = events->count < events->max ? new_event(kind, path, is_folder) : NULL;
    if (event == NULL || !map_it(events, event)) {
        hob__watch_event_free(event);
        hob__watch_events_overflow(events);
        return NULL;
    }
    event->was_there = was_there;
    list_push_back(&events->batch, &event->link);
    events->count++;
    return event;
}

/* ---- renames ---- */

bool hob__watch_is_under(const char *path, const char *folder)
{
    size_t len = strlen(folder);
    return strncmp(path, folder, len) == 0 && (path[len] == '\0' || path[len] == '/');
}

static bool is_beneath(const char *path, const char *folder)
{
    return path != NULL && hob__watch_is_under(path, folder) && path[strlen(folder)] != '\0';
}

static bool any_beneath(const struct watch_events *events, const char *folder)
{
    list_for_each (node, &events->batch) {
        if (is_beneath(container_of(node, struct watch_event, link)->path, folder))
            return true;
    }
    return false;
}

static bool any_moved_from(const struct watch_events *events, const char *path)
{
    list_for_each (node, &events->batch) {
        const struct watch_event *event = container_of(node, struct watch_event, link);
        if (event->from != NULL && hob__watch_is_under(event->from, path))
            return true;
    }
    return false;
}

void hob__watch_events_drop_beneath(struct watch_events *events, const char *folder)
{
    list_for_each (node, &events->batch) {
        struct watch_event *event = container_of(node, struct watch_event, link);
        if (!is_beneath(event->path, folder) || event->kind == HOB_WATCH_REMOVED)
            continue;
        unmap(events, event);
        if (event->kind == HOB_WATCH_MOVED) {
            events->tangled |= any_moved_from(events, event->path);
            hob__free(event->path); // it is not any more where it was
            event->path = event->from;
            event->from = NULL;
            event->kind = HOB_WATCH_REMOVED;
        } else {
            event->kind = WATCH_NOTHING;
        }
    }
}

void hob__watch_events_halve(struct watch_events *events, struct watch_event *event,
                             uint32_t cookie)
{
    event->cookie = cookie;
    event->missed = false;
    events->any_left |= event->is_folder;
}

struct watch_event *hob__watch_events_left_above(const struct watch_events *events,
                                                 const char *path)
{
    if (!events->any_left)
        return NULL;
    list_for_each (node, &events->batch) {
        struct watch_event *event = container_of(node, struct watch_event, link);
        if (event->cookie != 0 && event->is_folder && hob__watch_is_under(path, event->path))
            return event;
    }
    return NULL;
}

bool hob__watch_events_left(struct watch_events *events, struct watch_event *event)
{
    if (event == NULL || event->cookie == 0 || !event->is_folder)
        return false;
    event->cookie = 0;
    unmap(events, event); // it is told also when another gets its name: what was in it has gone
    hob__watch_events_drop_beneath(events, event->path);
    return true;
}

static struct watch_event *find_half(const struct watch_events *events, uint32_t cookie)
{
    list_for_each (node, &events->batch) {
        struct watch_event *event = container_of(node, struct watch_event, link);
        if (event->cookie == cookie && cookie != 0)
            return event;
    }
    return NULL;
}

/* The name is taken by another: of what had it is told only that it was removed first. Returns
 * whether there was something before the batch, or may have been. */
static bool drop_replaced(struct watch_events *events, const char *path)
{
    struct watch_event *event = hob__watch_events_find(events, path);
    if (event == NULL)
        return true;
    bool was_there = event->was_there;
    unmap(events, event);
    if (event->kind == HOB_WATCH_CREATED && was_there)
        event->kind = HOB_WATCH_REMOVED; // it was of another kind, perhaps
    if (event->kind == HOB_WATCH_REMOVED)
        return was_there;
    list_remove(&event->link);
    hob__watch_event_free(event);
    events->count--;
    return was_there;
}

/* What was in the folder that is replaced had gone before: names of the new one are others, and
 * what was seen of those by looking is told with it. */
static void clear_beneath(struct watch_events *events, const char *folder)
{
    list_for_each (node, &events->batch) {
        struct watch_event *event = container_of(node, struct watch_event, link);
        if (!is_beneath(event->path, folder))
            continue;
        unmap(events, event);
        if (event->kind != HOB_WATCH_REMOVED && event->kind != HOB_WATCH_MOVED)
            event->kind = WATCH_NOTHING;
    }
}

/* The first half becomes the whole. Nothing happens without memory for it. */
static bool become_one(struct watch_events *events, struct watch_event *half, const char *to,
                       char **ret_from)
{
    bool  is_new = half->kind == WATCH_NOTHING; // under another name, and never seen there
    char *path = hob__strdup(to), *from = is_new ? NULL : hob__strdup(half->path);
    if (path == NULL || (from == NULL && !is_new)) {
        hob__free(path);
        hob__free(from);
        return false;
    }
    bool was_there = drop_replaced(events, to);
    if (half->is_folder)
        clear_beneath(events, to);
    unmap(events, half);
    list_remove(&half->link);
    list_push_back(&events->batch, &half->link);
    *ret_from = half->path;
    half->path = path;
    half->from = from;
    half->cookie = 0;
    half->kind = is_new ? HOB_WATCH_CREATED : HOB_WATCH_MOVED;
    half->was_there = was_there;
    int before = half->before;
    if (is_new && !map_it(events, half))
        hob__watch_events_overflow(events);
    else if (!is_new && (before == HOB_WATCH_CHANGED || before == HOB_WATCH_ATTRIBUTES))
        (void)hob__watch_events_add(events, before, to, half->is_folder); // and that came first
    return true;
}

/* Then what was in it when it came is told; and a name that had left by then is not. */
static bool is_in_new_folder(const struct watch_events *events, const char *path)
{
    list_for_each (node, &events->batch) {
        const struct watch_event *event = container_of(node, struct watch_event, link);
        if (event->kind == HOB_WATCH_CREATED && event->is_folder && is_beneath(path, event->path))
            return true;
    }
    return false;
}

/* Whether a rename says all: the user knows by the old name what was renamed, nothing happened in
 * it, and no folder has left from where it came to. (A new folder may be marked by that name
 * already, or another that was given it later.) */
static bool is_simple(const struct watch_events *events, const struct watch_event *half,
                      const char *to)
{
    const struct watch_event *replaced = hob__watch_events_find(events, to);
    if (half->kind == HOB_WATCH_REMOVED &&
        (half->before == HOB_WATCH_CREATED || is_in_new_folder(events, half->path)))
        return false;
    if (replaced != NULL && replaced->is_folder && replaced->cookie != 0)
        return false;
    return !half->is_folder ||
           !(half->missed || half->kind == WATCH_NOTHING || any_beneath(events, half->path));
}

enum watch_pair hob__watch_events_pair(struct watch_events *events, uint32_t cookie, const char *to,
                                       char **ret_from)
{
    struct watch_event *half = find_half(events, cookie);
    if (half == NULL)
        return PAIR_NONE;
    if (is_simple(events, half, to) && become_one(events, half, to, ret_from))
        return PAIR_ONE;
    char *from = hob__strdup(half->path);
    if (from == NULL)
        return PAIR_NONE; // then it is told of as one that left
    *ret_from = from;
    if (!hob__watch_events_left(events, half))
        half->cookie = 0;
    return PAIR_APART;
}

/* ---- out ---- */

bool hob__watch_events_waits_for_half(const struct watch_events *events)
{
    const struct list_node *last = events->batch.head.prev;
    return last != &events->batch.head &&
           container_of(last, struct watch_event, link)->cookie != 0;
}

bool hob__watch_events_is_empty(const struct watch_events *events)
{
    return list_is_empty(&events->batch) && !events->overflowed;
}

void hob__watch_events_flush(struct watch_events *events)
{
    events->any_left = events->tangled = false;
    for (struct list_node *node; (node = list_pop_front(&events->batch)) != NULL;) {
        struct watch_event *event = container_of(node, struct watch_event, link);
        unmap(events, event);
        if (event->kind != WATCH_NOTHING) {
            list_push_back(&events->ready, &event->link);
            continue;
        }
        events->count--;
        hob__watch_event_free(event);
    }
}

struct watch_event *hob__watch_events_take(struct watch_events *events)
{
    struct list_node *node = list_pop_front(&events->ready);
    if (node == NULL)
        return NULL;
    events->count--;
    return container_of(node, struct watch_event, link);
}
