/* SPDX-License-Identifier: MIT */
/*
 * Random trees of tasks, from the seed of the run.
 *
 * Each task does a few random things: it sleeps, opens a scope and starts children in it
 * (plain ones, daemons, futures, ones that say when they are ready), sets deadlines, cancels
 * this scope or any other, shields itself, waits for promises and settles them, sends and
 * receives, detaches itself, fails. Beside each scope stands a pen, which says what must be true of it.
 *
 * Invariants:
 *   1. When a scope has ended, none of its children is alive.
 *   2. Its result is the error of the child that failed first; without one 0, or the code of
 *      a cancellation that somebody asked for, here or further out.
 *   3. Each cleanup runs once, after the children ended, the last deferred first.
 *   4. A sleep takes its time, or says why not; in a shield it takes its time.
 *   5. An awaited task's result is what it returned; a promise has one value for all.
 *   6. What was sent is received once; what a cancelled send kept, or what a cancelled receive
 *      did not take, is neither lost nor there twice.
 *   7. At the end nobody is left, nor anything of theirs (the runner looks for that).
 */
#include <limits.h>

#include "base/rand.h"
#include "support/test.h"

enum {
    TASKS = 300,        /* in one tree, at most */
    CHILDREN = 5,       /* of one scope, at most */
    DEPTH = 6,
    PENS = 4 * TASKS + 8,
    PROMISES = 8,
    GOODS = 4 * TASKS,  /* that are sent, at most */
    ERROR_FIRST = 200,  /* errors of failing tasks: each has its own number */
};

/* What must be true of a scope. */
struct pen {
    hob_scope  *scope;
    struct pen *outer;         /* the one around it; a shield's is NULL */
    int         alive;
    int         first;         /* the error of the first that failed */
    int         left_error;    /* of the first future that nobody awaited and that failed: */
    int         left_nth;      /* it is told when the scope ends                            */
    bool        open;
    bool        cancelled;     /* somebody asked for it */
    int64_t     deadline_ns;
    int         cleanups_due, cleanups_run;
};

static struct grove {
    struct rand  rand;
    int          tasks;
    int          loose;        /* detached ones that are alive */
    int          begun, ended; /* blocks with a cleanup */
    struct pen   wild;         /* where they live; it is cancelled when its time comes */
    int          errors;       /* given out */
    struct pen   pens[PENS];
    int          pens_used;
    hob_promise *promises[PROMISES];
    void        *values[PROMISES];
    hob_chan    *market;
    struct { bool is_sent, is_kept, is_received; } goods[GOODS];
    int          goods_used;
} grove;

static int live(void *arg);

static bool by_chance(int percent)
{
    return rand_below(&grove.rand, 100) < (uint64_t)percent;
}

static int64_t moment(void)
{
    return rand_between(&grove.rand, 0, 5 * HOB_MSEC);
}

/* ---- pens ---- */

static struct pen *pen_open(hob_scope *scope, struct pen *outer)
{
    struct pen *pen = &grove.pens[grove.pens_used++];
    *pen = (struct pen){ .scope = scope, .outer = outer, .open = true,
                         .deadline_ns = HOB_FOREVER };
    return pen;
}

static void note_failure(struct pen *pen, int error)
{
    if (pen->first == 0)
        pen->first = error;
    pen->cancelled = true;
}

/* Whether its scope may be cancelled with this code. */
static bool may_be_cancelled(const struct pen *pen, int code)
{
    for (; pen != NULL; pen = pen->outer) {
        if (code == -ECANCELED && pen->cancelled)
            return true;
        if (code == -ETIMEDOUT && pen->deadline_ns <= hob_now())
            return true;
    }
    return false;
}

/* Its scope has just ended with this result. */
static void pen_close(struct pen *pen, int result)
{
    pen->open = false;
    expect_eq(pen->alive, 0);
    expect_eq(pen->cleanups_run, pen->cleanups_due);
    if (pen->first == 0)
        pen->first = pen->left_error;
    if (pen->first != 0)
        expect_eq(result, pen->first);
    else if (result != 0)
        expect(may_be_cancelled(pen, result));
}

