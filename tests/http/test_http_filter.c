/* SPDX-License-Identifier: MIT */
/* What stands between a handler and its answer: notes, filters, taking back, who the client is. */
#include "http/site.h"

/* A filter that makes capitals, holds the head back until the first bytes, and adds a last word. */
struct shout {
    hob_http_filter filter;
    bool            holds;
    int             status;
    int             taken_back;
};

static int shout_begin(hob_http_filter *filter, hob_http_request *req, int status, const char *type,
                       int64_t length)
{
    struct shout *shout = (struct shout *)filter;
    shout->holds = true;
    shout->status = status;
    return 0;
}

static int go_on(struct shout *shout, hob_http_request *req)
{
    if (!shout->holds)
        return 0;
    shout->holds = false;
    HOB_TRY(hob_http_add_header(req, "X-Loud", "yes"));
    return hob_http_begin(req, shout->status, "text/loud", -1);
}

static ssize_t shout_write(hob_http_filter *filter, hob_http_request *req, const void *data, size_t len)
{
    char buf[200];
    HOB_TRY(go_on((struct shout *)filter, req));
    for (size_t i = 0; i < len && i < sizeof buf; i++) {
        char c = ((const char *)data)[i];
        buf[i] = c >= 'a' && c <= 'z' ? (char)(c - 32) : c;
    }
    return hob_http_write(req, buf, len);
}

static int shout_flush(hob_http_filter *filter, hob_http_request *req)
{
    HOB_TRY(go_on((struct shout *)filter, req));
    return hob_http_flush(req);
}

static int shout_end(hob_http_filter *filter, hob_http_request *req)
{
    HOB_TRY(go_on((struct shout *)filter, req));
    return hob_http_write(req, "!", 1) < 0 ? -EIO : 0;
}

static void shout_take_back(hob_http_filter *filter)
{
    ((struct shout *)filter)->holds = false;
    ((struct shout *)filter)->taken_back++;
}

static const char key;

static int inner(hob_http_request *req)
{
    const char *path = hob_http_path(req);

    check_str(hob_http_attached(req, &key), "noted");
    check_eq(hob_http_attached(req, path), NULL);
    check_eq(hob_http_status(req), 0);
    if (strcmp(path, "/pieces") == 0) {
        check_eq(hob_http_write(req, "he", 2), 2);
        check_eq(hob_http_status(req), 200);
        check_err(hob_http_add_header(req, "X-Late", "1"), -EALREADY);
        check_err(hob_http_begin(req, 200, NULL, -1), -EALREADY);
        HOB_TRY(hob_http_flush(req));
        check_eq(hob_http_write(req, "llo", 3), 3);
        return 0;
    }
    if (strcmp(path, "/back") == 0) {
        HOB_TRY(hob_http_add_header(req, "X-Gone", "1"));
        HOB_TRY(hob_http_begin(req, 200, NULL, 5));
        check_ok(hob_http_take_back(req));
        check_eq(hob_http_status(req), 0);
        return hob_http_reply_text(req, 404, "other");
    }
    if (strcmp(path, "/sent") == 0) {
        HOB_TRY(hob_http_write(req, "he", 2));
        HOB_TRY(hob_http_flush(req));
        check_err(hob_http_take_back(req), -EALREADY);
        return 0;
    }
    if (strcmp(path, "/fails") == 0) {
        HOB_TRY(hob_http_begin(req, 200, NULL, 5));
        return -EIO;
    }
    int r = hob_http_reply_text(req, 200, "hello");
    check_err(hob_http_reply_text(req, 200, "hello"), -EALREADY);
    check_err(hob_http_write(req, "x", 1), -EALREADY);
    return r;
}

static int outer(hob_http_request *req, void *arg)
{
    struct shout  shout = { .filter = { shout_begin, shout_write, shout_flush, shout_end, shout_take_back, NULL } };
    hob_http_note note = { .key = &key, .value = "noted" };
    hob_addr      peer = hob_http_peer_addr(req);
    char          buf[4];

    check_ne(hob_addr_port(&peer), 0);
    hob_http_attach(req, &note);
    hob_http_filter_push(req, &shout.filter);
    int r = hob_http_filter_pop(req, &shout.filter, inner(req));
    check_eq(shout.taken_back, strcmp(hob_http_path(req), "/back") == 0);
    if (r == 0 && strcmp(hob_http_path(req), "/x") == 0) {
        check_eq(hob_http_answer_header(req, "x-loud", buf, sizeof buf), 3);
        check_str(buf, "yes");
        check_err(hob_http_answer_header(req, "X-Loud", buf, 3), -ENOSPC);
        check_err(hob_http_answer_header(req, "X-Lo", buf, 3), -ENOENT);
    }
    return r;
}

