/* SPDX-License-Identifier: MIT */
/* Sockets that others made: found by name, checked, taken over, and given back when they do not fit. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/un.h>

#include "support/io.h"

static void close_number(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

#define FD(name) CLOSED_BY(close_number) int name = -1

/* ---- what the environment says ---- */

static void tell(const char *pid, const char *fds, const char *names)
{
    static const char *const keys[] = { "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES" };
    const char *const        values[] = { pid, fds, names };
    for (int i = 0; i < 3; i++) {
        if (values[i] != NULL)
            setenv(keys[i], values[i], 1);
        else
            unsetenv(keys[i]);
    }
}

static const char *own_pid(void)
{
    static char text[16];
    snprintf(text, sizeof text, "%d", (int)getpid());
    return text;
}

TEST_BARE(inherit, names_and_numbers_are_found)
{
    tell(own_pid(), "4", "web:admin:web:");
    check_eq(hob_inherited_count(NULL), 4);
    check_eq(hob_inherited_count("web"), 2);
    check_eq(hob_inherited_count("admin"), 1);
    check_eq(hob_inherited_count(""), 1);
    check_eq(hob_inherited_count("we"), 0);
    check_eq(hob_inherited_count("webs"), 0);
    check_eq(hob_inherited_count("unknown"), 0);
    check_err(hob_inherited_fd("web", 2), -ENOENT);
    check_err(hob_inherited_fd(NULL, 4), -ENOENT);

    tell(own_pid(), "3", "one"); // fewer names than sockets
    check_eq(hob_inherited_count("one"), 1);
    check_eq(hob_inherited_count("unknown"), 2);
    tell(own_pid(), "1", "one:two:three"); // and more
    check_eq(hob_inherited_count(NULL), 1);
    check_eq(hob_inherited_count("two"), 0);
    tell(own_pid(), "2", NULL);
    check_eq(hob_inherited_count("unknown"), 2);
    hob_inherited_forget();
    check_eq(hob_inherited_count(NULL), 0);
    check(getenv("LISTEN_FDS") == NULL);
}

TEST_BARE(inherit, what_is_wrong_or_for_others_is_nothing)
{
    static const char *const wrong[] = { "", "-1", "+1", " 1", "1 ", "0x1", "1.0", "99999999999999999999",
                                         "1025", "a", "0" };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        tell(own_pid(), wrong[i], "web");
        check_eq(hob_inherited_count(NULL), 0);
        check_err(hob_inherited_fd(NULL, 0), -ENOENT);
        tell(wrong[i], "1", "web");
        check_eq(hob_inherited_count(NULL), 0);
    }
    tell("1", "1", "web");
    check_eq(hob_inherited_count(NULL), 0);
    tell(NULL, "1", "web");
    check_eq(hob_inherited_count(NULL), 0);
    tell(own_pid(), NULL, "web");
    check_eq(hob_inherited_count(NULL), 0);
    tell(NULL, NULL, NULL);
}

TEST_BARE(inherit, a_number_is_told_and_kept_from_children)
{
    enum { INDEX = 900, NUMBER = 3 + INDEX };
    char names[2 * INDEX + 8];
    int  fd = open("/dev/null", O_RDONLY);

    for (int i = 0; i < INDEX; i++)
        memcpy(names + 2 * i, "x:", 2);
    strcpy(names + 2 * INDEX, "it");
    tell(own_pid(), "1000", names);
    int before = dup2(fd, NUMBER);
    close(fd);
    check_eq(before, NUMBER);
    int r = hob_inherited_fd("it", 0), flags = fcntl(NUMBER, F_GETFD);
    close(NUMBER);
    check_eq(r, NUMBER);
    check_eq(flags & FD_CLOEXEC, FD_CLOEXEC);
    check_err(hob_inherited_fd("it", 0), -EBADF);
    check_eq(hob_inherited_count("x"), INDEX);
    tell(NULL, NULL, NULL);
}

/* ---- taking over ---- */

