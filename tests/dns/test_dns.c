/* SPDX-License-Identifier: MIT */
/* hob/dns.h: look-ups of all kinds, what is kept, the files, and servers that do not behave. */
#include "dns/server.h"

static const struct rr ZONE[] = {
    { "a.example", A, 300, "192.0.2.1" },
    { "a.example", A, 300, "192.0.2.2" },
    { "a.example", AAAA, 60, "2001:db8::1" },
    { "four.example", A, 300, "192.0.2.4" },
    { "six.example", AAAA, 300, "2001:db8::6" },
    { "alias.example", CNAME, 100, "second.example" },
    { "second.example", CNAME, 50, "four.example" },
    { "dangling.example", CNAME, 100, "gone.example" },
    { "round.example", CNAME, 100, "robin.example" },
    { "_chat._tcp.example", SRV, 300, "10 0 5222 a.example" },
    { "_chat._tcp.example", SRV, 300, "20 0 5223 four.example" },
    { "_none._tcp.example", SRV, 300, "0 0 0 " },
    { "text.example", TXT, 300, "v=1 hello" },
    { "text.example", TXT, 300,
      "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
      "and more than a hundred bytes in two pieces" },
    { "1.2.0.192.in-addr.arpa", PTR, 300, "a.example" },
    { "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa", PTR, 300, "six.example" },
    { "short.example", A, 0, "192.0.2.9" },
    { "www.one.example", A, 300, "192.0.2.11" },
    { "www.two.example", A, 300, "192.0.2.12" },
    { "only.two.example", A, 300, "192.0.2.22" },
    { "only6.one.example", AAAA, 300, "2001:db8::11" },
    { "only6.two.example", A, 300, "192.0.2.23" },
    { "dotted.name", A, 300, "192.0.2.30" },
    { NULL, 0, 0, NULL },
};

#define NORMAL_SERVER(name) SERVER(name) = { .zone = ZONE, .no_ttl_s = 30 }

/* ---- kinds of records ---- */

TEST_ON_ALL(dns, a_name_has_its_addresses_of_both_families_in_turns)
{
    NORMAL_SERVER(server);
    DNS(dns);
    hob_addr addrs[8];
    HOB_SCOPE(s);
    check_ok(start_server(&s, &server));
    check_ok(make_dns(&s, &server, NULL, &dns));

    check_eq(hob_dns_addrs(dns, "a.example", 80, AF_UNSPEC, addrs, 8), 3);
    check_str(addr_text(&addrs[0]), "[2001:db8::1]:80");
    check_str(addr_text(&addrs[1]), "192.0.2.1:80");
    check_str(addr_text(&addrs[2]), "192.0.2.2:80");
    check_eq(hob_dns_addrs(dns, "a.example", 80, AF_INET, addrs, 8), 2);
    check_eq(hob_dns_addrs(dns, "A.Example.", 443, AF_INET6, addrs, 8), 1);
    check_str(addr_text(&addrs[0]), "[2001:db8::1]:443");
    check_eq(server.asked_udp, 2); // one of each family, and then they were known
    check_eq(server.asked_tcp, 0);
}

TEST(dns, what_does_not_fit_is_counted_and_not_written)
{
    NORMAL_SERVER(server);
    DNS(dns);
    hob_addr addrs[2] = { { .len = 0 }, { .len = 99 } };
    HOB_SCOPE(s);
    check_ok(start_server(&s, &server));
    check_ok(make_dns(&s, &server, NULL, &dns));
    check_eq(hob_dns_addrs(dns, "a.example", 80, AF_UNSPEC, addrs, 1), 3);
    check_str(addr_text(&addrs[0]), "[2001:db8::1]:80");
    check_eq(addrs[1].len, 99);
    check_eq(hob_dns_addrs(dns, "a.example", 80, AF_UNSPEC, NULL, 0), 3);
    check_eq(hob_dns_services(dns, "_chat._tcp.example", NULL, 0), 2);
}

