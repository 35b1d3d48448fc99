/* SPDX-License-Identifier: MIT */
/*
 * malloc with a small head in front of each block, which remembers its size.
 *
 * Any thread may allocate and free. Both counts are exact whenever no other
 * thread is inside one of these functions.
 */
#include "base/alloc.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/fault.h"

struct head {
    size_t size;
    size_t mark; /* LIVE, and wiped when freed */
};

static const size_t LIVE = 0x424F4821;

static_assert(sizeof(struct head) == 2 * sizeof(size_t), "blocks keep malloc's alignment");

static uint64_t blocks_out;
static uint64_t bytes_out;

static void count(uint64_t blocks, uint64_t bytes)
{
    __atomic_fetch_add(&blocks_out, blocks, __ATOMIC_RELAXED);
    __atomic_fetch_add(&bytes_out, bytes, __ATOMIC_RELAXED);
}

static struct head *head_of(void *ptr)
{
    struct head *head = (struct head *)ptr - 1;
    hob_assert(head->mark == LIVE);
    return head;
}

void *hob__alloc(size_t size)
{
    struct head *head;
    if (hob__fault() || size > PTRDIFF_MAX - sizeof *head)
        return NULL;
    head = malloc(sizeof *head + size);
    if (head == NULL)
        return NULL;
    *head = (struct head){ size, LIVE };
    count(1, size);
    return head + 1;
}

void *hob__alloc_zero(size_t size)
{
    struct head *head;
    if (hob__fault() || size > PTRDIFF_MAX - sizeof *head)
        return NULL;
    head = calloc(1, sizeof *head + size); // large blocks come zeroed from the kernel, untouched
    if (head == NULL)
        return NULL;
    *head = (struct head){ size, LIVE };
    count(1, size);
    return head + 1;
}

void *hob__realloc(void *ptr, size_t size)
{
    if (ptr == NULL)
        return hob__alloc(size);

    struct head *head = head_of(ptr);
    size_t       old_size = head->size;
    if (hob__fault() || size > PTRDIFF_MAX - sizeof *head)
        return NULL;
    head = realloc(head, sizeof *head + size);
    if (head == NULL)
        return NULL;
    head->size = size;
    count(0, (uint64_t)size - (uint64_t)old_size);
    return head + 1;
}

char *hob__strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    char  *copy = hob__alloc(size);
    return copy == NULL ? NULL : memcpy(copy, text, size);
}

void hob__free(void *ptr)
{
    if (ptr == NULL)
        return;
    struct head *head = head_of(ptr);
    count((uint64_t)-1, -(uint64_t)head->size);
    head->mark = 0;
    free(head);
}

void *hob__realloc_for_user(void *ptr, size_t size)
{
    return hob__fault() ? NULL : realloc(ptr, size);
}

uint64_t hob__alloc_blocks(void)
{
    return __atomic_load_n(&blocks_out, __ATOMIC_RELAXED);
}

uint64_t hob__alloc_bytes(void)
{
    return __atomic_load_n(&bytes_out, __ATOMIC_RELAXED);
}
