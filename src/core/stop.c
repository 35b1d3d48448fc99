/* SPDX-License-Identifier: MIT */
#include "core/stop.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/sys.h"
#include "core/crew.h"
#include "core/worker.h"
#include "hob/stop.h"
#include "hob/time.h"
#include "inspect/report.h"
#include "sync/signal.h"

#define DRAIN        (10 * HOB_SEC)
#define REPORT_AFTER (5 * HOB_SEC)
#define SAME_SIGNAL  (100 * HOB_MSEC) /* timeout(1) and others send it twice at once           */
#define UNSEEN       HOB_SEC          /* after this, the next signal ends a worker that is stuck */

enum { BY_CALL = 63, LEFT_SHOWN = 64, EXIT_BY_SIGNAL = 128 };

bool hob__stop_is_signal(int signal)
{
    return signal == SIGTERM || signal == SIGINT;
}

/* ---- from anywhere ---- */

static void ask(struct crew *crew, int bit)
{
    struct stop *stop = &crew->stop;
    atomic_fetch_or(&stop->asked, UINT64_C(1) << bit);
    if (!atomic_exchange(&stop->posted, true))
        hob__mail_post(crew->workers[0], &stop->mail);
}

void hob__stop_die(int signal)
{
    struct sigaction action = { .sa_handler = SIG_DFL };
    if (hob__last_act != NULL)
        hob__last_act();
    void (*last_lines)(void) = __atomic_load_n(&hob__last_lines, __ATOMIC_ACQUIRE);
    if (last_lines != NULL)
        last_lines();
    (void)hob__sys_sigaction(signal, &action, NULL);
    (void)raise(signal);
}

/* Worker 0 may be computing for ever: then the second signal is not polite any more. */
static bool is_unseen_for_long(struct stop *stop)
{
    long long now = hob__sys_clock_ns(CLOCK_MONOTONIC), before = 0;
    if (atomic_compare_exchange_strong(&stop->unseen_since, &before, now))
        return false;
    return now - before > UNSEEN;
}

void hob__stop_signalled(struct crew *crew, int signal)
{
    if (!crew->simulated && is_unseen_for_long(&crew->stop))
        hob__stop_die(signal);
    else
        ask(crew, signal - 1);
}

void hob_stop(const char *reason)
{
    struct worker *w = hob__worker;
    hob_require(w != NULL, "hob_stop: called outside of hob_run");
    const char *none = NULL;
    atomic_compare_exchange_strong(&w->crew->stop.reason, &none,
                                   reason != NULL ? reason : "hob_stop");
    ask(w->crew, BY_CALL);
}

hob_event *hob_stopping(void)
{
    hob_require(hob__worker != NULL, "hob_stopping: called outside of hob_run");
    struct stop *stop = &hob__worker->crew->stop;
    if (!atomic_load_explicit(&stop->is_awaited, memory_order_relaxed)) // servers ask for each request
        atomic_store(&stop->is_awaited, true);
    return &stop->event;
}

/* ---- every worker ---- */

/* Whoever waits for a connection is told. What has come is still given, by its result. */
void hob__stop_note(struct worker *w)
{
    w->stopping = true;
    list_for_each(node, &w->descs) {
        struct desc *desc = container_of(node, struct desc, link);
        if (desc->kind != DESC_LISTENER || desc->while_stopping)
            continue;
        list_for_each(op_node, &desc->ops)
            hob__op_stop_accept(w, container_of(op_node, struct op, link));
    }
}

static void open_stopping(struct worker *w, struct mail *mail)
{
    (void)mail;
    hob__stop_note(w);
}

/* ---- worker 0: the phases ---- */

static void next_phase(struct crew *crew);

static void timer_done(struct op *op)
{
    struct stop *stop = container_of(op, struct stop, timer);
    struct crew *crew = container_of(stop, struct crew, stop);
    stop->timer_set = false;
    if (op->result == 0)
        next_phase(crew);
}

static void clear_timer(struct crew *crew)
{
    if (crew->stop.timer_set)
        hob__op_cancel(crew->workers[0], &crew->stop.timer);
}

static void set_timer(struct crew *crew, int64_t delay_ns)
{
    struct stop   *stop = &crew->stop;
    struct worker *w = crew->workers[0];
    clear_timer(crew);
    stop->timer = (struct op){ .done = timer_done, .done_at_once = 1 };
    hob__sleep_op_init(&stop->timer, hob_in(delay_ns));
    stop->timer_set = hob__op_submit(w, &stop->timer);
    if (!stop->timer_set)
        next_phase(crew); // its time has come
}

static void cancel(struct crew *crew)
{
    struct stop   *stop = &crew->stop;
    struct worker *w = crew->workers[0];
    stop->phase = STOP_CANCELLED;
    hob__scope_cancel(&w->main, -ECANCELED, stop->why);
    set_timer(crew, REPORT_AFTER);
}

