/* SPDX-License-Identifier: MIT */
/*
 * A folder, given out.
 *
 *     path of the request ── names.c ──▶ name ── hob_dir_open_file ──▶ a file ──▶ hob_http_reply_file
 *                                                                      a folder ──▶ its index, its page
 *
 * Nothing is remembered between requests, and what is on the disk is what is given out, at any moment;
 * unless memory was asked for: then send.c keeps small files.
 *
 * Threads: tasks of all workers answer with the same hob_static. Its options and its folder do not
 * change (hob/dir.h says what is beneath a folder is for all workers), and each worker has a shelf of
 * its own, which it makes when it has something to put there. So nothing is locked.
 */
#include "site/static.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "hob/runtime.h"
#include "hob/time.h"

#define FRESH_NS (1 * HOB_SEC)

/* ---- making one ---- */

static void free_texts(hob_static_opts *opts)
{
    free((char *)(uintptr_t)opts->prefix);
    free((char *)(uintptr_t)opts->index);
    free((char *)(uintptr_t)opts->cache_control);
    free((char *)(uintptr_t)opts->other_type);
    for (size_t i = 0; opts->types != NULL && i < opts->type_count; i++) {
        free((char *)(uintptr_t)opts->types[i].extension);
        free((char *)(uintptr_t)opts->types[i].type);
    }
    free((hob_static_type *)(uintptr_t)opts->types);
}

static int copy_types(hob_static_opts *opts, const hob_static_type *types, size_t count)
{
    hob_static_type *copies = count > 0 ? hob__site_alloc(count * sizeof *copies) : NULL;

    opts->types = copies;
    opts->type_count = copies != NULL ? count : 0;
    for (size_t i = 0; i < opts->type_count; i++) {
        copies[i].extension = hob__site_copy(types[i].extension, strlen(types[i].extension));
        copies[i].type = hob__site_copy(types[i].type, strlen(types[i].type));
        if (copies[i].extension == NULL || copies[i].type == NULL)
            return -ENOMEM;
    }
    return count > 0 && copies == NULL ? -ENOMEM : 0;
}

static const char *copy_or(const char *text, const char *otherwise)
{
    text = text != NULL ? text : otherwise;
    return hob__site_copy(text, strlen(text));
}

static int copy_opts(hob_static *files, const hob_static_opts *opts)
{
    hob_static_opts *own = &files->opts;
    size_t           len = opts->prefix != NULL ? strlen(opts->prefix) : 0;

    if (len > 0 && opts->prefix[0] != '/')
        return -EINVAL;
    while (len > 0 && opts->prefix[len - 1] == '/')
        len--;
    files->prefix_len = len;
    *own = *opts;
    own->prefix = hob__site_copy(opts->prefix, len);
    own->index = copy_or(opts->index, "index.html");
    own->cache_control = copy_or(opts->cache_control, "no-cache");
    own->other_type = copy_or(opts->other_type, "application/octet-stream");
    int r = copy_types(own, opts->types, opts->type_count);
    if (own->prefix == NULL || own->index == NULL || own->cache_control == NULL
        || own->other_type == NULL)
        r = -ENOMEM;
    return r;
}

static int make_shelves(hob_static *files)
{
    if (files->opts.memory_bytes == 0)
        return 0;
    if (files->opts.fresh_ns <= 0)
        files->opts.fresh_ns = FRESH_NS;
    files->shelf_count = hob_workers();
    files->shelves = hob__site_alloc(files->shelf_count * sizeof(struct shelf *));
    return files->shelves != NULL ? 0 : -ENOMEM;
}

int hob_static_open(const char *folder, const hob_static_opts *opts, hob_static **ret_static)
{
    static const hob_static_opts defaults;
    if (folder == NULL)
        hob_mistake("hob_static_open", "there is no name of a folder: it is NULL (\".\" is the current one)");
    hob_static *files = hob__site_alloc(sizeof *files);
    if (files == NULL)
        return -ENOMEM;

    int r = copy_opts(files, opts != NULL ? opts : &defaults);
    if (r == 0)
        r = make_shelves(files);
    if (r == 0)
        r = hob_dir_open(folder, &files->dir);
    if (r < 0) {
        hob_static_close(files);
        return r;
    }
    *ret_static = files;
    return 0;
}

void hob_static_close(hob_static *files)
{
    if (files == NULL)
        return;
    hob_dir_close(files->dir);
    for (uint32_t i = 0; i < files->shelf_count; i++)
        hob__shelf_free(files->shelves[i]);
    free(files->shelves);
    free_texts(&files->opts);
    free(files);
}

/* ---- what is not given out ---- */


static int reply_busy(hob_http_request *req)
{
    int r = hob_http_set_header(req, "Retry-After", "1");
    return r < 0 ? r : hob_http_reply_text(req, 503, NULL);
}

/* A file that could not be opened: what that is to the client. */
static int reply_error(hob_http_request *req, int error)
{
    switch (error) {
    case -ENOENT:
    case -ENOTDIR:
    case -ELOOP:
    case -EXDEV:
    case -ENAMETOOLONG:
    case -ENXIO:   // a socket; or a FIFO, whose writers nobody waits for
    case -ENODEV:
    case -EISDIR:
        return STATIC_MISSING;
    case -EACCES:
    case -EPERM:
        return hob_http_reply_text(req, 403, NULL);
    case -EMFILE:
    case -ENFILE:
        return reply_busy(req);
    default:
        return error;
    }
}

