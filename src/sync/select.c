/* SPDX-License-Identifier: MIT */
/*
 * hob/select.h.
 *
 *     look at each case: is it ready? ── yes ──▶ take it
 *                │ no
 *                ▼
 *     an op for each case ──▶ park ──▶ the first op that claims the select wins,
 *                                      and the others are withdrawn
 *
 * What is taken is taken in the first look, or by an op that somebody finishes. A channel gives
 * or takes a value only with the claim, which one op gets: so exactly one case has an effect,
 * though workers may be at several of the channels at once. The others claim when they come home.
 * Waiting for a promise, a task, a time or a descriptor has no effect, so that is only waited
 * for; and a loser that was handed a lock, a permit or a signal just then hands it on.
 *
 * The channels are looked at once more and waited in with all of their locks held, so that
 * nobody comes in between.
 *
 * Threads: one worker, but for the claim. Memory: the ops lie on the task's stack.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>

#include "base/sys.h"
#include "core/future.h"
#include "core/worker.h"
#include "hob/select.h"
#include "sync/chan.h"
#include "sync/line.h"
#include "sync/promise.h"
#include "sync/select.h"
#include "sync/signal.h"

enum case_kind {
    CASE_NEVER = 0,
    CASE_RECV = 1,
    CASE_SEND = 2,
    CASE_SETTLED = 3,
    CASE_ENDED = 4,
    CASE_AT = 5,
    CASE_AFTER = 6,
    CASE_FD = 7,
    CASE_SIGNAL = 8,
    CASE_MUTEX = 9,
    CASE_SEM = 10,
    CASE_EVENT = 11,
    CASE_CHANGED = 12,
    CASE_PUBLISHED = 13,
};

/* One wait of a task for several ops. The task waits for `wake`. */
struct select {
    struct op       wake;
    const hob_case *cases;
    size_t          count;
    struct op      *ops;    /* one for each case           */
    size_t          flying; /* of these                    */
    atomic_int      winner; /* its index, or NOBODY        */
    bool            starting;
};

enum { NOBODY = -1 };

/* ---- the first look ---- */

/* No result of any case. */
enum { NOT_READY = INT_MIN };

static int promise_result(const hob_promise *promise)
{
    return promise_is_settled(promise) ? promise->error : NOT_READY;
}

/* What the kernel says of a foreign descriptor now; the simulated world has none. */
static int fd_ready(const struct worker *w, const hob_case *c)
{
    struct pollfd fd = { .fd = (int)c->number, .events = (short)(uintptr_t)c->value };
    if (w->seeded)
        return NOT_READY;
    int r = hob__sys_poll(&fd, 1, 0);
    if (r > 0 && (fd.revents & POLLNVAL) != 0)
        return -EBADF;
    return r > 0 ? fd.revents : NOT_READY; // an error comes from the op that follows
}

/* What most receives find on one worker, in a few instructions. */
static bool is_empty(const hob_chan *chan, const struct worker *w)
{
    return chan->crew == w->crew && !chan_has_something(chan) && !chan->opts.only_ends;
}

static int ready(int r, int not_ready)
{
    return r == not_ready ? NOT_READY : r;
}

/* Takes the case if it is ready: its result, or NOT_READY. */
static int try_case(struct worker *w, const hob_case *c)
{
    switch ((enum case_kind)c->kind) {
    case CASE_RECV:
        if (crew_is_alone(w->crew) && is_empty(c->on, w))
            return NOT_READY;
        return ready(hob__chan_try_case(OP_CHAN_RECV, c->on, c->value), CHAN_WAIT);
    case CASE_SEND:
        return ready(hob__chan_try_case(OP_CHAN_SEND, c->on, c->value), CHAN_WAIT);
    case CASE_SETTLED:
        return promise_result(c->on);
    case CASE_ENDED:
        return c->on == NULL || ((struct hob_future *)c->on)->ended ? 0 : NOT_READY;
    case CASE_AT:
        return c->number <= hob_now() ? 0 : NOT_READY;
    case CASE_AFTER:
        return c->number <= 0 ? 0 : NOT_READY;
    case CASE_FD:
        return fd_ready(w, c);
    case CASE_SIGNAL:
        return ready(hob__signals_try(c->on), -EAGAIN);
    case CASE_MUTEX:
        hob_require(hob__mutex_holder(c->on) != w->current,
                    "hob_select: the caller holds this mutex already");
        return ready(hob_mutex_try_lock(c->on), -EAGAIN);
    case CASE_SEM:
        return ready(hob__line_try(OP_SEM, c->on), -EAGAIN);
    case CASE_EVENT:
        return ready(hob__line_try(OP_EVENT, c->on), -EAGAIN);
    case CASE_CHANGED:
        return ready(hob__latest_try(c->on, c->value), -EAGAIN);
    case CASE_PUBLISHED:
        return ready(hob__subscriber_try(c->on), -EAGAIN);
    case CASE_NEVER:
        return NOT_READY;
    }
    hob_unreachable("a case of select that is none: use the macros of hob/select.h");
}

