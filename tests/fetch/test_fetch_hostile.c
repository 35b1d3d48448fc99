/* SPDX-License-Identifier: MIT */
/*
 * The client, with servers that mean ill: whatever they say, and however slowly, it is a failed call,
 * within limits of memory and time. Rows 114 to 118 of docs/inside/survival.md.
 */
#include <malloc.h>
#include <zlib.h>

#include "fetch/peers.h"

static uint64_t connected(hob_fetch_client *client)
{
    hob_fetch_stats stats;
    hob_fetch_stats_get(client, &stats);
    return stats.connected;
}

/* ---- answers that are none ---- */

#define HEAD "HTTP/1.1 200 OK\r\n"

static const struct {
    const char    *text;
    int            error;
    hob_fetch_step step;
} BAD[] = {
    { "", HOB_EOF, HOB_FETCH_WAIT },
    { "\r\n", HOB_EHTTP, HOB_FETCH_WAIT },
    { "hello there\r\n\r\n", HOB_EHTTP, HOB_FETCH_WAIT },
    { "HTTP/1.1 200 OK", HOB_EOF, HOB_FETCH_WAIT },
    { "HTTP/1.1 200 OK\r\nContent-Le", HOB_EOF, HOB_FETCH_WAIT },
    { "HTTP/1.1 20 OK\r\n\r\n", HOB_EHTTP, HOB_FETCH_WAIT },
    { "HTTP/1.1 banana\r\n\r\n", HOB_EHTTP, HOB_FETCH_WAIT },
    { "HTTP/9.9 200 OK\r\n\r\n", HOB_EHTTP, HOB_FETCH_WAIT },
    { "ICY 200 OK\r\n\r\nmusic", HOB_EHTTP, HOB_FETCH_WAIT },
    { "HTTP/1.1 100 Continue\r\n\r\n", HOB_EOF, HOB_FETCH_WAIT },
    { "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n", HOB_EHTTP, HOB_FETCH_WAIT },
    { HEAD "Content-Length: 5\r\n\r\nhell", HOB_EOF, HOB_FETCH_BODY },
    { HEAD "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", HOB_EHTTP, HOB_FETCH_WAIT },
    { HEAD "Content-Length: -5\r\n\r\nhello", HOB_EHTTP, HOB_FETCH_WAIT },
    { HEAD "Content-Length: banana\r\n\r\nhello", HOB_EHTTP, HOB_FETCH_WAIT },
    { HEAD "Content-Length: 99999999999999999999999\r\n\r\nhello", HOB_EHTTP, HOB_FETCH_WAIT },
    { HEAD "Content-Length: 9999999999999\r\n\r\nhello", -EMSGSIZE, HOB_FETCH_WAIT },
    { HEAD "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", HOB_EOF, HOB_FETCH_BODY },
    { HEAD "Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n", HOB_EHTTP, HOB_FETCH_BODY },
    { HEAD "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nhello\r\n0\r\n\r\n", HOB_EHTTP, HOB_FETCH_BODY },
    { HEAD "Transfer-Encoding: chunked\r\n\r\n-1\r\nhello\r\n0\r\n\r\n", HOB_EHTTP, HOB_FETCH_BODY },
    { HEAD "Transfer-Encoding: chunked\r\n\r\n5\r\nhelloXX\r\n0\r\n\r\n", HOB_EHTTP, HOB_FETCH_BODY },
    { HEAD "Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello", HOB_EHTTP, HOB_FETCH_BODY },
    { HEAD "Content-Encoding: gzip, gzip, gzip, gzip, gzip, gzip\r\nContent-Length: 5\r\n\r\nhello", HOB_EHTTP,
      HOB_FETCH_BODY },
    { HEAD "Content-Encoding: unheard-of\r\nContent-Length: 5\r\n\r\nhello", HOB_EHTTP, HOB_FETCH_BODY },
};

TEST_ON_ALL(fetch_hostile, an_answer_that_is_none_is_an_error_and_its_connection_is_not_used_again)
{
    NOT_IN_SIM();
    struct liar liar = { .talk = say_it };
    HOB_SCOPE(s);
    check_ok(open_liar(&s, &liar));
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        hob_fetch_trouble trouble = { 0 };
        ANSWER(page);
        liar.arg = (void *)BAD[i].text;
        int r = hob_fetch_with(NULL, AT(&liar, "/"), NULL, &trouble, &page);
        if (r != BAD[i].error || trouble.step != BAD[i].step)
            fail("%zu: %s\ngave %s at step %d: %s", i, BAD[i].text, hob_error_name(r), (int)trouble.step,
                 trouble.text);
        check_eq(liar.count, (int)i + 1);
        check_eq(connected(NULL), i + 1);
    }
}

