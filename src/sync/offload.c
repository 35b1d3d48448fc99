/* SPDX-License-Identifier: MIT */
/*
 * hob_offload: an op whose job a pool does, and what a job is while its function runs.
 *
 *     op ── start ──▶ job ── pool ──▶ fn, on a thread ── mail ──▶ the op's worker: it is done
 *
 * The op is touched by its worker only; the thread has the job. While the function runs the
 * worker counts an outsider, so that nobody takes the silence for the end (core/crew.h).
 *
 * In sim the job has a sleep of its own, on the worker of its op, at whose end the function is
 * called there, from the loop. For that time the thread is no worker: so the function can do
 * what it could on a thread, and no more.
 *
 * Memory: a job lies beside its op, on the task's stack; hob_offload_prep's is freed before its
 * op is delivered, or never started.
 */
#include "hob/offload.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "core/crew.h"
#include "core/worker.h"
#include "hob/inspect.h"
#include "inspect/symbol.h"
#include "sync/pool.h"

/* ---- while the function runs ---- */

static __thread struct job *current;
static __thread bool        is_simulated;

int hob__job_call(struct job *job)
{
    struct job *outer = current;
    current = job;
    int result = job->fn(job->arg);
    current = outer;
    return result;
}

int hob_offload_cancelled(void)
{
    if (current == NULL)
        return hob_cancelled();
    return atomic_load_explicit(&current->cancelled, memory_order_relaxed) ? -ECANCELED : 0;
}

bool hob__job_is_simulated(void)
{
    return is_simulated;
}

struct worker *hob__job_simulator(void)
{
    return is_simulated && current != NULL ? current->home : NULL;
}

void hob__job_report_who(int fd)
{
    char function[256], place[256], line[640];
    if (current == NULL)
        return;
    hob__function_name((const void *)(uintptr_t)current->fn, function, sizeof function);
    hob_describe_address(current->called_at, place, sizeof place);
    int len = snprintf(line, sizeof line,
                       "hob: in %s, on a thread of the pool \"%s\", called at %s: there a function "
                       "may compute or block, but not call what waits or needs a run\n",
                       function, current->pool->name, place);
    ssize_t written = write(fd, line, (size_t)len < sizeof line ? (size_t)len : sizeof line - 1);
    (void)written;
}

/* ---- home ---- */

static void let_go(struct job *job)
{
    hob_pool *pool = job->pool;
    if (!pool->simulated)
        crew_waited_outside(job->home->crew);
    if (job->on_heap) {
        job->op->local.extra = NULL;
        hob__free(job);
    }
    hob__pool_unref(pool);
}

void hob__job_home(struct job *job)
{
    struct op *op = job->op;
    int        result = job->result;
    let_go(job);
    hob__op_finish_local(op, result);
}

static void open_ended(struct worker *w, struct mail *mail)
{
    (void)w;
    hob__job_home(container_of(mail, struct job, mail));
}

void hob__job_send_home(struct job *job, int result)
{
    job->result = result;
    if (job->home == hob__worker) {
        hob__job_home(job);
        return;
    }
    job->mail.open = open_ended;
    hob__mail_post(job->home, &job->mail);
}

/* ---- sim ---- */

static int call_on_the_loop(struct job *job)
{
    struct worker *w = hob__worker;
    int            before = errno;
    __atomic_store_n(&w->sleeps, true, __ATOMIC_RELAXED); // it takes no time, whatever it takes
    hob__worker = NULL;
    is_simulated = true;
    int result = hob__job_call(job);
    is_simulated = false;
    hob__worker = w;
    __atomic_store_n(&w->sleeps, false, __ATOMIC_RELAXED);
    errno = before;
    return result;
}

/* The next in the queue, for a thread that is free. */
static void begin_next(hob_pool *pool)
{
    struct list_node *node = list_pop_front(&pool->queue);
    if (node == NULL)
        return;
    struct job *job = container_of(node, struct job, link);
    pool->stats.queued--;
    hob__pool_count_begun(pool, job);
    hob__pool_simulate(job);
}

