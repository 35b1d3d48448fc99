/* SPDX-License-Identifier: MIT */
/*
 * JSON Schema 2020-12 of a table, as values of jansson's.
 *
 * Tables in a table become references; the list of them is worked off until none is new, so a table
 * may stand in itself. What jansson says to a lack of memory is not looked at on the way: memory.c
 * notes it, and all is given back at the end.
 */
#include <stdio.h>

#include "json/json.h"
#include "json/number.h"

enum { NAME_MAX_ = 128 };

struct named {
    const hob_json_shape *shape;
    char                  name[NAME_MAX_];
};

struct schema {
    struct walk   walk; /* for the defaults and examples */
    const char   *prefix;
    struct named *named;
    size_t        count, cap;
};

static void set(json_t *object, const char *name, json_t *value)
{
    json_object_set_new_nocheck(object, name, value);
}

/* ---- the tables that are referred to ---- */

static bool grow(struct schema *s)
{
    size_t        cap = s->cap > 0 ? 2 * s->cap : 8;
    struct named *more = hob_json_alloc(NULL, cap * sizeof *more);

    if (more == NULL)
        return false;
    if (s->count > 0)
        memcpy(more, s->named, s->count * sizeof *more);
    hob_json_release(NULL, s->named);
    s->named = more;
    s->cap = cap;
    return true;
}

static bool is_taken(const struct schema *s, const char *name)
{
    for (size_t i = 0; i < s->count; i++)
        if (strcmp(s->named[i].name, name) == 0)
            return true;
    return false;
}

/* The name of the table here; NULL: no memory. */
static const char *name_of(struct schema *s, const hob_json_shape *shape)
{
    const char *called = shape->about.called != NULL ? shape->about.called : shape->name;

    for (size_t i = 0; i < s->count; i++)
        if (s->named[i].shape == shape)
            return s->named[i].name;
    if (s->count == s->cap && !grow(s))
        return NULL;

    struct named *fresh = &s->named[s->count];
    fresh->shape = shape;
    snprintf(fresh->name, sizeof fresh->name, "%.100s", called);
    for (unsigned n = 2; is_taken(s, fresh->name); n++)
        snprintf(fresh->name, sizeof fresh->name, "%.100s_%u", called, n);
    s->count++;
    return fresh->name;
}

/* ---- values ---- */

static json_t *of_int(const hob_json_field *field)
{
    const hob_json_range *range = &field->range;
    json_t               *type = json_object();
    int64_t               min, max;

    hob__json_int_room(field, &min, &max);
    bool has_min = field->bytes < 8 || field->kind == HOB_JSON_KIND_UINT || range->has_min;
    bool has_max = field->bytes < 8 || range->has_max;
    if (range->has_min && range->min > min)
        min = range->min;
    if (range->has_max && range->max < max)
        max = range->max;
    set(type, "type", json_string("integer"));
    if (field->bytes >= 4)
        set(type, "format", json_string(field->bytes == 8 ? "int64" : "int32"));
    if (has_min)
        set(type, "minimum", json_integer(min));
    if (has_max)
        set(type, "maximum", json_integer(max));
    return type;
}

static json_t *of_limit(const hob_json_range *range, int64_t whole, double real)
{
    return range->is_real || (double)whole != real ? json_real(real) : json_integer(whole);
}

static json_t *of_real(const hob_json_field *field)
{
    const hob_json_range *range = &field->range;
    json_t               *type = json_object();
    bool                  is_float = field->bytes == sizeof(float);

    set(type, "type", json_string("number"));
    set(type, "format", json_string(is_float ? "float" : "double"));
    if (range->has_min)
        set(type, "minimum", of_limit(range, range->min, range->real_min));
    else if (is_float)
        set(type, "minimum", json_real(-FLOAT_LIMIT));
    if (range->has_max)
        set(type, "maximum", of_limit(range, range->max, range->real_max));
    else if (is_float)
        set(type, "maximum", json_real(FLOAT_LIMIT));
    return type;
}

