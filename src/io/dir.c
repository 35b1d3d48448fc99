/* SPDX-License-Identifier: MIT */
/*
 * Open folders: hob/dir.h.
 *
 * Entries are fetched many at a time, by getdents64(2), into a buffer of the folder's; the next
 * ones are asked for when the last of these was given out.
 *
 * A folder belongs to a worker, but for what is beneath it tasks of all workers may ask: to the kernel
 * that is the number of a descriptor, and nothing of the folder changes by it. Such a call has a desc of
 * its own, with the same number, on its stack; `guests` counts them, so that none is closed under them
 * without a sentence.
 */
#include "io/dir.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>

#include "base/alloc.h"
#include "io/conn.h"
#include "io/file.h"

enum { BATCH_BYTES = 8192 };

struct hob_dir {
    enum hob__tag tag;
    uint32_t      uses;    /* calls that need its memory                     */
    bool          is_gone; /* the descriptor is closed; the last use frees   */
    bool          is_read; /* by a task, right now                           */
    uint32_t      guests;  /* calls of other workers; atomic                 */
    struct desc   desc;
    size_t        at, len; /* of the batch                                   */
    _Alignas(8) char batch[BATCH_BYTES];
};

static hob_dir *dir_from(hob_dir *dir, const char *caller)
{
    if (dir == NULL || dir->tag != TAG_DIR)
        hob__misuse_of(caller, "this is not open; was it closed already?");
    return dir;
}

struct desc *hob__dir_desc(hob_dir *dir)
{
    return &dir->desc;
}

static void dir_gone(struct desc *desc)
{
    hob_dir *dir = container_of(desc, hob_dir, desc);
    if (dir->uses == 0)
        hob__free(dir);
    else
        dir->is_gone = true;
}

static void end_use(hob_dir *dir)
{
    hob_assert(dir->uses > 0);
    if (--dir->uses == 0 && dir->is_gone)
        hob__free(dir);
}

/* ---- opening and closing ---- */

static int adopt(int fd, const void *made_at, hob_dir **ret_dir)
{
    hob_dir *dir = hob__alloc(sizeof *dir);
    if (dir == NULL) {
        hob__fd_close(fd, DESC_FILE);
        return -ENOMEM;
    }
    memset(dir, 0, offsetof(hob_dir, batch));
    dir->tag = TAG_DIR;
    hob__desc_open(&dir->desc, fd, DESC_FILE, "folder", made_at, dir_gone);
    *ret_dir = dir;
    return 0;
}

static int open_folder(struct desc *from, const char *path, int flags, const void *made_at,
                       hob_dir **ret_dir)
{
    int fd = hob__fs_open_fd(from, path, O_RDONLY | O_DIRECTORY | flags, 0, 0, NULL);
    return fd < 0 ? fd : adopt(fd, made_at, ret_dir);
}

int hob__dir_open_at(hob_dir *dir, const char *name, int flags, const void *made_at,
                     hob_dir **ret_dir)
{
    return open_folder(dir != NULL ? &dir->desc : NULL, name, flags, made_at, ret_dir);
}

int hob_dir_open(const char *path, hob_dir **ret_dir)
{
    return open_folder(NULL, path, 0, __builtin_return_address(0), ret_dir);
}

void hob_dir_close(hob_dir *dir)
{
    if (dir == NULL)
        return;
    dir_from(dir, "hob_dir_close");
    hob_require(__atomic_load_n(&dir->guests, __ATOMIC_ACQUIRE) == 0,
                "hob_dir_close: a task of another worker opens something beneath this folder right now");
    dir->tag = TAG_FREED;
    hob__desc_close(&dir->desc);
}

/* ---- beneath ---- */

/* On any worker. Gives the bare descriptor. */
static int open_beneath(hob_dir *dir, const char *path, int flags, unsigned mode, unsigned *ret_type)
{
    if (hob__desc_is_here(&dir->desc))
        return hob__fs_open_fd(&dir->desc, path, flags, mode, RESOLVE_BENEATH, ret_type);

    struct desc guest;
    __atomic_add_fetch(&dir->guests, 1, __ATOMIC_RELAXED);
    hob__desc_visit(&guest, &dir->desc);
    int fd = hob__fs_open_fd(&guest, path, flags, mode, RESOLVE_BENEATH, ret_type);
    __atomic_sub_fetch(&dir->guests, 1, __ATOMIC_RELEASE);
    return fd;
}

