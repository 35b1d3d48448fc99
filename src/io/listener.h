/* SPDX-License-Identifier: MIT */
/*
 * A listening socket: what hob_tcp_listener and hob_unix_listener have in common.
 *
 * A task that ran out of descriptors sleeps in accept, and no op tells the
 * backend: `pausing` counts such tasks, and keeps the listener in memory.
 */
#ifndef HOB_IO_LISTENER_H
#define HOB_IO_LISTENER_H

#include "io/conn.h"

struct listener {
    enum hob__tag           tag;
    uint32_t                pausing; /* tasks that sleep in accept     */
    bool                    is_gone; /* the descriptor is closed; the last of them frees */
    const struct conn_kind *child;   /* what it accepts                */
    hob_addr                local;
    uint64_t                file;    /* a Unix listener's, see op.unlink; 0: none */
    struct desc             desc;
};

/* A listener with a new socket, not bound yet; may be closed at once. */
int  hob__listener_open(int domain, enum hob__tag tag, const char *what,
                        const struct conn_kind *child, const void *made_at,
                        struct listener **ret_listener);

/* The same with a socket that listens already, and is ours now; on failure it is not. */
int  hob__listener_adopt(int fd, enum hob__tag tag, const char *what, const struct conn_kind *child,
                         const void *made_at, struct listener **ret_listener);

/* Closes an adopted one, and leaves the number to who gave it. */
void hob__listener_disown(struct listener *listener);
int  hob__listener_listen(struct listener *listener, int backlog);
void hob__listener_close(struct listener *listener);

static inline bool listener_is_open(const struct listener *listener, enum hob__tag tag)
{
    return listener != NULL && listener->tag == tag;
}

int hob__listener_accept_prep(hob_op *place, struct listener *listener, const void *made_at,
                              void *out);

/* Accepts, and pauses while descriptors or memory are short. */
int hob__listener_accept(struct listener *listener, const void *made_at, void *out);

#endif
