/* SPDX-License-Identifier: MIT */
/*
 * Processes take a listener over from each other, many times, while clients connect all the time:
 * none is refused, cut off or forgotten. Two ways:
 *
 *     inherited   a keeper starts each server with the socket, and ends the one before
 *     passed      each server asks the one before for the socket, by a Unix socket, and that one
 *                 then stops by itself
 *
 * The servers are this program, started again.
 */
#include "support/io.h"

enum { HANDOVERS = 4, CLIENTS = 4 };

/* ---- a server: this program with HANDOVER_SERVER set ---- */

static int answer(void *arg)
{
    hob_tcp *conn = arg;
    char     byte;

    ssize_t n = hob_tcp_read(conn, &byte, 1);
    if (n > 0 && hob_sleep(1 * HOB_MSEC) == 0) // some are under way when it is asked to end
        n = hob_tcp_write(conn, &byte, 1);
    hob_tcp_close(conn);
    return n < 0 ? (int)n : 0;
}

static void say_ready(void)
{
    puts("ready");
    fflush(stdout);
}

static int accept_all(hob_tcp_listener *listener)
{
    HOB_SCOPE(s);
    for (;;) {
        hob_tcp *conn;
        HOB_TRY(hob_tcp_accept(listener, &conn));
        hob_go(&s, answer, conn);
    }
}

static int serve_inherited(void *arg)
{
    LISTENER(listener);
    HOB_TRY(hob_tcp_listener_from_fd(HOB_TRY(hob_inherited_fd("web", 0)), NULL, &listener));
    hob_inherited_forget();
    if (hob_inherited_count(NULL) != 0)
        return HOB_EBROKEN;
    say_ready();
    return accept_all(listener);
}

static int name_of(int number, hob_addr *ret_addr)
{
    char text[96];
    snprintf(text, sizeof text, "unix:@%s-%d", getenv("HANDOVER_SERVER"), number);
    return hob_addr_parse(text, ret_addr);
}

/* Gives the listener to the next server, and stops this one when that says it is ready. */
static int hand_over(void *arg)
{
    hob_tcp_listener *listener = arg;
    UNIX_LISTENER(door);
    UNIX(next);
    hob_addr addr;
    char     byte;
    int      fd = hob_tcp_listener_fd(listener);

    HOB_TRY(name_of(atoi(getenv("HANDOVER_NUMBER")), &addr));
    HOB_TRY(hob_unix_listen(&addr, &door));
    say_ready();
    HOB_TRY(hob_unix_accept(door, &next));
    HOB_TRY(hob_unix_send_fds(next, "L", 1, &fd, 1));
    HOB_TRY(hob_unix_read(next, &byte, 1));
    hob_stop("handed over");
    return 0;
}

/* Takes it from the one before: number 0 has inherited it. */
static int take_over(int number, hob_unix **ret_old, int *ret_fd)
{
    hob_addr addr;
    char     byte;
    size_t   count = 1;

    HOB_TRY(name_of(number - 1, &addr));
    HOB_TRY(hob_unix_connect(&addr, ret_old));
    HOB_TRY(hob_unix_recv_fds(*ret_old, &byte, 1, ret_fd, &count));
    return count == 1 ? 0 : HOB_EBROKEN;
}

static int serve_passed(void *arg)
{
    int number = atoi(getenv("HANDOVER_NUMBER")), fd = -1;
    LISTENER(listener);
    UNIX(old);

    if (number == 0)
        fd = HOB_TRY(hob_inherited_fd(NULL, 0));
    else
        HOB_TRY(take_over(number, &old, &fd));
    HOB_TRY(hob_tcp_listener_from_fd(fd, NULL, &listener));
    if (old != NULL)
        HOB_TRY(hob_unix_write(old, "R", 1));

    HOB_SCOPE(s);
    hob_go(&s, hand_over, listener);
    int r = accept_all(listener);
    hob_scope_cancel(&s, "stopped"); // hand_over may still wait for the next
    (void)!hob_scope_end(&s);
    return r;
}

__attribute__((constructor)) static void be_a_server(void)
{
    const char *passed = getenv("HANDOVER_SERVER");
    if (passed == NULL)
        return;
    die_with_parent();
    hob_run_opts opts = { .backend = getenv("HANDOVER_BACKEND") };
    int          r = hob_run_with(&opts, *passed == '\0' ? serve_inherited : serve_passed, NULL);
    // Stopped by hob_stop, or by the signal, when nobody had anything left to do.
    exit(r == 0 ? 0 : r < 0 ? 3 : r);
}

/* ---- the test ---- */

struct clients {
    hob_addr addr;
    int      answered;
    bool     stop;
};

static int keep_asking(void *arg)
{
    struct clients *clients = arg;
    while (!clients->stop) {
        TCP(conn);
        char byte = 'x';
        HOB_TRY(hob_tcp_connect(&clients->addr, NULL, &conn));
        HOB_TRY(hob_tcp_write(conn, &byte, 1));
        check_eq(HOB_TRY(hob_tcp_read(conn, &byte, 1)), 1);
        clients->answered++;
    }
    return 0;
}

