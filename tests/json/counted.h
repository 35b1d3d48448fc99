/* SPDX-License-Identifier: MIT */
/*
 * What the tests of libhob-json share: jansson's memory is Hob's, so that every test sees what is left
 * over, and torture lets each allocation fail.
 */
#ifndef HOB_TESTS_JSON_COUNTED_H
#define HOB_TESTS_JSON_COUNTED_H

#include "support/io.h"

#include "base/alloc.h"
#include "json/everything.h"

/* Before anything of jansson's is allocated. */
__attribute__((constructor(101))) static void take_memory_over(void)
{
    json_set_alloc_funcs(hob__alloc, hob__free);
}

static inline void free_everything(struct everything *e)
{
    hob_json_free(everything_json, NULL, e);
}

/* A struct that is freed at the end of the block. */
#define EVERYTHING(name) \
    __attribute__((cleanup(free_everything), unused)) struct everything name = { 0 }

static inline void free_text(char **text)
{
    hob_json_release(NULL, *text);
}

#define TEXT(name) __attribute__((cleanup(free_text), unused)) char *name = NULL

#define MEM_PAIR(a, b)                            \
    STREAM(a) = NULL;                             \
    STREAM(b) = NULL;                             \
    check_ok(hob_mem_pair(NULL, &a, &b))

#define READER(name, stream)                                            \
    __attribute__((cleanup(hob_reader_fini))) hob_reader name;          \
    hob_reader_init(&name, (stream), NULL)

#define WRITER(name, stream)                                            \
    __attribute__((cleanup(hob_writer_fini))) hob_writer name;          \
    hob_writer_init(&name, (stream), NULL)

/* "path: words" of all that is wrong, one a line; lasts until the next call. */
__attribute__((unused)) static const char *all_words(int error, const hob_json_errors *errors)
{
    static char text[4096];
    size_t      at = 0;

    text[0] = '\0';
    for (unsigned i = 0; i < errors->count; i++) {
        hob_json_errors one = { .count = 1, .at = { errors->at[i] } };
        char            line[300];
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%s", i > 0 ? "\n" : "",
                               hob_json_error_text(error, &one, line, sizeof line));
    }
    return text;
}

#endif
