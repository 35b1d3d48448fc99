/* SPDX-License-Identifier: MIT */
/*
 * The command: what its files share.
 *
 *   main.c      which command
 *   run.c       hob run: options, then a program to become
 *   compile.c   from a source file to a program, by the user's compiler
 *   cache.c     where compiled programs are kept, under which name
 *   place.c     where the library is; hob flags
 *   new.c       hob new: a small project
 *   backends.c  hob backends: what works on this system
 *   serve.c     hob serve: a folder by HTTP; serve_options.c what was asked for, access.c its log
 *   bench.c     hob bench: options, the request; bench_report.c tells what came out
 *   load.c      connections, and what is sent on them when; answer.c answers as bytes
 *   histogram.c how long things took; url.c
 *   text.c      texts, files, hashes
 *
 * The command is a user of the public headers like any other. It ends soon, so
 * memory is not given back, and running out of it ends it.
 */
#ifndef HOB_CMD_H
#define HOB_CMD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    EXIT_TROUBLE = 1, /* it was asked rightly, and could not be done */
    EXIT_USAGE = 2,   /* it was asked wrongly                        */
};

/* The commands. Each gets its own name as argv[0] and returns the exit status. */
int run_command(int argc, char **argv);
int new_command(int argc, char **argv);
int backends_command(int argc, char **argv);
int bench_command(int argc, char **argv);
int flags_command(int argc, char **argv);
int serve_command(int argc, char **argv);

/* Prints "hob: " and the sentence to standard error, and ends with `status`. */
__attribute__((noreturn, format(printf, 2, 3))) void die(int status, const char *format, ...);

/* ---- texts and files ---- */

__attribute__((format(printf, 1, 2))) char *text(const char *format, ...);
bool  starts_with(const char *whole, const char *part);
bool  ends_with(const char *whole, const char *part);
char *copy_part(const char *from, size_t len);
char *folder_of(const char *path); /* "." for a bare name */
bool  is_there(const char *path);

/* Reads a whole file; a NUL follows it. Returns 0 or a negative errno. */
int read_file(const char *path, char **ret_data, size_t *ret_len);

/* Writes a whole new file, which another process sees whole or not at all.
 * Returns 0 or a negative errno. */
int write_file(const char *path, const char *data);

/* Makes a folder and those above it. Returns 0, also when it is there, or a negative errno. */
int make_folders(const char *path, unsigned mode);

/* A list of texts, and a NULL after the last. */
struct texts {
    char **at;
    size_t count;
};

void texts_add(struct texts *texts, char *item);
void texts_add_words(struct texts *texts, const char *words); /* cut at blanks */

/* A hash of what was added, for names of files. FNV-1a of 128 bits: it need not
 * stand against an enemy, for the cache belongs to the one who runs the program. */
struct hash {
    unsigned __int128 state;
};

void  hash_init(struct hash *hash);
void  hash_add(struct hash *hash, const void *data, size_t len);
void  hash_add_text(struct hash *hash, const char *item);
void  hash_add_file_identity(struct hash *hash, const char *path); /* name, size, times */
char *hash_name(const struct hash *hash);

/* ---- where things are ---- */

struct place {
    char *include;  /* the folder that has hob.h                    */
    char *lib;      /* libhob.a                                     */
    char *test_lib; /* libhob-test.a                                */
    char *tree_hob; /* this command, if it runs in a tree, or NULL  */
};

/* Finds the library that belongs to this command, or dies. */
struct place place_find(void);

/* Adds what every program needs to be compiled, and to be linked. */
void place_add_cflags(const struct place *place, struct texts *flags);
void place_add_libs(const struct place *place, struct texts *flags);

/* The libraries on top of the core whose headers the text includes; before those. */
void place_add_libs_on_top(const struct place *place, const char *source, struct texts *flags);

/* ---- the cache ---- */

/* The folder for compiled programs, which is ours alone and can be written:
 * below XDG_CACHE_HOME, or else of the temporary folder. Or dies. */
char *cache_folder(void);

/* The same, passing over the one that turned out to be of no use. */
char *cache_folder_other(void);

/* Notes that the program was used, and removes those that nobody used for a month. */
void cache_used(const char *program);
void cache_prune(const char *folder);

/* ---- compiling ---- */

/* A C file of the user. */
struct source {
    const char *path;
    char       *data; /* its text */
    size_t      len;
};

/* Returns a program made from the source, compiled now or before, in `folder`.
 * `cc` is the compiler, perhaps with arguments. When the compiler has complained,
 * which is all there is to say, this ends with EXIT_TROUBLE. */
char *compile(const struct source *source, const char *cc, const struct place *place,
              const char *folder);

#endif
