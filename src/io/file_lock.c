/* SPDX-License-Identifier: MIT */
/*
 * Locks of files, and what else an open file is asked for.
 *
 * No kernel tells when a lock is free, but to a thread that sleeps for it: and one thread for each
 * that waits, for ever perhaps, is what Hob is not. So a lock is asked for without waiting, again
 * and again, more seldom each time: docs/design/0044.
 */
#include "io/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/stat.h>
#include <string.h>
#include <sys/file.h>

#include "hob/runtime.h"

static const int64_t PAUSE_MIN_NS = 1 * HOB_MSEC, PAUSE_MAX_NS = 50 * HOB_MSEC;

static hob_file *open_file(hob_file *file, const char *caller)
{
    if (!file_is_open(file))
        hob__misuse_of(caller, "this is not open; was it closed already?");
    return file;
}

/* ---- locks ---- */

static struct fs_call lock_call(enum hob_lock_kind kind)
{
    unsigned flags = kind == HOB_LOCK_EXCLUSIVE ? LOCK_EX : LOCK_SH;
    return (struct fs_call){ .what = FS_LOCK, .flags = flags };
}

static struct fs_call range_call(int kind, int64_t offset, int64_t len)
{
    return (struct fs_call){ .what = FS_LOCK_RANGE, .mode = (unsigned)kind, .a = offset, .b = len };
}

static int kind_of_range(enum hob_lock_kind kind)
{
    return kind == HOB_LOCK_EXCLUSIVE ? F_WRLCK : F_RDLCK;
}

static int try_lock(hob_file *file, struct fs_call call)
{
    int64_t r = hob__fs_await(call, &file->desc);
    return r > 0 ? -EWOULDBLOCK : (int)r;
}

/* A little sooner or later than the others who wait for the same. */
static int pause(int64_t pause_ns)
{
    return hob_sleep(pause_ns / 2 + (int64_t)(hob_random() % (uint64_t)(pause_ns / 2 + 1)));
}

static int lock(hob_file *file, struct fs_call call)
{
    int64_t pause_ns = PAUSE_MIN_NS;
    file_begin_use(file);
    int r = try_lock(file, call);
    while (r == -EWOULDBLOCK) {
        r = pause(pause_ns);
        if (r < 0)
            break;
        if (!file_is_open(file)) {
            r = -ECANCELED; // closed, as for all that is in flight then
            break;
        }
        pause_ns = pause_ns * 2 < PAUSE_MAX_NS ? pause_ns * 2 : PAUSE_MAX_NS;
        r = try_lock(file, call);
    }
    hob__file_end_use(file);
    return r;
}

int hob_file_lock(hob_file *file, enum hob_lock_kind kind)
{
    return lock(open_file(file, "hob_file_lock"), lock_call(kind));
}

int hob_file_try_lock(hob_file *file, enum hob_lock_kind kind)
{
    return try_lock(open_file(file, "hob_file_try_lock"), lock_call(kind));
}

int hob_file_unlock(hob_file *file)
{
    struct fs_call call = { .what = FS_LOCK, .flags = LOCK_UN };
    return try_lock(open_file(file, "hob_file_unlock"), call);
}

int hob_file_lock_range(hob_file *file, enum hob_lock_kind kind, int64_t offset, int64_t len)
{
    return lock(open_file(file, "hob_file_lock_range"), range_call(kind_of_range(kind), offset, len));
}

int hob_file_try_lock_range(hob_file *file, enum hob_lock_kind kind, int64_t offset, int64_t len)
{
    return try_lock(open_file(file, "hob_file_try_lock_range"),
                    range_call(kind_of_range(kind), offset, len));
}

int hob_file_unlock_range(hob_file *file, int64_t offset, int64_t len)
{
    return try_lock(open_file(file, "hob_file_unlock_range"), range_call(F_UNLCK, offset, len));
}

/* ---- its length and its place on the disk ---- */

static struct fs_call truncate_call(int64_t len)
{
    return (struct fs_call){ .what = FS_TRUNCATE, .a = len };
}

int hob_file_truncate(hob_file *file, int64_t len)
{
    return (int)hob__fs_await(truncate_call(len), &open_file(file, "hob_file_truncate")->desc);
}

