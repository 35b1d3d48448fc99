/* SPDX-License-Identifier: MIT */
/* hob new: a small project that builds with `make` and has a test. */
#include "cmd.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* In these, @NAME@ is the project's name and @HOB@ the command. */
static const char makefile[] =
    "HOB ?= @HOB@\n"
    "CC ?= cc\n"
    "CFLAGS ?= -O2\n"
    "\n"
    "CFLAGS_ALL := $(shell $(HOB) flags --cflags) $(CFLAGS)\n"
    "# Of Hob's libraries, those that are included.\n"
    "LIBS := $(shell $(HOB) flags --libs $(wildcard src/*.[ch]))\n"
    "TEST_LIBS := $(shell $(HOB) flags --test-libs $(wildcard src/*.[ch] tests/*.[ch]))\n"
    "\n"
    "# main.c has main(); the tests bring one of their own.\n"
    "PARTS := $(filter-out src/main.c,$(wildcard src/*.c))\n"
    "\n"
    ".PHONY: all run test clean\n"
    "\n"
    "all: build/@NAME@\n"
    "\n"
    "run: all\n"
    "\tbuild/@NAME@\n"
    "\n"
    "test: build/test\n"
    "\tbuild/test\n"
    "\n"
    "build/@NAME@: src/main.c $(PARTS) $(wildcard src/*.h) Makefile | build\n"
    "\t$(CC) $(CFLAGS_ALL) -o $@ src/main.c $(PARTS) $(LIBS)\n"
    "\n"
    "build/test: $(wildcard tests/*.c) $(PARTS) $(wildcard src/*.h) Makefile | build\n"
    "\t$(CC) $(CFLAGS_ALL) -Isrc -o $@ $(wildcard tests/*.c) $(PARTS) $(TEST_LIBS)\n"
    "\n"
    "build:\n"
    "\tmkdir build\n"
    "\n"
    "clean:\n"
    "\trm -rf build\n";

static const char main_c[] =
    "#include <hob.h>\n"
    "\n"
    "#include \"greet.h\"\n"
    "\n"
    "static int main_task(void *arg)\n"
    "{\n"
    "    (void)arg;\n"
    "    struct greeting ann = { \"Ann\", 2 * HOB_SEC }, bob = { \"Bob\", 1 * HOB_SEC };\n"
    "\n"
    "    HOB_SCOPE(s);\n"
    "    hob_go(&s, greet, &ann);\n"
    "    hob_go(&s, greet, &bob);\n"
    "    return hob_scope_end(&s);\n"
    "}\n"
    "\n"
    "int main(void)\n"
    "{\n"
    "    return hob_run(main_task, NULL);\n"
    "}\n";

static const char greet_h[] =
    "#ifndef GREET_H\n"
    "#define GREET_H\n"
    "\n"
    "#include <stdint.h>\n"
    "\n"
    "struct greeting {\n"
    "    const char *name;\n"
    "    int64_t     after_ns;\n"
    "};\n"
    "\n"
    "/* A task that greets somebody after a while; its argument is a struct greeting. */\n"
    "int greet(void *arg);\n"
    "\n"
    "#endif\n";

static const char greet_c[] =
    "#include \"greet.h\"\n"
    "\n"
    "#include <hob.h>\n"
    "\n"
    "int greet(void *arg)\n"
    "{\n"
    "    struct greeting *greeting = arg;\n"
    "    HOB_TRY(hob_sleep(greeting->after_ns));\n"
    "    printf(\"Hello, %s\\n\", greeting->name);\n"
    "    return 0;\n"
    "}\n";

