/* SPDX-License-Identifier: MIT */
/*
 * Folders given out by HTTP: what is there, what is not, and what must never be. Row 43 of SURVIVAL.
 */
#include <hob/mem_pair.h>
#include <hob/static.h>

#include "http/site.h"
#include "base/rand.h"
#include "site/static.h"
#include "support/workers.h"

struct shop {
    struct site     site;
    hob_static     *files;
    hob_static_opts opts;
};

/* ---- bytes only ---- */

TEST_BARE(site_names, a_path_becomes_a_name_or_nothing)
{
    static const struct { const char *path; int result; const char *name; } PATHS[] = {
        { "a.txt", 0, "a.txt" }, { "", 0, "" }, { "a%20b", 0, "a b" }, { "%61", 0, "a" }, { "a%2Fb", -ENOENT, NULL },
        { "a%2fb", -ENOENT, NULL }, { "a%00", -ENOENT, NULL }, { "%", -EINVAL, NULL }, { "%4", -EINVAL, NULL },
        { "a%zz", -EINVAL, NULL }, { "%%41", -EINVAL, NULL }, { "%252e", 0, "%2e" }, { "%2e%2e/x", 0, "../x" },
        { "a+b", 0, "a+b" }, { "%C3%A4", 0, "\xc3\xa4" }, { "%4G", -EINVAL, NULL }, { "%G4", -EINVAL, NULL },
    };
    char name[32];
    for (size_t i = 0; i < sizeof PATHS / sizeof PATHS[0]; i++) {
        int r = hob__site_name_decode(PATHS[i].path, name, sizeof name);
        if (r != PATHS[i].result || (r == 0 && strcmp(name, PATHS[i].name) != 0))
            fail("%s: %d", PATHS[i].path, r);
    }
    char eight[8];
    check_ok(hob__site_name_decode("1234567", eight, sizeof eight));
    check_err(hob__site_name_decode("12345678", eight, sizeof eight), -ENAMETOOLONG);
}

TEST_BARE(site_names, what_names_may_be_looked_for)
{
    static const struct { const char *name; bool is_fine, is_fine_with_dots; } NAMES[] = {
        { "", true, true }, { "a", true, true }, { "a/", true, true }, { "a/b", true, true }, { "a..b", true, true },
        { "a.", true, true }, { "a..", true, true }, { "...", false, true }, { ".a", false, true }, { "a/.b", false, true },
        { ".well-known/x", true, true }, { "a/.well-known/x", false, true }, { ".well-knownx", false, true },
        { ".git/config", false, true }, { "..", false, false }, { ".", false, false }, { "a/..", false, false },
        { "a/../b", false, false }, { "./a", false, false }, { "/", false, false }, { "/etc/passwd", false, false },
        { "a//b", false, false }, { "a//", false, false }, { "../x", false, false }, { ".well-known/..", false, false },
    };
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++) {
        if (hob__site_name_is_fine(NAMES[i].name, false) != NAMES[i].is_fine
            || hob__site_name_is_fine(NAMES[i].name, true) != NAMES[i].is_fine_with_dots)
            fail("\"%s\"", NAMES[i].name);
    }
    char long_name[NAME_BYTES + 1];
    memset(long_name, 'a', sizeof long_name);
    long_name[NAME_BYTES] = '\0';
    check(!hob__site_name_is_fine(long_name, false));
    check(hob__site_name_is_fine(long_name + 1, false));
}

TEST_BARE(site_names, a_hash_in_a_name_is_seen)
{
    static const struct { const char *name; bool has_hash; } NAMES[] = {
        { "app.3f2a91c0.js", true }, { "js/index-BaVW7x2q.css", true }, { "a/b_0a1b2c3d4e.woff2", true },
        { "app.js", false }, { "app.12345678.js", false }, { "app.abcdefgh.js", false }, { "3f2a91c0.js", false },
        { "app.3f2a91c.js", false }, { "app-3f2a91c0", false }, { "3f2a91c0.x/app.js", false }, { "a.3f2a 1c0.js", false },
        { "jquery-3.7.1.min.js", false }, { "", false }, { ".", false }, { "app.chunk.3f2a91c0.js", true },
    };
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++) {
        if (hob__site_name_has_hash(NAMES[i].name) != NAMES[i].has_hash)
            fail("%s", NAMES[i].name);
    }
}

