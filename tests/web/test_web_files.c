/* SPDX-License-Identifier: MIT */
/* A folder of files in a service: what a user would write first. */
#include <hob/static.h>

#include "support/workers.h"
#include "web/shop.h"

#define STYLE "body { color: green; background: white } /* and so on, and so on, and so on */"

static int make_folder(void)
{
    char long_text[3000];

    check_ok(hob_path_mkdirs(scratch_path("public/css"), 0700)); // a run of its own has a disk of its own in sim
    check_ok(put_text(scratch_path("public/index.html"), "<!doctype html>the index"));
    check_ok(put_text(scratch_path("public/css/style.css"), STYLE));
    memset(long_text, 'a', sizeof long_text);
    long_text[sizeof long_text - 1] = '\0';
    check_ok(put_text(scratch_path("public/long.txt"), long_text));
    check_ok(put_text(scratch_path("public/long.txt.gz"), "as if compressed"));
    check_ok(put_text(scratch_path("public/only.txt"), long_text));
    return 0;
}

static inline void close_files(hob_static **files)
{
    hob_static_close(*files);
}

#define FILES(name) __attribute__((cleanup(close_files), unused)) hob_static *name = NULL

static int open_files(const char *prefix, hob_static **ret_files)
{
    HOB_TRY(make_folder());
    return hob_static_open(scratch_path("public"), &(hob_static_opts){ .prefix = prefix, .precompressed = 1 }, ret_files);
}

TEST(web_files, a_folder_below_a_pattern_answers_what_it_should)
{
    static const struct { const char *method, *target; int status; } ASKED[] = {
        { "GET", "/assets/css/style.css", 200 }, { "GET", "/assets/", 200 }, { "GET", "/assets/none", 404 },
        { "GET", "/assets", 404 }, { "GET", "/assets/css", 301 }, { "GET", "/assets/../index.html", 400 },
        { "HEAD", "/assets/css/style.css", 200 }, { "HEAD", "/assets/none", 404 },
        { "POST", "/assets/css/style.css", 405 }, { "DELETE", "/assets/", 405 }, { "OPTIONS", "/assets/", 204 },
    };
    FILES(files);
    WEB(web);
    GOT(got);

    check_ok(open_files("/assets", &files));
    hob_web_handle(web, "GET /assets/{name...}", hob_static_handle, files);
    for (size_t i = 0; i < sizeof ASKED / sizeof ASKED[0]; i++) {
        check_ok(ask_with(web, ASKED[i].method, ASKED[i].target, NULL, &got));
        if (got.status != ASKED[i].status)
            fail("%s %s: %d", ASKED[i].method, ASKED[i].target, got.status);
        if (got.status == 405 || got.status == 204)
            check_str(header(&got, "Allow"), "GET, HEAD, OPTIONS");
        if (strcmp(ASKED[i].method, "HEAD") == 0)
            check_eq(got.body_len, 0);
        if (strcmp(ASKED[i].method, "HEAD") == 0 && got.status == 200)
            check_eq(atoi(header(&got, "Content-Length")), strlen(STYLE));
    }
    check_ok(get(web, "/assets/css/style.css", &got));
    check_str(got.body, STYLE);
}

static size_t times(const char *text, const char *word)
{
    size_t n = 0;
    while ((text = strstr(text, word)) != NULL)
        n++, text++;
    return n;
}

