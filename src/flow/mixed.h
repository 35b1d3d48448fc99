/* SPDX-License-Identifier: MIT */
/* hob_flow_flat_map with several flows at once. */
#ifndef HOB_FLOW_MIXED_H
#define HOB_FLOW_MIXED_H

#include "hob/flow.h"

void hob__flow_mix(hob_flow *flow, size_t at_once, size_t item_bytes, hob_flow_inner_fn *fn,
                   void *arg);

#endif
