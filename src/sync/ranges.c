/* SPDX-License-Identifier: MIT */
/*
 * Loops on a pool: hob_parallel_for and hob_parallel_reduce of hob/parallel.h.
 *
 *     helper, helper, … : jobs of the pool, each of which takes the next piece, again and again
 *
 * Each piece is one step of its job, so the pool can put others in between (sync/pool.h), and a
 * helper that waits for a thread can be taken back. A helper's op is in the loop's own scope: the
 * scope's end waits for all, and cancelling it reaches all.
 *
 * A reduction hands out runs of pieces in place of pieces; the helper keeps where it is in its
 * run. Runs are cut by the range and the grain alone.
 *
 * Threads: the ranges are handed out by atomics; the rest of a loop is written before it begins.
 */
#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "core/await.h"
#include "hob/parallel.h"
#include "sync/pool.h"

enum {
    PIECES = 1024, /* when nobody says how many numbers make one */
    RUNS_MAX = 64,
    LINE_BYTES = 64,
};

struct run {
    uint64_t next, end; /* pieces */
    void    *state;     /* NULL: not begun */
};

struct loop {
    int64_t        first, last;
    uint64_t       grain, pieces;
    void          *arg;
    atomic_int     failed;       /* the first failure in time; 0: none */
    atomic_ullong  pieces_done;

    hob_range_fn  *fn;           /* for: the pieces are handed out */
    atomic_ullong  next_piece;

    const hob_reduction *how;    /* reduce: the runs are */
    struct run     runs[RUNS_MAX];
    unsigned       run_count;
    atomic_uint    next_run;
    char          *states;
    size_t         stride;

    hob_scope     *scope;        /* its helpers' */
    int            refused;      /* what the pool said, if it took one back */
};

struct helper {
    struct user_op user;
    struct job     job;
    struct loop   *loop;
    struct run    *run; /* reduce: that it is in */
};

/* ---- on a thread ---- */

static int64_t start_of(const struct loop *loop, uint64_t piece)
{
    return (int64_t)((uint64_t)loop->first + piece * loop->grain);
}

static int64_t end_of(const struct loop *loop, uint64_t piece)
{
    return piece + 1 < loop->pieces ? start_of(loop, piece + 1) : loop->last;
}

static void note_end(struct loop *loop, int result)
{
    int none = 0;
    if (result < 0)
        atomic_compare_exchange_strong(&loop->failed, &none, result);
    else
        atomic_fetch_add(&loop->pieces_done, 1);
}

static bool is_wanted(struct loop *loop)
{
    return atomic_load(&loop->failed) == 0 && hob_offload_cancelled() == 0;
}

/* One piece. Returns 1 when there may be more. */
static int do_piece(void *arg)
{
    struct helper *helper = arg;
    struct loop   *loop = helper->loop;
    if (!is_wanted(loop))
        return 0;
    uint64_t piece = atomic_fetch_add(&loop->next_piece, 1);
    if (piece >= loop->pieces)
        return 0;
    note_end(loop, loop->fn(start_of(loop, piece), end_of(loop, piece), loop->arg));
    return atomic_load(&loop->next_piece) < loop->pieces;
}

static void begin_state(const struct loop *loop, void *state)
{
    if (loop->how->init != NULL)
        loop->how->init(state, loop->arg);
    else
        memset(state, 0, loop->how->state_bytes);
}

/* The run that the helper is in, or the next one; NULL: all are taken. */
static struct run *run_of(struct helper *helper)
{
    struct loop *loop = helper->loop;
    if (helper->run != NULL)
        return helper->run;
    unsigned number = atomic_fetch_add(&loop->next_run, 1);
    if (number >= loop->run_count)
        return NULL;
    struct run *run = &loop->runs[number];
    run->state = loop->states + number * loop->stride;
    begin_state(loop, run->state);
    return helper->run = run;
}

static int do_piece_of_run(void *arg)
{
    struct helper *helper = arg;
    struct loop   *loop = helper->loop;
    struct run    *run = is_wanted(loop) ? run_of(helper) : NULL;
    if (run == NULL)
        return 0;
    uint64_t piece = run->next++;
    if (run->next == run->end)
        helper->run = NULL;
    note_end(loop, loop->how->range(start_of(loop, piece), end_of(loop, piece), run->state, loop->arg));
    return 1;
}

static int combine_runs(void *arg)
{
    struct loop *loop = arg;
    for (unsigned i = 1; i < loop->run_count; i++) {
        loop->how->combine(loop->runs[0].state, loop->runs[i].state, loop->arg);
        loop->runs[i].state = NULL;
    }
    return 0;
}

/* ---- in the task ---- */

/* A failure lets the others know at once, and takes back who has not begun. */
static void on_helper(void *arg, ssize_t result)
{
    struct helper *helper = arg;
    struct loop   *loop = helper->loop;
    if (result < 0 && loop->refused == 0)
        loop->refused = (int)result;
    if (atomic_load(&loop->failed) != 0)
        hob_scope_cancel(loop->scope, "a piece of the loop failed");
}

