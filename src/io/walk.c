/* SPDX-License-Identifier: MIT */
/*
 * Walking a tree: hob/dir.h.
 *
 *     path    a/b/c/name
 *             │ │ └──────── levels[2]: the folder `c`, open, and where its path ends
 *             │ └────────── levels[1]
 *             └──────────── levels[0]
 *
 * A folder is opened before it is told, by its name in the open one above; so an error to open it
 * comes with it, and nothing can be put in its place between the two.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "io/dir.h"

/* A name of a sorted folder. */
struct name {
    enum hob_entry_kind kind;
    char                text[256];
};

struct level {
    hob_dir     *dir;
    size_t       path_len; /* of the folder                                  */
    dev_t        device;   /* these two only if they are asked for           */
    ino_t        inode;
    int          error;    /* why it could not be read to its end            */
    bool         skipped;
    bool         is_loaded;
    struct name *names;    /* sorted; NULL: not                              */
    size_t       count, cap, next;
};

struct hob_walk {
    enum hob__tag  tag;
    hob_walk_opts  opts;
    bool           has_begun;
    bool           can_skip; /* what was told last is the lowest level        */
    bool           is_busy;
    bool           again;    /* the name at the end of `path` was met, but the call was stopped */
    enum hob_entry_kind again_kind;
    unsigned       depth;    /* levels that are in use                        */
    unsigned       cap;
    struct level  *levels;
    char          *path;
    size_t         path_len, path_cap;
    const void    *made_at;
};

static hob_walk *walk_from(hob_walk *walk, const char *caller)
{
    if (walk == NULL || walk->tag != TAG_WALK)
        hob__misuse_of(caller, "this is not open; was it closed already?");
    return walk;
}

/* ---- the path ---- */

static int set_name(hob_walk *walk, size_t folder_len, const char *name)
{
    size_t len = strlen(name);
    bool   slash = folder_len > 0 && walk->path[folder_len - 1] != '/';
    size_t needed = folder_len + slash + len + 1;
    if (needed > walk->path_cap) {
        char *path = hob__realloc(walk->path, needed + 256);
        if (path == NULL)
            return -ENOMEM;
        walk->path = path;
        walk->path_cap = needed + 256;
    }
    if (slash)
        walk->path[folder_len] = '/';
    memcpy(walk->path + folder_len + slash, name, len + 1);
    walk->path_len = folder_len + slash + len;
    return 0;
}

static const char *last_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL && slash[1] != '\0' ? slash + 1 : path;
}

/* ---- levels ---- */

static int add_level(hob_walk *walk, struct level level)
{
    if (walk->depth == walk->cap) {
        unsigned      cap = walk->cap == 0 ? 8 : walk->cap * 2;
        struct level *levels = hob__realloc(walk->levels, cap * sizeof *levels);
        if (levels == NULL)
            return -ENOMEM;
        walk->levels = levels;
        walk->cap = cap;
    }
    walk->levels[walk->depth++] = level;
    return 0;
}

static void drop_level(hob_walk *walk)
{
    struct level *level = &walk->levels[--walk->depth];
    hob_dir_close(level->dir);
    hob__free(level->names);
}

static bool is_stop(int r)
{
    return r == -ECANCELED || r == -ETIMEDOUT || r == HOB_ESTUCK || r == -ENOMEM;
}

static bool is_above(const hob_walk *walk, const struct stat *st)
{
    for (unsigned i = 0; i < walk->depth; i++)
        if (walk->levels[i].device == st->st_dev && walk->levels[i].inode == st->st_ino)
            return true;
    return false;
}

/* Whether the folder, which is open, is to be entered: 1, 0, or an error. */
static int look_at(hob_walk *walk, struct level *level)
{
    struct stat st;
    if (!walk->opts.follow && !walk->opts.same_device)
        return 1;
    int r = hob__dir_stat(level->dir, ".", false, &st);
    if (r < 0)
        return r;
    level->device = st.st_dev;
    level->inode = st.st_ino;
    if (walk->opts.follow && is_above(walk, &st))
        return -ELOOP;
    return !walk->opts.same_device || walk->depth == 0 || st.st_dev == walk->levels[0].device;
}

