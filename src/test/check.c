/* SPDX-License-Identifier: MIT */
/*
 * Checks: they compare, and tell what they found.
 *
 * A failed check counts as one failure of the running test. The first failure of
 * a run prints the test's name above itself; in a torture run failures are
 * counted and not shown, for there a failing check is an ordinary end.
 *
 * Threads: any thread may check.
 */
#include "test/state.h"

#include <ctype.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* The command that repeats this run. */
void hob__test_repeat_line(char *text, size_t size)
{
    const struct test_run *run = &hob__test_now;
    int n = snprintf(text, size, "HOB_SEED=%llu %s --filter '%s: %s' --backend %s",
                     (unsigned long long)run->seed, hob__test_options.program, run->test->area,
                     run->test->claim, run->backend);
    if (run->torture_at >= 0 && n > 0 && (size_t)n < size)
        snprintf(text + n, size - (size_t)n, " --torture-at %lld", (long long)run->torture_at);
}

static void show_name_once(void)
{
    const struct test_run *run = &hob__test_now;
    if (run->failures > 1)
        return;
    fflush(stdout);
    fprintf(stderr, "FAILED %s: %s (%s, seed %llu)\n", run->test->area, run->test->claim,
            run->backend, (unsigned long long)run->seed);
}

static void show_failure(const char *file, int line, const char *format, va_list args)
{
    struct test_run *run = &hob__test_now;
    uint64_t task = hob_task_id();

    pthread_mutex_lock(&lock);
    run->failures++;
    if (!run->quiet) {
        show_name_once();
        fputs("  ", stderr);
        if (file != NULL)
            fprintf(stderr, "%s:%d: ", file, line);
        vfprintf(stderr, format, args);
        fputc('\n', stderr);
        if (task > 1)
            fprintf(stderr, "    in task %llu %s\n", (unsigned long long)task, hob_task_name());
    }
    pthread_mutex_unlock(&lock);
}

/* A failure of the run as a whole, not of a line in the test. */
void hob__test_show_failure(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    show_failure(NULL, 0, format, args);
    va_end(args);
}

int hob_test_failed(const char *file, int line, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    show_failure(file, line, format, args);
    va_end(args);
    return 0;
}

void hob_test_skipped(const char *format, ...)
{
    struct test_run *run = &hob__test_now;
    va_list args;
    va_start(args, format);
    pthread_mutex_lock(&lock);
    run->is_skipped = true;
    vsnprintf(run->skip_reason, sizeof run->skip_reason, format, args);
    pthread_mutex_unlock(&lock);
    va_end(args);
}

/* The way out of a function whose check failed: like HOB_TRY where there is a task. */
int hob_test_leave(void)
{
    return hob_task_id() == 0 ? HOB_ECHECK : hob_fail(HOB_ECHECK);
}

void hob_test_leave_body(void)
{
    (void)hob_test_leave();
}

int hob_test_is_true(int ok, const char *file, int line, const char *what)
{
    return ok || hob_test_failed(file, line, "%s is not so", what);
}

/* "-110 (ETIMEDOUT)", or just the number. */
static const char *with_name(long long value, char *text, size_t size)
{
    if (value < -1 && value > -10000)
        snprintf(text, size, "%lld (%s)", value, hob_error_name((int)value));
    else
        snprintf(text, size, "%lld", value);
    return text;
}

static __thread long long last_value;

long long hob_test_last_value(void)
{
    return last_value;
}

int hob_test_is_ok(long long value, const char *file, int line, const char *what)
{
    last_value = value;
    if (value >= 0)
        return 1;
    return hob_test_failed(file, line, "%s\n    failed with %lld (%s: %s)", what, value,
                           hob_error_name((int)value), hob_strerror((int)value));
}

int hob_test_is_error(long long value, long long error, const char *file, int line,
                      const char *what)
{
    if (value == error)
        return 1;
    char got[64], wanted[64];
    return hob_test_failed(file, line, "%s\n    gave   %s\n    wanted %s", what,
                           with_name(value, got, sizeof got),
                           with_name(error, wanted, sizeof wanted));
}

/* ---- numbers ---- */

static bool is_negative(const hob_test_number *n)
{
    return !n->is_unsigned && (long long)n->bits < 0;
}

/* -1, 0 or 1, as a is less than, equal to or more than b. */
static int order(const hob_test_number *a, const hob_test_number *b)
{
    if (is_negative(a) != is_negative(b))
        return is_negative(a) ? -1 : 1;
    return a->bits < b->bits ? -1 : a->bits > b->bits;
}

