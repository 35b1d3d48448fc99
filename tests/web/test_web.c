/* SPDX-License-Identifier: MIT */
/* A service: routes, groups, middleware, what has no route, failures, memory of a request. */
#include "web/shop.h"

/* ---- handlers ---- */

/* Says its argument, and the parameters that it has. */
static int tell(hob_http_request *req, void *arg)
{
    const char *id = hob_web_param(req, "id"), *rest = hob_web_param(req, "rest");
    char *text = hob_web_printf(req, "%s id=%s rest=%s pattern=%s\n", (const char *)arg,
                                id != NULL ? id : "-", rest != NULL ? rest : "-", hob_web_pattern(req));
    return text != NULL ? hob_http_reply_text(req, 200, text) : -ENOMEM;
}

TEST(web, a_route_is_answered_with_its_parameters_decoded)
{
    WEB(web);
    GOT(got);

    hob_web_handle(web, "GET /", tell, "root");
    hob_web_handle(web, "GET /items/{id}", tell, "item");
    hob_web_handle(web, "GET /items/new", tell, "new");
    hob_web_handle(web, "GET /items/{id}/photos/{rest...}", tell, "photos");
    hob_web_handle(web, "/any", tell, "any");
    check_ok(hob_web_check(web));

    check_ok(get(web, "/?x=1", &got));
    check_eq(got.status, 200);
    check_str(got.body, "root id=- rest=- pattern=/\n");
    check_ok(get(web, "/items/a%2Fb%20c", &got));
    check_str(got.body, "item id=a/b c rest=- pattern=/items/{id}\n");
    check_ok(get(web, "/items/new", &got));
    check_str(got.body, "new id=- rest=- pattern=/items/new\n");
    check_ok(get(web, "/items/7/photos/", &got));
    check_str(got.body, "photos id=7 rest= pattern=/items/{id}/photos/{rest...}\n");
    check_ok(get(web, "/items/7/photos/a/b%20c/", &got));
    check_str(got.body, "photos id=7 rest=a/b c/ pattern=/items/{id}/photos/{rest...}\n");
    check_ok(ask_with(web, "BREW", "/any", NULL, &got));
    check_eq(got.status, 200);
}

TEST(web, what_has_no_route_is_404_and_a_method_without_one_405_with_those_there_are)
{
    WEB(web);
    GOT(got);

    hob_web_handle(web, "GET /items/{id}", tell, "item");
    hob_web_handle(web, "DELETE /items/{id}", tell, "gone");
    check_ok(get(web, "/items", &got));
    check_eq(got.status, 404);
    check_str(header(&got, "Content-Type"), "application/problem+json");
    check_str(got.body, "{\"type\":\"about:blank\",\"title\":\"Not Found\",\"status\":404}");
    check_ok(get(web, "/items/", &got));
    check_eq(got.status, 404);
    check_ok(ask_with(web, "POST", "/items/7", NULL, &got));
    check_eq(got.status, 405);
    check_str(header(&got, "Allow"), "GET, DELETE, HEAD, OPTIONS");
    check_ok(ask_with(web, "OPTIONS", "/items/7", NULL, &got));
    check_eq(got.status, 204);
    check_str(header(&got, "Allow"), "GET, DELETE, HEAD, OPTIONS");
    check_ok(ask_with(web, "OPTIONS", "*", NULL, &got));
    check_eq(got.status, 204);
    check_ok(ask_with(web, "HEAD", "/items/7", NULL, &got));
    check_eq(got.status, 200);
    check_eq(got.body_len, 0);
    check_str(header(&got, "Content-Length"), "37");

    // A page for people.
    check_ok(ask_with(web, "GET", "/items", "Accept: text/html,*/*\r\n", &got));
    check_str(header(&got, "Content-Type"), "text/html; charset=utf-8");
    check_has(got.body, "<h1>404 Not Found</h1>");
}

