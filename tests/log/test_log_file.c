/* SPDX-License-Identifier: MIT */
/*
 * Logs in files: what is in them, rotation, reopening, disks that are full, slow or broken. On sim that
 * is the simulated disk.
 */
#include "support/io.h"

static hob_log_stats stats(void)
{
    hob_log_stats stats;
    hob_log_stats_get(&stats);
    return stats;
}

static void text_free(char **text)
{
    free(*text);
}

#define TEXT(name) __attribute__((cleanup(text_free))) char *name = NULL

/* All of a file, as a text. */
static int text_of(const char *path, char **ret_text)
{
    char  *data;
    size_t len;
    HOB_TRY(hob_path_read(path, 64 << 20, &data, &len));
    char *text = realloc(data, len + 1);
    if (text == NULL) {
        free(data);
        return -ENOMEM;
    }
    text[len] = '\0';
    *ret_text = text;
    return 0;
}

static int count_lines(const char *text, const char *what)
{
    int count = 0;
    for (const char *at = text; (at = strstr(at, what)) != NULL; at += strlen(what))
        count++;
    return count;
}

/* The file, and options for it: no place is cut short, and the lines are short. */
static hob_log_opts to_file(const char *path)
{
    return (hob_log_opts){ .path = path, .form = HOB_LOG_FORM_JOURNAL, .site_per_s = -1 };
}

#define UNTIL_THE_END __attribute__((cleanup(end_of_log), unused)) int HOB_JOIN(end_, __LINE__) = 0

/* Before the scratch folder is gone. */
static void end_of_log(int *unused)
{
    ignore(hob_log_setup(NULL));
}

TEST_ON_ALL(file, has_the_lines_in_order)
{
    TEXT(text);
    const char  *path = scratch_path("log");
    hob_log_opts opts = to_file(path);
    UNTIL_THE_END;
    check_ok(put_text(path, "what was there\n"));
    check_ok(hob_log_setup(&opts));
    for (int i = 0; i < 1000; i++) {
        HOB_LOG(INFO, "line", "i", i);
        if (i % 100 == 0)
            check_ok(hob_sleep(HOB_MSEC / 10));
    }
    check_ok(hob_log_flush(HOB_FOREVER));
    check_ok(text_of(path, &text));
    check(strncmp(text, "what was there\n", 15) == 0);
    check_eq(count_lines(text, "<6>line i="), 1000);
    const char *at = text;
    for (int i = 0; i < 1000; i++) {
        char want[32];
        snprintf(want, sizeof want, "<6>line i=%d ", i);
        at = strstr(at, want);
        check(at != NULL);
    }
}

TEST_ON_ALL(file, is_for_the_program_and_its_group)
{
    struct stat  st;
    hob_log_opts opts = to_file(scratch_path("log"));
    UNTIL_THE_END;
    mode_t before = umask(0);
    int    r = hob_log_setup(&opts);
    umask(before);
    check_ok(r);
    check_ok(hob_path_stat(opts.path, &st));
    check_eq(st.st_mode & 0777, 0640);
}

TEST_ON_ALL(file, may_be_another_later)
{
    TEXT(one);
    TEXT(two);
    hob_log_opts first = to_file(scratch_path("one")), second = to_file(scratch_path("two"));
    UNTIL_THE_END;
    second.level = HOB_LOG_DEBUG;
    check_ok(hob_log_setup(&first));
    HOB_LOG(INFO, "to one");
    HOB_LOG(DEBUG, "to none");
    check_ok(hob_log_setup(&second));
    HOB_LOG(DEBUG, "to two");
    check_ok(hob_log_flush(HOB_FOREVER));
    check_ok(text_of(first.path, &one));
    check_ok(text_of(second.path, &two));
    check_eq(count_lines(one, "\n"), 1);
    check_eq(count_lines(two, "\n"), 1);
    check_has(one, "to one");
    check_has(two, "<7>to two");
}

