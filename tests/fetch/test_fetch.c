/* SPDX-License-Identifier: MIT */
/* The client, with a server that means well. */
#include "fetch/peers.h"

static int tell(hob_http_request *req, void *arg)
{
    return hob_http_reply_text(req, 200, "Hello, World!\n");
}

TEST_ON_ALL(fetch, a_page_comes_whole_with_its_status_and_headers)
{
    NOT_IN_SIM();
    struct site site = { .handler = tell };
    HOB_SCOPE(s);
    ANSWER(page);
    check_ok(open_site(&s, &site));
    check_ok(hob_fetch(AT(&site, "/"), &page));
    check_eq(hob_fetch_status(page), 200);
    check_eq(hob_fetch_version_of(page), 11);
    check_str(hob_fetch_body(page), "Hello, World!\n");
    check_eq(hob_fetch_body_len(page), 14);
    check_str(hob_fetch_header_of(page, "content-TYPE"), "text/plain; charset=utf-8");
    check_str(hob_fetch_url(page), AT(&site, "/"));
}

TEST_ON_ALL(fetch, a_connection_serves_many)
{
    NOT_IN_SIM();
    struct site     site = { .handler = tell };
    hob_fetch_stats stats;
    HOB_SCOPE(s);
    check_ok(open_site(&s, &site));
    for (int i = 0; i < 50; i++) {
        ANSWER(page);
        check_ok(hob_fetch(AT(&site, "/"), &page));
        check_eq(hob_fetch_status(page), 200);
    }
    hob_fetch_stats_get(NULL, &stats);
    check_eq(stats.exchanges, 50);
    check_eq(stats.connected, 1);
    check_eq(stats.reused, 49);
    check_eq(stats.running, 0);
    check_eq(site.stats.accepted, 1);
}

/* ---- what is asked ---- */

/* Tells the request: its method, target, some of its headers, and its body. */
static int mirror(hob_http_request *req, void *arg)
{
    static const char *const SHOWN[] = { "Host", "Content-Type", "Content-Length", "X-A", "User-Agent",
                                         "Authorization", "Cookie", "Accept-Encoding" };
    char  *data, text[8192];
    size_t len, at;

    HOB_TRY(hob_http_read_all(req, 1 << 20, &data, &len));
    at = (size_t)snprintf(text, sizeof text, "%s %s\n", hob_http_method(req), hob_http_target(req));
    for (size_t i = 0; i < sizeof SHOWN / sizeof SHOWN[0]; i++) {
        const char *value = hob_http_header(req, SHOWN[i]);
        if (value != NULL)
            at += (size_t)snprintf(text + at, sizeof text - at, "%s: %.500s\n", SHOWN[i], value);
    }
    snprintf(text + at, sizeof text - at, "\n%.2000s", data);
    free(data);
    return hob_http_reply_text(req, 200, text);
}

TEST_ON_ALL(fetch, method_headers_and_body_go_as_they_are_given)
{
    NOT_IN_SIM();
    struct site      site = { .handler = mirror };
    hob_fetch_header headers[] = { { "X-A", "one" }, { "x-empty", "" }, { "User-Agent", "tester" } };
    hob_fetch_opts   opts = { .method = "PUT", .headers = headers, .header_count = 3, .body = "hello",
                              .body_len = 5, .body_type = "text/x-y" };
    HOB_SCOPE(s);
    check_ok(open_site(&s, &site));
    {
        ANSWER(page);
        check_ok(hob_fetch_with(NULL, AT(&site, "/a?b=c#d"), &opts, NULL, &page));
        check_has(hob_fetch_body(page), "PUT /a?b=c\n");
        check_has(hob_fetch_body(page), "Content-Type: text/x-y\nContent-Length: 5\nX-A: one\nUser-Agent: tester\n");
        check_has(hob_fetch_body(page), "\n\nhello");
    }
    ANSWER(page);
    check_ok(hob_fetch_with(NULL, AT(&site, ""), &(hob_fetch_opts){ .body = "" }, NULL, &page));
    check_has(hob_fetch_body(page), "POST /\n");
    check_has(hob_fetch_body(page), "Content-Length: 0\nUser-Agent: hob/");
    check(strstr(hob_fetch_body(page), "Content-Type") == NULL);
}

