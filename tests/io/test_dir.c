/* SPDX-License-Identifier: MIT */
#include "support/io.h"
#include "support/workers.h"

#define P(name) scratch_path(name)

/* ---- one folder ---- */

TEST_ON_ALL(dir, every_entry_comes_once_with_its_kind)
{
    DIR_(dir);
    hob_entry entry;
    int       files = 0, folders = 0, links = 0;
    enum { FILES = 500 };
    check_ok(hob_path_mkdir(P("d"), 0700));
    bool seen[FILES] = { false };
    for (int i = 0; i < FILES; i++) {
        char name[64];
        snprintf(name, sizeof name, "d/a-file-with-a-name-%d", i);
        check_ok(put_text(P(name), ""));
    }
    check_ok(hob_path_mkdir(P("d/folder"), 0700));
    check_ok(hob_path_symlink("none", P("d/link")));
    check_ok(hob_dir_open(P("d"), &dir));
    int r;
    while ((r = hob_dir_next(dir, &entry)) > 0) {
        files += entry.kind == HOB_ENTRY_FILE;
        folders += entry.kind == HOB_ENTRY_FOLDER && strcmp(entry.name, "folder") == 0;
        links += entry.kind == HOB_ENTRY_SYMLINK && strcmp(entry.name, "link") == 0;
        if (entry.kind == HOB_ENTRY_FILE) {
            int i = atoi(strrchr(entry.name, '-') + 1);
            check(!seen[i]);
            seen[i] = true;
        }
    }
    check_eq(r, 0);
    check_eq(files, FILES);
    check_eq(folders, 1);
    check_eq(links, 1);
    check_eq(hob_dir_next(dir, &entry), 0);
    check_ok(hob_dir_sync(dir));
}

TEST_ON_ALL(dir, only_folders_can_be_opened)
{
    DIR_(dir);
    check_err(hob_dir_open(P("none"), &dir), -ENOENT);
    check_ok(put_text(P("f"), ""));
    check_err(hob_dir_open(P("f"), &dir), -ENOTDIR);
}

static int next_once(void *arg)
{
    hob_entry entry;
    return hob_dir_next(arg, &entry);
}

/* Somebody reads it, so its memory is there yet and knows. */
TEST_DIES(dir, closed_twice_is_a_mistake, "hob_dir_close: this is not open*")
{
    struct hob_sim_world slow = { .disk_min_ns = HOB_SEC, .disk_max_ns = HOB_SEC };
    hob_dir             *dir;
    HOB_SCOPE(s);
    check_ok(hob_dir_open("/tmp", &dir));
    check_ok(hob_sim_set_world(&slow));
    hob_go(&s, next_once, dir);
    settle();
    hob_dir_close(dir);
    hob_dir_close(dir);
}

/* ---- beneath ---- */

struct way {
    const char *path;
    int         error; /* 0: "in" is found */
};

/* SURVIVAL 43: never outside the root. */
TEST_ON_ALL(dir, no_path_leads_out_of_the_folder)
{
    static const struct way ways[] = {
        { "in", 0 },
        { "./in", 0 },
        { "sub/../in", 0 },
        { "sub/up/in", 0 },
        { "sub/deep/../../in", 0 },
        { "near", 0 },
        { "../root/in", -EXDEV },
        { "..", -EXDEV },
        { "../secret", -EXDEV },
        { "sub/../../secret", -EXDEV },
        { "/etc/passwd", -EXDEV },
        { "out/secret", -EXDEV },
        { "abs", -EXDEV },
        { "sub/far", -EXDEV },
        { "none", -ENOENT },
        { "in/none", -ENOTDIR },
        { "in/", -ENOTDIR },
        { "circle", -ELOOP },
        { "", -ENOENT },
    };
    DIR_(root);
    DIR_(sub);
    check_ok(hob_path_mkdirs(P("root/sub/deep"), 0700));
    check_ok(put_text(P("secret"), "secret"));
    check_ok(put_text(P("root/in"), "in"));
    check_ok(hob_path_symlink("..", P("root/sub/up")));
    check_ok(hob_path_symlink("sub/../in", P("root/near")));
    check_ok(hob_path_symlink("..", P("root/out")));
    check_ok(hob_path_symlink(P("root/in"), P("root/abs")));
    check_ok(hob_path_symlink("../../secret", P("root/sub/far")));
    check_ok(hob_path_symlink("circle", P("root/circle")));
    check_ok(hob_dir_open(P("root"), &root));
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        FILE_(file);
        char buf[16];
        int  r = hob_dir_open_file(root, ways[i].path, O_RDONLY, 0, &file);
        check_eq(r, ways[i].error);
        if (r == 0) {
            check_eq(hob_file_read(file, buf, sizeof buf), 2);
            check_mem(buf, "in", 2);
        }
    }
    FILE_(file);
    check_err(hob_dir_open_file(root, "near", O_RDONLY | O_NOFOLLOW, 0, &file), -ELOOP);
    check_ok(hob_dir_open_file(root, "sub/new", O_RDWR | O_CREAT | O_EXCL, 0600, &file));
    check_eq(hob_file_write(file, "n", 1), 1);
    check_ok(hob_dir_open_dir(root, "sub", &sub));
    DIR_(out);
    check_err(hob_dir_open_dir(sub, "..", &out), -EXDEV);
    check_err(hob_dir_open_dir(root, "in", &out), -ENOTDIR);
}

