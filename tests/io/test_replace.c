/* SPDX-License-Identifier: MIT */
/* Atomic replacement: old or new, whole, whatever happens. */
#include <sys/resource.h>

#include "support/io.h"
#include "support/tasks.h"
#include "support/waits.h"

#define P(name) scratch_path(name)

static const char OLD[] = "the old text", NEW[] = "the new text, which is longer";

/* 'o' or 'n'; '?' anything else. */
static char what_is_there(void)
{
    char  *data;
    size_t len;
    if (hob_path_read(P("r/f"), 1000, &data, &len) < 0)
        return '?';
    char c = strcmp(data, OLD) == 0 ? 'o' : strcmp(data, NEW) == 0 ? 'n' : '?';
    free(data);
    return c;
}

/* How many names there are in the folder. */
static int names(void)
{
    DIR_(dir);
    hob_entry entry;
    int       n = 0, r = hob_dir_open(P("r"), &dir);
    while (r >= 0 && (r = hob_dir_next(dir, &entry)) > 0)
        n++;
    return r < 0 ? r : n;
}

static int prepare(void)
{
    ignore(hob_path_mkdir(P("r"), 0700));
    return put_text(P("r/f"), OLD);
}

TEST_ON_ALL(replace, puts_the_new_one_in_the_place_of_the_old_one)
{
    struct stat st;
    check_ok(prepare());
    check_ok(hob_path_chmod(P("r/f"), 0640));
    check_ok(hob_path_replace(P("r/f"), NEW, strlen(NEW), 0));
    check_eq(what_is_there(), 'n');
    check_eq(names(), 1);
    check_ok(hob_path_stat(P("r/f"), &st));
    check_eq(st.st_mode & 07777, 0640);
    check_ok(hob_path_replace(P("r/f"), OLD, strlen(OLD), 0600));
    check_ok(hob_path_stat(P("r/f"), &st));
    check_eq(st.st_mode & 07777, 0600);
    check_ok(hob_path_replace(P("r/g"), OLD, strlen(OLD), 0));
    check_eq(names(), 2);
}

TEST_ON_ALL(replace, who_has_the_old_one_open_keeps_it)
{
    FILE_(reader);
    char buf[100];
    check_ok(prepare());
    check_ok(hob_file_open(P("r/f"), O_RDONLY, 0, &reader));
    check_ok(hob_path_replace(P("r/f"), NEW, strlen(NEW), 0));
    check_eq(hob_file_read(reader, buf, sizeof buf), strlen(OLD));
    check_mem(buf, OLD, strlen(OLD));
}

TEST_ON_ALL(replace, dropped_it_leaves_the_old_one_and_nothing_else)
{
    hob_replace *replace;
    check_ok(prepare());
    check_ok(hob_replace_begin(P("r/f"), 0, &replace));
    ssize_t n = hob_file_write(hob_replace_file(replace), "half", 4);
    hob_replace_drop(replace);
    check_eq(n, 4);
    check_eq(what_is_there(), 'o');
    check_eq(names(), 1);
    hob_replace_drop(NULL);
}

TEST_ON_ALL(replace, says_where_it_cannot)
{
    hob_replace *replace;
    check_ok(prepare());
    check_err(hob_replace_begin(P("none/f"), 0, &replace), -ENOENT);
    check_err(hob_replace_begin(P("r"), 0, &replace), -EISDIR);
    check_err(hob_replace_begin(P("r/"), 0, &replace), -EISDIR);
    check_err(hob_replace_begin("", 0, &replace), -ENOENT);
    check_err(hob_path_replace(P("r/f/g"), "", 0, 0), -ENOTDIR);
    check_eq(names(), 1);
}

