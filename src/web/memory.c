/* SPDX-License-Identifier: MIT */
/* The memory of services, and that of requests, which is freed with them. */
#include <stdlib.h>
#include <string.h>

#include "web/web.h"

long hob__web_fail_at;

static bool must_fail(void)
{
    return hob__web_fail_at > 0 && --hob__web_fail_at == 0;
}

void *hob__web_alloc(size_t size)
{
    return must_fail() ? NULL : calloc(1, size);
}

void *hob__web_grow(void *old, size_t size)
{
    return must_fail() ? NULL : realloc(old, size);
}

char *hob__web_copy(const char *text)
{
    return must_fail() ? NULL : strdup(text);
}

void hob__web_free(void *ptr)
{
    free(ptr);
}

/* ---- arenas ---- */

struct web_block {
    _Alignas(16) struct web_block *next;
};

void hob__web_arena_begin(struct web_arena *arena, size_t max)
{
    arena->blocks = NULL;
    arena->at = arena->first;
    arena->left = ARENA_FIRST;
    arena->taken = 0;
    arena->max = max;
}

/* What is large has a block of its own, so that the rest of the present one is not lost. */
static void *from_block(struct web_arena *arena, size_t size)
{
    bool   is_large = size > ARENA_BLOCK / 4;
    size_t room = is_large ? size : ARENA_BLOCK;

    if (room > arena->max - arena->taken || must_fail())
        return NULL;
    struct web_block *block = malloc(sizeof *block + room);
    if (block == NULL)
        return NULL;
    block->next = arena->blocks;
    arena->blocks = block;
    arena->taken += room;
    if (is_large)
        return block + 1;
    arena->at = (char *)(block + 1) + size;
    arena->left = room - size;
    return block + 1;
}

void *hob__web_arena_alloc(struct web_arena *arena, size_t size)
{
    if (size > arena->max)
        return NULL;
    size = size == 0 ? 16 : (size + 15) & ~(size_t)15;
    if (size > arena->left)
        return from_block(arena, size);
    void *there = arena->at;
    arena->at += size;
    arena->left -= size;
    return there;
}

void hob__web_arena_end(struct web_arena *arena)
{
    while (arena->blocks != NULL) {
        struct web_block *block = arena->blocks;
        arena->blocks = block->next;
        free(block);
    }
}
