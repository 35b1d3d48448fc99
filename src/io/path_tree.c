/* SPDX-License-Identifier: MIT */
/*
 * Making folders with their parents, and removing whole trees.
 *
 * Removing goes down with each folder open, and removes names in open folders only: a path is
 * used once, for the beginning. Each folder is opened with O_NOFOLLOW by its name in the one above,
 * so a symbolic link that is put in its place is removed as such, and nobody is led elsewhere.
 *
 *     level 0 ─ level 1 ─ … ─ level n      the upper ones are closed when there are many, and
 *                                          opened again through `..` on the way back
 *
 * Coming back through `..` we look whether that is the folder that we came from. If it is not,
 * somebody has moved the lower one away, and the tree is left there.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "hob/path.h"
#include "hob/scope.h"
#include "io/dir.h"

/* ---- mkdirs ---- */

/* The length of the path without its last name; 0: there is no more before it. */
static size_t parent_len(const char *path, size_t len)
{
    while (len > 0 && path[len - 1] == '/')
        len--;
    while (len > 0 && path[len - 1] != '/')
        len--;
    while (len > 0 && path[len - 1] == '/')
        len--;
    return len;
}

static int check_is_folder(const char *path)
{
    struct stat st;
    int r = hob_path_stat(path, &st);
    if (r == -ENOENT)
        return -EEXIST; // a symbolic link that leads nowhere
    return r < 0 ? r : S_ISDIR(st.st_mode) ? 0 : -EEXIST;
}

/* Makes folders from where they are missing down to the whole of `path`, which is changed
 * meanwhile and as before afterwards. */
static int make_missing(char *path, size_t len, unsigned mode)
{
    size_t at = len;
    int    r = -ENOENT;
    for (; r == -ENOENT && at > 0; at = parent_len(path, at)) { // up to one that can be made
        char c = path[at];
        path[at] = '\0';
        r = hob_path_mkdir(path, mode);
        path[at] = c;
        if (r == 0 || r == -EEXIST)
            break;
    }
    while (at < len && (r == 0 || r == -EEXIST)) { // and down again
        at += strspn(path + at, "/");
        at += strcspn(path + at, "/");
        char c = path[at];
        path[at] = '\0';
        r = hob_path_mkdir(path, mode);
        path[at] = c;
        if (path[at + strspn(path + at, "/")] == '\0')
            break;
    }
    return r;
}

int hob_path_mkdirs(const char *path, unsigned mode)
{
    int r = hob__fs_check_path(path);
    if (r < 0)
        return r;
    char *copy = hob__strdup(path);
    if (copy == NULL)
        return -ENOMEM;
    r = make_missing(copy, strlen(copy), mode);
    hob__free(copy);
    return r == -EEXIST ? check_is_folder(path) : r;
}

/* ---- remove_tree ---- */

enum { OPEN_MAX_ = 64 };

struct level {
    hob_dir *dir;    /* NULL: closed, and to be opened again    */
    dev_t    device;
    ino_t    inode;
    bool     failed; /* something in it cannot be removed       */
    char     name[256]; /* in the level above                   */
};

struct removal {
    struct level *levels;
    size_t        count, cap;
    size_t        closed;  /* of the first levels */
    int           error;   /* the first           */
    const void   *made_at;
};

static bool is_cancel(int r)
{
    return r == -ECANCELED || r == -ETIMEDOUT || r == HOB_ESTUCK;
}

/* Notes what could not be removed. Returns it if it is a reason to stop. */
static int note_error(struct removal *removal, int r)
{
    if (r >= 0 || r == -ENOENT)
        return 0; // or somebody else removed it
    if (removal->error == 0)
        removal->error = r;
    if (removal->count > 0)
        removal->levels[removal->count - 1].failed = true;
    return is_cancel(r) || r == -ENOMEM ? r : 0;
}

static int add_level(struct removal *removal, hob_dir *dir, const char *name)
{
    struct stat st;
    if (removal->count == removal->cap) {
        size_t        cap = removal->cap == 0 ? 8 : removal->cap * 2;
        struct level *levels = hob__realloc(removal->levels, cap * sizeof *levels);
        if (levels == NULL)
            return -ENOMEM;
        removal->levels = levels;
        removal->cap = cap;
    }
    int r = hob__dir_stat(dir, ".", false, &st);
    if (r < 0)
        return r;
    if (removal->count - removal->closed == OPEN_MAX_) {
        hob_dir_close(removal->levels[removal->closed].dir);
        removal->levels[removal->closed++].dir = NULL;
    }
    struct level *level = &removal->levels[removal->count++];
    *level = (struct level){ .dir = dir, .device = st.st_dev, .inode = st.st_ino };
    size_t len = strnlen(name, sizeof level->name - 1);
    memcpy(level->name, name, len);
    return 0;
}

