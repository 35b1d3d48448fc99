/* SPDX-License-Identifier: MIT */
/* The middleware that comes with libhob-web. */
#include <zlib.h>

#include "hob/log.h"
#include "hob/mem_pair.h"
#include "support/waits.h"
#include "web/shop.h"

static int hello(hob_http_request *req, void *arg)
{
    return hob_http_reply_text(req, 200, arg != NULL ? arg : "hello\n");
}

static int fails(hob_http_request *req, void *arg)
{
    return -EIO;
}

static int says_one(hob_http_request *req, void *arg)
{
    HOB_TRY(hob_http_set_header(req, "X-Kept", "1"));
    HOB_TRY(hob_http_set_header(req, "X-Set-Again", "1"));
    return hob_web_next(req);
}

static int says_more_and_fails(hob_http_request *req, void *arg)
{
    HOB_TRY(hob_http_set_header(req, "X-Set-Again", "2"));
    HOB_TRY(hob_http_set_header(req, "Cache-Control", "max-age=3600"));
    if (arg != NULL)
        HOB_TRY(hob_http_begin(req, 200, "text/plain", 5));
    if (arg != NULL && strcmp(arg, "short") == 0)
        return hob_http_write(req, "abc", 3) < 0 ? -EPIPE : 0;
    return -EIO;
}

TEST(web_middleware, what_it_says_is_said_of_failures_too_and_what_the_handler_says_is_not)
{
    static const char *const paths[] = { "/early", "/begun", "/short" };
    WEB(web);
    GOT(got);

    hob_web_use(web, hob_web_id, NULL);
    hob_web_use(web, hob_web_cors, NULL);
    hob_web_use(web, says_one, NULL);
    hob_web_handle(web, "GET /early", says_more_and_fails, NULL);
    hob_web_handle(web, "GET /begun", says_more_and_fails, "begun");
    hob_web_handle(web, "GET /short", says_more_and_fails, "short");
    for (size_t i = 0; i < 3; i++) {
        check_ok(ask_with(web, "GET", paths[i], "Origin: https://x.example\r\n", &got));
        check_eq(got.status, 500);
        check_eq(strlen(header(&got, "X-Request-Id")), 32);
        check_str(header(&got, "Access-Control-Allow-Origin"), "*"); // so that the page can read what is wrong
        check_str(header(&got, "X-Kept"), "1");
        check_str(header(&got, "X-Set-Again"), "");
        check_str(header(&got, "Cache-Control"), "");
    }
}

static int fails_in_the_middle(hob_http_request *req, void *arg)
{
    HOB_TRY(hob_http_begin(req, 200, "text/plain", -1));
    if (hob_http_write(req, "abc", 3) < 0)
        return -EPIPE;
    HOB_TRY(hob_http_flush(req));
    return -EIO;
}

TEST(web_middleware, a_failure_in_the_middle_of_an_answer_is_logged_once)
{
    static const char LINE[] = "a request failed";
    WEB(web);
    GOT(got);

    hob_web_use(web, hob_web_id, NULL);
    hob_web_handle(web, "GET /", fails_in_the_middle, NULL);
    check_err(get(web, "/", &got), HOB_EOF);
    const char *first = strstr(hob_test_log_text(), LINE);
    check_ne(first, NULL);
    check_has(first, "request="); // where the middleware is still around it
    check_eq(strstr(first + 1, LINE), NULL);
}

static int frees_it(hob_http_request *req, void *web)
{
    hob_web_free(web);
    return 0;
}

TEST_DIES(web_middleware, a_service_that_answers_is_not_to_be_freed, "it still answers a request")
{
    WEB(web);
    GOT(got);

    hob_web_handle(web, "GET /", frees_it, web);
    check_ok(get(web, "/", &got));
}

/* ---- log and id ---- */

static int says_id(hob_http_request *req, void *arg)
{
    HOB_LOG(INFO, "inside");
    return hob_http_reply_text(req, 200, hob_web_request_id());
}

TEST(web_middleware, each_answer_is_logged_and_carries_its_request_id)
{
    WEB(web);
    GOT(got);

    hob_web_use(web, hob_web_id, NULL);
    hob_web_use(web, hob_web_log, NULL);
    hob_web_handle(web, "GET /a", says_id, NULL);
    hob_web_handle(web, "GET /f", fails, NULL);
    check_ok(ask_with(web, "GET", "/a?x=1", "X-Request-Id: mine\r\n", &got));
    check_eq(got.body_len, 32);
    check_str(header(&got, "X-Request-Id"), got.body);
    check_eq(strspn(got.body, "0123456789abcdef"), 32);
    char line[200];
    snprintf(line, sizeof line, "INFO  inside request=%s", got.body);
    check_has(hob_test_log_text(), line);
    check_has(hob_test_log_text(), "INFO  answered method=GET path=/a status=200 bytes=32 us=0 client=none");
    hob_test_log_clear();
    check_ok(get(web, "/f", &got));
    check_has(hob_test_log_text(), "WARN  answered method=GET path=/f status=500");
    check_eq(hob_web_request_id(), NULL);
}

