/* SPDX-License-Identifier: MIT */
/*
 * A file of a folder that is given out: which of its codings, with which headers, from the disk or from the
 * shelf.
 *
 * What is on the shelf is an answer that was given, with its headers, so that both ways say the same. A
 * request that asks for more than the file (a part of it, another condition than a tag) is always answered
 * from the disk.
 */
#include "site/static.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "hob/runtime.h"
#include "hob/time.h"

#define SETTLED_S 2 /* a file that was changed within them may be changed again, and look the same */

/* So long after the last change a file is taken for whole, and an empty one for meant to be so. Times of files
 * are 4 ms coarse. */
#define CALM_NS       (10 * HOB_MSEC)
#define CALM_EMPTY_NS (250 * HOB_MSEC)
enum { CALM_LOOKS = 4, CALM_LOOKS_EMPTY = 25 };

static const char *type_of(const hob_static *files, const char *name)
{
    char extension[16];

    hob__site_extension(name, extension);
    for (size_t i = 0; i < files->opts.type_count; i++) {
        if (strcmp(files->opts.types[i].extension, extension) == 0)
            return files->opts.types[i].type;
    }
    const char *type = hob_static_type_of(name);
    return type != NULL ? type : files->opts.other_type;
}

static const struct coding {
    const char *name, *extension;
} CODINGS[] = { { "br", ".br" }, { "zstd", ".zst" }, { "gzip", ".gz" } };

enum { CODING_COUNT = sizeof CODINGS / sizeof CODINGS[0] };

/* The codings that the client takes, those it likes most first; of equals, the one that is the
 * smallest first. Returns how many. */
static int wanted_codings(const char *header, const struct coding *out[static CODING_COUNT])
{
    int weights[CODING_COUNT], count = 0;

    for (int i = 0; i < CODING_COUNT; i++) {
        int weight = hob__site_accepts(header, CODINGS[i].name), at = count;
        if (weight == 0)
            continue;
        for (; at > 0 && weights[at - 1] < weight; at--) {
            weights[at] = weights[at - 1];
            out[at] = out[at - 1];
        }
        weights[at] = weight;
        out[at] = &CODINGS[i];
        count++;
    }
    return count;
}

/* A file beside it with one of the codings, that was made from what it is now. Returns 1, 0: there is
 * none, or an error. */
static int open_sibling(hob_http_request *req, const hob_static *files, const char *name,
                        const struct stat *st, hob_file **ret_file, const char **ret_coding)
{
    const struct coding *codings[CODING_COUNT];
    int  count = wanted_codings(hob_http_header(req, "Accept-Encoding"), codings);
    char path[NAME_BYTES + 8];

    for (int i = 0; i < count; i++) {
        struct stat found;
        hob_file   *file;
        snprintf(path, sizeof path, "%s%s", name, codings[i]->extension);
        int r = hob_dir_open_file(files->dir, path, O_RDONLY, 0, &file);
        if (r == -ECANCELED || r == -ETIMEDOUT || r == -ENOMEM)
            return r;
        if (r < 0)
            continue;
        r = hob_file_stat(file, &found);
        bool is_good = r == 0 && S_ISREG(found.st_mode) && found.st_mtim.tv_sec >= st->st_mtim.tv_sec;
        if (is_good)
            r = hob_http_set_header(req, "Content-Encoding", codings[i]->name);
        if (is_good && r == 0) {
            *ret_file = file;
            *ret_coding = codings[i]->name;
            return 1;
        }
        hob_file_close(file);
        if (r < 0)
            return r;
    }
    return 0;
}

static bool is_set(const hob_http_request *req, const char *name)
{
    char there[2];
    return hob_http_answer_header(req, name, there, sizeof there) != -ENOENT;
}

/* What the caller has set stays. */
static int add_unless_set(hob_http_request *req, const char *name, const char *value)
{
    return is_set(req, name) ? 0 : hob_http_add_header(req, name, value);
}

