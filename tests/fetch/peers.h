/* SPDX-License-Identifier: MIT */
/*
 * Servers for a test of the client: one of hob/http.h (http/site.h), and one that says bytes, whatever
 * they are. Both in the same process, on the kernel's loopback: libcurl knows no simulated sockets.
 */
#ifndef HOB_TESTS_FETCH_PEERS_H
#define HOB_TESTS_FETCH_PEERS_H

#include <hob/fetch.h>

#include "http/site.h"

#define NOT_IN_SIM()                                 \
    do {                                             \
        if (strcmp(hob_test_backend(), "sim") == 0)  \
            skip("libcurl wants the kernel's sockets"); \
    } while (0)

CLOSER(close_answer, hob_fetch_answer, hob_fetch_close)
CLOSER(free_client, hob_fetch_client, hob_fetch_client_free)

#define ANSWER(name) CLOSED_BY(close_answer) hob_fetch_answer *name = NULL
#define CLIENT(name) CLOSED_BY(free_client) hob_fetch_client *name = NULL

struct url {
    char text[256];
};

static inline struct url url_at(const hob_addr *addr, const char *rest)
{
    struct url url;
    snprintf(url.text, sizeof url.text, "http://127.0.0.1:%u%s", hob_addr_port(addr), rest);
    return url;
}

#define AT(site, rest) url_at(&(site)->addr, (rest)).text

/* ---- one that says what it is told to ---- */

enum { TAKEN = 1 };

struct liar {
    /* Talks with one client; the connection is closed behind it, unless it returns TAKEN. `number`
     * counts them from 0. */
    int  (*talk)(struct liar *liar, hob_tcp *conn, int number);
    void *arg;
    hob_addr addr;
    int  count;    /* of connections, so far */
    int  requests; /* of heads heard, so far */
    char heard[65536]; /* the last request's head */
};

/* Reads a head. Returns its length, or 0 or less at the end. */
static inline ssize_t hear_head(struct liar *liar, hob_tcp *conn)
{
    size_t len = 0;
    liar->heard[0] = '\0';
    while (strstr(liar->heard, "\r\n\r\n") == NULL && len < sizeof liar->heard - 1) {
        ssize_t n = hob_tcp_read(conn, liar->heard + len, sizeof liar->heard - 1 - len);
        if (n <= 0)
            return n;
        len += (size_t)n;
        liar->heard[len] = '\0';
    }
    liar->requests++;
    return (ssize_t)len;
}

struct guest_of {
    struct liar *liar;
    hob_tcp     *conn;
    int          number;
};

static inline int talk_to_guest(void *arg)
{
    struct guest_of *guest = arg;
    // How it went is for the client to see.
    if (guest->liar->talk(guest->liar, guest->conn, guest->number) != TAKEN)
        hob_tcp_close(guest->conn);
    return 0;
}

static inline int run_liar(void *arg)
{
    struct liar    *liar = arg;
    struct guest_of guest = { .liar = liar };
    int             r = 0;
    LISTENER(listener);
    HOB_SCOPE(guests);

    check_ok(listen_here(&listener));
    liar->addr = hob_tcp_listener_addr(listener);
    hob_ready(NULL);
    while ((r = hob_tcp_accept(listener, &guest.conn)) == 0) {
        guest.number = liar->count++;
        if (hob_go_copy(&guests, talk_to_guest, &guest, sizeof guest) < 0)
            hob_tcp_close(guest.conn);
    }
    hob_scope_cancel(&guests, "the test has ended");
    ignore(hob_scope_end(&guests));
    return r == -ECANCELED ? 0 : r;
}

static inline int open_liar(hob_scope *scope, struct liar *liar)
{
    return hob_go_ready(scope, run_liar, liar, &(hob_task_opts){ .daemon = 1, .name = "liar" }, NULL);
}

/* Answers each connection with the text at `arg`, once. */
static inline int say_it(struct liar *liar, hob_tcp *conn, int number)
{
    if (hear_head(liar, conn) > 0)
        ignore(say(conn, liar->arg));
    return 0;
}

#endif