TEST(web_middleware, an_id_of_the_client_is_taken_if_it_is_wanted_and_harmless)
{
    WEB(web);
    GOT(got);

    hob_web_use(web, hob_web_id, "take it");
    hob_web_handle(web, "GET /a", says_id, NULL);
    check_ok(ask_with(web, "GET", "/a", "X-Request-Id: mine-1.2_3\r\n", &got));
    check_str(got.body, "mine-1.2_3");
    check_ok(ask_with(web, "GET", "/a", "X-Request-Id: a b\r\n", &got));
    check_eq(got.body_len, 32);
    char longer[120];
    snprintf(longer, sizeof longer, "X-Request-Id: %065d\r\n", 0);
    check_ok(ask_with(web, "GET", "/a", longer, &got));
    check_eq(got.body_len, 32);
}

/* ---- time ---- */

struct end {
    hob_stream *stream;
    hob_web    *web;
};

static int serve_end(void *arg)
{
    struct end *end = arg;
    int         r = hob_http_serve_stream(end->stream, NULL, hob_web_answer, end->web);
    hob_stream_close(end->stream);
    end->stream = NULL;
    return r;
}

static int sleeps(hob_http_request *req, void *arg)
{
    HOB_TRY(hob_sleep(atoi(hob_web_param(req, "s")) * HOB_SEC));
    return hob_http_reply_text(req, 200, "awake\n");
}

TEST(web_middleware, a_handler_that_takes_too_long_is_cancelled_and_is_503)
{
    static const int64_t limit_ns = 5 * HOB_SEC;
    int64_t              begun_ns = hob_now();
    WEB(web);
    GOT(got);

    hob_web_use(web, hob_web_timeout, (void *)(uintptr_t)&limit_ns);
    hob_web_handle(web, "GET /{s}", sleeps, NULL);
    check_ok(get(web, "/100", &got));
    check_eq(got.status, 503);
    check_eq(hob_now() - begun_ns, limit_ns);
    check_ok(get(web, "/4", &got));
    check_eq(got.status, 200);
}

/* Begins in time, and takes longer; or begins too late. */
static int begins_and_sleeps(hob_http_request *req, void *arg)
{
    bool is_late = strcmp(hob_web_pattern(req), "/late") == 0;
    HOB_TRY(hob_sleep((is_late ? 6 : 4) * HOB_SEC));
    HOB_TRY(hob_http_begin(req, 200, "text/plain", -1));
    HOB_TRY(hob_http_write(req, "one ", 4));
    HOB_TRY(hob_http_flush(req));
    HOB_TRY(hob_sleep(100 * HOB_SEC));
    HOB_TRY(hob_http_write(req, "two", 3));
    return 0;
}

/* Also below a filter that holds the answer back, and with another limit around it. */
TEST(web_middleware, an_answer_that_has_begun_is_in_time)
{
    static const int64_t limit_ns = 5 * HOB_SEC, outer_ns = 20 * HOB_SEC;
    GOT(got);

    for (int i = 0; i < 3; i++) {
        WEB(web);
        if (i > 0)
            hob_web_use(web, hob_web_timeout, (void *)(uintptr_t)&outer_ns);
        hob_web_use(web, hob_web_timeout, (void *)(uintptr_t)&limit_ns);
        if (i > 1)
            hob_web_use(web, hob_web_gzip, NULL);
        hob_web_handle(web, "GET /", begins_and_sleeps, NULL);
        hob_web_handle(web, "GET /late", begins_and_sleeps, NULL);
        int64_t begun_ns = hob_now();
        check_ok(ask_with(web, "GET", "/", "Accept-Encoding: gzip;q=0\r\n", &got));
        check_eq(got.status, 200);
        check_str(got.body, "one two");
        check_eq(hob_now() - begun_ns, 104 * HOB_SEC);
        check_ok(get(web, "/late", &got));
        check_eq(got.status, 503);
    }
}

static int becomes_another(hob_http_request *req, void *arg)
{
    hob_stream *stream;
    HOB_TRY(hob_http_upgrade(req, "echo", &stream));
    HOB_TRY(hob_sleep(100 * HOB_SEC));
    HOB_TRY(hob_stream_write(stream, "still here", 10));
    return 0;
}

