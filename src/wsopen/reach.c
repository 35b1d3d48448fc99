/* SPDX-License-Identifier: MIT */
/*
 * A stream to the server of a URL, step by step. Whatever fails, what was made until then is closed, and the
 * sentence says which step it was.
 *
 *     url ─▶ name, TCP (hob_connect_with) ─▶ wss: TLS (hob_tls_client), HTTP/1.1 or 2 by ALPN
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "wsopen/reach.h"

int hob__ws_say(hob_ws_open_words *words, int error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(words->text, sizeof words->text, format, args);
    va_end(args);
    return error;
}

int hob__ws_read_url(const char *text, struct ws_url *ret_url, hob_ws_open_words *words)
{
    const char *why;

    if (hob__ws_url_parse(text, ret_url, &why) == 0)
        return 0;
    hob__ws_say(words, -EINVAL, "this is no URL of a WebSocket: %.200s: %s", text, why);
    for (char *c = words->text; *c != '\0'; c++) // it may have come from anywhere: no terminal obeys it
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
    return -EINVAL;
}

/* ---- TLS ---- */

static const char *const *offer_of(hob_ws_http http)
{
    static const char *const OLD[] = { "http/1.1", NULL }, *const NEW[] = { "h2", NULL };
    static const char *const BOTH[] = { "h2", "http/1.1", NULL };
    return http == HOB_WS_HTTP_1 ? OLD : http == HOB_WS_HTTP_2 ? NEW : BOTH;
}

/* What was agreed upon. A server without ALPN speaks HTTP/1.1. */
static int take_agreed(const char *alpn, const struct ws_url *url, hob_ws_http wanted, hob_ws_open_words *words,
                       hob_ws_http *ret_http)
{
    bool is_old = alpn[0] == '\0' || strcmp(alpn, "http/1.1") == 0;

    if (!is_old && strcmp(alpn, "h2") != 0)
        return hob__ws_say(words, -EPROTONOSUPPORT, "%s agreed upon %s, which is no HTTP", url->host_port, alpn);
    if (is_old && wanted == HOB_WS_HTTP_2)
        return hob__ws_say(words, -EPROTONOSUPPORT, "%s speaks no HTTP/2", url->host_port);
    *ret_http = is_old ? HOB_WS_HTTP_1 : HOB_WS_HTTP_2;
    return 0;
}

static int shake_hands(hob_tls *tls, const struct ws_url *url, hob_ws_http wanted, hob_ws_open_words *words,
                       hob_ws_http *ret_http)
{
    hob_tls_facts facts;

    int r = hob_tls_offer(tls, offer_of(wanted));
    if (r == 0)
        r = hob_tls_handshake(tls);
    if (r < 0)
        return hob__ws_say(words, r, "no TLS with %s: %s", url->host_port,
                           hob_tls_error(tls)[0] != '\0' ? hob_tls_error(tls) : hob_strerror(r));
    r = hob_tls_negotiated(tls, &facts);
    if (r < 0)
        return hob__ws_say(words, r, "no TLS with %s: %s", url->host_port, hob_strerror(r));
    return take_agreed(facts.alpn, url, wanted, words, ret_http);
}

/* Over *stream, which is closed with what it becomes. */
static int go_secure(hob_stream **stream, const struct ws_url *url, hob_tls_config *config, hob_ws_http wanted,
                     hob_ws_open_words *words, hob_ws_http *ret_http)
{
    hob_tls_config *own = NULL;
    hob_tls_words   why;
    hob_tls        *tls;
    int             r = config == NULL ? hob_tls_config_new(NULL, &why, &own) : 0;

    if (r < 0)
        return hob__ws_say(words, r, "no TLS: %s", why.text);
    r = hob_tls_client(config != NULL ? config : own, *stream, url->host, &tls);
    if (r < 0) {
        hob__ws_say(words, r, "no TLS with %s: %s", url->host_port, hob_strerror(r));
    } else {
        *stream = hob_tls_stream(tls);
        r = shake_hands(tls, url, wanted, words, ret_http);
    }
    hob_tls_config_free(own);
    return r;
}

/* ---- both ---- */

int hob__ws_reach(const struct ws_url *url, const hob_connect_opts *connect, hob_tls_config *tls, hob_ws_http http,
                  hob_ws_open_words *words, hob_stream **ret_stream, hob_ws_http *ret_http)
{
    hob_connect_words why;
    hob_tcp          *tcp;
    hob_ws_http       agreed = http == HOB_WS_HTTP_2 ? HOB_WS_HTTP_2 : HOB_WS_HTTP_1;

    int r = hob_connect_with(url->host_port, connect, &why, &tcp);
    if (r < 0)
        return hob__ws_say(words, r, "%s", why.text);
    hob_stream *stream = hob_tcp_stream(tcp);
    if (url->is_secure)
        r = go_secure(&stream, url, tls, http, words, &agreed);
    if (r < 0) {
        hob_stream_close(stream);
        return r;
    }
    *ret_stream = stream;
    *ret_http = agreed;
    return 0;
}
