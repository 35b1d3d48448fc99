/* SPDX-License-Identifier: MIT */
/*
 * hob_mutex: one word says who holds it and whether others wait.
 *
 *     0                    free
 *     task | 0 or WAITED   a task's
 *     id | A_THREAD | ...  a thread's that is no worker; id: the address of a thread-local
 *     AN_OP | ...          an operation's that no task awaits
 *
 * Free to held and back, by one atomic each, is all that happens while nobody waits. With
 * WAITED set everything goes through the line's lock: the holder hands it to the first.
 */
#include <errno.h>

#include "base/sys.h"
#include "core/crew.h"
#include "core/worker.h"
#include "sync/line.h"
#include "sync/pool.h"

static_assert(sizeof(struct hob__mutex) <= sizeof(hob_mutex), "a mutex fits in its place");

enum { WAITED = 1, A_THREAD = 2, AN_OP = 4 };

enum { SPINS = 64 }; // about a microsecond

static __thread uint64_t thread_id __attribute__((aligned(8)));

static struct hob__mutex *mutex_from(hob_mutex *mutex)
{
    return (struct hob__mutex *)mutex;
}

static uintptr_t holder_of(const struct hob__mutex *m)
{
    return atomic_load_explicit(&m->owner, memory_order_relaxed) & ~(uintptr_t)WAITED;
}

/* Who calls. */
static uintptr_t self(void)
{
    if (hob__worker == NULL)
        return (uintptr_t)&thread_id | A_THREAD;
    return hob__worker->current != NULL ? (uintptr_t)hob__worker->current : AN_OP;
}

struct task *hob__mutex_holder(const struct hob__mutex *m)
{
    uintptr_t holder = holder_of(m);
    return (holder & (A_THREAD | AN_OP)) != 0 ? NULL : (struct task *)holder;
}

bool hob__mutex_waits_outside(const struct hob__mutex *m)
{
    return m->threads > 0 || (holder_of(m) & A_THREAD) != 0;
}

/* ---- handing over ---- */

static uintptr_t new_holder(const struct op *op)
{
    if (op->worker == NULL)
        return (uintptr_t)op->waiter;
    struct task *task = hob__line_task(op);
    return task != NULL ? (uintptr_t)task : AN_OP;
}

static void give_to(struct hob__mutex *m, struct op *op, struct list *go)
{
    uintptr_t    holder = new_holder(op);
    struct task *task = hob__line_task(op);
    if (task != NULL) {
        task->holds++; // it is parked, or calling
        atomic_store_explicit(&m->held_on, op->worker->number, memory_order_relaxed);
    }
    if (op->worker == NULL)
        m->threads--;
    hob__line_let_go(op, 0, go);
    bool waited = line_first(&m->line) != NULL;
    atomic_store_explicit(&m->owner, holder | (waited ? WAITED : 0), memory_order_release);
}

void hob__mutex_serve(void *object, struct list *go)
{
    struct hob__mutex *m = object;
    struct op         *op = line_first(&m->line);
    uintptr_t          now = atomic_load_explicit(&m->owner, memory_order_relaxed);
    if (op == NULL) {
        atomic_fetch_and_explicit(&m->owner, ~(uintptr_t)WAITED, memory_order_release);
        return;
    }
    // From the moment it is waited for, nobody changes the word without the lock.
    while ((now & WAITED) == 0 &&
           !atomic_compare_exchange_weak_explicit(&m->owner, &now, now | WAITED,
                                                  memory_order_acquire, memory_order_relaxed))
        ;
    if ((now & ~(uintptr_t)WAITED) == 0)
        give_to(m, op, go);
}

/* ---- threads ---- */

struct thread_wait {
    struct op   op;
    atomic_uint word;
};

static void wake_thread(struct op *op)
{
    struct thread_wait *wait = container_of(op, struct thread_wait, op);
    atomic_uint        *word = &wait->word;
    atomic_store_explicit(word, 1, memory_order_release); // it may be gone from here on:
    hob__sys_futex_wake(word, 1);                         // then somebody wakes for no reason
}

static void lock_as_thread(struct hob__mutex *m, uintptr_t me)
{
    struct thread_wait wait = { .op = { .done = wake_thread, .waiter = (void *)me } };
    hob__line_op_init(&wait.op, OP_MUTEX, m);
    hob__line_open(m);
    m->threads++;
    lock_give(hob__line_lock(m));
    wait.op.local.start(&wait.op);
    if (wait.op.state == OP_DONE)
        return;
    hob_require(!hob__job_is_simulated(),
                "hob_mutex_lock: a task holds the mutex, and in sim a function of hob_offload runs "
                "on the loop's thread, where it would wait for that task for ever");
    while (atomic_load_explicit(&wait.word, memory_order_acquire) == 0)
        hob__sys_futex_wait(&wait.word, 0);
}

