/* SPDX-License-Identifier: MIT */
/* Files and folders by their names: each function is one call of op/fs.h. */
#include "hob/path.h"

#include <errno.h>
#include <fcntl.h>

#include "io/fs.h"

static int await(struct fs_call call)
{
    return (int)hob__fs_await(call, NULL);
}

static int prep(hob_op *op, struct fs_call call)
{
    return hob__fs_prep(op, call, NULL);
}

/* ---- what is there ---- */

int hob_path_stat(const char *path, struct stat *ret_stat)
{
    int r = hob__fs_check_path(path);
    if (r < 0)
        return r;

    struct op op = { .kind = OP_STAT, .stat = { .path = path, .out = ret_stat } };
    hob__op_await(&op);
    return (int)op.result;
}

int hob_path_stat_prep(hob_op *place, const char *path, struct stat *ret_stat)
{
    int r = hob__fs_check_path(path);
    if (r < 0)
        return r;

    struct op *op = hob__op_prep(place, OP_STAT, NULL);
    op->stat.path = path;
    op->stat.out = ret_stat;
    return 0;
}

static struct fs_call lstat_call(const char *path)
{
    return (struct fs_call){ .what = FS_STATX, .path = path, .flags = AT_SYMLINK_NOFOLLOW,
                             .mode = STATX_BASIC_STATS };
}

int hob_path_lstat(const char *path, struct stat *ret_stat)
{
    return hob__fs_stat_await(lstat_call(path), NULL, ret_stat);
}

int hob_path_lstat_prep(hob_op *op, const char *path, struct stat *ret_stat)
{
    return hob__fs_stat_prep(op, lstat_call(path), NULL, ret_stat);
}

static struct fs_call statx_call(const char *path, int flags, unsigned mask, struct statx *out)
{
    return (struct fs_call){ .what = FS_STATX, .path = path, .flags = (unsigned)flags,
                             .mode = mask, .buf = out };
}

int hob_path_statx(const char *path, int flags, unsigned mask, struct statx *ret_stat)
{
    return await(statx_call(path, flags, mask, ret_stat));
}

int hob_path_statx_prep(hob_op *op, const char *path, int flags, unsigned mask,
                        struct statx *ret_stat)
{
    return prep(op, statx_call(path, flags, mask, ret_stat));
}

static struct fs_call access_call(const char *path, int mode)
{
    return (struct fs_call){ .what = FS_ACCESS, .path = path, .mode = (unsigned)mode,
                             .flags = AT_EACCESS };
}

int hob_path_access(const char *path, int mode)
{
    return await(access_call(path, mode));
}

int hob_path_access_prep(hob_op *op, const char *path, int mode)
{
    return prep(op, access_call(path, mode));
}

static struct fs_call statvfs_call(const char *path, struct statvfs *out)
{
    return (struct fs_call){ .what = FS_STATVFS, .path = path, .buf = out };
}

int hob_path_statvfs(const char *path, struct statvfs *ret_stat)
{
    return await(statvfs_call(path, ret_stat));
}

int hob_path_statvfs_prep(hob_op *op, const char *path, struct statvfs *ret_stat)
{
    return prep(op, statvfs_call(path, ret_stat));
}

/* ---- names ---- */

static struct fs_call rename_call(const char *from, const char *to, unsigned flags)
{
    return (struct fs_call){ .what = FS_RENAME, .path = from, .other = to, .flags = flags };
}

int hob_path_rename(const char *from, const char *to, unsigned flags)
{
    return await(rename_call(from, to, flags));
}

int hob_path_rename_prep(hob_op *op, const char *from, const char *to, unsigned flags)
{
    return prep(op, rename_call(from, to, flags));
}

static struct fs_call link_call(const char *from, const char *to)
{
    return (struct fs_call){ .what = FS_LINK, .path = from, .other = to };
}

int hob_path_link(const char *from, const char *to)
{
    return await(link_call(from, to));
}

int hob_path_link_prep(hob_op *op, const char *from, const char *to)
{
    return prep(op, link_call(from, to));
}

static struct fs_call symlink_call(const char *target, const char *path)
{
    return (struct fs_call){ .what = FS_SYMLINK, .path = path, .other = target };
}

int hob_path_symlink(const char *target, const char *path)
{
    return await(symlink_call(target, path));
}

int hob_path_symlink_prep(hob_op *op, const char *target, const char *path)
{
    return prep(op, symlink_call(target, path));
}

