/* SPDX-License-Identifier: MIT */
/* A protocol that a connection, or a stream of HTTP/2, can become: it gives bytes back, and ends with a dot. The
 * test has a `struct echo` and a `handle` of its own. */
#ifndef HOB_TESTS_HTTP_ECHO_H
#define HOB_TESTS_HTTP_ECHO_H

#include "http/site.h"

/* Returns 1 at the end. */
static inline int echo_once(hob_stream *stream)
{
    char    buf[64];
    ssize_t n = HOB_TRY(hob_stream_read(stream, buf, sizeof buf));
    if (n == 0 || memchr(buf, '.', (size_t)n) != NULL)
        return 1;
    HOB_TRY(hob_stream_write(stream, buf, (size_t)n));
    return 0;
}

static inline int echo_to_the_end(hob_stream *stream)
{
    int r;

    while ((r = echo_once(stream)) == 0)
        ;
    if (r == -ECANCELED) { // the server ends
        HOB_SHIELD(HOB_SEC)
            r = hob_stream_write(stream, "bye", 3) == 3 ? 0 : -EIO;
    }
    return r < 0 ? r : 0;
}

#define SITE(name, echo_)                                                                   \
    struct echo echo_ = { .silent_ns = HOB_FOREVER };                                       \
    struct site name = { .handler = handle, .arg = &echo_ };                                \
    HOB_SCOPE(s);                                                                           \
    check_ok(open_site(&s, &name))

#endif