TEST(web, a_path_that_could_mislead_is_400_and_reaches_no_handler)
{
    static const char *const BAD[] = { "/%00", "/f/..", "/f/%2e%2e/x", "/f/%ff", "/f/%zz", "/f/a%2Fb", "/f//etc",
                                       "/f/a//b", "/f/%0d%0aX:y" };
    WEB(web);
    GOT(got);

    hob_web_handle(web, "/f/{rest...}", tell, "f");
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        check_ok(get(web, BAD[i], &got));
        if (got.status != 400)
            fail("%s: %d", BAD[i], got.status);
    }
    char target[7000] = "/f";
    for (int i = 0; i < 1000; i++)
        strcat(target, "/xx");
    check_ok(get(web, target, &got));
    check_eq(got.status, 404);
    memset(target + 3, 'x', 5000);
    target[5003] = '\0';
    check_ok(get(web, target, &got));
    check_eq(got.status, 200);
}

/* ---- groups and middleware ---- */

/* Notes itself before and after, in a header; it is its argument. */
static int mark(hob_http_request *req, void *arg)
{
    HOB_TRY(hob_http_add_header(req, "X-Way", arg));
    return hob_web_next(req);
}

static int turn_away(hob_http_request *req, void *arg)
{
    return hob_web_error(req, 403, "not today");
}

static int count_after(hob_http_request *req, void *arg)
{
    int *statuses = arg;
    int  r = hob_web_next(req);
    statuses[0] += 1;
    statuses[1] = hob_http_status(req);
    return r;
}

static int ways(const hob_web_got *got, char *to)
{
    int at = 0;
    to[0] = '\0';
    for (const char *line = got->head; (line = strstr(line, "X-Way: ")) != NULL; line++)
        at += sprintf(to + at, "%.*s", (int)strcspn(line + 7, "\r"), line + 7);
    return 0;
}

TEST(web, middleware_goes_from_the_outside_to_the_inside_whenever_it_was_added)
{
    int  statuses[2] = { 0 };
    char way[100];
    WEB(web);
    GOT(got);

    hob_web *api = hob_web_group(web, "/api");
    hob_web *v1 = hob_web_group(api, "/v1"), *closed = hob_web_group(api, "/closed");
    hob_web_handle(web, "GET /out", tell, "out");
    hob_web_handle(v1, "GET /in", tell, "in");
    hob_web_handle(v1, "GET", tell, "itself");
    hob_web_handle(closed, "GET /door", tell, "door");
    hob_web_use(v1, mark, "3");
    hob_web_use(api, mark, "2");
    hob_web_use(web, count_after, statuses);
    hob_web_use(web, mark, "1");
    hob_web_use(closed, turn_away, NULL);
    check_ok(hob_web_check(web));

    check_ok(get(web, "/api/v1/in", &got));
    check_str(got.body, "in id=- rest=- pattern=/api/v1/in\n");
    check_ok(ways(&got, way));
    check_str(way, "123");
    check_ok(get(web, "/api/v1", &got));
    check_str(got.body, "itself id=- rest=- pattern=/api/v1\n");
    check_ok(get(web, "/out", &got));
    check_ok(ways(&got, way));
    check_str(way, "1");
    check_ok(get(web, "/api/nowhere", &got));
    check_eq(got.status, 404);
    check_ok(ways(&got, way));
    check_str(way, "12");
    check_eq(statuses[1], 404);
    check_ok(get(web, "/api/closed/door", &got));
    check_eq(got.status, 403);
    check_has(got.body, "\"detail\":\"not today\"");
    check_ok(get(web, "/api/closed/nowhere", &got)); // who may not come in does not learn what there is
    check_eq(got.status, 403);
    check_ok(ask_with(web, "POST", "/api/v1/in", NULL, &got));
    check_eq(got.status, 405);
    check_ok(ways(&got, way));
    check_str(way, "123");
    check_eq(statuses[0], 7);
}

static int goes_on(hob_http_request *req, void *arg)
{
    return hob_web_next(req);
}

TEST_DIES(web, a_handler_has_nobody_behind_it, "*hob_web_next: a handler has nobody behind it*")
{
    WEB(web);
    GOT(got);
    hob_web_handle(web, "GET /", goes_on, NULL);
    ignore(get(web, "/", &got));
}

static int adds_late(hob_http_request *req, void *arg)
{
    hob_web_handle(arg, "GET /late", tell, NULL);
    return 0;
}

TEST_DIES(web, a_service_does_not_change_while_it_serves, "*hob_web_handle: the service answers requests already*")
{
    WEB(web);
    GOT(got);
    hob_web_handle(web, "GET /", adds_late, web);
    ignore(get(web, "/", &got));
}

