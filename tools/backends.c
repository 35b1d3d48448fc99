/* SPDX-License-Identifier: MIT */
/* For the tests: which backends work here, as `hob backends` says it, and without the libraries that
 * the whole command stands on: those of other machines have none of them, and need not be built. */
#include <hob.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char why[256];

static void take_reason(void *arg, const char *reason)
{
    (void)arg;
    snprintf(why, sizeof why, "%.*s", (int)strcspn(reason, "\n"), reason);
}

static int do_nothing(void *arg)
{
    (void)arg;
    return 0;
}

int main(void)
{
    static const char *const names[] = { "uring", "epoll", "sim" };
    unsetenv("HOB_BACKEND"); // it would win over what is asked for here
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        hob_run_opts opts = { .backend = names[i], .report = take_reason, .slow_ns = -1 };
        why[0] = '\0';
        int r = hob_run_with(&opts, do_nothing, NULL);
        printf("%s: %s\n", names[i], r >= 0 ? "works" : why[0] != '\0' ? why : hob_strerror(r));
    }
    return 0;
}
