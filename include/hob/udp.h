/* SPDX-License-Identifier: MIT */
/* UDP sockets: datagrams, each whole or not at all. A socket belongs to one worker. */
#ifndef HOB_UDP_H
#define HOB_UDP_H

#include "hob/addr.h"
#include "hob/op.h"
#include "hob/sockopt.h"

HOB_BEGIN_DECLS

typedef struct hob_udp hob_udp;

/* Opens a socket bound to `local`; port 0 lets the kernel choose one. Does not
 * wait. Returns 0 or a negative errno, as bind(2); -EAFNOSUPPORT for an address
 * that is neither IPv4 nor IPv6. */
HOB_API HOB_MUST_USE int hob_udp_open(const hob_addr *local, hob_udp **ret_socket);

/* The same with options. All zero, or NULL, means the defaults. */
typedef struct hob_udp_opts {
    int      recv_buf_bytes;  /* the kernel's buffers; 0: its choice              */
    int      send_buf_bytes;
    int      ttl;             /* HOB_OPT_TTL; 0: the kernel's choice, mostly 64   */
    int      traffic_class;   /* HOB_OPT_TRAFFIC_CLASS                            */
    unsigned reuse_addr : 1;  /* several sockets have the address and port: each hears what goes
                                 to a group that it joined, and one of them the rest */
    unsigned reuse_port : 1;  /* several sockets of one user share what comes     */
    unsigned v6_only : 1;     /* an IPv6 socket takes no IPv4                     */
    unsigned broadcast : 1;   /* may send to broadcast addresses                  */
    unsigned join_segments : 1; /* receives several datagrams as one (UDP_GRO): only for
                                 hob_udp_recv_many, which tells; -ENOPROTOOPT before Linux 5.0 */
    const char *device;       /* "eth1": by this interface only; -ENODEV          */
} hob_udp_opts;

HOB_API HOB_MUST_USE int hob_udp_open_with(const hob_addr *local, const hob_udp_opts *opts,
                                           hob_udp **ret_socket);

/* Takes over a descriptor of yours, as hob_tcp_listener_from_fd does; its options are as they are,
 * but join_segments, which is set as `opts` says. */
HOB_API HOB_MUST_USE int hob_udp_from_fd(int fd, const hob_udp_opts *opts, hob_udp **ret_socket);

/* Its descriptor, to hand over to another process; it stays the socket's. */
HOB_API int hob_udp_fd(const hob_udp *socket);

/* Fixes the peer: only its datagrams are received, hob_udp_send may take NULL,
 * and its ICMP errors come back (-ECONNREFUSED). May wait. Returns 0 or a negative
 * errno. */
HOB_API HOB_MUST_USE int hob_udp_connect(hob_udp *socket, const hob_addr *peer);

/* Receives one datagram into `buf`, which is lent. Waits for one. Returns its
 * length, which may be 0; when it is more than `len`, the rest was cut off.
 * *ret_from (unless NULL) says who sent it. Errors:
 *   -ECONNREFUSED           the connected peer does not listen
 *   -ECANCELED, -ETIMEDOUT  the scope, or the socket was closed: none is lost */
HOB_API HOB_MUST_USE ssize_t hob_udp_recv(hob_udp *socket, void *buf, size_t len,
                                          hob_addr *ret_from);
HOB_API HOB_MUST_USE int hob_udp_recv_prep(hob_op *op, hob_udp *socket, void *buf, size_t len,
                                           hob_addr *ret_from);

/* Sends one datagram to `to`, or to the connected peer if that is NULL. Waits
 * for room in the socket's buffer. Returns `len`, or a negative errno:
 *   -EMSGSIZE               longer than a datagram can be
 *   -EDESTADDRREQ           no `to`, and the socket is not connected
 *   -ECONNREFUSED           an earlier datagram to the connected peer was refused
 *   -ECANCELED, -ETIMEDOUT  the scope, or the socket was closed: nothing was sent */
HOB_API HOB_MUST_USE ssize_t hob_udp_send(hob_udp *socket, const void *buf, size_t len,
                                          const hob_addr *to);
HOB_API HOB_MUST_USE int hob_udp_send_prep(hob_op *op, hob_udp *socket, const void *buf,
                                           size_t len, const hob_addr *to);

/* ---- many at once ---- */

enum { HOB_UDP_BATCH_MAX = 64 }; /* datagrams in one call; of more, the first */

