/* SPDX-License-Identifier: MIT */
/*
 * HTTP/1.1 as bytes: a table of requests, each whole, cut at every point, and byte by byte; and the
 * quick scan beside the plain one.
 */
#include "base/rand.h"
#include "http/cases.h"
#include "http/h1.h"
#include "support/test.h"

enum { FIELDS_MAX = 100, BODY_MAX = 1048576 };

static const struct h1_limits LIMITS = { .target_max = 8000, .head_max = 16384,
                                         .fields_max = FIELDS_MAX };

/* A reader of one request, to which the bytes come in pieces. */
struct reading {
    struct h1_head   head, trailer;
    struct h1_field  fields[FIELDS_MAX], trailer_fields[FIELDS_MAX];
    struct h1_chunks chunks;
    uint64_t         body;       /* data so far */
    size_t           at;         /* behind the head: what was taken */
    size_t           trailer_at; /* 0: not there yet */
    bool             has_head;
    int              ended;      /* 0: more is wanted; 1: whole; negative: refused */
};

static void reading_init(struct reading *r)
{
    memset(r, 0, sizeof *r);
    r->head.limits = r->trailer.limits = LIMITS;
    r->head.fields = r->fields;
    r->trailer.fields = r->trailer_fields;
    r->trailer.is_trailer = true;
}

static int read_chunks(struct reading *r, const char *bytes, size_t len)
{
    while (r->trailer_at == 0) {
        size_t used;
        int    got = hob__h1_chunk(&r->chunks, bytes + r->at, len - r->at, &used);
        if (got < 0)
            return got;
        r->at += used;
        if (got == H1_CHUNKS_MORE)
            return 0;
        if (got == H1_CHUNKS_END) {
            r->trailer_at = r->at;
            break;
        }
        if (r->body + r->chunks.left > BODY_MAX)
            return -413;
        size_t n = r->chunks.left < len - r->at ? (size_t)r->chunks.left : len - r->at;
        r->chunks.left -= n;
        r->body += n;
        r->at += n;
        if (n == 0)
            return 0;
    }
    int64_t n = hob__h1_head(&r->trailer, bytes + r->trailer_at, len - r->trailer_at);
    if (n > 0)
        r->at = r->trailer_at + (size_t)n;
    return n > 0 ? 1 : (int)n;
}

static int read_body(struct reading *r, const char *bytes, size_t len)
{
    if (r->head.body == H1_CHUNKED)
        return read_chunks(r, bytes, len);
    if (r->head.body == H1_LENGTH && r->head.length > BODY_MAX)
        return -413;
    uint64_t want = r->head.body == H1_LENGTH ? r->head.length : 0;
    r->body = len - r->at < want ? len - r->at : want;
    return r->body == want ? 1 : 0;
}

/* `len` bytes are there now. */
static void read_more(struct reading *r, const char *bytes, size_t len)
{
    if (r->ended != 0)
        return;
    if (!r->has_head) {
        int64_t n = hob__h1_head(&r->head, bytes, len);
        if (n <= 0) {
            r->ended = (int)n;
            return;
        }
        r->has_head = true;
        r->at = (size_t)n;
    }
    r->ended = read_body(r, bytes, len);
}

/* The outcome in the words of the table; `wanted` says whether the path matters. */
static void say(const struct reading *r, const char *bytes, const char *wanted, char *out, size_t size)
{
    const struct h1_head *head = &r->head;
    bool any_path = strstr(wanted, " * ") != NULL;

    if (r->ended < 0)
        snprintf(out, size, "%d", -r->ended);
    else if (r->ended == 0)
        snprintf(out, size, "more");
    else
        snprintf(out, size, "ok %.*s %.*s %llu %s", (int)head->method.len, bytes + head->method.at,
                 any_path ? 1 : head->path.len == 0 ? 1 : (int)head->path.len,
                 any_path ? "*" : head->path.len == 0 ? "/" : bytes + head->path.at,
                 (unsigned long long)r->body, head->keep_alive ? "keep" : "close");
}

static char *bytes_of(const struct request_case *c, size_t *ret_len)
{
    static char room[CASE_BYTES_MAX];
    *ret_len = case_bytes(c, room);
    char *exact = malloc(*ret_len + 1); // so that a sanitizer sees who looks too far
    memcpy(exact, room, *ret_len);
    return exact;
}

TEST_BARE(h1, each_request_of_the_table_has_its_outcome)
{
    for (int i = 0; i < CASES; i++) {
        static struct reading r;
        char   got[128];
        size_t len;
        char  *bytes = bytes_of(&REQUESTS[i], &len);
        reading_init(&r);
        read_more(&r, bytes, len);
        say(&r, bytes, REQUESTS[i].outcome, got, sizeof got);
        if (strcmp(got, REQUESTS[i].outcome) != 0)
            HOB_EXPECT_NOT("%s: %s, not %s", REQUESTS[i].what, got, REQUESTS[i].outcome);
        free(bytes);
    }
}

/* What came before the cut lies in memory of its own, so that nobody can look behind it. */
static int ended_when_cut(const char *bytes, size_t len, size_t cut, struct reading *r)
{
    char *before = malloc(cut + 1);
    memcpy(before, bytes, cut);
    reading_init(r);
    read_more(r, before, cut);
    free(before);
    read_more(r, bytes, len);
    return r->ended;
}

