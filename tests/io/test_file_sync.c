/* SPDX-License-Identifier: MIT */
/* Syncs in groups: each covers what was written before it was asked for, and nobody pays twice. */
#include "support/io.h"
#include "support/tasks.h"

#define P(name) scratch_path(name)

static int open_new(hob_file **ret_file)
{
    return hob_file_open(P("f"), O_RDWR | O_CREAT | O_TRUNC, 0600, ret_file);
}

struct syncer {
    hob_file *file;
    bool      data_only;
    int       result;
    int64_t   ended_ns;
};

static int sync_it(void *arg)
{
    struct syncer *syncer = arg;
    syncer->result = syncer->data_only ? hob_file_datasync(syncer->file)
                                       : hob_file_sync(syncer->file);
    syncer->ended_ns = hob_now();
    return 0;
}

static int slow_disk(void)
{
    struct hob_sim_world world = { .disk_min_ns = 10 * HOB_MSEC, .disk_max_ns = 10 * HOB_MSEC };
    return hob_sim_set_world(&world);
}

TEST_ON_ALL(file_sync, all_styles_and_both_kinds_work)
{
    FILE_(file);
    check_ok(open_new(&file));
    check_eq(hob_file_write(file, "abc", 3), 3);
    check_ok(hob_file_sync(file));
    check_ok(hob_file_datasync(file));
    FOR_EACH_STYLE(wait) {
        hob_op op;
        hob_file_sync_prep(&op, file);
        check_ok(wait(&op));
        hob_file_datasync_prep(&op, file);
        check_ok(wait(&op));
    }
}

/* One that is under way began before the others asked: they share the next. */
TEST(file_sync, those_who_come_while_one_is_under_way_share_the_next)
{
    FILE_(file);
    struct syncer first = { 0 }, others[20] = { { 0 } };
    check_ok(open_new(&file));
    check_ok(slow_disk());
    int64_t   begin_ns = hob_now();
    hob_stats before, after;
    hob_stats_get(&before);
    HOB_SCOPE(s);
    first.file = file;
    hob_go(&s, sync_it, &first);
    check_ok(hob_sleep(5 * HOB_MSEC));
    for (int i = 0; i < 20; i++) {
        others[i] = (struct syncer){ .file = file, .data_only = i % 2 };
        hob_go(&s, sync_it, &others[i]);
    }
    check_ok(hob_scope_end(&s));
    hob_stats_get(&after);
    check_eq(first.ended_ns - begin_ns, 10 * HOB_MSEC);
    for (int i = 0; i < 20; i++) {
        check_ok(others[i].result);
        check_eq(others[i].ended_ns - begin_ns, 20 * HOB_MSEC);
    }
    check_eq(after.ops_submitted - before.ops_submitted, 2);
}

TEST_ON_ALL(file_sync, many_tasks_that_write_and_sync_all_get_their_answer)
{
    FILE_(file);
    struct syncer syncers[50];
    check_ok(open_new(&file));
    for (int round = 0; round < 5; round++) {
        HOB_SCOPE(s);
        for (int i = 0; i < 50; i++) {
            syncers[i] = (struct syncer){ .file = file, .data_only = i % 3 == 0, .result = 1 };
            hob_go(&s, sync_it, &syncers[i]);
            if (i % 7 == 0)
                check_eq(hob_file_pwrite(file, "x", 1, i), 1);
        }
        check_ok(hob_scope_end(&s));
        for (int i = 0; i < 50; i++)
            check_ok(syncers[i].result);
    }
}

/* SURVIVAL 40. */
TEST(file_sync, a_failure_is_everybodys_and_stays)
{
    FILE_(file);
    struct syncer        a = { 0 }, b = { 0 }, c = { 0 };
    struct hob_sim_world bad = { .disk_error_percent = 100, .disk_min_ns = HOB_MSEC,
                                 .disk_max_ns = HOB_MSEC };
    struct hob_sim_world good = { 0 };
    check_ok(open_new(&file));
    check_ok(hob_sim_set_world(&bad));
    a.file = b.file = c.file = file;
    c.data_only = true;
    HOB_SCOPE(s);
    hob_go(&s, sync_it, &a);
    hob_go(&s, sync_it, &b);
    hob_go(&s, sync_it, &c);
    check_ok(hob_scope_end(&s));
    check_eq(a.result, -EIO);
    check_eq(b.result, -EIO);
    check_eq(c.result, -EIO);
    check_ok(hob_sim_set_world(&good));
    check_err(hob_file_sync(file), -EIO);
    check_err(hob_file_datasync(file), -EIO);
    FOR_EACH_STYLE(wait) {
        hob_op op;
        hob_file_sync_prep(&op, file);
        check_err(wait(&op), -EIO);
    }
}

