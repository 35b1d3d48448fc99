/* SPDX-License-Identifier: MIT */
/*
 * Many requests of all kinds on connections that cut, delay and mix everything, by seed: the answers
 * must be those of a reader who does one thing after the other.
 *
 * What holds: each request gets one answer, in order, with the bytes that belong to it, whatever its
 * handler did with the body, and however the bytes were cut.
 */
#include "base/rand.h"
#include "http/h1.h"
#include "http/site.h"

enum { REQUESTS_MAX = 40, BODY_MAX = 3000, KINDS = 5 };

static const char *const PATHS[KINDS] = { "/read", "/ignore", "/echo", "/part", "/slow" };

struct wish {
    int      kind;
    unsigned salt;
    size_t   len;
};

/* Reads up to `max` bytes, and checks them. */
static ssize_t read_checked(hob_http_request *req, size_t max, unsigned salt)
{
    unsigned char buf[700];
    size_t        len = 0;
    while (len < max) {
        size_t  want = max - len < sizeof buf ? max - len : sizeof buf;
        ssize_t n = HOB_TRY(hob_http_read(req, buf, want));
        if (n == 0)
            break;
        check(is_filled(buf, (size_t)n, len, salt));
        len += (size_t)n;
    }
    return (ssize_t)len;
}

static int handle(hob_http_request *req, void *arg)
{
    const char *path = hob_http_path(req);
    unsigned    salt = (unsigned)atoi(hob_http_header(req, "X-Salt"));
    char        text[32];
    ssize_t     len = 0;

    if (strcmp(path, "/slow") == 0)
        HOB_TRY(hob_sleep((int64_t)(salt % 50) * HOB_MSEC));
    if (strcmp(path, "/echo") == 0) {
        HOB_TRY(hob_http_begin(req, 200, NULL, salt % 2 ? -1 : hob_http_body_length(req)));
        return hob_copy(hob_http_stream(req), hob_http_stream(req), NULL, NULL);
    }
    if (strcmp(path, "/ignore") != 0)
        len = HOB_TRY(read_checked(req, strcmp(path, "/part") == 0 ? salt % 100 : SIZE_MAX, salt));
    snprintf(text, sizeof text, "%zd", len);
    return hob_http_reply_text(req, 200, text);
}

/* ---- the client ---- */

static int write_body(hob_tcp *conn, struct rand *rand, const struct wish *wish, bool is_chunked)
{
    unsigned char buf[BODY_MAX];
    char          frame[32];
    fill(buf, wish->len, 0, wish->salt);
    for (size_t at = 0; at < wish->len;) {
        size_t n = 1 + (size_t)rand_below(rand, wish->len - at);
        if (is_chunked) {
            snprintf(frame, sizeof frame, rand_below(rand, 2) ? "%zx\r\n" : "0%zX;x\r\n", n);
            HOB_TRY(say(conn, frame));
        }
        HOB_TRY(hob_tcp_write(conn, buf + at, n));
        if (is_chunked)
            HOB_TRY(say(conn, "\r\n"));
        at += n;
        if (rand_below(rand, 4) == 0)
            HOB_TRY(hob_sleep((int64_t)rand_below(rand, 20) * HOB_MSEC));
    }
    return is_chunked ? (int)HOB_TRY(say(conn, rand_below(rand, 2) ? "0\r\n\r\n" : "0\r\nA: b\r\n\r\n")) : 0;
}

struct client {
    const struct site *site;
    uint64_t           seed;
    hob_tcp           *conn;
    struct wish        wishes[REQUESTS_MAX];
    int                count;
};

static int write_all_requests(void *arg)
{
    struct client *c = arg;
    struct rand    rand = { c->seed + 1 };
    char           head[200];

    for (int i = 0; i < c->count; i++) {
        const struct wish *wish = &c->wishes[i];
        bool is_chunked = rand_below(&rand, 2), closes = i == c->count - 1;
        int  n = snprintf(head, sizeof head, "POST %s HTTP/1.1\r\nHost: a\r\nX-Salt: %u\r\n%s",
                          PATHS[wish->kind], wish->salt, closes ? "Connection: close\r\n" : "");
        snprintf(head + n, sizeof head - (size_t)n,
                 is_chunked ? "Transfer-Encoding: chunked\r\n\r\n" : "Content-Length: %zu\r\n\r\n", wish->len);
        HOB_TRY(say(c->conn, head));
        HOB_TRY(write_body(c->conn, &rand, wish, is_chunked));
    }
    return 0;
}

