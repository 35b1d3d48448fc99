/* SPDX-License-Identifier: MIT */
/*
 * A server of HTTP/2 and noise behind the preface, cut anywhere, in simulated time. Whatever comes, the server ends
 * when its client does, nothing runs any more, and no request has more of a body than came.
 *
 * Input: a byte that says how the rest is cut; then what the client says.
 */
// links: http
#include <stdlib.h>
#include <string.h>

#include "hob.h"
#include "hob/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int cond)
{
    if (!cond)
        abort();
}

struct world {
    const uint8_t *data;
    size_t         size, step;
    hob_stream    *client;
    hob_http_stats stats;
};

static int answer(hob_http_request *req, void *arg)
{
    struct world *w = arg;
    char          buf[512];
    size_t        len = 0;
    ssize_t       n;

    must(hob_http_version(req) == 20 || hob_http_version(req) == 11 || hob_http_version(req) == 10);
    must(strchr(hob_http_path(req), '\n') == NULL && strlen(hob_http_method(req)) > 0);
    const char *name, *value;
    for (size_t i = 0; hob_http_header_at(req, i, &name, &value); i++)
        must(strpbrk(name, "\r\n:") == NULL && strpbrk(value, "\r\n") == NULL);
    if (strcmp(hob_http_path(req), "/s") == 0)
        HOB_TRY(hob_sleep(HOB_MSEC));
    while ((n = HOB_TRY(hob_http_read(req, buf, sizeof buf))) > 0) {
        len += (size_t)n;
        HOB_TRY(hob_http_write(req, buf, (size_t)n));
    }
    must(len <= w->size);
    return hob_http_flush(req);
}

static int hear(void *arg)
{
    struct world *w = arg;
    char          buf[4096];
    while (hob_stream_read(w->client, buf, sizeof buf) > 0)
        ;
    return 0;
}

static int say(void *arg)
{
    static const char PREFACE[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";
    struct world     *w = arg;

    ssize_t r = hob_stream_write(w->client, PREFACE, sizeof PREFACE - 1);
    for (size_t at = 0; r >= 0 && at < w->size; at += w->step) {
        r = hob_stream_write(w->client, w->data + at, w->size - at < w->step ? w->size - at : w->step);
        if (hob_sleep(100000) < 0)
            break;
    }
    if (hob_sleep(20 * HOB_MSEC) == 0)
        (void)!hob_stream_shutdown(w->client);
    return 0;
}

static int play(void *arg)
{
    struct world *w = arg;
    hob_http_opts opts = { .stats = &w->stats, .body_bytes_max = 2000, .streams_max = 5, .window_bytes = 1000,
                           .headers_max = 10, .head_bytes_max = 500, .target_bytes_max = 100 };
    hob_stream   *server;

    HOB_TRY(hob_mem_pair(NULL, &server, &w->client));
    HOB_SCOPE(s);
    hob_go(&s, hear, w);
    hob_go(&s, say, w);
    int r = hob_http_serve_stream(server, &opts, answer, w);
    hob_stream_close(server);
    (void)!hob_scope_end(&s);
    hob_stream_close(w->client);
    must(r == 0 && w->stats.running == 0 && w->stats.connections == 0);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    hob_run_opts run = { .backend = "sim" };
    struct world w = { .data = data + 1, .size = size - 1 };

    if (size < 2 || size > 20000)
        return 0;
    w.step = data[0] == 0 ? size : data[0];
    must(hob_run_with(&run, play, &w) == 0);
    return 0;
}
