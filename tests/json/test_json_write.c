/* SPDX-License-Identifier: MIT */
/* A struct becomes a document: the bytes, the limits, and where they go. */
#include "json/counted.h"

struct point {
    double x;
    float  y;
};

static HOB_JSON_TABLE(point_json, struct point, HOB_JSON_FIELD(x), HOB_JSON_FIELD(y));

struct note {
    const char *text;
    char        inside[4];
    int         numbers[3];
    unsigned    count;
    uint64_t    large;
    json_t     *any;
};

static HOB_JSON_TABLE(note_json, struct note,
    HOB_JSON_FIELD(text, .optional = 1),
    HOB_JSON_FIELD(inside),
    HOB_JSON_ARRAY(numbers, count),
    HOB_JSON_FIELD(large),
    HOB_JSON_FIELD(any, .optional = 1));

static const char *written(hob_json_table *table, const void *obj, const hob_json_opts *opts)
{
    static char     text[4096];
    hob_json_errors errors;
    ssize_t         len = hob_json_print(table, obj, opts, &errors, text, sizeof text);

    if (len < 0)
        return all_words((int)len, &errors);
    return (size_t)len == strlen(text) ? text : "the length is wrong";
}

TEST(json_write, a_struct_is_written_compact_pretty_or_as_a_line)
{
    const hob_json_opts pretty = { .pretty = 1 }, line = { .line = 1, .pretty = 1 };
    struct note         note = { .text = "a\"b\\c/\n\x01\x7f\xc3\xa9", .inside = "xyz", .numbers = { 1, -2 },
                                 .count = 2, .large = 7 };
    struct note         empty = { 0 };

    check_str(written(note_json, &note, NULL),
              "{\"text\":\"a\\\"b\\\\c/\\n\\u0001\x7f\xc3\xa9\",\"inside\":\"xyz\",\"numbers\":[1,-2],\"large\":7}");
    check_str(written(note_json, &empty, &line), "{\"inside\":\"\",\"numbers\":[],\"large\":0}\n");
    note.text = NULL;
    check_str(written(note_json, &note, &pretty),
              "{\n  \"inside\": \"xyz\",\n  \"numbers\": [\n    1,\n    -2\n  ],\n  \"large\": 7\n}");
    check_str(written(note_json, &empty, &pretty),
              "{\n  \"inside\": \"\",\n  \"numbers\": [],\n  \"large\": 0\n}");
}

