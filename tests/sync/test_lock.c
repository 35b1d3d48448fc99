/* SPDX-License-Identifier: MIT */
/*
 * hob/lock.h and hob/sem.h: order, cancelling, workers and threads, deadlocks; and random walks
 * beside a model.
 */
#include "support/workers.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#define ON(number) (&(hob_task_opts){ .where = HOB_ON(number) })

static int breaking_deadlocks(uint32_t workers, hob_task_fn *fn, void *arg)
{
    hob_run_opts opts;
    hob_test_run_opts(&opts);
    opts.workers = workers;
    opts.break_deadlocks = true;
    return hob_run_with(&opts, fn, arg);
}

/* A test that ends early, as all do under torture, gives its mutex back too. */
#define HOLD(mutex)                                                       \
    __attribute__((cleanup(hob_mutex_leave))) hob_mutex *held = NULL;     \
    check_ok(hob_mutex_lock(mutex));                                      \
    held = (mutex)

#define LET_GO()                \
    do {                        \
        hob_mutex_leave(&held); \
        held = NULL;            \
    } while (0)

/* A task that takes what `take` takes, notes its letter, and keeps it until told. */
struct visit {
    hob_mutex    *mutex;
    struct notes *notes;
    char          letter;
    int64_t       stays_ns;
    int           result;
};

static int visit(void *arg)
{
    struct visit *v = arg;
    v->result = hob_mutex_lock(v->mutex);
    if (v->result < 0)
        return 0;
    note(v->notes, v->letter);
    ignore(hob_sleep(v->stays_ns));
    hob_mutex_unlock(v->mutex);
    return 0;
}

/* ---- the mutex ---- */

TEST_ON_ALL(lock, a_mutex_goes_to_who_waits_longest)
{
    hob_mutex    m = { .name = "m" };
    struct notes notes = { .len = 0 };
    struct visit v[5];
    HOB_SCOPE(s);
    HOLD(&m);
    for (int i = 0; i < 5; i++) {
        v[i] = (struct visit){ &m, &notes, (char)('a' + i), 0, 0 };
        check_ok(hob_go(&s, visit, &v[i]));
        settle();
    }
    check_err(hob_mutex_try_lock(&m), -EAGAIN);
    LET_GO();
    check_err(hob_mutex_try_lock(&m), -EAGAIN); // handed over: it cannot be snatched
    check_ok(hob_scope_end(&s));
    check_str(notes.text, "abcde");
    check_ok(hob_mutex_try_lock(&m));
    hob_mutex_unlock(&m);
}

TEST_ON_ALL(lock, a_cancelled_wait_does_not_hold_the_mutex_and_the_next_gets_it)
{
    hob_mutex    m = { .name = "m" };
    struct notes notes = { .len = 0 };
    struct visit first = { &m, &notes, 'a', 0, 0 }, second = { &m, &notes, 'b', 0, 0 };
    HOB_SCOPE(both);
    HOLD(&m);
    {
        HOB_SCOPE(s);
        check_ok(hob_go(&s, visit, &first));
        settle();
        check_ok(hob_go(&both, visit, &second));
        settle();
        hob_scope_cancel(&s, "changed my mind");
        ignore(hob_scope_end(&s));
    }
    check_err(first.result, -ECANCELED);
    LET_GO();
    check_ok(hob_scope_end(&both));
    check_str(notes.text, "b");
}

TEST_ON_ALL(lock, what_was_handed_over_is_held_also_when_it_is_cancelled_then)
{
    hob_mutex    m = { .name = NULL };
    struct notes notes = { .len = 0 };
    struct visit v = { &m, &notes, 'a', 0, 0 };
    HOB_SCOPE(s);
    HOLD(&m);
    check_ok(hob_go(&s, visit, &v));
    settle();
    LET_GO();
    hob_scope_cancel(&s, "too late");
    ignore(hob_scope_end(&s));
    check_ok(v.result);
    check_ok(hob_mutex_try_lock(&m));
    hob_mutex_unlock(&m);
}

