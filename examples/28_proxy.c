/* SPDX-License-Identifier: MIT */
/*
 * A TCP proxy: what comes in here goes on to there, and the answers come back.
 *
 * Large transfers do not come into the program at all: hob_copy_both has the kernel move
 * them. An end in one direction is passed on, and the other direction goes on (half-close).
 *
 *     build/hob run examples/28_proxy.c 8000 127.0.0.1:80     # a proxy, until it is stopped
 *     build/hob run examples/28_proxy.c                       # with a server and four guests
 */
#include <inttypes.h>
#include <stdlib.h>

#include <hob.h>

/* ---- the proxy ---- */

static hob_sem reports = { .name = "reports" }; // one for each guest who has left

struct guest {
    int      number;
    hob_tcp *conn;
    hob_addr target;
};

static void report(int number, const hob_copied *there, const hob_copied *back, int result)
{
    uint64_t bytes = there->bytes + back->bytes, spliced = there->spliced + back->spliced;

    printf("guest %d: %" PRIu64 " bytes there, %" PRIu64 " back, %" PRIu64 "%% past the program",
           number, there->bytes, back->bytes, bytes > 0 ? 100 * spliced / bytes : 0);
    if (result < 0)
        printf("; %s", hob_error_name(result));
    printf("\n");
    fflush(stdout);
    hob_sem_release(&reports);
}

static int serve_guest(void *arg)
{
    struct guest *guest = arg;
    hob_tcp      *server;
    hob_copied    there = { 0 }, back = { 0 };

    int r = hob_tcp_connect(&guest->target, NULL, &server);
    if (r == 0) {
        r = hob_copy_both(hob_tcp_stream(guest->conn), hob_tcp_stream(server), NULL, &there, &back);
        hob_tcp_close(server);
    }
    hob_tcp_close(guest->conn);
    report(guest->number, &there, &back, r);
    return 0; // one guest's trouble is not the others'
}

static int run_proxy(hob_tcp_listener *listener, const hob_addr *target)
{
    struct guest guest = { .target = *target };
    HOB_SCOPE(guests);

    for (;;) {
        HOB_TRY(hob_tcp_accept(listener, &guest.conn));
        guest.number++;
        if (hob_go_copy(&guests, serve_guest, &guest, sizeof guest) < 0)
            hob_tcp_close(guest.conn);
    }
}

static int listen_and_proxy(uint16_t port, const hob_addr *target)
{
    hob_addr          here = hob_addr_loopback(port);
    hob_tcp_listener *listener;

    HOB_TRY(hob_tcp_listen(&here, NULL, &listener));
    here = hob_tcp_listener_addr(listener);
    printf("listening on port %d\n", (int)hob_addr_port(&here));
    fflush(stdout);
    hob_ready(&here);
    int r = run_proxy(listener, target);
    hob_tcp_listener_close(listener);
    return r;
}

/* ---- a server to stand behind it: each line is a number, the answer so many bytes ---- */

static int answer(hob_reader *in, hob_writer *out)
{
    static const char dots[4096] = { [0 ... 4095] = '.' };
    char             *line;
    ssize_t           len;

    while ((len = hob_reader_line(in, &line)) >= 0) {
        for (long left = atol(line); left > 0; left -= (long)sizeof dots) {
            size_t n = left < (long)sizeof dots ? (size_t)left : sizeof dots;
            HOB_TRY(hob_writer_write(out, dots, n));
        }
        HOB_TRY(hob_writer_flush(out));
    }
    return len == HOB_EOF ? 0 : (int)len;
}

static int serve_one(void *arg)
{
    hob_tcp   *conn = arg;
    hob_reader in;
    hob_writer out;

    hob_reader_init(&in, hob_tcp_stream(conn), &(hob_reader_opts){ .line_bytes_max = 20 });
    hob_writer_init(&out, hob_tcp_stream(conn), &(hob_writer_opts){ .buf_bytes = 32768 });
    (void)answer(&in, &out); // how it ends is for the guest to see
    hob_writer_fini(&out);
    hob_reader_fini(&in);
    hob_tcp_close(conn);
    return 0;
}

static int serve(void *arg)
{
    hob_tcp_listener *listener;
    hob_tcp          *conn;
    hob_addr          here = hob_addr_loopback(0);

    HOB_TRY(hob_tcp_listen(&here, NULL, &listener));
    here = hob_tcp_listener_addr(listener);
    hob_ready(&here);
    HOB_SCOPE(guests);
    while (hob_tcp_accept(listener, &conn) == 0) {
        if (hob_go(&guests, serve_one, conn) < 0)
            hob_tcp_close(conn);
    }
    hob_tcp_listener_close(listener);
    return hob_scope_end(&guests);
}

/* ---- guests ---- */

/* Asks for so much, says that this was all, reads up to `patience` bytes, and goes. Waits until the
 * proxy has heard of that. */
static int visit(const hob_addr *proxy, uint64_t wanted, uint64_t patience)
{
    char        ask[32], buf[16384];
    uint64_t    got = 0;
    hob_tcp    *conn;
    hob_limited limited;

    HOB_TRY(hob_tcp_connect(proxy, NULL, &conn));
    int     len = snprintf(ask, sizeof ask, "%" PRIu64 "\n", wanted);
    ssize_t n = hob_tcp_write(conn, ask, (size_t)len);
    if (n > 0)
        n = hob_tcp_shutdown(conn);
    hob_stream *answer = hob_limited_init(&limited, hob_tcp_stream(conn), patience);
    while (n >= 0 && (n = hob_stream_read(answer, buf, sizeof buf)) > 0)
        got += (uint64_t)n;
    hob_tcp_close(conn);
    HOB_TRY(hob_sem_acquire(&reports));
    if (n == 0 && got != (wanted < patience ? wanted : patience))
        return HOB_EOF;
    return (int)n;
}

static int proxy_to(void *arg)
{
    return listen_and_proxy(0, arg);
}

static int show(void *arg)
{
    void         *server, *proxy;
    hob_task_opts daemon = { .daemon = 1 };
    HOB_SCOPE(s);

    HOB_TRY(hob_go_ready(&s, serve, NULL, &daemon, &server));
    HOB_TRY(hob_go_ready(&s, proxy_to, server, &daemon, &proxy));
    HOB_TRY(visit(proxy, 5, UINT64_MAX));
    HOB_TRY(visit(proxy, 3000, UINT64_MAX));
    HOB_TRY(visit(proxy, 20000000, UINT64_MAX));
    HOB_TRY(visit(proxy, 20000000, 1000)); // goes away in the middle
    return hob_scope_end(&s);
}

static int start(void *arg)
{
    char   **argv = arg;
    hob_addr target;

    if (argv[1] == NULL)
        return show(NULL);
    HOB_TRY(hob_addr_parse(argv[2], &target));
    return listen_and_proxy((uint16_t)atoi(argv[1]), &target);
}

int main(int argc, char **argv)
{
    if (argc != 1 && argc != 3) {
        fprintf(stderr, "usage: %s [PORT TARGET]\n", argv[0]);
        return EXIT_FAILURE;
    }
    return hob_run(start, argv);
}