/* Compressed before, or by the middleware, and by nobody twice. */
TEST(web_files, a_folder_and_gzip_say_once_that_they_look_at_the_codings)
{
    static const char *const    origins[] = { "https://a.example", NULL };
    static hob_web_cors_opts    cors = { .origins = origins };
    static const struct { const char *target, *takes, *coding; } ASKED[] = {
        { "/long.txt", "gzip", "gzip" }, { "/long.txt", "identity", "" }, { "/only.txt", "gzip", "gzip" },
        { "/only.txt", "br", "" }, { "/css/style.css", "gzip", "" },
    };
    FILES(files);
    WEB(web);
    GOT(got);

    check_ok(open_files(NULL, &files));
    hob_web_use(web, hob_web_cors, &cors);
    hob_web_use(web, hob_web_gzip, NULL);
    hob_web_handle(web, "/{name...}", hob_static_handle, files);
    for (size_t i = 0; i < sizeof ASKED / sizeof ASKED[0]; i++) {
        char headers[200];
        snprintf(headers, sizeof headers, "Accept-Encoding: %s\r\n", ASKED[i].takes);
        check_ok(ask_with(web, "GET", ASKED[i].target, headers, &got));
        check_eq(got.status, 200);
        check_str(header(&got, "Content-Encoding"), ASKED[i].coding);
        check_eq(times(got.head, "Vary: Accept-Encoding"), 1);
        check_eq(times(got.head, "Vary: Origin"), 1);

        char known[300];
        snprintf(known, sizeof known, "%sIf-None-Match: %s\r\n", headers, header(&got, "ETag"));
        check_ok(ask_with(web, "GET", ASKED[i].target, known, &got));
        check_eq(got.status, 304);
        check_eq(times(got.head, "Vary: Accept-Encoding"), 1);
    }
}

/* ---- on all workers ---- */

struct place {
    hob_web *web;
    hob_addr addr;
};

static void listening(void *arg, const hob_addr *addr)
{
    ((struct place *)arg)->addr = *addr;
}

static int serve(void *arg)
{
    struct place      *place = arg;
    hob_addr           here = hob_addr_loopback(0);
    hob_web_serve_opts opts = { .listening = listening, .arg = place };
    int                r = hob_web_serve(place->web, &here, &opts);
    return r == -ECANCELED ? 0 : r;
}

TEST_WITH_WORKERS(web_files, a_folder_is_given_out_by_all_workers_of_a_service, 4)
{
    static const char ASK[] = "GET /css/style.css HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    FILES(files);
    WEB(web);
    struct place place = { .web = web };

    check_ok(open_files(NULL, &files));
    hob_web_handle(web, "/{name...}", hob_static_handle, files);
    HOB_SCOPE(s);
    check_ok(hob_go_ready(&s, serve, &place, NULL, NULL));
    for (int i = 0; i < 40; i++) {
        TCP(conn);
        char    got[2000];
        size_t  len = 0;
        ssize_t n;
        check_ok(hob_tcp_connect(&place.addr, NULL, &conn));
        check_eq(hob_tcp_write(conn, ASK, sizeof ASK - 1), sizeof ASK - 1);
        while ((n = hob_tcp_read(conn, got + len, sizeof got - 1 - len)) > 0)
            len += (size_t)n;
        check_eq(n, 0);
        got[len] = '\0';
        check_has(got, "\r\n\r\n" STYLE);
    }
    hob_scope_cancel(&s, "enough");
    (void)!hob_scope_end(&s);
    return 0;
}

/* ---- mistakes ---- */

TEST_DIES(web_files, a_folder_that_is_null_is_a_mistake, "*hob_static_handle: there is no folder to give out*")
{
    WEB(web);
    GOT(got);
    hob_web_handle(web, "/{name...}", hob_static_handle, NULL);
    ignore(get(web, "/x", &got));
}

static int do_nothing(hob_http_request *req, void *arg)
{
    return hob_http_reply_text(req, 200, NULL);
}

TEST_DIES(web_files, an_operation_that_is_null_is_a_mistake, "*hob_web_operation: it is not told what it takes and gives*")
{
    WEB(web);
    hob_web_operation(web, "GET /x", NULL, do_nothing, NULL);
}

TEST_DIES(web_files, a_service_that_is_null_is_a_mistake, "*hob_web_handle: there is no service: it is NULL*")
{
    hob_web_handle(NULL, "GET /x", do_nothing, NULL);
}
