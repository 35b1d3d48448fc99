/* SPDX-License-Identifier: MIT */
/*
 * Clients of HTTP/2 that do too much: each flood ends that connection, in bounded memory, and nobody else's.
 * Rows are those of SURVIVAL.
 */
#include <malloc.h>

#include "http/h2_peer.h"

static int hello(hob_http_request *req, void *arg)
{
    return hob_http_reply_text(req, 200, "hello");
}

struct busy {
    int running, most, begun;
};

/* Cannot be hurried: what was begun is cleaned up for a while. */
static int work_on(hob_http_request *req, void *arg)
{
    struct busy *busy = arg;
    if (strcmp(hob_http_path(req), "/quick") == 0)
        return hob_http_reply_text(req, 200, "hello");
    busy->begun++;
    if (++busy->running > busy->most)
        busy->most = busy->running;
    HOB_SHIELD(HOB_MINUTE)
    {
        ignore(hob_sleep(30 * HOB_MSEC));
    }
    busy->running--;
    return hob_http_reply_text(req, 200, "done");
}

/* Says the script again and again until the server has had enough, or `max` times. */
static int flood(struct h2_seen *peer, const char *script, int max)
{
    H2_BYTES(bytes);
    h2_script(&bytes, script);
    for (int i = 0; i < max; i++) {
        if (hob_tcp_write(peer->conn, bytes.at, bytes.len) < 0)
            break;
    }
    H2_HEAR_UNTIL(peer, peer->goaway != 0);
    return 0;
}

static int check_others(const struct site *site, struct h2_seen *other, uint32_t id)
{
    char script[40];
    int  answers = other->answers;

    snprintf(script, sizeof script, "get:%u:/quick", id);
    check_ok(h2_say(other, script));
    H2_HEAR_UNTIL(other, other->answers > answers);
    check_eq(other->status[id], 200);
    return 0;
}

/* ---- resets ---- */

/* Row 89: CVE-2023-44487. */
TEST_ON_ALL(http2_floods, requests_that_are_taken_back_at_once_end_the_connection)
{
    enum { AT_ONCE = 50, TIMES = 400 }; // 20,000
    struct busy busy = { 0 };
    struct site site = { .handler = work_on, .arg = &busy };
    H2_BYTES(bytes);
    H2_PEER(other);
    H2_PEER(peer);
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    check_ok(h2_visit(&site, &other));
    check_ok(h2_say(other, "PRI"));
    check_ok(check_others(&site, other, 1));
    check_ok(h2_visit(&site, &peer));
    check_ok(h2_say(peer, "PRI"));
    uint32_t id = 1;
    for (int i = 0; i < TIMES; i++) {
        bytes.len = 0;
        for (int k = 0; k < AT_ONCE; k++, id += 2) {
            unsigned char code[4] = { 0, 0, 0, 8 };
            h2_request(&bytes, id, "GET", "/", true);
            h2_frame(&bytes, H2_RST, 0, id, code, 4);
        }
        if (hob_tcp_write(peer->conn, bytes.at, bytes.len) < 0)
            break;
        if (i % 20 == 0)
            check_ok(check_others(&site, other, 3 + 2 * (uint32_t)i));
    }
    H2_HEAR_UNTIL(peer, false);
    WAIT_FOR(site.stats.connections == 1);
    check_eq(site.stats.calmed, 1);
    check_le(busy.begun, 1000);
    check_le(busy.most, 100);
    check_ok(check_others(&site, other, 1001));
    check_eq(site.stats.running, 0);
}

/* Those whose handler has not ended count, whatever the client thinks of them. */
TEST_ON_ALL(http2_floods, a_request_counts_until_its_handler_has_ended)
{
    struct busy busy = { 0 };
    struct site site = { .handler = work_on, .arg = &busy, .opts.streams_max = 10 };
    H2_PEER(peer);
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    check_ok(h2_visit(&site, &peer));
    check_ok(h2_say(peer, "PRI get:1*10 ping"));
    H2_HEAR_UNTIL(peer, peer->pings == 1);
    check_ok(h2_say(peer, "rst:1:8*10 get:21*5 ping"));
    H2_HEAR_UNTIL(peer, peer->pings == 2);
    check_eq(peer->refused, 5);
    check_eq(busy.begun, 10);
    WAIT_FOR(site.stats.running == 0);
    check_ok(h2_say(peer, "get:41"));
    H2_HEAR_UNTIL(peer, peer->ended[41]);
}

