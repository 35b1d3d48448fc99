/* SPDX-License-Identifier: MIT */
#include "sync/line.h"

#include <errno.h>

#include "core/crew.h"
#include "core/worker.h"

/* As many as a set has bits: few enough to take them all, and enough for workers not to meet
 * by chance. */
enum { LOCKS = 64 };

static struct {
    struct lock lock;
} __attribute__((aligned(64))) locks[LOCKS];

static atomic_ullong waits_begun;

static unsigned lock_index(const void *object)
{
    return (unsigned)(((uintptr_t)object * UINT64_C(0x9E3779B97F4A7C15)) >> 58);
}

struct lock *hob__line_lock(const void *object)
{
    return &locks[lock_index(object)].lock;
}

uint64_t hob__line_lock_bit(const void *object)
{
    return UINT64_C(1) << lock_index(object);
}

void hob__line_lock_set(uint64_t bits)
{
    for (; bits != 0; bits &= bits - 1)
        lock_take(&locks[__builtin_ctzll(bits)].lock);
}

void hob__line_unlock_set(uint64_t bits)
{
    for (; bits != 0; bits &= bits - 1)
        lock_give(&locks[__builtin_ctzll(bits)].lock);
}

static const struct line_kind kinds[] = {
    [OP_MUTEX - OP_MUTEX] = { "the mutex", sizeof(char *), hob__mutex_serve },
    [OP_READ_LOCK - OP_MUTEX] = { "the rwlock", sizeof(char *), hob__rwlock_serve },
    [OP_WRITE_LOCK - OP_MUTEX] = { "the rwlock", sizeof(char *), hob__rwlock_serve },
    [OP_COND - OP_MUTEX] = { "the condition", sizeof(char *), hob__cond_serve },
    [OP_SEM - OP_MUTEX] = { "the semaphore", sizeof(char *) + sizeof(size_t), hob__sem_serve },
    [OP_LIMITER - OP_MUTEX] = { "the limiter", sizeof(char *) + sizeof(size_t),
                                hob__limiter_serve },
    [OP_EVENT - OP_MUTEX] = { "the event", sizeof(char *), hob__event_serve },
    [OP_BARRIER - OP_MUTEX] = { "the barrier", sizeof(char *) + sizeof(size_t),
                                hob__barrier_serve },
    [OP_LATEST - OP_MUTEX] = { "the latest value", sizeof(char *), hob__latest_serve },
    [OP_BROADCAST - OP_MUTEX] = { "the broadcast", sizeof(char *), hob__broadcast_serve },
    [OP_ONCE - OP_MUTEX] = { "the once", sizeof(char *), hob__once_serve },
};

const struct line_kind *hob__line_kind(enum op_kind kind)
{
    return &kinds[kind - OP_MUTEX];
}

static struct list *line_of(void *object, enum op_kind kind)
{
    struct line *line = (struct line *)((char *)object + kinds[kind - OP_MUTEX].line_at);
    if (line->ops.head.next == NULL)
        list_init(&line->ops);
    return &line->ops;
}

struct task *hob__line_task(const struct op *op)
{
    return op->worker != NULL && op->done == hob__task_wake_op ? op->waiter : NULL;
}

/* ---- leaving ---- */

void hob__line_note_left(struct op *op)
{
    struct task *task = hob__line_task(op);
    if (task != NULL)
        task->line_op = NULL;
}

void hob__line_let_go(struct op *op, int64_t result, struct list *go)
{
    list_remove(&op->link);
    list_push_back(go, &op->link);
    op->taken = 1;
    op->result = result;
    hob__line_note_left(op);
}

void hob__line_tell(struct line *line, int (*ready)(const struct op *op), bool news,
                    struct list *go)
{
    struct list_node *head = &line->ops.head;
    for (struct list_node *node = news ? head->next : head->prev, *next; node != head; node = next) {
        struct op *op = container_of(node, struct op, link);
        int        r = ready(op);
        next = node->next;
        if (r != -EAGAIN)
            hob__line_let_go(op, r, go);
    }
}

void hob__line_finish(struct list *go)
{
    for (struct list_node *node; (node = list_pop_front(go)) != NULL;) {
        struct op *op = container_of(node, struct op, link);
        if (op->worker != NULL)
            hob__op_finish_from_afar(op, op->result);
        else
            op->done(op); // a thread
    }
}

