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

/* Kinds of our own. */
enum {
    WATCH_NOTHING = -1, /* made and removed again                             */
    WATCH_PLACED = -2,  /* to be added: created, perhaps in another's place   */
};

struct watch_event {
    struct list_node link;
    struct map_node  by_path; /* only of those in the batch that may be merged with */
    bool             is_mapped;
    bool             was_there; /* the name had something before the batch, or may have had       */
    int              kind;
    int              before;    /* of REMOVED and NOTHING: what was known of it until then        */
    bool             is_folder;
    uint32_t         cookie;    /* of the first half of a rename; 0: none, or both came           */
    bool             missed;    /* of a half: something happened in the folder since              */
    int              error;
    char            *path, *from;
};

struct watch_events {
    struct list batch, ready;
    struct map  paths;
    uint32_t    count, max;
    bool        any_left;   /* the batch may have a folder that was moved away     */
    bool        tangled;    /* the batch cannot be told: renames lead through what left */
    bool        overflowed; /* to be told before all else                          */
    bool        unlooked;   /* the same, and the folders were not looked at since  */
};

void hob__watch_events_init(struct watch_events *events, uint32_t max);
void hob__watch_events_fini(struct watch_events *events);

/* Takes one in; the path is copied. When there is no room or memory, the batch is dropped and an
 * overflow told. Returns the event, or NULL then. */
struct watch_event *hob__watch_events_add(struct watch_events *events, int kind, const char *path,
                                          bool is_folder);

/* It is the first half of a rename. */
void hob__watch_events_halve(struct watch_events *events, struct watch_event *event,
                             uint32_t cookie);

enum watch_pair {
    PAIR_NONE,  /* there is no first half                                                 */
    PAIR_ONE,   /* the event of the first half became that of the rename                  */
    PAIR_APART, /* they stay two, for more happened: to the folder's content, or the name
                   was another's before; the second is to be told as placed there         */
};

/* The second half of a rename. Where there was a first, it gives its path, to be freed. */
enum watch_pair hob__watch_events_pair(struct watch_events *events, uint32_t cookie, const char *to,
                                       char **ret_from);

/* The folder has left its path: what was made and changed in it cannot be found there. */
void hob__watch_events_drop_beneath(struct watch_events *events, const char *folder);

/* The event of a folder that was moved away, if it is one: then the second half will not come, and
 * nothing is told of what is in the folder. */
bool hob__watch_events_left(struct watch_events *events, struct watch_event *event);

/* The one that the path is, or is in; NULL: none. */
struct watch_event *hob__watch_events_left_above(const struct watch_events *events,
                                                 const char *path);

/* Whether it is the folder, or beneath it. */
bool hob__watch_is_under(const char *path, const char *folder);

struct watch_event *hob__watch_events_find(const struct watch_events *events, const char *path);
bool hob__watch_events_waits_for_half(const struct watch_events *events);
void hob__watch_events_overflow(struct watch_events *events);
bool hob__watch_events_is_empty(const struct watch_events *events); /* the batch */
void hob__watch_events_flush(struct watch_events *events);
struct watch_event *hob__watch_events_take(struct watch_events *events); /* NULL: none is ready */
void hob__watch_event_free(struct watch_event *event);

#endif
