/* SPDX-License-Identifier: MIT */
/*
 * Tables: looked over when they are used first, and read.
 *
 * What the macros can check the compiler has checked: types, and that a member is there. The rest
 * is here, and a mistake stops the program with the name of the table and of the field.
 *
 * Threads: any. Two that look a table over at once find the same.
 */
#include <stdio.h>

#include "json/json.h"

/* ---- looking over ---- */

struct look {
    const char           *function;
    const hob_json_shape *shape;
    const hob_json_field *field;
};

void hob__json_mistake_of(const char *function, const char *table, const char *field,
                          const char *what)
{
    char sentence[256];

    snprintf(sentence, sizeof sentence, "%s%s%sthe field %s: %s", table != NULL ? "the table " : "",
             table != NULL ? table : "", table != NULL ? ", " : "", field, what);
    hob_mistake(function, sentence);
}

static void want(const struct look *look, bool cond, const char *what)
{
    if (!cond)
        hob__json_mistake_of(look->function, look->shape->name, look->field->member, what);
}

static bool is_utf8(const char *text)
{
    return text == NULL || hob_utf8_is_valid(text, strlen(text));
}

static bool is_number(const hob_json_field *f)
{
    return f->kind == HOB_JSON_KIND_INT || f->kind == HOB_JSON_KIND_UINT ||
           f->kind == HOB_JSON_KIND_REAL;
}

static bool is_text(const hob_json_field *f)
{
    return f->kind == HOB_JSON_KIND_TEXT || f->kind == HOB_JSON_KIND_TEXT_IN;
}

static bool is_pointer(const hob_json_field *f)
{
    if (f->array != HOB_JSON_ONE)
        return f->array == HOB_JSON_ALLOCATED;
    return f->kind == HOB_JSON_KIND_TEXT || f->kind == HOB_JSON_KIND_OBJECT_AT;
}

static void look_at_range(const struct look *look, const hob_json_field *f)
{
    const hob_json_range *range = &f->range;
    int64_t               min, max;

    if (!range->has_min && !range->has_max)
        return;
    want(look, is_number(f), "a range is for numbers");
    if (f->kind == HOB_JSON_KIND_REAL) {
        want(look, !range->has_min || !range->has_max || range->real_min <= range->real_max,
             "its range is empty");
        return;
    }
    want(look, !range->is_real, "an integer has a range of integers");
    hob__json_int_room(f, &min, &max);
    want(look, !range->has_min || range->min <= max, "its range is empty");
    want(look, !range->has_max || range->max >= min, "its range is empty");
    want(look, !range->has_min || !range->has_max || range->min <= range->max, "its range is empty");
}

static void look_at_text(const struct look *look, const hob_json_field *f)
{
    bool has_limits = f->len_min > 0 || f->len_max > 0 || f->bytes_max > 0;

    want(look, is_text(f) || (!has_limits && f->format == HOB_JSON_ANY_TEXT),
         "a length and a format are for texts");
    if (!is_text(f))
        return;
    want(look, f->format <= HOB_JSON_URI, "there is no such format");
    want(look, f->len_max == 0 || f->len_min <= f->len_max, "no text is that long and that short");
    want(look, f->bytes_max == 0 || f->len_min <= f->bytes_max, "no text is that long and that short");
    want(look, f->kind != HOB_JSON_KIND_TEXT_IN || f->len_min < f->bytes, "no text is that long");
}

static void look_at_names(const struct look *look, const hob_json_field *f)
{
    if (f->kind != HOB_JSON_KIND_ENUM)
        return;
    want(look, f->name_count > 0, "it has no names");
    for (size_t i = 0; i < f->name_count; i++) {
        want(look, f->names[i].name != NULL && is_utf8(f->names[i].name), "a name is no text");
        for (size_t k = 0; k < i; k++)
            want(look, strcmp(f->names[i].name, f->names[k].name) != 0, "a name stands there twice");
        unsigned char member[8] = { 0 };
        bool          is_over;
        hob__json_set_int(member, f->bytes, f->names[i].value);
        want(look, hob__json_get_int(member, f->bytes, true, &is_over) == f->names[i].value ||
                   hob__json_get_int(member, f->bytes, false, &is_over) == f->names[i].value,
             "a value does not fit the member");
    }
}

static void look_at_rest(const struct look *look, const hob_json_field *f)
{
    want(look, f->array != HOB_JSON_ONE || (f->count_min == 0 && f->count_max == 0),
         "a count is for arrays");
    want(look, f->array == HOB_JSON_ONE || f->count_min <= hob__json_count_max(f),
         "no array has that many and that few");
    want(look, f->kind != HOB_JSON_KIND_RAW || f->array != HOB_JSON_ONE ||
               !hob__json_is_nullable(f), "any value is null, too: it is not nullable");
    want(look, !hob__json_is_nullable(f) || is_pointer(f) || f->null.at_plus_one > 0,
         "what is no pointer is nullable by .null = HOB_JSON_FLAG(...)");
    want(look, !f->read_only || !f->write_only, "it is read_only and write_only");
    want(look, is_utf8(f->as) && is_utf8(f->about), "its words are not UTF-8");
    want(look, f->otherwise == NULL || f->has.at_plus_one == 0,
         "it has a default, and a flag that says whether it is there");
    for (const hob_json_field *other = look->shape->fields; other < f; other++)
        want(look, strcmp(hob__json_name(f), hob__json_name(other)) != 0,
             "another one has the same name");
}

