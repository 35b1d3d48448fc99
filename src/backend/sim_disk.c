/* SPDX-License-Identifier: MIT */
/*
 * The simulated disk: when an op has its effect, and the bytes of files.
 *
 *     op ── submit ──▶ a delay ──▶ the effect, all at once ──▶ op.result
 *
 * An op on the disk has no effect before its delay is over, so that one that is
 * cancelled meanwhile had none. On one descriptor reads stay in order, and so do
 * writes.
 *
 * A page exists where bytes were written; holes read as zeros and take no room.
 * The room taken is, of each page, what lies before its last written byte. Paths
 * and folders are in sim_tree.c; the current folder is `/`.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "backend/sim_disk.h"
#include "base/alloc.h"

enum { PAGE_BYTES = SIM_PAGE_BYTES, DELAYED_FIRST = 16 };

struct page {
    struct map_node in_pages;
    uint64_t        index;
    uint32_t        used;
    uint8_t         bytes[PAGE_BYTES];
};

int64_t hob__sim_calendar_ns(const struct sim *sim)
{
    return SIM_WALL_AT_0_NS + sim->now_ns;
}

static void note_written(struct sim *sim, struct inode *file)
{
    file->written_ns = file->changed_ns = hob__sim_calendar_ns(sim);
}

/* --- pages --------------------------------------------------------------- */

static struct page *find_page(const struct inode *file, uint64_t index)
{
    for (struct map_node *link = hob__map_first(&file->pages, hash_u64(index)); link != NULL;
         link = hob__map_next(link)) {
        struct page *page = container_of(link, struct page, in_pages);
        if (page->index == index)
            return page;
    }
    return NULL;
}

static struct page *make_page(struct inode *file, uint64_t index)
{
    struct page *page = hob__alloc_zero(sizeof *page);
    if (page == NULL)
        return NULL;
    page->index = index;
    if (hob__map_add(&file->pages, &page->in_pages, hash_u64(index)) < 0) {
        hob__free(page);
        return NULL;
    }
    return page;
}

static void free_page(struct sim *sim, struct inode *file, struct page *page)
{
    sim->disk_used -= page->used;
    hob__map_remove(&file->pages, &page->in_pages);
    hob__free(page);
}

/* Bytes from `at` on, in this page, read as zeros again. */
static void shorten_page(struct sim *sim, struct page *page, size_t at)
{
    if (page->used <= at)
        return;
    memset(page->bytes + at, 0, page->used - at);
    sim->disk_used -= page->used - at;
    page->used = (uint32_t)at;
}

static void free_all_pages(struct sim *sim, struct inode *file)
{
    struct map_node *link = hob__map_take_all(&file->pages);
    while (link != NULL) {
        struct page *page = container_of(link, struct page, in_pages);
        link = link->next;
        sim->disk_used -= page->used;
        hob__free(page);
    }
}

void hob__sim_file_cut(struct sim *sim, struct inode *file, int64_t size)
{
    if (size == 0) {
        free_all_pages(sim, file);
    } else if (size < file->size) {
        uint64_t first = (uint64_t)size / PAGE_BYTES, last = (uint64_t)file->size / PAGE_BYTES;
        struct page *page = find_page(file, first);
        if (page != NULL)
            shorten_page(sim, page, (size_t)size % PAGE_BYTES);
        for (uint64_t index = first + 1; index <= last && file->pages.count > 0; index++) {
            page = find_page(file, index);
            if (page != NULL)
                free_page(sim, file, page);
        }
    }
    file->size = size;
}

/* A hole from `offset` on, `len` bytes long; the size stays. */
void hob__sim_file_punch(struct sim *sim, struct inode *file, int64_t offset, int64_t len)
{
    int64_t end = len < file->size - offset ? offset + len : file->size;
    while (offset < end) {
        size_t at = (size_t)offset % PAGE_BYTES;
        size_t n = (size_t)(end - offset) < PAGE_BYTES - at ? (size_t)(end - offset)
                                                            : PAGE_BYTES - at;
        struct page *page = find_page(file, (uint64_t)offset / PAGE_BYTES);
        if (page != NULL && page->used <= at + n)
            shorten_page(sim, page, at);
        else if (page != NULL)
            memset(page->bytes + at, 0, n);
        offset += (int64_t)n;
    }
    note_written(sim, file);
}

