/* SPDX-License-Identifier: MIT */
/*
 * Unix sockets: streams, descriptors that travel with their bytes, datagrams.
 *
 * A descriptor in a message is the kernel's until a recvmsg with room for it. So
 * plain reads, which give no room, lose none: the kernel closes it.
 */
#include "hob/unix.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/dgram.h"
#include "io/listener.h"
#include "io/sockopt.h"
#include "io/unix_file.h"

enum { BACKLOG = 4096 };

struct hob_unix {
    struct conn conn;
};

struct hob_unix_listener {
    struct listener listener;
};

struct hob_unix_dgram {
    struct dgram socket;
};

static bool is_unix(const hob_addr *addr)
{
    return addr->len != 0 && addr->u.family == AF_UNIX;
}

static bool is_open(const hob_unix *conn)
{
    return conn != NULL && conn_is_open(&conn->conn, TAG_UNIX);
}

/* ---- reading and writing ---- */

ssize_t hob_unix_read(hob_unix *conn, void *buf, size_t len)
{
    hob_require(is_open(conn), "hob_unix_read" NOT_OPEN);
    hob_require(conn_can_read(&conn->conn, OP_RECV), "hob_unix_read" TWO_READERS);
    return conn_recv(&conn->conn, buf, len);
}

ssize_t hob_unix_write(hob_unix *conn, const void *buf, size_t len)
{
    hob_require(is_open(conn), "hob_unix_write" NOT_OPEN);
    hob_require(conn_can_write(&conn->conn, OP_SEND), "hob_unix_write" TWO_WRITERS);
    return conn_send(&conn->conn, buf, len);
}

ssize_t hob_unix_write_some(hob_unix *conn, const void *buf, size_t len)
{
    hob_require(is_open(conn), "hob_unix_write_some" NOT_OPEN);
    hob_require(conn_can_write(&conn->conn, OP_SEND), "hob_unix_write_some" TWO_WRITERS);
    return conn_send_some(&conn->conn, buf, len);
}

void hob_unix_read_prep(hob_op *place, hob_unix *conn, void *buf, size_t len)
{
    hob_require(is_open(conn), "hob_unix_read_prep" NOT_OPEN);
    hob_require(conn_can_read(&conn->conn, OP_RECV), "hob_unix_read_prep" TWO_READERS);
    hob__conn_recv_prep(place, &conn->conn, buf, len);
}

void hob_unix_write_prep(hob_op *place, hob_unix *conn, const void *buf, size_t len)
{
    hob_require(is_open(conn), "hob_unix_write_prep" NOT_OPEN);
    hob_require(conn_can_write(&conn->conn, OP_SEND), "hob_unix_write_prep" TWO_WRITERS);
    hob__conn_send_prep(place, &conn->conn, buf, len);
}

void hob_unix_write_some_prep(hob_op *place, hob_unix *conn, const void *buf, size_t len)
{
    hob_require(is_open(conn), "hob_unix_write_some_prep" NOT_OPEN);
    hob_require(conn_can_write(&conn->conn, OP_SEND), "hob_unix_write_some_prep" TWO_WRITERS);
    hob__conn_send_some_prep(place, &conn->conn, buf, len);
}

int hob_unix_shutdown(hob_unix *conn)
{
    hob_require(is_open(conn), "hob_unix_shutdown" NOT_OPEN);
    return hob__conn_shutdown(&conn->conn);
}

void hob_unix_close(hob_unix *conn)
{
    if (conn == NULL)
        return;
    hob_require(is_open(conn), "hob_unix_close" NOT_OPEN);
    hob__conn_close(&conn->conn);
}

/* ---- as a stream ---- */

const struct conn_kind hob__unix_kind = {
    .stream = SOCKET_STREAM("unix"),
    .tag = TAG_UNIX,
    .desc_kind = DESC_STREAM,
    .passes_fds = true,
    .what = "Unix connection",
};

hob_stream *hob_unix_stream(hob_unix *conn)
{
    hob_require(is_open(conn), "hob_unix_stream" NOT_OPEN);
    return &conn->conn.stream;
}

/* ---- options ---- */

int hob_unix_set_option(hob_unix *conn, hob_sockopt what, int value)
{
    hob_require(is_open(conn), "hob_unix_set_option" NOT_OPEN);
    return hob__sockopt_set(&conn->conn.desc, FOR_UNIX, what, value);
}

int hob_unix_get_option(hob_unix *conn, hob_sockopt what, int *ret_value)
{
    hob_require(is_open(conn), "hob_unix_get_option" NOT_OPEN);
    return hob__sockopt_get(&conn->conn.desc, FOR_UNIX, what, ret_value);
}