TEST_ON_ALL(http_filter, an_answer_goes_through_it)
{
    struct site site = { .handler = outer };
    char        got[4096];
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    check_ok(ask(&site, GET("/x"), got, sizeof got));
    check_has(got, "HTTP/1.1 200 OK\r\n");
    check_has(got, "Content-Type: text/loud\r\nX-Loud: yes\r\nTransfer-Encoding: chunked\r\n");
    check_has(got, "\r\n\r\n5\r\nHELLO\r\n1\r\n!\r\n0\r\n\r\n");
    check_ok(ask(&site, GET("/pieces"), got, sizeof got));
    check_has(got, "\r\n\r\n2\r\nHE\r\n3\r\nLLO\r\n1\r\n!\r\n0\r\n\r\n");
    check_ok(ask(&site, GET("/back") GET("/x"), got, sizeof got));
    check_has(got, "HTTP/1.1 404 Not Found\r\n");
    check_has(got, "5\r\nOTHER\r\n1\r\n!\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n");
    check(strstr(got, "X-Gone") == NULL);
    check_ok(ask(&site, GET("/sent"), got, sizeof got));
    check_has(got, "2\r\nHE\r\n1\r\n!\r\n0\r\n\r\n");
    check_ok(ask(&site, GET("/fails") GET("/x"), got, sizeof got));
    check_has(got, "HTTP/1.1 500 Internal Server Error\r\n");
    check_eq(times_in(got, "HTTP/1.1"), 2);
    check_ok(ask(&site, "HEAD /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", got, sizeof got));
    const char *end = strstr(got, "\r\n\r\n");
    check(end != NULL);
    check_eq(end[4], '\0');
}

/* ---- who is told that it begins ---- */

struct told {
    hob_http_begun begun;
    int            times, status;
};

static void note_begun(hob_http_begun *begun, hob_http_request *req, int status)
{
    struct told *told = (struct told *)begun;
    told->times++;
    told->status = hob_http_status(req) == status ? status : -1;
}

/* With and without a filter, whose own answer is not the handler's. */
static int told_of_it(hob_http_request *req, void *arg)
{
    struct shout shout = { .filter = { shout_begin, shout_write, shout_flush, shout_end, shout_take_back, NULL } };
    struct told  outer_one = { .begun = { .fn = note_begun } }, inner_one = outer_one;
    bool         is_filtered = strcmp(hob_http_path(req), "/x") == 0;

    hob_http_begun_push(req, &outer_one.begun);
    hob_http_begun_push(req, &inner_one.begun);
    if (is_filtered)
        hob_http_filter_push(req, &shout.filter);
    check_eq(inner_one.times, 0);
    int r = hob_http_reply_text(req, 418, "tea\n");
    check_eq(inner_one.times, 1);
    check_err(hob_http_begin(req, 200, NULL, 0), -EALREADY);
    if (is_filtered)
        r = hob_http_filter_pop(req, &shout.filter, r);
    hob_http_begun_pop(req, &inner_one.begun);
    hob_http_begun_pop(req, &outer_one.begun);
    check_eq(inner_one.times, 1);
    check_eq(outer_one.times, 1);
    check_eq(outer_one.status, 418);
    return r;
}

TEST(http_filter, who_wants_to_know_is_told_once_that_an_answer_begins)
{
    struct site site = { .handler = told_of_it };
    char        got[4096];
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    check_ok(ask(&site, GET("/x"), got, sizeof got));
    check_has(got, "TEA");
    check_ok(ask(&site, GET("/plain"), got, sizeof got));
    check_has(got, "HTTP/1.1 418 ");
    check_eq(site.stats.failed, 0);
}

static int leaves_its_filter(hob_http_request *req, void *arg)
{
    static hob_http_filter filter;
    hob_http_filter_push(req, &filter);
    return hob_http_reply_text(req, 200, "hello");
}

TEST_DIES(http_filter, left_there_is_a_mistake, "*hob_http_filter_push: the handler returned, and its filter is still there*")
{
    struct site site = { .handler = leaves_its_filter };
    char        got[4096];
    HOB_SCOPE(s);
    check_ok(open_site(&s, &site));
    ignore(ask(&site, GET("/"), got, sizeof got));
}

