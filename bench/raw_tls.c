/* SPDX-License-Identifier: MIT */
/*
 * A TLS echo server on epoll and OpenSSL, by hand: the limit for libhob-tls.
 *
 *     raw_tls CERTIFICATE    PEM, with its key
 *
 * OpenSSL reads and writes the socket itself, and reads ahead: a record costs one read and not two.
 * epoll is level-triggered, so that a read which emptied the socket needs no second one to see that.
 * What the kernel does not take of an answer is kept in the connection, and no more is read until it
 * went out.
 */
#include "bench.h"

#include <signal.h>
#include <stdbool.h>
#include <sys/epoll.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

enum { EVENTS_MAX = 512, BUF_BYTES = 16384 };

struct conn {
    int    fd;
    SSL   *ssl;
    bool   shaken, waits_to_write;
    size_t unsent_at, unsent;
    char  *kept; /* made when it is first needed */
};

static SSL_CTX *context;
static int      epoll_fd, listen_fd;
static char     buf[BUF_BYTES];

static void conn_close(struct conn *c)
{
    SSL_free(c->ssl);
    close(c->fd);
    free(c->kept);
    free(c);
}

static void accept_one(void)
{
    struct conn       *c = calloc(1, sizeof *c);
    int                fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    struct epoll_event ev = { .events = EPOLLIN, .data.ptr = c };

    if (c == NULL || fd < 0) {
        free(c);
        return;
    }
    c->fd = fd;
    c->ssl = SSL_new(context);
    if (c->ssl == NULL || SSL_set_fd(c->ssl, fd) != 1 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0)
        bench_die("accept");
    SSL_set_accept_state(c->ssl);
}

static void wait_for(struct conn *c, bool to_write)
{
    struct epoll_event ev = { .events = to_write ? EPOLLOUT : EPOLLIN, .data.ptr = c };

    if (c->waits_to_write == to_write)
        return;
    c->waits_to_write = to_write;
    if (epoll_ctl(epoll_fd, EPOLL_CTL_MOD, c->fd, &ev) < 0)
        bench_die("epoll_ctl");
}

/* After a call that did not go: false when the connection has ended. */
static bool must_wait(struct conn *c, int r)
{
    int error = SSL_get_error(c->ssl, r);

    if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) {
        ERR_clear_error();
        return false;
    }
    wait_for(c, error == SSL_ERROR_WANT_WRITE);
    return true;
}

static void keep(struct conn *c, size_t len)
{
    if (c->kept == NULL && (c->kept = malloc(BUF_BYTES)) == NULL)
        bench_die("malloc");
    memcpy(c->kept, buf, len);
    c->unsent_at = 0;
    c->unsent = len;
}

/* Returns false when the connection has ended. */
static bool serve(struct conn *c)
{
    size_t n;
    int    r;

    if (!c->shaken && (r = SSL_do_handshake(c->ssl)) <= 0)
        return must_wait(c, r);
    c->shaken = true;
    do {
        if (c->unsent > 0) {
            r = SSL_write_ex(c->ssl, c->kept + c->unsent_at, c->unsent, &n);
            if (r <= 0)
                return must_wait(c, r);
            c->unsent = 0;
            wait_for(c, false);
        }
        r = SSL_read_ex(c->ssl, buf, sizeof buf, &n);
        if (r <= 0)
            return must_wait(c, r);
        size_t len = n;
        r = SSL_write_ex(c->ssl, buf, len, &n);
        if (r <= 0) {
            keep(c, len);
            return must_wait(c, r);
        }
    } while (SSL_has_pending(c->ssl));
    return true;
}

int main(int argc, char **argv)
{
    struct epoll_event events[EVENTS_MAX];
    struct epoll_event ev = { .events = EPOLLIN, .data.ptr = NULL };
    unsigned           port;

    context = SSL_CTX_new(TLS_server_method());
    if (argc != 2 || context == NULL || SSL_CTX_use_certificate_chain_file(context, argv[1]) != 1 ||
        SSL_CTX_use_PrivateKey_file(context, argv[1], SSL_FILETYPE_PEM) != 1)
        bench_die("usage: raw_tls CERTIFICATE");
    SSL_CTX_set_mode(context, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF); // tickets
    signal(SIGPIPE, SIG_IGN);
    listen_fd = bench_listen(SOCK_NONBLOCK, &port);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listen_fd, &ev) < 0)
        bench_die("epoll");
    bench_no_delay(listen_fd); // connections inherit it
    bench_serving(port);
    for (;;) {
        int n = epoll_wait(epoll_fd, events, EVENTS_MAX, -1);

        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr == NULL)
                accept_one();
            else if (!serve(events[i].data.ptr))
                conn_close(events[i].data.ptr);
        }
    }
}