static void read_pages(const struct inode *file, int64_t offset, uint8_t *buf, size_t len)
{
    for (size_t i = 0; i < len;) {
        uint64_t pos = (uint64_t)offset + i;
        size_t at = pos % PAGE_BYTES;
        size_t n = len - i < PAGE_BYTES - at ? len - i : PAGE_BYTES - at;
        const struct page *page = find_page(file, pos / PAGE_BYTES);
        if (page != NULL)
            memcpy(buf + i, page->bytes + at, n);
        else
            memset(buf + i, 0, n);
        i += n;
    }
}

/* How much of the page, from `at` on, the disk has room for. */
static size_t page_share(const struct sim *sim, uint32_t used, size_t at, size_t len,
                         bool unlimited)
{
    if (unlimited || sim->world.disk_bytes == 0 || at + len <= used)
        return len;
    uint64_t room = sim->world.disk_bytes > sim->disk_used
                  ? sim->world.disk_bytes - sim->disk_used : 0;
    uint64_t end = used + room;
    return end <= at ? 0 : end - at < len ? (size_t)(end - at) : len;
}

/* Returns how many bytes were written, or a negative error if none were. */
static int64_t write_pages(struct sim *sim, struct inode *file, int64_t offset,
                           const uint8_t *buf, size_t len, bool unlimited)
{
    size_t done = 0;
    int error = 0;
    while (done < len) {
        uint64_t pos = (uint64_t)offset + done;
        size_t at = pos % PAGE_BYTES;
        size_t n = len - done < PAGE_BYTES - at ? len - done : PAGE_BYTES - at;
        struct page *page = find_page(file, pos / PAGE_BYTES);
        size_t share = page_share(sim, page != NULL ? page->used : 0, at, n, unlimited);
        error = sim->world.disk_full_error < 0 ? sim->world.disk_full_error : -ENOSPC;
        if (share == 0)
            break;
        if (page == NULL)
            page = make_page(file, pos / PAGE_BYTES);
        error = -ENOMEM;
        if (page == NULL)
            break;
        memcpy(page->bytes + at, buf + done, share);
        if (page->used < at + share) {
            sim->disk_used += at + share - page->used;
            page->used = (uint32_t)(at + share);
        }
        done += share;
    }
    if (done == 0 && len > 0)
        return error;
    if (file->size < offset + (int64_t)done)
        file->size = offset + (int64_t)done;
    note_written(sim, file);
    return (int64_t)done;
}

/* Room for these bytes, which read as they did. Returns 0, or the disk's error when it is full. */
int hob__sim_file_fill(struct sim *sim, struct inode *file, int64_t offset, int64_t len)
{
    int64_t size = file->size, end = offset + len;
    while (offset < end) {
        static const uint8_t zeros[PAGE_BYTES];
        size_t  at = (size_t)offset % PAGE_BYTES;
        int64_t n = end - offset < (int64_t)(PAGE_BYTES - at) ? end - offset
                                                              : (int64_t)(PAGE_BYTES - at);
        struct page *page = find_page(file, (uint64_t)offset / PAGE_BYTES);
        size_t used = page != NULL ? page->used : 0;
        int64_t keep = used > at ? (int64_t)(used - at) : 0;
        if (keep < n) {
            int64_t r = write_pages(sim, file, offset + keep, zeros, (size_t)(n - keep), false);
            if (r != n - keep) {
                hob__sim_file_cut(sim, file, size);
                return r < 0 ? (int)r : -ENOSPC;
            }
        }
        offset += n;
    }
    return 0;
}

/* --- opening -------------------------------------------------------------- */

static int open_flags_fit(const struct place *place, int flags)
{
    bool writes = (flags & O_ACCMODE) != O_RDONLY;
    const struct inode *inode = place->inode;
    if ((flags & O_CREAT) && (flags & O_EXCL))
        return -EEXIST;
    if (inode->kind == INODE_LINK)
        return flags & O_DIRECTORY ? -ENOTDIR : -ELOOP; // O_NOFOLLOW
    if (inode->kind == INODE_FOLDER)
        return writes || (flags & (O_CREAT | O_TRUNC)) ? -EISDIR : 0;
    if (flags & O_DIRECTORY)
        return -ENOTDIR;
    return inode->kind == INODE_SOCKET ? -ENXIO : 0;
}

