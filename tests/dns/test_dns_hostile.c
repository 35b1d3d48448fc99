/* SPDX-License-Identifier: MIT */
/*
 * Name servers that lie, fall silent, or answer nonsense (SURVIVAL 58 and 59): within bounds the next
 * try, the next server or TCP has the answer, or there is an error that says what was wrong.
 */
#include "dns/server.h"

static const struct rr ZONE[] = {
    { "a.example", A, 300, "192.0.2.1" },
    { "b.example", A, 300, "192.0.2.2" },
    { NULL, 0, 0, NULL },
};

#define NORMAL_SERVER(name) SERVER(name) = { .zone = ZONE, .no_ttl_s = 30 }

/* How a look-up of a.example ended, and how long it took. */
struct look_up {
    int      r;
    int64_t  took_ns;
    hob_addr addr;
};

static struct look_up look_up(hob_dns *dns, const char *name)
{
    struct look_up l = { 0 };
    int64_t        began_ns = hob_now();
    l.r = hob_dns_addrs(dns, name, 1, AF_INET, &l.addr, 1);
    l.took_ns = hob_now() - began_ns;
    return l;
}

static bool is_right(const struct look_up *l)
{
    return l->r == 1 && strcmp(addr_text(&l->addr), "192.0.2.1:1") == 0;
}

/* ---- replies that are none: SURVIVAL 58 ---- */

static size_t wrong_id(struct server *s, unsigned char *reply, size_t len)
{
    reply[0] ^= 1;
    return len;
}

static size_t wrong_question(struct server *s, unsigned char *reply, size_t len)
{
    reply[13] = 'b';
    return len;
}

static size_t wrong_type(struct server *s, unsigned char *reply, size_t len)
{
    reply[12 + 11 + 1] ^= 4;
    return len;
}

static size_t no_question(struct server *s, unsigned char *reply, size_t len)
{
    reply[5] = 0;
    return len;
}

static size_t two_questions(struct server *s, unsigned char *reply, size_t len)
{
    reply[5] = 2;
    return len;
}

static size_t a_query(struct server *s, unsigned char *reply, size_t len)
{
    reply[2] &= 0x7F;
    return len;
}

static size_t another_opcode(struct server *s, unsigned char *reply, size_t len)
{
    reply[2] |= 0x28;
    return len;
}

static size_t nothing(struct server *s, unsigned char *reply, size_t len)
{
    return SIZE_MAX; // an empty datagram
}

static size_t eleven_bytes(struct server *s, unsigned char *reply, size_t len)
{
    return 11;
}

static size_t half_a_question(struct server *s, unsigned char *reply, size_t len)
{
    return 20;
}

typedef size_t twist_fn(struct server *, unsigned char *, size_t);

/* They are passed over, and waited for the right one until the time is up. */
TEST_ONCE(hostile, what_is_no_reply_to_the_question_is_ignored)
{
    static twist_fn *const TWISTS[] = { wrong_id,      wrong_question, wrong_type,   no_question,
                                        two_questions, a_query,        another_opcode, nothing,
                                        eleven_bytes,  half_a_question };
    for (size_t i = 0; i < sizeof TWISTS / sizeof TWISTS[0]; i++) {
        NORMAL_SERVER(server);
        DNS(dns);
        hob_dns_stats stats;
        HOB_SCOPE(s);
        server.twist = TWISTS[i];
        check_ok(start_server(&s, &server));
        check_ok(make_dns(&s, &server, &(hob_dns_opts){ .try_ns = HOB_SEC, .rounds = 2 }, &dns));
        struct look_up l = look_up(dns, "a.example");
        if (l.r != -ETIMEDOUT)
            fail("twist %zu gave %d", i, l.r);
        check_eq(l.took_ns, 3 * HOB_SEC); // 1 and 2
        hob_dns_stats_get(dns, &stats);
        check_eq(stats.strange, 2);
        check_eq(stats.silent, 2);
        server.twist = NULL;
        l = look_up(dns, "a.example"); // nothing of it was kept
        check(is_right(&l));
    }
}

