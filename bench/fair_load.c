/* SPDX-License-Identifier: MIT */
/*
 * A well-behaved load: so many requests a second, come what may, to see how long they take while
 * somebody else does harm.
 *
 *     fair_load --port P --pid SERVER [--connections C] [--rate N] [--warm-ms W] [--ms T]
 *
 * An open loop: each of C connections has its requests at fixed times, and an answer's time is counted from the
 * time at which its request was due, also when it was sent later because the one before took long: so
 * nothing is left out while the server stands still. One request in ten goes over a connection of its
 * own, which is made for it; these are counted apart.
 *
 * Failed is what was not answered by 200 within 2 s: it counts as 2 s, too. It prints how long
 * answers took, what the server's CPU was busy (1: always), and how many were asked.
 */
#include "bench.h"

#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <sys/epoll.h>

enum { CONNS_MAX = 1000, EVENTS_MAX = 256, IN_BYTES = 2048, NEW_EACH = 10 };

#define LATE_NS INT64_C(2000000000)
#define BODY "{\"message\":\"Hello, World!\"}"

enum kind { KEPT, NEW, KINDS };
enum where { FREE, CONNECTING, ASKED };

struct conn {
    int        fd; /* -1: there is none */
    enum kind  kind;
    enum where where;
    int64_t    due_ns; /* of the request that is sent, or of the next */
    size_t     got;
    char       in[IN_BYTES];
};

static struct {
    int port, pid, connections, rate, warm_ms, ms;
} opts = { .connections = 40, .rate = 2000, .warm_ms = 300, .ms = 1000 };

static const char MESSAGE[] = "GET /json HTTP/1.1\r\nHost: server\r\nAccept: application/json\r\n\r\n";

static struct conn conns[CONNS_MAX];
static int         epoll_fd, is_measuring;
static int64_t     period_ns;
static int64_t    *took[KINDS]; /* of each answer */
static size_t      taken[KINDS], room;
static uint64_t    failed, asked;

static void take_down(enum kind kind, int64_t ns)
{
    if (is_measuring && taken[kind] < room)
        took[kind][taken[kind]++] = ns;
}

static void drop(struct conn *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    c->where = FREE;
}

/* Non-blocking: what comes of it is seen when it can be written to. */
static void dial(struct conn *c)
{
    struct sockaddr_in addr = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)opts.port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    struct linger      reset = { .l_onoff = 1 };
    struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c };

    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (c->fd < 0 || setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset) < 0
        || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &ev) < 0)
        bench_die("socket");
    bench_no_delay(c->fd);
    c->where = CONNECTING;
    if (connect(c->fd, (struct sockaddr *)&addr, sizeof addr) < 0 && errno != EINPROGRESS)
        bench_die("connect");
}

/* It was answered, or will not be; the next one has its time. */
static void done(struct conn *c, int is_good)
{
    int64_t ns = bench_now_ns() - c->due_ns;

    if (is_measuring)
        failed += !is_good;
    take_down(c->kind, is_good && ns < LATE_NS ? ns : LATE_NS);
    if (!is_good || c->kind == NEW)
        drop(c);
    c->where = FREE;
    c->due_ns += period_ns;
}

static void ask(struct conn *c)
{
    c->got = 0;
    c->where = ASKED;
    if (send(c->fd, MESSAGE, sizeof MESSAGE - 1, MSG_NOSIGNAL) != (ssize_t)sizeof MESSAGE - 1)
        done(c, 0);
}

/* 1: whole and right; -1: something else; 0: more is to come. */
static int look_at(struct conn *c)
{
    size_t body = sizeof BODY - 1;

    c->in[c->got] = '\0';
    if (c->got >= 12 && memcmp(c->in, "HTTP/1.1 200", 12) != 0)
        return -1;
    char *end = strstr(c->in, "\r\n\r\n");
    if (end == NULL || (size_t)(c->in + c->got - end) < 4 + body)
        return 0;
    return memcmp(end + 4, BODY, body) == 0 ? 1 : -1;
}

static void hear(struct conn *c)
{
    for (;;) {
        ssize_t n = recv(c->fd, c->in + c->got, sizeof c->in - 1 - c->got, MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0 || c->where != ASKED) {
            if (c->where == FREE)
                drop(c); // closed between two requests: made anew for the next
            else
                done(c, 0);
            return;
        }
        c->got += (size_t)n;
        int is = look_at(c);
        if (is != 0) {
            done(c, is > 0);
            return;
        }
    }
}

static void on_event(struct conn *c, uint32_t events)
{
    if (c->fd < 0)
        return;
    if (c->where == CONNECTING && (events & (EPOLLERR | EPOLLHUP)) != 0)
        done(c, 0);
    else if (c->where == CONNECTING && (events & EPOLLOUT) != 0)
        ask(c);
    else if ((events & ~(uint32_t)EPOLLOUT) != 0)
        hear(c);
}

