/* SPDX-License-Identifier: MIT */
/* A document becomes a struct: what is taken, what is refused with which words, and what is left. */
#include "json/counted.h"

struct item {
    char sku[8];
    int  quantity;
};

struct order {
    int64_t      id;
    char        *note;
    struct item *items;
    size_t       item_count;
    bool         is_paid;
    double       discount;
    bool         has_discount;
    enum colour  colour;
    char        *secret;
};

static HOB_JSON_TABLE(item_json, struct item,
    HOB_JSON_FIELD(sku, .len_min = 1),
    HOB_JSON_FIELD(quantity, .range = HOB_JSON_RANGE(1, 1000)));

static HOB_JSON_TABLE(order_json, struct order,
    HOB_JSON_FIELD(id, .range = HOB_JSON_MIN(1), .read_only = 1),
    HOB_JSON_FIELD(note, .optional = 1, .len_min = 2, .len_max = 5),
    HOB_JSON_OBJECTS(items, item_count, item_json, .count_min = 1, .count_max = 3),
    HOB_JSON_FIELD(is_paid, .otherwise = "true"),
    HOB_JSON_FIELD(discount, .has = HOB_JSON_FLAG(has_discount), .range = HOB_JSON_RANGE(-0.5, 0.5)),
    HOB_JSON_ENUM(colour, colours, .otherwise = "blue"),
    HOB_JSON_FIELD(secret, .optional = 1, .write_only = 1));

static void free_order(struct order *order)
{
    hob_json_free(order_json, NULL, order);
}

#define ORDER(name) __attribute__((cleanup(free_order), unused)) struct order name = { 0 }

static int parse(const char *text, const hob_json_opts *opts, hob_json_errors *errors,
                 struct order *order)
{
    return hob_json_parse(order_json, text, strlen(text), opts, errors, order);
}

TEST(json, a_document_becomes_a_struct)
{
    hob_json_errors errors;
    ORDER(o);

    check_ok(parse("{\"id\":9007199254740993,\"note\":\"f\\u00fcr\",\"items\":["
                   "{\"sku\":\"1234567\",\"quantity\":1},{\"quantity\":1000,\"sku\":\"\xe2\x82\xac\"}],"
                   "\"is_paid\":false,\"discount\":-0.5,\"colour\":\"green\",\"secret\":\"s\"}",
                   NULL, &errors, &o));
    check_eq(errors.count, 0);
    check_eq(o.id, 9007199254740993);
    check_str(o.note, "f\xc3\xbcr");
    check_eq(o.item_count, 2);
    check_str(o.items[0].sku, "1234567");
    check_eq(o.items[0].quantity, 1);
    check_str(o.items[1].sku, "\xe2\x82\xac");
    check_eq(o.items[1].quantity, 1000);
    check(!o.is_paid);
    check(o.has_discount && o.discount == -0.5);
    check_eq(o.colour, GREEN);
    check_str(o.secret, "s");
}

TEST(json, what_is_absent_is_its_default_or_zero)
{
    ORDER(o);

    memset(&o, 0xee, sizeof o);
    check_ok(parse(" {\"id\":1,\"items\":[{\"sku\":\"a\",\"quantity\":2}]}\n", NULL, NULL, &o));
    check(o.note == NULL && o.secret == NULL);
    check(o.is_paid);
    check(!o.has_discount && o.discount == 0);
    check_eq(o.colour, BLUE);
}

/* Documents, and what is said of them. */
struct refused {
    const char *text, *words;
};

#define ITEM "{\"sku\":\"a\",\"quantity\":2}"
#define ITEMS "\"items\":[" ITEM "]"