/* RFC 9113 5.1.2. Whoever knows the limit breaks a rule, but that is one request's end and no other's. */
TEST_ON_ALL(http2_floods, a_request_over_the_limit_is_refused_alone)
{
    struct busy busy = { 0 };
    struct site site = { .handler = work_on, .arg = &busy, .opts.streams_max = 10 };
    H2_PEER(peer);
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    check_ok(h2_visit(&site, &peer));
    check_ok(h2_say(peer, "PRI setack ping"));
    H2_HEAR_UNTIL(peer, peer->pings == 1);
    check_eq(peer->streams_max, 10u);
    for (uint32_t id = 1; id < 300; id += 100) {
        char script[40];
        snprintf(script, sizeof script, "get:%u*12", id);
        int answers = peer->answers;
        check_ok(h2_say(peer, script));
        H2_HEAR_UNTIL(peer, peer->answers == answers + 10);
        check_eq(peer->reset[id + 20], 7 + 1);
        check_eq(peer->reset[id + 22], 7 + 1);
    }
    check_eq(peer->goaways, 0);
    check_eq(peer->refused, 6);
    check_eq(site.stats.refused, 6);
    check_eq(busy.begun, 30);
}

/* It may have asked for much before it heard of the limit. */
TEST_ON_ALL(http2_floods, many_requests_before_the_limit_is_known_are_refused_one_by_one)
{
    struct busy busy = { 0 };
    struct site site = { .handler = work_on, .arg = &busy, .opts.streams_max = 10 };
    H2_PEER(peer);
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    check_ok(h2_visit(&site, &peer));
    check_ok(h2_say(peer, "PRI head:1:5::method=GET|:scheme=http|:path=/|:authority=a*1500"));
    H2_HEAR_UNTIL(peer, peer->answers + peer->refused == 1500);
    check_ge(peer->answers, 10);
    check_eq(peer->goaways, 0);
    check_ok(h2_say(peer, "setack"));
    check_ok(check_others(&site, peer, 3001));
}

TEST_ON_ALL(http2_floods, requests_over_a_known_limit_end_the_connection_at_last)
{
    struct busy busy = { 0 };
    struct site site = { .handler = work_on, .arg = &busy, .opts = { .streams_max = 10, .resets_per_s_max = 10 } };
    H2_PEER(peer);
    H2_PEER(other);
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    check_ok(h2_visit(&site, &other));
    check_ok(h2_say(other, "PRI"));
    check_ok(h2_visit(&site, &peer));
    check_ok(h2_say(peer, "PRI setack ping"));
    H2_HEAR_UNTIL(peer, peer->pings == 1);
    check_ok(h2_say(peer, "get:1*200"));
    H2_HEAR_UNTIL(peer, peer->goaway != 0);
    check_eq(peer->goaway, 11);
    check_eq(site.stats.calmed, 1);
    check_ok(check_others(&site, other, 1));
}

/* Nor does who does not hear of them make them pile up. */
TEST_ONCE(http2_floods, refusals_that_nobody_takes_are_few)
{
    struct busy busy = { 0 };
    struct site site = { .handler = work_on, .arg = &busy, .opts.streams_max = 10 };
    H2_PEER(peer);
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    check_ok(h2_visit(&site, &peer));
    check_ok(h2_say(peer, "PRI"));
    hob_scope_deadline(&s, hob_in(5 * HOB_SEC));
    for (uint32_t id = 1; id < 2000000; id += 200) {
        char script[40];
        snprintf(script, sizeof script, "get:%u*100", id);
        if (h2_say(peer, script) < 0)
            break;
        check_lt(mallinfo2().uordblks, 30000000u);
    }
    check_eq(hob_cancelled(), -ETIMEDOUT); // it is not read from any more
    check_lt(site.stats.refused, 200000u);
}

