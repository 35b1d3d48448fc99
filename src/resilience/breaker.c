/* SPDX-License-Identifier: MIT */
/*
 * hob/breaker.h.
 *
 *     CLOSED    -> OPEN       leave, too many failures; trip
 *     OPEN      -> HALF_OPEN  enter, when the time has come
 *     HALF_OPEN -> OPEN       leave, a probe failed; trip
 *     HALF_OPEN -> CLOSED     leave, enough probes succeeded; reset
 *     OPEN      -> CLOSED     reset
 *
 *   CLOSED:    the window and `in_row` are of calls of this era; they would not open it.
 *   OPEN:      `until_ns` says until when; nobody is let through.
 *   HALF_OPEN: `out` probes of this era have not come back, `succeeded` have.
 *
 * Each change begins an era. A passage knows in which it began, and what ends in another era is
 * not counted: a call that was under way when the breaker opened says nothing of the probes.
 *
 * Threads: all workers, under a short lock in the place. No code of users runs under it.
 */
#include "hob/breaker.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/lock.h"
#include "hob/error.h"

enum { SLOTS = 10, WORDS = HOB_BREAKER_WINDOW_MAX / 64 };

struct slot {
    uint32_t calls, failures;
};

/* How many calls there were lately, and how many of them failed. */
struct window {
    uint32_t calls, failures;
    union {
        struct { uint32_t at; uint64_t failed[WORDS]; } last; /* the last so many: a ring of bits */
        struct { int64_t number; struct slot slots[SLOTS]; } lately; /* in each tenth of the time */
    };
};

struct inside {
    struct lock   lock;
    uint8_t       state;
    uint32_t      era;
    uint32_t      in_row;    /* CLOSED: failures since the last success               */
    uint32_t      reopened;  /* times it opened since it was closed                   */
    uint32_t      out;       /* HALF_OPEN                                             */
    uint32_t      succeeded; /* HALF_OPEN                                             */
    int64_t       until_ns;  /* OPEN; HALF_OPEN: then the probes are given up         */
    uint64_t      refused, opened;
    struct window window;
};

static_assert(sizeof(struct inside) <= sizeof(((hob_breaker *)0)->_private),
              "what a breaker keeps fits in its place");

struct passage {
    hob_breaker *breaker; /* NULL: it was left, or never entered */
    uint32_t     era;
};

static_assert(sizeof(struct passage) <= sizeof(hob_passage), "a passage fits in its place");

/* A change to be told of, when the lock was given back. */
struct change {
    bool              is_one;
    hob_breaker_state from, to;
};

static struct inside *inside_of(hob_breaker *b)
{
    return (struct inside *)b->_private;
}

static uint32_t or_else(uint32_t value, uint32_t fallback)
{
    return value != 0 ? value : fallback;
}

/* ---- the window ---- */

static uint32_t window_calls(const hob_breaker *b)
{
    return or_else(b->window_calls, 100);
}

/* Forgets the slots that are too old now. */
static void move_slots(const hob_breaker *b, struct window *w, int64_t now_ns)
{
    int64_t number = now_ns / (b->window_ns / SLOTS + 1);
    int64_t passed = number - w->lately.number;
    if (passed <= 0)
        return;
    for (int64_t i = 1; i <= passed && i <= SLOTS; i++) {
        struct slot *slot = &w->lately.slots[(w->lately.number + i) % SLOTS];
        w->calls -= slot->calls;
        w->failures -= slot->failures;
        slot->calls = slot->failures = 0;
    }
    w->lately.number = number;
}

static void note_lately(const hob_breaker *b, struct window *w, bool failed, int64_t now_ns)
{
    move_slots(b, w, now_ns);
    struct slot *slot = &w->lately.slots[w->lately.number % SLOTS];
    slot->calls++;
    slot->failures += failed;
    w->calls++;
    w->failures += failed;
}

static void note_last(const hob_breaker *b, struct window *w, bool failed)
{
    uint64_t *word = &w->last.failed[w->last.at / 64], bit = UINT64_C(1) << (w->last.at % 64);
    if (w->calls == window_calls(b))
        w->failures -= (*word & bit) != 0; // the oldest, whose place it takes
    else
        w->calls++;
    *word = failed ? *word | bit : *word & ~bit;
    w->failures += failed;
    w->last.at = (w->last.at + 1) % window_calls(b);
}

static bool share_is_too_high(const hob_breaker *b, const struct window *w)
{
    uint64_t percent = or_else(b->failure_percent, 50);
    uint32_t min = or_else(b->calls_min, 20);
    if (b->window_ns == 0 && min > window_calls(b))
        min = window_calls(b);
    return w->calls >= min && w->failures * UINT64_C(100) >= percent * w->calls &&
           w->failures > 0;
}

/* ---- changes; under the lock ---- */

static struct change change_to(struct inside *in, hob_breaker_state to)
{
    struct change change = { true, in->state, to };
    in->state = (uint8_t)to;
    in->era++;
    in->in_row = 0;
    in->out = in->succeeded = 0;
    memset(&in->window, 0, sizeof in->window);
    return change;
}

static int64_t open_ns(const hob_breaker *b, const struct inside *in)
{
    int64_t ns = b->open_ns > 0 ? b->open_ns : 5 * HOB_SEC;
    for (uint32_t i = 1; i < in->reopened && ns < b->open_max_ns; i++)
        ns = ns > b->open_max_ns / 2 ? b->open_max_ns : 2 * ns;
    return ns;
}

static struct change open_it(const hob_breaker *b, struct inside *in)
{
    struct change change = change_to(in, HOB_BREAKER_OPEN);
    if (in->reopened < UINT32_MAX)
        in->reopened++;
    in->opened++;
    in->until_ns = hob_in(open_ns(b, in));
    return change;
}

