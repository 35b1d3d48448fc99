/* SPDX-License-Identifier: MIT */
#include <sys/un.h>

#include "io/conn.h"
#include "support/io.h"

#undef unix // an old macro of gcc's, which is 1

/* "unix:" and a file of that name in the scratch folder. */
static hob_addr scratch_addr(const char *name)
{
    char     text[256];
    hob_addr addr = { 0 };

    snprintf(text, sizeof text, "unix:%s/%s", hob_test_scratch(), name);
    (void)!hob_addr_parse(text, &addr);
    return addr;
}

static const char *path_of(const hob_addr *addr)
{
    return (const char *)addr->u.raw + offsetof(struct sockaddr_un, sun_path);
}

static int there_is(const hob_addr *addr)
{
    struct stat st;
    return hob_path_stat(path_of(addr), &st);
}

static int kernel_fd(hob_unix *conn)
{
    return ((struct conn *)conn)->desc.fd;
}

/* ---- streams ---- */

TEST_ON_ALL(unix, what_one_end_writes_the_other_reads)
{
    UNIX(a);
    UNIX(b);
    char buf[16];

    check_ok(hob_unix_pair(&a, &b));
    check_eq(hob_unix_write(a, "hello", 5), 5);
    check_eq(hob_unix_read(b, buf, sizeof buf), 5);
    check_mem(buf, "hello", 5);
    check_ok(hob_unix_shutdown(a));
    check_eq(hob_unix_read(b, buf, sizeof buf), 0);
    check_eq(hob_unix_write(b, "well", 4), 4);
    check_eq(hob_unix_read(a, buf, sizeof buf), 4);
}

TEST_ON_ALL(unix, a_listener_on_a_path_accepts)
{
    UNIX_LISTENER(listener);
    UNIX(client);
    UNIX(server);
    hob_addr addr = scratch_addr("s");
    char     buf[4];

    check_ok(hob_unix_listen(&addr, &listener));
    check_ok(hob_unix_connect(&addr, &client));
    check_ok(hob_unix_accept(listener, &server));
    check_eq(hob_unix_write(client, "ping", 4), 4);
    check_eq(hob_unix_read(server, buf, 4), 4);
}

TEST_ON_ALL(unix, an_abstract_name_needs_no_file)
{
    UNIX_LISTENER(listener);
    UNIX_LISTENER(second);
    UNIX(client);
    UNIX(server);
    char     text[64];
    hob_addr addr;

    snprintf(text, sizeof text, "unix:@hob-test-%d", (int)getpid());
    check_ok(hob_addr_parse(text, &addr));
    check_ok(hob_unix_listen(&addr, &listener));
    check_err(hob_unix_listen(&addr, &second), -EADDRINUSE);
    check_ok(hob_unix_connect(&addr, &client));
    check_ok(hob_unix_accept(listener, &server));
    close_unix_listener(&listener);
    check_ok(hob_unix_listen(&addr, &second));
}

TEST_ON_ALL(unix, nobody_is_told_apart_from_nothing)
{
    UNIX_LISTENER(listener);
    UNIX(conn);
    hob_addr addr = scratch_addr("s");

    check_err(hob_unix_connect(&addr, &conn), -ENOENT);
    check_ok(hob_unix_listen(&addr, &listener));
    check_ok(hob_unix_connect(&addr, &conn));
}

TEST_ON_ALL(unix, an_address_of_another_family_is_refused)
{
    UNIX_LISTENER(listener);
    UNIX(conn);
    DGRAM(socket);
    hob_addr ip = hob_addr_loopback(0);

    check_err(hob_unix_listen(&ip, &listener), -EAFNOSUPPORT);
    check_err(hob_unix_connect(&ip, &conn), -EAFNOSUPPORT);
    check_err(hob_unix_dgram_open(&ip, &socket), -EAFNOSUPPORT);
}

/* SURVIVAL 45: the peer is gone. */
TEST_ON_ALL(unix, writing_to_a_peer_that_is_gone_is_an_error_and_no_signal)
{
    UNIX(a);
    UNIX(b);
    char buf[4];

    check_ok(hob_unix_pair(&a, &b));
    close_unix(&b);
    check_err(hob_unix_write(a, "x", 1), -EPIPE);
    check_eq(hob_unix_read(a, buf, sizeof buf), 0);
}

