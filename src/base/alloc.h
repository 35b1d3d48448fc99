/* SPDX-License-Identifier: MIT */
/*
 * Memory from the system, counted, and able to fail on purpose.
 *
 * All of Hob's own memory comes from here, so that a test can see that nothing
 * is left over and torture can let the Nth allocation fail (fault.h).
 */
#ifndef HOB_BASE_ALLOC_H
#define HOB_BASE_ALLOC_H

#include <stddef.h>
#include <stdint.h>

void *hob__alloc(size_t size);               /* NULL when there is none; not cleared */
void *hob__alloc_zero(size_t size);
void *hob__realloc(void *ptr, size_t size);  /* on failure `ptr` stays as it was */
char *hob__strdup(const char *text);
void  hob__free(void *ptr);

/* Memory that becomes the user's, who frees it with free(3). Not counted. `ptr` may be NULL. */
void *hob__realloc_for_user(void *ptr, size_t size);

/* How many blocks are out, and how many bytes were asked for them. */
uint64_t hob__alloc_blocks(void);
uint64_t hob__alloc_bytes(void);

#endif