static void time_is_up(struct op *delay)
{
    struct job *job = container_of(delay, struct job, delay);
    hob_pool   *pool = job->pool;
    int         result = call_on_the_loop(job);
    pthread_mutex_lock(&pool->lock);
    bool is_over = hob__pool_turn_over(pool, job, result);
    begin_next(pool);
    pthread_mutex_unlock(&pool->lock);
    if (is_over)
        hob__job_home(job);
}

static void start_delay(struct job *job)
{
    struct worker *w = job->home;
    struct op     *delay = &job->delay;
    int64_t        now_ns = w->backend->type->now(w->backend);
    memset(delay, 0, sizeof *delay);
    hob__sleep_op_init(delay, now_ns + hob__sim_offload_ns(w->backend));
    delay->done = time_is_up;
    hob__sleep_start(w, delay);
    if (delay->state == OP_DONE) // from the loop all the same
        list_push_back(&w->done, &delay->link);
}

static void open_begun(struct worker *w, struct mail *mail)
{
    (void)w;
    start_delay(container_of(mail, struct job, mail));
}

void hob__pool_simulate(struct job *job)
{
    if (job->home == hob__worker) {
        start_delay(job);
        return;
    }
    job->mail.open = open_begun;
    hob__mail_post(job->home, &job->mail);
}

/* ---- the op ---- */

static void start(struct op *op)
{
    struct job *job = op->local.extra;
    job->home = hob__worker;
    op->state = OP_FLYING;
    if (!job->pool->simulated)
        crew_waits_outside(job->home->crew);
    int r = hob__pool_submit(job);
    if (r < 0) {
        let_go(job);
        op->result = r;
        op->state = OP_DONE;
    }
}

static bool withdraw(struct op *op)
{
    struct job *job = op->local.extra;
    bool        mine = hob__pool_withdraw(job);
    if (mine)
        let_go(job);
    return mine;
}

void hob__offload_op_init(struct op *op, struct job *job, hob_pool *pool, hob_offload_fn *fn,
                          void *arg, const void *called_at)
{
    job->pool = pool;
    job->fn = fn;
    job->arg = arg;
    job->op = op;
    job->called_at = called_at;
    list_node_init(&job->link);
    op->kind = OP_OFFLOAD;
    op->local.start = start;
    op->local.withdraw = withdraw;
    op->local.on = pool;
    op->local.extra = job;
}

static void check(hob_pool *pool, hob_offload_fn *fn, const char *caller)
{
    hob__pool_from(pool, caller);
    if (hob_unlikely(fn == NULL))
        hob__misuse_of(caller, "there is no function to call: it is NULL");
}

int hob_offload(hob_pool *pool, hob_offload_fn *fn, void *arg)
{
    struct job job = { .on_heap = false };
    struct op  op = { .state = OP_IDLE };
    check(pool, fn, "hob_offload");
    hob__offload_op_init(&op, &job, pool, fn, arg, hob__place_of(__builtin_return_address(0)));
    hob__op_await(&op);
    return (int)op.result;
}

/* One that ended, or was refused before it was started: then the job is still there. */
static bool drop_job(struct op *op)
{
    hob__free(op->local.extra);
    op->local.extra = NULL;
    return true;
}

int hob_offload_prep(hob_op *place, hob_pool *pool, hob_offload_fn *fn, void *arg)
{
    check(pool, fn, "hob_offload_prep");
    struct job *job = hob__alloc_zero(sizeof *job);
    if (job == NULL)
        return -ENOMEM;
    job->on_heap = true;
    struct op *op = hob__op_prep(place, OP_OFFLOAD, NULL);
    hob__offload_op_init(op, job, pool, fn, arg, hob__place_of(__builtin_return_address(0)));
    op->finish = drop_job;
    return 0;
}
