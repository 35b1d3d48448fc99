/* SPDX-License-Identifier: MIT */
/* Awaiting and preparing calls on files: each is one op, whose record lies beside it. */
#include "io/fs.h"

#include <fcntl.h>
#include <string.h>

#include "base/alloc.h"
#include "base/sys.h"

int hob__fs_check_path(const char *path)
{
    size_t len = strnlen(path, PATH_BYTES_MAX);

    if (len == 0)
        return -ENOENT;
    return len < PATH_BYTES_MAX ? 0 : -ENAMETOOLONG;
}

static bool has_second_path(enum fs_what what)
{
    return what == FS_RENAME || what == FS_LINK || what == FS_LINK_FD || what == FS_SYMLINK ||
           what == FS_WATCH_ADD;
}

static int check_paths(const struct fs_call *call)
{
    int r = call->path != NULL ? hob__fs_check_path(call->path) : 0;
    if (r == 0 && has_second_path(call->what))
        r = hob__fs_check_path(call->other);
    return r;
}

int64_t hob__fs_await(struct fs_call call, struct desc *desc)
{
    int r = check_paths(&call);
    if (r < 0)
        return r;
    struct op op = { .kind = OP_FS, .desc = desc, .fs = { .call = &call } };
    hob__op_await(&op);
    return op.result;
}

/* ---- prepared ---- */

struct record {
    struct fs_call call;
    struct stat   *stat_out; /* NULL: no such */
    struct statx   statx;
};

static bool ended(struct op *op)
{
    struct record *record = container_of(op->fs.call, struct record, call);
    if (record->stat_out != NULL && op->result >= 0)
        hob__stat_from_statx(&record->statx, record->stat_out);
    hob__free(record);
    return true;
}

static int prep(hob_op *place, const struct fs_call *call, struct desc *desc,
                struct stat *stat_out)
{
    int r = check_paths(call);
    if (r < 0)
        return r;
    struct record *record = hob__alloc(sizeof *record);
    if (record == NULL)
        return -ENOMEM;
    record->call = *call;
    record->stat_out = stat_out;
    if (stat_out != NULL)
        record->call.buf = &record->statx;
    struct op *op = hob__op_prep(place, OP_FS, desc);
    op->fs.call = &record->call;
    op->finish = ended;
    return 0;
}

int hob__fs_prep(hob_op *place, struct fs_call call, struct desc *desc)
{
    return prep(place, &call, desc, NULL);
}

/* ---- stat ---- */

int hob__fs_stat_await(struct fs_call call, struct desc *desc, struct stat *ret_stat)
{
    struct statx statx;
    call.buf = &statx;
    int r = (int)hob__fs_await(call, desc);
    if (r >= 0)
        hob__stat_from_statx(&statx, ret_stat);
    return r;
}

int hob__fs_stat_prep(hob_op *place, struct fs_call call, struct desc *desc,
                      struct stat *ret_stat)
{
    return prep(place, &call, desc, ret_stat);
}

/* ---- opening ---- */

int hob__fs_open_fd(struct desc *dir, const char *path, int flags, unsigned mode,
                    uint64_t resolve, unsigned *ret_type)
{
    int r = hob__fs_check_path(path);
    if (r < 0)
        return r;
    struct fs_call call = {
        .what = FS_OPEN, .path = path, .flags = (unsigned)flags | O_CLOEXEC, .mode = mode,
        .a = (int64_t)resolve,
    };
    struct op op = { .kind = OP_FS, .desc = dir, .fs = { .call = &call } };
    hob__op_await(&op);
    if (op.result >= 0 && ret_type != NULL)
        *ret_type = (unsigned)call.b;
    return (int)op.result;
}