static const char test_c[] =
    "#include <errno.h>\n"
    "\n"
    "#include <hob.h>\n"
    "#include <hob/test.h>\n"
    "\n"
    "#include \"greet.h\"\n"
    "\n"
    "/* Time is virtual here: an hour is over at once. */\n"
    "HOB_TEST(greet, two_greetings_take_as_long_as_the_longer)\n"
    "{\n"
    "    struct greeting ann = { \"Ann\", HOB_HOUR }, bob = { \"Bob\", HOB_MINUTE };\n"
    "    int64_t start = hob_now();\n"
    "\n"
    "    HOB_SCOPE(s);\n"
    "    hob_go(&s, greet, &ann);\n"
    "    hob_go(&s, greet, &bob);\n"
    "    HOB_CHECK_OK(hob_scope_end(&s));\n"
    "    HOB_CHECK_EQ(hob_now() - start, HOB_HOUR);\n"
    "}\n"
    "\n"
    "HOB_TEST(greet, a_deadline_ends_it)\n"
    "{\n"
    "    struct greeting ann = { \"Ann\", HOB_HOUR };\n"
    "\n"
    "    HOB_SCOPE(s);\n"
    "    hob_scope_deadline(&s, hob_in(HOB_SEC));\n"
    "    hob_go(&s, greet, &ann);\n"
    "    HOB_CHECK_ERR(hob_scope_end(&s), -ETIMEDOUT);\n"
    "}\n";

static const char readme[] =
    "# @NAME@\n"
    "\n"
    "    make          builds build/@NAME@\n"
    "    make run      builds and runs it\n"
    "    make test     runs the tests, in virtual time\n"
    "\n"
    "`make HOB=/some/where/hob` builds with another Hob.\n";

static const char gitignore[] = "/build/\n";

static void check_name(const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789-_.";
    size_t len = strlen(name);
    if (len == 0 || len > 64 || strspn(name, allowed) != len || name[0] == '-' || name[0] == '.')
        die(EXIT_USAGE, "\"%s\" is no name for a project: letters, digits, - _ . are allowed, "
                        "at most 64, and not - or . first", name);
}

/* Makes the folder, or takes an empty one that is there. */
static void claim_folder(const char *name)
{
    if (mkdir(name, 0777) == 0)
        return;
    if (errno != EEXIST)
        die(EXIT_TROUBLE, "cannot make the folder %s: %s", name, strerror(errno));
    DIR *dir = opendir(name);
    if (dir == NULL)
        die(EXIT_TROUBLE, "%s is there, and is not a folder that can be read: %s", name,
            strerror(errno));
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            die(EXIT_TROUBLE, "the folder %s is there, and is not empty", name);
    closedir(dir);
}

static char *replace(const char *whole, const char *mark, const char *value)
{
    char *made = text("%s", "");
    for (const char *at; (at = strstr(whole, mark)) != NULL; whole = at + strlen(mark))
        made = text("%s%.*s%s", made, (int)(at - whole), whole, value);
    return text("%s%s", made, whole);
}

static void put(const char *folder, const char *path, const char *pattern, const char *hob)
{
    char *file = text("%s/%s", folder, path);
    int r = make_folders(folder_of(file), 0777);
    if (r == 0)
        r = write_file(file, replace(replace(pattern, "@NAME@", folder), "@HOB@", hob));
    if (r < 0)
        die(EXIT_TROUBLE, "cannot write %s: %s", file, strerror(-r));
}

int new_command(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: hob new NAME\n");
        return EXIT_USAGE;
    }
    const char *name = argv[1];
    struct place place = place_find();
    const char *hob = place.tree_hob != NULL ? place.tree_hob : "hob";

    check_name(name);
    claim_folder(name);
    put(name, "Makefile", makefile, hob);
    put(name, "README.md", readme, hob);
    put(name, ".gitignore", gitignore, hob);
    put(name, "src/main.c", main_c, hob);
    put(name, "src/greet.h", greet_h, hob);
    put(name, "src/greet.c", greet_c, hob);
    put(name, "tests/test_main.c", test_c, hob);
    printf("made %s; now: cd %s && make run && make test\n", name, name);
    return 0;
}
