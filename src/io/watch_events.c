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
    events->overflowed = true;
}

static struct watch_event *find(const struct watch_events *events, const char *path)
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

/* What two events on one path, one after the other, come to. */
static int merged(int before, int after)
{
    switch (before) {
    case HOB_WATCH_CREATED:
        return after == HOB_WATCH_REMOVED ? WATCH_NOTHING : HOB_WATCH_CREATED;
    case HOB_WATCH_CHANGED:
        return after == HOB_WATCH_ATTRIBUTES ? HOB_WATCH_CHANGED : after;
    default:
        return after;
    }
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
    event->kind = kind;
    event->is_folder = is_folder;
    return event;
}

struct watch_event *hob__watch_events_add(struct watch_events *events, int kind, const char *path,
                                          bool is_folder)
{
    struct watch_event *event = find(events, path);
    if (event != NULL) {
        event->kind = merged(event->kind, kind);
        event->cookie = 0;
        event->is_folder = is_folder;
        list_remove(&event->link); // it is as late as its last
        list_push_back(&events->batch, &event->link);
        return event;
    }
    event = events->count < events->max ? new_event(kind, path, is_folder) : NULL;
    if (event == NULL || !map_it(events, event)) {
        hob__watch_event_free(event);
        hob__watch_events_overflow(events);
        return NULL;
    }
    list_push_back(&events->batch, &event->link);
    events->count++;
    return event;
}

bool hob__watch_events_pair(struct watch_events *events, uint32_t cookie, const char *to,
                            char **ret_from)
{
    struct watch_event *first = NULL;
    list_for_each (node, &events->batch) {
        struct watch_event *event = container_of(node, struct watch_event, link);
        if (event->cookie == cookie && cookie != 0)
            first = event;
    }
    if (first == NULL)
        return false;
    char *from = first->path, *path = hob__strdup(to);
    if (path == NULL)
        return false; // then it is one event of each
    struct watch_event *replaced = find(events, to);
    if (replaced != NULL) {
        unmap(events, replaced);
        list_remove(&replaced->link);
        hob__watch_event_free(replaced);
        events->count--;
    }
    unmap(events, first);
    *ret_from = from;
    first->path = path;
    first->cookie = 0;
    list_remove(&first->link);
    list_push_back(&events->batch, &first->link);
    if (first->kind == WATCH_NOTHING) { // made under another name, and never seen there
        first->kind = HOB_WATCH_CREATED;
        map_it(events, first);
    } else {
        first->kind = HOB_WATCH_MOVED;
        first->from = hob__strdup(from);
        if (first->from == NULL)
            hob__watch_events_overflow(events);
    }
    return true;
}

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
