/* SPDX-License-Identifier: MIT */
/*
 * Patterns, paths and the tree of routes, beside a reader who tries one pattern after the other.
 *
 * What holds: of all patterns that fit a path, the tree finds the one that the plain reader prefers;
 * and a path that leads out of where it points, or could be read in two ways, is none.
 */
#include "base/rand.h"
#include "support/io.h"
#include "web/web.h"

/* ---- paths ---- */

static const char *shown(const char *text)
{
    static char     out[1000];
    static char     room[1000];
    struct web_path path;
    size_t          at = 0;

    if (hob__web_path(text, room, &path) < 0)
        return "none";
    out[0] = '\0';
    for (size_t i = 0; i < path.count; i++)
        at += (size_t)sprintf(out + at, "%s[%s]%s", i > 0 ? " " : "", web_path_segment(&path, i),
                              path.has_slash[i] ? "!" : "");
    return out;
}

TEST_BARE(web_path, segments_are_cut_first_and_decoded_then)
{
    check_str(shown("/"), "[]");
    check_str(shown("/a"), "[a]");
    check_str(shown("/a/"), "[a] []");
    check_str(shown("//a"), "[] [a]");
    check_str(shown("/a%20b/%C3%A9"), "[a b] [\xc3\xa9]");
    check_str(shown("/a%2Fb/c"), "[a/b]! [c]");
    check_str(shown("/%252e%252e"), "[%2e%2e]"); // once
    check_str(shown("/.../.a/a."), "[...] [.a] [a.]");
    check_str(shown("/a+b"), "[a+b]");
}

TEST_BARE(web_path, what_could_mislead_is_no_path)
{
    static const char *const BAD[] = {
        "", "*", "a/b", "/%", "/%4", "/%zz", "/%2", "/%00", "/a%00b", "/%0a", "/%0D%0A", "/%1f", "/%7f",
        "/.", "/..", "/a/../b", "/%2e%2e/b", "/%2E.", "/.%2e/", "/a/%2e/b", "/a/..",
        "/%ff", "/%c3", "/%c0%af", "/%e0%80%af", "/%ed%a0%80", "/%f4%90%80%80", "/%c3%28", "/%80",
        "/\xff", "/\x7f", "/a\x01",
    };
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        if (strcmp(shown(BAD[i]), "none") != 0)
            fail("%s is taken for a path: %s", BAD[i], shown(BAD[i]));
    }
}

TEST_BARE(web_path, a_path_with_too_many_segments_is_told_apart)
{
    char            text[400] = "", room[400];
    struct web_path path;

    for (int i = 0; i < 64; i++)
        strcat(text, "/x");
    check_ok(hob__web_path(text, room, &path));
    check_eq(path.count, 64);
    check(!path.is_long);
    strcat(text, "/x");
    check_ok(hob__web_path(text, room, &path));
    check(path.is_long);
    strcat(text, "/..");
    check_err(hob__web_path(text, room, &path), -EINVAL);
}

/* ---- patterns ---- */

TEST_BARE(web_path, a_pattern_that_is_none_is_told_why)
{
    static const struct {
        const char *pattern, *why;
    } BAD[] = {
        { "", "begins with /" }, { "a", "begins with /" }, { "/{}", "a name" }, { "/{a b}", "a name" },
        { "/{1}", "a name" }, { "/x{a}", "whole segment" }, { "/{a}x", "whole segment" },
        { "/a}", "whole segment" }, { "/{rest...}/x", "at the end" }, { "/{a}/{a}", "same name" },
        { "/{a}/{a...}", "same name" }, { "/a b", "no blanks" }, { "/a?b", "no blanks" }, { "/%41", "escapes" },
        { "/a/../b", ". and .." }, { "/\xff", "UTF-8" }, { "/{...}", "a name" },
    };
    struct web_pattern pattern;
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        const char *why = hob__web_pattern(BAD[i].pattern, &pattern);
        if (why == NULL || strstr(why, BAD[i].why) == NULL)
            fail("%s: %s", BAD[i].pattern, why);
    }
    check_eq(hob__web_pattern("/a/{b}/{c-1...}", &pattern), NULL);
    check_eq(pattern.count, 3);
    check_eq(pattern.at[2].kind, WEB_TAIL);
    check_eq(pattern.at[2].len, 3);
}

/* ---- the model ---- */

enum { ROUTES = 60, WORDS = 4 };

static const char *const WORD[WORDS] = { "a", "b", "ab", "" };

static void some_pattern(struct rand *rand, char *to)
{
    size_t count = 1 + (size_t)rand_below(rand, 5), at = 0;

    for (size_t i = 0; i < count; i++) {
        uint64_t kind = rand_below(rand, 8);
        if (kind == 7 && i + 1 == count)
            at += (size_t)sprintf(to + at, "/{t...}");
        else if (kind >= 4)
            at += (size_t)sprintf(to + at, "/{p%zu}", i);
        else
            at += (size_t)sprintf(to + at, "/%s", WORD[kind]);
    }
}