TEST(web_middleware, a_conversation_is_not_cut_off_by_the_limit_of_an_answer)
{
    static const int64_t limit_ns = 5 * HOB_SEC;
    static const char    HELLO[] = "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";
    hob_stream          *client, *server;
    char                 text[500];
    size_t               len = 0;
    ssize_t              n;
    HOB_SCOPE(s);
    WEB(web);

    hob_web_use(web, hob_web_timeout, (void *)(uintptr_t)&limit_ns);
    hob_web_handle(web, "GET /", becomes_another, NULL);
    check_ok(hob_mem_pair(NULL, &client, &server));
    CLOSED_BY(close_stream) hob_stream *mine = client;
    struct end end = { server, web };
    int r = hob_go(&s, serve_end, &end);
    if (r < 0)
        hob_stream_close(server);
    check_ok(r);
    check_eq(hob_stream_write(mine, HELLO, sizeof HELLO - 1), sizeof HELLO - 1);
    while ((n = hob_stream_read(mine, text + len, sizeof text - 1 - len)) > 0)
        len += (size_t)n;
    text[len] = '\0';
    check_has(text, "HTTP/1.1 101 ");
    check_has(text, "\r\n\r\nstill here");
    check_ok(hob_scope_end(&s));
}

/* ---- filters ---- */

static int forgets_its_filter(hob_http_request *req, void *arg)
{
    hob_http_filter filter = { .begin = NULL };
    hob_http_filter_push(req, &filter);
    HOB_TRY(hob_web_next(req));
    return hob_http_filter_pop(req, &filter, 0);
}

static int resets_and_fails(hob_http_request *req, void *arg)
{
    HOB_TRY(hob_http_begin(req, 200, "text/plain", -1));
    HOB_TRY(hob_http_write(req, "x", 1));
    HOB_TRY(hob_http_flush(req));
    return -EIO; // some of it was sent, so the error comes through
}

TEST_DIES(web_middleware, a_filter_that_is_left_there_by_an_error_is_a_mistake, "*hob_web_use: *its filter is still there*")
{
    WEB(web);
    GOT(got);
    hob_web_use(web, forgets_its_filter, NULL);
    hob_web_handle(web, "GET /", resets_and_fails, NULL);
    ignore(get(web, "/", &got));
}

/* ---- rate ---- */

static size_t by_header(hob_http_request *req, char *key, size_t size)
{
    const char *who = hob_http_header(req, "X-Who");
    size_t      len = who != NULL ? strlen(who) : 0;
    memcpy(key, who, len < size ? len : 0);
    return len < size ? len : 0;
}

TEST(web_middleware, who_comes_too_often_is_429_and_others_are_not)
{
    RATES(rates);
    WEB(web);
    GOT(got);

    check_ok(hob_rates_new(&(hob_rates_opts){ .count = 1, .burst = 2, .period_ns = 10 * HOB_SEC }, &rates));
    hob_web_limit_opts opts = { .rates = rates, .client = by_header };
    hob_web_use(web, hob_web_limit, &opts);
    hob_web_handle(web, "GET /", hello, NULL);
    for (int i = 0; i < 3; i++) {
        check_ok(ask_with(web, "GET", "/", "X-Who: ann\r\n", &got));
        check_eq(got.status, i < 2 ? 200 : 429);
    }
    check_str(header(&got, "Retry-After"), "10");
    check_ok(ask_with(web, "GET", "/", "X-Who: bob\r\n", &got));
    check_eq(got.status, 200);
    check_ok(hob_sleep(10 * HOB_SEC));
    check_ok(ask_with(web, "GET", "/", "X-Who: ann\r\n", &got));
    check_eq(got.status, 200);
}

/* ---- CORS ---- */

#define PREFLIGHT "Origin: https://a.example\r\nAccess-Control-Request-Method: PUT\r\n"

