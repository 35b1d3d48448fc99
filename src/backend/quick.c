/* SPDX-License-Identifier: MIT */
/*
 * Operations that never wait, by plain system calls.
 *
 * New descriptors are non-blocking and CLOEXEC. Needs no memory but the op's;
 * any thread.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "backend/backend.h"
#include "base/sys.h"
#include "hob/addr.h"

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

static const struct sockaddr *sockaddr_of(const struct hob_addr *addr)
{
    return (const struct sockaddr *)addr->u.raw;
}

typedef int name_call(int fd, struct sockaddr *addr, socklen_t *len);

static int ask_name(name_call *call, int fd, struct hob_addr *ret_addr)
{
    struct hob_addr addr = { 0 };
    socklen_t       len = sizeof addr.u.raw;
    int             r = call(fd, (struct sockaddr *)addr.u.raw, &len);
    if (r < 0)
        return r;
    addr.len = len < sizeof addr.u.raw ? (uint16_t)len : sizeof addr.u.raw;
    *ret_addr = addr;
    return 0;
}

/* Writes the path of a Unix socket's file. Abstract and unnamed ones have none. */
static bool path_of(const struct hob_addr *addr, char path[static sizeof addr->u.raw + 1])
{
    size_t at = offsetof(struct sockaddr_un, sun_path);
    if (addr->u.family != AF_UNIX || addr->len <= at || addr->u.raw[at] == '\0')
        return false;
    memcpy(path, addr->u.raw + at, addr->len - at);
    path[addr->len - at] = '\0';
    return true;
}

/* The number of the socket's file, not 0; 0 if there is none, or it is something else. */
static uint64_t file_number(const char *path)
{
    struct stat st;
    if (hob__sys_stat(path, &st) < 0 || !S_ISSOCK(st.st_mode))
        return 0;
    uint64_t number = (uint64_t)st.st_ino ^ ((uint64_t)st.st_dev << 48);
    return number != 0 ? number : 1;
}

static int bind_socket(int fd, const struct hob_addr *addr, uint64_t *ret_file)
{
    char path[sizeof addr->u.raw + 1];
    int  r = hob__sys_bind(fd, sockaddr_of(addr), addr->len);
    if (r >= 0 && ret_file != NULL)
        *ret_file = path_of(addr, path) ? file_number(path) : 0;
    return r;
}

static int unlink_socket(const struct hob_addr *addr, uint64_t file)
{
    char path[sizeof addr->u.raw + 1];
    if (!path_of(addr, path))
        return 0;
    uint64_t there = file_number(path);
    if (there == 0 || (file != 0 && there != file))
        return 0; // no socket, or somebody else's by now
    return hob__sys_unlink(path);
}

static int set_option(int fd, const struct op *op)
{
    if (op->setopt.data != NULL)
        return hob__sys_setsockopt(fd, op->setopt.level, op->setopt.name, op->setopt.data,
                                   op->setopt.len);
    return hob__sys_setsockopt(fd, op->setopt.level, op->setopt.name, &op->setopt.value,
                               sizeof op->setopt.value);
}

static int get_option(int fd, const struct op *op)
{
    socklen_t len = op->getopt.len;
    int       r = hob__sys_getsockopt(fd, op->getopt.level, op->getopt.name, op->getopt.out, &len);
    return r < 0 ? r : (int)len;
}

static int ask_number(int fd, int name, int *ret_value)
{
    socklen_t len = sizeof *ret_value;
    return hob__sys_getsockopt(fd, SOL_SOCKET, name, ret_value, &len);
}

static int check_socket(const struct op *op)
{
    int fd = op->adopt.fd, domain = 0, type = 0, protocol = 0, listens = 0;
    int r = ask_number(fd, SO_TYPE, &type);
    if (r == 0)
        r = ask_number(fd, SO_DOMAIN, &domain);
    if (r == 0)
        r = ask_number(fd, SO_PROTOCOL, &protocol);
    if (r == 0)
        r = ask_number(fd, SO_ACCEPTCONN, &listens);
    if (r < 0)
        return r;
    bool is_inet = domain == AF_INET || domain == AF_INET6;
    if (op->adopt.domain == AF_INET ? !is_inet : domain != op->adopt.domain)
        return -EAFNOSUPPORT;
    if (type != op->adopt.type)
        return -EPROTOTYPE;
    if (is_inet && protocol != (type == SOCK_DGRAM ? IPPROTO_UDP : IPPROTO_TCP) &&
        protocol != IPPROTO_MPTCP)
        return -EPROTONOSUPPORT;
    return (listens != 0) == op->adopt.listens ? 0 : -EINVAL;
}

/* Nothing is changed unless it is what we want. It is shared with who gave it, who hears of
 * O_NONBLOCK, too. */
static int adopt_socket(const struct op *op)
{
    int fd = op->adopt.fd, r = check_socket(op);
    int flags = r < 0 ? r : hob__sys_get_status_flags(fd);
    if (flags >= 0)
        r = hob__sys_set_status_flags(fd, flags | O_NONBLOCK);
    if (flags < 0 || r < 0)
        return flags < 0 ? flags : r;
    if (op->adopt.copy)
        return hob__sys_dup(fd);
    r = hob__sys_set_cloexec(fd);
    return r < 0 ? r : fd;
}