static int first_look(struct worker *w, const hob_case *cases, size_t count, size_t start,
                      int *ret_result)
{
    for (size_t i = 0; i < count; i++) {
        size_t at = start + i < count ? start + i : start + i - count;
        *ret_result = try_case(w, &cases[at]);
        if (*ret_result != NOT_READY)
            return (int)at;
    }
    return NOBODY;
}

/* ---- waiting ---- */

static bool is_of_chan(const struct op *op)
{
    return op->kind == OP_CHAN_RECV || op->kind == OP_CHAN_SEND;
}

static inline int winner_of(struct select *select)
{
    return atomic_load_explicit(&select->winner, memory_order_relaxed);
}

bool hob__select_claim(struct op *op)
{
    struct select *select = op->waiter;
    int            index = (int)(op - select->ops), nobody = NOBODY;
    struct worker *w = select->wake.local.extra;
    if (hob_unlikely(!crew_is_alone(w->crew)))
        return atomic_compare_exchange_strong(&select->winner, &nobody, index);
    if (winner_of(select) != NOBODY)
        return false;
    atomic_store_explicit(&select->winner, index, memory_order_relaxed);
    return true;
}

static void withdraw_others(struct select *select)
{
    int winner = winner_of(select);
    for (size_t i = 0; i < select->count; i++) {
        struct op *op = &select->ops[i];
        if ((int)i == winner || op->state != OP_FLYING)
            continue;
        if (is_of_chan(op)) { // what hob__op_cancel comes to, in a few instructions
            bool mine = hob__chan_withdraw(op);
            hob_assert(mine); // nobody else can have claimed
            op->state = OP_IDLE;
            select->flying--;
        } else {
            hob__op_cancel(select->wake.local.extra, op);
        }
    }
}

/* What a loser was given. */
static void hand_on(struct op *op)
{
    if (op->kind == OP_MUTEX)
        hob_mutex_unlock(op->local.on);
    else if (op->kind == OP_SEM)
        hob_sem_release(op->local.on);
    else if (op->kind == OP_SIGNAL)
        hob__signals_give_back(op->local.on, (int)op->result);
}

/* Whoever finished an op of a channel has claimed for it; the others do so now, at home. */
static bool has_won(struct select *select, struct op *op)
{
    if (is_of_chan(op))
        return winner_of(select) == (int)(op - select->ops);
    return !op->cancel_asked && hob__select_claim(op);
}

void hob__select_done(struct op *op)
{
    struct select *select = op->waiter;
    select->flying--;
    if (has_won(select, op))
        withdraw_others(select);
    else if (op->result >= 0)
        hand_on(op);
    if (select->flying == 0 && !select->starting && select->wake.state == OP_FLYING)
        hob__op_finish_local(&select->wake, 0);
}

/* The task is cancelled: so are all, and when they are home it goes on. */
static bool cancel_all(struct op *wake)
{
    struct select *select = container_of(wake, struct select, wake);
    for (size_t i = 0; i < select->count; i++)
        hob__op_cancel(wake->local.extra, &select->ops[i]);
    return false; // the last of them finishes `wake`
}

static void init_op(struct select *select, size_t index)
{
    const hob_case *c = &select->cases[index];
    struct op      *op = &select->ops[index];
    *op = (struct op){ .done = hob__select_done, .waiter = select, .done_at_once = 1 };
    switch ((enum case_kind)c->kind) {
    case CASE_RECV:
    case CASE_SEND:
        hob__chan_op_init(op, c->kind == CASE_SEND ? OP_CHAN_SEND : OP_CHAN_RECV, c->on, c->value);
        return;
    case CASE_SETTLED:
        hob__promise_op_init(op, c->on);
        return;
    case CASE_ENDED:
        hob__future_op_init(op, c->on);
        return;
    case CASE_AT:
        hob__sleep_op_init(op, c->number);
        return;
    case CASE_AFTER:
        hob__sleep_op_init(op, hob_in(c->number));
        return;
    case CASE_FD:
        op->kind = OP_POLL;
        op->poll.fd = (int)c->number;
        op->poll.events = (unsigned)(uintptr_t)c->value;
        return;
    case CASE_SIGNAL:
        hob__signals_op_init(op, c->on);
        return;
    case CASE_MUTEX:
        hob__line_op_init(op, OP_MUTEX, c->on);
        return;
    case CASE_SEM:
        hob__line_op_init(op, OP_SEM, c->on);
        return;
    case CASE_EVENT:
        hob__line_op_init(op, OP_EVENT, c->on);
        return;
    case CASE_CHANGED:
        hob__latest_op_init(op, c->on, c->value);
        return;
    case CASE_PUBLISHED:
        hob__subscriber_op_init(op, c->on);
        return;
    case CASE_NEVER:
        hob__sleep_op_init(op, HOB_FOREVER);
        return;
    }
}

