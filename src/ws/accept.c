/* SPDX-License-Identifier: MIT */
/*
 * A server's handshake (RFC 6455 4.2; over HTTP/2 RFC 8441 5), and a conversation from its beginning to its end.
 *
 * The request is looked at in the order of the statuses: what is no WebSocket's first, who may not last.
 * Of HTTP/2 there is no Upgrade, no key and no answer to one: the request says what it wants (:protocol).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ws/ws.h"

/* ---- headers ---- */

/* The one value of that name. NULL: there is none, or more than one (*ret_count tells). */
static const char *only(const hob_http_request *req, const char *name, int *ret_count)
{
    const char *header, *value, *found = NULL;

    *ret_count = 0;
    for (size_t i = 0; hob_http_header_at(req, i, &header, &value); i++) {
        if (strcasecmp(header, name) == 0) {
            found = value;
            ++*ret_count;
        }
    }
    return *ret_count == 1 ? found : NULL;
}

bool hob__ws_list_has(const char *list, const char *word, size_t len)
{
    while (*list != '\0') {
        list += strspn(list, " \t,");
        size_t n = strcspn(list, " \t,");
        if (n == len && strncasecmp(list, word, len) == 0)
            return true;
        list += n;
        list += strcspn(list, ",");
    }
    return false;
}

static bool says(const hob_http_request *req, const char *name, const char *word)
{
    const char *header, *value;
    for (size_t i = 0; hob_http_header_at(req, i, &header, &value); i++) {
        if (strcasecmp(header, name) == 0 && hob__ws_list_has(value, word, strlen(word)))
            return true;
    }
    return false;
}

/* ---- who may ---- */

static bool is_same_host(const hob_http_request *req, const char *origin)
{
    const char *host = strstr(origin, "://");
    return host != NULL && strcasecmp(host + 3, hob_http_host(req)) == 0;
}

static bool may_come(const hob_http_request *req, const hob_ws_opts *opts)
{
    int         count;
    const char *origin = only(req, "Origin", &count);

    if (opts->any_origin || count == 0)
        return true;
    if (origin == NULL)
        return false;
    for (const char *const *at = opts->origins; at != NULL && *at != NULL; at++) {
        if (strcasecmp(*at, origin) == 0)
            return true;
    }
    return is_same_host(req, origin);
}

/* ---- the request ---- */

static bool is_http2(const hob_http_request *req)
{
    return hob_http_version(req) >= HOB_HTTP_2;
}

/* Whether it asks for a WebSocket in the way of its version: 0, or the status that it deserves. */
static int check_wish(const hob_http_request *req)
{
    int         keys;
    const char *key = only(req, "Sec-WebSocket-Key", &keys);

    if (!says(req, "Upgrade", "websocket"))
        return 426;
    if (hob_http_version(req) < 11 || !says(req, "Connection", "upgrade"))
        return 400;
    return hob_http_body_length(req) == 0 && key != NULL && hob__ws_key_is_valid(key) ? 0 : 400;
}

/* 426 would have to say Upgrade, which HTTP/2 does not have. */
static int check_wish_of_http2(const hob_http_request *req)
{
    const char *protocol = hob_http_protocol(req);
    if (protocol[0] == '\0')
        return 400;
    return strcasecmp(protocol, "websocket") == 0 ? 0 : 501;
}

/* 0, or the status that it deserves. */
static int check_request(const hob_http_request *req, const hob_ws_opts *opts)
{
    int         versions;
    const char *version = only(req, "Sec-WebSocket-Version", &versions);

    if (strcmp(hob_http_method(req), "GET") != 0)
        return 405;
    int status = is_http2(req) ? check_wish_of_http2(req) : check_wish(req);
    if (status != 0 || versions > 1)
        return status != 0 ? status : 400;
    if (version == NULL || strcmp(version, "13") != 0)
        return is_http2(req) ? 400 : 426;
    return may_come(req, opts) ? 0 : 403;
}

/* The first of the client's that is one of ours. */
static const char *choose_protocol(const hob_http_request *req, const char *const *ours)
{
    const char *name, *list;

    for (size_t i = 0; ours != NULL && hob_http_header_at(req, i, &name, &list); i++) {
        if (strcasecmp(name, "Sec-WebSocket-Protocol") != 0)
            continue;
        while (*list != '\0') {
            list += strspn(list, " \t,");
            size_t len = strcspn(list, " \t,");
            for (const char *const *at = ours; *at != NULL; at++) {
                if (strlen(*at) == len && strncmp(*at, list, len) == 0)
                    return *at;
            }
            list += len;
        }
    }
    return NULL;
}

