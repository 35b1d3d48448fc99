/* SPDX-License-Identifier: MIT */
/*
 * A day of timeouts. In virtual time it takes a moment; how long, the test says and does not judge.
 */
#include <time.h>

#include "support/io.h"

enum { WAITERS = 20 };

struct waiter {
    hob_tcp          *conn;     /* whose peer says nothing         */
    hob_tcp_listener *listener; /* to which nobody comes           */
    hob_promise      *promise;  /* that nobody settles             */
    int64_t           until;
    uint64_t          timeouts;
    int               nth;
};

static int wait_in_some_way(struct waiter *w)
{
    char     byte;
    hob_tcp *conn;
    switch (w->nth % 4) {
    case 0:
        return (int)hob_tcp_read(w->conn, &byte, 1);
    case 1:
        return hob_tcp_accept(w->listener, &conn);
    case 2:
        return hob_promise_await(w->promise, NULL);
    default:
        return hob_sleep(HOB_FOREVER);
    }
}

/* Waits for a minute, again and again. */
static int wait_all_day(void *arg)
{
    struct waiter *w = arg;
    TCP(client);
    TCP(server);
    check_ok(tcp_pair(&client, &server));
    w->conn = client;
    while (hob_now() < w->until) {
        int64_t start = hob_now();
        HOB_SCOPE(s);
        hob_scope_deadline(&s, hob_in(HOB_MINUTE));
        check_err(wait_in_some_way(w), -ETIMEDOUT);
        check_err(hob_scope_end(&s), -ETIMEDOUT);
        check_eq(hob_now() - start, HOB_MINUTE);
        w->timeouts++;
    }
    return 0;
}

static double ms_of(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void free_promise(hob_promise **promise)
{
    hob_promise_free(*promise);
}

TEST_ONCE(day, of_timeouts_takes_a_moment)
{
    double         real = ms_of(CLOCK_MONOTONIC), cpu = ms_of(CLOCK_PROCESS_CPUTIME_ID);
    int64_t        start = hob_now(), wall = hob_wall_now();
    struct waiter  waiters[WAITERS] = { { .nth = 0 } };
    uint64_t       timeouts = 0;
    LISTENER(listener);
    CLOSED_BY(free_promise) hob_promise *promise = NULL;

    check_ok(listen_here(&listener));
    check_ok(hob_promise_new(&promise));
    HOB_SCOPE(s);
    for (int i = 0; i < WAITERS; i++) {
        waiters[i] = (struct waiter){ NULL, listener, promise, start + 24 * HOB_HOUR, 0, i };
        check_ok(hob_go(&s, wait_all_day, &waiters[i]));
    }
    check_ok(hob_scope_end(&s));

    for (int i = 0; i < WAITERS; i++)
        timeouts += waiters[i].timeouts;
    check_eq(timeouts, WAITERS * 24 * 60);
    check_eq(hob_now() - start, 24 * HOB_HOUR);
    check_eq(hob_wall_now() - wall, 24 * HOB_HOUR);
    printf("24 hours, %llu timeouts: %.1f ms of real time, %.1f ms of CPU\n",
           (unsigned long long)timeouts, ms_of(CLOCK_MONOTONIC) - real,
           ms_of(CLOCK_PROCESS_CPUTIME_ID) - cpu);
}
