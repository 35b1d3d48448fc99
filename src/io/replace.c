/* SPDX-License-Identifier: MIT */
/*
 * Atomic replacement: hob/replace.h.
 *
 *     begin ──▶ written ──▶ synced ──▶ has a name of its own ──▶ renamed ──▶ the folder synced
 *        └─────────┴──────────┴───────────────┴──▶ dropped
 *
 * Where the file system has files without a name (O_TMPFILE), the new one gets its first name only
 * when all else is done: who dies before that leaves nothing behind. link(2) cannot replace, so
 * it is a name of its own all the same, and the rename is what replaces.
 *
 * A cancellation counts until the rename: from "has a name of its own" on, what must be undone
 * (the name) or completed (the folder's sync) is done in a shield.
 */
#include "hob/replace.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/alloc.h"
#include "hob/dir.h"
#include "hob/runtime.h"
#include "hob/scope.h"
#include "hob/time.h"
#include "io/file.h"

static const int64_t CLEAN_UP_NS = 10 * HOB_SEC;

struct hob_replace {
    enum hob__tag tag;
    hob_file     *file;
    bool          has_name; /* `temp` is there */
    char         *temp;     /* in the same folder as `path` */
    size_t        folder_len; /* of `path`: without the last name and its slash; 0: none */
    char          path[];
};

enum { NAME_TRIES = 100 };

static hob_replace *replace_from(hob_replace *replace, const char *caller)
{
    if (replace == NULL || replace->tag != TAG_REPLACE)
        hob__misuse_of(caller, "this was ended already, by hob_replace_commit or hob_replace_drop");
    return replace;
}

static void replace_free(hob_replace *replace)
{
    hob_file_close(replace->file);
    replace->tag = TAG_FREED;
    hob__free(replace->temp);
    hob__free(replace);
}

/* ---- names ---- */

/* ".name.XXXXXXXX" beside it. The name is cut where it would grow too long. */
static char *temp_path(const char *path, size_t folder_len)
{
    static const char digits[] = "0123456789abcdefghijklmnopqrstuv";
    size_t  name_at = folder_len > 0 || path[0] == '/' ? folder_len + 1 : 0;
    size_t  len = strnlen(path + name_at, 200);
    char   *temp = hob__alloc(name_at + len + 12);
    if (temp == NULL)
        return NULL;
    char *at = temp + name_at;
    memcpy(temp, path, name_at);
    *at++ = '.';
    memcpy(at, path + name_at, len);
    at += len;
    *at++ = '.';
    uint64_t number = hob_random();
    for (int i = 0; i < 8; i++, number >>= 5)
        *at++ = digits[number & 31];
    *at = '\0';
    return temp;
}

/* Its folder as a path of its own. */
static int folder_path(const hob_replace *replace, char **ret_folder)
{
    size_t len = replace->folder_len;
    char  *folder = hob__alloc(len + 2);
    if (folder == NULL)
        return -ENOMEM;
    if (len > 0)
        memcpy(folder, replace->path, len);
    else
        folder[len++] = replace->path[0] == '/' ? '/' : '.';
    folder[len] = '\0';
    *ret_folder = folder;
    return 0;
}

static int new_temp(hob_replace *replace)
{
    hob__free(replace->temp);
    replace->temp = temp_path(replace->path, replace->folder_len);
    return replace->temp != NULL ? 0 : -ENOMEM;
}

/* ---- begin ---- */

static int open_named(hob_replace *replace, unsigned mode)
{
    int r = -EEXIST;
    for (int i = 0; i < NAME_TRIES && r == -EEXIST; i++) {
        r = new_temp(replace);
        if (r == 0)
            r = hob_file_open(replace->temp, O_RDWR | O_CREAT | O_EXCL, mode, &replace->file);
    }
    replace->has_name = r == 0;
    return r;
}

static int open_new(hob_replace *replace, unsigned mode, const void *made_at)
{
    char *folder;
    int r = folder_path(replace, &folder);
    if (r < 0)
        return r;
    r = hob__file_open_unnamed(folder, mode, made_at, &replace->file);
    hob__free(folder);
    return r == -EOPNOTSUPP ? open_named(replace, mode) : r;
}

