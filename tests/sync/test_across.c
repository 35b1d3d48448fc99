/* SPDX-License-Identifier: MIT */
/*
 * Channels, select and promises between workers: what holds on one worker holds across them.
 * The random walks have a model of atomics beside them: each value has a fate.
 */
#include "support/workers.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

/* ---- channels ---- */

static int send_1_to_100(void *arg)
{
    HOB_CHAN_SENDER(ch, arg);
    for (int i = 1; i <= 100; i++)
        HOB_TRY(hob_chan_send(ch, &i));
    return 0;
}

TEST_WITH_WORKERS(across, values_arrive_in_order_and_then_the_end, 3)
{
    for (size_t capacity = 0; capacity < 9; capacity += 4) {
        hob_chan *ch;
        HOB_TRY(hob_chan_new(sizeof(int), capacity, HOB_WAIT, NULL, &ch));
        HOB_SCOPE(s);
        HOB_TRY(go_on(&s, 1, send_1_to_100, hob_chan_sender_ref(ch)));
        int value;
        for (int i = 1; i <= 100; i++) {
            check_ok(hob_chan_recv(ch, &value));
            check_eq(value, i);
        }
        check_err(hob_chan_recv(ch, &value), HOB_EOF);
        check_ok(hob_scope_end(&s));
        hob_chan_free(ch);
    }
    return 0;
}

static int receive_until_the_end(void *arg)
{
    HOB_CHAN_RECEIVER(ch, arg);
    int value, r;
    while ((r = hob_chan_recv(ch, &value)) == 0)
        ;
    return r == HOB_EOF ? 0 : r;
}

static int receive_one(void *arg)
{
    HOB_CHAN_RECEIVER(ch, arg);
    int value;
    return hob_chan_recv(ch, &value);
}

TEST_WITH_WORKERS(across, the_last_receiver_elsewhere_ends_the_senders, 3)
{
    hob_chan *ch;
    HOB_TRY(hob_chan_new(sizeof(int), 0, HOB_WAIT, NULL, &ch));
    HOB_SCOPE(s);
    for (uint32_t i = 1; i <= 4; i++)
        HOB_TRY(go_on(&s, i, receive_one, hob_chan_receiver_ref(ch)));
    int sent = 0, r;
    while ((r = hob_chan_send(ch, &sent)) == 0)
        sent++;
    check_err(r, -EPIPE);
    check_eq(sent, 4);
    check_ok(hob_scope_end(&s));
    hob_chan_free(ch);
    return 0;
}

static int finish_it(void *arg)
{
    hob_chan_finish(arg);
    return 0;
}

TEST_WITH_WORKERS(across, a_channel_made_and_freed_elsewhere_is_as_good, 4)
{
    hob_chan *ch;
    HOB_TRY(hob_chan_new(sizeof(int), 2, HOB_WAIT, NULL, &ch));
    HOB_SCOPE(s);
    for (uint32_t i = 0; i < 8; i++)
        HOB_TRY(go_on(&s, i, receive_until_the_end, hob_chan_receiver_ref(ch)));
    for (int i = 0; i < 100; i++)
        check_ok(hob_chan_send(ch, &i));
    HOB_TRY(hob_on(2, finish_it, ch));
    check_ok(hob_scope_end(&s));
    hob_chan_stats stats;
    hob_chan_stats_get(ch, &stats);
    check_eq(stats.sent, 100);
    check_eq(stats.received, 100);
    hob_chan_free(ch);
    return 0;
}

static int receive_for_ever(void *arg)
{
    return hob_chan_recv(arg, &(int){ 0 });
}

static int all_receive(void *arg)
{
    hob_chan *ch;
    HOB_TRY(hob_chan_new(sizeof(int), 2, HOB_WAIT, &(hob_chan_opts){ .name = "nobody sends" }, &ch));
    HOB_SCOPE(s);
    HOB_TRY(go_on(&s, 0, receive_for_ever, ch));
    HOB_TRY(go_on(&s, 1, receive_for_ever, ch));
    int r = hob_scope_end(&s);
    hob_chan_free(ch);
    return r;
}

TEST_BARE_ON_ALL(across, receivers_that_wait_for_ever_on_all_workers_are_found)
{
    check_err(run_with_workers(2, all_receive, NULL), HOB_ESTUCK);
    check_has(hob_test_report_text(), "nobody sends");
}

/* ---- a random walk through a channel ---- */

enum { SENDERS = 6, RECEIVERS = 6, VALUES_MAX = 200000 };

