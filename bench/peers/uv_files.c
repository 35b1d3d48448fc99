/* SPDX-License-Identifier: MIT */
/* Files on libuv (files.h): uv_fs_read and uv_fs_write, which its four threads carry out. */
#include "files.h"

#include <uv.h>

struct request {
    uv_fs_t  fs;
    uv_buf_t buf;
    uint64_t block;
};

static struct files_args args;
static uv_loop_t        *loop;
static uv_file           from, to;
static long              left;
static uint64_t          seed = 88172645463325252u;

static void fail(const char *what, ssize_t r)
{
    fprintf(stderr, "uv_files: %s: %s\n", what, uv_strerror((int)r));
    exit(1);
}

/* ---- random reads ---- */

static void on_block(uv_fs_t *fs);

static void next_block(struct request *r)
{
    if (left-- <= 0)
        return;
    r->block = bench_random(&seed) % args.blocks;
    int error = uv_fs_read(loop, &r->fs, from, &r->buf, 1, (int64_t)(r->block * BLOCK_BYTES), on_block);
    if (error < 0)
        fail("uv_fs_read", error);
}

static void on_block(uv_fs_t *fs)
{
    struct request *r = (struct request *)fs;

    if (fs->result != BLOCK_BYTES)
        fail("read", fs->result);
    uv_fs_req_cleanup(fs);
    files_check(r->buf.base, r->block);
    next_block(r);
}

static void read_all(struct request *requests)
{
    char *bufs = files_buffers((size_t)args.depth * BLOCK_BYTES);

    left = args.count;
    for (int i = 0; i < args.depth; i++) {
        requests[i].buf = uv_buf_init(bufs + (size_t)i * BLOCK_BYTES, BLOCK_BYTES);
        next_block(&requests[i]);
    }
    uv_run(loop, UV_RUN_DEFAULT);
    free(bufs);
}

/* ---- copying ---- */

static void on_piece(uv_fs_t *fs);

static void next_piece(struct request *r)
{
    r->buf.len = args.piece;
    int error = uv_fs_read(loop, &r->fs, from, &r->buf, 1, -1, on_piece);
    if (error < 0)
        fail("uv_fs_read", error);
}

static void on_written(uv_fs_t *fs)
{
    struct request *r = (struct request *)fs;

    if (fs->result != (ssize_t)r->buf.len)
        fail("write", fs->result);
    uv_fs_req_cleanup(fs);
    next_piece(r);
}

static void on_piece(uv_fs_t *fs)
{
    struct request *r = (struct request *)fs;
    ssize_t         n = fs->result;

    if (n < 0)
        fail("read", n);
    uv_fs_req_cleanup(fs);
    if (n == 0)
        return;
    r->buf.len = (size_t)n;
    int error = uv_fs_write(loop, fs, to, &r->buf, 1, -1, on_written);
    if (error < 0)
        fail("uv_fs_write", error);
}

static void copy_all(struct request *r)
{
    uv_fs_t fs;

    to = uv_fs_open(loop, &fs, args.to, UV_FS_O_WRONLY, 0, NULL);
    if (to < 0)
        fail(args.to, to);
    r->buf = uv_buf_init(files_buffers(args.piece), (unsigned)args.piece);
    next_piece(r);
    uv_run(loop, UV_RUN_DEFAULT);
    uv_fs_close(loop, &fs, to, NULL);
    free(r->buf.base);
}

int main(int argc, char **argv)
{
    static struct request requests[DEPTH_MAX];
    uv_fs_t               fs;

    args = files_read_args(argc, argv);
    loop = uv_default_loop();
    struct files_clock began = files_begin();
    from = uv_fs_open(loop, &fs, args.path, args.open_flags, 0, NULL);
    if (from < 0)
        fail(args.path, from);
    if (args.copies)
        copy_all(requests);
    else
        read_all(requests);
    files_print(&args, began);
    uv_fs_close(loop, &fs, from, NULL);
    return 0;
}