/* The body of the answer that begins at `at`, into `body`. Returns where the next begins. */
static const char *next_answer(const char *at, const char *end, char *body, size_t *ret_len)
{
    const char *head_end = memmem(at, (size_t)(end - at), "\r\n\r\n", 4);
    if (head_end == NULL || strncmp(at, "HTTP/1.1 200 OK\r\n", 17) != 0)
        return NULL;
    const char *length = memmem(at, (size_t)(head_end - at), "Content-Length: ", 16);
    at = head_end + 4;
    *ret_len = 0;
    if (length != NULL) {
        *ret_len = (size_t)atoi(length + 16);
        memcpy(body, at, *ret_len);
        return at + *ret_len;
    }
    struct h1_chunks chunks = { 0 };
    for (;;) {
        size_t used;
        int    got = hob__h1_chunk(&chunks, at, (size_t)(end - at), &used);
        if (got != H1_CHUNKS_DATA && got != H1_CHUNKS_END)
            return NULL;
        at += used;
        if (got == H1_CHUNKS_END)
            return at + 2;
        memcpy(body + *ret_len, at, (size_t)chunks.left);
        *ret_len += (size_t)chunks.left;
        at += chunks.left;
        chunks.left = 0;
    }
}

static int check_answer(const struct wish *wish, const char *body, size_t len)
{
    if (wish->kind == 2) {
        check_eq(len, wish->len);
        check(is_filled((const unsigned char *)body, len, 0, wish->salt));
        return 0;
    }
    size_t part = wish->salt % 100 < wish->len ? wish->salt % 100 : wish->len;
    check_eq(strtoull(body, NULL, 10), wish->kind == 1 ? 0 : wish->kind == 3 ? part : wish->len);
    return 0;
}

static int run_client(void *arg)
{
    struct client *c = arg;
    BYTES(got, REQUESTS_MAX * (BODY_MAX + 500));
    TCP(conn);
    struct rand rand = { c->seed };

    c->count = 1 + (int)rand_below(&rand, REQUESTS_MAX);
    for (int i = 0; i < c->count; i++)
        c->wishes[i] = (struct wish){ (int)rand_below(&rand, KINDS), (unsigned)rand_below(&rand, 1000),
                                      (size_t)rand_below(&rand, rand_below(&rand, 2) ? BODY_MAX : 20) };
    check_ok(visit(c->site, &conn));
    c->conn = conn;
    HOB_SCOPE(s);
    hob_go(&s, write_all_requests, c);
    ssize_t len = check_ok(hear(conn, (char *)got, REQUESTS_MAX * (BODY_MAX + 500)));

    const char *at = (const char *)got, *end = at + len;
    for (int i = 0; i < c->count; i++) {
        char   body[BODY_MAX + 1];
        size_t body_len = 0;
        at = next_answer(at, end, body, &body_len);
        if (at == NULL)
            fail("request %d of %d has no answer", i, c->count);
        body[body_len < BODY_MAX ? body_len : BODY_MAX] = '\0';
        check_ok(check_answer(&c->wishes[i], body, body_len));
    }
    check_eq(at, end);
    return 0;
}

TEST(http_world, each_request_gets_its_own_answer_however_the_bytes_are_cut)
{
    enum { CLIENTS = 6 };
    struct site    site = { .handler = handle };
    hob_sim_world  world = { .latency_min_ns = 0, .latency_max_ns = 3 * HOB_MSEC, .short_io_percent = 50 };
    static struct client clients[CLIENTS];
    HOB_SCOPE(s);

    check_ok(hob_sim_set_world(&world));
    check_ok(open_site(&s, &site));
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = (struct client){ .site = &site, .seed = hob_test_seed() * CLIENTS + (uint64_t)i };
        hob_go(&s, run_client, &clients[i]);
    }
    check_ok(hob_scope_end(&s));
    check_eq(site.stats.running, 0);
    check_eq(site.stats.failed + site.stats.bad + site.stats.timed_out, 0);
}

/* With resets at any moment nobody gets what is not theirs, and nothing is left. */
static int run_client_carelessly(void *arg)
{
    struct client *c = arg;
    char           got[4096];
    TCP(conn);
    if (visit(c->site, &conn) < 0)
        return 0;
    c->conn = conn;
    struct rand rand = { c->seed };
    c->count = 1 + (int)rand_below(&rand, 8);
    for (int i = 0; i < c->count; i++)
        c->wishes[i] = (struct wish){ (int)rand_below(&rand, KINDS), (unsigned)rand_below(&rand, 1000),
                                      (size_t)rand_below(&rand, 500) };
    if (write_all_requests(c) == 0)
        ignore(hear(conn, got, rand_below(&rand, 2) ? sizeof got : 10));
    return 0;
}

TEST(http_world, connections_that_break_at_any_moment_leave_nothing)
{
    enum { CLIENTS = 12 };
    struct site    site = { .handler = handle };
    hob_sim_world  world = { .latency_max_ns = 3 * HOB_MSEC, .short_io_percent = 30, .reset_percent = 5 };
    static struct client clients[CLIENTS];
    HOB_SCOPE(s);

    check_ok(hob_sim_set_world(&world));
    check_ok(open_site(&s, &site));
    {
        HOB_SCOPE(visitors);
        for (int i = 0; i < CLIENTS; i++) {
            clients[i] = (struct client){ .site = &site, .seed = hob_test_seed() * CLIENTS + (uint64_t)i };
            hob_go(&visitors, run_client_carelessly, &clients[i]);
        }
        check_ok(hob_scope_end(&visitors));
    }
    WAIT_FOR(site.stats.connections == 0);
    check_eq(site.stats.running, 0);
}
