/* SPDX-License-Identifier: MIT */
/*
 * Files and folders by their names.
 *
 * Every function here waits for the disk without holding up other tasks, and is carried out whole
 * or not at all: one that was cancelled in time had no effect, and one that was not gives its real
 * result. Those that are several steps (hob_path_mkdirs, hob_path_remove_tree, hob_path_read and
 * so on) say what a cancellation leaves.
 *
 * What all of them return: >= 0 (0, unless it says otherwise), or a negative errno, among them
 * -ENOENT (nothing has that name, or it is empty), -ENAMETOOLONG (4,096 bytes or more, or a name of
 * more than 255), -ELOOP, -ENOTDIR, -EACCES, -EROFS, -ENOSPC, -EIO, and -ECANCELED or -ETIMEDOUT.
 * Paths are lent until the call returned, or the operation ended; a path that is not absolute
 * begins in the current folder of the process. In sim that is `/`, nobody is refused access, and
 * the disk begins with nothing but `/tmp`.
 *
 * The functions that end in _prep are their other styles (hob/op.h): they do not wait, and give 0,
 * -ENOENT or -ENAMETOOLONG for a path that can be none, or -ENOMEM.
 */
#ifndef HOB_PATH_H
#define HOB_PATH_H

#include "hob/op.h"

struct stat;
struct statvfs;
struct statx;
struct timespec;

HOB_BEGIN_DECLS

typedef struct hob_file hob_file;

/* ---- what is there ---------------------------------------------------------- */

/* What stat(2) tells; lstat: of a symbolic link itself. */
HOB_API HOB_MUST_USE int hob_path_stat(const char *path, struct stat *ret_stat);
HOB_API HOB_MUST_USE int hob_path_stat_prep(hob_op *op, const char *path, struct stat *ret_stat);
HOB_API HOB_MUST_USE int hob_path_lstat(const char *path, struct stat *ret_stat);
HOB_API HOB_MUST_USE int hob_path_lstat_prep(hob_op *op, const char *path, struct stat *ret_stat);

/* What statx(2) tells, for what struct stat lacks, such as the time of birth. `flags` are its
 * AT_..., `mask` its STATX_.... *ret_stat is the kernel's to write to until the operation ended. */
HOB_API HOB_MUST_USE int hob_path_statx(const char *path, int flags, unsigned mask,
                                        struct statx *ret_stat);
HOB_API HOB_MUST_USE int hob_path_statx_prep(hob_op *op, const char *path, int flags,
                                             unsigned mask, struct statx *ret_stat);

/* Whether this process may use it: `mode` is F_OK, or R_OK, W_OK, X_OK, as access(2), but asked
 * for the effective user. What is allowed now may be forbidden when it is opened: so open it and
 * look at that answer, where the question is the same. */
HOB_API HOB_MUST_USE int hob_path_access(const char *path, int mode);
HOB_API HOB_MUST_USE int hob_path_access_prep(hob_op *op, const char *path, int mode);

/* How big the file system is and how much of it is free: statvfs(3). */
HOB_API HOB_MUST_USE int hob_path_statvfs(const char *path, struct statvfs *ret_stat);
HOB_API HOB_MUST_USE int hob_path_statvfs_prep(hob_op *op, const char *path,
                                               struct statvfs *ret_stat);

/* ---- names ------------------------------------------------------------------ */

enum {
    HOB_RENAME_NOREPLACE = 1, /* -EEXIST when the new name is taken; in one step              */
    HOB_RENAME_EXCHANGE  = 2, /* both names are there, and each gets what the other had       */
};

/* Renames; what had the new name is replaced in the same step. `flags` is 0 or one of the above,
 * with which some file systems say -EINVAL. -EXDEV: another file system. */
HOB_API HOB_MUST_USE int hob_path_rename(const char *from, const char *to, unsigned flags);
HOB_API HOB_MUST_USE int hob_path_rename_prep(hob_op *op, const char *from, const char *to,
                                              unsigned flags);

/* Gives a file another name (a hard link); a symbolic link is not followed. */
HOB_API HOB_MUST_USE int hob_path_link(const char *from, const char *to);
HOB_API HOB_MUST_USE int hob_path_link_prep(hob_op *op, const char *from, const char *to);

/* Makes a symbolic link at `path` that leads to `target`, which need not be there. */
HOB_API HOB_MUST_USE int hob_path_symlink(const char *target, const char *path);
HOB_API HOB_MUST_USE int hob_path_symlink_prep(hob_op *op, const char *target, const char *path);

/* Where a symbolic link leads, as a text with a NUL. Returns its length; -ENAMETOOLONG when it
 * does not fit into `size` bytes; -EINVAL: it is no symbolic link. */
HOB_API HOB_MUST_USE ssize_t hob_path_readlink(const char *path, char *buf, size_t size);

/* Removes a name of a file; the file goes with its last name and when nobody has it open any
 * more. -EISDIR: it is a folder. */
HOB_API HOB_MUST_USE int hob_path_unlink(const char *path);
HOB_API HOB_MUST_USE int hob_path_unlink_prep(hob_op *op, const char *path);

/* ---- folders ---------------------------------------------------------------- */

/* Makes a folder. `mode` is as for mkdir(2). -EEXIST: something has that name. */
HOB_API HOB_MUST_USE int hob_path_mkdir(const char *path, unsigned mode);
HOB_API HOB_MUST_USE int hob_path_mkdir_prep(hob_op *op, const char *path, unsigned mode);