TEST(json, an_error_names_the_path_and_the_limit)
{
    static const struct refused cases[] = {
        { "{\"id\":1,\"items\":[" ITEM "," ITEM ",{\"sku\":\"a\",\"quantity\":0}]}",
          "items[2].quantity: 0 is less than 1" },
        { "{\"id\":1,\"items\":[{\"sku\":\"a\",\"quantity\":1001}]}", "items[0].quantity: 1001 is more than 1000" },
        { "{\"id\":1,\"items\":[{\"sku\":\"a\",\"quantity\":3000000000}]}",
          "items[0].quantity: 3000000000 is more than 1000" },
        { "{\"id\":1,\"items\":[{\"sku\":\"a\",\"quantity\":1.0}]}", "items[0].quantity: is not an integer" },
        { "{\"id\":1,\"items\":[{\"sku\":\"12345678\",\"quantity\":1}]}", "items[0].sku: has 8 bytes, more than 7" },
        { "{\"id\":1,\"items\":[{\"sku\":\"\",\"quantity\":1}]}", "items[0].sku: is empty" },
        { "{\"id\":1,\"items\":[]}", "items: has 0 items, fewer than 1" },
        { "{\"id\":1,\"items\":[" ITEM "," ITEM "," ITEM "," ITEM "]}", "items: has 4 items, more than 3" },
        { "{\"id\":1,\"items\":[null]}", "items[0]: is null" },
        { "{\"id\":1,\"items\":[[]]}", "items[0]: is not an object" },
        { "{\"id\":1,\"items\":{}}", "items: is not an array" },
        { "{\"id\":0," ITEMS "}", "id: 0 is less than 1" },
        { "{\"id\":null," ITEMS "}", "id: is null" },
        { "{" ITEMS "}", "id: is missing" },
        { "{\"id\":1," ITEMS ",\"note\":\"a\"}", "note: has 1 characters, fewer than 2" },
        { "{\"id\":1," ITEMS ",\"note\":\"abcdef\"}", "note: has 6 characters, more than 5" },
        { "{\"id\":1," ITEMS ",\"note\":7}", "note: is not a text" },
        { "{\"id\":1," ITEMS ",\"is_paid\":1}", "is_paid: is not true or false" },
        { "{\"id\":1," ITEMS ",\"discount\":0.75}", "discount: 0.75 is more than 0.5" },
        { "{\"id\":1," ITEMS ",\"discount\":-1}", "discount: -1.0 is less than -0.5" },
        { "{\"id\":1," ITEMS ",\"discount\":\"1\"}", "discount: is not a number" },
        { "{\"id\":1," ITEMS ",\"colour\":\"pink\"}", "colour: is none of: red, green, blue" },
        { "{\"id\":1," ITEMS ",\"colour\":1}", "colour: is none of: red, green, blue" },
        { "{\"id\":1," ITEMS ",\"color\":\"red\"}", "color: is not known" },
        { "{\"id\":1,\"items\":[{\"sku\":\"a\",\"quantity\":2,\"a\\nb\":1}]}", "items[0].a?b: is not known" },
        { "[]", "is not an object" },
        { "7", "is not an object" },
        { "null", "is not an object" },
        { "{\"id\":\"x\",\"items\":[{\"quantity\":0},{\"sku\":1,\"quantity\":2}],\"x\":1}",
          "id: is not an integer\nitems[0].sku: is missing\nitems[0].quantity: 0 is less than 1\n"
          "items[1].sku: is not a text\nx: is not known" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        hob_json_errors errors;
        struct order    order, zero = { 0 };
        memset(&order, 0xee, sizeof order);
        check_err(parse(cases[i].text, NULL, &errors, &order), HOB_EJSON);
        check_str(all_words(HOB_EJSON, &errors), cases[i].words);
        check_mem(&order, &zero, sizeof order);
        check_err(parse(cases[i].text, NULL, NULL, &order), HOB_EJSON);
        check_mem(&order, &zero, sizeof order);
    }
}

TEST(json, the_errors_are_bounded_and_say_that_there_are_more)
{
    hob_json_errors errors;
    struct order    order;

    check_err(parse("{\"a\":1,\"b\":1,\"c\":1,\"d\":1,\"e\":1,\"f\":1}", NULL, &errors, &order), HOB_EJSON);
    check_eq(errors.count, 8);
    check(!errors.more);
    check_err(parse("{\"a\":1,\"b\":1,\"c\":1,\"d\":1,\"e\":1,\"f\":1,\"g\":1}", NULL, &errors, &order), HOB_EJSON);
    check_eq(errors.count, 8);
    check(errors.more);
    check_ok(parse("{\"id\":1," ITEMS "}", NULL, &errors, &order));
    check(errors.count == 0 && !errors.more);
    free_order(&order);
}

TEST(json, what_is_not_json_has_a_line_and_a_column)
{
    static const struct refused cases[] = {
        { "", "line 1, column 1: ends too early" },
        { "{\"id\":[1,", "line 1, column 9: ends too early" },
        { "{\"id\":\"a", "line 1, column 8: ends too early" },
        { "{\"id\":tru}", "line 1, column 9: invalid token" },
        { "{\"note\":\"\\u0000\"}", "line 1, column 16: a string has U+0000 in it" },
        { "{\n  \"id\": 1,\n  \"id\": 2\n}", "line 3, column 6: duplicate object key" },
        { "{\"id\":1,}", "line 1, column 9: string or '}' expected" },
        { "{\"id\":1}x", "line 1, column 9: end of file expected" },
        { "{\"note\":\"\xff\"}", "line 1, column 9: unable to decode byte 0xff" },
    };
    char text[300];

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        hob_json_errors errors;
        struct order    order;
        check_err(parse(cases[i].text, NULL, &errors, &order), -EBADMSG);
        check_eq(errors.count, 1);
        check_str(hob_json_error_text(-EBADMSG, &errors, text, sizeof text), cases[i].words);
        check_err(parse(cases[i].text, NULL, NULL, &order), -EBADMSG);
    }
}

