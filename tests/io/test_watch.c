/* SPDX-License-Identifier: MIT */
/* Watching: each change is told once, whoever made it and however it came about. */
#include "support/io.h"
#include "support/tasks.h"

#define P(name) scratch_path(name)

/* What a test does in one go is gathered in one, also on a busy machine. */
static const int64_t PATIENT_NS = 120 * HOB_MSEC;

/* The next events as a text: "created a/b, moved c from d". It ends with `until`, which is made for
 * that and left out. */
static int told(hob_watch *watch, const char *until, char *text, size_t size)
{
    size_t base = strlen(hob_test_scratch()) + 3; // "/w/"
    hob_watch_event event;
    text[0] = '\0';
    check_ok(put_text(P(until), ""));
    for (;;) {
        HOB_SCOPE(s);
        hob_scope_deadline(&s, hob_in(5 * HOB_SEC));
        int r = hob_watch_next(watch, &event);
        ignore(hob_scope_end(&s));
        check_eq(r, 1);
        if (strcmp(event.path, P(until)) == 0 && event.kind == HOB_WATCH_CREATED)
            break;
        const char *path = strlen(event.path) > base ? event.path + base : "/";
        size_t len = strlen(text);
        snprintf(text + len, size - len, "%s%s %s%s%s%s", len > 0 ? ", " : "",
                 hob_watch_word(event.kind), path, event.is_folder ? "/" : "",
                 event.from != NULL ? " from " : "", event.from != NULL ? event.from + base : "");
    }
    check_ok(hob_path_unlink(P(until)));
    HOB_SCOPE(s);
    hob_scope_deadline(&s, hob_in(5 * HOB_SEC));
    int r = hob_watch_next(watch, &event);
    ignore(hob_scope_end(&s));
    check_eq(r, 1);
    check_eq(event.kind, HOB_WATCH_REMOVED);
    return 0;
}

#define check_told(expected)                                   \
    do {                                                       \
        char text_[2000];                                      \
        check_ok(told(watch, "w/end", text_, sizeof text_));   \
        check_str(text_, expected);                            \
    } while (0)

static int begin(const hob_watch_opts *opts, hob_watch **ret_watch)
{
    check_ok(hob_path_mkdirs(P("w"), 0700));
    return hob_watch_open(P("w"), opts, ret_watch);
}

TEST_ON_ALL(watch, each_path_has_one_event_for_what_happened_to_it)
{
    WATCH(watch);
    hob_watch_opts opts = { .gather_ns = PATIENT_NS };
    check_ok(begin(&opts, &watch));
    check_ok(put_text(P("w/a"), "text"));
    check_told("created a");
    check_ok(put_text(P("w/a"), "more"));
    check_ok(put_text(P("w/a"), "and more"));
    check_told("changed a");
    check_ok(hob_path_chmod(P("w/a"), 0640));
    check_told("attributes a");
    check_ok(put_text(P("w/b"), "comes"));
    check_ok(hob_path_unlink(P("w/b")));
    check_ok(hob_path_unlink(P("w/a")));
    check_told("removed a");
    check_ok(hob_path_mkdir(P("w/d"), 0700));
    check_told("created d/");
    check_ok(put_text(P("w/d/inside"), ""));
    check_told("");
}

TEST_ON_ALL(watch, a_rename_is_one_event)
{
    WATCH(watch);
    check_ok(hob_path_mkdirs(P("w"), 0700));
    check_ok(put_text(P("w/a"), ""));
    check_ok(put_text(P("outside"), ""));
    check_ok(begin(NULL, &watch));
    check_ok(hob_path_rename(P("w/a"), P("w/b"), 0));
    check_told("moved b from a");
    check_ok(hob_path_rename(P("w/b"), P("gone"), 0));
    check_told("removed b");
    check_ok(hob_path_rename(P("outside"), P("w/c"), 0));
    check_told("created c");
}

TEST_ON_ALL(watch, a_file_that_is_replaced_is_told_as_it_is_in_the_end)
{
    WATCH(watch);
    hob_watch_opts opts = { .gather_ns = PATIENT_NS };
    check_ok(hob_path_mkdirs(P("w"), 0700));
    check_ok(put_text(P("w/a"), "old"));
    check_ok(begin(&opts, &watch));
    check_ok(hob_path_replace(P("w/a"), "new", 3, 0));
    check_told("created a");
}