/* ---- rotation ---- */

/* The numbers that all files hold, from the oldest file to the newest, are these and no others. */
static int check_numbers(const char *path, int keep, int64_t bytes_max, int *ret_first, int *ret_next)
{
    int next = -1;
    *ret_first = -1;
    for (int n = keep + 1; n >= 0; n--) {
        TEXT(text);
        char name[600];
        snprintf(name, sizeof name, n > 0 ? "%s.%d" : "%s", path, n);
        int r = text_of(name, &text);
        if (r == -ENOENT)
            continue;
        HOB_TRY(r);
        check(n <= keep);
        check_le(strlen(text), bytes_max);
        for (const char *at = text; *at != '\0'; at = strchr(at, '\n') + 1) {
            int number = -1;
            check_eq(sscanf(at, "<6>line i=%d ", &number), 1);
            check(next == -1 || number == next);
            if (next == -1)
                *ret_first = number;
            next = number + 1;
        }
    }
    *ret_next = next;
    return 0;
}

TEST_ON_ALL(file, is_rotated_by_size_and_keeps_the_newest)
{
    enum { LINES = 500, BYTES = 2000, KEEP = 3 };
    int          first = -1, next = -1;
    hob_log_opts opts = to_file(scratch_path("log"));
    UNTIL_THE_END;
    opts.rotate_bytes = BYTES;
    opts.rotate_keep = KEEP;
    uint64_t rotations = stats().rotations;
    check_ok(hob_log_setup(&opts));
    for (int i = 0; i < LINES; i++) {
        HOB_LOG(INFO, "line", "i", i);
        if (hob_random() % 50 == 0)
            check_ok(hob_log_flush(HOB_FOREVER));
    }
    check_ok(hob_log_flush(HOB_FOREVER));
    check_ok(check_numbers(opts.path, KEEP, BYTES, &first, &next));
    check_eq(next, LINES);
    check_gt(first, 0);
    check_lt(first, LINES - 3 * (BYTES / 90)); // so full are the older ones at least
    check_gt(stats().rotations - rotations, LINES * 50 / BYTES);
}

TEST_ON_ALL(file, a_line_longer_than_all_has_a_file_of_its_own)
{
    static char long_text[3000];
    TEXT(text);
    hob_log_opts opts = to_file(scratch_path("log"));
    UNTIL_THE_END;
    memset(long_text, 'x', sizeof long_text - 1);
    opts.rotate_bytes = 1000;
    check_ok(hob_log_setup(&opts));
    HOB_LOG(INFO, "before");
    HOB_LOG(INFO, "long", "text", long_text);
    HOB_LOG(INFO, "after");
    check_ok(hob_log_flush(HOB_FOREVER));
    check_ok(text_of(scratch_path("log.1"), &text));
    check_eq(count_lines(text, "\n"), 1);
    check_gt(strlen(text), 3000);
}

/* What is in the way of PATH.1 is a folder, which no file can replace. */
TEST_ON_ALL(file, is_written_on_when_it_cannot_be_rotated)
{
    TEXT(text);
    hob_log_opts opts = to_file(scratch_path("log"));
    UNTIL_THE_END;
    opts.rotate_bytes = 1000;
    opts.rotate_keep = 1;
    check_ok(hob_path_mkdirs(scratch_path("log.1/in the way"), 0700));
    uint64_t failures = stats().failures;
    check_ok(hob_log_setup(&opts));
    for (int i = 0; i < 100; i++)
        HOB_LOG(INFO, "line", "i", i);
    check_ok(hob_log_flush(HOB_FOREVER));
    check_ok(text_of(opts.path, &text));
    check_eq(count_lines(text, "<6>line"), 100);
    failures = stats().failures - failures;
    check_gt(failures, 0);
    check_lt(failures, 20); // not with every line
    check_ok(hob_path_remove_tree(scratch_path("log.1")));
    for (int i = 0; i < 30; i++)
        HOB_LOG(INFO, "line", "i", i);
    check_ok(hob_log_flush(HOB_FOREVER));
    check_ok(hob_path_access(scratch_path("log.1"), F_OK)); // it works again
}

