/* SPDX-License-Identifier: MIT */
/* What does a raw switch of Boost.Context cost? Its own assembly, without the C++ around it. */
#include "bench.h"

typedef void *fcontext_t;

struct transfer {
    fcontext_t from;
    void      *data;
};

struct transfer jump_fcontext(fcontext_t to, void *data);
fcontext_t      make_fcontext(void *stack_top, size_t size, void (*fn)(struct transfer t));

enum { STACK_BYTES = 64 * 1024 };

static void bounce(struct transfer t)
{
    for (;;)
        t = jump_fcontext(t.from, NULL);
}

int main(int argc, char **argv)
{
    long            n = argc > 1 ? atol(argv[1]) : 10000000;
    char           *stack = aligned_alloc(4096, STACK_BYTES);
    struct transfer t;
    int64_t         began;

    if (stack == NULL)
        bench_die("stack");
    t.from = make_fcontext(stack + STACK_BYTES, STACK_BYTES, bounce);
    for (long i = 0; i < n / 10; i++)
        t = jump_fcontext(t.from, NULL);
    began = bench_cpu_ns();
    for (long i = 0; i < n; i++)
        t = jump_fcontext(t.from, NULL);
    bench_print("ns", (double)(bench_cpu_ns() - began) / (double)n / 2);
    return 0;
}
