/* SPDX-License-Identifier: MIT */
/*
 * What Hob says by itself: failures that nobody took, mistakes, and hangs.
 *
 * Everything goes to standard error, or to hob_run_opts.report. Each message says what
 * happened, to which task, where that was started, and what to do.
 */
#ifndef HOB_INSPECT_REPORT_H
#define HOB_INSPECT_REPORT_H

#include <stddef.h>

#include "hob/base.h"

struct scope;
struct task;
struct worker;

void hob__report(const struct worker *worker, const char *format, ...) HOB_PRINTF(2, 3);

/* "task 7 "reader" (read_orders), started at main+0x1c (kitchen.c:42)" */
const char *hob__describe_task(const struct task *task, char *text, size_t size);

void hob__report_will_not_leave(const struct task *task);
void hob__report_slow_cleanup(const struct scope *scope, const void *fn);

/* The failures of a root scope. */
void hob__report_failures(const struct scope *scope, const char *headline);

/* Descriptors, promises that are still there when the runtime ends. */
void hob__report_left_open(struct worker *worker);

/* The lines of hob_dump through hob__report. */
void hob__report_tasks(struct worker *worker, size_t tasks_max);

/* Who was running, for a failed assertion: the task in one line. */
void hob__report_who(int fd);

#endif
