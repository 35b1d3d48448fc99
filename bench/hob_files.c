/* SPDX-License-Identifier: MIT */
/*
 * Files on Hob, as a user would read and copy them: a task for each read that is under way, or one
 * that reads and writes in turn (files.h). HOB_BACKEND chooses the backend.
 *
 *     hob_files hob_copy FROM TO BYTES    a copy by hob_copy
 */
#include <hob.h>

#include "files.h"

static struct files_args args;
static bool              by_hob_copy;
static long              left;
static uint64_t          seed = 88172645463325252u;

struct reading {
    hob_file *file;
    char     *buf;
};

static int read_blocks(void *arg)
{
    struct reading *r = arg;

    while (left > 0) {
        left--;
        uint64_t block = bench_random(&seed) % args.blocks;
        ssize_t  n = hob_file_pread(r->file, r->buf, BLOCK_BYTES, (int64_t)(block * BLOCK_BYTES));
        if (n != BLOCK_BYTES)
            return n < 0 ? (int)n : hob_fail(-EIO);
        files_check(r->buf, block);
    }
    return 0;
}

static int ask_read(void *arg)
{
    struct reading     readings[DEPTH_MAX];
    char              *bufs = files_buffers((size_t)args.depth * BLOCK_BYTES);
    hob_file          *file;
    struct files_clock began = files_begin();

    (void)arg;
    HOB_TRY(hob_file_open(args.path, args.open_flags, 0, &file));
    left = args.count;
    HOB_SCOPE(s);
    for (int i = 0; i < args.depth; i++) {
        readings[i] = (struct reading){ file, bufs + (size_t)i * BLOCK_BYTES };
        hob_go(&s, read_blocks, &readings[i]);
    }
    HOB_TRY(hob_scope_end(&s));
    files_print(&args, began);
    hob_file_close(file);
    free(bufs);
    return 0;
}

static int copy_by_hand(hob_file *from, hob_file *to)
{
    char   *buf = files_buffers(args.piece);
    ssize_t n;

    while ((n = hob_file_read(from, buf, args.piece)) > 0) {
        if (hob_file_write(to, buf, (size_t)n) != n)
            return hob_fail(-EIO);
    }
    free(buf);
    return (int)n;
}

static int ask_copy(void *arg)
{
    struct files_clock began = files_begin();
    hob_copy_opts      opts = { .buf_bytes = args.piece };
    hob_file          *from, *to;

    (void)arg;
    HOB_TRY(hob_file_open(args.path, O_RDONLY, 0, &from));
    HOB_TRY(hob_file_open(args.to, O_WRONLY, 0, &to));
    HOB_TRY(by_hob_copy ? hob_copy(hob_file_stream(from), hob_file_stream(to), &opts, NULL)
                        : copy_by_hand(from, to));
    files_print(&args, began);
    hob_file_close(from);
    hob_file_close(to);
    return 0;
}

int main(int argc, char **argv)
{
    hob_run_opts opts = { .slow_ns = -1 };

    if (argc > 1 && strcmp(argv[1], "hob_copy") == 0) {
        by_hob_copy = true;
        argv[1] = "copy";
    }
    args = files_read_args(argc, argv);
    return hob_run_with(&opts, args.copies ? ask_copy : ask_read, NULL) == 0 ? 0 : 1;
}