/* Finds or makes what is to be opened. */
static int open_place(struct sim *sim, struct place *place, int flags, unsigned mode,
                      struct inode **ret_inode)
{
    bool writes = (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC);
    bool creates = place->inode == NULL && (flags & O_CREAT);
    if (place->inode == NULL && !creates)
        return -ENOENT;
    if (creates && (flags & O_DIRECTORY))
        return -EINVAL;
    if (sim->world.disk_write_error < 0 && (creates || writes))
        return sim->world.disk_write_error;
    if (creates)
        return hob__sim_make_at(sim, place, INODE_FILE, mode & 0777 & ~022u, ret_inode);
    *ret_inode = place->inode;
    return open_flags_fit(place, flags);
}

/* A file that has no name yet. */
static int open_unnamed(struct sim *sim, const struct place *place, int flags, unsigned mode,
                        struct inode **ret_inode)
{
    if (place->inode == NULL || place->inode->kind != INODE_FOLDER)
        return place->inode == NULL ? -ENOENT : -ENOTDIR;
    if ((flags & O_ACCMODE) == O_RDONLY)
        return -EINVAL;
    if (sim->world.disk_write_error < 0)
        return sim->world.disk_write_error;
    *ret_inode = hob__sim_inode_new(sim, INODE_FILE, mode & 0777 & ~022u);
    return *ret_inode != NULL ? 0 : -ENOMEM;
}

int64_t hob__sim_file_open(struct sim *sim, struct inode *from, const char *path, int flags,
                           unsigned mode, unsigned walk_flags)
{
    struct place  place;
    struct inode *inode;
    bool unnamed = (flags & O_TMPFILE) == O_TMPFILE;
    bool follow = !(flags & O_NOFOLLOW) && (flags & (O_CREAT | O_EXCL)) != (O_CREAT | O_EXCL);
    if (follow)
        walk_flags |= WALK_FOLLOW;
    if (flags & O_CREAT)
        walk_flags |= WALK_CREATE;
    int r = hob__sim_walk(sim, from, path, walk_flags, &place);
    if (r < 0)
        return r;

    struct node *node = hob__sim_node_new(sim, NODE_FILE, AF_UNSPEC);
    if (node == NULL)
        return -ENOMEM;
    int fd = hob__sim_node_number(sim, node);
    r = fd < 0  ? fd
      : unnamed ? open_unnamed(sim, &place, flags, mode, &inode)
                : open_place(sim, &place, flags, mode, &inode);
    if (r < 0) {
        hob__sim_node_close(sim, node);
        return r;
    }
    node->inode = inode;
    node->flags = flags;
    inode->users++;
    if ((flags & O_TRUNC) && inode->kind == INODE_FILE) {
        hob__sim_file_cut(sim, inode, 0);
        note_written(sim, inode);
        hob__sim_tell(sim, inode, IN_MODIFY);
    }
    return fd;
}

void hob__sim_disk_close(struct sim *sim, struct node *node)
{
    struct inode *inode = node->inode;
    node->inode = NULL;
    if (node->kind == NODE_WATCH)
        hob__sim_watch_close(sim, node);
    if (inode == NULL)
        return;
    hob__sim_fs_unlock(node, inode);
    if ((node->flags & O_ACCMODE) != O_RDONLY)
        hob__sim_tell(sim, inode, IN_CLOSE_WRITE);
    hob__sim_inode_drop(sim, inode);
}

/* --- reading and writing -------------------------------------------------- */

/* What O_DIRECT asks for. */
static bool is_aligned(const struct node *node, const void *buf, size_t len, int64_t offset)
{
    return !(node->flags & O_DIRECT)
        || ((uintptr_t)buf | len | (uint64_t)offset) % SIM_DIRECT_ALIGN == 0;
}

int64_t hob__sim_file_read(struct node *node, void *buf, size_t len, int64_t offset)
{
    const struct inode *file = node->inode;
    if ((node->flags & O_ACCMODE) == O_WRONLY)
        return -EBADF;
    if (file->kind != INODE_FILE)
        return -EISDIR;
    if (offset < 0 || !is_aligned(node, buf, len, offset))
        return -EINVAL;
    if (offset >= file->size)
        return 0;
    if (len > (uint64_t)(file->size - offset))
        len = (size_t)(file->size - offset);
    read_pages(file, offset, buf, len);
    return (int64_t)len;
}

int64_t hob__sim_file_write(struct sim *sim, struct node *node, const void *buf, size_t len,
                            int64_t offset)
{
    struct inode *file = node->inode;
    if ((node->flags & O_ACCMODE) == O_RDONLY || file->kind != INODE_FILE)
        return -EBADF;
    if (offset < 0 || !is_aligned(node, buf, len, offset))
        return -EINVAL;
    if (len > (uint64_t)(INT64_MAX - offset))
        return -EFBIG;
    if (sim->world.disk_write_error < 0)
        return sim->world.disk_write_error;
    int64_t n = write_pages(sim, file, offset, buf, len, false);
    if (n > 0)
        hob__sim_tell(sim, file, IN_MODIFY);
    return n;
}

