/* SPDX-License-Identifier: MIT */
/* Files and folders by their names. What each call answers is held to a real file system by
 * test_disk.c; here is what only Hob promises. */
#include <sys/statvfs.h>
#include <sys/xattr.h>

#include "support/io.h"
#include "support/tasks.h"
#include "support/waits.h"

#define P(name) scratch_path(name)

static int check_text(const char *path, const char *text)
{
    char  *data;
    size_t len;
    check_ok(hob_path_read(path, 1 << 20, &data, &len));
    bool same = len == strlen(text) && memcmp(data, text, len) == 0 && data[len] == '\0';
    if (!same)
        fprintf(stderr, "%s has \"%s\"\n", path, data);
    free(data);
    check(same);
    return 0;
}

static bool is_there(const char *path)
{
    struct stat st;
    return hob_path_lstat(path, &st) == 0;
}

/* ---- names ---- */

TEST_ON_ALL(path, a_name_can_be_moved_linked_and_removed)
{
    struct stat st;
    char        target[64];

    check_ok(put_text(P("a"), "one"));
    check_ok(hob_path_rename(P("a"), P("b"), 0));
    check(!is_there(P("a")));
    check_ok(hob_path_link(P("b"), P("c")));
    check_ok(hob_path_stat(P("c"), &st));
    check_eq(st.st_nlink, 2);
    check_ok(hob_path_symlink("c", P("s")));
    check_eq(hob_path_readlink(P("s"), target, sizeof target), 1);
    check_str(target, "c");
    check_err(hob_path_readlink(P("s"), target, 1), -ENAMETOOLONG);
    check_err(hob_path_readlink(P("c"), target, sizeof target), -EINVAL);
    check_ok(hob_path_lstat(P("s"), &st));
    check(S_ISLNK(st.st_mode));
    check_ok(hob_path_stat(P("s"), &st));
    check(S_ISREG(st.st_mode));
    check_ok(check_text(P("s"), "one"));
    check_ok(hob_path_unlink(P("b")));
    check_ok(hob_path_unlink(P("c")));
    check_err(hob_path_stat(P("s"), &st), -ENOENT);
    check_err(hob_path_unlink(P("b")), -ENOENT);
}

TEST_ON_ALL(path, renaming_can_refuse_to_replace_and_can_exchange)
{
    check_ok(put_text(P("a"), "one"));
    check_ok(put_text(P("b"), "two"));
    int r = hob_path_rename(P("a"), P("b"), HOB_RENAME_NOREPLACE);
    if (r == -EINVAL)
        skip("this file system cannot");
    check_err(r, -EEXIST);
    check_ok(hob_path_rename(P("a"), P("b"), HOB_RENAME_EXCHANGE));
    check_ok(check_text(P("a"), "two"));
    check_ok(check_text(P("b"), "one"));
    check_ok(hob_path_rename(P("a"), P("b"), 0));
    check_ok(check_text(P("b"), "two"));
}

TEST_ON_ALL(path, an_open_file_outlives_its_name)
{
    FILE_(file);
    char buf[8];
    check_ok(put_text(P("a"), "here"));
    check_ok(hob_file_open(P("a"), O_RDONLY, 0, &file));
    check_ok(hob_path_unlink(P("a")));
    check_eq(hob_file_read(file, buf, sizeof buf), 4);
    check_mem(buf, "here", 4);
}

/* SURVIVAL 43. */
TEST_ON_ALL(path, what_can_be_no_path_is_refused)
{
    struct stat  st;
    hob_op       op;
    static char  longest[5000];
    memset(longest, 'a', sizeof longest - 1);
    check_err(hob_path_mkdir("", 0700), -ENOENT);
    check_err(hob_path_mkdir(longest, 0700), -ENAMETOOLONG);
    check_err(hob_path_rename(P("a"), longest, 0), -ENAMETOOLONG);
    check_err(hob_path_rename(P("a"), "", 0), -ENOENT);
    check_err(hob_path_unlink_prep(&op, longest), -ENAMETOOLONG);
    check_err(hob_path_symlink("", P("s")), -ENOENT);
    check_err(hob_path_lstat(longest, &st), -ENAMETOOLONG);
    longest[300] = '\0';
    check_err(hob_path_lstat(longest, &st), -ENAMETOOLONG);
}

