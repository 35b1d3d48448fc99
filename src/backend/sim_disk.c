/* SPDX-License-Identifier: MIT */
/*
 * The simulated disk: paths, and files made of pages.
 *
 *     op ── submit ──▶ a delay ──▶ the effect, all at once ──▶ op.result
 *
 * An op on the disk has no effect before its delay is over, so that one that is
 * cancelled meanwhile had none. On one descriptor reads stay in order, and so do
 * writes.
 *
 * Folders are there as soon as a path needs them; names are absolute ("a" is
 * "/a"); `.` and `..` are taken out of paths as text. Nobody is refused access.
 * A page exists where bytes were written; holes read as zeros and take no room.
 * The room taken is, of each page, what lies before its last written byte.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "backend/sim.h"
#include "base/alloc.h"

enum {
    PAGE_BYTES = 4096,
    PATH_BYTES = 4096,
    NAME_BYTES = 255,
    DELAYED_FIRST = 16,
};

struct page {
    struct map_node in_pages;
    uint64_t        index;
    uint32_t        used;
    uint8_t         bytes[PAGE_BYTES];
};

struct file {
    struct map pages; /* by index */
    int64_t    size;
    int64_t    changed_ns;
    unsigned   mode;
};

/* A path without `.`, `..` and double slashes. */
struct path {
    size_t len;
    bool   wants_folder; /* it ended in a slash */
    char   text[PATH_BYTES];
};

/* --- paths --------------------------------------------------------------- */

static size_t parent_len(const char *text, size_t len)
{
    while (len > 0 && text[--len] != '/')
        ;
    return len > 0 ? len : 1;
}

static int path_parse(const char *text, struct path *path)
{
    if (text[0] == '\0')
        return -ENOENT;
    if (strlen(text) >= PATH_BYTES)
        return -ENAMETOOLONG;

    path->len = 1;
    path->text[0] = '/';
    path->wants_folder = text[strlen(text) - 1] == '/';
    while (*text != '\0') {
        size_t n = strcspn(text, "/");
        if (n > NAME_BYTES)
            return -ENAMETOOLONG;
        if (n == 2 && memcmp(text, "..", 2) == 0) {
            path->len = parent_len(path->text, path->len);
        } else if (n > 0 && !(n == 1 && text[0] == '.')) {
            size_t slash = path->len > 1;
            if (path->len + slash + n >= PATH_BYTES)
                return -ENAMETOOLONG;
            path->text[path->len] = '/';
            memcpy(path->text + path->len + slash, text, n);
            path->len += slash + n;
        }
        text += n + (text[n] == '/');
    }
    path->text[path->len] = '\0';
    return 0;
}

static struct entry *find_entry(const struct sim *sim, const char *text, size_t len)
{
    for (struct map_node *link = hob__map_first(&sim->paths, hob__hash_bytes(text, len));
         link != NULL; link = hob__map_next(link)) {
        struct entry *entry = container_of(link, struct entry, in_paths);
        if (entry->path_len == len && memcmp(entry->path, text, len) == 0)
            return entry;
    }
    return NULL;
}

/* The entry of the path; without one, whether a parent is in the way. */
static int lookup(const struct sim *sim, const struct path *path, struct entry **ret_entry)
{
    struct entry *entry = find_entry(sim, path->text, path->len);
    *ret_entry = entry;
    if (entry != NULL)
        return path->wants_folder && !entry->is_folder ? -ENOTDIR : 0;
    for (size_t len = path->len; len > 1;) {
        len = parent_len(path->text, len);
        const struct entry *parent = find_entry(sim, path->text, len);
        if (parent != NULL)
            return parent->is_folder ? -ENOENT : -ENOTDIR;
    }
    return -ENOENT;
}

