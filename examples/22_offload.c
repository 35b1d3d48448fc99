/* SPDX-License-Identifier: MIT */
/*
 * Threads for what must not run on the loop: a shop that goes on serving.
 *
 * Three things at once. A clerk serves a guest every 2 ms: that is the loop's work. The
 * book-keeper counts primes, which computes: pieces of the range go to the CPU pool, and a task
 * tells how far that is. And every fourth guest wants a receipt from an old cash register, whose
 * library blocks, and may be used by one thread at a time: so it has a pool of one thread. That
 * is too slow for all: who has not got to the register after 50 ms leaves without a receipt.
 *
 *     build/hob run examples/22_offload.c 4000000
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#include <hob.h>

struct shop {
    hob_scope  *open;
    bool        closing;   /* the book-keeper is ready              */
    hob_pool   *cash_desk; /* one thread                            */
    int64_t     limit;
    atomic_long counted;   /* numbers, by threads                   */
    int         guests, receipts, without;
    int64_t     latest_ns; /* of a guest                            */
};

/* ---- a library that knows nothing of Hob ---- */

static int register_print(int number)
{
    const struct timespec rattle = { .tv_nsec = 12 * HOB_MSEC };
    nanosleep(&rattle, NULL); // the whole thread stands still
    return number;
}

/* ---- receipts: a call that blocks ---- */

static int print_receipt(void *arg)
{
    return register_print(*(const int *)arg);
}

static int want_receipt(void *arg)
{
    struct shop *shop = arg;
    int          number = shop->guests;

    HOB_SCOPE(patience);
    hob_scope_deadline(&patience, hob_in(50 * HOB_MSEC));
    int r = hob_offload(shop->cash_desk, print_receipt, &number); // only this guest waits
    if (r == -ETIMEDOUT)
        shop->without++; // it was still in line, and print_receipt was never called
    else if (r == number)
        shop->receipts++;
    return 0;
}

/* ---- primes: a range that is computed ---- */

static bool is_prime(int64_t n)
{
    for (int64_t d = 2; d * d <= n; d++)
        if (n % d == 0)
            return false;
    return n >= 2;
}

static int count_primes(int64_t first, int64_t last, void *state, void *arg)
{
    struct shop *shop = arg;
    long        *primes = state; // of this piece and its neighbours: nobody else's
    for (int64_t n = first; n < last; n++)
        *primes += is_prime(n);
    atomic_fetch_add(&shop->counted, last - first);
    return 0;
}

static void add(void *into, void *from, void *arg)
{
    *(long *)into += *(long *)from;
}

static int tell_progress(void *arg)
{
    struct shop *shop = arg;
    for (;;) {
        HOB_TRY(hob_sleep(100 * HOB_MSEC));
        printf("  %3lld %%\n", 100LL * atomic_load(&shop->counted) / (long long)shop->limit);
    }
}

/* ---- the loop goes on ---- */

static int serve(void *arg)
{
    struct shop *shop = arg;
    for (int64_t due_ns = hob_now(); !shop->closing; due_ns += 2 * HOB_MSEC) {
        HOB_TRY(hob_sleep_until(due_ns));
        if (hob_now() - due_ns > shop->latest_ns)
            shop->latest_ns = hob_now() - due_ns;
        if (shop->guests++ % 4 == 0)
            HOB_TRY(hob_go(shop->open, want_receipt, shop));
    }
    return 0;
}

static int count_beside(struct shop *shop)
{
    hob_reduction count = { .state_bytes = sizeof(long), .range = count_primes, .combine = add };
    long          primes;

    HOB_SCOPE(s);
    shop->open = &s;
    hob_go_with(&s, serve, shop, &(hob_task_opts){ .name = "clerk" });
    hob_go_with(&s, tell_progress, shop, &(hob_task_opts){ .daemon = 1 });
    HOB_TRY(hob_parallel_reduce(hob_pool_cpu(), 0, shop->limit, 0, &count, shop, &primes));
    printf("%ld primes below %lld\n", primes, (long long)shop->limit);
    shop->closing = true;
    return hob_scope_end(&s); // who wants a receipt still gets it
}

static int keep_shop(void *arg)
{
    struct shop shop = { .limit = *(int64_t *)arg };
    // Functions take no virtual time unless the world says so. Elsewhere they take their own.
    (void)!hob_sim_set_world(&(hob_sim_world){ .offload_min_ns = HOB_MSEC,
                                               .offload_max_ns = 15 * HOB_MSEC });
    HOB_TRY(hob_pool_new(&(hob_pool_opts){ .name = "cash desk", .threads = 1 }, &shop.cash_desk));
    int r = count_beside(&shop);
    hob_pool_stats desk;
    hob_pool_stats_get(shop.cash_desk, &desk);
    hob_pool_free(shop.cash_desk);

    printf("%d guests were served meanwhile, the latest %lld us late\n", shop.guests,
           (long long)(shop.latest_ns / HOB_USEC));
    printf("%d receipts; the line was %d long at most; %d left without\n", shop.receipts,
           (int)desk.queued_max, shop.without);
    return r;
}

int main(int argc, char **argv)
{
    int64_t limit = argc > 1 ? atol(argv[1]) : 2000000;
    return hob_run(keep_shop, &limit);
}