TEST_ON_ALL(fetch_hostile, what_was_cut_short_never_looks_whole_when_read_in_pieces)
{
    NOT_IN_SIM();
    static const char *const TEXTS[] = { HEAD "Content-Length: 9\r\n\r\nhello",
                                         HEAD "Transfer-Encoding: chunked\r\n\r\n9\r\nhello",
                                         HEAD "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n" };
    struct liar liar = { .talk = say_it };
    HOB_SCOPE(s);
    check_ok(open_liar(&s, &liar));
    for (size_t i = 0; i < sizeof TEXTS / sizeof TEXTS[0]; i++) {
        char    buf[100];
        ssize_t n, all = 0;
        ANSWER(page);
        liar.arg = (void *)TEXTS[i];
        check_ok(hob_fetch_open(NULL, AT(&liar, "/"), NULL, NULL, &page));
        while ((n = hob_fetch_read(page, buf, sizeof buf)) > 0)
            all += n;
        check_eq(all, 5);
        check_eq(n, HOB_EOF);
        check_eq(hob_fetch_read(page, buf, sizeof buf), HOB_EOF);
        check_eq(hob_fetch_answer_trouble(page)->step, HOB_FETCH_BODY);
    }
}

TEST_ON_ALL(fetch_hostile, each_prefix_of_an_answer_is_an_error)
{
    NOT_IN_SIM();
    static const char WHOLE[] = HEAD "X: y\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x\r\nde\r\n0\r\nT: u\r\n\r\n";
    struct liar liar = { .talk = say_it };
    char        text[sizeof WHOLE];
    HOB_SCOPE(s);
    check_ok(open_liar(&s, &liar));
    liar.arg = text;
    for (size_t len = 0; len < sizeof WHOLE; len++) {
        ANSWER(page);
        memcpy(text, WHOLE, len);
        text[len] = '\0';
        int r = hob_fetch(AT(&liar, "/"), &page);
        if (len >= sizeof WHOLE - 2) // libcurl does not miss the very last line feed
            check_eq(r, 0);
        else if (r != HOB_EOF && r != HOB_EHTTP)
            fail("%zu bytes gave %s", len, hob_error_name(r));
        if (r == 0)
            check_str(hob_fetch_body(page), "abcde");
    }
}

/* Noise, by the seed: never more than a failed call. */
TEST_ON_ALL(fetch_hostile, noise_is_survived)
{
    NOT_IN_SIM();
    static const char *const PIECES[] = { HEAD, "HTTP/1.1 ", "304\r\n", "\r\n", "Content-Length: ", "5", "0", ":",
                                          "Transfer-Encoding: chunked\r\n", "Location: /\r\n", "\r\n\r\n", "hello",
                                          "Set-Cookie: ", ";", "Content-Encoding: gzip\r\n", "\x1f\x8b\x08", "\xff",
                                          "HTTP/1.1 302 x\r\nLocation: http://[\r\n\r\n" };
    struct liar liar = { .talk = say_it };
    char        text[2048];
    HOB_SCOPE(s);
    CLIENT(client);
    check_ok(open_liar(&s, &liar));
    check_ok(hob_fetch_client_new(&s, &(hob_fetch_client_opts){ .cookies = 1 }, &client));
    liar.arg = text;
    for (int i = 0; i < 300; i++) {
        ANSWER(page);
        text[0] = '\0';
        if (hob_random() % 2 == 0)
            strcpy(text, HEAD);
        for (int n = (int)(hob_random() % 12); n > 0; n--)
            strcat(text, PIECES[hob_random() % (sizeof PIECES / sizeof PIECES[0])]);
        ignore(hob_fetch_with(client, AT(&liar, "/"), NULL, NULL, &page));
    }
}

/* ---- too much ---- */

/* Says the text at `arg` for ever. */
static int repeat(struct liar *liar, hob_tcp *conn, int number)
{
    char   block[8192];
    size_t len = strlen(liar->arg), at = 0;
    for (; at + len < sizeof block; at += len)
        memcpy(block + at, liar->arg, len);
    HOB_TRY(hear_head(liar, conn));
    if (liar->arg != NULL && strncmp(liar->arg, "HTTP", 4) != 0)
        HOB_TRY(say(conn, HEAD));
    for (;;)
        HOB_TRY(hob_tcp_write(conn, block, at));
}

