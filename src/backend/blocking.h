/* SPDX-License-Identifier: MIT */
/*
 * Calls that may block, done by a few threads.
 *
 * The threads are shared by the process: they are started when there is work
 * for one more, up to a bound, and end with the last client. Signals are not
 * theirs: they block all of them.
 *
 * A client belongs to one thread and gets its jobs back there. A job that was
 * handed in is finished once; until it was collected, it and the memory that it
 * names belong to the pool.
 */
#ifndef HOB_BACKEND_BLOCKING_H
#define HOB_BACKEND_BLOCKING_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/list.h"

struct fs_call;
struct stat;

enum blocking_call {
    BLOCKING_READ,  /* offset -1: at the descriptor's position */
    BLOCKING_WRITE,
    BLOCKING_OPEN,
    BLOCKING_FSYNC,
    BLOCKING_SPLICE, /* from `fd` to `to_fd` */
    BLOCKING_STAT,  /* of `path`, or of `fd` where that is NULL */
    BLOCKING_FS,    /* `fs`, on `fd` */
    BLOCKING_CLOSE,
};

/*
 *     (owner's) ── submit ──▶ QUEUED ──▶ RUNNING ──▶ FINISHED ── collect ──▶ (owner's)
 *         ▲                     │
 *         └────── cancel ───────┘
 *
 * The pool's lock guards the state.
 */
enum blocking_state {
    BLOCKING_QUEUED,
    BLOCKING_RUNNING,
    BLOCKING_FINISHED,
};

struct blocking_client {
    struct list finished;
    void      (*wake)(void *arg); /* any thread: there is something to collect */
    void       *arg;
};

struct blocking_job {
    enum blocking_call call;
    int                fd;
    int                to_fd;
    int                flags;
    mode_t             mode;
    const char        *path;
    void              *buf;
    size_t             len;
    int64_t            offset;
    struct stat       *stat_out;
    struct fs_call    *fs;
    int64_t            result;
    void              *owner; /* the client's own */

    enum blocking_state     state;
    struct blocking_client *client;
    struct list_node        link;
};

/* `threads` bounds the pool, if it is more than all other clients asked for. */
void hob__blocking_open(struct blocking_client *client, int threads, void (*wake)(void *arg),
                        void *arg);

/* Nothing of this client's is in the pool any more. Waits for the threads to end. */
void hob__blocking_close(struct blocking_client *client);

/* Cannot fail: where no thread can be had, the call is done on the spot. */
void hob__blocking_submit(struct blocking_client *client, struct blocking_job *job);

/* Closes a descriptor whose close(2) takes long, and tells nobody. It is done when the last client
 * has gone. Needs a client while it is called. */
void hob__blocking_close_fd(int fd);

/* Takes the job back if nobody began with it, and returns whether. Otherwise it
 * comes with its real result. */
bool hob__blocking_cancel(struct blocking_job *job);

/* Appends the jobs that are finished to `jobs`, in the order in which they finished. */
void hob__blocking_collect(struct blocking_client *client, struct list *jobs);

#endif