/* What is beneath is for all workers; the rest of a folder is its own worker's. */
static int look_beneath(void *arg)
{
    for (int i = 0; i < 50; i++) {
        FILE_(file);
        DIR_(sub);
        DIR_(out);
        hob_entry entry;
        char      text[8];
        check_ok(hob_dir_open_file(arg, "sub/in", O_RDONLY, 0, &file));
        check_eq(hob_file_read(file, text, sizeof text), 2);
        check_err(hob_dir_open_file(arg, "../secret", O_RDONLY, 0, &file), -EXDEV);
        check_err(hob_dir_open_dir(arg, "..", &out), -EXDEV);
        check_ok(hob_dir_open_dir(arg, "sub", &sub)); // which is of this worker
        check_eq(hob_dir_next(sub, &entry), 1);
        check_str(entry.name, "in");
        check_eq(hob_dir_next(sub, &entry), 0);
    }
    return 0;
}

TEST_WITH_WORKERS(dir, files_beneath_are_opened_by_all_workers, 4)
{
    DIR_(root);
    HOB_SCOPE(s);
    check_ok(hob_path_mkdirs(P("root/sub"), 0700));
    check_ok(put_text(P("secret"), "secret"));
    check_ok(put_text(P("root/sub/in"), "in"));
    check_ok(hob_dir_open(P("root"), &root));
    for (uint32_t i = 0; i < 8; i++)
        check_ok(go_on(&s, i, look_beneath, root));
    return hob_scope_end(&s);
}

/* A cancelled call of another worker opens nothing, and leaves nothing with the folder. */
static int look_cancelled(void *arg)
{
    hob_file *file;
    HOB_SCOPE(s);
    hob_scope_cancel(&s, "on purpose");
    check_err(hob_dir_open_file(arg, "in", O_RDONLY, 0, &file), -ECANCELED);
    (void)!hob_scope_end(&s);
    return 0;
}

TEST_WITH_WORKERS(dir, a_cancelled_call_of_another_worker_leaves_the_folder_alone, 2)
{
    DIR_(root);
    check_ok(hob_path_mkdirs(hob_test_scratch(), 0700));
    check_ok(put_text(P("in"), "in"));
    check_ok(hob_dir_open(hob_test_scratch(), &root));
    check_ok(hob_on(1, look_cancelled, root));
    return 0;
}

static int list_here(void *arg)
{
    hob_entry entry;
    return hob_dir_next(arg, &entry);
}

TEST_DIES(dir, listed_by_another_worker_is_a_mistake, "*was used by another worker than the one that made it*")
{
    DIR_(dir);
    check_ok(hob_dir_open(hob_test_scratch(), &dir));
    check_ok(hob_on(1, list_here, dir));
}

