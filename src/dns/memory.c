/* SPDX-License-Identifier: MIT */
#include "dns/memory.h"

#include <stdlib.h>
#include <string.h>

void *(*hob__dns_malloc)(size_t size) = malloc;
long hob__dns_blocks;

/* Workers are threads. */
static void count(long by)
{
    __atomic_fetch_add(&hob__dns_blocks, by, __ATOMIC_RELAXED);
}

void *hob__dns_alloc(size_t size)
{
    void *ptr = hob__dns_malloc(size);
    if (ptr != NULL)
        count(1);
    return ptr;
}

void *hob__dns_alloc_zero(size_t size)
{
    void *ptr = hob__dns_alloc(size);
    return ptr != NULL ? memset(ptr, 0, size) : NULL;
}

char *hob__dns_strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    char  *copy = hob__dns_alloc(size);
    return copy != NULL ? memcpy(copy, text, size) : NULL;
}

void hob__dns_free(void *ptr)
{
    if (ptr != NULL)
        count(-1);
    free(ptr);
}