static void lie_first(struct server *s, const unsigned char *query, size_t len, const hob_addr *from)
{
    unsigned char *reply = malloc(REPLY_MAX);
    size_t         n = answer_to(s, query, len, true, reply);
    reply[n - 1] = 66; // another address
    reply[1] ^= 0x55;
    for (int i = 0; i < 10; i++)
        ignore(hob_udp_send(s->udp, reply, n, from));
    free(reply);
}

TEST_ON_ALL(hostile, the_right_reply_among_wrong_ones_is_taken)
{
    NORMAL_SERVER(server);
    DNS(dns);
    HOB_SCOPE(s);
    server.before = lie_first;
    check_ok(start_server(&s, &server));
    check_ok(make_dns(&s, &server, NULL, &dns));
    struct look_up l = look_up(dns, "a.example");
    check(is_right(&l));
}

/* Somebody else, with the right question, and every number there is. */
struct guesser {
    hob_udp *socket;
    int      sent;
};

static struct guesser guesser;

static void guess_from_elsewhere(struct server *s, const unsigned char *query, size_t len,
                                 const hob_addr *from)
{
    unsigned char *reply = malloc(REPLY_MAX);
    size_t         n = answer_to(s, query, len, true, reply);
    reply[n - 1] = 66;
    for (int i = 0; i < 20; i++) // the number is right, even
        guesser.sent += hob_udp_send(guesser.socket, reply, n, from) > 0;
    free(reply);
}

TEST_ON_ALL(hostile, a_reply_from_somebody_else_is_not_heard)
{
    NORMAL_SERVER(server);
    DNS(dns);
    UDP(socket);
    hob_addr      any = hob_addr_loopback(0);
    hob_dns_stats stats;
    HOB_SCOPE(s);
    check_ok(hob_udp_open(&any, &socket));
    guesser = (struct guesser){ socket, 0 };
    server.before = guess_from_elsewhere;
    server.delay_ns = HOB_MSEC;
    check_ok(start_server(&s, &server));
    check_ok(make_dns(&s, &server, NULL, &dns));
    struct look_up l = look_up(dns, "a.example");
    check(is_right(&l));
    check_eq(guesser.sent, 20);
    hob_dns_stats_get(dns, &stats);
    check_eq(stats.strange, 0);
}

static void guess_a_lot(struct server *s, const unsigned char *query, size_t len, const hob_addr *from)
{
    unsigned char *reply = malloc(REPLY_MAX);
    size_t         n = answer_to(s, query, len, true, reply);
    reply[n - 1] = 66;
    for (int i = 1; i <= 40; i++) {
        reply[1] = (unsigned char)(query[1] + i);
        ignore(hob_udp_send(s->udp, reply, n, from));
    }
    free(reply);
}

TEST(hostile, many_wrong_replies_make_it_ask_by_tcp)
{
    NORMAL_SERVER(server);
    DNS(dns);
    hob_dns_stats stats;
    HOB_SCOPE(s);
    server.before = guess_a_lot;
    server.delay_ns = HOB_MSEC;
    check_ok(start_server(&s, &server));
    check_ok(make_dns(&s, &server, NULL, &dns));
    struct look_up l = look_up(dns, "a.example");
    check(is_right(&l));
    check_eq(server.asked_tcp, 1);
    hob_dns_stats_get(dns, &stats);
    check_eq(stats.strange, 32);
}

TEST(hostile, small_letters_and_capitals_are_told_apart_if_wanted)
{
    NORMAL_SERVER(server);
    DNS(dns);
    HOB_SCOPE(s);
    check_ok(start_server(&s, &server));
    check_ok(make_dns(&s, &server, &(hob_dns_opts){ .mixed_case = 1, .rounds = 1 }, &dns));
    bool has_capital = false;
    for (int i = 0; i < 5; i++) {
        struct look_up l = look_up(dns, "a.example");
        check(is_right(&l));
        hob_dns_clear(dns);
        for (const char *c = server.last_name; *c != '\0'; c++)
            has_capital |= *c >= 'A' && *c <= 'Z';
    }
    check(has_capital);

    server.twist = NULL;
    server.before = NULL;
    extern size_t in_other_case(struct server *, unsigned char *, size_t);
    server.twist = in_other_case;
    struct look_up l = look_up(dns, "a.example.");
    check_err(l.r, -ETIMEDOUT);
}