static void tell_others(struct crew *crew)
{
    pthread_mutex_lock(&crew->lock);
    atomic_store(&crew->stop.has_begun, true);
    for (uint32_t i = 1; i < crew->count; i++) {
        struct worker *w = crew->workers[i];
        if (w == NULL)
            continue;
        w->stopping_mail.open = open_stopping;
        hob__mail_post(w, &w->stopping_mail);
    }
    pthread_mutex_unlock(&crew->lock);
}

static void begin(struct crew *crew)
{
    struct stop *stop = &crew->stop;
    int64_t      drain_ns = crew->workers[0]->opts.drain_ns;
    bool         drains = atomic_load(&stop->is_awaited) || atomic_load(&stop->listeners) > 0;
    stop->phase = STOP_DRAINING;
    tell_others(crew);
    hob__stop_note(crew->workers[0]);
    hob_event_set(&stop->event);
    if (drains && drain_ns >= 0)
        set_timer(crew, drain_ns != 0 ? drain_ns : DRAIN);
    else
        cancel(crew);
}

static void report(struct crew *crew)
{
    crew->stop.phase = STOP_REPORTED;
    hob__report(crew->workers[0], "hob: %s: cancelled 5 s ago, and still there:", crew->stop.why);
    for (uint32_t i = 0; i < crew->count; i++) {
        if (crew->workers[i] == crew->workers[0]) // others' tasks are theirs to look at
            hob__report_tasks(crew->workers[i], LEFT_SHOWN);
    }
}

static void next_phase(struct crew *crew)
{
    switch (crew->stop.phase) {
    case STOP_RUNNING:
        begin(crew);
        break;
    case STOP_DRAINING:
        cancel(crew);
        break;
    case STOP_CANCELLED:
        report(crew);
        break;
    case STOP_REPORTED:
        break;
    }
}

static void on_signal(struct crew *crew, int signal)
{
    struct stop *stop = &crew->stop;
    int64_t      now_ns = hob_now();
    bool         same = stop->phase != STOP_RUNNING && now_ns - stop->last_ns < SAME_SIGNAL;
    stop->last_ns = now_ns;
    if (same)
        return;
    if (stop->phase < STOP_CANCELLED && stop->signal == 0) {
        stop->signal = signal;
        stop->why = signal == SIGTERM ? "SIGTERM" : "SIGINT";
    }
    if (stop->phase >= STOP_CANCELLED && !crew->simulated)
        hob__stop_die(signal);
    else if (stop->phase < STOP_CANCELLED)
        next_phase(crew);
}

static void open_asked(struct worker *w, struct mail *mail)
{
    struct crew *crew = w->crew;
    struct stop *stop = &crew->stop;
    (void)mail;
    atomic_store(&stop->posted, false); // before looking: what comes later posts again
    atomic_store(&stop->unseen_since, 0);
    uint64_t asked = atomic_exchange(&stop->asked, 0);
    if (w->main_ended)
        return;
    if (asked >> BY_CALL != 0 && stop->phase == STOP_RUNNING) {
        stop->why = atomic_load(&stop->reason);
        begin(crew);
    }
    for (int signal = 1; signal < BY_CALL; signal++) {
        if (asked >> (signal - 1) & 1)
            on_signal(crew, signal);
    }
}

/* ---- the run ---- */

static bool is_main_thread(void)
{
    return syscall(SYS_gettid) == getpid();
}

int hob__stop_open(struct crew *crew)
{
    struct stop   *stop = &crew->stop;
    struct worker *w = crew->workers[0];
    int            want = w->opts.stop_signals;
    stop->mail.open = open_asked;
    stop->event.name = "stopping";
    stop->by_sim = crew->simulated && want >= 0;
    if (crew->simulated || want < 0 || (want == 0 && !is_main_thread()))
        return 0;
    return hob__signals_open_stop(w, &stop->signals);
}

void hob__stop_close(struct crew *crew)
{
    if (crew->stop.signals != NULL)
        hob__signals_close_stop(crew->stop.signals);
    crew->stop.signals = NULL;
    clear_timer(crew);
}

/* Else, in virtual time, its time would come while the other workers say that they have ended. */
void hob__stop_main_ended(struct crew *crew)
{
    if (crew->stop.phase == STOP_DRAINING)
        clear_timer(crew);
}

int hob__stop_result(const struct crew *crew, int result)
{
    const struct stop *stop = &crew->stop;
    if (stop->phase < STOP_CANCELLED || (result != 0 && result != -ECANCELED))
        return result;
    return stop->signal != 0 ? EXIT_BY_SIGNAL + stop->signal : -ECANCELED;
}