TEST_ON_ALL(dir, a_file_found_beneath_can_be_read_though_it_is_not_in_memory)
{
    DIR_(root);
    FILE_(file);
    enum { LEN = 100000 };
    BYTES(bytes, LEN);
    BYTES(back, LEN);
    fill(bytes, LEN, 0, 1);
    check_ok(hob_path_write(P("f"), bytes, LEN, 0600));
    check_ok(hob_dir_open(hob_test_scratch(), &root));
    check_ok(hob_dir_open_file(root, "f", O_RDWR, 0, &file));
    check_ok(hob_file_sync(file));
    size_t n = 0;
    while (n < LEN)
        n += (size_t)check_ok(hob_file_read(file, back + n, LEN - n));
    check_mem(bytes, back, LEN);
}

/* ---- walks ---- */

static int plant(void)
{
    check_ok(hob_path_mkdirs(P("w/b/c"), 0700));
    check_ok(put_text(P("w/a"), ""));
    check_ok(put_text(P("w/b/d"), ""));
    check_ok(put_text(P("w/b/c/e"), ""));
    check_ok(hob_path_symlink("..", P("w/b/up")));
    check_ok(hob_path_symlink("b/c", P("w/z")));
    return 0;
}

/* What a walk tells, in a text: names, each with its depth; `/` behind a folder, `@` a link, `^`
 * a folder's end, `!` an error. */
static int tell_walk(const hob_walk_opts *opts, const char *skip, char *text)
{
    WALK(walk);
    hob_walk_entry entry;
    int            r;
    check_ok(hob_walk_open(P("w"), opts, &walk));
    while ((r = hob_walk_next(walk, &entry)) > 0) {
        static const char marks[] = { [HOB_ENTRY_FILE] = ' ', [HOB_ENTRY_FOLDER] = '/',
                                      [HOB_ENTRY_SYMLINK] = '@', [HOB_ENTRY_UNKNOWN] = '?' };
        text += sprintf(text, "%u%s%c%s%s ", entry.depth, entry.name, marks[entry.kind],
                        entry.leaves ? "^" : "", entry.error != 0 ? "!" : "");
        check(strlen(entry.path) >= strlen(entry.name));
        check_str(entry.path + strlen(entry.path) - strlen(entry.name), entry.name);
        if (skip != NULL && strcmp(entry.name, skip) == 0)
            hob_walk_skip(walk);
    }
    return r;
}

TEST_ON_ALL(walk, goes_in_the_order_that_is_asked_for)
{
    char          text[1000];
    hob_walk_opts opts = { .sorted = 1 };
    check_ok(plant());
    check_ok(tell_walk(&opts, NULL, text));
    check_str(text, "0w/ 1a  1b/ 2c/ 3e  2d  2up@ 1z@ ");
    opts.order = HOB_WALK_AFTER;
    check_ok(tell_walk(&opts, NULL, text));
    check_str(text, "1a  3e  2c/^ 2d  2up@ 1b/^ 1z@ 0w/^ ");
    opts.order = HOB_WALK_BOTH;
    check_ok(tell_walk(&opts, NULL, text));
    check_str(text, "0w/ 1a  1b/ 2c/ 3e  2c/^ 2d  2up@ 1b/^ 1z@ 0w/^ ");
    check_ok(tell_walk(&opts, "b", text));
    check_str(text, "0w/ 1a  1b/ 1b/^ 1z@ 0w/^ ");
}

TEST_ON_ALL(walk, goes_as_deep_as_it_may)
{
    char          text[1000];
    hob_walk_opts opts = { .sorted = 1, .depth_max = 1 };
    check_ok(plant());
    check_ok(tell_walk(&opts, NULL, text));
    check_str(text, "0w/ 1a  1b/ 1z@ ");
    opts.depth_max = 2;
    check_ok(tell_walk(&opts, NULL, text));
    check_str(text, "0w/ 1a  1b/ 2c/ 2d  2up@ 1z@ ");
}

TEST_ON_ALL(walk, follows_links_if_told_and_no_circle)
{
    char          text[1000];
    hob_walk_opts opts = { .sorted = 1, .follow = 1 };
    check_ok(plant());
    check_ok(tell_walk(&opts, NULL, text));
    check_str(text, "0w/ 1a  1b/ 2c/ 3e  2d  2up/! 1z/ 2e  ");
}