TEST_BARE(site_accept, weights_of_codings_are_those_of_the_header)
{
    static const struct { const char *header, *coding; int weight; } HEADERS[] = {
        { NULL, "br", 0 }, { "", "br", 0 }, { "br", "br", 1000 }, { "gzip, br", "br", 1000 }, { "BR", "br", 1000 },
        { "gzip;q=0.5, br;q=0.25", "br", 250 }, { "gzip;q=0.5,br;q=0.25", "gzip", 500 }, { "br;q=0", "br", 0 },
        { "br;q=0.000", "br", 0 }, { "br;q=0.001", "br", 1 }, { "br;q=1.000", "br", 1000 }, { "br;q=1.001", "br", 0 },
        { "br;q=2", "br", 0 }, { "br;q=-1", "br", 0 }, { "br;q=", "br", 0 }, { "br;q=0.1234", "br", 0 }, { "br;x=1", "br", 0 },
        { "br;", "br", 0 }, { "br ; q=0.5", "br", 500 }, { "br\t;\tq=0.5\t", "br", 500 }, { "br;Q=0.5", "br", 500 },
        { "*", "br", 1000 }, { "*;q=0.3", "br", 300 }, { "*;q=0, br", "br", 1000 }, { "br;q=0, *", "br", 0 },
        { "*;q=0.3, gzip", "gzip", 1000 }, { "x-gzip", "gzip", 1000 }, { "brr", "br", 0 }, { "b", "br", 0 },
        { "identity", "br", 0 }, { ",,br,,", "br", 1000 }, { "br br", "br", 0 }, { ";q=1", "br", 0 }, { ",", "br", 0 },
        { "br;q=0.5;x=1", "br", 0 }, { "br;q=01", "br", 0 }, { "br;q=.5", "br", 0 }, { "br;q=0.", "br", 0 },
        { "gzip, deflate, br, zstd", "zstd", 1000 },
    };
    for (size_t i = 0; i < sizeof HEADERS / sizeof HEADERS[0]; i++) {
        int weight = hob__site_accepts(HEADERS[i].header, HEADERS[i].coding);
        if (weight != HEADERS[i].weight)
            fail("%s in \"%s\": %d", HEADERS[i].coding, HEADERS[i].header, weight);
    }
}

TEST_BARE(site_media, types_are_found_by_what_is_behind_the_last_dot)
{
    static const struct { const char *name, *type; } NAMES[] = {
        { "a.html", "text/html; charset=utf-8" }, { "a/b.x/c.CSS", "text/css; charset=utf-8" }, { "a.tar.gz", "application/gzip" },
        { "a.js", "text/javascript; charset=utf-8" }, { "a.woff2", "font/woff2" }, { "a.zst", "application/zstd" },
        { "a.7z", "application/x-7z-compressed" }, { "a.svg", "image/svg+xml" }, { "a.WebP", "image/webp" }, { "a", NULL },
        { "", NULL }, { "a.", NULL }, { ".html/a", NULL }, { "a.html2", NULL }, { "a.averyverylongextension", NULL }, { "a.xyzzy", NULL },
    };
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++)
        check_str(hob_static_type_of(NAMES[i].name), NAMES[i].type);
}

/* ---- a folder ---- */

static int put(const char *name, const char *text)
{
    return put_text(scratch_path(name), text);
}

static int make_files(void)
{
    check_ok(put("secret", "outside"));
    check_ok(hob_path_mkdirs(scratch_path("www/sub/empty"), 0700));
    check_ok(hob_path_mkdirs(scratch_path("www/.well-known"), 0700));
    check_ok(hob_path_mkdirs(scratch_path("www/.git"), 0700));
    check_ok(hob_path_mkdirs(scratch_path("www/odd.html"), 0700));
    check_ok(put("www/index.html", "the index"));
    check_ok(put("www/a b.txt", "with a blank"));
    check_ok(put("www/style.css", "plain css"));
    check_ok(put("www/style.css.br", "brotli css"));
    check_ok(put("www/style.css.gz", "gzip css"));
    check_ok(put("www/app.3f2a91c0.js", "hashed"));
    check_ok(put("www/data.xyz", "of my type"));
    check_ok(put("www/.hidden", "hidden"));
    check_ok(put("www/.git/config", "hidden"));
    check_ok(put("www/.well-known/security.txt", "well known"));
    check_ok(put("www/sub/page.html", "a page"));
    check_ok(put("www/sub/<b>&\"'.txt", "odd name"));
    check_ok(put("www/sub/javascript:alert(1)", "odd name"));
    check_ok(hob_path_symlink("../secret", scratch_path("www/out")));
    check_ok(hob_path_symlink("..", scratch_path("www/up")));
    check_ok(hob_path_symlink("/etc", scratch_path("www/root")));
    check_ok(hob_path_symlink("sub/page.html", scratch_path("www/in")));
    check_ok(hob_path_symlink("loop", scratch_path("www/loop")));
    return 0;
}

static int run_shop(void *arg)
{
    struct shop *shop = arg;
    check_ok(hob_static_open(scratch_path("www"), &shop->opts, &shop->files));
    shop->site.handler = hob_static_handle;
    shop->site.arg = shop->files;
    int r = run_site(&shop->site);
    hob_static_close(shop->files);
    return r;
}

static int open_shop(hob_scope *scope, struct shop *shop)
{
    check_ok(make_files());
    return hob_go_ready(scope, run_shop, shop, &(hob_task_opts){ .daemon = 1, .name = "shop" }, NULL);
}

static int get(const struct shop *shop, const char *path, const char *headers, char *got, size_t size)
{
    char text[16000];
    snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: a\r\n%s\r\n", path, headers);
    check_ok(ask(&shop->site, text, got, size));
    return status_in(got);
}

static const char *body_of(const char *answer)
{
    const char *end = strstr(answer, "\r\n\r\n");
    return end != NULL ? end + 4 : "";
}

