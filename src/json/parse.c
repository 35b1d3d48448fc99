/* SPDX-License-Identifier: MIT */
/* A text becomes a value, by jansson, with our limits and our words; and then a struct. */
#include <stdio.h>

#include "json/json.h"

size_t hob__json_bytes_max(const hob_json_opts *opts)
{
    return opts->bytes_max > 0 ? opts->bytes_max : HOB_JSON_BYTES;
}

unsigned hob__json_depth_max(const hob_json_opts *opts, const char *function)
{
    if (opts->depth_max > HOB_JSON_DEPTH_MAX)
        hob_mistake(function, "depth_max is over HOB_JSON_DEPTH_MAX");
    return opts->depth_max > 0 ? opts->depth_max : HOB_JSON_DEPTH;
}

/* jansson's words, without the piece of the document that it quotes. */
static void note_syntax(hob_json_errors *errors, const json_error_t *error)
{
    static const char near[] = " near ";

    if (errors == NULL)
        return;
    hob_json_error *note = hob__json_error_next(errors, error->line > 0 ? (unsigned)error->line : 1,
                                                error->column > 0 ? (unsigned)error->column : 1);
    const char *end = strstr(error->text, near), *words = error->text;
    size_t      len = end != NULL ? (size_t)(end - error->text) : strlen(error->text);
    if (json_error_code(error) == json_error_null_character ||
        json_error_code(error) == json_error_null_byte_in_key)
        words = "a string has U+0000 in it";
    else if (json_error_code(error) == json_error_premature_end_of_input ||
             (end != NULL && strcmp(end, " near end of file") == 0 &&
              strncmp(error->text, "end of file", 11) != 0))
        words = "ends too early";
    else if (json_error_code(error) == json_error_numeric_overflow)
        words = "a number is beyond what a double holds";
    hob__json_copy_words(note->words, sizeof note->words, words,
                         words == error->text ? len : strlen(words));
}

static int refuse_size(hob_json_errors *errors, size_t len, size_t max)
{
    if (errors != NULL)
        snprintf(hob__json_error_next(errors, 0, 0)->words, HOB_JSON_WORDS_MAX,
                 "has %zu bytes, more than %zu", len, max);
    return -EMSGSIZE;
}

json_t *hob__json_decode(const char *bytes, size_t len, json_error_t *error)
{
    const size_t flags = JSON_REJECT_DUPLICATES | JSON_DECODE_ANY;
    json_error_t own;
    char        *wide;
    size_t       wide_len;

    error = error != NULL ? error : &own;
    memset(error, 0, sizeof *error);
    bool    may_have_zero = memmem(bytes, len, "-0", 2) != NULL; // one with a sign, which jansson drops
    json_t *value = may_have_zero ? NULL : hob__json_loadb(bytes, len, flags, error);
    if (!may_have_zero
        && (value != NULL || hob__json_ran_out() || json_error_code(error) != json_error_numeric_overflow))
        return value;
    int r = hob__json_widen(bytes, len, &wide, &wide_len);
    if (r <= 0)
        return r == 0 && may_have_zero ? hob__json_loadb(bytes, len, flags, error) : NULL;
    value = hob__json_loadb(wide, wide_len, flags, error);
    hob_json_release(NULL, wide);
    if (value == NULL && error->line > 0 && error->column > 0)
        error->column = (int)hob__json_narrow_column(bytes, len, (unsigned)error->line, (unsigned)error->column);
    return value;
}

int hob__json_load(const void *bytes, size_t len, const hob_json_opts *opts,
                   hob_json_errors *errors, json_t **ret_value)
{
    json_error_t error;

    if (len > hob__json_bytes_max(opts))
        return refuse_size(errors, len, hob__json_bytes_max(opts));
    int r = hob__json_scan(bytes, len, hob__json_depth_max(opts, "hob_json_parse"),
                           opts->values_max > 0 ? opts->values_max : HOB_JSON_VALUES, errors);
    if (r < 0)
        return r;

    json_t *value = hob__json_decode(len > 0 ? bytes : "", len, &error);
    if (hob__json_ran_out())
        return -ENOMEM;
    if (value == NULL) {
        note_syntax(errors, &error);
        return -EBADMSG;
    }
    *ret_value = value;
    return 0;
}

int hob_json_parse(hob_json_table *table, const void *bytes, size_t len, const hob_json_opts *opts,
                   hob_json_errors *errors, void *obj)
{
    const hob_json_shape *shape = hob__json_shape(table, "hob_json_parse");
    struct walk           walk;
    json_t               *value;

    hob__json_walk_begin(&walk, "hob_json_parse", opts, errors);
    memset(obj, 0, shape->bytes);
    int r = hob__json_load(bytes, len, walk.opts, errors, &value);
    if (r < 0)
        return r;
    r = hob__json_read(&walk, shape, value, obj);
    json_decref(value);
    return r;
}

int hob_json_from_value(hob_json_table *table, const struct json_t *value,
                        const hob_json_opts *opts, hob_json_errors *errors, void *obj)
{
    const hob_json_shape *shape = hob__json_shape(table, "hob_json_from_value");
    struct walk           walk;

    hob__json_walk_begin(&walk, "hob_json_from_value", opts, errors);
    return hob__json_read(&walk, shape, value, obj);
}

int hob_json_read_line(hob_json_table *table, hob_reader *in, const hob_json_opts *opts,
                       hob_json_errors *errors, void *obj)
{
    const hob_json_shape *shape = hob__json_shape(table, "hob_json_read_line");
    char                 *line;

    hob__json_errors_none(errors);
    memset(obj, 0, shape->bytes);
    ssize_t len = hob_reader_json_line(in, &line);
    return len < 0 ? (int)len : hob_json_parse(table, line, (size_t)len, opts, errors, obj);
}
