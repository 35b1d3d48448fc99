/* SPDX-License-Identifier: MIT */
/*
 * Answers in gzip (RFC 9110 8.4, RFC 1952), by zlib.
 *
 *     begin: is it worth it? ─ no ─▶ as it is
 *            │ yes: kept back
 *            ▼
 *     write: all of it at once ─▶ compressed in one go, its length is known
 *            a piece ─▶ a head without a length, and from then on each piece goes through
 *     flush: all that was written can be read by the client         end: the rest, and the check sum
 *
 * What zlib needs for a stream is 256 KiB, so some of it is kept in the service for the next.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>

#include "web/web.h"

enum { OUT = 8192, ONE_GO_MAX = 256 * 1024, TYPE_MAX = 256, MEMORY_LEVEL = 8 };

enum state { PLAIN, KEPT, RUNNING, ENDED };

struct gzip {
    hob_http_filter filter; /* first */
    enum state      state;
    int             level;
    uint32_t        bytes_min;
    int             status;
    int64_t         length;
    char            type[TYPE_MAX];
    bool            has_type;
    z_stream       *z;
    struct web_service *service;
};

/* ---- what zlib needs ---- */

static void *z_alloc(void *none, unsigned count, unsigned size)
{
    (void)none;
    return hob__web_alloc((size_t)count * size);
}

static void z_free(void *none, void *ptr)
{
    (void)none;
    hob__web_free(ptr);
}

