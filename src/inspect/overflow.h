/* SPDX-License-Identifier: MIT */
/* Stack overflow: caught at the guard, on a stack of its own, and told in words. */
#ifndef HOB_INSPECT_OVERFLOW_H
#define HOB_INSPECT_OVERFLOW_H

struct worker;

/* Installs the handler for this thread. Returns 0 or a negative error. */
int  hob__overflow_watch(struct worker *worker);
void hob__overflow_unwatch(struct worker *worker);

#endif
