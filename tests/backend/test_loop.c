/* SPDX-License-Identifier: MIT */
/* The turn of the loop: clocks, deadlines, waking, counting. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/lack.h"
#include "world.h"
#ifdef HOB_HAVE_URING
#include "backend/uring.h"
#endif

static int64_t monotonic_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static void nothing(struct world *w)
{
    check(w->b->type->name != NULL);
}

static void deadlines(struct world *w)
{
    static const int64_t WAITS_NS[] = { 1, 1000, 50000, 999999, 1000001, 20000000 };
    struct list          done;
    list_init(&done);
    for (int i = 0; i < 6; i++) {
        int64_t deadline = w->b->type->now(w->b) + WAITS_NS[i];
        while (w->b->type->now(w->b) < deadline)
            w->b->type->poll(w->b, deadline, &done);
        check(w->b->type->now(w->b) < deadline + 2000000000);
        check(list_is_empty(&done));
    }
    w->b->type->poll(w->b, 1, &done); // long past
    int64_t before = monotonic_now();
    for (int i = 0; i < 100; i++)
        w->b->type->poll(w->b, 0, &done);
    check(monotonic_now() - before < 2000000000);
    check(list_is_empty(&done));
}

static void clocks(struct world *w)
{
    int64_t last = w->b->type->now(w->b);
    check(last >= 0);
    for (int i = 0; i < 1000; i++) {
        int64_t now = w->b->type->now(w->b);
        check(now >= last);
        last = now;
    }
    check(w->b->type->wall_now(w->b) > 0);
    uint64_t a = w->b->type->random(w->b), b = w->b->type->random(w->b);
    uint64_t c = w->b->type->random(w->b);
    check(a != b || b != c);
}

static void early_wake(struct world *w)
{
    struct list done;
    list_init(&done);
    for (int i = 0; i < 100; i++) {
        w->b->type->wake(w->b);
        if (i % 2)
            w->b->type->wake(w->b);
        w->b->type->poll(w->b, INT64_MAX, &done);
        check(list_is_empty(&done));
    }
}

struct waker {
    struct world *w;
    uint64_t      asked; /* atomic */
    uint64_t      rounds;
    pthread_t     loop;
};

/* Waits until the loop saw each wake: one that is lost hangs here. */
static void *wake_often(void *arg)
{
    struct waker *waker = arg;
    for (uint64_t i = 1; i <= waker->rounds; i++) {
        __atomic_store_n(&waker->asked, i, __ATOMIC_RELEASE);
        waker->w->b->type->wake(waker->w->b);
        while (__atomic_load_n(&waker->asked, __ATOMIC_ACQUIRE) != 0)
            if (i % 64 == 0)
                sched_yield();
    }
    return NULL;
}

static void wakes_from_a_thread(struct world *w)
{
    struct waker waker = { .w = w, .rounds = wakes_wanted };
    pthread_t    thread;
    struct list  done;
    uint64_t     seen = 0;

    list_init(&done);
    check_eq(pthread_create(&thread, NULL, wake_often, &waker), 0);
    while (seen < waker.rounds) {
        w->b->type->poll(w->b, INT64_MAX, &done);
        uint64_t asked = __atomic_exchange_n(&waker.asked, 0, __ATOMIC_ACQ_REL);
        if (asked != 0)
            seen = asked;
    }
    pthread_join(thread, NULL);
}

static struct world *world_of_handler;

static void on_signal(int signal)
{
    (void)signal;
    world_of_handler->b->type->wake(world_of_handler->b);
}

static void *send_signals(void *arg)
{
    struct waker *waker = arg;
    for (uint64_t i = 1; i <= waker->rounds; i++) {
        __atomic_store_n(&waker->asked, i, __ATOMIC_RELEASE);
        pthread_kill(waker->loop, SIGUSR1);
        while (__atomic_load_n(&waker->asked, __ATOMIC_ACQUIRE) != 0)
            if (i % 64 == 0)
                sched_yield();
    }
    return NULL;
}