static int locked_block(hob_mutex *m)
{
    HOB_LOCKED(m);
    check_err(hob_mutex_try_lock(m), -EAGAIN);
    HOB_TRY(-EDOM);
    return 0;
}

TEST(lock, a_block_unlocks_on_every_way_out)
{
    hob_mutex m = { .name = NULL };
    check_err(locked_block(&m), -EDOM);
    check_ok(hob_mutex_try_lock(&m));
    hob_mutex_unlock(&m);
}

TEST_DIES(lock, locking_twice_is_a_mistake, "hob_mutex_lock: the caller holds this mutex already*")
{
    hob_mutex m = { .name = NULL };
    check_ok(hob_mutex_lock(&m));
    ignore(hob_mutex_lock(&m));
}

TEST_DIES(lock, unlocking_what_another_holds_is_a_mistake, "hob_mutex_unlock: another task*")
{
    static hob_mutex m;
    struct notes     notes = { .len = 0 };
    struct visit     v = { &m, &notes, 'a', HOB_SEC, 0 };
    HOB_SCOPE(s);
    check_ok(hob_go(&s, visit, &v));
    settle();
    hob_mutex_unlock(&m);
}

static int keep_it(void *arg)
{
    return hob_mutex_lock(arg);
}

TEST_DIES(lock, a_task_that_ends_with_a_mutex_is_a_mistake, "*with a mutex still locked*")
{
    hob_mutex m = { .name = NULL };
    HOB_SCOPE(s);
    check_ok(hob_go(&s, keep_it, &m));
    ignore(hob_scope_end(&s));
}

static void on_lock(void *arg, ssize_t result)
{
    *(ssize_t *)arg = result;
}

TEST_ON_ALL(lock, a_callback_gets_the_mutex_in_its_turn)
{
    hob_mutex m = { .name = NULL };
    hob_op    op;
    ssize_t   told = 9;
    HOB_SCOPE(s);
    HOLD(&m);
    hob_mutex_lock_prep(&op, &m);
    hob_op_call(&s, &op, on_lock, &told);
    settle();
    check_eq(told, 9);
    LET_GO();
    settle();
    check_eq(told, 0);
    check_err(hob_mutex_try_lock(&m), -EAGAIN);
    hob_mutex_unlock(&m);
    check_ok(hob_scope_end(&s));
}

/* ---- workers and threads ---- */

struct count {
    hob_mutex mutex;
    long      value, rounds;
};

static int count_up(void *arg)
{
    struct count *c = arg;
    for (long i = 0; i < c->rounds; i++) {
        HOB_LOCKED(&c->mutex);
        long before = c->value;
        if (i % 7 == 0)
            hob_yield();
        c->value = before + 1;
    }
    return 0;
}

static void *count_up_in_thread(void *arg)
{
    struct count *c = arg;
    for (long i = 0; i < c->rounds; i++) {
        ignore(hob_mutex_lock(&c->mutex));
        c->value++;
        hob_mutex_unlock(&c->mutex);
    }
    return NULL;
}

static int count_on_workers(void *arg)
{
    struct count *c = arg;
    HOB_SCOPE(s);
    for (uint32_t i = 0; i < 2 * hob_workers(); i++)
        check_ok(hob_go_with(&s, count_up, c, ON(i % hob_workers())));
    return hob_scope_end(&s);
}

static int count_on_workers_and_threads(void *arg)
{
    struct count *c = arg;
    pthread_t     threads[2];
    for (int i = 0; i < 2; i++)
        expect(pthread_create(&threads[i], NULL, count_up_in_thread, c) == 0);
    int r = count_on_workers(c);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    return r;
}

TEST_BARE_ON_ALL(lock, tasks_of_all_workers_that_count_under_it_lose_nothing)
{
    for (uint32_t workers = 1; workers <= 4; workers *= 2) {
        struct count c = { .rounds = all_is_slow() ? 100 : 2000 };
        check_ok(run_with_workers(workers, count_on_workers, &c));
        check_eq(c.value, 2 * workers * c.rounds);
    }
}

