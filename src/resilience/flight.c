/* SPDX-License-Identifier: MIT */
/*
 * hob/flight.h.
 *
 *                 begin                      fn returned
 *     (none) ──────────────▶ FLYING ─────────────────────▶ landed ── last one leaves ──▶ (freed)
 *                              │                              ▲
 *                              └── nobody waits: out of the ──┘
 *                                  table, and cancelled
 *
 * In the table is the flight that calls for its key join. It leaves the table when it lands,
 * when it is forgotten, and when the last who waited has left: what comes then begins anew.
 *
 * The keeper is a daemon of the user's scope that holds the scope of the runs open. It waits for
 * all, whatever the runs come to, so that a task that could not be started cancels nobody.
 *
 * Memory: a flight is held by its run and by each call that waits for it; the flights are held by
 * the user, by the keeper (and so by all runs), and by each call inside.
 *
 * Threads: one worker.
 */
#include "hob/flight.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/list.h"
#include "base/map.h"
#include "base/siphash.h"
#include "hob/runtime.h"
#include "hob/sem.h"
#include "hob/time.h"

enum { ALIGN = 16 };

struct flight {
    hob_flight      is; /* what fn sees */
    hob_flights    *flights;
    struct map_node node;
    uint32_t        refs;
    uint32_t        wanted;    /* calls that wait                             */
    bool            kept;      /* it goes on though nobody waits              */
    bool            in_table;
    bool            abandoned; /* nobody waits: to be cancelled               */
    bool            has_result;
    int             r;         /* landed: what fn returned                    */
    hob_scope      *scope;     /* of the run, while it can be cancelled       */
    hob_event       landed;
    void           *result;    /* behind this record, and then the key        */
};

struct hob_flights {
    uint32_t           tag;
    uint32_t           worker;
    uint32_t           refs;
    hob_flights_opts   opts;
    hob_flight_fn     *fn;
    void              *arg;
    struct siphash_key secret;
    struct map         table;
    uint32_t           running;
    uint64_t           begun;
    hob_scope         *runs; /* NULL: the keeper has gone, or is going */
    hob_event          over;
};

static hob_flights *flights_from(const hob_flights *f, const char *caller)
{
    if (hob_unlikely(f->tag != TAG_FLIGHTS))
        hob__misuse_of(caller, "these are not flights, or they were freed");
    if (hob_unlikely(f->worker != hob_worker_number()))
        hob__misuse_of(caller, "the flights belong to another worker; only that one may use them");
    return (hob_flights *)(uintptr_t)f;
}

static void flights_unref(hob_flights *f)
{
    if (--f->refs > 0)
        return;
    hob_assert(f->table.count == 0);
    hob__map_fini(&f->table);
    if (f->opts.gone != NULL)
        f->opts.gone(f->arg);
    hob__free(f);
}

/* ---- the keeper ---- */

static int keep(void *arg)
{
    hob_flights *f = arg;
    hob_scope    runs;
    hob_scope_begin(&runs);
    hob_scope_policy(&runs, HOB_WAIT_ALL);
    f->runs = &runs;
    f->refs++;
    hob_ready(f);
    (void)!hob_event_wait(&f->over);
    f->runs = NULL;
    hob_scope_cancel(&runs, "the flights are over");
    (void)!hob_scope_end(&runs); // runs do not fail, and what could not start has told its call
    flights_unref(f);
    return 0;
}

