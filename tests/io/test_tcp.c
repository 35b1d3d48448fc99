/* SPDX-License-Identifier: MIT */
/*
 * TCP on every backend. What the kernel alone can do (signals, Nagle) is tested
 * on it and skipped in sim.
 */
#include <netinet/in.h>
#include <linux/filter.h>
#include <linux/rtnetlink.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <time.h>

#include "base/alloc.h"
#include "io/conn.h"
#include "support/io.h"

static int kernel_fd(hob_tcp *conn)
{
    return ((struct conn *)conn)->desc.fd;
}

/* ---- the ordinary day ---- */

TEST(tcp, a_stream_knows_whether_it_is_a_connection)
{
    TCP(client);
    TCP(server);
    hob_stream *x, *y;
    check_ok(tcp_pair(&client, &server));
    check_ok(hob_mem_pair(NULL, &x, &y));
    check(hob_tcp_of_stream(hob_tcp_stream(client)) == client);
    check(hob_tcp_of_stream(x) == NULL);
    hob_stream_close(x);
    hob_stream_close(y);
}

TEST_ON_ALL(tcp, what_one_end_writes_the_other_reads)
{
    TCP(client);
    TCP(server);
    char buf[16];

    check_ok(tcp_pair(&client, &server));
    check_eq(hob_tcp_write(client, "hello", 5), 5);
    check_eq(hob_tcp_read(server, buf, sizeof buf), 5);
    check_mem(buf, "hello", 5);
    check_eq(hob_tcp_write(server, "well", 4), 4);
    check_eq(hob_tcp_read(client, buf, sizeof buf), 4);
    check_mem(buf, "well", 4);
}

TEST_ON_ALL(tcp, a_listener_tells_the_port_that_the_kernel_chose)
{
    LISTENER(listener);
    TCP(conn);

    check_ok(listen_here(&listener));
    hob_addr addr = hob_tcp_listener_addr(listener);
    check_ne(hob_addr_port(&addr), 0);
    check_ok(connect_to(listener, &conn));
}

TEST_ON_ALL(tcp, both_ends_know_both_addresses)
{
    TCP(client);
    TCP(server);

    check_ok(tcp_pair(&client, &server));
    hob_addr here = hob_tcp_local_addr(client), there = hob_tcp_peer_addr(client);
    hob_addr server_here = hob_tcp_local_addr(server), server_there = hob_tcp_peer_addr(server);
    check(hob_addr_equal(&here, &server_there));
    check(hob_addr_equal(&there, &server_here));
    check_ne(hob_addr_port(&here), hob_addr_port(&there));
}

TEST_ON_ALL(tcp, a_peer_can_be_named_when_it_is_gone)
{
    TCP(client);
    TCP(server);
    char buf[1];

    check_ok(tcp_pair(&client, &server));
    hob_addr before = hob_tcp_peer_addr(server);
    close_tcp(&client);
    check_eq(hob_tcp_read(server, buf, 1), 0);
    hob_addr after = hob_tcp_peer_addr(server);
    check(hob_addr_equal(&before, &after));
}

TEST_ON_ALL(tcp, nothing_read_or_written_is_0)
{
    TCP(client);
    TCP(server);
    char   buf[1];
    hob_op op;

    check_ok(tcp_pair(&client, &server));
    check_eq(hob_tcp_read(client, buf, 0), 0);
    check_eq(hob_tcp_write(client, buf, 0), 0);
    check_eq(hob_tcp_write_some(client, buf, 0), 0);
    hob_tcp_read_prep(&op, client, buf, 0);
    check_eq(hob_op_await(&op), 0);
    hob_tcp_write_prep(&op, client, buf, 0);
    check_eq(hob_op_await(&op), 0);
}

static int accept_one(void *arg)
{
    LISTENER(listener);
    TCP(conn);
    int *result = arg;

    check_ok(listen_here(&listener));
    hob_ready(listener);
    *result = hob_tcp_accept(listener, &conn);
    return *result;
}

TEST_ON_ALL(tcp, an_accept_that_came_first_gets_the_connection)
{
    TCP(conn);
    void *listener;
    int   result = 1;
    HOB_SCOPE(s);

    check_ok(hob_go_ready(&s, accept_one, &result, NULL, &listener));
    check_ok(connect_to(listener, &conn));
    check_ok(hob_scope_end(&s));
    check_eq(result, 0);
}

/* Whoever is not taken waits, and all that come behind him: not for a turn of the loop each. */
TEST_ON_ALL(tcp, those_who_wait_are_accepted_in_a_row)
{
    enum { MANY = 100 };
    hob_tcp  *conns[MANY], *accepted[MANY];
    hob_stats before, after;
    LISTENER(listener);

    check_ok(listen_here(&listener));
    hob_addr addr = hob_tcp_listener_addr(listener);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < MANY; i++)
            check_ok(hob_tcp_connect(&addr, NULL, &conns[i]));
        hob_stats_get(&before);
        for (int i = 0; i < MANY; i++)
            check_ok(hob_tcp_accept(listener, &accepted[i]));
        hob_stats_get(&after);
        check_le(after.turns - before.turns, MANY / 4u);
        for (int i = 0; i < MANY; i++) {
            hob_tcp_close(conns[i]);
            hob_tcp_close(accepted[i]);
        }
    }
}

TEST_ON_ALL(tcp, a_taken_port_is_in_use)
{
    LISTENER(first);
    LISTENER(second);

    check_ok(listen_here(&first));
    hob_addr addr = hob_tcp_listener_addr(first);
    check_err(hob_tcp_listen(&addr, NULL, &second), -EADDRINUSE);
    check(second == NULL);
}

TEST_ON_ALL(tcp, listeners_that_agree_share_a_port)
{
    LISTENER(first);
    LISTENER(second);
    hob_tcp_listen_opts opts = { .reuse_port = 1 };
    hob_addr            addr = hob_addr_loopback(0);

    check_ok(hob_tcp_listen(&addr, &opts, &first));
    addr = hob_tcp_listener_addr(first);
    check_ok(hob_tcp_listen(&addr, &opts, &second));
}