static const char *number_text(const hob_test_number *n, char *text, size_t size)
{
    if (is_negative(n))
        return with_name((long long)n->bits, text, size);
    if (n->bits > UINT32_MAX)
        snprintf(text, size, "%llu (0x%llx)", n->bits, n->bits);
    else
        snprintf(text, size, "%llu", n->bits);
    return text;
}

static bool holds(int order, const char *how)
{
    if (strcmp(how, "==") == 0)
        return order == 0;
    if (strcmp(how, "!=") == 0)
        return order != 0;
    if (how[1] == '=' && order == 0)
        return true;
    return how[0] == '<' ? order < 0 : order > 0;
}

hob_test_number hob_test_number_of(unsigned long long bits, int is_unsigned, const char *text)
{
    return (hob_test_number){ bits, is_unsigned, text };
}

int hob_test_compare(hob_test_number a, hob_test_number b, const char *how, const char *file,
                     int line)
{
    if (holds(order(&a, &b), how))
        return 1;
    char a_text[64], b_text[64];
    int width = (int)strlen(a.text), other = (int)strlen(b.text);
    if (other > width)
        width = other;
    return hob_test_failed(file, line, "%s %s %s is not so\n    %-*s = %s\n    %-*s = %s", a.text,
                           how, b.text, width, a.text, number_text(&a, a_text, sizeof a_text),
                           width, b.text, number_text(&b, b_text, sizeof b_text));
}

/* ---- texts and bytes ---- */

static void show_quoted(const char *text, char *out, size_t size)
{
    if (text == NULL) {
        snprintf(out, size, "NULL");
        return;
    }
    size_t n = 0;
    out[n++] = '"';
    for (; *text != '\0' && n + 8 < size; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '\n')
            n += (size_t)snprintf(out + n, size - n, "\\n");
        else if (c == '"' || c == '\\')
            n += (size_t)snprintf(out + n, size - n, "\\%c", c);
        else if (isprint(c) || c >= 0x80)
            out[n++] = (char)c;
        else
            n += (size_t)snprintf(out + n, size - n, "\\x%02x", c);
    }
    snprintf(out + n, size - n, "%s", *text != '\0' ? "..." : "\"");
}

int hob_test_is_str(const char *a, const char *b, const char *file, int line, const char *a_text,
                    const char *b_text)
{
    if (a == b || (a != NULL && b != NULL && strcmp(a, b) == 0))
        return 1;
    char a_shown[1024], b_shown[1024];
    show_quoted(a, a_shown, sizeof a_shown);
    show_quoted(b, b_shown, sizeof b_shown);
    return hob_test_failed(file, line, "%s and %s are different texts\n    %s\n    %s", a_text,
                           b_text, a_shown, b_shown);
}

int hob_test_has(const char *text, const char *part, const char *file, int line,
                 const char *what)
{
    if (text != NULL && part != NULL && strstr(text, part) != NULL)
        return 1;
    char part_shown[512], text_shown[4096];
    show_quoted(part, part_shown, sizeof part_shown);
    show_quoted(text, text_shown, sizeof text_shown);
    return hob_test_failed(file, line, "%s lacks %s\n    %s", what, part_shown, text_shown);
}

/* Sixteen bytes from `at` on, in hexadecimal. */
static void show_bytes(const unsigned char *bytes, size_t at, size_t len, char *out, size_t size)
{
    size_t n = 0;
    for (size_t i = at; i < len && i < at + 16; i++)
        n += (size_t)snprintf(out + n, size - n, "%02x ", bytes[i]);
    out[n > 0 ? n - 1 : 0] = '\0';
}

int hob_test_is_mem(const void *a, const void *b, size_t len, const char *file, int line,
                    const char *a_text, const char *b_text)
{
    const unsigned char *x = (const unsigned char *)a, *y = (const unsigned char *)b;
    size_t at = 0;
    while (at < len && x[at] == y[at])
        at++;
    if (at == len)
        return 1;
    size_t from = at & ~(size_t)15;
    char x_shown[64], y_shown[64];
    show_bytes(x, from, len, x_shown, sizeof x_shown);
    show_bytes(y, from, len, y_shown, sizeof y_shown);
    return hob_test_failed(file, line,
                           "%s and %s differ from byte %zu of %zu on; from byte %zu:\n    %s\n    %s",
                           a_text, b_text, at, len, from, x_shown, y_shown);
}
