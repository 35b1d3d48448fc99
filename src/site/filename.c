/* SPDX-License-Identifier: MIT */
/* A name for a file, of what a client calls it. Bytes only. */
#include "hob/form.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "site/site.h"

enum { NAME_MAX_BYTES = HOB_FORM_SAFE_NAME - 1, END_MAX_BYTES = 16 };

/* The code point at `at`, or -1 where there is no UTF-8; *ret_len is how many bytes it takes. */
static int32_t code_point(const unsigned char *at, size_t *ret_len)
{
    static const int32_t LEAST[] = { 0, 0, 0x80, 0x800, 0x10000 };
    size_t  len = at[0] < 0x80 ? 1 : at[0] < 0xc2 ? 0 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : at[0] < 0xf5 ? 4 : 0;
    int32_t point = len == 1 ? at[0] : at[0] & (0x7f >> len);

    *ret_len = 1;
    if (len == 0)
        return -1;
    for (size_t i = 1; i < len; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return -1;
        point = point << 6 | (at[i] & 0x3f);
    }
    if (point < LEAST[len] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
        return -1;
    *ret_len = len;
    return point;
}

/* What may not be in a name; the last of these turn the direction of writing, or are not seen. */
static bool is_bad(int32_t point)
{
    return point < 0x20 || point == 0x7f || (point < 0x80 && strchr("/\\:*?\"<>|`$;&'!", (int)point) != NULL)
           || (point >= 0x80 && point < 0xa0) || (point >= 0x200b && point <= 0x200f)
           || (point >= 0x2028 && point <= 0x202e) || (point >= 0x2060 && point <= 0x206f)
           || point == 0xfeff || (point >= 0xfff0 && point <= 0xffff);
}

static bool is_device(const char *name)
{
    static const char *const NAMES[] = { "con", "prn", "aux", "nul", "conin$", "conout$" };
    size_t len = strcspn(name, ".");

    while (len > 0 && name[len - 1] == ' ')
        len--;
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++) {
        if (strlen(NAMES[i]) == len && strncasecmp(name, NAMES[i], len) == 0)
            return true;
    }
    return len == 4 && (strncasecmp(name, "com", 3) == 0 || strncasecmp(name, "lpt", 3) == 0)
           && name[3] >= '0' && name[3] <= '9';
}

static const char *last_part(const char *name)
{
    for (const char *at = name; *at != '\0'; at++) {
        if (*at == '/' || *at == '\\')
            name = at + 1;
    }
    return name;
}

/* Where the name's end begins, ".jpeg"; the end of the text, if it has none that is worth to be kept. */
static const char *end_of(const char *name)
{
    const char *dot = strrchr(name, '.'), *end = name + strlen(name);
    return dot != NULL && dot > name && end - dot <= END_MAX_BYTES ? dot : end;
}

/* Cleans [from, end) to `to`, at most `room` bytes. Returns how many. */
static size_t clean(const char *from, const char *end, char *to, size_t room)
{
    size_t len = 0;
    while (from < end) {
        size_t  n;
        int32_t point = code_point((const unsigned char *)from, &n);
        bool    is_gone = point < 0 || is_bad(point);
        if (len + (is_gone ? 1 : n) > room)
            break;
        if (is_gone)
            to[len++] = '_';
        else
            for (size_t i = 0; i < n; i++)
                to[len++] = from[i];
        from += n;
    }
    return len;
}

static bool is_edge(char c)
{
    return c == '.' || c == ' ';
}

const char *hob_form_safe_name(const char *filename, char *buf)
{
    char        all[NAME_MAX_BYTES + 2];
    const char *name = last_part(filename);

    while (is_edge(*name))
        name++;
    const char *dot = end_of(name), *end = dot + strlen(dot);
    while (end > dot && is_edge(end[-1]))
        end--;
    size_t tail = (size_t)(end - dot); // as it is cleaned it does not get longer
    size_t len = clean(name, dot, all + 1, NAME_MAX_BYTES - 1 - tail);
    while (tail == 0 && len > 0 && is_edge(all[len]))
        len--;
    len += clean(dot, end, all + 1 + len, tail);
    all[len + 1] = '\0';
    if (len == 0)
        return strcpy(buf, "file");
    all[0] = '_';
    bool is_taken = is_device(all + 1) || all[1] == '-' || all[1] == '~';
    return strcpy(buf, is_taken ? all : all + 1);
}
