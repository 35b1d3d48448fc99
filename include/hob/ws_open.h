/* SPDX-License-Identifier: MIT */
/*
 * Clients of WebSockets, by URL: names, TCP, TLS and the handshake in one call.
 *
 *     hob_ws *ws;
 *     HOB_TRY(hob_ws_open("wss://example.com/live", &ws));
 *     HOB_TRY(hob_ws_send_text(ws, "hello"));
 *
 * A library of its own: not part of hob.h; link libhob-wsopen (pkg-config). It stands on libhob-ws,
 * libhob-dns and libhob-tls, none of which needs the others: who has a stream already, or wants no TLS, calls
 * hob_ws_connect of hob/ws.h. Many WebSockets to one server share a connection by hob/ws_link.h.
 */
#ifndef HOB_WS_OPEN_H
#define HOB_WS_OPEN_H

#include "hob/dns.h"
#include "hob/tls.h"
#include "hob/ws.h"

HOB_BEGIN_DECLS

/* Which version of HTTP carries it. */
typedef enum hob_ws_http {
    HOB_WS_HTTP_1,   /* HTTP/1.1                                                                     */
    HOB_WS_HTTP_ANY, /* wss: HTTP/2 if the server chooses it and has WebSockets there (RFC 8441), else HTTP/1.1,
                        for which it may have to connect again. ws: HTTP/1.1                         */
    HOB_WS_HTTP_2,   /* HTTP/2 or nothing. ws: the server is known to speak it                       */
} hob_ws_http;

/* All zero, or NULL, means the defaults. Everything is lent for the call. */
typedef struct hob_ws_open_opts {
    hob_ws_opts      ws;      /* of the WebSocket: protocols, headers, limits                          */
    hob_connect_opts connect; /* of names and TCP                                                      */
    hob_tls_config  *tls;     /* wss: whom we trust, who we are. NULL: whom the system trusts, which is read
                                 again for each connection: who makes many gives one. What is offered to the
                                 server (ALPN) follows from `http`, not from its `alpn`                */
    int64_t          limit_ns; /* for all of it; 0: 30 s; HOB_FOREVER: as the scope says, and the limits of
                                 each part                                                             */
    hob_ws_http      http;    /* one that is alone on its connection gains nothing by HTTP/2, and needs
                                 50 KiB more: it is for servers that have nothing else                 */
} hob_ws_open_opts;

/* Room for a sentence on what went wrong. */
typedef struct hob_ws_open_words {
    char text[640];
} hob_ws_open_words;

/* Opens a WebSocket to "ws://host[:port][/path][?query]", or wss: for TLS. The host is a name, an IPv4 address, or
 * an IPv6 address in brackets; without a port it is 80, or 443.
 *
 * Waits. Returns 0, and *ret_ws is the caller's; or a negative error, with *ret_words (unless NULL) saying all of
 * it in one sentence: which step failed, and why.
 *   -EINVAL      the URL, a protocol or a header is none
 *   the errors of hob_connect_with: of a look-up, of TCP
 *   HOB_ETLSCERT, HOB_ETLS, HOB_ETLSTRUNCATED  the handshake of TLS failed
 *   -EPROTONOSUPPORT  the server does not speak the version that `http` asks for, or it has no WebSockets there; or
 *                Hob was built without nghttp2, and HTTP/2 was asked for
 *   HOB_EWS      the server does not want to, or knows no WebSockets: opts->ws.ret_status. Redirects are not
 *                followed, as browsers do not
 *   -ETIMEDOUT   over limit_ns or one of the others; or the scope's deadline
 *   -ECANCELED, -ENOMEM, -ECONNRESET, over HTTP/2 those of hob_ws_open_on ... */
HOB_API HOB_MUST_USE int hob_ws_open(const char *url, hob_ws **ret_ws);
HOB_API HOB_MUST_USE int hob_ws_open_with(const char *url, const hob_ws_open_opts *opts,
                                          hob_ws_open_words *ret_words, hob_ws **ret_ws);

HOB_END_DECLS

#endif
