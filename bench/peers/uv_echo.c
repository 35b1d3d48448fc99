/* SPDX-License-Identifier: MIT */
/* A TCP echo server on libuv: one buffer for reads, uv_try_write, and uv_write for what is left. */
#include "bench.h"

#include <uv.h>

enum { BUF_BYTES = 4096 };

struct rest {
    uv_write_t req;
    char       data[];
};

static char buf[BUF_BYTES];

static void on_closed(uv_handle_t *h)
{
    free(h);
}

static void on_alloc(uv_handle_t *h, size_t wanted, uv_buf_t *ret_buf)
{
    (void)h;
    (void)wanted;
    *ret_buf = uv_buf_init(buf, sizeof buf);
}

static void on_written(uv_write_t *req, int status)
{
    if (status < 0 && !uv_is_closing((uv_handle_t *)req->handle))
        uv_close((uv_handle_t *)req->handle, on_closed);
    free(req);
}

static void write_rest(uv_stream_t *conn, const char *data, size_t len)
{
    struct rest *rest = malloc(sizeof *rest + len);
    uv_buf_t     b;

    if (rest == NULL)
        bench_die("malloc");
    memcpy(rest->data, data, len);
    b = uv_buf_init(rest->data, (unsigned)len);
    uv_write(&rest->req, conn, &b, 1, on_written);
}

static void on_read(uv_stream_t *conn, ssize_t n, const uv_buf_t *b)
{
    uv_buf_t out;
    int      r;

    if (n == 0)
        return;
    if (n < 0) {
        uv_close((uv_handle_t *)conn, on_closed);
        return;
    }
    out = uv_buf_init(b->base, (unsigned)n);
    r = uv_try_write(conn, &out, 1);
    if (r == UV_EAGAIN)
        r = 0;
    if (r < 0)
        uv_close((uv_handle_t *)conn, on_closed);
    else if (r < n)
        write_rest(conn, b->base + r, (size_t)(n - r));
}

static void on_connection(uv_stream_t *listener, int status)
{
    uv_tcp_t *conn = malloc(sizeof *conn);

    if (status < 0 || conn == NULL)
        bench_die("accept");
    uv_tcp_init(listener->loop, conn);
    if (uv_accept(listener, (uv_stream_t *)conn) < 0) {
        uv_close((uv_handle_t *)conn, on_closed);
        return;
    }
    uv_tcp_nodelay(conn, 1);
    uv_read_start((uv_stream_t *)conn, on_alloc, on_read);
}

int main(void)
{
    uv_loop_t         *loop = uv_default_loop();
    uv_tcp_t           listener;
    struct sockaddr_in addr;
    int                len = sizeof addr;

    uv_ip4_addr("127.0.0.1", 0, &addr);
    uv_tcp_init(loop, &listener);
    if (uv_tcp_bind(&listener, (struct sockaddr *)&addr, 0) < 0 ||
        uv_listen((uv_stream_t *)&listener, 4096, on_connection) < 0 ||
        uv_tcp_getsockname(&listener, (struct sockaddr *)&addr, &len) < 0)
        bench_die("listen");
    bench_serving(ntohs(addr.sin_port));
    return uv_run(loop, UV_RUN_DEFAULT);
}