int hob_unix_peer_cred(hob_unix *conn, hob_unix_cred *ret_cred)
{
    struct ucred cred = { 0 };

    hob_require(is_open(conn), "hob_unix_peer_cred" NOT_OPEN);
    int r = hob__socket_get(&conn->conn.desc, SOL_SOCKET, SO_PEERCRED, &cred, sizeof cred);
    if (r < 0)
        return r;
    *ret_cred = (hob_unix_cred){ .pid = cred.pid, .uid = cred.uid, .gid = cred.gid };
    return 0;
}

/* ---- passing descriptors ---- */

/* Room for one control message with the most descriptors, aligned as one. */
union fd_room {
    struct cmsghdr align;
    char           bytes[CMSG_SPACE(HOB_UNIX_FDS_MAX * sizeof(int))];
};

static ssize_t await_message(struct conn *conn, enum op_kind kind, struct msghdr *hdr, int flags)
{
    struct op op = {
        .kind = kind,
        .desc = &conn->desc,
        .msg = { .msg = hdr, .flags = flags },
    };
    hob__op_await(&op);
    return op.result;
}

ssize_t hob_unix_send_fds(hob_unix *conn, const void *buf, size_t len, const int *fds, size_t count)
{
    hob_require(is_open(conn), "hob_unix_send_fds" NOT_OPEN);
    hob_require(conn_can_write(&conn->conn, OP_SEND), "hob_unix_send_fds" TWO_WRITERS);
    hob_require(conn_can_write(&conn->conn, OP_SENDMSG), "hob_unix_send_fds" TWO_WRITERS);
    hob_require(len > 0, "hob_unix_send_fds: descriptors travel with at least one byte");
    hob_require(count <= HOB_UNIX_FDS_MAX,
                "hob_unix_send_fds: at most HOB_UNIX_FDS_MAX descriptors in one message");

    union fd_room room;
    struct iovec  iov = { .iov_base = (void *)(uintptr_t)buf, .iov_len = io_len(len) };
    struct msghdr hdr = { .msg_iov = &iov, .msg_iovlen = 1 };

    if (count > 0) {
        memset(&room, 0, sizeof room);
        hdr.msg_control = room.bytes;
        hdr.msg_controllen = CMSG_SPACE(count * sizeof(int));
        struct cmsghdr *cmsg = CMSG_FIRSTHDR(&hdr);
        cmsg->cmsg_level = SOL_SOCKET;
        cmsg->cmsg_type = SCM_RIGHTS;
        cmsg->cmsg_len = CMSG_LEN(count * sizeof(int));
        memcpy(CMSG_DATA(cmsg), fds, count * sizeof(int));
    }
    return await_message(&conn->conn, OP_SENDMSG, &hdr, 0);
}

/* Writes the descriptors that came to `fds`, which has room for all that can. */
static size_t take_fds(struct msghdr *hdr, int *fds)
{
    size_t count = 0;

    for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(hdr); cmsg != NULL; cmsg = CMSG_NXTHDR(hdr, cmsg)) {
        if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
            continue;
        size_t bytes = cmsg->cmsg_len - CMSG_LEN(0);
        hob_assert(count + bytes / sizeof(int) <= HOB_UNIX_FDS_MAX);
        memcpy(fds + count, CMSG_DATA(cmsg), bytes);
        count += bytes / sizeof(int);
    }
    return count;
}

ssize_t hob_unix_recv_fds(hob_unix *conn, void *buf, size_t len, int *fds, size_t *count)
{
    hob_require(is_open(conn), "hob_unix_recv_fds" NOT_OPEN);
    hob_require(conn_can_read(&conn->conn, OP_RECV), "hob_unix_recv_fds" TWO_READERS);
    hob_require(conn_can_read(&conn->conn, OP_RECVMSG), "hob_unix_recv_fds" TWO_READERS);
    hob_require(len > 0, "hob_unix_recv_fds: the buffer has no room; descriptors travel with "
                         "at least one byte");

    size_t        count_max = *count < HOB_UNIX_FDS_MAX ? *count : HOB_UNIX_FDS_MAX;
    int           came[HOB_UNIX_FDS_MAX];
    union fd_room room;
    struct iovec  iov = { .iov_base = buf, .iov_len = io_len(len) };
    struct msghdr hdr = { .msg_iov = &iov, .msg_iovlen = 1 };

    // Not CMSG_SPACE: its padding would be room for one descriptor more.
    if (count_max > 0) {
        hdr.msg_control = room.bytes;
        hdr.msg_controllen = CMSG_LEN(count_max * sizeof(int));
    }

    ssize_t n = await_message(&conn->conn, OP_RECVMSG, &hdr, MSG_CMSG_CLOEXEC);
    if (n < 0)
        return n;

    size_t came_count = take_fds(&hdr, came);
    if (hdr.msg_flags & MSG_CTRUNC) {
        for (size_t i = 0; i < came_count; i++)
            hob__fd_close(came[i], DESC_FILE);
        return came_count < count_max ? -EMFILE : -EMSGSIZE; // no number was free, or no room
    }
    memcpy(fds, came, came_count * sizeof(int));
    *count = came_count;
    return n;
}

