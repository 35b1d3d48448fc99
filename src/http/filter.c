/* SPDX-License-Identifier: MIT */
/*
 * What stands between a handler and its answer: notes that go with a request, and filters.
 *
 *     handler ── begin, write ──▶ filter ──▶ filter below ──▶ answer.c
 *
 * While a filter's function runs, req->filter is who is below it, so that the same calls go on from
 * there; req->inside tells the handler's calls from those.
 */
#include <errno.h>
#include <string.h>

#include "http/server.h"

/* ---- notes ---- */

void hob_http_attach(hob_http_request *req, hob_http_note *note)
{
    note->next = req->notes;
    req->notes = note;
}

void *hob_http_attached(const hob_http_request *req, const void *key)
{
    for (const hob_http_note *note = req->notes; note != NULL; note = note->next) {
        if (note->key == key)
            return note->value;
    }
    return NULL;
}

hob_addr hob_http_peer_addr(const hob_http_request *req)
{
    hob_addr none = { 0 };
    const struct http_conn *conn = req->conn;
    bool     is_over = !conn->is_lent && conn->server->opts.wrap != NULL;
    hob_tcp *tcp = is_over ? conn->below[0] : hob_tcp_of_stream(conn->stream);
    return tcp != NULL ? hob_tcp_peer_addr(tcp) : none;
}

/* ---- filters ---- */

bool hob__http_may_begin(const hob_http_request *req)
{
    return req->state == ANSWER_NONE && (req->inside > 0 || !req->is_begun);
}

void hob_http_filter_push(hob_http_request *req, hob_http_filter *filter)
{
    if (req->is_begun || req->inside > 0)
        hob_mistake("hob_http_filter_push", "the answer has begun");
    filter->below = req->filter;
    req->filter = filter;
}

const hob_http_filter *hob_http_filter_top(const hob_http_request *req)
{
    return req->filter;
}

void hob__http_filters_check(hob_http_request *req)
{
    if (req->filter != NULL)
        hob_mistake("hob_http_filter_push", "the handler returned, and its filter is still there: "
                                            "hob_http_filter_pop takes it off, also when something failed");
    if (req->begun != NULL)
        hob_mistake("hob_http_begun_push", "the handler returned, and what it pushed is still there: "
                                           "hob_http_begun_pop takes it off");
}

static hob_http_filter *go_in(hob_http_request *req)
{
    hob_http_filter *filter = req->filter;
    req->filter = filter->below;
    req->inside++;
    return filter;
}

static void come_back(hob_http_request *req, hob_http_filter *filter)
{
    req->filter = filter;
    req->inside--;
}

int hob_http_filter_pop(hob_http_request *req, hob_http_filter *filter, int result)
{
    if (req->filter != filter)
        hob_mistake("hob_http_filter_pop", "this filter is not the uppermost");
    go_in(req);
    int r = result >= 0 && req->is_begun && filter->end != NULL ? filter->end(filter, req) : 0;
    req->inside--;
    return r < 0 ? r : result;
}

int hob__http_filter_begin(hob_http_request *req, int status, const char *type, int64_t length)
{
    hob_http_filter *filter = go_in(req);
    int r = filter->begin != NULL ? filter->begin(filter, req, status, type, length)
                                  : hob_http_begin(req, status, type, length);
    come_back(req, filter);
    if (r >= 0 && req->inside == 0) {
        req->is_begun = true;
        req->begun_status = status;
        hob__http_tell_begun(req, status);
    }
    return r;
}

ssize_t hob__http_filter_write(hob_http_request *req, const void *data, size_t len)
{
    if (req->inside == 0) {
        if (req->is_ended)
            return -EALREADY;
        int r = req->is_begun ? 0 : hob_http_begin(req, 200, NULL, -1);
        if (r < 0)
            return r;
    }
    if (len == 0)
        return 0;
    hob_http_filter *filter = go_in(req);
    ssize_t n = filter->write != NULL ? filter->write(filter, req, data, len)
                                      : hob_http_write(req, data, len);
    come_back(req, filter);
    return n;
}

int hob__http_filter_flush(hob_http_request *req)
{
    hob_http_filter *filter = go_in(req);
    int r = filter->flush != NULL ? filter->flush(filter, req) : hob_http_flush(req);
    come_back(req, filter);
    return r;
}

/* ---- who is told that it begins ---- */

void hob_http_begun_push(hob_http_request *req, hob_http_begun *begun)
{
    begun->below = req->begun;
    req->begun = begun;
}

void hob_http_begun_pop(hob_http_request *req, hob_http_begun *begun)
{
    if (req->begun != begun)
        hob_mistake("hob_http_begun_pop", "this is not the one that was pushed last");
    req->begun = begun->below;
}

/* What a filter begins is not the handler's. */
void hob__http_tell_begun(hob_http_request *req, int status)
{
    if (req->inside > 0)
        return;
    for (hob_http_begun *begun = req->begun; begun != NULL; begun = begun->below)
        begun->fn(begun, req, status);
}

/* ---- undone ---- */

void hob_http_keep_headers(hob_http_request *req)
{
    if (hob__http_may_begin(req))
        req->headers_kept = req->headers_len;
}

int hob_http_take_back(hob_http_request *req)
{
    if (req->state != ANSWER_NONE && req->is_sent)
        return -EALREADY;
    for (hob_http_filter *filter = req->filter; filter != NULL; filter = filter->below) {
        if (filter->take_back != NULL)
            filter->take_back(filter);
    }
    hob__http_take_back(req);
    req->is_begun = req->is_ended = false;
    req->headers_len = req->headers_kept;
    req->trailers_len = 0;
    req->answer_bytes = 0;
    if (req->body_error != 0)
        req->closes = true;
    return 0;
}
