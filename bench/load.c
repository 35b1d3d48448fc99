/* SPDX-License-Identifier: MIT */
/*
 * The load: a closed loop of C connections to a server on 127.0.0.1, each with one message
 * in flight, and what that cost the server in CPU time.
 *
 *     load --port P --pid SERVER [--connections C] [--size BYTES] [--warm-ms W] [--ms T]
 *          [--requests MAX] [--cpu CORE]
 *
 * connect all, warm up, let all answers come in, read the server's CPU time, run, let all
 * answers come in, read it again. The server is idle at both readings, so that the kernel
 * has booked all its time. Ends after T ms or MAX requests, and after 60 s in any case.
 *
 * The server's CPU time is the first field of /proc/PID/task/TID/schedstat (ns on a CPU,
 * user and system), of all its threads.
 */
#include "bench.h"
#include "latency.h"

#include <getopt.h>
#include <sched.h>
#include <sys/epoll.h>

enum { EVENTS_MAX = 256, ANSWER_WAIT_MS = 5000 };

struct conn {
    int     fd;
    size_t  got;     /* bytes of the answer to the message in flight */
    int64_t sent_ns;
};

static struct {
    int      port;
    int      pid;
    int      connections;
    int      size;
    int      warm_ms;
    int      ms;
    uint64_t requests_max;
    int      cpu;
} opts = { .connections = 50, .size = 64, .warm_ms = 200, .ms = 1000, .requests_max = 10000000, .cpu = -1 };

static struct conn *conns;
static int          epoll_fd;
static char        *message;
static char        *answer;

static void connect_all(void)
{
    struct sockaddr_in addr = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)opts.port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };

    for (int i = 0; i < opts.connections; i++) {
        struct epoll_event ev = { .events = EPOLLIN | EPOLLET, .data.ptr = &conns[i] };

        conns[i].fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (conns[i].fd < 0 || connect(conns[i].fd, (struct sockaddr *)&addr, sizeof addr) < 0)
            bench_die("connect");
        bench_no_delay(conns[i].fd);
        if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, conns[i].fd, &ev) < 0)
            bench_die("epoll_ctl");
    }
}

/* A message is small against the socket's buffer and one is in flight, so it goes whole. */
static void send_message(struct conn *c, int64_t now)
{
    c->got = 0;
    c->sent_ns = now;
    if (send(c->fd, message, (size_t)opts.size, MSG_NOSIGNAL) != opts.size)
        bench_die("send");
}

/* Returns 1 when the answer is whole. */
static int read_answer(struct conn *c)
{
    ssize_t n = recv(c->fd, answer, (size_t)opts.size, MSG_DONTWAIT);

    if (n < 0 && errno == EAGAIN)
        return 0;
    if (n <= 0)
        bench_die("the server closed a connection");
    if (memcmp(answer, message + c->got, (size_t)n) != 0) {
        fprintf(stderr, "load: the answer is not the message\n");
        exit(1);
    }
    c->got += (size_t)n;
    return c->got == (size_t)opts.size;
}

/* Keeps one message in flight on each connection until `end_ns` or, when it measures, so many answers, then
 * takes in what is still under way. Returns how many answers came. */
static uint64_t run_phase(int64_t end_ns, int measure)
{
    uint64_t           max = measure ? opts.requests_max : UINT64_MAX;
    struct epoll_event events[EVENTS_MAX];
    uint64_t           answers = 0;
    int                in_flight = opts.connections;
    int64_t            now = bench_now_ns();

    for (int i = 0; i < opts.connections; i++)
        send_message(&conns[i], now);
    while (in_flight > 0) {
        int n = epoll_wait(epoll_fd, events, EVENTS_MAX, ANSWER_WAIT_MS);

        if (n <= 0 && errno != EINTR) {
            fprintf(stderr, "load: no answer for %d ms, %d missing\n", ANSWER_WAIT_MS, in_flight);
            exit(1);
        }
        for (int i = 0; i < n; i++) {
            struct conn *c = events[i].data.ptr;

            if (!read_answer(c))
                continue;
            now = bench_now_ns();
            answers++;
            if (measure)
                latencies[bucket_of(now - c->sent_ns)]++;
            if (now < end_ns && answers + (uint64_t)in_flight <= max)
                send_message(c, now);
            else
                in_flight--;
        }
    }
    usleep(2000);  // the server falls asleep, and its time is booked
    return answers;
}

static void read_args(int argc, char **argv)
{
    static const struct option names[] = {
        { "port", 1, NULL, 'p' },     { "pid", 1, NULL, 'i' }, { "connections", 1, NULL, 'c' },
        { "size", 1, NULL, 's' },     { "warm-ms", 1, NULL, 'w' }, { "ms", 1, NULL, 'm' },
        { "requests", 1, NULL, 'r' }, { "cpu", 1, NULL, 'u' }, { NULL, 0, NULL, 0 },
    };
    int ch;

    while ((ch = getopt_long(argc, argv, "", names, NULL)) != -1) {
        long v = ch == '?' ? 0 : atol(optarg);
        switch (ch) {
        case 'p': opts.port = (int)v; break;
        case 'i': opts.pid = (int)v; break;
        case 'c': opts.connections = (int)v; break;
        case 's': opts.size = (int)v; break;
        case 'w': opts.warm_ms = (int)v; break;
        case 'm': opts.ms = (int)v; break;
        case 'r': opts.requests_max = (uint64_t)v; break;
        case 'u': opts.cpu = (int)v; break;
        default: exit(2);
        }
    }
    if (opts.port <= 0 || opts.pid <= 0 || opts.connections <= 0 || opts.size <= 0 || opts.size > 65536) {
        fprintf(stderr, "usage: load --port P --pid SERVER [--connections C] [--size BYTES] ...\n");
        exit(2);
    }
}

int main(int argc, char **argv)
{
    read_args(argc, argv);
    alarm(60);
    if (opts.cpu >= 0) {
        cpu_set_t set;
        CPU_ZERO(&set);
        CPU_SET(opts.cpu, &set);
        sched_setaffinity(0, sizeof set, &set);
    }
    conns = calloc((size_t)opts.connections, sizeof *conns);
    message = malloc((size_t)opts.size);
    answer = malloc((size_t)opts.size);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (conns == NULL || message == NULL || answer == NULL || epoll_fd < 0)
        bench_die("load");
    for (int i = 0; i < opts.size; i++)
        message[i] = (char)('a' + i % 26);

    connect_all();
    measure_load(run_phase, opts.pid, opts.warm_ms, opts.ms, "requests");
    return 0;
}
