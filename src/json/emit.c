/* SPDX-License-Identifier: MIT */
/*
 * JSON as bytes, piece by piece: no value is built for it, so a long document takes no memory on its
 * way to a writer.
 *
 * An error stays: what is emitted after it goes nowhere. jansson's own output is not used, since it
 * writes 0.1 as 0.10000000000000001: docs/design/0073-writing-json.md.
 */
#include <inttypes.h>
#include <stdio.h>

#include "json/json.h"
#include "json/number.h"

static void put(struct emit *emit, const char *bytes, size_t len)
{
    if (emit->error < 0)
        return;
    if (len > emit->bytes_max - emit->bytes) {
        emit->error = -EMSGSIZE;
        return;
    }
    emit->bytes += len;
    if (emit->sink != NULL && len > 0)
        emit->error = emit->sink->put(emit->sink, bytes, len);
}

static void put_line(struct emit *emit)
{
    if (!emit->is_pretty)
        return;
    put(emit, "\n", 1);
    for (unsigned i = 0; i < emit->depth; i++)
        put(emit, "  ", 2);
}

void hob__json_emit_begin(struct emit *emit, struct sink *sink, const hob_json_opts *opts)
{
    *emit = (struct emit){
        .sink = sink, .bytes_max = hob__json_bytes_max(opts),
        .is_pretty = opts->pretty && !opts->line, .is_line = opts->line,
    };
}

void hob__json_emit_end(struct emit *emit)
{
    if (emit->is_line)
        put(emit, "\n", 1);
}

void hob__json_emit_open(struct emit *emit, char bracket)
{
    put(emit, &bracket, 1);
    emit->depth++;
    emit->is_first = true;
}

void hob__json_emit_close(struct emit *emit, char bracket)
{
    emit->depth--;
    if (!emit->is_first)
        put_line(emit);
    emit->is_first = false;
    put(emit, &bracket, 1);
}

void hob__json_emit_item(struct emit *emit)
{
    if (!emit->is_first)
        put(emit, ",", 1);
    emit->is_first = false;
    put_line(emit);
}

void hob__json_emit_name(struct emit *emit, const char *name, size_t len)
{
    hob__json_emit_item(emit);
    hob__json_emit_text(emit, name, len);
    put(emit, ": ", emit->is_pretty ? 2 : 1);
}

void hob__json_emit_word(struct emit *emit, const char *word)
{
    put(emit, word, strlen(word));
}

static void put_escaped(struct emit *emit, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    static const char plain[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
    const char *found = c != '\0' ? strchr(plain, c) : NULL;
    char        text[6] = { '\\', 'u', '0', '0', hex[c / 16], hex[c % 16] };

    if (found != NULL)
        text[1] = letters[found - plain];
    put(emit, text, found != NULL ? 2 : 6);
}

void hob__json_emit_text(struct emit *emit, const char *text, size_t len)
{
    size_t begin = 0;

    put(emit, "\"", 1);
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        put(emit, text + begin, i - begin);
        put_escaped(emit, c);
        begin = i + 1;
    }
    put(emit, text + begin, len - begin);
    put(emit, "\"", 1);
}

void hob__json_emit_int(struct emit *emit, int64_t value)
{
    char text[NUMBER_MAX];
    int  len = snprintf(text, sizeof text, "%" PRId64, value);

    put(emit, text, (size_t)len);
}

void hob__json_emit_real(struct emit *emit, double value, bool is_float)
{
    char   text[NUMBER_MAX];
    size_t len = hob__json_number_of_real(text, value, is_float);

    put(emit, text, len);
}

/* ---- values of jansson's ---- */

static const char *emit_object(struct emit *emit, const json_t *value, unsigned depth_max)
{
    json_t     *object = (json_t *)value; // iterators of jansson's take it so
    const char *wrong = NULL;

    hob__json_emit_open(emit, '{');
    for (void *at = json_object_iter(object); at != NULL && wrong == NULL;
         at = json_object_iter_next(object, at)) {
        const char *name = json_object_iter_key(at);
        if (!hob_utf8_is_valid(name, strlen(name)))
            return "is not UTF-8";
        hob__json_emit_name(emit, name, strlen(name));
        wrong = hob__json_emit_value(emit, json_object_iter_value(at), depth_max - 1);
    }
    hob__json_emit_close(emit, '}');
    return wrong;
}

static const char *emit_array(struct emit *emit, const json_t *value, unsigned depth_max)
{
    const char *wrong = NULL;

    hob__json_emit_open(emit, '[');
    for (size_t i = 0; i < json_array_size(value) && wrong == NULL; i++) {
        hob__json_emit_item(emit);
        wrong = hob__json_emit_value(emit, json_array_get(value, i), depth_max - 1);
    }
    hob__json_emit_close(emit, ']');
    return wrong;
}

const char *hob__json_emit_value(struct emit *emit, const json_t *value, unsigned depth_max)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return depth_max > 0 ? emit_object(emit, value, depth_max) : "is nested too deep";
    case JSON_ARRAY:
        return depth_max > 0 ? emit_array(emit, value, depth_max) : "is nested too deep";
    case JSON_STRING:
        if (!hob_utf8_is_valid(json_string_value(value), json_string_length(value)))
            return "is not UTF-8";
        hob__json_emit_text(emit, json_string_value(value), json_string_length(value));
        break;
    case JSON_INTEGER:
        hob__json_emit_int(emit, json_integer_value(value));
        break;
    case JSON_REAL:
        hob__json_emit_real(emit, json_real_value(value), false);
        break;
    case JSON_TRUE:
        hob__json_emit_word(emit, "true");
        break;
    case JSON_FALSE:
        hob__json_emit_word(emit, "false");
        break;
    case JSON_NULL:
        hob__json_emit_word(emit, "null");
        break;
    }
    return NULL;
}
