/* SPDX-License-Identifier: MIT */
/* Listeners, connecting, datagrams, names, and waiting on foreign descriptors. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "world.h"

static void close_all(struct thing *things, int count)
{
    for (int i = 0; i < count; i++)
        if (things[i].open)
            thing_close(&things[i]);
}

/* ---- accept ---- */

static void accept_before_connect(struct world *w)
{
    enum { COUNT = 5 };
    struct thing listener, client[COUNT], server[COUNT];
    struct req   accept[COUNT];
    hob_addr     addr;

    tcp_listen(w, &listener, &addr);
    for (int i = 0; i < COUNT; i++) {
        want_accept(&accept[i], &listener);
        submit(&accept[i]);
    }
    settle(w);
    for (int i = 0; i < COUNT; i++)
        tcp_connect(w, &addr, &client[i]);
    for (int i = 0; i < COUNT; i++) {
        wait_for(&accept[i]);
        thing_adopt(&server[i], w, accept[i].result, DESC_STREAM);
        if (i > 0)
            check(accept[i].nth > accept[i - 1].nth);
    }
    for (int i = 0; i < COUNT; i++) { // the first accept got the first connection
        char byte;
        write_all(&client[i], (char[]){ (char)('0' + i) }, 1);
        read_all(&server[i], &byte, 1);
        check_eq(byte, '0' + i);
    }
    close_all(client, COUNT);
    close_all(server, COUNT);
    thing_close(&listener);
}

static void accept_after_connect(struct world *w)
{
    enum { COUNT = 5 };
    struct thing listener, client[COUNT], server[COUNT];
    struct req   accept;
    hob_addr     addr;

    tcp_listen(w, &listener, &addr);
    for (int i = 0; i < COUNT; i++)
        tcp_connect(w, &addr, &client[i]);
    for (int i = 0; i < COUNT; i++) {
        want_accept(&accept, &listener);
        thing_adopt(&server[i], w, run(&accept), DESC_STREAM);
        write_all(&server[i], "!", 1);
        read_all(&client[i], (char[1]){ 0 }, 1);
    }
    close_all(client, COUNT);
    close_all(server, COUNT);
    thing_close(&listener);
}

static void cancelled_accept(struct world *w)
{
    struct thing listener, client, server;
    struct req   accept;
    hob_addr     addr;

    tcp_listen(w, &listener, &addr);
    for (int round = 0; round < 30; round++) {
        want_accept(&accept, &listener);
        submit(&accept);
        if (round % 2)
            settle(w);
        if (round % 3 == 0)
            cancel(&accept);
        tcp_connect(w, &addr, &client);
        cancel(&accept);
        wait_for(&accept);
        w->races++;
        if (accept.result == -ECANCELED) {
            want_accept(&accept, &listener);
            run(&accept);
        }
        thing_adopt(&server, w, accept.result, DESC_STREAM);
        write_all(&client, "?", 1);
        read_all(&server, (char[1]){ 0 }, 1);
        thing_close(&client);
        thing_close(&server);
    }
    thing_close(&listener);
}

static void released_listener(struct world *w)
{
    enum { COUNT = 3 };
    struct thing listener, client[COUNT];
    struct req   accept[COUNT], read;
    hob_addr     addr;
    char         byte;

    tcp_listen(w, &listener, &addr);
    for (int i = 0; i < COUNT; i++) {
        want_accept(&accept[i], &listener);
        submit(&accept[i]);
    }
    settle(w);
    thing_close(&listener);
    for (int i = 0; i < COUNT; i++)
        check_eq(accept[i].result, -ECANCELED);

    tcp_listen(w, &listener, &addr); // and connections that nobody accepted are closed
    for (int i = 0; i < COUNT; i++)
        tcp_connect(w, &addr, &client[i]);
    thing_close(&listener);
    for (int i = 0; i < COUNT; i++) {
        want_recv(&read, &client[i], &byte, 1);
        run(&read);
        check(read.result == 0 || read.result == -ECONNRESET);
    }
    close_all(client, COUNT);
}

/* ---- connect ---- */