TEST(dns, one_family_is_enough)
{
    NORMAL_SERVER(server);
    DNS(dns);
    hob_addr addr;
    HOB_SCOPE(s);
    check_ok(start_server(&s, &server));
    check_ok(make_dns(&s, &server, NULL, &dns));
    check_eq(hob_dns_addrs(dns, "four.example", 1, AF_UNSPEC, &addr, 1), 1);
    check_str(addr_text(&addr), "192.0.2.4:1");
    check_eq(hob_dns_addrs(dns, "six.example", 1, AF_UNSPEC, &addr, 1), 1);
    check_str(addr_text(&addr), "[2001:db8::6]:1");
    check_err(hob_dns_addrs(dns, "four.example", 1, AF_INET6, &addr, 1), -ENODATA);
    check_err(hob_dns_addrs(dns, "text.example", 1, AF_UNSPEC, &addr, 1), -ENODATA);
}

TEST(dns, aliases_are_followed_and_the_shortest_time_holds)
{
    NORMAL_SERVER(server);
    DNS(dns);
    hob_addr addr;
    HOB_SCOPE(s);
    check_ok(start_server(&s, &server));
    check_ok(make_dns(&s, &server, NULL, &dns));
    check_eq(hob_dns_addrs(dns, "alias.example", 1, AF_INET, &addr, 1), 1);
    check_str(addr_text(&addr), "192.0.2.4:1");
    check_ok(hob_sleep(49 * HOB_SEC));
    check_eq(hob_dns_addrs(dns, "alias.example", 1, AF_INET, &addr, 1), 1);
    check_eq(server.asked_udp, 1);
    check_ok(hob_sleep(1 * HOB_SEC));
    check_eq(hob_dns_addrs(dns, "alias.example", 1, AF_INET, &addr, 1), 1);
    check_eq(server.asked_udp, 2);
    check_err(hob_dns_addrs(dns, "dangling.example", 1, AF_INET, &addr, 1), -ENODATA);
}

TEST_ON_ALL(dns, services_texts_and_names_of_addresses)
{
    NORMAL_SERVER(server);
    DNS(dns);
    hob_dns_service services[4];
    hob_dns_text   *texts;
    hob_dns_name    names[2];
    hob_addr        addr;
    HOB_SCOPE(s);
    check_ok(start_server(&s, &server));
    check_ok(make_dns(&s, &server, NULL, &dns));

    check_eq(hob_dns_services(dns, "_chat._tcp.example", services, 4), 2);
    check_str(services[0].host, "a.example");
    check_eq(services[0].port, 5222);
    check_eq(services[0].priority, 10);
    check_str(services[1].host, "four.example");
    check_err(hob_dns_services(dns, "_none._tcp.example", services, 4), -ENODATA);

    check_eq(hob_dns_texts(dns, "text.example", &texts), 2);
    HOB_DEFER(free, texts);
    check_str(texts[0].bytes, "v=1 hello");
    check_eq(texts[1].len, 143);
    check_has(texts[1].bytes, "789and more");

    check_ok(hob_addr_parse("192.0.2.1:80", &addr));
    check_eq(hob_dns_names(dns, &addr, names, 2), 1);
    check_str(names[0].text, "a.example");
    check_ok(hob_addr_parse("[2001:db8::1]:80", &addr));
    check_eq(hob_dns_names(dns, &addr, names, 2), 1);
    check_str(names[0].text, "six.example");
    check_ok(hob_addr_parse("[::ffff:192.0.2.1]:80", &addr));
    check_eq(hob_dns_names(dns, &addr, names, 2), 1);
    check_ok(hob_addr_parse("unix:@x", &addr));
    check_err(hob_dns_names(dns, &addr, names, 2), -EAFNOSUPPORT);
}

TEST_ONCE(dns, services_come_by_priority_and_then_by_weight_and_chance)
{
    static const struct rr zone[] = {
        { "s.example", SRV, 300, "2 0 1 last.example" },
        { "s.example", SRV, 300, "1 90 1 heavy.example" },
        { "s.example", SRV, 300, "1 10 1 light.example" },
        { "s.example", SRV, 300, "1 0 1 never.example" },
        { NULL, 0, 0, NULL },
    };
    SERVER(server) = { .zone = zone };
    DNS(dns);
    int heavy = 0, light = 0, zero = 0;
    HOB_SCOPE(s);
    check_ok(start_server(&s, &server));
    check_ok(make_dns(&s, &server, NULL, &dns));
    for (int i = 0; i < 1000; i++) {
        hob_dns_service services[4];
        check_eq(hob_dns_services(dns, "s.example", services, 4), 4);
        check_str(services[3].host, "last.example");
        heavy += strcmp(services[0].host, "heavy.example") == 0;
        light += strcmp(services[0].host, "light.example") == 0;
        zero += strcmp(services[0].host, "never.example") == 0;
    }
    check_eq(heavy + light + zero, 1000);
    check_gt(heavy, 800);
    check_gt(light, 50);
    check_lt(zero, 40);
}

