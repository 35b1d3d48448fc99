/* SPDX-License-Identifier: MIT */
/*
 * The PROXY protocol, versions 1 and 2: a proxy says, in front of all else, for whom it connects
 * (HAProxy, doc/proxy-protocol.txt).
 *
 *     char             room[HOB_PROXY_ROOM];
 *     hob_proxy_header header;
 *     HOB_TRY(hob_proxy_accept(conn, &opts, room, sizeof room, &header));
 *     log_client(&header.source);
 *
 * Whether a peer speaks it is a matter of configuration, never of guessing: whoever may send the
 * header can say that it comes from anywhere. hob_proxy_opts.trusted says who may.
 *
 * What is parsed and built is bytes alone, without I/O, for other transports and for datagrams.
 */
#ifndef HOB_PROXY_H
#define HOB_PROXY_H

#include "hob/addr.h"
#include "hob/tcp.h"

HOB_BEGIN_DECLS

enum {
    HOB_PROXY_V1_MAX = 107, /* the longest header of version 1                               */
    HOB_PROXY_MIN = 15,     /* the shortest of all: so many bytes can be read at once, safely */
    HOB_PROXY_ROOM = 536,   /* fits what the protocol recommends to accept                    */
};

/* A piece of the header; at NULL: it was not there. */
typedef struct hob_proxy_bytes {
    const unsigned char *at;
    size_t               len;
} hob_proxy_bytes;

/* What it says. All pieces lie in the memory that it was parsed from. */
typedef struct hob_proxy_header {
    unsigned version;         /* 1 or 2; 0: there was none (hob_proxy_accept says when)          */
    unsigned is_local : 1;    /* for nobody: the proxy's own, a check of health (LOCAL, UNKNOWN) */
    unsigned is_datagram : 1; /* it was UDP or a Unix datagram socket over there                 */
    unsigned has_checksum : 1; /* it had one (CRC-32C), and it was right; building: it gets one  */
    unsigned is_tls : 1;      /* the client spoke TLS with the proxy                             */
    unsigned has_client_cert : 1; /* and showed a certificate                                    */
    unsigned client_verified : 1; /* which was in order                                          */
    hob_addr source;          /* the client; all zero: not told                                  */
    hob_addr destination;     /* what it connected to                                            */
    hob_proxy_bytes alpn;     /* such as "h2"                                                    */
    hob_proxy_bytes authority; /* the name it asked for (SNI)                                    */
    hob_proxy_bytes unique_id; /* up to 128 bytes                                                */
    hob_proxy_bytes netns;
    hob_proxy_bytes tls_version, tls_common_name, tls_cipher; /* only read, never built          */
} hob_proxy_header;

/* ---- bytes alone: any thread, nothing waits ---- */

/* Looks for a header at the beginning of `len` bytes. Returns its length, at least HOB_PROXY_MIN, and
 * writes *ret_header; 0: more bytes are needed; -EBADMSG: it is none, or a wrong one. Strict: what the
 * protocol does not allow, such as two values for one thing, a wrong checksum or a port of "080", is
 * wrong. What it does not know in version 2 (types of values) it passes over. */
HOB_API HOB_MUST_USE ssize_t hob_proxy_parse(const void *bytes, size_t len,
                                             hob_proxy_header *ret_header);

/* After a 0: at least so many bytes more belong to the header, so that reading these takes nothing of
 * what follows it. At least 1. */
HOB_API size_t hob_proxy_missing(const void *bytes, size_t len);

/* Writes the header that says this: version 1 (addresses alone, of one family; "UNKNOWN" without) or
 * 2. `bytes` needs room for all. Returns its length; -EMSGSIZE: no room, or it cannot be that long;
 * -EINVAL: another version, addresses of two families or none, with is_local unset; a unique_id that
 * is too long; or what version 1 cannot say: datagrams, Unix sockets, values. */
HOB_API HOB_MUST_USE ssize_t hob_proxy_build(const hob_proxy_header *header, void *bytes,
                                             size_t size);

/* ---- on a connection ---- */

typedef struct hob_proxy_opts {
    int64_t            timeout_ns; /* until the header must be there; 0: 5 s; < 0: the scope's alone */
    const char *const *trusted;    /* networks (hob_addr_in_network) whose peers send one, ends with
                                      NULL; NULL: every peer does                                   */
} hob_proxy_opts;

/* Reads the header from a connection that was just accepted, and not a byte more: what follows is for
 * hob_tcp_read. `room` is lent, and *ret_header points into it. Of a peer that is not trusted nothing
 * is read: version is 0, and source and destination are the connection's own; they are with
 * is_local, too.
 *
 * Waits for the header. Returns 0, or a negative error, after which the connection is good for
 * nothing but to be closed:
 *   -EBADMSG                no header, or a wrong one
 *   -EMSGSIZE               longer than `size`
 *   HOB_EOF                 the peer ended before it was complete
 *   -ETIMEDOUT              it did not come in time; or the scope's deadline
 *   -EINVAL                 what is trusted is no network; nothing was read
 *   -ECANCELED, and as hob_tcp_read */
HOB_API HOB_MUST_USE int hob_proxy_accept(hob_tcp *conn, const hob_proxy_opts *opts, void *room,
                                          size_t size, hob_proxy_header *ret_header);

/* Writes it to a connection that was just made, before anything else. Waits as hob_tcp_write. Returns
 * 0, or an error as hob_proxy_build (which HOB_PROXY_ROOM limits) and hob_tcp_write. */
HOB_API HOB_MUST_USE int hob_proxy_send(hob_tcp *conn, const hob_proxy_header *header);

HOB_END_DECLS

#endif
