/* SPDX-License-Identifier: MIT */
/*
 * TCP: listening, connecting, and bytes both ways.
 *
 *     hob_tcp_read ── op on the stack ──▶ hob__op_await ──▶ backend ──▶ kernel
 *
 * The options of accepted connections are set once, on the listener: Linux
 * hands them down to what it accepts.
 *
 * Memory: a connection is allocated before its op starts, so that an accepted
 * or connected socket always has somewhere to go. Reading and writing allocate
 * nothing.
 */
#include "hob/tcp.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "hob/runtime.h"
#include "hob/sem.h"
#include "io/conn.h"
#include "io/listener.h"
#include "io/sockopt.h"
#include "io/tcp_info.h"

enum {
    BACKLOG = 4096,
    KEEP_IDLE_S = 60,
    KEEP_INTERVAL_S = 10,
    KEEP_COUNT = 6,
};

struct hob_tcp {
    struct conn conn;
};

struct hob_tcp_listener {
    struct listener listener;
};

static bool is_open(const hob_tcp *conn)
{
    return conn != NULL && conn_is_open(&conn->conn, TAG_TCP);
}

/* ---- reading and writing ---- */

ssize_t hob_tcp_read(hob_tcp *conn, void *buf, size_t len)
{
    hob_require(is_open(conn), "hob_tcp_read" NOT_OPEN);
    hob_require(conn_can_read(&conn->conn, OP_RECV), "hob_tcp_read" TWO_READERS);
    return conn_recv(&conn->conn, buf, len);
}

ssize_t hob_tcp_write(hob_tcp *conn, const void *buf, size_t len)
{
    hob_require(is_open(conn), "hob_tcp_write" NOT_OPEN);
    hob_require(conn_can_write(&conn->conn, OP_SEND), "hob_tcp_write" TWO_WRITERS);
    return conn_send(&conn->conn, buf, len);
}

ssize_t hob_tcp_write_some(hob_tcp *conn, const void *buf, size_t len)
{
    hob_require(is_open(conn), "hob_tcp_write_some" NOT_OPEN);
    hob_require(conn_can_write(&conn->conn, OP_SEND), "hob_tcp_write_some" TWO_WRITERS);
    return conn_send_some(&conn->conn, buf, len);
}

void hob_tcp_read_prep(hob_op *place, hob_tcp *conn, void *buf, size_t len)
{
    hob_require(is_open(conn), "hob_tcp_read_prep" NOT_OPEN);
    hob_require(conn_can_read(&conn->conn, OP_RECV), "hob_tcp_read_prep" TWO_READERS);
    hob__conn_recv_prep(place, &conn->conn, buf, len);
}

void hob_tcp_write_prep(hob_op *place, hob_tcp *conn, const void *buf, size_t len)
{
    hob_require(is_open(conn), "hob_tcp_write_prep" NOT_OPEN);
    hob_require(conn_can_write(&conn->conn, OP_SEND), "hob_tcp_write_prep" TWO_WRITERS);
    hob__conn_send_prep(place, &conn->conn, buf, len);
}

void hob_tcp_write_some_prep(hob_op *place, hob_tcp *conn, const void *buf, size_t len)
{
    hob_require(is_open(conn), "hob_tcp_write_some_prep" NOT_OPEN);
    hob_require(conn_can_write(&conn->conn, OP_SEND), "hob_tcp_write_some_prep" TWO_WRITERS);
    hob__conn_send_some_prep(place, &conn->conn, buf, len);
}

int hob_tcp_shutdown(hob_tcp *conn)
{
    hob_require(is_open(conn), "hob_tcp_shutdown" NOT_OPEN);
    return hob__conn_shutdown(&conn->conn);
}

void hob_tcp_close(hob_tcp *conn)
{
    if (conn == NULL)
        return;
    hob_require(is_open(conn), "hob_tcp_close" NOT_OPEN);
    hob__conn_close(&conn->conn);
}

/* ---- as a stream ---- */

const struct conn_kind hob__tcp_kind = {
    .stream = SOCKET_STREAM("tcp"),
    .tag = TAG_TCP,
    .desc_kind = DESC_STREAM,
    .what = "TCP connection",
};

hob_stream *hob_tcp_stream(hob_tcp *conn)
{
    hob_require(is_open(conn), "hob_tcp_stream" NOT_OPEN);
    return &conn->conn.stream;
}

