/* SPDX-License-Identifier: MIT */
/* Looking at a running program: who waits, for what, since when. Reads, never steers. */
#ifndef HOB_INSPECT_H
#define HOB_INSPECT_H

#include "hob/base.h"

HOB_BEGIN_DECLS

/* Writes a line for each task of this worker to `fd` (2 is standard error): its
 * number, name, function, what it waits for and how long, and where it was
 * started. At most `tasks_max` lines, 0 for all. Blocks as write(2) does, and
 * where a place is named for the first time as hob_describe_address. Nothing
 * outside of hob_run. */
HOB_API void hob_dump(int fd, size_t tasks_max);

/* How deep the tasks started at one place went. */
typedef struct hob_stack_use {
    const void *spawned_at;       /* the address of the call of hob_go                  */
    uint64_t    tasks;            /* started there                                      */
    size_t      stack_bytes;      /* what they were given                               */
    size_t      stack_bytes_used; /* the deepest seen, in whole pages                   */
} hob_stack_use;

/* Writes up to `max` of them to `ret_use`, the most used first, and returns how
 * many there are. Tasks are measured when they end: the first of each place and
 * then one in 256. Does not wait. */
HOB_API size_t hob_stack_uses(hob_stack_use *ret_use, size_t max);

/* Writes "function+0x1c (file.c:42)", or as much of it as can be found out, and
 * returns `text`. Asks addr2line, a child process, where that is installed: for
 * reports, not for a hot path. */
HOB_API const char *hob_describe_address(const void *address, char *text, size_t size);

HOB_END_DECLS

#endif
