/* SPDX-License-Identifier: MIT */
/*
 * Numbers. The C library's printf and strtod are exact, and use the point of the locale: it is put
 * right here.
 *
 * A number of at most 15 digits survives the way through a double, and %g drops zeros at the end:
 * so if 15 digits read back the same, there is nothing shorter. If not, it takes 16 or 17. Only
 * numbers near zero, which have fewer bits, are tried from one digit on. With 6 and 9, the same for
 * floats.
 */
#include "json/number.h"

#include <errno.h>
#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool reads_back(const char *text, double value, bool is_float)
{
    return is_float ? strtof(text, NULL) == (float)value : strtod(text, NULL) == value;
}

/* What is no digit, sign or exponent is the locale's point, of one byte or more. */
static size_t put_point(char *text)
{
    size_t to = 0;
    bool   was_point = false;

    for (const char *from = text; *from != '\0'; from++) {
        bool is_point = strchr("0123456789+-e", *from) == NULL;
        if (!is_point)
            text[to++] = *from;
        else if (!was_point)
            text[to++] = '.';
        was_point = is_point;
    }
    text[to] = '\0';
    return to;
}

size_t hob__json_number_of_real(char text[NUMBER_MAX], double value, bool is_float)
{
    int  safe = is_float ? FLT_DIG : DBL_DIG;
    int  most = is_float ? FLT_DECIMAL_DIG : DBL_DECIMAL_DIG;
    bool is_tiny = fabs(value) < (is_float ? (double)FLT_MIN : DBL_MIN);

    for (int digits = is_tiny ? 1 : safe; digits <= most; digits++) {
        snprintf(text, NUMBER_MAX, "%.*g", digits, value);
        if (reads_back(text, value, is_float))
            break;
    }
    size_t len = put_point(text);
    if (strpbrk(text, ".e") == NULL) {
        memcpy(text + len, ".0", 3);
        len += 2;
    }
    return len;
}

static size_t digits_at(const char *text, size_t at, size_t len)
{
    size_t begin = at;
    while (at < len && text[at] >= '0' && text[at] <= '9')
        at++;
    return at - begin;
}

/* Whether all of it is a number of JSON, and where its point is, if it has one. */
static bool is_number(const char *text, size_t len, bool *ret_is_real, size_t *ret_point)
{
    size_t at = len > 0 && text[0] == '-', n = digits_at(text, at, len);

    *ret_is_real = false;
    *ret_point = len;
    if (n == 0 || (n > 1 && text[at] == '0'))
        return false;
    at += n;
    if (at < len && text[at] == '.') {
        *ret_is_real = true;
        *ret_point = at;
        n = digits_at(text, at + 1, len);
        if (n == 0)
            return false;
        at += 1 + n;
    }
    if (at < len && (text[at] == 'e' || text[at] == 'E')) {
        *ret_is_real = true;
        at++;
        at += at < len && (text[at] == '+' || text[at] == '-');
        n = digits_at(text, at, len);
        if (n == 0)
            return false;
        at += n;
    }
    return at == len;
}

int hob__json_number_parse(const char *text, size_t len, int64_t *ret_int, double *ret_real)
{
    enum { TEXT_MAX = 400 }; // 309 digits before the point, and some after it
    char   copy[TEXT_MAX + 8];
    char  *end;
    bool   is_real;
    size_t point;

    if (len > TEXT_MAX || !is_number(text, len, &is_real, &point))
        return 0;
    errno = 0;
    if (!is_real) {
        memcpy(copy, text, len);
        copy[len] = '\0';
        long long value = strtoll(copy, &end, 10);
        if (errno == 0) {
            *ret_int = value;
            return 1;
        }
    }

    const char *locale_point = localeconv()->decimal_point;
    size_t      point_len = strlen(locale_point);
    if (point_len > 7)
        return 0;
    memcpy(copy, text, point);
    size_t at = point;
    if (point < len) {
        memcpy(copy + at, locale_point, point_len);
        at += point_len;
        memcpy(copy + at, text + point + 1, len - point - 1);
        at += len - point - 1;
    }
    copy[at] = '\0';
    double value = strtod(copy, &end);
    if (!isfinite(value) || end != copy + at)
        return 0;
    *ret_real = value;
    return 2;
}
