/* SPDX-License-Identifier: MIT */
/*
 * Forms as they come: a table of them, well formed and hostile, each whole and cut at each point.
 *
 * What holds: what is said of a form does not depend on how its bytes are cut, nor on how much is read
 * at once.
 */
#include <hob/form.h>
#include <hob/json.h>

#include "base/rand.h"
#include "site/form_cases.h"
#include "site/forms.h"
#include "support/io.h"

/* A stream that gives [0, cut), then the rest, one piece a read. */
struct cut_stream {
    hob_stream  stream;
    const char *bytes;
    size_t      len, at, cut, step;
};

static ssize_t read_cut(hob_stream *stream, void *buf, size_t len)
{
    struct cut_stream *cut = (struct cut_stream *)stream;
    size_t n = cut->at < cut->cut ? cut->cut - cut->at : cut->len - cut->at;
    n = n < len ? n : len;
    n = cut->step > 0 && n > cut->step ? cut->step : n;
    memcpy(buf, cut->bytes + cut->at, n);
    cut->at += n;
    return (ssize_t)n;
}

static ssize_t write_none(hob_stream *stream, const void *buf, size_t len)
{
    return -ENOTSUP;
}

static void close_none(hob_stream *stream)
{
}

static const hob_stream_type CUT = { .name = "cut", .read = read_cut, .write_some = write_none, .close = close_none };

/* What was read, as text: "name=value|name(filename,type)=value|", or an error's name behind it. */
static void tell(const char *type, struct cut_stream *in, const hob_form_opts *opts, size_t piece, struct text *out)
{
    hob_form_reader *reader;
    hob_form_part    part;
    char             buf[64], data[128];
    int              r = hob_form_reader_open_stream(&in->stream, type, opts, &reader);

    if (r < 0) {
        expect_eq(hob__site_put(out, hob_error_name(r), strlen(hob_error_name(r))), 0);
        return;
    }
    while ((r = hob_form_reader_next(reader, &part)) == 1) {
        int len = snprintf(buf, sizeof buf, "%s%s%s%s%s%s=", part.name, part.filename != NULL ? "(" : "",
                           part.filename != NULL ? part.filename : "", part.type[0] != '\0' ? "," : "", part.type,
                           part.filename != NULL ? ")" : "");
        expect_eq(hob__site_put(out, buf, (size_t)len), 0);
        ssize_t n;
        while ((n = hob_form_reader_read(reader, data, piece)) > 0)
            expect_eq(hob__site_put(out, data, (size_t)n), 0);
        expect_eq(hob__site_put(out, "|", 1), 0);
        if (n < 0)
            expect_eq(hob_form_reader_next(reader, &part), n);
    }
    if (r < 0) {
        expect_eq(hob__site_put(out, hob_error_name(r), strlen(hob_error_name(r))), 0);
        expect_eq(hob_form_reader_next(reader, &part), r);
        expect_eq(hob_form_reader_read(reader, data, 1), r);
    } else {
        expect_eq(hob_form_reader_next(reader, &part), 0);
        expect_eq(hob_form_reader_read(reader, data, 1), 0);
    }
    hob_form_reader_close(reader);
}

/* What is told up to a failure may be less when the failure is seen earlier. */
static bool is_same(const struct text *text, const char *told)
{
    const char *failed = strstr(told, "HOB_E");
    if (failed == NULL)
        failed = strstr(told, "EMSGSIZE");
    if (failed == NULL)
        return text->at != NULL ? strcmp(text->at, told) == 0 : told[0] == '\0';
    size_t len = strlen(failed);
    return text->len >= len && strcmp(text->at + text->len - len, failed) == 0;
}

TEST(site_form, each_form_of_the_table_is_read_the_same_however_it_is_cut)
{
    static const size_t PIECES[] = { 1, 7, 128 };
    static char         bytes[FORM_CASE_BYTES];

    for (size_t i = 0; i < sizeof FORMS / sizeof FORMS[0]; i++) {
        const struct form_case *c = &FORMS[i];
        size_t len = form_case_bytes(c, bytes);
        for (size_t cut = 0; cut <= len + 1; cut++) {
            struct text told = { 0 };
            struct cut_stream in = { { &CUT }, bytes, len, 0, cut <= len ? cut : 0, cut <= len ? 0 : 1 };
            tell(c->type, &in, &c->opts, PIECES[cut % 3], &told);
            bool is_right = is_same(&told, c->told);
            if (!is_right)
                HOB_EXPECT_NOT("form %zu, cut at %zu:\n%s\nis not\n%s", i, cut, told.at, c->told);
            hob__site_text_free(&told);
            check(is_right);
        }
    }
}

