/* SPDX-License-Identifier: MIT */
/* What the epoll backend keeps: of itself, of a descriptor, and how its ops begin and end to fly. */
#ifndef HOB_BACKEND_EPOLL_H
#define HOB_BACKEND_EPOLL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "backend/backend.h"
#include "backend/blocking.h"
#include "base/chance.h"
#include "base/check.h"
#include "base/list.h"
#include "base/sys.h"

enum {
    EPOLL_EVENTS_MAX = 256,
    EPOLL_RESTING_MAX = 4096, /* numbers below may rest: a bit for each */
};

enum dir {
    DIR_IN,
    DIR_OUT,
};

/* How reads and writes of a descriptor are carried out. */
enum way {
    WAY_UNKNOWN,
    WAY_DIRECT,   /* non-blocking: just try                                         */
    WAY_CAREFUL,  /* blocking, and others may share it: ask for readiness each time */
    WAY_POOL,     /* epoll cannot watch it                                          */
};

/* What we keep in desc->carrier. All zero when the descriptor is new. */
struct __attribute__((may_alias)) carrier {
    uint32_t         waiting[2];
    uint8_t          blocked[2];
    uint8_t          in_pool[2];      /* the op at the file's position is at work       */
    uint8_t          watched;
    uint8_t          short_is_empty;  /* a short read took all there was                */
    uint8_t          way;
    uint8_t          retried;         /* linked in backend.retried                      */
    uint8_t          from_memory;
    uint8_t          flew;            /* an op on it did not end at once                */
    int              watch_fd;        /* the number epoll knows: desc->fd or a copy     */
    struct list_node retry_link;
    struct list_node leave_link;      /* released: in backend.leaving or .left          */
};

static_assert(sizeof(struct carrier) <= sizeof(((struct desc *)NULL)->carrier),
              "what epoll keeps fits into a descriptor");

struct epoll_job; /* epoll_files.c */

struct epoll_backend {
    struct backend         base;
    int                    epoll_fd;
    int                    wake_fd;
    uint32_t               in_flight; /* ops that poll() has not given back yet  */
    uint32_t               landed;    /* those of them that are finished         */
    int                    woken;     /* atomic: wake_fd was written to           */
    int                    pool_mail; /* atomic: jobs can be collected            */
    struct list            finished;  /* by cancel and release: for the next poll */
    struct list            retried;   /* descriptors, by carrier.retry_link       */
    int64_t                retry_at_ns;
    struct list            leaving;   /* released, with ops to give back: by carrier.leave_link */
    struct list            left;      /* released, and all ops are given back  */
    struct blocking_client pool;
    struct epoll_job     **jobs;      /* by op->slot - 1 */
    uint32_t               jobs_count;
    uint32_t               jobs_free; /* the first free one's slot; 0: none */
    struct chance          chance;
    uint64_t               resting[EPOLL_RESTING_MAX / 64]; /* numbers that epoll knows, and tells nothing of */
    struct epoll_event     events[EPOLL_EVENTS_MAX];
};

static inline struct carrier *carrier_of(struct desc *desc)
{
    return (struct carrier *)desc->carrier;
}

static inline struct desc *desc_of(struct carrier *c)
{
    return container_of((void *)c, struct desc, carrier);
}

static inline enum dir epoll_dir_of(const struct op *op)
{
    switch (op->kind) {
    case OP_SEND: case OP_WRITE: case OP_SENDMSG: case OP_SENDMANY: case OP_CONNECT:
        return DIR_OUT;
    case OP_SPLICE:
        return op->splice.inward ? DIR_IN : DIR_OUT;
    default:
        return DIR_IN;
    }
}

/* ---- an op begins and ends to fly ---- */

static inline void epoll_fly(struct epoll_backend *self, struct op *op)
{
    op->state = OP_FLYING;
    self->in_flight++;
    if (op->desc != NULL) {
        list_push_back(&op->desc->ops, &op->link);
        op->desc->flying++;
        carrier_of(op->desc)->flew = true;
    } else {
        list_node_init(&op->link);
    }
}

/* Everything that concerns waiting or the pool is undone already. */
static inline void epoll_land(struct epoll_backend *self, struct op *op, int64_t result, struct list *done)
{
    hob_assert(op->state == OP_FLYING);
    list_remove(&op->link);
    if (op->desc != NULL) {
        hob_assert(op->desc->flying > 0);
        op->desc->flying--;
    }
    op->result = result;
    op->state = OP_DONE;
    list_push_back(done, &op->link);
    self->landed++;
}

static inline void epoll_finish_at_once(struct op *op, int64_t result)
{
    op->result = result;
    op->state = OP_DONE;
}

/* ---- the calls that most ops make ---- */

static inline int64_t epoll_recv(const struct op *op)
{
    return hob__sys_recv(op->desc->fd, op->recv.buf, op->recv.len, MSG_DONTWAIT);
}

static inline int64_t epoll_send(const struct op *op)
{
    return hob__sys_send(op->desc->fd, op->send.buf, op->send.len, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* ---- epoll_try.c ---- */

/* Makes the call of an op that waits for readiness; -EAGAIN if there is nothing to do now. */
int64_t hob__epoll_try(const struct op *op);

/* ---- epoll_files.c ---- */

/* What epoll cannot watch: done at once from memory, or given to a thread. */
void hob__epoll_submit_to_pool(struct epoll_backend *self, struct op *op);

/* Takes in what the threads have done. */
void hob__epoll_collect_jobs(struct epoll_backend *self, struct list *done);

/* True when the op will not be carried out any more. */
bool hob__epoll_cancel_in_pool(struct epoll_backend *self, struct op *op);

void hob__epoll_free_jobs(struct epoll_backend *self);

#endif
