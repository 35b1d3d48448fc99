/* SPDX-License-Identifier: MIT */
/*
 * A file of a form on the disk: by hob_replace, so that it has no name before it is whole.
 *
 * With HOB_FORM_NEW it gets a name that nobody knows first, and from there its own in a step that fails
 * when that is taken.
 */
#include "site/forms.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "hob/replace.h"
#include "hob/runtime.h"
#include "hob/time.h"

#define CLEAN_UP_NS (5 * HOB_SEC)

/* Writes all that the source gives. */
static int write_all(form_source *source, void *arg, hob_file *file, uint64_t *ret_bytes)
{
    const char *bytes;
    uint64_t    written = 0;
    ssize_t     n;

    while ((n = source(arg, &bytes)) > 0) {
        ssize_t done = 0;
        while (done < n) {
            ssize_t some = hob_file_write(file, bytes + done, (size_t)(n - done));
            if (some < 0)
                return (int)some;
            done += some;
        }
        written += (uint64_t)n;
    }
    if (n == 0)
        *ret_bytes = written;
    return (int)n;
}

static int write_to(form_source *source, void *arg, const char *path, uint64_t *ret_bytes)
{
    hob_replace *replace;

    int r = hob_replace_begin(path, 0, &replace);
    if (r < 0)
        return r;
    r = write_all(source, arg, hob_replace_file(replace), ret_bytes);
    if (r < 0) {
        hob_replace_drop(replace);
        return r;
    }
    return hob_replace_commit(replace);
}

static int write_new(form_source *source, void *arg, const char *path, uint64_t *ret_bytes)
{
    struct stat st;
    int r = hob_path_lstat(path, &st);
    if (r != -ENOENT)
        return r < 0 ? r : -EEXIST; // before all of it is read

    size_t size = strlen(path) + 32;
    char  *part = hob__site_alloc(size);
    if (part == NULL)
        return -ENOMEM;
    snprintf(part, size, "%s.%016llx", path, (unsigned long long)hob_random());
    r = write_to(source, arg, part, ret_bytes);
    if (r == 0) {
        r = hob_path_rename(part, path, HOB_RENAME_NOREPLACE);
        if (r < 0) {
            HOB_SHIELD(CLEAN_UP_NS) {
                int gone = hob_path_unlink(part);
                r = gone < 0 ? gone : r; // something is left over: that is worse
            }
        }
    }
    free(part);
    return r;
}

int hob__form_save(form_source *source, void *arg, const char *path, unsigned flags,
                   uint64_t *ret_bytes)
{
    uint64_t bytes;
    int r = flags & HOB_FORM_NEW ? write_new(source, arg, path, &bytes)
                                 : write_to(source, arg, path, &bytes);
    if (r == 0 && ret_bytes != NULL)
        *ret_bytes = bytes;
    return r;
}

/* ---- of a reader ---- */

struct part_source {
    hob_form_reader *reader;
    size_t           shown;
};

static ssize_t next_of_part(void *arg, const char **ret_bytes)
{
    struct part_source *source = arg;
    hob__form_take(source->reader, source->shown);
    ssize_t n = hob__form_show(source->reader, ret_bytes);
    source->shown = n > 0 ? (size_t)n : 0;
    return n;
}

int hob_form_reader_save(hob_form_reader *reader, const char *path, unsigned flags,
                         uint64_t *ret_bytes)
{
    struct part_source source = { reader, 0 };
    return hob__form_save(next_of_part, &source, path, flags, ret_bytes);
}

/* ---- of a file that is there without a name ---- */

struct file_source {
    hob_file *file;
    uint64_t  at;
    char      bytes[8192];
};

static ssize_t next_of_file(void *arg, const char **ret_bytes)
{
    struct file_source *source = arg;
    ssize_t n = hob_file_pread(source->file, source->bytes, sizeof source->bytes, (int64_t)source->at);
    if (n > 0)
        source->at += (uint64_t)n;
    *ret_bytes = source->bytes;
    return n;
}

int hob_form_file_save(const hob_form_file *file, const char *path, unsigned flags)
{
    struct file_source source;
    source.file = file->file;
    source.at = 0;
    return hob__form_save(next_of_file, &source, path, flags, NULL);
}
