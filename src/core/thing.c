/* SPDX-License-Identifier: MIT */
#include "core/thing.h"

#include "core/crew.h"
#include "core/worker.h"

/* Where there is one worker, nobody else can be at the list. */
static bool lock(struct worker *w)
{
    bool shared = !crew_is_alone(w->crew);
    if (hob_unlikely(shared))
        lock_take(&w->things_lock);
    return shared;
}

static void unlock(struct worker *w, bool shared)
{
    if (hob_unlikely(shared))
        lock_give(&w->things_lock);
}

void hob__thing_open(struct thing *thing, const struct thing_kind *kind, const void *made_at)
{
    struct worker *w = hob__worker;
    thing->kind = kind;
    thing->worker = w;
    thing->made_at = made_at;
    thing->holds_descs = false;
    bool shared = lock(w);
    list_push_back(&w->things, &thing->link);
    unlock(w, shared);
}

void hob__thing_close(struct thing *thing)
{
    struct worker *w = thing->worker;
    bool           shared = lock(w);
    list_remove(&thing->link);
    unlock(w, shared);
}
