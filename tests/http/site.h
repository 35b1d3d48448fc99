/* SPDX-License-Identifier: MIT */
/* A server for a test, and clients that say what they are told to, byte by byte if need be. */
#ifndef HOB_TESTS_HTTP_SITE_H
#define HOB_TESTS_HTTP_SITE_H

#include <hob/http.h>

#include "support/io.h"

struct site {
    hob_http_handler *handler;
    void             *arg;
    hob_http_opts     opts;
    hob_http_stats    stats;
    hob_addr          addr;
    int               result; /* of hob_http_serve */
};

static inline int run_site(void *arg)
{
    struct site *site = arg;
    LISTENER(listener);

    check_ok(listen_here(&listener));
    site->addr = hob_tcp_listener_addr(listener);
    site->opts.stats = &site->stats;
    hob_ready(NULL);
    site->result = hob_http_serve(listener, &site->opts, site->handler, site->arg);
    return site->result == -ECANCELED ? 0 : site->result;
}

/* It ends with the other tasks of the scope. */
static inline int open_site(hob_scope *scope, struct site *site)
{
    return hob_go_ready(scope, run_site, site, &(hob_task_opts){ .daemon = 1, .name = "site" }, NULL);
}

static inline int visit(const struct site *site, hob_tcp **ret_conn)
{
    return hob_tcp_connect(&site->addr, NULL, ret_conn);
}

static inline ssize_t say(hob_tcp *conn, const char *text)
{
    return hob_tcp_write(conn, text, strlen(text));
}

/* Reads until the end, or until `size` - 1 bytes came; always with a NUL. */
static inline ssize_t hear(hob_tcp *conn, char *buf, size_t size)
{
    size_t  len = 0;
    ssize_t n = 1;
    while (n > 0 && len < size - 1) {
        n = hob_tcp_read(conn, buf + len, size - 1 - len);
        len += n > 0 ? (size_t)n : 0;
    }
    buf[len] = '\0';
    return n < 0 ? n : (ssize_t)len;
}

/* Reads until `last` has come, as the last words. */
static inline ssize_t hear_until(hob_tcp *conn, const char *last, char *buf, size_t size)
{
    size_t  len = 0, last_len = strlen(last);
    ssize_t n = 1;
    buf[0] = '\0';
    while (n > 0 && len < size - 1
           && (len < last_len || memcmp(buf + len - last_len, last, last_len) != 0)) {
        n = hob_tcp_read(conn, buf + len, size - 1 - len);
        len += n > 0 ? (size_t)n : 0;
        buf[len] = '\0';
    }
    return n < 0 ? n : (ssize_t)len;
}

/* Says it on a connection of its own, says that no more comes, and hears all of the answer. */
static inline ssize_t ask_bytes(const struct site *site, const void *bytes, size_t len, char *buf,
                                size_t size)
{
    TCP(conn);
    check_ok(visit(site, &conn));
    ssize_t n = hob_tcp_write(conn, bytes, len);
    if (n >= 0)
        ignore(hob_tcp_shutdown(conn));
    return hear(conn, buf, size);
}

static inline ssize_t ask(const struct site *site, const char *text, char *buf, size_t size)
{
    return ask_bytes(site, text, strlen(text), buf, size);
}

static inline int status_in(const char *answer)
{
    return strncmp(answer, "HTTP/1.1 ", 9) == 0 ? atoi(answer + 9) : 0;
}

/* How often `part` is in `text`. */
static inline int times_in(const char *text, const char *part)
{
    int n = 0;
    for (const char *at = text; (at = strstr(at, part)) != NULL; at += strlen(part))
        n++;
    return n;
}

/* For what the server does by itself, soon. */
#define WAIT_FOR(cond)                              \
    for (int waits_ = 0; !(cond); waits_++) {       \
        check(waits_ < 20000);                      \
        check_ok(hob_sleep(HOB_MSEC));              \
    }

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"

#endif
