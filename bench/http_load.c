/* SPDX-License-Identifier: MIT */
/*
 * The load of an HTTP server on 127.0.0.1: a closed loop, and what that cost the server in CPU time.
 *
 *     http_load --port P --pid SERVER --path /json [--connections C] [--depth D] [--warm-ms W] [--ms T]
 *     http_load --port P --pid SERVER --path /json --idle C
 *
 * Each of C connections sends D requests in one piece (as TechEmpower's load does), waits for the D
 * answers, and sends the next. The first answer on a connection is read for its length; each must be
 * a 200 of that length with the same body, so what comes is checked at little cost. Between two
 * phases all answers come in, and the server is idle when its CPU time is read (bench.h).
 *
 * --idle opens C connections, asks once on each, and leaves them there: what the server's process has
 * grown by then, divided by their number. What it had taken for 64 connections before does not count.
 * They are fewer where fewer files may be open.
 */
#include "bench.h"
#include "latency.h"

#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/resource.h>

enum { EVENTS_MAX = 256, ANSWER_WAIT_MS = 5000, DEPTH_MAX = 64, IN_BYTES = 65536,
       WARM_CONNECTIONS = 64, IDLE_AT_ONCE = 50 };

struct conn {
    int     fd;
    size_t  got; /* bytes of the answers to what is in flight */
    int64_t sent_ns;
};

static struct {
    int         port, pid, connections, depth, warm_ms, ms, idle;
    const char *path;
} opts = { .connections = 64, .depth = 1, .warm_ms = 200, .ms = 1000, .path = "/json" };

static struct conn *conns;
static int          epoll_fd;
static char         message[DEPTH_MAX * 512], in[IN_BYTES];
static size_t       message_len;
static size_t       answer_len, head_len; /* of one answer, once it is known */

static void give_up(const char *why)
{
    fprintf(stderr, "http_load: %s\n", why);
    exit(1);
}

static const char *body_wanted(void)
{
    return strcmp(opts.path, "/json") == 0 ? "{\"message\":\"Hello, World!\"}" : "Hello, World!";
}

static void make_message(void)
{
    for (int i = 0; i < opts.depth; i++)
        message_len += (size_t)snprintf(
            message + message_len, sizeof message - message_len,
            "GET %s HTTP/1.1\r\nHost: server\r\nAccept: text/plain,text/html;q=0.9,"
            "application/xhtml+xml;q=0.9,application/xml;q=0.8,*/*;q=0.7\r\n"
            "Connection: keep-alive\r\n\r\n", opts.path);
}

/* Many connections from one address would have the kernel search for free ports, and leave them taken
 * for a minute. */
static void be_one_of_many(int fd, int number)
{
    struct linger      reset = { .l_onoff = 1 };
    struct sockaddr_in addr = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + (uint32_t)number / 2000),
    };
    int on = 1;

    if (setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset) < 0
        || setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on) < 0
        || bind(fd, (struct sockaddr *)&addr, sizeof addr) < 0)
        bench_die("bind");
}

static void connect_one(struct conn *c)
{
    struct sockaddr_in addr = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)opts.port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    struct epoll_event ev = { .events = EPOLLIN | EPOLLET, .data.ptr = c };

    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd >= 0 && opts.idle > 0)
        be_one_of_many(c->fd, (int)(c - conns));
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&addr, sizeof addr) < 0)
        bench_die("connect");
    bench_no_delay(c->fd);
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &ev) < 0)
        bench_die("epoll_ctl");
}

/* Reads the first answer of all for what the others are held to. */
static void learn(const char *bytes, size_t len)
{
    const char *end = memmem(bytes, len, "\r\n\r\n", 4), *body = body_wanted();

    if (end == NULL || strncmp(bytes, "HTTP/1.1 200", 12) != 0)
        give_up("this is no answer of 200");
    head_len = (size_t)(end - bytes) + 4;
    answer_len = head_len + strlen(body);
    if (memmem(bytes, len, "Date: ", 6) == NULL && memmem(bytes, len, "date: ", 6) == NULL)
        give_up("the answer has no Date");
}

static void check(const char *bytes)
{
    if (memcmp(bytes, "HTTP/1.1 200", 12) != 0
        || memcmp(bytes + head_len, body_wanted(), answer_len - head_len) != 0)
        give_up("an answer is not like the first");
}

static void send_message(struct conn *c, int64_t now)
{
    c->got = 0;
    c->sent_ns = now;
    if (send(c->fd, message, message_len, MSG_NOSIGNAL) != (ssize_t)message_len)
        bench_die("send");
}

/* Returns 1 when all answers are there. Those that came in one piece are looked at. */
static int read_answers(struct conn *c)
{
    size_t  want = answer_len > 0 ? answer_len * (size_t)opts.depth : sizeof in;
    ssize_t n = recv(c->fd, in + c->got, want - c->got, MSG_DONTWAIT);

    if (n < 0 && errno == EAGAIN)
        return 0;
    if (n <= 0)
        give_up("the server closed a connection");
    if (answer_len == 0)
        learn(in, (size_t)n);
    size_t whole = answer_len * (size_t)opts.depth, had = c->got;
    c->got += (size_t)n;
    if (c->got > whole)
        give_up("there is more than was asked for");
    size_t at = (had + answer_len - 1) / answer_len * answer_len;
    for (; at + answer_len <= c->got; at += answer_len)
        check(in + at);
    return c->got == whole;
}

