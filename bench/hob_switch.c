/* SPDX-License-Identifier: MIT */
/*
 * What does a raw switch of Hob cost? Its own assembly, without a task around it.
 *
 *     hob_switch N          through one function, which knows who runs, as tasks park: the
 *                           return after the switch is predicted
 *     hob_switch N inline   in the loop itself: no call and no return
 *     hob_switch N apart    through one function that is called from two places: the return
 *                           is mispredicted each time
 */
#include "arch/switch.h"

#include "bench.h"

#include <limits.h>

enum { STACK_BYTES = 64 * 1024 };

enum way { PARK, INLINE, APART };

static struct context  here, there;
static struct context *running = &here, *waiting = &there;
static enum way        way;

static __attribute__((noinline)) void park(void)
{
    struct context *from = running, *to = waiting;
    running = to;
    waiting = from;
    hob__switch(from, to);
}

static __attribute__((noinline)) void take_turns(long n)
{
    for (long i = 0; i < n; i++)
        park();
}

static void bounce(void *arg)
{
    (void)arg;
    hob__switch_arrived(&there, &here);
    if (way == PARK)
        take_turns(LONG_MAX);
    if (way == APART)
        for (;;)
            park();
    for (;;)
        hob__switch(&there, &here);
}

static void run(long n)
{
    if (way != INLINE) {
        take_turns(n);
        return;
    }
    for (long i = 0; i < n; i++)
        hob__switch(&here, &there);
}

int main(int argc, char **argv)
{
    long    n = argc > 1 ? atol(argv[1]) : 10000000;
    char   *stack = aligned_alloc(4096, STACK_BYTES);
    int64_t began;

    if (stack == NULL)
        bench_die("stack");
    if (argc > 2)
        way = strcmp(argv[2], "inline") == 0 ? INLINE : APART;
    hob__context_of_thread(&here);
    hob__context_init(&there, stack, stack + STACK_BYTES, bounce, NULL);
    began = bench_cpu_ns();
    run(n);
    bench_print("ns", (double)(bench_cpu_ns() - began) / (double)n / 2);
    return 0;
}
