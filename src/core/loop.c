/* SPDX-License-Identifier: MIT */
/*
 * The loop: one turn hands work to the backend, sleeps if there is nothing else to do, delivers
 * what is finished, and lets ready tasks run.
 *
 * It runs on the thread's own stack; tasks switch to it when no other task is ready, or when the
 * backend is due (after RUNS_PER_POLL of them, or fewer when they are long: set_pace).
 */
#include "core/crew.h"
#include "core/remote.h"
#include "core/stop.h"
#include "core/worker.h"

#include <errno.h>
#include <sched.h>

#include "base/lock.h"
#include "hob/time.h"
#include "inspect/watchdog.h"
#include "sync/deadlock.h"

#define TRIM_EVERY (100 * HOB_MSEC)
#define SOON       (50 * HOB_USEC)
#define TURN_GOOD  (2 * HOB_MSEC) /* so long may the backend be left alone, about  */
#define TURN_LONG  (8 * HOB_MSEC) /* and more than this is changed                 */

enum { SPINS = 400 }; // some microseconds

static void run_done_ops(struct worker *w)
{
    // Callbacks may finish more of them: those wait for the next turn, so that I/O gets its turn.
    struct list done;
    list_init(&done);
    list_append(&done, &w->done);
    for (struct list_node *node; (node = list_pop_front(&done)) != NULL;)
        hob__op_deliver(w, container_of(node, struct op, link));
}

static void run_due_timers(struct worker *w)
{
    hob__wheel_advance(&w->wheel, w->backend->type->now(w->backend));
    for (struct timer *timer; (timer = hob__wheel_pop_due(&w->wheel)) != NULL;) {
        if (timer->kind == TIMER_SCOPE)
            hob__scope_deadline_passed(container_of(timer, struct scope, deadline));
        else
            hob__op_finish_local(container_of(timer, struct op, sleep), 0);
    }
}

static bool roots_have_children(const struct worker *w)
{
    list_for_each(node, &w->roots) {
        if (container_of(node, struct root, link)->scope.children > 0)
            return true;
    }
    return false;
}

/* The main task has returned: what lives in root scopes is asked to end. */
static void end_main(struct worker *w)
{
    w->main_ended = true;
    hob__stop_main_ended(w->crew);
    hob__worker_end_roots(w);
    hob__crew_end(w->crew);
}

static bool is_over(struct worker *w)
{
    if (w->number == 0 && w->main.children == 0 && !w->main_ended)
        end_main(w);
    if (!crew_is_alone(w->crew))
        return atomic_load_explicit(&w->crew->over, memory_order_acquire);
    if (w->crew->simulated && mail_has_come(&w->box)) // its own: lines of the log
        return false;
    return w->main_ended && !roots_have_children(w);
}

/* Nothing runs, no timer is set, and nobody outside can finish anything. */
static bool is_asleep_for_ever(struct worker *w)
{
    if (w->wheel.count > 0 || deadlock_look_due(w) != INT64_MAX)
        return false;
    struct backend_stats stats;
    w->backend->type->stats(w->backend, &stats);
    return stats.in_flight == 0 || stats.world_idle;
}

static void give_memory_back(struct worker *w)
{
    if (w->wheel.now_ns - w->last_trim_ns < TRIM_EVERY)
        return;
    w->last_trim_ns = w->wheel.now_ns;
    hob__stack_pool_trim(&w->stacks);
}

/* Tasks of several workers that answer each other do so within a microsecond, and a sleep costs
 * ten: so a worker whose mail came soon the last time looks for some more, and one whose mail did
 * not come sleeps, until it has been woken soon after it had fallen asleep. */
static bool spin_for_mail(struct worker *w)
{
    if (!w->crew->spins || !w->mail_comes_soon)
        return false;
    for (int i = 0; i < SPINS; i++) {
        if (mail_has_come(&w->box))
            return true;
        processor_relax();
    }
    return false;
}

/* With others around, nothing of ours to do is not the end. True: sleep. */
static bool may_sleep_among_others(struct worker *w)
{
    struct crew *crew = w->crew;
    if (spin_for_mail(w))
        return false;
    bool is_done = w->main_ended && hob__worker_children(w) == 0;
    if (is_done || is_asleep_for_ever(w))
        hob__crew_dry(w);
    if (crew->simulated)
        return !mail_has_come(&w->box);
    if (!hob__mail_fall_asleep(&w->box))
        return false;
    if (atomic_load(&crew->waiting_count) == 0 && !atomic_load(&crew->over))
        return true;
    hob__mail_wake_up(&w->box);
    return false;
}

/* Alone, but threads outside may send something. Those are no part of the simulated world, in
 * which nothing waits for them. */
static bool may_sleep_till_mail(struct worker *w)
{
    if (w->crew->simulated)
        sched_yield();
    return hob__mail_fall_asleep(&w->box);
}

