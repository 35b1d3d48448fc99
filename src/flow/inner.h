/* SPDX-License-Identifier: MIT */
/* Flows that a function makes while another flow runs. */
#ifndef HOB_FLOW_INNER_H
#define HOB_FLOW_INNER_H

#include "flow/flow.h"

/* Makes the flow of an item, which is taken over, or dropped as an `in`; its items must be like
 * `out`. Returns 0 or an error. */
int hob__inner_make(hob_flow_inner_fn *fn, void *arg, const struct item *in, void *item,
                    const struct item *out, const char *caller, struct stage **ret_last);

#endif
