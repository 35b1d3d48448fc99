/* SPDX-License-Identifier: MIT */
/* Select from inside, for channels: who finishes one of its ops must win it first. */
#ifndef HOB_SYNC_SELECT_H
#define HOB_SYNC_SELECT_H

#include <stdbool.h>

#include "op/op.h"

/* The op.done of each op of a select. */
void hob__select_done(struct op *op);

/* Whether this op is the one that the select takes. Once per select it says yes: from then on
 * the op must be finished. From any worker. */
bool hob__select_claim(struct op *op);

#endif
