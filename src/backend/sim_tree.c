/* SPDX-License-Identifier: MIT */
/*
 * Inodes, their names, and the way along a path: sim_disk.h.
 *
 * One map holds all names, by folder and text; a folder's list has them in the order in which they
 * came. What a path means follows Linux's path_resolution(7), with its errors.
 */
#include <errno.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "backend/sim_disk.h"
#include "base/alloc.h"

/* --- inodes -------------------------------------------------------------- */

struct inode *hob__sim_inode_new(struct sim *sim, enum inode_kind kind, unsigned mode)
{
    struct inode *inode = hob__alloc_zero(sizeof *inode);
    if (inode == NULL)
        return NULL;
    inode->id = ++sim->inodes_made;
    inode->kind = kind;
    inode->mode = mode & 07777;
    inode->read_ns = inode->written_ns = inode->changed_ns = hob__sim_calendar_ns(sim);
    list_init(&inode->dentries);
    list_init(&inode->marks);
    list_init(&inode->attrs);
    list_init(&inode->locks);
    list_init(&inode->entries);
    list_push_back(&sim->inodes, &inode->link);
    return inode;
}

static void inode_free(struct sim *sim, struct inode *inode)
{
    hob__sim_file_cut(sim, inode, 0);
    hob__map_fini(&inode->pages);
    hob__sim_fs_free(inode);
    list_remove(&inode->link);
    hob__free(inode->target);
    hob__free(inode);
}

void hob__sim_inode_check(struct sim *sim, struct inode *inode)
{
    if (inode->names > 0 || inode->users > 0 || inode == sim->root)
        return;
    hob__sim_tell_gone(sim, inode);
    if (inode->node != NULL)
        inode->node->inode = NULL;
    inode_free(sim, inode);
}

void hob__sim_inode_drop(struct sim *sim, struct inode *inode)
{
    hob_assert(inode->users > 0);
    inode->users--;
    hob__sim_inode_check(sim, inode);
}

/* --- names --------------------------------------------------------------- */

static uint64_t hash_of(const struct inode *folder, const char *text, size_t len)
{
    return hash_u64(hob__hash_bytes(text, len) ^ folder->id);
}

static struct dentry *find(const struct sim *sim, const struct inode *folder, const char *text,
                           size_t len)
{
    for (struct map_node *link = hob__map_first(&sim->names_on_disk, hash_of(folder, text, len));
         link != NULL; link = hob__map_next(link)) {
        struct dentry *dentry = container_of(link, struct dentry, in_names);
        if (dentry->folder == folder && dentry->len == len && memcmp(dentry->text, text, len) == 0)
            return dentry;
    }
    return NULL;
}

/* A folder's parent is told by `..`, and lives as long as it. */
static void set_parent(struct inode *inode, struct inode *folder)
{
    if (inode->kind != INODE_FOLDER)
        return;
    folder->users++;
    folder->folders++;
    inode->parent = folder;
}

int hob__sim_name_add(struct sim *sim, struct inode *folder, const char *text, size_t len,
                      struct inode *inode)
{
    if (folder->names == 0 && folder != sim->root)
        return -ENOENT; // it was removed, and somebody has it open
    struct dentry *dentry = hob__alloc_zero(sizeof *dentry + len + 1);
    if (dentry == NULL)
        return -ENOMEM;
    dentry->folder = folder;
    dentry->inode = inode;
    dentry->cookie = ++sim->cookies;
    dentry->len = len;
    memcpy(dentry->text, text, len);
    if (hob__map_add(&sim->names_on_disk, &dentry->in_names, hash_of(folder, text, len)) < 0) {
        hob__free(dentry);
        return -ENOMEM;
    }
    list_push_back(&folder->entries, &dentry->of_folder);
    list_push_back(&inode->dentries, &dentry->of_inode);
    inode->names++;
    set_parent(inode, folder);
    inode->changed_ns = hob__sim_calendar_ns(sim);
    folder->written_ns = folder->changed_ns = inode->changed_ns;
    return 0;
}

