/* SPDX-License-Identifier: MIT */
/*
 * Writing, reopening, and rotating:
 *
 *     PATH.4 ──▶ PATH.5 (the oldest is gone)   ...   PATH ──▶ PATH.1,   and PATH anew
 *
 * from the oldest on, or from the first number that is free, so that a rename that fails loses nothing:
 * the file at hand is written on, and the next try is when it has grown by as much again. So is one
 * that was renamed, should the new one not open.
 */
#include "log/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"

/* ---- opening ---- */

static void note_open(struct log_sink *s, const struct log_file *file, int64_t size)
{
    s->file = *file;
    s->is_open = true;
    s->in_line = false;
    s->size = size;
    s->rotate_at = s->config->rotate_bytes;
}

static int open_new(struct log_sink *s)
{
    struct log_file file;
    int64_t         size;
    int             r = s->disk->open(s->config->path, &file, &size);
    if (r < 0)
        return r;
    if (s->is_open)
        s->disk->close(&s->file);
    note_open(s, &file, size);
    return 0;
}

int hob__log_sink_open(struct log_sink *s)
{
    s->reopened = hob__log_reopens();
    if (s->config->write != NULL) {
        s->is_open = true;
        s->file = (struct log_file){ .fd = STDERR_FILENO };
        return 0;
    }
    return open_new(s);
}

void hob__log_sink_close(struct log_sink *s)
{
    if (s->is_open && s->config->write == NULL)
        s->disk->close(&s->file);
    s->is_open = false;
}

int hob__log_sink_fd(const struct log_sink *s)
{
    if (s->is_open && s->file.fd >= 0)
        return s->file.fd;
    int fd = -1;
    if (s->config->path != NULL) // the writer has not come so far
        fd = open(s->config->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
                  LOG_FILE_MODE);
    return fd >= 0 ? fd : STDERR_FILENO;
}

/* ---- rotating ---- */

/* PATH.N; N = 0: PATH itself. */
static void old_path(const struct log_sink *s, uint32_t n, char *path)
{
    if (n == 0)
        snprintf(path, PATH_MAX, "%s", s->config->path);
    else
        snprintf(path, PATH_MAX, "%s.%u", s->config->path, n);
}

/* The first that is not there, or the oldest that is kept, which rename(2) will replace. */
static int find_free(struct log_sink *s, uint32_t *ret_n)
{
    char path[PATH_MAX];
    for (*ret_n = 1; *ret_n < s->config->rotate_keep; ++*ret_n) {
        old_path(s, *ret_n, path);
        int r = s->disk->exists(path);
        if (r < 0)
            return r == -ENOENT ? 0 : r;
    }
    return 0;
}

static int move_all(struct log_sink *s)
{
    char     from[PATH_MAX], to[PATH_MAX];
    uint32_t n;
    int      r = find_free(s, &n);
    for (; r == 0 && n > 0; n--) {
        old_path(s, n - 1, from);
        old_path(s, n, to);
        r = s->disk->rename(from, to);
    }
    return r == -ENOENT && n == 0 ? 0 : r; // somebody moved PATH: then only a new one is missing
}

static void rotate(struct log_sink *s)
{
    int r = move_all(s);
    if (r == 0)
        r = open_new(s);
    if (r == 0) {
        hob__log_rotated();
        return;
    }
    hob__log_failed(r);
    s->rotate_at = s->size + s->config->rotate_bytes;
}

static void reopen_if_asked(struct log_sink *s)
{
    unsigned now = hob__log_reopens();
    if (s->reopened == now || s->config->path == NULL)
        return;
    s->reopened = now;
    int r = open_new(s);
    if (r < 0)
        hob__log_failed(r);
}

/* ---- writing ---- */

static size_t first_line(const char *bytes, size_t len)
{
    const char *newline = memchr(bytes, '\n', len);
    return newline != NULL ? (size_t)(newline + 1 - bytes) : len;
}

/* Lines that the file may still take: at least one. */
static size_t lines_that_fit(const struct log_sink *s, const char *bytes, size_t len)
{
    size_t  fits = first_line(bytes, len);
    int64_t room = s->rotate_at - s->size;
    if (room >= (int64_t)len)
        return len;
    while (fits < len) {
        size_t next = first_line(bytes + fits, len - fits);
        if ((int64_t)(fits + next) > room)
            break;
        fits += next;
    }
    return fits;
}

/* Between two lines the file may become another. How much may be written at once. */
static size_t prepare(struct log_sink *s, const char *bytes, size_t len)
{
    bool rotates = s->config->rotate_bytes > 0 && s->config->path != NULL && s->file.is_regular;
    if (s->in_line)
        return first_line(bytes, len);
    reopen_if_asked(s);
    if (!rotates)
        return len;
    if (s->size > 0 && s->size + (int64_t)first_line(bytes, len) > s->rotate_at)
        rotate(s);
    return lines_that_fit(s, bytes, len);
}

static ssize_t give_to_user(struct log_sink *s, const char *bytes, size_t len)
{
    int r = s->config->write(s->config->write_arg, bytes, len);
    if (r < 0 && r != -EAGAIN)
        hob__log_failed(r);
    return r < 0 ? r : (ssize_t)len;
}

ssize_t hob__log_sink_write(struct log_sink *s, const char *bytes, size_t len)
{
    if (s->config->write != NULL)
        return give_to_user(s, bytes, len);
    int r = s->is_open ? 0 : hob__log_sink_open(s);
    if (r < 0) {
        hob__log_failed(r);
        return r;
    }
    len = prepare(s, bytes, len);
    ssize_t n = s->disk->write(&s->file, bytes, len);
    if (n == 0) // of more than none: nothing that could be gone on from
        n = -EIO;
    if (n < 0) {
        if (n != -EAGAIN)
            hob__log_failed((int)n);
        return n;
    }
    s->size += n;
    s->in_line = bytes[n - 1] != '\n';
    return n;
}