hob_tcp *hob_tcp_of_stream(hob_stream *stream)
{
    hob_require(stream != NULL, "hob_tcp_of_stream: the stream is NULL");
    return stream->type == &hob__tcp_kind.stream ? container_of(stream, hob_tcp, conn.stream) : NULL;
}

/* ---- the two ends ---- */

enum end { LOCAL, PEER };

static const enum op_kind NAME_OPS[] = { [LOCAL] = OP_SOCKNAME, [PEER] = OP_PEERNAME };

/* The address of one end: remembered since the first answer, so that the peer
 * can still be named when it is gone. All zero when there is no answer. */
static hob_addr addr_of_end(struct conn *conn, enum end end)
{
    hob_addr addr = { 0 };

    if (conn->addrs != NULL && conn->addrs[end].len != 0)
        return conn->addrs[end];
    if (hob__socket_name(&conn->desc, NAME_OPS[end], &addr) < 0)
        return (hob_addr){ 0 };

    if (conn->addrs == NULL)
        conn->addrs = hob__alloc_zero(2 * sizeof conn->addrs[0]);
    if (conn->addrs != NULL)
        conn->addrs[end] = addr;
    return addr;
}

hob_addr hob_tcp_local_addr(hob_tcp *conn)
{
    hob_require(is_open(conn), "hob_tcp_local_addr" NOT_OPEN);
    return addr_of_end(&conn->conn, LOCAL);
}

hob_addr hob_tcp_peer_addr(hob_tcp *conn)
{
    hob_require(is_open(conn), "hob_tcp_peer_addr" NOT_OPEN);
    return addr_of_end(&conn->conn, PEER);
}

/* ---- options ---- */

static bool is_ip(const hob_addr *addr)
{
    return addr->len != 0 && (addr->u.family == AF_INET || addr->u.family == AF_INET6);
}

static int set_keep_alive(struct desc *desc, const hob_tcp_opts *opts)
{
    int idle = opts->keep_idle_s > 0 ? opts->keep_idle_s : KEEP_IDLE_S;
    int interval = opts->keep_interval_s > 0 ? opts->keep_interval_s : KEEP_INTERVAL_S;
    int count = opts->keep_count > 0 ? opts->keep_count : KEEP_COUNT;

    HOB_TRY(hob__socket_set(desc, IPPROTO_TCP, TCP_KEEPIDLE, idle));
    HOB_TRY(hob__socket_set(desc, IPPROTO_TCP, TCP_KEEPINTVL, interval));
    HOB_TRY(hob__socket_set(desc, IPPROTO_TCP, TCP_KEEPCNT, count));
    return hob__socket_set(desc, SOL_SOCKET, SO_KEEPALIVE, 1);
}

/* Sets what a connection shall have, on itself or on the listener that accepts it. */
static int set_options(struct desc *desc, const hob_tcp_opts *opts)
{
    int r = 0;

    if (!opts->delay)
        r = hob__socket_set(desc, IPPROTO_TCP, TCP_NODELAY, 1);
    if (r >= 0)
        r = hob__sockopt_set_buffers(desc, opts->recv_buf_bytes, opts->send_buf_bytes);
    if (r >= 0 && opts->keep_alive)
        r = set_keep_alive(desc, opts);
    if (r >= 0 && opts->user_timeout_ms != 0)
        r = hob__sockopt_set(desc, FOR_TCP, HOB_OPT_USER_TIMEOUT_MS, opts->user_timeout_ms);
    if (r >= 0)
        r = hob__sockopt_set_path(desc, FOR_TCP, opts->ttl, opts->traffic_class, opts->device);
    return r;
}

int hob_tcp_set_option(hob_tcp *conn, hob_sockopt what, int value)
{
    hob_require(is_open(conn), "hob_tcp_set_option" NOT_OPEN);
    return hob__sockopt_set(&conn->conn.desc, FOR_TCP, what, value);
}

int hob_tcp_get_option(hob_tcp *conn, hob_sockopt what, int *ret_value)
{
    hob_require(is_open(conn), "hob_tcp_get_option" NOT_OPEN);
    return hob__sockopt_get(&conn->conn.desc, FOR_TCP, what, ret_value);
}

int hob_tcp_info_get(hob_tcp *conn, hob_tcp_info *ret_info)
{
    hob_require(is_open(conn), "hob_tcp_info_get" NOT_OPEN);
    return hob__tcp_info_get(&conn->conn, ret_info);
}