TEST(json_write, numbers_are_as_short_as_reads_back_the_same)
{
    static const struct { double x; float y; const char *text; } cases[] = {
        { 0.1, 0.1f, "{\"x\":0.1,\"y\":0.1}" },
        { 1, -1, "{\"x\":1.0,\"y\":-1.0}" },
        { -0.0, 0, "{\"x\":-0.0,\"y\":0.0}" },
        { 1e21, 1e10f, "{\"x\":1e+21,\"y\":1e+10}" },
        { 5e-324, 1e-45f, "{\"x\":5e-324,\"y\":1e-45}" },
        { 2.2250738585072011e-308, 1.17549435e-38f, "{\"x\":2.225073858507201e-308,\"y\":1.1754944e-38}" },
        { 1.7976931348623157e308, 3.4028234e38f, "{\"x\":1.7976931348623157e+308,\"y\":3.4028235e+38}" },
        { 1.0 / 3, 1.0f / 3, "{\"x\":0.3333333333333333,\"y\":0.33333334}" },
        { 9007199254740993.0, 16777216, "{\"x\":9007199254740992.0,\"y\":16777216.0}" },
        { 0.1 + 0.2, 0.1f + 0.2f, "{\"x\":0.30000000000000004,\"y\":0.3}" },
        { 123456789012345680.0, 1.5f, "{\"x\":1.2345678901234568e+17,\"y\":1.5}" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct point point = { cases[i].x, cases[i].y };
        // A sum of floats may be one off, by how it is computed: what is read back decides.
        const char *text = written(point_json, &point, NULL);
        struct point back;
        if (i != 9)
            check_str(text, cases[i].text);
        check_ok(hob_json_parse(point_json, text, strlen(text), NULL, NULL, &back));
        check_mem(&back, &point, sizeof point.x + sizeof point.y);
    }
}

TEST(json_write, what_would_not_be_taken_in_is_not_written)
{
    const char      cut[] = { 'a', '\xc3', 0 };
    struct note     note = { .text = cut, .inside = "ab\xff", .large = (uint64_t)INT64_MAX + 1 };
    struct point    point = { NAN, INFINITY };
    struct leaf     leaf = { .weight = 201 };
    hob_json_errors errors;
    TEXT(text);

    memset(leaf.name, 'x', sizeof leaf.name); // without a NUL
    check_err(hob_json_text(note_json, &note, NULL, &errors, &text), HOB_EJSON);
    check_str(all_words(0, &errors), "text: is not UTF-8\ninside: is not UTF-8\n"
                                     "large: is more than 9223372036854775807");
    check_err(hob_json_check(point_json, &point, NULL, &errors), HOB_EJSON);
    check_str(all_words(0, &errors), "x: is not a finite number\ny: is not a finite number");
    check_err(hob_json_check(leaf_json, &leaf, NULL, &errors), HOB_EJSON);
    check_str(all_words(0, &errors), "name: has 12 bytes, more than 11\nweight: 201 is more than 200");
    check(text == NULL);
}

TEST(json_write, what_must_be_there_and_is_not_is_named)
{
    char             *texts[] = { (char *)"a", NULL };
    struct everything e = { .text = NULL, .colour = 3, .texts = texts, .text_count = 2, .leaf_at_count = 1,
                            .leaf = { "x", 1 }, .letter = 'a', .with_default = 1, .greeting = (char *)"" };
    hob_json_errors   errors;

    check_err(hob_json_check(everything_json, &e, NULL, &errors), HOB_EJSON);
    check_str(all_words(0, &errors), "text: is missing\ncolour: 3 has no name\n"
                                     "reals: has 0 items, fewer than 1\ntexts[1]: is missing\n"
                                     "leaf_ats[0]: is missing");
}

TEST(json_write, a_buffer_is_full_or_has_all_of_it)
{
    struct leaf leaf = { "abc", 7 };
    char        buf[27];

    memset(buf, '#', sizeof buf);
    check_eq(hob_json_print(leaf_json, &leaf, NULL, NULL, buf, 26), 25);
    check_str(buf, "{\"name\":\"abc\",\"weight\":7}");
    check_eq(buf[26], '#');
    for (size_t size = 1; size < 26; size++) {
        memset(buf, '#', sizeof buf);
        check_err(hob_json_print(leaf_json, &leaf, NULL, NULL, buf, size), -EMSGSIZE);
        check_str(buf, "");
        check_eq(buf[size], '#');
    }
}

TEST(json_write, the_bytes_are_bounded)
{
    struct leaf         leaf = { "abc", 7 };
    const hob_json_opts fits = { .bytes_max = 25 }, short_of_one = { .bytes_max = 24 };
    TEXT(text);

    check_ok(hob_json_text(leaf_json, &leaf, &fits, NULL, &text));
    free_text(&text);
    text = NULL;
    check_err(hob_json_text(leaf_json, &leaf, &short_of_one, NULL, &text), -EMSGSIZE);
    check_err(hob_json_check(leaf_json, &leaf, &short_of_one, NULL), -EMSGSIZE);
}

/* ---- writers ---- */

static int read_all(void *arg)
{
    hob_stream *in = arg;
    static char got[65536];
    size_t      len = 0;
    ssize_t     n;

    while ((n = hob_stream_read(in, got + len, sizeof got - 1 - len)) > 0)
        len += (size_t)n;
    if (n < 0)
        return (int)n;
    got[len] = '\0';
    check_eq(len, 60 * 26);
    for (size_t i = 0; i < 60; i++)
        check_mem(got + i * 26, "{\"name\":\"abc\",\"weight\":7}\n", 26);
    return 0;
}

TEST(json_write, a_writer_gets_lines_piece_by_piece_and_waits)
{
    const hob_json_opts line = { .line = 1 };
    struct leaf         leaf = { "abc", 7 };

    STREAM(ours) = NULL;
    STREAM(theirs) = NULL;
    check_ok(hob_mem_pair(&(hob_mem_pair_opts){ .buf_bytes = 5 }, &ours, &theirs));
    HOB_SCOPE(s);
    hob_go(&s, read_all, theirs);
    __attribute__((cleanup(hob_writer_fini))) hob_writer out;
    hob_writer_init(&out, ours, &(hob_writer_opts){ .buf_bytes = 7 });
    for (int i = 0; i < 60; i++)
        check_eq(hob_json_write(leaf_json, &leaf, &line, NULL, &out), 26);
    check_ok(hob_writer_flush(&out));
    check_ok(hob_stream_shutdown(ours));
    check_ok(hob_scope_end(&s));
}

TEST(json_write, nothing_is_written_of_a_struct_that_does_not_fit)
{
    struct leaf     leaf = { "abc", 0 };
    hob_json_errors errors;

    MEM_PAIR(ours, theirs);
    WRITER(out, ours);
    check_err(hob_json_write(leaf_json, &leaf, NULL, &errors, &out), HOB_EJSON);
    check_str(all_words(0, &errors), "weight: 0 is less than 1");
    check_eq(hob_writer_buffered(&out), 0);
}

TEST(json_write, an_error_of_the_writer_comes_through_and_so_does_a_cancellation)
{
    struct leaf leaf = { "abc", 7 };

    MEM_PAIR(ours, theirs);
    hob_mem_fail_writes(ours, -ECONNRESET, 0);
    __attribute__((cleanup(hob_writer_fini))) hob_writer out;
    hob_writer_init(&out, ours, &(hob_writer_opts){ .buf_bytes = 8 });
    check_err(hob_json_write(leaf_json, &leaf, NULL, NULL, &out), -ECONNRESET);

    STREAM(a) = NULL;
    STREAM(b) = NULL;
    check_ok(hob_mem_pair(&(hob_mem_pair_opts){ .buf_bytes = 4 }, &a, &b));
    __attribute__((cleanup(hob_writer_fini))) hob_writer slow;
    hob_writer_init(&slow, a, &(hob_writer_opts){ .buf_bytes = 4 });
    HOB_SCOPE(s);
    hob_scope_deadline(&s, hob_in(HOB_SEC));
    check_err(hob_json_write(leaf_json, &leaf, NULL, NULL, &slow), -ETIMEDOUT);
}

TEST(json_write, values_of_jansson_are_written_the_same_way)
{
    const hob_json_opts pretty = { .pretty = 1 };
    json_t             *value = json_pack("{s[ibf{}[]n]ss}", "list", -1, 0, 0.1, "text", "\n");
    TEXT(compact);
    TEXT(indented);

    ssize_t a = value != NULL ? hob_json_value_text(value, NULL, &compact) : -ENOMEM;
    ssize_t b = value != NULL ? hob_json_value_text(value, &pretty, &indented) : -ENOMEM;
    json_decref(value);
    check_ok(a);
    check_ok(b);
    check_str(compact, "{\"list\":[-1,false,0.1,{},[],null],\"text\":\"\\n\"}");
    check_str(indented, "{\n  \"list\": [\n    -1,\n    false,\n    0.1,\n    {},\n    [],\n    null\n  ],\n"
                        "  \"text\": \"\\n\"\n}");
}

TEST(json_write, bad_bytes_in_a_value_of_jansson_are_refused)
{
    struct note     note = { .any = json_string_nocheck("\xff") };
    hob_json_errors errors;

    int r = note.any != NULL ? (int)hob_json_check(note_json, &note, NULL, &errors) : HOB_EJSON;
    json_decref(note.any);
    check_err(r, HOB_EJSON);
    check_str(all_words(0, &errors), "any: is not UTF-8");
}

TEST(json_write, errors_can_be_sent_as_json)
{
    hob_json_errors errors;
    struct leaf     leaf;

    check_err(hob_json_parse(leaf_json, "{\"weight\":0,\"name\":\"a\"}", 23, NULL, &errors, &leaf), HOB_EJSON);
    check_str(written(hob_json_errors_json, &errors, NULL),
              "{\"errors\":[{\"path\":\"weight\",\"words\":\"0 is less than 1\",\"line\":0,\"column\":0}],"
              "\"more\":false}");
}

/* ---- mistakes ---- */

static HOB_JSON_TABLE(twice_json, struct leaf, HOB_JSON_FIELD(name), HOB_JSON_FIELD(weight, .as = "name"));
static HOB_JSON_TABLE(empty_range_json, struct leaf, HOB_JSON_FIELD(weight, .range = HOB_JSON_RANGE(5, 4)));
static HOB_JSON_TABLE(real_range_json, struct leaf, HOB_JSON_FIELD(weight, .range = HOB_JSON_MIN(0.5)));
static HOB_JSON_TABLE(no_flag_json, struct leaf, HOB_JSON_FIELD(weight, .nullable = 1));
static HOB_JSON_TABLE(bad_default_json, struct leaf, HOB_JSON_FIELD(weight, .otherwise = "300"));

TEST_DIES(json_write, a_name_that_stands_there_twice_stops_the_program,
          "hob: hob_json_check: the table twice_json, the field weight: another one has the same name*")
{
    ignore(hob_json_check(twice_json, &(struct leaf){ 0 }, NULL, NULL));
}

TEST_DIES(json_write, an_empty_range_stops_the_program,
          "hob: hob_json_check: the table empty_range_json, the field weight: its range is empty*")
{
    ignore(hob_json_check(empty_range_json, &(struct leaf){ 0 }, NULL, NULL));
}

TEST_DIES(json_write, a_fraction_as_the_limit_of_an_integer_stops_the_program,
          "hob: hob_json_check: the table real_range_json, the field weight: an integer has a range of *")
{
    ignore(hob_json_check(real_range_json, &(struct leaf){ 0 }, NULL, NULL));
}

TEST_DIES(json_write, null_without_a_place_for_it_stops_the_program,
          "hob: hob_json_check: the table no_flag_json, the field weight: what is no pointer is nullable by*")
{
    ignore(hob_json_check(no_flag_json, &(struct leaf){ 0 }, NULL, NULL));
}

TEST_DIES(json_write, a_default_that_does_not_fit_stops_the_program,
          "hob: hob_json_parse: the field weight: its default does not fit it*")
{
    struct leaf leaf;
    ignore(hob_json_parse(bad_default_json, "{}", 2, NULL, NULL, &leaf));
}

TEST_DIES(json_write, a_count_over_the_array_stops_the_program,
          "hob: hob_json_check: the field numbers: its count is no count of it*")
{
    ignore(hob_json_check(note_json, &(struct note){ .count = 4 }, NULL, NULL));
}
