/* SPDX-License-Identifier: MIT */
/* Files as answers: whole, in part, or not at all. Row 88 of SURVIVAL; and dates. */
#include "http/server.h"
#include "http/site.h"

struct shelf {
    const char *path;
};

static int give_file(hob_http_request *req, void *arg)
{
    struct shelf *shelf = arg;
    FILE_(file);
    HOB_TRY(hob_file_open(shelf->path, O_RDONLY, 0, &file));
    return hob_http_reply_file(req, "text/plain", file);
}

enum { LEN = 200000 };

/* A site with one file of LEN bytes that can be checked. */
static int open_shelf(hob_scope *s, struct site *site, struct shelf *shelf)
{
    BYTES(bytes, LEN);
    fill(bytes, LEN, 0, 3);
    shelf->path = scratch_path("file");
    check_ok(hob_path_write(shelf->path, bytes, LEN, 0600));
    site->handler = give_file;
    site->arg = shelf;
    return open_site(s, site);
}

static const char *header_of(const char *answer, const char *name, char *out)
{
    const char *at = strstr(answer, name);
    if (at == NULL)
        return NULL;
    at += strlen(name) + 2;
    size_t len = strcspn(at, "\r");
    memcpy(out, at, len);
    out[len] = '\0';
    return out;
}

/* Asks with these headers, on a connection of its own. The body is checked to be the file's from `from`
 * on; returns its length. */
static ssize_t get(struct site *site, const char *headers, uint64_t from, char *head, size_t size)
{
    BYTES(got, LEN + 2000);
    char text[20000];
    snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: a\r\n%s\r\n", headers);
    ssize_t n = check_ok(ask(site, text, (char *)got, LEN + 2000));
    const char *end = memmem(got, (size_t)n, "\r\n\r\n", 4);
    check(end != NULL);
    size_t head_len = (size_t)(end + 4 - (const char *)got), body = (size_t)n - head_len;
    snprintf(head, size, "%.*s", (int)head_len, (const char *)got);
    if (status_in(head) / 100 == 2)
        check(is_filled(got + head_len, body, from, 3));
    return (ssize_t)body;
}

TEST_AS(http_file, a_file_comes_whole_and_only_once_to_who_remembers_it,
        HOB_TEST_EACH_BACKEND | HOB_TEST_ONE_SEED, NULL)
{
    struct site  site = { 0 };
    struct shelf shelf;
    char         head[2048], headers[2048], tag[128], date[128];
    HOB_SCOPE(s);

    check_ok(open_shelf(&s, &site, &shelf));
    check_eq(get(&site, "", 0, head, sizeof head), LEN);
    check_eq(status_in(head), 200);
    check_has(head, "Accept-Ranges: bytes\r\n");
    check_has(head, "Content-Length: 200000\r\n");
    check(header_of(head, "ETag", tag) != NULL);
    check(header_of(head, "Last-Modified", date) != NULL);

    static const struct { const char *format; int with; int status; } CONDITIONS[] = {
        { "If-None-Match: %s\r\n", 't', 304 },        { "If-None-Match: *\r\n", 0, 304 },
        { "If-None-Match: W/%s\r\n", 't', 304 },      { "If-None-Match: \"x\", %s\r\n", 't', 304 },
        { "If-None-Match: \"x\"\r\n", 0, 200 },       { "If-Modified-Since: %s\r\n", 'd', 304 },
        { "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n", 0, 200 },
        { "If-Modified-Since: yesterday\r\n", 0, 200 },
        { "If-None-Match: \"x\"\r\nIf-Modified-Since: %s\r\n", 'd', 200 },
        { "If-Match: %s\r\n", 't', 200 },             { "If-Match: *\r\n", 0, 200 },
        { "If-Match: \"x\"\r\n", 0, 412 },            { "If-Match: W/%s\r\n", 't', 412 },
        { "If-Unmodified-Since: %s\r\n", 'd', 200 },
        { "If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n", 0, 412 },
        { "Range: bytes=0-9\r\nIf-Range: %s\r\n", 't', 206 },
        { "Range: bytes=0-9\r\nIf-Range: %s\r\n", 'd', 206 },
        { "Range: bytes=0-9\r\nIf-Range: \"x\"\r\n", 0, 200 },
        { "Range: bytes=0-9\r\nIf-Range: W/%s\r\n", 't', 200 },
        { "Range: bytes=0-9\r\nIf-None-Match: %s\r\n", 't', 304 },
    };
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    for (size_t i = 0; i < sizeof CONDITIONS / sizeof CONDITIONS[0]; i++) {
        snprintf(headers, sizeof headers, CONDITIONS[i].format, CONDITIONS[i].with == 't' ? tag : date);
        ssize_t n = get(&site, headers, 0, head, sizeof head);
        if (status_in(head) != CONDITIONS[i].status)
            fail("%s: %d, not %d", headers, status_in(head), CONDITIONS[i].status);
        check_eq(n, CONDITIONS[i].status == 200 ? LEN : CONDITIONS[i].status == 206 ? 10 : 0);
    }
#pragma GCC diagnostic pop
}

