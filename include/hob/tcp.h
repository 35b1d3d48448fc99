/* SPDX-License-Identifier: MIT */
/*
 * TCP connections.
 *
 * A connection belongs to one worker. One task may read while another writes;
 * two readers at once, or two writers, is a bug and is asserted.
 */
#ifndef HOB_TCP_H
#define HOB_TCP_H

#include "hob/addr.h"
#include "hob/sockopt.h"
#include "hob/stream.h"

HOB_BEGIN_DECLS

typedef struct hob_tcp          hob_tcp;
typedef struct hob_tcp_listener hob_tcp_listener;

/* All zero, or NULL where a pointer is taken, means the defaults. Keep-alive is off by default, as
 * in the kernel: a peer that vanished without a word is then noticed only by who writes, or by the
 * deadline of who reads. With keep_alive alone it is noticed after two minutes. */
typedef struct hob_tcp_opts {
    int      recv_buf_bytes; /* the kernel's receive buffer; 0: its choice       */
    int      send_buf_bytes; /* the kernel's send buffer; 0: its choice          */
    unsigned delay : 1;      /* 1: leave Nagle's algorithm on                    */
    unsigned keep_alive : 1; /* 1: ask a silent peer whether it is still there   */
    int      keep_idle_s;     /* after so many quiet seconds; 0: 60              */
    int      keep_interval_s; /* and again every so many; 0: 10                  */
    int      keep_count;      /* without an answer to so many, reading and writing
                                 give -ETIMEDOUT; 0: 6                           */
    int      user_timeout_ms; /* HOB_OPT_USER_TIMEOUT_MS; 0: the kernel's choice */
    int      ttl;             /* HOB_OPT_TTL; 0: the kernel's choice, mostly 64  */
    int      traffic_class;   /* HOB_OPT_TRAFFIC_CLASS                           */
    const char     *device;   /* "eth1": by this interface only; -ENODEV         */
    const hob_addr *local;    /* connecting: comes from this address, with port 0
                                 from any of its ports; NULL: the kernel's choice */
} hob_tcp_opts;

typedef struct hob_tcp_listen_opts {
    int          backlog;        /* 0: 4096, which the kernel may cut         */
    unsigned     reuse_port : 1; /* several listeners share the port          */
    unsigned     v6_only : 1;    /* an IPv6 listener takes no IPv4            */
    unsigned     while_stopping : 1; /* accepts also when the run stops       */
    hob_tcp_opts conn;           /* for each accepted connection; `device` for
                                    the listener, too; no `local`              */
    int          defer_accept_s; /* HOB_OPT_DEFER_ACCEPT_S; 0: accepts at once */
    int          fast_open_queue; /* HOB_OPT_FAST_OPEN_QUEUE; 0: none          */
} hob_tcp_listen_opts;

/* Listens on `addr`; port 0 lets the kernel choose (hob_tcp_listener_addr tells
 * which). SO_REUSEADDR is set. Does not wait. Returns 0, or a negative errno:
 *   -EADDRINUSE     somebody listens there
 *   -EACCES         the port needs privileges
 *   -EADDRNOTAVAIL  not an address of this machine
 *   -EAFNOSUPPORT   neither IPv4 nor IPv6
 *   and what the options say: -EINVAL for a value that is none, -ENODEV */
HOB_API HOB_MUST_USE int hob_tcp_listen(const hob_addr *addr, const hob_tcp_listen_opts *opts,
                                        hob_tcp_listener **ret_listener);

/* Takes over a descriptor of yours that listens already: inherited (hob/inherit.h), or come by a Unix
 * socket (hob_unix_recv_fds). It is made non-blocking, for whoever else has it too, and CLOEXEC; of
 * the options the ones for connections are set (those that wait in its queue have what it had), and
 * a backlog if there is one. Does not wait. Returns 0, and the descriptor is closed with the listener; or a negative errno, and it is yours still:
 *   -ENOTSOCK, -EPROTOTYPE, -EPROTONOSUPPORT, -EAFNOSUPPORT  it is something else
 *   -EINVAL   it does not listen
 *   -EBADF    it is not open; or in the simulated world, which has no others' descriptors */
HOB_API HOB_MUST_USE int hob_tcp_listener_from_fd(int fd, const hob_tcp_listen_opts *opts,
                                                  hob_tcp_listener **ret_listener);

/* Its descriptor, to hand over to another process or to tell the kernel more; it stays the
 * listener's. */
HOB_API int hob_tcp_listener_fd(const hob_tcp_listener *listener);