static const struct { const char *path; int status; const char *has; } PATHS[] = {
    { "/", 200, "the index" },
    { "/?x=1", 200, "the index" },
    { "/index.html", 200, "Content-Type: text/html; charset=utf-8\r\n" },
    { "/style.css", 200, "plain css" },
    { "/style%2Ecss", 200, "plain css" },
    { "/a%20b.txt", 200, "with a blank" },
    { "/in", 200, "a page" },
    { "/sub/page.html", 200, "a page" },
    { "/style.css.gz", 200, "Content-Type: application/gzip\r\n" },
    { "/data.xyz", 200, "Content-Type: application/octet-stream\r\n" },
    { "/.well-known/security.txt", 200, "well known" },
    { "/sub", 301, "Location: ./sub/\r\n" },
    { "/sub?a=b&c", 301, "Location: ./sub/?a=b&c\r\n" },
    { "/sub/empty", 301, "Location: ./empty/\r\n" },
    { "/odd.html", 301, "Location: ./odd.html/\r\n" },
    { "/sub/", 404, "" },
    { "/style.css/", 404, "" },
    { "/style.css/x", 404, "" },
    { "/none", 404, "" },
    { "/None/", 404, "" },
    { "/STYLE.css", 404, "" },
    { "/style.css.", 404, "" },
    { "/style.css%20", 404, "" },
    { "/style.css%00", 404, "" },
    { "/style.css%00.html", 404, "" },
    { "/..", 404, "" },
    { "/../secret", 404, "" },
    { "/../../../../etc/passwd", 404, "" },
    { "/%2e%2e/secret", 404, "" },
    { "/%2e%2e%2fsecret", 404, "" },
    { "/..%2fsecret", 404, "" },
    { "/..%5csecret", 404, "" },
    { "/.%2e/secret", 404, "" },
    { "/sub/../style.css", 404, "" },
    { "/sub/..%2f..%2fsecret", 404, "" },
    { "/sub/./page.html", 404, "" },
    { "/./style.css", 404, "" },
    { "//style.css", 404, "" },
    { "//example.com/sub", 404, "" },
    { "/sub//page.html", 404, "" },
    { "/%2fetc/passwd", 404, "" },
    { "/%252e%252e/secret", 404, "" },
    { "/%c0%ae%c0%ae/secret", 404, "" },
    { "/..;/secret", 404, "" },
    { "/.hidden", 404, "" },
    { "/%2ehidden", 404, "" },
    { "/.git/config", 404, "" },
    { "/.git", 404, "" },
    { "/out", 404, "" },
    { "/up", 404, "" },
    { "/up/secret", 404, "" },
    { "/up/www/style.css", 404, "" },
    { "/root", 404, "" },
    { "/root/passwd", 404, "" },
    { "/loop", 404, "" },
    { "/%", 400, "" },
    { "/%g0", 400, "" },
    { "/a%2", 400, "" },
};

TEST_AS(site_static, each_path_gives_what_it_names_and_never_what_is_outside,
        HOB_TEST_EACH_BACKEND | HOB_TEST_ONE_SEED, NULL)
{
    struct shop shop = { 0 };
    char        got[8192];
    HOB_SCOPE(s);

    check_ok(open_shop(&s, &shop));
    for (size_t i = 0; i < sizeof PATHS / sizeof PATHS[0]; i++) {
        int status = get(&shop, PATHS[i].path, "", got, sizeof got);
        if (status != PATHS[i].status || strstr(got, PATHS[i].has) == NULL
            || strstr(got, "outside") != NULL || strstr(got, "hidden") != NULL)
            fail("%s: %d\n%s", PATHS[i].path, status, got);
    }
    char path[7000];
    path[0] = '/';
    memset(path + 1, 'a', sizeof path - 2);
    path[sizeof path - 1] = '\0';
    check_eq(get(&shop, path, "", got, sizeof got), 404);
    path[300] = '\0';
    check_eq(get(&shop, path, "", got, sizeof got), 404);
    check_eq(shop.site.stats.failed, 0);
}

TEST_ON_ALL(site_static, methods_are_get_head_and_options)
{
    struct shop shop = { 0 };
    char        got[4096];
    HOB_SCOPE(s);

    check_ok(open_shop(&s, &shop));
    check_ok(ask(&shop.site, "HEAD /style.css HTTP/1.1\r\nHost: a\r\n\r\n", got, sizeof got));
    check_eq(status_in(got), 200);
    check_has(got, "Content-Length: 9\r\n");
    check_str(body_of(got), "");
    check_ok(ask(&shop.site, "OPTIONS /style.css HTTP/1.1\r\nHost: a\r\n\r\n", got, sizeof got));
    check_eq(status_in(got), 204);
    check_has(got, "Allow: GET, HEAD, OPTIONS\r\n");
    check_ok(ask(&shop.site, "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", got, sizeof got));
    check_eq(status_in(got), 204);
    check_ok(ask(&shop.site, "DELETE /style.css HTTP/1.1\r\nHost: a\r\n\r\n", got, sizeof got));
    check_eq(status_in(got), 405);
    check_has(got, "Allow: GET, HEAD, OPTIONS\r\n");
}

