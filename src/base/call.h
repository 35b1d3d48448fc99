/* SPDX-License-Identifier: MIT */
/* How sys.c and sys_file.c turn a system call's answer into a result. */
#ifndef HOB_BASE_CALL_H
#define HOB_BASE_CALL_H

#include <errno.h>

#include "base/check.h"
#include "base/fault.h"

/* The value of `call`, or -errno. */
#define RESULT_OF(call)                                \
    __extension__({                                    \
        __typeof__(call) result_ = (call);             \
        result_ < 0 ? (__typeof__(call))-errno : result_; \
    })

/* What a call gives when a signal comes before it did anything. */
static inline int call_interrupted(void)
{
    errno = EINTR;
    return -1;
}

/* The value of `call`, or -errno, which may be -EINTR. */
#define RESULT_OF_ONCE(call)                           \
    RESULT_OF(hob__interrupt() ? (__typeof__(call))call_interrupted() : (call))

/* The same; the call is made again while a signal interrupts it. */
#define RESULT_OF_RETRIED(call)                        \
    __extension__({                                    \
        __typeof__(call) result_;                      \
        do                                             \
            result_ = RESULT_OF_ONCE(call);            \
        while (hob_unlikely(result_ == -EINTR));       \
        result_;                                       \
    })

#endif
