/* SPDX-License-Identifier: MIT */
/*
 * What the HTTP clients in bench/ share: PORT CONNECTIONS WARM COUNT, what they ask for, and what they
 * print. So many requests are in flight at all times, each on a connection that is kept; the body must be
 * what was asked for. WARM answers come before, so that what a compiler makes of a program is there, and
 * then COUNT are measured: CPU time is that of this process meanwhile.
 */
#ifndef CLIENT_H
#define CLIENT_H

#include "bench.h"
#include "latency.h"

#define CLIENT_BODY "{\"message\":\"Hello, World!\"}"

static struct {
    unsigned port;
    int      connections;
    long     warm, count;
    char     url[64];

    long     answers; /* the first is number -warm, the first that counts 0 */
    int64_t  began_ns, began_cpu_ns;
} client;

static inline void client_usage(const char *program)
{
    fprintf(stderr, "usage: %s PORT CONNECTIONS WARM COUNT\n", program);
    exit(2);
}

static inline void client_begin(int argc, char **argv)
{
    for (int i = 1; i < 5; i++)
        if (argc != 5 || atol(argv[i]) <= 0)
            client_usage(argv[0]);
    alarm(100);
    client.port = (unsigned)atoi(argv[1]);
    client.connections = atoi(argv[2]);
    client.warm = atol(argv[3]);
    client.count = atol(argv[4]);
    client.answers = -client.warm;
    snprintf(client.url, sizeof client.url, "http://127.0.0.1:%u/json", client.port);
}

/* An answer has come whole. Returns 0 when it is enough. */
static inline int client_answered(int64_t asked_ns, long status, const char *body, size_t len)
{
    int64_t now = bench_now_ns();

    if (status != 200 || len != sizeof CLIENT_BODY - 1 || memcmp(body, CLIENT_BODY, len) != 0) {
        fprintf(stderr, "an answer is not what was asked for\n");
        exit(1);
    }
    if (client.answers >= 0)
        latencies[bucket_of(now - asked_ns)]++;
    if (++client.answers == 0) {
        client.began_ns = now;
        client.began_cpu_ns = bench_cpu_ns();
    }
    return client.answers < client.count;
}

/* What is still in flight then is in nobody's count. */
static inline void client_end(void)
{
    int64_t took = bench_now_ns() - client.began_ns, cpu = bench_cpu_ns() - client.began_cpu_ns;

    bench_print("requests", (double)client.count);
    bench_print("cpu_us", (double)cpu / 1000 / (double)client.count);
    bench_print("requests_per_s", (double)client.count * 1e9 / (double)took);
    bench_print("p50_us", latency_us(0.50));
    bench_print("p99_us", latency_us(0.99));
    exit(0);
}

#endif
