/* SPDX-License-Identifier: MIT */
/*
 * A server of HTTP on two workers is replaced by a new process, again and again, while clients ask all the
 * time: none of their requests fails.
 *
 * They ask in the three ways that a stop could cut off: over a connection of its own; with a body that is
 * under way for a while; and over a connection that is kept. The last may be closed between two requests,
 * as always in HTTP/1.1: then it is asked anew, once, and only if not a byte of an answer has come.
 *
 * The servers are this program, started again with the socket.
 */
#include "http/site.h"
#include "support/io.h"

enum { HANDOVERS = 6, CLIENTS_EACH = 2, WORKERS = 2 };

/* ---- a server: this program with HTTP_HANDOVER_BACKEND set ---- */

static int answer(hob_http_request *req, void *arg)
{
    char buf[64];
    while (HOB_TRY(hob_http_read(req, buf, sizeof buf)) > 0)
        continue;
    HOB_TRY(hob_sleep(1 * HOB_MSEC)); // some are under way when it is asked to end
    HOB_TRY(hob_http_add_header(req, "X-Server", getenv("HTTP_HANDOVER_NUMBER")));
    return hob_http_reply_text(req, 200, "hello");
}

static int serve_shard(hob_tcp_listener *listener, void *arg)
{
    return hob_http_serve(listener, NULL, answer, NULL);
}

static int serve_all(void *arg)
{
    int fd = HOB_TRY(hob_inherited_fd("web", 0));
    hob_inherited_forget();
    return hob_tcp_serve_sharded_fd(fd, NULL, serve_shard, NULL);
}

static int be_a_server(void *arg)
{
    HOB_SCOPE(s);
    HOB_TRY(hob_go_ready(&s, serve_all, NULL, NULL, NULL));
    puts("ready");
    fflush(stdout);
    return hob_scope_end(&s);
}

__attribute__((constructor)) static void maybe_be_a_server(void)
{
    if (getenv("HTTP_HANDOVER_BACKEND") == NULL)
        return;
    die_with_parent();
    hob_run_opts opts = { .backend = getenv("HTTP_HANDOVER_BACKEND"), .workers = WORKERS };
    exit(hob_run_with(&opts, be_a_server, NULL) == 0 ? 0 : 3);
}

/* ---- clients ---- */

struct clients {
    struct site site; /* its address is all that is used */
    int         answered, asked_anew;
    int         newest; /* server that has answered */
    bool        stop;
};

static int check_answer(struct clients *clients, const char *got)
{
    const char *number = strstr(got, "X-Server: ");
    check_eq(status_in(got), 200);
    check(number != NULL);
    int n = atoi(number + strlen("X-Server: "));
    clients->newest = n > clients->newest ? n : clients->newest;
    clients->answered++;
    return 0;
}