TEST_ON_ALL(tcp, an_address_of_another_machine_or_family_is_refused)
{
    LISTENER(listener);
    TCP(conn);
    hob_addr elsewhere, unix_addr, none = { 0 };

    check_ok(hob_addr_parse("192.0.2.1:0", &elsewhere));
    check_ok(hob_addr_parse("unix:@x", &unix_addr));
    if (!in_sim()) // where every address is ours
        check_err(hob_tcp_listen(&elsewhere, NULL, &listener), -EADDRNOTAVAIL);
    check_err(hob_tcp_listen(&unix_addr, NULL, &listener), -EAFNOSUPPORT);
    check_err(hob_tcp_connect(&unix_addr, NULL, &conn), -EAFNOSUPPORT);
    check_err(hob_tcp_connect(&none, NULL, &conn), -EAFNOSUPPORT);
}

TEST_ON_ALL(tcp, accepted_and_connected_ends_send_without_delay_unless_told)
{
    LISTENER(listener);
    TCP(client);
    TCP(server);
    TCP(slow);
    int       on = -1;
    socklen_t size = sizeof on;

    if (in_sim())
        skip("Nagle's algorithm is the kernel's");
    check_ok(tcp_pair(&client, &server));
    check_ok(getsockopt(kernel_fd(client), IPPROTO_TCP, TCP_NODELAY, &on, &size));
    check_ne(on, 0);
    check_ok(getsockopt(kernel_fd(server), IPPROTO_TCP, TCP_NODELAY, &on, &size));
    check_ne(on, 0);

    check_ok(listen_here(&listener));
    hob_addr addr = hob_tcp_listener_addr(listener);
    check_ok(hob_tcp_connect(&addr, &(hob_tcp_opts){ .delay = 1 }, &slow));
    check_ok(getsockopt(kernel_fd(slow), IPPROTO_TCP, TCP_NODELAY, &on, &size));
    check_eq(on, 0);
}

/* SURVIVAL 46: what an idle connection costs in our own memory. */
TEST_ON_ALL(tcp, an_idle_connection_takes_less_than_256_bytes)
{
    TCP(client);
    TCP(server);

    uint64_t before = hob__alloc_bytes();
    check_ok(tcp_pair(&client, &server));
    if (!in_sim()) // whose kernel is made of our memory too
        check_le(hob__alloc_bytes() - before, 2 * 256);
}

struct idle {
    hob_tcp *client, *server;
    hob_op   op;
    char     byte;
};

static void forget(void *arg, ssize_t result)
{
    *(int64_t *)arg += result == -ECANCELED;
}

static void close_idle(struct idle **all)
{
    for (struct idle *one = *all; one != NULL && one->client != NULL; one++) {
        hob_tcp_close(one->client);
        hob_tcp_close(one->server);
    }
    free(*all);
}

static long connections_here(long wanted)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    long room = ((long)limit.rlim_cur - 200) / 2;
    return wanted < room ? wanted : room;
}

static long resident_bytes(void)
{
    long  pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (f != NULL) {
        if (fscanf(f, "%*d %ld", &pages) != 1)
            pages = 0;
        fclose(f);
    }
    return pages * sysconf(_SC_PAGESIZE);
}

/* SURVIVAL 46: many, each with a read that waits. In a long run as many as descriptors allow, up
 * to 20,000. */
TEST_AS(tcp, idle_connections_by_the_thousand_take_as_little_each,
        HOB_TEST_EACH_BACKEND | HOB_TEST_ONE_SEED, NULL)
{
    long    n = connections_here(all_is_slow() ? 200 : hob_test_is_deep() ? 20000 : 2000);
    int64_t cancelled = 0;
    LISTENER(listener);

    if (in_sim())
        skip("whose kernel is made of our memory too");
    hob_test_timeout(60);
    CLOSED_BY(close_idle) struct idle *all = calloc((size_t)n + 1, sizeof *all);
    check(all != NULL);
    check_ok(listen_here(&listener));
    uint64_t before = hob__alloc_bytes();
    long     resident = resident_bytes();
    HOB_SCOPE(s);
    for (long i = 0; i < n; i++) {
        check_ok(connect_to(listener, &all[i].client));
        int r = hob_tcp_accept(listener, &all[i].server);
        if (r < 0)
            close_tcp(&all[i].client);
        check_ok(r);
        hob_tcp_read_prep(&all[i].op, all[i].server, &all[i].byte, 1);
        hob_op_call(&s, &all[i].op, forget, &cancelled);
    }
    check_le((hob__alloc_bytes() - before) / (uint64_t)n, 2 * 256);
    if (hob_test_is_deep())
        printf("%ld idle connections: %llu bytes of Hob for both ends of each, %ld resident (%s)\n", n,
               (unsigned long long)(hob__alloc_bytes() - before) / (uint64_t)n,
               (resident_bytes() - resident) / n, hob_test_backend());
    hob_scope_cancel(&s, "enough");
    check_err(hob_scope_end(&s), -ECANCELED);
    check_eq(cancelled, n);
}

/* ---- the three styles ---- */

TEST_ON_ALL(tcp, the_three_styles_give_the_same_answers)
{
    FOR_EACH_STYLE(wait)
    {
        LISTENER(listener);
        TCP(client);
        TCP(server);
        hob_op op;
        char   buf[16];

        check_ok(listen_here(&listener));
        hob_addr addr = hob_tcp_listener_addr(listener);
        check_ok(hob_tcp_connect_prep(&op, &addr, NULL, &client));
        check_eq(wait(&op), 0);
        check_ok(hob_tcp_accept_prep(&op, listener, &server));
        check_eq(wait(&op), 0);

        hob_tcp_write_prep(&op, client, "hello", 5);
        check_eq(wait(&op), 5);
        hob_tcp_read_prep(&op, server, buf, sizeof buf);
        check_eq(wait(&op), 5);
        check_mem(buf, "hello", 5);
        hob_tcp_write_some_prep(&op, server, "w", 1);
        check_eq(wait(&op), 1);
        hob_tcp_read_prep(&op, client, buf, sizeof buf);
        check_eq(wait(&op), 1);

        close_tcp(&client);
        hob_tcp_read_prep(&op, server, buf, sizeof buf);
        check_eq(wait(&op), 0);
        close_listener(&listener);
        check_ok(hob_tcp_connect_prep(&op, &addr, NULL, &client));
        check_err(wait(&op), -ECONNREFUSED);
    }
}

