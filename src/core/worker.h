/* SPDX-License-Identifier: MIT */
/*
 * A worker: one thread, its loop, its tasks and its backend.
 *
 * Only the worker's thread touches it, save backend->wake.
 */
#ifndef HOB_CORE_WORKER_H
#define HOB_CORE_WORKER_H

#include "backend/backend.h"
#include "base/list.h"
#include "base/lock.h"
#include "base/map.h"
#include "base/rand.h"
#include "base/wheel.h"
#include "core/failure.h"
#include "core/mail.h"
#include "core/scope.h"
#include "core/stack.h"
#include "core/task.h"
#include "hob/runtime.h"

enum {
    RUNS_PER_POLL = 256,     /* tasks run at most before the backend is looked at */
    INLINE_OPS_PER_RUN = 64, /* operations done at once before a task steps aside */
};

/* What a timer in the wheel is a part of. */
enum timer_kind { TIMER_OP, TIMER_SCOPE };

/* A root scope by name. */
struct root {
    struct scope     scope;
    struct list_node link; /* in worker.roots */
    char             name[];
};

/* How deep the tasks of one spawn site went: see hob/inspect.h. */
struct site {
    const void *spawned_at;
    uint64_t    tasks;
    uint32_t    stack_bytes;
    uint32_t    stack_bytes_used;
};

struct worker {
    uint32_t       tag;
    struct list_node everyone;      /* in hob__workers                          */
    uint32_t       number;          /* in its crew                              */
    struct crew   *crew;
    struct mailbox box;
    atomic_ullong  mails_posted;    /* by this worker, in its signal handlers too  */
    atomic_ullong  mails_opened;
    bool           has_loop;        /* `loop` is known                          */
    bool           is_dry;          /* only mail can make it go on              */
    bool           mail_comes_soon; /* the last time it had nothing to do       */
    uint64_t       left;            /* when it became dry: children             */
    struct mail    stuck_mail, ending_mail, stopping_mail;
    struct list    guests;          /* struct remote: others' children          */
    struct local_frame *locals_for_child; /* of the next task that is started   */
    struct task   *current;         /* NULL while the loop itself runs          */
    struct context loop;
    struct list    ready;           /* tasks to run, oldest first               */
    uint64_t       id_next, ids_left; /* of the block that it took from the crew's  */
    uint32_t       runs_per_turn;   /* RUNS_PER_POLL, or fewer              */
    uint32_t       runs_now, inline_now; /* so many while runs are long: set_pace */
    uint32_t       runs_left;       /* until the backend is to be polled        */
    uint32_t       inline_left;     /* of the current run                       */
    struct task   *ended;           /* whose stack nobody stands on any more    */

    struct backend *backend;
    struct list     done;           /* ops whose done() has not run yet         */
    struct wheel    wheel;
    struct stack_pool stacks;

    struct scope   main;            /* of the main task                         */
    struct list    roots;           /* struct root: hob_root                    */
    struct list    tasks;           /* everyone                                 */
    struct list    marking;         /* scopes that a cancellation still has to mark */
    struct list    descs;           /* open descriptors                         */
    struct lock    things_lock;     /* of the next                              */
    struct list    things;          /* see core/thing.h                         */
    bool           is_marking;      /* a walk over `marking` is under way       */
    struct list    signals;         /* struct hob_signals                      */
    struct mail    signal_mail;     /* something has come for one of these     */
    atomic_bool    signal_posted;   /* and is on its way                       */
    struct list    line_waits;      /* of tasks, oldest first: see sync/deadlock.c */
    struct map     suspended;       /* waits of hob_suspend                     */
    uint64_t       suspend_key;
    bool           main_ended;
    bool           stopping;        /* the run is: see core/stop.h             */
    int            main_result;
    bool           stuck;           /* HOB_ESTUCK was dealt out                 */
    bool           seeded;          /* the ready order comes from `rand`        */
    bool           sleeps;          /* atomic: in the backend, or at the end    */
    bool           watchdog_dozes;  /* atomic: and is to be roused              */
    bool           forked;          /* this is the child process of a fork      */
    uint64_t       stuck_at_switch;
    struct trail   trail;           /* of collected failures                    */
    struct rand    rand;
    int64_t        last_trim_ns;
    uint64_t       trace;           /* a hash of what happened                  */

    struct site   *sites;           /* a hash table by address                  */
    struct site   *site_last;       /* the one of the newest task; NULL         */
    uint32_t       sites_cap, sites_count;

