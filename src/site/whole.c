/* SPDX-License-Identifier: MIT */
/* A form, all of it: its fields in memory, its files on the disk without names. */
#include "site/forms.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "hob/json.h"

struct hob_form {
    hob_json_pair *pairs;
    hob_form_file *files;
    size_t         pair_count, pair_cap, file_count, file_cap;
};

/* Makes room for one more of `size` bytes behind `count`. */
static int room_for_one(void **items, size_t count, size_t *cap, size_t size)
{
    if (count < *cap)
        return 0;
    size_t more = *cap < 8 ? 8 : *cap * 2;
    void  *grown = hob__site_grow(*items, more * size);
    if (grown == NULL)
        return -ENOMEM;
    *items = grown;
    *cap = more;
    return 0;
}

static int add_pair(hob_form *form, hob_form_reader *reader, const char *name)
{
    void *pairs = form->pairs;
    int   r = room_for_one(&pairs, form->pair_count, &form->pair_cap, sizeof form->pairs[0]);
    form->pairs = pairs;
    if (r < 0)
        return r;
    char  *copy = hob__site_copy(name, strlen(name)), *text;
    size_t len;
    r = copy != NULL ? hob_form_reader_text(reader, &text, &len) : -ENOMEM;
    if (r < 0) {
        free(copy);
        return r;
    }
    form->pairs[form->pair_count++] = (hob_json_pair){ .name = copy, .text = text, .len = len };
    return 0;
}

/* ---- files ---- */

static void free_file(hob_form_file *file)
{
    free((char *)(uintptr_t)file->name);
    free((char *)(uintptr_t)file->filename);
    free((char *)(uintptr_t)file->type);
    hob_file_close(file->file);
}

static int write_file(hob_form_reader *reader, hob_form_file *file)
{
    const char *bytes;
    ssize_t     n;

    while ((n = hob__form_show(reader, &bytes)) > 0) {
        // At an offset, so that the file's position stays at its beginning.
        ssize_t done = hob_file_pwrite(file->file, bytes, (size_t)n, (int64_t)file->bytes);
        if (done < 0)
            return (int)done;
        hob__form_take(reader, (size_t)done);
        file->bytes += (uint64_t)done;
    }
    return (int)n;
}

static int add_file(hob_form *form, hob_form_reader *reader, const hob_form_part *part)
{
    void *files = form->files;
    int   r = room_for_one(&files, form->file_count, &form->file_cap, sizeof form->files[0]);
    form->files = files;
    if (r < 0)
        return r;
    hob_form_file file = {
        .name = hob__site_copy(part->name, strlen(part->name)),
        .filename = hob__site_copy(part->filename, strlen(part->filename)),
        .type = hob__site_copy(part->type, strlen(part->type)),
    };
    r = file.name == NULL || file.filename == NULL || file.type == NULL ? -ENOMEM : 0;
    if (r == 0)
        r = hob_file_open_temp(reader->opts.folder, &file.file);
    if (r == 0)
        r = write_file(reader, &file);
    if (r < 0) {
        free_file(&file);
        return r;
    }
    form->files[form->file_count++] = file;
    return 0;
}

/* ---- all of it ---- */

/* A file field in which none was chosen comes with an empty name and no bytes. */
static int is_left_empty(hob_form_reader *reader, const hob_form_part *part)
{
    const char *bytes;
    if (part->filename == NULL || part->filename[0] != '\0')
        return 0;
    ssize_t n = hob__form_show(reader, &bytes);
    return n < 0 ? (int)n : n == 0;
}

static int read_parts(hob_form *form, hob_form_reader *reader)
{
    hob_form_part part;
    int           r;

    while ((r = hob_form_reader_next(reader, &part)) == 1) {
        r = is_left_empty(reader, &part);
        if (r == 0)
            r = part.filename != NULL ? add_file(form, reader, &part) : add_pair(form, reader, part.name);
        if (r < 0)
            return r;
    }
    return r;
}

/* Reads to the end, and closes the reader. */
static int read_form(hob_form_reader *reader, hob_form **ret_form)
{
    hob_form *form = hob__site_alloc(sizeof *form);
    int       r = form != NULL ? read_parts(form, reader) : -ENOMEM;

    hob_form_reader_close(reader);
    if (r < 0) {
        hob_form_free(form);
        return r;
    }
    *ret_form = form;
    return 0;
}

int hob_form_read(hob_http_request *req, const hob_form_opts *opts, hob_form **ret_form)
{
    hob_form_reader *reader;
    int r = hob_form_reader_open(req, opts, &reader);
    return r < 0 ? r : read_form(reader, ret_form);
}

int hob_form_parse(const char *text, size_t len, const hob_form_opts *opts, hob_form **ret_form)
{
    hob_form_reader *reader;
    int r = hob__form_reader_of_text(text, len, opts, &reader);
    return r < 0 ? r : read_form(reader, ret_form);
}

void hob_form_free(hob_form *form)
{
    if (form == NULL)
        return;
    for (size_t i = 0; i < form->pair_count; i++) {
        free((char *)(uintptr_t)form->pairs[i].name);
        free((char *)(uintptr_t)form->pairs[i].text);
    }
    for (size_t i = 0; i < form->file_count; i++)
        free_file(&form->files[i]);
    free(form->pairs);
    free(form->files);
    free(form);
}

const char *hob_form_get(const hob_form *form, const char *name)
{
    for (size_t i = 0; i < form->pair_count; i++) {
        if (strcmp(form->pairs[i].name, name) == 0)
            return form->pairs[i].text;
    }
    return NULL;
}

const hob_json_pair *hob_form_pairs(const hob_form *form, size_t *ret_count)
{
    *ret_count = form->pair_count;
    return form->pairs;
}

const hob_form_file *hob_form_get_file(const hob_form *form, const char *name)
{
    for (size_t i = 0; i < form->file_count; i++) {
        if (strcmp(form->files[i].name, name) == 0)
            return &form->files[i];
    }
    return NULL;
}

const hob_form_file *hob_form_files(const hob_form *form, size_t *ret_count)
{
    *ret_count = form->file_count;
    return form->files;
}

int hob_form_refuse(hob_http_request *req, int error)
{
    switch (error) {
    case -EMSGSIZE:
        return hob_http_reply_text(req, 413, NULL);
    case HOB_EHTTP:
        return hob_http_reply_text(req, 400, NULL);
    case -ENOTSUP:
        return hob_http_reply_text(req, 415, NULL);
    case -EEXIST:
        return hob_http_reply_text(req, 409, NULL);
    case -ENOSPC:
    case -EDQUOT:
        return hob_http_reply_text(req, 507, NULL);
    default:
        return error;
    }
}
