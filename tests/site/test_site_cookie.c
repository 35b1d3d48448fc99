/* SPDX-License-Identifier: MIT */
/* Cookies: what comes, and what goes. */
#include <hob/cookie.h>

#include "http/site.h"

/* ---- what goes ---- */

TEST_BARE(cookie, what_is_set_is_safe_unless_said_otherwise)
{
    static const struct { hob_cookie cookie; const char *header; } COOKIES[] = {
        { { .name = "a", .value = "b" }, "a=b; Path=/; Secure; HttpOnly; SameSite=Lax" },
        { { .name = "a" }, "a=; Path=/; Secure; HttpOnly; SameSite=Lax" },
        { { .name = "__Host-a", .value = "b" }, "__Host-a=b; Path=/; Secure; HttpOnly; SameSite=Lax" },
        { { .name = "a", .value = "b", .max_age_s = 60 }, "a=b; Path=/; Max-Age=60; Secure; HttpOnly; SameSite=Lax" },
        { { .name = "a", .value = "b", .path = "/x y", .domain = "example.com" },
          "a=b; Path=/x y; Domain=example.com; Secure; HttpOnly; SameSite=Lax" },
        { { .name = "a", .value = "b", .expires_s = 784111777 },
          "a=b; Path=/; Expires=Sun, 06 Nov 1994 08:49:37 GMT; Secure; HttpOnly; SameSite=Lax" },
        { { .name = "a", .value = "b", .expires_s = INT64_MAX, .script = 1, .insecure = 1, .same_site = HOB_SAME_SITE_STRICT },
          "a=b; Path=/; Expires=Fri, 31 Dec 9999 23:59:59 GMT; SameSite=Strict" },
        { { .name = "a", .value = "b", .same_site = HOB_SAME_SITE_NONE, .partitioned = 1 },
          "a=b; Path=/; Secure; HttpOnly; SameSite=None; Partitioned" },
        { { .name = "!#$%&'*+-.^_`|~", .value = "!#$%&'()*+-./:<=>?@[]^_`{|}~" },
          "!#$%&'*+-.^_`|~=!#$%&'()*+-./:<=>?@[]^_`{|}~; Path=/; Secure; HttpOnly; SameSite=Lax" },
    };
    char header[512];
    for (size_t i = 0; i < sizeof COOKIES / sizeof COOKIES[0]; i++) {
        check_eq(hob_cookie_print(&COOKIES[i].cookie, header, sizeof header), strlen(COOKIES[i].header));
        check_str(header, COOKIES[i].header);
    }
    check_eq(hob_cookie_print(&COOKIES[0].cookie, header, strlen(COOKIES[0].header) + 1), strlen(COOKIES[0].header));
    check_err(hob_cookie_print(&COOKIES[0].cookie, header, strlen(COOKIES[0].header)), -EMSGSIZE);
}

TEST_BARE(cookie, what_browsers_would_not_take_is_refused)
{
    static const hob_cookie BAD[] = {
        { .name = "" }, { .name = "a b" }, { .name = "a=b" }, { .name = "a;b" }, { .name = "a\r\n" }, { .name = "\xc3\xa4" },
        { .name = "a", .value = "a b" }, { .name = "a", .value = "a;b" }, { .name = "a", .value = "a,b" }, { .name = "a", .value = "\"a\"" },
        { .name = "a", .value = "a\\b" }, { .name = "a", .value = "a\nb" }, { .name = "a", .value = "\x7f" }, { .name = "a", .value = "\xc3\xa4" },
        { .name = "a", .path = "x" }, { .name = "a", .path = "" }, { .name = "a", .path = "/;Domain=b" }, { .name = "a", .path = "/\n" },
        { .name = "a", .domain = "" }, { .name = "a", .domain = "a;b" }, { .name = "a", .domain = "a\r\nX: y" }, { .name = "a", .max_age_s = -1 },
        { .name = "__Host-a", .domain = "example.com" }, { .name = "__Host-a", .path = "/a" }, { .name = "__Host-a", .insecure = 1 },
        { .name = "__host-a", .insecure = 1 }, { .name = "__HOST-a", .path = "/a" }, { .name = "__Secure-a", .insecure = 1 },
        { .name = "__SECURE-a", .insecure = 1 }, { .name = "a", .insecure = 1, .same_site = HOB_SAME_SITE_NONE },
        { .name = "a", .insecure = 1, .partitioned = 1 },
    };
    char header[512];
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        if (hob_cookie_print(&BAD[i], header, sizeof header) != -EINVAL)
            fail("%zu: %s", i, BAD[i].name);
    }
    static char large[5000], room[8000];
    memset(large, 'a', 4095);
    check_ok(hob_cookie_print(&(hob_cookie){ .name = "n", .value = large }, room, sizeof room));
    large[4095] = 'a';
    check_err(hob_cookie_print(&(hob_cookie){ .name = "n", .value = large }, room, sizeof room), -EMSGSIZE);
    large[0] = '/';
    check_err(hob_cookie_print(&(hob_cookie){ .name = "n", .path = large }, room, sizeof room), -EMSGSIZE);
    check_err(hob_cookie_print(&(hob_cookie){ .name = "n", .domain = large }, room, sizeof room), -EMSGSIZE);
}

