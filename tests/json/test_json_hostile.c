/* SPDX-License-Identifier: MIT */
/* Documents that were made to hurt: each is refused with words, or taken for what it is. */
#include "json/counted.h"

struct any {
    json_t *any;
};

static HOB_JSON_TABLE(any_json, struct any, HOB_JSON_FIELD(any));

static void free_any(struct any *any)
{
    hob_json_free(any_json, NULL, any);
}

#define ANY(name) __attribute__((cleanup(free_any), unused)) struct any name = { 0 }

/* `what` so many times. */
static char *many(const char *before, const char *what, size_t count, const char *after)
{
    size_t len = strlen(before) + strlen(what) * count + strlen(after);
    char  *text = hob__alloc(len + 1), *at = text;

    if (text == NULL)
        return NULL;
    at = stpcpy(at, before);
    for (size_t i = 0; i < count; i++)
        at = stpcpy(at, what);
    stpcpy(at, after);
    return text;
}

static int parse_any(const char *text, size_t len, const hob_json_opts *opts,
                     hob_json_errors *errors, struct any *any)
{
    return hob_json_parse(any_json, text, len, opts, errors, any);
}

static void free_counted(char **text)
{
    hob__free(*text);
}

#define MANY(name, before, what, count, after)                                            \
    __attribute__((cleanup(free_counted))) char *name = many(before, what, count, after); \
    check(name != NULL)

TEST(json_hostile, ten_thousand_levels_are_refused_before_anybody_goes_down)
{
    hob_json_errors errors;
    ANY(any);

    MANY(arrays, "{\"any\":", "[", 10000, "");
    check_err(parse_any(arrays, strlen(arrays), NULL, &errors, &any), -EMSGSIZE);
    check_str(all_words(0, &errors), "line 1, column 39: is nested deeper than 32");
    MANY(objects, "{\"any\":", "{\"a\":", 10000, "");
    check_err(parse_any(objects, strlen(objects), NULL, &errors, &any), -EMSGSIZE);
    check_str(all_words(0, &errors), "line 1, column 163: is nested deeper than 32");
}

TEST(json_hostile, brackets_in_a_text_are_no_levels)
{
    ANY(any);

    MANY(text, "{\"any\":\"\\\"", "[{\\\\", 1000, "\"}");
    check_ok(parse_any(text, strlen(text), NULL, NULL, &any));
    check(json_is_string(any.any));
}

static int parse_deep(void *arg)
{
    char *text = arg;
    ANY(any);
    const hob_json_opts opts = { .depth_max = HOB_JSON_DEPTH };
    HOB_TRY(parse_any(text, strlen(text), &opts, NULL, &any));
    TEXT(out);
    return (int)HOB_TRY(hob_json_text(any_json, &any, &opts, NULL, &out)) > 0 ? 0 : -EPROTO;
}

TEST(json_hostile, the_default_depth_fits_a_stack_of_a_task)
{
    char text[400] = "{\"any\":", *at = text + strlen(text);

    for (int i = 0; i < HOB_JSON_DEPTH - 1; i++)
        at = stpcpy(at, "{\"a\":");
    at = stpcpy(at, "1.5");
    for (int i = 0; i < HOB_JSON_DEPTH; i++)
        at = stpcpy(at, "}");
    HOB_SCOPE(s);
    hob_go(&s, parse_deep, text);
    check_ok(hob_scope_end(&s));
}

