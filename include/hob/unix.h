/* SPDX-License-Identifier: MIT */
/*
 * Unix sockets: streams that can pass descriptors, and datagrams.
 *
 * Unless said otherwise everything is as in hob/tcp.h and hob/udp.h.
 */
#ifndef HOB_UNIX_H
#define HOB_UNIX_H

#include "hob/addr.h"
#include "hob/sockopt.h"
#include "hob/stream.h"

HOB_BEGIN_DECLS

typedef struct hob_unix          hob_unix;
typedef struct hob_unix_listener hob_unix_listener;
typedef struct hob_unix_dgram    hob_unix_dgram;

enum { HOB_UNIX_FDS_MAX = 16 }; /* descriptors in one message, at most */

/* Listens on a path ("unix:/run/x.sock") or an abstract name ("unix:@x"). A
 * socket file that nobody listens on any more is replaced; -EADDRINUSE when
 * somebody does. May wait, when a file is in the way. The listener's file is
 * removed when it closes, unless somebody has put another one there. */
HOB_API HOB_MUST_USE int hob_unix_listen(const hob_addr *addr, hob_unix_listener **ret_listener);
HOB_API HOB_MUST_USE int hob_unix_accept(hob_unix_listener *listener, hob_unix **ret_conn);
HOB_API HOB_MUST_USE int hob_unix_accept_prep(hob_op *op, hob_unix_listener *listener,
                                              hob_unix **ret_conn);
HOB_API void             hob_unix_listener_close(hob_unix_listener *listener);

/* As hob_tcp_listener_from_fd and hob_tcp_listener_fd. The file of a listener that was taken over is
 * not removed when it closes. */
HOB_API HOB_MUST_USE int hob_unix_listener_from_fd(int fd, hob_unix_listener **ret_listener);
HOB_API int              hob_unix_listener_fd(const hob_unix_listener *listener);

/* From now on its file stays when it closes: for who has handed it over. */
HOB_API void hob_unix_listener_keep_file(hob_unix_listener *listener);

/* As hob_tcp_from_fd. */
HOB_API HOB_MUST_USE int hob_unix_from_fd(int fd, hob_unix **ret_conn);

/* -ENOENT: no such path; -ECONNREFUSED: nobody listens on it. */
HOB_API HOB_MUST_USE int hob_unix_connect(const hob_addr *peer, hob_unix **ret_conn);
HOB_API HOB_MUST_USE int hob_unix_connect_prep(hob_op *op, const hob_addr *peer,
                                               hob_unix **ret_conn);

/* Two connected ends, both the caller's. Does not wait. Returns 0, -EMFILE, -ENFILE,
 * -ENOMEM. */
HOB_API HOB_MUST_USE int hob_unix_pair(hob_unix **ret_a, hob_unix **ret_b);

HOB_API HOB_MUST_USE ssize_t hob_unix_read(hob_unix *conn, void *buf, size_t len);
HOB_API void                 hob_unix_read_prep(hob_op *op, hob_unix *conn, void *buf, size_t len);
HOB_API HOB_MUST_USE ssize_t hob_unix_write(hob_unix *conn, const void *buf, size_t len);
HOB_API void hob_unix_write_prep(hob_op *op, hob_unix *conn, const void *buf, size_t len);
HOB_API HOB_MUST_USE ssize_t hob_unix_write_some(hob_unix *conn, const void *buf, size_t len);
HOB_API void hob_unix_write_some_prep(hob_op *op, hob_unix *conn, const void *buf, size_t len);
HOB_API HOB_MUST_USE int     hob_unix_shutdown(hob_unix *conn);
HOB_API void                 hob_unix_close(hob_unix *conn);
HOB_API hob_stream          *hob_unix_stream(hob_unix *conn);

/* Options, by hob/sockopt.h, which says what they return. */
HOB_API HOB_MUST_USE int hob_unix_set_option(hob_unix *conn, hob_sockopt what, int value);
HOB_API HOB_MUST_USE int hob_unix_get_option(hob_unix *conn, hob_sockopt what, int *ret_value);

/* Who was at the other end when the connection was made (SO_PEERCRED). */
typedef struct hob_unix_cred {
    pid_t pid; /* 0: not visible from here, in another PID namespace */
    uid_t uid;
    gid_t gid;
} hob_unix_cred;

/* Does not wait. Returns 0 or a negative errno. In the simulated world it is this process. */
HOB_API HOB_MUST_USE int hob_unix_peer_cred(hob_unix *conn, hob_unix_cred *ret_cred);

/* Sends `len` bytes (at least 1) together with copies of `count` descriptors (at
 * most HOB_UNIX_FDS_MAX), which stay the caller's. Waits until there is room.
 * Returns how many bytes were taken: at least 1, and the descriptors went with
 * them; hob_unix_write sends the rest. Errors as hob_unix_write. */
HOB_API HOB_MUST_USE ssize_t hob_unix_send_fds(hob_unix *conn, const void *buf, size_t len,
                                               const int *fds, size_t count);

/* Receives up to `len` bytes (at least 1) and the descriptors that came with them
 * into `fds`, which has room for *count; afterwards *count says how many came.
 * They are the caller's, and CLOEXEC. Waits for at least one byte. Returns how many
 * bytes came, 0 at the end, or an error as hob_unix_read. When there is no room for
 * all descriptors, they are closed, the bytes are gone, and it gives -EMSGSIZE;
 * -EMFILE when no number was free. (hob_unix_read closes all that come.) */
HOB_API HOB_MUST_USE ssize_t hob_unix_recv_fds(hob_unix *conn, void *buf, size_t len, int *fds,
                                               size_t *count);

/* Datagrams: reliable and in order, and a send waits while the peer's queue is
 * full. An address of zero length makes a socket that can only send. */
HOB_API HOB_MUST_USE int     hob_unix_dgram_open(const hob_addr *local,
                                                 hob_unix_dgram **ret_socket);
/* As hob_unix_listener_from_fd, with a datagram socket. */
HOB_API HOB_MUST_USE int     hob_unix_dgram_from_fd(int fd, hob_unix_dgram **ret_socket);
HOB_API HOB_MUST_USE ssize_t hob_unix_dgram_recv(hob_unix_dgram *socket, void *buf, size_t len,
                                                 hob_addr *ret_from);
HOB_API HOB_MUST_USE int     hob_unix_dgram_recv_prep(hob_op *op, hob_unix_dgram *socket,
                                                      void *buf, size_t len, hob_addr *ret_from);
HOB_API HOB_MUST_USE ssize_t hob_unix_dgram_send(hob_unix_dgram *socket, const void *buf,
                                                 size_t len, const hob_addr *to);
HOB_API HOB_MUST_USE int     hob_unix_dgram_send_prep(hob_op *op, hob_unix_dgram *socket,
                                                      const void *buf, size_t len,
                                                      const hob_addr *to);
HOB_API void                 hob_unix_dgram_close(hob_unix_dgram *socket);

HOB_END_DECLS

#endif
