/* SPDX-License-Identifier: MIT */
/*
 * The setup that counts, and the writer if there is one: how they are held while they are used.
 *
 * Threads: any.
 */
#ifndef HOB_LOG_SETUP_H
#define HOB_LOG_SETUP_H

#include <stdatomic.h>

#include "log/log.h"
#include "log/site.h"
#include "log/writer.h"

struct setup {
    struct log_config config;
    atomic_uint       number; /* of its own, for log/site.h */
    uint32_t          refs; /* one of `setup`; the first has one more, and is never freed */
};

/* What somebody uses for a moment. */
struct held {
    struct setup      *setup;
    struct log_writer *writer; /* NULL: none */
    bool               in_run; /* of threads */
};

struct held hob__log_hold(void);
void        hob__log_let_go(struct held *held);

/* Is there a run with threads? */
bool hob__log_in_run(void);

/* The first line of a run starts the writer. Returns whether there is one now: it is held, too. */
bool hob__log_ensure_writer(struct held *held);

/* Asks the environment, the first time. */
void hob__log_begin(void);

/* Those that say too much, in real time. */
extern struct log_muted hob__log_muted;

/* flush.c: at exit(3). */
void hob__log_at_exit(void);

#endif
