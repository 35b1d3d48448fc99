/* SPDX-License-Identifier: MIT */
/*
 * ETags from the bytes of an answer (RFC 9110 8.8.3, 13.1.2). Its head is held back until all of the body
 * is there, since the tag stands before it.
 *
 *     begin: kept ─▶ write, write: gathered ─▶ all is there: tag; 304, or head and body below
 *
 * The tags are weak: what compresses the answer later leaves them true.
 */
#include <errno.h>
#include <string.h>

#include "web/web.h"

enum { LENGTH_MAX = 1024 * 1024, TYPE_MAX = 256 };

struct etag {
    hob_http_filter filter; /* first */
    bool            holds;
    int             status;
    bool            has_type;
    char            type[TYPE_MAX];
    size_t          length, len;
    char           *bytes;
};

/* 128 bits of everything: two sums that multiply and turn (as in MurmurHash3), each with its own
 * beginning. Not against who looks for two pages with one tag: it is their own page. */
static uint64_t mix(uint64_t h)
{
    h = (h ^ (h >> 33)) * 0xff51afd7ed558ccdULL;
    h = (h ^ (h >> 33)) * 0xc4ceb9fe1a85ec53ULL;
    return h ^ (h >> 33);
}

static uint64_t sum(const char *bytes, size_t len, uint64_t h)
{
    h ^= len;
    for (; len >= 8; bytes += 8, len -= 8) {
        uint64_t word;
        memcpy(&word, bytes, 8);
        h = mix(h ^ word) + 0x9e3779b97f4a7c15ULL;
    }
    uint64_t rest = 0;
    memcpy(&rest, bytes, len);
    return mix(h ^ rest);
}

/* Whether the tag is in the list of If-None-Match: compared weakly. */
static bool is_listed(const char *list, const char *tag)
{
    const char *opaque = tag + 2; // behind W/
    size_t      len = strlen(opaque);

    if (strcmp(list, "*") == 0)
        return true;
    while ((list = strchr(list, '"')) != NULL) {
        const char *end = strchr(list + 1, '"');
        if (end == NULL)
            return false;
        if ((size_t)(end + 1 - list) == len && memcmp(list, opaque, len) == 0)
            return true;
        list = end + 1;
    }
    return false;
}

static int reply_tagged(struct etag *etag, hob_http_request *req, const char *bytes)
{
    const char *known = hob_http_header(req, "If-None-Match");
    char        tag[] = "W/\"................................\"";

    etag->holds = false;
    hob__web_hex(sum(bytes, etag->length, 1), tag + 3);
    hob__web_hex(sum(bytes, etag->length, 0x5851f42d4c957f2dULL), tag + 19);
    HOB_TRY(hob_http_set_header(req, "ETag", tag));
    if (known != NULL && is_listed(known, tag))
        return hob_http_reply(req, 304, NULL, NULL, 0);
    return hob_http_reply(req, etag->status, etag->has_type ? etag->type : NULL, bytes, etag->length);
}

static bool is_for(hob_http_request *req, int status, const char *type, int64_t length)
{
    const char *method = hob_http_method(req);
    char        tag[2];

    return status == 200 && length > 0 && length <= LENGTH_MAX
        && (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0)
        && hob_http_answer_header(req, "ETag", tag, sizeof tag) == -ENOENT
        && (type == NULL || strlen(type) < TYPE_MAX);
}

static int etag_begin(hob_http_filter *filter, hob_http_request *req, int status, const char *type,
                      int64_t length)
{
    struct etag *etag = (struct etag *)filter;

    if (!is_for(req, status, type, length))
        return hob_http_begin(req, status, type, length);
    etag->holds = true;
    etag->status = status;
    etag->has_type = type != NULL;
    if (type != NULL)
        strcpy(etag->type, type);
    etag->length = (size_t)length;
    etag->len = 0;
    return 0;
}

static ssize_t etag_write(hob_http_filter *filter, hob_http_request *req, const void *data, size_t len)
{
    struct etag *etag = (struct etag *)filter;

    if (!etag->holds)
        return hob_http_write(req, data, len);
    if (len > etag->length - etag->len)
        return -EMSGSIZE;
    if (len == etag->length) { // all of it at once: as hob_http_reply does
        int r = reply_tagged(etag, req, data);
        return r < 0 ? r : (ssize_t)len;
    }
    if (etag->bytes == NULL)
        etag->bytes = hob_web_alloc(req, etag->length);
    if (etag->bytes == NULL)
        return -ENOMEM;
    memcpy(etag->bytes + etag->len, data, len);
    etag->len += len;
    if (etag->len == etag->length) {
        int r = reply_tagged(etag, req, etag->bytes);
        return r < 0 ? r : (ssize_t)len;
    }
    return (ssize_t)len;
}

/* The handler is in a hurry: what is held goes on, without a tag. */
static int let_go(struct etag *etag, hob_http_request *req)
{
    if (!etag->holds)
        return 0;
    etag->holds = false;
    HOB_TRY(hob_http_begin(req, etag->status, etag->has_type ? etag->type : NULL, (int64_t)etag->length));
    return etag->len > 0 ? (int)HOB_TRY(hob_http_write(req, etag->bytes, etag->len)) : 0;
}

static int etag_flush(hob_http_filter *filter, hob_http_request *req)
{
    HOB_TRY(let_go((struct etag *)filter, req));
    return hob_http_flush(req);
}

static int etag_end(hob_http_filter *filter, hob_http_request *req)
{
    return let_go((struct etag *)filter, req); // fewer bytes came than were said: that is told below
}

static void etag_take_back(hob_http_filter *filter)
{
    struct etag *etag = (struct etag *)filter;
    etag->holds = false;
    etag->bytes = NULL;
}

int hob_web_etag(hob_http_request *req, void *none)
{
    struct etag etag;

    (void)none;
    memset(&etag, 0, sizeof etag);
    etag.filter = (hob_http_filter){ .begin = etag_begin, .write = etag_write, .flush = etag_flush, .end = etag_end,
                                     .take_back = etag_take_back };
    hob_http_filter_push(req, &etag.filter);
    return hob_http_filter_pop(req, &etag.filter, hob_web_next(req));
}