static int64_t read_op(struct node *node, const struct op *op)
{
    bool    at_position = op->rw.offset == -1;
    int64_t n = hob__sim_file_read(node, op->rw.buf, op->rw.len,
                                   at_position ? node->position : op->rw.offset);
    if (n > 0 && at_position)
        node->position += n;
    return n;
}

static int64_t write_op(struct sim *sim, struct node *node, const struct op *op)
{
    bool    at_position = op->rw.offset == -1;
    int64_t offset = node->flags & O_APPEND ? node->inode->size
                   : at_position            ? node->position : op->rw.offset;
    int64_t n = hob__sim_file_write(sim, node, op->rw.buf, op->rw.len, offset);
    if (n > 0 && at_position)
        node->position = offset + n;
    return n;
}

static int64_t splice_file(struct sim *sim, struct node *node, const struct op *op)
{
    uint8_t bytes[PAGE_BYTES];
    int pipe_fd = op->splice.pipe_fd;
    struct op rw = { .kind = OP_READ, .rw = { .buf = bytes, .len = op->splice.len, .offset = -1 } };
    if (rw.rw.len > sizeof bytes)
        rw.rw.len = sizeof bytes;
    if (!op->splice.inward && (node->flags & O_APPEND))
        return -EINVAL; // as Linux has it
    rw.rw.len = op->splice.inward ? hob__sim_pipe_room(sim, pipe_fd, rw.rw.len)
                                  : hob__sim_pipe_peek(sim, pipe_fd, bytes, rw.rw.len);
    if (rw.rw.len == 0)
        return op->splice.inward ? -ENOMEM : -EBADF;
    int64_t n = op->splice.inward ? read_op(node, &rw) : write_op(sim, node, &rw);
    if (n > 0 && op->splice.inward)
        hob__sim_pipe_put(sim, pipe_fd, bytes, (size_t)n);
    else if (n > 0)
        hob__sim_pipe_drop(sim, pipe_fd, (size_t)n);
    return n;
}

/* --- asking ---------------------------------------------------------------- */

static unsigned type_of(const struct inode *inode)
{
    static const unsigned types[] = {
        [INODE_FILE] = S_IFREG, [INODE_FOLDER] = S_IFDIR, [INODE_LINK] = S_IFLNK,
        [INODE_SOCKET] = S_IFSOCK,
    };
    return types[inode->kind];
}

static struct timespec timespec_of(int64_t ns)
{
    return (struct timespec){ ns / 1000000000, ns % 1000000000 };
}

void hob__sim_stat(const struct inode *inode, struct stat *ret_stat)
{
    *ret_stat = (struct stat){
        .st_ino = (ino_t)inode->id,
        .st_nlink = inode->kind == INODE_FOLDER ? 2 + inode->folders : inode->names,
        .st_mode = type_of(inode) | inode->mode,
        .st_uid = inode->uid,
        .st_gid = inode->gid,
        .st_blksize = PAGE_BYTES,
        .st_size = inode->kind == INODE_LINK ? (off_t)strlen(inode->target) : inode->size,
        .st_blocks = (blkcnt_t)(inode->pages.count * (PAGE_BYTES / 512)),
        .st_atim = timespec_of(inode->read_ns),
        .st_mtim = timespec_of(inode->written_ns),
        .st_ctim = timespec_of(inode->changed_ns),
    };
}

/* Descriptors 0, 1 and 2 are of the real world; here they are devices. */
int hob__sim_stat_node(const struct node *node, int fd, struct stat *ret_stat)
{
    if (node == NULL) {
        if (fd < 0 || fd > 2)
            return -EBADF;
        *ret_stat = (struct stat){ .st_mode = S_IFCHR | 0600, .st_nlink = 1 };
        return 0;
    }
    if (node->kind == NODE_FILE) {
        hob__sim_stat(node->inode, ret_stat);
        return 0;
    }
    bool is_pipe = node->kind == NODE_PIPE_READER || node->kind == NODE_PIPE_WRITER;
    *ret_stat = (struct stat){
        .st_ino = (ino_t)node->id,
        .st_nlink = 1,
        .st_mode = is_pipe ? S_IFIFO | 0600 : S_IFSOCK | 0777,
        .st_blksize = PAGE_BYTES,
    };
    return 0;
}