void hob__sim_name_remove(struct sim *sim, struct dentry *dentry)
{
    struct inode *folder = dentry->folder, *inode = dentry->inode;
    hob__map_remove(&sim->names_on_disk, &dentry->in_names);
    list_remove(&dentry->of_folder);
    list_remove(&dentry->of_inode);
    hob__free(dentry);
    inode->names--;
    if (inode->kind == INODE_FOLDER) {
        folder->folders--;
        hob_assert(folder->users > 0);
        folder->users--;
        inode->parent = NULL;
    }
    inode->changed_ns = hob__sim_calendar_ns(sim);
    folder->written_ns = folder->changed_ns = inode->changed_ns;
}

int hob__sim_make_at(struct sim *sim, const struct place *place, enum inode_kind kind,
                     unsigned mode, struct inode **ret_inode)
{
    struct inode *inode = hob__sim_inode_new(sim, kind, mode);
    if (inode == NULL)
        return -ENOMEM;
    int r = hob__sim_name_add(sim, place->folder, place->text, place->len, inode);
    if (r < 0) {
        inode_free(sim, inode);
        return r;
    }
    hob__sim_tell_name(sim, place->folder, IN_CREATE, 0, place->text, place->len, inode);
    *ret_inode = inode;
    return 0;
}

bool hob__sim_is_within(const struct inode *folder, const struct inode *root)
{
    for (; folder != NULL; folder = folder->parent) {
        if (folder == root)
            return true;
        if (folder == folder->parent)
            return false;
    }
    return false;
}

/* --- paths --------------------------------------------------------------- */

struct walk {
    unsigned      flags;
    int           links;
    struct inode *start; /* for BENEATH */
    struct inode *folder;
    char         *rest;
};

/* The link's text takes the place of its name; `after` follows that. */
static int follow(struct sim *sim, struct walk *walk, const struct inode *link, const char *after)
{
    size_t len = strlen(link->target), rest = strlen(after);
    if (walk->flags & WALK_NO_LINKS || ++walk->links > SIM_LINKS_MAX)
        return -ELOOP;
    if (link->target[0] == '/') {
        if (walk->flags & WALK_BENEATH)
            return -EXDEV;
        walk->folder = sim->root;
    }
    if (len + rest >= SIM_PATH_BYTES)
        return -ENAMETOOLONG;
    memmove(sim->walk_text + len, after, rest + 1);
    memcpy(sim->walk_text, link->target, len);
    walk->rest = sim->walk_text;
    return 0;
}

static int go_up(struct sim *sim, struct walk *walk)
{
    if (walk->flags & WALK_BENEATH && walk->folder == walk->start)
        return -EXDEV;
    if (walk->folder->parent != NULL)
        walk->folder = walk->folder->parent;
    else if (walk->folder != sim->root)
        return -ENOENT; // removed
    return 0;
}

static void arrive(struct place *place, struct walk *walk, enum last_name last,
                   struct inode *inode)
{
    place->folder = walk->folder;
    place->inode = inode;
    place->last = last;
}

