/* SPDX-License-Identifier: MIT */
/*
 * The calls on files and folders of op/fs.h, on the simulated disk.
 *
 * Each answers as Linux does, also where two things are wrong at once; tests/io/test_disk.c holds
 * it to that beside a real file system.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "backend/sim_disk.h"
#include "base/alloc.h"

/* The folder that paths are relative to. */
static struct inode *folder_of(const struct sim *sim, const struct node *node)
{
    return node != NULL ? node->inode : sim->root;
}

/* ---- names ---- */

static int walk_to_new(struct sim *sim, struct inode *from, const char *path,
                       struct place *ret_place)
{
    int r = hob__sim_walk(sim, from, path, WALK_PARENT, ret_place);
    if (r < 0)
        return r;
    return ret_place->last != LAST_NAME || ret_place->inode != NULL ? -EEXIST : 0;
}

static int make_folder(struct sim *sim, struct inode *from, const struct fs_call *call)
{
    struct place  place;
    struct inode *made;
    int r = walk_to_new(sim, from, call->path, &place);
    return r < 0 ? r : hob__sim_make_at(sim, &place, INODE_FOLDER, call->mode & 01777 & ~022u, &made);
}

static int make_symlink(struct sim *sim, struct inode *from, const struct fs_call *call)
{
    struct place  place;
    struct inode *made;
    size_t        len = strnlen(call->other, SIM_PATH_BYTES);
    if (len == 0 || len == SIM_PATH_BYTES)
        return len == 0 ? -ENOENT : -ENAMETOOLONG;
    int r = walk_to_new(sim, from, call->path, &place);
    if (r < 0 || place.wants_folder)
        return r < 0 ? r : -ENOENT;
    char *target = hob__strdup(call->other);
    if (target == NULL)
        return -ENOMEM;
    r = hob__sim_make_at(sim, &place, INODE_LINK, 0777, &made);
    if (r < 0)
        hob__free(target);
    else
        made->target = target;
    return r;
}

static int add_link(struct sim *sim, struct place *place, struct inode *inode)
{
    if (inode->kind == INODE_FOLDER)
        return -EPERM;
    int r = hob__sim_name_add(sim, place->folder, place->text, place->len, inode);
    if (r == 0)
        hob__sim_tell_name(sim, place->folder, IN_CREATE, 0, place->text, place->len, inode);
    return r;
}

static int make_link(struct sim *sim, struct inode *from, const struct fs_call *call)
{
    struct place old, new;
    unsigned follow = call->flags & AT_SYMLINK_FOLLOW ? WALK_FOLLOW : 0;
    int r = hob__sim_walk(sim, from, call->path, follow, &old);
    if (r == 0 && old.inode == NULL)
        r = -ENOENT;
    if (r == 0)
        r = walk_to_new(sim, from, call->other, &new);
    if (r < 0 || new.wants_folder)
        return r < 0 ? r : -ENOENT;
    return add_link(sim, &new, old.inode);
}

static int name_unnamed(struct sim *sim, struct node *node, const struct fs_call *call)
{
    struct place new;
    int r = walk_to_new(sim, NULL, call->other, &new);
    if (r < 0 || new.wants_folder)
        return r < 0 ? r : -ENOENT;
    return add_link(sim, &new, node->inode);
}

static int may_unlink(const struct place *place)
{
    if (place->last != LAST_NAME)
        return -EISDIR;
    if (place->inode == NULL)
        return -ENOENT;
    if (place->inode->kind == INODE_FOLDER)
        return -EISDIR;
    return place->wants_folder ? -ENOTDIR : 0;
}

static int may_rmdir(const struct place *place)
{
    if (place->last != LAST_NAME)
        return place->last == LAST_DOTS ? -ENOTEMPTY : place->last == LAST_DOT ? -EINVAL : -EBUSY;
    if (place->inode == NULL)
        return -ENOENT;
    if (place->inode->kind != INODE_FOLDER)
        return -ENOTDIR;
    return list_is_empty(&place->inode->entries) ? 0 : -ENOTEMPTY;
}

