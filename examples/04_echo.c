/* SPDX-License-Identifier: MIT */
/*
 * An echo server: a task for each client.
 *
 * The code reads as if there were one client. When it waits for that one, the
 * others are served.
 *
 *     build/hob run examples/04_echo.c 7000     # then, elsewhere: nc localhost 7000
 *     build/hob run examples/04_echo.c          # the kernel chooses the port
 *     build/hob run examples/04_echo.c --self-test
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <hob.h>

static int echo(void *arg)
{
    hob_tcp *client = arg;
    char     buf[4096];
    ssize_t  n;

    while ((n = hob_tcp_read(client, buf, sizeof buf)) > 0) {
        if (hob_tcp_write(client, buf, (size_t)n) < 0)
            break;
    }
    hob_tcp_close(client);
    return 0; // however this client left, the others stay
}

static int serve(void *arg)
{
    hob_tcp_listener *listener = arg;
    hob_tcp          *client;
    int               r;

    HOB_SCOPE(clients);
    while ((r = hob_tcp_accept(listener, &client)) == 0) {
        if (hob_go(&clients, echo, client) < 0)
            hob_tcp_close(client);
    }
    return r; // why nobody comes any more; the scope waits for those who are here
}

static int listen_and_serve(void *arg)
{
    const int        *port = arg;
    hob_addr          addr = hob_addr_loopback((uint16_t)*port);
    hob_tcp_listener *listener;
    HOB_TRY(hob_tcp_listen(&addr, NULL, &listener));

    addr = hob_tcp_listener_addr(listener);
    printf("listening on port %d\n", (int)hob_addr_port(&addr));
    fflush(stdout);
    hob_ready(&addr); // for whoever started us with hob_go_ready

    int r = serve(listener);
    hob_tcp_listener_close(listener);
    return r;
}

/* The other side of the wire: says something, and wants to hear it again. */
static int check_echo(void *arg)
{
    const hob_addr *server = arg;
    hob_tcp        *conn;
    HOB_TRY(hob_tcp_connect(server, NULL, &conn));

    char    said[] = "many pots, one stove", heard[sizeof said] = "";
    ssize_t n = hob_tcp_write(conn, said, sizeof said);
    if (n > 0)
        n = hob_stream_read_exactly(hob_tcp_stream(conn), heard, sizeof heard);
    hob_tcp_close(conn);

    if (n < 0)
        return (int)n;
    return strcmp(said, heard) == 0 ? 0 : -EPROTO;
}

/* Ten clients at once. The server is a daemon: it is cancelled when they are done. */
static int self_test(void *arg)
{
    hob_addr addr;
    void    *server;

    HOB_SCOPE(s);
    hob_scope_deadline(&s, hob_in(10 * HOB_SEC));
    HOB_TRY(hob_go_ready(&s, listen_and_serve, arg,
                         &(hob_task_opts){ .name = "server", .daemon = 1 }, &server));
    addr = *(hob_addr *)server;
    for (int i = 0; i < 10; i++)
        hob_go(&s, check_echo, &addr);
    HOB_TRY(hob_scope_end(&s));
    puts("10 clients heard their echo");
    return 0;
}

int main(int argc, char **argv)
{
    int port = 0;
    if (argc > 1 && strcmp(argv[1], "--self-test") == 0)
        return hob_run(self_test, &port);
    if (argc > 1)
        port = atoi(argv[1]);
    return hob_run(listen_and_serve, &port);
}
