/* SPDX-License-Identifier: MIT */
/*
 * The calls on files and folders: all that an OP_FS can be.
 *
 * They have one op for all of them, since the backends treat them alike: they have no order among
 * themselves, wait for a disk and never for a peer, and are carried out whole or not at all. A new
 * one is a line in the table, a case in fs_call.c (the system call) and one in sim_fs.c (its effect
 * in the simulated world); uring.c may know an opcode for it.
 *
 * The record belongs to whoever waits, like the op, until the op is done.
 */
#ifndef HOB_OP_FS_H
#define HOB_OP_FS_H

#include <stdint.h>
#include <sys/types.h>

/* With the fields that each takes besides those of the second column: `path`, relative to the
 * descriptor of the op, or to the current folder without one; or, where it says "fd", the
 * descriptor itself when `path` is NULL. `flags` are those of the system call. */
#define HOB_FS_CALLS(X)                                                                          \
    X(OPEN,      "open")           /* path; flags, mode, a: RESOLVE_…; result: the number; then \
                                      b is its S_IFMT, and nobody waits for a FIFO's other end */ \
    X(RENAME,    "rename")         /* path, other: the new one, from the same place; flags    */ \
    X(LINK,      "link")           /* path, other: the new one, from the same place; flags    */ \
    X(LINK_FD,   "link")           /* fd; other: the new name                                 */ \
    X(SYMLINK,   "symlink")        /* path; other: what it leads to                           */ \
    X(READLINK,  "readlink")       /* path; buf, len; result: the length, without a NUL       */ \
    X(UNLINK,    "unlink")         /* path; flags: AT_REMOVEDIR                               */ \
    X(MKDIR,     "mkdir")          /* path; mode                                              */ \
    X(STATX,     "statx")          /* path, fd; flags, mode: the mask, buf: struct statx      */ \
    X(CHMOD,     "chmod")          /* path, fd; mode                                          */ \
    X(CHOWN,     "chown")          /* path, fd; flags, a: user, b: group                      */ \
    X(UTIMES,    "utimes")         /* path, fd; flags, buf: two struct timespec               */ \
    X(ACCESS,    "access")         /* path; flags, mode                                       */ \
    X(XATTR_GET, "getxattr")       /* path, fd; flags, other: the name; buf, len              */ \
    X(XATTR_SET, "setxattr")       /* path, fd; flags, other: the name; buf, len; mode: XATTR_ */ \
    X(XATTR_LIST, "listxattr")     /* path, fd; flags, buf, len                               */ \
    X(XATTR_REMOVE, "removexattr") /* path, fd; flags, other: the name                        */ \
    X(GETDENTS,  "getdents")       /* fd; buf, len; result: bytes of struct dirent64          */ \
    X(STATVFS,   "statvfs")        /* path, fd; buf: struct statvfs                           */ \
    X(TRUNCATE,  "truncate")       /* path, fd; a: the length                                 */ \
    X(ALLOCATE,  "fallocate")      /* fd; mode, a: offset, b: length                          */ \
    X(DATASYNC,  "fdatasync")      /* fd                                                      */ \
    X(READV,     "preadv")         /* fd; buf: struct iovec, len: how many, a: offset         */ \
    X(WRITEV,    "pwritev")        /* fd; the same                                            */ \
    X(LOCK,      "flock")          /* fd; flags: LOCK_…; never waits: 1 when another has it   */ \
    X(LOCK_RANGE, "lock a range")  /* fd; mode: F_RDLCK …, a: offset, b: length; the same     */ \
    X(WATCH_NEW, "inotify_init")   /* result: the number                                      */ \
    X(WATCH_ADD, "inotify_add_watch") /* fd: a watch's; other: the path; mode: IN_…; result: the mark */ \
    X(WATCH_REMOVE, "inotify_rm_watch") /* fd: a watch's; a: the mark                         */

enum fs_what {
#define X(what, name) FS_##what,
    HOB_FS_CALLS(X)
#undef X
    FS_CALLS
};

struct fs_call {
    enum fs_what what;
    unsigned     flags;
    unsigned     mode;
    const char  *path;
    const char  *other;
    void        *buf;
    size_t       len;
    int64_t      a, b;
    uint64_t     room[3]; /* the backend's own */
};

const char *hob__fs_name(enum fs_what what);

#endif
