/* SPDX-License-Identifier: MIT */
/*
 * hob run: compiles a C file, unless that was done before, and becomes the program.
 *
 * Becomes, by exec: so arguments, standard input, signals, the terminal and the
 * exit status are the program's own business.
 */
#include "cmd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WORKERS_MAX = 256 };

struct run_options {
    const char *backend, *seed, *workers, *cc;
};

static bool is_number(const char *word)
{
    errno = 0;
    char *end;
    (void)strtoull(word, &end, 10);
    return word[0] >= '0' && word[0] <= '9' && *end == '\0' && errno == 0;
}

static void check_workers(const char *count)
{
    if (!is_number(count) || strtoull(count, NULL, 10) == 0)
        die(EXIT_USAGE, "--workers takes a number from 1, not \"%s\"", count);
    if (strtoull(count, NULL, 10) > WORKERS_MAX)
        die(EXIT_USAGE, "--workers %s: a program has at most %d", count, WORKERS_MAX);
}

static void take_option(struct run_options *o, const char *name, const char *value)
{
    if (strcmp(name, "--backend") == 0) {
        if (strcmp(value, "uring") != 0 && strcmp(value, "epoll") != 0 &&
            strcmp(value, "sim") != 0)
            die(EXIT_USAGE, "there is no backend \"%s\"; there are uring, epoll and sim", value);
        o->backend = value;
    } else if (strcmp(name, "--seed") == 0) {
        if (!is_number(value))
            die(EXIT_USAGE, "--seed takes a number, not \"%s\"", value);
        o->seed = value;
    } else if (strcmp(name, "--workers") == 0) {
        check_workers(value);
        o->workers = value;
    } else if (strcmp(name, "--cc") == 0) {
        o->cc = value;
    } else {
        die(EXIT_USAGE, "hob run has no option %s; options for the program come after FILE.c",
            name);
    }
}

/* Returns the index of FILE.c in argv. */
static int read_options(struct run_options *o, int argc, char **argv)
{
    int i = 1;
    for (; i < argc && argv[i][0] == '-'; i++) {
        if (strcmp(argv[i], "--") == 0) {
            i++;
            break;
        }
        char *equals = strchr(argv[i], '=');
        if (equals != NULL) {
            take_option(o, copy_part(argv[i], (size_t)(equals - argv[i])), equals + 1);
        } else {
            const char *value = i + 1 < argc ? argv[i + 1] : NULL;
            take_option(o, argv[i], value != NULL ? value : "");
            i++;
        }
    }
    if (i >= argc)
        die(EXIT_USAGE, "usage: hob run [--backend NAME] [--seed N] [--workers N] [--cc COMMAND] "
                        "FILE.c [ARGUMENT]...");
    if (o->seed != NULL && o->backend != NULL && strcmp(o->backend, "sim") != 0)
        die(EXIT_USAGE, "--seed repeats a run on sim, and --backend %s is the real world",
            o->backend);
    return i;
}

static void set_environment(const struct run_options *o)
{
    const char *backend = o->seed != NULL ? "sim" : o->backend;
    if ((backend != NULL && setenv("HOB_BACKEND", backend, 1) < 0) ||
        (o->seed != NULL && setenv("HOB_SEED", o->seed, 1) < 0) ||
        (o->workers != NULL && setenv("HOB_WORKERS", o->workers, 1) < 0))
        die(EXIT_TROUBLE, "cannot set the environment: %s", strerror(errno));
}

int run_command(int argc, char **argv)
{
    struct run_options o = { 0 };
    struct source source = { 0 };
    const char *cc = getenv("CC");

    int file = read_options(&o, argc, argv);
    if (o.cc != NULL)
        cc = o.cc;
    if (cc == NULL || cc[0] == '\0')
        cc = "cc";
    source.path = argv[file];
    if (source.path[0] == '\0')
        die(EXIT_USAGE, "the name of the program is empty");
    int r = read_file(source.path, &source.data, &source.len);
    if (r < 0)
        die(EXIT_TROUBLE, "cannot read %s: %s", source.path, strerror(-r));
    struct place place = place_find();
    set_environment(&o);

    char *program = compile(&source, cc, &place, cache_folder());
    execv(program, argv + file);
    if (errno == ENOENT || errno == EACCES) {
        // It was cleaned away under us, or lies where nothing may be run.
        char *folder = errno == ENOENT ? cache_folder() : cache_folder_other();
        program = compile(&source, cc, &place, folder);
        execv(program, argv + file);
    }
    die(EXIT_TROUBLE, "cannot run %s: %s", program, strerror(errno));
}