static int stat_path(struct sim *sim, const char *path, struct stat *ret_stat)
{
    struct place place;
    int r = hob__sim_walk(sim, NULL, path, WALK_FOLLOW, &place);
    if (r < 0 || place.inode == NULL)
        return r < 0 ? r : -ENOENT;
    hob__sim_stat(place.inode, ret_stat);
    return 0;
}

/* --- the effects of ops ---------------------------------------------------- */

static int64_t effect_of(struct sim *sim, const struct op *op, struct node *node)
{
    if (hob__sim_chance(sim, sim->world.disk_error_percent))
        return -EIO;
    switch (op->kind) {
    case OP_OPEN:
        return hob__sim_file_open(sim, NULL, op->open.path, op->open.flags, op->open.mode, 0);
    case OP_STAT:
        return op->stat.path != NULL ? stat_path(sim, op->stat.path, op->stat.out)
                                     : hob__sim_stat_node(node, op->desc->fd, op->stat.out);
    case OP_FS:
        return op->desc != NULL && node == NULL ? -EBADF : hob__sim_fs(sim, op->fs.call, node);
    case OP_FSYNC:
        return node == NULL ? -EBADF : node->kind == NODE_FILE ? 0 : -EINVAL;
    case OP_READ:
        return read_op(node, op);
    case OP_WRITE:
        return write_op(sim, node, op);
    case OP_SPLICE:
        return splice_file(sim, node, op);
    default:
        return -ENOTSOCK; // a file
    }
}

/* --- delays -------------------------------------------------------------- */

static void give_delayed_back(struct sim *sim, struct delayed *delayed)
{
    uint32_t slot = delayed->op->slot;
    delayed->op->slot = 0;
    delayed->op = NULL;
    delayed->next_free = sim->delayed_free;
    sim->delayed_free = slot;
}

static void fire_delayed(struct sim *sim, struct event *event)
{
    struct delayed *delayed = container_of(event, struct delayed, event);
    struct op *op = delayed->op;
    give_delayed_back(sim, delayed);
    struct node *node = op->desc != NULL ? hob__sim_node_at(sim, op->desc->fd) : NULL;
    hob__sim_finish(sim, op, effect_of(sim, op, node));
}

/* Adds one to those that are free; their numbers begin with 1. */
static int add_delayed(struct sim *sim)
{
    if (sim->delayed_count == sim->delayed_cap) {
        uint32_t cap = sim->delayed_cap != 0 ? sim->delayed_cap * 2 : DELAYED_FIRST;
        struct delayed **all = hob__realloc(sim->delayed, cap * sizeof(struct delayed *));
        if (all == NULL)
            return -ENOMEM;
        sim->delayed = all;
        sim->delayed_cap = cap;
    }
    struct delayed *delayed = hob__alloc_zero(sizeof *delayed);
    if (delayed == NULL)
        return -ENOMEM;
    delayed->event.fire = fire_delayed;
    delayed->next_free = sim->delayed_free;
    sim->delayed[sim->delayed_count++] = delayed;
    sim->delayed_free = sim->delayed_count;
    return 0;
}

static int delay_op(struct sim *sim, struct op *op, int64_t due_ns)
{
    if (sim->delayed_free == 0 && add_delayed(sim) < 0)
        return -ENOMEM;
    struct delayed *delayed = sim->delayed[sim->delayed_free - 1];
    op->slot = sim->delayed_free;
    sim->delayed_free = delayed->next_free;
    delayed->op = op;
    hob__sim_at(sim, &delayed->event, due_ns);
    return 0;
}

/* When the op may have its effect: not before what was asked earlier of the same
 * descriptor, in the same direction. */
static int64_t due_ns_of(struct sim *sim, const struct op *op, struct node *node)
{
    const struct hob_sim_world *world = &sim->world;
    int64_t due_ns = sim->now_ns + rand_between(&sim->rand, world->disk_min_ns, world->disk_max_ns);
    bool is_splice = op->kind == OP_SPLICE;
    int64_t *last_ns = op->kind == OP_READ || (is_splice && op->splice.inward) ? &node->read_due_ns
                     : op->kind == OP_WRITE || is_splice ? &node->write_due_ns : NULL;
    if (last_ns == NULL)
        return due_ns;
    if (*last_ns < due_ns)
        *last_ns = due_ns;
    return *last_ns;
}