TEST_ON_ALL(walk, of_a_file_has_one_entry)
{
    WALK(walk);
    hob_walk_entry entry;
    check_ok(put_text(P("f"), ""));
    check_ok(hob_walk_open(P("f"), NULL, &walk));
    check_eq(hob_walk_next(walk, &entry), 1);
    check_str(entry.name, "f");
    check_eq(entry.kind, HOB_ENTRY_FILE);
    check_eq(hob_walk_next(walk, &entry), 0);
    WALK(none);
    check_err(hob_walk_open(P("none"), NULL, &none), -ENOENT);
}

static int walk_all(void *arg)
{
    WALK(walk);
    hob_walk_opts  opts = { .sorted = 1, .follow = 1 };
    hob_walk_entry entry;
    int            r = hob_walk_open(P("w"), &opts, &walk);
    if (r == 0)
        r = hob_walk_next(walk, &entry);
    while (r > 0)
        r = hob_walk_next(walk, &entry);
    *(int *)arg = r;
    return 0;
}

TEST(walk, can_be_cancelled_at_each_wait)
{
    struct hob_sim_world world = { .disk_min_ns = HOB_MSEC, .disk_max_ns = HOB_MSEC };
    int result = -ECANCELED, waits = 0;
    check_ok(plant());
    check_ok(hob_sim_set_world(&world));
    for (; result != 0; waits++) {
        HOB_SCOPE(s);
        hob_go(&s, walk_all, &result);
        check_ok(hob_sleep(waits * HOB_MSEC + HOB_MSEC / 2));
        hob_scope_cancel(&s, "test");
        ignore(hob_scope_end(&s));
        check(result == 0 || result == -ECANCELED);
    }
    check_gt(waits, 15);
}

/* What was stopped goes on where it was: nothing is left out. */
static int walk_with_stops(int *told, int *stopped)
{
    WALK(walk);
    hob_walk_entry entry;
    hob_walk_opts  opts = { .follow = 1 };
    int            r = 1;
    check_ok(hob_walk_open(P("w"), &opts, &walk));
    while (r != 0) {
        HOB_SCOPE(s);
        hob_scope_deadline(&s, hob_in((int64_t)(hob_random() % (8 * HOB_MSEC))));
        r = hob_walk_next(walk, &entry);
        ignore(hob_scope_end(&s));
        *told += r > 0;
        *stopped += r == -ETIMEDOUT;
        check(r >= 0 || r == -ETIMEDOUT);
    }
    return 0;
}

TEST(walk, goes_on_after_a_cancellation_where_it_was)
{
    struct hob_sim_world world = { .disk_min_ns = HOB_MSEC, .disk_max_ns = HOB_MSEC };
    int                  stopped = 0;
    check_ok(plant());
    check_ok(hob_sim_set_world(&world));
    for (int i = 0; i < 20; i++) {
        int told = 0;
        check_ok(walk_with_stops(&told, &stopped));
        check_eq(told, 9);
    }
    check_gt(stopped, 0);
}

/* What cannot be opened or read is told with its error, and the walk goes on. */
TEST(walk, an_error_of_the_disk_is_the_entrys_own)
{
    struct hob_sim_world good = { 0 }, bad = { .disk_error_percent = 25 };
    int                  errors = 0, ends = 0;
    check_ok(plant());
    for (int i = 0; i < 50; i++) {
        WALK(walk);
        hob_walk_opts  opts = { .order = i % 3, .sorted = i % 2 };
        hob_walk_entry entry;
        check_ok(hob_sim_set_world(&good));
        check_ok(hob_walk_open(P("w"), &opts, &walk));
        check_ok(hob_sim_set_world(&bad));
        int r, told = 0;
        while ((r = hob_walk_next(walk, &entry)) > 0 && told < 100) {
            told++;
            check(entry.error == 0 || entry.error == -EIO);
            errors += entry.error != 0;
        }
        check_lt(told, 30);
        check(r == 0 || (r == -EIO && told == 0)); // the beginning itself
        ends += r == 0;
    }
    check_gt(errors, 20);
    check_gt(ends, 20);
}
