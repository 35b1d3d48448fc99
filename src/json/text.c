/* SPDX-License-Identifier: MIT */
/*
 * Values that come as texts: queries, paths, forms; and defaults. A text becomes a value of jansson's,
 * and goes the way of all of them from there, so that limits and words are the same.
 */
#include "json/json.h"
#include "json/number.h"

static bool is_word(const char *text, size_t len, const char *word)
{
    return len == strlen(word) && memcmp(text, word, len) == 0;
}

static json_t *made(struct walk *walk, json_t *value)
{
    if (value == NULL)
        hob__json_stop(walk, -ENOMEM);
    return value;
}

static json_t *no_value(struct walk *walk, const struct step *step, const char *what)
{
    hob__json_say(walk, step, "%s", what);
    return NULL;
}

static json_t *bool_of(struct walk *walk, const struct step *step, const char *text, size_t len)
{
    if (is_word(text, len, "true") || is_word(text, len, "1"))
        return json_true();
    if (is_word(text, len, "false") || is_word(text, len, "0"))
        return json_false();
    return no_value(walk, step, "is not true or false");
}

static json_t *number_of(struct walk *walk, const struct step *step, const hob_json_field *field,
                         const char *text, size_t len)
{
    int64_t whole;
    double  real;
    int     what = hob__json_number_parse(text, len, &whole, &real);

    if (what == 1 && field->kind == HOB_JSON_KIND_REAL)
        return made(walk, json_real(whole == 0 && text[0] == '-' ? -0.0 : (double)whole));
    if (what == 1)
        return made(walk, json_integer(whole));
    if (field->kind != HOB_JSON_KIND_REAL && (what != 2 || !hob__json_is_beyond(real)))
        return no_value(walk, step, "is not an integer");
    if (what == 2)
        return made(walk, json_real(real));
    return no_value(walk, step, "is not a number");
}

static json_t *text_of(struct walk *walk, const struct step *step, const char *text, size_t len)
{
    if (!hob_utf8_is_valid(text, len))
        return no_value(walk, step, "is not UTF-8");
    return made(walk, json_stringn_nocheck(len > 0 ? text : "", len));
}

json_t *hob__json_of_text(struct walk *walk, const struct step *step, const hob_json_field *field,
                          const char *text, size_t len)
{
    switch (field->kind) {
    case HOB_JSON_KIND_BOOL:
        return bool_of(walk, step, text, len);
    case HOB_JSON_KIND_INT:
    case HOB_JSON_KIND_UINT:
    case HOB_JSON_KIND_REAL:
        return number_of(walk, step, field, text, len);
    case HOB_JSON_KIND_TEXT:
    case HOB_JSON_KIND_TEXT_IN:
    case HOB_JSON_KIND_ENUM:
        return text_of(walk, step, text, len);
    default:
        return no_value(walk, step, "cannot be given as a text");
    }
}

json_t *hob__json_of_own_text(struct walk *walk, const hob_json_field *field, const char *text)
{
    bool is_json = field->array != HOB_JSON_ONE || field->kind == HOB_JSON_KIND_OBJECT ||
                   field->kind == HOB_JSON_KIND_OBJECT_AT || field->kind == HOB_JSON_KIND_RAW;
    struct walk own = { .opts = walk->opts, .function = walk->function };
    json_t     *value;

    if (is_json)
        value = hob__json_decode(text, strlen(text), NULL);
    else
        value = hob__json_of_text(&own, NULL, field, text, strlen(text));
    if (hob__json_ran_out()) {
        json_decref(value);
        hob__json_stop(walk, -ENOMEM);
        return NULL;
    }
    if (value == NULL)
        hob__json_mistake_of(walk->function, NULL, field->member,
                             "its default or example is no value");
    return value;
}

/* ---- pairs ---- */

/* Puts a value, or a sign that there was a bad one, into the object. */
static void put(struct walk *walk, json_t *object, const hob_json_field *field, json_t *value)
{
    const char *name = hob__json_name(field);
    json_t     *array = json_object_get(object, name);

    if (value == NULL && walk->error == 0)
        value = json_incref((json_t *)walk->bad);
    if (field->array == HOB_JSON_ONE) {
        json_object_set_new_nocheck(object, name, value);
        return;
    }
    if (array == NULL) {
        json_object_set_new_nocheck(object, name, json_array());
        array = json_object_get(object, name);
    }
    json_array_append_new(array, value);
}