static void start_due(int64_t now)
{
    for (int i = 0; i < opts.connections; i++) {
        struct conn *c = &conns[i];
        if (c->where != FREE && now - c->due_ns > LATE_NS)
            done(c, 0);
        if (c->where != FREE || c->due_ns > now)
            continue;
        asked += (uint64_t)is_measuring;
        if (c->fd < 0)
            dial(c);
        else
            ask(c);
    }
}

static int64_t next_due(int64_t end_ns)
{
    int64_t due = end_ns;

    for (int i = 0; i < opts.connections; i++)
        if (conns[i].where == FREE && conns[i].due_ns < due)
            due = conns[i].due_ns;
    return due;
}

static int is_any_asked(void)
{
    for (int i = 0; i < opts.connections; i++)
        if (conns[i].where != FREE)
            return 1;
    return 0;
}

/* Until `end_ns`. Then what was due before is waited for, and nothing new is asked. */
static void run(int64_t end_ns)
{
    struct epoll_event events[EVENTS_MAX];

    for (;;) {
        int64_t now = bench_now_ns();
        if (now < end_ns)
            start_due(now);
        else if (!is_measuring || !is_any_asked() || now > end_ns + LATE_NS)
            break;
        int64_t         wait = (now < end_ns ? next_due(end_ns) : now + 10000000) - now;
        struct timespec ts = { wait / 1000000000, wait > 0 ? wait % 1000000000 : 0 };
        struct pollfd   ready = { epoll_fd, POLLIN, 0 };

        if (wait > 0 && ppoll(&ready, 1, &ts, NULL) == 0)
            continue;
        int n = epoll_wait(epoll_fd, events, EVENTS_MAX, 0);
        for (int i = 0; i < n; i++)
            on_event(events[i].data.ptr, events[i].events);
    }
    for (int i = 0; is_measuring && i < opts.connections; i++)
        if (conns[i].where != FREE)
            done(&conns[i], 0);
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void tell(enum kind kind, const char *p50, const char *p99)
{
    qsort(took[kind], taken[kind], sizeof *took[kind], by_value);
    if (taken[kind] == 0)
        return;
    bench_print(p50, (double)took[kind][taken[kind] / 2] / 1000);
    bench_print(p99, (double)took[kind][taken[kind] * 99 / 100] / 1000);
}

static void read_args(int argc, char **argv)
{
    static const struct option names[] = {
        { "port", 1, NULL, 'p' }, { "pid", 1, NULL, 'i' },     { "connections", 1, NULL, 'c' },
        { "rate", 1, NULL, 'r' }, { "warm-ms", 1, NULL, 'w' }, { "ms", 1, NULL, 'm' },
        { NULL, 0, NULL, 0 },
    };
    int ch;

    while ((ch = getopt_long(argc, argv, "", names, NULL)) != -1) {
        int v = ch == '?' ? 0 : atoi(optarg);
        switch (ch) {
        case 'p': opts.port = v; break;
        case 'i': opts.pid = v; break;
        case 'c': opts.connections = v; break;
        case 'r': opts.rate = v; break;
        case 'w': opts.warm_ms = v; break;
        case 'm': opts.ms = v; break;
        default: exit(2);
        }
    }
    if (opts.port <= 0 || opts.pid <= 0 || opts.connections <= 0 || opts.connections > CONNS_MAX
        || opts.rate <= 0 || opts.ms <= 0) {
        fprintf(stderr, "usage: fair_load --port P --pid SERVER [--connections C] [--rate N] ...\n");
        exit(2);
    }
}

int main(int argc, char **argv)
{
    int64_t began, server_ns;

    read_args(argc, argv);
    alarm(60);
    period_ns = INT64_C(1000000000) * opts.connections / opts.rate;
    room = (size_t)opts.rate * (size_t)(opts.ms / 1000 + 2);
    for (int i = 0; i < KINDS; i++)
        took[i] = calloc(room, sizeof *took[i]);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (took[KEPT] == NULL || took[NEW] == NULL || epoll_fd < 0)
        bench_die("fair_load");
    began = bench_now_ns();
    for (int i = 0; i < opts.connections; i++) {
        conns[i].fd = -1;
        conns[i].kind = i % NEW_EACH == 0 ? NEW : KEPT;
        conns[i].due_ns = began + period_ns * i / opts.connections;
    }

    run(began + opts.warm_ms * INT64_C(1000000));
    is_measuring = 1;
    server_ns = bench_process_cpu_ns(opts.pid);
    began = bench_now_ns();
    run(began + opts.ms * INT64_C(1000000));
    server_ns = bench_process_cpu_ns(opts.pid) - server_ns;

    bench_print("asked", (double)asked);
    bench_print("failed", (double)failed);
    bench_print("busy", (double)server_ns / (double)(bench_now_ns() - began));
    tell(KEPT, "p50_us", "p99_us");
    tell(NEW, "new_p50_us", "new_p99_us");
    return 0;
}