static int repeat_body(struct liar *liar, hob_tcp *conn, int number)
{
    char block[8192];
    memset(block, 'x', sizeof block);
    HOB_TRY(hear_head(liar, conn));
    HOB_TRY(say(conn, liar->arg));
    for (;;)
        HOB_TRY(hob_tcp_write(conn, block, sizeof block));
}

TEST_ON_ALL(fetch_hostile, a_head_without_end_is_refused)
{
    NOT_IN_SIM();
    static const char *const ENDLESS[] = { "X: y\r\n", "y", "HTTP/1.1 100 Continue\r\n\r\n", "Set-Cookie: a=b\r\n",
                                           " ", "a:\r\n b\r\n" };
    HOB_SCOPE(s);
    struct liar liar = { .talk = repeat };
    check_ok(open_liar(&s, &liar));
    for (size_t i = 0; i < sizeof ENDLESS / sizeof ENDLESS[0]; i++) {
        hob_fetch_trouble trouble;
        ANSWER(page);
        liar.arg = (void *)ENDLESS[i];
        int r = hob_fetch_with(NULL, AT(&liar, "/"), NULL, &trouble, &page);
        if (r != -EMSGSIZE && r != HOB_EHTTP && r != -ENOMEM)
            fail("%s: gave %s", ENDLESS[i], hob_error_name(r));
        check_eq(trouble.step, HOB_FETCH_WAIT);
    }
}

TEST_ON_ALL(fetch_hostile, a_body_without_end_is_refused)
{
    NOT_IN_SIM();
    static const char *const HEADS[] = { HEAD "\r\n", HEAD "Content-Length: 99999999999\r\n\r\n",
                                         HEAD "Transfer-Encoding: chunked\r\n\r\nfffffff\r\n" };
    hob_fetch_opts opts = { .body_bytes_max = 100000 };
    struct liar    liar = { .talk = repeat_body };
    HOB_SCOPE(s);
    check_ok(open_liar(&s, &liar));
    for (size_t i = 0; i < sizeof HEADS / sizeof HEADS[0]; i++) {
        ANSWER(page);
        liar.arg = (void *)HEADS[i];
        check_err(hob_fetch_with(NULL, AT(&liar, "/"), &opts, NULL, &page), -EMSGSIZE);
        hob_fetch_stats stats;
        hob_fetch_stats_get(NULL, &stats);
        check_le(stats.body_bytes, 100000 * (i + 1));
    }
}

/* 10 MiB of zeros by gzip -9n: mostly zeros, too. */
static const unsigned char *bomb(size_t *ret_len)
{
    static const struct { size_t at, len; unsigned char bytes[24]; } PIECES[] = {
        { 0, 24, { 0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0xec, 0xc1,
                   0x01, 0x01, 0x00, 0x00, 0x00, 0x80, 0x90, 0xfe, 0xaf, 0xee, 0x08, 0x0a } },
        { 8214, 15, { 0x80, 0xdb, 0x83, 0x43, 0x02, 0x00, 0x00, 0x00, 0x00, 0x41, 0xff, 0x5f, 0x3b, 0xc3, 0x02 } },
        { 10198, 9, { 0xf0, 0x09, 0xcc, 0x2a, 0xca, 0x9e, 0x00, 0x00, 0xa0 } },
    };
    static unsigned char bytes[10208];
    for (size_t i = 0; i < sizeof PIECES / sizeof PIECES[0]; i++)
        memcpy(bytes + PIECES[i].at, PIECES[i].bytes, PIECES[i].len);
    *ret_len = sizeof bytes;
    return bytes;
}

static int drop_bomb(struct liar *liar, hob_tcp *conn, int number)
{
    size_t               len;
    const unsigned char *bytes = bomb(&len);
    char                 head[200];
    HOB_TRY(hear_head(liar, conn));
    snprintf(head, sizeof head, HEAD "Content-Encoding: gzip\r\nContent-Length: %zu\r\n\r\n", len);
    HOB_TRY(say(conn, head));
    HOB_TRY(hob_tcp_write(conn, bytes, len));
    return 0;
}

