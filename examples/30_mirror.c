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
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <hob.h>

enum { PATH_BYTES = 4096, PIECE_BYTES = 65536 };

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
static int place_of(const struct mirror *mirror, const char *path, char place[PATH_BYTES])
{
    int len = snprintf(place, PATH_BYTES, "%s%s", mirror->to, path + strlen(mirror->from));
    return len < PATH_BYTES ? 0 : -ENAMETOOLONG; // else it would be another's place
}

static void close_file(hob_file **file)
{
    hob_file_close(*file);
}

#define FILE_(name) __attribute__((cleanup(close_file))) hob_file *name = NULL

/* 1: the copy is there already, with the same bytes. Piece by piece: files may be larger than memory. */
static int is_same(hob_file *file, const struct stat *st, const char *to)
{
    char        ours[PIECE_BYTES / 4], theirs[sizeof ours];
    struct stat copy;
    FILE_(old);
    if (hob_file_open(to, O_RDONLY | O_NOFOLLOW, 0, &old) < 0 || hob_file_stat(old, &copy) < 0)
        return 0;
    if (copy.st_size != st->st_size || ((copy.st_mode ^ st->st_mode) & 0777) != 0)
        return 0;
    for (int64_t at = 0; at < st->st_size;) {
        ssize_t n = HOB_TRY(hob_file_pread(file, ours, sizeof ours, (uint64_t)at));
        if (n == 0 || hob_file_pread(old, theirs, (size_t)n, (uint64_t)at) != n ||
            memcmp(ours, theirs, (size_t)n) != 0)
            return 0;
        at += n;
    }
    return 1;
}

static int replace(hob_file *file, unsigned mode, const char *to)
{
    hob_replace *copy;
    HOB_TRY(hob_replace_begin(to, mode, &copy));
    int r = hob_copy(hob_file_stream(file), hob_file_stream(hob_replace_file(copy)), NULL, NULL);
    if (r == 0)
        r = hob_file_chmod(hob_replace_file(copy), mode); // the umask has no say in it
    if (r == 0)
        return hob_replace_commit(copy);
    hob_replace_drop(copy);
    return r;
}

/* A file that is gone again when we come to it is no error: that will be told, too. */
static int copy_file(const char *from, const char *to)
{
    struct stat st;
    FILE_(file);
    int r = hob_file_open(from, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0, &file);
    if (r == 0)
        r = hob_file_stat(file, &st);
    if (r < 0)
        return r == -ENOENT || r == -EISDIR || r == -ELOOP ? 0 : r;
    if (!S_ISREG(st.st_mode))
        return 0; // the mirror shows files and folders
    r = HOB_TRY(is_same(file, &st, to));
    return r ? 0 : replace(file, st.st_mode & 0777, to); // whose the program is does not go with it
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

/* What fails with one path is told, and the others are mirrored all the same. */
static bool cannot_go_on(const char *path, int r)
{
    if (r < 0 && r != -ECANCELED)
        fprintf(stderr, "%s: %s\n", path, hob_strerror(r));
    return r == -ECANCELED || r == -ENOSPC || r == -EDQUOT;
}

static int copy_all(struct mirror *mirror)
{
    hob_walk      *walk;
    hob_walk_entry entry;
    char           to[PATH_BYTES];
    int            r;
    HOB_TRY(hob_walk_open(mirror->from, NULL, &walk));
    while ((r = hob_walk_next(walk, &entry)) > 0) {
        r = entry.error < 0 ? entry.error : place_of(mirror, entry.path, to);
        if (r == 0 && (entry.kind == HOB_ENTRY_FOLDER || entry.kind == HOB_ENTRY_FILE))
            r = copy_one(entry.path, to, entry.kind == HOB_ENTRY_FOLDER);
        if (cannot_go_on(entry.path, r))
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
        if (cannot_go_on(entry.path, r))
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
    HOB_TRY(place_of(mirror, event->path, to));
    switch (event->kind) {
    case HOB_WATCH_CREATED:
    case HOB_WATCH_CHANGED:
        return copy_one(event->path, to, event->is_folder);
    case HOB_WATCH_REMOVED:
        return remove_one(to);
    case HOB_WATCH_MOVED:
        HOB_TRY(place_of(mirror, event->from, was));
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

/* Both as the system knows them: so no link hides that one is inside of the other. */
static int resolve(char **argv, struct mirror *ret_mirror)
{
    if (mkdir(argv[2], 0777) < 0 && errno != EEXIST)
        return fprintf(stderr, "%s: %s\n", argv[2], strerror(errno)), -errno;
    char *from = realpath(argv[1], NULL);
    char *to = from != NULL ? realpath(argv[2], NULL) : NULL;
    *ret_mirror = (struct mirror){ from, to, NULL };
    if (to == NULL)
        return fprintf(stderr, "%s: %s\n", from == NULL ? argv[1] : argv[2], strerror(errno)), -errno;
    size_t len = strlen(from);
    if (strncmp(from, to, len) == 0 && (to[len] == '/' || to[len] == '\0' || len == 1))
        return fprintf(stderr, "%s is in %s: it would mirror itself\n", to, from), -EINVAL;
    return 0;
}

int main(int argc, char **argv)
{
    struct mirror mirror = { NULL, NULL, NULL };
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 1)
        return hob_run(play, NULL);
    if (argc != 3) {
        fprintf(stderr, "usage: %s [FROM TO]\n", argv[0]);
        return 2;
    }
    int r = resolve(argv, &mirror);
    if (r == 0)
        r = hob_run(keep_mirror, &mirror);
    free((char *)mirror.from);
    free((char *)mirror.to);
    return r < 0 ? 1 : r;
}
