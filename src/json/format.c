/* SPDX-License-Identifier: MIT */
/*
 * Formats: what a text must look like. Each is a function, and the same as a pattern for schemas; a
 * test has both asked. Only the days of a month are beyond a pattern.
 */
#include "json/json.h"

struct cursor {
    const char *at, *end;
};

static bool is_one_of(char c, const char *set)
{
    return c != '\0' && strchr(set, c) != NULL;
}

/* Of ASCII, whatever the locale is. */
static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_alnum(char c)
{
    return (c >= '0' && c <= '9') || is_letter(c);
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool takes(struct cursor *in, char c)
{
    if (in->at == in->end || *in->at != c)
        return false;
    in->at++;
    return true;
}

/* A number of just so many digits, within limits. */
static bool takes_number(struct cursor *in, int digits, int min, int max, int *ret_value)
{
    int value = 0;

    for (int i = 0; i < digits; i++, in->at++) {
        if (in->at == in->end || *in->at < '0' || *in->at > '9')
            return false;
        value = value * 10 + (*in->at - '0');
    }
    *ret_value = value;
    return value >= min && value <= max;
}

/* ---- email ---- */

static bool takes_label(struct cursor *in)
{
    const char *begin = in->at;

    while (in->at < in->end && (is_alnum(*in->at) || *in->at == '-'))
        in->at++;
    size_t len = (size_t)(in->at - begin);
    return len > 0 && len <= 63 && begin[0] != '-' && in->at[-1] != '-';
}

static bool is_email(const char *text, size_t len)
{
    struct cursor in = { text, text + len };

    while (in.at < in.end && (is_alnum(*in.at) || is_one_of(*in.at, ".!#$%&'*+/=?^_`{|}~-")))
        in.at++;
    if (in.at == text || !takes(&in, '@') || !takes_label(&in))
        return false;
    while (takes(&in, '.'))
        if (!takes_label(&in))
            return false;
    return in.at == in.end;
}

#define LABEL "[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"

/* ---- uuid ---- */

static bool is_uuid(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        bool is_hyphen = i == 8 || i == 13 || i == 18 || i == 23;
        if (is_hyphen ? text[i] != '-' : !is_hex(text[i]))
            return false;
    }
    return len == 36;
}

/* ---- dates ---- */

static bool takes_date(struct cursor *in)
{
    static const unsigned char days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    int year, month, day;

    if (!takes_number(in, 4, 0, 9999, &year) || !takes(in, '-') ||
        !takes_number(in, 2, 1, 12, &month) || !takes(in, '-') ||
        !takes_number(in, 2, 1, 31, &day))
        return false;
    bool is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return day <= days[month - 1] + (month == 2 && is_leap);
}

static bool is_date(const char *text, size_t len)
{
    struct cursor in = { text, text + len };
    return takes_date(&in) && in.at == in.end;
}

static bool takes_zone(struct cursor *in)
{
    int number;

    if (takes(in, 'Z') || takes(in, 'z'))
        return true;
    return (takes(in, '+') || takes(in, '-')) && takes_number(in, 2, 0, 23, &number) &&
           takes(in, ':') && takes_number(in, 2, 0, 59, &number);
}

static bool is_date_time(const char *text, size_t len)
{
    struct cursor in = { text, text + len };
    int           number;

    if (!takes_date(&in) || !(takes(&in, 'T') || takes(&in, 't')) ||
        !takes_number(&in, 2, 0, 23, &number) || !takes(&in, ':') ||
        !takes_number(&in, 2, 0, 59, &number) || !takes(&in, ':') ||
        !takes_number(&in, 2, 0, 60, &number))
        return false;
    if (takes(&in, '.')) {
        const char *begin = in.at;
        while (in.at < in.end && *in.at >= '0' && *in.at <= '9')
            in.at++;
        if (in.at == begin)
            return false;
    }
    return takes_zone(&in) && in.at == in.end;
}

#define DATE "[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"

/* ---- uri ---- */

/* Letters, digits, marks, and %XX. */
static void take_uri_part(struct cursor *in, const char *marks)
{
    while (in->at < in->end) {
        if (is_alnum(*in->at) || is_one_of(*in->at, marks))
            in->at++;
        else if (*in->at == '%' && in->end - in->at >= 3 && is_hex(in->at[1]) && is_hex(in->at[2]))
            in->at += 3;
        else
            break;
    }
}

static bool is_uri(const char *text, size_t len)
{
    struct cursor in = { text, text + len };

    if (len == 0 || !is_letter(text[0]))
        return false;
    while (in.at < in.end && (is_alnum(*in.at) || is_one_of(*in.at, "+.-")))
        in.at++;
    if (!takes(&in, ':'))
        return false;
    take_uri_part(&in, "-._~:/?[]@!$&'()*+,;=");
    if (takes(&in, '#'))
        take_uri_part(&in, "-._~:/?@!$&'()*+,;=");
    return in.at == in.end;
}

/* ---- all of them ---- */

const struct format *hob__json_format(hob_json_format format)
{
    static const struct format formats[] = {
        [HOB_JSON_EMAIL] = { "email", "an e-mail address",
            "^[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]+@" LABEL "(?:\\." LABEL ")*$", is_email },
        [HOB_JSON_UUID] = { "uuid", "a UUID",
            "^[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$", is_uuid },
        [HOB_JSON_DATE] = { "date", "a date", "^" DATE "$", is_date },
        [HOB_JSON_DATE_TIME] = { "date-time", "a date and a time",
            "^" DATE "[Tt](?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\\.[0-9]+)?"
            "(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])$", is_date_time },
        [HOB_JSON_URI] = { "uri", "a URI",
            "^[a-zA-Z][a-zA-Z0-9+.-]*:(?:[a-zA-Z0-9._~:/?\\[\\]@!$&'()*+,;=-]|%[0-9a-fA-F]{2})*"
            "(?:#(?:[a-zA-Z0-9._~:/?@!$&'()*+,;=-]|%[0-9a-fA-F]{2})*)?$", is_uri },
    };
    return format == HOB_JSON_ANY_TEXT ? NULL : &formats[format];
}