/* ---- pairs ---- */

TEST_BARE(site_form, pairs_are_found_by_name_and_made_a_list)
{
    static const char QUERY[] = "name=Ann+Smith&age=41&tag=a&tag=b%26c&empty&nul=a%00b";
    hob_form *form;
    size_t    count;

    check_ok(hob_form_parse(QUERY, sizeof QUERY - 1, NULL, &form));
    const hob_json_pair *pairs = hob_form_pairs(form, &count);
    expect_eq(count, 6);
    HOB_EXPECT_STR(hob_form_get(form, "name"), "Ann Smith");
    HOB_EXPECT_STR(hob_form_get(form, "tag"), "a");
    HOB_EXPECT_STR(hob_form_get(form, "empty"), "");
    HOB_EXPECT_STR(hob_form_get(form, "none"), NULL);
    HOB_EXPECT_STR(pairs[3].name, "tag");
    HOB_EXPECT_STR(pairs[3].text, "b&c");
    expect_eq(pairs[5].len, 3);
    HOB_EXPECT_MEM(pairs[5].text, "a\0b", 4);
    expect(hob_form_get_file(form, "name") == NULL);
    hob_form_files(form, &count);
    expect_eq(count, 0);
    hob_form_free(form);

    check_ok(hob_form_parse("", 0, NULL, &form));
    expect(hob_form_get(form, "") == NULL);
    hob_form_free(form);
    hob_form_free(NULL);
}

TEST_BARE(site_form, pairs_over_a_limit_are_refused)
{
    hob_form     *form;
    hob_form_opts few = { .parts_max = 2 }, short_names = { .name_bytes_max = 3 }, short_texts = { .field_bytes_max = 3 },
                  little = { .fields_bytes_max = 6 };
    check_err(hob_form_parse("a&b&c", 5, &few, &form), -EMSGSIZE);
    check_err(hob_form_parse("abcd=1", 6, &short_names, &form), -EMSGSIZE);
    check_err(hob_form_parse("a=1234", 6, &short_texts, &form), -EMSGSIZE);
    check_err(hob_form_parse("a=12&b=123", 10, &little, &form), -EMSGSIZE);
    check_err(hob_form_parse("a%00b=1", 7, NULL, &form), HOB_EHTTP);
    check_ok(hob_form_parse("abc=123", 7, &short_names, &form));
    hob_form_free(form);
    check_ok(hob_form_parse("a=12&b=12", 9, &little, &form));
    hob_form_free(form);
}

/* ---- names ---- */

TEST_BARE(site_form, a_safe_name_leads_nowhere_and_hides_nothing)
{
    static const struct { const char *sent, *safe; } NAMES[] = {
        { "photo.jpg", "photo.jpg" }, { "Photo 1 (copy).JPEG", "Photo 1 (copy).JPEG" }, { "\xc3\xa4\xf0\x9f\x8d\xb2.txt", "\xc3\xa4\xf0\x9f\x8d\xb2.txt" },
        { "/etc/passwd", "passwd" }, { "../../x", "x" }, { "C:\\fakepath\\a.txt", "a.txt" }, { "a/", "file" }, { "", "file" },
        { ".", "file" }, { "..", "file" }, { ".htaccess", "htaccess" }, { "...a", "a" }, { " a ", "a" }, { "a.txt. .", "a.txt" },
        { "a\tb\x7f.txt", "a_b_.txt" }, { "a:b*c?d\"e<f>g|h.txt", "a_b_c_d_e_f_g_h.txt" }, { "$(rm -rf).sh", "_(rm -rf).sh" },
        { "a`b;c&d'e!.txt", "a_b_c_d_e_.txt" }, { "-rf", "_-rf" }, { "~root", "_~root" }, { "con", "_con" }, { "NUL.txt", "_NUL.txt" },
        { "com1", "_com1" }, { "LPT9.x.y", "_LPT9.x.y" }, { "com10", "com10" }, { "con .txt", "_con .txt" }, { "console", "console" },
        { "a\xe2\x80\xaegnp.exe", "a_gnp.exe" }, { "a\xe2\x80\x8b" "b", "a_b" }, { "\xef\xbb\xbf" "a", "_a" }, { "\xc0\xaf" "a", "__a" },
        { "\xed\xa0\x80", "___" }, { "\xf4\x90\x80\x80", "____" }, { "\xe4", "_" }, { "a.\xe4", "a._" }, { "a\xc2\x85", "a_" },
    };
    char name[HOB_FORM_SAFE_NAME];
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++)
        check_str(hob_form_safe_name(NAMES[i].sent, name), NAMES[i].safe);

    char sent[1000];
    memset(sent, 'a', sizeof sent);
    strcpy(sent + 900, ".jpeg");
    check_str(hob_form_safe_name(sent, name) + 194, ".jpeg");
    for (size_t i = 0; i < 900; i += 2)
        memcpy(sent + i, "\xc3\xa4", 2);
    check_str(hob_form_safe_name(sent, name) + 194, ".jpeg");
    check_eq(hob_form_safe_name(sent, name), name);
}