/* One letter, not all made small: of eight letters, all are asked for as small ones in one of 256 seeds. */
size_t in_other_case(struct server *s, unsigned char *reply, size_t len)
{
    reply[13] ^= 0x20; // the a of a.example
    return len;
}

/* ---- replies that make no sense: SURVIVAL 58 ---- */

enum { ANSWER_AT = 12 + 11 + 4 }; // behind the question for a.example

static size_t loop_to_itself(struct server *s, unsigned char *reply, size_t len)
{
    reply[ANSWER_AT] = 0xC0;
    reply[ANSWER_AT + 1] = ANSWER_AT;
    return len;
}

static size_t loop_of_two(struct server *s, unsigned char *reply, size_t len)
{
    reply[ANSWER_AT] = 0xC0;
    reply[ANSWER_AT + 1] = ANSWER_AT + 2;
    reply[ANSWER_AT + 2] = 0xC0;
    reply[ANSWER_AT + 3] = ANSWER_AT;
    return len;
}

static size_t loop_with_a_label(struct server *s, unsigned char *reply, size_t len)
{
    reply[ANSWER_AT] = 1;
    reply[ANSWER_AT + 2] = 0xC0;
    reply[ANSWER_AT + 3] = ANSWER_AT;
    return len;
}

/* The right answer, but its name is 2,000 jumps away. */
static size_t long_way(struct server *s, unsigned char *reply, size_t len)
{
    enum { NAME = 11, JUMPS = 2000 };
    memmove(reply + ANSWER_AT + 2, reply + ANSWER_AT + NAME, len - ANSWER_AT - NAME);
    size_t at = len - NAME + 2;
    reply[ANSWER_AT] = (unsigned char)(0xC0 | (at >> 8));
    reply[ANSWER_AT + 1] = (unsigned char)at;
    for (int i = 1; i <= JUMPS; i++, at += 2) {
        size_t next = i < JUMPS ? at + 2 : 12;
        reply[at] = (unsigned char)(0xC0 | (next >> 8));
        reply[at + 1] = (unsigned char)next;
    }
    return at;
}

static size_t pointer_out(struct server *s, unsigned char *reply, size_t len)
{
    reply[ANSWER_AT] = 0xFF;
    reply[ANSWER_AT + 1] = 0xFF;
    return len;
}

static size_t label_out(struct server *s, unsigned char *reply, size_t len)
{
    reply[ANSWER_AT] = 63;
    return len;
}

static size_t label_of_a_kind_unknown(struct server *s, unsigned char *reply, size_t len)
{
    reply[ANSWER_AT] = 0x80;
    return len;
}

static size_t cut_in_the_record(struct server *s, unsigned char *reply, size_t len)
{
    return len - 1;
}

static size_t cut_in_the_name(struct server *s, unsigned char *reply, size_t len)
{
    return ANSWER_AT + 3;
}

static size_t no_record_at_all(struct server *s, unsigned char *reply, size_t len)
{
    return ANSWER_AT;
}

static size_t more_records_than_there_are(struct server *s, unsigned char *reply, size_t len)
{
    reply[7] = 2;
    return len;
}

static size_t address_of_three_bytes(struct server *s, unsigned char *reply, size_t len)
{
    reply[len - 5] = 3;
    return len - 1;
}

static size_t data_that_is_longer(struct server *s, unsigned char *reply, size_t len)
{
    reply[len - 5] = 200;
    return len;
}

TEST_ONCE(hostile, what_makes_no_sense_is_an_error_within_bounds)
{
    static twist_fn *const TWISTS[] = {
        loop_to_itself, loop_of_two, loop_with_a_label, long_way, pointer_out, label_out, label_of_a_kind_unknown,
        cut_in_the_record, cut_in_the_name, no_record_at_all, more_records_than_there_are,
        address_of_three_bytes, data_that_is_longer,
    };
    for (size_t i = 0; i < sizeof TWISTS / sizeof TWISTS[0]; i++) {
        NORMAL_SERVER(server);
        DNS(dns);
        hob_dns_stats stats;
        HOB_SCOPE(s);
        server.twist = TWISTS[i];
        check_ok(start_server(&s, &server));
        check_ok(make_dns(&s, &server, NULL, &dns));
        struct look_up l = look_up(dns, "a.example");
        if (l.r != -EBADMSG)
            fail("twist %zu gave %d", i, l.r);
        check_lt(l.took_ns, HOB_MSEC);
        hob_dns_stats_get(dns, &stats);
        check_eq(stats.bad, 3); // it was asked again
        server.twist = NULL;
        l = look_up(dns, "a.example"); // nothing of it was kept
        check(is_right(&l));
    }
}