enum fate { NEVER = 0, SENT = 1, ARRIVED = 2 };

struct walk {
    hob_chan      *ch;
    int            values_each;
    atomic_uchar   fate[VALUES_MAX];
    atomic_int     wrong, arrived, senders_left;
};

static void arrive(struct walk *walk, int value)
{
    if (atomic_fetch_add(&walk->fate[value], ARRIVED) >= ARRIVED)
        atomic_fetch_add(&walk->wrong, 1);
    atomic_fetch_add(&walk->arrived, 1);
}

static void value_dropped(void *arg, void *value)
{
    arrive(arg, *(int *)value);
}

struct walker {
    struct walk *walk;
    int          number;
};

struct one {
    struct walk *walk;
    int          value;
    int          result;
};

static int send_one(void *arg)
{
    struct one *one = arg;
    one->result = hob_chan_send(one->walk->ch, &one->value);
    return 0;
}

static int recv_one(void *arg)
{
    struct one *one = arg;
    one->result = hob_chan_recv(one->walk->ch, &one->value);
    return 0;
}

/* Does it: one time in eight in a child, which is cancelled while it may wait. */
static int step(hob_task_fn *fn, struct one *one)
{
    uint64_t dice = hob_random();
    if (dice % 8 != 0)
        return fn(one);
    HOB_SCOPE(s);
    HOB_TRY(hob_go(&s, fn, one));
    if (dice / 8 % 2 == 0)
        hob_yield();
    hob_scope_cancel(&s, "the dice say so");
    ignore(hob_scope_end(&s));
    return 0;
}

static int send_at_random(void *arg)
{
    struct walker *walker = arg;
    struct walk   *walk = walker->walk;
    for (int i = 0; i < walk->values_each; i++) {
        struct one one = { walk, walker->number * walk->values_each + i, 0 };
        HOB_TRY(step(send_one, &one));
        if (one.result == 0)
            atomic_fetch_add(&walk->fate[one.value], SENT);
        if (hob_random() % 16 == 0)
            hob_yield();
    }
    if (atomic_fetch_sub(&walk->senders_left, 1) == 1)
        hob_chan_finish(walk->ch);
    return 0;
}

static int receive_at_random(void *arg)
{
    struct walker *walker = arg;
    struct walk   *walk = walker->walk;
    int            last[SENDERS];
    memset(last, -1, sizeof last);
    for (;;) {
        struct one one = { walk, -1, 0 };
        HOB_TRY(step(recv_one, &one));
        if (one.result == HOB_EOF)
            return 0;
        if (one.result == 0) {
            arrive(walk, one.value);
            int *before = &last[one.value / walk->values_each];
            if (*before >= one.value)
                atomic_fetch_add(&walk->wrong, 1);
            *before = one.value;
        } else if (one.value != -1) {
            atomic_fetch_add(&walk->wrong, 1); // a receive that failed took nothing
        }
        if (hob_random() % 16 == 0)
            hob_yield();
    }
}

static int walk_all(void *arg)
{
    struct walk *walk = arg;
    HOB_SCOPE(s);
    for (int i = 0; i < SENDERS + RECEIVERS; i++) {
        struct walker walker = { walk, i / 2 };
        HOB_TRY(hob_go_with(&s, i % 2 == 0 ? send_at_random : receive_at_random, &walker,
                            &(hob_task_opts){ .where = HOB_ON((uint32_t)(i / 2) % hob_workers()),
                                              .copy_bytes = sizeof walker }));
    }
    return hob_scope_end(&s);
}

struct world {
    size_t       capacity;
    hob_overflow overflow;
    struct walk *walk;
};

static int walk_in(void *arg)
{
    struct world *world = arg;
    HOB_TRY(hob_chan_new(sizeof(int), world->capacity, world->overflow,
                         &(hob_chan_opts){ .drop = value_dropped, .drop_arg = world->walk },
                         &world->walk->ch));
    int r = walk_all(world->walk);
    hob_chan_free(world->walk->ch);
    return r;
}

static int values_each(int shortly, int usually, int deeply)
{
    return all_is_slow() ? shortly : hob_test_is_deep() ? deeply : usually;
}

