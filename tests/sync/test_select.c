/* SPDX-License-Identifier: MIT */
/*
 * hob/select.h: exactly one case is taken, and the others have had no effect.
 */
#include "support/tasks.h"

#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "hob/select.h"

static void free_chan(void *chan)
{
    hob_chan_free(*(hob_chan **)chan);
}

#define CHAN(name, capacity)                                                      \
    hob_chan *name;                                                               \
    check_ok(hob_chan_new(sizeof(int), (capacity), HOB_WAIT, NULL, &name));       \
    HOB_DEFER(free_chan, &name)

struct later {
    hob_chan *ch;
    int64_t   ns;
    int       value;
};

static int send_later(void *arg)
{
    struct later *later = arg;
    HOB_TRY(hob_sleep(later->ns));
    return hob_chan_send(later->ch, &later->value);
}

static int receive_later(void *arg)
{
    struct later *later = arg;
    HOB_TRY(hob_sleep(later->ns));
    return hob_chan_recv(later->ch, &later->value);
}

TEST_ON_ALL(select, what_comes_first_is_taken)
{
    CHAN(a, 0);
    CHAN(b, 0);
    HOB_SCOPE(s);
    check_ok(hob_go(&s, send_later, &(struct later){ b, HOB_MSEC, 42 }));
    int value = 0, r = 1;
    check_eq(HOB_SELECT(&r, HOB_RECV(a, &value), HOB_RECV(b, &value), HOB_AFTER(HOB_HOUR)), 1);
    check_eq(r, 0);
    check_eq(value, 42);
    check_ok(hob_scope_end(&s));
}

TEST(select, a_send_is_taken_when_somebody_receives)
{
    CHAN(a, 0);
    CHAN(b, 0);
    struct later later = { b, HOB_SEC, 0 };
    HOB_SCOPE(s);
    check_ok(hob_go(&s, receive_later, &later));
    int value = 7, other = 0;
    check_eq(HOB_SELECT(NULL, HOB_RECV(a, &other), HOB_SEND(b, &value)), 1);
    check_ok(hob_scope_end(&s));
    check_eq(later.value, 7);
    check_eq(other, 0);
}

TEST(select, a_task_does_not_meet_itself)
{
    CHAN(ch, 0);
    int value = 1, got = 0;
    check_eq(HOB_SELECT(NULL, HOB_SEND(ch, &value), HOB_RECV(ch, &got), HOB_AFTER(HOB_SEC)), 2);
    check_eq(got, 0);
}

TEST(select, the_losers_are_withdrawn)
{
    CHAN(a, 0);
    CHAN(b, 0);
    int            value = 3;
    hob_chan_stats stats;
    check_eq(HOB_SELECT(NULL, HOB_SEND(a, &value), HOB_RECV(b, &value), HOB_AFTER(HOB_SEC)), 2);
    hob_chan_stats_get(a, &stats);
    check_eq(stats.senders_waiting, 0);
    hob_chan_stats_get(b, &stats);
    check_eq(stats.receivers_waiting, 0);
    check_err(hob_chan_try_recv(a, &value), -EAGAIN);
    check_err(hob_chan_try_send(b, &value), -EAGAIN);
}

TEST(select, the_end_of_a_channel_is_taken_and_told)
{
    CHAN(a, 1);
    CHAN(b, 0);
    int value, r;
    hob_chan_finish(a);
    check_eq(HOB_SELECT(&r, HOB_RECV(a, &value), HOB_RECV(b, &value)), 0);
    check_err(r, HOB_EOF);
    hob_chan_stop(b);
    check_eq(HOB_SELECT_ORDERED(&r, HOB_SEND(b, &value), HOB_RECV(a, &value)), 0);
    check_err(r, -EPIPE);
}

static int settle_later(void *promise)
{
    HOB_TRY(hob_sleep(HOB_SEC));
    hob_promise_reject(promise, -EIO);
    return 0;
}

TEST(select, promises_and_tasks_are_waited_for)
{
    hob_promise *promise;
    struct nap   two_seconds = { .ns = 2 * HOB_SEC, .then = -EDOM };
    check_ok(hob_promise_new(&promise));
    HOB_SCOPE(s);
    check_ok(hob_go(&s, settle_later, promise));
    hob_future *future = hob_async(&s, nap, &two_seconds);
    check(future != NULL);
    int r;
    check_eq(HOB_SELECT(&r, HOB_ENDED(future), HOB_SETTLED(promise)), 1);
    check_err(r, -EIO);
    check_eq(HOB_SELECT(&r, HOB_ENDED(future), HOB_NEVER), 0);
    check_err(hob_await(future), -EDOM);
    check_ok(hob_scope_end(&s));
    hob_promise_free(promise);
}

