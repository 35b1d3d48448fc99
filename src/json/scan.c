/* SPDX-License-Identifier: MIT */
/*
 * Limits on a text before it is parsed.
 *
 * jansson goes down 2048 levels, on the stack of whoever calls it, and takes about a hundred times the
 * bytes of "{}," for it. So depth and values are counted here first, outside of strings. Whether it is
 * JSON is jansson's to say: of what is not, the counts do not matter.
 */
#include <stdio.h>

#include "json/json.h"

struct scan {
    unsigned depth, values;
    unsigned line, column; /* of the byte that is looked at */
    bool     is_in_text, is_escaped;
};

static void see(struct scan *scan, char c)
{
    if (scan->is_in_text) {
        if (scan->is_escaped)
            scan->is_escaped = false;
        else if (c == '\\')
            scan->is_escaped = true;
        else if (c == '"')
            scan->is_in_text = false;
        return;
    }
    switch (c) {
    case '"': scan->is_in_text = true; break;
    case '[':
    case '{': scan->depth++; scan->values++; break;
    case ']':
    case '}': scan->depth -= scan->depth > 0; break;
    case ',': scan->values++; break; // one more begins behind it
    default: break;
    }
}

static int refuse(const struct scan *scan, hob_json_errors *errors, const char *what, unsigned max)
{
    if (errors != NULL) {
        hob_json_error *error = hob__json_error_next(errors, scan->line, scan->column);
        snprintf(error->words, sizeof error->words, what, max);
    }
    return -EMSGSIZE;
}

int hob__json_scan(const char *bytes, size_t len, unsigned depth_max, unsigned values_max,
                   hob_json_errors *errors)
{
    struct scan scan = { .line = 1 };

    for (size_t i = 0; i < len; i++) {
        char c = bytes[i];
        scan.column += ((unsigned char)c & 0xc0) != 0x80;
        see(&scan, c);
        if (scan.depth > depth_max)
            return refuse(&scan, errors, "is nested deeper than %u", depth_max);
        if (scan.values > values_max)
            return refuse(&scan, errors, "has more than %u values", values_max);
        if (c == '\n') {
            scan.line++;
            scan.column = 0;
        }
    }
    return 0;
}
