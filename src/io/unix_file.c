/* SPDX-License-Identifier: MIT */
#include "io/unix_file.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/alloc.h"

static bool has_file(const hob_addr *addr)
{
    return addr->u.family == AF_UNIX && addr->len > offsetof(struct sockaddr_un, sun_path) &&
           addr->u.raw[offsetof(struct sockaddr_un, sun_path)] != '\0';
}

static void unlink_file(const hob_addr *addr, uint64_t file)
{
    struct op op = { .kind = OP_UNLINK, .unlink = { .addr = addr, .file = file } };
    (void)hob__op_quick(&op); // it may be gone already
}

void hob__unlink_own(const hob_addr *addr, uint64_t file)
{
    if (file != 0)
        unlink_file(addr, file);
}

static void probe_gone(struct desc *desc)
{
    hob__free(desc);
}

/* Says whether a socket is behind the address: 1, 0, or a negative error.
 *
 * The question is a datagram socket's connect. It never waits for room in a
 * listener's queue and no listener ever notices: of a stream socket it says
 * -EPROTOTYPE, and -ECONNREFUSED only when there is no socket at all. */
static int is_somebody_there(const hob_addr *addr)
{
    struct desc *probe = hob__alloc_zero(sizeof *probe);
    if (probe == NULL)
        return -ENOMEM;
    int fd = hob__socket_open(AF_UNIX, SOCK_DGRAM);
    if (fd < 0) {
        hob__free(probe);
        return fd;
    }

    hob__desc_open(probe, fd, DESC_DGRAM, "probe of a Unix address", NULL, probe_gone);
    struct op op = { .kind = OP_CONNECT, .desc = probe, .connect = { .addr = addr } };
    hob__op_await(&op);
    hob__desc_close(probe);

    if (op.result == -ECONNREFUSED || op.result == -ENOENT)
        return 0;
    if (op.result == -ECANCELED || op.result == -ETIMEDOUT)
        return (int)op.result;
    return 1; // also when we may not look
}

int hob__bind_replacing(struct desc *desc, const hob_addr *addr, uint64_t *ret_file)
{
    int r = hob__socket_bind(desc, addr, ret_file);
    if (r != -EADDRINUSE || !has_file(addr))
        return r;

    r = is_somebody_there(addr);
    if (r < 0)
        return r;
    if (r == 1)
        return -EADDRINUSE;
    unlink_file(addr, 0);
    return hob__socket_bind(desc, addr, ret_file);
}
