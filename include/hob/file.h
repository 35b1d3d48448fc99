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

#include "hob/stream.h"

struct stat;

HOB_BEGIN_DECLS

typedef struct hob_file hob_file;

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

/* Makes what was written durable, as fsync(2). Waits. Returns 0 or a negative
 * errno. After a failure the data may be lost, and every later call on this
 * file returns the same error: trying again cannot make it true. */
HOB_API HOB_MUST_USE int hob_file_sync(hob_file *file);
HOB_API void             hob_file_sync_prep(hob_op *op, hob_file *file);

/* What fstat(2), and stat(2) of a path, tell. Wait. Return 0 or a negative errno. */
HOB_API HOB_MUST_USE int hob_file_stat(hob_file *file, struct stat *ret_stat);
HOB_API HOB_MUST_USE int hob_file_stat_prep(hob_op *op, hob_file *file, struct stat *ret_stat);
HOB_API HOB_MUST_USE int hob_path_stat(const char *path, struct stat *ret_stat);
HOB_API HOB_MUST_USE int hob_path_stat_prep(hob_op *op, const char *path, struct stat *ret_stat);

/* The file as a stream, at its position. The same thing: closing either closes it. As a stream a
 * file has no shutdown (-ENOTSUP). */
HOB_API hob_stream *hob_file_stream(hob_file *file);

/* Closes and frees it; NULL is fine. Never waits. Errors that the system tells
 * only now are lost: hob_file_sync is the way to know. */
HOB_API void hob_file_close(hob_file *file);

HOB_END_DECLS

#endif