/* ---- listening and connecting ---- */

int hob_unix_listen(const hob_addr *addr, hob_unix_listener **ret_listener)
{
    struct listener *listener;

    if (!is_unix(addr))
        return -EAFNOSUPPORT;
    int r = hob__listener_open(AF_UNIX, TAG_LISTENER, "Unix listener", &hob__unix_kind,
                               __builtin_return_address(0), &listener);
    if (r < 0)
        return r;

    listener->local = *addr;
    r = hob__bind_replacing(&listener->desc, addr, &listener->file);
    if (r >= 0)
        r = hob__listener_listen(listener, BACKLOG);
    if (r < 0) {
        hob_unix_listener_close((hob_unix_listener *)listener);
        return r;
    }

    *ret_listener = (hob_unix_listener *)listener;
    return 0;
}

int hob_unix_listener_from_fd(int fd, hob_unix_listener **ret_listener)
{
    struct listener *listener;

    int r = hob__socket_adopt(fd, AF_UNIX, SOCK_STREAM, true, false);
    if (r >= 0)
        r = hob__listener_adopt(fd, TAG_LISTENER, "Unix listener", &hob__unix_kind,
                                __builtin_return_address(0), &listener);
    if (r < 0)
        return r;
    r = hob__socket_name(&listener->desc, OP_SOCKNAME, &listener->local);
    if (r < 0) {
        hob__listener_disown(listener);
        return r;
    }
    *ret_listener = (hob_unix_listener *)listener;
    return 0;
}

int hob_unix_listener_fd(const hob_unix_listener *listener)
{
    hob_require(listener_is_open(&listener->listener, TAG_LISTENER),
                "hob_unix_listener_fd" NOT_OPEN);
    return listener->listener.desc.fd;
}

void hob_unix_listener_keep_file(hob_unix_listener *listener)
{
    hob_require(listener_is_open(&listener->listener, TAG_LISTENER),
                "hob_unix_listener_keep_file" NOT_OPEN);
    listener->listener.file = 0;
}

int hob_unix_accept(hob_unix_listener *listener, hob_unix **ret_conn)
{
    hob_require(listener_is_open(&listener->listener, TAG_LISTENER), "hob_unix_accept" NOT_OPEN);
    return hob__listener_accept(&listener->listener, __builtin_return_address(0), ret_conn);
}

int hob_unix_accept_prep(hob_op *place, hob_unix_listener *listener, hob_unix **ret_conn)
{
    hob_require(listener_is_open(&listener->listener, TAG_LISTENER),
                "hob_unix_accept_prep" NOT_OPEN);
    return hob__listener_accept_prep(place, &listener->listener, __builtin_return_address(0),
                                     ret_conn);
}

void hob_unix_listener_close(hob_unix_listener *listener)
{
    if (listener == NULL)
        return;
    hob_require(listener_is_open(&listener->listener, TAG_LISTENER),
                "hob_unix_listener_close" NOT_OPEN);
    hob__unlink_own(&listener->listener.local, listener->listener.file);
    hob__listener_close(&listener->listener);
}

int hob_unix_from_fd(int fd, hob_unix **ret_conn)
{
    struct conn *conn;
    hob_addr     peer;

    int r = hob__conn_adopt(&hob__unix_kind, fd, AF_UNIX, __builtin_return_address(0), &conn);
    if (r < 0)
        return r;
    r = hob__socket_name(&conn->desc, OP_PEERNAME, &peer);
    if (r < 0) {
        hob__conn_disown(conn);
        return r;
    }
    *ret_conn = (hob_unix *)conn;
    return 0;
}

static int connect_prep(hob_op *place, const hob_addr *peer, hob_unix **ret_conn,
                        const void *made_at)
{
    if (!is_unix(peer))
        return -EAFNOSUPPORT;

    struct conn *conn = hob__conn_new(&hob__unix_kind);
    if (conn == NULL)
        return -ENOMEM;
    int fd = hob__socket_open(AF_UNIX, SOCK_STREAM);
    if (fd < 0) {
        hob__conn_free(conn);
        return fd;
    }

    hob__conn_open(conn, fd, made_at);
    hob__conn_connect_prep(place, conn, peer, ret_conn);
    return 0;
}

