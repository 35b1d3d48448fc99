/* SPDX-License-Identifier: MIT */
/*
 * Memory: where it comes from, and what happens when there is none.
 *
 * jansson has one pair of functions for the whole process. Ours stand in front of the pair that is
 * there, hand every call on, and note a refusal for the thread that got it; whoever used jansson asks
 * afterwards. Blocks are the same with and without ours, so it does not matter what was allocated
 * before. docs/design/0072-memory-of-json.md.
 *
 * While a text is parsed a note is not enough. jansson's lexer does not look whether its buffer could
 * grow: it loses a byte, and runs past the end of a string that has lost its quote. So then a refusal
 * ends the parse on the spot, by a jump out of jansson, and all blocks of that parse are given back.
 * jansson has nothing else that a jump could leave half done: no lock, no global state. For this the
 * blocks of a parse are listed. The list is searched from its end, and what is freed within a parse
 * is near there: a key after its value, a table after the items that made it too small.
 *
 * Threads: any. A parse does not wait, so it and its list belong to a thread.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdlib.h>

#include "json/json.h"

enum { LIST_FIRST = 64 };

static pthread_once_t installed = PTHREAD_ONCE_INIT;
static json_malloc_t  malloc_below;
static json_free_t    free_below;

static __thread bool ran_out;

static __thread struct parse {
    bool    is_on;
    void  **blocks;
    size_t  count, cap;
    jmp_buf out;
} parse;

/* ---- the list of a parse ---- */

static bool list(void *ptr)
{
    if (parse.count == parse.cap) {
        size_t cap = parse.cap > 0 ? 2 * parse.cap : LIST_FIRST;
        void **more = malloc_below(cap * sizeof *more);
        if (more == NULL)
            return false;
        if (parse.count > 0)
            memcpy(more, parse.blocks, parse.count * sizeof *more);
        if (parse.blocks != NULL)
            free_below(parse.blocks);
        parse.blocks = more;
        parse.cap = cap;
    }
    parse.blocks[parse.count++] = ptr;
    return true;
}

static void unlist(void *ptr)
{
    for (size_t i = parse.count; i-- > 0;) {
        if (parse.blocks[i] == ptr) {
            memmove(parse.blocks + i, parse.blocks + i + 1,
                    (--parse.count - i) * sizeof *parse.blocks);
            return;
        }
    }
}

static void end_parse(bool keeps_blocks)
{
    parse.is_on = false;
    if (!keeps_blocks)
        for (size_t i = 0; i < parse.count; i++)
            free_below(parse.blocks[i]);
    if (parse.blocks != NULL)
        free_below(parse.blocks);
    parse.blocks = NULL;
    parse.count = parse.cap = 0;
}

json_t *hob__json_loadb(const char *bytes, size_t len, size_t flags, json_error_t *error)
{
    parse.is_on = true;
    if (setjmp(parse.out) == 0) {
        json_t *value = json_loadb(bytes, len, flags, error);
        end_parse(true);
        return value;
    }
    end_parse(false);
    return NULL;
}

/* ---- in front of jansson's functions ---- */

static void *noting_malloc(size_t size)
{
    void *ptr = malloc_below(size);

    if (ptr != NULL && (!parse.is_on || list(ptr)))
        return ptr;
    ran_out = true;
    if (!parse.is_on)
        return NULL;
    if (ptr != NULL)
        free_below(ptr);
    longjmp(parse.out, 1);
}

static void noting_free(void *ptr)
{
    if (parse.is_on && ptr != NULL)
        unlist(ptr);
    free_below(ptr);
}

static void install(void)
{
    json_object_seed(0); // once, and not within a parse
    json_get_alloc_funcs(&malloc_below, &free_below);
    json_set_alloc_funcs(noting_malloc, noting_free);
}

void hob__json_begin(const char *function)
{
    json_malloc_t now;

    pthread_once(&installed, install);
    json_get_alloc_funcs(&now, NULL);
    if (now != noting_malloc)
        hob_mistake(function, "json_set_alloc_funcs was called after JSON had been used");
    ran_out = false;
}

bool hob__json_ran_out(void)
{
    return ran_out;
}

/* ---- for structs ---- */

void *hob_json_alloc(const hob_json_memory *memory, size_t size)
{
    pthread_once(&installed, install);
    void *ptr = memory != NULL ? memory->alloc(memory->arg, size) : malloc_below(size);
    if (ptr == NULL)
        ran_out = true;
    return ptr;
}

void *hob__json_alloc_zero(const hob_json_memory *memory, size_t size)
{
    void *ptr = hob_json_alloc(memory, size);
    return ptr == NULL ? NULL : memset(ptr, 0, size);
}

void hob_json_release(const hob_json_memory *memory, void *ptr)
{
    if (ptr == NULL)
        return;
    if (memory != NULL) {
        if (memory->free != NULL)
            memory->free(memory->arg, ptr);
        return;
    }
    pthread_once(&installed, install);
    free_below(ptr);
}