static size_t seldom_nonsense(struct server *s, unsigned char *reply, size_t len)
{
    return s->asked_udp % 3 == 0 ? len : cut_in_the_record(s, reply, len);
}

TEST(hostile, nonsense_is_asked_again)
{
    NORMAL_SERVER(server);
    DNS(dns);
    HOB_SCOPE(s);
    server.twist = seldom_nonsense;
    check_ok(start_server(&s, &server));
    check_ok(make_dns(&s, &server, NULL, &dns));
    struct look_up l = look_up(dns, "a.example");
    check(is_right(&l));
    check_eq(server.asked_udp, 3);
}

TEST(hostile, a_circle_of_aliases_is_no_answer)
{
    static const struct rr zone[] = {
        { "a.example", CNAME, 300, "b.example" },
        { NULL, 0, 0, NULL },
    };
    SERVER(server) = { .zone = zone };
    DNS(dns);
    HOB_SCOPE(s);
    extern size_t alias_back(struct server *, unsigned char *, size_t);
    server.twist = alias_back;
    check_ok(start_server(&s, &server));
    check_ok(make_dns(&s, &server, NULL, &dns));
    struct look_up l = look_up(dns, "a.example");
    check_err(l.r, -EBADMSG);
}

size_t alias_back(struct server *s, unsigned char *reply, size_t len)
{
    static const struct rr back = { "b.example", CNAME, 300, "a.example" };
    struct bytes           b = { reply + len, reply + REPLY_MAX };
    put_rr(&b, &back);
    reply[7] = 2;
    return (size_t)(b.at - reply);
}

/* Records of other names, which nobody has asked for. */
TEST(hostile, records_of_other_names_are_not_taken)
{
    NORMAL_SERVER(server);
    DNS(dns);
    HOB_SCOPE(s);
    extern size_t others_first(struct server *, unsigned char *, size_t);
    server.twist = others_first;
    check_ok(start_server(&s, &server));
    check_ok(make_dns(&s, &server, NULL, &dns));
    hob_addr addrs[4];
    check_eq(hob_dns_addrs(dns, "a.example", 1, AF_INET, addrs, 4), 1);
    check_str(addr_text(&addrs[0]), "192.0.2.1:1");
    check_eq(server.asked_udp, 1);
    struct look_up l = look_up(dns, "b.example"); // nor kept for later
    check_str(addr_text(&l.addr), "192.0.2.2:1");
    check_eq(server.asked_udp, 2);
}

size_t others_first(struct server *s, unsigned char *reply, size_t len)
{
    static const struct rr other = { "c.example", A, 300, "192.0.2.66" };
    unsigned char          right[512];
    size_t                 end = ANSWER_AT, right_len = len - end;
    struct bytes           b = { reply + end, reply + REPLY_MAX };
    memcpy(right, reply + end, right_len);
    put_rr(&b, &other);
    put(&b, right, right_len);
    put_rr(&b, &other);
    reply[7] = 3;
    return (size_t)(b.at - reply);
}

