/* SPDX-License-Identifier: MIT */
/*
 * libhob-wsopen's inside: from a URL to a stream, and what is agreed upon for it.
 *
 *     url.c      the URL: bytes only
 *     reach.c    names, TCP, TLS: a stream to the server
 *     open.c     a WebSocket by URL, over HTTP/1.1 or HTTP/2
 *     link.h     introduces the files of links: HTTP/2
 */
#ifndef HOB_WSOPEN_REACH_H
#define HOB_WSOPEN_REACH_H

#include "hob/ws_open.h"
#include "wsopen/url.h"

/* Says it, and returns `error`. */
int hob__ws_say(hob_ws_open_words *words, int error, const char *format, ...) HOB_PRINTF(3, 4);

/* Reads the URL. Returns 0, or -EINVAL and says why. */
int hob__ws_read_url(const char *text, struct ws_url *ret_url, hob_ws_open_words *words);

/* Makes a stream to the server. `http` says what is offered by ALPN; *ret_http (1 or 2) what came of it, and for ws:
 * what it asks for. Waits; an error is in words. */
int hob__ws_reach(const struct ws_url *url, const hob_connect_opts *connect, hob_tls_config *tls, hob_ws_http http,
                  hob_ws_open_words *words, hob_stream **ret_stream, hob_ws_http *ret_http);

#endif