TEST_ON_ALL(fetch_hostile, what_is_compressed_counts_by_what_it_becomes)
{
    NOT_IN_SIM();
    struct liar liar = { .talk = drop_bomb };
    char        buf[65536];
    ssize_t     n;
    size_t      len, all = 0;
    HOB_SCOPE(s);
    ANSWER(page);
    check_ok(open_liar(&s, &liar));
    hob_fetch_opts opts = { .body_bytes_max = 1 << 20 };
    check_err(hob_fetch_with(NULL, AT(&liar, "/"), &opts, NULL, &page), -EMSGSIZE);
    check_ok(hob_fetch_with(NULL, AT(&liar, "/"), NULL, NULL, &page));
    check_eq(hob_fetch_body_len(page), 10 << 20);
    close_answer(&page);
    // Nobody who reads in pieces has asked for it: he gets it as it is.
    check_ok(hob_fetch_open(NULL, AT(&liar, "/"), NULL, NULL, &page));
    check(strstr(liar.heard, "Accept-Encoding") == NULL);
    while ((n = check_ok(hob_fetch_read(page, buf, sizeof buf))) > 0)
        all += (size_t)n;
    bomb(&len);
    check_eq(all, len);
    close_answer(&page);
    // Unless he does.
    check_ok(hob_fetch_open(NULL, AT(&liar, "/"), &(hob_fetch_opts){ .compressed = 1 }, NULL, &page));
    for (all = 0; (n = check_ok(hob_fetch_read(page, buf, sizeof buf))) > 0;)
        all += (size_t)n;
    check_eq(all, 10 << 20);
}

/* ---- compressed, and read in pieces ---- */

/* What is said as the body, byte by byte or at once; with a length, or until the end. */
struct zipped {
    unsigned char bytes[20000];
    size_t        len, piece;
    const char   *coding;
};

/* Adds a member of gzip with so many bytes of a pattern. */
static void add_member(struct zipped *zipped, size_t from, size_t len, unsigned salt)
{
    unsigned char *plain = malloc(len + 1);
    z_stream       z = { .next_in = plain, .avail_in = (uInt)len, .next_out = zipped->bytes + zipped->len,
                         .avail_out = (uInt)(sizeof zipped->bytes - zipped->len) };
    for (size_t i = 0; i < len; i++)
        plain[i] = byte_at((from + i) / 64, salt); // so that it becomes less
    deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
    deflate(&z, Z_FINISH);
    zipped->len += z.total_out;
    deflateEnd(&z);
    free(plain);
}

static int say_zipped(struct liar *liar, hob_tcp *conn, int number)
{
    const struct zipped *zipped = liar->arg;
    char                 head[200];
    HOB_TRY(hear_head(liar, conn));
    snprintf(head, sizeof head, HEAD "Content-Encoding: %s\r\nContent-Length: %zu\r\n\r\n",
             zipped->coding != NULL ? zipped->coding : "gzip", zipped->len);
    HOB_TRY(say(conn, head));
    for (size_t at = 0, n; at < zipped->len; at += n) {
        n = zipped->piece > 0 && zipped->piece < zipped->len - at ? zipped->piece : zipped->len - at;
        HOB_TRY(hob_tcp_write(conn, zipped->bytes + at, n));
        if (zipped->piece > 0)
            hob_yield();
    }
    return 0;
}

/* Reads by so many bytes. Returns how many there were, or an error, which comes again. */
static ssize_t read_pattern(hob_fetch_answer *page, size_t piece, unsigned salt)
{
    unsigned char buf[5000];
    size_t        all = 0;
    ssize_t       n;
    while ((n = hob_fetch_read(page, buf, piece)) > 0) {
        for (size_t i = 0; i < (size_t)n; i++, all++)
            check_eq(buf[i], byte_at(all / 64, salt));
    }
    check_eq(hob_fetch_read(page, buf, piece), n);
    return n < 0 ? n : (ssize_t)all;
}

static const hob_fetch_opts IN_GZIP = { .compressed = 1 };