/* ---- names: SURVIVAL 60 ---- */

TEST_ONCE(names, what_can_be_no_name_is_refused_and_never_cut)
{
    NORMAL_SERVER(server);
    DNS(dns);
    hob_addr addr;
    char     label[65], name[300] = "";
    HOB_SCOPE(s);
    check_ok(start_server(&s, &server));
    check_ok(make_dns(&s, &server, NULL, &dns));
    memset(label, 'a', 64);
    label[64] = '\0';
    check_err(hob_dns_addrs(dns, label, 1, AF_INET, &addr, 1), -ENAMETOOLONG);
    label[63] = '\0';
    check_err(hob_dns_addrs(dns, label, 1, AF_INET, &addr, 1), -ENOENT); // 63 are fine

    for (int i = 0; i < 3; i++)
        strcat(strcat(name, label), ".");
    memcpy(name + strlen(name), label, 61); // 3 * 64 + 61
    check_eq(strlen(name), 253);
    check_err(hob_dns_addrs(dns, name, 1, AF_INET, &addr, 1), -ENOENT);
    check_err(hob_dns_addrs(dns, strcat(name, "."), 1, AF_INET, &addr, 1), -ENOENT);
    name[253] = '\0';
    check_err(hob_dns_addrs(dns, strcat(name, "a"), 1, AF_INET, &addr, 1), -ENAMETOOLONG);
    check_eq(server.asked_udp, 2); // the second was known

    static const char *const BAD[] = {
        "", ".", "..", ".a", "a..b", "a b", "a/b", "a\nb", "a\\b", "a@b", "ä.example", "a:b", "-a.example",
        "a.-b", "0x7f.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "1.2.3.4.5", "256.1.1.1",
        "127.0.0.1.", "a.123", "a.0x", "1.2.3.0x4", "[127.0.0.1]", "[::1", "::1]", "1::2::3", "unix:/x",
        "127.0.0.1:80", "[::1]:80", "xn--", "xn--foo-", "xn--99999999", "xn---", "a.xn--!",
        "xn--zz9999999999999.example", "xn--\x01",
    };
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        int r = hob_dns_addrs(dns, BAD[i], 1, AF_INET, &addr, 1);
        if (r != -EINVAL)
            fail("\"%s\" gave %d", BAD[i], r);
    }
    check_eq(server.asked_udp, 2);
    static const char *const GOOD[] = {
        "a", "a.b", "_srv._tcp.x", "a-b", "a--b", "1a", "1.2.3.a", "0x7f.com", "123.example", "a_b",
        "xn--mnchen-3ya.example", "xn--fsqu00a.xn--0zwm56d", "xn--nxasmq6b", "XN--MNCHEN-3YA", "ab--c", "fe80", "unix",
    };
    for (size_t i = 0; i < sizeof GOOD / sizeof GOOD[0]; i++) {
        int r = hob_dns_addrs(dns, GOOD[i], 1, AF_INET, &addr, 1);
        if (r != -ENOENT)
            fail("\"%s\" gave %d", GOOD[i], r);
    }
}

TEST(names, addresses_are_answered_at_once)
{
    hob_addr addr;
    HOB_SCOPE(s);
    check_eq(hob_dns_addrs(NULL, "192.0.2.7", 80, AF_UNSPEC, &addr, 1), 1);
    check_str(addr_text(&addr), "192.0.2.7:80");
    check_eq(hob_dns_addrs(NULL, "2001:db8::7", 80, AF_INET6, &addr, 1), 1);
    check_str(addr_text(&addr), "[2001:db8::7]:80");
    check_eq(hob_dns_addrs(NULL, "[::1]", 80, AF_UNSPEC, &addr, 1), 1);
    check_str(addr_text(&addr), "[::1]:80");
    check_err(hob_dns_addrs(NULL, "192.0.2.7", 80, AF_INET6, &addr, 1), -ENODATA);
}