/* Row 90: CVE-2025-8671, by the ways that make a server reset a stream. */
TEST_ON_ALL(http2_floods, resets_that_are_provoked_end_the_connection)
{
    static const char *const WAYS[] = {
        "head:%u:5::method=GET|:scheme=http|:path=/|:authority=a|X=y", // malformed
        "head:%u:4::method=POST|:scheme=http|:path=/|:authority=a|content-length=1 end:%u:ab",
        "get:%u win:%u:0x7fffffff",
    };
    for (size_t way = 0; way < sizeof WAYS / sizeof WAYS[0]; way++) {
        struct busy busy = { 0 };
        struct site site = { .handler = work_on, .arg = &busy, .opts.resets_per_s_max = 10 };
        H2_PEER(peer);
        HOB_SCOPE(s);
        check_ok(open_site(&s, &site));
        check_ok(h2_visit(&site, &peer));
        check_ok(h2_say(peer, "PRI"));
        for (uint32_t id = 1; id < 4000; id += 2) {
            char script[200];
            snprintf(script, sizeof script, WAYS[way], id, id);
            if (h2_say(peer, script) < 0)
                break;
        }
        H2_HEAR_UNTIL(peer, false);
        close_tcp(&peer->conn);
        WAIT_FOR(site.stats.connections == 0);
        if (site.stats.calmed != 1)
            HOB_EXPECT_NOT("%s: %s", WAYS[way], peer->words);
        check_le(busy.most, 100);
        hob_scope_cancel(&s, "seen");
        (void)!hob_scope_end(&s);
    }
}

/* ---- heads ---- */

/* Row 91: CVE-2024-27316. Frames that are empty, and frames that are full. */
TEST_ON_ALL(http2_floods, a_head_without_end_ends_the_connection_early)
{
    for (size_t len = 0; len <= 16000; len += 8000) {
        struct site site = { .handler = hello };
        H2_BYTES(frame);
        H2_PEER(peer);
        HOB_SCOPE(s);
        static char zeros[16000];
        size_t      sent = 0;

        check_ok(open_site(&s, &site));
        check_ok(h2_visit(&site, &peer));
        check_ok(h2_say(peer, "PRI f:1:1:1:828684410161"));
        // A literal of an endless value, so that it decodes to nothing yet.
        h2_frame(&frame, H2_CONTINUATION, 0, 1, zeros, len);
        for (int i = 0; i < 200 && hob_tcp_write(peer->conn, frame.at, frame.len) >= 0; i++)
            sent += frame.len;
        H2_HEAR_UNTIL(peer, false);
        close_tcp(&peer->conn);
        WAIT_FOR(site.stats.connections == 0);
        check(len == 0 || in_sim() == 0 || sent < 1000000);
        check_eq(site.stats.requests, 0);
        check_gt(site.stats.calmed + site.stats.bad, 0);
        hob_scope_cancel(&s, "seen");
        (void)!hob_scope_end(&s);
    }
}

/* A request that puts a field of 4 KB into the table, and one that names it so many times in a byte each. */
static int drop_bomb(struct h2_seen *peer, size_t times)
{
    unsigned char bomb[15000] = "\x82\x86\x84\xbf"; // :authority is the second in the table by now
    char          value[3900];
    H2_BYTES(block);
    H2_BYTES(bytes);

    memset(value, 'x', sizeof value);
    h2_put(&block, "\x82\x86\x84\x41\x01" "a", 6);
    h2_put(&block, "\x40", 1);
    h2_string(&block, "x", 1);
    h2_string(&block, value, sizeof value);
    h2_script(&bytes, "PRI");
    h2_frame(&bytes, H2_HEADERS, H2_END_HEADERS | H2_END_STREAM, 1, block.at, block.len);
    memset(bomb + 4, 0x80 | 62, times);
    h2_frame(&bytes, H2_HEADERS, H2_END_HEADERS | H2_END_STREAM, 3, bomb, 4 + times);
    return hob_tcp_write(peer->conn, bytes.at, bytes.len) < 0 ? hob_fail(HOB_EBROKEN) : 0;
}

