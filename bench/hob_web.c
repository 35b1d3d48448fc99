/* SPDX-License-Identifier: MIT */
/*
 * The answer of hob_http's /json by the framework: a route of its table of routes, middleware before
 * it (an id for each request, a limit of time, CORS), and a struct that a table turns into JSON.
 */
#include <hob.h>
#include <hob/web.h>

#include "bench.h"

struct message {
    const char *message;
};

static HOB_JSON_TABLE(message_json, struct message, HOB_JSON_FIELD(message));

static const int64_t limit_ns = 10 * HOB_SEC;

static int say_hello(hob_http_request *req, void *arg)
{
    static const struct message hello = { "Hello, World!" };

    (void)arg;
    return hob_web_reply(req, 200, &hello);
}

static int find_thing(hob_http_request *req, void *arg)
{
    (void)arg;
    return hob_web_error(req, 404, "there is no such thing");
}

static void add_routes(hob_web *web)
{
    static const hob_web_op hello = { .reply = message_json, .summary = "Says hello" };
    static const char *const THINGS[] = { "GET /things/{id}", "GET /users/{id}", "GET /users/{id}/things",
                                          "GET /shops/{shop}/things/{id}", "GET /files/{rest...}" };

    hob_web_use(web, hob_web_id, NULL);
    hob_web_use(web, hob_web_timeout, (void *)(uintptr_t)&limit_ns);
    hob_web_use(web, hob_web_cors, NULL);
    hob_web_operation(web, "GET /json", &hello, say_hello, NULL);
    for (size_t i = 0; i < sizeof THINGS / sizeof THINGS[0]; i++)
        hob_web_handle(web, THINGS[i], find_thing, NULL);
}

static int serve(hob_web *web)
{
    hob_addr          addr = hob_addr_loopback(0);
    hob_http_opts     opts = { .server_name = "bench", .connections_max = 30000,
                               .requests_max = UINT32_MAX };
    hob_tcp_listener *listener;

    HOB_TRY(hob_web_check(web));
    HOB_TRY(hob_tcp_listen(&addr, NULL, &listener));
    addr = hob_tcp_listener_addr(listener);
    bench_serving(hob_addr_port(&addr));
    int r = hob_http_serve(listener, &opts, hob_web_answer, web);
    hob_tcp_listener_close(listener);
    return r;
}

static int server(void *arg)
{
    hob_web *web;

    (void)arg;
    HOB_TRY(hob_web_new(NULL, &web));
    add_routes(web);
    int r = serve(web);
    hob_web_free(web);
    return r;
}

int main(void)
{
    return hob_run(server, NULL) == 0 ? 0 : 1;
}
