/* SPDX-License-Identifier: MIT */
/*
 * Whoever does to a copy what a watch tells, one event after the other, has the same tree: random
 * changes, some at a time, so that they fall into one batch and are merged.
 *
 * What is told is strict: a path that was created or changed is there, a rename has something to
 * rename. (Two names that are exchanged in one step are the exception: no kernel tells them apart
 * from a rename there and back.)
 */
#include "support/io.h"
#include "support/tasks.h"

#define P(name) scratch_path(name)

enum { DEEP = 3, NAMES = 3 };

/* A path beneath `root`, of one to three letters. */
static const char *random_path(const char *root)
{
    char   name[64];
    size_t len = (size_t)snprintf(name, sizeof name, "%s", root);
    int    depth = 1 + (int)(hob_random() % DEEP);
    for (int i = 0; i < depth; i++, len += 2) {
        name[len] = '/';
        name[len + 1] = (char)('a' + hob_random() % NAMES);
        name[len + 2] = '\0';
    }
    return P(name);
}

/* Most of them fail, because of what is there already, and that is as well. */
static int change_something(void)
{
    static unsigned version;
    char            text[20];
    int             r = 0;
    switch (hob_random() % 10) {
    case 0:
    case 1:
    case 2:
        snprintf(text, sizeof text, "%u", ++version);
        r = put_text(random_path("w"), text);
        break;
    case 3:
        r = hob_path_unlink(random_path("w"));
        break;
    case 4:
        r = hob_path_mkdir(random_path("w"), 0700);
        break;
    case 5:
        r = hob_path_remove_tree(random_path("w"));
        break;
    case 6:
        r = hob_path_rename(random_path("w"), random_path("out"), 0);
        break;
    case 7:
        r = hob_path_rename(random_path("out"), random_path("w"), 0);
        break;
    default:
        r = hob_path_rename(random_path("w"), random_path("w"), 0);
    }
    check_ne(r, -EIO);
    return 0;
}

/* ---- the copy ---- */

static int overflows;

static const char *in_copy(const char *path)
{
    char name[64];
    snprintf(name, sizeof name, "copy%s", path + strlen(hob_test_scratch()) + strlen("/w"));
    return P(name);
}

static int copy_one(const char *path, bool is_folder)
{
    char  *data;
    size_t len;
    if (is_folder)
        return hob_path_mkdirs(in_copy(path), 0700);
    HOB_TRY(hob_path_read(path, 100, &data, &len));
    int r = hob_path_write(in_copy(path), data, len, 0600);
    free(data);
    return r;
}

/* Seldom: renames through a folder that has left are too much for it to tell. */
static int copy_all(void)
{
    WALK(walk);
    hob_walk_entry entry;
    int            r;
    overflows++;
    HOB_TRY(hob_path_remove_tree(P("copy")));
    HOB_TRY(hob_walk_open(P("w"), NULL, &walk));
    while ((r = hob_walk_next(walk, &entry)) > 0)
        HOB_TRY(copy_one(entry.path, entry.kind == HOB_ENTRY_FOLDER));
    return r;
}

static int follow(const hob_watch_event *event)
{
    int r;
    switch (event->kind) {
    case HOB_WATCH_CREATED:
    case HOB_WATCH_CHANGED:
        r = copy_one(event->path, event->is_folder);
        if (r == -EEXIST || r == -EISDIR) { // it is in the place of something else
            HOB_TRY(hob_path_remove_tree(in_copy(event->path)));
            r = copy_one(event->path, event->is_folder);
        }
        break;
    case HOB_WATCH_REMOVED:
        r = hob_path_remove_tree(in_copy(event->path));
        r = r == -ENOENT || r == -ENOTDIR ? 0 : r;
        break;
    case HOB_WATCH_MOVED:
        r = hob_path_rename(in_copy(event->from), in_copy(event->path), 0);
        break;
    case HOB_WATCH_OVERFLOW:
        r = copy_all();
        break;
    default:
        r = event->kind == HOB_WATCH_ATTRIBUTES ? 0 : -EIO;
    }
    if (r < 0)
        fprintf(stderr, "%s %s: %s\n", hob_watch_word(event->kind), event->path, hob_strerror(r));
    return r;
}

static int follow_all(hob_watch *watch)
{
    hob_watch_event event;
    for (;;) {
        HOB_SCOPE(s);
        hob_scope_deadline(&s, hob_in(100 * HOB_MSEC));
        int r = hob_watch_next(watch, &event);
        ignore(hob_scope_end(&s));
        if (r == -ETIMEDOUT)
            return 0;
        check_eq(r, 1);
        check_ok(follow(&event));
    }
}

/* ---- the same ---- */

/* All of a tree as a text. */
static int describe(const char *root, char *text, size_t size)
{
    WALK(walk);
    hob_walk_entry entry;
    hob_walk_opts  opts = { .sorted = 1 };
    size_t         at = 0;
    int            r;
    check_ok(hob_walk_open(P(root), &opts, &walk));
    size_t root_len = strlen(P(root));
    while ((r = hob_walk_next(walk, &entry)) > 0) {
        char  *data = NULL;
        size_t len;
        check_ok(entry.error);
        if (entry.kind == HOB_ENTRY_FILE)
            check_ok(hob_path_read(entry.path, 100, &data, &len));
        at += (size_t)snprintf(text + at, size - at, "%s%s%s ", entry.path + root_len,
                               data != NULL ? "=" : "/", data != NULL ? data : "");
        free(data);
        check_lt(at, size);
    }
    check_ok(r);
    return 0;
}

static int play(int rounds)
{
    static char    original[4096], copy[4096];
    overflows = 0;
    WATCH(watch);
    hob_watch_opts opts = { .recursive = 1 };
    check_ok(hob_path_mkdirs(P("w"), 0700));
    check_ok(hob_path_mkdirs(P("out"), 0700));
    check_ok(hob_path_mkdirs(P("copy"), 0700));
    check_ok(hob_watch_open(P("w"), &opts, &watch));
    for (int i = 0; i < rounds; i++) {
        for (uint64_t changes = 1 + hob_random() % 12; changes > 0; changes--)
            check_ok(change_something());
        check_ok(follow_all(watch));
        check_ok(describe("w", original, sizeof original));
        check_ok(describe("copy", copy, sizeof copy));
        check_str(copy, original);
    }
    check_lt(overflows, 3 + rounds / 100);
    return 0;
}

TEST_AS(watch_replay, what_is_told_makes_a_copy_the_same,
        HOB_TEST_EACH_BACKEND | HOB_TEST_ONE_SEED, NULL)
{
    check_ok(play(!in_sim() ? 10 : hob_test_is_deep() ? 10000 : 500));
}
