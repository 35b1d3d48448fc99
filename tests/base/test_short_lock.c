/* SPDX-License-Identifier: MIT */
/* base/lock.h: threads that count under it lose nothing. */
#include "support/test.h"

#include <pthread.h>
#include <sched.h>

#include "base/lock.h"

enum { THREADS = 4 };

struct counted {
    struct lock lock;
    long        count, rounds;
};

static void *count_up(void *arg)
{
    struct counted *c = arg;
    for (long i = 0; i < c->rounds; i++) {
        lock_take(&c->lock);
        c->count++;
        if (i % 1024 == 0)
            sched_yield(); // now and then somebody has to sleep
        lock_give(&c->lock);
    }
    return NULL;
}

TEST_BARE(lock, threads_that_count_under_it_lose_nothing)
{
    struct counted c = { .rounds = all_is_slow() ? 5000 : 100000 };
    pthread_t      threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        expect(pthread_create(&threads[i], NULL, count_up, &c) == 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    check_eq(c.count, THREADS * c.rounds);
    check_eq(atomic_load(&c.lock.state), 0);
}
