/* SPDX-License-Identifier: MIT */
#include "fetch/memory.h"

#include <stdlib.h>
#include <string.h>

void *(*hob__fetch_realloc_fn)(void *ptr, size_t size) = realloc;
long hob__fetch_blocks;

/* Workers are threads. */
static void count(long by)
{
    __atomic_fetch_add(&hob__fetch_blocks, by, __ATOMIC_RELAXED);
}

void *hob__fetch_realloc(void *ptr, size_t size)
{
    void *moved = hob__fetch_realloc_fn(ptr, size);
    if (moved != NULL && ptr == NULL)
        count(1);
    return moved;
}

void *hob__fetch_alloc(size_t size)
{
    void *ptr = hob__fetch_realloc(NULL, size);
    return ptr != NULL ? memset(ptr, 0, size) : NULL;
}

char *hob__fetch_strdup(const char *text)
{
    if (text == NULL)
        return NULL;
    size_t size = strlen(text) + 1;
    char  *copy = hob__fetch_realloc(NULL, size);
    return copy != NULL ? memcpy(copy, text, size) : NULL;
}

void hob__fetch_free(void *ptr)
{
    if (ptr != NULL)
        count(-1);
    free(ptr);
}
