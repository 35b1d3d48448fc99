/* SPDX-License-Identifier: MIT */
/*
 * From the path of a URL to a name in a folder. Bytes only.
 *
 * That nothing outside is opened does not depend on this file: hob_dir_open_file sees to it. What is
 * refused here has no honest use, and would otherwise mean the same file by another path, which those
 * in front of us (caches, rules of a proxy) may take for another one.
 */
#include <errno.h>
#include <string.h>

#include "site/site.h"

int hob__site_hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int hob__site_name_decode(const char *path, char *out, size_t size)
{
    size_t len = 0;

    for (; *path != '\0'; path++) {
        char c = *path;
        if (c == '%') {
            int high = hob__site_hex(path[1]);
            int low = high >= 0 ? hob__site_hex(path[2]) : -1;
            if (low < 0)
                return -EINVAL;
            c = (char)(high * 16 + low);
            if (c == '\0' || c == '/')
                return -ENOENT;
            path += 2;
        }
        if (len + 1 >= size)
            return -ENAMETOOLONG;
        out[len++] = c;
    }
    out[len] = '\0';
    return 0;
}

static bool is_part_fine(const char *part, size_t len, bool is_first, bool with_dots)
{
    if (len == 0 || (len == 1 && part[0] == '.') || (len == 2 && memcmp(part, "..", 2) == 0))
        return false;
    if (part[0] != '.' || with_dots)
        return true;
    return is_first && len == 11 && memcmp(part, ".well-known", 11) == 0;
}

bool hob__site_name_is_fine(const char *name, bool with_dots)
{
    bool is_first = true;

    if (strlen(name) >= NAME_BYTES)
        return false;
    while (*name != '\0') {
        size_t len = strcspn(name, "/");
        if (!is_part_fine(name, len, is_first, with_dots))
            return false;
        is_first = false;
        name += len;
        if (*name == '/')
            name++; // one at the end says that it is a folder
    }
    return true;
}

static bool is_hash(const char *at, size_t len)
{
    bool has_digit = false, has_letter = false;

    if (len < 8)
        return false;
    for (size_t i = 0; i < len; i++) {
        char c = at[i], small = (char)(c | 0x20);
        if (c >= '0' && c <= '9')
            has_digit = true;
        else if (small >= 'a' && small <= 'z')
            has_letter = true;
        else
            return false;
    }
    return has_digit && has_letter;
}

bool hob__site_name_has_hash(const char *name)
{
    const char *slash = strrchr(name, '/');
    const char *at = slash != NULL ? slash + 1 : name;

    at += strcspn(at, ".-_"); // what it is of stands before it
    while (*at != '\0') {
        size_t len = strcspn(++at, ".-_");
        if (at[len] != '\0' && is_hash(at, len))
            return true;
        at += len;
    }
    return false;
}