/* A socket as another program would have made it: blocking, and open in children. */
static int foreign_listener(struct sockaddr_in *ret_addr)
{
    socklen_t len = sizeof *ret_addr;
    int       fd = socket(AF_INET, SOCK_STREAM, 0);

    *ret_addr = (struct sockaddr_in){ .sin_family = AF_INET,
                                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    if (fd < 0 || bind(fd, (struct sockaddr *)ret_addr, len) < 0 || listen(fd, 8) < 0 ||
        getsockname(fd, (struct sockaddr *)ret_addr, &len) < 0)
        return -1;
    return fd;
}

static bool is_ours_now(int fd)
{
    return (fcntl(fd, F_GETFL) & O_NONBLOCK) != 0 && (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0;
}

static bool is_untouched(int fd)
{
    return (fcntl(fd, F_GETFL) & O_NONBLOCK) == 0 && (fcntl(fd, F_GETFD) & FD_CLOEXEC) == 0;
}

#define NEEDS_KERNEL()                                            \
    do {                                                          \
        if (in_sim())                                             \
            skip("the simulated world has no others' sockets");   \
    } while (0)

TEST_ON_ALL(inherit, a_listener_is_taken_over_with_who_waits)
{
    NEEDS_KERNEL();
    struct sockaddr_in at;
    FD(fd);
    LISTENER(listener);
    TCP(a);
    TCP(b);
    TCP(later);
    TCP(later_here);
    hob_addr addr;
    int      value;

    fd = foreign_listener(&at);
    check_ge(fd, 0);
    check_ok(hob_addr_from_sockaddr((struct sockaddr *)&at, sizeof at, &addr));
    check_ok(hob_tcp_connect(&addr, NULL, &a)); // nobody accepts yet
    check_ok(hob_tcp_listener_from_fd(fd, NULL, &listener));
    int number = fd;
    fd = -1;
    check_eq(hob_tcp_listener_fd(listener), number);
    check(is_ours_now(number));
    hob_addr same = hob_tcp_listener_addr(listener);
    check(hob_addr_equal(&addr, &same));
    check_ok(hob_tcp_accept(listener, &b));
    check_ok(hob_tcp_connect(&addr, NULL, &later)); // has our options; the first was made before
    check_ok(hob_tcp_accept(listener, &later_here));
    check_ok(hob_tcp_get_option(later_here, HOB_OPT_NO_DELAY, &value));
    check_eq(value, 1);
    check_eq(hob_tcp_write(a, "x", 1), 1);
    char buf[2];
    check_eq(hob_tcp_read(b, buf, sizeof buf), 1);
    close_listener(&listener);
    check_eq(fcntl(number, F_GETFD), -1);
}

TEST_ON_ALL(inherit, what_does_not_fit_stays_as_it_was)
{
    NEEDS_KERNEL();
    struct sockaddr_in  at;
    FD(listening);
    FD(fresh);
    FD(udp);
    FD(file);
    hob_tcp_listener   *listener = NULL;
    hob_unix_listener  *unix_listener = NULL;
    hob_udp            *udp_socket = NULL;
    hob_tcp            *conn = NULL;
    hob_tcp_listen_opts wrong = { .conn = { .ttl = 1000 } };

    listening = foreign_listener(&at);
    fresh = socket(AF_INET, SOCK_STREAM, 0);
    udp = socket(AF_INET, SOCK_DGRAM, 0);
    file = open("/dev/null", O_RDONLY);
    check_err(hob_tcp_listener_from_fd(fresh, NULL, &listener), -EINVAL);
    check_err(hob_tcp_listener_from_fd(udp, NULL, &listener), -EPROTOTYPE);
    check_err(hob_tcp_listener_from_fd(file, NULL, &listener), -ENOTSOCK);
    check_err(hob_tcp_listener_from_fd(4711, NULL, &listener), -EBADF);
    check_err(hob_unix_listener_from_fd(listening, &unix_listener), -EAFNOSUPPORT);
    check_err(hob_udp_from_fd(listening, NULL, &udp_socket), -EPROTOTYPE);
    check_err(hob_tcp_from_fd(listening, NULL, &conn), -EINVAL);
    check(is_untouched(fresh));
    check(is_untouched(udp));
    check(is_untouched(file));
    check(is_untouched(listening));
    check_err(hob_tcp_from_fd(fresh, NULL, &conn), -ENOTCONN);
    check_err(hob_tcp_listener_from_fd(listening, &wrong, &listener), -EINVAL);
    check_ge(fcntl(listening, F_GETFD), 0); // ours to close
    check_ge(fcntl(fresh, F_GETFD), 0);
}

TEST_ON_ALL(inherit, the_simulated_world_has_none)
{
    hob_tcp_listener *listener = NULL;
    hob_udp          *udp = NULL;

    if (!in_sim())
        skip("there are descriptors here");
    check_err(hob_tcp_listener_from_fd(3, NULL, &listener), -EBADF);
    check_err(hob_udp_from_fd(3, NULL, &udp), -EBADF);
}

TEST_ON_ALL(inherit, udp_and_unix_sockets_are_taken_over)
{
    NEEDS_KERNEL();
    UDP(udp);
    UDP(other);
    UNIX(conn);
    DGRAM(dgram);
    int      fd = socket(AF_INET, SOCK_DGRAM, 0), pair[2], dgrams[2];
    hob_addr any = hob_addr_loopback(0);
    char     buf[8];

    check_ok(hob_udp_from_fd(fd, NULL, &udp));
    check_eq(hob_udp_fd(udp), fd);
    check_ok(hob_udp_open(&any, &other));
    hob_addr to = hob_udp_local_addr(other);
    check_eq(hob_udp_send(udp, "hi", 2, &to), 2);
    check_eq(hob_udp_recv(other, buf, sizeof buf, NULL), 2);

    check_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    check_ok(hob_unix_from_fd(pair[0], &conn));
    check_eq(write(pair[1], "abc", 3), 3);
    check_eq(hob_unix_read(conn, buf, sizeof buf), 3);
    close(pair[1]);
    check_eq(hob_unix_read(conn, buf, sizeof buf), 0);

    check_eq(socketpair(AF_UNIX, SOCK_DGRAM, 0, dgrams), 0);
    check_ok(hob_unix_dgram_from_fd(dgrams[0], &dgram));
    check_eq(send(dgrams[1], "four", 4, 0), 4);
    check_eq(hob_unix_dgram_recv(dgram, buf, sizeof buf, NULL), 4);
    close(dgrams[1]);
}

TEST_ON_ALL(inherit, a_unix_listener_that_was_handed_over_keeps_its_file)
{
    NEEDS_KERNEL();
    UNIX_LISTENER(old);
    UNIX_LISTENER(new);
    UNIX(a);
    UNIX(b);
    char     text[600];
    hob_addr addr;

    snprintf(text, sizeof text, "unix:%s", scratch_path("s"));
    check_ok(hob_addr_parse(text, &addr));
    check_ok(hob_unix_listen(&addr, &old));
    check_ok(hob_unix_listener_from_fd(dup(hob_unix_listener_fd(old)), &new));
    hob_unix_listener_keep_file(old);
    close_unix_listener(&old);
    check_ok(hob_unix_connect(&addr, &a));
    check_ok(hob_unix_accept(new, &b));
    close_unix_listener(&new);
    check_ok(hob_path_unlink(text + 5));
}

/* ---- many workers, one queue ---- */

static hob_addr shard_addr;

static int serve_one(void *arg)
{
    hob_tcp *conn = arg;
    char     byte;
    ssize_t  n = hob_tcp_read(conn, &byte, 1);
    if (n == 1)
        n = hob_tcp_write(conn, &byte, 1);
    hob_tcp_close(conn);
    return n < 0 ? (int)n : 0;
}

static int serve_shard(hob_tcp_listener *listener, void *arg)
{
    HOB_SCOPE(s);
    for (;;) {
        hob_tcp *conn;
        HOB_TRY(hob_tcp_accept(listener, &conn));
        hob_go(&s, serve_one, conn);
    }
}

static int serve_copies(void *arg)
{
    return hob_tcp_serve_sharded_fd(*(int *)arg, NULL, serve_shard, NULL);
}

static int call_shards(void *arg)
{
    char byte = 'x';
    for (int i = 0; i < 40; i++) {
        TCP(conn);
        HOB_TRY(hob_tcp_connect(&shard_addr, NULL, &conn));
        HOB_TRY(hob_tcp_write(conn, &byte, 1));
        check_eq(HOB_TRY(hob_tcp_read(conn, &byte, 1)), 1);
    }
    return 0;
}

static int serve_and_call(void *arg)
{
    HOB_SCOPE(s);
    void *addr;
    HOB_TRY(hob_go_ready(&s, serve_copies, arg, NULL, &addr));
    shard_addr = *(const hob_addr *)addr;
    HOB_SCOPE(clients);
    for (int i = 0; i < 4; i++)
        hob_go(&clients, call_shards, NULL);
    int r = hob_scope_end(&clients);
    hob_scope_cancel(&s, "done");
    (void)!hob_scope_end(&s);
    return r;
}

TEST_BARE_ON_ALL(inherit, each_worker_takes_from_one_queue)
{
    NEEDS_KERNEL();
    struct sockaddr_in at;
    FD(fd);
    hob_run_opts       opts;

    fd = foreign_listener(&at);
    hob_test_run_opts(&opts);
    opts.workers = 3;
    check_ok(hob_run_with(&opts, serve_and_call, &fd));
    check_ge(fcntl(fd, F_GETFD), 0);
}