TEST_AS(across, random_walks_through_a_channel_lose_double_and_reorder_nothing,
        HOB_TEST_NO_RUNTIME | HOB_TEST_EACH_BACKEND | HOB_TEST_ONE_SEED, NULL)
{
    static const struct world worlds[] = {
        { 0, HOB_WAIT, NULL },        { 3, HOB_WAIT, NULL },        { 0, HOB_FAIL, NULL },
        { 2, HOB_DROP_OLDEST, NULL }, { 1, HOB_DROP_NEWEST, NULL }, { 64, HOB_WAIT, NULL },
    };
    struct walk *walk = malloc(sizeof *walk);
    check(walk != NULL);
    HOB_DEFER(free, walk);
    for (size_t i = 0; i < sizeof worlds / sizeof *worlds; i++) {
        struct world world = worlds[i];
        memset(walk, 0, sizeof *walk);
        walk->values_each = values_each(40, 400, VALUES_MAX / SENDERS);
        walk->senders_left = SENDERS;
        world.walk = walk;
        check_ok(run_with_workers(i % 2 == 0 ? 4 : 2, walk_in, &world));
        int sent = 0;
        for (int v = 0; v < SENDERS * walk->values_each; v++) {
            int fate = walk->fate[v];
            check(fate == NEVER || fate == (SENT | ARRIVED));
            sent += fate != NEVER;
        }
        check_eq(walk->wrong, 0);
        check_eq(walk->arrived, sent);
        check_gt(sent, 0);
    }
}

/* ---- a crowd that selects ----
 *
 * Among channels in both directions, permits, a mutex, a promise and a signal, on all workers,
 * with cancellations. What was sent is received once, by the case that was taken and no other; the
 * permits are all there at the end.
 */

enum { CHANNELS = 4, CROWD = 16, STEPS_MAX = 20000, PERMITS = 3 };

struct crowd {
    hob_chan    *chans[CHANNELS];
    hob_sem      sem;
    hob_mutex    mutex;
    hob_promise *promise;
    int          steps;
    atomic_int   next_value, sent, received, wrong, in_mutex;
    atomic_uchar fate[CROWD * STEPS_MAX + 1];
};

struct pick {
    struct crowd *crowd;
    hob_case      cases[CHANNELS + 4];
    int           values[CHANNELS];
    int           count;
    int           mine;
};

static void draw_cases(struct pick *pick)
{
    struct crowd *crowd = pick->crowd;
    uint64_t      dice = hob_random();
    pick->count = 0;
    pick->mine = atomic_fetch_add(&crowd->next_value, 1) + 1;
    for (int i = 0; i < CHANNELS; i++, dice /= 2) {
        pick->values[i] = pick->mine;
        pick->cases[pick->count++] = dice % 2 == 0
                                         ? (hob_case)HOB_SEND(crowd->chans[i], &pick->values[i])
                                         : (hob_case)HOB_RECV(crowd->chans[i], &pick->values[i]);
    }
    pick->cases[pick->count++] = dice % 8 == 0 ? (hob_case)HOB_SEM_ACQUIRE(&crowd->sem)
                                               : (hob_case)HOB_NEVER;
    pick->cases[pick->count++] = dice / 8 % 8 == 0 ? (hob_case)HOB_MUTEX_LOCK(&crowd->mutex)
                                                   : (hob_case)HOB_NEVER;
    pick->cases[pick->count++] = (hob_case)HOB_SETTLED(crowd->promise);
    pick->cases[pick->count++] = (hob_case)HOB_AFTER((int64_t)(dice / 64 % 50000) + 1);
}

static void judge(struct pick *pick, int taken)
{
    struct crowd *crowd = pick->crowd;
    for (int i = 0; i < CHANNELS; i++) {
        if (pick->values[i] == pick->mine)
            continue;
        if (i != taken || atomic_fetch_add(&crowd->fate[pick->values[i]], ARRIVED) >= ARRIVED)
            atomic_fetch_add(&crowd->wrong, 1);
        atomic_fetch_add(&crowd->received, 1);
    }
    if (taken >= 0 && taken < CHANNELS && pick->values[taken] == pick->mine) {
        atomic_fetch_add(&crowd->fate[pick->mine], SENT);
        atomic_fetch_add(&crowd->sent, 1);
    } else if (taken == CHANNELS) {
        hob_sem_release(&crowd->sem);
    } else if (taken == CHANNELS + 1) {
        if (atomic_fetch_add(&crowd->in_mutex, 1) != 0)
            atomic_fetch_add(&crowd->wrong, 1);
        atomic_fetch_sub(&crowd->in_mutex, 1);
        hob_mutex_unlock(&crowd->mutex);
    }
}

