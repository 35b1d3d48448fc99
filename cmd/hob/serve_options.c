/* SPDX-License-Identifier: MIT */
/* hob serve: its options. */
#include "cmd.h"
#include "serve.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: hob serve [OPTION]... [FOLDER]\n"
    "\n"
    "Gives the files of FOLDER (otherwise of the current one) out by HTTP, and nothing outside of it.\n"
    "^C finishes what was asked for and ends it; the second time it ends at once.\n"
    "\n"
    "  --port N          on this port; otherwise 8000; 0: on any that is free\n"
    "  --host ADDRESS    on this address; \"all\": on all; otherwise on 127.0.0.1, for this machine\n"
    "  --workers N       threads; otherwise one for each processor\n"
    "\n"
    "  --no-listing      no page for a folder that has no index\n"
    "  --dotfiles        names that begin with a dot, too\n"
    "  --index NAME      stands for its folder; otherwise index.html; '': no file does\n"
    "  --app FILE        is the answer to each path that leads to nothing: for applications of one page\n"
    "  --cache TEXT      the Cache-Control header; otherwise no-cache: may be kept, and is asked for each time\n"
    "  --immutable       names with a hash in them, such as app.3f2a91c0.js, are never asked for again\n"
    "  --precompressed   a.css.br, .zst or .gz in the place of a.css, for who takes it\n"
    "  --memory N        small files are kept in N MiB of memory for each thread, and are up to a second old\n"
    "  --cors            pages of other sites may read all of it\n"
    "\n"
#ifdef HOB_WITH_TLS
    "  --cert FILE       over TLS, with this certificate (and its chain), PEM; SIGHUP reads it again\n"
    "  --key FILE        its key; otherwise it is in the certificate's file\n"
    "  --redirect PORT   another port, which sends those who come without TLS to the right one\n"
    "\n"
#endif
    "  --log FORMAT      of a line for each answer: common, combined, json or none; otherwise common\n"
    "  --help\n";

enum { CACHE_BYTES_MAX = 1000 };

/* As much of a value as a sentence can bear. */
static const char *brief(const char *value)
{
    enum { MOST = 60 };
    return strlen(value) <= MOST ? value : text("%.*s...", MOST, value);
}

static unsigned number(const char *name, const char *value, unsigned long min, unsigned long max)
{
    char *end;
    errno = 0;
    unsigned long n = strtoul(value, &end, 10);
    if (value[0] < '0' || value[0] > '9' || *end != '\0' || errno != 0 || n < min || n > max)
        die(EXIT_USAGE, "%s takes a number from %lu to %lu, not \"%s\"", name, min, max, brief(value));
    return (unsigned)n;
}

static enum log_format log_format(const char *value)
{
    static const char *const NAMES[] = { "common", "combined", "json", "none" };
    for (int i = 0; i < 4; i++) {
        if (strcmp(value, NAMES[i]) == 0)
            return (enum log_format)i;
    }
    die(EXIT_USAGE, "there is no log format \"%s\"; there are common, combined, json and none", brief(value));
}

/* Those that stand alone. */
static bool take_flag(struct serve_options *o, const char *name)
{
    const struct {
        const char *name;
        bool       *place;
    } flags[] = {
        { "--no-listing", &o->no_listing }, { "--dotfiles", &o->dotfiles }, { "--immutable", &o->immutable },
        { "--precompressed", &o->precompressed }, { "--cors", &o->cors },
    };
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        if (strcmp(name, flags[i].name) == 0)
            return *flags[i].place = true;
    }
    return false;
}

static bool take_tls(struct serve_options *o, const char *name, const char *value)
{
#ifdef HOB_WITH_TLS
    if (strcmp(name, "--cert") == 0)
        o->cert = value;
    else if (strcmp(name, "--key") == 0)
        o->key = value;
    else if (strcmp(name, "--redirect") == 0)
        o->redirect_port = number(name, value, 0, 65535), o->has_redirect = true;
    else
        return false;
    return true;
#else
    (void)o, (void)value;
    if (strcmp(name, "--cert") == 0 || strcmp(name, "--key") == 0 || strcmp(name, "--redirect") == 0)
        die(EXIT_USAGE, "%s: this command was built without OpenSSL", name);
    return false;
#endif
}

static bool take_option(struct serve_options *o, const char *name, const char *value)
{
    if (strcmp(name, "--port") == 0)
        o->port = number(name, value, 0, 65535);
    else if (strcmp(name, "--workers") == 0)
        o->workers = number(name, value, 1, 256);
    else if (strcmp(name, "--memory") == 0)
        o->memory_mib = number(name, value, 0, 65536);
    else if (strcmp(name, "--host") == 0)
        o->host = value;
    else if (strcmp(name, "--index") == 0)
        o->index = value;
    else if (strcmp(name, "--app") == 0)
        o->app = value;
    else if (strcmp(name, "--cache") == 0)
        o->cache = value;
    else if (strcmp(name, "--log") == 0)
        o->log = log_format(value);
    else
        return take_tls(o, name, value);
    return true;
}

