/* SPDX-License-Identifier: MIT */
/* A server of one page over TLS, for test_tls_peers.py: page CERT KEY. It answers each client once. */
#include <stdio.h>
#include <string.h>

#include <hob.h>
#include <hob/tls.h>

static const char PAGE[] = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nhello\n";

static int answer(hob_tls *conn)
{
    char   buf[4096];
    size_t len = 0;

    while (len < sizeof buf - 1) {
        ssize_t n = HOB_TRY(hob_tls_read(conn, buf + len, sizeof buf - 1 - len));
        len += (size_t)n;
        buf[len] = '\0';
        if (n == 0 || strstr(buf, "\r\n\r\n") != NULL)
            break;
    }
    HOB_TRY(hob_tls_write(conn, PAGE, sizeof PAGE - 1));
    return hob_tls_shutdown(conn);
}

static int serve(void *arg)
{
    static const char *const alpn[] = { "http/1.1", NULL };
    char                   **argv = arg;
    hob_addr                 addr = hob_addr_loopback(0);
    hob_tls_identity         id = { .cert_file = argv[1], .key_file = argv[2] };
    hob_tls_opts             opts = { .identities = &id, .identity_count = 1, .alpn = alpn };
    hob_tls_config          *config;
    hob_tcp_listener        *listener;

    HOB_TRY(hob_tls_config_new(&opts, NULL, &config));
    HOB_TRY(hob_tcp_listen(&addr, NULL, &listener));
    addr = hob_tcp_listener_addr(listener);
    printf("%d\n", (int)hob_addr_port(&addr));
    fflush(stdout);
    for (;;) {
        hob_tcp *tcp;
        hob_tls *conn;
        HOB_TRY(hob_tcp_accept(listener, &tcp));
        HOB_TRY(hob_tls_server(config, hob_tcp_stream(tcp), &conn));
        if (answer(conn) < 0)
            fprintf(stderr, "%s\n", hob_tls_error(conn));
        hob_tls_close(conn);
    }
}

int main(int argc, char **argv)
{
    return argc == 3 && hob_run(serve, argv) == 0 ? 0 : 1;
}