/* One name further. Returns 1 when the place is reached. */
static int step(struct sim *sim, struct walk *walk, struct place *place)
{
    walk->rest += strspn(walk->rest, "/");
    const char *name = walk->rest;
    size_t      n = strcspn(name, "/");
    const char *after = name + n;
    bool        last = after[strspn(after, "/")] == '\0';
    bool        slash = *after == '/';
    int         r;

    if (n == 0) {
        arrive(place, walk, LAST_ROOT, walk->folder);
        return 1;
    }
    if (n > SIM_NAME_BYTES)
        return -ENAMETOOLONG;
    place->wants_folder = slash;
    if (n <= 2 && memcmp(name, "..", n) == 0) {
        r = n == 2 ? go_up(sim, walk) : 0;
        if (r < 0)
            return r;
        walk->rest += n;
        if (last)
            arrive(place, walk, n == 2 ? LAST_DOTS : LAST_DOT, walk->folder);
        return last;
    }
    if (last && slash && walk->flags & WALK_CREATE)
        return -EISDIR;
    struct dentry *dentry = find(sim, walk->folder, name, n);
    struct inode  *inode = dentry != NULL ? dentry->inode : NULL;
    bool is_link = inode != NULL && inode->kind == INODE_LINK;
    bool parent_only = last && walk->flags & WALK_PARENT;
    if (is_link && !parent_only && (!last || slash || walk->flags & WALK_FOLLOW)) {
        return follow(sim, walk, inode, after);
    }
    if (is_link && last && walk->flags & WALK_NO_LINKS && walk->flags & WALK_FOLLOW)
        return -ELOOP;
    if (last) {
        memcpy(place->text, name, n);
        place->text[n] = '\0';
        place->len = n;
        place->dentry = dentry;
        arrive(place, walk, LAST_NAME, inode);
        return 1;
    }
    if (inode == NULL)
        return -ENOENT;
    if (inode->kind != INODE_FOLDER)
        return -ENOTDIR;
    walk->folder = inode;
    walk->rest += n;
    return 0;
}

int hob__sim_walk(struct sim *sim, struct inode *from, const char *path, unsigned flags,
                  struct place *ret_place)
{
    size_t len = strnlen(path, SIM_PATH_BYTES);
    if (len == 0 || len == SIM_PATH_BYTES)
        return len == 0 ? -ENOENT : -ENAMETOOLONG;
    if (from == NULL)
        from = sim->root;
    if (from->kind != INODE_FOLDER)
        return -ENOTDIR;
    if (path[0] == '/' && flags & WALK_BENEATH)
        return -EXDEV;

    struct walk walk = { .flags = flags, .start = from, .rest = sim->walk_text };
    walk.folder = path[0] == '/' ? sim->root : from;
    memcpy(sim->walk_text, path, len + 1);
    *ret_place = (struct place){ .len = 0 };
    int r;
    do
        r = step(sim, &walk, ret_place);
    while (r == 0);
    if (r < 0)
        return r;
    if (ret_place->wants_folder && !(flags & WALK_PARENT) && ret_place->inode != NULL
        && ret_place->inode->kind != INODE_FOLDER)
        return -ENOTDIR;
    return 0;
}

/* For what comes from outside of the simulated world: the folders of the path, and with `last_too`
 * its last name as well. */
int hob__sim_make_folders(struct sim *sim, const char *path, bool last_too)
{
    struct place  place;
    struct inode *made;
    char          part[SIM_PATH_BYTES];
    for (size_t n = 1;; n++) {
        if (n >= sizeof part)
            return -ENAMETOOLONG;
        if (path[n] != '/' && path[n] != '\0')
            continue;
        if (path[n] == '\0' && !last_too)
            return 0;
        memcpy(part, path, n);
        part[n] = '\0';
        int r = hob__sim_walk(sim, NULL, part, WALK_FOLLOW, &place);
        if (r == 0 && place.inode == NULL)
            r = hob__sim_make_at(sim, &place, INODE_FOLDER, 0755, &made);
        if (r < 0)
            return r;
        if (path[n] == '\0')
            return 0;
    }
}

/* --- the whole tree ------------------------------------------------------ */

int hob__sim_tree_init(struct sim *sim)
{
    list_init(&sim->inodes);
    sim->root = hob__sim_inode_new(sim, INODE_FOLDER, 0755);
    if (sim->root == NULL)
        return -ENOMEM;
    sim->root->parent = sim->root;
    return hob__sim_make_folders(sim, "/tmp", true);
}

void hob__sim_tree_fini(struct sim *sim)
{
    struct map_node *link = hob__map_take_all(&sim->names_on_disk);
    while (link != NULL) {
        struct dentry *dentry = container_of(link, struct dentry, in_names);
        link = link->next;
        hob__free(dentry);
    }
    hob__map_fini(&sim->names_on_disk);
    list_for_each (node, &sim->inodes)
        inode_free(sim, container_of(node, struct inode, link));
}