TEST(json, a_request_has_no_read_only_fields_and_a_response_no_write_only_ones)
{
    const hob_json_opts request = { .side = HOB_JSON_REQUEST };
    const hob_json_opts response = { .side = HOB_JSON_RESPONSE };
    const hob_json_opts lax = { .side = HOB_JSON_REQUEST, .ignore_unknown = 1 };
    hob_json_errors     errors;
    ORDER(o);

    check_err(parse("{\"id\":5," ITEMS ",\"secret\":\"s\"}", &request, &errors, &o), HOB_EJSON);
    check_str(all_words(0, &errors), "id: is read only");
    check_err(parse("{\"id\":5," ITEMS ",\"secret\":\"s\"}", &response, &errors, &o), HOB_EJSON);
    check_str(all_words(0, &errors), "secret: is write only");
    check_ok(parse("{\"id\":5," ITEMS ",\"secret\":\"s\"}", &lax, &errors, &o));
    check_eq(o.id, 0);
    check_str(o.secret, "s");

    TEXT(text);
    o.id = 5;
    check_ok(hob_json_text(order_json, &o, &response, &errors, &text));
    check_str(text, "{\"id\":5," ITEMS ",\"is_paid\":true,\"colour\":\"blue\"}");
}

TEST(json, null_and_absent_are_told_apart_by_flags_and_by_pointers)
{
    static const char begin[] = "{\"truth\":true,\"i8\":-128,\"i16\":1,\"i32\":1,\"i64\":-9223372036854775808,"
        "\"u8\":255,\"u16\":65535,\"u32\":4000000000,\"u64\":9223372036854775807,\"f32\":1,\"f64\":1e308,"
        "\"share\":0,\"text\":\"ab\",\"in side\":\"\",\"colour\":\"red\",\"leaf\":{\"name\":\"x\",\"weight\":1},"
        "\"numbers\":[],\"reals\":[1],\"words\":[],\"leaves\":[],\"leaf_ats\":[],\"colours\":[],";
    char            text[2000];
    hob_json_errors errors;
    EVERYTHING(e);

    snprintf(text, sizeof text, "%s\"maybe_bools\":null,\"number\":null,\"nickname\":null,\"any\":null}", begin);
    check_ok(hob_json_parse(everything_json, text, strlen(text), NULL, &errors, &e));
    check(e.has_number && e.number_is_null && e.number == 0);
    check(!e.has_list && e.nickname == NULL && e.maybe_bools == NULL);
    check(json_is_null(e.any));
    check_eq(e.i8, -128);
    check_eq(e.i64, INT64_MIN);
    check_eq(e.u8, 255);
    check_eq(e.u16, 65535);
    check_eq(e.u32, 4000000000);
    check_eq(e.u64, INT64_MAX);
    check_eq(e.with_default, 42);
    check_str(e.greeting, "hello");
    check(e.prime_count == 3 && e.primes[2] == 5);
    check_eq(e.letter, 'b');
    free_everything(&e);

    snprintf(text, sizeof text, "%s\"maybe_bools\":[],\"number\":-3,\"list\":[],\"nickname\":\"x\"}", begin);
    check_ok(hob_json_parse(everything_json, text, strlen(text), NULL, &errors, &e));
    check(e.has_number && !e.number_is_null && e.number == -3);
    check(e.has_list && e.list_count == 0);
    check(e.maybe_bools != NULL && e.maybe_bool_count == 0);
    check(e.any == NULL);
    free_everything(&e);
    check(!e.has_list && !e.has_number);
    free_everything(&e); // twice is fine
}

