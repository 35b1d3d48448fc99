/* SPDX-License-Identifier: MIT */
/* Connecting by name: Happy Eyeballs, to the millisecond in virtual time (SURVIVAL 61). */
#include <pthread.h>

#include "dns/server.h"

static const struct rr ZONE[] = {
    { "both.example", AAAA, 300, "fd00::1" },
    { "both.example", A, 300, "10.0.0.1" },
    { "four.example", A, 300, "10.0.0.1" },
    { "many.example", A, 300, "10.0.0.2" },
    { "many.example", A, 300, "10.0.0.3" },
    { "many.example", A, 300, "10.0.0.4" },
    { "many.example", A, 300, "10.0.0.1" },
    { "turns.example", AAAA, 300, "fd00::2" },
    { "turns.example", AAAA, 300, "fd00::3" },
    { "turns.example", A, 300, "10.0.0.2" },
    { "turns.example", A, 300, "10.0.0.1" },
    { "here.example", A, 300, "127.0.0.1" },
    { NULL, 0, 0, NULL },
};

#define NORMAL_SERVER(name) SERVER(name) = { .zone = ZONE, .no_ttl_s = 30 }

/* ---- who is there: all of it in sim, where every address is ours ---- */

static int listen_at(const char *text, hob_tcp_listener **ret_listener)
{
    hob_addr addr;
    check_ok(hob_addr_parse(text, &addr));
    check_ok(hob_tcp_listen(&addr, NULL, ret_listener));
    return 0;
}

/* One whose queue is full: nobody is connected there, and nobody is refused. */
struct dead {
    hob_tcp_listener *listener;
    hob_tcp          *crowd[CROWD];
};

static void close_dead(struct dead *dead)
{
    close_crowd(&dead->crowd);
    hob_tcp_listener_close(dead->listener);
}

#define DEAD(name) CLOSED_BY(close_dead) struct dead name = { NULL, { NULL } }

static int die_at(const char *text, struct dead *dead)
{
    hob_addr            addr;
    hob_tcp_listen_opts opts = { .backlog = 1 };
    check_ok(hob_addr_parse(text, &addr));
    check_ok(hob_tcp_listen(&addr, &opts, &dead->listener));
    for (int i = 0; i < CROWD; i++) {
        HOB_SCOPE(s);
        hob_scope_deadline(&s, hob_in(100 * HOB_MSEC));
        int r = hob_tcp_connect(&addr, NULL, &dead->crowd[i]);
        ignore(hob_scope_end(&s));
        if (r == -ETIMEDOUT)
            return 0;
        check_ok(r);
    }
    fail("the queue of one took %d", CROWD);
    return HOB_ECHECK;
}

/* Connects, says to whom, and how long it took; or how it failed. */
struct call {
    hob_dns           *dns;
    const char        *to;
    hob_connect_opts   opts;
    int                r;
    int64_t            took_ns;
    char               peer[HOB_ADDR_TEXT_MAX];
    hob_connect_words  words;
};

static int call(struct call *c)
{
    TCP(conn);
    int64_t began_ns = hob_now();
    c->opts.dns = c->dns;
    c->r = hob_connect_with(c->to, &c->opts, &c->words, &conn);
    c->took_ns = hob_now() - began_ns;
    if (c->r == 0) {
        hob_addr peer = hob_tcp_peer_addr(conn);
        hob_addr_format(&peer, c->peer, sizeof c->peer);
    }
    return 0;
}

static int check_call(struct call *c, const char *peer, int64_t took_ns)
{
    hob_stats before, after;
    hob_stats_get(&before);
    check_ok(call(c));
    settle(); // a question that nobody waits for any more is given up
    hob_stats_get(&after);
    check_ok(c->r);
    check_str(c->peer, peer);
    check_eq(c->took_ns, took_ns);
    // Nobody is left over. (The cache is filled, which takes no task and no descriptor.)
    check_eq(after.tasks_alive, before.tasks_alive);
    check_eq(after.descriptors, before.descriptors);
    return 0;
}

#define WORLD(scope, server, dns)  \
    NORMAL_SERVER(server);         \
    DNS(dns);                      \
    HOB_SCOPE(scope);              \
    check_ok(start_server(&scope, &server)); \
    check_ok(make_dns(&scope, &server, NULL, &dns))

/* ---- one that works ---- */

