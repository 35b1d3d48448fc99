/* SPDX-License-Identifier: MIT */
/*
 * Events of a watch on their way to its user: gathered, merged, given out.
 *
 *     add ──▶ batch, one for each path ── flush ──▶ ready ── take ──▶ (the user's)
 */
#ifndef HOB_IO_WATCH_EVENTS_H
#define HOB_IO_WATCH_EVENTS_H

#include <stdbool.h>

#include "base/list.h"
#include "base/map.h"
#include "hob/watch.h"

enum { WATCH_NOTHING = -1 }; /* a kind: made and removed again */

struct watch_event {
    struct list_node link;
    struct map_node  by_path; /* only of those in the batch that may be merged with */
    bool             is_mapped;
    int              kind;
    bool             is_folder;
    uint32_t         cookie;  /* of the first half of a rename; 0: none, or both came */
    int              error;
    char            *path, *from;
};

struct watch_events {
    struct list batch, ready;
    struct map  paths;
    uint32_t    count, max;
    bool        overflowed; /* to be told before all else */
};

void hob__watch_events_init(struct watch_events *events, uint32_t max);
void hob__watch_events_fini(struct watch_events *events);

/* Takes one in; the path is copied. When there is no room or memory, the batch is dropped and an
 * overflow told. Returns the event, or NULL then. */
struct watch_event *hob__watch_events_add(struct watch_events *events, int kind, const char *path,
                                          bool is_folder);

/* The second half of a rename: the event of the first one becomes it. False: there is none. */
bool hob__watch_events_pair(struct watch_events *events, uint32_t cookie, const char *to,
                            char **ret_from);

bool hob__watch_events_waits_for_half(const struct watch_events *events);
void hob__watch_events_overflow(struct watch_events *events);
bool hob__watch_events_is_empty(const struct watch_events *events); /* the batch */
void hob__watch_events_flush(struct watch_events *events);
struct watch_event *hob__watch_events_take(struct watch_events *events); /* NULL: none is ready */
void hob__watch_event_free(struct watch_event *event);

#endif
