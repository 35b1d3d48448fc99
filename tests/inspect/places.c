/* SPDX-License-Identifier: MIT */
/*
 * Says where it is, in several kinds of function; test_places.py compares. One line each:
 *     the function | file:line as the compiler has it | hob_describe_address
 */
#include <signal.h>
#include <stdlib.h>

#include <unistd.h>

#include <hob.h>

#include "places.h"

static void say_place(const char *function, const char *file, int line, const void *address)
{
    char text[256];
    printf("%s|%s:%d|%s\n", function, file, line,
           hob_describe_address(address, text, sizeof text));
}

static __attribute__((noinline)) void static_function(void)
{
    const void *address = here(); const int line = __LINE__;
    say_place("static_function", "places.c", line, address);
}

__attribute__((noinline)) void global_function(void)
{
    const void *address = here(); const int line = __LINE__;
    say_place("global_function", "places.c", line, address);
}

static inline __attribute__((always_inline)) void inlined_function(void)
{
    const void *address = here(); const int line = __LINE__;
    say_place("inlined_function inlined in inlining_function", "places.c", line, address);
}

static __attribute__((noinline)) void inlining_function(void)
{
    inlined_function();
    puts("");
}

static int child(void *arg)
{
    (void)arg;
    return 0;
}

static int start_child(void *arg)
{
    (void)arg;
    HOB_SCOPE(s);
    hob_go(&s, child, NULL); const int line = __LINE__;
    HOB_TRY(hob_scope_end(&s));

    hob_stack_use uses[8];
    size_t        n = hob_stack_uses(uses, 8);
    for (size_t i = 0; i < n && i < 8; i++) {
        if (uses[i].stack_bytes == 64 * 1024)
            say_place("start_child", "places.c", line, uses[i].spawned_at);
    }
    return 0;
}

static volatile sig_atomic_t sigchlds;

static void on_sigchld(int number)
{
    (void)number;
    sigchlds++;
}

/* With an argument: the file to remove first. */
int main(int argc, char **argv)
{
    if (argc > 1 && unlink(argv[1]) < 0)
        return EXIT_FAILURE;
    signal(SIGCHLD, on_sigchld);
    static_function();
    global_function();
    inlining_function();
    exported_by_library(say_place);
    call_static_of_library(say_place);
    say_place("child", "places.c", 0, (const void *)child);
    int r = hob_run(start_child, NULL);
    say_place("puts", "a file of libc", 0, (const char *)(const void *)puts + 1);
    say_place("0x10", "nowhere", 0, (const void *)0x10);
    printf("sigchld|0|%d\n", (int)sigchlds);
    return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