TEST_ON_ALL(fetch_hostile, a_compressed_body_is_whole_in_whatever_pieces)
{
    NOT_IN_SIM();
    static const size_t pieces[] = { 0, 1, 7 }, reads[] = { 1, 100, 5000 };
    struct zipped       zipped = { .len = 0 };
    struct liar         liar = { .talk = say_zipped, .arg = &zipped };
    HOB_SCOPE(s);

    add_member(&zipped, 0, 40000, 5);
    add_member(&zipped, 40000, 0, 5);
    add_member(&zipped, 40000, 300, 5);
    check_ok(open_liar(&s, &liar));
    for (size_t i = 0; i < 9; i++) {
        ANSWER(page);
        zipped.piece = pieces[i / 3];
        check_ok(hob_fetch_open(NULL, AT(&liar, "/"), &IN_GZIP, NULL, &page));
        check(strstr(liar.heard, "Accept-Encoding: gzip\r\n") != NULL);
        check_eq(read_pattern(page, reads[i % 3], 5), 40300);
    }
    zipped.len = 0; // none at all
    ANSWER(page);
    check_ok(hob_fetch_open(NULL, AT(&liar, "/"), &IN_GZIP, NULL, &page));
    check_eq(read_pattern(page, 100, 5), 0);
}

TEST_ON_ALL(fetch_hostile, a_compressed_body_that_is_none_is_an_error_again_and_again)
{
    NOT_IN_SIM();
    struct zipped zipped = { .len = 0 };
    struct liar   liar = { .talk = say_zipped, .arg = &zipped };
    HOB_SCOPE(s);

    add_member(&zipped, 0, 30000, 5);
    size_t whole = zipped.len;
    check_ok(open_liar(&s, &liar));
    for (size_t cut = 1; cut < whole; cut += cut < 20 || whole - cut < 20 ? 1 : 97) { // framed well, but not whole
        ANSWER(page);
        zipped.len = cut;
        check_ok(hob_fetch_open(NULL, AT(&liar, "/"), &IN_GZIP, NULL, &page));
        check_err(read_pattern(page, 1000, 5), HOB_EHTTP);
        check_eq(hob_fetch_answer_trouble(page)->step, HOB_FETCH_BODY);
        check_has(hob_fetch_answer_trouble(page)->text, "the compressed body ends too early");
    }
    ANSWER(page);
    zipped.len = whole;
    zipped.bytes[whole - 6] ^= 1; // its check sum
    check_ok(hob_fetch_open(NULL, AT(&liar, "/"), &IN_GZIP, NULL, &page));
    check_err(read_pattern(page, 1000, 5), HOB_EHTTP);
    check_has(hob_fetch_answer_trouble(page)->text, "the body is not what gzip makes");
    close_answer(&page);

    zipped.bytes[whole - 6] ^= 1;
    hob_fetch_opts few = { .compressed = 1, .body_bytes_max = 29999 };
    check_ok(hob_fetch_open(NULL, AT(&liar, "/"), &few, NULL, &page));
    check_err(read_pattern(page, 1000, 5), -EMSGSIZE);
    close_answer(&page);
    few.body_bytes_max = 30000;
    check_ok(hob_fetch_open(NULL, AT(&liar, "/"), &few, NULL, &page));
    check_eq(read_pattern(page, 1000, 5), 30000);
    close_answer(&page);

    zipped.coding = "br"; // nobody asked for it
    check_ok(hob_fetch_open(NULL, AT(&liar, "/"), &IN_GZIP, NULL, &page));
    check_err(read_pattern(page, 1000, 5), HOB_EHTTP);
    check_has(hob_fetch_answer_trouble(page)->text, "a coding that was not asked for");
}

/* The same, read whole. */
static int refuses_whole(struct liar *liar, const char *words, int error)
{
    static const hob_fetch_opts FEW = { .body_bytes_max = 40300 };
    hob_fetch_trouble           trouble;
    ANSWER(page);
    check_err(hob_fetch_with(NULL, AT(liar, "/"), &FEW, &trouble, &page), error);
    check_eq(trouble.step, HOB_FETCH_BODY);
    check_has(trouble.text, words);
    return 0;
}

