/* SPDX-License-Identifier: MIT */
/* The library's own memory: all of it, so that a test can count it and let each allocation fail. */
#ifndef HOB_DNS_MEMORY_H
#define HOB_DNS_MEMORY_H

#include <stddef.h>

void *hob__dns_alloc(size_t size); /* NULL when there is none; not cleared */
void *hob__dns_alloc_zero(size_t size);
char *hob__dns_strdup(const char *text);
void  hob__dns_free(void *ptr);

/* A test's: called instead of malloc. */
extern void *(*hob__dns_malloc)(size_t size);

/* Blocks that are out. */
extern long hob__dns_blocks;

#endif
