/* SPDX-License-Identifier: MIT */
/*
 * A client for tests: the service is served on one end of a pair of streams, and asked on the other.
 * The request goes through all of the server, so it is parsed, limited and framed as any other.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "hob/mem_pair.h"
#include "web/web.h"

/* ---- the other end ---- */

struct serving {
    hob_web             *web;
    hob_stream          *stream;
    const hob_http_opts *http;
};

static int serve(void *arg)
{
    struct serving *serving = arg;
    int r = hob_http_serve_stream(serving->stream, serving->http, hob_web_answer, serving->web);
    hob_stream_close(serving->stream); // so that the reader sees the end
    return r;
}

/* ---- asking ---- */

static bool has_body(const hob_web_call_opts *opts)
{
    return opts->body != NULL;
}

static size_t body_len(const hob_web_call_opts *opts)
{
    return opts->body_len > 0 ? opts->body_len : strlen(opts->body);
}

static char *head_of(const char *method, const char *target, const hob_web_call_opts *opts)
{
    const char *headers = opts->headers != NULL ? opts->headers : "";
    const char *type = opts->type != NULL ? opts->type : "application/json";
    size_t      size = strlen(method) + strlen(target) + strlen(headers) + strlen(type) + 160;
    char       *head = hob__web_alloc(size);

    if (head == NULL)
        return NULL;
    int at = sprintf(head, "%s %s HTTP/1.1\r\nHost: test\r\nConnection: close\r\n%s", method, target, headers);
    if (has_body(opts))
        at += sprintf(head + at, "Content-Type: %s\r\nContent-Length: %zu\r\n", type, body_len(opts));
    sprintf(head + at, "\r\n");
    return head;
}

struct asking {
    hob_stream              *stream;
    const char              *head;
    const hob_web_call_opts *opts;
};

/* An answer may come before all was asked, and then nobody reads the rest: that is no failure. */
static int say(void *arg)
{
    struct asking *asking = arg;
    ssize_t n = hob_stream_write(asking->stream, asking->head, strlen(asking->head));
    if (n >= 0 && has_body(asking->opts))
        n = hob_stream_write(asking->stream, asking->opts->body, body_len(asking->opts));
    return n == -ECANCELED || n == -ETIMEDOUT ? (int)n : 0;
}

static int hear(hob_stream *stream, char **ret_bytes, size_t *ret_len)
{
    char   *bytes = NULL;
    size_t  len = 0, cap = 0;
    ssize_t n;

    do {
        if (cap - len < 2) {
            cap = cap == 0 ? 4096 : cap * 2;
            char *more = hob__web_grow(bytes, cap);
            if (more == NULL) {
                hob__web_free(bytes);
                return -ENOMEM;
            }
            bytes = more;
        }
        n = hob_stream_read(stream, bytes + len, cap - len - 1);
        len += n > 0 ? (size_t)n : 0;
    } while (n > 0);
    if (n < 0) {
        hob__web_free(bytes);
        return (int)n;
    }
    bytes[len] = '\0';
    *ret_bytes = bytes;
    *ret_len = len;
    return 0;
}

/* ---- the answer ---- */

static const char *find(const char *head, const char *name, size_t *ret_len)
{
    size_t name_len = strlen(name);
    for (const char *line = head; *line != '\0'; line = strchr(line, '\n') + 1) {
        if (strncasecmp(line, name, name_len) == 0 && line[name_len] == ':') {
            const char *value = line + name_len + 1 + strspn(line + name_len + 1, " ");
            *ret_len = strcspn(value, "\r\n");
            return value;
        }
        if (strchr(line, '\n') == NULL)
            break;
    }
    return NULL;
}

/* Takes the frames of chunks out, in place. Returns the length, or an error. */
static ssize_t unchunk(char *bytes, size_t len)
{
    size_t from = 0, to = 0;

    for (;;) {
        char              *end;
        unsigned long long size = strtoull(bytes + from, &end, 16);
        if (end == bytes + from || strncmp(end, "\r\n", 2) != 0)
            return from >= len ? HOB_EOF : HOB_EHTTP;
        from = (size_t)(end + 2 - bytes);
        if (size == 0)
            return strstr(bytes + from - 2, "\r\n\r\n") != NULL ? (ssize_t)to : HOB_EOF;
        if (size + 2 > len - from)
            return HOB_EOF;
        memmove(bytes + to, bytes + from, size);
        to += size;
        from += size + 2;
    }
}