TEST_ON_ALL(path, links_that_lead_in_circles_end_with_an_error)
{
    struct stat st;
    check_ok(hob_path_symlink("b", P("a")));
    check_ok(hob_path_symlink("a", P("b")));
    check_err(hob_path_stat(P("a"), &st), -ELOOP);
}

/* ---- attributes ---- */

TEST_ON_ALL(path, attributes_are_kept)
{
    struct stat           st;
    struct statx          stx;
    struct statvfs        vfs;
    const struct timespec times[2] = { { 1000, 5000 }, { 2000, 7000 } };

    check_ok(put_text(P("a"), "12345"));
    check_ok(hob_path_chmod(P("a"), 0640));
    check_ok(hob_path_utimes(P("a"), times));
    check_ok(hob_path_stat(P("a"), &st));
    check_eq(st.st_mode & 07777, 0640);
    check_eq(st.st_mtim.tv_sec, 2000);
    check_eq(st.st_atim.tv_sec, 1000);
    check_ok(hob_path_truncate(P("a"), 2));
    check_ok(check_text(P("a"), "12"));
    check_ok(hob_path_statx(P("a"), 0, STATX_BASIC_STATS, &stx));
    check_eq(stx.stx_size, 2);
    check_ok(hob_path_chown(P("a"), st.st_uid, (gid_t)-1));
    check_ok(hob_path_lchown(P("a"), (uid_t)-1, st.st_gid));
    check_ok(hob_path_access(P("a"), R_OK | W_OK));
    check_err(hob_path_access(P("a"), X_OK), -EACCES);
    check_err(hob_path_access(P("none"), F_OK), -ENOENT);
    check_ok(hob_path_statvfs(hob_test_scratch(), &vfs));
    check(vfs.f_bsize > 0);
}

TEST_ON_ALL(path, extended_attributes_are_kept)
{
    char value[16], names[256];
    check_ok(put_text(P("a"), ""));
    int r = hob_path_xattr_set(P("a"), "user.colour", "green", 5, 0);
    if (r == -EOPNOTSUPP)
        skip("not on this file system");
    check_ok(r);
    check_eq(hob_path_xattr_get(P("a"), "user.colour", value, sizeof value), 5);
    check_mem(value, "green", 5);
    check_eq(hob_path_xattr_get(P("a"), "user.colour", NULL, 0), 5);
    check_err(hob_path_xattr_get(P("a"), "user.colour", value, 2), -ERANGE);
    check_err(hob_path_xattr_set(P("a"), "user.colour", "red", 3, XATTR_CREATE), -EEXIST);
    check_err(hob_path_xattr_set(P("a"), "user.size", "3", 1, XATTR_REPLACE), -ENODATA);
    ssize_t n = check_ok(hob_path_xattr_list(P("a"), names, sizeof names));
    check(memmem(names, (size_t)n, "user.colour", 12) != NULL);
    check_ok(hob_path_xattr_remove(P("a"), "user.colour"));
    check_err(hob_path_xattr_get(P("a"), "user.colour", value, sizeof value), -ENODATA);
}

/* ---- the three styles ---- */

TEST_ON_ALL(path, all_styles_give_the_same_answers)
{
    FOR_EACH_STYLE(wait) {
        hob_op      op;
        struct stat st;
        check_ok(hob_path_mkdir_prep(&op, P("d"), 0700));
        check_ok(wait(&op));
        check_ok(hob_path_mkdir_prep(&op, P("d"), 0700));
        check_err(wait(&op), -EEXIST);
        check_ok(put_text(P("d/a"), "x"));
        check_ok(hob_path_rename_prep(&op, P("d/a"), P("d/b"), 0));
        check_ok(wait(&op));
        check_ok(hob_path_lstat_prep(&op, P("d/b"), &st));
        check_ok(wait(&op));
        check_eq(st.st_size, 1);
        check_ok(hob_path_unlink_prep(&op, P("d/b")));
        check_ok(wait(&op));
        check_ok(hob_path_rmdir_prep(&op, P("d")));
        check_ok(wait(&op));
        check_ok(hob_path_rmdir_prep(&op, P("d")));
        check_err(wait(&op), -ENOENT);
    }
}

