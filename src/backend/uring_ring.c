/* SPDX-License-Identifier: MIT */
/* The ring itself: opened as well as this kernel allows, and entered. */
#include <errno.h>
#include <poll.h>

#include "backend/uring.h"
#include "base/check.h"
#include "base/fault.h"
#include "base/lack.h"
#include "base/sys.h"

enum { COMPLETIONS_PER_ENTRY = 8, ENTRIES_MIN = 8 };

/* ---- opening ---- */

/* Without these no answer would be right: completions could be lost, ops that wait would each take
 * a thread, and there is no reading at a file's position. All are there since Linux 5.7. */
#define NEEDED (IORING_FEAT_NODROP | IORING_FEAT_RW_CUR_POS | IORING_FEAT_FAST_POLL)

/* What the kernel says, or an older one would say. */
static int queue_init(struct uring *u, unsigned entries, struct io_uring_params *params)
{
    static const struct { enum feature lack; unsigned flags; unsigned features; } old[] = {
        { LACK_DEFER_TASKRUN, IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SINGLE_ISSUER, 0 },
        { LACK_COOP_TASKRUN, IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG, 0 },
        { LACK_NODROP, 0, IORING_FEAT_NODROP },
        { LACK_FAST_POLL, 0, IORING_FEAT_FAST_POLL },
        { LACK_EXT_ARG, IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_COOP_TASKRUN,
          IORING_FEAT_EXT_ARG },
    };
    unsigned missing = 0;
    // Deferred work does not wake who sleeps outside of the ring.
    if (RUNNING_ON_VALGRIND && (params->flags & IORING_SETUP_DEFER_TASKRUN) != 0)
        return -EINVAL;
    if (hob__fault())
        return -ENOMEM;
    if (hob__lacks(LACK_IO_URING))
        return -ENOSYS;
    for (size_t i = 0; i < sizeof old / sizeof old[0]; i++) {
        if (!hob__lacks(old[i].lack))
            continue;
        if ((params->flags & old[i].flags) != 0)
            return -EINVAL;
        missing |= old[i].features;
    }
    int r = io_uring_queue_init_params(entries, &u->ring, params);
    if (r == 0)
        u->ring.features &= ~missing; // liburing looks here too
    return r;
}

int hob__uring_open_ring(struct uring *u, const struct backend_opts *opts)
{
    static const unsigned setups[] = {
        IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG |
            IORING_SETUP_SUBMIT_ALL,
        IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL,
        0,
    };
    int r = -EINVAL;
    for (size_t i = 0; i < sizeof setups / sizeof setups[0] && r == -EINVAL; i++) {
        unsigned entries = opts->ring_entries;
        do {
            struct io_uring_params params = {
                .flags = setups[i] | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP,
                .cq_entries = opts->completions != 0 ? opts->completions
                                                     : entries * COMPLETIONS_PER_ENTRY,
            };
            r = queue_init(u, entries, &params);
            u->tells_of_work = setups[i] & IORING_SETUP_TASKRUN_FLAG;
            if (r == 0 && (u->ring.features & NEEDED) != NEEDED) {
                io_uring_queue_exit(&u->ring);
                return -ENOSYS;
            }
            entries /= 4;
        } while (r == -ENOMEM && entries >= ENTRIES_MIN);
    }
    return r;
}

/* ---- entering ---- */

/* Sleeps outside of the ring, and enters it only for what is there then: for kernels whose wait
 * knows no time (before 5.11), and for Valgrind, which lets no other thread run meanwhile. */
static void enter_when_ready(struct uring *u, int64_t left_ns)
{
    struct pollfd ring = { .fd = u->ring.ring_fd, .events = POLLIN };
    int64_t       ms = left_ns / 1000000 + (left_ns % 1000000 != 0); // never early
    (void)io_uring_submit(&u->ring);
    if (io_uring_cq_ready(&u->ring) == 0)
        (void)hob__sys_poll(&ring, 1, left_ns == INT64_MAX ? -1 : ms > 3600000 ? 3600000 : (int)ms);
    (void)io_uring_get_events(&u->ring);
}

void hob__uring_enter(struct uring *u, int64_t deadline_ns)
{
    bool may_sleep = deadline_ns != 0; // only a sleep can be interrupted
    u->was_interrupted = may_sleep && hob__interrupts_all() && !u->was_interrupted;
    if (hob_unlikely(u->was_interrupted)) {
        hob__interrupt_note();
        (void)io_uring_submit(&u->ring); // what is handed over comes before the sleep
        return;                          // the loop comes again
    }
    bool sleeps_outside = RUNNING_ON_VALGRIND || !(u->ring.features & IORING_FEAT_EXT_ARG);
    if (deadline_ns == INT64_MAX && sleeps_outside) {
        enter_when_ready(u, INT64_MAX);
        return;
    }
    if (deadline_ns == INT64_MAX) {
        (void)io_uring_submit_and_wait(&u->ring, 1); // interrupted: the loop comes again
        return;
    }
    int64_t left_ns = deadline_ns == 0 ? 0 : deadline_ns - hob__sys_clock_ns(CLOCK_MONOTONIC);
    if (left_ns <= 0) {
        bool pending = io_uring_sq_ready(&u->ring) > 0 ||
                       (IO_URING_READ_ONCE(*u->ring.sq.kflags) &
                        (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) ||
                       !u->tells_of_work;
        if (pending)
            (void)io_uring_submit_and_get_events(&u->ring);
        return;
    }
    if (sleeps_outside) {
        enter_when_ready(u, left_ns);
        return;
    }
    struct __kernel_timespec timeout = { left_ns / 1000000000, left_ns % 1000000000 };
    struct io_uring_cqe     *cqe;
    (void)io_uring_submit_and_wait_timeout(&u->ring, &cqe, 1, &timeout, NULL);
}
