/* SPDX-License-Identifier: MIT */
/*
 * The writer: a thread with a buffer and a sink, while there are runs with real threads.
 *
 *              first line in a run       the last run ends, or another setup
 *     (none) ─────────▶ LIVES ──────────────────▶ STOPS ── all is written ──▶ ended, joined, freed
 *                                                   │
 *                                                   └── not in time ──▶ gives up what is left, and
 *                                                       ends; stuck in write(2): left to itself
 *
 * Threads: producers reach it by a pointer that they hold for the length of a put; who takes the
 * pointer away waits for them.
 */
#ifndef HOB_LOG_WRITER_H
#define HOB_LOG_WRITER_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/list.h"
#include "log/buffer.h"
#include "log/log.h"
#include "log/site.h"

struct log_writer {
    struct log_buffer buffer;
    struct log_config config;
    struct log_sink   sink;
    struct log_muted *muted;
    uint64_t          number;   /* of its own in the process                     */
    uint32_t          users;    /* log.c's, under its lock                       */
    pthread_t         thread;
    atomic_uint       wakes;    /* a futex                                       */
    atomic_bool       sleeps;   /* and wants to be woken when there is something */
    struct list_node  line;     /* of those that live: see below                 */
    atomic_bool       stopping; /* end when all is written                       */
    atomic_bool       giving_up; /* end                                          */
    atomic_uint       ended;    /* a futex                                       */
};

/* Starts one. Those that live stand in a line, in which only the first writes: so lines of one speaker
 * keep their order from one run, or setup, to the next. Returns 0, -ENOMEM, -EAGAIN. */
int hob__log_writer_start(const struct log_config *config, struct log_muted *muted,
                          struct log_writer **ret_writer);

/* For who writes by himself, one at a time, while no writer does. alone: only if none lives. */
bool hob__log_output_take(bool alone);
void hob__log_output_give(void);
void hob__log_output_forget(void);

/* A line. Dropped ones are counted. */
void hob__log_writer_put(struct log_writer *writer, const char *line, size_t len);

/* Something else than a line has come: it looks. */
void hob__log_writer_look(struct log_writer *writer);

/* Stops it, and frees it, within a little more than `limit_ns`. Nobody else has it any more. */
void hob__log_writer_stop(struct log_writer *writer, int64_t limit_ns);

/* One step of writing, for the thread and for sim's task. `wall_ns` is for a line of dropped ones. */
enum log_step {
    LOG_WROTE, /* something, or it may be there is more */
    LOG_EMPTY, /* there was nothing                     */
    LOG_STUCK, /* it did not work, and may later        */
};
enum log_step hob__log_write_some(struct log_buffer *buffer, struct log_sink *sink, int64_t wall_ns);

#endif