static void cancel_any(void)
{
    int         n = (int)rand_below(&grove.rand, (uint64_t)grove.pens_used + 1);
    struct pen *pen = &grove.pens[n];
    if (n == grove.pens_used || !pen->open || pen->scope == NULL)
        return;
    pen->cancelled = true;
    hob_scope_cancel(pen->scope, "a whim");
}

/* ---- cleanups ---- */

struct cleanup {
    struct pen *pen;
    int         nth;
};

static void clean_up(void *arg)
{
    struct cleanup *c = arg;
    struct pen     *pen = c->pen;
    pen->cleanups_run++;
    expect_eq(pen->alive, 0);
    expect_eq(c->nth, pen->cleanups_due - pen->cleanups_run);
    if (by_chance(30))
        expect_ok(hob_sleep(moment())); // it has time for that, cancelled or not
}

static void defer(struct pen *pen, struct cleanup *c)
{
    *c = (struct cleanup){ .pen = pen, .nth = pen->cleanups_due++ };
    ignore(hob_scope_defer(pen->scope, clean_up, c)); // without memory it was run at once
}

static void count_up(void *arg)
{
    ++*(int *)arg;
}

/* ---- what tasks do ---- */

struct beast {
    struct pen *pen;        /* it lives in this one */
    struct pen  me;         /* inside that: what was asked of it alone */
    int         nth;
    int         depth;
    bool        is_daemon;
    bool        is_awaited; /* its failure is not its scope's */
    bool        is_left;    /* or was, until its awaiter was cancelled */
    bool        says_ready;
    int         returned;   /* INT_MIN: not yet */
};

static int nap(struct pen *pen)
{
    int64_t ns = moment(), start = hob_now();
    int     r = hob_sleep(ns);
    if (r == 0) {
        check_ge(hob_now() - start, ns);
    } else {
        check_eq(hob_cancelled(), r);
        check(may_be_cancelled(pen, r));
    }
    return r;
}

static int nap_in_a_shield(void)
{
    HOB_SHIELD(HOB_SEC) {
        int64_t ns = moment(), start = hob_now();
        check_ok(hob_sleep(ns));
        check_ge(hob_now() - start, ns);
    }
    return 0;
}

static int wait_for_a_promise(struct pen *outer)
{
    size_t    n = rand_below(&grove.rand, PROMISES);
    void     *value = NULL;
    hob_scope s;

    hob_scope_begin(&s);
    struct pen *pen = pen_open(NULL, outer);
    pen->deadline_ns = hob_in(moment());
    hob_scope_deadline(&s, pen->deadline_ns);
    int r = hob_promise_await(grove.promises[n], &value);
    if (r == 0)
        expect_eq(value, grove.values[n]);
    else
        expect_eq(hob_cancelled(), r);
    pen_close(pen, hob_scope_end(&s));
    return 0;
}

static void note_received(int nth)
{
    expect(nth >= 0 && nth < grove.goods_used);
    expect(!grove.goods[nth].is_kept);
    expect(!grove.goods[nth].is_received);
    grove.goods[nth].is_received = true;
}

/* Sends or receives, with little patience. */
static void trade(struct pen *outer)
{
    hob_scope s;
    int       mine = -1, r;

    hob_scope_begin(&s);
    struct pen *pen = pen_open(NULL, outer);
    pen->deadline_ns = hob_in(moment());
    hob_scope_deadline(&s, pen->deadline_ns);
    if (by_chance(50) && grove.goods_used < GOODS) {
        mine = grove.goods_used++;
        r = hob_chan_send(grove.market, &mine);
        grove.goods[mine].is_sent = r == 0;
        grove.goods[mine].is_kept = r < 0;
        expect(r == 0 || !grove.goods[mine].is_received);
    } else {
        r = hob_chan_recv(grove.market, &mine);
        if (r == 0)
            note_received(mine);
        else
            expect_eq(mine, -1);
    }
    if (r < 0)
        expect_eq(hob_cancelled(), r);
    pen_close(pen, hob_scope_end(&s));
}

