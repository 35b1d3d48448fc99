/* SPDX-License-Identifier: MIT */
/*
 * A run that another loop drives: see hob/loop.h.
 *
 *     host's loop ── readable ──▶ hob_step ──▶ hob__loop_step, until it moves nothing
 *          ▲                                          │
 *          └── watch_fd (epoll) ◀── the backend's descriptor, and a timerfd
 *
 * What holds:
 *   1. A step that ends idle has handed everything to the kernel: its last poll() comes after
 *      the last task. So whatever happens next makes the backend's descriptor readable.
 *   2. The timerfd is set to the next timer, or has expired while there is something to do.
 *   3. Until the main task has ended, the host counts as one of the crew's outsiders: it may
 *      act between steps, so nothing is over or stuck without it.
 */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/sys.h"
#include "core/run.h"
#include "core/worker.h"
#include "hob/loop.h"
#include "hob/time.h"
#include "inspect/watchdog.h"

enum {
    RUNS_PER_TURN = 16, /* between two looks at the clock */
    SIM_TURNS_MAX = 100000,
};

#define AT_ONCE 1 /* on the monotonic clock: long ago */

struct hob_loop {
    struct run run;
    bool       host_counts; /* as an outsider                               */
    int        last;        /* what the last step returned                  */
    int64_t    next_ns;     /* the next timer, when the last step was idle  */
    int        watch_fd, timer_fd; /* -1: nobody asked                      */
    int64_t    armed_ns;    /* what timer_fd is set to; INT64_MAX: nothing  */
};

static struct worker *check(const hob_loop *loop, const char *wrong_thread)
{
    struct worker *w = loop->run.worker;
    hob_require(hob__worker == w, wrong_thread);
    hob_require(w->current == NULL, "a task or a callback drives the loop that it runs in");
    return w;
}

static void leave_outsiders(hob_loop *loop)
{
    if (!loop->host_counts)
        return;
    loop->host_counts = false;
    crew_waited_outside(&loop->run.crew);
    hob__crew_not_dry(loop->run.worker); // it is asked again whether all are
}

static bool is_over(hob_loop *loop)
{
    bool over = hob__loop_is_over(loop->run.worker);
    if (loop->run.worker->main_ended)
        leave_outsiders(loop);
    return over;
}

static int64_t now_of(struct worker *w)
{
    return w->backend->type->now(w->backend);
}

static int64_t end_of_budget(struct worker *w, int64_t budget_ns)
{
    int64_t now_ns = now_of(w);
    if (budget_ns <= 0)
        return now_ns;
    return budget_ns < INT64_MAX - now_ns ? now_ns + budget_ns : INT64_MAX;
}

static int step_in_real_time(hob_loop *loop, struct worker *w, int64_t end_ns)
{
    for (;;) {
        if (is_over(loop))
            return HOB_STEP_ENDED;
        loop->next_ns = INT64_MAX;
        bool moved = hob__loop_step(w, &loop->next_ns);
        if (!moved && w->backend->type->due(w->backend) > now_of(w))
            return HOB_STEP_IDLE;
        if (now_of(w) >= end_ns)
            break;
    }
    if (is_over(loop))
        return HOB_STEP_ENDED;
    w->backend->type->poll(w->backend, 0, &w->done); // what was begun is not kept for a frame
    return HOB_STEP_MORE;
}

static int step_in_sim(hob_loop *loop, struct worker *w, int64_t end_ns)
{
    for (int turn = 0; turn < SIM_TURNS_MAX; turn++) {
        if (is_over(loop))
            return HOB_STEP_ENDED;
        int64_t next_ns = INT64_MAX;
        if (hob__crew_simulate_turn(&loop->run.crew, &next_ns))
            continue;
        if (is_over(loop))
            return HOB_STEP_ENDED;
        if (now_of(w) >= end_ns)
            return HOB_STEP_IDLE;
        hob__sim_advance(w->backend, next_ns < end_ns ? next_ns : end_ns);
    }
    return HOB_STEP_MORE;
}

static void arm(hob_loop *loop)
{
    if (loop->watch_fd < 0)
        return;
    struct worker *w = loop->run.worker;
    int64_t        when_ns = AT_ONCE;
    if (loop->last == HOB_STEP_IDLE && !w->seeded) {
        int64_t due_ns = w->backend->type->due(w->backend);
        when_ns = due_ns < loop->next_ns ? due_ns : loop->next_ns;
        if (when_ns < AT_ONCE)
            when_ns = AT_ONCE;
    }
    if (when_ns == loop->armed_ns)
        return;
    loop->armed_ns = when_ns;
    hob__sys_timerfd_set(loop->timer_fd, when_ns == INT64_MAX ? 0 : when_ns);
}