/* Opens the folder and makes it the lowest level. -ENOTDIR and -ELOOP: it is none (any more). */
static int enter(struct removal *removal, hob_dir *above, const char *name)
{
    hob_dir *dir;
    int r = hob__dir_open_at(above, name, O_NOFOLLOW, removal->made_at, &dir);
    if (r < 0)
        return r;
    r = add_level(removal, dir, name);
    if (r < 0)
        hob_dir_close(dir);
    return r;
}

static int remove_entry(struct removal *removal, const hob_entry *entry)
{
    hob_dir *dir = removal->levels[removal->count - 1].dir;
    if (entry->kind != HOB_ENTRY_FOLDER) {
        int r = hob__dir_unlink(dir, entry->name, 0);
        if (r != -EISDIR)
            return r;
    }
    int r = enter(removal, dir, entry->name);
    return r == -ENOTDIR || r == -ELOOP ? hob__dir_unlink(dir, entry->name, 0) : r;
}

/* Opens the level above the lowest one again. */
static int open_above(struct removal *removal)
{
    struct level *above = &removal->levels[removal->count - 2];
    struct stat   st;
    hob_dir      *dir;
    int r = hob__dir_open_at(removal->levels[removal->count - 1].dir, "..", O_NOFOLLOW,
                             removal->made_at, &dir);
    if (r < 0)
        return r;
    r = hob__dir_stat(dir, ".", false, &st);
    if (r == 0 && (st.st_dev != above->device || st.st_ino != above->inode))
        r = -EBUSY; // it was moved
    if (r < 0) {
        hob_dir_close(dir);
        return r;
    }
    above->dir = dir;
    removal->closed--;
    return 0;
}

/* The lowest level is done with: it is removed from the one above. */
static int leave(struct removal *removal, const char *path)
{
    struct level *level = &removal->levels[removal->count - 1];
    bool          failed = level->failed, reopened = false;
    int           r = 0;
    char          name[sizeof level->name];
    memcpy(name, level->name, sizeof name);

    if (removal->count > 1 && level[-1].dir == NULL) {
        r = open_above(removal);
        reopened = true;
    }
    hob_dir_close(level->dir);
    removal->count--;
    if (r < 0) {
        (void)note_error(removal, r);
        return r; // the way back is lost
    }
    struct level *above = removal->count > 0 ? &removal->levels[removal->count - 1] : NULL;
    if (failed) {
        // What was opened again would be read from its beginning, and we would come here for ever.
        if (above != NULL)
            above->failed = true;
        return reopened ? removal->error : 0;
    }
    r = above != NULL ? hob__dir_unlink(above->dir, name, AT_REMOVEDIR) : hob_path_rmdir(path);
    r = note_error(removal, r);
    return reopened && above->failed ? removal->error : r;
}

static int remove_levels(struct removal *removal, const char *path)
{
    int r = 0;
    while (r >= 0 && removal->count > 0) {
        hob_entry entry;
        struct level *level = &removal->levels[removal->count - 1];
        r = hob_dir_next(level->dir, &entry);
        if (r > 0)
            r = note_error(removal, remove_entry(removal, &entry));
        else if (r == 0 || (r = note_error(removal, r)) == 0)
            r = leave(removal, path);
    }
    return r;
}

/* "." and ".." would be emptied and then stay. */
static bool ends_in_dots(const char *path)
{
    size_t len = strlen(path);
    while (len > 0 && path[len - 1] == '/')
        len--;
    size_t dots = 0;
    while (dots < len && path[len - 1 - dots] == '.')
        dots++;
    bool is_name = dots == len || path[len - 1 - dots] == '/';
    return len == 0 || (is_name && (dots == 1 || dots == 2));
}

int hob_path_remove_tree(const char *path)
{
    struct removal removal = { .made_at = __builtin_return_address(0) };
    int r = hob__fs_check_path(path);
    if (r < 0 || ends_in_dots(path))
        return r < 0 ? r : -EINVAL;
    r = hob_path_unlink(path);
    if (r != -EISDIR && r != -EACCES && r != -EPERM)
        return r;
    int unlinked = r; // whoever may not remove the folder itself may still remove what is in it
    r = enter(&removal, NULL, path);
    if (r == -ENOTDIR || r == -ELOOP)
        r = unlinked == -EISDIR ? hob_path_unlink(path) : unlinked; // changed since; or no folder
    else if (r == 0)
        r = remove_levels(&removal, path);
    while (removal.count > 0)
        hob_dir_close(removal.levels[--removal.count].dir);
    hob__free(removal.levels);
    return removal.error < 0 ? removal.error : r;
}