TEST(names, some_are_known_to_everybody)
{
    NORMAL_SERVER(server);
    DNS(dns);
    hob_addr addrs[4];
    HOB_SCOPE(s);
    check_ok(start_server(&s, &server));
    check_ok(make_dns(&s, &server, NULL, &dns));
    check_eq(hob_dns_addrs(dns, "localhost", 80, AF_UNSPEC, addrs, 4), 2);
    check_str(addr_text(&addrs[0]), "[::1]:80");
    check_str(addr_text(&addrs[1]), "127.0.0.1:80");
    check_eq(hob_dns_addrs(dns, "me.LocalHost.", 80, AF_INET, addrs, 4), 1);
    check_err(hob_dns_addrs(dns, "a.invalid", 80, AF_INET, addrs, 4), -ENOENT);
    check_err(hob_dns_addrs(dns, "a.onion", 80, AF_INET, addrs, 4), -ENOENT);
    check_eq(server.asked_udp, 0);
}

/* ---- what is kept ---- */

TEST_ONCE(kept, answers_hold_as_long_as_they_say)
{
    NORMAL_SERVER(server);
    DNS(dns);
    hob_addr      addr;
    hob_dns_stats stats;
    HOB_SCOPE(s);
    check_ok(start_server(&s, &server));
    check_ok(make_dns(&s, &server, NULL, &dns));
    for (int i = 0; i < 300; i++) {
        check_ok(hob_dns_addrs(dns, "four.example", 1, AF_INET, &addr, 1));
        check_ok(hob_sleep(HOB_SEC));
    }
    check_eq(server.asked_udp, 1);
    check_ok(hob_dns_addrs(dns, "four.example", 1, AF_INET, &addr, 1));
    check_eq(server.asked_udp, 2);
    hob_dns_stats_get(dns, &stats);
    check_eq(stats.lookups, 301);
    check_eq(stats.from_cache, 299);
    check_eq(stats.questions, 2);
    check_eq(stats.entries, 1);

    for (int i = 0; i < 3; i++) // a time of 0 is not kept
        check_ok(hob_dns_addrs(dns, "short.example", 1, AF_INET, &addr, 1));
    check_eq(server.asked_udp, 5);
}

TEST_ONCE(kept, a_no_holds_as_long_as_the_zone_says)
{
    NORMAL_SERVER(server);
    DNS(dns);
    hob_addr addr;
    HOB_SCOPE(s);
    check_ok(start_server(&s, &server));
    check_ok(make_dns(&s, &server, NULL, &dns));
    for (int i = 0; i < 30; i++) {
        check_err(hob_dns_addrs(dns, "gone.example", 1, AF_INET, &addr, 1), -ENOENT);
        check_err(hob_dns_addrs(dns, "four.example", 1, AF_INET6, &addr, 1), -ENODATA);
        check_ok(hob_sleep(HOB_SEC));
    }
    check_eq(server.asked_udp, 2);
    check_err(hob_dns_addrs(dns, "gone.example", 1, AF_INET, &addr, 1), -ENOENT);
    check_eq(server.asked_udp, 3);

    server.no_ttl_s = 0; // a no of which nobody says how long it holds is not kept
    for (int i = 0; i < 3; i++)
        check_err(hob_dns_addrs(dns, "gone2.example", 1, AF_INET, &addr, 1), -ENOENT);
    check_eq(server.asked_udp, 6);
}