TEST_ON_ALL(fetch, the_answer_to_head_has_no_body)
{
    NOT_IN_SIM();
    struct site site = { .handler = tell };
    HOB_SCOPE(s);
    check_ok(open_site(&s, &site));
    for (int i = 0; i < 2; i++) {
        ANSWER(page);
        check_ok(hob_fetch_with(NULL, AT(&site, "/"), &(hob_fetch_opts){ .method = "HEAD" }, NULL, &page));
        check_eq(hob_fetch_status(page), 200);
        check_str(hob_fetch_header_of(page, "Content-Length"), "14");
        check_eq(hob_fetch_body_len(page), 0);
    }
    check_eq(site.stats.accepted, 1);
}

TEST_ON_ALL(fetch, a_form_of_parts_is_sent)
{
    NOT_IN_SIM();
    struct site    site = { .handler = mirror };
    hob_fetch_part parts[] = { { .name = "who", .data = "ann", .len = 3 },
                               { .name = "photo", .data = "\x89PNG", .len = 4, .file_name = "a.png",
                                 .type = "image/png" } };
    hob_fetch_opts opts = { .parts = parts, .part_count = 2 };
    HOB_SCOPE(s);
    ANSWER(page);
    check_ok(open_site(&s, &site));
    check_ok(hob_fetch_with(NULL, AT(&site, "/"), &opts, NULL, &page));
    check_has(hob_fetch_body(page), "POST /\n");
    check_has(hob_fetch_body(page), "Content-Type: multipart/form-data; boundary=");
    check_has(hob_fetch_body(page), "form-data; name=\"who\"\r\n\r\nann\r\n");
    check_has(hob_fetch_body(page), "name=\"photo\"; filename=\"a.png\"\r\nContent-Type: image/png\r\n\r\n\x89PNG\r\n");
}

TEST_ON_ALL(fetch, credentials_are_told_in_the_way_that_was_asked_for)
{
    NOT_IN_SIM();
    struct site site = { .handler = mirror };
    HOB_SCOPE(s);
    check_ok(open_site(&s, &site));
    {
        ANSWER(page);
        hob_fetch_opts opts = { .user = "ann", .password = "s:x" };
        check_ok(hob_fetch_with(NULL, AT(&site, "/"), &opts, NULL, &page));
        check_has(hob_fetch_body(page), "Authorization: Basic YW5uOnM6eA==\n");
    }
    ANSWER(page);
    check_ok(hob_fetch_with(NULL, AT(&site, "/"), &(hob_fetch_opts){ .bearer = "t0k" }, NULL, &page));
    check_has(hob_fetch_body(page), "Authorization: Bearer t0k\n");
}

/* Tells the request with all of its headers, and its body. */
static int mirror_all(hob_http_request *req, void *arg)
{
    const char *name, *value;
    char       *data, text[8192];
    size_t      len, at;

    HOB_TRY(hob_http_read_all(req, 1 << 20, &data, &len));
    at = (size_t)snprintf(text, sizeof text, "%s %s\n", hob_http_method(req), hob_http_target(req));
    for (size_t i = 0; hob_http_header_at(req, i, &name, &value); i++)
        at += (size_t)snprintf(text + at, sizeof text - at, "%s: %.500s\n", name, value);
    snprintf(text + at, sizeof text - at, "\n%.2000s", data);
    free(data);
    return hob_http_reply_text(req, 200, text);
}

TEST_ON_ALL(fetch, what_one_exchange_has_asked_is_nothing_to_the_next)
{
    NOT_IN_SIM();
    struct site       site = { .handler = mirror_all };
    hob_fetch_header  header = { "X-A", "one" };
    hob_fetch_part    part = { .name = "a", .data = "", .len = 0 };
    const hob_fetch_opts BEFORE[] = {
        { .user = "ann", .password = "secret" }, { .bearer = "token" }, { .method = "HEAD" },
        { .method = "DELETE" }, { .method = "HEAD", .headers = &header, .header_count = 1 },
        { .body = "x", .body_len = 1, .body_type = "text/x" }, { .method = "PUT", .body = "" },
        { .method = "GET", .body = "" }, { .parts = &part, .part_count = 1 }, { .plain = 1 },
        { .headers = &header, .header_count = 1, .connect_ns = HOB_SEC },
    };
    HOB_SCOPE(s);
    CLIENT(client);
    ANSWER(first);
    check_ok(open_site(&s, &site));
    check_ok(hob_fetch_client_new(&s, NULL, &client));
    check_ok(hob_fetch_with(client, AT(&site, "/"), NULL, NULL, &first));
    check_has(hob_fetch_body(first), "GET /\nHost: 127.0.0.1:");
    check_has(hob_fetch_body(first), "Accept-Encoding: gzip\n");
    for (size_t i = 0; i < sizeof BEFORE / sizeof BEFORE[0]; i++) {
        ANSWER(before);
        ANSWER(plain);
        check_ok(hob_fetch_with(client, AT(&site, "/other"), &BEFORE[i], NULL, &before));
        check(strcmp(hob_fetch_body(before), hob_fetch_body(first)) != 0);
        check_ok(hob_fetch_with(client, AT(&site, "/"), NULL, NULL, &plain));
        check_str(hob_fetch_body(plain), hob_fetch_body(first));
    }
}