/* A name in a record could be written into a log, or be another one's in a shell. */
TEST(hostile, names_that_could_be_no_hosts_are_not_passed_on)
{
    static const struct rr zone[] = {
        { "1.2.0.192.in-addr.arpa", PTR, 300, "a\nb.example" },
        { "1.2.0.192.in-addr.arpa", PTR, 300, "$(reboot).example" },
        { "2.2.0.192.in-addr.arpa", PTR, 300, "127.0.0.1" },
        { "2.2.0.192.in-addr.arpa", PTR, 300, "good.example" },
        { "_s._tcp.example", SRV, 300, "1 1 1 a\\b" },
        { NULL, 0, 0, NULL },
    };
    SERVER(server) = { .zone = zone };
    DNS(dns);
    hob_addr        addr;
    hob_dns_name    names[4];
    hob_dns_service services[4];
    HOB_SCOPE(s);
    check_ok(start_server(&s, &server));
    check_ok(make_dns(&s, &server, NULL, &dns));
    check_ok(hob_addr_parse("192.0.2.1:1", &addr));
    check_err(hob_dns_names(dns, &addr, names, 4), -EBADMSG);
    check_ok(hob_addr_parse("192.0.2.2:1", &addr));
    check_eq(hob_dns_names(dns, &addr, names, 4), 1);
    check_str(names[0].text, "good.example");
    check_err(hob_dns_services(dns, "_s._tcp.example", services, 4), -EBADMSG);
}

/* Whatever comes: an error or an answer, soon, and the next question is answered. */
static size_t noise(struct server *s, unsigned char *reply, size_t len)
{
    size_t changes = next_random(&s->random) % 8;
    for (size_t i = 0; i < changes; i++) {
        size_t at = 2 + next_random(&s->random) % (len - 2);
        reply[at] = (unsigned char)(next_random(&s->random) % 4 == 0 ? 0xC0 : next_random(&s->random));
    }
    if (next_random(&s->random) % 4 == 0)
        len = next_random(&s->random) % (len + 1);
    return len == 0 ? SIZE_MAX : len;
}

TEST_ONCE(hostile, noise_ends_in_an_answer_or_an_error_in_time)
{
    static const struct rr zone[] = {
        { "a.example", CNAME, 0, "b.example" }, { "b.example", A, 0, "192.0.2.1" },
        { "b.example", A, 0, "192.0.2.2" },     { "a.example", TXT, 0, "some text" },
        { "a.example", SRV, 0, "1 2 3 b.example" }, { NULL, 0, 0, NULL },
    };
    SERVER(server) = { .zone = zone, .no_ttl_s = 5, .twist = noise, .random = hob_test_seed() };
    DNS(dns);
    HOB_SCOPE(s);
    check_ok(start_server(&s, &server));
    hob_dns_opts opts = { .try_ns = 10 * HOB_MSEC, .rounds = 2, .ttl_max_ns = -1,
                          .negative_ttl_max_ns = -1 };
    check_ok(make_dns(&s, &server, &opts, &dns));
    int right = 0, wrong = 0;
    for (int i = 0; i < (hob_test_is_deep() ? 3000 : 300); i++) {
        hob_dns_text   *texts = NULL;
        hob_dns_service services[4];
        hob_addr        addrs[4];
        int             r = i % 3 == 0   ? hob_dns_addrs(dns, "a.example", 1, AF_INET, addrs, 4)
                            : i % 3 == 1 ? hob_dns_texts(dns, "a.example", &texts)
                                         : hob_dns_services(dns, "a.example", services, 4);
        free(texts);
        right += r > 0;
        wrong += r < 0;
    }
    check_gt(right, 20);
    check_gt(wrong, 20);
}

/* ---- servers that fail: SURVIVAL 59 ---- */

TEST(servers, a_dead_first_one_is_passed_over_and_then_asked_last)
{
    SERVER(dead1) = { .zone = ZONE, .is_silent = true };
    SERVER(dead2) = { .zone = ZONE, .is_silent = true };
    NORMAL_SERVER(server);
    DNS(dns);
    HOB_SCOPE(s);
    check_ok(start_server(&s, &dead1));
    check_ok(start_server(&s, &dead2));
    check_ok(start_server(&s, &server));
    const char *servers[] = { dead1.addr_text, dead2.addr_text, server.addr_text, NULL };
    check_ok(make_dns(&s, &server, &(hob_dns_opts){ .servers = servers }, &dns));
    struct look_up l = look_up(dns, "a.example");
    check(is_right(&l));
    check_eq(l.took_ns, 4 * HOB_SEC); // 2 for each of the dead
    l = look_up(dns, "b.example");
    check_eq(l.took_ns, 0);
    check_ok(hob_sleep(30 * HOB_SEC)); // then it is given another chance
    l = look_up(dns, "gone.example");
    check_err(l.r, -ENOENT);
    check_eq(l.took_ns, 4 * HOB_SEC);
}