static int unlink_name(struct sim *sim, struct inode *from, const struct fs_call *call)
{
    struct place place;
    int r = hob__sim_walk(sim, from, call->path, WALK_PARENT, &place);
    if (r == 0)
        r = call->flags & AT_REMOVEDIR ? may_rmdir(&place) : may_unlink(&place);
    if (r < 0)
        return r;
    hob__sim_tell_name(sim, place.folder, IN_DELETE, 0, place.text, place.len, place.inode);
    hob__sim_name_remove(sim, place.dentry);
    hob__sim_inode_check(sim, place.inode);
    return 0;
}

/* ---- renaming ---- */

static bool is_folder(const struct inode *inode)
{
    return inode != NULL && inode->kind == INODE_FOLDER;
}

static int may_rename(const struct place *old, const struct place *new, unsigned flags)
{
    if (old->last != LAST_NAME)
        return -EBUSY;
    if (new->last != LAST_NAME)
        return flags & RENAME_NOREPLACE ? -EEXIST : -EBUSY;
    if (old->inode == NULL)
        return -ENOENT;
    if (flags & RENAME_NOREPLACE && new->inode != NULL)
        return -EEXIST;
    if (flags & RENAME_EXCHANGE) {
        if (new->inode == NULL)
            return -ENOENT;
        if (new->wants_folder && !is_folder(new->inode))
            return -ENOTDIR;
    }
    if (!is_folder(old->inode)) {
        bool wants = old->wants_folder || (new->wants_folder && !(flags & RENAME_EXCHANGE));
        if (wants)
            return -ENOTDIR;
    }
    if (hob__sim_is_within(new->folder, old->inode))
        return -EINVAL;
    if (is_folder(new->inode) && hob__sim_is_within(old->folder, new->inode))
        return flags & RENAME_EXCHANGE ? -EINVAL : -ENOTEMPTY;
    return 0;
}

static int may_replace(const struct place *old, const struct place *new)
{
    if (is_folder(old->inode) && !is_folder(new->inode))
        return -ENOTDIR;
    if (!is_folder(old->inode) && is_folder(new->inode))
        return -EISDIR;
    return is_folder(new->inode) && !list_is_empty(&new->inode->entries) ? -ENOTEMPTY : 0;
}

static void tell_moved(struct sim *sim, const struct place *old, const struct place *new,
                       struct inode *inode)
{
    uint32_t cookie = ++sim->renames;
    hob__sim_tell_name(sim, old->folder, IN_MOVED_FROM, cookie, old->text, old->len, inode);
    hob__sim_tell_name(sim, new->folder, IN_MOVED_TO, cookie, new->text, new->len, inode);
}

/* A name of `inode` at the place, where `dentry` was. The names that go are removed only when that
 * worked, so that a lack of memory changes nothing. */
static int exchange(struct sim *sim, const struct place *old, const struct place *new)
{
    struct inode *a = old->inode, *b = new->inode;
    int r = hob__sim_name_add(sim, new->folder, new->text, new->len, a);
    if (r < 0)
        return r;
    struct dentry *added = container_of(a->dentries.head.prev, struct dentry, of_inode);
    r = hob__sim_name_add(sim, old->folder, old->text, old->len, b);
    if (r < 0) {
        struct inode *parent = a->parent;
        hob__sim_name_remove(sim, added);
        a->parent = is_folder(a) ? old->folder : parent;
        return r;
    }
    hob__sim_name_remove(sim, old->dentry);
    hob__sim_name_remove(sim, new->dentry);
    a->parent = is_folder(a) ? new->folder : NULL;
    b->parent = is_folder(b) ? old->folder : NULL;
    tell_moved(sim, old, new, a);
    tell_moved(sim, new, old, b);
    return 0;
}

static int move(struct sim *sim, const struct place *old, const struct place *new)
{
    struct inode *inode = old->inode, *replaced = new->inode;
    int r = hob__sim_name_add(sim, new->folder, new->text, new->len, inode);
    if (r < 0)
        return r;
    hob__sim_name_remove(sim, old->dentry);
    inode->parent = is_folder(inode) ? new->folder : NULL;
    if (replaced != NULL)
        hob__sim_name_remove(sim, new->dentry);
    tell_moved(sim, old, new, inode);
    if (replaced != NULL)
        hob__sim_inode_check(sim, replaced);
    return 0;
}