static void refused(struct world *w)
{
    struct thing listener, client;
    struct req   connect;
    hob_addr     addr;

    tcp_listen(w, &listener, &addr);
    thing_close(&listener);
    for (int i = 0; i < 20; i++) {
        socket_open(&client, w, AF_INET, SOCK_STREAM);
        want_connect(&connect, &client, &addr);
        check_eq(run(&connect), -ECONNREFUSED);
        thing_close(&client);
    }
}

static void cancelled_connect(struct world *w)
{
    struct thing listener, client, server;
    struct req   connect, accept;
    hob_addr     addr;

    tcp_listen(w, &listener, &addr);
    for (int round = 0; round < 30; round++) {
        socket_open(&client, w, AF_INET, SOCK_STREAM);
        want_connect(&connect, &client, &addr);
        submit(&connect);
        if (round % 2)
            turn(w, 0);
        if (round % 3 == 0)
            thing_release(&client);
        else
            cancel(&connect);
        wait_for(&connect);
        check(connect.result == 0 || connect.result == -ECANCELED);
        w->races++;
        if (client.open && round % 3 != 0)
            thing_release(&client);
        wait_gone(&client);
        // Whether or not it came through, the listener goes on.
        want_accept(&accept, &listener);
        submit(&accept);
        settle(w);
        cancel(&accept);
        wait_for(&accept);
        if (accept.result >= 0) {
            thing_adopt(&server, w, accept.result, DESC_STREAM);
            thing_close(&server);
        }
    }
    thing_close(&listener);
}

static hob_addr unix_addr(const char *path)
{
    hob_addr           addr = { 0 };
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    size_t             len = strlen(path);
    check(len < sizeof un.sun_path);
    memcpy(un.sun_path, path, len + 1);
    addr.len = (uint16_t)(offsetof(struct sockaddr_un, sun_path) + len + 1);
    memcpy(addr.u.raw, &un, addr.len);
    return addr;
}

static void unix_listen(struct world *w, struct thing *listener, const hob_addr *addr, int backlog)
{
    struct req req;
    socket_open(listener, w, AF_UNIX, SOCK_STREAM);
    listener->desc.kind = DESC_LISTENER;
    req_init(&req, w, OP_BIND, listener);
    req.op.bind.addr = addr;
    check_eq(quick(&req), 0);
    req_init(&req, w, OP_LISTEN, listener);
    req.op.listen.backlog = backlog;
    check_eq(quick(&req), 0);
}

static void remove_socket(struct world *w, const hob_addr *addr)
{
    struct req req;
    req_init(&req, w, OP_UNLINK, NULL);
    req.op.unlink.addr = addr;
    check_eq(quick(&req), 0);
}

static bool all_ended(const struct req *reqs, int count)
{
    for (int i = 0; i < count; i++) {
        if (!reqs[i].ended)
            return false;
    }
    return true;
}

/* A full queue makes connect(2) of Unix sockets wait: and that wait can be cancelled. */
static void full_queue(struct world *w)
{
    enum { COUNT = 12 };
    struct thing listener, client[COUNT], server;
    struct req   connect[COUNT], accept;
    hob_addr     addr = unix_addr(scratch(w, "full.sock"));
    int          accepted = 0, connected = 0, cancelled = 0;

    unix_listen(w, &listener, &addr, 1);
    for (int i = 0; i < COUNT; i++) {
        socket_open(&client[i], w, AF_UNIX, SOCK_STREAM);
        want_connect(&connect[i], &client[i], &addr);
        submit(&connect[i]);
    }
    settle(w);
    check(!w->is_sim ? connect[COUNT - 1].flying : true);
    cancel(&connect[COUNT - 1]);
    wait_for(&connect[COUNT - 1]);
    cancel(&connect[COUNT - 3]);
    thing_release(&client[COUNT - 2]);
    wait_gone(&client[COUNT - 2]);
    do {
        want_accept(&accept, &listener);
        submit(&accept);
        for (int i = 0; accept.flying && i < (all_ended(connect, COUNT) ? 3 : 1000); i++)
            settle(w); // who waits for room tries again after a while
        if (accept.flying) {
            cancel(&accept);
            wait_for(&accept);
        }
        if (accept.result >= 0) {
            thing_adopt(&server, w, accept.result, DESC_STREAM);
            thing_close(&server);
            accepted++;
        }
    } while (accept.result >= 0);
    for (int i = 0; i < COUNT; i++) {
        check(connect[i].ended);
        check(connect[i].result == 0 || connect[i].result == -ECANCELED);
        connected += connect[i].result == 0;
        cancelled += connect[i].result == -ECANCELED;
    }
    check_eq(accepted, connected);
    check(w->is_sim || cancelled >= 2);
    close_all(client, COUNT);
    thing_close(&listener);
    remove_socket(w, &addr);

    socket_open(&client[0], w, AF_UNIX, SOCK_STREAM); // gone: no such name
    want_connect(&connect[0], &client[0], &addr);
    check_eq(run(&connect[0]), -ENOENT);
    thing_close(&client[0]);
}