/* ---- ends and resets ---- */

/* SURVIVAL 35. */
TEST_ON_ALL(tcp, after_a_half_close_the_other_direction_goes_on)
{
    TCP(client);
    TCP(server);
    char buf[16];

    check_ok(tcp_pair(&client, &server));
    check_eq(hob_tcp_write(client, "question", 8), 8);
    check_ok(hob_tcp_shutdown(client));
    check_eq(hob_tcp_read(server, buf, sizeof buf), 8);
    check_eq(hob_tcp_read(server, buf, sizeof buf), 0);
    check_eq(hob_tcp_read(server, buf, sizeof buf), 0);

    check_eq(hob_tcp_write(server, "answer", 6), 6);
    check_eq(hob_tcp_read(client, buf, sizeof buf), 6);
    check_mem(buf, "answer", 6);
    check_err(hob_tcp_write(client, "more", 4), -EPIPE);
}

/* A close with unread bytes makes a reset. */
static int reset_by_peer(hob_tcp **client, hob_tcp **server)
{
    char byte;

    check_eq(hob_tcp_write(*client, "unread", 6), 6);
    check_eq(hob_tcp_read(*server, &byte, 1), 1);
    check_eq(hob_tcp_write(*server, "last words", 10), 10);
    close_tcp(server);
    return 0;
}

/* SURVIVAL 34. */
TEST_ON_ALL(tcp, what_came_before_a_reset_is_read_first)
{
    TCP(client);
    TCP(server);
    char buf[16];

    check_ok(tcp_pair(&client, &server));
    check_ok(reset_by_peer(&client, &server));
    check_eq(hob_tcp_read(client, buf, sizeof buf), 10);
    check_mem(buf, "last words", 10);
    check_err(hob_tcp_read(client, buf, sizeof buf), -ECONNRESET);
    check_eq(hob_tcp_read(client, buf, sizeof buf), 0);
}

/* SURVIVAL 20, 34: an error and no SIGPIPE, which would end this program. */
TEST_ON_ALL(tcp, writing_to_a_peer_that_is_gone_is_an_error_and_no_signal)
{
    TCP(client);
    TCP(server);
    char buf[16];

    check_ok(tcp_pair(&client, &server));
    check_ok(reset_by_peer(&client, &server));
    check_eq(hob_tcp_read(client, buf, sizeof buf), 10);
    check_err(hob_tcp_read(client, buf, sizeof buf), -ECONNRESET);
    check_err(hob_tcp_write(client, "anybody?", 8), -EPIPE);
    check_err(hob_tcp_write(client, "anybody?", 8), -EPIPE);
}

/* SURVIVAL 36. */
/* The reset that comes back is on its way for two milliseconds: who writes without end waits for it. */
TEST(tcp, no_more_is_on_its_way_to_a_peer_that_is_gone_than_the_line_holds)
{
    hob_sim_world world = { .latency_min_ns = HOB_MSEC, .latency_max_ns = HOB_MSEC, .stream_bytes = 3000 };
    check_ok(hob_sim_set_world(&world));
    TCP(client);
    TCP(server);
    check_ok(tcp_pair(&client, &server));
    hob_tcp_close(server);
    server = NULL;
    int64_t begun = hob_now();
    ssize_t n, sent = 0;
    while ((n = hob_stream_write_some(hob_tcp_stream(client), "0123456789", 10)) > 0)
        sent += n;
    check_err(n, -EPIPE);
    check_eq(sent, 3000);
    check_eq(hob_now() - begun, 2 * HOB_MSEC);
}

TEST_ON_ALL(tcp, a_closed_port_refuses)
{
    LISTENER(listener);
    TCP(conn);

    check_ok(listen_here(&listener));
    hob_addr addr = hob_tcp_listener_addr(listener);
    close_listener(&listener);
    check_err(hob_tcp_connect(&addr, NULL, &conn), -ECONNREFUSED);
    check(conn == NULL);
}

static void leave_network(const int *home)
{
    if (*home >= 0 && setns(*home, CLONE_NEWNET) == 0)
        close(*home);
}

/* "There is no way to 192.0.2.1": the word of a router, here of our own kernel. */
static int block_the_way(void)
{
    struct {
        struct nlmsghdr head;
        struct rtmsg    route;
        struct rtattr   to;
        unsigned char   ip[4];
    } ask = {
        .head = { .nlmsg_len = sizeof ask, .nlmsg_type = RTM_NEWROUTE,
                  .nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_ACK },
        .route = { .rtm_family = AF_INET, .rtm_dst_len = 32, .rtm_table = RT_TABLE_MAIN,
                   .rtm_protocol = RTPROT_STATIC, .rtm_type = RTN_UNREACHABLE },
        .to = { .rta_len = RTA_LENGTH(4), .rta_type = RTA_DST },
        .ip = { 192, 0, 2, 1 },
    };
    struct { struct nlmsghdr head; struct nlmsgerr err; char rest[256]; } said = { 0 };
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (fd < 0)
        return -errno;
    int r = send(fd, &ask, sizeof ask, 0) < 0 || recv(fd, &said, sizeof said, 0) < 0
                ? -errno : said.err.error;
    close(fd);
    return r;
}

/* SURVIVAL 36: no way there. In a network of our own, which has no way anywhere. */
TEST_ON_ALL(tcp, where_no_way_leads_says_so)
{
    CLOSED_BY(leave_network) int home = -1;
    TCP(conn);
    hob_addr there;

    if (in_sim())
        skip("every address of the simulated world can be reached");
    int was = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    if (was < 0 || unshare(CLONE_NEWNET) < 0) {
        close(was);
        skip("a network of our own is not allowed here: %s", strerror(errno));
    }
    home = was;
    check_ok(hob_addr_parse("192.0.2.1:9", &there));
    check_err(hob_tcp_connect(&there, NULL, &conn), -ENETUNREACH);
    check_ok(block_the_way());
    check_err(hob_tcp_connect(&there, NULL, &conn), -EHOSTUNREACH);
    check(conn == NULL);
}

