/* SPDX-License-Identifier: MIT */
/*
 * A mirror: keeps a copy of a folder up to date while somebody works in it.
 *
 *     FROM ── what changed ──▶ the mirror ── whole new files ──▶ TO
 *
 * Whoever reads the copy finds each file whole, the old one or the new one, because it is replaced in
 * one step. When more happens than can be told, all is compared again.
 *
 *     build/hob run examples/30_mirror.c FROM TO
 *
 * Without names it plays in two folders of its own, and shows what it does.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <hob.h>

enum { PATH_BYTES = 4096, FILE_BYTES_MAX = 64 << 20 };

struct mirror {
    const char *from, *to;
    hob_chan   *done; /* struct news: what was mirrored, for who wants to know; NULL */
};

struct news {
    enum hob_watch_kind kind;
    char                name[64]; /* the end of it */
};

/* ---- one path ---- */

/* The place in the copy of what is in the folder. */
static void place_of(const struct mirror *mirror, const char *path, char place[PATH_BYTES])
{
    snprintf(place, PATH_BYTES, "%s%s", mirror->to, path + strlen(mirror->from));
}

static bool is_same(const char *a, const char *b, size_t len)
{
    char  *old;
    size_t old_len;
    if (hob_path_read(b, len, &old, &old_len) < 0)
        return false;
    bool same = old_len == len && memcmp(a, old, len) == 0;
    free(old);
    return same;
}

/* A file that is gone again when we come to it is no error: that will be told, too. */
static int copy_file(const char *from, const char *to)
{
    char  *data;
    size_t len;
    int    r = hob_path_read(from, FILE_BYTES_MAX, &data, &len);
    if (r < 0)
        return r == -ENOENT || r == -EISDIR ? 0 : r;
    r = is_same(data, to, len) ? 0 : hob_path_replace(to, data, len, 0);
    free(data);
    return r;
}

static int copy_one(const char *from, const char *to, bool is_folder)
{
    return is_folder ? hob_path_mkdirs(to, 0777) : copy_file(from, to);
}

static int remove_one(const char *to)
{
    int r = hob_path_remove_tree(to);
    return r == -ENOENT ? 0 : r;
}

/* ---- all of it ---- */

static int copy_all(struct mirror *mirror)
{
    hob_walk      *walk;
    hob_walk_entry entry;
    char           to[PATH_BYTES];
    int            r;
    HOB_TRY(hob_walk_open(mirror->from, NULL, &walk));
    while ((r = hob_walk_next(walk, &entry)) > 0) {
        place_of(mirror, entry.path, to);
        if (entry.kind == HOB_ENTRY_FOLDER || entry.kind == HOB_ENTRY_FILE)
            r = copy_one(entry.path, to, entry.kind == HOB_ENTRY_FOLDER);
        if (r < 0)
            break;
    }
    hob_walk_close(walk);
    return r;
}

/* What the copy has and the folder has not. */
static int remove_rest(struct mirror *mirror)
{
    hob_walk      *walk;
    hob_walk_entry entry;
    hob_walk_opts  opts = { .order = HOB_WALK_AFTER };
    char           from[PATH_BYTES];
    struct stat    st;
    int            r;
    HOB_TRY(hob_walk_open(mirror->to, &opts, &walk));
    while ((r = hob_walk_next(walk, &entry)) > 0) {
        snprintf(from, sizeof from, "%s%s", mirror->from, entry.path + strlen(mirror->to));
        if (hob_path_lstat(from, &st) == -ENOENT)
            r = remove_one(entry.path);
        if (r < 0)
            break;
    }
    hob_walk_close(walk);
    return r;
}

static int compare_all(struct mirror *mirror)
{
    HOB_TRY(copy_all(mirror));
    return remove_rest(mirror);
}

/* ---- what changes ---- */

static int follow(struct mirror *mirror, const hob_watch_event *event)
{
    char to[PATH_BYTES], was[PATH_BYTES];
    place_of(mirror, event->path, to);
    switch (event->kind) {
    case HOB_WATCH_CREATED:
    case HOB_WATCH_CHANGED:
        return copy_one(event->path, to, event->is_folder);
    case HOB_WATCH_REMOVED:
        return remove_one(to);
    case HOB_WATCH_MOVED:
        place_of(mirror, event->from, was);
        if (hob_path_rename(was, to, 0) == 0)
            return 0;
        return compare_all(mirror); // we never had it
    case HOB_WATCH_OVERFLOW:
        return compare_all(mirror);
    default:
        return 0;
    }
}