/* ---- datagrams ---- */

struct datagram {
    struct req    req;
    struct msghdr msg;
    struct iovec  iov;
    hob_addr      addr;
    char          buf[256];
};

static struct req *want_datagram(struct datagram *d, struct thing *on, enum op_kind kind,
                                 const void *data, size_t len, const hob_addr *to)
{
    memset(d, 0, sizeof *d);
    req_init(&d->req, on->w, kind, on);
    if (data != NULL)
        memcpy(d->buf, data, len);
    d->iov = (struct iovec){ d->buf, len };
    d->msg.msg_iov = &d->iov;
    d->msg.msg_iovlen = 1;
    if (to != NULL)
        d->addr = *to;
    if (to != NULL || kind == OP_RECVMSG) {
        d->msg.msg_name = d->addr.u.raw;
        d->msg.msg_namelen = to != NULL ? to->len : sizeof d->addr.u.raw;
    }
    d->req.op.msg.msg = &d->msg;
    return &d->req;
}

static void udp_open(struct world *w, struct thing *thing, hob_addr *ret_addr)
{
    struct req req;
    hob_addr   addr = { 0 };
    addr.u.family = AF_INET;
    addr.u.raw[4] = 127;
    addr.u.raw[7] = 1;
    addr.len = 16;
    socket_open(thing, w, AF_INET, SOCK_DGRAM);
    req_init(&req, w, OP_BIND, thing);
    req.op.bind.addr = &addr;
    check_eq(quick(&req), 0);
    req_init(&req, w, OP_SOCKNAME, thing);
    req.op.name.out = ret_addr;
    check_eq(quick(&req), 0);
}

static void datagrams(struct world *w)
{
    struct thing    a, b;
    hob_addr        addr_a, addr_b;
    struct datagram in[3], out;

    udp_open(w, &a, &addr_a);
    udp_open(w, &b, &addr_b);
    for (int i = 0; i < 3; i++)
        submit(want_datagram(&in[i], &b, OP_RECVMSG, NULL, 8, NULL));
    settle(w);
    check_eq(run(want_datagram(&out, &a, OP_SENDMSG, "first", 5, &addr_b)), 5);
    check_eq(run(want_datagram(&out, &a, OP_SENDMSG, "", 0, &addr_b)), 0);
    check_eq(run(want_datagram(&out, &a, OP_SENDMSG, "much too long", 13, &addr_b)), 13);
    for (int i = 0; i < 3; i++)
        wait_for(&in[i].req);
    check_eq(in[0].req.result, 5);
    check(memcmp(in[0].buf, "first", 5) == 0);
    check_eq(in[0].msg.msg_namelen, addr_a.len);
    check(memcmp(in[0].addr.u.raw, addr_a.u.raw, 8) == 0);
    check_eq(in[1].req.result, 0);
    check_eq(in[2].req.result, 8);
    check(memcmp(in[2].buf, "much too", 8) == 0);
    check_eq(in[2].buf[8], 0);
    check((in[2].msg.msg_flags & MSG_TRUNC) != 0);

    // A cancelled receive leaves the datagram to the next.
    submit(want_datagram(&in[0], &b, OP_RECVMSG, NULL, 8, NULL));
    turn(w, 0);
    cancel(&in[0].req);
    check_eq(run(want_datagram(&out, &a, OP_SENDMSG, "kept", 4, &addr_b)), 4);
    wait_for(&in[0].req);
    if (in[0].req.result == -ECANCELED)
        check_eq(run(want_datagram(&in[0], &b, OP_RECVMSG, NULL, 8, NULL)), 4);
    check_eq(in[0].req.result, 4);

    submit(want_datagram(&in[0], &b, OP_RECVMSG, NULL, 8, NULL));
    submit(want_datagram(&in[1], &b, OP_RECVMSG, NULL, 8, NULL));
    thing_close(&b);
    check_eq(in[0].req.result, -ECANCELED);
    check_eq(in[1].req.result, -ECANCELED);
    thing_close(&a);
}