/* ---- failures ---- */

static int fails(hob_http_request *req, void *arg)
{
    const char *how = hob_web_param(req, "how");

    if (strcmp(how, "io") == 0)
        return -EIO;
    if (strcmp(how, "nothing") == 0)
        return 0;
    if (strcmp(how, "begun") == 0) { // and all of it is taken back
        HOB_TRY(hob_http_add_header(req, "X-Secret", "1"));
        HOB_TRY(hob_http_begin(req, 200, "text/plain", -1));
        HOB_TRY(hob_http_write(req, "secret", 6));
        return -EIO;
    }
    if (strcmp(how, "sent") == 0) {
        HOB_TRY(hob_http_begin(req, 200, "text/plain", -1));
        HOB_TRY(hob_http_write(req, "part", 4));
        HOB_TRY(hob_http_flush(req));
        return -EIO;
    }
    if (strcmp(how, "late") == 0)
        return -ETIMEDOUT;
    char   *body;
    size_t  len;
    HOB_TRY(hob_http_read_all(req, 3, &body, &len));
    free(body);
    return hob_http_reply_text(req, 200, "read\n");
}

TEST(web, a_failure_is_an_answer_without_a_word_about_the_inside)
{
    int statuses[2] = { 0 };
    WEB(web);
    GOT(got);

    hob_web_handle(web, "/fail/{how}", fails, NULL);
    hob_web_use(web, count_after, statuses);
    static const char *const FAIL[] = { "/fail/io", "/fail/nothing", "/fail/begun" };
    for (int i = 0; i < 3; i++) {
        check_ok(get(web, FAIL[i], &got));
        check_eq(got.status, 500);
        check_str(got.body, "{\"type\":\"about:blank\",\"title\":\"Internal Server Error\",\"status\":500}");
        check_str(header(&got, "X-Secret"), "");
        check_eq(statuses[1], 500); // middleware sees it
    }
    check_has(hob_test_log_text(), "ERROR a request failed error=EIO method=GET pattern=/fail/{how}");
    check_ok(get(web, "/fail/late", &got));
    check_eq(got.status, 503);
    check_str(header(&got, "Retry-After"), "1");
    check_ok(send_json(web, "POST", "/fail/read", "toolong", &got));
    check_eq(got.status, 413);
    check_err(get(web, "/fail/sent", &got), HOB_EOF);
}

static int child(void *arg)
{
    return hob_sleep(1 * HOB_SEC) < 0 ? -ECANCELED : -EIO;
}

static int starts_children(hob_http_request *req, void *arg)
{
    check(hob_web_scope(req) != NULL);
    hob_go(hob_web_scope(req), child, NULL);
    return hob_http_reply_text(req, 200, "soon\n");
}

TEST(web, a_failure_of_what_a_handler_started_is_its_own)
{
    WEB(web);
    GOT(got);
    hob_web_handle(web, "GET /", starts_children, NULL);
    check_ok(get(web, "/", &got));
    check_eq(got.status, 500); // nothing of the 200 had been sent
    hob_test_report_clear();
}

/* ---- memory ---- */

static int takes(hob_http_request *req, void *arg)
{
    size_t size = (size_t)atoi(hob_web_param(req, "id"));
    char  *some[3];

    for (int i = 0; i < 3; i++) {
        some[i] = hob_web_alloc(req, size);
        if (some[i] == NULL)
            return -ENOMEM;
        check_eq((uintptr_t)some[i] % 16, 0);
        memset(some[i], 'a' + i, size);
    }
    for (int i = 0; i < 3; i++) {
        size_t j = 0;
        while (j < size && some[i][j] == 'a' + i)
            j++;
        check_eq(j, size);
    }
    return hob_http_reply_text(req, 200, "ok\n");
}

TEST(web, memory_of_a_request_is_its_own_and_bounded)
{
    static const char *const SIZES[] = { "/0", "/1", "/100", "/1000", "/1025", "/3000", "/4096", "/5000", "/1000000" };
    WEB(web);
    GOT(got);
    hob_web_handle(web, "GET /{id}", takes, NULL);
    for (size_t i = 0; i < sizeof SIZES / sizeof SIZES[0]; i++) {
        check_ok(get(web, SIZES[i], &got));
        check_eq(got.status, 200);
    }
    check_ok(get(web, "/2000000", &got));
    check_eq(got.status, 500);
    hob_test_log_clear();
}