void hob__sim_disk_submit(struct sim *sim, struct op *op, struct node *node)
{
    int64_t due_ns = due_ns_of(sim, op, node);
    int rc = 0;
    if (due_ns <= sim->now_ns)
        hob__sim_finish(sim, op, effect_of(sim, op, node));
    else if ((rc = delay_op(sim, op, due_ns)) < 0)
        hob__sim_finish(sim, op, rc);
}

void hob__sim_disk_stop(struct sim *sim, struct op *op)
{
    struct delayed *delayed = sim->delayed[op->slot - 1];
    hob__sim_not(sim, &delayed->event);
    give_delayed_back(sim, delayed);
}

/* --- Unix sockets' files ------------------------------------------------- */

int hob__sim_disk_bind(struct sim *sim, const char *path, struct node *node)
{
    struct place  place;
    struct inode *inode;
    int r = hob__sim_walk(sim, NULL, path, WALK_PARENT, &place);
    if (r == 0 && (place.inode != NULL || place.last != LAST_NAME))
        return -EADDRINUSE;
    if (r == 0)
        r = hob__sim_make_at(sim, &place, INODE_SOCKET, 0755, &inode);
    if (r < 0)
        return r;
    inode->node = node;
    node->inode = inode;
    return 0;
}

int hob__sim_disk_find_socket(struct sim *sim, const char *path, struct node **ret_node)
{
    struct place place;
    int r = hob__sim_walk(sim, NULL, path, WALK_FOLLOW, &place);
    if (r < 0 || place.inode == NULL)
        return r < 0 ? r : -ENOENT;
    *ret_node = place.inode->node;
    return place.inode->node != NULL ? 0 : -ECONNREFUSED;
}

void hob__sim_disk_unbind(struct inode *inode)
{
    inode->node = NULL;
}

uint64_t hob__sim_disk_number(const struct inode *inode)
{
    return inode->id;
}

int hob__sim_disk_unlink_socket(struct sim *sim, const char *path, uint64_t id)
{
    struct place place;
    int r = hob__sim_walk(sim, NULL, path, WALK_PARENT, &place);
    if (r < 0 || place.inode == NULL)
        return r < 0 ? r : -ENOENT;
    struct inode *inode = place.inode;
    if (inode->kind != INODE_SOCKET)
        return -EPERM;
    if (id != 0 && inode->id != id)
        return -ENOENT; // somebody else's
    hob__sim_tell_name(sim, place.folder, IN_DELETE, 0, place.text, place.len, inode);
    hob__sim_name_remove(sim, place.dentry);
    hob__sim_inode_check(sim, inode);
    return 0;
}

/* --- from outside -------------------------------------------------------- */

int hob__sim_disk_put(struct sim *sim, const char *path, const void *data, size_t len)
{
    struct place  place;
    struct inode *file;
    int r = hob__sim_make_folders(sim, path, false);
    if (r == 0)
        r = hob__sim_walk(sim, NULL, path, WALK_FOLLOW, &place);
    if (r < 0)
        return r;
    if (place.inode == NULL && place.wants_folder)
        return -ENOENT;
    file = place.inode;
    if (file == NULL)
        r = hob__sim_make_at(sim, &place, INODE_FILE, 0644, &file);
    if (r < 0)
        return r;
    if (file->kind != INODE_FILE)
        return file->kind == INODE_FOLDER ? -EISDIR : -EEXIST;
    hob__sim_file_cut(sim, file, 0);
    int64_t n = write_pages(sim, file, 0, data, len, true);
    hob__sim_tell(sim, file, IN_MODIFY);
    hob__sim_tell(sim, file, IN_CLOSE_WRITE);
    return n == (int64_t)len ? 0 : -ENOMEM;
}

int hob__sim_disk_put_folder(struct sim *sim, const char *path)
{
    struct place place;
    int r = hob__sim_make_folders(sim, path, true);
    if (r == 0)
        r = hob__sim_walk(sim, NULL, path, WALK_FOLLOW, &place);
    if (r < 0)
        return r;
    return place.inode->kind == INODE_FOLDER ? 0 : -ENOTDIR;
}

int hob__sim_disk_init(struct sim *sim)
{
    return hob__sim_tree_init(sim);
}

void hob__sim_disk_fini(struct sim *sim)
{
    hob__sim_tree_fini(sim);
    for (uint32_t i = 0; i < sim->delayed_count; i++)
        hob__free(sim->delayed[i]);
    hob__free(sim->delayed);
}
