/* SPDX-License-Identifier: MIT */
/* hob/time.h: the clock of the backend, and sleeping in the worker's wheel. */
#include "hob/time.h"

#include "core/worker.h"

int64_t hob_now(void)
{
    struct worker *w = hob__worker;
    hob_require(w != NULL, "hob_now: called outside of hob_run");
    return w->backend->type->now(w->backend);
}

int64_t hob_in(int64_t duration_ns)
{
    hob_require(hob__worker != NULL, "hob_in: called outside of hob_run");
    int64_t deadline;
    if (duration_ns <= 0)
        return hob_now();
    if (duration_ns == HOB_FOREVER || __builtin_add_overflow(hob_now(), duration_ns, &deadline))
        return HOB_FOREVER;
    return deadline;
}

int64_t hob_wall_now(void)
{
    struct worker *w = hob__worker;
    hob_require(w != NULL, "hob_wall_now: called outside of hob_run");
    return w->backend->type->wall_now(w->backend);
}

/* The loop's clock is that of its last turn. For a time that lies ahead of it, the real
 * clock decides: nobody is woken early, and nobody sleeps for a time that has passed. */
void hob__sleep_start(struct worker *w, struct op *op)
{
    int64_t when_ns = op->sleep.when_ns;
    if (when_ns <= w->wheel.now_ns || when_ns <= w->backend->type->now(w->backend)) {
        op->result = 0;
        op->state = OP_DONE;
        return;
    }
    op->state = OP_FLYING;
    hob__wheel_insert(&w->wheel, &op->sleep, when_ns, TIMER_OP);
}

static void start_for_ever(struct op *op)
{
    op->state = OP_FLYING;
}

static bool stop_for_ever(struct op *op)
{
    (void)op;
    return true;
}

void hob__sleep_op_init(struct op *op, int64_t deadline_ns)
{
    if (deadline_ns == HOB_FOREVER) { // no timer: so that "asleep for ever" can be seen
        op->kind = OP_PARK;
        op->local.start = start_for_ever;
        op->local.withdraw = stop_for_ever;
        return;
    }
    op->kind = OP_SLEEP;
    op->sleep.when_ns = deadline_ns;
}

void hob_sleep_prep(hob_op *place, int64_t deadline_ns)
{
    hob__sleep_op_init(hob__op_prep(place, OP_SLEEP, NULL), deadline_ns);
}

int hob_sleep_until(int64_t deadline_ns)
{
    struct op op = { .state = OP_IDLE };
    hob__sleep_op_init(&op, deadline_ns);
    hob__op_await(&op);
    return (int)op.result;
}

int hob_sleep(int64_t duration_ns)
{
    hob_require(hob__worker != NULL, "hob_sleep: called outside of hob_run");
    return hob_sleep_until(duration_ns > 0 ? hob_in(duration_ns) : 0);
}

void hob_ticker_init(hob_ticker *ticker, int64_t period_ns)
{
    hob_require(period_ns > 0, "hob_ticker_init: the period must be more than 0");
    ticker->period_ns = period_ns;
    ticker->next_ns = hob_in(period_ns);
}

int64_t hob_ticker_wait(hob_ticker *ticker)
{
    int64_t now_ns = hob_now();
    int64_t skipped = 0;
    if (now_ns > ticker->next_ns) { // those that passed while nobody listened
        skipped = (now_ns - ticker->next_ns) / ticker->period_ns;
        if ((now_ns - ticker->next_ns) % ticker->period_ns != 0)
            skipped++;
    }
    int64_t tick_ns;
    if (__builtin_add_overflow(ticker->next_ns, skipped * ticker->period_ns, &tick_ns))
        tick_ns = HOB_FOREVER;
    int r = hob_sleep_until(tick_ns);
    if (r < 0)
        return r;
    if (__builtin_add_overflow(tick_ns, ticker->period_ns, &ticker->next_ns))
        ticker->next_ns = HOB_FOREVER;
    return skipped;
}
