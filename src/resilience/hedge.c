/* SPDX-License-Identifier: MIT */
/*
 * hob/hedge.h. The caller's task begins attempts, each in a task of a scope of its own, and is told
 * by an event when one has ended. Who was first is decided where an attempt ends; so what
 * succeeded before the others were cancelled, or the caller was, has won.
 */
#include "hob/hedge.h"

#include <errno.h>
#include <stdbool.h>

#include "base/check.h"
#include "hob/scope.h"
#include "hob/select.h"

struct attempt {
    int64_t began_ns, took_ns;
    int     result;
    bool    ended;
};

struct race {
    hob_hedge_opts opts;
    hob_task_fn   *fn;
    char          *args;
    size_t         arg_bytes, count;
    size_t         begun, ended;
    int            winner;        /* -1: nobody yet                    */
    int            first_failure; /* in time; 0: none yet              */
    int            final_failure; /* 0: none                           */
    hob_event      news;          /* an attempt has ended              */
    struct attempt attempts[HOB_HEDGE_MAX];
};

/* What an attempt's task gets, on its own stack. */
struct start {
    struct race *race;
    size_t       index;
};

static void *arg_of(const struct race *race, size_t index)
{
    return race->args + index * race->arg_bytes;
}

static bool is_final(const struct race *race, int error)
{
    if (race->opts.is_final != NULL)
        return race->opts.is_final(race->opts.arg, error);
    return !hob_error_is_passing(error);
}

static bool is_decided(const struct race *race)
{
    return race->winner >= 0 || race->final_failure != 0;
}

static void note_end(struct race *race, size_t index, int result)
{
    struct attempt *a = &race->attempts[index];
    a->took_ns = hob_now() - a->began_ns;
    a->result = result;
    a->ended = true;
    race->ended++;
    if (!is_decided(race)) { // else it may have failed only because it was cancelled
        if (result >= 0)
            race->winner = (int)index;
        else if (race->first_failure == 0)
            race->first_failure = result;
        if (result < 0 && is_final(race, result))
            race->final_failure = result;
    }
    hob_event_set(&race->news);
}

static int run_attempt(void *arg)
{
    struct start start = *(struct start *)arg;
    note_end(start.race, start.index, start.race->fn(arg_of(start.race, start.index)));
    return 0;
}

/* Begins the next one, if the budget lets it. */
static void begin_next(struct race *race, hob_scope *scope)
{
    struct start start = { race, race->begun };
    if (race->begun > 0 && race->opts.budget != NULL &&
        !hob_retry_budget_take(race->opts.budget)) {
        race->count = race->begun; // nor any other
        return;
    }
    race->attempts[race->begun++].began_ns = hob_now();
    int r = hob_go_copy(scope, run_attempt, &start, sizeof start);
    if (r < 0)
        note_end(race, start.index, r);
}

static int64_t delay_of(const hob_hedge_opts *opts)
{
    int64_t ns = opts->delay_ns > 0 ? opts->delay_ns : 100 * HOB_MSEC;
    if (opts->latency == NULL)
        return ns;
    uint32_t percent = opts->percentile != 0 ? opts->percentile : 95;
    int64_t  seen = hob_latency_percentile(opts->latency, percent);
    return seen >= 0 ? seen : ns;
}

/* Until it is decided, all have failed, or the caller is cancelled: 0, or that code. */
static int run_race(struct race *race, hob_scope *scope)
{
    int64_t delay = delay_of(&race->opts), next_ns = hob_now();
    while (!is_decided(race)) {
        bool all_failed = race->ended == race->begun, is_more = race->begun < race->count;
        if (is_more && (all_failed || hob_now() >= next_ns)) {
            begin_next(race, scope);
            next_ns = hob_in(delay);
            continue;
        }
        if (all_failed)
            return 0;
        int64_t until_ns = is_more ? next_ns : HOB_FOREVER;
        int     r = HOB_SELECT(NULL, HOB_EVENT_WAIT(&race->news), HOB_AT(until_ns));
        if (r < 0)
            return r;
        hob_event_reset(&race->news);
    }
    return 0;
}

/* All have ended. */
static void settle_accounts(const struct race *race)
{
    for (size_t i = 0; i < race->begun; i++) {
        const struct attempt *a = &race->attempts[i];
        // It was overtaken by one that began later: its time would have been longer still.
        bool was_slow = a->result == -ECANCELED && (int)i < race->winner;
        if (race->opts.latency != NULL && (a->result >= 0 || was_slow))
            hob_latency_note(race->opts.latency, a->took_ns);
        if (race->opts.drop != NULL && a->result >= 0 && (int)i != race->winner)
            race->opts.drop(arg_of(race, i));
    }
}

int hob_hedge(const hob_hedge_opts *given, hob_task_fn *fn, void *args, size_t arg_bytes,
              size_t count)
{
    hob_require(count >= 1 && count <= HOB_HEDGE_MAX,
                "hob_hedge: from 1 to HOB_HEDGE_MAX attempts, please");
    int r = hob_checkpoint();
    if (r < 0)
        return r;
    struct race race = { .fn = fn, .args = args, .arg_bytes = arg_bytes, .count = count,
                         .winner = -1, .news = { .name = "attempts" } };
    if (given != NULL)
        race.opts = *given;
    if (race.opts.budget != NULL)
        hob_retry_budget_call(race.opts.budget);

    hob_scope scope;
    hob_scope_begin(&scope);
    hob_scope_policy(&scope, HOB_WAIT_ALL); // what could not be started has failed, and no more
    r = run_race(&race, &scope);
    hob_scope_cancel(&scope, race.winner >= 0 ? "another attempt was first" : "it was given up");
    (void)!hob_scope_end(&scope);

    settle_accounts(&race);
    if (race.winner >= 0)
        return race.winner;
    if (race.final_failure != 0)
        return race.final_failure;
    return r < 0 ? r : race.first_failure;
}