TEST_ON_ALL(path, what_is_prepared_in_a_cancelled_scope_has_no_effect_and_leaves_nothing)
{
    hob_op        op;
    struct answer answer = { 0, 0 };
    check_ok(hob_path_mkdir_prep(&op, P("d"), 0700));
    {
        HOB_SCOPE(s);
        hob_scope_cancel(&s, "not wanted");
        hob_op_call(&s, &op, on_answer, &answer);
        ignore(hob_scope_end(&s));
    }
    check_eq(answer.result, -ECANCELED);
    check(!is_there(P("d")));
}

/* ---- whole files ---- */

TEST_ON_ALL(path, a_whole_file_is_read_up_to_a_limit)
{
    char  *data;
    size_t len;
    check_ok(put_text(P("a"), "0123456789"));
    check_ok(hob_path_read(P("a"), 10, &data, &len));
    check_eq(len, 10);
    check_str(data, "0123456789");
    free(data);
    check_err(hob_path_read(P("a"), 9, &data, &len), -EFBIG);
    check_ok(put_text(P("a"), ""));
    check_ok(hob_path_read(P("a"), 0, &data, &len));
    check_eq(len, 0);
    check_str(data, "");
    free(data);
    check_err(hob_path_read(P("none"), 9, &data, &len), -ENOENT);
    check_err(hob_path_read(hob_test_scratch(), 9, &data, &len), -EISDIR);
}

TEST_ON_ALL(path, a_file_that_tells_no_size_is_read_whole)
{
    char  *data;
    size_t len;
    if (in_sim())
        skip("there is no /proc here");
    check_ok(hob_path_read("/proc/self/status", 1 << 20, &data, &len));
    bool has = strstr(data, "VmPeak") != NULL || len > 100;
    free(data);
    check(has);
}

TEST_ON_ALL(path, a_long_file_is_read_whole)
{
    enum { LEN = 300000 };
    BYTES(bytes, LEN);
    char  *data;
    size_t len;
    fill(bytes, LEN, 0, 3);
    check_ok(hob_path_write(P("a"), bytes, LEN, 0600));
    check_ok(hob_path_read(P("a"), LEN, &data, &len));
    bool same = len == LEN && memcmp(data, bytes, LEN) == 0;
    free(data);
    check(same);
    check_err(hob_path_read(P("a"), LEN - 1, &data, &len), -EFBIG);
}

/* ---- folders ---- */

TEST_ON_ALL(path, folders_are_made_with_their_parents)
{
    struct stat st;
    check_ok(hob_path_mkdirs(P("a/b/c"), 0700));
    check_ok(hob_path_stat(P("a/b/c"), &st));
    check(S_ISDIR(st.st_mode));
    check_ok(hob_path_mkdirs(P("a/b/c"), 0700));
    check_ok(hob_path_mkdirs(P("a/b//d/"), 0700));
    check_ok(hob_path_stat(P("a/b/d"), &st));
    check_ok(put_text(P("a/f"), ""));
    check_err(hob_path_mkdirs(P("a/f"), 0700), -EEXIST);
    check_err(hob_path_mkdirs(P("a/f/g"), 0700), -ENOTDIR);
    check_ok(hob_path_mkdirs("/", 0700));
    check_err(hob_path_mkdirs("", 0700), -ENOENT);
}

/* A tree of folders, files and links, `width` at each of `depth` levels. */
static int grow_tree(const char *path, int depth, int width)
{
    char name[600];
    check_ok(hob_path_mkdir(path, 0700));
    for (int i = 0; i < width; i++) {
        snprintf(name, sizeof name, "%.500s/file%d", path, i);
        check_ok(put_text(name, "content"));
        snprintf(name, sizeof name, "%.500s/link%d", path, i);
        check_ok(hob_path_symlink("/", name));
        snprintf(name, sizeof name, "%.500s/folder%d", path, i);
        if (depth > 1)
            check_ok(grow_tree(name, depth - 1, width));
    }
    return 0;
}

