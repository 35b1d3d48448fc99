/* SPDX-License-Identifier: MIT */
/* Sites with and without TLS, by URL. */
#ifndef HOB_TESTS_WSOPEN_SECURE_H
#define HOB_TESTS_WSOPEN_SECURE_H

#include <hob/https.h>
#include <hob/ws_link.h>

#include "tls/peers.h"
#include "ws/wire.h"

struct text {
    char at[200];
};

static inline struct text url_of(const struct site *site, const char *scheme, const char *host, const char *path)
{
    struct text url;
    snprintf(url.at, sizeof url.at, "%s://%s:%u%s", scheme, host, hob_addr_port(&site->addr), path);
    return url;
}

static inline int talk(hob_ws *ws)
{
    check_ok(hob_ws_send_text(ws, "hello"));
    check_ok(hears_message(ws, HOB_WS_TEXT, "hello", 5));
    check_ok(hob_ws_shutdown(ws, 1000, NULL));
    return 0;
}

struct secure {
    struct world w;
    struct site  site;
    struct seen  seen;
};

static inline void free_secure(struct secure *secure)
{
    free_world(&secure->w);
}

#define SECURE(name) __attribute__((cleanup(free_secure))) struct secure name = { 0 }

static inline int open_secure(hob_scope *scope, struct secure *secure, const hob_tls_opts *server)
{
    HOB_TRY(make_world(&secure->w, NULL, server));
    secure->site.handler = serve_echo;
    secure->site.arg = &secure->seen;
    secure->site.opts.wrap = hob_https_wrap;
    secure->site.opts.wrap_arg = secure->w.server_config;
    return open_site(scope, &secure->site);
}

static inline int trust(const struct secure *secure, const char *const *alpn, hob_tls_config **ret_config)
{
    hob_tls_opts opts = { .ca = secure->w.ca.pem, .ca_len = strlen(secure->w.ca.pem), .alpn = alpn };
    return hob_tls_config_new(&opts, NULL, ret_config);
}

#endif