/* Row 88. */
TEST_AS(http_file, ranges_are_cut_out_and_never_multiplied,
        HOB_TEST_EACH_BACKEND | HOB_TEST_ONE_SEED, NULL)
{
    struct site  site = { 0 };
    struct shelf shelf;
    char         head[2048];
    HOB_SCOPE(s);

    check_ok(open_shelf(&s, &site, &shelf));
    static const struct { const char *range; int status; int from, len; const char *told; } RANGES[] = {
        { "bytes=0-9", 206, 0, 10, "bytes 0-9/200000" },
        { "bytes=0-0", 206, 0, 1, "bytes 0-0/200000" },
        { "bytes=100-199999", 206, 100, LEN - 100, "bytes 100-199999/200000" },
        { "bytes=199999-", 206, LEN - 1, 1, "bytes 199999-199999/200000" },
        { "bytes=0-", 206, 0, LEN, "bytes 0-199999/200000" },
        { "bytes=100-999999", 206, 100, LEN - 100, "bytes 100-199999/200000" },
        { "bytes=-10", 206, LEN - 10, 10, "bytes 199990-199999/200000" },
        { "bytes=-999999", 206, 0, LEN, "bytes 0-199999/200000" },
        { "Bytes=0-9", 206, 0, 10, "bytes 0-9/200000" },
        { "bytes=200000-", 416, 0, 0, "bytes */200000" },
        { "bytes=9223372036854775807-", 416, 0, 0, "bytes */200000" },
        { "bytes=-0", 416, 0, 0, "bytes */200000" },
        { "bytes=0-9,5-20", 200, 0, LEN, NULL },
        { "bytes=9-0", 200, 0, LEN, NULL },
        { "bytes=a-b", 200, 0, LEN, NULL },
        { "bytes=0-9x", 200, 0, LEN, NULL },
        { "bytes=", 200, 0, LEN, NULL },
        { "bytes=-", 200, 0, LEN, NULL },
        { "bytes=--5", 200, 0, LEN, NULL },
        { "bytes=18446744073709551616-", 200, 0, LEN, NULL },
        { "lines=0-9", 200, 0, LEN, NULL },
    };
    for (size_t i = 0; i < sizeof RANGES / sizeof RANGES[0]; i++) {
        char headers[128], told[128];
        snprintf(headers, sizeof headers, "Range: %s\r\n", RANGES[i].range);
        ssize_t n = get(&site, headers, (uint64_t)RANGES[i].from, head, sizeof head);
        if (status_in(head) != RANGES[i].status)
            fail("%s: %d", RANGES[i].range, status_in(head));
        if (RANGES[i].status != 416)
            check_eq(n, RANGES[i].len);
        check_str(header_of(head, "Content-Range", told), RANGES[i].told);
    }

    BYTES(thousand, 16000);
    size_t len = (size_t)sprintf((char *)thousand, "Range: bytes=");
    for (int i = 0; i < 1000; i++)
        len += (size_t)sprintf((char *)thousand + len, "%s0-%d", i == 0 ? "" : ",", i + 100000);
    sprintf((char *)thousand + len, "\r\n");
    check_eq(get(&site, (const char *)thousand, 0, head, sizeof head), LEN);
    check_eq(status_in(head), 200);
}

