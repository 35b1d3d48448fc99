/* SPDX-License-Identifier: MIT */
/*
 * A value of jansson's becomes a struct.
 *
 * The struct is zero before, and whatever is put into it is reachable from it at once: so a walk may
 * end anywhere, and free.c frees what there is. A walk goes on after something wrong, to say all of
 * it, as long as there is room for words.
 */
#include <math.h>
#include <stdio.h>

#include "json/json.h"

static void read_object(struct walk *walk, const struct step *up, const hob_json_shape *shape,
                        const json_t *value, void *obj);

static void *take(struct walk *walk, size_t bytes)
{
    void *ptr = hob__json_alloc_zero(walk->opts->memory, bytes);
    if (ptr == NULL)
        hob__json_stop(walk, -ENOMEM);
    return ptr;
}

static void read_whole(struct walk *walk, const struct step *step, const hob_json_field *field,
                       int64_t value, void *at)
{
    if (hob__json_fits_int(walk, step, field, value))
        hob__json_set_int(at, field->bytes, value);
}

static void read_int(struct walk *walk, const struct step *step, const hob_json_field *field,
                     const json_t *value, void *at)
{
    double real = json_real_value(value); // 0 of an integer

    if (json_is_real(value) && hob__json_is_beyond(real))
        hob__json_say_beyond(walk, step, field, real < 0);
    else if (json_is_real(value) && real == 0 && signbit(real)) // widen.c made it of -0, which is 0
        read_whole(walk, step, field, 0, at);
    else if (!json_is_integer(value))
        hob__json_say(walk, step, "is not an integer");
    else
        read_whole(walk, step, field, json_integer_value(value), at);
}

static void read_real(struct walk *walk, const struct step *step, const hob_json_field *field,
                      const json_t *value, void *at)
{
    double d = json_number_value(value);
    float  f = (float)d;

    if (!json_is_number(value))
        hob__json_say(walk, step, "is not a number");
    else if (hob__json_fits_real(walk, step, field, d))
        memcpy(at, field->bytes == sizeof f ? (void *)&f : (void *)&d, field->bytes);
}

static void read_text(struct walk *walk, const struct step *step, const hob_json_field *field,
                      const json_t *value, void *at)
{
    const char *text = json_string_value(value);
    size_t      len = json_string_length(value);

    if (text == NULL) {
        hob__json_say(walk, step, "is not a text");
        return;
    }
    if (!hob__json_fits_text(walk, step, field, text, len))
        return;
    if (field->kind == HOB_JSON_KIND_TEXT_IN) {
        memcpy(at, text, len);
        return;
    }
    char *copy = take(walk, len + 1);
    if (copy != NULL)
        memcpy(copy, text, len);
    memcpy(at, &copy, sizeof copy);
}

static void read_enum(struct walk *walk, const struct step *step, const hob_json_field *field,
                      const json_t *value, void *at)
{
    const char *text = json_string_value(value);
    char        names[HOB_JSON_WORDS_MAX] = "";
    size_t      len = 0;

    for (size_t i = 0; text != NULL && i < field->name_count; i++) {
        if (strlen(field->names[i].name) == json_string_length(value) &&
            strcmp(text, field->names[i].name) == 0) {
            hob__json_set_int(at, field->bytes, field->names[i].value);
            return;
        }
    }
    for (size_t i = 0; i < field->name_count && len < sizeof names; i++)
        len += (size_t)snprintf(names + len, sizeof names - len, "%s%s", i > 0 ? ", " : "",
                                field->names[i].name);
    hob__json_say(walk, step, "is none of: %s", names);
}

static void read_value(struct walk *walk, const struct step *step, const hob_json_field *field,
                       const json_t *value, void *at)
{
    void   *ptr;
    json_t *raw;
    bool    truth = json_is_true(value);

    switch (field->kind) {
    case HOB_JSON_KIND_BOOL:
        if (json_is_boolean(value))
            memcpy(at, &truth, sizeof truth);
        else
            hob__json_say(walk, step, "is not true or false");
        break;
    case HOB_JSON_KIND_INT:
    case HOB_JSON_KIND_UINT:
        read_int(walk, step, field, value, at);
        break;
    case HOB_JSON_KIND_REAL:
        read_real(walk, step, field, value, at);
        break;
    case HOB_JSON_KIND_TEXT:
    case HOB_JSON_KIND_TEXT_IN:
        read_text(walk, step, field, value, at);
        break;
    case HOB_JSON_KIND_ENUM:
        read_enum(walk, step, field, value, at);
        break;
    case HOB_JSON_KIND_OBJECT:
        read_object(walk, step, hob__json_shape(field->table, walk->function), value, at);
        break;
    case HOB_JSON_KIND_OBJECT_AT:
        ptr = take(walk, hob__json_shape(field->table, walk->function)->bytes);
        memcpy(at, &ptr, sizeof ptr);
        if (ptr != NULL)
            read_object(walk, step, field->table(), value, ptr);
        break;
    default:
        raw = json_incref((json_t *)value); // counts what is the caller's: no part of the value
        memcpy(at, &raw, sizeof raw);
        break;
    }
}