TEST(select, the_same_thing_may_stand_in_it_twice)
{
    hob_promise *promise;
    check_ok(hob_promise_new(&promise));
    HOB_SCOPE(s);
    check_ok(hob_go(&s, settle_later, promise));
    int r;
    check_ge(HOB_SELECT(&r, HOB_SETTLED(promise), HOB_SETTLED(promise)), 0);
    check_err(r, -EIO);
    check_ok(hob_scope_end(&s));
    hob_promise_free(promise);
}

TEST(select, ordered_takes_the_first_and_the_plain_form_takes_all_in_the_long_run)
{
    CHAN(a, 1);
    CHAN(b, 1);
    int value = 0, taken[2] = { 0 };
    for (int i = 0; i < 100; i++) {
        ignore(hob_chan_try_send(a, &value));
        ignore(hob_chan_try_send(b, &value));
        check_eq(HOB_SELECT_ORDERED(NULL, HOB_RECV(a, &value), HOB_RECV(b, &value)), 0);
    }
    for (int i = 0; i < 400; i++) {
        ignore(hob_chan_try_send(a, &value));
        ignore(hob_chan_try_send(b, &value));
        taken[HOB_SELECT(NULL, HOB_RECV(a, &value), HOB_RECV(b, &value))]++;
    }
    check_gt(taken[0], 100);
    check_gt(taken[1], 100);
}

static int select_for_ever(void *arg)
{
    hob_chan *ch = arg;
    int       value;
    return HOB_SELECT(NULL, HOB_RECV(ch, &value), HOB_SEND(ch, &value), HOB_NEVER);
}

TEST(select, a_cancelled_one_takes_nothing)
{
    CHAN(ch, 0);
    HOB_SCOPE(s);
    hob_future *future = hob_async(&s, select_for_ever, ch);
    settle();
    hob_future_cancel(future, "enough");
    check_err(hob_await(future), -ECANCELED);
    int value;
    check_err(hob_chan_try_recv(ch, &value), -EAGAIN);
    check_err(hob_chan_try_send(ch, &value), -EAGAIN);
    {
        HOB_SCOPE(inner);
        hob_scope_deadline(&inner, hob_in(HOB_SEC));
        check_err(select_for_ever(ch), -ETIMEDOUT);
        check_err(select_for_ever(ch), -ETIMEDOUT);
        check_err(hob_scope_end(&inner), -ETIMEDOUT);
    }
    check_ok(hob_scope_end(&s));
}

TEST_ON_ALL(select, times_that_have_come_are_taken_at_once)
{
    CHAN(ch, 0);
    int value;
    check_eq(HOB_SELECT(NULL, HOB_RECV(ch, &value), HOB_AT(hob_now())), 1);
    check_eq(HOB_SELECT(NULL, HOB_RECV(ch, &value), HOB_AFTER(0)), 1);
    check_eq(HOB_SELECT(NULL, HOB_RECV(ch, &value), HOB_AFTER(-1)), 1);
    check_eq(HOB_SELECT(NULL, HOB_AFTER(HOB_HOUR), HOB_AFTER(HOB_USEC)), 1);
}

static void close_fd(void *fd)
{
    close(*(int *)fd);
}

static int write_later(void *fd)
{
    HOB_TRY(hob_sleep(HOB_MSEC));
    return write(*(int *)fd, "x", 1) == 1 ? 0 : -EIO;
}

TEST_ON_ALL(select, a_foreign_descriptor_is_waited_for_and_withdrawn)
{
    if (strcmp(hob_test_backend(), "sim") == 0)
        skip("descriptors of the kernel are not part of this world");
    int ends[2];
    check_eq(pipe(ends), 0);
    HOB_DEFER(close_fd, &ends[0]);
    HOB_DEFER(close_fd, &ends[1]);
    CHAN(ch, 0);
    int value, r = 0;
    check_eq(HOB_SELECT(&r, HOB_FD_READY(ends[0], POLLIN), HOB_AFTER(HOB_USEC)), 1);
    HOB_SCOPE(s);
    check_ok(hob_go(&s, write_later, &ends[1]));
    check_eq(HOB_SELECT(&r, HOB_RECV(ch, &value), HOB_FD_READY(ends[0], POLLIN)), 1);
    check_eq(r & POLLIN, POLLIN);
    check_eq(HOB_SELECT(&r, HOB_NEVER, HOB_FD_READY(ends[0], POLLIN)), 1);
    check_ok(hob_scope_end(&s));
}