static struct change close_it(struct inside *in)
{
    struct change change = change_to(in, HOB_BREAKER_CLOSED);
    in->reopened = 0;
    in->until_ns = 0;
    return change;
}

static void tell(const hob_breaker *b, struct change change)
{
    if (change.is_one && b->on_change != NULL)
        b->on_change(b->arg, change.from, change.to);
}

/* ---- coming ---- */

/* Half open: whether one more may try. Probes that are out for too long are given up. */
static bool may_probe(const hob_breaker *b, struct inside *in)
{
    if (in->out >= or_else(b->probes, 1)) {
        if (hob_now() < in->until_ns)
            return false;
        in->era++; // what they say when they come back after all is not counted
        in->out = 0;
    }
    if (in->out == 0)
        in->until_ns = hob_in(open_ns(b, in));
    in->out++;
    return true;
}

static bool may_pass(const hob_breaker *b, struct inside *in, struct change *change)
{
    if (in->state == HOB_BREAKER_CLOSED)
        return true;
    if (in->state == HOB_BREAKER_OPEN) {
        if (in->until_ns == HOB_FOREVER || hob_now() < in->until_ns)
            return false;
        *change = change_to(in, HOB_BREAKER_HALF_OPEN);
    }
    return may_probe(b, in);
}

int hob_breaker_enter(hob_breaker *b, hob_passage *place)
{
    struct inside  *in = inside_of(b);
    struct passage *passage = (struct passage *)place;
    struct change   change = { .is_one = false };
    hob_require(b->window_calls <= HOB_BREAKER_WINDOW_MAX,
                "hob_breaker_enter: window_calls is larger than HOB_BREAKER_WINDOW_MAX");
    lock_take(&in->lock);
    bool passes = may_pass(b, in, &change);
    in->refused += !passes;
    *passage = (struct passage){ passes ? b : NULL, in->era };
    lock_give(&in->lock);
    tell(b, change);
    return passes ? 0 : HOB_EBREAKER;
}

/* ---- leaving ---- */

static int meaning_of(const hob_breaker *b, int result)
{
    if (b->is_failure != NULL)
        return b->is_failure(b->arg, result);
    return result == -ECANCELED ? -1 : result < 0;
}

static struct change count_closed(const hob_breaker *b, struct inside *in, bool failed)
{
    if (b->window_ns > 0)
        note_lately(b, &in->window, failed, hob_now());
    else
        note_last(b, &in->window, failed);
    in->in_row = failed ? in->in_row + 1 : 0;
    uint32_t row = or_else(b->failures_in_row, 5);
    if (failed && ((row != UINT32_MAX && in->in_row >= row) || share_is_too_high(b, &in->window)))
        return open_it(b, in);
    return (struct change){ .is_one = false };
}

static struct change count_probe(const hob_breaker *b, struct inside *in, int meaning)
{
    in->out--;
    if (meaning > 0)
        return open_it(b, in);
    uint32_t needed = or_else(b->probes_needed, or_else(b->probes, 1));
    if (meaning == 0 && ++in->succeeded >= needed)
        return close_it(in);
    return (struct change){ .is_one = false };
}

void hob_breaker_leave(hob_passage *place, int result)
{
    struct passage *passage = (struct passage *)place;
    hob_breaker    *b = passage->breaker;
    if (b == NULL)
        return;
    passage->breaker = NULL;
    int            meaning = meaning_of(b, result);
    struct inside *in = inside_of(b);
    struct change  change = { .is_one = false };
    lock_take(&in->lock);
    if (passage->era == in->era && in->state == HOB_BREAKER_CLOSED && meaning >= 0)
        change = count_closed(b, in, meaning > 0);
    else if (passage->era == in->era && in->state == HOB_BREAKER_HALF_OPEN)
        change = count_probe(b, in, meaning);
    lock_give(&in->lock);
    tell(b, change);
}

int hob_breaker_call(hob_breaker *b, hob_task_fn *fn, void *arg)
{
    hob_passage passage;
    int         r = hob_breaker_enter(b, &passage);
    if (r < 0)
        return r;
    r = fn(arg);
    hob_breaker_leave(&passage, r);
    return r;
}

/* ---- looking, and by hand ---- */

void hob_breaker_look(hob_breaker *b, hob_breaker_info *ret_info)
{
    struct inside *in = inside_of(b);
    lock_take(&in->lock);
    if (b->window_ns > 0 && in->state == HOB_BREAKER_CLOSED)
        move_slots(b, &in->window, hob_now());
    *ret_info = (hob_breaker_info){
        .state = in->state,
        .open_until_ns = in->state == HOB_BREAKER_OPEN ? in->until_ns : 0,
        .calls = in->window.calls,
        .failures = in->window.failures,
        .refused = in->refused,
        .opened = in->opened,
    };
    lock_give(&in->lock);
}

void hob_breaker_trip(hob_breaker *b, int64_t duration_ns)
{
    struct inside *in = inside_of(b);
    lock_take(&in->lock);
    struct change change = open_it(b, in);
    in->until_ns = hob_in(duration_ns);
    lock_give(&in->lock);
    change.is_one = change.from != change.to;
    tell(b, change);
}

void hob_breaker_reset(hob_breaker *b)
{
    struct inside *in = inside_of(b);
    lock_take(&in->lock);
    struct change change = close_it(in);
    lock_give(&in->lock);
    change.is_one = change.from != change.to;
    tell(b, change);
}

const char *hob_breaker_state_name(hob_breaker_state state)
{
    static const char *const names[] = { "closed", "open", "half open" };
    return names[state];
}
