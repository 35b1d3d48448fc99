/* SPDX-License-Identifier: MIT */
/*
 * Each frame in each state of a stream, right and wrong, as RFC 9113 wants it: the same however the bytes
 * are cut. Rows are those of SURVIVAL.
 */
#include "http/h2_frames.h"
#include "http/h2_peer.h"

enum { CASES = sizeof H2_CASES / sizeof H2_CASES[0] };

static int tell(hob_http_request *req, void *arg)
{
    char    text[300], buf[1000];
    ssize_t n, len = 0;

    if (strcmp(hob_http_path(req), "/wait") == 0)
        HOB_TRY(hob_sleep(50 * HOB_MSEC));
    while ((n = HOB_TRY(hob_http_read(req, buf, sizeof buf))) > 0)
        len += n;
    snprintf(text, sizeof text, "%.32s %.200s %zd\n", hob_http_method(req), hob_http_path(req), len);
    return hob_http_reply_text(req, 200, text);
}

static void bytes_of(const struct h2_case *c, struct h2_bytes *to)
{
    h2_script(to, c->script[0] == '!' ? "" : "PRI");
    h2_script(to, c->script + (c->script[0] == '!'));
}

/* The words of one outcome, in order. */
static void sorted(const char *words, size_t len, char *to, size_t size)
{
    char  text[512];
    char *all[64], *save;
    int   count = 0;

    snprintf(text, sizeof text, "%.*s", (int)len, words);
    for (char *word = strtok_r(text, " ", &save); word != NULL; word = strtok_r(NULL, " ", &save)) {
        int i = count++;
        for (; i > 0 && strcmp(all[i - 1], word) > 0; i--)
            all[i] = all[i - 1];
        all[i] = word;
    }
    to[0] = '\0';
    for (int i = 0; i < count; i++)
        snprintf(to + strlen(to), size - strlen(to), "%s ", all[i]);
}

static bool is_one_of(const char *words, const char *outcomes)
{
    char got[512], want[512];

    sorted(words, strlen(words), got, sizeof got);
    for (const char *at = outcomes;;) {
        const char *end = strstr(at, " or ");
        sorted(at, end != NULL ? (size_t)(end - at) : strlen(at), want, sizeof want);
        if (strcmp(got, want) == 0)
            return true;
        if (end == NULL)
            return false;
        at = end + 4;
    }
}

/* In two pieces, cut there. */
static int try_cut(const struct site *site, const struct h2_case *c, const struct h2_bytes *bytes, size_t cut)
{
    H2_PEER(peer);

    check_ok(h2_visit(site, &peer));
    ssize_t n = cut > 0 ? hob_tcp_write(peer->conn, bytes->at, cut) : 0;
    if (n >= 0 && cut > 0)
        check_ok(hob_sleep(HOB_MSEC));
    if (n >= 0)
        n = hob_tcp_write(peer->conn, bytes->at + cut, bytes->len - cut);
    if (n >= 0)
        ignore(hob_tcp_shutdown(peer->conn));
    H2_HEAR_UNTIL(peer, false);
    if (!is_one_of(peer->words, c->outcome))
        HOB_EXPECT_NOT("%s, cut at %zu of %zu: \"%s\", not \"%s\"", c->what, cut, bytes->len, peer->words,
                       c->outcome);
    return 0;
}

/* Rows 96, 97, 98, 99, 100, and 92. */
TEST_AS(http2_frames, each_of_the_table_has_its_outcome, HOB_TEST_EACH_BACKEND | HOB_TEST_ONE_SEED, NULL)
{
    struct site site = { .handler = tell };
    HOB_SCOPE(s);

    hob_test_timeout(120);
    check_ok(open_site(&s, &site));
    for (int i = 0; i < CASES; i++) {
        H2_BYTES(bytes);
        bytes_of(&H2_CASES[i], &bytes);
        check_ok(try_cut(&site, &H2_CASES[i], &bytes, 0));
    }
    WAIT_FOR(site.stats.connections == 0);
    check_eq(site.stats.running, 0);
}

TEST_ONCE(http2_frames, each_of_the_table_has_its_outcome_wherever_it_is_cut)
{
    struct site site = { .handler = tell };
    HOB_SCOPE(s);

    hob_test_timeout(300);
    check_ok(open_site(&s, &site));
    for (int i = 0; i < CASES; i++) {
        H2_BYTES(bytes);
        bytes_of(&H2_CASES[i], &bytes);
        for (size_t cut = 1; cut < bytes.len; cut++)
            check_ok(try_cut(&site, &H2_CASES[i], &bytes, cut));
    }
    WAIT_FOR(site.stats.connections == 0);
    check_eq(site.stats.running, 0);
}
