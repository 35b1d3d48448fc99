/* SPDX-License-Identifier: MIT */
/*
 * hob_http's /json over TLS, by HTTP/2 if the client wants it. HOB_BACKEND chooses the backend.
 *
 *     hob_https CERTIFICATE    PEM, with its key
 */
#include <hob.h>
#include <hob/https.h>

#include "bench.h"

static const char *cert_file;

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
    hob_tls_identity  identity = { .cert_file = cert_file };
    hob_tls_opts      tls = { .identities = &identity, .identity_count = 1 };
    hob_http_opts     opts = { .server_name = "bench", .requests_max = UINT32_MAX };
    hob_addr          addr = hob_addr_loopback(0);
    hob_tls_config   *config;
    hob_tcp_listener *listener;

    (void)arg;
    HOB_TRY(hob_https_config_new(&tls, NULL, &config));
    HOB_TRY(hob_tcp_listen(&addr, NULL, &listener));
    addr = hob_tcp_listener_addr(listener);
    bench_serving(hob_addr_port(&addr));
    return hob_https_serve(listener, config, &opts, serve, NULL);
}

int main(int argc, char **argv)
{
    cert_file = argc == 2 ? argv[1] : "";
    return hob_run(server, NULL) == 0 ? 0 : 1;
}