static int rename_name(struct sim *sim, struct inode *from, const struct fs_call *call)
{
    struct place old, new;
    unsigned     flags = call->flags;
    if ((flags & ~(unsigned)(RENAME_NOREPLACE | RENAME_EXCHANGE)) != 0 ||
        flags == (RENAME_NOREPLACE | RENAME_EXCHANGE))
        return -EINVAL;
    int r = hob__sim_walk(sim, from, call->path, WALK_PARENT, &old);
    if (r == 0)
        r = hob__sim_walk(sim, from, call->other, WALK_PARENT, &new);
    if (r == 0)
        r = may_rename(&old, &new, flags);
    if (r < 0 || old.inode == new.inode)
        return r;
    if (flags & RENAME_EXCHANGE)
        return exchange(sim, &old, &new);
    if (new.inode != NULL)
        r = may_replace(&old, &new);
    return r < 0 ? r : move(sim, &old, &new);
}

/* ---- attributes ---- */

/* What the call is about. */
static int find_subject(struct sim *sim, const struct fs_call *call, struct node *node,
                        struct inode **ret_inode)
{
    struct place place;
    if (call->path == NULL) {
        if (node == NULL || node->inode == NULL)
            return node == NULL ? -EBADF : -EINVAL;
        *ret_inode = node->inode;
        return 0;
    }
    if (call->path[0] == '\0' && call->flags & AT_EMPTY_PATH) {
        *ret_inode = folder_of(sim, node);
        return 0;
    }
    unsigned follow = call->flags & AT_SYMLINK_NOFOLLOW ? 0 : WALK_FOLLOW;
    int r = hob__sim_walk(sim, folder_of(sim, node), call->path, follow, &place);
    if (r < 0 || place.inode == NULL)
        return r < 0 ? r : -ENOENT;
    *ret_inode = place.inode;
    return 0;
}

static struct statx_timestamp statx_time(struct timespec time)
{
    return (struct statx_timestamp){ .tv_sec = time.tv_sec, .tv_nsec = (unsigned)time.tv_nsec };
}

static void fill_statx(const struct inode *inode, struct statx *ret_stat)
{
    struct stat st;
    hob__sim_stat(inode, &st);
    *ret_stat = (struct statx){
        .stx_mask = STATX_BASIC_STATS,
        .stx_blksize = (unsigned)st.st_blksize,
        .stx_nlink = (unsigned)st.st_nlink,
        .stx_uid = st.st_uid,
        .stx_gid = st.st_gid,
        .stx_mode = (uint16_t)st.st_mode,
        .stx_ino = st.st_ino,
        .stx_size = (uint64_t)st.st_size,
        .stx_blocks = (uint64_t)st.st_blocks,
        .stx_atime = statx_time(st.st_atim),
        .stx_mtime = statx_time(st.st_mtim),
        .stx_ctime = statx_time(st.st_ctim),
    };
    memcpy((char *)ret_stat + 0x98, (uint32_t[]){ SIM_DIRECT_ALIGN, SIM_DIRECT_ALIGN }, 8);
    if (inode->kind == INODE_FILE)
        ret_stat->stx_mask |= 0x2000; // STATX_DIOALIGN, with the two numbers before
}

static int64_t time_from(struct sim *sim, const struct timespec *time, int64_t before_ns)
{
    if (time->tv_nsec == UTIME_OMIT)
        return before_ns;
    if (time->tv_nsec == UTIME_NOW)
        return hob__sim_calendar_ns(sim);
    return time->tv_sec * INT64_C(1000000000) + time->tv_nsec;
}

static bool is_time(const struct timespec *time)
{
    return time->tv_nsec == UTIME_OMIT || time->tv_nsec == UTIME_NOW ||
           (time->tv_nsec >= 0 && time->tv_nsec < 1000000000);
}

static int set_times(struct sim *sim, struct inode *inode, const struct timespec times[2])
{
    static const struct timespec now[2] = { { 0, UTIME_NOW }, { 0, UTIME_NOW } };
    if (times == NULL)
        times = now;
    if (!is_time(&times[0]) || !is_time(&times[1]))
        return -EINVAL;
    inode->read_ns = time_from(sim, &times[0], inode->read_ns);
    inode->written_ns = time_from(sim, &times[1], inode->written_ns);
    return 0;
}

