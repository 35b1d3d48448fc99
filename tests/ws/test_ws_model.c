/* SPDX-License-Identifier: MIT */
/*
 * Two peers who say things of all kinds at once, by seed, and are cancelled in between, on connections
 * that cut, delay and break: each hears what the other said, all of it, once, in order; and without
 * memory, or at the end, nothing is left.
 */
#include "ws/conversation.h"

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
