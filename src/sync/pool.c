/* SPDX-License-Identifier: MIT */
/*
 * A pool: a line of jobs, and threads that take from it.
 *
 *     submit ──▶ an idle thread ── or a new one ── or the queue
 *
 * What holds between calls, under the lock:
 *   1. While a thread is idle, the queue is empty.
 *   2. While the queue is not empty, there are threads, and all are at work.
 *   3. stats.running counts the jobs that were handed to a thread.
 *
 * The thread that fell idle last is woken first: its stack is warm, and those that are not
 * needed reach their idle time.
 *
 * Threads end one after the other: each joins the one that ended before it, and the last is
 * joined with the run (hob__pools_thread_ends). So no more than one that has ended is
 * ever kept, and none is left behind.
 */
#include "sync/pool.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/fault.h"
#include "base/sys.h"
#include "core/worker.h"
#include "hob/time.h"

/* ---- counting ---- */

int64_t hob__pool_now(const hob_pool *pool)
{
    return pool->simulated ? hob_now() : hob__sys_clock_ns(CLOCK_MONOTONIC);
}

void hob__pool_count_begun(hob_pool *pool, struct job *job)
{
    int64_t now_ns = hob__pool_now(pool), waited_ns = now_ns - job->since_ns;
    atomic_store_explicit(&job->state, JOB_RUNNING, memory_order_relaxed);
    job->since_ns = now_ns;
    pool->stats.running++;
    pool->stats.waited_total_ns += waited_ns;
    if (waited_ns > pool->stats.waited_max_ns)
        pool->stats.waited_max_ns = waited_ns;
}

void hob__pool_count_ended(hob_pool *pool, struct job *job)
{
    int64_t ran_ns = hob__pool_now(pool) - job->since_ns;
    pool->stats.running--;
    pool->stats.ran_total_ns += ran_ns;
    if (ran_ns > pool->stats.ran_max_ns)
        pool->stats.ran_max_ns = ran_ns;
}

void hob__pool_enqueue(hob_pool *pool, struct job *job)
{
    atomic_store_explicit(&job->state, JOB_QUEUED, memory_order_relaxed);
    list_push_back(&pool->queue, &job->link);
    if (++pool->stats.queued > pool->stats.queued_max)
        pool->stats.queued_max = pool->stats.queued;
}

bool hob__pool_turn_over(hob_pool *pool, struct job *job, int result)
{
    hob__pool_count_ended(pool, job);
    if (job->in_steps && result > 0 && !pool->ending) {
        job->since_ns = hob__pool_now(pool);
        hob__pool_enqueue(pool, job);
        return false;
    }
    if (job->in_steps && result > 0)
        job->result = -ECANCELED; // it has not come to its end
    else
        job->result = result;
    atomic_store_explicit(&job->state, JOB_ENDED, memory_order_relaxed);
    pool->stats.done++;
    return true;
}

/* ---- threads ---- */

static struct timespec idle_end(const hob_pool *pool)
{
    int64_t now_ns = hob__sys_clock_ns(CLOCK_MONOTONIC), end_ns;
    if (__builtin_add_overflow(now_ns, pool->idle_ns, &end_ns))
        end_ns = INT64_MAX;
    return (struct timespec){ .tv_sec = end_ns / HOB_SEC, .tv_nsec = end_ns % HOB_SEC };
}

/* Until there is a job (NULL: there is none) the thread sleeps among the idle ones. */
static struct job *wait_for_job(hob_pool *pool, struct idler *self)
{
    bool            for_ever = pool->idle_ns == HOB_FOREVER;
    struct timespec until = for_ever ? (struct timespec){ 0 } : idle_end(pool);
    int             r = 0;
    self->job = NULL;
    list_push_front(&pool->idlers, &self->link);
    while (self->job == NULL && !pool->ending && r != ETIMEDOUT)
        r = for_ever ? pthread_cond_wait(&self->woken, &pool->lock)
                     : pthread_cond_timedwait(&self->woken, &pool->lock, &until);
    list_remove(&self->link); // unless who handed it a job did so
    return self->job;
}

static struct job *next_job(hob_pool *pool, struct idler *self)
{
    struct list_node *node = list_pop_front(&pool->queue);
    if (node == NULL)
        return pool->ending ? NULL : wait_for_job(pool, self);
    struct job *job = container_of(node, struct job, link);
    pool->stats.queued--;
    hob__pool_count_begun(pool, job);
    return job;
}

static void idler_init(struct idler *self)
{
    pthread_condattr_t attr;
    list_node_init(&self->link);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&self->woken, &attr);
    pthread_condattr_destroy(&attr);
}

static void name_thread(const hob_pool *pool)
{
    char name[16]; // the kernel's limit
    snprintf(name, sizeof name, "hob:%.11s", pool->name);
    pthread_setname_np(pthread_self(), name);
}

