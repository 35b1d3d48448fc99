/* SPDX-License-Identifier: MIT */
#include "core/crew.h"

#include <errno.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>

#include "base/alloc.h"
#include "core/processors.h"
#include "core/remote.h"
#include "core/worker.h"
#include "inspect/overflow.h"
#include "inspect/report.h"
#include "inspect/watchdog.h"
#include "sync/pool.h"

int hob__crew_init(struct crew *crew, struct worker *first, uint32_t count)
{
    crew->count = count;
    crew->workers = hob__alloc_zero(count * sizeof crew->workers[0]);
    crew->threads = hob__alloc_zero(count * sizeof crew->threads[0]);
    crew->pools = hob__pools_new(first->seeded);
    if (crew->workers == NULL || crew->threads == NULL || crew->pools == NULL) {
        hob__pools_free(crew->pools);
        hob__free(crew->workers);
        hob__free(crew->threads);
        return -ENOMEM;
    }
    crew->workers[0] = first;
    crew->simulated = first->seeded;
    crew->spins = count > 1 && !crew->simulated && hob__processors() > 1;
    atomic_store(&crew->started, 1);
    pthread_mutex_init(&crew->lock, NULL);
    list_init(&crew->waiting);
    list_init(&crew->sim_programs);
    first->crew = crew;
    return 0;
}

/* ---- starting ---- */

struct launch {
    struct crew   *crew;
    uint32_t       number;
    sem_t          told;
    int            result;
};

static int open_worker(struct crew *crew, uint32_t number, struct worker **ret_worker)
{
    struct worker *w;
    int            r = hob__worker_new(&crew->workers[0]->opts, crew, number, &w);
    if (r < 0)
        return r;
    hob__scope_init(&w->main, w, NULL, NULL, NULL); // nobody's; so that it can be looked at
    if (!crew->simulated)
        r = hob__overflow_watch(w);
    if (r == 0 && !crew->simulated)
        r = hob__watchdog_start(w);
    if (r < 0) {
        hob__worker_close(w);
        return r;
    }
    *ret_worker = w;
    return 0;
}

/* From now on it is not alone, and neither are the others. The starter holds the lock. */
static void join_crew(struct worker *w)
{
    w->crew->workers[w->number] = w;
    w->main_ended = atomic_load(&w->crew->ending);
    w->stopping = atomic_load(&w->crew->stop.has_begun);
    atomic_fetch_add(&w->crew->started, 1);
}

/* The first failure counts. */
static void note_result(struct crew *crew, int result)
{
    pthread_mutex_lock(&crew->lock);
    if (crew->result == 0)
        crew->result = result;
    pthread_mutex_unlock(&crew->lock);
}

static void *run_worker(void *arg)
{
    struct launch *launch = arg;
    struct worker *w = NULL;
    struct crew   *crew = launch->crew;
    launch->result = open_worker(crew, launch->number, &w);
    if (w != NULL)
        join_crew(w);
    sem_post(&launch->told); // the launch is gone from here on
    if (w == NULL)
        return NULL;
    hob__loop_run(w);
    pthread_mutex_lock(&crew->lock); // whoever said that it is over wakes all, and is done with us
    pthread_mutex_unlock(&crew->lock);
    int result = hob__worker_finish(w);
    hob__watchdog_stop(w);
    hob__overflow_unwatch(w);
    hob__worker_close(w);
    note_result(crew, result);
    return NULL;
}

/* Signals are for the program's own threads; faults come to whoever makes them. */
static int start_thread(pthread_t *thread, struct launch *launch)
{
    sigset_t all, before;
    sigfillset(&all);
    for (const int *fault = (const int[]){ SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, 0 };
         *fault != 0; fault++)
        sigdelset(&all, *fault);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int r = pthread_create(thread, NULL, run_worker, launch);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -r;
}

/* Under the lock. A worker in a thread of its own answers before we go on. */
static int start_worker(struct crew *crew, uint32_t number)
{
    struct launch launch = { .crew = crew, .number = number };
    if (crew->simulated) {
        struct worker *self = hob__worker, *w = NULL;
        launch.result = open_worker(crew, number, &w);
        if (w != NULL)
            join_crew(w);
        hob__worker = self;
    } else {
        sem_init(&launch.told, 0, 0);
        int r = start_thread(&crew->threads[number], &launch);
        if (r < 0) {
            sem_destroy(&launch.told);
            return r;
        }
        while (sem_wait(&launch.told) != 0)
            ;
        sem_destroy(&launch.told);
        if (launch.result < 0)
            pthread_join(crew->threads[number], NULL);
    }
    return launch.result;
}

struct worker *hob__crew_worker(struct crew *crew, uint32_t number, int *ret_error)
{
    pthread_mutex_lock(&crew->lock);
    int r = crew->workers[number] != NULL ? 0 : start_worker(crew, number);
    struct worker *w = crew->workers[number];
    pthread_mutex_unlock(&crew->lock);
    *ret_error = r;
    return w;
}

/* A sleeper is woken; if there is none, and there may be one more, that is started. */
void hob__crew_wake_one(struct crew *crew)
{
    pthread_mutex_lock(&crew->lock);
    uint32_t to_start = crew->count, i;
    for (i = 0; i < crew->count; i++) {
        struct worker *w = crew->workers[i];
        if (w != NULL && atomic_exchange(&w->box.asleep, false)) {
            w->backend->type->wake(w->backend);
            break;
        }
        if (w == NULL && to_start == crew->count)
            to_start = i;
    }
    if (i == crew->count && to_start < crew->count)
        (void)start_worker(crew, to_start); // without: somebody else will take it
    pthread_mutex_unlock(&crew->lock);
}

