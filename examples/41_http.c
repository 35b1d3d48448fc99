/* SPDX-License-Identifier: MIT */
/*
 * A server with a few pages: http://localhost:8080/ and /count, /echo, /source
 * (or another port: 41_http 9000).
 * ^C ends it when the requests that have begun are answered.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hob.h>
#include <hob/http.h>

static int hello(hob_http_request *req)
{
    return hob_http_reply_text(req, 200, "Hello, World!\n");
}

/* The answer begins before it is known how long it will be. */
static int count_down(hob_http_request *req)
{
    HOB_TRY(hob_http_begin(req, 200, "text/plain", -1));
    for (int i = 3; i > 0; i--) {
        char line[16];
        int  len = snprintf(line, sizeof line, "%d ...\n", i);
        HOB_TRY(hob_http_write(req, line, (size_t)len));
        HOB_TRY(hob_http_flush(req));
        HOB_TRY(hob_sleep(1 * HOB_SEC));
    }
    HOB_TRY(hob_http_write(req, "lift-off\n", 9));
    return 0;
}

/* What comes goes back: as slowly as the client reads, and in one small buffer. */
static int echo(hob_http_request *req)
{
    const char *type = hob_http_header(req, "Content-Type");
    HOB_TRY(hob_http_begin(req, 200, type, hob_http_body_length(req)));
    return hob_copy(hob_http_stream(req), hob_http_stream(req), NULL, NULL);
}

/* This program's own text, when it runs in Hob's tree; a browser that has it is told so (304), and
 * parts can be asked for. */
static int source(hob_http_request *req)
{
    hob_file *file;
    if (hob_file_open("examples/41_http.c", O_RDONLY, 0, &file) < 0)
        return hob_http_reply_text(req, 404, NULL);
    int r = hob_http_reply_file(req, "text/plain; charset=utf-8", file);
    hob_file_close(file);
    return r;
}

static int route(hob_http_request *req, void *arg)
{
    const char *path = hob_http_path(req);

    if (strcmp(path, "/") == 0)
        return hello(req);
    if (strcmp(path, "/count") == 0)
        return count_down(req);
    if (strcmp(path, "/echo") == 0)
        return echo(req);
    if (strcmp(path, "/source") == 0)
        return source(req);
    return hob_http_reply_text(req, 404, NULL);
}

/* Once on each worker, with a listener of its own. */
static int serve_here(hob_tcp_listener *listener, void *arg)
{
    hob_addr here = hob_tcp_listener_addr(listener);

    if (hob_worker_number() == 0)
        printf("a few pages, on port %u\n", hob_addr_port(&here));
    return hob_http_serve(listener, NULL, route, NULL);
}

static int serve(void *arg)
{
    const char *port = arg;
    hob_addr    here = hob_addr_loopback((uint16_t)atoi(port));

    return hob_tcp_serve_sharded(&here, NULL, serve_here, NULL);
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    return hob_run(serve, argc > 1 ? argv[1] : "8080");
}
