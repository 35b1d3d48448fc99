/* SPDX-License-Identifier: MIT */
/* Waiting until what was logged is written: asked for, before a failure is told, and at exit(3). */
#include <errno.h>
#include <time.h>

#include "base/sys.h"
#include "core/crew.h"
#include "core/worker.h"
#include "hob/time.h"
#include "log/setup.h"

#define EXIT_LIMIT   (1 * HOB_SEC)
#define REPORT_LIMIT (200 * HOB_MSEC) /* before a failure is told */
#define LOOK_AGAIN   (1 * HOB_MSEC)

/* What somebody waits for: the lines of one writer, or of a simulated run. */
struct flush {
    uint64_t     writer; /* its number; 0: none */
    struct crew *in_sim;
    uint32_t     number;
    uint64_t     mark;
};

static struct flush flush_begin(void)
{
    struct flush   flush = { 0 };
    struct worker *w = hob__worker;
    if (w != NULL && w->crew->simulated) {
        if (hob__log_sim_mark(w->crew, &flush.mark)) {
            flush.in_sim = w->crew;
            flush.number = hob__log_sim_number(w->crew, NULL);
        }
        return flush;
    }
    struct held held = hob__log_hold();
    flush.writer = held.writer != NULL ? held.writer->number : 0;
    if (held.writer != NULL)
        flush.mark = hob__log_buffer_mark(&held.writer->buffer);
    hob__log_let_go(&held);
    return flush;
}

/* A writer that was replaced meanwhile has written it, or given it up. */
static bool flush_is_done(const struct flush *flush)
{
    if (flush->in_sim != NULL)
        return hob__log_sim_is_past(flush->in_sim, flush->number, flush->mark);
    struct held held = hob__log_hold();
    bool        done = held.writer == NULL || held.writer->number != flush->writer ||
                hob__log_buffer_is_past(&held.writer->buffer, flush->mark);
    hob__log_let_go(&held);
    return done;
}

static int flush_on_thread(int64_t limit_ns)
{
    struct flush flush = flush_begin();
    int64_t      began_ns = hob__sys_clock_ns(CLOCK_MONOTONIC);
    while (!flush_is_done(&flush)) {
        if (hob__sys_clock_ns(CLOCK_MONOTONIC) - began_ns >= limit_ns)
            return -ETIMEDOUT;
        nanosleep(&(struct timespec){ .tv_nsec = LOOK_AGAIN }, NULL);
    }
    return 0;
}

int hob_log_flush(int64_t limit_ns)
{
    if (hob__worker == NULL)
        return flush_on_thread(limit_ns);
    hob_require(hob__task_self() != NULL, "hob_log_flush: called in a callback; call it in a task");
    struct flush flush = flush_begin();
    int64_t      deadline_ns = hob_in(limit_ns);
    while (!flush_is_done(&flush)) {
        if (hob_now() >= deadline_ns)
            return -ETIMEDOUT;
        HOB_TRY(hob_sleep(LOOK_AGAIN));
    }
    return 0;
}

void hob__log_before_report(void)
{
    if (!hob__worker->crew->simulated)
        (void)flush_on_thread(REPORT_LIMIT); // else it comes in another order
}

/* Places that were muted outside of a run have nobody else to tell it. */
static void tell_muted(void)
{
    hob_log_site *site;
    int           level;
    uint64_t      count;
    int64_t       next_ns;
    while ((site = hob__log_muted_take(&hob__log_muted, 0, true, &level, &count, &next_ns)) != NULL)
        hob__log_tell_muted(site, level, count);
}

/* exit(3), also in the middle of a run: then its lines are written by the writer. */
void hob__log_at_exit(void)
{
    tell_muted();
    (void)flush_on_thread(EXIT_LIMIT);
}