static int change_attributes(struct sim *sim, struct inode *inode, const struct fs_call *call)
{
    int r = 0;
    if (call->what == FS_CHMOD)
        inode->mode = call->mode & 07777;
    else if (call->what == FS_UTIMES)
        r = set_times(sim, inode, call->buf);
    if (call->what == FS_CHOWN && (uid_t)call->a != (uid_t)-1)
        inode->uid = (unsigned)call->a;
    if (call->what == FS_CHOWN && (gid_t)call->b != (gid_t)-1)
        inode->gid = (unsigned)call->b;
    if (r < 0)
        return r;
    inode->changed_ns = hob__sim_calendar_ns(sim);
    hob__sim_tell(sim, inode, IN_ATTRIB);
    return 0;
}

static int access_of(const struct inode *inode, unsigned mode)
{
    if ((mode & ~7u) != 0)
        return -EINVAL;
    return mode & X_OK && inode->kind == INODE_FILE && !(inode->mode & 0111) ? -EACCES : 0;
}

static int fill_statvfs(const struct sim *sim, struct statvfs *ret_stat)
{
    uint64_t room = sim->world.disk_bytes != 0 ? sim->world.disk_bytes : UINT64_C(1) << 40;
    uint64_t free_bytes = room > sim->disk_used ? room - sim->disk_used : 0;
    *ret_stat = (struct statvfs){
        .f_bsize = SIM_PAGE_BYTES,
        .f_frsize = SIM_PAGE_BYTES,
        .f_blocks = room / SIM_PAGE_BYTES,
        .f_bfree = free_bytes / SIM_PAGE_BYTES,
        .f_bavail = free_bytes / SIM_PAGE_BYTES,
        .f_namemax = SIM_NAME_BYTES,
    };
    return 0;
}

/* ---- extended attributes ---- */

struct attr {
    struct list_node link;
    size_t           len;
    unsigned char   *value;
    char             name[];
};

static struct attr *find_attr(const struct inode *inode, const char *name)
{
    list_for_each (node, &inode->attrs) {
        struct attr *attr = container_of(node, struct attr, link);
        if (strcmp(attr->name, name) == 0)
            return attr;
    }
    return NULL;
}

static int may_have_attr(const struct inode *inode, const char *name)
{
    static const char *const spaces[] = { "user.", "trusted.", "security." };
    if (name[0] == '\0' || strlen(name) > XATTR_NAME_MAX)
        return -ERANGE;
    for (size_t i = 0; i < sizeof spaces / sizeof spaces[0]; i++)
        if (strncmp(name, spaces[i], strlen(spaces[i])) == 0)
            return i == 0 && inode->kind != INODE_FILE && inode->kind != INODE_FOLDER ? -EPERM : 0;
    return -EOPNOTSUPP;
}

static int64_t get_attr(const struct inode *inode, const struct fs_call *call)
{
    const struct attr *attr = find_attr(inode, call->other);
    if (attr == NULL)
        return -ENODATA;
    if (call->len == 0)
        return (int64_t)attr->len;
    if (call->len < attr->len)
        return -ERANGE;
    memcpy(call->buf, attr->value, attr->len);
    return (int64_t)attr->len;
}

static void free_attr(struct attr *attr)
{
    list_remove(&attr->link);
    hob__free(attr->value);
    hob__free(attr);
}

static int set_attr(struct inode *inode, const struct fs_call *call)
{
    struct attr *old = find_attr(inode, call->other);
    size_t       len = strlen(call->other);
    if (call->mode & XATTR_CREATE && old != NULL)
        return -EEXIST;
    if (call->mode & XATTR_REPLACE && old == NULL)
        return -ENODATA;
    if (call->len > XATTR_SIZE_MAX)
        return -E2BIG;
    struct attr *attr = hob__alloc_zero(sizeof *attr + len + 1);
    if (attr == NULL)
        return -ENOMEM;
    attr->value = hob__alloc(call->len + 1);
    if (attr->value == NULL) {
        hob__free(attr);
        return -ENOMEM;
    }
    memcpy(attr->name, call->other, len);
    if (call->len > 0)
        memcpy(attr->value, call->buf, call->len);
    attr->len = call->len;
    if (old != NULL)
        free_attr(old);
    list_push_back(&inode->attrs, &attr->link);
    return 0;
}