/* One message of a batch. The memory is yours. The calls below take 7 KiB of stack. */
typedef struct hob_udp_msg {
    void    *buf;           /* room to receive; or what to send, and then it is only read      */
    size_t   len;           /* how much room; or how many bytes                                */
    hob_addr addr;          /* received: who sent it; to send: to whom, zero: to the connected peer */
    size_t   got;           /* received: its length; more than `len`: the rest was cut off     */
    uint16_t segment_bytes; /* not 0: it is several datagrams of this size, the last may be
                               shorter. Received only with join_segments; sending, the kernel
                               cuts it up (UDP_SEGMENT): at most 64 of them, and 65507 bytes   */
} hob_udp_msg;

/* Receives up to `count` messages with one system call. Waits for one, and takes what has come by
 * then. Returns how many came, at least 1: msgs[0] to msgs[n - 1] have all but `buf` and `len`
 * filled in, and the others are as they were. 0 only for a `count` of 0. Errors as hob_udp_recv:
 * none was lost. */
HOB_API HOB_MUST_USE ssize_t hob_udp_recv_many(hob_udp *socket, hob_udp_msg *msgs, size_t count);
HOB_API HOB_MUST_USE int hob_udp_recv_many_prep(hob_op *op, hob_udp *socket, hob_udp_msg *msgs,
                                                size_t count);

/* Sends up to `count` messages in order, with one system call. Waits for room for one. Returns how
 * many went, at least 1: those from msgs[n] on did not, also when one is wrong, of which the call
 * that begins with it tells. 0 only for a `count` of 0. Errors as hob_udp_send, and then nothing was
 * sent; also:
 *   -EINVAL  more than 64 segments, or one that is longer than the way there allows
 *   -EIO     segments, and the interface or its checksums cannot do it */
HOB_API HOB_MUST_USE ssize_t hob_udp_send_many(hob_udp *socket, const hob_udp_msg *msgs,
                                               size_t count);
HOB_API HOB_MUST_USE int hob_udp_send_many_prep(hob_op *op, hob_udp *socket,
                                                const hob_udp_msg *msgs, size_t count);

/* ---- groups: multicast ---- */

/* Of whom a socket hears. */
typedef struct hob_udp_group {
    hob_addr addr;      /* the group's (224.0.0.0/4, ff00::/8), of the socket's family; its port
                           means nothing: the socket's own does                             */
    hob_addr source;    /* only what comes from this address (source-specific multicast,
                           RFC 4607); all zero: from anybody. Its port means nothing, either */
    unsigned interface; /* the network's number, as if_nametoindex(3) tells it; 0: the kernel's
                           choice by its routes                                             */
} hob_udp_group;

/* Joins a group, until the socket leaves it or is closed. The socket, whose address should be "any"
 * (or the group's), hears only groups that it joined itself, not those of other programs (on
 * kernels before 4.20 it may, with IPv6). To share a port with others, open with reuse_addr. Several
 * sources of one group are several calls. Do not wait. Return 0, or a negative errno:
 *   -EINVAL         not the address of a group; or a source for a group of which it hears everybody
 *   -EAFNOSUPPORT   not of the socket's family
 *   -EADDRINUSE     joined already
 *   -EADDRNOTAVAIL  leaving: not joined like that; joining: this source was, already
 *   -ENODEV         no such interface, or no route to choose one by
 *   -ENOBUFS        too many (net.ipv4.igmp_max_memberships, mostly 20; igmp_max_msf, 10) */
HOB_API HOB_MUST_USE int hob_udp_join(hob_udp *socket, const hob_udp_group *group);
HOB_API HOB_MUST_USE int hob_udp_leave(hob_udp *socket, const hob_udp_group *group);

/* Sends what goes to groups by this interface; 0: by the routes again. HOB_OPT_MULTICAST_TTL says
 * how far it gets, and HOB_OPT_MULTICAST_LOOP whether this machine hears it, too. Does not wait.
 * Returns 0, -ENODEV, -EADDRNOTAVAIL or another negative errno. */
HOB_API HOB_MUST_USE int hob_udp_multicast_by(hob_udp *socket, unsigned interface);

/* The address it is bound to. Does not wait. */
HOB_API hob_addr hob_udp_local_addr(const hob_udp *socket);

/* Options, by hob/sockopt.h, which says what they return. */
HOB_API HOB_MUST_USE int hob_udp_set_option(hob_udp *socket, hob_sockopt what, int value);
HOB_API HOB_MUST_USE int hob_udp_get_option(hob_udp *socket, hob_sockopt what, int *ret_value);

/* Closes and frees it; NULL is fine. Tasks that use it get -ECANCELED. The address is free when it
 * returns, or when the last of those tasks has got that. */
HOB_API void hob_udp_close(hob_udp *socket);

HOB_END_DECLS

#endif