TEST_ON_ALL(fetch, what_cannot_be_asked_is_told_before_anything_is_sent)
{
    NOT_IN_SIM();
    static const struct { const char *url; int error; const char *text; } URLS[] = {
        { "ftp://a.example/", -EPROTONOSUPPORT, "neither http nor https" },
        { "file:///etc/passwd", -EPROTONOSUPPORT, "neither http nor https" },
        { "a.example", -EINVAL, "the request" },
        { "http://", -EINVAL, "the request" },
        { "http://u:p@a.example/", -EINVAL, "give it as an option" },
        { "http://a.example/ b", -EINVAL, "the request" },
        { "http://a.example/\r\nX: y", -EINVAL, "the request" },
        { "http://a.example:99999/", -EINVAL, "the request" },
        { "http://[::1%25lo]/", -EINVAL, "the request" },
    };
    hob_fetch_trouble trouble;
    ANSWER(page);
    for (size_t i = 0; i < sizeof URLS / sizeof URLS[0]; i++) {
        check_err(hob_fetch_with(NULL, URLS[i].url, NULL, &trouble, &page), URLS[i].error);
        check_eq(trouble.step, HOB_FETCH_REQUEST);
        check_has(trouble.text, URLS[i].text);
    }
    static const hob_fetch_header BAD[] = { { "X", "a\r\nB: c" }, { "X Y", "" }, { "", "" }, { "X", "\x01" },
                                            { "Content-Length", "3" }, { "transfer-encoding", "chunked" } };
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        hob_fetch_opts opts = { .headers = &BAD[i], .header_count = 1 };
        check_err(hob_fetch_with(NULL, "http://127.0.0.1:1/", &opts, &trouble, &page), -EINVAL);
        check_eq(trouble.step, HOB_FETCH_REQUEST);
    }
    const hob_fetch_opts OPTS[] = { { .method = "GET /x" }, { .method = "CONNECT" }, { .upload = 1 },
                                    { .body = "", .part_count = 1, .parts = &(hob_fetch_part){ .name = "a" } },
                                    { .bearer = "a\nb" }, { .user = "a:b" }, { .body_length = -1 } };
    for (size_t i = 0; i < sizeof OPTS / sizeof OPTS[0]; i++)
        check_err(hob_fetch_with(NULL, "http://127.0.0.1:1/", &OPTS[i], &trouble, &page), -EINVAL);
}

/* ---- streams ---- */

enum { MANY = 3000000 };

struct flood {
    uint64_t written;
};

static int flood(hob_http_request *req, void *arg)
{
    struct flood *f = arg;
    unsigned char piece[5000];
    HOB_TRY(hob_http_begin(req, 200, NULL, f == NULL ? -1 : MANY));
    for (size_t at = 0; at < MANY; at += sizeof piece) {
        fill(piece, sizeof piece, at, 0);
        HOB_TRY(hob_http_write(req, piece, sizeof piece));
        if (f != NULL)
            f->written += sizeof piece;
    }
    return 0;
}

static int read_flood(hob_fetch_answer *page)
{
    unsigned char buf[7777];
    size_t        at = 0;
    ssize_t       n;
    while ((n = check_ok(hob_fetch_read(page, buf, sizeof buf))) > 0) {
        check(is_filled(buf, (size_t)n, at, 0));
        at += (size_t)n;
    }
    check_eq(at, MANY);
    return 0;
}

TEST_ON_ALL(fetch, a_body_is_read_as_slowly_as_one_likes_and_the_server_waits)
{
    NOT_IN_SIM();
    struct flood f = { 0 };
    struct site  site = { .handler = flood, .arg = &f };
    HOB_SCOPE(s);
    ANSWER(page);
    check_ok(open_site(&s, &site));
    check_ok(hob_fetch_open(NULL, AT(&site, "/"), NULL, NULL, &page));
    check_eq(hob_fetch_status(page), 200);
    // The kernel's buffers fill, then nothing moves any more.
    uint64_t before = 1;
    for (int quiet = 0; quiet < 20; quiet = f.written == before ? quiet + 1 : 0) {
        before = f.written;
        check_ok(hob_sleep(5 * HOB_MSEC));
    }
    hob_fetch_stats stats;
    hob_fetch_stats_get(NULL, &stats);
    check_le(stats.body_bytes, 2 * 65536);
    check_ok(read_flood(page));
    check_eq(hob_fetch_read(page, &before, 1), 0);
}

