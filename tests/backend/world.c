/* SPDX-License-Identifier: MIT */
#include "world.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fault.h"

const char *doing, *doing_more;

static const int64_t PATIENCE_NS = 10000000000;

void fail(const char *file, int line, const char *format, ...)
{
    va_list args;
    fflush(stdout);
    fprintf(stderr, "  %s:%d: ", file, line);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    if (doing != NULL)
        fprintf(stderr, " (%s:%s)", doing, doing_more);
    fprintf(stderr, " (seed %llu)\n", (unsigned long long)seed);
    _exit(1);
}

void skip(const char *reason)
{
    printf("  skipped: %s\n", reason);
    fflush(stdout);
    _exit(77);
}

/* ---- the world ---- */

int open_fds(struct world *w)
{
    struct backend_stats stats = { 0 };
    int                  count = 0;
    DIR *dir = opendir("/proc/self/fd");
    check(dir != NULL);
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    if (w->b != NULL)
        w->b->type->stats(w->b, &stats);
    return count + (int)stats.numbers;
}

void world_open(struct world *w, const struct backend_type *type, const struct backend_opts *opts)
{
    *w = (struct world){ .opts = *opts, .is_sim = strcmp(type->name, "sim") == 0 };
    w->fds_before = open_fds(w);
    w->blocks_before = hob__alloc_blocks();
    int r = type->open(opts, &w->b);
    if (r == -ENOSYS || r == -EPERM || r == -ENOMEM)
        skip("this machine does not have it");
    check_eq(r, 0);
}

void world_close(struct world *w)
{
    struct backend_stats stats;
    check_eq(w->flying, 0);
    check_eq(w->descs, 0);
    w->b->type->stats(w->b, &stats);
    check_eq(stats.in_flight, 0);
    check_eq(stats.numbers, 0);
    w->b->type->close(w->b);
    w->b = NULL;
    check_eq(open_fds(w), w->fds_before);
    check_eq(hob__alloc_blocks(), w->blocks_before);
}

/* ---- ops ---- */

void req_init(struct req *req, struct world *w, enum op_kind kind, struct thing *on)
{
    *req = (struct req){ .w = w, .on = on };
    req->op.kind = kind;
    req->op.desc = on != NULL ? &on->desc : NULL;
    list_node_init(&req->op.link);
}

static void came_back(struct req *req)
{
    check_eq(req->op.state, OP_DONE);
    check(req->flying);
    check(!req->ended);
    check(req->op.result != -EAGAIN);
    check(req->op.result != -EINTR);
    req->flying = false;
    req->ended = true;
    req->nth = ++req->w->finished;
    req->result = req->op.result;
    req->op.state = OP_IDLE;
    req->w->flying--;
    if (req->on != NULL) {
        check(req->on->open);
        check(req->on->out > 0);
        req->on->out--;
    }
}

void submit(struct req *req)
{
    check(!req->flying);
    check_eq(req->op.state, OP_IDLE);
    req->flying = true;
    req->ended = false;
    req->w->flying++;
    if (req->on != NULL)
        req->on->out++;
    req->w->b->type->submit(req->w->b, &req->op);
    if (req->op.state == OP_DONE)
        came_back(req);
    else
        check_eq(req->op.state, OP_FLYING);
}

void cancel(struct req *req)
{
    if (!req->flying)
        return;
    // What the core promises: only an op that flies is cancelled.
    if (req->op.state == OP_FLYING) {
        req->op.cancel_asked = 1;
        req->w->b->type->cancel(req->w->b, &req->op);
    }
    check(req->op.state == OP_FLYING || req->op.state == OP_DONE);
}

void turn(struct world *w, int64_t timeout_ns)
{
    struct list       done;
    struct list_node *node;
    int64_t           deadline = timeout_ns == 0 ? 0 : w->b->type->now(w->b) + timeout_ns;

    list_init(&done);
    w->b->type->poll(w->b, deadline, &done);
    while ((node = list_pop_front(&done)) != NULL)
        came_back(container_of(container_of(node, struct op, link), struct req, op));
}

static int64_t real_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