static int pick_one(void *arg)
{
    struct pick *pick = arg;
    draw_cases(pick);
    int taken = hob_select(pick->cases, (size_t)pick->count, 0, NULL);
    judge(pick, taken);
    return 0;
}

static int select_at_random(void *arg)
{
    struct crowd *crowd = arg;
    for (int i = 0; i < crowd->steps; i++) {
        struct pick pick = { .crowd = crowd };
        if (hob_random() % 8 != 0) {
            HOB_TRY(pick_one(&pick));
            continue;
        }
        HOB_SCOPE(s);
        HOB_TRY(hob_go(&s, pick_one, &pick));
        hob_yield();
        hob_scope_cancel(&s, "the dice say so");
        ignore(hob_scope_end(&s));
    }
    return 0;
}

static int meet(void *arg)
{
    struct crowd *crowd = arg;
    for (int i = 0; i < CHANNELS; i++) // with and without room
        HOB_TRY(hob_chan_new(sizeof(int), i == 3 ? 2 : 0, HOB_WAIT, NULL, &crowd->chans[i]));
    HOB_TRY(hob_promise_new(&crowd->promise));
    HOB_SCOPE(s);
    for (uint32_t i = 0; i < CROWD; i++)
        HOB_TRY(go_on(&s, i, select_at_random, crowd));
    int r = hob_scope_end(&s);
    for (int left; hob_chan_try_recv(crowd->chans[3], &left) == 0; crowd->received++)
        crowd->fate[left] += ARRIVED;
    for (int i = 0; i < CHANNELS; i++)
        hob_chan_free(crowd->chans[i]);
    hob_promise_free(crowd->promise);
    return r;
}

TEST_AS(across, a_crowd_that_selects_takes_exactly_one_each_time,
        HOB_TEST_NO_RUNTIME | HOB_TEST_EACH_BACKEND | HOB_TEST_ONE_SEED, NULL)
{
    struct crowd *crowd = malloc(sizeof *crowd);
    check(crowd != NULL);
    HOB_DEFER(free, crowd);
    for (uint32_t workers = 1; workers <= 4; workers *= 2) {
        memset(crowd, 0, sizeof *crowd);
        crowd->steps = values_each(30, 400, STEPS_MAX);
        crowd->sem = (hob_sem){ .name = "permits", .permits = PERMITS };
        check_ok(run_with_workers(workers, meet, crowd));
        check_eq(crowd->wrong, 0);
        check_eq(crowd->sent, crowd->received);
        check_gt(crowd->sent, 0);
        for (int i = 1; i <= crowd->next_value; i++)
            check(crowd->fate[i] == NEVER || crowd->fate[i] == (SENT | ARRIVED));
        check_eq(crowd->sem.permits, PERMITS);
    }
}

/* ---- select of workers that meet ---- */

struct duel {
    hob_chan  *a, *b;
    atomic_int met, wrong;
    int        rounds;
};

/* Each offers its number on both channels, and takes the other's from either. */
static int duel(void *arg)
{
    struct duel *duel = arg;
    int          me = (int)hob_worker_number();
    for (int i = 0; i < duel->rounds; i++) {
        int from_a = me, from_b = me, offer_a = me, offer_b = me, r = 1;
        int taken = HOB_SELECT(&r, HOB_SEND(duel->a, &offer_a), HOB_RECV(duel->b, &from_b),
                               HOB_SEND(duel->b, &offer_b), HOB_RECV(duel->a, &from_a));
        if (taken < 0)
            return taken;
        bool got = from_a != me || from_b != me;
        if (r != 0 || got != (taken == 1 || taken == 3) || (from_a != me && from_b != me))
            atomic_fetch_add(&duel->wrong, 1);
        atomic_fetch_add(&duel->met, got);
    }
    return 0;
}

TEST_WITH_WORKERS(across, two_selects_meet_in_one_channel_and_no_other, 2)
{
    struct duel d = { .rounds = values_each(200, 2000, 200000) };
    HOB_TRY(hob_chan_new(sizeof(int), 0, HOB_WAIT, NULL, &d.a));
    HOB_TRY(hob_chan_new(sizeof(int), 0, HOB_WAIT, NULL, &d.b));
    HOB_SCOPE(s);
    HOB_TRY(go_on(&s, 0, duel, &d));
    HOB_TRY(go_on(&s, 1, duel, &d));
    check_ok(hob_scope_end(&s));
    check_eq(d.wrong, 0);
    check_eq(d.met, d.rounds);
    hob_chan_free(d.a);
    hob_chan_free(d.b);
    return 0;
}