TEST_ON_ALL(site_static, what_is_kept_is_asked_for_again_and_what_has_a_hash_is_not)
{
    struct shop shop = { .opts = { .immutable = 1, .cache_control = "max-age=60" } };
    char        got[4096], etag[200];
    HOB_SCOPE(s);

    check_ok(open_shop(&s, &shop));
    check_eq(get(&shop, "/app.3f2a91c0.js", "", got, sizeof got), 200);
    check_has(got, "Cache-Control: public, max-age=31536000, immutable\r\n");
    check_eq(get(&shop, "/style.css", "", got, sizeof got), 200);
    check_has(got, "Cache-Control: max-age=60\r\n");
    check_has(got, "X-Content-Type-Options: nosniff\r\n");
    const char *at = strstr(got, "ETag: ");
    check(at != NULL);
    snprintf(etag, sizeof etag, "If-None-Match: %.*s\r\n", (int)strcspn(at + 6, "\r"), at + 6);
    check_eq(get(&shop, "/style.css", etag, got, sizeof got), 304);
    check_has(got, "Cache-Control: max-age=60\r\n");
    check_eq(get(&shop, "/style.css", "Range: bytes=0-4\r\n", got, sizeof got), 206);
    check_str(body_of(got), "plain");
    check_ok(put("www/style.css", "another, longer one"));
    check_eq(get(&shop, "/style.css", etag, got, sizeof got), 200);
    check_str(body_of(got), "another, longer one");
}

TEST_AS(site_static, a_coding_that_the_client_takes_is_given_out,
        HOB_TEST_EACH_BACKEND | HOB_TEST_ONE_SEED, NULL)
{
    static const struct { const char *accept, *coding, *body; } WISHES[] = {
        { "", NULL, "plain css" },
        { "Accept-Encoding: br, gzip\r\n", "br", "brotli css" },
        { "Accept-Encoding: gzip\r\n", "gzip", "gzip css" },
        { "Accept-Encoding: zstd, gzip;q=0.5\r\n", "gzip", "gzip css" },
        { "Accept-Encoding: br;q=0.5, gzip\r\n", "gzip", "gzip css" },
        { "Accept-Encoding: *\r\n", "br", "brotli css" },
        { "Accept-Encoding: br;q=0, *;q=0.1\r\n", "gzip", "gzip css" },
        { "Accept-Encoding: identity\r\n", NULL, "plain css" },
        { "Accept-Encoding: zstd\r\n", NULL, "plain css" },
        { "Accept-Encoding: br\r\nRange: bytes=0-100\r\n", NULL, "plain css" },
    };
    struct shop shop = { .opts = { .precompressed = 1 } };
    char        got[4096], header[64];
    HOB_SCOPE(s);

    check_ok(open_shop(&s, &shop));
    for (size_t i = 0; i < sizeof WISHES / sizeof WISHES[0]; i++) {
        check_eq(get(&shop, "/style.css", WISHES[i].accept, got, sizeof got) / 100, 2);
        check_str(body_of(got), WISHES[i].body);
        check_has(got, "Vary: Accept-Encoding\r\n");
        check_has(got, "Content-Type: text/css; charset=utf-8\r\n");
        snprintf(header, sizeof header, "Content-Encoding: %s\r\n", WISHES[i].coding != NULL ? WISHES[i].coding : "");
        check_eq(times_in(got, "Content-Encoding"), WISHES[i].coding != NULL);
        if (WISHES[i].coding != NULL)
            check_has(got, header);
    }

    // One that was made before the file was changed is of no use.
    struct timespec times[2] = { { 1000000000, 0 }, { 1000000000, 0 } };
    check_ok(hob_path_utimes(scratch_path("www/style.css.br"), times));
    check_eq(get(&shop, "/style.css", "Accept-Encoding: br, gzip;q=0.1\r\n", got, sizeof got), 200);
    check_str(body_of(got), "gzip css");
    check_eq(get(&shop, "/", "Accept-Encoding: br\r\n", got, sizeof got), 200);
    check_str(body_of(got), "the index");
}

TEST_ON_ALL(site_static, the_page_of_a_folder_is_sorted_and_escaped)
{
    struct shop shop = { .opts = { .listing = 1 } };
    char        got[8192];
    HOB_SCOPE(s);

    check_ok(open_shop(&s, &shop));
    check_eq(get(&shop, "/sub/", "", got, sizeof got), 200);
    check_has(got, "Content-Type: text/html; charset=utf-8\r\n");
    check_has(got, "Content-Security-Policy: default-src 'none'");
    check_has(got, "<h1>/sub</h1>");
    check_has(got, "<li><a href=\"../\">../</a>\n<li><a href=\"./empty/\">empty/</a>\n"
                   "<li><a href=\"./%3Cb%3E%26%22%27.txt\">&lt;b&gt;&amp;&quot;&#39;.txt</a>\n"
                   "<li><a href=\"./javascript%3Aalert%281%29\">javascript:alert(1)</a>\n"
                   "<li><a href=\"./page.html\">page.html</a>\n</ul>");
    check_eq(get(&shop, "/sub/empty/", "", got, sizeof got), 200);
    check_eq(get(&shop, "/", "", got, sizeof got), 200);
    check_str(body_of(got), "the index");
    check_eq(get(&shop, "/odd.html/", "", got, sizeof got), 200);
    check_eq(get(&shop, "/none/", "", got, sizeof got), 404);
    check_ok(hob_path_unlink(scratch_path("www/index.html")));
    check_eq(get(&shop, "/", "", got, sizeof got), 200);
    check_has(got, "style.css");
    check_eq(times_in(got, "hidden") + times_in(got, ".git") + times_in(got, "\"../\""), 0);
}

