/* SPDX-License-Identifier: MIT */
/*
 * Workers: the one stove has several plates.
 *
 * Counting primes is computing, not waiting: on one worker it would take turns with
 * everything else. Here the numbers are cut into portions, and each portion is a task
 * for whichever worker is idle. Scopes, failures and deadlines are as everywhere.
 *
 *     build/hob run examples/13_workers.c 3000000
 *     build/hob run --workers 1 examples/13_workers.c 3000000
 */
#include <stdbool.h>
#include <stdlib.h>

#include <hob.h>

enum { PORTIONS = 32 };

/* One portion. What a task on another worker writes, its scope's end makes visible. */
struct portion {
    long     from, to; /* of [from, to)          */
    long     primes;   /* the answer             */
    uint32_t worker;   /* who found it           */
};

static bool is_prime(long n)
{
    for (long d = 2; d * d <= n; d++)
        if (n % d == 0)
            return false;
    return n >= 2;
}

static int count_primes(void *arg)
{
    struct portion *p = arg;
    p->worker = hob_worker_number();
    for (long n = p->from; n < p->to; n++) {
        p->primes += is_prime(n);
        HOB_TRY(hob_checkpoint()); // others of this worker, and a cancellation, get their turn
    }
    return 0;
}

static int count_all(void *arg)
{
    const long    *limit = arg;
    struct portion portions[PORTIONS] = { 0 };
    long           primes = 0, by_worker[256] = { 0 };

    HOB_SCOPE(s);
    for (int i = 0; i < PORTIONS; i++) {
        portions[i].from = *limit * i / PORTIONS;
        portions[i].to = *limit * (i + 1) / PORTIONS;
        hob_go_with(&s, count_primes, &portions[i], &(hob_task_opts){ .where = HOB_ANYWHERE });
    }
    HOB_TRY(hob_scope_end(&s));

    for (int i = 0; i < PORTIONS; i++) {
        primes += portions[i].primes;
        by_worker[portions[i].worker % 256]++;
    }
    printf("%ld primes below %ld\n", primes, *limit);
    for (uint32_t w = 0; w < hob_workers() && w < 256; w++)
        printf("worker %u: %ld portions\n", w, by_worker[w]);
    return 0;
}

int main(int argc, char **argv)
{
    long limit = argc > 1 ? atol(argv[1]) : 100000;
    return hob_run(count_all, &limit);
}
