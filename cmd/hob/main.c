/* SPDX-License-Identifier: MIT */
/* Which command. */
#include "cmd.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: hob COMMAND ...\n"
    "\n"
    "  hob run FILE.c [ARGUMENT]...  compiles a program that uses Hob, once, and runs it\n"
    "  hob new NAME                  makes a folder with a small project in it\n"
    "  hob serve [FOLDER]            gives the files of a folder out by HTTP; hob serve --help\n"
    "  hob bench URL                 loads an HTTP server, and tells how it bore that\n"
    "  hob backends                  says which backends work on this system\n"
    "  hob flags [FILE.c]...         prints what a compiler needs to know about Hob, and about\n"
    "                                those of its libraries that these files include\n"
    "  hob version\n"
    "  hob help\n"
    "\n"
    "hob run takes, before FILE.c:\n"
    "  --backend NAME   uring, epoll, or sim: virtual time, and a network in memory\n"
    "  --seed N         runs on sim; the same seed gives the same run\n"
    "  --workers N      at most so many threads; otherwise one for each processor\n"
    "  --cc COMMAND     the compiler; otherwise $CC, or cc\n"
    "\n"
    "A C file that begins with the line   #!/usr/bin/env -S hob run   is a program.\n"
    "A line such as   /* hob: -lm */   in it adds to the compiler's arguments.\n";

static int help_command(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    fputs(usage, stdout);
    return 0;
}

static int version_command(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    puts("hob " HOB_VERSION);
    return 0;
}

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
} commands[] = {
    { "run", run_command },         { "new", new_command },
    { "serve", serve_command },     { "bench", bench_command },
    { "backends", backends_command }, { "flags", flags_command },
    { "help", help_command },       { "--help", help_command },
    { "-h", help_command },         { "version", version_command },
    { "--version", version_command },
};

void die(int status, const char *format, ...)
{
    va_list args;
    fputs("hob: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    exit(status);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fputs(usage, stderr);
        return EXIT_USAGE;
    }
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    fprintf(stderr, "hob: there is no command \"%s\"\n\n%s", argv[1], usage);
    return EXIT_USAGE;
}