static const char *cache_of(const hob_static *files, const char *name)
{
    return files->opts.immutable && hob__site_name_has_hash(name) ? "public, max-age=31536000, immutable"
                                                                  : files->opts.cache_control;
}

static int add_headers(hob_http_request *req, const hob_static *files, const char *cache)
{
    int r = cache[0] != '\0' ? add_unless_set(req, "Cache-Control", cache) : 0;
    if (r == 0)
        r = hob_http_set_header(req, "X-Content-Type-Options", "nosniff");
    if (r == 0 && files->opts.precompressed)
        r = hob_http_vary(req, "Accept-Encoding");
    return r;
}

/* ---- the shelf ---- */

/* This worker's. */
static struct shelf **my_shelf(const hob_static *files)
{
    uint32_t number = hob_worker_number();
    if (number >= files->shelf_count)
        hob_mistake("hob_static_handle", "this folder was opened in another run");
    return &files->shelves[number];
}

static void shelve(const hob_static *files, struct shelf_item *item)
{
    struct shelf **shelf = my_shelf(files);
    if (*shelf == NULL)
        *shelf = hob__shelf_new(files->opts.memory_bytes, files->opts.fresh_ns);
    if (*shelf != NULL)
        hob__shelf_add(*shelf, item, hob_now());
    else
        hob__shelf_put_back(item);
}

bool hob__static_key(const hob_http_request *req, const hob_static *files, const char *name,
                     char key[static SHELF_KEY_MAX])
{
    static const char *const OTHERS[] = { "Range", "If-Match", "If-Modified-Since", "If-Unmodified-Since" };
    const struct coding *codings[CODING_COUNT];
    const char          *path = hob_http_path(req);

    if (files->shelves == NULL || is_set(req, "ETag") || is_set(req, "Last-Modified") || is_set(req, "Content-Encoding"))
        return false;
    for (size_t i = 0; i < sizeof OTHERS / sizeof OTHERS[0]; i++) {
        // Who has a tag is asked for it, whatever date he has beside it: RFC 9110 13.2.2.
        if (hob_http_header(req, OTHERS[i]) != NULL && (i != 2 || hob_http_header(req, "If-None-Match") == NULL))
            return false;
    }
    int at = 0, count = files->opts.precompressed
                            ? wanted_codings(hob_http_header(req, "Accept-Encoding"), codings)
                            : 0;
    for (; at < count; at++)
        key[at] = codings[at]->name[0];
    key[at++] = path[strlen(path) - 1] == '/' ? '/' : ':';
    snprintf(key + at, (size_t)(SHELF_KEY_MAX - at), "%s", name);
    return true;
}

static int reply_item(hob_http_request *req, const hob_static *files, const struct shelf_item *item)
{
    const char *has = hob_http_header(req, "If-None-Match");

    int r = add_headers(req, files, item->cache);
    if (r == 0 && item->coding != NULL)
        r = hob_http_set_header(req, "Content-Encoding", item->coding);
    if (r == 0)
        r = add_unless_set(req, "ETag", item->etag);
    if (r == 0)
        r = add_unless_set(req, "Last-Modified", item->changed);
    if (r == 0)
        r = add_unless_set(req, "Accept-Ranges", "bytes");
    if (r < 0)
        return r;
    return has != NULL ? hob_http_reply(req, 304, NULL, NULL, 0)
                       : hob_http_reply(req, 200, item->type, item->bytes, item->len);
}

int hob__static_from_shelf(hob_http_request *req, const hob_static *files, const char *key)
{
    const char        *has = hob_http_header(req, "If-None-Match");
    struct shelf      *shelf = *my_shelf(files);
    struct shelf_item *item = shelf != NULL ? hob__shelf_take(shelf, key, hob_now()) : NULL;

    if (item == NULL)
        return STATIC_MISSING;
    int r = has == NULL || strcmp(has, item->etag) == 0 ? reply_item(req, files, item) : STATIC_MISSING;
    hob__shelf_put_back(item);
    return r;
}