int hob_file_truncate_prep(hob_op *op, hob_file *file, int64_t len)
{
    return hob__fs_prep(op, truncate_call(len), &open_file(file, "hob_file_truncate_prep")->desc);
}

static struct fs_call allocate_call(int mode, int64_t offset, int64_t len)
{
    return (struct fs_call){ .what = FS_ALLOCATE, .mode = (unsigned)mode, .a = offset, .b = len };
}

int hob_file_allocate(hob_file *file, int mode, int64_t offset, int64_t len)
{
    return (int)hob__fs_await(allocate_call(mode, offset, len),
                              &open_file(file, "hob_file_allocate")->desc);
}

int hob_file_allocate_prep(hob_op *op, hob_file *file, int mode, int64_t offset, int64_t len)
{
    return hob__fs_prep(op, allocate_call(mode, offset, len),
                        &open_file(file, "hob_file_allocate_prep")->desc);
}

/* Linux 6.1; Debian 12's headers are older. */
enum { STATX_DIOALIGN_ = 0x2000, DIO_MEM_ALIGN_AT = 0x98, DIO_OFFSET_ALIGN_AT = 0x9c };

int hob_file_direct_align(hob_file *file, size_t *ret_buffer, size_t *ret_offset)
{
    union { struct statx statx; char bytes[sizeof(struct statx)]; } u;
    uint32_t       buffer, offset;
    struct fs_call call = { .what = FS_STATX, .mode = STATX_DIOALIGN_, .buf = &u.statx };
    int64_t r = hob__fs_await(call, &open_file(file, "hob_file_direct_align")->desc);
    if (r < 0)
        return (int)r;
    memcpy(&buffer, u.bytes + DIO_MEM_ALIGN_AT, sizeof buffer);
    memcpy(&offset, u.bytes + DIO_OFFSET_ALIGN_AT, sizeof offset);
    if ((u.statx.stx_mask & STATX_DIOALIGN_) == 0 || buffer == 0 || offset == 0)
        return -EOPNOTSUPP;
    *ret_buffer = buffer;
    *ret_offset = offset;
    return 0;
}

/* ---- attributes ---- */

int hob_file_chmod(hob_file *file, unsigned mode)
{
    struct fs_call call = { .what = FS_CHMOD, .mode = mode };
    return (int)hob__fs_await(call, &open_file(file, "hob_file_chmod")->desc);
}

int hob_file_chown(hob_file *file, uid_t user, gid_t group)
{
    struct fs_call call = { .what = FS_CHOWN, .a = user, .b = group };
    return (int)hob__fs_await(call, &open_file(file, "hob_file_chown")->desc);
}

int hob_file_utimes(hob_file *file, const struct timespec *times)
{
    struct fs_call call = { .what = FS_UTIMES, .buf = (void *)(uintptr_t)times };
    return (int)hob__fs_await(call, &open_file(file, "hob_file_utimes")->desc);
}

ssize_t hob_file_xattr_get(hob_file *file, const char *name, void *buf, size_t size)
{
    struct fs_call call = { .what = FS_XATTR_GET, .other = name, .buf = buf, .len = size };
    return hob__fs_await(call, &open_file(file, "hob_file_xattr_get")->desc);
}

int hob_file_xattr_set(hob_file *file, const char *name, const void *value, size_t len,
                       unsigned flags)
{
    struct fs_call call = { .what = FS_XATTR_SET, .other = name, .mode = flags,
                            .buf = (void *)(uintptr_t)value, .len = len };
    return (int)hob__fs_await(call, &open_file(file, "hob_file_xattr_set")->desc);
}

ssize_t hob_file_xattr_list(hob_file *file, char *buf, size_t size)
{
    struct fs_call call = { .what = FS_XATTR_LIST, .buf = buf, .len = size };
    return hob__fs_await(call, &open_file(file, "hob_file_xattr_list")->desc);
}

int hob_file_xattr_remove(hob_file *file, const char *name)
{
    struct fs_call call = { .what = FS_XATTR_REMOVE, .other = name };
    return (int)hob__fs_await(call, &open_file(file, "hob_file_xattr_remove")->desc);
}