/* SURVIVAL 36: a silent port. */
TEST_ON_ALL(tcp, a_port_that_does_not_answer_times_out_at_the_deadline)
{
    LISTENER(listener);
    TCP(conn);
    CLOSED_BY(close_crowd) hob_tcp *crowd[CROWD] = { 0 };

    check_ok(crowd_before(&listener, crowd));
    int64_t start = hob_now();
    HOB_SCOPE(s);
    hob_scope_deadline(&s, start + 50 * HOB_MSEC);
    check_err(connect_to(listener, &conn), -ETIMEDOUT);
    check_err(hob_scope_end(&s), -ETIMEDOUT);
    check_ge(hob_now() - start, 50 * HOB_MSEC);
    check(conn == NULL);
}

/* SURVIVAL 37: nothing tells that the peer is gone but the silence. */
TEST_ON_ALL(tcp, a_silent_peer_ends_at_the_readers_deadline)
{
    TCP(client);
    TCP(server);
    char buf[16];

    check_ok(tcp_pair(&client, &server));
    HOB_SCOPE(s);
    hob_scope_deadline(&s, hob_in(20 * HOB_MSEC));
    check_err(hob_tcp_read(server, buf, sizeof buf), -ETIMEDOUT);
    check_err(hob_tcp_read(server, buf, sizeof buf), -ETIMEDOUT);
    check_err(hob_scope_end(&s), -ETIMEDOUT);
}

/* ---- cancelling ---- */

/* From now on the kernel throws away what comes for this end, and so answers nothing: to the other
 * end it has vanished. */
static int vanish(hob_tcp *conn)
{
    struct sock_filter nothing = BPF_STMT(BPF_RET | BPF_K, 0);
    struct sock_fprog  filter = { 1, &nothing };
    return setsockopt(kernel_fd(conn), SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter);
}

/* SURVIVAL 37. */
TEST_ON_ALL(tcp, keep_alive_finds_a_peer_that_vanished)
{
    LISTENER(listener);
    TCP(client);
    TCP(server);
    char         byte;
    hob_tcp_opts opts = { .keep_alive = 1, .keep_idle_s = 1, .keep_interval_s = 1,
                          .keep_count = 1 };

    if (in_sim())
        skip("nobody vanishes without a word here");
    if (is_emulated())
        skip("the emulator does not carry socket filters");
    check_ok(listen_here(&listener));
    hob_addr addr = hob_tcp_listener_addr(listener);
    check_ok(hob_tcp_connect(&addr, &opts, &client));
    check_ok(hob_tcp_accept(listener, &server));
    check_ok(vanish(server));
    HOB_SCOPE(s);
    int64_t start = hob_now();
    hob_scope_deadline(&s, hob_in(15 * HOB_SEC));
    check_err(hob_tcp_read(client, &byte, 1), -ETIMEDOUT);
    check_lt(hob_now() - start, 10 * HOB_SEC); // the connection said so, and not the deadline
    check_ok(hob_cancelled());
    check_ok(hob_scope_end(&s));
}

static int option_of(hob_tcp *conn, int level, int name)
{
    int       value = -1;
    socklen_t size = sizeof value;
    return getsockopt(kernel_fd(conn), level, name, &value, &size) < 0 ? -errno : value;
}

TEST_ON_ALL(tcp, keep_alive_is_off_unless_told_and_has_its_defaults)
{
    LISTENER(listener);
    TCP(client);
    TCP(server);
    hob_tcp_listen_opts opts = { .conn = { .keep_alive = 1, .keep_interval_s = 7 } };
    hob_addr            addr = hob_addr_loopback(0);

    if (in_sim())
        skip("options are the kernel's");
    check_ok(hob_tcp_listen(&addr, &opts, &listener));
    check_ok(connect_to(listener, &client));
    check_ok(hob_tcp_accept(listener, &server));
    check_eq(option_of(client, SOL_SOCKET, SO_KEEPALIVE), 0);
    check_eq(option_of(server, SOL_SOCKET, SO_KEEPALIVE), 1); // handed down by the listener
    check_eq(option_of(server, IPPROTO_TCP, TCP_KEEPIDLE), 60);
    check_eq(option_of(server, IPPROTO_TCP, TCP_KEEPINTVL), 7);
    check_eq(option_of(server, IPPROTO_TCP, TCP_KEEPCNT), 6);
}

TEST_ON_ALL(tcp, a_cancelled_accept_leaves_the_connection_for_the_next)
{
    LISTENER(listener);
    TCP(client);
    TCP(server);

    check_ok(listen_here(&listener));
    {
        HOB_SCOPE(s);
        hob_scope_deadline(&s, hob_in(1 * HOB_MSEC));
        check_err(hob_tcp_accept(listener, &server), -ETIMEDOUT);
        check_err(hob_scope_end(&s), -ETIMEDOUT);
    }
    check(server == NULL);
    check_ok(connect_to(listener, &client));
    {
        HOB_SCOPE(s);
        hob_scope_cancel(&s, "test");
        check_err(hob_tcp_accept(listener, &server), -ECANCELED);
        check_err(hob_scope_end(&s), -ECANCELED);
    }
    check_ok(hob_tcp_accept(listener, &server));
}

struct connecting {
    hob_tcp_listener *listener;
    hob_tcp          *conn;
    int               result;
};

static int connect_task(void *arg)
{
    struct connecting *c = arg;
    c->result = connect_to(c->listener, &c->conn);
    return 0;
}

TEST_ON_ALL(tcp, a_cancelled_connect_leaves_nothing)
{
    LISTENER(listener);
    CLOSED_BY(close_crowd) hob_tcp *crowd[CROWD] = { 0 };

    check_ok(crowd_before(&listener, crowd));
    struct connecting c = { .listener = listener, .result = 1 };
    HOB_SCOPE(s);
    hob_go(&s, connect_task, &c);
    settle();
    check_eq(c.result, 1);
    hob_scope_cancel(&s, "test");
    check_err(hob_scope_end(&s), -ECANCELED);
    check_err(c.result, -ECANCELED);
    check(c.conn == NULL);
}

