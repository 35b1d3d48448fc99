/* SPDX-License-Identifier: MIT */
/* Task-locals: a list of counted frames, shared with the children that were started under it. */
#ifndef HOB_CORE_LOCAL_H
#define HOB_CORE_LOCAL_H

#include "hob/task.h"

struct local_frame {
    struct local_frame  *outer;
    const hob_local_key *key;
    void                *value;
    uint32_t             refs;
};

struct local_frame *hob__local_ref(struct local_frame *frame);
void                hob__local_unref(struct local_frame *frame);

#endif
