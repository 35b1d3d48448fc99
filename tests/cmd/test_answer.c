/* SPDX-License-Identifier: MIT */
/*
 * Answers of HTTP/1.1 as hob bench reads them: a table, each whole, cut at every point, and byte by
 * byte; histograms and URLs.
 */
#include "answer.h"
#include "histogram.h"
#include "support/test.h"
#include "url.h"

/* Of the outcome: "200 5 stay" is a whole answer with a body of 5 bytes after which the connection can be
 * used again, "200 5 close" one after which it cannot, "200 5 end" one that the connection's end ends;
 * "more", "bad". What follows a | in `bytes` is of the next answer. */
static const struct answer_case {
    const char *what, *bytes, *outcome;
    bool        to_head;
} CASES[] = {
    { "a length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "200 5 stay", 0 },
    { "an empty body", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "200 0 stay", 0 },
    { "what follows is another's", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab|HTTP/1.1", "200 2 stay", 0 },
    { "no reason", "HTTP/1.1 404 \r\nContent-Length: 0\r\n\r\n", "404 0 stay", 0 },
    { "not even a blank", "HTTP/1.1 404\r\nContent-Length: 0\r\n\r\n", "404 0 stay", 0 },
    { "close", "HTTP/1.1 200 OK\r\nConnection: Close\r\nContent-Length: 1\r\n\r\nx", "200 1 close", 0 },
    { "close in a list", "HTTP/1.1 200 OK\r\nConnection: x, close ,y\r\nContent-Length: 0\r\n\r\n", "200 0 close", 0 },
    { "HTTP/1.0 closes", "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", "200 1 close", 0 },
    { "HTTP/1.0 stays if it says so", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx", "200 1 stay", 0 },
    { "until the end", "HTTP/1.1 200 OK\r\n\r\nabc", "200 3 end", 0 },
    { "nothing until the end", "HTTP/1.1 200 OK\r\n\r\n", "200 0 end", 0 },
    { "to HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n|x", "200 0 stay", 1 },
    { "to HEAD, chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n|x", "200 0 stay", 1 },
    { "204", "HTTP/1.1 204 No Content\r\n\r\n|x", "204 0 stay", 0 },
    { "304 tells a length", "HTTP/1.1 304 x\r\nContent-Length: 9\r\n\r\n|x", "304 0 stay", 0 },
    { "after an interim one", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 x\r\nLink: y\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", "200 1 stay", 0 },
    { "chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0A\r\n0123456789\r\n0\r\n\r\n|H", "200 13 stay", 0 },
    { "extensions", "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n1;a=b\r\nx\r\n1 ;c\r\ny\r\n000\r\n\r\n", "200 2 stay", 0 },
    { "trailers", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\nContent-Length: 4\r\n\r\n", "200 0 stay", 0 },
    { "a head on its way", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", "more", 0 },
    { "a body on its way", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", "more", 0 },
    { "chunks on their way", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n", "more", 0 },
    { "a bare LF", "HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n", "bad", 0 },
    { "a bare CR", "HTTP/1.1 200 OK\r\nA: b\rc\r\nContent-Length: 0\r\n\r\n", "bad", 0 },
    { "another version", "HTTP/2.0 200 OK\r\n\r\n", "bad", 0 },
    { "another protocol", "SSH-2.0-OpenSSH_9.2\r\n", "bad", 0 },
    { "a status of two digits", "HTTP/1.1 20 OK\r\n\r\n", "bad", 0 },
    { "a status of four", "HTTP/1.1 2000 OK\r\n\r\n", "bad", 0 },
    { "a status below 100", "HTTP/1.1 099 x\r\n\r\n", "bad", 0 },
    { "other protocols", "HTTP/1.1 101 x\r\nUpgrade: y\r\n\r\n", "bad", 0 },
    { "no colon", "HTTP/1.1 200 OK\r\nabc\r\n\r\n", "bad", 0 },
    { "a blank before the colon", "HTTP/1.1 200 OK\r\nA : b\r\n\r\n", "bad", 0 },
    { "a line that goes on", "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", "bad", 0 },
    { "a control byte", "HTTP/1.1 200 OK\r\nA: \x01\r\n\r\n", "bad", 0 },
    { "two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", "bad", 0 },
    { "a length with a sign", "HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\nx", "bad", 0 },
    { "a length of nothing", "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nx", "bad", 0 },
    { "a length too large", "HTTP/1.1 200 OK\r\nContent-Length: 1234567890123456789\r\n\r\nx", "bad", 0 },
    { "length and chunks", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "bad", 0 },
    { "a coding that nobody asked for", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "bad", 0 },
    { "chunks of HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "bad", 0 },
    { "a chunk without a size", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n;a\r\n\r\n", "bad", 0 },
    { "a chunk's size with 0x", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n", "bad", 0 },
    { "a blank behind a chunk's size", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1 \r\na\r\n", "bad", 0 },
    { "a chunk's size too large", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1234567890123456\r\n", "bad", 0 },
    { "a chunk longer than it says", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n", "bad", 0 },
};

enum { CASES_COUNT = sizeof CASES / sizeof CASES[0], BYTES_MAX = 512 };

/* The bytes without the |; *ret_own: how many are of this answer. */
static size_t bytes_of(const struct answer_case *c, char bytes[static BYTES_MAX], size_t *ret_own)
{
    size_t      len = strlen(c->bytes); // all of the table are shorter
    const char *mark = strchr(c->bytes, '|');

    *ret_own = mark != NULL ? (size_t)(mark - c->bytes) : len;
    memcpy(bytes, c->bytes, *ret_own);
    if (mark != NULL)
        memcpy(bytes + *ret_own, mark + 1, len - *ret_own - 1);
    return len - (mark != NULL);
}

/* Feeds what `piece` says at a time, first a piece of `first` bytes; says what came of it. */
static int read_case(const struct answer_case *c, size_t first, size_t piece, char outcome[static 64])
{
    char          bytes[BYTES_MAX];
    size_t        own, len = bytes_of(c, bytes, &own), at = 0;
    struct answer a;
    int           r = ANSWER_MORE;

    answer_begin(&a, c->to_head);
    expect(answer_is_new(&a));
    for (size_t part = first; r == ANSWER_MORE && at < len; part = piece) {
        size_t used;
        if (part > len - at)
            part = len - at;
        // In memory of its own, so that a sanitizer sees who looks further.
        char *copy = malloc(part + (part == 0));
        memcpy(copy, bytes + at, part);
        r = answer_feed(&a, copy, part, &used);
        free(copy);
        expect(used <= part);
        if (r == ANSWER_MORE)
            expect_eq(used, part);
        at += used;
    }
    if (r < 0) {
        expect_eq(r, HOB_EHTTP);
        snprintf(outcome, 64, "bad");
        return 0;
    }
    bool ends = r == ANSWER_MORE && answer_end(&a) == ANSWER_DONE;
    if (r == ANSWER_MORE && !ends) {
        snprintf(outcome, 64, "more");
        return 0;
    }
    expect_eq(at, own);
    snprintf(outcome, 64, "%d %d %s", a.status, (int)a.body_bytes, ends ? "end" : a.keep_alive ? "stay" : "close");
    return 0;
}

TEST_BARE(answer, each_of_the_table_is_read_as_it_deserves_wherever_it_is_cut)
{
    char outcome[64];

    for (int i = 0; i < CASES_COUNT; i++) {
        const struct answer_case *c = &CASES[i];
        size_t                    len = strlen(c->bytes);
        for (size_t cut = 0; cut <= len; cut++) {
            check_ok(read_case(c, cut, len, outcome));
            if (strcmp(outcome, c->outcome) != 0)
                fail("%s, cut at %zu: %s, not %s", c->what, cut, outcome, c->outcome);
        }
        check_ok(read_case(c, 1, 1, outcome));
        if (strcmp(outcome, c->outcome) != 0)
            fail("%s, byte by byte: %s, not %s", c->what, outcome, c->outcome);
    }
}

/* Returns what a head of so many lines of that length leads to. */
static int feed_lines(size_t lines, size_t line_len, bool ends)
{
    static struct answer a;
    char                *line = malloc(line_len + 1);
    size_t               used;
    int                  r;

    answer_begin(&a, false);
    r = answer_feed(&a, "HTTP/1.1 200 OK\r\n", 17, &used);
    memset(line, 'a', line_len);
    memcpy(line + line_len - 4, ":b\r\n", 4);
    if (!ends)
        memcpy(line + line_len - 4, "bbbb", 4);
    for (size_t i = 0; i < lines && r == ANSWER_MORE; i++)
        r = answer_feed(&a, line, line_len, &used);
    free(line);
    return r;
}

TEST_BARE(answer, a_head_has_its_limits)
{
    check_eq(feed_lines(1, ANSWER_LINE_MAX + 2, true), ANSWER_MORE);
    check_eq(feed_lines(1, ANSWER_LINE_MAX + 3, true), HOB_EHTTP);
    check_eq(feed_lines(1, ANSWER_LINE_MAX + 2, false), ANSWER_MORE); // its end may come
    check_eq(feed_lines(1, ANSWER_LINE_MAX + 3, false), HOB_EHTTP);
    check_eq(feed_lines(ANSWER_HEAD_MAX / 1000, 1000, true), ANSWER_MORE);
    check_eq(feed_lines(ANSWER_HEAD_MAX / 1000 + 1, 1000, true), HOB_EHTTP);
}

/* ---- histograms ---- */

TEST_BARE(histogram, what_it_tells_is_at_most_a_little_above)
{
    static struct histogram h;
    const double            shares[] = { 0.01, 0.5, 0.9, 0.99, 0.999 };

    check_eq(histogram_at(&h, 0.5), 0);
    for (int64_t i = 1; i <= 100000; i++)
        histogram_add(&h, i * 1000);
    check_eq(h.count, 100000);
    check_eq(histogram_at(&h, 1), 100000000);
    for (int i = 0; i < 5; i++) {
        double exact = shares[i] * 100000 * 1000, told = (double)histogram_at(&h, shares[i]);
        if (told < exact || told > exact * 1.016)
            fail("%g: %g, not %g", shares[i], told, exact);
    }
    check(histogram_mean(&h) > 50000499 && histogram_mean(&h) < 50000501);
    for (int64_t value = 1000; value < 200000000; value *= 2) {
        double exact = value > 100000000 ? 100000 : (double)value / 1000, told = (double)histogram_upto(&h, value);
        check(told <= exact && told > exact / 1.02 - 1);
    }
    check_eq(histogram_upto(&h, 999), 0);
    check_eq(histogram_upto(&h, 100000000), 100000);
}

TEST_BARE(histogram, every_value_has_a_bucket)
{
    static struct histogram h;

    for (int i = 0; i < 63; i++) {
        for (int64_t d = -2; d <= 2; d++) {
            int64_t value = (INT64_C(1) << i) + d;
            memset(&h, 0, sizeof h);
            histogram_add(&h, value);
            histogram_add(&h, INT64_MAX);
            int64_t told = histogram_at(&h, 0.5), exact = value < 0 ? 0 : value;
            if (told < exact || told > exact + exact / 63)
                fail("%lld: %lld", (long long)value, (long long)told);
        }
    }
    check_eq(histogram_at(&h, 1), INT64_MAX);
}

/* ---- URLs ---- */

TEST_BARE(url, it_is_taken_apart)
{
    struct url u;

    check(url_parse("http://a.b:81/c?d=e#f", &u) == NULL);
    check_str(u.host, "a.b");
    check_str(u.authority, "a.b:81");
    check_str(u.target, "/c?d=e");
    check_eq(u.port, 81);
    check(!u.is_https);
    check(url_parse("HTTPS://[::1]", &u) == NULL);
    check_str(u.host, "::1");
    check_str(u.authority, "[::1]");
    check_str(u.target, "/");
    check_eq(u.port, 443);
    check(u.is_https);
    check(url_parse("localhost?x", &u) == NULL);
    check_str(u.target, "/?x");
    check_eq(u.port, 80);
}

TEST_BARE(url, what_is_none_is_refused)
{
    static const char *const BAD[] = {
        "", "http://", "ftp://a/", "http://a:b/", "http://a:/", "http://a:0/", "http://a:65536/", "http://u@a/",
        "http://[::1", "http://[]/", "http://[::1]80/", "http://a b/", "http://a/\xc3\xa4", "http://:80/",
    };
    struct url u;

    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++)
        if (url_parse(BAD[i], &u) == NULL)
            fail("\"%s\" is taken for a URL", BAD[i]);
}