TEST(json, an_integer_holds_what_its_member_holds)
{
    static const struct { const char *field, *at_most, *too_much, *words; } cases[] = {
        { "i8", "127", "128", "i8: 128 is more than 127" },
        { "i8", "-128", "-129", "i8: -129 is less than -128" },
        { "i16", "300", "301", "i16: 301 is more than 300" },
        { "i32", "2147483647", "2147483648", "i32: 2147483648 is more than 2147483647" },
        { "u8", "0", "-1", "u8: -1 is less than 0" },
        { "u8", "255", "256", "u8: 256 is more than 255" },
        { "u16", "65535", "65536", "u16: 65536 is more than 65535" },
        { "u32", "4000000000", "4000000001", "u32: 4000000001 is more than 4000000000" },
        { "u64", "9223372036854775807", "-1", "u64: -1 is less than 0" },
        { "f32", "3.4028235e+38", "3.4028236e+38", "f32: is too large for a float" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        hob_json_errors errors;
        EVERYTHING(e);
        check_ok(hob_json_from_text(everything_json, cases[i].field, cases[i].at_most,
                                    strlen(cases[i].at_most), NULL, &errors, &e));
        check_err(hob_json_from_text(everything_json, cases[i].field, cases[i].too_much,
                                     strlen(cases[i].too_much), NULL, &errors, &e), HOB_EJSON);
        check_str(all_words(0, &errors), cases[i].words);
    }
}

struct arena {
    char   bytes[4096];
    size_t used, limit;
};

static void *take_from_arena(void *arg, size_t size)
{
    struct arena *a = arg;

    size = (size + 15) / 16 * 16;
    if (size > a->limit - a->used)
        return NULL;
    a->used += size;
    return a->bytes + a->used - size;
}

/* A count of a byte without a sign, and one with. */
struct crowd {
    bool   *here, *there;
    uint8_t here_count;
    int8_t  there_count;
};

static HOB_JSON_TABLE(crowd_json, struct crowd,
    HOB_JSON_ARRAY(here, here_count),
    HOB_JSON_ARRAY(there, there_count));

TEST(json, an_array_has_as_many_items_as_its_count_can_say)
{
    char            text[4000], *at = text;
    hob_json_errors errors;
    struct crowd    crowd;
    TEXT(out);

    at = stpcpy(at, "{\"here\":[true");
    for (int i = 1; i < 255; i++)
        at = stpcpy(at, ",true");
    at = stpcpy(at, "],\"there\":[true");
    for (int i = 1; i < 127; i++)
        at = stpcpy(at, ",true");
    stpcpy(at, "]}");
    check_ok(hob_json_parse(crowd_json, text, strlen(text), NULL, &errors, &crowd));
    int is_right = crowd.here_count == 255 && crowd.there_count == 127 && crowd.here[254];
    ssize_t len = hob_json_text(crowd_json, &crowd, NULL, &errors, &out);
    hob_json_free(crowd_json, NULL, &crowd);
    check(is_right);
    check_ok(len);
    check_str(out, text);

    stpcpy(at, ",true]}");
    check_err(hob_json_parse(crowd_json, text, strlen(text), NULL, &errors, &crowd), HOB_EJSON);
    check_str(all_words(0, &errors), "there: has 128 items, more than 127");
}

TEST(json, memory_comes_from_where_the_options_say)
{
    struct arena          arena = { .limit = sizeof arena.bytes };
    hob_json_errors       errors;
    const hob_json_memory memory = { take_from_arena, NULL, &arena };
    const hob_json_opts   opts = { .memory = &memory };
    struct order          order;

    check_ok(parse("{\"id\":1,\"note\":\"abc\"," ITEMS "}", &opts, &errors, &order));
    check((char *)order.items >= arena.bytes && (char *)order.items < arena.bytes + arena.used);
    size_t needed = arena.used;
    arena.used = 0;
    arena.limit = needed - 16;
    check_err(parse("{\"id\":1,\"note\":\"abc\"," ITEMS "}", &opts, &errors, &order), -ENOMEM);
    check(order.items == NULL && order.note == NULL);
}

TEST(json, lines_are_parsed_one_by_one_and_a_bad_one_is_gone)
{
    static const char text[] = "{\"name\":\"a\",\"weight\":1}\n\n{\"name\":\"b\",\"weight\":0}\r\n{\"nam\n"
                               "  {\"name\":\"c\",\"weight\":3}";
    hob_json_errors errors;
    struct leaf     leaf;

    MEM_PAIR(ours, theirs);
    READER(in, ours);
    check_ok(hob_stream_write(theirs, text, sizeof text - 1));
    check_ok(hob_stream_shutdown(theirs));
    check_ok(hob_json_read_line(leaf_json, &in, NULL, &errors, &leaf));
    check_str(leaf.name, "a");
    check_err(hob_json_read_line(leaf_json, &in, NULL, &errors, &leaf), HOB_EJSON);
    check_str(all_words(0, &errors), "weight: 0 is less than 1");
    check_err(hob_json_read_line(leaf_json, &in, NULL, &errors, &leaf), -EBADMSG);
    check_ok(hob_json_read_line(leaf_json, &in, NULL, &errors, &leaf));
    check_eq(leaf.weight, 3);
    check_err(hob_json_read_line(leaf_json, &in, NULL, &errors, &leaf), HOB_EOF);
}