static void some_path(struct rand *rand, char *to)
{
    size_t count = 1 + (size_t)rand_below(rand, 6), at = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t kind = rand_below(rand, 6);
        at += (size_t)sprintf(to + at, "/%s", kind < WORDS ? WORD[kind] : kind == 4 ? "%61" : "x%2Fy");
    }
}

static bool fits(const struct web_pattern *pattern, const struct web_path *path)
{
    for (size_t i = 0; i < pattern->count; i++) {
        const struct web_segment *segment = &pattern->at[i];
        if (i >= path->count)
            return false;
        if (segment->kind == WEB_TAIL)
            return true;
        size_t len = web_path_len(path, i);
        if (segment->kind == WEB_PARAM ? len == 0
                                       : len != segment->len || memcmp(web_path_segment(path, i), segment->text, len))
            return false;
    }
    return pattern->count == path->count;
}

/* Whether the first is preferred: at the first difference a text, then {p}, then {t...}. */
static bool is_better(const struct web_pattern *a, const struct web_pattern *b)
{
    for (size_t i = 0; i < a->count && i < b->count; i++) {
        if (a->at[i].kind != b->at[i].kind)
            return a->at[i].kind < b->at[i].kind;
    }
    return false;
}

static bool is_same(const struct web_pattern *a, const struct web_pattern *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++) {
        if (a->at[i].kind != b->at[i].kind
            || (a->at[i].kind == WEB_TEXT
                && (a->at[i].len != b->at[i].len || memcmp(a->at[i].text, b->at[i].text, a->at[i].len) != 0)))
            return false;
    }
    return true;
}

static int never(hob_http_request *req, void *arg)
{
    return 0;
}

TEST(web_route, the_tree_finds_what_a_plain_reader_would)
{
    static char               texts[ROUTES][100];
    static struct web_pattern patterns[ROUTES];
    struct rand               rand = { hob_test_seed() };
    hob_web                  *web;
    int                       found = 0;

    check_ok(hob_web_new(NULL, &web));
    int count = 0;
    for (int i = 0; i < ROUTES; i++) {
        some_pattern(&rand, texts[count]);
        check_eq(hob__web_pattern(texts[count], &patterns[count]), NULL);
        int j = 0;
        while (j < count && !is_same(&patterns[j], &patterns[count]))
            j++;
        if (j < count)
            continue;
        hob_web_handle(web, texts[count], never, texts[count]);
        count++;
    }
    check_ok(hob_web_check(web));
    for (int i = 0; i < (hob_test_is_deep() ? 20000 : 3000); i++) {
        char            text[100], room[100];
        struct web_path path;
        some_path(&rand, text);
        check_ok(hob__web_path(text, room, &path));
        const char *want = NULL;
        int         best = -1;
        for (int j = 0; j < count; j++) {
            if (fits(&patterns[j], &path) && (best < 0 || is_better(&patterns[j], &patterns[best]))) {
                best = j;
                want = texts[j];
            }
        }
        const struct web_node *node = hob__web_find(web->service->tree, &path);
        const char            *got = node != NULL ? node->endpoints->arg : NULL;
        if (got != want)
            fail("%s: by the tree %s, by reading %s", text, got, want);
        found += got != NULL;
    }
    hob_web_free(web);
    check_gt(found, 100);
}

/* ---- mistakes ---- */

TEST_DIES(web_route, two_handlers_for_one_route_are_a_mistake,
          "*hob_web_handle: \"GET /items/{key}\" has a handler already, by the pattern \"/items/{id}\"*")
{
    hob_web *web;
    check_ok(hob_web_new(NULL, &web));
    hob_web_handle(web, "GET /items/{id}", never, NULL);
    hob_web_handle(web, "POST /items/{id}", never, NULL);
    hob_web_handle(web, "GET /items/{key}", never, NULL);
}

TEST_DIES(web_route, a_conflict_through_a_group_is_found_too,
          "*\"GET /api/x\" has a handler already*")
{
    hob_web *web;
    check_ok(hob_web_new(NULL, &web));
    hob_web_handle(web, "GET /api/x", never, NULL);
    hob_web_handle(hob_web_group(web, "/api"), "GET /x", never, NULL);
}

TEST_DIES(web_route, a_pattern_with_a_mistake_stops_the_program,
          "*hob_web_handle: \"GET /x{a}\": { and } enclose a whole segment*")
{
    hob_web *web;
    check_ok(hob_web_new(NULL, &web));
    hob_web_handle(web, "GET /x{a}", never, NULL);
}

TEST_DIES(web_route, a_method_is_in_capitals, "*hob_web_handle: \"get /x\": a pattern is a method in capitals*")
{
    hob_web *web;
    check_ok(hob_web_new(NULL, &web));
    hob_web_handle(web, "get /x", never, NULL);
}

TEST_DIES(web_route, a_prefix_ends_without_a_slash, "*hob_web_group: \"/api/\": a prefix begins with / and*")
{
    hob_web *web;
    check_ok(hob_web_new(NULL, &web));
    ignore(hob_web_group(web, "/api/") != NULL);
}