TEST_ONCE(kept, the_longest_time_and_the_number_are_bounded)
{
    NORMAL_SERVER(server);
    DNS(dns);
    hob_addr      addr;
    hob_dns_stats stats;
    HOB_SCOPE(s);
    check_ok(start_server(&s, &server));
    hob_dns_opts opts = { .ttl_max_ns = 10 * HOB_SEC, .negative_ttl_max_ns = -1, .entries_max = 5 };
    check_ok(make_dns(&s, &server, &opts, &dns));
    check_ok(hob_dns_addrs(dns, "four.example", 1, AF_INET, &addr, 1));
    check_ok(hob_sleep(10 * HOB_SEC));
    check_ok(hob_dns_addrs(dns, "four.example", 1, AF_INET, &addr, 1));
    check_eq(server.asked_udp, 2);
    for (int i = 0; i < 2; i++)
        check_err(hob_dns_addrs(dns, "gone.example", 1, AF_INET, &addr, 1), -ENOENT);
    check_eq(server.asked_udp, 4);
    for (const struct rr *rr = ZONE; rr->name != NULL; rr++)
        if (rr->type == A)
            check_ok(hob_dns_addrs(dns, rr->name, 1, AF_INET, &addr, 1));
    hob_dns_stats_get(dns, &stats);
    check_eq(stats.entries, 5);
}

TEST(kept, an_old_answer_is_better_than_none_if_told_so)
{
    NORMAL_SERVER(server);
    DNS(dns);
    DNS(strict);
    hob_addr addr;
    HOB_SCOPE(s);
    check_ok(start_server(&s, &server));
    hob_dns_opts opts = { .stale_ns = HOB_HOUR };
    check_ok(make_dns(&s, &server, &opts, &dns));
    check_ok(make_dns(&s, &server, NULL, &strict));
    check_ok(hob_dns_addrs(dns, "four.example", 1, AF_INET, &addr, 1));
    check_ok(hob_dns_addrs(strict, "four.example", 1, AF_INET, &addr, 1));
    server.is_silent = true;
    check_ok(hob_sleep(301 * HOB_SEC));
    check_ok(hob_dns_addrs(dns, "four.example", 1, AF_INET, &addr, 1));
    check_str(addr_text(&addr), "192.0.2.4:1");
    check_err(hob_dns_addrs(strict, "four.example", 1, AF_INET, &addr, 1), -ETIMEDOUT);
    check_ok(hob_sleep(HOB_HOUR));
    check_err(hob_dns_addrs(dns, "four.example", 1, AF_INET, &addr, 1), -ETIMEDOUT);
}

struct asking {
    hob_dns    *dns;
    const char *name;
    int         result;
    int64_t     took_ns;
};

static int ask_once(void *arg)
{
    struct asking *a = arg;
    hob_addr       addr;
    int64_t        began_ns = hob_now();
    a->result = hob_dns_addrs(a->dns, a->name, 1, AF_INET, &addr, 1);
    a->took_ns = hob_now() - began_ns;
    return 0;
}

TEST_ON_ALL(kept, a_crowd_that_asks_for_the_same_is_one_question)
{
    enum { CROWD_OF_ALL = 100 };
    NORMAL_SERVER(server);
    DNS(dns);
    struct asking asks[CROWD_OF_ALL];
    HOB_SCOPE(s);
    server.delay_ns = 20 * HOB_MSEC;
    check_ok(start_server(&s, &server));
    check_ok(make_dns(&s, &server, NULL, &dns));
    {
        HOB_SCOPE(crowd);
        for (int i = 0; i < CROWD_OF_ALL; i++) {
            asks[i] = (struct asking){ .dns = dns, .name = "four.example" };
            hob_go(&crowd, ask_once, &asks[i]);
        }
        check_ok(hob_scope_end(&crowd));
    }
    for (int i = 0; i < CROWD_OF_ALL; i++)
        check_eq(asks[i].result, 1);
    check_eq(server.asked_udp, 1);
}

TEST(kept, no_more_questions_than_allowed_are_under_way)
{
    static const char *const NAMES[] = { "one.example", "two.example", "three.example" };
    NORMAL_SERVER(server);
    DNS(dns);
    struct asking asks[3];
    HOB_SCOPE(s);
    server.delay_ns = 20 * HOB_MSEC;
    check_ok(start_server(&s, &server));
    hob_dns_opts opts = { .questions_max = 2 };
    check_ok(make_dns(&s, &server, &opts, &dns));
    ignore(hob_dns_addrs(dns, "first.example", 1, AF_INET, NULL, 0));
    HOB_SCOPE(crowd);
    for (int i = 0; i < 3; i++) {
        asks[i] = (struct asking){ .dns = dns, .name = NAMES[i] };
        hob_go(&crowd, ask_once, &asks[i]);
    }
    check_ok(hob_scope_end(&crowd));
    int refused = 0, no = 0;
    for (int i = 0; i < 3; i++) {
        refused += asks[i].result == -EAGAIN;
        no += asks[i].result == -ENOENT;
    }
    check_eq(refused, 1);
    check_eq(no, 2);
}