TEST_ON_ALL(fetch_hostile, a_compressed_body_that_is_read_whole_is_whole_or_an_error)
{
    NOT_IN_SIM();
    struct zipped zipped = { .len = 0 };
    struct liar   liar = { .talk = say_zipped, .arg = &zipped };
    HOB_SCOPE(s);

    add_member(&zipped, 0, 40000, 5);
    size_t one = zipped.len;
    add_member(&zipped, 40000, 300, 5);
    size_t whole = zipped.len;
    check_ok(open_liar(&s, &liar));
    {
        ANSWER(page);
        check_ok(hob_fetch_with(NULL, AT(&liar, "/"), NULL, NULL, &page));
        check_eq(hob_fetch_body_len(page), 40300);
        for (size_t i = 0; i < 40300; i++)
            check_eq((unsigned char)hob_fetch_body(page)[i], byte_at(i / 64, 5));
        check_eq(hob_fetch_body(page)[40300], '\0');
    }
    for (size_t cut = 1; cut < whole; cut += cut < 20 || whole - cut < 20 ? 1 : 97) {
        zipped.len = cut;
        if (cut != one)
            check_ok(refuses_whole(&liar, "the compressed body ends too early", HOB_EHTTP));
    }
    zipped.len = whole;
    zipped.bytes[whole - 6] ^= 1; // its check sum
    check_ok(refuses_whole(&liar, "the body is not what gzip makes", HOB_EHTTP));
    zipped.bytes[whole - 6] ^= 1;
    add_member(&zipped, 0, 1, 5);
    check_ok(refuses_whole(&liar, "the body is longer than body_bytes_max", -EMSGSIZE));
    zipped.coding = "br"; // nobody asked for it
    check_ok(refuses_whole(&liar, "a coding that was not asked for", HOB_EHTTP));
}

/* Bombs, one behind the other, for as long as somebody takes them. */
static int drop_many(struct liar *liar, hob_tcp *conn, int number)
{
    size_t               len;
    const unsigned char *bytes = bomb(&len);
    HOB_TRY(hear_head(liar, conn));
    HOB_TRY(say(conn, HEAD "Content-Encoding: gzip\r\nConnection: close\r\n\r\n"));
    for (;;)
        HOB_TRY(hob_tcp_write(conn, bytes, len));
}

TEST_ON_ALL(fetch_hostile, a_slow_reader_of_what_is_compressed_holds_a_window_and_no_more)
{
    NOT_IN_SIM();
    struct liar     liar = { .talk = drop_many };
    char            buf[1000];
    hob_fetch_stats stats;
    HOB_SCOPE(s);
    ANSWER(page);

    check_ok(open_liar(&s, &liar));
    check_ok(hob_fetch_open(NULL, AT(&liar, "/"), &IN_GZIP, NULL, &page));
    struct mallinfo2 before = mallinfo2();
    for (size_t all = 0; all < 1000000;) {
        ssize_t n = hob_fetch_read(page, buf, sizeof buf);
        check_gt(n, 0);
        all += (size_t)n;
        hob_yield(); // so that more comes, if it may
    }
    struct mallinfo2 after = mallinfo2();
    hob_fetch_stats_get(NULL, &stats);
    check_le(stats.body_bytes, 3 * 65536); // of what is compressed: the rest waits at the server
    check_le(after.uordblks + after.hblkhd, before.uordblks + before.hblkhd + 1000000);
}

/* ---- too slow ---- */

static int hold_still(struct liar *liar, hob_tcp *conn, int number)
{
    HOB_TRY(hear_head(liar, conn));
    if (liar->arg != NULL)
        HOB_TRY(say(conn, liar->arg));
    return hob_sleep(HOB_FOREVER);
}

TEST_ON_ALL(fetch_hostile, a_server_that_says_nothing_is_left)
{
    NOT_IN_SIM();
    static const struct { const char *text; hob_fetch_step step; } CASES[] = {
        { NULL, HOB_FETCH_WAIT }, { HEAD, HOB_FETCH_WAIT },
        { "HTTP/1.1 100 Continue\r\n\r\n", HOB_FETCH_WAIT },
        { HEAD "Content-Length: 5\r\n\r\nhell", HOB_FETCH_BODY },
    };
    hob_fetch_opts opts = { .first_byte_ns = 30 * HOB_MSEC, .slow_ns = 30 * HOB_MSEC };
    struct liar    liar = { .talk = hold_still };
    HOB_SCOPE(s);
    check_ok(open_liar(&s, &liar));
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        hob_fetch_trouble trouble;
        ANSWER(page);
        liar.arg = (void *)CASES[i].text;
        check_err(hob_fetch_with(NULL, AT(&liar, "/"), &opts, &trouble, &page), -ETIMEDOUT);
        check_eq(trouble.step, CASES[i].step);
        hob_fetch_opts all = { .total_ns = 30 * HOB_MSEC };
        check_err(hob_fetch_with(NULL, AT(&liar, "/"), &all, &trouble, &page), -ETIMEDOUT);
        check_has(trouble.text, "longer than all of it may");
        HOB_SCOPE(limited);
        hob_scope_deadline(&limited, hob_in(30 * HOB_MSEC));
        check_err(hob_fetch_with(NULL, AT(&liar, "/"), NULL, &trouble, &page), -ETIMEDOUT);
        ignore(hob_scope_end(&limited));
    }
    check_eq(connected(NULL), 3 * sizeof CASES / sizeof CASES[0]);
}