TEST(web_middleware, cors_tells_browsers_who_may_read)
{
    static const char *const ours[] = { "https://a.example", "https://b.example", NULL };
    static const hob_web_cors_opts named = { .origins = ours, .credentials = 1, .exposed = "X-Total",
                                             .headers = "X-Mine", .max_age_s = 60 };
    WEB(any);
    WEB(some);
    GOT(got);

    hob_web_use(any, hob_web_cors, NULL);
    hob_web_handle(any, "GET /", hello, NULL);
    hob_web_handle(any, "PUT /", hello, NULL);
    check_ok(ask_with(any, "GET", "/", "Origin: https://x.example\r\n", &got));
    check_str(header(&got, "Access-Control-Allow-Origin"), "*");
    check_str(header(&got, "Vary"), "");
    check_ok(get(any, "/", &got));
    check_str(header(&got, "Access-Control-Allow-Origin"), "");
    check_ok(ask_with(any, "OPTIONS", "/", PREFLIGHT, &got));
    check_eq(got.status, 204);
    check_str(header(&got, "Access-Control-Allow-Methods"), "GET, PUT, HEAD, OPTIONS");
    check_str(header(&got, "Access-Control-Allow-Headers"), "Content-Type, Authorization");
    check_str(header(&got, "Access-Control-Max-Age"), "600");
    check_ok(ask_with(any, "GET", "/nowhere", "Origin: https://x.example\r\n", &got)); // so that the page can tell
    check_eq(got.status, 404);
    check_str(header(&got, "Access-Control-Allow-Origin"), "*");

    hob_web_use(some, hob_web_cors, (void *)(uintptr_t)&named);
    hob_web_handle(some, "PUT /", hello, NULL);
    check_ok(ask_with(some, "PUT", "/", "Origin: https://b.example\r\n", &got));
    check_str(header(&got, "Access-Control-Allow-Origin"), "https://b.example");
    check_str(header(&got, "Access-Control-Allow-Credentials"), "true");
    check_str(header(&got, "Access-Control-Expose-Headers"), "X-Total");
    check_str(header(&got, "Vary"), "Origin");
    check_ok(ask_with(some, "PUT", "/", "Origin: https://b.example.evil\r\n", &got));
    check_eq(got.status, 200);
    check_str(header(&got, "Access-Control-Allow-Origin"), "");
    check_str(header(&got, "Vary"), "Origin");
    check_ok(ask_with(some, "OPTIONS", "/", PREFLIGHT, &got));
    check_eq(got.status, 204);
    check_str(header(&got, "Access-Control-Allow-Headers"), "X-Mine");
    check_ok(ask_with(some, "OPTIONS", "/",
                      "Origin: null\r\nAccess-Control-Request-Method: PUT\r\n", &got));
    check_eq(got.status, 403);
    check_str(header(&got, "Access-Control-Allow-Methods"), "");
}

/* ---- who is there ---- */

static int ann_only(hob_http_request *req, void *arg, const char *user, const char *password)
{
    if (strcmp(user, "broken") == 0)
        return -ECONNREFUSED;
    return strcmp(user, "ann") == 0 && hob_web_same("pass:word", password);
}

static int one_token(hob_http_request *req, void *arg, const char *token)
{
    return hob_web_same(arg, token);
}

TEST(web_middleware, who_cannot_say_who_they_are_is_401)
{
    static const struct {
        const char *header;
        int         status;
    } CASES[] = {
        { "", 401 },
        { "Authorization: Basic YW5uOnBhc3M6d29yZA==\r\n", 200 },
        { "Authorization: bAsIc  YW5uOnBhc3M6d29yZA==\r\n", 200 },
        { "Authorization: Basic YW5uOnBhc3M6d29yZB==\r\n", 401 }, // bits that nobody needs
        { "Authorization: Basic YW5uOnBhc3M6d29yZA\r\n", 401 },
        { "Authorization: Basic YW5uOnBhc3M6d29y=A==\r\n", 401 },
        { "Authorization: Basic YW5u\r\n", 401 },
        { "Authorization: Basic\r\n", 401 },
        { "Authorization: Basic YW5uOng=\r\n", 401 },
        { "Authorization: Basic YW5uOnBhc3M6d29yZAA=\r\n", 401 }, // a NUL behind it
        { "Authorization: Bearer YW5uOnBhc3M6d29yZA==\r\n", 401 },
        { "Authorization: Basic YnJva2VuOg==\r\n", 500 },
    };
    static const hob_web_auth_opts basic = { .basic = ann_only, .realm = "back room" };
    static const hob_web_auth_opts bearer = { .bearer = one_token, .arg = "t0ken" };
    WEB(web);
    WEB(other);
    GOT(got);

    hob_web_use(web, hob_web_auth, (void *)(uintptr_t)&basic);
    hob_web_handle(web, "GET /", hello, NULL);
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        check_ok(ask_with(web, "GET", "/", CASES[i].header, &got));
        if (got.status != CASES[i].status)
            fail("%s%d", CASES[i].header, got.status);
        if (got.status == 401)
            check_str(header(&got, "WWW-Authenticate"), "Basic realm=\"back room\", charset=\"UTF-8\"");
    }
    hob_web_use(other, hob_web_auth, (void *)(uintptr_t)&bearer);
    hob_web_handle(other, "GET /", hello, NULL);
    check_ok(ask_with(other, "GET", "/", "Authorization: Bearer t0ken\r\n", &got));
    check_eq(got.status, 200);
    check_ok(ask_with(other, "GET", "/", "Authorization: Bearer t0kem\r\n", &got));
    check_eq(got.status, 401);
    check_str(header(&got, "WWW-Authenticate"), "Bearer realm=\"service\", error=\"invalid_token\"");
    check_ok(get(other, "/", &got));
    check_eq(got.status, 401);
    check_str(header(&got, "WWW-Authenticate"), "Bearer realm=\"service\"");
}

