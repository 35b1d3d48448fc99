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

void hob__local_free(struct local_frame *frame);

static inline struct local_frame *hob__local_ref(struct local_frame *frame)
{
    if (frame != NULL)
        frame->refs++;
    return frame;
}

static inline void hob__local_unref(struct local_frame *frame)
{
    if (frame != NULL && --frame->refs == 0)
        hob__local_free(frame);
}

#endif
