/* SPDX-License-Identifier: MIT */
/* A part of a form is saved whole or not at all, wherever it is cancelled and whatever the disk says. */
#include "site/upload.h"
#include "support/waits.h"

/* ---- cancelling ---- */

/* A stream of the form: as small pieces, so that there are waits in between. */
struct slow_stream {
    hob_stream  stream;
    const char *bytes;
    size_t      len, at;
};

static ssize_t read_slowly(hob_stream *stream, void *buf, size_t len)
{
    struct slow_stream *slow = (struct slow_stream *)stream;
    HOB_TRY(hob_sleep(1));
    size_t n = slow->len - slow->at < 400 ? slow->len - slow->at : 400;
    n = n < len ? n : len;
    memcpy(buf, slow->bytes + slow->at, n);
    slow->at += n;
    return (ssize_t)n;
}

static ssize_t write_none(hob_stream *stream, const void *buf, size_t len)
{
    return -ENOTSUP;
}

static void close_none(hob_stream *stream)
{
}

static const hob_stream_type SLOW = { .name = "slow", .read = read_slowly, .write_some = write_none, .close = close_none };

struct saving {
    struct slow_stream in;
    unsigned           flags;
};

static int save_once(void *arg)
{
    struct saving   *saving = arg;
    hob_form_reader *in;
    hob_form_part    part;

    saving->in.at = 0;
    HOB_TRY(hob_form_reader_open_stream(&saving->in.stream, TYPE, NULL, &in));
    int r = hob_form_reader_next(in, &part);
    if (r == 1)
        r = hob_form_reader_next(in, &part);
    if (r == 1)
        r = hob_form_reader_save(in, scratch_path("folder/saved"), saving->flags, NULL);
    hob_form_reader_close(in);
    return r;
}

TEST_ON_ALL(site_save, cancelled_at_any_wait_it_is_whole_or_not_there)
{
    struct saving        saving = { .in = { .stream = { &SLOW } } };
    struct hob_sim_world slow = { .disk_min_ns = HOB_MSEC, .disk_max_ns = HOB_MSEC };
    CLOSED_BY(free_bytes) unsigned char *form = (unsigned char *)make_form(1000, &saving.in.len);
    int cancelled = 0, done = 0;

    saving.in.bytes = (const char *)form;
    check_ok(hob_path_mkdir(scratch_path("folder"), 0700));
    if (in_sim())
        check_ok(hob_sim_set_world(&slow));
    for (saving.flags = 0; saving.flags <= HOB_FORM_NEW; saving.flags++) {
        for (uint64_t at = 1;; at++) {
            struct cancelled c = { .fn = save_once, .arg = &saving, .at = at };
            check_ok(cancel_at_wait(&c));
            check(c.result == 0 || (c.result == -ECANCELED && c.was_there));
            check_eq(names_in(scratch_path("folder")), c.result == 0);
            if (c.result == 0) {
                check_ok(check_file(scratch_path("folder/saved"), 1000));
                check_ok(hob_path_unlink(scratch_path("folder/saved")));
            }
            cancelled += c.result != 0;
            done += c.result == 0;
            if (!c.was_there)
                break;
            check_lt(at, 1000);
        }
    }
    check_gt(cancelled, 6);
    check_ge(done, 2);
}

/* Errors of the disk, by chance: whole, or an error. (What cannot be removed stays, under a name that
 * nobody knows.) */
TEST(site_save, a_disk_with_errors_leaves_nothing_half)
{
    struct saving        saving = { .in = { .stream = { &SLOW } } };
    struct hob_sim_world bad = { .disk_error_percent = 10 }, good = { 0 };
    CLOSED_BY(free_bytes) unsigned char *form = (unsigned char *)make_form(1000, &saving.in.len);
    int saved = 0, failed = 0;

    saving.in.bytes = (const char *)form;
    check_ok(hob_path_mkdir(scratch_path("folder"), 0700));
    for (int round = 0; round < 60; round++) {
        saving.flags = round % 2 ? HOB_FORM_NEW : 0;
        check_ok(hob_sim_set_world(&bad));
        int r = save_once(&saving);
        check_ok(hob_sim_set_world(&good));
        check(r == 0 || r == -EIO);
        bool is_there = hob_path_access(scratch_path("folder/saved"), F_OK) == 0;
        if (r == 0)
            check(is_there);
        if (is_there) {
            check_ok(check_file(scratch_path("folder/saved"), 1000));
            check_ok(hob_path_unlink(scratch_path("folder/saved")));
        }
        saved += r == 0;
        failed += r != 0;
    }
    check(saved > 0 && failed > 0);
}

TEST(site_save, a_part_is_a_stream_for_those_who_copy)
{
    struct saving    saving = { .in = { .stream = { &SLOW } } };
    hob_form_reader *in;
    hob_form_part    part;
    hob_copied       copied;
    FILE_(file);
    CLOSED_BY(free_bytes) unsigned char *form = (unsigned char *)make_form(5000, &saving.in.len);

    saving.in.bytes = (const char *)form;
    check_ok(hob_file_open(scratch_path("copy"), O_RDWR | O_CREAT, 0600, &file));
    check_ok(hob_form_reader_open_stream(&saving.in.stream, TYPE, NULL, &in));
    int r = hob_form_reader_next(in, &part);
    if (r == 1)
        r = hob_form_reader_next(in, &part);
    if (r == 1)
        r = hob_copy(hob_form_reader_stream(in), hob_file_stream(file), NULL, &copied);
    hob_form_reader_close(in);
    check_ok(r);
    check_eq(copied.bytes, 5000);
    check_ok(check_file(scratch_path("copy"), 5000));
}
