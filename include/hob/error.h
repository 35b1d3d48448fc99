/* SPDX-License-Identifier: MIT */
/*
 * Errors.
 *
 * Every function that can fail returns >= 0 for success and a negative number
 * for failure: -errno, or one of the codes below, which live where the kernel
 * never goes. hob_strerror() has words for all of them.
 */
#ifndef HOB_ERROR_H
#define HOB_ERROR_H

#include <errno.h>

#include "hob/base.h"

HOB_BEGIN_DECLS

enum {
    HOB_EOF     = -4097, /* the other end said that nothing more will come        */
    HOB_EBROKEN = -4098, /* a promise was freed, or a child ended, without a word */
    HOB_ESTUCK  = -4099, /* everything was asleep, and nothing could ever wake it */
    HOB_ELEFT   = -4100, /* a cleanup went over its grace time and was left       */
    HOB_ECHECK  = -4101, /* a check of a test failed: hob/test.h                  */
    HOB_ESTOPPING = -4110, /* the run stops and takes nothing new; no failure: hob/stop.h */
    HOB_EBREAKER = -4120, /* a circuit breaker is open: it was not tried          */

    HOB_EJSON = -4180, /* a JSON document does not fit its table: hob/json.h has words */

    /* hob/tls.h; hob_tls_error says more. */
    HOB_ETLS          = -4130, /* the peer broke the protocol, or refused us            */
    HOB_ETLSCERT      = -4131, /* the peer's certificate was not accepted               */
    HOB_ETLSTRUNCATED = -4132, /* the stream ended without the peer's goodbye           */
    HOB_ETLSCONFIG    = -4133, /* a certificate or key of ours cannot be used           */

    HOB_EHTTP = -4140, /* hob/http.h: the peer broke the protocol */
    HOB_EWS   = -4145, /* hob/ws.h: the peer broke the protocol, or a limit */
};

/* Words for a code of this library or of errno, of either sign, as a static
 * text. Never NULL; an unknown code gives "unknown error". Does not wait. */
HOB_API const char *hob_strerror(int error);

/* The short name of a code, such as "ECONNREFUSED" or "HOB_EOF". Never NULL. */
HOB_API const char *hob_error_name(int error);

/* Notes that the calling task is on its way out with `error`, and returns it.
 *
 * A HOB_SCOPE whose block is left on this way cancels its children instead of
 * waiting for them to finish. Any other call that waits, starts a task or
 * opens a scope takes the note back. Does not wait. */
HOB_API int hob_fail(int error);

/* For libraries on top of Hob: stops the program, as Hob does when it is called wrongly,
 * with "hob: FUNCTION: SENTENCE" and who was running. Not for what a peer can cause. */
HOB_API __attribute__((noreturn, cold)) void hob_mistake(const char *function,
                                                         const char *sentence);

/* Evaluates `expr` once; when it is negative, returns it from the surrounding
 * function (by hob_fail). Otherwise it is the value of `expr`:
 *
 *     ssize_t n = HOB_TRY(hob_tcp_read(conn, buf, sizeof buf));
 *
 * `expr` has a signed type: what is unsigned is never negative. */
#define HOB_TRY(expr)                                   \
    __extension__({                                     \
        HOB_AUTO hob_tried_ = (expr);                   \
        if (hob_tried_ < 0) {                           \
            int hob_failed_ = hob_fail((int)hob_tried_); \
            __asm__("" : "+r"(hob_failed_)); /* no jump instead of the call: it tells where */ \
            return hob_failed_;                         \
        }                                               \
        (void)0, hob_tried_;                            \
    })

HOB_END_DECLS

#endif