TEST_ON_ALL(tcp, a_cancelled_read_loses_no_byte)
{
    TCP(client);
    TCP(server);
    char buf[16];

    check_ok(tcp_pair(&client, &server));
    struct io io = { .stream = hob_tcp_stream(server), .result = 1 };
    {
        HOB_SCOPE(s);
        hob_go(&s, read_once, &io);
        settle();
        check_eq(io.result, 1);
        hob_scope_cancel(&s, "test");
        check_err(hob_scope_end(&s), -ECANCELED);
    }
    check_err(io.result, -ECANCELED);
    check_eq(hob_tcp_write(client, "kept", 4), 4);
    {
        HOB_SCOPE(s);
        hob_scope_cancel(&s, "test");
        check_err(hob_tcp_read(server, buf, sizeof buf), -ECANCELED);
        check_err(hob_scope_end(&s), -ECANCELED);
    }
    check_eq(hob_tcp_read(server, buf, sizeof buf), 4);
    check_mem(buf, "kept", 4);
}

/* SURVIVAL 7: the read either has the bytes or left them. */
TEST_ON_ALL(tcp, a_read_cancelled_as_the_bytes_come_has_them_or_left_them)
{
    TCP(client);
    TCP(server);
    char buf[16];

    check_ok(tcp_pair(&client, &server));
    for (int i = 0; i < 100; i++) {
        struct io io = { .stream = hob_tcp_stream(server), .result = 1 };
        HOB_SCOPE(s);
        hob_go(&s, read_once, &io);
        settle();
        check_eq(hob_tcp_write(client, "byte", 4), 4);
        if (i % 2 != 0)
            hob_yield();
        hob_scope_cancel(&s, "test");
        (void)!hob_scope_end(&s);
        if (io.result == 4) {
            check_mem(io.room, "byte", 4);
        } else {
            check_err(io.result, -ECANCELED);
            check_eq(hob_tcp_read(server, buf, sizeof buf), 4);
            check_mem(buf, "byte", 4);
        }
    }
}

enum { MUCH = 16 << 20 };

TEST_ON_ALL(tcp, a_cancelled_write_says_so)
{
    TCP(client);
    TCP(server);
    BYTES(much, MUCH);

    memset(much, 'm', MUCH);
    check_ok(tcp_pair(&client, &server));
    HOB_SCOPE(s);
    hob_scope_deadline(&s, hob_in(20 * HOB_MSEC));
    check_err(hob_tcp_write(client, much, MUCH), -ETIMEDOUT);
    check_err(hob_tcp_write(client, much, 1), -ETIMEDOUT);
    check_err(hob_scope_end(&s), -ETIMEDOUT);
}

TEST_ON_ALL(tcp, write_some_keeps_count_of_what_fits)
{
    TCP(client);
    TCP(server);
    BYTES(much, MUCH);
    uint64_t written = 0, got = 0;

    fill(much, MUCH, 0, 0);
    check_ok(tcp_pair(&client, &server));
    {
        HOB_SCOPE(s);
        hob_scope_deadline(&s, hob_in(20 * HOB_MSEC));
        while (written < MUCH) {
            ssize_t n = hob_tcp_write_some(client, much + written, MUCH - written);
            if (n == -ETIMEDOUT)
                break;
            check_gt(n, 0);
            written += (uint64_t)n;
        }
        check_err(hob_scope_end(&s), -ETIMEDOUT);
    }
    check_gt(written, 0);
    check_ok(hob_tcp_shutdown(client));
    for (;;) {
        ssize_t n = check_ok(hob_tcp_read(server, much, MUCH));
        if (n == 0)
            break;
        check(is_filled(much, (size_t)n, got, 0));
        got += (uint64_t)n;
    }
    check_eq(got, written);
}

/* ---- closing while others wait ---- */

/* SURVIVAL 16. */
TEST_ON_ALL(tcp, closing_gives_the_reader_and_the_writer_back)
{
    TCP(client);
    TCP(server);
    BYTES(much, MUCH);

    memset(much, 'm', MUCH);
    check_ok(tcp_pair(&client, &server));
    struct io reader = { .stream = hob_tcp_stream(client), .result = 1 };
    struct io writer = {
        .stream = hob_tcp_stream(client),
        .buf = much,
        .len = MUCH,
        .result = 1,
    };
    HOB_SCOPE(s);
    hob_go(&s, read_once, &reader);
    hob_go(&s, write_all, &writer);
    settle();
    check_eq(reader.result, 1);
    check_eq(writer.result, 1);
    close_tcp(&client);
    check_ok(hob_scope_end(&s));
    check_err(reader.result, -ECANCELED);
    check_err(writer.result, -ECANCELED);
}

/* The same for the write that goes round inside one op. */
TEST_ON_ALL(tcp, closing_ends_a_whole_write_also_between_two_turns_of_it)
{
    TCP(client);
    TCP(server);
    BYTES(much, MUCH);
    hob_op        op;
    struct answer answer = { 1, 0 };
    char          buf[64];

    memset(much, 'm', MUCH);
    check_ok(tcp_pair(&client, &server));
    HOB_SCOPE(s);
    hob_scope_deadline(&s, hob_in(10 * HOB_SEC)); // for the torture run, where the write may fail
    hob_tcp_write_prep(&op, client, much, MUCH);
    hob_op_call(&s, &op, on_answer, &answer);
    for (int i = 0; i < 10; i++)
        check_gt(hob_tcp_read(server, buf, sizeof buf), 0);
    close_tcp(&client);
    check_ok(hob_scope_end(&s));
    check_eq(answer.calls, 1);
    check_err(answer.result, -ECANCELED);
}

struct accepting {
    hob_tcp_listener *listener;
    hob_tcp          *conn;
    int               result;
};

static int accept_task(void *arg)
{
    struct accepting *a = arg;
    a->result = hob_tcp_accept(a->listener, &a->conn);
    return 0;
}

TEST_ON_ALL(tcp, closing_a_listener_gives_the_acceptors_back)
{
    LISTENER(listener);

    check_ok(listen_here(&listener));
    struct accepting a = { .listener = listener, .result = 1 }, b = a;
    HOB_SCOPE(s);
    hob_go(&s, accept_task, &a);
    hob_go(&s, accept_task, &b);
    settle();
    close_listener(&listener);
    check_ok(hob_scope_end(&s));
    check_err(a.result, -ECANCELED);
    check_err(b.result, -ECANCELED);
}