static void read_array(struct walk *walk, const struct step *step, const hob_json_field *field,
                       const json_t *value, void *obj)
{
    size_t count = json_array_size(value);
    char  *items = (char *)obj + field->at;

    if (!json_is_array(value)) {
        hob__json_say(walk, step, "is not an array");
        return;
    }
    if (!hob__json_fits_count(walk, step, field, count))
        return;
    if (field->array == HOB_JSON_ALLOCATED) {
        // One that may be NULL is not, when it is empty.
        if (count == 0 && !hob__json_is_nullable(field))
            return;
        if (count > SIZE_MAX / 2 / field->bytes) {
            hob__json_stop(walk, -ENOMEM);
            return;
        }
        items = take(walk, count > 0 ? count * field->bytes : 1);
        memcpy((char *)obj + field->at, &items, sizeof items);
        if (items == NULL)
            return;
    }
    hob__json_set_int((char *)obj + field->count_at, field->count_bytes, (int64_t)count);
    for (size_t i = 0; i < count && hob__json_goes_on(walk); i++) {
        struct step   item_step = { step, NULL, 0, i };
        const json_t *item = json_array_get(value, i);
        if (item == walk->bad && item != NULL)
            continue;
        if (json_is_null(item) && field->kind != HOB_JSON_KIND_RAW)
            hob__json_say(walk, &item_step, "is null");
        else
            read_value(walk, &item_step, field, item, items + i * field->bytes);
    }
}

bool hob__json_read_field(struct walk *walk, const struct step *step, const hob_json_field *field,
                          const json_t *value, void *obj)
{
    bool is_null = json_is_null(value) &&
                   (field->kind != HOB_JSON_KIND_RAW || field->array != HOB_JSON_ONE);

    if (value == walk->bad)
        return false;
    if (is_null && !hob__json_is_nullable(field))
        return hob__json_say(walk, step, "is null");
    hob__json_set_flag(field->has, obj, true);
    hob__json_set_flag(field->null, obj, is_null);
    if (is_null)
        return true;
    if (field->array != HOB_JSON_ONE)
        read_array(walk, step, field, value, obj);
    else
        read_value(walk, step, field, value, (char *)obj + field->at);
    return hob__json_walk_result(walk) == 0;
}

static void read_absent(struct walk *walk, const struct step *step, const hob_json_field *field,
                        void *obj)
{
    if (!hob__json_is_optional(field)) {
        hob__json_say(walk, step, "is missing");
        return;
    }
    if (field->otherwise == NULL)
        return;

    struct walk own = { .opts = walk->opts, .function = walk->function };
    json_t     *value = hob__json_of_own_text(&own, field, field->otherwise);
    if (value != NULL)
        hob__json_read_field(&own, step, field, value, obj);
    json_decref(value);
    if (own.error < 0)
        hob__json_stop(walk, own.error);
    else if (own.is_wrong)
        hob__json_mistake_of(walk->function, NULL, field->member, "its default does not fit it");
}

static void say_unknown(struct walk *walk, const struct step *up, const hob_json_shape *shape,
                        const json_t *value)
{
    json_t *object = (json_t *)value; // iterators of jansson's take it so

    for (void *at = json_object_iter(object); at != NULL; at = json_object_iter_next(object, at)) {
        const char *name = json_object_iter_key(at);
        struct step step = { up, name, strlen(name), 0 };
        if (!hob__json_goes_on(walk))
            return;
        if (hob__json_find(shape, walk->opts->side, name) != NULL)
            continue;
        if (hob__json_find(shape, HOB_JSON_WHOLE, name) == NULL)
            hob__json_say(walk, &step, "is not known");
        else
            hob__json_say(walk, &step, "is %s only",
                          walk->opts->side == HOB_JSON_REQUEST ? "read" : "write");
    }
}

static void read_object(struct walk *walk, const struct step *up, const hob_json_shape *shape,
                        const json_t *value, void *obj)
{
    size_t seen = 0;

    if (!json_is_object(value)) {
        hob__json_say(walk, up, "is not an object");
        return;
    }
    for (size_t i = 0; i < shape->field_count && hob__json_goes_on(walk); i++) {
        const hob_json_field *field = &shape->fields[i];
        const char           *name = hob__json_name(field);
        struct step           step = { up, name, strlen(name), 0 };
        if (!hob_json_field_is_on(field, walk->opts->side))
            continue;
        const json_t *there = json_object_get(value, name);
        seen += there != NULL;
        if (there != NULL)
            hob__json_read_field(walk, &step, field, there, obj);
        else
            read_absent(walk, &step, field, obj);
    }
    if (json_object_size(value) > seen && !hob__json_ignores_unknown(shape, walk->opts))
        say_unknown(walk, up, shape, value);
}

int hob__json_read(struct walk *walk, const hob_json_shape *shape, const json_t *value, void *obj)
{
    memset(obj, 0, shape->bytes);
    read_object(walk, NULL, shape, value, obj);

    int r = hob__json_walk_result(walk);
    if (r < 0) {
        for (size_t i = 0; i < shape->field_count; i++)
            hob__json_free_field(&shape->fields[i], walk->opts->memory, obj);
        memset(obj, 0, shape->bytes);
    }
    return r;
}