TEST_ON_ALL(unix, the_three_styles_give_the_same_answers)
{
    FOR_EACH_STYLE(wait)
    {
        UNIX_LISTENER(listener);
        UNIX(client);
        UNIX(server);
        hob_op   op;
        char     buf[8];
        hob_addr addr = scratch_addr("s");

        check_ok(hob_unix_listen(&addr, &listener));
        check_ok(hob_unix_connect_prep(&op, &addr, &client));
        check_eq(wait(&op), 0);
        check_ok(hob_unix_accept_prep(&op, listener, &server));
        check_eq(wait(&op), 0);
        hob_unix_write_prep(&op, client, "hello", 5);
        check_eq(wait(&op), 5);
        hob_unix_read_prep(&op, server, buf, sizeof buf);
        check_eq(wait(&op), 5);
        close_unix_listener(&listener);
        check_ok(hob_unix_connect_prep(&op, &addr, &client));
        check_err(wait(&op), -ENOENT);
    }
}

static int read_task(void *arg)
{
    struct io *io = arg;
    io->result = hob_unix_read(io->buf, io->room, sizeof io->room);
    return 0;
}

/* SURVIVAL 16. */
TEST_ON_ALL(unix, closing_gives_the_reader_back)
{
    UNIX(a);
    UNIX(b);

    check_ok(hob_unix_pair(&a, &b));
    struct io io = { .buf = a, .result = 1 };
    HOB_SCOPE(s);
    hob_go(&s, read_task, &io);
    settle();
    close_unix(&a);
    check_ok(hob_scope_end(&s));
    check_err(io.result, -ECANCELED);
}

/* ---- the socket's file ---- */

/* Leaves a socket file behind, as a server that was killed does. */
static int leave_stale_file(const hob_addr *addr, int type)
{
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

    check_ok(fd);
    int r = bind(fd, (const struct sockaddr *)addr->u.raw, addr->len);
    close(fd);
    check_ok(r);
    return 0;
}

/* SURVIVAL 45: a stale file. */
TEST_ON_ALL(unix, a_stale_file_is_replaced)
{
    UNIX_LISTENER(listener);
    UNIX(conn);
    DGRAM(socket);
    hob_addr addr = scratch_addr("stale"), dgram_addr = scratch_addr("stale-dgram");

    if (in_sim())
        skip("nobody can be killed here");
    check_ok(leave_stale_file(&addr, SOCK_STREAM));
    check_err(hob_unix_connect(&addr, &conn), -ECONNREFUSED);
    check_ok(hob_unix_listen(&addr, &listener));
    check_ok(hob_unix_connect(&addr, &conn));

    check_ok(leave_stale_file(&dgram_addr, SOCK_DGRAM));
    check_ok(hob_unix_dgram_open(&dgram_addr, &socket));
}

TEST_ON_ALL(unix, the_file_of_a_living_listener_is_in_use)
{
    UNIX_LISTENER(listener);
    UNIX_LISTENER(second);
    UNIX(client);
    UNIX(server);
    DGRAM(socket);
    hob_addr addr = scratch_addr("s");

    check_ok(hob_unix_listen(&addr, &listener));
    check_err(hob_unix_listen(&addr, &second), -EADDRINUSE);
    check_err(hob_unix_dgram_open(&addr, &socket), -EADDRINUSE);
    check_ok(hob_unix_connect(&addr, &client));
    check_ok(hob_unix_accept(listener, &server)); // it never saw the question
}

TEST_ON_ALL(unix, a_file_that_is_no_socket_is_not_replaced)
{
    UNIX_LISTENER(listener);
    FILE_(file);
    hob_addr addr = scratch_addr("precious");

    check_ok(hob_file_open(path_of(&addr), O_CREAT | O_WRONLY, 0600, &file));
    int r = hob_unix_listen(&addr, &listener);
    check_lt(r, 0);
    check_ok(there_is(&addr));
}