static int accept_one(void *arg)
{
    TCP(conn);
    HOB_TRY(hob_tcp_accept(arg, &conn));
    char buf[8];
    ssize_t n = HOB_TRY(hob_tcp_read(conn, buf, sizeof buf));
    HOB_TRY(hob_tcp_write(conn, buf, (size_t)n));
    return 0;
}

TEST_ON_ALL(connect, a_name_and_a_port_are_enough)
{
    WORLD(s, server, dns);
    LISTENER(listener);
    TCP(conn);
    char buf[8] = "", text[64];
    check_ok(listen_here(&listener));
    hob_addr addr = hob_tcp_listener_addr(listener);
    snprintf(text, sizeof text, "here.example:%d", hob_addr_port(&addr));
    HOB_SCOPE(talk);
    hob_go(&talk, accept_one, listener);
    check_ok(hob_connect_with(text, &(hob_connect_opts){ .dns = dns }, NULL, &conn));
    check_eq(hob_tcp_write(conn, "hello", 5), 5);
    check_eq(hob_tcp_read(conn, buf, sizeof buf), 5);
    check_str(buf, "hello");
    check_ok(hob_scope_end(&talk));

    TCP(plain);
    check_ok(hob_connect_with(addr_text(&addr), NULL, NULL, &plain)); // an address is fine, too
    hob_connect_opts six = { .family = AF_INET6 };
    check_err(hob_connect_with(addr_text(&addr), &six, NULL, &plain), -ENODATA);
}

TEST(connect, the_default_resolver_knows_hosts)
{
    LISTENER(listener);
    TCP(conn);
    check_ok(hob_sim_put_file("/etc/hosts", "10.0.0.1 shop\n", 14));
    check_ok(listen_at("10.0.0.1:80", &listener));
    check_ok(hob_connect("shop:80", &conn));
}

TEST(connect, ipv6_is_first_when_both_work)
{
    WORLD(s, server, dns);
    LISTENER(four);
    LISTENER(six);
    struct call c = { .dns = dns, .to = "both.example:80" };
    check_ok(listen_at("10.0.0.1:80", &four));
    check_ok(listen_at("[fd00::1]:80", &six));
    check_ok(check_call(&c, "[fd00::1]:80", 0));
    c.opts.family = AF_INET;
    check_ok(check_call(&c, "10.0.0.1:80", 0));
}

/* ---- one family does not work: SURVIVAL 61 ---- */

TEST(connect, ipv6_that_leads_nowhere_costs_a_quarter_of_a_second)
{
    WORLD(s, server, dns);
    LISTENER(four);
    DEAD(six);
    struct call c = { .dns = dns, .to = "both.example:80" };
    check_ok(listen_at("10.0.0.1:80", &four));
    check_ok(die_at("[fd00::1]:80", &six));
    check_ok(check_call(&c, "10.0.0.1:80", 250 * HOB_MSEC));
    c.opts.next_ns = 100 * HOB_MSEC;
    check_ok(check_call(&c, "10.0.0.1:80", 100 * HOB_MSEC));
}

TEST(connect, ipv6_that_is_refused_costs_nothing)
{
    WORLD(s, server, dns);
    LISTENER(four);
    struct call c = { .dns = dns, .to = "both.example:80" };
    check_ok(listen_at("10.0.0.1:80", &four));
    check_ok(check_call(&c, "10.0.0.1:80", 0));
}

TEST(connect, ipv4_waits_a_moment_for_the_addresses_of_ipv6)
{
    WORLD(s, server, dns);
    LISTENER(four);
    LISTENER(six);
    struct call c = { .dns = dns, .to = "both.example:80" };
    check_ok(listen_at("10.0.0.1:80", &four));
    check_ok(listen_at("[fd00::1]:80", &six));
    server.silent_for = AAAA;
    check_ok(check_call(&c, "10.0.0.1:80", 50 * HOB_MSEC));
    server.silent_for = A;
    c.to = "both.example:80";
    hob_dns_clear(dns);
    check_ok(check_call(&c, "[fd00::1]:80", 0)); // IPv6 does not wait for IPv4
}

TEST(connect, addresses_that_come_late_are_tried_too)
{
    WORLD(s, server, dns);
    LISTENER(six);
    DEAD(four);
    struct call c = { .dns = dns, .to = "both.example:80" };
    check_ok(die_at("10.0.0.1:80", &four));
    check_ok(listen_at("[fd00::1]:80", &six));
    extern void late_for_ipv6(struct server *, const unsigned char *, size_t, const hob_addr *);
    server.before = late_for_ipv6;
    check_ok(check_call(&c, "[fd00::1]:80", 300 * HOB_MSEC)); // its address comes after 300 ms
}