/* ---- what comes ---- */

/* Answers with "name=value|" for each, and what was found of "a". */
static int tell(hob_http_request *req, void *arg)
{
    char            line[300], value[8];
    hob_cookie_view view;

    HOB_TRY(hob_http_begin(req, 200, NULL, -1));
    for (size_t i = 0; hob_cookie_at(req, i, &view) == 1; i++) {
        int len = snprintf(line, sizeof line, "%.*s=%.*s|", (int)view.name_len, view.name, (int)view.value_len, view.value);
        HOB_TRY(hob_http_write(req, line, (size_t)len));
    }
    ssize_t n = hob_cookie_get(req, "a", value, sizeof value);
    if (n >= 0)
        check_eq(n, strlen(value));
    int len = snprintf(line, sizeof line, "a: %s", n >= 0 ? value : hob_error_name((int)n));
    HOB_TRY(hob_http_write(req, line, (size_t)len));
    return 0;
}

TEST(cookie, what_a_request_has_is_found)
{
    static const struct { const char *headers, *told; } HEADERS[] = {
        { "", "a: ENOENT" },
        { "Cookie:\r\n", "a: ENOENT" },
        { "Cookie: a=b\r\n", "a=b|a: b" },
        { "Cookie: a=b; c=d\r\n", "a=b|c=d|a: b" },
        { "cookie: c=d;a=b\r\n", "c=d|a=b|a: b" },
        { "Cookie: a=1; a=2\r\n", "a=1|a=2|a: 1" },
        { "Cookie: b=1\r\nCookie: a=2; c=3\r\n", "b=1|a=2|c=3|a: 2" },
        { "Cookie: a=b=c\r\n", "a=b=c|a: b=c" },
        { "Cookie: a=\r\n", "a=|a: " },
        { "Cookie: A=1\r\n", "A=1|a: ENOENT" },
        { "Cookie: aa=1; b=a\r\n", "aa=1|b=a|a: ENOENT" },
        { "Cookie:   a  =  b  ;  c=d\r\n", "a=b|c=d|a: b" },
        { "Cookie: a=\"b\"\r\n", "a=b|a: b" },
        { "Cookie: a=\"\r\n", "a=\"|a: \"" },
        { "Cookie: a=\"\"\r\n", "a=|a: " },
        { "Cookie: nothing; =x; ;;; a=b;\r\n", "a=b|a: b" },
        { "Cookie: a=1234567\r\n", "a=1234567|a: 1234567" },
        { "Cookie: a=12345678\r\n", "a=12345678|a: EMSGSIZE" },
        { "Cookie: a=\xc3\xa4\r\n", "a=\xc3\xa4|a: \xc3\xa4" },
    };
    struct site site = { .handler = tell };
    char        got[1024], text[1024];
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    for (size_t i = 0; i < sizeof HEADERS / sizeof HEADERS[0]; i++) {
        snprintf(text, sizeof text, "GET / HTTP/1.0\r\n%s\r\n", HEADERS[i].headers);
        check_ok(ask(&site, text, got, sizeof got));
        check_eq(status_in(got), 200);
        check_str(strstr(got, "\r\n\r\n") + 4, HEADERS[i].told);
    }
}

static int set_some(hob_http_request *req, void *arg)
{
    hob_cookie a = { .name = "__Host-a", .value = "1" }, b = { .name = "b", .value = "2", .path = "/b", .domain = "c.example" };
    HOB_TRY(hob_cookie_set(req, &a));
    HOB_TRY(hob_cookie_delete(req, &b));
    check_err(hob_cookie_set(req, &(hob_cookie){ .name = "a", .value = "\r\nX: y" }), -EINVAL);
    return hob_http_reply_text(req, 200, NULL);
}

TEST_ON_ALL(cookie, an_answer_sets_and_takes_away)
{
    struct site site = { .handler = set_some };
    char        got[1024];
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    check_ok(ask(&site, GET("/"), got, sizeof got));
    check_has(got, "Set-Cookie: __Host-a=1; Path=/; Secure; HttpOnly; SameSite=Lax\r\n");
    check_has(got, "Set-Cookie: b=; Path=/b; Domain=c.example; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Secure; "
                   "HttpOnly; SameSite=Lax\r\n");
}