void wait_for(struct req *req)
{
    struct world *w = req->w;
    int64_t       until = w->b->type->now(w->b) + PATIENCE_NS;
    int64_t       until_really = real_now() + PATIENCE_NS;
    while (!req->ended) {
        if (w->b->type->now(w->b) >= until || real_now() >= until_really)
            fail(__FILE__, __LINE__, "%s does not end", hob__op_name(req->op.kind));
        turn(w, PATIENCE_NS / 10);
    }
}

void wait_gone(struct thing *thing)
{
    struct world *w = thing->w;
    int64_t       until_really = real_now() + PATIENCE_NS;
    while (thing->open) {
        if (real_now() >= until_really)
            fail(__FILE__, __LINE__, "a released descriptor is not gone");
        turn(w, PATIENCE_NS / 10);
    }
}

/* Two quiet milliseconds: longer than anything on this machine takes to arrive. */
void settle(struct world *w)
{
    uint64_t before;
    do {
        before = w->finished;
        turn(w, 2000000);
        if (hob__interrupts_all()) // that one was no turn
            turn(w, 2000000);
        turn(w, 0);
    } while (w->finished != before);
}

int64_t run(struct req *req)
{
    submit(req);
    wait_for(req);
    return req->result;
}

int64_t quick(struct req *req)
{
    submit(req);
    check(req->ended);
    return req->result;
}

void want_recv(struct req *req, struct thing *on, void *buf, size_t len)
{
    req_init(req, on->w, OP_RECV, on);
    req->op.recv.buf = buf;
    req->op.recv.len = len;
}

void want_send(struct req *req, struct thing *on, const void *buf, size_t len)
{
    req_init(req, on->w, OP_SEND, on);
    req->op.send.buf = buf;
    req->op.send.len = len;
}

void want_accept(struct req *req, struct thing *on)
{
    req_init(req, on->w, OP_ACCEPT, on);
}

void want_connect(struct req *req, struct thing *on, const hob_addr *addr)
{
    req_init(req, on->w, OP_CONNECT, on);
    req->op.connect.addr = addr;
}

void want_rw(struct req *req, struct thing *on, enum op_kind kind, void *buf, size_t len,
             int64_t offset)
{
    req_init(req, on->w, kind, on);
    req->op.rw.buf = buf;
    req->op.rw.len = len;
    req->op.rw.offset = offset;
}

void want_poll(struct req *req, struct world *w, int fd, unsigned events)
{
    req_init(req, w, OP_POLL, NULL);
    req->op.poll.fd = fd;
    req->op.poll.events = events;
}

void want_open(struct req *req, struct world *w, const char *path, int flags, unsigned mode)
{
    req_init(req, w, OP_OPEN, NULL);
    req->op.open.path = path;
    req->op.open.flags = flags;
    req->op.open.mode = mode;
}

/* ---- things ---- */

static void thing_gone(struct desc *desc)
{
    struct thing *thing = container_of(desc, struct thing, desc);
    check(thing->open);
    check_eq(thing->out, 0); // its ops came back before
    check_eq(desc->flying, 0);
    check(list_is_empty(&desc->ops));
    thing->open = false;
    thing->w->descs--;
    memset(&thing->desc, 0xDB, sizeof thing->desc);
}

void thing_adopt(struct thing *thing, struct world *w, int64_t fd, enum desc_kind kind)
{
    check(fd >= 0);
    *thing = (struct thing){ .w = w, .open = true };
    thing->desc.fd = (int)fd;
    thing->desc.kind = kind;
    thing->desc.gone = thing_gone;
    list_init(&thing->desc.ops);
    list_node_init(&thing->desc.link);
    w->descs++;
}

void thing_release(struct thing *thing)
{
    check(thing->open);
    thing->desc.closing = true;
    thing->w->b->type->release(thing->w->b, &thing->desc);
}

void thing_close(struct thing *thing)
{
    thing_release(thing);
    wait_gone(thing);
}

void socket_open(struct thing *thing, struct world *w, int domain, int type)
{
    struct req req;
    req_init(&req, w, OP_SOCKET, NULL);
    req.op.socket.domain = domain;
    req.op.socket.type = type;
    thing_adopt(thing, w, quick(&req), type == SOCK_STREAM ? DESC_STREAM : DESC_DGRAM);
}

