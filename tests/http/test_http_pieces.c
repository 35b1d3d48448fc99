/* SPDX-License-Identifier: MIT */
/*
 * A random crowd, whose requests come in pieces: some slowly, some never whole, some from clients that vanish; over
 * every limit of the server at times. Each client knows what it may be told. The server is left as it was.
 */
#include "http/server.h"
#include "http/site.h"
#include "support/tasks.h"

enum { CLIENTS = 24, RUNNING_MAX = 4, CONNECTIONS_MAX = 16 };

struct walk {
    struct site site;
    int         rounds;
    int         whole, told; /* answers; and what else clients were told: 408, 503, or nothing */
};

/* The body, given back. */
static int give_back(hob_http_request *req, void *arg)
{
    char    body[4096];
    size_t  len = 0;
    ssize_t n;

    while ((n = HOB_TRY(hob_http_read(req, body + len, sizeof body - len))) > 0)
        len += (size_t)n;
    if (hob_random() % 4 == 0)
        HOB_TRY(hob_sleep((int64_t)(hob_random() % 50) * HOB_MSEC));
    return hob_http_reply(req, 200, "text/plain", body, len);
}

/* Any request, and what is to come back as its body. */
static size_t make_request(char *text, size_t size, char *ret_body)
{
    size_t len = 0, body_len = hob_random() % 3 == 0 ? 0 : hob_random() % 2000;

    for (size_t i = 0; i < body_len; i++)
        ret_body[i] = (char)('a' + hob_random() % 26);
    ret_body[body_len] = '\0';
    len += (size_t)snprintf(text, size, "%s /%0*d HTTP/1.1\r\nHost: a\r\n", body_len > 0 ? "POST" : "GET",
                            (int)(hob_random() % 300), 0);
    if (body_len == 0)
        return len + (size_t)snprintf(text + len, size - len, "\r\n");
    if (hob_random() % 2 == 0)
        return len + (size_t)snprintf(text + len, size - len, "Content-Length: %zu\r\n\r\n%s", body_len, ret_body);
    size_t first = hob_random() % body_len;
    len += (size_t)snprintf(text + len, size - len, "Transfer-Encoding: chunked\r\n\r\n");
    if (first > 0)
        len += (size_t)snprintf(text + len, size - len, "%zx\r\n%.*s\r\n", first, (int)first, ret_body);
    return len + (size_t)snprintf(text + len, size - len, "%zx\r\n%s\r\n0\r\n\r\n", body_len - first,
                                  ret_body + first);
}

/* In as many pieces as chance has it; false: it was not all said. */
static bool say_in_pieces(hob_tcp *conn, const char *text, size_t len)
{
    int64_t pause_ns = (int64_t[]){ 0, HOB_MSEC, 100 * HOB_MSEC, HOB_SEC, 4 * HOB_SEC }[hob_random() % 5];
    bool    gives_up = hob_random() % 8 == 0;

    for (size_t at = 0; at < len;) {
        size_t n = hob_random() % 3 == 0 ? 1 + hob_random() % 5 : 1 + hob_random() % (len - at);
        n = n < len - at ? n : len - at;
        if (hob_tcp_write(conn, text + at, n) < 0)
            return false;
        at += n;
        if (gives_up && hob_random() % 2 == 0)
            return false;
        ignore(hob_sleep(at < len ? pause_ns : 0));
    }
    return true;
}

static int hear_answer(struct walk *walk, hob_tcp *conn, const char *body)
{
    char    got[8192];
    size_t  len = 0, body_len = strlen(body);
    ssize_t n;

    got[0] = '\0';
    for (;;) {
        const char *end = strstr(got, "\r\n\r\n");
        if (end != NULL && status_in(got) != 200)
            break;
        if (end != NULL && len >= (size_t)(end + 4 - got) + body_len)
            break;
        n = hob_tcp_read(conn, got + len, sizeof got - 1 - len);
        if (n <= 0) {
            check_eq(len, 0); // displaced without a word
            walk->told++;
            return -ECONNRESET;
        }
        len += (size_t)n;
        got[len] = '\0';
    }
    int status = status_in(got);
    check(status == 200 || status == 408 || status == 503);
    walk->whole += status == 200;
    walk->told += status != 200;
    if (status == 200)
        check_str(strstr(got, "\r\n\r\n") + 4, body);
    return status == 200 ? 0 : -ECONNRESET;
}

static int be_a_client(void *arg)
{
    struct walk *walk = arg;
    static char  texts[CLIENTS][8192], bodies[CLIENTS][2048];
    static int   count;
    int          number = count++ % CLIENTS;

    for (int round = 0; round < walk->rounds; round++) {
        TCP(conn);
        HOB_TRY(visit(&walk->site, &conn));
        for (int i = 0; i < 3; i++) {
            size_t len = make_request(texts[number], sizeof texts[number], bodies[number]);
            if (!say_in_pieces(conn, texts[number], len) || hear_answer(walk, conn, bodies[number]) < 0)
                break;
            HOB_TRY(hob_sleep((int64_t)(hob_random() % 2000) * HOB_MSEC));
        }
    }
    return 0;
}

TEST_ONCE(http_pieces, a_crowd_that_speaks_in_pieces_is_told_what_is_true)
{
    struct walk walk = { .rounds = all_is_slow() ? 3 : hob_test_is_deep() ? 200 : 20 };
    hob_stats   before, after;
    char        got[512];
    HOB_SCOPE(s);

    walk.site = (struct site){ .handler = give_back,
                               .opts = { .running_max = RUNNING_MAX, .connections_max = CONNECTIONS_MAX,
                                         .head_bytes_max = 1024, .idle_ns = 20 * HOB_SEC } };
    check_ok(open_site(&s, &walk.site));
    settle();
    hob_stats_get(&before);
    {
        HOB_SCOPE(crowd);
        for (int i = 0; i < CLIENTS; i++)
            hob_go(&crowd, be_a_client, &walk);
        check_ok(hob_scope_end(&crowd));
    }
    WAIT_FOR(walk.site.stats.connections == 0);
    hob_stats_get(&after);
    check_eq(after.tasks_alive, before.tasks_alive);
    check_eq(walk.site.stats.running, 0);
    check_eq(walk.site.stats.waiting, 0);
    check_eq(walk.site.stats.idle, 0);
    check_gt(walk.whole, walk.told); // or else nobody was served
    check_ok(ask(&walk.site, GET("/"), got, sizeof got));
    check_eq(status_in(got), 200);
    hob_scope_cancel(&s, "seen");
}