TEST(select, a_task_that_could_not_be_started_has_ended)
{
    int r = 1;
    check_eq(HOB_SELECT(&r, HOB_AFTER(HOB_SEC), HOB_ENDED(NULL)), 1);
    check_eq(r, 0);
    check_err(hob_await(NULL), -ENOMEM);
}

/* ---- a random walk: a crowd that selects among a few channels, in both directions ---- */

enum { CHANNELS = 4, CROWD = 16, STEPS = 150 };

struct crowd {
    hob_chan     *chans[CHANNELS];
    uint64_t      random;
    int           next_value;
    unsigned char fate[CROWD * STEPS + 1];
    int           sent, received, wrong;
};

static uint64_t next_random(struct crowd *crowd)
{
    crowd->random ^= crowd->random << 13;
    crowd->random ^= crowd->random >> 7;
    crowd->random ^= crowd->random << 17;
    return crowd->random;
}

static int select_at_random(void *arg)
{
    struct crowd *crowd = arg;
    for (int step = 0; step < STEPS; step++) {
        hob_case cases[CHANNELS + 1];
        int      values[CHANNELS], count = 0;
        int      mine = ++crowd->next_value;
        for (int i = 0; i < CHANNELS; i++) {
            values[i] = mine;
            if (next_random(crowd) % 2 == 0)
                cases[count++] = (hob_case)HOB_SEND(crowd->chans[i], &values[i]);
            else
                cases[count++] = (hob_case)HOB_RECV(crowd->chans[i], &values[i]);
        }
        cases[count++] = (hob_case)HOB_AFTER((int64_t)(next_random(crowd) % 20) + 1);
        HOB_SCOPE(s);
        if (next_random(crowd) % 4 == 0)
            hob_scope_deadline(&s, hob_in((int64_t)(next_random(crowd) % 10)));
        int r = 1, taken = hob_select(cases, (size_t)count, 0, &r);
        (void)!hob_scope_end(&s);
        for (int i = 0; i < CHANNELS; i++) {
            if (values[i] == mine)
                continue;
            crowd->wrong += i != taken;              // only the case that was taken received
            crowd->wrong += crowd->fate[values[i]] >= 2; // and that value was not received before
            crowd->fate[values[i]] += 2;
            crowd->received++;
        }
        if (taken >= 0 && taken < CHANNELS && values[taken] == mine) {
            crowd->fate[mine]++;
            crowd->sent++;
        }
    }
    return 0;
}

TEST(select, random_walks_take_exactly_one_each_time)
{
    struct crowd *crowd = calloc(1, sizeof *crowd);
    check(crowd != NULL);
    HOB_DEFER(free, crowd);
    crowd->random = hob_test_seed() + 88172645463325252u;
    CHAN(a, 0);
    CHAN(b, 0);
    CHAN(c, 0);
    CHAN(d, 0);
    memcpy(crowd->chans, (hob_chan *[]){ a, b, c, d }, sizeof crowd->chans);
    HOB_SCOPE(s);
    for (int i = 0; i < CROWD; i++)
        check_ok(hob_go(&s, select_at_random, crowd));
    check_ok(hob_scope_end(&s));
    check_eq(crowd->wrong, 0);
    check_eq(crowd->sent, crowd->received);
    check_gt(crowd->sent, CROWD * STEPS / 10);
    for (int i = 1; i <= crowd->next_value; i++)
        check(crowd->fate[i] == 0 || crowd->fate[i] == 3);
}

/* ---- what workers share ---- */

TEST_ON_ALL(select, a_permit_an_event_and_a_mutex_are_cases)
{
    hob_sem   sem = { .name = "sem" };
    hob_event event = { .name = "event" };
    hob_mutex mutex = { .name = "mutex" };
    int       r = 1;
    check_eq(HOB_SELECT(&r, HOB_SEM_ACQUIRE(&sem), HOB_EVENT_WAIT(&event), HOB_AFTER(HOB_MSEC)), 2);
    hob_sem_release(&sem);
    check_eq(HOB_SELECT(&r, HOB_SEM_ACQUIRE(&sem), HOB_EVENT_WAIT(&event)), 0);
    check_eq(r, 0);
    hob_event_set(&event);
    check_eq(HOB_SELECT(&r, HOB_SEM_ACQUIRE(&sem), HOB_EVENT_WAIT(&event)), 1);
    check_eq(HOB_SELECT(&r, HOB_AFTER(HOB_HOUR), HOB_MUTEX_LOCK(&mutex)), 1);
    check_err(hob_mutex_try_lock(&mutex), -EAGAIN);
    hob_mutex_unlock(&mutex);
}

