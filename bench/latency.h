/* SPDX-License-Identifier: MIT */
/* What the loads measure: how long answers took, in bounded memory, and what they cost the server. */
#ifndef LATENCY_H
#define LATENCY_H

#include <stdint.h>

#include "bench.h"

enum { BUCKETS = 64 * 16 };

static uint64_t latencies[BUCKETS];

/* Sixteen buckets to each power of two. */
static inline int bucket_of(int64_t ns)
{
    uint64_t v = ns < 16 ? 16 : (uint64_t)ns;
    int      top = 63 - __builtin_clzll(v);
    return top * 16 + (int)((v >> (top - 4)) & 15);
}

static inline double latency_us(double share)
{
    uint64_t all = 0, seen = 0;

    for (int i = 0; i < BUCKETS; i++)
        all += latencies[i];
    for (int i = 0; i < BUCKETS; i++) {
        seen += latencies[i];
        if (seen > 0 && seen >= share * all)
            return (double)((UINT64_C(1) << (i / 16)) + ((uint64_t)(i % 16) << (i / 16 - 4))) / 1000;
    }
    return 0;
}

/* A load until then. Returns how many answers came; with `measure` their latencies are counted. */
typedef uint64_t bench_phase(int64_t end_ns, int measure);

/* Warms up, then measures, and prints what it was; the answers by the name `what`. */
static inline void measure_load(bench_phase *run, int pid, int warm_ms, int ms, const char *what)
{
    run(bench_now_ns() + warm_ms * INT64_C(1000000), 0);

    int64_t  server_ns = bench_process_cpu_ns(pid), self_ns = bench_cpu_ns(), began = bench_now_ns();
    uint64_t answers = run(began + ms * INT64_C(1000000), 1);
    int64_t  took = bench_now_ns() - began;
    self_ns = bench_cpu_ns() - self_ns;
    server_ns = bench_process_cpu_ns(pid) - server_ns;

    bench_print(what, (double)answers);
    bench_print("server_cpu_us", (double)server_ns / 1000 / (double)answers);
    bench_print("load_cpu_us", (double)self_ns / 1000 / (double)answers);
    bench_print("requests_per_s", (double)answers * 1e9 / (double)took);
    bench_print("p50_us", latency_us(0.50));
    bench_print("p99_us", latency_us(0.99));
}

#endif