static int add_entry(struct sim *sim, const char *text, size_t len, struct entry **ret_entry)
{
    struct entry *entry = hob__alloc_zero(sizeof *entry + len + 1);
    if (entry == NULL)
        return -ENOMEM;
    entry->id = ++sim->files_made;
    entry->path_len = len;
    memcpy(entry->path, text, len);
    int rc = hob__map_add(&sim->paths, &entry->in_paths, hob__hash_bytes(text, len));
    if (rc < 0) {
        hob__free(entry);
        return rc;
    }
    *ret_entry = entry;
    return 0;
}

static int make_folders(struct sim *sim, const struct path *path)
{
    for (size_t len = path->len; len > 1;) {
        len = parent_len(path->text, len);
        if (find_entry(sim, path->text, len) != NULL)
            break;
        struct entry *folder;
        int rc = add_entry(sim, path->text, len, &folder);
        if (rc < 0)
            return rc;
        folder->is_folder = true;
    }
    return 0;
}

static int64_t calendar_ns(const struct sim *sim)
{
    return SIM_WALL_AT_0_NS + sim->now_ns;
}

/* Where lookup() found nothing, an empty file. */
static int make_file(struct sim *sim, const struct path *path, unsigned mode,
                     struct entry **ret_entry)
{
    struct file *file = hob__alloc_zero(sizeof *file);
    int rc = file != NULL ? make_folders(sim, path) : -ENOMEM;
    if (rc == 0)
        rc = add_entry(sim, path->text, path->len, ret_entry);
    if (rc < 0) {
        hob__free(file);
        return rc;
    }
    file->mode = mode;
    file->changed_ns = calendar_ns(sim);
    (*ret_entry)->file = file;
    return 0;
}

/* --- pages --------------------------------------------------------------- */

static struct page *find_page(const struct file *file, uint64_t index)
{
    for (struct map_node *link = hob__map_first(&file->pages, hash_u64(index)); link != NULL;
         link = hob__map_next(link)) {
        struct page *page = container_of(link, struct page, in_pages);
        if (page->index == index)
            return page;
    }
    return NULL;
}

static struct page *make_page(struct file *file, uint64_t index)
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

static void empty_file(struct sim *sim, struct file *file)
{
    struct map_node *link = hob__map_take_all(&file->pages);
    while (link != NULL) {
        struct page *page = container_of(link, struct page, in_pages);
        link = link->next;
        sim->disk_used -= page->used;
        hob__free(page);
    }
    file->size = 0;
    file->changed_ns = calendar_ns(sim);
}

static void read_pages(const struct file *file, int64_t offset, uint8_t *buf, size_t len)
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
static int64_t write_pages(struct sim *sim, struct file *file, int64_t offset,
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
    file->changed_ns = calendar_ns(sim);
    return (int64_t)done;
}

/* --- the effects of ops -------------------------------------------------- */

static int open_entry(struct sim *sim, const struct path *path, int flags, unsigned mode,
                      struct entry **ret_entry)
{
    bool writes = (flags & O_ACCMODE) != O_RDONLY;
    int rc = lookup(sim, path, ret_entry);
    bool creates = rc == -ENOENT && (flags & O_CREAT);
    if (sim->world.disk_write_error < 0 && (creates || (rc == 0 && (writes || flags & O_TRUNC))))
        return sim->world.disk_write_error;
    if (rc == -ENOENT && (flags & O_CREAT) && !(flags & O_DIRECTORY))
        return path->wants_folder
             ? -EISDIR : make_file(sim, path, mode & 0777 & ~022u, ret_entry);
    if (rc < 0)
        return rc;
    const struct entry *entry = *ret_entry;
    if ((flags & O_CREAT) && (flags & O_EXCL))
        return -EEXIST;
    if (entry->is_folder)
        return writes || (flags & (O_CREAT | O_TRUNC)) ? -EISDIR : 0;
    if (flags & O_DIRECTORY)
        return -ENOTDIR;
    return entry->is_socket ? -ENXIO : 0;
}

