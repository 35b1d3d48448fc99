/* SPDX-License-Identifier: MIT */
/*
 * The server that hostile.c attacks: /json for its users, and what an attacker wants of a server: a
 * large answer, and a body that is read. All limits are the defaults but for the number of
 * connections, so that there can be more of them than it takes.
 *
 *     hob_hostile [CONNECTIONS_MAX]
 */
#include <hob.h>
#include <hob/http.h>

#include "bench.h"

enum { BIG_BYTES = 8 << 20 };

static int send_big(hob_http_request *req)
{
    static const char piece[65536];

    HOB_TRY(hob_http_begin(req, 200, "application/octet-stream", BIG_BYTES));
    for (int i = 0; i < BIG_BYTES; i += sizeof piece)
        HOB_TRY(hob_http_write(req, piece, sizeof piece));
    return 0;
}

static int take_upload(hob_http_request *req)
{
    char    buf[4096];
    ssize_t n;

    while ((n = HOB_TRY(hob_http_read(req, buf, sizeof buf))) > 0)
        continue;
    return hob_http_reply_text(req, 200, "thank you");
}

static int serve(hob_http_request *req, void *arg)
{
    static const char json[] = "{\"message\":\"Hello, World!\"}";
    const char       *path = hob_http_path(req);

    (void)arg;
    if (strcmp(path, "/json") == 0)
        return hob_http_reply(req, 200, "application/json", json, sizeof json - 1);
    if (strcmp(path, "/big") == 0)
        return send_big(req);
    if (strcmp(path, "/upload") == 0)
        return take_upload(req);
    return hob_http_reply_text(req, 404, NULL);
}

static int server(void *arg)
{
    hob_addr          addr = hob_addr_loopback(0);
    hob_http_opts     opts = { .server_name = "bench", .connections_max = *(uint32_t *)arg };
    hob_tcp_listener *listener;

    HOB_TRY(hob_tcp_listen(&addr, NULL, &listener));
    addr = hob_tcp_listener_addr(listener);
    bench_serving(hob_addr_port(&addr));
    return hob_http_serve(listener, &opts, serve, NULL);
}

int main(int argc, char **argv)
{
    uint32_t connections_max = argc > 1 ? (uint32_t)atoi(argv[1]) : 0;

    return hob_run(server, &connections_max) == 0 ? 0 : 1;
}
