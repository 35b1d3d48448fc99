/* SPDX-License-Identifier: MIT */
/*
 * What is buffered is written when the process is about to end by a fault, an abort, or a failed
 * assertion: hob__last_lines, called by those who see that first, and by handlers of its own.
 */
#ifndef HOB_LOG_CRASH_H
#define HOB_LOG_CRASH_H

struct log_writer;

/* From now on this writer's lines; NULL: nobody's. One call at a time. */
void hob__log_crash_watch(struct log_writer *writer);

/* In a forked child: they are the parent's to write. */
void hob__log_crash_forget(void);

#endif
