/* SPDX-License-Identifier: MIT */
/* HTTP over TLS: what was agreed upon decides which version is spoken. By public headers only. */
#include "hob/https.h"

#include <stdio.h>
#include <string.h>

#include "hob/error.h"

enum { LOCATION_BYTES = 7000, TLS_PORT = 443 };

int hob_https_config_new(const hob_tls_opts *opts, hob_tls_words *ret_words, hob_tls_config **ret_config)
{
    static const char *const ALPN[] = {
#ifdef HOB_WITH_HTTP2
        "h2",
#endif
        "http/1.1", NULL
    };
    hob_tls_opts own = opts != NULL ? *opts : (hob_tls_opts){ 0 };

    if (own.alpn == NULL)
        own.alpn = ALPN;
    return hob_tls_config_new(&own, ret_words, ret_config);
}

int hob_https_wrap(void *config, hob_stream *below, hob_stream **ret_stream)
{
    hob_tls      *tls;
    hob_tls_facts facts;

    if (config == NULL)
        hob_mistake("hob_https_wrap", "there is no hob_tls_config: it is NULL, and so is `wrap_arg`, perhaps");
    int r = hob_tls_server(config, below, &tls);
    if (r < 0)
        return r;
    *ret_stream = hob_tls_stream(tls); // `below` is its own from here on
    if (hob_tls_handshake(tls) < 0 || hob_tls_negotiated(tls, &facts) < 0)
        return HOB_HTTP_1; // the first read fails, too
    return strcmp(facts.alpn, "h2") == 0 ? HOB_HTTP_2 : HOB_HTTP_1;
}

int hob_https_serve(hob_tcp_listener *listener, hob_tls_config *config, const hob_http_opts *opts,
                    hob_http_handler *handler, void *arg)
{
    hob_http_opts own = opts != NULL ? *opts : (hob_http_opts){ 0 };

    if (config == NULL)
        hob_mistake("hob_https_serve", "there is no hob_tls_config: it is NULL");
    own.wrap = hob_https_wrap;
    own.wrap_arg = config;
    return hob_http_serve(listener, &own, handler, arg);
}

/* The length of the host, without its port; an address of IPv6 is in brackets. */
static size_t host_len(const char *host)
{
    const char *end = host[0] == '[' ? strchr(host, ']') : NULL;
    return end != NULL ? (size_t)(end + 1 - host) : strcspn(host, ":");
}

int hob_https_redirect(hob_http_request *req, void *arg)
{
    const uint16_t *to = arg;
    const char     *host = hob_http_host(req), *path = hob_http_path(req), *query = hob_http_query(req);
    char            port[16] = "", location[LOCATION_BYTES];

    if (host_len(host) == 0 || path[0] != '/')
        return hob_http_reply_text(req, 400, NULL);
    if (to != NULL && *to != TLS_PORT)
        snprintf(port, sizeof port, ":%u", *to);
    int n = snprintf(location, sizeof location, "https://%.*s%s%s%s%s", (int)host_len(host), host, port, path,
                     query[0] != '\0' ? "?" : "", query);
    if (n < 0 || (size_t)n >= sizeof location)
        return hob_http_reply_text(req, 414, NULL);
    return hob_http_redirect(req, 308, location);
}