TEST_BARE(web_middleware, texts_are_the_same_only_if_they_are)
{
    check_eq(hob_web_same("", ""), 1);
    check_eq(hob_web_same("a", ""), 0);
    check_eq(hob_web_same("", "a"), 0);
    check_eq(hob_web_same("ab", "abab"), 0);
    check_eq(hob_web_same("abab", "ab"), 0);
    check_eq(hob_web_same("secret", "secret"), 1);
    check_eq(hob_web_same("secret", "secreT"), 0);
}

/* ---- tags ---- */

static int in_pieces(hob_http_request *req, void *arg)
{
    const char *text = arg;
    HOB_TRY(hob_http_begin(req, 200, "text/plain", (int64_t)strlen(text)));
    for (size_t i = 0; i < strlen(text); i++)
        HOB_TRY(hob_http_write(req, text + i, 1));
    return 0;
}

static int too_short(hob_http_request *req, void *arg)
{
    HOB_TRY(hob_http_begin(req, 200, "text/plain", 10));
    HOB_TRY(hob_http_write(req, "12345", 5));
    return 0;
}

static int has_its_own(hob_http_request *req, void *arg)
{
    HOB_TRY(hob_http_set_header(req, "ETag", "\"mine\""));
    return hob_http_reply_text(req, 200, "x");
}

TEST(web_middleware, an_answer_gets_a_tag_and_who_has_it_304)
{
    char tag[100], known[200];
    WEB(web);
    GOT(got);

    hob_web_use(web, hob_web_etag, NULL);
    hob_web_handle(web, "GET /a", hello, "some text");
    hob_web_handle(web, "GET /b", in_pieces, "some text");
    hob_web_handle(web, "GET /c", hello, "some texu");
    hob_web_handle(web, "GET /short", too_short, NULL);
    hob_web_handle(web, "GET /own", has_its_own, NULL);
    hob_web_handle(web, "POST /a", hello, "some text");
    hob_web_handle(web, "GET /f", fails, NULL);
    check_ok(get(web, "/a", &got));
    check_str(got.body, "some text");
    snprintf(tag, sizeof tag, "%s", header(&got, "ETag"));
    check_eq(strlen(tag), 36);
    check_ok(get(web, "/b", &got));
    check_str(got.body, "some text");
    check_str(header(&got, "ETag"), tag); // of bytes, however they came
    check_ok(get(web, "/c", &got));
    check(strcmp(header(&got, "ETag"), tag) != 0);
    snprintf(known, sizeof known, "If-None-Match: \"x\", %s\r\n", tag);
    check_ok(ask_with(web, "GET", "/b", known, &got));
    check_eq(got.status, 304);
    check_eq(got.body_len, 0);
    check_str(header(&got, "ETag"), tag);
    snprintf(known, sizeof known, "If-None-Match: %s\r\n", tag + 2);
    check_ok(ask_with(web, "HEAD", "/a", known, &got));
    check_eq(got.status, 304);
    check_ok(ask_with(web, "GET", "/c", known, &got));
    check_eq(got.status, 200);
    check_ok(ask_with(web, "GET", "/c", "If-None-Match: *\r\n", &got));
    check_eq(got.status, 304);
    check_ok(ask_with(web, "POST", "/a", "If-None-Match: *\r\n", &got));
    check_eq(got.status, 200);
    check_str(header(&got, "ETag"), "");
    check_ok(get(web, "/own", &got));
    check_str(header(&got, "ETag"), "\"mine\"");
    check_ok(get(web, "/f", &got));
    check_eq(got.status, 500);
    check_str(header(&got, "ETag"), "");
    check_ok(get(web, "/short", &got));
    check_eq(got.status, 500); // it said 10 and wrote 5
    hob_test_log_clear();
}

/* ---- gzip ---- */

#define TAKES "Accept-Encoding: br, gzip\r\n"

