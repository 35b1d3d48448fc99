/* SPDX-License-Identifier: MIT */
/*
 * Copies files into a folder, all at the same time, and makes them durable:
 *
 *     copy_files FOLDER FILE...
 *
 * When one cannot be copied, the others are given up, and it says which.
 */
#include <hob.h>

#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>

struct job {
    const char *folder;
    char       *path;
};

static int copy_bytes(hob_file *from, hob_file *to)
{
    char buf[32768];

    for (;;) {
        ssize_t n = HOB_TRY(hob_file_read(from, buf, sizeof buf));
        if (n == 0)
            return hob_file_sync(to);

        // A short write is followed by the call that tells why.
        for (ssize_t written = 0; written < n;)
            written += HOB_TRY(hob_file_write(to, buf + written, (size_t)(n - written)));
    }
}

static int copy_to(hob_file *from, const char *target)
{
    hob_file *to;

    HOB_TRY(hob_file_open(target, O_CREAT | O_TRUNC | O_WRONLY, 0666, &to));
    int r = copy_bytes(from, to);
    hob_file_close(to);
    return r;
}

static int copy_file(void *arg)
{
    struct job *job = arg;
    hob_file   *from;
    char        target[4096];

    snprintf(target, sizeof target, "%s/%s", job->folder, basename(job->path));
    int r = hob_file_open(job->path, O_RDONLY, 0, &from);
    if (r >= 0) {
        r = copy_to(from, target);
        hob_file_close(from);
    }
    if (r < 0 && !hob_cancelled())
        fprintf(stderr, "%s: %s\n", job->path, hob_strerror(r));
    return r;
}

static int copy_all(void *arg)
{
    char **argv = arg;
    HOB_SCOPE(s);

    for (char **path = argv + 2; *path != NULL; path++) {
        struct job job = { .folder = argv[1], .path = *path };
        hob_go_with(&s, copy_file, &job,
                    &(hob_task_opts){ .stack_bytes = 256 * 1024, .copy_bytes = sizeof job });
    }
    return hob_scope_end(&s);
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: %s FOLDER FILE...\n", argv[0]);
        return EXIT_FAILURE;
    }
    return hob_run(copy_all, argv) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