__attribute__((noreturn)) static void die_of_option(const char *name)
{
    die(EXIT_USAGE, "hob serve has no option %s; hob serve --help tells those that it has", name);
}

static bool is_index(const char *name)
{
    return strchr(name, '/') == NULL && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && strlen(name) <= NAME_MAX;
}

/* It goes into each answer, so what is wrong with it is told before the first. */
static void check_cache(const char *value)
{
    size_t len = value != NULL ? strlen(value) : 0;

    if (len > CACHE_BYTES_MAX)
        die(EXIT_USAGE, "--cache takes up to %d bytes, and these are %zu", CACHE_BYTES_MAX, len);
    for (size_t i = 0; i < len; i++) {
        if (value[i] < ' ' || value[i] >= 0x7f)
            die(EXIT_USAGE, "--cache takes one line of ASCII, such as \"max-age=3600\"");
    }
}

/* What is looked for by the system, which takes no more. */
static void check_name(const char *option, const char *value)
{
    if (value != NULL && value[0] == '\0')
        die(EXIT_USAGE, "%s takes the name of a file, and this one is empty", option);
    if (value != NULL && strlen(value) >= PATH_MAX)
        die(EXIT_USAGE, "%s takes a name of up to %d bytes, and these are %zu", option, PATH_MAX - 1, strlen(value));
}

static void check(const struct serve_options *o)
{
    check_name("--app", o->app);
    check_name("--cert", o->cert);
    check_name("--key", o->key);
    check_name("--host", o->host[0] != '\0' ? o->host : NULL);
    check_name("hob serve", o->folder[0] != '\0' ? o->folder : NULL);
    if (o->key != NULL && o->cert == NULL)
        die(EXIT_USAGE, "--key goes with --cert");
    if (o->has_redirect && o->cert == NULL)
        die(EXIT_USAGE, "--redirect sends to TLS, which needs --cert");
    if (o->has_redirect && o->redirect_port != 0 && o->redirect_port == o->port)
        die(EXIT_USAGE, "--redirect takes another port than the one of --port, which is %u, too", o->port);
    if (o->host[0] == '\0')
        die(EXIT_USAGE, "--host takes an address of this machine, such as 127.0.0.1; or \"all\"");
    if (o->index != NULL && !is_index(o->index))
        die(EXIT_USAGE, "--index takes the name of a file, which is looked for in each folder, not \"%s\"", brief(o->index));
    if (o->folder[0] == '\0')
        die(EXIT_USAGE, "the name of the folder is empty; \".\" is the current one");
    check_cache(o->cache);
}

static bool is_option(const char *name)
{
    static const char *const NAMES[] = { "--port", "--workers", "--memory", "--host", "--index", "--app", "--cache", "--log",
                                         "--cert", "--key", "--redirect" };
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++) {
        if (strcmp(name, NAMES[i]) == 0)
            return true;
    }
    return false;
}

/* The value of the option at argv[*i], which may be behind a = or in the next word. */
static void take_word(struct serve_options *o, int argc, char **argv, int *i)
{
    char *word = argv[*i], *equals = strchr(word, '=');

    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
        fputs(usage, stdout);
        exit(0);
    }
    if (equals != NULL) {
        char *name = copy_part(word, (size_t)(equals - word));
        if (take_flag(o, name))
            die(EXIT_USAGE, "%s stands alone, without =", name);
        if (!take_option(o, name, equals + 1))
            die_of_option(name);
        free(name);
    } else if (!take_flag(o, word)) {
        const char *value = *i + 1 < argc ? argv[*i + 1] : NULL;
        if (!is_option(word))
            die_of_option(word);
        if (value == NULL)
            die(EXIT_USAGE, "%s takes a value, and there is none", word);
        if (starts_with(value, "--"))
            die(EXIT_USAGE, "%s takes a value, and what follows is %s; if that is meant: %s=%s", word, value, word, value);
        (void)take_option(o, word, value);
        ++*i;
    }
}

void serve_options_read(struct serve_options *o, int argc, char **argv)
{
    const char *folder = NULL;
    bool        only_folders = false; // behind "--", where a name may begin with a dash

    *o = (struct serve_options){ .host = "127.0.0.1", .port = 8000 };
    for (int i = 1; i < argc; i++) {
        if (!only_folders && strcmp(argv[i], "--") == 0)
            only_folders = true;
        else if (!only_folders && argv[i][0] == '-')
            take_word(o, argc, argv, &i);
        else if (folder != NULL)
            die(EXIT_USAGE, "one folder is served: \"%s\" is the second", argv[i]);
        else
            folder = argv[i];
    }
    o->folder = folder != NULL ? folder : ".";
    check(o);
}
