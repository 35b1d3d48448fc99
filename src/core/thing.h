/* SPDX-License-Identifier: MIT */
/*
 * Things: objects in memory that a user made and is to free, without a descriptor: promises,
 * channels and their kin. Each is in the list of the worker that made it, so that what is left
 * at the end of a run is told, with the place, and freed.
 *
 * Threads: any worker of the run may free one; the list is guarded.
 */
#ifndef HOB_CORE_THING_H
#define HOB_CORE_THING_H

#include <stdbool.h>

#include "base/list.h"

struct worker;
struct thing;

struct thing_kind {
    const char *what; /* "a channel"                    */
    const char *undo; /* "hob_chan_free"                */
    void      (*free)(struct thing *thing);
};

struct thing {
    const struct thing_kind *kind;
    struct worker           *worker;  /* the maker                                     */
    const void              *made_at; /* the address of the user's call                */
    bool                     holds_descs; /* and closes them when it is freed          */
    struct list_node         link;    /* in worker.things                              */
};

/* It is there: and is not any more. */
void hob__thing_open(struct thing *thing, const struct thing_kind *kind, const void *made_at);
void hob__thing_close(struct thing *thing);

#endif
