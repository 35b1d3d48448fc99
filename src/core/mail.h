/* SPDX-License-Identifier: MIT */
/*
 * Messages between workers.
 *
 * A mail is a record of the sender's that is on its way to another worker, which opens
 * it in its loop: open(worker, mail) runs there. Mails of one sender to one receiver are
 * opened in order. Posting cannot fail: the room is the record itself.
 *
 * Threads: any may post; the box belongs to the worker that reads it.
 */
#ifndef HOB_CORE_MAIL_H
#define HOB_CORE_MAIL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/mail.h"

struct crew;

struct mailbox {
    _Atomic(struct mail *) newest; /* the next is the one that was posted before */
    atomic_bool            asleep; /* the reader sleeps, or is about to; whoever makes this
                                      false wakes it, once                       */
    bool                   dozes;  /* the reader's own: it fell asleep           */
};

/* Sends it. The record belongs to the receiver from now on. */
void hob__mail_post(struct worker *to, struct mail *mail);

/* Before a worker is freed: those who are just posting to it from outside may still touch it. */
void hob__mail_wait_for_posters(void);

/* Whether some are on their way, to any worker of the crew; while none of them runs. */
bool hob__mails_fly(const struct crew *crew);

/* Opens what has come. Returns whether there was any. */
bool hob__mail_read(struct worker *worker);

static inline bool mail_has_come(struct mailbox *box)
{
    return atomic_load_explicit(&box->newest, memory_order_acquire) != NULL;
}

/* The reader is about to sleep. False: it must not, for there is mail. */
bool hob__mail_fall_asleep(struct mailbox *box);
void hob__mail_wake_up(struct mailbox *box);

/* The reader fell asleep, and somebody has woken it since, or is about to: for mail, or for what
 * waits for anybody. */
bool hob__mail_was_woken(struct mailbox *box);

#endif