TEST_ON_ALL(servers, where_nobody_listens_is_told_at_once)
{
    NORMAL_SERVER(server);
    NORMAL_SERVER(gone);
    DNS(dns);
    DNS(none);
    HOB_SCOPE(s);
    check_ok(start_server(&s, &server));
    {
        HOB_SCOPE(of_gone);
        check_ok(start_server(&of_gone, &gone));
        hob_scope_cancel(&of_gone, "it is not to be there");
        ignore(hob_scope_end(&of_gone));
        close_server(&gone);
        gone.udp = NULL;
        gone.tcp = NULL;
    }
    const char *servers[] = { gone.addr_text, server.addr_text, NULL };
    check_ok(make_dns(&s, &server, &(hob_dns_opts){ .servers = servers }, &dns));
    struct look_up l = look_up(dns, "a.example");
    check(is_right(&l));
    check_ok(make_dns(&s, &gone, NULL, &none));
    l = look_up(none, "a.example");
    check_err(l.r, -ECONNREFUSED);
}

TEST(servers, all_silent_end_at_the_limit)
{
    SERVER(server) = { .zone = ZONE, .is_silent = true };
    DNS(dns);
    DNS(patient);
    HOB_SCOPE(s);
    check_ok(start_server(&s, &server));
    check_ok(make_dns(&s, &server, NULL, &dns));
    struct look_up l = look_up(dns, "a.example");
    check_err(l.r, -ETIMEDOUT);
    check_eq(l.took_ns, 14 * HOB_SEC); // 2, 4 and 8
    const char *three[] = { server.addr_text, server.addr_text, server.addr_text, NULL };
    check_ok(make_dns(&s, &server, &(hob_dns_opts){ .servers = three }, &patient));
    l = look_up(patient, "a.example");
    check_err(l.r, -ETIMEDOUT);
    check_eq(l.took_ns, 15 * HOB_SEC);
    {
        HOB_SCOPE(shorter);
        hob_scope_deadline(&shorter, hob_in(HOB_SEC));
        l = look_up(patient, "b.example");
        ignore(hob_scope_end(&shorter));
        check_err(l.r, -ETIMEDOUT);
        check_eq(l.took_ns, HOB_SEC);
    }
}

TEST(servers, one_that_fails_is_not_the_last_word)
{
    SERVER(failing) = { .zone = ZONE, .rcode = SERVFAIL };
    SERVER(refusing) = { .zone = ZONE, .rcode = REFUSED };
    NORMAL_SERVER(server);
    DNS(dns);
    DNS(only);
    hob_dns_stats stats;
    HOB_SCOPE(s);
    check_ok(start_server(&s, &failing));
    check_ok(start_server(&s, &refusing));
    check_ok(start_server(&s, &server));
    const char *servers[] = { failing.addr_text, refusing.addr_text, server.addr_text, NULL };
    check_ok(make_dns(&s, &server, &(hob_dns_opts){ .servers = servers }, &dns));
    struct look_up l = look_up(dns, "a.example");
    check(is_right(&l));
    check_eq(l.took_ns, 0);
    check_ok(make_dns(&s, &failing, NULL, &only));
    l = look_up(only, "a.example");
    check_err(l.r, -EAGAIN);
    check_eq(failing.asked_udp, 4);
    l = look_up(only, "a.example"); // that is not kept
    check_eq(failing.asked_udp, 7);
    hob_dns_stats_get(only, &stats);
    check_eq(stats.failed, 6);
}

TEST(servers, no_such_name_is_the_last_word)
{
    SERVER(first) = { .zone = ZONE };
    NORMAL_SERVER(second);
    DNS(dns);
    HOB_SCOPE(s);
    check_ok(start_server(&s, &first));
    check_ok(start_server(&s, &second));
    const char *servers[] = { first.addr_text, second.addr_text, NULL };
    check_ok(make_dns(&s, &first, &(hob_dns_opts){ .servers = servers }, &dns));
    struct look_up l = look_up(dns, "gone.example");
    check_err(l.r, -ENOENT);
    check_eq(first.asked_udp, 1);
    check_eq(second.asked_udp, 0);
}