/* ---- the end, or for ever asleep ---- */

static void wake_all(struct crew *crew)
{
    for (uint32_t i = 0; i < crew->count; i++) {
        struct worker *w = crew->workers[i];
        if (w != NULL)
            w->backend->type->wake(w->backend);
    }
}

static uint64_t children_left(const struct crew *crew)
{
    uint64_t left = 0;
    for (uint32_t i = 0; i < crew->count; i++)
        left += crew->workers[i] != NULL ? crew->workers[i]->left : 0;
    return left;
}

static void open_stuck(struct worker *w, struct mail *mail)
{
    (void)mail;
    hob__stuck(w);
}

/* All are dry, under the lock: nothing moves any more but by what is decided here. */
static void all_dry(struct crew *crew)
{
    if (atomic_load(&crew->ending) && children_left(crew) == 0) {
        atomic_store(&crew->over, true);
        wake_all(crew);
        return;
    }
    for (uint32_t i = 0; i < crew->count; i++) {
        struct worker *w = crew->workers[i];
        if (w == NULL)
            continue;
        w->stuck_mail.open = open_stuck;
        hob__mail_post(w, &w->stuck_mail);
    }
}

void hob__crew_dry(struct worker *w)
{
    struct crew *crew = w->crew;
    if (w->is_dry)
        return;
    pthread_mutex_lock(&crew->lock);
    w->is_dry = true;
    w->left = hob__worker_children(w);
    crew->dry++;
    if (crew->dry == atomic_load(&crew->started) && !hob__mails_fly(crew) &&
        atomic_load(&crew->waiting_count) == 0 && atomic_load(&crew->outsiders) == 0)
        all_dry(crew);
    pthread_mutex_unlock(&crew->lock);
}

void hob__crew_not_dry_locked(struct worker *w)
{
    w->crew->dry -= w->is_dry;
    w->is_dry = false;
}

void hob__crew_not_dry(struct worker *w)
{
    if (!w->is_dry)
        return;
    pthread_mutex_lock(&w->crew->lock);
    hob__crew_not_dry_locked(w);
    pthread_mutex_unlock(&w->crew->lock);
}

static void open_ending(struct worker *w, struct mail *mail)
{
    (void)mail;
    w->main_ended = true;
    hob__worker_end_roots(w);
}

void hob__crew_end(struct crew *crew)
{
    pthread_mutex_lock(&crew->lock);
    atomic_store(&crew->ending, true);
    for (uint32_t i = 1; i < crew->count; i++) {
        struct worker *w = crew->workers[i];
        if (w == NULL)
            continue;
        w->ending_mail.open = open_ending;
        hob__mail_post(w, &w->ending_mail);
    }
    pthread_mutex_unlock(&crew->lock);
}

int hob__crew_finish_others(struct crew *crew)
{
    struct worker *first = crew->workers[0];
    for (uint32_t i = 1; i < crew->count; i++) {
        struct worker *w = crew->workers[i];
        if (w != NULL && crew->simulated) {
            hob__worker = w;
            note_result(crew, hob__worker_finish(w));
            hob__worker_close(w);
        } else if (w != NULL) {
            pthread_join(crew->threads[i], NULL);
        }
        pthread_mutex_lock(&crew->lock);
        crew->workers[i] = NULL;
        pthread_mutex_unlock(&crew->lock);
    }
    hob__worker = first;
    atomic_store(&crew->started, 1);
    return crew->result;
}

void hob__crew_fini(struct crew *crew)
{
    hob__pools_free(crew->pools);
    pthread_mutex_destroy(&crew->lock);
    for (struct list_node *program; (program = list_pop_front(&crew->sim_programs)) != NULL;)
        hob__free(program);
    hob__free(crew->workers);
    hob__free(crew->threads);
}

/* ---- all in one thread ---- */

/* The workers take turns, in an order of the seed. */
bool hob__crew_simulate_turn(struct crew *crew, int64_t *next_ns)
{
    struct worker *first = crew->workers[0];
    uint32_t       skip = (uint32_t)rand_below(&first->rand, crew->count);
    bool           moved = false;
    for (uint32_t i = 0; i < crew->count; i++) {
        struct worker *w = crew->workers[(i + skip) % crew->count];
        if (w == NULL)
            continue;
        hob__worker = w;
        if (!w->has_loop) // made inside a task: only here is the stack that the loop runs on
            hob__context_of_thread(&w->loop);
        w->has_loop = true;
        moved |= hob__loop_step(w, next_ns);
    }
    hob__worker = first;
    return moved;
}

/* Time moves when none can go on. */
void hob__crew_simulate(struct crew *crew)
{
    while (!atomic_load(&crew->over)) {
        int64_t next_ns = INT64_MAX;
        bool    moved = hob__crew_simulate_turn(crew, &next_ns);
        if (!moved && next_ns == INT64_MAX && atomic_load(&crew->outsiders) > 0)
            sched_yield(); // a real thread has its time
        else if (!moved && !atomic_load(&crew->over))
            hob__sim_advance(crew->workers[0]->backend, next_ns);
    }
}