/* Each allocation fails in turn: what is said is -ENOMEM, or an answer; nothing is left over. */
TEST_ONCE(web, without_memory_nothing_breaks)
{
    for (long at = 1; at < 200; at++) {
        hob_web *web;
        GOT(got);
        hob__web_fail_at = at;
        int r = hob_web_new(NULL, &web);
        if (r == 0) {
            hob_web *group = hob_web_group(web, "/a");
            hob_web_use(web, mark, "1");
            hob_web_use(group, mark, "2");
            hob_web_handle(group, "GET /{id}", takes, NULL);
            hob_web_add_health(web);
            hob_web_ready_when(web, "x", NULL, NULL);
            r = hob_web_check(web);
            if (r == 0)
                r = get(web, "/a/3000", &got);
            hob_web_free(web);
        }
        bool was_enough = hob__web_fail_at > 0;
        hob__web_fail_at = 0;
        if (was_enough) {
            check_ok(r);
            check_eq(got.status, 200);
            check_gt(at, 20);
            return;
        }
        if (r == 0)
            check(got.status == 200 || got.status == 500);
        else
            check_err(r, -ENOMEM);
    }
    fail("there is no end of allocations");
}

/* ---- health ---- */

static int is_well(void *arg)
{
    return *(int *)arg;
}

static int is_slow(void *arg)
{
    return hob_sleep(10 * HOB_SEC);
}

TEST(web, health_and_readiness_tell_how_it_is)
{
    int well = 0;
    WEB(web);
    WEB(slow);
    GOT(got);

    hob_web_add_health(web);
    hob_web_ready_when(web, "database", is_well, &well);
    hob_web_ready_when(web, "cache", is_well, &(int){ 0 });
    check_ok(get(web, "/healthz", &got));
    check_eq(got.status, 200);
    check_ok(get(web, "/readyz", &got));
    check_eq(got.status, 200);
    well = -ECONNREFUSED;
    check_ok(get(web, "/readyz", &got));
    check_eq(got.status, 503);
    check_str(got.body, "not ready: database\n");
    check_has(hob_test_log_text(), "not ready what=database error=ECONNREFUSED");
    check_ok(get(web, "/healthz", &got));
    check_eq(got.status, 200);

    hob_web_add_health(slow);
    hob_web_ready_when(slow, "peer", is_slow, NULL);
    int64_t begun_ns = hob_now();
    check_ok(get(slow, "/readyz", &got));
    check_eq(got.status, 503);
    check_le(hob_now() - begun_ns, 3 * HOB_SEC);
}

TEST(web, metrics_are_counted_by_route)
{
    WEB(web);
    GOT(got);

    hob_web_handle(web, "GET /items/{id}", tell, "item");
    hob_web_handle(web, "GET /fail/{how}", fails, NULL);
    hob_web_add_metrics(web);
    for (int i = 0; i < 3; i++)
        check_ok(get(web, i == 2 ? "/nowhere" : "/items/7", &got));
    check_ok(get(web, "/fail/io", &got));
    hob_test_log_clear();
    check_ok(get(web, "/metrics", &got));
    check_eq(got.status, 200);
    check_str(header(&got, "Content-Type"), "text/plain; version=0.0.4; charset=utf-8");
    check_has(got.body, "hob_web_requests_total{method=\"GET\",route=\"/items/{id}\",status=\"2xx\"} 2\n");
    check_has(got.body, "hob_web_requests_total{method=\"GET\",route=\"/fail/{how}\",status=\"5xx\"} 1\n");
    check_has(got.body, "hob_web_requests_total{method=\"\",route=\"\",status=\"4xx\"} 1\n");
    check_has(got.body, "hob_web_request_seconds_bucket{method=\"GET\",route=\"/items/{id}\",le=\"+Inf\"} 2\n");
    check_has(got.body, "hob_web_request_seconds_count{method=\"GET\",route=\"/items/{id}\"} 2\n");
    check_has(got.body, "hob_web_requests_running 1\n");
}