static size_t sends_us_on(struct server *s, unsigned char *reply, size_t len)
{
    reply[2] = 0x80;
    reply[3] = 0;
    return len;
}

TEST(servers, one_that_only_knows_who_might_know_is_not_the_last_word)
{
    SERVER(lame) = { .zone = ZONE, .twist = sends_us_on };
    NORMAL_SERVER(server);
    DNS(dns);
    HOB_SCOPE(s);
    check_ok(start_server(&s, &lame));
    check_ok(start_server(&s, &server));
    const char *servers[] = { lame.addr_text, server.addr_text, NULL };
    check_ok(make_dns(&s, &lame, &(hob_dns_opts){ .servers = servers }, &dns));
    struct look_up l = look_up(dns, "gone.example");
    check_err(l.r, -ENOENT);
    check_eq(lame.asked_udp, 1);
    check_eq(server.asked_udp, 1);
}

TEST(servers, one_without_edns_is_asked_without)
{
    SERVER(server) = { .zone = ZONE, .no_edns = true };
    DNS(dns);
    HOB_SCOPE(s);
    check_ok(start_server(&s, &server));
    check_ok(make_dns(&s, &server, NULL, &dns));
    struct look_up l = look_up(dns, "a.example");
    check(is_right(&l));
    check_eq(server.asked_udp, 2);
    l = look_up(dns, "b.example");
    check_eq(l.r, 1);
    check_eq(server.asked_udp, 3); // it is remembered
}

TEST_ON_ALL(servers, an_answer_that_is_cut_off_comes_by_tcp)
{
    NORMAL_SERVER(server);
    DNS(dns);
    HOB_SCOPE(s);
    server.is_cut = true;
    check_ok(start_server(&s, &server));
    check_ok(make_dns(&s, &server, NULL, &dns));
    struct look_up l = look_up(dns, "a.example");
    check(is_right(&l));
    check_eq(server.asked_udp, 1);
    check_eq(server.asked_tcp, 1);
}

static size_t cut_by_tcp_too(struct server *s, unsigned char *reply, size_t len)
{
    reply[2] |= 2;
    return len;
}

TEST(servers, by_tcp_it_is_whole_or_an_error)
{
    static twist_fn *const TWISTS[] = { cut_by_tcp_too, wrong_id, wrong_question, eleven_bytes,
                                        cut_in_the_record };
    for (size_t i = 0; i < sizeof TWISTS / sizeof TWISTS[0]; i++) {
        NORMAL_SERVER(server);
        DNS(dns);
        HOB_SCOPE(s);
        server.twist = TWISTS[i];
        check_ok(start_server(&s, &server));
        check_ok(make_dns(&s, &server, &(hob_dns_opts){ .by_tcp = 1 }, &dns));
        struct look_up l = look_up(dns, "a.example");
        check_err(l.r, -EBADMSG);
        check_eq(server.asked_udp, 0);
        check_eq(server.asked_tcp, 3);
    }
}

TEST(servers, one_that_takes_the_connection_and_says_nothing_ends_in_time)
{
    SERVER(server) = { .zone = ZONE, .is_silent = true };
    DNS(dns);
    HOB_SCOPE(s);
    check_ok(start_server(&s, &server));
    check_ok(make_dns(&s, &server, &(hob_dns_opts){ .by_tcp = 1, .rounds = 2, .try_ns = HOB_SEC }, &dns));
    struct look_up l = look_up(dns, "a.example");
    check_err(l.r, -ETIMEDOUT);
    check_eq(l.took_ns, 3 * HOB_SEC);
}