/* Waits for a connection and gives it to the caller. Connections that died in
 * the queue are skipped. When descriptors ran out (EMFILE, ENFILE) or memory
 * did, accepting pauses for 100 ms and goes on. Returns 0, or:
 *   -ECANCELED, -ETIMEDOUT  the scope; or the listener was closed
 *   HOB_ESTOPPING           the run stops (hob/stop.h), and none had come before */
HOB_API HOB_MUST_USE int hob_tcp_accept(hob_tcp_listener *listener, hob_tcp **ret_conn);

/* The same as an operation; its result is 0. Unlike hob_tcp_accept it gives
 * -ENOMEM, -EMFILE and -ENFILE to the caller. */
HOB_API HOB_MUST_USE int hob_tcp_accept_prep(hob_op *op, hob_tcp_listener *listener,
                                             hob_tcp **ret_conn);

/* The address it listens on. */
HOB_API hob_addr hob_tcp_listener_addr(const hob_tcp_listener *listener);

/* Stops listening and frees it; NULL is fine. Tasks in accept get -ECANCELED;
 * connections that nobody accepted are closed. Never waits. The address is free
 * when it returns, or when the last of those tasks has got that. */
HOB_API void hob_tcp_listener_close(hob_tcp_listener *listener);

/* Serves `addr` with one listener for each worker: what a worker accepts it keeps, and nothing
 * crosses. When all listen it runs fn(listener, arg) on each, as a task, with its own listener, which
 * is closed when fn returns. The kernel deals the connections out by a hash of their addresses: evenly
 * when they are many.
 *
 *     static int serve(hob_tcp_listener *listener, void *arg) { ... accept in a loop ... }
 *     ...
 *     return hob_tcp_serve_sharded(&addr, NULL, serve, NULL);
 *
 * It also calls hob_ready then, with the address, a const hob_addr * that lives until this
 * returns. Waits until all have ended; a failure cancels the others. Starts all workers.
 * Returns 0; the first error of an fn; an error of hob_tcp_listen; -ENOMEM, -EAGAIN;
 * -ECANCELED, -ETIMEDOUT. The port is refused (-EADDRINUSE) if anybody listens there already,
 * unless opts->reuse_port says that other processes of this user take their share too. */
typedef int hob_tcp_serve_fn(hob_tcp_listener *listener, void *arg);
HOB_API HOB_MUST_USE int hob_tcp_serve_sharded(const hob_addr *addr,
                                               const hob_tcp_listen_opts *opts,
                                               hob_tcp_serve_fn *fn, void *arg);

/* The same with a socket that listens already, as hob_tcp_listener_from_fd takes it. There is one
 * queue, and each worker takes from it as fast as it can; the more that wait, the more wake for one
 * that comes. `fd` is copied for each, and stays yours. */
HOB_API HOB_MUST_USE int hob_tcp_serve_sharded_fd(int fd, const hob_tcp_listen_opts *opts,
                                                  hob_tcp_serve_fn *fn, void *arg);

/* Takes over a descriptor of yours that is a connection, as hob_tcp_listener_from_fd does: such as
 * the one that systemd gives with Accept=yes. `local` of the options means nothing. -ENOTCONN: it is
 * not connected. */
HOB_API HOB_MUST_USE int hob_tcp_from_fd(int fd, const hob_tcp_opts *opts, hob_tcp **ret_conn);

/* Connects to `peer` and gives the connection to the caller.
 *
 * Waits for the handshake. Returns 0, or a negative error and leaves *ret_conn
 * alone:
 *   -ECONNREFUSED                nobody listens there
 *   -EHOSTUNREACH, -ENETUNREACH  no way there
 *   -EAFNOSUPPORT                neither IPv4 nor IPv6
 *   -EADDRNOTAVAIL, -EADDRINUSE, -EINVAL, -ENODEV  `local`, `device` and other options
 *   -ETIMEDOUT                   the kernel gave up; or the scope's deadline
 *   -ECANCELED                   the scope was cancelled */
HOB_API HOB_MUST_USE int hob_tcp_connect(const hob_addr *peer, const hob_tcp_opts *opts,
                                         hob_tcp **ret_conn);

/* The same as an operation; its result is 0. `peer` is lent until it ended.
 * Returns 0, or -ENOMEM, -EMFILE and so on when there is nothing to start. */
HOB_API HOB_MUST_USE int hob_tcp_connect_prep(hob_op *op, const hob_addr *peer,
                                              const hob_tcp_opts *opts, hob_tcp **ret_conn);