static int echo(hob_http_request *req, void *arg)
{
    hob_copied copied;
    HOB_TRY(hob_http_begin(req, 200, NULL, -1));
    return hob_copy(hob_http_stream(req), hob_http_stream(req), NULL, &copied);
}

static int write_flood(void *arg)
{
    hob_fetch_answer *page = arg;
    unsigned char     piece[5000];
    for (size_t at = 0; at < MANY; at += sizeof piece) {
        fill(piece, sizeof piece, at, 0);
        check_eq(check_ok(hob_fetch_write(page, piece, sizeof piece)), sizeof piece);
    }
    return hob_fetch_finish(page);
}

TEST_ON_ALL(fetch, a_request_is_written_while_its_answer_is_read)
{
    NOT_IN_SIM();
    struct site site = { .handler = echo, .opts = { .body_bytes_max = 10 * MANY } };
    HOB_SCOPE(s);
    check_ok(open_site(&s, &site));
    for (int round = 0; round < 2; round++) { // of unknown length, and of a known one
        hob_fetch_opts opts = { .upload = 1, .body_length = round == 0 ? 0 : MANY };
        HOB_SCOPE(both);
        ANSWER(page);
        check_ok(hob_fetch_open(NULL, AT(&site, "/"), &opts, NULL, &page));
        check_eq(hob_fetch_status(page), 0);
        check_ok(hob_go(&both, write_flood, page));
        check_ok(hob_fetch_wait(page));
        check_eq(hob_fetch_status(page), 200);
        check_ok(read_flood(page));
        check_ok(hob_scope_end(&both));
    }
}

static void close_it(void *arg)
{
    hob_stream_close(arg);
}

static int count_bytes(hob_http_request *req, void *arg)
{
    char    buf[4096], text[100];
    ssize_t n, all = 0;
    while ((n = HOB_TRY(hob_http_read(req, buf, sizeof buf))) > 0)
        all += n;
    snprintf(text, sizeof text, "%zd of %lld", all, (long long)hob_http_body_length(req));
    return hob_http_reply_text(req, 200, text);
}

TEST_ON_ALL(fetch, a_stream_is_sent_as_a_body)
{
    NOT_IN_SIM();
    struct site site = { .handler = count_bytes };
    HOB_SCOPE(s);
    check_ok(open_site(&s, &site));
    for (int round = 0; round < 2; round++) {
        hob_stream *ours, *theirs;
        ANSWER(page);
        check_ok(hob_mem_pair(NULL, &ours, &theirs));
        HOB_DEFER(close_it, ours);
        HOB_DEFER(close_it, theirs);
        check_ok(hob_stream_write(ours, "abcdefghij", 10));
        if (round == 0)
            check_ok(hob_stream_shutdown(ours));
        hob_fetch_opts opts = { .body_stream = theirs, .body_length = round == 0 ? 0 : 7 };
        check_ok(hob_fetch_with(NULL, AT(&site, "/"), &opts, NULL, &page));
        check_str(hob_fetch_body(page), round == 0 ? "10 of -1" : "7 of 7");
    }
}

TEST_ON_ALL(fetch, a_body_that_ends_early_or_whose_stream_fails_is_an_error)
{
    NOT_IN_SIM();
    struct site       site = { .handler = count_bytes };
    hob_fetch_trouble trouble;
    hob_stream *ours, *theirs;
    HOB_SCOPE(s);
    ANSWER(page);
    check_ok(open_site(&s, &site));
    check_ok(hob_mem_pair(NULL, &ours, &theirs));
    HOB_DEFER(close_it, theirs);
    check_ok(hob_stream_write(ours, "abc", 3));
    check_ok(hob_stream_shutdown(ours));
    hob_stream_close(ours);
    hob_fetch_opts opts = { .body_stream = theirs, .body_length = 7 };
    check_err(hob_fetch_with(NULL, AT(&site, "/"), &opts, &trouble, &page), -EPROTO);
    check_eq(trouble.step, HOB_FETCH_SEND);
    opts = (hob_fetch_opts){ .upload = 1, .body_length = 3 };
    check_ok(hob_fetch_open(NULL, AT(&site, "/"), &opts, NULL, &page));
    check_err(hob_fetch_write(page, "abcd", 4), -EMSGSIZE);
    check_eq(hob_fetch_write(page, "a", 1), 1);
    check_err(hob_fetch_finish(page), -EPROTO);
    check_err(hob_fetch_wait(page), -EPROTO);
}