TEST_BARE_ON_ALL(lock, and_neither_do_threads)
{
    for (uint32_t workers = 1; workers <= 2; workers++) {
        struct count c = { .rounds = all_is_slow() ? 100 : 2000 };
        check_ok(run_with_workers(workers, count_on_workers_and_threads, &c));
        check_eq(c.value, (2 * workers + 2) * c.rounds);
    }
}

/* ---- what is told ---- */

TEST(lock, a_dump_says_who_holds_what_and_who_waits)
{
    static hob_mutex m = { .name = "pantry" };
    struct notes     notes = { .len = 0 };
    struct visit     holds = { &m, &notes, 'a', HOB_MSEC, 0 }, waits = { &m, &notes, 'b', 0, 0 };
    char             text[4096];
    HOB_SCOPE(s);
    check_ok(hob_go_with(&s, visit, &holds, &(hob_task_opts){ .name = "ann" }));
    settle();
    check_ok(hob_go_with(&s, visit, &waits, &(hob_task_opts){ .name = "bob" }));
    settle();
    int fds[2];
    check(pipe(fds) == 0);
    hob_dump(fds[1], 0);
    ssize_t len = read(fds[0], text, sizeof text - 1);
    close(fds[0]);
    close(fds[1]);
    check_gt(len, 0);
    text[len] = '\0';
    check_ok(hob_scope_end(&s));
    check_has(text, "waits for the mutex \"pantry\", held by task");
    check_has(text, "\"ann\"");
}

/* ---- deadlocks ---- */

struct pair {
    hob_mutex   *first, *second;
    hob_barrier *both; /* have taken their first: on two workers, one may be late */
    int          result;
};

static int take_both(void *arg)
{
    struct pair *p = arg;
    HOB_LOCKED(p->first);
    HOB_TRY(hob_barrier_wait(p->both));
    p->result = hob_mutex_lock(p->second);
    if (p->result == 0)
        hob_mutex_unlock(p->second);
    return 0;
}

static int lock_crosswise(void *arg)
{
    hob_mutex   left = { .name = "left" }, right = { .name = "right" };
    hob_barrier both = { .parties = 2 };
    struct pair a = { &left, &right, &both, 9 }, b = { &right, &left, &both, 9 };
    uint32_t    other = *(uint32_t *)arg;
    HOB_SCOPE(s);
    check_ok(hob_go_with(&s, take_both, &a, &(hob_task_opts){ .name = "ann" }));
    check_ok(hob_go_with(&s, take_both, &b,
                         &(hob_task_opts){ .name = "bob", .where = HOB_ON(other) }));
    check_ok(hob_scope_end(&s));
    check(a.result == -EDEADLK || b.result == -EDEADLK);
    check(a.result == 0 || b.result == 0);
    return 0;
}

TEST_BARE_ON_ALL(lock, a_circle_of_two_is_reported_and_broken)
{
    for (uint32_t other = 0; other < 2; other++) {
        check_ok(breaking_deadlocks(other + 1, lock_crosswise, &other));
        check_has(hob_test_report_text(), "wait for each other in a circle");
        check_has(hob_test_report_text(), "\"ann\"");
        check_has(hob_test_report_text(), "\"bob\"");
        check_has(hob_test_report_text(), "the mutex \"left\"");
        check_has(hob_test_report_text(), "the mutex \"right\"");
        hob_test_report_clear();
    }
}

static int lock_crosswise_in_time(void *arg)
{
    hob_mutex   left = { .name = "left" }, right = { .name = "right" };
    hob_barrier both = { .parties = 2 };
    struct pair a = { &left, &right, &both, 9 }, b = { &right, &left, &both, 9 };
    HOB_SCOPE(s);
    hob_scope_deadline(&s, hob_in(600 * HOB_MSEC));
    check_ok(hob_go(&s, take_both, &a));
    check_ok(hob_go(&s, take_both, &b));
    check_err(hob_scope_end(&s), -ETIMEDOUT);
    check_err(a.result, -ETIMEDOUT);
    return 0;
}