/* Row 92: to read all of it would take 50 ms. */
TEST_ON_ALL(http2_floods, a_head_that_decodes_to_megabytes_ends_the_connection)
{
    struct site site = { .handler = hello };
    H2_PEER(peer);
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    check_ok(h2_visit(&site, &peer));
    check_ok(drop_bomb(peer, 14000));
    H2_HEAR_UNTIL(peer, false);
    check_eq(peer->goaway, NGHTTP2_ENHANCE_YOUR_CALM);
    check_eq(site.stats.calmed, 1);
}

TEST_ON_ALL(http2_floods, a_head_that_is_over_the_limit_gets_431)
{
    struct site site = { .handler = hello };
    H2_PEER(peer);
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    check_ok(h2_visit(&site, &peer));
    check_ok(drop_bomb(peer, 10));
    H2_HEAR_UNTIL(peer, peer->answers == 2 || peer->resets > 0);
    check_eq(peer->status[1], 200);
    check_eq(peer->status[3], 431);
    check_eq(site.stats.bad, 1);
    check_ok(h2_say(peer, "get:5")); // the table is still the same on both sides
    H2_HEAR_UNTIL(peer, peer->ended[5]);
}

/* ---- frames that carry nothing ---- */

/* Row 93. */
TEST_ON_ALL(http2_floods, frames_that_carry_nothing_end_the_connection)
{
    static const char *const WAYS[] = {
        "ping^100", "set:4=65535^100", "setack^100", "prio:1:0^100", "data:1:^100", "f:77:0:0:^100",
        "win:0:1^100", "win:1:1^100", "f:16:0:0:00000001753d30^100",
    };
    for (size_t way = 0; way < sizeof WAYS / sizeof WAYS[0]; way++) {
        struct site site = { .handler = hello };
        H2_PEER(peer);
        HOB_SCOPE(s);
        check_ok(open_site(&s, &site));
        check_ok(h2_visit(&site, &peer));
        check_ok(h2_say(peer, "PRI head:1:4::method=POST|:scheme=http|:path=/|:authority=a|content-length=9"));
        check_ok(flood(peer, WAYS[way], 200));
        H2_HEAR_UNTIL(peer, false);
        close_tcp(&peer->conn);
        WAIT_FOR(site.stats.connections == 0);
        if (site.stats.calmed != 1 && !(site.stats.bad > 0 && way == 2))
            HOB_EXPECT_NOT("%s: %s", WAYS[way], peer->words);
        hob_scope_cancel(&s, "seen");
        (void)!hob_scope_end(&s);
    }
}

/* Row 93: answers that nobody reads are not gathered. */
TEST_ONCE(http2_floods, pings_whose_answers_are_not_read_end_the_connection)
{
    struct site site = { .handler = hello };
    H2_BYTES(pings);
    H2_PEER(peer);
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    check_ok(h2_visit(&site, &peer));
    check_ok(h2_say(peer, "PRI"));
    h2_script(&pings, "ping^50");
    hob_scope writing;
    hob_scope_begin(&writing);
    hob_scope_deadline(&writing, hob_in(10 * HOB_MINUTE));
    for (int i = 0; i < 10000 && hob_tcp_write(peer->conn, pings.at, pings.len) >= 0; i++)
        check_ok(hob_sleep(HOB_SEC)); // slowly enough for the budget
    (void)!hob_scope_end(&writing);
    WAIT_FOR(site.stats.connections == 0);
}

/* ---- windows that are not heeded ---- */

/* "/much" answers what nobody takes; the others wait, and read nothing. */
static int hold(hob_http_request *req, void *arg)
{
    static char much[100000];
    int        *begun = arg;
    hob_stream *stream;

    if (strcmp(hob_http_path(req), "/much") == 0)
        return hob_http_reply(req, 200, NULL, much, sizeof much);
    ++*begun;
    if (strcmp(hob_http_method(req), "CONNECT") == 0)
        HOB_TRY(hob_http_upgrade(req, "echo", &stream));
    return hob_sleep(HOB_FOREVER);
}

