/* SPDX-License-Identifier: MIT */
/*
 * Files.
 *
 * Opening is two ops in one place, one after the other:
 *
 *     STAT path ──▶ is it a FIFO or a device?  ──▶ OPEN, which then must not wait
 *
 * What may wait for ever belongs to the pipes: the disk's few threads are not
 * for it. (A file that is swapped for a FIFO between the two is opened as
 * open(2) does it: the op waits for the other end, and holds a thread.) A file
 * that is sure to be new, and a folder, need no look.
 *
 * A write of the whole buffer and a sync need the file until they end, also
 * when it is closed meanwhile: `uses` counts them, and keeps it in memory.
 */
#include "io/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/alloc.h"
#include "base/lack.h"
#include "io/file_desc.h"

enum { AT_POSITION = -1 };

/* ---- from birth to death ---- */

static void file_gone(struct desc *desc)
{
    hob_file *file = container_of(desc, hob_file, desc);

    if (file->uses == 0)
        hob__free(file);
    else
        file->is_gone = true;
}

void hob__file_end_use(hob_file *file)
{
    hob_assert(file->uses > 0);
    if (--file->uses == 0 && file->is_gone)
        hob__free(file);
}

static const hob_stream_type file_stream;

static void file_open(hob_file *file, int fd, unsigned type, const void *made_at)
{
    bool may_wait = S_ISFIFO(type) || S_ISCHR(type);
    file->stream.type = &file_stream;
    file->tag = TAG_FILE;
    list_init(&file->syncs.now);
    list_init(&file->syncs.next);
    hob__desc_open(&file->desc, fd, may_wait ? DESC_PIPE : DESC_FILE, "file", made_at, file_gone);
}

int hob__file_adopt(int fd, unsigned type, const void *made_at, hob_file **ret_file)
{
    hob_file *file = hob__alloc_zero(sizeof *file);
    if (file == NULL) {
        hob__fd_close(fd, DESC_FILE);
        return -ENOMEM;
    }
    file_open(file, fd, type, made_at);
    *ret_file = file;
    return 0;
}

static bool opened(struct op *op)
{
    hob_file *file = op->open.out;

    if (op->result < 0) {
        hob__free(file);
        return true;
    }
    file_open(file, (int)op->result, file->looked.st_mode & S_IFMT, file->made_at);
    *file->ret_file = file;
    op->result = 0;
    return true;
}

static void want_open(struct op *op, hob_file *file)
{
    op->kind = OP_OPEN;
    op->open.path = file->path;
    op->open.flags = file->flags;
    op->open.mode = file->mode;
    op->open.out = file;
    op->finish = opened;
}

static bool looked_at(struct op *op)
{
    hob_file *file = container_of(op->stat.out, hob_file, looked);

    if (op->result < 0 && op->result != -ENOENT) {
        hob__free(file);
        return true;
    }
    if (op->result == -ENOENT)
        file->looked.st_mode = S_IFREG; // it is made now, or it is open that says so
    if (S_ISFIFO(file->looked.st_mode) || S_ISCHR(file->looked.st_mode))
        file->flags |= O_NONBLOCK;
    want_open(op, file);
    return false;
}

static void want_look(struct op *op, hob_file *file)
{
    op->stat.path = file->path;
    op->stat.out = &file->looked;
    op->finish = looked_at;
}

/* Whether nothing but a file or a folder can come of it. */
static bool is_known_kind(int flags)
{
    return (flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL) || (flags & O_DIRECTORY);
}

static int open_prep(hob_op *place, const char *path, int flags, unsigned mode,
                     hob_file **ret_file, const void *made_at)
{
    int r = hob__fs_check_path(path);
    if (r < 0)
        return r;
    hob_file *file = hob__alloc_zero(sizeof *file);
    if (file == NULL)
        return -ENOMEM;

    file->path = path;
    file->flags = flags | O_CLOEXEC;
    file->mode = mode;
    file->ret_file = ret_file;
    file->made_at = made_at;
    if (is_known_kind(flags))
        want_open(hob__op_prep(place, OP_OPEN, NULL), file);
    else
        want_look(hob__op_prep(place, OP_STAT, NULL), file);
    return 0;
}

int hob_file_open(const char *path, int flags, unsigned mode, hob_file **ret_file)
{
    hob_op op;

    int r = open_prep(&op, path, flags, mode, ret_file, __builtin_return_address(0));
    return r < 0 ? r : (int)hob_op_await(&op);
}

int hob_file_open_prep(hob_op *place, const char *path, int flags, unsigned mode,
                       hob_file **ret_file)
{
    return open_prep(place, path, flags, mode, ret_file, __builtin_return_address(0));
}

