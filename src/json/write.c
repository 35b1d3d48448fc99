/* SPDX-License-Identifier: MIT */
/*
 * A struct becomes JSON. The limits of the table are looked at on the way, so that nothing goes out
 * that would not be taken in.
 */
#include "json/json.h"
#include "json/sink.h"

static void write_object(struct walk *walk, struct emit *emit, const struct step *up,
                         const hob_json_shape *shape, const void *obj);

static const void *pointer_at(const void *at)
{
    const void *ptr;
    memcpy(&ptr, at, sizeof ptr);
    return ptr;
}

/* ---- is it there? ---- */

enum there { THERE, IS_NULL, ABSENT, MISSING };

static enum there look_there(const hob_json_field *field, const void *obj)
{
    bool is_array = field->array != HOB_JSON_ONE;
    bool is_pointer = is_array ? field->array == HOB_JSON_ALLOCATED
                               : field->kind == HOB_JSON_KIND_TEXT ||
                                 field->kind == HOB_JSON_KIND_OBJECT_AT ||
                                 field->kind == HOB_JSON_KIND_RAW;

    if (field->has.at_plus_one > 0 && !hob__json_get_flag(field->has, obj))
        return ABSENT;
    if (field->null.at_plus_one > 0 && hob__json_get_flag(field->null, obj))
        return IS_NULL;
    if (!is_pointer || pointer_at((const char *)obj + field->at) != NULL)
        return THERE;
    if (field->nullable)
        return IS_NULL;
    if (is_array)
        return THERE; // with no items
    return hob__json_is_optional(field) ? ABSENT : MISSING;
}

/* ---- values ---- */

static void write_int(struct walk *walk, struct emit *emit, const struct step *step,
                      const hob_json_field *field, const void *at)
{
    bool    is_over;
    int64_t value = hob__json_get_int(at, field->bytes, field->kind == HOB_JSON_KIND_INT, &is_over);

    if (is_over)
        hob__json_say(walk, step, "is more than 9223372036854775807");
    else if (hob__json_fits_int(walk, step, field, value))
        hob__json_emit_int(emit, value);
}

static void write_real(struct walk *walk, struct emit *emit, const struct step *step,
                       const hob_json_field *field, const void *at)
{
    double value = hob__json_get_real(at, field->bytes);

    if (hob__json_fits_real(walk, step, field, value))
        hob__json_emit_real(emit, value, field->bytes == sizeof(float));
}

static void write_text(struct walk *walk, struct emit *emit, const struct step *step,
                       const hob_json_field *field, const void *at)
{
    const char *text = field->kind == HOB_JSON_KIND_TEXT ? pointer_at(at) : at;

    if (text == NULL) {
        hob__json_say(walk, step, "is missing");
        return;
    }
    size_t len = field->kind == HOB_JSON_KIND_TEXT ? strlen(text) : strnlen(text, field->bytes);
    if (hob__json_fits_text(walk, step, field, text, len))
        hob__json_emit_text(emit, text, len);
}

static void write_enum(struct walk *walk, struct emit *emit, const struct step *step,
                       const hob_json_field *field, const void *at)
{
    bool    is_over;
    int64_t with_sign = hob__json_get_int(at, field->bytes, true, &is_over);
    int64_t without = hob__json_get_int(at, field->bytes, false, &is_over);

    for (size_t i = 0; i < field->name_count; i++) {
        const hob_json_name *name = &field->names[i];
        if (name->value == with_sign || (name->value == without && !is_over)) {
            hob__json_emit_text(emit, name->name, strlen(name->name));
            return;
        }
    }
    hob__json_say(walk, step, "%lld has no name", (long long)with_sign);
}

static void write_raw(struct walk *walk, struct emit *emit, const struct step *step, const void *at)
{
    const json_t *value = pointer_at(at);
    unsigned      max = hob__json_depth_max(walk->opts, walk->function);

    if (value == NULL) {
        hob__json_say(walk, step, "is missing");
        return;
    }
    const char *wrong = hob__json_emit_value(emit, value, max - walk->depth);
    if (wrong != NULL)
        hob__json_say(walk, step, "%s", wrong);
}

