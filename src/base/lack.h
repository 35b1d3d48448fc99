/* SPDX-License-Identifier: MIT */
/*
 * What this kernel is said not to have, so that the way without it can be tested on one that does.
 *
 *     HOB_WITHOUT=buffer_rings,ext_arg   PROGRAM
 *
 * Each place that tries something which older kernels do not know asks here first, and takes a yes
 * as the answer that such a kernel gives. The environment is read once. A name that is unknown is
 * told by hob__lacks_unknown(), so that a test cannot pass by a mistake in writing. Any thread.
 */
#ifndef HOB_BASE_LACK_H
#define HOB_BASE_LACK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"

/* With the first kernel that has it. */
#define HOB_FEATURES(X)                                            \
    X(IO_URING,        "io_uring")        /* 5.7, with fast_poll */ \
    X(NODROP,          "nodrop")          /* 5.5  */               \
    X(FAST_POLL,       "fast_poll")       /* 5.7  */               \
    X(PIDFD,           "pidfd")           /* 5.4, with waitid */   \
    X(EXT_ARG,         "ext_arg")         /* 5.11 */               \
    X(CLOSE_RANGE,     "close_range")     /* 5.11, with CLOEXEC */ \
    X(IOWQ_BOUND,      "iowq_bound")      /* 5.15 */               \
    X(RING_FD,         "ring_fd")         /* 5.18 */               \
    X(COOP_TASKRUN,    "coop_taskrun")    /* 5.19 */               \
    X(BUFFER_RINGS,    "buffer_rings")    /* 5.19 */               \
    X(MULTISHOT_RECV,  "multishot_recv")  /* 6.0  */               \
    X(DEFER_TASKRUN,   "defer_taskrun")   /* 6.1  */               \
    X(RING_FILES,      "ring_files")      /* 5.6 to 6.9: opcodes for what FS ops want */ \
    X(OPENAT2,         "openat2")         /* 5.6  */               \
    X(TMPFILE,         "tmpfile")         /* 3.11, and not on every file system */ \
    X(NOWAIT_IO,       "nowait_io")       /* 4.14, and not on every file system */ \
    X(PROCESS_MADVISE, "process_madvise") /* 5.10, for ourselves 6.13 */ \
    X(EPOLL_PWAIT2,    "epoll_pwait2")    /* 5.11 */               \
    X(GUARD_INSTALL,   "guard_install")   /* 6.13 */               \
    X(PIDFD_SELF,      "pidfd_self")      /* 6.14 */

enum feature {
#define X(feature, name) LACK_##feature,
    HOB_FEATURES(X)
#undef X
    LACK_FEATURES
};

/* A bit for each feature that is lacking, and the highest one once the environment was read. */
extern uint32_t hob__lack_mask;
#define HOB__LACK_KNOWN (UINT32_C(1) << 31)

uint32_t hob__lack_read(void);

static inline bool hob__lacks(enum feature feature)
{
    uint32_t mask = __atomic_load_n(&hob__lack_mask, __ATOMIC_RELAXED);
    if (hob_unlikely(mask == 0))
        mask = hob__lack_read();
    return hob_unlikely(mask & UINT32_C(1) << feature);
}

/* The first name in the environment that means nothing; NULL: there is none. */
const char *hob__lacks_unknown(void);

#endif
