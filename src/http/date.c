/* SPDX-License-Identifier: MIT */
/* Dates of HTTP, RFC 9110 5.6.7, without the C library, whose names depend on the locale. */
#include <stdio.h>
#include <string.h>

#include "http/server.h"

static const char DAYS[] = "ThuFriSatSunMonTueWed"; // 1 January 1970 was a Thursday
static const char MONTHS[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

/* Days since 1970 of a date of the Gregorian calendar, and back: after Howard Hinnant, with years
 * that begin in March. */
static int64_t days_of(int64_t year, int month, int day)
{
    year -= month <= 2;
    int64_t era = year / 400, of_era = year - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static void date_of(int64_t days, int64_t *ret_year, int *ret_month, int *ret_day)
{
    int64_t shifted = days + 719468, era = shifted / 146097, of_era = shifted - era * 146097;
    int64_t years = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * years + years / 4 - years / 100);
    int64_t month = (5 * of_year + 2) / 153;
    *ret_day = (int)(of_year - (153 * month + 2) / 5 + 1);
    *ret_month = (int)(month < 10 ? month + 3 : month - 9);
    *ret_year = years + era * 400 + (*ret_month <= 2);
}

void hob__http_date_write(int64_t seconds, char out[static 32])
{
    int64_t year;
    int     month, day;

    if (seconds < 0 || seconds > INT64_C(253402300799)) // what the form has no room for
        seconds = seconds < 0 ? 0 : INT64_C(253402300799);
    date_of(seconds / 86400, &year, &month, &day);
    int of_day = (int)(seconds % 86400);
    char text[64];
    snprintf(text, sizeof text, "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT", DAYS + seconds / 86400 % 7 * 3, day,
             MONTHS + (month - 1) * 3, (int)year, of_day / 3600, of_day / 60 % 60, of_day % 60);
    memcpy(out, text, DATE_LEN);
    out[DATE_LEN] = '\0';
}

/* ---- reading ---- */

static bool number(const char **at, int digits, int *ret_number)
{
    *ret_number = 0;
    for (int i = 0; i < digits; i++) {
        char c = *(*at)++;
        if (c == ' ' && i == 0 && digits == 2) // asctime's day
            c = '0';
        if (c < '0' || c > '9')
            return false;
        *ret_number = *ret_number * 10 + (c - '0');
    }
    return true;
}

static bool month_of(const char **at, int *ret_month)
{
    for (*ret_month = 1; *ret_month <= 12; ++*ret_month) {
        if (strncmp(*at, MONTHS + (*ret_month - 1) * 3, 3) == 0) {
            *at += 3;
            return true;
        }
    }
    return false;
}

static bool word(const char **at, const char *text)
{
    size_t len = strlen(text);
    if (strncmp(*at, text, len) != 0)
        return false;
    *at += len;
    return true;
}

struct parts {
    int year, month, day, hour, minute, second;
};

static bool clock_of(const char **at, struct parts *p)
{
    return number(at, 2, &p->hour) && word(at, ":") && number(at, 2, &p->minute) && word(at, ":")
           && number(at, 2, &p->second) && p->hour < 24 && p->minute < 60 && p->second <= 60;
}

/* 06 Nov 1994 08:49:37 GMT */
static bool fixdate(const char *at, struct parts *p)
{
    return number(&at, 2, &p->day) && word(&at, " ") && month_of(&at, &p->month) && word(&at, " ")
           && number(&at, 4, &p->year) && word(&at, " ") && clock_of(&at, p) && word(&at, " GMT")
           && *at == '\0';
}

/* 06-Nov-94 08:49:37 GMT; a year that seems far ahead is one of the last century. */
static bool rfc850(const char *at, struct parts *p)
{
    if (!(number(&at, 2, &p->day) && word(&at, "-") && month_of(&at, &p->month) && word(&at, "-")
          && number(&at, 2, &p->year) && word(&at, " ") && clock_of(&at, p) && word(&at, " GMT")
          && *at == '\0'))
        return false;
    p->year += p->year < 70 ? 2000 : 1900;
    return true;
}

/* Nov  6 08:49:37 1994 */
static bool asctime_form(const char *at, struct parts *p)
{
    return month_of(&at, &p->month) && word(&at, " ") && number(&at, 2, &p->day) && word(&at, " ")
           && clock_of(&at, p) && word(&at, " ") && number(&at, 4, &p->year) && *at == '\0';
}

bool hob__http_date_parse(const char *text, int64_t *ret_seconds)
{
    struct parts p;
    const char  *comma = strchr(text, ',');
    bool         ok;

    if (comma != NULL && comma[1] == ' ') // the name of the day says nothing that is not said again
        ok = comma == text + 3 ? fixdate(comma + 2, &p) : rfc850(comma + 2, &p);
    else
        ok = strlen(text) > 4 && text[3] == ' ' && asctime_form(text + 4, &p);
    if (!ok || p.day < 1 || p.day > 31)
        return false;
    *ret_seconds = days_of(p.year, p.month, p.day) * 86400 + p.hour * 3600 + p.minute * 60 + p.second;
    return true;
}