static json_t *of_text(const hob_json_field *field)
{
    const struct format *format = hob__json_format(field->format);
    json_t              *type = json_object();
    size_t               max = field->len_max > 0 ? field->len_max : SIZE_MAX;

    // A character has a byte at least.
    if (field->bytes_max > 0 && field->bytes_max < max)
        max = field->bytes_max;
    if (field->kind == HOB_JSON_KIND_TEXT_IN && field->bytes - 1 < max)
        max = field->bytes - 1;
    set(type, "type", json_string("string"));
    if (field->len_min > 0)
        set(type, "minLength", json_integer((json_int_t)field->len_min));
    if (max < SIZE_MAX)
        set(type, "maxLength", json_integer((json_int_t)max));
    if (format != NULL) {
        set(type, "format", json_string(format->name));
        set(type, "pattern", json_string(format->pattern));
    }
    return type;
}

static json_t *of_enum(const hob_json_field *field)
{
    json_t *type = json_object(), *names = json_array();

    for (size_t i = 0; i < field->name_count; i++)
        json_array_append_new(names, json_string(field->names[i].name));
    set(type, "type", json_string("string"));
    set(type, "enum", names);
    return type;
}

static json_t *of_table(struct schema *s, const hob_json_field *field)
{
    const char *name = name_of(s, hob__json_shape(field->table, s->walk.function));
    json_t     *type = json_object();

    set(type, "$ref", name != NULL ? json_sprintf("%s%s", s->prefix, name) : NULL);
    return type;
}

static json_t *of_value(struct schema *s, const hob_json_field *field)
{
    json_t *type;

    switch (field->kind) {
    case HOB_JSON_KIND_BOOL:
        type = json_object();
        set(type, "type", json_string("boolean"));
        return type;
    case HOB_JSON_KIND_INT:
    case HOB_JSON_KIND_UINT:
        return of_int(field);
    case HOB_JSON_KIND_REAL:
        return of_real(field);
    case HOB_JSON_KIND_TEXT:
    case HOB_JSON_KIND_TEXT_IN:
        return of_text(field);
    case HOB_JSON_KIND_ENUM:
        return of_enum(field);
    case HOB_JSON_KIND_OBJECT:
    case HOB_JSON_KIND_OBJECT_AT:
        return of_table(s, field);
    default:
        return json_object(); // any value
    }
}

/* ---- fields ---- */

static json_t *of_array(const hob_json_field *field, json_t *items)
{
    json_t *type = json_object();
    size_t  max = hob__json_count_max(field);

    set(type, "type", json_string("array"));
    set(type, "items", items);
    if (field->count_min > 0)
        set(type, "minItems", json_integer((json_int_t)field->count_min));
    if (max < SIZE_MAX / 2)
        set(type, "maxItems", json_integer((json_int_t)max));
    return type;
}

static json_t *or_null(json_t *type)
{
    json_t *kind = json_object_get(type, "type"), *both;

    if (kind != NULL) {
        set(type, "type", json_pack("[Os]", kind, "null"));
        json_t *names = json_object_get(type, "enum");
        if (names != NULL)
            json_array_append_new(names, json_null());
        return type;
    }
    both = json_object(); // a reference
    set(both, "anyOf", json_pack("[o{ss}]", type, "type", "null"));
    return both;
}

static json_t *of_field(struct schema *s, const hob_json_field *field)
{
    json_t *type = of_value(s, field);

    if (field->array != HOB_JSON_ONE)
        type = of_array(field, type);
    if (hob__json_is_nullable(field))
        type = or_null(type);
    if (field->about != NULL)
        set(type, "description", json_string(field->about));
    if (field->otherwise != NULL)
        set(type, "default", hob__json_of_own_text(&s->walk, field, field->otherwise));
    if (field->example != NULL) {
        json_t *examples = json_array();
        json_array_append_new(examples, hob__json_of_own_text(&s->walk, field, field->example));
        set(type, "examples", examples);
    }
    if (field->read_only)
        set(type, "readOnly", json_true());
    if (field->write_only)
        set(type, "writeOnly", json_true());
    return type;
}