/* ---- listening ---- */

/* How connections wait to be accepted. */
static int set_waiting_options(struct desc *desc, const hob_tcp_listen_opts *opts)
{
    int r = 0;
    if (opts->defer_accept_s != 0)
        r = hob__sockopt_set(desc, FOR_LISTENER, HOB_OPT_DEFER_ACCEPT_S, opts->defer_accept_s);
    if (r >= 0 && opts->fast_open_queue != 0)
        r = hob__sockopt_set(desc, FOR_LISTENER, HOB_OPT_FAST_OPEN_QUEUE, opts->fast_open_queue);
    return r;
}

static int set_listen_options(struct desc *desc, const hob_addr *addr,
                              const hob_tcp_listen_opts *opts)
{
    int r = hob__socket_set(desc, SOL_SOCKET, SO_REUSEADDR, 1);
    if (r >= 0 && opts->reuse_port)
        r = hob__socket_set(desc, SOL_SOCKET, SO_REUSEPORT, 1);
    if (r >= 0 && addr->u.family == AF_INET6)
        r = hob__socket_set(desc, IPPROTO_IPV6, IPV6_V6ONLY, opts->v6_only);
    if (r >= 0)
        r = set_options(desc, &opts->conn);
    if (r >= 0)
        r = set_waiting_options(desc, opts);
    return r;
}

/* `shares_later`: has the port alone at first, so that it is refused if anybody listens there,
 * and then with those who ask to share it. */
static int listen_at(const hob_addr *addr, const hob_tcp_listen_opts *opts, bool shares_later,
                     const void *made_at, hob_tcp_listener **ret_listener)
{
    struct listener *listener;

    if (!is_ip(addr))
        return -EAFNOSUPPORT;

    int r = hob__listener_open(addr->u.family, TAG_LISTENER, "TCP listener", &hob__tcp_kind, made_at,
                               &listener);
    if (r < 0)
        return r;

    listener->desc.while_stopping = opts->while_stopping;
    r = set_listen_options(&listener->desc, addr, opts);
    if (r >= 0)
        r = hob__socket_bind(&listener->desc, addr, NULL);
    if (r >= 0 && shares_later)
        r = hob__socket_set(&listener->desc, SOL_SOCKET, SO_REUSEPORT, 1);
    if (r >= 0)
        r = hob__listener_listen(listener, opts->backlog > 0 ? opts->backlog : BACKLOG);
    if (r >= 0)
        r = hob__socket_name(&listener->desc, OP_SOCKNAME, &listener->local);
    if (r < 0) {
        hob__listener_close(listener);
        return r;
    }

    *ret_listener = (hob_tcp_listener *)listener;
    return 0;
}

int hob_tcp_listen(const hob_addr *addr, const hob_tcp_listen_opts *opts,
                   hob_tcp_listener **ret_listener)
{
    static const hob_tcp_listen_opts defaults;

    return listen_at(addr, opts != NULL ? opts : &defaults, false, __builtin_return_address(0),
                     ret_listener);
}

/* What was made before stays: only what is for connections, and what the caller asks for. */
static int set_adopted_options(struct listener *listener, const hob_tcp_listen_opts *opts)
{
    int r = set_options(&listener->desc, &opts->conn);
    if (r >= 0)
        r = set_waiting_options(&listener->desc, opts);
    if (r >= 0 && opts->backlog > 0)
        r = hob__listener_listen(listener, opts->backlog);
    if (r >= 0)
        r = hob__socket_name(&listener->desc, OP_SOCKNAME, &listener->local);
    return r;
}

/* On failure `fd` is the caller's; with `copy` it always is. */
static int adopt_listener(int fd, bool copy, const hob_tcp_listen_opts *opts, const void *made_at,
                          hob_tcp_listener **ret_listener)
{
    static const hob_tcp_listen_opts defaults;
    struct listener                 *listener;

    int own = hob__socket_adopt(fd, AF_INET, SOCK_STREAM, true, copy);
    if (own < 0)
        return own;
    int r = hob__listener_adopt(own, TAG_LISTENER, "TCP listener", &hob__tcp_kind, made_at,
                                &listener);
    if (r < 0) {
        if (copy)
            hob__fd_close(own, DESC_LISTENER);
        return r;
    }
    opts = opts != NULL ? opts : &defaults;
    listener->desc.while_stopping = opts->while_stopping;
    r = set_adopted_options(listener, opts);
    if (r < 0) {
        if (copy)
            hob__listener_close(listener);
        else
            hob__listener_disown(listener);
        return r;
    }
    *ret_listener = (hob_tcp_listener *)listener;
    return 0;
}

