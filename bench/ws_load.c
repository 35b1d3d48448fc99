/* SPDX-License-Identifier: MIT */
/*
 * The load of a WebSocket echo server on 127.0.0.1: a closed loop, and what that cost the server in CPU
 * time.
 *
 *     ws_load --port P --pid SERVER [--connections C] [--depth D] [--size S] [--warm-ms W] [--ms T]
 *
 * Each of C connections sends D masked messages of S bytes of text in one piece, waits for the D that come
 * back, and sends the next. What comes back must be, byte for byte, the frames that a server makes of
 * them: one frame a message, no mask, the same text. Compression is not offered. Between two phases all
 * answers come in, and the server is idle when its CPU time is read (bench.h).
 */
#include "bench.h"
#include "latency.h"

#include <getopt.h>
#include <sys/epoll.h>

enum { EVENTS_MAX = 256, ANSWER_WAIT_MS = 5000, HEAD_MAX = 8, BATCH_MAX = 1 << 20 };

struct conn {
    int     fd;
    size_t  sent, got; /* bytes of the batch that is in flight */
    int64_t sent_ns;
};

static struct {
    int port, pid, connections, depth, size, warm_ms, ms;
} opts = { .connections = 64, .depth = 1, .size = 64, .warm_ms = 300, .ms = 1000 };

static struct conn *conns;
static int          epoll_fd;
static char         batch[BATCH_MAX], echoed[BATCH_MAX], in[BATCH_MAX];
static size_t       batch_len, echoed_len;

static void give_up(const char *why)
{
    fprintf(stderr, "ws_load: %s\n", why);
    exit(1);
}

static size_t put_head(char *to, int is_masked)
{
    unsigned char mask = is_masked ? 0x80 : 0;

    to[0] = (char)0x81; // a text, and all of it
    if (opts.size < 126) {
        to[1] = (char)(mask | opts.size);
        return 2;
    }
    to[1] = (char)(mask | 126);
    to[2] = (char)(opts.size >> 8);
    to[3] = (char)opts.size;
    return 4;
}

static void make_batch(void)
{
    uint64_t random = 88172645463325252u;

    for (int i = 0; i < opts.depth; i++) {
        uint32_t      word = (uint32_t)bench_random(&random);
        unsigned char key[4];

        memcpy(key, &word, 4);
        batch_len += put_head(batch + batch_len, 1);
        memcpy(batch + batch_len, key, 4);
        batch_len += 4;
        echoed_len += put_head(echoed + echoed_len, 0);
        for (int k = 0; k < opts.size; k++) {
            char c = (char)('a' + (bench_random(&random) >> 32) % 26);
            batch[batch_len++] = (char)(c ^ (char)key[k & 3]);
            echoed[echoed_len++] = c;
        }
    }
}

/* The handshake, with the key of RFC 6455 1.3 and its answer. */
static void shake(int fd)
{
    static const char ASK[] = "GET / HTTP/1.1\r\nHost: server\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                              "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    char              answer[4096];
    size_t            len = 0;

    if (send(fd, ASK, sizeof ASK - 1, MSG_NOSIGNAL) != sizeof ASK - 1)
        bench_die("send");
    do { // a byte at a time: what comes behind it is no part of it
        if (len == sizeof answer - 1 || recv(fd, answer + len, 1, 0) != 1)
            give_up("no answer to a handshake");
        answer[++len] = '\0';
    } while (len < 4 || memcmp(answer + len - 4, "\r\n\r\n", 4) != 0);
    if (strncmp(answer, "HTTP/1.1 101", 12) != 0 || strstr(answer, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") == NULL)
        give_up("the server does not want WebSockets");
}

static void connect_one(struct conn *c)
{
    struct sockaddr_in addr = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)opts.port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    struct timeval     limit = { .tv_sec = ANSWER_WAIT_MS / 1000 };
    struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c };

    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&addr, sizeof addr) < 0
        || setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) < 0)
        bench_die("connect");
    bench_no_delay(c->fd);
    shake(c->fd);
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &ev) < 0)
        bench_die("epoll_ctl");
}

/* As much of the batch as the connection takes now. */
static void send_some(struct conn *c)
{
    while (c->sent < batch_len) {
        ssize_t n = send(c->fd, batch + c->sent, batch_len - c->sent, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n < 0 && errno == EAGAIN)
            return;
        if (n < 0)
            bench_die("send");
        c->sent += (size_t)n;
    }
}

static void begin(struct conn *c, int64_t now)
{
    c->sent = c->got = 0;
    c->sent_ns = now;
    send_some(c);
}

/* Returns 1 when all that was sent is back. */
static int read_some(struct conn *c)
{
    while (c->got < echoed_len) {
        ssize_t n = recv(c->fd, in, sizeof in, MSG_DONTWAIT);

        if (n < 0 && errno == EAGAIN)
            return 0;
        if (n <= 0)
            give_up("the server closed a connection");
        if ((size_t)n > echoed_len - c->got || memcmp(in, echoed + c->got, (size_t)n) != 0)
            give_up("what came back is not what was sent");
        c->got += (size_t)n;
    }
    return 1;
}

/* Keeps a batch in flight on each connection until `end_ns`, then takes in what is still under way.
 * Returns how many messages came back. */
static uint64_t run_phase(int64_t end_ns, int measure)
{
    struct epoll_event events[EVENTS_MAX];
    uint64_t           messages = 0;
    int                in_flight = opts.connections;
    int64_t            now = bench_now_ns();

    for (int i = 0; i < opts.connections; i++)
        begin(&conns[i], now);
    while (in_flight > 0) {
        int n = epoll_wait(epoll_fd, events, EVENTS_MAX, ANSWER_WAIT_MS);

        if (n <= 0 && errno != EINTR)
            give_up("no answer for 5 s");
        for (int i = 0; i < n; i++) {
            struct conn *c = events[i].data.ptr;

            if (c->got == echoed_len) // it has nothing in flight
                continue;
            send_some(c);
            if (!read_some(c))
                continue;
            now = bench_now_ns();
            messages += (uint64_t)opts.depth;
            if (measure)
                latencies[bucket_of(now - c->sent_ns)]++;
            if (now < end_ns)
                begin(c, now);
            else
                in_flight--;
        }
    }
    usleep(2000);  // the server falls asleep, and its time is booked
    return messages;
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
        { "size", 1, NULL, 's' },  { NULL, 0, NULL, 0 },
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
        case 's': opts.size = v; break;
        default: exit(2);
        }
    }
    if (opts.port <= 0 || opts.pid <= 0 || opts.connections <= 0 || opts.depth <= 0 || opts.size <= 0
        || opts.size > 65535 || (opts.size + HEAD_MAX) * (int64_t)opts.depth > BATCH_MAX) {
        fprintf(stderr, "usage: ws_load --port P --pid SERVER ...\n");
        exit(2);
    }
}

int main(int argc, char **argv)
{
    read_args(argc, argv);
    alarm(100);
    conns = calloc((size_t)opts.connections, sizeof *conns);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (conns == NULL || epoll_fd < 0)
        bench_die("ws_load");
    make_batch();
    connect_all();
    measure_load(run_phase, opts.pid, opts.warm_ms, opts.ms, "messages");
    return 0;
}
