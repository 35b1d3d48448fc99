/* SPDX-License-Identifier: MIT */
/*
 * A TCP echo server on epoll, by hand: the limit for Hob's epoll backend.
 *
 * Edge-triggered, each connection registered once for both directions and never again. A
 * read that did not fill the buffer emptied the socket. What the kernel does not take of an
 * answer is kept in the connection, and no more is read until it went out.
 */
#include "bench.h"

#include <sys/epoll.h>

enum { EVENTS_MAX = 512, BUF_BYTES = 4096 };

struct conn {
    int    fd;
    size_t unsent_at;
    size_t unsent;
    char  *kept; /* made when it is first needed */
};

static char buf[BUF_BYTES];

static void conn_close(struct conn *c)
{
    close(c->fd);
    free(c->kept);
    free(c);
}

/* Returns 1 when all is out, 0 when the socket is full, or -1. */
static int send_kept(struct conn *c)
{
    while (c->unsent > 0) {
        ssize_t n = send(c->fd, c->kept + c->unsent_at, c->unsent, MSG_NOSIGNAL);

        if (n < 0)
            return errno == EAGAIN ? 0 : -1;
        c->unsent_at += (size_t)n;
        c->unsent -= (size_t)n;
    }
    return 1;
}

static int send_all(struct conn *c, const char *data, size_t len)
{
    ssize_t n = send(c->fd, data, len, MSG_NOSIGNAL);

    if (n == (ssize_t)len)
        return 1;
    if (n < 0 && errno != EAGAIN)
        return -1;
    if (c->kept == NULL && (c->kept = malloc(BUF_BYTES)) == NULL)
        return -1;
    c->unsent_at = 0;
    c->unsent = len - (size_t)(n < 0 ? 0 : n);
    memcpy(c->kept, data + len - c->unsent, c->unsent);
    return 0;
}

static void serve(struct conn *c)
{
    for (;;) {
        ssize_t n;
        int     r = c->unsent > 0 ? send_kept(c) : 1;

        if (r == 0)
            return;
        if (r < 0)
            break;
        n = recv(c->fd, buf, sizeof buf, 0);
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0)
            break;
        r = send_all(c, buf, (size_t)n);
        if (r < 0)
            break;
        if (r == 1 && n < (ssize_t)sizeof buf)
            return;
    }
    conn_close(c);
}

static void accept_all(int epoll_fd, int listen_fd)
{
    for (;;) {
        int                fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        struct conn       *c;
        struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET };

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

        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr == NULL)
                accept_all(epoll_fd, listen_fd);
            else
                serve(events[i].data.ptr);
        }
    }
}
