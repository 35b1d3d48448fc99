/* SPDX-License-Identifier: MIT */
/* hob/error.h: names and words for error codes. */
#include "hob/error.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define HOB_ERRORS(X)                                                              \
    X(HOB_EOF, "end of stream")                                                    \
    X(HOB_EBROKEN, "broken promise: it was dropped before it was settled")         \
    X(HOB_ESTUCK, "everything was asleep for ever")                                \
    X(HOB_ELEFT, "a clean-up went over its grace time")                            \
    X(HOB_ECHECK, "a check of a test failed")                                      \
    X(HOB_EBREAKER, "a circuit breaker is open: it was not tried")                 \
    X(HOB_EJSON, "a JSON document does not fit its table")                         \
    X(HOB_ESTOPPING, "the run is stopping")                                        \
    X(HOB_ETLS, "TLS: the peer broke the protocol, or refused us")                 \
    X(HOB_ETLSCERT, "TLS: the peer's certificate was not accepted")                \
    X(HOB_ETLSTRUNCATED, "TLS: the stream ended without the peer's goodbye")       \
    X(HOB_ETLSCONFIG, "TLS: a certificate or key of ours cannot be used")          \
    X(HOB_EHTTP, "HTTP: the peer broke the protocol")                              \
    X(HOB_EWS, "WebSocket: the peer broke the protocol, or a limit")

/* Negative, or 0; and no number whose negative is none. */
static int as_code(int error)
{
    return error > 0 ? -error : error == INT_MIN ? -INT_MAX : error;
}

const char *hob_strerror(int error)
{
    int code = as_code(error);
    switch (code) {
#define X(name, words) case name: return words;
        HOB_ERRORS(X)
#undef X
    default:
        break;
    }
    // strerrordesc_np is the thread-safe one that returns static texts, and NULL for the unknown.
    const char *words = code == 0 ? "success" : strerrordesc_np(-code);
    return words != NULL ? words : "unknown error";
}

const char *hob_error_name(int error)
{
    int code = as_code(error);
    switch (code) {
#define X(name, words) case name: return #name;
        HOB_ERRORS(X)
#undef X
    default:
        break;
    }
    const char *name = code == 0 ? "OK" : strerrorname_np(-code);
    return name != NULL ? name : "unknown";
}
