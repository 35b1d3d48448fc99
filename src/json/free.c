/* SPDX-License-Identifier: MIT */
/* Frees what a struct holds, by its table. What is zero holds nothing. */
#include "json/json.h"

static void free_fields(hob_json_table *table, const hob_json_memory *memory, void *obj)
{
    const hob_json_shape *shape = table();

    for (size_t i = 0; i < shape->field_count; i++)
        hob__json_free_field(&shape->fields[i], memory, obj);
}

static void free_value(const hob_json_field *field, const hob_json_memory *memory, void *at)
{
    void *ptr;

    switch (field->kind) {
    case HOB_JSON_KIND_TEXT:
        memcpy(&ptr, at, sizeof ptr);
        hob_json_release(memory, ptr);
        break;
    case HOB_JSON_KIND_OBJECT:
        free_fields(field->table, memory, at);
        break;
    case HOB_JSON_KIND_OBJECT_AT:
        memcpy(&ptr, at, sizeof ptr);
        if (ptr != NULL)
            free_fields(field->table, memory, ptr);
        hob_json_release(memory, ptr);
        break;
    case HOB_JSON_KIND_RAW:
        memcpy(&ptr, at, sizeof ptr);
        json_decref(ptr);
        break;
    default:
        break;
    }
}

void hob__json_free_field(const hob_json_field *field, const hob_json_memory *memory, void *obj)
{
    char  *at = (char *)obj + field->at, *items = at;
    size_t count = 1;

    if (field->array != HOB_JSON_ONE) {
        count = hob__json_get_count(field, obj);
        if (field->array == HOB_JSON_ALLOCATED)
            memcpy(&items, at, sizeof items);
        if (count == SIZE_MAX ||
            (field->array == HOB_JSON_INSIDE && count > field->room_bytes / field->bytes))
            hob__json_mistake_of("hob_json_free", NULL, field->member, "its count is no count of it");
        if (items == NULL)
            count = 0;
        memset((char *)obj + field->count_at, 0, field->count_bytes);
    }
    for (size_t i = 0; i < count; i++)
        free_value(field, memory, items + i * field->bytes);
    if (field->array == HOB_JSON_ALLOCATED)
        hob_json_release(memory, items);
    memset(at, 0, field->array != HOB_JSON_ONE ? field->room_bytes : field->bytes);
    hob__json_set_flag(field->has, obj, false);
    hob__json_set_flag(field->null, obj, false);
}

void hob_json_free(hob_json_table *table, const hob_json_memory *memory, void *obj)
{
    hob__json_shape(table, "hob_json_free");
    free_fields(table, memory, obj);
}