static void count_signal(int *count, int taken, int r)
{
    *count += taken == 1 && r == SIGUSR1;
}

static int send_values(void *arg)
{
    for (int i = 0; i < 300; i++)
        HOB_TRY(hob_chan_send(arg, &i));
    return 0;
}

TEST_WITH_WORKERS(across, a_signal_that_loses_to_another_worker_comes_again, 2)
{
    hob_chan    *ch;
    hob_signals *signals;
    int          values = 0, got = 0;
    bool         in_sim = strcmp(hob_test_backend(), "sim") == 0;
    HOB_TRY(hob_chan_new(sizeof(int), 0, HOB_WAIT, NULL, &ch));
    HOB_TRY(hob_signals_open((const int[]){ SIGUSR1, 0 }, &signals));
    HOB_SCOPE(s);
    HOB_TRY(go_on(&s, 1, send_values, ch));
    for (int raised = 0; values < 300 || got < raised;) {
        if (got == raised && values < 300) {
            raised++;
            check_ok(in_sim ? hob_sim_raise(SIGUSR1) : raise(SIGUSR1));
        }
        int value, r = 0;
        int taken = HOB_SELECT(&r, HOB_RECV(ch, &value), HOB_SIGNALLED(signals));
        check_ge(taken, 0);
        values += taken == 0;
        count_signal(&got, taken, r);
    }
    check_ok(hob_scope_end(&s));
    check_eq(values, 300);
    hob_signals_close(signals);
    hob_chan_free(ch);
    return 0;
}

/* ---- promises ---- */

static int resolve_it(void *arg)
{
    return hob_promise_resolve(arg, (void *)42);
}

static int await_42(void *arg)
{
    void *value;
    HOB_TRY(hob_promise_await(arg, &value));
    return value == (void *)42 ? 0 : -EBADMSG;
}

TEST_WITH_WORKERS(across, a_promise_settled_on_one_worker_is_told_on_all, 4)
{
    for (int i = 0; i < 20; i++) {
        hob_promise *promise;
        HOB_TRY(hob_promise_new(&promise));
        HOB_SCOPE(s);
        for (uint32_t w = 0; w < 8; w++)
            HOB_TRY(go_on(&s, w, await_42, promise));
        HOB_TRY(hob_on(3, resolve_it, promise));
        check_ok(hob_scope_end(&s));
        hob_promise_free(promise);
    }
    return 0;
}

static int settle_first(void *arg)
{
    int r = hob_promise_resolve(arg, NULL);
    return r == -EALREADY ? 0 : r == 0 ? 1 : r;
}

TEST_WITH_WORKERS(across, of_two_who_settle_at_once_one_is_the_first, 2)
{
    for (int i = 0; i < 200; i++) {
        hob_promise *promise;
        HOB_TRY(hob_promise_new(&promise));
        HOB_SCOPE(s);
        hob_future *a = hob_async_with(&s, settle_first, promise,
                                       &(hob_task_opts){ .where = HOB_ON(0) });
        hob_future *b = hob_async_with(&s, settle_first, promise,
                                       &(hob_task_opts){ .where = HOB_ON(1) });
        check_eq(hob_await(a) + hob_await(b), 1);
        check_ok(hob_scope_end(&s));
        hob_promise_free(promise);
    }
    return 0;
}

struct asked {
    hob_promise *promise;
    uint32_t     where;
    int          times;
};

static void on_cancel(void *arg)
{
    struct asked *asked = arg;
    asked->where = hob_worker_number();
    asked->times++;
    hob_promise_reject(asked->promise, -ECANCELED);
}

static int cancel_it(void *arg)
{
    hob_promise_cancel(arg);
    hob_promise_cancel(arg);
    return 0;
}

TEST_WITH_WORKERS(across, a_cancel_from_elsewhere_is_asked_at_home_once, 2)
{
    struct asked asked = { NULL, 99, 0 };
    HOB_TRY(hob_promise_new(&asked.promise));
    hob_promise_on_cancel(asked.promise, on_cancel, &asked);
    HOB_TRY(hob_on(1, cancel_it, asked.promise));
    check_err(hob_promise_await(asked.promise, NULL), -ECANCELED);
    check_eq(asked.where, 0);
    check_eq(asked.times, 1);
    hob_promise_free(asked.promise);
    return 0;
}

