/* SPDX-License-Identifier: MIT */
/*
 * A WebSocket echo server on Hob, as a user would write it. HOB_BACKEND chooses the backend.
 *
 *     hob_ws serve    each connection has a task
 *     hob_ws keep     it has one while a message is being answered
 */
#include <hob.h>
#include <hob/ws.h>

#include "bench.h"

static int talk(hob_ws *ws, void *arg)
{
    hob_ws_kind kind;
    const char *data;
    ssize_t     len;

    (void)arg;
    while ((len = hob_ws_recv(ws, &kind, &data)) >= 0)
        HOB_TRY(hob_ws_send(ws, kind, data, (size_t)len));
    return len == HOB_EOF ? 0 : (int)len;
}

static int serve(hob_http_request *req, void *arg)
{
    return hob_ws_serve(req, NULL, talk, arg);
}

static int answer(hob_ws *ws, void *arg, hob_ws_kind kind, const char *data, size_t len)
{
    (void)arg;
    return hob_ws_send(ws, kind, data, len);
}

static int keep(hob_http_request *req, void *arg)
{
    static const hob_ws_calls CALLS = { .message = answer };
    hob_ws                   *ws;
    int                       status = hob_ws_accept(req, NULL, &ws);

    if (status != 0)
        return status > 0 ? hob_ws_refuse(req, status) : status;
    status = hob_ws_keep(ws, &CALLS, arg);
    if (status < 0)
        hob_ws_close(ws);
    return status;
}

static int server(void *handler)
{
    hob_addr          addr = hob_addr_loopback(0);
    hob_http_opts     opts = { .connections_max = 30000 };
    hob_tcp_listener *listener;

    HOB_TRY(hob_tcp_listen(&addr, NULL, &listener));
    addr = hob_tcp_listener_addr(listener);
    bench_serving(hob_addr_port(&addr));
    return hob_http_serve(listener, &opts, *(hob_http_handler **)handler, NULL);
}

int main(int argc, char **argv)
{
    hob_http_handler *handler = argc == 2 && strcmp(argv[1], "keep") == 0 ? keep : serve;
    return hob_run(server, &handler) == 0 ? 0 : 1;
}