static void settle_a_promise(void)
{
    size_t n = rand_below(&grove.rand, PROMISES);
    void  *value = &grove.pens[rand_below(&grove.rand, PENS)];
    int    r = hob_promise_resolve(grove.promises[n], value);
    expect_eq(r, grove.values[n] == NULL ? 0 : -EALREADY);
    if (r == 0)
        grove.values[n] = value;
}

/* What the model knows of a child that could not be started. */
static void not_started(struct pen *pen, int error)
{
    pen->alive--;
    note_failure(pen, error);
}

static bool is_failure(int returned)
{
    return returned < 0 && returned != INT_MIN && returned != -ECANCELED && returned != -ETIMEDOUT;
}

/* Its awaiter was cancelled, so its failure is told when the scope ends. */
static void note_left(struct beast *child)
{
    struct pen *pen = child->pen;
    if (!is_failure(child->returned) || (pen->left_error != 0 && pen->left_nth < child->nth))
        return;
    pen->left_error = child->returned;
    pen->left_nth = child->nth;
}

static void await_one(struct pen *pen, struct beast *child)
{
    child->is_awaited = true;
    hob_future *future = hob_async(pen->scope, live, child);
    if (future == NULL) {
        pen->alive--;
        return;
    }
    if (by_chance(20)) {
        child->me.cancelled = true;
        hob_future_cancel(future, "a whim");
    }
    int r = hob_await(future);
    child->is_left = hob_cancelled() != 0 && r == hob_cancelled();
    if (child->is_left)
        note_left(child);
    else
        expect_eq(r, child->returned);
}

static void start_one(struct pen *pen, struct beast *child)
{
    hob_task_opts opts = { .daemon = child->is_daemon };
    pen->alive++;
    if (child->is_daemon || by_chance(60)) {
        int r = hob_go_with(pen->scope, live, child, &opts);
        if (r < 0)
            not_started(pen, r);
    } else if (by_chance(50)) {
        await_one(pen, child);
    } else {
        child->is_awaited = child->says_ready = child->me.cancelled = true;
        int before = hob_cancelled();
        int r = hob_go_ready(pen->scope, live, child, &opts, NULL);
        if (before != 0 || r == -ENOMEM || r == -EAGAIN)
            pen->alive--; // nobody was started
        else if (r == 0)
            expect(!child->says_ready);
        else
            expect(r == child->returned || r == hob_cancelled() || r == HOB_EBROKEN);
    }
}

/* Opens a scope, fills it, and ends it; or leaves it, so that its failure goes outwards. */
static void keep_a_pen(struct beast *self, bool leave)
{
    struct beast   children[CHILDREN];
    struct cleanup cleanups[3];
    HOB_SCOPE(s);
    struct pen *pen = pen_open(&s, &self->me);

    if (by_chance(30)) {
        pen->deadline_ns = hob_in(moment());
        hob_scope_deadline(&s, pen->deadline_ns);
    }
    for (int i = (int)rand_below(&grove.rand, 4) - 1; i >= 0; i--)
        defer(pen, &cleanups[i]);
    for (int n = 1 + (int)rand_below(&grove.rand, CHILDREN); n > 0 && grove.tasks < TASKS; n--) {
        grove.tasks++;
        children[n - 1] = (struct beast){ .pen = pen, .me.outer = pen, .nth = grove.tasks,
                                          .depth = self->depth + 1, .returned = INT_MIN,
                                          .is_daemon = by_chance(10) };
        children[n - 1].me.deadline_ns = HOB_FOREVER;
        children[n - 1].me.cancelled = children[n - 1].is_daemon;
        start_one(pen, &children[n - 1]);
        if (by_chance(20))
            ignore(nap(pen));
    }
    if (by_chance(10)) {
        pen->cancelled = true;
        hob_scope_cancel(&s, "its opener");
    }
    if (!leave)
        pen_close(pen, hob_scope_end(&s));
}