static bool copy_header(const hob_http_request *req, const char *name, char out[static SHELF_TEXT])
{
    return hob_http_answer_header(req, name, out, SHELF_TEXT) > 0;
}

/* Reads the file that was just sent, and looks whether it is still the same. */
static bool read_whole(hob_file *file, struct shelf_item *item)
{
    struct stat before, after;
    size_t      len = 0;
    ssize_t     n = 1;

    if (hob_file_stat(file, &before) < 0 || before.st_mtim.tv_sec > hob_wall_now() / HOB_SEC - SETTLED_S)
        return false;
    for (; len < item->len && n > 0; len += n > 0 ? (size_t)n : 0)
        n = hob_file_pread(file, item->bytes + len, item->len - len, (int64_t)len);
    return len == item->len && hob_file_stat(file, &after) == 0 && (size_t)after.st_size == item->len
           && (size_t)before.st_size == item->len && memcmp(&before.st_mtim, &after.st_mtim, sizeof before.st_mtim) == 0;
}

/* Puts what was just sent on the shelf, if it fits there. What fails here fails nobody: the next one is
 * answered by the file again. */
static void put_on_shelf(hob_http_request *req, const hob_static *files, const char *key, hob_file *file,
                         const struct shelf_item *facts)
{
    struct stat st;

    if (hob_http_status(req) != 200 || strcmp(hob_http_method(req), "GET") != 0
        || hob_file_stat(file, &st) < 0 || st.st_size > SHELF_ITEM_MAX)
        return;
    struct shelf_item *item = hob__shelf_item(key, (size_t)st.st_size);
    if (item == NULL)
        return;
    item->type = facts->type;
    item->cache = facts->cache;
    item->coding = facts->coding;
    if (copy_header(req, "ETag", item->etag) && item->etag[0] == '"' && copy_header(req, "Last-Modified", item->changed)
        && read_whole(file, item))
        shelve(files, item);
    else
        hob__shelf_put_back(item);
}

/* An editor that writes over a file makes it empty first: who has begun has a moment to end. One that is written
 * all the time, such as a log, is given out all the same. */
static int wait_for_calm(hob_file *file, const struct stat *st)
{
    struct stat now = *st;
    int         r = 0;

    for (int i = 0; r == 0 && i < (now.st_size == 0 ? CALM_LOOKS_EMPTY : CALM_LOOKS); i++) {
        int64_t age_ns = hob_wall_now() - (now.st_mtim.tv_sec * HOB_SEC + now.st_mtim.tv_nsec);
        if (age_ns < 0 || age_ns >= (now.st_size == 0 ? CALM_EMPTY_NS : CALM_NS))
            return 0;
        r = hob_sleep(age_ns < CALM_NS ? CALM_NS - age_ns : CALM_NS);
        if (r == 0)
            r = hob_file_stat(file, &now);
    }
    return r;
}

/* Part of a file is a part of the file itself: so who wants one gets no coding of it. */
int hob__static_send(hob_http_request *req, const hob_static *files, const char *name, const char *key,
                     hob_file *file, const struct stat *st)
{
    struct shelf_item facts = { .type = type_of(files, name), .cache = cache_of(files, name) };
    hob_file         *sibling = NULL;

    int r = wait_for_calm(file, st);
    if (r == 0)
        r = add_headers(req, files, facts.cache);
    if (r == 0 && files->opts.precompressed && hob_http_header(req, "Range") == NULL)
        r = open_sibling(req, files, name, st, &sibling, &facts.coding);
    if (r >= 0)
        r = hob_http_reply_file(req, facts.type, sibling != NULL ? sibling : file);
    if (r == 0 && key != NULL)
        put_on_shelf(req, files, key, sibling != NULL ? sibling : file, &facts);
    hob_file_close(sibling);
    return r;
}
