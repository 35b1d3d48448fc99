/* SPDX-License-Identifier: MIT */
/*
 * A port forwarder: what comes in here goes on to there, both ways.
 *
 *     forward LISTEN-ADDRESS TARGET-ADDRESS
 *
 * Prints the address that it listens on, and runs until it is told to stop.
 */
#include <hob.h>

#include <stdlib.h>

struct forwarder {
    hob_tcp_listener *listener;
    hob_addr          target;
};

/* A connection from a client, and the place where it wants to be. */
struct guest {
    hob_tcp *conn;
    hob_addr target;
};

struct direction {
    hob_tcp *from, *to;
};

/* Copies until the sender has finished, and passes that on, too. */
static int copy(void *arg)
{
    struct direction *way = arg;
    char              buf[16384];

    for (;;) {
        ssize_t n = HOB_TRY(hob_tcp_read(way->from, buf, sizeof buf));
        if (n == 0)
            return hob_tcp_shutdown(way->to);
        HOB_TRY(hob_tcp_write(way->to, buf, (size_t)n));
    }
}

static int copy_both_ways(hob_tcp *client, hob_tcp *server)
{
    struct direction there = { client, server }, back = { server, client };
    HOB_SCOPE(s);

    hob_go(&s, copy, &there);
    hob_go(&s, copy, &back);
    return hob_scope_end(&s);
}

static int serve(void *arg)
{
    struct guest *guest = arg;
    hob_tcp      *server;

    int r = hob_tcp_connect(&guest->target, NULL, &server);
    if (r >= 0) {
        r = copy_both_ways(guest->conn, server);
        hob_tcp_close(server);
    }
    hob_tcp_close(guest->conn);
    if (r < 0 && !hob_cancelled())
        fprintf(stderr, "a connection ended early: %s\n", hob_strerror(r));
    return 0; // one guest's trouble is not the house's
}

static int accept_guests(struct forwarder *f)
{
    HOB_SCOPE(s);

    for (;;) {
        struct guest guest = { .target = f->target };
        HOB_TRY(hob_tcp_accept(f->listener, &guest.conn));
        if (hob_go_copy(&s, serve, &guest, sizeof guest) < 0)
            hob_tcp_close(guest.conn);
    }
}

static int forward(void *arg)
{
    char           **argv = arg;
    struct forwarder f;
    hob_addr         here;
    char             text[HOB_ADDR_TEXT_MAX];

    HOB_TRY(hob_addr_parse(argv[1], &here));
    HOB_TRY(hob_addr_parse(argv[2], &f.target));
    HOB_TRY(hob_tcp_listen(&here, NULL, &f.listener));
    here = hob_tcp_listener_addr(f.listener);
    printf("%s\n", hob_addr_format(&here, text, sizeof text));
    fflush(stdout);

    int r = accept_guests(&f);
    hob_tcp_listener_close(f.listener);
    return r;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: %s LISTEN-ADDRESS TARGET-ADDRESS\n", argv[0]);
        return EXIT_FAILURE;
    }
    return hob_run(forward, argv) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