TEST_ON_ALL(unix, a_listener_takes_its_file_along)
{
    UNIX_LISTENER(listener);
    DGRAM(socket);
    hob_addr addr = scratch_addr("s"), dgram_addr = scratch_addr("d");

    check_ok(hob_unix_listen(&addr, &listener));
    check_ok(there_is(&addr));
    close_unix_listener(&listener);
    check_err(there_is(&addr), -ENOENT);

    check_ok(hob_unix_dgram_open(&dgram_addr, &socket));
    check_ok(there_is(&dgram_addr));
    close_dgram(&socket);
    check_err(there_is(&dgram_addr), -ENOENT);
}

TEST_ON_ALL(unix, a_listener_leaves_the_file_of_its_successor)
{
    UNIX_LISTENER(old);
    UNIX_LISTENER(successor);
    UNIX(client);
    hob_addr addr = scratch_addr("s");

    if (in_sim())
        skip("nobody else can remove a file here");
    check_ok(hob_unix_listen(&addr, &old));
    check_ok(unlink(path_of(&addr)));
    check_ok(hob_unix_listen(&addr, &successor));
    close_unix_listener(&old);
    check_ok(hob_unix_connect(&addr, &client));
}

/* ---- passing descriptors ---- */

static int count_fds(void)
{
    int count = 0;
    for (int fd = 0; fd < 1024; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

#define FD(name) CLOSED_BY(close_fd) int name = -1

TEST_ON_ALL(unix, a_descriptor_arrives_as_a_copy_of_the_same_thing)
{
    UNIX(a);
    UNIX(b);
    FD(reader);
    FD(writer);
    FD(copy);
    int    fds[2];
    char   buf[8];
    size_t count = 1;

    if (in_sim())
        skip("descriptors are numbers here");
    check_ok(pipe(fds));
    reader = fds[0];
    writer = fds[1];
    check_ok(hob_unix_pair(&a, &b));
    check_eq(hob_unix_send_fds(a, "here", 4, &writer, 1), 4);
    check_eq(hob_unix_recv_fds(b, buf, sizeof buf, &copy, &count), 4);
    check_mem(buf, "here", 4);
    check_eq(count, 1);
    check_ne(copy, writer);
    check_eq(fcntl(copy, F_GETFD), FD_CLOEXEC);
    check_eq(write(copy, "x", 1), 1);
    check_eq(read(reader, buf, 1), 1);
}

/* A reader that was there before must not have taken the message that carries it. */
TEST_ON_ALL(unix, a_descriptor_survives_ordinary_reads_before_it)
{
    UNIX(a);
    UNIX(b);
    FD(copy);
    char   buf[8];
    int    zero = 0;
    size_t count = 1;

    if (in_sim())
        skip("descriptors are numbers here");
    check_ok(hob_unix_pair(&a, &b));
    struct io io = { .buf = b, .result = 1 };
    {
        HOB_SCOPE(s);
        hob_go(&s, read_task, &io);
        settle();
        check_eq(hob_unix_write(a, "plain", 5), 5);
        check_ok(hob_scope_end(&s));
    }
    check_eq(io.result, 5);
    check_eq(hob_unix_send_fds(a, "here", 4, &zero, 1), 4);
    check_ok(hob_sleep(1 * HOB_MSEC));
    check_eq(hob_unix_recv_fds(b, buf, sizeof buf, &copy, &count), 4);
    check_eq(count, 1);
}

/* SURVIVAL 45: a descriptor that nobody takes. */
TEST_ON_ALL(unix, descriptors_that_nobody_takes_are_closed)
{
    UNIX(a);
    UNIX(b);
    char buf[8];
    int  sent[3] = { 0, 1, 2 };

    if (in_sim())
        skip("descriptors are numbers here");
    if (is_emulated())
        skip("the emulator does not say that descriptors were cut off");
    check_ok(hob_unix_pair(&a, &b));
    int before = count_fds();

    check_eq(hob_unix_send_fds(a, "read", 4, sent, 3), 4);
    check_eq(hob_unix_read(b, buf, sizeof buf), 4);
    check_eq(count_fds(), before);

    int    got[2] = { -1, -1 };
    size_t count = 2;
    check_eq(hob_unix_send_fds(a, "many", 4, sent, 3), 4);
    check_err(hob_unix_recv_fds(b, buf, sizeof buf, got, &count), -EMSGSIZE);
    check_eq(got[0], -1);
    check_eq(count_fds(), before);

    count = 1; // for one there must not be room for two
    check_eq(hob_unix_send_fds(a, "two", 3, sent, 2), 3);
    check_err(hob_unix_recv_fds(b, buf, sizeof buf, got, &count), -EMSGSIZE);
    check_eq(count_fds(), before);

    count = 0;
    check_eq(hob_unix_send_fds(a, "none", 4, sent, 1), 4);
    check_err(hob_unix_recv_fds(b, buf, sizeof buf, got, &count), -EMSGSIZE);
    check_eq(count_fds(), before);

    check_eq(hob_unix_send_fds(a, "lost", 4, sent, 3), 4);
    close_unix(&b);
    check_eq(count_fds(), before - 1);
}

TEST_ON_ALL(unix, bytes_without_descriptors_are_just_bytes)
{
    UNIX(a);
    UNIX(b);
    char   buf[8];
    int    fds[HOB_UNIX_FDS_MAX];
    size_t count = HOB_UNIX_FDS_MAX;

    check_ok(hob_unix_pair(&a, &b));
    check_eq(hob_unix_write(a, "plain", 5), 5);
    check_eq(hob_unix_recv_fds(b, buf, sizeof buf, fds, &count), 5);
    check_eq(count, 0);
    check_eq(hob_unix_send_fds(a, "plain", 5, NULL, 0), 5);
    check_eq(hob_unix_read(b, buf, sizeof buf), 5);
}

TEST_ON_ALL(unix, sixteen_descriptors_travel_in_one_message)
{
    UNIX(a);
    UNIX(b);
    int    sent[HOB_UNIX_FDS_MAX], got[HOB_UNIX_FDS_MAX];
    size_t count = HOB_UNIX_FDS_MAX;
    char   buf[1];

    check_ok(hob_unix_pair(&a, &b));
    for (int i = 0; i < HOB_UNIX_FDS_MAX; i++)
        sent[i] = in_sim() ? kernel_fd(a) : 0;
    check_eq(hob_unix_send_fds(a, "x", 1, sent, HOB_UNIX_FDS_MAX), 1);
    check_eq(hob_unix_recv_fds(b, buf, 1, got, &count), 1);
    check_eq(count, HOB_UNIX_FDS_MAX);
    for (size_t i = 0; i < count && !in_sim(); i++)
        close(got[i]);
}

TEST_DIES(unix, a_message_of_descriptors_needs_a_byte,
          "hob_unix_send_fds: descriptors travel with at least one byte")
{
    hob_unix *a, *b;
    int       zero = 0;

    check_ok(hob_unix_pair(&a, &b));
    (void)!hob_unix_send_fds(a, "", 0, &zero, 1);
}

/* ---- datagrams ---- */

TEST_ON_ALL(unix, a_datagram_arrives_and_says_from_whom)
{
    DGRAM(a);
    DGRAM(b);
    DGRAM(nameless);
    hob_addr a_addr = scratch_addr("a"), b_addr = scratch_addr("b"), from, none = { 0 };
    char     buf[4];

    check_ok(hob_unix_dgram_open(&a_addr, &a));
    check_ok(hob_unix_dgram_open(&b_addr, &b));
    check_ok(hob_unix_dgram_open(&none, &nameless));
    check_eq(hob_unix_dgram_send(a, "hello", 5, &b_addr), 5);
    check_eq(hob_unix_dgram_recv(b, buf, sizeof buf, &from), 5);
    check_mem(buf, "hell", 4);
    check(hob_addr_equal(&from, &a_addr));
    check_eq(hob_unix_dgram_send(nameless, "", 0, &b_addr), 0);
    check_eq(hob_unix_dgram_recv(b, buf, sizeof buf, NULL), 0);
}

TEST_ON_ALL(unix, a_datagram_to_nobody_is_refused)
{
    DGRAM(a);
    hob_addr addr = scratch_addr("nobody"), none = { 0 };

    check_ok(hob_unix_dgram_open(&none, &a));
    check_err(hob_unix_dgram_send(a, "x", 1, &addr), -ENOENT);
}

enum { DATAGRAMS = 2000 };

struct sender {
    hob_unix_dgram *socket;
    hob_addr        to;
    int             sent;
};

static int send_numbers(void *arg)
{
    struct sender *sender = arg;

    for (int i = 0; i < DATAGRAMS; i++) {
        check_eq(hob_unix_dgram_send(sender->socket, &i, sizeof i, &sender->to), sizeof i);
        sender->sent++;
    }
    return 0;
}

TEST_ON_ALL(unix, a_sender_waits_while_the_queue_is_full_and_loses_nothing)
{
    DGRAM(from);
    DGRAM(to);
    hob_addr none = { 0 };

    check_ok(hob_unix_dgram_open(&none, &from));
    struct sender sender = { .to = scratch_addr("q") };
    sender.socket = from;
    check_ok(hob_unix_dgram_open(&sender.to, &to));
    HOB_SCOPE(s);
    hob_go(&s, send_numbers, &sender);
    check_ok(hob_sleep(5 * HOB_MSEC));
    check_lt(sender.sent, DATAGRAMS);
    for (int i = 0; i < DATAGRAMS; i++) {
        int number = -1;
        check_eq(hob_unix_dgram_recv(to, &number, sizeof number, NULL), sizeof number);
        check_eq(number, i);
    }
    check_ok(hob_scope_end(&s));
}

TEST_ON_ALL(unix, a_datagram_sender_that_waits_can_be_cancelled)
{
    DGRAM(from);
    DGRAM(to);
    hob_addr none = { 0 };

    check_ok(hob_unix_dgram_open(&none, &from));
    struct sender sender = { .to = scratch_addr("q") };
    sender.socket = from;
    check_ok(hob_unix_dgram_open(&sender.to, &to));
    HOB_SCOPE(s);
    hob_scope_deadline(&s, hob_in(20 * HOB_MSEC));
    for (;;) {
        ssize_t n = hob_unix_dgram_send(from, "x", 1, &sender.to);
        if (n < 0) {
            check_err(n, -ETIMEDOUT);
            break;
        }
    }
    check_err(hob_scope_end(&s), -ETIMEDOUT);
}

TEST_ON_ALL(unix, datagrams_in_the_three_styles_give_the_same_answers)
{
    DGRAM(a);
    DGRAM(b);
    hob_addr a_addr = scratch_addr("a"), b_addr = scratch_addr("b");

    check_ok(hob_unix_dgram_open(&a_addr, &a));
    check_ok(hob_unix_dgram_open(&b_addr, &b));
    FOR_EACH_STYLE(wait)
    {
        hob_op   op;
        hob_addr from = { 0 };
        char     buf[8];

        check_ok(hob_unix_dgram_send_prep(&op, a, "hello", 5, &b_addr));
        check_eq(wait(&op), 5);
        check_ok(hob_unix_dgram_recv_prep(&op, b, buf, sizeof buf, &from));
        check_eq(wait(&op), 5);
        check(hob_addr_equal(&from, &a_addr));
    }
}

TEST_ON_ALL(unix, ready_takes_nothing)
{
    UNIX(a);
    UNIX(b);
    hob_op op;
    char   buf[8];

    check_ok(hob_unix_pair(&a, &b));
    check_eq(hob_unix_write(a, "hello", 5), 5);
    for (int round = 0; round < 2; round++) {
        check_ok(hob_stream_ready_prep(&op, hob_unix_stream(b)));
        check_eq(hob_op_await(&op), 1);
    }
    check_eq(hob_unix_read(b, buf, sizeof buf), 5);
    check_mem(buf, "hello", 5);
    close_unix(&a);
    check_ok(hob_stream_ready_prep(&op, hob_unix_stream(b)));
    check_eq(hob_op_await(&op), 0);
}