/* Keeps its requests in flight on each connection until `end_ns`, then takes in what is still under
 * way. Returns how many answers came. */
static uint64_t run_phase(int64_t end_ns, int measure)
{
    struct epoll_event events[EVENTS_MAX];
    uint64_t           answers = 0;
    int                in_flight = opts.connections;
    int64_t            now = bench_now_ns();

    for (int i = 0; i < opts.connections; i++)
        send_message(&conns[i], now);
    while (in_flight > 0) {
        int n = epoll_wait(epoll_fd, events, EVENTS_MAX, ANSWER_WAIT_MS);

        if (n <= 0 && errno != EINTR)
            give_up("no answer for 5 s");
        for (int i = 0; i < n; i++) {
            struct conn *c = events[i].data.ptr;

            if (!read_answers(c))
                continue;
            now = bench_now_ns();
            answers += (uint64_t)opts.depth;
            if (measure)
                latencies[bucket_of(now - c->sent_ns)]++;
            if (now < end_ns)
                send_message(c, now);
            else
                in_flight--;
        }
    }
    usleep(2000);  // the server falls asleep, and its time is booked
    return answers;
}

/* The anonymous memory of the process, in bytes. */
static double memory_of(int pid)
{
    char   path[64], line[256];
    double kb = -1;
    FILE  *f;

    snprintf(path, sizeof path, "/proc/%d/status", pid);
    f = fopen(path, "r");
    while (f != NULL && fgets(line, sizeof line, f) != NULL)
        if (sscanf(line, "RssAnon: %lf", &kb) == 1)
            break;
    if (f != NULL)
        fclose(f);
    if (kb < 0)
        give_up("the server's memory cannot be read");
    return kb * 1024;
}

/* Connections [first, last) ask once, some at a time, and stay. */
static void ask_once(int first, int last)
{
    for (int i = first; i < last; i += IDLE_AT_ONCE) {
        int end = i + IDLE_AT_ONCE < last ? i + IDLE_AT_ONCE : last;

        for (int k = i; k < end; k++) {
            connect_one(&conns[k]);
            send_message(&conns[k], 0);
        }
        for (int k = i; k < end; k++) {
            struct pollfd ready = { conns[k].fd, POLLIN, 0 };

            while (!read_answers(&conns[k]))
                if (poll(&ready, 1, ANSWER_WAIT_MS) == 0)
                    give_up("no answer for 5 s");
        }
    }
}

static void measure_idle(void)
{
    ask_once(0, WARM_CONNECTIONS);
    usleep(100000);
    double before = memory_of(opts.pid);
    ask_once(WARM_CONNECTIONS, WARM_CONNECTIONS + opts.idle);
    usleep(300000);
    bench_print("connections", opts.idle);
    bench_print("bytes", (memory_of(opts.pid) - before) / opts.idle);
}

static void connect_all(void)
{
    for (int i = 0; i < opts.connections; i++)
        connect_one(&conns[i]);
}

static void read_args(int argc, char **argv)
{
    static const struct option names[] = {
        { "port", 1, NULL, 'p' },  { "pid", 1, NULL, 'i' },     { "connections", 1, NULL, 'c' },
        { "depth", 1, NULL, 'd' }, { "warm-ms", 1, NULL, 'w' }, { "ms", 1, NULL, 'm' },
        { "path", 1, NULL, 'a' },  { "idle", 1, NULL, 'l' },    { NULL, 0, NULL, 0 },
    };
    int ch;

    while ((ch = getopt_long(argc, argv, "", names, NULL)) != -1) {
        int v = ch == '?' ? 0 : atoi(optarg);
        switch (ch) {
        case 'p': opts.port = v; break;
        case 'i': opts.pid = v; break;
        case 'c': opts.connections = v; break;
        case 'd': opts.depth = v; break;
        case 'w': opts.warm_ms = v; break;
        case 'm': opts.ms = v; break;
        case 'a': opts.path = optarg; break;
        case 'l': opts.idle = v; break;
        default: exit(2);
        }
    }
    if (opts.port <= 0 || opts.pid <= 0 || opts.connections <= 0 || opts.depth <= 0
        || opts.depth > DEPTH_MAX || strlen(opts.path) > 100) {
        fprintf(stderr, "usage: http_load --port P --pid SERVER --path PATH ...\n");
        exit(2);
    }
}

int main(int argc, char **argv)
{
    struct rlimit files;

    read_args(argc, argv);
    alarm(100);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && opts.idle + 200 > (int)files.rlim_cur)
        opts.idle = (int)files.rlim_cur - 200; // both sides have the same limit
    conns = calloc((size_t)(opts.connections + opts.idle + WARM_CONNECTIONS), sizeof *conns);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (conns == NULL || epoll_fd < 0)
        bench_die("http_load");
    make_message();
    if (opts.idle > 0) {
        measure_idle();
        return 0;
    }
    connect_all();
    measure_load(run_phase, opts.pid, opts.warm_ms, opts.ms, "requests");
    return 0;
}