void late_for_ipv6(struct server *s, const unsigned char *query, size_t len, const hob_addr *from)
{
    char name[256];
    int  type = 0;
    read_question(query, len, name, &type);
    ignore(hob_sleep(type == AAAA ? 300 * HOB_MSEC : 0));
}

/* ---- many addresses ---- */

TEST(connect, dead_addresses_cost_a_quarter_of_a_second_each)
{
    WORLD(s, server, dns);
    LISTENER(alive);
    DEAD(two);
    DEAD(three);
    DEAD(four);
    struct call c = { .dns = dns, .to = "many.example:80" };
    check_ok(listen_at("10.0.0.1:80", &alive));
    check_ok(die_at("10.0.0.2:80", &two));
    check_ok(die_at("10.0.0.3:80", &three));
    check_ok(die_at("10.0.0.4:80", &four));
    check_ok(check_call(&c, "10.0.0.1:80", 750 * HOB_MSEC));
}

TEST(connect, families_take_turns)
{
    WORLD(s, server, dns);
    LISTENER(alive);
    DEAD(six2);
    DEAD(four2);
    DEAD(six3);
    struct call c = { .dns = dns, .to = "turns.example:80" };
    check_ok(listen_at("10.0.0.1:80", &alive));
    check_ok(die_at("[fd00::2]:80", &six2));
    check_ok(die_at("10.0.0.2:80", &four2));
    check_ok(die_at("[fd00::3]:80", &six3));
    check_ok(check_call(&c, "10.0.0.1:80", 750 * HOB_MSEC)); // fd00::2, 10.0.0.2, fd00::3, 10.0.0.1
}

/* A failure does not wait for its quarter of a second, nor for an earlier attempt that hangs. */
TEST(connect, a_failure_brings_the_next_address_at_once)
{
    WORLD(s, server, dns);
    LISTENER(alive);
    DEAD(six2);
    struct call c = { .dns = dns, .to = "turns.example:80" };
    check_ok(die_at("[fd00::2]:80", &six2));
    check_ok(listen_at("[fd00::3]:80", &alive)); // and nobody at 10.0.0.2
    check_ok(check_call(&c, "[fd00::3]:80", 250 * HOB_MSEC));
}

/* One is slow, and succeeds after the next one was begun. */
TEST_ONCE(connect, an_earlier_attempt_may_still_win)
{
    WORLD(s, server, dns);
    LISTENER(six);
    LISTENER(four);
    check_ok(listen_at("[fd00::1]:80", &six));
    check_ok(listen_at("10.0.0.1:80", &four));
    check_ok(hob_sim_set_world(&(hob_sim_world){ .latency_min_ns = 200 * HOB_MSEC,
                                                 .latency_max_ns = 500 * HOB_MSEC }));
    for (int i = 0; i < 20; i++) {
        struct call c = { .dns = dns, .to = "both.example:80" };
        hob_stats   before, after;
        hob_stats_get(&before);
        check_ok(call(&c));
        check_ok(c.r);
        settle();
        hob_stats_get(&after);
        check_eq(after.descriptors, before.descriptors);
        check_eq(after.tasks_alive, before.tasks_alive);
        TCP(conn);
        while (hob_tcp_accept(strcmp(c.peer, "10.0.0.1:80") == 0 ? four : six, &conn) < 0)
            ;
    }
}

/* ---- none works ---- */

TEST(connect, when_all_fail_it_tells_all_of_it)
{
    WORLD(s, server, dns);
    struct call c = { .dns = dns, .to = "both.example:80" };
    check_ok(call(&c));
    check_err(c.r, -ECONNREFUSED);
    check_str(c.words.text, "both.example:80: [fd00::1]:80: Connection refused, "
                            "10.0.0.1:80: Connection refused");
    c.to = "[fd00::1]:80"; // is not said twice
    check_ok(call(&c));
    check_err(c.r, -ECONNREFUSED);
    check_str(c.words.text, "[fd00::1]:80: Connection refused");
    c.to = "gone.example:80";
    check_ok(call(&c));
    check_err(c.r, -ENOENT);
    check_str(c.words.text, "gone.example:80: there is no such name");
    c.to = "four.example:80";
    c.opts.family = AF_INET6;
    check_ok(call(&c));
    check_err(c.r, -ENODATA);
    check_str(c.words.text, "four.example:80: the name has nothing of that kind");
    c.opts.family = 0;
    hob_dns_clear(dns);
    server.is_silent = true;
    check_ok(call(&c));
    check_err(c.r, -ETIMEDOUT);
    check_str(c.words.text, "four.example:80: no name server answered in time");
}