static int64_t list_attrs(const struct inode *inode, const struct fs_call *call)
{
    size_t len = 0;
    list_for_each (node, &inode->attrs) {
        const struct attr *attr = container_of(node, struct attr, link);
        size_t n = strlen(attr->name) + 1;
        if (call->len > 0 && len + n > call->len)
            return -ERANGE;
        if (call->len > 0)
            memcpy((char *)call->buf + len, attr->name, n);
        len += n;
    }
    return (int64_t)len;
}

static int64_t attr_call(struct sim *sim, struct inode *inode, const struct fs_call *call)
{
    int64_t r = 0;
    if (call->what == FS_XATTR_LIST)
        return list_attrs(inode, call);
    r = may_have_attr(inode, call->other);
    if (r < 0)
        return r == -EPERM && call->what == FS_XATTR_GET ? -ENODATA : r;
    if (call->what == FS_XATTR_GET)
        return get_attr(inode, call);
    if (call->what == FS_XATTR_SET) {
        r = set_attr(inode, call);
    } else {
        struct attr *attr = find_attr(inode, call->other);
        r = attr != NULL ? 0 : -ENODATA;
        if (attr != NULL)
            free_attr(attr);
    }
    if (r == 0)
        hob__sim_tell(sim, inode, IN_ATTRIB);
    return r;
}

void hob__sim_fs_free(struct inode *inode)
{
    list_for_each (node, &inode->attrs)
        free_attr(container_of(node, struct attr, link));
    hob_assert(list_is_empty(&inode->locks));
}

/* ---- folders' entries ---- */

static unsigned char dirent_type(const struct inode *inode)
{
    static const unsigned char types[] = {
        [INODE_FILE] = DT_REG, [INODE_FOLDER] = DT_DIR, [INODE_LINK] = DT_LNK,
        [INODE_SOCKET] = DT_SOCK,
    };
    return types[inode->kind];
}

/* Returns the record's length, or 0 when it does not fit. */
static size_t put_dirent(char *at, size_t room, const struct inode *inode, uint64_t cookie,
                         const char *name, size_t len)
{
    size_t size = (offsetof(struct dirent64, d_name) + len + 1 + 7) & ~(size_t)7;
    if (size > room)
        return 0;
    struct dirent64 *entry = (struct dirent64 *)at;
    memset(at, 0, size);
    entry->d_ino = inode->id;
    entry->d_off = (off64_t)cookie;
    entry->d_reclen = (unsigned short)size;
    entry->d_type = dirent_type(inode);
    memcpy(entry->d_name, name, len);
    return size;
}

enum { COOKIE_DOT = 1, COOKIE_DOTS = 2, COOKIES_BEFORE = 2 };

static int64_t list_folder(struct sim *sim, struct node *node, const struct fs_call *call)
{
    struct inode *folder = node->inode;
    char         *at = call->buf;
    size_t        used = 0, n = 0;
    if (folder->kind != INODE_FOLDER)
        return -ENOTDIR;
    if (folder->names == 0 && folder != sim->root)
        return -ENOENT;
    for (; node->cookie < COOKIE_DOTS; node->cookie++, used += n) {
        const struct inode *up = folder->parent != NULL ? folder->parent : folder;
        bool is_dot = node->cookie + 1 == COOKIE_DOT;
        n = put_dirent(at + used, call->len - used, is_dot ? folder : up, node->cookie + 1, "..",
                       is_dot ? 1 : 2);
        if (n == 0)
            return used > 0 ? (int64_t)used : -EINVAL;
    }
    list_for_each (link, &folder->entries) {
        const struct dentry *dentry = container_of(link, struct dentry, of_folder);
        uint64_t cookie = dentry->cookie + COOKIES_BEFORE;
        if (cookie <= node->cookie)
            continue;
        n = put_dirent(at + used, call->len - used, dentry->inode, cookie, dentry->text,
                       dentry->len);
        if (n == 0)
            return used > 0 ? (int64_t)used : -EINVAL;
        node->cookie = cookie;
        used += n;
    }
    return (int64_t)used;
}

/* ---- lengths, and pieces of memory ---- */