TEST_WITH_WORKERS(across, a_promise_may_be_freed_while_its_cancel_is_under_way, 2)
{
    for (int i = 0; i < 50; i++) {
        hob_promise *promise;
        HOB_TRY(hob_promise_new(&promise));
        hob_promise_on_cancel(promise, on_cancel, NULL); // must not be called: see below
        HOB_SCOPE(s);
        HOB_TRY(go_on(&s, 1, cancel_it, promise));
        hob_promise_on_cancel(promise, NULL, NULL);
        ignore(hob_promise_resolve(promise, NULL));
        check_ok(hob_scope_end(&s));
        hob_promise_free(promise);
    }
    return 0;
}

static int await_all_here(void *arg)
{
    return hob_promise_await_many(HOB_ALL, arg, 3);
}

TEST_WITH_WORKERS(across, many_promises_of_several_workers_are_awaited_elsewhere, 3)
{
    hob_promise *promises[3];
    for (int i = 0; i < 3; i++)
        HOB_TRY(hob_promise_new(&promises[i]));
    HOB_SCOPE(s);
    hob_future *all = hob_async_with(&s, await_all_here, promises,
                                     &(hob_task_opts){ .where = HOB_ON(2) });
    for (uint32_t i = 0; i < 3; i++)
        HOB_TRY(hob_on(i, resolve_it, promises[i]));
    check_ok(hob_await(all));
    check_ok(hob_scope_end(&s));
    for (int i = 0; i < 3; i++)
        hob_promise_free(promises[i]);
    return 0;
}

/* ---- promises that threads settle ---- */

static void *settle_in_a_thread(void *promise)
{
    hob_promise_resolve(promise, (void *)42);
    return NULL;
}

TEST_ON_ALL(across, a_thread_settles_a_promise_that_a_task_awaits)
{
    for (int i = 0; i < 50; i++) {
        hob_promise *promise;
        pthread_t    thread;
        void        *value = NULL;
        check_ok(hob_promise_new(&promise));
        hob_promise_from_outside(promise);
        check_ok(pthread_create(&thread, NULL, settle_in_a_thread, promise));
        check_ok(hob_promise_await(promise, &value));
        check_eq((intptr_t)value, 42);
        hob_promise_free(promise); // the thread is done with it, though it may still be there
        pthread_join(thread, NULL);
    }
}

TEST_ON_ALL(across, a_wait_for_a_thread_can_be_cancelled)
{
    hob_promise *promise;
    check_ok(hob_promise_new(&promise));
    hob_promise_from_outside(promise);
    {
        HOB_SCOPE(s);
        check_ok(hob_go(&s, await_42, promise));
        hob_scope_cancel(&s, "enough");
        check_err(hob_scope_end(&s), -ECANCELED);
    }
    pthread_t thread;
    check_ok(pthread_create(&thread, NULL, settle_in_a_thread, promise));
    check_ok(await_42(promise));
    pthread_join(thread, NULL);
    hob_promise_free(promise);
}

static void *settle_what_it_must_not(void *promise)
{
    hob_promise_resolve(promise, NULL);
    return NULL;
}

TEST_DIES(across, a_thread_may_not_settle_a_promise_that_does_not_expect_it,
          "hob_promise_from_outside")
{
    hob_promise *promise;
    pthread_t    thread;
    check_ok(hob_promise_new(&promise));
    check_ok(pthread_create(&thread, NULL, settle_what_it_must_not, promise));
    pthread_join(thread, NULL);
}

/* ---- latest values and broadcasts ---- */

static int follow(void *arg)
{
    uint64_t seen = 0;
    long     value = 0, before = -1;
    int      r;
    while ((r = hob_latest_next(arg, &seen, &value)) == 0) {
        check_gt(value, before);
        before = value;
    }
    check_eq(value, 999);
    return r == HOB_EOF ? 0 : r;
}

TEST_WITH_WORKERS(across, followers_on_all_workers_see_the_last_value, 3)
{
    hob_latest *latest;
    HOB_TRY(hob_latest_new(sizeof(long), &(long){ 0 }, "latest", &latest));
    HOB_SCOPE(s);
    for (uint32_t i = 0; i < 6; i++)
        HOB_TRY(go_on(&s, i, follow, latest));
    for (long i = 1; i <= 999; i++) {
        hob_latest_set(latest, &i);
        if (i % 50 == 0)
            hob_yield();
    }
    hob_latest_finish(latest);
    check_ok(hob_scope_end(&s));
    hob_latest_free(latest);
    return 0;
}