struct holder {
    hob_mutex *mutex;
    hob_sem   *sem;
};

static int hold_for_a_while(void *arg)
{
    struct holder *holder = arg;
    HOB_LOCKED(holder->mutex);
    HOB_TRY(hob_sleep(HOB_MSEC));
    hob_sem_release(holder->sem);
    HOB_TRY(hob_sleep(HOB_MSEC));
    return 0;
}

TEST_ON_ALL(select, a_lock_is_waited_for_and_a_loser_takes_nothing)
{
    hob_sem       sem = { .name = "sem" };
    hob_mutex     mutex = { .name = "mutex" };
    struct holder holder = { &mutex, &sem };
    HOB_SCOPE(s);
    check_ok(hob_go(&s, hold_for_a_while, &holder));
    settle(); // it holds it
    check_eq(HOB_SELECT(NULL, HOB_MUTEX_LOCK(&mutex), HOB_SEM_ACQUIRE(&sem)), 1);
    hob_sem_release(&sem);
    check_ok(hob_sem_acquire(&sem)); // it was not taken twice
    check_eq(HOB_SELECT(NULL, HOB_MUTEX_LOCK(&mutex), HOB_SEM_ACQUIRE(&sem)), 0);
    hob_sem_release(&sem);
    check_ok(hob_sem_acquire(&sem));
    hob_mutex_unlock(&mutex);
    check_ok(hob_mutex_try_lock(&mutex)); // the task's own: its unlocking has counted
    hob_mutex_unlock(&mutex);
    check_ok(hob_scope_end(&s));
}

TEST_DIES(select, waiting_for_a_mutex_of_ones_own_is_a_mistake, "*holds this mutex already*")
{
    hob_mutex mutex = { .name = "mutex" };
    check_ok(hob_mutex_lock(&mutex));
    ignore(HOB_SELECT(NULL, HOB_MUTEX_LOCK(&mutex), HOB_AFTER(HOB_SEC)));
    hob_mutex_unlock(&mutex);
}

enum { CONTESTANTS = 3, ROUNDS = 100, PERMITS = 2 };

struct contest {
    hob_sem    sem;
    hob_mutex  mutex;
    hob_event  over;
    int        notes; /* under the mutex */
    atomic_int wins;
};

static int contend(void *arg)
{
    struct contest *c = arg;
    for (int i = 0; i < ROUNDS; i++) {
        int notes;
        switch (HOB_SELECT(NULL, HOB_SEM_ACQUIRE(&c->sem), HOB_MUTEX_LOCK(&c->mutex),
                           HOB_AFTER(i % 4 * 10 * HOB_USEC), HOB_EVENT_WAIT(&c->over))) {
        case 0:
            hob_yield();
            hob_sem_release(&c->sem);
            break;
        case 1:
            notes = c->notes;
            hob_yield();
            c->notes = notes + 1;
            atomic_fetch_add(&c->wins, 1);
            hob_mutex_unlock(&c->mutex);
            break;
        case 2:
            break;
        default:
            return hob_cancelled();
        }
    }
    return 0;
}

static int contest(void *arg)
{
    struct contest c = { .sem = { .name = "sem", .permits = PERMITS },
                         .mutex = { .name = "mutex" }, .over = { .name = "over" } };
    HOB_SCOPE(s);
    for (uint32_t i = 0; i < hob_workers() * CONTESTANTS; i++) {
        hob_task_opts opts = { .where = HOB_ON(i % hob_workers()) };
        HOB_TRY(hob_go_with(&s, contend, &c, &opts));
    }
    HOB_TRY(hob_scope_end(&s));
    check_eq(c.notes, atomic_load(&c.wins));
    check_ok(hob_mutex_try_lock(&c.mutex));
    hob_mutex_unlock(&c.mutex);
    int permits = 0;
    while (permits < 10 && HOB_SELECT_ORDERED(NULL, HOB_SEM_ACQUIRE(&c.sem), HOB_AFTER(0)) == 0)
        permits++;
    check_eq(permits, PERMITS);
    return 0;
}

static int contest_of(uint32_t workers)
{
    hob_run_opts opts;
    hob_test_run_opts(&opts);
    opts.workers = workers;
    return hob_run_with(&opts, contest, NULL);
}

TEST_BARE_ON_ALL(select, among_two_workers_nothing_is_lost_or_taken_twice)
{
    check_ok(contest_of(2));
}

TEST_BARE_ON_ALL(select, among_four_workers_nothing_is_lost_or_taken_twice)
{
    check_ok(contest_of(4));
}