TEST_ON_ALL(watch, folders_that_are_made_later_are_watched_too)
{
    WATCH(watch);
    hob_watch_opts opts = { .recursive = 1, .gather_ns = PATIENT_NS };
    check_ok(hob_path_mkdirs(P("w/old/deep"), 0700));
    check_ok(begin(&opts, &watch));
    check_ok(put_text(P("w/old/deep/a"), ""));
    check_told("created old/deep/a");
    check_ok(hob_path_mkdirs(P("w/new/deep"), 0700));
    check_told("created new/, created new/deep/");
    check_ok(put_text(P("w/new/deep/b"), ""));
    check_told("created new/deep/b");
    check_ok(hob_path_mkdirs(P("x/y"), 0700));
    check_ok(put_text(P("x/y/c"), ""));
    check_ok(hob_path_rename(P("x"), P("w/x"), 0));
    check_told("created x/, created x/y/, created x/y/c");
    check_ok(put_text(P("w/x/y/c"), "changed"));
    check_told("changed x/y/c");
}

TEST_ON_ALL(watch, a_folder_that_moves_takes_its_watches_along_or_leaves_them)
{
    WATCH(watch);
    hob_watch_opts opts = { .recursive = 1, .gather_ns = PATIENT_NS };
    check_ok(hob_path_mkdirs(P("w/a/deep"), 0700));
    check_ok(begin(&opts, &watch));
    check_ok(hob_path_rename(P("w/a"), P("w/b"), 0));
    check_told("moved b/ from a");
    check_ok(put_text(P("w/b/deep/f"), ""));
    check_told("created b/deep/f");
    check_ok(hob_path_rename(P("w/b"), P("away"), 0));
    check_told("removed b/");
    check_ok(put_text(P("away/deep/g"), ""));
    check_told("");
    check_ok(hob_path_rename(P("away"), P("w/b"), 0));
    check_told("created b/, created b/deep/, created b/deep/f, created b/deep/g");
}

TEST_ON_ALL(watch, what_was_changed_and_then_renamed_is_told_as_both)
{
    WATCH(watch);
    hob_watch_opts opts = { .gather_ns = PATIENT_NS };
    check_ok(hob_path_mkdirs(P("w"), 0700));
    check_ok(put_text(P("w/a"), "old"));
    check_ok(begin(&opts, &watch));
    check_ok(put_text(P("w/a"), "new"));
    check_ok(hob_path_rename(P("w/a"), P("w/b"), 0));
    check_told("moved b from a, changed b");
    check_ok(hob_path_chmod(P("w/b"), 0640));
    check_ok(hob_path_rename(P("w/b"), P("w/c"), 0));
    check_told("moved c from b, attributes c");
    check_ok(put_text(P("w/t"), "made"));
    check_ok(hob_path_rename(P("w/t"), P("w/d"), 0));
    check_told("created d");
}

TEST(watch, what_was_there_and_is_gone_is_told_whatever_came_between)
{
    WATCH(watch);
    hob_watch_opts opts = { .gather_ns = PATIENT_NS };
    check_ok(hob_path_mkdirs(P("w"), 0700));
    check_ok(put_text(P("w/a"), "old"));
    check_ok(put_text(P("w/b"), "old"));
    check_ok(put_text(P("w/c"), "old"));
    check_ok(put_text(P("outside"), ""));
    check_ok(begin(&opts, &watch));
    check_ok(hob_path_unlink(P("w/a")));
    check_ok(put_text(P("w/a"), "new"));
    check_ok(hob_path_unlink(P("w/a")));
    check_told("removed a");
    check_ok(hob_path_rename(P("outside"), P("w/b"), 0));
    check_ok(hob_path_unlink(P("w/b")));
    check_told("removed b");
    check_ok(put_text(P("w/new"), "new"));
    check_ok(hob_path_rename(P("w/new"), P("w/c"), 0));
    check_ok(hob_path_unlink(P("w/c")));
    check_told("removed c");
}

TEST(watch, a_folder_comes_before_what_is_in_it)
{
    WATCH(watch);
    hob_watch_opts opts = { .recursive = 1, .gather_ns = PATIENT_NS };
    check_ok(begin(&opts, &watch));
    check_ok(hob_path_mkdir(P("w/d"), 0700));
    check_ok(put_text(P("w/d/f"), ""));
    check_ok(hob_path_chmod(P("w/d"), 0750)); // as those do who copy trees
    check_ok(hob_path_utimes(P("w/d"), NULL));
    check_told("created d/, created d/f");
}