static void write_value(struct walk *walk, struct emit *emit, const struct step *step,
                        const hob_json_field *field, const void *at)
{
    bool truth;

    switch (field->kind) {
    case HOB_JSON_KIND_BOOL:
        memcpy(&truth, at, sizeof truth);
        hob__json_emit_word(emit, truth ? "true" : "false");
        break;
    case HOB_JSON_KIND_INT:
    case HOB_JSON_KIND_UINT:
        write_int(walk, emit, step, field, at);
        break;
    case HOB_JSON_KIND_REAL:
        write_real(walk, emit, step, field, at);
        break;
    case HOB_JSON_KIND_TEXT:
    case HOB_JSON_KIND_TEXT_IN:
        write_text(walk, emit, step, field, at);
        break;
    case HOB_JSON_KIND_ENUM:
        write_enum(walk, emit, step, field, at);
        break;
    case HOB_JSON_KIND_OBJECT:
    case HOB_JSON_KIND_OBJECT_AT:
        if (field->kind == HOB_JSON_KIND_OBJECT_AT)
            at = pointer_at(at);
        if (at == NULL)
            hob__json_say(walk, step, "is missing");
        else
            write_object(walk, emit, step, hob__json_shape(field->table, walk->function), at);
        break;
    default:
        write_raw(walk, emit, step, at);
        break;
    }
}

/* ---- arrays and objects ---- */

/* One level down, if there is one. */
static bool enter(struct walk *walk, const struct step *step)
{
    unsigned max = hob__json_depth_max(walk->opts, walk->function);

    if (walk->depth == max)
        return hob__json_say(walk, step, "is nested deeper than %u", max);
    walk->depth++;
    return true;
}

static void write_array(struct walk *walk, struct emit *emit, const struct step *step,
                        const hob_json_field *field, const void *obj)
{
    const char *items = (const char *)obj + field->at;
    size_t      count = hob__json_get_count(field, obj);

    if (field->array == HOB_JSON_ALLOCATED)
        items = pointer_at(items);
    if (items == NULL)
        count = 0;
    if (count == SIZE_MAX ||
        (field->array == HOB_JSON_INSIDE && count > field->room_bytes / field->bytes))
        hob__json_mistake_of(walk->function, NULL, field->member, "its count is no count of it");
    if (!hob__json_fits_count(walk, step, field, count) || !enter(walk, step))
        return;
    hob__json_emit_open(emit, '[');
    for (size_t i = 0; i < count && hob__json_goes_on(walk) && emit->error == 0; i++) {
        struct step item = { step, NULL, 0, i };
        hob__json_emit_item(emit);
        write_value(walk, emit, &item, field, items + i * field->bytes);
    }
    hob__json_emit_close(emit, ']');
    walk->depth--;
}

static void write_field(struct walk *walk, struct emit *emit, const struct step *step,
                        const hob_json_field *field, const void *obj)
{
    enum there there = look_there(field, obj);

    if (there == MISSING)
        hob__json_say(walk, step, "is missing");
    if (there == MISSING || there == ABSENT)
        return;
    hob__json_emit_name(emit, step->name, step->name_len);
    if (there == IS_NULL)
        hob__json_emit_word(emit, "null");
    else if (field->array != HOB_JSON_ONE)
        write_array(walk, emit, step, field, obj);
    else
        write_value(walk, emit, step, field, (const char *)obj + field->at);
}

static void write_object(struct walk *walk, struct emit *emit, const struct step *up,
                         const hob_json_shape *shape, const void *obj)
{
    if (!enter(walk, up))
        return;
    hob__json_emit_open(emit, '{');
    for (size_t i = 0; i < shape->field_count && hob__json_goes_on(walk) && emit->error == 0; i++) {
        const hob_json_field *field = &shape->fields[i];
        const char           *name = hob__json_name(field);
        struct step           step = { up, name, strlen(name), 0 };
        if (hob_json_field_is_on(field, walk->opts->side))
            write_field(walk, emit, &step, field, obj);
    }
    hob__json_emit_close(emit, '}');
    walk->depth--;
}