TEST_AS(site_static, a_page_of_a_folder_has_an_end, HOB_TEST_ONE_SEED, NULL)
{
    struct shop shop = { .opts = { .listing = 1 } };
    BYTES(got, 4000000);
    HOB_SCOPE(s);

    check_ok(open_shop(&s, &shop));
    for (int i = 0; i < 10050; i++) {
        char name[64];
        snprintf(name, sizeof name, "www/sub/empty/%05d", i);
        check_ok(put(name, ""));
    }
    check_eq(get(&shop, "/sub/empty/", "", (char *)got, 4000000), 200);
    check_eq(times_in((char *)got, "<li>"), 10001);
    check_has((char *)got, "and more");
}

/* ---- in memory ---- */

/* That a file comes from memory is seen by its being out of date. */
TEST_AS(site_static, what_is_in_memory_is_fresh_for_as_long_as_was_said,
        HOB_TEST_ONE_SEED, NULL)
{
    struct shop shop = { .opts = { .memory_bytes = 100000, .fresh_ns = 10 * HOB_SEC, .precompressed = 1, .prefix = "/x" } };
    char        got[4096], tag[200];
    HOB_SCOPE(s);

    check_ok(open_shop(&s, &shop));
    check_eq(get(&shop, "/x/style.css", "", got, sizeof got), 200);
    check_ok(put("www/style.css", "changed at once"));
    check_eq(get(&shop, "/x/style.css", "", got, sizeof got), 200);
    check_str(body_of(got), "changed at once"); // it might be changed again, and look the same

    check_ok(hob_sleep(3 * HOB_SEC));
    char first[4096];
    check_eq(get(&shop, "/x/style.css", "", first, sizeof first), 200);
    check_ok(put("www/style.css", "changed once more"));
    check_eq(get(&shop, "/x/style.css", "", got, sizeof got), 200);
    check_str(strstr(got, "Content-Type"), strstr(first, "Content-Type")); // all but the date
    check_str(body_of(got), "changed at once");
    snprintf(tag, sizeof tag, "If-None-Match: %.*s\r\nIf-Modified-Since: x\r\n", (int)strcspn(strstr(got, "ETag: ") + 6, "\r"),
             strstr(got, "ETag: ") + 6);
    check_eq(get(&shop, "/x/style.css", tag, got, sizeof got), 304);
    check_has(got, "Vary: Accept-Encoding\r\n");
    check_ok(ask(&shop.site, "HEAD /x/style.css HTTP/1.1\r\nHost: a\r\n\r\n", got, sizeof got));
    check_has(got, "Content-Length: 15\r\n");
    check_str(body_of(got), "");
    // Who asks for something else gets it of the file.
    check_eq(get(&shop, "/x/style.css", "If-None-Match: \"x\"\r\n", got, sizeof got), 200);
    check_str(body_of(got), "changed once more");
    check_eq(get(&shop, "/x/style.css", "Range: bytes=8-11\r\n", got, sizeof got), 206);
    check_str(body_of(got), "once");
    check_ok(hob_sleep(10 * HOB_SEC));
    check_eq(get(&shop, "/x/style.css", tag, got, sizeof got), 200);
    check_str(body_of(got), "changed once more");

    // Each coding is kept for itself, and a folder's index not for its name without the slash.
    check_ok(put("www/style.css.br", "brotli css"));
    check_ok(put("www/style.css.gz", "gzip css"));
    check_ok(hob_sleep(3 * HOB_SEC));
    for (int i = 0; i < 2; i++) {
        check_eq(get(&shop, "/x/style.css", "Accept-Encoding: br\r\n", got, sizeof got), 200);
        check_str(body_of(got), "brotli css");
        check_has(got, "Content-Encoding: br\r\n");
        check_eq(get(&shop, "/x/style.css", "Accept-Encoding: gzip\r\n", got, sizeof got), 200);
        check_str(body_of(got), "gzip css");
        check_eq(get(&shop, "/x/style.css", "", got, sizeof got), 200);
        check_str(body_of(got), "changed once more");
        check_eq(times_in(got, "Content-Encoding"), 0);
        check_eq(get(&shop, "/x/", "", got, sizeof got), 200);
        check_str(body_of(got), "the index");
        check_eq(get(&shop, "/x", "", got, sizeof got), 301);
        check_eq(get(&shop, "/x/sub", "", got, sizeof got), 301);
        check_eq(get(&shop, "/x/none", "", got, sizeof got), 404);
        check_ok(put("www/style.css.br", "changed br"));
    }
    check_eq(shop.site.stats.failed, 0);
}