static int refuse_it(hob_http_request *req, void *arg)
{
    return hob_http_reply_text(req, 413, "no\n"); // without reading it
}

TEST_ON_ALL(fetch, an_answer_before_the_end_of_the_request_ends_the_writing)
{
    NOT_IN_SIM();
    struct site    site = { .handler = refuse_it };
    hob_fetch_opts opts = { .upload = 1 };
    char           piece[10000] = "", got[10];
    ssize_t        n = 0;
    HOB_SCOPE(s);
    ANSWER(page);
    check_ok(open_site(&s, &site));
    check_ok(hob_fetch_open(NULL, AT(&site, "/"), &opts, NULL, &page));
    for (int i = 0; n >= 0 && i < 10000; i++)
        n = hob_fetch_write(page, piece, sizeof piece);
    check(n == -EPIPE || n == -ECONNRESET);
    if (n == -EPIPE) {
        check_eq(hob_fetch_status(page), 413);
        check_eq(hob_fetch_read(page, got, sizeof got), 3);
    }
}

/* ---- redirects ---- */

static int lead(hob_http_request *req, void *arg)
{
    const char *path = hob_http_path(req), *other = arg;
    int         status = atoi(path + 1);
    char        to[300];
    if (status == 0)
        return mirror(req, NULL);
    snprintf(to, sizeof to, "%s%s", strstr(path, "far") != NULL ? other : "",
             strstr(path, "loop") != NULL ? path : strstr(path, "ftp") != NULL ? "ftp://x/" : "/end?x");
    HOB_TRY(hob_http_set_header(req, "Location", to));
    return hob_http_reply_text(req, status, NULL);
}

TEST_ON_ALL(fetch, redirects_are_followed_as_browsers_do)
{
    NOT_IN_SIM();
    static const struct { const char *method, *path, *first_line; } CASES[] = {
        { "GET", "/301", "GET /end?x\n" },   { "GET", "/302", "GET /end?x\n" },
        { "POST", "/301", "GET /end?x\n" },  { "POST", "/302", "GET /end?x\n" },
        { "POST", "/303", "GET /end?x\n" },  { "PUT", "/303", "GET /end?x\n" },
        { "PUT", "/302", "PUT /end?x\n" },   { "POST", "/307", "POST /end?x\n" },
        { "POST", "/308", "POST /end?x\n" }, { "DELETE", "/308", "DELETE /end?x\n" },
    };
    struct site site = { .handler = lead, .arg = "" };
    HOB_SCOPE(s);
    check_ok(open_site(&s, &site));
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        for (int open = 0; open < 2; open++) {
            bool has_body = CASES[i].method[0] == 'P';
            char buf[4096] = "";
            hob_fetch_opts  opts = { .method = CASES[i].method, .body = has_body ? "hi" : NULL,
                                     .body_len = has_body ? 2 : 0 };
            hob_fetch_times times;
            ANSWER(page);
            check_ok((open ? hob_fetch_open : hob_fetch_with)(NULL, AT(&site, CASES[i].path), &opts, NULL, &page));
            if (open)
                check_ok(hob_fetch_read(page, buf, sizeof buf - 1));
            else
                strcpy(buf, hob_fetch_body(page));
            check_eq(hob_fetch_status(page), 200);
            check_has(buf, CASES[i].first_line);
            check_eq(strstr(buf, "\n\nhi") != NULL, has_body && CASES[i].first_line[0] == 'P');
            check_str(hob_fetch_url(page), AT(&site, "/end?x"));
            hob_fetch_times_get(page, &times);
            check_eq(times.redirects, 1);
        }
    }
    check_eq(site.stats.accepted, 1); // also the connections of those are kept
    ANSWER(page);
    check_ok(hob_fetch_with(NULL, AT(&site, "/302"), &(hob_fetch_opts){ .redirects_max = -1 }, NULL, &page));
    check_eq(hob_fetch_status(page), 302);
}

