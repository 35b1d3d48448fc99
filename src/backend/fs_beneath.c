/* SPDX-License-Identifier: MIT */
/*
 * To open what lies beneath a folder, where the kernel has no openat2(2).
 *
 * The path is walked a name at a time; each folder on the way is held open, so that nobody who
 * renames them can make `..` lead out: it leads to the one that we came from. A symbolic link is
 * read and its text walked in the same way; one that begins with a slash leads out. Each name is
 * opened with O_NOFOLLOW, so a link that appears between two steps is refused (-ELOOP), not
 * followed.
 */
#include "backend/fs_call.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/sys.h"

enum {
    PATH_BYTES = 4096,
    DEPTH_MAX = PATH_BYTES / 2,
    LINKS_MAX = 40,
};

struct walk {
    uint64_t resolve;
    int      links;
    int      depth;            /* how many of `fds` are open          */
    int      root;             /* the caller's                        */
    char     name[256];        /* the next one                        */
    char     rest[2 * PATH_BYTES];
    char     target[PATH_BYTES];
    int      fds[DEPTH_MAX];
};

static int here(const struct walk *walk)
{
    return walk->depth > 0 ? walk->fds[walk->depth - 1] : walk->root;
}

static void go_up(struct walk *walk)
{
    hob__sys_close(walk->fds[--walk->depth]);
}

/* Takes the next name off `rest`. Returns its length, 0 at the end, or -ENAMETOOLONG. */
static int take_name(struct walk *walk, bool *ret_slash)
{
    const char *at = walk->rest + strspn(walk->rest, "/");
    size_t      n = strcspn(at, "/");
    if (n >= sizeof walk->name)
        return -ENAMETOOLONG;
    memcpy(walk->name, at, n);
    walk->name[n] = '\0';
    *ret_slash = at[n] == '/';
    memmove(walk->rest, at + n, strlen(at + n) + 1);
    return (int)n;
}

static bool is_last(const struct walk *walk)
{
    return walk->rest[strspn(walk->rest, "/")] == '\0';
}

/* The link's text takes the place of its name. */
static int follow(struct walk *walk)
{
    if (walk->resolve & RESOLVE_NO_SYMLINKS)
        return -ELOOP;
    if (++walk->links > LINKS_MAX)
        return -ELOOP;
    ssize_t n = hob__sys_readlinkat(here(walk), walk->name, walk->target, sizeof walk->target);
    if (n < 0)
        return (int)n;
    size_t rest = strlen(walk->rest);
    if (n == 0 || walk->target[0] == '/')
        return n == 0 ? -ENOENT : -EXDEV;
    if ((size_t)n + rest >= PATH_BYTES)
        return -ENAMETOOLONG;
    memmove(walk->rest + n, walk->rest, rest + 1);
    memcpy(walk->rest, walk->target, (size_t)n);
    return 0;
}

static int go_down(struct walk *walk)
{
    if (walk->depth == DEPTH_MAX)
        return -ENAMETOOLONG;
    int fd = hob__sys_openat(here(walk), walk->name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
                             0);
    if (fd < 0)
        return fd;
    walk->fds[walk->depth++] = fd;
    return 0;
}

/* True when the name is a link to be followed. */
static int is_link(const struct walk *walk, bool *ret_is_link)
{
    struct statx st;
    int r = hob__sys_statx(here(walk), walk->name, AT_SYMLINK_NOFOLLOW, STATX_TYPE, &st);
    *ret_is_link = r == 0 && S_ISLNK(st.stx_mode);
    return r;
}

static int open_last(struct walk *walk, bool slash, int flags, unsigned mode)
{
    if (slash)
        flags |= flags & O_CREAT ? 0 : O_DIRECTORY;
    if (slash && flags & O_CREAT)
        return -EISDIR;
    return hob__sys_openat(here(walk), walk->name, flags | O_NOFOLLOW, mode);
}

static int open_by_steps(struct walk *walk, int flags, unsigned mode)
{
    for (;;) {
        bool slash, link = false;
        int  r = take_name(walk, &slash);
        if (r < 0)
            return r;
        bool last = is_last(walk);
        bool dots = strcmp(walk->name, "..") == 0;
        if (dots && walk->depth == 0)
            return -EXDEV;
        if (dots)
            go_up(walk);
        if (r == 0 || dots || strcmp(walk->name, ".") == 0) {
            if (last) {
                strcpy(walk->name, ".");
                return open_last(walk, false, flags, mode);
            }
            continue;
        }
        r = is_link(walk, &link);
        if (r < 0 && !(last && r == -ENOENT))
            return r;
        if (link && !(last && !slash && (flags & (O_NOFOLLOW | O_EXCL)))) {
            r = follow(walk);
            if (r < 0)
                return r;
            continue;
        }
        if (last)
            return open_last(walk, slash, flags, mode);
        r = go_down(walk);
        if (r < 0)
            return r;
    }
}

int hob__open_beneath(int dir, const char *path, int flags, unsigned mode, uint64_t resolve)
{
    size_t len = strlen(path);
    if (len == 0 || len >= PATH_BYTES)
        return len == 0 ? -ENOENT : -ENAMETOOLONG;
    if (path[0] == '/')
        return -EXDEV;
    struct walk *walk = hob__alloc(sizeof *walk);
    if (walk == NULL)
        return -ENOMEM;
    walk->resolve = resolve;
    walk->links = walk->depth = 0;
    walk->root = dir;
    memcpy(walk->rest, path, len + 1);
    int r = open_by_steps(walk, flags, mode);
    while (walk->depth > 0)
        go_up(walk);
    hob__free(walk);
    return r;
}
