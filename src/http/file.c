/* SPDX-License-Identifier: MIT */
/*
 * A file as the answer: who it is (ETag, Last-Modified), whether it is wanted (conditions), and
 * which part of it (Range). RFC 9110 8.8, 13, 14.
 *
 * Of several ranges none is heeded: the whole file is a right answer (14.2), and nobody can ask for a
 * thousand copies of it at once.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "hob/copy.h"
#include "http/server.h"

enum { PIECE = 32768, TAG_BYTES = 64 };

struct facts {
    uint64_t size;
    int64_t  changed_s;
    char     tag[TAG_BYTES]; /* with its quotes */
    char     date[32];
};

static int facts_of(hob_file *file, struct facts *ret_facts)
{
    struct stat st;
    int         r = hob_file_stat(file, &st);
    if (r < 0)
        return r;
    if (!S_ISREG(st.st_mode))
        return -EISDIR;
    ret_facts->size = (uint64_t)st.st_size;
    ret_facts->changed_s = st.st_mtim.tv_sec;
    snprintf(ret_facts->tag, TAG_BYTES, "\"%llx-%llx-%lx\"", (unsigned long long)st.st_size,
             (unsigned long long)st.st_mtim.tv_sec, (unsigned long)st.st_mtim.tv_nsec);
    hob__http_date_write(ret_facts->changed_s, ret_facts->date);
    return 0;
}

/* ---- conditions: RFC 9110 13.2.2 ---- */

/* Whether the list, or *, has the tag. Ours is strong; a weak one is the same only to If-None-Match. */
static bool has_tag(const char *list, const char *tag, bool is_weak_fine)
{
    const char *end = list + strlen(list), *item;
    size_t      len, tag_len = strlen(tag);

    if (strcmp(list, "*") == 0)
        return true;
    while (hob__h1_list_next(&list, end, &item, &len)) {
        if (is_weak_fine && len > 2 && item[0] == 'W' && item[1] == '/') {
            item += 2;
            len -= 2;
        }
        if (len == tag_len && memcmp(item, tag, len) == 0)
            return true;
    }
    return false;
}

static bool is_reading(const hob_http_request *req)
{
    return strcmp(req->method, "GET") == 0 || strcmp(req->method, "HEAD") == 0;
}

/* The status in place of 200: 304, 412, or 0. */
static int condition(const hob_http_request *req, const struct facts *facts)
{
    const char *match = hob_http_header(req, "If-Match");
    const char *none_match = hob_http_header(req, "If-None-Match");
    const char *since = hob_http_header(req, "If-Modified-Since");
    const char *unmodified = hob_http_header(req, "If-Unmodified-Since");
    int64_t     then_s;

    if (match != NULL) {
        if (!has_tag(match, facts->tag, false))
            return 412;
    } else if (unmodified != NULL && hob__http_date_parse(unmodified, &then_s)
               && facts->changed_s > then_s) {
        return 412;
    }
    if (none_match != NULL) {
        if (has_tag(none_match, facts->tag, true))
            return is_reading(req) ? 304 : 412;
    } else if (since != NULL && is_reading(req) && hob__http_date_parse(since, &then_s)
               && facts->changed_s <= then_s) {
        return 304;
    }
    return 0;
}

/* ---- ranges: RFC 9110 14 ---- */

struct range {
    uint64_t first, len;
};

/* bytes=first-last, first-, or -suffix. Returns 206 with the range; 416; or 200: all of it. */
static int range_of(const char *value, uint64_t size, struct range *ret_range)
{
    const char *dash;
    uint64_t    first, last;

    if (strncasecmp(value, "bytes=", 6) != 0 || strchr(value, ',') != NULL)
        return 200;
    value += 6;
    dash = strchr(value, '-');
    if (dash == NULL)
        return 200;
    if (dash == value) {
        if (!hob__h1_number(dash + 1, strlen(dash + 1), &last))
            return 200;
        if (last == 0 || size == 0)
            return 416;
        last = last < size ? last : size;
        *ret_range = (struct range){ size - last, last };
        return 206;
    }
    if (!hob__h1_number(value, (size_t)(dash - value), &first))
        return 200;
    if (dash[1] == '\0')
        last = INT64_MAX;
    else if (!hob__h1_number(dash + 1, strlen(dash + 1), &last) || last < first)
        return 200;
    if (first >= size)
        return 416;
    last = last < size ? last : size - 1;
    *ret_range = (struct range){ first, last - first + 1 };
    return 206;
}

