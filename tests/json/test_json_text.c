/* SPDX-License-Identifier: MIT */
/* Structs from texts: queries, paths, forms. */
#include "json/counted.h"

struct query {
    int         page;
    double      radius;
    bool        is_open;
    char        town[12];
    char       *words;
    enum colour colours[3];
    int         colour_count;
    char      **tags;
    size_t      tag_count;
    struct leaf leaf;
};

static HOB_JSON_TABLE(query_json, struct query,
    HOB_JSON_FIELD(page, .range = HOB_JSON_RANGE(1, 99), .otherwise = "1"),
    HOB_JSON_FIELD(radius, .optional = 1, .range = HOB_JSON_MIN(0)),
    HOB_JSON_FIELD(is_open, .as = "open", .optional = 1),
    HOB_JSON_FIELD(town),
    HOB_JSON_FIELD(words, .optional = 1, .len_max = 5),
    HOB_JSON_ENUMS(colours, colour_count, colours, .as = "colour", .optional = 1),
    HOB_JSON_ARRAY(tags, tag_count, .as = "tag", .optional = 1, .len_min = 1),
    HOB_JSON_OBJECT(leaf, leaf_json, .otherwise = "{\"name\":\"n\",\"weight\":3}"));

static void free_query(struct query *query)
{
    hob_json_free(query_json, NULL, query);
}

#define QUERY(name) __attribute__((cleanup(free_query), unused)) struct query name = { 0 }

/* "name=text" each, as they come. */
static int from_pairs(const char *const *texts, const hob_json_opts *opts, hob_json_errors *errors,
                      struct query *query)
{
    static char   names[16][32];
    hob_json_pair pairs[16];
    size_t        count = 0;

    for (; texts[count] != NULL; count++) {
        const char *equals = strchr(texts[count], '=');
        snprintf(names[count], sizeof names[count], "%.*s", (int)(equals - texts[count]), texts[count]);
        pairs[count] = (hob_json_pair){ names[count], equals + 1, strlen(equals + 1) };
    }
    return hob_json_from_pairs(query_json, pairs, count, opts, errors, query);
}

#define PAIRS(...) ((const char *const[]){ __VA_ARGS__, NULL })

TEST(json_text, pairs_become_a_struct)
{
    hob_json_errors errors;
    QUERY(q);

    check_ok(from_pairs(PAIRS("page=7", "radius=1e1", "open=1", "town=K\xc3\xb6ln", "words=", "colour=red",
                              "tag=a", "colour=blue", "tag=b c"), NULL, &errors, &q));
    check_eq(q.page, 7);
    check(q.radius == 10 && q.is_open);
    check_str(q.town, "K\xc3\xb6ln");
    check_str(q.words, "");
    check(q.colour_count == 2 && q.colours[0] == RED && q.colours[1] == BLUE);
    check_eq(q.tag_count, 2);
    check_str(q.tags[1], "b c");
    check_eq(q.leaf.weight, 3);
    free_query(&q);

    check_ok(from_pairs(PAIRS("town=x", "radius=3"), NULL, &errors, &q));
    check(q.page == 1 && q.radius == 3 && !q.is_open && q.colour_count == 0 && q.tags == NULL);
}

TEST(json_text, all_that_is_wrong_with_pairs_is_said)
{
    const hob_json_opts lax = { .ignore_unknown = 1 };
    hob_json_errors     errors;
    struct query        q;

    check_err(from_pairs(PAIRS("page=0", "radius=x", "open=yes", "words=abcdef", "colour=pink", "tag="),
                         NULL, &errors, &q), HOB_EJSON);
    check_str(all_words(0, &errors), "radius: is not a number\nopen: is not true or false\n"
                                     "page: 0 is less than 1\ntown: is missing\n"
                                     "words: has 6 characters, more than 5\n"
                                     "colour[0]: is none of: red, green, blue\ntag[0]: is empty");
    check_err(from_pairs(PAIRS("town=a", "town=b", "x=1", "leaf=y"), NULL, &errors, &q), HOB_EJSON);
    check_str(all_words(0, &errors), "town: is given more than once\nx: is not known\n"
                                     "leaf: cannot be given as a text");
    check_err(from_pairs(PAIRS("town=\xff", "page=1.0", "page=2"), NULL, &errors, &q), HOB_EJSON);
    check_str(all_words(0, &errors), "town: is not UTF-8\npage: is not an integer\n"
                                     "page: is given more than once");
    check_ok(from_pairs(PAIRS("town=a", "x=1"), &lax, &errors, &q));
    free_query(&q);
}

TEST(json_text, a_number_is_all_of_a_number_of_json)
{
    static const char *const good[] = { "0", "-0", "7", "99" };
    static const char *const bad[] = { "", " 7", "7 ", "+7", "07", "0x7", "7.", "1e1", "--1", "-",
                                       "9223372036854775808", "99999999999999999999999" };
    static const char *const good_real[] = { "0", "1.5", "1E+2", "1e-999", "123456789012345678901234567890.5" };
    static const char *const bad_real[] = { "1.", ".5", "1e", "1e999", "nan", "inf", "0x1p3", "1,5" };
    struct everything e = { 0 };

    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        check_ok(hob_json_from_text(everything_json, "i64", good[i], strlen(good[i]), NULL, NULL, &e));
    check_eq(e.i64, 99);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        check_err(hob_json_from_text(everything_json, "i64", bad[i], strlen(bad[i]), NULL, NULL, &e), HOB_EJSON);
    check_eq(e.i64, 99);
    for (size_t i = 0; i < sizeof good_real / sizeof *good_real; i++)
        check_ok(hob_json_from_text(everything_json, "f64", good_real[i], strlen(good_real[i]), NULL, NULL, &e));
    check(e.f64 == 123456789012345678901234567890.5);
    for (size_t i = 0; i < sizeof bad_real / sizeof *bad_real; i++)
        check_err(hob_json_from_text(everything_json, "f64", bad_real[i], strlen(bad_real[i]), NULL, NULL, &e), HOB_EJSON);
}

