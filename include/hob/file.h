/* SPDX-License-Identifier: MIT */
/*
 * Files.
 *
 * All functions here wait for the disk without holding up other tasks. A call
 * on the disk that has begun is not torn from under its buffer: when it is
 * cancelled meanwhile, it returns its real result a little later. So is a call
 * that was in flight when another task closed the file.
 *
 * Several tasks may use a file at once. Reads at its position begin in the order of
 * the calls, and so do writes; with an offset there is no order.
 */
#ifndef HOB_FILE_H
#define HOB_FILE_H

#include "hob/path.h"
#include "hob/stream.h"

struct iovec;

HOB_BEGIN_DECLS

/* Opens `path` with the flags and the mode of open(2); O_CLOEXEC is added.
 * Waits. Returns 0 or a negative errno: those of open(2), -ECANCELED, -ETIMEDOUT.
 *
 * FIFOs and devices are opened at once, as with O_NONBLOCK: one for writing that
 * nobody reads gives -ENXIO; one for reading that nobody writes reads as ended
 * (O_RDWR makes it wait). Reading and writing them waits like a pipe's. */
HOB_API HOB_MUST_USE int hob_file_open(const char *path, int flags, unsigned mode,
                                       hob_file **ret_file);
HOB_API HOB_MUST_USE int hob_file_open_prep(hob_op *op, const char *path, int flags,
                                            unsigned mode, hob_file **ret_file);

/* Reads up to `len` bytes: from the file's position, which moves; or (pread)
 * from `offset`, which is not negative. Waits. Returns how many came, 0 at the
 * end of the file, or a negative errno. */
HOB_API HOB_MUST_USE ssize_t hob_file_read(hob_file *file, void *buf, size_t len);
HOB_API void                 hob_file_read_prep(hob_op *op, hob_file *file, void *buf, size_t len);
HOB_API HOB_MUST_USE ssize_t hob_file_pread(hob_file *file, void *buf, size_t len,
                                            int64_t offset);
HOB_API void hob_file_pread_prep(hob_op *op, hob_file *file, void *buf, size_t len,
                                 int64_t offset);

/* Writes all of `buf`: at the file's position, which moves; or (pwrite) at
 * `offset`. Waits. Returns `len`; or, when an error or a cancellation stopped it
 * after some bytes, how many were written: fewer than `len`, and the next call
 * tells why; or a negative errno (-ENOSPC, -EDQUOT, -EFBIG, -EIO) when none were. */
HOB_API HOB_MUST_USE ssize_t hob_file_write(hob_file *file, const void *buf, size_t len);
HOB_API void hob_file_write_prep(hob_op *op, hob_file *file, const void *buf, size_t len);
HOB_API HOB_MUST_USE ssize_t hob_file_pwrite(hob_file *file, const void *buf, size_t len,
                                             int64_t offset);
HOB_API void hob_file_pwrite_prep(hob_op *op, hob_file *file, const void *buf, size_t len,
                                  int64_t offset);

/* Reads into, and writes from, several buffers in one call: from `offset`, which is not negative,
 * on. Waits. Returns how many bytes came or went: writing may stop early, as reading may, and then
 * the caller goes on with the rest. `count` is at most 1024 (IOV_MAX). The array `iov` is lent like
 * the buffers. */
HOB_API HOB_MUST_USE ssize_t hob_file_preadv(hob_file *file, const struct iovec *iov, int count,
                                             int64_t offset);
HOB_API HOB_MUST_USE int hob_file_preadv_prep(hob_op *op, hob_file *file, const struct iovec *iov,
                                              int count, int64_t offset);
HOB_API HOB_MUST_USE ssize_t hob_file_pwritev(hob_file *file, const struct iovec *iov, int count,
                                              int64_t offset);
HOB_API HOB_MUST_USE int hob_file_pwritev_prep(hob_op *op, hob_file *file, const struct iovec *iov,
                                               int count, int64_t offset);

/* Makes what was written durable, as fsync(2); datasync: without what only its times tell, as
 * fdatasync(2). Wait. Return 0 or a negative errno. What counts as written are the calls that had
 * returned before: tasks that ask for a sync while one is under way share the next one. After a
 * failure the data may be lost, and every later call on this file returns the same error: trying
 * again cannot make it true. */
HOB_API HOB_MUST_USE int hob_file_sync(hob_file *file);
HOB_API void             hob_file_sync_prep(hob_op *op, hob_file *file);
HOB_API HOB_MUST_USE int hob_file_datasync(hob_file *file);
HOB_API void             hob_file_datasync_prep(hob_op *op, hob_file *file);

/* Makes the file so long: a shorter one gets zeros at its end. Waits. Returns 0 or a negative
 * errno: -EINVAL (not open to write), -EFBIG, -ENOSPC. */
HOB_API HOB_MUST_USE int hob_file_truncate(hob_file *file, int64_t len);
HOB_API HOB_MUST_USE int hob_file_truncate_prep(hob_op *op, hob_file *file, int64_t len);

