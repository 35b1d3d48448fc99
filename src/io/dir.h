/* SPDX-License-Identifier: MIT */
/* An open folder, as the files of this folder that walk trees see it. */
#ifndef HOB_IO_DIR_H
#define HOB_IO_DIR_H

#include "hob/dir.h"
#include "io/fs.h"

/* Opens a folder by its name in another one; `dir` NULL: in the current folder. */
int hob__dir_open_at(hob_dir *dir, const char *name, int flags, const void *made_at,
                     hob_dir **ret_dir);

struct desc *hob__dir_desc(hob_dir *dir);

/* Removes a name in it: AT_REMOVEDIR or 0. */
int hob__dir_unlink(hob_dir *dir, const char *name, unsigned flags);

/* What statx(2) tells of a name in it, or with NULL of itself. No link is followed, unless
 * `follow`. */
int hob__dir_stat(hob_dir *dir, const char *name, bool follow, struct stat *ret_stat);

enum hob_entry_kind hob__entry_kind_of(mode_t mode);

#endif
