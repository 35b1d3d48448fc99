/* SPDX-License-Identifier: MIT */
/* A few pages over HTTP/1.1 and HTTP/2, for test_http2_peers.py. Says its port, and in the end its counts. */
#include <stdio.h>
#include <string.h>

#include <hob.h>
#include <hob/http.h>

static int answer(hob_http_request *req, void *arg)
{
    static char much[1000000];
    const char *path = hob_http_path(req);

    (void)arg;
    if (strcmp(path, "/much") == 0)
        return hob_http_reply(req, 200, NULL, much, sizeof much);
    if (strcmp(path, "/slow") == 0)
        HOB_TRY(hob_sleep(5 * HOB_MSEC));
    if (strcmp(path, "/echo") == 0) {
        HOB_TRY(hob_http_begin(req, 200, NULL, hob_http_body_length(req)));
        return hob_copy(hob_http_stream(req), hob_http_stream(req), NULL, NULL);
    }
    if (strcmp(path, "/trailer") == 0) {
        HOB_TRY(hob_http_begin(req, 200, NULL, -1));
        HOB_TRY(hob_http_write(req, "hello", 5));
        return hob_http_add_trailer(req, "X-Sum", "5d41402a");
    }
    return hob_http_reply_text(req, 200, "hello\n");
}

static int serve(void *arg)
{
    hob_addr          addr = hob_addr_loopback(0);
    hob_http_stats    stats = { 0 };
    hob_http_opts     opts = { .stats = &stats, .requests_max = 1000000, .body_bytes_max = 10000000 };
    hob_tcp_listener *listener;

    (void)arg;
    HOB_TRY(hob_tcp_listen(&addr, NULL, &listener));
    addr = hob_tcp_listener_addr(listener);
    printf("%d\n", (int)hob_addr_port(&addr));
    fflush(stdout);
    int r = hob_http_serve(listener, &opts, answer, NULL);
    printf("connections %d running %d requests %d failed %d bad %d calmed %d http2 %d\n", (int)stats.connections,
           (int)stats.running, (int)stats.requests, (int)stats.failed, (int)stats.bad, (int)stats.calmed,
           (int)stats.http2);
    hob_tcp_listener_close(listener);
    return r;
}

int main(void)
{
    return hob_run(serve, NULL) == 0 ? 0 : 1;
}