/* Sees to it that the disk has room for these bytes, so that no write to them meets -ENOSPC:
 * fallocate(2). `mode` is 0, or its FALLOC_FL_KEEP_SIZE and so on. Waits. Returns 0 or a negative
 * errno: -ENOSPC, -EOPNOTSUPP (not on this file system, or not with that mode). */
HOB_API HOB_MUST_USE int hob_file_allocate(hob_file *file, int mode, int64_t offset, int64_t len);
HOB_API HOB_MUST_USE int hob_file_allocate_prep(hob_op *op, hob_file *file, int mode,
                                                int64_t offset, int64_t len);

/* What a file that was opened with O_DIRECT asks of reads and writes: by how many bytes the
 * addresses of buffers, and offsets and lengths, are to be divisible. Waits. Returns 0;
 * -EOPNOTSUPP: this kernel cannot tell (before 6.1), or the file system knows no O_DIRECT. */
HOB_API HOB_MUST_USE int hob_file_direct_align(hob_file *file, size_t *ret_buffer,
                                               size_t *ret_offset);

/* ---- locks ---- */

enum hob_lock_kind {
    HOB_LOCK_SHARED,    /* others may have it shared, too */
    HOB_LOCK_EXCLUSIVE, /* nobody else has it             */
};

/* Locks that keep other programs out which ask for them, too; and other openings of the file in
 * this one. They belong to this opening, and end with it at the latest.
 *
 * lock: the whole file, as flock(2). lock_range: `len` bytes from `offset` on (0: to the end, also
 * of what is added), as an open file description lock of fcntl(2): -EBADF when the file is not
 * open to read (shared) or to write (exclusive). The two kinds know nothing of each other. Having
 * one already, the caller gets the other in its place; for a whole lock there may be a moment in
 * which he has neither.
 *
 * Wait until nobody is in the way, and can be cancelled: then the lock was not had. (The kernel
 * tells nobody when a lock is free, so this asks again, after 1 ms, and then more and more
 * seldom, up to 50 ms. Who comes first is not served first.) try_ returns -EWOULDBLOCK instead.
 * unlock gives it up. Return 0 or a negative errno. */
HOB_API HOB_MUST_USE int hob_file_lock(hob_file *file, enum hob_lock_kind kind);
HOB_API HOB_MUST_USE int hob_file_try_lock(hob_file *file, enum hob_lock_kind kind);
HOB_API HOB_MUST_USE int hob_file_unlock(hob_file *file);
HOB_API HOB_MUST_USE int hob_file_lock_range(hob_file *file, enum hob_lock_kind kind,
                                             int64_t offset, int64_t len);
HOB_API HOB_MUST_USE int hob_file_try_lock_range(hob_file *file, enum hob_lock_kind kind,
                                                 int64_t offset, int64_t len);
HOB_API HOB_MUST_USE int hob_file_unlock_range(hob_file *file, int64_t offset, int64_t len);

/* ---- about it ---- */

/* What fstat(2) tells. Waits. Returns 0 or a negative errno. */
HOB_API HOB_MUST_USE int hob_file_stat(hob_file *file, struct stat *ret_stat);
HOB_API HOB_MUST_USE int hob_file_stat_prep(hob_op *op, hob_file *file, struct stat *ret_stat);

/* As those of hob/path.h, of the open file. Wait. Return 0 (get and list: how many bytes) or a
 * negative errno. */
HOB_API HOB_MUST_USE int hob_file_chmod(hob_file *file, unsigned mode);
HOB_API HOB_MUST_USE int hob_file_chown(hob_file *file, uid_t user, gid_t group);
HOB_API HOB_MUST_USE int hob_file_utimes(hob_file *file, const struct timespec *times);
HOB_API HOB_MUST_USE ssize_t hob_file_xattr_get(hob_file *file, const char *name, void *buf,
                                                size_t size);
HOB_API HOB_MUST_USE int     hob_file_xattr_set(hob_file *file, const char *name,
                                                const void *value, size_t len, unsigned flags);
HOB_API HOB_MUST_USE ssize_t hob_file_xattr_list(hob_file *file, char *buf, size_t size);
HOB_API HOB_MUST_USE int     hob_file_xattr_remove(hob_file *file, const char *name);

/* Reads from the file's position to its end, as hob_path_read: memory that grows as the bytes
 * come, at most `limit` of them (then -EFBIG), and that is yours to free(3). */
HOB_API HOB_MUST_USE int hob_file_read_all(hob_file *file, size_t limit, char **ret_data,
                                           size_t *ret_len);

/* A file for as long as it is open: it has no name that anybody could know, and is gone when it is
 * closed, or the program ends. In `folder`; NULL: in $TMPDIR, or /tmp. Open to read and write.
 * Waits. Returns 0 or a negative errno. */
HOB_API HOB_MUST_USE int hob_file_open_temp(const char *folder, hob_file **ret_file);

/* The file as a stream, at its position. The same thing: closing either closes it. As a stream a
 * file has no shutdown (-ENOTSUP). */
HOB_API hob_stream *hob_file_stream(hob_file *file);

/* Closes and frees it; NULL is fine. Never waits. Errors that the system tells
 * only now are lost: hob_file_sync is the way to know. */
HOB_API void hob_file_close(hob_file *file);

HOB_END_DECLS

#endif
