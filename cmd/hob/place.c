/* SPDX-License-Identifier: MIT */
/*
 * Where the library is that belongs to this command.
 *
 * In a tree: the build folder has a file hob.tree beside the command, which
 * names the folder of the sources. Installed: relative to the command, as the
 * build was told, so that a whole installation can be moved.
 */
#include "cmd.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char *own_path(void)
{
    char path[4096];
    ssize_t len = readlink("/proc/self/exe", path, sizeof path);
    if (len <= 0 || (size_t)len == sizeof path)
        die(EXIT_TROUBLE, "cannot find out where this command is: /proc is needed");
    return copy_part(path, (size_t)len);
}

static struct place place_in_tree(const char *hob, const char *build)
{
    char *tree;
    size_t len;
    char *named = text("%s/hob.tree", build);
    if (read_file(named, &tree, &len) < 0)
        die(EXIT_TROUBLE, "cannot read %s", named);
    tree[strcspn(tree, "\n")] = '\0';
    // A tree that was moved with its build folder still has it inside.
    if (!is_there(text("%s/include/hob.h", tree)))
        tree = folder_of(build);
    return (struct place){
        .include = text("%s/include", tree),
        .lib = text("%s/libhob.a", build),
        .test_lib = text("%s/libhob-test.a", build),
        .tree_hob = text("%s", hob),
    };
}

/* `folder` of the installation, which may be given relative to the prefix. */
static char *installed(const char *prefix, const char *folder)
{
    return folder[0] == '/' ? text("%s", folder) : text("%s/%s", prefix, folder);
}

static struct place place_installed(const char *hob, const char *bin)
{
    size_t len = strlen(bin), tail = strlen("/" HOB_BINDIR);
    if (len < tail || strcmp(bin + len - tail, "/" HOB_BINDIR) != 0)
        die(EXIT_TROUBLE, "%s is neither in a build folder nor in a folder \"%s\"", hob,
            HOB_BINDIR);
    char *prefix = copy_part(bin, len - tail);
    char *lib = installed(prefix, HOB_LIBDIR);
    return (struct place){
        .include = installed(prefix, HOB_INCLUDEDIR),
        .lib = text("%s/libhob.a", lib),
        .test_lib = text("%s/libhob-test.a", lib),
    };
}

struct place place_find(void)
{
    char *hob = own_path();
    char *folder = folder_of(hob);
    struct place place = is_there(text("%s/hob.tree", folder)) ? place_in_tree(hob, folder)
                                                               : place_installed(hob, folder);
    if (!is_there(text("%s/hob.h", place.include)))
        die(EXIT_TROUBLE, "there is no hob.h in %s", place.include);
    if (!is_there(place.lib))
        die(EXIT_TROUBLE, "there is no %s", place.lib);
    return place;
}

/* Every task takes an argument, and many do not use it: so no warning of that. DWARF 4, because
 * addr2line takes file 0 of a DWARF 5 table, which is "<stdin>", for file 1, which #line named.
 * A call that became a jump would be reported at the wrong place. */
void place_add_cflags(const struct place *place, struct texts *flags)
{
    texts_add_words(flags, "-gdwarf-4 -O1 -Wall -Wextra -Wno-unused-parameter -fno-omit-frame-pointer "
                           "-fstack-clash-protection -fno-optimize-sibling-calls -pthread " HOB_SANITIZE);
    texts_add(flags, text("-I%s", place->include));
}

void place_add_libs(const struct place *place, struct texts *flags)
{
    texts_add(flags, place->lib);
    texts_add_words(flags, HOB_LIBS " -pthread");
}

/* Whether the text has a line that includes hob/NAME.h. */
static bool includes(const char *source, const char *name)
{
    char *header = text("hob/%s.h", name);
    for (const char *at = source; (at = strstr(at, header)) != NULL; at++) {
        const char *line = at;
        while (line > source && line[-1] != '\n')
            line--;
        char around[8] = "";
        if (sscanf(line, " # include %1[<\"]", around) == 1)
            return true;
    }
    return false;
}

static const struct {
    const char *name, *libs;
    const char *headers, *below; /* its headers without .h, the libraries it stands on: words */
} ON_TOP[] = { HOB_LIBS_ON_TOP { NULL, NULL, NULL, NULL } };

static bool has_word(const char *words, const char *word)
{
    size_t len = strlen(word);
    for (const char *at = words; (at = strstr(at, word)) != NULL; at += len) {
        if ((at == words || at[-1] == ' ') && (at[len] == ' ' || at[len] == '\0'))
            return true;
    }
    return false;
}

static bool includes_one(const char *source, const char *headers)
{
    char header[64];
    int  len;
    for (; sscanf(headers, "%63s%n", header, &len) == 1; headers += len) {
        if (includes(source, header))
            return true;
    }
    return false;
}

/* Those that stand on others come behind them in the list, and before them when they are linked. */
void place_add_libs_on_top(const struct place *place, const char *source, struct texts *flags)
{
    enum { COUNT = sizeof ON_TOP / sizeof ON_TOP[0] - 1 };
    bool is_wanted[COUNT + 1] = { false };

    for (size_t i = COUNT; i-- > 0;) {
        char *lib = text("%s/libhob-%s.a", folder_of(place->lib), ON_TOP[i].name);
        if (!(is_wanted[i] || includes_one(source, ON_TOP[i].headers)) || !is_there(lib))
            continue;
        texts_add(flags, lib);
        texts_add_words(flags, ON_TOP[i].libs);
        for (size_t k = 0; k < i; k++)
            is_wanted[k] |= has_word(ON_TOP[i].below, ON_TOP[k].name);
    }
}

/* ---- hob flags ---- */

/* As a word of a shell. */
static void print_word(const char *word, bool first)
{
    if (!first)
        putchar(' ');
    for (; *word != '\0'; word++) {
        if (strchr(" \t\"'\\$`&|;<>()*?[#~", *word) != NULL)
            putchar('\\');
        putchar(*word);
    }
}

/* The texts of all of them, one after the other. */
static char *read_all(char **paths, int count)
{
    char *all = "";
    for (int i = 0; i < count; i++) {
        char *data;
        size_t len;
        int r = read_file(paths[i], &data, &len);
        if (r < 0)
            die(EXIT_TROUBLE, "cannot read %s: %s", paths[i], strerror(-r));
        all = text("%s\n%s", all, data);
    }
    return all;
}

int flags_command(int argc, char **argv)
{
    struct place place = place_find();
    struct texts flags = { 0 };
    bool has_option = argc > 1 && argv[1][0] == '-';
    const char *what = has_option ? argv[1] : "";
    int first = has_option ? 2 : 1;

    if (has_option && strcmp(what, "--cflags") != 0 && strcmp(what, "--libs") != 0 &&
        strcmp(what, "--test-libs") != 0) {
        fprintf(stderr, "usage: hob flags [--cflags | --libs | --test-libs] [FILE]...\n");
        return EXIT_USAGE;
    }
    if (!has_option || strcmp(what, "--cflags") == 0)
        place_add_cflags(&place, &flags);
    if (strcmp(what, "--test-libs") == 0)
        texts_add(&flags, place.test_lib);
    if (strcmp(what, "--cflags") != 0) {
        place_add_libs_on_top(&place, read_all(argv + first, argc - first), &flags);
        place_add_libs(&place, &flags);
    }
    for (size_t i = 0; i < flags.count; i++)
        print_word(flags.at[i], i == 0);
    putchar('\n');
    return 0;
}
