/* SPDX-License-Identifier: MIT */
/*
 * Paths of requests from noise, against a table of routes. What is taken for a path must not lead
 * out of where it points; the tree must find what a reader finds who tries one pattern after the other;
 * and what was cut and decoded must be the path again when it is escaped.
 *
 * Input: the path.
 */
// links: web
#include <stdlib.h>
#include <string.h>

#include "web/web.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PATH_MAX_BYTES = 500 };

static const char *const PATTERNS[] = {
    "/", "/a", "/a/", "/a/{x}", "/a/{x}/b", "/a/b/{y...}", "/a/b/c", "/{x}", "/{x}/{y}/c", "/{x}/b/{z...}", "//a",
    "/\xc3\xa9/{x}", "/a b",
};

enum { COUNT = sizeof PATTERNS / sizeof PATTERNS[0] };

static struct web_pattern patterns[COUNT];
static hob_web           *web;

static void must(int cond)
{
    if (!cond)
        abort();
}

static int never(hob_http_request *req, void *arg)
{
    (void)req;
    (void)arg;
    return 0;
}

static void put_together(void)
{
    must(hob_web_new(NULL, &web) == 0);
    for (size_t i = 0; i < COUNT; i++) {
        if (strchr(PATTERNS[i], ' ') != NULL) { // not a pattern, and so nothing to be found by
            must(hob__web_pattern(PATTERNS[i], &patterns[i]) != NULL);
            patterns[i].count = 0;
            continue;
        }
        must(hob__web_pattern(PATTERNS[i], &patterns[i]) == NULL);
        hob_web_handle(web, PATTERNS[i], never, (void *)(uintptr_t)PATTERNS[i]);
    }
    must(hob_web_check(web) == 0);
}

static bool fits(const struct web_pattern *pattern, const struct web_path *path)
{
    if (pattern->count == 0)
        return false;
    for (size_t i = 0; i < pattern->count; i++) {
        const struct web_segment *segment = &pattern->at[i];
        if (i >= path->count)
            return false;
        size_t len = web_path_len(path, i);
        if (segment->kind == WEB_TAIL)
            return true;
        if (segment->kind == WEB_PARAM ? len == 0
                                       : len != segment->len || memcmp(web_path_segment(path, i), segment->text, len) != 0)
            return false;
    }
    return pattern->count == path->count;
}

static bool is_better(const struct web_pattern *a, const struct web_pattern *b)
{
    for (size_t i = 0; i < a->count && i < b->count; i++) {
        if (a->at[i].kind != b->at[i].kind)
            return a->at[i].kind < b->at[i].kind;
    }
    return false;
}

static void check_segments(const struct web_path *path)
{
    for (size_t i = 0; i < path->count; i++) {
        const char *text = web_path_segment(path, i);
        size_t      len = web_path_len(path, i);
        must(strlen(text) == len);
        must(strcmp(text, ".") != 0 && strcmp(text, "..") != 0);
        must((strchr(text, '/') != NULL) == path->has_slash[i]);
        must(hob__web_is_utf8(text, len));
        for (size_t j = 0; j < len; j++)
            must((unsigned char)text[j] >= 0x20 && text[j] != 0x7f);
    }
}

/* Written with every byte escaped, it is the same path. */
static void check_again(const struct web_path *path)
{
    char           *text = malloc(path->len * 3 + path->count + 2), *room = malloc(path->len * 3 + path->count + 2);
    struct web_path again;
    size_t          at = 0;

    for (size_t i = 0; i < path->count; i++) {
        text[at++] = '/';
        for (size_t j = 0; j < web_path_len(path, i); j++) {
            static const char HEX[] = "0123456789abcdef";
            unsigned char     c = (unsigned char)web_path_segment(path, i)[j];
            text[at++] = '%';
            text[at++] = HEX[c >> 4];
            text[at++] = HEX[c & 15];
        }
    }
    text[at] = '\0';
    must(hob__web_path(text, room, &again) == 0);
    must(again.count == path->count && again.len == path->len && memcmp(again.bytes, path->bytes, path->len) == 0);
    free(text);
    free(room);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct web_path path;

    if (web == NULL)
        put_together();
    if (size > PATH_MAX_BYTES || memchr(data, '\0', size) != NULL)
        return 0;
    char *text = malloc(size + 1), *room = malloc(size + 1); // of just that size: a sanitizer looks
    memcpy(text, data, size);
    text[size] = '\0';
    if (hob__web_path(text, room, &path) == 0) {
        check_segments(&path);
        const char *want = NULL;
        int         best = -1;
        for (int i = 0; i < COUNT && !path.is_long; i++) {
            if (fits(&patterns[i], &path) && (best < 0 || is_better(&patterns[i], &patterns[best]))) {
                best = i;
                want = PATTERNS[i];
            }
        }
        const struct web_node *node = hob__web_find(web->service->tree, &path);
        must((node != NULL ? node->endpoints->arg : NULL) == (void *)(uintptr_t)want);
        if (!path.is_long)
            check_again(&path);
    }
    free(text);
    free(room);
    return 0;
}