static int step(hob_loop *loop, int64_t budget_ns)
{
    struct worker *w = loop->run.worker;
    int64_t        end_ns = end_of_budget(w, budget_ns);
    __atomic_store_n(&w->sleeps, false, __ATOMIC_RELAXED);
    if (__atomic_load_n(&w->watchdog_dozes, __ATOMIC_RELAXED))
        hob__watchdog_rouse(w);
    hob__crew_not_dry(w); // the host may have done something
    int said = w->seeded ? step_in_sim(loop, w, end_ns) : step_in_real_time(loop, w, end_ns);
    __atomic_store_n(&w->sleeps, true, __ATOMIC_RELAXED);
    return said;
}

int hob_step(hob_loop *loop, int64_t budget_ns)
{
    (void)check(loop, "hob_step: called by another thread than hob_begin");
    loop->last = step(loop, budget_ns);
    arm(loop);
    return loop->last;
}

/* ---- what the host waits for ---- */

static int watch(int watch_fd, int fd)
{
    struct epoll_event event = { .events = EPOLLIN };
    return hob__sys_epoll_ctl(watch_fd, EPOLL_CTL_ADD, fd, &event);
}

static void close_watch(hob_loop *loop)
{
    if (loop->timer_fd >= 0)
        hob__sys_close(loop->timer_fd);
    if (loop->watch_fd >= 0)
        hob__sys_close(loop->watch_fd);
    loop->timer_fd = loop->watch_fd = -1;
}

static int open_watch(hob_loop *loop)
{
    struct backend *b = loop->run.worker->backend;
    int             r = hob__sys_epoll_create(EPOLL_CLOEXEC);
    if (r < 0)
        return r;
    loop->watch_fd = r;
    r = loop->timer_fd = hob__sys_timerfd(TFD_CLOEXEC | TFD_NONBLOCK);
    if (r >= 0)
        r = watch(loop->watch_fd, loop->timer_fd);
    int fd = r < 0 ? r : b->type->poll_fd(b);
    if (fd >= 0)
        r = watch(loop->watch_fd, fd);
    else if (fd != -ENOTSUP)
        r = fd;
    if (r < 0)
        close_watch(loop);
    return r;
}

int hob_poll_fd(hob_loop *loop)
{
    (void)check(loop, "hob_poll_fd: called by another thread than hob_begin");
    if (loop->watch_fd >= 0)
        return loop->watch_fd;
    int r = open_watch(loop);
    if (r < 0)
        return r;
    loop->armed_ns = INT64_MAX;
    arm(loop);
    return loop->watch_fd;
}

int64_t hob_next_timeout(hob_loop *loop)
{
    struct worker *w = check(loop, "hob_next_timeout: called by another thread than hob_begin");
    if (loop->last != HOB_STEP_IDLE || w->seeded || !list_is_empty(&w->ready) ||
        !list_is_empty(&w->done))
        return 0;
    int64_t when_ns = hob__wheel_next(&w->wheel), now_ns = now_of(w);
    if (loop->next_ns < when_ns)
        when_ns = loop->next_ns;
    int64_t due_ns = w->backend->type->due(w->backend);
    if (due_ns < when_ns)
        when_ns = due_ns;
    if (when_ns == INT64_MAX)
        return INT64_MAX;
    return when_ns > now_ns ? when_ns - now_ns : 0;
}

/* ---- from begin to end ---- */

int hob_begin(const hob_run_opts *opts, hob_task_fn *main_fn, void *arg, hob_loop **ret_loop)
{
    hob_loop *loop = hob__alloc_zero(sizeof *loop);
    if (loop == NULL)
        return -ENOMEM;
    loop->watch_fd = loop->timer_fd = -1;
    hob_run_opts guest = { 0 };
    if (opts != NULL)
        guest = *opts;
    if (guest.stop_signals == 0) // they are the host's
        guest.stop_signals = -1;
    int r = hob__run_open(&loop->run, &guest);
    if (r < 0) {
        hob__free(loop);
        return r;
    }
    struct worker *w = loop->run.worker;
    w->runs_per_turn = w->runs_now = RUNS_PER_TURN;
    crew_waits_outside(&loop->run.crew);
    loop->host_counts = true;
    loop->last = HOB_STEP_MORE;
    r = hob__run_start_main(&loop->run, main_fn, arg, __builtin_return_address(0));
    __atomic_store_n(&w->sleeps, true, __ATOMIC_RELAXED);
    if (r < 0) {
        leave_outsiders(loop);
        r = hob__run_finish(&loop->run);
        hob__run_close(&loop->run);
        hob__free(loop);
        return r;
    }
    *ret_loop = loop;
    return 0;
}

int hob_finish(hob_loop *loop)
{
    struct worker *w = check(loop, "hob_finish: called by another thread than hob_begin");
    if (w->main.children > 0)
        hob__scope_cancel(&w->main, -ECANCELED, "the host has finished");
    leave_outsiders(loop);
    __atomic_store_n(&w->sleeps, false, __ATOMIC_RELAXED);
    hob__loop_run(w);
    int r = hob__run_finish(&loop->run);
    close_watch(loop);
    hob__run_close(&loop->run);
    hob__free(loop);
    return r;
}
