/* SPDX-License-Identifier: MIT */
/*
 * An HTTP server on Hob, as a user would write it: /json and /plaintext, with the answers that
 * TechEmpower's benchmark asks for. HOB_BACKEND chooses the backend.
 */
#include <hob.h>
#include <hob/http.h>

#include "bench.h"

static int serve(hob_http_request *req, void *arg)
{
    static const char json[] = "{\"message\":\"Hello, World!\"}", text[] = "Hello, World!";
    const char       *path = hob_http_path(req);

    (void)arg;
    if (strcmp(path, "/json") == 0)
        return hob_http_reply(req, 200, "application/json", json, sizeof json - 1);
    if (strcmp(path, "/plaintext") == 0)
        return hob_http_reply(req, 200, "text/plain", text, sizeof text - 1);
    return hob_http_reply_text(req, 404, NULL);
}

static int server(void *arg)
{
    hob_addr          addr = hob_addr_loopback(0);
    hob_http_opts     opts = { .server_name = "bench", .connections_max = 30000,
                               .requests_max = UINT32_MAX };
    hob_tcp_listener *listener;

    (void)arg;
    HOB_TRY(hob_tcp_listen(&addr, NULL, &listener));
    addr = hob_tcp_listener_addr(listener);
    bench_serving(hob_addr_port(&addr));
    return hob_http_serve(listener, &opts, serve, NULL);
}

int main(void)
{
    return hob_run(server, NULL) == 0 ? 0 : 1;
}