/* Whoever closes a bare number has its desc on the stack. */
static void unused_goes_at_once(struct world *w)
{
    struct thing    a, unused;
    hob_addr        addr;
    struct datagram in;

    udp_open(w, &a, &addr);
    submit(want_datagram(&in, &a, OP_RECVMSG, NULL, 8, NULL));
    turn(w, 0);
    cancel(&in.req); // and nobody polls in between
    socket_open(&unused, w, AF_UNIX, SOCK_DGRAM);
    thing_release(&unused);
    check(!unused.open);
    wait_for(&in.req);
    thing_close(&a);
}

/* An op on several messages, and the room for what they are. */
struct batch {
    struct req     req;
    struct mmsghdr msgs[4];
    struct iovec   iovs[4];
    char           bufs[4][16];
};

static struct req *want_batch(struct batch *batch, struct thing *on, enum op_kind kind,
                              unsigned count, const hob_addr *to)
{
    memset(batch, 0, sizeof *batch);
    req_init(&batch->req, on->w, kind, on);
    for (unsigned i = 0; i < count; i++) {
        batch->bufs[i][0] = (char)('a' + i);
        batch->iovs[i] = (struct iovec){ batch->bufs[i], to != NULL ? i + 1 : 8 };
        batch->msgs[i].msg_hdr.msg_iov = &batch->iovs[i];
        batch->msgs[i].msg_hdr.msg_iovlen = 1;
        if (to != NULL) {
            batch->msgs[i].msg_hdr.msg_name = (void *)(uintptr_t)to->u.raw;
            batch->msgs[i].msg_hdr.msg_namelen = to->len;
        }
    }
    batch->req.op.many.msgs = batch->msgs;
    batch->req.op.many.count = count;
    return &batch->req;
}

/* They are received in the order of submission, whatever the kind of the op. */
static void many_datagrams(struct world *w)
{
    struct thing    a, b;
    hob_addr        addr_a, addr_b;
    struct datagram one, out;
    struct batch    in, more, gone;

    udp_open(w, &a, &addr_a);
    udp_open(w, &b, &addr_b);
    submit(want_batch(&in, &b, OP_RECVMANY, 2, NULL));
    submit(want_datagram(&one, &b, OP_RECVMSG, NULL, 8, NULL));
    settle(w);
    check(in.req.flying);
    check_eq(run(want_batch(&more, &a, OP_SENDMANY, 4, &addr_b)), 4);
    wait_for(&in.req);
    wait_for(&one.req);
    check(in.req.nth < one.req.nth);
    check(in.req.result == 1 || in.req.result == 2); // as many as had come when it looked
    check_eq(in.msgs[0].msg_len, 1);
    check_eq(in.bufs[0][0], 'a');
    check_eq(one.buf[0], 'a' + in.req.result);
    int64_t got = in.req.result + 1;
    check_eq(run(want_batch(&in, &b, OP_RECVMANY, 4, NULL)), 4 - got);
    check_eq(in.msgs[3 - got].msg_len, 4);

    // A cancelled one leaves the datagram to the next; a release gives it back.
    submit(want_batch(&gone, &b, OP_RECVMANY, 4, NULL));
    turn(w, 0);
    cancel(&gone.req);
    wait_for(&gone.req);
    check_eq(gone.req.result, -ECANCELED);
    check_eq(run(want_datagram(&out, &a, OP_SENDMSG, "kept", 4, &addr_b)), 4);
    check_eq(run(want_batch(&in, &b, OP_RECVMANY, 4, NULL)), 1);
    check(memcmp(in.bufs[0], "kept", 4) == 0);
    submit(want_batch(&gone, &b, OP_RECVMANY, 4, NULL));
    submit(want_batch(&in, &b, OP_RECVMANY, 4, NULL));
    thing_close(&b);
    check_eq(gone.req.result, -ECANCELED);
    check_eq(in.req.result, -ECANCELED);
    thing_close(&a);
}