/* The body, unpacked, is this text. */
static int unpacks_to(const hob_web_got *got, const char *text, size_t len)
{
    char    *out = malloc(len + 100);
    z_stream z = { .next_in = (Bytef *)got->body, .avail_in = (uInt)got->body_len,
                   .next_out = (Bytef *)out, .avail_out = (uInt)len + 100 };
    bool is_same = inflateInit2(&z, 15 + 16) == Z_OK && inflate(&z, Z_FINISH) == Z_STREAM_END
                && z.avail_in == 0 && z.total_out == len && memcmp(out, text, len) == 0;
    inflateEnd(&z);
    free(out);
    return is_same;
}

struct page {
    const char *type;
    size_t      len;
    int         how; /* 0: at once; 1: in pieces of known length; 2: of unknown length, with flushes */
};

static char big[600000];

static void fill_big(void)
{
    for (size_t i = 0; i < sizeof big; i++)
        big[i] = (char)('a' + (i * i / 7 + i / 1000) % 26);
}

static int page(hob_http_request *req, void *arg)
{
    const struct page *page = arg;

    if (page->how == 0)
        return hob_http_reply(req, 200, page->type, big, page->len);
    HOB_TRY(hob_http_begin(req, 200, page->type, page->how == 1 ? (int64_t)page->len : -1));
    for (size_t at = 0; at < page->len; at += 7000) {
        size_t n = page->len - at < 7000 ? page->len - at : 7000;
        HOB_TRY(hob_http_write(req, big + at, n));
        if (page->how == 2)
            HOB_TRY(hob_http_flush(req));
    }
    return 0;
}

TEST(web_middleware, answers_of_text_are_compressed_however_they_are_written)
{
    static struct page pages[] = {
        { "text/html", 50000, 0 }, { "application/json; charset=utf-8", 50000, 1 }, { "image/svg+xml", 50000, 2 },
        { "text/plain", sizeof big, 0 }, { "text/plain", sizeof big, 1 }, { "text/plain", 1000, 0 },
    };
    char target[] = "/0";
    WEB(web);
    GOT(got);

    fill_big();
    hob_web_use(web, hob_web_gzip, NULL);
    for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++) {
        char pattern[] = "GET /0";
        pattern[5] = (char)('0' + i);
        hob_web_handle(web, pattern, page, &pages[i]);
    }
    for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++) {
        target[1] = (char)('0' + i);
        check_ok(ask_with(web, "GET", target, TAKES, &got));
        check_eq(got.status, 200);
        check_str(header(&got, "Content-Encoding"), "gzip");
        check_str(header(&got, "Vary"), "Accept-Encoding");
        check_str(header(&got, "Content-Type"), pages[i].type);
        check(unpacks_to(&got, big, pages[i].len));
        check_lt(got.body_len, pages[i].len);
        check_ok(get(web, target, &got)); // who does not ask for it
        check_str(header(&got, "Content-Encoding"), "");
        check_str(header(&got, "Vary"), "Accept-Encoding");
        check_eq(got.body_len, pages[i].len);
        check_mem(got.body, big, pages[i].len);
        check_ok(ask_with(web, "HEAD", target, TAKES, &got));
        check_str(header(&got, "Content-Encoding"), "gzip");
    }
}

static int with_headers(hob_http_request *req, void *arg)
{
    const char *const *header = arg;
    if (header[0] != NULL)
        HOB_TRY(hob_http_set_header(req, header[0], header[1]));
    return hob_http_reply(req, 200, header[2], big, 5000);
}