/* Opens the folder and makes it the lowest level: 1. 0: it is not to be entered. */
static int enter(hob_walk *walk, const char *name)
{
    struct level level = { .path_len = walk->path_len };
    hob_dir     *above = walk->depth > 0 ? walk->levels[walk->depth - 1].dir : NULL;
    bool         follow = walk->opts.follow || above == NULL;
    if (walk->depth >= HOB_WALK_DEPTH_MAX)
        return -ELOOP;
    int r = hob__dir_open_at(above, name, follow ? 0 : O_NOFOLLOW, walk->made_at, &level.dir);
    if (r < 0)
        return r;
    r = look_at(walk, &level);
    if (r > 0) {
        int added = add_level(walk, level);
        r = added < 0 ? added : 1;
    }
    if (r <= 0)
        hob_dir_close(level.dir);
    return r;
}

/* ---- the next name of a level ---- */

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct name *)a)->text, ((const struct name *)b)->text);
}

static int add_name(struct level *level, const hob_entry *entry)
{
    if (level->count == level->cap) {
        size_t       cap = level->cap == 0 ? 16 : level->cap * 2;
        struct name *names = hob__realloc(level->names, cap * sizeof *names);
        if (names == NULL)
            return -ENOMEM;
        level->names = names;
        level->cap = cap;
    }
    struct name *name = &level->names[level->count++];
    name->kind = entry->kind;
    size_t len = strnlen(entry->name, sizeof name->text - 1);
    memcpy(name->text, entry->name, len);
    name->text[len] = '\0';
    return 0;
}

/* All names, sorted. Stopped in between, it goes on the next time. */
static int load(struct level *level)
{
    hob_entry entry;
    int       r;
    while ((r = hob_dir_next(level->dir, &entry)) > 0) {
        r = add_name(level, &entry);
        if (r < 0) {
            level->error = r; // a name is lost
            return r;
        }
    }
    if (is_stop(r))
        return r;
    level->error = r;
    level->is_loaded = true;
    if (level->count > 0)
        qsort(level->names, level->count, sizeof level->names[0], compare);
    return 0;
}

static int next_name(hob_walk *walk, struct level *level, hob_entry *ret_entry)
{
    if (level->skipped)
        return 0;
    if (!walk->opts.sorted)
        return hob_dir_next(level->dir, ret_entry);
    int r = level->is_loaded ? 0 : load(level);
    if (r < 0)
        return r;
    if (level->next == level->count)
        return level->error;
    const struct name *name = &level->names[level->next++];
    *ret_entry = (hob_entry){ .name = name->text, .kind = name->kind };
    return 1;
}

/* ---- telling ---- */

static int tell(hob_walk *walk, enum hob_entry_kind kind, unsigned depth, int error, bool leaves,
                hob_walk_entry *ret_entry)
{
    *ret_entry = (hob_walk_entry){
        .path = walk->path, .name = last_name(walk->path), .kind = kind, .depth = depth,
        .error = error, .leaves = leaves,
    };
    return 1;
}

/* A link to a folder is as good as one, where links are followed. */
static int resolve_link(hob_walk *walk, hob_dir *above, const char *name,
                        enum hob_entry_kind *kind)
{
    struct stat st;
    if (*kind != HOB_ENTRY_SYMLINK || !(walk->opts.follow || above == NULL))
        return 0;
    int r = hob__dir_stat(above, name, true, &st);
    if (r == 0 && S_ISDIR(st.st_mode))
        *kind = HOB_ENTRY_FOLDER;
    return is_stop(r) ? r : 0;
}

/* Something was found, whose path is set: told at once (1), or later (0). */
static int meet(hob_walk *walk, const char *name, enum hob_entry_kind kind,
                hob_walk_entry *ret_entry)
{
    unsigned depth = walk->depth;
    hob_dir *above = depth > 0 ? walk->levels[depth - 1].dir : NULL;
    int      r = resolve_link(walk, above, name, &kind);
    if (r < 0)
        return r;
    if (kind != HOB_ENTRY_FOLDER || depth >= walk->opts.depth_max)
        return tell(walk, kind, depth, 0, false, ret_entry);
    r = enter(walk, name);
    if (is_stop(r))
        return r;
    if (r <= 0)
        return tell(walk, kind, depth, r, false, ret_entry);
    if (walk->opts.order == HOB_WALK_AFTER)
        return 0;
    walk->can_skip = true;
    return tell(walk, kind, depth, 0, false, ret_entry);
}

