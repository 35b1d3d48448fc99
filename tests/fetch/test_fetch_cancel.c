/* SPDX-License-Identifier: MIT */
/* The client, cancelled at any point: nothing is left, and nobody gets another's answer. */
#include "support/waits.h"

#define site http_site // core/worker.h has one, too

#include "fetch/memory.h"
#include "fetch/peers.h"

/* Answers "/NUMBER/LENGTH" with so many bytes of that number; PUT is first read to its end. */
static int numbered(hob_http_request *req, void *arg)
{
    unsigned      number = 0, len = 0;
    unsigned char piece[3000];
    ssize_t       n = 1;
    if (strcmp(hob_http_path(req), "/slow") == 0)
        return hob_sleep(HOB_FOREVER);
    if (sscanf(hob_http_path(req), "/%u/%u", &number, &len) != 2)
        return hob_http_reply_text(req, 404, NULL);
    while (n > 0)
        n = HOB_TRY(hob_http_read(req, piece, sizeof piece));
    HOB_TRY(hob_http_begin(req, 200, NULL, number % 2 == 0 ? (int64_t)len : -1));
    for (unsigned at = 0; at < len; at += (unsigned)n) {
        n = len - at < sizeof piece ? len - at : (unsigned)sizeof piece;
        fill(piece, (size_t)n, at, number);
        HOB_TRY(hob_http_write(req, piece, (size_t)n));
        if (number % 3 == 0)
            HOB_TRY(hob_http_flush(req));
    }
    return 0;
}

struct call {
    hob_fetch_client *client;
    struct site      *site;
    unsigned          number, len;
    int               how; /* whole, in pieces, a PUT from a stream, a redirect before it */
};

static int is_right(const void *bytes, size_t at, size_t len, const struct call *call)
{
    return is_filled(bytes, len, at, call->number);
}

static int ask_whole(const struct call *call, const char *url, const hob_fetch_opts *opts)
{
    ANSWER(page);
    HOB_TRY(hob_fetch_with(call->client, url, opts, NULL, &page));
    check_eq(hob_fetch_status(page), 200);
    check_eq(hob_fetch_body_len(page), call->len);
    check(is_right(hob_fetch_body(page), 0, call->len, call));
    return 0;
}

static int ask_in_pieces(const struct call *call, const char *url)
{
    unsigned char buf[4096];
    size_t        at = 0;
    ssize_t       n;
    ANSWER(page);
    HOB_TRY(hob_fetch_open(call->client, url, NULL, NULL, &page));
    check_eq(hob_fetch_status(page), 200);
    while ((n = HOB_TRY(hob_fetch_read(page, buf, sizeof buf))) > 0) {
        check(is_right(buf, at, (size_t)n, call));
        at += (size_t)n;
    }
    check_eq(at, call->len);
    return 0;
}

static int make_call(void *arg)
{
    const struct call *call = arg;
    char               rest[64];
    snprintf(rest, sizeof rest, "/%u/%u", call->number, call->len);
    struct url url = url_at(&call->site->addr, rest);
    if (call->how == 1)
        return ask_in_pieces(call, url.text);
    if (call->how == 0)
        return ask_whole(call, url.text, NULL);
    hob_stream *ours, *theirs;
    check_ok(hob_mem_pair(NULL, &ours, &theirs));
    CLOSED_BY(close_stream) hob_stream *a = ours, *b = theirs;
    hob_fetch_opts opts = { .method = "PUT", .body_stream = b, .body_length = 300 };
    HOB_TRY(hob_stream_write(a, rest, 30));
    for (int i = 0; i < 9; i++)
        HOB_TRY(hob_stream_write(a, rest, 30));
    return ask_whole(call, url.text, &opts);
}

static uint64_t running(hob_fetch_client *client)
{
    hob_fetch_stats stats;
    hob_fetch_stats_get(client, &stats);
    return stats.running + stats.waiting;
}

TEST_ON_ALL(fetch_cancel, a_call_cancelled_at_each_of_its_waits_leaves_nothing_and_harms_nobody)
{
    NOT_IN_SIM();
    struct site site = { .handler = numbered };
    HOB_SCOPE(s);
    CLIENT(client);
    check_ok(open_site(&s, &site));
    check_ok(hob_fetch_client_new(&s, NULL, &client));
    for (int how = 0; how < 3; how++) {
        uint64_t at = 1;
        for (bool was_there = true; was_there && at < 300; at++) {
            struct call      call = { client, &site, (unsigned)at, 20000, how };
            struct cancelled c = { .fn = make_call, .arg = &call, .at = at };
            check_ok(cancel_at_wait(&c));
            was_there = c.was_there;
            check(c.result == 0 || (was_there && c.result == -ECANCELED));
            check_eq(running(client), 0);
            call.number += 1000;
            check_ok(make_call(&call));
        }
        check(at > 3 && at < 300);
    }
}

/* ---- at random ---- */

struct crowd {
    hob_fetch_client *client;
    struct site       site;
    int               done, cancelled;
};

