/* SPDX-License-Identifier: MIT */
/* The schema of a table, word for word. An independent validator is asked by test_json_validator.py. */
#include "json/counted.h"

struct person {
    int64_t      id;
    char         name[32];
    char        *mail;
    bool         has_age, age_is_null;
    uint8_t      age;
    enum colour  colour;
    struct leaf *leaf;
    double       score;
    char        *secret;
    json_t      *more;
    int         *lucky;
    size_t       lucky_count;
    enum colour  moods[3];
    int          mood_count;
};

static HOB_JSON_TABLE_WITH(person_json, struct person, HOB_JSON_ABOUT(.called = "Person", .text = "Somebody"),
    HOB_JSON_FIELD(id, .read_only = 1, .range = HOB_JSON_MIN(1)),
    HOB_JSON_FIELD(name, .len_min = 1, .about = "As she writes it", .example = "Ann"),
    HOB_JSON_FIELD(mail, .optional = 1, .format = HOB_JSON_EMAIL, .len_max = 254),
    HOB_JSON_FIELD(age, .has = HOB_JSON_FLAG(has_age), .null = HOB_JSON_FLAG(age_is_null)),
    HOB_JSON_ENUM(colour, colours, .otherwise = "green"),
    HOB_JSON_OBJECT(leaf, leaf_json, .nullable = 1),
    HOB_JSON_FIELD(score, .range = HOB_JSON_RANGE(0, 0.5), .example = "0.25"),
    HOB_JSON_FIELD(secret, .write_only = 1, .bytes_max = 72),
    HOB_JSON_FIELD(more, .optional = 1),
    HOB_JSON_ARRAY(lucky, lucky_count, .count_min = 1, .count_max = 9, .otherwise = "[7]"),
    HOB_JSON_ENUMS(moods, mood_count, colours));

static HOB_JSON_TABLE(other_json, struct leaf, HOB_JSON_FIELD(name));
static HOB_JSON_TABLE_WITH(again_json, struct leaf, HOB_JSON_ABOUT(.called = "Leaf", .ignore_unknown = 1),
    HOB_JSON_FIELD(name, .optional = 1));

/* The schema as text; NULL: no memory. */
static int schema_text(hob_json_table *table, const hob_json_opts *opts, char **ret_text)
{
    json_t *schema;

    int r = hob_json_schema(table, opts, &schema);
    if (r < 0)
        return r;
    r = (int)hob_json_value_text(schema, NULL, ret_text);
    json_decref(schema);
    return r;
}

#define LEAF "{\"type\":\"object\",\"title\":\"Leaf\",\"description\":\"Of a tree\",\"properties\":{" \
    "\"name\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":11}," \
    "\"weight\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":200}}," \
    "\"required\":[\"name\",\"weight\"],\"additionalProperties\":false}"

TEST(json_schema, a_table_has_a_schema)
{
    TEXT(text);

    check_ok(schema_text(person_json, NULL, &text));
    check_str(text, "{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\",\"type\":\"object\","
        "\"title\":\"Person\",\"description\":\"Somebody\",\"properties\":{"
        "\"id\":{\"type\":\"integer\",\"format\":\"int64\",\"minimum\":1,\"readOnly\":true},"
        "\"name\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":31,"
            "\"description\":\"As she writes it\",\"examples\":[\"Ann\"]},"
        "\"mail\":{\"type\":\"string\",\"maxLength\":254,\"format\":\"email\",\"pattern\":"
            "\"^[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]+@[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
            "(?:\\\\.[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*$\"},"
        "\"age\":{\"type\":[\"integer\",\"null\"],\"minimum\":0,\"maximum\":255},"
        "\"colour\":{\"type\":\"string\",\"enum\":[\"red\",\"green\",\"blue\"],\"default\":\"green\"},"
        "\"leaf\":{\"anyOf\":[{\"$ref\":\"#/$defs/Leaf\"},{\"type\":\"null\"}]},"
        "\"score\":{\"type\":\"number\",\"format\":\"double\",\"minimum\":0.0,\"maximum\":0.5,\"examples\":[0.25]},"
        "\"secret\":{\"type\":\"string\",\"maxLength\":72,\"writeOnly\":true},"
        "\"more\":{},"
        "\"lucky\":{\"type\":\"array\",\"items\":{\"type\":\"integer\",\"format\":\"int32\","
            "\"minimum\":-2147483648,\"maximum\":2147483647},\"minItems\":1,\"maxItems\":9,\"default\":[7]},"
        "\"moods\":{\"type\":\"array\",\"items\":{\"type\":\"string\",\"enum\":[\"red\",\"green\",\"blue\"]},"
            "\"maxItems\":3}},"
        "\"required\":[\"id\",\"name\",\"leaf\",\"score\",\"secret\",\"moods\"],\"additionalProperties\":false,"
        "\"$defs\":{\"Leaf\":" LEAF "}}");
}

