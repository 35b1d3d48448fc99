/* SPDX-License-Identifier: MIT */
/*
 * From a URL to a WebSocket.
 *
 *     url ─▶ reach ─┬─ HTTP/1.1 ─▶ hob_ws_connect
 *                   └─ HTTP/2 ──▶ a link of its own ─▶ hob_ws_open_on
 *                       └─ no WebSockets there ─▶ once more, by HTTP/1.1
 */
#include <errno.h>
#include <string.h>

#include "hob/time.h"
#include "wsopen/link.h"
#include "wsopen/reach.h"

/* ---- HTTP/1.1 ---- */

/* An error of the handshake, in words. */
static int say_ws(hob_ws_open_words *words, int error, const struct ws_url *url, int status)
{
    if (error == HOB_EWS && status != 0 && status != 101)
        return hob__ws_say(words, error, "no WebSocket: %s answered %d", url->host_port, status);
    if (error == HOB_EWS)
        return hob__ws_say(words, error, "no WebSocket: what %s answered is no handshake", url->host_port);
    return hob__ws_say(words, error, "no WebSocket with %s: %s", url->host_port,
                       error == -EINVAL ? "a protocol or a header is none" : hob_strerror(error));
}

static int connect_ws(hob_stream *stream, const char *text, const struct ws_url *url, const hob_ws_opts *opts,
                      hob_ws_open_words *words, hob_ws **ret_ws)
{
    hob_ws_opts its = *opts;
    int         status = 0;

    its.ret_status = &status;
    int r = hob_ws_connect(stream, text, &its, ret_ws);
    if (opts->ret_status != NULL)
        *opts->ret_status = status;
    if (r == 0)
        return 0;
    hob_stream_close(stream);
    return say_ws(words, r, url, status);
}

/* ---- HTTP/2 ---- */

/* -EPROTONOSUPPORT: there are none. */
static int link_ws(hob_stream *stream, const struct ws_url *url, const hob_ws_opts *opts, hob_ws_open_words *words,
                   hob_ws **ret_ws)
{
    hob_ws_link *link;

    HOB_TRY(hob__ws_link_over(stream, url, NULL, words, &link));
    int r = hob_ws_open_on(link, url->target, opts, words, ret_ws);
    hob__ws_link_release(link); // the WebSocket is all that holds it
    return r;
}

/* ---- both ---- */

static int open_by(const char *text, const struct ws_url *url, const hob_ws_open_opts *opts, hob_ws_http http,
                   hob_ws_open_words *words, hob_ws **ret_ws)
{
    hob_stream *stream;
    hob_ws_http agreed;

    HOB_TRY(hob__ws_reach(url, &opts->connect, opts->tls, http, words, &stream, &agreed));
    return agreed == HOB_WS_HTTP_2 ? link_ws(stream, url, &opts->ws, words, ret_ws)
                                   : connect_ws(stream, text, url, &opts->ws, words, ret_ws);
}

static int open_it(const char *text, const hob_ws_open_opts *opts, hob_ws_open_words *words, hob_ws **ret_ws)
{
    struct ws_url url;
    hob_ws_http   http = opts->http;

    HOB_TRY(hob__ws_read_url(text, &url, words));
    if (http == HOB_WS_HTTP_2 && !hob__ws_has_links())
        return hob__ws_say(words, -EPROTONOSUPPORT, "Hob was built without nghttp2: there is no HTTP/2");
    if (!url.is_secure && http == HOB_WS_HTTP_ANY)
        http = HOB_WS_HTTP_1;
    if (http == HOB_WS_HTTP_ANY && hob__ws_has_links()) {
        int r = open_by(text, &url, opts, HOB_WS_HTTP_ANY, words, ret_ws);
        if (r != -EPROTONOSUPPORT)
            return r;
    }
    return open_by(text, &url, opts, http == HOB_WS_HTTP_2 ? HOB_WS_HTTP_2 : HOB_WS_HTTP_1, words, ret_ws);
}

int hob_ws_open_with(const char *url, const hob_ws_open_opts *opts, hob_ws_open_words *ret_words, hob_ws **ret_ws)
{
    static const hob_ws_open_opts NONE;
    hob_ws_open_words             words = { "" };
    hob_scope                     scope;

    if (url == NULL)
        hob_mistake("hob_ws_open", "the URL is NULL");
    if (opts == NULL)
        opts = &NONE;
    if (opts->limit_ns < 0)
        hob_mistake("hob_ws_open_with", "a time is negative");
    if ((unsigned)opts->http > HOB_WS_HTTP_2)
        hob_mistake("hob_ws_open_with", "http is one of HOB_WS_HTTP_1, HOB_WS_HTTP_ANY and HOB_WS_HTTP_2");
    hob_scope_begin(&scope);
    if (opts->limit_ns != HOB_FOREVER)
        hob_scope_deadline(&scope, hob_in(opts->limit_ns != 0 ? opts->limit_ns : 30 * HOB_SEC));
    int r = open_it(url, opts, &words, ret_ws);
    (void)!hob_scope_end(&scope); // the result wins
    if (r < 0 && ret_words != NULL)
        *ret_words = words;
    return r;
}

int hob_ws_open(const char *url, hob_ws **ret_ws)
{
    return hob_ws_open_with(url, NULL, NULL, ret_ws);
}
