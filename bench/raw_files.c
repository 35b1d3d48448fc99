/* SPDX-License-Identifier: MIT */
/* Files by plain threads (files.h): one for each read that is under way, each with a pread(2). */
#include "files.h"

#include <pthread.h>

static struct files_args args;
static int               fd;
static long              left;

static void *read_blocks(void *arg)
{
    uint64_t seed = 88172645463325252u + (uintptr_t)arg;
    char    *buf = arg;

    while (__atomic_sub_fetch(&left, 1, __ATOMIC_RELAXED) >= 0) {
        uint64_t block = bench_random(&seed) % args.blocks;
        if (pread(fd, buf, BLOCK_BYTES, (off_t)(block * BLOCK_BYTES)) != BLOCK_BYTES)
            bench_die("pread");
        files_check(buf, block);
    }
    return NULL;
}

static void read_all(void)
{
    pthread_t threads[DEPTH_MAX];
    char     *bufs = files_buffers((size_t)args.depth * BLOCK_BYTES);

    left = args.count;
    for (int i = 1; i < args.depth; i++)
        if (pthread_create(&threads[i], NULL, read_blocks, bufs + (size_t)i * BLOCK_BYTES) != 0)
            bench_die("pthread_create");
    read_blocks(bufs);
    for (int i = 1; i < args.depth; i++)
        pthread_join(threads[i], NULL);
    free(bufs);
}

static void copy_all(void)
{
    char   *buf = files_buffers(args.piece);
    int     to = open(args.to, O_WRONLY | O_CLOEXEC);
    ssize_t n;

    while ((n = read(fd, buf, args.piece)) > 0) {
        if (write(to, buf, (size_t)n) != n)
            bench_die("write");
    }
    if (n < 0 || close(to) < 0)
        bench_die("copy");
    free(buf);
}

int main(int argc, char **argv)
{
    args = files_read_args(argc, argv);
    struct files_clock began = files_begin();

    fd = open(args.path, args.open_flags | O_CLOEXEC);
    if (fd < 0)
        bench_die(args.path);
    if (args.copies)
        copy_all();
    else
        read_all();
    files_print(&args, began);
    close(fd);
    return 0;
}