/* Takes all descriptors but so many. */
static int take_descriptors(int fds[], int max, int but)
{
    int count = 0;
    while (count < max && (fds[count] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
        count++;
    for (; but > 0 && count > 0; but--)
        close(fds[--count]);
    return count;
}

/* The folder is asked for its sync when there is no way back: it must be open before. */
TEST_ON_ALL(replace, without_descriptors_the_old_one_stays)
{
    struct rlimit before, few;
    int           fds[200], failed = 0;
    if (in_sim())
        skip("the simulated world has no end of descriptors");
    check(getrlimit(RLIMIT_NOFILE, &before) == 0);
    few = (struct rlimit){ 200, before.rlim_max };
    for (int left = 0; left < 6; left++) {
        check_ok(prepare());
        check(setrlimit(RLIMIT_NOFILE, &few) == 0);
        int count = take_descriptors(fds, 200, left);
        int r = hob_path_replace(P("r/f"), NEW, strlen(NEW), 0);
        while (count > 0)
            close(fds[--count]);
        check(setrlimit(RLIMIT_NOFILE, &before) == 0);
        check(r == 0 || r == -EMFILE);
        check_eq(what_is_there(), r == 0 ? 'n' : 'o');
        check_eq(names(), 1);
        failed += r < 0;
    }
    check_gt(failed, 0);
    check_lt(failed, 6);
}

TEST_ON_ALL(replace, a_symbolic_link_is_replaced_itself)
{
    struct stat st;
    check_ok(prepare());
    check_ok(hob_path_rename(P("r/f"), P("r/g"), 0));
    check_ok(hob_path_symlink("g", P("r/f")));
    check_ok(hob_path_replace(P("r/f"), NEW, strlen(NEW), 0));
    check_ok(hob_path_lstat(P("r/f"), &st));
    check(S_ISREG(st.st_mode));
    check_eq(names(), 2);
}

struct replacing {
    int result;
};

static int replace_it(void *arg)
{
    struct replacing *replacing = arg;
    replacing->result = hob_path_replace(P("r/f"), NEW, strlen(NEW), 0);
    return 0;
}

/* At each point in time of a slow disk: cancelled, it is old and nothing is left over, or new. */
static int cancel_at_each_wait(bool by_deadline, int *ret_cancelled, int *ret_late)
{
    struct hob_sim_world fast = { 0 };
    struct hob_sim_world slow = { .disk_min_ns = HOB_MSEC, .disk_max_ns = HOB_MSEC };
    struct replacing     replacing = { -1 };
    for (int at = 0; at < 25; at++) {
        check_ok(hob_sim_set_world(&fast));
        check_ok(prepare());
        check_ok(hob_sim_set_world(&slow));
        {
            HOB_SCOPE(s);
            if (by_deadline)
                hob_scope_deadline(&s, hob_in(at * HOB_MSEC / 2));
            hob_go(&s, replace_it, &replacing);
            if (!by_deadline) {
                check_ok(hob_sleep(at * HOB_MSEC / 2));
                hob_scope_cancel(&s, "test");
            }
            ignore(hob_scope_end(&s));
        }
        check_ok(hob_sim_set_world(&fast));
        check(replacing.result == 0 || replacing.result == (by_deadline ? -ETIMEDOUT : -ECANCELED));
        check_eq(what_is_there(), replacing.result == 0 ? 'n' : 'o');
        check_eq(names(), 1);
        *ret_cancelled += replacing.result < 0;
        *ret_late += replacing.result == 0;
    }
    return 0;
}

TEST(replace, cancelled_at_each_wait_it_is_old_or_new)
{
    int cancelled = 0, late = 0;
    check_ok(cancel_at_each_wait(false, &cancelled, &late));
    check_gt(cancelled, 8);
    check_gt(late, 3);
    check_ok(cancel_at_each_wait(true, &cancelled, &late));
}

static int replace_once(void *arg)
{
    return hob_path_replace(P("r/f"), NEW, strlen(NEW), 0);
}

/* The same on every backend, by the waits that there are. */
TEST_ON_ALL(replace, at_any_wait_of_any_backend_cancelled_it_is_old_or_new)
{
    int                  cancelled = 0, done = 0;
    struct hob_sim_world slow = { .disk_min_ns = HOB_MSEC, .disk_max_ns = HOB_MSEC };
    if (in_sim())
        check_ok(hob_sim_set_world(&slow)); // else its disk never lets anybody wait
    for (uint64_t at = 1;; at++) {
        struct cancelled c = { .fn = replace_once, .at = at };
        check_ok(prepare());
        check_ok(cancel_at_wait(&c));
        check(c.result == 0 || (c.result == -ECANCELED && c.was_there));
        check_eq(what_is_there(), c.result == 0 ? 'n' : 'o');
        check_eq(names(), 1);
        cancelled += c.result != 0;
        done += c.result == 0;
        if (!c.was_there)
            break;
        check_lt(at, 1000);
    }
    check_gt(cancelled, 1);
    check_gt(done, 0); // the last, and those that were cancelled too late
}

/* A reader never finds a half. */
static int read_for_ever(void *arg)
{
    int *reads = arg;
    for (;;) {
        char  *data;
        size_t len;
        HOB_TRY(hob_path_read(P("r/f"), 1000, &data, &len));
        bool whole = strcmp(data, OLD) == 0 || strcmp(data, NEW) == 0;
        free(data);
        check(whole);
        ++*reads;
        HOB_TRY(hob_sleep(0));
    }
}

TEST_ON_ALL(replace, readers_find_the_old_one_or_the_new_one)
{
    int reads = 0;
    check_ok(prepare());
    HOB_SCOPE(s);
    hob_go(&s, read_for_ever, &reads);
    for (int i = 0; i < 20 || (reads == 0 && i < 2000); i++) {
        const char *text = i % 2 ? OLD : NEW;
        check_ok(hob_path_replace(P("r/f"), text, strlen(text), 0));
        check_ok(hob_sleep(0));
    }
    check_gt(reads, 0);
    hob_scope_cancel(&s, "enough");
    ignore(hob_scope_end(&s));
}

/* SURVIVAL 39 and 40: an error of the disk at any step leaves the old one, or says so. */
TEST(replace, a_disk_with_errors_leaves_old_or_new)
{
    struct hob_sim_world good = { 0 };
    struct hob_sim_world bad = { .disk_error_percent = 20 };
    int                  failed = 0;
    for (int i = 0; i < 60; i++) {
        check_ok(prepare());
        check_ok(hob_sim_set_world(&bad));
        int r = hob_path_replace(P("r/f"), NEW, strlen(NEW), 0);
        check_ok(hob_sim_set_world(&good));
        char is = what_is_there();
        check(r == 0 || r == -EIO);
        if (r == 0)
            check_eq(is, 'n');
        check(is == 'o' || is == 'n');
        failed += r < 0;
    }
    check_gt(failed, 10);
    struct hob_sim_world full = { .disk_bytes = 20 };
    check_ok(prepare());
    check_ok(hob_sim_set_world(&full));
    check_err(hob_path_replace(P("r/f"), NEW, strlen(NEW), 0), -ENOSPC);
    check_eq(what_is_there(), 'o');
}
