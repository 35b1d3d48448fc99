/* SPDX-License-Identifier: MIT */
/*
 * The words of a request: they lie in the connection's buffer, where the byte behind each (a blank,
 * a colon, the end of a line) gives its place to a NUL; behind those of fields when somebody asks.
 */
#include <string.h>
#include <strings.h>

#include "http/server.h"

static const char *end_text(char *bytes, struct h1_span span)
{
    bytes[span.at + span.len] = '\0';
    return bytes + span.at;
}

static char *copy_text(char *to, const char *bytes, struct h1_span span)
{
    memcpy(to, bytes + span.at, span.len);
    to[span.len] = '\0';
    return to + span.len + 1;
}

/* The target stays whole, for those who want it: a path that does not end with it is copied, and so
 * is a host in it. */
static void set_target(hob_http_request *req, char *bytes)
{
    struct h1_head *head = &req->head;
    char           *room = req->work->texts;

    req->target = end_text(bytes, head->target);
    req->query = head->query.len > 0 ? bytes + head->query.at : "";
    if (head->path.len == 0) {
        req->path = "/";
    } else if (head->path.at + head->path.len == head->target.at + head->target.len) {
        req->path = bytes + head->path.at;
    } else {
        req->path = room;
        room = copy_text(room, bytes, head->path);
    }
    if (head->authority.len > 0) {
        req->host = room;
        copy_text(room, bytes, head->authority);
    } else {
        req->host = head->host.len > 0 ? end_text(bytes, head->host) : "";
    }
}

void hob__http_request_begin(hob_http_request *req, size_t head_len)
{
    struct http_work *work = req->work;

    if (req->head.body != H1_NO_BODY && work->in_begin > 0) { // room behind it, for what comes
        memmove(work->in, work->in + work->in_begin, work->in_end - work->in_begin);
        work->in_end -= work->in_begin;
        work->in_begin = 0;
    }
    char *bytes = work->in + work->in_begin;
    work->in_begin += head_len;
    req->head_end = work->in_begin;
    req->left = req->head.body == H1_LENGTH ? req->head.length : 0;
    req->is_body_done = req->head.body == H1_NO_BODY;
    req->bytes = bytes;
    req->method = end_text(bytes, req->head.method);
    set_target(req, bytes);
    req->trailer_bytes = NULL;
    req->stream.type = &hob__http_request_stream;
}

/* ---- what a handler asks ---- */

const char *hob_http_method(const hob_http_request *req)
{
    return req->method;
}

const char *hob_http_target(const hob_http_request *req)
{
    return req->target;
}

const char *hob_http_path(const hob_http_request *req)
{
    return req->path;
}

const char *hob_http_query(const hob_http_request *req)
{
    return req->query;
}

const char *hob_http_host(const hob_http_request *req)
{
    return req->host;
}

int hob_http_version(const hob_http_request *req)
{
    return req->transport->version == 11 ? 10 + req->head.minor : req->transport->version;
}

const char *hob_http_protocol(const hob_http_request *req)
{
    return req->protocol;
}

static const char *find(const struct h1_head *head, char *bytes, const char *name)
{
    size_t len = strlen(name);
    for (uint32_t i = 0; i < head->field_count; i++) {
        const struct h1_field *field = &head->fields[i];
        if (field->name.len == len && strncasecmp(bytes + field->name.at, name, len) == 0)
            return end_text(bytes, field->value);
    }
    return NULL;
}

const char *hob_http_header(const hob_http_request *req, const char *name)
{
    return find(&req->head, req->bytes, name);
}

int hob_http_header_at(const hob_http_request *req, size_t index, const char **ret_name,
                       const char **ret_value)
{
    if (index >= req->head.field_count)
        return 0;
    const struct h1_field *field = &req->head.fields[index];
    *ret_name = end_text(req->bytes, field->name);
    *ret_value = end_text(req->bytes, field->value);
    return 1;
}

const char *hob_http_trailer(const hob_http_request *req, const char *name)
{
    return req->trailer_bytes != NULL ? find(&req->trailer, req->trailer_bytes, name) : NULL;
}

hob_scope *hob_http_scope(hob_http_request *req)
{
    if (req->scope != NULL)
        hob__http_limit(req); // before the caller sets another
    return req->scope;
}

hob_stream *hob_http_connection(const hob_http_request *req)
{
    return req->conn->stream;
}

int64_t hob_http_body_length(const hob_http_request *req)
{
    switch (req->head.body) {
    case H1_LENGTH:
        return (int64_t)req->head.length;
    case H1_CHUNKED:
        return -1;
    default:
        return 0;
    }
}