ssize_t hob_path_readlink(const char *path, char *buf, size_t size)
{
    int64_t n = hob__fs_await((struct fs_call){ .what = FS_READLINK, .path = path, .buf = buf,
                                                .len = size }, NULL);
    if (n < 0)
        return n;
    if ((size_t)n == size)
        return -ENAMETOOLONG; // or it fits but for the NUL
    buf[n] = '\0';
    return n;
}

static struct fs_call unlink_call(const char *path, unsigned flags)
{
    return (struct fs_call){ .what = FS_UNLINK, .path = path, .flags = flags };
}

int hob_path_unlink(const char *path)
{
    return await(unlink_call(path, 0));
}

int hob_path_unlink_prep(hob_op *op, const char *path)
{
    return prep(op, unlink_call(path, 0));
}

/* ---- folders ---- */

static struct fs_call mkdir_call(const char *path, unsigned mode)
{
    return (struct fs_call){ .what = FS_MKDIR, .path = path, .mode = mode };
}

int hob_path_mkdir(const char *path, unsigned mode)
{
    return await(mkdir_call(path, mode));
}

int hob_path_mkdir_prep(hob_op *op, const char *path, unsigned mode)
{
    return prep(op, mkdir_call(path, mode));
}

int hob_path_rmdir(const char *path)
{
    return await(unlink_call(path, AT_REMOVEDIR));
}

int hob_path_rmdir_prep(hob_op *op, const char *path)
{
    return prep(op, unlink_call(path, AT_REMOVEDIR));
}

/* ---- attributes ---- */

static struct fs_call chmod_call(const char *path, unsigned mode)
{
    return (struct fs_call){ .what = FS_CHMOD, .path = path, .mode = mode };
}

int hob_path_chmod(const char *path, unsigned mode)
{
    return await(chmod_call(path, mode));
}

int hob_path_chmod_prep(hob_op *op, const char *path, unsigned mode)
{
    return prep(op, chmod_call(path, mode));
}

static struct fs_call chown_call(const char *path, uid_t user, gid_t group, unsigned flags)
{
    return (struct fs_call){ .what = FS_CHOWN, .path = path, .a = user, .b = group,
                             .flags = flags };
}

int hob_path_chown(const char *path, uid_t user, gid_t group)
{
    return await(chown_call(path, user, group, 0));
}

int hob_path_chown_prep(hob_op *op, const char *path, uid_t user, gid_t group)
{
    return prep(op, chown_call(path, user, group, 0));
}

int hob_path_lchown(const char *path, uid_t user, gid_t group)
{
    return await(chown_call(path, user, group, AT_SYMLINK_NOFOLLOW));
}

static struct fs_call utimes_call(const char *path, const struct timespec *times)
{
    return (struct fs_call){ .what = FS_UTIMES, .path = path, .buf = (void *)(uintptr_t)times };
}

int hob_path_utimes(const char *path, const struct timespec *times)
{
    return await(utimes_call(path, times));
}

int hob_path_utimes_prep(hob_op *op, const char *path, const struct timespec *times)
{
    return prep(op, utimes_call(path, times));
}

static struct fs_call truncate_call(const char *path, int64_t len)
{
    return (struct fs_call){ .what = FS_TRUNCATE, .path = path, .a = len };
}

int hob_path_truncate(const char *path, int64_t len)
{
    return await(truncate_call(path, len));
}

int hob_path_truncate_prep(hob_op *op, const char *path, int64_t len)
{
    return prep(op, truncate_call(path, len));
}

/* ---- extended attributes ---- */

ssize_t hob_path_xattr_get(const char *path, const char *name, void *buf, size_t size)
{
    return hob__fs_await((struct fs_call){ .what = FS_XATTR_GET, .path = path, .other = name,
                                           .buf = buf, .len = size }, NULL);
}

int hob_path_xattr_set(const char *path, const char *name, const void *value, size_t len,
                       unsigned flags)
{
    return await((struct fs_call){ .what = FS_XATTR_SET, .path = path, .other = name,
                                   .buf = (void *)(uintptr_t)value, .len = len, .mode = flags });
}

ssize_t hob_path_xattr_list(const char *path, char *buf, size_t size)
{
    return hob__fs_await((struct fs_call){ .what = FS_XATTR_LIST, .path = path, .buf = buf,
                                           .len = size }, NULL);
}

int hob_path_xattr_remove(const char *path, const char *name)
{
    return await((struct fs_call){ .what = FS_XATTR_REMOVE, .path = path, .other = name });
}