TEST(web_middleware, what_gains_nothing_or_must_not_change_is_not_compressed)
{
    static const char *const PLAIN[][3] = {
        { NULL, NULL, "image/png" }, { NULL, NULL, "application/octet-stream" }, { NULL, NULL, "text/event-stream" },
        { "Content-Encoding", "br", "text/html" }, { "Cache-Control", "private, no-transform", "text/html" },
        { "Content-Range", "bytes 0-4999/9000", "text/html" }, { NULL, NULL, NULL },
    };
    static const char *const REFUSE[] = {
        "", "Accept-Encoding: br\r\n", "Accept-Encoding: gzip;q=0\r\n", "Accept-Encoding: gzip; q=0.000, *\r\n",
        "Accept-Encoding: *;q=0\r\n", "Accept-Encoding: xgzip, gzipped\r\n", "Accept-Encoding:\r\n",
    };
    static const char *const TAKE[] = {
        "Accept-Encoding: *\r\n", "Accept-Encoding: br;q=1, GZIP;q=0.1\r\n", "Accept-Encoding: br\r\nAccept-Encoding: gzip\r\n",
    };
    static const char *const TEXT[] = { "ETag", "\"strong\"", "text/html" };
    static struct page small = { "text/html", 999, 0 };
    WEB(web);
    GOT(got);

    fill_big();
    hob_web_use(web, hob_web_gzip, NULL);
    for (size_t i = 0; i < sizeof PLAIN / sizeof PLAIN[0]; i++) {
        char pattern[] = "GET /0";
        pattern[5] = (char)('0' + i);
        hob_web_handle(web, pattern, with_headers, (void *)(uintptr_t)PLAIN[i]);
    }
    hob_web_handle(web, "GET /text", with_headers, (void *)(uintptr_t)TEXT);
    hob_web_handle(web, "GET /small", page, &small);
    for (size_t i = 0; i < sizeof PLAIN / sizeof PLAIN[0]; i++) {
        char target[] = "/0";
        target[1] = (char)('0' + i);
        check_ok(ask_with(web, "GET", target, TAKES, &got));
        check_eq(got.body_len, 5000);
        check(strcmp(header(&got, "Content-Encoding"), "gzip") != 0);
    }
    check_ok(ask_with(web, "GET", "/small", TAKES, &got));
    check_eq(got.body_len, 999);
    for (size_t i = 0; i < sizeof REFUSE / sizeof REFUSE[0]; i++) {
        check_ok(ask_with(web, "GET", "/text", REFUSE[i], &got));
        if (got.body_len != 5000)
            fail("%s is taken for gzip", REFUSE[i]);
        check_str(header(&got, "ETag"), "\"strong\"");
    }
    for (size_t i = 0; i < sizeof TAKE / sizeof TAKE[0]; i++) {
        check_ok(ask_with(web, "GET", "/text", TAKE[i], &got));
        check(unpacks_to(&got, big, 5000));
        check_str(header(&got, "ETag"), "W/\"strong\"");
    }
}

/* Where it stands in a stream that goes on: the client can read all that was flushed. */
static int ticks(hob_http_request *req, void *arg)
{
    HOB_TRY(hob_http_begin(req, 200, "text/plain", -1));
    for (int i = 0; i < 3; i++) {
        HOB_TRY(hob_http_write(req, "tick ", 5));
        HOB_TRY(hob_http_flush(req));
        HOB_TRY(hob_sleep(HOB_SEC));
    }
    return arg != NULL ? -EIO : 0;
}

/* As hob_http_reply_file does. */
static int head_alone(hob_http_request *req, void *arg)
{
    HOB_TRY(hob_http_begin(req, 200, "text/plain", 50000));
    return strcmp(hob_http_method(req), "HEAD") == 0 || hob_http_write(req, big, 50000) > 0 ? 0 : -EPIPE;
}

TEST(web_middleware, the_head_alone_is_that_of_the_compressed_answer)
{
    WEB(web);
    GOT(got);

    fill_big();
    hob_web_use(web, hob_web_gzip, NULL);
    hob_web_handle(web, "GET /", head_alone, NULL);
    check_ok(ask_with(web, "GET", "/", TAKES, &got));
    check(unpacks_to(&got, big, 50000));
    check_ok(ask_with(web, "HEAD", "/", TAKES, &got));
    check_eq(got.status, 200);
    check_str(header(&got, "Content-Encoding"), "gzip");
    check_str(header(&got, "Content-Length"), ""); // never that of other bytes
    check_ok(ask_with(web, "HEAD", "/", NULL, &got));
    check_str(header(&got, "Content-Length"), "50000");
}

TEST(web_middleware, compression_and_tags_and_failures_go_together)
{
    char tag[200];
    WEB(web);
    GOT(got);
    static struct page one = { "text/html", 50000, 0 };

    fill_big();
    hob_web_use(web, hob_web_gzip, NULL);
    hob_web_use(web, hob_web_etag, NULL);
    hob_web_handle(web, "GET /page", page, &one);
    hob_web_handle(web, "GET /ticks", ticks, NULL);
    hob_web_handle(web, "GET /cut", ticks, "and fails");
    hob_web_handle(web, "GET /short", too_short, NULL);
    hob_web_handle(web, "GET /f", fails, NULL);
    check_ok(ask_with(web, "GET", "/page", TAKES, &got));
    check(unpacks_to(&got, big, 50000));
    snprintf(tag, sizeof tag, TAKES "If-None-Match: %s\r\n", header(&got, "ETag"));
    check_ok(ask_with(web, "GET", "/page", tag, &got));
    check_eq(got.status, 304);
    check_str(header(&got, "Vary"), "Accept-Encoding");
    check_ok(ask_with(web, "GET", "/ticks", TAKES, &got));
    check(unpacks_to(&got, "tick tick tick ", 15));
    check_err(ask_with(web, "GET", "/cut", TAKES, &got), HOB_EOF);
    check_ok(ask_with(web, "GET", "/short", TAKES, &got));
    check_eq(got.status, 500);
    check_ok(ask_with(web, "GET", "/f", TAKES, &got));
    check_eq(got.status, 500);
    check_str(header(&got, "Content-Encoding"), "");
    hob_test_log_clear();
}