static int64_t open_file(struct sim *sim, const struct op *op)
{
    struct path path;
    int flags = op->open.flags;
    if ((flags & O_TMPFILE) == O_TMPFILE)
        return -EOPNOTSUPP;
    int rc = path_parse(op->open.path, &path);
    if (rc < 0)
        return rc;

    struct node *node = hob__sim_node_new(sim, NODE_FILE, AF_UNSPEC);
    if (node == NULL)
        return -ENOMEM;
    struct entry *entry;
    int fd = hob__sim_node_number(sim, node);
    rc = fd < 0 ? fd : open_entry(sim, &path, flags, op->open.mode, &entry);
    if (rc < 0) {
        hob__sim_node_close(sim, node);
        return rc;
    }
    if ((flags & O_TRUNC) && entry->file != NULL)
        empty_file(sim, entry->file);
    node->entry = entry;
    node->flags = flags;
    return fd;
}

static int64_t read_file(struct node *node, const struct op *op)
{
    bool at_position = op->rw.offset == -1;
    int64_t offset = at_position ? node->position : op->rw.offset;
    const struct file *file = node->entry->file;
    if ((node->flags & O_ACCMODE) == O_WRONLY)
        return -EBADF;
    if (file == NULL)
        return -EISDIR;
    if (offset < 0)
        return -EINVAL;
    if (offset >= file->size)
        return 0;

    size_t len = op->rw.len;
    if ((int64_t)len > file->size - offset || len > INT64_MAX)
        len = (size_t)(file->size - offset);
    read_pages(file, offset, op->rw.buf, len);
    if (at_position)
        node->position = offset + (int64_t)len;
    return (int64_t)len;
}

static int64_t write_file(struct sim *sim, struct node *node, const struct op *op)
{
    bool at_position = op->rw.offset == -1;
    int64_t offset = at_position ? node->position : op->rw.offset;
    struct file *file = node->entry->file;
    if ((node->flags & O_ACCMODE) == O_RDONLY || file == NULL)
        return -EBADF;
    if (offset < 0)
        return -EINVAL;
    if (node->flags & O_APPEND)
        offset = file->size;
    if (op->rw.len > (uint64_t)(INT64_MAX - offset))
        return -EFBIG;

    if (sim->world.disk_write_error < 0)
        return sim->world.disk_write_error;

    int64_t n = write_pages(sim, file, offset, op->rw.buf, op->rw.len, false);
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
    int64_t n = op->splice.inward ? read_file(node, &rw) : write_file(sim, node, &rw);
    if (n > 0 && op->splice.inward)
        hob__sim_pipe_put(sim, pipe_fd, bytes, (size_t)n);
    else if (n > 0)
        hob__sim_pipe_drop(sim, pipe_fd, (size_t)n);
    return n;
}

static void stat_entry(const struct entry *entry, struct stat *ret_stat)
{
    *ret_stat = (struct stat){
        .st_ino = (ino_t)entry->id,
        .st_nlink = 1,
        .st_mode = entry->is_folder ? S_IFDIR | 0755 : S_IFSOCK | 0755,
        .st_blksize = PAGE_BYTES,
    };
    const struct file *file = entry->file;
    if (file == NULL)
        return;
    ret_stat->st_mode = S_IFREG | file->mode;
    ret_stat->st_size = file->size;
    ret_stat->st_blocks = (blkcnt_t)(file->pages.count * (PAGE_BYTES / 512));
    ret_stat->st_mtim.tv_sec = file->changed_ns / 1000000000;
    ret_stat->st_mtim.tv_nsec = file->changed_ns % 1000000000;
    ret_stat->st_ctim = ret_stat->st_atim = ret_stat->st_mtim;
}

static int stat_path(const struct sim *sim, const char *text, struct stat *ret_stat)
{
    struct path path;
    struct entry *entry;
    int rc = path_parse(text, &path);
    if (rc == 0)
        rc = lookup(sim, &path, &entry);
    if (rc == 0)
        stat_entry(entry, ret_stat);
    return rc;
}

