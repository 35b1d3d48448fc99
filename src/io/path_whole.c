/* SPDX-License-Identifier: MIT */
/* Whole files in one call, and files and folders with names of their own. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "hob/replace.h"
#include "hob/runtime.h"
#include "hob/scope.h"
#include "io/file.h"

/* ---- reading ---- */

enum { FIRST_BYTES = 4096, GROW_BYTES_MAX = 16 * 1024 * 1024 };

struct bytes {
    char  *data;
    size_t len, cap;
};

/* Room for more, and for a NUL; up to one byte more than `limit`, so that too much is seen. */
static int grow(struct bytes *bytes, size_t limit, size_t hint)
{
    size_t most = limit < SIZE_MAX - 2 ? limit + 1 : limit;
    size_t step = bytes->cap < GROW_BYTES_MAX ? bytes->cap : GROW_BYTES_MAX;
    size_t cap = bytes->cap == 0 ? (hint > 0 ? hint : FIRST_BYTES) : bytes->cap + step;
    if (cap > most)
        cap = most;
    char *data = hob__realloc_for_user(bytes->data, cap + 1);
    if (data == NULL)
        return -ENOMEM;
    bytes->data = data;
    bytes->cap = cap;
    return 0;
}

static int read_to_end(hob_file *file, size_t limit, size_t hint, struct bytes *bytes)
{
    for (;;) {
        int r = bytes->len == bytes->cap ? grow(bytes, limit, hint) : 0;
        if (r < 0)
            return r;
        ssize_t n = hob_file_read(file, bytes->data + bytes->len, bytes->cap - bytes->len);
        if (n <= 0)
            return (int)n;
        bytes->len += (size_t)n;
        if (bytes->len > limit)
            return -EFBIG;
    }
}

/* A file tells a size, most of the time: then one read more finds the end. */
static size_t size_hint(hob_file *file, size_t limit)
{
    struct stat st;
    if (hob_file_stat(file, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size <= 0)
        return 0;
    return (uint64_t)st.st_size < limit ? (size_t)st.st_size + 1 : limit;
}

int hob_file_read_all(hob_file *file, size_t limit, char **ret_data, size_t *ret_len)
{
    struct bytes bytes = { .data = NULL };
    hob_require(file_is_open(file), "hob_file_read_all" NOT_OPEN);
    file_begin_use(file);
    int r = read_to_end(file, limit, size_hint(file, limit), &bytes);
    hob__file_end_use(file);
    if (r < 0) {
        free(bytes.data);
        return r;
    }
    bytes.data[bytes.len] = '\0';
    *ret_data = bytes.data;
    *ret_len = bytes.len;
    return 0;
}

int hob_path_read(const char *path, size_t limit, char **ret_data, size_t *ret_len)
{
    hob_file *file;
    int r = hob_file_open(path, O_RDONLY, 0, &file);
    if (r < 0)
        return r;
    r = hob_file_read_all(file, limit, ret_data, ret_len);
    hob_file_close(file);
    return r;
}

/* ---- writing ---- */

/* All of it, or the reason why not. */
static int write_all(hob_file *file, const void *data, size_t len)
{
    const char *at = data;
    while (len > 0) {
        ssize_t n = hob_file_write(file, at, len);
        if (n < 0)
            return (int)n;
        at += n;
        len -= (size_t)n;
    }
    return 0;
}

int hob_path_write(const char *path, const void *data, size_t len, unsigned mode)
{
    hob_file *file;
    int r = hob_file_open(path, O_WRONLY | O_CREAT | O_TRUNC, mode, &file);
    if (r < 0)
        return r;
    r = write_all(file, data, len);
    hob_file_close(file);
    return r;
}

int hob_path_replace(const char *path, const void *data, size_t len, unsigned mode)
{
    hob_replace *replace;
    int r = hob_replace_begin(path, mode, &replace);
    if (r < 0)
        return r;
    r = write_all(hob_replace_file(replace), data, len);
    if (r == 0)
        return hob_replace_commit(replace);
    hob_replace_drop(replace);
    return r;
}

/* ---- names of one's own ---- */

enum { XS = 6, NAME_TRIES = 100 };

/* The six letters at the end, or NULL. */
static char *xs_of(char *template)
{
    size_t len = strlen(template);
    return len >= XS && memcmp(template + len - XS, "XXXXXX", XS) == 0 ? template + len - XS
                                                                         : NULL;
}

static void draw_letters(char *xs)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    uint64_t number = hob_random();
    for (int i = 0; i < XS; i++, number /= sizeof letters - 1)
        xs[i] = letters[number % (sizeof letters - 1)];
}

int hob_path_make_temp(char *path_template, hob_file **ret_file)
{
    char *xs = xs_of(path_template);
    int   r = -EINVAL;
    for (int i = 0; xs != NULL && i < NAME_TRIES; i++) {
        draw_letters(xs);
        r = hob_file_open(path_template, O_RDWR | O_CREAT | O_EXCL, 0600, ret_file);
        if (r != -EEXIST)
            break;
    }
    return r;
}

int hob_path_make_temp_dir(char *path_template)
{
    char *xs = xs_of(path_template);
    int   r = -EINVAL;
    for (int i = 0; xs != NULL && i < NAME_TRIES; i++) {
        draw_letters(xs);
        r = hob_path_mkdir(path_template, 0700);
        if (r != -EEXIST)
            break;
    }
    return r;
}

/* ---- files without a name ---- */

/* The name is taken away at once, also when we are cancelled. */
static int open_and_unlink(const char *folder, hob_file **ret_file)
{
    size_t len = strlen(folder);
    char  *path = hob__alloc(len + sizeof "/hob-XXXXXX");
    if (path == NULL)
        return -ENOMEM;
    memcpy(path, folder, len);
    strcpy(path + len, "/hob-XXXXXX");
    int r = hob_path_make_temp(path, ret_file);
    if (r == 0) {
        HOB_SHIELD(5 * HOB_SEC)
            r = hob_path_unlink(path);
        if (r < 0)
            hob_file_close(*ret_file);
    }
    hob__free(path);
    return r;
}

int hob_file_open_temp(const char *folder, hob_file **ret_file)
{
    if (folder == NULL)
        folder = getenv("TMPDIR");
    if (folder == NULL || folder[0] == '\0')
        folder = "/tmp";
    int r = hob__file_open_unnamed(folder, 0600, __builtin_return_address(0), ret_file);
    return r == -EOPNOTSUPP ? open_and_unlink(folder, ret_file) : r;
}