/* `bytes` is taken. An answer before the last, such as 100 Continue, is passed over. */
static int take_apart(char *bytes, size_t len, bool is_bodiless, hob_web_got *ret_got)
{
    char *at = bytes, *head_end, *line_end;
    int   status;

    for (;;) {
        head_end = strstr(at, "\r\n\r\n");
        if (head_end == NULL)
            return *at == '\0' ? HOB_EOF : HOB_EHTTP;
        if (sscanf(at, "HTTP/1.1 %3d", &status) != 1)
            return HOB_EHTTP;
        if (status >= 200)
            break;
        at = head_end + 4;
    }
    line_end = strstr(at, "\r\n");
    char   *head = line_end == head_end ? head_end + 2 : line_end + 2;
    char   *body = head_end + 4;
    size_t  value_len, body_bytes = (size_t)(bytes + len - body);
    head_end[2] = '\0';
    if (is_bodiless || status == 204 || status == 304) {
        body_bytes = 0;
    } else if (find(head, "Transfer-Encoding", &value_len) != NULL) {
        ssize_t n = unchunk(body, body_bytes);
        if (n < 0)
            return (int)n;
        body_bytes = (size_t)n;
    } else {
        const char *length = find(head, "Content-Length", &value_len);
        if (length != NULL && strtoull(length, NULL, 10) != body_bytes)
            return HOB_EOF;
    }
    ret_got->head = hob__web_copy(head);
    ret_got->body = ret_got->head != NULL ? hob__web_alloc(body_bytes + 1) : NULL;
    if (ret_got->body == NULL) {
        hob_web_got_free(ret_got);
        return -ENOMEM;
    }
    memcpy(ret_got->body, body, body_bytes);
    ret_got->body_len = body_bytes;
    ret_got->status = status;
    return 0;
}

int hob_web_call(hob_web *web, const char *method, const char *target, const hob_web_call_opts *opts,
                 hob_web_got *ret_got)
{
    static const hob_web_call_opts none = { .headers = NULL };
    hob_stream *here, *there;
    hob_web_got got = { .status = 0 };
    hob_scope   scope;
    char       *bytes = NULL;
    size_t      len = 0;

    opts = opts != NULL ? opts : &none;
    char *head = head_of(method, target, opts);
    if (head == NULL)
        return -ENOMEM;
    int r = hob_mem_pair(NULL, &here, &there);
    if (r < 0) {
        hob__web_free(head);
        return r;
    }
    struct serving serving = { &web->service->root, there, opts->http };
    struct asking  asking = { here, head, opts };
    hob_scope_begin(&scope);
    r = hob_go(&scope, serve, &serving);
    if (r < 0)
        hob_stream_close(there);
    else
        r = hob_go(&scope, say, &asking);
    if (r >= 0)
        r = hear(here, &bytes, &len);
    if (r < 0)
        hob_scope_cancel(&scope, "the call failed");
    int ended = hob_scope_end(&scope);
    hob_stream_close(here);
    hob__web_free(head);
    if (r >= 0)
        r = ended;
    if (r >= 0)
        r = take_apart(bytes, len, strcmp(method, "HEAD") == 0, &got);
    hob__web_free(bytes);
    if (r < 0)
        return r;
    *ret_got = got;
    return 0;
}

const char *hob_web_got_header(const hob_web_got *got, const char *name, char *buf, size_t size)
{
    size_t      len;
    const char *value = got->head != NULL ? find(got->head, name, &len) : NULL;
    if (value == NULL || len >= size)
        return NULL;
    memcpy(buf, value, len);
    buf[len] = '\0';
    return buf;
}

void hob_web_got_free(hob_web_got *got)
{
    hob__web_free(got->head);
    hob__web_free(got->body);
    memset(got, 0, sizeof *got);
}