static z_stream *z_new(int level)
{
    z_stream *z = hob__web_alloc(sizeof *z);
    if (z == NULL)
        return NULL;
    z->zalloc = z_alloc;
    z->zfree = z_free;
    if (deflateInit2(z, level, Z_DEFLATED, 15 + 16, MEMORY_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK) {
        hob__web_free(z);
        return NULL;
    }
    return z;
}

static void z_drop(z_stream *z)
{
    if (z == NULL)
        return;
    deflateEnd(z);
    hob__web_free(z);
}

static z_stream *z_take(struct gzip *gzip)
{
    for (size_t i = 0; i < SPARES; i++) {
        z_stream *z = __atomic_exchange_n(&gzip->service->spares[i], NULL, __ATOMIC_ACQ_REL);
        if (z == NULL)
            continue;
        if (deflateReset(z) == Z_OK && deflateParams(z, gzip->level, Z_DEFAULT_STRATEGY) == Z_OK)
            return z;
        z_drop(z);
    }
    return z_new(gzip->level);
}

static void z_give(struct gzip *gzip)
{
    z_stream *z = gzip->z;

    gzip->z = NULL;
    for (size_t i = 0; i < SPARES && z != NULL; i++) {
        void *none = NULL;
        if (__atomic_compare_exchange_n(&gzip->service->spares[i], &none, z, false, __ATOMIC_ACQ_REL,
                                        __ATOMIC_RELAXED))
            return;
    }
    z_drop(z);
}

void hob__web_spares_free(struct web_service *service)
{
    for (size_t i = 0; i < SPARES; i++) {
        z_drop(service->spares[i]);
        service->spares[i] = NULL;
    }
}

/* ---- for whom, and of what ---- */

/* The weight of a coding in a part of Accept-Encoding: "gzip;q=0.5". -1: it is about another. */
static double weight_of(const char *part, size_t len, const char *coding)
{
    size_t name_len = strlen(coding);
    if (len < name_len || strncasecmp(part, coding, name_len) != 0)
        return -1;
    const char *rest = part + name_len, *end = part + len;
    while (rest < end && (*rest == ' ' || *rest == '\t'))
        rest++;
    if (rest == end)
        return 1;
    if (*rest != ';')
        return -1;
    for (rest++; rest < end && (*rest == ' ' || *rest == '\t'); rest++)
        ;
    if (end - rest < 3 || strncasecmp(rest, "q=", 2) != 0)
        return 1;
    // 0, 1, or three digits behind a point (RFC 9110 12.4.2): only whether it is 0 is of account.
    for (rest += 2; rest < end; rest++) {
        if (*rest >= '1' && *rest <= '9')
            return 1;
    }
    return 0;
}

static bool takes_gzip(const hob_http_request *req)
{
    const char *name, *value;
    double      gzip = -1, any = -1;

    for (size_t i = 0; hob_http_header_at(req, i, &name, &value) == 1; i++) {
        if (strcasecmp(name, "Accept-Encoding") != 0)
            continue;
        for (const char *at = value; *at != '\0';) {
            at += strspn(at, " \t,");
            size_t len = strcspn(at, ",");
            double weight = weight_of(at, len, "gzip");
            gzip = weight >= 0 ? weight : gzip;
            weight = weight_of(at, len, "*");
            any = weight >= 0 ? weight : any;
            at += len;
        }
    }
    return gzip >= 0 ? gzip > 0 : any > 0;
}

/* Text, of the kinds that are. What is compressed already gets no smaller. */
static bool is_text(const char *type)
{
    static const char *const TYPES[] = {
        "application/json", "application/javascript", "application/xml", "application/manifest+json",
        "application/wasm", "application/x-ndjson", "image/svg+xml", "image/bmp", "font/ttf", "font/otf",
    };
    size_t len = strcspn(type, "; \t");

    if (strncasecmp(type, "text/", 5) == 0)
        return !(len == 17 && strncasecmp(type, "text/event-stream", len) == 0); // each event is at once
    if (len > 5 && strncasecmp(type + len - 5, "+json", 5) == 0)
        return true;
    if (len > 4 && strncasecmp(type + len - 4, "+xml", 4) == 0)
        return true;
    for (size_t i = 0; i < sizeof TYPES / sizeof TYPES[0]; i++) {
        if (strlen(TYPES[i]) == len && strncasecmp(type, TYPES[i], len) == 0)
            return true;
    }
    return false;
}

static bool has(const hob_http_request *req, const char *name)
{
    char some[2];
    return hob_http_answer_header(req, name, some, sizeof some) != -ENOENT;
}

static bool may_be_changed(const hob_http_request *req)
{
    char control[512];
    if (has(req, "Content-Encoding") || has(req, "Content-Range"))
        return false;
    ssize_t n = hob_http_answer_header(req, "Cache-Control", control, sizeof control);
    return n == -ENOENT || (n >= 0 && strcasestr(control, "no-transform") == NULL);
}

static const char *type_of(const hob_http_request *req, const char *type, char *buf, size_t size)
{
    if (type != NULL)
        return type;
    return hob_http_answer_header(req, "Content-Type", buf, size) >= 0 ? buf : "";
}

/* A tag of other bytes than these is a weak one. */
static int weaken_tag(hob_http_request *req)
{
    char    tag[300] = "W/";
    ssize_t n = hob_http_answer_header(req, "ETag", tag + 2, sizeof tag - 2);
    if (n == -ENOSPC)
        return -ENOSPC;
    return n > 0 && tag[2] == '"' ? hob_http_set_header(req, "ETag", tag) : 0;
}

/* ---- compressing ---- */

static int begin_head(struct gzip *gzip, hob_http_request *req, int64_t length)
{
    HOB_TRY(weaken_tag(req));
    HOB_TRY(hob_http_set_header(req, "Content-Encoding", "gzip"));
    if (has(req, "Accept-Ranges"))
        HOB_TRY(hob_http_set_header(req, "Accept-Ranges", "none"));
    return hob_http_begin(req, gzip->status, gzip->has_type ? gzip->type : NULL, length);
}

/* As it is, after all. */
static int go_plain(struct gzip *gzip, hob_http_request *req)
{
    gzip->state = PLAIN;
    return hob_http_begin(req, gzip->status, gzip->has_type ? gzip->type : NULL, gzip->length);
}

/* All of it, in memory, so that the length can be told. */
static int reply_at_once(struct gzip *gzip, hob_http_request *req, const void *data, size_t len)
{
    size_t room = deflateBound(gzip->z, len);
    char  *out = hob_web_alloc(req, room);

    if (out == NULL)
        return -ENOMEM;
    gzip->z->next_in = (Bytef *)(uintptr_t)data;
    gzip->z->avail_in = (uInt)len;
    gzip->z->next_out = (Bytef *)out;
    gzip->z->avail_out = (uInt)room;
    int ended = deflate(gzip->z, Z_FINISH);
    size_t out_len = room - gzip->z->avail_out;
    z_give(gzip);
    if (ended != Z_STREAM_END)
        return -EIO;
    gzip->state = ENDED;
    HOB_TRY(begin_head(gzip, req, (int64_t)out_len));
    ssize_t n = hob_http_write(req, out, out_len);
    return n < 0 ? (int)n : 0;
}

static int push(struct gzip *gzip, hob_http_request *req, const void *data, size_t len, int how)
{
    char out[OUT];

    gzip->z->next_in = (Bytef *)(uintptr_t)data;
    gzip->z->avail_in = (uInt)len;
    do {
        gzip->z->next_out = (Bytef *)out;
        gzip->z->avail_out = OUT;
        int r = deflate(gzip->z, how);
        if (r != Z_OK && r != Z_STREAM_END && r != Z_BUF_ERROR)
            return -EIO;
        size_t there = OUT - gzip->z->avail_out;
        if (there > 0)
            HOB_TRY(hob_http_write(req, out, there));
    } while (gzip->z->avail_out == 0);
    return 0;
}

/* What was kept begins: with a stream of zlib's, or, without memory for one, plainly. */
static int start(struct gzip *gzip, hob_http_request *req)
{
    gzip->z = z_take(gzip);
    if (gzip->z == NULL)
        return go_plain(gzip, req);
    gzip->state = RUNNING;
    return begin_head(gzip, req, -1);
}

static int gzip_begin(hob_http_filter *filter, hob_http_request *req, int status, const char *type,
                      int64_t length)
{
    struct gzip *gzip = (struct gzip *)filter;
    char         buf[TYPE_MAX];
    bool is_worth = status >= 200 && status != 204 && status != 206 && status != 304
                 && (length < 0 || length >= gzip->bytes_min) && (type == NULL || strlen(type) < TYPE_MAX)
                 && is_text(type_of(req, type, buf, sizeof buf)) && may_be_changed(req);

    gzip->state = PLAIN;
    if (status == 304) // of an answer that may have been one of both (RFC 9110 15.4.5)
        HOB_TRY(hob_http_vary(req, "Accept-Encoding"));
    if (!is_worth)
        return hob_http_begin(req, status, type, length);
    HOB_TRY(hob_http_vary(req, "Accept-Encoding"));
    if (!takes_gzip(req))
        return hob_http_begin(req, status, type, length);
    gzip->state = KEPT;
    gzip->status = status;
    gzip->length = length;
    gzip->has_type = type != NULL;
    if (type != NULL)
        strcpy(gzip->type, type);
    return 0;
}

static ssize_t gzip_write(hob_http_filter *filter, hob_http_request *req, const void *data, size_t len)
{
    struct gzip *gzip = (struct gzip *)filter;

    if (gzip->state == PLAIN)
        return hob_http_write(req, data, len);
    if (gzip->length >= 0) { // what was said of it must be true
        if ((uint64_t)len > (uint64_t)gzip->length)
            return -EMSGSIZE;
    }
    if (gzip->state == KEPT && gzip->length == (int64_t)len && len <= ONE_GO_MAX) {
        gzip->z = z_take(gzip);
        if (gzip->z != NULL) {
            gzip->length = 0;
            int r = reply_at_once(gzip, req, data, len);
            return r < 0 ? r : (ssize_t)len;
        }
    }
    if (gzip->state == KEPT)
        HOB_TRY(start(gzip, req));
    if (gzip->state == PLAIN)
        return hob_http_write(req, data, len);
    if (gzip->length >= 0)
        gzip->length -= (int64_t)len;
    for (size_t at = 0, n; at < len; at += n) { // zlib counts in 32 bits
        n = len - at < (1u << 30) ? len - at : 1u << 30;
        HOB_TRY(push(gzip, req, (const char *)data + at, n, Z_NO_FLUSH));
    }
    return (ssize_t)len;
}

static int gzip_flush(hob_http_filter *filter, hob_http_request *req)
{
    struct gzip *gzip = (struct gzip *)filter;

    if (gzip->state == KEPT)
        HOB_TRY(start(gzip, req));
    if (gzip->state == RUNNING)
        HOB_TRY(push(gzip, req, NULL, 0, Z_SYNC_FLUSH));
    return hob_http_flush(req);
}

static int gzip_end(hob_http_filter *filter, hob_http_request *req)
{
    struct gzip *gzip = (struct gzip *)filter;

    if (gzip->state == KEPT && strcmp(hob_http_method(req), "HEAD") == 0) {
        gzip->state = ENDED; // GET would be compressed, so the length is not that one (RFC 9110 8.6)
        return begin_head(gzip, req, -1);
    }
    if (gzip->state == KEPT) // nothing was written
        return go_plain(gzip, req);
    if (gzip->state != RUNNING)
        return 0;
    if (gzip->length > 0)
        return HOB_EOF; // fewer bytes than it said: the client is to see that
    gzip->state = ENDED;
    return push(gzip, req, NULL, 0, Z_FINISH);
}

static void gzip_take_back(hob_http_filter *filter)
{
    struct gzip *gzip = (struct gzip *)filter;
    z_give(gzip);
    gzip->state = PLAIN;
}

int hob_web_gzip(hob_http_request *req, void *arg)
{
    const hob_web_gzip_opts *opts = arg;
    struct gzip              gzip;

    memset(&gzip, 0, sizeof gzip);
    gzip.filter = (hob_http_filter){ .begin = gzip_begin, .write = gzip_write, .flush = gzip_flush,
                                     .end = gzip_end, .take_back = gzip_take_back };
    gzip.level = opts != NULL && opts->level != 0 ? opts->level : 4;
    gzip.bytes_min = opts != NULL && opts->bytes_min != 0 ? opts->bytes_min : 1000;
    gzip.service = hob__web_ctx(req, "hob_web_gzip")->service;
    if (gzip.level < 1 || gzip.level > 9)
        hob_mistake("hob_web_gzip", "a level is from 1 to 9");
    hob_http_filter_push(req, &gzip.filter);
    int r = hob_http_filter_pop(req, &gzip.filter, hob_web_next(req));
    z_give(&gzip);
    return r;
}