static int start_server(hob_scope *scope, hob_tcp_listener *listener, const char *name, int number,
                        hob_process **ret_server)
{
    char variables[3][96];
    snprintf(variables[0], sizeof variables[0], "HANDOVER_SERVER=%s", name);
    snprintf(variables[1], sizeof variables[1], "HANDOVER_NUMBER=%d", number);
    snprintf(variables[2], sizeof variables[2], "HANDOVER_BACKEND=%s", hob_test_backend());
    const char *const  changes[] = { variables[0], variables[1], variables[2], NULL };
    hob_process_socket socket = { listener != NULL ? hob_tcp_listener_fd(listener) : -1, "web" };
    hob_process_opts   opts = {
        .in = HOB_STDIO_NULL, .out = HOB_STDIO_PIPE, .env_changes = changes,
        .sockets = &socket, .sockets_count = listener != NULL,
    };
    char word[8];

    check_ok(hob_process_start(scope, HOB_ARGV("/proc/self/exe"), &opts, ret_server));
    check_gt(hob_pipe_read(hob_process_out(*ret_server), word, sizeof word), 0);
    return 0;
}

static void close_process(hob_process **process)
{
    hob_process_close(*process);
    *process = NULL;
}

#define PROCESS(name) CLOSED_BY(close_process) hob_process *name = NULL

static int let_some_ask(struct clients *clients)
{
    int before = clients->answered;
    while (clients->answered < before + 10)
        HOB_TRY(hob_sleep(HOB_MSEC));
    return 0;
}

/* `passed`: the servers give the socket on; else we start each with it, and end the one before. */
static int replace_servers(bool passed)
{
    LISTENER(listener);
    PROCESS(server);
    struct clients     clients = { .answered = 0 };
    hob_process_result result = { 0 };
    char               name[64] = "";

    if (passed)
        snprintf(name, sizeof name, "hob-handover-%d-%s", (int)getpid(), hob_test_backend());
    check_ok(listen_here(&listener));
    clients.addr = hob_tcp_listener_addr(listener);
    HOB_SCOPE(s);
    check_ok(start_server(&s, listener, name, 0, &server));
    if (passed)
        close_listener(&listener); // it is theirs alone now
    HOB_SCOPE(asking);
    for (int i = 0; i < CLIENTS; i++)
        hob_go(&asking, keep_asking, &clients);
    for (int i = 1; i <= HANDOVERS; i++) {
        PROCESS(next);
        check_ok(let_some_ask(&clients));
        check_ok(start_server(&s, listener, name, i, &next));
        check_ok(passed ? hob_process_wait(server, &result) : hob_process_end(server, &result));
        check_eq(result.signal, 0);
        check_eq(result.code, 0);
        hob_process_close(server);
        server = next;
        next = NULL;
    }
    check_ok(let_some_ask(&clients));
    clients.stop = true;
    check_ok(hob_scope_end(&asking));
    check_ok(hob_process_end(server, &result));
    return 0;
}

static bool has_no_processes(void)
{
    return in_sim() || is_emulated() || is_in_valgrind();
}

TEST_AS(handover, inherited_listeners_lose_no_connection,
        HOB_TEST_EACH_BACKEND | HOB_TEST_ONE_SEED, NULL)
{
    if (has_no_processes())
        skip("no processes of this kind here");
    check_ok(replace_servers(false));
}

TEST_AS(handover, passed_listeners_lose_no_connection,
        HOB_TEST_EACH_BACKEND | HOB_TEST_ONE_SEED, NULL)
{
    if (has_no_processes())
        skip("no processes of this kind here");
    check_ok(replace_servers(true));
}

/* What a shell sees of it: the variables, with its own number, and the sockets. */
TEST_ON_ALL(handover, a_program_is_told_of_its_sockets)
{
    if (in_sim() || is_emulated())
        skip("no processes of this kind here");
    LISTENER(a);
    UDP(b);
    hob_addr           any = hob_addr_loopback(0);
    hob_process_output output;
    check_ok(listen_here(&a));
    check_ok(hob_udp_open(&any, &b));
    hob_process_socket sockets[] = { { hob_tcp_listener_fd(a), "web" }, { hob_udp_fd(b), NULL } };
    hob_process_fd     extra = { hob_udp_fd(b), 5 };
    hob_process_opts   opts = { .sockets = sockets, .sockets_count = 2, .fds = &extra, .fds_count = 1 };
    static const char  script[] = "[ $LISTEN_PID = $$ ] && echo $LISTEN_FDS $LISTEN_FDNAMES;"
                                  "for i in 3 4 5; do [ -S /proc/$$/fd/$i ] && echo $i; done";

    check_ok(hob_process_run(HOB_ARGV("sh", "-c", script), &opts, NULL, &output));
    int code = output.result.code;
    char text[64] = "";
    snprintf(text, sizeof text, "%s", output.out);
    hob_process_output_free(&output);
    check_eq(code, 0);
    check_str(text, "2 web:unknown\n3\n4\n5\n");

    sockets[0].name = "we:b";
    check_err(hob_process_run(HOB_ARGV("true"), &opts, NULL, &output), -EINVAL);
    sockets[0].name = "web";
    extra.as = 4; // taken
    check_err(hob_process_run(HOB_ARGV("true"), &opts, NULL, &output), -EINVAL);
}
