/* SPDX-License-Identifier: MIT */
/*
 * Files in forms that come by HTTP: to the disk whole or not at all, whatever happens to the disk or the
 * client. Row 39 of SURVIVAL.
 */
#include <hob/json.h>

#include "http/site.h"
#include "site/site.h"
#include "site/upload.h"

/* ---- a server that takes them ---- */

struct taker {
    const char *path;
    unsigned    flags;
    int         result;
};

static int take(hob_http_request *req, void *arg)
{
    struct taker    *taker = arg;
    hob_form_reader *in;
    hob_form_part    part;
    uint64_t         bytes = 0;
    char             told[100];

    int r = hob_form_reader_open(req, NULL, &in);
    if (r < 0)
        return hob_form_refuse(req, r);
    while (r >= 0 && (r = hob_form_reader_next(in, &part)) == 1) {
        if (strcmp(part.name, "file") == 0)
            r = hob_form_reader_save(in, taker->path, taker->flags, &bytes);
    }
    hob_form_reader_close(in);
    taker->result = r;
    if (r < 0)
        return hob_form_refuse(req, r);
    snprintf(told, sizeof told, "%llu bytes", (unsigned long long)bytes);
    return hob_http_reply_text(req, 201, told);
}

static int post(const struct site *site, const char *type, const char *body, size_t len, char *got, size_t size)
{
    TCP(conn);
    char head[300];
    snprintf(head, sizeof head, "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n",
             type, len);
    check_ok(visit(site, &conn));
    check_ok(say(conn, head));
    ignore(hob_tcp_write(conn, body, len));
    check_ok(hear(conn, got, size));
    return status_in(got);
}

static const char PACKED[] = "multipart/form-data; boundary=bound\r\nContent-Encoding: gzip";

TEST_AS(site_upload, a_file_is_there_when_it_is_whole, HOB_TEST_EACH_BACKEND | HOB_TEST_ONE_SEED, NULL)
{
    struct taker taker = { .path = scratch_path("saved") };
    struct site  site = { .handler = take, .arg = &taker };
    char         got[2048];
    size_t       len;
    CLOSED_BY(free_bytes) unsigned char *form = (unsigned char *)make_form(FILE_BYTES, &len);
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    check_eq(post(&site, TYPE, (char *)form, len, got, sizeof got), 201);
    check_has(got, "100000 bytes");
    check_ok(check_file(taker.path, FILE_BYTES));

    taker.flags = HOB_FORM_NEW;
    check_eq(post(&site, TYPE, (char *)form, len, got, sizeof got), 409);
    taker.path = scratch_path("saved2");
    check_eq(post(&site, TYPE, (char *)form, len, got, sizeof got), 201);
    check_ok(check_file(taker.path, FILE_BYTES));
    check_eq(names_in(hob_test_scratch()), 2);

    // A form that ends too early, one that is none, and one that is too large.
    taker.path = scratch_path("saved3");
    check_eq(post(&site, TYPE, (char *)form, len - 500, got, sizeof got), 400);
    check_eq(post(&site, PACKED, (char *)form, len, got, sizeof got), 415);
    check_eq(post(&site, "text/plain", (char *)form, len, got, sizeof got), 415);
    check_eq(post(&site, "multipart/form-data; boundary=other", (char *)form, len, got, sizeof got), 400);
    check_eq(names_in(hob_test_scratch()), 2);
    BYTES(large, 2000000);
    memset(large, 'a', 2000000);
    memcpy(large, form, 300);
    check_eq(post(&site, TYPE, (char *)large, 2000000, got, sizeof got), 413);
    check_eq(names_in(hob_test_scratch()), 2);
}

TEST_ON_ALL(site_upload, a_client_that_goes_away_leaves_nothing)
{
    struct taker taker = { .path = scratch_path("saved"), .flags = HOB_FORM_NEW };
    struct site  site = { .handler = take, .arg = &taker };
    size_t       len;
    CLOSED_BY(free_bytes) unsigned char *form = (unsigned char *)make_form(FILE_BYTES, &len);
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    {
        TCP(conn);
        check_ok(visit(&site, &conn));
        check_ok(say(conn, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n"
                           "Content-Type: multipart/form-data; boundary=xYz\r\n\r\n"));
        check_ok(hob_tcp_write(conn, form, len / 2));
        WAIT_FOR(site.stats.running == 1);
        settle();
    }
    WAIT_FOR(site.stats.connections == 0);
    check_lt(taker.result, 0);
    check_eq(names_in(hob_test_scratch()), 0);
}