TEST_ON_ALL(file, is_opened_anew_when_asked)
{
    TEXT(old);
    TEXT(new);
    hob_log_opts opts = to_file(scratch_path("log"));
    UNTIL_THE_END;
    check_ok(hob_log_setup(&opts));
    HOB_LOG(INFO, "old");
    check_ok(hob_log_flush(HOB_FOREVER));
    check_ok(hob_path_rename(opts.path, scratch_path("log-yesterday"), 0));
    hob_log_reopen(); // as logrotate's SIGHUP would have it
    HOB_LOG(INFO, "new");
    check_ok(hob_log_flush(HOB_FOREVER));
    check_ok(text_of(scratch_path("log-yesterday"), &old));
    check_ok(text_of(opts.path, &new));
    check_has(old, "<6>old");
    check_has(new, "<6>new");
    check_eq(count_lines(old, "\n") + count_lines(new, "\n"), 2);
}

/* ---- disks that do not do as they should ---- */

/* The numbers in the file rise; what is missing was counted, and told. */
static int check_complete_or_told(const char *path, int lines, uint64_t dropped)
{
    TEXT(text);
    int      last = -1, found = 0;
    uint64_t told = 0;
    HOB_TRY(text_of(path, &text));
    for (const char *at = text; *at != '\0'; at = strchr(at, '\n') + 1) {
        int                number = -1;
        unsigned long long some;
        if (sscanf(at, "<6>line i=%d ", &number) == 1) {
            check_gt(number, last);
            last = number;
            found++;
        } else {
            check_eq(sscanf(at, "<4>dropped %llu lines here", &some), 1);
            told += some;
        }
        check(strchr(at, '\n') != NULL); // no line is torn
    }
    check_eq(told, dropped);
    check_eq(found + (int)dropped, lines);
    return 0;
}

TEST(file, waits_for_room_on_a_full_disk)
{
    enum { LINES = 1000 };
    hob_sim_world full = { .disk_bytes = 10000 }, room = { .disk_bytes = 0 };
    hob_log_opts  opts = to_file(scratch_path("log"));
    UNTIL_THE_END;
    opts.buffer_bytes = 16 * 1024;
    check_ok(hob_sim_set_world(&full));
    uint64_t dropped = stats().dropped;
    check_ok(hob_log_setup(&opts));
    for (int i = 0; i < LINES; i++) {
        HOB_LOG(INFO, "line", "i", i);
        if (i % 50 == 0)
            check_ok(hob_sleep(10 * HOB_MSEC));
    }
    check_err(hob_log_flush(HOB_SEC), -ETIMEDOUT);
    check_eq(stats().last_error, -ENOSPC);
    dropped = stats().dropped - dropped;
    check_gt(dropped, 0);
    check_ok(hob_sim_set_world(&room));
    check_ok(hob_log_flush(HOB_FOREVER));
    check_ok(check_complete_or_told(opts.path, LINES, dropped));
}

TEST(file, holds_nobody_up_on_a_slow_disk)
{
    enum { LINES = 2000 };
    hob_sim_world slow = { .disk_min_ns = HOB_SEC, .disk_max_ns = 2 * HOB_SEC };
    hob_log_opts  opts = to_file(scratch_path("log"));
    UNTIL_THE_END;
    opts.buffer_bytes = 16 * 1024;
    check_ok(hob_log_setup(&opts));
    check_ok(hob_sim_set_world(&slow));
    uint64_t dropped = stats().dropped;
    int64_t  began = hob_now();
    for (int i = 0; i < LINES; i++) {
        HOB_LOG(INFO, "line", "i", i);
        if (i % 100 == 0)
            hob_yield();
    }
    check_eq(hob_now(), began);
    dropped = stats().dropped - dropped;
    check_gt(dropped, 0);
    check_ok(hob_log_flush(HOB_FOREVER));
    check_gt(hob_now(), began + HOB_SEC);
    check_ok(check_complete_or_told(opts.path, LINES, dropped));
}