int hob_tcp_listener_from_fd(int fd, const hob_tcp_listen_opts *opts,
                             hob_tcp_listener **ret_listener)
{
    return adopt_listener(fd, false, opts, __builtin_return_address(0), ret_listener);
}

int hob_tcp_listener_fd(const hob_tcp_listener *listener)
{
    hob_require(listener_is_open(&listener->listener, TAG_LISTENER),
                "hob_tcp_listener_fd" NOT_OPEN);
    return listener->listener.desc.fd;
}

int hob_tcp_accept(hob_tcp_listener *listener, hob_tcp **ret_conn)
{
    hob_require(listener_is_open(&listener->listener, TAG_LISTENER), "hob_tcp_accept" NOT_OPEN);
    return hob__listener_accept(&listener->listener, __builtin_return_address(0), ret_conn);
}

int hob_tcp_accept_prep(hob_op *place, hob_tcp_listener *listener, hob_tcp **ret_conn)
{
    hob_require(listener_is_open(&listener->listener, TAG_LISTENER),
                "hob_tcp_accept_prep" NOT_OPEN);
    return hob__listener_accept_prep(place, &listener->listener, __builtin_return_address(0),
                                     ret_conn);
}

hob_addr hob_tcp_listener_addr(const hob_tcp_listener *listener)
{
    hob_require(listener_is_open(&listener->listener, TAG_LISTENER),
                "hob_tcp_listener_addr" NOT_OPEN);
    return listener->listener.local;
}

int hob_tcp_listener_set_option(hob_tcp_listener *listener, hob_sockopt what, int value)
{
    hob_require(listener_is_open(&listener->listener, TAG_LISTENER),
                "hob_tcp_listener_set_option" NOT_OPEN);
    return hob__sockopt_set(&listener->listener.desc, FOR_LISTENER, what, value);
}

int hob_tcp_listener_get_option(hob_tcp_listener *listener, hob_sockopt what, int *ret_value)
{
    hob_require(listener_is_open(&listener->listener, TAG_LISTENER),
                "hob_tcp_listener_get_option" NOT_OPEN);
    return hob__sockopt_get(&listener->listener.desc, FOR_LISTENER, what, ret_value);
}

void hob_tcp_listener_close(hob_tcp_listener *listener)
{
    if (listener == NULL)
        return;
    hob_require(listener_is_open(&listener->listener, TAG_LISTENER),
                "hob_tcp_listener_close" NOT_OPEN);
    hob__listener_close(&listener->listener);
}

/* ---- one listener for each worker ---- */

struct shards {
    hob_addr            addr; /* the first one finds the port */
    hob_tcp_listen_opts opts;
    int                 fd;   /* listens already, for all; -1: each makes its own */
    hob_tcp_serve_fn   *fn;
    void               *arg;
    const void         *made_at;
    hob_sem             listening;  /* released by each that does */
    hob_event           all_listen;
};

struct shard {
    struct shards *all;
    bool           is_first;
};

static int open_shard(const struct shard *shard, hob_tcp_listener **ret_listener)
{
    struct shards      *all = shard->all;
    hob_tcp_listen_opts opts = all->opts;
    opts.reuse_port |= !shard->is_first;
    int r = all->fd >= 0
                ? adopt_listener(all->fd, true, &opts, all->made_at, ret_listener)
                : listen_at(&all->addr, &opts, shard->is_first, all->made_at, ret_listener);
    if (r == 0 && shard->is_first)
        all->addr = (*ret_listener)->listener.local;
    return r;
}

static int run_shard(void *arg)
{
    const struct shard *shard = arg;
    struct shards      *all = shard->all;
    hob_tcp_listener   *listener;

    HOB_TRY(open_shard(shard, &listener));
    hob_sem_release(&all->listening);
    int r = hob_event_wait(&all->all_listen);
    if (r >= 0)
        r = all->fn(listener, all->arg);
    hob_tcp_listener_close(listener);
    return r;
}

/* One after the other, for the others share the port of the first. None serves before all listen: the
 * first might have served by then (a run that stops), and with its listener the port would be gone, which
 * anybody may be given by the kernel. A failure cancels the scope, and with it the waits. */