/* The mode of the old file; 0: there is none. */
static int old_mode(const char *path, unsigned *ret_mode)
{
    struct stat st;
    int r = hob_path_lstat(path, &st);
    if (r == -ENOENT) {
        *ret_mode = 0;
        return 0;
    }
    if (r == 0 && S_ISDIR(st.st_mode))
        return -EISDIR;
    *ret_mode = r == 0 && S_ISREG(st.st_mode) ? st.st_mode & 07777 : 0;
    return r;
}

static int open_as_wanted(hob_replace *replace, unsigned mode, const void *made_at)
{
    struct stat st;
    unsigned    old;
    int r = old_mode(replace->path, &old);
    if (r < 0)
        return r;
    if (mode != 0 || old == 0)
        return open_new(replace, mode != 0 ? mode : 0666, made_at);
    r = open_new(replace, old, made_at);
    if (r == 0)
        r = hob_file_stat(replace->file, &st);
    return r == 0 && (st.st_mode & 07777) != old ? hob_file_chmod(replace->file, old) : r;
}

static size_t folder_len_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? (size_t)(slash - path) : 0;
}

int hob_replace_begin(const char *path, unsigned mode, hob_replace **ret_replace)
{
    int r = hob__fs_check_path(path);
    if (r < 0)
        return r;
    size_t len = strlen(path);
    if (path[len - 1] == '/')
        return -EISDIR;
    hob_replace *replace = hob__alloc_zero(sizeof *replace + len + 1);
    if (replace == NULL)
        return -ENOMEM;
    replace->tag = TAG_REPLACE;
    memcpy(replace->path, path, len);
    replace->folder_len = folder_len_of(path);
    r = open_as_wanted(replace, mode, __builtin_return_address(0));
    if (r < 0) {
        hob_replace_drop(replace);
        return r;
    }
    *ret_replace = replace;
    return 0;
}

hob_file *hob_replace_file(hob_replace *replace)
{
    return replace_from(replace, "hob_replace_file")->file;
}

/* ---- the end ---- */

static int give_name(hob_replace *replace)
{
    int r = replace->has_name ? 0 : -EEXIST;
    for (int i = 0; i < NAME_TRIES && r == -EEXIST; i++) {
        r = new_temp(replace);
        if (r == 0)
            r = hob__file_link(replace->file, replace->temp);
    }
    if (r == 0)
        replace->has_name = true;
    return r;
}

/* To be synced when the name is in it; opened while there is a way back. Who may write into a folder
 * and not read it goes on with NULL, and hears at the end that nobody promised anything. */
static int open_folder(const hob_replace *replace, hob_dir **ret_dir)
{
    char *folder;
    int r = folder_path(replace, &folder);
    if (r < 0)
        return r;
    r = hob_dir_open(folder, ret_dir);
    hob__free(folder);
    return r == -EACCES ? 0 : r;
}

/* Some file systems cannot sync a folder, and mean that there is no need to. */
static bool is_no_need(int r)
{
    return r == -EINVAL || r == -EBADF || r == -EROFS;
}

int hob_replace_commit(hob_replace *replace)
{
    replace_from(replace, "hob_replace_commit");
    hob_dir *dir = NULL;
    int r = hob_file_sync(replace->file);
    if (r == 0)
        r = open_folder(replace, &dir);
    if (r == 0)
        r = give_name(replace);
    if (r == 0)
        r = hob_path_rename(replace->temp, replace->path, 0);
    if (r < 0) {
        hob_dir_close(dir);
        hob_replace_drop(replace);
        return r;
    }
    replace->has_name = false;
    r = -EACCES;
    HOB_SHIELD(CLEAN_UP_NS)
        r = dir != NULL ? hob_dir_sync(dir) : r;
    hob_dir_close(dir);
    replace_free(replace);
    return r == 0 || is_no_need(r) ? 0 : -EIO;
}

void hob_replace_drop(hob_replace *replace)
{
    if (replace == NULL)
        return;
    replace_from(replace, "hob_replace_drop");
    if (replace->has_name) {
        HOB_SHIELD(CLEAN_UP_NS)
            (void)!hob_path_unlink(replace->temp); // else a file stays that nobody asks for
    }
    replace_free(replace);
}