const char *const stream_names[STREAM_KINDS] = { "TCP", "a Unix socket", "a pipe" };

void tcp_listen(struct world *w, struct thing *listener, hob_addr *ret_addr)
{
    struct req req;
    hob_addr   addr = { 0 };
    addr.u.family = AF_INET;
    addr.u.raw[4] = 127;
    addr.u.raw[7] = 1;
    addr.len = 16;

    socket_open(listener, w, AF_INET, SOCK_STREAM);
    listener->desc.kind = DESC_LISTENER;
    req_init(&req, w, OP_BIND, listener);
    req.op.bind.addr = &addr;
    check_eq(quick(&req), 0);
    req_init(&req, w, OP_LISTEN, listener);
    req.op.listen.backlog = 128;
    check_eq(quick(&req), 0);
    req_init(&req, w, OP_SOCKNAME, listener);
    req.op.name.out = ret_addr;
    check_eq(quick(&req), 0);
    check_eq(ret_addr->u.family, AF_INET);
}

void tcp_connect(struct world *w, const hob_addr *addr, struct thing *ret_client)
{
    struct req req;
    socket_open(ret_client, w, AF_INET, SOCK_STREAM);
    want_connect(&req, ret_client, addr);
    check_eq(run(&req), 0);
}

void stream_pair(struct world *w, enum stream_kind kind, struct thing *a, struct thing *b)
{
    struct req req;
    int        fds[2];

    switch (kind) {
    case STREAM_TCP: {
        struct thing listener;
        hob_addr     addr;
        tcp_listen(w, &listener, &addr);
        tcp_connect(w, &addr, a);
        want_accept(&req, &listener);
        thing_adopt(b, w, run(&req), DESC_STREAM);
        thing_close(&listener);
        break;
    }
    case STREAM_UNIX:
        req_init(&req, w, OP_SOCKETPAIR, NULL);
        req.op.pair.domain = AF_UNIX;
        req.op.pair.type = SOCK_STREAM;
        req.op.pair.fds = fds;
        check_eq(quick(&req), 0);
        thing_adopt(a, w, fds[0], DESC_STREAM);
        thing_adopt(b, w, fds[1], DESC_STREAM);
        break;
    default:
        req_init(&req, w, OP_PIPE, NULL);
        req.op.pair.fds = fds;
        check_eq(quick(&req), 0);
        thing_adopt(a, w, fds[1], DESC_PIPE);
        thing_adopt(b, w, fds[0], DESC_PIPE);
    }
}

void stream_want_read(struct req *req, struct thing *on, void *buf, size_t len)
{
    if (on->desc.kind == DESC_PIPE)
        want_rw(req, on, OP_READ, buf, len, -1);
    else
        want_recv(req, on, buf, len);
}

void stream_want_write(struct req *req, struct thing *on, const void *buf, size_t len)
{
    if (on->desc.kind == DESC_PIPE)
        want_rw(req, on, OP_WRITE, (void *)buf, len, -1);
    else
        want_send(req, on, buf, len);
}

void write_all(struct thing *on, const void *buf, size_t len)
{
    struct req req;
    for (size_t at = 0; at < len; at += (size_t)req.result) {
        stream_want_write(&req, on, (const char *)buf + at, len - at);
        check(run(&req) > 0);
    }
}

void read_all(struct thing *on, void *buf, size_t len)
{
    struct req req;
    for (size_t at = 0; at < len; at += (size_t)req.result) {
        stream_want_read(&req, on, (char *)buf + at, len - at);
        check(run(&req) > 0);
    }
}

size_t fill_up(struct thing *on)
{
    static const char zeros[65536];
    size_t            filled = 0;
    struct req        req;
    for (;;) {
        stream_want_write(&req, on, zeros, sizeof zeros);
        submit(&req);
        settle(on->w);
        if (!req.ended) {
            cancel(&req);
            wait_for(&req);
            if (req.result == -ECANCELED)
                return filled;
        }
        check(req.result > 0);
        filled += (size_t)req.result;
    }
}

const char *scratch(struct world *w, const char *name)
{
    static char path[sizeof scratch_folder + 64];
    snprintf(path, sizeof path, "%s/%s", w->is_sim ? "/tmp" : scratch_folder, name);
    return path;
}