static void start_shards(hob_scope *scope, struct shards *all)
{
    for (uint32_t i = 0; i < hob_workers(); i++) {
        struct shard  shard = { all, i == 0 };
        hob_task_opts opts = { .where = HOB_ON(i), .copy_bytes = sizeof shard };
        hob_go_with(scope, run_shard, &shard, &opts);
        if (hob_sem_acquire(&all->listening) < 0)
            return;
    }
    hob_event_set(&all->all_listen);
    hob_ready(&all->addr);
}

int hob_tcp_serve_sharded(const hob_addr *addr, const hob_tcp_listen_opts *opts,
                          hob_tcp_serve_fn *fn, void *arg)
{
    struct shards all = { .addr = *addr, .fd = -1, .fn = fn, .arg = arg,
                          .made_at = __builtin_return_address(0),
                          .listening = { .name = "listeners" },
                          .all_listen = { .name = "the other listeners" } };
    if (opts != NULL)
        all.opts = *opts;

    HOB_SCOPE(s);
    start_shards(&s, &all);
    return hob_scope_end(&s);
}

int hob_tcp_serve_sharded_fd(int fd, const hob_tcp_listen_opts *opts, hob_tcp_serve_fn *fn,
                             void *arg)
{
    struct shards all = { .fd = fd, .fn = fn, .arg = arg, .made_at = __builtin_return_address(0),
                          .listening = { .name = "listeners" },
                          .all_listen = { .name = "the other listeners" } };
    hob_require(fd >= 0, "hob_tcp_serve_sharded_fd: this is no descriptor");
    if (opts != NULL)
        all.opts = *opts;

    HOB_SCOPE(s);
    start_shards(&s, &all);
    return hob_scope_end(&s);
}

/* ---- a connection of others ---- */

int hob_tcp_from_fd(int fd, const hob_tcp_opts *opts, hob_tcp **ret_conn)
{
    static const hob_tcp_opts defaults;
    struct conn              *conn;
    hob_addr                  peer;

    int r = hob__conn_adopt(&hob__tcp_kind, fd, AF_INET, __builtin_return_address(0), &conn);
    if (r < 0)
        return r;
    r = hob__socket_name(&conn->desc, OP_PEERNAME, &peer);
    if (r >= 0)
        r = set_options(&conn->desc, opts != NULL ? opts : &defaults);
    if (r < 0) {
        hob__conn_disown(conn);
        return r;
    }
    *ret_conn = (hob_tcp *)conn;
    return 0;
}

/* ---- connecting ---- */

/* With port 0 the port is chosen when the peer is known, so that one can serve for many peers. */
static int bind_local(struct desc *desc, const hob_addr *local)
{
    if (local == NULL)
        return 0;
    if (hob_addr_port(local) == 0)
        HOB_TRY(hob__socket_set(desc, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1));
    return hob__socket_bind(desc, local, NULL);
}

static int connect_prep(hob_op *place, const hob_addr *peer, const hob_tcp_opts *opts,
                        hob_tcp **ret_conn, const void *made_at)
{
    static const hob_tcp_opts defaults;

    if (!is_ip(peer))
        return -EAFNOSUPPORT;

    struct conn *conn = hob__conn_new(&hob__tcp_kind);
    if (conn == NULL)
        return -ENOMEM;
    int fd = hob__socket_open(peer->u.family, SOCK_STREAM);
    if (fd < 0) {
        hob__conn_free(conn);
        return fd;
    }

    hob__conn_open(conn, fd, made_at);
    opts = opts != NULL ? opts : &defaults;
    int r = set_options(&conn->desc, opts);
    if (r >= 0)
        r = bind_local(&conn->desc, opts->local);
    if (r < 0) {
        hob__conn_close(conn);
        return r;
    }

    hob__conn_connect_prep(place, conn, peer, ret_conn);
    return 0;
}

int hob_tcp_connect(const hob_addr *peer, const hob_tcp_opts *opts, hob_tcp **ret_conn)
{
    hob_op op;

    int r = connect_prep(&op, peer, opts, ret_conn, __builtin_return_address(0));
    return r < 0 ? r : (int)hob_op_await(&op);
}

int hob_tcp_connect_prep(hob_op *place, const hob_addr *peer, const hob_tcp_opts *opts,
                         hob_tcp **ret_conn)
{
    return connect_prep(place, peer, opts, ret_conn, __builtin_return_address(0));
}