static int leaves_a_told(hob_http_request *req, void *arg)
{
    static struct told told = { .begun = { .fn = note_begun } };
    hob_http_begun_push(req, &told.begun);
    return -EIO;
}

TEST_DIES(http_filter, what_is_told_and_left_there_is_a_mistake, "*hob_http_begun_push: the handler returned*")
{
    struct site site = { .handler = leaves_a_told };
    char        got[4096];
    HOB_SCOPE(s);
    check_ok(open_site(&s, &site));
    ignore(ask(&site, GET("/"), got, sizeof got));
}

/* ---- Vary ---- */

static int varies(hob_http_request *req, void *arg)
{
    HOB_TRY(hob_http_add_header(req, "Vary", "Cookie, accept-language"));
    HOB_TRY(hob_http_vary(req, "Origin"));
    HOB_TRY(hob_http_vary(req, "Accept-Language"));
    HOB_TRY(hob_http_vary(req, "Accept"));
    HOB_TRY(hob_http_vary(req, "origin"));
    check_err(hob_http_vary(req, "no name"), -EINVAL);
    HOB_TRY(hob_http_reply_text(req, 200, "x"));
    check_err(hob_http_vary(req, "Late"), -EALREADY);
    return 0;
}

static int varies_by_all(hob_http_request *req, void *arg)
{
    HOB_TRY(hob_http_add_header(req, "Vary", "*"));
    HOB_TRY(hob_http_vary(req, "Origin"));
    return hob_http_reply_text(req, 200, "x");
}

TEST(http_filter, what_an_answer_depends_on_is_said_once)
{
    struct site site = { .handler = varies }, other = { .handler = varies_by_all };
    char        got[4096];
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    check_ok(open_site(&s, &other));
    check_ok(ask(&site, GET("/"), got, sizeof got));
    check_has(got, "\r\nVary: Cookie, accept-language\r\nVary: Origin\r\nVary: Accept\r\n");
    check_ok(ask(&other, GET("/"), got, sizeof got));
    check_eq(times_in(got, "Vary"), 1);
}

/* ---- elsewhere ---- */

static int leads_elsewhere(hob_http_request *req, void *arg)
{
    check_err(hob_http_redirect(req, 303, "/a\r\nSet-Cookie: x=y"), -EINVAL);
    check_err(hob_http_redirect(req, 303, ""), -EINVAL);
    return hob_http_redirect(req, 303, "/there?x=1");
}

TEST(http_filter, a_redirect_has_its_place_and_nothing_else)
{
    struct site site = { .handler = leads_elsewhere };
    char        got[4096];
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    check_ok(ask(&site, GET("/"), got, sizeof got));
    check_has(got, "HTTP/1.1 303 See Other\r\n");
    check_has(got, "\r\nLocation: /there?x=1\r\n");
    check(strstr(got, "Set-Cookie") == NULL);
}

static int leads_with(hob_http_request *req, void *arg)
{
    return hob_http_redirect(req, atoi(hob_http_path(req) + 1), "/there");
}

TEST(http_filter, six_statuses_lead_elsewhere)
{
    static const char *const ASKED[] = { GET("/300"), GET("/301"), GET("/302"), GET("/303"), GET("/307"), GET("/308") };
    struct site site = { .handler = leads_with };
    char        got[4096];
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    for (size_t i = 0; i < sizeof ASKED / sizeof ASKED[0]; i++) {
        check_ok(ask(&site, ASKED[i], got, sizeof got));
        check_has(got, "\r\nLocation: /there\r\n");
    }
}

static int lead_with(const char *request)
{
    struct site site = { .handler = leads_with };
    char        got[4096];
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    return (int)ask(&site, request, got, sizeof got);
}

#define LEADS_NOWHERE "*hob_http_redirect: this status does not lead elsewhere*"

TEST_DIES(http_filter, a_304_leads_nowhere, LEADS_NOWHERE)
{
    ignore(lead_with(GET("/304")));
}

TEST_DIES(http_filter, a_305_leads_nowhere, LEADS_NOWHERE)
{
    ignore(lead_with(GET("/305")));
}

TEST_DIES(http_filter, a_309_leads_nowhere, LEADS_NOWHERE)
{
    ignore(lead_with(GET("/309")));
}