TEST_ON_ALL(path, a_tree_is_removed_with_all_that_is_in_it)
{
    check_ok(hob_path_mkdir(P("outside"), 0700));
    check_ok(put_text(P("outside/stays"), "x"));
    check_ok(grow_tree(P("t"), 3, 3));
    check_ok(hob_path_symlink("../outside", P("t/link")));
    check_ok(hob_path_remove_tree(P("t")));
    check(!is_there(P("t")));
    check(is_there(P("outside/stays")));
    check_err(hob_path_remove_tree(P("t")), -ENOENT);
    check_ok(hob_path_symlink("outside", P("l")));
    check_ok(hob_path_remove_tree(P("l")));
    check(is_there(P("outside/stays")));
    check_ok(hob_path_remove_tree(P("outside/stays")));
    check_err(hob_path_remove_tree(P("outside/.")), -EINVAL);
    check_err(hob_path_remove_tree(P("outside/x/..")), -EINVAL);
    check_err(hob_path_remove_tree("/"), -EINVAL);
    check(is_there(P("outside")));
}

/* Built by moving each folder into a new one, since no path is long enough. */
TEST_ON_ALL(path, a_tree_deeper_than_descriptors_and_paths_are_is_removed)
{
    check_ok(hob_path_mkdir(P("t"), 0700));
    for (int i = 0; i < 300; i++) {
        check_ok(hob_path_mkdir(P("u"), 0700));
        check_ok(hob_path_rename(P("t"), P("u/a-name-that-is-long-so-that-the-path-grows"), 0));
        check_ok(put_text(P("u/file"), ""));
        check_ok(hob_path_rename(P("u"), P("t"), 0));
    }
    check_ok(hob_path_remove_tree(P("t")));
    check(!is_there(P("t")));
}

/* What an error keeps stays with the folders above it; the rest goes, and the next call goes on. */
TEST(path, removing_a_tree_goes_on_behind_an_error)
{
    struct hob_sim_world good = { 0 }, bad = { .disk_error_percent = 15 };
    int                  failed = 0;
    for (int i = 0; i < 10; i++) {
        check_ok(hob_sim_set_world(&good));
        check_ok(grow_tree(P("t"), 3, 2));
        check_ok(hob_sim_set_world(&bad));
        int r = -EIO;
        for (int tries = 0; r == -EIO && tries < 200; tries++) {
            r = hob_path_remove_tree(P("t"));
            failed += r == -EIO;
        }
        check_ok(hob_sim_set_world(&good));
        check(r == 0 || r == -ENOENT);
        check(!is_there(P("t")));
    }
    check_gt(failed, 10);
}

/* In a folder that nobody may write to: the tree's own name stays, and all that is in it goes. */
TEST_ON_ALL(path, a_tree_whose_own_name_cannot_be_removed_is_emptied)
{
    uid_t me = geteuid();
    if (in_sim())
        skip("in sim nobody is refused access");
    check_ok(hob_path_mkdirs(P("shut/t/deep"), 0777));
    check_ok(put_text(P("shut/file"), ""));
    check_ok(put_text(P("shut/t/file"), ""));
    check_ok(put_text(P("shut/t/deep/file"), ""));
    check_ok(hob_path_chmod(P("shut/t"), 0777));
    check_ok(hob_path_chmod(P("shut/t/deep"), 0777));
    check_ok(hob_path_chmod(P("shut"), 0555));
    check_ok(hob_path_chmod(hob_test_scratch(), 0755));
    if (me == 0)
        check(seteuid(65534) == 0); // whom no right can be taken from, is somebody else meanwhile
    int entered = hob_path_access(P("shut/t"), W_OK);
    int folder = hob_path_remove_tree(P("shut/t"));
    int file = hob_path_remove_tree(P("shut/file"));
    check(seteuid(me) == 0);
    check_ok(hob_path_chmod(P("shut"), 0755));
    if (entered < 0)
        skip("the scratch folder is in one that others may not enter");
    check_err(folder, -EACCES);
    check_err(file, -EACCES);
    check(is_there(P("shut/t")) && is_there(P("shut/file")));
    check(!is_there(P("shut/t/file")) && !is_there(P("shut/t/deep")));
}

struct removal {
    const char *path;
    int         result;
};

static int remove_it(void *arg)
{
    struct removal *removal = arg;
    removal->result = hob_path_remove_tree(removal->path);
    return 0;
}

