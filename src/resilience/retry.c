/* SPDX-License-Identifier: MIT */
/*
 * hob/retry.h: attempt, judge, pause; attempt, judge, pause.
 *
 * The limits of time are scopes: one around all of it, one around each attempt. So an attempt
 * that lasts too long is cancelled as anything is, and its result is its own.
 */
#include "hob/retry.h"

#include <errno.h>
#include <stdbool.h>

#include "base/check.h"
#include "hob/runtime.h"
#include "hob/scope.h"

int hob_error_is_passing(int error)
{
    switch (error) {
    case -ECONNREFUSED:
    case -ECONNRESET:
    case -ECONNABORTED:
    case -EPIPE:
    case -ETIMEDOUT:
    case -ENETDOWN:
    case -ENETUNREACH:
    case -EHOSTDOWN:
    case -EHOSTUNREACH:
    case -EAGAIN:
    case -EBUSY:
    case -EINTR:
        return 1;
    default:
        return 0;
    }
}

/* ---- pauses ---- */

static int64_t between(int64_t min, int64_t max)
{
    uint64_t width = (uint64_t)(max - min) + 1;
    return max <= min ? min : min + (int64_t)(((unsigned __int128)hob_random() * width) >> 64);
}

static int64_t doubled(int64_t base, int64_t top, uint32_t times)
{
    int64_t ns = base < top ? base : top;
    for (; times > 0 && ns < top; times--)
        ns = ns > top / 2 ? top : 2 * ns;
    return ns;
}

int64_t hob_retry_pause_ns(const hob_retry_opts *opts, uint32_t attempt, int64_t before_ns)
{
    static const hob_retry_opts defaults;
    if (opts == NULL)
        opts = &defaults;
    int64_t base = opts->backoff_ns > 0 ? opts->backoff_ns : 50 * HOB_MSEC;
    int64_t top = opts->backoff_max_ns > 0 ? opts->backoff_max_ns : 10 * HOB_SEC;
    int64_t whole = doubled(base, top, attempt > 0 ? attempt - 1 : 0);
    switch (opts->jitter) {
    case HOB_JITTER_FULL:
        return between(0, whole);
    case HOB_JITTER_EQUAL:
        return between(whole / 2, whole);
    case HOB_JITTER_DECORRELATED:
        if (before_ns < base)
            before_ns = base;
        base = base < top ? base : top;
        return between(base, before_ns > top / 3 ? top : 3 * before_ns);
    case HOB_JITTER_NONE:
        return whole;
    }
    hob__misuse_of("hob_retry", "there is no such jitter");
}

/* ---- attempts ---- */

static int attempt(const hob_retry_opts *opts, hob_task_fn *fn, void *arg)
{
    if (opts->attempt_max_ns <= 0)
        return fn(arg);
    hob_scope scope;
    hob_scope_begin(&scope);
    hob_scope_deadline(&scope, hob_in(opts->attempt_max_ns));
    int r = fn(arg);
    (void)!hob_scope_end(&scope); // that it was too late shows in the result, or does not matter
    return r;
}

static int64_t judge(const hob_retry_opts *opts, uint32_t number, int error)
{
    if (opts->judge != NULL)
        return opts->judge(opts->arg, number, error);
    return hob_error_is_passing(error) ? HOB_RETRY_YES : HOB_RETRY_NOT;
}

/* Whether there is to be one more, and after how long; `*pause_ns` is the last one's. */
static bool is_worth_another(const hob_retry_opts *opts, uint32_t number, int error,
                             int64_t deadline_ns, int64_t *pause_ns)
{
    uint32_t max = opts->attempts_max != 0 ? opts->attempts_max : 3;
    if (number >= max || hob_cancelled() < 0)
        return false;
    int64_t say = judge(opts, number, error);
    if (say < 0)
        return false;
    *pause_ns = say > 0 ? say : hob_retry_pause_ns(opts, number, *pause_ns);
    if (hob_in(*pause_ns) >= deadline_ns)
        return false;
    return opts->budget == NULL || hob_retry_budget_take(opts->budget);
}

static int try_and_try(const hob_retry_opts *opts, int64_t deadline_ns, hob_task_fn *fn, void *arg)
{
    int64_t pause_ns = 0;
    for (uint32_t number = 1;; number++) {
        int r = attempt(opts, fn, arg);
        if (r >= 0 || !is_worth_another(opts, number, r, deadline_ns, &pause_ns))
            return r;
        if (opts->on_retry != NULL)
            opts->on_retry(opts->arg, number, r, pause_ns);
        int slept = hob_sleep(pause_ns);
        if (slept < 0)
            return slept;
    }
}

int hob_retry(const hob_retry_opts *opts, hob_task_fn *fn, void *arg)
{
    static const hob_retry_opts defaults;
    if (opts == NULL)
        opts = &defaults;
    if (opts->budget != NULL)
        hob_retry_budget_call(opts->budget);
    if (opts->time_max_ns <= 0)
        return try_and_try(opts, HOB_FOREVER, fn, arg);

    int64_t   deadline_ns = hob_in(opts->time_max_ns);
    hob_scope scope;
    hob_scope_begin(&scope);
    hob_scope_deadline(&scope, deadline_ns);
    int r = try_and_try(opts, deadline_ns, fn, arg);
    (void)!hob_scope_end(&scope);
    return r;
}