TEST_ON_ALL(fetch, credentials_stay_with_the_host_that_they_are_for)
{
    NOT_IN_SIM();
    struct site      end = { .handler = mirror }, site = { .handler = lead };
    hob_fetch_header headers[] = { { "Cookie", "a=b" }, { "X-A", "goes" }, { "Authorization", "Mine" } };
    HOB_SCOPE(s);
    check_ok(open_site(&s, &end));
    struct url other = url_at(&end.addr, "");
    site.arg = other.text;
    check_ok(open_site(&s, &site));
    for (int i = 0; i < 4; i++) {
        bool           is_far = i % 2 == 1;
        hob_fetch_opts opts = { .headers = headers, .header_count = i < 2 ? 3 : 2,
                                .user = i < 2 ? NULL : "ann" };
        ANSWER(page);
        check_ok(hob_fetch_with(NULL, AT(&site, is_far ? "/302far" : "/302"), &opts, NULL, &page));
        check_has(hob_fetch_body(page), "X-A: goes\n");
        check_eq(strstr(hob_fetch_body(page), "Cookie: a=b\n") == NULL, is_far);
        check_eq(strstr(hob_fetch_body(page), "Authorization: ") == NULL, is_far);
    }
}

/* ---- limits ---- */

static int wait_a_little(hob_http_request *req, void *arg)
{
    int *most = arg;
    static int now;
    if (++now > *most)
        *most = now;
    int r = hob_sleep(5 * HOB_MSEC);
    now--;
    return r < 0 ? r : hob_http_reply_text(req, 200, NULL);
}

struct asking {
    hob_fetch_client *client;
    const char       *url;
};

static int ask_once(void *arg)
{
    struct asking *asking = arg;
    ANSWER(page);
    check_ok(hob_fetch_with(asking->client, asking->url, NULL, NULL, &page));
    check_eq(hob_fetch_status(page), 200);
    return 0;
}

TEST_ON_ALL(fetch, no_more_are_asked_at_once_than_may_be)
{
    NOT_IN_SIM();
    int         most = 0;
    struct site site = { .handler = wait_a_little, .arg = &most };
    HOB_SCOPE(s);
    CLIENT(client);
    check_ok(open_site(&s, &site));
    hob_fetch_client_opts opts = { .requests_per_host_max = 3 };
    check_ok(hob_fetch_client_new(&s, &opts, &client));
    struct url    url = url_at(&site.addr, "/");
    struct asking asking = { client, url.text };
    HOB_SCOPE(all);
    for (int i = 0; i < 30; i++)
        check_ok(hob_go(&all, ask_once, &asking));
    check_ok(hob_scope_end(&all));
    hob_fetch_stats stats;
    hob_fetch_stats_get(client, &stats);
    check_eq(most, 3);
    check_le(stats.connected, 3);
    check_eq(stats.waiting, 0);
}

static int gate(void *arg, const hob_addr *addr)
{
    return hob_addr_in_network(addr, "127.0.0.0/8") == 1 ? -EACCES : 0;
}

TEST_ON_ALL(fetch, connecting_can_be_refused_by_address)
{
    NOT_IN_SIM();
    struct site           site = { .handler = tell };
    hob_fetch_client_opts opts = { .may_connect = gate };
    hob_fetch_trouble     trouble;
    HOB_SCOPE(s);
    CLIENT(client);
    ANSWER(page);
    check_ok(open_site(&s, &site));
    check_ok(hob_fetch_client_new(&s, &opts, &client));
    check_err(hob_fetch_with(client, AT(&site, "/"), NULL, &trouble, &page), -EACCES);
    check_eq(trouble.step, HOB_FETCH_CONNECT);
    check_eq(site.stats.accepted, 0);
}

TEST_ON_ALL(fetch, errors_say_which_step_failed_and_with_whom)
{
    NOT_IN_SIM();
    hob_fetch_trouble trouble;
    hob_addr          addr;
    ANSWER(page);
    {
        LISTENER(listener);
        check_ok(listen_here(&listener));
        addr = hob_tcp_listener_addr(listener);
    }
    struct url url = url_at(&addr, "/"), where = { "" };
    snprintf(where.text, sizeof where.text, "127.0.0.1:%u: connecting: Connection refused", hob_addr_port(&addr));
    check_err(hob_fetch_with(NULL, url.text, NULL, &trouble, &page), -ECONNREFUSED);
    check_eq(trouble.step, HOB_FETCH_CONNECT);
    check_has(trouble.text, where.text);
    check_err(hob_fetch_with(NULL, "http://nobody.invalid/", NULL, &trouble, &page), -ENOENT);
    check_eq(trouble.step, HOB_FETCH_NAME);
    check_has(trouble.text, "nobody.invalid:80: looking up the name: there is no such name");
}

