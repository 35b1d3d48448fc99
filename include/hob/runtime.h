/* SPDX-License-Identifier: MIT */
/* The runtime: starting and ending it, its limits, and what it counts. */
#ifndef HOB_RUNTIME_H
#define HOB_RUNTIME_H

#include "hob/task.h"

HOB_BEGIN_DECLS

/* How to run. All zero, or NULL, means the defaults. The environment wins:
 * HOB_BACKEND, HOB_SEED, HOB_WORKERS, HOB_LOG=1. */
typedef struct hob_run_opts {
    const char *backend;         /* "uring", "epoll", "sim"; NULL: the best there is    */
    uint32_t    workers;         /* threads with a loop of their own, each started when
                                    something is first started on it; 0: as many as the
                                    processors that this process may use; in sim 4;
                                    at most 256                                         */
    uint64_t    seed;            /* for sim; 0: 1                                       */
    size_t      stack_bytes;     /* the main task's stack; 0: 8 MiB, of which only what
                                    is touched takes memory                             */
    uint32_t    tasks_max;       /* 0: 16,777,216; then hob_go gives -EAGAIN            */
    uint32_t    ring_entries;    /* submission entries of a ring; 0: 1024               */
    uint32_t    recv_bufs;       /* provided receive buffers of a ring; 0: 128          */
    int         blocking_threads; /* at most, for calls on files; 0: 4                  */
    int64_t     slow_ns;         /* report a task that holds its worker longer; 0: 10 ms,
                                    < 0: never                                          */
    int          break_deadlocks; /* tasks that wait for each other in a circle are
                                    reported; 1: and the one that came last gets -EDEADLK */
    int64_t      drain_ns;       /* how long a run that is asked to stop may drain: hob/stop.h;
                                    0: 10 s, < 0: not at all                            */
    int          stop_signals;   /* SIGTERM and SIGINT stop the run; 0: in the main thread of
                                    a process, but not in a guest (hob/loop.h); 1: in any;
                                    -1: never                                           */
    void (*report)(void *arg, const char *text); /* takes what would go to stderr, but for
                                    what ends the process. On any worker, or, for what
                                    slow_ns finds, on another thread; one call at a time */
    void *report_arg;
} hob_run_opts;

/* Runs main_fn(arg) as the main task, and returns when it and all tasks have
 * ended. Waits; call it outside of tasks, once at a time in a thread.
 *
 * Returns 0, or the negative error that the main task returned or that escaped
 * from a scope: it was printed then, with where it came from. The value is fit
 * for returning from main(). Before anything runs: -ENOMEM, -EAGAIN, and
 * -ENOTSUP for a backend that this system does not have, and in a program that
 * runs with a shadow stack (CET). 128 + the number of a signal that stopped
 * it before the main task had ended by itself (hob/stop.h).
 *
 * While it runs, a SIGPIPE that nobody handles is ignored in the whole process,
 * and SIGSEGV and SIGBUS are looked at, so that stack overflow can be told; then
 * all is as it was. After fork(), the child may only exec or _exit. */
HOB_API int hob_run(hob_task_fn *main_fn, void *arg);
HOB_API int hob_run_with(const hob_run_opts *opts, hob_task_fn *main_fn, void *arg);

/* The name of the backend in use: "uring", "epoll" or "sim"; "" outside a run. */
HOB_API const char *hob_backend_name(void);

/* How many workers this run may have, and the number of the calling one: 0 is that of
 * hob_run's caller. In sim they all take turns in one thread. */
HOB_API uint32_t hob_workers(void);
HOB_API uint32_t hob_worker_number(void);

/* A random number, not for secrets; in sim drawn from the seed. Does not wait. */
HOB_API uint64_t hob_random(void);

typedef struct hob_stats {
    uint64_t tasks_started;
    uint64_t tasks_alive;
    uint64_t tasks_alive_max;
    uint64_t switches;        /* times a task was switched to                        */
    uint64_t turns;           /* of the loop                                         */
    uint64_t ops_submitted;   /* that went to the backend                            */
    uint64_t ops_inline;      /* of these, done at once                              */
    uint64_t ops_in_flight;
    uint64_t cancels_asked;
    uint64_t timers;          /* now set                                             */
    uint64_t descriptors;     /* now open                                            */
    uint64_t stacks_mapped;   /* stacks that have an address                         */
    uint64_t stacks_pooled;   /* of these, waiting for a task                        */
    uint64_t slow_runs;       /* times a task held the worker over slow_ns           */
    uint64_t accept_pauses;   /* times descriptors or memory ran out while accepting */
    uint64_t recv_pool_empty; /* times the receive buffers ran out                   */
    uint64_t trace_hash;      /* sim: of everything that happened so far             */
} hob_stats;

/* What this worker has counted. Does not wait. */
HOB_API void hob_stats_get(hob_stats *ret_stats);

HOB_END_DECLS

#endif