static int tell(struct mirror *mirror, const hob_watch_event *event)
{
    struct news news = { .kind = event->kind };
    const char *slash = strrchr(event->path, '/');
    if (mirror->done == NULL)
        return printf("%-10s %s\n", hob_watch_word(event->kind), event->path) < 0 ? -EIO : 0;
    snprintf(news.name, sizeof news.name, "%s", slash != NULL ? slash + 1 : event->path);
    return hob_chan_send(mirror->done, &news);
}

static int watch_and_follow(struct mirror *mirror, hob_watch *watch)
{
    hob_watch_event event;
    int             r;
    while ((r = hob_watch_next(watch, &event)) > 0) {
        r = follow(mirror, &event);
        if (r >= 0)
            r = tell(mirror, &event);
        if (r == -ECANCELED)
            break;
        if (r < 0)
            fprintf(stderr, "%s: %s\n", event.path, hob_strerror(r)); // and on with the next
    }
    return r;
}

/* First the watch, then the comparison: so nothing falls between the two. */
static int keep_mirror(void *arg)
{
    struct mirror *mirror = arg;
    hob_watch     *watch;
    hob_watch_opts opts = { .recursive = 1 };
    HOB_TRY(hob_watch_open(mirror->from, &opts, &watch));
    int r = compare_all(mirror);
    hob_ready(NULL);
    if (r >= 0)
        r = watch_and_follow(mirror, watch);
    hob_watch_close(watch);
    return r;
}

/* ---- the play ---- */

static int show(struct mirror *mirror, const char *what)
{
    struct news news;
    HOB_TRY(hob_chan_recv(mirror->done, &news));
    printf("%-28s the mirror: %s %s\n", what, hob_watch_word(news.kind), news.name);
    return 0;
}

static int work_in(struct mirror *mirror)
{
    char  a[PATH_BYTES], b[PATH_BYTES], *text;
    size_t len;
    snprintf(a, sizeof a, "%s/letter", mirror->from);
    HOB_TRY(hob_path_write(a, "Dear all", 8, 0666));
    HOB_TRY(show(mirror, "a letter is written;"));
    HOB_TRY(hob_path_write(a, "Dear all, soon more", 19, 0666));
    HOB_TRY(show(mirror, "it is changed;"));
    snprintf(b, sizeof b, "%s/sent", mirror->from);
    HOB_TRY(hob_path_mkdir(b, 0777));
    HOB_TRY(show(mirror, "a folder is made;"));
    snprintf(b, sizeof b, "%s/sent/first", mirror->from);
    HOB_TRY(hob_path_rename(a, b, 0));
    HOB_TRY(show(mirror, "the letter goes there;"));
    snprintf(a, sizeof a, "%s/sent/first", mirror->to);
    HOB_TRY(hob_path_read(a, 100, &text, &len));
    printf("%-28s \"%s\"\n", "the copy says", text);
    free(text);
    snprintf(b, sizeof b, "%s/sent", mirror->from);
    HOB_TRY(hob_path_remove_tree(b));
    return show(mirror, "all of it is thrown away;");
}

static void free_chan(void *chan)
{
    hob_chan_free(chan);
}

static int play_in(const char *folder)
{
    char          from[PATH_BYTES], to[PATH_BYTES];
    struct mirror mirror = { from, to, NULL };
    snprintf(from, sizeof from, "%s/from", folder);
    snprintf(to, sizeof to, "%s/to", folder);
    HOB_TRY(hob_path_mkdir(from, 0777));
    HOB_TRY(hob_path_mkdir(to, 0777));
    HOB_TRY(hob_chan_new(sizeof(struct news), 16, HOB_WAIT, NULL, &mirror.done));
    HOB_DEFER(free_chan, mirror.done);

    HOB_SCOPE(s);
    HOB_TRY(hob_go_ready(&s, keep_mirror, &mirror, NULL, NULL));
    HOB_TRY(work_in(&mirror));
    hob_scope_cancel(&s, "the play is over");
    int r = hob_scope_end(&s);
    return r == -ECANCELED ? 0 : r;
}

static int play(void *arg)
{
    char folder[] = "/tmp/hob-mirror-XXXXXX";
    HOB_TRY(hob_path_make_temp_dir(folder));
    int r = play_in(folder);
    int removed = hob_path_remove_tree(folder);
    return r < 0 ? r : removed;
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return hob_run(play, NULL);
    struct mirror mirror = { argv[1], argv[2], NULL };
    return hob_run(keep_mirror, &mirror);
}