TEST_BARE(h1, the_outcome_is_the_same_at_each_split_point)
{
    hob_test_timeout(120);
    for (int i = 0; i < CASES; i++) {
        static struct reading r;
        size_t len, step;
        char  *bytes = bytes_of(&REQUESTS[i], &len);
        reading_init(&r);
        read_more(&r, bytes, len);
        int    whole = r.ended;
        size_t at = r.at;

        step = len > 2000 ? len / 300 : 1; // long ones are long of the same
        for (size_t cut = 0; cut <= len; cut += step) {
            if (ended_when_cut(bytes, len, cut, &r) == whole && (whole < 0 || r.at == at))
                continue;
            HOB_EXPECT_NOT("%s: %d when cut at %zu, not %d", REQUESTS[i].what, r.ended, cut, whole);
            break;
        }
        free(bytes);
    }
}

TEST_BARE(h1, the_outcome_is_the_same_byte_by_byte)
{
    for (int i = 0; i < CASES; i++) {
        static struct reading r;
        char   got[128];
        size_t len;
        char  *bytes = bytes_of(&REQUESTS[i], &len);
        reading_init(&r);
        for (size_t n = 0; n <= len; n++)
            read_more(&r, bytes, n);
        say(&r, bytes, REQUESTS[i].outcome, got, sizeof got);
        if (strcmp(got, REQUESTS[i].outcome) != 0)
            HOB_EXPECT_NOT("%s, byte by byte: %s, not %s", REQUESTS[i].what, got, REQUESTS[i].outcome);
        free(bytes);
    }
}

/* A refusal comes as soon as it must: what follows the bad byte is not waited for. */
TEST_BARE(h1, every_prefix_of_a_good_request_wants_more)
{
    static const char GOOD[] = "POST /a?b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                               "5;x\r\nhello\r\n0\r\nA: b\r\n\r\n";
    static struct reading r;

    for (size_t n = 0; n < sizeof GOOD - 1; n++) {
        reading_init(&r);
        read_more(&r, GOOD, n);
        check_eq(r.ended, 0);
    }
    reading_init(&r);
    read_more(&r, GOOD, sizeof GOOD - 1);
    check_eq(r.ended, 1);
    check_eq(r.at, sizeof GOOD - 1);
    check_eq(r.trailer.field_count, 1);
}

TEST_BARE(h1, what_follows_a_request_is_left_alone)
{
    static const char TWO[] = "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n";
    static struct reading r;

    reading_init(&r);
    read_more(&r, TWO, sizeof TWO - 1);
    check_eq(r.ended, 1);
    check_mem(TWO + r.at, "GET /2", 6);
}

TEST_BARE(h1, the_parts_of_a_target_are_told_apart)
{
    static const char TEXT[] = "GET http://b:80/p/q?x=y?z HTTP/1.1\r\nHost: a\r\n\r\n";
    static struct reading r;

    reading_init(&r);
    read_more(&r, TEXT, sizeof TEXT - 1);
    check_eq(r.ended, 1);
    check_eq(r.head.path.len, 4);
    check_mem(TEXT + r.head.path.at, "/p/q", 4);
    check_eq(r.head.query.len, 5);
    check_mem(TEXT + r.head.query.at, "x=y?z", 5);
    check_eq(r.head.host.len, 4);
    check_mem(TEXT + r.head.host.at, "b:80", 4); // not "a"
}

TEST_BARE(h1, small_limits_hold_to_the_byte)
{
    static const char TEXT[] = "GET /abc HTTP/1.1\r\nHost: a\r\n\r\n";
    size_t len = sizeof TEXT - 1;

    for (uint32_t head_max = 1; head_max <= len + 1; head_max++) {
        struct h1_field fields[2];
        struct h1_head  head = { .limits = { 8000, head_max, 2 }, .fields = fields };
        int64_t r = hob__h1_head(&head, TEXT, len);
        if (head_max >= len)
            check_eq(r, (int64_t)len);
        else
            check(r == -431 || r == -414 || r == -400);
    }
    struct h1_field field;
    struct h1_head  four = { .limits = { 4, 1000, 1 }, .fields = &field };
    struct h1_head  three = { .limits = { 3, 1000, 1 }, .fields = &field };
    struct h1_head  none = { .limits = { 4, 1000, 0 } };
    check_eq(hob__h1_head(&four, TEXT, len), (int64_t)len);
    check_eq(hob__h1_head(&three, TEXT, len), -414);
    check_eq(hob__h1_head(&none, TEXT, len), -431);
}

TEST_BARE(h1, the_quick_scan_finds_what_the_plain_one_finds)
{
    struct rand rand = { 1 };
    char        room[200];

    for (int c = 0; c < 256; c++) {
        for (size_t len = 0; len < 70; len++) {
            for (size_t where = 0; where < len; where++) {
                char *at = room + rand_below(&rand, 16);
                memset(at, 'a', len);
                at[where] = (char)c;
                if (hob__h1_text(at, len) != hob__h1_text_plain(at, len))
                    fail("byte %d at %zu of %zu", c, where, len);
            }
        }
    }
}

TEST_BARE(h1, numbers_are_digits_and_fit)
{
    static const struct { const char *text; long long number; } CASES_OF[] = {
        { "0", 0 }, { "00", 0 }, { "9223372036854775807", INT64_MAX }, { "00000000000000000000012", 12 },
        { "9223372036854775808", -1 }, { "99999999999999999999", -1 }, { "", -1 }, { "+1", -1 },
        { " 1", -1 }, { "1 ", -1 }, { "1a", -1 },
    };
    for (size_t i = 0; i < sizeof CASES_OF / sizeof CASES_OF[0]; i++) {
        uint64_t number = 0;
        bool     ok = hob__h1_number(CASES_OF[i].text, strlen(CASES_OF[i].text), &number);
        check_eq(ok, CASES_OF[i].number >= 0);
        if (ok)
            check_eq((long long)number, CASES_OF[i].number);
    }
}