/* Connected to nobody: the answer of the machine comes back on this socket. */
static void datagram_refused(struct world *w)
{
    struct thing    a, b;
    hob_addr        addr_a, addr_b;
    struct datagram msg;
    struct req      connect;

    udp_open(w, &a, &addr_a);
    udp_open(w, &b, &addr_b);
    thing_close(&b);
    want_connect(&connect, &a, &addr_b);
    check_eq(run(&connect), 0);
    check_eq(run(want_datagram(&msg, &a, OP_SENDMSG, "x", 1, NULL)), 1);
    check_eq(run(want_datagram(&msg, &a, OP_RECVMSG, NULL, 8, NULL)), -ECONNREFUSED);
    thing_close(&a);
}

/* A full queue of another Unix socket is announced by no event to us. */
static void unix_datagrams(struct world *w)
{
    enum { MAX = 2000 };
    static struct datagram out[MAX];
    struct thing           a, b;
    struct datagram        in;
    struct req             req;
    hob_addr               addr = unix_addr(scratch(w, "dgram.sock"));
    int                    sent = 0, got = 0;

    socket_open(&a, w, AF_UNIX, SOCK_DGRAM);
    socket_open(&b, w, AF_UNIX, SOCK_DGRAM);
    req_init(&req, w, OP_BIND, &b);
    req.op.bind.addr = &addr;
    check_eq(quick(&req), 0);
    do {
        check(sent < MAX);
        submit(want_datagram(&out[sent], &a, OP_SENDMSG, &sent, sizeof sent, &addr));
        settle(w);
    } while (!out[sent++].req.flying);
    submit(want_datagram(&out[sent], &a, OP_SENDMSG, &sent, sizeof sent, &addr));
    sent++;
    while (got < sent) {
        int number;
        check_eq(run(want_datagram(&in, &b, OP_RECVMSG, NULL, 8, NULL)), sizeof number);
        memcpy(&number, in.buf, sizeof number);
        check_eq(number, got);
        got++;
    }
    for (int i = 0; i < sent; i++)
        wait_for(&out[i].req);
    thing_close(&a);
    thing_close(&b);
    remove_socket(w, &addr);
}

/* ---- descriptors through a Unix socket ---- */

static void passed_descriptors(struct world *w)
{
    struct thing  a, b;
    struct req    req;
    struct iovec  iov = { "x", 1 };
    int           fd = dup(0), got;
    char          control[CMSG_SPACE(sizeof(int))] = { 0 }, byte[4];
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
                          .msg_controllen = sizeof control };
    struct cmsghdr *head = CMSG_FIRSTHDR(&msg);

    if (fd < 0)
        fd = open("/dev/null", O_RDONLY);
    stream_pair(w, STREAM_UNIX, &a, &b);
    *head = (struct cmsghdr){ CMSG_LEN(sizeof fd), SOL_SOCKET, SCM_RIGHTS };
    memcpy(CMSG_DATA(head), &fd, sizeof fd);
    write_all(&a, "ab", 2);
    req_init(&req, w, OP_SENDMSG, &a);
    req.op.msg.msg = &msg;
    check_eq(run(&req), 1);
    close(fd);
    write_all(&a, "cd", 2);

    // A read that stopped at the descriptor was short, and yet there is more.
    size_t bytes = 0;
    int    fds = 0;
    while (bytes < 5) {
        iov = (struct iovec){ byte, sizeof byte };
        memset(control, 0, sizeof control);
        msg = (struct msghdr){ .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
                               .msg_controllen = sizeof control };
        req_init(&req, w, OP_RECVMSG, &b);
        req.op.msg.msg = &msg;
        check(run(&req) > 0);
        bytes += (size_t)req.result;
        head = CMSG_FIRSTHDR(&msg);
        if (head == NULL)
            continue;
        memcpy(&got, CMSG_DATA(head), sizeof got);
        check((fcntl(got, F_GETFD) & FD_CLOEXEC) != 0);
        close(got);
        fds++;
    }
    check_eq(fds, 1);

    // The same by plain receives, which let the descriptor fall.
    fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    iov = (struct iovec){ "x", 1 };
    memset(control, 0, sizeof control);
    msg = (struct msghdr){ .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
                           .msg_controllen = sizeof control };
    head = CMSG_FIRSTHDR(&msg);
    *head = (struct cmsghdr){ CMSG_LEN(sizeof fd), SOL_SOCKET, SCM_RIGHTS };
    memcpy(CMSG_DATA(head), &fd, sizeof fd);
    want_recv(&req, &b, byte, sizeof byte);
    submit(&req);
    settle(w);
    struct req send;
    req_init(&send, w, OP_SENDMSG, &a);
    send.op.msg.msg = &msg;
    check_eq(run(&send), 1);
    close(fd);
    write_all(&a, "rest", 4);
    wait_for(&req);
    char rest[4];
    read_all(&b, rest, 5 - (size_t)req.result);
    thing_close(&a);
    thing_close(&b);
}