/* Reads up to `len` bytes into `buf`, which is lent until the call returns.
 *
 * Waits for at least one byte (with a `len` of 0 it returns 0 at once). Returns how
 * many came, 0 when the peer has finished sending, or a negative errno:
 *   -ECONNRESET             the peer went away; what came before it was read first
 *   -ETIMEDOUT              keep_alive found that it vanished; or the scope's deadline
 *   -ECANCELED, -ETIMEDOUT  the scope was cancelled, or the connection closed: no
 *                           byte is lost, the next read gets it */
HOB_API HOB_MUST_USE ssize_t hob_tcp_read(hob_tcp *conn, void *buf, size_t len);
HOB_API void                 hob_tcp_read_prep(hob_op *op, hob_tcp *conn, void *buf, size_t len);

/* Writes all of `buf`, which is lent until the call returns.
 *
 * Waits until the kernel took the last byte. Returns `len`, or a negative
 * error, and then an unknown part was written:
 *   -EPIPE, -ECONNRESET     the peer is gone; there is no SIGPIPE
 *   -ECANCELED, -ETIMEDOUT  the scope was cancelled, or the connection closed */
HOB_API HOB_MUST_USE ssize_t hob_tcp_write(hob_tcp *conn, const void *buf, size_t len);
HOB_API void hob_tcp_write_prep(hob_op *op, hob_tcp *conn, const void *buf, size_t len);

/* Writes at least one byte of `buf`, and returns how many. Otherwise as above. */
HOB_API HOB_MUST_USE ssize_t hob_tcp_write_some(hob_tcp *conn, const void *buf, size_t len);
HOB_API void hob_tcp_write_some_prep(hob_op *op, hob_tcp *conn, const void *buf, size_t len);

/* Says that no more will be written; the peer reads the end. Does not wait.
 * Returns 0 or a negative errno (-ENOTCONN: the peer is gone already). */
HOB_API HOB_MUST_USE int hob_tcp_shutdown(hob_tcp *conn);

/* Closes the connection and frees it; NULL is fine. Tasks that still read or
 * write it get -ECANCELED. Never waits, cannot fail. */
HOB_API void hob_tcp_close(hob_tcp *conn);

/* The two ends' addresses. Asked of the kernel at the first call, which does not
 * wait, and remembered; all zero when the peer was gone by then. */
HOB_API hob_addr hob_tcp_local_addr(hob_tcp *conn);
HOB_API hob_addr hob_tcp_peer_addr(hob_tcp *conn);

/* Options, by hob/sockopt.h, which says what they return. */
HOB_API HOB_MUST_USE int hob_tcp_set_option(hob_tcp *conn, hob_sockopt what, int value);
HOB_API HOB_MUST_USE int hob_tcp_get_option(hob_tcp *conn, hob_sockopt what, int *ret_value);
HOB_API HOB_MUST_USE int hob_tcp_listener_set_option(hob_tcp_listener *listener, hob_sockopt what,
                                                     int value);
HOB_API HOB_MUST_USE int hob_tcp_listener_get_option(hob_tcp_listener *listener, hob_sockopt what,
                                                     int *ret_value);

/* What the kernel knows of a connection (tcp(7), TCP_INFO). A kernel that is too old for one of
 * these leaves it 0; so does the simulated world, but for the first. */
typedef struct hob_tcp_info {
    int64_t  round_trip_ns;      /* smoothed */
    int64_t  round_trip_var_ns;
    int64_t  round_trip_min_ns;
    uint32_t window_segments;    /* the congestion window                          */
    uint32_t segment_bytes;      /* the most that one carries                      */
    uint32_t unacknowledged;     /* segments on their way                          */
    uint32_t lost;               /* of them, perhaps                               */
    uint32_t retransmitted;      /* in all                                         */
    uint32_t not_sent_bytes;     /* in the send buffer still                       */
    uint64_t acknowledged_bytes; /* in all                                         */
    uint64_t received_bytes;     /* in all                                         */
    uint64_t delivery_rate;      /* bytes a second, lately                         */
    unsigned busy : 1;           /* retransmitting or probing now: the path is not well */
} hob_tcp_info;

/* Does not wait. Returns 0 or a negative errno. */
HOB_API HOB_MUST_USE int hob_tcp_info_get(hob_tcp *conn, hob_tcp_info *ret_info);

/* The connection as a stream. The same thing: closing either closes it. */
HOB_API hob_stream *hob_tcp_stream(hob_tcp *conn);

/* The other way round: the connection whose stream it is; NULL: that of something else. */
HOB_API hob_tcp *hob_tcp_of_stream(hob_stream *stream);

HOB_END_DECLS

#endif
