/* SPDX-License-Identifier: MIT */
/* Calls on files and folders (op/fs.h), from the side of those who wait for them. */
#ifndef HOB_IO_FS_H
#define HOB_IO_FS_H

#include <errno.h>
#include <sys/stat.h>

#include "core/await.h"
#include "op/fs.h"

enum { PATH_BYTES_MAX = 4096 }; /* with the NUL, as the kernel counts */

/* 0, or why this can be no path: -ENOENT, -ENAMETOOLONG. */
int hob__fs_check_path(const char *path);

/* Waits for the call, on the descriptor if it has one. The paths in it were not checked yet. */
int64_t hob__fs_await(struct fs_call call, struct desc *desc);

/* Makes an operation of it, which holds a copy of the call until it ended. */
int hob__fs_prep(hob_op *place, struct fs_call call, struct desc *desc);

/* statx(2) as stat(2): `call` is FS_STATX but for its buffer. */
int hob__fs_stat_await(struct fs_call call, struct desc *desc, struct stat *ret_stat);
int hob__fs_stat_prep(hob_op *place, struct fs_call call, struct desc *desc,
                      struct stat *ret_stat);

/* Opens by FS_OPEN and gives the bare descriptor, which never waits for a FIFO's other end. */
int hob__fs_open_fd(struct desc *dir, const char *path, int flags, unsigned mode,
                    uint64_t resolve, unsigned *ret_type);

#endif
