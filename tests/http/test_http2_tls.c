/* SPDX-License-Identifier: MIT */
/* HTTP/2 over TLS, as ALPN agrees upon it. */
#include <hob/https.h>

#include "http/site.h"
#include "tls/peers.h"

static int tell(hob_http_request *req, void *arg)
{
    char text[40];
    snprintf(text, sizeof text, "version %d", hob_http_version(req));
    return hob_http_reply_text(req, 200, text);
}

static const char *const H2[] = { "h2", "http/1.1", NULL };
static const char *const H1[] = { "http/1.1", NULL };

/* Reads until the text has come. */
static bool hears(hob_tls *tls, const char *text)
{
    char    got[4096];
    size_t  len = 0;
    ssize_t n = 1;
    while (n > 0 && len < sizeof got && memmem(got, len, text, strlen(text)) == NULL) {
        n = hob_tls_read(tls, got + len, sizeof got - len);
        len += n > 0 ? (size_t)n : 0;
    }
    return memmem(got, len, text, strlen(text)) != NULL;
}

static const char PREFACE[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";
static const char REQUEST[] = "\0\0\6\1\5\0\0\0\1\x82\x86\x84\x41\1a";

static int visit_tls(const struct site *site, hob_tls_config *config, hob_tls **ret_tls)
{
    hob_tcp *tcp;
    HOB_TRY(visit(site, &tcp));
    int r = hob_tls_client(config, hob_tcp_stream(tcp), "a.example", ret_tls);
    if (r < 0)
        hob_tcp_close(tcp);
    return r;
}

TEST_ON_ALL(http2_tls, what_alpn_agrees_upon_is_spoken)
{
    WORLD(w);
    struct site  site = { .handler = tell };
    hob_tls_opts server = { .alpn = H2 }, client = { .alpn = H2 }, old = { .alpn = H1 };
    TLS(tls);
    HOB_SCOPE(s);

    check_ok(make_world(&w, &server, &client));
    site.opts.wrap = hob_https_wrap;
    site.opts.wrap_arg = w.server_config;
    check_ok(open_site(&s, &site));
    check_ok(visit_tls(&site, w.client_config, &tls));
    check_ok(hob_tls_write(tls, PREFACE, sizeof PREFACE - 1));
    check_ok(hob_tls_write(tls, REQUEST, sizeof REQUEST - 1));
    check(hears(tls, "version 20"));
    check_eq(site.stats.http2, 1);
    close_tls(&tls);
    WAIT_FOR(site.stats.connections == 0);

    check_ok(hob_tls_config_reload(w.client_config, &old, NULL));
    hob_tls_insecure_skip_verify(w.client_config);
    check_ok(visit_tls(&site, w.client_config, &tls));
    check_ok(hob_tls_write(tls, GET("/"), strlen(GET("/"))));
    check(hears(tls, "version 11"));
    check_eq(site.stats.http2, 1);
    close_tls(&tls);
    WAIT_FOR(site.stats.connections == 0);
}

/* Who agreed upon one and speaks the other is answered in what was agreed upon, and let go. */
TEST_ON_ALL(http2_tls, what_alpn_did_not_agree_upon_is_not_spoken)
{
    WORLD(w);
    struct site  site = { .handler = tell };
    hob_tls_opts server = { .alpn = H2 }, client = { .alpn = H1 };
    TLS(tls);
    HOB_SCOPE(s);

    check_ok(make_world(&w, &server, &client));
    site.opts.wrap = hob_https_wrap;
    site.opts.wrap_arg = w.server_config;
    check_ok(open_site(&s, &site));
    check_ok(visit_tls(&site, w.client_config, &tls));
    check_ok(hob_tls_write(tls, PREFACE, sizeof PREFACE - 1));
    check(hears(tls, "HTTP/1.1 505"));
    check_eq(site.stats.requests, 0);
    check_eq(site.stats.http2, 0);
    close_tls(&tls);
    WAIT_FOR(site.stats.connections == 0);
}

TEST_ON_ALL(http2_tls, a_handshake_that_fails_costs_nobody_else_anything)
{
    WORLD(w);
    struct site  site = { .handler = tell };
    hob_tls_opts server = { .alpn = H2 }, client = { .alpn = H2 };
    char         got[500];
    TLS(tls);
    HOB_SCOPE(s);

    check_ok(make_world(&w, &server, &client));
    site.opts.wrap = hob_https_wrap;
    site.opts.wrap_arg = w.server_config;
    check_ok(open_site(&s, &site));
    ignore(ask(&site, GET("/"), got, sizeof got)); // no hello
    WAIT_FOR(site.stats.connections == 0);
    check_ok(visit_tls(&site, w.client_config, &tls));
    check_ok(hob_tls_write(tls, PREFACE, sizeof PREFACE - 1));
    check_ok(hob_tls_write(tls, REQUEST, sizeof REQUEST - 1));
    check(hears(tls, "version 20"));
}