/* The client takes nothing, so that a reset would never be sent: what is over the window is not kept for all that,
 * and is paid as what is no part of anything. */
static int overrun(const char *first)
{
    enum { PIECE = 16000, PIECES = 3000 }; // 48 MB
    int         begun = 0;
    struct site site = { .handler = hold, .arg = &begun, .opts.body_bytes_max = UINT64_C(1) << 40 };
    static char piece[PIECE];
    H2_BYTES(bytes);
    H2_PEER(peer);
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    check_ok(h2_visit(&site, &peer));
    check_ok(h2_say(peer, "PRI set:4=1000000 win:0:100000000 get:1:/much*40"));
    check_ok(h2_say(peer, first));
    WAIT_FOR(begun == 1);
    h2_frame(&bytes, H2_DATA, 0, 1001, piece, PIECE);
    size_t before = mallinfo2().uordblks;
    hob_scope writing;
    hob_scope_begin(&writing);
    hob_scope_deadline(&writing, hob_in(4 * HOB_SEC));
    for (int i = 0; i < PIECES && hob_tcp_write(peer->conn, bytes.at, bytes.len) >= 0; i++)
        continue;
    ignore(hob_scope_end(&writing));
    check_lt(mallinfo2().uordblks, before + 4000000u);
    check_eq(site.stats.calmed, 1);
    hob_scope_cancel(&s, "seen");
    return 0;
}

TEST_ONCE(http2_floods, a_body_that_heeds_no_window_is_not_kept)
{
    check_ok(overrun("post:1001:/hold"));
}

TEST_ONCE(http2_floods, a_tunnel_that_heeds_no_window_is_not_kept)
{
    check_ok(overrun("conn:1001:echo"));
}

/* ---- too many, too slow ---- */

/* Row 94. */
TEST_ON_ALL(http2_floods, more_streams_than_allowed_are_refused_and_the_others_answered)
{
    struct busy busy = { 0 };
    struct site site = { .handler = work_on, .arg = &busy };
    H2_PEER(peer);
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    check_ok(h2_visit(&site, &peer));
    check_ok(h2_say(peer, "PRI get:1*2000"));
    H2_HEAR_UNTIL(peer, peer->answers + peer->refused == 2000);
    check_eq(peer->goaway, 0);
    check_ge(peer->answers, 100);
    check_eq(peer->answers, busy.begun);
    check_le(busy.most, 100);
}

static int answer_much(hob_http_request *req, void *arg)
{
    static char much[1000000];
    return hob_http_reply(req, 200, NULL, much, sizeof much);
}

/* Row 95. */
TEST_ONCE(http2_floods, a_window_that_stays_shut_ends_the_requests_and_costs_little)
{
    struct site site = { .handler = answer_much };
    H2_PEER(peer);
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    check_ok(h2_visit(&site, &peer));
    int64_t begun_ns = hob_now();
    check_ok(h2_say(peer, "PRI set:4=0 get:1*50 ping"));
    H2_HEAR_UNTIL(peer, peer->pings == 1);
    check_eq(site.stats.running, 50);
    check_lt(mallinfo2().uordblks, 30000000u);
    H2_HEAR_UNTIL(peer, peer->resets == 50);
    check_le(hob_now() - begun_ns, HOB_HOUR);
    WAIT_FOR(site.stats.running == 0);
}

TEST_ONCE(http2_floods, a_window_opened_byte_by_byte_ends_the_request_in_time)
{
    struct site site = { .handler = answer_much };
    H2_PEER(peer);
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    check_ok(h2_visit(&site, &peer));
    int64_t begun_ns = hob_now();
    check_ok(h2_say(peer, "PRI set:4=0 get:1"));
    while (peer->resets == 0 && peer->goaway == 0 && !peer->is_over && h2_say(peer, "win:1:1 ping") == 0) {
        int pings = peer->pings;
        H2_HEAR_UNTIL(peer, peer->pings > pings || peer->resets > 0);
        check_ok(hob_sleep(HOB_SEC));
    }
    check_eq(peer->reset[1], 8 + 1);
    check_le(hob_now() - begun_ns, HOB_HOUR);
}