TEST(json_schema, each_side_has_its_own)
{
    const hob_json_opts request = { .side = HOB_JSON_REQUEST, .ignore_unknown = 1 };
    const hob_json_opts response = { .side = HOB_JSON_RESPONSE };
    TEXT(in);
    TEXT(out);

    check_ok(schema_text(person_json, &request, &in));
    check(strstr(in, "\"id\"") == NULL && strstr(in, "additionalProperties") == NULL);
    check_has(in, "\"secret\"");
    check_ok(schema_text(person_json, &response, &out));
    check(strstr(out, "\"secret\"") == NULL);
    check_has(out, "\"id\"");
}

TEST(json_schema, a_table_may_stand_in_itself)
{
    TEXT(text);

    check_ok(schema_text(node_json, NULL, &text));
    check_has(text, "\"$defs\":{\"node_json\":{\"type\":\"object\"");
    check_has(text, "\"left\":{\"$ref\":\"#/$defs/node_json\"}");
}

TEST(json_schema, many_tables_share_one_place_and_two_of_one_name_are_told_apart)
{
    static hob_json_table *const tables[] = { other_json, person_json, again_json, other_json };
    json_t                      *schemas = NULL;
    TEXT(text);

    check_ok(hob_json_schemas(tables, 4, "#/components/schemas/", NULL, &schemas));
    ssize_t len = hob_json_value_text(schemas, NULL, &text);
    size_t  count = json_object_size(schemas);
    json_decref(schemas);
    check_ok(len);
    check_eq(count, 4);
    check_has(text, "{\"other_json\":{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\",\"maxLength\":11}}");
    check_has(text, "{\"$ref\":\"#/components/schemas/Leaf_2\"}");
    check_has(text, "\"Leaf\":{\"type\":\"object\",\"title\":\"Leaf\",\"properties\":{\"name\":");
    check_has(text, "\"required\":[]},\"Leaf_2\":" LEAF);
}

TEST(json_schema, a_parameter_has_the_schema_of_its_field)
{
    const hob_json_shape *shape = person_json();
    json_t               *schema = NULL;
    TEXT(text);

    check_str(shape->fields[3].member, "age");
    check_ok(hob_json_field_schema(person_json, 3, &schema));
    ssize_t len = hob_json_value_text(schema, NULL, &text);
    json_decref(schema);
    check_ok(len);
    check_str(text, "{\"type\":[\"integer\",\"null\"],\"minimum\":0,\"maximum\":255}");
    check_err(hob_json_field_schema(person_json, 5, &schema), -ENOENT);
    check_err(hob_json_field_schema(person_json, shape->field_count, &schema), -ENOENT);
    check(!hob_json_field_is_required(&shape->fields[3]) && hob_json_field_is_required(&shape->fields[1]));
    check(!hob_json_field_is_on(&shape->fields[0], HOB_JSON_REQUEST));
    check(hob_json_field_is_on(&shape->fields[0], HOB_JSON_RESPONSE));
}