/* Makes a folder and those above it that are missing. 0 also when it was there already; -EEXIST
 * when something else has its name. Cancelled, it leaves those that it has made. */
HOB_API HOB_MUST_USE int hob_path_mkdirs(const char *path, unsigned mode);

/* Removes an empty folder. -ENOTEMPTY. */
HOB_API HOB_MUST_USE int hob_path_rmdir(const char *path);
HOB_API HOB_MUST_USE int hob_path_rmdir_prep(hob_op *op, const char *path);

/* Removes what has that name, with all that is in it. A symbolic link is removed and never
 * followed, also when somebody puts one in the place of a folder meanwhile: nothing outside is
 * touched. What cannot be removed stays, with the folders above it; the rest goes (in folders that
 * are more than 64 deep, an error ends it). Returns 0 when all is gone, -ENOENT when nothing was
 * there, -EINVAL for `.`, `..` and the root, or the first error. Cancelled, it leaves what it had
 * not come to. The tree may be as deep as it likes; some 64 descriptors are used at most. */
HOB_API HOB_MUST_USE int hob_path_remove_tree(const char *path);

/* ---- attributes ------------------------------------------------------------- */

/* chmod(2), chown(2); lchown: of a symbolic link itself. A user or group of -1 stays. */
HOB_API HOB_MUST_USE int hob_path_chmod(const char *path, unsigned mode);
HOB_API HOB_MUST_USE int hob_path_chmod_prep(hob_op *op, const char *path, unsigned mode);
HOB_API HOB_MUST_USE int hob_path_chown(const char *path, uid_t user, gid_t group);
HOB_API HOB_MUST_USE int hob_path_chown_prep(hob_op *op, const char *path, uid_t user,
                                             gid_t group);
HOB_API HOB_MUST_USE int hob_path_lchown(const char *path, uid_t user, gid_t group);

/* When it was last read and written, as utimensat(2): times[0] and times[1]; a tv_nsec of
 * UTIME_NOW or UTIME_OMIT means that. NULL: now. */
HOB_API HOB_MUST_USE int hob_path_utimes(const char *path, const struct timespec *times);
HOB_API HOB_MUST_USE int hob_path_utimes_prep(hob_op *op, const char *path,
                                              const struct timespec *times);

/* Makes a file so long: shorter ones get zeros at the end. */
HOB_API HOB_MUST_USE int hob_path_truncate(const char *path, int64_t len);
HOB_API HOB_MUST_USE int hob_path_truncate_prep(hob_op *op, const char *path, int64_t len);

/* Extended attributes, as xattr(7): the names begin with "user." and the like. get and list return
 * how many bytes there are, also when `size` is 0 and nothing is written; -ERANGE: more than fit.
 * list writes the names one after the other, each with its NUL. `flags` of set: 0, XATTR_CREATE or
 * XATTR_REPLACE. -ENODATA: there is none of that name. -EOPNOTSUPP: not on this file system. */
HOB_API HOB_MUST_USE ssize_t hob_path_xattr_get(const char *path, const char *name, void *buf,
                                                size_t size);
HOB_API HOB_MUST_USE int     hob_path_xattr_set(const char *path, const char *name,
                                                const void *value, size_t len, unsigned flags);
HOB_API HOB_MUST_USE ssize_t hob_path_xattr_list(const char *path, char *buf, size_t size);
HOB_API HOB_MUST_USE int     hob_path_xattr_remove(const char *path, const char *name);

/* ---- whole files ------------------------------------------------------------ */

/* Reads a whole file of at most `limit` bytes into memory that grows as they come, whatever size
 * the system tells (files of /proc have none). *ret_data has a NUL behind its last byte, which
 * *ret_len does not count, and is yours: free(3) it. Returns 0; -EFBIG when it is longer; -ENOMEM. */
HOB_API HOB_MUST_USE int hob_path_read(const char *path, size_t limit, char **ret_data,
                                       size_t *ret_len);

/* Writes a whole file, new or over what was there. An error or a cancellation in between leaves a
 * part; and nothing is made durable. hob_path_replace does better. */
HOB_API HOB_MUST_USE int hob_path_write(const char *path, const void *data, size_t len,
                                        unsigned mode);

/* Puts a file with these bytes in the place of what has the name, if anything: whoever looks finds
 * the old one or the new one, whole, also when this is cancelled, fails, or the machine loses its
 * power. `mode`: of a new file, as for open(2); 0: that of the old file, or 0666 less the umask.
 * See hob/replace.h, which does the same for a file that is written piece by piece, for what it
 * promises. */
HOB_API HOB_MUST_USE int hob_path_replace(const char *path, const void *data, size_t len,
                                          unsigned mode);

/* ---- names of one's own ----------------------------------------------------- */

/* Makes an empty file (a folder) with a new name and the mode 0600 (0700). `path_template` ends in
 * XXXXXX, which become letters that make the name a new one. The file is opened to read and
 * write; removing it is the caller's. -EINVAL: there are no six X. */
HOB_API HOB_MUST_USE int hob_path_make_temp(char *path_template, hob_file **ret_file);
HOB_API HOB_MUST_USE int hob_path_make_temp_dir(char *path_template);

HOB_END_DECLS

#endif