static int64_t carry_out(struct op *op)
{
    enum { NEW_SOCKET = SOCK_NONBLOCK | SOCK_CLOEXEC };
    int fd = op->desc != NULL ? op->desc->fd : -1;

    switch (op->kind) {
    case OP_SOCKET:
        return hob__sys_socket(op->socket.domain, op->socket.type | NEW_SOCKET, 0);
    case OP_SOCKETPAIR:
        return hob__sys_socketpair(op->pair.domain, op->pair.type | NEW_SOCKET, 0, op->pair.fds);
    case OP_PIPE:
        return hob__sys_pipe(op->pair.fds, O_NONBLOCK | O_CLOEXEC);
    case OP_BIND:
        return bind_socket(fd, op->bind.addr, op->bind.ret_file);
    case OP_LISTEN:
        return hob__sys_listen(fd, op->listen.backlog);
    case OP_SHUTDOWN:
        return hob__sys_shutdown(fd, SHUT_WR);
    case OP_SOCKNAME:
        return ask_name(hob__sys_getsockname, fd, op->name.out);
    case OP_PEERNAME:
        return ask_name(hob__sys_getpeername, fd, op->name.out);
    case OP_SETOPT:
        return set_option(fd, op);
    case OP_GETOPT:
        return get_option(fd, op);
    case OP_ADOPT:
        return adopt_socket(op);
    case OP_UNLINK:
        return unlink_socket(op->unlink.addr, op->unlink.file);
    default:
        hob_unreachable("an op that is not quick was given to hob__quick_submit");
    }
}

enum { ACCEPT_TRIES = 32 };

/* What accept(2) tells about a connection that died in the queue, not about the listener. */
static bool is_of_one_connection(int error)
{
    switch (error) {
    case -ECONNABORTED:
    case -EPROTO:
    case -ENETDOWN:
    case -ENOPROTOOPT:
    case -EHOSTDOWN:
    case -ENONET:
    case -EHOSTUNREACH:
    case -ENETUNREACH:
    case -EPERM:
        return true;
    default:
        return false;
    }
}

int64_t hob__accept_now(int fd)
{
    int r = -ECONNABORTED;
    for (int tries = 0; tries < ACCEPT_TRIES && is_of_one_connection(r); tries++)
        r = hob__sys_accept(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    return r;
}

/* An error is told once by the system, and belongs to the next call that reads or writes: so it is
 * named here without asking for it. */
int64_t hob__look_now(int fd)
{
    struct pollfd ask = { .fd = fd, .events = POLLIN };
    char          byte;
    int           r = hob__sys_poll(&ask, 1, 0);

    if (r == 0 || r == -EINTR)
        return -EAGAIN;
    if (r < 0)
        return r;
    if (ask.revents & POLLNVAL)
        return -EBADF;
    if (ask.revents & POLLERR)
        return -ECONNRESET;
    return hob__sys_recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
}

int64_t hob__splice_now(const struct op *op)
{
    int fd = op->desc->fd, pipe_fd = op->splice.pipe_fd;
    return op->splice.inward ? hob__sys_splice(fd, pipe_fd, op->splice.len)
                             : hob__sys_splice(pipe_fd, fd, op->splice.len);
}

/* A direct read waits for the disk, whatever is asked for: there is no memory that it comes from. */
static bool may_be_in_memory(int fd)
{
    int flags = hob__sys_get_status_flags(fd);
    return flags >= 0 && (flags & O_DIRECT) == 0;
}

int64_t hob__read_from_memory(const struct op *op, uint8_t *from_memory)
{
    int fd = op->desc->fd;
    if (*from_memory == FROM_MEMORY_UNKNOWN)
        *from_memory = may_be_in_memory(fd) ? FROM_MEMORY_YES : FROM_MEMORY_NO;
    if (*from_memory == FROM_MEMORY_NO)
        return -EAGAIN;
    int64_t r = hob__sys_read_now(fd, op->rw.buf, op->rw.len, op->rw.offset);
    if (r != -EOPNOTSUPP)
        return r;
    *from_memory = FROM_MEMORY_NO; // the file system, or the kernel, knows no such question
    return -EAGAIN;
}

/* MSG_TRUNC: told is the length of each datagram, also when it was cut. */
int64_t hob__many_now(const struct op *op)
{
    int fd = op->desc->fd;
    return op->kind == OP_RECVMANY
             ? hob__sys_recvmmsg(fd, op->many.msgs, op->many.count,
                                 MSG_DONTWAIT | MSG_TRUNC | MSG_CMSG_CLOEXEC)
             : hob__sys_sendmmsg(fd, op->many.msgs, op->many.count, MSG_DONTWAIT | MSG_NOSIGNAL);
}

void hob__quick_submit(struct op *op)
{
    hob_assert(op->state == OP_IDLE);
    op->result = carry_out(op);
    op->state = OP_DONE;
}