static int truncate_file(struct sim *sim, struct node *node, const struct fs_call *call)
{
    struct inode *inode;
    if (call->a < 0)
        return -EINVAL;
    int r = find_subject(sim, call, node, &inode);
    if (r < 0)
        return r;
    if (inode->kind != INODE_FILE)
        return inode->kind == INODE_FOLDER && call->path != NULL ? -EISDIR : -EINVAL;
    if (call->path == NULL && (node->flags & O_ACCMODE) == O_RDONLY)
        return -EINVAL;
    hob__sim_file_cut(sim, inode, call->a);
    inode->written_ns = inode->changed_ns = hob__sim_calendar_ns(sim);
    hob__sim_tell(sim, inode, IN_MODIFY);
    return 0;
}

static int allocate(struct sim *sim, struct node *node, const struct fs_call *call)
{
    const unsigned punch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
    struct inode  *file = node->inode;
    if (call->a < 0 || call->b <= 0)
        return -EINVAL;
    if (call->mode != 0 && call->mode != FALLOC_FL_KEEP_SIZE && call->mode != punch)
        return -EOPNOTSUPP;
    if ((node->flags & O_ACCMODE) == O_RDONLY)
        return -EBADF;
    if (call->b > INT64_MAX - call->a)
        return -EFBIG;
    if (call->mode == punch) {
        hob__sim_file_punch(sim, file, call->a, call->b);
        hob__sim_tell(sim, file, IN_MODIFY);
        return 0;
    }
    int64_t size = file->size;
    int     r = hob__sim_file_fill(sim, file, call->a, call->b);
    if (r == 0 && call->mode == FALLOC_FL_KEEP_SIZE)
        file->size = size;
    else if (r == 0 && file->size < call->a + call->b)
        file->size = call->a + call->b; // the room was there already
    if (r == 0)
        hob__sim_tell(sim, file, IN_MODIFY);
    return r;
}

static int64_t vector(struct sim *sim, struct node *node, const struct fs_call *call)
{
    const struct iovec *iov = call->buf;
    int64_t             total = 0;
    for (size_t i = 0; i < call->len; i++) {
        int64_t offset = call->a + total;
        int64_t n = call->what == FS_READV
            ? hob__sim_file_read(node, iov[i].iov_base, iov[i].iov_len, offset)
            : hob__sim_file_write(sim, node, iov[i].iov_base, iov[i].iov_len, offset);
        if (n < 0)
            return total > 0 ? total : n;
        total += n;
        if ((size_t)n < iov[i].iov_len)
            break;
    }
    return total;
}

/* ---- locks ---- */

struct lock {
    struct list_node link; /* in inode->locks              */
    struct node     *node;
    bool             of_range;
    bool             exclusive;
    int64_t          begin, end;
};

static bool overlaps(const struct lock *lock, int64_t begin, int64_t end)
{
    return lock->begin < end && begin < lock->end;
}

/* Whether somebody else's stands in the way. */
static bool is_locked(const struct node *node, bool of_range, bool exclusive, int64_t begin,
                      int64_t end)
{
    list_for_each (link, &node->inode->locks) {
        const struct lock *lock = container_of(link, struct lock, link);
        if (lock->node != node && lock->of_range == of_range && overlaps(lock, begin, end) &&
            (exclusive || lock->exclusive))
            return true;
    }
    return false;
}

static struct lock *new_lock(struct node *node, bool of_range, bool exclusive, int64_t begin,
                             int64_t end)
{
    struct lock *lock = hob__alloc(sizeof *lock);
    if (lock == NULL)
        return NULL;
    *lock = (struct lock){ .node = node, .of_range = of_range, .exclusive = exclusive,
                           .begin = begin, .end = end };
    list_push_back(&node->inode->locks, &lock->link);
    return lock;
}

static void free_lock(struct lock *lock)
{
    list_remove(&lock->link);
    hob__free(lock);
}

