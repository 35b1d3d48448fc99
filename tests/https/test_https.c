/* SPDX-License-Identifier: MIT */
/* HTTP over TLS, as hob/https.h has it: which version, who is not served, and the port that leads there. */
#include <hob/https.h>

#include "http/site.h"
#include "tls/peers.h"

/* ---- over TLS ---- */

static int tell(hob_http_request *req, void *arg)
{
    char text[40];
    snprintf(text, sizeof text, "version %d", hob_http_version(req));
    return hob_http_reply_text(req, 200, text);
}

struct shop {
    struct world    w;
    hob_tls_config *config;
    hob_http_opts   opts;
    hob_http_stats  stats;
    hob_addr        addr;
};

static int run_shop(void *arg)
{
    struct shop *shop = arg;
    LISTENER(listener);

    check_ok(listen_here(&listener));
    shop->addr = hob_tcp_listener_addr(listener);
    shop->opts.stats = &shop->stats;
    hob_ready(NULL);
    int r = hob_https_serve(listener, shop->config, &shop->opts, tell, shop);
    return r == -ECANCELED ? 0 : r;
}

/* Serves with what hob_https_config_new makes, and `alpn`. */
static int open_shop(hob_scope *scope, struct shop *shop, const hob_tls_opts *client, const char *const *alpn)
{
    check_ok(make_world(&shop->w, client, NULL));
    hob_tls_identity us = identity_of(&shop->w.server);
    hob_tls_opts     opts = { .identities = &us, .identity_count = 1, .alpn = alpn };
    check_ok(hob_https_config_new(&opts, NULL, &shop->config));
    return hob_go_ready(scope, run_shop, shop, &(hob_task_opts){ .daemon = 1 }, NULL);
}

static void close_shop(struct shop *shop)
{
    hob_tls_config_free(shop->config);
    free_world(&shop->w);
}

#define SHOP(name) __attribute__((cleanup(close_shop))) struct shop name = { 0 }

/* Says something over TLS, and reads until the text has come, or the end. */
static bool hears(const struct shop *shop, const void *words, size_t len, const char *text)
{
    char     got[4096];
    size_t   got_len = 0;
    hob_tcp *tcp;
    ssize_t  n = 1;
    TLS(tls);

    if (hob_tcp_connect(&shop->addr, NULL, &tcp) < 0)
        return false;
    if (hob_tls_client(shop->w.client_config, hob_tcp_stream(tcp), "a.example", &tls) < 0) {
        hob_tcp_close(tcp);
        return false;
    }
    n = hob_tls_write(tls, words, len);
    while (n > 0 && got_len < sizeof got && memmem(got, got_len, text, strlen(text)) == NULL) {
        n = hob_tls_read(tls, got + got_len, sizeof got - got_len);
        got_len += n > 0 ? (size_t)n : 0;
    }
    return memmem(got, got_len, text, strlen(text)) != NULL;
}

static const char *const H2[] = { "h2", "http/1.1", NULL };
static const char *const H1[] = { "http/1.1", NULL };
static const char        ASKED[] = GET("/");