TEST(json_hostile, values_and_bytes_are_counted)
{
    hob_json_errors     errors;
    const hob_json_opts few = { .values_max = 10, .bytes_max = 1000 };
    ANY(any);

    MANY(ten, "{\"any\":[0", ",0", 8, "]}");
    check_ok(parse_any(ten, strlen(ten), &few, &errors, &any));
    free_any(&any);
    MANY(more, "{\"any\":[0", ",0", 9, "]}");
    check_err(parse_any(more, strlen(more), &few, &errors, &any), -EMSGSIZE);
    check_str(all_words(0, &errors), "line 1, column 26: has more than 10 values");
    MANY(empty, "{\"any\":[[]", ",[]", 60000, "]}");
    check_err(parse_any(empty, strlen(empty), NULL, &errors, &any), -EMSGSIZE);

    MANY(thousand, "{\"any\":\"", "x", 990, "\"}");
    check_ok(parse_any(thousand, strlen(thousand), &few, &errors, &any));
    free_any(&any);
    MANY(over, "{\"any\":\"", "x", 991, "\"}");
    check_err(parse_any(over, strlen(over), &few, &errors, &any), -EMSGSIZE);
    check_str(all_words(0, &errors), "has 1001 bytes, more than 1000");
    MANY(mega, "{\"any\":\"", "xxxxxxxxxxxxxxxx", 65536, "\"}");
    check_err(parse_any(mega, strlen(mega), NULL, &errors, &any), -EMSGSIZE);
}

/* Not JSON, or JSON that nobody should send. */
struct broken {
    const char *text, *words;
};

