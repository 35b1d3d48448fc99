/* SPDX-License-Identifier: MIT */
/*
 * Options of sockets that are open: numbers, by name.
 *
 * What a socket is to begin with stands in the options of its opening (hob_tcp_opts,
 * hob_tcp_listen_opts, hob_udp_opts); here is what can be asked and changed later. Each kind of
 * socket has a pair of functions,
 *
 *     HOB_TRY(hob_tcp_set_option(conn, HOB_OPT_NO_DELAY, 0));
 *     HOB_TRY(hob_tcp_get_option(conn, HOB_OPT_SEND_BUF_BYTES, &bytes));
 *
 * which do not wait, and return 0 or a negative errno:
 *   -ENOPROTOOPT    not an option of this kind of socket, or not to be set here; or the kernel
 *                   does not know it
 *   -EINVAL         not a value of this option
 *   and what setsockopt(2) and getsockopt(2) say
 *
 * Connections inherit what was set on their listener. In the simulated world options are checked
 * and remembered; few of them change anything (what is said there).
 */
#ifndef HOB_SOCKOPT_H
#define HOB_SOCKOPT_H

#include "hob/base.h"

HOB_BEGIN_DECLS

/* In brackets: T TCP connections, L TCP listeners, U UDP, X Unix streams and datagrams. */
typedef enum hob_sockopt {
    /* The kernel's buffers, without the half that it adds for its own books; it cuts what is
     * more than net.core.rmem_max and wmem_max. [TLUX] */
    HOB_OPT_RECV_BUF_BYTES,
    HOB_OPT_SEND_BUF_BYTES,

    HOB_OPT_NO_DELAY,         /* 1: no Nagle's algorithm, which is Hob's default. [TL]           */
    HOB_OPT_CORK,             /* 1: only full segments leave, for 200 ms at most; 0 sends the
                                 rest. [T]                                                       */
    HOB_OPT_QUICK_ACK,        /* 1: acknowledges at once, for now; the kernel takes it back. [T] */
    HOB_OPT_KEEP_ALIVE,       /* 1: asks a silent peer whether it is still there. [TL]           */
    HOB_OPT_KEEP_IDLE_S,      /* 1 to 32767. [TL]                                                */
    HOB_OPT_KEEP_INTERVAL_S,  /* 1 to 32767. [TL]                                                */
    HOB_OPT_KEEP_COUNT,       /* 1 to 127. [TL]                                                  */
    HOB_OPT_USER_TIMEOUT_MS,  /* what is not acknowledged for so long ends the connection, with
                                 -ETIMEDOUT; 0: the kernel's choice, many minutes. [TL]          */
    HOB_OPT_RESET_ON_CLOSE,   /* 1: closing drops what was not sent yet and resets the connection
                                 (SO_LINGER of 0), in the simulated world too. There is no
                                 lingering that waits: close never does. [T]                     */
    HOB_OPT_NOT_SENT_LOW_BYTES, /* writing waits while more than this is not sent: less stale data
                                 in the kernel. [TL]                                             */
    HOB_OPT_MAX_SEGMENT_BYTES, /* 88 to 32767, before it is connected; later only to be asked. [TL] */

    HOB_OPT_DEFER_ACCEPT_S,   /* a connection is accepted when it has sent something, or after
                                 about so long (the kernel rounds up: 1, 3, 7, 15 ...). [L]      */
    HOB_OPT_FAST_OPEN_QUEUE,  /* how many may send data with their first packet (RFC 7413). [L]  */

    HOB_OPT_TTL,              /* hops, 1 to 255. [TLU]                                           */
    HOB_OPT_TRAFFIC_CLASS,    /* 0 to 255: TOS, or IPv6's class. Of TCP, the kernel keeps the two
                                 lowest bits (ECN) to itself. [TLU]                              */
    HOB_OPT_BROADCAST,        /* 1: may send to broadcast addresses. [U]                         */
    HOB_OPT_MULTICAST_TTL,    /* how far what goes to a group gets: 0 this machine, 1 (at first) this
                                 network, up to 255. [U]                                         */
    HOB_OPT_MULTICAST_LOOP,   /* 1 (at first): members on this machine hear it, too. [U]         */

    /* Only to be asked: they are settled when a socket is opened. */
    HOB_OPT_REUSE_ADDR,       /* [LU] */
    HOB_OPT_REUSE_PORT,       /* [LU] */
    HOB_OPT_V6_ONLY,          /* of IPv6 sockets. [LU] */
} hob_sockopt;

HOB_END_DECLS

#endif