int hob_unix_connect(const hob_addr *peer, hob_unix **ret_conn)
{
    hob_op op;

    int r = connect_prep(&op, peer, ret_conn, __builtin_return_address(0));
    return r < 0 ? r : (int)hob_op_await(&op);
}

int hob_unix_connect_prep(hob_op *place, const hob_addr *peer, hob_unix **ret_conn)
{
    return connect_prep(place, peer, ret_conn, __builtin_return_address(0));
}

int hob_unix_pair(hob_unix **ret_a, hob_unix **ret_b)
{
    struct conn *ends[2];

    int r = hob__conn_open_pair(&hob__unix_kind, OP_SOCKETPAIR, __builtin_return_address(0), ends);
    if (r < 0)
        return r;

    *ret_a = (hob_unix *)ends[0];
    *ret_b = (hob_unix *)ends[1];
    return 0;
}

/* ---- datagrams ---- */

static bool dgram_open(const hob_unix_dgram *socket)
{
    return socket != NULL && dgram_is_open(&socket->socket, TAG_UNIX);
}

int hob_unix_dgram_open(const hob_addr *local, hob_unix_dgram **ret_socket)
{
    struct dgram *socket;

    if (local->len != 0 && local->u.family != AF_UNIX)
        return -EAFNOSUPPORT;
    int r = hob__dgram_open(AF_UNIX, TAG_UNIX, "Unix datagram socket", __builtin_return_address(0),
                            &socket);
    if (r < 0)
        return r;
    r = hob__dgram_bind(socket, local);
    if (r < 0) {
        hob__dgram_close(socket);
        return r;
    }

    *ret_socket = (hob_unix_dgram *)socket;
    return 0;
}

int hob_unix_dgram_from_fd(int fd, hob_unix_dgram **ret_socket)
{
    struct dgram *socket;

    int r = hob__socket_adopt(fd, AF_UNIX, SOCK_DGRAM, false, false);
    if (r >= 0)
        r = hob__dgram_adopt(fd, TAG_UNIX, "Unix datagram socket", __builtin_return_address(0),
                             &socket);
    if (r < 0)
        return r;
    // Its address is not asked for: `local` is for the file that is ours to remove.
    *ret_socket = (hob_unix_dgram *)socket;
    return 0;
}

ssize_t hob_unix_dgram_recv(hob_unix_dgram *socket, void *buf, size_t len, hob_addr *ret_from)
{
    hob_require(dgram_open(socket), "hob_unix_dgram_recv" NOT_OPEN);
    return hob__dgram_recv(&socket->socket, buf, len, ret_from);
}

int hob_unix_dgram_recv_prep(hob_op *place, hob_unix_dgram *socket, void *buf, size_t len,
                             hob_addr *ret_from)
{
    hob_require(dgram_open(socket), "hob_unix_dgram_recv_prep" NOT_OPEN);
    return hob__dgram_recv_prep(place, &socket->socket, buf, len, ret_from);
}

ssize_t hob_unix_dgram_send(hob_unix_dgram *socket, const void *buf, size_t len, const hob_addr *to)
{
    hob_require(dgram_open(socket), "hob_unix_dgram_send" NOT_OPEN);
    return hob__dgram_send(&socket->socket, buf, len, to);
}

int hob_unix_dgram_send_prep(hob_op *place, hob_unix_dgram *socket, const void *buf, size_t len,
                             const hob_addr *to)
{
    hob_require(dgram_open(socket), "hob_unix_dgram_send_prep" NOT_OPEN);
    return hob__dgram_send_prep(place, &socket->socket, buf, len, to);
}

int hob_unix_dgram_set_option(hob_unix_dgram *socket, hob_sockopt what, int value)
{
    hob_require(dgram_open(socket), "hob_unix_dgram_set_option" NOT_OPEN);
    return hob__sockopt_set(&socket->socket.desc, FOR_UNIX, what, value);
}

int hob_unix_dgram_get_option(hob_unix_dgram *socket, hob_sockopt what, int *ret_value)
{
    hob_require(dgram_open(socket), "hob_unix_dgram_get_option" NOT_OPEN);
    return hob__sockopt_get(&socket->socket.desc, FOR_UNIX, what, ret_value);
}

void hob_unix_dgram_close(hob_unix_dgram *socket)
{
    if (socket == NULL)
        return;
    hob_require(dgram_open(socket), "hob_unix_dgram_close" NOT_OPEN);
    hob__dgram_close(&socket->socket);
}