const hob_json_shape *hob__json_shape(hob_json_table *table, const char *function)
{
    if (table == NULL)
        hob_mistake(function, "the table is NULL");

    const hob_json_shape *shape = table();
    if (__atomic_load_n(shape->was_checked, __ATOMIC_RELAXED))
        return shape;
    for (size_t i = 0; i < shape->field_count; i++) {
        const hob_json_field *f = &shape->fields[i];
        struct look           look = { function, shape, f };
        look_at_range(&look, f);
        look_at_text(&look, f);
        look_at_names(&look, f);
        look_at_rest(&look, f);
    }
    __atomic_store_n(shape->was_checked, 1, __ATOMIC_RELAXED);
    return shape;
}

/* ---- what a field says ---- */

const char *hob__json_name(const hob_json_field *f)
{
    return f->as != NULL ? f->as : f->member;
}

bool hob__json_is_optional(const hob_json_field *f)
{
    return f->optional || f->otherwise != NULL || f->has.at_plus_one > 0;
}

bool hob__json_is_nullable(const hob_json_field *f)
{
    return f->nullable || f->null.at_plus_one > 0;
}

bool hob__json_ignores_unknown(const hob_json_shape *shape, const hob_json_opts *opts)
{
    return shape->about.ignore_unknown || opts->ignore_unknown;
}

int hob_json_field_is_required(const hob_json_field *f)
{
    return !hob__json_is_optional(f);
}

int hob_json_field_is_on(const hob_json_field *f, hob_json_side side)
{
    return side == HOB_JSON_REQUEST ? !f->read_only : side == HOB_JSON_RESPONSE ? !f->write_only : 1;
}

const hob_json_field *hob__json_find(const hob_json_shape *shape, hob_json_side side,
                                     const char *name)
{
    for (size_t i = 0; i < shape->field_count; i++)
        if (strcmp(hob__json_name(&shape->fields[i]), name) == 0)
            return hob_json_field_is_on(&shape->fields[i], side) ? &shape->fields[i] : NULL;
    return NULL;
}

size_t hob__json_count_max(const hob_json_field *f)
{
    unsigned bits = 8 * (unsigned)f->count_bytes - (f->count_kind == HOB_JSON_KIND_INT);
    size_t   max = f->count_bytes < sizeof(size_t) ? ((size_t)1 << bits) - 1 : SIZE_MAX / 2;

    if (f->count_max > 0 && f->count_max < max)
        max = f->count_max;
    if (f->array == HOB_JSON_INSIDE && f->room_bytes / f->bytes < max)
        max = f->room_bytes / f->bytes;
    return max;
}

void hob__json_int_room(const hob_json_field *f, int64_t *ret_min, int64_t *ret_max)
{
    unsigned bits = 8 * (unsigned)f->bytes;

    if (f->kind == HOB_JSON_KIND_UINT) {
        *ret_min = 0;
        *ret_max = bits < 64 ? (int64_t)(((uint64_t)1 << bits) - 1) : INT64_MAX;
    } else {
        *ret_max = (int64_t)(((uint64_t)1 << (bits - 1)) - 1);
        *ret_min = -*ret_max - 1;
    }
}

/* ---- members ---- */

int64_t hob__json_get_int(const void *at, size_t bytes, bool is_signed, bool *ret_is_over)
{
    int8_t   i8;
    int16_t  i16;
    int32_t  i32;
    uint64_t u64;

    *ret_is_over = false;
    switch (bytes) {
    case 1:
        memcpy(&i8, at, 1);
        return is_signed ? i8 : (uint8_t)i8;
    case 2:
        memcpy(&i16, at, 2);
        return is_signed ? i16 : (uint16_t)i16;
    case 4:
        memcpy(&i32, at, 4);
        return is_signed ? (int64_t)i32 : (int64_t)(uint32_t)i32;
    default:
        memcpy(&u64, at, 8);
        if (is_signed || u64 <= INT64_MAX)
            return (int64_t)u64;
        *ret_is_over = true;
        return INT64_MAX;
    }
}

void hob__json_set_int(void *at, size_t bytes, int64_t value)
{
    int8_t  i8 = (int8_t)value;
    int16_t i16 = (int16_t)value;
    int32_t i32 = (int32_t)value;

    switch (bytes) {
    case 1: memcpy(at, &i8, 1); break;
    case 2: memcpy(at, &i16, 2); break;
    case 4: memcpy(at, &i32, 4); break;
    default: memcpy(at, &value, 8); break;
    }
}

double hob__json_get_real(const void *at, size_t bytes)
{
    float  f;
    double d;

    if (bytes == sizeof f) {
        memcpy(&f, at, sizeof f);
        return (double)f;
    }
    memcpy(&d, at, sizeof d);
    return d;
}

size_t hob__json_get_count(const hob_json_field *f, const void *obj)
{
    bool    is_over;
    int64_t count = hob__json_get_int((const char *)obj + f->count_at, f->count_bytes,
                                      f->count_kind == HOB_JSON_KIND_INT, &is_over);

    return count < 0 || is_over ? SIZE_MAX : (size_t)count;
}

bool hob__json_get_flag(hob_json_flag flag, const void *obj)
{
    bool value;
    memcpy(&value, (const char *)obj + flag.at_plus_one - 1, sizeof value);
    return value;
}

void hob__json_set_flag(hob_json_flag flag, void *obj, bool value)
{
    if (flag.at_plus_one > 0)
        memcpy((char *)obj + flag.at_plus_one - 1, &value, sizeof value);
}