int hob__file_open_unnamed(const char *folder, unsigned mode, const void *made_at,
                           hob_file **ret_file)
{
    unsigned type;
    int fd = hob__lacks(LACK_TMPFILE) ? -EOPNOTSUPP
           : hob__fs_open_fd(NULL, folder, O_TMPFILE | O_RDWR, mode, 0, &type);
    // Old kernels, and file systems that know no such thing, see a folder opened to write.
    if (fd == -EISDIR || fd == -ENOENT || fd == -EINVAL)
        fd = -EOPNOTSUPP;
    return fd < 0 ? fd : hob__file_adopt(fd, type, made_at, ret_file);
}

int hob__file_link(hob_file *file, const char *path)
{
    return (int)hob__fs_await((struct fs_call){ .what = FS_LINK_FD, .other = path }, &file->desc);
}

void hob_file_close(hob_file *file)
{
    if (file == NULL)
        return;
    hob_require(file_is_open(file), "hob_file_close" NOT_OPEN);
    file->tag = TAG_FREED;
    hob__desc_close(&file->desc);
}

/* ---- reading ---- */

static ssize_t read_at(hob_file *file, void *buf, size_t len, int64_t offset)
{
    if (len == 0)
        return hob_cancelled();

    struct op op = {
        .kind = OP_READ,
        .desc = &file->desc,
        .rw = { .buf = buf, .len = io_len(len), .offset = offset },
    };
    hob__op_await(&op);
    return op.result;
}

static void read_at_prep(hob_op *place, hob_file *file, void *buf, size_t len, int64_t offset)
{
    if (len == 0) {
        prep_nothing(place);
        return;
    }

    struct op *op = hob__op_prep(place, OP_READ, &file->desc);
    op->rw.buf = buf;
    op->rw.len = io_len(len);
    op->rw.offset = offset;
    op->rw.so_far = 0;
}

ssize_t hob_file_read(hob_file *file, void *buf, size_t len)
{
    hob_require(file_is_open(file), "hob_file_read" NOT_OPEN);
    return read_at(file, buf, len, AT_POSITION);
}

void hob_file_read_prep(hob_op *place, hob_file *file, void *buf, size_t len)
{
    hob_require(file_is_open(file), "hob_file_read_prep" NOT_OPEN);
    read_at_prep(place, file, buf, len, AT_POSITION);
}

ssize_t hob_file_pread(hob_file *file, void *buf, size_t len, int64_t offset)
{
    hob_require(file_is_open(file), "hob_file_pread" NOT_OPEN);
    hob_require(offset >= 0, "hob_file_pread: the offset is negative");
    return read_at(file, buf, len, offset);
}

void hob_file_pread_prep(hob_op *place, hob_file *file, void *buf, size_t len, int64_t offset)
{
    hob_require(file_is_open(file), "hob_file_pread_prep" NOT_OPEN);
    hob_require(offset >= 0, "hob_file_pread_prep: the offset is negative");
    read_at_prep(place, file, buf, len, offset);
}

/* ---- writing ---- */

/* Counts, and goes on until all is written. What was written is never denied:
 * an error that comes after some bytes is left for the next call to meet. */
static bool wrote(struct op *op)
{
    hob_file *file = container_of(op->desc, hob_file, desc);

    hob__rw_advance(op);
    if (op->result > 0) {
        if (op->rw.len > 0 && !file->desc.closing)
            return false;
    } else if (op->result == 0) {
        op->result = -EIO; // a device that takes nothing, and says no more
    }
    if (op->rw.so_far > 0)
        op->result = (int64_t)op->rw.so_far;
    hob__file_end_use(file);
    return true;
}

static ssize_t write_at(hob_file *file, const void *buf, size_t len, int64_t offset)
{
    if (len == 0)
        return hob_cancelled();

    struct op op = {
        .kind = OP_WRITE,
        .desc = &file->desc,
        .rw = { .buf = (void *)(uintptr_t)buf, .len = len, .offset = offset },
        .finish = wrote,
    };
    file_begin_use(file);
    hob__op_await(&op);
    return op.result;
}

static void write_at_prep(hob_op *place, hob_file *file, const void *buf, size_t len,
                          int64_t offset)
{
    if (len == 0) {
        prep_nothing(place);
        return;
    }

    struct op *op = hob__op_prep(place, OP_WRITE, &file->desc);
    op->rw.buf = (void *)(uintptr_t)buf;
    op->rw.len = len;
    op->rw.offset = offset;
    op->rw.so_far = 0;
    op->finish = wrote;
    file_begin_use(file);
}

ssize_t hob_file_write(hob_file *file, const void *buf, size_t len)
{
    hob_require(file_is_open(file), "hob_file_write" NOT_OPEN);
    return write_at(file, buf, len, AT_POSITION);
}

