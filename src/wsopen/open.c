/* SPDX-License-Identifier: MIT */
/*
 * From a URL to a WebSocket, step by step. Whatever fails, what was made until then is closed, and the
 * sentence says which step it was.
 *
 *     url ─▶ name, TCP (hob_connect_with) ─▶ wss: TLS (hob_tls_client) ─▶ hob_ws_connect
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "hob/time.h"
#include "hob/ws_open.h"
#include "wsopen/url.h"

static int say(hob_ws_open_words *words, int error, const char *format, ...) HOB_PRINTF(3, 4);
static int say(hob_ws_open_words *words, int error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(words->text, sizeof words->text, format, args);
    va_end(args);
    return error;
}

/* ---- TLS ---- */

/* Servers that know HTTP/2 choose it when they may: so they are told that it is not wanted. */
static int own_config(hob_ws_open_words *words, hob_tls_config **ret_config)
{
    static const char *const ALPN[] = { "http/1.1", NULL };
    hob_tls_opts             opts;
    hob_tls_words            why;

    memset(&opts, 0, sizeof opts);
    opts.alpn = ALPN;
    int r = hob_tls_config_new(&opts, &why, ret_config);
    return r < 0 ? say(words, r, "no TLS: %s", why.text) : 0;
}

static int shake_hands(hob_tls *tls, const struct ws_url *url, hob_ws_open_words *words)
{
    hob_tls_facts facts;

    int r = hob_tls_handshake(tls);
    if (r < 0)
        return say(words, r, "no TLS with %s: %s", url->host_port, hob_tls_error(tls));
    r = hob_tls_negotiated(tls, &facts);
    if (r < 0)
        return say(words, r, "no TLS with %s: %s", url->host_port, hob_strerror(r));
    if (facts.alpn[0] != '\0' && strcmp(facts.alpn, "http/1.1") != 0)
        return say(words, -EPROTONOSUPPORT, "%s agreed upon %s, not http/1.1", url->host_port, facts.alpn);
    return 0;
}

/* Over *stream, which is closed with what it becomes; on failure it is as it was, or closed: NULL. */
static int go_secure(hob_stream **stream, const struct ws_url *url, hob_tls_config *config, hob_ws_open_words *words)
{
    hob_tls_config *own = NULL;
    hob_tls        *tls;
    int             r = config == NULL ? own_config(words, &own) : 0;

    if (r < 0)
        return r;
    r = hob_tls_client(config != NULL ? config : own, *stream, url->host, &tls);
    if (r < 0) {
        say(words, r, "no TLS with %s: %s", url->host_port, hob_strerror(r));
    } else {
        *stream = hob_tls_stream(tls);
        r = shake_hands(tls, url, words);
    }
    hob_tls_config_free(own);
    return r;
}

/* ---- all of it ---- */

/* An error of the handshake, in words. */
static int say_ws(hob_ws_open_words *words, int error, const struct ws_url *url, int status)
{
    if (error == HOB_EWS && status != 0 && status != 101)
        return say(words, error, "no WebSocket: %s answered %d", url->host_port, status);
    if (error == HOB_EWS)
        return say(words, error, "no WebSocket: what %s answered is no handshake", url->host_port);
    return say(words, error, "no WebSocket with %s: %s", url->host_port,
               error == -EINVAL ? "the URL, a protocol or a header is none" : hob_strerror(error));
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
    return r < 0 ? say_ws(words, r, url, status) : 0;
}

static int open_it(const char *text, const hob_ws_open_opts *opts, hob_ws_open_words *words, hob_ws **ret_ws)
{
    struct ws_url     url;
    hob_connect_words why;
    hob_tcp          *tcp;

    if (hob__ws_url_parse(text, &url) < 0)
        return say(words, -EINVAL, "this is no URL of a WebSocket: %.200s", text);
    int r = hob_connect_with(url.host_port, &opts->connect, &why, &tcp);
    if (r < 0)
        return say(words, r, "%s", why.text);
    hob_stream *stream = hob_tcp_stream(tcp);
    if (url.is_secure)
        r = go_secure(&stream, &url, opts->tls, words);
    if (r == 0)
        r = connect_ws(stream, text, &url, &opts->ws, words, ret_ws);
    if (r < 0)
        hob_stream_close(stream);
    return r;
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