TEST(json_text, one_field_is_set_and_what_it_held_is_freed)
{
    hob_json_errors errors;
    EVERYTHING(e);

    check_ok(hob_json_from_text(everything_json, "text", "abc", 3, NULL, &errors, &e));
    check_ok(hob_json_from_text(everything_json, "text", "defg", 4, NULL, &errors, &e));
    check_str(e.text, "defg");
    check_err(hob_json_from_text(everything_json, "text", "x", 1, NULL, &errors, &e), HOB_EJSON);
    check_str(all_words(0, &errors), "text: has 1 characters, fewer than 2");
    check_str(e.text, "defg");
    check_ok(hob_json_from_text(everything_json, "number", "-5", 2, NULL, &errors, &e));
    check(e.has_number && !e.number_is_null && e.number == -5);
    check_ok(hob_json_from_text(everything_json, "texts", "a", 1, NULL, &errors, &e));
    check_ok(hob_json_from_text(everything_json, "texts", "b", 1, NULL, &errors, &e));
    check(e.text_count == 1);
    check_str(e.texts[0], "b");
    check_ok(hob_json_from_text(everything_json, "in side", "xyz", 3, NULL, &errors, &e));
    check_str(e.inside, "xyz");
    check_err(hob_json_from_text(everything_json, "inside", "xyz", 3, NULL, &errors, &e), HOB_EJSON);
    check_str(all_words(0, &errors), "inside: is not known");
    check_err(hob_json_from_text(everything_json, "leaf", "{}", 2, NULL, &errors, &e), HOB_EJSON);
    check_err(hob_json_from_text(everything_json, "text", "a\0b", 3, NULL, &errors, &e), HOB_EJSON);
    check_str(all_words(0, &errors), "text: has U+0000 in it");
}

struct format_case {
    const char *field, *text;
    bool        fits;
};

TEST(json_text, formats_are_looked_at)
{
    static const struct format_case cases[] = {
        { "mail", "a@b.example", true }, { "mail", "a.b+c@x-y.z", true }, { "mail", "a@b@c", false },
        { "mail", "@b", false }, { "mail", "a@", false }, { "mail", "a b@c", false }, { "mail", "a@-b", false },
        { "mail", "a@b-", false }, { "mail", "a@b..c", false }, { "mail", "a@b.", false },
        { "mail", "\xc3\xa4@b", false },
        { "mail", "a@123456789012345678901234567890123456789012345678901234567890123", true },
        { "mail", "a@1234567890123456789012345678901234567890123456789012345678901234", false },
        { "id", "f81d4fae-7dec-11d0-a765-00a0c91e6bf6", true },
        { "id", "F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6", true },
        { "id", "f81d4fae-7dec-11d0-a765-00a0c91e6bf", false },
        { "id", "f81d4fae-7dec-11d0-a765-00a0c91e6bf67", false },
        { "id", "f81d4fae07dec-11d0-a765-00a0c91e6bf6", false },
        { "id", "g81d4fae-7dec-11d0-a765-00a0c91e6bf6", false },
        { "day", "2024-02-29", true }, { "day", "2023-02-29", false }, { "day", "1900-02-29", false },
        { "day", "2000-02-29", true }, { "day", "2023-04-31", false }, { "day", "2023-00-10", false },
        { "day", "2023-13-10", false }, { "day", "2023-1-10", false }, { "day", "2023-01-10 ", false },
        { "when", "2026-02-28T23:59:59Z", true }, { "when", "2026-02-28t23:59:60.001z", true },
        { "when", "2026-02-28T23:59:59+01:00", true }, { "when", "2026-02-28T23:59:59", false },
        { "when", "2026-02-28T24:00:00Z", false }, { "when", "2026-02-28T23:59:61Z", false },
        { "when", "2026-02-28T23:59:59.Z", false }, { "when", "2026-02-28T23:59:59+24:00", false },
        { "when", "2026-02-28T23:59:59+0100", false }, { "when", "2026-02-28 23:59:59Z", false },
        { "link", "http://a/b?c#d", true }, { "link", "x:", true }, { "link", "a:%2F", true },
        { "link", "a:%2", false }, { "link", "a:%zz", false }, { "link", "/a", false }, { "link", "1a:b", false },
        { "link", "a:b#c#d", false }, { "link", "a:b c", false }, { "link", "a:<b>", false }, { "link", ":", false },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct format_case *c = &cases[i];
        hob_json_errors           errors;
        const hob_json_opts       opts = { 0 };
        EVERYTHING(e);
        int r = hob_json_from_text(everything_json, c->field, c->text, strlen(c->text), &opts, &errors, &e);
        if ((r == 0) != c->fits)
            fail("%s: %s", c->text, r == 0 ? "taken" : all_words(r, &errors));
    }
}