void hob__line_open(void *object)
{
    lock_take(hob__line_lock(object));
}

void hob__line_close(void *object, enum op_kind kind)
{
    struct list go;
    list_init(&go);
    line_of(object, kind);
    kinds[kind - OP_MUTEX].serve(object, &go);
    lock_give(hob__line_lock(object));
    hob__line_finish(&go);
}

static bool withdraw(struct op *op)
{
    void        *object = op->local.on;
    enum op_kind kind = op->kind;
    hob__line_open(object);
    bool mine = !op->taken;
    if (mine) {
        list_remove(&op->link);
        hob__line_note_left(op);
        if (op->waits_outside)
            crew_waited_outside(op->worker->crew);
        op->waits_outside = 0;
        hob__line_close(object, kind); // those behind it may be free to go now
    } else {
        lock_give(hob__line_lock(object)); // the object may be gone: somebody let the op go
    }
    return mine;
}

/* ---- coming ---- */

void hob__line_note_waiting(struct op *op)
{
    struct task *task = hob__line_task(op);
    if (op->kind == OP_MUTEX && op->worker != NULL && hob__mutex_waits_outside(op->local.on)) {
        op->waits_outside = 1;
        crew_waits_outside(op->worker->crew);
    }
    if (op->kind == OP_EVENT && op->worker != NULL && op->worker->crew->stop.signals != NULL &&
        op->local.on == &op->worker->crew->stop.event) { // a signal may come
        op->waits_outside = 1;
        crew_waits_outside(op->worker->crew);
    }
    if (task == NULL)
        return;
    task->line_op = op;
    task->line_number = atomic_fetch_add_explicit(&waits_begun, 1, memory_order_relaxed);
    task->line_for_ever = hob__scope_is_timeless(task->scope);
    task->line_late = atomic_load_explicit(&task->worker->crew->late_deadlines, memory_order_relaxed);
}

static void start(struct op *op)
{
    void           *object = op->local.on;
    enum op_kind    kind = op->kind;
    struct list     go;
    list_init(&go);
    op->worker = hob__worker;
    op->taken = 0;
    op->waits_outside = 0;
    op->state = OP_FLYING;

    hob__line_open(object);
    list_push_back(line_of(object, kind), &op->link);
    kinds[kind - OP_MUTEX].serve(object, &go);
    if (op->taken) {
        list_remove(&op->link);
        op->state = OP_DONE;
    } else {
        hob__line_note_waiting(op);
    }
    lock_give(hob__line_lock(object));
    hob__line_finish(&go);
}

void hob__line_op_init(struct op *op, enum op_kind kind, void *object)
{
    op->kind = kind;
    op->local.start = start;
    op->local.withdraw = withdraw;
    op->local.on = object;
}

void hob__line_stand(struct task *task)
{
    task->since_ns = task->worker->wheel.now_ns;
    list_push_back(&task->worker->line_waits, &task->line_link);
}

int hob__line_await(enum op_kind kind, void *object, void *extra, const char *caller)
{
    struct task *task = hob__task_self();
    if (hob_unlikely(task == NULL))
        hob__misuse_of(caller, "called outside of a task: in a callback, or without hob_run");
    struct op op = { .state = OP_IDLE };
    hob__line_op_init(&op, kind, object);
    op.local.extra = extra;
    hob__line_stand(task);
    hob__op_await(&op);
    list_remove(&task->line_link);
    return (int)op.result;
}

void hob__line_await_regardless(struct task *task, enum op_kind kind, void *object)
{
    struct op op = { .state = OP_IDLE, .done = hob__task_wake_op, .waiter = task };
    hob__line_op_init(&op, kind, object);
    op.local.withdraw = NULL;
    hob__line_stand(task);
    if (hob__op_submit(task->worker, &op))
        hob__task_park(task, &op);
    list_remove(&task->line_link);
}

int hob__line_try(enum op_kind kind, void *object)
{
    struct op   op = { .kind = kind, .worker = hob__worker };
    struct list go;
    list_init(&go);
    hob__line_open(object);
    list_push_back(line_of(object, kind), &op.link);
    kinds[kind - OP_MUTEX].serve(object, &go);
    list_remove(&op.link);
    lock_give(hob__line_lock(object));
    hob__line_finish(&go);
    return op.taken ? 0 : -EAGAIN;
}