struct audience {
    hob_broadcast *news;
    atomic_int     here;
};

static int listen_to_all(void *arg)
{
    struct audience *audience = arg;
    hob_subscriber   me;
    uint64_t         lost, count = 0;
    int              value, r;
    hob_subscribe(audience->news, &me);
    atomic_fetch_add(&audience->here, 1);
    while ((r = hob_subscriber_recv(&me, &value, &lost)) == 0) {
        count += lost;
        check_eq(value, count);
        count++;
    }
    check_eq(count, 1000);
    return r == HOB_EOF ? 0 : r;
}

TEST_WITH_WORKERS(across, subscribers_on_all_workers_get_or_count_each_value, 3)
{
    struct audience audience = { 0 };
    HOB_TRY(hob_broadcast_new(sizeof(int), 16, NULL, &audience.news));
    HOB_SCOPE(s);
    for (uint32_t i = 0; i < 6; i++)
        HOB_TRY(go_on(&s, i, listen_to_all, &audience));
    while (audience.here < 6)
        hob_yield();
    for (int i = 0; i < 1000; i++) {
        check_ok(hob_broadcast_send(audience.news, &i));
        if (i % 20 == 0)
            hob_yield();
    }
    hob_broadcast_finish(audience.news);
    check_ok(hob_scope_end(&s));
    hob_broadcast_free(audience.news);
    return 0;
}

/* ---- what ends while its news is under way ----
 *
 * A task on the other worker is told something by mail, and that worker computes: it does not read
 * the mail before the object is freed here, and its task is cancelled there.
 */

enum { LATE_CHAN, LATE_SELECT, LATE_PROMISE, LATE_LATEST, LATE_BROADCAST, LATE_SEM, LATE_KINDS };

struct late {
    int            kind;
    hob_chan      *a, *b;
    hob_promise   *promise;
    hob_latest    *latest;
    hob_broadcast *news;
    hob_sem       *sem;
    bool           cancel;
    atomic_bool    waits, gone;
    int            result;
};

static int wait_for_end(struct late *late)
{
    hob_subscriber me;
    int            value, r = 0;
    uint64_t       seen = 0;
    switch (late->kind) {
    case LATE_CHAN:
        return hob_chan_recv(late->a, &value);
    case LATE_SELECT:
        value = HOB_SELECT(&r, HOB_RECV(late->a, &value), HOB_RECV(late->b, &value));
        return value < 0 ? value : r;
    case LATE_PROMISE:
        return hob_promise_await(late->promise, NULL);
    case LATE_LATEST:
        return hob_latest_next(late->latest, &seen, &value);
    case LATE_BROADCAST:
        hob_subscribe(late->news, &me);
        return hob_subscriber_recv(&me, &value, NULL);
    default:
        return hob_sem_acquire(late->sem);
    }
}

static int wait_for_it(void *arg)
{
    struct late *late = arg;
    late->result = wait_for_end(late);
    return 0;
}

static int compute_meanwhile(void *arg)
{
    struct late *late = arg;
    HOB_SCOPE(s);
    HOB_TRY(hob_go(&s, wait_for_it, late));
    late->waits = true;
    while (!late->gone)
        ;
    if (late->cancel)
        hob_scope_cancel(&s, "no longer wanted");
    ignore(hob_scope_end(&s));
    return 0;
}

static void end_it(struct late *late)
{
    hob_chan_finish(late->a);
    hob_chan_finish(late->b);
    hob_promise_reject(late->promise, HOB_EOF);
    hob_latest_finish(late->latest);
    hob_broadcast_finish(late->news);
    hob_sem_release(late->sem);
    hob_chan_free(late->a);
    hob_chan_free(late->b);
    hob_promise_free(late->promise);
    hob_latest_free(late->latest);
    hob_broadcast_free(late->news);
    memset(late->sem, 0xEE, sizeof *late->sem);
    free(late->sem);
}

static int be_late(void *arg)
{
    struct late *late = arg;
    HOB_TRY(hob_chan_new(sizeof(int), 4, HOB_WAIT, NULL, &late->a));
    HOB_TRY(hob_chan_new(sizeof(int), 4, HOB_WAIT, NULL, &late->b));
    HOB_TRY(hob_promise_new(&late->promise));
    HOB_TRY(hob_latest_new(sizeof(int), NULL, NULL, &late->latest));
    HOB_TRY(hob_broadcast_new(sizeof(int), 2, NULL, &late->news));
    late->sem = calloc(1, sizeof *late->sem);
    HOB_SCOPE(s);
    HOB_TRY(go_on(&s, 1, compute_meanwhile, late));
    while (!late->waits)
        hob_yield();
    end_it(late);
    late->gone = true;
    return hob_scope_end(&s);
}

