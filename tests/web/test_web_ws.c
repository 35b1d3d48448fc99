/* SPDX-License-Identifier: MIT */
/* Routes that serve a WebSocket, over HTTP/1.1 and over HTTP/2, through all that stands before handlers. */
#include <hob/web.h>

#include "ws/h2_client.h"

static int answer_room(hob_http_request *req, void *arg)
{
    struct seen *seen = arg;
    check_str(hob_web_param(req, "room"), "a room");
    check_str(hob_web_pattern(req), "/rooms/{room}");
    return serve_echo(req, seen);
}

static int list_rooms(hob_http_request *req, void *arg)
{
    return hob_http_reply(req, 200, "application/json", "[]", 2);
}

static int create_room(hob_http_request *req, void *arg)
{
    return hob_http_reply(req, 204, NULL, NULL, 0);
}

static int count(hob_http_request *req, void *arg)
{
    ++*(int *)arg;
    return hob_web_next(req);
}

static void free_web(hob_web **web)
{
    hob_web_free(*web);
}

TEST_ON_ALL(web_ws, a_route_of_get_serves_websockets_of_both_versions)
{
    __attribute__((cleanup(free_web))) hob_web *web = NULL;
    struct seen seen = { 0 };
    int         counted = 0;
    check_ok(hob_web_new(NULL, &web));
    hob_web_use(web, count, &counted);
    hob_web_use(web, hob_web_etag, NULL);
    hob_web_use(web, hob_web_gzip, NULL);
    hob_web_handle(web, "GET /rooms/{room}", answer_room, &seen);
    hob_web_handle(web, "GET /rooms", list_rooms, NULL);
    hob_web_handle(web, "POST /rooms/{room}/guests", create_room, NULL);
    check_ok(hob_web_check(web));

    struct site site = { .handler = hob_web_answer, .arg = web };
    HOB_SCOPE(s);
    check_ok(open_site(&s, &site));
    H2_CLIENT(client);
    HOB_SCOPE(reading);
    check_ok(h2_client_open(&reading, &site, &client));
    for (int kept = 0; kept < 2; kept++) {
        struct h2_pipe *pipe;
        char            got[7];
        seen.kept = kept == 1;
        check_ok(h2_pipe_open(&client, "/rooms/a%20room", (const char *[]){ "accept-encoding", "gzip", NULL }, &pipe));
        check_eq(pipe->status, 200);
        check_eq(hob_stream_write(&pipe->stream, "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", 11), 11);
        check_eq(hob_stream_read_exactly(&pipe->stream, got, 7), 7);
        check_mem(got, "\x81\x05Hello", 7);
        hob_stream_close(&pipe->stream);

        hob_tcp *conn;
        WS(ws);
        check_ok(visit(&site, &conn));
        check_ok(hob_ws_connect(hob_tcp_stream(conn), "ws://a/rooms/a%20room", NULL, &ws));
        check_ok(hob_ws_send_text(ws, "hello"));
        check_ok(hears_message(ws, HOB_WS_TEXT, "hello", 5));
    }
    check_eq(counted, 4);

    static const struct { const char *path; int status; } OTHERS[] = {
        { "/rooms", 501 },                // a page, and no WebSocket
        { "/rooms/x/guests", 405 },       // another method
        { "/nowhere", 404 },
        { "/rooms/%2e%2e", 400 },
    };
    for (size_t i = 0; i < sizeof OTHERS / sizeof OTHERS[0]; i++) {
        struct h2_pipe *pipe;
        check_ok(h2_pipe_open(&client, OTHERS[i].path, NULL, &pipe));
        check_eq(pipe->status, OTHERS[i].status);
        hob_stream_close(&pipe->stream);
    }
    check_eq(client.broken, 0);
}
