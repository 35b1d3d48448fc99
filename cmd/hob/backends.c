/* SPDX-License-Identifier: MIT */
/* Which backends work on this system: found out by running something on each. */
#include "cmd.h"

#include <hob.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void take_reason(void *arg, const char *reason)
{
    char **why = arg;
    if (starts_with(reason, "hob: no backend: "))
        reason += strlen("hob: no backend: ");
    free(*why);
    *why = copy_part(reason, strcspn(reason, "\n"));
}

static int do_nothing(void *arg)
{
    (void)arg;
    return 0;
}

int backends_command(int argc, char **argv)
{
    static const char *const names[] = { "uring", "epoll", "sim" };
    (void)argv;
    if (argc > 1) {
        fprintf(stderr, "usage: hob backends\n");
        return EXIT_USAGE;
    }
    unsetenv("HOB_BACKEND"); // it would win over what is asked for here
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char *why = NULL;
        hob_run_opts opts = { .backend = names[i], .report = take_reason, .report_arg = &why,
                              .slow_ns = -1 };
        int r = hob_run_with(&opts, do_nothing, NULL);
        if (r >= 0)
            printf("%s: works\n", names[i]);
        else
            printf("%s: %s\n", names[i], why != NULL ? why : hob_strerror(r));
        free(why);
    }
    return 0;
}
