/* SPDX-License-Identifier: MIT */
/*
 * What the programs that read and copy files share: the arguments, the file, the checks.
 *
 *     PROGRAM read FILE DEPTH N      N blocks of 4 KiB, drawn at random, DEPTH of them at once
 *     PROGRAM direct FILE DEPTH N    the same with O_DIRECT
 *     PROGRAM copy FROM TO BYTES     all of FROM into TO, in pieces of so many bytes
 *
 * The file is bench/run.py's: each block of it begins with its own number. So each block that is
 * read is checked; and a copy is, in a few places.
 */
#ifndef BENCH_FILES_H
#define BENCH_FILES_H

#include "bench.h"

#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>

enum { BLOCK_BYTES = 4096, DEPTH_MAX = 256, PIECE_MAX = 4 << 20 };

struct files_args {
    bool        copies;
    const char *path, *to;
    int         open_flags;
    int         depth;
    size_t      piece;  /* of a copy              */
    long        count;  /* of reads               */
    uint64_t    blocks; /* that the file has      */
};

static inline int64_t files_clock_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static inline struct files_args files_read_args(int argc, char **argv)
{
    struct files_args args = { 0 };
    struct stat       st;

    if (argc == 5) {
        args.copies = strcmp(argv[1], "copy") == 0;
        args.path = argv[2];
        args.open_flags = O_RDONLY | (strcmp(argv[1], "direct") == 0 ? O_DIRECT : 0);
        args.to = argv[3];
        args.depth = atoi(argv[3]);
        args.count = atol(argv[4]);
        args.piece = (size_t)args.count;
        if (stat(args.path, &st) < 0)
            bench_die(args.path);
        args.blocks = (uint64_t)st.st_size / BLOCK_BYTES;
    }
    if (args.blocks == 0 || args.count < 1 ||
        (args.copies ? args.piece > PIECE_MAX : args.depth < 1 || args.depth > DEPTH_MAX)) {
        fprintf(stderr, "usage: %s read|direct FILE DEPTH N, or copy FROM TO BYTES\n", argv[0]);
        exit(2);
    }
    return args;
}

/* The first word of a block is its number. */
static inline void files_check(const void *block, uint64_t number)
{
    uint64_t there;
    memcpy(&there, block, sizeof there);
    if (there == number)
        return;
    fprintf(stderr, "block %llu is not what was read\n", (unsigned long long)number);
    exit(1);
}

static inline void *files_buffers(size_t bytes)
{
    void *p = aligned_alloc(BLOCK_BYTES, bytes);
    if (p == NULL)
        bench_die("aligned_alloc");
    memset(p, 0, bytes); // touched before the clock runs
    return p;
}

static inline void files_check_copy(const struct files_args *args)
{
    char        block[BLOCK_BYTES];
    struct stat st;
    int         fd = open(args->to, O_RDONLY | O_CLOEXEC);

    if (fd < 0 || fstat(fd, &st) < 0 || (uint64_t)st.st_size / BLOCK_BYTES != args->blocks)
        bench_die(args->to);
    for (uint64_t i = 0; i < args->blocks; i += 1 + args->blocks / 1000) {
        if (pread(fd, block, sizeof block, (off_t)(i * BLOCK_BYTES)) != BLOCK_BYTES)
            bench_die(args->to);
        files_check(block, i);
    }
    close(fd);
}

struct files_clock {
    int64_t real_ns, cpu_ns;
};

static inline struct files_clock files_begin(void)
{
    return (struct files_clock){ files_clock_ns(), bench_cpu_ns() };
}

/* For one read; or, of a copy, for one MiB. */
static inline void files_print(const struct files_args *args, struct files_clock began)
{
    double real_ns = (double)(files_clock_ns() - began.real_ns);
    double cpu_ns = (double)(bench_cpu_ns() - began.cpu_ns);
    double count = args->copies ? (double)args->blocks * BLOCK_BYTES / (1 << 20) : (double)args->count;

    bench_print("us", real_ns / 1000 / count);
    bench_print("cpu_us", cpu_ns / 1000 / count);
    bench_print("per_s", count * 1e9 / real_ns);
    if (args->copies)
        files_check_copy(args);
}

#endif