/* By the old path nobody would find it. */
TEST(watch, what_happened_in_a_folder_before_it_was_renamed_is_told_by_its_new_path)
{
    WATCH(watch);
    hob_watch_opts opts = { .recursive = 1, .gather_ns = PATIENT_NS };
    check_ok(hob_path_mkdirs(P("w/d/deep"), 0700));
    check_ok(begin(&opts, &watch));
    check_ok(put_text(P("w/d/deep/f"), ""));
    check_ok(hob_path_rename(P("w/d"), P("w/e"), 0));
    check_told("removed d/, created e/, created e/deep/, created e/deep/f");
    check_ok(put_text(P("w/e/deep/f"), "more"));
    check_told("changed e/deep/f");
    check_ok(hob_path_mkdir(P("w/n"), 0700));
    check_ok(put_text(P("w/n/f"), ""));
    check_ok(hob_path_rename(P("w/n"), P("w/m"), 0));
    check_told("created m/, created m/f");
}

TEST(watch, a_folder_in_the_place_of_one_that_left_is_another)
{
    WATCH(watch);
    hob_watch_opts opts = { .recursive = 1, .gather_ns = PATIENT_NS };
    check_ok(hob_path_mkdirs(P("w/d"), 0700));
    check_ok(put_text(P("w/d/f"), ""));
    check_ok(begin(&opts, &watch));
    check_ok(hob_path_rename(P("w/d"), P("away"), 0));
    check_ok(hob_path_mkdir(P("w/d"), 0700));
    check_told("removed d/, created d/");
    check_ok(put_text(P("away/g"), ""));
    check_ok(put_text(P("w/d/h"), ""));
    check_told("created d/h");
}

TEST_ON_ALL(watch, one_file_is_watched_also_when_it_is_replaced)
{
    WATCH(watch);
    hob_watch_event event;
    check_ok(hob_path_mkdirs(P("w"), 0700));
    hob_watch_opts opts = { .gather_ns = PATIENT_NS };
    check_ok(hob_watch_open(P("w/f"), &opts, &watch));
    check_ok(put_text(P("w/other"), ""));
    check_ok(hob_path_replace(P("w/f"), "new", 3, 0));
    check_eq(hob_watch_next(watch, &event), 1);
    check_eq(event.kind, HOB_WATCH_CREATED);
    check_str(event.path, P("w/f"));
    check_ok(hob_path_unlink(P("w/f")));
    check_eq(hob_watch_next(watch, &event), 1);
    check_eq(event.kind, HOB_WATCH_REMOVED);
    WATCH(none);
    check_err(hob_watch_open(P("none/f"), NULL, &none), -ENOENT);
    check_err(hob_watch_open("", NULL, &none), -ENOENT);
}

TEST_ON_ALL(watch, ends_with_what_is_watched)
{
    WATCH(watch);
    hob_watch_event event;
    check_ok(begin(NULL, &watch));
    check_ok(hob_path_rmdir(P("w")));
    check_eq(hob_watch_next(watch, &event), 1);
    check_eq(event.kind, HOB_WATCH_GONE);
    check_eq(hob_watch_next(watch, &event), 0);
    check_eq(hob_watch_next(watch, &event), 0);
}

TEST_ON_ALL(watch, too_many_events_are_told_as_lost_and_it_goes_on)
{
    WATCH(watch);
    hob_watch_opts  opts = { .recursive = 1, .events_max = 5, .gather_ns = 100 * HOB_MSEC };
    hob_watch_event event;
    check_ok(begin(&opts, &watch));
    for (int i = 0; i < 20; i++) {
        char name[20];
        snprintf(name, sizeof name, "w/d%d", i);
        check_ok(hob_path_mkdir(P(name), 0700));
    }
    check_eq(hob_watch_next(watch, &event), 1);
    check_eq(event.kind, HOB_WATCH_OVERFLOW);
    check_str(event.path, P("w"));
    // Whatever else comes of these; all folders are watched then.
    for (;;) {
        HOB_SCOPE(s);
        hob_scope_deadline(&s, hob_in(300 * HOB_MSEC));
        int r = hob_watch_next(watch, &event);
        ignore(hob_scope_end(&s));
        if (r == -ETIMEDOUT)
            break;
        check_eq(r, 1);
    }
    check_ok(put_text(P("w/d7/f"), ""));
    check_ok(put_text(P("w/d19/f"), ""));
    check_told("created d7/f, created d19/f");
}

