/* SPDX-License-Identifier: MIT */
/* Waiting on a descriptor of somebody else's library: one op, which knows no descriptor of ours. */
#include "hob/fd.h"

#include "core/await.h"

int hob_fd_wait(int fd, unsigned events)
{
    struct op op = { .kind = OP_POLL, .poll = { .fd = fd, .events = events } };
    hob__op_await(&op);
    return (int)op.result;
}

void hob_fd_wait_prep(hob_op *place, int fd, unsigned events)
{
    struct op *op = hob__op_prep(place, OP_POLL, NULL);
    op->poll.fd = fd;
    op->poll.events = events;
}
