/* SPDX-License-Identifier: MIT */
/* A server: answers, framing, pipelining, keeping and closing. Rows are those of SURVIVAL. */
#include "http/cases.h"
#include "http/site.h"

/* Many requests in one test: one seed is enough for it, and it is not tortured. */
#define TEST_LONG(area, claim) \
    TEST_AS(area, claim, HOB_TEST_EACH_BACKEND | HOB_TEST_ONE_SEED, NULL)

/* Answers with what it was asked; a body is counted. */
static int tell(hob_http_request *req, void *arg)
{
    char    text[512];
    char    buf[1000];
    ssize_t n, len = 0;

    while ((n = HOB_TRY(hob_http_read(req, buf, sizeof buf))) > 0)
        len += n;
    snprintf(text, sizeof text, "%.32s %.200s %zd\n", hob_http_method(req), hob_http_path(req), len);
    return hob_http_reply_text(req, 200, text);
}

TEST_ON_ALL(http, a_request_is_answered)
{
    struct site site = { .handler = tell };
    char        got[1024];
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    check_ok(ask(&site, GET("/a?b"), got, sizeof got));
    check_has(got, "HTTP/1.1 200 OK\r\nDate: ");
    check_has(got, "\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 9\r\n\r\nGET /a 0\n");
    check_eq(site.stats.requests, 1);
    check_eq(site.stats.connections, 0);
}

/* Each case of the table, as one write on a connection of its own, to the end. */
static int try_case(const struct site *site, const struct request_case *c)
{
    static char bytes[CASE_BYTES_MAX], got[4096];
    size_t      len = case_bytes(c, bytes);
    int         want = strncmp(c->outcome, "ok", 2) == 0 ? 200
                     : strcmp(c->outcome, "more") == 0   ? 0
                                                         : atoi(c->outcome);
    bool closes = strstr(c->outcome, "keep") == NULL && want != 0;

    ssize_t n = ask_bytes(site, bytes, len, got, sizeof got);
    if (n < 0 || status_in(got) != want)
        HOB_EXPECT_NOT("%s: %d (%zd), not %d\n%s", c->what, status_in(got), n, want, got);
    if (want != 0 && closes != (strstr(got, "\r\nConnection: close\r\n") != NULL))
        HOB_EXPECT_NOT("%s: closes: %d\n%s", c->what, closes, got);
    if (want != 0 && times_in(got, "HTTP/1.1 ") != 1)
        HOB_EXPECT_NOT("%s: not one answer\n%s", c->what, got);
    return 0;
}

/* Rows 63 to 73. */
TEST_LONG(http, each_request_of_the_table_is_answered_as_it_deserves)
{
    struct site site = { .handler = tell };
    HOB_SCOPE(s);

    hob_test_timeout(120);
    check_ok(open_site(&s, &site));
    for (int i = 0; i < CASES; i++)
        check_ok(try_case(&site, &REQUESTS[i]));
    check_eq(site.stats.connections, 0);
    check_eq(site.stats.running, 0);
}

/* ---- one after the other ---- */

/* Row 77. */
TEST_LONG(http, a_thousand_requests_in_one_segment_are_answered_in_order_in_few_writes)
{
    enum { MANY = 1000 };
    struct site site = { .handler = tell };
    BYTES(text, MANY * 64);
    BYTES(got, MANY * 256);
    size_t len = 0;
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    for (int i = 0; i < MANY; i++)
        len += (size_t)sprintf((char *)text + len, "GET /%d HTTP/1.1\r\nHost: a\r\n\r\n", i);
    check_ok(ask_bytes(&site, text, len, (char *)got, MANY * 256));

    const char *at = (const char *)got;
    for (int i = 0; i < MANY; i++) {
        char want[32];
        sprintf(want, "GET /%d 0\n", i);
        at = strstr(at, want);
        if (at == NULL)
            fail("no answer, or not in order: %d", i);
    }
    check_eq(times_in((const char *)got, "HTTP/1.1 200"), MANY);
    check_lt(site.stats.writes, MANY / 8);
}