static void wakes_from_a_signal(struct world *w)
{
    struct waker     waker = { .w = w, .rounds = wakes_wanted / 4, .loop = pthread_self() };
    struct sigaction action = { .sa_handler = on_signal };
    pthread_t        thread;
    struct list      done;
    uint64_t         seen = 0;

#ifdef __SANITIZE_THREAD__
    if (strcmp(w->b->type->name, "uring") == 0)
        skip("ThreadSanitizer keeps a signal back until a call that it knows; io_uring_enter is none");
#endif
    list_init(&done);
    world_of_handler = w;
    sigaction(SIGUSR1, &action, NULL);
    // ThreadSanitizer makes its record of a thread's signals at the first of them, or at the first
    // call that waits; one that comes between is lost. So the first is this thread's own.
    raise(SIGUSR1);
    check_eq(pthread_create(&thread, NULL, send_signals, &waker), 0);
    while (seen < waker.rounds) {
        w->b->type->poll(w->b, INT64_MAX, &done);
        uint64_t asked = __atomic_exchange_n(&waker.asked, 0, __ATOMIC_ACQ_REL);
        if (asked != 0)
            seen = asked;
    }
    pthread_join(thread, NULL);
    signal(SIGUSR1, SIG_IGN);
}

static void counting(struct world *w)
{
    struct backend_stats stats;
    struct thing         a, b;
    struct req           read[3];
    char                 buf[3][4];

    stream_pair(w, STREAM_UNIX, &a, &b);
    for (int i = 0; i < 3; i++) {
        want_recv(&read[i], &a, buf[i], 4);
        submit(&read[i]);
        w->b->type->stats(w->b, &stats);
        check_eq(stats.in_flight, i + 1);
        check_eq(a.desc.flying, i + 1);
    }
    cancel(&read[1]);
    w->b->type->stats(w->b, &stats);
    check_eq(stats.in_flight, 3); // it still comes from poll()
    wait_for(&read[1]);
    w->b->type->stats(w->b, &stats);
    check_eq(stats.in_flight, 2);
    thing_close(&a);
    thing_close(&b);
}

static void a_cancel_ends_the_sleep(struct world *w)
{
    struct thing a, b;
    struct req   read;
    struct list  done;
    char         buf[4];

    list_init(&done);
    stream_pair(w, STREAM_UNIX, &a, &b);
    want_recv(&read, &a, buf, 4);
    submit(&read);
    settle(w);
    cancel(&read);
    int64_t before = monotonic_now();
    while (!read.ended)
        turn(w, 5000000000);
    check(monotonic_now() - before < 2000000000);
    check_eq(read.result, -ECANCELED);

    want_recv(&read, &a, buf, 4);
    submit(&read);
    settle(w);
    thing_release(&a);
    before = monotonic_now();
    while (a.open)
        turn(w, 5000000000);
    check(monotonic_now() - before < 2000000000);
    thing_close(&b);
}

#ifdef HOB_HAVE_URING
/* The ring behind the contract: each feature that is said to be missing is not used, and the
 * kernel's threads for what blocks are bounded. */
static void the_ring_is_as_asked_for(struct world *w)
{
    if (strcmp(w->b->type->name, "uring") != 0)
        skip("there is no ring");
    struct uring *u = container_of(w->b, struct uring, base);
    if (hob__lacks(LACK_DEFER_TASKRUN) || hob__lacks(LACK_EXT_ARG))
        check((u->ring.flags & IORING_SETUP_DEFER_TASKRUN) == 0);
    if (hob__lacks(LACK_COOP_TASKRUN) || hob__lacks(LACK_EXT_ARG))
        check((u->ring.flags & IORING_SETUP_COOP_TASKRUN) == 0);
    if (hob__lacks(LACK_BUFFER_RINGS))
        check(!u->receives_ahead);
    if (hob__lacks(LACK_RING_FD))
        check_eq(u->ring.enter_ring_fd, u->ring.ring_fd);
    unsigned workers[2] = { 0, 0 }; // asks
    if (io_uring_register_iowq_max_workers(&u->ring, workers) == 0 && !hob__lacks(LACK_IOWQ_BOUND)) {
        check_eq(workers[0], 8);
        check_eq(workers[1], 64);
    }
}
#endif

const struct test_case loop_cases[] = {
    { "it opens and closes and leaves nothing", nothing, 0, { 0 } },
    { "poll ends at its deadline and never before", deadlines, 0, { 0 } },
    { "the clocks go forward", clocks, 0, { 0 } },
    { "a wake before poll ends it", early_wake, 0, { 0 } },
    { "no wake from another thread is lost", wakes_from_a_thread, NEEDS_KERNEL | NEEDS_TIME, { 0 } },
    { "no wake from a signal handler is lost", wakes_from_a_signal,
      NEEDS_KERNEL | NEEDS_TIME, { 0 } },
    { "what flies is counted", counting, 0, { 0 } },
    { "cancel and release end a sleep at once", a_cancel_ends_the_sleep, 0, { 0 } },
#ifdef HOB_HAVE_URING
    { "the ring is as asked for", the_ring_is_as_asked_for, NEEDS_KERNEL, { 0 } },
#endif
    { 0 },
};
