/* SPDX-License-Identifier: MIT */
/*
 * The conformance suite of the backends' contract.
 *
 *     test_backend [--backend NAME]... [--races N] [--depth N] [--seed N] [--filter TEXT] [--deep]
 *                  [--interrupt] [--wakes N]
 *
 * Runs the cases whose name contains TEXT, each in a process of its own, on the
 * backends named, or on all. --deep: a million races, half of them in tiny queues; a million wakes; and all
 * orders of six events. --interrupt: each system call is interrupted by a signal once.
 * Other options of libhob-test's runner are understood and mean nothing here. Exit code 0: all passed; 1: some
 * failed; 77: none of the backends is there.
 */
#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fault.h"
#include "world.h"

uint64_t    seed = 1;
uint64_t    races_wanted = 20000;
uint64_t    wakes_wanted = 20000;
int         depth = 4;
char        scratch_folder[4096];

static const struct test_case *const groups[] = {
    loop_cases, stream_cases, splice_cases, socket_cases, file_cases, fs_cases, model_cases,
};
enum { GROUPS = sizeof groups / sizeof groups[0], SECONDS_MAX = 60, LONG_SECONDS_MAX = 1800 };

static int passed, failed, skipped, ran;

static void run_in_child(const struct backend_type *type, const struct test_case *test)
{
    struct world        w;
    struct backend_opts opts = test->opts;
    if (opts.ring_entries == 0)
        opts.ring_entries = 64;
    if (opts.recv_bufs == 0)
        opts.recv_bufs = 16;
    opts.seed = seed;
    alarm((test->needs & NEEDS_TIME) != 0 ? LONG_SECONDS_MAX : SECONDS_MAX);
    signal(SIGPIPE, SIG_DFL);
    world_open(&w, type, &opts);
    test->run(&w);
    world_close(&w);
}

/* A folder of its own for each case, for a case that fails leaves its files behind. */
static void make_scratch_folder(void)
{
    const char *parent = getenv("TMPDIR");
    snprintf(scratch_folder, sizeof scratch_folder, "%s/hob-backend-XXXXXX",
             parent == NULL ? "/tmp" : parent);
    if (mkdtemp(scratch_folder) == NULL) {
        fprintf(stderr, "no scratch folder %s: %s\n", scratch_folder, strerror(errno));
        exit(2);
    }
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *at)
{
    (void)info;
    (void)kind;
    (void)at;
    return remove(path);
}

static void run_case(const struct backend_type *type, const struct test_case *test)
{
    int status;
    if ((test->needs & NEEDS_KERNEL) != 0 && strcmp(type->name, "sim") == 0)
        return;
    fflush(stdout);
    make_scratch_folder();
    pid_t child = fork();
    if (child == 0) {
        run_in_child(type, test);
        exit(0);
    }
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    nftw(scratch_folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    const char *word = code == 0 ? "ok" : code == 77 ? "skip" : "FAILED";
    printf("%-6s %s: %s", word, type->name, test->name);
    if (code >= 128)
        printf(" (signal %d: %s)", code - 128, strsignal(code - 128));
    printf("\n");
    passed += code == 0;
    skipped += code == 77;
    failed += code != 0 && code != 77;
}

static bool is_there(const struct backend_type *type)
{
    int   status;
    pid_t child = fork();
    if (child == 0) {
        struct backend     *b;
        struct backend_opts opts = { .ring_entries = 64, .recv_bufs = 16 };
        if (type->open(&opts, &b) != 0)
            _exit(77);
        type->close(b);
        _exit(0);
    }
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    return !(WIFEXITED(status) && WEXITSTATUS(status) == 77);
}

static void run_all(const struct backend_type *type, const char *text)
{
    if (type == NULL)
        return;
    if (!is_there(type)) {
        printf("skip   %s: this machine does not have it\n", type->name);
        return;
    }
    ran++;
    for (int i = 0; i < GROUPS; i++)
        for (const struct test_case *test = groups[i]; test->name != NULL; test++)
            if (strstr(test->name, text) != NULL)
                run_case(type, test);
}

static const struct backend_type *type_by_name(const char *name)
{
    static const struct backend_type *const types[] = {
#ifdef HOB_HAVE_URING
        &hob__backend_uring,
#endif
        &hob__backend_epoll,
        &hob__backend_sim,
    };
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (strcmp(types[i]->name, name) == 0)
            return types[i];
    return NULL;
}

int main(int argc, char **argv)
{
    const char *names[8] = { "uring", "epoll", "sim" };
    int         names_count = 0;
    const char *text = "";

    // Which are ten and fifty times slower, and ask whether it runs there at all.
    if (getenv("HOB_TEST_VALGRIND") != NULL || getenv("HOB_TEST_EMULATED") != NULL)
        races_wanted = wakes_wanted = 4000, depth = 3;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--deep") == 0)
            races_wanted = 500000, wakes_wanted = 1000000, depth = 6;
        else if (strcmp(argv[i], "--interrupt") == 0)
            hob__interrupts_start();
        else if (strcmp(argv[i], "--torture") == 0 || strcmp(argv[i], "--no-bare") == 0)
            continue;
        else if (i + 1 == argc)
            return fprintf(stderr, "%s needs a value\n", argv[i]), 2;
        else if (strcmp(argv[i], "--backend") == 0 && names_count < 8)
            names[names_count++] = argv[++i];
        else if (strcmp(argv[i], "--filter") == 0)
            text = argv[++i];
        else if (strcmp(argv[i], "--wakes") == 0)
            wakes_wanted = strtoull(argv[++i], NULL, 0);
        else if (strcmp(argv[i], "--races") == 0)
            races_wanted = strtoull(argv[++i], NULL, 0);
        else if (strcmp(argv[i], "--depth") == 0)
            depth = atoi(argv[++i]);
        else if (strcmp(argv[i], "--seed") == 0)
            seed = strtoull(argv[++i], NULL, 0);
        else if (strcmp(argv[i], "--seeds") == 0)
            i++;
        else
            return fprintf(stderr, "unknown option %s\n", argv[i]), 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (names_count == 0)
        names_count = 3;
    for (int i = 0; i < names_count; i++)
        run_all(type_by_name(names[i]), text);
    printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
    return failed > 0 ? 1 : ran == 0 ? 77 : 0;
}