TEST_ON_ALL(http, requests_that_come_byte_by_byte_are_answered_all_the_same)
{
    static const char TEXT[] = GET("/1") "POST /2 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                               "3\r\nabc\r\n0\r\nX: y\r\n\r\n" GET("/3");
    struct site site = { .handler = tell };
    char        got[2048];
    TCP(conn);
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    check_ok(visit(&site, &conn));
    for (size_t i = 0; i < sizeof TEXT - 1; i++) {
        check_eq(hob_tcp_write(conn, TEXT + i, 1), 1);
        settle();
    }
    check_ok(hear_until(conn, "GET /3 0\n", got, sizeof got));
    check_has(got, "GET /1 0\n");
    check_has(got, "POST /2 3\n");
}

/* Row 84. */
TEST_ON_ALL(http, a_connection_is_kept_until_either_side_says_otherwise)
{
    struct site site = { .handler = tell, .opts.requests_max = 3 };
    char        got[2048];
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    check_ok(ask(&site, GET("/1") GET("/2") GET("/3") GET("/4"), got, sizeof got));
    check_has(got, "GET /3 0\n");
    check(strstr(got, "/4") == NULL);
    check_eq(times_in(got, "Connection: close\r\n"), 1);

    check_ok(ask(&site, "GET /1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" GET("/2"), got, sizeof got));
    check_has(got, "Connection: close\r\n");
    check(strstr(got, "/2") == NULL);

    check_ok(ask(&site, "GET /1 HTTP/1.0\r\n\r\n" GET("/2"), got, sizeof got));
    check_has(got, "Connection: close\r\n");
    check(strstr(got, "/2") == NULL);

    check_ok(ask(&site, "GET /1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" GET("/2"), got, sizeof got));
    check_eq(times_in(got, "Connection: keep-alive\r\n"), 1);
    check_has(got, "GET /2 0\n");
}

/* ---- bodies that are not read ---- */

static int ignore_body(hob_http_request *req, void *arg)
{
    return hob_http_reply_text(req, 200, hob_http_path(req));
}