int hob_dir_open_dir(hob_dir *dir, const char *path, hob_dir **ret_dir)
{
    int fd = open_beneath(dir_from(dir, "hob_dir_open_dir"), path, O_RDONLY | O_DIRECTORY, 0, NULL);
    return fd < 0 ? fd : adopt(fd, __builtin_return_address(0), ret_dir);
}

int hob_dir_open_file(hob_dir *dir, const char *path, int flags, unsigned mode,
                      hob_file **ret_file)
{
    unsigned type;
    int fd = open_beneath(dir_from(dir, "hob_dir_open_file"), path, flags, mode, &type);
    return fd < 0 ? fd : hob__file_adopt(fd, type, __builtin_return_address(0), ret_file);
}

/* ---- names in it ---- */

int hob__dir_unlink(hob_dir *dir, const char *name, unsigned flags)
{
    struct fs_call call = { .what = FS_UNLINK, .path = name, .flags = flags };
    return (int)hob__fs_await(call, &dir->desc);
}

int hob__dir_stat(hob_dir *dir, const char *name, bool follow, struct stat *ret_stat)
{
    struct fs_call call = {
        .what = FS_STATX, .path = name, .mode = STATX_BASIC_STATS,
        .flags = follow ? 0 : AT_SYMLINK_NOFOLLOW,
    };
    return hob__fs_stat_await(call, dir != NULL ? &dir->desc : NULL, ret_stat);
}

int hob_dir_sync(hob_dir *dir)
{
    struct op op = { .kind = OP_FSYNC, .desc = &dir_from(dir, "hob_dir_sync")->desc };
    hob__op_await(&op);
    return (int)op.result;
}

/* ---- entries ---- */

enum hob_entry_kind hob__entry_kind_of(mode_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFREG:  return HOB_ENTRY_FILE;
    case S_IFDIR:  return HOB_ENTRY_FOLDER;
    case S_IFLNK:  return HOB_ENTRY_SYMLINK;
    case S_IFIFO:  return HOB_ENTRY_FIFO;
    case S_IFSOCK: return HOB_ENTRY_SOCKET;
    case S_IFCHR:
    case S_IFBLK:  return HOB_ENTRY_DEVICE;
    default:       return HOB_ENTRY_UNKNOWN;
    }
}

static int fetch(hob_dir *dir)
{
    struct fs_call call = { .what = FS_GETDENTS, .buf = dir->batch, .len = sizeof dir->batch };
    int64_t n = hob__fs_await(call, &dir->desc);
    dir->at = 0;
    dir->len = n > 0 ? (size_t)n : 0;
    return (int)n;
}

static const struct dirent64 *take_record(hob_dir *dir)
{
    const struct dirent64 *record = (const struct dirent64 *)(dir->batch + dir->at);
    dir->at += record->d_reclen;
    return record;
}

static bool is_dots(const char *name)
{
    return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

/* Not every file system knows what its entries are. */
static int look_at(hob_dir *dir, hob_entry *entry)
{
    struct stat st;
    int r = hob__dir_stat(dir, entry->name, false, &st);
    if (r == -ECANCELED || r == -ETIMEDOUT)
        return r;
    if (r == 0)
        entry->kind = hob__entry_kind_of(st.st_mode);
    return 0;
}

static int next_entry(hob_dir *dir, hob_entry *ret_entry)
{
    for (;;) {
        if (dir->at == dir->len) {
            int r = fetch(dir);
            if (r <= 0)
                return r;
        }
        size_t                 before = dir->at;
        const struct dirent64 *record = take_record(dir);
        if (is_dots(record->d_name))
            continue;
        hob_entry entry = { record->d_name, hob__entry_kind_of(DTTOIF(record->d_type)),
                            record->d_ino };
        int r = record->d_type == DT_UNKNOWN ? look_at(dir, &entry) : 0;
        if (r < 0) {
            dir->at = before; // it comes again
            return r;
        }
        *ret_entry = entry;
        return 1;
    }
}

int hob_dir_next(hob_dir *dir, hob_entry *ret_entry)
{
    dir_from(dir, "hob_dir_next");
    hob_require(!dir->is_read, "hob_dir_next: another task reads this folder already");
    dir->is_read = true;
    dir->uses++;
    int r = next_entry(dir, ret_entry);
    if (dir->tag != TAG_DIR)
        r = -ECANCELED; // closed meanwhile, and the name with it
    dir->is_read = false;
    end_use(dir);
    return r;
}