static int reply_options(hob_http_request *req, int status)
{
    int r = hob_http_set_header(req, "Allow", "GET, HEAD, OPTIONS");
    if (r < 0)
        return r;
    return status == 204 ? hob_http_reply(req, 204, NULL, NULL, 0)
                         : hob_http_reply_text(req, status, NULL);
}

/* To the folder's own path. Relative, so that it holds behind every proxy and leads to no other host. */
static int reply_with_slash(hob_http_request *req)
{
    const char *slash = strrchr(hob_http_path(req), '/');
    const char *last = slash != NULL ? slash + 1 : hob_http_path(req), *query = hob_http_query(req);
    char        location[2048];

    int len = snprintf(location, sizeof location, "./%s/%s%s", last, query[0] != '\0' ? "?" : "", query);
    if (len < 0 || (size_t)len >= sizeof location)
        return hob_http_reply_text(req, 414, NULL);
    return hob_http_redirect(req, 301, location);
}

/* ---- what a name stands for ---- */

/* Opens it and looks what it is. */
static int open_and_look(const hob_static *files, const char *name, hob_file **ret_file,
                         struct stat *ret_stat)
{
    hob_file *file;
    int r = hob_dir_open_file(files->dir, name[0] != '\0' ? name : ".", O_RDONLY | O_NOCTTY, 0, &file);
    if (r < 0)
        return r;
    r = hob_file_stat(file, ret_stat);
    if (r < 0) {
        hob_file_close(file);
        return r;
    }
    *ret_file = file;
    return 0;
}

static int reply_index(hob_http_request *req, const hob_static *files, const char *folder,
                       const char *key)
{
    char        name[2 * NAME_BYTES];
    struct stat st;
    hob_file   *file;
    int         r = -ENOENT;

    if (files->opts.index[0] != '\0') {
        snprintf(name, sizeof name, "%s%s%s", folder, folder[0] != '\0' ? "/" : "", files->opts.index);
        r = open_and_look(files, name, &file, &st);
    }
    if (r == 0) {
        r = S_ISREG(st.st_mode) ? hob__static_send(req, files, name, key, file, &st) : STATIC_MISSING;
        hob_file_close(file);
        return r;
    }
    if (r == -ENOENT && files->opts.listing)
        return hob__site_listing(req, files, folder);
    return reply_error(req, r);
}

static int reply_name(hob_http_request *req, const hob_static *files, const char *name,
                      bool has_slash, const char *key)
{
    struct stat st;
    hob_file   *file;

    int r = open_and_look(files, name, &file, &st);
    if (r < 0)
        return reply_error(req, r);
    if (S_ISREG(st.st_mode) && !has_slash) {
        r = hob__static_send(req, files, name, key, file, &st);
        hob_file_close(file);
        return r;
    }
    hob_file_close(file);
    if (!S_ISDIR(st.st_mode))
        return STATIC_MISSING;
    const char *path = hob_http_path(req);
    if (path[strlen(path) - 1] != '/')
        return reply_with_slash(req);
    return reply_index(req, files, name, key);
}

/* As hob_static_reply; STATIC_MISSING: it is for the caller to answer. */
static int reply(hob_http_request *req, const hob_static *files, const char *name)
{
    const char *method = hob_http_method(req);
    char        bare[NAME_BYTES], key[SHELF_KEY_MAX];
    size_t      len = strlen(name);

    if (strcmp(method, "OPTIONS") == 0)
        return reply_options(req, 204);
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
        return reply_options(req, 405);
    if (!hob__site_name_is_fine(name, files->opts.dotfiles))
        return STATIC_MISSING;
    bool has_key = hob__static_key(req, files, name, key);
    int  r = has_key ? hob__static_from_shelf(req, files, key) : STATIC_MISSING;
    if (r != STATIC_MISSING)
        return r;
    bool has_slash = len > 0 && name[len - 1] == '/';
    snprintf(bare, sizeof bare, "%.*s", (int)(len - has_slash), name);
    return reply_name(req, files, bare, has_slash, has_key ? key : NULL);
}

int hob_static_reply(hob_http_request *req, hob_static *files, const char *name)
{
    if (files == NULL)
        hob_mistake("hob_static_reply", "there is no folder to give out: it is NULL");
    int r = reply(req, files, name);
    return r == STATIC_MISSING ? hob_http_reply_text(req, 404, NULL) : r;
}

/* The part of the path that is the folder's, without its slash; NULL: it is not of this folder. */
static const char *path_in(const hob_static *files, const char *path)
{
    if (strncmp(path, files->opts.prefix, files->prefix_len) != 0)
        return NULL;
    path += files->prefix_len;
    if (*path == '\0' && files->prefix_len > 0)
        return path;
    return *path == '/' ? path + 1 : NULL;
}

static int reply_path(hob_http_request *req, const hob_static *files)
{
    const char *path = hob_http_path(req);
    char        name[NAME_BYTES];

    path = path_in(files, strcmp(path, "*") == 0 ? "/" : path);
    if (path == NULL)
        return STATIC_MISSING;
    int r = hob__site_name_decode(path, name, sizeof name);
    if (r == -EINVAL)
        return hob_http_reply_text(req, 400, NULL);
    return r < 0 ? STATIC_MISSING : reply(req, files, name);
}

int hob_static_handle(hob_http_request *req, void *arg)
{
    const hob_static *files = arg;

    if (files == NULL)
        hob_mistake("hob_static_handle", "there is no folder to give out: its argument is NULL");
    int r = reply_path(req, files);
    if (r != STATIC_MISSING)
        return r;
    return files->opts.missing != NULL ? files->opts.missing(req, files->opts.missing_arg)
                                       : hob_http_reply_text(req, 404, NULL);
}
