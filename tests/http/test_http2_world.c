/* SPDX-License-Identifier: MIT */
/*
 * Many requests at once on connections that cut, delay and break, by seed, with requests taken back at any moment.
 *
 * What holds: an answer that is whole has the bytes that belong to it; a request that nobody took back has
 * one; and in the end nothing is left, whatever was taken back, cut or broken.
 */
#include "base/rand.h"
#include "http/h2_peer.h"

enum { REQUESTS_MAX = 60, BODY_MAX = 9000, KINDS = 5 };

static const char *const PATHS[KINDS] = { "/echo", "/count", "/ignore", "/slow", "/much" };

static int handle(hob_http_request *req, void *arg)
{
    const char   *path = hob_http_path(req);
    unsigned      salt = (unsigned)atoi(hob_http_query(req));
    unsigned char buf[2000];
    char          text[32];
    ssize_t       n, len = 0;

    if (strcmp(path, "/echo") == 0) {
        HOB_TRY(hob_http_begin(req, 200, NULL, salt % 2 ? -1 : hob_http_body_length(req)));
        return hob_copy(hob_http_stream(req), hob_http_stream(req), NULL, NULL);
    }
    if (strcmp(path, "/slow") == 0)
        HOB_TRY(hob_sleep((int64_t)(salt % 50) * HOB_MSEC));
    if (strcmp(path, "/much") == 0) {
        for (size_t at = 0; at < 20 * sizeof buf; at += sizeof buf) {
            fill(buf, sizeof buf, at, salt);
            HOB_TRY(hob_http_write(req, buf, sizeof buf));
            if (salt % 3 == 0)
                HOB_TRY(hob_http_flush(req));
        }
        return 0;
    }
    while (strcmp(path, "/ignore") != 0 && (n = HOB_TRY(hob_http_read(req, buf, sizeof buf))) > 0) {
        check(is_filled(buf, (size_t)n, (size_t)len, salt));
        len += n;
    }
    snprintf(text, sizeof text, "%zd", len);
    return hob_http_reply_text(req, 200, text);
}

/* ---- the client ---- */

struct wish {
    int      kind;
    unsigned salt;
    size_t   len, written;
    bool     is_begun, is_written, is_taken_back;
};

struct client {
    const struct site *site;
    struct rand        rand;
    bool               is_careless; /* breaks off in between */
    struct h2_seen    *peer;
    struct wish        wishes[REQUESTS_MAX];
    int                count;
    size_t             got[REQUESTS_MAX];
    bool               is_done;
};

/* Checks what comes as it comes: h2_peer keeps all bodies in one, so each frame is looked at here. */
static int check_data(struct client *c, uint32_t id, const unsigned char *bytes, size_t len)
{
    int          i = (int)(id - 1) / 2;
    struct wish *wish = &c->wishes[i];
    if (wish->kind == 0 || wish->kind == 4)
        check(is_filled(bytes, len, c->got[i], wish->salt));
    c->got[i] += len;
    return 0;
}

static int hear_all(void *arg)
{
    struct client  *c = arg;
    struct h2_seen *peer = c->peer;
    unsigned char   buf[3000];

    while (!c->is_done) {
        ssize_t n = hob_tcp_read(peer->conn, buf, 1 + (size_t)rand_below(&c->rand, sizeof buf - 1));
        if (n <= 0)
            break;
        h2_put(&peer->in, buf, (size_t)n);
        while (peer->in.len - peer->taken >= 9) {
            const unsigned char *at = peer->in.at + peer->taken;
            size_t               len = (size_t)at[0] << 16 | (size_t)at[1] << 8 | at[2];
            if (peer->in.len - peer->taken - 9 < len)
                break;
            if (at[3] == H2_DATA)
                check_ok(check_data(c, h2_number(at + 5), at + 9, len));
            h2_see_frame(peer, at[3], at[4], h2_number(at + 5) & 0x7fffffff, at + 9, len);
            peer->taken += 9 + len;
            if (at[3] == H2_DATA && len > 0) { // the windows open again
                char script[60];
                snprintf(script, sizeof script, "win:0:%zu win:%u:%zu", len, h2_number(at + 5), len);
                if (h2_say(peer, script) < 0)
                    break;
            }
        }
    }
    peer->is_over = true;
    return 0;
}

/* One more thing of those that can be done with it. Returns whether there is more to do. */
static int go_on_with(struct client *c, int i, struct h2_bytes *out)
{
    struct wish  *wish = &c->wishes[i];
    uint32_t      id = 1 + 2 * (uint32_t)i;
    unsigned char piece[BODY_MAX], code[4] = { 0, 0, 0, 8 };
    char          path[40];

    if (!wish->is_begun) {
        snprintf(path, sizeof path, "%s?%u", PATHS[wish->kind], wish->salt);
        h2_request(out, id, "POST", path, wish->len == 0);
        wish->is_begun = true;
        wish->is_written = wish->len == 0;
    } else if (!wish->is_written) {
        size_t n = 1 + (size_t)rand_below(&c->rand, wish->len - wish->written);
        fill(piece, n, wish->written, wish->salt);
        wish->written += n;
        wish->is_written = wish->written == wish->len;
        if (!c->peer->ended[id] && c->peer->reset[id] == 0)
            h2_frame(out, H2_DATA, wish->is_written ? H2_END_STREAM : 0, id, piece, n);
    }
    if (wish->is_begun && !wish->is_taken_back && rand_below(&c->rand, 40) == 0) {
        h2_frame(out, H2_RST, 0, id, code, 4);
        wish->is_taken_back = wish->is_written = true;
    }
    return wish->is_written ? 0 : 1;
}

