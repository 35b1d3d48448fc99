/* SPDX-License-Identifier: MIT */
/*
 * How a run stops: hob/stop.h. Part of the crew.
 *
 *     on_signal, in any thread ──┐
 *     hob_sim_raise, hob_stop ───┴─▶ `asked`, and mail to worker 0 ──▶ next phase ──▶ mail to all
 *
 * The phases are worker 0's. Others know that the run stops by a flag of their own and the event.
 */
#ifndef HOB_CORE_STOP_H
#define HOB_CORE_STOP_H

#include <stdatomic.h>
#include <stdbool.h>

#include "core/mail.h"
#include "hob/sem.h"
#include "op/op.h"

struct crew;
struct worker;
struct hob_signals;

enum stop_phase {
    STOP_RUNNING,
    STOP_DRAINING,
    STOP_CANCELLED,
    STOP_REPORTED,
};

struct stop {
    /* Any thread. */
    atomic_ullong  asked;          /* signals that came: bit n - 1; bit 63: hob_stop        */
    atomic_bool    posted;         /* the mail is on its way                                */
    atomic_llong   unseen_since;   /* a signal was not looked at since then (real time); 0  */
    _Atomic(const char *) reason;  /* of hob_stop                                           */
    atomic_uint    listeners;      /* that are open                                         */
    atomic_bool    is_awaited;     /* somebody asked for the event                          */
    atomic_bool    has_begun;

    /* Worker 0. */
    struct mail    mail;
    enum stop_phase phase;
    int            signal;         /* that did it; 0: hob_stop                              */
    int64_t        last_ns;        /* when the last one came                                */
    struct op      timer;          /* of the phase                                          */
    bool           timer_set;
    const char    *why;

    /* Written at the beginning. */
    hob_event      event;
    struct hob_signals *signals;   /* holds SIGTERM and SIGINT; NULL: they are not ours     */
    bool           by_sim;         /* hob_sim_raise sends them                              */
};

/* The signals that stop a run. */
bool hob__stop_is_signal(int signal);

/* From a signal handler, or from hob_sim_raise. */
void hob__stop_signalled(struct crew *crew, int signal);

/* The crew's listening begins, if the options want it; and ends. open returns 0 or an error. */
int  hob__stop_open(struct crew *crew);
void hob__stop_close(struct crew *crew);

/* What the run returns, given how the main task ended. */
int hob__stop_result(const struct crew *crew, int result);

/* The main task has returned: whoever was to be cancelled for being late is not. */
void hob__stop_main_ended(struct crew *crew);

/* A worker learns that the run stops. */
void hob__stop_note(struct worker *worker);

/* Ends the process by this signal, as if nobody had handled it. In handlers too; may return, and
 * then the signal is on its way. */
void hob__stop_die(int signal);

#endif