/* ---- further attempts ---- */

static int busy_at_first(hob_http_request *req, void *arg)
{
    int *left = arg;
    if ((*left)-- <= 0)
        return hob_http_reply_text(req, 200, "at last");
    HOB_TRY(hob_http_set_header(req, "Retry-After", strcmp(hob_http_path(req), "/long") == 0 ? "3600" : "0"));
    return hob_http_reply_text(req, 503, "busy");
}

TEST_ON_ALL(fetch, further_attempts_are_made_for_what_may_be_asked_twice)
{
    NOT_IN_SIM();
    int            left = 2;
    struct site    site = { .handler = busy_at_first, .arg = &left };
    hob_retry_opts retry = { .attempts_max = 3, .backoff_ns = HOB_MSEC };
    hob_fetch_times times;
    HOB_SCOPE(s);
    check_ok(open_site(&s, &site));
    {
        ANSWER(page);
        check_ok(hob_fetch_with(NULL, AT(&site, "/"), &(hob_fetch_opts){ .retry = &retry }, NULL, &page));
        check_str(hob_fetch_body(page), "at last");
        hob_fetch_times_get(page, &times);
        check_eq(times.attempts, 3);
    }
    {
        ANSWER(page); // the last answer is given
        left = 3;
        check_ok(hob_fetch_with(NULL, AT(&site, "/"), &(hob_fetch_opts){ .retry = &retry }, NULL, &page));
        check_eq(hob_fetch_status(page), 503);
        check_str(hob_fetch_body(page), "busy");
        check_eq(left, 0);
    }
    {
        ANSWER(page); // who says "in an hour" is believed
        left = 3;
        check_ok(hob_fetch_with(NULL, AT(&site, "/long"), &(hob_fetch_opts){ .retry = &retry }, NULL, &page));
        check_eq(hob_fetch_status(page), 503);
        check_eq(left, 2);
    }
    {
        ANSWER(page);
        hob_fetch_opts opts = { .retry = &retry, .body = "pay", .body_len = 3 };
        check_ok(hob_fetch_with(NULL, AT(&site, "/"), &opts, NULL, &page));
        check_eq(hob_fetch_status(page), 503);
        check_eq(left, 1);
        ANSWER(again);
        left = 2;
        opts.idempotent = 1;
        check_ok(hob_fetch_with(NULL, AT(&site, "/"), &opts, NULL, &again));
        check_eq(hob_fetch_status(again), 200);
    }
    ANSWER(page);
    left = 1;
    char buf[20] = "";
    check_ok(hob_fetch_open(NULL, AT(&site, "/"), &(hob_fetch_opts){ .retry = &retry }, NULL, &page));
    check_ok(hob_fetch_read(page, buf, sizeof buf - 1));
    check_str(buf, "at last");
}

/* ---- cookies, proxies ---- */

static int set_cookies(hob_http_request *req, void *arg)
{
    if (strcmp(hob_http_path(req), "/set") != 0)
        return mirror(req, NULL);
    HOB_TRY(hob_http_add_header(req, "Set-Cookie", "a=1; Path=/"));
    HOB_TRY(hob_http_add_header(req, "Set-Cookie", "b=2; Path=/; Domain=other.example"));
    return hob_http_reply_text(req, 200, NULL);
}

TEST_ON_ALL(fetch, cookies_are_kept_only_when_asked_for)
{
    NOT_IN_SIM();
    struct site site = { .handler = set_cookies };
    HOB_SCOPE(s);
    check_ok(open_site(&s, &site));
    for (unsigned keeps = 0; keeps < 2; keeps++) {
        CLIENT(client);
        ANSWER(first);
        ANSWER(second);
        check_ok(hob_fetch_client_new(&s, &(hob_fetch_client_opts){ .cookies = keeps }, &client));
        check_ok(hob_fetch_with(client, AT(&site, "/set"), NULL, NULL, &first));
        check_ok(hob_fetch_with(client, AT(&site, "/get"), NULL, NULL, &second));
        check_eq(strstr(hob_fetch_body(second), "Cookie: a=1\n") != NULL, keeps);
    }
}