static const char *const VERSIONS[] = { "the first, which is longer", "the second" };

struct asking {
    const struct shop *shop;
    int                status;
    char               got[4096];
};

static int ask_for_style(void *arg)
{
    struct asking *asking = arg;
    asking->status = get(asking->shop, "/style.css", "", asking->got, sizeof asking->got);
    return 0;
}

/* As editors and compilers do: emptied, then, maybe on a busy machine, written. */
TEST(site_static, a_file_that_was_just_made_empty_is_waited_for)
{
    static const int64_t pauses_ms[] = { 0, 1, 3, 9, 40, 200 };
    struct shop shop = { .opts = { .memory_bytes = 100000, .fresh_ns = 5 * HOB_MSEC } };
    HOB_SCOPE(s);

    check_ok(open_shop(&s, &shop));
    for (size_t i = 0; i < sizeof pauses_ms / sizeof pauses_ms[0]; i++) {
        struct asking asking = { .shop = &shop };
        HOB_SCOPE(asks);
        check_ok(put("www/style.css", ""));
        hob_go(&asks, ask_for_style, &asking);
        check_ok(hob_sleep(pauses_ms[i] * HOB_MSEC));
        check_ok(put("www/style.css", VERSIONS[i % 2]));
        check_ok(hob_scope_end(&asks));
        check_eq(asking.status, 200);
        check_str(body_of(asking.got), VERSIONS[i % 2]);
    }
    check_eq(shop.site.stats.failed, 0);
}

TEST(site_static, an_empty_file_is_one_in_the_end)
{
    struct shop shop = { 0 };
    char        got[4096];
    HOB_SCOPE(s);

    check_ok(open_shop(&s, &shop));
    check_ok(put("www/style.css", ""));
    int64_t begun_ns = hob_now();
    check_eq(get(&shop, "/style.css", "", got, sizeof got), 200);
    check_has(got, "Content-Length: 0\r\n");
    check_lt(hob_now() - begun_ns, 1 * HOB_SEC); // in virtual time
    check_ok(hob_sleep(1 * HOB_SEC));
    begun_ns = hob_now();
    check_eq(get(&shop, "/style.css", "", got, sizeof got), 200);
    check_lt(hob_now() - begun_ns, 10 * HOB_MSEC);
}

enum { MODEL_KEYS = 12 };

/* A list of keys by when they were asked for, beside the shelf. */
TEST(site_static, a_shelf_has_what_was_asked_for_last_and_never_too_much)
{
    struct rand         rand = { hob_test_seed() };
    struct shelf       *shelf = hob__shelf_new(5 * (sizeof(struct shelf_item) + 2 + 100), 50);
    struct shelf_item  *lent[MODEL_KEYS] = { NULL };
    int                 order[MODEL_KEYS], count = 0; /* the newest last */
    int64_t             now = 0, until[MODEL_KEYS] = { 0 };
    size_t              sizes[MODEL_KEYS] = { 0 }, bytes = 0;

    check(shelf != NULL);
    for (int step = 0; step < 2000; step++) {
        int  k = (int)rand_below(&rand, MODEL_KEYS), place = 0;
        char key[3] = { 'k', (char)('a' + k), '\0' };
        now += (int64_t)rand_below(&rand, 3);
        while (place < count && order[place] != k)
            place++;
        bool is_there = place < count;
        if (rand_below(&rand, 3) == 0) {
            struct shelf_item *item = hob__shelf_item(key, (size_t)rand_below(&rand, 300));
            check(item != NULL);
            memset(item->bytes, key[1], item->len);
            size_t weight = sizeof *item + 2 + item->len;
            hob__shelf_add(shelf, item, now);
            if (is_there) {
                bytes -= sizes[k];
                memmove(order + place, order + place + 1, (size_t)(--count - place) * sizeof order[0]);
            }
            while (count > 0 && bytes + weight > shelf->bytes_max) {
                bytes -= sizes[order[0]];
                memmove(order, order + 1, (size_t)--count * sizeof order[0]);
            }
            order[count++] = k;
            bytes += sizes[k] = weight;
            until[k] = now + 50;
        } else {
            struct shelf_item *item = hob__shelf_take(shelf, key, now);
            check_eq(item != NULL, is_there && until[k] > now);
            if (is_there) {
                memmove(order + place, order + place + 1, (size_t)(count - 1 - place) * sizeof order[0]);
                order[count - 1] = k;
            }
            if (is_there && item == NULL) {
                count--;
                bytes -= sizes[k];
            }
            hob__shelf_put_back(lent[k]); // it may have gone from the shelf meanwhile
            lent[k] = item;
            if (item != NULL && item->len > 0)
                check_eq(item->bytes[item->len - 1], key[1]);
        }
        check_eq(shelf->bytes, bytes);
        check_le(shelf->bytes, shelf->bytes_max);
    }
    hob__shelf_free(shelf); // what is lent outlives it
    for (int k = 0; k < MODEL_KEYS; k++)
        hob__shelf_put_back(lent[k]);
}