/* The preface, empty settings, and a GET of "/" for the authority "a". */
static const char ASKED_2[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"
                              "\0\0\6\1\5\0\0\0\1\x82\x86\x84\x41\1a";

TEST_ON_ALL(https, who_wants_http1_gets_it_with_alpn_and_without)
{
    SHOP(plain);
    SHOP(shop);
    HOB_SCOPE(s);

    check_ok(open_shop(&s, &plain, NULL, NULL));
    check(hears(&plain, ASKED, sizeof ASKED - 1, "version 11"));
    check_ok(open_shop(&s, &shop, &(hob_tls_opts){ .alpn = H1 }, NULL));
    check(hears(&shop, ASKED, sizeof ASKED - 1, "version 11"));
    check_eq(shop.stats.http2 + plain.stats.http2, 0);
}

TEST_ON_ALL(https, who_may_have_http2_gets_what_this_build_has)
{
    SHOP(shop);
    HOB_SCOPE(s);

    check_ok(open_shop(&s, &shop, &(hob_tls_opts){ .alpn = H2 }, NULL));
    // A build without HTTP/2 does not offer it, so what was agreed upon is HTTP/1.1.
    bool has_http2 = hears(&shop, ASKED_2, sizeof ASKED_2 - 1, "version 20");
    check_eq(shop.stats.http2, has_http2);
    check_eq(hears(&shop, ASKED, sizeof ASKED - 1, "version 11"), !has_http2);
}

TEST_ON_ALL(https, a_list_of_ones_own_is_kept)
{
    SHOP(shop);
    HOB_SCOPE(s);

    check_ok(open_shop(&s, &shop, &(hob_tls_opts){ .alpn = H2 }, H1));
    check(hears(&shop, ASKED, sizeof ASKED - 1, "version 11"));
    check(hears(&shop, ASKED_2, sizeof ASKED_2 - 1, "HTTP/1.1 505"));
}

TEST_ON_ALL(https, who_speaks_no_tls_ends_alone)
{
    struct site site = { 0 };
    char        got[500];
    SHOP(shop);
    HOB_SCOPE(s);

    check_ok(open_shop(&s, &shop, NULL, NULL));
    site.addr = shop.addr;
    ignore(ask(&site, GET("/"), got, sizeof got));
    WAIT_FOR(shop.stats.connections == 0);
    check_eq(shop.stats.requests, 0);
    check(hears(&shop, ASKED, sizeof ASKED - 1, "version 11"));
    check_eq(shop.stats.failed, 0);
}

TEST_DIES(https, without_a_config_nothing_is_served, "*hob_https_serve: there is no hob_tls_config*")
{
    LISTENER(listener);
    check_ok(listen_here(&listener));
    ignore(hob_https_serve(listener, NULL, NULL, tell, NULL));
}

/* ---- the port without it ---- */

TEST(https, requests_without_tls_are_led_to_it)
{
    static const uint16_t port = 8443;
    static const struct { const char *asked; const void *port; const char *has; } CASES[] = {
        { "GET /a/b?c=%20d HTTP/1.1\r\nHost: a.example\r\n\r\n", NULL, "\r\nLocation: https://a.example/a/b?c=%20d\r\n" },
        { "GET / HTTP/1.1\r\nHost: a.example:8080\r\n\r\n", NULL, "\r\nLocation: https://a.example/\r\n" },
        { "GET / HTTP/1.1\r\nHost: a.example:8080\r\n\r\n", &port, "\r\nLocation: https://a.example:8443/\r\n" },
        { "POST /x HTTP/1.1\r\nHost: [::1]:80\r\nContent-Length: 0\r\n\r\n", &port, "\r\nLocation: https://[::1]:8443/x\r\n" },
        { "GET / HTTP/1.1\r\nHost: [::1]\r\n\r\n", NULL, "\r\nLocation: https://[::1]/\r\n" },
        { "GET http://b.example/y HTTP/1.1\r\nHost: a\r\n\r\n", NULL, "\r\nLocation: https://b.example/y\r\n" },
        { "GET //evil.example/ HTTP/1.1\r\nHost: a\r\n\r\n", NULL, "\r\nLocation: https://a//evil.example/\r\n" },
        { "GET / HTTP/1.0\r\n\r\n", NULL, "HTTP/1.1 400 " },
        { "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", NULL, "HTTP/1.1 400 " },
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct site site = { .handler = hob_https_redirect, .arg = (void *)(uintptr_t)CASES[i].port };
        char        got[4096];
        HOB_SCOPE(s);

        check_ok(open_site(&s, &site));
        check_ok(ask(&site, CASES[i].asked, got, sizeof got));
        check_has(got, CASES[i].has);
        check_eq(status_in(got), CASES[i].has[0] == 'H' ? 400 : 308);
    }
}

TEST(https, what_is_too_long_to_be_led_is_refused)
{
    struct site site = { .handler = hob_https_redirect };
    char        text[8000], got[4096];
    HOB_SCOPE(s);

    snprintf(text, sizeof text, "GET /%07200d HTTP/1.1\r\nHost: a\r\n\r\n", 1);
    check_ok(open_site(&s, &site));
    check_ok(ask(&site, text, got, sizeof got));
    check_eq(status_in(got), 414);
}