/* ---- urgent bytes ---- */

static void urgent(struct world *w)
{
    struct thing a, b;
    char         buf[6];
    struct req   read;
    char         big[64];

    stream_pair(w, STREAM_TCP, &a, &b);
    want_recv(&read, &b, big, sizeof big);
    submit(&read);
    settle(w);
    check_eq(send(a.desc.fd, "abc", 3, 0), 3);
    check_eq(send(a.desc.fd, "!", 1, MSG_OOB), 1);
    check_eq(send(a.desc.fd, "def", 3, 0), 3);
    wait_for(&read);
    // Each read stops at the mark; nothing may sleep with bytes before it.
    size_t at = (size_t)read.result;
    check(at > 0);
    while (at < 6) {
        want_recv(&read, &b, big, sizeof big);
        check(run(&read) > 0);
        memcpy(buf, big, (size_t)read.result < 6 ? (size_t)read.result : 6);
        at += (size_t)read.result;
    }
    thing_close(&a);
    thing_close(&b);
}

/* ---- foreign descriptors ---- */

static void foreign(struct world *w)
{
    struct req poll[3];
    int        fds[2];

    check_eq(pipe(fds), 0);
    want_poll(&poll[0], w, fds[1], POLLOUT);
    check_eq(run(&poll[0]), POLLOUT);
    want_poll(&poll[0], w, fds[0], POLLIN);
    want_poll(&poll[1], w, fds[0], POLLIN);
    want_poll(&poll[2], w, fds[0], POLLIN);
    for (int i = 0; i < 3; i++)
        submit(&poll[i]);
    settle(w);
    for (int i = 0; i < 3; i++)
        check(poll[i].flying);
    cancel(&poll[1]);
    wait_for(&poll[1]);
    check_eq(poll[1].result, -ECANCELED);
    check_eq(write(fds[1], "x", 1), 1);
    wait_for(&poll[0]);
    wait_for(&poll[2]);
    check_eq(poll[0].result, POLLIN);
    check_eq(poll[2].result, POLLIN);
    check_eq(read(fds[0], (char[1]){ 0 }, 1), 1);
    want_poll(&poll[0], w, fds[0], POLLIN);
    submit(&poll[0]);
    turn(w, 0);
    close(fds[1]);
    wait_for(&poll[0]);
    check((poll[0].result & POLLHUP) != 0);
    close(fds[0]);
    want_poll(&poll[0], w, fds[0], POLLIN);
    check_eq(run(&poll[0]), -EBADF);
    int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    want_poll(&poll[0], w, file, POLLIN);
    check_eq(run(&poll[0]), -EPERM);
    close(file);
}

static void foreign_cancel_race(struct world *w)
{
    struct req poll;
    int        fds[2];

    check_eq(pipe(fds), 0);
    for (int i = 0; i < 200; i++) {
        want_poll(&poll, w, fds[0], POLLIN);
        submit(&poll);
        if (i & 1)
            turn(w, 0);
        if (i & 2)
            check_eq(write(fds[1], "x", 1), 1);
        if (i & 4)
            turn(w, 0);
        cancel(&poll);
        wait_for(&poll);
        check(poll.result == -ECANCELED || ((i & 2) && poll.result == POLLIN));
        if (i & 2)
            check_eq(read(fds[0], (char[1]){ 0 }, 1), 1);
        w->races++;
    }
    close(fds[0]);
    close(fds[1]);
}