/* Row 75. */
TEST_ON_ALL(http, a_body_that_the_handler_left_is_not_the_next_request)
{
    struct site site = { .handler = ignore_body, .opts.discard_bytes_max = 100 };
    char        got[2048], text[2048];
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    check_ok(ask(&site, "POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 43\r\n\r\n"
                        "GET /stolen HTTP/1.1\r\nHost: a\r\n\r\n0123456789" GET("/2"), got, sizeof got));
    check_eq(times_in(got, "HTTP/1.1 200"), 2);
    check(strstr(got, "stolen") == NULL);

    check_ok(ask(&site, "POST /1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                        "5\r\nhello\r\n0\r\n\r\n" GET("/2"), got, sizeof got));
    check_eq(times_in(got, "HTTP/1.1 200"), 2);

    // More than it discards: the connection closes, and says so, and the answer arrives.
    snprintf(text, sizeof text, "POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 101\r\n\r\n%0101d" GET("/2"), 0);
    check_ok(ask(&site, text, got, sizeof got));
    check_eq(times_in(got, "HTTP/1.1 200"), 1);
    check_has(got, "Connection: close\r\n");

    // In chunks it is known only while it is discarded.
    snprintf(text, sizeof text, "POST /1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                                "65\r\n%0101d\r\n65\r\n%0101d\r\n0\r\n\r\n" GET("/2"), 0, 0);
    check_ok(ask(&site, text, got, sizeof got));
    check_eq(times_in(got, "HTTP/1.1 200"), 1);
}

/* Row 74. */
TEST_ON_ALL(http, a_body_over_the_limit_is_413_which_arrives)
{
    enum { BIG = 150000 };
    struct site site = { .handler = tell, .opts.body_bytes_max = 1000 };
    BYTES(text, BIG + 200);
    char got[1024];
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    int head = sprintf((char *)text, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", BIG);
    memset(text + head, 'x', BIG);
    check_ok(ask_bytes(&site, text, (size_t)head + BIG, got, sizeof got));
    check_eq(status_in(got), 413);
    check_has(got, "Connection: close\r\n");

    head = sprintf((char *)text, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n", BIG);
    memset(text + head, 'x', BIG);
    check_ok(ask_bytes(&site, text, (size_t)head + BIG, got, sizeof got));
    check_eq(status_in(got), 413);

    // Who asks first is not told to go on.
    check_ok(ask(&site, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\nExpect: 100-continue\r\n\r\n",
                 got, sizeof got));
    check_eq(status_in(got), 413);
    check(strstr(got, "100 Continue") == NULL);
}

/* Row 76. */
TEST_ON_ALL(http, who_waits_for_100_continue_gets_it_when_the_body_is_read)
{
    static const char HEAD[] = "POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";
    struct site reads = { .handler = tell }, ignores = { .handler = ignore_body };
    char        got[1024];
    HOB_SCOPE(s);

    check_ok(open_site(&s, &reads));
    check_ok(open_site(&s, &ignores));
    {
        TCP(conn);
        check_ok(visit(&reads, &conn));
        check_ok(say(conn, HEAD));
        check_ok(hear_until(conn, "\r\n\r\n", got, sizeof got));
        check_str(got, "HTTP/1.1 100 Continue\r\n\r\n");
        check_ok(say(conn, "hello" GET("/2")));
        check_ok(hear_until(conn, "GET /2 0\n", got, sizeof got));
        check_has(got, "POST /1 5\n");
    }
    {
        // The handler answers without the body: no 100, and the connection ends, for nobody knows
        // whether the client sends it all the same.
        TCP(conn);
        check_ok(visit(&ignores, &conn));
        check_ok(say(conn, HEAD));
        check_ok(hear(conn, got, sizeof got));
        check_eq(status_in(got), 200);
        check_has(got, "Connection: close\r\n");
    }
    // A body that came at once needs no word.
    check_ok(ask(&reads, "POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello",
                 got, sizeof got));
    check_eq(status_in(got), 200);
}

/* ---- answers ---- */

static int many_kinds(hob_http_request *req, void *arg)
{
    const char *path = hob_http_path(req);

    if (strcmp(path, "/nothing") == 0)
        return 0;
    if (strcmp(path, "/error") == 0)
        return -EIO;
    if (strcmp(path, "/204") == 0)
        return hob_http_reply(req, 204, NULL, "no body", 7);
    if (strcmp(path, "/304") == 0)
        return hob_http_reply(req, 304, NULL, "no body", 7);
    if (strcmp(path, "/unknown") == 0)
        return hob_http_reply_text(req, 599, NULL);
    if (strcmp(path, "/short") == 0) { // fewer than it said
        HOB_TRY(hob_http_begin(req, 200, NULL, 10));
        HOB_TRY(hob_http_write(req, "12345", 5));
        HOB_TRY(hob_http_flush(req));
        return 0;
    }
    if (strcmp(path, "/taken-back") == 0) { // nothing of it was sent yet
        HOB_TRY(hob_http_begin(req, 200, NULL, 10));
        HOB_TRY(hob_http_write(req, "12345", 5));
        return -EIO;
    }
    if (strcmp(path, "/midway") == 0) {
        HOB_TRY(hob_http_begin(req, 200, NULL, -1));
        HOB_TRY(hob_http_write(req, "12345", 5));
        HOB_TRY(hob_http_flush(req));
        return -EIO;
    }
    if (strcmp(path, "/chunks") == 0) {
        HOB_TRY(hob_http_write(req, "hello", 5));
        HOB_TRY(hob_http_write(req, " world", 6));
        HOB_TRY(hob_http_add_trailer(req, "X-Sum", "11"));
        return 0;
    }
    return hob_http_reply_text(req, 200, "hello");
}

/* Row 82. */
TEST_ON_ALL(http, a_handler_without_an_answer_gives_500_and_one_that_fails_midway_is_seen_to)
{
    struct site site = { .handler = many_kinds };
    char        got[2048];
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    check_ok(ask(&site, GET("/nothing") GET("/error") GET("/taken-back") GET("/x"), got, sizeof got));
    check_eq(times_in(got, "HTTP/1.1 500 Internal Server Error\r\n"), 3);
    check_eq(times_in(got, "HTTP/1.1 200"), 1); // the connection went on
    check(strstr(got, "12345") == NULL);
    check_eq(site.stats.failed, 3);

    check_ok(ask(&site, GET("/short") GET("/x"), got, sizeof got));
    check_has(got, "Content-Length: 10\r\n");
    check_eq(times_in(got, "HTTP/1.1"), 1);
    check_has(got, "\r\n\r\n12345");
    check_ok(ask(&site, GET("/midway") GET("/x"), got, sizeof got));
    check_eq(times_in(got, "HTTP/1.1"), 1);
    check_has(got, "\r\n\r\n5\r\n12345\r\n");
    check(strstr(got, "0\r\n\r\n") == NULL); // no last chunk
}

/* Row 81. */
TEST_ON_ALL(http, head_204_and_304_have_no_body_and_honest_lengths)
{
    struct site site = { .handler = many_kinds };
    char        got[2048];
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    check_ok(ask(&site, "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n" GET("/x"), got, sizeof got));
    check_eq(times_in(got, "Content-Length: 5\r\n"), 2);
    check_eq(times_in(got, "hello"), 1);
    check_ok(ask(&site, "HEAD /chunks HTTP/1.1\r\nHost: a\r\n\r\n" GET("/x"), got, sizeof got));
    check_eq(times_in(got, "hello"), 1);
    check_ok(ask(&site, "HEAD /nothing HTTP/1.1\r\nHost: a\r\n\r\n" GET("/x"), got, sizeof got));
    check_has(got, "HTTP/1.1 500");
    check_eq(times_in(got, "Internal"), 1);

    check_ok(ask(&site, GET("/204") GET("/304") GET("/x"), got, sizeof got));
    check_has(got, "HTTP/1.1 204 No Content\r\n");
    check_has(got, "HTTP/1.1 304 Not Modified\r\n");
    check_eq(times_in(got, "Content-Length"), 1);
    check_eq(times_in(got, "Transfer-Encoding"), 0);
    check(strstr(got, "no body") == NULL);
    check_has(got, "hello");
    check_ok(ask(&site, GET("/unknown"), got, sizeof got));
    check_eq(status_in(got), 599);
}

TEST_ON_ALL(http, an_answer_of_unknown_length_comes_in_chunks_or_until_the_end)
{
    struct site site = { .handler = many_kinds };
    char        got[2048];
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    check_ok(ask(&site, GET("/chunks") GET("/x"), got, sizeof got));
    check_has(got, "Transfer-Encoding: chunked\r\n");
    check_has(got, "\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\nX-Sum: 11\r\n\r\nHTTP/1.1 200");
    check_ok(ask(&site, "GET /chunks HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", got, sizeof got));
    check_has(got, "Connection: close\r\n");
    check(strstr(got, "chunked") == NULL);
    check_has(got, "\r\n\r\nhello world");
}

/* Row 83. */
static int split_answer(hob_http_request *req, void *arg)
{
    static const char *const BAD[][2] = {
        { "X", "a\r\nSet-Cookie: b" }, { "X", "a\nb" }, { "X", "a\rb" }, { "X", "\x7f" }, { "X", "\x01" },
        { "X\r\nY", "a" }, { "X Y", "a" }, { "X:", "a" }, { "", "a" }, { "X\xe9", "a" },
        { "Content-Length", "5" }, { "transfer-encoding", "chunked" }, { "Connection", "close" },
    };
    char long_value[9000];

    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        check_err(hob_http_add_header(req, BAD[i][0], BAD[i][1]), -EINVAL);
        check_err(hob_http_set_header(req, BAD[i][0], BAD[i][1]), -EINVAL);
        check_err(hob_http_add_trailer(req, BAD[i][0], BAD[i][1]), -EINVAL);
    }
    memset(long_value, 'a', sizeof long_value - 1);
    long_value[sizeof long_value - 1] = '\0';
    check_err(hob_http_add_header(req, "X", long_value), -ENOSPC);
    check_err(hob_http_set_header(req, "X", long_value), -ENOSPC);
    check_err(hob_http_begin(req, 200, "text/html\r\nX: y", 0), -EINVAL);

    check_ok(hob_http_add_header(req, "Set-Cookie", "a=1"));
    check_ok(hob_http_add_header(req, "Set-Cookie", "b=2"));
    check_ok(hob_http_add_header(req, "X-One", "1"));
    check_ok(hob_http_set_header(req, "x-one", "2"));
    check_ok(hob_http_add_header(req, "Content-Type", "text/never"));
    check_ok(hob_http_reply(req, 200, "text/html", "hello", 5));
    check_err(hob_http_add_header(req, "X", "late"), -EALREADY);
    check_err(hob_http_reply_text(req, 200, "again"), -EALREADY);
    return 0;
}

TEST_ON_ALL(http, a_header_cannot_split_the_answer)
{
    struct site site = { .handler = split_answer, .opts.server_name = "hob" };
    char        got[1024];
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    check_ok(ask(&site, GET("/"), got, sizeof got));
    check_eq(status_in(got), 200);
    check_has(got, "\r\nServer: hob\r\nContent-Type: text/html\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nx-one: 2\r\n");
    check_eq(times_in(got, "Content-Type"), 1);
    check_eq(times_in(got, "X-One"), 0);
}

/* ---- what a request says ---- */

static int look_at(hob_http_request *req, void *arg)
{
    const char *name, *value;

    check_str(hob_http_method(req), "PUT");
    check_str(hob_http_target(req), "http://b:80/p/q?x=y");
    check_str(hob_http_path(req), "/p/q");
    check_str(hob_http_query(req), "x=y");
    check_str(hob_http_host(req), "b:80");
    check_eq(hob_http_version(req), 11);
    check_str(hob_http_header(req, "X-NAME"), "a  b");
    check_str(hob_http_header(req, "empty"), "");
    check(hob_http_header(req, "x-nam") == NULL);
    check_eq(hob_http_header_at(req, 1, &name, &value), 1);
    check_str(name, "x-name");
    check_eq(hob_http_header_at(req, 4, &name, &value), 0);
    check_eq(hob_http_body_length(req), -1);
    check(hob_http_trailer(req, "sum") == NULL);

    char  *data;
    size_t len;
    check_ok(hob_http_read_all(req, 100, &data, &len));
    check_eq(len, 11);
    check_str(data, "hello world");
    free(data);
    check_str(hob_http_trailer(req, "SUM"), "11");
    check(hob_http_header(req, "sum") == NULL); // row 72: not merged
    return hob_http_reply_text(req, 200, "seen");
}

TEST_ON_ALL(http, a_request_says_what_it_was_sent)
{
    struct site site = { .handler = look_at };
    char        got[1024];
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    check_ok(ask(&site, "PUT http://b:80/p/q?x=y HTTP/1.1\r\nHost: a\r\nx-name: a  b \r\nEmpty:\r\n"
                        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\nSum: 11\r\n\r\n",
                 got, sizeof got));
    check_has(got, "\r\n\r\nseen");
}

static int read_at_most_10(hob_http_request *req, void *arg)
{
    char  *data;
    size_t len;
    HOB_TRY(hob_http_read_all(req, 10, &data, &len));
    int r = hob_http_reply(req, 200, NULL, data, len);
    free(data);
    return r;
}

TEST_ON_ALL(http, reading_all_of_a_body_has_a_limit)
{
    struct site site = { .handler = read_at_most_10 };
    char        got[1024];
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    check_ok(ask(&site, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n0123456789", got, sizeof got));
    check_has(got, "\r\n\r\n0123456789");
    check_ok(ask(&site, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n0123456789a", got, sizeof got));
    check_eq(status_in(got), 413);
    check_ok(ask(&site, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                        "6\r\n012345\r\n5\r\n6789a\r\n0\r\n\r\n", got, sizeof got));
    check_eq(status_in(got), 413);
}

/* ---- streams ---- */

static int echo(hob_http_request *req, void *arg)
{
    HOB_TRY(hob_http_begin(req, 200, NULL, hob_http_body_length(req)));
    return hob_copy(hob_http_stream(req), hob_http_stream(req), NULL, NULL);
}

struct upload {
    hob_tcp *conn;
    size_t   len;
};

static int send_upload(void *arg)
{
    struct upload *up = arg;
    unsigned char  buf[5000];

    for (size_t at = 0; at < up->len;) {
        size_t n = up->len - at < sizeof buf ? up->len - at : sizeof buf;
        fill(buf, n, at, 7);
        HOB_TRY(hob_tcp_write(up->conn, buf, n));
        at += n;
    }
    return 0;
}

TEST_LONG(http, what_is_echoed_comes_back_whole_however_large)
{
    enum { LEN = 900000 };
    struct site   site = { .handler = echo };
    unsigned char buf[8192];
    char          head[512];
    TCP(conn);
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    check_ok(visit(&site, &conn));
    sprintf(head, "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: %d\r\n\r\n", LEN);
    check_ok(say(conn, head));
    hob_go(&s, send_upload, &(struct upload){ conn, LEN });

    size_t got = 0, head_len = 0;
    while (head_len < sizeof head - 1 && (head_len < 4 || memcmp(head + head_len - 4, "\r\n\r\n", 4) != 0))
        head_len += (size_t)check_ok(hob_tcp_read(conn, head + head_len, 1));
    for (ssize_t n; (n = check_ok(hob_tcp_read(conn, buf, sizeof buf))) > 0; got += (size_t)n) {
        if (!is_filled(buf, (size_t)n, got, 7))
            fail("other bytes at %zu", got);
    }
    check_eq(got, LEN);
}

/* One task reads the body, beside it another writes the answer: pieces large and small. */
enum { DUPLEX_LEN = 400000 };

static int take_all(void *arg)
{
    hob_http_request *req = arg;
    unsigned char     buf[1000];
    size_t            got = 0;

    for (ssize_t n; (n = HOB_TRY(hob_http_read(req, buf, sizeof buf))) > 0; got += (size_t)n) {
        if (!is_filled(buf, (size_t)n, got, 7))
            fail("other bytes at %zu", got);
    }
    return got == DUPLEX_LEN ? 0 : -EPROTO;
}

static int read_and_write(hob_http_request *req, void *arg)
{
    static const size_t SIZES[] = { 1, 300, 20000, 7, 5000 };
    unsigned char       buf[20000];
    HOB_SCOPE(s);

    HOB_TRY(hob_http_begin(req, 200, NULL, DUPLEX_LEN));
    hob_go(&s, take_all, req);
    for (size_t at = 0, i = 0; at < DUPLEX_LEN; i++) {
        size_t n = SIZES[i % 5] < DUPLEX_LEN - at ? SIZES[i % 5] : DUPLEX_LEN - at;
        fill(buf, n, at, 9);
        HOB_TRY(hob_http_write(req, buf, n));
        at += n;
        hob_yield();
    }
    return hob_scope_end(&s);
}

TEST_ON_ALL(http, one_task_reads_while_another_writes)
{
    struct site   site = { .handler = read_and_write };
    unsigned char buf[3000];
    char          head[512];
    TCP(conn);
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    check_ok(visit(&site, &conn));
    sprintf(head, "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: %d\r\n\r\n", DUPLEX_LEN);
    check_ok(say(conn, head));
    hob_go(&s, send_upload, &(struct upload){ conn, DUPLEX_LEN });

    size_t got = 0, head_len = 0;
    while (head_len < sizeof head - 1 && (head_len < 4 || memcmp(head + head_len - 4, "\r\n\r\n", 4) != 0))
        head_len += (size_t)check_ok(hob_tcp_read(conn, head + head_len, 1));
    for (ssize_t n; (n = check_ok(hob_tcp_read(conn, buf, sizeof buf))) > 0; got += (size_t)n) {
        if (!is_filled(buf, (size_t)n, got, 9))
            fail("other bytes at %zu", got);
    }
    check_eq(got, DUPLEX_LEN);
}

/* Over any stream, such as one in memory; and the caller keeps it. */
static int serve_memory(void *arg)
{
    return hob_http_serve_stream(arg, NULL, tell, NULL);
}

TEST(http, a_single_stream_can_be_served)
{
    STREAM(here) = NULL;
    STREAM(there) = NULL;
    char        got[1024] = "";
    HOB_SCOPE(s);

    check_ok(hob_mem_pair(NULL, &here, &there));
    hob_go(&s, serve_memory, there);
    check_ok(hob_stream_write(here, GET("/1") GET("/2"), strlen(GET("/1") GET("/2"))));
    settle();
    check_ok(hob_stream_read(here, got, sizeof got - 1));
    check_has(got, "GET /1 0\n");
    check_has(got, "GET /2 0\n");
    check_ok(hob_stream_shutdown(here));
    check_ok(hob_scope_end(&s));
}

TEST(http, a_single_stream_that_says_nothing_ends_in_time)
{
    STREAM(here) = NULL;
    STREAM(there) = NULL;
    HOB_SCOPE(s);

    int64_t begun = hob_now();
    check_ok(hob_mem_pair(NULL, &here, &there));
    hob_go(&s, serve_memory, there);
    check_ok(hob_scope_end(&s));
    check_eq(hob_now() - begun, 75 * HOB_SEC);
}

/* ---- mistakes ---- */

static int reply_with_100(hob_http_request *req, void *arg)
{
    return hob_http_reply_text(req, 100, "x");
}

TEST_DIES(http, a_status_that_is_none_of_an_answer_is_a_mistake, "hob_http_begin: this is no status of an answer")
{
    struct site site = { .handler = reply_with_100 };
    char        got[512];
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    check_ok(ask(&site, GET("/"), got, sizeof got));
}

TEST_DIES(http, no_listener_is_a_mistake, "hob_http_serve: there is no listener: it is NULL")
{
    ignore(hob_http_serve(NULL, NULL, tell, NULL));
}

TEST_DIES(http, no_stream_is_a_mistake, "hob_http_serve_stream: there is no stream: it is NULL")
{
    ignore(hob_http_serve_stream(NULL, NULL, tell, NULL));
}

TEST_DIES(http, no_handler_is_a_mistake, "hob_http_serve: there is no handler: it is NULL")
{
    struct site site = { 0 };
    HOB_SCOPE(s);
    check_ok(open_site(&s, &site));
    settle();
}

TEST_DIES(http, a_head_over_64_kib_is_a_mistake, "hob_http_serve: head_bytes_max is over 64 KiB")
{
    struct site site = { .handler = tell, .opts.head_bytes_max = 65537 };
    HOB_SCOPE(s);
    check_ok(open_site(&s, &site));
    settle();
}

static int close_own_stream(hob_http_request *req, void *arg)
{
    hob_stream_close(hob_http_stream(req));
    return 0;
}

TEST_DIES(http, closing_the_stream_of_a_request_is_a_mistake, "hob_stream_close: a request's stream ends with its handler*")
{
    struct site site = { .handler = close_own_stream };
    char        got[512];
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    check_ok(ask(&site, GET("/"), got, sizeof got));
}