/* ---- the disk ---- */

TEST(site_upload, a_full_disk_is_told_and_nothing_is_left)
{
    struct taker         taker = { .path = scratch_path("saved") };
    struct site          site = { .handler = take, .arg = &taker };
    struct hob_sim_world full = { .disk_bytes = 60000 }, disk = { 0 };
    char                 got[2048];
    size_t               len;
    CLOSED_BY(free_bytes) unsigned char *form = (unsigned char *)make_form(FILE_BYTES, &len);
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    check_ok(put_text(taker.path, "the old one"));
    check_ok(hob_sim_set_world(&full));
    for (unsigned flags = 0; flags <= HOB_FORM_NEW; flags++) {
        taker.flags = flags;
        taker.path = scratch_path(flags == 0 ? "saved" : "new");
        check_eq(post(&site, TYPE, (char *)form, len, got, sizeof got), 507);
        check_eq(taker.result, -ENOSPC);
        check_eq(names_in(hob_test_scratch()), 1);
    }
    check_ok(hob_sim_set_world(&disk));
    char  *data;
    check_ok(hob_path_read(scratch_path("saved"), 100, &data, &len));
    bool is_old = strcmp(data, "the old one") == 0;
    free(data);
    check(is_old);
    check_eq(site.stats.failed, 0);
}

/* ---- all of it ---- */

static int read_whole(hob_http_request *req, void *arg)
{
    hob_form_opts opts = { .folder = hob_test_scratch() };
    hob_form     *form;
    size_t        count = 0, files = 0;

    int r = hob_form_read(req, &opts, &form);
    if (r < 0)
        return hob_form_refuse(req, r);
    const hob_form_file *file = hob_form_get_file(form, "file");
    const struct hob_json_pair *pairs = hob_form_pairs(form, &count);
    bool is_right = count == 2 && strcmp(pairs[1].text, "yes") == 0 && hob_form_files(form, &files) == file && files == 1
                    && strcmp(hob_form_get(form, "title"), "Soup") == 0 && strcmp(file->filename, "../soup.bin") == 0
                    && strcmp(file->type, "application/x-soup") == 0 && file->bytes == FILE_BYTES
                    && hob_form_get_file(form, "none") == NULL && names_in(hob_test_scratch()) == 0;
    if (is_right)
        r = hob_form_file_save(file, scratch_path("saved"), HOB_FORM_NEW);
    // At its beginning, whatever was done with it.
    BYTES(bytes, FILE_BYTES);
    if (is_right && r == 0)
        is_right = hob_stream_read_exactly(hob_file_stream(file->file), bytes, FILE_BYTES) == FILE_BYTES
                   && is_filled(bytes, FILE_BYTES, 0, 5);
    hob_form_free(form);
    return r < 0 ? r : hob_http_reply_text(req, is_right ? 200 : 500, "read");
}

TEST_AS(site_upload, all_of_a_form_is_had_at_once, HOB_TEST_EACH_BACKEND | HOB_TEST_ONE_SEED, NULL)
{
    struct site site = { .handler = read_whole };
    char        got[2048];
    size_t      len;
    CLOSED_BY(free_bytes) unsigned char *form = (unsigned char *)make_form(FILE_BYTES, &len);
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    check_eq(post(&site, TYPE, (char *)form, len, got, sizeof got), 200);
    check_ok(check_file(scratch_path("saved"), FILE_BYTES));
    check_ok(hob_path_unlink(scratch_path("saved")));
    check_eq(post(&site, TYPE, (char *)form, len - 2, got, sizeof got), 200);
    check_eq(post(&site, TYPE, (char *)form, len - 3, got, sizeof got), 400);
    check_eq(names_in(hob_test_scratch()), 1);
}

/* Any allocation may fail: the request does, and nothing is left. */
TEST(site_upload, without_memory_a_form_fails_and_nothing_is_left)
{
    struct site site = { .handler = read_whole };
    char        got[2048];
    size_t      len;
    int         status = 0, at = 1;
    CLOSED_BY(free_bytes) unsigned char *form = (unsigned char *)make_form(FILE_BYTES, &len);
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    for (; status != 200; at++) {
        hob__site_fail_at = at;
        status = post(&site, TYPE, (char *)form, len, got, sizeof got);
        hob__site_fail_at = 0;
        check(status == 200 || status == 500);
        check_eq(names_in(hob_test_scratch()), status == 200);
    }
    check_gt(at, 15);
}