static void take_pair(struct walk *walk, const hob_json_shape *shape, json_t *object,
                      const hob_json_pair *pair)
{
    struct step           step = { NULL, pair->name, strlen(pair->name), 0 };
    const hob_json_field *field = hob__json_find(shape, walk->opts->side, pair->name);

    if (field == NULL) {
        if (!hob__json_ignores_unknown(shape, walk->opts))
            hob__json_say(walk, &step, "is not known");
        return;
    }
    const json_t *before = json_object_get(object, pair->name);
    if (before != NULL && field->array == HOB_JSON_ONE) {
        hob__json_say(walk, &step, "is given more than once");
        return;
    }
    struct step item = { &step, NULL, 0, before != NULL ? json_array_size(before) : 0 };
    const struct step *at = field->array == HOB_JSON_ONE ? &step : &item;
    put(walk, object, field, hob__json_of_text(walk, at, field, pair->text, pair->len));
}

int hob_json_from_pairs(hob_json_table *table, const hob_json_pair *pairs, size_t count,
                        const hob_json_opts *opts, hob_json_errors *errors, void *obj)
{
    const hob_json_shape *shape = hob__json_shape(table, "hob_json_from_pairs");
    struct walk           walk;
    int                   r = -ENOMEM;

    hob__json_walk_begin(&walk, "hob_json_from_pairs", opts, errors);
    memset(obj, 0, shape->bytes);
    json_t *object = json_object(), *bad = json_object();
    walk.bad = bad;
    for (size_t i = 0; i < count && !hob__json_ran_out() && hob__json_goes_on(&walk); i++)
        take_pair(&walk, shape, object, &pairs[i]);
    if (!hob__json_ran_out())
        r = hob__json_read(&walk, shape, object, obj);
    json_decref(object);
    json_decref(bad);
    return r;
}

/* ---- one field ---- */

static void move_field(const hob_json_field *field, void *to, const void *from)
{
    size_t bytes = field->array == HOB_JSON_ONE ? field->bytes : field->room_bytes;

    memcpy((char *)to + field->at, (const char *)from + field->at, bytes);
    if (field->array != HOB_JSON_ONE)
        memcpy((char *)to + field->count_at, (const char *)from + field->count_at,
               field->count_bytes);
    hob__json_set_flag(field->has, to, true);
    hob__json_set_flag(field->null, to, false);
}

static int set_field(struct walk *walk, const hob_json_shape *shape, const hob_json_field *field,
                     const struct step *step, const json_t *value, void *obj)
{
    const hob_json_memory *memory = walk->opts->memory;
    void                  *fresh = hob__json_alloc_zero(NULL, shape->bytes);

    if (fresh == NULL)
        return -ENOMEM;
    if (hob__json_read_field(walk, step, field, value, fresh)) {
        hob__json_free_field(field, memory, obj);
        move_field(field, obj, fresh);
    } else {
        hob__json_free_field(field, memory, fresh);
    }
    hob_json_release(NULL, fresh);
    return hob__json_walk_result(walk);
}

int hob_json_from_text(hob_json_table *table, const char *name, const char *text, size_t len,
                       const hob_json_opts *opts, hob_json_errors *errors, void *obj)
{
    const hob_json_shape *shape = hob__json_shape(table, "hob_json_from_text");
    struct step           step = { NULL, name, strlen(name), 0 };
    struct walk           walk;

    hob__json_walk_begin(&walk, "hob_json_from_text", opts, errors);
    const hob_json_field *field = hob__json_find(shape, walk.opts->side, name);
    if (field == NULL) {
        hob__json_say(&walk, &step, "is not known");
        return HOB_EJSON;
    }
    json_t *value = hob__json_of_text(&walk, &step, field, text, len);
    if (value != NULL && field->array != HOB_JSON_ONE) {
        json_t *array = json_array();
        json_array_append_new(array, value);
        value = array;
    }
    int r = -ENOMEM;
    if (hob__json_ran_out())
        ;
    else if (value == NULL)
        r = hob__json_walk_result(&walk);
    else
        r = set_field(&walk, shape, field, &step, value, obj);
    json_decref(value);
    return r;
}
