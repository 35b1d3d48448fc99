/* SPDX-License-Identifier: MIT */
/*
 * Failures, and where they came from.
 *
 * A task that returns the very error that it collected, from a scope or a future,
 * hands a failure on. The worker remembers the last TRAIL failures that were
 * collected, each with a number; so a failure can name the one that caused it,
 * that one its own cause, and a report can walk back to where it began.
 *
 * Memory: a ring in the worker; what is overwritten ends the walk.
 */
#ifndef HOB_CORE_FAILURE_H
#define HOB_CORE_FAILURE_H

#include "hob/scope.h"

struct task;
struct worker;

enum { TRAIL = 32 };

struct trail {
    hob_failure at[TRAIL];
    uint64_t    count; /* remembered so far; number n is in at[(n - 1) % TRAIL] */
};

/* The failure of a task that returns `error`. */
hob_failure hob__failure_of(const struct task *task, int error);

/* The running task collected this failure, and may hand it on. */
void hob__failure_collected(struct task *task, const hob_failure *failure);

#endif
