/* SPDX-License-Identifier: MIT */
/*
 * HTTP servers over TLS: HTTP/1.1 and HTTP/2, as each client asks for.
 *
 *     static int serve(hob_tcp_listener *listener)
 *     {
 *         hob_tls_identity us = { .cert_file = "cert.pem", .key_file = "key.pem" };
 *         hob_tls_opts     opts = { .identities = &us, .identity_count = 1 };
 *         hob_tls_config  *config;
 *
 *         HOB_TRY(hob_https_config_new(&opts, NULL, &config));
 *         int r = hob_https_serve(listener, config, NULL, hello, NULL); // hello: as in hob/http.h
 *         hob_tls_config_free(config);
 *         return r;
 *     }
 *
 * or, in a service of hob/web.h, on all of its workers:
 *
 *     hob_http_opts      http = { .wrap = hob_https_wrap, .wrap_arg = config };
 *     hob_web_serve_opts opts = { .http = &http, .reload = reload };
 *     return hob_web_serve(web, &here, &opts);
 *
 * A library of its own: not part of hob.h; link libhob-https (pkg-config). It stands on libhob-http and
 * libhob-tls, neither of which needs the other.
 *
 * Certificates are read again by hob_tls_config_reload, for the connections to come.
 */
#ifndef HOB_HTTPS_H
#define HOB_HTTPS_H

#include "hob/http.h"
#include "hob/tls.h"

HOB_BEGIN_DECLS

/* As hob_tls_config_new, for a server of HTTP: unless opts->alpn says otherwise, it offers the versions that
 * this build of Hob has, HTTP/2 ("h2") before HTTP/1.1. */
HOB_API HOB_MUST_USE int hob_https_config_new(const hob_tls_opts *opts, hob_tls_words *ret_words,
                                              hob_tls_config **ret_config);

/* As hob_http_serve, with TLS over each connection. The config is lent until it returns; `wrap` and `wrap_arg`
 * of the options are of no account. A handshake that fails ends its connection, and no handler hears of it. */
HOB_API HOB_MUST_USE int hob_https_serve(hob_tcp_listener *listener, hob_tls_config *config,
                                         const hob_http_opts *opts, hob_http_handler *handler, void *arg);

/* The same for who calls hob_http_serve, or hob_web_serve: `wrap` of hob_http_opts, with the hob_tls_config as
 * `wrap_arg`. Waits for the handshake. Returns HOB_HTTP_1 or HOB_HTTP_2, as client and server agreed upon (ALPN):
 * without it HTTP/1.1. -ENOMEM; -EINVAL when the config has no identity. */
HOB_API HOB_MUST_USE int hob_https_wrap(void *config, hob_stream *below, hob_stream **ret_stream);

/* A handler, for the port without TLS: leads each request to the same host and path over TLS, for good (308). The
 * port there is that of `port`, a const uint16_t *; NULL: the usual one, 443. Who does not say which host it
 * wants (HTTP/1.0), or asks for no path, gets 400. Returns as hob_http_reply. */
HOB_API HOB_MUST_USE int hob_https_redirect(hob_http_request *req, void *port);

HOB_END_DECLS

#endif