static int give_folder(hob_http_request *req, void *arg)
{
    FILE_(file);
    HOB_TRY(hob_file_open(hob_test_scratch(), O_RDONLY | O_DIRECTORY, 0, &file));
    check_err(hob_http_reply_file(req, NULL, file), -EISDIR);
    return hob_http_reply_text(req, 404, NULL);
}

TEST_ON_ALL(http_file, a_folder_is_no_file)
{
    struct site site = { .handler = give_folder };
    char        got[512];
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    check_ok(ask(&site, GET("/"), got, sizeof got));
    check_eq(status_in(got), 404);
}

TEST_ON_ALL(http_file, head_tells_of_the_file_and_an_empty_one_is_fine)
{
    struct site  site = { .handler = give_file };
    struct shelf shelf = { scratch_path("empty") };
    char         got[1024];
    HOB_SCOPE(s);

    check_ok(put_text(shelf.path, ""));
    site.arg = &shelf;
    check_ok(open_site(&s, &site));
    check_ok(ask(&site, "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n" GET("/"), got, sizeof got));
    check_eq(times_in(got, "Content-Length: 0\r\n"), 2);
    check_ok(ask(&site, "GET / HTTP/1.1\r\nHost: a\r\nRange: bytes=-5\r\n\r\n", got, sizeof got));
    check_eq(status_in(got), 416);
    check_ok(put_text(shelf.path, "12345"));
    check_ok(ask(&site, "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n" GET("/"), got, sizeof got));
    check_eq(times_in(got, "Content-Length: 5\r\n"), 2);
    check_eq(times_in(got, "12345"), 1);
}

/* ---- written over meanwhile ---- */

enum { LARGE = 4000000 };

struct rewritten {
    hob_http_filter filter; /* whose `begin` comes when the facts of the file were looked at */
    const char     *path;
    size_t          len;
    char            letter; /* what it is full of from then on */
};

static int write_letters(const char *path, char letter, size_t len)
{
    char *bytes = malloc(len > 0 ? len : 1);
    check(bytes != NULL);
    memset(bytes, letter, len);
    int r = hob_path_write(path, bytes, len, 0600);
    free(bytes);
    return r;
}

static int begin_and_write(hob_http_filter *filter, hob_http_request *req, int status, const char *type, int64_t length)
{
    struct rewritten *over = (struct rewritten *)filter;
    check_ok(hob_sleep(20 * HOB_MSEC)); // longer than a tick of the times of files
    check_ok(write_letters(over->path, over->letter, over->len));
    return hob_http_begin(req, status, type, length);
}

static int give_rewritten(hob_http_request *req, void *arg)
{
    struct rewritten *over = arg;
    FILE_(file);

    over->filter = (hob_http_filter){ .begin = begin_and_write };
    HOB_TRY(hob_file_open(over->path, O_RDONLY, 0, &file));
    hob_http_filter_push(req, &over->filter);
    int r = hob_http_reply_file(req, "text/plain", file);
    return hob_http_filter_pop(req, &over->filter, r);
}

/* How many bytes of the body came, which must be the letter. */
static size_t letters(const char *answer, size_t len, char letter)
{
    const char *body = memmem(answer, len, "\r\n\r\n", 4);
    size_t      n = 0;

    check(body != NULL);
    for (body += 4; body + n < answer + len; n++)
        check_eq(body[n], letter);
    return n;
}

TEST_ON_ALL(http_file, a_small_file_comes_as_it_was_when_it_began)
{
    struct rewritten over = { .path = scratch_path("small"), .letter = 'b' };
    struct site      site = { .handler = give_rewritten, .arg = &over };
    char             got[40000];
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    static const size_t lens[] = { 0, 100, 20000 }; // emptied; shorter; longer than it was
    for (size_t i = 0; i < 3; i++) {
        over.len = lens[i];
        check_ok(write_letters(over.path, 'a', 10000));
        ssize_t n = check_ok(ask(&site, GET("/"), got, sizeof got));
        check_eq(status_in(got), 200);
        check_eq(letters(got, (size_t)n, 'a'), 10000);
    }
    check_eq(site.stats.failed, 0);
}