static bool is_chan_case(const hob_case *c)
{
    return c->kind == CASE_RECV || c->kind == CASE_SEND;
}

/* What is no channel. One that is ready now wins: a descriptor, or a time that has come. */
static void start_others(struct select *select, struct worker *w)
{
    for (size_t i = 0; i < select->count && winner_of(select) == NOBODY; i++) {
        if (is_chan_case(&select->cases[i]))
            continue;
        init_op(select, i);
        if (hob__op_submit(w, &select->ops[i]))
            select->flying++;
        else
            hob__select_claim(&select->ops[i]);
    }
}

/* Since the first look another worker may have been there. A task does not meet itself: none
 * of its ops waits yet. */
static void try_chans(struct select *select, struct op **ret_go)
{
    for (size_t i = 0; i < select->count && winner_of(select) == NOBODY; i++) {
        struct op *op = &select->ops[i];
        if (!is_chan_case(&select->cases[i]))
            continue;
        op->result = hob__chan_try(op, ret_go);
        if (op->result != CHAN_WAIT)
            hob__select_claim(op);
    }
}

static void start_chans(struct select *select, struct worker *w)
{
    uint64_t   locks = 0;
    struct op *go = NULL;
    bool       alone = crew_is_alone(w->crew);
    for (size_t i = 0; i < select->count; i++) {
        if (!is_chan_case(&select->cases[i]))
            continue;
        init_op(select, i);
        if (!alone)
            locks |= hob__line_lock_bit(select->cases[i].on);
    }
    hob__line_lock_set(locks);
    if (!alone)
        try_chans(select, &go);
    for (size_t i = 0; i < select->count && winner_of(select) == NOBODY; i++) {
        if (!is_chan_case(&select->cases[i]))
            continue;
        hob__chan_enqueue(&select->ops[i]);
        select->flying++;
    }
    hob__line_unlock_set(locks);
    if (go != NULL)
        hob__op_finish_from_afar(go, 0);
}

static void start_all(struct op *wake)
{
    struct select *select = container_of(wake, struct select, wake);
    struct worker *w = wake->local.extra;
    select->starting = true;
    start_others(select, w);
    if (winner_of(select) == NOBODY)
        start_chans(select, w);
    if (winner_of(select) != NOBODY)
        withdraw_others(select);
    select->starting = false;
    wake->result = 0;
    wake->state = select->flying == 0 ? OP_DONE : OP_FLYING;
}

static int wait_for_one(struct worker *w, const hob_case *cases, size_t count, int *ret_result)
{
    struct op     ops[HOB_SELECT_MAX];
    struct select select = {
        .wake = { .kind = OP_SELECT,
                  .local = { .start = start_all, .withdraw = cancel_all, .extra = w } },
        .cases = cases,
        .count = count,
        .ops = ops,
        .winner = NOBODY,
    };
    for (size_t i = 0; i < count; i++)
        ops[i].state = OP_IDLE; // for those that are withdrawn before they start
    hob__op_await(&select.wake);
    int winner = winner_of(&select);
    if (winner == NOBODY)
        return select.wake.result < 0 ? (int)select.wake.result : hob_cancelled();
    *ret_result = (int)ops[winner].result;
    if (ops[winner].kind == OP_MUTEX)
        hob__mutex_adopt(cases[winner].on, w->current);
    return winner;
}

int hob_select(const hob_case *cases, size_t count, int ordered, int *ret_result)
{
    struct task *task = hob__task_self();
    hob_require(count > 0 && count <= HOB_SELECT_MAX,
                "hob_select: there must be 1 to HOB_SELECT_MAX cases");
    int code = inline_begin(task, "hob_select");
    if (hob_unlikely(code != 0))
        return code;

    struct worker *w = task->worker;
    size_t         start = ordered || count == 1 ? 0 : rand_below(&w->rand, count);
    int            result = 0;
    int            taken = first_look(w, cases, count, start, &result);
    if (taken == NOBODY)
        taken = wait_for_one(w, cases, count, &result);
    else
        inline_end(task);
    if (taken >= 0 && ret_result != NULL)
        *ret_result = result;
    return taken;
}
