/* SPDX-License-Identifier: MIT */
/*
 * From a source file to a program, by the user's compiler.
 *
 * The name of a program in the cache is a hash of all that goes into it: the
 * text, its path, the flags, the compiler, the library, and the headers that the
 * text includes. Which headers these are the compiler tells when it runs, and
 * the .needs file remembers for the next time.
 *
 * The compiler gets the text on its standard input, for two reasons: what was
 * hashed is what is compiled, and the line "#!..." can be left out. A #line says
 * where the rest came from, so messages name the right file and line.
 */
#include "cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- what to call ---- */

/* The file that a command name stands for, or NULL. */
static char *find_command(const char *name)
{
    if (strchr(name, '/') != NULL)
        return access(name, X_OK) == 0 ? text("%s", name) : NULL;
    const char *path = getenv("PATH");
    if (path == NULL)
        path = "/usr/local/bin:/usr/bin:/bin";
    for (;;) {
        size_t len = strcspn(path, ":");
        char *file = text("%.*s/%s", len > 0 ? (int)len : 1, len > 0 ? path : ".", name);
        if (access(file, X_OK) == 0)
            return file;
        if (path[len] == '\0')
            return NULL;
        path += len + 1;
    }
}

/* The words of lines such as "hob: -lm", in a comment that begins its line. */
static struct texts flags_in(const struct source *source)
{
    struct texts flags = { 0 };
    const char *line = source->data;
    while (line != NULL) {
        const char *end = strchr(line, '\n');
        if (starts_with(line, "/* hob: ") || starts_with(line, "// hob: ")) {
            const char *words = line + strlen("/* hob: ");
            size_t len = end != NULL ? (size_t)(end - words) : strlen(words);
            char *copy = copy_part(words, len);
            char *close = strstr(copy, "*/");
            if (close != NULL)
                *close = '\0';
            texts_add_words(&flags, copy);
        }
        line = end != NULL ? end + 1 : NULL;
    }
    return flags;
}

static void append(struct texts *to, const struct texts *from)
{
    for (size_t i = 0; i < from->count; i++)
        texts_add(to, from->at[i]);
}

/* The whole command; the program goes to `out`, the list of headers to `needs`. */
static struct texts command_for(const struct source *source, const char *cc,
                                const struct place *place, char *out, char *needs)
{
    struct texts command = { 0 };
    struct texts own = flags_in(source);

    texts_add_words(&command, cc);
    place_add_cflags(place, &command);
    texts_add_words(&command, "-MMD -MT program -MF");
    texts_add(&command, needs);
    texts_add_words(&command, "-iquote");
    texts_add(&command, folder_of(source->path));
    texts_add_words(&command, "-o");
    texts_add(&command, out);
    texts_add_words(&command, "-x c - -x none");
    append(&command, &own);
    place_add_libs_on_top(place, source->data, &command);
    place_add_libs(place, &command);
    return command;
}

/* ---- the name of the program ---- */

static struct hash hash_of_source(const struct source *source, const char *cc_file,
                                  const struct texts *command)
{
    char real[PATH_MAX];
    struct hash hash;

    hash_init(&hash);
    hash_add_text(&hash, HOB_VERSION);
    hash_add_text(&hash, source->path);
    hash_add_text(&hash, realpath(source->path, real) != NULL ? real : "");
    hash_add(&hash, source->data, source->len);
    for (size_t i = 0; i < command->count; i++)
        hash_add_text(&hash, command->at[i]);
    hash_add_file_identity(&hash, cc_file);
    for (size_t i = 0; i < command->count; i++) {
        if (ends_with(command->at[i], ".a")) // libraries, which may have been built anew
            hash_add_file_identity(&hash, command->at[i]);
    }
    return hash;
}

/* Adds the headers that the file names, a line each, with what they contain now. */
static struct hash hash_with_headers(struct hash hash, const char *needs)
{
    char *list, *rest, *data;
    size_t len;
    if (read_file(needs, &list, &len) < 0)
        return hash;
    for (char *path = strtok_r(list, "\n", &rest); path != NULL;
         path = strtok_r(NULL, "\n", &rest)) {
        hash_add_text(&hash, path);
        if (read_file(path, &data, &len) == 0) {
            hash_add(&hash, data, len);
            free(data);
        }
    }
    return hash;
}

static char *program_name(const char *folder, const struct source *source, struct hash hash)
{
    const char *slash = strrchr(source->path, '/');
    const char *base = slash != NULL ? slash + 1 : source->path;
    size_t len = strcspn(base, ".");
    return text("%s/%.*s-%s", folder, len < 40 ? (int)len : 40, base, hash_name(&hash));
}