TEST_BARE_ON_ALL(across, who_was_told_may_be_cancelled_after_the_object_is_gone)
{
    if (strcmp(hob_test_backend(), "sim") == 0)
        skip("sim: the workers take turns in one thread, so none computes meanwhile");
    for (int kind = 0; kind < LATE_KINDS; kind++) {
        for (int cancel = 0; cancel < 2; cancel++) {
            struct late late = { .kind = kind, .cancel = cancel };
            check_ok(run_with_workers(2, be_late, &late));
            check_eq(late.result, kind == LATE_SEM ? 0 : HOB_EOF); // the result wins
        }
    }
}

static int note_own_id(void *id)
{
    atomic_store((atomic_ullong *)id, hob_task_id());
    return 0;
}

TEST_WITH_WORKERS(across, no_two_tasks_have_the_same_number, 3)
{
    enum { TASKS = 9 };
    atomic_ullong ids[TASKS] = { 0 };
    HOB_SCOPE(s);
    for (uint32_t i = 0; i < TASKS; i++)
        HOB_TRY(go_on(&s, i, note_own_id, &ids[i]));
    check_ok(hob_scope_end(&s));
    for (int i = 0; i < TASKS; i++) {
        check_gt(ids[i], 1);
        for (int j = 0; j < i; j++)
            check_ne(ids[i], ids[j]);
    }
    return 0;
}

/* ---- promises that one worker makes, and others await, cancel and free ---- */

enum { SET = 3 };

struct set {
    hob_promise *promises[SET];
    hob_op       ops[SET];
    hob_chan    *back;
};

/* Settles them by operations of its own, for each set that comes. */
static int make_sets(void *arg)
{
    hob_chan   *work = arg;
    struct set *set;
    int         r;
    HOB_SCOPE(s);
    while ((r = hob_chan_recv(work, &set)) == 0) {
        for (int i = 0; i < SET; i++) {
            HOB_TRY(hob_promise_new(&set->promises[i]));
            hob_sleep_prep(&set->ops[i], hob_in((int64_t)(hob_random() % 300) * HOB_USEC));
            hob_op_settle(&s, &set->ops[i], set->promises[i]);
        }
        HOB_TRY(hob_chan_send(set->back, &set));
    }
    return r == HOB_EOF ? 0 : r;
}

static int wait_a_while(struct set *set)
{
    HOB_SCOPE(s);
    if (hob_random() % 2 == 0)
        hob_scope_deadline(&s, hob_in((int64_t)(hob_random() % 300) * HOB_USEC));
    ignore(hob_promise_await_many((hob_promise_how)(hob_random() % 4), set->promises, SET));
    ignore(hob_scope_end(&s));
    return 0;
}

static int use_sets(void *arg)
{
    hob_chan *work = arg, *back;
    HOB_TRY(hob_chan_new(sizeof(void *), 1, HOB_WAIT, NULL, &back));
    for (int i = 0; i < values_each(20, 60, 1000); i++) {
        struct set set = { .back = back }, *place = &set;
        HOB_TRY(hob_chan_send(work, &place));
        HOB_TRY(hob_chan_recv(back, &place));
        HOB_TRY(wait_a_while(&set));
        for (int k = 0; k < SET; k++) {
            hob_promise_cancel(set.promises[k]);
            ignore(hob_promise_await(set.promises[k], NULL));
            hob_promise_free(set.promises[k]);
        }
    }
    hob_chan_free(back);
    return 0;
}

TEST_WITH_WORKERS(across, promises_are_made_here_and_awaited_cancelled_and_freed_there, 3)
{
    hob_chan *work;
    HOB_TRY(hob_chan_new(sizeof(void *), 0, HOB_WAIT, NULL, &work));
    HOB_SCOPE(makers);
    HOB_TRY(go_on(&makers, 1, make_sets, work));
    {
        HOB_SCOPE(users);
        for (uint32_t i = 0; i < 4; i++)
            HOB_TRY(go_on(&users, i % 2 * 2, use_sets, work));
        check_ok(hob_scope_end(&users));
    }
    hob_chan_finish(work);
    check_ok(hob_scope_end(&makers));
    hob_chan_free(work);
    return 0;
}
