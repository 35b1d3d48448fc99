/* SPDX-License-Identifier: MIT */
/*
 * A server on all workers: one listener for each, on one port.
 *
 * The kernel deals the connections out, and what a worker was dealt it keeps. So the code is
 * that of a server on one worker, and nothing in it is shared.
 *
 *     build/hob run examples/17_shards.c 7000      # then, some times: nc localhost 7000
 *     build/hob run examples/17_shards.c           # 200 guests come, and count
 */
#include <stdlib.h>

#include <hob.h>

enum { WORKERS = 4, GUESTS = 200 };

static int greet(void *arg)
{
    hob_tcp *guest = arg;
    char     text[64];
    int      len = snprintf(text, sizeof text, "%u is your worker\n", hob_worker_number());
    (void)!hob_tcp_write(guest, text, (size_t)len); // a guest who has gone is no failure
    hob_tcp_close(guest);
    return 0;
}

/* Runs once on each worker, with a listener of its own. */
static int serve(hob_tcp_listener *listener, void *arg)
{
    hob_tcp *guest;
    HOB_SCOPE(guests);
    while (hob_tcp_accept(listener, &guest) == 0) {
        if (hob_go(&guests, greet, guest) < 0)
            hob_tcp_close(guest);
    }
    return hob_scope_end(&guests);
}

static int serve_on_all(void *arg)
{
    const int *port = arg;
    hob_addr   addr = hob_addr_loopback((uint16_t)*port);
    return hob_tcp_serve_sharded(&addr, NULL, serve, NULL);
}

/* Returns the number of the worker that served. */
static int visit(const hob_addr *server)
{
    hob_tcp *conn;
    char     text[64] = "";
    HOB_TRY(hob_tcp_connect(server, NULL, &conn));
    ssize_t n = hob_tcp_read(conn, text, sizeof text - 1);
    hob_tcp_close(conn);
    return n < 0 ? (int)n : atoi(text);
}

static int count_guests(void *arg)
{
    int   served[WORKERS] = { 0 };
    void *server;
    HOB_SCOPE(s);
    HOB_TRY(hob_go_ready(&s, serve_on_all, arg, &(hob_task_opts){ .daemon = 1 }, &server));
    for (int i = 0; i < GUESTS; i++)
        served[HOB_TRY(visit(server)) % WORKERS]++;
    for (int i = 0; i < WORKERS; i++)
        printf("worker %d served %d of %d guests\n", i, served[i], GUESTS);
    return hob_scope_end(&s);
}

int main(int argc, char **argv)
{
    int port = argc > 1 ? atoi(argv[1]) : 0;
    if (port > 0)
        return hob_run(serve_on_all, &port);
    return hob_run_with(&(hob_run_opts){ .workers = WORKERS }, count_guests, &port);
}