    hob_run_opts   opts;            /* complete                                 */
    hob_stats      stats;
    void          *watchdog;
    void          *signal_stack;
    void          *log_scratch;     /* where lines are made: see log/log.c      */
};

/* What a forked child is told, whatever it tried. */
#define HOB__ONLY_EXEC "this process was forked from a running Hob program, whose ring, descriptors " \
                       "and tasks are its parent's: after fork() only exec or _exit may follow"

/* All of them, for debuggers. Guarded by a lock in worker.c. */
extern struct list hob__workers;

/* In a forked child: the list is empty, and its lock free. */
void hob__workers_forget(void);

/* The running task of this thread, or NULL. */
static inline struct task *hob__task_self(void)
{
    return hob__worker != NULL ? hob__worker->current : NULL;
}

/* 0, or the code with which the task's calls are to be refused. */
static inline int hob__task_cancelled(const struct task *task)
{
    int code = task->scope->cancel_code;
    if (code == 0 && task->scope == task->home)
        code = task->solo_cancel;
    return code;
}

/* hob__inline_begin and hob__inline_end, where each nanosecond counts. */
static inline int inline_begin(struct task *task, const char *caller)
{
    if (hob_unlikely(task == NULL))
        hob__misuse_of(caller, "called outside of a task: in a callback, or without hob_run");
    task->failing = 0;
    int code = hob__task_cancelled(task);
    if (hob_unlikely(code != 0))
        hob__task_refuse(task);
    else
        task->ignored_cancels = 0;
    return code;
}

static inline void inline_end(struct task *task)
{
    if (hob_unlikely(--task->worker->inline_left == 0))
        hob__task_step_aside(task);
}

/* Makes a worker, in the thread that it will run in. Returns 0 or an error. */
int hob__worker_new(const hob_run_opts *complete, struct crew *crew, uint32_t number,
                    struct worker **ret_worker);

/* After the loop: tells what was left open, and closes it. Returns the first failure of its
 * root scopes, or 0. */
int hob__worker_finish(struct worker *worker);

/* Frees it. */
void hob__worker_close(struct worker *worker);

/* Children of its root scopes, and of others' scopes. */
uint64_t hob__worker_children(const struct worker *worker);

/* The main task has ended: what lives in root scopes is asked to end. */
void hob__worker_end_roots(struct worker *worker);

/* The loop: runs until everything has ended. */
void hob__loop_run(struct worker *worker);

/* Has everything ended? The end of the main task is noticed here. */
bool hob__loop_is_over(struct worker *worker);

/* One turn that does not sleep. Returns whether there was something to do; if not, *next_ns
 * becomes the time of the next timer, if that is sooner. */
bool hob__loop_step(struct worker *worker, int64_t *next_ns);

/* Delivers a finished op: finish(), then done(). */
void hob__op_deliver(struct worker *worker, struct op *op);

/* Submits to the backend, again and again while finish() asks for it; returns
 * true when it is FLYING, false when it is finished (IDLE again). */
bool hob__op_submit(struct worker *worker, struct op *op);

/* Makes the op one that waits for that time, or with HOB_FOREVER for ever. */
void hob__sleep_op_init(struct op *op, int64_t deadline_ns);

/* Puts a sleep into the wheel; DONE at once when its time has come. */
void hob__sleep_start(struct worker *worker, struct op *op);

/* Finishes an op of class OP_LOCAL. */
void hob__op_finish_local(struct op *op, int64_t result);

/* The same for an op that has a worker, from any thread. Whoever calls this has taken the op
 * out of the object's list and said so (op->taken) under the object's lock, and has given the
 * lock back: other ops may be withdrawn in here. On another worker it is finished there, soon;
 * until then it is FLYING, and its local.withdraw says false. */
void hob__op_finish_from_afar(struct op *op, int64_t result);

/* Asks for a flying op back. */
void hob__op_cancel(struct worker *worker, struct op *op);

/* The run stops: asks an accept that flies back, and nothing else. */
void hob__op_stop_accept(struct worker *worker, struct op *op);

/* Everything is asleep: inspect/ tells who waits for what, then cancels all. */
void hob__stuck(struct worker *worker);

/* Hashes an event, and when it was, into the trace of a seeded run. */
static inline void hob__trace(struct worker *worker, uint64_t event)
{
    worker->trace = hash_u64(worker->trace ^ event);
    worker->trace = hash_u64(worker->trace ^ (uint64_t)worker->wheel.now_ns);
}

#endif
