/* SPDX-License-Identifier: MIT */
/* PROXY headers on connections: as many bytes are read as surely belong to it, until it is whole. */
#include "hob/proxy.h"

#include <errno.h>

#include "hob/scope.h"
#include "hob/time.h"

static const int64_t TIMEOUT_NS = 5 * HOB_SEC;

static int read_header(hob_tcp *conn, unsigned char *room, size_t size,
                       hob_proxy_header *ret_header)
{
    size_t  have = 0;
    ssize_t r;

    while ((r = hob_proxy_parse(room, have, ret_header)) == 0) {
        size_t missing = hob_proxy_missing(room, have);
        if (missing > size - have)
            return -EMSGSIZE;
        ssize_t n = hob_tcp_read(conn, room + have, missing);
        if (n <= 0)
            return n < 0 ? (int)n : HOB_EOF;
        have += (size_t)n;
    }
    return r < 0 ? (int)r : 0;
}

static int read_in_time(hob_tcp *conn, int64_t timeout_ns, void *room, size_t size,
                        hob_proxy_header *ret_header)
{
    hob_proxy_header header;
    HOB_SCOPE(s);

    if (timeout_ns >= 0)
        hob_scope_deadline(&s, hob_in(timeout_ns > 0 ? timeout_ns : TIMEOUT_NS));
    int r = read_header(conn, room, size, &header);
    (void)!hob_scope_end(&s); // what the clock said, reading has told
    if (r == 0)
        *ret_header = header;
    return r;
}

/* 1, 0, or -EINVAL for what is no network. */
static int is_trusted(const hob_addr *peer, const char *const *networks)
{
    int found = 0;
    if (networks == NULL)
        return 1;
    for (; *networks != NULL; networks++) {
        int r = hob_addr_in_network(peer, *networks);
        if (r < 0)
            return r;
        found |= r;
    }
    return found;
}

int hob_proxy_accept(hob_tcp *conn, const hob_proxy_opts *opts, void *room, size_t size,
                     hob_proxy_header *ret_header)
{
    static const hob_proxy_opts defaults;
    hob_proxy_header            header = { .version = 0 };
    hob_addr                    peer = hob_tcp_peer_addr(conn), local = hob_tcp_local_addr(conn);

    opts = opts != NULL ? opts : &defaults;
    int r = is_trusted(&peer, opts->trusted);
    if (r > 0)
        r = read_in_time(conn, opts->timeout_ns, room, size, &header);
    if (r < 0)
        return r;
    if (header.version == 0 || header.is_local) {
        header.source = peer;
        header.destination = local;
    }
    *ret_header = header;
    return 0;
}

int hob_proxy_send(hob_tcp *conn, const hob_proxy_header *header)
{
    unsigned char bytes[HOB_PROXY_ROOM];

    ssize_t len = hob_proxy_build(header, bytes, sizeof bytes);
    if (len > 0)
        len = hob_tcp_write(conn, bytes, (size_t)len);
    return len < 0 ? (int)len : 0;
}