TEST(site_form, of_any_bytes_a_safe_name_is_made)
{
    struct rand rand = { hob_test_seed() };
    char        sent[300], name[HOB_FORM_SAFE_NAME], again[HOB_FORM_SAFE_NAME];

    for (int round = 0; round < 3000; round++) {
        size_t len = (size_t)rand_below(&rand, sizeof sent);
        for (size_t i = 0; i < len; i++)
            sent[i] = (char)(1 + rand_below(&rand, rand_below(&rand, 2) ? 255 : 127));
        sent[len] = '\0';
        hob_form_safe_name(sent, name);
        check(name[0] != '\0' && name[0] != '.' && name[0] != '-' && name[0] != ' ');
        check(strpbrk(name, "/\\:*?\"<>|`$;&'!\n\r\t") == NULL);
        check(name[strlen(name) - 1] != '.' && name[strlen(name) - 1] != ' ');
        if (strlen(name) < HOB_FORM_SAFE_NAME - 2) // else it is cut for a _ that is not put
            check_str(hob_form_safe_name(name, again), name);
    }
}

/* ---- random forms ---- */

/* Forms of random parts, in which pieces of boundaries are, are read back as they were made. */
TEST(site_form, what_was_written_is_read_whatever_is_in_it)
{
    static const char *const PIECES[] = { "\r\n", "--", "\r\n--", "\r\n--x", "\r\n--xY", "\r", "\n", "-", "xYz", "data", "\r\n\r\n" };
    struct rand rand = { hob_test_seed() };

    for (int round = 0; round < 60; round++) {
        struct text form = { 0 }, want = { 0 }, told = { 0 };
        int parts = (int)rand_below(&rand, 6);
        for (int i = 0; i < parts; i++) {
            char head[128];
            int  len = snprintf(head, sizeof head, "--xYz\r\nContent-Disposition: form-data; name=\"n%d\"\r\n\r\n", i);
            expect_ok(hob__site_put(&form, head, (size_t)len));
            len = snprintf(head, sizeof head, "n%d=", i);
            expect_ok(hob__site_put(&want, head, (size_t)len));
            size_t from = want.len;
            for (int k = (int)rand_below(&rand, 20); k > 0; k--) {
                const char *piece = PIECES[rand_below(&rand, sizeof PIECES / sizeof PIECES[0])];
                expect_ok(hob__site_put(&want, piece, strlen(piece)));
            }
            expect_ok(hob__site_put(&want, "", 0));
            char *at;
            while ((at = strstr(want.at + from, "\r\n--xYz")) != NULL)
                at[4] = 'z';
            if (strncmp(want.at + from, "--xYz", 5) == 0)
                want.at[from] = '+';
            expect_ok(hob__site_put(&form, want.at + from, want.len - from));
            expect_ok(hob__site_put(&form, "\r\n", 2));
            expect_ok(hob__site_put(&want, "|", 1));
        }
        expect_ok(hob__site_put(&form, "--xYz--\r\n", 9));
        struct cut_stream in = { { &CUT }, form.at, form.len, 0, 0, 1 + (size_t)rand_below(&rand, 40) };
        tell("multipart/form-data; boundary=xYz", &in, NULL, 1 + (size_t)rand_below(&rand, 100), &told);
        bool is_right = is_same(&told, want.at != NULL ? want.at : "");
        if (!is_right)
            HOB_EXPECT_NOT("%s\nis not\n%s", told.at, want.at);
        hob__site_text_free(&form);
        hob__site_text_free(&want);
        hob__site_text_free(&told);
        check(is_right);
    }
}
