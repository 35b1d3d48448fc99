/* SPDX-License-Identifier: MIT */
/* hob_limiter: a semaphore that knows who has its permits. */
#include <string.h>

#include "core/worker.h"
#include "hob/time.h"
#include "sync/line.h"

static_assert(sizeof(struct hob__limiter) <= sizeof(hob_limiter), "a limiter fits in its place");
static_assert(sizeof(struct borrow) <= sizeof(hob_borrow), "a borrow fits in its place");

static struct list *borrows_of(struct hob__limiter *l)
{
    if (l->borrows.head.next == NULL)
        list_init(&l->borrows);
    return &l->borrows;
}

void hob__limiter_serve(void *object, struct list *go)
{
    struct hob__limiter *l = object;
    for (struct op *op; l->borrowed < l->limit && (op = line_first(&l->line)) != NULL;) {
        struct borrow *b = op->local.extra;
        b->limiter = l;
        b->task = hob__line_task(op);
        b->since_ns = hob_now();
        if (b->task != NULL)
            b->task->holds++;
        list_push_back(borrows_of(l), &b->link);
        l->borrowed++;
        hob__line_let_go(op, 0, go);
    }
}

int hob_limiter_borrow(hob_limiter *limiter, hob_borrow *borrow)
{
    return hob__line_await(OP_LIMITER, limiter, borrow, "hob_limiter_borrow");
}

void hob_limiter_borrow_prep(hob_op *place, hob_limiter *limiter, hob_borrow *borrow)
{
    struct op *op = hob__op_prep(place, OP_LIMITER, NULL);
    memset(borrow, 0, sizeof *borrow);
    hob__line_op_init(op, OP_LIMITER, limiter);
    op->local.extra = borrow;
}

void hob_limiter_give_back(hob_borrow *borrow)
{
    struct borrow       *b = (struct borrow *)borrow;
    struct hob__limiter *l = b->limiter;
    if (l == NULL)
        return;
    struct task *self = hob__task_self();
    hob_require(b->task == NULL || b->task == self,
                "hob_limiter_give_back: another task has borrowed this");
    if (b->task != NULL)
        self->holds--;
    hob__line_open(l);
    list_remove(&b->link);
    b->limiter = NULL;
    l->borrowed--;
    hob__line_close(l, OP_LIMITER);
}

void hob_limiter_resize(hob_limiter *limiter, size_t limit)
{
    hob__line_open(limiter);
    ((struct hob__limiter *)limiter)->limit = limit;
    hob__line_close(limiter, OP_LIMITER);
}

size_t hob_limiter_borrowers(hob_limiter *limiter, hob_borrower *ret_borrowers, size_t max)
{
    struct hob__limiter *l = (struct hob__limiter *)limiter;
    size_t               count = 0;
    hob__line_open(l);
    list_for_each(node, borrows_of(l)) {
        const struct borrow *b = container_of(node, struct borrow, link);
        if (count < max) {
            hob_borrower *out = &ret_borrowers[count];
            *out = (hob_borrower){ .since_ns = b->since_ns };
            if (b->task != NULL) { // it lives: it holds this
                out->task = b->task->id;
                out->spawned_at = b->task->spawned_at;
                memcpy(out->name, b->task->name, sizeof out->name);
            }
        }
        count++;
    }
    lock_give(hob__line_lock(l));
    return count;
}