int hob_flights_new(hob_scope *scope, hob_flight_fn *fn, void *arg, const hob_flights_opts *opts,
                    hob_flights **ret_flights)
{
    hob_require(fn != NULL, "hob_flights_new: there is no function to run: it is NULL");
    hob_flights *f = hob__alloc_zero(sizeof *f);
    if (f == NULL)
        return -ENOMEM;
    *f = (hob_flights){ .tag = TAG_FLIGHTS, .worker = hob_worker_number(), .refs = 1, .fn = fn,
                        .arg = arg, .secret = { hob_random(), hob_random() },
                        .over = { .name = "the end of flights" } };
    if (opts != NULL)
        f->opts = *opts;
    hob_require(f->opts.drop == NULL || f->opts.copy != NULL,
                "hob_flights_new: results that are to be dropped need a `copy`");
    if (f->opts.runs_max == 0)
        f->opts.runs_max = 1024;

    hob_task_opts keeper = { .name = "keeper of flights", .daemon = 1 };
    int           r = hob_go_ready(scope, keep, f, &keeper, NULL);
    if (r < 0) {
        f->opts.gone = NULL;
        flights_unref(f); // but if it runs and was cancelled already, it has its own count
        return r;
    }
    *ret_flights = f;
    return 0;
}

void hob_flights_free(hob_flights *f)
{
    if (f == NULL)
        return;
    flights_from(f, "hob_flights_free");
    f->tag = TAG_FREED;
    hob_event_set(&f->over);
    flights_unref(f);
}

/* ---- the table ---- */

static struct flight *find(const hob_flights *f, uint64_t hash, const void *key, size_t key_len)
{
    for (struct map_node *node = hob__map_first(&f->table, hash); node != NULL;
         node = hob__map_next(node)) {
        struct flight *fl = container_of(node, struct flight, node);
        if (fl->is.key_len == key_len && (key_len == 0 || memcmp(fl->is.key, key, key_len) == 0))
            return fl;
    }
    return NULL;
}

static void leave_table(struct flight *fl)
{
    if (fl->in_table)
        hob__map_remove(&fl->flights->table, &fl->node);
    fl->in_table = false;
}

/* ---- one flight ---- */

