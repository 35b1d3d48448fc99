/* SPDX-License-Identifier: MIT */
/*
 * hob_http's /json over TLS, by HTTP/2 if the client wants it. HOB_BACKEND chooses the backend.
 *
 *     hob_https CERTIFICATE    PEM, with its key
 */
#include <hob.h>
#include <hob/http.h>
#include <hob/tls.h>

#include "bench.h"

static const char *cert_file;

static int over_tls(void *config, hob_stream *below, hob_stream **ret_stream)
{
    hob_tls      *tls;
    hob_tls_facts facts;

    HOB_TRY(hob_tls_server(config, below, &tls));
    *ret_stream = hob_tls_stream(tls);
    if (hob_tls_handshake(tls) < 0 || hob_tls_negotiated(tls, &facts) < 0)
        return HOB_HTTP_1; // the first read fails, too
    return strcmp(facts.alpn, "h2") == 0 ? HOB_HTTP_2 : HOB_HTTP_1;
}

static int serve(hob_http_request *req, void *arg)
{
    static const char json[] = "{\"message\":\"Hello, World!\"}";

    (void)arg;
    if (strcmp(hob_http_path(req), "/json") == 0)
        return hob_http_reply(req, 200, "application/json", json, sizeof json - 1);
    return hob_http_reply_text(req, 404, NULL);
}

static int server(void *arg)
{
    static const char *const ALPN[] = { "h2", "http/1.1", NULL };
    hob_tls_identity         identity = { .cert_file = cert_file };
    hob_tls_opts             tls = { .identities = &identity, .identity_count = 1, .alpn = ALPN };
    hob_http_opts            opts = { .server_name = "bench", .requests_max = UINT32_MAX,
                                      .wrap = over_tls };
    hob_addr                 addr = hob_addr_loopback(0);
    hob_tls_config          *config;
    hob_tcp_listener        *listener;

    (void)arg;
    HOB_TRY(hob_tls_config_new(&tls, NULL, &config));
    HOB_TRY(hob_tcp_listen(&addr, NULL, &listener));
    addr = hob_tcp_listener_addr(listener);
    opts.wrap_arg = config;
    bench_serving(hob_addr_port(&addr));
    return hob_http_serve(listener, &opts, serve, NULL);
}

int main(int argc, char **argv)
{
    cert_file = argc == 2 ? argv[1] : "";
    return hob_run(server, NULL) == 0 ? 0 : 1;
}