/* ---- new descriptors ---- */

static void new_descriptors(struct world *w)
{
    struct thing pair[STREAM_KINDS][2];
    for (int kind = 0; kind < STREAM_KINDS; kind++) {
        stream_pair(w, (enum stream_kind)kind, &pair[kind][0], &pair[kind][1]);
        for (int i = 0; i < 2; i++)
            check((fcntl(pair[kind][i].desc.fd, F_GETFD) & FD_CLOEXEC) != 0);
    }
    for (int kind = 0; kind < STREAM_KINDS; kind++)
        close_all(pair[kind], 2);
}

static void names(struct world *w)
{
    struct thing listener, client, server;
    struct req   req;
    hob_addr     addr, peer, local;

    tcp_listen(w, &listener, &addr);
    tcp_connect(w, &addr, &client);
    want_accept(&req, &listener);
    thing_adopt(&server, w, run(&req), DESC_STREAM);
    req_init(&req, w, OP_PEERNAME, &client);
    req.op.name.out = &peer;
    check_eq(quick(&req), 0);
    check_eq(peer.len, addr.len);
    check(memcmp(peer.u.raw, addr.u.raw, 8) == 0);
    req_init(&req, w, OP_SOCKNAME, &client);
    req.op.name.out = &local;
    check_eq(quick(&req), 0);
    req_init(&req, w, OP_PEERNAME, &server);
    req.op.name.out = &peer;
    check_eq(quick(&req), 0);
    check(memcmp(peer.u.raw, local.u.raw, 8) == 0);
    thing_close(&client);
    thing_close(&server);
    thing_close(&listener);
}

static void addresses_in_use(struct world *w)
{
    struct thing listener, other;
    struct req   req;
    hob_addr     addr;

    tcp_listen(w, &listener, &addr);
    socket_open(&other, w, AF_INET, SOCK_STREAM);
    req_init(&req, w, OP_BIND, &other);
    req.op.bind.addr = &addr;
    check_eq(quick(&req), -EADDRINUSE);
    thing_close(&other);
    thing_close(&listener);
}

#define TINY { .ring_entries = 2, .completions = 4, .recv_bufs = 2, .recv_buf_bytes = 16 }

const struct test_case socket_cases[] = {
    { "accepts that wait get connections in order", accept_before_connect, 0, { 0 } },
    { "accepts that wait get connections in order in tiny queues", accept_before_connect, 0, TINY },
    { "connections that wait are accepted", accept_after_connect, 0, { 0 } },
    { "a cancelled accept loses no connection", cancelled_accept, 0, { 0 } },
    { "release of a listener ends accepts and closes connections", released_listener, 0, { 0 } },
    { "a connect to a closed port is refused", refused, 0, { 0 } },
    { "a cancelled connect ends, and the listener goes on", cancelled_connect, 0, { 0 } },
    { "a connect waits for room in a Unix listener, and can be cancelled", full_queue, 0, { 0 } },
    { "datagrams come whole, empty, cut and in order", datagrams, 0, { 0 } },
    { "a descriptor that nothing used goes at once", unused_goes_at_once, 0, { 0 } },
    { "many datagrams come at once, and in their turn", many_datagrams, 0, { 0 } },
    { "a datagram to nobody is refused on that socket", datagram_refused, 0, { 0 } },
    { "a Unix datagram waits for room at its receiver", unix_datagrams, 0, { 0 } },
    { "descriptors pass, and short reads before them stop nothing", passed_descriptors,
      NEEDS_KERNEL, { 0 } },
    { "urgent bytes stop nothing", urgent, NEEDS_KERNEL, { 0 } },
    { "foreign descriptors are waited for, several times each", foreign, NEEDS_KERNEL, { 0 } },
    { "a wait on a foreign descriptor and its cancel have one outcome", foreign_cancel_race,
      NEEDS_KERNEL, { 0 } },
    { "new descriptors are CLOEXEC", new_descriptors, NEEDS_KERNEL, { 0 } },
    { "both ends agree on their names", names, 0, { 0 } },
    { "a port in use is refused", addresses_in_use, 0, { 0 } },
    { 0 },
};