/* Until when the backend may sleep: 0 when there is something to do here. */
static int64_t sleep_until(struct worker *w)
{
    if (!list_is_empty(&w->ready) || !list_is_empty(&w->done))
        return 0;
    if (hob__remote_take(w)) // also alone, when no other worker could be started
        return 0;
    if (!crew_is_alone(w->crew)) {
        if (!may_sleep_among_others(w))
            return 0;
    } else if (atomic_load(&w->crew->outsiders) > 0) {
        if (!may_sleep_till_mail(w))
            return 0;
    } else if (mail_has_come(&w->box)) { // its own: it took what waited for whoever is idle
        return 0;
    } else if (is_asleep_for_ever(w)) {
        hob__stuck(w);
        return 0;
    } else if (w->crew->stop.signals != NULL && !hob__mail_fall_asleep(&w->box)) {
        return 0; // a signal came just now
    }
    give_memory_back(w);
    int64_t timer_ns = hob__wheel_next(&w->wheel), look_ns = deadlock_look_due(w);
    return look_ns < timer_ns ? look_ns : timer_ns;
}

static void poll_backend(struct worker *w)
{
    __atomic_store_n(&w->sleeps, true, __ATOMIC_RELAXED);
    w->backend->type->poll(w->backend, sleep_until(w), &w->done);
    __atomic_store_n(&w->sleeps, false, __ATOMIC_RELAXED);
    hob__mail_wake_up(&w->box);
    if (hob_unlikely(__atomic_load_n(&w->watchdog_dozes, __ATOMIC_RELAXED)))
        hob__watchdog_rouse(w);
}

static uint32_t within(uint32_t count, uint32_t most)
{
    return count == 0 ? 1 : count < most ? count : most;
}

/* A turn counts runs, for a look at the clock costs more than most of them take. When those of the
 * last turn were long, fewer do: else who computes, and yields as he should, would keep timers and
 * the system waiting for as long as all the runs of a turn take. */
static void set_pace(struct worker *w, int64_t turn_ns)
{
    uint32_t runs = w->runs_now - w->runs_left;
    int64_t  run_ns = turn_ns / (runs > 0 ? runs : 1);
    if (turn_ns > TURN_LONG) {
        w->runs_now = run_ns < TURN_GOOD ? (uint32_t)(w->runs_now * TURN_GOOD / turn_ns) : 1;
        if (run_ns > TURN_GOOD)
            w->inline_now = (uint32_t)(w->inline_now * TURN_GOOD / run_ns);
    } else if (turn_ns < TURN_GOOD) {
        w->runs_now *= 2;
        w->inline_now *= 2;
    }
    w->runs_now = within(w->runs_now, w->runs_per_turn);
    w->inline_now = within(w->inline_now, INLINE_OPS_PER_RUN);
}

/* `was_full`: since the last time it did not sleep, for some were still ready. */
static void run_what_is_due(struct worker *w, bool was_full)
{
    int64_t before_ns = w->wheel.now_ns;
    bool    had_mail = hob__mail_read(w);
    run_due_timers(w);
    if (was_full)
        set_pace(w, w->wheel.now_ns - before_ns);
    w->mail_comes_soon = had_mail && w->wheel.now_ns - before_ns < SOON;
    if (hob_unlikely(deadlock_look_due(w) <= w->wheel.now_ns))
        hob__deadlocks_look(w);
    run_done_ops(w);
    hob__tasks_run(w);
}

static void loop_turn(struct worker *w)
{
    hob_require(!w->forked, HOB__ONLY_EXEC);
    w->stats.turns++;
    bool was_full = !list_is_empty(&w->ready);
    poll_backend(w);
    run_what_is_due(w, was_full);
}

void hob__loop_run(struct worker *w)
{
    hob__tasks_run(w);
    while (!is_over(w)) {
        if (w->crew->simulated && !crew_is_alone(w->crew))
            hob__crew_simulate(w->crew);
        else
            loop_turn(w);
    }
    __atomic_store_n(&w->sleeps, true, __ATOMIC_RELAXED);
}

bool hob__loop_is_over(struct worker *w)
{
    return is_over(w);
}

/* A poll() that does not sleep may have taken the wake() of somebody else, and there will be no other:
 * so whatever that was for counts as something to do, also if a third has done it meanwhile. */
static bool was_woken(struct worker *w)
{
    return hob__mail_was_woken(&w->box) || (!w->crew->simulated && atomic_load(&w->crew->over));
}

bool hob__loop_step(struct worker *w, int64_t *next_ns)
{
    if (is_over(w))
        return true;
    int64_t until_ns = sleep_until(w), now_ns = w->backend->type->now(w->backend);
    w->stats.turns++;
    w->backend->type->poll(w->backend, 0, &w->done);
    bool moves = until_ns <= now_ns || mail_has_come(&w->box) || !list_is_empty(&w->done) ||
                 was_woken(w);
    if (moves) {
        hob__crew_not_dry(w); // in sim the world, which all share, brings things without a mail
        hob__mail_wake_up(&w->box);
        run_what_is_due(w, false); // between steps the host has its own to do
    } else if (until_ns < *next_ns) {
        *next_ns = until_ns;
    }
    return moves;
}
