/* SPDX-License-Identifier: MIT */
/*
 * A TCP echo server on libevent: a persistent read event for each connection, recv and send
 * in its callback. That is leaner than its bufferevents, so libevent is not made to look slow.
 * What the kernel does not take of an answer goes out blocking: the load never lets that happen.
 */
#include "bench.h"

#include <event2/event.h>
#include <fcntl.h>

enum { BUF_BYTES = 4096 };

static struct event_base *base;
static char               buf[BUF_BYTES];

static int send_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

        if (n < 0 && errno == EAGAIN) {
            fcntl(fd, F_SETFL, 0);
            continue;
        }
        if (n <= 0)
            return -1;
        data += n;
        len -= (size_t)n;
    }
    return 0;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct event **self = arg;
    ssize_t        n = recv(fd, buf, sizeof buf, 0);

    (void)what;
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0 || send_all(fd, buf, (size_t)n) < 0) {
        event_free(*self);
        free(self);
        close(fd);
    }
}

static void on_connection(evutil_socket_t listen_fd, short what, void *arg)
{
    (void)what;
    (void)arg;
    for (;;) {
        int            fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        struct event **self;

        if (fd < 0)
            return;
        self = malloc(sizeof *self);
        if (self == NULL)
            bench_die("malloc");
        *self = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, self);
        if (*self == NULL || event_add(*self, NULL) < 0)
            bench_die("event");
    }
}

int main(void)
{
    unsigned      port;
    int           listen_fd = bench_listen(SOCK_NONBLOCK, &port);
    struct event *listener;

    bench_no_delay(listen_fd);  // connections inherit it
    base = event_base_new();
    listener = base == NULL ? NULL : event_new(base, listen_fd, EV_READ | EV_PERSIST, on_connection, NULL);
    if (listener == NULL || event_add(listener, NULL) < 0)
        bench_die("libevent");
    bench_serving(port);
    return event_base_dispatch(base);
}
