/* SPDX-License-Identifier: MIT */
/*
 * grep -r, many files at a time.
 *
 *     the walk ──▶ a channel of names ──▶ 8 tasks that read and search ──▶ the screen
 *
 * One task walks the tree; the others take a name each, read the file and tell what they found.
 * The channel is short, so the walk does not run far ahead of them. Binary files are left out, and
 * so is what begins with a dot.
 *
 *     build/hob run examples/29_grep.c needle
 *     build/hob run examples/29_grep.c hob_walk_next include
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <hob.h>

enum { SEARCHERS = 8, LINE_SHOWN_MAX = 100, FILE_BYTES_MAX = 32 << 20 };

struct search {
    const char *needle, *folder;
    hob_chan   *names; /* char *, each to be freed by who takes it */
    bool        colour;
    unsigned    files, matching, lines, binary, failed;
};

/* ---- one file ---- */

static void show_line(const struct search *search, FILE *out, unsigned number, const char *line,
                      size_t len, const char *found)
{
    size_t before = (size_t)(found - line), n = strlen(search->needle);
    size_t behind = len - before - n;
    if (before > LINE_SHOWN_MAX)
        before = 0; // only what was found, of a line as long as a book
    if (behind > LINE_SHOWN_MAX)
        behind = LINE_SHOWN_MAX;
    fprintf(out, "%6u  %.*s%s%s%s%.*s\n", number, (int)before, found - before,
            search->colour ? "\033[1;31m" : "", search->needle, search->colour ? "\033[0m" : "",
            (int)behind, found + n);
}

static unsigned search_text(const struct search *search, FILE *out, const char *text, size_t len)
{
    unsigned    number = 0, matches = 0;
    const char *end = text + len;
    while (text < end) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        size_t      line = (size_t)((newline != NULL ? newline : end) - text);
        const char *found = memmem(text, line, search->needle, strlen(search->needle));
        number++;
        if (found != NULL) {
            show_line(search, out, number, text, line, found);
            matches++;
        }
        text += line + 1;
    }
    return matches;
}

/* What was found is shown at once, so that the lines of two files do not mix. */
static int search_file(struct search *search, const char *name)
{
    char  *text, *shown = NULL;
    size_t len, shown_len;
    int    r = hob_path_read(name, FILE_BYTES_MAX, &text, &len);
    if (r < 0) {
        fprintf(stderr, "%s: %s\n", name, hob_strerror(r));
        search->failed++;
        return r == -ECANCELED ? r : 0; // the others can be searched all the same
    }
    search->files++;
    FILE *out = open_memstream(&shown, &shown_len);
    if (out == NULL) {
        free(text);
        return -ENOMEM;
    }
    bool     is_binary = memchr(text, '\0', len < 4096 ? len : 4096) != NULL;
    unsigned lines = is_binary ? 0 : search_text(search, out, text, len);
    fclose(out);
    if (lines > 0)
        printf("%s%s%s\n%s\n", search->colour ? "\033[1m" : "", name,
               search->colour ? "\033[0m" : "", shown);
    search->binary += is_binary;
    search->matching += lines > 0;
    search->lines += lines;
    free(shown);
    free(text);
    return 0;
}

static int search_files(void *arg)
{
    struct search *search = arg;
    char          *name;
    int            r;
    while ((r = hob_chan_recv(search->names, &name)) >= 0) {
        r = search_file(search, name);
        free(name);
        if (r < 0)
            return r;
    }
    return r == HOB_EOF ? 0 : r;
}

/* ---- the tree ---- */

static int send_names(struct search *search, hob_walk *walk)
{
    hob_walk_entry entry;
    int            r;
    while ((r = hob_walk_next(walk, &entry)) > 0) {
        if (entry.depth > 0 && entry.name[0] == '.') {
            hob_walk_skip(walk);
            continue;
        }
        if (entry.error < 0)
            fprintf(stderr, "%s: %s\n", entry.path, hob_strerror(entry.error));
        if (entry.kind != HOB_ENTRY_FILE)
            continue;
        char *name = strdup(entry.path);
        if (name == NULL)
            return -ENOMEM;
        r = hob_chan_send(search->names, &name);
        if (r < 0) {
            free(name);
            return r;
        }
    }
    return r;
}

static int walk_tree(void *arg)
{
    struct search *search = arg;
    hob_walk      *walk;
    hob_walk_opts  opts = { .sorted = 1 };
    int            r = hob_walk_open(search->folder, &opts, &walk);
    if (r >= 0) {
        r = send_names(search, walk);
        hob_walk_close(walk);
    }
    hob_chan_finish(search->names);
    return r;
}

static void free_name(void *arg, void *value)
{
    free(*(char **)value);
}

static void free_chan(void *chan)
{
    hob_chan_free(chan);
}

static int search_all(void *arg)
{
    struct search *search = arg;
    hob_chan_opts  opts = { .name = "names", .drop = free_name };
    HOB_TRY(hob_chan_new(sizeof(char *), SEARCHERS, HOB_WAIT, &opts, &search->names));
    HOB_DEFER(free_chan, search->names);

    HOB_SCOPE(s);
    hob_go(&s, walk_tree, search);
    for (int i = 0; i < SEARCHERS; i++)
        hob_go(&s, search_files, search);
    return hob_scope_end(&s);
}

int main(int argc, char **argv)
{
    struct search search = {
        .needle = argc > 1 ? argv[1] : "",
        .folder = argc > 2 ? argv[2] : ".",
        .colour = isatty(1) && getenv("NO_COLOR") == NULL,
    };
    if (search.needle[0] == '\0') {
        fprintf(stderr, "usage: %s TEXT [FOLDER]\n", argv[0]);
        return 2;
    }
    int r = hob_run(search_all, &search);
    printf("%u lines in %u of %u files (%u of them binary)\n", search.lines, search.matching,
           search.files, search.binary);
    return r < 0 ? 2 : search.lines > 0 ? 0 : 1;
}