/* A byte every few milliseconds. */
static int drip(struct liar *liar, hob_tcp *conn, int number)
{
    HOB_TRY(hear_head(liar, conn));
    for (const char *at = liar->arg; *at != '\0'; at++) {
        HOB_TRY(hob_tcp_write(conn, at, 1));
        HOB_TRY(hob_sleep(3 * HOB_MSEC));
    }
    return hob_sleep(HOB_FOREVER);
}

TEST_ON_ALL(fetch_hostile, a_server_that_drips_is_left)
{
    NOT_IN_SIM();
    static const char DROPS[] = HEAD "Content-Length: 1000\r\n\r\n................................................"
                                     "..............................................................................";
    hob_fetch_opts    opts = { .first_byte_ns = 10 * HOB_SEC, .slow_ns = 50 * HOB_MSEC,
                               .bytes_per_s_min = 100000 };
    hob_fetch_trouble trouble;
    struct liar       liar = { .talk = drip, .arg = (void *)DROPS };
    HOB_SCOPE(s);
    ANSWER(page);
    check_ok(open_liar(&s, &liar));
    check_err(hob_fetch_with(NULL, AT(&liar, "/"), &opts, &trouble, &page), -ETIMEDOUT);
    check_eq(trouble.step, HOB_FETCH_BODY);
    check_has(trouble.text, "too slow");
    opts = (hob_fetch_opts){ .first_byte_ns = 50 * HOB_MSEC };
    check_err(hob_fetch_with(NULL, AT(&liar, "/"), &opts, &trouble, &page), -ETIMEDOUT);
    check_eq(trouble.step, HOB_FETCH_WAIT); // a head that drips has not begun in time, either
}

static int take_nothing(struct liar *liar, hob_tcp *conn, int number)
{
    return hob_sleep(HOB_FOREVER);
}

TEST_ON_ALL(fetch_hostile, a_server_that_takes_nothing_is_left)
{
    NOT_IN_SIM();
    struct liar    liar = { .talk = take_nothing };
    char           piece[65536] = "";
    ssize_t        n = 0;
    hob_fetch_opts opts = { .upload = 1, .slow_ns = 30 * HOB_MSEC };
    HOB_SCOPE(s);
    ANSWER(page);
    check_ok(open_liar(&s, &liar));
    check_ok(hob_fetch_open(NULL, AT(&liar, "/"), &opts, NULL, &page));
    for (int i = 0; n >= 0 && i < 10000; i++)
        n = hob_fetch_write(page, piece, sizeof piece);
    check_eq(n, -ETIMEDOUT);
    check_eq(hob_fetch_answer_trouble(page)->step, HOB_FETCH_SEND);
}

/* ---- redirects ---- */

TEST_ON_ALL(fetch_hostile, redirects_end)
{
    NOT_IN_SIM();
    static const struct { const char *to; int error; } CASES[] = {
        { "/", -ELOOP }, { "?x", -ELOOP }, { "ftp://a/", -EPROTONOSUPPORT }, { "file:///etc/passwd", -EPROTONOSUPPORT },
        { "http://u:p@127.0.0.1/", HOB_EHTTP }, { "http://", HOB_EHTTP }, { "gopher://127.0.0.1:6379/_x", -EPROTONOSUPPORT },
        { "http://[::1", HOB_EHTTP }, { "//", HOB_EHTTP }, { "javascript:alert(1)", HOB_EHTTP },
    };
    struct liar       liar = { .talk = say_it };
    char              text[1000];
    hob_fetch_trouble trouble;
    HOB_SCOPE(s);
    check_ok(open_liar(&s, &liar));
    liar.arg = text;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        ANSWER(page);
        int before = liar.count;
        snprintf(text, sizeof text, "HTTP/1.1 302 x\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n", CASES[i].to);
        int r = hob_fetch_with(NULL, AT(&liar, "/"), &(hob_fetch_opts){ .redirects_max = 4 }, &trouble, &page);
        if (r != CASES[i].error)
            fail("%s gave %s: %s", CASES[i].to, hob_error_name(r), trouble.text);
        check_eq(trouble.step, HOB_FETCH_REDIRECT);
        check_eq(liar.count - before, r == -ELOOP ? 5 : 1);
    }
}