/* ---- tables ---- */

static json_t *of_shape(struct schema *s, const hob_json_shape *shape)
{
    json_t *type = json_object(), *properties = json_object(), *required = json_array();

    set(type, "type", json_string("object"));
    if (shape->about.called != NULL)
        set(type, "title", json_string(shape->about.called));
    if (shape->about.text != NULL)
        set(type, "description", json_string(shape->about.text));
    for (size_t i = 0; i < shape->field_count; i++) {
        const hob_json_field *field = &shape->fields[i];
        if (!hob_json_field_is_on(field, s->walk.opts->side))
            continue;
        set(properties, hob__json_name(field), of_field(s, field));
        if (!hob__json_is_optional(field))
            json_array_append_new(required, json_string(hob__json_name(field)));
    }
    set(type, "properties", properties);
    set(type, "required", required);
    if (!hob__json_ignores_unknown(shape, s->walk.opts))
        set(type, "additionalProperties", json_false());
    return type;
}

/* The schemas of all tables that have a name by now, and of those that get one meanwhile. */
static json_t *of_named(struct schema *s)
{
    json_t *all = json_object();

    for (size_t i = 0; i < s->count; i++) {
        json_t *type = of_shape(s, s->named[i].shape); // may move the list
        set(all, s->named[i].name, type);
    }
    return all;
}

static void begin(struct schema *s, const char *function, const char *prefix,
                  const hob_json_opts *opts)
{
    *s = (struct schema){ .prefix = prefix };
    hob__json_walk_begin(&s->walk, function, opts, NULL);
}

static int end(struct schema *s, json_t *value, json_t **ret_value)
{
    hob_json_release(NULL, s->named);
    if (hob__json_ran_out()) {
        json_decref(value);
        return -ENOMEM;
    }
    *ret_value = value;
    return 0;
}

int hob_json_schema(hob_json_table *table, const hob_json_opts *opts, struct json_t **ret_schema)
{
    const hob_json_shape *shape = hob__json_shape(table, "hob_json_schema");
    struct schema         s;

    begin(&s, "hob_json_schema", "#/$defs/", opts);
    json_t *schema = json_object();
    set(schema, "$schema", json_string("https://json-schema.org/draft/2020-12/schema"));
    json_t *type = of_shape(&s, shape);
    json_object_update(schema, type);
    json_decref(type);
    json_t *defs = of_named(&s);
    if (json_object_size(defs) > 0)
        set(schema, "$defs", defs);
    else
        json_decref(defs);
    return end(&s, schema, ret_schema);
}

int hob_json_schemas(hob_json_table *const *tables, size_t count, const char *prefix,
                     const hob_json_opts *opts, struct json_t **ret_schemas)
{
    struct schema s;

    begin(&s, "hob_json_schemas", prefix, opts);
    for (size_t i = 0; i < count; i++)
        name_of(&s, hob__json_shape(tables[i], "hob_json_schemas")); // NULL: it ran out
    return end(&s, of_named(&s), ret_schemas);
}

int hob_json_field_schema(hob_json_table *table, size_t index, struct json_t **ret_schema)
{
    const hob_json_shape *shape = hob__json_shape(table, "hob_json_field_schema");
    struct schema         s;

    if (index >= shape->field_count || shape->fields[index].kind == HOB_JSON_KIND_OBJECT ||
        shape->fields[index].kind == HOB_JSON_KIND_OBJECT_AT)
        return -ENOENT;
    begin(&s, "hob_json_field_schema", "", NULL);
    return end(&s, of_field(&s, &shape->fields[index]), ret_schema);
}
