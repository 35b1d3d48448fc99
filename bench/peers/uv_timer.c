/* SPDX-License-Identifier: MIT */
/*
 * What does it cost to insert a timer and cancel it again, in libuv, while PENDING others
 * wait? One operation cancels a timer, chosen at random, and sets it to a new random time.
 */
#include "bench.h"

#include <uv.h>

static void never(uv_timer_t *timer)
{
    (void)timer;
    fprintf(stderr, "uv_timer: a timer rang\n");
    exit(1);
}

/* 60 to 120 s from now, so that none rings. */
static uint64_t random_ms(uint64_t *seed)
{
    return 60000 + bench_random(seed) % 60000;
}

int main(int argc, char **argv)
{
    long        pending = argc > 1 ? atol(argv[1]) : 10000;
    long        n = argc > 2 ? atol(argv[2]) : 1000000;
    uv_loop_t  *loop = uv_default_loop();
    uv_timer_t *timers = calloc((size_t)pending, sizeof *timers);
    uint64_t    seed = 88172645463325252u;
    int64_t     began;

    if (timers == NULL)
        bench_die("calloc");
    for (long i = 0; i < pending; i++) {
        uv_timer_init(loop, &timers[i]);
        uv_timer_start(&timers[i], never, random_ms(&seed), 0);
    }
    began = bench_cpu_ns();
    for (long i = 0; i < n; i++) {
        uv_timer_t *timer = &timers[bench_random(&seed) % (uint64_t)pending];

        uv_timer_stop(timer);
        uv_timer_start(timer, never, random_ms(&seed), 0);
    }
    bench_print("ns", (double)(bench_cpu_ns() - began) / (double)n);
    return 0;
}
