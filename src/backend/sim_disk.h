/* SPDX-License-Identifier: MIT */
/*
 * The simulated disk, as its files see it.
 *
 *     sim_disk.c    when an op has its effect; the bytes of files
 *     sim_tree.c    inodes and their names, and how a path is walked
 *     sim_fs.c      the calls of op/fs.h
 *     sim_watch.c   who is told of changes
 *
 * An inode has names (dentries) and users (open descriptors, child folders, which know their
 * parent); it is freed when the last of both is gone. Nobody is refused access, as for root.
 */
#ifndef HOB_BACKEND_SIM_DISK_H
#define HOB_BACKEND_SIM_DISK_H

#include "backend/sim.h"
#include "op/fs.h"

enum {
    SIM_PAGE_BYTES = 4096,
    SIM_PATH_BYTES = 4096, /* with the NUL */
    SIM_NAME_BYTES = 255,
    SIM_LINKS_MAX = 40,    /* symbolic ones, on one way */
    SIM_DIRECT_ALIGN = 512,
};

enum inode_kind { INODE_FILE, INODE_FOLDER, INODE_LINK, INODE_SOCKET };

struct inode {
    uint64_t         id;
    enum inode_kind  kind;
    unsigned         mode, uid, gid;
    uint32_t         names;     /* dentries that lead here                           */
    uint32_t         users;
    int64_t          read_ns, written_ns, changed_ns; /* st_atim, st_mtim, st_ctim   */
    struct list      dentries;  /* that lead here, by dentry.of_inode                */
    struct list      marks;     /* who watches, by mark.of_inode                     */
    struct list      attrs;     /* extended ones                                     */
    struct list      locks;
    struct list_node link;      /* in sim->inodes                                    */

    struct map       pages;     /* a file's, by index                                */
    int64_t          size;
    struct inode    *parent;    /* a folder's; the root is its own                   */
    struct list      entries;   /* a folder's, oldest first, by dentry.of_folder     */
    uint32_t         folders;   /* of them                                           */
    char            *target;    /* a symbolic link's                                 */
    struct node     *node;      /* a socket's; NULL: nobody has it any more          */
};

struct dentry {
    struct map_node  in_names;  /* sim->names_on_disk, by folder and text            */
    struct list_node of_folder, of_inode;
    struct inode    *folder, *inode;
    uint64_t         cookie;    /* later than those of the entries before it         */
    size_t           len;
    char             text[];
};

/* Where a path led. */
enum last_name { LAST_NAME, LAST_DOT, LAST_DOTS, LAST_ROOT };

struct place {
    struct inode  *folder;
    struct dentry *dentry;      /* NULL: there is none                               */
    struct inode  *inode;       /* NULL: nothing has that name                       */
    enum last_name last;
    bool           wants_folder; /* it ended in a slash                              */
    size_t         len;
    char           text[SIM_NAME_BYTES + 1];
};

enum {
    WALK_FOLLOW = 1,   /* the last name, too, if it is a symbolic link               */
    WALK_PARENT = 2,   /* the last name is to be made or removed: it is not followed,
                          not even before a slash                                    */
    WALK_BENEATH = 4,  /* -EXDEV where the path leads out of the folder it began in  */
    WALK_NO_LINKS = 8, /* -ELOOP at a symbolic link                                  */
    WALK_CREATE = 16,  /* the last name is a file's that may be made: -EISDIR before a slash */
};

/* --- sim_tree.c --- */

int           hob__sim_tree_init(struct sim *sim);
void          hob__sim_tree_fini(struct sim *sim);

/* Walks `path` from `from`. 0 also when only the last name is missing. */
int           hob__sim_walk(struct sim *sim, struct inode *from, const char *path, unsigned flags,
                            struct place *ret_place);
struct inode *hob__sim_inode_new(struct sim *sim, enum inode_kind kind, unsigned mode);
void          hob__sim_inode_drop(struct sim *sim, struct inode *inode); /* a user less */
void          hob__sim_inode_check(struct sim *sim, struct inode *inode); /* free it if it is nobody's */
int           hob__sim_name_add(struct sim *sim, struct inode *folder, const char *text, size_t len,
                                struct inode *inode);
void          hob__sim_name_remove(struct sim *sim, struct dentry *dentry);
int           hob__sim_make_at(struct sim *sim, const struct place *place, enum inode_kind kind,
                               unsigned mode, struct inode **ret_inode);
bool          hob__sim_is_within(const struct inode *folder, const struct inode *root);
int           hob__sim_make_folders(struct sim *sim, const char *path, bool last_too);

/* --- sim_disk.c --- */

int64_t hob__sim_calendar_ns(const struct sim *sim);
void    hob__sim_file_cut(struct sim *sim, struct inode *file, int64_t size);
int     hob__sim_file_fill(struct sim *sim, struct inode *file, int64_t offset, int64_t len);
void    hob__sim_file_punch(struct sim *sim, struct inode *file, int64_t offset, int64_t len);
int64_t hob__sim_file_read(struct node *node, void *buf, size_t len, int64_t offset);
int64_t hob__sim_file_write(struct sim *sim, struct node *node, const void *buf, size_t len,
                            int64_t offset);
int64_t hob__sim_file_open(struct sim *sim, struct inode *from, const char *path, int flags,
                           unsigned mode, unsigned walk_flags);

struct stat;
void    hob__sim_stat(const struct inode *inode, struct stat *ret_stat);
int     hob__sim_stat_node(const struct node *node, int fd, struct stat *ret_stat); /* or NULL */

/* --- sim_fs.c --- */

int64_t hob__sim_fs(struct sim *sim, struct fs_call *call, struct node *node);
void    hob__sim_fs_unlock(struct node *node, struct inode *inode); /* what the node holds */
void    hob__sim_fs_free(struct inode *inode); /* its attributes */

/* --- sim_watch.c --- */

int64_t hob__sim_watch_new(struct sim *sim);
int64_t hob__sim_watch_add(struct sim *sim, struct node *node, struct inode *inode, uint32_t mask);
int     hob__sim_watch_remove(struct sim *sim, struct node *node, int wd);
void    hob__sim_watch_close(struct sim *sim, struct node *node);

/* Tells of something that happened to the inode, under all of its names; of a name in a folder;
 * that the inode is gone. `mask` is inotify's. */
void    hob__sim_tell(struct sim *sim, struct inode *inode, uint32_t mask);
void    hob__sim_tell_name(struct sim *sim, struct inode *folder, uint32_t mask, uint32_t cookie,
                           const char *text, size_t len, const struct inode *inode);
void    hob__sim_tell_gone(struct sim *sim, struct inode *inode);

#endif