static void open_a_scope(struct beast *self)
{
    bool        leave = by_chance(20);
    struct pen *pen = &grove.pens[grove.pens_used];
    if (grove.pens_used >= PENS - 2)
        return;
    keep_a_pen(self, leave);
    if (!leave)
        return;
    pen_close(pen, pen->first != 0 ? pen->first : pen->left_error);
    if (pen->first != 0)
        note_failure(self->pen, pen->first);
}

static int do_something(struct beast *self)
{
    switch (rand_below(&grove.rand, 14)) {
    case 0:
    case 1:
    case 2:
        return nap(&self->me);
    case 3:
    case 4:
    case 5:
        if (self->depth < DEPTH)
            open_a_scope(self);
        return hob_cancelled();
    case 6:
        return nap_in_a_shield();
    case 7:
        return grove.pens_used < PENS - 2 ? wait_for_a_promise(&self->me) : 0;
    case 8:
        settle_a_promise();
        return 0;
    case 9:
        if (by_chance(30))
            cancel_any();
        return 0;
    case 10:
        hob_yield();
        return hob_checkpoint();
    case 11:
    case 12:
        if (grove.pens_used < PENS - 2)
            trade(&self->me);
        return 0;
    default:
        if (!by_chance(30))
            return 0;
        return -(ERROR_FIRST + grove.errors++);
    }
}

static int live_on(struct beast *self)
{
    grove.begun++;
    HOB_DEFER(count_up, &grove.ended);
    if (self->is_daemon)
        return hob_sleep(HOB_FOREVER);
    for (uint64_t n = 1 + rand_below(&grove.rand, 6); n > 0; n--)
        HOB_TRY(do_something(self));
    return 0;
}

/* A child of a pen. One that is detached goes to the wild. */
static int live(void *arg)
{
    struct beast *self = arg;
    struct pen   *pen = self->pen;
    check(pen->open);

    if (self->says_ready && by_chance(70)) {
        self->says_ready = self->is_awaited = false;
        hob_ready(self);
    }
    if (!self->is_awaited && !self->is_daemon && by_chance(5)) {
        struct beast loose = { .pen = &grove.wild, .depth = DEPTH };
        loose.me = grove.wild;
        if (hob_detach("wild") == 0) {
            pen->alive--;
            grove.loose++;
            ignore(live_on(&loose));
            grove.loose--;
            return 0;
        }
    }
    int r = live_on(self);
    self->returned = r;
    pen->alive--;
    if (self->is_left)
        note_left(self);
    else if (is_failure(r) && !self->is_awaited)
        note_failure(pen, r);
    return r;
}

/* ---- the tree ---- */

static int plant(void)
{
    for (int i = 0; i < PROMISES; i++)
        check_ok(hob_promise_new(&grove.promises[i]));
    check_ok(hob_chan_new(sizeof(int), rand_below(&grove.rand, 3), HOB_WAIT, NULL, &grove.market));
    return 0;
}

static void fell(void *arg)
{
    (void)arg;
    for (int i = 0; i < PROMISES && grove.promises[i] != NULL; i++) {
        ignore(hob_promise_resolve(grove.promises[i], &grove));
        hob_promise_free(grove.promises[i]);
    }
    hob_chan_free(grove.market);
}

static void clear_the_market(void)
{
    int nth;
    while (hob_chan_try_recv(grove.market, &nth) == 0)
        note_received(nth);
    for (int i = 0; i < grove.goods_used; i++)
        expect_eq(grove.goods[i].is_received, grove.goods[i].is_sent);
}

TEST_ON_ALL(trees, whatever_grows_no_scope_breaks_its_word)
{
    grove = (struct grove){ .rand = { hob_test_seed() },
                            .wild = { .cancelled = true, .deadline_ns = HOB_FOREVER } };
    struct beast root = { .pen = &grove.wild, .me.deadline_ns = HOB_FOREVER };
    HOB_DEFER(fell, NULL);
    check_ok(plant());
    for (int i = 0; i < TASKS && grove.tasks < TASKS && grove.pens_used < PENS - 2; i++)
        keep_a_pen(&root, false);
    while (grove.loose > 0)
        check_ok(hob_sleep(HOB_MSEC));
    check_eq(grove.begun, grove.ended);
    clear_the_market();
}