/* Who is cancelled goes at once while others wait; the last one when the disk has let go. */
TEST(file_sync, the_others_do_not_mind_that_one_is_cancelled)
{
    FILE_(file);
    struct syncer a = { 0 }, b = { 0 };
    check_ok(open_new(&file));
    check_ok(slow_disk());
    int64_t begin_ns = hob_now();
    a.file = b.file = file;
    HOB_SCOPE(s);
    {
        HOB_SCOPE(cancelled);
        hob_go(&s, sync_it, &b);
        hob_go(&cancelled, sync_it, &a);
        check_ok(hob_sleep(2 * HOB_MSEC));
        hob_scope_cancel(&cancelled, "test");
        ignore(hob_scope_end(&cancelled));
        check_eq(a.result, -ECANCELED);
        check_eq(a.ended_ns - begin_ns, 2 * HOB_MSEC);
    }
    check_ok(hob_scope_end(&s));
    check_ok(b.result);
}

TEST_ON_ALL(file_sync, closing_the_file_ends_all_syncs)
{
    hob_file     *file;
    struct syncer syncers[10];
    check_ok(open_new(&file));
    if (in_sim())
        ignore(slow_disk());
    {
        HOB_SCOPE(s);
        for (int i = 0; i < 10; i++) {
            syncers[i] = (struct syncer){ .file = file, .result = 1 };
            hob_go(&s, sync_it, &syncers[i]);
        }
        settle(); // all have asked
        hob_file_close(file);
        ignore(hob_scope_end(&s));
    }
    for (int i = 0; i < 10; i++)
        check(syncers[i].result == 0 || syncers[i].result == -ECANCELED);
}

/* Random tasks come and go, are cancelled, write; a model says which syncs may count. */
struct writer {
    hob_file *file;
    int       writes, syncs, stopped;
    uint64_t  seed;
};

static uint64_t draw(struct writer *writer, uint64_t below)
{
    writer->seed = writer->seed * 6364136223846793005u + 1442695040888963407u;
    return (writer->seed >> 33) % below;
}

static int write_and_sync(void *arg)
{
    struct writer *writer = arg;
    for (int i = 0; i < 30; i++) {
        HOB_SCOPE(s);
        if (draw(writer, 3) == 0)
            hob_scope_deadline(&s, hob_in((int64_t)draw(writer, 15) * HOB_MSEC));
        int64_t begin_ns = hob_now();
        ssize_t n = hob_file_pwrite(writer->file, "x", 1, (int64_t)draw(writer, 100));
        writer->writes += n == 1;
        int64_t asked_ns = hob_now();
        int     r = draw(writer, 2) ? hob_file_sync(writer->file) : hob_file_datasync(writer->file);
        check(r == 0 || r == -ETIMEDOUT);
        // A sync takes 10 ms from its begin, so one that is told sooner began before it was asked
        // for, and does not count.
        if (r == 0)
            check_ge(hob_now() - asked_ns, 10 * HOB_MSEC);
        check_ge(hob_now() - begin_ns, 0);
        writer->syncs += r == 0;
        writer->stopped += r == -ETIMEDOUT;
        ignore(hob_scope_end(&s));
        if (draw(writer, 4) == 0)
            ignore(hob_sleep((int64_t)draw(writer, 30) * HOB_MSEC));
    }
    return 0;
}

TEST(file_sync, none_counts_that_began_before_it_was_asked_for)
{
    FILE_(file);
    struct writer writers[6];
    int           syncs = 0, stopped = 0;
    check_ok(open_new(&file));
    check_ok(slow_disk());
    HOB_SCOPE(s);
    for (int i = 0; i < 6; i++) {
        writers[i] = (struct writer){ .file = file, .seed = hob_test_seed() * 10 + (uint64_t)i };
        hob_go(&s, write_and_sync, &writers[i]);
    }
    check_ok(hob_scope_end(&s));
    for (int i = 0; i < 6; i++) {
        syncs += writers[i].syncs;
        stopped += writers[i].stopped;
    }
    check_gt(syncs, 20);
    check_gt(stopped, 5);
}
