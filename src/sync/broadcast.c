/* SPDX-License-Identifier: MIT */
/*
 * hob/broadcast.h.
 *
 *     sent = 11        ┌────┬────┬────┬────┐
 *     capacity = 4     │  8 │  9 │ 10 │  7 │   value n lies at n % capacity
 *                      └────┴────┴────┴────┘
 *     a subscriber's `next`: 9. Had it been 5, it would have lost 5 and 6.
 *
 * Those who wait are a line (line.h); an op carries its subscriber.
 */
#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "core/crew.h"
#include "core/thing.h"
#include "core/worker.h"
#include "hob/broadcast.h"
#include "sync/line.h"

struct hob_broadcast {
    const char   *name;
    struct line   line;
    uint32_t      tag;
    bool          finished;
    bool          news;    /* for all who wait; else only for who has just come */
    size_t        item_bytes;
    size_t        capacity;
    size_t        replay;
    uint64_t      sent;
    struct crew  *crew;
    struct thing  thing;
    unsigned char items[];
};

struct subscriber {
    hob_broadcast *broadcast;
    uint64_t       next; /* the number of the value that it gets next, counted from 0 */
};

static_assert(sizeof(struct subscriber) <= sizeof(hob_subscriber),
              "a subscriber fits in its place");

static hob_broadcast *broadcast_from(const hob_broadcast *b, const char *caller)
{
    if (hob_unlikely(b == NULL || b->tag != TAG_BROADCAST))
        hob__misuse_of(caller, "this is not a broadcast, or it was freed");
    if (hob_unlikely(hob__worker == NULL || hob__worker->crew != b->crew))
        hob__misuse_of(caller, "called outside of the run that made it");
    return (hob_broadcast *)(uintptr_t)b;
}

static struct subscriber *subscriber_from(const hob_subscriber *place, const char *caller)
{
    struct subscriber *s = (struct subscriber *)(uintptr_t)place;
    broadcast_from(s->broadcast, caller);
    return s;
}

static void free_thing(struct thing *thing)
{
    hob_broadcast_free(container_of(thing, struct hob_broadcast, thing));
}

static const struct thing_kind kind = { "a broadcast", "hob_broadcast_free", free_thing };

int hob_broadcast_new(size_t item_bytes, size_t capacity, const hob_broadcast_opts *opts,
                      hob_broadcast **ret_broadcast)
{
    size_t bytes;
    hob_require(hob__worker != NULL, "hob_broadcast_new: called outside of hob_run");
    hob_require(item_bytes > 0, "hob_broadcast_new: a value has at least one byte");
    hob_require(capacity > 0, "hob_broadcast_new: there must be room for at least one value");
    hob_require(opts == NULL || opts->replay <= capacity,
                "hob_broadcast_new: more are to be replayed than are kept");
    if (__builtin_mul_overflow(item_bytes, capacity, &bytes) ||
        __builtin_add_overflow(bytes, sizeof(hob_broadcast), &bytes))
        return -ENOMEM;
    hob_broadcast *b = hob__alloc(bytes);
    if (b == NULL)
        return -ENOMEM;
    *b = (hob_broadcast){
        .tag = TAG_BROADCAST,
        .item_bytes = item_bytes,
        .capacity = capacity,
        .crew = hob__worker->crew,
    };
    if (opts != NULL) {
        b->name = opts->name;
        b->replay = opts->replay;
    }
    hob__thing_open(&b->thing, &kind, hob__place_of(__builtin_return_address(0)));
    *ret_broadcast = b;
    return 0;
}

void hob_broadcast_free(hob_broadcast *b)
{
    if (b == NULL)
        return;
    broadcast_from(b, "hob_broadcast_free");
    hob_require(line_first(&b->line) == NULL,
                "hob_broadcast_free: tasks still wait on it; end them first: by "
                "hob_broadcast_finish, or by the end of their scope");
    hob__thing_close(&b->thing);
    b->tag = TAG_FREED;
    hob__free(b);
}

static unsigned char *item_at(hob_broadcast *b, uint64_t number)
{
    return b->items + (size_t)(number % b->capacity) * b->item_bytes;
}

/* Under the lock: the number of the oldest value that is still there. */
static uint64_t oldest(const hob_broadcast *b)
{
    return b->sent > b->capacity ? b->sent - b->capacity : 0;
}