TEST_BARE_ON_ALL(lock, a_circle_that_a_deadline_ends_is_none)
{
    check_ok(breaking_deadlocks(1, lock_crosswise_in_time, NULL));
    check_str(hob_test_report_text(), "");
}

static int wait_long(void *arg)
{
    hob_mutex    m = { .name = NULL };
    struct notes notes = { .len = 0 };
    struct visit v[3];
    HOB_SCOPE(s);
    for (int i = 0; i < 3; i++) {
        v[i] = (struct visit){ &m, &notes, 'a', 300 * HOB_MSEC, 0 };
        check_ok(hob_go(&s, visit, &v[i]));
    }
    check_ok(hob_scope_end(&s));
    return 0;
}

TEST_BARE_ON_ALL(lock, a_long_wait_is_no_deadlock)
{
    check_ok(breaking_deadlocks(1, wait_long, NULL));
    check_str(hob_test_report_text(), "");
}

static int borrow_and_lock(void *arg);

static hob_limiter desk;
static hob_mutex   drawer;
static int         locked_then;

static int lock_and_borrow(void *arg)
{
    HOB_LOCKED(&drawer);
    HOB_TRY(hob_sleep(10 * HOB_MSEC));
    hob_borrow b = { 0 };
    int        r = hob_limiter_borrow(&desk, &b);
    hob_limiter_give_back(&b);
    locked_then |= r == -EDEADLK;
    return 0;
}

static int borrow_and_lock(void *arg)
{
    HOB_LIMITED(&desk);
    HOB_TRY(hob_sleep(20 * HOB_MSEC));
    int r = hob_mutex_lock(&drawer);
    if (r == 0)
        hob_mutex_unlock(&drawer);
    locked_then |= r == -EDEADLK;
    return 0;
}

static int borrow_crosswise(void *arg)
{
    HOB_SCOPE(s);
    check_ok(hob_go(&s, borrow_and_lock, NULL));
    check_ok(hob_go(&s, borrow_and_lock, NULL));
    check_ok(hob_go(&s, lock_and_borrow, NULL));
    return hob_scope_end(&s);
}

TEST_BARE_ON_ALL(lock, a_limiter_whose_borrowers_all_wait_is_part_of_a_circle)
{
    desk = (hob_limiter){ .name = "desk", .limit = 2 };
    drawer = (hob_mutex){ .name = "drawer" };
    locked_then = 0;
    check_ok(breaking_deadlocks(1, borrow_crosswise, NULL));
    check_eq(locked_then, 1);
    check_has(hob_test_report_text(), "the limiter \"desk\"");
    hob_test_report_clear();

    desk = (hob_limiter){ .name = "desk", .limit = 3 }; // one permit too many for a circle
    locked_then = 0;
    check_ok(breaking_deadlocks(1, borrow_crosswise, NULL));
    check_eq(locked_then, 0);
}

static int join_while_holding(void *arg)
{
    hob_mutex    m = { .name = "till" };
    struct notes notes = { .len = 0 };
    struct visit v = { &m, &notes, 'a', 0, 0 };
    HOLD(&m);
    HOB_SCOPE(s);
    check_ok(hob_go(&s, visit, &v));
    ignore(hob_scope_end(&s));
    LET_GO();
    check_err(v.result, -EDEADLK);
    return 0;
}

TEST_BARE_ON_ALL(lock, waiting_for_the_end_of_who_waits_for_ones_lock_is_a_circle)
{
    check_ok(breaking_deadlocks(1, join_while_holding, NULL));
    check_has(hob_test_report_text(), "deadlock");
    hob_test_report_clear();
}

/* ---- the others ---- */

struct reader {
    hob_rwlock   *lock;
    struct notes *notes;
    char          letter; /* upper case: writes */
};

static int use_book(void *arg)
{
    struct reader *r = arg;
    bool           writes = r->letter <= 'Z';
    HOB_TRY(writes ? hob_rwlock_write(r->lock) : hob_rwlock_read(r->lock));
    note(r->notes, r->letter);
    HOB_TRY(hob_sleep(HOB_MSEC));
    note(r->notes, writes ? '!' : '.');
    if (writes)
        hob_rwlock_write_end(r->lock);
    else
        hob_rwlock_read_end(r->lock);
    return 0;
}

