/* SPDX-License-Identifier: MIT */
/* The library's own memory: all of it, so that a test can count it and let each allocation fail.
 * libcurl's is its own: docs/design/0090-curls-memory-is-its-own.md. */
#ifndef HOB_FETCH_MEMORY_H
#define HOB_FETCH_MEMORY_H

#include <stddef.h>

void *hob__fetch_alloc(size_t size); /* cleared; NULL when there is none */
void *hob__fetch_realloc(void *ptr, size_t size); /* what is new is not cleared */
char *hob__fetch_strdup(const char *text); /* of NULL: NULL */
void  hob__fetch_free(void *ptr);

/* A test's: called instead of realloc. */
extern void *(*hob__fetch_realloc_fn)(void *ptr, size_t size);

/* Blocks that are out. */
extern long hob__fetch_blocks;

#endif
