/* SPDX-License-Identifier: MIT */
/*
 * What the epoll backend has threads do: calls on files, and on devices that epoll refuses to watch.
 *
 * An op has a record from when it is submitted; op->slot is its number + 1. Ops at a file's position go
 * one by one in each direction: those behind the first wait for their turn, and waiting[dir] counts them.
 *
 * Memory: the records are kept for the next ops, until the backend is closed.
 */
#include <errno.h>
#include <fcntl.h>

#include "backend/epoll.h"
#include "base/alloc.h"

struct epoll_job {
    struct blocking_job blocking;
    uint32_t            next_free;
};

/* ---- records ---- */

/* Returns a record's slot, or 0. */
static uint32_t take_job(struct epoll_backend *self)
{
    uint32_t slot = self->jobs_free;
    if (slot != 0) {
        self->jobs_free = self->jobs[slot - 1]->next_free;
        return slot;
    }

    struct epoll_job **jobs = self->jobs;
    if ((self->jobs_count & (self->jobs_count - 1)) == 0) { // full: at 0, 1, 2, 4, 8 ...
        size_t cap = self->jobs_count == 0 ? 1 : 2 * (size_t)self->jobs_count;
        jobs = hob__realloc(self->jobs, cap * sizeof(struct epoll_job *));
        if (jobs == NULL)
            return 0;
        self->jobs = jobs;
    }
    struct epoll_job *job = hob__alloc_zero(sizeof *job);
    if (job == NULL)
        return 0;
    jobs[self->jobs_count++] = job;
    return self->jobs_count;
}

static void give_job(struct epoll_backend *self, uint32_t slot)
{
    self->jobs[slot - 1]->blocking.owner = NULL;
    self->jobs[slot - 1]->next_free = self->jobs_free;
    self->jobs_free = slot;
}

static void fill_job(struct blocking_job *job, struct op *op)
{
    job->owner = op;
    job->fd = op->desc != NULL ? op->desc->fd : -1;
    job->path = NULL;
    switch (op->kind) {
    case OP_READ:
    case OP_WRITE:
        job->call = op->kind == OP_READ ? BLOCKING_READ : BLOCKING_WRITE;
        job->buf = op->rw.buf;
        job->len = op->rw.len;
        job->offset = op->rw.offset;
        break;
    case OP_SPLICE:
        job->call = BLOCKING_SPLICE;
        job->fd = op->splice.inward ? op->desc->fd : op->splice.pipe_fd;
        job->to_fd = op->splice.inward ? op->splice.pipe_fd : op->desc->fd;
        job->len = op->splice.len;
        break;
    case OP_OPEN:
        job->call = BLOCKING_OPEN;
        job->path = op->open.path;
        job->flags = op->open.flags;
        job->mode = op->open.mode;
        break;
    case OP_FSYNC:
        job->call = BLOCKING_FSYNC;
        break;
    case OP_STAT:
        job->call = BLOCKING_STAT;
        job->path = op->stat.path;
        job->stat_out = op->stat.out;
        break;
    case OP_FS:
        job->call = BLOCKING_FS;
        job->fd = op->desc != NULL ? op->desc->fd : AT_FDCWD;
        job->fs = op->fs.call;
        break;
    default:
        hob_unreachable("this op is not for the file pool");
    }
}

/* ---- to the threads, and back ---- */

static bool is_at_position(const struct op *op)
{
    return ((op->kind == OP_READ || op->kind == OP_WRITE) && op->rw.offset < 0) ||
           (op->kind == OP_SPLICE && op->desc->kind == DESC_FILE);
}

/* Hands the op, whose slot is set, to the threads. */
static void start_job(struct epoll_backend *self, struct op *op)
{
    struct blocking_job *job = &self->jobs[op->slot - 1]->blocking;
    fill_job(job, op);
    hob__blocking_submit(&self->pool, job);
}

/* Several threads would mix up ops at the file's position: they go one by one. `leaving`, which
 * may be NULL, is on the descriptor still, but no more to be carried out. The records were taken
 * when the ops were submitted, so nothing can fail here. */
static void start_next_at_position(struct epoll_backend *self, struct desc *desc, enum dir dir,
                                   const struct op *leaving)
{
    struct carrier *c = carrier_of(desc);
    if (c->in_pool[dir] || c->waiting[dir] == 0)
        return;
    list_for_each (node, &desc->ops) {
        struct op *op = container_of(node, struct op, link);
        if (!is_at_position(op) || epoll_dir_of(op) != dir || op == leaving)
            continue;
        c->waiting[dir]--;
        c->in_pool[dir] = true;
        start_job(self, op);
        return;
    }
    hob_unreachable("an op waits for its turn and is not on its descriptor");
}

/* What is in memory needs no thread. -EAGAIN: ask one. */
static int64_t read_from_memory(const struct op *op)
{
    if (op->kind != OP_READ || op->desc->kind != DESC_FILE)
        return -EAGAIN;
    if (op->rw.offset < 0 && carrier_of(op->desc)->in_pool[DIR_IN])
        return -EAGAIN;
    return hob__read_from_memory(op, &carrier_of(op->desc)->from_memory);
}

void hob__epoll_submit_to_pool(struct epoll_backend *self, struct op *op)
{
    int64_t r = read_from_memory(op);
    if (r != -EAGAIN) {
        epoll_finish_at_once(op, r);
        return;
    }
    op->slot = take_job(self);
    if (op->slot == 0) {
        epoll_finish_at_once(op, -ENOMEM);
        return;
    }
    epoll_fly(self, op);
    if (is_at_position(op)) {
        carrier_of(op->desc)->waiting[epoll_dir_of(op)]++;
        start_next_at_position(self, op->desc, epoll_dir_of(op), NULL);
    } else {
        start_job(self, op);
    }
}

void hob__epoll_collect_jobs(struct epoll_backend *self, struct list *done)
{
    struct list       jobs;
    struct list_node *node;

    list_init(&jobs);
    hob__blocking_collect(&self->pool, &jobs);
    while ((node = list_pop_front(&jobs)) != NULL) {
        struct blocking_job *job = container_of(node, struct blocking_job, link);
        struct op           *op = job->owner;
        struct desc         *desc = op->desc;
        bool                 at_position = is_at_position(op);

        give_job(self, op->slot);
        epoll_land(self, op, job->result == -EAGAIN ? -EIO : job->result, done);
        if (at_position) {
            carrier_of(desc)->in_pool[epoll_dir_of(op)] = false;
            start_next_at_position(self, desc, epoll_dir_of(op), NULL);
        }
    }
}

bool hob__epoll_cancel_in_pool(struct epoll_backend *self, struct op *op)
{
    struct carrier *c = op->desc != NULL ? carrier_of(op->desc) : NULL;

    if (is_at_position(op) && self->jobs[op->slot - 1]->blocking.owner != op) {
        c->waiting[epoll_dir_of(op)]--; // it waits for its turn
    } else {
        if (!hob__blocking_cancel(&self->jobs[op->slot - 1]->blocking))
            return false;
        if (is_at_position(op)) {
            c->in_pool[epoll_dir_of(op)] = false;
            start_next_at_position(self, op->desc, epoll_dir_of(op), op);
        }
    }
    give_job(self, op->slot);
    return true;
}

void hob__epoll_free_jobs(struct epoll_backend *self)
{
    for (uint32_t i = 0; i < self->jobs_count; i++)
        hob__free(self->jobs[i]);
    hob__free(self->jobs);
}