static int ask_over_new_ones(void *arg)
{
    struct clients *clients = arg;
    while (!clients->stop) {
        char got[512];
        TCP(conn);
        check_ok(visit(&clients->site, &conn));
        check_ok(say(conn, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
        check_ok(hear(conn, got, sizeof got));
        check_ok(check_answer(clients, got));
    }
    return 0;
}

static int ask_with_late_bodies(void *arg)
{
    struct clients *clients = arg;
    while (!clients->stop) {
        char got[512];
        TCP(conn);
        check_ok(visit(&clients->site, &conn));
        check_ok(hob_sleep(2 * HOB_MSEC));
        check_ok(say(conn, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n"));
        check_ok(hob_sleep(2 * HOB_MSEC));
        check_ok(say(conn, "Connection: close\r\n\r\nhello"));
        check_ok(hob_sleep(2 * HOB_MSEC));
        check_ok(say(conn, "hello"));
        check_ok(hear(conn, got, sizeof got));
        check_ok(check_answer(clients, got));
    }
    return 0;
}

/* False: the connection has ended, and it has never asked. */
static bool ask_over(hob_tcp *conn, char *got, size_t size)
{
    return say(conn, GET("/")) >= 0 && hear_until(conn, "hello", got, size) > 0;
}

static int ask_over_a_kept_one(void *arg)
{
    struct clients *clients = arg;
    TCP(conn);
    bool is_new = true;

    check_ok(visit(&clients->site, &conn));
    while (!clients->stop) {
        char got[512];
        bool is_answered = ask_over(conn, got, sizeof got);
        if (!is_answered) {
            check(!is_new);
            clients->asked_anew++;
        }
        if (is_answered)
            check_ok(check_answer(clients, got));
        is_new = !is_answered || strstr(got, "Connection: close") != NULL;
        if (is_new) {
            close_tcp(&conn);
            check_ok(visit(&clients->site, &conn));
        }
    }
    return 0;
}

/* ---- who replaces them ---- */

static int start_server(hob_scope *scope, hob_tcp_listener *listener, int number, hob_process **ret_server)
{
    char variables[2][64], word[8];
    snprintf(variables[0], sizeof variables[0], "HTTP_HANDOVER_BACKEND=%s", hob_test_backend());
    snprintf(variables[1], sizeof variables[1], "HTTP_HANDOVER_NUMBER=%d", number);
    const char *const  changes[] = { variables[0], variables[1], NULL };
    hob_process_socket socket = { hob_tcp_listener_fd(listener), "web" };
    hob_process_opts   opts = {
        .in = HOB_STDIO_NULL, .out = HOB_STDIO_PIPE, .env_changes = changes,
        .sockets = &socket, .sockets_count = 1, .grace_ns = 30 * HOB_SEC, // a busy machine
    };

    check_ok(hob_process_start(scope, HOB_ARGV("/proc/self/exe"), &opts, ret_server));
    check_gt(hob_pipe_read(hob_process_out(*ret_server), word, sizeof word), 0);
    return 0;
}

static int end_server(hob_process *server)
{
    hob_process_result result = { 0 };
    int                r = hob_process_end(server, &result);
    hob_process_close(server);
    check_ok(r);
    check_eq(result.signal, 0);
    check_eq(result.code, 0);
    return 0;
}

static int let_some_ask(const struct clients *clients)
{
    int before = clients->answered;
    while (clients->answered < before + 20)
        HOB_TRY(hob_sleep(HOB_MSEC));
    return 0;
}

TEST_AS(http_handover, no_request_fails_while_servers_are_replaced,
        HOB_TEST_EACH_BACKEND | HOB_TEST_ONE_SEED, NULL)
{
    if (in_sim() || is_emulated() || is_in_valgrind())
        skip("no processes of this kind here");
#ifdef __SANITIZE_THREAD__
    if (strcmp(hob_test_backend(), "uring") == 0)
        skip("ThreadSanitizer keeps a signal back until a call that it knows; io_uring_enter is none");
#endif
    struct clients clients = { .answered = 0 };
    hob_process   *server, *next;
    LISTENER(listener);

    hob_test_timeout(60);
    check_ok(listen_here(&listener));
    clients.site.addr = hob_tcp_listener_addr(listener);
    HOB_SCOPE(s);
    check_ok(start_server(&s, listener, 0, &server));
    HOB_SCOPE(asking);
    for (int i = 0; i < CLIENTS_EACH; i++) {
        hob_go(&asking, ask_over_new_ones, &clients);
        hob_go(&asking, ask_with_late_bodies, &clients);
        hob_go(&asking, ask_over_a_kept_one, &clients);
    }
    for (int i = 1; i <= HANDOVERS; i++) {
        check_ok(let_some_ask(&clients));
        check_ok(start_server(&s, listener, i, &next));
        check_ok(end_server(server));
        server = next;
        check_ok(let_some_ask(&clients));
        check_eq(clients.newest, i); // it is really another one
    }
    clients.stop = true;
    check_ok(hob_scope_end(&asking));
    check_ok(end_server(server));
}