TEST_ON_ALL(fetch, cookies_of_ones_own_go_with_those_that_are_kept)
{
    NOT_IN_SIM();
    static const hob_fetch_header MINE[] = { { "Cookie", "c=3" }, { "X-A", "y" }, { "cookie", "d=4; e=5" }, { "Cookie", "" } };
    struct site    site = { .handler = set_cookies };
    hob_fetch_opts opts = { .headers = MINE, .header_count = 4 };
    HOB_SCOPE(s);
    check_ok(open_site(&s, &site));
    for (unsigned i = 0; i < 2; i++) {
        CLIENT(client);
        ANSWER(first);
        ANSWER(second);
        check_ok(hob_fetch_client_new(&s, &(hob_fetch_client_opts){ .cookies = 1 }, &client));
        check_ok(hob_fetch_with(client, AT(&site, i == 0 ? "/set" : "/get"), NULL, NULL, &first));
        check_ok(hob_fetch_with(client, AT(&site, "/get"), &opts, NULL, &second));
        check_has(hob_fetch_body(second), i == 0 ? "Cookie: a=1; c=3; d=4; e=5\n" : "Cookie: c=3; d=4; e=5\n");
    }
}

TEST_ON_ALL(fetch, a_proxy_is_asked_when_told_to_and_not_for_its_exceptions)
{
    NOT_IN_SIM();
    struct site site = { .handler = tell }, proxy = { .handler = tell };
    struct url  url = { "" };
    HOB_SCOPE(s);
    check_ok(open_site(&s, &site));
    check_ok(open_site(&s, &proxy));
    snprintf(url.text, sizeof url.text, "127.0.0.1:%u", hob_addr_port(&proxy.addr));
    setenv("http_proxy", "http://127.0.0.1:1", 1); // nobody asks for it
    for (int i = 0; i < 4; i++) {
        static const char *const NO[] = { NULL, "a.example, .0.0.1", "*", "x.127.0.0.1" };
        CLIENT(client);
        ANSWER(page);
        hob_fetch_client_opts opts = { .proxy = url.text, .no_proxy = NO[i] };
        uint64_t before = proxy.stats.requests;
        check_ok(hob_fetch_client_new(&s, &opts, &client));
        check_ok(hob_fetch_with(client, AT(&site, "/"), NULL, NULL, &page));
        check_eq(hob_fetch_status(page), 200);
        check_eq(proxy.stats.requests - before, i == 0 || i == 3);
    }
    CLIENT(plain);
    CLIENT(told);
    ANSWER(page);
    check_ok(hob_fetch_client_new(&s, NULL, &plain));
    check_ok(hob_fetch_with(plain, AT(&site, "/"), NULL, NULL, &page));
    setenv("http_proxy", url.text, 1);
    check_ok(hob_fetch_client_new(&s, &(hob_fetch_client_opts){ .environment_proxy = 1 }, &told));
    ANSWER(other);
    uint64_t before = proxy.stats.requests;
    check_ok(hob_fetch_with(told, AT(&site, "/"), NULL, NULL, &other));
    check_eq(proxy.stats.requests, before + 1);
    unsetenv("http_proxy");
    hob_fetch_client *none;
    check_err(hob_fetch_client_new(&s, &(hob_fetch_client_opts){ .proxy = "socks4://a" }, &none), -EINVAL);
}

/* ---- whose it is ---- */

TEST(fetch, in_the_simulated_world_it_says_that_it_cannot)
{
    hob_fetch_client *client;
    hob_fetch_answer *page;
    HOB_SCOPE(s);
    check_err(hob_fetch_client_new(&s, NULL, &client), -ENOTSUP);
    check_err(hob_fetch("http://127.0.0.1:1/", &page), -ENOTSUP);
}

TEST_ON_ALL(fetch, answers_outlive_their_client_and_tell_that_it_has_ended)
{
    NOT_IN_SIM();
    struct site site = { .handler = flood, .arg = &(struct flood){ 0 } };
    char        buf[100];
    HOB_SCOPE(s);
    ANSWER(page);
    ANSWER(whole);
    check_ok(open_site(&s, &site));
    {
        HOB_SCOPE(short_one);
        CLIENT(client);
        check_ok(hob_fetch_client_new(&short_one, NULL, &client));
        check_ok(hob_fetch_open(client, AT(&site, "/"), NULL, NULL, &page));
        check_eq(hob_fetch_read(page, buf, sizeof buf), sizeof buf);
        check_ok(hob_scope_end(&short_one)); // a daemon does not hold it up
        check_err(hob_fetch_with(client, AT(&site, "/"), NULL, NULL, &whole), -ECANCELED);
    }
    ssize_t n;
    while ((n = hob_fetch_read(page, buf, sizeof buf)) > 0)
        ;
    check_eq(n, -ECANCELED);
    check_eq(hob_fetch_status(page), 200);
    check_has(hob_fetch_answer_trouble(page)->text, "the client has ended");
}