/* Row 91, slowly. */
TEST_ONCE(http2_floods, a_head_that_does_not_end_in_time_ends_the_connection)
{
    struct site site = { .handler = hello };
    H2_PEER(peer);
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    check_ok(h2_visit(&site, &peer));
    int64_t begun_ns = hob_now();
    check_ok(h2_say(peer, "PRI f:1:1:1:8286"));
    H2_HEAR_UNTIL(peer, false);
    check_str(peer->words, "goaway:11");
    check_ge(hob_now() - begun_ns, 10 * HOB_SEC);
    check_le(hob_now() - begun_ns, 14 * HOB_SEC);
    check_eq(site.stats.timed_out, 1);
}

TEST_ONCE(http2_floods, a_preface_that_does_not_end_in_time_is_a_late_request)
{
    struct site site = { .handler = hello };
    char        got[500];
    TCP(conn);
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    check_ok(visit(&site, &conn));
    check_ok(say(conn, "PRI * HTTP"));
    check_ok(hear(conn, got, sizeof got));
    check_eq(status_in(got), 408);
}

TEST_ON_ALL(http2_floods, more_requests_than_the_server_takes_get_503)
{
    struct busy busy = { 0 };
    struct site site = { .handler = work_on, .arg = &busy, .opts = { .running_max = 4, .retry_after_s = 7 } };
    H2_PEER(peer);
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    check_ok(h2_visit(&site, &peer));
    check_ok(h2_say(peer, "PRI get:1*10"));
    H2_HEAR_UNTIL(peer, peer->answers == 10);
    int ok = 0, refused = 0;
    for (int id = 1; id < 20; id += 2) {
        ok += peer->status[id] == 200;
        refused += peer->status[id] == 503;
    }
    check_eq(ok, 4);
    check_eq(refused, 6);
    check_has(peer->fields, "retry-after: 7\n");
    check_eq(site.stats.refused, 6);
}

/* ---- no room ---- */

static int until_told(hob_http_request *req, void *arg)
{
    char buf[1000];

    if (strcmp(hob_http_path(req), "/quick") != 0)
        HOB_TRY(hob_event_wait(arg));
    while (HOB_TRY(hob_http_read(req, buf, sizeof buf)) > 0)
        continue;
    return hob_http_reply_text(req, 200, "hello");
}

TEST_ON_ALL(http2_floods, an_idle_one_that_makes_room_is_told_which_was_its_last)
{
    struct site site = { .handler = hello, .opts.connections_max = 2 };
    char        got[512];
    H2_PEER(first);
    H2_PEER(other);
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    check_ok(h2_visit(&site, &first));
    check_ok(h2_say(first, "PRI get:1*3"));
    H2_HEAR_UNTIL(first, first->answers == 3);
    check_ok(h2_visit(&site, &other));
    check_ok(h2_say(other, "PRI get:1"));
    H2_HEAR_UNTIL(other, other->answers == 1);
    WAIT_FOR(site.stats.idle == 2);
    check_ok(ask(&site, GET("/"), got, sizeof got));
    check_eq(status_in(got), 200);
    H2_HEAR_UNTIL(first, false);
    check_eq(first->goaways, 1);
    check_eq(first->goaway, 0);
    check_eq(first->last_id, 5u);
    check_eq(site.stats.displaced, 1);
    check_eq(other->goaways, 0);
    check_ok(check_others(&site, other, 3));
}

