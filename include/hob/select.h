/* SPDX-License-Identifier: MIT */
/*
 * Select: waits for several things at once, and takes exactly one.
 *
 *     int r;
 *     int which;
 *     switch (which = HOB_SELECT(&r, HOB_RECV(orders, &order), HOB_SEND(plates, &plate),
 *                        HOB_AFTER(5 * HOB_SEC))) {
 *     case 0: ... an order has come, or r is HOB_EOF
 *     case 1: ... the plate is gone
 *     case 2: ... five seconds have passed
 *     default: return which;   // -ECANCELED, -ETIMEDOUT
 *     }
 *
 * When several are ready, one of them is taken, in turns, so that none starves;
 * HOB_SELECT_ORDERED takes the first. The others are withdrawn before it returns,
 * and have had no effect: nothing was sent, nothing was received.
 */
#ifndef HOB_SELECT_H
#define HOB_SELECT_H

#include "hob/broadcast.h"
#include "hob/chan.h"
#include "hob/latest.h"
#include "hob/lock.h"
#include "hob/promise.h"
#include "hob/sem.h"
#include "hob/signal.h"
#include "hob/task.h"
#include "hob/time.h"

HOB_BEGIN_DECLS

enum { HOB_SELECT_MAX = 64 };

/* One of the things that are waited for; made by the macros below. */
typedef struct hob_case {
    int     kind;
    void   *on;
    void   *value;
    int64_t number;
} hob_case;

#define HOB_CASE_(kind, on, value, number) \
    { (kind), (void *)(on), (void *)(uintptr_t)(value), (number) }

/* A receive is taken also when the channel has ended, a send when nobody receives
 * any more: *ret_result tells (HOB_EOF, -EPIPE). */
#define HOB_RECV(chan, ret_value) HOB_CASE_(1, (chan), (ret_value), 0)
#define HOB_SEND(chan, value)     HOB_CASE_(2, (chan), (value), 0)

/* A promise was settled. */
#define HOB_SETTLED(promise) HOB_CASE_(3, (promise), NULL, 0)

/* A task has ended: its result is then taken by hob_await at once. */
#define HOB_ENDED(future) HOB_CASE_(4, (future), NULL, 0)

/* The time has come; and so much time has passed since the call. */
#define HOB_AT(deadline_ns) HOB_CASE_(5, NULL, NULL, (deadline_ns))
#define HOB_AFTER(delay_ns) HOB_CASE_(6, NULL, NULL, (delay_ns))

/* A foreign descriptor is ready for one of `events` (poll.h); *ret_result: which. */
#define HOB_FD_READY(fd, events) HOB_CASE_(7, NULL, (uintptr_t)(events), (fd))

/* A signal has come (hob/signal.h), and is taken; *ret_result: which. */
#define HOB_SIGNALLED(signals) HOB_CASE_(8, (signals), NULL, 0)

/* The mutex is the caller's, and to be unlocked; a permit is taken; the event is set. The
 * three are shared by workers: a case that is not taken may hold the lock, or the permit, for
 * a moment, and hands it on to whoever waits next. */
#define HOB_MUTEX_LOCK(mutex) HOB_CASE_(9, (mutex), NULL, 0)
#define HOB_SEM_ACQUIRE(sem)  HOB_CASE_(10, (sem), NULL, 0)
#define HOB_EVENT_WAIT(event) HOB_CASE_(11, (event), NULL, 0)

/* There is a newer value than *seen (hob/latest.h); the subscriber has one (hob/broadcast.h);
 * or *ret_result is HOB_EOF. Taken is neither yet: hob_latest_next or hob_subscriber_try_recv
 * does so, at once. */
#define HOB_CHANGED(latest, seen)  HOB_CASE_(12, (latest), (seen), 0)
#define HOB_PUBLISHED(subscriber)  HOB_CASE_(13, (subscriber), NULL, 0)

/* A case that is never taken, for one that is switched off for now. */
#define HOB_NEVER HOB_CASE_(0, NULL, NULL, 0)

/* Waits until one of the cases can be taken, takes it, and returns its index; what
 * the plain call would have returned goes to *ret_result, unless that is NULL.
 * Waits. Returns -ECANCELED or -ETIMEDOUT when the task was
 * cancelled, and then took none. `ordered`: the first that is ready; otherwise in
 * turns. No case at all, or more than HOB_SELECT_MAX, is a mistake; with nothing but
 * HOB_NEVER it waits until the task is cancelled. */
HOB_API HOB_MUST_USE int hob_select(const hob_case *cases, size_t count, int ordered,
                                    int *ret_result);

#define HOB_SELECT(ret_result, ...)         HOB_SELECT_(0, ret_result, __VA_ARGS__)
#define HOB_SELECT_ORDERED(ret_result, ...) HOB_SELECT_(1, ret_result, __VA_ARGS__)
#define HOB_SELECT_(ordered, ret_result, ...)                                      \
    __extension__({                                                                \
        const hob_case hob_cases_[] = { __VA_ARGS__ };                             \
        hob_select(hob_cases_, sizeof hob_cases_ / sizeof hob_cases_[0], (ordered), \
                   (ret_result));                                                  \
    })

HOB_END_DECLS

#endif
