/* SPDX-License-Identifier: MIT */
/* Accept-Encoding: RFC 9110 12.4.2, 12.5.3. Bytes only. */
#include <string.h>
#include <strings.h>

#include "site/site.h"

static const char *skip_blanks(const char *at)
{
    return at + strspn(at, " \t");
}

/* "0", "0.5", "1.000". Returns thousandths, or -1. */
static int weight(const char *at, size_t len)
{
    int thousandths = 0, step = 100;

    if (len == 0 || len > 5 || (at[0] != '0' && at[0] != '1') || (len > 1 && at[1] != '.'))
        return -1;
    for (size_t i = 2; i < len; i++, step /= 10) {
        if (at[i] < '0' || at[i] > '9')
            return -1;
        thousandths += (at[i] - '0') * step;
    }
    thousandths += (at[0] - '0') * 1000;
    return thousandths <= 1000 ? thousandths : -1;
}

/* The weight of an element of the list, whose name ends at `at`; one that is not understood is not
 * wanted. */
static int weight_behind(const char *at, const char *end)
{
    at = skip_blanks(at);
    if (at == end)
        return 1000;
    if (*at != ';')
        return 0;
    at = skip_blanks(at + 1);
    if (end - at < 3 || (*at | 0x20) != 'q' || at[1] != '=')
        return 0;
    at += 2;
    while (end > at && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    int found = weight(at, (size_t)(end - at));
    return found < 0 ? 0 : found;
}

static bool is_named(const char *at, size_t len, const char *coding)
{
    if (len == strlen(coding) && strncasecmp(at, coding, len) == 0)
        return true;
    return len == 6 && strncasecmp(at, "x-gzip", 6) == 0 && strcmp(coding, "gzip") == 0;
}

int hob__site_accepts(const char *header, const char *coding)
{
    int any = 0;

    while (header != NULL && *header != '\0') {
        const char *at = skip_blanks(header), *end = at + strcspn(at, ",");
        size_t      len = strcspn(at, " \t;,");
        if (is_named(at, len, coding))
            return weight_behind(at + len, end);
        if (len == 1 && *at == '*')
            any = weight_behind(at + 1, end);
        header = *end == ',' ? end + 1 : end;
    }
    return any;
}