/* Without memory for zlib an answer is what it was. */
TEST_ONCE(web_middleware, without_memory_answers_are_whole_or_none)
{
    static struct page pages[] = { { "text/html", 50000, 0 }, { "text/html", 50000, 2 } };
    GOT(got);

    fill_big();
    for (int i = 0; i < 2; i++) {
        for (long at = 1; at < 60; at++) {
            WEB(web);
            hob_web_use(web, hob_web_gzip, NULL);
            hob_web_use(web, hob_web_etag, NULL);
            hob_web_handle(web, "GET /", page, &pages[i]);
            hob__web_fail_at = at;
            int r = ask_with(web, "GET", "/", TAKES, &got);
            hob__web_fail_at = 0;
            if (r < 0) {
                check(r == -ENOMEM || r == HOB_EOF);
                continue;
            }
            if (got.status == 200 && strcmp(header(&got, "Content-Encoding"), "gzip") == 0)
                check(unpacks_to(&got, big, 50000));
            else if (got.status == 200)
                check_mem(got.body, big, 50000);
            else
                check_eq(got.status, 500);
        }
        check_eq(got.status, 200);
    }
    hob_test_log_clear();
}

/* ---- cancelled, and left alone ---- */

static int ask_for_ticks(void *arg)
{
    GOT(got);
    int r = ask_with(arg, "GET", "/ticks", TAKES, &got);
    return r < 0 ? r : got.status;
}

/* A pending answer is dropped with all that stands around it: its stream of zlib's, its memory. */
TEST_ONCE(web_middleware, a_call_that_is_cancelled_at_any_wait_leaves_nothing)
{
    WEB(web);
    uint64_t cancelled = 0;

    hob_web_use(web, hob_web_id, NULL);
    hob_web_use(web, hob_web_gzip, NULL);
    hob_web_use(web, hob_web_etag, NULL);
    hob_web_handle(web, "GET /ticks", ticks, NULL);
    for (uint64_t at = 1, was_there = 1; was_there; at++) {
        struct cancelled c = { .fn = ask_for_ticks, .arg = web, .at = at };
        check_ok(cancel_at_wait(&c));
        was_there = c.was_there;
        check(c.result == 200 || c.result == -ECANCELED);
        cancelled += c.result == -ECANCELED;
    }
    check_gt(cancelled, 3);
}

struct gone {
    hob_stream *ours;
    hob_web    *web;
    int         result;
};

static int serve_gone(void *arg)
{
    struct gone *gone = arg;
    gone->result = hob_http_serve_stream(gone->ours, NULL, hob_web_answer, gone->web);
    return 0;
}

/* In the middle of an answer the client is no more. */
TEST(web_middleware, a_client_that_vanishes_midway_takes_nothing_with_it)
{
    static const char ASK[] = "GET /ticks HTTP/1.1\r\nHost: a\r\n" TAKES "\r\n";
    struct gone gone;
    char        got[300];
    WEB(web);
    STREAM(ours) = NULL;
    STREAM(theirs) = NULL;
    HOB_SCOPE(s);

    hob_web_use(web, hob_web_log, NULL);
    hob_web_use(web, hob_web_gzip, NULL);
    hob_web_use(web, hob_web_etag, NULL);
    hob_web_handle(web, "GET /ticks", ticks, NULL);
    gone.web = web;
    check_ok(hob_mem_pair(NULL, &ours, &theirs));
    gone.ours = ours;
    hob_go(&s, serve_gone, &gone);
    check_ok(hob_stream_write(theirs, ASK, sizeof ASK - 1));
    check_gt(hob_stream_read(theirs, got, sizeof got), 0);
    hob_stream_close(theirs);
    theirs = NULL;
    check_ok(hob_scope_end(&s));
    check_ok(gone.result);
    check_has(hob_test_log_text(), "INFO  answered method=GET path=/ticks status=0");
    check(strstr(hob_test_log_text(), "a request failed") == NULL);
    hob_test_log_clear();
}
