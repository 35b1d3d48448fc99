/* SPDX-License-Identifier: MIT */
/*
 * Tasks.
 *
 *            hob_go            switch to          fn returned
 *     (none) ──────▶ TASK_READY ──────▶ TASK_RUNNING ──────▶ TASK_ENDED ──▶ stack to the pool
 *                      ▲    ▲   yield        │  ▲
 *                      │    └────────────────┘  │ (eager spawn: the child runs first and
 *                      │                  park  │  the parent waits in front of the queue, or
 *                      │                        │  behind it when the turn is over by then)
 *                      └──── wake ── TASK_PARKED ◀┘
 *
 *   READY:   in worker.ready.
 *   RUNNING: worker.current.
 *   PARKED:  `op` says what it waits for; exactly one call of hob__task_wake will come.
 *
 * The record lies at the top of the task's own stack, so that a parked task costs one page.
 */
#ifndef HOB_CORE_TASK_H
#define HOB_CORE_TASK_H

#include <stdbool.h>

#include "arch/switch.h"
#include "base/check.h"
#include "base/list.h"
#include "core/await.h"
#include "core/stack.h"
#include "hob/task.h"

struct worker;
struct scope;
struct local_frame;

enum task_state { TASK_READY, TASK_RUNNING, TASK_PARKED, TASK_ENDED };

struct task {
    uint32_t         tag;
    enum task_state  state : 8;
    bool             daemon;
    bool             reported;          /* as one that will not leave                      */
    bool             measured;          /* its stack began trimmed, and is looked at after */
    bool             is_in_front;       /* of the ready: it started a child, which runs    */
    uint32_t         ignored_cancels;   /* refusals in a row                               */
    int              solo_cancel;       /* the code, when it alone was cancelled           */
    int              failing;           /* hob_fail's note                                 */
    int              failed_error;      /* hob_fail was last told of this,                 */
    int              collected_error;   /* this was last collected: see core/failure.h     */
    uint32_t         holds;             /* mutexes and permits of limiters                 */
    struct op       *line_op;           /* what it waits for in a line: this and the next three
                                           are guarded by the line's lock                  */
    uint64_t         line_number;       /* later waits have higher ones                    */
    bool             line_for_ever;     /* no deadline will end the wait,                  */
    unsigned long long line_late;       /* unless the crew has more late_deadlines by now  */
    struct context   context;
    struct list_node link;              /* in worker.ready                                 */
    struct worker   *worker;
    struct op       *op;                /* what it waits for                               */
    int64_t          since_ns;          /* since when                                      */
    struct scope    *scope;             /* the innermost that is open                      */
    struct scope    *home;              /* the one that it is a child of                   */
    struct list_node sibling;           /* in home->tasks                                  */
    struct list_node everyone;          /* in worker.tasks                                 */
    struct stack    *stack;
    char            *floor;             /* the lowest byte of the stack that it is on      */
    hob_task_fn     *fn;
    void            *arg;
    const void      *spawned_at;
    uint64_t         id;
    const char      *solo_reason;
    const void      *failed_at;         /* and here                                        */
    uint64_t         collected;         /* its number in the worker's trail                */
    struct list_node line_link;         /* in worker.line_waits                            */
    struct local_frame *locals;
    struct hob_future  *future;         /* takes its result; NULL                          */
    struct handshake   *handshake;      /* of the task in hob_go_ready; NULL               */
    char             name[32];
};

/* A task that waits for a child to be ready, on its own stack. */
struct handshake {
    struct op    op;
    struct task *child; /* NULL when it has answered or ended */
    void        *value;
    bool         is_ready;
};

/* Starts a task in `home` and runs it at once, unless a seeded order says later.
 * `future` and `handshake` may be NULL. Returns 0, -ENOMEM, -EAGAIN. The task may
 * have ended already. */
int hob__task_start(struct scope *home, hob_task_fn *fn, void *arg, const hob_task_opts *opts,
                    const void *spawned_at, struct hob_future *future,
                    struct handshake *handshake);

/* Parks the running task on `op` until hob__task_wake. */
void hob__task_park(struct task *task, struct op *op);
void hob__task_wake(struct task *task);

/* The op.done of everybody who waits as a task. */
void hob__task_wake_op(struct op *op);

/* Lets the loop and all others run first. */
void hob__task_step_aside(struct task *task);

/* A call is refused because the task is cancelled: a task that does not leave is reported. */
void hob__task_refuse(struct task *task) __attribute__((cold));

/* Cancels this one task. */
void hob__task_cancel(struct task *task, int code, const char *reason);

/* Asks for what the task waits for back, if it can be cancelled. */
void hob__task_interrupt(struct task *task);

/* Starts a child where opts->where says. `future` may be NULL. Returns 0, -ENOMEM, -EAGAIN. */
int hob__child_start(struct scope *home, hob_task_fn *fn, void *arg, const hob_task_opts *opts,
                     const void *spawned_at, struct hob_future *future);

/* hob_go with everything said. */
int hob__go(hob_scope *place, hob_task_fn *fn, void *arg, const hob_task_opts *opts,
            const void *spawned_at);

/* Runs ready tasks until none is left or the backend is due. Called by the loop. */
void hob__tasks_run(struct worker *worker);

/* The place of a call, by the address to which it returns. A call that is the last
 * thing a task's function does may have become a jump, and returns to Hob: then it
 * is that function. */
const void *hob__place_of(const void *return_address);

#endif