TEST(file, comes_through_errors_now_and_then)
{
    enum { LINES = 300 };
    hob_sim_world broken = { .disk_error_percent = 10 }, whole = { .disk_error_percent = 0 };
    hob_log_opts  opts = to_file(scratch_path("log"));
    UNTIL_THE_END;
    opts.rotate_bytes = 3000;
    opts.rotate_keep = 20;
    check_ok(hob_log_setup(&opts));
    check_ok(hob_sim_set_world(&broken));
    uint64_t dropped = stats().dropped;
    for (int i = 0; i < LINES; i++) {
        HOB_LOG(INFO, "line", "i", i);
        if (hob_random() % 10 == 0)
            check_ok(hob_sleep((int64_t)(hob_random() % HOB_SEC)));
    }
    check_ok(hob_sim_set_world(&whole));
    check_ok(hob_log_flush(HOB_FOREVER));
    check_eq(stats().dropped, dropped);
    int first = -1, next = -1;
    check_ok(check_numbers(opts.path, 20, INT64_MAX, &first, &next));
    check_eq(first, 0);
    check_eq(next, LINES);
}

static int log_much(void *arg)
{
    for (int i = 0; i < 100; i++) {
        HOB_LOG(INFO, "much", "i", i);
        if (i % 10 == 0)
            HOB_TRY(hob_sleep(HOB_MSEC));
    }
    return 0;
}

TEST_ON_ALL(file, takes_the_lines_of_all_workers)
{
    TEXT(text);
    hob_log_opts opts = to_file(scratch_path("log"));
    UNTIL_THE_END;
    check_ok(hob_log_setup(&opts));
    HOB_SCOPE(s);
    for (uint32_t i = 0; i < hob_workers() && i < 4; i++)
        hob_go_with(&s, log_much, NULL, &(hob_task_opts){ .where = HOB_ON(i) });
    uint32_t workers = hob_workers() < 4 ? hob_workers() : 4;
    check_ok(hob_scope_end(&s));
    check_ok(hob_log_flush(HOB_FOREVER));
    check_ok(text_of(opts.path, &text));
    check_eq(count_lines(text, "<6>much"), workers * 100);
}

/* Its clean-up logs after the main task has ended. */
static int log_at_the_end(void *arg)
{
    (void)!hob_sleep(HOB_FOREVER);
    HOB_LOG(INFO, "the last line");
    return 0;
}

static char end_path[512];

static int start_one_that_logs_at_the_end(void *arg)
{
    hob_log_opts opts = to_file(end_path);
    HOB_TRY(hob_log_setup(&opts));
    hob_go(hob_root("late"), log_at_the_end, NULL);
    return 0;
}

TEST_BARE_ON_ALL(file, has_what_is_said_at_the_very_end)
{
    if (in_sim())
        skip("the disk ends with the run"); // that such a run ends is tested by the others
    char text[4096] = "";
    snprintf(end_path, sizeof end_path, "%s/log", hob_test_scratch());
    check_ok(hob_test_run(start_one_that_logs_at_the_end, NULL));
    FILE *f = fopen(end_path, "r");
    check(f != NULL);
    size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[n] = '\0';
    check_has(text, "<6>the last line task=");
    HOB_LOG(INFO, "after the run");
    f = fopen(end_path, "r");
    n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[n] = '\0';
    check_has(text, "<6>after the run at=");
}

TEST_BARE_ON_ALL(file, a_run_ends_with_a_file_in_its_hands)
{
    snprintf(end_path, sizeof end_path, "%s/log", in_sim() ? "" : hob_test_scratch());
    check_ok(hob_test_run(start_one_that_logs_at_the_end, NULL));
}