TEST_ON_ALL(http_file, a_large_file_that_is_another_at_its_end_is_cut_off)
{
    static char      got[LEN + 2000];
    struct rewritten over = { .path = scratch_path("large"), .letter = 'b' };
    struct site      site = { .handler = give_rewritten, .arg = &over };
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    static const size_t lens[] = { LEN, 0, LEN - 1, LEN + 1000 };
    for (size_t i = 0; i < 4; i++) {
        over.len = lens[i];
        check_ok(write_letters(over.path, 'a', LEN));
        ssize_t n = check_ok(ask(&site, GET("/"), got, sizeof got));
        check_eq(status_in(got), 200);
        check_lt((const char *)got + n - strstr(got, "\r\n\r\n") - 4, LEN);
    }
    check_eq(site.stats.failed, 4);
}

/* Reads the begin of an answer, then has the file written over, then reads the rest. */
static ssize_t get_while_written(const struct site *site, const char *path, char letter, size_t len, char *got, size_t size)
{
    TCP(conn);
    check_ok(visit(site, &conn));
    check_ok(say(conn, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
    ssize_t begin = check_ok(hob_tcp_read(conn, got, 100));
    check_ok(hob_sleep(20 * HOB_MSEC));
    check_ok(write_letters(path, letter, len));
    return begin + check_ok(hear(conn, got + begin, size - (size_t)begin));
}

TEST_AS(http_file, what_goes_past_the_program_is_cut_off_if_it_becomes_another, HOB_TEST_EACH_BACKEND | HOB_TEST_ONE_SEED, NULL)
{
    struct shelf shelf = { scratch_path("huge") };
    struct site  site = { .handler = give_file, .arg = &shelf };
    char        *got = malloc(2 * LARGE);
    HOB_SCOPE(s);

    check(got != NULL);
    check_ok(open_site(&s, &site));
    static const size_t lens[] = { LARGE, LARGE / 2, 0, LARGE + 1000 };
    for (size_t i = 0; i < 4; i++) {
        check_ok(write_letters(shelf.path, 'a', LARGE));
        ssize_t n = get_while_written(&site, shelf.path, 'b', lens[i], got, 2 * LARGE);
        check_eq(status_in(got), 200);
        check_lt(n, LARGE);
    }
    free(got);
}

TEST_AS(http_file, a_file_that_grows_comes_as_long_as_it_was, HOB_TEST_EACH_BACKEND | HOB_TEST_ONE_SEED, NULL)
{
    struct shelf shelf = { scratch_path("log") };
    struct site  site = { .handler = give_file, .arg = &shelf };
    char        *got = malloc(2 * LARGE);
    HOB_SCOPE(s);

    check(got != NULL);
    check_ok(open_site(&s, &site));
    check_ok(write_letters(shelf.path, 'a', LARGE));
    ssize_t n = get_while_written(&site, shelf.path, 'a', LARGE + 4, got, 2 * LARGE); // as if something was added
    check_eq(letters(got, (size_t)n, 'a'), LARGE);
    free(got);
}

/* It is looked at again and again, and comes when it is 50 ms old; or as what was written by then. */
TEST(http_file, what_was_just_made_empty_is_empty_if_it_stays_so)
{
    struct shelf shelf = { scratch_path("empty") };
    struct site  site = { .handler = give_file, .arg = &shelf };
    char         got[2000];
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    check_ok(write_letters(shelf.path, 'a', 0));
    int64_t begun_ns = hob_now();
    check_ok(ask(&site, GET("/"), got, sizeof got));
    check_has(got, "HTTP/1.1 200 OK\r\n");
    check_has(got, "\r\nContent-Length: 0\r\n");
    check_gt(hob_now() - begun_ns, 49 * HOB_MSEC);
    begun_ns = hob_now();
    check_ok(ask(&site, GET("/"), got, sizeof got));
    check_lt(hob_now() - begun_ns, 5 * HOB_MSEC);
}

static int give_unsteady(hob_http_request *req, void *arg)
{
    const char *path = arg;
    FILE_(file);
    HOB_TRY(hob_file_open(path, O_RDONLY, 0, &file));
    return hob_http_reply_file(req, "text/plain", file);
}

static int write_again_and_again(void *arg)
{
    for (int i = 0; i < 200; i++) {
        HOB_TRY(write_letters(arg, i % 2 == 0 ? 'b' : 'a', i % 2 == 0 ? 7000 : 9000));
        HOB_TRY(hob_sleep(1 * HOB_MSEC));
    }
    return 0;
}

TEST_AS(http_file, a_file_that_is_written_again_and_again_fails_nobody, HOB_TEST_EACH_BACKEND | HOB_TEST_ONE_SEED, NULL)
{
    const char *path = scratch_path("unsteady");
    struct site site = { .handler = give_unsteady, .arg = (void *)(uintptr_t)path };
    char        got[20000];
    HOB_SCOPE(s);
    HOB_SCOPE(writing);

    check_ok(write_letters(path, 'a', 9000));
    check_ok(open_site(&s, &site));
    hob_go(&writing, write_again_and_again, (void *)(uintptr_t)path);
    for (int i = 0; i < 100; i++) {
        ssize_t n = check_ok(ask(&site, GET("/"), got, sizeof got));
        check(status_in(got) == 200 || status_in(got) == 503); // and never half of one and half of the other
        if (status_in(got) == 200)
            letters(got, (size_t)n, got[n - 1]);
        check_ok(hob_sleep(100 * HOB_USEC));
    }
    check_ok(hob_scope_end(&writing));
}

/* ---- dates ---- */

TEST_BARE(http_date, dates_are_written_and_read_back)
{
    static const struct { int64_t seconds; const char *text; } DATES[] = {
        { 0, "Thu, 01 Jan 1970 00:00:00 GMT" },
        { 784111777, "Sun, 06 Nov 1994 08:49:37 GMT" },
        { 951782400, "Tue, 29 Feb 2000 00:00:00 GMT" },
        { 1709164799, "Wed, 28 Feb 2024 23:59:59 GMT" },
        { 4107542400, "Mon, 01 Mar 2100 00:00:00 GMT" },
        { 253402300799, "Fri, 31 Dec 9999 23:59:59 GMT" },
    };
    for (size_t i = 0; i < sizeof DATES / sizeof DATES[0]; i++) {
        char    text[32];
        int64_t seconds;
        hob__http_date_write(DATES[i].seconds, text);
        check_str(text, DATES[i].text);
        check(hob__http_date_parse(text, &seconds));
        check_eq(seconds, DATES[i].seconds);
    }
    for (int64_t day = 0; day < 200 * 366; day++) {
        char    text[32];
        int64_t seconds;
        hob__http_date_write(day * 86400 + 1, text);
        check(hob__http_date_parse(text, &seconds) && seconds == day * 86400 + 1);
    }
}

TEST_BARE(http_date, the_old_forms_are_read_and_others_are_not)
{
    static const char *const BAD[] = {
        "", "x", "Sun", "Sun, ", "Sun, 06 Nov 1994", "Sun, 06 Nov 1994 08:49:37", "Sun, 32 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nox 1994 08:49:37 GMT", "Sun, 06 Nov 1994 24:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 CET",
        "Sun, 06 Nov 1994 08:49:37 GMT ", "06 Nov 1994 08:49:37 GMT", "Sun Nov 6", "0", "Sun,06 Nov 1994 08:49:37 GMT",
    };
    int64_t seconds = 0;
    check(hob__http_date_parse("Sunday, 06-Nov-94 08:49:37 GMT", &seconds));
    check_eq(seconds, 784111777);
    check(hob__http_date_parse("Sun Nov  6 08:49:37 1994", &seconds));
    check_eq(seconds, 784111777);
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        if (hob__http_date_parse(BAD[i], &seconds))
            fail("read: %s", BAD[i]);
    }
}