TEST(json_hostile, what_is_not_json_is_refused)
{
    static const struct broken cases[] = {
        { "{\"any\":1e999}", "a number is beyond what a double holds" },
        { "{\"any\":-1e400}", "a number is beyond what a double holds" },
        { "{\"any\":[9223372036854775808,1e400]}", "a number is beyond what a double holds" },
        { "{\"any\":018446744073709551616}", "invalid token" },
        { "{\"any\":+18446744073709551616}", "invalid token" },
        { "{\"any\":18446744073709551616x}", "'}' expected" },
        { "{\"any\":18446744073709551616", "ends too early" },
        { "{\"any\":01}", "invalid token" },
        { "{\"any\":+1}", "invalid token" },
        { "{\"any\":.5}", "invalid token" },
        { "{\"any\":1.}", "invalid token" },
        { "{\"any\":1e}", "invalid token" },
        { "{\"any\":0x10}", "'}' expected" },
        { "{\"any\":NaN}", "invalid token" },
        { "{\"any\":Infinity}", "invalid token" },
        { "{\"any\":-Infinity}", "invalid token" },
        { "{\"any\":True}", "invalid token" },
        { "{any:1}", "string or '}' expected" },
        { "{'any':1}", "string or '}' expected" },
        { "{\"any\":[1,]}", "unexpected token" },
        { "{\"any\":[1 2]}", "']' expected" },
        { "{\"any\":1 /* no */}", "'}' expected" },
        { "{\"any\" 1}", "':' expected" },
        { "{\"any\":\"\t\"}", "control character 0x9" },
        { "{\"any\":\"\n\"}", "unexpected newline" },
        { "{\"any\":\"\\x\"}", "invalid escape" },
        { "{\"any\":\"\\u12g4\"}", "invalid escape" },
        { "{\"any\":\"\\ud800\"}", "invalid Unicode '\\uD800'" },
        { "{\"any\":\"\\ud800\\u0041\"}", "invalid Unicode '\\uD800\\u0041'" },
        { "{\"any\":\"\\udc00\"}", "invalid Unicode '\\uDC00'" },
        { "{\"any\":\"\\u0000\"}", "a string has U+0000 in it" },
        { "{\"any\":\"\xc0\xaf\"}", "unable to decode byte 0xc0" },     // overlong
        { "{\"any\":\"\xe2\x82\"}", "unable to decode byte 0xe2" },     // cut off
        { "{\"any\":\"\xed\xa0\x80\"}", "unable to decode byte 0xed" }, // a surrogate
        { "{\"any\":\"\xf4\x90\x80\x80\"}", "unable to decode byte 0xf4" }, // over U+10FFFF
        { "{\"any\":\"\xff\"}", "unable to decode byte 0xff" },
        { "\xef\xbb\xbf{\"any\":1}", "invalid token" }, // a byte order mark
        { "{\"any\":1,\"any\":1}", "duplicate object key" },
        { "{\"any\":{\"a\":1,\"\\u0061\":1}}", "duplicate object key" },
        { "{\"any\":{\"a\\u0000b\":1}}", "a string has U+0000 in it" },
        { "{\"any\":1}{\"any\":1}", "end of file expected" },
        { "{\"any\":1", "ends too early" },
        { " \n\t ", "ends too early" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct broken *c = &cases[i];
        hob_json_errors      errors;
        struct any           any = { (json_t *)&any };
        check_err(parse_any(c->text, strlen(c->text), NULL, &errors, &any), -EBADMSG);
        check_eq(errors.count, 1);
        check_str(errors.at[0].words, c->words);
        check_ge(errors.at[0].line, 1);
        check_ge(errors.at[0].column, 1);
        check(any.any == NULL);
    }
}

TEST(json_hostile, a_nul_ends_nothing_and_is_refused)
{
    hob_json_errors errors;
    struct any      any;

    check_err(parse_any("{\"any\":1}", 10, NULL, &errors, &any), -EBADMSG);
    check_str(errors.at[0].words, "end of file expected");
    check_err(parse_any("{\"any\":\"a\0b\"}", 13, NULL, &errors, &any), -EBADMSG);
    check_str(errors.at[0].words, "control character 0x0");
}

TEST(json_hostile, what_is_json_is_taken_however_odd_it_looks)
{
    static const char *const cases[] = {
        "\t\r\n {\"any\"\n:\r-0\t}\n", "{\"\\u0061ny\":1e-999}", "{\"any\":1E+2}", "{\"any\":\"\\ud83c\\udf72\\/\"}",
        "{\"any\":\"\x7f\xf4\x8f\xbf\xbf\"}", "{\"any\":{\"\":{\"\":[]}}}", "{\"any\":-9223372036854775808}",
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ANY(any);
        check_ok(parse_any(cases[i], strlen(cases[i]), NULL, NULL, &any));
        check(any.any != NULL);
    }
}

/* Each byte cut off, and each byte changed: never a crash, never something left. */
TEST_ONCE(json_hostile, no_prefix_and_no_single_changed_byte_does_harm)
{
    static const char text[] = "{\"any\":[1,-2.5e3,\"a\\u00e9\\ud83c\\udf72\xc3\xa9\",true,null,{\"b\":{}}]}";
    char              copy[sizeof text];
    unsigned          taken = 0, refused = 0;

    for (size_t len = 0; len < sizeof text - 1; len++) {
        ANY(any);
        check_err(parse_any(text, len, NULL, NULL, &any), -EBADMSG);
    }
    memcpy(copy, text, sizeof text);
    for (size_t at = 0; at < sizeof text - 1; at++) {
        for (int c = 0; c < 256; c += 1 + 6 * all_is_slow()) {
            ANY(any);
            copy[at] = (char)c;
            int r = parse_any(copy, sizeof text - 1, NULL, NULL, &any);
            check(r == 0 || r == -EBADMSG || r == HOB_EJSON);
            taken += r == 0;
            refused += r < 0;
        }
        copy[at] = text[at];
    }
    check_gt(taken, 100);
    check_gt(refused, 1000);
}

TEST(json_hostile, words_of_a_peer_are_cut_and_hold_no_control_characters)
{
    hob_json_errors errors;
    struct any      any;

    MANY(text, "{\"\\u001b[31m\\u009b\\u0007", "\xe2\x82\xac", 100, "\":1,\"any\":1}");
    check_err(parse_any(text, strlen(text), NULL, &errors, &any), HOB_EJSON);
    const char *path = errors.at[0].path;
    check_has(path, "?[31m???\xe2\x82\xac");
    check(hob_utf8_is_valid(path, strlen(path)));
    check_ge(strlen(path), HOB_JSON_PATH_MAX - 4);
    check_lt(strlen(path), HOB_JSON_PATH_MAX);
}

TEST(json_hostile, a_deep_path_is_cut)
{
    const hob_json_opts deep = { .depth_max = 500 };
    hob_json_errors     errors;
    struct node         node;

    MANY(text, "", "{\"value\":1,\"right\":", 400, "7");
    MANY(whole, text, "}", 400, "");
    check_err(hob_json_parse(node_json, whole, strlen(whole), &deep, &errors, &node), HOB_EJSON);
    check_eq(errors.count, 1);
    check_str(errors.at[0].words, "is not an object");
    check_has(errors.at[0].path, "right.right.right");
    check_ge(strlen(errors.at[0].path), HOB_JSON_PATH_MAX - 6);
}

TEST(json_hostile, what_is_written_has_a_depth_too)
{
    const hob_json_opts shallow = { .depth_max = 3 };
    struct node         nodes[4] = { { 1, &nodes[1], NULL }, { 2, &nodes[2], NULL }, { 3, NULL, NULL } };
    hob_json_errors     errors;
    struct any          any = { json_pack("[[[]]]") };

    check_ok(hob_json_check(node_json, &nodes[0], &shallow, &errors));
    nodes[2].left = &nodes[3];
    check_err(hob_json_check(node_json, &nodes[0], &shallow, &errors), HOB_EJSON);
    check_str(all_words(0, &errors), "left.left.left: is nested deeper than 3");
    nodes[2].left = &nodes[0]; // a circle
    check_err(hob_json_check(node_json, &nodes[0], NULL, &errors), HOB_EJSON);

    int r = any.any != NULL ? (int)hob_json_check(any_json, &any, &shallow, &errors) : HOB_EJSON;
    free_any(&any);
    check_err(r, HOB_EJSON);
    check_str(all_words(0, &errors), "any: is nested too deep");
}

/* ---- integers beyond int64_t ---- */

struct large {
    int64_t        whole;
    double         real;
    struct json_t *any;
};

static HOB_JSON_TABLE(large_json, struct large,
    HOB_JSON_FIELD(whole, .optional = 1),
    HOB_JSON_FIELD(real, .optional = 1),
    HOB_JSON_FIELD(any, .optional = 1));

static int parse_large(const char *text, hob_json_errors *errors, struct large *large)
{
    return hob_json_parse(large_json, text, strlen(text), NULL, errors, large);
}

TEST(json_hostile, an_integer_of_any_size_is_a_double)
{
    static const struct { const char *text; double value; } NUMBERS[] = {
        { "9007199254740992", 0x1p53 }, { "9007199254740993", 0x1p53 }, { "-9007199254740992", -0x1p53 },
        { "9223372036854775807", 0x1p63 }, { "9223372036854775808", 0x1p63 }, { "-9223372036854775808", -0x1p63 },
        { "-9223372036854775809", -0x1p63 }, { "18446744073709551616", 0x1p64 }, { "18446744073709551615", 0x1p64 },
        { "100000000000000000000000000000000", 1e32 }, { "-100000000000000000000000000000000", -1e32 },
    };
    for (size_t i = 0; i < sizeof NUMBERS / sizeof NUMBERS[0]; i++) {
        char         text[200];
        struct large large;
        snprintf(text, sizeof text, "{\"real\":%s,\"whole\":9007199254740993,\"any\":[%s]}", NUMBERS[i].text,
                 NUMBERS[i].text);
        check_ok(parse_large(text, NULL, &large));
        check(large.real == NUMBERS[i].value);
        check_eq(large.whole, 9007199254740993); // beside it, what fits is exact
        check(json_number_value(json_array_get(large.any, 0)) == NUMBERS[i].value);
        hob_json_free(large_json, NULL, &large);
        check_ok(hob_json_from_text(large_json, "real", NUMBERS[i].text, strlen(NUMBERS[i].text), NULL, NULL, &large));
        check(large.real == NUMBERS[i].value);
    }
    MANY(most, "{\"real\":1", "0", 308, "}");
    MANY(more, "{\"real\":1", "0", 309, "}");
    struct large large;
    check_ok(parse_large(most, NULL, &large));
    check(large.real == 1e308);
    check_err(parse_large(more, NULL, &large), -EBADMSG);
}

TEST(json_hostile, an_integer_that_its_member_cannot_hold_is_told_with_its_place)
{
    hob_json_errors errors;
    struct large    large;

    check_err(parse_large("{\"whole\":9223372036854775808}", &errors, &large), HOB_EJSON);
    check_str(all_words(0, &errors), "whole: is more than 9223372036854775807");
    check_err(parse_large("{\"whole\":-18446744073709551616}", &errors, &large), HOB_EJSON);
    check_str(all_words(0, &errors), "whole: is less than -9223372036854775808");
    check_err(hob_json_from_text(large_json, "whole", "9223372036854775808", 19, NULL, &errors, &large), HOB_EJSON);
    check_str(all_words(0, &errors), "whole: is more than 9223372036854775807");
    check_err(parse_large("{\"whole\":9223372036854775807.0}", &errors, &large), HOB_EJSON);
    check_ok(parse_large("{\"whole\":-9223372036854775808}", &errors, &large));
    check_eq(large.whole, INT64_MIN);
    hob_json_free(large_json, NULL, &large);
}

struct small {
    int8_t   tiny;
    uint16_t port;
    int32_t  count;
};

static HOB_JSON_TABLE(small_json, struct small,
    HOB_JSON_FIELD(tiny, .optional = 1),
    HOB_JSON_FIELD(port, .optional = 1),
    HOB_JSON_FIELD(count, .optional = 1, .range = HOB_JSON_RANGE(1, 10)));

TEST(json_hostile, an_integer_beyond_all_is_told_the_limit_of_its_member)
{
    static const struct { const char *text, *words; } CASES[] = {
        { "{\"tiny\":-9223372036854775809}", "tiny: is less than -128" },
        { "{\"tiny\":9223372036854775808}", "tiny: is more than 127" },
        { "{\"tiny\":-9223372036854775808}", "tiny: -9223372036854775808 is less than -128" },
        { "{\"port\":-99999999999999999999}", "port: is less than 0" },
        { "{\"port\":99999999999999999999}", "port: is more than 65535" },
        { "{\"count\":-99999999999999999999}", "count: is less than 1" },
        { "{\"count\":99999999999999999999}", "count: is more than 10" },
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        hob_json_errors errors;
        struct small    small;
        check_err(hob_json_parse(small_json, CASES[i].text, strlen(CASES[i].text), NULL, &errors, &small), HOB_EJSON);
        check_str(all_words(0, &errors), CASES[i].words);
    }
}

TEST(json_hostile, a_zero_keeps_its_sign_where_there_is_one)
{
    static const struct { const char *number; bool is_negative; } CASES[] = {
        { "-0", true }, { "-0.0", true }, { "-0e1", true }, { "0", false }, { "0.0", false }, { "1e-400", false },
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        const char  *number = CASES[i].number;
        struct large large;
        char         text[200];

        snprintf(text, sizeof text, "{\"real\":%s,\"any\":[\"-0\", %s ]}", number, number);
        check_ok(parse_large(text, NULL, &large));
        check(large.real == 0);
        check_eq(signbit(large.real) != 0, CASES[i].is_negative);
        check_eq(signbit(json_number_value(json_array_get(large.any, 1))) != 0, CASES[i].is_negative);
        check_str(json_string_value(json_array_get(large.any, 0)), "-0");
        hob_json_free(large_json, NULL, &large);
        check_ok(hob_json_from_text(large_json, "real", number, strlen(number), NULL, NULL, &large));
        check_eq(signbit(large.real) != 0, CASES[i].is_negative);
    }
}

TEST(json_hostile, a_zero_with_a_sign_is_an_integer_too)
{
    hob_json_errors errors;
    struct large    large;

    check_ok(parse_large("{\"whole\":-0,\"real\":9007199254740993,\"any\":[-1,1e-0,-0.5,\"-0\",9007199254740993]}", &errors, &large));
    check_eq(large.whole, 0);
    check_eq(json_integer_value(json_array_get(large.any, 0)), -1);
    check_eq(json_integer_value(json_array_get(large.any, 4)), 9007199254740993);
    hob_json_free(large_json, NULL, &large);
    check_err(parse_large("{\"whole\":-0.5}", &errors, &large), HOB_EJSON);
    check_str(all_words(0, &errors), "whole: is not an integer");
    check_err(hob_json_parse(small_json, "{\"count\":-0}", 12, NULL, &errors, &(struct small){ 0 }), HOB_EJSON);
    check_str(all_words(0, &errors), "count: 0 is less than 1");
    check_err(parse_large("{\"whole\":-0,\"real\":-0 x}", &errors, &large), -EBADMSG);
    check_eq(errors.at[0].line, 1);
    check_eq(errors.at[0].column, 23); // of the text that came, not of the one that was made of it
    check_err(parse_large("{\"whole\":-00}", &errors, &large), -EBADMSG);
}

TEST(json_hostile, what_says_that_nothing_is_wrong_is_a_few_bytes)
{
    hob_json_errors errors;
    struct large    large;
    const char     *last = (const char *)&errors + sizeof errors - 1;

    memset(&errors, 0xaa, sizeof errors);
    check_ok(parse_large("{\"whole\":1}", &errors, &large));
    check_eq(errors.count, 0);
    check(!errors.more);
    check_str(errors.at[0].words, "");
    check_str(errors.at[0].path, "");
    check_eq(errors.at[0].line, 0);
    check_eq((unsigned char)*last, 0xaa); // nobody reads it, so nobody writes it
    check_eq((unsigned char)errors.at[1].words[0], 0xaa);

    memset(&errors, 0xaa, sizeof errors);
    check_err(parse_large("{\"whole\":true,\"real\":[]}", &errors, &large), HOB_EJSON);
    check_str(all_words(0, &errors), "whole: is not an integer\nreal: is not a number");
    check_eq(errors.at[1].line, 0);
    check_eq(errors.at[1].column, 0);
}

/* What looks like one and is none stays as it was: texts, fractions, exponents. */
TEST(json_hostile, what_is_no_large_integer_is_left_alone)
{
    static const char TEXT[] =
        "{\"any\":[\"18446744073709551616\",\"\\\"18446744073709551616\",1e-00000000000000000000,"
        "0.18446744073709551616,1.5e+00000000000000000001,18446744073709551616.5,18446744073709551616e0,"
        "\"\\\\\",99999999999999999999]}";
    struct large large;

    check_ok(parse_large(TEXT, NULL, &large));
    const json_t *any = large.any;
    check_str(json_string_value(json_array_get(any, 0)), "18446744073709551616");
    check_str(json_string_value(json_array_get(any, 1)), "\"18446744073709551616");
    check(json_real_value(json_array_get(any, 2)) == 1);
    check(json_real_value(json_array_get(any, 3)) == 0.18446744073709551616);
    check(json_real_value(json_array_get(any, 4)) == 15);
    check(json_real_value(json_array_get(any, 5)) == 0x1p64);
    check(json_real_value(json_array_get(any, 8)) == 1e20);
    hob_json_free(large_json, NULL, &large);
}

TEST(json_hostile, a_mistake_behind_large_integers_is_told_where_it_is)
{
    static const struct { const char *text, *words; } CASES[] = {
        { "{\"any\":[1,2,x]}", "line 1, column 13: invalid token" },
        { "{\"any\":[99999999999999999999,99999999999999999999,x]}", "line 1, column 51: invalid token" },
        { "{\"any\":[99999999999999999999,\n\"\xc3\xa4\",99999999999999999999,x]}", "line 2, column 26: invalid token" },
        { "{\"any\":[99999999999999999999\n,x]}", "line 2, column 2: invalid token" },
        { "{\"any\":[x,99999999999999999999]}", "line 1, column 9: invalid token" },
    };
    hob_json_errors errors;
    struct large    large;

    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        check_err(parse_large(CASES[i].text, &errors, &large), -EBADMSG);
        check_str(all_words(0, &errors), CASES[i].words);
    }
}