/* ---- the files: SURVIVAL 62 ---- */

static int put_file(const char *path, const char *text)
{
    return hob_sim_put_file(path, text, strlen(text));
}

TEST(files, names_of_hosts_are_answered_without_a_server)
{
    hob_addr      addrs[4];
    hob_dns_name  names[4];
    hob_dns_stats stats;
    check_ok(put_file("/etc/hosts",
                      "# a comment\n"
                      "127.0.0.1 localhost\n"
                      "  192.0.2.50\tdb.local DB # the data\r\n"
                      "2001:db8::50 db.local\n"
                      "192.0.2.51 db.local\n"
                      "192.0.2.52 # nobody\n"
                      "nonsense here\n"
                      "0x7f.1 odd\n"
                      "192.0.2.53 0x7f.1 bad..name last.local"));
    check_eq(hob_dns_addrs(NULL, "db.local", 80, AF_UNSPEC, addrs, 4), 3);
    check_str(addr_text(&addrs[0]), "[2001:db8::50]:80");
    check_str(addr_text(&addrs[1]), "192.0.2.50:80");
    check_str(addr_text(&addrs[2]), "192.0.2.51:80");
    check_eq(hob_dns_addrs(NULL, "db", 80, AF_UNSPEC, addrs, 4), 1);
    check_eq(hob_dns_addrs(NULL, "last.local.", 80, AF_INET, addrs, 4), 1);
    check_str(addr_text(&addrs[0]), "192.0.2.53:80");
    check_err(hob_dns_addrs(NULL, "last.local", 80, AF_INET6, addrs, 4), -ENODATA);
    check_eq(hob_dns_names(NULL, &addrs[0], names, 4), 1);
    check_str(names[0].text, "last.local");
    check_ok(hob_addr_parse("192.0.2.50:1", &addrs[0]));
    check_eq(hob_dns_names(NULL, &addrs[0], names, 4), 1);
    check_str(names[0].text, "db.local");
    hob_dns_stats_get(NULL, &stats);
    check_eq(stats.sent_udp + stats.sent_tcp, 0);
    check_eq(stats.hosts_error, 0);
    check_eq(stats.resolv_error, -ENOENT);
}

/* The default resolver, a server at port 53, and no file. */
TEST(files, without_files_this_machine_is_asked)
{
    NORMAL_SERVER(server);
    hob_addr addr = hob_addr_loopback(53), found;
    HOB_SCOPE(s);
    check_ok(start_server_at(&s, &server, &addr));
    check_eq(hob_dns_addrs(NULL, "a.example", 80, AF_INET, &found, 1), 2);
    check_eq(server.asked_udp, 1);
    hob_dns_stats stats;
    hob_dns_stats_get(NULL, &stats);
    check_eq(stats.hosts_error, -ENOENT);
    check_eq(stats.resolv_error, -ENOENT);
    check_eq(stats.loads, 1);
}

