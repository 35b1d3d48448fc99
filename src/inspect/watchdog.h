/* SPDX-License-Identifier: MIT */
/* The watchdog: reports a task that holds its worker too long, with its stack. */
#ifndef HOB_INSPECT_WATCHDOG_H
#define HOB_INSPECT_WATCHDOG_H

struct worker;

/* Starts watching, unless slow_ns is negative or time is simulated. Returns 0; a
 * watchdog that cannot be had (no thread) is reported and done without. */
int hob__watchdog_start(struct worker *worker);

/* Fine when it was not started. */
void hob__watchdog_stop(struct worker *worker);

#endif