/* Turns what -MMD wrote ("program: a.h b\ c.h \<newline> d.h") into a line each. */
static char *headers_from_rule(char *rule)
{
    char *from = strchr(rule, ':');
    if (from == NULL)
        return text("%s", "");
    char *list = text("%s\n", from + 1), *to = list;
    for (from = copy_part(list, strlen(list)); *from != '\0'; from++) {
        if (from[0] == '\\' && from[1] == '\n')
            from++;
        else if ((from[0] == '\\' && (from[1] == ' ' || from[1] == '#')) ||
                 (from[0] == '$' && from[1] == '$'))
            *to++ = *++from;
        else if (from[0] != ' ' && from[0] != '\n')
            *to++ = *from;
        else if (to > list && to[-1] != '\n')
            *to++ = '\n';
    }
    *to = '\0';
    return list;
}

/* ---- calling the compiler ---- */

static void feed(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, data, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return; // it stopped reading: then it has said why
        data += n;
        len -= (size_t)n;
    }
}

/* The text of a #line's file name. */
static char *quoted(const char *path)
{
    char *made = text("%s%s", path, path), *to = made; // room for a backslash before each
    for (; *path != '\0'; path++) {
        if (*path == '"' || *path == '\\')
            *to++ = '\\';
        *to++ = *path;
    }
    *to = '\0';
    return made;
}

/* Runs it with the text as its standard input; returns whether it succeeded. */
static bool call(const struct texts *command, const struct source *source)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        die(EXIT_TROUBLE, "no pipe to the compiler: %s", strerror(errno));
    pid_t child = fork();
    if (child < 0)
        die(EXIT_TROUBLE, "cannot start the compiler: %s", strerror(errno));
    if (child == 0) {
        dup2(ends[0], 0);
        execvp(command->at[0], command->at);
        die(EXIT_TROUBLE, "cannot start %s: %s", command->at[0], strerror(errno));
    }
    close(ends[0]);

    const char *body = source->data;
    size_t len = source->len;
    int line = 1;
    if (starts_with(body, "#!")) {
        size_t first = strcspn(body, "\n");
        first += body[first] == '\n';
        body += first;
        len -= first;
        line = 2;
    }
    char *start = text("#line %d \"%s\"\n", line, quoted(source->path));
    void (*before)(int) = signal(SIGPIPE, SIG_IGN);
    feed(ends[1], start, strlen(start));
    feed(ends[1], body, len);
    close(ends[1]);
    signal(SIGPIPE, before);

    int status;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            die(EXIT_TROUBLE, "lost the compiler: %s", strerror(errno));
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

char *compile(const struct source *source, const char *cc, const struct place *place,
              const char *folder)
{
    char temp[] = ".making-XXXXXX";
    struct texts words = { 0 };
    texts_add_words(&words, cc);
    char *cc_file = words.count > 0 ? find_command(words.at[0]) : NULL;
    if (cc_file == NULL)
        die(EXIT_TROUBLE,
            "there is no C compiler \"%s\": install gcc or clang, or name one with --cc or CC", cc);

    // The names of temporary files differ each time, so they are no part of the hash.
    struct texts command = command_for(source, cc, place, temp, temp);
    struct hash of_source = hash_of_source(source, cc_file, &command);
    char *needs = text("%s/%s.needs", folder, hash_name(&of_source));
    if (is_there(needs)) {
        char *program = program_name(folder, source, hash_with_headers(of_source, needs));
        if (is_there(program)) {
            cache_used(program);
            cache_used(needs);
            return program;
        }
    }

    char *out = text("%s/%s", folder, temp);
    int fd = mkostemp(out, O_CLOEXEC);
    if (fd < 0)
        die(EXIT_TROUBLE, "cannot write in %s: %s", folder, strerror(errno));
    close(fd);
    char *rule_file = text("%s.d", out);
    command = command_for(source, cc, place, out, rule_file);
    bool ok = call(&command, source);

    char *rule = NULL;
    size_t len;
    int r = ok ? read_file(rule_file, &rule, &len) : 0;
    if (ok && r == 0)
        r = write_file(needs, headers_from_rule(rule));
    char *program = program_name(folder, source, hash_with_headers(of_source, needs));
    if (ok && r == 0 && rename(out, program) < 0)
        r = -errno;
    unlink(rule_file);
    if (!ok || r < 0)
        unlink(out);
    if (!ok)
        exit(EXIT_TROUBLE);
    if (r < 0)
        die(EXIT_TROUBLE, "cannot write in %s: %s", folder, strerror(-r));
    cache_prune(folder);
    return program;
}