TEST_ON_ALL(lock, readers_share_and_a_waiting_writer_is_not_overtaken)
{
    hob_rwlock    lock = { .name = "book" };
    struct notes  notes = { .len = 0 };
    struct reader r[5];
    HOB_SCOPE(s);
    for (int i = 0; i < 5; i++) {
        r[i] = (struct reader){ &lock, &notes, "abWcd"[i] };
        check_ok(hob_go(&s, use_book, &r[i]));
        for (int tries = 0; i < 2 && (int)notes.len <= i && tries < 100; tries++)
            hob_yield();
    }
    check_ok(hob_scope_end(&s));
    check_eq(notes.len, 10);
    check(strchr(notes.text, '!') == strchr(notes.text, 'W') + 1);
}

struct queue {
    hob_mutex lock;
    hob_cond  more;
    int       items, taken, result;
};

static int take_one(void *arg)
{
    struct queue *q = arg;
    HOB_LOCKED(&q->lock);
    while (q->items == 0) {
        q->result = hob_cond_wait(&q->more, &q->lock);
        HOB_TRY(q->result);
    }
    q->items--;
    q->taken++;
    return 0;
}

static int put_ten(void *arg)
{
    struct queue *q = arg;
    for (int i = 0; i < 10; i++) {
        HOB_LOCKED(&q->lock);
        q->items++;
        hob_cond_signal(&q->more);
        hob_yield();
    }
    return 0;
}

static int put_and_take(void *arg)
{
    struct queue *q = arg;
    HOB_SCOPE(s);
    for (uint32_t i = 0; i < 10; i++)
        check_ok(hob_go_with(&s, take_one, q, ON(i % hob_workers())));
    check_ok(hob_go_with(&s, put_ten, q, ON(hob_workers() - 1)));
    return hob_scope_end(&s);
}

TEST_BARE_ON_ALL(lock, a_signal_for_each_item_serves_all_who_wait)
{
    for (uint32_t workers = 1; workers <= 4; workers *= 2) {
        struct queue q = { .items = 0 };
        check_ok(run_with_workers(workers, put_and_take, &q));
        check_eq(q.taken, 10);
        check_eq(q.items, 0);
    }
}

TEST_ON_ALL(lock, a_cancelled_wait_for_a_condition_holds_the_mutex_on_return)
{
    struct queue q = { .items = 0 };
    HOB_SCOPE(s);
    check_ok(hob_go(&s, take_one, &q));
    settle();
    HOLD(&q.lock);
    hob_scope_cancel(&s, "closing time");
    settle();
    check_eq(q.result, 0); // it waits for the mutex
    LET_GO();
    ignore(hob_scope_end(&s));
    check_err(q.result, -ECANCELED);
    check_ok(hob_mutex_try_lock(&q.lock));
    hob_mutex_unlock(&q.lock);
}

struct crowd {
    hob_limiter limiter;
    int         inside, inside_max, done;
};

static int be_inside(void *arg)
{
    struct crowd *c = arg;
    HOB_LIMITED(&c->limiter);
    c->inside++;
    if (c->inside > c->inside_max)
        c->inside_max = c->inside;
    HOB_TRY(hob_sleep(20 * HOB_MSEC));
    c->inside--;
    c->done++;
    return 0;
}

TEST_ON_ALL(limiter, it_lets_so_many_in_lists_them_and_can_be_resized)
{
    struct crowd c = { .limiter = { .name = "door", .limit = 2 } };
    hob_borrower who[4];
    HOB_SCOPE(s);
    for (int i = 0; i < 12; i++)
        check_ok(hob_go_with(&s, be_inside, &c, &(hob_task_opts){ .name = "guest" }));
    settle();
    check_eq(hob_limiter_borrowers(&c.limiter, who, 4), 2);
    check_str(who[1].name, "guest");
    check_ne(who[0].task, who[1].task);
    hob_limiter_resize(&c.limiter, 4);
    settle();
    check_eq(c.inside, 4);
    hob_limiter_resize(&c.limiter, 1);
    check_ok(hob_scope_end(&s));
    check_eq(c.inside_max, 4);
    check_eq(c.done, 12);
    check_eq(hob_limiter_borrowers(&c.limiter, who, 4), 0);
}

