/* SPDX-License-Identifier: MIT */
/*
 * Each of our allocations fails in turn: the call says so, and nothing is lost, of libcurl's neither,
 * which is counted: it is given this program's memory before the library asks for it.
 */
#include <curl/curl.h>

#include "fetch/memory.h"
#include "fetch/peers.h"

static long curl_blocks, our_fail_at;

static void *curl_malloc(size_t size)
{
    void *ptr = malloc(size);
    curl_blocks += ptr != NULL;
    return ptr;
}

static void curl_free_fn(void *ptr)
{
    curl_blocks -= ptr != NULL;
    free(ptr);
}

static void *curl_realloc(void *ptr, size_t size)
{
    void *moved = realloc(ptr, size);
    curl_blocks += ptr == NULL && moved != NULL;
    return moved;
}

static char *curl_strdup(const char *text)
{
    char *copy = strdup(text);
    curl_blocks += copy != NULL;
    return copy;
}

static void *curl_calloc(size_t count, size_t size)
{
    void *ptr = calloc(count, size);
    curl_blocks += ptr != NULL;
    return ptr;
}

__attribute__((constructor)) static void give_curl_memory(void)
{
    curl_global_init_mem(CURL_GLOBAL_DEFAULT, curl_malloc, curl_free_fn, curl_realloc, curl_strdup, curl_calloc);
}

static void *our_realloc(void *ptr, size_t size)
{
    return our_fail_at > 0 && --our_fail_at == 0 ? NULL : realloc(ptr, size);
}

static int echo(hob_http_request *req, void *arg)
{
    char  *data;
    size_t len;
    if (strcmp(hob_http_path(req), "/302") == 0) {
        HOB_TRY(hob_http_set_header(req, "Location", "/end"));
        return hob_http_reply_text(req, 307, "there\n");
    }
    HOB_TRY(hob_http_read_all(req, 100000, &data, &len));
    if (strcmp(hob_http_path(req), "/gzip") == 0)
        HOB_TRY(hob_http_set_header(req, "Content-Encoding", "gzip"));
    HOB_TRY(hob_http_set_header(req, "Set-Cookie", "a=b"));
    int r = hob_http_reply(req, 200, NULL, data, len);
    free(data);
    return r;
}

enum { LEN = 5000 };

static int use_gzip(struct site *site, hob_fetch_client *client)
{
    static const unsigned char HELLO[] = { 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0xcb, 0x48, 0xcd, 0xc9, 0xc9, 7, 0,
                                           0x86, 0xa6, 0x10, 0x36, 5, 0, 0, 0 };
    hob_fetch_opts opts = { .body = HELLO, .body_len = sizeof HELLO, .compressed = 1 };
    char           got[10];
    ANSWER(page);

    HOB_TRY(hob_fetch_open(client, AT(site, "/gzip"), &opts, NULL, &page));
    check_eq(HOB_TRY(hob_fetch_read(page, got, sizeof got)), 5);
    check_mem(got, "hello", 5);
    return (int)HOB_TRY(hob_fetch_read(page, got, sizeof got));
}

/* With a client of its own: a form's worth of everything that takes memory. */
static int use_it(struct site *site)
{
    static const hob_fetch_header HEADER = { "X-A", "b" };
    char           body[LEN], got[LEN];
    hob_fetch_opts opts = { .headers = &HEADER, .header_count = 1, .body = body, .body_len = LEN,
                            .user = "ann", .password = "x" };
    hob_fetch_opts upload = { .upload = 1 };
    size_t         at = 0;
    ssize_t        n;
    HOB_SCOPE(s);
    CLIENT(client);
    ANSWER(page);
    ANSWER(piecewise);

    fill((unsigned char *)body, LEN, 0, 1);
    HOB_TRY(hob_fetch_client_new(&s, &(hob_fetch_client_opts){ .cookies = 1, .no_proxy = "*", .proxy = "a" }, &client));
    HOB_TRY(hob_fetch_with(client, AT(site, "/302"), &opts, NULL, &page));
    check_eq(hob_fetch_body_len(page), LEN);
    check_mem(hob_fetch_body(page), body, LEN);
    HOB_TRY(hob_fetch_open(client, AT(site, "/x"), &upload, NULL, &piecewise));
    HOB_TRY(hob_fetch_write(piecewise, body, LEN));
    HOB_TRY(hob_fetch_finish(piecewise));
    while ((n = HOB_TRY(hob_fetch_read(piecewise, got + at, LEN - at))) > 0)
        at += (size_t)n;
    check_eq(at, LEN);
    check_mem(got, body, LEN);
    close_answer(&piecewise);
    return use_gzip(site, client);
}

TEST_ON_ALL(fetch_memory, each_of_our_allocations_may_fail_and_nothing_is_lost)
{
    NOT_IN_SIM();
    struct site site = { .handler = echo };
    HOB_SCOPE(s);
    check_ok(open_site(&s, &site));
    check_ok(use_it(&site));
    long ours = hob__fetch_blocks, theirs = curl_blocks, at = 0;
    hob__fetch_realloc_fn = our_realloc;
    for (bool has_failed = true; has_failed; ) {
        our_fail_at = ++at;
        int r = use_it(&site);
        has_failed = our_fail_at == 0;
        our_fail_at = 0;
        if (r != (has_failed ? -ENOMEM : 0))
            fail("number %ld: %s", at, hob_error_name(r));
        check_eq(hob__fetch_blocks, ours);
        check_eq(curl_blocks, theirs);
    }
    hob__fetch_realloc_fn = realloc;
    check_gt(at, 15);
}
