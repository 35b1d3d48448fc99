/* SPDX-License-Identifier: MIT */
/*
 * Folders: what is in them, in whole trees of them, and files that are safely beneath one.
 *
 * A hob_dir is an open folder. It stays the same one when somebody renames it or puts something
 * else in its place. It belongs to the worker that opened it, but what is beneath it may be opened by
 * tasks of all workers: so a server has one folder for all of its workers.
 */
#ifndef HOB_DIR_H
#define HOB_DIR_H

#include "hob/file.h"

HOB_BEGIN_DECLS

typedef struct hob_dir  hob_dir;
typedef struct hob_walk hob_walk;

enum hob_entry_kind {
    HOB_ENTRY_FILE,
    HOB_ENTRY_FOLDER,
    HOB_ENTRY_SYMLINK,
    HOB_ENTRY_FIFO,
    HOB_ENTRY_SOCKET,
    HOB_ENTRY_DEVICE,
    HOB_ENTRY_UNKNOWN, /* it was gone before we could look, or is of a kind that is new */
};

/* ---- one folder ------------------------------------------------------------- */

/* Opens a folder. Waits. Returns 0 or a negative errno: -ENOENT, -ENOTDIR, -EACCES, -EMFILE,
 * -ECANCELED, -ETIMEDOUT. */
HOB_API HOB_MUST_USE int hob_dir_open(const char *path, hob_dir **ret_dir);

typedef struct hob_entry {
    const char         *name; /* valid until the next call on the folder */
    enum hob_entry_kind kind; /* of a symbolic link: that                */
    uint64_t            inode;
} hob_entry;

/* The next entry, in no order; `.` and `..` are left out. What is made or removed meanwhile may
 * come or not. Waits now and then: entries are fetched many at a time. Returns 1, or 0 when there
 * are no more, or a negative errno. One task at a time. */
HOB_API HOB_MUST_USE int hob_dir_next(hob_dir *dir, hob_entry *ret_entry);

/* Closes and frees it; NULL is fine. Never waits. */
HOB_API void hob_dir_close(hob_dir *dir);

/* Makes the names in it durable, as fsync(2) of the folder: what was made, renamed or removed
 * here. Waits. Returns 0 or a negative errno. */
HOB_API HOB_MUST_USE int hob_dir_sync(hob_dir *dir);

/* ---- beneath a folder ------------------------------------------------------- */

/* Opens a file whose path, relative to `dir`, may come from anybody: a client, an archive. Whatever
 * it says, with `..`, with symbolic links, also ones that are changed meanwhile, nothing outside of
 * `dir` is opened: -EXDEV says that it would have led there, as a path does that begins with a
 * slash. Symbolic links that stay beneath are followed; O_NOFOLLOW in `flags` refuses one as the
 * last name. A FIFO or device is opened without waiting for its other end, as by hob_file_open.
 * On any worker, whose the file is then. Waits. Returns 0 or a negative errno. `dir` must stay open until
 * then.
 *
 * (By openat2(2) with RESOLVE_BENEATH; where there is none, by a walk that opens folder by folder
 * and gives the same answers, but for what is renamed while it is under way.) */
HOB_API HOB_MUST_USE int hob_dir_open_file(hob_dir *dir, const char *path, int flags,
                                           unsigned mode, hob_file **ret_file);

/* The same for a folder. */
HOB_API HOB_MUST_USE int hob_dir_open_dir(hob_dir *dir, const char *path, hob_dir **ret_dir);

/* ---- a tree ----------------------------------------------------------------- */

enum hob_walk_order {
    HOB_WALK_BEFORE, /* a folder comes before what is in it          */
    HOB_WALK_AFTER,  /* after it                                     */
    HOB_WALK_BOTH,   /* twice: `leaves` tells the second time        */
};

/* How to walk. All zero, or NULL, means the defaults. */
typedef struct hob_walk_opts {
    enum hob_walk_order order;
    unsigned depth_max;       /* 1: what is in the folder itself; 0: as HOB_WALK_DEPTH_MAX. What is
                                 deeper is left out; a folder beyond the latter has -ELOOP */
    unsigned sorted : 1;      /* by name, as bytes: all names of a folder are held at once */
    unsigned follow : 1;      /* symbolic links to folders are walked, too; one that leads to a
                                 folder that it is in has the error -ELOOP */
    unsigned same_device : 1; /* what is mounted below is told, but not entered */
} hob_walk_opts;

enum { HOB_WALK_DEPTH_MAX = 200 }; /* each level holds a descriptor */

typedef struct hob_walk_entry {
    const char         *path;   /* of the walk's beginning, and on; both texts are valid until the */
    const char         *name;   /* next call on the walk. The last name of it                      */
    enum hob_entry_kind kind;
    unsigned            depth;  /* 1: in the folder itself; 0: the beginning                       */
    int                 error;  /* a folder that could not be opened or read to its end: why; the
                                   walk goes on behind it                                          */
    unsigned            leaves : 1; /* its content is over                                         */
} hob_walk_entry;

/* Begins to walk what `path` names: a folder, or something else, which is then the only entry. (If
 * it is a symbolic link to a folder, that one is walked.) The path and the options are copied. Waits. Returns 0 or a negative errno. */
HOB_API HOB_MUST_USE int hob_walk_open(const char *path, const hob_walk_opts *opts,
                                       hob_walk **ret_walk);

/* The next entry; the first is the beginning itself (with HOB_WALK_AFTER the last). No symbolic
 * link is followed by mistake: each folder is opened by its name in the one above, as what it was
 * when it was told. Waits now and then. Returns 1, or 0 at the end, or a negative errno: -ENOMEM,
 * -ECANCELED, -ETIMEDOUT. One task at a time. */
HOB_API HOB_MUST_USE int hob_walk_next(hob_walk *walk, hob_walk_entry *ret_entry);

/* Leaves out what is in the folder that hob_walk_next has just told. Does not wait. */
HOB_API void hob_walk_skip(hob_walk *walk);

/* Ends it, at any point; NULL is fine. Never waits. */
HOB_API void hob_walk_close(hob_walk *walk);

HOB_END_DECLS

#endif
