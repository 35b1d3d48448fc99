/* SPDX-License-Identifier: MIT */
/*
 * Counting words: many files, a few at a time.
 *
 * Eight tasks share one list; each takes the next file when it is done with its
 * last. They need no lock for that: tasks of one worker take turns, and only
 * where they wait.
 *
 *     build/hob run examples/06_word_count.c include/hob/tcp.h src/op/op.h
 */
#include <ctype.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>

#include <hob.h>

enum { FILES_AT_ONCE = 8 };

struct count {
    const char        *path;
    int                error; /* 0, or why there are no numbers */
    unsigned long long lines, words, bytes;
};

struct work {
    struct count *counts;
    int           count;
    int           next; /* the file that nobody has taken yet */
};

static void count_bytes(struct count *c, const char *buf, size_t len, bool *in_word)
{
    for (size_t i = 0; i < len; i++) {
        bool is_space = isspace((unsigned char)buf[i]);
        c->lines += buf[i] == '\n';
        c->words += !is_space && !*in_word;
        *in_word = !is_space;
    }
    c->bytes += len;
}

static int count_file(struct count *c)
{
    hob_file *file;
    HOB_TRY(hob_file_open(c->path, O_RDONLY, 0, &file));

    char    buf[16 * 1024];
    bool    in_word = false;
    ssize_t n;
    while ((n = hob_file_read(file, buf, sizeof buf)) > 0)
        count_bytes(c, buf, (size_t)n, &in_word);
    hob_file_close(file);
    return (int)n;
}

static int count_files(void *arg)
{
    struct work *work = arg;
    while (work->next < work->count) {
        struct count *c = &work->counts[work->next++];
        c->error = count_file(c);
    }
    return 0; // a file that cannot be read is an answer, too
}

static int count_all(void *arg)
{
    HOB_SCOPE(readers);
    for (int i = 0; i < FILES_AT_ONCE; i++)
        hob_go(&readers, count_files, arg);
    return hob_scope_end(&readers);
}

static void print_count(const struct count *c)
{
    printf("%8llu %8llu %10llu %s\n", c->lines, c->words, c->bytes, c->path);
}

int main(int argc, char **argv)
{
    struct work work = { .counts = calloc((size_t)argc, sizeof *work.counts), .count = argc - 1 };
    if (work.counts == NULL || argc < 2) {
        fprintf(stderr, "usage: %s FILE...\n", argv[0]);
        return 2;
    }
    for (int i = 0; i < work.count; i++)
        work.counts[i].path = argv[i + 1];

    int          failed = hob_run(count_all, &work) < 0;
    struct count total = { .path = "total" };
    for (int i = 0; i < work.count; i++) {
        struct count *c = &work.counts[i];
        if (c->error < 0) {
            fprintf(stderr, "%s: %s\n", c->path, hob_strerror(c->error));
            failed = 1;
            continue;
        }
        print_count(c);
        total.lines += c->lines;
        total.words += c->words;
        total.bytes += c->bytes;
    }
    print_count(&total);
    free(work.counts);
    return failed;
}