/* Cancelled at each of its waits: it leaves what it had not come to, and no more than before. */
TEST(path, removing_a_tree_can_be_cancelled_at_each_wait)
{
    struct hob_sim_world world = { .disk_min_ns = HOB_MSEC, .disk_max_ns = HOB_MSEC };
    struct removal       removal = { P("t"), 0 };
    int                  cancelled = 0;
    for (int at = 0; at == 0 || cancelled == at; at++) {
        world.disk_min_ns = world.disk_max_ns = 0;
        check_ok(hob_sim_set_world(&world));
        check_ok(grow_tree(P("t"), 2, 2));
        world.disk_min_ns = world.disk_max_ns = HOB_MSEC;
        check_ok(hob_sim_set_world(&world));
        HOB_SCOPE(s);
        hob_go(&s, remove_it, &removal);
        check_ok(hob_sleep(at * HOB_MSEC + HOB_MSEC / 2));
        hob_scope_cancel(&s, "test");
        ignore(hob_scope_end(&s));
        check(removal.result == 0 || removal.result == -ECANCELED);
        cancelled += removal.result == -ECANCELED;
        if (removal.result == 0)
            check(!is_there(P("t")));
        else
            check_ok(hob_path_remove_tree(P("t")));
    }
    check_gt(cancelled, 20);
}

/* Somebody changes folders into links while the tree is removed: nothing outside goes. */
static int swap_for_ever(void *arg)
{
    for (;;) {
        int r = hob_path_rename(P("t/folder0"), P("aside"), 0);
        if (r == 0)
            r = hob_path_symlink("../outside", P("t/folder0"));
        if (r == -ECANCELED)
            return r;
        HOB_TRY(hob_sleep(100 * HOB_USEC));
        ignore(hob_path_unlink(P("t/folder0")));
        ignore(hob_path_rename(P("aside"), P("t/folder0"), 0));
    }
}

TEST_ON_ALL(path, a_link_put_in_a_folders_place_leads_nobody_out)
{
    check_ok(hob_path_mkdir(P("outside"), 0700));
    check_ok(put_text(P("outside/stays"), "x"));
    for (int i = 0; i < 10; i++) {
        check_ok(grow_tree(P("t"), 2, 3));
        HOB_SCOPE(s);
        hob_go(&s, swap_for_ever, NULL);
        for (int tries = 0; is_there(P("t")) && tries < 1000; tries++)
            ignore(hob_path_remove_tree(P("t")));
        hob_scope_cancel(&s, "enough");
        ignore(hob_scope_end(&s));
        ignore(hob_path_remove_tree(P("aside")));
        ignore(hob_path_remove_tree(P("t")));
        check(is_there(P("outside/stays")));
    }
}

/* The same at each wait of the removal, by the system's own calls. */
static void swap_by_system(void)
{
    if (rename(P("t/folder0"), P("aside")) == 0)
        ignore(symlink("../outside", P("t/folder0")));
}

static int remove_t(void *arg)
{
    return hob_path_remove_tree(P("t"));
}

TEST_ON_ALL(path, a_link_put_there_at_any_wait_leads_nobody_out)
{
    if (in_sim())
        skip("here the system has no say");
    check_ok(hob_path_mkdir(P("outside"), 0700));
    check_ok(put_text(P("outside/stays"), "x"));
    bool was_there = true;
    for (uint64_t at = 1; was_there; at++) {
        struct cancelled c = { .fn = remove_t, .at = at, .act = swap_by_system };
        check_ok(grow_tree(P("t"), 2, 2));
        check_ok(cancel_at_wait(&c));
        was_there = c.was_there;
        check(is_there(P("outside/stays")));
        ignore(hob_path_remove_tree(P("aside")));
        ignore(hob_path_remove_tree(P("t")));
    }
}

/* ---- names of one's own ---- */

TEST_ON_ALL(path, temporary_names_are_new_each_time)
{
    FILE_(a);
    FILE_(b);
    char name_a[512], name_b[512], folder[512], bad[] = "/tmp/none";
    snprintf(name_a, sizeof name_a, "%s/x-XXXXXX", hob_test_scratch());
    strcpy(name_b, name_a);
    strcpy(folder, name_a);
    check_ok(hob_path_make_temp(name_a, &a));
    check_ok(hob_path_make_temp(name_b, &b));
    check(strcmp(name_a, name_b) != 0);
    check(is_there(name_a));
    check_ok(hob_path_make_temp_dir(folder));
    check(is_there(folder));
    check_err(hob_path_make_temp_dir(bad), -EINVAL);
}