/* As a server does that is stopped and started anew, when several tasks accept for it. */
TEST_ON_ALL(tcp, an_address_is_free_when_its_acceptors_have_returned)
{
    LISTENER(first);
    LISTENER(second);

    check_ok(listen_here(&first));
    hob_addr         here = hob_tcp_listener_addr(first);
    struct accepting a = { .listener = first }, b = a;
    HOB_SCOPE(s);
    hob_go(&s, accept_task, &a);
    hob_go(&s, accept_task, &b);
    settle();
    close_listener(&first);
    check_ok(hob_scope_end(&s));
    check_ok(hob_tcp_listen(&here, NULL, &second));
}

TEST_ON_ALL(tcp, closing_a_listener_closes_what_nobody_accepted)
{
    LISTENER(listener);
    TCP(client);
    char buf[1];

    check_ok(listen_here(&listener));
    check_ok(connect_to(listener, &client));
    close_listener(&listener);
    ssize_t n = hob_tcp_read(client, buf, 1);
    check(n == 0 || n == -ECONNRESET);
}

/* ---- mistakes ---- */

/* SURVIVAL 17. A reader still waits, so the connection is there to look at. */
TEST_DIES(tcp, closing_twice_is_a_mistake, "hob_tcp_close: this is not open")
{
    hob_tcp *client, *server;
    HOB_SCOPE(s);

    check_ok(tcp_pair(&client, &server));
    struct io io = { .stream = hob_tcp_stream(client) };
    hob_go(&s, read_once, &io);
    settle();
    hob_tcp_close(client);
    hob_tcp_close(client);
}

TEST_DIES(tcp, reading_after_the_close_is_a_mistake, "hob_tcp_read: this is not open")
{
    hob_tcp *client, *server;
    char     buf[1];
    HOB_SCOPE(s);

    check_ok(tcp_pair(&client, &server));
    struct io io = { .stream = hob_tcp_stream(client) };
    hob_go(&s, read_once, &io);
    settle();
    hob_tcp_close(client);
    (void)!hob_tcp_read(client, buf, 1);
}

TEST_DIES(tcp, two_readers_are_a_mistake, "hob_tcp_read: another task, or an operation, is reading")
{
    hob_tcp *client, *server;
    char     buf[1];
    HOB_SCOPE(s);

    check_ok(tcp_pair(&client, &server));
    struct io io = { .stream = hob_tcp_stream(client) };
    hob_go(&s, read_once, &io);
    settle();
    (void)!hob_tcp_read(client, buf, 1);
}

TEST_DIES(tcp, two_writers_are_a_mistake, "hob_tcp_write: another task, or an operation, is writing")
{
    hob_tcp *client, *server;
    char    *much = calloc(1, MUCH);
    HOB_SCOPE(s);

    check_ok(tcp_pair(&client, &server));
    struct io io = { .stream = hob_tcp_stream(client), .buf = much, .len = MUCH };
    hob_go(&s, write_all, &io);
    settle();
    (void)!hob_tcp_write(client, "x", 1);
}

TEST_DIES(tcp, null_is_no_connection, "hob_tcp_read: this is not open")
{
    char buf[1];
    (void)!hob_tcp_read(NULL, buf, 1);
}

/* ---- pieces of every size ---- */

static int flow(uint64_t bytes, size_t write_piece, size_t read_piece)
{
    TCP(client);
    TCP(server);

    check_ok(tcp_pair(&client, &server));
    hob_stream    *c = hob_tcp_stream(client), *v = hob_tcp_stream(server);
    struct traffic up = { .stream = c, .bytes = bytes, .piece = write_piece, .salt = 1 };
    struct traffic up_end = { .stream = v, .bytes = bytes, .piece = read_piece, .salt = 1 };
    struct traffic down = { .stream = v, .bytes = bytes, .piece = write_piece, .salt = 2 };
    struct traffic down_end = { .stream = c, .bytes = bytes, .piece = read_piece, .salt = 2 };
    HOB_SCOPE(s);
    hob_go(&s, send_traffic, &up);
    hob_go(&s, send_traffic, &down);
    hob_go(&s, receive_traffic, &up_end);
    hob_go(&s, receive_traffic, &down_end);
    return hob_scope_end(&s);
}

/* SURVIVAL 32. */
TEST_ON_ALL(tcp, single_bytes_arrive_as_whole_ones_do)
{
    check_ok(flow(3000, 1, 4096));
    check_ok(flow(3000, 4096, 1));
    check_ok(flow(3000, 1, 1));
}

/* SURVIVAL 32, 38: in a world that cuts everything short and takes its time. */
TEST(tcp, cut_and_late_bytes_arrive_all_and_in_order)
{
    hob_sim_world world = {
        .short_io_percent = 90,
        .latency_min_ns = 1 * HOB_MSEC,
        .latency_max_ns = 40 * HOB_MSEC,
        .stream_bytes = 1000,
    };

    check_ok(hob_sim_set_world(&world));
    check_ok(flow(100000, 4096, 999));
}

/* SURVIVAL 38: 64 KiB over a line of 1 Mbit/s that loses a fifth. */
TEST(tcp, a_slow_and_lossy_line_carries_all_and_no_faster_than_it_can)
{
    hob_sim_world slow = { .latency_min_ns = 20 * HOB_MSEC, .tcp_bytes_per_s = 125000,
                           .stream_bytes = 4096 };
    int64_t       start = hob_now();

    check_ok(hob_sim_set_world(&slow));
    check_ok(flow(65536, 1000, 1000));
    int64_t whole = hob_now() - start;
    check_ge(whole, 65536 * HOB_SEC / 125000);
    check_lt(whole, 5 * HOB_SEC);

    slow.loss_percent = 20;
    check_ok(hob_sim_set_world(&slow));
    start = hob_now();
    check_ok(flow(65536, 1000, 1000));
    check_gt(hob_now() - start, whole);
    check_lt(hob_now() - start, HOB_MINUTE);
}

TEST_ON_ALL(tcp, ten_megabytes_both_ways_at_once_arrive_whole)
{
    hob_test_timeout(120);
    check_ok(flow(10 << 20, 100000, 65536));
}

/* ---- shortage ---- */

