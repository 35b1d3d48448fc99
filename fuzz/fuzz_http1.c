/* SPDX-License-Identifier: MIT */
/*
 * HTTP/1.1 from noise. What is said of the bytes must not depend on how they are cut; the quick
 * scan must find what the plain one finds; and what is taken for a head must look like one to the
 * plainest of readers, too: no other could find another end, or another length of the body.
 *
 * Input: two bytes that choose, then the bytes.
 */
// links: http
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "http/h1.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FIELDS_MAX = 20 };

static void must(int cond)
{
    if (!cond)
        abort();
}

struct reading {
    struct h1_head   head;
    struct h1_field  fields[FIELDS_MAX];
    struct h1_chunks chunks;
    uint64_t         data;
    int64_t          head_len; /* or 0, or a status */
    size_t           at;
    int              end; /* of the chunks */
};

static void read_more(struct reading *r, const char *bytes, size_t len)
{
    if (r->head_len < 0 || r->end != 0)
        return;
    if (r->head_len == 0) {
        r->head_len = hob__h1_head(&r->head, bytes, len);
        if (r->head_len <= 0)
            return;
        r->at = (size_t)r->head_len;
        must(r->at <= len);
    }
    while (!r->head.is_trailer && r->head.body == H1_CHUNKED) {
        size_t used = 0;
        int    got = hob__h1_chunk(&r->chunks, bytes + r->at, len - r->at, &used);
        r->at += used;
        if (got != H1_CHUNKS_DATA && got != H1_CHUNKS_MORE) {
            r->end = got;
            return;
        }
        size_t n = r->chunks.left < len - r->at ? (size_t)r->chunks.left : len - r->at;
        if (got == H1_CHUNKS_MORE || n == 0)
            return;
        r->chunks.left -= n;
        r->at += n;
        r->data += n;
    }
}

static void begin(struct reading *r, int is_trailer)
{
    memset(r, 0, sizeof *r);
    r->head.limits = (struct h1_limits){ .target_max = 60, .head_max = 400, .fields_max = FIELDS_MAX };
    r->head.fields = r->fields;
    r->head.is_trailer = is_trailer;
}

/* A copy of just that size: a sanitizer sees who looks behind it. */
static void read_copy(struct reading *r, const char *bytes, size_t len)
{
    char *copy = malloc(len + 1);
    memcpy(copy, bytes, len);
    read_more(r, copy, len);
    free(copy);
}

/* ---- the plainest reader ---- */

static void look_plainly(const struct reading *r, const char *bytes)
{
    size_t   len = (size_t)r->head_len;
    unsigned lengths = 0, codings = 0, lines = 0;

    must(len >= 2 && len <= 400 && memcmp(bytes + len - 2, "\r\n", 2) == 0);
    must(r->head.is_trailer || memcmp(bytes + len - 4, "\r\n\r\n", 4) == 0);
    for (size_t i = 0; i < len; i++) {
        must((bytes[i] == '\r') == (i + 1 < len && bytes[i + 1] == '\n'));
        must(bytes[i] != '\0');
        if (bytes[i] != '\n')
            continue;
        lines++;
        must(i + 1 == len || (bytes[i + 1] != ' ' && bytes[i + 1] != '\t'));
        lengths += i + 15 < len && strncasecmp(bytes + i + 1, "content-length", 14) == 0
                   && bytes[i + 15] == ':';
        codings += i + 18 < len && strncasecmp(bytes + i + 1, "transfer-encoding", 17) == 0
                   && bytes[i + 18] == ':';
    }
    if (r->head.is_trailer)
        return;
    must(lengths + codings <= 1);
    must((r->head.body == H1_CHUNKED) == (codings == 1));
    must(r->head.body != H1_LENGTH || (lengths == 1 && r->head.length > 0));
    must(lines == r->head.field_count + 2 + r->head.has_blank);
    must(r->head.path.at + r->head.path.len <= len && r->head.query.at + r->head.query.len <= len);
    must(r->head.minor == 0 || r->head.host.len > 0);
    must(hob__h1_is_token(bytes + r->head.method.at, r->head.method.len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reading whole, cut;
    if (size < 2)
        return 0;
    int         is_trailer = data[0] % 8 == 7;
    size_t      step = 1 + data[1] % 64;
    const char *bytes = (const char *)data + 2;
    size_t      len = size - 2;

    must(hob__h1_text(bytes, len) == hob__h1_text_plain(bytes, len));

    begin(&whole, is_trailer);
    read_copy(&whole, bytes, len);
    begin(&cut, is_trailer);
    for (size_t n = 0; n < len; n += step)
        read_copy(&cut, bytes, n);
    read_copy(&cut, bytes, len);

    must(cut.head_len == whole.head_len && cut.end == whole.end);
    if (whole.end >= 0)
        must(cut.at == whole.at && cut.data == whole.data);
    if (whole.head_len > 0)
        look_plainly(&whole, bytes);

    // A list has the same elements however it is padded, and each is trimmed.
    const char *at = bytes, *item;
    size_t      item_len;
    while (hob__h1_list_next(&at, bytes + len, &item, &item_len)) {
        must(item_len > 0 && item >= bytes && item + item_len <= bytes + len);
        must(item[0] != ' ' && item[item_len - 1] != ' ' && memchr(item, ',', item_len) == NULL);
    }
    return 0;
}