/* Takes what the node holds of the range away; `spare` becomes the end of one that is split. */
static void carve(struct node *node, bool of_range, int64_t begin, int64_t end, struct lock *spare)
{
    list_for_each (link, &node->inode->locks) {
        struct lock *lock = container_of(link, struct lock, link);
        if (lock->node != node || lock->of_range != of_range || lock == spare ||
            !overlaps(lock, begin, end))
            continue;
        bool before = lock->begin < begin, after = lock->end > end;
        if (before && after) {
            spare->begin = end;
            spare->end = lock->end;
            spare->exclusive = lock->exclusive;
            lock->end = begin;
        } else if (before) {
            lock->end = begin;
        } else if (after) {
            lock->begin = end;
        } else {
            free_lock(lock);
        }
    }
}

static int64_t set_lock(struct node *node, bool of_range, bool wanted, bool exclusive,
                        int64_t begin, int64_t end)
{
    if (of_range && wanted && is_locked(node, of_range, exclusive, begin, end))
        return 1;
    struct lock *spare = new_lock(node, of_range, false, 0, 0);
    struct lock *lock = spare != NULL && wanted ? new_lock(node, of_range, exclusive, 0, 0) : NULL;
    if (spare == NULL || (wanted && lock == NULL)) {
        if (spare != NULL)
            free_lock(spare);
        return -ENOLCK;
    }
    carve(node, of_range, begin, end, spare);
    if (spare->begin == spare->end)
        free_lock(spare);
    if (lock == NULL)
        return 0;
    // A whole lock of another kind is given up before the new one is had, as flock(2) does.
    if (!of_range && is_locked(node, of_range, exclusive, begin, end)) {
        free_lock(lock);
        return 1;
    }
    lock->begin = begin;
    lock->end = end;
    return 0;
}

static int64_t lock_whole(struct node *node, int what)
{
    if (what != LOCK_SH && what != LOCK_EX && what != LOCK_UN)
        return -EINVAL;
    return set_lock(node, false, what != LOCK_UN, what == LOCK_EX, 0, INT64_MAX);
}

static int64_t lock_range(struct node *node, const struct fs_call *call)
{
    int64_t begin = call->a, len = call->b;
    bool    writes = call->mode == F_WRLCK;
    if (begin < 0 || len < 0 || len > INT64_MAX - begin)
        return len < 0 || begin < 0 ? -EINVAL : -EOVERFLOW;
    if (call->mode == F_RDLCK && (node->flags & O_ACCMODE) == O_WRONLY)
        return -EBADF;
    if (writes && (node->flags & O_ACCMODE) == O_RDONLY)
        return -EBADF;
    return set_lock(node, true, call->mode != F_UNLCK, writes, begin,
                    len == 0 ? INT64_MAX : begin + len);
}

void hob__sim_fs_unlock(struct node *node, struct inode *inode)
{
    list_for_each (link, &inode->locks) {
        struct lock *lock = container_of(link, struct lock, link);
        if (lock->node == node)
            free_lock(lock);
    }
}

/* ---- all of them ---- */

static int64_t read_link(struct sim *sim, struct inode *from, const struct fs_call *call)
{
    struct place place;
    int r = hob__sim_walk(sim, from, call->path, 0, &place);
    if (r < 0 || place.inode == NULL)
        return r < 0 ? r : -ENOENT;
    if (place.inode->kind != INODE_LINK)
        return -EINVAL;
    if (call->len == 0)
        return -EINVAL;
    size_t len = strlen(place.inode->target);
    if (len > call->len)
        len = call->len;
    memcpy(call->buf, place.inode->target, len);
    return (int64_t)len;
}

static int64_t add_watch(struct sim *sim, struct node *node, const struct fs_call *call)
{
    struct place place;
    if (node == NULL || node->kind != NODE_WATCH)
        return -EINVAL;
    unsigned follow = call->mode & IN_DONT_FOLLOW ? 0 : WALK_FOLLOW;
    int r = hob__sim_walk(sim, NULL, call->other, follow, &place);
    if (r < 0 || place.inode == NULL)
        return r < 0 ? r : -ENOENT;
    if (call->mode & IN_ONLYDIR && place.inode->kind != INODE_FOLDER)
        return -ENOTDIR;
    return hob__sim_watch_add(sim, node, place.inode, call->mode);
}