/* As long as it is silent, it may speak any version. */
TEST_ON_ALL(http2_floods, one_too_many_is_told_in_its_own_words)
{
    hob_event   go_on = { .name = "go on" };
    struct site site = { .handler = until_told, .arg = &go_on, .opts = { .connections_max = 1, .running_max = 1 } };
    char        got[512];
    TCP(busy);
    TCP(in_pieces);
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    check_ok(visit(&site, &busy));
    check_ok(say(busy, GET("/")));
    WAIT_FOR(site.stats.running == 1);
    {
        H2_PEER(peer);
        check_ok(h2_visit(&site, &peer));
        check_ok(h2_say(peer, "PRI get:1*3"));
        H2_HEAR_UNTIL(peer, false);
        check_eq(peer->settings, 1);
        check_eq(peer->goaways, 1);
        check_eq(peer->goaway, 0);
        check_eq(peer->last_id, 0u);
        check_str(peer->words, "");
    }
    check_ok(ask(&site, "PRINT / HTTP/1.1\r\nHost: a\r\n\r\n", got, sizeof got));
    check_eq(status_in(got), 503);
    check_ok(visit(&site, &in_pieces));
    check_ok(say(in_pieces, "P"));
    check_ok(hob_sleep(HOB_MSEC));
    check_ok(say(in_pieces, "UT / HTTP/1.1\r\nHost: a\r\n\r\n"));
    ssize_t n = check_ok(hear(in_pieces, got, sizeof got));
    check_gt(n, 0);
    check_eq(status_in(got), 503);
    check_eq(site.stats.refused, 3);
    hob_event_set(&go_on);
    check_ok(hear_until(busy, "hello", got, sizeof got));
}

/* Its connection is one of those that are served, and then there is no room for its first request. */
TEST_ON_ALL(http2_floods, the_first_one_of_too_many_running_is_told_in_its_own_words)
{
    hob_event   go_on = { .name = "go on" };
    struct site site = { .handler = until_told, .arg = &go_on, .opts.running_max = 1 };
    char        got[512];
    TCP(busy);
    H2_PEER(peer);
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    check_ok(visit(&site, &busy));
    check_ok(say(busy, GET("/")));
    WAIT_FOR(site.stats.running == 1);
    check_ok(h2_visit(&site, &peer));
    check_ok(h2_say(peer, "PRI get:1"));
    H2_HEAR_UNTIL(peer, false);
    check_eq(peer->goaways, 1);
    check_eq(peer->last_id, 0u);
    hob_event_set(&go_on);
    check_ok(hear_until(busy, "hello", got, sizeof got));
}

/* All that its requests do is wait for it. */
static int crowd_out(const char *script)
{
    enum { CONNECTIONS_MAX = 20, MANY = 100 };
    hob_event      told = { .name = "told" };
    struct site    site = { .handler = until_told, .arg = &told,
                            .opts = { .connections_max = CONNECTIONS_MAX, .body_ns = HOB_HOUR, .head_ns = HOB_HOUR } };
    struct h2_seen *foes[MANY];
    char            got[512];
    int             told_count = 0;
    HOB_SCOPE(s);

    hob_event_set(&told);
    check_ok(open_site(&s, &site));
    for (int i = 0; i < MANY; i++) {
        check_ok(h2_visit(&site, &foes[i]));
        check_ok(h2_say(foes[i], script));
        settle();
        check_le(site.stats.connections, CONNECTIONS_MAX + 1);
        if (i % 10 == 0) {
            check_ok(ask(&site, "GET /quick HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", got, sizeof got));
            check_eq(status_in(got), 200);
        }
    }
    check_eq(site.stats.refused, 0);
    check_ge(site.stats.displaced, MANY - CONNECTIONS_MAX);
    for (int i = 0; i < MANY; i++) {
        H2_HEAR_UNTIL(foes[i], false); // the others are, too, at last, with a warning before it
        told_count += foes[i]->goaways == 1 && foes[i]->goaway == 0;
        h2_seen_free(&foes[i]);
    }
    check_ge(told_count, MANY - CONNECTIONS_MAX);
    hob_scope_cancel(&s, "seen");
    (void)!hob_scope_end(&s);
    check_eq(site.stats.connections, 0);
    return 0;
}

TEST_ONCE(http2_floods, half_heads_keep_nobody_out)
{
    check_ok(crowd_out("PRI f:1:0:1:82"));
}

TEST_ONCE(http2_floods, bodies_that_do_not_come_keep_nobody_out)
{
    check_ok(crowd_out("PRI post:1:/a*3 data:1:x"));
}

TEST_ONCE(http2_floods, closed_windows_keep_nobody_out)
{
    check_ok(crowd_out("PRI set:4=0 get:1:/a*3"));
}