TEST(files, resolv_conf_says_whom_to_ask_and_where_to_search)
{
    NORMAL_SERVER(server);
    hob_addr addr, found;
    check_ok(hob_addr_parse("10.9.8.7:53", &addr));
    check_ok(put_file("/etc/resolv.conf",
                      "; whom\nnameserver 10.9.8.7\nsearch wrong.example\n"
                      "search one.example bad..name two.example.\noptions ndots:2 unknown:1 attempts:1\n"));
    HOB_SCOPE(s);
    check_ok(start_server_at(&s, &server, &addr));
    check_ok(hob_dns_addrs(NULL, "www", 80, AF_INET, &found, 1));
    check_str(addr_text(&found), "192.0.2.11:80");
    check_ok(hob_dns_addrs(NULL, "only", 80, AF_INET, &found, 1));
    check_str(addr_text(&found), "192.0.2.22:80");
    check_ok(hob_dns_addrs(NULL, "dotted.name", 80, AF_INET, &found, 1)); // last of all, as it is
    check_str(addr_text(&found), "192.0.2.30:80");
    // A name that is there ends the search, though it has no such address.
    check_err(hob_dns_addrs(NULL, "only6", 80, AF_INET, &found, 1), -ENODATA);
    check_eq(hob_dns_addrs(NULL, "only6", 80, AF_UNSPEC, &found, 1), 1);
    check_str(addr_text(&found), "[2001:db8::11]:80");
    check_err(hob_dns_addrs(NULL, "www.", 80, AF_INET, &found, 1), -ENOENT); // nor is it searched for
    check_err(hob_dns_addrs(NULL, "nowhere", 80, AF_INET, &found, 1), -ENOENT);
}

TEST(files, what_has_changed_is_read_again)
{
    NORMAL_SERVER(server);
    hob_addr addr, found;
    check_ok(hob_addr_parse("10.9.8.7:53", &addr));
    check_ok(put_file("/etc/hosts", "192.0.2.60 me.example\n"));
    HOB_SCOPE(s);
    check_ok(start_server_at(&s, &server, &addr));
    check_ok(hob_dns_addrs(NULL, "me.example", 80, AF_INET, &found, 1));
    check_str(addr_text(&found), "192.0.2.60:80");
    check_err(hob_dns_addrs(NULL, "four.example", 80, AF_INET, &found, 1), -ECONNREFUSED);

    check_ok(hob_sleep(HOB_SEC));
    check_ok(put_file("/etc/hosts", "192.0.2.61 me.example\n"));
    check_ok(put_file("/etc/resolv.conf", "nameserver 10.9.8.7\n"));
    check_ok(hob_dns_addrs(NULL, "me.example", 80, AF_INET, &found, 1)); // not looked at yet
    check_str(addr_text(&found), "192.0.2.60:80");
    check_ok(hob_sleep(5 * HOB_SEC));
    check_ok(hob_dns_addrs(NULL, "me.example", 80, AF_INET, &found, 1));
    check_str(addr_text(&found), "192.0.2.61:80");
    check_ok(hob_dns_addrs(NULL, "four.example", 80, AF_INET, &found, 1));

    check_ok(put_file("/etc/hosts", "192.0.2.62 me.example\n"));
    hob_dns_clear(NULL); // now
    check_ok(hob_dns_addrs(NULL, "me.example", 80, AF_INET, &found, 1));
    check_str(addr_text(&found), "192.0.2.62:80");
    check_ok(hob_path_unlink("/etc/hosts"));
    check_ok(hob_sleep(5 * HOB_SEC));
    check_err(hob_dns_addrs(NULL, "me.example", 80, AF_INET, &found, 1), -ENOENT);
}

TEST_ONCE(files, of_ten_megabytes_nothing_is_used_and_it_is_told)
{
    enum { MANY = 10 << 20 };
    NORMAL_SERVER(server);
    BYTES(text, MANY);
    hob_addr      addr = hob_addr_loopback(53), found;
    hob_dns_stats stats;
    for (size_t i = 0; i < MANY; i++)
        text[i] = "192.0.2.99 a.example\n"[i % 21];
    check_ok(hob_sim_put_file("/etc/hosts", text, MANY));
    check_ok(hob_sim_put_file("/etc/resolv.conf", text, MANY));
    HOB_SCOPE(s);
    check_ok(start_server_at(&s, &server, &addr));
    check_ok(hob_dns_addrs(NULL, "a.example", 80, AF_INET, &found, 1));
    check_str(addr_text(&found), "192.0.2.1:80");
    hob_dns_stats_get(NULL, &stats);
    check_eq(stats.hosts_error, -EFBIG);
    check_eq(stats.resolv_error, -EFBIG);
}