static int wait_for_event(void *arg)
{
    return hob_event_wait(arg);
}

TEST_ON_ALL(lock, an_event_lets_all_go_until_it_is_reset)
{
    hob_event e = { .name = "open" };
    hob_op    op;
    ssize_t   told = 9;
    HOB_SCOPE(s);
    for (int i = 0; i < 3; i++)
        check_ok(hob_go(&s, wait_for_event, &e));
    hob_event_wait_prep(&op, &e);
    hob_op_call(&s, &op, on_lock, &told);
    settle();
    hob_event_set(&e);
    check_ok(hob_scope_end(&s));
    check_eq(told, 0);
    check_ok(hob_event_wait(&e));
    hob_event_reset(&e);
    check(!hob_event_is_set(&e));
}

struct meeting {
    hob_barrier barrier;
    atomic_int  come, last, errors;
};

static int meet(void *arg)
{
    struct meeting *m = arg;
    for (int round = 1; round <= 20; round++) {
        atomic_fetch_add(&m->come, 1);
        int r = hob_barrier_wait(&m->barrier);
        HOB_TRY(r);
        atomic_fetch_add(&m->last, r);
        if (atomic_load(&m->come) < round * (int)m->barrier.parties)
            atomic_fetch_add(&m->errors, 1);
    }
    return 0;
}

static int meet_all(void *arg)
{
    struct meeting *m = arg;
    HOB_SCOPE(s);
    for (uint32_t i = 0; i < m->barrier.parties; i++)
        check_ok(hob_go_with(&s, meet, m, ON(i % hob_workers())));
    return hob_scope_end(&s);
}

TEST_BARE_ON_ALL(lock, nobody_passes_a_barrier_before_all_have_come)
{
    for (uint32_t workers = 1; workers <= 4; workers *= 2) {
        struct meeting m = { .barrier = { .parties = 5 } };
        check_ok(run_with_workers(workers, meet_all, &m));
        check_eq(m.last, 20);
        check_eq(m.errors, 0);
    }
}

struct setup {
    hob_once once;
    int      tries, done, fails;
};

static int set_up(void *arg)
{
    struct setup *u = arg;
    u->tries++;
    HOB_TRY(hob_sleep(HOB_MSEC));
    if (u->fails-- > 0)
        return -EIO;
    u->done++;
    return 0;
}

static int need_setup(void *arg)
{
    struct setup *u = arg;
    int           r = hob_once_run(&u->once, set_up, u);
    return r == -EIO ? 0 : r;
}

TEST_ON_ALL(lock, the_next_does_what_the_first_failed_to_do_and_then_it_is_done)
{
    struct setup u = { .fails = 1 };
    HOB_SCOPE(s);
    HOB_SCOPE(cancelled);
    check_ok(hob_go(&cancelled, need_setup, &u));
    settle();
    for (int i = 0; i < 4; i++)
        check_ok(hob_go(&s, need_setup, &u));
    hob_scope_cancel(&cancelled, "the first is gone");
    ignore(hob_scope_end(&cancelled));
    check_ok(hob_scope_end(&s));
    check_ge(u.tries, 2);
    check_eq(u.done, 1);
    check_ok(hob_once_run(&u.once, set_up, &u));
    check_eq(u.done, 1);
}

/* ---- random walks ---- */

enum { WALKERS = 12 };

struct walk {
    hob_mutex  mutex;
    hob_rwlock rw;
    hob_sem    sem;
    atomic_int in_mutex, readers, writers, in_sem; /* the model */
    atomic_int wrong;
    atomic_llong got, cancelled;
    long       steps; /* of each walker */
};