/* Descriptors 0, 1 and 2 are of the real world; here they are devices. */
static int stat_node(const struct node *node, int fd, struct stat *ret_stat)
{
    if (node == NULL) {
        if (fd < 0 || fd > 2)
            return -EBADF;
        *ret_stat = (struct stat){ .st_mode = S_IFCHR | 0600, .st_nlink = 1 };
        return 0;
    }
    if (node->kind == NODE_FILE) {
        stat_entry(node->entry, ret_stat);
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

static int64_t effect_of(struct sim *sim, const struct op *op, struct node *node)
{
    if (hob__sim_chance(sim, sim->world.disk_error_percent))
        return -EIO;
    switch (op->kind) {
    case OP_OPEN:
        return open_file(sim, op);
    case OP_STAT:
        return op->stat.path != NULL ? stat_path(sim, op->stat.path, op->stat.out)
                                     : stat_node(node, op->desc->fd, op->stat.out);
    case OP_FSYNC:
        return node == NULL ? -EBADF : node->kind == NODE_FILE ? 0 : -EINVAL;
    case OP_READ:
        return read_file(node, op);
    case OP_WRITE:
        return write_file(sim, node, op);
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

int hob__sim_disk_bind(struct sim *sim, const char *text, struct node *node)
{
    struct path path;
    struct entry *entry;
    int rc = path_parse(text, &path);
    if (rc == 0)
        rc = lookup(sim, &path, &entry);
    if (rc != -ENOENT)
        return rc == 0 ? -EADDRINUSE : rc;
    rc = make_folders(sim, &path);
    if (rc == 0)
        rc = add_entry(sim, path.text, path.len, &entry);
    if (rc < 0)
        return rc;
    entry->is_socket = true;
    entry->node = node;
    node->entry = entry;
    return 0;
}

int hob__sim_disk_find_socket(struct sim *sim, const char *text, struct node **ret_node)
{
    struct path path;
    struct entry *entry;
    int rc = path_parse(text, &path);
    if (rc == 0)
        rc = lookup(sim, &path, &entry);
    if (rc < 0)
        return rc;
    *ret_node = entry->node;
    return entry->node != NULL ? 0 : -ECONNREFUSED;
}

void hob__sim_disk_unbind(struct entry *entry)
{
    entry->node = NULL;
}

int hob__sim_disk_unlink_socket(struct sim *sim, const char *text, uint64_t id)
{
    struct path path;
    struct entry *entry;
    int rc = path_parse(text, &path);
    if (rc == 0)
        rc = lookup(sim, &path, &entry);
    if (rc < 0)
        return rc;
    if (!entry->is_socket)
        return -EPERM;
    if (id != 0 && entry->id != id)
        return -ENOENT; // somebody else's
    if (entry->node != NULL)
        entry->node->entry = NULL;
    hob__map_remove(&sim->paths, &entry->in_paths);
    hob__free(entry);
    return 0;
}

/* --- from outside -------------------------------------------------------- */

int hob__sim_disk_put(struct sim *sim, const char *text, const void *data, size_t len)
{
    struct path path;
    struct entry *entry;
    int rc = path_parse(text, &path);
    if (rc == 0)
        rc = lookup(sim, &path, &entry);
    if (rc == -ENOENT && !path.wants_folder)
        rc = make_file(sim, &path, 0644, &entry);
    if (rc < 0)
        return rc;
    if (entry->file == NULL)
        return entry->is_folder ? -EISDIR : -EEXIST;
    empty_file(sim, entry->file);
    int64_t n = write_pages(sim, entry->file, 0, data, len, true);
    return n == (int64_t)len ? 0 : -ENOMEM;
}

void hob__sim_disk_fini(struct sim *sim)
{
    struct map_node *link = hob__map_take_all(&sim->paths);
    while (link != NULL) {
        struct entry *entry = container_of(link, struct entry, in_paths);
        link = link->next;
        if (entry->file != NULL) {
            empty_file(sim, entry->file);
            hob__map_fini(&entry->file->pages);
            hob__free(entry->file);
        }
        hob__free(entry);
    }
    hob__map_fini(&sim->paths);
    for (uint32_t i = 0; i < sim->delayed_count; i++)
        hob__free(sim->delayed[i]);
    hob__free(sim->delayed);
}