static int64_t open_from(struct sim *sim, struct inode *from, struct fs_call *call)
{
    uint64_t resolve = (uint64_t)call->a;
    struct stat st;
    unsigned flags = (resolve & RESOLVE_BENEATH ? WALK_BENEATH : 0u) |
                     (resolve & RESOLVE_NO_SYMLINKS ? WALK_NO_LINKS : 0u);
    int64_t fd = hob__sim_file_open(sim, from, call->path, (int)call->flags, call->mode, flags);
    if (fd >= 0) {
        hob__sim_stat(hob__sim_node_at(sim, (int)fd)->inode, &st);
        call->b = st.st_mode & S_IFMT;
    }
    return fd;
}

static bool changes_something(const struct fs_call *call)
{
    switch (call->what) {
    case FS_RENAME: case FS_LINK: case FS_LINK_FD: case FS_SYMLINK: case FS_UNLINK: case FS_MKDIR:
    case FS_CHMOD: case FS_CHOWN: case FS_UTIMES: case FS_XATTR_SET: case FS_XATTR_REMOVE:
    case FS_TRUNCATE: case FS_ALLOCATE: case FS_WRITEV:
        return true;
    default:
        return false;
    }
}

static bool needs_file(enum fs_what what)
{
    switch (what) {
    case FS_GETDENTS: case FS_ALLOCATE: case FS_READV: case FS_WRITEV: case FS_LOCK:
    case FS_LOCK_RANGE: case FS_LINK_FD:
        return true;
    default:
        return false;
    }
}

static int64_t with_subject(struct sim *sim, const struct fs_call *call, struct node *node)
{
    struct inode *inode;
    int r = find_subject(sim, call, node, &inode);
    if (r < 0)
        return r;
    switch (call->what) {
    case FS_STATX:
        fill_statx(inode, call->buf);
        return 0;
    case FS_CHMOD:
    case FS_CHOWN:
    case FS_UTIMES:
        return change_attributes(sim, inode, call);
    case FS_ACCESS:
        return access_of(inode, call->mode);
    case FS_STATVFS:
        return fill_statvfs(sim, call->buf);
    default:
        return attr_call(sim, inode, call);
    }
}

int64_t hob__sim_fs(struct sim *sim, struct fs_call *call, struct node *node)
{
    struct inode *from = folder_of(sim, node);

    if (changes_something(call) && sim->world.disk_write_error < 0)
        return sim->world.disk_write_error;
    if (needs_file(call->what) && (node == NULL || node->kind != NODE_FILE))
        return node == NULL ? -EBADF : -EINVAL;
    switch (call->what) {
    case FS_OPEN:
        return open_from(sim, from, call);
    case FS_RENAME:
        return rename_name(sim, from, call);
    case FS_LINK:
        return make_link(sim, from, call);
    case FS_LINK_FD:
        return name_unnamed(sim, node, call);
    case FS_SYMLINK:
        return make_symlink(sim, from, call);
    case FS_READLINK:
        return read_link(sim, from, call);
    case FS_UNLINK:
        return unlink_name(sim, from, call);
    case FS_MKDIR:
        return make_folder(sim, from, call);
    case FS_STATX: case FS_CHMOD: case FS_CHOWN: case FS_UTIMES: case FS_ACCESS: case FS_STATVFS:
    case FS_XATTR_GET: case FS_XATTR_SET: case FS_XATTR_LIST: case FS_XATTR_REMOVE:
        return with_subject(sim, call, node);
    case FS_GETDENTS:
        return list_folder(sim, node, call);
    case FS_TRUNCATE:
        return truncate_file(sim, node, call);
    case FS_ALLOCATE:
        return allocate(sim, node, call);
    case FS_DATASYNC:
        return node == NULL ? -EBADF : node->kind == NODE_FILE ? 0 : -EINVAL;
    case FS_READV:
    case FS_WRITEV:
        return vector(sim, node, call);
    case FS_LOCK:
        return lock_whole(node, (int)call->flags);
    case FS_LOCK_RANGE:
        return lock_range(node, call);
    case FS_WATCH_NEW:
        return hob__sim_watch_new(sim);
    case FS_WATCH_ADD:
        return add_watch(sim, node, call);
    case FS_WATCH_REMOVE:
        return node == NULL ? -EBADF : hob__sim_watch_remove(sim, node, (int)call->a);
    case FS_CALLS:
        break;
    }
    hob_unreachable("unknown call on files");
}
