/* SPDX-License-Identifier: MIT */
/* hob/latest.h. Those who wait are a line (line.h); an op carries what its follower has seen. */
#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "core/crew.h"
#include "core/thing.h"
#include "core/worker.h"
#include "hob/latest.h"
#include "sync/line.h"

struct hob_latest {
    const char   *name;
    struct line   line;
    uint32_t      tag;
    bool          finished;
    bool          news;    /* for all who wait; else only for who has just come */
    size_t        value_bytes;
    uint64_t      number;  /* of the value; 0: none yet */
    struct crew  *crew;
    struct thing  thing;
    unsigned char value[];
};

static hob_latest *latest_from(const hob_latest *latest, const char *caller)
{
    if (hob_unlikely(latest->tag != TAG_LATEST))
        hob__misuse_of(caller, "this is not a hob_latest, or it was freed");
    if (hob_unlikely(hob__worker == NULL || hob__worker->crew != latest->crew))
        hob__misuse_of(caller, "called outside of the run that made it");
    return (hob_latest *)(uintptr_t)latest;
}

static void free_thing(struct thing *thing)
{
    hob_latest_free(container_of(thing, struct hob_latest, thing));
}

static const struct thing_kind kind = { "a latest value", "hob_latest_free", free_thing };

int hob_latest_new(size_t value_bytes, const void *first, const char *name,
                   hob_latest **ret_latest)
{
    size_t bytes;
    hob_require(hob__worker != NULL, "hob_latest_new: called outside of hob_run");
    hob_require(value_bytes > 0, "hob_latest_new: a value has at least one byte");
    if (__builtin_add_overflow(value_bytes, sizeof(hob_latest), &bytes))
        return -ENOMEM;
    hob_latest *latest = hob__alloc_zero(bytes);
    if (latest == NULL)
        return -ENOMEM;
    latest->name = name;
    latest->tag = TAG_LATEST;
    latest->value_bytes = value_bytes;
    latest->crew = hob__worker->crew;
    if (first != NULL) {
        memcpy(latest->value, first, value_bytes);
        latest->number = 1;
    }
    hob__thing_open(&latest->thing, &kind, hob__place_of(__builtin_return_address(0)));
    *ret_latest = latest;
    return 0;
}

void hob_latest_free(hob_latest *latest)
{
    if (latest == NULL)
        return;
    latest_from(latest, "hob_latest_free");
    hob_require(line_first(&latest->line) == NULL,
                "hob_latest_free: tasks still wait on it; end them first: by hob_latest_finish, or "
                "by the end of their scope");
    hob__thing_close(&latest->thing);
    latest->tag = TAG_FREED;
    hob__free(latest);
}

/* Under the lock: 0 when there is a newer one, or HOB_EOF; -EAGAIN: wait. */
static int state(const hob_latest *latest, uint64_t seen)
{
    if (latest->number > seen)
        return 0;
    return latest->finished ? HOB_EOF : -EAGAIN;
}

static int ready(const struct op *op)
{
    return state(op->local.on, *(const uint64_t *)op->local.extra);
}

void hob__latest_serve(void *object, struct list *go)
{
    hob_latest *latest = object;
    hob__line_tell(&latest->line, ready, latest->news, go);
    latest->news = false;
}

void hob_latest_set(hob_latest *latest, const void *value)
{
    latest_from(latest, "hob_latest_set");
    hob__line_open(latest);
    bool finished = latest->finished;
    if (!finished) {
        memcpy(latest->value, value, latest->value_bytes);
        latest->number++;
        latest->news = true;
    }
    hob__line_close(latest, OP_LATEST);
    hob_require(!finished, "hob_latest_set: hob_latest_finish said that no newer value comes");
}

void hob_latest_finish(hob_latest *latest)
{
    latest_from(latest, "hob_latest_finish");
    hob__line_open(latest);
    latest->finished = true;
    latest->news = true;
    hob__line_close(latest, OP_LATEST);
}

uint64_t hob_latest_get(const hob_latest *latest, void *ret_value)
{
    latest_from(latest, "hob_latest_get");
    lock_take(hob__line_lock(latest));
    uint64_t number = latest->number;
    if (number > 0)
        memcpy(ret_value, latest->value, latest->value_bytes);
    lock_give(hob__line_lock(latest));
    return number;
}

/* Takes the value if it is newer. */
static int take(hob_latest *latest, uint64_t *seen, void *ret_value)
{
    lock_take(hob__line_lock(latest));
    int r = state(latest, *seen);
    if (r == 0) {
        memcpy(ret_value, latest->value, latest->value_bytes);
        *seen = latest->number;
    }
    lock_give(hob__line_lock(latest));
    return r;
}

int hob_latest_next(hob_latest *latest, uint64_t *seen, void *ret_value)
{
    struct task *task = hob__task_self();
    latest_from(latest, "hob_latest_next");
    int r = hob__inline_begin(task, "hob_latest_next");
    if (r != 0)
        return r;
    r = take(latest, seen, ret_value);
    if (r != -EAGAIN) {
        hob__inline_end(task);
        return r;
    }
    r = hob__line_await(OP_LATEST, latest, seen, "hob_latest_next");
    return r == 0 ? take(latest, seen, ret_value) : r;
}

void hob__latest_op_init(struct op *op, hob_latest *latest, const uint64_t *seen)
{
    hob__line_op_init(op, OP_LATEST, latest_from(latest, "hob_latest_changed_prep"));
    op->local.extra = (void *)(uintptr_t)seen;
}

int hob__latest_try(hob_latest *latest, const uint64_t *seen)
{
    latest_from(latest, "HOB_CHANGED");
    lock_take(hob__line_lock(latest));
    int r = state(latest, *seen);
    lock_give(hob__line_lock(latest));
    return r;
}

void hob_latest_changed_prep(hob_op *place, hob_latest *latest, const uint64_t *seen)
{
    hob__latest_op_init(hob__op_prep(place, OP_LATEST, NULL), latest, seen);
}
