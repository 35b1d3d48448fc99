/* SPDX-License-Identifier: MIT */
/*
 * A file as the answer: who it is (ETag, Last-Modified), whether it is wanted (conditions), and
 * which part of it (Range). RFC 9110 8.8, 13, 14.
 *
 * Of several ranges none is heeded: the whole file is a right answer (14.2), and nobody can ask for a
 * thousand copies of it at once.
 *
 * Somebody may write over the file meanwhile. What is up to a piece is read before a word is said of it, between
 * two looks at its facts; of what is longer the end is held back until its facts were looked at again. So an
 * answer that is whole is of one file, as far as the times of files tell (docs/design/0113).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "hob/copy.h"
#include "http/server.h"

enum { PIECE = 32768, TAIL = 4096, BEGIN = 512, TAG_BYTES = 64, LOOKS_MORE = 6 };

#define AGAIN_NS (1 * HOB_MSEC)  /* and twice as long each time    */
#define FRESH_NS (50 * HOB_MSEC) /* which is less than all of them */

struct facts {
    uint64_t size;
    int64_t  changed_s, changed_ns; /* the second in all */
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
    ret_facts->changed_ns = st.st_mtim.tv_sec * HOB_SEC + st.st_mtim.tv_nsec;
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

/* ---- one file, as it was at one moment ---- */

/* What is to be sent, and its first bytes, which go together with what is said of it. */
struct look {
    struct facts facts;
    int          status;
    bool         is_direct; /* past the program, but for its end */
    struct range range;
    size_t       begin_len, len;    /* of the next two                               */
    char         begin[BEGIN];      /* of the range, to know the file again          */
    char         bytes[PIECE];
};

static bool is_unchanged(const struct facts *then, const struct facts *now)
{
    return strcmp(then->tag, now->tag) == 0; // the tag is made of all that would change
}

/* Reads what there is of the range, at most `size` bytes. */
static ssize_t read_piece(hob_file *file, struct range range, char *buf, size_t size)
{
    size_t want = range.len < size ? (size_t)range.len : size, len = 0;

    while (len < want) {
        ssize_t n = hob_file_pread(file, buf + len, want - len, (int64_t)(range.first + len));
        if (n < 0)
            return n;
        if (n == 0)
            break;
        len += (size_t)n;
    }
    return (ssize_t)len;
}

static bool has_direct_way(const hob_http_request *req, const struct look *look)
{
    return look->status == 200 && look->range.len > PIECE && req->filter == NULL && req->transport->send_file != NULL;
}

/* It was just made empty, most often by who is about to write it. */
static bool is_being_written(const struct facts *facts)
{
    int64_t age_ns = facts->size == 0 ? hob_wall_now() - facts->changed_ns : FRESH_NS;
    return age_ns >= 0 && age_ns < FRESH_NS;
}

static int look_once(hob_http_request *req, hob_file *file, struct look *look)
{
    struct facts now;

    look->len = 0;
    int r = facts_of(file, &look->facts);
    if (r < 0)
        return r;
    look->status = condition(req, &look->facts);
    if (look->status != 0)
        return 0;
    look->status = wanted_part(req, &look->facts, &look->range);
    look->is_direct = has_direct_way(req, look);
    if (look->status == 416 || strcmp(req->method, "HEAD") == 0)
        return 0;
    if (is_being_written(&look->facts))
        return -ESTALE;
    ssize_t n = look->is_direct ? read_piece(file, look->range, look->begin, BEGIN)
                                : read_piece(file, look->range, look->bytes, PIECE);
    if (n < 0)
        return (int)n;
    look->begin_len = (size_t)n < BEGIN ? (size_t)n : BEGIN;
    if (look->is_direct)
        return look->begin_len == BEGIN ? 0 : -ESTALE;
    look->len = (size_t)n;
    memcpy(look->begin, look->bytes, look->begin_len);
    r = facts_of(file, &now);
    if (r < 0)
        return r;
    return is_unchanged(&look->facts, &now) && (look->len == PIECE || look->len == look->range.len) ? 0 : -ESTALE;
}

/* Again, if somebody is just writing it. */
static int look_at(hob_http_request *req, hob_file *file, struct look *look)
{
    int r = look_once(req, file, look);

    for (int i = 0; r == -ESTALE && i < LOOKS_MORE; i++) {
        r = hob_sleep(AGAIN_NS << i);
        if (r == 0)
            r = look_once(req, file, look);
    }
    return r;
}

/* Whether the end may go out, with which the answer is whole. A file that has grown and begins as before is one to
 * which something is added, such as a log: what was there is still the same. */
static int check_end(hob_file *file, const struct look *look)
{
    struct facts now;
    char         begin[BEGIN];
    int          r = facts_of(file, &now);

    if (r < 0 || is_unchanged(&look->facts, &now))
        return r;
    if (now.size <= look->facts.size)
        return -ESTALE;
    ssize_t n = read_piece(file, look->range, begin, look->begin_len);
    if (n < 0)
        return (int)n;
    return (size_t)n == look->begin_len && memcmp(begin, look->begin, look->begin_len) == 0 ? 0 : -ESTALE;
}

/* Sends what was read, and then the rest, piece by piece. */
static int send_pieces(hob_http_request *req, hob_file *file, struct look *look)
{
    struct range left = look->range;
    ssize_t      n = (ssize_t)look->len;
    int          r = 0;

    if (look->is_direct) {
        uint64_t len = left.len - TAIL;
        r = req->transport->send_file(req, file, len);
        left = (struct range){ left.first + len, TAIL };
        n = 0;
    }
    while (r == 0) {
        bool is_first = n > 0;
        if (!is_first)
            n = read_piece(file, left, look->bytes, PIECE);
        if (n <= 0)
            return n < 0 ? (int)n : -ESTALE; // it became shorter
        left.first += (uint64_t)n;
        left.len -= (uint64_t)n;
        if (left.len == 0 && !is_first)
            r = check_end(file, look);
        ssize_t written = r == 0 ? hob_http_write(req, look->bytes, (size_t)n) : 0;
        if (written < 0 || left.len == 0)
            return written < 0 ? (int)written : r;
        n = 0;
    }
    return r;
}

int hob_http_reply_file(hob_http_request *req, const char *type, hob_file *file)
{
    struct look look;

    if (!hob__http_may_begin(req))
        return -EALREADY;
    int r = look_at(req, file, &look);
    if (r == 0)
        r = add_facts(req, &look.facts);
    if (r < 0)
        return r;

    if (look.status == 304 || look.status == 412)
        return hob_http_reply(req, look.status, NULL, NULL, 0);
    if (look.status != 200)
        r = add_range(req, look.status, &look.range, look.facts.size);
    if (r < 0)
        return r;
    if (look.status == 416)
        return hob_http_reply_text(req, 416, NULL);

    r = hob_http_begin(req, look.status, type, (int64_t)look.range.len);
    if (r < 0 || strcmp(req->method, "HEAD") == 0 || look.range.len == 0)
        return r;
    return send_pieces(req, file, &look);
}