/* ---- what is called ---- */

static ssize_t run(const char *function, hob_json_table *table, const void *obj,
                   const hob_json_opts *opts, hob_json_errors *errors, struct sink *sink)
{
    const hob_json_shape *shape = hob__json_shape(table, function);
    struct walk           walk;
    struct emit           emit;

    hob__json_walk_begin(&walk, function, opts, errors);
    hob__json_emit_begin(&emit, sink, walk.opts);
    write_object(&walk, &emit, NULL, shape, obj);
    hob__json_emit_end(&emit);

    int r = hob__json_walk_result(&walk);
    if (r == 0)
        r = emit.error;
    return r < 0 ? r : (ssize_t)emit.bytes;
}

static ssize_t run_value(const char *function, const json_t *value, const hob_json_opts *opts,
                         struct sink *sink)
{
    struct walk walk;
    struct emit emit;

    hob__json_walk_begin(&walk, function, opts, NULL);
    hob__json_emit_begin(&emit, sink, walk.opts);
    const char *wrong = hob__json_emit_value(&emit, value, hob__json_depth_max(walk.opts, function));
    hob__json_emit_end(&emit);
    if (wrong != NULL)
        return HOB_EJSON;
    return emit.error < 0 ? emit.error : (ssize_t)emit.bytes;
}

/* What a run into memory ended with; on success the text is given away. */
static ssize_t finish_memory(struct sink *sink, ssize_t len, char **ret_text)
{
    int r = len < 0 ? (int)len : hob__json_sink_take(sink, ret_text);

    hob__json_sink_drop(sink);
    return r < 0 ? r : len;
}

ssize_t hob_json_check(hob_json_table *table, const void *obj, const hob_json_opts *opts,
                       hob_json_errors *errors)
{
    return run("hob_json_check", table, obj, opts, errors, NULL);
}

ssize_t hob_json_text(hob_json_table *table, const void *obj, const hob_json_opts *opts,
                      hob_json_errors *errors, char **ret_text)
{
    struct sink sink = hob__json_sink_memory(opts != NULL ? opts->memory : NULL);
    ssize_t     len = run("hob_json_text", table, obj, opts, errors, &sink);

    return finish_memory(&sink, len, ret_text);
}

ssize_t hob_json_print(hob_json_table *table, const void *obj, const hob_json_opts *opts,
                       hob_json_errors *errors, char *buf, size_t size)
{
    struct sink sink = hob__json_sink_buffer(buf, size);

    if (size == 0)
        hob_mistake("hob_json_print", "a buffer of no bytes has no room for the NUL");
    ssize_t len = run("hob_json_print", table, obj, opts, errors, &sink);
    if (len < 0)
        buf[0] = '\0';
    return len;
}

ssize_t hob_json_write(hob_json_table *table, const void *obj, const hob_json_opts *opts,
                       hob_json_errors *errors, hob_writer *out)
{
    struct sink sink = hob__json_sink_writer(out);
    ssize_t     len = run("hob_json_write", table, obj, opts, errors, NULL);

    return len < 0 ? len : run("hob_json_write", table, obj, opts, NULL, &sink);
}

ssize_t hob_json_value_text(const struct json_t *value, const hob_json_opts *opts, char **ret_text)
{
    struct sink sink = hob__json_sink_memory(opts != NULL ? opts->memory : NULL);
    ssize_t     len = run_value("hob_json_value_text", value, opts, &sink);

    return finish_memory(&sink, len, ret_text);
}

ssize_t hob_json_value_write(const struct json_t *value, const hob_json_opts *opts, hob_writer *out)
{
    struct sink sink = hob__json_sink_writer(out);
    ssize_t     len = run_value("hob_json_value_write", value, opts, NULL);

    return len < 0 ? len : run_value("hob_json_value_write", value, opts, &sink);
}
