/* SPDX-License-Identifier: MIT */
/*
 * An echo server that nobody listens in on, and its client.
 *
 *     examples/34_tls server 7000 cert.pem key.pem     # kill -HUP: reads both files again
 *     examples/34_tls client 7000 ca.pem localhost     # says what it reads, until its input ends
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <hob.h>
#include <hob/tls.h>

/* Handshakes that may be under way at once: whoever only knocks cannot fill the house. */
static hob_sem unfinished = { .name = "unfinished handshakes", .permits = 100 };

struct client {
    hob_tls_config *config;
    hob_tcp        *tcp;
};

static int echo(hob_tls *conn)
{
    char    buf[4096];
    ssize_t n;

    while ((n = hob_tls_read(conn, buf, sizeof buf)) > 0)
        HOB_TRY(hob_tls_write(conn, buf, (size_t)n));
    return n < 0 ? (int)n : hob_tls_shutdown(conn);
}

static int serve_client(void *arg)
{
    struct client *client = arg;
    hob_tls       *conn;

    if (hob_tls_server(client->config, hob_tcp_stream(client->tcp), &conn) < 0) {
        hob_sem_release(&unfinished);
        hob_tcp_close(client->tcp);
        return 0;
    }
    int r = hob_tls_handshake(conn); // bounded: 10 seconds
    hob_sem_release(&unfinished);
    if (r == 0)
        r = echo(conn);
    if (r < 0)
        fprintf(stderr, "a client left: %s\n", hob_tls_error(conn));
    hob_tls_close(conn);
    return 0; // however this client left, the others stay
}

static int read_certificate_again(void *arg)
{
    hob_tls_config *config = arg;
    hob_tls_words   words;

    while (hob_signal_wait(HOB_SIGNALS(SIGHUP)) > 0) {
        int r = hob_tls_config_reload(config, NULL, &words);
        printf("%s\n", r == 0 ? "new clients see the new certificate" : words.text);
        fflush(stdout);
    }
    return 0;
}

static int serve(hob_tls_config *config, hob_tcp_listener *listener)
{
    struct client client = { .config = config };

    HOB_SCOPE(clients);
    hob_go_with(&clients, read_certificate_again, config, &(hob_task_opts){ .daemon = 1 });
    hob_addr addr = hob_tcp_listener_addr(listener);
    printf("listening on port %d\n", (int)hob_addr_port(&addr));
    fflush(stdout);
    for (;;) {
        HOB_TRY(hob_sem_acquire(&unfinished)); // before accept: the rest stand in line outside
        HOB_TRY(hob_tcp_accept(listener, &client.tcp));
        if (hob_go_copy(&clients, serve_client, &client, sizeof client) < 0)
            return -ENOMEM;
    }
}

static int run_server(char **argv)
{
    hob_addr          addr = hob_addr_loopback((uint16_t)atoi(argv[2]));
    hob_tls_identity  who_we_are = { .cert_file = argv[3], .key_file = argv[4] };
    hob_tls_opts      opts = { .identities = &who_we_are, .identity_count = 1 };
    hob_tls_words     words;
    hob_tls_config   *config;
    hob_tcp_listener *listener;

    int r = hob_tls_config_new(&opts, &words, &config);
    if (r < 0) {
        fprintf(stderr, "%s\n", words.text);
        return r;
    }
    r = hob_tcp_listen(&addr, NULL, &listener);
    if (r == 0) {
        r = serve(config, listener);
        hob_tcp_listener_close(listener);
    }
    hob_tls_config_free(config);
    return r;
}

/* ---- the client ---- */

static int say_all(hob_tls *conn)
{
    char      buf[4096], heard[4096];
    hob_pipe *input;
    ssize_t   n;

    HOB_TRY(hob_pipe_from_fd(0, &input));
    while ((n = hob_pipe_read(input, buf, sizeof buf)) > 0) {
        n = hob_tls_write(conn, buf, (size_t)n);
        if (n > 0)
            n = hob_stream_read_exactly(hob_tls_stream(conn), heard, (size_t)n);
        if (n <= 0)
            break;
        fwrite(heard, 1, (size_t)n, stdout);
    }
    hob_pipe_close(input);
    return n < 0 ? (int)n : hob_tls_shutdown(conn);
}

static int talk(hob_tls_config *config, hob_tcp *tcp, const char *name)
{
    hob_tls      *conn;
    hob_tls_facts facts;

    int r = hob_tls_client(config, hob_tcp_stream(tcp), name, &conn);
    if (r < 0) {
        hob_tcp_close(tcp); // on failure it is still ours
        return r;
    }
    r = hob_tls_handshake(conn);
    if (r == 0)
        r = hob_tls_negotiated(conn, &facts);
    if (r == 0) {
        printf("%s, %s\n", facts.version, facts.peer_subject);
        r = say_all(conn);
    }
    if (r < 0)
        fprintf(stderr, "%s\n", hob_tls_error(conn)); // "certificate is for a.example, not ..."
    hob_tls_close(conn); // and the TCP connection below
    return r;
}

static int run_client(char **argv)
{
    hob_addr        addr = hob_addr_loopback((uint16_t)atoi(argv[2]));
    hob_tls_opts    opts = { .ca_file = argv[3] };
    hob_tls_words   words;
    hob_tls_config *config;
    hob_tcp        *tcp;

    int r = hob_tls_config_new(&opts, &words, &config);
    if (r < 0) {
        fprintf(stderr, "%s\n", words.text);
        return r;
    }
    r = hob_tcp_connect(&addr, NULL, &tcp);
    if (r == 0)
        r = talk(config, tcp, argv[4]);
    hob_tls_config_free(config);
    return r;
}

static int run(void *arg)
{
    char **argv = arg;
    return strcmp(argv[1], "server") == 0 ? run_server(argv) : run_client(argv);
}

int main(int argc, char **argv)
{
    if (argc != 5 || (strcmp(argv[1], "server") != 0 && strcmp(argv[1], "client") != 0)) {
        fprintf(stderr, "34_tls server PORT CERT KEY, or 34_tls client PORT CA NAME\n");
        return 2;
    }
    return hob_run(run, argv) < 0 ? 1 : 0;
}
