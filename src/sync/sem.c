/* SPDX-License-Identifier: MIT */
/* hob_sem. */
#include "core/worker.h"
#include "sync/line.h"

struct hob__sem {
    const char *name;
    size_t      permits;
    struct line line;
};

static_assert(sizeof(struct hob__sem) <= sizeof(hob_sem), "a semaphore fits in its place");

void hob__sem_serve(void *object, struct list *go)
{
    struct hob__sem *s = object;
    for (struct op *op; s->permits > 0 && (op = line_first(&s->line)) != NULL; s->permits--)
        hob__line_let_go(op, 0, go);
}

int hob_sem_acquire(hob_sem *sem)
{
    return hob__line_await(OP_SEM, sem, NULL, "hob_sem_acquire");
}

void hob_sem_acquire_prep(hob_op *op, hob_sem *sem)
{
    hob__line_op_init(hob__op_prep(op, OP_SEM, NULL), OP_SEM, sem);
}

void hob_sem_release(hob_sem *sem)
{
    hob__line_open(sem);
    ((struct hob__sem *)sem)->permits++;
    hob__line_close(sem, OP_SEM);
}