static void restore_fd_limit(struct rlimit *limit)
{
    hob_sim_world unlimited = { .descriptors = 0 };
    if (in_sim())
        ignore(hob_sim_set_world(&unlimited));
    setrlimit(RLIMIT_NOFILE, limit);
}

static int echo_once(hob_tcp *client, hob_tcp *server)
{
    char buf[4];

    check_eq(hob_tcp_write(client, "ping", 4), 4);
    check_eq(hob_tcp_read(server, buf, 4), 4);
    check_eq(hob_tcp_write(server, "pong", 4), 4);
    check_eq(hob_tcp_read(client, buf, 4), 4);
    return 0;
}

/* Until the listener has made a pause. */
static int wait_for_a_pause(uint64_t pauses_before)
{
    for (int i = 0; i < 1000; i++) {
        hob_stats stats;
        hob_stats_get(&stats);
        if (stats.accept_pauses > pauses_before)
            return 0;
        HOB_TRY(hob_sleep(1 * HOB_MSEC));
    }
    fail("accept made no pause");
    return HOB_ECHECK;
}

static struct rlimit no_more_fds(void)
{
    struct rlimit limit;
    hob_sim_world full = { .descriptors = 1 };
    getrlimit(RLIMIT_NOFILE, &limit);
    if (in_sim())
        ignore(hob_sim_set_world(&full));
    else
        setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 0, limit.rlim_max });
    return limit;
}

/* SURVIVAL 30. */
TEST_ON_ALL(tcp, accept_pauses_while_descriptors_are_short_and_then_goes_on)
{
    LISTENER(listener);
    TCP(client);
    TCP(server);
    TCP(waiting);
    hob_stats stats;

    if (is_in_valgrind())
        skip("Valgrind has descriptors of its own, and limits beside the kernel's");
    check_ok(tcp_pair(&client, &server));
    check_ok(listen_here(&listener));
    hob_stats_get(&stats);
    check_ok(connect_to(listener, &waiting));

    struct accepting a = { .listener = listener, .result = 1 };
    CLOSED_BY(restore_fd_limit) struct rlimit limit = no_more_fds();
    HOB_SCOPE(s);
    hob_go(&s, accept_task, &a);
    settle();
    check_ok(wait_for_a_pause(stats.accept_pauses));
    check_eq(a.result, 1);
    check_ok(echo_once(client, server)); // the others are served meanwhile
    restore_fd_limit(&limit);
    check_ok(hob_scope_end(&s));
    check_eq(a.result, 0);
    hob_tcp_close(a.conn);
}

TEST_ON_ALL(tcp, a_listener_can_be_closed_while_accept_pauses)
{
    LISTENER(listener);
    TCP(waiting);
    hob_stats stats;

    if (is_in_valgrind())
        skip("Valgrind has descriptors of its own, and limits beside the kernel's");
    check_ok(listen_here(&listener));
    hob_stats_get(&stats);
    check_ok(connect_to(listener, &waiting));

    struct accepting a = { .listener = listener, .result = 1 }, b = a;
    CLOSED_BY(restore_fd_limit) struct rlimit limit = no_more_fds();
    HOB_SCOPE(s);
    hob_go(&s, accept_task, &a);
    hob_go(&s, accept_task, &b);
    settle();
    check_ok(wait_for_a_pause(stats.accept_pauses));
    close_listener(&listener);
    check_ok(hob_scope_end(&s));
    check_err(a.result, -ECANCELED);
    check_err(b.result, -ECANCELED);
}

TEST_ON_ALL(tcp, an_accept_operation_tells_of_the_shortage)
{
    LISTENER(listener);
    TCP(waiting);
    TCP(conn);
    hob_op op;

    if (is_in_valgrind())
        skip("Valgrind has descriptors of its own, and limits beside the kernel's");
    check_ok(listen_here(&listener));
    check_ok(connect_to(listener, &waiting));
    check_ok(hob_tcp_accept_prep(&op, listener, &conn));
    CLOSED_BY(restore_fd_limit) struct rlimit limit = no_more_fds();
    check_err(hob_op_await(&op), -EMFILE);
    restore_fd_limit(&limit);
    check_ok(hob_tcp_accept(listener, &conn)); // it waited
}

/* SURVIVAL 31: a client that is gone before accept. */
TEST_ON_ALL(tcp, a_connection_that_died_in_the_queue_does_not_stop_the_others)
{
    LISTENER(listener);
    TCP(dead);
    TCP(alive);
    TCP(first);
    TCP(second);
    char buf[4];

    check_ok(listen_here(&listener));
    check_ok(connect_to(listener, &dead));
    if (!in_sim()) {
        struct linger reset = { .l_onoff = 1 };
        check_ok(setsockopt(kernel_fd(dead), SOL_SOCKET, SO_LINGER, &reset, sizeof reset));
    }
    close_tcp(&dead);
    check_ok(connect_to(listener, &alive));
    check_eq(hob_tcp_write(alive, "here", 4), 4);

    check_ok(hob_tcp_accept(listener, &first));
    if (hob_tcp_read(first, buf, 4) != 4) {
        check_ok(hob_tcp_accept(listener, &second));
        check_eq(hob_tcp_read(second, buf, 4), 4);
    }
    check_mem(buf, "here", 4);
}

/* ---- signals ---- */

struct storm {
    timer_t          timer;
    struct sigaction before;
};

static void on_signal(int number)
{
    (void)number;
}

/* A signal every half millisecond, whose handler does not ask for SA_RESTART. */
static struct storm start_storm(void)
{
    struct storm      storm;
    struct sigaction  action = { .sa_handler = on_signal };
    struct sigevent   event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
    struct itimerspec often = { .it_interval = { 0, 500000 }, .it_value = { 0, 500000 } };

    sigaction(SIGUSR1, &action, &storm.before);
    timer_create(CLOCK_MONOTONIC, &event, &storm.timer);
    timer_settime(storm.timer, 0, &often, NULL);
    return storm;
}

static void end_storm(struct storm *storm)
{
    timer_delete(storm->timer);
    sigaction(SIGUSR1, &storm->before, NULL);
}

/* SURVIVAL 33. */
TEST_ON_ALL(tcp, signals_interrupt_nothing)
{
    if (in_sim())
        skip("no system call is interrupted here");
    CLOSED_BY(end_storm) struct storm storm = start_storm();
    check_ok(flow(1 << 20, 1000, 1000));
}