TEST_ON_ALL(fetch_hostile, the_text_beside_a_redirect_is_not_read_for_ever)
{
    NOT_IN_SIM();
    struct liar liar = { .talk = repeat_body, .arg = "HTTP/1.1 302 x\r\nLocation: /\r\n\r\n" };
    HOB_SCOPE(s);
    check_ok(open_liar(&s, &liar));
    for (int open = 0; open < 2; open++) {
        ANSWER(page);
        int r = (open ? hob_fetch_open : hob_fetch_with)(NULL, AT(&liar, "/"), &(hob_fetch_opts){ .redirects_max = 2 },
                                                        NULL, &page);
        check_eq(r, -ELOOP);
        hob_fetch_stats stats;
        hob_fetch_stats_get(NULL, &stats);
        check_le(stats.body_bytes, 6 * 65536);
    }
}

/* ---- a kept connection that is closed just as it is used ---- */

/* The first connection serves one request, and is closed when the second has come; so is each, if
 * `arg` says so. */
static int close_on_second(struct liar *liar, hob_tcp *conn, int number)
{
    HOB_TRY(hear_head(liar, conn));
    HOB_TRY(say(conn, HEAD "Content-Length: 2\r\n\r\nok"));
    HOB_TRY(hear_head(liar, conn));
    if (number > 0)
        HOB_TRY(say(conn, HEAD "Content-Length: 2\r\n\r\nok"));
    return 0;
}

TEST_ON_ALL(fetch_hostile, a_kept_connection_closed_as_it_is_used_is_one_more_try_only_for_what_may_be_asked_twice)
{
    NOT_IN_SIM();
    static const struct { hob_fetch_opts opts; int result; } CASES[] = {
        { { .method = "GET" }, 0 },
        { { .method = "DELETE" }, 0 },
        { { .method = "PUT", .body = "x", .body_len = 1 }, 0 },
        { { .method = "POST", .body = "x", .body_len = 1 }, -ECONNRESET },
        { { .method = "POST", .body = "" }, -ECONNRESET },
        { { .method = "PATCH", .body = "x", .body_len = 1 }, -ECONNRESET },
        { { .method = "POST", .body = "x", .body_len = 1, .idempotent = 1 }, 0 },
    };
    HOB_SCOPE(s);
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct liar       liar = { .talk = close_on_second };
        hob_fetch_trouble trouble = { 0 };
        HOB_SCOPE(one);
        CLIENT(client);
        ANSWER(first);
        ANSWER(second);
        check_ok(open_liar(&one, &liar));
        check_ok(hob_fetch_client_new(&one, NULL, &client));
        check_ok(hob_fetch_with(client, AT(&liar, "/"), NULL, NULL, &first));
        int r = hob_fetch_with(client, AT(&liar, "/"), &CASES[i].opts, &trouble, &second);
        if (r != CASES[i].result)
            fail("%zu gave %s: %s", i, hob_error_name(r), trouble.text);
        if (r < 0)
            check_has(trouble.text, "whether it was heard is not known");
        check_eq(liar.requests, r < 0 ? 2 : 3);
        check_le(liar.count, 2);
    }
}

/* ---- what it keeps ---- */

static int bake(struct liar *liar, hob_tcp *conn, int number)
{
    static int baked;
    while (hear_head(liar, conn) > 0) {
        char text[4096] = HEAD "Content-Length: 0\r\n";
        for (int i = 0; i < 50; i++)
            snprintf(text + strlen(text), sizeof text - strlen(text), "Set-Cookie: c%d=x; Path=/x\r\n", baked++);
        HOB_TRY(say(conn, strcat(text, "\r\n")));
    }
    return 0;
}

TEST_ON_ALL(fetch_hostile, a_server_cannot_fill_the_jar)
{
    NOT_IN_SIM();
    struct liar     liar = { .talk = bake };
    hob_fetch_stats stats;
    HOB_SCOPE(s);
    CLIENT(client);
    check_ok(open_liar(&s, &liar));
    check_ok(hob_fetch_client_new(&s, &(hob_fetch_client_opts){ .cookies = 1 }, &client));
    for (int i = 0; i < 100; i++) { // 5,000 cookies
        ANSWER(page);
        check_ok(hob_fetch_with(client, AT(&liar, "/"), NULL, NULL, &page));
    }
    hob_fetch_stats_get(client, &stats);
    check_eq(stats.exchanges, 100);
    check_gt(stats.jar_emptied, 0);
}