/* What the lost events said of folders is found out by looking. */
TEST(watch, a_folder_that_left_when_events_were_lost_is_not_watched_any_more)
{
    WATCH(watch);
    hob_watch_opts  opts = { .recursive = 1, .events_max = 5, .gather_ns = PATIENT_NS };
    hob_watch_event event;
    check_ok(hob_path_mkdirs(P("w/d"), 0700));
    check_ok(begin(&opts, &watch));
    check_ok(hob_path_rename(P("w/d"), P("away"), 0));
    check_ok(hob_path_mkdir(P("w/new"), 0700));
    for (int i = 0; i < 20; i++) {
        char name[20];
        snprintf(name, sizeof name, "w/f%d", i);
        check_ok(put_text(P(name), ""));
    }
    check_eq(hob_watch_next(watch, &event), 1);
    check_eq(event.kind, HOB_WATCH_OVERFLOW);
    check_ok(put_text(P("w/new/f"), "")); // it is watched when that is told
    check_ok(put_text(P("away/f"), ""));
    bool seen = false;
    for (;;) {
        HOB_SCOPE(s);
        hob_scope_deadline(&s, hob_in(300 * HOB_MSEC));
        int r = hob_watch_next(watch, &event);
        ignore(hob_scope_end(&s));
        if (r == -ETIMEDOUT)
            break;
        check_eq(r, 1);
        check(strstr(event.path, "/w/d/") == NULL);
        seen |= strstr(event.path, "/w/new/f") != NULL || event.kind == HOB_WATCH_OVERFLOW;
    }
    check(seen);
}

struct waiter {
    hob_watch *watch;
    int        result;
};

static int wait_once(void *arg)
{
    struct waiter  *waiter = arg;
    hob_watch_event event;
    waiter->result = hob_watch_next(waiter->watch, &event);
    return 0;
}

TEST_ON_ALL(watch, closing_it_ends_the_wait)
{
    struct waiter waiter = { NULL, 0 };
    check_ok(begin(NULL, &waiter.watch));
    HOB_SCOPE(s);
    hob_go(&s, wait_once, &waiter);
    settle();
    hob_watch_close(waiter.watch);
    check_ok(hob_scope_end(&s));
    check_eq(waiter.result, -ECANCELED);
}

/* The disk is slow, and whoever waits is stopped at random moments: every file is told. */
static int make_files(void *arg)
{
    for (int i = 0; i < *(int *)arg; i++) {
        char name[40];
        snprintf(name, sizeof name, "w/d%d", i);
        check_ok(hob_path_mkdir(P(name), 0700));
        snprintf(name, sizeof name, "w/d%d/f", i);
        check_ok(put_text(P(name), "x"));
    }
    return 0;
}

TEST(watch, a_wait_that_is_cancelled_loses_nothing)
{
    WATCH(watch);
    enum { FILES = 30 };
    hob_watch_opts       opts = { .recursive = 1 };
    struct hob_sim_world world = { .disk_max_ns = 3 * HOB_MSEC };
    int                  files = FILES, seen[FILES] = { 0 }, found = 0, stopped = 0;
    check_ok(begin(&opts, &watch));
    check_ok(hob_sim_set_world(&world));
    HOB_SCOPE(s);
    hob_go(&s, make_files, &files);
    for (int rounds = 0; found < FILES; rounds++) {
        hob_watch_event event;
        int             i;
        HOB_SCOPE(patience);
        hob_scope_deadline(&patience, hob_in((int64_t)(hob_random() % (20 * HOB_MSEC))));
        int r = hob_watch_next(watch, &event);
        ignore(hob_scope_end(&patience));
        check(r == 1 || r == -ETIMEDOUT);
        check_lt(rounds, 2000);
        stopped += r < 0;
        const char *d = r == 1 ? strstr(event.path, "/w/d") : NULL;
        if (d == NULL || sscanf(d, "/w/d%d/f", &i) != 1 || strchr(d + 4, 'f') == NULL)
            continue;
        found += seen[i]++ == 0;
    }
    check_ok(hob_scope_end(&s));
    check_gt(stopped, 3);
}