static int one_of_many(void *arg)
{
    struct crowd *crowd = arg;
    for (int i = 0; i < 15; i++) {
        struct call call = { crowd->client, &crowd->site, (unsigned)(hob_random() % 100000),
                             (unsigned)(hob_random() % (hob_random() % 8 == 0 ? 400000 : 3000)),
                             (int)(hob_random() % 3) };
        HOB_SCOPE(limited);
        if (hob_random() % 2 == 0)
            hob_scope_deadline(&limited, hob_in((int64_t)(hob_random() % 3000) * HOB_USEC));
        int r = make_call(&call);
        ignore(hob_scope_end(&limited));
        if (r == -ETIMEDOUT)
            crowd->cancelled++;
        else if (r < 0)
            return r;
        else
            crowd->done++;
    }
    return 0;
}

TEST_ON_ALL(fetch_cancel, many_at_once_cancelled_at_random_get_their_own_answers)
{
    NOT_IN_SIM();
    struct crowd          crowd = { .site = { .handler = numbered } };
    hob_fetch_client_opts opts = { .requests_per_host_max = 6 };
    HOB_SCOPE(s);
    CLIENT(client);
    check_ok(open_site(&s, &crowd.site));
    check_ok(hob_fetch_client_new(&s, &opts, &client));
    crowd.client = client;
    HOB_SCOPE(all);
    for (int i = 0; i < 20; i++)
        check_ok(hob_go(&all, one_of_many, &crowd));
    check_ok(hob_scope_end(&all));
    check_eq(crowd.done + crowd.cancelled, 300);
    check_gt(crowd.done, 50);
    check_eq(running(client), 0);
    hob_fetch_stats stats;
    hob_fetch_stats_get(client, &stats);
    check_le(stats.connections, 6);
}

/* ---- the client's end ---- */

static int ask_slowly(void *arg)
{
    struct call *call = arg;
    ANSWER(page);
    int r = hob_fetch_with(call->client, AT(call->site, "/slow"), NULL, NULL, &page);
    check_eq(r, -ECANCELED);
    return 0;
}

TEST_ON_ALL(fetch_cancel, freeing_the_client_ends_what_is_under_way)
{
    NOT_IN_SIM();
    struct site       site = { .handler = numbered, .opts = { .end_is_gone = 1 } };
    hob_fetch_client *client;
    HOB_SCOPE(s);
    check_ok(open_site(&s, &site));
    check_ok(hob_fetch_client_new(&s, &(hob_fetch_client_opts){ .requests_per_host_max = 5 }, &client));
    struct call call = { client, &site, 0, 0, 0 };
    HOB_SCOPE(all);
    for (int i = 0; i < 10; i++) // five of them wait for their turn
        check_ok(hob_go(&all, ask_slowly, &call));
    WAIT_FOR(site.stats.running == 5);
    hob_fetch_client_free(client);
    check_ok(hob_scope_end(&all));
    WAIT_FOR(site.stats.connections == 0);
}

static int read_slowly(void *arg)
{
    struct call *call = arg;
    char         buf[100];
    ANSWER(page);
    HOB_TRY(hob_fetch_open(call->client, AT(call->site, "/7/5000000"), NULL, NULL, &page));
    check_eq(hob_fetch_read(page, buf, sizeof buf), sizeof buf);
    return hob_sleep(HOB_FOREVER);
}

TEST_ON_ALL(fetch_cancel, an_answer_that_is_closed_in_its_middle_is_over_for_the_server_too)
{
    NOT_IN_SIM();
    struct site site = { .handler = numbered };
    HOB_SCOPE(s);
    CLIENT(client);
    check_ok(open_site(&s, &site));
    check_ok(hob_fetch_client_new(&s, NULL, &client));
    struct call call = { client, &site, 0, 0, 0 };
    for (int i = 0; i < 5; i++) {
        HOB_SCOPE(one);
        check_ok(hob_go(&one, read_slowly, &call));
        WAIT_FOR(site.stats.running == 1);
        check_ok(hob_sleep(i * HOB_MSEC));
        hob_scope_cancel(&one, "enough");
        ignore(hob_scope_end(&one));
        WAIT_FOR(site.stats.connections == 0);
        check_eq(running(client), 0);
    }
}

/* ---- the run's end ---- */

static int leave_it_running(void *arg)
{
    struct site *site = arg;
    ANSWER(page);
    return hob_fetch_with(NULL, AT(site, "/slow"), NULL, NULL, &page);
}

static int begin_and_go(void *arg)
{
    static struct site site;
    site = (struct site){ .handler = numbered };
    hob_scope *root = hob_root("left");
    check_ok(open_site(root, &site));
    check_ok(hob_go_with(root, leave_it_running, &site, &(hob_task_opts){ .daemon = 1 }));
    WAIT_FOR(site.stats.running == 1);
    return 0;
}

TEST_BARE_ON_ALL(fetch_cancel, the_default_client_ends_with_the_run)
{
    NOT_IN_SIM();
    hob_run_opts opts = { .backend = hob_test_backend() };
    long         before = hob__fetch_blocks;
    for (int i = 0; i < 3; i++)
        check_ok(hob_run_with(&opts, begin_and_go, NULL));
    check_eq(hob__fetch_blocks, before);
}