/* ---- the calls ---- */

static bool take_if_free(struct hob__mutex *m, uintptr_t me)
{
    uintptr_t free = 0;
    return atomic_compare_exchange_strong_explicit(&m->owner, &free, me, memory_order_acquire,
                                                   memory_order_relaxed);
}

static inline void take_note(struct hob__mutex *m, struct task *task)
{
    task->holds++;
    atomic_store_explicit(&m->held_on, task->worker->number, memory_order_relaxed);
}

/* Held by a task that runs on another processor, most likely for less time than it takes to park
 * and be woken from there. Who stands in line is not overtaken: then there is no spinning. */
static bool spin_for(struct hob__mutex *m, const struct task *task)
{
    const struct worker *w = task->worker;
    if (!w->crew->spins)
        return false;
    for (int i = 0; i < SPINS; i++) {
        uintptr_t now = atomic_load_explicit(&m->owner, memory_order_relaxed);
        if (now == 0 && take_if_free(m, (uintptr_t)task))
            return true;
        if ((now & (WAITED | A_THREAD | AN_OP)) != 0 ||
            atomic_load_explicit(&m->held_on, memory_order_relaxed) == w->number)
            return false;
        processor_relax();
    }
    return false;
}

static __attribute__((noinline)) int lock_slowly(struct hob__mutex *m, struct task *task)
{
    hob_require(holder_of(m) != (uintptr_t)task, "hob_mutex_lock: the caller holds this mutex "
                                                 "already, and would wait for itself for ever");
    if (!spin_for(m, task))
        return hob__line_await(OP_MUTEX, m, NULL, "hob_mutex_lock");
    take_note(m, task);
    return 0;
}

int hob_mutex_lock(hob_mutex *mutex)
{
    struct hob__mutex *m = mutex_from(mutex);
    struct task       *task = hob__task_self();
    if (hob_unlikely(task == NULL)) {
        hob_require(hob__worker == NULL, "hob_mutex_lock: called in a callback, which must not "
                                         "wait: use hob_mutex_try_lock or hob_mutex_lock_prep");
        uintptr_t me = self();
        hob_require(holder_of(m) != me, "hob_mutex_lock: this thread holds the mutex already");
        if (!take_if_free(m, me))
            lock_as_thread(m, me);
        return 0;
    }
    int r = inline_begin(task, "hob_mutex_lock");
    if (hob_unlikely(r != 0))
        return r;
    if (hob_unlikely(!take_if_free(m, (uintptr_t)task)))
        return lock_slowly(m, task);
    take_note(m, task);
    inline_end(task);
    return 0;
}

int hob_mutex_try_lock(hob_mutex *mutex)
{
    struct task *task = hob__task_self();
    if (!take_if_free(mutex_from(mutex), self()))
        return -EAGAIN;
    if (task != NULL)
        take_note(mutex_from(mutex), task);
    return 0;
}

void hob__mutex_adopt(struct hob__mutex *m, struct task *task)
{
    hob__line_open(m); // nobody begins to wait meanwhile
    uintptr_t waited = atomic_load_explicit(&m->owner, memory_order_relaxed) & WAITED;
    atomic_store_explicit(&m->owner, (uintptr_t)task | waited, memory_order_relaxed);
    lock_give(hob__line_lock(m));
    take_note(m, task);
}

void hob_mutex_lock_prep(hob_op *op, hob_mutex *mutex)
{
    hob__line_op_init(hob__op_prep(op, OP_MUTEX, NULL), OP_MUTEX, mutex);
}

static __attribute__((noinline)) void unlock_slowly(struct hob__mutex *m, uintptr_t me)
{
    uintptr_t holder = holder_of(m);
    hob_require(holder != 0, "hob_mutex_unlock: nobody holds this mutex");
    hob_require(holder == me || (holder == AN_OP && hob__worker != NULL),
                "hob_mutex_unlock: another task or thread holds this mutex");
    hob__line_open(m);
    atomic_store_explicit(&m->owner, WAITED, memory_order_release); // nobody else can take it
    hob__line_close(m, OP_MUTEX);
}

void hob_mutex_unlock(hob_mutex *mutex)
{
    struct hob__mutex *m = mutex_from(mutex);
    uintptr_t          me = self(), expected = me;
    if (hob_unlikely(!atomic_compare_exchange_strong_explicit(
            &m->owner, &expected, 0, memory_order_release, memory_order_relaxed))) {
        bool of_op = (expected & AN_OP) != 0;
        unlock_slowly(m, me);
        if (of_op)
            return;
    }
    if ((me & (A_THREAD | AN_OP)) == 0)
        ((struct task *)me)->holds--;
}

void hob_mutex_leave(hob_mutex **mutex)
{
    if (*mutex != NULL)
        hob_mutex_unlock(*mutex);
}
