/* SPDX-License-Identifier: MIT */
/*
 * Two peers who say things of all kinds at once, by seed, and are cancelled in between, on connections
 * that cut, delay and break: each hears what the other said, all of it, once, in order; and without
 * memory, or at the end, nothing is left.
 */
#include "base/rand.h"
#include "ws/ws.h"
#include "ws/wire.h"

enum { STEPS = 60, LEN_MAX = 5000 };

/* A message says who it is: its number and a length, and bytes that belong to these. */
static size_t make_message(struct rand *rand, unsigned number, char *out)
{
    size_t len = (size_t)rand_below(rand, rand_below(rand, 3) ? 60 : LEN_MAX);
    size_t head = (size_t)sprintf(out, "%u %zu ", number, len);
    for (size_t i = 0; i < len; i++)
        out[head + i] = (char)('a' + (number * 7 + i * i) % 26);
    return head + len;
}

static int check_message(const char *data, size_t len, unsigned *ret_number)
{
    size_t said, head;
    int    n;
    check_eq(sscanf(data, "%u %zu %n", ret_number, &said, &n), 2);
    head = (size_t)n;
    check_eq(len, head + said);
    for (size_t i = 0; i < said; i++)
        check_eq(data[head + i], 'a' + (char)((*ret_number * 7 + i * i) % 26));
    return 0;
}

struct peer {
    hob_ws  *ws;
    uint64_t seed;
    unsigned said, heard;
    bool     may_break; /* the connection */
};

/* Some of it with a deadline that comes too soon: then it was sent, or not. */
static int say_one(struct peer *p, struct rand *rand, char *buf)
{
    size_t len = make_message(rand, p->said, buf);
    int    r = 0, how = (int)rand_below(rand, 6);
    if (how == 0) {
        HOB_TRY(hob_ws_send_begin(p->ws, HOB_WS_TEXT));
        for (size_t at = 0; at < len;) {
            size_t n = 1 + (size_t)rand_below(rand, len - at);
            HOB_TRY(hob_ws_send_part(p->ws, buf + at, n));
            at += n;
        }
        r = hob_ws_send_end(p->ws);
    } else if (how == 1) {
        HOB_SCOPE(s);
        hob_scope_deadline(&s, hob_in((int64_t)rand_below(rand, 3) * HOB_MSEC));
        r = hob_ws_send(p->ws, HOB_WS_BINARY, buf, len);
        ignore(hob_scope_end(&s));
        if (r == -ETIMEDOUT && hob_cancelled() == 0 && p->ws->error == 0)
            return 0; // it was not sent, and its number goes to the next
    } else {
        r = hob_ws_send(p->ws, HOB_WS_TEXT, buf, len);
    }
    if (r == 0)
        p->said++;
    if (r == 0 && how == 2)
        r = hob_ws_ping(p->ws, "are you there?", 14);
    return r;
}

static int talk(void *arg)
{
    struct peer *p = arg;
    struct rand  rand = { p->seed };
    BYTES(buf, LEN_MAX + 50);
    int r = 0;
    for (int i = 0; r == 0 && i < STEPS; i++) {
        r = say_one(p, &rand, (char *)buf);
        if (r == 0 && rand_below(&rand, 4) == 0)
            r = hob_sleep((int64_t)rand_below(&rand, 5) * HOB_MSEC);
    }
    if (r == 0)
        r = hob_ws_send_text(p->ws, "that is all");
    return p->may_break ? 0 : r;
}

static int hear_all(struct peer *p)
{
    struct rand rand = { p->seed + 99 };
    for (;;) {
        hob_ws_kind kind = 0;
        const char *data = NULL;
        ssize_t     n;
        HOB_SCOPE(s);
        if (rand_below(&rand, 3) == 0)
            hob_scope_deadline(&s, hob_in((int64_t)rand_below(&rand, 3) * HOB_MSEC));
        n = hob_ws_recv(p->ws, &kind, &data);
        ignore(hob_scope_end(&s));
        if (n == -ETIMEDOUT && p->ws->error == 0 && hob_cancelled() == 0)
            continue; // and nothing was lost
        if (n < 0)
            return (int)n;
        if (strcmp(data, "that is all") == 0)
            return 0;
        unsigned number;
        check_ok(check_message(data, (size_t)n, &number));
        check_eq(number, p->heard);
        p->heard++;
    }
}

