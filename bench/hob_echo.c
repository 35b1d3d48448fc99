/* SPDX-License-Identifier: MIT */
/*
 * A TCP echo server on Hob, as a user would write it: a task for each connection, which
 * reads into a buffer on its stack and writes that. HOB_BACKEND chooses the backend.
 */
#include <hob.h>

#include "bench.h"

static int serve(void *arg)
{
    hob_tcp *conn = arg;
    char     buf[4096];

    for (;;) {
        ssize_t n = hob_tcp_read(conn, buf, sizeof buf);

        if (n <= 0 || hob_tcp_write(conn, buf, (size_t)n) < 0)
            break;
    }
    hob_tcp_close(conn);
    return 0;
}

static int server(void *arg)
{
    hob_addr          addr = hob_addr_loopback(0);
    hob_tcp_listener *listener;

    (void)arg;
    HOB_TRY(hob_tcp_listen(&addr, NULL, &listener));
    addr = hob_tcp_listener_addr(listener);
    bench_serving(hob_addr_port(&addr));

    HOB_SCOPE(connections);
    for (;;) {
        hob_tcp *conn;

        HOB_TRY(hob_tcp_accept(listener, &conn));
        hob_go(&connections, serve, conn);
    }
}

int main(void)
{
    return hob_run(server, NULL) == 0 ? 0 : 1;
}
