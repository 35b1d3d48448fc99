/* SPDX-License-Identifier: MIT */
/*
 * What the environment says of sockets that were handed over. Read anew each time: it is short, and
 * whoever changes it is heard.
 */
#include "hob/inherit.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/sys.h"

enum { FIRST = 3, COUNT_MAX = 1024 };

/* A number of digits alone; -1 if it is something else, or more than `max`. */
static long read_number(const char *text, long max)
{
    long value = 0;
    if (text == NULL || *text == '\0')
        return -1;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9')
            return -1;
        value = 10 * value + (*text - '0');
        if (value > max)
            return -1;
    }
    return value;
}

static size_t count_all(void)
{
    if (read_number(getenv("LISTEN_PID"), INT32_MAX) != getpid())
        return 0;
    long count = read_number(getenv("LISTEN_FDS"), COUNT_MAX);
    return count > 0 ? (size_t)count : 0;
}

/* The name of the one at *names, which moves on to the next; NULL: there are no more names. */
static bool is_next(const char **names, const char *name)
{
    const char *here = *names != NULL ? *names : "unknown";
    size_t      len = strcspn(here, ":");
    if (*names != NULL)
        *names = here[len] == ':' ? here + len + 1 : NULL;
    return name == NULL || (strlen(name) == len && memcmp(name, here, len) == 0);
}

/* The number of the `index`th with that name among all; the count of all: there is none. */
static size_t find(const char *name, size_t index, size_t count, size_t *ret_before)
{
    const char *names = getenv("LISTEN_FDNAMES");
    size_t      at = 0;
    *ret_before = 0;
    for (; at < count; at++) {
        if (!is_next(&names, name))
            continue;
        if (*ret_before == index)
            break;
        ++*ret_before;
    }
    return at;
}

size_t hob_inherited_count(const char *name)
{
    size_t before;
    find(name, SIZE_MAX, count_all(), &before);
    return before;
}

int hob_inherited_fd(const char *name, size_t index)
{
    size_t count = count_all(), before;
    size_t at = find(name, index, count, &before);
    if (at == count)
        return -ENOENT;
    int r = hob__sys_set_cloexec(FIRST + (int)at);
    return r < 0 ? r : FIRST + (int)at;
}

void hob_inherited_forget(void)
{
    for (size_t i = 0; i < count_all(); i++)
        (void)hob__sys_set_cloexec(FIRST + (int)i); // closed: nothing to keep from children
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
}
