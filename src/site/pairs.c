/* SPDX-License-Identifier: MIT */
/*
 * application/x-www-form-urlencoded: WHATWG URL, 5.1. Bytes only.
 *
 * As there, a % that no two hexadecimal digits follow stands for itself. What UTF-8 it is, is not looked
 * at.
 */
#include "site/forms.h"

/* What the bytes at `at` stand for. Returns how many they are, or 0: that depends on what follows. */
static size_t decode_one(const char *at, size_t len, bool is_all, char *ret_byte)
{
    *ret_byte = at[0] == '+' ? ' ' : at[0];
    if (at[0] != '%')
        return 1;
    int high = len > 1 ? hob__site_hex(at[1]) : -1;
    int low = len > 2 ? hob__site_hex(at[2]) : -1;
    if (high >= 0 && low >= 0) {
        *ret_byte = (char)(high * 16 + low);
        return 3;
    }
    bool may_be = len == 1 || (len == 2 && high >= 0);
    return may_be && !is_all ? 0 : 1;
}

size_t hob__form_decode(const char *bytes, size_t len, bool is_all, bool is_name, char *out,
                        size_t size, size_t *ret_used, enum form_stop *ret_stop)
{
    size_t at = 0, count = 0;

    *ret_stop = FORM_STOP_MORE;
    while (at < len) {
        if (bytes[at] == '&' || (is_name && bytes[at] == '=')) {
            *ret_stop = bytes[at] == '&' ? FORM_STOP_AND : FORM_STOP_EQUALS;
            at++;
            break;
        }
        if (count == size)
            break;
        size_t n = decode_one(bytes + at, len - at, is_all, &out[count]);
        if (n == 0)
            break;
        at += n;
        count++;
    }
    *ret_used = at;
    return count;
}
