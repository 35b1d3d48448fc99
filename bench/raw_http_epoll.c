/* SPDX-License-Identifier: MIT */
/*
 * An HTTP server on epoll, by hand: the limit for Hob's on that backend.
 *
 * Edge-triggered, each connection registered once. All requests that one read brought are answered
 * by one send. A request cut in two is kept; a client that does not read its answers is closed.
 */
#include "http_answer.h"

#include <sys/epoll.h>

enum { EVENTS_MAX = 512, BUF_BYTES = 16384 };

struct conn {
    int    fd;
    size_t kept_len;
    char  *kept; /* the beginning of a request; made when it is first needed */
};

static char in[PARTIAL_MAX + BUF_BYTES], out[2 * BUF_BYTES];

static void conn_close(struct conn *c)
{
    close(c->fd);
    free(c->kept);
    free(c);
}

static int keep(struct conn *c, const char *bytes, size_t len)
{
    if (len > PARTIAL_MAX)
        return -1;
    if (c->kept == NULL && (c->kept = malloc(PARTIAL_MAX)) == NULL)
        return -1;
    memcpy(c->kept, bytes, len);
    c->kept_len = len;
    return 0;
}

static int answer(struct conn *c, size_t len)
{
    size_t used = 0;

    while (used < len) {
        size_t out_len = 0;
        size_t n = http_answer(in + used, len - used, out, sizeof out, &out_len);

        if (n == 0)
            return keep(c, in + used, len - used);
        if (send(c->fd, out, out_len, MSG_NOSIGNAL) != (ssize_t)out_len)
            return -1;
        used += n;
    }
    return 0;
}

static void serve(struct conn *c)
{
    for (;;) {
        size_t  had = c->kept_len;
        ssize_t n = recv(c->fd, in + had, BUF_BYTES, 0);

        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0)
            break;
        if (had > 0)
            memcpy(in, c->kept, had);
        c->kept_len = 0;
        if (answer(c, had + (size_t)n) < 0)
            break;
        if (n < BUF_BYTES)
            return;
    }
    conn_close(c);
}

static void accept_all(int epoll_fd, int listen_fd)
{
    for (;;) {
        int                fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        struct conn       *c;
        struct epoll_event ev = { .events = EPOLLIN | EPOLLRDHUP | EPOLLET };

        if (fd < 0)
            return;
        c = calloc(1, sizeof *c);
        if (c == NULL)
            bench_die("calloc");
        c->fd = fd;
        ev.data.ptr = c;
        if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0)
            bench_die("epoll_ctl");
    }
}

int main(void)
{
    struct epoll_event events[EVENTS_MAX];
    struct epoll_event ev = { .events = EPOLLIN | EPOLLET, .data.ptr = NULL };
    unsigned           port;
    int                listen_fd = bench_listen(SOCK_NONBLOCK, &port);
    int                epoll_fd = epoll_create1(EPOLL_CLOEXEC);

    if (epoll_fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listen_fd, &ev) < 0)
        bench_die("epoll");
    bench_no_delay(listen_fd);  // connections inherit it
    bench_serving(port);
    for (;;) {
        int n = epoll_wait(epoll_fd, events, EVENTS_MAX, -1);

        http_tick();
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr == NULL)
                accept_all(epoll_fd, listen_fd);
            else
                serve(events[i].data.ptr);
        }
    }
}
