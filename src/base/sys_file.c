/* SPDX-License-Identifier: MIT */
/* The system calls about files, folders and what watches them: sys.h. */
#include "base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/call.h"
#include "base/lack.h"

int hob__sys_openat(int dir, const char *path, int flags, mode_t mode)
{
    if (hob__fault())
        return -ENFILE;
    return RESULT_OF_RETRIED(openat(dir, path, flags, mode));
}

int hob__sys_openat2(int dir, const char *path, int flags, mode_t mode, uint64_t resolve)
{
    struct open_how how = { .flags = (uint64_t)(unsigned)flags, .resolve = resolve };
    if ((flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE)
        how.mode = mode & 07777;
    if (hob__fault())
        return -ENFILE;
    if (hob__lacks(LACK_OPENAT2))
        return -ENOSYS;
    return RESULT_OF_RETRIED((int)syscall(SYS_openat2, dir, path, &how, sizeof how));
}

int hob__sys_renameat(int dir, const char *from, const char *to, unsigned flags)
{
    if (hob__fault())
        return -EIO;
    return RESULT_OF_RETRIED(renameat2(dir, from, dir, to, flags));
}

int hob__sys_linkat(int dir, const char *from, const char *to, int flags)
{
    if (hob__fault())
        return -EIO;
    return RESULT_OF_RETRIED(linkat(dir, from, dir, to, flags));
}

int hob__sys_link_fd(int fd, const char *to)
{
    char self[32];
    snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
    if (hob__fault())
        return -EIO;
    return RESULT_OF_RETRIED(linkat(AT_FDCWD, self, AT_FDCWD, to, AT_SYMLINK_FOLLOW));
}

int hob__sys_symlinkat(const char *target, int dir, const char *path)
{
    if (hob__fault())
        return -EIO;
    return RESULT_OF_RETRIED(symlinkat(target, dir, path));
}

ssize_t hob__sys_readlinkat(int dir, const char *path, char *buf, size_t len)
{
    if (hob__fault())
        return -EIO;
    return RESULT_OF_RETRIED(readlinkat(dir, path, buf, len));
}

int hob__sys_unlinkat(int dir, const char *path, int flags)
{
    if (hob__fault())
        return -EIO;
    return RESULT_OF_RETRIED(unlinkat(dir, path, flags));
}

int hob__sys_mkdirat(int dir, const char *path, mode_t mode)
{
    if (hob__fault())
        return -EIO;
    return RESULT_OF_RETRIED(mkdirat(dir, path, mode));
}

int hob__sys_statx(int dir, const char *path, int flags, unsigned mask, struct statx *ret_stat)
{
    if (hob__fault())
        return -EIO;
    return RESULT_OF_RETRIED(statx(dir, path, flags, mask, ret_stat));
}

int hob__sys_chmod(int dir, const char *path, mode_t mode)
{
    if (hob__fault())
        return -EIO;
    return RESULT_OF_RETRIED(path != NULL ? fchmodat(dir, path, mode, 0) : fchmod(dir, mode));
}

int hob__sys_chown(int dir, const char *path, uid_t uid, gid_t gid, int flags)
{
    if (hob__fault())
        return -EIO;
    return RESULT_OF_RETRIED(path != NULL ? fchownat(dir, path, uid, gid, flags)
                                          : fchown(dir, uid, gid));
}

int hob__sys_utimens(int dir, const char *path, const struct timespec times[2], int flags)
{
    if (hob__fault())
        return -EIO;
    return RESULT_OF_RETRIED(path != NULL ? utimensat(dir, path, times, flags)
                                          : futimens(dir, times));
}

int hob__sys_faccessat(int dir, const char *path, int mode, int flags)
{
    if (hob__fault())
        return -EIO;
    return RESULT_OF_RETRIED(faccessat(dir, path, mode, flags));
}

ssize_t hob__sys_getxattr(int fd, const char *path, bool follow, const char *name, void *value,
                          size_t len)
{
    if (hob__fault())
        return -EIO;
    return RESULT_OF_RETRIED(path == NULL ? fgetxattr(fd, name, value, len)
                             : follow     ? getxattr(path, name, value, len)
                                          : lgetxattr(path, name, value, len));
}

int hob__sys_setxattr(int fd, const char *path, bool follow, const char *name, const void *value,
                      size_t len, int flags)
{
    if (hob__fault())
        return -EIO;
    return RESULT_OF_RETRIED(path == NULL ? fsetxattr(fd, name, value, len, flags)
                             : follow     ? setxattr(path, name, value, len, flags)
                                          : lsetxattr(path, name, value, len, flags));
}

ssize_t hob__sys_listxattr(int fd, const char *path, bool follow, char *names, size_t len)
{
    if (hob__fault())
        return -EIO;
    return RESULT_OF_RETRIED(path == NULL ? flistxattr(fd, names, len)
                             : follow     ? listxattr(path, names, len)
                                          : llistxattr(path, names, len));
}

int hob__sys_removexattr(int fd, const char *path, bool follow, const char *name)
{
    if (hob__fault())
        return -EIO;
    return RESULT_OF_RETRIED(path == NULL ? fremovexattr(fd, name)
                             : follow     ? removexattr(path, name)
                                          : lremovexattr(path, name));
}

ssize_t hob__sys_getdents(int fd, void *buf, size_t len)
{
    if (hob__fault())
        return -EIO;
    return RESULT_OF_RETRIED((ssize_t)syscall(SYS_getdents64, fd, buf, len));
}

int hob__sys_statvfs(int fd, const char *path, struct statvfs *ret_stat)
{
    if (hob__fault())
        return -EIO;
    return RESULT_OF_RETRIED(path != NULL ? statvfs(path, ret_stat) : fstatvfs(fd, ret_stat));
}

int hob__sys_truncate(int fd, const char *path, off_t len)
{
    if (hob__fault())
        return -EIO;
    return RESULT_OF_RETRIED(path != NULL ? truncate(path, len) : ftruncate(fd, len));
}

int hob__sys_fallocate(int fd, int mode, off_t offset, off_t len)
{
    if (hob__fault())
        return -ENOSPC;
    return RESULT_OF_RETRIED(fallocate(fd, mode, offset, len));
}

int hob__sys_fdatasync(int fd)
{
    if (hob__fault())
        return -EIO;
    return RESULT_OF_RETRIED(fdatasync(fd));
}

ssize_t hob__sys_preadv(int fd, const struct iovec *iov, size_t count, off_t offset)
{
    if (hob__fault())
        return -EIO;
    return RESULT_OF_RETRIED(preadv(fd, iov, (int)count, offset));
}

ssize_t hob__sys_pwritev(int fd, const struct iovec *iov, size_t count, off_t offset)
{
    if (hob__fault())
        return -ENOSPC;
    return RESULT_OF_RETRIED(pwritev(fd, iov, (int)count, offset));
}

int hob__sys_flock(int fd, int what)
{
    if (hob__fault())
        return -ENOLCK;
    return RESULT_OF_RETRIED(flock(fd, what));
}

int hob__sys_lock_range(int fd, short kind, off_t offset, off_t len)
{
    struct flock range = { .l_type = kind, .l_whence = SEEK_SET, .l_start = offset, .l_len = len };
    if (hob__fault())
        return -ENOLCK;
    return RESULT_OF_RETRIED(fcntl(fd, F_OFD_SETLK, &range));
}

int hob__sys_inotify_init(int flags)
{
    if (hob__fault())
        return -EMFILE;
    return RESULT_OF(inotify_init1(flags));
}

int hob__sys_inotify_add(int fd, const char *path, uint32_t mask)
{
    if (hob__fault())
        return -ENOSPC;
    return RESULT_OF_RETRIED(inotify_add_watch(fd, path, mask));
}

int hob__sys_inotify_remove(int fd, int wd)
{
    return RESULT_OF(inotify_rm_watch(fd, wd));
}

void hob__stat_from_statx(const struct statx *from, struct stat *to)
{
    memset(to, 0, sizeof *to);
    to->st_dev = makedev(from->stx_dev_major, from->stx_dev_minor);
    to->st_ino = from->stx_ino;
    to->st_mode = from->stx_mode;
    to->st_nlink = from->stx_nlink;
    to->st_uid = from->stx_uid;
    to->st_gid = from->stx_gid;
    to->st_rdev = makedev(from->stx_rdev_major, from->stx_rdev_minor);
    to->st_size = (off_t)from->stx_size;
    to->st_blksize = (blksize_t)from->stx_blksize;
    to->st_blocks = (blkcnt_t)from->stx_blocks;
    to->st_atim = (struct timespec){ from->stx_atime.tv_sec, from->stx_atime.tv_nsec };
    to->st_mtim = (struct timespec){ from->stx_mtime.tv_sec, from->stx_mtime.tv_nsec };
    to->st_ctim = (struct timespec){ from->stx_ctime.tv_sec, from->stx_ctime.tv_nsec };
}