/* ---- options ---- */

static int say_missing(hob_http_request *req, void *arg)
{
    return hob_http_reply_text(req, 404, "nobody here");
}

static int give_app(hob_http_request *req, void *arg)
{
    struct shop *shop = arg;
    if (strcmp(hob_http_path(req), "/own") == 0) {
        HOB_TRY(hob_http_set_header(req, "Cache-Control", "no-store"));
        return hob_static_reply(req, shop->files, "style.css");
    }
    const char *name = strcmp(hob_http_path(req), "/lost") == 0 ? "none" : "index.html";
    return hob_static_reply(req, shop->files, name);
}

TEST_ON_ALL(site_static, what_is_missing_may_have_a_page_or_be_an_application)
{
    struct shop shop = { .opts = { .missing = say_missing } };
    char        got[4096];
    HOB_SCOPE(s);

    check_ok(open_shop(&s, &shop));
    check_eq(get(&shop, "/none", "", got, sizeof got), 404);
    check_str(body_of(got), "nobody here");
    hob_scope_cancel(&s, "seen");
}

TEST(site_static, an_application_answers_for_all_paths)
{
    struct shop shop = { .opts = { .missing = give_app } };
    char        got[4096];
    HOB_SCOPE(s);

    shop.opts.missing_arg = &shop;
    check_ok(open_shop(&s, &shop));
    check_eq(get(&shop, "/some/where/", "", got, sizeof got), 200);
    check_str(body_of(got), "the index");
    check_eq(get(&shop, "/some/where", "", got, sizeof got), 200);
    check_str(body_of(got), "the index");
    check_eq(get(&shop, "/lost", "", got, sizeof got), 404);
    check_eq(get(&shop, "/own", "", got, sizeof got), 200);
    check_has(got, "Cache-Control: no-store\r\n");
    check_eq(times_in(got, "Cache-Control"), 1);
}

TEST(site_static, a_prefix_is_taken_away_and_must_be_there)
{
    static const hob_static_type TYPES[] = { { "xyz", "text/x-mine" }, { "css", "text/x-css" } };
    char prefix[] = "/assets/", type[] = "text/x-other";
    struct shop shop = { .opts = { .prefix = prefix, .types = TYPES, .type_count = 2, .other_type = type, .dotfiles = 1,
                                   .index = "" } };
    char        got[4096];
    HOB_SCOPE(s);

    check_ok(open_shop(&s, &shop));
    memset(prefix, 'x', sizeof prefix - 1); // it was copied
    memset(type, 'x', sizeof type - 1);
    check_eq(get(&shop, "/assets/data.xyz", "", got, sizeof got), 200);
    check_has(got, "Content-Type: text/x-mine\r\n");
    check_eq(get(&shop, "/assets/style.css", "", got, sizeof got), 200);
    check_has(got, "Content-Type: text/x-css\r\n");
    check_eq(get(&shop, "/assets/in", "", got, sizeof got), 200);
    check_has(got, "Content-Type: text/x-other\r\n");
    check_eq(get(&shop, "/assets/.hidden", "", got, sizeof got), 200);
    check_eq(get(&shop, "/assets", "", got, sizeof got), 301);
    check_has(got, "Location: ./assets/\r\n");
    check_eq(get(&shop, "/assets/", "", got, sizeof got), 404);
    check_eq(get(&shop, "/assetsstyle.css", "", got, sizeof got), 404);
    check_eq(get(&shop, "/style.css", "", got, sizeof got), 404);
    check_eq(get(&shop, "/", "", got, sizeof got), 404);
}

TEST_ON_ALL(site_static, a_folder_that_is_none_is_told)
{
    hob_static     *files;
    hob_static_opts opts = { .prefix = "assets" };
    check_ok(put("file", "x"));
    check_err(hob_static_open(scratch_path("none"), NULL, &files), -ENOENT);
    check_err(hob_static_open(scratch_path("file"), NULL, &files), -ENOTDIR);
    check_err(hob_static_open(hob_test_scratch(), &opts, &files), -EINVAL);
    hob_static_close(NULL);
}

/* What neither is read to its end nor waited for. */
TEST_ON_ALL(site_static, a_fifo_is_not_there_and_nobody_waits_for_it)
{
    struct shop shop = { 0 };
    char        got[4096];
    HOB_SCOPE(s);

    if (in_sim())
        skip("there are no FIFOs in sim");
    check_ok(open_shop(&s, &shop));
    check_eq(mkfifo(scratch_path("www/fifo"), 0600), 0);
    check_eq(get(&shop, "/fifo", "", got, sizeof got), 404);
}

TEST_ON_ALL(site_static, what_may_not_be_read_is_forbidden)
{
    struct shop shop = { 0 };
    char        got[4096];
    HOB_SCOPE(s);

    if (in_sim() || geteuid() == 0)
        skip("nobody is refused access");
    check_ok(open_shop(&s, &shop));
    check_ok(hob_path_chmod(scratch_path("www/style.css"), 0));
    check_eq(get(&shop, "/style.css", "", got, sizeof got), 403);
}