static int begin(hob_walk *walk, hob_walk_entry *ret_entry)
{
    struct stat st;
    int r = hob_path_lstat(walk->path, &st);
    if (r < 0)
        return r;
    r = meet(walk, walk->path, hob__entry_kind_of(st.st_mode), ret_entry);
    walk->has_begun = r >= 0;
    return r;
}

/* The lowest level is over: told (1) or not (0). */
static int leave(hob_walk *walk, int error, hob_walk_entry *ret_entry)
{
    walk->path_len = walk->levels[walk->depth - 1].path_len;
    walk->path[walk->path_len] = '\0';
    drop_level(walk);
    if (walk->opts.order == HOB_WALK_BEFORE && error == 0)
        return 0;
    return tell(walk, HOB_ENTRY_FOLDER, walk->depth, error, true, ret_entry);
}

/* From our own copy of the name: an entry's lasts until the folder is asked again. */
static int meet_last(hob_walk *walk, enum hob_entry_kind kind, hob_walk_entry *ret_entry)
{
    int r = meet(walk, last_name(walk->path), kind, ret_entry);
    walk->again = is_stop(r);
    walk->again_kind = kind;
    return r;
}

static int go_on(hob_walk *walk, hob_walk_entry *ret_entry)
{
    hob_entry     entry;
    struct level *level = &walk->levels[walk->depth - 1];
    if (walk->again)
        return meet_last(walk, walk->again_kind, ret_entry);
    int r = next_name(walk, level, &entry);
    if (is_stop(r))
        return r;
    if (r <= 0)
        return leave(walk, r, ret_entry);
    r = set_name(walk, level->path_len, entry.name);
    return r < 0 ? r : meet_last(walk, entry.kind, ret_entry);
}

static int next(hob_walk *walk, hob_walk_entry *ret_entry)
{
    int r = 0;
    walk->can_skip = false;
    if (!walk->has_begun)
        r = begin(walk, ret_entry);
    while (r == 0 && walk->depth > 0)
        r = go_on(walk, ret_entry);
    return r;
}

/* ---- outside ---- */

int hob_walk_open(const char *path, const hob_walk_opts *opts, hob_walk **ret_walk)
{
    struct stat st;
    int r = hob_path_lstat(path, &st);
    if (r < 0)
        return r;
    hob_walk *walk = hob__alloc_zero(sizeof *walk);
    if (walk == NULL)
        return -ENOMEM;
    walk->tag = TAG_WALK;
    walk->made_at = __builtin_return_address(0);
    if (opts != NULL)
        walk->opts = *opts;
    if (walk->opts.depth_max == 0)
        walk->opts.depth_max = UINT32_MAX;
    r = set_name(walk, 0, path);
    if (r < 0) {
        hob_walk_close(walk);
        return r;
    }
    *ret_walk = walk;
    return 0;
}

int hob_walk_next(hob_walk *walk, hob_walk_entry *ret_entry)
{
    walk_from(walk, "hob_walk_next");
    hob_require(!walk->is_busy, "hob_walk_next: another task walks here already");
    walk->is_busy = true;
    int r = next(walk, ret_entry);
    walk->is_busy = false;
    return r;
}

void hob_walk_skip(hob_walk *walk)
{
    walk_from(walk, "hob_walk_skip");
    if (walk->can_skip)
        walk->levels[walk->depth - 1].skipped = true;
}

void hob_walk_close(hob_walk *walk)
{
    if (walk == NULL)
        return;
    walk_from(walk, "hob_walk_close");
    hob_require(!walk->is_busy, "hob_walk_close: another task is in hob_walk_next");
    while (walk->depth > 0)
        drop_level(walk);
    hob__free(walk->levels);
    hob__free(walk->path);
    walk->tag = TAG_FREED;
    hob__free(walk);
}
