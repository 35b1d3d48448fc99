/* SPDX-License-Identifier: MIT */
/*
 * Calls on files and folders, by plain system calls: op/fs.h.
 *
 * Needs no memory but the call's; any thread.
 */
#include "backend/fs_call.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "backend/backend.h"
#include "base/sys.h"

enum { OPEN_TRIES = 100 }; /* while others rename folders on the way */

static int open_now(const struct fs_call *call, int dir, int flags)
{
    if (call->a == 0)
        return hob__sys_openat(dir, call->path, flags, call->mode);
    for (int i = 0; i < OPEN_TRIES; i++) {
        int r = hob__sys_openat2(dir, call->path, flags, call->mode, (uint64_t)call->a);
        if (r == -ENOSYS || r == -EPERM) // EPERM: a sandbox's word for it
            return hob__open_beneath(dir, call->path, flags, call->mode, (uint64_t)call->a);
        if (r != -EAGAIN)
            return r;
    }
    return -EBUSY;
}

static bool may_wait(mode_t type)
{
    return S_ISFIFO(type) || S_ISCHR(type);
}

/* A FIFO would wait for its other end, so nothing is opened to wait; what is a file after all has
 * the flag taken off: with it, the kernel reads only what is in memory. */
static int open_file(struct fs_call *call, int dir)
{
    struct stat st;
    int         flags = (int)call->flags | O_CLOEXEC;
    int         fd = open_now(call, dir, flags | O_NONBLOCK);
    if (fd < 0)
        return fd;
    int r = hob__sys_fstat(fd, &st);
    if (r >= 0 && !may_wait(st.st_mode) && !(flags & O_NONBLOCK) && !(flags & O_PATH))
        r = hob__sys_set_status_flags(fd, flags & (O_APPEND | O_DIRECT | O_NOATIME));
    if (r < 0) {
        hob__sys_close(fd);
        return r;
    }
    call->b = st.st_mode & S_IFMT;
    return fd;
}

/* That another has the lock is an answer, and no error. */
static int64_t lock_answer(int r)
{
    return r == -EAGAIN || r == -EACCES ? 1 : r;
}

static bool follows(const struct fs_call *call)
{
    return (call->flags & AT_SYMLINK_NOFOLLOW) == 0;
}

static int statx_of(const struct fs_call *call, int fd)
{
    if (call->path != NULL)
        return hob__sys_statx(fd, call->path, (int)call->flags, call->mode, call->buf);
    return hob__sys_statx(fd, "", (int)call->flags | AT_EMPTY_PATH, call->mode, call->buf);
}

static int64_t xattr(const struct fs_call *call, int fd)
{
    const char *path = call->path;
    switch (call->what) {
    case FS_XATTR_GET:
        return hob__sys_getxattr(fd, path, follows(call), call->other, call->buf, call->len);
    case FS_XATTR_SET:
        return hob__sys_setxattr(fd, path, follows(call), call->other, call->buf, call->len,
                                 (int)call->mode);
    case FS_XATTR_LIST:
        return hob__sys_listxattr(fd, path, follows(call), call->buf, call->len);
    default:
        return hob__sys_removexattr(fd, path, follows(call), call->other);
    }
}

int64_t hob__fs_carry_out(struct fs_call *call, int fd)
{
    int flags = (int)call->flags;

    switch (call->what) {
    case FS_OPEN:
        return open_file(call, fd);
    case FS_RENAME:
        return hob__sys_renameat(fd, call->path, call->other, call->flags);
    case FS_LINK:
        return hob__sys_linkat(fd, call->path, call->other, flags);
    case FS_LINK_FD:
        return hob__sys_link_fd(fd, call->other);
    case FS_SYMLINK:
        return hob__sys_symlinkat(call->other, fd, call->path);
    case FS_READLINK:
        return hob__sys_readlinkat(fd, call->path, call->buf, call->len);
    case FS_UNLINK:
        return hob__sys_unlinkat(fd, call->path, flags);
    case FS_MKDIR:
        return hob__sys_mkdirat(fd, call->path, call->mode);
    case FS_STATX:
        return statx_of(call, fd);
    case FS_CHMOD:
        return hob__sys_chmod(fd, call->path, call->mode);
    case FS_CHOWN:
        return hob__sys_chown(fd, call->path, (uid_t)call->a, (gid_t)call->b, flags);
    case FS_UTIMES:
        return hob__sys_utimens(fd, call->path, call->buf, flags);
    case FS_ACCESS:
        return hob__sys_faccessat(fd, call->path, (int)call->mode, flags);
    case FS_XATTR_GET:
    case FS_XATTR_SET:
    case FS_XATTR_LIST:
    case FS_XATTR_REMOVE:
        return xattr(call, fd);
    case FS_GETDENTS:
        return hob__sys_getdents(fd, call->buf, call->len);
    case FS_STATVFS:
        return hob__sys_statvfs(fd, call->path, call->buf);
    case FS_TRUNCATE:
        return hob__sys_truncate(fd, call->path, call->a);
    case FS_ALLOCATE:
        return hob__sys_fallocate(fd, (int)call->mode, call->a, call->b);
    case FS_DATASYNC:
        return hob__sys_fdatasync(fd);
    case FS_READV:
        return hob__sys_preadv(fd, call->buf, call->len, call->a);
    case FS_WRITEV:
        return hob__sys_pwritev(fd, call->buf, call->len, call->a);
    case FS_LOCK:
        return lock_answer(hob__sys_flock(fd, flags | LOCK_NB));
    case FS_LOCK_RANGE:
        return lock_answer(hob__sys_lock_range(fd, (short)call->mode, call->a, call->b));
    case FS_WATCH_NEW:
        return hob__sys_inotify_init(IN_NONBLOCK | IN_CLOEXEC);
    case FS_WATCH_ADD:
        return hob__sys_inotify_add(fd, call->other, call->mode);
    case FS_WATCH_REMOVE:
        return hob__sys_inotify_remove(fd, (int)call->a);
    case FS_CALLS:
        break;
    }
    hob_unreachable("unknown call on files");
}
