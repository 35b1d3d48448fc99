/* SPDX-License-Identifier: MIT */
/*
 * Lines on their way from whoever logs to whoever writes: two blocks that change places.
 *
 *     put ──▶ [ filling ]  ── turn ──▶  [ leaving ] ──▶ the sink
 *
 * Producers add to `filling` under a short lock; the writer turns the blocks when its own is empty,
 * and then writes in peace. Whole lines go in, or are counted as dropped. What was dropped came after
 * all that is in the block, and before all that follows: so the line that says how many is added when
 * the blocks are turned, and always finds room.
 *
 * Threads: any may put; one at a time turns, reads `leaving`, and advances: whoever holds `writing`.
 */
#ifndef HOB_LOG_BUFFER_H
#define HOB_LOG_BUFFER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/lock.h"

struct log_block {
    char         *text; /* room for cap, and one line more */
    atomic_size_t len;  /* whole lines, always: for the crash handler, too */
};

struct log_buffer {
    struct lock       lock; /* of all up to `dropped` */
    struct log_block *filling;
    struct log_block *leaving;
    size_t            cap;
    uint64_t          put;     /* bytes, ever                               */
    uint64_t          dropped; /* lines that no line has told of            */

    atomic_size_t     left;    /* bytes of `leaving` that have left         */
    atomic_ullong     gone;    /* bytes, ever                               */
    atomic_int        writing; /* enum log_writing                          */
    struct log_block  blocks[2];
};

enum log_writing {
    LOG_IDLE,
    LOG_WRITING, /* the writer is at `leaving`                   */
    LOG_CRASHED, /* a crash handler is, and may stay for ever    */
};

/* Returns 0 or -ENOMEM. */
int  hob__log_buffer_init(struct log_buffer *buffer, size_t cap);
void hob__log_buffer_fini(struct log_buffer *buffer);

/* Takes the line, or counts it as dropped and returns false. */
bool hob__log_buffer_put(struct log_buffer *buffer, const char *line, size_t len);

/* Lines that are dropped and not told of yet. */
uint64_t hob__log_buffer_dropped(struct log_buffer *buffer);

/* When all has left: turns the blocks, and adds the line that tells of `told` dropped ones (0: none).
 * Returns whether there is anything to write. */
bool hob__log_buffer_turn(struct log_buffer *buffer, const char *line, size_t len, uint64_t told);

/* `len` bytes of `leaving` have left. */
void hob__log_buffer_advance(struct log_buffer *buffer, size_t len);

/* All that is there, whole lines, is given up. Returns how many they were. */
uint64_t hob__log_buffer_abandon(struct log_buffer *buffer);

/* Where one stands who wants all that was put so far to be gone; and whether it is. */
uint64_t hob__log_buffer_mark(struct log_buffer *buffer);
static inline bool hob__log_buffer_is_past(struct log_buffer *buffer, uint64_t mark)
{
    return atomic_load(&buffer->gone) >= mark;
}

/* Becomes the one that writes; false: somebody else is. */
static inline bool log_buffer_begin(struct log_buffer *buffer)
{
    int idle = LOG_IDLE;
    return atomic_compare_exchange_strong(&buffer->writing, &idle, LOG_WRITING);
}

static inline void log_buffer_end(struct log_buffer *buffer)
{
    atomic_store(&buffer->writing, LOG_IDLE);
}

#endif
