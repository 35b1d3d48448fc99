/* SPDX-License-Identifier: MIT */
/* Finding bytes in HTTP/1.1, and comparing them. */
#include <string.h>

#include "http/h1_text.h"

/* ---- kinds ---- */

/* Sixteen to a line, as in ASCII: of these the third begins with the blank. */
const uint8_t hob__h1_kinds[256] = {
     0,  0,  0,  0,  0,  0,  0,  0,  0,  8,  0,  0,  0,  0,  0,  0,
     0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,
     8, 15, 12,  9, 15, 13, 15, 15, 14, 14, 15, 15, 14, 15, 15, 12,
    15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 12, 14, 12, 14, 12, 12,
    12, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15,
    15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 12, 12, 12, 13, 15,
    13, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15,
    15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 12, 13, 12, 15,  0,
     8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,
     8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,
     8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,
     8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,
     8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,
     8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,
     8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,
     8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,
};

/* ---- text ---- */

size_t hob__h1_text_plain(const char *bytes, size_t len)
{
    size_t i = 0;
    while (i < len && h1_has_kind(bytes[i], H1_TEXT))
        i++;
    return i;
}

size_t hob__h1_text(const char *bytes, size_t len)
{
    return h1_text(bytes, len);
}

/* ---- tokens, words, numbers ---- */

bool hob__h1_is_token(const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (!h1_has_kind(bytes[i], H1_TOKEN))
            return false;
    }
    return len > 0;
}

bool hob__h1_is_value(const char *bytes, size_t len)
{
    return hob__h1_text(bytes, len) == len;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

bool hob__h1_list_next(const char **at, const char *end, const char **ret_item, size_t *ret_len)
{
    const char *p = *at;
    while (p < end && (is_blank(*p) || *p == ','))
        p++;
    if (p == end) {
        *at = end;
        return false;
    }
    const char *comma = memchr(p, ',', (size_t)(end - p));
    const char *last = comma != NULL ? comma : end;
    *at = last;
    while (is_blank(last[-1]))
        last--;
    *ret_item = p;
    *ret_len = (size_t)(last - p);
    return true;
}

bool hob__h1_number(const char *bytes, size_t len, uint64_t *ret_number)
{
    uint64_t number = 0;
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] < '0' || bytes[i] > '9')
            return false;
        uint64_t digit = (uint64_t)(bytes[i] - '0');
        if (number > ((uint64_t)INT64_MAX - digit) / 10)
            return false;
        number = number * 10 + digit;
    }
    *ret_number = number;
    return len > 0;
}
