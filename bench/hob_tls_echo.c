/* SPDX-License-Identifier: MIT */
/*
 * A TLS echo server on Hob, as a user would write it: a task for each connection.
 *
 *     hob_tls_echo CERTIFICATE    PEM, with its key
 */
#include <hob.h>
#include <hob/tls.h>

#include "bench.h"

static hob_tls_config *config;
static const char     *cert_file;

static int serve(void *arg)
{
    hob_tcp *tcp = arg;
    hob_tls *conn;
    char     buf[16384];

    if (hob_tls_server(config, hob_tcp_stream(tcp), &conn) < 0) {
        hob_tcp_close(tcp);
        return 0;
    }
    for (;;) {
        ssize_t n = hob_tls_read(conn, buf, sizeof buf);

        if (n <= 0 || hob_tls_write(conn, buf, (size_t)n) < 0)
            break;
    }
    hob_tls_close(conn);
    return 0;
}

static int server(void *arg)
{
    hob_tls_identity  identity = { .cert_file = cert_file };
    hob_tls_opts      opts = { .identities = &identity, .identity_count = 1 };
    hob_addr          addr = hob_addr_loopback(0);
    hob_tcp_listener *listener;

    (void)arg;
    HOB_TRY(hob_tls_config_new(&opts, NULL, &config));
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

int main(int argc, char **argv)
{
    cert_file = argc == 2 ? argv[1] : "";
    return hob_run(server, NULL) == 0 ? 0 : 1;
}
