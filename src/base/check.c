/* SPDX-License-Identifier: MIT */
/* How a failed assertion ends the program. Allocates nothing: memory may be what broke. */
#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "hob/error.h"

void (*hob__check_who)(int fd);
void (*hob__last_act)(void);
void (*hob__last_lines)(void);
const char *hob__check_instead;

static void say_and_abort(const char *line, size_t len)
{
    void (*last_lines)(void) = __atomic_load_n(&hob__last_lines, __ATOMIC_ACQUIRE);
    if (last_lines != NULL) // they were said before
        last_lines();
    ssize_t written = write(STDERR_FILENO, line, len);
    (void)written;

    // A failure while telling who was running must not tell it again.
    void (*who)(int fd) = __atomic_exchange_n(&hob__check_who, NULL, __ATOMIC_RELAXED);
    if (who != NULL)
        who(STDERR_FILENO);
    abort();
}

/* Never returns when there is a reason that lies deeper than the failed check. */
static void say_deeper_reason(void)
{
    const char *reason = __atomic_exchange_n(&hob__check_instead, NULL, __ATOMIC_RELAXED);
    if (reason != NULL)
        hob__misuse(reason);
}

static size_t cut(int len, size_t size)
{
    return len < 0 ? 0 : (size_t)len < size ? (size_t)len : size - 1;
}

void hob__assert_failed(const char *what, const char *file, int line)
{
    char text[512];
    say_deeper_reason();
    int  len = snprintf(text, sizeof text, "hob: assertion failed at %s:%d: %s\n", file, line, what);
    say_and_abort(text, cut(len, sizeof text));
    abort();
}

void hob__misuse(const char *sentence)
{
    char text[512];
    say_deeper_reason();
    int  len = snprintf(text, sizeof text, "hob: %s\n", sentence);
    say_and_abort(text, cut(len, sizeof text));
    abort();
}

void hob__misuse_of(const char *function, const char *sentence)
{
    char text[512];
    say_deeper_reason();
    int  len = snprintf(text, sizeof text, "hob: %s: %s\n", function, sentence);
    say_and_abort(text, cut(len, sizeof text));
    abort();
}

void hob_mistake(const char *function, const char *sentence)
{
    hob__misuse_of(function, sentence);
}