void hob_file_write_prep(hob_op *place, hob_file *file, const void *buf, size_t len)
{
    hob_require(file_is_open(file), "hob_file_write_prep" NOT_OPEN);
    write_at_prep(place, file, buf, len, AT_POSITION);
}

ssize_t hob_file_pwrite(hob_file *file, const void *buf, size_t len, int64_t offset)
{
    hob_require(file_is_open(file), "hob_file_pwrite" NOT_OPEN);
    hob_require(offset >= 0, "hob_file_pwrite: the offset is negative");
    return write_at(file, buf, len, offset);
}

void hob_file_pwrite_prep(hob_op *place, hob_file *file, const void *buf, size_t len,
                          int64_t offset)
{
    hob_require(file_is_open(file), "hob_file_pwrite_prep" NOT_OPEN);
    hob_require(offset >= 0, "hob_file_pwrite_prep: the offset is negative");
    write_at_prep(place, file, buf, len, offset);
}

/* ---- several buffers at once ---- */

static struct fs_call vector(enum fs_what what, const struct iovec *iov, int count,
                             int64_t offset)
{
    return (struct fs_call){ .what = what, .buf = (void *)(uintptr_t)iov, .len = (size_t)count,
                             .a = offset };
}

static void check_vector(const hob_file *file, int count, int64_t offset, const char *caller)
{
    if (!file_is_open(file))
        hob__misuse_of(caller, "this is not open; was it closed already?");
    if (count < 0 || count > 1024)
        hob__misuse_of(caller, "there are 0 to 1024 buffers at a time");
    if (offset < 0)
        hob__misuse_of(caller, "the offset is negative");
}

ssize_t hob_file_preadv(hob_file *file, const struct iovec *iov, int count, int64_t offset)
{
    check_vector(file, count, offset, "hob_file_preadv");
    return hob__fs_await(vector(FS_READV, iov, count, offset), &file->desc);
}

int hob_file_preadv_prep(hob_op *op, hob_file *file, const struct iovec *iov, int count,
                         int64_t offset)
{
    check_vector(file, count, offset, "hob_file_preadv_prep");
    return hob__fs_prep(op, vector(FS_READV, iov, count, offset), &file->desc);
}

ssize_t hob_file_pwritev(hob_file *file, const struct iovec *iov, int count, int64_t offset)
{
    check_vector(file, count, offset, "hob_file_pwritev");
    return hob__fs_await(vector(FS_WRITEV, iov, count, offset), &file->desc);
}

int hob_file_pwritev_prep(hob_op *op, hob_file *file, const struct iovec *iov, int count,
                          int64_t offset)
{
    check_vector(file, count, offset, "hob_file_pwritev_prep");
    return hob__fs_prep(op, vector(FS_WRITEV, iov, count, offset), &file->desc);
}

/* ---- asking about it ---- */

int hob_file_stat(hob_file *file, struct stat *ret_stat)
{
    hob_require(file_is_open(file), "hob_file_stat" NOT_OPEN);

    struct op op = { .kind = OP_STAT, .desc = &file->desc, .stat = { .out = ret_stat } };
    hob__op_await(&op);
    return (int)op.result;
}

int hob_file_stat_prep(hob_op *place, hob_file *file, struct stat *ret_stat)
{
    hob_require(file_is_open(file), "hob_file_stat_prep" NOT_OPEN);

    struct op *op = hob__op_prep(place, OP_STAT, &file->desc);
    op->stat.path = NULL;
    op->stat.out = ret_stat;
    return 0;
}

/* ---- as a stream ---- */

static ssize_t stream_read(hob_stream *stream, void *buf, size_t len)
{
    return hob_file_read((hob_file *)stream, buf, len);
}

static ssize_t stream_write_some(hob_stream *stream, const void *buf, size_t len)
{
    return hob_file_write((hob_file *)stream, buf, len);
}

static void stream_close(hob_stream *stream)
{
    hob_file_close((hob_file *)stream);
}

static const hob_stream_type file_stream = {
    .name = "file",
    .read = stream_read,
    .write_some = stream_write_some,
    .close = stream_close,
};

hob_stream *hob_file_stream(hob_file *file)
{
    hob_require(file_is_open(file), "hob_file_stream" NOT_OPEN);
    return &file->stream;
}

struct desc *hob__file_desc(hob_stream *stream)
{
    hob_file *file = (hob_file *)stream;

    if (stream->type != &file_stream)
        return NULL;
    hob_require(file_is_open(file), "hob_copy" NOT_OPEN);
    return file->desc.kind == DESC_FILE ? &file->desc : NULL;
}