TEST_ONCE(files, of_many_names_each_is_found)
{
    enum { NAMES = 20000, SIZE = 2 << 20 };
    BYTES(text, SIZE);
    size_t   len = 0;
    hob_addr found;
    for (int i = 0; i < NAMES; i++)
        len += (size_t)snprintf((char *)text + len, SIZE - len, "10.1.%d.%d host%d.local h%d\n", i / 256,
                                i % 256, i * 7919 % NAMES, i);
    check_ok(hob_sim_put_file("/etc/hosts", text, len));
    for (int i = 0; i < NAMES; i += 37) {
        char name[32], expected[32];
        snprintf(name, sizeof name, "h%d", i);
        snprintf(expected, sizeof expected, "10.1.%d.%d:1", i / 256, i % 256);
        check_eq(hob_dns_addrs(NULL, name, 1, AF_INET, &found, 1), 1);
        check_str(addr_text(&found), expected);
    }
}

/* ---- resolvers ---- */

TEST(resolver, the_default_one_begins_anew_in_each_run)
{
    hob_dns_stats stats;
    hob_dns_stats_get(NULL, &stats);
    check_eq(stats.lookups, 0);
    hob_dns_clear(NULL);
    check_ok(hob_dns_addrs(NULL, "localhost", 80, AF_INET, NULL, 0));
    hob_dns_stats_get(NULL, &stats);
    check_eq(stats.lookups, 1);
}

static int use_default(void *arg)
{
    hob_dns_stats stats;
    check_ok(hob_dns_addrs(NULL, "localhost", 80, AF_INET, NULL, 0));
    hob_dns_stats_get(NULL, &stats);
    check_eq(stats.lookups, 1);
    return 0;
}

TEST_BARE_ON_ALL(resolver, each_worker_has_a_default_one)
{
    hob_run_opts opts;
    hob_test_run_opts(&opts);
    opts.workers = 2;
    extern int on_both(void *arg);
    check_ok(hob_run_with(&opts, on_both, NULL));
}

int on_both(void *arg)
{
    check_ok(hob_on(0, use_default, NULL));
    check_ok(hob_on(1, use_default, NULL));
    return 0;
}

TEST(resolver, freed_under_who_waits_gives_them_back)
{
    NORMAL_SERVER(server);
    hob_dns      *dns;
    struct asking ask = { .name = "four.example" };
    server.is_silent = true;
    HOB_SCOPE(s);
    check_ok(start_server(&s, &server));
    check_ok(make_dns(&s, &server, NULL, &dns));
    ask.dns = dns;
    HOB_SCOPE(waiting);
    hob_go(&waiting, ask_once, &ask);
    settle();
    hob_dns_free(dns);
    check_ok(hob_scope_end(&waiting));
    check_eq(ask.result, -ECANCELED);
}

TEST(resolver, options_that_cannot_be_are_refused)
{
    hob_dns    *dns;
    const char *bad[] = { "10.0.0.1", "a.example", NULL };
    const char *many[] = { "1.1.1.1", "1.1.1.1", "1.1.1.1", "1.1.1.1", "1.1.1.1",
                           "1.1.1.1", "1.1.1.1", "1.1.1.1", "1.1.1.1", NULL };
    HOB_SCOPE(s);
    check_err(hob_dns_new(&s, &(hob_dns_opts){ .servers = bad }, &dns), -EINVAL);
    check_err(hob_dns_new(&s, &(hob_dns_opts){ .servers = many }, &dns), -EINVAL);
}

TEST_DIES(resolver, one_that_was_freed_is_a_mistake, "*hob_dns_addrs: this is no resolver, or it was freed*")
{
    union {
        hob_dns *dns;
        void    *bytes;
    } is = { .bytes = calloc(1, 4096) };
    ignore(hob_dns_addrs(is.dns, "a.example", 1, AF_INET, NULL, 0));
}

TEST_DIES(resolver, no_name_is_a_mistake, "*hob_dns_services: the name is NULL*")
{
    ignore(hob_dns_services(NULL, getenv("NO_SUCH_VARIABLE"), NULL, 0));
}

TEST(resolver, errors_have_words)
{
    check_str(hob_dns_strerror(-ENOENT), "there is no such name");
    check_str(hob_dns_strerror(EAGAIN), "the name servers could not answer");
    check_str(hob_dns_strerror(-ECONNREFUSED), hob_strerror(-ECONNREFUSED));
}
