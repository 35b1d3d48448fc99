/* SPDX-License-Identifier: MIT */
/*
 * Lines: how ops wait for a lock, a permit, an event, of whatever worker they are.
 *
 *     start ──▶ ┌────┬────┬────┐
 *               │ op │ op │ op │ ──▶ serve: whoever may go on now leaves, from the front
 *     withdraw ◀└────┴────┴────┘
 *
 * Each kind of object has one function, `serve`, which looks at the object's state and lets
 * go whoever may: after an op has come, after one was withdrawn, after the state changed.
 * So an object is its state, its serve, and calls that change the state.
 *
 * Threads: all. An object and its line are guarded by one of a few locks for all objects,
 * chosen by the address, so that whoever needs to see all waits at a moment can take them
 * all (deadlock.c). All zero is an empty line.
 */
#ifndef HOB_SYNC_LINE_H
#define HOB_SYNC_LINE_H

#include "base/list.h"
#include "base/lock.h"
#include "hob/broadcast.h"
#include "hob/latest.h"
#include "hob/sem.h"
#include "op/op.h"

struct task;

struct line {
    struct list ops; /* who waits, longest first; the pointers are NULL before the first use */
};

struct hob__mutex {
    const char      *name;
    struct line      line;
    atomic_uintptr_t owner;   /* see mutex.c */
    uint32_t         threads; /* that wait   */
    atomic_uint      held_on; /* a worker's number: of who took it last, a hint */
};

struct hob__limiter {
    const char *name;
    size_t      limit;
    struct line line;
    struct list borrows; /* struct borrow, oldest first; like the line's */
    size_t      borrowed;
};

struct borrow {
    struct hob__limiter *limiter; /* NULL: nothing is borrowed */
    struct task         *task;    /* NULL: an operation that no task awaits */
    struct list_node     link;
    int64_t              since_ns;
};

/* What a kind of op waits for. */
struct line_kind {
    const char *what;    /* "the mutex"                    */
    size_t      line_at; /* in the object, after its name  */
    void      (*serve)(void *object, struct list *go);
};

const struct line_kind *hob__line_kind(enum op_kind kind);

static inline bool op_is_in_line(const struct op *op)
{
    return op->kind >= OP_MUTEX && op->kind <= OP_ONCE;
}

/* The task that awaits the op, or NULL. */
struct task *hob__line_task(const struct op *op);

/* The lock of the object; those of several, each with a bit, taken in one order by all who
 * take more than one; and all of them. */
struct lock *hob__line_lock(const void *object);
uint64_t     hob__line_lock_bit(const void *object);
void         hob__line_lock_set(uint64_t bits);
void         hob__line_unlock_set(uint64_t bits);

#define HOB__LINE_LOCKS_ALL UINT64_MAX

/* The first op, or NULL. Under the lock, as all up to the next blank line but one. */
static inline struct op *line_first(struct line *line)
{
    struct list_node *node = line->ops.head.next;
    return node == NULL || node == &line->ops.head ? NULL : container_of(node, struct op, link);
}

/* Takes the op out of its line: it goes on with this result when the lock is given back. */
void hob__line_let_go(struct op *op, int64_t result, struct list *go);

/* Lets all go for whom `ready` gives a result, and not -EAGAIN; where there is no news for those
 * who wait already, only the one who came last is asked. */
void hob__line_tell(struct line *line, int (*ready)(const struct op *op), bool news,
                    struct list *go);

/* For the look at deadlocks (deadlock.c): the task that awaits the op waits for it, and no longer,
 * under the lock; and the task is looked at when its time has come, until its line_link is
 * taken out. */
void hob__line_note_waiting(struct op *op);
void hob__line_note_left(struct op *op);
void hob__line_stand(struct task *task);

/* Without the lock: finishes those who were let go. */
void hob__line_finish(struct list *go);

/* Takes the lock; and serves the line, gives the lock back, and finishes who was let go. */
void hob__line_open(void *object);
void hob__line_close(void *object, enum op_kind kind);

/* Makes the op one that waits in the line of the object. */
void hob__line_op_init(struct op *op, enum op_kind kind, void *object);

/* A task waits in the line: the op's result. */
int hob__line_await(enum op_kind kind, void *object, void *extra, const char *caller);

/* The same, whether it is cancelled or not. */
void hob__line_await_regardless(struct task *task, enum op_kind kind, void *object);

/* Goes through the line if nobody has to wait: 0, or -EAGAIN. For ops that note no task. */
int hob__line_try(enum op_kind kind, void *object);

/* The task that holds the mutex: NULL when nobody does, or no task. */
struct task *hob__mutex_holder(const struct hob__mutex *mutex);

/* Makes the mutex, which an op has got that no task awaits, the task's. */
void hob__mutex_adopt(struct hob__mutex *mutex, struct task *task);

/* Whether who comes now waits for a thread outside. Under the lock. */
bool hob__mutex_waits_outside(const struct hob__mutex *mutex);

void hob__mutex_serve(void *object, struct list *go);
void hob__rwlock_serve(void *object, struct list *go);
void hob__cond_serve(void *object, struct list *go);
void hob__sem_serve(void *object, struct list *go);
void hob__limiter_serve(void *object, struct list *go);
void hob__event_serve(void *object, struct list *go);
void hob__barrier_serve(void *object, struct list *go);
void hob__latest_serve(void *object, struct list *go);
void hob__broadcast_serve(void *object, struct list *go);
void hob__once_serve(void *object, struct list *go);

/* For select: makes the op one that waits, and looks whether it would have to: -EAGAIN. */
void hob__latest_op_init(struct op *op, hob_latest *latest, const uint64_t *seen);
int  hob__latest_try(hob_latest *latest, const uint64_t *seen);
void hob__subscriber_op_init(struct op *op, hob_subscriber *subscriber);
int  hob__subscriber_try(hob_subscriber *subscriber);

#endif