TEST(connect, it_ends_at_its_limit)
{
    WORLD(s, server, dns);
    DEAD(one);
    struct call c = { .dns = dns, .to = "four.example:80" };
    check_ok(die_at("10.0.0.1:80", &one));
    check_ok(call(&c));
    check_err(c.r, -ETIMEDOUT);
    check_eq(c.took_ns, 30 * HOB_SEC);
    check_str(c.words.text, "four.example:80: the time was up, with 1 of 1 attempts under way");
    c.opts.limit_ns = HOB_SEC;
    check_ok(call(&c));
    check_eq(c.took_ns, HOB_SEC);
    HOB_SCOPE(shorter);
    hob_scope_deadline(&shorter, hob_in(HOB_MSEC));
    check_ok(call(&c));
    check_err(c.r, -ETIMEDOUT);
    check_eq(c.took_ns, HOB_MSEC);
    check_ok(call(&c));
    check_err(c.r, -ETIMEDOUT);
    ignore(hob_scope_end(&shorter));
}

TEST(connect, what_is_not_host_and_port_is_refused)
{
    static const char *const BAD[] = {
        "", ":", ":80", "a", "a:", "a:0", "a:65536", "a:99999999999999999999", "a:80x", "a:-1", "a:+1", "a: 80",
        "a:0x50", "::1:80", "[::1]", "[::1]80", "[::1:80", "a:b:80", "unix:/x", "127.1:80", "0x7f.1:80",
        "http://a:80", "a:http", "[a]:80", "[127.0.0.1]:80",
    };
    TCP(conn);
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        hob_connect_words words = { "" };
        int               r = hob_connect_with(BAD[i], NULL, &words, &conn);
        if (r != -EINVAL || conn != NULL)
            fail("\"%s\" gave %d", BAD[i], r);
        check(strlen(words.text) > strlen(BAD[i]) + 2);
    }
    char long_name[400];
    memset(long_name, 'a', sizeof long_name);
    for (size_t i = 50; i < 350; i += 50)
        long_name[i] = '.';
    strcpy(long_name + 350, ":80");
    check_err(hob_connect(long_name, &conn), -ENAMETOOLONG);
}

TEST(connect, the_words_say_what_is_wrong_with_it)
{
    static const char *const SAID[][2] = {
        { "a", "a: this is not host:port" },
        { "a:http", "a:http: the port is not a number from 1 to 65535" },
        { "a:0", "a:0: the port is not a number from 1 to 65535" },
        { "::1:80", "::1:80: this is not host:port, where IPv6 stands in brackets" },
        { "http://a:80", "http://a:80: this is a URL, not host:port" },
        { "http://a/", "http://a/: this is a URL, not host:port" },
        { "m\xc3\xbcnchen.example:80", "m\xc3\xbcnchen.example:80: this can be no name" },
        { "a..b:80", "a..b:80: this can be no name" },
        { "a\n\x1b[2Jb\x7f:80", "a??[2Jb?:80: this can be no name" },
    };
    TCP(conn);
    for (size_t i = 0; i < sizeof SAID / sizeof SAID[0]; i++) {
        hob_connect_words words = { "" };
        check_err(hob_connect_with(SAID[i][0], NULL, &words, &conn), -EINVAL);
        check_str(words.text, SAID[i][1]);
    }
}

static void *connect_from_a_thread(void *arg)
{
    hob_tcp *conn;
    ignore(hob_connect("a.example:80", &conn));
    return arg;
}

TEST_DIES(connect, outside_of_a_task_is_a_mistake, "*hob_connect: called outside of a task*")
{
    pthread_t thread;
    ignore(pthread_create(&thread, NULL, connect_from_a_thread, NULL));
    ignore(pthread_join(thread, NULL));
}

TEST_DIES(connect, no_host_is_a_mistake, "*hob_connect: the host and port are NULL*")
{
    hob_tcp *conn;
    ignore(hob_connect(getenv("NO_SUCH_VARIABLE"), &conn));
}