static bool is_answered(const struct client *c)
{
    for (int i = 0; i < c->count; i++) {
        uint32_t id = 1 + 2 * (uint32_t)i;
        if (!c->wishes[i].is_taken_back && !c->peer->ended[id] && c->peer->reset[id] == 0)
            return false;
    }
    return true;
}

static int check_answers(struct client *c)
{
    for (int i = 0; i < c->count; i++) {
        struct wish *wish = &c->wishes[i];
        uint32_t     id = 1 + 2 * (uint32_t)i;
        if (wish->is_taken_back)
            continue;
        check_eq(c->peer->status[id], 200);
        check(c->peer->ended[id]);
        if (wish->kind == 0)
            check_eq(c->got[i], wish->len);
        if (wish->kind == 4)
            check_eq(c->got[i], 40000);
    }
    return 0;
}

static int run_client(void *arg)
{
    struct client *c = arg;
    H2_PEER(peer);

    if (h2_visit(c->site, &peer) < 0)
        return c->is_careless ? 0 : -EIO;
    c->peer = peer;
    c->count = 1 + (int)rand_below(&c->rand, REQUESTS_MAX);
    for (int i = 0; i < c->count; i++)
        c->wishes[i] = (struct wish){ .kind = (int)rand_below(&c->rand, KINDS),
                                      .salt = (unsigned)rand_below(&c->rand, 1000),
                                      .len = (size_t)rand_below(&c->rand, rand_below(&c->rand, 2) ? BODY_MAX : 20) };
    HOB_SCOPE(s);
    int r = h2_say(peer, "PRI set:4=20000");
    hob_go(&s, hear_all, c);
    for (int first = 0, ahead = 0; r >= 0 && first < c->count && !peer->is_over;) {
        H2_BYTES(out);
        ahead = first + (int)rand_below(&c->rand, 8);
        ahead = ahead < c->count ? ahead : c->count - 1;
        for (int i = first; i <= ahead; i++) // ids must grow
            if (!c->wishes[i].is_begun)
                (void)go_on_with(c, i, &out);
        (void)go_on_with(c, first + (int)rand_below(&c->rand, (uint64_t)(ahead - first + 1)), &out);
        while (first < c->count && c->wishes[first].is_begun && c->wishes[first].is_written)
            first++;
        r = hob_tcp_write(peer->conn, out.at, out.len) < 0 ? -EIO : 0;
        if (rand_below(&c->rand, 3) == 0)
            check_ok(hob_sleep((int64_t)rand_below(&c->rand, 10) * HOB_MSEC));
        if (c->is_careless && rand_below(&c->rand, 60) == 0)
            break;
    }
    for (int i = 0; i < 20000 && !c->is_careless && !is_answered(c) && !peer->is_over; i++)
        check_ok(hob_sleep(HOB_MSEC));
    c->is_done = true;
    if (!c->is_careless)
        check_ok(check_answers(c));
    hob_scope_cancel(&s, "all was said");
    (void)!hob_scope_end(&s);
    return 0;
}

static int run_world(const hob_sim_world *world, bool is_careless)
{
    enum { CLIENTS = 5 };
    struct site          site = { .handler = handle, .opts.window_bytes = 16384 };
    static struct client clients[CLIENTS];
    HOB_SCOPE(s);

    check_ok(hob_sim_set_world(world));
    check_ok(open_site(&s, &site));
    {
        HOB_SCOPE(visitors);
        for (int i = 0; i < CLIENTS; i++) {
            memset(&clients[i], 0, sizeof clients[i]);
            clients[i].site = &site;
            clients[i].rand = (struct rand){ hob_test_seed() * CLIENTS + (uint64_t)i };
            clients[i].is_careless = is_careless;
            hob_go(&visitors, run_client, &clients[i]);
        }
        check_ok(hob_scope_end(&visitors));
    }
    WAIT_FOR(site.stats.connections == 0);
    check_eq(site.stats.running, 0);
    if (!is_careless)
        check_eq(site.stats.failed + site.stats.bad + site.stats.timed_out + site.stats.calmed, 0);
    return 0;
}

TEST(http2_world, each_request_gets_its_own_answer_however_the_bytes_are_cut)
{
    hob_sim_world world = { .latency_max_ns = 3 * HOB_MSEC, .short_io_percent = 50 };
    check_ok(run_world(&world, false));
}

TEST(http2_world, connections_that_break_at_any_moment_leave_nothing)
{
    hob_sim_world world = { .latency_max_ns = 3 * HOB_MSEC, .short_io_percent = 30, .reset_percent = 1 };
    check_ok(run_world(&world, true));
}