/* If-Range: the part only if it is still of the same file. */
static bool is_same_file(const hob_http_request *req, const struct facts *facts)
{
    const char *value = hob_http_header(req, "If-Range");
    int64_t     then_s;

    if (value == NULL)
        return true;
    if (value[0] == '"' || value[0] == 'W')
        return strcmp(value, facts->tag) == 0;
    return hob__http_date_parse(value, &then_s) && then_s == facts->changed_s;
}

static int wanted_part(const hob_http_request *req, const struct facts *facts, struct range *ret_range)
{
    const char *value = hob_http_header(req, "Range");

    *ret_range = (struct range){ 0, facts->size };
    if (value == NULL || strcmp(req->method, "GET") != 0 || !is_same_file(req, facts))
        return 200;
    return range_of(value, facts->size, ret_range);
}

/* ---- sending ---- */

/* From the file to the connection, past the program where that can be. */
int hob__h1_send_file(hob_http_request *req, hob_file *file, uint64_t len)
{
    struct http_conn *conn = req->conn;
    hob_copied        copied = { 0 };
    hob_copy_opts     opts = { .bytes_max = len, .all = 1 };
    hob_scope         s;

    int r = hob__http_flush_out(conn);
    if (r < 0)
        return r;
    hob_scope_begin(&s);
    hob_scope_deadline(&s, hob__http_rate_deadline(conn->server, len));
    r = hob_copy(hob_file_stream(file), conn->stream, &opts, &copied);
    (void)!hob_scope_end(&s);
    req->answer_left -= copied.bytes;
    req->answer_bytes += copied.bytes;
    conn->server->stats->writes++;
    if (r < 0 && copied.failed == HOB_COPY_WRITING)
        conn->broken = r;
    return r;
}

static int send_part(hob_http_request *req, hob_file *file, struct range range)
{
    char buf[PIECE];

    while (range.len > 0) {
        size_t  want = range.len < PIECE ? (size_t)range.len : PIECE;
        ssize_t n = hob_file_pread(file, buf, want, (int64_t)range.first);
        if (n <= 0)
            return n < 0 ? (int)n : HOB_EOF; // it became shorter meanwhile
        range.first += (uint64_t)n;
        range.len -= (uint64_t)n;
        n = hob_http_write(req, buf, (size_t)n);
        if (n < 0)
            return (int)n;
    }
    return 0;
}

static int add_unless_set(hob_http_request *req, const char *name, const char *value)
{
    size_t name_len = strlen(name);
    const char *at = req->work->headers, *end = at + req->headers_len;

    for (; at < end; at = (const char *)memchr(at, '\n', (size_t)(end - at)) + 1) {
        if ((size_t)(end - at) > name_len && at[name_len] == ':'
            && strncasecmp(at, name, name_len) == 0)
            return 0;
    }
    return hob_http_add_header(req, name, value);
}

static int add_facts(hob_http_request *req, const struct facts *facts)
{
    int r = add_unless_set(req, "ETag", facts->tag);
    if (r == 0)
        r = add_unless_set(req, "Last-Modified", facts->date);
    if (r == 0)
        r = add_unless_set(req, "Accept-Ranges", "bytes");
    return r;
}

static int add_range(hob_http_request *req, int status, const struct range *range, uint64_t size)
{
    char text[80];
    if (status == 416)
        snprintf(text, sizeof text, "bytes */%llu", (unsigned long long)size);
    else
        snprintf(text, sizeof text, "bytes %llu-%llu/%llu", (unsigned long long)range->first,
                 (unsigned long long)(range->first + range->len - 1), (unsigned long long)size);
    return hob_http_add_header(req, "Content-Range", text);
}

int hob_http_reply_file(hob_http_request *req, const char *type, hob_file *file)
{
    struct facts facts;
    struct range range = { 0, 0 };

    if (!hob__http_may_begin(req))
        return -EALREADY;
    int r = facts_of(file, &facts);
    if (r == 0)
        r = add_facts(req, &facts);
    if (r < 0)
        return r;

    int status = condition(req, &facts);
    if (status != 0)
        return hob_http_reply(req, status, NULL, NULL, 0);
    status = wanted_part(req, &facts, &range);
    if (status != 200)
        r = add_range(req, status, &range, facts.size);
    if (r < 0)
        return r;
    if (status == 416)
        return hob_http_reply_text(req, 416, NULL);

    r = hob_http_begin(req, status, type, (int64_t)range.len);
    if (r < 0 || strcmp(req->method, "HEAD") == 0)
        return r;
    bool is_direct = status == 200 && range.len > PIECE && req->filter == NULL &&
                     req->transport->send_file != NULL;
    return is_direct ? req->transport->send_file(req, file, range.len)
                     : send_part(req, file, range);
}