static struct flight *flight_new(hob_flights *f, const void *key, size_t key_len)
{
    size_t         head = (sizeof(struct flight) + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    struct flight *fl = hob__alloc(head + f->opts.result_bytes + key_len);
    if (fl == NULL)
        return NULL;
    *fl = (struct flight){ .flights = f, .refs = 1, .result = (char *)fl + head,
                           .landed = { .name = f->opts.name } };
    char *copy = (char *)fl->result + f->opts.result_bytes;
    if (key_len > 0)
        memcpy(copy, key, key_len);
    fl->is = (hob_flight){ .key = copy, .key_len = key_len };
    return fl;
}

static void flight_unref(struct flight *fl)
{
    if (--fl->refs > 0)
        return;
    if (fl->has_result && fl->flights->opts.drop != NULL)
        fl->flights->opts.drop(fl->result);
    hob__free(fl);
}

static void land(struct flight *fl, int r)
{
    fl->r = r;
    fl->has_result = r >= 0;
    leave_table(fl);
    fl->flights->running--;
    hob_event_set(&fl->landed);
    flight_unref(fl);
}

static int fly(void *arg)
{
    struct flight *fl = arg;
    hob_flights   *f = fl->flights;
    hob_scope      scope;
    hob_scope_begin(&scope);
    if (f->opts.run_max_ns > 0)
        hob_scope_deadline(&scope, hob_in(f->opts.run_max_ns));
    fl->scope = &scope;
    if (fl->abandoned)
        hob_scope_cancel(&scope, "nobody waits for it any more");
    int r = f->fn(f->arg, &fl->is, fl->result);
    fl->scope = NULL;
    (void)!hob_scope_end(&scope); // fn's result is its own
    land(fl, r);
    return 0;
}

/* Begins a run for the key: for a call that will wait for it, or to be kept. While the task is
 * started others may run, join and leave. */
static int begin(hob_flights *f, uint64_t hash, const void *key, size_t key_len, bool kept,
                 struct flight **ret_flight)
{
    if (f->runs == NULL)
        return -ECANCELED;
    if (f->running >= f->opts.runs_max)
        return -EAGAIN;
    struct flight *fl = flight_new(f, key, key_len);
    if (fl == NULL)
        return -ENOMEM;
    if (hob__map_add(&f->table, &fl->node, hash) < 0) {
        hob__free(fl);
        return -ENOMEM;
    }
    fl->in_table = true;
    fl->kept = kept;
    fl->wanted = !kept;
    fl->refs++; // the caller's, for the run may be over when hob_go returns
    f->running++;
    f->begun++;
    hob_task_opts opts = { .name = f->opts.name, .stack_bytes = f->opts.stack_bytes };
    int           r = hob_go_with(f->runs, fly, fl, &opts);
    if (r < 0) {
        land(fl, r);
        flight_unref(fl);
        return r;
    }
    *ret_flight = fl;
    return 0;
}

static void abandon(struct flight *fl)
{
    fl->abandoned = true;
    leave_table(fl);
    if (fl->scope != NULL)
        hob_scope_cancel(fl->scope, "nobody waits for it any more");
}

/* The result of a flight that has landed. */
static int take_result(const struct flight *fl, void *ret_result)
{
    const hob_flights_opts *opts = &fl->flights->opts;
    if (fl->r < 0 || ret_result == NULL || opts->result_bytes == 0)
        return fl->r;
    if (opts->copy == NULL) {
        memcpy(ret_result, fl->result, opts->result_bytes);
        return fl->r;
    }
    int r = opts->copy(ret_result, fl->result);
    return r < 0 ? r : fl->r;
}

/* Of a call that is counted in `wanted`. */
static int await_flight(struct flight *fl, void *ret_result)
{
    int r = hob_event_wait(&fl->landed);
    fl->wanted--;
    if (r == 0)
        r = take_result(fl, ret_result);
    else if (fl->wanted == 0 && !fl->kept)
        abandon(fl);
    return r;
}

/* ---- what users call ---- */

int hob_flights_call(hob_flights *f, const void *key, size_t key_len, void *ret_result)
{
    flights_from(f, "hob_flights_call");
    int r = hob_checkpoint();
    if (r < 0)
        return r;
    uint64_t       hash = hob__siphash(&f->secret, key, key_len);
    struct flight *fl = find(f, hash, key, key_len);
    f->refs++;
    if (fl != NULL) {
        fl->refs++;
        fl->wanted++;
    } else {
        r = begin(f, hash, key, key_len, false, &fl);
    }
    if (r == 0) {
        r = await_flight(fl, ret_result);
        flight_unref(fl);
    }
    flights_unref(f);
    return r;
}

int hob_flights_start(hob_flights *f, const void *key, size_t key_len)
{
    flights_from(f, "hob_flights_start");
    uint64_t       hash = hob__siphash(&f->secret, key, key_len);
    struct flight *fl = find(f, hash, key, key_len);
    if (fl != NULL) {
        fl->kept = true;
        return 0;
    }
    f->refs++;
    int r = begin(f, hash, key, key_len, true, &fl);
    if (r == 0)
        flight_unref(fl);
    flights_unref(f);
    return r < 0 ? r : 1;
}

static void forget(struct flight *fl)
{
    fl->is.forgotten = 1;
    leave_table(fl);
}

void hob_flights_forget(hob_flights *f, const void *key, size_t key_len)
{
    flights_from(f, "hob_flights_forget");
    struct flight *fl = find(f, hob__siphash(&f->secret, key, key_len), key, key_len);
    if (fl != NULL)
        forget(fl);
}

void hob_flights_forget_all(hob_flights *f)
{
    flights_from(f, "hob_flights_forget_all");
    for (struct map_node *node = hob__map_take_all(&f->table), *next; node != NULL; node = next) {
        struct flight *fl = container_of(node, struct flight, node);
        next = node->next;
        fl->in_table = false; // taken out with all others
        forget(fl);
    }
}

uint32_t hob_flights_running(const hob_flights *f)
{
    return flights_from(f, "hob_flights_running")->running;
}

uint64_t hob_flights_begun(const hob_flights *f)
{
    return flights_from(f, "hob_flights_begun")->begun;
}
