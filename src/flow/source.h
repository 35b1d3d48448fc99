/* SPDX-License-Identifier: MIT */
/* The source of a branch: see tee.c. */
#ifndef HOB_FLOW_SOURCE_H
#define HOB_FLOW_SOURCE_H

#include "flow/flow.h"

/* As hob_flow_from_chan; `stops`: and stops the channel when nothing more is wanted from it. */
hob_flow *hob__flow_of_chan(hob_chan *chan, size_t item_bytes, bool stops);

#endif