static int talk_and_hear(struct peer *p)
{
    HOB_SCOPE(s);
    hob_go(&s, talk, p);
    int r = hear_all(p);
    if (r < 0)
        hob_scope_cancel(&s, "it has ended");
    int ended = hob_scope_end(&s);
    return p->may_break ? 0 : r < 0 ? r : ended;
}

static struct peer server_side;
static hob_ws_opts opts_of_both;

static int converse(hob_ws *ws, void *arg)
{
    server_side.ws = ws;
    return talk_and_hear(&server_side);
}

static int serve_conversation(hob_http_request *req, void *arg)
{
    return hob_ws_serve(req, &opts_of_both, converse, NULL);
}

static int have_conversation(const hob_sim_world *world, uint64_t seed, bool may_break)
{
    struct site site = { .handler = serve_conversation };
    struct peer client = { .seed = seed * 2, .may_break = may_break };
    HOB_SCOPE(s);

    opts_of_both = (hob_ws_opts){ .deflate = seed % 3 > 0, .takeover = seed % 3 > 1,
                                  .window_bits = 9 + (int)(seed % 7) };
    server_side = (struct peer){ .seed = seed * 2 + 1, .may_break = may_break };
    check_ok(hob_sim_set_world(world));
    check_ok(open_site(&s, &site));
    int r = join_with(&site, &opts_of_both, &client.ws);
    if (r == 0) {
        check_eq(hob_ws_is_deflated(client.ws), seed % 3 > 0);
        r = talk_and_hear(&client);
        if (r == 0 && !may_break)
            r = hob_ws_shutdown(client.ws, 1000, NULL);
        hob_ws_close(client.ws);
    }
    WAIT_FOR(site.stats.connections == 0);
    if (!may_break) {
        check_ok(r);
        check_eq(client.heard, server_side.said);
        check_eq(server_side.heard, client.said);
    } else {
        check_le(client.heard, server_side.said + 1);
        check_le(server_side.heard, client.said + 1);
    }
    return 0;
}

TEST(ws_model, each_hears_what_the_other_said)
{
    hob_sim_world world = { .latency_max_ns = 2 * HOB_MSEC, .short_io_percent = 50, .stream_bytes = 2500 };
    for (uint64_t i = 0; i < 3; i++)
        check_ok(have_conversation(&world, hob_test_seed() * 3 + i, false));
}

TEST(ws_model, when_it_breaks_nothing_is_left)
{
    hob_sim_world world = { .latency_max_ns = 2 * HOB_MSEC, .short_io_percent = 50, .stream_bytes = 2500,
                            .reset_percent = 1 };
    for (uint64_t i = 0; i < 3; i++)
        check_ok(have_conversation(&world, hob_test_seed() * 3 + i, true));
}

/* ---- without memory ---- */

static int try_it_out(const struct site *site)
{
    hob_ws *ws = NULL;
    BYTES(data, 20000);
    memset(data, 'a', 20000);
    HOB_TRY(join_with(site, &opts_of_both, &ws));
    CLOSED_BY(close_ws) hob_ws *closed = ws;
    for (int i = 0; i < 2; i++) {
        hob_ws_kind kind;
        const char *got;
        HOB_TRY(hob_ws_send(ws, HOB_WS_TEXT, data, 20000));
        HOB_TRY(hob_ws_recv(ws, &kind, &got));
    }
    return hob_ws_shutdown(ws, 3000, "well");
}

TEST_ONCE(ws_model, without_memory_it_fails_and_goes_on_afterwards)
{
    for (int how = 0; how < 4; how++) {
        WS_SITE(site, seen);
        opts_of_both = seen.opts = (hob_ws_opts){ .deflate = how % 2, .takeover = how % 2 };
        seen.kept = how / 2;
        int failures = 0;
        for (long at = 1; at < 300; at++) {
            hob__ws_fail_at = at;
            failures += try_it_out(&site) < 0;
            bool was_reached = hob__ws_fail_at == 0;
            hob__ws_fail_at = 0;
            WAIT_FOR(site.stats.connections == 0);
            check_ok(try_it_out(&site));
            if (!was_reached)
                break;
            check_lt(at, 299);
        }
        check_ge(failures, 3);
        hob_scope_cancel(&s, "seen");
        ignore(hob_scope_end(&s));
    }
}