static int choose_deflate(hob_ws *ws, const hob_http_request *req, const hob_ws_opts *opts,
                          char answer[static WS_EXTENSION_MAX])
{
    struct ws_extension wanted = hob__ws_wanted(opts), chosen;
    const char *name, *value;

    for (size_t i = 0; opts->deflate && hob_http_header_at(req, i, &name, &value); i++) {
        if (strcasecmp(name, "Sec-WebSocket-Extensions") == 0
            && hob__ws_extension_choose(value, &wanted, &chosen, answer))
            return hob__ws_use_deflate(ws, &chosen, opts);
    }
    return 0;
}

/* ---- the answer ---- */

static int answer(hob_ws *ws, hob_http_request *req, const hob_ws_opts *opts)
{
    char        accept[WS_ACCEPT_LEN + 1], extension[WS_EXTENSION_MAX] = "";
    const char *protocol = choose_protocol(req, opts->protocols);

    HOB_TRY(choose_deflate(ws, req, opts, extension));
    if (protocol != NULL) {
        ws->protocol = hob__ws_alloc(strlen(protocol) + 1);
        if (ws->protocol == NULL)
            return -ENOMEM;
        strcpy(ws->protocol, protocol);
        HOB_TRY(hob_http_set_header(req, "Sec-WebSocket-Protocol", protocol));
    }
    if (!is_http2(req)) {
        hob__ws_accept_of(hob_http_header(req, "Sec-WebSocket-Key"), accept);
        HOB_TRY(hob_http_set_header(req, "Sec-WebSocket-Accept", accept));
    }
    if (ws->deflate != NULL)
        HOB_TRY(hob_http_set_header(req, "Sec-WebSocket-Extensions", extension));
    return hob_http_upgrade(req, "websocket", &ws->stream);
}

int hob_ws_accept(hob_http_request *req, const hob_ws_opts *opts, hob_ws **ret_ws)
{
    static const hob_ws_opts NONE;

    hob__ws_check_opts(opts, "hob_ws_accept");
    if (opts == NULL)
        opts = &NONE;
    int status = check_request(req, opts);
    if (status != 0)
        return status;
    hob_ws *ws = hob__ws_new(opts, false);
    if (ws == NULL)
        return -ENOMEM;
    ws->scope = hob_http_scope(req);
    ws->req = req;
    int r = answer(ws, req, opts);
    if (r < 0) {
        hob__ws_free(ws);
        return r == -ENOBUFS ? 503 : r == -EPROTO ? 400 : r; // (its stream has ended already)
    }
    *ret_ws = ws;
    return 0;
}

int hob_ws_refuse(hob_http_request *req, int status)
{
    if (status == 426 && !is_http2(req))
        HOB_TRY(hob_http_set_header(req, "Upgrade", "websocket"));
    if (status == 426 || (status == 400 && is_http2(req)))
        HOB_TRY(hob_http_set_header(req, "Sec-WebSocket-Version", "13"));
    if (status == 405)
        HOB_TRY(hob_http_set_header(req, "Allow", "GET"));
    if (status == 503)
        HOB_TRY(hob_http_set_header(req, "Retry-After", "1"));
    return hob_http_reply_text(req, status, NULL);
}

/* ---- all of it ---- */

/* Also when the server ends, and all is cancelled. */
static void say_goodbye(hob_ws *ws, int result)
{
    bool is_ending = hob_cancelled() != 0;
    int  code = is_ending ? HOB_WS_GOING_AWAY : result < 0 ? HOB_WS_FAILED : HOB_WS_NORMAL;

    HOB_SHIELD(ws->close_ns)
        (void)!hob_ws_shutdown(ws, code, NULL); // it is closed in any case
}

int hob_ws_serve(hob_http_request *req, const hob_ws_opts *opts, hob_ws_fn *fn, void *arg)
{
    hob_ws *ws;
    int     r = hob_ws_accept(req, opts, &ws);
    if (r != 0)
        return r > 0 ? hob_ws_refuse(req, r) : r;

    ws->is_lent = true;
    r = fn(ws, arg);
    if (ws->is_kept)
        return r;
    ws->is_lent = false;
    bool is_the_connections = ws->error != 0 || hob_cancelled() != 0;
    say_goodbye(ws, r);
    hob__ws_empty(ws);
    hob_ws_close(ws);
    return is_the_connections ? 0 : r;
}
