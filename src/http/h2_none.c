/* SPDX-License-Identifier: MIT */
/* Where there is no nghttp2: HTTP/2 is not spoken, and its preface is a bad request. */
#include <errno.h>

#include "http/h2.h"

int hob__h2_is_preface(const char *bytes, size_t len)
{
    (void)bytes;
    (void)len;
    return 0;
}

int hob__h2_begin(struct http_conn *conn)
{
    (void)conn;
    return -ENOTSUP;
}

bool hob__h2_run(struct http_conn *conn)
{
    (void)conn;
    return false;
}

bool hob__h2_wake(struct http_conn *conn, ssize_t result)
{
    (void)conn;
    return result > 0;
}

bool hob__h2_waits(const struct http_conn *conn)
{
    (void)conn;
    return false;
}

bool hob__h2_starts_later(struct http_conn *conn)
{
    (void)conn;
    return false;
}

void hob__h2_free(struct h2_conn *h2)
{
    (void)h2;
}

void hob__h2_look_after_tunnels(struct http_server *server)
{
    (void)server;
}

void hob__h2_drain_tunnels(struct http_server *server)
{
    (void)server;
}
