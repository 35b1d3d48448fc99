/* SPDX-License-Identifier: MIT */
/* The watchdog: reports a task that holds its worker too long, with its stack. */
#ifndef HOB_INSPECT_WATCHDOG_H
#define HOB_INSPECT_WATCHDOG_H

#include <stdint.h>

struct worker;

/* Starts watching, unless slow_ns is negative or time is simulated. Returns 0; a
 * watchdog that cannot be had (no thread) is reported and done without. */
int hob__watchdog_start(struct worker *worker);

/* Fine when it was not started. */
void hob__watchdog_stop(struct worker *worker);

/* For the loop, when it wakes up and `watchdog_dozes`. */
void hob__watchdog_rouse(struct worker *worker);

/* How many runs were slow. */
uint64_t hob__watchdog_slow_runs(const struct worker *worker);

/* In the child of a fork: there is no watchdog there. */
void hob__watchdog_forget(void);

#endif
