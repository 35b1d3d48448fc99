/* SPDX-License-Identifier: MIT */
/*
 * Many WebSockets over one connection, by seed: each says things of all kinds and is cancelled in between, some go in the
 * middle and others come, on a connection that cuts, delays and breaks. What each has said comes back to it, all of
 * it, once, in order; and without memory, or at the end, nothing is left.
 */
#include <hob/sim.h>

#define HOB_WSOPEN_HAVE_H2
#include "ws/conversation.h"
#include "wsopen/link.h"
#include "wsopen/links.h"

enum { AT_ONCE = 6, ROUNDS = 3 };

struct player {
    hob_ws_link *link;
    uint64_t     seed;
    bool         may_break;
    int          talks, left_early;
};

/* Closes it when the time is over, wherever it is. */
static int leave_early(struct player *player, struct peer *peer, struct rand *rand)
{
    HOB_SCOPE(s);
    hob_scope_deadline(&s, hob_in((int64_t)rand_below(rand, 200) * HOB_MSEC));
    peer->may_break = true;
    int r = talk_and_hear(peer);
    ignore(hob_scope_end(&s));
    player->left_early++;
    return r;
}

static int play_once(struct player *player, struct rand *rand)
{
    hob_ws_opts opts = { .deflate = rand_below(rand, 2) == 0, .takeover = rand_below(rand, 2) == 0 };
    struct peer peer = { .seed = rand_next(rand), .may_break = player->may_break };
    int         r = hob_ws_open_on(player->link, "/chat", &opts, NULL, &peer.ws);
    if (r < 0)
        return r;
    CLOSED_BY(close_ws) hob_ws *closed = peer.ws;
    if (rand_below(rand, 3) == 0)
        return leave_early(player, &peer, rand);
    r = talk_and_hear(&peer);
    if (r == 0 && !player->may_break) {
        check_eq(peer.heard, peer.said);
        r = hob_ws_shutdown(peer.ws, 1000, NULL);
    }
    player->talks++;
    return r;
}

static int play(void *arg)
{
    struct player *player = arg;
    struct rand    rand = { player->seed };
    int            r = 0;
    for (int i = 0; i < ROUNDS && r == 0; i++) {
        check_ok(hob_sleep((int64_t)rand_below(&rand, 20) * HOB_MSEC));
        r = play_once(player, &rand);
    }
    return player->may_break ? 0 : r;
}

static int play_all(const struct site *site, uint64_t seed, bool may_break)
{
    struct player    players[AT_ONCE];
    hob_ws_link_opts opts = { .window_bytes = 1024u << seed % 7, .open_max = seed % 3 == 0 ? 3 : 0 };
    LINK(link);
    int r = link_to(site, &opts, &link);
    if (r < 0)
        return may_break ? 0 : r;
    HOB_SCOPE(playing);
    for (int i = 0; i < AT_ONCE; i++) {
        players[i] = (struct player){ .link = link, .seed = seed * 100 + (uint64_t)i, .may_break = may_break };
        hob_go(&playing, play, &players[i]);
    }
    check_ok(hob_scope_end(&playing));
    for (int i = 0; i < AT_ONCE && !may_break; i++)
        check_eq(players[i].talks + players[i].left_early, ROUNDS);
    if (!may_break)
        check_ok(hob_ws_link_shutdown(link));
    check_eq(facts_of(link).waiting, 0);
    return 0;
}

static int play_in(const hob_sim_world *world, uint64_t seed, bool may_break)
{
    struct seen seen = { .kept = seed % 2 == 0, .opts = { .deflate = 1, .takeover = seed % 4 < 2 } };
    struct site site = { .handler = serve_echo, .arg = &seen };
    HOB_SCOPE(s);
    check_ok(hob_sim_set_world(world));
    check_ok(open_site(&s, &site));
    check_ok(play_all(&site, seed, may_break));
    WAIT_FOR(site.stats.connections == 0);
    check_le(site.stats.accepted, 1);
    return 0;
}

TEST(ws_link_model, what_each_has_said_comes_back_to_it)
{
    hob_sim_world world = { .latency_max_ns = 2 * HOB_MSEC, .short_io_percent = 50, .stream_bytes = 2500 };
    for (uint64_t i = 0; i < 2; i++)
        check_ok(play_in(&world, hob_test_seed() * 2 + i, false));
}

TEST(ws_link_model, when_it_breaks_nothing_is_left)
{
    hob_sim_world world = { .latency_max_ns = 2 * HOB_MSEC, .short_io_percent = 50, .stream_bytes = 2500,
                            .reset_percent = 1 };
    for (uint64_t i = 0; i < 3; i++)
        check_ok(play_in(&world, hob_test_seed() * 3 + i, true));
}

/* ---- without memory ---- */

static int try_it_out(const struct site *site)
{
    LINK(link);
    HOB_TRY(link_to(site, NULL, &link));
    for (int i = 0; i < 2; i++) {
        WS(ws);
        hob_ws_kind kind;
        const char *data;
        BYTES(much, 20000);
        memset(much, 'x', 20000);
        HOB_TRY(hob_ws_open_on(link, "/chat", NULL, NULL, &ws));
        HOB_TRY(hob_ws_send(ws, HOB_WS_BINARY, much, 20000));
        HOB_TRY(hob_ws_recv(ws, &kind, &data));
        HOB_TRY(hob_ws_shutdown(ws, 1000, NULL));
    }
    return hob_ws_link_shutdown(link);
}

TEST_ONCE(ws_link_model, without_memory_it_fails_and_goes_on_afterwards)
{
    WS_SITE(site, seen);
    int failures = 0;
    for (long at = 1; at < 400; at++) {
        hob__link_fail_at = at;
        failures += try_it_out(&site) < 0;
        bool was_reached = hob__link_fail_at == 0;
        hob__link_fail_at = 0;
        WAIT_FOR(site.stats.connections == 0);
        check_ok(try_it_out(&site));
        if (!was_reached)
            break;
        check_lt(at, 399);
    }
    check_gt(failures, 10);
}

/* ---- how much memory ---- */

/* Ours; nghttp2's part is as large for a link, and 430 bytes for one on it: docs/design/0106. */
TEST_BARE(ws_link_model, a_link_and_one_on_it_are_small)
{
    check_le(sizeof(struct hob_ws_link), 26000);
    check_le(sizeof(struct link_stream), 144);
}
