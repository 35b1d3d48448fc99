/* SPDX-License-Identifier: MIT */
/* What the files fs_*.c have in common. */
#ifndef HOB_BACKEND_FS_CALL_H
#define HOB_BACKEND_FS_CALL_H

#include "op/fs.h"

/* openat2(2) with RESOLVE_BENEATH (and RESOLVE_NO_SYMLINKS), for kernels that have none, and
 * sandboxes that forbid it. `dir` is an open folder, or AT_FDCWD. May block; any thread. */
int hob__open_beneath(int dir, const char *path, int flags, unsigned mode, uint64_t resolve);

#endif
