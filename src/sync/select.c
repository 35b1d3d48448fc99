/* SPDX-License-Identifier: MIT */
/*
 * hob/select.h.
 *
 *     look at each case: is it ready? ── yes ──▶ take it
 *                │ no
 *                ▼
 *     an op for each case ──▶ park ──▶ the first op that is done wins,
 *                                      and withdraws the others at once
 *
 * What is taken is taken in the first look, or by an op that somebody finishes from
 * the other side; and the first op to be finished withdraws the rest before anybody
 * else can run. So exactly one case has an effect. Waiting for a descriptor is the one
 * op that does not end at once; it has no effect, so it is only waited for. And a lock or a
 * permit may have been handed to a loser by another worker just then: when it comes home it
 * is handed on.
 *
 * Threads: one worker. Memory: the ops lie on the task's stack.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "base/sys.h"
#include "core/future.h"
#include "core/worker.h"
#include "hob/select.h"
#include "sync/chan.h"
#include "sync/line.h"
#include "sync/promise.h"
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
};

/* One wait of a task for several ops. The task waits for `wake`. */
struct select {
    struct op       wake;
    const hob_case *cases;
    size_t          count;
    struct op      *ops;    /* one for each case           */
    size_t          flying; /* of these                    */
    int             winner; /* its index, or NOBODY        */
    bool            starting;
};

enum { NOBODY = -1 };

/* ---- the first look ---- */

static int promise_result(const hob_promise *promise)
{
    return promise->settled ? promise->error : -EAGAIN;
}

/* What the kernel says of a foreign descriptor now; the simulated world has none. */
static int fd_ready(const struct worker *w, const hob_case *c)
{
    struct pollfd fd = { .fd = (int)c->number, .events = (short)(uintptr_t)c->value };
    if (w->seeded)
        return -EAGAIN;
    int r = hob__sys_poll(&fd, 1, 0);
    return r > 0 ? fd.revents : -EAGAIN; // an error comes from the op that follows
}

/* Takes the case if it is ready: its result, or -EAGAIN. */
static int try_case(struct worker *w, const hob_case *c)
{
    switch ((enum case_kind)c->kind) {
    case CASE_RECV:
        if (!chan_has_something(c->on) && ((hob_chan *)c->on)->worker == w)
            return -EAGAIN;
        return hob_chan_try_recv(c->on, c->value);
    case CASE_SEND:
        return hob_chan_try_send(c->on, c->value);
    case CASE_SETTLED:
        return promise_result(c->on);
    case CASE_ENDED:
        return ((struct hob_future *)c->on)->ended ? 0 : -EAGAIN;
    case CASE_AT:
        return c->number <= hob_now() ? 0 : -EAGAIN;
    case CASE_AFTER:
        return c->number <= 0 ? 0 : -EAGAIN;
    case CASE_FD:
        return fd_ready(w, c);
    case CASE_SIGNAL:
        return hob__signals_try(c->on);
    case CASE_MUTEX:
        hob_require(hob__mutex_holder(c->on) != w->current,
                    "hob_select: the caller holds this mutex already");
        return hob_mutex_try_lock(c->on);
    case CASE_SEM:
        return hob__line_try(OP_SEM, c->on);
    case CASE_EVENT:
        return hob__line_try(OP_EVENT, c->on);
    case CASE_NEVER:
        return -EAGAIN;
    }
    hob_unreachable("a case of select that is none: use the macros of hob/select.h");
}

static int first_look(struct worker *w, const hob_case *cases, size_t count, size_t start,
                      int *ret_result)
{
    for (size_t i = 0; i < count; i++) {
        size_t at = start + i < count ? start + i : start + i - count;
        *ret_result = try_case(w, &cases[at]);
        if (*ret_result != -EAGAIN)
            return (int)at;
    }
    return NOBODY;
}

/* ---- waiting ---- */

static bool is_of_chan(const struct op *op)
{
    return op->kind == OP_CHAN_RECV || op->kind == OP_CHAN_SEND;
}

static void withdraw_others(struct select *select)
{
    for (size_t i = 0; i < select->count; i++) {
        struct op *op = &select->ops[i];
        if ((int)i == select->winner || op->state != OP_FLYING)
            continue;
        if (is_of_chan(op)) { // what hob__op_cancel comes to, in a few instructions
            hob__chan_withdraw(op);
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
}

/* An op is done: the first one wins, and the others come home. */
static void case_done(struct op *op)
{
    struct select *select = op->waiter;
    select->flying--;
    if (select->winner == NOBODY && !op->cancel_asked) {
        select->winner = (int)(op - select->ops);
        withdraw_others(select);
    } else if (op->result >= 0) {
        hand_on(op);
    }
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
    *op = (struct op){ .done = case_done, .waiter = select, .done_at_once = 1 };
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
    case CASE_NEVER:
        hob__sleep_op_init(op, HOB_FOREVER);
        return;
    }
}

static void start_all(struct op *wake)
{
    struct select *select = container_of(wake, struct select, wake);
    select->starting = true;
    for (size_t i = 0; i < select->count && select->winner == NOBODY; i++) {
        struct op *op = &select->ops[i];
        init_op(select, i);
        if (is_of_chan(op)) { // a task does not meet itself, and nobody else was there just now
            hob__chan_enqueue(op);
            select->flying++;
        } else if (hob__op_submit(wake->local.extra, op)) {
            select->flying++;
        } else { // a descriptor that is ready, or a time that has come
            select->winner = (int)i;
            withdraw_others(select);
        }
    }
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
    if (select.winner == NOBODY)
        return select.wake.result < 0 ? (int)select.wake.result : hob_cancelled();
    *ret_result = (int)ops[select.winner].result;
    if (ops[select.winner].kind == OP_MUTEX)
        hob__mutex_adopt(cases[select.winner].on, w->current);
    return select.winner;
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