static void expect_at_most(struct walk *w, atomic_int *who, int most)
{
    if (atomic_fetch_add(who, 1) + 1 > most)
        atomic_fetch_add(&w->wrong, 1);
}

static void stay(uint64_t dice)
{
    if (dice % 3 == 0)
        hob_yield();
}

/* One visit to one of the three; whatever happened, the model says the same. */
static int one_step(struct walk *w, uint64_t dice)
{
    int r;
    switch (dice % 4) {
    case 0:
        if ((r = hob_mutex_lock(&w->mutex)) < 0)
            return r;
        expect_at_most(w, &w->in_mutex, 1);
        stay(dice >> 8);
        atomic_fetch_sub(&w->in_mutex, 1);
        hob_mutex_unlock(&w->mutex);
        return 0;
    case 1:
        if ((r = hob_sem_acquire(&w->sem)) < 0)
            return r;
        expect_at_most(w, &w->in_sem, 3);
        stay(dice >> 8);
        atomic_fetch_sub(&w->in_sem, 1);
        hob_sem_release(&w->sem);
        return 0;
    case 2:
        if ((r = hob_rwlock_write(&w->rw)) < 0)
            return r;
        expect_at_most(w, &w->writers, 1);
        if (atomic_load(&w->readers) != 0)
            atomic_fetch_add(&w->wrong, 1);
        stay(dice >> 8);
        atomic_fetch_sub(&w->writers, 1);
        hob_rwlock_write_end(&w->rw);
        return 0;
    default:
        if ((r = hob_rwlock_read(&w->rw)) < 0)
            return r;
        atomic_fetch_add(&w->readers, 1);
        if (atomic_load(&w->writers) != 0)
            atomic_fetch_add(&w->wrong, 1);
        stay(dice >> 8);
        atomic_fetch_sub(&w->readers, 1);
        hob_rwlock_read_end(&w->rw);
        return 0;
    }
}

struct step {
    struct walk *walk;
    uint64_t     dice;
};

static int step_alone(void *arg)
{
    struct step *s = arg;
    int          r = one_step(s->walk, s->dice);
    atomic_fetch_add(r == 0 ? &s->walk->got : &s->walk->cancelled, 1);
    return 0;
}

/* Every eighth step is a child that is cancelled while it may wait. */
static int walk(void *arg)
{
    struct walk *w = arg;
    for (long i = 0; i < w->steps; i++) {
        uint64_t    dice = hob_random();
        struct step step = { w, dice >> 3 };
        if (dice % 8 != 0) {
            HOB_TRY(step_alone(&step));
            continue;
        }
        HOB_SCOPE(s);
        HOB_TRY(hob_go(&s, step_alone, &step));
        stay(dice >> 40);
        hob_scope_cancel(&s, "the dice say so");
        ignore(hob_scope_end(&s));
    }
    return 0;
}

static int walk_all(void *arg)
{
    HOB_SCOPE(s);
    for (uint32_t i = 0; i < WALKERS; i++)
        check_ok(hob_go_with(&s, walk, arg, ON(i % hob_workers())));
    return hob_scope_end(&s);
}

TEST_AS(lock, random_steps_and_cancellations_keep_what_locks_promise,
        HOB_TEST_NO_RUNTIME | HOB_TEST_EACH_BACKEND | HOB_TEST_ONE_SEED, NULL)
{
    long total = hob_test_is_deep() && !all_is_slow() ? 1200000 : all_is_slow() ? 2400 : 60000;
    for (uint32_t workers = 1; workers <= 4; workers *= 2) {
        struct walk w = { .sem = { .permits = 3 } };
        w.steps = total / WALKERS;
        check_ok(run_with_workers(workers, walk_all, &w));
        check_eq(w.wrong, 0);
        check_eq(w.got + w.cancelled, w.steps * WALKERS);
        check_eq(w.in_mutex + w.in_sem + w.readers + w.writers, 0);
        check_eq(w.sem.permits, 3);
        check_ok(hob_mutex_lock(&w.mutex)); // it is free, for a thread too
        hob_mutex_unlock(&w.mutex);
    }
}