/* Under the lock: 0 when there is one for it, or HOB_EOF; -EAGAIN: wait. */
static int state(const struct subscriber *s)
{
    if (s->next < s->broadcast->sent)
        return 0;
    return s->broadcast->finished ? HOB_EOF : -EAGAIN;
}

static int ready(const struct op *op)
{
    return state(op->local.extra);
}

void hob__broadcast_serve(void *object, struct list *go)
{
    hob_broadcast *b = object;
    hob__line_tell(&b->line, ready, b->news, go);
    b->news = false;
}

int hob_broadcast_send(hob_broadcast *b, const void *value)
{
    broadcast_from(b, "hob_broadcast_send");
    hob__line_open(b);
    int r = b->finished ? -EPIPE : 0;
    if (r == 0) {
        memcpy(item_at(b, b->sent++), value, b->item_bytes);
        b->news = true;
    }
    hob__line_close(b, OP_BROADCAST);
    return r;
}

void hob_broadcast_finish(hob_broadcast *b)
{
    broadcast_from(b, "hob_broadcast_finish");
    hob__line_open(b);
    b->finished = true;
    b->news = true;
    hob__line_close(b, OP_BROADCAST);
}

uint64_t hob_broadcast_sent(const hob_broadcast *b)
{
    broadcast_from(b, "hob_broadcast_sent");
    lock_take(hob__line_lock(b));
    uint64_t sent = b->sent;
    lock_give(hob__line_lock(b));
    return sent;
}

void hob_subscribe(hob_broadcast *b, hob_subscriber *place)
{
    struct subscriber *s = (struct subscriber *)place;
    broadcast_from(b, "hob_subscribe");
    memset(place, 0, sizeof *place);
    s->broadcast = b;
    lock_take(hob__line_lock(b));
    s->next = b->sent - (b->sent < b->replay ? b->sent : b->replay);
    lock_give(hob__line_lock(b));
}

static int take(struct subscriber *s, void *ret_value, uint64_t *ret_lost)
{
    hob_broadcast *b = s->broadcast;
    uint64_t       lost = 0;
    lock_take(hob__line_lock(b));
    int r = state(s);
    if (r == 0) {
        if (s->next < oldest(b))
            lost = oldest(b) - s->next;
        s->next += lost;
        memcpy(ret_value, item_at(b, s->next++), b->item_bytes);
    }
    lock_give(hob__line_lock(b));
    if (r == 0 && ret_lost != NULL)
        *ret_lost = lost;
    return r;
}

int hob_subscriber_try_recv(hob_subscriber *place, void *ret_value, uint64_t *ret_lost)
{
    return take(subscriber_from(place, "hob_subscriber_try_recv"), ret_value, ret_lost);
}

int hob_subscriber_recv(hob_subscriber *place, void *ret_value, uint64_t *ret_lost)
{
    struct task       *task = hob__task_self();
    struct subscriber *s = subscriber_from(place, "hob_subscriber_recv");
    int                r = hob__inline_begin(task, "hob_subscriber_recv");
    if (r != 0)
        return r;
    r = take(s, ret_value, ret_lost);
    if (r != -EAGAIN) {
        hob__inline_end(task);
        return r;
    }
    r = hob__line_await(OP_BROADCAST, s->broadcast, s, "hob_subscriber_recv");
    return r == 0 ? take(s, ret_value, ret_lost) : r;
}

size_t hob_subscriber_behind(const hob_subscriber *place)
{
    const struct subscriber *s = subscriber_from(place, "hob_subscriber_behind");
    const hob_broadcast     *b = s->broadcast;
    lock_take(hob__line_lock(b));
    uint64_t next = s->next < oldest(b) ? oldest(b) : s->next;
    size_t   behind = (size_t)(b->sent - next);
    lock_give(hob__line_lock(b));
    return behind;
}

void hob__subscriber_op_init(struct op *op, hob_subscriber *place)
{
    struct subscriber *s = subscriber_from(place, "hob_subscriber_ready_prep");
    hob__line_op_init(op, OP_BROADCAST, s->broadcast);
    op->local.extra = s;
}

int hob__subscriber_try(hob_subscriber *place)
{
    const struct subscriber *s = subscriber_from(place, "HOB_PUBLISHED");
    lock_take(hob__line_lock(s->broadcast));
    int r = state(s);
    lock_give(hob__line_lock(s->broadcast));
    return r;
}

void hob_subscriber_ready_prep(hob_op *op, hob_subscriber *place)
{
    hob__subscriber_op_init(hob__op_prep(op, OP_BROADCAST, NULL), place);
}
