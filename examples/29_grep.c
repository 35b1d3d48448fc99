/* SPDX-License-Identifier: MIT */
/*
 * grep -r, many files at a time.
 *
 *     the walk ──▶ a channel of names ──▶ 8 tasks that read and search ──▶ the screen
 *
 * One task walks the tree; the others take a name each, read the file piece by piece and tell what they
 * found. The channel is short, so the walk does not run far ahead of them. Binary files are left out,
 * and so is what begins with a dot. As grep's, the exit code is 0 when something was found, 1 when
 * nothing was, and 2 when something could not be read.
 *
 *     build/hob run examples/29_grep.c needle
 *     build/hob run examples/29_grep.c hob_walk_next include
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <hob.h>

enum { SEARCHERS = 8, LINE_SHOWN_MAX = 100, PIECE_BYTES = 256 << 10, LINE_BYTES_MAX = 64 << 20 };

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

/* A file as it comes: always some whole lines, the last may end with the file. */
struct reading {
    hob_file *file;
    char     *text;
    size_t    len, cap;
    unsigned  number, matches; /* of lines */
    bool      is_binary, has_ended;
};

static void search_line(const struct search *search, FILE *out, struct reading *in, const char *line,
                        size_t len)
{
    const char *found = memmem(line, len, search->needle, strlen(search->needle));
    in->number++;
    if (found == NULL)
        return;
    show_line(search, out, in->number, line, len, found);
    in->matches++;
}

/* All whole lines of what is there; what remains is moved to the front. */
static void search_lines(const struct search *search, FILE *out, struct reading *in)
{
    char *text = in->text, *end = in->text + in->len, *newline;
    while ((newline = memchr(text, '\n', (size_t)(end - text))) != NULL) {
        search_line(search, out, in, text, (size_t)(newline - text));
        text = newline + 1;
    }
    if (in->has_ended && text < end) {
        search_line(search, out, in, text, (size_t)(end - text));
        text = end;
    }
    in->len = (size_t)(end - text);
    memmove(in->text, text, in->len);
}

/* Waits for the next piece. A line longer than the buffer makes it grow. */
static int read_piece(struct reading *in)
{
    if (in->len == in->cap) {
        size_t cap = in->cap > 0 ? 2 * in->cap : PIECE_BYTES;
        char  *text = cap <= LINE_BYTES_MAX ? realloc(in->text, cap) : NULL;
        if (text == NULL)
            return cap <= LINE_BYTES_MAX ? -ENOMEM : -EMSGSIZE;
        in->text = text;
        in->cap = cap;
    }
    ssize_t n = hob_file_read(in->file, in->text + in->len, in->cap - in->len);
    if (n < 0)
        return (int)n;
    if (in->number == 0 && in->len == 0)
        in->is_binary = memchr(in->text, '\0', n < 4096 ? (size_t)n : 4096) != NULL;
    in->len += (size_t)n;
    in->has_ended = n == 0;
    return 0;
}

static int read_and_search(const struct search *search, FILE *out, struct reading *in)
{
    while (!in->has_ended && !in->is_binary) {
        HOB_TRY(read_piece(in));
        if (!in->is_binary)
            search_lines(search, out, in);
    }
    return 0;
}

/* What was found is shown at once, so that the lines of two files do not mix. */
static int show_file(struct search *search, const char *name, struct reading *in)
{
    char  *shown = NULL;
    size_t shown_len;
    FILE  *out = open_memstream(&shown, &shown_len);
    if (out == NULL)
        return -ENOMEM;
    int r = read_and_search(search, out, in);
    fclose(out);
    if (in->matches > 0)
        printf("%s%s%s\n%s\n", search->colour ? "\033[1m" : "", name,
               search->colour ? "\033[0m" : "", shown);
    free(shown);
    return r;
}

static void tell_failure(struct search *search, const char *name, int error)
{
    fprintf(stderr, "%s: %s\n", name, hob_strerror(error));
    search->failed++;
}

static int search_file(struct search *search, const char *name)
{
    struct reading in = { 0 };
    int            r = hob_file_open(name, O_RDONLY, 0, &in.file);
    if (r == 0)
        r = show_file(search, name, &in);
    hob_file_close(in.file);
    free(in.text);
    search->files++;
    search->binary += in.is_binary;
    search->matching += in.matches > 0;
    search->lines += in.matches;
    if (r < 0 && r != -ECANCELED)
        tell_failure(search, name, r);
    return r == -ECANCELED ? r : 0; // the others can be searched all the same
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
            tell_failure(search, entry.path, entry.error);
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
    } else if (r != -ECANCELED) {
        tell_failure(search, search->folder, r);
        r = 0;
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
    return r < 0 || search.failed > 0 ? 2 : search.lines > 0 ? 0 : 1;
}
