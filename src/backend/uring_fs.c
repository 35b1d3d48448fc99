/* SPDX-License-Identifier: MIT */
/*
 * Calls on files and folders that io_uring has opcodes for.
 *
 * Each opcode is asked for by itself; what this kernel does not know, and what none does (the
 * entries of a folder, locks, watches), goes to the threads of blocking.c.
 */
#include "backend/uring.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>

#include "base/lack.h"

/* The opcode of a call; -1: none. OPEN is there for folders: of others one must know first what
 * they are (fs_call.c). It stands for openat2, which is younger than openat. */
static int opcode_of(enum fs_what what)
{
    switch (what) {
    case FS_OPEN:     return IORING_OP_OPENAT2;
    case FS_RENAME:   return IORING_OP_RENAMEAT;
    case FS_LINK:     return IORING_OP_LINKAT;
    case FS_SYMLINK:  return IORING_OP_SYMLINKAT;
    case FS_UNLINK:   return IORING_OP_UNLINKAT;
    case FS_MKDIR:    return IORING_OP_MKDIRAT;
    case FS_STATX:    return IORING_OP_STATX;
    case FS_ALLOCATE: return IORING_OP_FALLOCATE;
    case FS_DATASYNC: return IORING_OP_FSYNC;
    case FS_READV:    return IORING_OP_READV;
    case FS_WRITEV:   return IORING_OP_WRITEV;
    default:          return -1;
    }
}

static bool is_tmpfile(const struct fs_call *call)
{
    return (call->flags & O_TMPFILE) == O_TMPFILE; // which has O_DIRECTORY in it
}

bool hob__uring_knows_fs(const struct uring *u, const struct fs_call *call)
{
    static_assert(FS_CALLS < 64, "a bit for each");
    if (call->what == FS_OPEN && ((call->flags & O_DIRECTORY) == 0 || is_tmpfile(call)))
        return false;
    return u->opcodes >> call->what & 1;
}

void hob__uring_probe_fs(struct uring *u)
{
    u->opcodes = 0;
    struct io_uring_probe *probe = hob__lacks(LACK_RING_FILES)
                                 ? NULL : io_uring_get_probe_ring(&u->ring);
    if (probe == NULL)
        return; // an old kernel, or no memory: the threads do all
    for (int what = 0; what < FS_CALLS; what++) {
        int opcode = opcode_of((enum fs_what)what);
        if (opcode >= 0 && io_uring_opcode_supported(probe, opcode))
            u->opcodes |= UINT64_C(1) << what;
    }
    io_uring_free_probe(probe);
}

static void prep_open(struct io_uring_sqe *sqe, struct fs_call *call, int fd)
{
    struct open_how *how = (struct open_how *)call->room;
    static_assert(sizeof *how <= sizeof call->room, "openat2's argument fits into the call");
    int flags = (int)call->flags | O_CLOEXEC;
    call->b = S_IFDIR; // or it is refused
    if (call->a == 0) {
        io_uring_prep_openat(sqe, fd, call->path, flags, call->mode);
        return;
    }
    *how = (struct open_how){ .flags = (uint64_t)(unsigned)flags, .resolve = (uint64_t)call->a };
    io_uring_prep_openat2(sqe, fd, call->path, how);
}

static void prep_statx(struct io_uring_sqe *sqe, struct fs_call *call, int fd)
{
    if (call->path != NULL)
        io_uring_prep_statx(sqe, fd, call->path, (int)call->flags, call->mode, call->buf);
    else
        io_uring_prep_statx(sqe, fd, "", (int)call->flags | AT_EMPTY_PATH, call->mode, call->buf);
}

void hob__uring_prep_fs(struct io_uring_sqe *sqe, struct fs_call *call, int fd)
{
    int flags = (int)call->flags;

    switch (call->what) {
    case FS_OPEN:
        prep_open(sqe, call, fd);
        return;
    case FS_RENAME:
        io_uring_prep_renameat(sqe, fd, call->path, fd, call->other, call->flags);
        return;
    case FS_LINK:
        io_uring_prep_linkat(sqe, fd, call->path, fd, call->other, flags);
        return;
    case FS_SYMLINK:
        io_uring_prep_symlinkat(sqe, call->other, fd, call->path);
        return;
    case FS_UNLINK:
        io_uring_prep_unlinkat(sqe, fd, call->path, flags);
        return;
    case FS_MKDIR:
        io_uring_prep_mkdirat(sqe, fd, call->path, call->mode);
        return;
    case FS_STATX:
        prep_statx(sqe, call, fd);
        return;
    case FS_ALLOCATE:
        io_uring_prep_fallocate(sqe, fd, (int)call->mode, call->a, call->b);
        return;
    case FS_DATASYNC:
        io_uring_prep_fsync(sqe, fd, IORING_FSYNC_DATASYNC);
        return;
    case FS_READV:
        io_uring_prep_readv(sqe, fd, call->buf, (unsigned)call->len, (uint64_t)call->a);
        return;
    case FS_WRITEV:
        io_uring_prep_writev(sqe, fd, call->buf, (unsigned)call->len, (uint64_t)call->a);
        return;
    default:
        hob_unreachable("a call on files that io_uring does not carry");
    }
}
