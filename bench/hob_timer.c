/* SPDX-License-Identifier: MIT */
/*
 * What does it cost to insert a timer and cancel it again, in Hob's wheel, while PENDING
 * others wait? The same steps as in peers/uv_timer.c.
 */
#include "base/wheel.h"

#include "bench.h"

/* 60 to 120 s from now. */
static int64_t random_ns(uint64_t *seed)
{
    return (60000 + (int64_t)(bench_random(seed) % 60000)) * 1000000;
}

int main(int argc, char **argv)
{
    long          pending = argc > 1 ? atol(argv[1]) : 10000;
    long          n = argc > 2 ? atol(argv[2]) : 1000000;
    struct wheel  wheel;
    struct timer *timers = calloc((size_t)pending, sizeof *timers);
    uint64_t      seed = 88172645463325252u;
    int64_t       now = 1000000000, began;

    if (timers == NULL)
        bench_die("calloc");
    hob__wheel_init(&wheel, now);
    for (long i = 0; i < pending; i++)
        hob__wheel_insert(&wheel, &timers[i], now + random_ns(&seed), 0);
    began = bench_cpu_ns();
    for (long i = 0; i < n; i++) {
        struct timer *timer = &timers[bench_random(&seed) % (uint64_t)pending];

        hob__wheel_remove(&wheel, timer);
        hob__wheel_insert(&wheel, timer, now + random_ns(&seed), 0);
    }
    bench_print("ns", (double)(bench_cpu_ns() - began) / (double)n);
    return 0;
}
