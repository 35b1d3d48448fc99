/* SPDX-License-Identifier: MIT */
/* The same server behind TLS. */
#include <hob/tls.h>

#include "http/site.h"
#include "tls/peers.h"

static int over_tls(void *arg, hob_stream *below, hob_stream **ret_stream)
{
    hob_tls *tls;
    HOB_TRY(hob_tls_server(arg, below, &tls));
    *ret_stream = hob_tls_stream(tls);
    return 0;
}

static int tell(hob_http_request *req, void *arg)
{
    char *data;
    size_t len;
    HOB_TRY(hob_http_read_all(req, 100000, &data, &len));
    int r = hob_http_reply(req, 200, NULL, data, len);
    free(data);
    return r;
}

static ssize_t hear_tls(hob_tls *tls, const char *last, char *buf, size_t size)
{
    size_t len = 0, last_len = strlen(last);
    buf[0] = '\0';
    while (len < size - 1 && (len < last_len || memcmp(buf + len - last_len, last, last_len) != 0)) {
        ssize_t n = check_ok(hob_tls_read(tls, buf + len, size - 1 - len));
        if (n == 0)
            break;
        len += (size_t)n;
        buf[len] = '\0';
    }
    return (ssize_t)len;
}

TEST_ON_ALL(http_tls, requests_over_tls_are_answered_and_idle_connections_end_with_the_server)
{
    WORLD(w);
    struct site site = { .handler = tell };
    hob_tcp    *tcp;
    char        got[4096];
    TLS(tls);
    HOB_SCOPE(s);

    check_ok(make_world(&w, NULL, NULL));
    site.opts.wrap = over_tls;
    site.opts.wrap_arg = w.server_config;
    check_ok(open_site(&s, &site));
    check_ok(visit(&site, &tcp));
    check_ok(hob_tls_client(w.client_config, hob_tcp_stream(tcp), "a.example", &tls));
    for (int i = 0; i < 3; i++) {
        static const char TEXT[] = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
        check_ok(hob_tls_write(tls, TEXT, strlen(TEXT)));
        check_ok(hear_tls(tls, "hello", got, sizeof got));
        check_eq(status_in(got), 200);
    }
    settle();
    check_eq(site.stats.running, 0);
    check_eq(site.stats.connections, 1);
    hob_scope_cancel(&s, "seen");
    (void)!hob_scope_end(&s);
    check_eq(site.stats.connections, 0);
}

TEST_ON_ALL(http_tls, a_refusal_arrives_over_tls_with_a_goodbye)
{
    WORLD(w);
    struct site site = { .handler = tell };
    hob_tcp    *tcp;
    char        got[4096];
    TLS(tls);
    HOB_SCOPE(s);

    check_ok(make_world(&w, NULL, NULL));
    site.opts.wrap = over_tls;
    site.opts.wrap_arg = w.server_config;
    check_ok(open_site(&s, &site));
    check_ok(visit(&site, &tcp));
    check_ok(hob_tls_client(w.client_config, hob_tcp_stream(tcp), "a.example", &tls));
    check_ok(hob_tls_write(tls, "GET / HTTP/9.9\r\n\r\n", 18));
    check_ok(hear_tls(tls, "no such end", got, sizeof got)); // 0, and no HOB_ETLSTRUNCATED
    check_eq(status_in(got), 505);
    close_tls(&tls);
    WAIT_FOR(site.stats.connections == 0);
}
