/* SPDX-License-Identifier: MIT */
/* hob_rwlock: readers and writers in one line, so that neither can overtake the other for ever. */
#include "core/worker.h"
#include "sync/line.h"

struct hob__rwlock {
    const char *name;
    struct line line;
    uint32_t    readers;
    bool        written; /* a writer has it */
};

static_assert(sizeof(struct hob__rwlock) <= sizeof(hob_rwlock), "a rwlock fits in its place");

void hob__rwlock_serve(void *object, struct list *go)
{
    struct hob__rwlock *l = object;
    for (struct op *op; (op = line_first(&l->line)) != NULL && !l->written;) {
        if (op->kind == OP_WRITE_LOCK) {
            if (l->readers > 0)
                return;
            l->written = true;
        } else {
            l->readers++;
        }
        hob__line_let_go(op, 0, go);
    }
}

int hob_rwlock_read(hob_rwlock *lock)
{
    return hob__line_await(OP_READ_LOCK, lock, NULL, "hob_rwlock_read");
}

int hob_rwlock_write(hob_rwlock *lock)
{
    return hob__line_await(OP_WRITE_LOCK, lock, NULL, "hob_rwlock_write");
}

void hob_rwlock_read_prep(hob_op *op, hob_rwlock *lock)
{
    hob__line_op_init(hob__op_prep(op, OP_READ_LOCK, NULL), OP_READ_LOCK, lock);
}

void hob_rwlock_write_prep(hob_op *op, hob_rwlock *lock)
{
    hob__line_op_init(hob__op_prep(op, OP_WRITE_LOCK, NULL), OP_WRITE_LOCK, lock);
}

void hob_rwlock_read_end(hob_rwlock *lock)
{
    struct hob__rwlock *l = (struct hob__rwlock *)lock;
    hob__line_open(l);
    hob_require(l->readers > 0, "hob_rwlock_read_end: nobody reads under this lock");
    l->readers--;
    hob__line_close(l, OP_READ_LOCK);
}

void hob_rwlock_write_end(hob_rwlock *lock)
{
    struct hob__rwlock *l = (struct hob__rwlock *)lock;
    hob__line_open(l);
    hob_require(l->written, "hob_rwlock_write_end: nobody writes under this lock");
    l->written = false;
    hob__line_close(l, OP_WRITE_LOCK);
}

void hob_rwlock_leave_read(hob_rwlock **lock)
{
    if (*lock != NULL)
        hob_rwlock_read_end(*lock);
}

void hob_rwlock_leave_write(hob_rwlock **lock)
{
    if (*lock != NULL)
        hob_rwlock_write_end(*lock);
}