static void start_helpers(struct loop *loop, hob_pool *pool, struct helper *helpers, size_t count,
                          const void *called_at)
{
    for (size_t i = 0; i < count; i++) {
        struct helper *helper = &helpers[i];
        struct op     *op = hob__op_prep((hob_op *)&helper->user, OP_OFFLOAD, NULL);
        helper->loop = loop;
        helper->job.in_steps = true;
        hob__offload_op_init(op, &helper->job, pool, loop->how != NULL ? do_piece_of_run : do_piece,
                             helper, called_at);
        hob_op_call(loop->scope, (hob_op *)&helper->user, on_helper, helper);
    }
}

/* Helps until all is done, or nobody will do more. Returns 0 when all is. */
static int run_loop(struct loop *loop, hob_pool *pool, uint64_t shares, const void *called_at)
{
    size_t         count = shares < pool->threads_max ? (size_t)shares : pool->threads_max;
    struct helper *helpers = hob__alloc_zero(count * sizeof *helpers);
    if (helpers == NULL)
        return -ENOMEM;
    HOB_SCOPE(s);
    loop->scope = &s;
    start_helpers(loop, pool, helpers, count, called_at);
    int ended = hob_scope_end(&s);
    hob__free(helpers);

    int failed = atomic_load(&loop->failed);
    if (failed != 0)
        return failed;
    if (atomic_load(&loop->pieces_done) == loop->pieces)
        return 0;
    return ended < 0 ? ended : loop->refused;
}

static void cut(struct loop *loop, int64_t first, int64_t last, int64_t grain)
{
    uint64_t count = (uint64_t)last - (uint64_t)first;
    loop->first = first;
    loop->last = last;
    loop->grain = grain > 0 ? (uint64_t)grain : count / PIECES + (count % PIECES != 0);
    loop->pieces = count / loop->grain + (count % loop->grain != 0);
}

int hob_parallel_for(hob_pool *pool, int64_t first, int64_t last, int64_t grain, hob_range_fn *fn,
                     void *arg)
{
    struct loop loop = { .fn = fn, .arg = arg };
    hob__pool_from(pool, "hob_parallel_for");
    hob_require(fn != NULL, "hob_parallel_for: there is no function to call: it is NULL");
    if (first >= last)
        return hob_cancelled();
    cut(&loop, first, last, grain);
    return run_loop(&loop, pool, loop.pieces, __builtin_return_address(0));
}

/* The same runs whoever goes through them. */
static int cut_into_runs(struct loop *loop)
{
    loop->run_count = loop->pieces < RUNS_MAX ? (unsigned)loop->pieces : RUNS_MAX;
    uint64_t each = loop->pieces / loop->run_count, longer = loop->pieces % loop->run_count, at = 0;
    for (unsigned i = 0; i < loop->run_count; i++) {
        loop->runs[i].next = at;
        at += each + (i < longer);
        loop->runs[i].end = at;
    }
    size_t bytes = loop->how->state_bytes;
    if (bytes > SIZE_MAX / RUNS_MAX - LINE_BYTES)
        return -ENOMEM;
    loop->stride = (bytes + LINE_BYTES - 1) / LINE_BYTES * LINE_BYTES; // threads write side by side
    loop->states = hob__alloc(loop->run_count * loop->stride);
    return loop->states != NULL ? 0 : -ENOMEM;
}

static void drop_states(struct loop *loop)
{
    for (unsigned i = 0; i < loop->run_count; i++) {
        if (loop->runs[i].state != NULL && loop->how->drop != NULL)
            loop->how->drop(loop->runs[i].state, loop->arg);
    }
    hob__free(loop->states);
}

static int reduce(struct loop *loop, hob_pool *pool, void *ret_state, const void *called_at)
{
    int r = cut_into_runs(loop);
    if (r < 0)
        return r;
    r = run_loop(loop, pool, loop->run_count, called_at);
    if (r == 0 && loop->run_count > 1)
        r = hob_offload(pool, combine_runs, loop);
    if (r == 0) {
        memcpy(ret_state, loop->runs[0].state, loop->how->state_bytes);
        loop->runs[0].state = NULL;
    }
    drop_states(loop);
    return r;
}

int hob_parallel_reduce(hob_pool *pool, int64_t first, int64_t last, int64_t grain,
                        const hob_reduction *how, void *arg, void *ret_state)
{
    struct loop loop = { .how = how, .arg = arg };
    hob__pool_from(pool, "hob_parallel_reduce");
    hob_require(how->state_bytes > 0 && how->range != NULL && how->combine != NULL,
                "hob_parallel_reduce: state_bytes, range and combine must be given");
    if (first >= last) {
        int r = hob_cancelled();
        if (r == 0)
            begin_state(&loop, ret_state);
        return r;
    }
    cut(&loop, first, last, grain);
    return reduce(&loop, pool, ret_state, __builtin_return_address(0));
}
