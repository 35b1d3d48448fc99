/* SPDX-License-Identifier: MIT */
/*
 * A server that is replaced while it is busy, and nobody notices.
 *
 *     keeper ── listens; starts each server with the socket, and ends the one before
 *       ├── server 1 ── accepts ── SIGTERM ── finishes what it has begun ── gone
 *       ├── server 2       ...
 *       └── clients, all the time: every request is answered
 *
 * The socket and the queue of those who wait belong to all processes that have it. A new server says
 * "ready" before the old one is asked to end, and that one accepts no more, but finishes: so there
 * is no moment without somebody who accepts, and no connection is cut. Started by systemd with a
 * socket named "web", this program is a server too.
 *
 *     build/examples/38_handover
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <hob.h>

static void close_listener(void *listener)
{
    hob_tcp_listener_close(listener);
}

static void close_conn(void *conn)
{
    hob_tcp_close(conn);
}

/* ---- a server ---- */

static int answer(void *arg)
{
    hob_tcp *client = arg;
    char     request[64], text[64];

    ssize_t n = hob_tcp_read(client, request, sizeof request);
    if (n > 0) {
        (void)!hob_sleep(2 * HOB_MSEC); // work
        int len = snprintf(text, sizeof text, "process %d\n", (int)getpid());
        n = hob_tcp_write(client, text, (size_t)len);
    }
    hob_tcp_close(client);
    return n < 0 ? (int)n : 0;
}

/* Until the run stops: then accepting gives HOB_ESTOPPING, and the scope waits for its children. */
static int serve(void *arg)
{
    hob_tcp_listener *listener;
    hob_tcp          *client;
    int               fd = HOB_TRY(hob_inherited_fd("web", 0));

    hob_inherited_forget(); // it is for us alone
    HOB_TRY(hob_tcp_listener_from_fd(fd, NULL, &listener));
    HOB_DEFER(close_listener, listener);
    puts("ready");
    fflush(stdout);

    HOB_SCOPE(s);
    for (;;) {
        HOB_TRY(hob_tcp_accept(listener, &client));
        hob_go(&s, answer, client);
    }
}

/* ---- clients ---- */

struct clients {
    hob_addr addr;
    int      answered;
    int      stop;
};

static int ask(struct clients *clients)
{
    hob_tcp *conn;
    char     text[64];

    HOB_TRY(hob_tcp_connect(&clients->addr, NULL, &conn));
    HOB_DEFER(close_conn, conn);
    HOB_TRY(hob_tcp_write(conn, "who?\n", 5));
    ssize_t n = HOB_TRY(hob_tcp_read(conn, text, sizeof text));
    if (n < 8 || memcmp(text, "process ", 8) != 0)
        return hob_fail(HOB_EBROKEN); // cut off
    clients->answered++;
    return 0;
}

static int keep_asking(void *arg)
{
    struct clients *clients = arg;
    while (!clients->stop)
        HOB_TRY(ask(clients));
    return 0;
}

/* ---- the keeper ---- */

/* Starts a server with the socket, and waits until it says that it is ready. */
static int start_server(hob_scope *scope, const char *program, hob_tcp_listener *listener,
                        hob_process **ret_server)
{
    hob_process_socket socket = { hob_tcp_listener_fd(listener), "web" };
    hob_process_opts   opts = { .in = HOB_STDIO_NULL, .out = HOB_STDIO_PIPE,
                                .sockets = &socket, .sockets_count = 1 };
    char               word[8];

    HOB_TRY(hob_process_start(scope, HOB_ARGV(program, "serve"), &opts, ret_server));
    ssize_t n = hob_pipe_read(hob_process_out(*ret_server), word, sizeof word);
    if (n > 0)
        return 0;
    hob_process_close(*ret_server);
    return n < 0 ? (int)n : hob_fail(HOB_EBROKEN);
}

/* Asks it to end: it finishes what it has begun. */
static int end_server(hob_process *server)
{
    hob_process_result result;
    char               how[64];

    int r = hob_process_end(server, &result);
    hob_process_close(server);
    HOB_TRY(r);
    if (result.code != 0)
        printf("a server ended with %s\n", hob_process_describe(&result, how, sizeof how));
    return result.code == 0 ? 0 : hob_fail(HOB_EBROKEN);
}

static int keep(void *arg)
{
    enum { HANDOVERS = 3, CLIENTS = 4 };
    hob_addr          any = hob_addr_loopback(0);
    hob_tcp_listener *listener;
    hob_process      *server, *next;
    struct clients    clients = { .answered = 0 };

    HOB_TRY(hob_tcp_listen(&any, NULL, &listener));
    HOB_DEFER(close_listener, listener);
    clients.addr = hob_tcp_listener_addr(listener);
    HOB_SCOPE(s);
    HOB_TRY(start_server(&s, arg, listener, &server));
    HOB_SCOPE(asking);
    for (int i = 0; i < CLIENTS; i++)
        hob_go(&asking, keep_asking, &clients);

    for (int i = 0; i < HANDOVERS; i++) {
        int before = clients.answered;
        while (clients.answered < before + 20)
            HOB_TRY(hob_sleep(HOB_MSEC));
        HOB_TRY(start_server(&s, arg, listener, &next));
        HOB_TRY(end_server(server));
        server = next;
    }
    clients.stop = 1;
    HOB_TRY(hob_scope_end(&asking));
    HOB_TRY(end_server(server));
    printf("%d hand-overs, and every request was answered\n", HANDOVERS);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 1 || hob_inherited_count("web") > 0)
        return hob_run(serve, NULL);
    return hob_run(keep, argv[0]);
}