static void *thread_main(void *arg)
{
    struct job   *job = arg;
    hob_pool     *pool = job->pool;
    struct pools *pools = pool->pools;
    struct idler  self;
    idler_init(&self);
    name_thread(pool);
    do {
        int result = hob__job_call(job);
        pthread_mutex_lock(&pool->lock);
        if (hob__pool_turn_over(pool, job, result)) {
            pthread_mutex_unlock(&pool->lock);
            hob__job_send_home(job, job->result);
            pthread_mutex_lock(&pool->lock);
        }
        job = next_job(pool, &self);
        if (job == NULL)
            pool->stats.threads--;
        pthread_mutex_unlock(&pool->lock);
    } while (job != NULL);
    pthread_cond_destroy(&self.woken);
    hob__pool_unref(pool);
    hob__pools_thread_ends(pools);
    return NULL;
}

/* Signals are for the program's own threads; faults come to whoever makes them. */
static void block_signals(sigset_t *ret_before)
{
    sigset_t all;
    sigfillset(&all);
    for (const int *fault = (const int[]){ SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS, 0 };
         *fault != 0; fault++)
        sigdelset(&all, *fault);
    pthread_sigmask(SIG_SETMASK, &all, ret_before);
}

static int create_thread(const hob_pool *pool, struct job *first)
{
    sigset_t       before;
    pthread_attr_t attr;
    pthread_t      thread;
    int            r = pthread_attr_init(&attr);
    if (r != 0)
        return -r;
    if (pool->stack_bytes > 0)
        r = pthread_attr_setstacksize(&attr, pool->stack_bytes);
    block_signals(&before);
    if (r == 0)
        r = pthread_create(&thread, &attr, thread_main, first);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    return -r;
}

/* With the lock held, so that nobody counts on a thread that cannot be had. */
static int start_thread(hob_pool *pool, struct job *first)
{
    if (hob__fault())
        return -EAGAIN;
    if (!pool->simulated) {
        hob__pools_thread_begins(pool->pools); // before it can end
        atomic_fetch_add(&pool->refs, 1);
        int r = create_thread(pool, first);
        if (r < 0) {
            atomic_fetch_sub(&pool->refs, 1); // not the last: the caller has one
            hob__pools_thread_failed(pool->pools);
            return r;
        }
    }
    pool->stats.threads++;
    return 0;
}

/* ---- jobs come ---- */

static void hand_to_idler(hob_pool *pool, struct job *job)
{
    struct idler *idler = container_of(list_pop_front(&pool->idlers), struct idler, link);
    idler->job = job;
    pthread_cond_signal(&idler->woken);
}

static bool has_idle_thread(const hob_pool *pool)
{
    return pool->simulated ? pool->stats.running < pool->stats.threads
                           : !list_is_empty(&pool->idlers);
}

/* To a thread, which there is, or was started for it. */
static void begin(hob_pool *pool, struct job *job, bool has_a_new_one)
{
    hob__pool_count_begun(pool, job);
    if (pool->simulated)
        hob__pool_simulate(job);
    else if (!has_a_new_one)
        hand_to_idler(pool, job);
}

/* Under the lock. With one thread at least, a job can wait for it. */
static int place(hob_pool *pool, struct job *job)
{
    int r = -EAGAIN;
    if (has_idle_thread(pool)) {
        begin(pool, job, false);
        return 0;
    }
    if (pool->stats.threads < pool->threads_max && (r = start_thread(pool, job)) == 0) {
        begin(pool, job, true);
        return 0;
    }
    if (pool->stats.threads == 0)
        return r;
    if (pool->fail_when_full && pool->stats.queued >= pool->queue_max)
        return -EAGAIN;
    hob__pool_enqueue(pool, job);
    return 0;
}

int hob__pool_submit(struct job *job)
{
    hob_pool *pool = job->pool;
    pthread_mutex_lock(&pool->lock);
    hob_require(!pool->ending, "hob_offload: the pool was freed");
    atomic_fetch_add(&pool->refs, 1);
    job->since_ns = hob__pool_now(pool);
    int r = place(pool, job);
    pool->stats.refused += r < 0;
    pthread_mutex_unlock(&pool->lock);
    return r;
}

bool hob__pool_withdraw(struct job *job)
{
    hob_pool *pool = job->pool;
    pthread_mutex_lock(&pool->lock);
    bool mine = atomic_load_explicit(&job->state, memory_order_relaxed) == JOB_QUEUED;
    if (mine) {
        list_remove(&job->link);
        pool->stats.queued--;
        pool->stats.withdrawn++;
    }
    pthread_mutex_unlock(&pool->lock);
    if (!mine)
        atomic_store(&job->cancelled, true);
    return mine;
}

void hob__pool_end(hob_pool *pool)
{
    struct list left;
    list_init(&left);
    pthread_mutex_lock(&pool->lock);
    pool->ending = true;
    list_append(&left, &pool->queue);
    list_for_each(node, &left)
        atomic_store(&container_of(node, struct job, link)->state, JOB_ENDED);
    pool->stats.withdrawn += pool->stats.queued;
    pool->stats.queued = 0;
    list_for_each(node, &pool->idlers)
        pthread_cond_signal(&container_of(node, struct idler, link)->woken);
    pthread_mutex_unlock(&pool->lock);
    for (struct list_node *node; (node = list_pop_front(&left)) != NULL;)
        hob__job_send_home(container_of(node, struct job, link), -ECANCELED);
}