/* A link is put in the place of a file, again and again, while it is asked for. */
struct swap {
    int  rounds;
    bool done;
};

static int swap_links(void *arg)
{
    struct swap *swap = arg;
    for (int i = 0; i < swap->rounds; i++) {
        check_ok(hob_path_symlink(i % 2 ? "page.html" : "../../secret", scratch_path("www/sub/new")));
        check_ok(hob_path_rename(scratch_path("www/sub/new"), scratch_path("www/sub/turn"), 0));
        hob_yield();
    }
    swap->done = true;
    return 0;
}

TEST_ON_ALL(site_static, a_link_that_is_put_there_meanwhile_leads_nowhere)
{
    struct shop shop = { 0 };
    struct swap swap = { .rounds = 60 };
    char        got[4096];
    HOB_SCOPE(s);

    check_ok(open_shop(&s, &shop));
    hob_go(&s, swap_links, &swap);
    while (!swap.done) {
        int status = get(&shop, "/sub/turn", "", got, sizeof got);
        check(status == 404 || strcmp(body_of(got), "a page") == 0);
        check(strstr(got, "outside") == NULL);
    }
    hob_scope_cancel(&s, "seen");
}

TEST(site_static, without_memory_nothing_is_made_and_requests_fail_alone)
{
    static const hob_static_type TYPES[] = { { "xyz", "text/x-mine" } };
    struct shop shop = { .opts = { .listing = 1, .types = TYPES, .type_count = 1 } };
    char        got[4096];
    HOB_SCOPE(s);

    check_ok(open_shop(&s, &shop));
    hob_static *files = NULL;
    int         at = 1;
    for (; files == NULL; at++) {
        hob__site_fail_at = at;
        int r = hob_static_open(scratch_path("www"), &shop.opts, &files);
        hob__site_fail_at = 0;
        check(r == 0 || r == -ENOMEM);
    }
    hob_static_close(files);
    check_eq(at, 10);
    int status = 0;
    for (at = 1; status != 200; at++) {
        hob__site_fail_at = at;
        status = get(&shop, "/sub/", "", got, sizeof got);
        hob__site_fail_at = 0;
        check(status == 200 || status == 500);
    }
    check_gt(at, 5);
}

/* ---- on all workers ---- */

enum { TIMES_EACH = 20 };

static int serve_pair(void *arg)
{
    hob_stream *end = ((hob_stream **)arg)[0];
    (void)!hob_http_serve_stream(end, NULL, hob_static_handle, ((void **)arg)[1]);
    hob_stream_close(end);
    return 0;
}

/* On this worker, over a pair of streams in memory. */
static int ask_here(hob_static *files, const char *path, const char *wanted)
{
    hob_stream *client, *server;
    char        text[100], got[4096];
    size_t      len = 0;
    ssize_t     n;
    HOB_SCOPE(s);

    check_ok(hob_mem_pair(NULL, &client, &server));
    CLOSED_BY(close_stream) hob_stream *mine = client;
    void *both[2] = { server, files };
    int r = hob_go(&s, serve_pair, both);
    if (r < 0)
        hob_stream_close(server);
    check_ok(r);
    snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", path);
    check_eq(hob_stream_write(mine, text, strlen(text)), strlen(text));
    while ((n = hob_stream_read(mine, got + len, sizeof got - 1 - len)) > 0)
        len += (size_t)n;
    got[len] = '\0';
    check_has(got, wanted);
    return hob_scope_end(&s);
}

static int ask_often(void *arg)
{
    for (int i = 0; i < TIMES_EACH; i++) {
        check_ok(ask_here(arg, "/style.css", "\r\n\r\nplain css"));
        check_ok(ask_here(arg, "/sub/", "page.html"));
        check_ok(ask_here(arg, "/none", "404 Not Found"));
        check_ok(ask_here(arg, "/out", "404 Not Found"));
    }
    return 0;
}

TEST_WITH_WORKERS(site_static, all_workers_give_out_the_same_folder, 4)
{
    struct timespec times[2] = { { 1, 0 }, { 1, 0 } }; // so old that it may be kept in memory
    hob_static     *files;

    check_ok(hob_path_mkdirs(hob_test_scratch(), 0700)); // a run of its own has a disk of its own in sim
    check_ok(make_files());
    check_ok(hob_path_utimes(scratch_path("www/style.css"), times));
    for (int round = 0; round < 2; round++) { // from the disk alone; and from memory
        HOB_SCOPE(s);
        check_ok(hob_static_open(scratch_path("www"),
                                 &(hob_static_opts){ .listing = 1, .memory_bytes = round > 0 ? 100000 : 0 }, &files));
        for (uint32_t i = 0; i < 8; i++)
            check_ok(go_on(&s, i, ask_often, files));
        check_ok(hob_scope_end(&s));
        for (uint32_t i = 0; i < 4 && round > 0; i++)
            check(files->shelves[i] != NULL && files->shelves[i]->newest != NULL);
        hob_static_close(files);
    }
    return 0;
}
