/* SPDX-License-Identifier: MIT */
/*
 * Errors: a negative number that is returned, and clean-up that cannot be forgotten.
 *
 * Three files are copied, each by a task. The second is not there: its task fails, the scope
 * cancels the others, and what they had open is closed on their way out. Then the same again
 * with tasks whose results are taken one by one: there a failure is news, and stops nobody.
 *
 *     build/hob run examples/08_errors.c
 */
#include <fcntl.h>
#include <unistd.h>

#include <hob.h>

static void close_file(void *file) { hob_file_close(file); }

/* Copies the file to nowhere, slowly. */
static int copy_file(void *arg)
{
    const char *path = arg;
    hob_file   *from, *to;

    HOB_TRY(hob_file_open(path, O_RDONLY, 0, &from));
    HOB_DEFER(close_file, from);
    HOB_TRY(hob_file_open("/dev/null", O_WRONLY, 0, &to));
    HOB_DEFER(close_file, to);

    char    buf[4096];
    ssize_t n;
    while ((n = HOB_TRY(hob_file_read(from, buf, sizeof buf))) > 0) {
        HOB_TRY(hob_file_write(to, buf, (size_t)n));
        HOB_TRY(hob_sleep(1 * HOB_MSEC));
    }
    return 0;
}

static char *const paths[] = { "/etc/passwd", "/etc/no-such-file", "/etc/group" };

enum { PATHS = sizeof paths / sizeof paths[0] };

static int copy_all_or_nothing(void)
{
    HOB_SCOPE(s);
    for (int i = 0; i < PATHS; i++)
        hob_go(&s, copy_file, paths[i]);
    return hob_scope_end(&s);
}

static int copy_what_can_be(void)
{
    hob_future *copies[PATHS];

    HOB_SCOPE(s);
    for (int i = 0; i < PATHS; i++)
        copies[i] = hob_async(&s, copy_file, paths[i]);
    for (int i = 0; i < PATHS; i++) {
        int r = hob_await(copies[i]);
        printf("  %-18s %s\n", paths[i], r == 0 ? "copied" : hob_strerror(r));
    }
    return hob_scope_end(&s);
}

static int copy_twice(void *arg)
{
    int r = copy_all_or_nothing();
    printf("All or nothing: %s (%s)\n", hob_strerror(r), hob_error_name(r));
    printf("What can be:\n");
    return copy_what_can_be();
}

int main(void) { return hob_run(copy_twice, NULL); }
