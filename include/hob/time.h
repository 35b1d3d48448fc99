/* SPDX-License-Identifier: MIT */
/*
 * Time.
 *
 * A time is an int64_t of nanoseconds on the monotonic clock; it does not jump
 * when somebody sets the date. A deadline is such a time. Waiting ends at the
 * deadline or after it, never before. In the sim backend time is virtual: it
 * moves only when every task waits.
 */
#ifndef HOB_TIME_H
#define HOB_TIME_H

#include "hob/op.h"

HOB_BEGIN_DECLS

#define HOB_NSEC    INT64_C(1)
#define HOB_USEC    INT64_C(1000)
#define HOB_MSEC    INT64_C(1000000)
#define HOB_SEC     INT64_C(1000000000)
#define HOB_MINUTE  (60 * HOB_SEC)
#define HOB_HOUR    (60 * HOB_MINUTE)
#define HOB_FOREVER INT64_MAX /* as a duration or as a deadline: never */

/* Now, on the monotonic clock. Does not wait. */
HOB_API int64_t hob_now(void);

/* The deadline that lies `duration_ns` from now. A negative duration counts as
 * 0, and one that would overflow gives HOB_FOREVER. Does not wait. */
HOB_API int64_t hob_in(int64_t duration_ns);

/* Now on the calendar clock, in nanoseconds since 1970 (UTC, as
 * CLOCK_REALTIME). For showing to people; it can jump. Does not wait. */
HOB_API int64_t hob_wall_now(void);

/* Sleeps for `duration_ns`; for HOB_FOREVER, until it is cancelled. Waits; for 0
 * or less it only checks for cancellation. Returns 0, or -ECANCELED or -ETIMEDOUT
 * when the scope ended the sleep. */
HOB_API HOB_MUST_USE int hob_sleep(int64_t duration_ns);

/* Sleeps until `deadline_ns`; otherwise as hob_sleep. */
HOB_API HOB_MUST_USE int hob_sleep_until(int64_t deadline_ns);

/* The same as an operation: see hob/op.h. Its result is 0. */
HOB_API void hob_sleep_prep(hob_op *op, int64_t deadline_ns);

/* A regular beat. A place of yours; it needs no clean-up. */
typedef struct hob_ticker {
    int64_t period_ns;
    int64_t next_ns; /* the tick that hob_ticker_wait will wait for */
} hob_ticker;

/* Starts a beat of `period_ns` (more than 0) whose first tick comes one period
 * from now. Does not wait. */
HOB_API void hob_ticker_init(hob_ticker *ticker, int64_t period_ns);

/* Waits for the next tick. A ticker does not hurry to catch up: ticks that
 * passed unheard are skipped, and the beat stays where it was. Returns how
 * many were skipped, or -ECANCELED or -ETIMEDOUT. */
HOB_API HOB_MUST_USE int64_t hob_ticker_wait(hob_ticker *ticker);

HOB_END_DECLS

#endif
