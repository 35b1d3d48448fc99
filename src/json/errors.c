/* SPDX-License-Identifier: MIT */
/*
 * What is wrong, and where.
 *
 * A walk keeps the way to the value that it looks at as steps on the stack; only when something is
 * to be said it becomes a text. Names in it may be a peer's: they are cut, and hold no control
 * characters, so that a log stays a log.
 */
#include <stdarg.h>
#include <stdio.h>

#include "json/json.h"

static const hob_json_opts defaults;

/* All of it is 2 KiB, which most documents have no use for. */
void hob__json_errors_none(hob_json_errors *errors)
{
    if (errors == NULL)
        return;
    errors->count = 0;
    errors->more = false;
    hob__json_error_next(errors, 0, 0);
    errors->count = 0;
}

hob_json_error *hob__json_error_next(hob_json_errors *errors, unsigned line, unsigned column)
{
    hob_json_error *error = &errors->at[errors->count++];

    error->path[0] = error->words[0] = '\0';
    error->line = line;
    error->column = column;
    return error;
}

void hob__json_walk_begin(struct walk *walk, const char *function, const hob_json_opts *opts,
                          hob_json_errors *errors)
{
    *walk = (struct walk){ .opts = opts != NULL ? opts : &defaults, .errors = errors,
                           .function = function };
    hob__json_errors_none(errors);
    hob__json_begin(function);
}

int hob__json_walk_result(const struct walk *walk)
{
    if (walk->error < 0)
        return walk->error;
    return walk->is_wrong ? HOB_EJSON : 0;
}

bool hob__json_stop(struct walk *walk, int error)
{
    if (walk->error == 0)
        walk->error = error;
    return false;
}

bool hob__json_goes_on(const struct walk *walk)
{
    return walk->error == 0 && !walk->is_over;
}

/* The length of the character at `s`, of at most `len` bytes; 0: that is none, or one of control. */
static size_t character(const char *s, size_t len)
{
    unsigned char c = (unsigned char)*s;
    size_t        n = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;

    if (c < 0x20 || c == 0x7f || n > len || !hob_utf8_is_valid(s, n))
        return 0;
    return n == 2 && c == 0xc2 && (unsigned char)s[1] < 0xa0 ? 0 : n; // U+0080 to U+009F
}

void hob__json_copy_words(char *to, size_t size, const char *from, size_t len)
{
    size_t at = 0;

    while (len > 0) {
        size_t n = character(from, len), taken = n > 0 ? n : 1;
        if (at + taken >= size)
            break;
        memcpy(to + at, n > 0 ? from : "?", taken);
        at += taken;
        from += taken;
        len -= taken;
    }
    to[at] = '\0';
}

static size_t append(char *path, size_t at, const char *text, size_t len)
{
    hob__json_copy_words(path + at, HOB_JSON_PATH_MAX - at, text, len);
    return at + strlen(path + at);
}

static void write_path(char *path, const struct step *step)
{
    const struct step *way[HOB_JSON_PATH_MAX / 2]; // each takes two bytes at least
    size_t             count = 0, at = 0;
    char               number[32];

    // The first steps are the ones that fit: count all, keep as many as there is room for.
    size_t length = 0;
    for (const struct step *s = step; s != NULL; s = s->up)
        length++;
    for (const struct step *s = step; s != NULL; s = s->up) {
        if (length <= sizeof way / sizeof *way)
            way[count++] = s;
        else
            length--;
    }
    path[0] = '\0';
    while (count-- > 0) {
        if (way[count]->name == NULL) {
            int n = snprintf(number, sizeof number, "[%zu]", way[count]->index);
            at = append(path, at, number, (size_t)n);
            continue;
        }
        if (at > 0)
            at = append(path, at, ".", 1);
        at = append(path, at, way[count]->name, way[count]->name_len);
    }
}

bool hob__json_say(struct walk *walk, const struct step *step, const char *format, ...)
{
    walk->is_wrong = true;
    if (walk->errors == NULL) {
        walk->is_over = true; // nobody wants to know more
        return false;
    }
    if (walk->errors->count == HOB_JSON_ERRORS_MAX) {
        walk->errors->more = true;
        walk->is_over = true;
        return false;
    }

    hob_json_error *error = hob__json_error_next(walk->errors, 0, 0);
    char            words[2 * HOB_JSON_WORDS_MAX];
    va_list         args;

    va_start(args, format);
    int n = vsnprintf(words, sizeof words, format, args);
    va_end(args);
    size_t len = n < 0 ? 0 : (size_t)n < sizeof words ? (size_t)n : sizeof words - 1;
    hob__json_copy_words(error->words, sizeof error->words, words, len);
    write_path(error->path, step);
    return false;
}

const char *hob_json_error_text(int error, const hob_json_errors *errors, char *buf, size_t size)
{
    const hob_json_error *first = errors != NULL && errors->count > 0 ? &errors->at[0] : NULL;

    if (first == NULL)
        snprintf(buf, size, "%s", hob_strerror(error));
    else if (first->line > 0)
        snprintf(buf, size, "line %u, column %u: %s", first->line, first->column, first->words);
    else if (first->path[0] == '\0')
        snprintf(buf, size, "%s", first->words);
    else
        snprintf(buf, size, "%s: %s", first->path, first->words);
    return buf;
}

HOB_JSON_DECLARE(hob_json_error_json, hob_json_error);
HOB_JSON_TABLE_WITH(hob_json_error_json, hob_json_error,
    HOB_JSON_ABOUT(.called = "Error", .text = "A thing that is wrong with a document"),
    HOB_JSON_FIELD(path, .about = "Where; empty: the document itself", .example = "items[3].quantity"),
    HOB_JSON_FIELD(words, .about = "What, for people", .example = "0 is less than 1"),
    HOB_JSON_FIELD(line, .optional = 1, .about = "Where it stops to be JSON; 0: it is JSON"),
    HOB_JSON_FIELD(column, .optional = 1));

HOB_JSON_DECLARE(hob_json_errors_json, hob_json_errors);
HOB_JSON_TABLE_WITH(hob_json_errors_json, hob_json_errors,
    HOB_JSON_ABOUT(.called = "Errors"),
    HOB_JSON_OBJECTS(at, count, hob_json_error_json, .as = "errors"),
    HOB_JSON_FIELD(more, .about = "Whether there is more that is wrong"));