/* 200 addresses do not fit into a datagram; 300 are more than anybody wants. */
TEST_ON_ALL(servers, long_answers_come_whole_or_not_at_all)
{
    enum { MANY = 300 };
    struct rr zone[MANY + 1] = { { NULL, 0, 0, NULL } };
    char      texts[MANY][16];
    SERVER(server) = { .zone = zone, .is_cut = true };
    DNS(dns);
    hob_addr addrs[MANY];
    HOB_SCOPE(s);
    for (int i = 0; i < MANY; i++)
        snprintf(texts[i], sizeof texts[i], "10.0.%d.%d", i / 256, i % 256);
    check_ok(start_server(&s, &server));
    check_ok(make_dns(&s, &server, NULL, &dns));
    for (int i = 0; i < 256; i++)
        zone[i] = (struct rr){ "many.example", A, 300, texts[i] };
    check_eq(hob_dns_addrs(dns, "many.example", 1, AF_INET, addrs, MANY), 256);
    check_str(addr_text(&addrs[255]), "10.0.0.255:1");
    for (int i = 0; i < MANY; i++)
        zone[i] = (struct rr){ "toomany.example", A, 300, texts[i] };
    check_err(hob_dns_addrs(dns, "toomany.example", 1, AF_INET, addrs, MANY), -EMSGSIZE);
}

TEST_ONCE(servers, lost_datagrams_are_sent_again)
{
    NORMAL_SERVER(server);
    DNS(dns);
    hob_dns_stats stats;
    int           found = 0;
    HOB_SCOPE(s);
    server.loss_percent = 30;
    server.random = hob_test_seed();
    check_ok(start_server(&s, &server));
    check_ok(hob_sim_set_world(&(hob_sim_world){ .latency_min_ns = HOB_MSEC, .latency_max_ns = 50 * HOB_MSEC,
                                                 .loss_percent = 20 }));
    hob_dns_opts opts = { .rounds = 12, .try_ns = 100 * HOB_MSEC, .limit_ns = HOB_FOREVER };
    check_ok(make_dns(&s, &server, &opts, &dns));
    for (int i = 0; i < 50; i++) {
        struct look_up l = look_up(dns, "a.example");
        found += is_right(&l);
        hob_dns_clear(dns);
    }
    check_ge(found, 49);
    hob_dns_stats_get(dns, &stats);
    check_gt(stats.silent, 10);
}

TEST(servers, with_rotate_they_are_asked_in_turns)
{
    NORMAL_SERVER(one);
    NORMAL_SERVER(two);
    hob_addr      addr;
    static const char conf[] = "nameserver 10.0.0.2\nnameserver 10.0.0.3\noptions rotate\n";
    HOB_SCOPE(s);
    check_ok(hob_addr_parse("10.0.0.2:53", &addr));
    check_ok(start_server_at(&s, &one, &addr));
    check_ok(hob_addr_parse("10.0.0.3:53", &addr));
    check_ok(start_server_at(&s, &two, &addr));
    check_ok(hob_sim_put_file("/etc/resolv.conf", conf, sizeof conf - 1));
    for (int i = 0; i < 10; i++) {
        struct look_up l = look_up(NULL, "a.example");
        check(is_right(&l));
        hob_dns_clear(NULL);
    }
    check_eq(one.asked_udp, 5);
    check_eq(two.asked_udp, 5);
}

TEST(servers, of_ipv6_are_asked_too)
{
    NORMAL_SERVER(server);
    hob_addr          addr;
    static const char conf[] = "nameserver 2001:db8::53\n";
    HOB_SCOPE(s);
    check_ok(hob_addr_parse("[2001:db8::53]:53", &addr));
    check_ok(start_server_at(&s, &server, &addr));
    check_ok(hob_sim_put_file("/etc/resolv.conf", conf, sizeof conf - 1));
    struct look_up l = look_up(NULL, "a.example");
    check(is_right(&l));
}

/* An AAAA question that nobody answers, as from servers behind a broken wall, costs 2 s and not 14. */
TEST(servers, silence_about_one_family_does_not_hold_up_the_other_for_long)
{
    NORMAL_SERVER(server);
    DNS(dns);
    hob_addr addr;
    HOB_SCOPE(s);
    server.silent_for = AAAA;
    check_ok(start_server(&s, &server));
    check_ok(make_dns(&s, &server, NULL, &dns));
    int64_t began_ns = hob_now();
    check_eq(hob_dns_addrs(dns, "a.example", 1, AF_UNSPEC, &addr, 1), 1);
    check_eq(hob_now() - began_ns, 2 * HOB_SEC);
}