/* ---- readiness without a buffer ---- */

static ssize_t look(hob_tcp *conn)
{
    hob_op op;
    check_ok(hob_stream_ready_prep(&op, hob_tcp_stream(conn)));
    return hob_op_await(&op);
}

TEST_ON_ALL(tcp, ready_takes_nothing_and_comes_again_until_all_is_read)
{
    TCP(client);
    TCP(server);
    char buf[8];

    check_ok(tcp_pair(&client, &server));
    for (int round = 0; round < 3; round++) {
        check_eq(hob_tcp_write(client, "hello", 5), 5);
        check_eq(look(server), 1);
        check_eq(look(server), 1);
        check_eq(hob_tcp_read(server, buf, 2), 2);
        check_eq(look(server), 1);
        check_eq(hob_tcp_read(server, buf + 2, 6), 3);
        check_mem(buf, "hello", 5);
    }
    check_ok(hob_tcp_shutdown(client));
    check_eq(look(server), 0);
    check_eq(look(server), 0);
    check_eq(hob_tcp_read(server, buf, 1), 0);
}

struct looked {
    int     calls;
    ssize_t result;
};

static void on_look(void *arg, ssize_t result)
{
    struct looked *looked = arg;
    looked->calls++;
    looked->result = result;
}

TEST_ON_ALL(tcp, who_waits_to_be_ready_is_called_when_bytes_come)
{
    TCP(client);
    TCP(server);
    struct looked looked = { 0 };
    hob_op        op;
    char          byte;
    HOB_SCOPE(s);

    check_ok(tcp_pair(&client, &server));
    check_ok(hob_stream_ready_prep(&op, hob_tcp_stream(server)));
    hob_op_call(&s, &op, on_look, &looked);
    settle();
    check_eq(looked.calls, 0);
    check_eq(hob_tcp_write(client, "x", 1), 1);
    check_ok(hob_scope_end(&s));
    check_eq(looked.calls, 1);
    check_eq(looked.result, 1);
    check_eq(hob_tcp_read(server, &byte, 1), 1);
    check_eq(byte, 'x');
}

TEST_ON_ALL(tcp, waiting_to_be_ready_can_be_cancelled_and_loses_nothing)
{
    TCP(client);
    TCP(server);
    struct looked looked = { 0 };
    hob_op        op;
    char          byte;

    check_ok(tcp_pair(&client, &server));
    for (int round = 0; round < 3; round++) {
        HOB_SCOPE(s);
        looked = (struct looked){ 0 };
        check_ok(hob_stream_ready_prep(&op, hob_tcp_stream(server)));
        hob_op_call(&s, &op, on_look, &looked);
        settle();
        hob_op_cancel(&op);
        check_ok(hob_scope_end(&s));
        check_eq(looked.calls, 1);
        check_eq(looked.result, -ECANCELED);
    }
    check_eq(hob_tcp_write(client, "x", 1), 1);
    check_eq(hob_tcp_read(server, &byte, 1), 1);
}

/* The receive buffers of a ring run out: then readiness is asked of the kernel. */
TEST_AS(tcp, many_can_be_ready_at_once_while_nobody_reads, HOB_TEST_EACH_BACKEND | HOB_TEST_ONE_SEED,
        NULL)
{
    enum { MANY = 160 };
    LISTENER(listener);
    hob_tcp *clients[MANY] = { NULL }, *servers[MANY] = { NULL };
    char     byte;

    check_ok(listen_here(&listener));
    for (int i = 0; i < MANY; i++) {
        check_ok(connect_to(listener, &clients[i]));
        check_ok(hob_tcp_accept(listener, &servers[i]));
        check_eq(hob_tcp_write(clients[i], "x", 1), 1);
        check_eq(look(servers[i]), 1);
    }
    for (int i = 0; i < MANY; i++) {
        check_eq(look(servers[i]), 1);
        check_eq(hob_tcp_read(servers[i], &byte, 1), 1);
        hob_tcp_close(servers[i]);
        hob_tcp_close(clients[i]);
    }
}

TEST_ON_ALL(tcp, a_broken_connection_is_ready_with_its_error)
{
    TCP(client);
    TCP(server);
    struct looked looked = { 0 };
    hob_op        op;
    char          byte;
    HOB_SCOPE(s);

    check_ok(tcp_pair(&client, &server));
    check_eq(hob_tcp_write(client, "x", 1), 1);
    check_eq(hob_tcp_read(server, &byte, 1), 1);
    check_ok(hob_stream_ready_prep(&op, hob_tcp_stream(server)));
    hob_op_call(&s, &op, on_look, &looked);
    check_eq(hob_tcp_write(server, "y", 1), 1);
    check_eq(look(client), 1);
    close_tcp(&client); // with a byte that it did not read
    check_ok(hob_scope_end(&s));
    check_eq(looked.calls, 1);
    check_eq(looked.result, -ECONNRESET);
    check_err(hob_tcp_read(server, &byte, 1), -ECONNRESET);
}

TEST_ON_ALL(tcp, a_closed_connection_tells_who_waits_for_it_to_be_ready)
{
    TCP(client);
    TCP(server);
    struct looked looked = { 0 };
    hob_op        op;
    HOB_SCOPE(s);

    check_ok(tcp_pair(&client, &server));
    check_ok(hob_stream_ready_prep(&op, hob_tcp_stream(server)));
    hob_op_call(&s, &op, on_look, &looked);
    settle();
    close_tcp(&server);
    check_ok(hob_scope_end(&s));
    check_eq(looked.calls, 1);
    check_eq(looked.result, -ECANCELED);
}

TEST_DIES(tcp, waiting_to_be_ready_counts_as_reading, "hob_tcp_read: another task*reading*")
{
    TCP(client);
    TCP(server);
    struct looked looked = { 0 };
    hob_op        op;
    char          byte;
    HOB_SCOPE(s);

    check_ok(tcp_pair(&client, &server));
    check_ok(hob_stream_ready_prep(&op, hob_tcp_stream(server)));
    hob_op_call(&s, &op, on_look, &looked);
    check_ok(hob_tcp_read(server, &byte, 1));
}
